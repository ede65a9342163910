/* SPDX-License-Identifier: MIT */
/* Which pages are in memory: mincore and /proc/PID/pagemap. */
#include "check.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE 4096L

#define PRESENT (1ull << 63)
#define SHARED  (1ull << 61)

static char *map(int flags, size_t n_pages)
{
	return mmap(NULL, n_pages * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
}

static uint64_t pagemap_of(const char *at)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)at / PAGE * 8)) != 8) {
		entry = ~0ull;
	}
	close(fd);
	return entry;
}

CASE(mincore_knows_touched_pages)
{
	unsigned char states[700];
	char *at = map(MAP_PRIVATE | MAP_ANONYMOUS, 700);

	for (size_t i = 0; i < 700; i += 7) {
		at[i * PAGE] = 1;
	}
	CHECK_EQ(mincore(at, 700 * PAGE, states), 0);
	for (size_t i = 0; i < 700; i += 7) {
		CHECK_EQ(states[i], 1);
	}
	CHECK_EQ(madvise(at, 700 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(mincore(at, 700 * PAGE, states), 0);
	for (size_t i = 0; i < 700; i++) {
		CHECK_EQ(states[i], 0);
	}
	at[PAGE] = 1;
	CHECK_EQ(mprotect(at, 2 * PAGE, PROT_NONE), 0);
	CHECK_EQ(mincore(at + PAGE, 1, states), 0);
	CHECK_EQ(states[0], 1);
}

CASE(mincore_knows_pages_of_others)
{
	unsigned char states[2];
	char *at = map(MAP_SHARED | MAP_ANONYMOUS, 2);
	pid_t child = fork();

	if (child == 0) {
		at[0] = 1;
		_exit(0);
	}
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_EQ(mincore(at, 2 * PAGE, states), 0);
	CHECK_EQ(states[0], 1);
	CHECK_EQ(states[1], 0);
	int fd = memfd_create("pages", 0);

	CHECK_EQ(ftruncate(fd, 3 * PAGE), 0);
	CHECK_EQ(pwrite(fd, "x", 1, PAGE), 1);
	at = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
	CHECK_EQ(mincore(at, 2 * PAGE, states), 0);
	CHECK_EQ(states[0], 1);
	CHECK_EQ(states[1], 0);
}

CASE(mincore_refuses)
{
	unsigned char states[4] = { 7, 7, 7, 7 };
	char *at = map(MAP_PRIVATE | MAP_ANONYMOUS, 4);

	CHECK_EQ(munmap(at + 2 * PAGE, PAGE), 0);
	CHECK_ERRNO(mincore(at + 1, PAGE, states), EINVAL);
	CHECK_ERRNO(mincore(at, 4 * PAGE, states), ENOMEM);
	CHECK_ERRNO(mincore(at + 2 * PAGE, PAGE, states), ENOMEM);
	CHECK_EQ(states[3], 7);
	CHECK_ERRNO(mincore(at, (size_t)-1, states), ENOMEM);
	CHECK_ERRNO(mincore(at, PAGE, (unsigned char *)at + 2 * PAGE), EFAULT);
	CHECK_EQ(mincore(at, 0, states), 0);
}

CASE(pagemap_knows_touched_pages)
{
	char *at = map(MAP_PRIVATE | MAP_ANONYMOUS, 4);
	char *shared = map(MAP_SHARED | MAP_ANONYMOUS, 4);

	CHECK_EQ(pagemap_of(at), 0);
	CHECK_EQ(pagemap_of(shared), 0);
	at[0] = 1;
	shared[0] = 1;
	CHECK_EQ(pagemap_of(at) & (PRESENT | SHARED), PRESENT);
	CHECK_EQ(pagemap_of(shared) & (PRESENT | SHARED), PRESENT | SHARED);
	CHECK_EQ(pagemap_of(at + PAGE), 0);
	CHECK_EQ(munmap(at, PAGE), 0);
	CHECK_EQ(pagemap_of(at), 0);
	/* A child has copies of what was written. */
	at[2 * PAGE] = 1;
	pid_t child = fork();

	if (child == 0) {
		_exit(pagemap_of(at + PAGE) == 0 && (pagemap_of(at + 2 * PAGE) & PRESENT) ? 0 : 1);
	}
	int status = -1;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

CASE(pagemap_is_read_in_entries)
{
	uint64_t entries[600];
	char *at = map(MAP_PRIVATE | MAP_ANONYMOUS, 600);
	int fd = open("/proc/self/pagemap", O_RDONLY);

	CHECK(fd >= 0);
	CHECK_EQ(madvise(at, 600 * PAGE, MADV_NOHUGEPAGE), 0);
	at[599 * PAGE] = 1;
	CHECK_EQ(lseek(fd, (off_t)((uintptr_t)at / PAGE * 8), SEEK_SET),
		(off_t)((uintptr_t)at / PAGE * 8));
	CHECK_EQ(read(fd, entries, sizeof(entries)), sizeof(entries));
	CHECK_EQ(entries[0], 0);
	CHECK_EQ(entries[598], 0);
	CHECK((entries[599] & PRESENT) != 0);
	CHECK_ERRNO(pread(fd, entries, 7, 0), EINVAL);
	CHECK_ERRNO(pread(fd, entries, 8, 4), EINVAL);
	CHECK_EQ(pread(fd, entries, 0, 0), 0);
	/* Nothing at the first page, and nothing behind the last one. */
	CHECK_EQ(pread(fd, entries, 8, 0), 8);
	CHECK_EQ(entries[0], 0);
	CHECK_EQ(pread(fd, entries, 16, 0x7fffffffe000 / PAGE * 8), 8);
	CHECK_EQ(pread(fd, entries, 8, 0x7ffffffff000 / PAGE * 8), 0);
	CHECK_ERRNO(lseek(fd, 0, SEEK_END), EINVAL);
	close(fd);
}

CASES_MAIN()
