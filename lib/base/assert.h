/* SPDX-License-Identifier: MIT */
/*
 * Assertions, for our own bugs only.
 *
 * Whatever comes from user mode, a device, a file or the network is data: it is checked and
 * answered with an error. An assertion states what this program itself guarantees. Assertions stay
 * on in every build; each program supplies assert_fail().
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

/**
 * assert_fail() - report a broken invariant and stop; supplied by each program
 * @file: source file of the assertion
 * @line: line of the assertion
 * @expression: the condition that does not hold, as text
 */
__attribute__((noreturn, cold)) void assert_fail(
	const char *file, int line, const char *expression);

/** ASSERT() - stop the program unless @condition holds; one condition each */
#define ASSERT(condition) \
	(__builtin_expect(!!(condition), 1) ? (void)0 : assert_fail(__FILE__, __LINE__, #condition))

/** UNREACHABLE() - stop the program: control cannot come here */
#define UNREACHABLE() assert_fail(__FILE__, __LINE__, "unreachable")

#endif
