/* SPDX-License-Identifier: MIT */
/* Managed memory: its pages, who waits for them, its end. See managed.h. */
#include <thor/memory/managed.h>

#include <thor/memory/page-cache.h>
#include <thor/memory/space.h>
#include <thor/memory/swappable.h>
#include <thor/object/account.h>

constexpr uint64_t MANAGED_END = MEMORY_SIZE_MAX / FRAME_SIZE;
constexpr uint64_t MANAGED_SLICE_PAGES = 128; /* taken away before others have their turn */
constexpr uint64_t MANAGED_LOOK_NS = 100'000'000; /* then who waits for writes looks again */

/* ---- life -------------------------------------------------------------------------- */

static void managed_aged(struct timer *timer);

int managed__create(struct memory *backing)
{
	struct account *account = backing->object.account;
	struct managed *managed = account_allocate(account, sizeof(*managed));

	if (managed == NULL) {
		return -ERR_NO_MEMORY;
	}
	managed->backing = backing;
	backing->managed = managed;
	page_set_init(&managed->dirty, account);
	page_set_init(&managed->due, account);
	timer_init(&managed->age, NULL, managed_aged);
	for (uint32_t i = 0; i < MANAGED_WAIT_BUCKETS; i++) {
		list_init(&managed->waits[i]);
	}
	list_init(&managed->wanted);
	list_init(&managed->throttled);
	list_init(&managed->requests);
	list_init(&managed->fences);
	managed->window = 1;
	work_init(&managed->work, managed_service);
	list_node_init(&managed->cache.node);
	managed->cache.memory = backing;
	page_cache_add(&managed->cache);
	return 0;
}

void managed__destroy(struct managed *managed)
{
	if (managed == NULL) {
		return;
	}
	ASSERT(managed->n_resident == 0);
	ASSERT(managed->n_unclean == 0);
	ASSERT(!managed->is_ageing);
	ASSERT(list_is_empty(&managed->requests));
	page_cache_remove(&managed->cache);
	swap__destroy(managed->swap);
	account_free(managed->backing->object.account, managed, sizeof(*managed));
}

static void managed_aged(struct timer *timer)
{
	struct managed *managed = container_of(timer, struct managed, age);
	struct memory *backing = managed->backing;

	spinlock_acquire(&backing->lock);
	managed->is_ageing = false;
	if (!managed->is_dead && managed->n_dirty > 0) {
		managed__want_write(managed);
	}
	if (managed->swap != NULL) {
		/* There may be memory from elsewhere. */
		managed__wake_throttled(managed, 0);
	}
	spinlock_release(&backing->lock);
	object_unref(&backing->object);
}

void managed__kick(struct managed *managed)
{
	if (!managed->is_work_posted) {
		managed->is_work_posted = true;
		object_ref(&managed->backing->object);
		work_post(&managed->work);
	}
}

/* ---- waits ------------------------------------------------------------------------- */

static void managed_end_wait(struct page_wait *wait, int error)
{
	list_remove(&wait->node);
	list_remove(&wait->wanted_node);
	wait->error = error;
	wait->done(wait, error);
}

void managed__wake(struct managed *managed, uint64_t first, uint64_t end, int error)
{
	uint64_t n_buckets = min_u64(end - first, MANAGED_WAIT_BUCKETS);

	for (uint64_t i = 0; i < n_buckets; i++) {
		struct list *bucket = &managed->waits[(first + i) % MANAGED_WAIT_BUCKETS];

		LIST_FOR_EACH_SAFE(wait, bucket, struct page_wait, node) {
			if (wait->index >= first && wait->index < end) {
				managed_end_wait(wait, error);
			}
		}
	}
}

void managed__wake_throttled(struct managed *managed, int error)
{
	LIST_FOR_EACH_SAFE(wait, &managed->throttled, struct page_wait, node) {
		managed_end_wait(wait, error);
	}
}

/* How many pages to ask for: a reader that goes on where it was expected gets twice as many. */
static uint64_t managed_choose_window(struct managed *managed, uint64_t index)
{
	managed->window =
		index == managed->next_index ? min_u64(2 * managed->window, MANAGED_RUN_MAX) : 1;
	managed->next_index = index + managed->window;
	return managed->window;
}

static void managed_arm(
	struct managed *managed, uint64_t index, bool is_throttled, struct page_wait *wait)
{
	uint64_t entry = page_tree_get(&managed->backing->pages, index);

	object_ref(&managed->backing->object);
	wait->backing = managed->backing;
	wait->identity = managed->backing->object.identity;
	wait->index = index;
	if (is_throttled) {
		list_push_back(&managed->throttled, &wait->node);
		managed__want_write(managed);
		return;
	}
	list_push_back(&managed->waits[index % MANAGED_WAIT_BUCKETS], &wait->node);
	if (managed_state_of(entry) != MANAGED_INITIALISING) {
		wait->n_pages = managed_choose_window(managed, index);
		list_push_back(&managed->wanted, &wait->wanted_node);
		managed__kick(managed);
	}
}

/* ---- pages ------------------------------------------------------------------------- */

enum managed_obstacle {
	MANAGED_NO_OBSTACLE,
	MANAGED_ABSENT, /* the manager has to bring it */
	MANAGED_THROTTLED, /* it could be read */
	MANAGED_LOST, /* the manager is gone */
};

static bool managed_is_zero(const struct managed *managed, uint64_t index, uint64_t entry)
{
	return entry == 0 && index >= managed->zeros_first && index < managed->zeros_end;
}

void managed__forget_zeros(struct managed *managed, uint64_t first, uint64_t end)
{
	if (first < managed->zeros_end && end > managed->zeros_first) {
		managed->zeros_first = end; /* what is before it was written to, most likely */
	}
}

/* A page of zeros; false: there is no memory for it, so the manager is asked as for others. */
static bool managed_make_zero(struct managed *managed, uint64_t index)
{
	struct memory_page page;

	if (managed__get_backing_page(managed->backing, index, &page) != 0) {
		managed__forget_zeros(managed, index, index + 1);
		return false;
	}
	managed_set_state(page_tree_slot(&managed->backing->pages, index), MANAGED_CLEAN);
	return true;
}

/* What keeps a user from an access to a page. A dead manager's clean pages can still be read. */
static enum managed_obstacle managed_find_obstacle(
	const struct managed *managed, uint64_t index, uint64_t entry, bool for_write)
{
	enum managed_state state = managed_state_of(entry);
	bool is_there = managed->swap != NULL ? state >= MANAGED_CLEAN
					      : state == MANAGED_CLEAN && !for_write;

	if (managed->is_dead && !is_there) {
		return MANAGED_LOST;
	}
	if (state < MANAGED_CLEAN && !managed_is_zero(managed, index, entry)) {
		return MANAGED_ABSENT;
	}
	return for_write && state <= MANAGED_CLEAN && managed__is_throttled(managed)
		? MANAGED_THROTTLED
		: MANAGED_NO_OBSTACLE;
}

int managed__get_page(
	struct memory *backing, uint64_t index, bool for_write, struct memory_page *out_page)
{
	struct managed *managed = backing->managed;
	uint64_t *slot = page_tree_slot(&backing->pages, index);
	enum managed_obstacle obstacle =
		managed_find_obstacle(managed, index, slot != NULL ? *slot : 0, for_write);

	if (obstacle != MANAGED_NO_OBSTACLE) {
		return obstacle == MANAGED_LOST ? -ERR_IO : SPACE_PENDING;
	}
	if (slot == NULL || *slot == 0) {
		if (!managed_make_zero(managed, index)) {
			return SPACE_PENDING;
		}
		slot = page_tree_slot(&backing->pages, index);
	}
	int error = for_write ? managed__make_dirty(managed, index, slot) : 0;

	if (error != 0) {
		return error;
	}
	enum managed_state state = managed_state_of(*slot);

	*slot |= MANAGED_REFERENCED;
	*out_page = (struct memory_page){
		.phys = managed_phys_of(*slot),
		.can_write = state == MANAGED_DIRTY || state == MANAGED_REDIRTIED,
	};
	return 0;
}

void managed__count_resident(struct managed *managed)
{
	managed->n_resident++;
	page_cache_count_pages(1);
}

int managed__get_backing_page(struct memory *backing, uint64_t index, struct memory_page *out_page)
{
	struct managed *managed = backing->managed;
	uint64_t *slot = page_tree_make_slot(&backing->pages, index);

	if (slot == NULL) {
		return -ERR_NO_MEMORY;
	}
	if (managed_phys_of(*slot) == 0) {
		int error = account_charge(backing->object.account, ACCOUNT_PAGES, 1);
		uint64_t phys = error == 0 ? frame_allocate_zeroed() : 0;
		enum managed_state state = managed_state_of(*slot);

		if (phys == 0) {
			memory__uncharge(backing, error == 0);
			return -ERR_NO_MEMORY;
		}
		page_tree_fill(&backing->pages, slot,
			phys | (state == MANAGED_MISSING ? MANAGED_FILLING : state));
		managed__count_resident(managed);
	}
	*out_page = (struct memory_page){ .phys = managed_phys_of(*slot), .can_write = true };
	return 0;
}

bool memory__find_backing(const struct memory *memory, uint64_t *index, struct memory **out_backing)
{
	struct memory *source = memory->source;

	if (memory->swappable != NULL) {
		uint64_t entry = page_tree_get(&memory->pages, *index);

		*index = swap_slot_of(entry);
		*out_backing = swap_is_entry(entry) ? swap__backing_of(entry) : NULL;
		return *out_backing != NULL;
	}
	if (source == NULL || source->kind != HEL_MEMORY_BACKING) {
		return false;
	}
	if (memory->kind == HEL_MEMORY_COPY_ON_WRITE) {
		if (*index >= memory->source_size / FRAME_SIZE ||
			page_tree_get(&memory->pages, *index) != 0) {
			return false;
		}
		*index += memory->source_offset / FRAME_SIZE;
	}
	*out_backing = source;
	return *index < source->size_bytes / FRAME_SIZE;
}

int memory__await_page(
	struct memory *memory, uint64_t index, bool for_write, struct page_wait *wait)
{
	struct memory *backing;

	if (memory->swappable != NULL) {
		return swappable__await(memory, index, wait);
	}
	if (!memory__find_backing(memory, &index, &backing)) {
		return 0;
	}
	/* A view copies the page to write to it. */
	return managed__await(
		backing->managed, index, for_write && memory->kind == HEL_MEMORY_MANAGED, wait);
}

int managed__await(struct managed *managed, uint64_t index, bool for_write, struct page_wait *wait)
{
	const struct memory *backing = managed->backing;
	int error;

	switch (managed_find_obstacle(
		managed, index, page_tree_get(&backing->pages, index), for_write)) {
	case MANAGED_NO_OBSTACLE: return 0;
	case MANAGED_LOST: return 0; /* since it was looked for; now that says so */
	case MANAGED_ABSENT:
		if (page_wait_takes_error(wait, backing, index, &error)) {
			return error;
		}
		managed_arm(managed, index, false, wait);
		return SPACE_PENDING;
	case MANAGED_THROTTLED: managed_arm(managed, index, true, wait); return SPACE_PENDING;
	}
	UNREACHABLE();
}

void managed__await_written(struct managed *managed, struct page_wait *wait)
{
	managed_arm(managed, 0, true, wait);
	managed__arm_age(managed, MANAGED_LOOK_NS);
}

/* ---- taking pages away ------------------------------------------------------------- */

void managed__hide(struct managed *managed, uint64_t first, uint64_t end)
{
	memory__hide(managed->backing, first, end, NULL);
	memory__hide_in_views(managed->backing, first, end);
}

struct managed_removal {
	uint64_t n_resident;
};

static uint32_t managed_unref_pages(void *context, const struct page_tree_run *run)
{
	struct managed_removal *removal = context;
	uint32_t n_entries = 0;

	PAGE_TREE_FOR_EACH(entry, n_entries, run)
	{
		uint64_t phys = managed_phys_of(entry);

		if (phys != 0) {
			managed__forget_locks(phys);
			frame_unref_owned(phys);
			removal->n_resident++;
		}
	}
	return n_entries;
}

static uint32_t managed_keep_pages(UNUSED void *context, const struct page_tree_run *run)
{
	uint32_t n_entries = 0;

	PAGE_TREE_FOR_EACH(entry, n_entries, run)
	{
		(void)entry;
	}
	return n_entries;
}

void managed__release(struct managed *managed, uint64_t index)
{
	page_tree_remove(&managed->backing->pages, index, index + 1, managed_keep_pages, NULL);
	managed->n_resident--;
	memory__uncharge(managed->backing, 1);
	page_cache_count_pages(-1);
}

void managed__drop(struct managed *managed, uint64_t first, uint64_t end)
{
	struct managed_removal removal = {};

	managed__forget_zeros(managed, first, end);
	page_tree_remove(&managed->backing->pages, first, end, managed_unref_pages, &removal);
	managed->n_resident -= removal.n_resident;
	memory__uncharge(managed->backing, removal.n_resident);
	page_cache_count_pages(-(int64_t)removal.n_resident);
}

bool managed__is_evictable(const struct managed *managed, uint64_t entry)
{
	if (managed->swap != NULL) {
		return managed_state_of(entry) == MANAGED_CLEAN && !managed->is_dead &&
			frame_is_exclusive(managed_phys_of(entry));
	}
	return (managed_state_of(entry) == MANAGED_CLEAN ||
		       (managed->is_dead && managed->n_unclean == 0 &&
			       managed_phys_of(entry) != 0)) &&
		!managed__is_locked(entry);
}

static void managed_set_size(struct managed *managed, uint64_t size_bytes)
{
	managed->backing->size_bytes = size_bytes;
	if (managed->frontal != NULL) {
		spinlock_acquire(&managed->frontal->lock);
		managed->frontal->size_bytes = size_bytes;
		spinlock_release(&managed->frontal->lock);
	}
}

bool managed__resize(struct managed *managed, uint64_t size_bytes)
{
	const struct page_tree *pages = &managed->backing->pages;
	uint64_t first = size_bytes / FRAME_SIZE;
	bool is_growing = size_bytes > managed->backing->size_bytes;
	uint64_t index, entry;

	/* First of all, so that no more pages come where some are taken away. */
	managed_set_size(managed, size_bytes);
	managed->zeros_end = min_u64(managed->zeros_end, first);
	if (is_growing) {
		return false; /* nothing is there, and nobody waits for it */
	}
	if (page_tree_next(pages, first, MANAGED_END, &index, &entry)) {
		uint64_t end = align_up(index + 1, MANAGED_SLICE_PAGES);

		managed__hide(managed, index, end);
		managed__forget_dirty(managed, index, end);
		managed__drop(managed, index, end);
		if (page_tree_next(pages, end, MANAGED_END, &index, &entry)) {
			return true;
		}
	}
	managed->advice_end = min_u64(managed->advice_end, first);
	/* They look again, and see that it is out of bounds. */
	managed__wake(managed, first, MANAGED_END, 0);
	if (!managed__is_throttled(managed)) {
		managed__wake_throttled(managed, 0);
	}
	managed__kick(managed);
	return false;
}

void managed__written(struct managed *managed, uint64_t first, uint64_t end, int error)
{
	managed__note_written(managed, first, end, error);
	if (error == 0) {
		page_cache_note_written();
	}
	if (managed->swap != NULL) {
		swap__note_written(managed->swap, error);
	}
	if (managed->swap != NULL || !managed__is_throttled(managed)) {
		managed__wake_throttled(managed, 0);
	}
	managed__kick(managed);
}

void managed__die(struct managed *managed)
{
	struct memory *backing = managed->backing;
	bool is_swap = managed->swap != NULL;

	if (is_swap) {
		swap__resign(managed->swap);
	}
	spinlock_acquire(&backing->lock);
	managed->is_dead = true;
	/* What the swap space has it keeps. */
	page_cache_count_lost(is_swap ? 0 : managed->n_unclean);
	managed__wake(managed, 0, MANAGED_END, -ERR_IO);
	managed__wake_throttled(managed, is_swap ? 0 : -ERR_IO);
	if (managed->is_ageing && timer_cancel(&managed->age)) {
		managed->is_ageing = false;
		object_unref(&backing->object);
	}
	managed__kick(managed);
	spinlock_release(&backing->lock);
}

bool managed__bury(struct managed *managed)
{
	uint64_t index;

	if (!managed->is_dead || !managed__find_unclean(managed, &index)) {
		return false;
	}
	uint64_t end = align_up(index + 1, MANAGED_SLICE_PAGES);

	/* Clean ones come back with the next fault. */
	memory__hide_in_views(managed->backing, index, end);
	managed__forget_dirty(managed, index, end);
	return managed->n_unclean > 0;
}
