/* SPDX-License-Identifier: MIT */
/*
 * The loop: one per thread, it owns everything that waits there.
 *
 * A turn does one thing: run one task that can run, else deliver one finished operation, else
 * collect events from the platform, sleeping until the next timer. The loop is *lent*: it has no
 * stack of its own but runs on a pooled fiber and calls a new task's function directly. A task that
 * never blocks costs a plain call. When it blocks, its fiber stays with it and another idle fiber
 * goes on with the turns; when the task is resumed, the fiber that ran the loop goes idle, and when
 * the task's function returns, its fiber is the one that runs the loop.
 *
 *      fiber 1   turn, turn, [task A ... blocks]                    [A goes on, ends] turn, turn
 *      fiber 2                  turn, turn, [task B, ends] turn, wake A | idle
 *
 * So all state of the loop is in `struct loop`, none on a stack, and resuming a task is the last
 * thing that a turn does. With `n_tasks_max` tasks there are n_tasks_max + 1 fibers: one can always
 * deliver completions, whatever the tasks wait for.
 */
#ifndef ASYNC_LOOP_H
#define ASYNC_LOOP_H

#include <async/op.h>
#include <async/platform.h>
#include <async/timer.h>
#include <base/format.h>

struct fiber;
struct task;

/* A stack and where it stands; switch.h switches between them. */
struct fiber {
	void *stack_pointer; /* while it does not run */
	uint8_t *stack_base;
	size_t stack_size;
	void *sanitizer_stack; /* AddressSanitizer's shadow of this stack, host builds only */
	struct list_node node; /* on the loop's idle list */
};

/* Decisions that only a test loop takes; see test-loop.h. */
struct loop_test_hooks {
	/* Choose which of the ready operations is delivered next. */
	struct op *(*pick_ready)(struct loop *loop, struct list *ready);
	/* @task is about to suspend: a chance to cancel it. */
	void (*task_suspends)(struct loop *loop, struct task *task);
};

struct loop_config {
	struct async_platform *platform; /* borrowed until loop_deinit() */
	/* Memory for n_tasks_max tasks and n_tasks_max + 1 fibers, borrowed until loop_deinit(). */
	struct task *tasks;
	struct fiber *fibers;
	size_t n_tasks_max;
	size_t stack_slot_size; /* 0: ASYNC_STACK_SLOT_SIZE */
	const struct loop_test_hooks *test_hooks; /* NULL outside tests */
};

/** ASYNC_STACK_SLOT_SIZE - usual size of a stack with its guard; normally one page is resident */
#define ASYNC_STACK_SLOT_SIZE  (16 * 1024)
/** ASYNC_STACK_GUARD_SIZE - bytes at the end of each stack that fault */
#define ASYNC_STACK_GUARD_SIZE (4 * 1024)

struct loop {
	struct async_platform *platform;
	const struct loop_test_hooks *test_hooks;
	struct list ready; /* operations to deliver */
	struct list runnable; /* tasks to start or resume */
	struct timer_heap timers;
	uint64_t now_ns; /* when events were last collected */
	bool is_stopping;
	uint32_t n_turns_since_wait; /* for events */

	/* tasks; see task.h */
	struct task *running; /* the task whose code runs, NULL in the loop's own code */
	struct list free_tasks;
	struct list tasks; /* all that are not free */
	struct list inbox; /* jobs that wait for a free task */
	size_t n_tasks_max;
	size_t n_tasks_free;

	/* fibers */
	struct fiber *current;
	struct fiber *previous; /* that switched to `current` */
	struct fiber main; /* the stack that called loop_run() */
	struct fiber *fibers;
	size_t n_fibers_created;
	struct list idle_fibers;
	struct async_stacks stacks;

	struct {
		uint64_t n_switches;
		uint64_t n_handoffs; /* switches from task to task */
		uint64_t n_suspends;
		uint64_t n_inbox_waits;
		size_t n_tasks_peak;
	} statistics;
};

/**
 * loop_init() - make a loop ready to run
 * @loop: caller's storage
 *
 * Return: 0 or an error of the platform's map_stacks.
 */
MUST_USE int loop_init(struct loop *loop, const struct loop_config *config);

/** loop_deinit() - release the stacks; no task may be alive */
void loop_deinit(struct loop *loop);

/** loop_run() - turn until loop_stop() is called or no event can come any more */
void loop_run(struct loop *loop);

/** loop_stop() - let loop_run() return after this turn */
void loop_stop(struct loop *loop);

/**
 * loop_serve() - fire the timers that are due and deliver what has finished
 *
 * For a loop whose thread waits and lets the caller do so. Tasks go on when it does.
 */
void loop_serve(struct loop *loop);

/** loop_now_ns() - the monotonic time, read from the platform */
static inline uint64_t loop_now_ns(const struct loop *loop)
{
	return loop->platform->ops->now_ns(loop->platform);
}

/** loop_dump_tasks() - one line per task: its name and what it waits for since when */
void loop_dump_tasks(const struct loop *loop, format_sink_fn sink, void *context);

#endif
