/* SPDX-License-Identifier: MIT */
/* The start of the kernel's benchmarks. See bench.h. */
#include "bench.h"

#include <base/assert.h>
#include <base/format.h>

constexpr uint64_t BENCH_SETTLE_NS = 500'000'000;

const struct hel_start *bench_start;
hel_handle bench_authority;

static hel_handle bench_log;

__asm__(".text\n"
	".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	and $-16, %rsp\n"
	"	call bench_main\n"
	"	ud2\n");

void bench_print(const char *format, ...)
{
	char line[HEL_LOG_MAX];
	va_list arguments;

	va_start(arguments, format);
	size_t size = vformat_to(line, sizeof(line), format, arguments);

	va_end(arguments);
	hel_log(bench_log, HEL_LOG_INFO, line, min_size(size, sizeof(line) - 1));
}

NORETURN void bench_fail(int error, const char *what)
{
	bench_print("thor-bench: failed: %s: error %d", what, -error);
	hel_thread_exit();
}

NORETURN void assert_fail(const char *file, int line, const char *expression)
{
	bench_print("thor-bench: failed: %s:%d: %s", file, line, expression);
	hel_thread_exit();
}

static hel_handle bench_find_handle(const char *name)
{
	for (uint32_t i = 0; i < bench_start->n_handles; i++) {
		if (str_equal(bench_start->handles[i].name, name)) {
			return bench_start->handles[i].handle;
		}
	}
	return HEL_NULL;
}

/* The other servers start at the same time: let them come to rest. */
static void bench_settle(void)
{
	uint32_t word = 0;
	uint64_t now_ns = 0;

	hel_clock_get(&now_ns);
	(void)!hel_futex_wait(&word, 0, now_ns + BENCH_SETTLE_NS, ~0u);
}

NORETURN __attribute__((used)) void bench_main(const struct hel_start *start);

NORETURN void bench_main(const struct hel_start *start)
{
	bench_start = start;
	bench_authority = bench_find_handle("authority");
	bench_log = bench_find_handle("log");
	bench_settle();
	if (start->n_cpus == 1) {
		bench_calls();
		bench_wakes();
		bench_ipc();
		bench_memory();
		bench_threads();
	} else {
		bench_smp();
	}
	bench_print("thor-bench: done");
	hel_thread_exit();
}
