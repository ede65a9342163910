/* SPDX-License-Identifier: MIT */
/*
 * The swap space: where pages of swappable memory go when memory is short.
 *
 * It is the backing of managed memory (managed.h) without a frontal: the swap manager has its
 * descriptor and does what every manager does, it stores runs of pages, brings them back, and
 * says when it has. A page of the backing is a *slot*. A page that is to leave swappable memory
 * is given to a free slot, as it is and without a copy; it is dirty there, is written back, and
 * the page cache drops it when it is clean. What is left in the swappable memory is an *entry* with
 * the number of the slot (swappable.h). Whoever touches it takes the page from the slot again, at
 * once if it is still there, else when the manager has brought it.
 *
 *	        swap__put()                   written back           dropped
 *	free ---------------> DIRTY, WRITING ---------------> CLEAN ---------> MISSING
 *	  ^                        |                            |  ^              |
 *	  +------------------------+-- swap__take(), the last --+  +-- brought ---+
 *
 * Forks share entries, so slots count them. Of several entries the first that is touched gets the
 * page as one owner of two, and copies it when it writes; the last one takes it away from the slot.
 * A slot that has no entries any more while the manager has to do with it keeps its page until the
 * manager has answered: an answer is never about something else than what was asked.
 *
 * A page that several objects own (after a fork) goes to one slot: the frame remembers which, as a
 * hint. It is dropped when the slot is its only owner.
 *
 * *Writes that fail* are tried again: some times at once, then as all dirty pages are. Then no more
 * pages are put out until one succeeds, and nobody waits: it is plain memory for so long.
 *
 * *The end of a swap manager.* Pages that are in memory stay in their slots, and are taken from
 * there as they are touched; those that are out are lost: -ERR_IO. Then there can be another swap
 * space. A space lives as long as there are entries of it.
 *
 * Lock: that of the backing, after that of swappable memory. Which space is the current one has a
 * lock of its own.
 */
#ifndef THOR_MEMORY_SWAP_H
#define THOR_MEMORY_SWAP_H

#include <thor/memory/frame.h>
#include <thor/memory/managed.h>

constexpr uint64_t SWAP_SPACES_MAX = 8; /* of which one has a manager */
constexpr uint64_t SWAP_SIZE_MAX = (uint64_t)UINT32_MAX * FRAME_SIZE;

/* An entry of a page tree: this bit, the number of the space, from bit 12 on the slot. */
constexpr uint64_t SWAP_ENTRY = 1;
constexpr uint64_t SWAP_SPACE_SHIFT = 1;

struct swap {
	/* immutable */
	struct memory *backing; /* its owner */
	uint32_t number;

	/* guarded by the backing's lock */
	struct page_set used; /* slots that entries have */
	struct page_tree shared; /* from a slot to the number of entries beyond the first */
	uint64_t n_used; /* the backing is referenced if there are any */
	uint64_t hand; /* where a free slot is looked for */
	uint32_t n_failures; /* writes in a row that have failed, at least */
};

/** swap_is_entry() - whether an entry of the tree of swappable memory is for a page that is out */
static inline bool swap_is_entry(uint64_t entry)
{
	return (entry & SWAP_ENTRY) != 0;
}

/** swap_slot_of() - the slot that an entry names */
static inline uint64_t swap_slot_of(uint64_t entry)
{
	return entry >> FRAME_SHIFT;
}

/** swap_init() - there is no swap space yet; with the page cache */
void swap_init(void);

/** swap__backing_of() - the backing that an entry names, which lives as long as the entry */
struct memory *swap__backing_of(uint64_t entry);

/** swap_has_manager() - whether pages can be put out; a hint */
bool swap_has_manager(void);

/** swap__get_current() - the backing of the space that has a manager, referenced; or NULL */
struct memory *swap__get_current(void);

/** swap__is_used() - whether a slot has entries; the backing is locked */
static inline bool swap__is_used(const struct swap *swap, uint64_t slot)
{
	return page_set_has(&swap->used, slot);
}

/** swap__can_put() - whether the space takes more pages now; its backing is locked */
bool swap__can_put(const struct swap *swap);

/**
 * swap__put() - put a page in a slot; the backing is locked, swap__can_put() was true
 * @phys: with one owner count, which is taken on success; no page table has it but those of other
 *        owners
 *
 * Return: 0, -ERR_NO_SPACE, -ERR_NO_MEMORY.
 */
MUST_USE int swap__put(struct swap *swap, uint64_t phys, uint64_t *out_entry);

/**
 * swap__take() - get the page of an entry, which is given up
 * @out_phys: with an owner count; others may own it, too
 *
 * Context: no lock of rank MEMORY_SWAP or above. Return: 0; SPACE_PENDING: it has to be waited for;
 * -ERR_IO: it is lost.
 */
MUST_USE int swap__take(uint64_t entry, uint64_t *out_phys);

/** swap__share() - there is one more entry; context as swap__take(). Return: 0, -ERR_NO_MEMORY. */
MUST_USE int swap__share(uint64_t entry);

/** swap__drop() - there is one entry less; context as swap__take() */
void swap__drop(uint64_t entry);

/** swap__note_written() - the manager has written pages, or not (@error); the backing is locked */
void swap__note_written(struct swap *swap, int error);

/** swap__should_wait() - whether who needs a page of swappable memory should let pages be written
 * first; the backing is locked */
bool swap__should_wait(const struct swap *swap);

/** swap__resign() - the manager of a space is gone; no locks held */
void swap__resign(struct swap *swap);

/** swap__destroy() - with the backing, which has no entries and no pages; accepts NULL */
void swap__destroy(struct swap *swap);

#endif
