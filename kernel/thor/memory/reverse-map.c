/* SPDX-License-Identifier: MIT */
/*
 * From the pages of a memory object to the page tables that show them: through its mappings, and
 * those of the indirect memory in which it is.
 */
#include <thor/memory/memory-indirect.h>
#include <thor/memory/space.h>

void memory__visit_as(const struct memory *memory, uint64_t index, uint64_t end, uint64_t shift,
	const struct memory_visitor *visitor)
{
	LIST_FOR_EACH(mapping, &memory->mappings, struct mapping, memory_node) {
		uint64_t begin = mapping->offset / FRAME_SIZE;
		uint64_t first = max_u64(index, begin);
		uint64_t last = min_u64(end, begin + mapping->size_bytes / FRAME_SIZE);

		if (first < last) {
			const struct memory_part part = {
				.mapping = mapping,
				.address = mapping->address + (first - begin) * FRAME_SIZE,
				.end = mapping->address + (last - begin) * FRAME_SIZE,
				.index = first + shift,
			};

			visitor->visit(visitor->context, &part);
		}
	}
	if (unlikely(!list_is_empty(&memory->windows))) {
		indirect__visit_windows(memory, index, end, shift, visitor);
	}
}

void memory__visit(const struct memory *memory, uint64_t index, uint64_t end, memory_visit_fn visit,
	void *context)
{
	const struct memory_visitor visitor = { .visit = visit, .context = context };

	memory__visit_as(memory, index, end, 0, &visitor);
}

static void memory_hide_part(void *except, const struct memory_part *part)
{
	if (part->mapping != except) {
		space__hide(part->mapping->space, part->address, part->end);
	}
}

void memory__hide(struct memory *memory, uint64_t index, uint64_t end, const struct mapping *except)
{
	if (memory->is_anonymous && except != NULL) {
		return; /* no two mappings of it show the same page */
	}
	memory__visit(memory, index, end, memory_hide_part, (void *)except);
}

static void memory_bound_part(void *context, const struct memory_part *part)
{
	uint64_t *end = context;
	uint32_t n_entries = memory__slice_pages;
	uint64_t part_end =
		space__bound_entries(part->mapping->space, part->address, part->end, &n_entries);

	if (part_end < part->end) {
		*end = min_u64(*end, part->index + (part_end - part->address) / FRAME_SIZE);
	}
}

uint64_t memory__bound(const struct memory *memory, uint64_t index, uint64_t end)
{
	uint64_t bound = end;

	memory__visit(memory, index, end, memory_bound_part, &bound);
	return bound;
}

static void memory_protect_part(UNUSED void *context, const struct memory_part *part)
{
	if ((part->mapping->flags & HEL_MAP_WRITE) != 0) {
		space__write_protect(part->mapping->space, part->address, part->end);
	}
}

void memory__write_protect(const struct memory *memory, uint64_t index, uint64_t end)
{
	memory__visit(memory, index, end, memory_protect_part, NULL);
}

/* Whether a page was used. */
struct memory_use {
	uint64_t phys;
	bool is_used;
};

static void memory_take_accessed_in(void *context, const struct memory_part *part)
{
	struct memory_use *use = context;
	struct space *space = part->mapping->space;

	spinlock_acquire(&space->table_lock);
	struct arch_page_entry entry = arch_page_take_accessed(&space->page_table, part->address);

	spinlock_release(&space->table_lock);
	use->is_used = use->is_used || (entry.is_accessed && entry.phys == use->phys);
}

bool memory__take_accessed(const struct memory *memory, uint64_t index, uint64_t phys)
{
	struct memory_use use = { .phys = phys };

	memory__visit(memory, index, index + 1, memory_take_accessed_in, &use);
	return use.is_used;
}

/* The views of an object forget some of its pages; their own pages fault in again. */
void memory__hide_in_views(struct memory *memory, uint64_t index, uint64_t end)
{
	LIST_FOR_EACH(view, &memory->views, struct memory, view_node) {
		uint64_t first = view->source_offset / FRAME_SIZE;

		if (end <= first) {
			continue;
		}
		spinlock_acquire(&view->lock);
		memory__hide(view, index > first ? index - first : 0, end - first, NULL);
		spinlock_release(&view->lock);
	}
}
