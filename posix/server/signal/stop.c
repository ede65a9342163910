/* SPDX-License-Identifier: MIT */
/*
 * Stopping and continuing.
 *
 *      running -- process_stop() --> stopping -- every thread held --> stopped, parent told
 *         ^                              |                                |
 *         +------- process_continue() ---+--------------------------------+
 *
 * While a process is stopping each of its threads is made to ask for signals; that request is
 * parked until SIGCONT. A thread that waits for its vforked child cannot be held and counts as if
 * it were.
 */
#include <posix/server/signal/signal.h>
#include <posix/server/trace/trace.h>

static bool is_held(const struct thread *thread)
{
	const struct request_internal *request = &thread->internal->request_internal;

	return thread->internal->is_held ||
		(request->phase == REQUEST_PARKED && request->is_uninterruptible);
}

/*
 * Threads come to be held one by one, and each time this is asked: the search goes on from the one
 * that was found before, and looks at those in front of it only at the end.
 */
static bool has_thread_not_held(struct process *process)
{
	struct process_internal *internal = process->internal;
	struct list_node *start = internal->not_held != NULL ? &internal->not_held->process_node
							     : list_first(&process->threads);
	struct list_node *node = start;

	do {
		struct thread *thread = LIST_ENTRY(node, struct thread, process_node);

		if (thread != NULL && !is_held(thread)) {
			internal->not_held = thread;
			return true;
		}
		node = list_next(&process->threads, node);
		node = node != NULL ? node : list_first(&process->threads);
	} while (node != start);
	return false;
}

static bool is_traced_by_parent(const struct process *process)
{
	const struct trace *trace = process->internal->leader_trace;

	return trace_is_on(trace) && trace->tracer == process->parent;
}

void process_check_stopped(struct process *process)
{
	struct process_internal *internal = process->internal;

	if (!internal->is_stopping || internal->is_stopped || !process_is_alive(process)) {
		return;
	}
	if (has_thread_not_held(process)) {
		return;
	}
	internal->is_stopped = true;
	if (is_traced_by_parent(process)) {
		return; /* which hears of each thread's stop */
	}
	internal->has_stop_news = true;
	process_has_news(process);
	internal->has_continue_news = false;
	process_notify_parent(process, LINUX_CLD_STOPPED, internal->stop_signal);
}

/* Threads that their tracers let go while the process is stopped stop again. */
static void stop_those_let_go(struct process *process, int signal)
{
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		struct trace *trace = trace_of(thread);

		if (trace_is_on(trace) && trace->is_let_go) {
			trace->is_let_go = false;
			process->internal->stop_signal = signal;
			signal_publish_to(thread);
			signal_kick(thread);
		}
	}
}

void process_stop(struct process *process, int signal)
{
	struct process_internal *internal = process->internal;

	if (!process_is_alive(process)) {
		return;
	}
	if (internal->is_stopping) {
		stop_those_let_go(process, signal);
		return;
	}
	process_set_stopping(process, true);
	internal->not_held = NULL;
	internal->is_stopped = false;
	internal->stop_signal = signal;
	signal_publish(process);
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		signal_kick(thread);
	}
	process_check_stopped(process);
}

void process_continue(struct process *process)
{
	struct process_internal *internal = process->internal;
	bool was_stopped = internal->is_stopped;

	if (!internal->is_stopping) {
		return;
	}
	process_set_stopping(process, false);
	internal->is_stopped = false;
	internal->has_stop_news = false;
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		if (!trace_is_stopped(trace_of(thread))) {
			thread->internal->is_held = false;
		}
	}
	signal_publish(process);
	trace_continued(process);
	wait_queue_wake(&internal->continue_wait);
	if (was_stopped) {
		internal->has_continue_news = true;
		process_has_news(process);
		process_notify_parent(process, LINUX_CLD_CONTINUED, LINUX_SIGCONT);
	}
}
