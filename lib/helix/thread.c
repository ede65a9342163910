/* SPDX-License-Identifier: MIT */
/* Several threads: see thread.h. */
#include <helix/log.h>
#include <helix/memory.h>
#include <helix/start.h>
#include <helix/thread.h>

#include <base/errors.h>

/* What a thread does before it is on a loop's stack, and log lines. */
constexpr uint64_t STACK_SIZE = KIB(64);

/* All that the first thread does any more: a few observations, no tasks. */
static const struct helix_loop_config watcher_config = {
	.n_tasks_max = 1,
	.queue = { .n_chunks = 2, .chunk_size = 4096, .submit_size = 4096 },
};

static struct helix_thread **all_threads;
static uint32_t n_threads;

NORETURN static void thread_main(struct helix_thread *thread)
{
	thread->run(thread);
	helix_exit();
}

/* The lowest page of the stack is its guard. */
static int thread_create(struct helix_thread *thread)
{
	void *stack;
	int error = helix_map(HEL_NULL, 0, STACK_SIZE, HEL_MAP_READ | HEL_MAP_WRITE, &stack);

	if (error == 0) {
		error = hel_space_protect(HEL_THIS, (uint64_t)stack, HEL_PAGE_SIZE, 0);
	}
	if (error != 0) {
		return error;
	}
	const struct hel_thread_args args = {
		.universe = HEL_THIS,
		.space = HEL_THIS,
		.ip = (uint64_t)thread_main,
		.sp = (uint64_t)stack + STACK_SIZE - sizeof(uint64_t), /* as after a call */
		.argument = (uint64_t)thread,
		.tls_base = (uint64_t)thread,
	};

	return hel_thread_create(&args, &thread->handle);
}

/* For the tools that give the kernel's trace names: that of the program, to find its file. */
static void thread_log_name(const struct helix_thread *thread)
{
	struct hel_descriptor_info info;

	if (hel_descriptor_info(HEL_THIS, thread->handle, &info) == 0) {
		helix_log(HEL_LOG_DEBUG, "thread %llx is %s", (unsigned long long)info.identity,
			helix_log_name());
	}
}

static void thread_observed(struct op *op)
{
	struct helix_thread *thread = op->owner;
	const struct hel_observe_result *result = &thread->observe.result;

	/* From here on there is one thread again: no lock that another has matters. */
	for (uint32_t i = 0; i < n_threads; i++) {
		hel_thread_kill(all_threads[i]->handle);
	}
	helix_has_threads = false;
	if (op->error != 0 || result->observation == HEL_OBSERVE_TERMINATED) {
		helix_fatal("thread %u has ended", thread->index);
	}
	helix_fatal("thread %u faulted: vector %u, error code %llx, address %llx, ip %llx",
		thread->index, result->vector, (unsigned long long)result->error_code,
		(unsigned long long)result->address, (unsigned long long)result->ip);
}

NORETURN void helix_threads_run(
	struct helix_thread **threads, uint32_t n, void (*run)(struct helix_thread *thread))
{
	static struct helix_loop watcher;
	int error = helix_loop_init(&watcher, &watcher_config);

	all_threads = threads;
	n_threads = n;
	for (uint32_t i = 0; error == 0 && i < n; i++) {
		*threads[i] = (struct helix_thread){ .self = threads[i], .run = run, .index = i };
		error = thread_create(threads[i]);
		if (error == 0) {
			thread_log_name(threads[i]);
			helix_observe_op_init(&threads[i]->observe, threads[i]->handle, 0);
			(void)!op_start(&threads[i]->observe.operation.op, &watcher.loop,
				thread_observed, threads[i]);
		}
	}
	if (error != 0) {
		helix_fatal("no threads: %s", error_text(error));
	}
	helix_has_threads = true;
	for (uint32_t i = 0; i < n; i++) {
		(void)!hel_thread_start(threads[i]->handle);
	}
	helix_loop_run(&watcher);
	helix_exit();
}
