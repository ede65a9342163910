/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's half of struct cpu: the threads that are ready to run on this CPU.
 *
 * Threads come in over three ways: the owner inserts into the tree; the owner keeps one freshly
 * woken thread in `handoff` until it knows whether the current one blocks; other CPUs push onto
 * `inbox` and send an interrupt if it was empty. Idle CPUs take threads out of the tree under
 * `lock`.
 *
 * Unfairness is kept lazily. virtual_ns grows by dt/n while n threads are schedulable on this
 * CPU, so a ready thread's unfairness is its constant key + virtual_ns, and the running one's key
 * falls by the time it ran: the tree never needs to be reordered. With different weights both are
 * weighted times, and n is the sum of weights over the default one. See
 * docs/internals/scheduling.md.
 */
#ifndef THOR_SCHED_RUN_QUEUE_H
#define THOR_SCHED_RUN_QUEUE_H

#include <base/tree.h>
#include <base/types.h>
#include <thor/spinlock.h>

struct thread;
struct object;
struct work;

/*
 * What is due before user mode is entered. Who sets EVERYTHING for another CPU interrupts it as
 * well, or somebody has whose interrupt has not been served yet; so the owner may lower it with a
 * plain store.
 */
enum run_queue_look : uint32_t {
	RUN_QUEUE_LOOK_NOWHERE,
	RUN_QUEUE_LOOK_HANDOFF, /* nothing but a thread in `handoff` */
	RUN_QUEUE_LOOK_EVERYWHERE,
};

struct run_queue {
	struct spinlock lock;
	/*
	 * Guarded by lock. The best is not in the tree: mostly there is one that is ready, or none.
	 */
	struct thread *best;
	struct tree ready; /* the others, ordered by priority, then patience, best first */
	uint64_t ready_weight; /* of the best and the others */
	_Atomic uint32_t n_ready; /* with the best; written under lock */

	_Atomic(struct thread *)
		inbox;           /* stack of threads pushed by other CPUs, linked by inbox_next */
	/* set by anybody: look again before entering user mode */
	_Atomic(enum run_queue_look) look;

	/* owner only */
	struct thread *handoff; /* woken here, runs next if the current one blocks */
	bool may_linger;        /* `handoff` was woken by a call that wanted to wait */
	bool is_lingering;      /* it has been there while the current thread was in user mode */
	/*
	 * V, the sum of dt / n, up to virtual_until_ns, and n since then. While n is 1 the owner
	 * writes them alone; while it is greater there may be a thief, and who writes has the lock.
	 */
	_Atomic int64_t virtual_ns;
	uint64_t virtual_until_ns;
	_Atomic uint32_t n_schedulable;
	_Atomic uint64_t running_weight; /* while n > 1: of those that count and are not ready */
	bool is_yielding;          /* the current thread wants to be passed over once */
	uint64_t counted_until_ns; /* up to when the current thread's run time is counted */
	uint64_t slice_end_ns; /* when to look for a better thread; HEL_DEADLINE_NEVER: alone */
	uint64_t timer_set_ns; /* what the hardware timer is set to */
	uint64_t n_identities; /* of objects made on this CPU */
	struct work *work_first, *work_last; /* posted, see work.h; first NULL: none */

	/* written by the owner: objects to abandon or destroy on the way out, see object.c */
	_Atomic(struct object *) deferred;
	_Atomic bool is_reaping;          /* `deferred` is being worked on */
	_Atomic uint64_t reaped_until_ns; /* what was deferred before is gone */
	_Atomic bool must_let_go; /* set by others: of the loaded space, which is over */
};

#endif
