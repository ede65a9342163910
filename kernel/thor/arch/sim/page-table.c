/* SPDX-License-Identifier: MIT */
/*
 * Software page tables: four levels of 512 entries in simulated frames, as on x86-64.
 *
 * An entry is the physical address with the ARCH_PAGE_* flags in the low bits and a present bit;
 * an entry of an upper level has only the present bit.
 */
#include <thor/arch/sim/page-table.h>

#include <base/assert.h>
#include <base/string.h>
#include <thor/arch/sim/sim.h>
#include <thor/cpu.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>

constexpr uint64_t SIM_PAGE = 4096;
constexpr unsigned SIM_WAYS = 512;
constexpr unsigned SIM_LEVELS = 4;

/* The entries of a table: level 1 is the lowest. */
static uint64_t *sim_table(uint64_t phys)
{
	return arch_phys_to_virt(phys);
}

static unsigned sim_index(uint64_t address, unsigned level)
{
	return address >> (12 + 9 * (level - 1)) & (SIM_WAYS - 1);
}

static uint64_t sim_span(unsigned level)
{
	return SIM_PAGE << (9 * (level - 1));
}

static uint64_t sim_phys(uint64_t entry)
{
	return entry & ~(SIM_PAGE - 1);
}

/* The frame of a table, or 0. */
static uint64_t sim_table_allocate(struct arch_page_table *table)
{
	if (account_charge(table->account, ACCOUNT_PAGES, 1) != 0) {
		return 0;
	}
	uint64_t phys = frame_allocate_zeroed();

	if (phys == 0) {
		account_uncharge(table->account, ACCOUNT_PAGES, 1);
	}
	return phys;
}

int arch_page_table_init(struct arch_page_table *table, struct account *account)
{
	table->account = account;
	table->root_phys = sim_table_allocate(table);
	return table->root_phys != 0 ? 0 : -ERR_NO_MEMORY;
}

static void sim_table_release(struct arch_page_table *table, uint64_t phys)
{
	frame_unref(phys);
	account_uncharge(table->account, ACCOUNT_PAGES, 1);
}

/* Free a table and all below, up to *n_tables and the one; true: that was all. */
static bool sim_free_tables(
	struct arch_page_table *table, uint64_t phys, unsigned level, uint32_t *n_tables)
{
	for (unsigned i = 0; level > 1 && i < SIM_WAYS; i++) {
		uint64_t *entry = &sim_table(phys)[i];

		if (*entry != 0 && (*entry & SIM_LARGE) == 0 &&
			(*n_tables == 0 ||
				!sim_free_tables(table, sim_phys(*entry), level - 1, n_tables))) {
			return false;
		}
		*entry = 0;
	}
	sim_table_release(table, phys);
	*n_tables -= *n_tables > 0;
	return true;
}

bool arch_page_table_deinit(struct arch_page_table *table, uint32_t n_tables)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		ASSERT(cpu_table[i]->arch.loaded != table);
	}
	return sim_free_tables(table, table->root_phys, SIM_LEVELS, &n_tables);
}

uint64_t *sim_page_slot(const struct arch_page_table *table, uint64_t address)
{
	uint64_t phys = table->root_phys;

	for (unsigned level = SIM_LEVELS; level > 1; level--) {
		uint64_t *entry = &sim_table(phys)[sim_index(address, level)];

		if (*entry == 0) {
			return NULL;
		}
		if ((*entry & SIM_LARGE) != 0) {
			return entry;
		}
		phys = sim_phys(*entry);
	}
	return &sim_table(phys)[sim_index(address, 1)];
}

/* Put a table in the place of a large page; false: no memory. */
static bool sim_split(struct arch_page_table *table, uint64_t *entry)
{
	uint64_t table_phys = sim_table_allocate(table);

	if (table_phys == 0) {
		return false;
	}
	for (unsigned i = 0; i < SIM_WAYS; i++) {
		sim_table(table_phys)[i] = (*entry & ~SIM_LARGE) + i * SIM_PAGE;
	}
	*entry = table_phys | SIM_PRESENT;
	return true;
}

/* The slot for an address in a table of @level_end. */
static uint64_t *sim_page_make_slot(
	struct arch_page_table *table, uint64_t address, unsigned level_end)
{
	uint64_t phys = table->root_phys;

	for (unsigned level = SIM_LEVELS; level > level_end; level--) {
		uint64_t *entry = &sim_table(phys)[sim_index(address, level)];

		if ((*entry & SIM_LARGE) != 0 && !sim_split(table, entry)) {
			return NULL;
		}
		if (*entry == 0) {
			uint64_t table_phys = sim_table_allocate(table);

			if (table_phys == 0) {
				return NULL;
			}
			*entry = table_phys | SIM_PRESENT;
		}
		phys = sim_phys(*entry);
	}
	return &sim_table(phys)[sim_index(address, level_end)];
}

int arch_page_map(struct arch_page_table *table, uint64_t address, uint64_t phys, uint32_t flags)
{
	sim_point(false);
	ASSERT(address % SIM_PAGE == 0);
	ASSERT(address < ARCH_USER_HIGH);
	ASSERT(phys % SIM_PAGE == 0);
	ASSERT((flags & (ARCH_PAGE_READ | ARCH_PAGE_WRITE | ARCH_PAGE_EXECUTE)) != 0);
	uint64_t *slot = sim_page_make_slot(table, address, 1);

	if (slot == NULL) {
		return -ERR_NO_MEMORY;
	}
	*slot = phys | flags | SIM_PRESENT;
	return 0;
}

static bool sim_is_empty(uint64_t table_phys)
{
	for (unsigned i = 0; i < SIM_WAYS; i++) {
		if (sim_table(table_phys)[i] != 0) {
			return false;
		}
	}
	return true;
}

int arch_page_map_large(struct arch_page_table *table, uint64_t address, uint64_t phys,
	uint32_t flags, bool *out_is_cut)
{
	sim_point(false);
	ASSERT(address % ARCH_LARGE_SIZE == 0);
	ASSERT(phys % ARCH_LARGE_SIZE == 0);
	ASSERT((flags & ARCH_PAGE_EXECUTE) == 0);
	uint64_t *slot = sim_page_make_slot(table, address, 2);

	if (slot == NULL) {
		return -ERR_NO_MEMORY;
	}
	*out_is_cut = *slot != 0;
	if (*slot != 0) {
		ASSERT((*slot & SIM_LARGE) == 0);
		ASSERT(sim_is_empty(sim_phys(*slot)));
		sim_table_release(table, sim_phys(*slot));
	}
	*slot = phys | flags | SIM_PRESENT | SIM_LARGE;
	return 0;
}

bool arch_page_split(struct arch_page_table *table, uint64_t address)
{
	uint64_t *slot = sim_page_slot(table, address);

	sim_point(false);
	if (slot == NULL || (*slot & SIM_LARGE) == 0 || sim_split(table, slot)) {
		return true;
	}
	*slot = 0;
	return false;
}

static struct arch_page_entry sim_describe(uint64_t entry)
{
	return (struct arch_page_entry){
		.phys = sim_phys(entry),
		.flags = entry & SIM_FLAGS,
		.is_present = entry != 0,
		.is_accessed = (entry & SIM_ACCESSED) != 0,
		.is_large = (entry & SIM_LARGE) != 0,
	};
}

int arch_page_exchange(struct arch_page_table *table, uint64_t address, uint64_t phys,
	uint32_t flags, struct arch_page_entry *out_old)
{
	struct arch_page_entry old = arch_page_lookup(table, address);
	int error = arch_page_map(table, address, phys, flags);

	if (error == 0) {
		*out_old = old;
	}
	return error;
}

struct arch_page_entry arch_page_unmap(struct arch_page_table *table, uint64_t address)
{
	uint64_t *slot = sim_page_slot(table, address);
	uint64_t entry = slot != NULL ? *slot : 0;

	sim_point(false);
	if (slot != NULL) {
		*slot = 0;
	}
	return sim_describe(entry);
}

struct arch_page_entry arch_page_lookup(const struct arch_page_table *table, uint64_t address)
{
	uint64_t *slot = sim_page_slot(table, address);

	return sim_describe(slot != NULL ? sim_page_entry(*slot, address) : 0);
}

bool arch_page_protect(struct arch_page_table *table, uint64_t address, uint32_t flags)
{
	uint64_t *slot = sim_page_slot(table, address);

	sim_point(false);
	if (slot == NULL || *slot == 0) {
		return false;
	}
	*slot = sim_phys(*slot) | flags | SIM_PRESENT | (*slot & SIM_LARGE);
	return true;
}

struct arch_page_entry arch_page_take_accessed(struct arch_page_table *table, uint64_t address)
{
	uint64_t *slot = sim_page_slot(table, address);
	uint64_t entry = slot != NULL ? *slot : 0;

	if (entry != 0) {
		*slot &= ~SIM_ACCESSED;
	}
	return sim_describe(entry);
}

bool arch_page_next(
	const struct arch_page_table *table, uint64_t address, uint64_t end, uint64_t *out_address)
{
	while (address < end) {
		uint64_t phys = table->root_phys;
		unsigned level = SIM_LEVELS;
		uint64_t entry = sim_table(phys)[sim_index(address, level)];

		while (level > 1 && entry != 0 && (entry & SIM_LARGE) == 0) {
			level--;
			entry = sim_table(sim_phys(entry))[sim_index(address, level)];
		}
		if (entry != 0) {
			*out_address = address;
			return true;
		}
		address = (address & ~(sim_span(level) - 1)) + sim_span(level);
	}
	return false;
}

uint64_t arch_page_bound_range(const struct arch_page_table *table, uint64_t address, uint64_t end,
	uint32_t table_cost, uint32_t *n_entries)
{
	uint64_t last = address;

	while (*n_entries > 0) {
		if (!arch_page_next(table, address, end, &address)) {
			return end;
		}
		bool is_large = (*sim_page_slot(table, address) & SIM_LARGE) != 0;
		bool is_further = address / ARCH_LARGE_SIZE != last / ARCH_LARGE_SIZE && !is_large;

		last = address;
		address = is_large ? align_down(address, ARCH_LARGE_SIZE) + ARCH_LARGE_SIZE
				   : address + SIM_PAGE;
		*n_entries -= min_u64(*n_entries, is_further ? table_cost : 1);
	}
	return min_u64(address, end);
}

void arch_page_unmap_range(struct arch_page_table *table, uint64_t address, uint64_t end,
	arch_page_fn unmapped, void *context)
{
	while (arch_page_next(table, address, end, &address)) {
		uint64_t *slot = sim_page_slot(table, address);
		uint64_t start = align_down(address, ARCH_LARGE_SIZE);

		if ((*slot & SIM_LARGE) == 0) {
			*slot = 0;
			unmapped(context, address, 1);
			address += SIM_PAGE;
		} else if ((start == address && ARCH_LARGE_SIZE <= end - start) ||
			!sim_split(table, slot)) {
			*slot = 0;
			unmapped(context, start, ARCH_LARGE_PAGES);
		}
	}
}

/* Give target the entry of @slot for @address, unless it is a large page that ends elsewhere. */
static bool sim_copy_entry(
	struct arch_page_table *target, uint64_t entry, uint64_t address, uint64_t end)
{
	bool is_large = (entry & SIM_LARGE) != 0;

	if (is_large && (address % ARCH_LARGE_SIZE != 0 || end - address < ARCH_LARGE_SIZE)) {
		return true;
	}
	uint64_t *slot = sim_page_make_slot(target, address, is_large ? 2 : 1);

	if (slot != NULL && (*slot == 0 || !is_large)) {
		*slot = entry;
	}
	return slot != NULL;
}

uint64_t arch_page_copy_range(struct arch_page_table *target, struct arch_page_table *source,
	uint64_t address, uint64_t end, uint32_t flags)
{
	uint64_t n_protected = 0;
	bool is_full = false;

	while (arch_page_next(source, address, end, &address)) {
		uint64_t *slot = sim_page_slot(source, address);
		bool is_large = (*slot & SIM_LARGE) != 0;
		uint64_t entry = *slot & ~SIM_ACCESSED;

		if ((flags & ARCH_COPY_PROTECT_SOURCE) != 0 && (*slot & ARCH_PAGE_WRITE) != 0) {
			*slot &= ~(uint64_t)ARCH_PAGE_WRITE;
			n_protected++;
		}
		if ((flags & ARCH_COPY_READ_ONLY) != 0) {
			entry &= ~(uint64_t)ARCH_PAGE_WRITE;
		}
		is_full = is_full || !sim_copy_entry(target, entry, address, end);
		address = is_large ? align_down(address, ARCH_LARGE_SIZE) + ARCH_LARGE_SIZE
				   : address + SIM_PAGE;
	}
	return n_protected;
}

/*
 * Whether the table at @phys is empty after trimming what lies in [address, end); base: what it
 * maps first.
 */
static bool sim_trim(struct arch_page_table *table, uint64_t phys, unsigned level, uint64_t base,
	uint64_t address, uint64_t end)
{
	bool is_empty = true;

	for (unsigned i = 0; i < SIM_WAYS; i++) {
		uint64_t *entry = &sim_table(phys)[i];
		uint64_t low = base + i * sim_span(level);

		if (*entry != 0 && (*entry & SIM_LARGE) == 0 && level > 1 && low < end &&
			address < low + sim_span(level) &&
			sim_trim(table, sim_phys(*entry), level - 1, low, address, end)) {
			sim_table_release(table, sim_phys(*entry));
			*entry = 0;
		}
		is_empty = is_empty && *entry == 0;
	}
	return is_empty;
}

void arch_page_table_trim(struct arch_page_table *table, uint64_t address, uint64_t end)
{
	sim_trim(table, table->root_phys, SIM_LEVELS, 0, address, end);
}

/* ---- the TLB ----------------------------------------------------------------------- */

static void sim_tlb_flush(uint32_t asid)
{
	memset(sim_cpu->arch.tlb[asid], 0, sizeof(sim_cpu->arch.tlb[asid]));
	sim_cpu->arch.n_flushes++;
}

void arch_tlb_flush_user(void)
{
	sim_tlb_flush(sim_cpu->arch.asid);
}

/* A TLB may have a large page in pieces, all of which go. */
void arch_tlb_flush_page(uint64_t address)
{
	struct sim_tlb_entry *entries = sim_cpu->arch.tlb[sim_cpu->arch.asid];

	for (uint32_t i = 0; i < SIM_TLB_SIZE; i++) {
		bool is_part = (entries[i].entry & SIM_LARGE) != 0 &&
			entries[i].address / ARCH_LARGE_SIZE == address / ARCH_LARGE_SIZE;

		if (entries[i].address == address || is_part) {
			entries[i].address = 0;
		}
	}
	sim_cpu->arch.n_page_flushes++;
}

void arch_page_table_activate(const struct arch_page_table *table, uint32_t asid, bool keeps)
{
	ASSERT(asid < ARCH_ASIDS);
	sim_cpu->arch.loaded = table;
	sim_cpu->arch.asid = asid;
	if (!keeps) {
		sim_tlb_flush(asid);
	}
}

void arch_page_table_activate_kernel(void)
{
	arch_page_table_activate(NULL, 0, true);
}
