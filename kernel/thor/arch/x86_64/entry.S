/* SPDX-License-Identifier: MIT */
/*
 * The ways into the kernel and out of it.
 *
 * From user mode: registers are stored straight into the current thread's struct arch_context, then
 * C runs on the CPU's stack from its top and never returns, but from a hel call after which the
 * thread goes on at once: then the registers that C keeps are still where they were.  From the
 * kernel itself (faults in user copies, interrupts in arch_idle, bugs): a frame of the same shape
 * on the stack.
 *
 * NMI, double fault, machine check and debug exceptions can come between swapgs and the switch of
 * stacks, and user mode can load any gs base, so these four have stacks of their own with the
 * address of struct cpu at the top, and set and restore the gs base by hand. A debug exception of
 * user mode goes on like any other, from a copy of its frame.
 *
 * See docs/internals/entry-and-exit.md.
 */
#include <thor/arch/offsets.h>

/* clac and stac, which processors without SMAP do not know: those sites are made no-ops at boot. */
.macro USER_ACCESS_OFF
771:	clac
	.pushsection .smap_sites, "a", @progbits
	.long 771b - .
	.popsection
.endm

.macro PUSH_REGISTERS
	push %rdi
	push %rsi
	push %rdx
	push %rcx
	push %rax
	push %r8
	push %r9
	push %r10
	push %r11
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
.endm

.macro POP_REGISTERS
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rax
	pop %rcx
	pop %rdx
	pop %rsi
	pop %rdi
	add $16, %rsp			/* vector, error code */
.endm

/*
 * After `syscall`, gs is the kernel's, user rsp is in scratch: save what C may change, but for rcx
 * and r11, which the processor did; rdi = thread.
 */
.macro SAVE_AFTER_SYSCALL
	mov %gs:CPU_CONTEXT, %rsp
	mov %rax, CONTEXT_RAX(%rsp)
	mov %gs:CPU_SCRATCH, %rax
	mov %rcx, CONTEXT_RIP(%rsp)
	mov %r11, CONTEXT_RFLAGS(%rsp)
	mov %rax, CONTEXT_RSP(%rsp)
	mov %rdi, CONTEXT_RDI(%rsp)
	mov %rsi, CONTEXT_RSI(%rsp)
	mov %rdx, CONTEXT_RDX(%rsp)
	mov %r8, CONTEXT_R8(%rsp)
	mov %r9, CONTEXT_R9(%rsp)
	mov %r10, CONTEXT_R10(%rsp)
	mov %rbp, CONTEXT_RBP(%rsp)
	mov %gs:CPU_STACK_TOP, %rsp
	mov %gs:CPU_CURRENT, %rdi
	xor %ebp, %ebp
.endm

/* What C keeps, once it is known that the thread does not go on at once. \context: a register */
.macro SAVE_KEPT context
	movq $ARCH_VECTOR_SYSCALL, CONTEXT_VECTOR(\context)
	mov %rbx, CONTEXT_RBX(\context)
	mov %r12, CONTEXT_R12(\context)
	mov %r13, CONTEXT_R13(\context)
	mov %r14, CONTEXT_R14(\context)
	mov %r15, CONTEXT_R15(\context)
.endm

/* A bit for each exception that pushes an error code. */
#define VECTORS_WITH_ERROR 0x60227d00

#define HEL_NUMBER_LAST 0x80000fff

	.section .text.entry, "ax", @progbits

/* ---- syscall: a hel call, a bounce, or a foreign call of a thread without bounce */

	.balign 64
	.globl entry_syscall
entry_syscall:
	swapgs
	mov %rsp, %gs:CPU_SCRATCH
	test %eax, %eax
	jns entry_bounce
	/* negative numbers are no hel calls: Linux programs try them */
	cmp $HEL_NUMBER_LAST, %eax
	ja entry_bounce
	SAVE_AFTER_SYSCALL
	incq %gs:CPU_N_CALLS
	call thor_enter_call
	/* the thread is still current, whatever has become of it */
	mov %gs:CPU_CONTEXT, %rdi
	test %al, %al
	jz entry_leave_call
	mov CONTEXT_RAX(%rdi), %rax
	mov CONTEXT_RDX(%rdi), %rdx
	mov CONTEXT_RSI(%rdi), %rsi
	mov CONTEXT_R8(%rdi), %r8
	mov CONTEXT_R9(%rdi), %r9
	mov CONTEXT_R10(%rdi), %r10
	mov CONTEXT_RIP(%rdi), %rcx
	mov CONTEXT_RFLAGS(%rdi), %r11
	mov CONTEXT_RBP(%rdi), %rbp
	mov CONTEXT_RSP(%rdi), %rsp
	mov CONTEXT_RDI(%rdi), %rdi
	swapgs
	sysretq

entry_leave_call:
	SAVE_KEPT %rdi
	call sched_leave
	ud2

	.balign 16
entry_bounce:
	mov %gs:CPU_BOUNCE_PAGE, %rsp
	test %rsp, %rsp
	jz entry_foreign
	mov %rcx, BOUNCE_USER_IP(%rsp)
	mov %r11, BOUNCE_USER_FLAGS(%rsp)
	mov %gs:CPU_BOUNCE_ENTRY, %rcx
	and $~RFLAGS_ENTRY_CLEARED, %r11d
	mov %gs:CPU_SCRATCH, %rsp
	swapgs
	sysretq

entry_foreign:
	SAVE_AFTER_SYSCALL
	mov %gs:CPU_CONTEXT, %rax
	SAVE_KEPT %rax
	call thor_enter_foreign_call
	ud2

/* ---- exceptions and interrupts */

	.balign 16
entry_common:
	/* the saved cs says who was interrupted, nothing else does */
	testb $3, 24(%rsp)
	jz entry_from_kernel
	swapgs
	PUSH_REGISTERS
	cld
	USER_ACCESS_OFF
	mov %gs:CPU_STACK_TOP, %rsp
	mov %gs:CPU_CURRENT, %rdi
	xor %ebp, %ebp
	call exception_from_user
	ud2

entry_from_kernel:
	PUSH_REGISTERS
	cld
	USER_ACCESS_OFF
	mov %rsp, %rdi
	call exception_from_kernel
	POP_REGISTERS
	iretq

entry_debug:
	testb $3, 24(%rsp)
	jz entry_special
	swapgs
	PUSH_REGISTERS
	cld
	USER_ACCESS_OFF
	mov %rsp, %rsi
	mov %gs:CPU_CONTEXT, %rdi
	mov $(CONTEXT_FRAME_SIZE / 8), %ecx
	rep movsq
	mov %gs:CPU_STACK_TOP, %rsp
	mov %gs:CPU_CURRENT, %rdi
	xor %ebp, %ebp
	call exception_from_user
	ud2

/* The address of struct cpu lies behind the frame, at the top of the stack. */
entry_special:
	PUSH_REGISTERS
	cld
	USER_ACCESS_OFF
	mov $MSR_GS_BASE, %ecx
	rdmsr
	mov %eax, %r12d
	mov %edx, %r13d
	mov CONTEXT_FRAME_SIZE(%rsp), %rax
	mov CONTEXT_FRAME_SIZE+4(%rsp), %edx
	wrmsr
	mov %rsp, %rdi
	call exception_special
	mov $MSR_GS_BASE, %ecx
	mov %r12d, %eax
	mov %r13d, %edx
	wrmsr
	POP_REGISTERS
	iretq

/* One stub of 16 bytes for each vector. */
	.balign 16
	.globl entry_stubs
entry_stubs:
vector = 0
	.rept 256
	.balign 16
	.if vector >= 32
	push $0
	.elseif ((VECTORS_WITH_ERROR >> vector) & 1) == 0
	push $0
	.endif
	push $vector
	.if vector == 2 || vector == 8 || vector == 18
	jmp entry_special
	.elseif vector == 1
	jmp entry_debug
	.else
	jmp entry_common
	.endif
vector = vector + 1
	.endr

/* ---- back to user mode: rdi = context */

	.balign 16
	.globl entry_leave_sysret
entry_leave_sysret:
	mov CONTEXT_R15(%rdi), %r15
	mov CONTEXT_R14(%rdi), %r14
	mov CONTEXT_R13(%rdi), %r13
	mov CONTEXT_R12(%rdi), %r12
	mov CONTEXT_RBP(%rdi), %rbp
	mov CONTEXT_RBX(%rdi), %rbx
	mov CONTEXT_R10(%rdi), %r10
	mov CONTEXT_R9(%rdi), %r9
	mov CONTEXT_R8(%rdi), %r8
	mov CONTEXT_RAX(%rdi), %rax
	mov CONTEXT_RDX(%rdi), %rdx
	mov CONTEXT_RSI(%rdi), %rsi
	mov CONTEXT_RIP(%rdi), %rcx
	mov CONTEXT_RFLAGS(%rdi), %r11
	mov CONTEXT_RSP(%rdi), %rsp
	mov CONTEXT_RDI(%rdi), %rdi
	swapgs
	sysretq

	.balign 16
	.globl entry_leave_iret
entry_leave_iret:
	mov %rdi, %rsp
	POP_REGISTERS
	swapgs
	iretq

/* ---- take interrupts for a moment: those that come are noted by exception_from_kernel */

	.balign 16
	.globl entry_wait
entry_wait:
	sti
	.globl entry_wait_halt
entry_wait_halt:
	hlt
	.globl entry_wait_end
entry_wait_end:
	cli
	ret

/* ---- nothing to do */

	.balign 16
	.globl arch_idle
arch_idle:
	mov %gs:CPU_STACK_TOP, %rsp
	xor %ebp, %ebp
	.globl entry_idle
entry_idle:
	sti
1:	hlt
	jmp 1b
	.globl entry_idle_end
entry_idle_end:
