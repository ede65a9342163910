/* SPDX-License-Identifier: MIT */
/*
 * Unit tests on the host: each test file is one program.
 *
 *	TEST(ring_wraps)
 *	{
 *		CHECK_EQ(ring_used(&ring), 3);
 *	}
 *	TEST_MAIN()
 *
 * Prints one line `ok <name>` or `not ok <name>: why` per case and exits with 1 if any failed. A
 * failed check ends its case; a failed assertion or a sanitizer report ends the program. With
 * arguments only the cases whose names contain one of them run. Random tests take their seed from
 * test_seed(): the environment variable TEST_SEED replays a failure.
 */
#ifndef BASE_TESTING_H
#define BASE_TESTING_H

#include <base/assert.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
	const char *name;
	void (*run)(void);
	struct test_case *next;
};

static struct test_case *test_first;
static struct test_case **test_end = &test_first;
static const char *test_name = "?";
static jmp_buf test_failed;
static jmp_buf *test_expected_assertion;

/** TEST() - define and register a case */
#define TEST(name_) \
	static void test_##name_(void); \
	static struct test_case test_case_##name_ = { .name = #name_, .run = test_##name_ }; \
	__attribute__((constructor)) static void test_register_##name_(void) \
	{ \
		*test_end = &test_case_##name_; \
		test_end = &test_case_##name_.next; \
	} \
	static void test_##name_(void)

/** test_fail() - end the case as failed, with a reason; for the macros below */
__attribute__((noreturn, unused, format(printf, 3, 4))) static void test_fail(
	const char *file, int line, const char *format, ...)
{
	va_list arguments;

	printf("not ok %s: %s:%d: ", test_name, file, line);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	longjmp(test_failed, 1);
}

/** CHECK() - the condition holds */
#define CHECK(condition) ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "%s", #condition))

/** CHECK_EQ() - two integers or pointers are equal; prints both if not */
#define CHECK_EQ(a, b) \
	test_check_equal(__FILE__, __LINE__, #a " == " #b, (int64_t)(a), (int64_t)(b))

/** CHECK_STR_EQ() - two strings have the same bytes */
#define CHECK_STR_EQ(a, b) test_check_strings(__FILE__, __LINE__, #a " == " #b, (a), (b))

/** CHECK_MEM_EQ() - two areas of @size bytes have the same bytes */
#define CHECK_MEM_EQ(a, b, size) CHECK((size) == 0 || memcmp((a), (b), (size)) == 0)

/** CHECK_ASSERTS() - running @statement fails an assertion */
#define CHECK_ASSERTS(statement) \
	do { \
		jmp_buf asserted_; \
		test_expected_assertion = &asserted_; \
		if (setjmp(asserted_) == 0) { \
			statement; \
			test_expected_assertion = NULL; \
			test_fail(__FILE__, __LINE__, "%s did not assert", #statement); \
		} \
		test_expected_assertion = NULL; \
	} while (0)

__attribute__((unused)) static void test_check_equal(
	const char *file, int line, const char *expression, int64_t a, int64_t b)
{
	if (a != b) {
		test_fail(file, line, "%s (%" PRId64 " and %" PRId64 ")", expression, a, b);
	}
}

__attribute__((unused)) static void test_check_strings(
	const char *file, int line, const char *expression, const char *a, const char *b)
{
	if (strcmp(a, b) != 0) {
		test_fail(file, line, "%s (\"%s\" and \"%s\")", expression, a, b);
	}
}

/** test_seed() - the seed of a random test: TEST_SEED from the environment, or @usual; printed */
__attribute__((unused)) static uint64_t test_seed(uint64_t usual)
{
	const char *text = getenv("TEST_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : usual;

	printf("# %s: TEST_SEED=%" PRIu64 "\n", test_name, seed);
	return seed;
}

__attribute__((unused)) static bool test_is_selected(
	const struct test_case *test, int n_arguments, char **arguments)
{
	for (int i = 1; i < n_arguments; i++) {
		if (strstr(test->name, arguments[i]) != NULL) {
			return true;
		}
	}
	return n_arguments < 2;
}

__attribute__((unused)) static bool test_run(const struct test_case *test)
{
	test_name = test->name;
	if (setjmp(test_failed) != 0) {
		return false;
	}
	test->run();
	printf("ok %s\n", test->name);
	return true;
}

__attribute__((unused)) static int test_run_all(int n_arguments, char **arguments)
{
	int n_failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (struct test_case *test = test_first; test != NULL; test = test->next) {
		if (test_is_selected(test, n_arguments, arguments) && !test_run(test)) {
			n_failed++;
		}
	}
	return n_failed > 0;
}

/** TEST_MAIN() - the rest of a test program, at the end of its one main file */
#define TEST_MAIN() \
	void assert_fail(const char *file, int line, const char *expression) \
	{ \
		if (test_expected_assertion != NULL) { \
			longjmp(*test_expected_assertion, 1); \
		} \
		printf("not ok %s: %s:%d: assertion failed: %s\n", test_name, file, line, \
			expression); \
		abort(); \
	} \
	int main(int n_arguments, char **arguments) \
	{ \
		return test_run_all(n_arguments, arguments); \
	}

#endif
