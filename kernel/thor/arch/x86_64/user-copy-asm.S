/* SPDX-License-Identifier: MIT */
/*
 * Copies to and from user memory that may fault: see exception_fix() in exception.c.
 *
 * Unrolled moves of 8 bytes, because the kernel may not touch vector registers, and the string
 * instruction for what is longer: one instruction a word for emulators, the fast way on processors.
 */
#include <thor/arch/offsets.h>

.macro SMAP_SITE instruction
771:	\instruction
	.pushsection .smap_sites, "a", @progbits
	.long 771b - .
	.popsection
.endm

.macro FIXUP start, end, target
	.pushsection .fixups, "a", @progbits
	.long \start - .
	.long \end - .
	.long \target - .
	.popsection
.endm

	.section .text.entry, "ax", @progbits

/* int arch__user_copy(void *to, const void *from, size_t size): 0 or -ERR_FAULT */
	.balign 16
	.globl arch__user_copy
arch__user_copy:
	SMAP_SITE stac
	mov %rdx, %rcx
copy_start:
	shr $6, %rcx
	jz 2f
	cmp $4, %rcx
	jb 1f
	shl $3, %rcx
	rep movsq
	jmp 2f
1:	mov (%rsi), %rax
	mov 8(%rsi), %r8
	mov 16(%rsi), %r9
	mov 24(%rsi), %r10
	mov %rax, (%rdi)
	mov %r8, 8(%rdi)
	mov %r9, 16(%rdi)
	mov %r10, 24(%rdi)
	mov 32(%rsi), %rax
	mov 40(%rsi), %r8
	mov 48(%rsi), %r9
	mov 56(%rsi), %r10
	mov %rax, 32(%rdi)
	mov %r8, 40(%rdi)
	mov %r9, 48(%rdi)
	mov %r10, 56(%rdi)
	add $64, %rsi
	add $64, %rdi
	dec %rcx
	jnz 1b
2:	mov %edx, %ecx
	and $63, %ecx
	shr $3, %ecx
	jz 4f
3:	mov (%rsi), %rax
	mov %rax, (%rdi)
	add $8, %rsi
	add $8, %rdi
	dec %ecx
	jnz 3b
4:	and $7, %edx
	jz 6f
5:	movb (%rsi), %al
	movb %al, (%rdi)
	inc %rsi
	inc %rdi
	dec %edx
	jnz 5b
copy_end:
6:	SMAP_SITE clac
	xor %eax, %eax
	ret

/* int arch__user_load_u32(uint64_t address, uint32_t *out_value): one access */
	.balign 16
	.globl arch__user_load_u32
arch__user_load_u32:
	SMAP_SITE stac
load_start:
	mov (%rdi), %eax
load_end:
	SMAP_SITE clac
	mov %eax, (%rsi)
	xor %eax, %eax
	ret

user_copy_failed:
	SMAP_SITE clac
	mov $USER_COPY_FAULT, %eax
	ret

	FIXUP copy_start, copy_end, user_copy_failed
	FIXUP load_start, load_end, user_copy_failed
