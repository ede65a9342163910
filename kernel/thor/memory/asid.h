/* SPDX-License-Identifier: MIT */
/*
 * Address-space identifiers: TLBs remember translations of spaces that are not loaded.
 *
 * Each CPU has identifiers 1 to ARCH_ASIDS - 1 of its own; 0 is for no space. A space has the same
 * one on every CPU, given out in turn, so that it shares it with every (ARCH_ASIDS - 1)st space.
 * So loading a space searches nothing; two spaces that take turns and share an identifier, which is
 * rare, cost what all loads would cost without identifiers.
 *
 * A space has a *stamp*, which grows each time that translations of it are to be forgotten, and
 * which no two spaces ever have in common. For each identifier a CPU keeps the stamp of the space
 * that was last loaded under it, as of the last flush that it has been through there. If that is
 * the stamp of a space that is loaded its translations may stay; otherwise all under that
 * identifier are forgotten. A CPU that has not loaded the space need not be told of a flush,
 * therefore, and frames may be given to others while TLBs still have translations to them under an
 * identifier that nobody can use again without forgetting them first. How a CPU that has the space
 * loaded hears of it is the matter of shootdown.h.
 *
 *	stamp   63              24 23      0
 *	        | number of stamps | flushes |
 *
 * A space whose flushes reach the upper half of their bits gets a new stamp, which is higher than
 * all before: so many flushes cannot be under way at once that they would reach the next number.
 *
 * A processor without identifiers forgets all at each load, whatever it is told to keep.
 */
#ifndef THOR_MEMORY_ASID_H
#define THOR_MEMORY_ASID_H

#include <thor/arch/types.h>

/** asid_begin() - the identifier and the first stamp of a new space */
void asid_begin(uint32_t *out_asid, _Atomic uint64_t *stamp);

/**
 * asid_flush() - translations are to be forgotten: the stamp of a CPU that has done that
 *
 * Ordered with all loads and stores before and behind it.
 */
uint64_t asid_flush(_Atomic uint64_t *stamp);

#endif
