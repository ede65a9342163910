/* SPDX-License-Identifier: MIT */
/*
 * Random calls on a few files, through descriptors that share positions or do not, compared with a
 * model of what the files hold. The seed is printed; TEST_SEED and TEST_STEPS in the environment
 * choose another run.
 */
#include "check.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { N_FILES = 3, N_SLOTS = 8, PAGE = 4096, SIZE_MAX_ = 40 * PAGE, PIECE_MAX = 5 * PAGE };

struct model_file {
	int keeper; /* a descriptor that stays open */
	char bytes[SIZE_MAX_ + PIECE_MAX];
	size_t size;
};

/* An open file: what descriptors made by dup() share. */
struct model_open {
	struct model_file *file;
	size_t position;
	int access;
};

static struct model_file files[N_FILES];
static struct model_open opens[N_SLOTS];
static struct {
	int fd;
	struct model_open *open;
} slots[N_SLOTS];

static uint64_t state;
static char buffer[PIECE_MAX], other[PIECE_MAX];

static size_t draw(size_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (size_t)(state >> 11) % n;
}

/* Mostly within the file, often at its end or at the border of a page. */
static size_t draw_offset(const struct model_file *file)
{
	switch (draw(4)) {
	case 0: return file->size;
	case 1: return draw(SIZE_MAX_ / PAGE) * PAGE;
	default: return draw(file->size + PAGE);
	}
}

static size_t readable(const struct model_file *file, size_t offset, size_t size)
{
	size_t left = offset < file->size ? file->size - offset : 0;

	return size < left ? size : left;
}

static void set_size(struct model_file *file, size_t size)
{
	if (size < file->size) {
		memset(file->bytes + size, 0, file->size - size);
	}
	file->size = size;
}

static void put(struct model_file *file, size_t offset, size_t size)
{
	memcpy(file->bytes + offset, buffer, size);
	if (size > 0 && offset + size > file->size) {
		file->size = offset + size;
	}
}

/* ---- descriptors --------------------------------------------------------------------------- */

static struct model_open *unused_open(void)
{
	for (int i = 0; i < N_SLOTS; i++) {
		bool is_used = false;

		for (int k = 0; k < N_SLOTS; k++) {
			is_used = is_used || slots[k].open == &opens[i];
		}
		if (!is_used) {
			return &opens[i];
		}
	}
	check_fail(__LINE__, "an open file is unused", 0);
}

static void reopen(int slot)
{
	static const int modes[] = { O_RDWR, O_RDWR, O_RDONLY, O_WRONLY };
	struct model_file *file = &files[draw(N_FILES)];
	int access = modes[draw(4)];
	char name[64];

	if (slots[slot].open) {
		CHECK_EQ(close(slots[slot].fd), 0);
		slots[slot].open = NULL;
	}
	snprintf(name, sizeof(name), "/proc/self/fd/%d", file->keeper);
	slots[slot].fd = open(name, access);
	CHECK(slots[slot].fd >= 0);
	slots[slot].open = unused_open();
	*slots[slot].open = (struct model_open){ .file = file, .access = access };
}

static void duplicate(int from, int to)
{
	if (from != to) {
		CHECK_EQ(dup2(slots[from].fd, slots[to].fd), slots[to].fd);
		slots[to].open = slots[from].open;
	}
}

/* ---- steps --------------------------------------------------------------------------------- */

static void check_read(const struct model_file *file, size_t offset, size_t size, ssize_t result)
{
	CHECK_EQ(result, readable(file, offset, size));
	CHECK(result <= 0 || !memcmp(buffer, file->bytes + offset, (size_t)result));
}

static void step_read(int fd, struct model_open *at, size_t size, bool has_offset)
{
	size_t offset = has_offset ? draw_offset(at->file) : at->position;
	ssize_t result =
		has_offset ? pread(fd, buffer, size, (off_t)offset) : read(fd, buffer, size);

	if (at->access == O_WRONLY) {
		CHECK_EQ(result, -1);
		return;
	}
	check_read(at->file, offset, size, result);
	if (!has_offset) {
		at->position += (size_t)result;
	}
}

static void step_read_vector(int fd, struct model_open *at, size_t size)
{
	size_t split = draw(size + 1), offset = draw_offset(at->file);
	struct iovec vector[2] = { { buffer, split }, { buffer + split, size - split } };

	if (at->access != O_WRONLY) {
		check_read(at->file, offset, size, preadv(fd, vector, 2, (off_t)offset));
	}
}

static void step_write(int fd, struct model_open *at, size_t size, bool has_offset)
{
	size_t offset = has_offset ? draw_offset(at->file) : at->position;

	if (offset > SIZE_MAX_) {
		return;
	}
	memset(buffer, (int)('a' + draw(26)), size);
	ssize_t result =
		has_offset ? pwrite(fd, buffer, size, (off_t)offset) : write(fd, buffer, size);

	if (at->access == O_RDONLY) {
		CHECK_EQ(result, -1);
		return;
	}
	CHECK_EQ(result, size);
	put(at->file, offset, size);
	if (!has_offset) {
		at->position += size;
	}
}

static void step_seek(int fd, struct model_open *at)
{
	size_t target = draw_offset(at->file);

	switch (draw(3)) {
	case 0: CHECK_EQ(lseek(fd, (off_t)target, SEEK_SET), target); break;
	case 1: CHECK_EQ(lseek(fd, (off_t)target - (off_t)at->position, SEEK_CUR), target); break;
	default: CHECK_EQ(lseek(fd, (off_t)target - (off_t)at->file->size, SEEK_END), target);
	}
	at->position = target;
}

static void step_stat(int fd, const struct model_open *at)
{
	struct stat stat;

	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_size, at->file->size);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), at->position);
}

static void step_truncate(struct model_file *file)
{
	size_t size = draw_offset(file);

	CHECK_EQ(ftruncate(file->keeper, (off_t)size), 0);
	set_size(file, size);
}

static void step_punch(struct model_file *file, size_t size)
{
	size_t offset = draw_offset(file);

	if (size > 0) {
		CHECK_EQ(fallocate(file->keeper, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 (off_t)offset, (off_t)size),
			0);
		memset(file->bytes + offset, 0, readable(file, offset, size));
	}
}

static void step_map(struct model_file *file)
{
	size_t page = draw(file->size / PAGE + 1), offset = page * PAGE + draw(PAGE);
	char *map;

	if (offset < file->size) {
		map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file->keeper,
			(off_t)(page * PAGE));
		CHECK(map != MAP_FAILED);
		CHECK_EQ(map[offset % PAGE], file->bytes[offset]);
		map[offset % PAGE] = file->bytes[offset] = (char)('A' + draw(26));
		CHECK_EQ(munmap(map, PAGE), 0);
	}
}

/* A child moves the position that both have. */
static void step_fork(int fd, struct model_open *at)
{
	size_t n_bytes = readable(at->file, at->position, 10);
	int status;
	pid_t pid;

	if (at->access == O_WRONLY) {
		return;
	}
	pid = fork();
	if (pid == 0) {
		_exit(read(fd, other, 10) == (ssize_t)n_bytes &&
					!memcmp(other, at->file->bytes + at->position, n_bytes)
				? 0
				: 1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	at->position += n_bytes;
}

static void step(void)
{
	int slot = (int)draw(N_SLOTS);
	struct model_open *at = slots[slot].open;
	size_t size = draw(4) ? draw(200) : draw(PIECE_MAX);
	int fd = slots[slot].fd;

	switch (draw(100)) {
	case 0 ... 29: step_read(fd, at, size, true); break;
	case 30 ... 49: step_read(fd, at, size, false); break;
	case 50 ... 54: step_read_vector(fd, at, size); break;
	case 55 ... 69: step_seek(fd, at); break;
	case 70 ... 81: step_stat(fd, at); break;
	case 82 ... 85: step_write(fd, at, size, true); break;
	case 86 ... 88: step_write(fd, at, size, false); break;
	case 89 ... 90: step_truncate(at->file); break;
	case 91: step_punch(at->file, size); break;
	case 92 ... 93: step_map(at->file); break;
	case 94 ... 95: duplicate(slot, (int)draw(N_SLOTS)); break;
	case 96: step_fork(fd, at); break;
	default: reopen(slot); break;
	}
}

static size_t number_of(const char *name, size_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

CASE(random_calls_agree_with_a_model)
{
	size_t seed = number_of("TEST_SEED", 1), n_steps = number_of("TEST_STEPS", 20000);

	printf("# TEST_SEED=%zu\n", seed);
	state = seed * 0x9e3779b97f4a7c15 + 1;
	for (int i = 0; i < N_FILES; i++) {
		files[i].keeper = open("/tmp", O_TMPFILE | O_RDWR, 0600);
		CHECK(files[i].keeper >= 0);
	}
	for (int i = 0; i < N_SLOTS; i++) {
		reopen(i);
	}
	for (size_t i = 0; i < n_steps; i++) {
		step();
	}
}

CASES_MAIN()
