/* SPDX-License-Identifier: MIT */
/* ptrace: debug registers, which watch memory and stop before instructions. */
#include "ptrace.h"

#include <sys/random.h>

#define KIND(index, kind, size) ((unsigned long)((kind) | (size) << 2) << (16 + 4 * (index)))
#define ENABLE(index)           (1ul << 2 * (index))

enum { EXECUTE, WRITE, PORT, ACCESS };
enum { SIZE_1, SIZE_2, SIZE_8, SIZE_4 };

static unsigned long register_at(int index)
{
	return offsetof(struct user, u_debugreg[0]) + (unsigned long)index * sizeof(long);
}

static long set_register(pid_t pid, int index, unsigned long value)
{
	return trace(PTRACE_POKEUSR, pid, register_at(index), value);
}

static unsigned long register_of(pid_t pid, int index)
{
	unsigned long value = ~0ul;

	CHECK_EQ(trace(PTRACE_PEEKUSR, pid, register_at(index), (long)&value), 0);
	return value;
}

static void watch(pid_t pid, int index, const volatile void *address, unsigned long control)
{
	CHECK_EQ(set_register(pid, index, (unsigned long)address), 0);
	CHECK_EQ(set_register(pid, 7, control), 0);
	CHECK_EQ(register_of(pid, index), (unsigned long)address);
	CHECK_EQ(register_of(pid, 7), control);
}

static int go_on(pid_t pid)
{
	CHECK_EQ(trace(PTRACE_CONT, pid, 0, 0), 0);
	return wait_status(pid);
}

static volatile long watched[2];

static void run_stores(void)
{
	char name[16];
	int ends[2];

	watched[1] = 1;
	watched[0] = 1;
	watched[0] = 2;
	/* what the system does for the program is not watched */
	pipe(ends);
	write(ends[1], "12345678", 8);
	read(ends[0], (void *)&watched[0], 8);
	getrandom((void *)&watched[0], 8, 0);
	snprintf(name, sizeof(name), "%ld", watched[1]);
	watched[0] = 3;
}

CASE(stores_are_watched)
{
	pid_t child = start(run_stores);

	watch(child, 0, watched, ENABLE(0) | KIND(0, WRITE, SIZE_8));
	for (long i = 1; i <= 3; i++) {
		long word;

		CHECK_EQ(go_on(child), stopped(SIGTRAP));
		CHECK_EQ(siginfo_of(child).si_code, 4 /* TRAP_HWBKPT */);
		CHECK_EQ(register_of(child, 6) & 0x400f, 1);
		CHECK_EQ(trace(PTRACE_PEEKDATA, child, (unsigned long)watched, (long)&word), 0);
		CHECK_EQ(word, i);
		CHECK_EQ(set_register(child, 6, 0), 0);
		CHECK_EQ(register_of(child, 6) & 0xf, 0);
	}
	CHECK_EQ(go_on(child), 7 << 8);
}

static void run_loads(void)
{
	long sum = watched[1];

	sum += watched[0];
	watched[1] = sum;
}

CASE(loads_are_watched)
{
	pid_t child = start(run_loads);

	watch(child, 3, watched, ENABLE(3) | KIND(3, ACCESS, SIZE_4));
	CHECK_EQ(go_on(child), stopped(SIGTRAP));
	CHECK_EQ(register_of(child, 6) & 0xf, 8);
	CHECK_EQ(set_register(child, 7, 0), 0);
	CHECK_EQ(go_on(child), 7 << 8);
}

static __attribute__((noinline)) void called(void)
{
	__asm__ volatile("");
}

static void run_calls(void)
{
	for (int i = 0; i < 3; i++) {
		called();
	}
}

/* It stops before the instruction, and goes on from there. */
CASE(instructions_are_watched)
{
	pid_t child = start(run_calls);

	watch(child, 1, called, ENABLE(1));
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(go_on(child), stopped(SIGTRAP));
		CHECK_EQ(registers_of(child).rip, (unsigned long)called);
		CHECK_EQ(siginfo_of(child).si_code, 4);
		CHECK_EQ(register_of(child, 6) & 0x400f, 2);
	}
	CHECK_EQ(go_on(child), 7 << 8);
}

/* A debugger's way: without the breakpoint over its instruction, and then with it again. */
CASE(instructions_are_stepped_over)
{
	pid_t child = start(run_calls);

	watch(child, 1, called, ENABLE(1));
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(go_on(child), stopped(SIGTRAP));
		CHECK_EQ(registers_of(child).rip, (unsigned long)called);
		CHECK_EQ(set_register(child, 7, 0), 0);
		CHECK_EQ(trace(PTRACE_SINGLESTEP, child, 0, 0), 0);
		CHECK_EQ(wait_status(child), stopped(SIGTRAP));
		CHECK(registers_of(child).rip != (unsigned long)called);
		CHECK_EQ(siginfo_of(child).si_code, TRAP_TRACE);
		CHECK_EQ(set_register(child, 7, ENABLE(1)), 0);
	}
	CHECK_EQ(go_on(child), 7 << 8);
}

CASE(wrong_values)
{
	pid_t child = start(run_nothing);
	char *odd = (char *)watched + 1;

	CHECK_EQ(register_of(child, 0), 0);
	CHECK_EQ(register_of(child, 4), 0);
	CHECK_EQ(register_of(child, 7), 0);
	CHECK_ERRNO(set_register(child, 4, 0), EIO);
	CHECK_ERRNO(set_register(child, 5, 0), EIO);
	CHECK_EQ(set_register(child, 0, (unsigned long)odd), 0);
	CHECK_ERRNO(set_register(child, 7, ENABLE(0) | KIND(0, WRITE, SIZE_4)), EINVAL);
	CHECK_ERRNO(set_register(child, 7, ENABLE(0) | KIND(0, PORT, SIZE_1)), EINVAL);
	CHECK_ERRNO(set_register(child, 7, ENABLE(0) | KIND(0, EXECUTE, SIZE_2)), EINVAL);
	CHECK_EQ(register_of(child, 7), 0);
	CHECK_EQ(set_register(child, 7, ENABLE(0) | KIND(0, WRITE, SIZE_1)), 0);
	CHECK_EQ(set_register(child, 7, 0), 0);
	check_exits(child, 7);
}

static void run_fork(void)
{
	pid_t child = fork();

	if (child == 0) {
		called();
		_exit(3);
	}
	_exit(wait_status(child) == 3 << 8 ? 5 : 6);
}

CASE(children_are_not_watched)
{
	pid_t child = start(run_fork);

	watch(child, 0, called, ENABLE(0));
	CHECK_EQ(go_on(child), stopped(SIGCHLD));
	CHECK_EQ(go_on(child), 5 << 8);
}

CASE(detached_ones_are_let_alone)
{
	pid_t child = start(run_calls);

	watch(child, 0, called, ENABLE(0));
	CHECK_EQ(go_on(child), stopped(SIGTRAP));
	CHECK_EQ(set_register(child, 7, 0), 0);
	CHECK_EQ(trace(PTRACE_DETACH, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), 7 << 8);
}

CASES_MAIN()
