/* SPDX-License-Identifier: MIT */
/*
 * Traced threads: reports to posix, which parks them while their tracer has them stopped.
 *
 * A report carries the program's registers, and the address of its vector state, which is saved on
 * our stack; posix answers with the registers to go on with. Nothing here is trusted by posix: a
 * thread that does not report spoils its own tracing.
 *
 * A thread whose system calls its tracer wants to see, or that is stepped, goes the long way at
 * every call: posix has set the page's bounce.calls_end, which the entry compares the number with,
 * to 0. It leaves by shim_step_begin if it is stepped.
 */
#include <hel/hel-calls.h>

#include "trace.h"

constexpr uint64_t FLAGS_OF_USER = 0x244dd5;
constexpr uint64_t FLAGS_ALWAYS = 0x202;
constexpr uint64_t FPU_AREA_MAX = 4096;
constexpr uint64_t NR_EXIT = 60, NR_EXIT_GROUP = 231;
constexpr unsigned IS_STEPPING = 1; /* of shim_private */

/* The call frame at the top of the stack, behind the registers: offsets.h. */
struct call_frame {
	uint64_t number_argument;
	uint64_t rdi, rsi, rdx, r10, r8, r9;
	uint64_t number;
};
static_assert(sizeof(struct call_frame) == CF_SIZE);
static_assert(offsetof(struct call_frame, rdi) == CF_RDI);
static_assert(offsetof(struct call_frame, number) == CF_NUMBER);

/* ---- reports --------------------------------------------------------------------------------- */

static uint64_t save_fpu(uint8_t *area, uint64_t size)
{
	const struct posix_process_page *process = shim_process();

	if (process->xsave_size > size || shim_fpu_save(area, process->xsave_mask)) {
		return 0;
	}
	return (uint64_t)area;
}

static void adopt(
	struct hel_registers *regs, uint64_t *number, const struct posix_trace_context *context)
{
	*regs = context->registers;
	*number = context->number;
	regs->rflags = (regs->rflags & FLAGS_OF_USER) | FLAGS_ALWAYS;
	/* What is no address of a program's faults at one that is not. */
	if (!shim_is_program_ip(regs->rip)) {
		regs->rip = POSIX_SHIM_REGION;
	}
	if (regs->fs_base < POSIX_SHIM_REGION) {
		__asm__ volatile("wrfsbase %0" : : "r"(regs->fs_base));
	}
	if (context->fpu_address) {
		shim_fpu_load((const void *)context->fpu_address, shim_process()->xsave_mask);
	}
}

/* What posix has checked; without memory for them the thread runs on as if nothing matched. */
void shim_load_debug(const struct hel_debug_registers *registers)
{
	(void)hel_thread_write_registers(
		HEL_THIS, HEL_REGISTERS_DEBUG, registers, sizeof(*registers));
}

int64_t shim_trace_report(struct hel_registers *regs, uint64_t *number,
	const struct shim_trace_point *point, struct posix_signal_info *out_info)
{
	alignas(64) uint8_t fpu[FPU_AREA_MAX];
	struct posix_trace_context context = {
		.registers = *regs,
		.number = *number,
		.fpu_address = save_fpu(fpu, sizeof(fpu)),
	};
	struct posix_trace_answer answer;
	struct shim_call call;
	int64_t result;

	__asm__ volatile("rdfsbase %0" : "=r"(context.registers.fs_base));
	shim_call_init(&call, POSIX_TRACE_REPORT);
	call.header.args[0] = point->point;
	call.header.args[1] = point->values[0];
	call.header.args[2] = point->values[1];
	call.header.args[3] = point->values[2];
	call.header.args[4] = point->values[3];
	shim_call_in(&call, &context, sizeof(context));
	shim_call_out(&call, &answer, sizeof(answer));
	result = shim_call_run(&call);
	if (result < 0) {
		return 0;
	}
	answer.context.fpu_address = context.fpu_address;
	adopt(regs, number, &answer.context);
	if (answer.sets_debug) {
		shim_load_debug(&answer.debug);
	}
	if (result < 1 || result > 64 || !out_info) {
		return 0;
	}
	shim_copy_bytes(out_info, answer.siginfo, sizeof(answer.siginfo));
	return result;
}

/* ---- steps ----------------------------------------------------------------------------------- */

bool shim_is_stepped(const struct hel_registers *regs)
{
	return (shim_thread()->trace_flags & POSIX_TRACE_STEP) || (regs->rflags & FLAGS_TF);
}

void shim_begin_step(const struct hel_registers *regs)
{
	shim_thread()->shim_private[IS_STEPPING] = !(regs->rflags & FLAGS_TF);
}

bool shim_end_step(struct hel_registers *regs)
{
	struct posix_thread_page *page = shim_thread();

	if (!page->shim_private[IS_STEPPING]) {
		return false;
	}
	page->shim_private[IS_STEPPING] = 0;
	regs->rflags &= ~(uint64_t)FLAGS_TF;
	return true;
}

/* ---- system calls ---------------------------------------------------------------------------- */

static void report_entry(struct hel_registers *regs, uint64_t *number)
{
	const struct shim_trace_point point = { .point = POSIX_TRACE_ENTRY };

	shim_trace_report(regs, number, &point, nullptr);
}

static void report_leaving(struct hel_registers *regs, uint64_t *number)
{
	const struct shim_trace_point point = {
		.point = POSIX_TRACE_LEAVING,
		.values = { (regs->rdi & 0xff) << 8 },
	};

	shim_trace_report(regs, number, &point, nullptr);
}

/*
 * From shim_traced_call: `regs` lie in front of the call frame. Returns the number of the call to
 * make, SHIM_NO_CALL for none.
 */
uint64_t shim_trace_entry(struct hel_registers *regs);
uint64_t shim_trace_entry(struct hel_registers *regs)
{
	struct posix_thread_page *page = shim_thread();
	struct call_frame *frame = (struct call_frame *)(regs + 1);
	uint64_t number = frame->number;
	uint64_t made;
	uint32_t flags = page->trace_flags;

	shim_end_step(regs);
	if (flags & (POSIX_TRACE_CALLS | POSIX_TRACE_STEP)) {
		page->trace_due |= POSIX_TRACE_DUE_EXIT;
	}
	if (flags & POSIX_TRACE_CALLS) {
		report_entry(regs, &number);
	}
	made = number;
	if (page->is_restricted) {
		made = shim_filter_call(regs, &number);
		if (page->trace_flags & (POSIX_TRACE_CALLS | POSIX_TRACE_STEP)) {
			page->trace_due |= POSIX_TRACE_DUE_EXIT;
		}
	}
	if ((page->trace_flags & POSIX_TRACE_LEAVE) && (made == NR_EXIT || made == NR_EXIT_GROUP)) {
		report_leaving(regs, &made);
		number = made;
	}
	*frame = (struct call_frame){
		.number_argument = number,
		.rdi = regs->rdi,
		.rsi = regs->rsi,
		.rdx = regs->rdx,
		.r10 = regs->r10,
		.r8 = regs->r8,
		.r9 = regs->r9,
		.number = number,
	};
	page->bounce.user_sp = regs->rsp;
	page->bounce.user_ip = regs->rip;
	page->bounce.user_flags = regs->rflags;
	return made;
}

void shim_trace_cloned(const struct hel_registers *regs, uint64_t number, int64_t tid)
{
	const struct shim_trace_point point = {
		.point = POSIX_TRACE_CLONED,
		.values = { (uint64_t)tid },
	};
	struct hel_registers copy = *regs;

	shim_thread()->trace_due &= ~(uint32_t)POSIX_TRACE_DUE_CLONED;
	shim_trace_report(&copy, &number, &point, nullptr);
}
