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
 *
 * What failed because a page was refused, not for the account's sake, may also wait until managers
 * have written pages back (page_cache_will_help()): the thread sleeps, and looks again and again
 * as long as they have success. It looks by itself, so it depends on nobody; and there is an end
 * to it, for success may be of use to others only.
 */
#include <thor/sched/shortage.h>

#include <thor/memory/page-cache.h>
#include <thor/object/object.h>
#include <thor/sched/sched.h>

/* Instead of the time of the first failure: nothing more is coming, the next attempt decides. */
constexpr uint64_t SHORTAGE_DECIDES = 0;
constexpr uint64_t SHORTAGE_LOOK_NS = 5'000'000;
constexpr uint64_t SHORTAGE_MAX_NS = 10'000'000'000; /* waited for managers */

/* ---- sleeping ---------------------------------------------------------------------- */

static void shortage_expired(struct timer *timer)
{
	(void)thread_wake(container_of(timer, struct thread, wait.timer), 0);
}

static void shortage_finish_wait(struct thread *thread)
{
	(void)timer_cancel(&thread->wait.timer);
}

static void shortage_sleep(struct thread *thread)
{
	timer_init(&thread->wait.timer, shortage_expired, NULL);
	timer_arm(&thread->wait.timer, arch_clock_ns() + SHORTAGE_LOOK_NS);
	thread->wait.finish = shortage_finish_wait;
	if (!thread_begin_page_wait(thread)) {
		thread->wait.finish = NULL;
		shortage_finish_wait(thread);
	}
}

/* ---- the decision ------------------------------------------------------------------ */

/* Whether pages are coming that managers have now. */
static bool shortage_await_pages(struct thread *thread)
{
	if (arch_clock_ns() > thread->short_first_ns + SHORTAGE_MAX_NS ||
		!page_cache_will_help(thread->short_first_ns)) {
		return false;
	}
	shortage_sleep(thread);
	return true;
}

/* The same of objects that are being reaped; once more when they are gone. */
static void shortage_await_objects(struct thread *thread, uint64_t since_ns)
{
	thread->short_since_ns = SHORTAGE_DECIDES;
	if (object_is_reaping(since_ns)) {
		thread->short_since_ns = since_ns;
		sched_yield_current(arch_this_cpu());
	}
}

bool shortage_will_pass(struct thread *thread)
{
	struct cpu *cpu = arch_this_cpu();
	bool is_first = (thread->entry & THREAD_ENTRY_SHORT) == 0;
	bool lacks_frames = cpu->lacks_frames;

	cpu->lacks_frames = false;
	thread_end_long_call(thread);
	if (is_first) {
		thread->short_first_ns = arch_clock_ns();
		shortage_await_objects(thread, thread->short_first_ns);
	} else if (thread->short_since_ns != SHORTAGE_DECIDES) {
		shortage_await_objects(thread, thread->short_since_ns);
	} else if (!lacks_frames || !shortage_await_pages(thread)) {
		return false;
	}
	thread->entry |= THREAD_ENTRY_SHORT;
	return true;
}
