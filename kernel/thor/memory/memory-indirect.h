/* SPDX-License-Identifier: MIT */
/*
 * Indirect memory: a table of slots, each of which shows a range of another memory object.
 *
 *	indirect        | slot 0   | slot 1   | slot 2   |        each of slot_pages pages
 *	                  |                     |
 *	                window                window              a slot without one is empty
 *	                  v                     v
 *	other memory    [....]                [..........]
 *
 * It has no pages: a fault looks up the window, takes the page of what it shows (which may be
 * indirect memory again) and enters it in the page table of the space where the *indirect* object
 * is mapped. So whoever takes pages away from an object has to reach those page tables: an object
 * lists the windows that show it, besides its mappings, and memory__visit() goes through both.
 *
 * *Levels.* Indirect memory is made for a level from 1 to INDIRECT_LEVELS and shows only what has a
 * lower one; other memory has level 0. So there can be no cycles, ways are short, and locks are
 * ordered: from the memory that has the page outwards (spinlock.h).
 *
 * *Finding a page* goes inwards, against that order. So the way is looked up first, with one lock
 * at a time, and held by references; then what has the page is locked, and then all indirect
 * objects on the way, outwards; if the way has changed meanwhile the access is tried again.
 *
 * *Changing a slot.* The new window is put in place at once, then the old one is *retired*: it is
 * still a window of what it shows, so that no page can vanish that page tables still have, and
 * a cursor goes over its range and hides pages in all mappings, in slices. Then it is freed. One
 * window retires at a time: who wants to change a slot first does the rest of that work, so it
 * does not matter whether somebody who began it comes back. Pages of the new window that were
 * entered meanwhile are hidden, too, and come back with the next fault.
 *
 * *Granted memory.* A window is a use of the grant that the descriptor of the memory was under
 * (object/grant.h), the holder is the indirect memory. Revoking empties the slot: the window
 * retires as if somebody had set the slot to nothing, and its use ends when all is hidden.
 */
#ifndef THOR_MEMORY_MEMORY_INDIRECT_H
#define THOR_MEMORY_MEMORY_INDIRECT_H

#include <thor/memory/memory-object.h>

constexpr uint32_t INDIRECT_LEVELS = HEL_INDIRECT_LEVELS;

struct indirect_window {
	/* immutable */
	struct memory *indirect; /* not referenced: it owns the window */
	struct memory *shown; /* with a handle reference; not a slice */
	uint64_t shown_index; /* in which pages begin here … */
	uint64_t index; /* … and here, */
	uint64_t n_pages; /* so many */

	struct list_node node; /* guarded by shown->lock: in shown->windows */
	struct grant_use *use; /* guarded by indirect's lock: of the grant of `shown`; or NULL */
};

struct indirect {
	/* immutable */
	uint32_t level;
	uint32_t access; /* of HEL_MAP_READ, WRITE, EXECUTE: what is set must allow all of it */
	uint64_t slot_pages; /* a power of two */

	/* guarded by the memory's lock */
	struct page_tree windows; /* from the number of a slot to the address of its window */
	struct indirect_window *retired; /* replaced, and not yet hidden everywhere; or NULL */
	uint64_t cursor; /* the first page of it that may still be shown */
	uint64_t round; /* counts windows that retired */
};

/* The way from a page of indirect memory to the memory that has the page. */
struct indirect_path {
	struct memory *memory; /* referenced; not indirect */
	uint64_t index; /* of the page in it */
	uint32_t n_steps;
	struct {
		struct memory *indirect; /* referenced */
		uint64_t index;
	} steps[INDIRECT_LEVELS]; /* from the outside inwards */
};

/**
 * indirect__find() - look up the way from page @index of indirect memory
 *
 * Context: no lock of rank MEMORY or above. Return: 0: indirect__end() has to follow;
 * -ERR_OUT_OF_BOUNDS: there is no such page, or its slot is empty.
 */
MUST_USE int indirect__find(struct memory *memory, uint64_t index, struct indirect_path *out_path);

/** indirect__end() - drop the references of a path */
void indirect__end(const struct indirect_path *path);

/**
 * indirect__lock() - lock the indirect memory on a way, the end of which is locked by
 * memory__lock()
 *
 * Return: false: the way leads elsewhere by now, nothing is locked.
 */
MUST_USE bool indirect__lock(const struct indirect_path *path);

/** indirect__unlock() - the same in reverse */
void indirect__unlock(const struct indirect_path *path);

/** indirect__visit_windows() - memory__visit_as() for the windows of @memory, which is locked */
void indirect__visit_windows(const struct memory *memory, uint64_t index, uint64_t end,
	uint64_t shift, const struct memory_visitor *visitor);

/** indirect__destroy_slice() - free some of the windows of memory that goes; true: all are gone */
bool indirect__destroy_slice(struct memory *memory);

#endif
