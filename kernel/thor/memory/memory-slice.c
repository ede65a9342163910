/* SPDX-License-Identifier: MIT */
/*
 * Slices: memory that stands for a range of another memory, to give somebody a part of it.
 *
 * A slice has no pages. Whoever gets one from a descriptor resolves it: the mapping, copy or view
 * is one of `shown`, so faults, forks and whoever takes pages away need not know of slices. A slice
 * of a slice shows what that shows, so resolving is one step. Mappings remember where the slice
 * ended (mapping.offset_end), so that they do not grow beyond it. The slice counts as a handle of
 * what it shows: private pages that are not mapped can still be seen through it.
 */
#include <thor/memory/frame.h>
#include <thor/memory/memory-object.h>

static bool memory_is_inside(const struct memory *memory, uint64_t offset, uint64_t size_bytes)
{
	return offset <= memory->size_bytes && size_bytes <= memory->size_bytes - offset;
}

int memory__resolve(struct memory **memory, uint64_t *offset, uint64_t size_bytes)
{
	const struct memory *slice = *memory;

	if (slice->kind != HEL_MEMORY_SLICE) {
		return 0;
	}
	if (!memory_is_inside(slice, *offset, size_bytes)) {
		return -ERR_OUT_OF_BOUNDS;
	}
	*memory = slice->shown;
	*offset += slice->shown_offset;
	return 0;
}

/**
 * memory_create_slice() - memory that stands for a range of another one
 * @memory: not the backing of managed memory, and no loan; it is kept, as by a descriptor
 * @offset, @size_bytes: page-aligned, inside @memory as it is now
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_OUT_OF_BOUNDS, -ERR_NO_MEMORY.
 */
int memory_create_slice(
	struct memory *memory, uint64_t offset, uint64_t size_bytes, struct memory **out_slice)
{
	if (!is_aligned(offset | size_bytes, FRAME_SIZE) || size_bytes == 0 ||
		memory->kind == HEL_MEMORY_BACKING || memory->kind == HEL_MEMORY_LOAN) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error = memory__resolve(&memory, &offset, size_bytes);

	if (error != 0) {
		return error;
	}
	spinlock_acquire(&memory->lock);
	bool is_inside = memory_is_inside(memory, offset, size_bytes);

	spinlock_release(&memory->lock);
	if (!is_inside) {
		return -ERR_OUT_OF_BOUNDS;
	}
	struct memory *slice = memory__create(HEL_MEMORY_SLICE, size_bytes);

	if (slice == NULL) {
		return -ERR_NO_MEMORY;
	}
	object_handle_ref(&memory->object);
	slice->shown = memory;
	slice->shown_offset = offset;
	*out_slice = slice;
	return 0;
}
