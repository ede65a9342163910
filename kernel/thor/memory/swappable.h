/* SPDX-License-Identifier: MIT */
/*
 * Swappable memory: private memory whose pages go to the swap space when memory is short.
 *
 * It is a view without source (memory-object.h) with something besides: an entry of its page
 * tree is the address of a page, or that of the swap space (swap.h). All that goes through such a
 * tree knows both. Pages are charged as ever, entries of the swap space by SWAPPABLE_ENTRY_BYTES.
 * Copies for forks are swappable, too, and share entries as they share pages.
 *
 * The page cache visits it like a managed object, while there is a swap manager: a page that was
 * not used since the last look is put out. (The swap space is the second chance: until it is
 * written and dropped the page can be had back at once.)
 *
 * Who needs a new page while memory is scarce waits until those that were put out are written, if
 * there are any. So a program that is faster than the swap manager does not eat up the reserve of
 * memory that the manager lives on.
 *
 * *Holding.* Who copies or moves entries without the lock holds the object: then it is not visited.
 * (A fork fills the tree of the copy, a move fills a new tree first.)
 *
 * Lock: the memory's.
 */
#ifndef THOR_MEMORY_SWAPPABLE_H
#define THOR_MEMORY_SWAPPABLE_H

#include <thor/memory/memory-object.h>
#include <thor/memory/page-cache.h>
#include <thor/memory/swap.h>

constexpr uint64_t SWAPPABLE_ENTRY_BYTES = 16; /* charged for a page that is out */

struct swappable {
	struct page_cache_member cache;
	uint64_t n_out; /* entries of the swap space */
	uint32_t n_holds;
};

/** swappable__create_memory() - swappable memory of zeros. Return: 0, -ERR_NO_MEMORY. */
MUST_USE int swappable__create_memory(uint64_t size_bytes, struct memory **out_memory);

/** swappable__create() - make a new view swappable, and hold it. Return: 0, -ERR_NO_MEMORY. */
MUST_USE int swappable__create(struct memory *memory);

/** swappable__publish() - let the page cache know of a new one, and hold it no longer; no-op for
 * others */
void swappable__publish(struct memory *memory);

/** swappable__destroy() - with the memory, which has no entries; no-op for others */
void swappable__destroy(struct memory *memory);

/** swappable__hold() - keep the page cache away; the memory is not locked; no-op for others */
void swappable__hold(struct memory *memory);

/** swappable__release() - the same in reverse */
void swappable__release(struct memory *memory);

/** swappable_count_out() - entries of the swap space in memory that is locked */
static inline uint64_t swappable_count_out(const struct memory *memory)
{
	return memory->swappable != NULL ? memory->swappable->n_out : 0;
}

/** memory_count_present() - entries of an object that is locked, and no backing, for pages */
static inline uint64_t memory_count_present(const struct memory *memory)
{
	return memory->pages.n_pages - swappable_count_out(memory);
}

/**
 * swappable__bring() - have the page of an entry of the swap space in @slot of the memory's tree
 *
 * Return: 0, SPACE_PENDING, -ERR_IO (it is lost), -ERR_NO_MEMORY.
 */
MUST_USE int swappable__bring(struct memory *memory, uint64_t *slot);

/** swappable__must_wait() - whether memory is too scarce to make a page now: SPACE_PENDING */
bool swappable__must_wait(void);

/**
 * swappable__await() - wait until a page that SPACE_PENDING was said of can be had
 *
 * Return: as memory__await_page().
 */
MUST_USE int swappable__await(struct memory *memory, uint64_t index, struct page_wait *wait);

/** swappable__share() - @copy is to have the entry, too. Return: 0, -ERR_NO_MEMORY. */
MUST_USE int swappable__share(struct memory *copy, uint64_t entry);

/** swappable__forget() - an entry leaves the tree */
void swappable__forget(struct memory *memory, uint64_t entry);

/** swappable__move_out() - @n_out entries have gone to the tree of @to, which is held */
void swappable__move_out(struct memory *from, struct memory *to, uint64_t n_out);

/**
 * swappable__age() - look at up to @n_pages pages and put those out that were not used
 * @out_put: how many
 *
 * Return: the number of pages looked at.
 */
uint64_t swappable__age(struct memory *memory, uint64_t n_pages, uint64_t *out_put);

#endif
