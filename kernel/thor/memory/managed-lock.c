/* SPDX-License-Identifier: MIT */
/*
 * Pages that stay where they are: for devices.
 *
 * A locked page of managed memory is not evicted or invalidated; it goes only with a resize or with
 * the object, and the count of its locks with it. Pages of allocated memory never move, so
 * locking them is to make them present. Locks are counted in the frame, under the object's lock;
 * all locked pages together may be an eighth of memory.
 *
 * A device that writes to a page does not fault. So locking for writing makes the page dirty, and
 * unlocking does so again: whatever was written back meanwhile may have been too early.
 */
#include <thor/memory/managed.h>

#include <thor/memory/frame.h>

constexpr uint64_t LOCK_PAGES_PART = 8;

static _Atomic uint64_t memory_n_locked; /* pages of managed memory */

bool managed__is_locked(uint64_t entry)
{
	uint64_t phys = managed_phys_of(entry);

	return phys != 0 && frame_of(phys)->n_locks != 0;
}

void managed__forget_locks(uint64_t phys)
{
	struct frame *frame = frame_of(phys);

	if (unlikely(frame->n_locks != 0)) {
		frame->n_locks = 0;
		atomic_fetch_sub_explicit(&memory_n_locked, 1, memory_order_relaxed);
	}
}

int memory__lock_page(struct memory *memory, uint64_t index, bool for_write)
{
	struct memory_page page;
	int error = memory__get_page(memory, index, for_write, &page);

	if (error != 0 || memory->kind != HEL_MEMORY_MANAGED) {
		return error;
	}
	struct frame *frame = frame_of(page.phys);
	uint64_t n_max = (frame_total_bytes() >> FRAME_SHIFT) / LOCK_PAGES_PART;

	if (frame->n_locks == UINT16_MAX ||
		(frame->n_locks == 0 &&
			atomic_load_explicit(&memory_n_locked, memory_order_relaxed) >= n_max)) {
		return -ERR_NO_MEMORY;
	}
	if (frame->n_locks++ == 0) {
		atomic_fetch_add_explicit(&memory_n_locked, 1, memory_order_relaxed);
	}
	return 0;
}

/* The slot of a page that is locked, or NULL. The object is locked. */
static uint64_t *memory_find_locked(struct memory *memory, uint64_t index)
{
	uint64_t *slot = page_tree_slot(&memory->source->pages, index);

	return slot != NULL && managed__is_locked(*slot) ? slot : NULL;
}

static int memory_mark_written(struct memory *memory, uint64_t first, uint64_t end)
{
	struct managed *managed = memory->source->managed;
	int error = 0;

	for (uint64_t index = first; index < end && error == 0 && !managed->is_dead; index++) {
		uint64_t *slot = memory_find_locked(memory, index);

		if (slot != NULL && managed_state_of(*slot) >= MANAGED_CLEAN) {
			error = managed__make_dirty(managed, index, slot);
		}
	}
	return error;
}

void memory__unlock_pages(struct memory *memory, uint64_t first, uint64_t end)
{
	if (memory->kind != HEL_MEMORY_MANAGED) {
		return;
	}
	for (uint64_t index = first; index < end; index++) {
		uint64_t *slot = memory_find_locked(memory, index);

		if (slot != NULL && --frame_of(managed_phys_of(*slot))->n_locks == 0) {
			atomic_fetch_sub_explicit(&memory_n_locked, 1, memory_order_relaxed);
		}
	}
}

bool memory_is_lockable(const struct memory *memory, uint64_t offset, uint64_t length)
{
	return (memory->kind == HEL_MEMORY_MANAGED || memory->kind == HEL_MEMORY_ALLOCATED) &&
		is_aligned(offset | length, FRAME_SIZE) && length != 0 &&
		length <= MEMORY_LOCK_MAX && offset <= MEMORY_SIZE_MAX;
}

int memory_unlock(struct memory *memory, uint64_t offset, uint64_t length, uint64_t flags)
{
	if (!memory_is_lockable(memory, offset, length) ||
		(flags & ~(uint64_t)HEL_LOCK_WRITE) != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	uint64_t first = offset / FRAME_SIZE;
	uint64_t end = first + length / FRAME_SIZE;
	int error = 0;

	memory__lock(memory);
	if (memory->kind == HEL_MEMORY_MANAGED && (flags & HEL_LOCK_WRITE) != 0) {
		error = memory_mark_written(memory, first, end);
	}
	if (error == 0) {
		memory__unlock_pages(memory, first, end);
	}
	memory__unlock(memory);
	return error;
}
