/* SPDX-License-Identifier: MIT */
/* Fakes for unit tests: see fakes.h. */
#include <posix/server/tests/fakes.h>
#include <posix/server/time/time.h>

#include <async/loop.h>
#include <async/test-loop.h>
#include <helix/memory.h>
#include <malloc.h>
#include <stdlib.h>

uint64_t fake_now_ns = 1000000000;
int64_t fake_realtime_offset_ns;
size_t fake_n_blocks, fake_n_bytes;
size_t fake_fail_allocation;
uint64_t fake_n_steps;

/* Weak: fuzzers bring their own. */
[[gnu::weak, clang::no_sanitize("coverage")]] void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
	fake_n_steps++;
}

static struct loop loop;
static struct test_loop *tasks; /* NULL: requests have none */

void fake_have_tasks(struct test_loop *test_loop)
{
	tasks = test_loop;
	turn_first.loop = posix_loop();
}

struct loop *posix_loop(void)
{
	if (tasks != NULL) {
		return &tasks->loop;
	}
	if (loop.ready.head.next == NULL) {
		list_init(&loop.ready);
		list_init(&loop.runnable);
	}
	return &loop;
}

bool helix_has_threads;
struct turn turn_first = { .loop = &loop, .ready = LIST_INIT(turn_first.ready) };

struct turn *turn__of_thread(void)
{
	return &turn_first;
}

void turn__touch(struct loop *touched)
{
	(void)touched;
}

struct loop *turn_choose_home(void)
{
	return posix_loop();
}

void fake_run_loop(void)
{
	if (tasks != NULL) {
		test_loop_run(tasks);
		return;
	}
	for (;;) {
		struct op *op = LIST_POP_FRONT(&posix_loop()->ready, struct op, node);
		struct timer *timer = loop.timers.first;

		if (op != NULL) {
			op->state = OP_STATE_FINISHED;
			op->done(op);
		} else if (timer != NULL && timer->deadline_ns <= fake_now_ns) {
			timer_heap_remove(&loop.timers, timer);
			timer->fire(timer);
		} else {
			return;
		}
	}
}

static bool allocation_fails(void)
{
	return fake_fail_allocation != 0 && --fake_fail_allocation == 0;
}

static void *count_block(void *block)
{
	fake_n_blocks++;
	fake_n_bytes += malloc_usable_size(block);
	return block;
}

void *helix_malloc(size_t size)
{
	if (allocation_fails()) {
		return NULL;
	}
	return count_block(malloc(size != 0 ? size : 1));
}

void *helix_calloc(size_t n, size_t size)
{
	if (allocation_fails()) {
		return NULL;
	}
	return count_block(calloc(n, size));
}

void helix_free(void *block)
{
	fake_n_blocks -= block != NULL;
	fake_n_bytes -= malloc_usable_size(block);
	free(block);
}

uint64_t clock_monotonic_ns(void)
{
	return fake_now_ns;
}

int64_t clock_realtime_offset_ns(void)
{
	return fake_realtime_offset_ns;
}

uint64_t clock_realtime_ns(void)
{
	return fake_now_ns + (uint64_t)fake_realtime_offset_ns;
}
