/* SPDX-License-Identifier: MIT */
/*
 * One file, used in every way at random, and compared with what it must hold.
 *
 *	fsx FILE SEED OPERATIONS [SIZE-MAX]
 *
 * An ordinary Linux program. The model is a buffer; what a call answers and what is read, by
 * whichever way, must be what the buffer says. Ways that a file system does not have (EOPNOTSUPP)
 * are left out. A difference ends the program with 1, and tells the last operations; the seed
 * replays it.
 */
#define _GNU_SOURCE /* fallocate, O_DIRECT */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE     4096
#define LOG      64
#define TRANSFER (64 * 1024)
#define SECTOR   4096 /* of transfers past the cache */

static const char *path;
static int fd, direct_fd;
static uint64_t chance;
static uint8_t *model, *buffer;
static size_t model_size, size_max = 1024 * 1024;
static uint64_t n_done;
static char history[LOG][96];

static void note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(history[n_done % LOG], sizeof(history[0]), format, arguments);
	va_end(arguments);
}

static void fail(const char *what)
{
	int error = errno;
	uint64_t first = n_done < LOG ? 0 : n_done - LOG + 1;

	for (uint64_t i = first; i <= n_done; i++) {
		fprintf(stderr, "fsx: %llu: %s\n", (unsigned long long)i, history[i % LOG]);
	}
	fprintf(stderr, "fsx: %s (%s), size %zu\n", what, strerror(error), model_size);
	exit(1);
}

static void must(bool is_right, const char *what)
{
	if (!is_right) {
		fail(what);
	}
}

static uint64_t random_number(uint64_t bound)
{
	chance += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t value = (chance ^ chance >> 30) * UINT64_C(0xbf58476d1ce4e5b9);

	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return bound != 0 ? (value ^ value >> 31) % bound : 0;
}

/* Mostly at places where something begins or ends. */
static size_t random_place(size_t limit)
{
	size_t place = random_number(limit + 1);

	switch (random_number(4)) {
	case 0: return place / PAGE * PAGE;
	case 1: return model_size < limit ? model_size : limit;
	default: return place;
	}
}

static size_t random_length(void)
{
	return 1 + random_number(random_number(3) == 0 ? TRANSFER : 5000);
}

static void fill(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		bytes[i] = (uint8_t)(random_number(255) + 1);
	}
}

/* The file has @size bytes; what is new is zero. */
static void model_resize(size_t size)
{
	if (size > model_size) {
		memset(model + model_size, 0, size - model_size);
	}
	model_size = size;
}

static void model_write(size_t at, const uint8_t *bytes, size_t size)
{
	if (at + size > model_size) {
		model_resize(at + size);
	}
	memcpy(model + at, bytes, size);
}

static void compare(const uint8_t *bytes, size_t at, size_t size, const char *how)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != model[at + i]) {
			fprintf(stderr, "fsx: byte %zu is %02x, not %02x\n", at + i, bytes[i],
				model[at + i]);
			errno = 0;
			fail(how);
		}
	}
}

/* ---- the ways -------------------------------------------------------------------------------- */

static void do_read(void)
{
	size_t at = random_place(size_max), size = random_length();
	size_t expected = at >= model_size ? 0 : model_size - at < size ? model_size - at : size;

	note("read %zu at %zu", size, at);
	must(pread(fd, buffer, size, (off_t)at) == (ssize_t)expected, "length of a read");
	compare(buffer, at, expected, "read");
}

static void do_readv(void)
{
	size_t at = random_place(size_max), first = random_length(), second = random_length() / 2;
	struct iovec pieces[2] = { { buffer, first }, { buffer + first, second } };
	size_t size = first + second;
	size_t expected = at >= model_size ? 0 : model_size - at < size ? model_size - at : size;

	note("readv %zu and %zu at %zu", first, second, at);
	must(preadv(fd, pieces, 2, (off_t)at) == (ssize_t)expected, "length of a readv");
	compare(buffer, at, expected, "readv");
}

static void do_write(void)
{
	size_t size = random_length();
	size_t at = random_place(size_max - size);

	note("write %zu at %zu", size, at);
	fill(buffer, size);
	must(pwrite(fd, buffer, size, (off_t)at) == (ssize_t)size, "write");
	model_write(at, buffer, size);
}

static void do_append(void)
{
	size_t size = random_length();

	if (model_size + size > size_max) {
		return;
	}
	note("append %zu at %zu", size, model_size);
	fill(buffer, size);
	must(lseek(fd, 0, SEEK_END) == (off_t)model_size, "seek to the end");
	must(write(fd, buffer, size) == (ssize_t)size, "append");
	model_write(model_size, buffer, size);
}

static void do_direct(void)
{
	size_t size = (1 + random_number(8)) * SECTOR;
	size_t at = random_number((size_max - size) / SECTOR) * SECTOR;
	bool is_write = random_number(2) != 0;

	if (direct_fd < 0) {
		return;
	}
	note("direct %s %zu at %zu", is_write ? "write" : "read", size, at);
	if (is_write) {
		fill(buffer, size);
		must(pwrite(direct_fd, buffer, size, (off_t)at) == (ssize_t)size, "direct write");
		model_write(at, buffer, size);
	} else {
		size_t left = at >= model_size ? 0 : model_size - at;
		size_t expected = left < size ? left : size;

		must(pread(direct_fd, buffer, size, (off_t)at) == (ssize_t)expected, "direct read");
		compare(buffer, at, expected, "direct read");
	}
}

/* Through a mapping that is made for it; pages behind the end are not touched. */
static void do_map(void)
{
	size_t at = model_size == 0 ? 0 : random_number(model_size);
	size_t size = random_length();
	bool is_write = random_number(2) != 0;
	size_t start = at / PAGE * PAGE;

	size = model_size - at < size ? model_size - at : size;
	if (size == 0) {
		return;
	}
	note("map to %s %zu at %zu", is_write ? "write" : "read", size, at);
	uint8_t *mapped = mmap(NULL, at - start + size, PROT_READ | (is_write ? PROT_WRITE : 0),
		MAP_SHARED, fd, (off_t)start);

	must(mapped != MAP_FAILED, "mmap");
	if (is_write) {
		fill(buffer, size);
		memcpy(mapped + at - start, buffer, size);
		memcpy(model + at, buffer, size);
		if (random_number(3) == 0) {
			must(msync(mapped, at - start + size, MS_SYNC) == 0, "msync");
		}
	} else {
		compare(mapped + at - start, at, size, "mapping");
		/* the rest of the last page is zero */
		size_t end = (at + size + PAGE - 1) / PAGE * PAGE;

		for (size_t i = model_size; at + size == model_size && i < end; i++) {
			must(mapped[i - start] == 0, "behind the end of the file");
		}
	}
	must(munmap(mapped, at - start + size) == 0, "munmap");
}

static void do_truncate(void)
{
	size_t size = random_place(size_max);

	note("truncate %zu to %zu", model_size, size);
	must(ftruncate(fd, (off_t)size) == 0, "ftruncate");
	model_resize(size);
}

static void do_allocate(void)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };
	int mode = modes[random_number(5)];
	size_t size = random_length();
	size_t at = random_place(size_max - size);

	note("fallocate %x %zu at %zu", mode, size, at);
	if (fallocate(fd, mode, (off_t)at, (off_t)size) != 0) {
		must(errno == EOPNOTSUPP, "fallocate");
		return;
	}
	if (!(mode & FALLOC_FL_KEEP_SIZE) && at + size > model_size) {
		model_resize(at + size);
	}
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
		size_t end = at + size < model_size ? at + size : model_size;

		if (at < end) {
			memset(model + at, 0, end - at);
		}
	}
}

static void do_sync(void)
{
	note("sync");
	must((random_number(2) != 0 ? fsync(fd) : fdatasync(fd)) == 0, "fsync");
}

/* Closed and opened again; perhaps what is cached goes. */
static void do_reopen(void)
{
	note("reopen");
	if (random_number(2) != 0) {
		must(fsync(fd) == 0, "fsync");
		must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
	}
	close(fd);
	fd = open(path, O_RDWR);
	must(fd >= 0, "open");
}

/* Data and holes: a hole has zeros only, and all is one or the other. */
static void do_seek(void)
{
	off_t at = model_size == 0 ? 0 : (off_t)random_number(model_size);
	off_t data = lseek(fd, at, SEEK_DATA);

	note("seek for data from %lld: %lld", (long long)at, (long long)data);
	must(data >= 0 || errno == ENXIO, "SEEK_DATA");
	size_t end = data < 0 ? model_size : (size_t)data;

	must(end <= model_size, "SEEK_DATA behind the end");
	for (size_t i = (size_t)at; i < end; i++) {
		must(model[i] == 0, "a hole with data");
	}
}

static void check_size(void)
{
	struct stat stat;

	must(fstat(fd, &stat) == 0, "fstat");
	must((size_t)stat.st_size == model_size, "size");
}

static void step(void)
{
	static void (*const ways[])(void) = { do_read, do_read, do_readv, do_write, do_write,
		do_append, do_direct, do_map, do_map, do_truncate, do_allocate, do_seek };
	uint64_t rare = random_number(200);

	if (rare == 0) {
		do_sync();
	} else if (rare == 1) {
		do_reopen();
	} else {
		ways[random_number(sizeof(ways) / sizeof(ways[0]))]();
	}
	check_size();
}

int main(int n_arguments, char **arguments)
{
	if (n_arguments < 4) {
		fprintf(stderr, "usage: fsx FILE SEED OPERATIONS [SIZE-MAX]\n");
		return 2;
	}
	path = arguments[1];
	chance = strtoull(arguments[2], NULL, 0);
	if (n_arguments > 4) {
		size_max = strtoull(arguments[4], NULL, 0);
	}
	model = calloc(1, size_max + TRANSFER);
	buffer = aligned_alloc(PAGE, 4 * TRANSFER);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	must(model != NULL && buffer != NULL && fd >= 0, "begin");
	direct_fd = open(path, O_RDWR | O_DIRECT);
	for (uint64_t n = strtoull(arguments[3], NULL, 0); n_done < n; n_done++) {
		step();
	}
	printf("fsx: %llu operations, %zu bytes\n", (unsigned long long)n_done, model_size);
	return 0;
}
