/* SPDX-License-Identifier: MIT */
/*
 * Tests of servers, in a task of a program with libraries: one after the other, until one fails.
 *
 *	static const struct task_test tests[] = { TASK_TEST(starts_when_asked) };
 *
 *	int main(...) { return task_tests_main(tests, ARRAY_SIZE(tests)); }
 *
 * The log says `ok NAME` or `not ok NAME, line N: what`, and `done, N failed` in the end, which
 * tests/system/guest.py reads.
 */
#ifndef TESTS_TASK_TESTS_H
#define TESTS_TASK_TESTS_H

#include <async/task.h>
#include <base/types.h>

struct task_test {
	const char *name;
	void (*run)(struct task *task);
};

#define TASK_TEST(name) { #name, test_##name }

/** task_tests_check() - note a failure of the running test, unless @is_true; returns @is_true */
bool task_tests_check(bool is_true, const char *what, int line);

/** task_tests_main() - run @tests in a loop of their own and leave; returns if there is none */
int task_tests_main(const struct task_test *tests, size_t n_tests);

/* Ends the test if it does not hold. */
#define CHECK(condition) \
	do { \
		if (!task_tests_check((condition), #condition, __LINE__)) { \
			return; \
		} \
	} while (0)

#endif
