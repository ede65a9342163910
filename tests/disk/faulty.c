/* SPDX-License-Identifier: MIT */
/*
 * Files on a disk that fails now and then, and what fsync promised of them.
 *
 *	faulty FOLDER SEED OPERATIONS
 *
 * An ordinary Linux program. It writes blocks of some files, each with a version of its own, and
 * calls fsync; calls may fail with EIO, and with EROFS when the file system has given up. What can
 * be read must be what was written. In the end it prints what may be found on the disk later:
 *
 *	file NAME SAFE/LAST SAFE/LAST ...     for each block; 0: nothing
 *	name NAME is|may|not                  of files that come and go
 *
 * A block has one of the versions from SAFE on, which an fsync has promised, up to LAST. A block is
 * filled with four words: MAGIC, file, block, version.
 */
#define _GNU_SOURCE /* O_DIRECT */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES   12
#define BLOCKS  24 /* of each */
#define BLOCK   4096
#define NAMES   40
#define GIVE_UP 200 /* errors in a row */
#define MAGIC   0x66617579

enum sure { NOT, MAY, IS };

struct file {
	int fd;
	uint32_t last[BLOCKS], safe[BLOCKS]; /* versions */
	bool is_lost[BLOCKS]; /* a write has failed: it may be there in part of a run, or not */
};

static struct file files[FILES];
static enum sure names[NAMES];
static uint64_t chance;
static uint32_t version, n_errors, n_errors_in_a_row, n_syncs, n_failed_syncs;
static int folder;
static uint32_t blocks[4][BLOCK / 4] __attribute__((aligned(BLOCK)));

static uint64_t random_number(uint64_t bound)
{
	chance += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t value = (chance ^ chance >> 30) * UINT64_C(0xbf58476d1ce4e5b9);

	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return (value ^ value >> 31) % bound;
}

/* Whether a call has failed, which only the disk may be the reason of. */
static bool has_failed(long result, const char *call, const char *name)
{
	if (result >= 0) {
		n_errors_in_a_row = 0;
		return false;
	}
	if (errno != EIO && errno != EROFS) {
		fprintf(stderr, "faulty: %s %s: %s\n", call, name, strerror(errno));
		exit(1);
	}
	n_errors++;
	n_errors_in_a_row++;
	return true;
}

static void name_of(char *name, size_t size, const char *kind, unsigned number)
{
	snprintf(name, size, "%s%u", kind, number);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void fill(uint32_t *block, uint32_t file, uint32_t number)
{
	for (size_t i = 0; i < BLOCK / 4; i += 4) {
		block[i] = MAGIC;
		block[i + 1] = file;
		block[i + 2] = number;
		block[i + 3] = version;
	}
}

static void write_blocks(uint32_t index)
{
	struct file *file = &files[index];
	uint32_t n = 1 + (uint32_t)random_number(4), first = (uint32_t)random_number(BLOCKS - n);

	version++;
	for (uint32_t i = 0; i < n; i++) {
		fill(blocks[i], index, first + i);
	}
	ssize_t done = pwrite(file->fd, blocks, n * BLOCK, (off_t)first * BLOCK);
	bool is_bad = has_failed(done, "pwrite", "a file");

	for (uint32_t i = 0; i < n; i++) {
		if (is_bad || i >= (size_t)done / BLOCK) {
			file->is_lost[first + i] = true;
		}
		file->last[first + i] = version;
	}
}

static void differs(uint32_t index, uint32_t number, const uint32_t *block)
{
	fprintf(stderr, "faulty: file %u block %u has %x %u %u version %u, last %u\n", index,
		number, block[0], block[1], block[2], block[3], files[index].last[number]);
	exit(1);
}

static void read_block(uint32_t index, bool is_direct)
{
	const struct file *file = &files[index];
	uint32_t number = (uint32_t)random_number(BLOCKS), *block = blocks[0];
	char name[16];
	int fd = file->fd;

	name_of(name, sizeof(name), "f", index);
	if (is_direct) {
		fd = openat(folder, name, O_RDONLY | O_DIRECT);
		if (has_failed(fd, "open", name)) {
			return;
		}
	}
	ssize_t n = pread(fd, block, BLOCK, (off_t)number * BLOCK);

	if (!has_failed(n, "pread", name) && n == BLOCK && !file->is_lost[number]) {
		bool is_right = file->last[number] == 0 ? block[0] == 0 && block[3] == 0
							: block[0] == MAGIC && block[1] == index &&
				block[2] == number && block[3] == file->last[number];

		if (!is_right) {
			differs(index, number, block);
		}
	}
	if (is_direct) {
		close(fd);
	}
}

static void sync_file(uint32_t index)
{
	struct file *file = &files[index];

	n_syncs++;
	if (has_failed(random_number(2) ? fsync(file->fd) : fdatasync(file->fd), "fsync", "")) {
		n_failed_syncs++;
		return;
	}
	for (uint32_t i = 0; i < BLOCKS; i++) {
		if (!file->is_lost[i]) {
			file->safe[i] = file->last[i];
		}
	}
}

/* ---- names ----------------------------------------------------------------------------------- */

static void change_name(void)
{
	uint32_t number = (uint32_t)random_number(NAMES);
	bool is_made = random_number(2) != 0;
	char name[16];
	int result;

	name_of(name, sizeof(name), "n", number);
	if (is_made) {
		result = openat(folder, name, O_CREAT | O_WRONLY, 0644);
		if (result >= 0) {
			close(result);
		}
	} else {
		result = unlinkat(folder, name, 0);
		if (result < 0 && errno == ENOENT) {
			result = 0;
		}
	}
	if (has_failed(result, is_made ? "create" : "unlink", name)) {
		names[number] = MAY;
		return;
	}
	enum sure before = names[number], after = is_made ? IS : NOT;

	names[number] = before == after ? after : MAY;
	if (!has_failed(fsync(folder), "fsync of the folder", "")) {
		names[number] = after;
	}
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void make_files(const char *path)
{
	char name[16];

	folder = open(path, O_RDONLY | O_DIRECTORY);
	if (folder < 0) {
		perror(path);
		exit(1);
	}
	for (uint32_t i = 0; i < FILES; i++) {
		name_of(name, sizeof(name), "f", i);
		files[i].fd = openat(folder, name, O_CREAT | O_RDWR, 0644);
		if (has_failed(files[i].fd, "create", name)) {
			files[i].fd = -1;
		}
	}
}

static void step(void)
{
	uint32_t index = (uint32_t)random_number(FILES), kind = (uint32_t)random_number(100);

	if (kind >= 90) {
		change_name();
	} else if (files[index].fd < 0) {
		n_errors_in_a_row++;
	} else if (kind < 45) {
		write_blocks(index);
	} else if (kind < 65) {
		read_block(index, kind < 55);
	} else {
		sync_file(index);
	}
}

static void report(void)
{
	static const char *const words[] = { [NOT] = "not", [MAY] = "may", [IS] = "is" };

	printf("errors %u, fsyncs %u, of which failed %u\n", n_errors, n_syncs, n_failed_syncs);
	for (uint32_t i = 0; i < FILES; i++) {
		printf("file f%u", i);
		for (uint32_t k = 0; k < BLOCKS; k++) {
			printf(" %u/%u", files[i].safe[k], files[i].last[k]);
		}
		printf("\n");
	}
	for (uint32_t i = 0; i < NAMES; i++) {
		printf("name n%u %s\n", i, words[names[i]]);
	}
	printf("end\n");
}

int main(int n_arguments, char **arguments)
{
	if (n_arguments != 4) {
		fprintf(stderr, "usage: faulty FOLDER SEED OPERATIONS\n");
		return 2;
	}
	chance = strtoull(arguments[2], NULL, 0);
	make_files(arguments[1]);
	for (long i = strtol(arguments[3], NULL, 0); i > 0 && n_errors_in_a_row < GIVE_UP; i--) {
		step();
	}
	report();
	return 0;
}
