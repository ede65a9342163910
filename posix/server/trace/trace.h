/* SPDX-License-Identifier: MIT */
/*
 * Tracing: what ptrace knows of a traced thread. docs/internals/ptrace.md tells the story.
 *
 *      untraced -- attach --> RUNNING -- report --> STOPPED -- resume --> RUNNING
 *                               |                    |  ^
 *                               |              LISTEN|  | SIGCONT, interrupt
 *                               |                    v  |
 *                               |                  LISTENING
 *                               +-- the thread is gone --> ENDED -- waited for --> freed
 *
 * A thread gets its trace when it is first traced, and keeps it: one with tracer NULL is not traced
 * at the moment. Tracees are on the list of their tracer's process; tracer_tid is the thread of
 * that process that may give orders. When a thread ends, its trace stays behind for its tracer
 * to wait for; that of a process' first thread for as long as the process is a zombie, which its
 * parent does not see before.
 *
 * STOPPED and LISTENING: the thread's report is parked on resume_wait. Everything of its state that
 * the tracer may see is in context; its memory is its process'.
 */
#ifndef POSIX_TRACE_H
#define POSIX_TRACE_H

#include <abi/linux/ptrace.h>
#include <posix/server/process/process-internal.h>

enum trace_phase : uint8_t {
	TRACE_RUNNING,
	TRACE_STOPPED,
	TRACE_LISTENING,
	TRACE_ENDED,
};

/* What the last stop was. */
enum trace_stop : uint8_t {
	TRACE_STOP_NONE,
	TRACE_STOP_SIGNAL, /* the tracer decides what becomes of a signal */
	TRACE_STOP_GROUP, /* the process is stopped, or PTRACE_EVENT_STOP */
	TRACE_STOP_ENTRY,
	TRACE_STOP_EXIT,
	TRACE_STOP_EVENT,
};

struct trace {
	struct list_node node; /* on its tracer's list */
	struct process *tracer; /* NULL: not traced */
	uint32_t tracer_tid;
	struct thread *thread; /* NULL: it has ended */
	struct process *process; /* thread's; not valid if another than the first has ENDED */
	uint32_t tid;
	uint32_t options; /* enum linux_ptrace_option */
	uint32_t mode; /* enum posix_trace_flags: how it was resumed */
	enum trace_phase phase;
	enum trace_stop stop;
	bool is_seized;
	bool has_news; /* of a stop or an end, for wait */
	bool is_trap_due; /* is to stop as soon as it can: PTRACE_INTERRUPT */
	bool is_notice_due; /* likewise, because its process was continued */
	bool is_let_go; /* runs though its process is stopped */
	bool is_forced; /* the signal of the stop may be neither blocked nor ignored */
	uint32_t status; /* of the stop: signal | event << 8; ENDED: as of wait */
	uint32_t event; /* of the clone that is not reported yet, 0: none */
	bool is_vfork_watched; /* VFORK_DONE is to be told when the child lets go */
	uint64_t message;
	struct posix_trace_context context;
	struct hel_debug_registers debug; /* as the tracer has set them */
	bool is_debug_new; /* the thread does not have them yet */
	bool has_siginfo;
	struct posix_signal_info siginfo;
	int resume_signal;
	struct wait_queue resume_wait;
	uint32_t uid, pgid; /* ENDED */
};

static inline bool trace_is_on(const struct trace *trace)
{
	return trace != NULL && trace->tracer != NULL;
}

static inline struct trace *trace_of(const struct thread *thread)
{
	return thread->internal->trace;
}

/** thread_is_traced() - whether somebody traces the thread */
static inline bool thread_is_traced(const struct thread *thread)
{
	return trace_is_on(trace_of(thread));
}

static inline bool trace_is_stopped(const struct trace *trace)
{
	return trace != NULL && (trace->phase == TRACE_STOPPED || trace->phase == TRACE_LISTENING);
}

/* ---- trace.c: who traces whom ---------------------------------------------------------------- */

/** trace_attach() - @tracer traces @thread from now on; -LINUX_ENOMEM */
int trace_attach(struct thread *thread, struct thread *tracer);
/** trace_attach_to_parent() - PTRACE_TRACEME; -LINUX_EPERM, -LINUX_ENOMEM */
int trace_attach_to_parent(struct thread *thread);
/** trace_detach() - nobody traces it any more; a stopped thread goes on, with @signal if not 0 */
void trace_detach(struct trace *trace, int signal);
/** trace_resume() - let a stopped thread go on; @mode as trace->mode, @signal to deliver */
void trace_resume(struct trace *trace, uint32_t mode, int signal);
/** trace_interrupt() - make it stop as soon as it can */
void trace_interrupt(struct trace *trace);
/** trace_publish() - write the thread page's part about tracing */
void trace_publish(const struct trace *trace);
/** trace_tell() - the trace has news: SIGCHLD to the tracer, and wake those who wait */
void trace_tell(struct trace *trace);
/** trace_forget() - free a trace whose thread has ended */
void trace_forget(struct trace *trace);

/**
 * trace_clone() - @caller has made @thread, which does not run yet: remember the event and trace
 * it, too, if @caller's tracer wants that; -LINUX_ENOMEM
 * @flags: of clone, with the exit signal
 */
int trace_clone(struct thread *caller, struct thread *thread, uint64_t flags);
/** trace_exec() - before the old threads go: @thread, which does not run yet, follows @caller */
void trace_exec(struct thread *caller, struct thread *thread);
/** trace_thread_dies() - it gives no more orders, and stops no more */
void trace_thread_dies(struct thread *thread);
/** trace_thread_gone() - the trace is all that is left; @status as of wait if it did not exit */
void trace_thread_gone(struct thread *thread, uint32_t status);
/** trace_hides_end() - the process is a zombie: if its tracer is told first */
bool trace_hides_end(struct process *process);
/** trace_continued() - SIGCONT: seized threads stop to tell */
void trace_continued(struct process *process);

/** trace_holds() - whether the thread is to ask for signals, though none may be pending */
bool trace_holds(const struct thread *thread);

/* ---- report.c: stops ------------------------------------------------------------------------- */

/** trace_stop_again() - a listening thread has something new to tell */
void trace_stop_again(struct trace *trace);

/* ---- access.c -------------------------------------------------------------------------------- */

/**
 * trace_may_access() - as Linux' ptrace_may_access()
 * @uses_fs: by the file-system ids of @process (files below /proc), else by its real ones
 */
bool trace_may_access(const struct process *process, const struct process *subject, bool uses_fs);
/** trace_read() - a process' memory, whoever may read it; bytes, or -LINUX_EFAULT */
int64_t trace_read(struct mm *mm, uint64_t address, void *to, size_t size);
/** trace_write() - likewise, also where the process may not write: it gets a copy of the page */
int64_t trace_write(struct mm *mm, uint64_t address, const void *from, size_t size);

/* ---- registers.c ----------------------------------------------------------------------------- */

void trace_get_registers(const struct trace *trace, struct linux_user_registers *out_registers);
/** trace_set_registers() - -LINUX_EIO if user mode cannot have them */
int trace_set_registers(struct trace *trace, const struct linux_user_registers *registers);
/** trace_get_word(), trace_set_word() - of struct user; -LINUX_EIO, -LINUX_EINVAL */
int trace_get_word(const struct trace *trace, uint64_t offset, uint64_t *out_value);
int trace_set_word(struct trace *trace, uint64_t offset, uint64_t value);
/** trace_reset_debug() - nothing is watched any more */
void trace_reset_debug(struct trace *trace);
/** trace_answer_debug() - what the thread is to load when it goes on */
void trace_answer_debug(struct trace *trace, struct posix_trace_answer *out_answer);
/** trace_get_set(), trace_set_set() - PTRACE_GETREGSET, SETREGSET; bytes, or an error */
int64_t trace_get_set(const struct trace *trace, uint32_t set, void *to, size_t size);
int64_t trace_set_set(struct trace *trace, uint32_t set, const void *from, size_t size);
/** trace_get_syscall_info() - returns bytes of the structure that are valid */
size_t trace_get_syscall_info(const struct trace *trace, struct linux_syscall_info *out_info);

#endif
