/* SPDX-License-Identifier: MIT */
/*
 * A process that spoils what it shares with posix for requests: scribbles over its mailbox while
 * calls are under way, sends what no shim sends. Each attempt is a child; prints how each ended,
 * and whether calls work as before. Addresses and layouts are those of protocols/posix/wire.h.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREAD_PAGE  0x7fff0004a480ul /* of the first thread */
#define QUEUE        0x7fff0004a000ul
#define HANDLE_QUEUE (*(volatile uint64_t *)(THREAD_PAGE + 272))
#define HANDLE_LANE  (*(volatile uint64_t *)(THREAD_PAGE + 280))
#define SUBMIT_TAIL  (*(volatile uint32_t *)(THREAD_PAGE + 420))
#define MAILBOX      ((volatile uint64_t *)(THREAD_PAGE + 1152))
#define N_PIECES     2 /* words of the mailbox */
#define RESULT       3
#define DATA         8
#define WORDS        (1792 / 8)
#define RING_SIZE    512
#define RECORD_SIZE  128
#define MESSAGE_SIZE 64
#define EXCHANGE     3ul
#define QUIET        4ul
#define SEND         4ul
#define DISMISS      1ul
#define BULK_IN      (1ul << 32) /* above the number of the request */
#define SYS_WRITE    1ul
#define CALL_DRIVE   51

static uint64_t state = 88172645463325252;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static long hel_drive(void)
{
	register uint64_t r10 __asm__("r10") = 0;
	uint64_t queue = HANDLE_QUEUE, flags = 0;
	long result = 0x80000000u | CALL_DRIVE;

	__asm__ volatile("syscall"
		: "+a"(result), "+D"(queue), "+S"(flags), "+r"(r10)
		: "d"(0ul)
		: "rcx", "r8", "r9", "r11", "memory");
	return (int)result;
}

/* One record; a QUIET SEND of a whole request is what the shim would submit. */
static void submit(uint64_t type, uint64_t flags, uint64_t size, const uint64_t request[5])
{
	uint32_t tail = SUBMIT_TAIL;
	volatile uint64_t *record = (volatile uint64_t *)(QUEUE + 512 + tail % RING_SIZE);
	const uint64_t words[16] = { RECORD_SIZE | EXCHANGE << 32, 0, HANDLE_LANE, 1 | flags << 32,
		type, 0, (uint64_t)&record[8], size, request[0], request[1], request[2], request[3],
		request[4] };

	for (int i = 0; i < 16; i++) {
		record[i] = words[i];
	}
	SUBMIT_TAIL = tail + RECORD_SIZE;
	__atomic_store_n((uint32_t *)(QUEUE + 64), tail + RECORD_SIZE, __ATOMIC_RELEASE);
	hel_drive();
}

static void send_request(
	uint64_t number_and_flags, uint64_t in_size, uint64_t size, uint64_t a0, uint64_t a1)
{
	const uint64_t request[5] = { number_and_flags, 7 | in_size << 32, a0, a1, a1 };

	submit(SEND, QUIET, size, request);
}

static _Noreturn void wait_for_the_end(void)
{
	for (;;) {
		__asm__ volatile("pause");
	}
}

static int send_twice(void)
{
	int ends[2];

	if (pipe(ends) != 0) {
		return 98;
	}
	/* A read that waits, and another one. */
	send_request(0, 0, MESSAGE_SIZE, (uint64_t)ends[0], 1);
	send_request(0, 0, MESSAGE_SIZE, (uint64_t)ends[0], 1);
	wait_for_the_end();
}

/* Never looks at an answer; posix may be quick enough to have given each. */
static int send_very_often(void)
{
	for (int i = 0; i < 20000; i++) {
		send_request(39, 0, MESSAGE_SIZE, 0, 0);
	}
	return 0;
}

static int send_short(void)
{
	send_request(39, 0, MESSAGE_SIZE - 8, 0, 0);
	wait_for_the_end();
}

static int dismiss(void)
{
	const uint64_t nothing[5] = { 0 };

	submit(DISMISS, 0, 0, nothing);
	wait_for_the_end();
}

static int promise_too_much(void)
{
	send_request(SYS_WRITE, 0xffffffff, MESSAGE_SIZE, 1, 8);
	wait_for_the_end();
}

static int promise_too_many_pieces(void)
{
	MAILBOX[N_PIECES] = UINT64_MAX;
	send_request(SYS_WRITE | BULK_IN, 4096, MESSAGE_SIZE, 1, 4096);
	wait_for_the_end();
}

static int promise_longer_pieces(void)
{
	MAILBOX[N_PIECES] = 2;
	MAILBOX[DATA] = QUEUE;
	MAILBOX[DATA + 1] = 4096;
	MAILBOX[DATA + 2] = QUEUE;
	MAILBOX[DATA + 3] = UINT64_MAX - 4095;
	send_request(SYS_WRITE | BULK_IN, 4096, MESSAGE_SIZE, 1, 4096);
	wait_for_the_end();
}

/* No more than a bad address: the call fails, and the next one works. */
static int name_absent_pieces(void)
{
	MAILBOX[N_PIECES] = 1;
	MAILBOX[DATA] = 0xdead0000;
	MAILBOX[DATA + 1] = 4096;
	MAILBOX[RESULT] = 1;
	send_request(SYS_WRITE | BULK_IN, 4096, MESSAGE_SIZE, 1, 4096);
	while ((int64_t)MAILBOX[RESULT] == 1) { /* the alarm ends who waits for ever */
		usleep(1000);
	}
	return (int64_t)MAILBOX[RESULT] == -14 ? 0 : 1;
}

static void *scribble_for_ever(void *unused)
{
	(void)unused;
	for (uint64_t i = draw();; i += 7) {
		MAILBOX[i % WORDS] = i % 3 == 0 ? draw() : i % 3 == 1 ? draw() >> 50 : 0;
	}
	return NULL;
}

/* All that may happen is that it ends, or that calls have strange results. */
static int scribble(void)
{
	static char bytes[65536];
	struct stat status;
	pthread_t thread;
	int file = open("/tmp/hostile-mailbox", O_RDWR | O_CREAT, 0600);

	if (pthread_create(&thread, NULL, scribble_for_ever, NULL) != 0) {
		return 98;
	}
	for (int i = 0; i < 3000; i++) {
		(void)!pwrite(file, bytes, (size_t)(draw() % sizeof(bytes)), 0);
		(void)!pread(file, bytes, (size_t)(draw() % sizeof(bytes)), 0);
		(void)!stat("/tmp/hostile-mailbox", &status);
		(void)!rename("/tmp/hostile-mailbox", "/tmp/hostile-mailbox");
	}
	_exit(0);
}

static void attempt(const char *name, int (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(10);
		_exit(run());
	}
	waitpid(pid, &status, 0);
	printf("%s %s %d\n", name, WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	fflush(stdout);
}

int main(void)
{
	struct stat status;

	attempt("send-twice", send_twice);
	attempt("send-short", send_short);
	attempt("dismiss", dismiss);
	attempt("promise-too-much", promise_too_much);
	attempt("promise-too-many-pieces", promise_too_many_pieces);
	attempt("promise-longer-pieces", promise_longer_pieces);
	attempt("name-absent-pieces", name_absent_pieces);
	attempt("send-very-often", send_very_often);
	attempt("scribble", scribble);
	unlink("/tmp/hostile-mailbox");
	puts(stat("/tmp", &status) == 0 && S_ISDIR(status.st_mode) ? "calls work" : "calls fail");
	return 0;
}
