/* SPDX-License-Identifier: MIT */
/* When memory ends: oom.c. */
#ifndef POSIX_OOM_H
#define POSIX_OOM_H

#include <posix/server/process/process-internal.h>

/* What oom_score_adj may be; the least of them: never end this process. */
constexpr int OOM_ADJUST_MIN = -1000;
constexpr int OOM_ADJUST_MAX = 1000;

/** oom_thread_stopped() - the kernel stopped @thread, for want of a page; ends who may be ended */
void oom_thread_stopped(struct thread *thread);
/** oom_thread_dies() - it need not be resumed any more; harmless if it was not stopped */
void oom_thread_dies(struct thread *thread);
/** oom_process_ended() - the memory of @process is back */
void oom_process_ended(const struct process *process);
/** oom_score() - for /proc: how likely it is to be chosen */
uint32_t oom_score(const struct process *process);

#endif
