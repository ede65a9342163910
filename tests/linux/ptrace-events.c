/* SPDX-License-Identifier: MIT */
/* ptrace: attaching, stops of the process, events, and the ends of tracers and tracees. */
#include "ptrace.h"

/* ---- attach, seize, stops of the group ------------------------------------------------------- */

static pid_t start_untraced(void)
{
	pid_t child = fork();

	if (child == 0) {
		for (;;) {
			pause();
		}
	}
	CHECK(child > 0);
	usleep(20000);
	return child;
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	CHECK_EQ(wait_status(child), SIGKILL);
}

CASE(attach_stops_and_detach_lets_go)
{
	pid_t child = start_untraced();
	struct user_regs_struct registers;
	char path[64], text[2048];
	FILE *file;

	CHECK_EQ(trace(PTRACE_ATTACH, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), stopped(SIGSTOP));
	registers = registers_of(child);
	CHECK_EQ((long)registers.orig_rax, SYS_pause);
	CHECK_EQ((long)registers.rax, -514);
	snprintf(path, sizeof(path), "/proc/%d/status", child);
	file = fopen(path, "r");
	CHECK(file != NULL);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	snprintf(path, sizeof(path), "\nTracerPid:\t%d\n", getpid());
	CHECK(strstr(text, path) != NULL);
	CHECK(strstr(text, "State:\tt (tracing stop)") != NULL);
	CHECK_EQ(trace(PTRACE_DETACH, child, 0, 0), 0);
	CHECK_ERRNO(trace(PTRACE_DETACH, child, 0, 0), ESRCH);
	usleep(20000);
	CHECK_EQ(waitpid(child, NULL, WNOHANG | WUNTRACED), 0);
	CHECK_EQ(trace(PTRACE_ATTACH, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), stopped(SIGSTOP));
	CHECK_EQ(trace(PTRACE_DETACH, child, 0, SIGTERM), 0);
	CHECK_EQ(wait_status(child), SIGTERM);
}

CASE(attaching_to_a_stopped_process)
{
	pid_t child = start_untraced();
	int status;

	kill(child, SIGSTOP);
	CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
	CHECK_EQ(status, stopped(SIGSTOP));
	CHECK_EQ(trace(PTRACE_SEIZE, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), PTRACE_EVENT_STOP << 16 | stopped(SIGSTOP));
	CHECK_EQ(trace(PTRACE_LISTEN, child, 0, 0), 0);
	CHECK_ERRNO(trace(PTRACE_CONT, child, 0, 0), ESRCH);
	kill(child, SIGCONT);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_STOP));
	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGCONT));
	go(child, PTRACE_CONT, SIGCONT);
	end(child);
}

static void await_sleep(pid_t pid)
{
	char name[64], text[512];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/%d/stat", pid);
	do {
		int fd = open(name, O_RDONLY);

		usleep(1000);
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = 0;
	} while (n > 0 && strstr(text, ") S ") == NULL);
}

CASE(seize_and_interrupt)
{
	pid_t child = start_untraced();

	CHECK_EQ(trace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACESYSGOOD), 0);
	await_sleep(child);
	CHECK_EQ(waitpid(child, NULL, WNOHANG | __WALL), 0);
	CHECK_EQ(trace(PTRACE_INTERRUPT, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_STOP));
	CHECK_EQ(siginfo_of(child).si_code, PTRACE_EVENT_STOP << 8 | SIGTRAP);
	CHECK_EQ((long)registers_of(child).orig_rax, SYS_pause);
	CHECK_ERRNO(trace(PTRACE_SEIZE, child, 0, 0), EPERM);
	go(child, PTRACE_CONT, 0);
	kill(child, SIGSTOP);
	CHECK_EQ(wait_status(child), stopped(SIGSTOP));
	go(child, PTRACE_CONT, SIGSTOP);
	CHECK_EQ(wait_status(child), PTRACE_EVENT_STOP << 16 | stopped(SIGSTOP));
	go(child, PTRACE_CONT, 0);
	usleep(10000);
	CHECK_EQ(waitpid(child, NULL, WNOHANG | __WALL), 0);
	end(child);
}

CASE(a_stop_of_the_group_without_seize)
{
	pid_t child = start(run_getppid);
	siginfo_t info;

	go(child, PTRACE_CONT, SIGSTOP);
	CHECK_EQ(wait_status(child), stopped(SIGSTOP));
	CHECK_ERRNO(trace(PTRACE_GETSIGINFO, child, 0, (long)&info), EINVAL);
	check_exits(child, 7);
}

CASE(the_death_of_the_tracer_lets_go_or_kills)
{
	for (int kills = 0; kills < 2; kills++) {
		pid_t child = start_untraced(), tracer = fork();
		int status;

		if (tracer == 0) {
			if (trace(PTRACE_SEIZE, child, 0, kills ? PTRACE_O_EXITKILL : 0) != 0 ||
				trace(PTRACE_INTERRUPT, child, 0, 0) != 0 ||
				wait_status(child) != stopped_event(PTRACE_EVENT_STOP)) {
				_exit(1);
			}
			_exit(0);
		}
		CHECK_EQ(wait_status(tracer), 0);
		if (kills) {
			CHECK_EQ(wait_status(child), SIGKILL);
			continue;
		}
		kill(child, SIGSTOP);
		CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
		CHECK_EQ(status, stopped(SIGSTOP));
		end(child);
	}
}

CASE(another_tracer_is_told_of_the_end_before_the_parent)
{
	int ends[2];
	char byte;
	pid_t child, tracer;

	CHECK_EQ(pipe(ends), 0);
	child = start_untraced();
	tracer = fork();
	if (tracer == 0) {
		if (trace(PTRACE_SEIZE, child, 0, 0) != 0) {
			_exit(1);
		}
		kill(child, SIGKILL);
		usleep(30000);
		(void)!write(ends[1], "x", 1);
		usleep(50000);
		_exit(wait_status(child) == SIGKILL ? 0 : 2);
	}
	CHECK_EQ(read(ends[0], &byte, 1), 1);
	CHECK_EQ(waitpid(child, NULL, WNOHANG), 0);
	CHECK_EQ(wait_status(child), SIGKILL);
	CHECK_EQ(wait_status(tracer), 0);
}

/* ---- events ---------------------------------------------------------------------------------- */

static long message_of(pid_t pid)
{
	unsigned long message = 0;

	CHECK_EQ(trace(PTRACE_GETEVENTMSG, pid, 0, (long)&message), 0);
	return (long)message;
}

static void run_fork(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		_exit(3);
	}
	while (waitpid(child, &status, 0) != child) {
	}
	_exit(WEXITSTATUS(status));
}

CASE(fork_tells_and_the_child_is_traced)
{
	pid_t child = start_with(run_fork, PTRACE_O_TRACEFORK), grandchild;

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_FORK));
	grandchild = (pid_t)message_of(child);
	CHECK_EQ(siginfo_of(child).si_code, PTRACE_EVENT_FORK << 8 | SIGTRAP);
	CHECK_EQ(wait_status(grandchild), stopped(SIGSTOP));
	CHECK_EQ(registers_of(grandchild).rax, 0);
	go(child, PTRACE_CONT, 0);
	go(grandchild, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(grandchild), 3 << 8);
	CHECK_EQ(wait_status(child), stopped(SIGCHLD));
	check_exits(child, 3);
}

static void run_vfork(void)
{
	pid_t child = vfork();

	if (child == 0) {
		_exit(4);
	}
	waitpid(child, NULL, 0);
}

CASE(vfork_tells_twice)
{
	long options = PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE;
	pid_t child = start_with(run_vfork, options), grandchild;

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_VFORK));
	grandchild = (pid_t)message_of(child);
	CHECK_EQ(wait_status(grandchild), stopped(SIGSTOP));
	go(child, PTRACE_CONT, 0);
	CHECK_EQ(waitpid(child, NULL, WNOHANG), 0);
	CHECK_EQ(trace(PTRACE_DETACH, grandchild, 0, 0), 0);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_VFORK_DONE));
	CHECK_EQ(message_of(child), grandchild);
	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGCHLD));
	check_exits(child, 7);
}

static void *thread_main(void *argument)
{
	(void)argument;
	syscall(SYS_exit, 5);
	return NULL;
}

static void run_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, thread_main, NULL);
	pthread_join(thread, NULL);
	raise(SIGSTOP); /* or the end of all might come before the end of the thread is told */
}

CASE(clone_tells_and_threads_end_with_a_status)
{
	pid_t child = start_with(run_thread, PTRACE_O_TRACECLONE), tid;
	int status;

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_CLONE));
	tid = (pid_t)message_of(child);
	CHECK(tid != child);
	CHECK_EQ(waitpid(tid, &status, __WALL), tid);
	CHECK_EQ(status, stopped(SIGSTOP));
	go(child, PTRACE_CONT, 0);
	go(tid, PTRACE_CONT, 0);
	CHECK_EQ(waitpid(tid, &status, __WALL), tid);
	CHECK_EQ(status, 5 << 8);
	CHECK_ERRNO(waitpid(tid, NULL, __WALL | WNOHANG), ECHILD);
	CHECK_EQ(wait_status(child), stopped(SIGSTOP));
	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), 7 << 8);
}

static void run_exec(void)
{
	char *arguments[] = { "ptrace", "--nofork", "nothing", NULL };

	execv("/proc/self/exe", arguments);
}

CASE(exec_tells_or_sends_sigtrap)
{
	pid_t child = start(run_exec);
	int status;

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGTRAP));
	CHECK_EQ(siginfo_of(child).si_code, SI_USER);
	check_exits(child, 0);

	child = start_with(run_exec, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD);
	next_entry(child, SYS_execve);
	go(child, PTRACE_SYSCALL, 0);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_EXEC));
	CHECK_EQ(message_of(child), child);
	go(child, PTRACE_SYSCALL, 0);
	status = wait_status(child);
	CHECK_EQ(status, SYSCALL_STOP);
	CHECK_EQ(registers_of(child).rax, 0);
	CHECK_EQ(registers_of(child).orig_rax, SYS_execve);
	check_exits(child, 0);
}

static void *exec_main(void *argument)
{
	(void)argument;
	run_exec();
	return NULL;
}

static void run_exec_in_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, exec_main, NULL);
	for (;;) {
		pause();
	}
}

CASE(exec_of_a_thread_takes_the_first_ones_number)
{
	pid_t child = start_with(run_exec_in_thread, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC), tid;

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_CLONE));
	tid = (pid_t)message_of(child);
	CHECK_EQ(wait_status(tid), stopped(SIGSTOP));
	go(child, PTRACE_CONT, 0);
	go(tid, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_EXEC));
	CHECK_EQ(message_of(child), tid);
	CHECK_ERRNO(trace(PTRACE_CONT, tid, 0, 0), ESRCH);
	check_exits(child, 0);
}

CASE(exit_tells_its_status)
{
	pid_t child = start_with(run_nothing, PTRACE_O_TRACEEXIT);

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_EXIT));
	CHECK_EQ(message_of(child), 7 << 8);
	check_exits(child, 7);

	child = start_with(run_nothing, PTRACE_O_TRACEEXIT);
	go(child, PTRACE_CONT, SIGTERM);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_EXIT));
	CHECK_EQ(message_of(child), SIGTERM);
	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), SIGTERM);
}

CASE(ptrace_kill)
{
	pid_t child = start(run_nothing);

	CHECK_EQ(trace(PTRACE_KILL, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), SIGKILL);
}

static void *tracing_thread(void *argument)
{
	pid_t child = *(pid_t *)argument;

	if (trace(PTRACE_SEIZE, child, 0, 0) != 0 || trace(PTRACE_INTERRUPT, child, 0, 0) != 0 ||
		wait_status(child) != stopped_event(PTRACE_EVENT_STOP)) {
		*(pid_t *)argument = 0;
	}
	return NULL;
}

CASE(a_tracer_is_a_thread)
{
	pid_t child = start_untraced(), argument = child;
	pthread_t thread;
	int status;

	CHECK_EQ(pthread_create(&thread, NULL, tracing_thread, &argument), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(argument, child);
	usleep(20000);
	CHECK_ERRNO(trace(PTRACE_CONT, child, 0, 0), ESRCH);
	kill(child, SIGSTOP);
	CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
	CHECK_EQ(status, stopped(SIGSTOP));
	end(child);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[2], "nothing") == 0) {
		return 0;
	}
	return check_main(argc, argv);
}
