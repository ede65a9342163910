/* SPDX-License-Identifier: MIT */
/*
 * System calls that may have been rewritten (docs/internals/rewriting.md): nothing that a program
 * can see of a system call differs from Linux.
 *
 * The sites are in functions of our own, one whose number is loaded right before the `syscall`, one
 * where it comes from elsewhere, so that both ways of rewriting are met. The same program runs
 * where nothing is rewritten; with the environment variable REWRITTEN set it demands that
 * something is.
 */
#include "ptrace.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <ucontext.h>

/* Instructions that may be seen; those behind are the next function's. */
extern const uint8_t site_direct[], site_direct_call[], site_direct_behind[], site_direct_end[];
extern const uint8_t site_spring[], site_spring_call[], site_spring_behind[], site_spring_end[];
extern const uint8_t loop_begin[], loop_end[];

/* Nops behind a function are where stubs may be. */
__asm__(".text\n"
	".macro function name\n"
	"	.p2align 6\n"
	"	.globl \\name\n"
	"	.type \\name, @function\n"
	"\\name:\n"
	"	.cfi_startproc\n"
	".endm\n"
	".macro function_end name\n"
	"\\name\\()_end:\n"
	"	.cfi_endproc\n"
	"	.size \\name, . - \\name\n"
	".endm\n"
	"	function site_direct\n"
	"	mov $39, %eax\n"
	"site_direct_call:\n"
	"	syscall\n"
	"site_direct_behind:\n"
	"	ret\n"
	"	function_end site_direct\n"
	"	function site_spring\n"
	"	mov %edi, %eax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"site_spring_call:\n"
	"	syscall\n"
	"site_spring_behind:\n"
	"	ret\n"
	"	function_end site_spring\n"
	/* long loop_begin(n, number): getpid() and the other call n times */
	"	function loop_begin\n"
	"	push %rbx\n"
	"	push %r12\n"
	"	mov %rdi, %rbx\n"
	"	mov %rsi, %r12\n"
	"1:	movq $0x5a5a5a, -8(%rsp)\n"
	"	mov $39, %eax\n"
	"	syscall\n"
	"	mov %r12d, %eax\n"
	"	syscall\n"
	"	cmpq $0x5a5a5a, -8(%rsp)\n"
	"	jne 2f\n"
	"	dec %rbx\n"
	"	jnz 1b\n"
	"	pop %r12\n"
	"	pop %rbx\n"
	"	ret\n"
	"2:	mov $-1, %rax\n"
	"	pop %r12\n"
	"	pop %rbx\n"
	"	ret\n"
	"loop_end:\n"
	"	.cfi_endproc\n"
	/* long call_all(const void *site, struct state *): all registers, and the red zone */
	"	function call_all\n"
	"	push %rbx\n"
	"	push %rbp\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	push %rsi\n"
	"	mov %rdi, %r11\n"
	"	mov 0(%rsi), %rax\n"
	"	mov 8(%rsi), %rbx\n"
	"	mov 24(%rsi), %rdx\n"
	"	mov 40(%rsi), %rdi\n"
	"	mov 48(%rsi), %rbp\n"
	"	mov 56(%rsi), %r8\n"
	"	mov 64(%rsi), %r9\n"
	"	mov 72(%rsi), %r10\n"
	"	mov 88(%rsi), %r12\n"
	"	mov 96(%rsi), %r13\n"
	"	mov 104(%rsi), %r14\n"
	"	mov 112(%rsi), %r15\n"
	"	mov 32(%rsi), %rsi\n"
	"	movq %rbx, %xmm0\n"
	"	movq %r15, %xmm15\n"
	"	sub $16, %rsp\n"
	/*
	 * Below the stack pointer of the function that is called, and not so far below ours that
	 * a signal writes there when it has returned.
	 */
	"	mov $-120, %rcx\n"
	"1:	mov %rcx, -8(%rsp, %rcx)\n"
	"	add $8, %rcx\n"
	"	jnz 1b\n"
	"	call *%r11\n"
	"	mov %rcx, 8(%rsp)\n"
	"	mov $-120, %rcx\n"
	"2:	cmp %rcx, -8(%rsp, %rcx)\n"
	"	jne 3f\n"
	"	add $8, %rcx\n"
	"	jnz 2b\n"
	"3:	mov %rcx, 0(%rsp)\n"
	"	mov 16(%rsp), %rcx\n"
	"	mov %rax, 0(%rcx)\n"
	"	mov %rbx, 8(%rcx)\n"
	"	mov %rdx, 24(%rcx)\n"
	"	mov %rsi, 32(%rcx)\n"
	"	mov %rdi, 40(%rcx)\n"
	"	mov %rbp, 48(%rcx)\n"
	"	mov %r8, 56(%rcx)\n"
	"	mov %r9, 64(%rcx)\n"
	"	mov %r10, 72(%rcx)\n"
	"	mov %r11, 80(%rcx)\n"
	"	mov %r12, 88(%rcx)\n"
	"	mov %r13, 96(%rcx)\n"
	"	mov %r14, 104(%rcx)\n"
	"	mov %r15, 112(%rcx)\n"
	"	movq %xmm0, 120(%rcx)\n"
	"	movq %xmm15, 128(%rcx)\n"
	"	mov 8(%rsp), %rax\n"
	"	mov %rax, 16(%rcx)\n"
	"	mov 0(%rsp), %rax\n"
	"	mov %rax, 136(%rcx)\n"
	"	add $24, %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbp\n"
	"	pop %rbx\n"
	"	ret\n"
	"	function_end call_all\n"
	".balign 64, 0x90\n");

struct state {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t xmm0, xmm15;
	uint64_t bad_red_zone; /* 0: all as it was */
};

void call_all(const void *site, struct state *state);

typedef long site_fn(long number, long a, long b, long c);

static long spring(long number, long a, long b, long c)
{
	return ((site_fn *)site_spring)(number, a, b, c);
}

static long direct(void)
{
	return ((site_fn *)site_direct)(0, 0, 0, 0);
}

static bool is_rewritten(const uint8_t *site)
{
	return *(const volatile uint8_t *)site == 0xe9 || *(const volatile uint8_t *)site == 0xeb;
}

static const uint8_t direct_bytes[] = { 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3 };

/* ---- what a call does ------------------------------------------------------------------------ */

CASE(sites_are_rewritten_where_they_should)
{
	if (getenv("REWRITTEN") != NULL) {
		CHECK(is_rewritten(site_direct));
		CHECK(is_rewritten(site_spring_call));
	}
	CHECK(site_direct_call[0] == 0x0f && site_direct_call[1] == 0x05);
}

static const struct state some_state = { 39, 0x1111, 0, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666,
	0x7777, 0x8888, 0, 0x9999, 0xaaaa, 0xbbbb, 0xcccc, 0, 0, 0 };

static void check_state(const void *site, uint64_t number, uint64_t result, const uint8_t *behind)
{
	struct state state = some_state;

	state.rax = number;
	call_all(site, &state);
	CHECK_EQ(state.rax, result);
	CHECK_EQ(state.rbx, 0x1111);
	CHECK_EQ(state.rcx, (long)behind);
	CHECK_EQ(state.rdx, 0x2222);
	CHECK_EQ(state.rsi, 0x3333);
	CHECK_EQ(state.rdi, 0x4444);
	CHECK_EQ(state.rbp, 0x5555);
	CHECK_EQ(state.r8, 0x6666);
	CHECK_EQ(state.r9, 0x7777);
	CHECK_EQ(state.r10, 0x8888);
	CHECK_EQ(state.r11 & ~0x8d5ul, 0x202); /* but for arithmetic flags */
	CHECK_EQ(state.r12, 0x9999);
	CHECK_EQ(state.r13, 0xaaaa);
	CHECK_EQ(state.r14, 0xbbbb);
	CHECK_EQ(state.r15, 0xcccc);
	CHECK_EQ(state.xmm0, 0x1111);
	CHECK_EQ(state.xmm15, 0xcccc);
	CHECK_EQ(state.bad_red_zone, 0);
}

CASE(registers_and_red_zone_stay)
{
	check_state(site_direct, 0, getpid(), site_direct_behind);
	check_state(site_spring_call, SYS_getppid, getppid(), site_spring_behind);
	check_state(site_spring_call, 100000, -ENOSYS, site_spring_behind);
}

CASE(jump_to_the_system_call_itself)
{
	/* behind the instruction that loads the number */
	check_state(site_direct_call, SYS_getppid, getppid(), site_direct_behind);
}

CASE(numbers_that_are_none)
{
	CHECK_EQ(spring(-1, 0, 0, 0), -ENOSYS);
	CHECK_EQ(spring(1000, 0, 0, 0), -ENOSYS);
}

CASE(bad_pointers_are_efault)
{
	CHECK_EQ(spring(SYS_write, 1, 8, 1), -EFAULT);
	CHECK_EQ(spring(SYS_pipe, 8, 0, 0), -EFAULT);
}

/* ---- signals at every instruction ------------------------------------------------------------ */

static volatile long n_signals, n_outside, n_wrong;

/* Whether a program that is interrupted at @ip can have these registers. */
static bool is_right(const ucontext_t *context)
{
	const greg_t *regs = context->uc_mcontext.gregs;
	const uint8_t *ip = (const uint8_t *)regs[REG_RIP];

	if (ip == site_direct_call) {
		return regs[REG_RAX] == SYS_getpid || regs[REG_RAX] == SYS_getppid;
	}
	if (ip == site_direct_behind || ip == site_spring_behind) {
		return regs[REG_RCX] == (long)ip;
	}
	return true;
}

static bool is_of(const uint8_t *ip, const uint8_t *begin, const uint8_t *end)
{
	return ip >= begin && ip < end;
}

static const uint8_t *jump_target(const uint8_t *ip)
{
	int32_t distance;

	memcpy(&distance, ip + 1, sizeof(distance));
	return ip + 5 + distance;
}

/*
 * Whether a program that is interrupted there is on its way from a site to the shim. It may be at
 * the site itself, which is where it is in the file, too.
 */
static bool is_in_stub(const uint8_t *ip, const greg_t *regs)
{
	const uint8_t *at = ip, *behind = (const uint8_t *)regs[REG_RCX];
	int32_t distance;

	for (unsigned steps = 0; steps < 8; steps++) {
		if (*at == 0xe9) {
			at = jump_target(at);
		} else if (*at == 0xeb) {
			at += 2 + (int8_t)at[1];
		} else if (*at == 0xb8) {
			at += 5;
		} else if (at[0] == 0x48 && at[1] == 0x8d && at[2] == 0x0d) {
			memcpy(&distance, at + 3, sizeof(distance));
			at += 7;
			behind = at + distance;
		} else {
			break;
		}
	}
	return memcmp(at, "\x65\xff\x24\x25", 4) == 0 && ip != behind - 2 && ip != behind - 7;
}

static void note_step(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *user = context;
	const uint8_t *ip = (const uint8_t *)user->uc_mcontext.gregs[REG_RIP];

	(void)signal;
	(void)info;
	n_signals++;
	n_wrong += !is_right(user);
	/* The sites' last instruction is `ret`; what is behind is filler, where stubs may be. */
	n_outside += is_in_stub(ip, user->uc_mcontext.gregs) ||
		is_of(ip, site_direct_end, site_spring) || is_of(ip, site_spring_end, loop_begin);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	sigaction(signal, &action, NULL);
}

/* Sets the trap flag, calls the site, and clears it. */
static long call_stepped(const void *site, long number)
{
	long result = number;

	__asm__ volatile("sub $256, %%rsp\n\t"
			 "pushfq\n\t"
			 "orl $0x100, (%%rsp)\n\t"
			 "popfq\n\t"
			 "call *%1\n\t"
			 "pushfq\n\t"
			 "andl $~0x100, (%%rsp)\n\t"
			 "popfq\n\t"
			 "add $256, %%rsp"
		: "+a"(result)
		: "r"(site)
		: "rcx", "rdi", "rsi", "rdx", "r11", "memory", "cc");
	return result;
}

CASE(traps_at_every_instruction)
{
	handle(SIGTRAP, note_step, 0);
	for (unsigned i = 0; i < 100; i++) {
		CHECK_EQ(call_stepped(site_direct, 0), getpid());
		CHECK_EQ(call_stepped(site_direct_call, SYS_getppid), getppid());
		CHECK_EQ(call_stepped(site_spring_call, SYS_getppid), getppid());
	}
	CHECK(n_signals >= 300);
	CHECK_EQ(n_outside, 0);
	CHECK_EQ(n_wrong, 0);
}

/* Also makes calls, and destroys what the interrupted call may not lose. */
static void note_signal(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *user = context;
	const greg_t *regs = user->uc_mcontext.gregs;

	note_step(signal, info, context);
	/* in the loop: by its own instructions the call number or the result, never less */
	if (is_of((const uint8_t *)regs[REG_RIP], loop_begin, loop_end) && regs[REG_R12] == 0) {
		n_wrong++;
	}
	if (direct() != getpid() || spring(SYS_getppid, 0, 0, 0) != getppid()) {
		n_wrong++;
	}
	__asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm15, %%xmm15" : : : "xmm0", "xmm15");
}

static volatile bool is_over;
static volatile int has_begun;

static void *send_signals(void *argument)
{
	while (!has_begun) {
		sched_yield();
	}
	while (!is_over) {
		pthread_kill(*(pthread_t *)argument, SIGUSR1);
		for (volatile int i = 0; i < 300; i++) {
		}
	}
	return NULL;
}

CASE(signals_at_any_instruction)
{
	typedef long loop_fn(long n, long number);
	pthread_t self = pthread_self(), sender;

	handle(SIGUSR1, note_signal, SA_RESTART);
	CHECK_EQ(pthread_create(&sender, NULL, send_signals, &self), 0);
	has_begun = 1;
	for (unsigned i = 0; i < 4000 && (n_signals < 3000 || i < 300); i++) {
		CHECK_EQ(((loop_fn *)loop_begin)(50, SYS_getppid), getppid());
		check_state(site_direct, 0, getpid(), site_direct_behind);
		check_state(site_spring_call, SYS_getppid, getppid(), site_spring_behind);
	}
	is_over = true;
	pthread_join(sender, NULL);
	CHECK(n_signals > 0);
	CHECK_EQ(n_outside, 0);
	CHECK_EQ(n_wrong, 0);
}

static void change_result(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	n_signals++;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = -1234;
}

CASE(calls_are_made_again)
{
	pid_t parent = getpid();
	int ends[2];
	char byte = 0;

	CHECK_EQ(pipe(ends), 0);
	handle(SIGALRM, note_step, SA_RESTART);
	pid_t child = fork();

	if (child == 0) {
		for (int i = 0; i < 5; i++) {
			usleep(1000);
			kill(parent, SIGALRM);
		}
		_exit(write(ends[1], "x", 1) != 1);
	}
	CHECK_EQ(spring(SYS_read, ends[0], (long)&byte, 1), 1);
	CHECK_EQ(byte, 'x');
	CHECK(n_signals >= 1);
	CHECK_EQ(n_outside, 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
}

CASE(handlers_change_what_a_call_gives)
{
	handle(SIGUSR1, change_result, 0);
	CHECK_EQ(spring(SYS_kill, getpid(), SIGUSR1, 0), -1234);
	CHECK_EQ(n_signals, 1);
	CHECK_EQ(direct(), getpid());
}

CASE(interrupted_without_restart)
{
	struct itimerval timer = { { 0, 1000 }, { 0, 1000 } };
	struct pollfd none = { .fd = -1 };

	handle(SIGALRM, note_step, 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	CHECK_EQ(spring(SYS_poll, (long)&none, 1, 10000), -EINTR);
	CHECK_EQ(n_outside, 0);
}

/* ---- threads and processes ------------------------------------------------------------------- */

static pthread_barrier_t barrier;

static void *call_at_once(void *argument)
{
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < 200; i++) {
		if (direct() != getpid() || spring(SYS_getppid, 0, 0, 0) != getppid()) {
			*(volatile bool *)argument = true;
		}
	}
	return NULL;
}

static int race(void)
{
	pthread_t threads[8];
	bool is_wrong = false;

	pthread_barrier_init(&barrier, NULL, 8);
	for (unsigned i = 0; i < 8; i++) {
		if (pthread_create(&threads[i], NULL, call_at_once, &is_wrong) != 0) {
			return 2;
		}
	}
	for (unsigned i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
	}
	return is_wrong;
}

static int run_self(const char *path, const char *what)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		setenv("REWRITING_CHILD", what, 1);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What a program that was executed does instead of the cases. */
__attribute__((constructor)) static void be_a_child(void)
{
	const char *what = getenv("REWRITING_CHILD");

	if (what == NULL) {
		return;
	}
	if (strcmp(what, "race") == 0) {
		_exit(race());
	}
	/* what the direct site answers, and whether it is rewritten */
	_exit((direct() == getpid()                   ? 1
			      : direct() == getppid() ? 2
						      : 0) |
		(is_rewritten(site_direct) ? 4 : 0));
}

CASE(threads_race_for_the_first_use)
{
	for (unsigned i = 0; i < 5; i++) {
		CHECK_EQ(run_self("/proc/self/exe", "race"), 0);
	}
}

CASE(children_return_where_they_should)
{
	for (unsigned i = 0; i < 20; i++) {
		long child = spring(i % 2 == 0 ? SYS_fork : SYS_getpid, 0, 0, 0);
		int status;

		if (child == 0) {
			_exit(direct() == getpid() ? 7 : 8);
		}
		if (i % 2 == 0) {
			CHECK_EQ(waitpid((pid_t)child, &status, 0), child);
			CHECK_EQ(status, 7 << 8);
		}
	}
}

static bool copy_file(const char *from, const char *to)
{
	static char buffer[65536];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ssize_t n;

	while ((n = read(in, buffer, sizeof(buffer))) > 0) {
		if (write(out, buffer, (size_t)n) != n) {
			break;
		}
	}
	close(in);
	close(out);
	return n == 0;
}

/* Where the bytes of the direct site are in the file. */
static off_t offset_of_site(int fd)
{
	static uint8_t buffer[1 << 20];
	ssize_t size = pread(fd, buffer, sizeof(buffer), 0);
	uint64_t address = (uint64_t)site_direct;
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)buffer;

	for (int i = 0; size > 0 && i < header->e_phnum; i++) {
		const Elf64_Phdr *program = (const Elf64_Phdr *)(buffer + header->e_phoff) + i;

		if (program->p_type == PT_LOAD && address - program->p_vaddr < program->p_filesz) {
			return (off_t)(program->p_offset + address - program->p_vaddr);
		}
	}
	return -1;
}

CASE(files_that_change_are_looked_at_again)
{
	char path[] = "rewriting-test-XXXXXX";
	int fd = mkstemp(path), first, second;

	fchmod(fd, 0755);
	close(fd);
	CHECK(copy_file("/proc/self/exe", path));
	first = run_self(path, "which");
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	off_t offset = offset_of_site(fd);
	uint8_t bytes[sizeof(direct_bytes)], number = SYS_getppid;

	CHECK_EQ(pread(fd, bytes, sizeof(bytes), offset), sizeof(bytes));
	CHECK(memcmp(bytes, direct_bytes, sizeof(bytes)) == 0);
	CHECK_EQ(pwrite(fd, &number, 1, offset + 1), 1);
	close(fd);
	second = run_self(path, "which");
	unlink(path);
	CHECK_EQ(first & 3, 1);
	CHECK_EQ(second & 3, 2);
	CHECK_EQ(first & 4, second & 4);
}

/* ---- text that is looked at or written ------------------------------------------------------- */

CASE(others_read_what_is_in_the_file)
{
	uint8_t bytes[sizeof(direct_bytes)] = { 0 };
	struct iovec mine = { bytes, sizeof(bytes) },
		     theirs = { (void *)site_direct, sizeof(bytes) };
	int fd = open("/proc/self/mem", O_RDONLY);

	CHECK_EQ(pread(fd, bytes, sizeof(bytes), (off_t)site_direct), sizeof(bytes));
	CHECK(memcmp(bytes, direct_bytes, sizeof(bytes)) == 0);
	memset(bytes, 0, sizeof(bytes));
	CHECK_EQ(process_vm_readv(getpid(), &mine, 1, &theirs, 1, 0), sizeof(bytes));
	CHECK(memcmp(bytes, direct_bytes, sizeof(bytes)) == 0);
	CHECK_EQ(direct(), getpid());
	CHECK_EQ(spring(SYS_getppid, 0, 0, 0), getppid());
}

CASE(text_can_be_made_writable)
{
	uint8_t *page = (uint8_t *)((uint64_t)site_direct & ~4095ul);

	CHECK_EQ(mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	CHECK(memcmp((const void *)site_direct, direct_bytes, sizeof(direct_bytes)) == 0);
	((volatile uint8_t *)site_direct)[1] = SYS_getppid;
	CHECK_EQ(direct(), getppid());
	CHECK_EQ(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
	CHECK_EQ(direct(), getppid());
	CHECK_EQ(run_self("/proc/self/exe", "which") & 3, 1);
}

static void *call_until_over(void *argument)
{
	while (!is_over) {
		if (direct() != getpid() || spring(SYS_getppid, 0, 0, 0) != getppid()) {
			*(volatile bool *)argument = true;
		}
	}
	return NULL;
}

CASE(text_is_replaced_under_running_threads)
{
	uint8_t *page = (uint8_t *)((uint64_t)loop_begin & ~4095ul);
	pthread_t threads[3];
	bool is_wrong = false;

	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(pthread_create(&threads[i], NULL, call_until_over, &is_wrong), 0);
	}
	usleep(10000);
	CHECK_EQ(mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	usleep(10000);
	is_over = true;
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
	}
	CHECK(!is_wrong);
}

CASE(text_cannot_be_discarded_for_others)
{
	uint8_t *page = (uint8_t *)((uint64_t)site_direct & ~4095ul);
	bool was_rewritten = is_rewritten(site_direct);

	CHECK_EQ(madvise(page, 4096, MADV_DONTNEED), 0);
	CHECK_EQ(is_rewritten(site_direct), was_rewritten);
	CHECK_EQ(direct(), getpid());
	CHECK_EQ(run_self("/proc/self/exe", "which") & 3, 1);
}

CASE(tracers_see_what_is_in_the_file)
{
	pid_t child = fork();
	struct user_regs_struct registers;
	int status;

	if (child == 0) {
		trace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(direct() == getpid() && spring(SYS_getppid, 0, 0, 0) == getppid() ? 9 : 10);
	}
	CHECK_EQ(wait_status(child), stopped(SIGSTOP));

	unsigned long word = 0;

	CHECK_EQ(trace(PTRACE_PEEKTEXT, child, (long)site_direct, (long)&word), 0);
	CHECK(memcmp(&word, direct_bytes, sizeof(word)) == 0);
	/* a breakpoint on the site, and steps from there */
	CHECK_EQ(trace(PTRACE_POKETEXT, child, (long)site_direct, (word & ~0xfful) | 0xcc), 0);
	CHECK_EQ(trace(PTRACE_CONT, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), stopped(SIGTRAP));
	registers = registers_of(child);
	CHECK_EQ(registers.rip, (long)site_direct + 1);
	CHECK_EQ(trace(PTRACE_POKETEXT, child, (long)site_direct, word), 0);
	registers.rip--;
	CHECK_EQ(trace(PTRACE_SETREGS, child, 0, (long)&registers), 0);
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(trace(PTRACE_SINGLESTEP, child, 0, 0), 0);
		CHECK_EQ(wait_status(child), stopped(SIGTRAP));
		registers = registers_of(child);
		CHECK_EQ(registers.rip, (long)(i == 0 ? site_direct_call : site_direct_behind));
		CHECK_EQ(registers.rax, i == 0 ? 39 : child);
	}
	CHECK_EQ(trace(PTRACE_CONT, child, 0, 0), 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 9 << 8);
}

CASE(tracers_attach_while_calls_are_made)
{
	for (unsigned i = 0; i < 10; i++) {
		pid_t child = fork();
		unsigned long word = 0;

		if (child == 0) {
			for (;;) {
				if (direct() != getpid() ||
					spring(SYS_getppid, 0, 0, 0) != getppid()) {
					_exit(1);
				}
			}
		}
		usleep(2000);
		CHECK_EQ(trace(PTRACE_ATTACH, child, 0, 0), 0);
		CHECK_EQ(wait_status(child), stopped(SIGSTOP));
		CHECK_EQ(trace(PTRACE_PEEKTEXT, child, (long)site_direct, (long)&word), 0);
		CHECK(memcmp(&word, direct_bytes, sizeof(word)) == 0);

		uint8_t *ip = (uint8_t *)registers_of(child).rip;

		CHECK(!is_of(ip, site_direct_end, site_spring));
		CHECK(!is_of(ip, site_spring_end, loop_begin));
		CHECK_EQ(trace(PTRACE_DETACH, child, 0, 0), 0);
		usleep(2000);
		kill(child, SIGKILL);
		CHECK_EQ(wait_status(child), SIGKILL);
	}
}

CASES_MAIN()
