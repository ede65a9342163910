/* SPDX-License-Identifier: MIT */
/*
 * Want of memory that will pass.
 *
 * What the last reference to an object has left behind is given back in slices, on the way out of
 * the kernel (object/object.c): a large program is gone a while before its memory is free, and
 * before its account has it back. Who is refused memory meanwhile would hear of a shortage that
 * there is not. So a call, or an access of user mode, that fails for want of memory while objects
 * are being reaped is made again. Nothing waits for that: on the way out the thread yields, and its
 * CPU reaps; others do so at the same time.
 *
 * Objects that were deferred before the first failure count, not those that come later, such as
 * what the attempts themselves leave behind: however much is made and dropped elsewhere, that comes
 * to an end. When each CPU has once been done with its list since, there is one attempt more:
 * during the one before, the last of the memory may have come too late. So a real shortage takes
 * two.
 */
#include <thor/sched/shortage.h>

#include <thor/object/object.h>
#include <thor/sched/sched.h>

/* Instead of the time of the first failure: nothing more is coming, the next attempt decides. */
constexpr uint64_t SHORTAGE_DECIDES = 0;

bool shortage_will_pass(struct thread *thread)
{
	bool is_first = (thread->entry & THREAD_ENTRY_SHORT) == 0;
	uint64_t since_ns = is_first ? arch_clock_ns() : thread->short_since_ns;

	thread_end_long_call(thread);
	if (!is_first && since_ns == SHORTAGE_DECIDES) {
		return false;
	}
	thread->short_since_ns = SHORTAGE_DECIDES;
	if (object_is_reaping(since_ns)) {
		thread->short_since_ns = since_ns;
		sched_yield_current(arch_this_cpu());
	}
	thread->entry |= THREAD_ENTRY_SHORT;
	return true;
}
