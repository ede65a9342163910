/* SPDX-License-Identifier: MIT */
/*
 * From the 32-bit state of PVH to long mode, and from eir to thor.
 *
 * eir runs on its own page tables, which map the low 4 GiB one to one with 2 MiB pages;
 * arch_enter adds thor's upper half to them, so that the jump needs no page that both have.  thor
 * loads its own root itself.
 */
#define CR0_PE 0x1
#define CR0_WP 0x10000
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define CR4_PGE 0x80
#define EFER_LME 0x100
#define EFER_NXE 0x800
#define MSR_EFER 0xc0000080
#define PAGE_PRESENT_WRITE 0x3
#define PAGE_LARGE 0x80

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18		/* sizes of name and contents; XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long eir_start32

	.section .text.start, "ax", @progbits
	.code32
	.globl eir_start32
eir_start32:
	cld
	cli
	mov %ebx, %esi			/* struct hvm_start_info */
	mov $eir_bss_start, %edi
	mov $eir_bss_end, %ecx
	sub %edi, %ecx
	shr $2, %ecx
	xor %eax, %eax
	rep stosl
	mov $eir_stack_top, %esp

	mov $0x80000000, %eax
	cpuid
	cmp $0x80000001, %eax
	jb no_long_mode
	mov $0x80000001, %eax
	cpuid
	mov $(1 << 29 | 1 << 20), %eax	/* long mode, no-execute */
	and %eax, %edx
	cmp %eax, %edx
	jne no_long_mode

	/* root -> one table of 512 GiB -> four of 1 GiB each, filled with 2 MiB pages */
	movl $(eir_pml3 + PAGE_PRESENT_WRITE), eir_pml4
	mov $(eir_pml2 + PAGE_PRESENT_WRITE), %eax
	xor %ecx, %ecx
1:	mov %eax, eir_pml3(, %ecx, 8)
	add $4096, %eax
	inc %ecx
	cmp $4, %ecx
	jb 1b
	mov $(PAGE_PRESENT_WRITE | PAGE_LARGE), %eax
	xor %ecx, %ecx
2:	mov %eax, eir_pml2(, %ecx, 8)
	add $0x200000, %eax
	inc %ecx
	cmp $2048, %ecx
	jb 2b

	mov %cr4, %eax
	or $(CR4_PAE | CR4_PGE), %eax
	mov %eax, %cr4
	mov $eir_pml4, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $(EFER_LME | EFER_NXE), %eax
	wrmsr
	mov %cr0, %eax
	or $(CR0_PG | CR0_WP | CR0_PE), %eax
	mov %eax, %cr0
	lgdt eir_gdt_pointer
	ljmp $0x08, $eir_start64

no_long_mode:
	mov $no_long_mode_text, %esi
	mov $0x3f8, %dx
3:	lodsb
	test %al, %al
	jz 4f
	out %al, %dx
	jmp 3b
4:	mov $0x7d, %al
	out %al, $0xf4
5:	hlt
	jmp 5b

	.code64
eir_start64:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov $eir_stack_top, %rsp
	mov %esi, %edi
	xor %ebp, %ebp
	call pvh_main
6:	hlt
	jmp 6b

/* arch__jump(entry, boot_info, stack) */
	.globl arch__jump
arch__jump:
	mov %rdx, %rsp
	mov %rdi, %rax
	mov %rsi, %rdi
	xor %ebp, %ebp
	push %rbp
	jmp *%rax

	.section .rodata.start, "a", @progbits
no_long_mode_text:
	.asciz "eir: this processor has no 64-bit mode\n"
	.balign 8
eir_gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* 64-bit code */
	.quad 0x00cf93000000ffff	/* data */
eir_gdt_pointer:
	.word 23
	.long eir_gdt

	.section .bss.start, "aw", @nobits
	.balign 4096
	.globl eir_pml4
eir_pml4:
	.skip 4096
eir_pml3:
	.skip 4096
eir_pml2:
	.skip 4 * 4096
	.globl eir_stack_top
eir_stack:
	.skip 16384
eir_stack_top:
