/* SPDX-License-Identifier: MIT */
/*
 * Edits of ranges of pages: what unmapping and forking do, a table at a time instead of a walk for
 * each page.  The callers hold the spaces' locks, as in page-table.c.
 */
#include <base/assert.h>
#include <thor/memory/memory.h>

#include "page-walk.h"

/* The lowest table on the way to an address, and the entry that points to it. */
struct page_leaf {
	page_entry *parent; /* NULL: there is none */
	uint64_t end;  /* where the table, or what is missing, ends */
};

static struct page_leaf page_leaf_find(const struct arch_page_table *table, uint64_t address)
{
	page_entry *entries = table_at(table->root_phys);
	page_entry *entry = NULL;

	for (unsigned level = PAGE_LEVEL_ROOT; level > 0; level--) {
		entry = &entries[page_index(address, level)];
		if (entry_load(entry) == 0) {
			return (struct page_leaf){ NULL,
				align_down(address, page_span(level)) + page_span(level) };
		}
		entries = table_at(entry_load(entry));
	}
	return (struct page_leaf){ entry, align_down(address, page_span(1)) + page_span(1) };
}

void arch_page_unmap_range(struct arch_page_table *table, uint64_t address, uint64_t end,
	arch_page_fn unmapped, void *context)
{
	while (address < end) {
		struct page_leaf leaf = page_leaf_find(table, address);
		uint64_t leaf_end = min_u64(end, leaf.end);
		uint64_t n_unmapped = 0;

		if (leaf.parent == NULL || page_count(entry_load(leaf.parent)) == 0) {
			address = leaf.end;
			continue;
		}
		page_entry *entries = table_at(entry_load(leaf.parent));

		for (; address < leaf_end; address += PAGE_SIZE_BYTES) {
			page_entry *entry = &entries[page_index(address, 0)];

			if (entry_load(entry) != 0) {
				entry_store(entry, 0);
				n_unmapped++;
				unmapped(context, address);
			}
		}
		entry_count(leaf.parent, -n_unmapped * PAGE_COUNT_ONE);
	}
}

/* What arch_page_copy_range() has to do, and how far it is. */
struct page_copy {
	struct arch_page_table *target;
	uint32_t flags;
	bool is_full;  /* no memory for the target's tables */
	uint64_t n_protected; /* entries of the source that lost write access */
};

static void page_copy_leaf(
	struct page_copy *copy, page_entry *source, uint64_t address, uint64_t end)
{
	page_entry *parent = NULL;
	page_entry *target = NULL;
	uint64_t n_copied = 0;

	for (; address < end; address += PAGE_SIZE_BYTES) {
		page_entry *entry = &source[page_index(address, 0)];
		uint64_t value = entry_load(entry);

		if (value == 0) {
			continue;
		}
		if ((copy->flags & ARCH_COPY_PROTECT_SOURCE) != 0 && (value & PAGE_WRITE) != 0) {
			atomic_fetch_and_explicit(entry, ~PAGE_WRITE, memory_order_relaxed);
			copy->n_protected++;
		}
		if (target == NULL && !copy->is_full) {
			parent = page_table_make_leaf(copy->target, address);
			copy->is_full = parent == NULL;
			target = parent != NULL ? table_at(entry_load(parent)) : NULL;
		}
		if (target != NULL) {
			page_entry *to = &target[page_index(address, 0)];

			value &= ~(PAGE_ACCESSED | PAGE_DIRTY);
			value &= (copy->flags & ARCH_COPY_READ_ONLY) != 0 ? ~PAGE_WRITE
									  : ~UINT64_C(0);
			n_copied += entry_load(to) == 0;
			entry_store(to, value);
		}
	}
	entry_count(parent, n_copied * PAGE_COUNT_ONE);
}

uint64_t arch_page_copy_range(struct arch_page_table *target, struct arch_page_table *source,
	uint64_t address, uint64_t end, uint32_t flags)
{
	struct page_copy copy = { .target = target, .flags = flags };

	while (address < end) {
		struct page_leaf leaf = page_leaf_find(source, address);

		if (leaf.parent != NULL && page_count(entry_load(leaf.parent)) != 0) {
			page_copy_leaf(&copy, table_at(entry_load(leaf.parent)), address,
				min_u64(end, leaf.end));
		}
		address = leaf.end;
	}
	return copy.n_protected;
}
