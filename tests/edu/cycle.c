/* SPDX-License-Identifier: MIT */
/* Rounds of work: see cycle.h. */
#include "cycle.h"

#include <base/errors.h>
#include <base/string.h>

static uint32_t factorial(uint32_t n)
{
	uint32_t result = 1;

	for (uint32_t i = 2; i <= n; i++) {
		result *= i;
	}
	return result;
}

int edu_cycle(struct task *task, struct edu *edu, uint32_t round)
{
	uint32_t n = round % 13;
	uint32_t result = 0;
	size_t size = 1 + round * 97 % EDU_COPY_MAX;
	int error = edu_factorial(task, edu, n, &result);

	if (error == 0 && result != factorial(n)) {
		error = -ERR_IO;
	}
	for (size_t i = 0; i < HEL_PAGE_SIZE; i++) {
		edu->memory[i] = (uint8_t)(i * 7 + round);
	}
	memset(edu->memory + HEL_PAGE_SIZE, 0, HEL_PAGE_SIZE);
	if (error == 0) {
		error = edu_copy(task, edu, size);
	}
	if (error == 0 && memcmp(edu->memory, edu->memory + HEL_PAGE_SIZE, size) != 0) {
		error = -ERR_IO;
	}
	return error;
}
