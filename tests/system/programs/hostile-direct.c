/* SPDX-License-Identifier: MIT */
/*
 * A process that spoils what it shares with posix and a file server for direct transfers, of the
 * disk in argv[1]: scribbles over the memory and rings, unmaps it, keeps a copy of what it submits
 * with and uses that after it has closed the disk, or may not write to it any more, also with what
 * it has lent. Each attempt is a child; prints how each ended, and whether the part of the disk that
 * nobody was to write to is as before. Addresses and layouts are those of protocols/posix/views.h
 * and protocols/fs/direct.h.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLKROSET            0x125d
#define PAGE                4096
#define VIEWS               0x7fff4a000000ul
#define DIRECTS             0x7fffe0000000ul
#define UNIT                0x8000
#define LENT                0x100000 /* bytes that a long transfer has the server borrow */
#define DATA                0x2000
#define TREASURE            (4 << 20) /* where nobody is to write */
#define SYSCALL_EVENT_RAISE 71
#define SYSCALL_SPACE_UNMAP 22

struct slot {
	_Atomic uint64_t offset;
	_Atomic uint32_t length, flags;
	_Atomic uint32_t state;
	_Atomic int32_t error;
	_Atomic uint32_t n_bytes;
	_Atomic uint32_t loan;
	_Atomic uint64_t loan_offset;
	uint64_t padding[3];
};

static const char *disk;
static int fd;
static uint64_t event;
static _Alignas(PAGE) uint8_t bytes[PAGE], lent[LENT];
static _Atomic uint64_t *const words = (_Atomic uint64_t *)DIRECTS;
static struct slot *const slots = (struct slot *)(DIRECTS + PAGE);

static long hel_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2)
{
	long result = 0x80000000u | number;

	__asm__ volatile("syscall"
		: "+a"(result), "+D"(a0), "+S"(a1), "+d"(a2)
		:
		: "rcx", "r8", "r9", "r10", "r11", "memory");
	return (int)result;
}

static uint64_t next_random(void)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* The view of the descriptor, if it is one of direct transfers: where the event is. */
static int learn(void)
{
	uint64_t entry = ((volatile uint64_t *)VIEWS)[fd % 512];
	volatile uint64_t *view = (volatile uint64_t *)(VIEWS + PAGE + (entry >> 8 & 0xff) * 256);

	if ((entry & 0xf) != 5 || view[18] != DIRECTS) {
		return 0;
	}
	event = view[19];
	return 1;
}

/* The number of what was lent first, 0: nothing was. */
static uint32_t loan(void)
{
	return (uint32_t)words[19];
}

/* Has the server borrow some memory. */
static void lend(void)
{
	for (int i = 0; i < 50 && loan() == 0; i++) {
		(void)!pread(fd, lent, LENT, 0);
		usleep(2000);
	}
}

static int open_warm(void)
{
	fd = open(disk, O_RDWR | O_DIRECT);
	for (int i = 0; i < 200; i++) {
		if (pread(fd, bytes, PAGE, 0) != PAGE) {
			return 0;
		}
		if (i > 10) {
			usleep(2000);
			if (*(volatile uint64_t *)VIEWS != 0 || i > 30) {
				break;
			}
		}
	}
	for (int i = 0; i < 50; i++) {
		if (pread(fd, bytes, PAGE, 0) == PAGE && learn()) {
			lend();
			return 1;
		}
		usleep(10000);
	}
	return 0;
}

static int is_alive(void)
{
	int other = open(disk, O_RDWR | O_DIRECT);
	int is_well = pread(other, bytes, PAGE, TREASURE) == PAGE;

	for (int i = 0; i < PAGE; i++) {
		is_well = is_well && bytes[i] == 'T';
	}
	close(other);
	return is_well;
}

static void ring(void)
{
	hel_call(SYSCALL_EVENT_RAISE, event, (uint32_t)next_random() | 1, 0);
}

/* Any values anywhere but lengths and offsets that would hit the treasure. */
static void scribble_once(int i)
{
	uint32_t n = next_random() % 64;

	slots[n].offset = i % 5 == 0 ? next_random() : next_random() % (TREASURE - (1 << 20));
	slots[n].length = i % 3 == 0 ? (uint32_t)next_random() : 512 * (next_random() % 2100);
	if (slots[n].offset + slots[n].length > TREASURE) {
		slots[n].offset |= 1ul << 40;
	}
	slots[n].flags = i % 7 == 0 ? (uint32_t)next_random() : next_random() % 4;
	slots[n].loan = i % 6 == 0 ? (uint32_t)next_random() : next_random() % 40;
	slots[n].loan_offset = i % 6 == 1 ? next_random() : 512 * (next_random() % 2100);
	slots[n].state = i % 4 == 0 ? (uint32_t)next_random() : next_random() % 3;
	words[0] = next_random();
	words[1] = next_random() % 2;
	if (i % 16 == 0) {
		words[8 + next_random() % 504] = next_random();
	}
}

static int scribble(void)
{
	for (int i = 0; i < 20000; i++) {
		scribble_once(i);
		if (i % 8 == 0) {
			ring();
		}
	}
	close(fd);
	return 0;
}

/* The same while it reads as it should: it gets anything, and ends when it is killed. */
static int scribble_and_read(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		for (int i = 0; open_warm() && i < 30; i++) {
			scribble_once(i);
			alarm(1);
			(void)!pread(fd, bytes, PAGE, 0);
			(void)!pread(fd, lent, LENT, 0);
			close(fd);
		}
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid ? 0 : 1;
}

static int unmap(void)
{
	hel_call(SYSCALL_SPACE_UNMAP, UINT64_MAX, DIRECTS, DATA + 64 * UNIT);
	return pread(fd, bytes, PAGE, 0) == PAGE ? 0 : 1;
}

/* Submits a write past the shim, by way of a loan or not (0); 1: it was done. */
static int write_by(uint32_t number, uint64_t offset)
{
	memset((void *)(DIRECTS + DATA), 'x', PAGE);
	memset(lent, 'x', PAGE);
	words[8] = ~0ul; /* taken: so posix lets us have the memory */
	slots[0].offset = offset;
	slots[0].length = PAGE;
	slots[0].flags = number != 0 ? 3 : 1;
	slots[0].loan = number;
	slots[0].loan_offset = 0;
	slots[0].state = 1;
	words[0] |= 1;
	ring();
	for (int i = 0; i < 100 && slots[0].state == 1; i++) {
		usleep(2000);
	}
	return slots[0].state == 2 && slots[0].error == 0;
}

static int write_at(uint64_t offset)
{
	return write_by(0, offset);
}

static int write_as_it_may(void)
{
	return write_at(0);
}

static int write_what_is_lent(void)
{
	return loan() != 0 && write_by(loan(), 0) ? 1 : 0;
}

static int write_what_was_lent(void)
{
	uint32_t number = loan();

	words[8] = ~0ul;
	close(fd);
	usleep(100000);
	return number == 0 ? 2 : write_by(number, TREASURE);
}

/* Where nothing is any more, and by numbers that nobody has given. */
static int write_what_is_not_lent(void)
{
	uint32_t number = loan();
	int result = write_by(number + 1, TREASURE) || write_by(number + 16, TREASURE) ||
		write_by(UINT32_MAX, TREASURE);

	hel_call(SYSCALL_SPACE_UNMAP, UINT64_MAX, (uint64_t)lent + PAGE, PAGE);
	slots[1] = (struct slot){
		.offset = TREASURE, .length = PAGE, .flags = 3, .loan = number, .loan_offset = PAGE
	};
	slots[1].state = 1;
	words[0] |= 2;
	ring();
	usleep(100000);
	return result || (slots[1].state == 2 && slots[1].error == 0);
}

static int write_after_close(void)
{
	words[8] = ~0ul;
	close(fd);
	usleep(100000); /* close() does not wait for the server */
	return write_at(TREASURE);
}

static int write_after_replacing(void)
{
	words[8] = ~0ul;
	dup2(0, fd);
	usleep(100000);
	return write_at(TREASURE);
}

static int write_what_is_read_only(void)
{
	int yes = 1, no = 0;

	words[8] = ~0ul;
	if (ioctl(fd, BLKROSET, &yes) != 0) {
		return 2;
	}
	int result = write_at(TREASURE);

	ioctl(fd, BLKROSET, &no);
	return result;
}

/* Who may only read asks the server to write. */
static int write_by_reading(void)
{
	close(fd);
	usleep(100000);
	fd = open(disk, O_RDONLY | O_DIRECT);
	for (int i = 0; i < 60 && !learn(); i++) {
		(void)!pread(fd, bytes, PAGE, 0);
		usleep(2000);
	}
	return learn() ? write_at(TREASURE) : 3;
}

static void attempt(const char *name, int (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(60);
		_exit(open_warm() ? run() : 99);
	}
	waitpid(pid, &status, 0);
	printf("%s %s %d, %s\n", name, WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		is_alive() ? "whole" : "spoiled");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	disk = argc > 1 ? argv[1] : "/dev/vda";
	fd = open(disk, O_RDWR | O_DIRECT);
	memset(bytes, 'T', sizeof(bytes));
	if (pwrite(fd, bytes, PAGE, TREASURE) != PAGE) {
		return 1;
	}
	close(fd);
	attempt("scribble", scribble);
	attempt("scribble-and-read", scribble_and_read);
	attempt("unmap", unmap);
	attempt("write-as-it-may", write_as_it_may);
	attempt("write-what-is-lent", write_what_is_lent);
	attempt("write-what-was-lent", write_what_was_lent);
	attempt("write-what-is-not-lent", write_what_is_not_lent);
	attempt("write-after-close", write_after_close);
	attempt("write-after-replacing", write_after_replacing);
	attempt("write-what-is-read-only", write_what_is_read_only);
	attempt("write-by-reading", write_by_reading);
	return 0;
}
