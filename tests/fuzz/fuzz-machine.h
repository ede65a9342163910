/* SPDX-License-Identifier: MIT */
/* What targets over the simulated machine have in common. */
#ifndef TESTS_FUZZ_MACHINE_H
#define TESTS_FUZZ_MACHINE_H

#include "machine.h"

/* Booting is slow; a machine is used until its tables of programs and aliases are full. */
constexpr uint32_t FUZZ_RUNS_MAX = 50;
constexpr uint32_t FUZZ_CPUS = 2;

void assert_fail(const char *file, int line, const char *expression)
{
	printf("%s:%d: assertion failed: %s\n", file, line, expression);
	abort();
}

/**
 * fuzz_run() - @play as a program with universe and space of its own, of which nothing may be left
 */
static void fuzz_run(void (*play)(void *context))
{
	static uint32_t n_runs;

	if (n_runs == FUZZ_RUNS_MAX) {
		(void)machine_end();
		n_runs = 0;
	}
	if (n_runs++ == 0) {
		machine_begin(FUZZ_CPUS, 1);
	}
	ASSERT(machine_run(play, NULL));
	ASSERT(machine_is_clean());
}

#endif
