/* SPDX-License-Identifier: MIT */
/*
 * FPU and vector state, handled only where it is used.
 *
 * A thread has no area until it first touches the FPU (#NM).  CR0.TS is set whenever the
 * registers do not hold the running thread's state.  cpu->arch.fpu_owner and context->fpu_cpu
 * name each other exactly while the registers of that CPU hold the context's state.
 *
 * Leaving a CPU: with several CPUs the state is saved, for the thread may go on elsewhere, but
 * stays in the registers in case it does not.  With one CPU it is not even saved: whoever needs
 * the registers next saves it (a save costs several hundred instructions' time).
 */
#include <base/assert.h>
#include <base/string.h>
#include <thor/init/init.h>
#include <thor/object/account.h>
#include <thor/sched/thread.h>

#include "machine.h"
#include "registers.h"

#define FPU_ALIGNMENT   64
#define FPU_AREA_MAX    4096
#define MXCSR_INITIAL   0x1f80
#define MXCSR_VALID     0xffffu
#define MXCSR_VALID_OLD 0xffbfu /* a processor so old that it has no XSAVE */
#define FCW_INITIAL     0x37f

#define FPU_OFFSET_FCW        0
#define FPU_OFFSET_MXCSR      24
#define FPU_OFFSET_XSTATE_BV  512
#define FPU_OFFSET_HEADER_END 576

static void fpu_save_area(void *area)
{
	if (features.has_xsaveopt) {
		__asm__ volatile("xsaveopt64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
	} else if (features.has_xsave) {
		__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
	} else {
		__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
	}
}

static void fpu_load_area(const void *area)
{
	if (features.has_xsave) {
		__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
	} else {
		__asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
	}
}

static void fpu_set_trap(struct cpu *cpu, bool is_trapping)
{
	if (cpu->arch.is_fpu_trapping == is_trapping) {
		return;
	}
	cpu->arch.is_fpu_trapping = is_trapping;
	if (is_trapping) {
		cr0_write(cr0_read() | CR0_TS);
	} else {
		__asm__ volatile("clts" : : : "memory");
	}
}

static bool fpu_is_loaded(const struct cpu *cpu, const struct arch_context *context)
{
	return cpu->arch.fpu_owner == context && context->fpu_cpu == cpu->index;
}

static void fpu_start(UNUSED const struct boot_info *boot)
{
	struct cpu *cpu = arch_this_cpu();

	cpu->arch.fpu_owner = NULL;
	cpu->arch.is_fpu_trapping = true;
	cr0_write(cr0_read() | CR0_TS);
}

INIT_TASK(fpu, "fpu", .run = fpu_start, .needs = { "boot-cpu" }, .provides = { "tasking" },
	.each_cpu = true);

static size_t fpu_storage_bytes(void)
{
	return features.fpu_size + FPU_ALIGNMENT;
}

/* All contexts are parts of threads. */
static struct account *fpu_payer(struct arch_context *context)
{
	return container_of(context, struct thread, arch)->object.account;
}

/* An area in the initial state. */
static bool fpu_allocate(struct arch_context *context)
{
	ASSERT(features.fpu_size <= FPU_AREA_MAX);
	context->fpu_storage = account_allocate(fpu_payer(context), fpu_storage_bytes());
	if (context->fpu_storage == NULL) {
		return false;
	}
	uint8_t *area = (uint8_t *)align_up((uint64_t)context->fpu_storage, FPU_ALIGNMENT);

	*(uint16_t *)(area + FPU_OFFSET_FCW) = FCW_INITIAL;
	*(uint32_t *)(area + FPU_OFFSET_MXCSR) = MXCSR_INITIAL;
	context->fpu_area = area;
	return true;
}

/* The registers' state goes to its owner's area, if nobody has seen to that yet. */
static void fpu_save(struct cpu *cpu)
{
	struct arch_context *owner = cpu->arch.fpu_owner;

	if (owner != NULL && fpu_is_loaded(cpu, owner) && !owner->is_fpu_saved) {
		fpu_set_trap(cpu, false);
		fpu_save_area(owner->fpu_area);
		owner->is_fpu_saved = true;
	}
}

bool fpu_trap(struct cpu *cpu, struct arch_context *context)
{
	if (context->fpu_area == NULL && !fpu_allocate(context)) {
		return false;
	}
	if (cpu_count == 1) {
		fpu_save(cpu);
	}
	fpu_set_trap(cpu, false);
	fpu_load_area(context->fpu_area);
	cpu->arch.fpu_owner = context;
	context->fpu_cpu = cpu->index;
	context->is_fpu_saved = false;
	return true;
}

LINK_INLINE void fpu_leave(struct cpu *cpu, struct arch_context *context)
{
	if (cpu_count > 1 && fpu_is_loaded(cpu, context)) {
		fpu_save(cpu);
	}
}

LINK_INLINE void fpu_enter(struct cpu *cpu, struct arch_context *context)
{
	bool is_loaded = fpu_is_loaded(cpu, context);

	/*
	 * QEMU's XSAVE and XRSTOR ignore CR0.TS.  Code that uses them first makes the FPU its own
	 * by an instruction that does trap; a thread that was interrupted may be between the two.
	 */
	if (!is_loaded && context->vector != ARCH_VECTOR_SYSCALL && context->fpu_area != NULL) {
		(void)fpu_trap(cpu, context);
		return;
	}
	fpu_set_trap(cpu, !is_loaded);
	if (is_loaded) {
		context->is_fpu_saved = false;
	}
}

void fpu_forget(struct arch_context *context)
{
	struct cpu *cpu = arch_this_cpu();

	/* Another CPU may still name it as owner, but its state is saved there: see fpu_leave(). */
	if (cpu->arch.fpu_owner == context) {
		cpu->arch.fpu_owner = NULL;
	}
	account_free(fpu_payer(context), context->fpu_storage, fpu_storage_bytes());
	context->fpu_storage = NULL;
	context->fpu_area = NULL;
}

int arch_context_get_fpu(struct thread *thread, void *buffer, size_t size, size_t *out_size)
{
	struct arch_context *context = &thread->arch;
	struct cpu *cpu = arch_this_cpu();

	if (size < features.fpu_size) {
		return -ERR_BUFFER_TOO_SMALL;
	}
	if (context->fpu_area == NULL && !fpu_allocate(context)) {
		return -ERR_NO_MEMORY;
	}
	if (fpu_is_loaded(cpu, context)) {
		fpu_save(cpu);
		context->is_fpu_saved = cpu->arch.context != context;
	}
	memcpy(buffer, context->fpu_area, features.fpu_size);
	*out_size = features.fpu_size;
	return 0;
}

/* Would xrstor take it?  What it would refuse is an error here. */
static bool fpu_is_valid(const uint8_t *area)
{
	uint32_t mask = features.has_xsave ? MXCSR_VALID : MXCSR_VALID_OLD;
	const uint64_t *header = (const uint64_t *)(area + FPU_OFFSET_XSTATE_BV);

	if ((*(const uint32_t *)(area + FPU_OFFSET_MXCSR) & ~mask) != 0) {
		return false;
	}
	if (!features.has_xsave) {
		return true;
	}
	if ((header[0] & ~features.xcr0) != 0) {
		return false;
	}
	for (unsigned i = 1; i < (FPU_OFFSET_HEADER_END - FPU_OFFSET_XSTATE_BV) / sizeof(*header);
		i++) {
		if (header[i] != 0) {
			return false;
		}
	}
	return true;
}

int arch_context_set_fpu(struct thread *thread, const void *buffer, size_t size)
{
	struct arch_context *context = &thread->arch;

	if (size != features.fpu_size || !fpu_is_valid(buffer)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (context->fpu_area == NULL && !fpu_allocate(context)) {
		return -ERR_NO_MEMORY;
	}
	memcpy(context->fpu_area, buffer, size);
	/* Whatever registers hold is out of date. */
	context->fpu_cpu = ARCH_NO_CPU;
	context->is_fpu_saved = true;
	context->is_changed = true;
	return 0;
}
