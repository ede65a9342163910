/* SPDX-License-Identifier: MIT */
/*
 * The way into kernlets, and from them to their helpers: see <thor/kernlet/context.h> and
 * <abi/hel/kernlet.h>. What the kernel had in its registers stays the kernel's: the code finds
 * zeros, but for r14 and r15, which it cannot look at.
 */
#include <thor/kernlet/context.h>

	.text

/* uint64_t arch__kernlet_enter(context, sequence, frame_size) */
	.balign 16
	.globl arch__kernlet_enter
arch__kernlet_enter:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rdi, %r15
	mov %rsp, KERNLET_CONTEXT_STACK(%r15)
1:	test %rdx, %rdx
	jz 2f
	pushq $0
	sub $8, %rdx
	jmp 1b
2:	mov %rsi, %rdi
	xor %eax, %eax
	xor %ecx, %ecx
	xor %ebx, %ebx
	xor %ebp, %ebp
	xor %esi, %esi
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	xor %r11d, %r11d
	xor %r12d, %r12d
	xor %r13d, %r13d
	call *KERNLET_CONTEXT_CODE(%r15)
	mov KERNLET_CONTEXT_STACK(%r15), %rsp
	mov %r11, %rax
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret

/* rdi, rsi, r9, r10 become the second to the fifth argument; the frame pointer ends backtraces. */
.macro HELPER name
	.balign 16
	.globl arch__kernlet_\name
arch__kernlet_\name:
	push %rbp
	push %rbx
	mov %rsp, %rbx
	xor %ebp, %ebp
	and $-16, %rsp
	mov %rsi, %rdx
	mov %rdi, %rsi
	mov %r9, %rcx
	mov %r10, %r8
	mov %r15, %rdi
	call kernlet_help_\name
	mov %rax, %r11
	mov %rbx, %rsp
	pop %rbx
	pop %rbp
	xor %eax, %eax
	xor %ecx, %ecx
	xor %edx, %edx
	xor %esi, %esi
	xor %edi, %edi
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	ret
.endm

	HELPER clock_ns
	HELPER event_raise
	HELPER port_read
	HELPER port_write

	.section .note.GNU-stack, "", @progbits
