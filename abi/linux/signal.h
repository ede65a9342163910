/* SPDX-License-Identifier: MIT */
/* Signals, as on Linux (x86-64): numbers, actions, siginfo and the frame that a handler finds. */
#ifndef ABI_LINUX_SIGNAL_H
#define ABI_LINUX_SIGNAL_H

#include <stdint.h>

enum linux_signal : int {
	LINUX_SIGHUP = 1,
	LINUX_SIGINT = 2,
	LINUX_SIGQUIT = 3,
	LINUX_SIGILL = 4,
	LINUX_SIGTRAP = 5,
	LINUX_SIGABRT = 6,
	LINUX_SIGBUS = 7,
	LINUX_SIGFPE = 8,
	LINUX_SIGKILL = 9,
	LINUX_SIGUSR1 = 10,
	LINUX_SIGSEGV = 11,
	LINUX_SIGUSR2 = 12,
	LINUX_SIGPIPE = 13,
	LINUX_SIGALRM = 14,
	LINUX_SIGTERM = 15,
	LINUX_SIGSTKFLT = 16,
	LINUX_SIGCHLD = 17,
	LINUX_SIGCONT = 18,
	LINUX_SIGSTOP = 19,
	LINUX_SIGTSTP = 20,
	LINUX_SIGTTIN = 21,
	LINUX_SIGTTOU = 22,
	LINUX_SIGURG = 23,
	LINUX_SIGXCPU = 24,
	LINUX_SIGXFSZ = 25,
	LINUX_SIGVTALRM = 26,
	LINUX_SIGPROF = 27,
	LINUX_SIGWINCH = 28,
	LINUX_SIGIO = 29,
	LINUX_SIGPWR = 30,
	LINUX_SIGSYS = 31,
	LINUX_SIGRTMIN = 32,
	LINUX_SIGRTMAX = 64,
};

constexpr uint32_t LINUX_NSIG = 64; /* signals are 1 … 64 */
constexpr uint64_t LINUX_SIGSET_SIZE = 8;

/* Values of a handler that are no address. */
constexpr uint64_t LINUX_SIG_DFL = 0;
constexpr uint64_t LINUX_SIG_IGN = 1;

enum linux_sigaction_flags : uint32_t {
	LINUX_SA_NOCLDSTOP = 0x1,
	LINUX_SA_NOCLDWAIT = 0x2,
	LINUX_SA_SIGINFO = 0x4,
	LINUX_SA_RESTORER = 0x04000000,
	LINUX_SA_ONSTACK = 0x08000000,
	LINUX_SA_RESTART = 0x10000000,
	LINUX_SA_NODEFER = 0x40000000,
	LINUX_SA_RESETHAND = 0x80000000,
};

enum linux_sigprocmask_how : uint32_t {
	LINUX_SIG_BLOCK = 0,
	LINUX_SIG_UNBLOCK = 1,
	LINUX_SIG_SETMASK = 2,
};

/* si_code: who sent it. */
enum linux_signal_code : int {
	LINUX_SI_USER = 0,
	LINUX_SI_KERNEL = 0x80,
	LINUX_SI_QUEUE = -1,
	LINUX_SI_TIMER = -2,
	LINUX_SI_MESGQ = -3,
	LINUX_SI_ASYNCIO = -4,
	LINUX_SI_SIGIO = -5,
	LINUX_SI_TKILL = -6,
	LINUX_ILL_ILLOPC = 1,
	LINUX_ILL_ILLOPN = 2,
	LINUX_ILL_PRVOPC = 5,
	LINUX_FPE_INTDIV = 1,
	LINUX_FPE_INTOVF = 2,
	LINUX_FPE_FLTDIV = 3,
	LINUX_FPE_FLTINV = 7,
	LINUX_SEGV_MAPERR = 1,
	LINUX_SEGV_ACCERR = 2,
	LINUX_BUS_ADRALN = 1,
	LINUX_BUS_ADRERR = 2,
	LINUX_BUS_OBJERR = 3,
	LINUX_TRAP_BRKPT = 1,
	LINUX_TRAP_TRACE = 2,
	LINUX_CLD_EXITED = 1,
	LINUX_CLD_KILLED = 2,
	LINUX_CLD_DUMPED = 3,
	LINUX_CLD_TRAPPED = 4,
	LINUX_CLD_STOPPED = 5,
	LINUX_CLD_CONTINUED = 6,
	LINUX_POLL_IN = 1,
};

/* Which member of the union is valid follows from signal and code. */
struct linux_siginfo {
	int32_t signal, error, code, padding;
	union {
		uint8_t bytes[112];
		struct {
			uint32_t pid, uid;
			uint64_t value; /* SI_QUEUE */
		} sender;
		struct {
			uint32_t pid, uid;
			int32_t status;
			uint32_t padding;
			int64_t user_ticks, system_ticks;
		} child;
		struct {
			int32_t timer_id, overrun;
			uint64_t value;
		} timer;
		struct {
			uint64_t address;
		} fault;
		struct { /* SIGSYS */
			uint64_t address;
			int32_t number;
			uint32_t arch;
		} call;
		struct {
			int64_t band;
			int32_t fd;
		} poll;
	};
};
static_assert(sizeof(struct linux_siginfo) == 128);

/* What a signalfd tells of a signal. */
struct linux_signalfd_siginfo {
	uint32_t signal;
	int32_t error, code;
	uint32_t pid, uid;
	int32_t fd;
	uint32_t timer_id, band, overrun, trap;
	int32_t status, int_value;
	uint64_t value;
	uint64_t user_ticks, system_ticks;
	uint64_t address;
	uint8_t padding[48];
};
static_assert(sizeof(struct linux_signalfd_siginfo) == 128);

struct linux_stack {
	uint64_t sp;
	uint32_t flags;
	uint32_t padding;
	uint64_t size;
};

enum linux_stack_flags : uint32_t {
	LINUX_SS_ONSTACK = 1,
	LINUX_SS_DISABLE = 2,
	LINUX_SS_AUTODISARM = 0x80000000,
};
constexpr uint64_t LINUX_MINSIGSTKSZ = 2048;

enum linux_sigevent_notify : int {
	LINUX_SIGEV_SIGNAL = 0,
	LINUX_SIGEV_NONE = 1,
	LINUX_SIGEV_THREAD = 2,
	LINUX_SIGEV_THREAD_ID = 4,
};

struct linux_sigevent {
	uint64_t value;
	int32_t signal;
	int32_t notify;  /* enum linux_sigevent_notify */
	int32_t thread_id;
	uint8_t padding[44];
};
static_assert(sizeof(struct linux_sigevent) == 64);

static inline uint64_t linux_sigmask(int signal)
{
	return (uint64_t)1 << (signal - 1);
}

#endif
