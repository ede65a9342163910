/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a call that the shim has to ask about.
 *
 *	filters say      answer
 *	ALLOW, LOG       MAKE, and the thread has a grant for it
 *	TRACE            STOP: the shim reports to the tracer (POSIX_TRACE_FILTERED), which may
 *	                 change the call, and asks again; without such a tracer SKIP with ENOSYS
 *	USER_NOTIF       parked until the listener has answered (notify.c): SKIP with that, or
 *	                 MAKE; without a listener SKIP with ENOSYS
 *	ERRNO            SKIP with that
 *	TRAP             SKIP, and SIGSYS is sent to the thread
 *	KILL_THREAD      END: the shim leaves its locks and ends the thread; the last one's process
 *	                 ends here
 *	anything else    the process ends here
 */
#include <abi/linux/ptrace.h>
#include <abi/linux/signal.h>
#include <base/string.h>
#include <posix/server/file/handlers.h>
#include <posix/server/seccomp/seccomp.h>
#include <posix/server/signal/signal.h>
#include <posix/server/trace/trace.h>

constexpr int64_t ERRNO_MAX = 4095;
constexpr int SYS_SECCOMP = 1; /* si_code of SIGSYS */

static int64_t make(struct seccomp *seccomp, const struct linux_seccomp_data *call)
{
	seccomp->grant = *call;
	seccomp->has_grant = true;
	return POSIX_VERDICT_MAKE;
}

static int64_t answer(struct request *request, enum posix_verdict verdict, int64_t value)
{
	*(int64_t *)request_out(request, 0, NULL) = value;
	return verdict;
}

static int64_t skip(struct request *request, int64_t result)
{
	request->thread->internal->seccomp->was_sent_back = false;
	return answer(request, POSIX_VERDICT_SKIP, result);
}

static int64_t kill_process(struct request *request, int signal)
{
	process_exit(request->process, signal_death_status(request->process, signal));
	return REQUEST_NO_REPLY;
}

static int64_t kill_thread(struct request *request, int signal)
{
	const struct process *process = request->process;

	if (list_first(&process->threads) == list_last(&process->threads)) {
		return kill_process(request, signal);
	}
	return answer(request, POSIX_VERDICT_END, signal);
}

/* SIGSYS, which may be neither blocked nor ignored. */
static int64_t trap(struct request *request, const struct linux_seccomp_data *call, uint32_t value)
{
	struct linux_siginfo siginfo = {
		.signal = LINUX_SIGSYS,
		.error = (int32_t)value,
		.code = SYS_SECCOMP,
		.call = {
			.address = call->instruction_pointer,
			.number = call->number,
			.arch = call->arch,
		},
	};
	struct signal_info info = {
		.signal = LINUX_SIGSYS,
		.code = SYS_SECCOMP,
		.is_raw = true,
	};

	memcpy(info.raw, &siginfo, sizeof(info.raw));
	if (signal_is_ignored_or_blocked(request->thread, LINUX_SIGSYS)) {
		return kill_process(request, LINUX_SIGSYS);
	}
	(void)signal_send_thread(request->thread, &info);
	return process_is_alive(request->process) ? skip(request, (uint32_t)call->number)
						  : REQUEST_NO_REPLY;
}

static int64_t show_tracer(
	struct request *request, const struct linux_seccomp_data *call, uint32_t value)
{
	const struct trace *trace = trace_of(request->thread);
	struct seccomp *seccomp = request->thread->internal->seccomp;

	if (seccomp->was_told) {
		seccomp->was_told = false;
		return make(seccomp, call);
	}
	if (!trace_is_on(trace) || (trace->options & LINUX_PTRACE_O_TRACESECCOMP) == 0) {
		return skip(request, -LINUX_ENOSYS);
	}
	return answer(request, POSIX_VERDICT_STOP, value);
}

static int64_t notify(struct request *request, const struct linux_seccomp_data *call,
	const struct seccomp_filter *filter)
{
	int64_t result;

	return seccomp_begin_notification(request, filter->listener, call, &result)
		? result
		: skip(request, -LINUX_ENOSYS);
}

/* The listener may have answered. */
static int64_t go_on(struct request *request)
{
	struct linux_seccomp_response response;
	struct linux_seccomp_data call;

	if (!seccomp_end_notification(request, &call, &response)) {
		return seccomp_await_notification(request);
	}
	if ((response.flags & LINUX_SECCOMP_RESPONSE_CONTINUE) != 0) {
		return make(request->thread->internal->seccomp, &call);
	}
	return skip(request, response.error != 0 ? response.error : response.value);
}

static int64_t act(struct request *request, const struct linux_seccomp_data *call)
{
	const struct seccomp_filter *filter;
	uint32_t verdict = seccomp_run(request->thread->internal->seccomp, call, &filter);
	uint32_t value = verdict & LINUX_SECCOMP_RET_DATA;

	switch (verdict & LINUX_SECCOMP_RET_ACTION) {
	case LINUX_SECCOMP_RET_ALLOW:
	case LINUX_SECCOMP_RET_LOG: return make(request->thread->internal->seccomp, call);
	case LINUX_SECCOMP_RET_TRACE: return show_tracer(request, call, value);
	case LINUX_SECCOMP_RET_USER_NOTIF: return notify(request, call, filter);
	case LINUX_SECCOMP_RET_ERRNO:
		return skip(request, value < ERRNO_MAX ? -(int64_t)value : -ERRNO_MAX);
	case LINUX_SECCOMP_RET_TRAP: return trap(request, call, value);
	case LINUX_SECCOMP_RET_KILL_THREAD: return kill_thread(request, LINUX_SIGSYS);
	default: return kill_process(request, LINUX_SIGSYS);
	}
}

/* From now on the shim need not ask about calls of that number. */
static void tell_always_allowed(struct thread *thread, uint32_t number)
{
	atomic_fetch_or(
		&thread->internal->page->calls_allowed[number / 64], UINT64_C(1) << number % 64);
}

int64_t posix_filter_call(struct request *request)
{
	struct seccomp *seccomp = request->thread->internal->seccomp;
	struct linux_seccomp_data call;
	const struct posix_filtered_call *asked;
	size_t size;

	if (!request->is_first_attempt) {
		return go_on(request);
	}
	asked = request_in(request, 0, &size);
	if (size != sizeof(*asked) || seccomp == NULL) {
		return -LINUX_EINVAL;
	}
	if (request_out(request, 0, NULL) == NULL) {
		return -LINUX_ENOMEM;
	}
	call = (struct linux_seccomp_data){
		.number = (int32_t)asked->number,
		.arch = LINUX_AUDIT_ARCH_X86_64,
		.instruction_pointer = asked->instruction_pointer,
	};
	memcpy(call.arguments, asked->arguments, sizeof(call.arguments));
	seccomp->has_grant = false;
	seccomp->was_told = seccomp->was_told && request->args[0] != 0;
	if (seccomp_always_allows(seccomp, (uint32_t)call.number)) {
		tell_always_allowed(request->thread, (uint32_t)call.number);
		return POSIX_VERDICT_MAKE;
	}
	if (seccomp->mode == LINUX_SECCOMP_MODE_STRICT) {
		return kill_thread(request, LINUX_SIGKILL);
	}
	return act(request, &call);
}
