/* SPDX-License-Identifier: MIT */
/* Tests of tasks and scopes: awaiting, racing, cancelling, shields, deadlines, spawning, jobs. */
#include <async/sync.h>
#include <async/task.h>
#include <async/test-loop.h>
#include <base/errors.h>
#include <base/format.h>
#include <base/testing.h>

#define MS 1000000ull

static struct test_loop test_loop;

/* Run one function as a job on a fresh loop until nothing happens any more. */
static void run_with(task_fn run, void *argument, const struct test_loop_options *options)
{
	struct job job;

	test_loop_init(&test_loop, options);
	job_init(&job, "test", run, argument);
	job_submit(&test_loop.loop, &job);
	test_loop_run(&test_loop);
	CHECK(job.task == NULL);
	test_loop_deinit(&test_loop);
}

static void run(task_fn run_task, void *argument)
{
	run_with(run_task, argument, &(struct test_loop_options){ 0 });
}

static uint64_t elapsed_ms(struct task *task)
{
	return (task_now_ns(task) - 1000000000) / MS;
}

static int sleep_ms(struct task *task, uint64_t n_ms)
{
	return task_sleep_until(task, task_now_ns(task) + n_ms * MS);
}

/* An operation that finishes inline with op->error chosen beforehand. */
struct inline_op {
	struct op op;
	int result;
};

static enum op_result inline_start(struct op *op)
{
	return op_finish_inline(op, container_of(op, struct inline_op, op)->result);
}

static const struct op_class inline_class = { .name = "inline", .start = inline_start };

static void inline_op_init(struct inline_op *inline_op, int result)
{
	op_init(&inline_op->op, &inline_class);
	inline_op->result = result;
}

static int inline_is_direct(struct task *task, void *argument)
{
	struct inline_op op;
	int error = 0;

	for (int i = 0; i < 10; i++) {
		inline_op_init(&op, -i);
		error += await(task, &op.op);
	}
	*(int *)argument = error;
	return 0;
}

TEST(inline_operations_never_switch)
{
	int sum;

	run(inline_is_direct, &sum);
	CHECK_EQ(sum, -45);
	CHECK_EQ(test_loop.loop.statistics.n_switches, 2); /* into the loop and out of it */
	CHECK_EQ(test_loop.loop.n_fibers_created, 1);
}

static int stack_is_aligned(struct task *task, UNUSED void *argument)
{
	ALIGNED(16) volatile uint8_t local[16];
	volatile uintptr_t address = (uintptr_t)local;

	CHECK_EQ(address % 16, 0);
	CHECK_EQ((uintptr_t)__builtin_frame_address(0) % 16, 0);
	return sleep_ms(task, 1);
}

TEST(stacks_are_aligned)
{
	run(stack_is_aligned, NULL);
}

static int sleeps_in_virtual_time(struct task *task, UNUSED void *argument)
{
	CHECK_EQ(sleep_ms(task, 3600 * 1000), 0);
	CHECK_EQ(elapsed_ms(task), 3600 * 1000);
	CHECK_EQ(task_sleep_until(task, 5), 0);
	CHECK_EQ(elapsed_ms(task), 3600 * 1000);
	return 0;
}

TEST(sleep)
{
	run(sleeps_in_virtual_time, NULL);
}

static int race(struct task *task, UNUSED void *argument)
{
	struct timer_op timers[3];
	struct op *ops[3];

	for (uint64_t i = 0; i < 3; i++) {
		timer_op_init(&timers[i], task_now_ns(task) + (3 - i) * MS);
		ops[i] = &timers[i].op;
	}
	CHECK_EQ(await_any(task, ops, 3), 2);
	CHECK_EQ(elapsed_ms(task), 1);
	CHECK_EQ(timers[2].op.error, 0);
	CHECK_EQ(timers[0].op.error, -ERR_CANCELLED);
	CHECK_EQ(timers[1].op.error, -ERR_CANCELLED);
	CHECK(!timer_is_armed(&timers[0].timer));
	return 0;
}

TEST(await_any_joins_the_losers)
{
	run(race, NULL);
}

static int race_inline(struct task *task, UNUSED void *argument)
{
	struct timer_op timers[2];
	struct inline_op winner;
	struct op *ops[3] = { &timers[0].op, &winner.op, &timers[1].op };

	timer_op_init(&timers[0], task_now_ns(task) + MS);
	timer_op_init(&timers[1], task_now_ns(task) + MS);
	inline_op_init(&winner, -ERR_IO);
	CHECK_EQ(await_any(task, ops, 3), 1);
	CHECK_EQ(winner.op.error, -ERR_IO);
	CHECK_EQ(timers[1].op.error, -ERR_CANCELLED);
	CHECK_EQ(elapsed_ms(task), 0);
	return 0;
}

TEST(await_any_with_an_inline_winner)
{
	run(race_inline, NULL);
}

static int wait_for_all(struct task *task, UNUSED void *argument)
{
	struct timer_op timers[2];
	struct inline_op failing;
	struct op *ops[3] = { &timers[0].op, &timers[1].op, &failing.op };

	timer_op_init(&timers[0], task_now_ns(task) + 2 * MS);
	timer_op_init(&timers[1], task_now_ns(task) + MS);
	CHECK_EQ(await_all(task, ops, 2), 0);
	CHECK_EQ(elapsed_ms(task), 2);
	timer_op_init(&timers[0], task_now_ns(task) + 2 * MS);
	timer_op_init(&timers[1], task_now_ns(task) + MS);
	inline_op_init(&failing, -ERR_NO_SPACE);
	CHECK_EQ(await_all(task, ops, 3), -ERR_NO_SPACE);
	CHECK_EQ(elapsed_ms(task), 2);
	CHECK_EQ(await_all(task, ops, 0), 0);
	return 0;
}

TEST(await_all_and_first_error)
{
	run(wait_for_all, NULL);
}

static int time_out(struct task *task, UNUSED void *argument)
{
	struct wait_queue queue;
	struct wait_op wait;
	struct timer_op timer;

	wait_queue_init(&queue);
	wait_op_init(&wait, &queue);
	CHECK_EQ(await_until(task, &wait.op, task_now_ns(task) + 5 * MS), -ERR_TIMED_OUT);
	CHECK_EQ(elapsed_ms(task), 5);
	CHECK(wait_queue_is_empty(&queue));
	timer_op_init(&timer, task_now_ns(task) + MS);
	CHECK_EQ(await_until(task, &timer.op, task_now_ns(task) + 2 * MS), 0);
	CHECK_EQ(elapsed_ms(task), 6);
	return 0;
}

TEST(await_until_times_out)
{
	run(time_out, NULL);
}

static int child_sleeps(struct task *task, void *argument)
{
	return sleep_ms(task, *(uint64_t *)argument);
}

static int child_fails(struct task *task, UNUSED void *argument)
{
	int error = sleep_ms(task, 2);

	return error != 0 ? error : -ERR_IO;
}

static int spawn_and_join(struct task *task, UNUSED void *argument)
{
	struct scope scope;
	uint64_t delays[3] = { 3, 1, 2 };

	scope_begin(task, &scope);
	for (size_t i = 0; i < 3; i++) {
		scope_spawn(&scope, "child", child_sleeps, &delays[i]);
	}
	CHECK_EQ(scope_join(&scope), 0);
	CHECK_EQ(elapsed_ms(task), 3);

	uint64_t forever = 1000000;

	scope_begin(task, &scope);
	scope_spawn(&scope, "forever", child_sleeps, &forever);
	scope_spawn(&scope, "failing", child_fails, NULL);
	CHECK_EQ(scope_join(&scope), -ERR_IO);
	CHECK_EQ(elapsed_ms(task), 5);
	CHECK_EQ(task_check(task), 0);
	return 0;
}

TEST(first_failure_cancels_siblings)
{
	run(spawn_and_join, NULL);
}

static int deadline_on_scope(struct task *task, UNUSED void *argument)
{
	struct scope outer;
	struct scope inner;
	uint64_t forever = 1000000;

	scope_begin(task, &outer);
	scope_set_deadline(&outer, task_now_ns(task) + 7 * MS);
	scope_begin(task, &inner);
	scope_spawn(&inner, "child", child_sleeps, &forever);
	CHECK_EQ(sleep_ms(task, 100), -ERR_TIMED_OUT);
	CHECK_EQ(elapsed_ms(task), 7);
	CHECK_EQ(sleep_ms(task, 100), -ERR_TIMED_OUT);
	CHECK_EQ(scope_join(&inner), -ERR_TIMED_OUT);
	CHECK_EQ(elapsed_ms(task), 7);
	CHECK_EQ(scope_join(&outer), -ERR_TIMED_OUT);
	CHECK_EQ(sleep_ms(task, 1), 0);
	return 0;
}

TEST(deadline_reaches_the_whole_subtree)
{
	run(deadline_on_scope, NULL);
}

static int shielded(struct task *task, UNUSED void *argument)
{
	struct scope outer;
	struct scope shield;
	struct scope inside;

	scope_begin(task, &outer);
	scope_set_deadline(&outer, task_now_ns(task) + MS);
	scope_begin_shield(task, &shield);
	CHECK_EQ(sleep_ms(task, 10), 0);
	CHECK_EQ(outer.error, -ERR_TIMED_OUT);
	scope_begin(task, &inside);
	CHECK_EQ(sleep_ms(task, 10), 0);
	CHECK_EQ(scope_join(&inside), 0);
	scope_cancel(&shield, -ERR_KICKED);
	CHECK_EQ(sleep_ms(task, 10), -ERR_KICKED);
	CHECK_EQ(scope_join(&shield), -ERR_KICKED);
	CHECK_EQ(sleep_ms(task, 10), -ERR_TIMED_OUT);
	CHECK_EQ(scope_join(&outer), -ERR_TIMED_OUT);
	CHECK_EQ(elapsed_ms(task), 20);
	return 0;
}

TEST(shield_holds_off_outer_cancels)
{
	run(shielded, NULL);
}

static int spawn_too_many(struct task *task, UNUSED void *argument)
{
	struct scope scope;
	uint64_t forever = 1000000;

	scope_begin(task, &scope);
	for (int i = 0; i < 8; i++) {
		scope_spawn(&scope, "child", child_sleeps, &forever);
	}
	CHECK_EQ(scope_join(&scope), -ERR_NO_MEMORY);
	return 0;
}

TEST(spawning_without_a_free_task_fails_the_scope)
{
	run_with(spawn_too_many, NULL, &(struct test_loop_options){ .n_tasks_max = 8 });
}

struct numbered_job {
	struct job job;
	int *order;
	int number;
};

static int note_order(struct task *task, void *argument)
{
	struct numbered_job *numbered = argument;
	int error = sleep_ms(task, 1);

	if (numbered->number == 5) {
		CHECK_EQ(error, -ERR_KICKED);
	} else {
		CHECK_EQ(error, 0);
	}
	*numbered->order = *numbered->order * 10 + numbered->number;
	return 0;
}

TEST(jobs_wait_in_the_inbox)
{
	struct numbered_job jobs[7];
	int order = 0;

	test_loop_init(&test_loop, &(struct test_loop_options){ .n_tasks_max = 2 });
	for (int i = 0; i < 7; i++) {
		jobs[i] = (struct numbered_job){ .order = &order, .number = i + 1 };
		job_init(&jobs[i].job, "numbered", note_order, &jobs[i]);
		job_submit(&test_loop.loop, &jobs[i].job);
	}
	job_cancel(&jobs[4].job, -ERR_KICKED);
	test_loop_run(&test_loop);
	CHECK_EQ(test_loop.loop.statistics.n_inbox_waits, 5);
	CHECK_EQ(test_loop.loop.statistics.n_tasks_peak, 2);
	CHECK_EQ(test_loop.loop.n_fibers_created, 3);
	CHECK_EQ(order, 1235467); /* the cancelled one does not sleep */
	test_loop_deinit(&test_loop);
}

static int yields(struct task *task, void *argument)
{
	int *counter = argument;

	for (int i = 0; i < 100; i++) {
		++*counter;
		CHECK_EQ(task_yield(task), 0);
	}
	return 0;
}

static int ping_pong(struct task *task, UNUSED void *argument)
{
	struct scope scope;
	int counter = 0;

	scope_begin(task, &scope);
	scope_spawn(&scope, "ping", yields, &counter);
	scope_spawn(&scope, "pong", yields, &counter);
	CHECK_EQ(scope_join(&scope), 0);
	CHECK_EQ(counter, 200);
	return 0;
}

TEST(yielding_tasks_hand_over_directly)
{
	run(ping_pong, NULL);
	CHECK(test_loop.loop.statistics.n_handoffs > 150);
}

struct lock_test {
	struct mutex mutex;
	struct semaphore semaphore;
	int n_inside;
	int n_rounds;
};

static int locker(struct task *task, void *argument)
{
	struct lock_test *test = argument;

	for (int i = 0; i < 10; i++) {
		int error = mutex_lock(task, &test->mutex);

		if (error != 0) {
			return error;
		}
		CHECK_EQ(++test->n_inside, 1);
		error = sleep_ms(task, 1);
		test->n_inside--;
		test->n_rounds++;
		mutex_unlock(&test->mutex);
		if (error != 0) {
			return error;
		}
	}
	return 0;
}

static int mutual_exclusion(struct task *task, UNUSED void *argument)
{
	struct lock_test test = { 0 };
	struct scope scope;

	mutex_init(&test.mutex);
	scope_begin(task, &scope);
	for (int i = 0; i < 5; i++) {
		scope_spawn(&scope, "locker", locker, &test);
	}
	CHECK_EQ(scope_join(&scope), 0);
	CHECK_EQ(test.n_rounds, 50);
	CHECK(mutex_try_lock(&test.mutex));
	CHECK(!mutex_try_lock(&test.mutex));
	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + MS);
	CHECK_EQ(mutex_lock(task, &test.mutex), -ERR_TIMED_OUT);
	CHECK_EQ(scope_join(&scope), -ERR_TIMED_OUT);
	mutex_unlock(&test.mutex);
	CHECK(mutex_try_lock(&test.mutex));
	return 0;
}

TEST(mutex_excludes)
{
	run(mutual_exclusion, NULL);
}

static int worker(struct task *task, void *argument)
{
	struct lock_test *test = argument;
	int error = semaphore_down(task, &test->semaphore);

	if (error != 0) {
		return error;
	}
	CHECK(++test->n_inside <= 3);
	error = sleep_ms(task, 1);
	test->n_inside--;
	test->n_rounds++;
	semaphore_up(&test->semaphore);
	return error;
}

static int limited(struct task *task, UNUSED void *argument)
{
	struct lock_test test = { 0 };
	struct scope scope;

	semaphore_init(&test.semaphore, 3);
	scope_begin(task, &scope);
	for (int i = 0; i < 12; i++) {
		scope_spawn(&scope, "worker", worker, &test);
	}
	CHECK_EQ(scope_join(&scope), 0);
	CHECK_EQ(test.n_rounds, 12);
	CHECK_EQ(elapsed_ms(task), 4);
	CHECK_EQ(test.semaphore.n_units, 3);
	return 0;
}

TEST(semaphore_limits)
{
	run(limited, NULL);
}

static int stops_loop(struct task *task, void *argument)
{
	int *n_steps = argument;

	++*n_steps;
	loop_stop(task->loop);
	CHECK_EQ(sleep_ms(task, 1), 0);
	++*n_steps;
	return 0;
}

TEST(loop_can_be_stopped_and_run_again)
{
	struct job job;
	int n_steps = 0;

	test_loop_init(&test_loop, &(struct test_loop_options){ 0 });
	job_init(&job, "stopper", stops_loop, &n_steps);
	job_submit(&test_loop.loop, &job);
	test_loop_run(&test_loop);
	CHECK_EQ(n_steps, 1);
	test_loop_run(&test_loop);
	CHECK_EQ(n_steps, 2);
	test_loop_deinit(&test_loop);
}

static char dump[1024];

static void dump_sink(UNUSED void *context, const char *text, size_t size)
{
	strncat(dump, text, size);
}

static int dumps(struct task *task, UNUSED void *argument)
{
	struct scope scope;
	uint64_t delay = 50;

	scope_begin(task, &scope);
	scope_spawn(&scope, "sleeper", child_sleeps, &delay);
	CHECK_EQ(sleep_ms(task, 20), 0);
	loop_dump_tasks(task->loop, dump_sink, NULL);
	return scope_join(&scope);
}

TEST(dump_tells_who_waits_for_what)
{
	run(dumps, NULL);
	CHECK(strstr(dump, "test: running") != NULL);
	CHECK(strstr(dump, "sleeper: timer (1) for 20 ms") != NULL);
}

TEST(double_completion_is_caught)
{
	struct timer_op timer;

	test_loop_init(&test_loop, &(struct test_loop_options){ 0 });
	timer_op_init(&timer, 1);
	CHECK_EQ(op_start(&timer.op, &test_loop.loop, NULL, NULL), OP_DONE);
	CHECK_ASSERTS(op_complete(&timer.op, 0));
	test_loop_deinit(&test_loop);
}

TEST_MAIN()
