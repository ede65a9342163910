/* SPDX-License-Identifier: MIT */
/* A loop for tests on the host: see test-loop.h. */
#include <async/task.h>
#include <async/test-loop.h>
#include <base/errors.h>

#include <stdlib.h>
#include <sys/mman.h>

/* AddressSanitizer makes frames several times as large as they are in the guest. */
#define TEST_STACK_SLOT_SIZE (128 * 1024)

static struct test_loop *test_loop_of(struct async_platform *platform)
{
	return container_of(platform, struct test_loop, platform);
}

static uint64_t test_now_ns(struct async_platform *platform)
{
	return test_loop_of(platform)->now_ns;
}

static bool test_wait(struct async_platform *platform, uint64_t deadline_ns)
{
	struct test_loop *test_loop = test_loop_of(platform);

	if (deadline_ns == ASYNC_NO_DEADLINE) {
		return false;
	}
	test_loop->now_ns = max_u64(test_loop->now_ns, deadline_ns);
	return true;
}

static int test_map_stacks(UNUSED struct async_platform *platform, struct async_stacks *stacks)
{
	void *base = mmap(NULL, stacks->n_slots * stacks->slot_size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED) {
		return -ERR_NO_MEMORY;
	}
	stacks->base = base;
	for (size_t i = 0; i < stacks->n_slots; i++) {
		uint8_t *guard = stacks->base + i * stacks->slot_size;

		if (mprotect(guard, stacks->guard_size, PROT_NONE) != 0) {
			return -ERR_NO_MEMORY;
		}
	}
	return 0;
}

static void test_unmap_stacks(UNUSED struct async_platform *platform, struct async_stacks *stacks)
{
	munmap(stacks->base, stacks->n_slots * stacks->slot_size);
}

static const struct async_platform_ops test_platform_ops = {
	.now_ns = test_now_ns,
	.wait = test_wait,
	.map_stacks = test_map_stacks,
	.unmap_stacks = test_unmap_stacks,
};

static struct op *test_pick_ready(struct loop *loop, struct list *ready)
{
	struct test_loop *test_loop = container_of(loop, struct test_loop, loop);
	struct list_node *node = list_first(ready);

	for (uint64_t n = random_below(&test_loop->random, list_size(ready)); n > 0; n--) {
		node = list_next(ready, node);
	}
	return container_of(node, struct op, node);
}

static void test_task_suspends(struct loop *loop, struct task *task)
{
	struct test_loop *test_loop = container_of(loop, struct test_loop, loop);

	if (test_loop->cancel_one_in != 0 &&
		random_chance(&test_loop->random, test_loop->cancel_one_in)) {
		test_loop->n_injected++;
		scope_cancel(&task->root, -ERR_CANCELLED);
	}
}

static const struct loop_test_hooks test_hooks = {
	.pick_ready = test_pick_ready,
	.task_suspends = test_task_suspends,
};

void test_loop_init(struct test_loop *test_loop, const struct test_loop_options *options)
{
	size_t n_tasks_max = options->n_tasks_max != 0 ? options->n_tasks_max : 64;

	*test_loop = (struct test_loop){
		.platform.ops = &test_platform_ops,
		.now_ns = 1000000000,
		.cancel_one_in = options->cancel_one_in,
	};
	random_init(&test_loop->random, options->seed);
	test_loop->config = (struct loop_config){
		.platform = &test_loop->platform,
		.tasks = calloc(n_tasks_max, sizeof(struct task)),
		.fibers = calloc(n_tasks_max + 1, sizeof(struct fiber)),
		.n_tasks_max = n_tasks_max,
		.stack_slot_size = TEST_STACK_SLOT_SIZE,
		.test_hooks = options->seed != 0 ? &test_hooks : NULL,
	};
	if (loop_init(&test_loop->loop, &test_loop->config) != 0) {
		abort();
	}
}

void test_loop_deinit(struct test_loop *test_loop)
{
	loop_deinit(&test_loop->loop);
	free(test_loop->config.tasks);
	free(test_loop->config.fibers);
}

void test_loop_run(struct test_loop *test_loop)
{
	loop_run(&test_loop->loop);
}
