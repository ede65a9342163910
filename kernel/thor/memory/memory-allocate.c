/* SPDX-License-Identifier: MIT */
/*
 * Allocated memory objects, and the physical run of those that are contiguous.
 *
 * A run is taken at once, and its pages become the object's from the last one to the first, in
 * slices, for they have to be cleared. Nobody sees the object before it is complete; one that is
 * given up half-made gives the rest of its run back as it is destroyed, in slices, too.
 */
#include <thor/memory/memory-object.h>

#include <base/string.h>
#include <thor/memory/frame.h>
#include <thor/memory/swappable.h>
#include <thor/object/account.h>

constexpr uint64_t MEMORY_FILL_PAGES = 8; /* cleared before others have their turn */
constexpr uint64_t MEMORY_GIVE_BACK_PAGES = 64; /* given back */

/* The first physical address that is too high. */
static uint64_t memory_limit_of(uint64_t flags)
{
	uint64_t n_bits = (flags & HEL_ALLOCATE_BITS_MASK) / HEL_ALLOCATE_BITS(1);
	uint64_t limit = (flags & HEL_ALLOCATE_BELOW_4G) != 0 ? GIB(4) : ~(uint64_t)0;

	return n_bits != 0 ? min_u64(limit, (uint64_t)1 << n_bits) : limit;
}

static bool memory_is_allocate_flags(uint64_t flags)
{
	constexpr uint64_t limits = HEL_ALLOCATE_BELOW_4G | HEL_ALLOCATE_BITS_MASK;
	uint64_t n_bits = (flags & HEL_ALLOCATE_BITS_MASK) / HEL_ALLOCATE_BITS(1);

	if (flags == HEL_ALLOCATE_SWAPPABLE) {
		return true;
	}
	if ((flags & ~(HEL_ALLOCATE_CONTIGUOUS | HEL_ALLOCATE_LARGE | limits)) != 0 ||
		(n_bits != 0 && (n_bits <= FRAME_SHIFT || n_bits > MEMORY_PHYS_BITS_MAX))) {
		return false;
	}
	return (flags & HEL_ALLOCATE_CONTIGUOUS) != 0 || (flags & limits) == 0;
}

/* Give a new object one physical run, which memory_fill_slice() makes its pages. */
static int memory_take_run(struct memory *memory, uint64_t flags)
{
	uint64_t n_pages = memory->size_bytes / FRAME_SIZE;
	uint64_t below_phys = memory_limit_of(flags);
	unsigned order = 0;

	while ((uint64_t)1 << order < n_pages) {
		order++;
	}
	int error = account_charge(memory->object.account, ACCOUNT_PAGES, n_pages);

	if (error != 0) {
		return error;
	}
	uint64_t phys = frame_allocate_run(order, below_phys);

	if (phys == 0) {
		memory__uncharge(memory, n_pages);
		return -ERR_NO_MEMORY;
	}
	frame_split_run(phys, order);
	memory->phys = phys;
	memory->n_unfilled = (uint64_t)1 << order;
	return 0;
}

/*
 * Let some of the run's last pages become the object's; those beyond the size go back. An object
 * whose @is_ending gives all back.
 */
static int memory_fill_slice(struct memory *memory, bool is_ending)
{
	uint64_t n_pages = memory->size_bytes / FRAME_SIZE;
	uint64_t n_cleared = 0;

	for (uint64_t i = 0; i < MEMORY_GIVE_BACK_PAGES && n_cleared < MEMORY_FILL_PAGES; i++) {
		if (memory->n_unfilled == 0) {
			return 0;
		}
		uint64_t index = --memory->n_unfilled;
		uint64_t page_phys = memory->phys + index * FRAME_SIZE;

		if (index >= n_pages) {
			frame_unref(page_phys);
			continue;
		}
		if (!is_ending) {
			frame_clear(page_phys);
			n_cleared++;
		}
		if (is_ending || page_tree_set(&memory->pages, index, page_phys) != 0) {
			frame_unref(page_phys);
			memory__uncharge(memory, 1);
			is_ending = true;
		}
	}
	return is_ending ? -ERR_NO_MEMORY : MEMORY_MORE;
}

bool memory__end_filling_slice(struct memory *memory)
{
	if (memory->n_unfilled > 0) {
		(void)memory_fill_slice(memory, true);
	}
	return memory->n_unfilled == 0;
}

static int memory_create_allocated_in(
	uint64_t size_bytes, uint64_t flags, struct memory **out_memory)
{
	bool is_contiguous = (flags & HEL_ALLOCATE_CONTIGUOUS) != 0;

	if (!memory_is_allocate_flags(flags) || !memory__is_size(size_bytes) ||
		(is_contiguous && (size_bytes == 0 || size_bytes > MIB(4)))) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (flags == HEL_ALLOCATE_SWAPPABLE) {
		return swappable__create_memory(size_bytes, out_memory);
	}
	struct memory *memory = memory__create(HEL_MEMORY_ALLOCATED, size_bytes);

	if (memory == NULL) {
		return -ERR_NO_MEMORY;
	}
	memory->uses_large = (flags & HEL_ALLOCATE_LARGE) != 0 ||
		(is_contiguous && size_bytes >= ARCH_LARGE_SIZE);
	if (is_contiguous && memory_take_run(memory, flags) != 0) {
		object_unref(&memory->object);
		return -ERR_NO_MEMORY;
	}
	*out_memory = memory;
	return is_contiguous ? MEMORY_MORE : 0;
}

/**
 * memory_create_allocated_slice() - memory of its own, zero at first
 * @size_bytes: a multiple of the page size; at most 4 MiB and not 0 with HEL_ALLOCATE_CONTIGUOUS
 * @flags: enum hel_allocate_flags; limits of addresses only with HEL_ALLOCATE_CONTIGUOUS
 * @memory: NULL at first; half-made after MEMORY_MORE, dropped and NULL after an error
 *
 * Contiguous memory is cleared in slices.
 * Return: 0, MEMORY_MORE, -ERR_ILLEGAL_ARGS, -ERR_NO_MEMORY.
 */
int memory_create_allocated_slice(uint64_t size_bytes, uint64_t flags, struct memory **memory)
{
	if (*memory == NULL) {
		return memory_create_allocated_in(size_bytes, flags, memory);
	}
	int error = memory_fill_slice(*memory, false);

	if (error < 0) {
		object_unref(&(*memory)->object);
		*memory = NULL;
	}
	return error;
}

/** memory_create_allocated() - memory_create_allocated_slice() to its end */
int memory_create_allocated(uint64_t size_bytes, uint64_t flags, struct memory **out_memory)
{
	struct memory *memory = NULL;
	int error;

	do {
		error = memory_create_allocated_slice(size_bytes, flags, &memory);
	} while (error == MEMORY_MORE);
	if (error == 0) {
		*out_memory = memory;
	}
	return error;
}
