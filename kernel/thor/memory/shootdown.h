/* SPDX-License-Identifier: MIT */
/*
 * TLB shoot-down: making other CPUs forget translations of a space before its frames are reused.
 *
 * A request lives on the requester's stack. For each CPU on which the space is active it is
 * posted on that CPU's list with one of the requester's own posts (one per target is enough, for
 * a CPU has one request in flight at a time), the target is interrupted if its list was empty,
 * and the requester polls its own list until all have acknowledged. A CPU that spins for a lock
 * polls as well, so two CPUs that shoot at each other, or a target that waits for a lock the
 * requester holds, make progress.
 *
 * Only CPUs that have the space loaded are asked. A request also changes the space's stamp
 * (asid.h), so the others notice when they load it. So does a CPU that idles: it still has the page
 * table of the last space loaded, but touches no user address, so it is not interrupted, and
 * compares stamps before it uses the space again. Only where page tables
 * themselves are going to be freed is it asked like any other, for a processor may walk them on
 * its own.
 *
 * Requests for one space may be served in another order than they got their stamps. A CPU that
 * sees one out of turn forgets everything, and has been through all that the stamp then tells of.
 *
 * No locks: a list is a stack that is pushed by compare-and-swap and emptied by one exchange.
 */
#ifndef THOR_MEMORY_SHOOTDOWN_H
#define THOR_MEMORY_SHOOTDOWN_H

#include <base/types.h>

struct space;

constexpr uint32_t SHOOTDOWN_PAGES_MAX = 16; /* more pages than that: flush everything */

struct shootdown_request {
	void (*call)(void *context); /* NULL, or to be called there instead of flushing */
	void *call_context;
	struct space *space;
	uint64_t stamp;             /* of a CPU that has been through it */
	bool frees_tables;          /* page tables were cut off, not only entries changed */
	uint32_t n_pages;           /* above SHOOTDOWN_PAGES_MAX: everything */
	_Atomic uint32_t n_pending; /* CPUs that have not acknowledged */
	uint64_t pages[SHOOTDOWN_PAGES_MAX];
};

struct shootdown_post {
	struct shootdown_post *next;
	struct shootdown_request *request;
};

struct shootdown_cpu {
	_Atomic bool is_idle;
	struct shootdown_post *_Atomic first; /* what this CPU is asked to flush */
	struct shootdown_post posts[64];      /* owner CPU only: its own posts, by target */
};

/**
 * shootdown_serve() - flush what other CPUs have asked this one to flush, and acknowledge
 *
 * Context: any, with interrupts off; takes no lock.
 */
void shootdown_serve(void);

/**
 * shootdown_poll() - shootdown_serve() if there is anything; for loops that spin
 *
 * Context: any, with interrupts off.
 */
void shootdown_poll(void);

/**
 * shootdown_enter_idle() - from now on this CPU touches no user address
 *
 * Context: interrupts off, on the way to arch_idle().
 */
void shootdown_enter_idle(void);

/** shootdown_is_idle() - whether this CPU has called shootdown_enter_idle() */
static inline bool shootdown_is_idle(const struct shootdown_cpu *own)
{
	return atomic_load_explicit(&own->is_idle, memory_order_relaxed);
}

/**
 * shootdown_leave_idle() - this CPU may touch user addresses again; flushes if that is due
 * @loads_table: the caller loads another page table right afterwards, if any
 *
 * Context: interrupts off, before the space is used, and after active_cpus says that it is.
 */
void shootdown_leave_idle(bool loads_table);

/**
 * shootdown_run() - carry out a request on all CPUs where its space is active, this one included
 * @request: space, n_pages and pages are filled in; on the caller's stack
 *
 * Returns when no CPU has the translations any more. Call it after the page table was edited.
 */
void shootdown_run(struct shootdown_request *request);

/**
 * shootdown_call_all() - call a function once on every CPU, this one included
 * @call: runs with interrupts off, wherever the CPU takes interrupts or spins, so it takes no locks
 *
 * Context: no locks that another CPU may spin for without polling. Returns when all calls have.
 */
void shootdown_call_all(void (*call)(void *context), void *context);

#endif
