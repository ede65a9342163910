/* SPDX-License-Identifier: MIT */
/*
 * Process groups and sessions: job control's books, and the calls that change them.
 *
 * A group lives while it has members, a session while it has groups. A group is *orphaned* when no
 * member has a parent outside the group but in the same session: nobody could continue it, so it
 * must not be stopped by the terminal, and stopped members are sent SIGHUP and SIGCONT at the
 * moment it happens.
 */
#include <helix/memory.h>
#include <posix/server/file/handlers.h>
#include <posix/server/signal/signal.h>

/* ---- lifetimes ------------------------------------------------------------------------------- */

struct session *session_create(uint32_t sid)
{
	struct session *session = helix_calloc(1, sizeof(*session));

	if (session == NULL) {
		return NULL;
	}
	session->sid = sid;
	session->references = 1;
	list_init(&session->groups);
	pid_set_session(sid, session);
	return session;
}

static void session_unref(struct session *session)
{
	if (--session->references != 0) {
		return;
	}
	pid_set_session(session->sid, NULL);
	helix_free(session);
}

struct process_group *process_group_create(uint32_t pgid, struct session *session)
{
	struct process_group *group = helix_calloc(1, sizeof(*group));

	if (group == NULL) {
		return NULL;
	}
	group->pgid = pgid;
	group->references = 1;
	group->session = session;
	session->references++;
	list_push_back(&session->groups, &group->session_node);
	list_init(&group->members);
	pid_set_group(pgid, group);
	return group;
}

void process_group_unref(struct process_group *group)
{
	if (--group->references != 0) {
		return;
	}
	pid_set_group(group->pgid, NULL);
	list_remove(&group->session_node);
	session_unref(group->session);
	helix_free(group);
}

void process_group_join(struct process_group *group, struct process *process)
{
	group->references++;
	process->group = group;
	list_push_back(&group->members, &process->group_node);
	group->n_stopping += process->internal->is_stopping;
}

void process_group_leave(struct process *process)
{
	struct process_group *group = process->group;

	process->group = NULL;
	list_remove(&process->group_node);
	group->n_stopping -= process->internal->is_stopping;
	process_group_unref(group);
}

void process_set_stopping(struct process *process, bool is_stopping)
{
	if (process->group != NULL) {
		process->group->n_stopping -= process->internal->is_stopping;
		process->group->n_stopping += is_stopping;
	}
	process->internal->is_stopping = is_stopping;
}

void session_set_tty(struct session *session, struct tty *tty)
{
	session->tty = tty;
}

/* ---- orphans --------------------------------------------------------------------------------- */

static bool anchors_group(const struct process *member, const struct process_group *group)
{
	const struct process *parent = member->parent;

	return member->internal->state != PROCESS_ZOMBIE && parent != NULL &&
		parent->group != group && parent->group->session == group->session &&
		parent != process_init();
}

/* As if @leaver were not a member and had no children. */
static bool is_orphaned_without(const struct process_group *group, const struct process *leaver)
{
	LIST_FOR_EACH(member, &group->members, struct process, group_node) {
		if (member != leaver && member->parent != leaver && anchors_group(member, group)) {
			return false;
		}
	}
	return true;
}

bool process_group_is_orphaned(const struct process_group *group)
{
	return is_orphaned_without(group, NULL);
}

static void rouse_if_orphaned(struct process_group *group, const struct process *leaver)
{
	if (group->n_stopping == 0 || !is_orphaned_without(group, leaver)) {
		return;
	}
	signal_send_group(
		group, &(struct signal_info){ .signal = LINUX_SIGHUP, .code = LINUX_SI_KERNEL });
	signal_send_group(
		group, &(struct signal_info){ .signal = LINUX_SIGCONT, .code = LINUX_SI_KERNEL });
}

void process_group_check_orphans(struct process *leaver)
{
	const struct process_group *last = NULL;

	LIST_FOR_EACH(child, &leaver->internal->children, struct process_internal, sibling_node) {
		struct process *process = process_of(child);

		if (process->group != NULL && process->group != last &&
			process->group != leaver->group &&
			process->group->session == leaver->group->session) {
			last = process->group; /* children are mostly in few groups */
			rouse_if_orphaned(process->group, leaver);
		}
	}
	/* only if its group had a parent outside by it; else that was orphaned before */
	if (leaver->parent != NULL && leaver->parent->group != leaver->group &&
		leaver->parent->group->session == leaver->group->session) {
		rouse_if_orphaned(leaver->group, leaver);
	}
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int64_t check_setpgid(const struct process *caller, const struct process *target)
{
	if (target != caller) {
		if (target->parent != caller) {
			return -LINUX_ESRCH;
		}
		if (target->group->session != caller->group->session) {
			return -LINUX_EPERM;
		}
		if (target->internal->has_executed) {
			return -LINUX_EACCES;
		}
	}
	/* A session leader stays in its group. */
	return target->group->session->sid == target->pid ? -LINUX_EPERM : 0;
}

int64_t posix_setpgid(struct request *request)
{
	struct process *caller = request->process, *target = caller;
	uint32_t pid = (uint32_t)request->args[0], pgid = (uint32_t)request->args[1];
	struct process_group *group;
	int64_t error;

	if ((int32_t)pid < 0 || (int32_t)pgid < 0) {
		return -LINUX_EINVAL;
	}
	if (pid != 0) {
		target = process_find(pid);
	}
	if (target == NULL || !process_is_alive(target)) {
		return -LINUX_ESRCH;
	}
	error = check_setpgid(caller, target);
	if (error != 0) {
		return error;
	}
	pgid = pgid != 0 ? pgid : target->pid;
	group = process_group_find(pgid);
	if (group == target->group) {
		return 0;
	}
	if (group != NULL) {
		if (group->session != target->group->session) {
			return -LINUX_EPERM;
		}
		group->references++;
	} else {
		if (pgid != target->pid) {
			return -LINUX_EPERM;
		}
		group = process_group_create(pgid, target->group->session);
		if (group == NULL) {
			return -LINUX_ENOMEM;
		}
	}
	process_group_leave(target);
	process_group_join(group, target);
	process_group_unref(group);
	return 0;
}

static const struct process *process_or_self(const struct request *request)
{
	uint32_t pid = (uint32_t)request->args[0];
	const struct process *process = pid == 0 ? request->process : process_find(pid);

	return process != NULL && process->group != NULL ? process : NULL;
}

int64_t posix_getpgid(struct request *request)
{
	const struct process *process = process_or_self(request);

	return process != NULL ? (int64_t)process->group->pgid : -LINUX_ESRCH;
}

int64_t posix_getpgrp(struct request *request)
{
	return request->process->group->pgid;
}

int64_t posix_getsid(struct request *request)
{
	const struct process *process = process_or_self(request);

	return process != NULL ? (int64_t)process->group->session->sid : -LINUX_ESRCH;
}

int64_t posix_setsid(struct request *request)
{
	struct process *process = request->process;
	struct session *session;
	struct process_group *group;

	if (process_group_find(process->pid) != NULL) {
		return -LINUX_EPERM;
	}
	session = session_create(process->pid);
	if (session == NULL) {
		return -LINUX_ENOMEM;
	}
	group = process_group_create(process->pid, session);
	session_unref(session);
	if (group == NULL) {
		return -LINUX_ENOMEM;
	}
	process_group_leave(process);
	process_group_join(group, process);
	process_group_unref(group);
	return process->pid;
}
