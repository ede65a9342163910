/* SPDX-License-Identifier: MIT */
/*
 * Threads' contexts: making, entering, leaving, reading and changing them.
 *
 * fs base and user gs base stay in the processor while other threads do not need it: bases_owner
 * of the CPU and bases_cpu of the context name each other exactly while the registers hold the
 * context's values.  User mode may change them without the kernel (wrfsbase), so leaving saves
 * them.  The FPU state follows the same scheme: fpu.c.
 */
#include <abi/hel/bounce.h>
#include <base/assert.h>
#include <base/string.h>
#include <thor/sched/thread.h>

#include "machine.h"
#include "registers.h"

#define CANONICAL_HOLE_START 0x0000800000000000u
#define CANONICAL_HOLE_END   0xffff800000000000u

/* ---- fs base and user gs base */

static bool is_canonical(uint64_t address)
{
	return address < CANONICAL_HOLE_START || address >= CANONICAL_HOLE_END;
}

static bool bases_are_loaded(const struct cpu *cpu, const struct arch_context *context)
{
	return cpu->arch.bases_owner == context && context->bases_cpu == cpu->index;
}

static ALWAYS_INLINE void bases_load(struct cpu *cpu, struct arch_context *context)
{
	if (likely(features.has_fsgsbase)) {
		__asm__ volatile("wrfsbase %0; swapgs; wrgsbase %1; swapgs"
			:
			: "r"(context->fs_base), "r"(context->gs_base)
			: "memory");
	} else {
		msr_write(MSR_FS_BASE, context->fs_base);
		msr_write(MSR_KERNEL_GS_BASE, context->gs_base);
	}
	cpu->arch.bases_owner = context;
	context->bases_cpu = cpu->index;
}

static ALWAYS_INLINE void bases_save(struct cpu *cpu, struct arch_context *context)
{
	if (!bases_are_loaded(cpu, context)) {
		return;
	}
	if (likely(features.has_fsgsbase)) {
		__asm__ volatile("rdfsbase %0; swapgs; rdgsbase %1; swapgs"
			: "=r"(context->fs_base), "=r"(context->gs_base)
			:
			: "memory");
	} else {
		context->fs_base = msr_read(MSR_FS_BASE);
		context->gs_base = msr_read(MSR_KERNEL_GS_BASE);
	}
}

/* ---- life */

/* A user address, or one that faults in user mode. */
static uint64_t user_ip(uint64_t ip)
{
	return ip < ARCH_USER_HIGH ? ip : ARCH_USER_HIGH;
}

int arch_context_init(struct arch_context *context, uint64_t ip, uint64_t sp, uint64_t argument,
	uint64_t tls_base)
{
	ASSERT(is_aligned((uint64_t)context, 16));
	if (ip >= ARCH_USER_HIGH || !is_canonical(sp) || !is_canonical(tls_base)) {
		return -ERR_ILLEGAL_ARGS;
	}
	*context = (struct arch_context){
		.rdi = argument,
		.rip = ip,
		.cs = USER_CS,
		.rflags = RFLAGS_FIXED | RFLAGS_IF,
		.rsp = sp,
		.ss = USER_SS,
		.fs_base = tls_base,
		.bases_cpu = ARCH_NO_CPU,
		.fpu_cpu = ARCH_NO_CPU,
	};
	return 0;
}

void arch_context_deinit(struct arch_context *context)
{
	fpu_forget(context);
	debug_forget(context);
}

void arch_context_set_bounce(
	struct arch_context *context, struct hel_bounce_page *page, const struct hel_bounce *bounce)
{
	struct cpu *cpu = arch_this_cpu();

	context->bounce_page = page;
	context->bounce_entry = page != NULL ? user_ip(bounce->entry_syscall) : 0;
	if (cpu->arch.context == context) {
		cpu->arch.bounce_page = context->bounce_page;
		cpu->arch.bounce_entry = context->bounce_entry;
	}
}

void arch_context_set_gs_base(struct arch_context *context, uint64_t gs_base)
{
	if (is_canonical(gs_base)) {
		context->gs_base = gs_base;
		context->bases_cpu = ARCH_NO_CPU;
		context->is_changed = true;
	}
}

/* ---- entering and leaving */

static ALWAYS_INLINE void context_load(struct cpu *cpu, struct arch_context *context)
{
	ASSERT(cpu->arch.context == NULL);
	cpu->arch.context = context;
	cpu->arch.tss.rsp[0] = (uint64_t)context + CONTEXT_FRAME_SIZE;
	cpu->arch.bounce_page = context->bounce_page;
	cpu->arch.bounce_entry = context->bounce_entry;
}

/*
 * The context may have been somewhere else, or have been changed, since it was last entered here.
 */
static ALWAYS_INLINE void context_prepare(struct cpu *cpu, struct arch_context *context)
{
	if (cpu->arch.context != context) {
		context_load(cpu, context);
	}
	if (!bases_are_loaded(cpu, context)) {
		bases_load(cpu, context);
	}
	fpu_enter(cpu, context);
	if (unlikely(cpu->arch.has_breakpoints || context->debug != NULL)) {
		debug_enter(cpu, context);
	}
	context->is_changed = false;
}

void arch_enter_user(struct thread *thread)
{
	struct cpu *cpu = arch_this_cpu();
	struct arch_context *context = &thread->arch;

	if (unlikely(cpu->arch.context != context || context->is_changed)) {
		context_prepare(cpu, context);
	}
	if (likely(context->vector == ARCH_VECTOR_SYSCALL)) {
		entry_leave_sysret(context);
	}
	entry_leave_iret(context);
}

LINK_INLINE void arch_context_leave(struct thread *thread)
{
	struct cpu *cpu = arch_this_cpu();
	struct arch_context *context = &thread->arch;

	if (cpu->arch.context == context) {
		bases_save(cpu, context);
		fpu_leave(cpu, context);
		cpu->arch.context = NULL;
	}
}

/* ---- registers */

void arch_context_get_registers(struct thread *thread, struct hel_registers *out_registers)
{
	struct arch_context *context = &thread->arch;
	bool by_syscall = context->vector == ARCH_VECTOR_SYSCALL;
	struct cpu *cpu = arch_this_cpu();

	if (cpu->arch.context == context) {
		bases_save(cpu, context);
	}
	*out_registers = (struct hel_registers){
		.rax = context->rax,
		.rbx = context->rbx,
		.rcx = by_syscall ? context->rip : context->rcx,
		.rdx = context->rdx,
		.rsi = context->rsi,
		.rdi = context->rdi,
		.rbp = context->rbp,
		.rsp = context->rsp,
		.r8 = context->r8,
		.r9 = context->r9,
		.r10 = context->r10,
		.r11 = by_syscall ? context->rflags : context->r11,
		.r12 = context->r12,
		.r13 = context->r13,
		.r14 = context->r14,
		.r15 = context->r15,
		.rip = context->rip,
		.rflags = context->rflags,
		.fs_base = context->fs_base,
		.gs_base = context->gs_base,
	};
}

int arch_context_set_registers(struct thread *thread, const struct hel_registers *registers)
{
	struct arch_context *context = &thread->arch;

	if (registers->rip >= ARCH_USER_HIGH || !is_canonical(registers->fs_base) ||
		!is_canonical(registers->gs_base)) {
		return -ERR_ILLEGAL_ARGS;
	}
	context->rax = registers->rax;
	context->rbx = registers->rbx;
	context->rcx = registers->rcx;
	context->rdx = registers->rdx;
	context->rsi = registers->rsi;
	context->rdi = registers->rdi;
	context->rbp = registers->rbp;
	context->rsp = registers->rsp;
	context->r8 = registers->r8;
	context->r9 = registers->r9;
	context->r10 = registers->r10;
	context->r11 = registers->r11;
	context->r12 = registers->r12;
	context->r13 = registers->r13;
	context->r14 = registers->r14;
	context->r15 = registers->r15;
	context->rip = registers->rip;
	context->rflags = (registers->rflags & RFLAGS_USER) | RFLAGS_FIXED | RFLAGS_IF;
	context->fs_base = registers->fs_base;
	context->gs_base = registers->gs_base;
	context->bases_cpu = ARCH_NO_CPU;
	context->is_changed = true;
	context->vector = 0;
	return 0;
}

void arch_context_redirect(struct arch_context *context, uint64_t ip, uint64_t sp)
{
	context->rip = user_ip(ip);
	context->rsp = sp;
	context->rflags &= ~(uint64_t)RFLAGS_ENTRY_CLEARED;
}
