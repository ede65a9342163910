/* SPDX-License-Identifier: MIT */
/*
 * A sparse set of page indices: a page tree from index / 64 to a word with a bit for each page.
 * The owner locks.
 */
#ifndef THOR_MEMORY_PAGE_SET_H
#define THOR_MEMORY_PAGE_SET_H

#include <thor/memory/page-tree.h>

struct page_set {
	struct page_tree words;
};

/** page_set_init() - the empty set; @account pays for its nodes */
void page_set_init(struct page_set *set, struct account *account);

/** page_set_is_empty() */
static inline bool page_set_is_empty(const struct page_set *set)
{
	return set->words.root == 0;
}

/** page_set_has() - whether @index is in the set */
bool page_set_has(const struct page_set *set, uint64_t index);

/** page_set_add() - put @index in, if it is not there. Return: 0 or -ERR_NO_MEMORY. */
MUST_USE int page_set_add(struct page_set *set, uint64_t index);

/** page_set_remove() - take @index out, if it is there */
void page_set_remove(struct page_set *set, uint64_t index);

/** page_set_clear() - take out all indices from @index on */
void page_set_clear(struct page_set *set, uint64_t index);

/** page_set_next() - the first member that is not below @index; false: there is none */
bool page_set_next(const struct page_set *set, uint64_t index, uint64_t *out_index);

#endif
