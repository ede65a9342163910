/* SPDX-License-Identifier: MIT */
/*
 * Random code: children that jump into random bytes, as nobody, with random registers.
 *
 *	crashme [SEED [N]]
 *
 * The bytes are sprinkled with what does something: system calls, also native ones, with numbers in
 * rax, writes to segment bases, int, traps. Prints how many children ended by themselves, by a
 * signal, or had to be killed; a child that cannot be killed is a failure.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOBODY   65534
#define CODE     65536
#define LIMIT_MS 60
#define GONE_MS  20000

static uint64_t state;

static uint64_t draw(void)
{
	uint64_t value = state += 0x9e3779b97f4a7c15;

	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

/* mov eax, number; syscall */
static size_t put_call(uint8_t *at)
{
	uint32_t number = (uint32_t)(draw() % 460);

	if (draw() % 4 == 0) {
		number = 0x80000000 + (uint32_t)(draw() % 130);
	}
	at[0] = 0xb8;
	memcpy(at + 1, &number, sizeof(number));
	memcpy(at + 5, "\x0f\x05", 2);
	return 7;
}

/* mov reg, address of something that is there, or that is not ours */
static size_t put_address(uint8_t *at, const uint8_t *code)
{
	static const uint64_t places[] = { 0x7fff00000000, 0x7fff00009000, 0x7fff0000a000,
		0x7fff0000b000, 0x7ffff0000000, 0x7fffeffff000, 0xffffffff80000000, 0x400000 };
	uint64_t address = places[draw() % (sizeof(places) / sizeof(places[0]))];

	if (draw() % 2 == 0) {
		address = (uint64_t)(uintptr_t)code + draw() % CODE;
	}
	at[0] = 0x48;
	at[1] = (uint8_t)(0xb8 + draw() % 8);
	memcpy(at + 2, &address, sizeof(address));
	return 10;
}

static size_t put_odd(uint8_t *at)
{
	static const char *const odd[] = {
		"\xf3\x48\x0f\xae\xd8", /* wrgsbase rax */
		"\xf3\x48\x0f\xae\xd0", /* wrfsbase rax */
		"\xcd\x80\x90\x90\x90", /* int 0x80 */
		"\x0f\x34\x90\x90\x90", /* sysenter */
		"\x9c\x58\x50\x9d\x90", /* pushf, pop rax, push rax, popf */
		"\x50\x9d\x90\x90\x90", /* push rax, popf */
		"\xcc\xf1\x0f\x0b\x90", /* int3, int1, ud2 */
		"\x8e\xd8\x8e\xc0\x90", /* mov ds, eax; mov es, eax */
		"\x0f\xae\x08\x90\x90", /* fxrstor [rax] */
		"\x48\x89\xc4\x90\x90", /* mov rsp, rax */
		"\x48\x89\x00\x90\x90", /* mov [rax], rax */
	};

	memcpy(at, odd[draw() % (sizeof(odd) / sizeof(odd[0]))], 5);
	return 5;
}

static void fill(uint8_t *code)
{
	size_t at = 0;

	while (at < CODE - 16) {
		switch (draw() % 8) {
		case 0: at += put_call(code + at); break;
		case 1: at += put_address(code + at, code); break;
		case 2: at += put_odd(code + at); break;
		default:
			for (uint64_t n = draw() % 8; n > 0; n--) {
				code[at++] = (uint8_t)draw();
			}
		}
	}
}

__attribute__((noreturn)) static void run(void)
{
	uint8_t *code = mmap(
		NULL, CODE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0 ||
		code == MAP_FAILED) {
		_exit(1);
	}
	fill(code);
	uint64_t start = (uint64_t)(uintptr_t)code + draw() % (CODE / 2);

	__asm__ volatile("movq %0, %%r15\n\t"
			 "movq %1, %%rdi\n\t"
			 "movq %2, %%rsi\n\t"
			 "movq %3, %%rdx\n\t"
			 "jmp *%%r15"
		:
		: "r"(start), "r"(draw()), "r"(draw()), "r"(draw())
		: "rdi", "rsi", "rdx", "r15", "memory");
	__builtin_unreachable();
}

static int await_child(pid_t child, int limit_ms, int *out_status)
{
	for (int i = 0; i < limit_ms; i++) {
		if (waitpid(child, out_status, WNOHANG) == child) {
			return 1;
		}
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	int n = argc > 2 ? atoi(argv[2]) : 500, n_ended = 0, n_signalled = 0, n_killed = 0, status;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	for (int i = 0; i < n; i++) {
		pid_t child = fork();

		if (child < 0) {
			perror("fork");
			return 1;
		}
		if (child == 0) {
			state = seed * 1000003 + (uint64_t)i;
			run();
		}
		if (!await_child(child, LIMIT_MS, &status)) {
			n_killed++;
			kill(child, SIGKILL);
			if (!await_child(child, GONE_MS, &status)) {
				printf("child %d (seed %llu, number %d) cannot be killed\n", child,
					(unsigned long long)seed, i);
				return 1;
			}
		} else if (WIFSIGNALED(status)) {
			n_signalled++;
		} else {
			n_ended++;
		}
		/* what it has left behind */
		while (waitpid(-1, &status, WNOHANG) > 0) {
		}
	}
	printf("%d children: %d ended, %d by a signal, %d killed\n", n, n_ended, n_signalled,
		n_killed);
	return 0;
}
