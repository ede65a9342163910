/* SPDX-License-Identifier: MIT */
/*
 * A process that spoils what posix shares with it for reads without requests (views): scribbles
 * over its process page, writes to what it may only read, unmaps it. Each attempt is a child;
 * prints how each ended, and whether the file that they all read is as before. The addresses are
 * those of protocols/posix/wire.h and views.h.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE         4096
#define PROCESS_PAGE 0x7fff00049000ul /* of the first thread's slot */
#define VIEWS        0x7fff4a000000ul
#define VIEWS_SIZE   (3 * PAGE)
#define WINDOWS      0x7fff4a010000ul
#define WINDOWS_SIZE 0x85ff0000ul

static int fd, zero;
static char bytes[PAGE];

static long hel_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	register uint64_t r10 __asm__("r10") = a3;
	long result = 0x80000000u | number;

	__asm__ volatile("syscall"
		: "+a"(result), "+D"(a0), "+S"(a1), "+d"(a2), "+r"(r10)
		:
		: "rcx", "r8", "r9", "r11", "memory");
	return (int)result;
}

static long unmap(uint64_t address, uint64_t size)
{
	return hel_call(22, UINT64_MAX, address, size, 0);
}

static long make_writable(uint64_t address, uint64_t size)
{
	return hel_call(23, UINT64_MAX, address, size, 3);
}

static int reads_well(void)
{
	for (int i = 0; i < 30; i++) {
		memset(bytes, 0, sizeof(bytes));
		if (pread(fd, bytes, PAGE, 0) != PAGE || bytes[0] != 'a' ||
			bytes[PAGE - 1] != 'a' || lseek(fd, 0, SEEK_SET) != 0 ||
			read(zero, bytes, 1) != 1) {
			return 0;
		}
	}
	return 1;
}

/* All that may happen is that it ends. */
static int scribble(void)
{
	volatile uint64_t *words = (uint64_t *)PROCESS_PAGE;
	uint64_t state = 88172645463325252;
	int own = open("/tmp/hostile-own", O_RDWR | O_CREAT, 0600);
	struct stat stat;

	for (int i = 0; i < 2000; i++) {
		for (int k = PAGE / 16; k < PAGE / 8; k++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			words[k] = i % 3 == 0 ? state : i % 3 == 1 ? state >> 20 : words[k] + 1;
		}
		(void)!read(fd, bytes, 100);
		lseek(fd, i, SEEK_CUR);
		(void)!pread(fd, bytes, PAGE, 0);
		if (pwrite(own, bytes, PAGE, 0) != PAGE || fstat(own, &stat) != 0 ||
			stat.st_size != PAGE || stat.st_mtime > time(NULL)) {
			return 1;
		}
		if (i % 100 == 0) {
			close(dup(fd));
		}
	}
	return 0;
}

static int write_to_table(void)
{
	*(volatile uint64_t *)VIEWS = 1;
	return 0;
}

static int write_to_window(void)
{
	*(volatile char *)WINDOWS = 'x';
	return 0;
}

static int allow_writes(void)
{
	return make_writable(VIEWS, PAGE) != 0 && make_writable(WINDOWS, PAGE) != 0 ? 0 : 1;
}

static int unmap_windows(void)
{
	return unmap(WINDOWS, WINDOWS_SIZE) == 0 && reads_well() ? 0 : 1;
}

static int unmap_table(void)
{
	unmap(VIEWS, VIEWS_SIZE);
	return reads_well();
}

static void attempt(const char *name, int (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fd = open("/tmp/hostile-views", O_RDWR);
		zero = open("/dev/zero", O_RDONLY);
		alarm(20);
		_exit(reads_well() ? run() : 99);
	}
	waitpid(pid, &status, 0);
	printf("%s %s %d\n", name, WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	fflush(stdout);
}

int main(void)
{
	fd = open("/tmp/hostile-views", O_RDWR | O_CREAT | O_TRUNC, 0600);
	zero = open("/dev/zero", O_RDONLY);
	memset(bytes, 'a', sizeof(bytes));
	(void)!write(fd, bytes, sizeof(bytes));
	if (!reads_well()) {
		return 1;
	}
	attempt("scribble", scribble);
	attempt("write-to-table", write_to_table);
	attempt("write-to-window", write_to_window);
	attempt("allow-writes", allow_writes);
	attempt("unmap-windows", unmap_windows);
	attempt("unmap-table", unmap_table);
	puts(reads_well() ? "file whole" : "file spoiled");
	return unlink("/tmp/hostile-views");
}
