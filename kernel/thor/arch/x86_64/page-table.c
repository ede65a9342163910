/* SPDX-License-Identifier: MIT */
/*
 * Page tables of spaces: four levels, user half only; the kernel's half is a copy of
 * kernel-map.c's root.
 *
 * The caller holds the space's lock, so tables change under nobody; the processor alone sets
 * accessed and dirty bits meanwhile.  Entries of pages are therefore exchanged atomically.  In
 * entries that point to tables a lost accessed bit does no harm, so their counts are written
 * plainly.
 */
#include <base/assert.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>

#include "machine.h"
#include "page-walk.h"
#include "registers.h"

static uint64_t entry_encode(uint64_t phys, uint32_t flags)
{
	uint64_t entry = phys | PAGE_PRESENT;

	entry |= (flags & ARCH_PAGE_WRITE) != 0 ? PAGE_WRITE : 0;
	entry |= (flags & ARCH_PAGE_USER) != 0 ? PAGE_USER : 0;
	entry |= (flags & ARCH_PAGE_EXECUTE) != 0 ? 0 : PAGE_NO_EXECUTE;
	entry |= (flags & ARCH_PAGE_UNCACHED) != 0 ? PAGE_UNCACHED : 0;
	entry |= (flags & ARCH_PAGE_WRITE_COMBINE) != 0 ? PAGE_WRITE_COMBINE : 0;
	return entry;
}

static struct arch_page_entry entry_decode(uint64_t entry)
{
	struct arch_page_entry result = { 0 };

	if ((entry & PAGE_PRESENT) == 0) {
		return result;
	}
	result.phys = entry & PAGE_ADDRESS;
	result.flags = ARCH_PAGE_READ;
	result.flags |= (entry & PAGE_WRITE) != 0 ? ARCH_PAGE_WRITE : 0;
	result.flags |= (entry & PAGE_USER) != 0 ? ARCH_PAGE_USER : 0;
	result.flags |= (entry & PAGE_NO_EXECUTE) == 0 ? ARCH_PAGE_EXECUTE : 0;
	if ((entry & PAGE_CACHING) == PAGE_UNCACHED) {
		result.flags |= ARCH_PAGE_UNCACHED;
	} else if ((entry & PAGE_CACHING) == PAGE_WRITE_COMBINE) {
		result.flags |= ARCH_PAGE_WRITE_COMBINE;
	}
	result.is_present = true;
	result.is_dirty = (entry & PAGE_DIRTY) != 0;
	result.is_accessed = (entry & PAGE_ACCESSED) != 0;
	result.is_large = (entry & PAGE_LARGE) != 0;
	return result;
}

/* The frame of a table, or 0. */
static uint64_t page_table_allocate(struct arch_page_table *table)
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

static void page_table_release(struct arch_page_table *table, uint64_t phys)
{
	frame_unref(phys);
	account_uncharge(table->account, ACCOUNT_PAGES, 1);
}

int arch_page_table_init(struct arch_page_table *table, struct account *account)
{
	table->account = account;
	table->root_phys = page_table_allocate(table);
	table->n_tables = 0;
	table->retired_phys = 0;
	if (table->root_phys == 0) {
		return -ERR_NO_MEMORY;
	}
	kernel_map_fill_root(arch_phys_to_virt(table->root_phys));
	return 0;
}

/*
 * A table that was cut off: processors may still have the way to it cached, until the caller has
 * flushed, so it is kept until the next cut.  The link is in the first entry, where it reads as
 * "not present".
 */
static void page_table_retire(struct arch_page_table *table, uint64_t entry)
{
	uint64_t phys = entry & PAGE_ADDRESS;

	entry_store(table_at(phys), table->retired_phys);
	table->retired_phys = phys;
	table->n_tables--;
}

static void page_table_free_retired(struct arch_page_table *table)
{
	while (table->retired_phys != 0) {
		uint64_t phys = table->retired_phys;

		table->retired_phys = entry_load(table_at(phys));
		page_table_release(table, phys);
	}
}

/* The index of the first entry from @index on that is not zero; there is one. */
static unsigned page_table_next_used(const page_entry *entries, unsigned index)
{
	while (entry_load(&entries[index]) == 0) {
		index++;
		/* Tables are mostly empty: four at a time. */
		while (index % 4 == 0 &&
			(entry_load(&entries[index]) | entry_load(&entries[index + 1]) |
				entry_load(&entries[index + 2]) |
				entry_load(&entries[index + 3])) == 0) {
			index += 4;
		}
	}
	return index;
}

/* Free the table that @parent points to and all below, up to *n_tables; true: that was all. */
static bool page_table_free(
	struct arch_page_table *table, page_entry *parent, unsigned level, uint32_t *n_tables)
{
	uint64_t entry = entry_load(parent);
	page_entry *entries = table_at(entry);
	unsigned n_left = level > 0 ? page_count(entry) : 0;

	for (unsigned i = 0; n_left > 0; i++, n_left--) {
		i = page_table_next_used(entries, i);
		if (entry_is_page(entry_load(&entries[i]), level)) {
			entry_store(&entries[i], 0);
			continue;
		}
		if (*n_tables == 0 || !page_table_free(table, &entries[i], level - 1, n_tables)) {
			entry_store(parent,
				(entry & ~(PAGE_COUNT_MAX * PAGE_COUNT_ONE)) |
					n_left * PAGE_COUNT_ONE);
			return false;
		}
	}
	entry_store(parent, 0);
	page_table_release(table, entry & PAGE_ADDRESS);
	table->n_tables--;
	*n_tables -= *n_tables > 0;
	return true;
}

bool arch_page_table_deinit(struct arch_page_table *table, uint32_t n_tables)
{
	page_entry *root;

	if (table->root_phys == 0) {
		return true;
	}
	page_table_free_retired(table);
	root = table_at(table->root_phys);
	for (unsigned i = 0; table->n_tables > 0; i++) {
		i = page_table_next_used(root, i);
		ASSERT(i < PAGE_ENTRIES / 2);
		if (n_tables == 0 ||
			!page_table_free(table, &root[i], PAGE_LEVEL_ROOT - 1, &n_tables)) {
			return false;
		}
	}
	page_table_release(table, table->root_phys);
	table->root_phys = 0;
	return true;
}

/*
 * The entry for @address, perhaps of a large page, and the entry that points to its table; NULL if
 * a table is missing.
 */
static page_entry *page_find(
	const struct arch_page_table *table, uint64_t address, page_entry **out_parent)
{
	page_entry *entries = table_at(table->root_phys);
	page_entry *entry = &entries[page_index(address, PAGE_LEVEL_ROOT)];

	for (unsigned level = PAGE_LEVEL_ROOT; level > 0; level--) {
		uint64_t value = entry_load(entry);

		if (value == 0) {
			return NULL;
		}
		if (level == 1 && entry_is_page(value, level)) {
			return entry;
		}
		*out_parent = entry;
		entries = table_at(value);
		entry = &entries[page_index(address, level - 1)];
	}
	return entry;
}

bool page_table_split(struct arch_page_table *table, page_entry *entry)
{
	uint64_t table_phys = page_table_allocate(table);

	if (table_phys == 0) {
		return false;
	}
	page_entry *entries = table_at(table_phys);
	uint64_t value = entry_load(entry) & ~PAGE_LARGE;

	for (unsigned i = 0; i < PAGE_ENTRIES; i++) {
		entry_store(&entries[i], value + i * PAGE_SIZE_BYTES);
	}
	entry_store(entry,
		table_phys | PAGE_PRESENT | PAGE_WRITE | PAGE_USER | PAGE_ENTRIES * PAGE_COUNT_ONE);
	table->n_tables++;
	return true;
}

page_entry *page_table_make(struct arch_page_table *table, uint64_t address, unsigned level_end)
{
	page_entry *entries = table_at(table->root_phys);
	page_entry *parent = NULL;

	for (unsigned level = PAGE_LEVEL_ROOT; level > level_end; level--) {
		page_entry *entry = &entries[page_index(address, level)];
		uint64_t value = entry_load(entry);

		if (value == 0) {
			uint64_t table_phys = page_table_allocate(table);

			if (table_phys == 0) {
				return NULL;
			}
			entry_store(entry, table_phys | PAGE_PRESENT | PAGE_WRITE | PAGE_USER);
			entry_count(parent, PAGE_COUNT_ONE);
			table->n_tables++;
		} else if (unlikely(entry_is_page(value, level)) &&
			!page_table_split(table, entry)) {
			return NULL;
		}
		parent = entry;
		entries = table_at(entry_load(entry));
	}
	return parent;
}

/* Put an entry where @out_old was; -ERR_NO_MEMORY. */
static int page_put(
	struct arch_page_table *table, uint64_t address, uint64_t value, uint64_t *out_old)
{
	page_entry *parent = page_table_make(table, address, 0);

	if (parent == NULL) {
		return -ERR_NO_MEMORY;
	}
	page_entry *entry = &table_at(entry_load(parent))[page_index(address, 0)];

	*out_old = entry_load(entry);
	if (*out_old == 0) {
		entry_count(parent, PAGE_COUNT_ONE);
	}
	entry_store(entry, value);
	return 0;
}

int arch_page_map(struct arch_page_table *table, uint64_t address, uint64_t phys, uint32_t flags)
{
	uint64_t old;

	return page_put(table, address, entry_encode(phys, flags), &old);
}

int arch_page_exchange(struct arch_page_table *table, uint64_t address, uint64_t phys,
	uint32_t flags, struct arch_page_entry *out_old)
{
	uint64_t old;
	int error = page_put(table, address, entry_encode(phys, flags), &old);

	if (error == 0) {
		*out_old = entry_decode(old);
	}
	return error;
}

int arch_page_map_large(struct arch_page_table *table, uint64_t address, uint64_t phys,
	uint32_t flags, bool *out_is_cut)
{
	page_entry *parent = page_table_make(table, address, 1);

	if (parent == NULL) {
		return -ERR_NO_MEMORY;
	}
	page_entry *entry = &table_at(entry_load(parent))[page_index(address, 1)];
	uint64_t old = entry_load(entry);

	*out_is_cut = old != 0;
	if (old == 0) {
		entry_count(parent, PAGE_COUNT_ONE);
	} else {
		ASSERT(!entry_is_page(old, 1) && page_count(old) == 0);
		page_table_retire(table, old);
	}
	entry_store(entry, entry_encode(phys, flags) | PAGE_LARGE);
	return 0;
}

bool arch_page_split(struct arch_page_table *table, uint64_t address)
{
	page_entry *parent;
	page_entry *entry = page_find(table, address, &parent);

	if (entry == NULL || !entry_decode(entry_load(entry)).is_large ||
		page_table_split(table, entry)) {
		return true;
	}
	entry_store(entry, 0);
	entry_count(parent, -PAGE_COUNT_ONE);
	return false;
}

struct arch_page_entry arch_page_unmap(struct arch_page_table *table, uint64_t address)
{
	page_entry *parent;
	page_entry *entry = page_find(table, address, &parent);
	uint64_t old = 0;

	if (entry != NULL && entry_load(entry) != 0) {
		old = atomic_exchange_explicit(entry, 0, memory_order_relaxed);
		entry_count(parent, -PAGE_COUNT_ONE);
	}
	return entry_decode(old);
}

struct arch_page_entry arch_page_lookup(const struct arch_page_table *table, uint64_t address)
{
	page_entry *parent;
	page_entry *entry = page_find(table, address, &parent);
	struct arch_page_entry result = entry_decode(entry != NULL ? entry_load(entry) : 0);

	if (unlikely(result.is_large)) {
		result.phys += address & (page_span(1) - 1) & PAGE_ADDRESS;
	}
	return result;
}

bool arch_page_protect(struct arch_page_table *table, uint64_t address, uint32_t flags)
{
	page_entry *parent;
	page_entry *entry = page_find(table, address, &parent);
	uint64_t old = entry != NULL ? entry_load(entry) : 0;
	uint64_t new;

	if (old == 0) {
		return false;
	}
	do {
		new = entry_encode(old & PAGE_ADDRESS, flags) |
			(old & (PAGE_ACCESSED | PAGE_DIRTY | PAGE_LARGE));
	} while (!atomic_compare_exchange_weak_explicit(
		entry, &old, new, memory_order_relaxed, memory_order_relaxed));
	return true;
}

struct arch_page_entry arch_page_take_accessed(struct arch_page_table *table, uint64_t address)
{
	page_entry *parent;
	page_entry *entry = page_find(table, address, &parent);
	uint64_t old = entry != NULL ? entry_load(entry) : 0;

	if ((old & PAGE_ACCESSED) != 0) {
		old = atomic_fetch_and_explicit(entry, ~PAGE_ACCESSED, memory_order_relaxed);
	}
	return entry_decode(old);
}

/* What an entry of a table of @level leads to: 0 for an empty table, too. */
static uint64_t entry_used(const page_entry *entry, unsigned level)
{
	uint64_t value = entry_load(entry);

	return entry_is_page(value, level) || page_count(value) != 0 ? value : 0;
}

bool arch_page_next(
	const struct arch_page_table *table, uint64_t address, uint64_t end, uint64_t *out_address)
{
	while (address < end) {
		page_entry *entries = table_at(table->root_phys);
		unsigned level = PAGE_LEVEL_ROOT;
		uint64_t entry = entry_used(&entries[page_index(address, level)], level);

		/* down to a page, or to the table that lacks the way to it */
		while (entry != 0 && !entry_is_page(entry, level)) {
			entries = table_at(entry);
			level--;
			entry = entry_used(&entries[page_index(address, level)], level);
		}
		/* along that table, which the next entry of may lead further down */
		unsigned index = page_index(address, level);
		uint64_t table_end =
			align_down(address, page_span(level + 1)) + page_span(level + 1);
		unsigned index_end = page_index(min_u64(end, table_end) - 1, level) + 1;

		while (entry == 0 && index < index_end) {
			index = page_next_used(entries, index);
			entry = index < index_end ? entry_used(&entries[index], level) : 0;
		}
		if (index >= index_end) {
			address = table_end;
			continue;
		}
		if (index != page_index(address, level)) {
			address = align_down(address, page_span(level + 1)) +
				index * page_span(level);
		}
		if (entry_is_page(entry, level) && address < end) {
			*out_address = address;
			return true;
		}
	}
	return false;
}

/*
 * Free the empty tables below @entry (a table of @level) in the range; whether the table itself
 * is empty.
 */
static bool page_table_trim(struct arch_page_table *table, page_entry *entry, unsigned level,
	uint64_t address, uint64_t end)
{
	page_entry *entries = table_at(entry_load(entry));

	while (level > 0 && address < end && page_count(entry_load(entry)) > 0) {
		page_entry *child = &entries[page_index(address, level)];
		uint64_t next = align_down(address, page_span(level)) + page_span(level);

		if (entry_load(child) != 0 && !entry_is_page(entry_load(child), level) &&
			page_table_trim(table, child, level - 1, address, min_u64(end, next))) {
			page_table_retire(table, entry_load(child));
			entry_store(child, 0);
			entry_count(entry, -PAGE_COUNT_ONE);
		}
		address = next;
	}
	return page_count(entry_load(entry)) == 0;
}

void arch_page_table_trim(struct arch_page_table *table, uint64_t address, uint64_t end)
{
	page_entry *root = table_at(table->root_phys);

	page_table_free_retired(table);
	while (address < end) {
		page_entry *entry = &root[page_index(address, PAGE_LEVEL_ROOT)];
		uint64_t next = align_down(address, page_span(PAGE_LEVEL_ROOT)) +
			page_span(PAGE_LEVEL_ROOT);

		if (entry_load(entry) != 0 &&
			page_table_trim(
				table, entry, PAGE_LEVEL_ROOT - 1, address, min_u64(end, next))) {
			page_table_retire(table, entry_load(entry));
			entry_store(entry, 0);
		}
		address = next;
	}
}

/*
 * INVPCID is not needed: what is loaded is flushed by way of CR3, and what is not loaded is flushed
 * when it is (memory/asid.h). The kernel's half is global and the same everywhere.
 */
static void page_table_load(uint64_t root_phys, uint64_t bits)
{
	uint64_t cr3 = root_phys | (bits & features.cr3_bits);

	arch_this_cpu()->arch.cr3 = cr3;
	cr3_write(cr3);
}

void arch_page_table_activate(const struct arch_page_table *table, uint32_t asid, bool keeps)
{
	page_table_load(table->root_phys, asid | (keeps ? CR3_KEEP : 0));
}

void arch_page_table_activate_kernel(void)
{
	page_table_load(kernel_map_root(), CR3_KEEP);
}

void arch_tlb_flush_page(uint64_t address)
{
	page_invalidate(address);
}

void arch_tlb_flush_user(void)
{
	cr3_write(arch_this_cpu()->arch.cr3 & ~CR3_KEEP);
}
