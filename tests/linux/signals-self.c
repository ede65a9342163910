/* SPDX-License-Identifier: MIT */
/* Signals that a thread or a process sends to itself, and signals with information. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>

static volatile sig_atomic_t n_calls;
static siginfo_t last_info;
static sigset_t mask_inside;
static volatile pid_t tid_inside;
static void *volatile stack_inside;

static void on_info(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	n_calls++;
	last_info = *info;
	tid_inside = gettid();
	stack_inside = __builtin_frame_address(0);
	sigprocmask(SIG_BLOCK, NULL, &mask_inside);
}

static void install(int signal, int flags, int blocked)
{
	struct sigaction action = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO | flags };

	if (blocked != 0) {
		sigaddset(&action.sa_mask, blocked);
	}
	sigaction(signal, &action, NULL);
}

static void block(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static siginfo_t info_with(int code, int value)
{
	siginfo_t info = { .si_code = code };

	info.si_pid = 77;
	info.si_uid = 88;
	info.si_value.sival_int = value;
	return info;
}

static long queue_info(pid_t pid, int signal, siginfo_t *info)
{
	return syscall(SYS_rt_sigqueueinfo, pid, signal, info);
}

static long queue_info_to_thread(pid_t tid, int signal, siginfo_t *info)
{
	return syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, signal, info);
}

static bool has_sender(int signal, int code)
{
	return last_info.si_signo == signal && last_info.si_code == code &&
		last_info.si_errno == 0 && last_info.si_pid == getpid() &&
		last_info.si_uid == getuid();
}

CASE(handler_runs_before_the_call_returns)
{
	install(SIGUSR1, 0, 0);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(n_calls, 1);
	CHECK(has_sender(SIGUSR1, SI_USER));
	CHECK_EQ(syscall(SYS_tkill, gettid(), SIGUSR1), 0);
	CHECK_EQ(n_calls, 2);
	CHECK(has_sender(SIGUSR1, SI_TKILL));
	CHECK_EQ(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1), 0);
	CHECK_EQ(n_calls, 3);
	CHECK(has_sender(SIGUSR1, SI_TKILL));
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(n_calls, 4);
	CHECK(has_sender(SIGUSR1, SI_TKILL));
}

CASE(real_time_signals_come_with_their_value)
{
	install(SIGRTMAX, 0, 0);
	CHECK_EQ(sigqueue(getpid(), SIGRTMAX, (union sigval){ .sival_int = 4711 }), 0);
	CHECK_EQ(n_calls, 1);
	CHECK(has_sender(SIGRTMAX, SI_QUEUE));
	CHECK_EQ(last_info.si_value.sival_int, 4711);
}

CASE(information_passes_as_it_is)
{
	siginfo_t info = info_with(SI_QUEUE, 5);

	install(SIGUSR1, 0, 0);
	info.si_signo = SIGKILL; /* what counts is the argument */
	info.si_errno = 9;
	CHECK_EQ(queue_info(getpid(), SIGUSR1, &info), 0);
	CHECK_EQ(n_calls, 1);
	CHECK_EQ(last_info.si_signo, SIGUSR1);
	CHECK_EQ(last_info.si_errno, 9);
	CHECK_EQ(last_info.si_pid, 77);
	CHECK_EQ(last_info.si_uid, 88);
	CHECK_EQ(last_info.si_value.sival_int, 5);
	/* to itself a thread may say anything, the kernel's codes as well */
	info = info_with(SI_USER, 6);
	CHECK_EQ(queue_info_to_thread(gettid(), SIGUSR1, &info), 0);
	CHECK_EQ(last_info.si_code, SI_USER);
	CHECK_EQ(last_info.si_pid, 77);
}

CASE(information_waits_with_a_blocked_signal)
{
	siginfo_t info = info_with(SI_MESGQ, 8), got;
	sigset_t set;

	block(SIGRTMIN);
	CHECK_EQ(queue_info(getpid(), SIGRTMIN, &info), 0);
	info.si_value.sival_int = 9;
	CHECK_EQ(queue_info_to_thread(gettid(), SIGRTMIN, &info), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	/* the thread's own come first */
	CHECK_EQ(sigwaitinfo(&set, &got), SIGRTMIN);
	CHECK_EQ(got.si_value.sival_int, 9);
	CHECK_EQ(got.si_code, SI_MESGQ);
	CHECK_EQ(got.si_uid, 88);
	CHECK_EQ(sigwaitinfo(&set, &got), SIGRTMIN);
	CHECK_EQ(got.si_value.sival_int, 8);
}

CASE(refusals)
{
	siginfo_t info = info_with(SI_USER, 0), odd = info_with(-100, 0);
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	CHECK_ERRNO(queue_info(child, 0, &info), EPERM);
	info.si_code = SI_TKILL;
	CHECK_ERRNO(queue_info(child, 0, &info), EPERM);
	info.si_code = SI_QUEUE;
	CHECK_EQ(queue_info(child, 0, &info), 0);
	CHECK_ERRNO(queue_info(child, 65, &info), EINVAL);
	CHECK_ERRNO(queue_info(child, -1, &info), EINVAL);
	CHECK_ERRNO(queue_info(0, 0, &info), ESRCH);
	CHECK_ERRNO(queue_info(-child, 0, &info), ESRCH);
	CHECK_ERRNO(queue_info(getpid(), SIGUSR1, (siginfo_t *)8), EFAULT);
	CHECK_ERRNO(queue_info_to_thread(0, 0, &info), EINVAL);
	CHECK_ERRNO(queue_info_to_thread(child, 0, &info), ESRCH);
	((char *)&odd)[100] = 1;
	CHECK_ERRNO(queue_info(getpid(), SIGUSR1, &odd), E2BIG);
	CHECK_EQ(queue_info(getpid(), 0, &info), 0);
	CHECK_EQ(kill(child, SIGKILL), 0);
	waitpid(child, NULL, 0);
	CHECK_ERRNO(kill(child, 65), ESRCH);
	CHECK_ERRNO(kill(getpid(), 65), EINVAL);
	CHECK_ERRNO(kill(getpid(), -1), EINVAL);
	CHECK_ERRNO(syscall(SYS_tkill, gettid(), 65), EINVAL);
	CHECK_ERRNO(syscall(SYS_tkill, 0, SIGUSR1), EINVAL);
	CHECK_ERRNO(syscall(SYS_tgkill, -1, gettid(), SIGUSR1), EINVAL);
	CHECK_ERRNO(syscall(SYS_tgkill, 1, gettid(), SIGUSR1), ESRCH);
	CHECK_EQ(kill(getpid(), 0), 0);
}

CASE(masks_inside_and_after)
{
	sigset_t after;

	install(SIGUSR1, 0, SIGUSR2);
	raise(SIGUSR1);
	CHECK(sigismember(&mask_inside, SIGUSR1));
	CHECK(sigismember(&mask_inside, SIGUSR2));
	sigprocmask(SIG_BLOCK, NULL, &after);
	CHECK(!sigismember(&after, SIGUSR1));
	CHECK(!sigismember(&after, SIGUSR2));
	install(SIGUSR1, SA_NODEFER, 0);
	kill(getpid(), SIGUSR1);
	CHECK(!sigismember(&mask_inside, SIGUSR1));
}

CASE(resethand_handles_once)
{
	struct sigaction now;
	int status;
	pid_t child;

	install(SIGUSR1, SA_RESETHAND, 0);
	raise(SIGUSR1);
	CHECK_EQ(n_calls, 1);
	sigaction(SIGUSR1, NULL, &now);
	CHECK(now.sa_handler == SIG_DFL);
	child = fork();
	if (child == 0) {
		raise(SIGUSR1);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}

CASE(alternate_stack)
{
	static char stack[64 * 1024];
	stack_t use = { .ss_sp = stack, .ss_size = sizeof(stack) };

	CHECK_EQ(sigaltstack(&use, NULL), 0);
	install(SIGUSR1, SA_ONSTACK, 0);
	raise(SIGUSR1);
	CHECK((char *)stack_inside >= stack && (char *)stack_inside < stack + sizeof(stack));
	install(SIGUSR1, 0, 0);
	raise(SIGUSR1);
	CHECK((char *)stack_inside < stack || (char *)stack_inside >= stack + sizeof(stack));
}

CASE(registers_survive)
{
	const double before[2] = { 1.5, 2.5 };
	double after[2] = { 0 };
	uint64_t result = SYS_kill, wrong;

	install(SIGUSR1, 0, 0);
	__asm__ volatile("movupd %[before], %%xmm3\n\t"
			 "mov $0x1212, %%r12\n\t"
			 "mov $0x9999, %%r9\n\t"
			 "syscall\n\t"
			 "movupd %%xmm3, %[after]\n\t"
			 "xor $0x1212, %%r12\n\t"
			 "xor $0x9999, %%r9\n\t"
			 "mov %%r12, %[wrong]\n\t"
			 "or %%r9, %[wrong]"
		: "+a"(result), [after] "=m"(after), [wrong] "=&r"(wrong)
		: "D"((uint64_t)getpid()), "S"((uint64_t)SIGUSR1), [before] "m"(before)
		: "rcx", "r9", "r11", "r12", "memory", "xmm3");
	CHECK_EQ(result, 0);
	CHECK_EQ(n_calls, 1);
	CHECK_EQ(wrong, 0);
	CHECK(after[0] == before[0] && after[1] == before[1]);
}

static volatile int depth;

static void on_depth(int signal)
{
	if (++depth < 50) {
		raise(signal);
	}
}

CASE(handlers_nest)
{
	struct sigaction action = { .sa_handler = on_depth, .sa_flags = SA_NODEFER };

	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	CHECK_EQ(depth, 50);
}

CASE(pending_ones_of_other_numbers_do_not_matter)
{
	sigset_t pending;

	install(SIGUSR1, 0, 0);
	install(SIGUSR2, 0, 0);
	block(SIGUSR2);
	kill(getpid(), SIGUSR2);
	raise(SIGUSR1);
	CHECK_EQ(n_calls, 1);
	CHECK_EQ(last_info.si_signo, SIGUSR1);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGUSR2));
}

CASE(stop_signals_remove_a_pending_sigcont)
{
	sigset_t pending;

	install(SIGTSTP, 0, 0);
	block(SIGCONT);
	install(SIGCONT, 0, 0);
	kill(getpid(), SIGCONT);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGCONT));
	raise(SIGTSTP);
	CHECK_EQ(n_calls, 1);
	sigpending(&pending);
	CHECK(!sigismember(&pending, SIGCONT));
}

/* ---- several threads ------------------------------------------------------------------------- */

static atomic_bool may_kill;

/* pthread_create() blocks signals in its caller for a while: this one waits for its return. */
static void *kill_process(void *arg)
{
	(void)arg;
	while (!may_kill) {
		sched_yield();
	}
	kill(getpid(), SIGUSR1);
	return NULL;
}

static void *raise_here(void *out_tid)
{
	*(pid_t *)out_tid = gettid();
	raise(SIGUSR1);
	return NULL;
}

CASE(main_thread_is_preferred)
{
	pthread_t thread;

	install(SIGUSR1, 0, 0);
	CHECK_EQ(pthread_create(&thread, NULL, kill_process, NULL), 0);
	may_kill = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(n_calls, 1);
	CHECK_EQ(tid_inside, getpid());
}

CASE(another_thread_takes_what_the_main_thread_blocks)
{
	sigset_t set;
	pthread_t thread;
	pthread_attr_t attributes;

	install(SIGUSR1, 0, 0);
	block(SIGUSR1);
	sigemptyset(&set);
	pthread_attr_init(&attributes);
	pthread_attr_setsigmask_np(&attributes, &set);
	CHECK_EQ(pthread_create(&thread, &attributes, kill_process, NULL), 0);
	may_kill = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(n_calls, 1);
	CHECK(tid_inside != getpid());
}

CASE(thread_signals_itself)
{
	pthread_t thread;
	pid_t tid = 0;

	install(SIGUSR1, 0, 0);
	CHECK_EQ(pthread_create(&thread, NULL, raise_here, &tid), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(n_calls, 1);
	CHECK_EQ(tid_inside, tid);
	CHECK(has_sender(SIGUSR1, SI_TKILL));
}

static void *wait_for_it(void *set)
{
	struct timespec limit = { .tv_nsec = 50 * 1000 * 1000 };

	return (void *)(intptr_t)sigtimedwait(set, NULL, &limit);
}

CASE(waiting_threads_do_not_get_what_a_handler_takes)
{
	sigset_t set;
	pthread_t thread;
	void *result;

	install(SIGUSR1, 0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(pthread_create(&thread, NULL, wait_for_it, &set), 0);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(n_calls, 1);
	CHECK_EQ(tid_inside, getpid());
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK_EQ((intptr_t)result, -1);
}
CASES_MAIN()
