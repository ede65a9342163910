/* SPDX-License-Identifier: MIT */
/* The swap space: see swap.h. */
#include <thor/memory/swap.h>

#include <thor/cpu.h>
#include <thor/memory/page-cache.h>
#include <thor/memory/space.h>
#include <thor/object/account.h>
#include <thor/sched/sched.h>

constexpr uint64_t SWAP_SEARCH_SLOTS = 4096; /* looked at for a free one before it is given up */
constexpr uint32_t SWAP_FAILURES_MAX =
	16; /* writes in a row that fail before it is not relied on */

static struct spinlock swap_lock;
static struct memory *swap_current; /* guarded by swap_lock; not referenced: it resigns first */
/* Changed with swap_lock held. One that an entry names does not change. */
static struct memory *_Atomic swap_spaces[SWAP_SPACES_MAX];
static _Atomic bool swap_is_managed;

/* ---- spaces ------------------------------------------------------------------------ */

void swap_init(void)
{
	spinlock_init(&swap_lock, LOCK_RANK_PAGE_CACHE);
	swap_current = NULL;
	atomic_store(&swap_is_managed, false);
	for (uint32_t i = 0; i < SWAP_SPACES_MAX; i++) {
		atomic_store(&swap_spaces[i], NULL);
	}
}

struct memory *swap__backing_of(uint64_t entry)
{
	return atomic_load_explicit(&swap_spaces[entry >> SWAP_SPACE_SHIFT & (SWAP_SPACES_MAX - 1)],
		memory_order_acquire);
}

bool swap_has_manager(void)
{
	return atomic_load_explicit(&swap_is_managed, memory_order_relaxed);
}

struct memory *swap__get_current(void)
{
	spinlock_acquire(&swap_lock);
	struct memory *backing = swap_current;

	if (backing != NULL) {
		object_ref(&backing->object);
	}
	spinlock_release(&swap_lock);
	return backing;
}

/* Give a new space a number and make it the current one; -ERR_BUSY. */
static int swap_enrol(struct swap *swap)
{
	int error = -ERR_BUSY;

	spinlock_acquire(&swap_lock);
	for (uint32_t i = 0; i < SWAP_SPACES_MAX && swap_current == NULL; i++) {
		if (atomic_load_explicit(&swap_spaces[i], memory_order_relaxed) == NULL) {
			swap->number = i;
			swap_current = swap->backing;
			atomic_store_explicit(&swap_spaces[i], swap->backing, memory_order_release);
			atomic_store_explicit(&swap_is_managed, true, memory_order_relaxed);
			error = 0;
		}
	}
	spinlock_release(&swap_lock);
	return error;
}

void swap__resign(struct swap *swap)
{
	spinlock_acquire(&swap_lock);
	if (swap_current == swap->backing) {
		swap_current = NULL;
		atomic_store_explicit(&swap_is_managed, false, memory_order_relaxed);
	}
	spinlock_release(&swap_lock);
}

void swap__destroy(struct swap *swap)
{
	if (swap == NULL) {
		return;
	}
	ASSERT(swap->n_used == 0);
	/* A space that nobody ever had a descriptor of has not resigned. */
	swap__resign(swap);
	spinlock_acquire(&swap_lock);
	if (atomic_load_explicit(&swap_spaces[swap->number], memory_order_relaxed) ==
		swap->backing) {
		atomic_store_explicit(&swap_spaces[swap->number], NULL, memory_order_relaxed);
	}
	spinlock_release(&swap_lock);
	account_free(swap->backing->object.account, swap, sizeof(*swap));
}

static struct swap *swap_create(struct memory *backing)
{
	struct account *account = backing->object.account;
	struct swap *swap = account_allocate(account, sizeof(*swap));

	if (swap != NULL) {
		swap->backing = backing;
		page_set_init(&swap->used, account);
		page_tree_init(&swap->shared, account);
	}
	return swap;
}

/**
 * memory_create_swap() - the swap space, whose backing is for the swap manager
 * @size_bytes: a multiple of the page size, not 0, at most 2^32 - 1 pages
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_BUSY (there is one that has a manager, or too many that had),
 * -ERR_NO_MEMORY.
 */
int memory_create_swap(uint64_t size_bytes, struct memory **out_backing)
{
	if (size_bytes == 0 || !is_aligned(size_bytes, FRAME_SIZE) || size_bytes > SWAP_SIZE_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	struct memory *backing = memory__create(HEL_MEMORY_BACKING, size_bytes);

	if (backing == NULL) {
		return -ERR_NO_MEMORY;
	}
	/* Before the page cache knows it. */
	spinlock_init(&backing->lock, LOCK_RANK_MEMORY_SWAP);
	struct swap *swap = swap_create(backing);
	int error = swap != NULL ? managed__create(backing) : -ERR_NO_MEMORY;

	if (error != 0) {
		swap__destroy(swap);
	} else {
		backing->managed->swap = swap;
		error = swap_enrol(swap);
	}
	if (error != 0) {
		object_unref(&backing->object);
		return error;
	}
	*out_backing = backing;
	return 0;
}

/* ---- counting entries -------------------------------------------------------------- */

static uint32_t swap_remove_nothing(UNUSED void *context, const struct page_tree_run *run)
{
	uint32_t n_entries = 0;

	PAGE_TREE_FOR_EACH(entry, n_entries, run)
	{
		(void)entry;
	}
	return n_entries;
}

static int swap_add_entry(struct swap *swap, uint64_t slot)
{
	if (swap__is_used(swap, slot)) {
		return page_tree_set(&swap->shared, slot, page_tree_get(&swap->shared, slot) + 1);
	}
	if (page_set_add(&swap->used, slot) != 0) {
		return -ERR_NO_MEMORY;
	}
	if (swap->n_used++ == 0) {
		object_ref(&swap->backing->object);
	}
	return 0;
}

/* Whether that was the last one. */
static bool swap_remove_entry(struct swap *swap, uint64_t slot)
{
	uint64_t n_more = page_tree_get(&swap->shared, slot);

	if (n_more > 1) {
		page_tree_fill(&swap->shared, page_tree_slot(&swap->shared, slot), n_more - 1);
		return false;
	}
	if (n_more == 1) {
		page_tree_remove(&swap->shared, slot, slot + 1, swap_remove_nothing, NULL);
		return false;
	}
	page_set_remove(&swap->used, slot);
	if (--swap->n_used == 0) {
		object_unref(&swap->backing->object);
	}
	return true;
}

/* ---- putting out ------------------------------------------------------------------- */

static bool swap_is_working(const struct swap *swap)
{
	return !swap->backing->managed->is_dead && swap->n_failures < SWAP_FAILURES_MAX;
}

void swap__note_written(struct swap *swap, int error)
{
	if (error == 0) {
		swap->n_failures = 0;
		sched_look(arch_this_cpu()); /* page_cache_balance() on the way out */
	} else if (swap->n_failures < SWAP_FAILURES_MAX) {
		swap->n_failures++;
		managed__want_write(swap->backing->managed);
	}
}

bool swap__can_put(const struct swap *swap)
{
	const struct managed *managed = swap->backing->managed;

	return swap_is_working(swap) && !managed__is_throttled(managed);
}

bool swap__should_wait(const struct swap *swap)
{
	return frame_is_scarce() && swap_is_working(swap) && swap->backing->managed->n_unclean != 0;
}

/* The slot in which a page is already, for another owner. */
static bool swap_find_slot_of(const struct swap *swap, uint64_t phys, uint64_t *out_slot)
{
	uint64_t slot = frame_of(phys)->next;
	uint64_t entry = page_tree_get(&swap->backing->pages, slot);

	*out_slot = slot;
	return managed_phys_of(entry) == phys && managed_state_of(entry) >= MANAGED_CLEAN;
}

static bool swap_find_free(struct swap *swap, uint64_t *out_slot)
{
	uint64_t n_slots = swap->backing->size_bytes / FRAME_SIZE;

	for (uint64_t i = 0; i < min_u64(n_slots, SWAP_SEARCH_SLOTS); i++) {
		uint64_t slot = swap->hand;

		swap->hand = slot + 1 < n_slots ? slot + 1 : 0;
		if (!swap__is_used(swap, slot) && page_tree_get(&swap->backing->pages, slot) == 0) {
			*out_slot = slot;
			return true;
		}
	}
	return false;
}

/* Put a page in a free slot that is marked as used. */
static int swap_fill_slot(struct swap *swap, uint64_t slot, uint64_t phys)
{
	struct memory *backing = swap->backing;

	if (account_charge(backing->object.account, ACCOUNT_PAGES, 1) != 0) {
		return -ERR_NO_MEMORY;
	}
	if (page_tree_set(&backing->pages, slot, phys | MANAGED_CLEAN) != 0) {
		memory__uncharge(backing, 1);
		return -ERR_NO_MEMORY;
	}
	managed__count_resident(backing->managed);
	if (managed__make_dirty(backing->managed, slot, page_tree_slot(&backing->pages, slot)) !=
		0) {
		managed__release(backing->managed, slot);
		return -ERR_NO_MEMORY;
	}
	frame_of(phys)->next = (uint32_t)slot;
	return 0;
}

int swap__put(struct swap *swap, uint64_t phys, uint64_t *out_entry)
{
	uint64_t slot;
	bool is_there = swap_find_slot_of(swap, phys, &slot);

	if (!is_there && !swap_find_free(swap, &slot)) {
		return -ERR_NO_SPACE;
	}
	int error = swap_add_entry(swap, slot);

	if (error != 0) {
		return error;
	}
	if (is_there) {
		frame_unref_owned(phys);
	} else {
		error = swap_fill_slot(swap, slot, phys);
		if (error != 0) {
			(void)swap_remove_entry(swap, slot);
			return error;
		}
	}
	*out_entry = slot << FRAME_SHIFT | (uint64_t)swap->number << SWAP_SPACE_SHIFT | SWAP_ENTRY;
	return 0;
}

/* ---- bringing back ----------------------------------------------------------------- */

/* Whether nobody but us has to do with the page of a slot, so that it can go. */
static bool swap_is_idle(const struct managed *managed, uint64_t entry)
{
	enum managed_state state = managed_state_of(entry);

	return managed->is_dead || state == MANAGED_CLEAN || state == MANAGED_DIRTY;
}

/* Take the page out of a slot, with its owner count. */
static void swap_empty_slot(struct swap *swap, uint64_t slot)
{
	struct managed *managed = swap->backing->managed;

	managed__hide(managed, slot, slot + 1);
	managed__forget_dirty(managed, slot, slot + 1);
	managed__release(managed, slot);
	managed__wake_throttled(managed, 0);
}

/*
 * Let the page of a slot have another owner, who puts it into this slot again: in two of them it
 * could never go. (The manager has brought it, so it does not know yet where it is.)
 */
static void swap_share_page(const struct managed *managed, uint64_t slot, uint64_t phys)
{
	frame_ref_owned(phys);
	if (!managed->is_dead) {
		frame_of(phys)->next = (uint32_t)slot;
	}
}

int swap__take(uint64_t entry, uint64_t *out_phys)
{
	struct memory *backing = swap__backing_of(entry);
	struct managed *managed = backing->managed;
	uint64_t slot = swap_slot_of(entry);
	int error = 0;

	spinlock_acquire(&backing->lock);
	uint64_t page = page_tree_get(&backing->pages, slot);

	if (managed_state_of(page) < MANAGED_CLEAN) {
		error = managed->is_dead ? -ERR_IO : SPACE_PENDING;
	} else if (swap_remove_entry(managed->swap, slot) && swap_is_idle(managed, page)) {
		swap_empty_slot(managed->swap, slot);
	} else {
		swap_share_page(managed, slot, managed_phys_of(page));
	}
	spinlock_release(&backing->lock);
	if (error == 0) {
		*out_phys = managed_phys_of(page);
	}
	return error;
}

int swap__share(uint64_t entry)
{
	struct memory *backing = swap__backing_of(entry);

	spinlock_acquire(&backing->lock);
	int error = swap_add_entry(backing->managed->swap, swap_slot_of(entry));

	spinlock_release(&backing->lock);
	return error;
}

void swap__drop(uint64_t entry)
{
	struct memory *backing = swap__backing_of(entry);
	struct managed *managed = backing->managed;
	uint64_t slot = swap_slot_of(entry);

	spinlock_acquire(&backing->lock);
	uint64_t page = page_tree_get(&backing->pages, slot);

	if (swap_remove_entry(managed->swap, slot) && managed_phys_of(page) != 0 &&
		swap_is_idle(managed, page)) {
		swap_empty_slot(managed->swap, slot);
		frame_unref_owned(managed_phys_of(page));
	}
	spinlock_release(&backing->lock);
}
