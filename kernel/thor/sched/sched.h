/* SPDX-License-Identifier: MIT */
/* The scheduler: which thread runs next on this CPU. See docs/internals/scheduling.md. */
#ifndef THOR_SCHED_SCHED_H
#define THOR_SCHED_SCHED_H

#include <thor/cpu.h>
#include <thor/sched/thread.h>

constexpr uint64_t SCHED_GRANULARITY_NS = 4'000'000;
/* A thread that weighs much more than others looks at them so often: to be fair needs no less. */
constexpr uint64_t SCHED_SLICE_MAX_NS = 64'000'000;
constexpr int64_t SCHED_UNFAIRNESS_MAX_NS = 100'000'000;
constexpr int32_t SCHED_PRIORITY_MIN = -8;
constexpr int32_t SCHED_PRIORITY_MAX = 7;
constexpr int32_t SCHED_PRIORITY_PROMPT =
	8; /* ready, with something to attend to on the way out: THREAD_ATTENTION_PROMPT */

/** sched_init_cpu() - an empty run queue and timer heap, before the CPU goes online */
void sched_init_cpu(struct cpu *cpu);

/**
 * sched_leave() - the end of every stay in the kernel
 *
 * Does what is due (objects to destroy, expired timers, threads from other CPUs), delivers what
 * the current thread is owed (kick, kill, stop), then leaves to the best thread or to
 * arch_idle(). No locks held.
 */
NORETURN void sched_leave(void);

/**
 * sched_goes_on() - whether the current thread, which is RUNNING, may enter user mode without
 * sched_leave(): nothing is due, and nobody wants anything of it (then sched_poke() made us look)
 */
static inline bool sched_goes_on(const struct cpu *cpu)
{
	return atomic_load_explicit(&cpu->run_queue.look, memory_order_relaxed) ==
		RUN_QUEUE_LOOK_NOWHERE;
}

/**
 * sched_wake() - a thread that the caller made RUNNABLE wants a CPU; locks up to LOCK_RANK_THREAD
 * may be held
 */
void sched_wake(struct thread *thread);

/** sched_let_go() - let CPUs, by bit, unload the space that they have loaded if it is over */
void sched_let_go(uint64_t cpus);

/** sched_yield_current() - let others of the same priority go first, once */
void sched_yield_current(struct cpu *cpu);

/** sched_look() - make this CPU do what is due before it enters user mode */
static inline void sched_look(struct cpu *cpu)
{
	atomic_store_explicit(
		&cpu->run_queue.look, RUN_QUEUE_LOOK_EVERYWHERE, memory_order_relaxed);
}

/**
 * sched_expect_wait() - the current thread wanted to wait in this call, and will do so soon if it
 * does not now: what it has woken need not be given to another CPU at once
 */
static inline void sched_expect_wait(struct cpu *cpu)
{
	cpu->run_queue.may_linger = cpu->run_queue.handoff != NULL;
}

/**
 * sched_put_current() - take the current thread off the CPU, which then has none; its state is
 * the caller's business
 */
void sched_put_current(struct cpu *cpu);

/** sched_poke() - make a thread that may be running look at its attention flags soon */
void sched_poke(struct thread *thread);

/**
 * sched_hurry() - the same for what is in THREAD_ATTENTION_PROMPT: if it is ready, too, its CPU
 * goes on with it at once
 */
void sched_hurry(struct thread *thread);

/**
 * sched_should_pause() - a long job has run for @since_ns and should let interrupts and other
 * threads in
 */
bool sched_should_pause(uint64_t since_ns);

#endif
