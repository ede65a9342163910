/* SPDX-License-Identifier: MIT */
/*
 * The reports of traced threads: where they stop, and what they do when they go on.
 *
 * A report is one request of the thread's shim; it is parked for as long as the thread is stopped.
 * At POSIX_TRACE_SIGNALS and POSIX_TRACE_FAULT it may stop many times: for each signal, for a stop
 * of the process, for PTRACE_EVENT_STOP; serve_signals() begins anew after each of them. The other
 * points stop at most once, POSIX_TRACE_CLONED twice.
 *
 * A thread may be detached at any stop, or never have been traced when its report arrives: then it
 * is answered as one that is not traced.
 */
#include <base/string.h>
#include <posix/server/file/handlers.h>
#include <posix/server/seccomp/seccomp.h>
#include <posix/server/signal/signal.h>
#include <posix/server/trace/trace.h>

/* request->state[] */
enum {
	STATE_DEATH, /* the status to die with when the thread goes on, plus 1 */
	STATE_STAGE, /* of POSIX_TRACE_CLONED */
};

enum clone_stage : uint64_t { CLONE_BEGUN, CLONE_TOLD, CLONE_LET_GO };

/* ---- stopping and answering ------------------------------------------------------------------ */

static void set_siginfo(struct trace *trace, int signal, int code)
{
	signal_info_encode(
		&(struct signal_info){
			.signal = signal,
			.code = code,
			.pid = trace->tid,
			.uid = trace->process->credentials.uid,
		},
		&trace->siginfo);
	trace->has_siginfo = true;
}

static int64_t stop(struct request *request, enum trace_stop kind, uint32_t status)
{
	struct trace *trace = trace_of(request->thread);

	trace->stop = kind;
	trace->status = status;
	trace->phase = TRACE_STOPPED;
	trace->resume_signal = 0;
	trace->is_trap_due = false;
	if (kind == TRACE_STOP_GROUP) {
		trace->is_notice_due = false;
	}
	if (kind >= TRACE_STOP_ENTRY) {
		set_siginfo(trace, LINUX_SIGTRAP, (int)status);
	}
	request_park_as_killable(request);
	if (request_wait_on(request, &trace->resume_wait) != 0) {
		trace->phase = TRACE_RUNNING;
		return -LINUX_ENOMEM;
	}
	request->thread->internal->is_held = true;
	signal_publish_to(request->thread);
	trace_tell(trace);
	process_check_stopped(request->process);
	return REQUEST_PARK;
}

static int64_t stop_for_event(struct request *request, uint32_t event)
{
	return stop(request, TRACE_STOP_EVENT, LINUX_SIGTRAP | event << 8);
}

/* The process is stopped, or the tracer wants a seized thread to stop. */
static int64_t stop_with_group(struct request *request)
{
	struct trace *trace = trace_of(request->thread);
	const struct process_internal *process = request->process->internal;
	int signal = process->is_stopping ? process->stop_signal : LINUX_SIGTRAP;

	trace->has_siginfo = false;
	if (trace->is_seized) {
		uint32_t status = (uint32_t)signal | LINUX_PTRACE_EVENT_STOP << 8;

		set_siginfo(trace, signal, (int)status);
		return stop(request, TRACE_STOP_GROUP, status);
	}
	return stop(request, TRACE_STOP_GROUP, (uint32_t)signal);
}

void trace_stop_again(struct trace *trace)
{
	const struct process_internal *process = trace->process->internal;
	int signal = process->is_stopping ? process->stop_signal : LINUX_SIGTRAP;

	trace->is_trap_due = trace->is_notice_due = false;
	trace->phase = TRACE_STOPPED;
	trace->status = (uint32_t)signal | LINUX_PTRACE_EVENT_STOP << 8;
	set_siginfo(trace, signal, (int)trace->status);
	trace_tell(trace);
}

static int64_t answer(struct request *request, int signal)
{
	struct trace *trace = trace_of(request->thread);
	struct posix_trace_answer *out = request_out(request, 0, NULL);

	out->context = trace->context;
	memcpy(out->siginfo, &trace->siginfo, sizeof(out->siginfo));
	trace_answer_debug(trace, out);
	trace->stop = TRACE_STOP_NONE;
	return signal;
}

/* ---- signals --------------------------------------------------------------------------------- */

/* Blocked again by the tracer: it waits. */
static bool put_back(struct trace *trace, int signal)
{
	const struct linux_siginfo *siginfo = (const struct linux_siginfo *)&trace->siginfo;
	struct signal_info info = {
		.signal = signal,
		.code = siginfo->code,
		.pid = siginfo->sender.pid,
		.uid = siginfo->sender.uid,
		.value = siginfo->sender.value,
	};

	if (trace->is_forced || (signal_mask_of(trace->thread) & linux_sigmask(signal)) == 0) {
		return false;
	}
	(void)signal_pending_add(&trace->thread->internal->pending, trace->process, &info);
	return true;
}

/* The signal that the last stop lets through, 0: none. */
static int let_through(struct trace *trace)
{
	int signal = trace->resume_signal;
	const struct linux_siginfo *siginfo = (const struct linux_siginfo *)&trace->siginfo;
	bool was_signal = trace->stop == TRACE_STOP_SIGNAL;

	trace->stop = TRACE_STOP_NONE;
	trace->resume_signal = 0;
	if (!was_signal || signal == 0) {
		return 0;
	}
	if (siginfo->signal != signal) {
		trace->is_forced = false;
		set_siginfo(trace, signal, LINUX_SI_USER);
	}
	return put_back(trace, signal) ? 0 : signal;
}

static int64_t die(struct request *request, int signal)
{
	struct trace *trace = trace_of(request->thread);
	uint32_t status = signal_death_status(request->process, signal);

	if (trace_is_on(trace) && (trace->options & LINUX_PTRACE_O_TRACEEXIT) != 0) {
		trace->message = status;
		request->state[STATE_DEATH] = status + 1;
		return stop_for_event(request, LINUX_PTRACE_EVENT_EXIT);
	}
	process_exit(request->process, status);
	return REQUEST_NO_REPLY;
}

/* What becomes of a signal that nobody holds back; 0: nothing more, look for others. */
static int64_t act(struct request *request, int signal)
{
	struct process *process = request->process;
	bool is_forced = trace_of(request->thread)->is_forced;
	enum signal_default by_default = signal_default_of(signal);

	if (!is_forced) {
		if (signal_is_discarded(process, signal)) {
			return 0;
		}
		if (signal_handler_of(process, signal) != LINUX_SIG_DFL) {
			signal_publish_for(request->thread);
			return answer(request, signal);
		}
	}
	if (by_default == SIGNAL_TERMINATE || by_default == SIGNAL_CORE) {
		return die(request, signal);
	}
	signal_act_default(process, signal);
	return 0;
}

static int64_t serve_signals(struct request *request)
{
	struct thread *thread = request->thread;
	struct process *process = request->process;
	struct trace *trace = trace_of(thread);
	struct signal_info info;

	for (;;) {
		int signal = let_through(trace);
		bool is_traced = trace_is_on(trace);

		if (signal == 0) {
			trace->is_forced = false;
			if (is_traced && trace_holds(thread)) {
				return stop_with_group(request);
			}
			if (!is_traced && process->internal->is_stopping) {
				return signal_hold(request);
			}
			if (!signal_take(thread, ~signal_mask_of(thread), &info)) {
				signal_publish_for(thread);
				signal_retarget(process);
				return answer(request, 0);
			}
			signal = info.signal;
			signal_info_encode(&info, &trace->siginfo);
			trace->has_siginfo = true;
			if (is_traced) {
				signal_publish_for(thread);
				return stop(request, TRACE_STOP_SIGNAL, (uint32_t)signal);
			}
		}
		int64_t result = act(request, signal);

		if (result != 0) {
			return result;
		}
	}
}

/* A signal that the thread cannot put off: if it would not be handled now it is fatal. */
static int64_t serve_fault(struct request *request)
{
	struct trace *trace = trace_of(request->thread);
	int signal = (int)request->args[1];
	struct signal_info info = {
		.signal = signal,
		.code = (int)request->args[2],
		.address = request->args[3],
	};
	int64_t result;

	if (request->args[1] < 1 || request->args[1] > LINUX_NSIG) {
		return -LINUX_EINVAL;
	}
	if (request->args[4] != 0) {
		trace->debug.status = request->args[4];
	}
	trace->is_forced = signal_is_ignored_or_blocked(request->thread, signal);
	signal_info_encode(&info, &trace->siginfo);
	trace->has_siginfo = true;
	if (trace_is_on(trace)) {
		return stop(request, TRACE_STOP_SIGNAL, (uint32_t)signal);
	}
	result = act(request, signal);
	return result != 0 ? result : serve_signals(request);
}

/* ---- other points ---------------------------------------------------------------------------- */

/* Whoever vforked waits, traced or not, until the child lets go; only death ends that. */
static int64_t await_vfork(struct request *request)
{
	struct process *child = process_find((uint32_t)request->args[1]);

	if (child == NULL || !child->internal->is_vforked ||
		child->internal->mm != request->process->internal->mm) {
		return 0;
	}
	request_park_as_killable(request);
	if (request_wait_on(request, &child->internal->vfork_wait) != 0) {
		return 0;
	}
	process_check_stopped(request->process);
	return REQUEST_PARK;
}

static int64_t serve_clone(struct request *request)
{
	struct trace *trace = trace_of(request->thread);

	if (request->state[STATE_STAGE] == CLONE_BEGUN) {
		uint32_t event = trace->event;

		request->state[STATE_STAGE] = CLONE_TOLD;
		trace->event = 0;
		if (event != 0 && trace_is_on(trace)) {
			trace->message = request->args[1];
			return stop_for_event(request, event);
		}
	}
	if (request->state[STATE_STAGE] == CLONE_TOLD) {
		if (await_vfork(request) == REQUEST_PARK) {
			return REQUEST_PARK;
		}
		request->state[STATE_STAGE] = CLONE_LET_GO;
		if (trace->is_vfork_watched && trace_is_on(trace)) {
			trace->is_vfork_watched = false;
			trace->message = request->args[1];
			return stop_for_event(request, LINUX_PTRACE_EVENT_VFORK_DONE);
		}
	}
	return answer(request, 0);
}

static int64_t serve_executed(struct request *request)
{
	struct trace *trace = trace_of(request->thread);

	if ((trace->options & LINUX_PTRACE_O_TRACEEXEC) != 0) {
		return stop_for_event(request, LINUX_PTRACE_EVENT_EXEC);
	}
	if (trace_is_on(trace) && !trace->is_seized) {
		(void)signal_send_thread(request->thread,
			&(struct signal_info){
				.signal = LINUX_SIGTRAP,
				.code = LINUX_SI_USER,
				.pid = request->process->pid,
				.uid = request->process->credentials.uid,
			});
	}
	return answer(request, 0);
}

static int64_t serve_leaving(struct request *request)
{
	struct trace *trace = trace_of(request->thread);

	if ((trace->options & LINUX_PTRACE_O_TRACEEXIT) == 0) {
		return answer(request, 0);
	}
	trace->message = request->args[1] & 0xffff;
	return stop_for_event(request, LINUX_PTRACE_EVENT_EXIT);
}

static int64_t serve_call(struct request *request, enum trace_stop kind)
{
	const struct trace *trace = trace_of(request->thread);
	bool is_marked = (trace->options & LINUX_PTRACE_O_TRACESYSGOOD) != 0;

	if (!trace_is_on(trace) || (trace->mode & POSIX_TRACE_CALLS) == 0) {
		return answer(request, 0);
	}
	return stop(request, kind, (uint32_t)LINUX_SIGTRAP | (is_marked ? 0x80 : 0));
}

/* seccomp.h: the thread asks again when it goes on. */
static int64_t serve_filtered(struct request *request)
{
	struct trace *trace = trace_of(request->thread);

	if (!trace_is_on(trace) || (trace->options & LINUX_PTRACE_O_TRACESECCOMP) == 0) {
		return answer(request, 0);
	}
	trace->message = request->args[1] & LINUX_SECCOMP_RET_DATA;
	return stop_for_event(request, LINUX_PTRACE_EVENT_SECCOMP);
}

static void note_seen(const struct thread *thread)
{
	if (thread->internal->seccomp != NULL) {
		thread->internal->seccomp->was_told = true;
	}
}

static int64_t begin(struct request *request)
{
	const struct trace *trace = trace_of(request->thread);

	switch ((enum posix_trace_point)request->args[0]) {
	case POSIX_TRACE_SIGNALS: return serve_signals(request);
	case POSIX_TRACE_FAULT: return serve_fault(request);
	case POSIX_TRACE_ENTRY: return serve_call(request, TRACE_STOP_ENTRY);
	case POSIX_TRACE_EXIT: return serve_call(request, TRACE_STOP_EXIT);
	case POSIX_TRACE_HANDLER:
		return (trace->mode & POSIX_TRACE_STEP) != 0
			? stop(request, TRACE_STOP_EVENT, LINUX_SIGTRAP)
			: answer(request, 0);
	case POSIX_TRACE_CLONED: return serve_clone(request);
	case POSIX_TRACE_EXECUTED: return serve_executed(request);
	case POSIX_TRACE_LEAVING: return serve_leaving(request);
	case POSIX_TRACE_FILTERED: return serve_filtered(request);
	}
	return -LINUX_EINVAL;
}

/* After a stop: a signal that the tracer gave at a system call is sent, at others it is lost. */
static int64_t go_on(struct request *request)
{
	struct trace *trace = trace_of(request->thread);
	int signal = trace->resume_signal;

	if (request->state[STATE_DEATH] != 0) {
		process_exit(request->process, (uint32_t)request->state[STATE_DEATH] - 1);
		return REQUEST_NO_REPLY;
	}
	switch ((enum posix_trace_point)request->args[0]) {
	case POSIX_TRACE_SIGNALS:
	case POSIX_TRACE_FAULT: return serve_signals(request);
	case POSIX_TRACE_CLONED: return serve_clone(request);
	case POSIX_TRACE_FILTERED: note_seen(request->thread); [[fallthrough]];
	case POSIX_TRACE_ENTRY:
	case POSIX_TRACE_EXIT:
	case POSIX_TRACE_HANDLER:
		if (signal != 0) {
			(void)signal_send_thread(request->thread,
				&(struct signal_info){ .signal = signal, .code = LINUX_SI_KERNEL });
		}
		break;
	case POSIX_TRACE_EXECUTED:
	case POSIX_TRACE_LEAVING: break;
	}
	return process_is_alive(request->process) ? answer(request, 0) : REQUEST_NO_REPLY;
}

int64_t posix_trace_report(struct request *request)
{
	struct trace *trace = trace_of(request->thread);
	const void *context;
	size_t size;

	if (trace == NULL) {
		return -LINUX_EINVAL;
	}
	if (!request->is_first_attempt) {
		if (trace_is_stopped(trace)) {
			/* It was woken by something else. */
			return request_wait_on(request, &trace->resume_wait) != 0 ? -LINUX_ENOMEM
										  : REQUEST_PARK;
		}
		request->thread->internal->is_held = false;
		return go_on(request);
	}
	context = request_in(request, 0, &size);
	if (context == NULL || size != sizeof(trace->context)) {
		return -LINUX_EINVAL;
	}
	if (request_out(request, 0, NULL) == NULL) {
		return -LINUX_ENOMEM;
	}
	memcpy(&trace->context, context, size);
	trace->stop = TRACE_STOP_NONE;
	trace->has_siginfo = false;
	return begin(request);
}
