/* SPDX-License-Identifier: MIT */
/*
 * Threads: a context in user mode with a universe and a space.
 *
 *                   start               picked             drive, futex_wait
 *   STOPPED (new) ---------> RUNNABLE ----------> RUNNING -----------------> WAITING
 *      ^  |                  ^  ^  |               |  |                         |
 *      |  | resume, kill     |  |  +- preempted <--+  | fault, interrupt,       |
 *      |  +------------------+  +--------------------------- woken ------------+
 *      +----------------------------------------------+ bad call   (with a result, or to be killed)
 *
 *   RUNNING -> TERMINATED: exit, or a kill seen on the way out. A killed thread that waits or is
 *   stopped is made runnable first, so that termination happens in one place: on the CPU that
 *   picked it.
 *   A fault, or a call that met an absent page, waits for the page; then it is made again. Kicks of
 *   threads without bounce do not end such a wait: the latch stays for the next one.
 *   STOPPED <-> EXAMINED: another thread reads or writes its registers; lasts for one copy.
 *
 * The state is one atomic: RUNNING -> anything is a store by the CPU that runs it; every other
 * transition is a compare and exchange, so of a wake-up, a deadline, a kick and a kill that race
 * exactly one wins and owns what follows. Whoever wants something of a thread sets a flag in
 * `attention` *before* it looks at the state; the thread looks at `attention` *after* it changed
 * its state to WAITING or STOPPED (both sequentially consistent): one sees the other.
 *
 * `on_cpu` names the CPU that still has the thread's context (FPU registers, kernel stack in
 * use); it is cleared after arch_context_leave(). A woken thread that is still on a CPU can only
 * be put into that CPU's inbox.
 */
#ifndef THOR_SCHED_THREAD_H
#define THOR_SCHED_THREAD_H

#include <abi/hel/bounce.h>
#include <base/list.h>
#include <base/tree.h>
#include <thor/arch.h>
#include <thor/memory/page-wait.h>
#include <thor/object/handle-cache.h>
#include <thor/object/object.h>
#include <thor/spinlock.h>
#include <thor/time/timer-heap.h>

struct cpu;
struct futex_bucket;
struct futex_party;
struct memory;
struct operation;
struct queue;
struct run_queue;
struct space;
struct universe;

/* The first five are those of struct hel_thread_stats. */
enum thread_state : uint32_t {
	THREAD_STOPPED,
	THREAD_RUNNABLE,
	THREAD_RUNNING,
	THREAD_WAITING,
	THREAD_TERMINATED,
	THREAD_EXAMINED,
};

enum thread_attention : uint32_t {
	THREAD_ATTENTION_KICK = 1, /* bounced: deliver on the way out */
	THREAD_ATTENTION_KILL = 2,
	THREAD_ATTENTION_INTERRUPT = 4,
	THREAD_ATTENTION_PLACE = 8, /* the affinity, the priority or the weight changed */
	/* does not wait until the scheduler has time for the thread; then that goes no further */
	THREAD_ATTENTION_PROMPT =
		THREAD_ATTENTION_KILL | THREAD_ATTENTION_INTERRUPT | THREAD_ATTENTION_PLACE,
	THREAD_ATTENTION_EXIT = 15, /* those that the way out of the kernel looks at */
	THREAD_ATTENTION_LATCH = 16, /* not bounced: the next wait ends at once with ERR_KICKED */
	THREAD_ATTENTION_TRANSFER = 32, /* set by itself: it carries transfers (transfer-run.c) */
	THREAD_ATTENTION_TIMED = 64, /* from its creation on (thread-time.c) */
	THREAD_ATTENTION_NO_WAIT = THREAD_ATTENTION_EXIT | THREAD_ATTENTION_TRANSFER,
	THREAD_ATTENTION_NO_SHORT_WAY = THREAD_ATTENTION_NO_WAIT | THREAD_ATTENTION_TIMED,
};

/*
 * What a wait ended with besides errors of errors.def: make the call again when the thread runs
 * on.
 */
constexpr int THREAD_WAIT_RESTART = 1;

/*
 * The one wait that a thread can be in. `finish` runs on the CPU that picked the woken thread,
 * before anything else: it takes the node off the list it may still be on, cancels the timer and
 * sets the call's result.
 */
struct thread_wait {
	void (*finish)(struct thread *thread); /* NULL: no wait */
	int result; /* written by whoever won WAITING -> RUNNABLE */
	struct list_node node; /* guarded by the lock of what is waited for */
	struct timer timer; /* the deadline */
	struct queue *queue; /* hel_drive: referenced */
	_Atomic(struct futex_bucket *) bucket; /* hel_futex_wait */
	struct memory *futex_memory; /* key, referenced; guarded by the bucket's lock */
	uint64_t futex_offset;
	uint32_t futex_bitset;
	struct page_wait page; /* sched/fault.c */
	_Atomic bool is_page_there; /* `page` is done */
};

/* What a call has to do besides. */
enum thread_entry : uint8_t {
	THREAD_ENTRY_PAUSED = 1, /* a long call is to be gone on with */
	THREAD_ENTRY_TIMED = 2,  /* immutable: time in the kernel is told apart */
	THREAD_ENTRY_SHORT = 4,  /* there was no memory: it tries again, see shortage.c */
};

struct thread_bounce {
	struct hel_bounce_page *page; /* in the direct map; NULL: not bounced */
	struct object *queue; /* whose page it is in, referenced; NULL: it is in a frame */
	uint64_t page_phys; /* of the frame, with a reference */
	uint64_t address; /* where the space has it */
	struct hel_bounce entries;
};

struct thread_credentials {
	uint8_t bytes[16];
};

/*
 * How far a call has come that makes room for others: it is made again with the same arguments and
 * goes on at `position`. Another call, a kick that is delivered or new registers end it.
 */
struct thread_long_call {
	uint32_t number;
	uint64_t arguments[6];
	uint64_t position; /* the call's business, not 0 */
	uint64_t amount; /* what it has come to so far; the call's business */
	uint64_t amount_large; /* of that, likewise */
	struct object *object; /* half-built, referenced; or NULL */
	/* The call that last had more than one slice, by the count of its CPU; its first slice. */
	uint64_t sliced_call, start_ns;
};

/*
 * What a thread's weight comes to. Its *weighted* time is its own time if it has the default
 * weight, and the longer the less it weighs: see docs/internals/scheduling.md.
 */
struct thread_share {
	uint32_t weight;
	uint64_t charge; /* weighted time for one of its own, times 2^32 */
	int64_t patience_ns; /* a granularity of its own time, weighted */
};

struct thread {
	struct object object;
	struct arch_context arch;

	/* immutable from creation to termination */
	struct universe *universe; /* with a handle reference: it lives while it has threads */
	struct space *space;
	struct thread_bounce bounce;
	struct thread_credentials credentials;

	struct handle_cache handles; /* the thread itself, while it runs */

	_Atomic(enum thread_state) state;
	_Atomic uint32_t attention; /* enum thread_attention */
	_Atomic(struct cpu *) on_cpu;
	_Atomic bool is_started;
	uint8_t entry; /* enum thread_entry; the thread itself, or who examines it */
	bool is_stepped; /* stops after one instruction; by who keeps it stopped, or its CPU */

	/* scheduling: whoever made it RUNNABLE, then the CPU that has it in its tree or runs it */
	struct tree_node ready_node;
	struct thread *inbox_next;
	int64_t key; /* in a run queue or running: unfairness - virtual_ns; else the unfairness */
	struct thread_share share;
	_Atomic int32_t priority; /* -8 … 7, greater goes first */
	int32_t ready_priority; /* what counts while it is in a run queue or running */
	_Atomic(struct run_queue *) ready_in; /* whose tree it is in; written under that lock */
	_Atomic uint64_t affinity; /* bit per CPU */
	_Atomic uint32_t weight; /* what `share` is to be; its CPU sees to that on the way out */
	uint32_t last_cpu;

	/* guarded by the guard of futex-lock.c */
	struct {
		uint32_t number; /* 0: it has none */
		uint64_t giver; /* identity of the universe that gave it */
		struct thread *next; /* with the same head */
		struct futex_party
			*party; /* NULL: it never had to do with a lock that others waited for */
	} futex;

	struct thread_wait wait;
	struct list transfers; /* that it carries; the CPU that has it, or nobody has */
	struct thread_long_call long_call; /* the thread itself, or who examines it */
	/* the thread itself: with THREAD_ENTRY_SHORT, of shortage.c */
	uint64_t short_since_ns, short_first_ns;

	/* observation, guarded by observe_lock */
	struct spinlock observe_lock;
	struct operation *observer; /* armed, one reference; NULL: none */
	struct {
		uint64_t sequence; /* 0: nothing happened yet */
		uint32_t kind; /* enum hel_observation */
		struct hel_fault fault;
		uint64_t ip;
	} observation;

	struct {
		/* kernel_ns is a part of run_ns, and 0 for threads that are not timed */
		_Atomic uint64_t run_ns, kernel_ns, n_switches, n_faults;
		_Atomic uint64_t n_preempted; /* how often it lost its CPU while it could run */
		uint64_t entered_ns; /* timed: run_ns when it entered the kernel */
	} statistics;
};

struct thread_options {
	struct universe *universe; /* borrowed */
	struct space *space; /* borrowed */
	uint64_t ip, sp, argument, tls_base;
	struct object *bounce_page; /* memory or a queue, borrowed; NULL: not bounced */
	uint64_t bounce_address; /* where in the page the bounce page begins, too */
	struct hel_bounce bounce;
	bool is_timed; /* HEL_THREAD_TIMED */
};

/**
 * thread_end_long_call() - forget how far a paused call has come, and what it has built; and that
 * there was no memory
 */
void thread_end_long_call(struct thread *thread);

/**
 * thread_create() - a stopped thread; the caller gets the one reference
 *
 * Its universe has a descriptor or a thread. Return: 0, -ERR_NO_MEMORY; -ERR_BAD_HANDLE: those are
 * gone by now.
 */
MUST_USE int thread_create(const struct thread_options *options, struct thread **out_thread);

/** thread_of() - the thread around its object */
static inline struct thread *thread_of(struct object *object)
{
	return container_of(object, struct thread, object);
}

/** thread_start() - let a new thread run; -ERR_ILLEGAL_STATE if it was started before */
MUST_USE int thread_start(struct thread *thread);

/**
 * thread_resume() - let a thread that an observation stopped run on; -ERR_ILLEGAL_STATE if it is
 * not stopped
 */
MUST_USE int thread_resume(struct thread *thread);

/**
 * thread_step() - resume it for one instruction; then it stops with a fault that
 * arch_fault_is_step(), whether it is bounced or not. As thread_resume().
 */
MUST_USE int thread_step(struct thread *thread);

/**
 * thread_kill() - end it, from any state; takes effect on the way out if it is the caller itself
 *
 * Nobody keeps it from its end: as all that is in THREAD_ATTENTION_PROMPT this does not wait for
 * the scheduler.
 */
void thread_kill(struct thread *thread);

/**
 * thread_apply_priority() - SCHED_PRIORITY_MIN to MAX; counts at once, also if it is ready
 *
 * For futex-lock.c, which knows what others lend it: see futex_set_priority().
 */
void thread_apply_priority(struct thread *thread, int32_t priority);

/**
 * thread_set_weight() - 1 to HEL_WEIGHT_MAX: its share among those of the same priority; counts at
 * once
 */
void thread_set_weight(struct thread *thread, uint32_t weight);

/** thread_set_affinity() - a bit for each CPU that it may run on, at least one of them online */
void thread_set_affinity(struct thread *thread, uint64_t affinity);

/** thread_interrupt() - stop it and tell the observer; -ERR_THREAD_TERMINATED */
MUST_USE int thread_interrupt(struct thread *thread);

/** thread_kick() - as bounce.h says; -ERR_THREAD_TERMINATED */
MUST_USE int thread_kick(struct thread *thread);

/**
 * thread_examine() - keep a stopped thread from running, to look at its context
 *
 * Return: 0: it is EXAMINED until thread_examine_end(); -ERR_ILLEGAL_STATE: it is not stopped.
 */
MUST_USE int thread_examine(struct thread *thread);
void thread_examine_end(struct thread *thread);

/**
 * thread_begin_wait() - the current thread is about to wait; the lock of what it waits for is held
 *
 * Return: true: it is WAITING and may already be woken; false: it must not wait, because it was
 * kicked or shall stop: *out_result is -ERR_KICKED or THREAD_WAIT_RESTART.
 */
bool thread_begin_wait(struct thread *thread, int *out_result);

/**
 * thread_begin_page_wait() - the same for a wait that a kick does not end, but that can be
 * interrupted to deliver one; false: whatever was waited for is tried again later
 */
bool thread_begin_page_wait(struct thread *thread);

/**
 * thread_take_latch() - a wait of a thread ended with -ERR_KICKED: that was the kick
 */
void thread_take_latch(struct thread *thread);

/**
 * thread_wake() - end a wait with @result; false if somebody else ended it before. Locks up to
 * LOCK_RANK_TIMER may be held.
 */
bool thread_wake(struct thread *thread, int result);

/** thread_is_kicked() - a wait must end at once; consumes the latch of a thread without bounce */
bool thread_is_kicked(struct thread *thread);

/**
 * thread_terminate_current() - called by sched_leave() for the thread in @cpu->current; no locks
 * held
 */
void thread_terminate_current(struct cpu *cpu);

/** thread_stop_current() - stop the current thread with an observation; then sched_leave() */
void thread_stop_current(enum hel_observation kind, const struct hel_fault *fault);

/** thread_stop_interrupted() - an attention flag asked for it; called by sched_leave() */
void thread_stop_interrupted(struct cpu *cpu);

/** thread_get_stats() - for hel_thread_stats */
void thread_get_stats(struct thread *thread, struct hel_thread_stats *out_stats);

/** thread_count() - threads that are not terminated */
uint32_t thread_count(void);

/* ---- sched/thread-time.c */

/** thread_time_enter() - the current thread, which is THREAD_ENTRY_TIMED, has entered the kernel */
void thread_time_enter(struct thread *thread);

/** thread_time_leave() - the same one enters user mode now */
void thread_time_leave(struct thread *thread);

/* ---- sched/fault.c */

/** fault_init_wait() - a new thread waits for no page */
void fault_init_wait(struct thread *thread);

/**
 * fault_await_page() - the current thread waits for the page for which its wait.page is armed
 *
 * What it does afterwards (fault again, make the call again) is up to its context. Then
 * sched_leave().
 */
void fault_await_page(struct thread *thread);

/**
 * fault_await_noted_page() - the same for what a call met (page-wait.h)
 *
 * Return: true: the call is to be made again, the thread may have to wait before; false: there is
 * nothing to wait for, or an error.
 */
bool fault_await_noted_page(struct thread *thread);

/* ---- sched/bounce.c */

/** bounce_deliver_kick() - on the way to user mode, attention KICK was set */
void bounce_deliver_kick(struct thread *thread);

/** bounce_skip_step() - whether the bounce page has this single-step trap passed over */
bool bounce_skip_step(struct thread *thread);
/** bounce_is_in_shim() - whether the thread has a bounce page and runs the code behind it */
bool bounce_is_in_shim(const struct thread *thread);
/** bounce_deliver_fault() - true: the thread goes on at one of its fault entries; false: stop it */
bool bounce_deliver_fault(struct thread *thread, const struct hel_fault *fault);

#endif
