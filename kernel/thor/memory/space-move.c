/* SPDX-License-Identifier: MIT */
/*
 * space_move(): mappings get another address, and their pages come along.
 *
 * Pages of anonymous memory are kept by address (memory-object.h), so an anonymous mapping moves
 * together with its object, whose tree of pages gets another origin. One that shares its object
 * with other mappings is *separated* first: an object of its own takes its pages over, some at a
 * time, while it stays where it is. Nobody can see that.
 *
 * A short move, of few mappings and present pages, is one step. A long one goes in stages, each in
 * slices, and what other threads see between them is:
 *
 *	CHECK, SEPARATE	nothing; all that can fail is here and in the first slice of REPLACE
 *	REPLACE		a guard grows from below over what was in the new place (space-map.c)
 *	MOVE		mapping after mapping is gone from its old place, and in its new one instead
 *	GROW		what is left of the guard gives way to the last mapping
 *	TAIL		what is cut off goes, in parts
 *	ENTER		nothing: the page table learns again what it had to forget
 *
 * So each page is in its old or in its new place, never in both. A mapping moves in one step; as
 * that takes the longer the more of its pages are in the page table, those are taken out before, in
 * slices. Threads that use them meanwhile have them entered again, so it may need some passes; the
 * last one is the step, whatever it finds.
 *
 * If another thread changes one of the ranges meanwhile the move may fail half-way. If it is given
 * up (its thread is killed, or makes another call) the rest of the guard stays.
 */
#include <thor/memory/space-move.h>

#include <base/string.h>
#include <thor/memory/swappable.h>

constexpr uint32_t MOVE_CHECKS = 512; /* mappings looked at in a slice */
constexpr uint32_t MOVE_MAPPINGS = 4; /* in each of the ranges of a short move */
constexpr uint32_t MOVE_PASSES = 3; /* over the page table, before a mapping moves anyway */

/* struct space_move_progress.position: a stage, passes that are over, and a flag. */
enum space_stage : uint64_t {
	STAGE_CHECK = 1,
	STAGE_SEPARATE,
	STAGE_REPLACE,
	STAGE_MOVE,
	STAGE_GROW,
	STAGE_TAIL,
	STAGE_ENTER,
	STAGE_OVER,
};
constexpr uint64_t STAGE_MASK = 15;
constexpr uint64_t STAGE_PASS = 16;
constexpr uint64_t STAGE_PASSES = 3 * STAGE_PASS;
constexpr uint64_t STAGE_IS_CLEARED = 64; /* page tables had to forget something */

struct space_motion {
	uint64_t from, from_end; /* what moves */
	uint64_t tail_end;  /* [from_end, tail_end) is unmapped: the new size is smaller */
	uint64_t to, to_end;
	uint64_t extra_bytes;  /* by which the last mapping grows */
};

static uint64_t space_delta(const struct space_motion *motion)
{
	return motion->to - motion->from;
}

static void space_next_stage(struct space_move_progress *progress, enum space_stage stage)
{
	progress->position = stage | (progress->position & STAGE_IS_CLEARED);
	progress->done = 0;
	progress->cursor = 0;
}

/* ---- checking ---------------------------------------------------------------------- */

/* [*address, end) is mapped without holes; gives the last mapping. */
static int space_check_mapped(
	struct space *space, uint64_t *address, uint64_t end, struct mapping **out_last)
{
	struct mapping *mapping = mapping_set_above(&space->mappings, *address);

	for (uint32_t i = 0; mapping != NULL && mapping->address <= *address; i++) {
		*out_last = mapping;
		if (mapping_end(mapping) >= end) {
			return 0;
		}
		if (i == MOVE_CHECKS) {
			return MEMORY_MORE;
		}
		*address = mapping_end(mapping);
		mapping = mapping->next;
	}
	return -ERR_NOT_FOUND;
}

/* Whether a mapping that ends with the range can show more of its memory. */
static int space_check_growth(const struct mapping *mapping, uint64_t end, uint64_t extra_bytes)
{
	struct memory *memory = mapping->memory;
	uint64_t offset = mapping_offset_of(mapping, end);
	uint64_t size_bytes;

	if (extra_bytes == 0 || memory == NULL || memory->is_anonymous) {
		return 0;
	}
	spinlock_acquire(&memory->lock);
	size_bytes = min_u64(memory->size_bytes, mapping->offset_end);
	spinlock_release(&memory->lock);
	return offset > size_bytes || extra_bytes > size_bytes - offset ? -ERR_OUT_OF_BOUNDS : 0;
}

static int space_make_borders(struct space_edit *edit, const uint64_t *borders, uint32_t n_borders)
{
	int error = 0;

	for (uint32_t i = 0; i < n_borders && error == 0; i++) {
		error = space__split(edit, borders[i]);
	}
	return error;
}

static void space_grow(struct space_edit *edit, struct mapping *mapping, uint64_t extra_bytes)
{
	if (mapping->memory != NULL) {
		spinlock_acquire(&mapping->memory->lock);
	}
	mapping->size_bytes += extra_bytes;
	if (mapping->memory != NULL) {
		spinlock_release(&mapping->memory->lock);
	}
	mapping_set_resized(&edit->space->mappings, mapping);
	space__try_merge(edit, mapping);
}

/* In place: it grows at once, or what is cut off goes later. All of it is mapped. */
static int space_resize_in_place(struct space_edit *edit, const struct space_motion *motion,
	struct mapping *last, struct space_move_progress *progress)
{
	const struct mapping *above = last->next;
	int error = 0;

	if (motion->from_end < motion->tail_end) {
		const uint64_t borders[] = { motion->from_end, motion->tail_end };

		space_next_stage(progress, STAGE_TAIL);
		return space_make_borders(edit, borders, ARRAY_SIZE(borders));
	}
	space_next_stage(progress, STAGE_OVER);
	if (motion->extra_bytes == 0) {
		return 0;
	}
	if (mapping_end(last) != motion->from_end ||
		(above != NULL && above->address < motion->to_end)) {
		return -ERR_EXISTS;
	}
	error = space_check_growth(last, motion->from_end, motion->extra_bytes);
	if (error == 0) {
		space_grow(edit, last, motion->extra_bytes);
	}
	return error;
}

static int space_stage_check(struct space_edit *edit, const struct space_motion *motion,
	struct space_move_progress *progress)
{
	const uint64_t borders[] = { motion->from, motion->from_end, motion->tail_end, motion->to,
		motion->to_end };
	bool is_in_place = motion->from == motion->to;
	uint64_t address = motion->from + progress->cursor;
	struct mapping *last;
	int error = space_check_mapped(
		edit->space, &address, is_in_place ? motion->tail_end : motion->from_end, &last);

	progress->cursor = address - motion->from;
	if (error != 0) {
		return error;
	}
	if (is_in_place) {
		return space_resize_in_place(edit, motion, last, progress);
	}
	error = space_check_growth(last, motion->from_end, motion->extra_bytes);
	if (error == 0) {
		error = space_make_borders(edit, borders, ARRAY_SIZE(borders));
	}
	if (error == 0) {
		space_next_stage(progress, STAGE_SEPARATE);
	}
	return error;
}

/* ---- moving a mapping: cannot fail ------------------------------------------------- */

/* Entries that do not fit for want of tables are left to faults; so are large pages. */
static void space_move_entries(
	struct space_edit *edit, const struct mapping *mapping, uint64_t delta)
{
	struct arch_page_table *table = &edit->space->page_table;
	uint64_t address = mapping->address;

	while (arch_page_next(table, address, mapping_end(mapping), &address)) {
		struct arch_page_entry entry = arch_page_unmap(table, address);

		shootdown_batch_add(&edit->batch, address);
		if (unlikely(entry.is_large)) {
			address = space__entry_end(&entry, address);
			continue;
		}
		if (arch_page_map(table, address + delta, entry.phys, entry.flags) != 0) {
			space__clear_entries(&edit->batch, address, mapping_end(mapping));
			return;
		}
		address += FRAME_SIZE;
	}
}

/* Anonymous memory has an object of its own; the new place is free. */
static void space_relocate(struct space_edit *edit, struct mapping *mapping, uint64_t delta)
{
	struct memory *memory = mapping->memory;

	mapping_set_remove(&edit->space->mappings, mapping);
	if (memory != NULL) {
		memory__lock(memory);
		spinlock_acquire(&edit->space->table_lock);
		space_move_entries(edit, mapping, delta);
		spinlock_release(&edit->space->table_lock);
		space__settle(&edit->batch, memory);
		if (memory->is_anonymous) {
			memory->pages.origin += (uint64_t)((int64_t)delta / (int64_t)FRAME_SIZE);
			mapping->offset += delta;
		}
	}
	mapping->address += delta;
	if (memory != NULL) {
		memory__unlock(memory);
	}
	mapping_set_insert(&edit->space->mappings, mapping);
	edit->space->n_moves++;
}

/* ---- short moves ------------------------------------------------------------------- */

/* Whether all of a range can be unmapped or moved in one slice. */
static bool space_is_short(struct space *space, uint64_t address, uint64_t end, bool is_to_go)
{
	struct mapping *mapping = mapping_set_above(&space->mappings, address);
	uint32_t n_entries = memory__slice_pages;

	if (address == end) {
		return true;
	}
	for (uint32_t i = 0; i < MOVE_MAPPINGS && mapping != NULL; i++) {
		mapping = mapping->next;
	}
	return (mapping == NULL || mapping->address >= end) &&
		(!is_to_go || space__bound_kept(space, address, end) == end) &&
		space__bound_entries(space, address, end, &n_entries) == end;
}

static bool space_is_short_motion(struct space *space, const struct space_motion *motion)
{
	return space_is_short(space, motion->from, motion->from_end, false) &&
		space_is_short(space, motion->from_end, motion->tail_end, true) &&
		space_is_short(space, motion->to, motion->to_end, true);
}

/* All at once. */
static void space_carry_out(struct space_edit *edit, const struct space_motion *motion)
{
	struct mapping *last = NULL;
	struct mapping *mapping;

	space__remove_range(edit, motion->to, motion->to_end);
	if (motion->from_end < motion->tail_end) {
		space__remove_range(edit, motion->from_end, motion->tail_end);
	}
	/* Flushed now: what is removed above may be entered again below, at the same addresses. */
	shootdown_batch_flush(&edit->batch);
	while ((mapping = mapping_set_above(&edit->space->mappings, motion->from)) != NULL &&
		mapping->address < motion->from_end) {
		space_relocate(edit, mapping, space_delta(motion));
		last = mapping;
	}
	space__trim(edit, motion->from, motion->from_end);
	if (motion->extra_bytes != 0) {
		space_grow(edit, last, motion->extra_bytes);
	}
}

static int space_stage_separate(struct space_edit *edit, const struct space_motion *motion,
	struct space_move_progress *progress)
{
	uint64_t address = motion->from + progress->cursor;
	uint32_t n_pages = memory__slice_pages;

	for (uint32_t i = 0; address < motion->from_end; i++) {
		struct mapping *mapping = mapping_set_above(&edit->space->mappings, address);

		if (i == MOVE_MAPPINGS || n_pages == 0) {
			return MEMORY_MORE;
		}
		if (mapping == NULL || mapping->address > address) {
			return -ERR_NOT_FOUND;
		}
		uint64_t end = mapping_end(mapping);

		if (space__needs_object(mapping)) {
			const uint64_t borders[] = { address, motion->from_end };
			int error = space_make_borders(edit, borders, ARRAY_SIZE(borders));

			if (error == 0) {
				mapping = mapping_set_above(&edit->space->mappings, address);
				error = space__separate(
					edit, mapping, motion->from, &n_pages, &end);
			}
			if (error != 0) {
				return error;
			}
		}
		address = end;
		progress->cursor = address - motion->from;
	}
	if (space_is_short_motion(edit->space, motion)) {
		space_carry_out(edit, motion);
		space_next_stage(progress, STAGE_OVER);
	} else {
		space_next_stage(progress, STAGE_REPLACE);
	}
	return 0;
}

/* ---- long moves -------------------------------------------------------------------- */

static int space_stage_replace(struct space *space, const struct space_motion *motion,
	struct space_move_progress *progress)
{
	const struct hel_map_args guard = {
		.address = motion->to,
		.size_bytes = motion->to_end - motion->to,
		.flags = HEL_MAP_GUARD | HEL_MAP_FIXED,
	};
	const struct space_permit permit = {};
	struct space_map_progress mapped = { .position = progress->cursor };
	int error = space_map_slice(space, NULL, &guard, &permit, &mapped);

	progress->cursor = mapped.position;
	if (error == 0) {
		space_next_stage(progress, STAGE_MOVE);
	}
	return error;
}

/* Make a part of the new place free: the lowest of the guard, unless somebody changed that. */
static int space_make_room(struct space_edit *edit, uint64_t address, uint64_t end)
{
	struct mapping_set *set = &edit->space->mappings;
	struct mapping *guard = mapping_set_above(set, address);
	const uint64_t borders[] = { address, end };

	if (guard != NULL && guard->address == address && guard->memory == NULL &&
		mapping_end(guard) > end) {
		guard->size_bytes = mapping_end(guard) - end;
		guard->address = end;
		mapping_set_resized(set, guard);
		return 0;
	}
	int error = space_make_borders(edit, borders, ARRAY_SIZE(borders));

	if (error == 0) {
		space__remove_range(edit, address, end);
		shootdown_batch_flush(&edit->batch);
	}
	return error;
}

/*
 * Let the page table forget some of a mapping; whether that is enough for it to move.
 * progress->cursor: in the mapping, how far this pass is.
 */
static bool space_clear_slice(struct space_edit *edit, const struct mapping *mapping,
	struct space_move_progress *progress)
{
	uint64_t end = mapping_end(mapping);
	uint64_t address = min_u64(mapping->address + progress->cursor, end);
	uint32_t n_entries = memory__slice_pages;
	uint64_t part_end = space__bound_entries(edit->space, address, end, &n_entries);

	if (mapping->memory == NULL || (progress->cursor == 0 && part_end == end)) {
		return true;
	}
	memory__lock(mapping->memory);
	spinlock_acquire(&edit->space->table_lock);
	space__clear_entries(&edit->batch, address, part_end);
	spinlock_release(&edit->space->table_lock);
	space__settle(&edit->batch, mapping->memory);
	memory__unlock(mapping->memory);
	progress->position |= STAGE_IS_CLEARED;
	progress->cursor = part_end - mapping->address;
	if (part_end < end) {
		return false;
	}
	if ((progress->position & STAGE_PASSES) == (MOVE_PASSES - 1) * STAGE_PASS) {
		return true;
	}
	progress->position += STAGE_PASS;
	progress->cursor = 0;
	return false;
}

/* The mapping that is next to move, with an object of its own. */
static int space_get_next(struct space_edit *edit, const struct space_motion *motion,
	uint64_t address, struct mapping **out_mapping)
{
	const uint64_t borders[] = { address, motion->from_end };
	int error = space_make_borders(edit, borders, ARRAY_SIZE(borders));
	struct mapping *mapping = mapping_set_above(&edit->space->mappings, address);

	if (error == 0 && (mapping == NULL || mapping->address > address)) {
		error = -ERR_NOT_FOUND;
	}
	if (error == 0 && unlikely(space__needs_object(mapping))) {
		/* Somebody has made it larger beyond the range, or copied it by a move. */
		uint32_t n_pages = memory__slice_pages;
		uint64_t end;

		error = space__separate(edit, mapping, address, &n_pages, &end);
		mapping = mapping_set_above(&edit->space->mappings, address);
	}
	*out_mapping = mapping;
	return error;
}

static int space_stage_move(struct space_edit *edit, const struct space_motion *motion,
	struct space_move_progress *progress)
{
	uint64_t delta = space_delta(motion);
	uint64_t address = motion->from + progress->done;
	struct mapping *mapping;
	int error = space_get_next(edit, motion, address, &mapping);

	if (error != 0) {
		return error;
	}
	uint64_t end = mapping_end(mapping);

	if (!space_clear_slice(edit, mapping, progress)) {
		return MEMORY_MORE;
	}
	error = space_make_room(edit, address + delta, end + delta);
	if (error != 0) {
		return error;
	}
	space_relocate(edit, mapping, delta);
	space__trim(edit, address, end);
	progress->done = end - motion->from;
	progress->cursor = 0;
	progress->position &= ~STAGE_PASSES;
	if (end == motion->from_end) {
		space_next_stage(progress, STAGE_GROW);
	}
	return 0;
}

static int space_stage_grow(struct space_edit *edit, const struct space_motion *motion,
	struct space_move_progress *progress)
{
	uint64_t end = motion->to_end - motion->extra_bytes;
	int error = motion->extra_bytes != 0 ? space_make_room(edit, end, motion->to_end) : 0;

	if (error != 0) {
		return error;
	}
	struct mapping *last = mapping_set_find(&edit->space->mappings, end - 1);

	if (motion->extra_bytes != 0 && last != NULL) {
		error = space_check_growth(last, end, motion->extra_bytes);
		if (error == 0) {
			space_grow(edit, last, motion->extra_bytes);
		}
	}
	space_next_stage(progress, STAGE_TAIL);
	return error;
}

static int space_stage_tail(struct space *space, const struct space_motion *motion,
	struct space_move_progress *progress)
{
	uint64_t size_bytes = motion->tail_end - motion->from_end;
	int error = size_bytes != 0
		? space_unmap_slice(space, motion->from_end, size_bytes, &progress->cursor)
		: 0;

	if (error == 0) {
		bool is_cleared = (progress->position & STAGE_IS_CLEARED) != 0;

		space_next_stage(progress, is_cleared ? STAGE_ENTER : STAGE_OVER);
	}
	return error;
}

/* Enter pages of a mapping from @address on; where that ended. Memory and page table are locked. */
static uint64_t space_enter_pages(
	const struct mapping *mapping, uint64_t address, uint64_t end, uint32_t *n_pages)
{
	const struct memory *memory = mapping->memory;
	struct arch_page_table *table = &mapping->space->page_table;
	uint32_t flags = space__entry_flags(mapping);
	uint64_t first = mapping->offset / FRAME_SIZE;
	uint64_t index = mapping_offset_of(mapping, address) / FRAME_SIZE;
	uint64_t index_end =
		min_u64(mapping_offset_of(mapping, end), memory->size_bytes) / FRAME_SIZE;
	uint64_t entry;

	while (page_tree_next(&memory->pages, index, index_end, &index, &entry)) {
		bool can_write = memory->kind == HEL_MEMORY_ALLOCATED ||
			(!swap_is_entry(entry) && frame_is_exclusive(entry));
		uint64_t at = mapping->address + (index - first) * FRAME_SIZE;

		if (*n_pages == 0) {
			return at;
		}
		--*n_pages;
		index++;
		if (!swap_is_entry(entry) && !arch_page_lookup(table, at).is_present &&
			arch_page_map(table, at, entry,
				can_write ? flags : flags & ~(uint32_t)ARCH_PAGE_WRITE) != 0) {
			return end; /* faults do it, when there is memory */
		}
	}
	return end;
}

/* Whether entering the pages that an object has is worth it, and simple. */
static bool space_may_enter(const struct mapping *mapping)
{
	return mapping->memory != NULL && (mapping->flags & MAPPING_ACCESS) != 0 &&
		(mapping->flags & HEL_MAP_LARGE) == 0 &&
		(mapping->memory->is_anonymous || mapping->memory->kind == HEL_MEMORY_ALLOCATED);
}

/* What somebody else has mapped there meanwhile may be entered, too. */
static int space_stage_enter(struct space *space, const struct space_motion *motion,
	struct space_move_progress *progress)
{
	uint64_t end = motion->to + (motion->from_end - motion->from);
	uint64_t address = motion->to + progress->cursor;
	uint32_t n_pages = memory__slice_pages;

	spinlock_acquire(&space->lock);
	for (uint32_t i = 0; i < MOVE_MAPPINGS && address < end && n_pages > 0; i++) {
		struct mapping *mapping = mapping_set_above(&space->mappings, address);

		if (mapping == NULL || mapping->address >= end) {
			address = end;
			break;
		}
		address = max_u64(address, mapping->address);
		uint64_t part_end = min_u64(end, mapping_end(mapping));

		if (space_may_enter(mapping)) {
			memory__lock(mapping->memory);
			spinlock_acquire(&space->table_lock);
			part_end = space_enter_pages(mapping, address, part_end, &n_pages);
			spinlock_release(&space->table_lock);
			memory__unlock(mapping->memory);
		}
		address = part_end;
	}
	spinlock_release(&space->lock);
	progress->cursor = address - motion->to;
	if (address < end) {
		return MEMORY_MORE;
	}
	space_next_stage(progress, STAGE_OVER);
	return 0;
}

/* ---- slices ------------------------------------------------------------------------ */

static int space_move_step(struct space *space, const struct space_motion *motion,
	struct space_move_progress *progress)
{
	struct space_edit edit;
	int error = 0;

	switch ((enum space_stage)(progress->position & STAGE_MASK)) {
	case STAGE_REPLACE: return space_stage_replace(space, motion, progress);
	case STAGE_TAIL: return space_stage_tail(space, motion, progress);
	case STAGE_ENTER: return space_stage_enter(space, motion, progress);
	case STAGE_CHECK:
	case STAGE_SEPARATE:
	case STAGE_MOVE:
	case STAGE_GROW:
	case STAGE_OVER: break;
	}
	space__edit_begin(&edit, space);
	if ((progress->position & STAGE_MASK) == STAGE_CHECK) {
		error = space_stage_check(&edit, motion, progress);
	}
	/* A short move needs no other step. */
	if (error == 0 && (progress->position & STAGE_MASK) == STAGE_SEPARATE) {
		error = space_stage_separate(&edit, motion, progress);
	} else if ((progress->position & STAGE_MASK) == STAGE_MOVE) {
		error = space_stage_move(&edit, motion, progress);
	} else if ((progress->position & STAGE_MASK) == STAGE_GROW) {
		error = space_stage_grow(&edit, motion, progress);
	}
	space__edit_end(&edit);
	return error;
}

/**
 * space_move_slice() - move the mappings of a range elsewhere, or make them larger or smaller where
 * they are; or do a part of that
 * @args.from: mapped without holes for @args.size_bytes
 * @args.to: what is mapped in [@to, @to + @new_size_bytes) is replaced, unless @to == @from; the
 *           ranges may not overlap
 * @args.new_size_bytes: if larger, the last mapping shows more of its memory; if smaller, the rest
 *                       is unmapped
 * @progress: all 0 at first, then as the last slice left it
 *
 * Return: 0, MEMORY_MORE, -ERR_ILLEGAL_ARGS, -ERR_NOT_FOUND (holes), -ERR_EXISTS (no room to grow
 * in place), -ERR_OUT_OF_BOUNDS (memory too small to grow), -ERR_NO_MEMORY; on errors nothing is
 * changed, unless somebody else changes the mappings meanwhile.
 */
int space_move_slice(struct space *space, const struct space_move_args *args,
	struct space_move_progress *progress)
{
	uint64_t from = args->from, to = args->to;
	uint64_t size_bytes = args->size_bytes, new_size_bytes = args->new_size_bytes;

	if (!space__is_range(from, size_bytes) || !space__is_range(to, new_size_bytes) ||
		(from != to && from < to + new_size_bytes && to < from + size_bytes)) {
		return -ERR_ILLEGAL_ARGS;
	}
	uint64_t moved_bytes = min_u64(size_bytes, new_size_bytes);
	const struct space_motion motion = {
		.from = from,
		.from_end = from + moved_bytes,
		.tail_end = from + size_bytes,
		.to = to,
		.to_end = to + new_size_bytes,
		.extra_bytes = new_size_bytes - moved_bytes,
	};

	if (progress->position == 0) {
		progress->position = STAGE_CHECK;
	}
	int error = space_move_step(space, &motion, progress);

	return error == 0 && (progress->position & STAGE_MASK) != STAGE_OVER ? MEMORY_MORE : error;
}

/** space_move() - space_move_slice() to its end */
int space_move(struct space *space, uint64_t from, uint64_t size_bytes, uint64_t to,
	uint64_t new_size_bytes)
{
	const struct space_move_args args = {
		.from = from,
		.size_bytes = size_bytes,
		.to = to,
		.new_size_bytes = new_size_bytes,
	};
	struct space_move_progress progress = {};
	int error;

	do {
		error = space_move_slice(space, &args, &progress);
	} while (error == MEMORY_MORE);
	return error;
}
