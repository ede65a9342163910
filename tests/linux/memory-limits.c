/* SPDX-License-Identifier: MIT */
/* Limits of what may be mapped, mlock, and pages of a program's own. */
#include "check.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define PAGE   4096ul
#define MIB    (1ul << 20)
#define NOBODY 65534

static void limit(int which, rlim_t bytes)
{
	struct rlimit limits;

	CHECK_EQ(getrlimit(which, &limits), 0);
	limits.rlim_cur = bytes;
	CHECK_EQ(setrlimit(which, &limits), 0);
}

static void *map(size_t size, int protection)
{
	return mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

CASE(address_space_is_limited)
{
	char *before = map(64 * MIB, PROT_NONE);

	limit(RLIMIT_AS, 128 * MIB);
	CHECK(map(128 * MIB, PROT_NONE) == MAP_FAILED && errno == ENOMEM);
	char *more = map(16 * MIB, PROT_NONE);
	CHECK(more != MAP_FAILED);
	CHECK(mremap(more, 16 * MIB, 100 * MIB, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
	/* what replaces needs no more */
	CHECK(mmap(before, 64 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		before);
	CHECK_EQ(munmap(before, 64 * MIB), 0);
	CHECK(map(64 * MIB, PROT_NONE) != MAP_FAILED);
	CHECK(sbrk(100 * MIB) == (void *)-1 && errno == ENOMEM);
}

CASE(data_is_limited)
{
	limit(RLIMIT_DATA, 32 * MIB);
	CHECK(map(64 * MIB, PROT_READ | PROT_WRITE) == MAP_FAILED && errno == ENOMEM);
	CHECK(map(64 * MIB, PROT_READ) != MAP_FAILED);
	CHECK(map(8 * MIB, PROT_READ | PROT_WRITE) != MAP_FAILED);
	CHECK(sbrk(40 * MIB) == (void *)-1 && errno == ENOMEM);
}

CASE(mlock_checks)
{
	char *memory = map(4 * PAGE, PROT_READ | PROT_WRITE);

	CHECK_EQ(munmap(memory + 2 * PAGE, PAGE), 0);
	CHECK_EQ(mlock(memory + 5, 2 * PAGE - 5), 0);
	CHECK_EQ(mlock(memory, 0), 0);
	CHECK_ERRNO(mlock(memory, 4 * PAGE), ENOMEM);
	CHECK_ERRNO(munlock(memory, 4 * PAGE), ENOMEM);
	CHECK_EQ(munlock(memory, 2 * PAGE), 0);
	CHECK_EQ(mlock(memory, (size_t)-1), 0);
	CHECK_ERRNO(mlock(memory, (size_t)-2 * PAGE), EINVAL);
	CHECK_EQ(syscall(SYS_mlock2, memory, PAGE, 1), 0);
	CHECK_ERRNO(syscall(SYS_mlock2, memory, PAGE, 2), EINVAL);
	CHECK_ERRNO(mlockall(0), EINVAL);
	CHECK_ERRNO(mlockall(8), EINVAL);
	CHECK_ERRNO(mlockall(4), EINVAL);
	CHECK_EQ(munlockall(), 0);
	CHECK_EQ(mlockall(MCL_CURRENT), 0);
	CHECK_EQ(mlockall(MCL_FUTURE), 0);
	CHECK(map(PAGE, PROT_READ) != MAP_FAILED);
	CHECK_EQ(munlockall(), 0);
}

CASE(mlock_is_limited)
{
	char *memory = map(8 * PAGE, PROT_READ | PROT_WRITE);

	limit(RLIMIT_MEMLOCK, 4 * PAGE);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	CHECK_ERRNO(mlock(memory, 8 * PAGE), ENOMEM);
	CHECK_EQ(mlock(memory, 4 * PAGE), 0);
	CHECK_EQ(munlock(memory, 4 * PAGE), 0);
	limit(RLIMIT_MEMLOCK, 0);
	CHECK_ERRNO(mlock(memory, PAGE), EPERM);
	CHECK_ERRNO(mlockall(MCL_CURRENT), EPERM);
}

/* What /proc/self/status says is locked, in pages. */
static long n_locked(void)
{
	char line[256];
	long kib = -1;
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof(line), file)) {
		sscanf(line, "VmLck: %ld kB", &kib);
	}
	if (file) {
		fclose(file);
	}
	return kib / 4;
}

CASE(locked_pages_are_counted)
{
	char *memory = map(16 * PAGE, PROT_READ | PROT_WRITE);
	int status;

	CHECK_EQ(mprotect(memory + 12 * PAGE, PAGE, PROT_READ), 0);
	limit(RLIMIT_MEMLOCK, 4 * PAGE + 100);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	CHECK_EQ(n_locked(), 0);
	CHECK_EQ(mlock(memory, 3 * PAGE), 0);
	CHECK_EQ(n_locked(), 3);
	CHECK_ERRNO(mlock(memory + 8 * PAGE, 2 * PAGE), ENOMEM);
	/* What is locked already counts once. */
	CHECK_EQ(mlock(memory + PAGE, 3 * PAGE), 0);
	CHECK_EQ(n_locked(), 4);
	CHECK_ERRNO(mlock(memory + 8 * PAGE, PAGE), ENOMEM);
	CHECK_ERRNO(mlock(memory, (size_t)-2 * PAGE), ENOMEM);
	pid_t child = fork();

	if (child == 0) {
		_exit(n_locked() == 0 && mlock(memory + 8 * PAGE, 4 * PAGE) == 0 ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(munmap(memory, PAGE), 0);
	CHECK_EQ(n_locked(), 3);
	CHECK_EQ(mlock(memory + 12 * PAGE, PAGE), 0);
	CHECK_EQ(munlock(memory + PAGE, 2 * PAGE), 0);
	CHECK_EQ(n_locked(), 2);
	CHECK_EQ(munlockall(), 0);
	CHECK_EQ(n_locked(), 0);
	CHECK_ERRNO(mlockall(MCL_CURRENT), ENOMEM);
}

CASE(new_mappings_are_locked)
{
	const int kind = MAP_PRIVATE | MAP_ANONYMOUS;
	char *memory = map(4 * PAGE, PROT_READ | PROT_WRITE);

	limit(RLIMIT_MEMLOCK, 4 * PAGE);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	CHECK_EQ(mlock(memory, 2 * PAGE), 0);
	CHECK(mmap(NULL, 3 * PAGE, PROT_READ, kind | MAP_LOCKED, -1, 0) == MAP_FAILED);
	CHECK_EQ(errno, EAGAIN);
	char *locked = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, kind | MAP_LOCKED, -1, 0);

	CHECK(locked != MAP_FAILED);
	CHECK_EQ(n_locked(), 3);
	CHECK(mremap(locked, PAGE, 3 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK_EQ(errno, EAGAIN);
	locked = mremap(locked, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	CHECK(locked != MAP_FAILED);
	CHECK_EQ(n_locked(), 4);
	CHECK_EQ(munmap(locked, 2 * PAGE), 0);
	CHECK_EQ(mlockall(MCL_FUTURE), 0);
	CHECK(map(3 * PAGE, PROT_READ) == MAP_FAILED && errno == EAGAIN);
	CHECK(map(2 * PAGE, PROT_READ) != MAP_FAILED);
	CHECK_EQ(n_locked(), 4);
	void *end = sbrk(0);

	CHECK(sbrk(64 * PAGE) == (void *)-1 && errno == ENOMEM);
	CHECK_EQ(sbrk(0) == end, 1);
	CHECK_EQ(munlockall(), 0);
	CHECK(map(64 * PAGE, PROT_READ) != MAP_FAILED);
	limit(RLIMIT_MEMLOCK, 0);
	CHECK(mmap(NULL, PAGE, PROT_READ, kind | MAP_LOCKED, -1, 0) == MAP_FAILED);
	CHECK_EQ(errno, EPERM);
}

CASE(locked_pages_stay)
{
	char *memory = map(4 * PAGE, PROT_READ | PROT_WRITE);

	CHECK_EQ(mlock(memory + PAGE, PAGE), 0);
	memory[PAGE] = 7;
	CHECK_ERRNO(madvise(memory, 4 * PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERRNO(madvise(memory + PAGE, PAGE, MADV_FREE), EINVAL);
	CHECK_EQ(memory[PAGE], 7);
	CHECK_EQ(madvise(memory + 2 * PAGE, 2 * PAGE, MADV_DONTNEED), 0);
	CHECK_ERRNO(msync(memory, 4 * PAGE, MS_INVALIDATE), EBUSY);
	CHECK_EQ(msync(memory, 4 * PAGE, MS_ASYNC), 0);
	CHECK_EQ(munlock(memory, 4 * PAGE), 0);
	CHECK_EQ(msync(memory, 4 * PAGE, MS_INVALIDATE), 0);
	CHECK_EQ(madvise(memory, 4 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(memory[PAGE], 0);
}

__attribute__((noinline)) static int answer(void)
{
	__asm__ volatile("");
	return 42;
}

CASE(text_can_be_made_writable)
{
	uintptr_t page = (uintptr_t)answer & ~(PAGE - 1);
	int (*volatile call)(void) = answer;
	uint8_t *code = (uint8_t *)(uintptr_t)answer;
	int status;

	pid_t pid = fork(); /* who shares the pages sees nothing of it */

	if (pid == 0) {
		usleep(1000);
		_exit(call() != 42);
	}
	CHECK_EQ(mprotect((void *)page, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	for (unsigned i = 0; i < 16; i++) {
		if (code[i] == 42 && code[i + 1] == 0) {
			code[i] = 43; /* mov $42, %eax */
			break;
		}
	}
	CHECK_EQ(call(), 43);
	CHECK_EQ(mprotect((void *)page, 2 * PAGE, PROT_READ | PROT_EXEC), 0);
	CHECK_EQ(call(), 43);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

CASES_MAIN()
