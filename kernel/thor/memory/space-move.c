/* SPDX-License-Identifier: MIT */
/*
 * space_move(): mappings get another address, and their pages come along.
 *
 * Pages of anonymous memory are kept by address (memory-object.h), so a moved anonymous mapping
 * needs its pages under other indices: if it is the only mapping of its object the whole tree is
 * shifted, otherwise the pages go to a new object (`replacement`), which is filled before
 * anything is changed.
 */
#include <thor/memory/space.h>

#include <base/string.h>
#include <thor/memory/swappable.h>

struct space_motion {
	uint64_t from, from_end; /* what moves */
	uint64_t tail_end;  /* [from_end, tail_end) is unmapped: the new size is smaller */
	uint64_t to, to_end;
	uint64_t extra_bytes;  /* by which the last mapping grows */
};

/* @context: counts pages that are out */
static uint32_t space_count_pages(void *context, const struct page_tree_run *run)
{
	uint64_t *n_out = context;
	uint32_t n_pages = 0;

	PAGE_TREE_FOR_EACH(entry, n_pages, run)
	{
		*n_out += swap_is_entry(entry);
	}
	return n_pages;
}

/* ---- preparing: may fail, changes nothing ------------------------------------------ */

/* [address, end) is mapped without holes; gives the last mapping. */
static int space_check_mapped(
	struct space *space, uint64_t address, uint64_t end, struct mapping **out_last)
{
	struct mapping *mapping = mapping_set_above(&space->mappings, address);

	while (mapping != NULL && mapping->address <= address) {
		*out_last = mapping;
		address = mapping_end(mapping);
		if (address >= end) {
			return 0;
		}
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

static int space_make_borders(struct space_edit *edit, const struct space_motion *motion)
{
	const uint64_t borders[] = {
		motion->from,
		motion->from_end,
		motion->tail_end,
		motion->to,
		motion->to_end,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(borders); i++) {
		int error = space__split(edit, borders[i]);

		if (error != 0) {
			return error;
		}
	}
	return 0;
}

static void space_drop_replacements(struct space_edit *edit, const struct space_motion *motion)
{
	struct mapping *mapping = mapping_set_above(&edit->space->mappings, motion->from);
	uint64_t n_out = 0;

	for (; mapping != NULL && mapping->address < motion->from_end; mapping = mapping->next) {
		struct memory *memory = mapping->replacement;

		if (memory != NULL) {
			/* Its pages are counted where they came from. */
			page_tree_remove(&memory->pages, 0, MEMORY_SIZE_MAX / FRAME_SIZE,
				space_count_pages, &n_out);
			swappable__release(mapping->memory);
			mapping->replacement = NULL;
			object_unref(&memory->object);
		}
	}
}

static bool space_needs_replacement(const struct mapping *mapping)
{
	const struct memory *memory = mapping->memory;

	return memory != NULL && memory->is_anonymous &&
		list_first(&memory->mappings) != list_last(&memory->mappings);
}

static int space_prepare_mapping(struct mapping *mapping, const struct space_motion *motion)
{
	uint64_t delta = (uint64_t)((int64_t)(motion->to - motion->from) / (int64_t)FRAME_SIZE);
	uint64_t index = mapping->offset / FRAME_SIZE;
	uint64_t end = index + mapping->size_bytes / FRAME_SIZE;
	uint64_t phys;

	if (!space_needs_replacement(mapping)) {
		return 0;
	}
	int error = memory__create_anonymous(mapping->space->object.account,
		mapping->memory->swappable != NULL, &mapping->replacement);

	if (error == 0) {
		swappable__hold(mapping->memory);
	}
	while (error == 0 && page_tree_next(&mapping->memory->pages, index, end, &index, &phys)) {
		error = page_tree_set(&mapping->replacement->pages, index + delta, phys);
		index++;
	}
	return error;
}

static int space_prepare(struct space_edit *edit, const struct space_motion *motion)
{
	struct mapping *last;
	int error = space_check_mapped(edit->space, motion->from, motion->from_end, &last);

	if (error == 0) {
		error = space_check_growth(last, motion->from_end, motion->extra_bytes);
	}
	if (error == 0) {
		error = space_make_borders(edit, motion);
	}
	if (error != 0) {
		return error;
	}
	struct mapping *mapping = mapping_set_above(&edit->space->mappings, motion->from);

	for (; mapping != NULL && mapping->address < motion->from_end && error == 0;
		mapping = mapping->next) {
		error = space_prepare_mapping(mapping, motion);
	}
	if (error != 0) {
		space_drop_replacements(edit, motion);
	}
	return error;
}

/* ---- moving: cannot fail ----------------------------------------------------------- */

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

/* The memory is locked. */
static void space_move_pages(struct mapping *mapping, uint64_t delta)
{
	struct memory *memory = mapping->memory;

	if (!memory->is_anonymous) {
		return;
	}
	if (mapping->replacement == NULL) {
		memory->pages.origin += (uint64_t)((int64_t)delta / (int64_t)FRAME_SIZE);
	} else {
		uint64_t index = mapping->offset / FRAME_SIZE;
		uint64_t n_out = 0;

		page_tree_remove(&memory->pages, index, index + mapping->size_bytes / FRAME_SIZE,
			space_count_pages, &n_out);
		swappable__move_out(memory, mapping->replacement, n_out);
	}
	mapping->offset += delta;
}

static void space_relocate(struct space_edit *edit, struct mapping *mapping, uint64_t delta)
{
	struct memory *memory = mapping->memory;

	mapping_set_remove(&edit->space->mappings, mapping);
	if (memory != NULL) {
		memory__lock(memory);
		spinlock_acquire(&edit->space->table_lock);
		space_move_entries(edit, mapping, delta);
		spinlock_release(&edit->space->table_lock);
		space_move_pages(mapping, delta);
		mapping->address += delta;
		if (mapping->replacement != NULL) {
			list_remove(&mapping->memory_node);
		}
		memory__unlock(memory);
	} else {
		mapping->address += delta;
	}
	if (mapping->replacement != NULL) {
		mapping->memory = mapping->replacement;
		mapping->replacement = NULL;
		spinlock_acquire(&mapping->memory->lock);
		list_push_back(&mapping->memory->mappings, &mapping->memory_node);
		spinlock_release(&mapping->memory->lock);
		swappable__release(memory);
		swappable__publish(mapping->memory);
		object_unref(&memory->object);
	}
	mapping_set_insert(&edit->space->mappings, mapping);
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
		space_relocate(edit, mapping, motion->to - motion->from);
		last = mapping;
	}
	space__trim(edit, motion->from, motion->from_end);
	if (motion->extra_bytes != 0) {
		space_grow(edit, last, motion->extra_bytes);
	}
}

/* ---- in place ---------------------------------------------------------------------- */

static int space_resize_in_place(
	struct space_edit *edit, uint64_t address, uint64_t size_bytes, uint64_t new_size_bytes)
{
	uint64_t end = address + size_bytes;
	uint64_t new_end = address + new_size_bytes;
	struct mapping *last;
	int error = space_check_mapped(edit->space, address, end, &last);

	if (error != 0) {
		return error;
	}
	if (new_size_bytes < size_bytes) {
		error = space__split(edit, new_end);
		if (error == 0) {
			error = space__split(edit, end);
		}
		if (error == 0) {
			space__remove_range(edit, new_end, end);
		}
		return error;
	}
	if (new_size_bytes == size_bytes) {
		return 0;
	}
	struct mapping *next = mapping_set_above(&edit->space->mappings, end);

	if (next != NULL && next->address < new_end) {
		return -ERR_EXISTS;
	}
	error = space_check_growth(last, end, new_end - end);
	if (error == 0) {
		space_grow(edit, last, new_end - end);
	}
	return error;
}

/**
 * space_move() - move the mappings of a range elsewhere, or make them larger or smaller where
 * they are
 * @from: mapped without holes for @size_bytes
 * @to: what is mapped in [@to, @to + @new_size_bytes) is replaced, unless @to == @from; the ranges
 *      may not overlap
 * @new_size_bytes: if larger, the last mapping shows more of its memory; if smaller, the rest is
 *      unmapped
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NOT_FOUND (holes), -ERR_EXISTS (no room to grow in place),
 * -ERR_OUT_OF_BOUNDS (memory too small to grow), -ERR_NO_MEMORY; on errors nothing is changed.
 */
int space_move(struct space *space, uint64_t from, uint64_t size_bytes, uint64_t to,
	uint64_t new_size_bytes)
{
	if (!space__is_range(from, size_bytes) || !space__is_range(to, new_size_bytes)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (from != to && from < to + new_size_bytes && to < from + size_bytes) {
		return -ERR_ILLEGAL_ARGS;
	}
	uint64_t moved_bytes = min_u64(size_bytes, new_size_bytes);
	struct space_motion motion = {
		.from = from,
		.from_end = from + moved_bytes,
		.tail_end = from + size_bytes,
		.to = to,
		.to_end = to + new_size_bytes,
		.extra_bytes = new_size_bytes - moved_bytes,
	};
	struct space_edit edit;
	int error;

	space__edit_begin(&edit, space);
	if (from == to) {
		error = space_resize_in_place(&edit, from, size_bytes, new_size_bytes);
	} else {
		error = space_prepare(&edit, &motion);
		if (error == 0) {
			space_carry_out(&edit, &motion);
			space->n_moves++;
		}
	}
	space__edit_end(&edit);
	return error;
}
