/* SPDX-License-Identifier: MIT */
/* The parts that all changes of mappings are made of: see struct space_edit. */
#include <thor/memory/space.h>

#include <base/string.h>
#include <thor/memory/swappable.h>
#include <thor/object/account.h>
#include <thor/object/grant.h>

constexpr uint64_t SPACE_TABLE_SPAN =
	MIB(2); /* what the lowest page table of any architecture maps, at most */

void space__edit_begin(struct space_edit *edit, struct space *space)
{
	edit->space = space;
	list_init(&edit->retired);
	edit->has_granted = false;
	shootdown_batch_init(&edit->batch, space);
	spinlock_acquire(&space->lock);
}

/* Nobody reaches what they have shown any more. */
static __attribute__((noinline)) void space_end_uses(struct space_edit *edit)
{
	LIST_FOR_EACH(mapping, &edit->retired, struct mapping, retired_node) {
		grant_use_end(mapping->use);
		mapping->use = NULL;
	}
}

void space__edit_end(struct space_edit *edit)
{
	struct mapping *mapping;

	/* Before unlocking, or a new mapping could be seen through an old translation. */
	shootdown_batch_flush(&edit->batch);
	if (unlikely(edit->has_granted)) {
		space_end_uses(edit);
	}
	spinlock_release(&edit->space->lock);
	while ((mapping = LIST_POP_FRONT(&edit->retired, struct mapping, retired_node)) != NULL) {
		object_unref(mapping->memory != NULL ? &mapping->memory->object : NULL);
		space__free_mapping(edit->space, mapping);
	}
}

struct mapping *space__create_mapping(struct space *space)
{
	return account_allocate(space->object.account, sizeof(struct mapping));
}

void space__free_mapping(struct space *space, struct mapping *mapping)
{
	if (unlikely(mapping->use != NULL)) {
		grant_use_end(mapping->use);
	}
	account_free(space->object.account, mapping, sizeof(*mapping));
}

/* Unmapping has to look for pages that are out: see space-thin.c. */
static void space_note_swappable(struct space *space, const struct mapping *mapping)
{
	if (mapping->memory != NULL && mapping->memory->swappable != NULL) {
		atomic_store_explicit(&space->has_swappable, true, memory_order_relaxed);
	}
}

void space__attach(struct space *space, struct mapping *mapping)
{
	mapping->space = space;
	mapping_set_insert(&space->mappings, mapping);
	space_note_swappable(space, mapping);
	if (mapping->memory != NULL) {
		spinlock_acquire(&mapping->memory->lock);
		mapping_list(mapping);
		spinlock_release(&mapping->memory->lock);
	}
}

void space__attach_locked(struct space *space, struct mapping *mapping)
{
	mapping->space = space;
	mapping_set_insert(&space->mappings, mapping);
	space_note_swappable(space, mapping);
	if (mapping->memory != NULL) {
		mapping_list(mapping);
	}
}

int space__split(struct space_edit *edit, uint64_t address)
{
	struct mapping_set *set = &edit->space->mappings;
	struct mapping *mapping = mapping_set_above(set, address);

	if (mapping == NULL || mapping->address >= address) {
		return 0;
	}
	if (set->n_mappings >= MAPPING_MAX) {
		return -ERR_NO_MEMORY;
	}
	struct mapping *upper = space__create_mapping(edit->space);
	struct memory *memory = mapping->memory;

	if (upper == NULL) {
		return -ERR_NO_MEMORY;
	}
	upper->space = edit->space;
	if (unlikely(mapping->use != NULL)) {
		if (space__create_use(upper, mapping->use->grant) != 0) {
			space__free_mapping(edit->space, upper);
			return -ERR_NO_MEMORY;
		}
		grant_use_link_beside(upper->use, mapping->use);
	}
	upper->tag = mapping->tag;
	upper->flags = mapping->flags;
	upper->allowed = mapping->allowed;
	upper->label = mapping->label;
	upper->offset_end = mapping->offset_end;
	upper->address = address;
	upper->offset = mapping_offset_of(mapping, address);
	upper->size_bytes = mapping_end(mapping) - address;
	upper->memory = memory;
	/* In one step, or memory__hide() would miss the upper part. */
	if (memory != NULL) {
		object_ref(&memory->object);
		spinlock_acquire(&memory->lock);
		mapping_list(upper);
	}
	mapping->size_bytes = address - mapping->address;
	if (memory != NULL) {
		spinlock_release(&memory->lock);
	}
	mapping_set_insert(set, upper);
	return 0;
}

/* A mapping that left the set is freed by space__edit_end(). */
static void space_retire(struct space_edit *edit, struct mapping *mapping)
{
	edit->has_granted |= mapping->use != NULL;
	list_push_back(&edit->retired, &mapping->retired_node);
}

static bool space_can_merge(const struct mapping *lower, const struct mapping *upper)
{
	return upper != NULL && mapping_end(lower) == upper->address &&
		lower->memory == upper->memory && lower->flags == upper->flags &&
		lower->tag == upper->tag && lower->allowed == upper->allowed &&
		lower->label == upper->label && lower->offset_end == upper->offset_end &&
		grant_use_grant(lower->use) == grant_use_grant(upper->use) &&
		(lower->memory == NULL || lower->offset + lower->size_bytes == upper->offset);
}

void space__try_merge(struct space_edit *edit, struct mapping *mapping)
{
	struct mapping *upper = mapping->next;
	struct memory *memory = mapping->memory;

	if (!space_can_merge(mapping, upper)) {
		return;
	}
	mapping_set_remove(&edit->space->mappings, upper);
	if (memory != NULL) {
		spinlock_acquire(&memory->lock);
		mapping_unlist(upper);
	}
	mapping->size_bytes += upper->size_bytes;
	if (memory != NULL) {
		spinlock_release(&memory->lock);
	}
	mapping_set_resized(&edit->space->mappings, mapping);
	space_retire(edit, upper);
}

/* ---- removing ---------------------------------------------------------------------- */

struct space_discard {
	struct shootdown_batch *batch;
	struct memory *memory;
};

static uint32_t space_unref_pages(void *context, const struct page_tree_run *run)
{
	const struct space_discard *discard = context;
	uint32_t n_pages = 0;

	PAGE_TREE_FOR_EACH(entry, n_pages, run)
	{
		if (unlikely(swap_is_entry(entry))) {
			swappable__forget(discard->memory, entry);
		} else {
			shootdown_batch_unref(discard->batch, entry);
		}
	}
	return n_pages;
}

void space__discard_pages(
	struct shootdown_batch *batch, struct mapping *mapping, uint64_t address, uint64_t end)
{
	struct memory *memory = mapping->memory;
	struct space_discard discard = { .batch = batch, .memory = memory };
	uint64_t first = mapping_offset_of(mapping, address) / FRAME_SIZE;
	uint64_t n_pages = memory_count_present(memory);

	page_tree_remove(&memory->pages, first, first + (end - address) / FRAME_SIZE,
		space_unref_pages, &discard);
	memory__uncharge(memory, n_pages - memory_count_present(memory));
}

/*
 * Whether the private pages under a mapping that goes can never be seen again: no descriptor
 * names the object, and no other mapping shows them. If no other mapping is left at all the
 * object dies, pages and all. Pages that are out are many and slow to drop: those of swappable
 * memory that is not anonymous stay until then.
 */
static bool space_should_discard(const struct mapping *mapping)
{
	struct memory *memory = mapping->memory;
	uint64_t end = mapping->offset + mapping->size_bytes;
	bool is_last = true;

	if (memory->kind != HEL_MEMORY_COPY_ON_WRITE || object_handles(&memory->object) != 0) {
		return false;
	}
	LIST_FOR_EACH(other, &memory->mappings, struct mapping, memory_node) {
		if (other == mapping) {
			continue;
		}
		if (memory->is_anonymous || memory->swappable != NULL) {
			return memory->is_anonymous; /* no two mappings of it overlap */
		}
		if (other->offset < end && mapping->offset < other->offset + other->size_bytes) {
			return false;
		}
		is_last = false;
	}
	return !is_last;
}

static void space_remove(struct space_edit *edit, struct mapping *mapping)
{
	struct memory *memory = mapping->memory;

	mapping_set_remove(&edit->space->mappings, mapping);
	if (memory != NULL) {
		memory__lock(memory);
		spinlock_acquire(&edit->space->table_lock);
		space__clear_entries(&edit->batch, mapping->address, mapping_end(mapping));
		spinlock_release(&edit->space->table_lock);
		if (space_should_discard(mapping)) {
			space__discard_pages(
				&edit->batch, mapping, mapping->address, mapping_end(mapping));
		}
		space__settle(&edit->batch, memory);
		mapping_unlist(mapping);
		memory__unlock(memory);
	}
	space_retire(edit, mapping);
}

/* The neighbours say how far it reaches: tables that are shared with a mapping stay.
 * Translations may be cached at
 * every level, so all of them go. */
void space__trim(struct space_edit *edit, uint64_t address, uint64_t end)
{
	struct mapping *above = mapping_set_above(&edit->space->mappings, address);
	struct mapping *below = above != NULL ? above->prev : edit->space->mappings.last;
	uint64_t low = below != NULL ? align_up(mapping_end(below), SPACE_TABLE_SPAN) : 0;
	uint64_t high = above != NULL ? align_down(above->address, SPACE_TABLE_SPAN)
				      : align_up(end, SPACE_TABLE_SPAN);

	low = max_u64(low, align_down(address, SPACE_TABLE_SPAN));
	high = min_u64(high, align_up(end, SPACE_TABLE_SPAN));
	if (low < high) {
		shootdown_batch_flush(&edit->batch);
		spinlock_acquire(&edit->space->table_lock);
		arch_page_table_trim(&edit->space->page_table, low, high);
		spinlock_release(&edit->space->table_lock);
		edit->batch.request.n_pages = SHOOTDOWN_PAGES_MAX + 1;
		edit->batch.request.frees_tables = true;
	}
}

void space__remove_range(struct space_edit *edit, uint64_t address, uint64_t end)
{
	struct mapping *mapping = mapping_set_above(&edit->space->mappings, address);
	bool is_changed = false;

	while (mapping != NULL && mapping->address < end) {
		struct mapping *next = mapping->next;

		ASSERT(mapping->address >= address);
		ASSERT(mapping_end(mapping) <= end);
		space_remove(edit, mapping);
		mapping = next;
		is_changed = true;
	}
	if (is_changed) {
		space__trim(edit, address, end);
	}
}
