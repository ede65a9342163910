/* SPDX-License-Identifier: MIT */
/*
 * Advice about mappings: whether they may have large pages. It is a flag of a mapping and counts
 * for later faults; what the page table has stays as it is.
 */
#include <thor/memory/space.h>

constexpr uint32_t ADVISE_MAPPINGS = 16; /* in a slice */
constexpr uint64_t ADVISE_HOLE = 1; /* in a position: there was one */

static bool space_follows(const struct mapping *mapping, uint32_t flag)
{
	return mapping->memory == NULL || (mapping->flags & HEL_MAP_LARGE) == flag;
}

/* Change what a mapping shows in a range that it has all of. */
static int space_advise_part(struct space_edit *edit, uint64_t address, uint64_t end, uint32_t flag)
{
	int error = space__split(edit, address);

	if (error == 0) {
		error = space__split(edit, end);
	}
	if (error != 0) {
		return error;
	}
	struct mapping *mapping = mapping_set_find(&edit->space->mappings, address);

	spinlock_acquire(&mapping->memory->lock);
	mapping->flags = (mapping->flags & ~(uint32_t)HEL_MAP_LARGE) | flag;
	spinlock_release(&mapping->memory->lock);
	return 0;
}

/* Go on at *position, up to so many mappings. Holes are noted in it. */
static int space_advise_mappings(
	struct space_edit *edit, uint64_t *address, uint64_t end, uint32_t flag, bool *has_hole)
{
	for (uint32_t i = 0; *address < end; i++) {
		struct mapping *mapping = mapping_set_above(&edit->space->mappings, *address);
		int error = 0;

		if (i == ADVISE_MAPPINGS) {
			return MEMORY_MORE;
		}
		if (mapping == NULL || mapping->address > *address) {
			*has_hole = true;
		}
		if (mapping == NULL || mapping->address >= end) {
			*address = end;
			break;
		}
		uint64_t first = max_u64(*address, mapping->address);
		uint64_t last = min_u64(end, mapping_end(mapping));

		if (!space_follows(mapping, flag)) {
			error = space_advise_part(edit, first, last, flag);
		}
		if (error != 0) {
			return error;
		}
		/* It may be like what is below by now. */
		mapping = mapping_set_find(&edit->space->mappings, first);
		if (mapping->prev != NULL) {
			space__try_merge(edit, mapping->prev);
		}
		*address = last;
	}
	struct mapping *last = mapping_set_find(&edit->space->mappings, end - 1);

	if (last != NULL) {
		space__try_merge(edit, last);
	}
	return 0;
}

/**
 * space_advise_slice() - say how a range is to be mapped from now on, or a part of it
 * @advice: enum hel_space_advice
 * @position: 0 at first, then as the last slice left it
 *
 * Return: 0, MEMORY_MORE, -ERR_ILLEGAL_ARGS, -ERR_NOT_FOUND (there are holes; the rest was done),
 * -ERR_NO_MEMORY (to split a mapping; what is below was done).
 */
int space_advise_slice(struct space *space, uint64_t address, uint64_t size_bytes, uint64_t advice,
	uint64_t *position)
{
	uint64_t at = address + align_down(*position, FRAME_SIZE);
	bool has_hole = (*position & ADVISE_HOLE) != 0;
	struct space_edit edit;

	if (!space__is_range(address, size_bytes) || advice > HEL_SPACE_SMALL) {
		return -ERR_ILLEGAL_ARGS;
	}
	space__edit_begin(&edit, space);
	int error = space_advise_mappings(&edit, &at, address + size_bytes,
		advice == HEL_SPACE_LARGE ? HEL_MAP_LARGE : 0, &has_hole);

	space__edit_end(&edit);
	*position = (at - address) | (has_hole ? ADVISE_HOLE : 0);
	return error == 0 && has_hole ? -ERR_NOT_FOUND : error;
}
