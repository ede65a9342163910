/* SPDX-License-Identifier: MIT */
/* Translation tables of devices: see io-table.h. */
#include <thor/dma/io-table.h>

#include <base/assert.h>
#include <base/errors.h>
#include <thor/memory/frame.h>
#include <thor/object/account.h>

constexpr uint64_t IO_ENTRIES = 512;
constexpr unsigned IO_INDEX_BITS = 9;
constexpr uint64_t IO_ADDRESS = 0x000ffffffffff000; /* of an entry: what it points to */

static _Atomic uint64_t *io_table_at(uint64_t phys)
{
	return arch_phys_to_virt(phys);
}

static unsigned io_shift(unsigned level)
{
	return FRAME_SHIFT + IO_INDEX_BITS * level;
}

static _Atomic uint64_t *io_slot(uint64_t table_phys, uint64_t address, unsigned level)
{
	return io_table_at(table_phys) + (address >> io_shift(level)) % IO_ENTRIES;
}

static uint64_t io_load(const _Atomic uint64_t *slot)
{
	return atomic_load_explicit(slot, memory_order_relaxed);
}

static bool io_is_present(const struct io_table *table, uint64_t entry)
{
	return (entry & table->format->present) != 0;
}

static void io_store(const struct io_table *table, _Atomic uint64_t *slot, uint64_t entry)
{
	atomic_store_explicit(slot, entry, memory_order_release);
	table->format->write_back((const void *)slot, sizeof(entry));
}

static uint64_t io_make_table(struct io_table *table)
{
	if (account_charge(table->account, ACCOUNT_PAGES, 1) != 0) {
		return 0;
	}
	uint64_t phys = frame_allocate_zeroed();

	if (phys == 0) {
		account_uncharge(table->account, ACCOUNT_PAGES, 1);
		return 0;
	}
	table->n_tables++;
	table->format->write_back(arch_phys_to_virt(phys), FRAME_SIZE);
	return phys;
}

static void io_release_table(struct io_table *table, uint64_t phys)
{
	frame_unref(phys);
	account_uncharge(table->account, ACCOUNT_PAGES, 1);
	table->n_tables--;
}

int io_table_init(
	struct io_table *table, const struct io_table_format *format, struct account *account)
{
	*table = (struct io_table){ .format = format, .account = account };
	table->root_phys = io_make_table(table);
	return table->root_phys != 0 ? 0 : -ERR_NO_MEMORY;
}

/* The slot of a page; NULL: the tables do not go down to it. */
static _Atomic uint64_t *io_find_slot(const struct io_table *table, uint64_t address)
{
	uint64_t phys = table->root_phys;

	for (unsigned level = table->format->n_levels - 1; level > 0; level--) {
		uint64_t entry = io_load(io_slot(phys, address, level));

		if (!io_is_present(table, entry)) {
			return NULL;
		}
		phys = entry & IO_ADDRESS;
	}
	return io_slot(phys, address, 0);
}

int io_table_map(struct io_table *table, uint64_t address, uint64_t phys, uint32_t access)
{
	const struct io_table_format *format = table->format;
	uint64_t table_phys = table->root_phys;

	ASSERT(address >> io_shift(format->n_levels) == 0);
	for (unsigned level = format->n_levels - 1; level > 0; level--) {
		_Atomic uint64_t *slot = io_slot(table_phys, address, level);
		uint64_t entry = io_load(slot);

		if (!io_is_present(table, entry)) {
			uint64_t new_phys = io_make_table(table);

			if (new_phys == 0) {
				return -ERR_NO_MEMORY;
			}
			entry = new_phys | format->table[level - 1] | format->read | format->write;
			io_store(table, slot, entry);
		}
		table_phys = entry & IO_ADDRESS;
	}
	_Atomic uint64_t *slot = io_slot(table_phys, address, 0);

	ASSERT(!io_is_present(table, io_load(slot)));
	io_store(table, slot,
		phys | format->leaf | ((access & IO_ACCESS_READ) != 0 ? format->read : 0) |
			((access & IO_ACCESS_WRITE) != 0 ? format->write : 0));
	return 0;
}

uint64_t io_table_clear(struct io_table *table, uint64_t address)
{
	_Atomic uint64_t *slot = io_find_slot(table, address);
	uint64_t entry = slot != NULL ? io_load(slot) : 0;

	if (!io_is_present(table, entry)) {
		return 0;
	}
	io_store(table, slot, 0);
	return entry & IO_ADDRESS;
}

static bool io_is_empty(const struct io_table *table, uint64_t phys)
{
	const _Atomic uint64_t *entries = io_table_at(phys);

	for (uint64_t i = 0; i < IO_ENTRIES; i++) {
		if (io_is_present(table, io_load(&entries[i]))) {
			return false;
		}
	}
	return true;
}

/* Cut the empty tables off that lie on the way to @address, the lowest first. */
static void io_trim_path(struct io_table *table, uint64_t address, uint64_t *in_out_list)
{
	uint64_t tables[IO_TABLE_LEVELS_MAX];
	unsigned top = table->format->n_levels - 1;
	unsigned level = top;

	tables[top] = table->root_phys;
	while (level > 0) {
		uint64_t entry = io_load(io_slot(tables[level], address, level));

		if (!io_is_present(table, entry)) {
			break;
		}
		tables[--level] = entry & IO_ADDRESS;
	}
	for (; level < top && io_is_empty(table, tables[level]); level++) {
		io_store(table, io_slot(tables[level + 1], address, level + 1), 0);
		atomic_store_explicit(
			io_table_at(tables[level]), *in_out_list, memory_order_relaxed);
		*in_out_list = tables[level];
	}
}

void io_table_trim(struct io_table *table, uint64_t address, uint64_t end, uint64_t *in_out_list)
{
	constexpr uint64_t reach = FRAME_SIZE << IO_INDEX_BITS; /* of a lowest table */

	for (uint64_t at = align_down(address, reach); at < end; at += reach) {
		io_trim_path(table, at, in_out_list);
	}
}

void io_table_free_list(struct io_table *table, uint64_t list)
{
	while (list != 0) {
		uint64_t next = io_load(io_table_at(list));

		io_release_table(table, list);
		list = next;
	}
}

/* Free the tables below one of @level; they hold no pages any more. */
static void io_free_below(struct io_table *table, uint64_t phys, unsigned level)
{
	for (uint64_t i = 0; i < IO_ENTRIES && level > 0; i++) {
		uint64_t entry = io_load(&io_table_at(phys)[i]);

		if (io_is_present(table, entry)) {
			io_free_below(table, entry & IO_ADDRESS, level - 1);
		}
	}
	io_release_table(table, phys);
}

void io_table_deinit(struct io_table *table)
{
	if (table->root_phys != 0) {
		io_free_below(table, table->root_phys, table->format->n_levels - 1);
		table->root_phys = 0;
	}
}
