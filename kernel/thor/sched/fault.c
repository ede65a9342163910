/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a fault in user mode: the space resolves it, or the bounce takes it, or the
 * thread stops and its observer hears of it.
 */
#include <thor/cpu.h>
#include <thor/memory/memory.h>
#include <thor/sched/sched.h>
#include <thor/trace/trace.h>

NORETURN void thor_enter_fault(struct thread *thread, const struct hel_fault *fault)
{
	struct hel_fault reported = *fault;
	uint32_t access = arch_fault_access(fault);

	TRACE(FAULTS, FAULT, fault->vector | fault->error_code << 32, fault->address,
		arch_context_ip(&thread->arch));
	arch_this_cpu()->statistics.n_faults++;
	atomic_store_explicit(&thread->statistics.n_faults,
		atomic_load_explicit(&thread->statistics.n_faults, memory_order_relaxed) + 1,
		memory_order_relaxed);
	if (access != 0) {
		reported.reason = space_fault(thread->space, fault->address, access);
		TRACE(FAULTS, FAULT_END, reported.reason, fault->address, 0);
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
