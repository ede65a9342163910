/* SPDX-License-Identifier: MIT */
/*
 * Cases of Linux-ABI tests. A program lists its cases and runs them:
 *
 *	CASE(getpid_is_stable)
 *	{
 *		CHECK(getpid() == getpid());
 *	}
 *	CASES_MAIN()
 *
 * Each case runs in a child of its own and prints `ok name` or `not ok name: why`; a child that is
 * killed or does not end within 20 s is a failed case, and the others still run. With arguments
 * only the cases run whose names are given; with --nofork first, all in this process.
 */
#ifndef TESTS_LINUX_CHECK_H
#define TESTS_LINUX_CHECK_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK_SECONDS 20

struct check_case {
	const char *name;
	void (*run)(void);
	struct check_case *next;
};

static struct check_case *check_first;
static struct check_case **check_end = &check_first;
static const char *check_name = "?";
static jmp_buf check_failed;

#define CASE(name_) \
	static void case_##name_(void); \
	static struct check_case check_case_##name_ = { #name_, case_##name_, NULL }; \
	__attribute__((constructor)) static void check_register_##name_(void) \
	{ \
		*check_end = &check_case_##name_; \
		check_end = &check_case_##name_.next; \
	} \
	static void case_##name_(void)

__attribute__((noreturn, unused)) static void check_fail(int line, const char *text, long value)
{
	int error = errno;

	printf("not ok %s: line %d: %s (value %ld, errno %d %s)\n", check_name, line, text, value,
		error, strerror(error));
	longjmp(check_failed, 1);
}

/** CHECK() - end the case as failed unless the condition holds */
#define CHECK(condition_) \
	do { \
		if (!(condition_)) { \
			check_fail(__LINE__, #condition_, 0); \
		} \
	} while (0)

/** CHECK_EQ() - end the case as failed unless both integers are equal */
#define CHECK_EQ(a_, b_) \
	do { \
		long check_a_ = (long)(a_); \
		if (check_a_ != (long)(b_)) { \
			check_fail(__LINE__, #a_ " == " #b_, check_a_); \
		} \
	} while (0)

/** CHECK_ERRNO() - end the case as failed unless the call returns -1 with this errno */
#define CHECK_ERRNO(call_, errno_) \
	do { \
		errno = 0; \
		long check_a_ = (long)(call_); \
		if (check_a_ != -1 || errno != (errno_)) { \
			check_fail(__LINE__, #call_ " fails with " #errno_, check_a_); \
		} \
	} while (0)

static bool check_run_here(struct check_case *test)
{
	check_name = test->name;
	if (setjmp(check_failed) != 0) {
		return false;
	}
	test->run();
	printf("ok %s\n", test->name);
	return true;
}

static bool check_run_in_child(struct check_case *test)
{
	fflush(stdout);
	pid_t child = fork();
	if (child < 0) {
		printf("not ok %s: fork: %s\n", test->name, strerror(errno));
		return false;
	}
	if (child == 0) {
		alarm(CHECK_SECONDS);
		bool passed = check_run_here(test);
		fflush(stdout);
		_exit(passed ? 0 : 1);
	}
	int status = 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
	}
	if (WIFSIGNALED(status)) {
		printf("not ok %s: signal %d\n", test->name, WTERMSIG(status));
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool check_is_wanted(struct check_case *test, int n_names, char **names)
{
	for (int i = 0; i < n_names; i++) {
		if (strcmp(names[i], test->name) == 0) {
			return true;
		}
	}
	return n_names == 0;
}

__attribute__((unused)) static int check_main(int argc, char **argv)
{
	bool in_child = argc < 2 || strcmp(argv[1], "--nofork") != 0;
	int first = in_child ? 1 : 2;
	int n_failed = 0;

	for (struct check_case *test = check_first; test; test = test->next) {
		if (!check_is_wanted(test, argc - first, argv + first)) {
			continue;
		}
		bool passed = in_child ? check_run_in_child(test) : check_run_here(test);
		n_failed += !passed;
		fflush(stdout);
	}
	return n_failed ? 1 : 0;
}

#define CASES_MAIN() \
	int main(int argc, char **argv) \
	{ \
		return check_main(argc, argv); \
	}

#endif
