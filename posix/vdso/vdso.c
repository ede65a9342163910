/* SPDX-License-Identifier: MIT */
/*
 * The vDSO: what C libraries call for the time instead of the system.
 *
 * An ELF library of one page, which is part of the shim's image (as data) and is mapped once
 * more where the program may run it: outside the shim's range, so that it is program text to the
 * kernel. A signal may come at any instruction, and a bad pointer is a SIGSEGV, as in Linux' vDSO.
 * It has no data; the clock page is at a fixed place. What is not told by that page is asked by a
 * system call.
 */
#include <abi/hel/hel.h>
#include <protocols/posix/wire.h>

constexpr int64_t NS_PER_S = 1'000'000'000;
constexpr int64_t NR_GETTIMEOFDAY = 96, NR_CLOCK_GETTIME = 228;
constexpr int64_t NR_CLOCK_GETRES = 229, NR_GETCPU = 309;

/* Bits of the clocks that the page tells: enum in shim/time-calls.c. */
constexpr uint32_t REALTIME_CLOCKS = 1 << 0 | 1 << 5 | 1 << 11;
constexpr uint32_t MONOTONIC_CLOCKS = 1 << 1 | 1 << 4 | 1 << 6 | 1 << 7;

struct timespec {
	int64_t seconds, nanoseconds;
};

struct timeval {
	int64_t seconds, microseconds;
};

static int64_t ask(int64_t number, uint64_t a0, uint64_t a1, uint64_t a2)
{
	int64_t result;

	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(number), "D"(a0), "S"(a1), "d"(a2)
		: "rcx", "r11", "memory");
	return result;
}

static inline uint64_t read_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* Nanoseconds since the start, and since 1970 if @is_realtime. */
static inline uint64_t now_ns(bool is_realtime)
{
	const struct hel_clock_page *page = (const struct hel_clock_page *)POSIX_CLOCK_PAGE;

	for (;;) {
		uint32_t sequence = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
		uint64_t ticks = read_tsc() - page->base_tsc;
		uint64_t ns = page->base_ns +
			(uint64_t)(((unsigned __int128)ticks * page->multiplier) >> 32);

		ns += is_realtime ? (uint64_t)page->realtime_offset_ns : 0;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(sequence & 1) &&
			sequence == __atomic_load_n(&page->sequence, __ATOMIC_RELAXED)) {
			return ns;
		}
	}
}

int __vdso_clock_gettime(int32_t clock, struct timespec *out_time);
int __vdso_clock_gettime(int32_t clock, struct timespec *out_time)
{
	uint32_t bit = (uint32_t)clock < 32 ? 1u << clock : 0;

	if (!(bit & (REALTIME_CLOCKS | MONOTONIC_CLOCKS))) {
		return (int)ask(NR_CLOCK_GETTIME, (uint32_t)clock, (uint64_t)out_time, 0);
	}
	uint64_t ns = now_ns((bit & REALTIME_CLOCKS) != 0);

	out_time->seconds = (int64_t)(ns / NS_PER_S);
	out_time->nanoseconds = (int64_t)(ns % NS_PER_S);
	return 0;
}

int __vdso_clock_getres(int32_t clock, struct timespec *out_time);
int __vdso_clock_getres(int32_t clock, struct timespec *out_time)
{
	return (int)ask(NR_CLOCK_GETRES, (uint32_t)clock, (uint64_t)out_time, 0);
}

int __vdso_gettimeofday(struct timeval *out_time, void *out_zone);
int __vdso_gettimeofday(struct timeval *out_time, void *out_zone)
{
	if (out_zone) {
		return (int)ask(NR_GETTIMEOFDAY, (uint64_t)out_time, (uint64_t)out_zone, 0);
	}
	if (out_time) {
		uint64_t ns = now_ns(true);

		out_time->seconds = (int64_t)(ns / NS_PER_S);
		out_time->microseconds = (int64_t)(ns % NS_PER_S / 1000);
	}
	return 0;
}

int64_t __vdso_time(int64_t *out_time);
int64_t __vdso_time(int64_t *out_time)
{
	int64_t seconds = (int64_t)(now_ns(true) / NS_PER_S);

	if (out_time) {
		*out_time = seconds;
	}
	return seconds;
}

int __vdso_getcpu(uint32_t *out_cpu, uint32_t *out_node, void *unused);
int __vdso_getcpu(uint32_t *out_cpu, uint32_t *out_node, void *unused)
{
	return (int)ask(NR_GETCPU, (uint64_t)out_cpu, (uint64_t)out_node, (uint64_t)unused);
}
