/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a fault in user mode: the space resolves it, or the bounce takes it, or the
 * thread stops and its observer hears of it.
 */
#include <thor/cpu.h>
#include <thor/memory/memory.h>
#include <thor/sched/sched.h>

NORETURN void thor_enter_fault(struct thread *thread, const struct hel_fault *fault)
{
	struct hel_fault reported = *fault;
	uint32_t access = arch_fault_access(fault);

	arch_this_cpu()->statistics.n_faults++;
	atomic_store_explicit(&thread->statistics.n_faults,
		atomic_load_explicit(&thread->statistics.n_faults, memory_order_relaxed) + 1,
		memory_order_relaxed);
	if (access != 0) {
		reported.reason = space_fault(thread->space, fault->address, access);
		if (reported.reason == 0) {
			sched_leave();
		}
	}
	if (!bounce_deliver_fault(thread, &reported)) {
		thread_stop_current(HEL_OBSERVE_FAULT, &reported);
	}
	sched_leave();
}

NORETURN void thor_enter_foreign_call(UNUSED struct thread *thread)
{
	thread_stop_current(HEL_OBSERVE_BAD_CALL, NULL);
	sched_leave();
}
