/* SPDX-License-Identifier: MIT */
/* What the files of lib/async share among themselves. */
#ifndef ASYNC_LOOP_INTERNAL_H
#define ASYNC_LOOP_INTERNAL_H

#include <async/task.h>

/** LOOP_TURNS_MAX - so often a busy loop looks for new events */
#define LOOP_TURNS_MAX 64

/* Take the next finished operation off the ready list; NULL if there is none. */
struct op *loop__take_ready(struct loop *loop);

/* Call done(). */
void loop__deliver(struct op *op);

/* Prepare the fiber slots; none exists yet. */
void fiber__init(struct loop *loop, const struct loop_config *config);

/*
 * An idle fiber, off the idle list; there is always one (see loop.h). It continues with loop turns.
 */
struct fiber *fiber__take_idle(struct loop *loop);

/* Continue @to; returns when somebody continues the calling fiber. */
void fiber__switch(struct loop *loop, struct fiber *to);

/* The code of every fiber, never returns: arrive and turn. Defined by the loop. */
void loop__fiber_main(void *loop);

/* Prepare the task pool. */
void task__init(struct loop *loop, const struct loop_config *config);

/* Start or resume a task; the last thing a turn does. */
void task__continue(struct task *task);

/* The done() of all operations that tasks wait for. */
void task__op_done(struct op *op);

/* A new task, off the free list, to be made runnable; NULL if there is none. */
struct task *task__create(struct loop *loop, const char *name, task_fn run, void *argument);

/* Let another turn go on until task__wake(). */
void task__suspend(struct task *task, const char *what);

/* The suspended task can go on. */
void task__wake(struct task *task);

/* Ask everything that a suspended task waits for to finish. */
void task__cancel_wait(struct task *task);

/* Link a scope below @parent, which may be NULL, and inherit its fate. */
void scope__init(struct scope *scope, struct task *task, struct scope *parent, bool is_shield);

/* A task spawned in @scope has ended. */
void scope__task_ended(struct scope *scope, int result);

#endif
