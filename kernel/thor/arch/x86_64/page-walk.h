/* SPDX-License-Identifier: MIT */
/* What page-table.c and page-range.c share: access to tables that the processor walks meanwhile. */
#ifndef X86_64_PAGE_WALK_H
#define X86_64_PAGE_WALK_H

#include <thor/arch/types.h>

#include "page-entry.h"

typedef _Atomic uint64_t page_entry;

/** table_at() - the entries of the table at a physical address, or that an entry points to */
static inline page_entry *table_at(uint64_t phys)
{
	return arch_phys_to_virt(phys & PAGE_ADDRESS);
}

static inline uint64_t entry_load(const page_entry *entry)
{
	return atomic_load_explicit(entry, memory_order_relaxed);
}

static inline void entry_store(page_entry *entry, uint64_t value)
{
	atomic_store_explicit(entry, value, memory_order_relaxed);
}

/** page_are_4_unused() - of four entries, for tables are mostly empty, or full */
static inline bool page_are_4_unused(const page_entry *entries)
{
	return (entry_load(&entries[0]) | entry_load(&entries[1]) | entry_load(&entries[2]) |
		       entry_load(&entries[3])) == 0;
}

/** page_next_used() - the first entry of a table behind @index that is not 0; or PAGE_ENTRIES */
static inline unsigned page_next_used(const page_entry *entries, unsigned index)
{
	for (index++; index < PAGE_ENTRIES && entry_load(&entries[index]) == 0;) {
		index++;
		while (index % 4 == 0 && index < PAGE_ENTRIES &&
			page_are_4_unused(&entries[index])) {
			index += 4;
		}
	}
	return index;
}

/**
 * entry_count() - add to the count in the entry that points to a table; NULL: the root, uncounted
 */
static inline void entry_count(page_entry *parent, uint64_t change)
{
	if (parent != NULL) {
		entry_store(parent, entry_load(parent) + change);
	}
}

/** entry_is_page() - whether an entry of a table of @level maps a page, not a table */
static inline bool entry_is_page(uint64_t entry, unsigned level)
{
	return level == 0 || (entry & PAGE_LARGE) != 0;
}

/**
 * page_table_make() - the entry that points to the table of @level on the way to @address, which
 * is made if need be; NULL: no memory
 */
page_entry *page_table_make(struct arch_page_table *table, uint64_t address, unsigned level);

/** page_table_split() - put a table in the place of a large page; false: no memory */
bool page_table_split(struct arch_page_table *table, page_entry *entry);

#endif
