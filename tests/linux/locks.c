/* SPDX-License-Identifier: MIT */
/* File locks: POSIX, of open files, flock; circles of waiters, and what /proc says of locks. */
#include "check.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

static void enter(void)
{
	char root[] = "locks-XXXXXX";

	if (!mkdtemp(root) || chdir(root)) {
		check_fail(__LINE__, "mkdtemp", 0);
	}
}

static int set_lock(int fd, int command, short type, off_t start, off_t length)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};

	return fcntl(fd, command, &lock);
}

static struct flock get_lock(int fd, int command, short type, off_t start, off_t length)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};

	CHECK_EQ(fcntl(fd, command, &lock), 0);
	return lock;
}

/* The lines of /proc/self/fdinfo that begin with "lock:". */
static int lock_lines(int fd, char *text, size_t size)
{
	char name[64], line[256];
	int n_lines = 0;

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	FILE *file = fopen(name, "r");
	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "lock:", 5)) {
			n_lines++;
			snprintf(text, size, "%s", line);
		}
	}
	fclose(file);
	return n_lines;
}

CASE(circle_of_two)
{
	int a[2], b[2];
	char c;

	enter();
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(pipe(a), 0);
	CHECK_EQ(pipe(b), 0);
	CHECK_EQ(set_lock(fd, F_SETLK, F_WRLCK, 0, 1), 0);
	pid_t child = fork();
	if (child == 0) {
		int bad = set_lock(fd, F_SETLK, F_WRLCK, 1, 1);

		write(a[1], "x", 1);
		bad |= set_lock(fd, F_SETLKW, F_WRLCK, 0, 1);
		_exit(bad != 0);
	}
	CHECK_EQ(read(a[0], &c, 1), 1);
	usleep(50000);
	CHECK_ERRNO(set_lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
	CHECK_EQ(set_lock(fd, F_SETLK, F_UNLCK, 0, 1), 0);
	int status;
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

CASE(whose_lock)
{
	enter();
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(set_lock(fd, F_SETLK, F_WRLCK, 10, 10), 0);
	CHECK_EQ(set_lock(fd, F_SETLK, F_RDLCK, 13, 2), 0);
	pid_t child = fork();
	if (child == 0) {
		struct flock lock = get_lock(fd, F_GETLK, F_WRLCK, 0, 0);
		int bad = lock.l_type != F_WRLCK || lock.l_start != 10 || lock.l_len != 3;

		bad |= lock.l_pid != getppid();
		lock = get_lock(fd, F_GETLK, F_RDLCK, 13, 2);
		bad |= lock.l_type != F_UNLCK;
		errno = 0;
		bad |= set_lock(fd, F_SETLK, F_WRLCK, 14, 1) != -1 || errno != EAGAIN;
		bad |= set_lock(fd, F_SETLK, F_RDLCK, 13, 2) != 0;
		_exit(bad);
	}
	int status;
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(close(dup(fd)), 0);
	child = fork();
	if (child == 0) {
		_exit(get_lock(fd, F_GETLK, F_WRLCK, 0, 0).l_type != F_UNLCK);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

CASE(locks_of_open_files)
{
	enter();
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	int other = open("file", O_RDWR);
	CHECK_EQ(set_lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10), 0);
	CHECK_ERRNO(set_lock(other, F_OFD_SETLK, F_RDLCK, 5, 1), EAGAIN);
	CHECK_EQ(get_lock(other, F_OFD_GETLK, F_RDLCK, 5, 1).l_pid, -1);
	CHECK_EQ(set_lock(dup(fd), F_OFD_SETLK, F_RDLCK, 0, 10), 0);
	CHECK_EQ(set_lock(other, F_OFD_SETLK, F_RDLCK, 5, 1), 0);
	struct flock lock = { .l_type = F_RDLCK, .l_pid = 1 };
	CHECK_ERRNO(fcntl(fd, F_OFD_SETLK, &lock), EINVAL);
	CHECK_ERRNO(set_lock(open("file", O_RDONLY), F_OFD_SETLK, F_WRLCK, 0, 1), EBADF);
}

CASE(flocks)
{
	enter();
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	int other = open("file", O_RDONLY);
	CHECK_EQ(flock(fd, LOCK_EX), 0);
	CHECK_ERRNO(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK_EQ(flock(fd, LOCK_SH | LOCK_NB), 0);
	CHECK_EQ(flock(other, LOCK_SH | LOCK_NB), 0);
	CHECK_ERRNO(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK_ERRNO(flock(fd, 16), EINVAL);
	CHECK_ERRNO(flock(-1, LOCK_SH), EBADF);
	CHECK_ERRNO(flock(open("file", O_PATH), LOCK_SH), EBADF);
}

CASE(conversion_that_waits_nobody)
{
	enter();
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	int other = open("file", O_RDONLY);
	CHECK_EQ(flock(fd, LOCK_SH), 0);
	CHECK_EQ(flock(other, LOCK_SH), 0);
	CHECK_ERRNO(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	/* the conversion has lost what it had */
	CHECK_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
}

CASE(told_by_proc)
{
	char text[256], expected[256];
	struct stat status;

	enter();
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(lock_lines(fd, text, sizeof(text)), 0);
	CHECK_EQ(set_lock(fd, F_SETLK, F_WRLCK, 10, 10), 0);
	CHECK_EQ(lock_lines(fd, text, sizeof(text)), 1);
	snprintf(expected, sizeof(expected), "lock:\t1: POSIX  ADVISORY  WRITE %d ", getpid());
	CHECK(!strncmp(text, expected, strlen(expected)));
	snprintf(expected, sizeof(expected), ":%lu 10 19\n", (unsigned long)status.st_ino);
	CHECK(strstr(text, expected) != NULL);
	CHECK_EQ(set_lock(fd, F_SETLK, F_UNLCK, 0, 0), 0);
	CHECK_EQ(flock(fd, LOCK_SH), 0);
	CHECK_EQ(lock_lines(fd, text, sizeof(text)), 1);
	CHECK(strstr(text, "FLOCK  ADVISORY  READ ") != NULL);
	CHECK(strstr(text, " 0 EOF\n") != NULL);
	CHECK_EQ(flock(fd, LOCK_UN), 0);
	CHECK_EQ(set_lock(fd, F_OFD_SETLK, F_WRLCK, 0, 5), 0);
	CHECK_EQ(lock_lines(fd, text, sizeof(text)), 1);
	CHECK(strstr(text, "OFDLCK ADVISORY  WRITE -1 ") != NULL);
}

CASES_MAIN()
