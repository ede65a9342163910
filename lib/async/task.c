/* SPDX-License-Identifier: MIT */
/*
 * Tasks: their life, suspending and resuming, and the awaits: see task.h.
 *
 * A task is on `runnable` exactly between being created or woken and being continued. It is woken
 * by the last of the operations it waits for, or by the last child it joins.
 */
#include <async/loop-internal.h>
#include <base/assert.h>
#include <base/errors.h>

/* ---- the pool and the inbox ------------------------------------------------------------------ */

void task__init(struct loop *loop, const struct loop_config *config)
{
	list_init(&loop->free_tasks);
	list_init(&loop->tasks);
	list_init(&loop->inbox);
	loop->n_tasks_max = config->n_tasks_max;
	loop->n_tasks_free = config->n_tasks_max;
	for (size_t i = 0; i < config->n_tasks_max; i++) {
		list_push_back(&loop->free_tasks, &config->tasks[i].node);
	}
}

struct task *task__create(struct loop *loop, const char *name, task_fn run, void *argument)
{
	struct task *task = LIST_POP_FRONT(&loop->free_tasks, struct task, node);

	if (task == NULL) {
		return NULL;
	}
	*task = (struct task){
		.loop = loop,
		.name = name,
		.run = run,
		.argument = argument,
		.wait.since_ns = loop->now_ns,
	};
	loop->n_tasks_free--;
	if (loop->statistics.n_tasks_peak < loop->n_tasks_max - loop->n_tasks_free) {
		loop->statistics.n_tasks_peak = loop->n_tasks_max - loop->n_tasks_free;
	}
	list_push_back(&loop->tasks, &task->all_node);
	return task;
}

static void task_free(struct task *task)
{
	struct loop *loop = task->loop;

	list_remove(&task->all_node);
	list_push_front(&loop->free_tasks, &task->node);
	loop->n_tasks_free++;
}

/* Start jobs from the inbox as long as enough tasks are left for spawning. */
static void task_admit_jobs(struct loop *loop)
{
	while (!list_is_empty(&loop->inbox) && loop->n_tasks_free > loop->n_tasks_max / 8) {
		struct job *job = LIST_POP_FRONT(&loop->inbox, struct job, node);
		struct task *task = task__create(loop, job->name, job->run, job->argument);

		job->task = task;
		task->job = job;
		task->trace_id = job->trace_id;
		scope__init(&task->root, task, NULL, false);
		task->root.error = job->cancel_reason;
		task->scope = &task->root;
		task__wake(task);
	}
}

void job_submit(struct loop *loop, struct job *job)
{
	list_push_back(&loop->inbox, &job->node);
	task_admit_jobs(loop);
	if (job->task == NULL) {
		loop->statistics.n_inbox_waits++;
	}
}

void job_cancel(struct job *job, int reason)
{
	if (job->task != NULL) {
		scope_cancel(&job->task->root, reason);
	} else if (job->cancel_reason == 0) {
		job->cancel_reason = reason;
	}
}

/* ---- running --------------------------------------------------------------------------------- */

/*
 * Run a new task on the current fiber, to its end; meanwhile the loop may have moved elsewhere and
 * back.
 */
static void task_run(struct task *task)
{
	struct loop *loop = task->loop;

	task->fiber = loop->current;
	loop->running = task;
	int result = task->run(task, task->argument);

	ASSERT(loop->running == task);
	ASSERT(task->scope == &task->root);
	ASSERT(task->root.n_tasks == 0);
	loop->running = NULL;
	struct scope *parent = task->root.parent;

	timer_disarm(loop, &task->root.deadline);
	list_remove(&task->root.sibling);
	if (task->job != NULL) {
		task->job->task = NULL;
	}
	task_free(task);
	if (parent != NULL) {
		scope__task_ended(parent, result);
	}
	task_admit_jobs(loop);
}

void task__continue(struct task *task)
{
	struct loop *loop = task->loop;

	if (task->fiber == NULL) {
		task_run(task);
		return;
	}
	loop->running = task;
	list_push_front(&loop->idle_fibers, &loop->current->node);
	fiber__switch(loop, task->fiber);
}

void task__wake(struct task *task)
{
	list_push_back(&task->loop->runnable, &task->node);
}

/*
 * The task to switch to directly instead of going through a loop turn, off the runnable list; or
 * NULL. Only wake-ups at the head of the ready list are looked at, so that the order stays FIFO.
 */
static struct task *task_take_handoff(struct loop *loop)
{
	if (loop->is_stopping || loop->test_hooks != NULL ||
		++loop->n_turns_since_wait >= LOOP_TURNS_MAX) {
		return NULL;
	}
	while (list_is_empty(&loop->runnable) && !list_is_empty(&loop->ready) &&
		LIST_FIRST(&loop->ready, struct op, node)->done == task__op_done) {
		loop__deliver(loop__take_ready(loop));
	}
	struct task *task = LIST_FIRST(&loop->runnable, struct task, node);

	if (task == NULL || task->fiber == NULL) {
		return NULL;
	}
	list_remove(&task->node);
	return task;
}

void task__suspend(struct task *task, const char *what)
{
	struct loop *loop = task->loop;

	ASSERT(loop->running == task);
	task->wait.what = what;
	task->wait.since_ns = loop->now_ns;
	loop->statistics.n_suspends++;
	if (loop->test_hooks != NULL) {
		loop->test_hooks->task_suspends(loop, task);
	}
	loop->running = NULL;
	struct task *next = task_take_handoff(loop);

	if (next != NULL) {
		loop->running = next;
		loop->statistics.n_handoffs += next != task;
	}
	if (next != task) {
		fiber__switch(loop, next != NULL ? next->fiber : fiber__take_idle(loop));
	}
	ASSERT(loop->running == task);
	task->wait.what = NULL;
}

/* ---- awaiting -------------------------------------------------------------------------------- */

void task__cancel_wait(struct task *task)
{
	for (size_t i = 0; i < task->wait.n_ops; i++) {
		op_cancel(task->wait.ops[i]);
	}
}

/* One of the operations has finished: does that decide the wait? */
static void task_note_finished(struct task *task, struct op *op)
{
	if (task->wait.first != NULL || (task->wait.mode == WAIT_ALL && op->error == 0)) {
		return;
	}
	task->wait.first = op;
	task__cancel_wait(task);
}

void task__op_done(struct op *op)
{
	struct task *task = op->owner;

	task->wait.n_pending--;
	task_note_finished(task, op);
	if (task->wait.n_pending == 0) {
		task__wake(task);
	}
}

/* Mark an operation as cancelled without having been started. */
static void task_skip_op(struct op *op, int error)
{
	op->error = error;
	op->state = OP_STATE_FINISHED;
}

/* Suspend until all operations of the current wait have finished. */
static void task_wait(struct task *task)
{
	if (task->scope->error != 0) {
		task__cancel_wait(task);
	}
	if (task->wait.n_pending > 0) {
		task__suspend(task, NULL);
	}
	ASSERT(task->wait.n_pending == 0);
	task->wait.n_ops = 0;
}

/* The error to report for an operation: a cancel carries the scope's reason. */
static int task_error(const struct task *task, int error)
{
	return error == -ERR_CANCELLED && task->scope->error != 0 ? task->scope->error : error;
}

int await(struct task *task, struct op *op)
{
	ASSERT(task->loop->running == task);
	if (unlikely(task->scope->error != 0)) {
		task_skip_op(op, task->scope->error);
		return task->scope->error;
	}
	if (likely(op_start(op, task->loop, task__op_done, task) == OP_DONE)) {
		return op->error;
	}
	task->wait.ops = &op;
	task->wait.n_ops = 1;
	task->wait.n_pending = 1;
	task->wait.first = NULL;
	task->wait.mode = WAIT_ALL;
	task_wait(task);
	return task_error(task, op->error);
}

/* Start several operations and wait for all of them; the mode says when the rest is cancelled. */
static void task_await_many(struct task *task, struct op **ops, size_t n_ops, enum wait_mode mode)
{
	ASSERT(task->loop->running == task);
	task->wait.ops = ops;
	task->wait.n_ops = n_ops;
	task->wait.n_pending = 0;
	task->wait.first = NULL;
	task->wait.mode = mode;
	for (size_t i = 0; i < n_ops; i++) {
		if (task->wait.first != NULL || task->scope->error != 0) {
			task_skip_op(ops[i], -ERR_CANCELLED);
			task_note_finished(task, ops[i]);
		} else if (op_start(ops[i], task->loop, task__op_done, task) == OP_PENDING) {
			task->wait.n_pending++;
		} else {
			task_note_finished(task, ops[i]);
		}
	}
	task_wait(task);
}

int await_any(struct task *task, struct op **ops, size_t n_ops)
{
	ASSERT(n_ops > 0);
	task_await_many(task, ops, n_ops, WAIT_ANY);
	const struct op *first = task->wait.first;

	if (task_error(task, first->error) != first->error) {
		return task->scope->error;
	}
	size_t index = 0;

	while (ops[index] != first) {
		index++;
	}
	return (int)index;
}

int await_all(struct task *task, struct op **ops, size_t n_ops)
{
	task_await_many(task, ops, n_ops, WAIT_ALL);
	return task->wait.first != NULL ? task_error(task, task->wait.first->error) : 0;
}

struct await_deadline {
	struct timer timer;
	struct op *op;
	bool has_fired;
};

static void await_deadline_fire(struct timer *timer)
{
	struct await_deadline *deadline = container_of(timer, struct await_deadline, timer);

	deadline->has_fired = true;
	op_cancel(deadline->op);
}

int await_until(struct task *task, struct op *op, uint64_t deadline_ns)
{
	struct await_deadline deadline = { .op = op };

	timer_init(&deadline.timer, await_deadline_fire);
	timer_arm(task->loop, &deadline.timer, deadline_ns);
	int error = await(task, op);

	timer_disarm(task->loop, &deadline.timer);
	return error == -ERR_CANCELLED && deadline.has_fired ? -ERR_TIMED_OUT : error;
}

int task_sleep_until(struct task *task, uint64_t deadline_ns)
{
	struct timer_op timer;

	timer_op_init(&timer, deadline_ns);
	return await(task, &timer.op);
}

static enum op_result yield_start(struct op *op)
{
	op_complete(op, 0);
	return OP_PENDING;
}

static const struct op_class yield_class = { .name = "yield", .start = yield_start };

int task_yield(struct task *task)
{
	struct op op;

	op_init(&op, &yield_class);
	return await(task, &op);
}
