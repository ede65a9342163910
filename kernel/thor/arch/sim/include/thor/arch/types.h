/* SPDX-License-Identifier: MIT */
/*
 * sim: the architecture that is a host program. Types that portable thor embeds.
 *
 * Physical memory is one anonymous mapping of the host; a CPU is a variable that says which
 * struct cpu is current; page tables are software and each CPU has a small TLB that forgets only
 * when told to, so a missing shoot-down is seen. See arch/sim/sim.h for what tests drive it
 * with.
 */
#ifndef THOR_ARCH_TYPES_H
#define THOR_ARCH_TYPES_H

#include <base/string.h>
#include <base/types.h>

struct account;
struct cpu;

struct arch_context {
	uint64_t ip, sp, argument, tls_base;
	uint64_t call_number, call_arguments[6];
	int64_t result;
	uint64_t value;
	bool is_restarted;
};

struct arch_page_table {
	uint64_t root_phys;
	struct account *account; /* immutable: pays for the tables */
};

struct arch_irq_state {
	bool were_enabled;
};

constexpr uint32_t SIM_TLB_SIZE = 64;
constexpr uint32_t ARCH_ASIDS = 5; /* so few that tests see spaces share them */

struct sim_tlb_entry {
	uint64_t address; /* 0: empty */
	uint64_t entry;  /* as in the page table */
};

struct arch_cpu {
	const struct arch_page_table *loaded;
	uint32_t asid; /* under which it is loaded */
	struct sim_tlb_entry tlb[ARCH_ASIDS][SIM_TLB_SIZE];
	uint64_t timer_deadline_ns;
	bool has_reschedule, has_shootdown; /* pending interrupts */
	uint32_t device_vector; /* of the last device interrupt taken */
	uint64_t n_flushes, n_page_flushes, n_shootdowns;
};

extern struct cpu *sim_cpu; /* the current CPU */
extern uint8_t *sim_memory; /* physical address 0 */

/* Called where a real CPU could lose a race: other virtual CPUs may run. */
void sim_pause(void);

static inline struct cpu *arch_this_cpu(void)
{
	return sim_cpu;
}

static inline void arch_pause(void)
{
	sim_pause();
}

static inline void arch_relax(uint32_t *n_spins)
{
	++*n_spins;
	sim_pause();
}

static inline void arch_irqs_disable(void)
{
}

static inline struct arch_irq_state arch_irqs_save(void)
{
	return (struct arch_irq_state){ false };
}

static inline void arch_irqs_restore(UNUSED struct arch_irq_state state)
{
}

static inline void *arch_phys_to_virt(uint64_t phys)
{
	return sim_memory + phys;
}

static inline uint64_t arch_virt_to_phys(const void *pointer)
{
	return (uint64_t)((const uint8_t *)pointer - sim_memory);
}

static inline void arch_copy_much(void *to, const void *from, size_t size)
{
	memmove(to, from, size);
}

struct hel_bounce;
struct hel_bounce_page;

/* The thread of @context bounces foreign calls to @bounce; see arch/sim/processor.h. */
void arch_context_set_bounce(struct arch_context *context, struct hel_bounce_page *page,
	const struct hel_bounce *bounce);
void arch_context_set_gs_base(struct arch_context *context, uint64_t gs_base);

#endif
