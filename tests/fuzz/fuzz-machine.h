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

/* ---- the input, which the target takes byte by byte */

static const uint8_t *fuzz_input;
static size_t fuzz_n_left;

/** fuzz_byte() - the next one; 0 when there is none left */
static uint8_t fuzz_byte(void)
{
	if (fuzz_n_left == 0) {
		return 0;
	}
	fuzz_n_left--;
	return *fuzz_input++;
}

/**
 * fuzz_play() - what the target is: a program with universe and space of its own, of which nothing
 * may be left
 */
void fuzz_play(void *context);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint32_t n_runs;

	fuzz_input = data;
	fuzz_n_left = size;
	if (n_runs == FUZZ_RUNS_MAX) {
		(void)machine_end();
		n_runs = 0;
	}
	if (n_runs++ == 0) {
		machine_begin(FUZZ_CPUS, 1);
	}
	ASSERT(machine_run(fuzz_play, NULL));
	ASSERT(machine_is_clean());
	return 0;
}

#endif
