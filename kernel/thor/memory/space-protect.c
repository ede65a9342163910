/* SPDX-License-Identifier: MIT */
/*
 * space_protect() and space_discard().
 *
 * Protecting goes in slices. First all of the range is looked at, so that an error leaves
 * everything as it was, unless another thread changes the mappings meanwhile. Then parts with so
 * many present pages get their new access one after the other, joined to the part before; so at any
 * time the mappings say what is allowed, and the entries of the page table allow no more.
 */
#include <thor/memory/space.h>

constexpr uint32_t PROTECT_CHECKS = 512; /* mappings looked at in a slice */
constexpr uint32_t PROTECT_MAPPINGS = 8; /* changed in a slice */
constexpr uint64_t PROTECT_CHECKED = 1; /* a position: the range has been looked at */

/* ---- protect ----------------------------------------------------------------------- */

/* Whether @mapping shows something at @address that may get these rights. */
static int space_check_part(const struct mapping *mapping, uint64_t address, uint32_t flags)
{
	if (mapping == NULL || mapping->address > address) {
		return -ERR_NOT_FOUND;
	}
	return mapping->memory == NULL || (flags & ~mapping->allowed) != 0 ? -ERR_NO_RIGHTS : 0;
}

/* Whether [*address, end) is mapped without holes by what may get these rights. */
static int space_check_slice(struct space *space, uint64_t *address, uint64_t end, uint32_t flags)
{
	struct mapping *mapping = mapping_set_above(&space->mappings, *address);

	for (uint32_t i = 0; *address < end; i++) {
		if (i == PROTECT_CHECKS) {
			return MEMORY_MORE;
		}
		int error = space_check_part(mapping, *address, flags);

		if (error != 0) {
			return error;
		}
		*address = mapping_end(mapping);
		mapping = mapping->next;
	}
	return 0;
}

/* Whether a present page may become writable without asking its object: it is nobody else's. */
static bool space_can_write_at_once(
	const struct mapping *mapping, const struct arch_page_entry *entry)
{
	const struct memory *memory = mapping->memory;

	if (memory->kind != HEL_MEMORY_COPY_ON_WRITE) {
		/* These want to know. */
		return memory->kind != HEL_MEMORY_MANAGED && memory->kind != HEL_MEMORY_INDIRECT;
	}
	/* A large page takes too long to look at: the next fault does it. */
	return memory__is_of_zeros(memory) && !entry->is_large && frame_is_exclusive(entry->phys);
}

/* Whether a large page has to be split: it is not all in the mapping, or may be executed. */
static bool space_must_split(const struct mapping *mapping, uint64_t address)
{
	uint64_t start = align_down(address, ARCH_LARGE_SIZE);

	return start < mapping->address || mapping_end(mapping) - start < ARCH_LARGE_SIZE ||
		(mapping->flags & HEL_MAP_EXECUTE) != 0;
}

/* The entry at an address, or all of a large page; where it ends. */
static uint64_t space_protect_entry(struct shootdown_batch *batch, const struct mapping *mapping,
	uint64_t address, uint32_t flags)
{
	struct arch_page_table *table = &batch->request.space->page_table;
	struct arch_page_entry entry = arch_page_lookup(table, address);

	if (unlikely(entry.is_large) && space_must_split(mapping, address)) {
		shootdown_batch_add(batch, address);
		if (!arch_page_split(table, address)) {
			return address + FRAME_SIZE;
		}
		entry.is_large = false;
	}
	/* The memory behind a slot may be of another kind. */
	flags |= entry.flags & (ARCH_PAGE_UNCACHED | ARCH_PAGE_WRITE_COMBINE);
	if ((flags & ARCH_PAGE_WRITE) != 0 && (entry.flags & ARCH_PAGE_WRITE) == 0 &&
		!space_can_write_at_once(mapping, &entry)) {
		flags &= ~(uint32_t)ARCH_PAGE_WRITE;
	}
	if (flags != entry.flags) {
		arch_page_protect(table, address, flags);
		if ((entry.flags & ~flags) != 0) {
			shootdown_batch_add(batch, address);
		}
	}
	return space__entry_end(&entry, address);
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
		address = space_protect_entry(batch, mapping, address, flags);
	}
}

static void space_protect_mapping(struct space_edit *edit, struct mapping *mapping, uint32_t flags)
{
	memory__lock(mapping->memory);
	mapping->flags = (mapping->flags & ~MAPPING_ACCESS) | flags;
	spinlock_acquire(&edit->space->table_lock);
	space_protect_entries(&edit->batch, mapping);
	spinlock_release(&edit->space->table_lock);
	space__settle(&edit->batch, mapping->memory);
	memory__unlock(mapping->memory);
}

/*
 * Change the access of what the mapping at @address shows of [address, end), up to *n_entries
 * pages; *out_end: how far that was. Without memory for one more border it is all of the mapping.
 */
static int space_protect_part(struct space_edit *edit, uint64_t address, uint64_t end,
	uint32_t flags, uint32_t *n_entries, uint64_t *out_end)
{
	int error = space__split(edit, address);
	struct mapping *mapping = mapping_set_above(&edit->space->mappings, address);

	if (error == 0) {
		error = space_check_part(mapping, address, flags);
	}
	if (error != 0) {
		return error;
	}
	end = min_u64(end, mapping_end(mapping));
	uint64_t part_end = space__bound_entries(edit->space, address, end, n_entries);

	error = space__split(edit, part_end);
	if (error != 0 && part_end != end) {
		part_end = end;
		error = space__split(edit, part_end);
	}
	if (error == 0) {
		space_protect_mapping(edit, mapping, flags);
		*out_end = part_end;
	}
	return error;
}

/* The same, if there is something to change; then join what has become alike below. */
static int space_protect_step(struct space_edit *edit, uint64_t *address, uint64_t end,
	uint32_t flags, uint32_t *n_entries)
{
	struct mapping *mapping = mapping_set_above(&edit->space->mappings, *address);
	uint64_t part_end;
	int error = space_check_part(mapping, *address, flags);

	if (error == 0 && (mapping->flags & MAPPING_ACCESS) == flags) {
		part_end = min_u64(end, mapping_end(mapping));
	} else if (error == 0) {
		error = space_protect_part(edit, *address, end, flags, n_entries, &part_end);
	}
	if (error != 0) {
		return error;
	}
	mapping = mapping_set_above(&edit->space->mappings, *address);
	if (mapping->prev != NULL) {
		space__try_merge(edit, mapping->prev);
	}
	*address = part_end;
	return 0;
}

static int space_change_slice(
	struct space_edit *edit, uint64_t *address, uint64_t end, uint32_t flags)
{
	uint32_t n_entries = memory__slice_pages;

	for (uint32_t i = 0; *address < end; i++) {
		if (i == PROTECT_MAPPINGS || n_entries == 0) {
			return MEMORY_MORE;
		}
		int error = space_protect_step(edit, address, end, flags, &n_entries);

		if (error != 0) {
			return error;
		}
	}
	struct mapping *last = mapping_set_find(&edit->space->mappings, end - 1);

	if (last != NULL) {
		space__try_merge(edit, last);
	}
	return 0;
}

/* All of the range may be changed: make its borders. */
static int space_split_range(struct space_edit *edit, uint64_t address, uint64_t end)
{
	int error = space__split(edit, address);

	return error != 0 ? error : space__split(edit, end);
}

/**
 * space_protect_slice() - change the access of a range, or of a part of it
 * @flags: of HEL_MAP_READ, WRITE, EXECUTE
 * @position: 0 at first, then as the last slice left it
 *
 * Return: 0, MEMORY_MORE, -ERR_ILLEGAL_ARGS, -ERR_NOT_FOUND (there are holes), -ERR_NO_RIGHTS (a
 * guard, or more than the descriptor that it was mapped with allows), -ERR_NO_MEMORY; on errors
 * nothing is changed, unless the mappings were changed between slices.
 */
int space_protect_slice(struct space *space, uint64_t address, uint64_t size_bytes, uint32_t flags,
	uint64_t *position)
{
	uint64_t end = address + size_bytes;
	uint64_t at = address + align_down(*position, FRAME_SIZE);
	uint64_t is_checked = *position & PROTECT_CHECKED;
	struct space_edit edit;
	int error = 0;

	if (!space__is_range(address, size_bytes) || (flags & ~MAPPING_ACCESS) != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	space__edit_begin(&edit, space);
	if (is_checked == 0) {
		error = space_check_slice(space, &at, end, flags);
		if (error == 0) {
			error = space_split_range(&edit, address, end);
			is_checked = PROTECT_CHECKED;
			at = address;
		}
	}
	if (error == 0) {
		error = space_change_slice(&edit, &at, end, flags);
	}
	space__edit_end(&edit);
	*position = (at - address) | is_checked;
	return error;
}

/** space_protect() - space_protect_slice() to its end */
int space_protect(struct space *space, uint64_t address, uint64_t size_bytes, uint32_t flags)
{
	uint64_t position = 0;
	int error;

	do {
		error = space_protect_slice(space, address, size_bytes, flags, &position);
	} while (error == MEMORY_MORE);
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
	space__settle(batch, memory);
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
