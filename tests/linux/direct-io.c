/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes with O_DIRECT of a disk, often enough that they need not go by way of posix
 * (docs/internals/direct.md), while things happen to the descriptor, the process and the disk.
 */
#include "direct.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#define THREADS 8

/* ---- what is transferred --------------------------------------------------------------------- */

CASE(bytes_are_read_and_written_where_they_are)
{
	static _Alignas(4096) uint8_t model[SPAN];
	uint64_t state = 88172645463325252;
	int fd = open_warm();

	CHECK_EQ(pread(fd, model, SPAN, 0), SPAN);
	for (uint32_t i = 0; i < 300; i++) {
		uint64_t size = 512 * (1 + next_random(&state) % (i % 8 == 0 ? 3072 : 24));
		uint64_t offset = next_random(&state) % ((SPAN - size) / 512) * 512;

		if (next_random(&state) % 2 == 0) {
			make_words(buffer, size, offset, i);
			CHECK_EQ(pwrite(fd, buffer, size, (off_t)offset), size);
			memcpy(model + offset, buffer, size);
		} else {
			memset(buffer, 0, size);
			CHECK_EQ(pread(fd, buffer, size, (off_t)offset), size);
			CHECK(memcmp(model + offset, buffer, size) == 0);
		}
	}
	CHECK_EQ(lseek(fd, 4096, SEEK_SET), 4096);
	CHECK_EQ(read(fd, buffer, 8192), 8192);
	CHECK(memcmp(model + 4096, buffer, 8192) == 0);
	CHECK_EQ(write(fd, buffer, 4096), 4096);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 16384);
	CHECK_EQ(pread(fd, other, 4096, 12288), 4096);
	CHECK(memcmp(other, buffer, 4096) == 0);
}

/* With read(), write() and lseek(), also of a second descriptor of the open file. */
CASE(positions_move)
{
	volatile uintptr_t nowhere = 4096;
	int fd = open_warm();

	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	for (uint32_t i = 0; i < 100; i++) {
		make_words(buffer, 8192, i * 8192, 9);
		CHECK_EQ(write(fd, buffer, 8192), 8192);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), (i + 1) * 8192);
	}
	CHECK_EQ(lseek(fd, 8192, SEEK_SET), 8192);
	int second = dup(fd);

	for (uint32_t i = 1; i < 50; i++) {
		CHECK_EQ(read(i % 16 == 5 ? second : fd, buffer, 8192), 8192);
		CHECK(are_words(buffer, 8192, i * 8192, 9));
	}
	CHECK_EQ(close(second), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 50 * 8192);
	for (uint32_t i = 50; i < 100; i++) {
		CHECK_EQ(read(fd, buffer, 8192), 8192);
		CHECK(are_words(buffer, 8192, i * 8192, 9));
	}
	CHECK(read(fd, (void *)nowhere, 8192) < 0 && errno == EFAULT);
	CHECK(write(fd, (void *)nowhere, 8192) < 0 && errno == EFAULT);
	CHECK_EQ(lseek(fd, 100 * 8192, SEEK_SET), 100 * 8192);
	CHECK_EQ(lseek(fd, -100 * 8192, SEEK_CUR), 0);
	if (is_disk) {
		CHECK(read(fd, buffer, 100) < 0 && errno == EINVAL);
		CHECK(write(fd, buffer, 100) < 0 && errno == EINVAL);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
		CHECK_EQ(lseek(fd, -4096, SEEK_END), (off_t)disk_size - 4096);
		CHECK_EQ(read(fd, buffer, 8192), 4096);
		CHECK_EQ(read(fd, buffer, 8192), 0);
		CHECK(write(fd, buffer, 8192) < 0 && errno == ENOSPC);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), (off_t)disk_size);
		CHECK_EQ(lseek(fd, -4096, SEEK_CUR), (off_t)disk_size - 4096);
		CHECK_EQ(write(fd, buffer, 8192), 4096);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), (off_t)disk_size);
	}
}

CASE(vectors)
{
	struct iovec one = { NULL, 4096 }, two[2];
	int fd = open_warm();

	one.iov_base = buffer;
	make_words(buffer, 8192, 8192, 1);
	CHECK_EQ(pwritev(fd, &one, 1, 8192), 4096);
	two[0] = (struct iovec){ buffer, 4096 };
	two[1] = (struct iovec){ buffer + 4096, 4096 };
	CHECK_EQ(pwritev(fd, two, 2, 8192), 8192);
	memset(buffer, 0, 8192);
	CHECK_EQ(preadv(fd, &one, 1, 8192), 4096);
	CHECK(are_words(buffer, 4096, 8192, 1));
	CHECK_EQ(preadv(fd, two, 2, 8192), 8192);
	CHECK(are_words(buffer, 8192, 8192, 1));
	struct iovec *volatile nowhere = (struct iovec *)8;

	CHECK(preadv(fd, nowhere, 1, 0) < 0 && errno == EFAULT);
}

CASE(only_whole_blocks)
{
	int fd = open_warm();

	if (!is_disk) {
		return;
	}
	CHECK(pread(fd, buffer, 4096, 100) < 0 && errno == EINVAL);
	CHECK(pread(fd, buffer, 100, 0) < 0 && errno == EINVAL);
	CHECK(pwrite(fd, buffer, 4096, 4) < 0 && errno == EINVAL);
	CHECK(pwrite(fd, buffer, 4097, 0) < 0 && errno == EINVAL);
	CHECK(pread(fd, buffer, 4096, -4096) < 0 && errno == EINVAL);
	CHECK_EQ(pread(fd, buffer, 0, 0), 0);
	/* a wrong address is refused, or does no harm */
	make_words(other, 4096, 0, 7);
	CHECK_EQ(pwrite(fd, other, 4096, 0), 4096);
	if (pread(fd, buffer + 3, 4096, 0) >= 0) {
		CHECK(are_words(buffer + 3, 4096, 0, 7));
	}
}

CASE(the_end_of_the_disk)
{
	int fd = open_warm();

	if (!is_disk) {
		return;
	}
	make_words(buffer, 8192, 0, 3);
	CHECK_EQ(pwrite(fd, buffer, 8192, (off_t)disk_size - 4096), 4096);
	CHECK(pwrite(fd, buffer, 4096, (off_t)disk_size) < 0 && errno == ENOSPC);
	CHECK_EQ(pread(fd, other, 8192, (off_t)disk_size - 4096), 4096);
	CHECK(memcmp(buffer, other, 4096) == 0);
	CHECK_EQ(pread(fd, other, 4096, (off_t)disk_size), 0);
	CHECK_EQ(pread(fd, other, 4096, (off_t)disk_size + (1 << 20)), 0);
	CHECK_EQ(pread(fd, other, 4096, (off_t)1 << 62), 0);
}

CASE(addresses_of_nothing)
{
	int fd = open_warm();
	uint8_t *nothing = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(nothing != MAP_FAILED);
	CHECK(pread(fd, nothing, 4096, 0) < 0 && errno == EFAULT);
	CHECK(pwrite(fd, nothing, 4096, 0) < 0 && errno == EFAULT);
	CHECK(pread(fd, (void *)-4096, 4096, 0) < 0 && errno == EFAULT);
	CHECK_EQ(mprotect(nothing, 4096, PROT_READ | PROT_WRITE), 0);
	ssize_t n_bytes = pread(fd, nothing, 8192, 0);

	CHECK(n_bytes == 4096 || (n_bytes < 0 && errno == EFAULT));
	CHECK_EQ(mprotect(nothing, 4096, PROT_READ), 0);
	CHECK_EQ(pwrite(fd, nothing, 4096, 65536), 4096);
	CHECK(pread(fd, nothing, 4096, 0) < 0 && errno == EFAULT);
	CHECK_EQ(munmap(nothing, 8192), 0);
	CHECK(pwrite(fd, nothing, 4096, 0) < 0 && errno == EFAULT);
	CHECK_EQ(pread(fd, buffer, 4096, 0), 4096);
	CHECK(are_words(buffer, 4096, 0, 7));
}

CASE(other_descriptors_see_the_same)
{
	int fd = open_warm();
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int cached = open(path, O_RDWR);

	CHECK(cached >= 0);
	for (uint32_t i = 0; i < 50; i++) {
		make_words(buffer, 16384, 32768, i);
		CHECK_EQ(pwrite(fd, buffer, 16384, 32768), 16384);
		CHECK_EQ(pread(cached, other, 16384, 32768), 16384);
		CHECK(are_words(other, 16384, 32768, i));
		make_words(other, 16384, 32768, i + 1000);
		CHECK_EQ(pwrite(cached, other, 16384, 32768), 16384);
		CHECK_EQ(pread(fd, buffer, 16384, 32768), 16384);
		CHECK(are_words(buffer, 16384, 32768, i + 1000));
	}
}

CASE(flags_that_change)
{
	int fd = open_warm();
	int flags = fcntl(fd, F_GETFL);

	if (!is_disk) {
		return;
	}
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(fcntl(fd, F_SETFL, flags & ~O_DIRECT), 0);
		CHECK_EQ(pread(fd, buffer, 100, 8), 100);
		CHECK(are_words(buffer, 96, 8, 7));
		CHECK_EQ(fcntl(fd, F_SETFL, flags), 0);
		CHECK(pread(fd, buffer, 100, 8) < 0 && errno == EINVAL);
		warm(fd);
	}
}

CASE(a_disk_that_becomes_read_only)
{
	int fd = open_warm();
	int yes = 1, no = 0;

	if (!is_disk || ioctl(fd, BLKROSET, &yes) < 0) {
		return;
	}
	ssize_t n_bytes = pwrite(fd, buffer, 4096, 0);
	int error = errno;

	CHECK_EQ(pread(fd, buffer, 4096, 0), 4096);
	CHECK_EQ(ioctl(fd, BLKROSET, &no), 0);
	CHECK(n_bytes < 0 && error == EPERM);
	warm(fd);
}

/* ---- threads, processes ---------------------------------------------------------------------- */

static int shared_fd;
static uint32_t n_rounds = 400; /* of each thread */
static _Atomic bool is_over;
static _Atomic uint32_t n_done, n_wrong;

/* Writes and reads a part of the disk of its own. */
static void *work(void *argument)
{
	uint32_t number = (uint32_t)(uintptr_t)argument;
	uint64_t start = number * (uint64_t)(SPAN / THREADS), state = number + 1;
	uint8_t *bytes = aligned_alloc(4096, 128 * KIB);

	for (uint32_t i = 0; !is_over && i < n_rounds; i++) {
		uint64_t size = i % 50 == 0 ? 128 * KIB : 4096;
		uint64_t offset = start + next_random(&state) % 64 * 4096;

		make_words(bytes, size, offset, i);
		n_wrong += pwrite(shared_fd, bytes, size, (off_t)offset) != (ssize_t)size;
		memset(bytes, 0, size);
		n_wrong += pread(shared_fd, bytes, size, (off_t)offset) != (ssize_t)size ||
			!are_words(bytes, size, offset, i);
		n_done++;
	}
	free(bytes);
	return NULL;
}

static void start_threads(pthread_t *threads, void *(*run)(void *))
{
	for (uintptr_t i = 0; i < THREADS; i++) {
		CHECK_EQ(pthread_create(&threads[i], NULL, run, (void *)i), 0);
	}
}

static void join_threads(const pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++) {
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	}
}

CASE(threads_at_once)
{
	pthread_t threads[THREADS];

	shared_fd = open_warm();
	n_rounds = getenv("DIRECT_DEVICE") == NULL ? 50 : 400; /* a loop device is slow */
	start_threads(threads, work);
	join_threads(threads);
	CHECK_EQ(n_wrong, 0);
	CHECK_EQ(n_done, THREADS * n_rounds);
}

static _Atomic uint32_t n_blocks[SPAN / 4096];

/* Each block of the disk once, from the one position that all have. */
static void *read_next(void *argument)
{
	uint8_t *bytes = aligned_alloc(4096, 4096);
	uint64_t word;

	(void)argument;
	while (read(shared_fd, bytes, 4096) == 4096) {
		memcpy(&word, bytes, 8);
		if (word < SPAN / 4096) {
			n_blocks[word]++;
		}
		if (word == SPAN / 4096 / 4) {
			break;
		}
		n_done++;
	}
	is_over = true;
	free(bytes);
	return NULL;
}

CASE(threads_that_share_the_position)
{
	pthread_t threads[THREADS];
	int fd = open_warm();

	for (uint64_t i = 0; i < SPAN / 4096; i++) {
		memcpy(buffer + i % 256 * 4096, &i, 8);
		if (i % 256 == 255) {
			CHECK_EQ(pwrite(fd, buffer, 256 * 4096, (off_t)(i - 255) * 4096),
				256 * 4096);
		}
	}
	shared_fd = fd;
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	start_threads(threads, read_next);
	while (!is_over) {
		usleep(3000);
		if (!is_over && n_done < SPAN / 4096 / 4) {
			close(dup(fd)); /* the position is posix' for a moment */
		}
	}
	CHECK_EQ(lseek(fd, 0, SEEK_END), (off_t)disk_size);
	join_threads(threads);
	for (uint64_t i = 0; i <= SPAN / 4096 / 4; i++) {
		/* Linux lets reads of disks overlap, which may read a block twice */
		CHECK(n_blocks[i] == 1 || (is_disk && n_blocks[i] > 1));
	}
}

CASE(children_have_the_descriptor)
{
	int fd = open_warm();
	pid_t child = fork();

	if (child == 0) {
		for (uint32_t i = 0; i < 40; i++) {
			make_words(buffer, 4096, SPAN / 2, i);
			if (pwrite(fd, buffer, 4096, SPAN / 2) != 4096 ||
				pread(fd, other, 4096, SPAN / 2) != 4096 ||
				!are_words(other, 4096, SPAN / 2, i)) {
				_exit(1);
			}
		}
		_exit(0);
	}
	warm(fd);
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(pread(fd, buffer, 4096, SPAN / 2), 4096);
	CHECK(are_words(buffer, 4096, SPAN / 2, 39));
}

/* Reads what warm() has written, from a descriptor that comes and goes. */
static void *read_on(void *argument)
{
	uint8_t *bytes = aligned_alloc(4096, 4096);

	(void)argument;
	while (!is_over) {
		ssize_t n_bytes = pread(shared_fd, bytes, 4096, 0);

		n_wrong += n_bytes < 0 ? errno != EBADF
				       : n_bytes != 4096 || !are_words(bytes, 4096, 0, 7);
		n_done++;
	}
	free(bytes);
	return NULL;
}

CASE(closed_by_another_thread_meanwhile)
{
	pthread_t threads[THREADS];
	int fd = open_warm();

	shared_fd = dup(fd);
	warm(shared_fd);
	start_threads(threads, read_on);
	for (int i = 0; i < 150; i++) {
		usleep(2000);
		CHECK_EQ(close(shared_fd), 0);
		usleep(i % 3 * 300);
		CHECK_EQ(dup(fd), shared_fd);
	}
	is_over = true;
	join_threads(threads);
	CHECK_EQ(n_wrong, 0);
	CHECK(n_done > 100);
}

static void *read_to_the_end(void *argument)
{
	uint8_t *bytes = aligned_alloc(4096, 128 * KIB);
	size_t size = (uintptr_t)argument % 2 == 0 ? 4096 : 128 * KIB;

	while (pread(shared_fd, bytes, size, 0) == (ssize_t)size) {
		n_wrong += !are_words(bytes, 4096, 0, 7);
	}
	n_done += errno == EIO || errno == ENXIO || errno == ENODEV;
	free(bytes);
	return NULL;
}

/* Somebody else takes it out, for whom this says when. */
CASE(a_disk_that_is_taken_out)
{
	pthread_t threads[THREADS];

	if (getenv("DIRECT_UNPLUG") == NULL) {
		return;
	}
	shared_fd = open_warm();
	start_threads(threads, read_to_the_end);
	puts("ready");
	fflush(stdout);
	join_threads(threads);
	CHECK_EQ(n_wrong, 0);
	CHECK_EQ(n_done, THREADS);
	CHECK(pwrite(shared_fd, buffer, 4096, 0) < 0);
}

static _Atomic uint32_t n_signals;

static void count_signal(int signal)
{
	(void)signal;
	n_signals++;
}

CASE(signals_do_not_interrupt_it)
{
	struct sigaction action = { .sa_handler = count_signal };
	const struct itimerval often = { { 0, 1500 }, { 0, 1500 } }, never = { 0 };
	const time_t end = time(NULL) + 15; /* how many transfers that are depends on the disk */

	int fd = open_warm();

	CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	for (uint32_t i = 0; n_signals < 100 && time(NULL) < end; i++) {
		uint64_t size = i % 16 == 0 ? 256 * KIB : 4096;

		CHECK_EQ(pread(fd, buffer, size, 0), size);
		CHECK(are_words(buffer, 4096, 0, 7));
	}
	CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
	CHECK(n_signals >= 100);
}

/* In a child, until something ends it. */
static void work_for_ever(void)
{
	pthread_t threads[THREADS];

	for (;;) {
		start_threads(threads, work);
		join_threads(threads);
	}
}

CASE(killed_meanwhile)
{
	for (int i = 0; i < 12; i++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			shared_fd = open_warm();
			work_for_ever();
		}
		usleep(60000 + (useconds_t)i * 7000);
		CHECK_EQ(kill(child, SIGKILL), 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	warm(open_disk());
}

CASE(another_program_meanwhile)
{
	for (int i = 0; i < 6; i++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			pthread_t threads[THREADS];

			shared_fd = open_warm();
			start_threads(threads, work);
			usleep(20000);
			execl("/proc/self/exe", "direct-io", "there-is-no-such-case", NULL);
			_exit(99);
		}
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) != 99);
	}
	warm(open_disk());
}

CASES_MAIN()
