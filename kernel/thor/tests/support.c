/* SPDX-License-Identifier: MIT */
/*
 * Shared parts of the tests: see support.h. Also stands in for the parts of thor that are not
 * linked.
 */
#include <base/assert.h>
#include <thor/cpu.h>
#include <thor/memory/heap-debug.h>
#include <thor/memory/space.h>
#include <thor/object/account.h>
#include <thor/panic.h>
#include <thor/arch/sim/sim.h>

#include <stdio.h>
#include <stdlib.h>

void fixture_begin(uint32_t n_cpus, uint64_t memory_mib, uint64_t seed);
bool fixture_end(void);
void fixture_note_accounts(void);
bool fixture_is_paid(void);
void fixture_reap(void);
uint64_t fixture_free_bytes(void);
void fixture_fail_after(uint64_t n_allocations);
void fixture_fail_only(uint64_t n_allocations);
bool fixture_has_failed(void);
uint64_t map_anonymous(struct space *space, uint64_t n_pages);
uint64_t large_bytes(const struct space *space);
int peek(uint64_t address);
int poke(uint64_t address, uint8_t value);

static uint64_t fixture_free_at_start;
static uint64_t fixture_used_at_start[ACCOUNT_RESOURCES];
static uint64_t fixture_allocations_left = ~(uint64_t)0;
static bool fixture_failed;
static bool fixture_fails_once;

/* ---- the kernel's other parts ------------------------------------------------------ */

void klog(const char *format, ...)
{
	if (getenv("TEST_LOG") != NULL) {
		va_list arguments;

		va_start(arguments, format);
		vprintf(format, arguments);
		va_end(arguments);
		putchar('\n');
	}
}

void panic(const char *format, ...)
{
	va_list arguments;

	printf("panic: ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	abort();
}

/* ---- failing allocations ----------------------------------------------------------- */

uint64_t __real_frame_allocate(void);
uint64_t __real_frame_allocate_zeroed(void);
uint64_t __real_frame_allocate_run(unsigned order, uint64_t below_phys);
void *__real_heap_allocate(size_t size);
void *__real_heap_allocate_dirty(size_t size);
uint64_t __wrap_frame_allocate(void);
uint64_t __wrap_frame_allocate_zeroed(void);
uint64_t __wrap_frame_allocate_run(unsigned order, uint64_t below_phys);
void *__wrap_heap_allocate(size_t size);
void *__wrap_heap_allocate_dirty(size_t size);

void fixture_fail_after(uint64_t n_allocations)
{
	fixture_allocations_left = n_allocations;
	fixture_failed = false;
	fixture_fails_once = false;
}

void fixture_fail_only(uint64_t n_allocations)
{
	fixture_fail_after(n_allocations);
	fixture_fails_once = true;
}

bool fixture_has_failed(void)
{
	return fixture_failed;
}

static bool fixture_may_allocate(void)
{
	if (fixture_allocations_left == 0) {
		fixture_failed = true;
		if (fixture_fails_once) {
			fixture_allocations_left = ~(uint64_t)0;
		}
		return false;
	}
	fixture_allocations_left -= fixture_allocations_left != ~(uint64_t)0;
	return true;
}

uint64_t __wrap_frame_allocate(void)
{
	return fixture_may_allocate() ? __real_frame_allocate() : 0;
}

uint64_t __wrap_frame_allocate_zeroed(void)
{
	return fixture_may_allocate() ? __real_frame_allocate_zeroed() : 0;
}

uint64_t __wrap_frame_allocate_run(unsigned order, uint64_t below_phys)
{
	return fixture_may_allocate() ? __real_frame_allocate_run(order, below_phys) : 0;
}

void *__wrap_heap_allocate(size_t size)
{
	return fixture_may_allocate() ? __real_heap_allocate(size) : NULL;
}

void *__wrap_heap_allocate_dirty(size_t size)
{
	return fixture_may_allocate() ? __real_heap_allocate_dirty(size) : NULL;
}

/* ---- fixture ----------------------------------------------------------------------- */

void fixture_reap(void)
{
	struct cpu *self = sim_cpu;
	bool is_more = true;

	while (is_more) {
		is_more = false;
		for (uint32_t i = 0; i < cpu_count; i++) {
			sim_switch_cpu(i);
			object_reap(sim_cpu, ~0u, arch_clock_ns());
		}
		for (uint32_t i = 0; i < cpu_count; i++) {
			is_more = is_more || atomic_load(&cpu_table[i]->run_queue.deferred) != NULL;
		}
	}
	sim_cpu = self;
}

void fixture_note_accounts(void)
{
	uint64_t limit;

	for (uint32_t i = 0; i < ACCOUNT_RESOURCES; i++) {
		account_get(account_root(), i, &fixture_used_at_start[i], &limit);
	}
}

bool fixture_is_paid(void)
{
	static const char *const names[] = { "bytes", "pages", "operations", "handles" };
	bool is_paid = true;

	for (uint32_t i = 0; i < ACCOUNT_RESOURCES; i++) {
		uint64_t used, limit;

		account_get(account_root(), i, &used, &limit);
		if (used != fixture_used_at_start[i]) {
			printf("# %lld %s are charged to the root account\n",
				(long long)(used - fixture_used_at_start[i]), names[i]);
			is_paid = false;
		}
	}
	return is_paid;
}

uint64_t fixture_free_bytes(void)
{
	struct cpu *self = sim_cpu;

	fixture_reap();
	for (uint32_t i = 0; i < cpu_count; i++) {
		sim_switch_cpu(i);
		heap_trim();
	}
	sim_cpu = self;
	return frame_free_bytes();
}

void fixture_begin(uint32_t n_cpus, uint64_t memory_mib, uint64_t seed)
{
	if (cpu_count != 0) {
		sim_machine_destroy(); /* a failed test left it */
	}
	fixture_fail_after(~(uint64_t)0);
	sim_machine_create(&(struct sim_options){
		.memory_bytes = MIB(memory_mib),
		.n_cpus = n_cpus,
		.seed = seed,
	});
	fixture_free_at_start = fixture_free_bytes();
	fixture_note_accounts();
}

bool fixture_end(void)
{
	fixture_fail_after(~(uint64_t)0);
	for (uint32_t i = 0; i < cpu_count; i++) {
		sim_switch_cpu(i);
		space_activate(NULL);
	}
	uint64_t free_bytes = fixture_free_bytes();
	bool is_whole = free_bytes == fixture_free_at_start && heap_used_bytes() == 0;

	if (!is_whole) {
		printf("# %lld bytes of frames and %llu bytes of heap are missing\n",
			(long long)(fixture_free_at_start - free_bytes),
			(unsigned long long)heap_used_bytes());
	}
	is_whole = fixture_is_paid() && is_whole;
	sim_machine_destroy();
	return is_whole;
}

/* ---- user mode --------------------------------------------------------------------- */

uint64_t map_anonymous(struct space *space, uint64_t n_pages)
{
	struct hel_map_args args = {
		.size_bytes = n_pages * FRAME_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY,
	};
	uint64_t address = 0;

	return space_map(space, NULL, &args, &address) == 0 ? address : 0;
}

uint64_t large_bytes(const struct space *space)
{
	uint64_t address = ARCH_USER_LOW;
	uint64_t size_bytes = 0;

	while (arch_page_next(&space->page_table, address, ARCH_USER_HIGH, &address)) {
		if (arch_page_lookup(&space->page_table, address).is_large) {
			size_bytes += ARCH_LARGE_SIZE;
		}
		address = align_down(address, ARCH_LARGE_SIZE) + ARCH_LARGE_SIZE;
	}
	return size_bytes;
}

int peek(uint64_t address)
{
	uint8_t byte;

	return sim_user_access(address, SPACE_ACCESS_READ, &byte) == 0 ? byte : 256;
}

int poke(uint64_t address, uint8_t value)
{
	return sim_user_access(address, SPACE_ACCESS_WRITE, &value);
}
