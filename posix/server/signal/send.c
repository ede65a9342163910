/* SPDX-License-Identifier: MIT */
/*
 * Sending signals: what happens at once (death, stop, continue), and what waits for a thread to
 * take it.
 *
 * A signal without handler whose default is to end or stop the process does so here and now: no
 * thread has to run for that. Only what a handler is to see, or what is blocked, becomes pending.
 */
#include <posix/server/signal/signal.h>
#include <posix/server/trace/trace.h>

void signal_publish_to(struct thread *thread)
{
	uint64_t hold = trace_holds(thread) ? linux_sigmask(LINUX_SIGSTOP) : 0;

	signal_settle(thread->process, thread);
	atomic_store_explicit(&thread->internal->page->signals_pending,
		thread->internal->pending.set | hold, memory_order_seq_cst);
}

/* One place for all threads, however many there are. */
void signal_publish_shared(struct process *process)
{
	struct posix_process_page *page = process->internal->page;

	signal_settle(process, NULL);
	if (page != NULL) {
		uint64_t set = process->internal->pending.set;

		atomic_store(&page->signals_pending[0], set);
		atomic_store(&page->signals_pending[1], set & signal_shown_to_others(process));
	}
}

void signal_publish(struct process *process)
{
	signal_publish_shared(process);
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		signal_publish_to(thread);
	}
}

void signal_publish_for(struct thread *thread)
{
	signal_publish_to(thread);
	signal_publish_shared(thread->process);
}

void signal_kick(struct thread *thread)
{
	enum request_phase phase = thread->internal->request_internal.phase;

	if (thread->internal->is_dying || request_interrupt(&thread->internal->request)) {
		return;
	}
	/* Whoever waits for a reply looks at signals_pending when it comes. */
	if (phase == REQUEST_IDLE && thread->internal->is_started) {
		hel_thread_kick(thread->internal->thread);
	}
}

bool request_signal_is_due(struct thread *thread)
{
	return trace_holds(thread) || signal_deliverable(thread) != 0;
}

/*
 * A thread that lets the signal through: the main thread as Linux does, or one that waits if there
 * is one.
 */
static struct thread *choose_thread(struct process *process, int signal)
{
	struct thread *chosen = NULL, *first = process_first_thread(process);

	if (first != NULL && first->tid == process->pid &&
		(signal_mask_of(first) & linux_sigmask(signal)) == 0) {
		return first;
	}

	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		if ((signal_mask_of(thread) & linux_sigmask(signal)) != 0) {
			continue;
		}
		if (thread->internal->request_internal.phase == REQUEST_PARKED) {
			return thread;
		}
		if (chosen == NULL) {
			chosen = thread;
		}
	}
	return chosen;
}

void signal_retarget(struct process *process)
{
	uint64_t left;

	signal_withdraw(process, NULL);
	left = process->internal->pending.set;
	if (left == 0) {
		return;
	}
	signal_publish_shared(process);
	while (left != 0) {
		int signal = __builtin_ctzll(left) + 1;
		struct thread *target = choose_thread(process, signal);

		if (target != NULL) {
			signal_kick(target);
		}
		left &= left - 1;
	}
}

bool signal_act_default(struct process *process, int signal)
{
	bool is_job_control = signal != LINUX_SIGSTOP;

	switch (signal_default_of(signal)) {
	case SIGNAL_IGNORE:
	case SIGNAL_CONTINUE: return false;
	case SIGNAL_STOP:
		if (is_job_control && process_group_is_orphaned(process->group)) {
			return false;
		}
		process_stop(process, signal);
		return true;
	case SIGNAL_TERMINATE:
	case SIGNAL_CORE: break;
	}
	process_exit(process, signal_death_status(process, signal));
	return true;
}

/* Stop signals and SIGCONT cancel each other, whatever the dispositions are. */
static void remove_opposite(struct process *process, int signal)
{
	uint64_t remove = 0;

	if (signal == LINUX_SIGCONT) {
		remove = SIGNAL_MASK_STOP;
	} else if ((linux_sigmask(signal) & SIGNAL_MASK_STOP) != 0) {
		remove = linux_sigmask(LINUX_SIGCONT);
	}
	if (remove == 0) {
		return;
	}
	signal_withdraw_all(process);
	signal_pending_remove(&process->internal->pending, remove);
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		signal_pending_remove(&thread->internal->pending, remove);
	}
	if (signal == LINUX_SIGCONT) {
		process_continue(process);
	}
	signal_publish(process);
}

/* Who is to take the signal: @thread, or NULL: one of the process; NULL: all block it. */
static struct thread *find_target(struct process *process, struct thread *thread, int signal)
{
	if (thread == NULL) {
		return choose_thread(process, signal);
	}
	return (signal_mask_of(thread) & linux_sigmask(signal)) == 0 ? thread : NULL;
}

/* @thread: it is for this one, NULL: for the process */
static int send(struct process *process, struct thread *thread, const struct signal_info *info)
{
	struct thread *target = find_target(process, thread, info->signal), *latest;
	int error;

	/* A tracer sees a signal before anything becomes of it, but for SIGKILL. */
	if (target != NULL && (!thread_is_traced(target) || info->signal == LINUX_SIGKILL)) {
		if (signal_is_discarded(process, info->signal)) {
			return 0;
		}
		if (signal_handler_of(process, info->signal) == LINUX_SIG_DFL) {
			signal_act_default(process, info->signal);
			return 0;
		}
	}
	signal_withdraw(process, thread);
	error = signal_pending_add(
		thread != NULL ? &thread->internal->pending : &process->internal->pending, process,
		info);
	if (error != 0) {
		return error;
	}
	if (target != NULL) {
		signal_offer(target);
	}
	if (thread != NULL) {
		signal_publish_for(thread);
	} else {
		signal_publish_shared(process);
	}
	/*
	 * A thread that has changed its mask since we looked has looked at its bits after that, or
	 * we see it now.
	 */
	latest = find_target(process, thread, info->signal);
	if (latest != NULL) {
		signal_kick(latest);
	}
	if (target != NULL && target != latest) {
		signal_kick(target);
	}
	wait_queue_wake(&process->internal->signal_wait);
	return 0;
}

int signal_send_process_checked(struct process *process, const struct signal_info *info)
{
	if (!process_is_alive(process) || info->signal < 1 || info->signal > (int)LINUX_NSIG) {
		return 0;
	}
	remove_opposite(process, info->signal);
	return send(process, NULL, info);
}

void signal_send_process(struct process *process, const struct signal_info *info)
{
	(void)signal_send_process_checked(process, info);
}

int signal_send_thread(struct thread *thread, const struct signal_info *info)
{
	struct process *process = thread->process;

	if (!process_is_alive(process) || thread->internal->is_dying) {
		return 0;
	}
	remove_opposite(process, info->signal);
	return send(process, thread, info);
}

void signal_send_group(struct process_group *group, const struct signal_info *info)
{
	group->references++;
	LIST_FOR_EACH(process, &group->members, struct process, group_node) {
		signal_send_process(process, info);
	}
	process_group_unref(group);
}
