/* SPDX-License-Identifier: MIT */
/*
 * What is noted about mappings. Advice, whether they may have large pages, is a flag of a mapping
 * and counts for later faults; what the page table has stays as it is. A label is the user's own
 * and means nothing here.
 */
#include <thor/memory/space.h>

constexpr uint32_t NOTE_MAPPINGS = 16; /* in a slice */
constexpr uint64_t NOTE_HOLE = 1; /* in a position: there was one */

/* Bits to change, and to what. */
struct space_note {
	uint32_t flags_mask, flags;
	uint64_t label_mask, label;
};

/* Guards have no notes. */
static bool space_is_noted(const struct mapping *mapping, const struct space_note *note)
{
	return mapping->memory == NULL ||
		((mapping->flags & note->flags_mask) == note->flags &&
			(mapping->label & note->label_mask) == note->label);
}

/* In a range that one mapping has all of. */
static int space_note_part(
	struct space_edit *edit, uint64_t address, uint64_t end, const struct space_note *note)
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
	mapping->flags = (mapping->flags & ~note->flags_mask) | note->flags;
	mapping->label = (mapping->label & ~note->label_mask) | note->label;
	spinlock_release(&mapping->memory->lock);
	return 0;
}

/* Go on at *position, up to so many mappings. Holes are noted in it. */
static int space_note_mappings(struct space_edit *edit, uint64_t *address, uint64_t end,
	const struct space_note *note, bool *has_hole)
{
	for (uint32_t i = 0; *address < end; i++) {
		struct mapping *mapping = mapping_set_above(&edit->space->mappings, *address);
		int error = 0;

		if (i == NOTE_MAPPINGS) {
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

		if (!space_is_noted(mapping, note)) {
			error = space_note_part(edit, first, last, note);
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

/* A slice; *position is 0 at first. */
static int space_note_slice(struct space *space, uint64_t address, uint64_t size_bytes,
	const struct space_note *note, uint64_t *position)
{
	uint64_t at = address + align_down(*position, FRAME_SIZE);
	bool has_hole = (*position & NOTE_HOLE) != 0;
	struct space_edit edit;

	space__edit_begin(&edit, space);
	int error = space_note_mappings(&edit, &at, address + size_bytes, note, &has_hole);

	space__edit_end(&edit);
	*position = (at - address) | (has_hole ? NOTE_HOLE : 0);
	return error == 0 && has_hole ? -ERR_NOT_FOUND : error;
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
	const struct space_note note = {
		.flags_mask = HEL_MAP_LARGE,
		.flags = advice == HEL_SPACE_LARGE ? HEL_MAP_LARGE : 0,
	};

	if (!space__is_range(address, size_bytes) || advice > HEL_SPACE_SMALL) {
		return -ERR_ILLEGAL_ARGS;
	}
	return space_note_slice(space, address, size_bytes, &note, position);
}

/**
 * space_label_slice() - write into the labels of a range, or of a part of it
 * @mask: the bits that change
 * @label: to what
 * @position: 0 at first, then as the last slice left it
 *
 * Return: as space_advise_slice().
 */
int space_label_slice(struct space *space, uint64_t address, uint64_t size_bytes, uint64_t mask,
	uint64_t label, uint64_t *position)
{
	const struct space_note note = { .label_mask = mask, .label = label };

	if (!space__is_range(address, size_bytes) || (label & ~mask) != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	return space_note_slice(space, address, size_bytes, &note, position);
}
