/* SPDX-License-Identifier: MIT */
/* From a firmware's long mode to eir's own: what start.S does for who comes in 32-bit mode. */
#include <eir/core/arch.h>

#include "machine.h"

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10

#define MSR_EFER 0xc0000080u
#define EFER_NXE 0x800u
#define CR0_WP   0x10000u
#define CR4_PGE  UINT64_C(0x80)
#define CR4_LA57 0x1000u /* page tables have five levels */

#define ADDRESS_MAX GIB(512) /* of one table of the third level */

struct PACKED gdt_pointer {
	uint16_t limit;
	uint64_t address;
};

static const uint64_t take_over_gdt[] = {
	0, 0x00af9b000000ffff, /* 64-bit code */
	0x00cf93000000ffff, /* data */
};

/* The 1 GiB that has the number @gigabyte, one to one; @slot is where its table is. */
static void take_over_map(uint64_t gigabyte, uint64_t slot)
{
	uint64_t *table = &eir_pml2[512 * slot];

	for (uint64_t i = 0; i < 512; i++) {
		table[i] =
			(GIB(1) * gigabyte + MIB(2) * i) | PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE;
	}
	eir_pml3[gigabyte] = (uint64_t)table | PAGE_PRESENT | PAGE_WRITE;
}

static void take_over_fill_tables(void)
{
	uint64_t start, end;

	eir_pml4[0] = (uint64_t)eir_pml3 | PAGE_PRESENT | PAGE_WRITE;
	for (uint64_t i = 0; i < 4; i++) {
		take_over_map(i, i);
	}
	arch_image_range(&start, &end);
	for (uint64_t i = 0; i < 2; i++) {
		uint64_t gigabyte = (i == 0 ? start : end - 1) / GIB(1);

		if (gigabyte >= 4) {
			take_over_map(gigabyte, 4 + i);
		}
	}
}

/* Without global entries the change of the root forgets all of the firmware's. */
static uint64_t take_over_control_registers(void)
{
	uint64_t cr0, cr4;
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(MSR_EFER));
	__asm__ volatile("wrmsr" : : "a"(low | EFER_NXE), "d"(high), "c"(MSR_EFER));
	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	__asm__ volatile("mov %0, %%cr0" : : "r"(cr0 | CR0_WP) : "memory");
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 & ~CR4_PGE) : "memory");
	return cr4 | CR4_PGE;
}

bool machine_can_take_over(void)
{
	uint64_t start, end, cr4;

	arch_image_range(&start, &end);
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	return end <= ADDRESS_MAX && (cr4 & CR4_LA57) == 0;
}

/*
 * Both maps have eir where it is, so the root can change while it runs; the firmware's stack may be
 * where only the firmware's map has it.
 */
void machine_take_over(void (*next)(void))
{
	static struct gdt_pointer pointer = { .limit = sizeof(take_over_gdt) - 1 };

	__asm__ volatile("cli; cld");
	take_over_fill_tables();
	pointer.address = (uint64_t)take_over_gdt;
	uint64_t cr4 = take_over_control_registers();

	/* Code of either ABI may be called: the stack is aligned, with room above the address. */
	__asm__ volatile("mov %[stack], %%rsp\n\t"
			 "mov %[root], %%cr3\n\t"
			 "mov %[cr4], %%cr4\n\t"
			 "lgdt %[pointer]\n\t"
			 "push %[code]\n\t"
			 "lea 1f(%%rip), %%rcx\n\t"
			 "push %%rcx\n\t"
			 "lretq\n"
			 "1:\tmov %[data], %%ecx\n\t"
			 "mov %%ecx, %%ds\n\t"
			 "mov %%ecx, %%es\n\t"
			 "mov %%ecx, %%ss\n\t"
			 "xor %%ecx, %%ecx\n\t"
			 "mov %%ecx, %%fs\n\t"
			 "mov %%ecx, %%gs\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "call *%[next]\n"
			 "2:\thlt\n\t"
			 "jmp 2b"
		:
		: [pointer] "m"(pointer), [code] "i"(SELECTOR_CODE), [data] "i"(SELECTOR_DATA),
		[stack] "a"(eir_stack + EIR_STACK_SIZE - 64), [next] "d"(next),
		[root] "S"(eir_pml4), [cr4] "D"(cr4)
		: "rcx", "memory");
	__builtin_unreachable();
}
