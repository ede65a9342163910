/* SPDX-License-Identifier: MIT */
/*
 * Stack switch for x86-64: see async/switch.h.
 *
 * A context is, from its stack pointer up: r15 r14 r13 r12 rbx rbp, then the return address.
 */
	.text

	.globl fiber_switch_stack
	.type fiber_switch_stack, @function
	.p2align 4
fiber_switch_stack:			/* rdi: void **out_saved, rsi: void *to */
	.cfi_startproc
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, (%rdi)
	mov %rsi, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret				/* not a jump: keeps the return predictor in step */
	.cfi_endproc
	.size fiber_switch_stack, . - fiber_switch_stack

	.globl fiber_entry
	.type fiber_entry, @function
	.p2align 4
fiber_entry:				/* r12: entry, r13: argument, rsp: 16-byte aligned */
	.cfi_startproc
	.cfi_undefined rip		/* backtraces end here */
	xor %ebp, %ebp
	mov %r13, %rdi
	call *%r12
	ud2
	.cfi_endproc
	.size fiber_entry, . - fiber_entry

	.section .note.GNU-stack, "", @progbits
