/* SPDX-License-Identifier: MIT */
/*
 * The first instruction of a native program: rdi = struct hel_start, rsp as after a call
 * (abi/hel/start.h).
 */
	.text
	.globl _start
	.type _start, @function
_start:
	xorl %ebp, %ebp
	jmp helix_start_main
	.size _start, . - _start
	.section .note.GNU-stack, "", @progbits
