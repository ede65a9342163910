/* SPDX-License-Identifier: MIT */
/* Managed memory: what is dirty, and the rounds in which it is written back. See managed.h. */
#include <thor/memory/managed.h>

#include <thor/memory/page-cache.h>
#include <thor/memory/space.h>

static void managed_count(struct managed *managed, int64_t n_more)
{
	uint64_t n_before = managed->n_unclean;

	managed->n_unclean += (uint64_t)n_more;
	page_cache_count_unclean(managed, n_before);
}

/* ---- becoming dirty ---------------------------------------------------------------- */

bool managed__is_throttled(const struct managed *managed)
{
	return managed->n_unclean >= MANAGED_SHARE_MIN && managed->n_unclean >= page_cache_share();
}

/* Half of the share: writers should not have to wait as long as the manager keeps up. */
static bool managed_has_much(const struct managed *managed)
{
	return managed->n_unclean >= MANAGED_SHARE_MIN / 2 &&
		managed->n_unclean >= page_cache_share() / 2;
}

void managed__want_write(struct managed *managed)
{
	managed->is_write_wanted = true;
	managed__kick(managed);
}

void managed__arm_age(struct managed *managed, uint64_t delay_ns)
{
	uint64_t deadline_ns = arch_clock_ns() + delay_ns;

	if (managed->is_dead) {
		return;
	}
	if (!managed->is_ageing) {
		managed->is_ageing = true;
		object_ref(&managed->backing->object);
	} else if (managed->age.deadline_ns <= deadline_ns || !timer_cancel(&managed->age)) {
		return; /* early enough, or it has gone off and is about to look */
	}
	timer_arm(&managed->age, deadline_ns);
}

static void managed_see_to_dirty(struct managed *managed)
{
	if (managed->n_dirty == 0 || managed->is_dead) {
		return;
	}
	if (!managed->is_ageing) {
		managed__arm_age(managed, MANAGED_AGE_NS);
	}
	if (!managed->is_write_wanted && managed_has_much(managed)) {
		managed__want_write(managed);
	}
}

int managed__make_dirty(struct managed *managed, uint64_t index, uint64_t *slot)
{
	enum managed_state state = managed_state_of(*slot);

	if (state == MANAGED_DIRTY || state == MANAGED_REDIRTIED) {
		return 0;
	}
	ASSERT(state == MANAGED_CLEAN || state == MANAGED_WRITING);
	if (page_set_add(&managed->dirty, index) != 0) {
		return -ERR_NO_MEMORY;
	}
	managed->n_dirty++;
	if (state == MANAGED_CLEAN) {
		managed_count(managed, 1);
		managed_set_state(slot, MANAGED_DIRTY);
	} else {
		managed_set_state(slot, MANAGED_REDIRTIED);
	}
	managed_see_to_dirty(managed);
	return 0;
}

/* ---- rounds ------------------------------------------------------------------------ */

static void managed_begin_round(struct managed *managed)
{
	ASSERT(page_set_is_empty(&managed->due));
	managed->due = managed->dirty;
	managed->n_due_idle = managed->n_dirty;
	page_set_init(&managed->dirty, managed->backing->object.account);
	managed->n_dirty = 0;
	managed->write_hand = 0;
	managed->round++;
	managed->is_write_wanted = false;
}

bool managed__has_unclean(const struct managed *managed, uint64_t first, uint64_t end)
{
	uint64_t index;

	return (page_set_next(&managed->dirty, first, &index) && index < end) ||
		(page_set_next(&managed->due, first, &index) && index < end);
}

uint64_t managed__begin_fence(struct managed *managed)
{
	if (page_set_is_empty(&managed->due)) {
		managed_begin_round(managed);
		return managed->round;
	}
	managed->is_write_wanted = true;
	return managed->round + 1;
}

bool managed__is_fence_over(const struct managed *managed, uint64_t round)
{
	if (managed->round > round) {
		return true;
	}
	return page_set_is_empty(&managed->due) &&
		(managed->round == round || page_set_is_empty(&managed->dirty));
}

/* The first page of `due` from the hand on, or else from the start, that was not handed out. */
static uint64_t managed_find_due(const struct managed *managed)
{
	uint64_t index = managed->write_hand;

	for (;;) {
		if (!page_set_next(&managed->due, index, &index)) {
			index = 0;
			continue;
		}
		if (managed_state_of(page_tree_get(&managed->backing->pages, index)) ==
			MANAGED_DIRTY) {
			return index;
		}
		index++;
	}
}

/* Users have to fault before they write to these pages again. */
static void managed_write_protect(struct managed *managed, uint64_t first, uint64_t end)
{
	struct memory *frontal = managed->frontal;

	if (frontal == NULL) {
		return;
	}
	spinlock_acquire(&frontal->lock);
	memory__write_protect(frontal, first, end);
	spinlock_release(&frontal->lock);
}

bool managed__claim_write(struct managed *managed, uint64_t *out_first, uint64_t *out_end)
{
	if (page_set_is_empty(&managed->due) && managed->is_write_wanted) {
		managed_begin_round(managed);
	}
	if (managed->n_due_idle == 0) {
		return false;
	}
	uint64_t first = managed_find_due(managed);
	uint64_t end = first;

	while (end - first < MANAGED_RUN_MAX && page_set_has(&managed->due, end)) {
		uint64_t *slot = page_tree_slot(&managed->backing->pages, end);

		if (managed_state_of(*slot) != MANAGED_DIRTY) {
			break;
		}
		managed_set_state(slot, MANAGED_WRITING);
		managed->n_due_idle--;
		end++;
	}
	managed->write_hand = end;
	managed_write_protect(managed, first, end);
	*out_first = first;
	*out_end = end;
	return true;
}

/* ---- written ----------------------------------------------------------------------- */

/* A page of `due` that was handed out and could not be written: it is as dirty as before. */
static void managed_note_failed(struct managed *managed, uint64_t index, uint64_t *slot)
{
	if (managed_state_of(*slot) == MANAGED_WRITING) {
		managed_set_state(slot, MANAGED_DIRTY);
		if (page_set_add(&managed->dirty, index) != 0) {
			/* Then it is tried once more in this round. */
			managed->n_due_idle++;
			return;
		}
		managed->n_dirty++;
	} else {
		managed_set_state(slot, MANAGED_DIRTY);
	}
	page_set_remove(&managed->due, index);
}

static void managed_note_success(struct managed *managed, uint64_t index, uint64_t *slot)
{
	if (managed_state_of(*slot) == MANAGED_WRITING) {
		managed_set_state(slot, MANAGED_CLEAN);
		managed_count(managed, -1);
	} else {
		managed_set_state(slot, MANAGED_DIRTY);
	}
	page_set_remove(&managed->due, index);
}

void managed__note_written(struct managed *managed, uint64_t first, uint64_t end, int error)
{
	uint64_t index = first;

	while (page_set_next(&managed->due, index, &index) && index < end) {
		uint64_t *slot = page_tree_slot(&managed->backing->pages, index);
		enum managed_state state = managed_state_of(*slot);

		if (state == MANAGED_WRITING || state == MANAGED_REDIRTIED) {
			if (error != 0) {
				managed->write_error = error;
				managed_note_failed(managed, index, slot);
			} else {
				managed_note_success(managed, index, slot);
			}
		}
		index++;
	}
	managed_see_to_dirty(managed);
}

bool managed__find_unclean(const struct managed *managed, uint64_t *out_index)
{
	uint64_t dirty = ~(uint64_t)0;
	uint64_t due = ~(uint64_t)0;
	bool has_dirty = page_set_next(&managed->dirty, 0, &dirty);
	bool has_due = page_set_next(&managed->due, 0, &due);

	*out_index = min_u64(dirty, due);
	return has_dirty || has_due;
}

void managed__forget_dirty(struct managed *managed, uint64_t first, uint64_t end)
{
	uint64_t index;

	while (page_set_next(&managed->due, first, &index) && index < end) {
		enum managed_state state =
			managed_state_of(page_tree_get(&managed->backing->pages, index));

		managed->n_due_idle -= state == MANAGED_DIRTY;
		page_set_remove(&managed->due, index);
		managed_count(managed, -1);
	}
	while (page_set_next(&managed->dirty, first, &index) && index < end) {
		enum managed_state state =
			managed_state_of(page_tree_get(&managed->backing->pages, index));

		/* The others were members of `due`. */
		managed_count(managed, state == MANAGED_DIRTY ? -1 : 0);
		page_set_remove(&managed->dirty, index);
		managed->n_dirty--;
	}
}
