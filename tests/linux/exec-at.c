/* SPDX-License-Identifier: MIT */
/*
 * execveat: programs relative to a folder, and without any name. The program is this one: with
 * "print" as its argument it writes how it was named and ends.
 */
#include "check.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char folder[64];

static long exec_at(int dirfd, const char *path, char *const args[], unsigned flags)
{
	static char *const environment[] = { "LEFT=right", NULL };

	return syscall(SYS_execveat, dirfd, path, args, environment, flags);
}

/* What the program that a child becomes writes, and "errno N" if it becomes none. */
static const char *told_by(int dirfd, const char *path, unsigned flags)
{
	static char text[512];
	char *const args[] = { "named", "print", NULL };
	int pipes[2], status;

	CHECK_EQ(pipe(pipes), 0);
	pid_t child = fork();

	if (child == 0) {
		dup2(pipes[1], 1);
		exec_at(dirfd, path, args, flags);
		dprintf(1, "errno %d", errno);
		_exit(1);
	}
	close(pipes[1]);
	ssize_t size = 0, n;

	while ((n = read(pipes[0], text + size, sizeof(text) - 1 - (size_t)size)) > 0) {
		size += n;
	}
	text[size] = '\0';
	close(pipes[0]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	return text;
}

/* A copy of this program in @fd. */
static void copy_self(int fd)
{
	char buffer[65536];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	CHECK(from >= 0);
	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		CHECK_EQ(write(fd, buffer, (size_t)n), n);
	}
	CHECK_EQ(n, 0);
	close(from);
}

/* A folder with the program, a link to it and a script that names it. */
static int enter_folder(void)
{
	char script[128];

	snprintf(folder, sizeof(folder), "/tmp/exec-at.%d", (int)getpid());
	CHECK_EQ(mkdir(folder, 0755), 0);
	int dirfd = open(folder, O_RDONLY | O_DIRECTORY);
	int fd = openat(dirfd, "program", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	CHECK(dirfd >= 0 && fd >= 0);
	copy_self(fd);
	close(fd);
	CHECK_EQ(symlinkat("program", dirfd, "link"), 0);
	fd = openat(dirfd, "script", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	snprintf(script, sizeof(script), "#!%s/program print\n", folder);
	CHECK_EQ(write(fd, script, strlen(script)), strlen(script));
	close(fd);
	return dirfd;
}

static void leave_folder(int dirfd)
{
	static const char *const names[] = { "program", "link", "script" };

	for (size_t i = 0; i < 3; i++) {
		CHECK_EQ(unlinkat(dirfd, names[i], 0), 0);
	}
	CHECK_EQ(rmdir(folder), 0);
	close(dirfd);
}

static const char *expected(const char *first, const char *second, int fd, const char *name)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s %s /dev/fd/%d%s right\n", first, second, fd, name);
	return text;
}

CASE(execveat_starts_at_a_folder)
{
	char path[96], want[256];
	int dirfd = enter_folder();

	snprintf(path, sizeof(path), "%s/program", folder);
	snprintf(want, sizeof(want), "named print %s right\n", path);
	CHECK(strcmp(told_by(-1, path, 0), want) == 0);
	CHECK(strcmp(told_by(AT_FDCWD, path, 0), want) == 0);
	const char *told = told_by(dirfd, "program", 0);

	CHECK(strcmp(told, expected("named", "print", dirfd, "/program")) == 0);
	told = told_by(dirfd, "link", 0);
	CHECK(strcmp(told, expected("named", "print", dirfd, "/link")) == 0);
	leave_folder(dirfd);
}

CASE(execveat_runs_a_descriptor)
{
	int dirfd = enter_folder();
	int fd = openat(dirfd, "program", O_RDONLY | O_CLOEXEC);
	int place = openat(dirfd, "program", O_PATH);

	CHECK(strcmp(told_by(fd, "", AT_EMPTY_PATH), expected("named", "print", fd, "")) == 0);
	CHECK(strcmp(told_by(place, "", AT_EMPTY_PATH), expected("named", "print", place, "")) ==
		0);
	CHECK(strcmp(told_by(fd, "", 0), "errno 2") == 0);
	CHECK(strcmp(told_by(fd, "program", 0), "errno 20") == 0);
	CHECK(strcmp(told_by(dirfd, "", AT_EMPTY_PATH), "errno 13") == 0);
	CHECK(strcmp(told_by(-1, "", AT_EMPTY_PATH), "errno 9") == 0);
	close(fd);
	close(place);
	leave_folder(dirfd);
}

CASE(execveat_runs_a_memfd)
{
	int fd = memfd_create("program", MFD_CLOEXEC);

	CHECK(fd >= 0);
	copy_self(fd);
	CHECK_EQ(fchmod(fd, 0755), 0);
	CHECK(strcmp(told_by(fd, "", AT_EMPTY_PATH), expected("named", "print", fd, "")) == 0);
	close(fd);
}

CASE(execveat_follows_scripts_of_open_descriptors)
{
	char want[256];
	int dirfd = enter_folder();
	int fd = openat(dirfd, "script", O_RDONLY);

	snprintf(want, sizeof(want), "%s/program /dev/fd/%d /dev/fd/%d right\n", folder, fd, fd);
	CHECK(strcmp(told_by(fd, "", AT_EMPTY_PATH), want) == 0);
	snprintf(want, sizeof(want), "%s/program /dev/fd/%d/script /dev/fd/%d/script right\n",
		folder, dirfd, dirfd);
	CHECK(strcmp(told_by(dirfd, "script", 0), want) == 0);
	CHECK_EQ(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
	CHECK(strcmp(told_by(fd, "", AT_EMPTY_PATH), "errno 2") == 0);
	CHECK_EQ(fcntl(dirfd, F_SETFD, FD_CLOEXEC), 0);
	CHECK(strcmp(told_by(dirfd, "script", 0), "errno 2") == 0);
	close(fd);
	leave_folder(dirfd);
}

CASE(execveat_refuses)
{
	char *const args[] = { "named", NULL };
	int dirfd = enter_folder();
	int link = openat(dirfd, "link", O_PATH | O_NOFOLLOW);

	CHECK_ERRNO(exec_at(dirfd, "program", args, AT_SYMLINK_FOLLOW), EINVAL);
	CHECK_ERRNO(exec_at(dirfd, "link", args, AT_SYMLINK_NOFOLLOW), ELOOP);
	CHECK_ERRNO(exec_at(link, "", args, AT_EMPTY_PATH), ELOOP);
	CHECK_ERRNO(exec_at(dirfd, "absent", args, 0), ENOENT);
	CHECK_ERRNO(exec_at(-1, "program", args, 0), EBADF);
	CHECK_ERRNO(exec_at(dirfd, (char *)8, args, 0), EFAULT);
	int fd = openat(dirfd, "program", O_WRONLY);

	CHECK_ERRNO(exec_at(dirfd, "program", args, 0), ETXTBSY);
	close(fd);
	CHECK_EQ(fchmodat(dirfd, "program", 0644, 0), 0);
	CHECK_ERRNO(exec_at(dirfd, "program", args, 0), EACCES);
	close(link);
	leave_folder(dirfd);
}

/* Before the cases: what the programs that they start do. */
__attribute__((constructor)) static void print(int argc, char **argv)
{
	const char *left = getenv("LEFT");

	if (argc > 1 && strcmp(argv[1], "print") == 0) {
		dprintf(1, "%s %s %s %s\n", argv[0], argc > 2 ? argv[2] : argv[1],
			(const char *)getauxval(AT_EXECFN), left != NULL ? left : "");
		_exit(0);
	}
}

CASES_MAIN()
