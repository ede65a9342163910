/* SPDX-License-Identifier: MIT */
/*
 * Managed memory: which pages are in use.
 *
 * The clock with two lists, inactive and active, without the lists: each object has a hand that
 * goes round its pages, and each page a count of 0 to 2 in its entry. At each look the count goes
 * up if the page was used since the last one (a fault, or the accessed bit of a page table), and
 * down if not; a page that is at 0 already and was not used is dropped. So what was used once, as
 * by somebody who reads a file from start to end, goes before what is used again and again. (A
 * page that is at 2 is what others call active.)
 *
 * Dirty pages are not dropped; one that should be makes its object write back.
 */
#include <thor/memory/managed.h>

#include <thor/memory/page-cache.h>
#include <thor/memory/space.h>

constexpr uint64_t MANAGED_AGE_END = MEMORY_SIZE_MAX / FRAME_SIZE;

/* Pages in a row that are to be dropped. */
struct managed_run {
	uint64_t first, end;
};

static bool managed_take_accessed(const struct managed *managed, uint64_t index, uint64_t phys)
{
	bool is_used = false;

	LIST_FOR_EACH(view, &managed->backing->views, struct memory, view_node) {
		uint64_t first = view->source_offset / FRAME_SIZE;

		if (index >= first) {
			spinlock_acquire(&view->lock);
			is_used |= memory__take_accessed(view, index - first, phys);
			spinlock_release(&view->lock);
		}
	}
	return is_used;
}

/* Note whether a page was used; true: it was not for so long that it should go. */
static bool managed_look(const struct managed *managed, uint64_t index, uint64_t *slot)
{
	bool is_used = managed_take_accessed(managed, index, managed_phys_of(*slot)) ||
		(*slot & MANAGED_REFERENCED) != 0;
	uint64_t use = *slot & MANAGED_USE_MASK;

	*slot &= ~(MANAGED_REFERENCED | MANAGED_USE_MASK);
	if (is_used) {
		*slot |= min_u64(use + MANAGED_USE_ONE, MANAGED_USE_MAX);
	} else if (use > 0) {
		*slot |= use - MANAGED_USE_ONE;
	}
	return !is_used && use == 0;
}

static uint64_t managed_evict(struct managed *managed, struct managed_run *run)
{
	uint64_t n_before = managed->n_resident;

	if (run->first < run->end) {
		managed__hide(managed, run->first, run->end);
		managed__drop(managed, run->first, run->end);
	}
	run->first = run->end;
	return n_before - managed->n_resident;
}

uint64_t managed__age(struct managed *managed, uint64_t n_pages, uint64_t *out_evicted)
{
	const struct page_tree *pages = &managed->backing->pages;
	struct managed_run run = {};
	uint64_t n_looked = 0;
	uint64_t index = managed->cache.hand;
	uint64_t entry;

	*out_evicted = 0;
	for (; n_looked < n_pages; n_looked++) {
		if (!page_tree_next(pages, index, MANAGED_AGE_END, &index, &entry)) {
			index = 0;
			break;
		}
		bool should_go = managed_look(managed, index, page_tree_slot(pages, index));

		if (should_go && managed__is_evictable(managed, entry)) {
			if (run.end != index) {
				*out_evicted += managed_evict(managed, &run);
				run.first = index;
			}
			run.end = index + 1;
		} else if (should_go && managed_state_of(entry) == MANAGED_DIRTY &&
			!managed->is_write_wanted) {
			managed__want_write(managed);
		}
		index++;
	}
	*out_evicted += managed_evict(managed, &run);
	managed->cache.hand = index;
	return n_looked;
}
