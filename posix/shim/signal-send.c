/* SPDX-License-Identifier: MIT */
/*
 * kill and its kin.
 *
 * A signal that a thread sends to itself, and that has a handler which may run now, needs nobody
 * else: the frame is built here, as Linux does on the way out of the same call. Everything else is
 * posix' business, which knows what is pending, who may signal whom and what happens without a
 * handler:
 *
 *  - the thread blocks the signal, or no handler is set;
 *  - another signal is due: posix knows their order;
 *  - SIGCONT and the signals that stop: they remove each other, in all threads;
 *  - the thread is traced: its tracer is to see the signal first;
 *  - kill() of the own process by another thread than the main one: Linux prefers that.
 *
 * Nobody else can see the difference. A signal that a thread lets through never reaches a
 * signalfd or a sigtimedwait of another one if it was sent to the thread; and the main thread takes
 * one for its process that it does not block, whoever else waits for it.
 */
#include "calls.h"
#include "signal.h"

constexpr uint64_t SIGNALS_OF_JOB_CONTROL =
	1ull << (18 - 1) | 1ull << (20 - 1) | 1ull << (21 - 1) | 1ull << (22 - 1);
constexpr int32_t SI_USER = 0;
constexpr int32_t SI_TKILL = -6;
constexpr int32_t SI_ASYNCNL = -60;
constexpr int32_t SI_DETHREAD = -7; /* the last of the codes in a row */
constexpr uint32_t SIGINFO_USED = 48; /* what Linux keeps of one */

/* What the calls return if the registers are those of a handler that runs next. */
constexpr int64_t DELIVERED = 1;

static bool is_main_thread(void)
{
	return shim_thread()->tid == shim_process()->pid;
}

/* Whether `signal`, for this thread, makes a handler run now and nothing else happen. */
static bool can_run_handler(uint64_t signal)
{
	const struct posix_thread_page *page = shim_thread();
	uint64_t bit;

	if (signal < 1 || signal > 64) {
		return false;
	}
	bit = 1ull << (signal - 1);
	return !((page->signal_mask | SIGNALS_OF_JOB_CONTROL | SIGNALS_UNBLOCKABLE) & bit) &&
		shim_process()->actions[signal - 1].handler > 1 && !page->trace_flags &&
		!shim_has_signal();
}

static int64_t run_handler(struct hel_registers *regs, const struct linux_siginfo_sender *info)
{
	regs->rax = 0;
	shim_deliver(regs, info->signal, info);
	return DELIVERED;
}

static int64_t signal_self(struct hel_registers *regs, uint64_t signal, int32_t code)
{
	const struct linux_siginfo_sender info = {
		.signal = (int32_t)signal,
		.code = code,
		.pid = shim_process()->pid,
		.uid = shim_process()->uid,
	};

	return run_handler(regs, &info);
}

static int64_t forward(const struct hel_registers *regs, uint64_t number)
{
	const uint64_t args[6] = { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9 };

	return shim_forward_as((uint32_t)number, args);
}

int64_t shim_do_kill(struct hel_registers *regs, uint64_t number);
int64_t shim_do_kill(struct hel_registers *regs, uint64_t number)
{
	if ((uint32_t)regs->rdi == shim_process()->pid && is_main_thread() &&
		can_run_handler((uint32_t)regs->rsi)) {
		return signal_self(regs, (uint32_t)regs->rsi, SI_USER);
	}
	return forward(regs, number);
}

int64_t shim_do_tkill(struct hel_registers *regs, uint64_t number);
int64_t shim_do_tkill(struct hel_registers *regs, uint64_t number)
{
	if ((uint32_t)regs->rdi == shim_thread()->tid && can_run_handler((uint32_t)regs->rsi)) {
		return signal_self(regs, (uint32_t)regs->rsi, SI_TKILL);
	}
	return forward(regs, number);
}

int64_t shim_do_tgkill(struct hel_registers *regs, uint64_t number);
int64_t shim_do_tgkill(struct hel_registers *regs, uint64_t number)
{
	if ((uint32_t)regs->rdi == shim_process()->pid &&
		(uint32_t)regs->rsi == shim_thread()->tid && can_run_handler((uint32_t)regs->rdx)) {
		return signal_self(regs, (uint32_t)regs->rdx, SI_TKILL);
	}
	return forward(regs, number);
}

/* ---- with information ------------------------------------------------------------------------ */

/*
 * Reads a siginfo as Linux does: the signal's number is put in, and what Linux has no room for must
 * be zero if the code is one that it does not know.
 */
static int get_siginfo(uint64_t address, uint64_t signal, struct linux_siginfo_sender *out_info)
{
	const uint8_t *bytes = (const uint8_t *)out_info;

	if (shim_get(out_info, address, sizeof(*out_info))) {
		return -LINUX_EFAULT;
	}
	out_info->signal = (int32_t)signal;
	if (out_info->code < SI_DETHREAD && out_info->code != SI_ASYNCNL) {
		for (uint32_t i = SIGINFO_USED; i < sizeof(*out_info); i++) {
			if (bytes[i]) {
				return -LINUX_E2BIG;
			}
		}
	}
	for (uint32_t i = SIGINFO_USED; i < sizeof(*out_info); i++) {
		((uint8_t *)out_info)[i] = 0;
	}
	return 0;
}

int64_t shim_do_rt_sigqueueinfo(struct hel_registers *regs, uint64_t number);
int64_t shim_do_rt_sigqueueinfo(struct hel_registers *regs, uint64_t number)
{
	struct linux_siginfo_sender info;
	int error = get_siginfo(regs->rdx, (uint32_t)regs->rsi, &info);

	if (error) {
		return error;
	}
	if ((uint32_t)regs->rdi == shim_process()->pid && is_main_thread() &&
		can_run_handler((uint32_t)regs->rsi)) {
		return run_handler(regs, &info);
	}
	return forward(regs, number);
}

int64_t shim_do_rt_tgsigqueueinfo(struct hel_registers *regs, uint64_t number);
int64_t shim_do_rt_tgsigqueueinfo(struct hel_registers *regs, uint64_t number)
{
	struct linux_siginfo_sender info;
	int error = get_siginfo(regs->r10, (uint32_t)regs->rdx, &info);

	if (error) {
		return error;
	}
	if ((uint32_t)regs->rdi == shim_process()->pid &&
		(uint32_t)regs->rsi == shim_thread()->tid && can_run_handler((uint32_t)regs->rdx)) {
		return run_handler(regs, &info);
	}
	return forward(regs, number);
}
