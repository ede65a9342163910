/* SPDX-License-Identifier: MIT */
/* What the files of space_move() share: see space-move.c. */
#ifndef THOR_MEMORY_SPACE_MOVE_H
#define THOR_MEMORY_SPACE_MOVE_H

#include <thor/memory/space.h>

/** space__needs_object() - whether a mapping has to be separated before it can move */
bool space__needs_object(const struct mapping *mapping);

/**
 * space__separate() - give the first part of a mapping an object of its own, or that of the part
 * below, if they are one thing and that is not below @low
 * @n_pages: not 0; less those that were taken over
 *
 * Nobody can see it. Return: 0: where it ends: @out_end; -ERR_NO_MEMORY.
 */
MUST_USE int space__separate(struct space_edit *edit, struct mapping *mapping, uint64_t low,
	uint32_t *n_pages, uint64_t *out_end);

#endif
