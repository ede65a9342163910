/* SPDX-License-Identifier: MIT */
/* Memory: mmap and its family, brk, protection, files mapped, time, random numbers. */
#include "check.h"

#include <cpuid.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#define PAGE 4096L

static char *map(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static bool is_readable(const void *address)
{
	int fd = open("/dev/null", O_WRONLY);
	int ends[2];
	bool is_ok;

	close(fd);
	if (pipe(ends)) {
		return false;
	}
	is_ok = write(ends[1], address, 1) == 1;
	close(ends[0]);
	close(ends[1]);
	return is_ok;
}

CASE(anonymous_memory_is_zero)
{
	char *at = map(64 * PAGE);

	CHECK(at != MAP_FAILED);
	for (long i = 0; i < 64 * PAGE; i += 512) {
		CHECK_EQ(at[i], 0);
		at[i] = 1;
	}
	CHECK_EQ(munmap(at, 64 * PAGE), 0);
	CHECK(!is_readable(at));
}

CASE(unmap_in_the_middle)
{
	char *at = map(10 * PAGE);

	at[0] = 1;
	at[9 * PAGE] = 9;
	CHECK_EQ(munmap(at + 3 * PAGE, 2 * PAGE), 0);
	CHECK(is_readable(at + 2 * PAGE) && !is_readable(at + 3 * PAGE) &&
		is_readable(at + 5 * PAGE));
	CHECK_EQ(at[9 * PAGE], 9);
	CHECK_EQ(munmap(at, 10 * PAGE), 0);
	CHECK_EQ(munmap(at, 10 * PAGE), 0);
	CHECK_ERRNO(munmap(at + 1, PAGE), EINVAL);
	CHECK_ERRNO(munmap(at, 0), EINVAL);
}

CASE(protection_changes)
{
	char *at = map(4 * PAGE);

	at[PAGE] = 7;
	CHECK_EQ(mprotect(at + PAGE, PAGE, PROT_READ), 0);
	CHECK_EQ(at[PAGE], 7);
	int fd = open("/dev/zero", O_RDONLY);
	CHECK_ERRNO(read(fd, at + PAGE, 1), EFAULT);
	CHECK_EQ(read(fd, at, 1), 1);
	CHECK_EQ(mprotect(at + PAGE, PAGE, PROT_NONE), 0);
	CHECK(!is_readable(at + PAGE));
	CHECK_EQ(mprotect(at, 4 * PAGE, PROT_READ | PROT_WRITE), 0);
	at[PAGE] = 8;
	munmap(at + 2 * PAGE, PAGE);
	CHECK_ERRNO(mprotect(at, 4 * PAGE, PROT_READ), ENOMEM);
	CHECK_ERRNO(mprotect(at + 1, PAGE, PROT_READ), EINVAL);
}

CASE(code_can_be_made)
{
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	unsigned char *at = (unsigned char *)map(PAGE);
	int (*go)(void) = (int (*)(void))(void *)at;

	memcpy(at, code, sizeof(code));
	CHECK_EQ(mprotect(at, PAGE, PROT_READ | PROT_EXEC), 0);
	CHECK_EQ(go(), 42);
	CHECK_EQ(mprotect(at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	at[1] = 43;
	CHECK_EQ(go(), 43);
}

CASE(fixed_mappings)
{
	char *at = map(8 * PAGE);

	at[2 * PAGE] = 5;
	CHECK(mmap(at + 2 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		      0) == at + 2 * PAGE);
	CHECK_EQ(at[2 * PAGE], 0);
	CHECK(mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
		MAP_FAILED);
	CHECK_EQ(errno, EEXIST);
	CHECK(mmap(at + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0) == MAP_FAILED);
	CHECK_EQ(errno, EBADF);
	CHECK(mmap(NULL, 1ul << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK_EQ(errno, ENOMEM);
}

CASE(huge_reservations_cost_nothing)
{
	char *at = mmap(
		NULL, 16ul << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(at != MAP_FAILED);
	CHECK_EQ(mprotect(at + (5ul << 30), PAGE, PROT_READ | PROT_WRITE), 0);
	at[5ul << 30] = 1;
	CHECK_EQ(munmap(at, 16ul << 30), 0);
}

CASE(break_moves)
{
	char *start = sbrk(0);

	CHECK(sbrk(100000) == start);
	memset(start, 1, 100000);
	CHECK(sbrk(-100000) == start + 100000);
	CHECK(sbrk(100000) == start);
	CHECK_EQ(start[PAGE * 2], 0);
	CHECK_ERRNO(brk((void *)(1ul << 46)), ENOMEM);
}

CASE(advice_dont_need_zeroes)
{
	char *at = map(4 * PAGE);

	memset(at, 3, 4 * PAGE);
	CHECK_EQ(madvise(at + PAGE, 2 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(at[0] + at[PAGE] + at[2 * PAGE] + at[3 * PAGE], 6);
	CHECK_ERRNO(madvise(at, PAGE, 12345), EINVAL);
}

CASE(files_map_private_and_shared)
{
	char path[] = "/tmp/map-XXXXXX", text[6];
	int fd = mkstemp(path);
	char *private, *shared;

	unlink(path);
	CHECK_EQ(write(fd, "hello world", 11), 11);
	private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(private != MAP_FAILED && shared != MAP_FAILED);
	CHECK(!memcmp(private, "hello world", 11) && !memcmp(shared, "hello world", 11));
	CHECK_EQ(shared[11], 0);
	private[0] = 'J';
	CHECK_EQ(shared[0], 'h');
	shared[0] = 'C';
	CHECK_EQ(pread(fd, text, 5, 0), 5);
	CHECK(!memcmp(text, "Cello", 5));
	CHECK_EQ(private[0], 'J');
	CHECK_EQ(pwrite(fd, "XY", 2, 6), 2);
	CHECK_EQ(shared[6], 'X');
	CHECK_EQ(msync(shared, PAGE, MS_SYNC), 0);
	int reader = open("/proc/self/fd/0", O_RDONLY);
	close(reader);
}

CASE(a_part_of_a_file_that_grew_is_mapped)
{
	static char bytes[3 * 65536];
	int fd = memfd_create("grown", 0);
	char *map;

	CHECK_EQ(write(fd, bytes, 20000), 20000);
	CHECK_EQ(ftruncate(fd, sizeof(bytes)), 0);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	map[0] = 'x';
	memset(bytes, 'y', sizeof(bytes));
	CHECK_EQ(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	CHECK_EQ(bytes[0], 'x');
	for (size_t i = 1; i < sizeof(bytes); i++) {
		CHECK_EQ(bytes[i], 0);
	}
	CHECK_EQ(pwrite(fd, "z", 1, sizeof(bytes) - 1), 1);
	CHECK_EQ(pread(fd, bytes, 2, sizeof(bytes) - 2), 2);
	CHECK_EQ(bytes[1], 'z');
	CHECK_EQ(munmap(map, 4096), 0);
	CHECK_EQ(close(fd), 0);
}

CASE(mapping_needs_access)
{
	char path[] = "/tmp/map-XXXXXX";
	int fd, read_only;

	fd = mkstemp(path);
	CHECK_EQ(write(fd, "x", 1), 1);
	read_only = open(path, O_RDONLY);
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, read_only, 0) == MAP_FAILED);
	CHECK_EQ(errno, EACCES);
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, read_only, 0) != MAP_FAILED);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 1) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	unlink(path);
}

static void touch_beyond(void)
{
	char path[] = "/tmp/map-XXXXXX";
	int fd = mkstemp(path);
	volatile char *at;

	unlink(path);
	(void)!ftruncate(fd, 100);
	at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	at[2 * PAGE] = 1;
}

CASE(beyond_the_end_is_a_bus_error)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		touch_beyond();
		_exit(0);
	}
	waitpid(child, &status, 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

CASE(mremap_grows_and_moves)
{
	char *at = map(4 * PAGE), *moved;

	memset(at, 9, 4 * PAGE);
	moved = mremap(at, 4 * PAGE, 400 * PAGE, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED);
	CHECK(moved[0] == 9 && moved[4 * PAGE - 1] == 9 && moved[4 * PAGE] == 0);
	moved[399 * PAGE] = 1;
	CHECK(mremap(moved, 400 * PAGE, 2 * PAGE, 0) == moved);
	CHECK(!is_readable(moved + 3 * PAGE));
}

#define LARGE (2l << 20)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* What /proc/self/smaps says of the mapping of an address; -1: nothing. */
static long smaps_value(const char *address, const char *name)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	bool is_there = false;
	char line[512];
	long value = -1;

	while (file && value < 0 && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			is_there = (unsigned long)address >= start && (unsigned long)address < end;
		} else if (is_there && !strncmp(line, name, strlen(name)) &&
			line[strlen(name)] == ':') {
			value = atol(line + strlen(name) + 1);
		}
	}
	if (file) {
		fclose(file);
	}
	return value;
}

static char *map_aligned(size_t size)
{
	char *at = map(size + LARGE);

	return (char *)(((unsigned long)at + LARGE - 1) & ~(LARGE - 1));
}

/* Whether it is used at all is the system's choice; Hati's is what it says. */
static bool has_large_pages(void)
{
	char text[64] = "";
	int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY);

	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	return strstr(text, "[madvise]") || strstr(text, "[always]");
}

CASE(large_pages_where_they_are_welcome)
{
	bool is_hati = access("/proc/hati", F_OK) == 0;
	char *at = map_aligned(4 * LARGE);
	char *other = at + 2 * LARGE;

	CHECK(!is_hati || has_large_pages());
	if (!has_large_pages()) {
		return;
	}
	CHECK_EQ(madvise(at, 2 * LARGE, MADV_HUGEPAGE), 0);
	CHECK_EQ(madvise(other, 2 * LARGE, MADV_NOHUGEPAGE), 0);
	memset(at, 7, 4 * LARGE);
	long large = smaps_value(at, "AnonHugePages");

	/* Elsewhere memory may be in pieces. */
	CHECK(large == 2 * LARGE / 1024 || (!is_hati && large >= 0));
	CHECK_EQ(smaps_value(at, "THPeligible"), 1);
	CHECK_EQ(smaps_value(at, "Rss"), 2 * LARGE / 1024);
	CHECK_EQ(smaps_value(at, "FilePmdMapped"), 0);
	CHECK_EQ(smaps_value(other, "AnonHugePages"), 0);
	CHECK_EQ(smaps_value(other, "THPeligible"), 0);
	CHECK(large != 2 * LARGE / 1024 || !madvise(at, 2 * LARGE, MADV_COLLAPSE));
	/* A part of a large page is a page like others. */
	CHECK_EQ(mprotect(at + PAGE, PAGE, PROT_READ), 0);
	CHECK_EQ(madvise(at + 2 * PAGE, PAGE, MADV_DONTNEED), 0);
	CHECK(at[0] == 7 && at[PAGE] == 7 && at[2 * PAGE] == 0 && at[LARGE] == 7);
	pid_t child = fork();

	if (child == 0) {
		at[LARGE] = 8;
		_exit(at[0] != 7 || at[LARGE + PAGE] != 7);
	}
	int status;

	waitpid(child, &status, 0);
	CHECK_EQ(status, 0);
	CHECK_EQ(at[LARGE], 7);
}

CASE(advice_about_large_pages_is_checked)
{
	char *at = map_aligned(2 * LARGE);

	if (!has_large_pages()) {
		return;
	}
	CHECK(madvise(at + 1, PAGE, MADV_HUGEPAGE) == -1 && errno == EINVAL);
	CHECK_EQ(madvise(at, 0, MADV_HUGEPAGE), 0);
	CHECK_EQ(madvise(at + PAGE, PAGE, MADV_HUGEPAGE), 0);
	CHECK_EQ(madvise(at, 2 * LARGE, MADV_NOHUGEPAGE), 0);
	CHECK_EQ(madvise(at, 2 * LARGE, MADV_HUGEPAGE), 0);
	CHECK(madvise(at, 2 * LARGE, MADV_COLLAPSE) == -1 && errno == EINVAL);
	at[0] = 1;
	/* No large page fits in the range. */
	CHECK(madvise(at + PAGE, PAGE, MADV_COLLAPSE) == -1 && errno == EINVAL);
	CHECK_EQ(madvise(at + LARGE - PAGE, 2 * PAGE, MADV_COLLAPSE), 0);
	CHECK_EQ(munmap(at + PAGE, PAGE), 0);
	CHECK(madvise(at, 2 * LARGE, MADV_HUGEPAGE) == -1 && errno == ENOMEM);
	CHECK(madvise(at, 4 * PAGE, MADV_NOHUGEPAGE) == -1 && errno == ENOMEM);
	at[2 * PAGE] = 1;
	CHECK_EQ(smaps_value(at + 2 * PAGE, "AnonHugePages"), 0);
}

CASE(memory_runs_out_with_enomem_or_a_kill)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		for (;;) {
			char *at = mmap(NULL, 1ul << 40, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

			if (at == MAP_FAILED) {
				_exit(errno == ENOMEM ? 0 : 1);
			}
		}
	}
	waitpid(child, &status, 0);
	CHECK_EQ(status, 0);
}

CASE(clocks_run)
{
	struct timespec a, b, resolution;
	struct timeval tv;

	for (int clock = 0; clock < 8; clock++) {
		CHECK_EQ(syscall(SYS_clock_gettime, clock, &a), 0);
		CHECK(a.tv_nsec >= 0 && a.tv_nsec < 1000000000);
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 1000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &b);
		CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
		a = b;
	}
	CHECK_EQ(clock_getres(CLOCK_MONOTONIC, &resolution), 0);
	CHECK_ERRNO(clock_gettime(99, &a), EINVAL);
	CHECK_EQ(gettimeofday(&tv, NULL), 0);
	CHECK(tv.tv_sec > 1700000000 && labs(tv.tv_sec - time(NULL)) <= 1);
	a = (struct timespec){ 0, 2000000000 };
	CHECK_ERRNO(nanosleep(&a, NULL), EINVAL);
	clock_gettime(CLOCK_MONOTONIC, &a);
	a.tv_nsec += 20000000;
	if (a.tv_nsec >= 1000000000) {
		a.tv_sec++;
		a.tv_nsec -= 1000000000;
	}
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &a, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	CHECK(b.tv_sec > a.tv_sec || b.tv_nsec >= a.tv_nsec);
}

CASE(random_numbers_differ)
{
	unsigned char a[300], b[300];

	CHECK_EQ(getrandom(a, sizeof(a), 0), (long)sizeof(a));
	CHECK_EQ(getrandom(b, sizeof(b), GRND_NONBLOCK), (long)sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	CHECK_ERRNO(getrandom((void *)8, 10, 0), EFAULT);
	CHECK_ERRNO(getrandom(a, 10, 0xff00), EINVAL);
}
CASE(everything_can_be_unmapped)
{
	pid_t child = fork();

	if (child == 0) {
		munmap(NULL, 0x7ffffffff000);
		_exit(1);
	}
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	CHECK_ERRNO(munmap(NULL, 0x7ffffffff000 + PAGE), EINVAL);
}

CASE(many_mappings_are_told_one_by_one)
{
	enum { N_MAPPINGS = 600 };
	static char text[1 << 20];
	char *at = map(2 * N_MAPPINGS * PAGE);
	unsigned long start, end = 0;
	long n_found = 0;
	size_t size = 0;

	for (long i = 0; i < N_MAPPINGS; i++) {
		CHECK_EQ(mprotect(at + 2 * i * PAGE, PAGE, PROT_READ), 0);
	}
	int fd = open("/proc/self/maps", O_RDONLY);

	for (ssize_t n = 1; n > 0 && size < sizeof(text) - 1; size += (size_t)n) {
		n = read(fd, text + size, size % 1000 + 1);
		CHECK(n >= 0);
	}
	for (char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
		unsigned long last_end = end;

		CHECK(strchr(line, '\n') != NULL);
		CHECK_EQ(sscanf(line, "%lx-%lx ", &start, &end), 2);
		CHECK(start >= last_end && end > start);
		n_found += start >= (unsigned long)at && end - start == (unsigned long)PAGE;
	}
	CHECK(n_found >= 2 * N_MAPPINGS - 2);
	char first[64] = "", again[64] = "";

	CHECK_EQ(pread(fd, again, 20, 0), 20);
	memcpy(first, text, 20);
	CHECK_EQ(strcmp(first, again), 0);
}

CASE(locked_memory_is_present)
{
	char *at = map(8 * PAGE);

	CHECK_EQ(mlock(at + 1, 3 * PAGE), 0);
	CHECK_EQ(mlock2(at, PAGE, MLOCK_ONFAULT), 0);
	CHECK_ERRNO(mlock2(at, PAGE, 2), EINVAL);
	CHECK_EQ(munlock(at, 4 * PAGE), 0);
	CHECK_EQ(munmap(at + PAGE, PAGE), 0);
	CHECK_ERRNO(mlock(at, 4 * PAGE), ENOMEM);
	CHECK_ERRNO(munlock(at, 4 * PAGE), ENOMEM);
}

CASE(seals_and_mappings)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
	char name[40];

	CHECK_EQ(ftruncate(fd, 2 * PAGE), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	int reader = open(name, O_RDONLY);
	char *shown = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
	char *copy = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(shown != MAP_FAILED && copy != MAP_FAILED && at != MAP_FAILED);
	at[0] = 1;
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	/* It may be written to again, and a part of it is as good as all. */
	CHECK_EQ(mprotect(at, 2 * PAGE, PROT_READ), 0);
	CHECK_EQ(munmap(at, PAGE), 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	pid_t child = fork();

	if (child == 0) {
		pause();
	}
	CHECK_EQ(munmap(at + PAGE, PAGE), 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK_EQ(kill(child, SIGKILL), 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	copy[0] = 2;
	CHECK_EQ(shown[0], 1);
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, EPERM);
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED);
}

static void ignore_alarm(int signal)
{
	(void)signal;
}

CASE(sealing_is_not_interrupted)
{
	struct sigaction action = { .sa_handler = ignore_alarm };
	struct itimerval often = { .it_interval.tv_usec = 100, .it_value.tv_usec = 100 };
	struct itimerval never = { 0 };
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);

	CHECK_EQ(ftruncate(fd, PAGE), 0);
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
	CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	for (int i = 0; i < 300; i++) {
		CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	}
	CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
}

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

CASE(seal_of_future_writes)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);

	CHECK_EQ(ftruncate(fd, PAGE), 0);
	char *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(at != MAP_FAILED);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	at[0] = 1;
	CHECK_ERRNO(write(fd, "x", 1), EPERM);
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, EPERM);
	char *shown = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	CHECK(shown != MAP_FAILED && shown[0] == 1);
	CHECK_ERRNO(mprotect(shown, PAGE, PROT_READ | PROT_WRITE), EACCES);
}

CASE(pages_of_a_file_are_remapped)
{
	int fd = memfd_create("pages", 0);
	char *at, *copy = map(PAGE);

	CHECK_EQ(ftruncate(fd, 4 * PAGE), 0);
	at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED);
	for (long i = 0; i < 4; i++) {
		at[i * PAGE] = (char)(i + 1);
	}
	for (size_t i = 0; i < 4; i++) {
		CHECK_EQ(remap_file_pages(at + (long)i * PAGE, PAGE, 0, 3 - i, 0), 0);
	}
	for (long i = 0; i < 4; i++) {
		CHECK_EQ(at[i * PAGE], 4 - i);
	}
	at[0] = 9;
	CHECK_EQ(remap_file_pages(at + PAGE, 2 * PAGE + 5, 0, 2, 0), 0);
	CHECK_EQ(at[2 * PAGE], 9);
	CHECK_ERRNO(remap_file_pages(at, PAGE, PROT_READ, 0, 0), EINVAL);
	CHECK_ERRNO(remap_file_pages(at, 5, 0, 0, 0), EINVAL);
	CHECK_ERRNO(remap_file_pages(at, PAGE, 0, (size_t)-1, 0), EINVAL);
	CHECK_ERRNO(remap_file_pages(copy, PAGE, 0, 0, 0), EINVAL);
	CHECK_EQ(munmap(at + PAGE, PAGE), 0);
	CHECK_ERRNO(remap_file_pages(at, 2 * PAGE, 0, 0, 0), EINVAL);
	CHECK_EQ(at[0], 9);
}

CASE(shared_memory_is_mapped_again)
{
	char *private = map(PAGE), *again;
	char *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	at[PAGE] = 3;
	CHECK(mremap(private, 0, PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
	CHECK(mremap(at, 0, PAGE, 0) == MAP_FAILED && errno == ENOMEM);
	again = mremap(at + PAGE, 0, PAGE, MREMAP_MAYMOVE);
	CHECK(again != MAP_FAILED && again != at + PAGE);
	CHECK_EQ(again[0], 3);
	again[0] = 4;
	CHECK_EQ(at[PAGE], 4);
	CHECK(mremap(at + PAGE, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, private) == private);
	CHECK_EQ(private[0], 4);
}

/* On a processor without protection keys. */
CASE(no_protection_keys)
{
	char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned a, b, c = 0, d;

	if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && c & 1 << 4) {
		return;
	}
	CHECK_ERRNO(syscall(SYS_pkey_alloc, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_pkey_alloc, 1, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_pkey_free, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_pkey_free, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_pkey_mprotect, at, 4096, PROT_READ, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_pkey_mprotect, at, 4096, PROT_READ, 1), EINVAL);
	CHECK_EQ(syscall(SYS_pkey_mprotect, at, 0, PROT_READ, 1), 0);
	CHECK_ERRNO(syscall(SYS_pkey_mprotect, at, -8192ul, PROT_READ, 1), ENOMEM);
	CHECK_ERRNO(syscall(SYS_pkey_mprotect, at + 1, 0, PROT_READ, 1), EINVAL);
	at[0] = 1;
	CHECK_EQ(syscall(SYS_pkey_mprotect, at, 4096, PROT_READ, -1), 0);
	CHECK_ERRNO(read(open("/dev/zero", O_RDONLY), at, 1), EFAULT);
	at[4096] = 1;
}

CASES_MAIN()
