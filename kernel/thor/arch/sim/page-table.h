/* SPDX-License-Identifier: MIT */
/* The format of simulated page-table entries, for the simulated processor. */
#ifndef THOR_ARCH_SIM_PAGE_TABLE_H
#define THOR_ARCH_SIM_PAGE_TABLE_H

#include <thor/cpu.h>

constexpr uint64_t SIM_FLAGS = 0x3f; /* enum arch_page_flags */
constexpr uint64_t SIM_LARGE = 0x200; /* a large page, in a table of the second level */
constexpr uint64_t SIM_ACCESSED = 0x400; /* set by the processor */
constexpr uint64_t SIM_PRESENT = 0x800;

/** sim_tlb_entry() - where a CPU remembers the page of an address under an identifier */
static inline struct sim_tlb_entry *sim_tlb_entry(struct cpu *cpu, uint32_t asid, uint64_t address)
{
	return &cpu->arch.tlb[asid][address / HEL_PAGE_SIZE % SIM_TLB_SIZE];
}

/**
 * sim_page_slot() - the entry for an address, perhaps of a large page; NULL if a table is missing
 */
uint64_t *sim_page_slot(const struct arch_page_table *table, uint64_t address);

/** sim_page_entry() - the value of an entry as if it were of the one page at @address */
static inline uint64_t sim_page_entry(uint64_t entry, uint64_t address)
{
	return (entry & SIM_LARGE) == 0
		? entry
		: entry + (address & (ARCH_LARGE_SIZE - 1) & ~(HEL_PAGE_SIZE - UINT64_C(1)));
}

#endif
