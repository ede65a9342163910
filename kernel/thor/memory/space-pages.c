/* SPDX-License-Identifier: MIT */
/* Telling which pages of a range are there. */
#include <base/string.h>
#include <thor/memory/managed.h>
#include <thor/memory/space.h>
#include <thor/memory/swap.h>

/* An object's own page, which no view is asked for. */
static bool memory_has_page(const struct memory *memory, uint64_t index)
{
	uint64_t entry = page_tree_get(&memory->pages, index);

	return memory->managed != NULL ? managed_phys_of(entry) != 0 : entry != 0;
}

static uint8_t memory_view_state(const struct memory *memory, uint64_t index)
{
	uint64_t entry = page_tree_get(&memory->pages, index);

	if (entry != 0) {
		return HEL_PAGE_OWN | (swap_is_entry(entry) ? HEL_PAGE_OUT : HEL_PAGE_RESIDENT);
	}
	if (memory->source == NULL) {
		return index < memory__physical_pages(memory) ? HEL_PAGE_RESIDENT : 0;
	}
	bool is_shown = index < memory->source_size / FRAME_SIZE &&
		memory_has_page(memory->source, memory->source_offset / FRAME_SIZE + index);

	return is_shown ? HEL_PAGE_RESIDENT : 0;
}

/* What an object, which is locked, knows of a page. */
static uint8_t memory_page_state(const struct memory *memory, uint64_t index)
{
	if (index >= memory->size_bytes / FRAME_SIZE) {
		return 0;
	}
	switch (memory->kind) {
	case HEL_MEMORY_PHYSICAL:
	case HEL_MEMORY_QUEUE: return HEL_PAGE_RESIDENT;
	case HEL_MEMORY_COPY_ON_WRITE: return memory_view_state(memory, index);
	case HEL_MEMORY_MANAGED:
		return memory_has_page(memory->source, index) ? HEL_PAGE_RESIDENT : 0;
	case HEL_MEMORY_ALLOCATED:
	case HEL_MEMORY_BACKING: return memory_has_page(memory, index) ? HEL_PAGE_RESIDENT : 0;
	case HEL_MEMORY_SLICE:
	case HEL_MEMORY_LOAN:
	case HEL_MEMORY_INDIRECT: return 0; /* what is entered is resident */
	}
	UNREACHABLE();
}

/* The pages of a mapping from @address on. */
static void mapping_tell(
	const struct mapping *mapping, uint64_t address, uint32_t n_pages, uint8_t *out_states)
{
	struct space *space = mapping->space;
	uint64_t index = mapping_offset_of(mapping, address) / FRAME_SIZE;

	if (mapping->memory == NULL) {
		memset(out_states, HEL_PAGE_COVERED, n_pages);
		return;
	}
	memory__lock(mapping->memory);
	spinlock_acquire(&space->table_lock);
	for (uint32_t i = 0; i < n_pages; i++) {
		out_states[i] = HEL_PAGE_COVERED | memory_page_state(mapping->memory, index + i);
		if (arch_page_lookup(&space->page_table, address + i * FRAME_SIZE).is_present) {
			out_states[i] |= HEL_PAGE_ENTERED | HEL_PAGE_RESIDENT;
		}
	}
	spinlock_release(&space->table_lock);
	memory__unlock(mapping->memory);
}

/**
 * space_pages_slice() - tell which pages of a range are there
 * @n_pages: no more than user space has
 * @out_states: enum hel_page_state, for up to SPACE_PAGES_SLICE pages
 *
 * Of memory that is shown through indirect memory only what is in the page table counts as there.
 *
 * Context: no locks held.
 * Return: how many pages it told of; 0: not page-aligned, none, or not all in the user half.
 */
uint32_t space_pages_slice(
	struct space *space, uint64_t address, uint64_t n_pages, uint8_t *out_states)
{
	uint32_t n_told = (uint32_t)min_u64(n_pages, SPACE_PAGES_SLICE);

	if (!space__is_range(address, n_pages * FRAME_SIZE)) {
		return 0;
	}
	spinlock_acquire(&space->lock);
	struct mapping *mapping = mapping_set_above(&space->mappings, address);
	uint64_t edge = mapping == NULL      ? ARCH_USER_HIGH
		: mapping->address > address ? mapping->address
					     : mapping_end(mapping);

	n_told = (uint32_t)min_u64(n_told, (edge - address) / FRAME_SIZE);
	if (mapping == NULL || mapping->address > address) {
		memset(out_states, 0, n_told);
	} else {
		mapping_tell(mapping, address, n_told, out_states);
	}
	spinlock_release(&space->lock);
	return n_told;
}
