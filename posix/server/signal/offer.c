/* SPDX-License-Identifier: MIT */
/*
 * Offers: a pending signal that its thread may take from its page without asking (wire.h).
 *
 * A signal that is offered stays in its set. The thread may have taken it at any moment, so
 * whoever looks at a set settles its offers before, and whoever changes a set, or gives a signal of
 * it to somebody else, withdraws them. Only a signal that is the one thing due for its thread is
 * offered: with several, posix decides which comes first, and the thread asks.
 *
 *      none -- signal_offer() --> made -- the thread --> taken -- signal_settle() --> none, not
 *       ^                          |                                                  pending
 *       +--- signal_withdraw() ----+
 *
 * The state in the page is the process' own to spoil: anything but "made" counts as "taken", by
 * which a process can lose its signals and nothing else.
 */
#include <posix/server/signal/signal.h>

static uint32_t state_of(const struct thread *thread, uint32_t state)
{
	return thread->internal->offer_generation * POSIX_OFFER_GENERATION + state;
}

static struct signal_pending *offered_set(const struct thread *thread)
{
	return thread->internal->is_offer_shared ? &thread->process->internal->pending
						 : &thread->internal->pending;
}

static void end_offer(const struct thread *thread)
{
	struct process_internal *process = thread->process->internal;

	thread->internal->offered = 0;
	if (process->offered_to == thread) {
		process->offered_to = NULL;
	}
}

static void forget_taken(const struct thread *thread)
{
	struct signal_info info;

	(void)signal_pending_take(
		offered_set(thread), linux_sigmask(thread->internal->offered), &info);
	end_offer(thread);
}

static void settle_thread(const struct thread *thread)
{
	if (thread->internal->offered != 0 &&
		atomic_load_explicit(&thread->internal->page->offer.state, memory_order_seq_cst) !=
			state_of(thread, POSIX_OFFER_MADE)) {
		forget_taken(thread);
	}
}

static void withdraw_thread(const struct thread *thread)
{
	uint32_t state = state_of(thread, POSIX_OFFER_MADE);

	if (thread->internal->offered == 0) {
		return;
	}
	if (atomic_compare_exchange_strong(&thread->internal->page->offer.state, &state,
		    state_of(thread, POSIX_OFFER_NONE))) {
		end_offer(thread);
	} else {
		forget_taken(thread);
	}
}

void signal_settle(const struct process *process, const struct thread *thread)
{
	if (process->internal->offered_to != NULL) {
		settle_thread(process->internal->offered_to);
	}
	if (thread != NULL) {
		settle_thread(thread);
	}
}

void signal_withdraw(struct process *process, struct thread *thread)
{
	if (process->internal->offered_to != NULL) {
		withdraw_thread(process->internal->offered_to);
	}
	if (thread != NULL) {
		withdraw_thread(thread);
	}
}

void signal_withdraw_all(struct process *process)
{
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		withdraw_thread(thread);
	}
}

void signal_offer(struct thread *thread)
{
	struct process_internal *process = thread->process->internal;
	struct thread_internal *internal = thread->internal;
	struct posix_signal_offer *offer = &internal->page->offer;
	uint64_t due = signal_deliverable(thread);
	bool is_shared = (process->pending.set & due) != 0;
	struct signal_info info;

	if (due == 0 || (due & (due - 1)) != 0 ||
		(is_shared && (internal->pending.set & due) != 0) || internal->offered != 0 ||
		(is_shared && process->offered_to != NULL) || process->is_stopping ||
		atomic_load(&internal->page->trace_flags) != 0) {
		return;
	}
	info.signal = __builtin_ctzll(due) + 1;
	if (signal_handler_of(thread->process, info.signal) <= LINUX_SIG_IGN ||
		!signal_pending_is_single(
			is_shared ? &process->pending : &internal->pending, info.signal, &info)) {
		return;
	}
	signal_info_encode(&info, &offer->info);
	internal->offer_generation++;
	internal->offered = (uint8_t)info.signal;
	internal->is_offer_shared = is_shared;
	if (is_shared) {
		process->offered_to = thread;
	}
	atomic_store(&offer->state, state_of(thread, POSIX_OFFER_MADE));
}
