/* SPDX-License-Identifier: MIT */
/*
 * Numbers of threads, processes, groups and sessions: one table, because they share one space.
 *
 * A number is free when nobody of the four has it. Numbers are given out in rising order and start
 * over at the end, as Linux does, so that a number is not soon given again. Only the part of the
 * table that was ever used takes memory.
 */
#include <posix/server/process/process-internal.h>

constexpr uint32_t PID_FIRST_AGAIN = 300; /* where numbers go on after the highest */

struct pid_entry {
	struct thread *thread;
	uint32_t n_ending; /* threads that had it and are not gone: their locks may still name it */
	struct process *process;
	struct process_group *group;
	struct session *session;
};

static struct pid_entry pids[PID_MAX];
static uint32_t last_pid;

static bool is_free(uint32_t pid)
{
	const struct pid_entry *entry = &pids[pid];

	return entry->thread == NULL && entry->n_ending == 0 && entry->process == NULL &&
		entry->group == NULL && entry->session == NULL;
}

uint32_t pid_allocate(void)
{
	uint32_t pid = last_pid;

	for (uint32_t n_tried = 0; n_tried < PID_MAX; n_tried++) {
		pid = pid + 1 < PID_MAX ? pid + 1 : PID_FIRST_AGAIN;
		if (is_free(pid)) {
			last_pid = pid;
			return pid;
		}
	}
	return 0;
}

void pid_set_thread(uint32_t pid, struct thread *thread)
{
	pids[pid].thread = thread;
}

void pid_count_ending(uint32_t pid, int n)
{
	pids[pid].n_ending += (uint32_t)n;
}

bool pid_has_thread(uint32_t pid)
{
	return pid < PID_MAX && (pids[pid].thread != NULL || pids[pid].n_ending != 0);
}

void pid_set_process(uint32_t pid, struct process *process)
{
	pids[pid].process = process;
}

void pid_set_group(uint32_t pid, struct process_group *group)
{
	pids[pid].group = group;
}

void pid_set_session(uint32_t pid, struct session *session)
{
	pids[pid].session = session;
}

uint32_t pid_last(void)
{
	return last_pid;
}

struct thread *thread_find(uint32_t tid)
{
	return tid < PID_MAX ? pids[tid].thread : NULL;
}

struct process *process_find(uint32_t pid)
{
	return pid < PID_MAX ? pids[pid].process : NULL;
}

struct process_group *process_group_find(uint32_t pgid)
{
	return pgid < PID_MAX ? pids[pgid].group : NULL;
}

struct session *session_find(uint32_t sid)
{
	return sid < PID_MAX ? pids[sid].session : NULL;
}
