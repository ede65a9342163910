/* SPDX-License-Identifier: MIT */
/*
 * Calls of threads that seccomp restricts: posix is asked what becomes of each that is not in the
 * page's calls_allowed. The filters are posix' alone; it puts a call there when it has been asked
 * once and it passes whatever its arguments are. docs/internals/seccomp.md.
 */
#include "calls.h"
#include "trace.h"

static bool is_allowed(uint64_t number)
{
	return number < SHIM_NUMBER_MAX &&
		shim_thread()->calls_allowed[number / 64] >> number % 64 & 1;
}

static int64_t ask(
	const struct hel_registers *regs, uint64_t number, bool was_stopped, int64_t *out_value)
{
	const struct posix_filtered_call filtered = {
		.number = (uint32_t)number,
		.instruction_pointer = regs->rip,
		.arguments = { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9 },
	};
	struct shim_call call;

	shim_call_init(&call, POSIX_FILTER_CALL);
	call.header.args[0] = was_stopped;
	shim_call_in(&call, &filtered, sizeof(filtered));
	shim_call_out(&call, out_value, sizeof(*out_value));
	return shim_call_run(&call);
}

static void stop_for_tracer(struct hel_registers *regs, uint64_t *number, uint64_t value)
{
	const struct shim_trace_point point = {
		.point = POSIX_TRACE_FILTERED,
		.values = { value },
	};

	shim_trace_report(regs, number, &point, nullptr);
}

uint64_t shim_filter_call(struct hel_registers *regs, uint64_t *number)
{
	bool was_stopped = false;

	while (!is_allowed(*number)) {
		int64_t value = 0;
		int64_t verdict = ask(regs, *number, was_stopped, &value);

		switch (verdict) {
		case POSIX_VERDICT_MAKE: return *number;
		case POSIX_VERDICT_SKIP: regs->rax = (uint64_t)value; return SHIM_NO_CALL;
		case POSIX_VERDICT_END: shim_end_thread((uint64_t)value);
		case POSIX_VERDICT_STOP:
			stop_for_tracer(regs, number, (uint64_t)value);
			was_stopped = true;
			if ((int32_t)*number < 0) {
				return SHIM_NO_CALL;
			}
			break;
		default: regs->rax = (uint64_t)verdict; return SHIM_NO_CALL;
		}
	}
	return *number;
}
