/* SPDX-License-Identifier: MIT */
/* Signals: handlers, masks, frames, restart, alternate stacks, timers. */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t n_calls, last_signal;
static siginfo_t last_info;

static void on_signal(int signal)
{
	n_calls++;
	last_signal = signal;
}

static void on_info(int signal, siginfo_t *info, void *context)
{
	(void)context;
	n_calls++;
	last_signal = signal;
	last_info = *info;
}

static void install(int signal, int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(signal, &action, NULL);
}

CASE(handler_runs)
{
	install(SIGUSR1, 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(n_calls, 1);
	CHECK_EQ(last_signal, SIGUSR1);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(n_calls, 2);
}

CASE(siginfo_names_the_sender)
{
	struct sigaction action = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR2, &action, NULL);
	CHECK_EQ(kill(getpid(), SIGUSR2), 0);
	CHECK_EQ(last_info.si_signo, SIGUSR2);
	CHECK_EQ(last_info.si_code, SI_USER);
	CHECK_EQ(last_info.si_pid, getpid());
	CHECK_EQ(last_info.si_uid, getuid());
}

CASE(blocked_signals_wait)
{
	sigset_t set, pending;

	install(SIGUSR1, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	raise(SIGUSR1);
	raise(SIGUSR1);
	CHECK_EQ(n_calls, 0);
	CHECK_EQ(sigpending(&pending), 0);
	CHECK(sigismember(&pending, SIGUSR1));
	CHECK_EQ(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
	CHECK_EQ(n_calls, 1);
}

CASE(handler_blocks_itself_and_its_mask)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t now;

	sigaddset(&action.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_SETMASK, NULL, &now), 0);
	CHECK(!sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2));
	CHECK_ERRNO(sigprocmask(99, &now, NULL), EINVAL);
}

CASE(kill_and_stop_cannot_be_caught)
{
	struct sigaction action = { .sa_handler = on_signal };

	CHECK_ERRNO(sigaction(SIGKILL, &action, NULL), EINVAL);
	CHECK_ERRNO(sigaction(SIGSTOP, &action, NULL), EINVAL);
	CHECK_ERRNO(sigaction(65, &action, NULL), EINVAL);
	CHECK_ERRNO(kill(getpid(), 65), EINVAL);
	CHECK_ERRNO(kill(1 << 22, SIGTERM), ESRCH);
	CHECK_EQ(kill(getpid(), 0), 0);
}

CASE(resethand_and_nodefer)
{
	install(SIGUSR1, SA_RESETHAND);
	raise(SIGUSR1);
	struct sigaction now;
	CHECK_EQ(sigaction(SIGUSR1, NULL, &now), 0);
	CHECK(now.sa_handler == SIG_DFL);
}

static void on_segv(int signal, siginfo_t *info, void *context)
{
	ucontext_t *at = context;

	(void)signal;
	last_info = *info;
	n_calls++;
	at->uc_mcontext.gregs[REG_RIP] = at->uc_mcontext.gregs[REG_RBX];
}

CASE(fault_handler_may_change_the_context)
{
	struct sigaction action = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };
	void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sigaction(SIGSEGV, &action, NULL);
	for (int i = 0; i < 100; i++) {
		__asm__ volatile("lea 1f(%%rip), %%rbx\n\tmovb $1, (%0)\n1:"
			:
			: "r"(page)
			: "rbx", "memory");
	}
	CHECK_EQ(n_calls, 100);
	CHECK(last_info.si_addr == page);
	CHECK_EQ(last_info.si_code, SEGV_ACCERR);
	__asm__ volatile("lea 1f(%%rip), %%rbx\n\tmovb $1, (%0)\n1:"
		:
		: "r"((void *)8)
		: "rbx", "memory");
	CHECK_EQ(last_info.si_code, SEGV_MAPERR);
	CHECK(last_info.si_addr == (void *)8);
}

CASE(registers_and_vectors_survive_signals)
{
	struct itimerval timer = { { 0, 500 }, { 0, 500 } };
	double sum = 0;
	unsigned long check = 0;

	install(SIGALRM, SA_RESTART);
	CHECK_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
	for (int i = 0; i < 20000000; i++) {
		sum += 0.5;
		check = check * 3 + (unsigned long)i;
	}
	timer = (struct itimerval){ 0 };
	setitimer(ITIMER_REAL, &timer, NULL);
	CHECK(sum == 10000000.0);
	CHECK(n_calls > 0);
	(void)check;
}

static void on_alarm_vectors(int signal)
{
	(void)signal;
	n_calls++;
	__asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm15, %%xmm15" : : : "xmm0", "xmm15");
}

CASE(frame_keeps_vector_registers)
{
	struct itimerval timer = { { 0, 1000 }, { 0, 1000 } };
	unsigned long in[2] = { 0x1122334455667788, 0x99aabbccddeeff00 }, out[2];

	signal(SIGALRM, on_alarm_vectors);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int round = 0; round < 50; round++) {
		unsigned long n = 400000;

		__asm__ volatile(
			"movups (%1), %%xmm0\n\tmovups (%1), %%xmm15\n1:\tdec %0\n\tjnz 1b\n\t"
			"movups %%xmm15, (%2)\n\tpcmpeqb %%xmm0, %%xmm15\n\tmovups %%xmm0, (%2)"
			: "+r"(n)
			: "r"(in), "r"(out)
			: "xmm0", "xmm15", "memory", "cc");
		CHECK(out[0] == in[0] && out[1] == in[1]);
	}
	timer = (struct itimerval){ 0 };
	setitimer(ITIMER_REAL, &timer, NULL);
	CHECK(n_calls > 0);
}

CASE(eintr_without_restart)
{
	int ends[2];
	char byte;

	CHECK_EQ(pipe(ends), 0);
	install(SIGALRM, 0);
	ualarm(20000, 0);
	CHECK_ERRNO(read(ends[0], &byte, 1), EINTR);
	CHECK_EQ(n_calls, 1);
}

CASE(restart_with_flag)
{
	int ends[2];
	char byte = 0;
	pid_t child;

	CHECK_EQ(pipe(ends), 0);
	install(SIGUSR1, SA_RESTART);
	child = fork();
	if (child == 0) {
		usleep(30000);
		kill(getppid(), SIGUSR1);
		usleep(30000);
		_exit(write(ends[1], "y", 1) == 1 ? 0 : 1);
	}
	CHECK_EQ(read(ends[0], &byte, 1), 1);
	CHECK_EQ(byte, 'y');
	CHECK_EQ(n_calls, 1);
	waitpid(child, NULL, 0);
}

CASE(sleep_is_interrupted_with_remainder)
{
	struct timespec time = { 5, 0 }, left = { 0, 0 };

	install(SIGALRM, SA_RESTART);
	ualarm(20000, 0);
	CHECK_ERRNO(nanosleep(&time, &left), EINTR);
	CHECK(left.tv_sec >= 3 && left.tv_sec < 5);
}

CASE(ignored_signal_does_not_interrupt)
{
	struct timespec time = { 0, 60000000 }, begin, end;

	signal(SIGALRM, SIG_IGN);
	ualarm(10000, 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	CHECK_EQ(nanosleep(&time, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	CHECK((end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec >= 60000000);
}

CASE(sigsuspend_swaps_the_mask)
{
	sigset_t set, old, now;

	install(SIGUSR1, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR1);
	CHECK_EQ(n_calls, 0);
	CHECK_ERRNO(sigsuspend(&old), EINTR);
	CHECK_EQ(n_calls, 1);
	sigprocmask(SIG_SETMASK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR1));
}

CASE(ppoll_swaps_the_mask)
{
	struct timespec time = { 5, 0 };
	sigset_t set, none;

	install(SIGUSR1, 0);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	CHECK_ERRNO(ppoll(NULL, 0, &time, &none), EINTR);
	CHECK_EQ(n_calls, 1);
}

CASE(sigtimedwait_takes)
{
	struct timespec none = { 0, 0 }, short_time = { 0, 20000000 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_ERRNO(sigtimedwait(&set, &info, &none), EAGAIN);
	raise(SIGUSR1);
	CHECK_EQ(sigtimedwait(&set, &info, &none), SIGUSR1);
	CHECK_EQ(info.si_signo, SIGUSR1);
	CHECK_ERRNO(sigtimedwait(&set, &info, &short_time), EAGAIN);
}

static char alternate[65536];
static volatile char *handler_stack;

static void on_altstack(int signal)
{
	char here;

	(void)signal;
	handler_stack = &here;
	n_calls++;
}

CASE(alternate_stack)
{
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) }, now;
	struct sigaction action = { .sa_handler = on_altstack, .sa_flags = SA_ONSTACK };

	CHECK_EQ(sigaltstack(&stack, NULL), 0);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	CHECK_EQ(n_calls, 1);
	CHECK(handler_stack > alternate && handler_stack < alternate + sizeof(alternate));
	CHECK_EQ(sigaltstack(NULL, &now), 0);
	CHECK(now.ss_sp == alternate && now.ss_flags == 0);
	stack.ss_size = 100;
	CHECK_ERRNO(sigaltstack(&stack, NULL), ENOMEM);
}

static void on_overflow(int signal)
{
	(void)signal;
	_exit(55);
}

static int recurse(int depth)
{
	volatile char space[4096];

	space[0] = (char)depth;
	return depth < 1 << 28 ? recurse(depth + 1) + space[0] : 0;
}

CASE(stack_overflow_is_caught_on_the_alternate_stack)
{
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction action = { .sa_handler = on_overflow, .sa_flags = SA_ONSTACK };
	pid_t child = fork();
	int status;

	if (child == 0) {
		sigaltstack(&stack, NULL);
		sigaction(SIGSEGV, &action, NULL);
		_exit(recurse(0));
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 55);
}

CASE(stack_overflow_without_handler_kills)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		_exit(recurse(0));
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static int killed_by(void (*act)(void))
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		act();
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void call_null(void)
{
	void (*volatile null)(void) = NULL;

	null();
}

static void divide_by_zero(void)
{
	__asm__ volatile("xor %%edx, %%edx\n\txor %%ecx, %%ecx\n\tdiv %%ecx"
		:
		: "a"(1)
		: "ecx", "edx");
}

static void illegal(void)
{
	__asm__ volatile("ud2");
}

static void privileged(void)
{
	__asm__ volatile("hlt");
}

static void breakpoint(void)
{
	__asm__ volatile("int3");
}

static void non_canonical(void)
{
	*(volatile char *)0x8000000000000000 = 1;
}

static void kernel_address(void)
{
	*(volatile char *)0xffffffff80000000 = 1;
}

static void execute_data(void)
{
	static char code[] = { (char)0xc3 };
	void (*volatile go)(void) = (void (*)(void))(void *)code;

	go();
}

CASE(faults_have_their_signals)
{
	CHECK_EQ(killed_by(call_null), SIGSEGV);
	CHECK_EQ(killed_by(divide_by_zero), SIGFPE);
	CHECK_EQ(killed_by(illegal), SIGILL);
	CHECK_EQ(killed_by(privileged), SIGSEGV);
	CHECK_EQ(killed_by(breakpoint), SIGTRAP);
	CHECK_EQ(killed_by(non_canonical), SIGSEGV);
	CHECK_EQ(killed_by(kernel_address), SIGSEGV);
	CHECK_EQ(killed_by(execute_data), SIGSEGV);
	CHECK_EQ(killed_by(abort), SIGABRT);
}

CASE(child_signal_tells_why)
{
	struct sigaction action = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO };
	sigset_t set, old;
	pid_t child;

	sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	child = fork();
	if (child == 0) {
		_exit(12);
	}
	while (n_calls == 0) {
		sigsuspend(&old);
	}
	CHECK_EQ(last_info.si_pid, child);
	CHECK_EQ(last_info.si_code, CLD_EXITED);
	CHECK_EQ(last_info.si_status, 12);
	waitpid(child, NULL, 0);
}

CASE(ignored_child_signal_reaps)
{
	pid_t child;

	signal(SIGCHLD, SIG_IGN);
	child = fork();
	if (child == 0) {
		_exit(0);
	}
	CHECK_ERRNO(waitpid(child, NULL, 0), ECHILD);
}

CASE(alarm_counts_down)
{
	install(SIGALRM, 0);
	CHECK_EQ(alarm(100), 20); /* the case's own limit was pending */
	CHECK(alarm(0) >= 99);
	CHECK_EQ(alarm(0), 0);
	alarm(20);
}

CASE(signal_storm_loses_nothing)
{
	pid_t parent = getpid(), child;
	sigset_t set, old;

	install(SIGUSR1, SA_RESTART);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	child = fork();
	if (child == 0) {
		install(SIGUSR1, 0);
		for (int i = 0; i < 300; i++) {
			kill(parent, SIGUSR1);
			sigsuspend(&old);
		}
		_exit(0);
	}
	for (int i = 0; i < 300; i++) {
		sigsuspend(&old);
		kill(child, SIGUSR1);
	}
	CHECK_EQ(n_calls, 300);
	CHECK_EQ(waitpid(child, NULL, 0), child);
}

CASE(real_time_signals_queue)
{
	struct sigaction action = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO };
	sigset_t set, old;

	sigaction(SIGRTMIN + 2, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (int i = 0; i < 5; i++) {
		kill(getpid(), SIGRTMIN + 2);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK_EQ(n_calls, 5);
}
CASES_MAIN()
