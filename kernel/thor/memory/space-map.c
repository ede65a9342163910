/* SPDX-License-Identifier: MIT */
/* space_map() and space_unmap(). */
#include <thor/memory/space.h>

#include <base/string.h>
#include <thor/memory/swappable.h>
#include <thor/object/grant.h>

constexpr uint64_t SPACE_SEARCH_LOW =
	KIB(64); /* unless asked for, nothing is put below: NULL pointers fault */

constexpr uint32_t SPACE_UNMAP_MAPPINGS = 4; /* unmapped before others have their turn */

constexpr uint32_t SPACE_MAP_FLAGS = MAPPING_ACCESS | MAPPING_FORK | HEL_MAP_FIXED |
	HEL_MAP_FIXED_NOREPLACE | HEL_MAP_GUARD | HEL_MAP_LARGE | HEL_MAP_SWAPPABLE |
	HEL_MAP_BEYOND;

/* What space_map() was asked for, checked. */
struct space_request {
	const struct hel_map_args *args;
	struct memory *memory;
	uint64_t address, size_bytes;
	uint32_t flags;  /* of the mapping */
	uint32_t allowed;
	struct grant *grant; /* that the memory's descriptor is under; or NULL */
	uint64_t offset, offset_end; /* as in the mapping; of `memory` */
	bool is_extensible; /* anonymous memory that may join its neighbours */
	bool is_rest; /* goes on where the last slice ended */
	bool is_part; /* another slice will go on where it ends */
};

static int space_check_flags(const struct hel_map_args *args, const struct memory *memory)
{
	uint32_t flags = args->flags;

	if ((flags & ~SPACE_MAP_FLAGS) != 0 || (flags & MAPPING_FORK) == MAPPING_FORK ||
		((flags & HEL_MAP_FIXED) != 0 && (flags & HEL_MAP_FIXED_NOREPLACE) != 0)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if ((flags & HEL_MAP_GUARD) != 0 &&
		(memory != NULL || (flags & (MAPPING_ACCESS | HEL_MAP_LARGE)) != 0)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if ((flags & HEL_MAP_SWAPPABLE) != 0 &&
		(memory != NULL || (flags & (HEL_MAP_GUARD | HEL_MAP_LARGE)) != 0 ||
			(flags & MAPPING_FORK) == 0)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (memory != NULL && memory->kind == HEL_MEMORY_LOAN) {
		return -ERR_ILLEGAL_ARGS;
	}
	/* a slice's end is one that nobody gets beyond */
	if ((flags & HEL_MAP_BEYOND) != 0 && (memory == NULL || memory->kind == HEL_MEMORY_SLICE)) {
		return -ERR_ILLEGAL_ARGS;
	}
	return 0;
}

static int space_check_args(const struct hel_map_args *args, struct memory *memory)
{
	bool is_fixed = (args->flags & (HEL_MAP_FIXED | HEL_MAP_FIXED_NOREPLACE)) != 0;
	int error = space_check_flags(args, memory);

	if (error != 0) {
		return error;
	}
	if (args->size_bytes == 0 || !is_aligned(args->size_bytes, FRAME_SIZE) ||
		args->size_bytes > ARCH_USER_HIGH || !is_aligned(args->offset, FRAME_SIZE) ||
		(is_fixed && !space__is_range(args->address, args->size_bytes))) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (memory != NULL) {
		uint64_t size_bytes = MEMORY_SIZE_MAX;

		if ((args->flags & HEL_MAP_BEYOND) == 0) {
			spinlock_acquire(&memory->lock);
			size_bytes = memory->size_bytes;
			spinlock_release(&memory->lock);
		}
		if (args->offset > size_bytes || args->size_bytes > size_bytes - args->offset) {
			return -ERR_OUT_OF_BOUNDS;
		}
	}
	return 0;
}

/* ---- where ------------------------------------------------------------------------- */

/* Where large pages fit, if there is room to choose. */
static bool space_search_aligned(struct space *space, const struct space_request *request,
	struct mapping_hole hole, uint64_t *out_address)
{
	uint64_t size_bytes = hole.size_bytes;
	uint64_t at;

	if ((request->flags & HEL_MAP_LARGE) == 0 || size_bytes < ARCH_LARGE_SIZE) {
		return false;
	}
	hole.size_bytes += ARCH_LARGE_SIZE - FRAME_SIZE;
	if (!mapping_set_find_hole(&space->mappings, &hole, &at)) {
		return false;
	}
	/* The highest address there that differs from the offset by whole large pages. */
	uint64_t offset = request->memory != NULL ? request->offset : 0;

	at += ARCH_LARGE_SIZE - FRAME_SIZE;
	*out_address = at - (at - offset) % ARCH_LARGE_SIZE;
	return true;
}

static int space_search(
	struct space *space, const struct space_request *request, uint64_t *out_address)
{
	const struct hel_map_args *args = request->args;
	uint64_t high =
		args->limit_high != 0 ? min_u64(args->limit_high, ARCH_USER_HIGH) : ARCH_USER_HIGH;
	uint64_t hint = align_down(args->address, FRAME_SIZE);
	struct mapping_hole hole = {
		.size_bytes = args->size_bytes,
		.low = align_up(max_u64(min_u64(args->limit_low, ARCH_USER_HIGH), SPACE_SEARCH_LOW),
			FRAME_SIZE),
	};

	if (hint != 0 && hint < ARCH_USER_HIGH) {
		hole.high = min_u64(hint + args->size_bytes, align_down(high, FRAME_SIZE));
		if (mapping_set_find_hole(&space->mappings, &hole, out_address)) {
			return 0;
		}
	}
	hole.high = align_down(high, FRAME_SIZE);
	if (space_search_aligned(space, request, hole, out_address)) {
		return 0;
	}
	return mapping_set_find_hole(&space->mappings, &hole, out_address) ? 0 : -ERR_NO_SPACE;
}

/*
 * How far a slice of an unmap goes: so many mappings, or so many pages, which others may have
 * touched since space_thin(). Without memory to split a mapping it is all of that one.
 */
static uint64_t space_bound_unmap(struct space_edit *edit, uint64_t address, uint64_t end)
{
	struct mapping *mapping = mapping_set_above(&edit->space->mappings, address);
	uint32_t n_entries = memory__slice_pages;

	for (uint32_t i = 0; i < SPACE_UNMAP_MAPPINGS && mapping != NULL; i++) {
		mapping = mapping->next;
	}
	if (mapping != NULL) {
		end = min_u64(end, mapping->address);
	}
	uint64_t bound = space__bound_entries(
		edit->space, address, space__bound_kept(edit->space, address, end), &n_entries);

	return bound < end && space__split(edit, bound) == 0 ? bound : end;
}

/*
 * Find the address; for HEL_MAP_FIXED make the borders, and the request as small as a slice may be.
 * Changes nothing that can be seen.
 */
static int space_place(struct space_edit *edit, struct space_request *request)
{
	const struct hel_map_args *args = request->args;
	uint64_t end = request->address + request->size_bytes;

	if ((args->flags & (HEL_MAP_FIXED | HEL_MAP_FIXED_NOREPLACE)) == 0) {
		return space_search(edit->space, request, &request->address);
	}
	if ((args->flags & HEL_MAP_FIXED_NOREPLACE) != 0) {
		struct mapping *above = mapping_set_above(&edit->space->mappings, args->address);

		return above != NULL && above->address < end ? -ERR_EXISTS : 0;
	}
	int error = space__split(edit, request->address);

	if (error == 0) {
		error = space__split(edit, end);
	}
	if (error == 0) {
		uint64_t part_end = space_bound_unmap(edit, request->address, end);

		request->size_bytes = part_end - request->address;
		request->is_part = part_end < end;
	}
	return error;
}

/* ---- neighbours -------------------------------------------------------------------- */

static bool space_is_alike(const struct mapping *mapping, const struct space_request *request)
{
	return mapping->flags == request->flags && mapping->tag == request->args->tag &&
		mapping->allowed == request->allowed && mapping->label == 0;
}

static bool space_can_extend(const struct mapping *mapping, const struct space_request *request)
{
	return request->is_extensible && mapping->memory != NULL && mapping->memory->is_anonymous &&
		space_is_alike(mapping, request);
}

/* Whether what the last slice has mapped, which ends where the request begins, can grow. */
static bool space_can_go_on(const struct mapping *mapping, const struct space_request *request)
{
	return request->is_rest && !request->is_extensible && mapping->memory == request->memory &&
		space_is_alike(mapping, request) && mapping->offset_end == request->offset_end &&
		grant_use_grant(mapping->use) == request->grant &&
		(mapping->memory == NULL ||
			mapping->offset + mapping->size_bytes == request->offset);
}

/*
 * The mapping that ends where the new one begins, or NULL. What will be replaced is in the way,
 * not a neighbour.
 */
static struct mapping *space_neighbour_below(struct space *space, uint64_t address)
{
	struct mapping *mapping =
		address != 0 ? mapping_set_find(&space->mappings, address - 1) : NULL;

	return mapping != NULL && mapping_end(mapping) == address ? mapping : NULL;
}

/* The neighbour that can be made larger instead of a new mapping; or NULL. */
static struct mapping *space_find_extensible(
	struct space *space, const struct space_request *request)
{
	uint64_t end = request->address + request->size_bytes;
	struct mapping *below = space_neighbour_below(space, request->address);
	struct mapping *above = mapping_set_find(&space->mappings, end);

	if (below != NULL &&
		(space_can_extend(below, request) || space_can_go_on(below, request))) {
		return below;
	}
	/* What is above a part will be replaced. */
	bool is_next = above != NULL && above->address == end && !request->is_part;

	return is_next && space_can_extend(above, request) ? above : NULL;
}

/* Make a neighbour larger. The range is free. */
static void space_extend(
	struct space_edit *edit, struct mapping *mapping, const struct space_request *request)
{
	bool is_below = mapping->address < request->address;
	struct memory *memory = mapping->memory;

	if (memory != NULL) {
		spinlock_acquire(&memory->lock);
	}
	mapping->size_bytes += request->size_bytes;
	if (!is_below) {
		mapping->address -= request->size_bytes;
		mapping->offset -= request->size_bytes;
	}
	if (memory != NULL) {
		spinlock_release(&memory->lock);
	}
	mapping_set_resized(&edit->space->mappings, mapping);
	if (is_below && request->is_extensible && !request->is_part) {
		space__try_merge(edit, mapping);
	}
}

/* ---- making it --------------------------------------------------------------------- */

/* The memory of a mapping: if it was asked for without, anonymous. */
static int space_get_memory(
	struct account *account, const struct space_request *request, struct memory **out_memory)
{
	*out_memory = request->memory;
	if (request->memory != NULL) {
		object_ref(&request->memory->object);
		return 0;
	}
	if ((request->flags & HEL_MAP_GUARD) != 0) {
		return 0;
	}
	int error = memory__create_anonymous(
		account, (request->flags & HEL_MAP_SWAPPABLE) != 0, out_memory);

	if (error == 0) {
		swappable__publish(*out_memory);
	}
	return error;
}

static int space_create_mapping(
	struct space *space, const struct space_request *request, struct mapping **out_mapping)
{
	if (space->mappings.n_mappings >= MAPPING_MAX) {
		return -ERR_NO_MEMORY;
	}
	struct mapping *mapping = space__create_mapping(space);

	if (mapping == NULL) {
		return -ERR_NO_MEMORY;
	}
	mapping->space = space;
	int error = space__create_use(mapping, request->grant);

	if (error == 0) {
		error = grant_use_link(mapping->use);
	}
	if (error == 0) {
		error = space_get_memory(space->object.account, request, &mapping->memory);
	}
	if (error != 0) {
		space__free_mapping(space, mapping);
		return error;
	}
	mapping->tag = request->args->tag;
	mapping->flags = request->flags;
	mapping->allowed = request->allowed;
	mapping->offset_end = request->offset_end;
	mapping->address = request->address;
	mapping->size_bytes = request->size_bytes;
	mapping->offset = request->memory != NULL ? request->offset
		: request->is_extensible          ? request->address
						  : 0;
	*out_mapping = mapping;
	return 0;
}

static int space_map_locked(struct space_edit *edit, struct space_request *request)
{
	struct mapping *mapping = NULL;
	int error = space_place(edit, request);

	if (error != 0) {
		return error;
	}
	if (space_find_extensible(edit->space, request) == NULL) {
		error = space_create_mapping(edit->space, request, &mapping);
		if (error != 0) {
			return error;
		}
	}
	if ((request->args->flags & HEL_MAP_FIXED) != 0) {
		space__remove_range(edit, request->address, request->address + request->size_bytes);
	}
	if (mapping != NULL) {
		space__attach(edit->space, mapping);
	} else {
		/* Still there, for it is outside of the range. */
		space_extend(edit, space_find_extensible(edit->space, request), request);
	}
	return 0;
}

/* Whether the memory of a mapping that is asked for without is one object, shared with children. */
static bool space_is_shared(const struct hel_map_args *args)
{
	return (args->flags & (MAPPING_FORK | HEL_MAP_GUARD)) == 0;
}

/* What is to be mapped from @position on, of what was asked for. */
static int space_begin_request(struct space_request *request, struct memory *memory,
	const struct space_permit *permit, const struct space_map_progress *progress)
{
	constexpr uint32_t kept =
		MAPPING_ACCESS | MAPPING_FORK | HEL_MAP_GUARD | HEL_MAP_LARGE | HEL_MAP_SWAPPABLE;
	const struct hel_map_args *args = request->args;
	bool is_made = memory == NULL && space_is_shared(args);
	uint64_t position = progress->position;
	int error = 0;

	if (position >= args->size_bytes) {
		return -ERR_ILLEGAL_ARGS; /* they were changed */
	}
	request->memory = is_made ? progress->shared : memory;
	request->address = args->address + position;
	request->size_bytes = args->size_bytes - position;
	request->flags = args->flags & kept;
	request->allowed = permit->allowed;
	request->grant = permit->grant;
	request->offset = is_made ? 0 : args->offset;
	request->offset_end = UINT64_MAX;
	request->is_extensible = memory == NULL && !is_made && (args->flags & HEL_MAP_GUARD) == 0;
	request->is_rest = position != 0;
	if (memory != NULL && memory->kind == HEL_MEMORY_SLICE) {
		request->offset_end = memory->shown_offset + memory->size_bytes;
		error = memory__resolve(&request->memory, &request->offset, args->size_bytes);
	}
	request->offset += position;
	if (request->memory != NULL && request->memory->uses_large) {
		request->flags |= HEL_MAP_LARGE;
	}
	return error;
}

/* Make the memory of a mapping that was asked for without, if that is one object. */
static int space_make_shared(struct space *space, const struct hel_map_args *args,
	struct memory *memory, struct space_map_progress *progress)
{
	return memory != NULL || !space_is_shared(args) || progress->shared != NULL
		? 0
		: memory__create_shared(space->object.account, args->size_bytes, &progress->shared);
}

/**
 * space_map_slice() - space_map() with a descriptor that may be limited, or a part of it
 * @permit: what the caller's descriptor of the memory allows
 * @progress: all 0 at first; after MEMORY_MORE as the last slice left it
 *
 * A large range that is replaced (HEL_MAP_FIXED) is replaced from below, in slices: each page shows
 * what was there or what is to be, never nothing. All that can fail comes with the first slice,
 * unless somebody else changes what the slices before have mapped.
 * Return: as space_map(), also MEMORY_MORE, -ERR_NO_RIGHTS, -ERR_REVOKED.
 */
int space_map_slice(struct space *space, struct memory *memory, const struct hel_map_args *args,
	const struct space_permit *permit, struct space_map_progress *progress)
{
	struct space_request request = { .args = args };
	int error = space_check_args(args, memory);

	if (error == 0 && (args->flags & MAPPING_ACCESS & ~permit->allowed) != 0) {
		error = -ERR_NO_RIGHTS;
	}
	if (error == 0) {
		error = space_make_shared(space, args, memory, progress);
	}
	if (error == 0) {
		error = space_begin_request(&request, memory, permit, progress);
	}
	if (error != 0) {
		return error;
	}
	struct space_edit edit;

	space__edit_begin(&edit, space);
	error = space_map_locked(&edit, &request);
	space__edit_end(&edit);
	if (error != 0) {
		return error;
	}
	progress->address = request.address - progress->position;
	progress->position += request.size_bytes;
	return progress->position < args->size_bytes ? MEMORY_MORE : 0;
}

/** space_map_allowing() - space_map_slice() to its end */
int space_map_allowing(struct space *space, struct memory *memory, const struct hel_map_args *args,
	const struct space_permit *permit, uint64_t *out_address)
{
	struct space_map_progress progress = {};
	int error;

	do {
		error = space_map_slice(space, memory, args, permit, &progress);
	} while (error == MEMORY_MORE);
	object_unref(progress.shared != NULL ? &progress.shared->object : NULL);
	if (error == 0) {
		*out_address = progress.address;
	}
	return error;
}

/**
 * space_map() - map memory, or fresh anonymous memory, or a guard; see struct hel_map_args
 * @memory: NULL for anonymous memory and guards; the mapping takes a reference
 * @args: its handles are not looked at
 * @out_address: written on success only
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_OUT_OF_BOUNDS, -ERR_EXISTS, -ERR_NO_SPACE, -ERR_NO_MEMORY.
 */
int space_map(struct space *space, struct memory *memory, const struct hel_map_args *args,
	uint64_t *out_address)
{
	const struct space_permit permit = { .allowed = MAPPING_ACCESS };

	return space_map_allowing(space, memory, args, &permit, out_address);
}

/**
 * space_unmap_slice() - remove whatever is mapped in a range, or a part of it; holes are fine
 * @position: 0 at first, then as the last slice left it
 *
 * Return: 0, MEMORY_MORE, -ERR_ILLEGAL_ARGS, -ERR_NO_MEMORY (a mapping had to be split; nothing was
 * unmapped, unless somebody mapped something between slices).
 */
int space_unmap_slice(
	struct space *space, uint64_t address, uint64_t size_bytes, uint64_t *position)
{
	uint64_t end = address + size_bytes;
	uint64_t part_end = end;
	struct space_edit edit;

	if (!space__is_range(address, size_bytes)) {
		return -ERR_ILLEGAL_ARGS;
	}
	address += *position;
	space__edit_begin(&edit, space);
	int error = space__split(&edit, address);

	if (error == 0) {
		error = space__split(&edit, end);
	}
	if (error == 0) {
		part_end = space_bound_unmap(&edit, address, end);
		space__remove_range(&edit, address, part_end);
		*position += part_end - address;
	}
	space__edit_end(&edit);
	return error == 0 && part_end < end ? MEMORY_MORE : error;
}

/** space_unmap() - space_unmap_slice() to its end */
int space_unmap(struct space *space, uint64_t address, uint64_t size_bytes)
{
	uint64_t position = 0;
	int error;

	do {
		error = space_unmap_slice(space, address, size_bytes, &position);
	} while (error == MEMORY_MORE);
	return error;
}
