/* SPDX-License-Identifier: MIT */
/*
 * The shim's requests about signals: taking one, waiting for one, and what happens without a
 * handler.
 */
#include <posix/server/file/handlers.h>
#include <posix/server/signal/signal.h>
#include <posix/server/trace/trace.h>

bool signal_take(struct thread *thread, uint64_t set, struct signal_info *out_info)
{
	signal_withdraw(thread->process, thread);
	set &= signal_due(thread);
	return signal_pending_take(&thread->internal->pending, set, out_info) ||
		signal_pending_take(&thread->process->internal->pending, set, out_info);
}

/* Held until SIGCONT, or death. */
int64_t signal_hold(struct request *request)
{
	request->thread->internal->is_held = true;
	request_park_as_killable(request);
	if (request_wait_on(request, &request->process->internal->continue_wait) != 0) {
		return -LINUX_ENOMEM;
	}
	process_check_stopped(request->process);
	return REQUEST_PARK;
}

int64_t posix_signal_take(struct request *request)
{
	struct process *process = request->process;
	struct thread *thread = request->thread;
	struct signal_info info;

	for (;;) {
		thread->internal->is_held = false;
		if (thread_is_traced(thread)) {
			return -LINUX_EAGAIN; /* it is to say where it is: POSIX_TRACE_REPORT */
		}
		if (process->internal->is_stopping) {
			return signal_hold(request);
		}
		if (!signal_take(thread, ~signal_mask_of(thread), &info)) {
			signal_publish_for(thread);
			signal_retarget(process);
			return 0;
		}
		if (signal_is_discarded(process, info.signal)) {
			continue;
		}
		if (signal_handler_of(process, info.signal) != LINUX_SIG_DFL) {
			break;
		}
		signal_act_default(process, info.signal);
		if (!process_is_alive(process)) {
			return REQUEST_NO_REPLY;
		}
	}
	signal_offer(thread);
	signal_publish_for(thread);
	signal_info_encode(&info, request_out(request, 0, NULL));
	return info.signal;
}

int64_t posix_signal_fault(struct request *request)
{
	struct process *process = request->process;
	int signal = (int)request->args[0];

	if (signal < 1 || signal > (int)LINUX_NSIG) {
		return -LINUX_EINVAL;
	}
	/* A fault cannot be ignored: not by init either. */
	signal_act_default(process, signal);
	return process_is_alive(process) ? 0 : REQUEST_NO_REPLY;
}

int64_t posix_sigaction_changed(struct request *request)
{
	struct process *process = request->process;
	int signal = (int)request->args[0];

	if (signal < 1 || signal > (int)LINUX_NSIG) {
		return -LINUX_EINVAL;
	}
	if (signal_is_discarded(process, signal)) {
		signal_withdraw_all(process);
		signal_pending_remove(&process->internal->pending, linux_sigmask(signal));
		LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
			signal_pending_remove(&thread->internal->pending, linux_sigmask(signal));
		}
		signal_publish(process);
	}
	return 0;
}

int64_t posix_sigtimedwait(struct request *request)
{
	uint64_t set = request->args[0] & ~SIGNAL_MASK_UNBLOCKABLE, timeout_ns = request->args[1];
	struct signal_info info;

	if (signal_take(request->thread, set, &info)) {
		signal_publish_for(request->thread);
		signal_info_encode(&info, request_out(request, 0, NULL));
		return info.signal;
	}
	if (timeout_ns == 0 || request->is_timed_out) {
		return -LINUX_EAGAIN;
	}
	if (request->is_first_attempt && timeout_ns != ~(uint64_t)0) {
		uint64_t now_ns = clock_monotonic_ns();

		request->deadline_ns = timeout_ns < HEL_DEADLINE_NEVER - 1 - now_ns
			? now_ns + timeout_ns
			: HEL_DEADLINE_NEVER;
	}
	request->interrupted_result = -LINUX_EINTR;
	if (request_wait_on(request, &request->process->internal->signal_wait) != 0) {
		return -LINUX_ENOMEM;
	}
	return REQUEST_PARK;
}
