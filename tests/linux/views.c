/* SPDX-License-Identifier: MIT */
/*
 * Reads, positions and attributes of files that are asked for again and again: a system that
 * answers them from what it remembers must not remember too long. Each case first asks often
 * (WARM), then changes something behind the memory's back.
 */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { WARM = 24, PAGE = 4096 };

static char buffer[16 * PAGE];

/* A file without a name that is full of `byte`. */
static int make(char byte, size_t size)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	CHECK(fd >= 0);
	memset(buffer, byte, sizeof(buffer));
	for (size_t done = 0; done < size;) {
		size_t n = size - done < sizeof(buffer) ? size - done : sizeof(buffer);

		CHECK_EQ(write(fd, buffer, n), n);
		done += n;
	}
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void check_bytes(const char *bytes, char expected, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != expected) {
			check_fail(__LINE__, "bytes are as expected", (long)i);
		}
	}
}

static void warm(int fd)
{
	for (int i = 0; i < WARM; i++) {
		CHECK(pread(fd, buffer, PAGE, 0) >= 0);
	}
}

static void warm_position(int fd)
{
	for (int i = 0; i < WARM; i++) {
		CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
		CHECK(read(fd, buffer, 100) >= 0);
	}
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
}

/* ---- contents ------------------------------------------------------------------------------ */

CASE(what_was_written_is_read)
{
	int fd = make('a', 4 * PAGE);

	warm(fd);
	for (int i = 0; i < 100; i++) {
		char byte = (char)('A' + i % 26);

		memset(buffer, byte, 2 * PAGE);
		CHECK_EQ(pwrite(fd, buffer, 2 * PAGE, PAGE), 2 * PAGE);
		memset(buffer, 0, sizeof(buffer));
		CHECK_EQ(pread(fd, buffer, 2 * PAGE, PAGE), 2 * PAGE);
		check_bytes(buffer, byte, 2 * PAGE);
		CHECK_EQ(pread(fd, buffer, PAGE, 0), PAGE);
		check_bytes(buffer, 'a', PAGE);
	}
}

CASE(reads_end_where_the_file_ends)
{
	int fd = make('a', PAGE + 100);

	warm(fd);
	CHECK_EQ(pread(fd, buffer, sizeof(buffer), 0), PAGE + 100);
	CHECK_EQ(pread(fd, buffer, sizeof(buffer), PAGE), 100);
	CHECK_EQ(pread(fd, buffer, sizeof(buffer), PAGE + 100), 0);
	CHECK_EQ(pread(fd, buffer, sizeof(buffer), 1l << 50), 0);
	CHECK_EQ(pread(fd, buffer, 0, 0), 0);
	CHECK_ERRNO(pread(fd, buffer, 1, -1), EINVAL);
	CHECK_ERRNO(pread(fd, (char *)-1l, PAGE, 0), EFAULT);
	CHECK_ERRNO(pread(fd, NULL, PAGE, 0), EFAULT);
}

CASE(a_file_that_grows_and_shrinks)
{
	int fd = make('a', 2 * PAGE);

	warm(fd);
	CHECK_EQ(ftruncate(fd, 100), 0);
	CHECK_EQ(pread(fd, buffer, sizeof(buffer), 0), 100);
	warm(fd);
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	CHECK_EQ(pread(fd, buffer, sizeof(buffer), 0), PAGE);
	check_bytes(buffer, 'a', 100);
	check_bytes(buffer + 100, 0, PAGE - 100);
	CHECK_EQ(ftruncate(fd, 0), 0);
	CHECK_EQ(pread(fd, buffer, sizeof(buffer), 0), 0);
	for (int i = 0; i < 200; i++) {
		memset(buffer, 'a' + i % 26, PAGE);
		CHECK_EQ(pwrite(fd, buffer, PAGE, (off_t)i * PAGE), PAGE);
		for (int k = 0; k <= i; k += 1 + i / 4) {
			CHECK_EQ(pread(fd, buffer, PAGE, (off_t)k * PAGE), PAGE);
			check_bytes(buffer, (char)('a' + k % 26), PAGE);
		}
	}
}

CASE(holes_are_zeros)
{
	int fd = make('a', 4 * PAGE);

	warm(fd);
	CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE), 0);
	CHECK_EQ(pread(fd, buffer, 4 * PAGE, 0), 4 * PAGE);
	check_bytes(buffer, 'a', PAGE);
	check_bytes(buffer + PAGE, 0, PAGE);
	check_bytes(buffer + 2 * PAGE, 'a', 2 * PAGE);
	CHECK_EQ(ftruncate(fd, 1l << 32), 0);
	for (int i = 0; i < WARM; i++) {
		CHECK_EQ(pread(fd, buffer, PAGE, (1l << 31) + i), PAGE);
		check_bytes(buffer, 0, PAGE);
	}
	CHECK_EQ(pwrite(fd, "x", 1, 1l << 31), 1);
	CHECK_EQ(pread(fd, buffer, PAGE, 1l << 31), PAGE);
	CHECK_EQ(buffer[0], 'x');
	CHECK_EQ(ftruncate(fd, 0), 0);
}

CASE(mappings_and_reads_agree)
{
	int fd = make('a', 4 * PAGE);
	char *map;

	warm(fd);
	map = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	memset(map + PAGE, 'm', PAGE);
	CHECK_EQ(pread(fd, buffer, PAGE, PAGE), PAGE);
	check_bytes(buffer, 'm', PAGE);
	warm(fd);
	memset(map + 2 * PAGE, 'n', PAGE);
	CHECK_EQ(pread(fd, buffer, PAGE, 2 * PAGE), PAGE);
	check_bytes(buffer, 'n', PAGE);
	/* into the file itself */
	CHECK_EQ(pread(fd, map, PAGE, PAGE), PAGE);
	check_bytes(map, 'm', PAGE);
	CHECK_EQ(munmap(map, 4 * PAGE), 0);
}

CASE(a_bad_buffer_gets_what_fits)
{
	int fd = make('a', 4 * PAGE);
	char *map =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(map != MAP_FAILED);
	CHECK_EQ(munmap(map + PAGE, PAGE), 0);
	warm(fd);
	CHECK_EQ(pread(fd, map, 2 * PAGE, 0), PAGE);
	CHECK_EQ(pread(fd, map + 100, 2 * PAGE, 0), PAGE - 100);
	check_bytes(map, 'a', PAGE);
	CHECK_ERRNO(pread(fd, map + PAGE, PAGE, 0), EFAULT);
	CHECK_EQ(mprotect(map, PAGE, PROT_READ), 0);
	CHECK_ERRNO(pread(fd, map, 2 * PAGE, 0), EFAULT);
}

CASE(vectors_are_filled_in_order)
{
	int fd = make('a', 2 * PAGE);
	char rest[PAGE];
	struct iovec vector[3] = {
		{ buffer, 10 },
		{ buffer + 100, PAGE },
		{ rest, sizeof(rest) },
	};

	CHECK_EQ(pwrite(fd, "0123456789ABCDEF", 16, 0), 16);
	warm(fd);
	warm_position(fd);
	CHECK_EQ(preadv(fd, vector, 3, 6), 2 * PAGE - 6);
	CHECK(!memcmp(buffer, "6789ABCDEF", 10));
	check_bytes(rest, 'a', 100);
	CHECK_EQ(readv(fd, vector, 3), 10 + 2 * PAGE - 10);
	CHECK(!memcmp(buffer, "0123456789", 10));
	CHECK(!memcmp(buffer + 100, "ABCDEF", 6));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2 * PAGE);
}

CASE(each_of_many_files_has_its_own_bytes)
{
	int fds[100];

	for (int i = 0; i < 100; i++) {
		fds[i] = make((char)(' ' + i % 90), PAGE);
	}
	for (int round = 0; round < 12; round++) {
		for (int i = 0; i < 100; i++) {
			CHECK_EQ(pread(fds[i], buffer, PAGE, 0), PAGE);
			check_bytes(buffer, (char)(' ' + i % 90), PAGE);
		}
	}
}

/* ---- descriptors --------------------------------------------------------------------------- */

CASE(a_descriptor_that_means_something_else)
{
	int a = make('a', PAGE), b = make('b', 2 * PAGE), fd;

	warm(a);
	warm(b);
	CHECK_EQ(dup2(b, a), a);
	CHECK_EQ(pread(a, buffer, sizeof(buffer), 0), 2 * PAGE);
	check_bytes(buffer, 'b', 2 * PAGE);
	warm(a);
	CHECK_EQ(close(a), 0);
	CHECK_ERRNO(pread(a, buffer, PAGE, 0), EBADF);
	CHECK_ERRNO(read(a, buffer, PAGE), EBADF);
	CHECK_ERRNO(lseek(a, 0, SEEK_SET), EBADF);
	struct stat stat;
	CHECK_ERRNO(fstat(a, &stat), EBADF);
	fd = make('c', PAGE);
	CHECK_EQ(fd, a);
	CHECK_EQ(pread(fd, buffer, sizeof(buffer), 0), PAGE);
	check_bytes(buffer, 'c', PAGE);
	warm(fd);
	CHECK_EQ(close_range((unsigned)fd, (unsigned)fd, 0), 0);
	CHECK_ERRNO(pread(fd, buffer, PAGE, 0), EBADF);
}

CASE(the_mode_of_a_descriptor_counts)
{
	char name[64];
	int fd = make('a', PAGE), writer, path;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	writer = open(name, O_WRONLY);
	path = open(name, O_PATH);
	CHECK(writer >= 0 && path >= 0);
	for (int i = 0; i < WARM; i++) {
		struct stat stat;

		CHECK_EQ(fstat(writer, &stat), 0);
		CHECK_EQ(fstat(path, &stat), 0);
		CHECK_ERRNO(pread(writer, buffer, PAGE, 0), EBADF);
		CHECK_ERRNO(read(writer, buffer, PAGE), EBADF);
		CHECK_ERRNO(pread(path, buffer, PAGE, 0), EBADF);
		CHECK_ERRNO(lseek(path, 0, SEEK_SET), EBADF);
	}
}

static atomic_bool is_over;
static int racing_fd, racing_files[2];

static void *replace(void *unused)
{
	for (int i = 0; i < 400; i++) {
		dup2(racing_files[i & 1], racing_fd);
		if (i % 8 == 0) {
			sched_yield();
		}
	}
	atomic_store(&is_over, true);
	return unused;
}

CASE(a_read_is_of_one_file)
{
	pthread_t thread;

	racing_files[0] = make('a', PAGE);
	racing_files[1] = make('b', PAGE);
	racing_fd = dup(racing_files[0]);
	atomic_store(&is_over, false);
	CHECK_EQ(pthread_create(&thread, NULL, replace, NULL), 0);
	while (!atomic_load(&is_over)) {
		CHECK_EQ(pread(racing_fd, buffer, PAGE, 0), PAGE);
		CHECK(buffer[0] == 'a' || buffer[0] == 'b');
		check_bytes(buffer, buffer[0], PAGE);
	}
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void *resize(void *unused)
{
	for (int i = 0; i < 300; i++) {
		if (ftruncate(racing_fd, (off_t)(1 + i % 8) * 2 * PAGE)) {
			break;
		}
	}
	atomic_store(&is_over, true);
	return unused;
}

CASE(reads_survive_a_truncation)
{
	pthread_t thread;

	racing_fd = make('a', 16 * PAGE);
	atomic_store(&is_over, false);
	CHECK_EQ(pthread_create(&thread, NULL, resize, NULL), 0);
	while (!atomic_load(&is_over)) {
		ssize_t size = pread(racing_fd, buffer, sizeof(buffer), 0);

		CHECK(size >= 2 * PAGE && size % (2 * PAGE) == 0);
		CHECK(buffer[0] == 'a');
	}
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* A process that shares descriptors, but not memory, with this one. */
static pid_t clone_with_files(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
}

CASE(shared_tables_are_one_table)
{
	int a = make('a', PAGE), b = make('b', PAGE), status;
	pid_t pid;

	warm(a);
	warm_position(a);
	CHECK_EQ(lseek(a, 50, SEEK_SET), 50);
	pid = clone_with_files();
	if (pid == 0) {
		bool is_right = pread(a, buffer, PAGE, 0) == PAGE && buffer[0] == 'a' &&
			read(a, buffer, 10) == 10;

		for (int i = 0; i < WARM && is_right; i++) {
			is_right = pread(a, buffer, PAGE, 0) == PAGE;
		}
		dup2(b, a);
		_exit(is_right ? 0 : 1);
	}
	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(pread(a, buffer, PAGE, 0), PAGE);
	check_bytes(buffer, 'b', PAGE);
	warm(a);
	CHECK_EQ(pread(a, buffer, PAGE, 0), PAGE);
}

/* ---- positions ----------------------------------------------------------------------------- */

CASE(positions_move)
{
	int fd = make('a', 1000);

	warm_position(fd);
	CHECK_EQ(read(fd, buffer, 300), 300);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 300);
	CHECK_EQ(lseek(fd, -100, SEEK_END), 900);
	CHECK_EQ(read(fd, buffer, 300), 100);
	CHECK_EQ(read(fd, buffer, 300), 0);
	CHECK_EQ(lseek(fd, 5000, SEEK_SET), 5000);
	CHECK_EQ(read(fd, buffer, 300), 0);
	CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERRNO(lseek(fd, -5001, SEEK_CUR), EINVAL);
	CHECK_ERRNO(lseek(fd, 0, 77), EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5000);
	CHECK_EQ(lseek(fd, 1l << 43, SEEK_SET), 1l << 43);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 1l << 43);
	CHECK_EQ(lseek(fd, 10, SEEK_SET), 10);
	CHECK_EQ(write(fd, "xyz", 3), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 13);
	CHECK_EQ(lseek(fd, 10, SEEK_SET), 10);
	CHECK_EQ(read(fd, buffer, 3), 3);
	CHECK(!memcmp(buffer, "xyz", 3));
	CHECK_EQ(lseek(fd, 0, SEEK_DATA), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 1000);
}

CASE(duplicates_share_a_position)
{
	int fd = make('a', 1000), other;

	warm_position(fd);
	CHECK_EQ(read(fd, buffer, 300), 300);
	other = dup(fd);
	CHECK_EQ(lseek(other, 0, SEEK_CUR), 300);
	CHECK_EQ(read(other, buffer, 300), 300);
	CHECK_EQ(read(fd, buffer, 300), 300);
	CHECK_EQ(lseek(other, 0, SEEK_CUR), 900);
	CHECK_EQ(close(other), 0);
	warm_position(fd);
	CHECK_EQ(lseek(fd, 500, SEEK_SET), 500);
	CHECK_EQ(dup2(fd, other), other);
	CHECK_EQ(read(other, buffer, 10), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 510);
}

CASE(a_child_shares_the_position)
{
	int fd = make('a', 1000), status;
	pid_t pid;

	warm_position(fd);
	CHECK_EQ(read(fd, buffer, 300), 300);
	pid = fork();
	if (pid == 0) {
		bool is_right = lseek(fd, 0, SEEK_CUR) == 300;

		for (int i = 0; i < 20; i++) {
			is_right = is_right && read(fd, buffer, 10) == 10;
		}
		_exit(is_right ? 0 : 1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 500);
	for (int i = 0; i < 40; i++) {
		CHECK_EQ(read(fd, buffer, 10), 10);
	}
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 900);
}

CASE(so_does_one_that_borrows_memory)
{
	int fd = make('a', 1000), status;
	pid_t pid;

	warm_position(fd);
	CHECK_EQ(read(fd, buffer, 300), 300);
	pid = vfork();
	if (pid == 0) {
		for (int i = 0; i < 20; i++) {
			read(fd, buffer, 10);
		}
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 500);
	warm_position(fd);
	CHECK_EQ(read(fd, buffer, 10), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
}

CASE(fdinfo_knows_the_position)
{
	char name[64], text[256];
	int fd = make('a', 1000), info;

	warm_position(fd);
	CHECK_EQ(read(fd, buffer, 321), 321);
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	info = open(name, O_RDONLY);
	ssize_t size = read(info, text, sizeof(text) - 1);
	CHECK(size > 0);
	text[size] = 0;
	CHECK(!strncmp(text, "pos:\t321\n", 9));
}

enum { N_RECORDS = 4000, N_READERS = 3 };

static atomic_uchar n_times[N_RECORDS];

static void *read_records(void *unused)
{
	uint64_t record;

	while (read(racing_fd, &record, sizeof(record)) == sizeof(record)) {
		atomic_fetch_add(&n_times[record % N_RECORDS], 1);
	}
	return unused;
}

CASE(no_byte_is_read_twice)
{
	static uint64_t records[N_RECORDS];
	pthread_t threads[N_READERS];

	racing_fd = make('a', 0);
	for (int i = 0; i < N_RECORDS; i++) {
		records[i] = (uint64_t)i;
	}
	CHECK_EQ(write(racing_fd, records, sizeof(records)), sizeof(records));
	warm_position(racing_fd);
	for (int i = 0; i < N_READERS; i++) {
		CHECK_EQ(pthread_create(&threads[i], NULL, read_records, NULL), 0);
	}
	for (int i = 0; i < N_READERS; i++) {
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	}
	for (int i = 0; i < N_RECORDS; i++) {
		CHECK_EQ(n_times[i], 1);
	}
}

/* ---- attributes ---------------------------------------------------------------------------- */

static struct stat warm_stat(int fd)
{
	struct stat stat;

	for (int i = 0; i < WARM; i++) {
		CHECK_EQ(fstat(fd, &stat), 0);
	}
	return stat;
}

CASE(attributes_are_those_of_now)
{
	char name[] = "/tmp/views-XXXXXX", other[64];
	int fd = mkstemp(name);
	struct stat stat;

	CHECK(fd >= 0);
	stat = warm_stat(fd);
	CHECK_EQ(stat.st_size, 0);
	CHECK_EQ(stat.st_mode, S_IFREG | 0600);
	CHECK_EQ(write(fd, buffer, 5 * PAGE), 5 * PAGE);
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_size, 5 * PAGE);
	CHECK_EQ(stat.st_blocks, 40);
	warm_stat(fd);
	CHECK_EQ(chmod(name, 0640), 0);
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_mode, S_IFREG | 0640);
	warm_stat(fd);
	snprintf(other, sizeof(other), "%s~", name);
	CHECK_EQ(link(name, other), 0);
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_nlink, 2);
	warm_stat(fd);
	CHECK_EQ(unlink(name), 0);
	CHECK_EQ(unlink(other), 0);
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_nlink, 0);
	warm_stat(fd);
	struct timespec times[2] = { { 1000, 1 }, { 2000, 2 } };
	CHECK_EQ(futimens(fd, times), 0);
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_atim.tv_sec, 1000);
	CHECK_EQ(stat.st_mtim.tv_sec, 2000);
	warm_stat(fd);
	CHECK_EQ(ftruncate(fd, 10), 0);
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_size, 10);
	CHECK_ERRNO(fstat(fd, (struct stat *)8), EFAULT);
}

static bool is_later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

CASE(the_first_read_after_a_change_is_noted)
{
	int fd = make('a', PAGE);
	struct stat before, after;

	warm(fd);
	warm_stat(fd);
	usleep(20000); /* Linux' times have the grain of its timer */
	CHECK_EQ(pwrite(fd, "b", 1, 0), 1);
	CHECK_EQ(fstat(fd, &before), 0);
	usleep(20000);
	CHECK_EQ(pread(fd, buffer, PAGE, 0), PAGE);
	CHECK_EQ(fstat(fd, &after), 0);
	CHECK(is_later(after.st_atim, before.st_atim));
	CHECK(is_later(after.st_atim, after.st_mtim));
	/* and further ones are not */
	usleep(20000);
	warm(fd);
	CHECK_EQ(fstat(fd, &before), 0);
	CHECK(!is_later(before.st_atim, after.st_atim));
	/* unless it was long ago */
	struct timespec times[2] = { { 200000, 0 }, { 100000, 0 } };
	CHECK_EQ(futimens(fd, times), 0);
	CHECK_EQ(pread(fd, buffer, PAGE, 0), PAGE);
	CHECK_EQ(fstat(fd, &after), 0);
	CHECK(is_later(after.st_atim, before.st_atim));
}

CASE(whoever_watches_hears_of_each_read)
{
	char name[] = "/tmp/views-XXXXXX", path[64], text[4096];
	int queue = inotify_init1(IN_NONBLOCK), fd, watch;

	CHECK(mkdtemp(name) != NULL);
	snprintf(path, sizeof(path), "%s/f", name);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	CHECK_EQ(write(fd, buffer, PAGE), PAGE);
	warm(fd);
	watch = inotify_add_watch(queue, path, IN_ACCESS);
	CHECK_EQ(pread(fd, buffer, PAGE, 0), PAGE);
	CHECK_EQ(read(queue, text, sizeof(text)), sizeof(struct inotify_event));
	CHECK_EQ(inotify_rm_watch(queue, watch), 0);
	CHECK_EQ(read(queue, text, sizeof(text)), sizeof(struct inotify_event));
	warm(fd);
	watch = inotify_add_watch(queue, name, IN_ACCESS);
	CHECK_EQ(pread(fd, buffer, PAGE, 0), PAGE);
	CHECK_EQ(read(queue, text, sizeof(text)), sizeof(struct inotify_event) + 16);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(rmdir(name), 0);
}

/* ---- devices ------------------------------------------------------------------------------- */

CASE(null_and_zero)
{
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);
	int reader = open("/dev/zero", O_RDONLY), writer = open("/dev/null", O_WRONLY);
	char *map =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_EQ(munmap(map + PAGE, PAGE), 0);
	for (int i = 0; i < WARM; i++) {
		CHECK_EQ(read(null, buffer, 10), 0);
		CHECK_EQ(write(null, buffer, sizeof(buffer)), sizeof(buffer));
		memset(buffer, 'x', sizeof(buffer));
		CHECK_EQ(read(zero, buffer, 1003), 1003);
		check_bytes(buffer, 0, 1003);
		CHECK_EQ(buffer[1003], 'x');
		CHECK_EQ(pread(zero, buffer + 1, 3 * PAGE, 5), 3 * PAGE);
		check_bytes(buffer, 0, 3 * PAGE + 1);
		CHECK_EQ(write(zero, buffer, 7), 7);
		CHECK_EQ(write(null, buffer, 0), 0);
		CHECK_EQ(read(zero, buffer, 0), 0);
		CHECK_ERRNO(write(reader, buffer, 1), EBADF);
		CHECK_ERRNO(read(writer, buffer, 1), EBADF);
		CHECK_EQ(read(reader, buffer, 1), 1);
		CHECK_EQ(write(writer, buffer, 1), 1);
	}
	CHECK_EQ(read(zero, map, 2 * PAGE), PAGE);
	CHECK_ERRNO(read(zero, map + PAGE, PAGE), EFAULT);
	CHECK_ERRNO(pread(zero, buffer, 1, -1), EINVAL);
	CHECK_EQ(close(null), 0);
	CHECK_ERRNO(write(null, buffer, 1), EBADF);
	CHECK_EQ(open("/dev/zero", O_RDONLY), null);
	CHECK_EQ(read(null, buffer, 10), 10);
	CHECK_ERRNO(write(null, buffer, 1), EBADF);
}

CASE(high_descriptors)
{
	int low = make('a', PAGE), high = fcntl(make('b', 2 * PAGE), F_DUPFD, low + 512);

	CHECK(high >= low + 512);
	for (int i = 0; i < WARM; i++) {
		CHECK_EQ(pread(low, buffer, sizeof(buffer), 0), PAGE);
		check_bytes(buffer, 'a', PAGE);
		CHECK_EQ(pread(high, buffer, sizeof(buffer), 0), 2 * PAGE);
		check_bytes(buffer, 'b', PAGE);
	}
	CHECK_EQ(close(low), 0);
	CHECK_ERRNO(pread(low, buffer, PAGE, 0), EBADF);
	warm(high);
	CHECK_ERRNO(pread(high + 512, buffer, PAGE, 0), EBADF);
}

CASES_MAIN()
