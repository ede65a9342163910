/* SPDX-License-Identifier: MIT */
/*
 * Changing the code where the trace is on or off.
 *
 * All CPUs meet: those that are called spin with interrupts off, in code that is not changed, until
 * the one that called has rewritten the places through the direct map (the text itself is never
 * writable). Then each executes a serialising instruction, so none goes on with old instructions
 * that it has fetched already.
 */
#include <base/assert.h>
#include <base/string.h>
#include <thor/arch/trace.h>
#include <thor/memory/shootdown.h>

#include "machine.h"
#include "registers.h"

#define JUMP_NEAR 0xe9

/* Offsets from the fields themselves. */
struct trace_site {
	int32_t place, target;
	uint32_t category;
};

extern const struct trace_site arch__trace_sites_start[], arch__trace_sites_end[];

struct trace_meeting {
	const struct cpu *leader;
	uint32_t mask;
	_Atomic uint32_t n_arrived; /* but the leader */
	_Atomic bool is_over;
};

static void trace_rewrite_site(const struct trace_site *site, bool is_on)
{
	static const uint8_t no_op[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
	uint64_t place = (uint64_t)&site->place + (uint64_t)(int64_t)site->place;
	uint64_t target = (uint64_t)&site->target + (uint64_t)(int64_t)site->target;
	int32_t distance = (int32_t)(target - (place + sizeof(no_op)));
	uint8_t *writable = arch_phys_to_virt(arch_virt_to_phys((const void *)place));

	if (is_on) {
		writable[0] = JUMP_NEAR;
		memcpy(&writable[1], &distance, sizeof(distance));
	} else {
		memcpy(writable, no_op, sizeof(no_op));
	}
}

static void trace_rewrite(uint32_t mask)
{
	for (const struct trace_site *site = arch__trace_sites_start; site < arch__trace_sites_end;
		site++) {
		trace_rewrite_site(site, (site->category & mask) != 0);
	}
}

static void trace_meet(void *context)
{
	struct trace_meeting *meeting = context;
	uint32_t n_spins = 0;

	if (arch_this_cpu() == meeting->leader) {
		while (atomic_load(&meeting->n_arrived) != cpu_count - 1) {
			shootdown_poll();
			arch_relax(&n_spins);
		}
		trace_rewrite(meeting->mask);
		atomic_store(&meeting->is_over, true);
	} else {
		atomic_fetch_add(&meeting->n_arrived, 1);
		while (!atomic_load(&meeting->is_over)) {
			arch_relax(&n_spins);
		}
	}
	(void)cpuid_read(0, 0);
}

void arch_trace_switch(uint32_t mask)
{
	struct trace_meeting meeting = { .leader = arch_this_cpu(), .mask = mask };

	shootdown_call_all(trace_meet, &meeting);
}
