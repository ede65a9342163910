/* SPDX-License-Identifier: MIT */
/* Mappings of dma-spaces: see dma-space.h. */
#include <thor/dma/dma-space.h>

#include <base/assert.h>
#include <base/errors.h>
#include <thor/memory/memory-object.h>
#include <thor/memory/frame.h>
#include <thor/object/account.h>
#include <thor/object/grant.h>
#include <thor/sched/sched.h>

constexpr uint64_t DMA_SLICE_PAGES = 64; /* unpinned with one flush */
constexpr uint32_t DMA_PAUSE_PAGES = 8; /* between two looks at the clock while pinning */
constexpr uint32_t DMA_LENT_PAGES = 32; /* the same of loans, if they are all there */

static struct dma_mapping *dma_mapping_of(struct dma_range *range)
{
	return container_of(range, struct dma_mapping, range);
}

static uint64_t dma_n_pages(const struct dma_mapping *mapping)
{
	return (mapping->range.end - mapping->range.start) / FRAME_SIZE;
}

static uint64_t dma_page_address(const struct dma_mapping *mapping, uint64_t index)
{
	return mapping->range.start + index * FRAME_SIZE;
}

static size_t dma_mapping_bytes(const struct dma_mapping *mapping)
{
	return sizeof(*mapping) +
		(mapping->is_listed ? dma_n_pages(mapping) * sizeof(mapping->pages[0]) : 0);
}

static bool dma_is_translated(const struct dma_mapping *mapping)
{
	return iommu_get() != NULL && !mapping->is_listed;
}

/* What the device knows a page by; without IOMMU that is where it is. */
static uint64_t dma_device_address(const struct dma_mapping *mapping, uint64_t index)
{
	return mapping->is_listed ? mapping->pages[index] : dma_page_address(mapping, index);
}

/* Nothing is cached for a domain that never had a device. */
static int dma_flush(struct dma_space *space, uint64_t address, uint64_t size_bytes)
{
	if (space->domain.id == 0) {
		return 0;
	}
	int error = iommu_get()->ops->flush(space->domain.id, address, size_bytes);

	if (error != 0) {
		space->is_broken = true;
	}
	return error;
}

/* ---- ending ------------------------------------------------------------------------ */

/* Take pages [first, first + n) out of the tables; whether the IOMMU has forgotten them. */
static int dma_clear_pages(struct dma_space *space, const struct dma_mapping *mapping,
	uint64_t first, uint64_t n_pages, uint64_t *out_phys)
{
	uint64_t start = dma_page_address(mapping, first);
	uint64_t tables = 0;

	for (uint64_t i = 0; i < n_pages; i++) {
		out_phys[i] = io_table_clear(&space->domain.table, start + i * FRAME_SIZE);
	}
	io_table_trim(&space->domain.table, start, start + n_pages * FRAME_SIZE, &tables);
	int error = dma_flush(space, start, n_pages * FRAME_SIZE);

	if (error == 0) {
		io_table_free_list(&space->domain.table, tables);
	}
	return error;
}

static void dma_unpin(const struct dma_mapping *mapping, uint64_t phys)
{
	if (mapping->is_pinned) {
		frame_unpin(phys);
	} else {
		frame_unref(phys);
	}
}

static int dma_end_slice(struct dma_space *space, struct dma_mapping *mapping)
{
	uint64_t phys[DMA_SLICE_PAGES];
	uint64_t n_pages = min_u64(mapping->n_pages_mapped, DMA_SLICE_PAGES);
	uint64_t first = mapping->n_pages_mapped - n_pages;
	int error = 0;

	mapping->state = DMA_ENDING;
	if (dma_is_translated(mapping)) {
		error = dma_clear_pages(space, mapping, first, n_pages, phys);
	} else {
		for (uint64_t i = 0; i < n_pages; i++) {
			phys[i] = dma_device_address(mapping, first + i);
		}
	}
	for (uint64_t i = 0; i < n_pages && error == 0; i++) {
		dma_unpin(mapping, phys[i]);
	}
	mapping->n_pages_mapped = first;
	space->mapped_bytes -= n_pages * FRAME_SIZE;
	return error;
}

static void dma_forget(struct dma_space *space, struct dma_mapping *mapping)
{
	ASSERT(mapping->n_pages_mapped == 0);
	if (space->building == mapping) {
		space->building = NULL;
	}
	dma_ranges_remove(&space->ranges, &mapping->range);
	space->n_mappings--;
	grant_use_end(mapping->use);
	object_unref(&mapping->memory->object);
	account_free(space->object.account, mapping, dma_mapping_bytes(mapping));
}

int dma__end(struct dma_space *space, struct dma_mapping *mapping)
{
	uint64_t start_ns = arch_clock_ns();

	while (mapping->n_pages_mapped > 0) {
		int error = dma_end_slice(space, mapping);

		/* Each further flush would run into its time limit as well. */
		if (error != 0) {
			space->mapped_bytes -= mapping->n_pages_mapped * FRAME_SIZE;
			mapping->n_pages_mapped = 0;
			dma_forget(space, mapping);
			return error;
		}
		if (mapping->n_pages_mapped > 0 && sched_should_pause(start_ns)) {
			return DMA_MORE;
		}
	}
	dma_forget(space, mapping);
	return 0;
}

static struct dma_mapping *dma_find(
	const struct dma_space *space, uint64_t address, uint64_t size_bytes)
{
	for (struct dma_range *range = dma_ranges_find(&space->ranges, address);
		range != NULL && range->start == address; range = dma_ranges_next(range)) {
		if (range->end - range->start == size_bytes && range != &space->interrupt_range &&
			dma_mapping_of(range) != space->building) {
			return dma_mapping_of(range);
		}
	}
	return NULL;
}

int dma_space_unmap(struct dma_space *space, uint64_t address, uint64_t size_bytes)
{
	int error = -ERR_NOT_FOUND;

	spinlock_acquire(&space->lock);
	struct dma_mapping *mapping = dma_find(space, address, size_bytes);

	if (mapping != NULL) {
		error = dma__end(space, mapping);
	}
	spinlock_release(&space->lock);
	return error;
}

/* ---- building ---------------------------------------------------------------------- */

/* Pages of a scattered mapping have to be where its device can reach them. How many are. */
static uint32_t dma_list_pages(
	struct dma_mapping *mapping, const uint64_t *phys, uint32_t n_pages, int *out_error)
{
	uint64_t limit = mapping->args.limit != 0 ? mapping->args.limit : UINT64_MAX;
	uint64_t *listed = &mapping->pages[mapping->n_pages_mapped];

	for (uint32_t i = 0; i < n_pages; i++) {
		if (phys[i] >= limit || limit - phys[i] < FRAME_SIZE) {
			*out_error = -ERR_NO_SPACE;
			return i;
		}
		listed[i] = phys[i];
	}
	*out_error = 0;
	return n_pages;
}

/* Pages come into the tables, or are where they have to be. How many. */
static uint32_t dma_enter_pages(struct dma_space *space, const struct dma_mapping *mapping,
	const uint64_t *phys, uint32_t n_pages, int *out_error)
{
	int error = 0;
	uint32_t i = 0;

	for (; i < n_pages && error == 0; i++) {
		uint64_t address = dma_page_address(mapping, mapping->n_pages_mapped + i);

		if (dma_is_translated(mapping)) {
			error = io_table_map(
				&space->domain.table, address, phys[i], mapping->access);
		} else if (phys[i] != address) {
			error = -ERR_UNSUPPORTED;
		}
	}
	*out_error = error;
	return error == 0 ? i : i - 1;
}

/* The next pages; of a loan up to @n_pages at once. */
static int dma_take_frames(const struct dma_mapping *mapping, uint32_t *n_pages, uint64_t *out_phys)
{
	uint64_t offset = mapping->offset + mapping->n_pages_mapped * FRAME_SIZE;
	bool for_write = (mapping->access & HEL_DMA_WRITE) != 0;

	if (mapping->memory->kind == HEL_MEMORY_LOAN) {
		return memory_take_lent_frames(
			mapping->memory, offset, for_write, n_pages, out_phys);
	}
	*n_pages = 1;
	return mapping->is_scattered
		? memory_get_any_frame(mapping->memory, offset, for_write, out_phys)
		: memory_get_frame(mapping->memory, offset, for_write, out_phys);
}

static int dma_map_some(struct dma_space *space, struct dma_mapping *mapping, uint32_t *n_pages)
{
	uint64_t phys[DMA_LENT_PAGES];
	int error = dma_take_frames(mapping, n_pages, phys);

	if (error != 0) {
		return error;
	}
	uint32_t n_entered = mapping->is_listed
		? dma_list_pages(mapping, phys, *n_pages, &error)
		: dma_enter_pages(space, mapping, phys, *n_pages, &error);

	mapping->n_pages_mapped += n_entered;
	space->mapped_bytes += n_entered * FRAME_SIZE;
	for (uint32_t i = n_entered; i < *n_pages; i++) {
		dma_unpin(mapping, phys[i]);
	}
	return error;
}

/* Map what time allows: 0 all is mapped, DMA_MORE, an error. */
static int dma_build(struct dma_space *space, struct dma_mapping *mapping)
{
	uint64_t n_pages = dma_n_pages(mapping);
	uint64_t start_ns = arch_clock_ns();

	for (uint32_t n_new = 0; mapping->n_pages_mapped < n_pages;) {
		uint32_t n = (uint32_t)min_u64(n_pages - mapping->n_pages_mapped, DMA_LENT_PAGES);
		int error = dma_map_some(space, mapping, &n);

		if (error != 0) {
			return error;
		}
		n_new += n;
		if (n_new >= DMA_PAUSE_PAGES && mapping->n_pages_mapped < n_pages) {
			if (sched_should_pause(start_ns)) {
				return DMA_MORE;
			}
			n_new = 0;
		}
	}
	return dma_is_translated(mapping) && iommu_get()->caches_absent
		? dma_flush(space, mapping->range.start, n_pages * FRAME_SIZE)
		: 0;
}

/* Where a mapping goes; without IOMMU its first page decides. */
static int dma_choose_address(struct dma_space *space, struct memory *memory,
	const struct hel_dma_map_args *args, bool is_listed, uint64_t *out_address)
{
	const struct iommu *iommu = iommu_get();
	uint64_t limit = args->limit != 0 ? args->limit : UINT64_MAX;

	if (is_listed) {
		/* at the rate of a page each nanosecond they last for more than 30 years */
		*out_address = DMA_LISTED_LOW + space->listed_next;
		space->listed_next += args->size_bytes;
		return 0;
	}
	if (iommu == NULL) {
		int error = memory_get_frame(memory, args->offset, false, out_address);

		if (error != 0) {
			return error;
		}
		frame_unref(*out_address); /* allocated memory keeps it */
		if ((args->flags & HEL_DMA_FIXED) != 0 && *out_address != args->address) {
			return -ERR_UNSUPPORTED;
		}
		bool fits = *out_address < limit && args->size_bytes <= limit - *out_address;

		return fits ? 0 : -ERR_NO_SPACE;
	}
	limit = min_u64(limit, iommu->address_end);
	if ((args->flags & HEL_DMA_FIXED) == 0) {
		return dma_ranges_find_hole(&space->ranges, args->size_bytes, DMA_ADDRESS_LOW,
			       limit, out_address)
			? 0
			: -ERR_NO_SPACE;
	}
	if (args->address >= limit || args->size_bytes > limit - args->address) {
		return -ERR_NO_SPACE;
	}
	if (dma_ranges_overlap(&space->ranges, args->address, args->address + args->size_bytes)) {
		return -ERR_EXISTS;
	}
	*out_address = args->address;
	return 0;
}

/* ---- grants: devices lose what their driver has lost */

static bool dma_cut(void *holder, struct grant *grant);

static const struct grant_use_class dma_use_class = {
	.hold = grant_hold_object,
	.cut = dma_cut,
};

/* A mapping that is under way ends as if building it had failed. */
static bool dma_cut(void *holder, struct grant *grant)
{
	struct dma_space *space = holder;

	spinlock_acquire(&space->lock);
	struct grant_use *use = grant_first_use(grant, &dma_use_class, space);

	if (use != NULL) {
		struct dma_mapping *mapping = use->user;

		mapping->error = -ERR_REVOKED;
		/* The next slice by the next cut. Without answer its pages stay pinned. */
		(void)dma__end(space, mapping);
	}
	spinlock_release(&space->lock);
	object_unref(&space->object);
	return true;
}

static int dma_use_grant(struct dma_space *space, struct dma_mapping *mapping, struct grant *grant)
{
	int error = grant_use_create(
		&(struct grant_use_options){
			.account = space->object.account,
			.grant = grant,
			.class = &dma_use_class,
			.holder = space,
			.user = mapping,
		},
		&mapping->use);

	return error != 0 ? error : grant_use_link(mapping->use);
}

static int dma_begin(struct dma_space *space, struct memory *memory,
	const struct hel_dma_map_args *args, const struct dma_builder *builder)
{
	uint64_t address;

	if (space->n_mappings >= DMA_MAPPINGS_MAX) {
		return -ERR_NO_SPACE;
	}
	bool is_listed = builder->is_scattered &&
		(iommu_get() == NULL || (args->flags & HEL_DMA_PHYSICAL) != 0);
	int error = dma_choose_address(space, memory, args, is_listed, &address);

	if (error != 0) {
		return error;
	}
	const struct dma_mapping sized = {
		.range = { .start = address, .end = address + args->size_bytes },
		.is_listed = is_listed,
	};
	struct dma_mapping *mapping =
		account_allocate(space->object.account, dma_mapping_bytes(&sized));

	if (mapping == NULL) {
		return -ERR_NO_MEMORY;
	}
	*mapping = (struct dma_mapping){
		.range = { .start = address, .end = address + args->size_bytes },
		.memory = memory,
		.offset = args->offset,
		.access = args->flags & (HEL_DMA_READ | HEL_DMA_WRITE),
		.is_scattered = builder->is_scattered,
		.is_listed = is_listed,
		.is_pinned = memory->kind == HEL_MEMORY_LOAN && (args->flags & HEL_DMA_WRITE) != 0,
		.builder = builder->thread,
		.args = *args,
		.state = DMA_BUILDING,
	};
	error = dma_use_grant(space, mapping, builder->grant);
	if (error != 0) {
		grant_use_end(mapping->use);
		account_free(space->object.account, mapping, dma_mapping_bytes(mapping));
		return error;
	}
	object_ref(&memory->object);
	dma_ranges_insert(&space->ranges, &mapping->range);
	space->n_mappings++;
	space->building = mapping;
	return 0;
}

/* Whether the mapping under way is what this call began. */
static bool dma_is_builder(const struct dma_mapping *mapping, const struct memory *memory,
	const struct hel_dma_map_args *args, const struct dma_builder *builder)
{
	return mapping->builder == builder->thread && mapping->memory == memory &&
		mapping->is_scattered == builder->is_scattered &&
		grant_use_grant(mapping->use) == builder->grant &&
		mapping->args.offset == args->offset &&
		mapping->args.size_bytes == args->size_bytes &&
		mapping->args.address == args->address && mapping->args.limit == args->limit &&
		mapping->args.flags == args->flags;
}

/* Go on with the mapping under way, which is the caller's: 0 it is ACTIVE. */
static int dma_proceed(struct dma_space *space, struct dma_mapping *mapping)
{
	int error = mapping->error;

	mapping->touched_ns = arch_clock_ns();
	if (mapping->state == DMA_BUILDING) {
		error = dma_build(space, mapping);
	}
	if (error == 0) {
		mapping->state = DMA_ACTIVE;
		space->building = NULL;
	} else if (error < 0) {
		mapping->error = error;
		mapping->state = DMA_ENDING;
		if (dma__end(space, mapping) == DMA_MORE) {
			return DMA_MORE;
		}
	}
	return error;
}

/* Before a call begins its own: 0 it is its turn, else DMA_MORE. */
static int dma_take_turn(struct dma_space *space)
{
	struct dma_mapping *other = space->building;

	if (other == NULL) {
		return 0;
	}
	if (arch_clock_ns() - other->touched_ns < DMA_BUILDER_PATIENCE_NS) {
		return DMA_MORE;
	}
	other->builder = 0; /* nobody's: if it comes back after all, it begins anew */
	return dma__end(space, other) == DMA_MORE ? DMA_MORE : 0;
}

/* 0 and the mapping, which is active. */
static int dma_map_locked(struct dma_space *space, struct memory *memory,
	const struct hel_dma_map_args *args, const struct dma_builder *builder,
	struct dma_mapping **out_mapping)
{
	struct dma_mapping *mapping = space->building;
	int error = 0;

	if (mapping == NULL || !dma_is_builder(mapping, memory, args, builder)) {
		error = dma_take_turn(space);
		if (error == 0) {
			error = dma_begin(space, memory, args, builder);
		}
		if (error != 0) {
			return error;
		}
		mapping = space->building;
	}
	error = dma_proceed(space, mapping);
	if (error == 0) {
		*out_mapping = mapping;
	}
	return error;
}

/* Whether the range is one of the memory, whose kind is one of those. */
static int dma_check_memory(
	struct memory *memory, const struct hel_dma_map_args *args, bool is_scattered)
{
	struct hel_memory_info info;

	memory_get_info(memory, &info);
	if (info.kind != HEL_MEMORY_ALLOCATED && info.kind != HEL_MEMORY_PHYSICAL &&
		!(is_scattered &&
			(info.kind == HEL_MEMORY_BACKING || info.kind == HEL_MEMORY_LOAN))) {
		return -ERR_UNSUPPORTED;
	}
	return args->offset > info.size_bytes || args->size_bytes > info.size_bytes - args->offset
		? -ERR_OUT_OF_BOUNDS
		: 0;
}

int dma_space_map(struct dma_space *space, struct memory *memory,
	const struct hel_dma_map_args *args, const struct dma_builder *builder,
	uint64_t *out_address)
{
	struct dma_mapping *mapping;

	if (args->size_bytes == 0 || !is_aligned(args->offset | args->size_bytes, FRAME_SIZE) ||
		!is_aligned(args->address, FRAME_SIZE)) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error = dma_check_memory(memory, args, false);

	if (error != 0) {
		return error;
	}
	spinlock_acquire(&space->lock);
	error = dma_map_locked(space, memory, args, builder, &mapping);
	if (error == 0) {
		*out_address = mapping->range.start;
	}
	spinlock_release(&space->lock);
	return error;
}

int dma_space_map_pages(struct dma_space *space, struct memory *memory,
	const struct hel_dma_map_args *args, const struct dma_builder *builder, uint64_t *out_pages,
	uint64_t *out_address)
{
	struct dma_mapping *mapping;
	int error = dma_check_memory(memory, args, true);

	if (error != 0) {
		return error;
	}
	spinlock_acquire(&space->lock);
	error = dma_map_locked(space, memory, args, builder, &mapping);
	if (error == 0) {
		*out_address = mapping->range.start;
		for (uint64_t i = 0; i < dma_n_pages(mapping); i++) {
			out_pages[i] = dma_device_address(mapping, i);
		}
	}
	spinlock_release(&space->lock);
	return error;
}
