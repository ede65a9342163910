/* SPDX-License-Identifier: MIT */
/* Tests in a task: see task-tests.h. */
#include "task-tests.h"

#include <helix/helix.h>

static struct {
	struct helix_loop loop;
	const struct task_test *tests;
	size_t n_tests;
	const char *running;
	uint32_t n_failed;
} state;

bool task_tests_check(bool is_true, const char *what, int line)
{
	if (!is_true) {
		state.n_failed++;
		helix_log(HEL_LOG_ERROR, "not ok %s, line %d: %s", state.running, line, what);
	}
	return is_true;
}

static int run_tests(struct task *task, void *argument UNUSED)
{
	for (size_t i = 0; state.n_failed == 0 && i < state.n_tests; i++) {
		state.running = state.tests[i].name;
		state.tests[i].run(task);
		if (state.n_failed == 0) {
			helix_log(HEL_LOG_INFO, "ok %s", state.running);
		}
	}
	helix_log(HEL_LOG_INFO, "done, %u failed", state.n_failed);
	helix_exit();
}

int task_tests_main(const struct task_test *tests, size_t n_tests)
{
	static struct job job;
	int error = helix_loop_init(&state.loop, NULL);

	if (error != 0) {
		return error;
	}
	state.tests = tests;
	state.n_tests = n_tests;
	job_init(&job, "tests", run_tests, NULL);
	job_submit(&state.loop.loop, &job);
	helix_loop_run(&state.loop);
	return 0;
}
