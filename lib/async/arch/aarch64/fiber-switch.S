/* SPDX-License-Identifier: MIT */
/*
 * Stack switch for aarch64: see async/switch.h.
 *
 * A context is, from its stack pointer up: x19 ... x28, x29, x30, d8 ... d15 (160 bytes).
 */
	.text

	.globl fiber_switch_stack
	.type fiber_switch_stack, %function
	.p2align 4
fiber_switch_stack:			/* x0: void **out_saved, x1: void *to */
	.cfi_startproc
	sub sp, sp, #160
	stp x19, x20, [sp, #0]
	stp x21, x22, [sp, #16]
	stp x23, x24, [sp, #32]
	stp x25, x26, [sp, #48]
	stp x27, x28, [sp, #64]
	stp x29, x30, [sp, #80]
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	mov x9, sp
	str x9, [x0]
	mov sp, x1
	ldp x19, x20, [sp, #0]
	ldp x21, x22, [sp, #16]
	ldp x23, x24, [sp, #32]
	ldp x25, x26, [sp, #48]
	ldp x27, x28, [sp, #64]
	ldp x29, x30, [sp, #80]
	ldp d8, d9, [sp, #96]
	ldp d10, d11, [sp, #112]
	ldp d12, d13, [sp, #128]
	ldp d14, d15, [sp, #144]
	add sp, sp, #160
	ret
	.cfi_endproc
	.size fiber_switch_stack, . - fiber_switch_stack

	.globl fiber_entry
	.type fiber_entry, %function
	.p2align 4
fiber_entry:				/* x19: entry, x20: argument */
	.cfi_startproc
	.cfi_undefined x30		/* backtraces end here */
	mov x29, xzr
	mov x30, xzr
	mov x0, x20
	blr x19
	brk #0
	.cfi_endproc
	.size fiber_entry, . - fiber_entry

	.section .note.GNU-stack, "", %progbits
