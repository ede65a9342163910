/* SPDX-License-Identifier: MIT */
/*
 * Separating a mapping from others of the same anonymous object, for a move (space-move.c).
 *
 * A new object takes over the pages under the mapping. Offset and address stay, and the entries of
 * the page table are right as they are. It goes part by part, from below: each part is split off,
 * gets its pages and is joined to the part before.
 *
 * The space is locked, and nobody else reaches anonymous memory but the page cache, which is kept
 * away by holding both objects (swappable.h).
 */
#include <thor/memory/space-move.h>

#include <thor/memory/swappable.h>

bool space__needs_object(const struct mapping *mapping)
{
	const struct memory *memory = mapping->memory;

	return memory != NULL && memory->is_anonymous &&
		list_first(&memory->mappings) != list_last(&memory->mappings);
}

/* @context: counts entries that are out */
static uint32_t space_count_out(void *context, const struct page_tree_run *run)
{
	uint64_t *n_out = context;
	uint32_t n_entries = 0;

	PAGE_TREE_FOR_EACH(entry, n_entries, run)
	{
		*n_out += swap_is_entry(entry);
	}
	return n_entries;
}

/* The part below, if @mapping may join it: it has an object of its own already. */
static struct mapping *space_find_own(const struct mapping *mapping, uint64_t low)
{
	struct mapping *own = mapping->prev;
	bool is_alike = own != NULL && mapping_end(own) == mapping->address &&
		own->address >= low && own->memory != NULL && own->memory->is_anonymous &&
		own->flags == mapping->flags && own->tag == mapping->tag &&
		own->allowed == mapping->allowed && own->label == mapping->label;

	return is_alike && own->memory != mapping->memory && !space__needs_object(own) ? own : NULL;
}

/* Where the part of a mapping ends that has up to *n_pages entries; they are taken off. */
static uint64_t space_bound_pages(const struct mapping *mapping, uint32_t *n_pages)
{
	uint64_t index = mapping->offset / FRAME_SIZE;
	uint64_t end = index + mapping->size_bytes / FRAME_SIZE;
	uint64_t entry;

	while (page_tree_next(&mapping->memory->pages, index, end, &index, &entry)) {
		if (*n_pages == 0) {
			return index * FRAME_SIZE;
		}
		--*n_pages;
		index++;
	}
	return mapping_end(mapping);
}

/* Enter the pages under a mapping in the tree of another object, too. */
static int space_copy_entries(const struct mapping *mapping, struct memory *memory)
{
	uint64_t first = mapping->offset / FRAME_SIZE;
	uint64_t end = first + mapping->size_bytes / FRAME_SIZE;
	uint64_t index = first;
	uint64_t n_out = 0;
	uint64_t entry;
	int error = 0;

	while (error == 0 && page_tree_next(&mapping->memory->pages, index, end, &index, &entry)) {
		error = page_tree_set(&memory->pages, index, entry);
		index++;
	}
	if (error != 0) {
		page_tree_remove(&memory->pages, first, end, space_count_out, &n_out);
	}
	return error;
}

/* Take the entries out of the tree of the object that a mapping has, and give it another one. */
static void space_change_object(struct mapping *mapping, struct memory *memory)
{
	struct memory *old = mapping->memory;
	uint64_t first = mapping->offset / FRAME_SIZE;
	uint64_t n_out = 0;

	spinlock_acquire(&old->lock);
	page_tree_remove(&old->pages, first, first + mapping->size_bytes / FRAME_SIZE,
		space_count_out, &n_out);
	swappable__move_out(old, memory, n_out);
	mapping_unlist(mapping);
	spinlock_release(&old->lock);
	object_ref(&memory->object);
	mapping->memory = memory;
	spinlock_acquire(&memory->lock);
	mapping_list(mapping);
	spinlock_release(&memory->lock);
}

/* The object that a part is to have, held, with a reference. */
static int space_get_object(
	const struct mapping *mapping, const struct mapping *own, struct memory **out_memory)
{
	if (own == NULL) {
		return memory__create_anonymous(mapping->space->object.account,
			mapping->memory->swappable != NULL, out_memory);
	}
	*out_memory = own->memory;
	object_ref(&own->memory->object);
	swappable__hold(own->memory);
	return 0;
}

int space__separate(struct space_edit *edit, struct mapping *mapping, uint64_t low,
	uint32_t *n_pages, uint64_t *out_end)
{
	struct mapping *own = space_find_own(mapping, low);
	struct memory *old = mapping->memory;
	struct memory *memory;

	swappable__hold(old);
	uint64_t end = space_bound_pages(mapping, n_pages);
	int error = space__split(edit, end);

	if (error == 0) {
		error = space_get_object(mapping, own, &memory);
	}
	if (error != 0) {
		swappable__release(old);
		return error;
	}
	error = space_copy_entries(mapping, memory);
	if (error == 0) {
		space_change_object(mapping, memory);
	}
	swappable__release(old);
	if (own != NULL) {
		swappable__release(memory);
	} else if (error == 0) {
		swappable__publish(memory);
	}
	object_unref(&memory->object);
	if (error != 0) {
		return error;
	}
	object_unref(&old->object);
	*out_end = end;
	if (own != NULL) {
		space__try_merge(edit, own);
	}
	return 0;
}
