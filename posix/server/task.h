/* SPDX-License-Identifier: MIT */
/*
 * Tasks of requests: waiting for another server in the middle of a handler.
 *
 * A handler is an attempt that runs to its end (request.h). What a file system on a disk has to ask
 * its server cannot be had in an attempt, so its hooks ask for a task first:
 *
 *	hook: request_task() is NULL -> returns REQUEST_TASK, having done nothing
 *	  ... which everybody returns on the way out, as any other error
 *	dispatcher: calls the handler again, from its start, in a task of the loop
 *	hook: request_task() is the task -> request_pause(), calls that suspend, request_resume()
 *
 * So all that is cached is answered without a task, and a handler that needs one reads like any
 * other. What differs: between request_pause() and request_resume() everything else in posix runs.
 * Whoever calls a hook of an inode whose super is SUPER_WAITS holds references to what it uses
 * afterwards, and looks again at what others may have changed; who changes names holds the
 * directory's lock (vfs/lock.h).
 *
 * A request in a task is not interrupted by signals, and outlives its process: its thread is
 * freed when it has ended. A handler may still park when its task is over: it returns REQUEST_PARK.
 *
 * The system's own work that opens or changes files (mounting, what svrctl asks) runs in jobs, by
 * task_run_own(): request_task() is theirs then.
 */
#ifndef POSIX_TASK_H
#define POSIX_TASK_H

#include <posix/server/request.h>

struct task;
struct job;

/* what a hook returns that needs a task and has none */
constexpr int64_t REQUEST_TASK = INT64_MIN + 2;

/** request_task() - the task that the running handler may suspend, NULL: none */
struct task *request_task(void);

/* What is put aside while a task is suspended. */
struct request_pause {
	struct request *running;
	struct task *task;
};

/** request_pause() - the running task is about to suspend: the turn is others' */
void request_pause(struct request_pause *out_pause);

/** request_resume() - it goes on */
void request_resume(const struct request_pause *pause);

/**
 * task_run_own() - call a function of the system's own with request_task() set
 * @task: that of a job on posix_loop()
 *
 * Return: what @run returns.
 */
int64_t task_run_own(struct task *task, int64_t (*run)(void *context), void *context);

#endif
