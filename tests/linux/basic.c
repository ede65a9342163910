/* SPDX-License-Identifier: MIT */
/* What every program relies on: arguments, environment, ids, files, pipes, memory, time. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>

CASE(unknown_call_is_enosys)
{
	CHECK_ERRNO(syscall(100000), ENOSYS);
	CHECK_ERRNO(syscall(-5), ENOSYS);
}

CASE(ids_are_consistent)
{
	CHECK_EQ(getpid(), syscall(SYS_getpid));
	CHECK_EQ(getuid(), geteuid());
	CHECK(getppid() > 0);
	CHECK(getpid() > 1);
	CHECK_EQ(syscall(SYS_gettid), getpid());
}

CASE(uname_says_linux)
{
	struct utsname name;

	CHECK_EQ(uname(&name), 0);
	CHECK(strcmp(name.sysname, "Linux") == 0);
	CHECK(strcmp(name.machine, "x86_64") == 0);
}

CASE(pipe_carries_bytes)
{
	int ends[2];
	char buffer[16];

	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(write(ends[1], "hello", 5), 5);
	CHECK_EQ(read(ends[0], buffer, sizeof(buffer)), 5);
	CHECK(memcmp(buffer, "hello", 5) == 0);
	close(ends[1]);
	CHECK_EQ(read(ends[0], buffer, sizeof(buffer)), 0);
}

CASE(broken_pipe_signals)
{
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	close(ends[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO(write(ends[1], "x", 1), EPIPE);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		signal(SIGPIPE, SIG_DFL);
		(void)!write(ends[1], "x", 1);
		_exit(0);
	}
	int status = 0;
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGPIPE);
}

CASE(file_keeps_contents)
{
	char path[] = "/tmp/check-XXXXXX";
	char buffer[8192];
	struct stat status;

	int fd = mkstemp(path);
	CHECK(fd >= 0);
	for (size_t i = 0; i < sizeof(buffer); i++) {
		buffer[i] = (char)(i * 7);
	}
	CHECK_EQ(write(fd, buffer, sizeof(buffer)), sizeof(buffer));
	CHECK_EQ(lseek(fd, 4095, SEEK_SET), 4095);
	char byte = 0;
	CHECK_EQ(read(fd, &byte, 1), 1);
	CHECK_EQ(byte, (char)(4095 * 7));
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_size, sizeof(buffer));
	CHECK(S_ISREG(status.st_mode));
	CHECK_EQ(unlink(path), 0);
	CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
	CHECK_EQ(close(fd), 0);
	CHECK_ERRNO(close(fd), EBADF);
}

CASE(anonymous_memory_is_zero)
{
	size_t size_bytes = 1 << 20;
	unsigned char *memory =
		mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	for (size_t i = 0; i < size_bytes; i += 4096) {
		CHECK_EQ(memory[i], 0);
		memory[i] = 1;
	}
	CHECK_EQ(munmap(memory, size_bytes), 0);
}

CASE(memory_is_copied_by_fork)
{
	volatile int value = 1;
	int status = 0;

	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		value = 2;
		_exit(value);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 2);
	CHECK_EQ(value, 1);
}

CASE(bad_pointers_are_efault)
{
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	CHECK_ERRNO(write(ends[1], (void *)8, 16), EFAULT);
	CHECK_ERRNO(syscall(SYS_open, (void *)8, O_RDONLY), EFAULT);
	CHECK_ERRNO(syscall(SYS_uname, (void *)-4096), EFAULT);
	CHECK_ERRNO(syscall(SYS_pipe, NULL), EFAULT);
}

CASE(bad_descriptors_are_ebadf)
{
	char byte;

	CHECK_ERRNO(read(-1, &byte, 1), EBADF);
	CHECK_ERRNO(write(1000, &byte, 1), EBADF);
	CHECK_ERRNO(lseek(999, 0, SEEK_SET), EBADF);
	CHECK_ERRNO(dup(-2), EBADF);
	CHECK_ERRNO(fcntl(500, F_GETFD), EBADF);
}

CASE(time_goes_on)
{
	struct timespec before, after, pause = { 0, 20 * 1000 * 1000 };

	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &before), 0);
	CHECK_EQ(nanosleep(&pause, NULL), 0);
	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &after), 0);
	long passed_ns =
		(after.tv_sec - before.tv_sec) * 1000000000L + (after.tv_nsec - before.tv_nsec);
	CHECK(passed_ns >= pause.tv_nsec);
	CHECK(time(NULL) > 1600000000);
}

static volatile sig_atomic_t n_caught;

static void count_signal(int number)
{
	(void)number;
	n_caught++;
}

CASE(handler_runs_and_returns)
{
	signal(SIGUSR1, count_signal);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(n_caught, 1);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(n_caught, 2);
}

CASES_MAIN()
