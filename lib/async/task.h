/* SPDX-License-Identifier: MIT */
/*
 * Tasks and scopes: asynchronous control flow that reads like plain C.
 *
 * A task is a function that may suspend. Whatever may suspend takes `struct task *task` as its
 * first parameter; without one, nobody can wait. Between two awaits nothing else runs on this loop,
 * so data of one loop needs no locks. Tasks are for waits that our own machinery bounds (disks,
 * other servers, locks) and limited in number; waits of any length are requests (request.h).
 *
 * Scopes give tasks structure: every task runs in a tree of scopes, and
 * - a scope ends after all tasks spawned in it (scope_join() waits for them, always);
 * - the first failure of a spawned task cancels the scope;
 * - cancelling a scope cancels what its subtree waits for and lets every further await in it fail
 *   at once with the reason, except inside a shield (for cleanup that has to wait).
 *
 *	struct scope scope;
 *
 *	scope_begin(task, &scope);
 *	scope_spawn(&scope, "irq", port_irq_loop, port);
 *	scope_spawn(&scope, "submit", port_submit_loop, port);
 *	return scope_join(&scope);
 *
 * Invariant: operations awaited by a task may live on its stack, because every await returns only
 * after all operations given to it have finished, losers and cancelled ones included.
 *
 * Stacks are small: no recursion in tasks, no large arrays on the stack.
 */
#ifndef ASYNC_TASK_H
#define ASYNC_TASK_H

#include <async/loop.h>

struct job;

/** task_fn - the code of a task; returns 0 or -ERR_X */
typedef int (*task_fn)(struct task *task, void *argument);

struct scope {
	struct task *task;        /* that began it, and runs in it */
	struct scope *parent;     /* NULL for a job's outermost one */
	struct list children;     /* scopes inside this one, of this task and of spawned ones */
	struct list_node sibling;
	int error;                /* why it is cancelled, 0 while it is not */
	bool is_shield;
	bool is_joining;
	uint32_t n_tasks;         /* spawned and not ended */
	struct timer deadline;
};

enum wait_mode {
	WAIT_ALL, /* a failure cancels the others */
	WAIT_ANY, /* the first to finish cancels the others */
};

struct task {
	struct loop *loop;
	const char *name;
	task_fn run;
	void *argument;
	uint64_t trace_id;
	struct scope *scope; /* the innermost */
	struct scope root;   /* the outermost */
	struct job *job;     /* NULL if spawned */
	struct fiber *fiber; /* NULL before it first runs */
	struct list_node node;     /* on `runnable` or `free_tasks` */
	struct list_node all_node; /* on `tasks` */

	/* What it waits for while suspended. */
	struct {
		struct op **ops;
		size_t n_ops;
		size_t n_pending;
		struct op *first; /* to finish (ANY) or to fail (ALL) */
		enum wait_mode mode;
		uint64_t since_ns;
		const char *what; /* set when it waits without an operation, for dumps */
	} wait;
};

/* ---- waiting --------------------------------------------------------------------------------- */

/**
 * await() - start an operation and wait for it
 * @op: initialised; finished on return, or never started if the scope is cancelled
 *
 * Returns at once if the operation finishes inline.
 * Return: the operation's result; the reason if the scope is cancelled and the operation not done.
 */
int await(struct task *task, struct op *op);

/** await_until() - await(), cancelled with -ERR_TIMED_OUT when @deadline_ns has come first */
int await_until(struct task *task, struct op *op, uint64_t deadline_ns);

/**
 * await_any() - start operations and wait for the first to finish; the others are cancelled and
 * joined
 * @ops: not empty; all are finished (or never started, with error -ERR_CANCELLED) on return
 *
 * A loser may have succeeded, too: look at its error where its result must not be lost.
 * Return: the index of the first, whatever its error; or the reason if the scope was cancelled.
 */
int await_any(struct task *task, struct op **ops, size_t n_ops);

/**
 * await_all() - start operations and wait for all; 0 or the first error, which cancels the others
 */
int await_all(struct task *task, struct op **ops, size_t n_ops);

/** task_sleep_until() - wait for a time; 0, or the reason if the scope is cancelled */
int task_sleep_until(struct task *task, uint64_t deadline_ns);

/** task_yield() - let everything else that is ready run first; 0, or the reason of a cancel */
int task_yield(struct task *task);

/** task_check() - 0, or the reason if the scope is cancelled; for long computations */
static inline int task_check(const struct task *task)
{
	return task->scope->error;
}

/** task_now_ns() - monotonic time */
static inline uint64_t task_now_ns(const struct task *task)
{
	return loop_now_ns(task->loop);
}

/* ---- scopes ---------------------------------------------------------------------------------- */

/** scope_begin() - open a scope inside the current one; scope_join() must end it */
void scope_begin(struct task *task, struct scope *scope);

/** scope_begin_shield() - same, but what happens to the scopes around it does not cancel it */
void scope_begin_shield(struct task *task, struct scope *scope);

/** scope_set_deadline() - cancel the scope with -ERR_TIMED_OUT when @deadline_ns has come */
void scope_set_deadline(struct scope *scope, uint64_t deadline_ns);

/**
 * scope_spawn() - run a function as a child task in the scope
 * @name: static string, for dumps
 *
 * It starts in a later turn of the loop. Without a free task the scope fails with -ERR_NO_MEMORY,
 * as if the child had: scope_join() reports it.
 */
void scope_spawn(struct scope *scope, const char *name, task_fn run, void *argument);

/**
 * scope_cancel() - cancel everything in the scope
 * @reason: -ERR_X; the first reason stays
 *
 * Context: the loop's thread, any code. Suspends: no.
 */
void scope_cancel(struct scope *scope, int reason);

/**
 * scope_join() - wait for the scope's tasks and end the scope
 * @scope: the innermost of the calling task
 *
 * Return: 0, or why the scope was cancelled (the first failure of a child, a deadline, ...).
 */
int scope_join(struct scope *scope);

/* ---- jobs: tasks that nobody waits for ------------------------------------------------------- */

/*
 * A job enters a loop from outside, typically embedded in a request. It starts when a task is free;
 * some tasks are kept for scope_spawn(), so that running jobs can finish. The job's memory is its
 * own again when `run` is called; job->task lets others cancel it until the function returns.
 */
struct job {
	const char *name;
	task_fn run;
	void *argument;
	uint64_t trace_id;
	struct task *task; /* while it runs */
	int cancel_reason; /* given before it ran */
	struct list_node node; /* on the inbox */
};

/** job_init() - prepare a job */
static inline void job_init(struct job *job, const char *name, task_fn run, void *argument)
{
	*job = (struct job){ .name = name, .run = run, .argument = argument };
}

/**
 * job_submit() - run @job as a task, directly from the loop, as soon as a task is free
 * @job: borrowed until its function returns, or until the function releases it: then it must set
 *	task->job to NULL first
 */
void job_submit(struct loop *loop, struct job *job);

/** job_cancel() - cancel the scope that the job runs or will run in; it still runs to its end */
void job_cancel(struct job *job, int reason);

#endif
