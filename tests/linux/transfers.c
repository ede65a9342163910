/* SPDX-License-Identifier: MIT */
/* Moving bytes: vectors with positions, copy_file_range, sendfile, splice, tee, vmsplice. */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static char text[100000];

/* A fresh folder, and we in it. */
static void enter(void)
{
	char root[] = "transfers-XXXXXX";

	if (!mkdtemp(root) || chdir(root)) {
		check_fail(__LINE__, "mkdtemp", 0);
	}
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = (char)(i * 7 + i / 256);
	}
}

static int make(const char *name, size_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0666);

	CHECK_EQ(write(fd, text, size), size);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static bool has(int fd, size_t at, size_t from, size_t size)
{
	static char buffer[100000];

	return pread(fd, buffer, size, (off_t)at) == (ssize_t)size &&
		!memcmp(buffer, text + from, size);
}

/* ---- vectors ------------------------------------------------------------------------------- */

CASE(vectors_with_positions)
{
	char a[10], b[20];
	struct iovec vector[2] = { { a, 10 }, { b, 20 } };
	int fds[2];

	enter();
	int fd = make("file", 1000);
	CHECK_EQ(preadv(fd, vector, 2, 100), 30);
	CHECK(!memcmp(a, text + 100, 10) && !memcmp(b, text + 110, 20));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_EQ(preadv(fd, vector, 2, 985), 15);
	CHECK_EQ(preadv(fd, vector, 0, 985), 0);
	CHECK_ERRNO(preadv(fd, vector, 2, -2), EINVAL);
	CHECK_ERRNO(preadv(fd, vector, -1, 0), EINVAL);
	memcpy(a, "0123456789", 10);
	memset(b, 'b', 20);
	CHECK_EQ(pwritev(fd, vector, 2, 500), 30);
	memcpy(text + 500, a, 10);
	memcpy(text + 510, b, 20);
	CHECK(has(fd, 0, 0, 1000));
	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(preadv(fds[0], vector, 2, 0), ESPIPE);
	CHECK_ERRNO(pwritev(fds[1], vector, 2, 0), ESPIPE);
	CHECK_ERRNO(pwritev(open("file", O_RDONLY), vector, 2, 0), EBADF);
	CHECK_ERRNO(preadv(-1, vector, 2, 0), EBADF);
	struct iovec bad = { (void *)8, 10 };
	CHECK_ERRNO(preadv(fd, &bad, 1, 0), EFAULT);
	CHECK_ERRNO(pwritev(fd, &bad, 1, 0), EFAULT);
	struct iovec large[2] = { { text, 60000 }, { text + 60000, 40000 } };
	CHECK_EQ(pwritev(fd, large, 2, 10), 100000);
	CHECK(has(fd, 10, 0, 100000));
}

CASE(vectors_with_flags)
{
	char a[10];
	struct iovec vector = { a, 10 };
	struct stat status;

	enter();
	int fd = make("file", 100);
	CHECK_EQ(preadv2(fd, &vector, 1, -1, 0), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	CHECK_EQ(preadv2(fd, &vector, 1, 5, RWF_HIPRI), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	CHECK_ERRNO(preadv2(fd, &vector, 1, 0, 0x40000000), EOPNOTSUPP);
	CHECK_ERRNO(pwritev2(fd, &vector, 1, 0, 0x40000000), EOPNOTSUPP);
	CHECK_ERRNO(preadv2(fd, &vector, 1, -2, 0), EINVAL);
	CHECK_EQ(pwritev2(fd, &vector, 1, 0, RWF_SYNC | RWF_DSYNC), 10);
	CHECK_EQ(pwritev2(fd, &vector, 1, 0, RWF_APPEND), 10);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_size, 110);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	CHECK_EQ(pwritev2(fd, &vector, 1, -1, RWF_APPEND), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 120);
}

/* ---- copy_file_range ----------------------------------------------------------------------- */

CASE(copied_range)
{
	loff_t from = 100, to = 5;
	struct stat status;

	enter();
	int in = make("in", 50000);
	int out = make("out", 0);
	CHECK_EQ(copy_file_range(in, NULL, out, NULL, 60000, 0), 50000);
	CHECK(has(out, 0, 0, 50000));
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 50000);
	CHECK_EQ(lseek(out, 0, SEEK_CUR), 50000);
	CHECK_EQ(copy_file_range(in, NULL, out, NULL, 60000, 0), 0);
	CHECK_EQ(copy_file_range(in, &from, out, &to, 10, 0), 10);
	CHECK_EQ(from, 110);
	CHECK_EQ(to, 15);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 50000);
	CHECK(has(out, 5, 100, 10));
	from = 0;
	to = 70000;
	CHECK_EQ(copy_file_range(in, &from, in, &to, 50000, 0), 50000);
	CHECK(has(in, 70000, 0, 50000));
	CHECK_EQ(fstat(in, &status), 0);
	CHECK_EQ(status.st_size, 120000);
	CHECK_EQ(copy_file_range(in, &from, out, &to, 0, 0), 0);
}

CASE(refused_range)
{
	loff_t from = 0, to = 10, negative = -5, huge = INT64_MAX;
	int fds[2];

	enter();
	int in = make("in", 100);
	int out = make("out", 0);
	int end = open("out", O_WRONLY | O_APPEND);
	CHECK_ERRNO(copy_file_range(in, NULL, out, NULL, 1, 1), EINVAL);
	CHECK_ERRNO(copy_file_range(-1, NULL, out, NULL, 1, 0), EBADF);
	CHECK_ERRNO(copy_file_range(in, NULL, end, NULL, 1, 0), EBADF);
	CHECK_ERRNO(copy_file_range(end, NULL, out, NULL, 1, 0), EBADF);
	CHECK_ERRNO(copy_file_range(in, NULL, open("out", O_RDONLY), NULL, 1, 0), EBADF);
	CHECK_ERRNO(copy_file_range(open(".", O_RDONLY), NULL, out, NULL, 1, 0), EISDIR);
	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(copy_file_range(in, NULL, fds[1], NULL, 1, 0), EINVAL);
	CHECK_ERRNO(copy_file_range(fds[0], NULL, out, NULL, 1, 0), EINVAL);
	CHECK_ERRNO(copy_file_range(in, &from, in, &to, 20, 0), EINVAL);
	CHECK_ERRNO(copy_file_range(in, &negative, out, &to, 1, 0), EINVAL);
	CHECK_EQ(copy_file_range(in, &huge, out, &to, 10, 0), 0);
	CHECK_ERRNO(copy_file_range(in, (loff_t *)8, out, &to, 10, 0), EFAULT);
}

/* ---- sendfile ------------------------------------------------------------------------------ */

CASE(sent_file)
{
	off_t from = 10, negative = -1;
	char buffer[100];
	int fds[2];

	enter();
	int in = make("in", 1000);
	int out = make("out", 0);
	CHECK_EQ(sendfile(out, in, &from, 500), 500);
	CHECK_EQ(from, 510);
	CHECK(has(out, 0, 10, 500));
	CHECK_EQ(sendfile(out, in, NULL, 100), 100);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 100);
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(sendfile(fds[1], in, NULL, 100), 100);
	CHECK_EQ(read(fds[0], buffer, 100), 100);
	CHECK(!memcmp(buffer, text + 100, 100));
	CHECK_ERRNO(sendfile(out, fds[0], NULL, 1), EINVAL);
	CHECK_ERRNO(sendfile(out, fds[0], &from, 1), ESPIPE);
	CHECK_ERRNO(sendfile(out, in, &negative, 1), EINVAL);
	CHECK_ERRNO(sendfile(open("out", O_WRONLY | O_APPEND), in, NULL, 1), EINVAL);
	CHECK_ERRNO(sendfile(out, open("out", O_WRONLY), NULL, 1), EBADF);
	CHECK_ERRNO(sendfile(open("in", O_RDONLY), in, NULL, 1), EBADF);
	CHECK_ERRNO(sendfile(out, open(".", O_RDONLY), NULL, 1), EINVAL);
}

/* ---- splice, tee, vmsplice ----------------------------------------------------------------- */

CASE(spliced)
{
	loff_t from = 10, to = 3;
	char buffer[3000];
	int a[2], b[2];

	enter();
	CHECK_EQ(pipe(a), 0);
	CHECK_EQ(pipe(b), 0);
	int in = make("in", 3000);
	int out = make("out", 0);
	CHECK_EQ(splice(in, &from, a[1], NULL, 1000, 0), 1000);
	CHECK_EQ(from, 1010);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 0);
	CHECK_EQ(splice(a[0], NULL, b[1], NULL, 600, SPLICE_F_MOVE), 600);
	CHECK_EQ(splice(b[0], NULL, out, NULL, 9999, SPLICE_F_MORE), 600);
	CHECK(has(out, 0, 10, 600));
	CHECK_EQ(lseek(out, 0, SEEK_CUR), 600);
	CHECK_EQ(splice(a[0], NULL, out, &to, 9999, 0), 400);
	CHECK_EQ(to, 403);
	CHECK(has(out, 3, 610, 400));
	CHECK_EQ(splice(in, NULL, a[1], NULL, 3000, 0), 3000);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 3000);
	CHECK_EQ(splice(in, NULL, a[1], NULL, 3000, 0), 0);
	CHECK_EQ(read(a[0], buffer, 3000), 3000);
	CHECK(!memcmp(buffer, text, 3000));
	close(a[1]);
	CHECK_EQ(splice(a[0], NULL, out, NULL, 10, 0), 0);
	CHECK_EQ(splice(a[0], NULL, b[1], NULL, 10, 0), 0);
}

CASE(splices_refused)
{
	loff_t offset = 0, negative = -1;
	int a[2], b[2];

	enter();
	CHECK_EQ(pipe(a), 0);
	CHECK_EQ(pipe(b), 0);
	int in = make("in", 100);
	CHECK_ERRNO(splice(in, NULL, a[1], NULL, 1, 16), EINVAL);
	CHECK_EQ(splice(in, NULL, a[1], NULL, 0, 16), 0);
	CHECK_ERRNO(splice(in, NULL, in, NULL, 1, 0), EINVAL);
	CHECK_ERRNO(splice(-1, NULL, a[1], NULL, 1, 0), EBADF);
	CHECK_ERRNO(splice(in, NULL, a[0], NULL, 1, 0), EBADF);
	CHECK_ERRNO(splice(a[1], NULL, in, NULL, 1, 0), EBADF);
	CHECK_ERRNO(splice(a[0], NULL, a[1], NULL, 1, 0), EINVAL);
	CHECK_ERRNO(splice(a[0], &offset, in, NULL, 1, 0), ESPIPE);
	CHECK_ERRNO(splice(in, NULL, a[1], &offset, 1, 0), ESPIPE);
	CHECK_ERRNO(splice(a[0], &offset, b[1], NULL, 1, 0), ESPIPE);
	CHECK_ERRNO(splice(in, &negative, a[1], NULL, 1, 0), EINVAL);
	CHECK_EQ(write(a[1], "x", 1), 1);
	CHECK_ERRNO(splice(a[0], NULL, open("in", O_WRONLY | O_APPEND), NULL, 1, 0), EINVAL);
	CHECK_ERRNO(splice(b[0], NULL, in, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_ERRNO(splice(b[0], NULL, a[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	signal(SIGPIPE, SIG_IGN);
	close(b[0]);
	CHECK_ERRNO(splice(in, NULL, b[1], NULL, 1, 0), EPIPE);
	CHECK_EQ(fcntl(a[1], F_SETFL, O_NONBLOCK), 0);
	while (write(a[1], text, 4096) > 0 || write(a[1], text, 1) > 0) {
	}
	CHECK_ERRNO(splice(in, NULL, a[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
}

/* A reader and a writer that each wait for the other side. */
CASE(splice_waits)
{
	char buffer[10];
	int a[2], b[2], status;

	enter();
	CHECK_EQ(pipe(a), 0);
	CHECK_EQ(pipe(b), 0);
	pid_t child = fork();
	if (child == 0) {
		_exit(splice(a[0], NULL, b[1], NULL, 10, 0) != 5);
	}
	usleep(20000);
	CHECK_EQ(write(a[1], "hello", 5), 5);
	CHECK_EQ(read(b[0], buffer, 10), 5);
	CHECK(!memcmp(buffer, "hello", 5));
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

CASE(teed)
{
	char buffer[100];
	int a[2], b[2];

	enter();
	CHECK_EQ(pipe(a), 0);
	CHECK_EQ(pipe(b), 0);
	CHECK_EQ(write(a[1], "hello", 5), 5);
	CHECK_EQ(tee(a[0], b[1], 3, 0), 3);
	CHECK_EQ(tee(a[0], b[1], 100, 0), 5);
	CHECK_EQ(read(b[0], buffer, 100), 8);
	CHECK(!memcmp(buffer, "helhello", 8));
	CHECK_EQ(read(a[0], buffer, 100), 5);
	CHECK_EQ(tee(a[0], b[1], 0, 0), 0);
	CHECK_ERRNO(tee(a[0], b[1], 1, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_ERRNO(tee(a[0], b[1], 1, 16), EINVAL);
	CHECK_ERRNO(tee(a[0], a[1], 1, 0), EINVAL);
	CHECK_ERRNO(tee(make("file", 10), b[1], 1, 0), EINVAL);
	CHECK_ERRNO(tee(a[1], b[1], 1, 0), EBADF);
	close(a[1]);
	CHECK_EQ(tee(a[0], b[1], 1, 0), 0);
}

CASE(vmspliced)
{
	char first[10], second[10];
	struct iovec vector[2] = { { (char *)text, 5 }, { text + 5, 10 } };
	struct iovec to[2] = { { first, 10 }, { second, 10 } };
	struct iovec large = { text, sizeof(text) };
	int fds[2];

	enter();
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(vmsplice(fds[1], vector, 2, 0), 15);
	CHECK_EQ(vmsplice(fds[0], to, 2, 0), 15);
	CHECK(!memcmp(first, text, 10) && !memcmp(second, text + 10, 5));
	CHECK_EQ(vmsplice(fds[1], vector, 0, 0), 0);
	CHECK_ERRNO(vmsplice(fds[1], vector, 2, 16), EINVAL);
	CHECK_ERRNO(vmsplice(make("file", 1), vector, 2, 0), EBADF);
	CHECK_ERRNO(vmsplice(-1, vector, 2, 0), EBADF);
	ssize_t n = vmsplice(fds[1], &large, 1, 0);
	CHECK(n > 60000 && n <= 65536);
	CHECK_ERRNO(vmsplice(fds[1], vector, 2, SPLICE_F_NONBLOCK), EAGAIN);
}

/* ---- advice and space ---------------------------------------------------------------------- */

CASE(advice)
{
	int fds[2];

	enter();
	int fd = make("file", 100);
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(readahead(fd, 0, 100), 0);
	CHECK_ERRNO(readahead(fds[0], 0, 100), EINVAL);
	CHECK_ERRNO(readahead(open("file", O_WRONLY), 0, 100), EBADF);
	CHECK_ERRNO(readahead(-1, 0, 100), EBADF);
	for (int i = 0; i < 6; i++) {
		CHECK_EQ(posix_fadvise(fd, 0, 0, i), 0);
	}
	CHECK_EQ(posix_fadvise(fd, 0, 0, 6), EINVAL);
	CHECK_EQ(posix_fadvise(fd, 0, -1, 0), EINVAL);
	CHECK_EQ(posix_fadvise(fds[0], 0, 0, 0), ESPIPE);
	CHECK_EQ(posix_fadvise(-1, 0, 0, 0), EBADF);
	CHECK_EQ(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER), 0);
	CHECK_ERRNO(sync_file_range(fd, 0, 0, 8), EINVAL);
	CHECK_ERRNO(sync_file_range(fd, -1, 0, 0), EINVAL);
	CHECK_ERRNO(sync_file_range(fd, 1, INT64_MAX, 0), EINVAL);
	CHECK_ERRNO(sync_file_range(fds[0], 0, 0, 0), ESPIPE);
	CHECK_ERRNO(sync_file_range(-1, 0, 0, 0), EBADF);
	CHECK_EQ(syncfs(fd), 0);
	CHECK_ERRNO(syncfs(-1), EBADF);
	CHECK_ERRNO(syncfs(open("file", O_PATH)), EBADF);
}

CASE(allocated)
{
	int fds[2];
	struct stat status;

	enter();
	int fd = make("file", 10000);
	CHECK_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20000), 0);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_size, 10000);
	CHECK_EQ(fallocate(fd, 0, 0, 20000), 0);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_size, 20000);
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
	CHECK(has(fd, 8192, 8192, 1808));
	memset(text, 0, 4096);
	CHECK(has(fd, 4096, 0, 4096));
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(fd, 0x8000, 0, 10), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(fd, 0, -1, 10), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0, INT64_MAX, 10), EFBIG);
	CHECK_ERRNO(fallocate(open("file", O_RDONLY), 0, 0, 10), EBADF);
	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(fallocate(fds[1], 0, 0, 10), ESPIPE);
	CHECK_ERRNO(fallocate(open("/dev/null", O_WRONLY), 0, 0, 10), ENODEV);
	CHECK_ERRNO(fcntl(fd, F_SETLEASE, 7), EINVAL);
}

CASES_MAIN()
