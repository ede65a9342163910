/* SPDX-License-Identifier: MIT */
/*
 * A sparse array from page index to one 64-bit entry: the pages of a memory object.
 *
 * A radix tree of 64-way nodes whose height grows with the distance of the indices in it.
 * Indices are kept relative to an origin, and the root can be put at either end of a new root,
 * so an object that is used around index 2^35 (anonymous memory is indexed by its address) is as
 * flat as one used around 0. One page needs no node at all, 64 neighbours need one.
 *
 *	height 0: root is the entry of index `origin` (0: none)
 *	height h: root points to a node; its slot i covers 64^(h-1) indices at origin + i * 64^(h-1)
 *
 * `origin` counts modulo 2^64: it may lie "below zero". An entry is never 0; 0 means absent. The
 * owner locks.
 */
#ifndef THOR_MEMORY_PAGE_TREE_H
#define THOR_MEMORY_PAGE_TREE_H

#include <base/types.h>

constexpr uint32_t PAGE_TREE_WAYS = 64;

struct account;

struct page_tree {
	struct account *account; /* immutable: pays for the nodes; the owner charges entries */
	uint64_t root;  /* an entry, or the address of a struct page_tree_node */
	uint64_t origin;
	uint64_t n_pages;
	uint32_t height;
};

/* Neighbouring slots of a tree, some of which may be empty (0). */
struct page_tree_run {
	const uint64_t *slots;
	uint64_t index; /* of the first */
	uint32_t n_slots;
	uint64_t n_pages_max; /* there are no more pages than that among them */
};

/**
 * page_tree_run_fn - visit the pages of a run; may not change the tree. Return: how many there are
 */
typedef uint32_t (*page_tree_run_fn)(void *context, const struct page_tree_run *run);

/**
 * PAGE_TREE_FOR_EACH() - the pages of a run: declares `entry`, and counts in `n_pages` of the
 * caller
 */
#define PAGE_TREE_FOR_EACH(entry, n_pages, run) \
	for (uint32_t slot_ = 0; slot_ < (run)->n_slots && (n_pages) < (run)->n_pages_max; \
		slot_++) \
		for (uint64_t entry = (run)->slots[slot_]; entry != 0; entry = 0, (n_pages)++)

/** page_tree_init() - make @tree empty; @account pays for its nodes */
void page_tree_init(struct page_tree *tree, struct account *account);

/** page_tree_slot() - the slot of @index, NULL if it has none; holds 0 when the page is absent */
uint64_t *page_tree_slot(const struct page_tree *tree, uint64_t index);

/**
 * page_tree_slots() - the slots from that of @index on that lie in a row; NULL if it has none
 * @out_n_slots: how many; written on success only
 */
const uint64_t *page_tree_slots(
	const struct page_tree *tree, uint64_t index, uint64_t *out_n_slots);

/** page_tree_get() - the entry of @index, 0 when absent */
static inline uint64_t page_tree_get(const struct page_tree *tree, uint64_t index)
{
	uint64_t *slot = page_tree_slot(tree, index);

	return slot != NULL ? *slot : 0;
}

/**
 * page_tree_set() - give @index an entry, which it had or had not
 * @entry: not 0
 *
 * Allocates only if the index has no slot yet. Return: 0 or -ERR_NO_MEMORY (nothing changed).
 */
MUST_USE int page_tree_set(struct page_tree *tree, uint64_t index, uint64_t entry);

/**
 * page_tree_make_slot() - the slot of @index, made if it has none
 *
 * The caller fills an empty one with page_tree_fill(), or leaves it empty. Return: NULL: no memory.
 */
uint64_t *page_tree_make_slot(struct page_tree *tree, uint64_t index);

/** page_tree_fill() - put a first entry, not 0, or another one into a slot */
static inline void page_tree_fill(struct page_tree *tree, uint64_t *slot, uint64_t entry)
{
	tree->n_pages += *slot == 0;
	*slot = entry;
}

/**
 * page_tree_next() - the first present page in [@index, @end)
 * @out_index, @out_entry: written on success only
 */
bool page_tree_next(const struct page_tree *tree, uint64_t index, uint64_t end, uint64_t *out_index,
	uint64_t *out_entry);

/**
 * page_tree_find_run() - the entry of @index, if those of the @n_pages from there on are it plus
 * multiples of @step; else 0
 */
uint64_t page_tree_find_run(
	const struct page_tree *tree, uint64_t index, uint64_t n_pages, uint64_t step);

/**
 * page_tree_set_run() - give @n_pages from @index on, which have none, entries from @entry on
 *
 * Return: 0 or -ERR_NO_MEMORY (nothing changed).
 */
MUST_USE int page_tree_set_run(
	struct page_tree *tree, uint64_t index, uint64_t n_pages, uint64_t entry, uint64_t step);

/** page_tree_count() - number of pages in [@index, @end) */
uint64_t page_tree_count(const struct page_tree *tree, uint64_t index, uint64_t end);

/**
 * page_tree_remove() - remove the pages of [@index, @end)
 * @removed: called for them, in order; not NULL
 */
void page_tree_remove(struct page_tree *tree, uint64_t index, uint64_t end,
	page_tree_run_fn removed, void *context);

#endif
