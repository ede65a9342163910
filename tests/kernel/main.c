/* SPDX-License-Identifier: MIT */
/* The start of the kernel tests: finds the handles, runs all cases, says how it went. */
#include "test.h"

#include <base/assert.h>
#include <base/format.h>

extern const struct test_case __start_test_cases[], __stop_test_cases[];

const struct hel_start *test_start;
hel_handle test_authority;
hel_handle test_log;

static bool test_has_failed;
static char test_reason[512];

__asm__(".text\n"
	".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	and $-16, %rsp\n"
	"	call test_main\n"
	"	ud2\n");

void test_print(const char *format, ...)
{
	char line[HEL_LOG_MAX];
	va_list arguments;

	va_start(arguments, format);
	size_t size = vformat_to(line, sizeof(line), format, arguments);

	va_end(arguments);
	hel_log(test_log, HEL_LOG_INFO, line, min_size(size, sizeof(line) - 1));
}

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

NORETURN void assert_fail(const char *file, int line, const char *expression)
{
	test_print(
		"kernel-test: not ok start: %s:%d: assertion failed: %s", file, line, expression);
	hel_thread_exit();
}

static hel_handle test_find_handle(const char *name)
{
	for (uint32_t i = 0; i < test_start->n_handles; i++) {
		if (str_equal(test_start->handles[i].name, name)) {
			return test_start->handles[i].handle;
		}
	}
	return HEL_NULL;
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
			test_print("kernel-test: not ok %s: %s", test->name, test_reason);
		} else {
			n_passed++;
			test_print("kernel-test: ok %s", test->name);
		}
	}
	test_print("kernel-test: done, %u passed, %u failed", n_passed, n_failed);
}

NORETURN __attribute__((used)) void test_main(const struct hel_start *start);

NORETURN void test_main(const struct hel_start *start)
{
	test_start = start;
	test_authority = test_find_handle("authority");
	test_log = test_find_handle("log");
	if (test_log == HEL_NULL) {
		test_log = test_authority;
	}
	if (make_queue(&test_queue, 4, 32768, 8192)) {
		test_run_all();
	} else {
		test_print("kernel-test: not ok start: no queue");
	}
	hel_thread_exit();
}
