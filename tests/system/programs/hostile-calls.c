/* SPDX-License-Identifier: MIT */
/*
 * Calls every system call with wild arguments. What comes back does not matter; the system has to
 * live. Each call number runs in a child of its own, with a time limit, and the draw of arguments
 * is repeated from a seed:
 *
 *	hostile-calls [SEED [FIRST [LAST]]]
 *
 * Prints the number of calls, of children that a signal ended, and of those that had to be stopped.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBER_LAST 470
#define DRAWS       24
#define LIMIT_US    (2 * 1000 * 1000)

static uint64_t state;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Calls that would end the test itself, or multiply it. */
static bool is_left_out(long number)
{
	static const int numbers[] = {
		SYS_exit,
		SYS_exit_group,
		SYS_fork,
		SYS_vfork,
		SYS_clone,
		SYS_clone3,
		SYS_reboot,
		SYS_kill,
		SYS_tkill,
		SYS_tgkill,
		SYS_rt_sigqueueinfo,
		SYS_rt_tgsigqueueinfo,
		SYS_kexec_load,
		SYS_kexec_file_load,
		SYS_alarm,
		SYS_setitimer,
		SYS_pidfd_send_signal,
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i] == number) {
			return true;
		}
	}
	return false;
}

static uint64_t wild_value(uint8_t *page)
{
	switch (draw() % 16) {
	case 0: return 0;
	case 1: return 1;
	case 2: return UINT64_MAX;
	case 3: return 8;
	case 4: return 0x7ffffffff000;
	case 5: return 0x800000000000;
	case 6: return 0xffff800000000000;
	case 7: return 0xffffffff80000000;
	case 8: return (uint64_t)page;
	case 9: return (uint64_t)page + 4095;
	case 10: return (uint64_t)page + 4096 - draw() % 64;
	case 11: return (uint64_t)(int64_t)-(int64_t)(draw() % 200);
	case 12: return draw() % 64;
	case 13: return (uint64_t)1 << (draw() % 64);
	case 14: return INT64_MAX;
	default: return draw();
	}
}

static void call_wildly(long number)
{
	uint8_t *page =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED) {
		return;
	}
	munmap(page + 4096, 4096);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t values[6];

		for (int k = 0; k < 64; k++) {
			page[draw() % 4096] = (uint8_t)draw();
		}
		for (int k = 0; k < 6; k++) {
			values[k] = wild_value(page);
		}
		syscall(number, values[0], values[1], values[2], values[3], values[4], values[5]);
	}
}

/* How the child that made these calls has ended: a wait status, or -1 if it had to be stopped. */
static int run_number(long number, uint64_t seed)
{
	int status = 0;
	pid_t child = fork();

	if (child < 0) {
		return 0;
	}
	if (child == 0) {
		state = (seed + (uint64_t)number + 1) * 0x9e3779b97f4a7c15;
		setpgid(0, 0);
		close(0);
		close(1);
		close(2);
		call_wildly(number);
		_exit(0);
	}
	for (int waited_us = 0; waited_us < LIMIT_US; waited_us += 1000) {
		if (waitpid(child, &status, WNOHANG) == child) {
			return status;
		}
		usleep(1000);
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return -1;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	long first = argc > 2 ? strtol(argv[2], NULL, 0) : 0;
	long last = argc > 3 ? strtol(argv[3], NULL, 0) : NUMBER_LAST;
	int n_called = 0, n_signalled = 0, n_stopped = 0;

	signal(SIGHUP, SIG_IGN);
	for (long number = first; number <= last; number++) {
		if (is_left_out(number)) {
			continue;
		}
		int status = run_number(number, seed);
		n_called++;
		if (status == -1) {
			n_stopped++;
		} else if (WIFSIGNALED(status)) {
			n_signalled++;
		}
	}
	printf("%d calls, %d signalled, %d stopped\n", n_called, n_signalled, n_stopped);
	return 0;
}
