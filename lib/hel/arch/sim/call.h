/* SPDX-License-Identifier: MIT */
/*
 * How a hel call is made in a program of the host: the test or simulator supplies the kernel as a
 * function.
 */
#ifndef HEL_ARCH_SIM_CALL_H
#define HEL_ARCH_SIM_CALL_H

#include <stdint.h>

/* What a hel call gives back. */
struct hel_outcome {
	int64_t error; /* 0 or -ERR_X */
	uint64_t value;
};

/** hel_sim_call() - the kernel, supplied by the host program; @arguments are six numbers */
struct hel_outcome hel_sim_call(uint32_t number, const uint64_t *arguments);

static inline struct hel_outcome hel_call5(
	uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	const uint64_t arguments[6] = { a, b, c, d, e, 0 };

	return hel_sim_call(number, arguments);
}

static inline struct hel_outcome hel_call0(uint32_t number)
{
	return hel_call5(number, 0, 0, 0, 0, 0);
}

static inline struct hel_outcome hel_call1(uint32_t number, uint64_t a)
{
	return hel_call5(number, a, 0, 0, 0, 0);
}

static inline struct hel_outcome hel_call2(uint32_t number, uint64_t a, uint64_t b)
{
	return hel_call5(number, a, b, 0, 0, 0);
}

static inline struct hel_outcome hel_call3(uint32_t number, uint64_t a, uint64_t b, uint64_t c)
{
	return hel_call5(number, a, b, c, 0, 0);
}

static inline struct hel_outcome hel_call4(
	uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return hel_call5(number, a, b, c, d, 0);
}

#endif
