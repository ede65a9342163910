/* SPDX-License-Identifier: MIT */
/*
 * The end of threads and processes: who is told, who gets the children, what is given back when.
 */
#include <base/assert.h>
#include <helix/log.h>
#include <posix/server/file/aio-poll.h>
#include <posix/server/ipc/ipc.h>
#include <posix/server/file/handlers.h>
#include <posix/server/fs/direct-view.h>
#include <posix/server/process/oom.h>
#include <posix/server/process/pidfd.h>
#include <posix/server/signal/signal.h>
#include <posix/server/time/time.h>
#include <posix/server/trace/trace.h>

void process_exit(struct process *process, uint32_t status)
{
	struct process_internal *internal = process->internal;

	if (internal->state != PROCESS_RUNNING) {
		return;
	}
	internal->state = PROCESS_EXITING;
	internal->status = status;
	process_set_stopping(process, false);
	internal->is_stopped = false;
	if (process == process_init()) {
		helix_log(HEL_LOG_ERROR, "init ended with status %x", status);
	}
	LIST_FOR_EACH_SAFE(thread, &process->threads, struct thread, process_node) {
		thread_kill(thread);
	}
}

void process_vfork_done(struct process *process)
{
	struct process_internal *internal = process->internal;
	struct process *parent = process->parent;

	if (!internal->is_vforked) {
		return;
	}
	internal->is_vforked = false;
	/* The break belongs to the memory that both used, but each has its own note of it. */
	if (parent != NULL && internal->page != NULL && parent->internal->page != NULL &&
		parent->internal->mm == internal->mm) {
		parent->internal->page->brk_now = internal->page->brk_now;
	}
	wait_queue_wake(&internal->vfork_wait);
}

/* ---- telling the parent ---------------------------------------------------------------------- */

static uint64_t child_action_flags(const struct process *parent)
{
	const struct posix_process_page *page = parent->internal->page;

	return page == NULL ? 0 : page->actions[LINUX_SIGCHLD - 1].flags;
}

void process_notify_parent(struct process *process, int code, int status)
{
	struct process *parent = process->parent;
	int signal = process->internal->exit_signal;
	bool is_end = process->internal->state == PROCESS_ZOMBIE;

	if (parent == NULL) {
		return;
	}
	if (!is_end) {
		signal = LINUX_SIGCHLD;
	} else {
		uint32_t died = process->internal->status & 0x7f;

		code = died == 0                                  ? LINUX_CLD_EXITED
			: (process->internal->status & 0x80) != 0 ? LINUX_CLD_DUMPED
								  : LINUX_CLD_KILLED;
		status = died == 0 ? (int)(process->internal->status >> 8 & 0xff) : (int)died;
	}
	if (signal != 0 && (is_end || (child_action_flags(parent) & LINUX_SA_NOCLDSTOP) == 0)) {
		signal_send_process(parent,
			&(struct signal_info){
				.signal = signal,
				.code = code,
				.pid = process->pid,
				.uid = process->credentials.uid,
				.status = status,
			});
	}
	wait_queue_wake(&parent->internal->child_wait);
}

/* A parent that ignores SIGCHLD, or says SA_NOCLDWAIT, wants no zombies. */
static bool is_reaped_at_once(const struct process *process)
{
	const struct process *parent = process->parent;

	if (parent == NULL) {
		return false;
	}
	if (!process_is_alive(parent)) {
		return false;
	}
	return process->internal->exit_signal == LINUX_SIGCHLD &&
		(signal_handler_of(parent, LINUX_SIGCHLD) == LINUX_SIG_IGN ||
			(child_action_flags(parent) & LINUX_SA_NOCLDWAIT) != 0);
}

void process_reap(struct process *process)
{
	struct process *parent = process->parent;

	if (parent != NULL) {
		usage_add(&parent->internal->dead_children, &process->internal->dead_threads);
		usage_add(&parent->internal->dead_children, &process->internal->dead_children);
	}
	process_free(process);
}

/* Its tracer, if another than its parent, hears of it first. */
void process_tell_end(struct process *process)
{
	if (trace_hides_end(process)) {
		return;
	}
	process_notify_parent(process, 0, 0);
	if (is_reaped_at_once(process)) {
		process_reap(process);
	}
}

/* ---- children without parent ----------------------------------------------------------------- */

static struct process *new_parent_of(struct process *dead)
{
	for (struct process *process = dead->parent; process != NULL; process = process->parent) {
		if (process->internal->is_subreaper && process_is_alive(process)) {
			return process;
		}
	}
	return process_init();
}

static void adopt(struct process *child, struct process *parent)
{
	struct process_internal *internal = child->internal;

	list_remove(&internal->sibling_node);
	child->parent = parent;
	internal->exit_signal = LINUX_SIGCHLD;
	list_push_back(&parent->internal->children, &internal->sibling_node);
	if (list_node_is_linked(&internal->news_node)) {
		list_remove(&internal->news_node);
		process_has_news(child);
	}
	process_publish(child);
	if (internal->parent_death_signal != 0 && process_is_alive(child)) {
		signal_send_process(child,
			&(struct signal_info){
				.signal = internal->parent_death_signal, .code = LINUX_SI_USER });
	}
}

static void give_children_away(struct process *dead)
{
	struct process *parent = new_parent_of(dead);

	if (parent == NULL || parent == dead) {
		return;
	}
	for (;;) {
		struct process_internal *child = LIST_FIRST(
			&dead->internal->children, struct process_internal, sibling_node);

		if (child == NULL) {
			return;
		}
		adopt(process_of(child), parent);
		if (child->state == PROCESS_ZOMBIE) {
			process_tell_end(process_of(child));
		}
	}
}

/* ---- the last thread is gone ----------------------------------------------------------------- */

static void release_resources(struct process *process)
{
	struct process_internal *internal = process->internal;
	struct mm *mm = internal->mm;

	process_timers_release(process);
	aio_polls_release(process);
	semaphores_process_ended(process);
	process_vfork_done(process);
	if (process->files != NULL) {
		fd_table_unref(process->files, process);
		process->files = NULL;
	}
	if (process->fs != NULL) {
		fs_context_unref(process->fs);
		process->fs = NULL;
	}
	process_page_release(process);
	if (internal->universe != HEL_NULL) {
		hel_close(HEL_THIS, internal->universe);
		internal->universe = HEL_NULL;
	}
	if (mm != NULL) {
		internal->mm = NULL;
		/* The thread that is going holds two references; more: the memory is shared. */
		if (mm->references > 3) {
			mm_slot_release(mm, internal->page_slot, false);
		}
		mm_unref(mm);
	}
}

/* What can be seen of its end before its parent is told. */
static void process_leave(struct process *process)
{
	struct session *session = process->group->session;

	release_resources(process);
	if (session->sid == process->pid && session->tty != NULL) {
		tty_session_leader_exited(session->tty, session);
	}
	process_group_check_orphans(process);
	give_children_away(process);
}

static void process_become_zombie(struct process *process)
{
	struct process_internal *internal = process->internal;

	internal->state = PROCESS_ZOMBIE;
	process_has_news(process);
	oom_process_ended(process);
	signal_pending_clear(&internal->pending);
	pidfd_tell_end(process);
	if (process->parent == NULL) {
		system_init_died(internal->status);
	} else {
		process_tell_end(process);
	}
}

void process_thread_gone(struct thread *thread)
{
	struct process *process = thread->process;
	struct usage usage;

	thread_usage(thread, &usage);
	usage_add(&process->internal->dead_threads, &usage);
	trace_thread_gone(thread, process->internal->status);
	process_add_threads(process, -1);
	if (process->internal->n_threads == 0) {
		process->internal->state = PROCESS_EXITING;
		process->internal->was_large = process_is_large(process);
		process_leave(process);
		/* What it has shared does not change when its parent knows of its end. */
		if (!direct_views_await(process)) {
			process_transfers_are_over(process);
		}
	}
}

void process_transfers_are_over(struct process *process)
{
	if (process->internal->was_large) {
		process_await_memory(process);
	} else {
		process_become_zombie(process);
	}
}

void process_memory_is_back(struct process *process)
{
	process_become_zombie(process);
}

/* ---- requests -------------------------------------------------------------------------------- */

int64_t posix_exit_thread(struct request *request)
{
	struct process *process = request->process;
	uint32_t signal = (uint32_t)request->args[1] & 0x7f;
	uint32_t status = signal != 0 ? signal : ((uint32_t)request->args[0] & 0xff) << 8;

	if (list_first(&process->threads) == list_last(&process->threads)) {
		process_exit(process, status);
		return REQUEST_NO_REPLY;
	}
	thread_kill(request->thread);
	process_check_stopped(process);
	return REQUEST_NO_REPLY;
}

int64_t posix_exit_group(struct request *request)
{
	process_exit(request->process, (uint32_t)request->args[0] & 0xffff);
	return REQUEST_NO_REPLY;
}
