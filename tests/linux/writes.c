/* SPDX-License-Identifier: MIT */
/*
 * Writes of files that are written to again and again: a system that lets programs do that by
 * themselves must not forget what comes with a write: times, set-id bits, limits, and that the file
 * may change its size meanwhile. Each case first writes often (WARM).
 */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

enum { WARM = 24, PAGE = 4096 };

static char buffer[16 * PAGE];
static char path[64];

static void full(int fd, char byte, size_t size, off_t offset)
{
	memset(buffer, byte, size);
	CHECK_EQ(pwrite(fd, buffer, size, offset), size);
}

static void warm(int fd)
{
	for (int i = 0; i < WARM; i++) {
		full(fd, 'w', PAGE, 0);
	}
}

/* A file that is full of 'a', and has been written to often. */
static int make(size_t n_pages)
{
	snprintf(path, sizeof(path), "/tmp/writes-%d", (int)getpid());
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	for (size_t i = 0; i < n_pages; i++) {
		full(fd, 'a', PAGE, (off_t)i * PAGE);
	}
	warm(fd);
	return fd;
}

static void check_bytes(int fd, char expected, size_t size, off_t offset)
{
	memset(buffer, 0x55, size);
	CHECK_EQ(pread(fd, buffer, size, offset), size);
	for (size_t i = 0; i < size; i++) {
		if (buffer[i] != expected) {
			check_fail(__LINE__, "bytes are as expected", (long)i);
		}
	}
}

static long ns_of(struct timespec time)
{
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

static long now(void)
{
	struct timespec time;

	CHECK_EQ(clock_gettime(CLOCK_REALTIME, &time), 0);
	return ns_of(time);
}

static struct stat look(void)
{
	struct stat result;

	CHECK_EQ(stat(path, &result), 0);
	return result;
}

static void rest(void)
{
	usleep(30000);
}

/* Linux' times are those of its last tick. */
static void check_time(struct timespec time, long from, long to)
{
	CHECK(ns_of(time) >= from - 10000000);
	CHECK(ns_of(time) <= to);
}

/* What another process gets for it. */
static int child(void (*run)(int fd), int fd)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		run(fd);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define CHILD_CHECK(condition_) \
	do { \
		if (!(condition_)) { \
			_exit(__LINE__ % 255 + 1); \
		} \
	} while (0)

/* ---- times --------------------------------------------------------------------------------- */

CASE(a_write_is_seen_in_the_times)
{
	int fd = make(4);

	for (int i = 0; i < 4; i++) {
		rest();
		long from = now();

		full(fd, 'b', PAGE, PAGE);
		long to = now();

		rest();
		struct stat by_name = look();
		struct stat by_fd;

		CHECK_EQ(fstat(fd, &by_fd), 0);
		check_time(by_name.st_mtim, from, to);
		CHECK_EQ(ns_of(by_name.st_mtim), ns_of(by_name.st_ctim));
		CHECK_EQ(ns_of(by_name.st_mtim), ns_of(by_fd.st_mtim));
		warm(fd);
	}
	unlink(path);
}

CASE(files_are_as_old_as_their_writes)
{
	int first = make(1);
	struct stat stats[2];
	char name[80];

	snprintf(name, sizeof(name), "%s-2", path);
	int second = open(name, O_RDWR | O_CREAT, 0600);

	full(second, 'a', PAGE, 0);
	warm(second);
	warm(first);
	rest();
	full(first, 'b', 10, 0);
	rest();
	full(second, 'b', 10, 0);
	rest();
	CHECK_EQ(fstat(second, &stats[1]), 0);
	CHECK_EQ(fstat(first, &stats[0]), 0);
	CHECK(ns_of(stats[0].st_mtim) + 20000000 < ns_of(stats[1].st_mtim));
	unlink(name);
	unlink(path);
}

CASE(a_write_is_seen_after_the_end)
{
	int fd = make(1);

	rest();
	long from = now();

	full(fd, 'b', 10, 0);
	long to = now();

	rest();
	CHECK_EQ(close(fd), 0);
	check_time(look().st_mtim, from, to);
	unlink(path);
}

static long child_wrote[2];

static void write_and_end(int fd)
{
	int own = open(path, O_RDWR);

	CHILD_CHECK(own >= 0 && fd >= 0);
	for (int i = 0; i < WARM; i++) {
		CHILD_CHECK(pwrite(own, "x", 1, 0) == 1);
	}
	usleep(30000);
	CHILD_CHECK(pwrite(own, "y", 1, 0) == 1);
	kill(getpid(), SIGKILL);
}

CASE(a_write_of_who_was_killed)
{
	int fd = make(1);

	child_wrote[0] = now();
	CHECK_EQ(child(write_and_end, fd), 1000 + SIGKILL);
	child_wrote[1] = now();
	struct stat after = look();

	check_time(after.st_mtim, child_wrote[0] + 30000000, child_wrote[1]);
	check_bytes(fd, 'y', 1, 0);
	unlink(path);
}

CASE(times_that_were_set_stay)
{
	const struct timespec times[2] = { { 1000, 1 }, { 2000, 2 } };
	int fd = make(1);

	full(fd, 'b', 10, 0);
	CHECK_EQ(futimens(fd, times), 0);
	CHECK_EQ(look().st_mtim.tv_sec, 2000);
	CHECK_EQ(look().st_atim.tv_sec, 1000);
	warm(fd);
	CHECK(look().st_mtim.tv_sec > 2000);
	unlink(path);
}

CASE(reads_after_writes_are_noted)
{
	int fd = make(2);

	for (int i = 0; i < 3; i++) {
		full(fd, 'b', PAGE, 0);
		rest();
		long from = now();

		check_bytes(fd, 'b', PAGE, 0);
		long to = now();

		rest();
		check_bytes(fd, 'b', PAGE, 0);
		struct stat after = look();

		check_time(after.st_atim, from, to);
		CHECK(ns_of(after.st_atim) > ns_of(after.st_mtim));
		warm(fd);
	}
	unlink(path);
}

/* ---- who may ------------------------------------------------------------------------------- */

CASE(set_id_bits_go)
{
	int fd = make(1);

	CHECK_EQ(fchmod(fd, 06755), 0);
	CHECK_EQ(look().st_mode & 07777, 06755);
	if (getuid() == 0) {
		CHECK_EQ(chown(path, 1000, 1000), 0);
		CHECK_EQ(fchmod(fd, 06755), 0);
		CHECK_EQ(setresuid(1000, 1000, 1000), 0);
	}
	full(fd, 'b', 10, 0);
	CHECK_EQ(look().st_mode & 07777, 0755);
	unlink(path);
}

CASE(size_limits)
{
	const struct rlimit limit = { 2 * PAGE, 4 * PAGE };
	int fd = make(4);

	signal(SIGXFSZ, SIG_IGN);
	full(fd, 'b', PAGE, 3 * PAGE);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	CHECK_ERRNO(pwrite(fd, buffer, PAGE, 3 * PAGE), EFBIG);
	CHECK_EQ(pwrite(fd, buffer, PAGE, 2 * PAGE - 10), 10);
	CHECK_EQ(pwrite(fd, buffer, PAGE, PAGE), PAGE);
	for (int i = 0; i < WARM; i++) {
		CHECK_EQ(pwrite(fd, buffer, 2 * PAGE, PAGE), PAGE);
		CHECK_ERRNO(pwrite(fd, buffer, 1, 2 * PAGE), EFBIG);
	}
	unlink(path);
}

CASE(watchers_are_told)
{
	struct inotify_event event;
	int fd = make(1);
	int queue = inotify_init1(IN_NONBLOCK);

	CHECK(inotify_add_watch(queue, path, IN_MODIFY) > 0);
	for (int i = 0; i < WARM; i++) {
		full(fd, 'b', 10, 0);
		CHECK_EQ(read(queue, &event, sizeof(event)), sizeof(event));
		CHECK_EQ(event.mask, IN_MODIFY);
	}
	CHECK_ERRNO(read(queue, &event, sizeof(event)), EAGAIN);
	unlink(path);
}

CASE(what_is_open_to_read_or_to_append)
{
	int fd = make(1);
	int reader = open(path, O_RDONLY);
	int appender = open(path, O_RDWR | O_APPEND);

	for (int i = 0; i < WARM; i++) {
		CHECK_ERRNO(pwrite(reader, "x", 1, 0), EBADF);
		CHECK_EQ(pwrite(appender, "x", 1, 0), 1);
	}
	CHECK_EQ(look().st_size, PAGE + WARM);
	CHECK_EQ(fcntl(fd, F_SETFL, O_APPEND), 0);
	CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
	CHECK_EQ(look().st_size, PAGE + WARM + 1);
	check_bytes(reader, 'w', PAGE, 0);
	unlink(path);
}

/* ---- sizes and addresses ------------------------------------------------------------------- */

CASE(where_files_and_memory_end)
{
	int fd = make(2);
	char *memory =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	memset(memory, 'm', PAGE);
	CHECK_EQ(munmap(memory + PAGE, PAGE), 0);
	for (int i = 0; i < 4; i++) {
		warm(fd);
		CHECK_ERRNO(pwrite(fd, NULL, 1, 0), EFAULT);
		CHECK_ERRNO(pwrite(fd, (char *)-1l, 1, 0), EFAULT);
		CHECK_ERRNO(pwrite(fd, buffer, 1, -1), EINVAL);
		CHECK_EQ(pwrite(fd, memory, 0, 0), 0);
		CHECK_EQ(pwrite(fd, memory, PAGE, PAGE), PAGE);
		check_bytes(fd, 'm', PAGE, PAGE);
	}
	full(fd, 'e', PAGE, PAGE + 100);
	CHECK_EQ(look().st_size, 2 * PAGE + 100);
	check_bytes(fd, 'e', PAGE, PAGE + 100);
	CHECK_EQ(ftruncate(fd, 10), 0);
	full(fd, 'f', 5, 0);
	CHECK_EQ(look().st_size, 10);
	full(fd, 'f', 5, PAGE);
	check_bytes(fd, 'w', 5, 5);
	check_bytes(fd, 0, PAGE - 10, 10);
	unlink(path);
}

CASE(positions)
{
	int fd = make(4);

	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	for (int i = 0; i < 4 * PAGE / 64; i++) {
		memset(buffer, 'A' + i % 26, 64);
		CHECK_EQ(write(fd, buffer, 64), 64);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), 64 * (i + 1));
	}
	for (int i = 0; i < 4 * PAGE / 64; i++) {
		check_bytes(fd, (char)('A' + i % 26), 64, 64 * i);
	}
	CHECK_EQ(look().st_size, 4 * PAGE);
	CHECK_EQ(write(fd, buffer, 64), 64);
	CHECK_EQ(look().st_size, 4 * PAGE + 64);
	CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
	CHECK_ERRNO(write(fd, NULL, 64), EFAULT);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 100);
	int other = dup(fd);

	CHECK_EQ(write(fd, "123", 3), 3);
	CHECK_EQ(write(other, "456", 3), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 106);
	CHECK_EQ(pread(fd, buffer, 6, 100), 6);
	CHECK_EQ(memcmp(buffer, "123456", 6), 0);
	unlink(path);
}

/* ---- several ------------------------------------------------------------------------------- */

static void write_more(int fd)
{
	CHILD_CHECK(write(fd, "child", 5) == 5);
	CHILD_CHECK(pwrite(fd, "CHILD", 5, 0) == 5);
}

CASE(forks)
{
	int fd = make(1);

	CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
	for (int i = 0; i < WARM; i++) {
		CHECK_EQ(write(fd, "x", 1), 1);
	}
	CHECK_EQ(child(write_more, fd), 0);
	CHECK_EQ(write(fd, "parent", 6), 6);
	CHECK_EQ(pread(fd, buffer, 11, 100 + WARM), 11);
	CHECK_EQ(memcmp(buffer, "childparent", 11), 0);
	CHECK_EQ(pread(fd, buffer, 5, 0), 5);
	CHECK_EQ(memcmp(buffer, "CHILD", 5), 0);
	unlink(path);
}

CASE(what_others_wrote_is_read)
{
	int fd = make(4);
	int other = open(path, O_RDWR);
	char *map = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(map != MAP_FAILED);
	for (int i = 0; i < 200; i++) {
		char byte = (char)('A' + i % 26);

		full(i % 3 ? fd : other, byte, 100, i * 50);
		check_bytes(i % 2 ? fd : other, byte, 100, i * 50);
		CHECK_EQ(map[i * 50 + 99], byte);
		map[i * 50] = 'm';
		check_bytes(i % 5 ? fd : other, 'm', 1, i * 50);
	}
	unlink(path);
}

static atomic_bool is_over;

static void *cut_and_grow(void *argument)
{
	int fd = *(int *)argument;

	while (!is_over) {
		if (ftruncate(fd, PAGE / 2) != 0 || ftruncate(fd, 8 * PAGE) != 0) {
			return argument;
		}
	}
	return NULL;
}

/* Whatever the size is at that moment, a write is whole, and the file ends nowhere else. */
CASE(a_size_that_changes_meanwhile)
{
	int fd = make(8);
	int other = open(path, O_RDWR);
	pthread_t thread;
	void *failed;

	CHECK_EQ(pthread_create(&thread, NULL, cut_and_grow, &other), 0);
	for (int i = 0; i < 3000; i++) {
		full(fd, 'b', PAGE, (i % 8) * PAGE);
	}
	is_over = true;
	CHECK_EQ(pthread_join(thread, &failed), 0);
	CHECK(failed == NULL);
	CHECK_EQ(look().st_size, 8 * PAGE);
	CHECK_EQ(ftruncate(fd, 100), 0);
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	check_bytes(fd, 0, PAGE - 100, 100);
	unlink(path);
}

static atomic_long n_wrong;
static pthread_barrier_t barrier;

static void *write_records(void *argument)
{
	int fd = *(int *)argument;
	char record[64];

	memset(record, 'r', sizeof(record));
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 500; i++) {
		n_wrong += write(fd, record, sizeof(record)) != sizeof(record);
	}
	return NULL;
}

/* Two threads that share a position write after each other, not over each other. */
CASE(threads_share_a_position)
{
	int fd = make(17);
	pthread_t threads[2];

	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(pthread_create(&threads[i], NULL, write_records, &fd), 0);
	}
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	}
	CHECK_EQ(n_wrong, 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 64000);
	check_bytes(fd, 'r', 64000, 0);
	check_bytes(fd, 'a', PAGE, 16 * PAGE);
	unlink(path);
}

CASES_MAIN()
