/* SPDX-License-Identifier: MIT */
/* What a signal would do to a process: its default, its handler, the masks. */
#include <posix/server/signal/signal.h>

/* The first 31; real-time signals terminate. */
static const enum signal_default signal_defaults[LINUX_SIGRTMIN] = {
	[LINUX_SIGQUIT] = SIGNAL_CORE,
	[LINUX_SIGILL] = SIGNAL_CORE,
	[LINUX_SIGTRAP] = SIGNAL_CORE,
	[LINUX_SIGABRT] = SIGNAL_CORE,
	[LINUX_SIGBUS] = SIGNAL_CORE,
	[LINUX_SIGFPE] = SIGNAL_CORE,
	[LINUX_SIGSEGV] = SIGNAL_CORE,
	[LINUX_SIGXCPU] = SIGNAL_CORE,
	[LINUX_SIGXFSZ] = SIGNAL_CORE,
	[LINUX_SIGSYS] = SIGNAL_CORE,
	[LINUX_SIGCHLD] = SIGNAL_IGNORE,
	[LINUX_SIGURG] = SIGNAL_IGNORE,
	[LINUX_SIGWINCH] = SIGNAL_IGNORE,
	[LINUX_SIGSTOP] = SIGNAL_STOP,
	[LINUX_SIGTSTP] = SIGNAL_STOP,
	[LINUX_SIGTTIN] = SIGNAL_STOP,
	[LINUX_SIGTTOU] = SIGNAL_STOP,
	[LINUX_SIGCONT] = SIGNAL_CONTINUE,
};

enum signal_default signal_default_of(int signal)
{
	return signal < LINUX_SIGRTMIN ? signal_defaults[signal] : SIGNAL_TERMINATE;
}

uint64_t signal_handler_of(const struct process *process, int signal)
{
	const struct posix_process_page *page = process->internal->page;

	if (signal == LINUX_SIGKILL || signal == LINUX_SIGSTOP || page == NULL) {
		return LINUX_SIG_DFL;
	}
	return __atomic_load_n(&page->actions[signal - 1].handler, __ATOMIC_RELAXED);
}

bool signal_is_discarded(const struct process *process, int signal)
{
	uint64_t handler = signal_handler_of(process, signal);
	enum signal_default by_default = signal_default_of(signal);

	if (handler == LINUX_SIG_IGN) {
		return true;
	}
	if (handler != LINUX_SIG_DFL) {
		return false;
	}
	/* Nothing that init does not want happens to it, SIGKILL included. */
	if (process == process_init()) {
		return true;
	}
	return by_default == SIGNAL_IGNORE || by_default == SIGNAL_CONTINUE;
}

uint64_t signal_mask_of(const struct thread *thread)
{
	const struct posix_thread_page *page = thread->internal->page;

	return atomic_load(&page->signal_mask) & ~SIGNAL_MASK_UNBLOCKABLE;
}

static const struct thread *main_thread_of(const struct process *process)
{
	const struct thread *first = process_first_thread(process);

	return first != NULL && first->tid == process->pid ? first : NULL;
}

uint64_t signal_shown_to_others(const struct process *process)
{
	const struct thread *main_thread = main_thread_of(process);

	return main_thread != NULL ? signal_mask_of(main_thread) : ~UINT64_C(0);
}

uint64_t signal_due(const struct thread *thread)
{
	uint64_t shared;

	signal_settle(thread->process, thread);
	shared = thread->process->internal->pending.set;
	if (thread != main_thread_of(thread->process)) {
		shared &= signal_shown_to_others(thread->process);
	}
	return thread->internal->pending.set | shared;
}

uint64_t signal_deliverable(const struct thread *thread)
{
	return signal_due(thread) & ~signal_mask_of(thread);
}

bool signal_is_ignored_or_blocked(struct thread *thread, int signal)
{
	return signal_handler_of(thread->process, signal) == LINUX_SIG_IGN ||
		(signal_mask_of(thread) & linux_sigmask(signal)) != 0;
}

uint32_t signal_death_status(const struct process *process, int signal)
{
	bool has_core =
		signal_default_of(signal) == SIGNAL_CORE && process->limits[LIMIT_CORE][0] > 0;

	return (uint32_t)signal | (has_core ? 0x80u : 0u);
}
