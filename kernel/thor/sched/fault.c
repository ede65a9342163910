/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a fault in user mode: the space resolves it, or the thread waits for the page and
 * faults again, or the bounce takes it, or the thread stops and its observer hears of it.
 *
 * Waiting for a page leaves no trace in the thread: whether it was woken because the page came, or
 * to be killed, stopped or kicked, it repeats the access or the call that met the page. An error
 * is found by that repetition, because the wait remembers it (page-wait.h). It also repeats an
 * access for which there is no memory just now (shortage.h).
 */
#include <thor/cpu.h>
#include <thor/memory/memory.h>
#include <thor/sched/sched.h>
#include <thor/sched/shortage.h>
#include <thor/trace/trace.h>

/* The object of the page is locked. */
static void fault_page_done(struct page_wait *wait, UNUSED int error)
{
	struct thread *thread = container_of(wait, struct thread, wait.page);

	atomic_store(&thread->wait.is_page_there, true);
	(void)thread_wake(thread, 0);
}

void fault_init_wait(struct thread *thread)
{
	page_wait_init(&thread->wait.page, fault_page_done);
}

static void fault_finish_wait(struct thread *thread)
{
	(void)page_wait_end(&thread->wait.page);
}

void fault_await_page(struct thread *thread)
{
	thread->wait.finish = fault_finish_wait;
	if (!thread_begin_page_wait(thread)) {
		thread->wait.finish = NULL;
		fault_finish_wait(thread);
	} else if (atomic_load(&thread->wait.is_page_there)) {
		/* It came before the thread was waiting, so nobody has woken it. */
		(void)thread_wake(thread, 0);
	}
}

bool fault_await_noted_page(struct thread *thread)
{
	if (!page_note_is_set()) {
		return false;
	}
	atomic_store_explicit(&thread->wait.is_page_there, false, memory_order_relaxed);
	int error = page_note_wait(&thread->wait.page);

	if (error == SPACE_PENDING) {
		fault_await_page(thread);
	}
	return error >= 0;
}

/* 0: resolved, or to be tried again later, perhaps after waiting. */
static int fault_resolve(struct thread *thread, uint64_t address, uint32_t access)
{
	atomic_store_explicit(&thread->wait.is_page_there, false, memory_order_relaxed);
	int error = space_fault_wait(
		thread->space, address, access | SPACE_ACCESS_SLICES, &thread->wait.page);

	if (error != SPACE_PENDING) {
		return error;
	}
	fault_await_page(thread);
	return 0;
}

NORETURN void thor_enter_fault(struct thread *thread, const struct hel_fault *fault)
{
	struct hel_fault reported = *fault;
	uint32_t access = arch_fault_access(fault);

	TRACE(FAULTS, FAULT, fault->vector | fault->error_code << 32, fault->address,
		arch_context_ip(&thread->arch));
	if (unlikely((thread->entry & THREAD_ENTRY_TIMED) != 0)) {
		thread_time_enter(thread);
	}
	arch_this_cpu()->statistics.n_faults++;
	atomic_store_explicit(&thread->statistics.n_faults,
		atomic_load_explicit(&thread->statistics.n_faults, memory_order_relaxed) + 1,
		memory_order_relaxed);
	if (access != 0) {
		reported.reason = fault_resolve(thread, fault->address, access);
		TRACE(FAULTS, FAULT_END, reported.reason, fault->address, 0);
		if (reported.reason == 0) {
			shortage_end(thread);
			sched_leave();
		}
	}
	if (reported.reason == -ERR_NO_MEMORY && shortage_will_pass(thread)) {
		sched_leave();
	}
	bool is_step = arch_fault_is_step(fault);

	if (is_step && !thread->is_stepped && bounce_skip_step(thread)) {
		sched_leave();
	}
	is_step &= thread->is_stepped;
	/* A debugger watches the program, not what the shim does for it. */
	if (arch_fault_is_match(fault) && bounce_is_in_shim(thread)) {
		sched_leave();
	}

	if (is_step || !bounce_deliver_fault(thread, &reported)) {
		thread_stop_current(HEL_OBSERVE_FAULT, &reported);
	}
	sched_leave();
}

NORETURN void thor_enter_foreign_call(struct thread *thread)
{
	if (unlikely((thread->entry & THREAD_ENTRY_TIMED) != 0)) {
		thread_time_enter(thread);
	}
	thread_stop_current(HEL_OBSERVE_BAD_CALL, NULL);
	sched_leave();
}
