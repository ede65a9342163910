/* SPDX-License-Identifier: MIT */
/*
 * ptrace: the orders of tracers, one row per request.
 *
 * args[2] is `addr`, args[3] `data`; what data points to is the payload or the output, args[4]
 * bytes. Requests but for those that begin a tracing want a tracee of the calling thread's, and
 * most want it stopped; else the answer is ESRCH, as on Linux.
 */
#include <base/string.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/rewriting.h>
#include <posix/server/signal/signal.h>
#include <posix/server/trace/trace.h>

constexpr uint64_t OPTIONS = LINUX_PTRACE_O_TRACESYSGOOD | LINUX_PTRACE_O_TRACEFORK |
	LINUX_PTRACE_O_TRACEVFORK | LINUX_PTRACE_O_TRACECLONE | LINUX_PTRACE_O_TRACEEXEC |
	LINUX_PTRACE_O_TRACEVFORKDONE | LINUX_PTRACE_O_TRACEEXIT | LINUX_PTRACE_O_TRACESECCOMP |
	LINUX_PTRACE_O_EXITKILL;

/* ---- beginning and ending -------------------------------------------------------------------- */

static int64_t trace_me(struct thread *thread)
{
	int error = mm_keep_text(thread->internal->mm);

	return error != 0 ? error : trace_attach_to_parent(thread);
}

static int64_t attach(struct request *request, bool is_seizing)
{
	struct thread *thread = thread_find((uint32_t)request->args[1]);
	uint64_t options = request->args[3];
	int error;

	if (thread == NULL) {
		return -LINUX_ESRCH;
	}
	if (is_seizing && (request->args[2] != 0 || (options & ~OPTIONS) != 0)) {
		return -LINUX_EIO;
	}
	if (thread->process == request->process || !process_is_alive(thread->process) ||
		!trace_may_access(request->process, thread->process, false) ||
		thread_is_traced(thread)) {
		return -LINUX_EPERM;
	}
	error = mm_keep_text(thread->internal->mm);
	if (error == 0) {
		error = trace_attach(thread, request->thread);
	}
	if (error != 0) {
		return error;
	}
	if (is_seizing) {
		trace_of(thread)->is_seized = true;
		trace_of(thread)->options = (uint32_t)options;
		trace_publish(trace_of(thread));
	} else {
		(void)signal_send_thread(thread,
			&(struct signal_info){ .signal = LINUX_SIGSTOP, .code = LINUX_SI_KERNEL });
	}
	return 0;
}

static bool is_signal(uint64_t value)
{
	return value <= LINUX_NSIG;
}

static int64_t detach(struct request *request, struct trace *trace)
{
	if (!is_signal(request->args[3])) {
		return -LINUX_EIO;
	}
	trace_detach(trace, (int)request->args[3]);
	return 0;
}

/* ---- going on -------------------------------------------------------------------------------- */

static int64_t resume(struct request *request, struct trace *trace)
{
	uint32_t mode = request->args[0] == LINUX_PTRACE_SYSCALL ? POSIX_TRACE_CALLS
		: request->args[0] == LINUX_PTRACE_SINGLESTEP    ? POSIX_TRACE_STEP
								 : 0;

	if (!is_signal(request->args[3])) {
		return -LINUX_EIO;
	}
	trace_resume(trace, mode, (int)request->args[3]);
	return 0;
}

static int64_t kill_tracee(struct request *request, struct trace *trace)
{
	(void)request;
	process_exit(trace->process, LINUX_SIGKILL);
	return 0;
}

static int64_t interrupt(struct request *request, struct trace *trace)
{
	(void)request;
	if (!trace->is_seized) {
		return -LINUX_EIO;
	}
	trace_interrupt(trace);
	return 0;
}

/* It stays stopped with its process, but tells when that is continued. */
static int64_t listen(struct request *request, struct trace *trace)
{
	(void)request;
	if (!trace->is_seized || trace->stop != TRACE_STOP_GROUP) {
		return -LINUX_EIO;
	}
	trace->phase = TRACE_LISTENING;
	trace->has_news = false;
	if (trace->is_notice_due || trace->is_trap_due) {
		trace_stop_again(trace);
	}
	return 0;
}

static int64_t set_options(struct request *request, struct trace *trace)
{
	if ((request->args[3] & ~OPTIONS) != 0) {
		return -LINUX_EINVAL;
	}
	trace->options = (uint32_t)request->args[3];
	trace_publish(trace);
	return 0;
}

/* ---- memory and registers -------------------------------------------------------------------- */

static int64_t peek_memory(struct request *request, struct trace *trace)
{
	uint64_t *out_value = request_out(request, 0, NULL);

	return trace_read(trace->thread->internal->mm, request->args[2], out_value,
		       sizeof(*out_value)) == sizeof(*out_value)
		? 0
		: -LINUX_EIO;
}

static int64_t poke_memory(struct request *request, struct trace *trace)
{
	uint64_t value = request->args[3];

	return trace_write(trace->thread->internal->mm, request->args[2], &value, sizeof(value)) ==
			sizeof(value)
		? 0
		: -LINUX_EIO;
}

static int64_t peek_user(struct request *request, struct trace *trace)
{
	return trace_get_word(trace, request->args[2], request_out(request, 0, NULL));
}

static int64_t poke_user(struct request *request, struct trace *trace)
{
	return trace_set_word(trace, request->args[2], request->args[3]);
}

static int64_t get_registers(struct request *request, struct trace *trace)
{
	trace_get_registers(trace, request_out(request, 0, NULL));
	return 0;
}

static int64_t set_registers(struct request *request, struct trace *trace)
{
	return trace_set_registers(trace, request_in(request, 0, NULL));
}

static int64_t get_fpu_registers(struct request *request, struct trace *trace)
{
	int64_t result = trace_get_set(
		trace, LINUX_NT_PRFPREG, request_out(request, 0, NULL), request->args[4]);

	return result < 0 ? result : 0;
}

static int64_t set_fpu_registers(struct request *request, struct trace *trace)
{
	size_t size;
	const void *from = request_in(request, 0, &size);
	int64_t result = trace_set_set(trace, LINUX_NT_PRFPREG, from, size);

	return result < 0 ? result : 0;
}

static int64_t get_register_set(struct request *request, struct trace *trace)
{
	int64_t result = trace_get_set(
		trace, (uint32_t)request->args[2], request_out(request, 0, NULL), request->args[4]);

	if (result >= 0) {
		request_set_out_size(request, (size_t)result);
	}
	return result;
}

static int64_t set_register_set(struct request *request, struct trace *trace)
{
	size_t size;
	const void *from = request_in(request, 0, &size);

	return trace_set_set(trace, (uint32_t)request->args[2], from, size);
}

/* ---- what stopped it, signals ---------------------------------------------------------------- */

static int64_t get_event_message(struct request *request, struct trace *trace)
{
	*(uint64_t *)request_out(request, 0, NULL) = trace->message;
	return 0;
}

static int64_t get_siginfo(struct request *request, struct trace *trace)
{
	if (!trace->has_siginfo) {
		return -LINUX_EINVAL;
	}
	memcpy(request_out(request, 0, NULL), &trace->siginfo, sizeof(trace->siginfo));
	return 0;
}

static int64_t set_siginfo(struct request *request, struct trace *trace)
{
	if (!trace->has_siginfo) {
		return -LINUX_EINVAL;
	}
	memcpy(&trace->siginfo, request_in(request, 0, NULL), sizeof(trace->siginfo));
	return 0;
}

static int64_t peek_siginfo(struct request *request, struct trace *trace)
{
	bool is_shared = (request->args[2] & LINUX_PTRACE_PEEKSIGINFO_SHARED) != 0;
	uint64_t skipped = request->args[2] >> 1;
	struct posix_signal_info *out_infos = request_out(request, 0, NULL);
	size_t n_max = request->args[4] / sizeof(*out_infos), n = 0;
	const struct signal_pending *pending =
		is_shared ? &trace->process->internal->pending : &trace->thread->internal->pending;

	signal_settle(trace->process, trace->thread);
	LIST_FOR_EACH(entry, &pending->queue, struct pending_signal, node) {
		if (skipped != 0) {
			skipped--;
		} else if (n < n_max) {
			signal_info_encode(&entry->info, &out_infos[n++]);
		}
	}
	request_set_out_size(request, n * sizeof(*out_infos));
	return (int64_t)n;
}

static int64_t get_signal_mask(struct request *request, struct trace *trace)
{
	const struct posix_thread_page *page = trace->thread->internal->page;

	if (request->args[2] != sizeof(uint64_t)) {
		return -LINUX_EINVAL;
	}
	*(uint64_t *)request_out(request, 0, NULL) =
		page->has_saved_mask != 0 ? page->saved_mask : atomic_load(&page->signal_mask);
	return 0;
}

static int64_t set_signal_mask(struct request *request, struct trace *trace)
{
	struct posix_thread_page *page = trace->thread->internal->page;
	uint64_t mask;

	if (request->args[2] != sizeof(mask)) {
		return -LINUX_EINVAL;
	}
	memcpy(&mask, request_in(request, 0, NULL), sizeof(mask));
	page->has_saved_mask = 0;
	atomic_store(&page->signal_mask, mask & ~SIGNAL_MASK_UNBLOCKABLE);
	return 0;
}

static int64_t get_syscall_info(struct request *request, struct trace *trace)
{
	struct linux_syscall_info info;
	size_t size = trace_get_syscall_info(trace, &info);
	size_t n = min_size(size, request->args[4]);

	memcpy(request_out(request, 0, NULL), &info, n);
	request_set_out_size(request, n);
	return (int64_t)size;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct row {
	enum linux_ptrace_request request;
	int64_t (*act)(struct request *request, struct trace *trace);
	uint16_t in, out; /* bytes that there must be */
	bool is_for_running; /* as well */
} rows[] = {
	{ LINUX_PTRACE_PEEKTEXT, peek_memory, 0, 8, false },
	{ LINUX_PTRACE_PEEKDATA, peek_memory, 0, 8, false },
	{ LINUX_PTRACE_PEEKUSER, peek_user, 0, 8, false },
	{ LINUX_PTRACE_POKETEXT, poke_memory, 0, 0, false },
	{ LINUX_PTRACE_POKEDATA, poke_memory, 0, 0, false },
	{ LINUX_PTRACE_POKEUSER, poke_user, 0, 0, false },
	{ LINUX_PTRACE_CONT, resume, 0, 0, false },
	{ LINUX_PTRACE_KILL, kill_tracee, 0, 0, true },
	{ LINUX_PTRACE_SINGLESTEP, resume, 0, 0, false },
	{ LINUX_PTRACE_GETREGS, get_registers, 0, sizeof(struct linux_user_registers), false },
	{ LINUX_PTRACE_SETREGS, set_registers, sizeof(struct linux_user_registers), 0, false },
	{ LINUX_PTRACE_GETFPREGS, get_fpu_registers, 0, 512, false },
	{ LINUX_PTRACE_SETFPREGS, set_fpu_registers, 512, 0, false },
	{ LINUX_PTRACE_DETACH, detach, 0, 0, false },
	{ LINUX_PTRACE_SYSCALL, resume, 0, 0, false },
	{ LINUX_PTRACE_SETOPTIONS, set_options, 0, 0, false },
	{ LINUX_PTRACE_GETEVENTMSG, get_event_message, 0, 8, false },
	{ LINUX_PTRACE_GETSIGINFO, get_siginfo, 0, sizeof(struct posix_signal_info), false },
	{ LINUX_PTRACE_SETSIGINFO, set_siginfo, sizeof(struct posix_signal_info), 0, false },
	{ LINUX_PTRACE_GETREGSET, get_register_set, 0, 0, false },
	{ LINUX_PTRACE_SETREGSET, set_register_set, 0, 0, false },
	{ LINUX_PTRACE_INTERRUPT, interrupt, 0, 0, true },
	{ LINUX_PTRACE_LISTEN, listen, 0, 0, false },
	{ LINUX_PTRACE_PEEKSIGINFO, peek_siginfo, 0, 0, false },
	{ LINUX_PTRACE_GETSIGMASK, get_signal_mask, 0, 8, false },
	{ LINUX_PTRACE_SETSIGMASK, set_signal_mask, 8, 0, false },
	{ LINUX_PTRACE_GET_SYSCALL_INFO, get_syscall_info, 0, 0, false },
};

static const struct row *find_row(uint64_t request)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].request == request) {
			return &rows[i];
		}
	}
	return NULL;
}

/* The caller's tracee, NULL: none that may be asked this. */
static struct trace *find_tracee(const struct request *request, const struct row *row)
{
	const struct thread *thread = thread_find((uint32_t)request->args[1]);
	struct trace *trace = thread != NULL ? trace_of(thread) : NULL;

	if (!trace_is_on(trace) || trace->tracer != request->process ||
		trace->tracer_tid != request->thread->tid) {
		return NULL;
	}
	/* An unknown request is refused as such only if the tracee is stopped. */
	if (trace->phase != TRACE_STOPPED && (row == NULL || !row->is_for_running)) {
		return NULL;
	}
	return trace;
}

int64_t posix_ptrace(struct request *request)
{
	const struct row *row = find_row(request->args[0]);
	struct trace *trace;
	size_t in_size, out_size;

	switch (request->args[0]) {
	case LINUX_PTRACE_TRACEME: return trace_me(request->thread);
	case LINUX_PTRACE_ATTACH: return attach(request, false);
	case LINUX_PTRACE_SEIZE: return attach(request, true);
	default: break;
	}
	trace = find_tracee(request, row);
	if (trace == NULL) {
		return -LINUX_ESRCH;
	}
	if (row == NULL) {
		unimplemented_count(0xffff0000u | 101);
		return -LINUX_EIO;
	}
	(void)request_in(request, 0, &in_size);
	if (request_out(request, 0, &out_size) == NULL) {
		return -LINUX_ENOMEM;
	}
	if (in_size < row->in || out_size < row->out) {
		return -LINUX_EINVAL;
	}
	return row->act(request, trace);
}
