/* SPDX-License-Identifier: MIT */
/*
 * Fuzz of tasks and scopes: random trees of tasks that sleep, lock, race and shield themselves, in
 * random order, cancelled at random waits. Whatever happens, everything ends, every lock is free
 * again, and a shielded cleanup is never cut short.
 */
#include <async/sync.h>
#include <async/task.h>
#include <async/test-loop.h>
#include <base/errors.h>
#include <base/testing.h>

#define MS          1000000ull
#define N_TASKS_MAX 48
#define N_JOBS      24
#define DEPTH_MAX   3

struct fuzz {
	struct random random;
	struct mutex mutex;
	struct semaphore semaphore;
	struct wait_queue queue;
	int n_inside_mutex;
	int n_inside_semaphore;
	int n_alive;
	int n_steps;
	int n_shielded;
};

struct node {
	struct fuzz *fuzz;
	int depth;
};

static struct test_loop test_loop;

static uint64_t soon(struct fuzz *fuzz, struct task *task)
{
	return task_now_ns(task) + random_below(&fuzz->random, 5) * MS;
}

static int step_sleep(struct task *task, struct node *node)
{
	return task_sleep_until(task, soon(node->fuzz, task));
}

static int step_lock(struct task *task, struct node *node)
{
	struct fuzz *fuzz = node->fuzz;
	int error = mutex_lock(task, &fuzz->mutex);

	if (error != 0) {
		return error;
	}
	CHECK_EQ(++fuzz->n_inside_mutex, 1);
	error = step_sleep(task, node);
	fuzz->n_inside_mutex--;
	mutex_unlock(&fuzz->mutex);
	return error;
}

static int step_semaphore(struct task *task, struct node *node)
{
	struct fuzz *fuzz = node->fuzz;
	int error = semaphore_down(task, &fuzz->semaphore);

	if (error != 0) {
		return error;
	}
	CHECK(++fuzz->n_inside_semaphore <= 2);
	error = task_yield(task);
	fuzz->n_inside_semaphore--;
	semaphore_up(&fuzz->semaphore);
	return error;
}

/* Race a timer against a wake-up that may never come. */
static int step_race(struct task *task, struct node *node)
{
	struct wait_op wait;
	struct timer_op timer;
	struct op *ops[] = { &wait.op, &timer.op };

	wait_op_init(&wait, &node->fuzz->queue);
	timer_op_init(&timer, soon(node->fuzz, task));
	int first = await_any(task, ops, 2);

	CHECK(!op_is_pending(&wait.op) && !op_is_pending(&timer.op));
	CHECK(!timer_is_armed(&timer.timer));
	return first < 0 ? first : 0;
}

static int step_all(struct task *task, struct node *node)
{
	struct timer_op timers[3];
	struct op *ops[3];

	for (size_t i = 0; i < 3; i++) {
		timer_op_init(&timers[i], soon(node->fuzz, task));
		ops[i] = &timers[i].op;
	}
	return await_all(task, ops, 3);
}

static int step_wake(UNUSED struct task *task, struct node *node)
{
	wait_queue_wake(&node->fuzz->queue);
	return 0;
}

static int step_timeout(struct task *task, struct node *node)
{
	struct wait_op wait;

	wait_op_init(&wait, &node->fuzz->queue);
	int error = await_until(task, &wait.op, soon(node->fuzz, task));

	return error == -ERR_TIMED_OUT && task_check(task) == 0 ? 0 : error;
}

/* Cleanup that waits must get through whatever happens outside. */
static int step_shield(struct task *task, struct node *node)
{
	struct scope shield;

	node->fuzz->n_shielded++;
	scope_begin_shield(task, &shield);
	CHECK_EQ(step_lock(task, node), 0);
	CHECK_EQ(step_sleep(task, node), 0);
	CHECK_EQ(scope_join(&shield), 0);
	node->fuzz->n_shielded--;
	return task_check(task);
}

static int node_run(struct task *task, void *argument);

/* Children in a scope, perhaps with a deadline; at times their failure is contained here. */
static int step_spawn(struct task *task, struct node *node)
{
	struct node child = { .fuzz = node->fuzz, .depth = node->depth + 1 };
	struct scope scope;

	if (node->depth == DEPTH_MAX) {
		return 0;
	}
	scope_begin(task, &scope);
	if (random_chance(&node->fuzz->random, 3)) {
		scope_set_deadline(&scope, soon(node->fuzz, task));
	}
	for (uint64_t n = random_between(&node->fuzz->random, 1, 3); n > 0; n--) {
		scope_spawn(&scope, "child", node_run, &child);
	}
	int error = step_sleep(task, node);

	if (random_chance(&node->fuzz->random, 4)) {
		scope_cancel(&scope, -ERR_KICKED);
	}
	int join_error = scope_join(&scope);

	CHECK(error == 0 || join_error != 0);
	return random_chance(&node->fuzz->random, 2) ? join_error : task_check(task);
}

static int node_run(struct task *task, void *argument)
{
	static int (*const steps[])(struct task *task, struct node *node) = {
		step_sleep,
		step_lock,
		step_semaphore,
		step_race,
		step_all,
		step_wake,
		step_timeout,
		step_shield,
		step_spawn,
		step_spawn,
	};
	struct node *node = argument;
	struct fuzz *fuzz = node->fuzz;
	int error = 0;

	fuzz->n_alive++;
	for (uint64_t n = random_between(&fuzz->random, 1, 6); n > 0 && error == 0; n--) {
		fuzz->n_steps++;
		error = steps[random_below(&fuzz->random, ARRAY_SIZE(steps))](task, node);
	}
	if (error == 0 && random_chance(&fuzz->random, 20)) {
		error = -ERR_IO;
	}
	fuzz->n_alive--;
	return error;
}

static void fuzz_once(uint64_t seed, bool is_disordered, uint64_t cancel_one_in)
{
	struct fuzz fuzz = { 0 };
	struct node root = { .fuzz = &fuzz };
	struct job jobs[N_JOBS];

	test_loop_init(&test_loop,
		&(struct test_loop_options){
			.seed = is_disordered ? seed : 0,
			.n_tasks_max = N_TASKS_MAX,
			.cancel_one_in = cancel_one_in,
		});
	random_init(&fuzz.random, seed);
	mutex_init(&fuzz.mutex);
	semaphore_init(&fuzz.semaphore, 2);
	wait_queue_init(&fuzz.queue);
	for (size_t i = 0; i < N_JOBS; i++) {
		job_init(&jobs[i], "root", node_run, &root);
		job_submit(&test_loop.loop, &jobs[i]);
	}
	test_loop_run(&test_loop);
	CHECK_EQ(fuzz.n_alive, 0);
	CHECK_EQ(fuzz.n_shielded, 0);
	CHECK(fuzz.n_steps >= N_JOBS);
	CHECK(mutex_try_lock(&fuzz.mutex));
	CHECK_EQ(fuzz.semaphore.n_units, 2);
	CHECK(wait_queue_is_empty(&fuzz.queue));
	CHECK(wait_queue_is_empty(&fuzz.mutex.waiters));
	CHECK_EQ(test_loop.loop.n_tasks_free, N_TASKS_MAX);
	CHECK(list_is_empty(&test_loop.loop.ready));
	CHECK(test_loop.loop.timers.first == NULL);
	test_loop_deinit(&test_loop);
}

TEST(trees_of_tasks)
{
	uint64_t seed = test_seed(1);

	for (uint64_t round = 0; round < 300; round++) {
		fuzz_once(seed + round, true, round % 3 == 0 ? 0 : 3 * (round % 7) + 2);
	}
}

/* In FIFO order tasks hand over to each other directly. */
TEST(trees_of_tasks_with_handoffs)
{
	uint64_t seed = test_seed(1);

	for (uint64_t round = 0; round < 100; round++) {
		fuzz_once(seed + round, false, 0);
	}
	CHECK(test_loop.loop.statistics.n_handoffs > 0);
}

TEST_MAIN()
