/* SPDX-License-Identifier: MIT */
/*
 * Translation tables of devices: trees of pages with 512 entries of eight bytes, in the layout that
 * a particular IOMMU walks.
 *
 * VT-d's second-level tables and AMD-Vi's host tables have the same shape and differ in the bits
 * of an entry, which struct io_table_format names. Entries are written whole, so hardware that
 * walks the tables meanwhile sees the old or the new one. Only 4 KiB pages are mapped.
 *
 * A table that has become empty is cut off its parent and put on a list, but hardware may still
 * have the old pointer in a cache: whoever cuts off flushes before io_table_free_list(). The
 * list goes through the first entry of each table; a page-aligned address is no present entry in
 * either layout, so a late walk finds nothing.
 *
 * No locks: the caller serialises.
 */
#ifndef THOR_DMA_IO_TABLE_H
#define THOR_DMA_IO_TABLE_H

#include <base/types.h>

constexpr unsigned IO_TABLE_LEVELS_MAX = 4;

enum io_access : uint32_t {
	IO_ACCESS_READ = 1, /* = HEL_DMA_READ */
	IO_ACCESS_WRITE = 2,
};

/* Immutable once tables exist. */
struct io_table_format {
	unsigned n_levels;
	uint64_t present; /* any of these bits: the entry is there */
	uint64_t leaf; /* bits of every entry that maps a page */
	uint64_t read, write; /* bits that allow access; set in all entries above */
	uint64_t
		table[IO_TABLE_LEVELS_MAX]; /* bits of an entry that points to a table of [level] */
	/* makes written entries visible to hardware that does not look into caches */
	void (*write_back)(const void *start, size_t size_bytes);
};

struct account;

struct io_table {
	const struct io_table_format *format;
	struct account *account; /* pays for the pages */
	uint64_t root_phys;
	uint64_t n_tables; /* pages, with the root */
};

/** io_table_init() - an empty tree, for whose pages @account pays; -ERR_NO_MEMORY */
MUST_USE int io_table_init(
	struct io_table *table, const struct io_table_format *format, struct account *account);

/** io_table_deinit() - free the root and what is left below it; nothing may walk it any more */
void io_table_deinit(struct io_table *table);

/**
 * io_table_map() - map one page where there is none
 * @address: of the device, page-aligned, below the reach of the levels
 * @access: enum io_access, not 0
 *
 * Return: 0, -ERR_NO_MEMORY.
 */
MUST_USE int io_table_map(struct io_table *table, uint64_t address, uint64_t phys, uint32_t access);

/** io_table_clear() - remove one page; its physical address, 0: there was none */
uint64_t io_table_clear(struct io_table *table, uint64_t address);

/**
 * io_table_trim() - cut off the tables of [@address, @end) that are empty
 * @in_out_list: physical address of the first table of a list, 0 if it is empty
 */
void io_table_trim(struct io_table *table, uint64_t address, uint64_t end, uint64_t *in_out_list);

/** io_table_free_list() - free tables that were cut off, after a flush */
void io_table_free_list(struct io_table *table, uint64_t list);

#endif
