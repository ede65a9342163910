/* SPDX-License-Identifier: MIT */
/*
 * How a hel call is made on x86-64.
 *
 * Number in eax, arguments in rdi rsi rdx r10 r8 r9; back come the error in rax and one value in
 * rdx; rcx and r11 are lost, everything else is kept. The stack is not touched and nothing but the
 * asm operands is read or written, so this works on any stack, also in the shim's red zone.
 */
#ifndef HEL_ARCH_X86_64_CALL_H
#define HEL_ARCH_X86_64_CALL_H

#include <stdint.h>

/* What a hel call gives back. */
struct hel_outcome {
	int64_t error; /* 0 or -ERR_X */
	uint64_t value;
};

/** hel_call0() - make a call without arguments */
static inline struct hel_outcome hel_call0(uint32_t number)
{
	struct hel_outcome outcome;

	__asm__ volatile("syscall"
		: "=a"(outcome.error), "=d"(outcome.value)
		: "a"((uint64_t)number)
		: "rcx", "r11", "memory");
	return outcome;
}

/** hel_call1() - make a call with one argument */
static inline struct hel_outcome hel_call1(uint32_t number, uint64_t a)
{
	struct hel_outcome outcome;

	__asm__ volatile("syscall"
		: "=a"(outcome.error), "=d"(outcome.value)
		: "a"((uint64_t)number), "D"(a)
		: "rcx", "r11", "memory");
	return outcome;
}

/** hel_call2() - make a call with two arguments */
static inline struct hel_outcome hel_call2(uint32_t number, uint64_t a, uint64_t b)
{
	struct hel_outcome outcome;

	__asm__ volatile("syscall"
		: "=a"(outcome.error), "=d"(outcome.value)
		: "a"((uint64_t)number), "D"(a), "S"(b)
		: "rcx", "r11", "memory");
	return outcome;
}

/** hel_call3() - make a call with three arguments */
static inline struct hel_outcome hel_call3(uint32_t number, uint64_t a, uint64_t b, uint64_t c)
{
	struct hel_outcome outcome;

	__asm__ volatile("syscall"
		: "=a"(outcome.error), "=d"(outcome.value)
		: "a"((uint64_t)number), "D"(a), "S"(b), "d"(c)
		: "rcx", "r11", "memory");
	return outcome;
}

/** hel_call4() - make a call with four arguments */
static inline struct hel_outcome hel_call4(
	uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct hel_outcome outcome;
	register uint64_t r10 __asm__("r10") = d;

	__asm__ volatile("syscall"
		: "=a"(outcome.error), "=d"(outcome.value)
		: "a"((uint64_t)number), "D"(a), "S"(b), "d"(c), "r"(r10)
		: "rcx", "r11", "memory");
	return outcome;
}

/** hel_call5() - make a call with five arguments */
static inline struct hel_outcome hel_call5(
	uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct hel_outcome outcome;
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;

	__asm__ volatile("syscall"
		: "=a"(outcome.error), "=d"(outcome.value)
		: "a"((uint64_t)number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
		: "rcx", "r11", "memory");
	return outcome;
}

#endif
