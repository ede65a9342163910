/* SPDX-License-Identifier: MIT */
/* The start of the kernel tests: finds the handles, runs all cases, says how it went. */
#include "test.h"

#include <base/format.h>

extern const struct test_case __start_test_cases[], __stop_test_cases[];

const char native_name[] = "kernel-test";

const struct hel_start *test_start;
hel_handle test_authority;
hel_handle test_log;

static bool test_has_failed;
static char test_reason[512];

static void test_fail(const char *file, int line, const char *text, const char *detail)
{
	const char *slash = strrchr(file, '/');

	/* Checks of other threads may fail at the same time; one reason is enough. */
	if (!test_has_failed) {
		test_has_failed = true;
		format_to(test_reason, sizeof(test_reason), "%s:%d: %s%s",
			slash != NULL ? slash + 1 : file, line, text, detail);
	}
}

bool test_check(bool is_true, const char *file, int line, const char *text)
{
	if (!is_true) {
		test_fail(file, line, text, "");
	}
	return is_true;
}

bool test_check_equal(int64_t a, int64_t b, const char *file, int line, const char *text)
{
	char detail[64];

	if (a != b) {
		format_to(detail, sizeof(detail), " (%lld and %lld)", (long long)a, (long long)b);
		test_fail(file, line, text, detail);
	}
	return a == b;
}

static void test_run_all(void)
{
	unsigned n_passed = 0;
	unsigned n_failed = 0;

	for (const struct test_case *test = __start_test_cases; test < __stop_test_cases; test++) {
		test_has_failed = false;
		test->run();
		if (test_has_failed) {
			n_failed++;
			native_print("not ok %s: %s", test->name, test_reason);
		} else {
			n_passed++;
			native_print("ok %s", test->name);
		}
	}
	native_print("done, %u passed, %u failed", n_passed, n_failed);
}

void native_main(void)
{
	test_start = native_start;
	test_authority = native_authority;
	test_log = native_log != HEL_NULL ? native_log : native_authority;
	if (make_queue(&test_queue, 4, 32768, 8192)) {
		test_run_all();
	} else {
		native_print("not ok start: no queue");
	}
}
