/* SPDX-License-Identifier: MIT */
/*
 * Large pages in a space.
 *
 * A fault in a mapping with HEL_MAP_LARGE makes a large entry of an aligned *window* of 2 MiB that
 * lies in the mapping if
 *
 *	- its pages are there, in a row, and nobody else's who could mind a write: contiguous,
 *	  physical memory, what was made as below and is mapped elsewhere, too, or again; or
 *	- it is empty, has no source, memory is plenty, and the caller has the time: then it is
 *	  filled with zeros. They are prepared in slices (frame-large.c), one for each time that
 *	  the access faults, with no lock held.
 *
 * Otherwise there is a page, as ever; and windows that have one stay as they are. Executable
 * mappings have no large entries: processors may not be shown one and its pieces at a time without
 * a flush between.
 *
 * Large entries are made only here. Whoever changes entries changes all of a large page, where more
 * than was asked for does no harm (write protection), or splits it. Splitting takes a table; if
 * there is no memory for one the entry goes, for page tables are caches (space.h).
 */
#include <thor/memory/space.h>

/* The window of an address, if it lies in the mapping and is one of the object, too. */
static bool space_find_window(
	const struct mapping *mapping, uint64_t address, uint64_t *out_window, uint64_t *out_index)
{
	uint64_t window = align_down(address, ARCH_LARGE_SIZE);
	uint64_t offset = mapping_offset_of(mapping, window);

	if (window < mapping->address || mapping_end(mapping) - window < ARCH_LARGE_SIZE ||
		(mapping->flags & HEL_MAP_EXECUTE) != 0) {
		return false;
	}
	*out_window = window;
	*out_index = offset / FRAME_SIZE;
	return true;
}

/* Put a large entry in the place of what there is. */
static bool space_enter_large(struct shootdown_batch *batch, const struct mapping *mapping,
	uint64_t window, uint64_t phys)
{
	struct space *space = mapping->space;
	bool is_cut = false;

	spinlock_acquire(&space->table_lock);
	space__clear_entries(batch, window, window + ARCH_LARGE_SIZE);
	int error = arch_page_map_large(&space->page_table, window, phys,
		space__entry_flags(mapping) | mapping->memory->page_flags, &is_cut);

	if (is_cut) {
		batch->request.n_pages = SHOOTDOWN_PAGES_MAX + 1;
		batch->request.frees_tables = true;
	}
	shootdown_batch_flush(batch);
	spinlock_release(&space->table_lock);
	return error == 0;
}

enum space_large space__fault_large(
	struct shootdown_batch *batch, struct mapping *mapping, uint64_t address, uint32_t access)
{
	struct memory *memory = mapping->memory;
	bool for_write = (access & SPACE_ACCESS_WRITE) != 0;
	uint64_t window, index;

	if (!space_find_window(mapping, address, &window, &index)) {
		return SPACE_LARGE_NONE;
	}
	uint64_t phys = memory__find_large(memory, index);

	if (phys == 0 && (access & SPACE_ACCESS_SLICES) != 0 &&
		memory__wants_large(memory, index, for_write)) {
		if (!frame_large_is_ready()) {
			return frame_large_begin() ? SPACE_LARGE_LATER : SPACE_LARGE_NONE;
		}
		phys = memory__fill_large(memory, index);
		if (phys != 0 && !memory->is_anonymous) {
			memory__hide(memory, index, index + ARCH_LARGE_PAGES, mapping);
		}
	}
	return phys != 0 && space_enter_large(batch, mapping, window, phys) ? SPACE_LARGE_ENTERED
									    : SPACE_LARGE_NONE;
}
