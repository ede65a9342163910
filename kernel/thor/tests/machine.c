/* SPDX-License-Identifier: MIT */
/* Machines with user programs for tests: see machine.h. */
#include "machine.h"

#include <base/assert.h>
#include <base/string.h>
#include <thor/log.h>
#include <thor/memory/memory.h>
#include <thor/bootstrap.h>
#include <thor/object/token.h>
#include <thor/object/universe.h>
#include <thor/sched/shortage.h>
#include <thor/trace/control.h>

#include <stdio.h>
#include <stdlib.h>

constexpr uint64_t MACHINE_MEMORY_MIB = 32;
constexpr uint64_t MACHINE_STEPS_MAX = 20'000'000;

hel_handle machine_authority;

static uint64_t memory_mib;
static uint64_t free_bytes_at_start;
static uint64_t heap_bytes_at_start;
static uint32_t n_threads_at_start; /* those that failed tests have left count for ever */

/* ---- parts of thor that are not linked ------------------------------------------------------- */

void log_write(UNUSED const char *text, UNUSED size_t size)
{
}

/* One message of 16 bytes has ever been logged. */
size_t log_read(uint64_t *position, char *out_buffer, size_t size)
{
	constexpr uint64_t log_end = 16;
	size_t n_bytes = *position < log_end ? min_size(log_end - *position, size) : 0;

	memset(out_buffer, '.', n_bytes);
	*position += n_bytes;
	return n_bytes;
}

bool boot_owns_range(uint64_t phys, UNUSED uint64_t size_bytes)
{
	return phys < MIB(memory_mib);
}

/* ---- shortage -------------------------------------------------------------------------------- */

uint64_t machine_n_retries;

bool __real_shortage_will_pass(struct thread *thread);
bool __wrap_shortage_will_pass(struct thread *thread);

/* What a test lets fail does not succeed when it is tried again. */
bool __wrap_shortage_will_pass(struct thread *thread)
{
	bool will_pass = !fixture_has_failed() && __real_shortage_will_pass(thread);

	machine_n_retries += will_pass;
	return will_pass;
}

/* ---- machines -------------------------------------------------------------------------------- */

void machine_begin_with(uint32_t n_cpus, uint64_t n_mib, uint64_t seed)
{
	memory_mib = n_mib;
	if (cpu_count != 0) {
		sim_shutdown(); /* a failed test left it */
	}
	fixture_begin(n_cpus, memory_mib, seed);
	sim_boot(seed);
	free_bytes_at_start = fixture_free_bytes();
	heap_bytes_at_start = heap_used_bytes();
	fixture_note_accounts();
	n_threads_at_start = thread_count();
	machine_authority = HEL_NULL;
}

void machine_begin(uint32_t n_cpus, uint64_t seed)
{
	machine_begin_with(n_cpus, MACHINE_MEMORY_MIB, seed);
}

bool machine_settle(void)
{
	/* What the test itself has dropped is ended by the CPU it was, too. */
	for (uint32_t i = 0; i < cpu_count; i++) {
		sim_interrupt(i);
	}
	return sim_execute(HEL_DEADLINE_NEVER, MACHINE_STEPS_MAX);
}

bool machine_run(void (*main)(void *context), void *context)
{
	struct universe *universe;
	struct space *space;
	int error = universe_create(&universe);

	ASSERT(error == 0);
	error = space_create(&space);
	ASSERT(error == 0);
	error = universe_attach(universe, authority_object(), HEL_RIGHTS_ALL, &machine_authority);
	ASSERT(error == 0);
	struct thread *thread = sim_spawn(universe, space, main, context);

	object_unref(&thread->object);
	object_unref(&universe->object);
	object_unref((struct object *)space);
	return machine_settle();
}

bool machine_is_clean(void)
{
	uint32_t n_threads = thread_count() - n_threads_at_start;

	fixture_fail_after(~(uint64_t)0);
	for (uint32_t i = 0; i < cpu_count; i++) {
		sim_switch_cpu(i);
		space_activate(NULL);
	}
	sim_switch_cpu(0);
	/* The rings of the trace are the kernel's own, whoever had them made. */
	bool has_stopped = trace_control(0, 0, 0) == 0;
	uint64_t free_bytes = fixture_free_bytes();
	uint64_t heap_bytes = heap_used_bytes();
	bool is_clean = has_stopped && n_threads == 0 && free_bytes == free_bytes_at_start &&
		heap_bytes == heap_bytes_at_start;

	if (!is_clean) {
		printf("# left: %u threads, %lld bytes of frames, %lld bytes of heap\n", n_threads,
			(long long)(free_bytes_at_start - free_bytes),
			(long long)(heap_bytes - heap_bytes_at_start));
	}
	return fixture_is_paid() && is_clean;
}

bool machine_end(void)
{
	bool is_clean = machine_is_clean();

	sim_shutdown();
	sim_machine_destroy();
	return is_clean;
}
