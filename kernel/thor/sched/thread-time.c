/* SPDX-License-Identifier: MIT */
/*
 * Time in the kernel, for threads that were made with HEL_THREAD_TIMED.
 *
 * What a thread runs is counted where the scheduler counts, at switches. Telling user mode and
 * kernel apart takes a look at the clock on each way in and out, which others shall not pay for. So
 * a timed thread takes ways that are slow anyhow: a call finds THREAD_ENTRY_TIMED in the byte that
 * also says that a call is paused; and while the thread is in user mode its CPU is to look at what
 * is due, so it always leaves by sched_leave_slowly(). A hand-off to it does not take the short way
 * for its attention flag, which stays set.
 *
 * The time of a stay in the kernel is the difference of what the thread has run, so that it waits
 * or makes room for others in the middle does not count. Interrupts count for whom they meet.
 */
#include <thor/sched/sched-internal.h>

static uint64_t thread_time_run_ns(const struct thread *thread)
{
	return atomic_load_explicit(&thread->statistics.run_ns, memory_order_relaxed);
}

void thread_time_enter(struct thread *thread)
{
	run_queue_account(arch_this_cpu(), arch_clock_ns());
	thread->statistics.entered_ns = thread_time_run_ns(thread);
}

void thread_time_leave(struct thread *thread)
{
	struct cpu *cpu = arch_this_cpu();

	run_queue_account(cpu, arch_clock_ns());
	uint64_t stay_ns = thread_time_run_ns(thread) - thread->statistics.entered_ns;

	atomic_store_explicit(&thread->statistics.kernel_ns,
		atomic_load_explicit(&thread->statistics.kernel_ns, memory_order_relaxed) + stay_ns,
		memory_order_release);
	sched_look(cpu);
}
