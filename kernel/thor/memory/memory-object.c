/* SPDX-License-Identifier: MIT */
/* Memory objects: creating, destroying, forking, resizing. Their pages: memory-pages.c. */
#include <thor/memory/memory-object.h>

#include <base/string.h>
#include <thor/memory/managed.h>
#include <thor/memory/memory-indirect.h>
#include <thor/memory/space.h>
#include <thor/memory/swappable.h>
#include <thor/object/account.h>

constexpr uint64_t MEMORY_SLICE_PAGES = 64; /* freed before others have their turn */

uint32_t memory__slice_pages = 48;

static void memory_destroy(struct object *object);
static void memory_abandon_backing(struct object *object);

static const struct object_class memory_class = {
	.type = HEL_TYPE_MEMORY,
	.name = "memory",
	.rights = HEL_RIGHT_READ | HEL_RIGHT_WRITE | HEL_RIGHT_EXECUTE | HEL_RIGHT_MAP |
		HEL_RIGHT_DERIVE | HEL_RIGHT_MANAGE | HEL_RIGHT_PIN,
	.destroy = memory_destroy,
	.abandon = object_abandon_nothing,
};

static const struct object_class memory_backing_class = {
	.type = HEL_TYPE_MEMORY,
	.name = "backing memory",
	.rights = HEL_RIGHT_READ | HEL_RIGHT_WRITE | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE |
		HEL_RIGHT_MANAGE | HEL_RIGHT_PIN,
	.destroy = memory_destroy,
	.abandon = memory_abandon_backing,
};

/* ---- locks ------------------------------------------------------------------------- */

void memory__lock(struct memory *memory)
{
	if (memory->source != NULL) {
		spinlock_acquire(&memory->source->lock);
	}
	spinlock_acquire(&memory->lock);
}

void memory__unlock(struct memory *memory)
{
	spinlock_release(&memory->lock);
	if (memory->source != NULL) {
		spinlock_release(&memory->source->lock);
	}
}

/* ---- creating ---------------------------------------------------------------------- */

static struct memory *memory_create_in(
	struct account *account, enum hel_memory_kind kind, uint64_t size_bytes)
{
	struct memory *memory = object_create_in(account,
		kind == HEL_MEMORY_BACKING ? &memory_backing_class : &memory_class,
		sizeof(*memory));

	if (memory != NULL) {
		memory->kind = kind;
		memory->size_bytes = size_bytes;
		spinlock_init(&memory->lock,
			kind == HEL_MEMORY_COPY_ON_WRITE || kind == HEL_MEMORY_MANAGED
				? LOCK_RANK_MEMORY_VIEW
				: LOCK_RANK_MEMORY);
		page_tree_init(&memory->pages, account);
		list_init(&memory->mappings);
		list_init(&memory->windows);
		list_init(&memory->views);
		list_init(&memory->forks);
		list_node_init(&memory->view_node);
	}
	return memory;
}

struct memory *memory__create(enum hel_memory_kind kind, uint64_t size_bytes)
{
	return memory_create_in(account_current(), kind, size_bytes);
}

int memory__charge(struct memory *memory, uint64_t n_pages)
{
	int error = account_charge(memory->object.account, ACCOUNT_PAGES, n_pages);

	if (error == 0 && unlikely(memory->swappable != NULL)) {
		page_cache_count_swappable((int64_t)n_pages);
	}
	return error;
}

void memory__uncharge(struct memory *memory, uint64_t n_pages)
{
	if (n_pages > 0) {
		account_uncharge(memory->object.account, ACCOUNT_PAGES, n_pages);
		if (unlikely(memory->swappable != NULL)) {
			page_cache_count_swappable(-(int64_t)n_pages);
		}
	}
}

/**
 * memory_create_physical() - a range of physical addresses: device registers, firmware tables
 * @phys: page-aligned
 * @size_bytes: a multiple of the page size, not 0
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NO_MEMORY. The caller has checked that the range may be
 * given out.
 */
int memory_create_physical(
	uint64_t phys, uint64_t size_bytes, enum hel_caching caching, struct memory **out_memory)
{
	constexpr uint64_t phys_max = (uint64_t)1 << MEMORY_PHYS_BITS_MAX;

	if (!is_aligned(phys, FRAME_SIZE) || !is_aligned(size_bytes, FRAME_SIZE) ||
		size_bytes == 0 || size_bytes > phys_max || phys > phys_max - size_bytes ||
		caching > HEL_CACHE_WRITE_COMBINE) {
		return -ERR_ILLEGAL_ARGS;
	}
	struct memory *memory = memory__create(HEL_MEMORY_PHYSICAL, size_bytes);

	if (memory == NULL) {
		return -ERR_NO_MEMORY;
	}
	memory->phys = phys;
	memory->uses_large = size_bytes >= ARCH_LARGE_SIZE;
	memory->page_flags = caching == HEL_CACHE_UNCACHED ? ARCH_PAGE_UNCACHED
		: caching == HEL_CACHE_WRITE_COMBINE       ? ARCH_PAGE_WRITE_COMBINE
							   : 0;
	*out_memory = memory;
	return 0;
}

/* An object that shows pages of another one, which is locked or not known to anybody yet. */
static void memory_link_view(struct memory *memory, struct memory *source)
{
	object_ref(&source->object);
	memory->source = source;
	list_push_back(&source->views, &memory->view_node);
}

/* A view of an allocated object or a backing, which is locked. */
static int memory_create_view(struct memory *source, struct account *account, uint64_t offset,
	uint64_t size_bytes, struct memory **out_memory)
{
	struct memory *memory = memory_create_in(account, HEL_MEMORY_COPY_ON_WRITE, size_bytes);

	if (memory == NULL) {
		return -ERR_NO_MEMORY;
	}
	memory_link_view(memory, source);
	memory->source_offset = offset;
	memory->source_size = size_bytes;
	*out_memory = memory;
	return 0;
}

/**
 * memory_create_managed() - memory whose pages a manager fills and writes back
 * @size_bytes: a multiple of the page size
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NO_MEMORY.
 */
int memory_create_managed(
	uint64_t size_bytes, struct memory **out_backing, struct memory **out_frontal)
{
	if (!memory__is_size(size_bytes)) {
		return -ERR_ILLEGAL_ARGS;
	}
	struct memory *backing = memory__create(HEL_MEMORY_BACKING, size_bytes);
	struct memory *frontal = memory__create(HEL_MEMORY_MANAGED, size_bytes);

	if (backing == NULL || frontal == NULL || managed__create(backing) != 0) {
		object_unref(backing != NULL ? &backing->object : NULL);
		object_unref(frontal != NULL ? &frontal->object : NULL);
		return -ERR_NO_MEMORY;
	}
	memory_link_view(frontal, backing);
	backing->managed->frontal = frontal;
	*out_backing = backing;
	*out_frontal = frontal;
	return 0;
}

int memory__create_shared(struct account *account, uint64_t size_bytes, struct memory **out_memory)
{
	if (!memory__is_size(size_bytes)) {
		return -ERR_ILLEGAL_ARGS;
	}
	*out_memory = memory_create_in(account, HEL_MEMORY_ALLOCATED, size_bytes);
	return *out_memory != NULL ? 0 : -ERR_NO_MEMORY;
}

int memory__create_anonymous(struct account *account, bool is_swappable, struct memory **out_memory)
{
	struct memory *memory = memory_create_in(account, HEL_MEMORY_COPY_ON_WRITE, ARCH_USER_HIGH);

	if (memory == NULL || (is_swappable && swappable__create(memory) != 0)) {
		object_unref(memory != NULL ? &memory->object : NULL);
		return -ERR_NO_MEMORY;
	}
	memory->is_anonymous = true;
	*out_memory = memory;
	return 0;
}

bool memory_is_forkable(const struct memory *memory)
{
	return memory->kind == HEL_MEMORY_ALLOCATED || memory->kind == HEL_MEMORY_COPY_ON_WRITE ||
		memory->kind == HEL_MEMORY_MANAGED;
}

/* ---- forking ----------------------------------------------------------------------- */

/* A copy of a part of a locked view, still without its pages, for which both will pay. */
static int memory_fork_view(struct memory *memory, struct account *account, uint64_t offset,
	uint64_t size_bytes, struct memory **out_copy)
{
	struct memory *copy = memory_create_in(account, HEL_MEMORY_COPY_ON_WRITE, size_bytes);

	if (copy == NULL) {
		return -ERR_NO_MEMORY;
	}
	if (memory->swappable != NULL && swappable__create(copy) != 0) {
		object_unref(&copy->object);
		return -ERR_NO_MEMORY;
	}
	copy->is_anonymous = memory->is_anonymous;
	copy->phys = memory->phys;
	copy->source_offset = memory->source_offset + offset;
	copy->source_size = offset < memory->source_size
		? min_u64(memory->source_size - offset, size_bytes)
		: 0;
	if (memory->source != NULL) {
		memory_link_view(copy, memory->source);
	}
	*out_copy = copy;
	return 0;
}

/* What a view of an object refers to: the backing of managed memory has its pages. */
static struct memory *memory_source_of(struct memory *memory)
{
	return memory->kind == HEL_MEMORY_MANAGED ? memory->source : memory;
}

int memory__fork_begin(struct memory *memory, struct account *account, uint64_t offset,
	uint64_t size_bytes, struct memory **out_copy)
{
	ASSERT(memory_is_forkable(memory));
	if (memory->kind == HEL_MEMORY_COPY_ON_WRITE) {
		return memory_fork_view(memory, account, offset, size_bytes, out_copy);
	}
	return memory_create_view(memory_source_of(memory), account, offset, size_bytes, out_copy);
}

/* A page of one view and those behind it, up to the end of a lowest node in either tree. */
struct share_run {
	const uint64_t *from;
	uint64_t *to;
	uint64_t n_slots;
};

static bool share_run_begin(struct share_run *run, const struct page_tree *from, uint64_t index,
	struct page_tree *to, uint64_t to_index)
{
	run->from = page_tree_slot(from, index);
	run->to = page_tree_make_slot(to, to_index);
	/* A tree of height 0 has a single slot. */
	run->n_slots = from->height == 0 || to->height == 0 ? 1
							    : PAGE_TREE_WAYS -
			max_u64((index - from->origin) % PAGE_TREE_WAYS,
				(to_index - to->origin) % PAGE_TREE_WAYS);
	return run->to != NULL;
}

/* Shorten a run to @n_max pages; how many it has. */
static uint32_t share_run_count(struct share_run *run, uint32_t n_max)
{
	uint32_t n_pages = 0;

	for (uint64_t i = 0; i < run->n_slots; i++) {
		if (run->from[i] != 0 && n_pages++ == n_max) {
			run->n_slots = i;
			return n_max;
		}
	}
	return n_pages;
}

/*
 * What a copy gets of a page: the same; but one that a device may be writing to stays that of the
 * original (memory-loan.c). 0: no memory.
 */
static uint64_t memory_share_page(struct memory *copy, uint64_t phys)
{
	if (likely(!frame_is_pinned(phys))) {
		frame_ref_owned(phys);
		return phys;
	}
	uint64_t own = frame_allocate();

	if (own != 0) {
		frame_copy(own, phys);
		copy->is_apart = true;
	}
	return own;
}

/* The same for a slot of its tree, which is charged already. */
static int memory_share_slot(struct memory *copy, uint64_t *slot, uint64_t phys)
{
	uint64_t shared = memory_share_page(copy, phys);

	if (shared == 0) {
		return -ERR_NO_MEMORY;
	}
	page_tree_fill(&copy->pages, slot, shared);
	return 0;
}

/* The pages of a run, and those that are out. */
static int memory_share_swappable(struct memory *copy, const struct share_run *run)
{
	for (uint64_t i = 0; i < run->n_slots; i++) {
		uint64_t entry = run->from[i];

		if (entry == 0) {
			continue;
		}
		if ((swap_is_entry(entry) ? swappable__share(copy, entry)
					  : memory__charge(copy, 1)) != 0) {
			return -ERR_NO_MEMORY;
		}
		if (swap_is_entry(entry)) {
			page_tree_fill(&copy->pages, &run->to[i], entry);
		} else if (memory_share_slot(copy, &run->to[i], entry) != 0) {
			memory__uncharge(copy, 1);
			return -ERR_NO_MEMORY;
		}
	}
	return 0;
}

/* The @n_pages pages of a run. */
static int memory_share_run(struct memory *copy, const struct share_run *run, uint32_t n_pages)
{
	if (unlikely(copy->swappable != NULL)) {
		return memory_share_swappable(copy, run);
	}
	if (memory__charge(copy, n_pages) != 0) {
		return -ERR_NO_MEMORY;
	}
	for (uint64_t i = 0; i < run->n_slots; i++) {
		if (run->from[i] == 0) {
			continue;
		}
		if (memory_share_slot(copy, &run->to[i], run->from[i]) != 0) {
			memory__uncharge(copy, n_pages);
			return -ERR_NO_MEMORY;
		}
		n_pages--;
	}
	return 0;
}

static int memory_share_pages(struct memory *memory, struct memory *copy, uint64_t shift,
	uint64_t *index, uint64_t end, uint32_t *n_pages)
{
	struct share_run run;
	uint64_t at, phys;

	while (page_tree_next(&memory->pages, *index, end, &at, &phys)) {
		*index = at;
		if (*n_pages == 0) {
			return MEMORY_MORE;
		}
		if (!share_run_begin(&run, &memory->pages, at, &copy->pages, at - shift)) {
			return -ERR_NO_MEMORY;
		}
		run.n_slots = min_u64(run.n_slots, end - at);
		uint32_t n_shared = share_run_count(&run, *n_pages);

		if (memory_share_run(copy, &run, n_shared) != 0) {
			return -ERR_NO_MEMORY;
		}
		*n_pages -= n_shared;
		*index = at + run.n_slots;
	}
	*index = end;
	return 0;
}

int memory__fork_pages(struct memory *memory, struct memory *copy, uint64_t shift, uint64_t *index,
	uint64_t end, uint32_t *n_pages)
{
	uint64_t first = *index;
	int error = memory_share_pages(memory, copy, shift, index, end, n_pages);

	if (!memory->is_anonymous && *index > first) {
		memory__write_protect(memory, first, *index);
	}
	return error;
}

static uint32_t memory_unref_pages(void *context, const struct page_tree_run *run)
{
	uint32_t n_pages = 0;

	PAGE_TREE_FOR_EACH(entry, n_pages, run)
	{
		if (unlikely(swap_is_entry(entry))) {
			swappable__forget(context, entry);
		} else {
			frame_unref_owned(entry);
		}
	}
	return n_pages;
}

/* Drop the pages of [index, end). */
static void memory_remove_pages(struct memory *memory, uint64_t index, uint64_t end)
{
	uint64_t n_pages = memory_count_present(memory);

	page_tree_remove(&memory->pages, index, end, memory_unref_pages, memory);
	memory__uncharge(memory, n_pages - memory_count_present(memory));
}

/* Device registers are not copied: only what is in the direct map, and cached there, too. */
static int memory_copy_physical(
	struct memory *source, uint64_t offset, uint64_t size_bytes, struct memory **out_memory)
{
	if (source->page_flags != 0 ||
		!frame_is_direct(source->phys + source->size_bytes - FRAME_SIZE)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (offset > source->size_bytes || size_bytes > source->size_bytes - offset) {
		return -ERR_OUT_OF_BOUNDS;
	}
	struct memory *memory = memory__create(HEL_MEMORY_COPY_ON_WRITE, size_bytes);

	if (memory == NULL) {
		return -ERR_NO_MEMORY;
	}
	memory->phys = source->phys;
	memory->source_offset = offset;
	memory->source_size = size_bytes;
	*out_memory = memory;
	return 0;
}

/* Begin a private view of a part of another object. */
static int memory_begin_copy(
	struct memory *source, uint64_t offset, uint64_t size_bytes, struct memory **out_memory)
{
	if (!memory__is_size(size_bytes) || !memory__is_size(offset)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (source != NULL && source->kind == HEL_MEMORY_PHYSICAL) {
		return memory_copy_physical(source, offset, size_bytes, out_memory);
	}
	if (source != NULL && !memory_is_forkable(source)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (source == NULL) {
		*out_memory = memory__create(HEL_MEMORY_COPY_ON_WRITE, size_bytes);
		return *out_memory != NULL ? 0 : -ERR_NO_MEMORY;
	}
	memory__lock(source);
	bool is_inside = offset <= source->size_bytes && size_bytes <= source->size_bytes - offset;
	int error = is_inside
		? memory__fork_begin(source, account_current(), offset, size_bytes, out_memory)
		: -ERR_OUT_OF_BOUNDS;

	memory__unlock(source);
	return error;
}

/* Let the view share some more pages of its source, if that is a view, too. */
static int memory_go_on_copying(struct memory *source, uint64_t offset, uint64_t size_bytes,
	struct memory *memory, uint64_t *position)
{
	uint64_t first = offset / FRAME_SIZE;
	uint64_t index = first + *position;
	uint32_t n_pages = memory__slice_pages;

	if (source == NULL || source->kind != HEL_MEMORY_COPY_ON_WRITE) {
		return 0;
	}
	memory__lock(source);
	int error = memory__fork_pages(
		source, memory, first, &index, first + size_bytes / FRAME_SIZE, &n_pages);

	memory__unlock(source);
	*position = index - first;
	return error;
}

/**
 * memory_create_copy_on_write_slice() - a private view of a part of another object
 * @source: allocated, managed or copy-on-write memory, or cached physical memory in RAM; or NULL
 * for zeros
 * @memory: NULL at first; half-built after MEMORY_MORE, dropped and NULL after an error
 * @position: 0 at first, then as the last slice left it
 *
 * Of an allocated or managed source it shows later changes of pages that it has not copied yet; of
 * a copy-on-write source it has each page as it was at some moment between the first slice and the
 * last.
 * Return: 0, MEMORY_MORE, -ERR_ILLEGAL_ARGS, -ERR_OUT_OF_BOUNDS, -ERR_NO_MEMORY.
 */
int memory_create_copy_on_write_slice(struct memory *source, uint64_t offset, uint64_t size_bytes,
	struct memory **memory, uint64_t *position)
{
	int error = source != NULL ? memory__resolve(&source, &offset, size_bytes) : 0;

	if (error == 0 && *memory == NULL) {
		*position = 0;
		error = memory_begin_copy(source, offset, size_bytes, memory);
	}
	if (error == 0) {
		error = memory_go_on_copying(source, offset, size_bytes, *memory, position);
	}
	if (error == 0) {
		swappable__publish(*memory);
	} else if (error < 0) {
		object_unref(*memory != NULL ? &(*memory)->object : NULL);
		*memory = NULL;
	}
	return error;
}

/** memory_create_copy_on_write() - memory_create_copy_on_write_slice() to its end */
int memory_create_copy_on_write(
	struct memory *source, uint64_t offset, uint64_t size_bytes, struct memory **out_memory)
{
	struct memory *memory = NULL;
	uint64_t position = 0;
	int error;

	do {
		error = memory_create_copy_on_write_slice(
			source, offset, size_bytes, &memory, &position);
	} while (error == MEMORY_MORE);
	if (error == 0) {
		*out_memory = memory;
	}
	return error;
}

/**
 * memory_create_borrowed() - memory over pages that another kernel object owns
 * @owner: a reference is taken
 * @phys_of: the page at an index below the size; constant while @owner lives, called with locks
 * held
 */
int memory_create_borrowed(struct object *owner, uint64_t size_bytes,
	uint64_t (*phys_of)(struct object *owner, uint64_t page_index), struct memory **out_memory)
{
	if (!memory__is_size(size_bytes)) {
		return -ERR_ILLEGAL_ARGS;
	}
	struct memory *memory = memory__create(HEL_MEMORY_QUEUE, size_bytes);

	if (memory == NULL) {
		return -ERR_NO_MEMORY;
	}
	object_ref(owner);
	memory->owner = owner;
	memory->phys_of = phys_of;
	*out_memory = memory;
	return 0;
}

/* ---- destroying and resizing ------------------------------------------------------- */

static void memory_free_pages(struct memory *memory, uint64_t first, uint64_t end)
{
	if (memory->managed != NULL) {
		managed__drop(memory->managed, first, end);
	} else {
		memory_remove_pages(memory, first, end);
	}
}

/* Free some pages; whether that was all of them. */
static bool memory_free_slice(struct memory *memory)
{
	struct page_tree *pages = &memory->pages;
	uint64_t end = MEMORY_SIZE_MAX / FRAME_SIZE;
	uint64_t n_pages = MEMORY_SLICE_PAGES;
	uint64_t index, phys;

	if (pages->n_pages <= n_pages) {
		memory_free_pages(memory, 0, end);
		return true;
	}
	uint64_t n_left_max = pages->n_pages - n_pages;

	while (pages->n_pages > n_left_max && page_tree_next(pages, 0, end, &index, &phys)) {
		memory_free_pages(memory, index, align_up(index + 1, PAGE_TREE_WAYS));
	}
	return false;
}

static void memory_destroy(struct object *object)
{
	struct memory *memory = container_of(object, struct memory, object);

	ASSERT(list_is_empty(&memory->mappings));
	ASSERT(list_is_empty(&memory->views));
	ASSERT(list_is_empty(&memory->windows));
	if (memory->source != NULL) {
		spinlock_acquire(&memory->source->lock);
		list_remove(&memory->view_node);
		if (memory->kind == HEL_MEMORY_MANAGED) {
			memory->source->managed->frontal = NULL;
		}
		spinlock_release(&memory->source->lock);
		object_unref(&memory->source->object);
		memory->source = NULL;
	}
	if ((memory->indirect != NULL && !indirect__destroy_slice(memory)) ||
		!memory__end_filling_slice(memory) || !memory_free_slice(memory)) {
		object_destroy_again(object);
		return;
	}
	if (memory->shown != NULL) {
		object_handle_unref(&memory->shown->object);
	}
	object_unref(memory->owner);
	managed__destroy(memory->managed);
	swappable__destroy(memory);
	object_free(object);
}

static void memory_abandon_backing(struct object *object)
{
	managed__die(container_of(object, struct memory, object)->managed);
}

static int memory_resize_managed_slice(struct memory *backing, uint64_t size_bytes)
{
	spinlock_acquire(&backing->lock);
	bool is_more = managed__resize(backing->managed, size_bytes);

	spinlock_release(&backing->lock);
	return is_more ? MEMORY_MORE : 0;
}

/* Not a contiguous run: who shares one can rely on it. */
static bool memory_is_resizable(const struct memory *memory)
{
	return (memory->kind == HEL_MEMORY_ALLOCATED && memory->phys == 0) ||
		(memory->kind == HEL_MEMORY_BACKING && memory->managed->swap == NULL) ||
		(memory->kind == HEL_MEMORY_COPY_ON_WRITE && !memory->is_anonymous);
}

/* Hide some of what a view has shown of its source beyond its size. */
static void memory_hide_slice(struct memory *memory)
{
	constexpr uint64_t end = MEMORY_SIZE_MAX / FRAME_SIZE;
	uint64_t bound = memory__bound(memory, memory->cut_index, end);

	memory__hide(memory, memory->cut_index, bound, NULL);
	memory->cut_index = bound;
	memory->is_cutting = bound < end;
}

/* Take some of the pages beyond the size away; false: there are none. */
static bool memory_cut_slice(struct memory *memory)
{
	uint64_t index, phys;

	if (memory->is_cutting) {
		memory_hide_slice(memory);
		return true;
	}
	if (!page_tree_next(&memory->pages, memory->size_bytes / FRAME_SIZE,
		    MEMORY_SIZE_MAX / FRAME_SIZE, &index, &phys)) {
		return false;
	}
	memory__hide(memory, index, index + memory__slice_pages, NULL);
	memory__hide_in_views(memory, index, index + memory__slice_pages);
	memory_free_pages(memory, index, index + memory__slice_pages);
	return true;
}

/* The object is locked and has no pages beyond its size. */
static void memory_set_size(struct memory *memory, uint64_t size_bytes)
{
	if (size_bytes < memory->size_bytes && memory->kind == HEL_MEMORY_COPY_ON_WRITE) {
		memory->source_size = min_u64(memory->source_size, size_bytes);
		memory->is_cutting = true;
		memory->cut_index = size_bytes / FRAME_SIZE;
	}
	memory->size_bytes = size_bytes;
}

/**
 * memory_resize_slice() - change the size of allocated (not contiguous) or (not anonymous)
 * copy-on-write memory, or of managed memory through its backing
 * @size_bytes: a multiple of the page size
 *
 * Pages beyond a smaller size are freed; mappings of them stay and fault with
 * -ERR_OUT_OF_BOUNDS. What a larger size adds is zero, in copy-on-write memory, too.
 *
 * The size changes first, then the pages beyond it are hidden and freed slice by slice. Whoever
 * resizes next does what is left of that first, so the work needs no position, and nobody gets to
 * see them. Until it is done those who had such a page in their page tables can still reach it.
 * Return: 0, MEMORY_MORE, -ERR_ILLEGAL_ARGS.
 */
int memory_resize_slice(struct memory *memory, uint64_t size_bytes)
{
	if (!memory__is_size(size_bytes) || !memory_is_resizable(memory)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (memory->kind == HEL_MEMORY_BACKING) {
		return memory_resize_managed_slice(memory, size_bytes);
	}
	memory__lock(memory);
	bool is_cut = memory_cut_slice(memory);

	if (!is_cut) {
		memory_set_size(memory, size_bytes);
		is_cut = memory_cut_slice(memory);
	}
	memory__unlock(memory);
	return is_cut ? MEMORY_MORE : 0;
}

/** memory_resize() - memory_resize_slice() to its end; 0, -ERR_ILLEGAL_ARGS */
int memory_resize(struct memory *memory, uint64_t size_bytes)
{
	int error;

	do {
		error = memory_resize_slice(memory, size_bytes);
	} while (error == MEMORY_MORE);
	return error;
}

static uint64_t memory_count_resident(const struct memory *memory)
{
	const struct memory *backing = memory->kind == HEL_MEMORY_MANAGED ? memory->source : memory;

	return backing->managed != NULL ? backing->managed->n_resident
					: memory_count_present(memory);
}

/** memory_get_info() - size, kind, pages of its own, in memory and out, and who may write */
void memory_get_info(struct memory *memory, struct hel_memory_info *out_info)
{
	memory__lock(memory);
	*out_info = (struct hel_memory_info){
		.size_bytes = memory->size_bytes,
		.resident_bytes = memory_count_resident(memory) * FRAME_SIZE,
		.swapped_bytes = swappable_count_out(memory) * FRAME_SIZE,
		.kind = memory->kind,
		.n_writable = memory->n_writable,
	};
	memory__unlock(memory);
}
