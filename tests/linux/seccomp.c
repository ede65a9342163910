/* SPDX-License-Identifier: MIT */
/* seccomp: how filters are taken, what they say, strict mode, inheritance. */
#include "seccomp.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <ucontext.h>

/* ---- how they are taken ---------------------------------------------------------------------- */

CASE(operations_and_flags)
{
	uint32_t action = SECCOMP_RET_ERRNO;
	struct seccomp_notif_sizes sizes = { 0 };

	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	CHECK_ERRNO(syscall(SYS_seccomp, 99, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, &action), EINVAL);
	CHECK_ERRNO(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 20, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0), EFAULT);
	CHECK_ERRNO(prctl(PR_SET_SECCOMP, 3, 0, 0, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0, 0, 0), EFAULT);
	CHECK_EQ(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), 0);
	CHECK_ERRNO(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, &action), EINVAL);
	CHECK_ERRNO(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, 8), EFAULT);
	action = 0x12340000;
	CHECK_ERRNO(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), EOPNOTSUPP);
	action = SECCOMP_RET_ERRNO | 1;
	CHECK_ERRNO(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), EOPNOTSUPP);
	CHECK_EQ(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes), 0);
	CHECK_EQ(sizes.seccomp_notif, 80);
	CHECK_EQ(sizes.seccomp_notif_resp, 24);
	CHECK_EQ(sizes.seccomp_data, 64);
	CHECK_ERRNO(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 1, &sizes), EINVAL);
	CHECK_EQ(status_line("Seccomp"), 0);
	CHECK_EQ(status_line("Seccomp_filters"), 0);
}

CASE(a_filter_needs_no_new_privileges)
{
	CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	CHECK_ERRNO(INSTALL(0, { RETURN(SECCOMP_RET_ALLOW) }), EACCES);
	no_new_privileges();
	CHECK_EQ(INSTALL(0, { RETURN(SECCOMP_RET_ALLOW) }), 0);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
	CHECK_EQ(status_line("Seccomp"), 2);
	CHECK_EQ(status_line("Seccomp_filters"), 1);
	CHECK_EQ(INSTALL(0, { RETURN(SECCOMP_RET_ALLOW) }), 0);
	CHECK_EQ(status_line("Seccomp_filters"), 2);
}

CASE(programs_are_checked)
{
	static struct sock_filter many[BPF_MAXINSNS];
	struct sock_fprog program = { .len = 0, .filter = many };

	for (size_t i = 0; i < BPF_MAXINSNS; i++) {
		many[i] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	}
	no_new_privileges();
	CHECK_ERRNO(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), EINVAL);
	program.len = BPF_MAXINSNS + 1;
	CHECK_ERRNO(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), EINVAL);
	program.len = 1;
	program.filter = (struct sock_filter *)8;
	CHECK_ERRNO(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), EFAULT);

	CHECK_ERRNO(INSTALL(0, { LOAD(nr) }), EINVAL);
	CHECK_ERRNO(INSTALL(0, { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RETURN(0) }), EINVAL);
	CHECK_ERRNO(INSTALL(0, { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 6), RETURN(0) }), EINVAL);
	CHECK_ERRNO(INSTALL(0, { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RETURN(0) }), EINVAL);
	CHECK_ERRNO(INSTALL(0, { BPF_STMT(BPF_LD | BPF_MEM, 0), RETURN(0) }), EINVAL);
	CHECK_ERRNO(INSTALL(0, { IF(1), RETURN(0) }), EINVAL);
	CHECK_ERRNO(INSTALL(0, { BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 2), RETURN(0) }), EINVAL);
	CHECK_ERRNO(INSTALL(0, { BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RETURN(0) }), EINVAL);
	CHECK_ERRNO(INSTALL(0, { BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RETURN(0) }), EINVAL);
	CHECK_ERRNO(INSTALL(0, { BPF_STMT(0xffff, 0), RETURN(0) }), EINVAL);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	program.len = BPF_MAXINSNS;
	program.filter = many;
	CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
}

CASE(all_filters_together_have_a_limit)
{
	static struct sock_filter many[BPF_MAXINSNS];
	long result = 0;
	int n = 0;

	for (size_t i = 0; i < BPF_MAXINSNS; i++) {
		many[i] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	}
	no_new_privileges();
	while (result == 0 && n < 100) {
		result = install(0, many, BPF_MAXINSNS);
		n += result == 0;
	}
	CHECK_EQ(result, -1);
	CHECK_EQ(errno, ENOMEM);
	CHECK(n >= 3 && n <= 8);
	CHECK(getppid() > 0);
}

/* ---- what they say --------------------------------------------------------------------------- */

CASE(errno_instead_of_the_call)
{
	no_new_privileges();
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 77)), 0);
	CHECK_ERRNO(syscall(SYS_getppid), 77);
	CHECK_ERRNO(syscall(SYS_getppid), 77);
	CHECK(syscall(SYS_getpid) > 0);
	/* the latest first, but the strongest wins; of equal ones the latest */
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_getppid, SECCOMP_RET_ALLOW)), 0);
	CHECK_ERRNO(syscall(SYS_getppid), 77);
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 78)), 0);
	CHECK_ERRNO(syscall(SYS_getppid), 78);
}

CASE(errno_has_limits)
{
	no_new_privileges();
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 0xffff)), 0);
	CHECK_ERRNO(syscall(SYS_getppid), 4095);
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_ERRNO)), 0);
	CHECK_EQ(syscall(SYS_getpgrp), 0);
}

CASE(calls_of_posix_and_of_the_shim_are_alike)
{
	char byte;
	int pipes[2];

	CHECK_EQ(pipe(pipes), 0);
	no_new_privileges();
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_uname, SECCOMP_RET_ERRNO | 9)), 0);
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_mmap, SECCOMP_RET_ERRNO | 10)), 0);
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_read, SECCOMP_RET_ERRNO | 11)), 0);
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_futex, SECCOMP_RET_ERRNO | 12)), 0);
	struct utsname name;
	CHECK_ERRNO(syscall(SYS_uname, &name), 9);
	CHECK_ERRNO(syscall(SYS_mmap, 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 10);
	CHECK_ERRNO(syscall(SYS_read, pipes[0], &byte, 1), 11);
	CHECK_ERRNO(syscall(SYS_futex, &byte, 1, 1), 12);
	/* what is another call is not meant, though it does the same */
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	struct iovec vector = { &byte, 1 };
	CHECK_EQ(syscall(SYS_readv, pipes[0], &vector, 1), 1);
	CHECK_EQ(byte, 'x');
}

CASE(numbers_that_there_are_not)
{
	no_new_privileges();
	CHECK_EQ(INSTALL(0, FILTER_CALL(5000, SECCOMP_RET_ERRNO | 9)), 0);
	CHECK_ERRNO(syscall(5000), 9);
	CHECK_ERRNO(syscall(5001), ENOSYS);
	CHECK_EQ(INSTALL(0, FILTER_CALL(0x40000000 | SYS_getpid, SECCOMP_RET_ERRNO | 10)), 0);
	CHECK_ERRNO(syscall(0x40000000 | SYS_getpid), 10);
}

CASE(arguments_decide)
{
	no_new_privileges();
	CHECK_EQ(INSTALL(0, FILTER_ARGUMENT(SYS_socket, 0, AF_INET, SECCOMP_RET_ERRNO | 9)), 0);
	CHECK_ERRNO(socket(AF_INET, SOCK_STREAM, 0), 9);
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	CHECK_ERRNO(socket(AF_INET, SOCK_STREAM, 0), 9);
	CHECK_EQ(INSTALL(0, FILTER_ARGUMENT(SYS_getpgid, 0, 0, SECCOMP_RET_ERRNO | 10)), 0);
	CHECK_ERRNO(syscall(SYS_getpgid, 0x700000000), 10);
	CHECK(getpgid(getpid()) > 0);
	/* one that needs no request, and one that is made by several */
	CHECK_EQ(INSTALL(0, FILTER_ARGUMENT(SYS_close, 0, 99, SECCOMP_RET_ERRNO | 11)), 0);
	CHECK_EQ(INSTALL(0, FILTER_ARGUMENT(SYS_write, 0, 99, SECCOMP_RET_ERRNO | 12)), 0);
	CHECK_EQ(INSTALL(0, FILTER_ARGUMENT(SYS_clone, 2, 99, SECCOMP_RET_ERRNO | 13)), 0);
	CHECK_ERRNO(close(99), 11);
	CHECK_ERRNO(close(98), EBADF);
	CHECK_ERRNO(write(99, "x", 1), 12);
	static char much[1 << 20];
	int file = memfd_create("much", 0);
	CHECK_EQ(write(file, much, sizeof(much)), sizeof(much));
	pid_t child = fork();
	if (child == 0) {
		_exit(3);
	}
	int status;
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 3 << 8);
}

CASE(the_upper_halves_of_arguments_can_be_seen)
{
	no_new_privileges();
	CHECK_EQ(INSTALL(0,
			 { LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 3),
				 BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					 offsetof(struct seccomp_data, args[0]) + 4),
				 IF(7), RETURN(SECCOMP_RET_ERRNO | 9), RETURN(SECCOMP_RET_ALLOW) }),
		0);
	CHECK_ERRNO(syscall(SYS_getpgid, 0x700000000), 9);
	CHECK(syscall(SYS_getpgid, 0x600000000) > 0);
}

CASE(what_a_filter_sees)
{
	no_new_privileges();
	CHECK_EQ(INSTALL(0,
			 { LOAD(nr), IF(SYS_getpgrp), BPF_STMT(BPF_JMP | BPF_JA, 1),
				 RETURN(SECCOMP_RET_ALLOW), LOAD(arch), IF(AUDIT_ARCH_X86_64),
				 RETURN(SECCOMP_RET_ERRNO | 9), RETURN(SECCOMP_RET_ERRNO | 10) }),
		0);
	CHECK_ERRNO(syscall(SYS_getpgrp), 9);
}

static int kill_process(void)
{
	signal(SIGSYS, SIG_IGN);
	INSTALL(0, FILTER_CALL(SYS_getppid, SECCOMP_RET_KILL_PROCESS));
	syscall(SYS_getppid);
	return 1;
}

static int kill_thread(void)
{
	INSTALL(0, FILTER_CALL(SYS_getppid, SECCOMP_RET_KILL_THREAD));
	syscall(SYS_getppid);
	return 1;
}

static int unknown_action(void)
{
	INSTALL(0, FILTER_CALL(SYS_getppid, 0x00010000));
	syscall(SYS_getppid);
	return 1;
}

static int trap_without_handler(void)
{
	INSTALL(0, FILTER_CALL(SYS_getppid, SECCOMP_RET_TRAP));
	syscall(SYS_getppid);
	return 1;
}

static int trap_ignored(void)
{
	signal(SIGSYS, SIG_IGN);
	return trap_without_handler();
}

static void exit_5(int signal)
{
	(void)signal;
	_exit(5);
}

static int trap_blocked(void)
{
	sigset_t set;

	signal(SIGSYS, exit_5);
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return trap_without_handler();
}

CASE(kill)
{
	CHECK_KILLED(kill_process, SIGSYS);
	CHECK_KILLED(kill_thread, SIGSYS);
	CHECK_KILLED(unknown_action, SIGSYS);
	CHECK_KILLED(trap_without_handler, SIGSYS);
	CHECK_KILLED(trap_ignored, SIGSYS);
	CHECK_KILLED(trap_blocked, SIGSYS);
}

static volatile siginfo_t trapped;
static volatile long trapped_rax, trapped_rip;
static volatile int n_trapped;

static void note_trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *ucontext = context;

	(void)signal;
	n_trapped++;
	trapped = *info;
	trapped_rax = ucontext->uc_mcontext.gregs[REG_RAX];
	trapped_rip = ucontext->uc_mcontext.gregs[REG_RIP];
	ucontext->uc_mcontext.gregs[REG_RAX] = 4711;
}

CASE(trap)
{
	struct sigaction action = { .sa_sigaction = note_trap, .sa_flags = SA_SIGINFO };

	CHECK_EQ(sigaction(SIGSYS, &action, NULL), 0);
	no_new_privileges();
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_getppid, SECCOMP_RET_TRAP | 0x1234)), 0);
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_uname, SECCOMP_RET_TRAP | 1)), 0);
	CHECK_EQ(syscall(SYS_getppid, 1, 2, 3), 4711);
	CHECK_EQ(n_trapped, 1);
	CHECK_EQ(trapped.si_signo, SIGSYS);
	CHECK_EQ(trapped.si_code, 1 /* SYS_SECCOMP */);
	CHECK_EQ(trapped.si_errno, 0x1234);
	CHECK_EQ(trapped.si_syscall, SYS_getppid);
	CHECK_EQ(trapped.si_arch, AUDIT_ARCH_X86_64);
	CHECK_EQ((long)trapped.si_call_addr, trapped_rip);
	CHECK_EQ(trapped_rax, SYS_getppid);
	CHECK_EQ(syscall(SYS_uname, NULL), 4711);
	CHECK_EQ(n_trapped, 2);
	CHECK_EQ(trapped.si_errno, 1);
}

CASE(log_and_trace_without_tracer)
{
	no_new_privileges();
	CHECK_EQ(INSTALL(SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
			 FILTER_CALL(SYS_getppid, SECCOMP_RET_LOG)),
		0);
	CHECK(syscall(SYS_getppid) > 0);
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_getppid, SECCOMP_RET_TRACE)), 0);
	CHECK_ERRNO(syscall(SYS_getppid), ENOSYS);
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_getpid, SECCOMP_RET_USER_NOTIF)), 0);
	CHECK_ERRNO(syscall(SYS_getpid), ENOSYS);
}

/* ---- signals --------------------------------------------------------------------------------- */

static volatile int n_signals;

static void count_signal(int signal)
{
	(void)signal;
	n_signals++;
}

CASE(handlers_return)
{
	signal(SIGUSR1, count_signal);
	no_new_privileges();
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 9)), 0);
	for (int i = 1; i <= 3; i++) {
		CHECK_EQ(kill(getpid(), SIGUSR1), 0);
		CHECK_EQ(n_signals, i);
	}
	CHECK_ERRNO(syscall(SYS_getppid), 9);
}

static int no_sigreturn(void)
{
	signal(SIGUSR1, count_signal);
	INSTALL(0, FILTER_CALL(SYS_rt_sigreturn, SECCOMP_RET_KILL_PROCESS));
	raise(SIGUSR1);
	return 1;
}

CASE(returning_is_a_call)
{
	CHECK_KILLED(no_sigreturn, SIGSYS);
}

CASE(a_call_that_is_made_again_is_filtered_again)
{
	struct sigaction action = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
	int pipes[2];
	char byte;

	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
	no_new_privileges();
	CHECK_EQ(INSTALL(0, FILTER_ARGUMENT(SYS_read, 0, 99, SECCOMP_RET_ERRNO | 12)), 0);
	pid_t parent = getpid(), child = fork();
	if (child == 0) {
		usleep(50000);
		kill(parent, SIGALRM);
		usleep(50000);
		write(pipes[1], "x", 1);
		_exit(0);
	}
	CHECK_EQ(read(pipes[0], &byte, 1), 1);
	CHECK_EQ(n_signals, 1);
	CHECK_EQ(waitpid(child, NULL, 0), child);
}

/* ---- strict mode ----------------------------------------------------------------------------- */

static int strict_pipes[2];

static int strict_allows(void)
{
	char bytes[4] = "....";

	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	syscall(SYS_write, strict_pipes[1], "abc", 3);
	syscall(SYS_read, strict_pipes[0], bytes, 3);
	syscall(SYS_exit, memcmp(bytes, "abc", 3) == 0 ? 9 : 1);
	return 1;
}

static int strict_kills(void)
{
	syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0);
	syscall(SYS_getpid);
	return 1;
}

static int strict_kills_exit_group(void)
{
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	return 1;
}

static int strict_after_filter(void)
{
	INSTALL(0, { RETURN(SECCOMP_RET_ALLOW) });
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == -1 && errno == EINVAL ? 7 : 1;
}

CASE(strict_mode)
{
	CHECK_EQ(pipe(strict_pipes), 0);
	CHECK_EXITED(strict_allows, 9);
	CHECK_KILLED(strict_kills, SIGKILL);
	CHECK_KILLED(strict_kills_exit_group, SIGKILL);
	CHECK_EXITED(strict_after_filter, 7);
}

/* ---- inheritance ----------------------------------------------------------------------------- */

CASE(children_have_their_parents_filters)
{
	int status;

	no_new_privileges();
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 9)), 0);
	pid_t child = fork();
	if (child == 0) {
		bool is_filtered = syscall(SYS_getppid) == -1 && errno == 9;

		/* what the child adds is its own */
		INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_ERRNO | 10));
		_exit(is_filtered && syscall(SYS_getpgrp) == -1 && status_line("Seccomp") == 2 &&
					status_line("Seccomp_filters") == 2
				? 3
				: 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 3 << 8);
	CHECK(syscall(SYS_getpgrp) >= 0);
	child = vfork();
	if (child == 0) {
		_exit(syscall(SYS_getppid) == -1 ? 4 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 4 << 8);
}

CASE(programs_keep_filters)
{
	char *arguments[] = { "seccomp", "--nofork", "executed_with_a_filter", NULL };
	int status;
	pid_t child = fork();

	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_ERRNO | 9));
		setenv("HAS_FILTER", "1", 1);
		execv("/proc/self/exe", arguments);
		_exit(2);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

CASE(executed_with_a_filter)
{
	if (getenv("HAS_FILTER")) {
		CHECK_ERRNO(syscall(SYS_getpgrp), 9);
		CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
	}
}

CASES_MAIN()
