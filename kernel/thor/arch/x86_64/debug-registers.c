/* SPDX-License-Identifier: MIT */
/*
 * Debug registers and single steps of threads.
 *
 * A thread has debug registers from when they are first set. They are loaded when it enters user
 * mode on a CPU, and switched off when the next thread does that has none. While the kernel runs
 * for the thread they stay loaded: addresses are those of user memory, so only an access for the
 * thread can match, and the #DB that comes of it in the kernel is dropped (exception_special()).
 *
 * #DB has a stack of its own: a `mov ss` before `syscall` or `int3` delays the match of its own
 * operand to the first instruction of the kernel, when neither stack nor gs are the kernel's.
 *
 * A breakpoint comes before its instruction. Going on there needs RF, or it would come again: the
 * flag is set in what the thread goes on with. A thread with a bounce page goes on by itself, in
 * user mode, where RF cannot be set: the next match at the same place is passed over, unless its
 * debug registers were written since.
 */
#include <base/assert.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>
#include <thor/sched/thread.h>

#include "machine.h"
#include "registers.h"

#define DR6_NONE   UINT64_C(0xffff0ff0)
#define DR6_REPORT UINT64_C(0xe00f) /* breakpoints 0 to 3, debug registers, step, task switch */
#define DR6_HITS   UINT64_C(0xf)
#define DR6_STEP   UINT64_C(0x4000)

#define DR7_FIXED   UINT64_C(0x400)
#define DR7_ENABLES UINT64_C(0xff)
#define DR7_EXACT   UINT64_C(0x300)
#define DR7_VALID   (UINT64_C(0xffff0000) | DR7_FIXED | DR7_EXACT | DR7_ENABLES)

enum breakpoint_kind : uint32_t {
	BREAKPOINT_EXECUTE = 0,
	BREAKPOINT_WRITE = 1,
	BREAKPOINT_PORT = 2,
	BREAKPOINT_ACCESS = 3,
};

struct arch_debug {
	struct hel_debug_registers registers; /* the status gathers what happened */
	uint64_t passed_ip; /* a breakpoint to pass over, 0: none */
};

static uint32_t breakpoint_kind(uint64_t control, unsigned index)
{
	return control >> (16 + 4 * index) & 3;
}

static uint64_t breakpoint_size(uint64_t control, unsigned index)
{
	static const uint8_t sizes[] = { 1, 2, 8, 4 };

	return sizes[control >> (18 + 4 * index) & 3];
}

/* ---- values from user mode */

static bool debug_is_valid(const struct hel_debug_registers *registers)
{
	if ((registers->control & ~DR7_VALID) != 0 || (registers->status & ~DR6_REPORT) != 0) {
		return false;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(registers->addresses); i++) {
		uint32_t kind = breakpoint_kind(registers->control, i);
		uint64_t size = breakpoint_size(registers->control, i);

		if (registers->addresses[i] >= ARCH_USER_HIGH ||
			!is_aligned(registers->addresses[i], size) || kind == BREAKPOINT_PORT ||
			(kind == BREAKPOINT_EXECUTE && size != 1)) {
			return false;
		}
	}
	return true;
}

void arch_context_get_debug(struct thread *thread, struct hel_debug_registers *out_registers)
{
	*out_registers = thread->arch.debug != NULL
		? thread->arch.debug->registers
		: (struct hel_debug_registers){ .control = DR7_FIXED };
}

int arch_context_set_debug(struct thread *thread, const struct hel_debug_registers *registers)
{
	struct arch_context *context = &thread->arch;
	struct cpu *cpu = arch_this_cpu();

	if (!debug_is_valid(registers)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (context->debug == NULL) {
		context->debug = account_allocate(thread->object.account, sizeof(*context->debug));
		if (context->debug == NULL) {
			return -ERR_NO_MEMORY;
		}
	}
	context->debug->registers = *registers;
	context->debug->registers.control |= DR7_FIXED;
	context->debug->passed_ip = 0;
	context->is_changed = true;
	/* The caller itself may go back to user mode without another look at that. */
	if (cpu->arch.context == context) {
		debug_enter(cpu, context);
	}
	return 0;
}

void debug_forget(struct arch_context *context)
{
	struct thread *thread = container_of(context, struct thread, arch);

	account_free(thread->object.account, context->debug, sizeof(*context->debug));
	context->debug = NULL;
}

/* ---- loading */

void debug_enter(struct cpu *cpu, const struct arch_context *context)
{
	bool has_breakpoints =
		context->debug != NULL && (context->debug->registers.control & DR7_ENABLES) != 0;

	if (has_breakpoints) {
		const struct hel_debug_registers *registers = &context->debug->registers;

		dr7_write(DR7_FIXED);
		dr0_write(registers->addresses[0]);
		dr1_write(registers->addresses[1]);
		dr2_write(registers->addresses[2]);
		dr3_write(registers->addresses[3]);
		dr7_write(registers->control);
	} else if (cpu->arch.has_breakpoints) {
		dr7_write(DR7_FIXED);
	}
	cpu->arch.has_breakpoints = has_breakpoints;
}

/* ---- #DB */

static bool debug_is_at_instruction(uint64_t control, uint64_t hits)
{
	for (unsigned i = 0; i < 4; i++) {
		if ((hits >> i & 1) != 0 && breakpoint_kind(control, i) == BREAKPOINT_EXECUTE) {
			return true;
		}
	}
	return false;
}

bool debug_trap(struct thread *thread)
{
	struct arch_context *context = &thread->arch;
	struct arch_debug *debug = context->debug;
	uint64_t status = dr6_read() & DR6_REPORT;

	dr6_write(DR6_NONE);
	context->error_code = status;
	if (debug == NULL) {
		return true;
	}
	if (debug_is_at_instruction(debug->registers.control, status & DR6_HITS)) {
		bool is_passed = context->rip == debug->passed_ip;

		context->rflags |= RFLAGS_RF;
		debug->passed_ip = thread->bounce.page != NULL && !is_passed ? context->rip : 0;
		if (is_passed) {
			return false;
		}
	}
	debug->registers.status |= status;
	return true;
}

void debug_drop(void)
{
	dr6_write(DR6_NONE);
}

/* ---- single steps */

bool arch_fault_is_step(const struct hel_fault *fault)
{
	return fault->vector == VECTOR_DEBUG && (fault->error_code & DR6_STEP) != 0;
}

bool arch_fault_is_match(const struct hel_fault *fault)
{
	return fault->vector == VECTOR_DEBUG && (fault->error_code & DR6_HITS) != 0 &&
		(fault->error_code & DR6_STEP) == 0;
}

void arch_context_set_step(struct arch_context *context, bool is_stepping)
{
	/* sysret is no way to begin a step: it would end one instruction late. */
	if (context->vector == ARCH_VECTOR_SYSCALL) {
		context->rcx = context->rip;
		context->r11 = context->rflags;
		context->vector = 0;
	}
	if (is_stepping) {
		context->rflags |= RFLAGS_TF;
	} else {
		context->rflags &= ~(uint64_t)RFLAGS_TF;
	}
}
