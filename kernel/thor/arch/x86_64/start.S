/* SPDX-License-Identifier: MIT */
/*
 * The first instructions of thor, where eir jumps to: rdi = struct boot_info in the direct map.
 *
 * eir's own page tables are still loaded; their upper half is that of thor's.
 */
#include <thor/arch/offsets.h>


	.section .text.start, "ax", @progbits
	.globl thor_start
thor_start:
	mov BOOT_INFO_PAGE_TABLE(%rdi), %rax
	mov %rax, %cr3
	lea arch__boot_stack_top(%rip), %rsp
	xor %ebp, %ebp
	push %rbp
	push %rbp
	call thor_main
	ud2

	.section .bss.boot_stack, "aw", @nobits
	.balign 4096
	.globl arch__boot_stack
arch__boot_stack:
	.skip 16384
	.globl arch__boot_stack_top
arch__boot_stack_top:
