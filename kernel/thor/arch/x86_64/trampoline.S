/* SPDX-License-Identifier: MIT */
/*
 * Where further CPUs start: real mode, at the page given with the startup interrupt.
 *
 * smp.c copies this to TRAMPOLINE_PHYS, fills the parameters at its end in, and has a page table
 * below 4 GiB that maps both this page (one to one) and the kernel.
 */
#include <thor/arch/offsets.h>

#define CR0_PE 0x1
#define CR0_WP 0x10000
#define CR0_PG 0x80000000
#define CR4_PAE_PGE 0xa0
#define EFER_LME_NXE 0x900

#define AT(label) (TRAMPOLINE_PHYS + (label - smp_trampoline))

	.section .rodata.trampoline, "a", @progbits
	.balign 16
	.globl smp_trampoline
	.globl smp_trampoline_end
smp_trampoline:
	.code16
	cli
	cld
	xor %ax, %ax
	mov %ax, %ds
	lgdtl AT(trampoline_gdt_pointer)
	mov %cr0, %eax
	or $CR0_PE, %al
	mov %eax, %cr0
	ljmpl $0x08, $AT(trampoline32)

	.code32
trampoline32:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %cr4, %eax
	or $CR4_PAE_PGE, %eax
	mov %eax, %cr4
	mov AT(trampoline_root), %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME_NXE, %eax
	wrmsr
	mov %cr0, %eax
	or $(CR0_PG | CR0_WP | CR0_PE), %eax
	and $0x9fffffff, %eax		/* caches on */
	mov %eax, %cr0
	ljmpl $0x18, $AT(trampoline64)

	.code64
trampoline64:
	mov AT(trampoline_stack), %rsp
	mov AT(trampoline_cpu), %rdi
	mov AT(trampoline_entry), %rax
	xor %ebp, %ebp
	push %rbp
	jmp *%rax

	.balign 8
trampoline_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 32-bit code */
	.quad 0x00cf93000000ffff	/* data */
	.quad 0x00af9b000000ffff	/* 64-bit code */
trampoline_gdt_pointer:
	.word 31
	.long AT(trampoline_gdt)

	/* struct smp_parameters */
	.balign 8
	.globl smp_trampoline_parameters
smp_trampoline_parameters:
trampoline_root:
	.quad 0
trampoline_stack:
	.quad 0
trampoline_cpu:
	.quad 0
trampoline_entry:
	.quad 0
smp_trampoline_end:
