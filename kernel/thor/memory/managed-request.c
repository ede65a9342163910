/* SPDX-License-Identifier: MIT */
/* Managed memory: what the manager is asked to do, and what it answers. See managed.h. */
#include <thor/memory/managed.h>

#include <thor/memory/page-cache.h>
#include <thor/memory/space.h>
#include <thor/memory/swap.h>
#include <thor/sched/sched.h>

constexpr int64_t MANAGED_ERROR_MAX = 4095;

/* ---- requests ---------------------------------------------------------------------- */

/*
 * Take the pages of [first, end) for the manager to initialise, as far as they are missing.
 * Return: the end of the run.
 */
static uint64_t managed_claim_missing(struct managed *managed, uint64_t first, uint64_t end)
{
	struct memory *backing = managed->backing;
	uint64_t index = first;

	end = min_u64(end, backing->size_bytes / FRAME_SIZE);
	for (; index < end && index - first < MANAGED_RUN_MAX; index++) {
		if (managed->swap != NULL && !swap__is_used(managed->swap, index)) {
			break; /* there is nothing to bring */
		}
		uint64_t *slot = page_tree_make_slot(&backing->pages, index);

		if (slot == NULL || managed_state_of(*slot) > MANAGED_FILLING) {
			break;
		}
		page_tree_fill(
			&backing->pages, slot, managed_phys_of(*slot) | MANAGED_INITIALISING);
	}
	return index;
}

static bool managed_is_missing(const struct managed *managed, uint64_t index)
{
	return managed_state_of(page_tree_get(&managed->backing->pages, index)) <= MANAGED_FILLING;
}

/* The first of the waits, unless what it wants has been asked for meanwhile. */
static bool managed_claim_wanted(struct managed *managed, uint64_t *out_first, uint64_t *out_end)
{
	for (;;) {
		struct page_wait *wait =
			LIST_POP_FRONT(&managed->wanted, struct page_wait, wanted_node);

		if (wait == NULL) {
			return false;
		}
		uint64_t first = wait->index;

		if (!managed_is_missing(managed, first)) {
			continue;
		}
		uint64_t end = managed_claim_missing(managed, first, first + wait->n_pages);

		if (end > first) {
			*out_first = first;
			*out_end = end;
			return true;
		}
		managed__wake(managed, first, first + 1, -ERR_NO_MEMORY);
	}
}

static bool managed_claim_advised(struct managed *managed, uint64_t *out_first, uint64_t *out_end)
{
	while (managed->advice_index < managed->advice_end) {
		uint64_t first = managed->advice_index;
		uint64_t end = managed_claim_missing(managed, first, managed->advice_end);

		managed->advice_index = end;
		if (end > first) {
			*out_first = first;
			*out_end = end;
			return true;
		}
		/* There already, or no memory: then it was only advice. */
		managed->advice_index++;
	}
	return false;
}

static bool managed_claim_read(struct managed *managed, uint64_t *out_first, uint64_t *out_end)
{
	return managed_claim_wanted(managed, out_first, out_end) ||
		managed_claim_advised(managed, out_first, out_end);
}

bool managed__next_request(struct managed *managed, struct hel_manage_result *out_request)
{
	uint64_t first, end;
	bool is_write = managed->was_read && managed__claim_write(managed, &first, &end);

	if (managed->is_dead) {
		return false;
	}
	if (!is_write && !managed_claim_read(managed, &first, &end)) {
		is_write = managed__claim_write(managed, &first, &end);
		if (!is_write) {
			return false;
		}
	}
	managed->was_read = !is_write;
	*out_request = (struct hel_manage_result){
		.kind = is_write ? HEL_MANAGE_WRITE_BACK : HEL_MANAGE_INITIALISE,
		.offset = first * FRAME_SIZE,
		.length = (end - first) * FRAME_SIZE,
	};
	return true;
}

/* ---- answers ----------------------------------------------------------------------- */

/* A page is what users shall see; one that the manager has not touched reads zero. */
static int managed_note_initialised(struct managed *managed, uint64_t index)
{
	uint64_t *slot = page_tree_slot(&managed->backing->pages, index);
	struct memory_page page;

	if (slot == NULL || *slot == 0 || managed_state_of(*slot) > MANAGED_INITIALISING) {
		return 0;
	}
	int error = managed__get_backing_page(managed->backing, index, &page);

	if (error == 0) {
		managed_set_state(slot, MANAGED_CLEAN);
	}
	return error;
}

static int managed_initialised(struct managed *managed, uint64_t first, uint64_t end)
{
	uint64_t index = first;
	int error = 0;

	while (index < end && error == 0) {
		error = managed_note_initialised(managed, index);
		index += error == 0;
	}
	if (index > first) {
		managed__wake(managed, first, index, 0);
	}
	return error;
}

static void managed_not_initialised(struct managed *managed, uint64_t first, uint64_t end)
{
	uint64_t index = first;
	uint64_t entry;

	while (page_tree_next(&managed->backing->pages, index, end, &index, &entry)) {
		if (managed_state_of(entry) <= MANAGED_INITIALISING) {
			managed__hide(managed, index, index + 1);
			managed__drop(managed, index, index + 1);
		}
		index++;
	}
	managed__wake(managed, first, end, -ERR_IO);
}

/* One range is enough for a file that grows: what does not go on from there takes its place. */
static void managed_note_zeros(struct managed *managed, uint64_t first, uint64_t end)
{
	if (first > managed->zeros_end || end < managed->zeros_first ||
		managed->zeros_first >= managed->zeros_end) {
		managed->zeros_first = first;
		managed->zeros_end = end;
	} else {
		managed->zeros_first = min_u64(managed->zeros_first, first);
		managed->zeros_end = max_u64(managed->zeros_end, end);
	}
	/* They look again: once there is a page nobody would ask for it and wake them. */
	managed__wake(managed, first, end, 0);
}

static int managed_update(
	struct managed *managed, enum hel_update kind, uint64_t first, uint64_t end, int error)
{
	switch (kind) {
	case HEL_UPDATE_INITIALISED: return managed_initialised(managed, first, end);
	case HEL_UPDATE_INITIALISE_FAILED: managed_not_initialised(managed, first, end); return 0;
	case HEL_UPDATE_WRITTEN_BACK: managed__written(managed, first, end, 0); return 0;
	case HEL_UPDATE_WRITE_BACK_FAILED: managed__written(managed, first, end, error); return 0;
	case HEL_UPDATE_ZERO: managed_note_zeros(managed, first, end); return 0;
	}
	UNREACHABLE();
}

static bool memory_is_range(uint64_t offset, uint64_t length)
{
	return is_aligned(offset | length, FRAME_SIZE) && length != 0 &&
		offset <= MEMORY_SIZE_MAX && length <= MEMORY_SIZE_MAX;
}

int memory_update(
	struct memory *backing, uint64_t kind, uint64_t offset, uint64_t length, int64_t error)
{
	bool is_failure =
		kind == HEL_UPDATE_INITIALISE_FAILED || kind == HEL_UPDATE_WRITE_BACK_FAILED;

	if (backing->kind != HEL_MEMORY_BACKING || kind > HEL_UPDATE_ZERO ||
		!memory_is_range(offset, length) ||
		(length > MANAGED_UPDATE_MAX * FRAME_SIZE && kind != HEL_UPDATE_ZERO) ||
		(is_failure ? error >= 0 || error < -MANAGED_ERROR_MAX : error != 0)) {
		return -ERR_ILLEGAL_ARGS;
	}
	uint64_t first = offset / FRAME_SIZE;
	int result = 0;

	spinlock_acquire(&backing->lock);
	uint64_t end = min_u64(first + length / FRAME_SIZE, backing->size_bytes / FRAME_SIZE);

	if (first < end) {
		result = managed_update(
			backing->managed, (enum hel_update)kind, first, end, (int)error);
	}
	spinlock_release(&backing->lock);
	return result;
}

/* ---- invalidation and advice ------------------------------------------------------- */

/* The first run of pages in [*first, end) that can be dropped; false: there is none. */
static bool managed_find_evictable(
	struct managed *managed, uint64_t *first, uint64_t end, uint64_t *out_end)
{
	const struct page_tree *pages = &managed->backing->pages;
	uint64_t index = *first;
	uint64_t entry;

	while (page_tree_next(pages, index, end, &index, &entry)) {
		if (managed__is_evictable(managed, entry)) {
			*first = index;
			do {
				index++;
			} while (index < end && index - *first < MANAGED_RUN_MAX &&
				managed__is_evictable(managed, page_tree_get(pages, index)));
			*out_end = index;
			return true;
		}
		index++;
	}
	return false;
}

/* Drop what is clean; THREAD_WAIT_RESTART: others want their turn, there may be more. */
static int managed_drop_clean(struct memory *backing, uint64_t first, uint64_t end)
{
	struct managed *managed = backing->managed;
	uint64_t start_ns = arch_clock_ns();
	bool is_found;
	uint64_t run_end;

	do {
		spinlock_acquire(&backing->lock);
		is_found = managed_find_evictable(managed, &first, end, &run_end);
		if (is_found) {
			managed__hide(managed, first, run_end);
			managed__drop(managed, first, run_end);
			first = run_end;
		}
		spinlock_release(&backing->lock);
		if (is_found && sched_should_pause(start_ns)) {
			return THREAD_WAIT_RESTART;
		}
	} while (is_found);
	return 0;
}

int memory_invalidate(struct memory *backing, uint64_t offset, uint64_t length)
{
	if (backing->kind != HEL_MEMORY_BACKING || !memory_is_range(offset, length)) {
		return -ERR_ILLEGAL_ARGS;
	}
	spinlock_acquire(&backing->lock);
	managed__forget_zeros(
		backing->managed, offset / FRAME_SIZE, (offset + length) / FRAME_SIZE);
	spinlock_release(&backing->lock);
	return managed_drop_clean(backing, offset / FRAME_SIZE, (offset + length) / FRAME_SIZE);
}

int memory_advise(struct memory *frontal, uint64_t advice, uint64_t offset, uint64_t length)
{
	if (frontal->kind != HEL_MEMORY_MANAGED || advice > HEL_ADVICE_DONT_NEED ||
		!memory_is_range(offset, length)) {
		return -ERR_ILLEGAL_ARGS;
	}
	struct memory *backing = frontal->source;
	struct managed *managed = backing->managed;
	uint64_t first = offset / FRAME_SIZE;
	uint64_t end = first + length / FRAME_SIZE;

	if (advice == HEL_ADVICE_DONT_NEED) {
		return managed_drop_clean(backing, first, end);
	}
	spinlock_acquire(&backing->lock);
	managed->advice_index = first;
	managed->advice_end = min_u64(end, backing->size_bytes / FRAME_SIZE);
	managed__kick(managed);
	spinlock_release(&backing->lock);
	return 0;
}
