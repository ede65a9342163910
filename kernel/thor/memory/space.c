/* SPDX-License-Identifier: MIT */
/*
 * Spaces: creating, destroying, loading, looking at; the page-table edits that other files
 * share.
 */
#include <thor/memory/space.h>

#include <base/string.h>
#include <thor/cpu.h>
#include <thor/memory/swappable.h>
#include <thor/object/account.h>
#include <thor/sched/sched.h>

/* What is freed before others have their turn, and counted. */
constexpr uint32_t SPACE_FREE_MAPPINGS = 32;
constexpr uint32_t SPACE_FREE_TABLES = 16;
constexpr uint32_t SPACE_COUNT_PAGES = 16;

constexpr uint32_t SPACE_TABLE_COST = 8; /* of going to a further table, in entries */

static void space_destroy(struct object *object);
static void space_abandon(struct object *object);

static const struct object_class space_class = {
	.type = HEL_TYPE_SPACE,
	.name = "space",
	.rights = HEL_RIGHT_READ | HEL_RIGHT_WRITE | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE |
		HEL_RIGHT_MANAGE,
	.destroy = space_destroy,
	.abandon = space_abandon,
};

static_assert((uint32_t)HEL_MAP_READ == (uint32_t)ARCH_PAGE_READ);
static_assert((uint32_t)HEL_MAP_WRITE == (uint32_t)ARCH_PAGE_WRITE);
static_assert((uint32_t)HEL_MAP_EXECUTE == (uint32_t)ARCH_PAGE_EXECUTE);

/* ---- life -------------------------------------------------------------------------- */

/** space_create() - space_create_in() with the account of the current thread */
int space_create(struct space **out_space)
{
	return space_create_in(account_current(), out_space);
}

/**
 * space_create_in() - an address space without mappings; -ERR_NO_MEMORY
 * @account: pays for it, its tables and mappings, and the anonymous memory in it
 */
int space_create_in(struct account *account, struct space **out_space)
{
	struct space *space = object_create_in(account, &space_class, sizeof(*space));

	if (space == NULL) {
		return -ERR_NO_MEMORY;
	}
	spinlock_init(&space->lock, LOCK_RANK_SPACE);
	spinlock_init(&space->table_lock, LOCK_RANK_PAGE_TABLE);
	mapping_set_init(&space->mappings);
	if (arch_page_table_init(&space->page_table, account) != 0) {
		object_free(&space->object);
		return -ERR_NO_MEMORY;
	}
	asid_begin(&space->asid, &space->stamp);
	atomic_init(&space->n_users, 1);
	*out_space = space;
	return 0;
}

void space_limit(struct space *space)
{
	atomic_store_explicit(&space->is_limited, true, memory_order_relaxed);
}

/*
 * Free a mapping that has none below it in the tree, which is not used as one any more; false:
 * there is none.
 */
static bool space_free_mapping(struct space *space)
{
	struct tree_node **link = &space->mappings.tree.root;

	if (*link == NULL) {
		return false;
	}
	while ((*link)->child[0] != NULL || (*link)->child[1] != NULL) {
		link = &(*link)->child[(*link)->child[0] == NULL];
	}
	struct mapping *mapping = container_of(*link, struct mapping, node);

	*link = NULL;
	if (mapping->memory != NULL) {
		spinlock_acquire(&mapping->memory->lock);
		mapping_unlist(mapping);
		spinlock_release(&mapping->memory->lock);
		object_unref(&mapping->memory->object);
	}
	space__free_mapping(space, mapping);
	return true;
}

/* Some of what the space has; whether that was all. */
static bool space_free_slice(struct space *space)
{
	for (uint32_t i = 0; i < SPACE_FREE_MAPPINGS; i++) {
		if (!space_free_mapping(space)) {
			return arch_page_table_deinit(&space->page_table, SPACE_FREE_TABLES);
		}
	}
	return false;
}

/* Nobody has it loaded, so the page table goes as it is, and after the pages. */
static void space_destroy(struct object *object)
{
	struct space *space = container_of(object, struct space, object);

	ASSERT(space->active_cpus == 0);
	if (!space__end_fork_slice(space) || !space_free_slice(space)) {
		object_destroy_again(object);
		return;
	}
	object_free(object);
}

/* ---- use --------------------------------------------------------------------------- */

/* A CPU that becomes idle meanwhile sees that there are none. */
static void space_drop_user(struct space *space)
{
	if (atomic_fetch_sub(&space->n_users, 1) == 1) {
		sched_let_go(atomic_load(&space->active_cpus));
	}
}

static void space_abandon(struct object *object)
{
	struct space *space = container_of(object, struct space, object);

	if (!atomic_exchange(&space->is_abandoned, true)) {
		space_drop_user(space);
	}
}

void space_begin_use(struct space *space)
{
	object_ref(&space->object);
	atomic_fetch_add(&space->n_users, 1);
}

void space_end_use(struct space *space)
{
	space_drop_user(space);
	object_unref(&space->object);
}

void space_let_go(void)
{
	struct space *space = arch_this_cpu()->active_space;

	/* Some have never had a descriptor. */
	if (space != NULL &&
		(atomic_load(&space->n_users) == 0 ||
			atomic_load_explicit(&space->object.references, memory_order_relaxed) ==
				1)) {
		space_activate(NULL);
	}
}

/*
 * Load the page table. The CPU's bit is set and it does not count as idle, so whoever shoots from
 * now on asks us; what was shot before is in the stamp.
 */
static void space_load(struct cpu *cpu, struct space *space)
{
	uint64_t stamp = atomic_load_explicit(&space->stamp, memory_order_seq_cst);
	bool keeps = cpu->asid_stamps[space->asid] == stamp;

	cpu->asid_stamps[space->asid] = stamp;
	arch_page_table_activate(&space->page_table, space->asid, keeps);
}

/* Apart from space_activate(), the usual path of which has nothing to save for it. */
__attribute__((noinline)) static void space_activate_from_idle(struct space *space)
{
	shootdown_leave_idle(space != arch_this_cpu()->active_space);
	space_activate(space);
}

/**
 * space_activate() - load the user half of a space on this CPU, or of none
 *
 * Costs nothing if it is loaded already. The CPU keeps a reference until it loads another.
 */
void space_activate(struct space *space)
{
	struct cpu *cpu = arch_this_cpu();
	struct space *old = cpu->active_space;
	uint64_t bit = (uint64_t)1 << cpu->index;

	if (unlikely(shootdown_is_idle(&cpu->shootdown))) {
		space_activate_from_idle(space);
		return;
	}
	if (space == old) {
		return;
	}
	if (space != NULL) {
		object_ref(&space->object);
		/* Before loading: from now on whoever edits the page table tells us. */
		atomic_fetch_or_explicit(&space->active_cpus, bit, memory_order_seq_cst);
		space_load(cpu, space);
	} else {
		arch_page_table_activate_kernel();
	}
	cpu->active_space = space;
	cpu->statistics.n_space_loads++;
	if (old != NULL) {
		atomic_fetch_and_explicit(&old->active_cpus, ~bit, memory_order_release);
		object_unref(&old->object);
	}
}

/* ---- ranges ------------------------------------------------------------------------ */

bool space__is_range(uint64_t address, uint64_t size_bytes)
{
	return is_aligned(address, FRAME_SIZE) && is_aligned(size_bytes, FRAME_SIZE) &&
		size_bytes != 0 && address >= ARCH_USER_LOW && address < ARCH_USER_HIGH &&
		size_bytes <= ARCH_USER_HIGH - address;
}

/* Whether a page is mapped by a large one. */
static bool space_is_large(struct space *space, uint64_t address)
{
	spinlock_acquire(&space->table_lock);
	bool is_large = arch_page_lookup(&space->page_table, address).is_large;

	spinlock_release(&space->table_lock);
	return is_large;
}

/* Add resident pages of a mapping, from *page on, to *bytes; whether that was all of them. */
static bool mapping_count_slice(
	struct mapping *mapping, uint64_t *page, struct hel_mapping_info *info)
{
	bool may_be_large = (mapping->flags & HEL_MAP_LARGE) != 0;
	uint64_t first = mapping->offset / FRAME_SIZE;
	uint64_t index = first + *page;
	uint64_t phys;
	uint64_t n_pages = 0;
	uint64_t n_out = 0; /* of these, in the swap space */

	if (mapping->memory == NULL) {
		return true;
	}
	const struct page_tree *pages = &mapping->memory->pages;

	uint64_t end = first + mapping->size_bytes / FRAME_SIZE;

	memory__lock(mapping->memory);
	if (mapping->memory->kind == HEL_MEMORY_MANAGED) {
		pages = &mapping->memory->source->pages;
	}
	uint64_t shown_end = min_u64(memory__physical_pages(mapping->memory), end);

	if (index < shown_end) {
		info->resident_bytes += (shown_end - index) * FRAME_SIZE;
		index = shown_end;
	}
	while (n_pages < SPACE_COUNT_PAGES && page_tree_next(pages, index, end, &index, &phys)) {
		if (may_be_large &&
			space_is_large(
				mapping->space, mapping->address + (index - first) * FRAME_SIZE)) {
			info->large_bytes += FRAME_SIZE;
		}
		n_out += swap_is_entry(phys);
		n_pages++;
		index++;
	}
	memory__unlock(mapping->memory);
	*page = index - first;
	info->resident_bytes += (n_pages - n_out) * FRAME_SIZE;
	return n_pages < SPACE_COUNT_PAGES;
}

/**
 * space_query_slice() - describe the first mapping that ends above an address
 * @position: 0 at first, then as the last slice left it
 * @info: resident_bytes, large_bytes: 0 at first, then as the last slice left them
 *
 * resident_bytes are pages of its memory object; those that a private view shows of its source
 * are not in it, unless that is physical memory, which is always there; those that come or go
 * between slices may be or not.
 * Return: 0, MEMORY_MORE, -ERR_NOT_FOUND.
 */
int space_query_slice(
	struct space *space, uint64_t address, uint64_t *position, struct hel_mapping_info *info)
{
	bool is_complete = true;

	spinlock_acquire(&space->lock);
	struct mapping *mapping = mapping_set_above(&space->mappings, address);

	if (mapping != NULL) {
		*info = (struct hel_mapping_info){
			.address = mapping->address,
			.size_bytes = mapping->size_bytes,
			.offset = mapping->offset,
			.tag = mapping->tag,
			.flags = mapping->flags,
			.kind = mapping->memory != NULL ? mapping->memory->kind
							: HEL_MEMORY_ALLOCATED,
			.resident_bytes = info->resident_bytes,
			.memory_identity =
				mapping->memory != NULL ? mapping->memory->object.identity : 0,
			.large_bytes = info->large_bytes,
			.label = mapping->label,
		};
		is_complete = mapping_count_slice(mapping, position, info);
	}
	spinlock_release(&space->lock);
	if (!is_complete) {
		return MEMORY_MORE;
	}
	return mapping != NULL ? 0 : -ERR_NOT_FOUND;
}

/** space_query() - space_query_slice() to its end */
int space_query(struct space *space, uint64_t address, struct hel_mapping_info *out_info)
{
	uint64_t position = 0;
	int error;

	out_info->resident_bytes = 0;
	out_info->large_bytes = 0;
	do {
		error = space_query_slice(space, address, &position, out_info);
	} while (error == MEMORY_MORE);
	return error;
}

/* ---- page-table edits -------------------------------------------------------------- */

uint32_t space__entry_flags(const struct mapping *mapping)
{
	uint32_t access = mapping->flags & MAPPING_ACCESS;

	/* No processor of ours can write or execute what it may not read. */
	return access | (access != 0 ? ARCH_PAGE_READ : 0) | ARCH_PAGE_USER |
		mapping->memory->page_flags;
}

/* Of a large page one address would do, but old pieces of it may be cached. */
static void space_note_unmapped(void *context, uint64_t address, uint64_t n_pages)
{
	struct shootdown_batch *batch = context;

	shootdown_batch_add(batch, address);
	if (n_pages > 1) {
		batch->request.n_pages = SHOOTDOWN_PAGES_MAX + 1;
	}
}

void space__clear_entries(struct shootdown_batch *batch, uint64_t address, uint64_t end)
{
	arch_page_unmap_range(
		&batch->request.space->page_table, address, end, space_note_unmapped, batch);
}

uint64_t space__bound_entries(
	struct space *space, uint64_t address, uint64_t end, uint32_t *n_entries)
{
	spinlock_acquire(&space->table_lock);
	address = arch_page_bound_range(
		&space->page_table, address, end, SPACE_TABLE_COST, n_entries);
	spinlock_release(&space->table_lock);
	return address;
}

void space__hide(struct space *space, uint64_t address, uint64_t end)
{
	struct shootdown_batch batch;

	shootdown_batch_init(&batch, space);
	spinlock_acquire(&space->table_lock);
	space__clear_entries(&batch, address, end);
	shootdown_batch_flush(&batch);
	spinlock_release(&space->table_lock);
}

void space__write_protect(struct space *space, uint64_t address, uint64_t end)
{
	struct shootdown_batch batch;
	struct arch_page_table *table = &space->page_table;

	shootdown_batch_init(&batch, space);
	spinlock_acquire(&space->table_lock);
	while (arch_page_next(table, address, end, &address)) {
		struct arch_page_entry entry = arch_page_lookup(table, address);

		if ((entry.flags & ARCH_PAGE_WRITE) != 0) {
			arch_page_protect(table, address, entry.flags & ~(uint32_t)ARCH_PAGE_WRITE);
			shootdown_batch_add(&batch, address);
		}
		address = space__entry_end(&entry, address);
	}
	shootdown_batch_flush(&batch);
	spinlock_release(&space->table_lock);
}
