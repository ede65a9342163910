/* SPDX-License-Identifier: MIT */
/*
 * Out of memory.
 *
 * Programs may map more than there is, as on Linux, so memory can end while one of them touches a
 * page. The kernel waits for what is being written back; if that does not help it stops the thread
 * and tells posix, which ends one process: the one that gives back most, weighed by what was
 * written to oom_score_adj. The thread tries again when that memory is back. So does everybody
 * else who is stopped meanwhile, and only if that was not enough is the next process chosen.
 *
 *	stopped --- nobody is being ended ---> a victim is chosen --- is it itself ---> dies
 *	   |                                                   |
 *	   +--- somebody is ------------------> waiting <------+ no
 *	                                           |
 *	                                           +--- the victim is gone ---> runs, tries again
 *
 * If there is nobody to be ended, but init and what may not be, they try again from time to time:
 * servers have memory, too, and may give some of it back.
 */
#include <abi/linux/errno.h>
#include <helix/log.h>
#include <helix/start.h>
#include <posix/server/file/file.h>
#include <posix/server/process/oom.h>
#include <posix/server/signal/signal.h>
#include <posix/server/time/time.h>
#include <posix/server/turn.h>

static struct list waiting = LIST_INIT(waiting); /* struct thread_internal.oom_node */
static struct process *victim; /* is being ended; NULL: nobody */

constexpr uint64_t RETRY_NS = 100'000'000;

static void try_again(struct timer *timer);

static struct timer retry = { .fire = try_again }; /* there was no victim */

static uint64_t total_pages(void)
{
	struct hel_kernel_stats stats = { 0 };

	(void)kernel_stats_get(&stats);
	return stats.memory_total_bytes / HEL_PAGE_SIZE;
}

/*
 * What its end gives back, in pages, plus oom_score_adj thousandths of the memory; false: it may
 * not be ended for that.
 */
static bool badness(const struct process *process, uint64_t n_total, int64_t *out_points)
{
	const struct process_internal *internal = process->internal;
	struct hel_account_info info;

	if (internal->oom_adjustment == OOM_ADJUST_MIN || internal->universe == HEL_NULL ||
		hel_universe_account(internal->universe, &info) != 0) {
		return false;
	}
	uint64_t n_bytes = info.used.kernel_bytes;

	if (process->files != NULL) {
		n_bytes += fd_table_held_bytes(process->files);
	}

	*out_points = (int64_t)(info.used.n_pages + n_bytes / HEL_PAGE_SIZE) +
		internal->oom_adjustment * (int64_t)n_total / OOM_ADJUST_MAX;
	return true;
}

static struct process *choose(void)
{
	uint64_t n_total = total_pages();
	struct process *worst = NULL;
	int64_t worst_points = 0;

	for (struct process *process = process_first(); process != NULL;
		process = process_next(process)) {
		int64_t points;

		if (!process_is_alive(process) || process == process_init() ||
			!badness(process, n_total, &points)) {
			continue;
		}
		if (worst == NULL || points > worst_points) {
			worst = process;
			worst_points = points;
		}
	}
	return worst;
}

uint32_t oom_score(const struct process *process)
{
	uint64_t n_total = total_pages();
	int64_t points;

	if (n_total == 0 || !badness(process, n_total, &points)) {
		return 0;
	}
	/* as Linux prints it: from 0 to 1,333, an ordinary small program has 666 */
	points = (OOM_ADJUST_MAX + points * OOM_ADJUST_MAX / (int64_t)n_total) * 2 / 3;
	return points < 0 ? 0 : (uint32_t)points;
}

int64_t process_set_oom_adjustment(
	struct process *process, const struct process *writer, int64_t value)
{
	struct process_internal *internal = process->internal;

	if (value < OOM_ADJUST_MIN || value > OOM_ADJUST_MAX) {
		return -LINUX_EINVAL;
	}
	if (value < internal->oom_adjustment_min && !process_has(writer, LINUX_CAP_SYS_RESOURCE)) {
		return -LINUX_EACCES;
	}
	if (process_has(writer, LINUX_CAP_SYS_RESOURCE)) {
		internal->oom_adjustment_min = (int)value;
	}
	internal->oom_adjustment = (int)value;
	return 0;
}

static void resume_all(void)
{
	struct thread_internal *internal;

	while ((internal = LIST_POP_FRONT(&waiting, struct thread_internal, oom_node)) != NULL) {
		(void)!hel_thread_resume(internal->thread);
	}
}

static void try_again(struct timer *timer)
{
	(void)timer;
	resume_all();
}

static void end_somebody(void)
{
	static bool was_told;

	victim = choose();
	if (victim != NULL) {
		helix_log(HEL_LOG_WARNING, "out of memory: process %u (%s) is killed", victim->pid,
			victim->comm);
		process_exit(victim, LINUX_SIGKILL);
		return;
	}
	if (!was_told) {
		helix_log(HEL_LOG_WARNING, "out of memory, and no process may be killed");
		was_told = true;
	}
	if (!timer_is_armed(&retry)) {
		timer_arm(posix_loop(), &retry, clock_monotonic_ns() + RETRY_NS);
	}
}

void oom_thread_stopped(struct thread *thread)
{
	if (victim == NULL) {
		end_somebody();
	}
	if (!thread->internal->is_dying) {
		list_push_back(&waiting, &thread->internal->oom_node);
	}
}

void oom_thread_dies(struct thread *thread)
{
	list_remove(&thread->internal->oom_node);
}

void oom_process_ended(const struct process *process)
{
	if (process == victim) {
		victim = NULL;
		resume_all();
	}
}
