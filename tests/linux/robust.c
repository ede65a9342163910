/* SPDX-License-Identifier: MIT */
/* What random calls have found (tests/fuzz-linux): a small case for each. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void copy_file(const char *from, const char *to)
{
	static char bytes[65536];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ssize_t size;

	CHECK(in >= 0 && out >= 0);
	while ((size = read(in, bytes, sizeof(bytes))) > 0) {
		CHECK_EQ(write(out, bytes, (size_t)size), size);
	}
	close(in);
	close(out);
}

/* A program that waits until its standard input ends; it runs, or has failed to. */
static pid_t run_copy(const char *path, int *out_end)
{
	int ends[2], started[2];
	char byte;

	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(pipe2(started, O_CLOEXEC), 0);
	pid_t child = fork();

	if (child == 0) {
		dup2(ends[0], 0);
		close(ends[0]);
		close(ends[1]);
		execl(path, path, "wait", NULL);
		_exit(errno);
	}
	close(ends[0]);
	close(started[1]);
	CHECK_EQ(read(started[0], &byte, 1), 0);
	close(started[0]);
	*out_end = ends[1];
	return child;
}

CASE(a_program_that_runs_is_not_written_to)
{
	char folder[] = "/tmp/robust-XXXXXX", path[64];
	int end, status, fd;

	CHECK(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/program", folder);
	copy_file("/proc/self/exe", path);
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	pid_t child = run_copy(path, &end);

	/* somebody writes: it does not run */
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == ETXTBSY);
	close(fd);
	close(end);
	child = run_copy(path, &end);
	CHECK_ERRNO(open(path, O_RDWR), ETXTBSY);
	CHECK_ERRNO(truncate(path, 0), ETXTBSY);
	CHECK_ERRNO(open(path, O_WRONLY | O_TRUNC), ETXTBSY);
	CHECK_ERRNO(open(path, O_RDONLY | O_TRUNC), ETXTBSY);
	CHECK_EQ(close(open(path, O_RDONLY)), 0);
	close(end);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 77);
	CHECK_EQ(truncate(path, 10), 0);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(rmdir(folder), 0);
}

/* The server must not look for a size that is large enough for ever. */
CASE(a_mapping_may_not_end_beyond_all_files)
{
	int fd = memfd_create("map", 0);
	off_t last = 0x7ffffffffffff000;

	CHECK_EQ(ftruncate(fd, 4096), 0);
	CHECK(mmap(NULL, 20480, PROT_READ, MAP_SHARED, fd, last) == MAP_FAILED);
	CHECK_EQ(errno, EOVERFLOW);
	CHECK(mmap(NULL, 20480, PROT_READ, MAP_PRIVATE, fd, last) == MAP_FAILED);
	CHECK_EQ(errno, EOVERFLOW);
	CHECK(mmap(NULL, ~0xfffful, PROT_READ, MAP_PRIVATE, fd, 4096) == MAP_FAILED);
	close(fd);
}

/* Nor go through all pages of a sparse file. */
CASE(a_large_hole_costs_what_is_in_it)
{
	int fd = memfd_create("hole", 0);
	off_t end = (off_t)1 << 38;
	char byte = 1;

	CHECK_EQ(pwrite(fd, "begin", 5, 0), 5);
	CHECK_EQ(pwrite(fd, "middle", 6, end / 2 + 100), 6);
	CHECK_EQ(pwrite(fd, "end", 3, end), 3);
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, end - 4096), 0);
	CHECK_EQ(pread(fd, &byte, 1, end / 2 + 101), 1);
	CHECK_EQ(byte, 0);
	CHECK_EQ(pread(fd, &byte, 1, 2), 1);
	CHECK_EQ(byte, 0);
	CHECK_EQ(pread(fd, &byte, 1, 1), 1);
	CHECK_EQ(byte, 'e');
	CHECK_EQ(pread(fd, &byte, 1, end), 1);
	CHECK_EQ(byte, 'e');
	close(fd);
}

static ssize_t send_descriptor(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec vector = { &byte, 1 };
	struct msghdr message = { .msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, MSG_DONTWAIT);
}

/* Each user has a limit of descriptors that nobody has received yet. */
static int send_too_many(uid_t uid)
{
	struct rlimit limit = { 20, 20 };
	int ends[2], n = 0;
	char byte;

	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid) ||
		socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) || setrlimit(RLIMIT_NOFILE, &limit)) {
		return 100;
	}
	while (n < 50 && send_descriptor(ends[0], 0) == 1) {
		n++;
	}
	if (errno != ETOOMANYREFS || read(ends[1], &byte, 1) != 1 ||
		send_descriptor(ends[0], 0) != 1) {
		return 101;
	}
	return n;
}

CASE(descriptors_on_their_way_are_limited)
{
	for (uid_t uid = 54321; uid < 54323; uid++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			_exit(send_too_many(uid));
		}
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK(WIFEXITED(status));
		CHECK_EQ(WEXITSTATUS(status), 21);
	}
}

int main(int argc, char **argv)
{
	char byte;

	if (argc == 2 && strcmp(argv[1], "wait") == 0) {
		return read(0, &byte, 1) == 0 ? 77 : 1;
	}
	return check_main(argc, argv);
}
