/* SPDX-License-Identifier: MIT */
/* space_protect() and space_discard(). */
#include <thor/memory/space.h>

/* ---- protect ----------------------------------------------------------------------- */

/* Whether [address, end) is mapped without holes by what may get these rights. */
static int space_check_protect(struct space *space, uint64_t address, uint64_t end, uint32_t flags)
{
	struct mapping *mapping = mapping_set_above(&space->mappings, address);

	while (address < end) {
		if (mapping == NULL || mapping->address > address) {
			return -ERR_NOT_FOUND;
		}
		if (mapping->memory == NULL || (flags & ~mapping->allowed) != 0) {
			return -ERR_NO_RIGHTS;
		}
		address = mapping_end(mapping);
		mapping = mapping->next;
	}
	return 0;
}

/* Whether a present page may become writable without asking its object: it is nobody else's. */
static bool space_can_write_at_once(const struct mapping *mapping, uint64_t phys)
{
	const struct memory *memory = mapping->memory;

	if (memory->kind != HEL_MEMORY_COPY_ON_WRITE) {
		return memory->kind != HEL_MEMORY_MANAGED; /* that wants to know */
	}
	return memory->source == NULL && frame_is_exclusive(phys);
}

static void space_protect_entry(struct shootdown_batch *batch, const struct mapping *mapping,
	uint64_t address, uint32_t flags)
{
	struct arch_page_table *table = &batch->request.space->page_table;
	struct arch_page_entry entry = arch_page_lookup(table, address);

	if ((flags & ARCH_PAGE_WRITE) != 0 && (entry.flags & ARCH_PAGE_WRITE) == 0 &&
		!space_can_write_at_once(mapping, entry.phys)) {
		flags &= ~(uint32_t)ARCH_PAGE_WRITE;
	}
	if (flags == entry.flags) {
		return;
	}
	arch_page_protect(table, address, flags);
	if ((entry.flags & ~flags) != 0) {
		shootdown_batch_add(batch, address);
	}
}

/* Memory and page table are locked. */
static void space_protect_entries(struct shootdown_batch *batch, const struct mapping *mapping)
{
	uint32_t flags = space__entry_flags(mapping);
	uint64_t address = mapping->address;
	uint64_t end = mapping_end(mapping);

	if ((flags & MAPPING_ACCESS) == 0) {
		space__clear_entries(batch, address, end);
		return;
	}
	while (arch_page_next(&mapping->space->page_table, address, end, &address)) {
		space_protect_entry(batch, mapping, address, flags);
		address += FRAME_SIZE;
	}
}

static void space_protect_mapping(struct space_edit *edit, struct mapping *mapping, uint32_t flags)
{
	memory__lock(mapping->memory);
	mapping->flags = (mapping->flags & ~MAPPING_ACCESS) | flags;
	spinlock_acquire(&edit->space->table_lock);
	space_protect_entries(&edit->batch, mapping);
	spinlock_release(&edit->space->table_lock);
	memory__unlock(mapping->memory);
}

/* The borders are made; join what has become alike, from the neighbour below to the one above. */
static void space_protect_range(
	struct space_edit *edit, uint64_t address, uint64_t end, uint32_t flags)
{
	struct mapping *mapping = mapping_set_above(&edit->space->mappings, address);
	struct mapping *lower = mapping->prev;

	while (mapping != NULL && mapping->address < end) {
		struct mapping *next = mapping->next;

		space_protect_mapping(edit, mapping, flags);
		mapping = next;
	}
	mapping = lower != NULL ? lower : edit->space->mappings.first;
	while (mapping != NULL && mapping->address < end) {
		uint64_t before = mapping_end(mapping);

		space__try_merge(edit, mapping);
		if (mapping_end(mapping) == before) {
			mapping = mapping->next;
		}
	}
}

/**
 * space_protect() - change the access of a range
 * @flags: of HEL_MAP_READ, WRITE, EXECUTE
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NOT_FOUND (there are holes), -ERR_NO_RIGHTS (a guard, or
 * more than the descriptor that it was mapped with allows), -ERR_NO_MEMORY; on errors nothing is
 * changed.
 */
int space_protect(struct space *space, uint64_t address, uint64_t size_bytes, uint32_t flags)
{
	uint64_t end = address + size_bytes;
	struct space_edit edit;

	if (!space__is_range(address, size_bytes) || (flags & ~MAPPING_ACCESS) != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	space__edit_begin(&edit, space);
	int error = space_check_protect(space, address, end, flags);

	if (error == 0) {
		error = space__split(&edit, address);
	}
	if (error == 0) {
		error = space__split(&edit, end);
	}
	if (error == 0) {
		space_protect_range(&edit, address, end, flags);
	}
	space__edit_end(&edit);
	return error;
}

/* ---- discard ----------------------------------------------------------------------- */

static void space_discard_mapping(
	struct shootdown_batch *batch, struct mapping *mapping, uint64_t address, uint64_t end)
{
	struct memory *memory = mapping->memory;
	uint64_t first = mapping_offset_of(mapping, address) / FRAME_SIZE;

	if (memory == NULL || memory->kind != HEL_MEMORY_COPY_ON_WRITE) {
		return;
	}
	memory__lock(memory);
	memory__hide(memory, first, first + (end - address) / FRAME_SIZE, mapping);
	spinlock_acquire(&mapping->space->table_lock);
	space__clear_entries(batch, address, end);
	spinlock_release(&mapping->space->table_lock);
	space__discard_pages(batch, mapping, address, end);
	memory__unlock(memory);
}

/**
 * space_discard() - drop the private pages of a range: anonymous memory reads zero, views show
 * their source
 *
 * Shared memory keeps its contents.
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NOT_FOUND (there are holes; the rest was done).
 */
int space_discard(struct space *space, uint64_t address, uint64_t size_bytes)
{
	uint64_t end = address + size_bytes;
	struct space_edit edit;
	int error = 0;

	if (!space__is_range(address, size_bytes)) {
		return -ERR_ILLEGAL_ARGS;
	}
	space__edit_begin(&edit, space);
	struct mapping *mapping = mapping_set_above(&space->mappings, address);

	while (address < end) {
		if (mapping == NULL || mapping->address > address) {
			error = -ERR_NOT_FOUND;
		}
		if (mapping == NULL || mapping->address >= end) {
			break;
		}
		uint64_t part_end = min_u64(end, mapping_end(mapping));

		space_discard_mapping(
			&edit.batch, mapping, max_u64(address, mapping->address), part_end);
		address = part_end;
		mapping = mapping->next;
	}
	space__edit_end(&edit);
	return error;
}
