/* SPDX-License-Identifier: MIT */
/* Who traces whom: attaching, inheriting, resuming, and the ends of both sides. See trace.h. */
#include <abi/linux/sched.h>
#include <abi/linux/wait.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/signal/signal.h>
#include <posix/server/trace/trace.h>

/* ---- the thread page ------------------------------------------------------------------------- */

void trace_publish(const struct trace *trace)
{
	struct posix_thread_page *page = trace->thread->internal->page;
	uint32_t flags = 0;

	if (trace->tracer != NULL) {
		flags = POSIX_TRACE_ON | trace->mode;
		if ((trace->options & LINUX_PTRACE_O_TRACEEXIT) != 0) {
			flags |= POSIX_TRACE_LEAVE;
		}
	}
	atomic_store(&page->trace_flags, flags);
	__atomic_store_n(&page->bounce.calls_end,
		flags <= POSIX_TRACE_ON && trace->thread->internal->seccomp == NULL
			? POSIX_CALLS_END
			: 0,
		__ATOMIC_RELAXED);
}

bool trace_holds(const struct thread *thread)
{
	const struct trace *trace = trace_of(thread);
	bool is_stopping = thread->process->internal->is_stopping;

	if (!trace_is_on(trace)) {
		return is_stopping;
	}
	return trace->is_trap_due || trace->is_notice_due || (is_stopping && !trace->is_let_go);
}

/* ---- attaching ------------------------------------------------------------------------------- */

static struct trace *trace_make(struct thread *thread)
{
	struct trace *trace = trace_of(thread);

	if (trace == NULL) {
		trace = helix_calloc(1, sizeof(*trace));
		if (trace == NULL) {
			return NULL;
		}
		trace->thread = thread;
		trace->process = thread->process;
		trace->tid = thread->tid;
		wait_queue_init(&trace->resume_wait);
		list_node_init(&trace->node);
		thread->internal->trace = trace;
		if (thread->tid == thread->process->pid) {
			thread->process->internal->leader_trace = trace;
		}
	}
	return trace;
}

static void trace_join(struct trace *trace, struct process *tracer, uint32_t tracer_tid)
{
	trace->tracer = tracer;
	trace->tracer_tid = tracer_tid;
	trace->options = 0;
	trace->mode = 0;
	trace->is_seized = false;
	trace->is_trap_due = trace->is_notice_due = trace->is_let_go = false;
	trace->has_news = false;
	trace->event = 0;
	list_push_back(&tracer->internal->tracees, &trace->node);
	trace_publish(trace);
}

/* A thread that is held with its process stops for its tracer now: it reports where it is. */
static void leave_hold(struct thread *thread)
{
	if (thread->process->internal->is_stopping) {
		wait_queue_wake(&thread->process->internal->continue_wait);
	}
}

int trace_attach(struct thread *thread, struct thread *tracer)
{
	struct trace *trace = trace_make(thread);

	if (trace == NULL) {
		return -LINUX_ENOMEM;
	}
	/* What was offered is withdrawn, for the tracer to see. */
	signal_withdraw(thread->process, thread);
	trace_join(trace, tracer->process, tracer->tid);
	leave_hold(thread);
	return 0;
}

int trace_attach_to_parent(struct thread *thread)
{
	struct process *parent = thread->process->parent;
	const struct thread *first, *maker;
	uint32_t tid = thread->process->internal->maker_tid;
	struct trace *trace;

	if (thread_is_traced(thread)) {
		return -LINUX_EPERM;
	}
	if (parent == NULL || !process_is_alive(parent)) {
		return 0;
	}
	trace = trace_make(thread);
	if (trace == NULL) {
		return -LINUX_ENOMEM;
	}
	first = process_first_thread(parent);
	maker = thread_find(tid);
	if ((maker == NULL || maker->process != parent) && first != NULL) {
		tid = first->tid;
	}
	trace_join(trace, parent, tid);
	return 0;
}

/* ---- resuming -------------------------------------------------------------------------------- */

void trace_resume(struct trace *trace, uint32_t mode, int signal)
{
	if (!trace_is_stopped(trace)) {
		return;
	}
	if (trace->stop == TRACE_STOP_GROUP && trace->process->internal->is_stopping) {
		trace->is_let_go = true;
	}
	trace->phase = TRACE_RUNNING;
	trace->has_news = false;
	trace->mode = mode;
	trace->resume_signal = signal;
	trace->thread->internal->is_held = false;
	trace_publish(trace);
	signal_publish_to(trace->thread);
	wait_queue_wake(&trace->resume_wait);
}

void trace_detach(struct trace *trace, int signal)
{
	struct process *process = trace->process, *tracer = trace->tracer;
	bool is_leader = trace->thread == NULL && trace->phase == TRACE_RUNNING;

	list_remove(&trace->node);
	trace->tracer = NULL;
	trace->mode = trace->options = 0;
	trace->is_trap_due = trace->is_notice_due = trace->is_let_go = false;
	trace->has_news = false;
	trace_reset_debug(trace);
	if (trace->thread != NULL) {
		trace_resume(trace, 0, signal);
		trace_publish(trace);
		signal_publish_to(trace->thread);
		trace->is_let_go = false;
		return;
	}
	/* What has ended: a process' parent gets its turn, of other threads nothing is left. */
	if (is_leader) {
		return;
	}
	if (process != NULL && process->internal->leader_trace == trace) {
		process->internal->leader_trace = NULL;
		helix_free(trace);
		if (tracer != process->parent) {
			process_tell_end(process);
		}
		return;
	}
	helix_free(trace);
}

/* The tracer goes. */
static void let_go(struct trace *trace)
{
	bool is_killed = (trace->options & LINUX_PTRACE_O_EXITKILL) != 0 && trace->thread != NULL;
	struct process *process = trace->process;

	trace_detach(trace, 0);
	if (is_killed) {
		process_exit(process, LINUX_SIGKILL);
	}
}

void trace_interrupt(struct trace *trace)
{
	trace->is_trap_due = true;
	if (trace->phase == TRACE_LISTENING) {
		trace_stop_again(trace);
	} else if (trace->phase == TRACE_RUNNING) {
		signal_publish_to(trace->thread);
		signal_kick(trace->thread);
	}
}

void trace_continued(struct process *process)
{
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		struct trace *trace = trace_of(thread);

		if (!trace_is_on(trace)) {
			continue;
		}
		trace->is_let_go = false;
		if (!trace->is_seized) {
			continue;
		}
		trace->is_notice_due = true;
		if (trace->phase == TRACE_LISTENING) {
			trace_stop_again(trace);
		} else if (trace->phase == TRACE_RUNNING) {
			signal_publish_to(thread);
			signal_kick(thread);
		}
	}
}

/* ---- telling the tracer ---------------------------------------------------------------------- */

static void describe(const struct trace *trace, struct signal_info *out_info)
{
	const struct process *process = trace->process;
	uint32_t died = trace->status & 0x7f;

	*out_info = (struct signal_info){
		.signal = LINUX_SIGCHLD,
		.code = LINUX_CLD_TRAPPED,
		.pid = trace->tid,
		.uid = trace->phase == TRACE_ENDED ? trace->uid : process->credentials.uid,
		.status = (int32_t)died,
	};
	if (trace->phase == TRACE_ENDED) {
		out_info->code = died == 0                         ? LINUX_CLD_EXITED
			: (trace->status & LINUX_STATUS_CORE) != 0 ? LINUX_CLD_DUMPED
								   : LINUX_CLD_KILLED;
		out_info->status = died == 0 ? (int32_t)(trace->status >> 8 & 0xff) : (int32_t)died;
	}
}

void trace_tell(struct trace *trace)
{
	struct process *tracer = trace->tracer;
	const struct posix_process_page *page = tracer->internal->page;
	bool wants_stops =
		page == NULL || (page->actions[LINUX_SIGCHLD - 1].flags & LINUX_SA_NOCLDSTOP) == 0;
	struct signal_info info;

	trace->has_news = true;
	describe(trace, &info);
	if (trace->phase == TRACE_ENDED || wants_stops) {
		signal_send_process(tracer, &info);
	}
	wait_queue_wake(&tracer->internal->child_wait);
}

/* ---- clone and exec -------------------------------------------------------------------------- */

static uint32_t event_of(uint64_t flags)
{
	if ((flags & LINUX_CLONE_UNTRACED) != 0) {
		return 0;
	}
	if ((flags & LINUX_CLONE_VFORK) != 0) {
		return LINUX_PTRACE_EVENT_VFORK;
	}
	return (flags & LINUX_CSIGNAL) == LINUX_SIGCHLD ? LINUX_PTRACE_EVENT_FORK
							: LINUX_PTRACE_EVENT_CLONE;
}

/* The child's first act is to stop. */
static int inherit(const struct trace *from, struct thread *thread)
{
	struct trace *trace = trace_make(thread);

	if (trace == NULL) {
		return -LINUX_ENOMEM;
	}
	trace_join(trace, from->tracer, from->tracer_tid);
	trace->options = from->options;
	trace->is_seized = from->is_seized;
	trace_publish(trace);
	if (trace->is_seized) {
		trace->is_trap_due = true;
	} else {
		(void)signal_pending_add(&thread->internal->pending, thread->process,
			&(struct signal_info){ .signal = LINUX_SIGSTOP });
	}
	thread->internal->page->bounce.pending = 1;
	return 0;
}

int trace_clone(struct thread *caller, struct thread *thread, uint64_t flags)
{
	struct trace *trace = trace_of(caller);
	uint32_t event = event_of(flags);
	bool is_reported;

	if (!trace_is_on(trace)) {
		return 0;
	}
	is_reported = event != 0 && (trace->options & 1u << event) != 0;
	if (is_reported || (flags & LINUX_CLONE_PTRACE) != 0) {
		int error = inherit(trace, thread);

		if (error != 0) {
			return error;
		}
	}
	trace->event = is_reported ? event : 0;
	trace->is_vfork_watched = (flags & LINUX_CLONE_VFORK) != 0 &&
		(trace->options & LINUX_PTRACE_O_TRACEVFORKDONE) != 0;
	atomic_fetch_or(&caller->internal->page->trace_due, POSIX_TRACE_DUE_CLONED);
	return 0;
}

/* The tracees of threads that go are let go, those of the caller stay. */
static void keep_tracees(struct thread *caller)
{
	struct process *process = caller->process;

	LIST_FOR_EACH_SAFE(trace, &process->internal->tracees, struct trace, node) {
		if (trace->tracer_tid == caller->tid) {
			trace->tracer_tid = process->pid;
		} else {
			let_go(trace);
		}
	}
}

void trace_exec(struct thread *caller, struct thread *thread)
{
	struct process *process = thread->process;
	struct trace *trace = trace_of(caller), *leader = process->internal->leader_trace;
	struct posix_thread_page *page = thread->internal->page;
	uint32_t due = POSIX_TRACE_DUE_EXECUTED;

	keep_tracees(caller);
	/* The first thread vanishes without a word: the caller takes its number. */
	if (leader != NULL && leader != trace) {
		if (leader->thread != NULL) {
			leader->thread->internal->trace = NULL;
		}
		leader->thread = NULL;
		trace_forget(leader);
	}
	caller->internal->trace = NULL;
	if (trace == NULL) {
		return;
	}
	process->internal->leader_trace = trace;
	thread->internal->trace = trace;
	trace->thread = thread;
	trace->message = trace->tid;
	trace->tid = thread->tid;
	trace->stop = TRACE_STOP_NONE;
	trace->debug = (struct hel_debug_registers){ 0 };
	trace->is_debug_new = false;
	trace_publish(trace);
	if (trace_is_on(trace)) {
		if (trace->mode != 0) {
			due |= POSIX_TRACE_DUE_EXIT;
		}
		atomic_store(&page->trace_due, due);
		page->bounce.pending = 1;
	}
}

/* ---- ends ------------------------------------------------------------------------------------ */

void trace_forget(struct trace *trace)
{
	if (trace->tracer != NULL) {
		list_remove(&trace->node);
	}
	if (trace->process != NULL && trace->process->internal->leader_trace == trace) {
		trace->process->internal->leader_trace = NULL;
	}
	helix_free(trace);
}

/* Whom @thread traces is let go, or dies with it. */
static void release_tracees(const struct thread *thread)
{
	LIST_FOR_EACH_SAFE(trace, &thread->process->internal->tracees, struct trace, node) {
		if (trace->tracer_tid == thread->tid) {
			let_go(trace);
		}
	}
}

void trace_thread_dies(struct thread *thread)
{
	struct trace *trace = trace_of(thread);

	/* trace_exec() has seen to those of threads that an exec replaces. */
	if (!thread->internal->is_replaced) {
		release_tracees(thread);
	}
	if (trace != NULL) {
		trace->phase = TRACE_RUNNING;
		trace->has_news = false;
	}
}

void trace_thread_gone(struct thread *thread, uint32_t status)
{
	struct trace *trace = trace_of(thread);
	const struct process *process = thread->process;
	uint32_t own = thread->internal->page->exit_status;

	/* A thread that exits is alone with that, even if its process ends in the same moment. */
	if ((own & POSIX_EXIT_STATUS_SET) != 0) {
		status = own & 0xff00;
	}
	thread->internal->trace = NULL;
	if (trace == NULL) {
		return;
	}
	trace->thread = NULL;
	trace->phase = TRACE_RUNNING;
	trace->has_news = false;
	if (trace->tracer == NULL) {
		trace_forget(trace);
	} else if (process->internal->leader_trace != trace) {
		trace->phase = TRACE_ENDED;
		trace->status = status;
		trace->uid = process->credentials.uid;
		trace->pgid = process->group->pgid;
		trace->process = NULL;
		trace_tell(trace);
	}
}

bool trace_hides_end(struct process *process)
{
	struct trace *trace = process->internal->leader_trace;

	if (trace == NULL) {
		return false;
	}
	if (trace->tracer == NULL || trace->tracer == process->parent) {
		trace_forget(trace);
		return false;
	}
	trace->phase = TRACE_ENDED;
	trace->status = process->internal->status;
	trace->uid = process->credentials.uid;
	trace->pgid = process->group->pgid;
	trace_tell(trace);
	return true;
}
