/* SPDX-License-Identifier: MIT */
/*
 * From the 32-bit state of PVH and Multiboot 2, which is the same, to long mode.
 *
 * eir runs on its own page tables, which map the low 4 GiB one to one with 2 MiB pages.
 */
#include <eir/arch/x86_64/stack.h>

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
#define MULTIBOOT2_HEADER 0xe85250d6
#define MULTIBOOT2_HEADER_SIZE 72
#define MULTIBOOT2_MAGIC 0x36d76289

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18		/* sizes of name and contents; XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long eir_start_pvh

	.section .text.start, "ax", @progbits
	.balign 8
multiboot2_header:
	.long MULTIBOOT2_HEADER, 0, MULTIBOOT2_HEADER_SIZE	/* 0: for this architecture */
	.long 0x100000000 - MULTIBOOT2_HEADER - MULTIBOOT2_HEADER_SIZE
	.short 5, 1			/* a framebuffer, if there can be one */
	.long 20, 1024, 768, 32, 0
	.short 3, 0			/* where to enter */
	.long 12, eir_start_multiboot2, 0
	.short 6, 0			/* modules on pages of their own */
	.long 8
	.short 0, 0			/* the end */
	.long 8
	.if . - multiboot2_header - MULTIBOOT2_HEADER_SIZE
	.error "the size of the Multiboot 2 header is wrong"
	.endif

	.code32
eir_start_multiboot2:
	cmp $MULTIBOOT2_MAGIC, %eax
	jne no_boot_protocol
	mov $multiboot2_main, %ebp
	jmp enter_long_mode

	.globl eir_start_pvh
eir_start_pvh:
	mov $pvh_main, %ebp

enter_long_mode:			/* and call ebp(ebx) */
	cld
	cli
	mov %ebx, %esi
	mov $eir_bss_start, %edi
	mov $eir_bss_end, %ecx
	sub %edi, %ecx
	shr $2, %ecx
	xor %eax, %eax
	rep stosl

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

no_boot_protocol:
	mov $no_boot_protocol_text, %esi
	jmp fail
no_long_mode:
	mov $no_long_mode_text, %esi
fail:
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
	mov $(eir_stack + EIR_STACK_SIZE), %rsp
	mov %esi, %edi
	mov %ebp, %eax
	xor %ebp, %ebp
	call *%rax
6:	hlt
	jmp 6b

	.section .rodata.start, "a", @progbits
no_boot_protocol_text:
	.asciz "eir: started by something else than Multiboot 2\n"
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
