/* SPDX-License-Identifier: MIT */
/* Swappable memory: see swappable.h. */
#include <thor/memory/swappable.h>

#include <thor/memory/space.h>
#include <thor/object/account.h>

constexpr uint64_t SWAPPABLE_END = MEMORY_SIZE_MAX / FRAME_SIZE;
constexpr uint64_t SWAPPABLE_SKIPS = 256; /* entries that are out already, in one turn */

/* ---- life -------------------------------------------------------------------------- */

int swappable__create(struct memory *memory)
{
	struct swappable *swappable = account_allocate(memory->object.account, sizeof(*swappable));

	if (swappable == NULL) {
		return -ERR_NO_MEMORY;
	}
	list_node_init(&swappable->cache.node);
	swappable->cache.memory = memory;
	swappable->n_holds = 1;
	memory->swappable = swappable;
	return 0;
}

int swappable__create_memory(uint64_t size_bytes, struct memory **out_memory)
{
	struct memory *memory = memory__create(HEL_MEMORY_COPY_ON_WRITE, size_bytes);

	if (memory == NULL) {
		return -ERR_NO_MEMORY;
	}
	if (swappable__create(memory) != 0) {
		object_unref(&memory->object);
		return -ERR_NO_MEMORY;
	}
	swappable__publish(memory);
	*out_memory = memory;
	return 0;
}

void swappable__publish(struct memory *memory)
{
	if (memory->swappable != NULL) {
		/* Nobody looks at it yet. */
		memory->swappable->n_holds--;
		page_cache_add(&memory->swappable->cache);
	}
}

void swappable__destroy(struct memory *memory)
{
	struct swappable *swappable = memory->swappable;

	if (swappable != NULL) {
		ASSERT(swappable->n_out == 0);
		page_cache_remove(&swappable->cache);
		memory->swappable = NULL;
		account_free(memory->object.account, swappable, sizeof(*swappable));
	}
}

void swappable__hold(struct memory *memory)
{
	if (memory->swappable != NULL) {
		spinlock_acquire(&memory->lock);
		memory->swappable->n_holds++;
		spinlock_release(&memory->lock);
	}
}

void swappable__release(struct memory *memory)
{
	if (memory->swappable != NULL) {
		spinlock_acquire(&memory->lock);
		ASSERT(memory->swappable->n_holds > 0);
		memory->swappable->n_holds--;
		spinlock_release(&memory->lock);
	}
}

/* ---- entries ----------------------------------------------------------------------- */

static int swappable_count_entry(struct memory *memory)
{
	if (account_charge(memory->object.account, ACCOUNT_BYTES, SWAPPABLE_ENTRY_BYTES) != 0) {
		return -ERR_NO_MEMORY;
	}
	memory->swappable->n_out++;
	return 0;
}

static void swappable_uncount_entry(struct memory *memory)
{
	memory->swappable->n_out--;
	account_uncharge(memory->object.account, ACCOUNT_BYTES, SWAPPABLE_ENTRY_BYTES);
}

int swappable__bring(struct memory *memory, uint64_t *slot)
{
	uint64_t phys;

	if (memory__charge(memory, 1) != 0) {
		return -ERR_NO_MEMORY;
	}
	int error = swap__take(*slot, &phys);

	if (error != 0) {
		memory__uncharge(memory, 1);
		return error;
	}
	*slot = phys;
	swappable_uncount_entry(memory);
	return 0;
}

int swappable__share(struct memory *copy, uint64_t entry)
{
	int error = swappable_count_entry(copy);

	if (error == 0) {
		error = swap__share(entry);
		if (error != 0) {
			swappable_uncount_entry(copy);
		}
	}
	return error;
}

void swappable__forget(struct memory *memory, uint64_t entry)
{
	swap__drop(entry);
	swappable_uncount_entry(memory);
}

void swappable__move_out(struct memory *from, struct memory *to, uint64_t n_out)
{
	if (from->swappable != NULL) {
		from->swappable->n_out -= n_out;
		to->swappable->n_out += n_out;
	}
}

/* ---- waiting ----------------------------------------------------------------------- */

bool swappable__must_wait(void)
{
	struct memory *backing =
		frame_is_scarce() && swap_has_manager() ? swap__get_current() : NULL;

	if (backing == NULL) {
		return false;
	}
	spinlock_acquire(&backing->lock);
	bool must_wait = swap__should_wait(backing->managed->swap);

	spinlock_release(&backing->lock);
	object_unref(&backing->object);
	return must_wait;
}

/* Wait until pages are written, if that is still the obstacle. */
static int swappable_await_written(struct page_wait *wait)
{
	struct memory *backing = swap__get_current();
	int result = 0;

	if (backing == NULL) {
		return 0;
	}
	spinlock_acquire(&backing->lock);
	if (swap__should_wait(backing->managed->swap)) {
		managed__await_written(backing->managed, wait);
		result = SPACE_PENDING;
	}
	spinlock_release(&backing->lock);
	object_unref(&backing->object);
	return result;
}

int swappable__await(struct memory *memory, uint64_t index, struct page_wait *wait)
{
	uint64_t entry = page_tree_get(&memory->pages, index);

	if (!swap_is_entry(entry)) {
		return swappable_await_written(wait);
	}
	struct memory *backing = swap__backing_of(entry);

	spinlock_acquire(&backing->lock);
	int result = managed__await(backing->managed, swap_slot_of(entry), false, wait);

	spinlock_release(&backing->lock);
	return result;
}

/* ---- putting out ------------------------------------------------------------------- */

static int swappable_put(struct memory *memory, struct swap *swap, uint64_t *slot)
{
	uint64_t entry;
	int error = swappable_count_entry(memory);

	if (error != 0) {
		return error;
	}
	error = swap__put(swap, *slot, &entry);
	if (error != 0) {
		swappable_uncount_entry(memory);
		return error;
	}
	*slot = entry;
	memory__uncharge(memory, 1);
	return 0;
}

/* Put pages in a row out, as far as that goes. Return: how many. */
static uint64_t swappable_put_run(
	struct memory *memory, struct swap *swap, uint64_t first, uint64_t end)
{
	uint64_t index = first;

	if (first == end) {
		return 0;
	}
	memory__hide(memory, first, end, NULL);
	spinlock_acquire(&swap->backing->lock);
	for (; index < end && swap__can_put(swap); index++) {
		if (swappable_put(memory, swap, page_tree_slot(&memory->pages, index)) != 0) {
			break;
		}
	}
	if (index > first) {
		managed__want_write(swap->backing->managed);
	}
	spinlock_release(&swap->backing->lock);
	return index - first;
}

static uint64_t swappable_age_for(
	struct memory *memory, struct swap *swap, uint64_t n_pages, uint64_t *out_put)
{
	uint64_t *hand = &memory->swappable->cache.hand;
	uint64_t first = 0, end = 0; /* pages in a row that are to go */
	uint64_t n_looked = 0, n_skipped = 0;
	uint64_t entry;

	while (n_looked < n_pages && n_skipped < SWAPPABLE_SKIPS) {
		if (!page_tree_next(&memory->pages, *hand, SWAPPABLE_END, hand, &entry)) {
			*hand = 0;
			break;
		}
		uint64_t index = (*hand)++;

		if (swap_is_entry(entry)) {
			n_skipped++;
			continue;
		}
		n_looked++;
		/* what a device writes goes to that page, or is lost */
		if (frame_is_pinned(entry) || memory__take_accessed(memory, index, entry)) {
			continue;
		}
		if (index != end) {
			*out_put += swappable_put_run(memory, swap, first, end);
			first = index;
		}
		end = index + 1;
	}
	*out_put += swappable_put_run(memory, swap, first, end);
	return n_looked;
}

uint64_t swappable__age(struct memory *memory, uint64_t n_pages, uint64_t *out_put)
{
	struct memory *backing = memory->swappable->n_holds == 0 ? swap__get_current() : NULL;
	uint64_t n_looked = 0;

	*out_put = 0;
	if (backing == NULL) {
		return 0;
	}
	spinlock_acquire(&backing->lock);
	bool can_put = swap__can_put(backing->managed->swap);

	spinlock_release(&backing->lock);
	if (can_put) {
		n_looked = swappable_age_for(memory, backing->managed->swap, n_pages, out_put);
	}
	object_unref(&backing->object);
	return n_looked;
}
