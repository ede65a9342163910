/* SPDX-License-Identifier: MIT */
/*
 * What to do with an exception or interrupt, once the registers are saved (entry.S).
 *
 * From user mode everything ends in an upcall or back in the thread.  From the kernel only two
 * things are normal: a page fault in a user copy, and an interrupt in arch_idle.  Whether user
 * mode or the kernel was interrupted is decided by the saved code segment alone: the error code's
 * user bit lies in some cases.
 */
#include <base/assert.h>
#include <base/string.h>
#include <thor/memory/memory.h>
#include <thor/memory/shootdown.h>
#include <thor/panic.h>
#include <thor/sched/sched.h>
#include <thor/sched/shortage.h>
#include <thor/sched/thread.h>

#include "iommu.h"
#include "machine.h"
#include "registers.h"

#define PAGE_FAULT_WRITE 2u
#define PAGE_FAULT_FETCH 16u

/*
 * An instruction, or a run of them, that may fault: go on elsewhere.  Offsets from the fields
 * themselves.
 */
struct fixup {
	int32_t start, end, target;
};

extern const struct fixup arch__fixups_start[], arch__fixups_end[];
extern const uint8_t entry_idle[], entry_idle_end[], entry_wait_halt[], entry_wait_end[];

NORETURN void exception_from_user(struct thread *thread);
void exception_from_kernel(struct arch_context *frame);
void exception_special(struct arch_context *frame);

static const char *const exception_names[VECTOR_EXCEPTIONS_END] = {
	"divide error",
	"debug",
	"non-maskable interrupt",
	"breakpoint",
	"overflow",
	"bound",
	"invalid opcode",
	"no FPU",
	"double fault",
	"coprocessor overrun",
	"invalid TSS",
	"segment not present",
	"stack fault",
	"general protection",
	"page fault",
	"reserved",
	"x87 error",
	"alignment",
	"machine check",
	"SIMD error",
	"virtualization",
	"control protection",
	"reserved",
	"reserved",
	"reserved",
	"reserved",
	"reserved",
	"reserved",
	"hypervisor injection",
	"VMM communication",
	"security",
	"reserved",
};

uint32_t arch_fault_access(const struct hel_fault *fault)
{
	if (fault->vector != VECTOR_PAGE_FAULT) {
		return 0;
	}
	if ((fault->error_code & PAGE_FAULT_FETCH) != 0) {
		return SPACE_ACCESS_EXECUTE;
	}
	return (fault->error_code & PAGE_FAULT_WRITE) != 0 ? SPACE_ACCESS_WRITE : SPACE_ACCESS_READ;
}

NORETURN static void exception_fault(struct thread *thread, uint64_t address, int reason)
{
	struct hel_fault fault = {
		.vector = (uint32_t)thread->arch.vector,
		.error_code = thread->arch.error_code,
		.address = address,
		.reason = reason,
	};

	thor_enter_fault(thread, &fault);
}

NORETURN static void exception_interrupt(struct cpu *cpu, struct thread *thread, uint32_t vector)
{
	bool is_device = vector >= VECTOR_DEVICE_FIRST && vector <= VECTOR_DEVICE_LAST;

	if (vector != VECTOR_SPURIOUS && !is_device) {
		lapic_end_of_interrupt();
	}
	if (vector == VECTOR_TIMER) {
		clock_timer_fired(cpu);
		thor_enter_interrupt(ARCH_INTERRUPT_TIMER, 0);
	} else if (vector == VECTOR_IOMMU) {
		iommu_serve_faults();
		thor_enter_interrupt(ARCH_INTERRUPT_RESCHEDULE, 0);
	} else if (vector == VECTOR_RESCHEDULE) {
		thor_enter_interrupt(ARCH_INTERRUPT_RESCHEDULE, 0);
	} else if (is_device) {
		thor_enter_interrupt(ARCH_INTERRUPT_DEVICE, vector);
	}
	cpu->statistics.n_interrupts++;
	if (vector == VECTOR_SHOOTDOWN) {
		shootdown_serve();
	}
	if (thread == NULL) {
		arch_idle();
	}
	sched_leave();
}

/* Called by entry.S on the CPU's stack; the registers are in the thread's context. */
void exception_from_user(struct thread *thread)
{
	struct cpu *cpu = arch_this_cpu();
	uint32_t vector = (uint32_t)thread->arch.vector;

	if (vector == VECTOR_PAGE_FAULT) {
		exception_fault(thread, cr2_read(), 0);
	} else if (vector >= VECTOR_EXCEPTIONS_END) {
		exception_interrupt(cpu, thread, vector);
	} else if (vector == VECTOR_NO_FPU) {
		if (fpu_trap(cpu, &thread->arch)) {
			shortage_end(thread);
			sched_leave();
		}
		exception_fault(thread, 0, -ERR_NO_MEMORY);
	} else if (vector == VECTOR_DEBUG && !debug_trap(thread)) {
		sched_leave();
	}
	exception_fault(thread, 0, 0);
}

static const struct fixup *fixup_find(uint64_t ip)
{
	for (const struct fixup *fixup = arch__fixups_start; fixup < arch__fixups_end; fixup++) {
		uint64_t start = (uint64_t)&fixup->start + (uint64_t)(int64_t)fixup->start;
		uint64_t end = (uint64_t)&fixup->end + (uint64_t)(int64_t)fixup->end;

		if (ip >= start && ip < end) {
			return fixup;
		}
	}
	return NULL;
}

/* An access to user memory that failed: retry if the page can be had, else go on at the fixup. */
static bool exception_fix(struct arch_context *frame)
{
	const struct fixup *fixup = fixup_find(frame->rip);

	if (fixup == NULL) {
		return false;
	}
	if (frame->vector == VECTOR_PAGE_FAULT) {
		uint64_t address = cr2_read();

		if (address >= ARCH_USER_HIGH) {
			return false;
		}
		if (thor_resolve_user_copy_fault(
			    address, (frame->error_code & PAGE_FAULT_WRITE) != 0)) {
			return true;
		}
	}
	frame->rip = (uint64_t)&fixup->target + (uint64_t)(int64_t)fixup->target;
	return true;
}

/* What a check of undefined behaviour has found, by the number in its trap; NULL: it is none. */
static const char *exception_undefined(const struct arch_context *frame)
{
	static const char *const checks[] = {
		[0] = "addition overflows",
		[1] = "unreachable code",
		[3] = "division by zero or overflow",
		[6] = "function of another type",
		[10] = "value that the type does not have",
		[12] = "multiplication overflows",
		[13] = "negation overflows",
		[18] = "index out of bounds",
		[19] = "pointer overflows",
		[20] = "shift out of bounds",
		[21] = "subtraction overflows",
		[22] = "pointer that is null or misaligned",
		[23] = "alignment that was promised",
	};
	static const uint8_t trap[] = { 0x67, 0x0f, 0xb9, 0x40 }; /* ud1 number(%eax), %eax */
	const uint8_t *code = (const uint8_t *)frame->rip;

	if (frame->vector != VECTOR_UNDEFINED || frame->rip < arch__image_base ||
		frame->rip + sizeof(trap) >= arch__image_end ||
		memcmp(code, trap, sizeof(trap)) != 0) {
		return NULL;
	}
	uint8_t number = code[sizeof(trap)];

	return number < ARRAY_SIZE(checks) && checks[number] != NULL ? checks[number] : "another";
}

NORETURN static void exception_panic(const struct arch_context *frame)
{
	const char *undefined = exception_undefined(frame);

	if (undefined != NULL) {
		panic_at(frame, "undefined behaviour: %s", undefined);
	}
	if (frame->vector >= VECTOR_EXCEPTIONS_END) {
		panic_at(frame, "interrupt %llu while the kernel runs",
			(unsigned long long)frame->vector);
	}
	if (frame->vector == VECTOR_PAGE_FAULT) {
		panic_at(frame, "page fault at 0x%llx (error 0x%llx)",
			(unsigned long long)cr2_read(), (unsigned long long)frame->error_code);
	}
	/* The processor could not push the frame of a page fault just below the stack pointer. */
	if (frame->vector == VECTOR_DOUBLE_FAULT && frame->rsp - cr2_read() < PAGE_SIZE_BYTES) {
		panic_at(frame, "stack overflow at 0x%llx", (unsigned long long)cr2_read());
	}
	panic_at(frame, "%s (error 0x%llx)", exception_names[frame->vector],
		(unsigned long long)frame->error_code);
}

/*
 * In the middle of the kernel, which spins: see arch__wait_briefly(). A level line that is still
 * asserted sends again by itself after the end of the interrupt; sending it as a message would make
 * the local APIC keep that one's end from the IO-APIC.
 */
static void exception_note_interrupt(struct cpu *cpu, uint32_t vector)
{
	bool is_level = lapic_is_level(vector);

	if (vector != VECTOR_SPURIOUS) {
		lapic_end_of_interrupt();
	}
	if (vector == VECTOR_SHOOTDOWN) {
		shootdown_serve();
	} else if (!is_level) {
		cpu->arch.noted[vector / 64] |= UINT64_C(1) << vector % 64;
	}
}

/* Called by entry.S on the stack that was interrupted; @frame is on it. */
void exception_from_kernel(struct arch_context *frame)
{
	if (frame->vector >= VECTOR_EXCEPTIONS_END && frame->rip >= (uint64_t)entry_wait_halt &&
		frame->rip <= (uint64_t)entry_wait_end) {
		exception_note_interrupt(arch_this_cpu(), (uint32_t)frame->vector);
		/* An NMI behind `sti` lets it come before `hlt`, where nothing else may come. */
		frame->rip = (uint64_t)entry_wait_end;
		return;
	}
	if (frame->vector >= VECTOR_EXCEPTIONS_END && frame->rip >= (uint64_t)entry_idle &&
		frame->rip <= (uint64_t)entry_idle_end) {
		exception_interrupt(arch_this_cpu(), NULL, (uint32_t)frame->vector);
	}
	if ((frame->vector == VECTOR_PAGE_FAULT || frame->vector == VECTOR_PROTECTION) &&
		exception_fix(frame)) {
		return;
	}
	exception_panic(frame);
}

/*
 * NMI, double fault, machine check, debug exceptions of the kernel; on their own stacks, with the
 * right gs base.
 */
void exception_special(struct arch_context *frame)
{
	if (frame->vector == VECTOR_NMI && panic_is_under_way()) {
		debug_stop_this_cpu();
	}
	if (frame->vector == VECTOR_NMI && sampler_take_nmi(frame)) {
		return;
	}
	if (frame->vector == VECTOR_DEBUG) {
		debug_drop();
		return;
	}
	exception_panic(frame);
}
