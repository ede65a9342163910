/* SPDX-License-Identifier: MIT */
/*
 * Waiting for pages that a manager has to bring, or may not take more of just now (managed.h).
 *
 *	          space_fault_wait(), page_note_wait()             the page came, or an error
 *	IDLE -----------------------------------------> ARMED ------------------------------> DONE
 *	 ^                                                |                                    |
 *	 +------------------------------------------------+------------------------------------+
 *	                                         page_wait_end()
 *
 * `done` is called at most once for each time the wait was armed, on any CPU, *with the object's
 * lock held*: it may wake a thread or post work, no more. So when page_wait_end() returns, `done`
 * has been called or never will be. Whoever armed a wait ends it, also after `done`; until then the
 * wait keeps the object.
 *
 * Success means: look again. A wait that ended with an error gives it to the next attempt to wait
 * for the same page, and only once: whoever waited does not wait for ever, and whoever comes later
 * asks the manager again.
 *
 * *Notes.* Code that copies user memory in the middle of something cannot wait. It fails with
 * -ERR_FAULT, and the page that it met stands in this CPU's note; whoever can wait or start again
 * takes it from there. A note keeps its object, so it is taken or dropped before the CPU leaves
 * the kernel.
 */
#ifndef THOR_MEMORY_PAGE_WAIT_H
#define THOR_MEMORY_PAGE_WAIT_H

#include <base/list.h>
#include <base/types.h>

struct memory;
struct space;

struct page_wait {
	/* guarded by the object's lock: in a bucket of waits, or with those that write too much */
	struct list_node node;
	struct list_node wanted_node; /* the same: its manager has not been asked */
	void (*done)(struct page_wait *wait, int error);
	struct memory *backing; /* referenced while the wait is armed or done; NULL: idle */
	uint64_t index; /* of the page in it */
	uint64_t n_pages; /* to ask for, from there on */
	/* how the last wait ended: an error for `index` of the object of this identity, or 0 */
	int error;
	uint64_t identity;
};

/* What a CPU has met in the middle of something else. */
struct page_note {
	struct memory *memory; /* referenced; NULL: nothing */
	uint64_t index;
	bool is_write; /* the access was to be one */
	uint64_t n_bytes_done; /* space_copy_between() had copied so much */
};

/** page_wait_init() - an idle wait */
void page_wait_init(struct page_wait *wait, void (*done)(struct page_wait *wait, int error));

/**
 * page_wait_end() - the wait is over, or is no longer wanted
 *
 * Context: no lock of rank MEMORY or above. An idle wait may be ended again.
 * Return: true: `done` was not and will not be called.
 */
bool page_wait_end(struct page_wait *wait);

/**
 * page_wait_takes_error() - whether the last wait ended with an error for that page; forgets it
 * @out_error: written if so
 */
bool page_wait_takes_error(
	struct page_wait *wait, const struct memory *backing, uint64_t index, int *out_error);

/** page_note_set() - the current CPU has met an absent page; any locks may be held */
void page_note_set(struct memory *memory, uint64_t index, bool is_write);

/** page_note_is_set() - whether the copy that failed just now did so because of a page to come */
bool page_note_is_set(void);

/** page_note_is_write() - whether it was to be written */
bool page_note_is_write(void);

/** page_note_drop() - forget it */
void page_note_drop(void);

/** page_note_refuse() - a copy's error for who does not want to wait: -ERR_AGAIN if it would */
int page_note_refuse(int error);

/**
 * page_note_wait() - wait for what the note says, and drop it
 *
 * Context: no lock of rank SPACE or above. Return: SPACE_PENDING: armed; 0: look again; an error,
 * as that of space_fault_wait().
 */
MUST_USE int page_note_wait(struct page_wait *wait);

/**
 * page_note_has_failed() - whether @wait has already waited for that page and got an error; then
 * note and error are dropped
 */
bool page_note_has_failed(struct page_wait *wait);

#endif
