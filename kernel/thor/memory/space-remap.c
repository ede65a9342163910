/* SPDX-License-Identifier: MIT */
/* Showing another part of what is mapped: for whoever has no descriptor of the memory any more. */
#include <thor/memory/space.h>

#include <thor/object/grant.h>

/* A mapping that stands for its memory as a descriptor would. */
static bool mapping_is_source(const struct mapping *mapping)
{
	return mapping->memory != NULL && !mapping->memory->is_anonymous &&
		(mapping->flags & MAPPING_FORK) == 0 && mapping->offset_end == UINT64_MAX;
}

/**
 * space_find_source() - what space_remap() has to map, and how
 * @address: in the mapping
 * @out_memory, @out_permit: its memory, and what may be done with it; both have references
 * @out_args: its flags and tag
 *
 * Context: no locks held.
 * Return: 0, -ERR_NOT_FOUND, -ERR_UNSUPPORTED: nothing is written.
 */
int space_find_source(struct space *space, uint64_t address, struct memory **out_memory,
	struct space_permit *out_permit, struct hel_map_args *out_args)
{
	int error = 0;

	spinlock_acquire(&space->lock);
	const struct mapping *mapping = mapping_set_find(&space->mappings, address);

	if (mapping == NULL) {
		error = -ERR_NOT_FOUND;
	} else if (!mapping_is_source(mapping)) {
		error = -ERR_UNSUPPORTED;
	} else {
		object_ref(&mapping->memory->object);
		*out_memory = mapping->memory;
		*out_permit = (struct space_permit){
			.allowed = mapping->allowed,
			.grant = grant_ref(grant_use_grant(mapping->use)),
		};
		*out_args = (struct hel_map_args){
			.flags = mapping->flags & (MAPPING_ACCESS | HEL_MAP_LARGE),
			.tag = mapping->tag,
		};
	}
	spinlock_release(&space->lock);
	return error;
}
