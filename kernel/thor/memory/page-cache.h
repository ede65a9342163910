/* SPDX-License-Identifier: MIT */
/*
 * The page cache: the pages of all managed objects together.
 *
 * When free memory falls below a low mark (frame_is_low()) pages are given back on the way out of
 * the kernel, in slices, until a high one is reached (frame_is_plenty()). The objects take turns;
 * each looks at some of its pages (managed__age()). Nobody waits for a manager to get memory: what
 * is clean is dropped, and what is dirty is asked to be written back.
 *
 * While there is a swap manager every other turn is that of swappable memory, which puts pages into
 * the swap space (swappable__age()); that is a managed object and has its turns as such.
 */
#ifndef THOR_MEMORY_PAGE_CACHE_H
#define THOR_MEMORY_PAGE_CACHE_H

#include <base/list.h>
#include <base/types.h>

struct managed;
struct memory;

/* Without any success of managers: then nothing is expected of them. */
constexpr uint64_t PAGE_CACHE_PATIENCE_NS = 1'000'000'000;

/* What the page cache has of an object that it visits. */
struct page_cache_member {
	struct list_node node; /* guarded by the page cache's lock */
	struct memory *memory; /* immutable: its owner, managed (the backing) or swappable */
	uint64_t hand; /* guarded by the memory's lock: the page to be looked at next */
};

struct page_cache_stats {
	uint64_t n_pages;   /* that managed objects have */
	uint64_t n_unclean; /* of these, not written back */
	uint64_t n_lost;    /* dirty pages whose manager died, since boot */
	uint64_t n_evicted; /* since boot, with those that were put into the swap space */
};

/** page_cache_init() - no managed objects yet; after the frame allocator */
void page_cache_init(void);

/** page_cache_add() - a new object, whose lock need not be held */
void page_cache_add(struct page_cache_member *member);

/** page_cache_remove() - it goes; one that was not added may, too */
void page_cache_remove(struct page_cache_member *member);

/**
 * page_cache_balance() - give back some pages if there is need
 *
 * Context: no locks held; called by the scheduler when a CPU leaves the kernel after it has taken
 * memory. Return: true: there is more to do.
 */
bool page_cache_balance(void);

/** page_cache_can_help() - whether memory that is scarce will be less so in a moment */
bool page_cache_can_help(void);

/**
 * page_cache_will_help() - the same in a while, because pages are being written back
 * @since_ns: how long somebody has been in want of memory
 *
 * False if there was no success for PAGE_CACHE_PATIENCE_NS, and then until there is one.
 */
bool page_cache_will_help(uint64_t since_ns);

/** page_cache_note_written() - some pages are clean now, and may be given back */
void page_cache_note_written(void);

/** page_cache_count_pages() - a managed object has got (or lost) pages */
void page_cache_count_pages(int64_t n_pages);

/** page_cache_count_swappable() - swappable memory has got (or lost) pages */
void page_cache_count_swappable(int64_t n_pages);

/** page_cache_count_unclean() - @n_unclean_before is what @managed had */
void page_cache_count_unclean(const struct managed *managed, uint64_t n_unclean_before);

/** page_cache_count_lost() - dirty pages that nobody will write back */
void page_cache_count_lost(uint64_t n_pages);

/** page_cache_share() - how many unclean pages one object may have */
uint64_t page_cache_share(void);

/** page_cache_get_stats() - a snapshot */
void page_cache_get_stats(struct page_cache_stats *out_stats);

#endif
