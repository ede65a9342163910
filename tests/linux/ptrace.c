/* SPDX-License-Identifier: MIT */
/* ptrace: signals, system calls, memory, registers and steps of a traced thread. */
#include "ptrace.h"

/* ---- refusals -------------------------------------------------------------------------------- */

CASE(requests_want_a_stopped_tracee_of_ones_own)
{
	pid_t child = start(run_nothing), other;
	long word;

	CHECK_ERRNO(trace(PTRACE_CONT, getpid(), 0, 0), ESRCH);
	CHECK_ERRNO(trace(PTRACE_CONT, 0x3fffffff, 0, 0), ESRCH);
	CHECK_ERRNO(trace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
	CHECK_ERRNO(trace(PTRACE_ATTACH, child, 0, 0), EPERM);
	CHECK_ERRNO(trace(PTRACE_SEIZE, 0x3fffffff, 0, 0), ESRCH);
	CHECK_ERRNO(trace(PTRACE_SETOPTIONS, child, 0, 1 << 30), EINVAL);
	CHECK_ERRNO(trace(PTRACE_CONT, child, 0, 65), EIO);
	CHECK_ERRNO(trace(0x7777, child, 0, 0), EIO);
	CHECK_ERRNO(trace(PTRACE_INTERRUPT, child, 0, 0), EIO);
	CHECK_ERRNO(trace(PTRACE_PEEKDATA, child, 8, (long)&word), EIO);
	CHECK_ERRNO(trace(PTRACE_PEEKUSR, child, 3, (long)&word), EIO);
	CHECK_ERRNO(trace(PTRACE_PEEKUSR, child, 4096, (long)&word), EIO);
	CHECK_ERRNO(trace(PTRACE_GETREGS, child, 0, 8), EFAULT);
	other = fork();
	if (other == 0) {
		_exit(trace(PTRACE_CONT, child, 0, 0) == -1 && errno == ESRCH ? 0 : 1);
	}
	CHECK_EQ(wait_status(other), 0);
	check_exits(child, 7);
}

CASE(a_running_tracee_answers_esrch)
{
	int ends[2];
	pid_t child;
	struct user_regs_struct registers;

	CHECK_EQ(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		char byte;

		trace(PTRACE_TRACEME, 0, 0, 0);
		_exit(read(ends[0], &byte, 1) == 1 ? 5 : 6);
	}
	usleep(20000);
	CHECK_ERRNO(trace(PTRACE_GETREGS, child, 0, (long)&registers), ESRCH);
	CHECK_EQ(write(ends[1], "x", 1), 1);
	CHECK_EQ(wait_status(child), 5 << 8);
}

CASE(others_may_not_be_traced_by_the_unprivileged)
{
	pid_t child, victim;

	if (geteuid() != 0) {
		return;
	}
	victim = fork();
	if (victim == 0) {
		pause();
		_exit(0);
	}
	child = fork();
	if (child == 0) {
		if (setgid(12345) != 0 || setuid(12345) != 0) {
			_exit(2);
		}
		_exit(trace(PTRACE_ATTACH, victim, 0, 0) == -1 && errno == EPERM ? 0 : 1);
	}
	CHECK_EQ(wait_status(child), 0);
	kill(victim, SIGKILL);
	CHECK_EQ(wait_status(victim), SIGKILL);
}

/* ---- signals --------------------------------------------------------------------------------- */

static volatile int n_handled;

static void count_signal(int signal)
{
	n_handled += signal;
}

static void run_signal(void)
{
	struct sigaction action = { .sa_handler = count_signal };

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	raise(SIGUSR1);
	_exit(n_handled);
}

CASE(the_tracer_decides_what_becomes_of_a_signal)
{
	pid_t child = start(run_signal);
	siginfo_t info;

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGUSR1));
	info = siginfo_of(child);
	CHECK_EQ(info.si_signo, SIGUSR1);
	CHECK_EQ(info.si_code, SI_TKILL);
	CHECK_EQ(info.si_pid, child);
	check_exits(child, 0);

	child = start(run_signal);
	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGUSR1));
	go(child, PTRACE_CONT, SIGUSR1);
	CHECK_EQ(wait_status(child), SIGUSR1 << 8);

	child = start(run_signal);
	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGUSR1));
	go(child, PTRACE_CONT, SIGUSR2);
	CHECK_EQ(wait_status(child), SIGUSR2 << 8);

	child = start(run_signal);
	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGUSR1));
	go(child, PTRACE_CONT, SIGTERM);
	CHECK_EQ(wait_status(child), SIGTERM);
}

static void run_ignored(void)
{
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	raise(SIGCHLD);
}

CASE(ignored_signals_are_seen)
{
	pid_t child = start(run_ignored);

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGUSR1));
	go(child, PTRACE_CONT, SIGUSR1);
	CHECK_EQ(wait_status(child), stopped(SIGCHLD));
	check_exits(child, 7);
}

CASE(sigkill_is_not_seen)
{
	pid_t child = start(run_nothing);

	CHECK_EQ(kill(child, SIGKILL), 0);
	CHECK_EQ(wait_status(child), SIGKILL);
}

static void run_fault(void)
{
	volatile int *volatile nowhere = (volatile int *)0x10;

	*nowhere = 1;
}

CASE(faults_are_seen_with_their_address)
{
	pid_t child = start(run_fault);
	siginfo_t info;

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGSEGV));
	info = siginfo_of(child);
	CHECK_EQ(info.si_code, SEGV_MAPERR);
	CHECK_EQ((long)info.si_addr, 0x10);
	go(child, PTRACE_CONT, SIGSEGV);
	CHECK_EQ(wait_status(child) & 0x7f, SIGSEGV);
}

static void run_queue(void)
{
	struct sigaction action = { .sa_handler = count_signal };
	sigset_t set;

	sigaction(SIGRTMIN, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 1 });
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 2 });
	raise(SIGSTOP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(n_handled == 2 * SIGRTMIN ? 0 : 1);
}

CASE(queued_signals_and_the_mask_can_be_looked_at)
{
	pid_t child = start(run_queue);
	struct ptrace_peeksiginfo_args args = { .nr = 8, .flags = PTRACE_PEEKSIGINFO_SHARED };
	siginfo_t infos[8];
	uint64_t mask = 0, wanted = 1ull << (SIGRTMIN - 1);

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGSTOP));
	CHECK_EQ(trace(PTRACE_PEEKSIGINFO, child, (long)&args, (long)infos), 2);
	CHECK_EQ(infos[0].si_value.sival_int, 1);
	CHECK_EQ(infos[1].si_value.sival_int, 2);
	args.off = 1;
	CHECK_EQ(trace(PTRACE_PEEKSIGINFO, child, (long)&args, (long)infos), 1);
	CHECK_EQ(infos[0].si_value.sival_int, 2);
	CHECK_EQ(trace(PTRACE_GETSIGMASK, child, 8, (long)&mask), 0);
	CHECK_EQ(mask, wanted);
	CHECK_ERRNO(trace(PTRACE_GETSIGMASK, child, 4, (long)&mask), EINVAL);
	mask |= 1ull << (SIGUSR1 - 1);
	CHECK_EQ(trace(PTRACE_SETSIGMASK, child, 8, (long)&mask), 0);
	mask = 0;
	CHECK_EQ(trace(PTRACE_GETSIGMASK, child, 8, (long)&mask), 0);
	CHECK_EQ(mask, wanted | 1ull << (SIGUSR1 - 1));
	go(child, PTRACE_CONT, 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(wait_status(child), stopped(SIGRTMIN));
		go(child, PTRACE_CONT, SIGRTMIN);
	}
	CHECK_EQ(wait_status(child), 0);
}

static void handle_info(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	_exit(info->si_value.sival_int);
}

static void run_info(void)
{
	struct sigaction action = { .sa_sigaction = handle_info, .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR1, &action, NULL);
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 1 });
}

CASE(the_siginfo_can_be_changed)
{
	pid_t child = start(run_info);
	siginfo_t info;

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGUSR1));
	info = siginfo_of(child);
	CHECK_EQ(info.si_value.sival_int, 1);
	info.si_value.sival_int = 44;
	CHECK_EQ(trace(PTRACE_SETSIGINFO, child, 0, (long)&info), 0);
	go(child, PTRACE_CONT, SIGUSR1);
	CHECK_EQ(wait_status(child), 44 << 8);
}

static void on_child(int signal, siginfo_t *info, void *context)
{
	(void)context;
	n_handled = signal == SIGCHLD && info->si_status == SIGUSR1 ? info->si_code : 0;
}

CASE(stops_send_sigchld_with_cld_trapped)
{
	struct sigaction action = { .sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART };
	pid_t child = start(run_signal);

	sigaction(SIGCHLD, &action, NULL);
	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGUSR1));
	CHECK_EQ(n_handled, CLD_TRAPPED);
	signal(SIGCHLD, SIG_DFL);
	check_exits(child, 0);
}

CASE(waitid_tells_of_stops_and_peeks)
{
	pid_t child = start(run_signal);
	siginfo_t info = { 0 };

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(waitid(P_PID, child, &info, WSTOPPED | WNOWAIT), 0);
	CHECK_EQ(info.si_code, CLD_TRAPPED);
	CHECK_EQ(info.si_status, SIGUSR1);
	CHECK_EQ(wait_status(child), stopped(SIGUSR1));
	CHECK_EQ(waitpid(child, NULL, WNOHANG), 0);
	check_exits(child, 0);
}

/* ---- system calls ---------------------------------------------------------------------------- */

CASE(entry_and_exit_of_a_system_call)
{
	pid_t child = start_with(run_getppid, PTRACE_O_TRACESYSGOOD);
	struct ptrace_syscall_info info;
	struct user_regs_struct registers;
	long number = -1;

	info = syscall_info_of(child, offsetof(struct ptrace_syscall_info, entry));
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_NONE);
	while (number != SYS_getppid) {
		go(child, PTRACE_SYSCALL, 0);
		CHECK_EQ(wait_status(child), SYSCALL_STOP);
		info = syscall_info_of(child, offsetof(struct ptrace_syscall_info, entry.args[6]));
		CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_ENTRY);
		CHECK_EQ(info.arch, 0xc000003e);
		number = info.entry.nr;
		registers = registers_of(child);
		CHECK_EQ((long)registers.rax, -ENOSYS);
		CHECK_EQ((long)registers.orig_rax, number);
		CHECK_EQ(registers.rip, info.instruction_pointer);
		CHECK_EQ(registers.rsp, info.stack_pointer);
		CHECK_EQ(registers.rcx, registers.rip);
		CHECK_EQ(siginfo_of(child).si_code, SIGTRAP | 0x80);
		go(child, PTRACE_SYSCALL, 0);
		CHECK_EQ(wait_status(child), SYSCALL_STOP);
		info = syscall_info_of(
			child, offsetof(struct ptrace_syscall_info, exit.is_error) + 1);
		CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_EXIT);
	}
	CHECK_EQ(info.exit.rval, getpid());
	CHECK_EQ(info.exit.is_error, 0);
	CHECK_EQ((long)registers_of(child).rax, getpid());
	check_exits(child, 7);
}

static void run_change(void)
{
	_exit(syscall(SYS_getppid) == 77 && syscall(SYS_getppid) == getpid() &&
				syscall(SYS_getppid) == -1 && errno == ENOSYS
			? 0
			: 1);
}

CASE(calls_and_their_results_can_be_changed)
{
	pid_t child = start_with(run_change, PTRACE_O_TRACESYSGOOD);
	struct user_regs_struct registers;

	/* the result */
	next_entry(child, SYS_getppid);
	go(child, PTRACE_SYSCALL, 0);
	CHECK_EQ(wait_status(child), SYSCALL_STOP);
	registers = registers_of(child);
	registers.rax = 77;
	CHECK_EQ(trace(PTRACE_SETREGS, child, 0, (long)&registers), 0);
	/* the call */
	next_entry(child, SYS_getppid);
	CHECK_EQ(trace(PTRACE_POKEUSR, child, offsetof(struct user, regs.orig_rax), SYS_getpid), 0);
	go(child, PTRACE_SYSCALL, 0);
	CHECK_EQ(wait_status(child), SYSCALL_STOP);
	/* none at all */
	next_entry(child, SYS_getpid);
	go(child, PTRACE_SYSCALL, 0);
	CHECK_EQ(wait_status(child), SYSCALL_STOP);
	next_entry(child, SYS_getppid);
	CHECK_EQ(trace(PTRACE_POKEUSR, child, offsetof(struct user, regs.orig_rax), -1L), 0);
	go(child, PTRACE_SYSCALL, 0);
	CHECK_EQ(wait_status(child), SYSCALL_STOP);
	check_exits(child, 0);
}

static void run_read(void)
{
	struct sigaction action = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
	int ends[2];
	char byte;

	sigaction(SIGUSR1, &action, NULL);
	if (pipe(ends) != 0) {
		_exit(9);
	}
	if (fork() == 0) {
		usleep(30000);
		kill(getppid(), SIGUSR1);
		usleep(30000);
		_exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
	}
	_exit(read(ends[0], &byte, 1) == 1 ? n_handled : 9);
}

CASE(an_interrupted_call_shows_how_it_will_restart)
{
	pid_t child = start_with(run_read, PTRACE_O_TRACESYSGOOD);
	struct user_regs_struct registers;
	int status;

	next_entry(child, SYS_read);
	go(child, PTRACE_SYSCALL, 0);
	CHECK_EQ(wait_status(child), SYSCALL_STOP);
	registers = registers_of(child);
	CHECK_EQ((long)registers.rax, -512);
	CHECK_EQ((long)registers.orig_rax, SYS_read);
	go(child, PTRACE_SYSCALL, 0);
	CHECK_EQ(wait_status(child), stopped(SIGUSR1));
	CHECK_EQ((long)registers_of(child).rax, -512);
	go(child, PTRACE_CONT, SIGUSR1);
	do {
		status = wait_status(child);
		if (status == stopped(SIGCHLD)) {
			go(child, PTRACE_CONT, SIGCHLD);
		}
	} while (status == stopped(SIGCHLD));
	CHECK_EQ(status, SIGUSR1 << 8);
}

/* ---- memory and registers -------------------------------------------------------------------- */

static volatile long tracee_word = 0x1122334455667788;
/* in the program's own read-only pages */
extern const volatile long tracee_constant;
__asm__(".pushsection .rodata\n.balign 8\n.globl tracee_constant\n"
	"tracee_constant: .quad 5\n.popsection");

static void run_words(void)
{
	raise(SIGTRAP);
	_exit(tracee_word == 9 && tracee_constant == 6 ? 0 : 1);
}

CASE(memory_is_read_and_written_everywhere)
{
	pid_t child = start(run_words);
	char path[64];
	long word = 0, nine = 9;
	struct iovec here = { &word, sizeof(word) }, there = { (void *)&tracee_word, sizeof(word) };
	int fd;

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGTRAP));
	CHECK_EQ(trace(PTRACE_PEEKDATA, child, (long)&tracee_word, (long)&word), 0);
	CHECK_EQ(word, 0x1122334455667788);
	CHECK_EQ(trace(PTRACE_POKEDATA, child, (long)&tracee_word, 3), 0);
	CHECK_EQ(process_vm_readv(child, &here, 1, &there, 1, 0), sizeof(word));
	CHECK_EQ(word, 3);
	here.iov_base = &nine;
	CHECK_EQ(process_vm_writev(child, &here, 1, &there, 1, 0), sizeof(word));
	CHECK_EQ(tracee_word, 0x1122334455667788);
	/* The constant's page is the program's own, and that of all who run it. */
	CHECK_EQ(trace(PTRACE_POKETEXT, child, (long)&tracee_constant, 4), 0);
	there.iov_base = (void *)&tracee_constant;
	CHECK_ERRNO(process_vm_writev(child, &here, 1, &there, 1, 0), EFAULT);
	CHECK_ERRNO(process_vm_writev(child, &here, 1, &there, 1, 1), EINVAL);
	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	CHECK_EQ(pread(fd, &word, sizeof(word), (long)&tracee_constant), sizeof(word));
	CHECK_EQ(word, 4);
	word = 6;
	CHECK_EQ(pwrite(fd, &word, sizeof(word), (long)&tracee_constant), sizeof(word));
	CHECK_EQ(tracee_constant, 5);
	CHECK_ERRNO(pread(fd, &word, sizeof(word), 16), EIO);
	close(fd);
	check_exits(child, 0);
}

CASE(process_vm_readv_takes_vectors)
{
	char from[100], to[100];
	struct iovec here[3] = { { to, 10 }, { to + 10, 0 }, { to + 10, 90 } };
	struct iovec there[2] = { { from, 50 }, { from + 50, 30 } };

	for (int i = 0; i < 100; i++) {
		from[i] = (char)i;
	}
	memset(to, 0, sizeof(to));
	CHECK_EQ(process_vm_readv(getpid(), here, 3, there, 2, 0), 80);
	CHECK_EQ(memcmp(from, to, 80), 0);
	there[0].iov_base = (void *)16;
	CHECK_ERRNO(process_vm_readv(getpid(), here, 3, there, 2, 0), EFAULT);
	CHECK_ERRNO(process_vm_readv(0x3fffffff, here, 3, there, 2, 0), ESRCH);
}

/* Loads registers that the program then checks; the tracer changes one of each kind. */
static void run_registers(void)
{
	double vector[2] = { 1.5, 2.5 };
	unsigned long value = 0x123;

	__asm__ volatile("movupd %1, %%xmm9\n\tmov %0, %%r13\n\tint3\n\t"
			 "mov %%r13, %0\n\tmovupd %%xmm9, %1"
		: "+r"(value), "+m"(vector)
		:
		: "r13", "xmm9");
	_exit(value == 0x456 && vector[0] == 4.5 && vector[1] == 2.5 ? 0 : 1);
}

CASE(registers_of_all_kinds_are_read_and_written)
{
	pid_t child = start(run_registers);
	static uint8_t area[16384];
	struct user_fpregs_struct fpu;
	struct user_regs_struct registers;
	struct iovec vector = { &registers, sizeof(registers) };
	double value;
	long word;

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGTRAP));
	CHECK_EQ(siginfo_of(child).si_code, SI_KERNEL);
	CHECK_EQ(trace(PTRACE_GETREGSET, child, NT_PRSTATUS, (long)&vector), 0);
	CHECK_EQ(vector.iov_len, sizeof(registers));
	CHECK_EQ(registers.r13, 0x123);
	CHECK_EQ(registers.cs, 0x33);
	CHECK_EQ((long)registers.orig_rax, -1);
	CHECK(registers.fs_base != 0);
	CHECK_EQ(trace(PTRACE_PEEKUSR, child, offsetof(struct user, regs.r13), (long)&word), 0);
	CHECK_EQ(word, 0x123);
	CHECK_EQ(
		trace(PTRACE_PEEKUSR, child, offsetof(struct user, u_debugreg[7]), (long)&word), 0);
	/* what int3 left behind */
	CHECK_EQ(trace(PTRACE_PEEKTEXT, child, registers.rip - 1, (long)&word), 0);
	CHECK_EQ(word & 0xff, 0xcc);
	registers.r13 = 0x456;
	CHECK_EQ(trace(PTRACE_SETREGSET, child, NT_PRSTATUS, (long)&vector), 0);
	CHECK_EQ(trace(PTRACE_GETFPREGS, child, 0, (long)&fpu), 0);
	memcpy(&value, (uint8_t *)fpu.xmm_space + 9 * 16, sizeof(value));
	CHECK(value == 1.5);
	value = 3.5;
	memcpy((uint8_t *)fpu.xmm_space + 9 * 16, &value, sizeof(value));
	CHECK_EQ(trace(PTRACE_SETFPREGS, child, 0, (long)&fpu), 0);
	vector = (struct iovec){ area, sizeof(area) };
	CHECK_EQ(trace(PTRACE_GETREGSET, child, NT_X86_XSTATE, (long)&vector), 0);
	CHECK(vector.iov_len >= 576 && vector.iov_len < sizeof(area));
	memcpy(&value, area + 160 + 9 * 16, sizeof(value));
	CHECK(value == 3.5);
	value = 4.5;
	memcpy(area + 160 + 9 * 16, &value, sizeof(value));
	CHECK_EQ(trace(PTRACE_SETREGSET, child, NT_X86_XSTATE, (long)&vector), 0);
	CHECK_ERRNO(trace(PTRACE_GETREGSET, child, 0x9999, (long)&vector), EINVAL);
	check_exits(child, 0);
}

/* ---- steps ----------------------------------------------------------------------------------- */

extern const char step_first[], step_call[], step_behind[], step_end[];

static void run_steps(void)
{
	long result = SYS_getppid;

	__asm__ volatile("int3\n\t"
			 ".globl step_first, step_call, step_behind, step_end\n"
			 "step_first: nop\n\tnop\n"
			 "step_call: syscall\n"
			 "step_behind: nop\n"
			 "step_end: nop"
		: "+a"(result)
		:
		: "rcx", "r11", "memory");
	_exit(result == getppid() ? 0 : 1);
}

static unsigned long step(pid_t child)
{
	go(child, PTRACE_SINGLESTEP, 0);
	CHECK_EQ(wait_status(child), stopped(SIGTRAP));
	CHECK_EQ(registers_of(child).eflags & 0x100, 0);
	return registers_of(child).rip;
}

CASE(steps_go_one_instruction_also_over_syscall)
{
	pid_t child = start(run_steps);

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGTRAP));
	CHECK_EQ(registers_of(child).rip, (unsigned long)step_first);
	CHECK_EQ(step(child), (unsigned long)step_first + 1);
	CHECK_EQ(siginfo_of(child).si_code, TRAP_TRACE);
	CHECK_EQ(step(child), (unsigned long)step_call);
	CHECK_EQ(step(child), (unsigned long)step_behind);
	CHECK_EQ((long)registers_of(child).rax, getpid());
	CHECK_EQ(step(child), (unsigned long)step_end);
	check_exits(child, 0);
}

CASE(a_step_into_a_handler_stops_at_its_first_instruction)
{
	pid_t child = start(run_signal);
	struct user_regs_struct registers;

	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), stopped(SIGUSR1));
	go(child, PTRACE_SINGLESTEP, SIGUSR1);
	CHECK_EQ(wait_status(child), stopped(SIGTRAP));
	registers = registers_of(child);
	CHECK_EQ(registers.rip, (unsigned long)count_signal);
	CHECK_EQ(registers.rdi, SIGUSR1);
	check_exits(child, SIGUSR1);
}

CASE(many_steps_end_like_a_run)
{
	pid_t child = start(run_getppid);
	int status;

	for (int i = 0; i < 2000; i++) {
		go(child, PTRACE_SINGLESTEP, 0);
		status = wait_status(child);
		if (status != stopped(SIGTRAP)) {
			break;
		}
	}
	if (status == stopped(SIGTRAP)) {
		check_exits(child, 7);
	} else {
		CHECK_EQ(status, 7 << 8);
	}
}

CASES_MAIN()
