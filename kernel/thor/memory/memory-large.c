/* SPDX-License-Identifier: MIT */
/*
 * Memory objects and large pages.
 *
 * An object keeps pages, 512 entries of its tree each with its owner, whether a page table shows
 * them by one large entry or not. So nothing that happens to a page of an object needs to know:
 * only page tables have large entries, and these may be made wherever there is a *window* of pages
 * in a row that may all be shown alike, and be split or dropped at any time.
 */
#include <thor/memory/memory-object.h>

#include <thor/memory/frame.h>
#include <thor/object/account.h>

/* Whether a view, which has those pages, is the only owner of each. */
static bool memory_is_exclusive_run(uint64_t phys)
{
	for (uint32_t i = 0; i < ARCH_LARGE_PAGES; i++) {
		if (!frame_is_exclusive(phys + i * FRAME_SIZE)) {
			return false;
		}
	}
	return true;
}

static bool memory_has_window(const struct memory *memory, uint64_t index)
{
	uint64_t n_pages = memory->size_bytes / FRAME_SIZE;

	return index < n_pages && ARCH_LARGE_PAGES <= n_pages - index;
}

/* The address of a page that an object has from the start, or in its tree; 0: neither. */
static uint64_t memory_page_at(const struct memory *memory, uint64_t index)
{
	switch (memory->kind) {
	case HEL_MEMORY_PHYSICAL: return memory->phys + index * FRAME_SIZE;
	case HEL_MEMORY_ALLOCATED:
	case HEL_MEMORY_COPY_ON_WRITE: return page_tree_get(&memory->pages, index);
	default: return 0;
	}
}

uint64_t memory__find_large(const struct memory *memory, uint64_t index)
{
	uint64_t phys = memory_has_window(memory, index) ? memory_page_at(memory, index) : 0;

	if (phys == 0 || !is_aligned(phys, ARCH_LARGE_SIZE) || memory->swappable != NULL) {
		return 0;
	}
	if (memory->kind == HEL_MEMORY_PHYSICAL) {
		return phys;
	}
	if (memory->kind == HEL_MEMORY_COPY_ON_WRITE && !frame_is_exclusive(phys)) {
		return 0; /* most likely so are the others */
	}
	if (page_tree_find_run(&memory->pages, index, ARCH_LARGE_PAGES, FRAME_SIZE) == 0) {
		return 0;
	}
	return memory->kind == HEL_MEMORY_ALLOCATED || memory_is_exclusive_run(phys) ? phys : 0;
}

bool memory__wants_large(const struct memory *memory, uint64_t index, bool for_write)
{
	bool is_filled = memory->kind == HEL_MEMORY_ALLOCATED ||
		(memory->kind == HEL_MEMORY_COPY_ON_WRITE && memory__is_of_zeros(memory) &&
			for_write);
	uint64_t at, phys;

	return is_filled && memory->swappable == NULL && memory_has_window(memory, index) &&
		!page_tree_next(&memory->pages, index, index + ARCH_LARGE_PAGES, &at, &phys);
}

uint64_t memory__fill_large(struct memory *memory, uint64_t index)
{
	if (account_charge(memory->object.account, ACCOUNT_PAGES, ARCH_LARGE_PAGES) != 0) {
		return 0;
	}
	uint64_t phys = frame_large_take();

	if (page_tree_set_run(&memory->pages, index, ARCH_LARGE_PAGES, phys, FRAME_SIZE) == 0) {
		return phys;
	}
	for (uint32_t i = 0; i < ARCH_LARGE_PAGES; i++) {
		frame_unref_owned(phys + i * FRAME_SIZE);
	}
	memory__uncharge(memory, ARCH_LARGE_PAGES);
	return 0;
}
