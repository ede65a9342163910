/* SPDX-License-Identifier: MIT */
/*
 * Long unmaps in slices.
 *
 * Unmapping a range with many pages takes long, and a call that makes room for interrupts is made
 * again from the start; but once a part is unmapped somebody else may map something there. So first
 * the pages are taken out, slice by slice, while the mappings stay and keep the addresses;
 * unmapping what is empty is quick. Pages in the swap space are in no page table, and take longer:
 * where there may be some they are looked for in the memory, and come first. Others that are in no
 * page table, as of a range that was protected against all access, come last. Both are looked for
 * in the first mappings only: what is behind those unmapping itself takes in slices, which costs a
 * split each.
 */
#include <thor/memory/space.h>

#include <thor/memory/swappable.h>

constexpr uint64_t SPACE_SLICE_BYTES = KIB(256);
constexpr uint64_t SPACE_SWAPPED_BYTES = 64 * FRAME_SIZE;
constexpr uint32_t SPACE_THIN_MAPPINGS = 128; /* whose memory is looked into */

static void space_thin_mapping(
	struct space_edit *edit, struct mapping *mapping, uint64_t address, uint64_t end)
{
	if (mapping->memory == NULL) {
		return;
	}
	memory__lock(mapping->memory);
	spinlock_acquire(&edit->space->table_lock);
	space__clear_entries(&edit->batch, address, end);
	spinlock_release(&edit->space->table_lock);
	if (mapping->memory->is_anonymous) {
		space__discard_pages(&edit->batch, mapping, address, end);
	}
	space__settle(&edit->batch, mapping->memory);
	memory__unlock(mapping->memory);
}

static bool space_has_swappable(const struct space *space)
{
	return atomic_load_explicit(&space->has_swappable, memory_order_relaxed);
}

/*
 * The first page, at or above *address, of a part of a mapping of anonymous memory; @must_be_out:
 * if pages of that are out.
 */
static bool space_find_page(
	const struct mapping *mapping, uint64_t *address, uint64_t end, bool must_be_out)
{
	struct memory *memory = mapping->memory;
	uint64_t index = mapping_offset_of(mapping, *address) / FRAME_SIZE;
	uint64_t index_end = index + (end - *address) / FRAME_SIZE;
	uint64_t first = index;
	uint64_t entry;
	bool is_found = false;

	memory__lock(memory);
	if (!must_be_out || swappable_count_out(memory) > 0) {
		is_found = page_tree_next(&memory->pages, index, index_end, &index, &entry);
	}
	memory__unlock(memory);
	*address += (index - first) * FRAME_SIZE;
	return is_found;
}

/* The first slice of a range that has pages which may be out; false: there is none. */
static bool space_find_swapped(struct space *space, uint64_t address, uint64_t end,
	uint64_t *out_address, uint64_t *out_end)
{
	struct mapping *mapping =
		space_has_swappable(space) ? mapping_set_above(&space->mappings, address) : NULL;

	for (uint32_t i = 0; i < SPACE_THIN_MAPPINGS && mapping != NULL && mapping->address < end;
		i++, mapping = mapping->next) {
		uint64_t at = max_u64(address, mapping->address);
		uint64_t part_end = min_u64(end, mapping_end(mapping));

		if (mapping->memory != NULL && mapping->memory->is_anonymous &&
			space_find_page(mapping, &at, part_end, true)) {
			*out_address = at;
			*out_end = min_u64(part_end, at + SPACE_SWAPPED_BYTES);
			return true;
		}
	}
	return false;
}

/* The first slice of pages, in the page table or not, in a mapping that may have many of them. */
static bool space_find_kept(struct space *space, uint64_t address, uint64_t end,
	uint64_t *out_address, uint64_t *out_end)
{
	struct mapping *mapping = mapping_set_above(&space->mappings, address);

	for (uint32_t i = 0; i < SPACE_THIN_MAPPINGS && mapping != NULL && mapping->address < end;
		i++, mapping = mapping->next) {
		uint64_t at = max_u64(address, mapping->address);
		uint64_t part_end = min_u64(end, mapping_end(mapping));

		if (part_end - at > SPACE_SWAPPED_BYTES && mapping->memory != NULL &&
			mapping->memory->is_anonymous &&
			space_find_page(mapping, &at, part_end, false)) {
			*out_address = at;
			*out_end = min_u64(part_end, at + SPACE_SWAPPED_BYTES);
			return true;
		}
	}
	return false;
}

uint64_t space__bound_kept(struct space *space, uint64_t address, uint64_t end)
{
	uint64_t first, bound;

	if (unlikely(space_find_swapped(space, address, end, &first, &bound))) {
		return bound;
	}
	return end - address > SPACE_SWAPPED_BYTES &&
			space_find_kept(space, address, end, &first, &bound)
		? bound
		: end;
}

/* The first slice of a range that has present pages; false if none has. */
static bool space_find_slice(struct space *space, uint64_t address, uint64_t end,
	uint64_t *out_address, uint64_t *out_end)
{
	spinlock_acquire(&space->table_lock);
	bool is_found = arch_page_next(&space->page_table, address, end, out_address);

	spinlock_release(&space->table_lock);
	if (is_found) {
		*out_end = min_u64(
			end, align_down(*out_address, SPACE_SLICE_BYTES) + SPACE_SLICE_BYTES);
	}
	return is_found;
}

bool space_thin(struct space *space, uint64_t address, uint64_t size_bytes)
{
	uint64_t end = address + size_bytes;
	uint64_t slice_end;
	struct space_edit edit;

	if (!space__is_range(address, size_bytes) ||
		size_bytes <=
			(space_has_swappable(space) ? SPACE_SWAPPED_BYTES : SPACE_SLICE_BYTES)) {
		return false;
	}
	space__edit_begin(&edit, space);
	bool is_found = space_find_swapped(space, address, end, &address, &slice_end) ||
		space_find_slice(space, address, end, &address, &slice_end) ||
		space_find_kept(space, address, end, &address, &slice_end);

	if (is_found) {
		struct mapping *mapping = mapping_set_above(&space->mappings, address);

		for (; mapping != NULL && mapping->address < slice_end; mapping = mapping->next) {
			space_thin_mapping(&edit, mapping, max_u64(address, mapping->address),
				min_u64(slice_end, mapping_end(mapping)));
		}
	}
	space__edit_end(&edit);
	return is_found && (slice_end < end || space_has_swappable(space));
}
