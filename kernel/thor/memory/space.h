/* SPDX-License-Identifier: MIT */
/*
 * Spaces: address spaces, a set of mappings and a page table.
 *
 * The page table is a cache of what the mappings and their objects say: an entry may be missing
 * or be more restrictive than allowed, never the other way round. So an edit that runs out of
 * memory for tables leaves things to later faults.
 *
 * Two locks: `lock` guards the mappings, `table_lock` the page table. The order is lock ->
 * objects -> table_lock, so an object can reach into all page tables that show it (see
 * memory-object.h). A frame that a present entry points to cannot go away while table_lock is
 * held.
 *
 * `active_cpus` has a bit for each CPU that has loaded the page table; the CPU sets it before
 * loading and clears it after loading another. Such a CPU holds a reference. What other CPUs
 * remember of the space is right if they know its stamp: see asid.h.
 */
#ifndef THOR_MEMORY_SPACE_H
#define THOR_MEMORY_SPACE_H

#include <thor/memory/frame.h>
#include <thor/memory/mapping.h>
#include <thor/memory/shootdown.h>

struct space {
	struct object object;
	uint32_t asid; /* immutable */
	_Atomic uint64_t stamp; /* see asid.h */
	_Atomic uint64_t active_cpus;
	_Atomic uint32_t n_users; /* its threads, and one until nothing names it any more */
	_Atomic bool is_abandoned; /* that one has gone */
	/* Bounced threads run here: their memory may not use the reserve, see frame_is_scarce(). */
	_Atomic bool is_limited;
	_Atomic bool has_swappable; /* swappable memory is or was mapped */

	/* guarded by lock */
	struct spinlock lock;
	struct mapping_set mappings;
	uint64_t n_moves; /* of mappings to other addresses: forks that are under way begin again */

	struct space_fork *fork; /* of a child that is being made: owner: whoever makes it */

	/* guarded by table_lock */
	struct spinlock table_lock;
	struct arch_page_table page_table;
};

constexpr uint32_t SHOOTDOWN_FRAMES_MAX = 128;

/** space__hide() - remove the page-table entries of a range, from below (see memory-object.h) */
void space__hide(struct space *space, uint64_t address, uint64_t end);
/** space__write_protect() - take write access away from the entries of a range */
void space__write_protect(struct space *space, uint64_t address, uint64_t end);

/*
 * Translations to be forgotten and pages that have lost an owner, of one space. Pages are added
 * after their entries were removed; the counts are dropped when no TLB can have them.
 */
struct shootdown_batch {
	struct shootdown_request request;
	uint32_t n_frames;
	uint64_t frames[SHOOTDOWN_FRAMES_MAX];
};

/** shootdown_batch_init() - nothing to do yet */
void shootdown_batch_init(struct shootdown_batch *batch, struct space *space);
/** shootdown_batch_add() - the translation of @address has to go */
void shootdown_batch_add(struct shootdown_batch *batch, uint64_t address);
/** shootdown_batch_unref() - drop an object's count of a page after the flush; may flush at once */
void shootdown_batch_unref(struct shootdown_batch *batch, uint64_t phys);
/** shootdown_batch_flush() - do it all; the batch is empty again */
void shootdown_batch_flush(struct shootdown_batch *batch);

/*
 * A change of mappings: lock, split at the borders (which may fail and alters nothing that user
 * mode can see), allocate whatever is new, and only then change. What was removed is freed when
 * the space is unlocked.
 */
struct space_edit {
	struct space *space;
	struct list retired; /* removed mappings: struct mapping.retired_node */
	bool has_granted; /* some of them are uses of grants */
	struct shootdown_batch batch;
};

/** space__edit_begin() - lock the space and begin a change */
void space__edit_begin(struct space_edit *edit, struct space *space);
/** space__edit_end() - flush, unlock, free what was removed */
void space__edit_end(struct space_edit *edit);
/** space__split() - make @address a border if it is inside a mapping; -ERR_NO_MEMORY */
MUST_USE int space__split(struct space_edit *edit, uint64_t address);
/** space__remove_range() - unmap [@address, @end); both are borders already */
void space__remove_range(struct space_edit *edit, uint64_t address, uint64_t end);
/** space__create_mapping() - a zeroed mapping that the space's account pays for; NULL: no memory */
struct mapping *space__create_mapping(struct space *space);
/** space__free_mapping() - the same in reverse */
void space__free_mapping(struct space *space, struct mapping *mapping);
/** space__attach() - put a mapping, filled in, into its space and its memory's list */
void space__attach(struct space *space, struct mapping *mapping);
/**
 * space__attach_locked() - the same while the memory that it comes from is locked: its own, or
 * its copy's
 */
void space__attach_locked(struct space *space, struct mapping *mapping);
/** space__trim() - free the page tables of a range in which nothing is mapped any more */
void space__trim(struct space_edit *edit, uint64_t address, uint64_t end);
/** space__try_merge() - join @mapping with the one above it if they are one thing */
void space__try_merge(struct space_edit *edit, struct mapping *mapping);
/** space__is_range() - whether a range from user mode is aligned, not empty and in the user half */
bool space__is_range(uint64_t address, uint64_t size_bytes);
/**
 * space__clear_entries() - remove the page-table entries of a range and note them; table_lock
 * held
 */
void space__clear_entries(struct shootdown_batch *batch, uint64_t address, uint64_t end);
/**
 * space__settle() - flush what was cleared or restricted in a mapping of @memory, before that is
 * unlocked
 *
 * Whoever takes pages away from an object locks that, not the space, and takes a page that is in no
 * page table, or read-only there, for one that no TLB has otherwise. Of private anonymous memory
 * pages go only with the space locked: those may be flushed at the end of the change.
 */
static inline void space__settle(struct shootdown_batch *batch, const struct memory *memory)
{
	if (!memory->is_anonymous || unlikely(memory->swappable != NULL)) {
		shootdown_batch_flush(batch);
	}
}
/** space__entry_end() - where a present page, or the large page that it is part of, ends */
static inline uint64_t space__entry_end(const struct arch_page_entry *entry, uint64_t address)
{
	return unlikely(entry->is_large) ? align_down(address, ARCH_LARGE_SIZE) + ARCH_LARGE_SIZE
					 : address + FRAME_SIZE;
}
/**
 * space__bound_entries() - the end of the part of [@address, @end) with so many present pages
 * @n_entries: not 0; less those that are in the part, and more if they are far apart
 */
uint64_t space__bound_entries(
	struct space *space, uint64_t address, uint64_t end, uint32_t *n_entries);
/**
 * space__bound_kept() - the end of a part of [@address, @end) in which anonymous memory has not too
 * many pages to be dropped in a slice, if only few mappings are there
 */
uint64_t space__bound_kept(struct space *space, uint64_t address, uint64_t end);
/**
 * space__end_fork_slice() - forget some of what is kept for making a child, which is complete or
 * goes; whether that was all
 */
bool space__end_fork_slice(struct space *child);
/** What came of a fault in a mapping that may have large pages */
enum space_large : uint32_t {
	SPACE_LARGE_NONE, /* nothing: it gets a page */
	SPACE_LARGE_ENTERED,
	SPACE_LARGE_LATER, /* after frame_large_clear() and another try */
};

/**
 * space__fault_large() - resolve a fault by a large page; the memory is locked
 * @access: of enum space_access; -_SLICES: the caller tries again after SPACE_LARGE_LATER
 */
enum space_large space__fault_large(
	struct shootdown_batch *batch, struct mapping *mapping, uint64_t address, uint32_t access);

/** space__entry_flags() - what the page-table entries of a mapping may say at most */
uint32_t space__entry_flags(const struct mapping *mapping);
/** space__create_use() - of a grant for a mapping that knows its space; -ERR_NO_MEMORY */
MUST_USE int space__create_use(struct mapping *mapping, struct grant *grant);
/**
 * space__cut_mapping() - remove a mapping, or the lower part of it with so many present pages
 * @n_entries: not 0; less those that were
 *
 * It needs no memory. Return: whether it is gone.
 */
bool space__cut_mapping(struct space_edit *edit, struct mapping *mapping, uint32_t *n_entries);
/** space__discard_pages() - drop the private pages of a part of a mapping whose memory is locked */
void space__discard_pages(
	struct shootdown_batch *batch, struct mapping *mapping, uint64_t address, uint64_t end);

#endif
