/* SPDX-License-Identifier: MIT */
/* What the files of arch/x86_64 and the entries of this architecture offer each other. */
#ifndef EIR_ARCH_X86_64_MACHINE_H
#define EIR_ARCH_X86_64_MACHINE_H

#include <base/types.h>

#include <eir/arch/x86_64/stack.h>

#define PAGE_PRESENT    0x1u
#define PAGE_WRITE      0x2u
#define PAGE_LARGE      0x80u
#define PAGE_GLOBAL     0x100u
#define PAGE_NO_EXECUTE (UINT64_C(1) << 63)
#define PAGE_ADDRESS    0x000ffffffffff000u

/*
 * eir's own tables: the low 4 GiB one to one, with pages of 2 MiB, and the one or two gigabytes
 * that eir is in.
 */
extern uint64_t eir_pml4[512], eir_pml3[512], eir_pml2[6 * 512];
extern uint8_t eir_stack[EIR_STACK_SIZE];

/** machine_tsc() - the cycle counter */
static inline uint64_t machine_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/**
 * machine_can_take_over() - whether eir is where its own tables can have it, and the firmware's
 * tables have as many levels
 */
bool machine_can_take_over(void);

/**
 * machine_take_over() - from the 64-bit state that a firmware has left to the one that eir runs in
 * @next: goes on, on eir's stack and tables; never returns
 *
 * What the firmware's stack, page tables and segments were in may be written to afterwards.
 */
NORETURN void machine_take_over(void (*next)(void));

#endif
