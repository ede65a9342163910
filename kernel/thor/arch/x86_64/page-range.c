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
	page_entry *large;  /* there is a large page instead; NULL: no */
	page_entry *upper;  /* of a large page: what points to its table */
	uint64_t end;       /* where the table, the large page, or what is missing, ends */
};

static struct page_leaf page_leaf_find(const struct arch_page_table *table, uint64_t address)
{
	page_entry *entries = table_at(table->root_phys);
	page_entry *entry = NULL;

	for (unsigned level = PAGE_LEVEL_ROOT; level > 0; level--) {
		page_entry *upper = entry;

		entry = &entries[page_index(address, level)];
		if (entry_load(entry) == 0) {
			uint64_t index = page_next_used(entries, page_index(address, level));

			return (struct page_leaf){ .end = align_down(
								  address, page_span(level + 1)) +
					index * page_span(level) };
		}
		if (entry_is_page(entry_load(entry), level)) {
			return (struct page_leaf){
				.large = entry,
				.upper = upper,
				.end = align_down(address, page_span(level)) + page_span(level),
			};
		}
		entries = table_at(entry_load(entry));
	}
	return (struct page_leaf){
		.parent = entry,
		.end = align_down(address, page_span(1)) + page_span(1),
	};
}

/* The same in one table, which has some: entries [address, end). */
static uint64_t page_bound_leaf(
	const page_entry *entries, uint64_t address, uint64_t end, uint32_t *n_entries)
{
	while (address < end && *n_entries > 0) {
		const page_entry *entry = &entries[page_index(address, 0)];

		if (is_aligned(address, 4 * PAGE_SIZE_BYTES) && page_are_4_unused(entry)) {
			address += 4 * PAGE_SIZE_BYTES;
			continue;
		}
		*n_entries -= entry_load(entry) != 0;
		address += PAGE_SIZE_BYTES;
	}
	return min_u64(address, end);
}

uint64_t arch_page_bound_range(const struct arch_page_table *table, uint64_t address, uint64_t end,
	uint32_t table_cost, uint32_t *n_entries)
{
	uint32_t cost = 0;

	while (address < end && *n_entries > cost) {
		struct page_leaf leaf = page_leaf_find(table, address);
		uint64_t leaf_end = min_u64(end, leaf.end);

		if (leaf.parent == NULL || page_count(entry_load(leaf.parent)) == 0) {
			*n_entries -= leaf.large != NULL;
			address = leaf_end;
			continue;
		}
		*n_entries -= cost;
		cost = table_cost; /* of the next one */
		address = page_bound_leaf(
			table_at(entry_load(leaf.parent)), address, leaf_end, n_entries);
	}
	if (address < end) {
		*n_entries = 0;
	}
	return address;
}

/* Whether a range has all of the large page. */
static bool page_leaf_is_whole(const struct page_leaf *leaf, uint64_t address, uint64_t end)
{
	return address <= leaf->end - page_span(1) && leaf->end <= end;
}

void arch_page_unmap_range(struct arch_page_table *table, uint64_t address, uint64_t end,
	arch_page_fn unmapped, void *context)
{
	while (address < end) {
		struct page_leaf leaf = page_leaf_find(table, address);
		uint64_t leaf_end = min_u64(end, leaf.end);
		uint64_t n_unmapped = 0;

		if (unlikely(leaf.large != NULL)) {
			if (page_leaf_is_whole(&leaf, address, end) ||
				!page_table_split(table, leaf.large)) {
				entry_store(leaf.large, 0);
				entry_count(leaf.upper, -PAGE_COUNT_ONE);
				unmapped(context, leaf.end - page_span(1), PAGE_ENTRIES);
			}
			continue; /* with what is there now */
		}
		if (leaf.parent == NULL || page_count(entry_load(leaf.parent)) == 0) {
			address = leaf.end;
			continue;
		}
		page_entry *entries = table_at(entry_load(leaf.parent));
		unsigned n_used = page_count(entry_load(leaf.parent));

		while (address < leaf_end && n_unmapped < n_used) {
			page_entry *entry = &entries[page_index(address, 0)];

			if (is_aligned(address, 4 * PAGE_SIZE_BYTES) && page_are_4_unused(entry)) {
				address += 4 * PAGE_SIZE_BYTES;
				continue;
			}
			if (entry_load(entry) != 0) {
				entry_store(entry, 0);
				n_unmapped++;
				unmapped(context, address, 1);
			}
			address += PAGE_SIZE_BYTES;
		}
		entry_count(leaf.parent, -n_unmapped * PAGE_COUNT_ONE);
		address = leaf_end;
	}
}

/* What arch_page_copy_range() has to do, and how far it is. */
struct page_copy {
	struct arch_page_table *target;
	uint64_t kept;  /* bits of an entry that the target's gets */
	uint64_t protected; /* bits that the source's loses */
	uint64_t n_protected; /* entries that lost them */
	bool is_full;  /* no memory for the target's tables */
};

/* The target's table for an address, and the entry that points to it; NULL: no memory. */
static page_entry *page_copy_target(
	struct page_copy *copy, uint64_t address, page_entry **out_parent)
{
	if (!copy->is_full) {
		*out_parent = page_table_make(copy->target, address, 0);
		copy->is_full = *out_parent == NULL;
	}
	return copy->is_full ? NULL : table_at(entry_load(*out_parent));
}

/* Whether there is a table, or a large page in its place, for an address. */
static bool page_table_exists(const struct arch_page_table *table, uint64_t address)
{
	const page_entry *entries = table_at(table->root_phys);

	for (unsigned level = PAGE_LEVEL_ROOT; level > 0; level--) {
		uint64_t value = entry_load(&entries[page_index(address, level)]);

		if (value == 0) {
			return false;
		}
		if (entry_is_page(value, level)) {
			return true;
		}
		entries = table_at(value);
	}
	return true;
}

/*
 * What remains to be done with the one entry of a table that the target does not have: a new table
 * costs more than the fault that may, or may not, come without it.
 */
static __attribute__((noinline)) void page_copy_lone(
	struct page_copy *copy, page_entry *source, unsigned first, unsigned last)
{
	for (unsigned i = first; i < last; i++) {
		if ((entry_load(&source[i]) & copy->protected) != 0) {
			atomic_fetch_and_explicit(
				&source[i], ~copy->protected, memory_order_relaxed);
			copy->n_protected++;
		}
	}
}

/* The entries [address, end) of a table that has @n_left of them in use in all. */
static void page_copy_leaf(
	struct page_copy *copy, page_entry *source, unsigned n_left, uint64_t address, uint64_t end)
{
	unsigned first = page_index(address, 0);
	unsigned last = first + (unsigned)((end - address) / PAGE_SIZE_BYTES);
	uint64_t kept = copy->kept, protected = copy->protected;
	page_entry *parent = NULL;
	page_entry *target = NULL;
	uint64_t n_copied = 0;

	if (n_left == 1 && !page_table_exists(copy->target, address)) {
		page_copy_lone(copy, source, first, last);
		return;
	}
	for (unsigned i = first; i < last && n_left > 0; i++) {
		uint64_t value = entry_load(&source[i]);

		if (value == 0) {
			continue;
		}
		n_left--;
		if ((value & protected) != 0) {
			atomic_fetch_and_explicit(&source[i], ~protected, memory_order_relaxed);
			copy->n_protected++;
		}
		if (target == NULL) {
			target = page_copy_target(copy, address, &parent);
		}
		if (target != NULL) {
			n_copied += entry_load(&target[i]) == 0;
			entry_store(&target[i], value & kept);
		}
	}
	entry_count(parent, n_copied * PAGE_COUNT_ONE);
}

/* A large page, all of which is copied if @is_whole. */
static void page_copy_large(
	struct page_copy *copy, page_entry *source, uint64_t address, bool is_whole)
{
	uint64_t value = entry_load(source);

	if ((value & copy->protected) != 0) {
		atomic_fetch_and_explicit(source, ~copy->protected, memory_order_relaxed);
		copy->n_protected += PAGE_ENTRIES;
	}
	page_entry *parent =
		is_whole && !copy->is_full ? page_table_make(copy->target, address, 1) : NULL;

	if (parent == NULL) {
		return;
	}
	page_entry *target = &table_at(entry_load(parent))[page_index(address, 1)];

	/* A table that is there already is left to faults. */
	if (entry_load(target) == 0) {
		entry_store(target, value & copy->kept);
		entry_count(parent, PAGE_COUNT_ONE);
	}
}

uint64_t arch_page_copy_range(struct arch_page_table *target, struct arch_page_table *source,
	uint64_t address, uint64_t end, uint32_t flags)
{
	bool is_read_only = (flags & ARCH_COPY_READ_ONLY) != 0;
	struct page_copy copy = {
		.target = target,
		.kept = ~(PAGE_ACCESSED | PAGE_DIRTY) & (is_read_only ? ~PAGE_WRITE : ~UINT64_C(0)),
		.protected = (flags & ARCH_COPY_PROTECT_SOURCE) != 0 ? PAGE_WRITE : 0,
	};

	while (address < end) {
		struct page_leaf leaf = page_leaf_find(source, address);

		if (leaf.parent != NULL) {
			uint64_t parent = entry_load(leaf.parent);

			page_copy_leaf(&copy, table_at(parent), page_count(parent), address,
				min_u64(end, leaf.end));
		} else if (leaf.large != NULL) {
			page_copy_large(&copy, leaf.large, address,
				page_leaf_is_whole(&leaf, address, end));
		}
		address = leaf.end;
	}
	return copy.n_protected;
}
