/* SPDX-License-Identifier: MIT */
/*
 * Signals on the way out: what a kick, a fault or an interrupted call becomes.
 *
 * posix keeps the pending signals; it sets a bit in thread page .signals_pending and kicks. The
 * shim, on its way back to the program, takes one signal after the other (POSIX_SIGNAL_TAKE) and
 * builds a frame for each on the program's stack: the program then runs the last one's handler
 * first, and rt_sigreturn unwinds to the next.
 *
 * A call that was interrupted is decided once, for the first signal:
 *
 *   result            no handler runs      first handler has SA_RESTART      otherwise
 *   ERESTARTSYS       made again           made again                        EINTR
 *   ERESTARTNOINTR    made again           made again                        made again
 *   ERESTARTNOHAND    made again           EINTR                             EINTR
 *   RESTARTBLOCK      restart_syscall      EINTR                             EINTR
 *   anything else     stays                stays                             stays
 *
 * "Made again": ip goes back over the two bytes of `syscall`, rax is the number; the argument
 * registers are as they were.
 */
#include "signal.h"
#include "stub.h"
#include "trace.h"

constexpr uint64_t RESTART_SYSCALL_NUMBER = 219;
constexpr uint64_t NR_EXECVE = 59;
constexpr uint32_t VECTOR_DEBUG = 1;
/* what sigreturn may set: CF PF AF ZF SF TF DF OF AC ID… */
constexpr uint64_t FLAGS_USER = 0x244dd5;
constexpr uint32_t FPU_MAGIC1 = 0x46505853;
constexpr uint32_t FPU_MAGIC2 = 0x46505845;
constexpr uint64_t RED_ZONE = 128;

struct fpu_reserved { /* at offset 464 of the FXSAVE area */
	uint32_t magic1;
	uint32_t extended_size;
	uint64_t features;
	uint32_t state_size;
	uint32_t padding[7];
};
static_assert(sizeof(struct fpu_reserved) == 48);

/* ---- masks ----------------------------------------------------------------------------------- */

void shim_set_mask(uint64_t mask)
{
	shim_thread()->signal_mask = mask & ~SIGNALS_UNBLOCKABLE;
	if (shim_has_signal()) {
		shim_look_at_exit();
	}
}

int shim_set_temporary_mask(uint64_t user_mask, uint64_t size)
{
	struct posix_thread_page *page = shim_thread();
	uint64_t mask;

	if (!user_mask) {
		return 0;
	}
	if (size != sizeof(mask)) {
		return -LINUX_EINVAL;
	}
	if (shim_get(&mask, user_mask, sizeof(mask))) {
		return -LINUX_EFAULT;
	}
	page->saved_mask = page->signal_mask;
	page->has_saved_mask = 1;
	page->signal_mask = mask & ~SIGNALS_UNBLOCKABLE;
	return 0;
}

void shim_end_temporary_mask(int64_t result)
{
	struct posix_thread_page *page = shim_thread();
	bool is_interrupted = result == -LINUX_EINTR ||
		(result <= -LINUX_ERESTARTSYS && result >= -LINUX_ERESTART_RESTARTBLOCK);

	if (!page->has_saved_mask) {
		return;
	}
	if (is_interrupted) {
		shim_look_at_exit(); /* the frame will carry the saved mask */
		return;
	}
	page->has_saved_mask = 0;
	shim_set_mask(page->saved_mask);
}

/* ---- building a frame ------------------------------------------------------------------------ */

static bool is_on_altstack(const struct posix_thread_page *page, uint64_t sp)
{
	return page->altstack_size && !(page->altstack_flags & SS_AUTODISARM_FLAG) &&
		sp > page->altstack_sp && sp - page->altstack_sp <= page->altstack_size;
}

static uint64_t frame_stack(
	const struct posix_thread_page *page, const struct posix_sigaction *action, uint64_t sp)
{
	if ((action->flags & SA_ONSTACK_FLAG) && page->altstack_size && !is_on_altstack(page, sp)) {
		return page->altstack_sp + page->altstack_size;
	}
	return sp - RED_ZONE;
}

static int put_fpu_state(uint64_t area)
{
	const struct posix_process_page *process = shim_process();
	struct fpu_reserved reserved = {
		.magic1 = FPU_MAGIC1,
		.extended_size = (uint32_t)process->xsave_size + sizeof(FPU_MAGIC2),
		.features = process->xsave_mask,
		.state_size = (uint32_t)process->xsave_size,
	};

	if (!shim_is_user_range(area, process->xsave_size + sizeof(FPU_MAGIC2)) ||
		shim_fpu_save((void *)area, process->xsave_mask) ||
		shim_put(area + 464, &reserved, sizeof(reserved))) {
		return -LINUX_EFAULT;
	}
	return shim_put(area + process->xsave_size, &FPU_MAGIC2, sizeof(FPU_MAGIC2));
}

static void fill_context(struct linux_sigcontext *context, const struct hel_registers *regs,
	const struct hel_fault *fault)
{
	*context = (struct linux_sigcontext){
		.r8 = regs->r8,
		.r9 = regs->r9,
		.r10 = regs->r10,
		.r11 = regs->r11,
		.r12 = regs->r12,
		.r13 = regs->r13,
		.r14 = regs->r14,
		.r15 = regs->r15,
		.rdi = regs->rdi,
		.rsi = regs->rsi,
		.rbp = regs->rbp,
		.rbx = regs->rbx,
		.rdx = regs->rdx,
		.rax = regs->rax,
		.rcx = regs->rcx,
		.rsp = regs->rsp,
		.rip = regs->rip,
		.eflags = regs->rflags,
		.cs = 0x33,
		.ss = 0x2b,
	};
	if (fault) {
		context->err = fault->error_code;
		context->trapno = fault->vector;
		context->cr2 = fault->address;
	}
}

/* Builds the frame and points `regs` at the handler; -LINUX_EFAULT if the stack is not writable. */
static int push_frame(struct hel_registers *regs, int signal, const struct posix_sigaction *action,
	const void *siginfo, const struct hel_fault *fault)
{
	struct posix_thread_page *page = shim_thread();
	uint64_t sp = frame_stack(page, action, regs->rsp);
	uint64_t fpu = (sp - shim_process()->xsave_size - sizeof(FPU_MAGIC2)) & ~(uint64_t)63;
	uint64_t at = ((fpu - sizeof(struct linux_sigframe)) & ~(uint64_t)15) - 8;
	struct linux_sigframe frame = {
		.return_address = action->restorer,
		.ucontext = {
			.flags = 7,
			.stack = {page->altstack_sp, page->altstack_flags, 0, page->altstack_size},
			.mask = page->has_saved_mask ? page->saved_mask : page->signal_mask,
		},
	};

	if (!(action->flags & SA_RESTORER_FLAG) || put_fpu_state(fpu)) {
		return -LINUX_EFAULT;
	}
	if (!page->altstack_size) {
		frame.ucontext.stack.flags = SS_DISABLE_FLAG;
	} else if (is_on_altstack(page, regs->rsp)) {
		frame.ucontext.stack.flags |= SS_ONSTACK_FLAG;
	}
	fill_context(&frame.ucontext.context, regs, fault);
	frame.ucontext.context.fpstate = fpu;
	shim_copy_bytes(frame.siginfo, siginfo, sizeof(frame.siginfo));
	if (shim_put(at, &frame, sizeof(frame))) {
		return -LINUX_EFAULT;
	}
	if (page->altstack_flags & SS_AUTODISARM_FLAG) {
		page->altstack_sp = page->altstack_size = 0;
		page->altstack_flags = 0;
	}
	regs->rdi = (uint64_t)signal;
	regs->rsi = at + offsetof(struct linux_sigframe, siginfo);
	regs->rdx = at + offsetof(struct linux_sigframe, ucontext);
	regs->rax = 0;
	regs->rsp = at;
	regs->rip = action->handler;
	regs->rflags &= ~(uint64_t)0x40500; /* AC, DF, TF */
	return 0;
}

static void fatal(int signal, int code, uint64_t address)
{
	shim_request(POSIX_SIGNAL_FAULT, (uint64_t)signal, (uint64_t)code, address, 0, 0, 0);
}

/* Runs `signal`'s handler next, or its default action; true if a handler will run. */
static bool deliver(
	struct hel_registers *regs, int signal, const void *siginfo, const struct hel_fault *fault)
{
	struct posix_thread_page *page = shim_thread();
	struct posix_sigaction action = shim_process()->actions[signal - 1];
	uint64_t blocked = action.mask;

	if (action.handler == 1) {
		return false;
	}
	if (action.handler == 0) {
		fatal(signal, 0, 0);
		return false;
	}
	if (push_frame(regs, signal, &action, siginfo, fault)) {
		fatal(11, 0x80, 0);
		return false;
	}
	if (!(action.flags & SA_NODEFER_FLAG)) {
		blocked |= 1ull << (signal - 1);
	}
	if (action.flags & SA_RESETHAND_FLAG) {
		shim_process()->actions[signal - 1].handler = 0;
	}
	page->has_saved_mask = 0;
	page->signal_mask = (page->signal_mask | blocked) & ~SIGNALS_UNBLOCKABLE;
	return true;
}

bool shim_deliver(struct hel_registers *regs, int signal, const void *siginfo)
{
	return deliver(regs, signal, siginfo, nullptr);
}

/* ---- the ways out ---------------------------------------------------------------------------- */

static void make_again(struct hel_registers *regs, uint64_t number)
{
	regs->rip -= 2;
	regs->rax = number;
}

/*
 * What an interrupted call becomes; `action` is that of the first handler to run, NULL if none
 * runs.
 */
static void decide_restart(
	struct hel_registers *regs, uint64_t number, const struct posix_sigaction *action)
{
	switch (-(int64_t)regs->rax) {
	case LINUX_ERESTARTNOINTR: make_again(regs, number); return;
	case LINUX_ERESTARTSYS:
		if (!action || (action->flags & SA_RESTART_FLAG)) {
			make_again(regs, number);
			return;
		}
		break;
	case LINUX_ERESTARTNOHAND:
		if (!action) {
			make_again(regs, number);
			return;
		}
		break;
	case LINUX_ERESTART_RESTARTBLOCK:
		if (!action) {
			make_again(regs, RESTART_SYSCALL_NUMBER);
			return;
		}
		break;
	default: return;
	}
	regs->rax = (uint64_t)-LINUX_EINTR;
}

/* The signal that posix offers (wire.h), or 0: ask. */
static int64_t take_offer(struct posix_thread_page *page, struct posix_signal_info *out_info)
{
	struct posix_signal_offer *offer = &page->offer;
	uint32_t state = offer->state;
	const struct linux_siginfo_sender *info = (struct linux_siginfo_sender *)out_info;
	uint64_t bit;

	if ((state & POSIX_OFFER_STATE_MASK) != POSIX_OFFER_MADE ||
		(shim_pending() & SIGNALS_UNBLOCKABLE)) {
		return 0;
	}
	*out_info = offer->info;
	if (info->signal < 1 || info->signal > 64) {
		return 0;
	}
	bit = 1ull << (info->signal - 1);
	if ((page->signal_mask & bit) || shim_process()->actions[info->signal - 1].handler <= 1) {
		return 0;
	}
	if (page->signals_pending & bit) {
		page->signals_pending &= ~bit;
	} else {
		shim_process()->signals_pending[0] &= ~bit;
		shim_process()->signals_pending[1] &= ~bit;
	}
	if (!__c11_atomic_compare_exchange_strong(&offer->state, &state,
		    state - POSIX_OFFER_MADE + POSIX_OFFER_TAKEN, __ATOMIC_SEQ_CST,
		    __ATOMIC_SEQ_CST)) {
		return 0; /* the bit may be wrong now; posix' answer corrects it */
	}
	return info->signal;
}

static int64_t report_signals(
	struct hel_registers *regs, uint64_t *number, struct posix_signal_info *out_info)
{
	const struct shim_trace_point point = { .point = POSIX_TRACE_SIGNALS };

	return shim_trace_report(regs, number, &point, out_info);
}

/* The next signal, or 0. The tracer of a traced thread sees it, and the program, first. */
static int64_t ask_for_signal(
	struct hel_registers *regs, uint64_t *number, struct posix_signal_info *out_info)
{
	struct shim_call call;
	int64_t signal;

	if (shim_thread()->trace_flags) {
		return report_signals(regs, number, out_info);
	}
	shim_call_init(&call, POSIX_SIGNAL_TAKE);
	shim_call_out(&call, out_info, sizeof(*out_info));
	signal = shim_call_run(&call);
	if (signal == -LINUX_EAGAIN) { /* it is traced by now */
		return report_signals(regs, number, out_info);
	}
	return signal < 1 || signal > 64 ? 0 : signal;
}

/*
 * Whether there is something to take, or something to tell: that we block now what we were chosen
 * for, so that others get it.
 */
static bool has_reason_to_ask(const struct posix_thread_page *page, bool is_first)
{
	return shim_has_signal() || (is_first && (shim_pending() & page->signal_mask));
}

/*
 * Makes `regs` those of the signal's handler, or acts by default; what becomes of the call `number`
 * is decided by the first handler that runs.
 */
static void handle(struct hel_registers *regs, uint64_t *number, int64_t signal,
	const struct posix_signal_info *info, const struct hel_fault *fault)
{
	const struct shim_trace_point point = { .point = POSIX_TRACE_HANDLER };
	struct posix_sigaction action = shim_process()->actions[signal - 1];

	if (action.handler > 1 && *number != SHIM_NO_CALL) {
		decide_restart(regs, *number, &action);
		*number = SHIM_NO_CALL;
	}
	if (deliver(regs, (int)signal, info->siginfo, fault) &&
		(shim_thread()->trace_flags & POSIX_TRACE_STEP)) {
		shim_trace_report(regs, number, &point, nullptr);
	}
}

/* Takes signals until none is left; number SHIM_NO_CALL: not from a call. */
static void take_signals(struct hel_registers *regs, uint64_t number)
{
	struct posix_thread_page *page = shim_thread();

	__atomic_store_n(&page->bounce.pending, 0, __ATOMIC_SEQ_CST);
	for (bool is_first = true; has_reason_to_ask(page, is_first); is_first = false) {
		struct posix_signal_info info;
		int64_t signal = take_offer(page, &info);

		if (!signal) {
			signal = ask_for_signal(regs, &number, &info);
		}
		if (!signal) {
			break;
		}
		handle(regs, &number, signal, &info, nullptr);
	}
	if (number != SHIM_NO_CALL) {
		decide_restart(regs, number, nullptr);
	}
	if (page->has_saved_mask) {
		page->has_saved_mask = 0;
		shim_set_mask(page->saved_mask);
	}
}

/* ---- traced threads -------------------------------------------------------------------------- */

/* A signal that the processor or we cause; the tracer sees it first. */
static void report_fault(struct hel_registers *regs, uint64_t *number,
	const struct linux_siginfo_fault *cause, const struct hel_fault *fault)
{
	const struct shim_trace_point point = {
		.point = POSIX_TRACE_FAULT,
		.values = { (uint64_t)cause->signal, (uint64_t)cause->code, cause->address,
			fault && fault->vector == 1 ? fault->error_code : 0 },
	};
	struct posix_signal_info info;
	int64_t signal = shim_trace_report(regs, number, &point, &info);

	if (signal) {
		handle(regs, number, signal, &info, signal == cause->signal ? fault : nullptr);
	}
}

/* What was to be reported on the way back to the program, before its signals. */
static void report_due(struct hel_registers *regs, uint64_t *number)
{
	const struct shim_trace_point executed = { .point = POSIX_TRACE_EXECUTED },
				      exit = { .point = POSIX_TRACE_EXIT };
	struct posix_thread_page *page = shim_thread();
	uint32_t due = __c11_atomic_exchange(&page->trace_due, 0, __ATOMIC_SEQ_CST);

	if (due & POSIX_TRACE_DUE_AIO) {
		shim_collect_polls();
	}
	if (due & POSIX_TRACE_DUE_EXECUTED) {
		*number = NR_EXECVE;
		shim_trace_report(regs, number, &executed, nullptr);
	}
	if (!(due & POSIX_TRACE_DUE_EXIT)) {
		return;
	}
	if (page->trace_flags & POSIX_TRACE_CALLS) {
		shim_trace_report(regs, number, &exit, nullptr);
	} else if (page->trace_flags & POSIX_TRACE_STEP) {
		/* The step over the call ends behind it. */
		report_fault(regs, number,
			&(struct linux_siginfo_fault){
				.signal = 5, .code = 1 /* TRAP_BRKPT */, .address = regs->rip },
			nullptr);
	}
}

/* ---- entries --------------------------------------------------------------------------------- */

static void leave(struct hel_registers *regs, uint64_t number)
{
	(void)shim_end_step(regs);
	if (shim_thread()->trace_due) {
		report_due(regs, &number);
	}
	take_signals(regs, number);
	if (shim_is_stepped(regs)) {
		shim_look_at_exit(); /* so that shim_leave_full() says so */
	}
}

/* From shim_exit_slow: the call `number` has its result in regs->rax. */
void shim_leave_call(struct hel_registers *regs, uint64_t number);
void shim_leave_call(struct hel_registers *regs, uint64_t number)
{
	leave(regs, number);
}

/* From shim_full_return: a kick came while we were busy. True: leave by shim_step_begin. */
bool shim_leave_full(struct hel_registers *regs);
bool shim_leave_full(struct hel_registers *regs)
{
	uint64_t number = SHIM_NO_CALL;

	shim_thread()->bounce.steps_to_skip = 0; /* of a way out that was given up */
	if (shim_thread()->trace_due) {
		report_due(regs, &number);
	}
	take_signals(regs, number);
	if (!shim_is_stepped(regs)) {
		return false;
	}
	shim_begin_step(regs);
	return true;
}

/* A kick while the program ran. True: it was about to make a call, which is to be made. */
bool shim_kick(struct hel_registers *regs);
bool shim_kick(struct hel_registers *regs)
{
	struct shim_stub stub;

	if (shim_find_stub(regs, &stub)) {
		shim_enter_stub(regs, &stub);
		return true; /* `pending` is still set */
	}
	leave(regs, SHIM_NO_CALL);
	return false;
}

struct fault_signal {
	uint8_t vector, signal;
	uint8_t code; /* si_code; 0x80 SI_KERNEL */
};

static const struct fault_signal fault_signals[] = {
	{ 0, 8, 1 }, /* #DE: SIGFPE, FPE_INTDIV */
	{ 1, 5, 2 }, /* #DB: SIGTRAP, TRAP_TRACE; see fault_signal_of() */
	{ 3, 5, 0x80 }, /* #BP: SIGTRAP, SI_KERNEL */
	{ 4, 11, 0x80 }, /* #OF */
	{ 5, 11, 0x80 }, /* #BR */
	{ 6, 4, 2 }, /* #UD: SIGILL, ILL_ILLOPN */
	{ 12, 7, 0x80 }, /* #SS: SIGBUS */
	{ 16, 8, 7 }, /* #MF: SIGFPE, FPE_FLTINV */
	{ 17, 7, 1 }, /* #AC: SIGBUS, BUS_ADRALN */
	{ 19, 8, 7 }, /* #XM */
};

/* #DB: the program came to, or touched, what the debug registers name, and was not stepped. */
static bool is_match(const struct hel_fault *fault)
{
	return fault->vector == 1 && (fault->error_code & 15) && !(fault->error_code & 0x4000);
}

static struct fault_signal fault_signal_of(const struct hel_fault *fault)
{
	if (fault->vector == 14) {
		switch (-fault->reason) {
		case ERR_OUT_OF_BOUNDS:
		case ERR_IO: /* the page cannot be read, or nobody will write it back */
			return (struct fault_signal){ 14, 7, 2 }; /* SIGBUS, BUS_ADRERR */
		case ERR_NO_RIGHTS: return (struct fault_signal){ 14, 11, 2 }; /* SEGV_ACCERR */
		default: return (struct fault_signal){ 14, 11, 1 }; /* SEGV_MAPERR */
		}
	}
	if (is_match(fault)) {
		return (struct fault_signal){ 1, 5, 4 }; /* SIGTRAP, TRAP_HWBKPT */
	}
	for (size_t i = 0; i < ARRAY_SIZE(fault_signals); i++) {
		if (fault_signals[i].vector == fault->vector) {
			return fault_signals[i];
		}
	}
	return (struct fault_signal){ (uint8_t)fault->vector, 11, 0x80 };
}

static void program_fault(struct hel_registers *regs)
{
	struct posix_thread_page *page = shim_thread();
	struct hel_fault fault = page->bounce.fault;
	struct fault_signal what = fault_signal_of(&fault);
	struct posix_sigaction action = shim_process()->actions[what.signal - 1];
	struct linux_siginfo_fault info = { .signal = what.signal, .code = what.code };

	if (what.code != 0x80) {
		info.address = fault.vector == 14 ? fault.address : regs->rip;
	}
	if (shim_end_step(regs) && fault.vector == 1 && !page->trace_flags) {
		return; /* nobody wants to see that step any more */
	}
	if (is_match(&fault) && !page->trace_flags) {
		/* Of a tracer that has gone. */
		shim_load_debug(&(struct hel_debug_registers){});
		return;
	}
	if (page->trace_flags) {
		uint64_t number = SHIM_NO_CALL;

		report_fault(regs, &number, &info, &fault);
		leave(regs, number);
		return;
	}
	/*
	 * A blocked or ignored synchronous signal cannot be put off: its default action is taken.
	 */
	if (action.handler <= 1 || (page->signal_mask & 1ull << (what.signal - 1))) {
		fatal(what.signal, what.code, info.address);
		return;
	}
	deliver(regs, what.signal, &info, &fault);
}

/* A fault of the program. True: it steps into a call, which is to be made. */
bool shim_fault(struct hel_registers *regs);
bool shim_fault(struct hel_registers *regs)
{
	struct shim_stub stub;

	if (shim_thread()->bounce.fault.vector == VECTOR_DEBUG && shim_find_stub(regs, &stub) &&
		!shim_leave_stub(regs, &stub)) {
		shim_enter_stub(regs, &stub);
		return true;
	}
	program_fault(regs);
	return false;
}

/* ---- sigreturn ------------------------------------------------------------------------------- */

static int load_frame(struct hel_registers *regs, struct linux_ucontext *ucontext)
{
	const struct linux_sigcontext *context = &ucontext->context;
	const struct posix_process_page *process = shim_process();

	/* The restorer was reached by `ret`, which popped the return address. */
	if (shim_get(ucontext, regs->rsp, sizeof(*ucontext))) {
		return -LINUX_EFAULT;
	}
	if (!shim_is_program_ip(context->rip)) {
		return -LINUX_EFAULT;
	}
	if (context->fpstate) {
		if (!shim_is_user_range(context->fpstate, process->xsave_size) ||
			(context->fpstate & 63) ||
			shim_fpu_load((const void *)context->fpstate, process->xsave_mask)) {
			return -LINUX_EFAULT;
		}
	}
	regs->r8 = context->r8;
	regs->r9 = context->r9;
	regs->r10 = context->r10;
	regs->r11 = context->r11;
	regs->r12 = context->r12;
	regs->r13 = context->r13;
	regs->r14 = context->r14;
	regs->r15 = context->r15;
	regs->rdi = context->rdi;
	regs->rsi = context->rsi;
	regs->rbp = context->rbp;
	regs->rbx = context->rbx;
	regs->rdx = context->rdx;
	regs->rax = context->rax;
	regs->rcx = context->rcx;
	regs->rsp = context->rsp;
	regs->rip = context->rip;
	regs->rflags = (context->eflags & FLAGS_USER) | 0x202;
	return 0;
}

void shim_do_sigreturn(struct hel_registers *regs);
void shim_do_sigreturn(struct hel_registers *regs)
{
	struct posix_thread_page *page = shim_thread();
	struct linux_ucontext ucontext;

	if (load_frame(regs, &ucontext)) {
		fatal(11, 0x80, 0);
		return;
	}
	if (!is_on_altstack(page, regs->rsp)) {
		bool is_disabled = ucontext.stack.flags & SS_DISABLE_FLAG;

		page->altstack_sp = is_disabled ? 0 : ucontext.stack.sp;
		page->altstack_size = is_disabled ? 0 : ucontext.stack.size;
		page->altstack_flags = ucontext.stack.flags & SS_AUTODISARM_FLAG;
	}
	shim_set_mask(ucontext.mask);
	if (page->trace_due || shim_is_stepped(regs)) {
		shim_look_at_exit();
	}
}
