/* SPDX-License-Identifier: MIT */
/*
 * Loans: memory that stands for what a range of a space shows, so that a server or its device may
 * transfer to and from a program's memory without a copy between.
 *
 * A loan has no pages and cannot be mapped. Whoever transfers asks for the pages by then: those
 * that the space's mappings show, as far as they allow it. So a program may unmap, move or fork
 * what it has lent, as it likes; nothing needs to know of loans then. Absent pages are made, as by
 * a fault, but nobody waits for a manager: who transfers is a server, perhaps the one that would
 * have to bring the page.
 *
 * *Pins.* A device writes to a page that it was told, whatever becomes of the mapping. That is
 * the program's page only as long as the page stays the one of its memory object. So while it may
 * be written by a device a page is pinned: besides an owner count it has a count of pins
 * (struct frame), and
 *
 *	a private page is pinned only while its object is the one owner,
 *	a fork copies it for the child, instead of sharing it (memory__fork_pages()),
 *	so a write to it never copies it (frame_is_private()),
 *	and it is not put into the swap space (swappable.c).
 *
 * Pins come with the object locked, and go without. What is unmapped or discarded meanwhile is
 * given up by its object as ever; the frame lasts until the device is done.
 *
 * Pages of managed memory would have to be locked and made dirty besides, so devices may only read
 * those. Of memory that is no frames of our own (device registers, queues) nothing is lent, nor of
 * what is shown through indirect memory.
 */
#include <thor/memory/space.h>

#include <thor/memory/page-wait.h>
#include <thor/memory/swap.h>

constexpr uint32_t LOAN_TRIES = 64; /* a page may go again before it is taken, but not for ever */

static struct space *loan_space(const struct memory *loan)
{
	return (struct space *)loan->owner;
}

/**
 * memory_create_loan() - memory that stands for what a range of a space shows
 * @space: a reference is taken
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NO_MEMORY.
 */
int memory_create_loan(
	struct space *space, uint64_t address, uint64_t size_bytes, struct memory **out_loan)
{
	if (!space__is_range(address, size_bytes)) {
		return -ERR_ILLEGAL_ARGS;
	}
	struct memory *loan = memory__create(HEL_MEMORY_LOAN, size_bytes);

	if (loan == NULL) {
		return -ERR_NO_MEMORY;
	}
	object_ref(&space->object);
	loan->owner = &space->object;
	loan->lent_address = address;
	*out_loan = loan;
	return 0;
}

/* ---- contents ---------------------------------------------------------------------------- */

int memory__transfer_loan(
	struct memory *loan, uint64_t offset, void *buffer, size_t size, bool is_write)
{
	uint64_t address = loan->lent_address + offset;

	return page_note_refuse(is_write ? space_copy_out(loan_space(loan), address, buffer, size)
					 : space_copy_in(loan_space(loan), buffer, address, size));
}

/* ---- frames for devices ------------------------------------------------------------------ */

/* Frames that are wanted: of neighbouring pages of a space. */
struct loan_request {
	struct space *space;
	uint64_t address;
	bool for_write;
	uint32_t n_pages;
	uint64_t *frames;
};

static int loan_check(const struct mapping *mapping, bool for_write)
{
	if (mapping == NULL || mapping->memory == NULL) {
		return -ERR_FAULT;
	}
	if ((mapping->flags & (for_write ? (uint32_t)HEL_MAP_WRITE : MAPPING_ACCESS)) == 0) {
		return -ERR_FAULT;
	}
	switch (mapping->memory->kind) {
	case HEL_MEMORY_ALLOCATED:
	case HEL_MEMORY_COPY_ON_WRITE: return 0;
	case HEL_MEMORY_MANAGED: return for_write ? -ERR_UNSUPPORTED : 0;
	default: return -ERR_UNSUPPORTED;
	}
}

/* Whether the page of an entry of the memory's tree can be given to a device as it is. */
static bool loan_is_ready(const struct memory *memory, uint64_t entry, bool for_write)
{
	if (entry == 0 || swap_is_entry(entry) || !frame_is_single(entry)) {
		return false;
	}
	return !for_write || memory->kind == HEL_MEMORY_ALLOCATED || frame_is_private(entry);
}

/* The first pages of the request that the memory has of its own, which is locked. How many. */
static uint32_t loan_take_own(const struct loan_request *request, const struct mapping *mapping)
{
	const struct memory *memory = mapping->memory;
	uint64_t index = mapping_offset_of(mapping, request->address) / FRAME_SIZE;
	uint32_t n_pages = (uint32_t)min_u64(
		request->n_pages, (mapping_end(mapping) - request->address) / FRAME_SIZE);
	uint64_t size = memory->size_bytes / FRAME_SIZE;
	uint64_t n_slots;
	const uint64_t *slots = page_tree_slots(&memory->pages, index, &n_slots);
	uint32_t n = 0;

	/* what is being cut off may still have pages */
	if (memory->kind == HEL_MEMORY_MANAGED || slots == NULL || index >= size) {
		return 0;
	}
	n_pages = (uint32_t)min_u64(n_pages, min_u64(n_slots, size - index));
	for (; n < n_pages; n++) {
		uint64_t entry = slots[n];

		if (!loan_is_ready(memory, entry, request->for_write) ||
			(request->for_write && !frame_pin(entry))) {
			break;
		}
		if (!request->for_write) {
			frame_ref_owned(entry);
		}
		request->frames[n] = entry;
	}
	return n;
}

/* A page that is only to be read may be one of a source, or that of zeros. */
static uint32_t loan_take_entered(const struct loan_request *request)
{
	struct space *space = request->space;

	spinlock_acquire(&space->table_lock);
	struct arch_page_entry entry = arch_page_lookup(&space->page_table, request->address);

	if (entry.is_present) {
		frame_ref(entry.phys);
		request->frames[0] = entry.phys;
	}
	spinlock_release(&space->table_lock);
	return entry.is_present ? 1 : 0;
}

/* What is there now. Return: 0, also if that is nothing; what does not let it be had. */
static int loan_try(const struct loan_request *request, uint32_t *out_n)
{
	struct space *space = request->space;

	spinlock_acquire(&space->lock);
	struct mapping *mapping = mapping_set_find(&space->mappings, request->address);
	int error = loan_check(mapping, request->for_write);

	*out_n = 0;
	if (error == 0) {
		memory__lock(mapping->memory);
		*out_n = loan_take_own(request, mapping);
		memory__unlock(mapping->memory);
	}
	if (error == 0 && *out_n == 0 && !request->for_write) {
		*out_n = loan_take_entered(request);
	}
	spinlock_release(&space->lock);
	return error;
}

int memory_take_lent_frames(struct memory *loan, uint64_t offset, bool for_write, uint32_t *n_pages,
	uint64_t *out_frames)
{
	const struct loan_request request = {
		.space = loan_space(loan),
		.address = loan->lent_address + offset,
		.for_write = for_write,
		.n_pages = *n_pages,
		.frames = out_frames,
	};
	uint32_t access = for_write ? SPACE_ACCESS_WRITE : SPACE_ACCESS_READ;

	if (offset >= loan->size_bytes || *n_pages > (loan->size_bytes - offset) / FRAME_SIZE) {
		return -ERR_OUT_OF_BOUNDS;
	}
	for (uint32_t i = 0; i < LOAN_TRIES; i++) {
		int error = loan_try(&request, n_pages);

		if (error != 0 || *n_pages > 0) {
			return error;
		}
		error = space_fault(request.space, request.address, access);
		if (error == SPACE_PENDING) {
			page_note_drop();
			return -ERR_AGAIN;
		}
		if (error != 0) {
			return error == -ERR_NO_MEMORY ? error : -ERR_FAULT;
		}
	}
	return -ERR_UNSUPPORTED;
}
