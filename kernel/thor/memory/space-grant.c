/* SPDX-License-Identifier: MIT */
/*
 * Mappings of memory that was granted (object/grant.h).
 *
 * Cutting a mapping off needs no memory, or it could fail: a mapping with many pages is made
 * shorter from below, a slice at a time, until it is small enough to be removed.
 */
#include <thor/memory/space.h>

#include <thor/object/grant.h>

constexpr uint32_t SPACE_CUT_MAPPINGS = 32; /* in a slice */

static bool space_cut(void *holder, struct grant *grant);

static const struct grant_use_class space_use_class = {
	.hold = grant_hold_object,
	.cut = space_cut,
};

int space__create_use(struct mapping *mapping, struct grant *grant)
{
	return grant_use_create(
		&(struct grant_use_options){
			.account = mapping->space->object.account,
			.grant = grant,
			.class = &space_use_class,
			.holder = mapping->space,
			.user = mapping,
		},
		&mapping->use);
}

/* What lies below @end is not shown any more. */
static void space_shorten(struct space_edit *edit, struct mapping *mapping, uint64_t end)
{
	uint64_t start = mapping->address;

	memory__lock(mapping->memory);
	spinlock_acquire(&edit->space->table_lock);
	space__clear_entries(&edit->batch, start, end);
	spinlock_release(&edit->space->table_lock);
	space__settle(&edit->batch, mapping->memory);
	mapping->address = end;
	mapping->offset += end - start;
	mapping->size_bytes -= end - start;
	memory__unlock(mapping->memory);
	mapping_set_resized(&edit->space->mappings, mapping);
	space__trim(edit, start, end);
}

bool space__cut_mapping(struct space_edit *edit, struct mapping *mapping, uint32_t *n_entries)
{
	uint64_t end = mapping_end(mapping);
	uint64_t part_end = space__bound_entries(edit->space, mapping->address, end, n_entries);

	if (part_end < end) {
		space_shorten(edit, mapping, part_end);
		return false;
	}
	space__remove_range(edit, mapping->address, end);
	return true;
}

/* The sweep counts itself as busy, so that nobody takes a mapping for gone before the flush. */
static bool space_cut(void *holder, struct grant *grant)
{
	struct space *space = holder;
	uint32_t n_entries = memory__slice_pages;
	struct space_edit edit;

	space__edit_begin(&edit, space);
	for (uint32_t i = 0; i < SPACE_CUT_MAPPINGS && n_entries > 0; i++) {
		struct grant_use *use = grant_first_use(grant, &space_use_class, space);

		if (use == NULL || !space__cut_mapping(&edit, use->user, &n_entries)) {
			break;
		}
		grant_use_unlink(use);
	}
	space__edit_end(&edit);
	object_unref(&space->object);
	return true;
}
