/* SPDX-License-Identifier: MIT */
/*
 * The pages of memory objects: finding, making and copying them.
 *
 * Each entry of an object's tree is charged to its account as a page, also those that forks share.
 *
 * Who owns a page: an entry in an object's tree counts as one owner of the frame. A view may
 * write to a page of its own only while it is the one owner; a fork makes two, and the one that
 * writes first gets a copy.
 */
#include <thor/memory/memory-object.h>

#include <base/string.h>
#include <thor/memory/managed.h>
#include <thor/memory/memory-indirect.h>
#include <thor/memory/space.h>
#include <thor/memory/swappable.h>
#include <thor/object/account.h>

/* ---- one page ---------------------------------------------------------------------- */

/* A page of zeros for an empty slot. */
static int memory_fill_zeroed(struct memory *memory, uint64_t *slot, uint64_t *out_phys)
{
	if (unlikely(memory->swappable != NULL) && swappable__must_wait()) {
		return SPACE_PENDING;
	}
	int error = memory__charge(memory, 1);

	if (error != 0) {
		return error;
	}
	uint64_t phys = frame_allocate_zeroed();

	if (phys == 0) {
		memory__uncharge(memory, 1);
		return -ERR_NO_MEMORY;
	}
	page_tree_fill(&memory->pages, slot, phys);
	*out_phys = phys;
	return 0;
}

/* A copy of a page for a slot that is empty, or holds that page. */
static int memory_fill_copy(
	struct memory *memory, uint64_t *slot, uint64_t from_phys, uint64_t *out_phys)
{
	uint64_t n_charged = *slot == 0;

	if (unlikely(memory->swappable != NULL) && swappable__must_wait()) {
		return SPACE_PENDING;
	}
	if (n_charged > 0 && memory__charge(memory, 1) != 0) {
		return -ERR_NO_MEMORY;
	}
	uint64_t phys = frame_allocate();

	if (phys == 0) {
		memory__uncharge(memory, n_charged);
		return -ERR_NO_MEMORY;
	}
	frame_copy(phys, from_phys);
	page_tree_fill(&memory->pages, slot, phys);
	*out_phys = phys;
	return 0;
}

static int memory_get_allocated(struct memory *memory, uint64_t index, struct memory_page *out_page)
{
	uint64_t *slot = page_tree_make_slot(&memory->pages, index);

	if (slot == NULL) {
		return -ERR_NO_MEMORY;
	}
	uint64_t phys = *slot;
	int error = phys != 0 ? 0 : memory_fill_zeroed(memory, slot, &phys);

	if (error == 0) {
		*out_page = (struct memory_page){ .phys = phys, .can_write = true };
	}
	return error;
}

/* What a view shows of its source at an index, or zeros. */
static int memory_get_below(struct memory *memory, uint64_t index, struct memory_page *out_page)
{
	struct memory *source = memory->source;

	if (index >= memory->source_size / FRAME_SIZE) {
		*out_page = (struct memory_page){ .phys = frame_zero_phys };
		return 0;
	}
	index += memory->source_offset / FRAME_SIZE;
	if (source == NULL) {
		*out_page = (struct memory_page){ .phys = memory->phys + index * FRAME_SIZE };
		return 0;
	}
	if (index >= source->size_bytes / FRAME_SIZE) {
		return -ERR_OUT_OF_BOUNDS;
	}
	int error = source->kind == HEL_MEMORY_BACKING
		? managed__get_page(source, index, false, out_page)
		: memory_get_allocated(source, index, out_page);

	if (error == 0) {
		out_page->can_write = false;
	}
	return error;
}

/* A page that a view has not got; @slot: where it is to have it, NULL: it is only read. */
static int memory_get_absent(
	struct memory *memory, uint64_t index, uint64_t *slot, struct memory_page *out_page)
{
	struct memory_page page = { .can_write = true, .is_changed = true };
	struct memory_page below;
	int error = memory_get_below(memory, index, &below);

	if (error != 0) {
		return error;
	}
	if (slot == NULL) {
		*out_page = below;
		return 0;
	}
	error = below.phys == frame_zero_phys
		? memory_fill_zeroed(memory, slot, &page.phys)
		: memory_fill_copy(memory, slot, below.phys, &page.phys);
	if (error == 0) {
		*out_page = page;
	}
	return error;
}

static int memory_get_view(
	struct memory *memory, uint64_t index, bool for_write, struct memory_page *out_page)
{
	uint64_t *slot = for_write ? page_tree_make_slot(&memory->pages, index)
				   : page_tree_slot(&memory->pages, index);

	if (for_write && slot == NULL) {
		return -ERR_NO_MEMORY;
	}
	if (slot == NULL || *slot == 0) {
		return memory_get_absent(memory, index, for_write ? slot : NULL, out_page);
	}
	int error = swap_is_entry(*slot) ? swappable__bring(memory, slot) : 0;

	if (unlikely(error != 0)) {
		return error;
	}
	uint64_t phys = *slot;

	if (frame_is_private(phys) || !for_write) {
		*out_page =
			(struct memory_page){ .phys = phys, .can_write = frame_is_private(phys) };
		return 0;
	}
	struct memory_page page = { .can_write = true, .is_changed = true, .replaced = phys };

	error = memory_fill_copy(memory, slot, phys, &page.phys);

	if (error == 0) {
		*out_page = page;
	}
	return error;
}

int memory__get_page(
	struct memory *memory, uint64_t index, bool for_write, struct memory_page *out_page)
{
	if (index >= memory->size_bytes / FRAME_SIZE) {
		return -ERR_OUT_OF_BOUNDS;
	}
	switch (memory->kind) {
	case HEL_MEMORY_ALLOCATED: return memory_get_allocated(memory, index, out_page);
	case HEL_MEMORY_COPY_ON_WRITE: return memory_get_view(memory, index, for_write, out_page);
	case HEL_MEMORY_PHYSICAL:
		*out_page = (struct memory_page){
			.phys = memory->phys + index * FRAME_SIZE,
			.can_write = true,
		};
		return 0;
	case HEL_MEMORY_QUEUE:
		*out_page = (struct memory_page){
			.phys = memory->phys_of(memory->owner, index),
			.can_write = true,
		};
		return 0;
	case HEL_MEMORY_MANAGED:
		return managed__get_page(memory->source, index, for_write, out_page);
	case HEL_MEMORY_BACKING: return managed__get_backing_page(memory, index, out_page);
	case HEL_MEMORY_SLICE:
	case HEL_MEMORY_INDIRECT: /* are resolved */
	case HEL_MEMORY_LOAN: break;
	}
	UNREACHABLE();
}

/* An error for callers that cannot wait themselves: see page-wait.h. */
static int memory_note_pending(struct memory *memory, uint64_t index, bool for_write, int error)
{
	if (error != SPACE_PENDING) {
		return error;
	}
	page_note_set(memory, index, for_write);
	return -ERR_FAULT;
}

/* Whether a page stays where it is, but for a copy on write. Managed ones come and go. */
static bool memory_has_fixed_page(const struct memory *memory, uint64_t index)
{
	if (memory->kind == HEL_MEMORY_MANAGED) {
		return managed__is_locked(page_tree_get(&memory->source->pages, index));
	}
	return memory->kind != HEL_MEMORY_BACKING && memory->kind != HEL_MEMORY_INDIRECT &&
		memory->kind != HEL_MEMORY_LOAN && memory->swappable == NULL;
}

/* ---- contents for the kernel ------------------------------------------------------- */

/* The frame of a page, referenced; @is_backing: of a page that a manager has, too. */
static int memory_take_frame(
	struct memory *memory, uint64_t offset, bool for_write, bool is_backing, uint64_t *out_phys)
{
	struct memory_page page;
	int error = memory__resolve(&memory, &offset, 1);

	if (error != 0) {
		return error;
	}
	uint64_t index = offset / FRAME_SIZE;

	memory__lock(memory);
	error = memory_has_fixed_page(memory, index) ||
			(is_backing && memory->kind == HEL_MEMORY_BACKING)
		? memory__get_page(memory, index, for_write, &page)
		: -ERR_UNSUPPORTED;
	error = memory_note_pending(memory, index, for_write, error);

	if (error == 0) {
		if (page.is_changed) {
			memory__hide(memory, index, index + 1, NULL);
		}
		frame_ref(page.phys);
		*out_phys = page.phys;
	}
	memory__unlock(memory);
	if (error == 0 && page.replaced != 0) {
		frame_unref(page.replaced);
	}
	return error;
}

/**
 * memory_get_frame() - the frame of one page, made present, and private if @for_write
 * @out_phys: with an owner count that the caller drops by frame_unref()
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS, -ERR_NO_MEMORY, -ERR_IO; -ERR_UNSUPPORTED: indirect and swappable
 * memory, loans, and managed memory, unless the page is locked; -ERR_FAULT with a page note.
 * Physical and borrowed memory has no counts.
 */
int memory_get_frame(struct memory *memory, uint64_t offset, bool for_write, uint64_t *out_phys)
{
	return memory_take_frame(memory, offset, for_write, false, out_phys);
}

int memory_get_any_frame(struct memory *memory, uint64_t offset, bool for_write, uint64_t *out_phys)
{
	return memory_take_frame(memory, offset, for_write, true, out_phys);
}

/* A copy within one page. */
struct memory_transfer {
	void *buffer;
	size_t size;
	bool is_write; /* from the buffer */
};

/*
 * Under the object's lock, so that the page stays what it is. @path: the way on which it was found,
 * or NULL; MEMORY_MORE: that leads elsewhere by now.
 */
static int memory_transfer_locked(struct memory *memory, uint64_t offset,
	const struct memory_transfer *transfer, const struct indirect_path *path)
{
	uint64_t index = offset / FRAME_SIZE;
	struct memory_page page;
	int error = memory__get_page(memory, index, transfer->is_write, &page);

	if (error != 0) {
		return memory_note_pending(memory, index, transfer->is_write, error);
	}
	if (page.is_changed) {
		memory__hide(memory, index, index + 1, NULL);
	}
	if (page.replaced != 0) {
		frame_unref(page.replaced);
	}
	if (!frame_is_direct(page.phys)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (path != NULL && !indirect__lock(path)) {
		return MEMORY_MORE;
	}
	uint8_t *bytes = (uint8_t *)arch_phys_to_virt(page.phys) + offset % FRAME_SIZE;

	arch_copy_much(transfer->is_write ? bytes : transfer->buffer,
		transfer->is_write ? transfer->buffer : bytes, transfer->size);
	if (path != NULL) {
		indirect__unlock(path);
	}
	return 0;
}

static int memory_transfer_indirect(
	struct memory *memory, uint64_t offset, const struct memory_transfer *transfer)
{
	struct indirect_path path;
	int error;

	do {
		error = indirect__find(memory, offset / FRAME_SIZE, &path);
		if (error == 0) {
			memory__lock(path.memory);
			error = memory_transfer_locked(path.memory,
				path.index * FRAME_SIZE + offset % FRAME_SIZE, transfer, &path);
			memory__unlock(path.memory);
			indirect__end(&path);
		}
	} while (error == MEMORY_MORE);
	return error;
}

static int memory_transfer_part(
	struct memory *memory, uint64_t offset, const struct memory_transfer *transfer)
{
	if (memory->kind == HEL_MEMORY_INDIRECT) {
		return memory_transfer_indirect(memory, offset, transfer);
	}
	memory__lock(memory);
	int error = memory_transfer_locked(memory, offset, transfer, NULL);

	memory__unlock(memory);
	return error;
}

static int memory_transfer_all(
	struct memory *memory, uint64_t offset, void *buffer, size_t size, bool is_write)
{
	uint8_t *bytes = buffer;
	int error = memory__resolve(&memory, &offset, size);

	if (error != 0) {
		return error;
	}
	if (offset > memory->size_bytes || size > memory->size_bytes - offset) {
		return -ERR_OUT_OF_BOUNDS;
	}
	if (memory->kind == HEL_MEMORY_LOAN) {
		return memory__transfer_loan(memory, offset, buffer, size, is_write);
	}
	while (size > 0) {
		size_t part = min_size(size, FRAME_SIZE - offset % FRAME_SIZE);
		const struct memory_transfer transfer = {
			.buffer = bytes,
			.size = part,
			.is_write = is_write,
		};

		error = memory_transfer_part(memory, offset, &transfer);
		if (error != 0) {
			return error;
		}
		bytes += part;
		offset += part;
		size -= part;
	}
	return 0;
}

/**
 * memory_read() - copy from an object into a kernel buffer
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS (an empty slot of indirect memory, too), -ERR_NO_MEMORY,
 * -ERR_ILLEGAL_ARGS (device memory beyond the direct map), -ERR_IO (managed memory without
 * manager), -ERR_FAULT with a page note; of a loan -ERR_FAULT and -ERR_AGAIN instead.
 */
int memory_read(struct memory *memory, uint64_t offset, void *buffer, size_t size)
{
	return memory_transfer_all(memory, offset, buffer, size, false);
}

/** memory_write() - copy from a kernel buffer into an object; errors as memory_read() */
int memory_write(struct memory *memory, uint64_t offset, const void *buffer, size_t size)
{
	return memory_transfer_all(memory, offset, (void *)buffer, size, true);
}
