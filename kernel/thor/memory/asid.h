/* SPDX-License-Identifier: MIT */
/*
 * Address-space identifiers: TLBs remember translations of spaces that are not loaded.
 *
 * Each CPU has identifiers 1 to ARCH_ASIDS - 1 of its own; 0 is for no space. A space has its
 * number, and the number says which of them it gets on every CPU: it shares that one with every
 * (ARCH_ASIDS - 1)st space. So loading a space searches nothing; two spaces that take turns and
 * share an identifier, which is rare, cost what all loads would cost without identifiers.
 *
 * Numbers are given out in a row, but for multiples of ARCH_ASIDS, and never again. A space also
 * counts its *flushes*: times that translations of it were to be forgotten. For each identifier a
 * CPU keeps the number of the space that it belongs to there, and the flushes that the translations
 * under it have been through. If both are the space's when it is loaded they may stay; otherwise
 * all under that identifier are forgotten. A CPU that has not loaded the space need not be told of
 * a flush, therefore, and frames may be given to others while TLBs still have translations to them
 * under an identifier that nobody can use again without forgetting them first. How a CPU that has
 * the space loaded hears of it is the matter of shootdown.h.
 *
 * A processor without identifiers forgets all at each load, whatever it is told to keep.
 */
#ifndef THOR_MEMORY_ASID_H
#define THOR_MEMORY_ASID_H

#include <thor/arch/types.h>

/* What a CPU remembers under one identifier. Owner: the CPU. */
struct asid_slot {
	uint64_t space_number; /* 0: of no space */
	uint64_t n_flushes; /* of the space: translations agree with its page table as of then */
};

/** asid_make_number() - the number of the space before which @n_spaces were created */
static inline uint64_t asid_make_number(uint64_t n_spaces)
{
	return n_spaces / (ARCH_ASIDS - 1) * ARCH_ASIDS + n_spaces % (ARCH_ASIDS - 1) + 1;
}

/** asid_of() - the identifier of a space on every CPU */
static inline uint32_t asid_of(uint64_t space_number)
{
	return (uint32_t)(space_number % ARCH_ASIDS);
}

#endif
