/* SPDX-License-Identifier: MIT */
/* The loop: see loop.h. */
#include <async/loop-internal.h>
#include <async/sanitizer.h>
#include <base/assert.h>

int loop_init(struct loop *loop, const struct loop_config *config)
{
	*loop = (struct loop){
		.platform = config->platform,
		.test_hooks = config->test_hooks,
	};
	list_init(&loop->ready);
	list_init(&loop->runnable);
	task__init(loop, config);
	fiber__init(loop, config);
	loop->now_ns = loop_now_ns(loop);
	return loop->platform->ops->map_stacks(loop->platform, &loop->stacks);
}

void loop_deinit(struct loop *loop)
{
	ASSERT(list_is_empty(&loop->tasks));
	ASSERT(loop->current == &loop->main);
	loop->platform->ops->unmap_stacks(loop->platform, &loop->stacks);
}

struct op *loop__take_ready(struct loop *loop)
{
	struct op *op;

	if (list_is_empty(&loop->ready)) {
		return NULL;
	}
	if (loop->test_hooks != NULL) {
		op = loop->test_hooks->pick_ready(loop, &loop->ready);
	} else {
		op = LIST_FIRST(&loop->ready, struct op, node);
	}
	list_remove(&op->node);
	return op;
}

void loop__deliver(struct op *op)
{
	ASSERT(op->state == OP_STATE_POSTED);
	op->state = OP_STATE_FINISHED;
	op->done(op);
}

static void loop_fire_timers(struct loop *loop)
{
	struct timer *timer = loop->timers.first;

	while (timer != NULL && timer->deadline_ns <= loop->now_ns) {
		timer_heap_remove(&loop->timers, timer);
		timer->fire(timer);
		timer = loop->timers.first;
	}
}

void loop_serve(struct loop *loop)
{
	loop->now_ns = loop_now_ns(loop);
	loop_fire_timers(loop);
	for (struct op *op = loop__take_ready(loop); op != NULL; op = loop__take_ready(loop)) {
		loop__deliver(op);
	}
}

/* Collect events and expired timers; wait for some if nothing else is to be done. */
static void loop_collect(struct loop *loop, bool can_wait)
{
	const struct timer *first = loop->timers.first;
	uint64_t deadline_ns = first != NULL ? first->deadline_ns : ASYNC_NO_DEADLINE;

	loop->n_turns_since_wait = 0;
	if (!loop->platform->ops->wait(loop->platform, can_wait ? deadline_ns : 0) && can_wait) {
		loop->is_stopping = true;
	}
	loop->now_ns = loop_now_ns(loop);
	loop_fire_timers(loop);
}

/* One turn; see loop.h. After continuing a task nothing may follow: years may have passed. */
static void loop_turn(struct loop *loop)
{
	if (++loop->n_turns_since_wait >= LOOP_TURNS_MAX) {
		loop_collect(loop, false);
	}
	struct task *task = LIST_POP_FRONT(&loop->runnable, struct task, node);

	if (task != NULL) {
		task__continue(task);
		return;
	}
	struct op *op = loop__take_ready(loop);

	if (op != NULL) {
		loop__deliver(op);
	} else {
		loop_collect(loop, true);
	}
}

void loop__fiber_main(void *argument)
{
	struct loop *loop = argument;

	sanitizer_arrive(loop->current, loop->previous);
	for (;;) {
		if (loop->is_stopping) {
			list_push_front(&loop->idle_fibers, &loop->current->node);
			fiber__switch(loop, &loop->main);
		} else {
			loop_turn(loop);
		}
	}
}

void loop_run(struct loop *loop)
{
	ASSERT(loop->current == &loop->main);
	loop->is_stopping = false;
	fiber__switch(loop, fiber__take_idle(loop));
}

void loop_stop(struct loop *loop)
{
	loop->is_stopping = true;
}

static const char *loop_task_activity(const struct loop *loop, const struct task *task)
{
	if (task == loop->running) {
		return "running";
	}
	if (task->wait.n_ops > 0) {
		return task->wait.ops[0]->class->name;
	}
	return task->wait.what != NULL ? task->wait.what : "ready";
}

void loop_dump_tasks(const struct loop *loop, format_sink_fn sink, void *context)
{
	uint64_t now_ns = loop_now_ns(loop);

	LIST_FOR_EACH(task, &loop->tasks, struct task, all_node) {
		format_sink_text(sink, context, "%s: %s (%zu) for %llu ms, trace %llx%s\n",
			task->name, loop_task_activity(loop, task), task->wait.n_ops,
			(unsigned long long)(now_ns - task->wait.since_ns) / 1000000,
			(unsigned long long)task->trace_id,
			task->scope->error != 0 ? ", cancelled" : "");
	}
}
