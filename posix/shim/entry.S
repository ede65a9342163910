/* SPDX-License-Identifier: MIT */
/*
 * Entry and exit of the shim on x86-64: the bounce, kicks, faults, new threads, and the ways back.
 *
 * The program's stack is never touched (its red zone is live) and no vector register is used. State
 * is a function of the program counter: a kick inside [shim_exit_begin, shim_exit_end),
 * [shim_full_begin, shim_full_end) or [shim_step_begin, shim_step_end) restarts that range, which
 * only reads its frame; anywhere else in the shim it only sets `pending`, which the ranges test
 * first.
 *
 *   syscall -> shim_entry_syscall -> table -> handler -> shim_exit_begin -> program
 *           \                                  \-> pending: shim_exit_slow -> shim_full_return
 *            traced or restricted: shim_traced_call -/
 *   stub    -> shim_entry_stub  -> as syscall, without the kernel
 *   kick    -> shim_entry_kick  -> shim_kick()  -> shim_full_return
 *   fault   -> shim_entry_fault -> shim_fault() -> shim_full_return
 *                                            \-> in a stub: shim_finish_stub -> as syscall
 *   thread  -> shim_entry_child -> shim_start() -> shim_full_return
 *
 * The call frame (offsets.h, CF_*) lies right below the stack's top, so that restart code can find
 * it again.
 */
#include "offsets.h"

	.section .text.entry, "ax", @progbits

	.globl shim_entry_syscall
shim_entry_syscall:
	mov	%rsp, %gs:TP_USER_SP
	mov	%gs:TP_STACK, %rsp
shim_make_frame:
	mov	%eax, %eax
	push	%rax
	push	%r9
	push	%r8
	push	%r10
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rax
	cmp	%gs:TP_CALLS_END, %eax
	jae	1f
	mov	%r10, %rcx
	lea	shim_call_table(%rip), %r11
	movslq	(%r11, %rax, 4), %rax
	add	%r11, %rax
	call	*%rax

	.globl shim_exit_begin, shim_exit_end, shim_exit_restart
shim_exit_begin:
	cmpl	$0, %gs:TP_PENDING
	jne	shim_exit_slow
	mov	CF_RDI(%rsp), %rdi
	mov	CF_RSI(%rsp), %rsi
	mov	CF_RDX(%rsp), %rdx
	mov	CF_R10(%rsp), %r10
	mov	CF_R8(%rsp), %r8
	mov	CF_R9(%rsp), %r9
	mov	%gs:TP_USER_FLAGS, %r11
	mov	%gs:TP_USER_IP, %rcx
	mov	%gs:TP_USER_SP, %rsp
	jmp	*%gs:TP_USER_IP
shim_exit_end:
1:
	cmpl	$0, %gs:TP_TRACE
	jne	shim_traced_call
	cmpl	$0, %gs:TP_RESTRICTED
	jne	3f
2:
	call	shim_make_call
	jmp	shim_exit_begin
3:	/* what a filter has to see goes the long way, too */
	cmp	$SHIM_NUMBER_MAX, %rax
	jae	shim_traced_call
	bt	%rax, %gs:TP_ALLOWED
	jc	2b
	jmp	shim_traced_call
shim_exit_restart:
	mov	%gs:TP_STACK, %rsp
	sub	$CF_SIZE, %rsp
	jmp	shim_exit_begin

/*
 * From a stub of a rewritten system call (stub.c): rcx = the address behind the site. Does what
 * the kernel does in a bounce.
 */
	.globl	shim_entry_stub
shim_entry_stub:
	mov	%rsp, %gs:TP_USER_SP
	mov	%gs:TP_STACK, %rsp
	mov	%rcx, %gs:TP_USER_IP
	pushf
	testl	$FLAGS_BAD, (%rsp)
	popq	%gs:TP_USER_FLAGS
	jz	shim_make_frame
	push	$FLAGS_PLAIN
	popf
	jmp	shim_make_frame

/* A thread was interrupted in a stub: the registers at rsp and the page are those of the call. */
shim_finish_stub:
	mov	R_RBX(%rsp), %rbx
	mov	R_RBP(%rsp), %rbp
	mov	R_R12(%rsp), %r12
	mov	R_R13(%rsp), %r13
	mov	R_R14(%rsp), %r14
	mov	R_R15(%rsp), %r15
	mov	R_RAX(%rsp), %rax
	mov	R_RDI(%rsp), %rdi
	mov	R_RSI(%rsp), %rsi
	mov	R_RDX(%rsp), %rdx
	mov	R_R10(%rsp), %r10
	mov	R_R8(%rsp), %r8
	mov	R_R9(%rsp), %r9
	mov	%gs:TP_STACK, %rsp
	jmp	shim_make_frame

/*
 * Builds struct hel_registers of the interrupted program at (%rsp) from the call frame above it;
 * rax = result. `base` is the distance from rsp to the call frame after the structure was made room
 * for.
 */
.macro save_call_registers base
	mov	%rax, R_RAX(%rsp)
	mov	%rbx, R_RBX(%rsp)
	mov	%rbp, R_RBP(%rsp)
	mov	%r12, R_R12(%rsp)
	mov	%r13, R_R13(%rsp)
	mov	%r14, R_R14(%rsp)
	mov	%r15, R_R15(%rsp)
	mov	(\base + CF_RDI)(%rsp), %rcx
	mov	%rcx, R_RDI(%rsp)
	mov	(\base + CF_RSI)(%rsp), %rcx
	mov	%rcx, R_RSI(%rsp)
	mov	(\base + CF_RDX)(%rsp), %rcx
	mov	%rcx, R_RDX(%rsp)
	mov	(\base + CF_R10)(%rsp), %rcx
	mov	%rcx, R_R10(%rsp)
	mov	(\base + CF_R8)(%rsp), %rcx
	mov	%rcx, R_R8(%rsp)
	mov	(\base + CF_R9)(%rsp), %rcx
	mov	%rcx, R_R9(%rsp)
	mov	%gs:TP_USER_SP, %rcx
	mov	%rcx, R_RSP(%rsp)
	mov	%gs:TP_USER_FLAGS, %rcx
	mov	%rcx, R_RFLAGS(%rsp)
	mov	%rcx, R_R11(%rsp)
	mov	%gs:TP_USER_IP, %rcx
	mov	%rcx, R_RIP(%rsp)
	mov	%rcx, R_RCX(%rsp)
	movq	$0, (R_SIZE - 16)(%rsp)
	movq	$0, (R_SIZE - 8)(%rsp)
.endm

/* Something is pending: build the program's registers and let C decide. */
shim_exit_slow:
	sub	$R_SIZE, %rsp
	save_call_registers R_SIZE
	mov	%rsp, %rdi
	mov	(R_SIZE + CF_NUMBER)(%rsp), %rsi
	call	shim_leave_call
	jmp	shim_full_return

/* Makes the call rax, all 64 bits, with the arguments of the frame behind the return address. */
shim_make_call:
	mov	(8 + CF_RDI)(%rsp), %rdi
	mov	(8 + CF_RSI)(%rsp), %rsi
	mov	(8 + CF_RDX)(%rsp), %rdx
	mov	(8 + CF_R10)(%rsp), %rcx
	mov	(8 + CF_R8)(%rsp), %r8
	mov	(8 + CF_R9)(%rsp), %r9
	cmp	$SHIM_NUMBER_MAX, %rax
	jae	shim_unknown
	lea	shim_call_table(%rip), %r11
	movslq	(%r11, %rax, 4), %rax
	add	%r11, %rax
	jmp	*%rax

/*
 * The long way of traced and restricted threads: shim_trace_entry(registers) reports the entry,
 * asks about the call, and gives the number of the call to make, ~0 for none, after it has put what
 * the tracer changed into the call frame, which lies behind the registers. That the exit has to
 * look is said after the call: a wait in it would end at once.
 */
shim_traced_call:
	sub	$R_SIZE, %rsp
	mov	$-38, %rax			/* ENOSYS, as Linux shows at the entry */
	save_call_registers R_SIZE
	mov	%rsp, %rdi
	call	shim_trace_entry
	mov	R_RBX(%rsp), %rbx
	mov	R_RBP(%rsp), %rbp
	mov	R_R12(%rsp), %r12
	mov	R_R13(%rsp), %r13
	mov	R_R14(%rsp), %r14
	mov	R_R15(%rsp), %r15
	mov	R_RAX(%rsp), %r11
	add	$R_SIZE, %rsp
	cmp	$-1, %rax
	je	4f
	call	shim_make_call
	jmp	5f
4:
	mov	%r11, %rax
5:
	movl	$1, %gs:TP_PENDING
	jmp	shim_exit_begin

/*
 * Handlers that need the whole context: clone, fork, vfork, rt_sigreturn.  `handler(registers,
 * number)`.
 */
.macro full_context_call name, handler
	.globl	\name
\name:
	/* the return address and this keep 16-byte alignment */
	sub	$(R_SIZE + 8), %rsp
	save_call_registers (R_SIZE + 16)
	mov	%rsp, %rdi
	mov	(R_SIZE + 16 + CF_NUMBER)(%rsp), %rsi
	call	\handler
	add	$(R_SIZE + 8), %rsp
	ret
.endm
	full_context_call shim_clone, shim_do_clone
	full_context_call shim_fork, shim_do_fork
	full_context_call shim_vfork, shim_do_vfork
	full_context_call shim_clone3, shim_do_clone3

/*
 * Handlers that may build a signal frame: `handler(registers, number)`. A result above zero: the
 * registers are those to go on with.
 */
.macro signal_call name, handler
	.globl	\name
\name:
	sub	$(R_SIZE + 8), %rsp
	save_call_registers (R_SIZE + 16)
	mov	%rsp, %rdi
	mov	(R_SIZE + 16 + CF_NUMBER)(%rsp), %rsi
	call	\handler
	test	%rax, %rax
	jg	shim_full_return
	add	$(R_SIZE + 8), %rsp
	ret
.endm
	signal_call shim_kill, shim_do_kill
	signal_call shim_tkill, shim_do_tkill
	signal_call shim_tgkill, shim_do_tgkill
	signal_call shim_rt_sigqueueinfo, shim_do_rt_sigqueueinfo
	signal_call shim_rt_tgsigqueueinfo, shim_do_rt_tgsigqueueinfo

	.globl	shim_rt_sigreturn
shim_rt_sigreturn:
	sub	$(R_SIZE + 8), %rsp
	save_call_registers (R_SIZE + 16)
	mov	%rsp, %rdi
	call	shim_do_sigreturn
	/* fall through: the registers at rsp are those of the interrupted program */

/* All registers of the structure at rsp but rsp, rip and the flags; the former into the page. */
.macro load_registers
	mov	R_RSP(%rsp), %rcx
	mov	%rcx, %gs:TP_USER_SP
	mov	R_RIP(%rsp), %rcx
	mov	%rcx, %gs:TP_USER_IP
	mov	R_RBX(%rsp), %rbx
	mov	R_RDX(%rsp), %rdx
	mov	R_RSI(%rsp), %rsi
	mov	R_RDI(%rsp), %rdi
	mov	R_RBP(%rsp), %rbp
	mov	R_R8(%rsp), %r8
	mov	R_R9(%rsp), %r9
	mov	R_R10(%rsp), %r10
	mov	R_R11(%rsp), %r11
	mov	R_R12(%rsp), %r12
	mov	R_R13(%rsp), %r13
	mov	R_R14(%rsp), %r14
	mov	R_R15(%rsp), %r15
	mov	R_RAX(%rsp), %rax
	mov	R_RCX(%rsp), %rcx
.endm

/* Leave with all registers from the structure at rsp. */
	.globl shim_full_return, shim_full_begin, shim_full_end, shim_full_restart
shim_full_return:
	mov	%rsp, %gs:TP_FULL_FRAME
shim_full_begin:
	cmpl	$0, %gs:TP_PENDING
	jne	2f
	load_registers
	push	R_RFLAGS(%rsp)
	popf
	mov	%gs:TP_USER_SP, %rsp
	jmp	*%gs:TP_USER_IP
shim_full_end:
2:
	mov	%rsp, %rdi
	call	shim_leave_full
	test	%al, %al
	jz	shim_full_return
	mov	%rsp, %gs:TP_FULL_FRAME

/*
 * The same for a thread that is to make one step. popf's trap comes after the instruction behind
 * it: the kernel passes over two, the last of which has reached the program.
 */
	.globl shim_step_begin, shim_step_end
shim_step_begin:
	cmpl	$0, %gs:TP_PENDING
	jne	2b
	movl	$2, %gs:TP_SKIP
	load_registers
	push	R_RFLAGS(%rsp)
	orl	$FLAGS_TF, (%rsp)
	popf
	mov	%gs:TP_USER_SP, %rsp
	jmp	*%gs:TP_USER_IP
shim_step_end:
shim_full_restart:
	mov	%gs:TP_FULL_FRAME, %rsp
	jmp	shim_full_begin

/* Copies the bounce page's frame to the stack, where nothing overwrites it. */
.macro copy_bounce_frame
	sub	$R_SIZE, %rsp
	mov	%gs:TP_SELF, %rsi
	add	$TP_FRAME, %rsi
	mov	%rsp, %rdi
	mov	$(R_SIZE / 8), %ecx
	rep movsq
.endm

	.globl	shim_entry_kick
shim_entry_kick:
	copy_bounce_frame
	mov	%rsp, %rdi
	call	shim_kick
	test	%al, %al
	jnz	shim_finish_stub
	jmp	shim_full_return

	.globl	shim_entry_fault
shim_entry_fault:
	copy_bounce_frame
	mov	%rsp, %rdi
	call	shim_fault
	test	%al, %al
	jnz	shim_finish_stub
	jmp	shim_full_return

/* The first instruction of every thread: rdi = thread page, rsp = top of the shim stack. */
	.globl	shim_entry_child
shim_entry_child:
	sub	$R_SIZE, %rsp
	mov	%rsp, %rsi
	call	shim_start
	jmp	shim_full_return

/* ---- access to the program's memory ---------------------------------------------------------- */

.macro fixup begin, end
	.pushsection .shim.fixups, "a", @progbits
	.long	\begin - ., \end - .
	.popsection
.endm

/* int shim_copy_bytes(void *to, const void *from, size_t size): 0 or -EFAULT */
	.globl	shim_copy_bytes
shim_copy_bytes:
10:
	cmp	$32, %rdx
	jb	12f
11:
	mov	(%rsi), %rax
	mov	8(%rsi), %rcx
	mov	16(%rsi), %r8
	mov	24(%rsi), %r9
	mov	%rax, (%rdi)
	mov	%rcx, 8(%rdi)
	mov	%r8, 16(%rdi)
	mov	%r9, 24(%rdi)
	add	$32, %rsi
	add	$32, %rdi
	sub	$32, %rdx
	cmp	$32, %rdx
	jae	11b
12:
	cmp	$8, %rdx
	jb	14f
13:
	mov	(%rsi), %rax
	mov	%rax, (%rdi)
	add	$8, %rsi
	add	$8, %rdi
	sub	$8, %rdx
	cmp	$8, %rdx
	jae	13b
14:
	test	%rdx, %rdx
	jz	16f
15:
	mov	(%rsi), %al
	mov	%al, (%rdi)
	inc	%rsi
	inc	%rdi
	dec	%rdx
	jnz	15b
16:
	xor	%eax, %eax
17:
	ret
	fixup	10b, 17b

/*
 * size_t shim_copy_long(void *to, const void *from, size_t size): bytes that are left. A string
 * instruction: one for 8 bytes on an emulator, and the fast way on processors. One that faults
 * goes on by bytes, up to the one that cannot be had.
 */
	.globl	shim_copy_long
shim_copy_long:
	mov	%rdx, %rcx
	shr	$3, %rcx
	and	$7, %edx
70:
	rep movsq
	mov	%edx, %ecx
	jmp	72f
71:
	mov	%gs:(TP_FRAME + R_RSI), %rsi
	mov	%gs:(TP_FRAME + R_RDI), %rdi
	mov	%gs:(TP_FRAME + R_RCX), %rcx
	lea	(%rdx, %rcx, 8), %rcx
72:
	rep movsb
	xor	%eax, %eax
	ret
73:
	mov	%gs:(TP_FRAME + R_RCX), %rax
	ret
	fixup	70b, 71b
	fixup	72b, 73b

/*
 * size_t shim_copy_blocks(void *to, const void *from, size_t size): the same for long ones of which
 * a string instruction, that costs an emulator as much for each 8 bytes as this does for 64, would
 * be slow.
 */
	.globl	shim_copy_blocks
shim_copy_blocks:
	mov	%rdx, %rcx
	xor	%edx, %edx
	sub	$64, %rcx
	jb	81f
80:
	mov	(%rsi), %rax
	mov	8(%rsi), %r8
	mov	16(%rsi), %r9
	mov	24(%rsi), %r10
	mov	%rax, (%rdi)
	mov	%r8, 8(%rdi)
	mov	%r9, 16(%rdi)
	mov	%r10, 24(%rdi)
	mov	32(%rsi), %rax
	mov	40(%rsi), %r8
	mov	48(%rsi), %r9
	mov	56(%rsi), %r10
	mov	%rax, 32(%rdi)
	mov	%r8, 40(%rdi)
	mov	%r9, 48(%rdi)
	mov	%r10, 56(%rdi)
	add	$64, %rsi
	add	$64, %rdi
	sub	$64, %rcx
	jae	80b
81:
	add	$64, %rcx
	jmp	72b
82:
	mov	%gs:(TP_FRAME + R_RSI), %rsi
	mov	%gs:(TP_FRAME + R_RDI), %rdi
	mov	%gs:(TP_FRAME + R_RCX), %rcx
	jmp	81b
	fixup	80b, 82b

/* size_t shim_clear_long(void *to, size_t size): likewise */
	.globl	shim_clear_long
shim_clear_long:
	mov	%rsi, %rcx
	mov	%esi, %edx
	shr	$3, %rcx
	and	$7, %edx
	xor	%eax, %eax
75:
	rep stosq
	mov	%edx, %ecx
	jmp	77f
76:
	xor	%eax, %eax
	mov	%gs:(TP_FRAME + R_RDI), %rdi
	mov	%gs:(TP_FRAME + R_RCX), %rcx
	lea	(%rdx, %rcx, 8), %rcx
77:
	rep stosb
	ret
78:
	mov	%gs:(TP_FRAME + R_RCX), %rax
	ret
	fixup	75b, 76b
	fixup	77b, 78b

/*
 * int64_t shim_string_size(const char *string, size_t limit): bytes with the NUL, -EFAULT, or
 * -ENAMETOOLONG
 */
	.globl	shim_string_size
shim_string_size:
20:
	xor	%eax, %eax
21:
	cmp	%rsi, %rax
	jae	22f
	cmpb	$0, (%rdi, %rax)
	lea	1(%rax), %rax
	jne	21b
	ret
22:
	mov	$-36, %rax			/* ENAMETOOLONG */
23:
	ret
	fixup	20b, 23b

/* int shim_swap_word(uint32_t *word, uint32_t value): stores; 0 or -EFAULT */
	.globl	shim_store_u32
shim_store_u32:
30:
	mov	%esi, (%rdi)
	xor	%eax, %eax
31:
	ret
	fixup	30b, 31b

/*
 * int shim_compare_exchange(uint32_t *word, uint32_t *expected, uint32_t value): 0, 1 (*expected is
 * what it was) or -EFAULT
 */
	.globl	shim_compare_exchange
shim_compare_exchange:
	mov	(%rsi), %eax
35:
	lock cmpxchg %edx, (%rdi)
	jne	36f
	xor	%eax, %eax
	ret
36:
	mov	%eax, (%rsi)
	mov	$1, %eax
37:
	ret
	fixup	35b, 37b

/* int shim_compare_exchange_u64(uint64_t *word, uint64_t *expected, uint64_t value): likewise */
	.globl	shim_compare_exchange_u64
shim_compare_exchange_u64:
	mov	(%rsi), %rax
38:
	lock cmpxchg %rdx, (%rdi)
	jne	39f
	xor	%eax, %eax
	ret
39:
	mov	%rax, (%rsi)
	mov	$1, %eax
37:
	ret
	fixup	38b, 37b

/*
 * int shim_fpu_save(void *area, uint64_t mask): XSAVE of the components in mask; 0 or -EFAULT.  The
 * header is zeroed.
 */
	.globl	shim_fpu_save
shim_fpu_save:
40:
	mov	$8, %ecx
	xor	%eax, %eax
41:
	mov	%rax, 504(%rdi, %rcx, 8)
	dec	%ecx
	jnz	41b
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
	/* QEMU's XSAVE and XRSTOR do not fetch a state that is not loaded; this does */
	fnop
	xsave64	(%rdi)
	xor	%eax, %eax
42:
	ret
	fixup	40b, 42b

/*
 * int shim_fpu_load(const void *area, uint64_t mask): XRSTOR; 0 or -EFAULT (also when the area is
 * malformed)
 */
	.globl	shim_fpu_load
shim_fpu_load:
50:
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
	fnop
	xrstor64 (%rdi)
	xor	%eax, %eax
51:
	ret
	fixup	50b, 51b

/* ---- faults inside the shim: not bounced again ----------------------------------------------- */

	.section .shim.fault, "ax", @progbits
	.globl	shim_entry_shim_fault
shim_entry_shim_fault:
	and	$-16, %rsp
	mov	%gs:(TP_FRAME + R_RIP), %rax
	lea	shim_fixups_begin(%rip), %rsi
	lea	shim_fixups_end(%rip), %rdi
60:	/* entries are distances from themselves */
	cmp	%rdi, %rsi
	jae	62f
	movslq	(%rsi), %rcx
	add	%rsi, %rcx
	cmp	%rcx, %rax
	jb	61f
	movslq	4(%rsi), %rcx
	lea	4(%rsi, %rcx), %rcx
	cmp	%rcx, %rax
	jae	61f
	mov	%gs:(TP_FRAME + R_RSP), %rsp
	mov	$-14, %rax
	jmp	*%rcx
61:
	add	$8, %rsi
	jmp	60b
62:
	/*
	 * A fault that is a bug of ours, or of a program that jumped in here: the observer ends the
	 * process.
	 */
	ud2

/* ---- header ---------------------------------------------------------------------------------- */

	.section .shim.header, "a", @progbits
	.globl	shim_image_begin
shim_image_begin:
	.quad	0x4d49485349544148
	.long	1, shim_header_end - shim_image_begin
	.irp	symbol, image_end, entry_syscall, entry_kick, entry_fault, entry_shim_fault, \
		entry_child, fault_begin, fault_end, exit_begin, exit_end, exit_restart, \
		full_begin, full_end, full_restart, step_begin, step_end, full_restart
	.quad	shim_\symbol - shim_image_begin
	.endr
	.quad	0, 0, 0
	.quad	shim_vdso - shim_image_begin
shim_header_end:

/* ---- the table of calls: 32-bit distances from the table, so that nothing needs relocation --- */

	.section .shim.calls, "a", @progbits
	.balign	4
shim_call_table:
	.set	shim_next, 0
#define LINUX_CALL(number, name, where, a0, a1, a2, a3, a4, a5) call_row number, name, where
.macro call_row number, name, where
	.rept	\number - shim_next
	.long	shim_unknown - shim_call_table
	.endr
	.ifc	\where, SHIM
	.long	shim_\name - shim_call_table
	.else
	.long	shim_forward - shim_call_table
	.endif
	.set	shim_next, \number + 1
.endm
#include <protocols/posix/calls.def>
	.rept	SHIM_NUMBER_MAX - shim_next
	.long	shim_unknown - shim_call_table
	.endr
