/* SPDX-License-Identifier: MIT */
/*
 * Memory objects: what can be mapped.
 *
 *	ALLOCATED	own pages, zero-filled on demand, or all there from the start
 *	PHYSICAL	a range of physical addresses, owned by nobody
 *	COPY_ON_WRITE	own pages where something was written, else those of `source`, else zeros
 *	QUEUE		borrowed: the pages of another kernel object
 *	BACKING		own pages, which a manager fills: see managed.h
 *	MANAGED		the pages of `source`, a BACKING
 *	SLICE		no pages: stands for a range of `shown`, see memory-slice.c
 *	INDIRECT	no pages: slots that show ranges of other memory, see memory-indirect.h
 *	LOAN		no pages: stands for a range of a space, see memory-loan.c
 *
 * A copy-on-write object ("view") has a source that is no view itself: a view of a view is a
 * fork of it. The pages that it shows of its source are the source's: it owns no count of them.
 * Of physical memory it only knows the addresses, for that never changes or goes: `source` is NULL,
 * and no lock but its own is needed.
 *
 * *Anonymous* views are made by space_map and exist in one space only. The offset of a page in
 * one equals its address in the space, always; so any two neighbouring mappings of it can be
 * merged, and no two mappings show the same page. Their size is the whole of user space.
 *
 * Reverse map: an object lists its mappings and the windows of indirect memory that show it, a
 * source its views. Whoever takes a page away from an object removes it from the page tables of all
 * mappings first (memory__hide).
 *
 * Locks: space -> source object -> view -> indirect memory -> page table. A mapping's range,
 * offset and memory change only with its space *and* its memory locked, so either suffices for
 * reading.
 */
#ifndef THOR_MEMORY_MEMORY_OBJECT_H
#define THOR_MEMORY_MEMORY_OBJECT_H

#include <thor/memory/memory.h>
#include <thor/memory/page-tree.h>

struct indirect;
struct managed;
struct mapping;
struct shootdown_batch;
struct swappable;

/*
 * So many pages, or entries of page tables, are handled in one slice of long work (memory.h). Only
 * tests change it.
 */
extern uint32_t memory__slice_pages;

constexpr uint64_t MEMORY_SIZE_MAX = (uint64_t)1 << 60;
constexpr uint64_t MEMORY_PHYS_BITS_MAX = 52;

struct memory {
	struct object object;

	/* immutable */
	enum hel_memory_kind kind; /* whose account pays for the pages, too: object.account */
	uint32_t page_flags;  /* ARCH_PAGE_UNCACHED, ARCH_PAGE_WRITE_COMBINE or 0 */
	bool is_anonymous;
	bool uses_large; /* mappings of it do, even if they were not asked to */
	/* COPY_ON_WRITE: referenced, ALLOCATED or BACKING, or NULL; MANAGED: referenced, BACKING */
	struct memory *source;
	uint64_t source_offset, source_size;
	/* PHYSICAL, and views of such; of the run that ALLOCATED memory is made of */
	uint64_t phys;
	uint64_t n_unfilled; /* of that run: its first pages that are not the object's yet */
	struct object *owner; /* QUEUE; LOAN: the space; referenced */
	uint64_t (*phys_of)(struct object *owner, uint64_t page_index);
	struct memory *shown; /* SLICE: with a handle reference; not a slice */
	uint64_t shown_offset;
	uint64_t lent_address; /* LOAN: in the space */
	/* COPY_ON_WRITE: a fork that has got copies of pages that devices may be writing to */
	bool is_apart;

	/* guarded by lock */
	struct spinlock lock;
	uint64_t size_bytes;
	bool is_cutting; /* COPY_ON_WRITE: it has become smaller, and page tables may still … */
	uint32_t n_writable; /* of its mappings: they may be written, or be made so */
	uint64_t cut_index; /* … have what it showed of its source beyond, from here on */
	/* ALLOCATED, COPY_ON_WRITE: physical addresses; BACKING: entries of managed.h */
	struct page_tree pages;
	struct managed *managed; /* BACKING; immutable */
	struct indirect *indirect; /* INDIRECT; immutable */
	struct swappable
		*swappable; /* COPY_ON_WRITE whose pages may be out: swappable.h; immutable */
	struct list mappings; /* struct mapping.memory_node */
	struct list windows; /* struct indirect_window.node: where else it is shown */
	struct list views; /* struct memory.view_node; ALLOCATED, BACKING */
	struct list forks; /* copies for children that are being made: see space-fork.c */

	struct list_node view_node; /* guarded by source->lock */
};

/* One page as memory__get_page() found or made it. */
struct memory_page {
	uint64_t phys;
	bool can_write; /* the page may be mapped writable */
	/* a copy of what was visible so far, which may still be mapped somewhere */
	bool is_changed;
	/* the page it took the place of: to be unreferenced once no TLB has it; or 0 */
	uint64_t replaced;
};

/**
 * memory__lock() - lock an object and, before it, its source
 *
 * Context: a space's lock may be held, no object's.
 */
void memory__lock(struct memory *memory);
void memory__unlock(struct memory *memory);

/**
 * memory__get_page() - the page at an index, made present, and private if @for_write
 * @memory: locked by memory__lock(); not indirect
 * @index: below the object's size in pages, else -ERR_OUT_OF_BOUNDS
 *
 * If is_changed comes back the caller hides the old page in all (other) mappings: memory__hide().
 * Return: 0, -ERR_NO_MEMORY; or SPACE_PENDING, -ERR_IO as said in managed.h.
 */
MUST_USE int memory__get_page(
	struct memory *memory, uint64_t index, bool for_write, struct memory_page *out_page);

/* A part of a mapping that shows pages of an object, perhaps through indirect memory. */
struct memory_part {
	struct mapping *mapping;
	uint64_t address, end; /* in its space */
	uint64_t index; /* of the page at `address` in the object that was asked about */
};

/** memory_visit_fn - all that @part says may be read; page tables may be locked, nothing else */
typedef void (*memory_visit_fn)(void *context, const struct memory_part *part);

/**
 * memory__visit() - the parts of mappings that show the pages of [@index, @end) of an object, which
 * is locked
 */
void memory__visit(const struct memory *memory, uint64_t index, uint64_t end, memory_visit_fn visit,
	void *context);

struct memory_visitor {
	memory_visit_fn visit;
	void *context;
};

/** memory__visit_as() - the same, saying indices that are more by @shift */
void memory__visit_as(const struct memory *memory, uint64_t index, uint64_t end, uint64_t shift,
	const struct memory_visitor *visitor);

/**
 * memory__hide() - remove the pages of [@index, @end) from the page tables of all mappings of
 * the object
 * @memory: locked by memory__lock()
 * @except: a mapping to leave alone, or NULL
 *
 * Returns when no TLB has them any more.
 */
void memory__hide(
	struct memory *memory, uint64_t index, uint64_t end, const struct mapping *except);

/**
 * memory__bound() - the end of a part of [@index, @end), not empty, of which no mapping has more
 * pages in its page table than a slice of long work may handle; the object is locked
 */
uint64_t memory__bound(const struct memory *memory, uint64_t index, uint64_t end);

/** memory__write_protect() - take write access to [@index, @end) away in all mappings, likewise */
void memory__write_protect(const struct memory *memory, uint64_t index, uint64_t end);

/**
 * memory__hide_in_views() - hide the pages of [@index, @end) in all views of a source, which is
 * locked
 */
void memory__hide_in_views(struct memory *memory, uint64_t index, uint64_t end);

/**
 * memory__fork_begin() - an object that is to be a copy-on-write copy of a part of another
 * @memory: locked by memory__lock(); memory_is_forkable()
 * @account: pays for the copy, and the pages in it
 *
 * Of allocated and managed memory it is a view, and complete. A copy of a view has its source and
 * size already; it gets its pages by memory__fork_pages().
 * Return: 0 or -ERR_NO_MEMORY.
 */
MUST_USE int memory__fork_begin(struct memory *memory, struct account *account, uint64_t offset,
	uint64_t size_bytes, struct memory **out_copy);

/**
 * memory__fork_pages() - let a copy share the pages of a view
 * @memory: locked by memory__lock()
 * @copy: not mapped where these pages are
 * @shift: what a page has as its index in @copy is less by this
 * @index: the first; where it ended
 * @n_pages: at most so many; less those that were shared
 *
 * Unless the memory is anonymous write access to the pages is taken away in all its mappings; else
 * that is for the caller to do.
 * Return: 0: all below @end; MEMORY_MORE: @n_pages is used up; -ERR_NO_MEMORY.
 */
MUST_USE int memory__fork_pages(struct memory *memory, struct memory *copy, uint64_t shift,
	uint64_t *index, uint64_t end, uint32_t *n_pages);

/** memory__is_size() - whether an object may be so large */
static inline bool memory__is_size(uint64_t size_bytes)
{
	return is_aligned(size_bytes, HEL_PAGE_SIZE) && size_bytes <= MEMORY_SIZE_MAX;
}

/**
 * memory__end_filling_slice() - for an object that goes: give back some of the run that it was to
 * be made of; whether that was all
 */
bool memory__end_filling_slice(struct memory *memory);

/** memory__is_of_zeros() - whether a view shows zeros wherever it has no page of its own */
static inline bool memory__is_of_zeros(const struct memory *memory)
{
	return memory->source == NULL && memory->source_size == 0;
}

/** memory__physical_pages() - so many pages are there even if they are not its own: from 0 on */
static inline uint64_t memory__physical_pages(const struct memory *memory)
{
	return memory->kind == HEL_MEMORY_COPY_ON_WRITE && memory->source == NULL
		? memory->source_size / HEL_PAGE_SIZE
		: 0;
}

/**
 * memory__find_large() - the address of a window of pages that one large entry may show, for
 * writing if the mapping allows that
 * @memory: locked by memory__lock()
 * @index: of the first of ARCH_LARGE_PAGES pages
 *
 * Return: 0: some are missing, not in a row, shared by copies, or not such memory.
 */
uint64_t memory__find_large(const struct memory *memory, uint64_t index);

/** memory__wants_large() - whether a window is empty, and may be filled with zeros at once */
bool memory__wants_large(const struct memory *memory, uint64_t index, bool for_write);

/** memory__fill_large() - do that, with the CPU's run, which is ready; its address, 0: no memory */
uint64_t memory__fill_large(struct memory *memory, uint64_t index);

/** memory__create() - an object of a kind, empty, with a reference; NULL: no memory */
struct memory *memory__create(enum hel_memory_kind kind, uint64_t size_bytes);

/**
 * memory__resolve() - what a range of a slice is a range of; nothing happens to other memory
 * @memory, @offset: of the range; become those of what the slice shows
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS.
 */
MUST_USE int memory__resolve(struct memory **memory, uint64_t *offset, uint64_t size_bytes);

/** memory__transfer_loan() - memory_read() and memory_write() of a range inside a loan */
MUST_USE int memory__transfer_loan(
	struct memory *loan, uint64_t offset, void *buffer, size_t size, bool is_write);

/** memory__take_accessed() - whether a page was used through a mapping; page tables forget it */
bool memory__take_accessed(const struct memory *memory, uint64_t index, uint64_t phys);

/**
 * memory__create_anonymous() - a view without source of all of user space; if @is_swappable it is
 * held, and to be published
 */
MUST_USE int memory__create_anonymous(
	struct account *account, bool is_swappable, struct memory **out_memory);

/** memory__create_shared() - allocated memory, empty at first; -ERR_ILLEGAL_ARGS, -ERR_NO_MEMORY */
MUST_USE int memory__create_shared(
	struct account *account, uint64_t size_bytes, struct memory **out_memory);

/** memory__charge() - @n_pages are to come into the object's tree. Return: 0, -ERR_NO_MEMORY. */
MUST_USE int memory__charge(struct memory *memory, uint64_t n_pages);

/** memory__uncharge() - @n_pages have left the object's tree */
void memory__uncharge(struct memory *memory, uint64_t n_pages);

/** memory_is_forkable() - whether HEL_MAP_FORK_COPY can copy its contents: else it is shared */
bool memory_is_forkable(const struct memory *memory);

#endif
