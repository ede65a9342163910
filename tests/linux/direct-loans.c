/* SPDX-License-Identifier: MIT */
/*
 * Long reads and writes with O_DIRECT, which need not be copied (docs/internals/direct.md): to and
 * from memory of all kinds, and while other threads change what is mapped there.
 */
#include "direct.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#define LONG    (512 * KIB)
#define FROM    (1u << 20) /* on the disk */
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED  (MAP_SHARED | MAP_ANONYMOUS)

static uint8_t *map(uint64_t size, int flags, int fd)
{
	uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	CHECK(bytes != MAP_FAILED);
	return bytes;
}

static bool writes(int fd, uint8_t *bytes, uint64_t size, uint32_t version)
{
	make_words(bytes, size, FROM, version);
	return pwrite(fd, bytes, size, FROM) == (ssize_t)size;
}

static bool reads(int fd, uint8_t *bytes, uint64_t size, uint32_t version)
{
	return pread(fd, bytes, size, FROM) == (ssize_t)size &&
		are_words(bytes, size, FROM, version);
}

/* Makes the disk say something else than the buffer. */
static void change_disk(int fd, uint64_t size, uint32_t version)
{
	for (uint64_t at = 0; at < size; at += LONGEST) {
		uint64_t n = size - at < LONGEST ? size - at : LONGEST;

		make_words(other, n, FROM + at, version);
		CHECK_EQ(pwrite(fd, other, n, (off_t)(FROM + at)), n);
	}
}

/* Often enough, and with time enough, that nobody copies any more. */
static void use(int fd, uint8_t *bytes, uint64_t size)
{
	static uint32_t version;

	for (int i = 0; i < 3; i++) {
		version++;
		CHECK(writes(fd, bytes, size, version));
		memset(bytes, 0, size);
		CHECK(reads(fd, bytes, size, version));
		usleep(i < 2 ? 2000 : 0);
	}
	change_disk(fd, size, ++version);
	CHECK(reads(fd, bytes, size, version));
}

static int make_file(uint64_t size)
{
	char name[] = "direct-XXXXXX";
	int file = mkstemp(name);

	CHECK(file >= 0 && ftruncate(file, (off_t)size) == 0);
	unlink(name);
	return file;
}

/* ---- kinds of memory ------------------------------------------------------------------------- */

static uint8_t of_program[LONG];

CASE(memory_of_the_program)
{
	int fd = open_warm();
	_Alignas(4096) uint8_t on_stack[128 * KIB];
	uint8_t *small = sbrk(256 * KIB + 4096);
	uint8_t *block = malloc(LONG + 512);

	use(fd, (uint8_t *)(((uintptr_t)block + 511) & ~(uintptr_t)511), LONG);
	free(block);
	use(fd, (uint8_t *)(((uintptr_t)small + 511) & ~(uintptr_t)511), 256 * KIB);
	use(fd, (uint8_t *)(((uintptr_t)of_program + 511) & ~(uintptr_t)511), LONG - 512);
	use(fd, on_stack, sizeof(on_stack));
	use(fd, map(LONG, PRIVATE, -1), LONG);
}

CASE(memory_that_was_not_touched)
{
	int fd = open_warm();

	use(fd, map(2 * LONG, PRIVATE, -1), LONG); /* it is lent together with what is below it */
	for (uint32_t i = 0; i < 8; i++) {
		uint8_t *bytes = map(LONG, i % 2 == 0 ? PRIVATE : SHARED, -1);

		change_disk(fd, LONG, i);
		CHECK(reads(fd, bytes, LONG, i));
		bytes = map(LONG, i % 2 == 0 ? PRIVATE : SHARED, -1);
		CHECK_EQ(pwrite(fd, bytes, LONG, FROM), LONG);
		CHECK_EQ(pread(fd, other, LONG, FROM), LONG);
		CHECK(other[0] == 0 && memcmp(other, other + 1, LONG - 1) == 0);
	}
}

CASE(memory_that_is_shared)
{
	int fd = open_warm(), memory = memfd_create("direct", 0);

	CHECK(memory >= 0 && ftruncate(memory, LONG) == 0);
	uint8_t *bytes = map(LONG, SHARED, -1), *first = map(LONG, MAP_SHARED, memory);
	uint8_t *second = map(LONG, MAP_SHARED, memory);

	use(fd, first, LONG);
	CHECK(memcmp(first, second, LONG) == 0);
	use(fd, second, LONG);
	CHECK(memcmp(first, second, LONG) == 0);
	use(fd, bytes, LONG);
	change_disk(fd, LONG, 1000);
	pid_t child = fork();
	int status;

	if (child == 0) {
		usleep(1000);
		_exit(are_words(bytes, LONG, FROM, 1000) ? 0 : 1);
	}
	CHECK(reads(fd, bytes, LONG, 1000));
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(status == 0 || status == 1 << 8); /* it may have been too early */
	CHECK_EQ(munmap(second, LONG), 0);
	CHECK_EQ(ftruncate(memory, LONG / 2), 0);
	ssize_t n_bytes = pread(fd, first, LONG, FROM); /* half of it is nowhere */

	CHECK(n_bytes < 0 ? errno == EFAULT : n_bytes <= LONG / 2);
	CHECK_EQ(ftruncate(memory, LONG), 0);
	use(fd, first, LONG);
}

CASE(memory_of_files)
{
	int fd = open_warm(), file = make_file(LONG);
	uint8_t *shared = map(LONG, MAP_SHARED, file), *private = map(LONG, MAP_PRIVATE, file);

	use(fd, shared, LONG);
	CHECK_EQ(pread(file, buffer, LONG, 0), LONG);
	CHECK(memcmp(shared, buffer, LONG) == 0);
	CHECK(memcmp(private, buffer, LONG) == 0); /* what it has not written to */
	CHECK_EQ(pwrite(fd, private, LONG, FROM), LONG);
	use(fd, private, LONG);
	CHECK_EQ(pread(file, other, LONG, 0), LONG);
	CHECK(memcmp(buffer, other, LONG) == 0);
	CHECK_EQ(fsync(file), 0);
	CHECK_EQ(munmap(shared, LONG), 0);
	shared = map(LONG, MAP_SHARED, file);
	CHECK(memcmp(shared, buffer, LONG) == 0);
	CHECK_EQ(madvise(private, LONG, MADV_DONTNEED), 0); /* it shows the file again */
	CHECK(memcmp(private, buffer, LONG) == 0);
	change_disk(fd, LONG, 5);
	CHECK(reads(fd, private, LONG, 5));
	CHECK(memcmp(shared, buffer, LONG) == 0);
}

/* Bytes around it stay what they are. */
CASE(places_inside_of_pages)
{
	int fd = open_warm();
	uint8_t *bytes = map(LONG, PRIVATE, -1);
	uint64_t state = 4711;

	use(fd, bytes, LONG);
	for (uint32_t i = 0; i < 60; i++) {
		uint64_t size = 64 * KIB + next_random(&state) % 256 * 512;
		uint64_t at = next_random(&state) % ((LONG - size) / 512) * 512;

		change_disk(fd, size, i);
		memset(bytes, 0xa5, LONG);
		CHECK(reads(fd, bytes + at, size, i));
		for (uint64_t k = 0; k < LONG; k += k < at || k >= at + size ? 1 : size) {
			CHECK((k >= at && k < at + size) || bytes[k] == 0xa5);
		}
		CHECK(writes(fd, bytes + at, size, i + 1000));
		CHECK_EQ(pread(fd, other, size, FROM), size);
		CHECK(are_words(other, size, FROM, i + 1000));
	}
}

CASE(huge_pages)
{
	uint64_t huge = 2048 * KIB, size = 2 * huge;
	int fd = open_warm();
	uint8_t *all = map(size + huge, PRIVATE, -1);
	uint8_t *bytes = (uint8_t *)(((uintptr_t)all + huge - 1) & ~(uintptr_t)(huge - 1));

	(void)madvise(bytes, size, MADV_HUGEPAGE);
	use(fd, bytes, size);
	CHECK_EQ(madvise(bytes + huge, huge, MADV_DONTNEED), 0);
	use(fd, bytes + 512, size - 1024);
	CHECK_EQ(mprotect(bytes + 65536, 4096, PROT_READ), 0); /* now it is of small ones */
	ssize_t n_bytes = pread(fd, bytes, size, FROM);

	CHECK(n_bytes < 0 ? errno == EFAULT : n_bytes <= 65536);
	CHECK_EQ(mprotect(bytes + 65536, 4096, PROT_READ | PROT_WRITE), 0);
	use(fd, bytes, size);
}

CASE(many_buffers)
{
	enum { N = 40, SIZE = 128 * KIB };
	int fd = open_warm();
	uint8_t *all = map((uint64_t)N * 4 * SIZE, PRIVATE, -1);
	uint64_t state = 815;

	for (uint32_t i = 0; i < 160; i++) {
		uint8_t *bytes = all + next_random(&state) % N * 4 * SIZE;

		CHECK(writes(fd, bytes, SIZE, i));
		memset(bytes, 0, SIZE);
		CHECK(reads(fd, bytes, SIZE, i));
	}
	for (uint32_t i = 0; i < N; i++) { /* one behind the other */
		change_disk(fd, SIZE, i);
		CHECK(reads(fd, all + i * SIZE, SIZE, i));
	}
}

CASE(vectors_and_positions)
{
	int fd = open_warm();
	uint8_t *bytes = map(LONG, PRIVATE, -1);
	struct iovec one = { bytes, LONG };

	use(fd, bytes, LONG);
	for (uint32_t i = 0; i < 4; i++) {
		make_words(bytes, LONG, FROM, i);
		CHECK_EQ(pwritev(fd, &one, 1, FROM), LONG);
		memset(bytes, 0, LONG);
		CHECK_EQ(preadv(fd, &one, 1, FROM), LONG);
		CHECK(are_words(bytes, LONG, FROM, i));
		CHECK_EQ(lseek(fd, FROM, SEEK_SET), FROM);
		make_words(bytes, LONG, FROM, i + 100);
		CHECK_EQ(write(fd, bytes, LONG), LONG);
		CHECK_EQ(lseek(fd, -LONG, SEEK_CUR), FROM);
		memset(bytes, 0, LONG);
		CHECK_EQ(read(fd, bytes, LONG), LONG);
		CHECK(are_words(bytes, LONG, FROM, i + 100));
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), FROM + LONG);
	}
}

/* ---- memory that changes between transfers --------------------------------------------------- */

static bool is_fault(ssize_t n_bytes)
{
	return n_bytes < 0 && errno == EFAULT;
}

CASE(memory_that_may_not_be_accessed)
{
	int fd = open_warm(), file = make_file(LONG);
	uint8_t *bytes = map(LONG, PRIVATE, -1);

	use(fd, bytes, LONG);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_EQ(mprotect(bytes, LONG, PROT_READ | PROT_WRITE), 0);
		CHECK(writes(fd, bytes, LONG, i));
		CHECK_EQ(mprotect(bytes, LONG, PROT_READ), 0);
		change_disk(fd, LONG, i + 100);
		CHECK(is_fault(pread(fd, bytes, LONG, FROM)));
		CHECK(are_words(bytes, LONG, FROM, i));
		CHECK_EQ(pwrite(fd, bytes, LONG, FROM), LONG);
		CHECK_EQ(pread(fd, other, LONG, FROM), LONG);
		CHECK(are_words(other, LONG, FROM, i));
		CHECK_EQ(mprotect(bytes, LONG, PROT_NONE), 0);
		CHECK(is_fault(pread(fd, bytes, LONG, FROM)));
		CHECK(is_fault(pwrite(fd, bytes, LONG, FROM)));
	}
	CHECK_EQ(mprotect(bytes, LONG, PROT_READ | PROT_WRITE), 0);
	CHECK(are_words(bytes, LONG, FROM, 2));
	CHECK_EQ(mprotect(bytes + LONG / 2, 4096, PROT_NONE), 0);
	change_disk(fd, LONG, 300);
	ssize_t n_bytes = pread(fd, bytes, LONG, FROM);

	CHECK(is_fault(n_bytes) || (n_bytes > 0 && n_bytes <= LONG / 2));
	CHECK(n_bytes < 0 || are_words(bytes, (uint64_t)n_bytes, FROM, 300));
	CHECK(is_fault(n_bytes = pwrite(fd, bytes, LONG, FROM)) || n_bytes <= LONG / 2);
	bytes = mmap(NULL, LONG, PROT_READ, MAP_SHARED, file, 0);
	CHECK(bytes != MAP_FAILED);
	for (int i = 0; i < 3; i++) {
		CHECK(is_fault(pread(fd, bytes, LONG, FROM)));
		CHECK_EQ(pwrite(fd, bytes, LONG, FROM), LONG);
		usleep(2000);
	}
	CHECK(bytes[0] == 0 && memcmp(bytes, bytes + 1, LONG - 1) == 0);
}

CASE(memory_that_is_mapped_anew)
{
	int fd = open_warm(), file = make_file(LONG);
	uint8_t *bytes = map(LONG, PRIVATE, -1);

	use(fd, bytes, LONG);
	for (uint32_t i = 0; i < 16; i++) {
		int flags = i % 4 == 0 ? PRIVATE : i % 4 == 1 ? SHARED : MAP_SHARED;

		CHECK_EQ(munmap(bytes, LONG), 0);
		change_disk(fd, LONG, i);
		CHECK(is_fault(pread(fd, bytes, LONG, FROM)));
		CHECK(is_fault(pwrite(fd, bytes, LONG, FROM)));
		flags = i % 4 == 3 ? MAP_PRIVATE : flags;
		CHECK(mmap(bytes, LONG, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
			      i % 4 < 2 ? -1 : file, 0) == bytes);
		CHECK(i % 4 >= 2 || (bytes[0] == 0 && bytes[LONG - 1] == 0));
		CHECK(reads(fd, bytes, LONG, i));
		CHECK(writes(fd, bytes, LONG, i + 100));
		CHECK_EQ(pread(fd, other, LONG, FROM), LONG);
		CHECK(are_words(other, LONG, FROM, i + 100));
	}
}

CASE(memory_that_moves)
{
	int fd = open_warm();
	uint8_t *places = map(8 * LONG, PRIVATE, -1), *bytes = places;

	use(fd, bytes, LONG);
	for (uint32_t i = 1; i < 8; i++) {
		uint8_t *to = places + i * LONG;

		CHECK(writes(fd, bytes, LONG, i));
		CHECK(mremap(bytes, LONG, LONG, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
		CHECK(is_fault(pread(fd, bytes, LONG, FROM)));
		CHECK(are_words(to, LONG, FROM, i));
		change_disk(fd, LONG, i + 100);
		CHECK(reads(fd, to, LONG, i + 100));
		bytes = to;
		usleep(1000);
	}
	CHECK(mremap(bytes, LONG, LONG / 2, 0) == bytes);
	CHECK(is_fault(pwrite(fd, bytes + LONG / 2, LONG / 4, FROM)));
	use(fd, bytes, LONG / 2);
}

CASE(memory_that_is_given_back)
{
	int fd = open_warm();
	uint8_t *bytes = map(LONG, PRIVATE, -1);

	use(fd, bytes, LONG);
	for (uint32_t i = 0; i < 10; i++) {
		change_disk(fd, LONG, i);
		CHECK_EQ(madvise(bytes, LONG, i % 2 == 0 ? MADV_DONTNEED : MADV_FREE), 0);
		CHECK(reads(fd, bytes, LONG, i));
		CHECK_EQ(madvise(bytes + LONG / 4, LONG / 4, MADV_DONTNEED), 0);
		CHECK_EQ(pwrite(fd, bytes, LONG, FROM), LONG);
		CHECK_EQ(pread(fd, other, LONG, FROM), LONG);
		CHECK(are_words(other, LONG / 4, FROM, i));
		CHECK(other[LONG / 4] == 0 &&
			memcmp(other + LONG / 4, other + LONG / 4 + 1, LONG / 4 - 1) == 0);
		CHECK(are_words(other + LONG / 2, LONG / 2, FROM + LONG / 2, i));
	}
}

/* ---- meanwhile ------------------------------------------------------------------------------- */

static int shared_fd;
static uint8_t *shared_bytes; /* LONG */
static _Atomic bool is_over;
static _Atomic uint32_t n_done, n_wrong;

/* Has another thread do something again and again while this one transfers. */
static void meanwhile(void *(*run)(void *), void (*transfer)(uint32_t), uint32_t n)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, run, NULL), 0);
	for (uint32_t i = 0; i < n || n_done < 10; i++) {
		transfer(i);
	}
	is_over = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(n_wrong, 0);
}

static void begin_meanwhile(void)
{
	shared_fd = open_warm();
	shared_bytes = map(LONG, PRIVATE, -1);
	use(shared_fd, shared_bytes, LONG);
}

/* A child that writes where its parent reads to: neither sees what the other one does. */
static void *fork_often(void *argument)
{
	(void)argument;
	while (!is_over) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			memset(shared_bytes, 0xee, LONG);
			for (int i = 0; i < 3; i++) {
				usleep(500);
				if (shared_bytes[0] != 0xee ||
					memcmp(shared_bytes, shared_bytes + 1, LONG - 1) != 0) {
					_exit(1);
				}
			}
			_exit(0);
		}
		n_wrong += waitpid(child, &status, 0) != child || status != 0;
		n_done++;
	}
	return NULL;
}

static void transfer_all(uint32_t i)
{
	memset(shared_bytes, 0, i % 2 == 0 ? LONG : 0);
	CHECK_EQ(pread(shared_fd, shared_bytes, LONG, FROM), LONG);
	CHECK(are_words(shared_bytes, LONG, FROM, 1));
	if (i % 8 == 7) {
		CHECK_EQ(pwrite(shared_fd, shared_bytes, LONG, FROM), LONG);
	}
}

CASE(forks_meanwhile)
{
	begin_meanwhile();
	change_disk(shared_fd, LONG, 1);
	meanwhile(fork_often, transfer_all, 60);
}

static void *protect_often(void *argument)
{
	static const int accesses[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE };

	(void)argument;
	for (uint32_t i = 0; !is_over; i++) {
		uint32_t at = i % 5 == 0 ? 0 : LONG / 2;

		n_wrong += mprotect(shared_bytes + at, LONG - at, accesses[i % 3]) != 0;
		usleep(i % 3 == 1 ? 1500 : 200);
		n_done++;
	}
	return NULL;
}

/* What has arrived, if nobody looks at memory that it must not look at. */
static void transfer_some(uint32_t i)
{
	ssize_t n_bytes = pread(shared_fd, shared_bytes, LONG, FROM);

	CHECK(is_fault(n_bytes) || (n_bytes > 0 && n_bytes <= LONG && n_bytes % 512 == 0));
	n_bytes = pwrite(shared_fd, shared_bytes, LONG, 2 * FROM);
	CHECK(is_fault(n_bytes) || (n_bytes > 0 && n_bytes <= LONG && n_bytes % 512 == 0));
	if (i % 4 == 0 && n_bytes == LONG) {
		CHECK_EQ(pread(shared_fd, other, LONG, 2 * FROM), LONG);
		CHECK(are_words(other, LONG, FROM, 1));
	}
}

CASE(protection_that_changes_meanwhile)
{
	begin_meanwhile();
	change_disk(shared_fd, LONG, 1);
	CHECK(reads(shared_fd, shared_bytes, LONG, 1));
	meanwhile(protect_often, transfer_some, 150);
	CHECK_EQ(mprotect(shared_bytes, LONG, PROT_READ | PROT_WRITE), 0);
	CHECK(are_words(shared_bytes, LONG, FROM, 1));
	use(shared_fd, shared_bytes, LONG);
}

/* Memory that goes and comes, and is somebody else's afterwards. */
static void *unmap_often(void *argument)
{
	(void)argument;
	for (uint32_t i = 0; !is_over; i++) {
		uint8_t *elsewhere;

		if (i % 3 == 0) {
			n_wrong += madvise(shared_bytes, LONG, MADV_DONTNEED) != 0;
		} else {
			/* its pages may be those of the next one */
			n_wrong += mmap(shared_bytes, LONG, PROT_NONE, PRIVATE | MAP_FIXED, -1,
					   0) != shared_bytes;
			elsewhere = mmap(
				NULL, LONG, PROT_READ | PROT_WRITE, PRIVATE | MAP_POPULATE, -1, 0);
			memset(elsewhere, 0x5a, LONG);
			usleep(i % 2 == 0 ? 500 : 0);
			n_wrong += elsewhere[0] != 0x5a ||
				memcmp(elsewhere, elsewhere + 1, LONG - 1) != 0;
			munmap(elsewhere, LONG);
			n_wrong += mmap(shared_bytes, LONG, PROT_READ | PROT_WRITE,
					   PRIVATE | MAP_FIXED, -1, 0) != shared_bytes;
		}
		usleep(300);
		n_done++;
	}
	return NULL;
}

static void read_anywhere(uint32_t i)
{
	ssize_t n_bytes = pread(shared_fd, shared_bytes, LONG, FROM);

	(void)i;
	CHECK(is_fault(n_bytes) || (n_bytes > 0 && n_bytes <= LONG));
}

CASE(memory_that_goes_meanwhile)
{
	begin_meanwhile();
	change_disk(shared_fd, LONG, 1);
	meanwhile(unmap_often, read_anywhere, 150);
	CHECK(reads(shared_fd, shared_bytes, LONG, 1));
	use(shared_fd, shared_bytes, LONG);
}

/* Threads that have their own bytes and buffers, and one descriptor. */
static void *work(void *argument)
{
	uint64_t number = (uintptr_t)argument, state = number + 99;
	uint64_t start = FROM + number * LONG;
	uint8_t *bytes = mmap(NULL, 2 * LONG, PROT_READ | PROT_WRITE, PRIVATE, -1, 0);

	for (uint32_t i = 0; i < 25; i++) {
		uint64_t size = 64 * KIB + next_random(&state) % 896 * 512;
		uint8_t *at = bytes + next_random(&state) % 1024 * 512;

		make_words(at, size, start, i);
		n_wrong += pwrite(shared_fd, at, size, (off_t)start) != (ssize_t)size;
		memset(at, 0, size);
		n_wrong += pread(shared_fd, at, size, (off_t)start) != (ssize_t)size ||
			!are_words(at, size, start, i);
	}
	munmap(bytes, 2 * LONG);
	return NULL;
}

CASE(threads_at_once)
{
	pthread_t threads[6];

	shared_fd = open_warm();
	for (uintptr_t i = 0; i < 6; i++) {
		CHECK_EQ(pthread_create(&threads[i], NULL, work, (void *)i), 0);
	}
	for (int i = 0; i < 6; i++) {
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	}
	CHECK_EQ(n_wrong, 0);
}

/* A process that ends in the middle of it, and a parent that has shared its memory with it. */
CASE(children_that_are_killed)
{
	uint8_t *bytes = map(LONG, SHARED, -1);

	for (useconds_t i = 0; i < 8; i++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			int fd = open_warm();

			use(fd, bytes, LONG);
			for (;;) {
				(void)!pread(fd, bytes, LONG, FROM);
			}
		}
		usleep(70000 + i * 9000);
		CHECK_EQ(kill(child, SIGKILL), 0);
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		memset(bytes, 0x77, LONG);
		usleep(2000);
		CHECK(bytes[0] == 0x77 && memcmp(bytes, bytes + 1, LONG - 1) == 0);
	}
	use(open_warm(), bytes, LONG);
}

CASES_MAIN()
