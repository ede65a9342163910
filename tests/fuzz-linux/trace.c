/* SPDX-License-Identifier: MIT */
/*
 * Tracers and tracees: a child is attached to, or asks to be traced, and gets requests of all sorts
 * while it makes its own calls. In between the tracer waits for the child to stop; now and then it
 * only looks, and asks for something that needs a stop while there is none. A wait in vain is ended
 * by the keeper's signal. Afterwards it goes on with its own work, and may forget the child.
 */
#include "fuzz.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#define REQUESTS 32
#define OPTIONS  0x1000ff /* all bits, PTRACE_O_EXITKILL too */

#define N_WORDS (sizeof(struct user_regs_struct) / sizeof(uint64_t))

static int64_t request(
	struct worker *worker, uint64_t what, uint64_t tid, uint64_t address, uint64_t data)
{
	return call_make(
		worker, SYS_ptrace, (const uint64_t[ARGUMENTS]){ what, tid, address, data });
}

/* None, or one that it survives; seldom any. */
static uint64_t draw_signal(struct worker *worker)
{
	static const uint8_t usual[] = { 0, 0, 0, 0, SIGALRM, SIGUSR1, SIGUSR2, SIGCHLD, SIGCONT,
		SIGURG, SIGSTOP, 34, 64 };

	return draw_once_in(&worker->draw, 64)
		? draw_below(&worker->draw, 70)
		: usual[draw_below(&worker->draw, N_ELEMENTS(usual))];
}

/* Its registers, with one or two of them changed. */
static void change_registers(struct worker *worker, uint64_t tid)
{
	uint64_t *words = (uint64_t *)(uintptr_t)value_place(worker, N_WORDS * sizeof(*words));
	uint64_t at[2] = { draw_below(&worker->draw, N_WORDS), draw_below(&worker->draw, N_WORDS) };
	uint64_t values[2] = { value_any(worker), value_any(worker) };

	if (request(worker, PTRACE_GETREGS, tid, 0, (uint64_t)(uintptr_t)words) != 0) {
		return;
	}
	words[at[0]] = values[0];
	if (values[1] % 2 == 0) {
		words[at[1]] = values[1];
	}
	request(worker, PTRACE_SETREGS, tid, 0, (uint64_t)(uintptr_t)words);
}

static void move_register_set(struct worker *worker, uint64_t tid)
{
	static const uint64_t sets[] = { NT_PRSTATUS, NT_PRSTATUS, NT_PRFPREG, NT_X86_XSTATE,
		NT_386_TLS, 7 };
	static const uint64_t sizes[] = { 0, 8, 15, 216, 512, 832, 2696, 4096 };
	uint64_t which = draw_once_in(&worker->draw, 3) ? PTRACE_SETREGSET : PTRACE_GETREGSET;
	struct iovec vector = {
		.iov_base = (void *)(uintptr_t)value_address(worker),
		.iov_len = sizes[draw_below(&worker->draw, N_ELEMENTS(sizes))],
	};
	uint8_t *at = value_place(worker, sizeof(vector));

	memcpy(at, &vector, sizeof(vector));
	request(worker, which, tid, sets[draw_below(&worker->draw, N_ELEMENTS(sets))],
		(uint64_t)(uintptr_t)at);
}

/* Whatever there is, with an address and a value of any kind. */
static void any_request(struct worker *worker, uint64_t tid)
{
	static const uint64_t requests[] = { PTRACE_PEEKTEXT, PTRACE_PEEKDATA, PTRACE_PEEKUSER,
		PTRACE_POKETEXT, PTRACE_POKEDATA, PTRACE_POKEUSER, PTRACE_GETREGS, PTRACE_GETFPREGS,
		PTRACE_SETFPREGS, PTRACE_GETEVENTMSG, PTRACE_GETSIGINFO, PTRACE_SETSIGINFO,
		PTRACE_PEEKSIGINFO, PTRACE_GETSIGMASK, PTRACE_SETSIGMASK, PTRACE_SECCOMP_GET_FILTER,
		PTRACE_GET_SYSCALL_INFO, 25, 30, 0x420d, 0x420f, 0x4210 };
	uint64_t address = value_any(worker), data = value_any(worker);

	if (draw_once_in(&worker->draw, 2)) {
		address = draw_below(&worker->draw, 130) * 8;
	}
	request(worker, requests[draw_below(&worker->draw, N_ELEMENTS(requests))], tid, address,
		data);
}

static void one_request(struct worker *worker, uint64_t tid)
{
	static const uint64_t goings_on[] = { PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SYSCALL,
		PTRACE_SYSCALL, PTRACE_SYSCALL, PTRACE_SINGLESTEP, PTRACE_SINGLESTEP,
		PTRACE_SINGLESTEP, PTRACE_SYSEMU, PTRACE_SINGLEBLOCK, PTRACE_LISTEN };

	switch (draw_below(&worker->draw, 12)) {
	case 0: any_request(worker, tid); break;
	case 1: move_register_set(worker, tid); break;
	case 2: change_registers(worker, tid); break;
	case 3: request(worker, PTRACE_INTERRUPT, tid, 0, 0); break;
	case 4:
		request(worker, PTRACE_SETOPTIONS, tid, 0, draw_next(&worker->draw) & OPTIONS);
		break;
	case 5: any_request(worker, value_process_id(worker)); break;
	case 6: RAW(SYS_tkill, tid, SIGSTOP, 0); break;
	default:
		request(worker, goings_on[draw_below(&worker->draw, N_ELEMENTS(goings_on))], tid, 0,
			draw_signal(worker));
	}
}

/* False: it is no more. */
static bool look(struct worker *worker, uint64_t tid)
{
	uint64_t options = draw_once_in(&worker->draw, 4) ? __WALL | WNOHANG : __WALL;
	uint64_t status = (uint64_t)(uintptr_t)value_place(worker, 256);

	return call_make(worker, SYS_wait4,
		       (const uint64_t[ARGUMENTS]){ tid, status, options, 0 }) != -ECHILD;
}

static void end_trace(struct worker *worker, uint64_t tid)
{
	switch (draw_below(&worker->draw, 4)) {
	case 0: break; /* until one of them ends */
	case 1: RAW(SYS_kill, tid, SIGKILL, 0); break;
	default: request(worker, PTRACE_DETACH, tid, 0, draw_signal(worker));
	}
}

/* Its registers are changed now and then. */
static void run_hidden(struct worker *worker)
{
	worker_hide(worker);
	worker_lane(worker);
}

static void run_tracee(struct worker *worker)
{
	worker_hide(worker);
	request(worker, PTRACE_TRACEME, 0, 0, 0);
	RAW(SYS_tkill, RAW(SYS_gettid, 0, 0, 0), SIGSTOP, 0);
	worker_lane(worker);
}

void trace_perform(struct worker *worker)
{
	struct worker tracer = *worker;

	/* what it draws depends on what the child does */
	tracer.draw.state = draw_next(&worker->draw);
	bool is_asked = draw_once_in(&tracer.draw, 2), is_seized = draw_once_in(&tracer.draw, 2);
	int64_t tid = child_make(&tracer, SIGCHLD, 0, 0, is_asked ? run_tracee : run_hidden);

	if (tid == 0) {
		return;
	}
	if (!is_asked) {
		request(&tracer, is_seized ? PTRACE_SEIZE : PTRACE_ATTACH, (uint64_t)tid, 0,
			is_seized ? draw_next(&tracer.draw) & OPTIONS : 0);
		request(&tracer, PTRACE_INTERRUPT, (uint64_t)tid, 0, 0);
	}
	for (uint32_t i = 0; i < REQUESTS && look(&tracer, (uint64_t)tid); i++) {
		one_request(&tracer, (uint64_t)tid);
	}
	end_trace(&tracer, (uint64_t)tid);
}
