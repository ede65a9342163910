/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables, system call registers and the per-CPU base.
 *
 * The GDT has Linux's user selectors.  There is no 32-bit code segment: a 32-bit system call is a
 * fault.
 */
#include <base/assert.h>

#include "machine.h"
#include "registers.h"

#define GDT_KERNEL_CODE 0x00af9b000000ffff
#define GDT_KERNEL_DATA 0x00cf93000000ffff
#define GDT_USER_DATA   0x00cff3000000ffff
#define GDT_USER_CODE   0x00affb000000ffff
#define GDT_TSS_TYPE    0x89

#define IDT_INTERRUPT_GATE 0x8e
#define IDT_USER           0x60
#define IDT_STUB_SIZE      16
#define IDT_SIZE           256

#define MSR_PAT   0x277
/* 0 write-back, 1 write-combining, 2 weakly uncached, 3 uncached; the upper four as at reset */
#define PAT_VALUE 0x0007040600070106

struct idt_entry {
	uint16_t offset_low;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};
static_assert(sizeof(struct idt_entry) == 16);

struct PACKED table_pointer {
	uint16_t limit;
	uint64_t address;
};

extern const uint8_t entry_stubs[], entry_syscall[];

static ALIGNED(4096) struct idt_entry idt[IDT_SIZE];

void idt_init(void)
{
	for (unsigned vector = 0; vector < IDT_SIZE; vector++) {
		uint64_t address = (uint64_t)entry_stubs + (uint64_t)vector * IDT_STUB_SIZE;

		idt[vector] = (struct idt_entry){
			.offset_low = (uint16_t)address,
			.selector = KERNEL_CS,
			.type = IDT_INTERRUPT_GATE,
			.offset_middle = (uint16_t)(address >> 16),
			.offset_high = (uint32_t)(address >> 32),
		};
	}
	/* int3 and into may be executed by programs */
	idt[3].type |= IDT_USER;
	idt[4].type |= IDT_USER;
	idt[VECTOR_NMI].ist = 1;
	idt[VECTOR_DOUBLE_FAULT].ist = 2;
	idt[VECTOR_MACHINE_CHECK].ist = 3;
	idt[VECTOR_DEBUG].ist = 4;
}

static void cpu_fill_gdt(struct arch_cpu *arch)
{
	uint64_t tss = (uint64_t)&arch->tss;
	uint64_t limit = sizeof(arch->tss) - 1;

	arch->gdt[KERNEL_CS / 8] = GDT_KERNEL_CODE;
	arch->gdt[KERNEL_SS / 8] = GDT_KERNEL_DATA;
	arch->gdt[USER_SS / 8] = GDT_USER_DATA;
	arch->gdt[USER_CS / 8] = GDT_USER_CODE;
	arch->gdt[TSS_SELECTOR / 8] = limit | (tss & 0xffffff) << 16 |
		(uint64_t)GDT_TSS_TYPE << 40 | (tss >> 24 & 0xff) << 56;
	arch->gdt[TSS_SELECTOR / 8 + 1] = tss >> 32;
	arch->tss.io_map_base = sizeof(arch->tss);
}

static void cpu_load_segments(const struct table_pointer *gdt, const struct table_pointer *idt_at)
{
	__asm__ volatile("lgdt %0\n\t"
			 "lidt %1\n\t"
			 "pushq %2\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\n\t"
			 "movl %3, %%ss\n\t"
			 "xorl %%eax, %%eax\n\t"
			 "movl %%eax, %%ds\n\t"
			 "movl %%eax, %%es\n\t"
			 "movl %%eax, %%fs\n\t"
			 "movl %%eax, %%gs\n\t"
			 "ltr %w4"
		:
		: "m"(*gdt), "m"(*idt_at), "i"(KERNEL_CS), "r"(KERNEL_SS), "r"(TSS_SELECTOR)
		: "rax", "memory");
}

void cpu_load_tables(struct cpu *cpu)
{
	struct table_pointer gdt, idt_at = { .limit = sizeof(idt) - 1, .address = (uint64_t)idt };

	cpu->self = cpu;
	cpu_fill_gdt(&cpu->arch);
	gdt.limit = sizeof(cpu->arch.gdt) - 1;
	gdt.address = (uint64_t)cpu->arch.gdt;
	cpu_load_segments(&gdt, &idt_at);

	msr_write(MSR_GS_BASE, (uint64_t)cpu);
	msr_write(MSR_KERNEL_GS_BASE, 0);
	msr_write(MSR_FS_BASE, 0);
	msr_write(MSR_PAT, PAT_VALUE);
	msr_write(MSR_STAR, (uint64_t)KERNEL_CS << 32 | (uint64_t)(USER_CS - 16) << 48);
	msr_write(MSR_LSTAR, (uint64_t)entry_syscall);
	msr_write(MSR_SFMASK, RFLAGS_ENTRY_CLEARED | RFLAGS_IF);
}

void cpu_set_stacks(struct cpu *cpu, uint64_t stack_top, const uint64_t ist_tops[IST_STACKS])
{
	cpu->arch.stack_top = stack_top;
	for (unsigned i = 0; i < IST_STACKS; i++) {
		uint64_t top = ist_tops[i] - 16;

		*(struct cpu **)top = cpu;
		cpu->arch.tss.ist[i] = top;
	}
}
