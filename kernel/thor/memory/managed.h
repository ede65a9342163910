/* SPDX-License-Identifier: MIT */
/*
 * Managed memory: pages that thor keeps and a server, the manager, fills and writes back.
 *
 * Two memory objects show the same pages: the *backing*, which the manager has, owns them; the
 * *frontal*, which users map, refers to the backing as its source. So do copy-on-write views of
 * it (private mappings of a file).
 *
 *	          claimed by a request                  INITIALISED
 *	MISSING ----------------------> INITIALISING --------------> CLEAN <------------+
 *	  |  ^                                |                    |  |  WRITTEN_BACK   |
 *	  |  +-- INITIALISE_FAILED, evicted --+     write fault    |  | evicted         |
 *	  |                                                        v  v                 |
 *	  +--> FILLING ---- INITIALISED --> CLEAN                DIRTY MISSING          |
 *	   manager touched it                                      |                    |
 *	                                     claimed by a request  +---> WRITING -------+
 *	                                                           ^       | write fault
 *	                                     WRITTEN_BACK, failed  |       v
 *	                                                           +-- REDIRTIED
 *
 * What the manager has said to be zero (HEL_UPDATE_ZERO) goes from MISSING to CLEAN by itself. That
 * is one range: the end of a file that has grown. It begins behind the last page that was taken
 * away again.
 *
 * An entry of the backing's page tree is the address of the page (0: it has none yet), with the
 * state and two bits of the page cache below. MISSING is the absence of an entry. Users see pages
 * from CLEAN on.
 *
 * *Writing.* Frontal pages are mapped for reading until the first write fault makes them dirty;
 * a request to write them back takes write access away again. Two sets of pages: `dirty`, and
 * `due`, which is written back in this round and gets no more members. A round ends when all of
 * `due` is written; the next one begins with what is dirty by then, if it is wanted: because of a
 * fence, age, amount or pressure. That is what makes fences end while others go on writing.
 *
 *	DIRTY      in `dirty`, or in `due` and not yet handed out
 *	WRITING    in `due`
 *	REDIRTIED  in both
 *
 * *Requests* are made when the manager has an operation to put one into, from three sources: waits
 * for pages in the order in which they came (`wanted`), advice, and `due`; nothing is queued that
 * could run out of memory. Reading and writing take turns when both are wanted.
 *
 * Lock: the backing's guards everything, as far as nothing else is said. Completing operations
 * needs the lock of a queue, which comes earlier in the order, so it is posted as work.
 */
#ifndef THOR_MEMORY_MANAGED_H
#define THOR_MEMORY_MANAGED_H

#include <abi/hel/queue.h>
#include <thor/memory/memory-object.h>
#include <thor/memory/page-cache.h>
#include <thor/memory/page-set.h>
#include <thor/memory/page-wait.h>
#include <thor/sched/work.h>
#include <thor/time/timer-heap.h>

enum managed_state : uint64_t {
	MANAGED_MISSING = 0,
	MANAGED_FILLING, /* has a page, nobody asked for it */
	MANAGED_INITIALISING, /* the manager was asked; may have a page */
	MANAGED_CLEAN,
	MANAGED_DIRTY,
	MANAGED_WRITING, /* the manager was asked */
	MANAGED_REDIRTIED, /* the same, and written to since */
};

constexpr uint64_t MANAGED_STATE_MASK = 7;
constexpr uint64_t MANAGED_REFERENCED = 8; /* used since the page cache looked last */
constexpr uint64_t MANAGED_USE_ONE = 16;   /* counts looks at which it had been used, up to … */
constexpr uint64_t MANAGED_USE_MASK = 48;  /* … two: see managed__age() */
constexpr uint64_t MANAGED_USE_MAX = 32;
constexpr uint64_t MANAGED_FLAGS = 0xfff;

constexpr uint32_t MANAGED_WAIT_BUCKETS = 32;
constexpr uint64_t MANAGED_RUN_MAX = 64; /* pages of one request */
constexpr uint64_t MANAGED_UPDATE_MAX = 4096; /* pages of one answer */
constexpr uint64_t MANAGED_AGE_NS = 5'000'000'000; /* after that dirty pages are written back */
constexpr uint64_t MANAGED_SHARE_MIN = 64; /* an object may have that many unclean pages */

struct swap;

struct managed {
	struct memory *backing; /* immutable: its owner */
	struct swap *swap; /* immutable: a swap space is behind it, see swap.h; else NULL */
	struct memory *frontal; /* not referenced; NULL when it is gone */
	bool is_dead; /* no descriptor of the backing is left */
	int write_error; /* of a write-back; until a fence reports it */
	uint64_t n_resident; /* pages it has */
	uint64_t n_unclean; /* pages that are DIRTY, WRITING or REDIRTIED */

	struct page_set dirty, due;
	uint64_t n_dirty; /* members of `dirty` */
	uint64_t n_due_idle; /* members of `due` that were not handed out */
	uint64_t write_hand; /* where the next run of `due` is looked for */
	uint64_t round; /* the number of times that `due` was filled */
	bool is_write_wanted; /* begin another round when this one is over */
	bool is_ageing; /* `age` is armed, and keeps the backing */
	struct timer age;

	struct list waits[MANAGED_WAIT_BUCKETS]; /* struct page_wait.node by index: absent pages */
	struct list wanted; /* struct page_wait.wanted_node: the manager was not asked */
	struct list throttled; /* struct page_wait.node: too much is dirty */
	uint64_t next_index, window; /* where a sequential reader faults next, pages to ask for */
	uint64_t advice_index, advice_end; /* will be needed, not asked for yet */
	uint64_t zeros_first, zeros_end; /* what is MISSING there is zero: nobody has to be asked */

	struct list requests; /* operations of the manager that wait for something to do */
	struct list fences; /* operations */
	bool was_read; /* the last request was to initialise */
	bool is_work_posted; /* and keeps the backing */
	struct work work; /* managed_service() */

	struct page_cache_member cache;
};

static inline enum managed_state managed_state_of(uint64_t entry)
{
	return (enum managed_state)(entry & MANAGED_STATE_MASK);
}

static inline uint64_t managed_phys_of(uint64_t entry)
{
	return entry & ~MANAGED_FLAGS;
}

static inline void managed_set_state(uint64_t *slot, enum managed_state state)
{
	*slot = (*slot & ~MANAGED_STATE_MASK) | state;
}

/* ---- managed.c: pages */

/** managed__create() - what a new backing has besides; -ERR_NO_MEMORY */
MUST_USE int managed__create(struct memory *backing);

/** managed__destroy() - with the backing, which has no pages any more; accepts NULL */
void managed__destroy(struct managed *managed);

/** managed__die() - the manager is gone; no locks held */
void managed__die(struct managed *managed);

/**
 * managed__get_page() - a page as users see it
 *
 * Return: 0, SPACE_PENDING, -ERR_IO (the manager is gone), -ERR_NO_MEMORY.
 */
MUST_USE int managed__get_page(
	struct memory *backing, uint64_t index, bool for_write, struct memory_page *out_page);

/** managed__get_backing_page() - a page as the manager sees it; -ERR_NO_MEMORY */
MUST_USE int managed__get_backing_page(
	struct memory *backing, uint64_t index, struct memory_page *out_page);

/** memory__find_backing() - the managed page that a page of @memory, which is locked, stands for */
bool memory__find_backing(
	const struct memory *memory, uint64_t *index, struct memory **out_backing);

/**
 * memory__await_page() - wait until a page that SPACE_PENDING was said of can be had
 * @memory: locked by memory__lock()
 *
 * Return: SPACE_PENDING: @wait is armed; 0: look again; -ERR_IO, or the error of the last wait.
 */
MUST_USE int memory__await_page(
	struct memory *memory, uint64_t index, bool for_write, struct page_wait *wait);

/**
 * managed__await() - the same for a page of a backing, which is locked
 *
 * Return: as memory__await_page().
 */
MUST_USE int managed__await(
	struct managed *managed, uint64_t index, bool for_write, struct page_wait *wait);

/** managed__await_written() - wait until some pages are written; the backing is locked */
void managed__await_written(struct managed *managed, struct page_wait *wait);

/** managed__wake_throttled() - whoever waits for pages to be written looks again, or gets @error */
void managed__wake_throttled(struct managed *managed, int error);

/** managed__count_resident() - an entry has got a page, which is charged */
void managed__count_resident(struct managed *managed);

/** managed__release() - an entry goes, its page stays with the caller */
void managed__release(struct managed *managed, uint64_t index);

/** managed__forget_zeros() - pages of [@first, @end) are no longer known to be zero */
void managed__forget_zeros(struct managed *managed, uint64_t first, uint64_t end);

/** managed__kick() - there may be something to do for managed_service() */
void managed__kick(struct managed *managed);

/** managed__wake() - waits for absent pages of [@first, @end) are over */
void managed__wake(struct managed *managed, uint64_t first, uint64_t end, int error);

/** managed__hide() - no page table shows pages of [@first, @end) any more */
void managed__hide(struct managed *managed, uint64_t first, uint64_t end);

/** managed__drop() - free the pages of [@first, @end), whatever they are; not counted as unclean */
void managed__drop(struct managed *managed, uint64_t first, uint64_t end);

/** managed__written() - a run has been written back, or not (@error): whoever waits may go on */
void managed__written(struct managed *managed, uint64_t first, uint64_t end, int error);

/**
 * managed__resize() - set the size and take some of the pages beyond it away; the backing is locked
 *
 * Return: true: there are more; call it again, after others had their turn if need be.
 */
bool managed__resize(struct managed *managed, uint64_t size_bytes);

/** managed__bury() - take some of what was dirty away from users of a dead object; true: again */
bool managed__bury(struct managed *managed);

/** managed__is_evictable() - whether a page can be dropped without asking anybody */
bool managed__is_evictable(const struct managed *managed, uint64_t entry);

/* ---- managed-write.c: dirty pages */

/** managed__is_throttled() - whether the object may not make more pages dirty now */
bool managed__is_throttled(const struct managed *managed);

/** managed__make_dirty() - a user writes to the page in @slot, from CLEAN on; -ERR_NO_MEMORY */
MUST_USE int managed__make_dirty(struct managed *managed, uint64_t index, uint64_t *slot);

/** managed__arm_age() - see to dirty pages, and those who wait, after a time at the latest */
void managed__arm_age(struct managed *managed, uint64_t delay_ns);

/** managed__want_write() - begin to write back what is dirty, as soon as the manager can */
void managed__want_write(struct managed *managed);

/** managed__has_unclean() - whether pages of [@first, @end) are not written back */
bool managed__has_unclean(const struct managed *managed, uint64_t first, uint64_t end);

/** managed__begin_fence() - write back what is dirty now; the round to wait for */
uint64_t managed__begin_fence(struct managed *managed);

/** managed__is_fence_over() - whether that has happened */
bool managed__is_fence_over(const struct managed *managed, uint64_t round);

/** managed__claim_write() - the next run of pages to be written back; false: there is none */
bool managed__claim_write(struct managed *managed, uint64_t *out_first, uint64_t *out_end);

/** managed__note_written() - a run has been written back, or not (@error): managed__written() */
void managed__note_written(struct managed *managed, uint64_t first, uint64_t end, int error);

/** managed__find_unclean() - the first page that is not written back; false: there is none */
bool managed__find_unclean(const struct managed *managed, uint64_t *out_index);

/** managed__forget_dirty() - pages of [@first, @end) are no longer dirty, for they go */
void managed__forget_dirty(struct managed *managed, uint64_t first, uint64_t end);

/* ---- managed-lock.c */

constexpr uint64_t MEMORY_LOCK_MAX = MIB(4); /* of one operation */

/** managed__is_locked() - whether a page has to stay where it is */
bool managed__is_locked(uint64_t entry);

/** managed__forget_locks() - a page goes all the same: with its object, or cut off */
void managed__forget_locks(uint64_t phys);

/** memory_is_lockable() - whether a range of such memory may be locked or unlocked */
bool memory_is_lockable(const struct memory *memory, uint64_t offset, uint64_t length);

/**
 * memory__lock_page() - lock a page that is there
 *
 * Return: what memory__get_page() says; -ERR_NO_MEMORY, too, if too much is locked.
 */
MUST_USE int memory__lock_page(struct memory *memory, uint64_t index, bool for_write);

/** memory__unlock_pages() - one lock less of each page of [@first, @end) that has one */
void memory__unlock_pages(struct memory *memory, uint64_t first, uint64_t end);

/* ---- managed-age.c */

/**
 * managed__age() - look at up to @n_pages pages: were they used? Drop those that were not lately
 *
 * Return: the number of pages looked at; less than @n_pages at the end of the object.
 */
uint64_t managed__age(struct managed *managed, uint64_t n_pages, uint64_t *out_evicted);

/* ---- managed-request.c: requests and answers */

/** managed__next_request() - what the manager is to do next; false: nothing */
bool managed__next_request(struct managed *managed, struct hel_manage_result *out_request);

/* ---- ipc/manage.c */

/** managed_service() - hand requests to the manager, complete fences */
void managed_service(struct work *work);

#endif
