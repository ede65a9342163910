/* SPDX-License-Identifier: MIT */
/* Processes: fork, vfork, exec, wait, groups and sessions, limits. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/personality.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

extern char **environ;

static int exit_status_of(pid_t child)
{
	int status = -1;

	if (waitpid(child, &status, 0) != child) {
		return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

CASE(wait_reports_exit_and_signal)
{
	pid_t child = fork();

	if (child == 0) {
		_exit(42);
	}
	CHECK_EQ(exit_status_of(child), 42);
	child = fork();
	if (child == 0) {
		raise(SIGKILL);
	}
	CHECK_EQ(exit_status_of(child), 1000 + SIGKILL);
	CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
	CHECK_ERRNO(waitpid(1, NULL, 0), ECHILD);
	CHECK_ERRNO(waitpid(-1, NULL, 0x1000), EINVAL);
}

CASE(wait_nohang_and_any_order)
{
	int ends[2];
	pid_t children[3], got;
	char byte;
	int sum = 0, status;

	CHECK_EQ(pipe(ends), 0);
	for (int i = 0; i < 3; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			close(ends[1]);
			(void)!read(ends[0], &byte, 1);
			_exit(i + 1);
		}
	}
	CHECK_EQ(waitpid(-1, &status, WNOHANG), 0);
	close(ends[1]);
	for (int i = 0; i < 3; i++) {
		got = wait(&status);
		CHECK(got == children[0] || got == children[1] || got == children[2]);
		sum += WEXITSTATUS(status);
	}
	CHECK_EQ(sum, 6);
}

CASE(waitid_leaves_with_nowait)
{
	siginfo_t info;
	pid_t child = fork();

	if (child == 0) {
		_exit(7);
	}
	memset(&info, 0, sizeof(info));
	CHECK_EQ(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	CHECK_EQ(info.si_pid, child);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_EQ(info.si_status, 7);
	CHECK_EQ(info.si_signo, SIGCHLD);
	CHECK_EQ(exit_status_of(child), 7);
	CHECK_ERRNO(waitid(P_ALL, 0, &info, 0), EINVAL);
}

CASE(fork_copies_memory)
{
	static int word = 1;
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int *private =
		mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t child;

	CHECK(shared != MAP_FAILED && private != MAP_FAILED);
	private[1000] = 5;
	child = fork();
	if (child == 0) {
		bool is_right = word == 1 && private[1000] == 5 && private[2000] == 0;

		word = 2;
		private[1000] = 6;
		*shared = 77;
		_exit(is_right ? 0 : 1);
	}
	private[1000] = 8;
	CHECK_EQ(exit_status_of(child), 0);
	CHECK_EQ(word, 1);
	CHECK_EQ(private[1000], 8);
	CHECK_EQ(*shared, 77);
}

CASE(fork_shares_file_offsets)
{
	char path[] = "/tmp/fork-XXXXXX";
	int fd = mkstemp(path);
	pid_t child;

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "abc", 3), 3);
	child = fork();
	if (child == 0) {
		_exit(write(fd, "def", 3) == 3 ? 0 : 1);
	}
	CHECK_EQ(exit_status_of(child), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
	unlink(path);
}

CASE(fork_tree_of_orphans_is_reaped)
{
	int ends[2];
	char byte;
	pid_t child, middle;

	CHECK_EQ(pipe(ends), 0);
	middle = fork();
	if (middle == 0) {
		child = fork();
		if (child == 0) {
			while (getppid() == middle || getppid() == 0) {
				usleep(1000);
			}
			usleep(1000);
			(void)!write(ends[1], "x", 1);
			_exit(0);
		}
		_exit(0);
	}
	CHECK_EQ(exit_status_of(middle), 0);
	CHECK_EQ(read(ends[0], &byte, 1), 1);
}

static int vfork_value;

CASE(vfork_shares_memory_and_waits)
{
	pid_t child = vfork();

	if (child == 0) {
		vfork_value = 9;
		_exit(3);
	}
	CHECK_EQ(vfork_value, 9);
	CHECK_EQ(exit_status_of(child), 3);
}

CASE(posix_spawn_runs_and_reports)
{
	char *args[] = { "busybox", "sh", "-c", "exit 11", NULL };
	char *bad[] = { "nothing", NULL };
	pid_t child;

	CHECK_EQ(posix_spawn(&child, "/bin/busybox", NULL, NULL, args, environ), 0);
	CHECK_EQ(exit_status_of(child), 11);
	CHECK_EQ(posix_spawn(&child, "/no/such/program", NULL, NULL, bad, environ), ENOENT);
}

CASE(exec_passes_arguments_and_environment)
{
	int ends[2];
	char text[64];
	ssize_t n;
	pid_t child;

	CHECK_EQ(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		char *args[] = { "sh", "-c", "echo \"$0,$1,$V\"", "zero", "a b", NULL };
		char *env[] = { "V=value", NULL };

		dup2(ends[1], 1);
		execve("/bin/sh", args, env);
		_exit(99);
	}
	close(ends[1]);
	n = read(ends[0], text, sizeof(text));
	CHECK_EQ(exit_status_of(child), 0);
	CHECK_EQ(n, 15);
	CHECK(memcmp(text, "zero,a b,value\n", 15) == 0);
}

CASE(exec_errors)
{
	char *args[] = { "x", NULL };
	char path[] = "/tmp/exec-XXXXXX";
	int fd = mkstemp(path);

	CHECK_ERRNO(execve("/no/such", args, NULL), ENOENT);
	CHECK_ERRNO(execve("/", args, NULL), EACCES);
	CHECK_ERRNO(execve("/etc/passwd/x", args, NULL), ENOTDIR);
	CHECK_ERRNO(execve(path, args, NULL), EACCES);
	CHECK_EQ(fchmod(fd, 0755), 0);
	CHECK_EQ(write(fd, "\177ELF garbage that is no program", 31), 31);
	close(fd);
	CHECK_ERRNO(execve(path, args, NULL), ENOEXEC);
	CHECK_ERRNO(execve((char *)1, args, NULL), EFAULT);
	CHECK_ERRNO(execve("/bin/busybox", (char **)1, NULL), EFAULT);
	unlink(path);
}

CASE(exec_script_with_interpreter)
{
	static const char text[] = "#!/bin/sh -e\nexit $(($1 + 1))\n";
	char path[] = "/tmp/script-XXXXXX";
	int fd = mkstemp(path);
	pid_t child;

	CHECK_EQ(write(fd, text, sizeof(text) - 1), (long)sizeof(text) - 1);
	CHECK_EQ(fchmod(fd, 0755), 0);
	close(fd);
	child = fork();
	if (child == 0) {
		char *args[] = { path, "20", NULL };

		execv(path, args);
		_exit(99);
	}
	CHECK_EQ(exit_status_of(child), 21);
	unlink(path);
}

CASE(exec_closes_and_keeps_descriptors)
{
	int keep = open("/dev/null", O_RDONLY);
	int close_it = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char command[128];
	pid_t child;

	snprintf(command, sizeof(command), "[ -e /proc/self/fd/%d ] && [ ! -e /proc/self/fd/%d ]",
		keep, close_it);
	child = fork();
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(99);
	}
	CHECK_EQ(exit_status_of(child), 0);
}

CASE(exec_resets_handlers_keeps_ignored)
{
	pid_t child = fork();

	if (child == 0) {
		signal(SIGUSR1, SIG_IGN);
		execl("/bin/sh", "sh", "-c", "kill -USR1 $$; exit 5", NULL);
		_exit(99);
	}
	CHECK_EQ(exit_status_of(child), 5);
}

CASE(groups_and_sessions)
{
	pid_t child = fork();

	if (child == 0) {
		if (setsid() != getpid() || getsid(0) != getpid() || getpgrp() != getpid()) {
			_exit(1);
		}
		errno = 0;
		if (setsid() != -1 || errno != EPERM) {
			_exit(2);
		}
		errno = 0;
		if (setpgid(0, 0) != -1 || errno != EPERM) {
			_exit(3);
		}
		_exit(0);
	}
	CHECK_EQ(exit_status_of(child), 0);
	CHECK_ERRNO(setpgid(1 << 22, 0), ESRCH);
	CHECK_ERRNO(setpgid(0, -1), EINVAL);
	CHECK_ERRNO(getpgid(1 << 22), ESRCH);
	CHECK_EQ(setpgid(0, 0), 0);
	CHECK_EQ(getpgrp(), getpid());
}

CASE(wait_by_group)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		setpgid(0, 0);
		usleep(20000);
		_exit(4);
	}
	setpgid(child, child);
	CHECK_ERRNO(waitpid(0, &status, WNOHANG), ECHILD);
	CHECK_EQ(waitpid(-child, &status, 0), child);
	CHECK_EQ(WEXITSTATUS(status), 4);
}

CASE(a_stopped_child_does_not_end_its_orphaned_group)
{
	int status;

	CHECK_EQ(setsid() > 0 || errno == EPERM, 1);
	pid_t stopped = fork();

	if (stopped == 0) {
		for (;;) {
			pause();
		}
	}
	CHECK_EQ(kill(stopped, SIGSTOP), 0);
	CHECK_EQ(waitpid(stopped, &status, WUNTRACED), stopped);
	CHECK(WIFSTOPPED(status));
	pid_t child = fork();

	if (child == 0) {
		_exit(3);
	}
	CHECK_EQ(exit_status_of(child), 3);
	CHECK_EQ(kill(stopped, SIGKILL), 0);
	CHECK_EQ(exit_status_of(stopped), 1000 + SIGKILL);
}

CASE(stop_and_continue)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		for (;;) {
			pause();
		}
	}
	CHECK_EQ(kill(child, SIGSTOP), 0);
	CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(WSTOPSIG(status), SIGSTOP);
	CHECK_EQ(kill(child, SIGCONT), 0);
	CHECK_EQ(waitpid(child, &status, WCONTINUED), child);
	CHECK(WIFCONTINUED(status));
	CHECK_EQ(kill(child, SIGTERM), 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(WTERMSIG(status), SIGTERM);
}

CASE(limits)
{
	struct rlimit limit, old;
	int fds[64], n = 0;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = old;
	limit.rlim_cur = 16;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (n < 64 && (fds[n] = open("/dev/null", O_RDONLY)) >= 0) {
		n++;
	}
	CHECK_EQ(errno, EMFILE);
	CHECK(n < 16);
	CHECK_ERRNO(dup2(0, 16), EBADF);
	limit.rlim_cur = old.rlim_max + 1;
	if (old.rlim_max != RLIM_INFINITY) {
		CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
	}
	CHECK_ERRNO(getrlimit(1000, &limit), EINVAL);
}

CASE(fork_bomb_meets_its_limit)
{
	pid_t child = fork();

	if (child == 0) {
		struct rlimit limit = { 20, 20 };
		int n = 0;

		setpgid(0, 0);
		if (setgid(54321) || setuid(54321) || setrlimit(RLIMIT_NPROC, &limit)) {
			_exit(90);
		}
		while (n < 1000) {
			pid_t one = fork();

			if (one == 0) {
				pause();
				_exit(0);
			}
			if (one < 0) {
				break;
			}
			n++;
		}
		n = errno == EAGAIN && n < 20 ? 0 : 1;
		signal(SIGTERM, SIG_IGN);
		kill(0, SIGTERM);
		while (wait(NULL) > 0) {
		}
		_exit(n);
	}
	CHECK_EQ(exit_status_of(child), 0);
}

CASE(ids_change_and_stay_changed)
{
	pid_t child = fork();

	if (child == 0) {
		uid_t real, effective, saved;

		if (setresuid(1000, 1001, 1002) || getresuid(&real, &effective, &saved)) {
			_exit(1);
		}
		if (real != 1000 || effective != 1001 || saved != 1002 || getuid() != 1000 ||
			geteuid() != 1001) {
			_exit(2);
		}
		if (setuid(1002) || geteuid() != 1002) {
			_exit(3);
		}
		errno = 0;
		if (setuid(0) != -1 || errno != EPERM) {
			_exit(4);
		}
		_exit(0);
	}
	CHECK_EQ(exit_status_of(child), 0);
}

CASE(many_forks_in_a_row)
{
	for (int i = 0; i < 100; i++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0) {
			_exit(i & 63);
		}
		CHECK_EQ(exit_status_of(child), i & 63);
	}
}

CASE(rusage_and_times_move)
{
	struct rusage usage;
	volatile unsigned long x = 0;

	for (int i = 0; i < 30000000; i++) {
		x += (unsigned long)i;
	}
	CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
	CHECK(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec > 0);
	CHECK_ERRNO(getrusage(77, &usage), EINVAL);
}
CASE(what_prctl_tells)
{
	int number = 7;

	CHECK_EQ(prctl(PR_GET_PDEATHSIG, &number), 0);
	CHECK_EQ(number, 0);
	CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
	CHECK_EQ(prctl(PR_GET_PDEATHSIG, &number), 0);
	CHECK_EQ(number, SIGUSR1);
	CHECK_EQ(prctl(PR_GET_CHILD_SUBREAPER, &number), 0);
	CHECK_EQ(number, 0);
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 5), 0);
	CHECK_EQ(prctl(PR_GET_CHILD_SUBREAPER, &number), 0);
	CHECK_EQ(number, 1);
	CHECK_ERRNO(prctl(PR_GET_PDEATHSIG, 1), EFAULT);
}

CASE(io_priorities_are_kept)
{
	enum { PROCESS = 1, IDLE = 3 << 13, BEST_EFFORT_7 = 2 << 13 | 7 };

	CHECK_EQ(syscall(SYS_ioprio_set, PROCESS, 0, BEST_EFFORT_7), 0);
	CHECK_EQ(syscall(SYS_ioprio_get, PROCESS, getpid()), BEST_EFFORT_7);
	pid_t child = fork();

	if (child == 0) {
		_exit(syscall(SYS_ioprio_get, PROCESS, 0) == BEST_EFFORT_7 ? 0 : 1);
	}
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(syscall(SYS_ioprio_set, PROCESS, 0, IDLE), 0);
	CHECK_EQ(syscall(SYS_ioprio_get, PROCESS, 0), IDLE);
	CHECK_ERRNO(syscall(SYS_ioprio_set, PROCESS, 0, 5 << 13), EINVAL);
	CHECK_ERRNO(syscall(SYS_ioprio_set, PROCESS, 0, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_ioprio_set, 0, 0, IDLE), EINVAL);
	CHECK_ERRNO(syscall(SYS_ioprio_get, PROCESS, 99999999), ESRCH);
}

CASE(barriers_want_to_be_registered_for)
{
	enum { EXPEDITED = 8, REGISTER_EXPEDITED = 16 };

	CHECK_EQ(syscall(SYS_membarrier, 0, 0, 0) & (EXPEDITED | REGISTER_EXPEDITED),
		EXPEDITED | REGISTER_EXPEDITED);
	CHECK_ERRNO(syscall(SYS_membarrier, EXPEDITED, 0, 0), EPERM);
	CHECK_EQ(syscall(SYS_membarrier, REGISTER_EXPEDITED, 0, 0), 0);
	CHECK_EQ(syscall(SYS_membarrier, EXPEDITED, 0, 0), 0);
	CHECK_ERRNO(syscall(SYS_membarrier, 0, 1234, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_membarrier, 1 << 20, 0, 0), EINVAL);
}

CASE(the_state_of_the_clock_can_be_read)
{
	struct timex state = { 0 };
	struct timeval delta = { 0 };

	CHECK(adjtimex(&state) >= 0 && state.tick > 0 && state.time.tv_sec > 1000000000);
	state.modes = 0;
	CHECK(clock_adjtime(CLOCK_REALTIME, &state) >= 0);
	CHECK_EQ(adjtime(NULL, &delta), 0);
	CHECK_ERRNO(clock_adjtime(CLOCK_MONOTONIC, &state), EOPNOTSUPP);
	CHECK_ERRNO(clock_adjtime(77, &state), EINVAL);
}

/* The lines of a shell's maps that tell where chance has put what. */
static void maps_of_shell(char *out_lines, size_t size)
{
	int ends[2];
	size_t length = 0;
	ssize_t n;

	CHECK_EQ(pipe(ends), 0);
	if (fork() == 0) {
		char *arguments[] = { "sh", "-c",
			"while read a b; do case $b in *stack*|*heap*) echo $a;; esac; done"
			" </proc/self/maps",
			NULL };

		dup2(ends[1], 1);
		execv("/bin/sh", arguments);
		_exit(127);
	}
	close(ends[1]);
	while ((n = read(ends[0], out_lines + length, size - 1 - length)) > 0) {
		length += (size_t)n;
	}
	out_lines[length] = 0;
	close(ends[0]);
	wait(NULL);
}

CASE(chance_may_be_excluded)
{
	char first[256], second[256];

	CHECK_EQ(personality(0xffffffff), 0);
	CHECK_EQ(personality(ADDR_NO_RANDOMIZE), 0);
	maps_of_shell(first, sizeof(first));
	maps_of_shell(second, sizeof(second));
	CHECK(first[0] != 0);
	CHECK(strcmp(first, second) == 0);
	if (fork() == 0) {
		_exit(personality(0xffffffff) != ADDR_NO_RANDOMIZE);
	}
	int status;

	wait(&status);
	CHECK_EQ(status, 0);
}

/* Whether a child, by fork or vfork, begins with its maker's vector registers and MXCSR. */
static bool child_has_state(long number)
{
	const uint64_t vector = 0x0123456789abcdef;
	const uint32_t usual = 0x1f80, control = usual | 0x6000; /* round towards zero */
	uint64_t vector_after = 0;
	uint32_t control_after = 0;
	long child = number;

	__asm__ volatile("movq %[vector], %%xmm9\n\t"
			 "ldmxcsr %[control]\n\t"
			 "syscall\n\t"
			 "movq %%xmm9, %[vector_after]\n\t"
			 "stmxcsr %[control_after]\n\t"
			 "ldmxcsr %[usual]"
		: "+a"(child), [vector_after] "=&r"(vector_after),
		[control_after] "=m"(control_after)
		: [vector] "r"(vector), [control] "m"(control), [usual] "m"(usual)
		: "rcx", "r11", "xmm9", "memory");
	if (child == 0) {
		_exit(vector_after == vector && control_after == control ? 0 : 1);
	}
	return child > 0 && exit_status_of((pid_t)child) == 0 && vector_after == vector;
}

static void *check_child_state(void *out)
{
	*(bool *)out = child_has_state(SYS_fork) && child_has_state(SYS_vfork);
	return out;
}

CASE(children_begin_with_the_processor_state_of_their_maker)
{
	pthread_t thread;
	bool is_right = false;

	CHECK(child_has_state(SYS_fork));
	CHECK(child_has_state(SYS_vfork));
	CHECK_EQ(pthread_create(&thread, NULL, check_child_state, &is_right), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK(is_right);
}

CASES_MAIN()
