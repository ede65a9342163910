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
 * Descriptors stay what they were: what fd_table_get() gives to a handler in a task is held until
 * that ends, and the process keeps its tables, memory and threads' state as long. An exec waits
 * for the tasks of the threads that it is going to end (process/exec.c).
 *
 * The system's own work that opens or changes files (mounting, what svrctl asks) runs in jobs, by
 * task_run_own(): request_task() is theirs then.
 */
#ifndef POSIX_TASK_H
#define POSIX_TASK_H

#include <posix/server/request.h>

struct task;
struct file;

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
 * task_wait_on() - suspend the running task until @queue is woken; only where request_task() is one
 *
 * The queue must not go while somebody waits on it.
 */
void task_wait_on(struct wait_queue *queue);

/**
 * task_run_own() - call a function of the system's own with request_task() set
 * @task: that of a job on posix_loop()
 *
 * Return: what @run returns.
 */
int64_t task_run_own(struct task *task, int64_t (*run)(void *context), void *context);

/* ---- for the dispatcher ---------------------------------------------------------------------- */

struct request_task;

/**
 * request_begin_task() - have the handler called in a task, which then concludes the request
 *
 * Return: 0, -LINUX_ENOMEM.
 */
int64_t request_begin_task(struct request *request);

/** task_hold_file() - keep a file until the running task ends; false: no memory */
bool task_hold_file(struct file *file);

#endif
