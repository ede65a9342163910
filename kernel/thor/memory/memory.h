/* SPDX-License-Identifier: MIT */
/*
 * thor's memory: frames, kernel heap, memory objects, spaces. CONTRACT: what memory/ offers to the
 * rest of thor.
 *
 * Copy-on-write is flat: a private (copy-on-write) memory object owns an array of frames; forking
 * it shares each frame, counted in struct frame, and write-protects both sides; a write to a frame
 * with one owner just makes it writable. There are no chains to collapse. What a copy-on-write
 * object has not got comes from its source (another memory object, at an offset) or is zero.
 *
 * Nothing here waits: every page can be had at once or there is ERR_NO_MEMORY; or, in managed
 * memory, a manager has to bring it: SPACE_PENDING, see page-wait.h.
 */
#ifndef THOR_MEMORY_MEMORY_H
#define THOR_MEMORY_MEMORY_H

#include <abi/boot/boot-info.h>
#include <abi/hel/hel.h>
#include <base/list.h>
#include <base/tree.h>
#include <thor/arch.h>
#include <thor/object/object.h>
#include <thor/spinlock.h>

/* ---- frames: physical pages -------------------------------------------------------- */
void frame_init(const struct boot_info *boot); /* builds the frame table from the memory map */
void frame_reclaim_boot(const struct boot_info *boot); /* frees BOOT_MEMORY_RECLAIM */
uint64_t frame_allocate(void); /* physical address, contents undefined; 0: none */
uint64_t frame_allocate_zeroed(void);
uint64_t frame_allocate_run(
	unsigned order, uint64_t below_phys); /* 2^order pages, naturally aligned; 0: none */
void frame_free_run(uint64_t phys, unsigned order);
void frame_ref(uint64_t phys); /* one more owner of a page */
void frame_unref(uint64_t phys); /* frees at zero */
uint32_t frame_owners(uint64_t phys); /* 0 for pages outside RAM */
uint64_t frame_total_bytes(void);
uint64_t frame_free_bytes(void);
/*
 * Little is left: what remains is for servers and the kernel, so that a program that takes all
 * memory takes only itself down.
 */
bool frame_is_scarce(void);
/* Half of what remains is gone, too: programs may not even take what is about to come back. */
bool frame_is_critical(void);

/* ---- kernel heap: slabs by size class, per-CPU magazines; up to 32 KiB, above that frame runs  */
void *heap_allocate(size_t size); /* zeroed; NULL: no memory */
void *heap_allocate_dirty(size_t size); /* not zeroed, for who writes all of it */
void heap_free(void *pointer); /* accepts NULL */
void heap_free_sized(void *pointer, size_t size); /* quicker; @size as it was allocated */
uint64_t heap_used_bytes(void);

/*
 * Long work is done in slices of less than 10,000 instructions. A function that ends in _slice does
 * one and returns MEMORY_MORE if there is another; @position says where it begins: 0 at first.
 */
constexpr int MEMORY_MORE = 1;

/* ---- memory objects ---------------------------------------------------------------- */
struct space;
struct memory; /* starts with a struct object of HEL_TYPE_MEMORY, see memory/memory-object.h */
int memory_create_allocated_slice(uint64_t size_bytes, uint64_t flags, struct memory **memory);
int memory_create_allocated(uint64_t size_bytes, uint64_t flags, struct memory **out_memory);
int memory_create_physical(
	uint64_t phys, uint64_t size_bytes, enum hel_caching caching, struct memory **out_memory);
/*
 * A private copy-on-write view of source [offset, offset + size); source NULL: anonymous
 * zero-fill.
 */
int memory_create_copy_on_write(
	struct memory *source, uint64_t offset, uint64_t size_bytes, struct memory **out_memory);
int memory_create_copy_on_write_slice(struct memory *source, uint64_t offset, uint64_t size_bytes,
	struct memory **memory, uint64_t *position);
/*
 * Memory over pages that another kernel object owns (queues): phys_of(owner, page_index) gives
 * the frame.
 */
int memory_create_borrowed(struct object *owner, uint64_t size_bytes,
	uint64_t (*phys_of)(struct object *owner, uint64_t page_index), struct memory **out_memory);
/* Memory that stands for a range of another one: see memory-slice.c. */
int memory_create_slice(
	struct memory *memory, uint64_t offset, uint64_t size_bytes, struct memory **out_slice);
/* Memory that stands for a range of a space: see memory-loan.c. */
int memory_create_loan(
	struct space *space, uint64_t address, uint64_t size_bytes, struct memory **out_loan);
/* Indirect memory: slots that show other memory, see memory-indirect.h. */
struct indirect_setting {
	uint64_t slot;
	struct memory *memory; /* borrowed; NULL: the slot is to be empty */
	uint64_t offset, size_bytes; /* of the range in it; page-aligned, at most a slot */
	struct grant *grant; /* that it is under: revoking empties the slot; borrowed; or NULL */
};
int memory_create_indirect(uint64_t n_slots, uint64_t slot_bytes, uint64_t access, uint64_t level,
	struct memory **out_memory);
uint32_t memory_indirect_access(const struct memory *memory);
int memory_set_indirect(struct memory *memory, const struct indirect_setting *setting);
int memory_set_indirect_slice(
	struct memory *memory, const struct indirect_setting *setting, uint64_t *position);
/* Managed memory: see managed.h; both without a descriptor yet, with a reference. */
int memory_create_managed(
	uint64_t size_bytes, struct memory **out_backing, struct memory **out_frontal);
int memory_create_swap(uint64_t size_bytes, struct memory **out_backing); /* see swap.h */
int memory_update(
	struct memory *backing, uint64_t kind, uint64_t offset, uint64_t length, int64_t error);
/* THREAD_WAIT_RESTART: to be called again, after others had their turn. */
int memory_invalidate(struct memory *backing, uint64_t offset, uint64_t length);
int memory_advise(struct memory *frontal, uint64_t advice, uint64_t offset, uint64_t length);
/* Gives up locks that HEL_SUBMIT_LOCK_MEMORY took: managed-lock.c. */
int memory_unlock(struct memory *memory, uint64_t offset, uint64_t length, uint64_t flags);
int memory_resize(struct memory *memory, uint64_t size_bytes);
int memory_resize_slice(struct memory *memory, uint64_t size_bytes);
void memory_get_info(struct memory *memory, struct hel_memory_info *out_info);
/*
 * Copy between a kernel buffer and the object; grows nothing; -ERR_OUT_OF_BOUNDS,
 * -ERR_NO_MEMORY, -ERR_IO; -ERR_FAULT with a page note: a page has to be waited for.
 */
int memory_read(struct memory *memory, uint64_t offset, void *buffer, size_t size);
int memory_write(struct memory *memory, uint64_t offset, const void *buffer, size_t size);
/*
 * The frame of one page, made present (and private, if for_write), with a reference that the
 * caller drops by frame_unref.
 */
int memory_get_frame(struct memory *memory, uint64_t offset, bool for_write, uint64_t *out_phys);

/**
 * memory_get_any_frame() - the same; of the backing of managed memory, too
 *
 * A page of a backing may be dropped while the caller has its frame, which is then the caller's.
 */
MUST_USE int memory_get_any_frame(
	struct memory *memory, uint64_t offset, bool for_write, uint64_t *out_phys);

/**
 * memory_take_lent_frames() - the frames of neighbouring pages of a loan
 * @for_write: a device may write to them until frame_unpin(); else the caller drops owner counts
 * @n_pages: at most so many; how many there are, if there is no error: at least one
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS, -ERR_FAULT (nothing is mapped there, or it may not be accessed
 * so), -ERR_AGAIN (a manager would have to bring it), -ERR_UNSUPPORTED (a page that is not to be
 * lent), -ERR_NO_MEMORY.
 */
MUST_USE int memory_take_lent_frames(struct memory *loan, uint64_t offset, bool for_write,
	uint32_t *n_pages, uint64_t *out_frames);

/* ---- spaces ------------------------------------------------------------------------ */
/*
 * starts with a struct object of HEL_TYPE_SPACE, see memory/space.h; defines .page_table,
 * .active_cpus
 */
int space_create(struct space **out_space);
int space_create_in(struct account *account, struct space **out_space);
/**
 * space_begin_use() / space_end_use() - a thread runs in it, with a reference, or does so no more
 *
 * When it has no threads and no descriptors any more, CPUs that still have it loaded, because they
 * are idle, let go of it. No locks.
 */
void space_begin_use(struct space *space);
void space_end_use(struct space *space);
/** space_let_go() - unload the space that this CPU has loaded if nobody will use it any more */
void space_let_go(void);
/*
 * From now on page faults of this space (and its forks) fail with -ERR_NO_MEMORY when memory is
 * scarce.
 */
void space_limit(struct space *space);
int space_fork(struct space *source, struct space **out_space);
int space_fork_slice(struct account *account, struct space *source, struct space **child);
int space_map(struct space *space, struct memory *memory, const struct hel_map_args *args,
	uint64_t *out_address);
/* What a descriptor of memory allows. */
struct space_permit {
	uint32_t allowed; /* of HEL_MAP_READ, WRITE, EXECUTE: space_protect() gives no more later */
	struct grant *grant; /* that it is under: revoking that unmaps; borrowed; or NULL */
};
int space_map_allowing(struct space *space, struct memory *memory, const struct hel_map_args *args,
	const struct space_permit *permit, uint64_t *out_address);
/* How far a mapping has come that is made in slices. */
struct space_map_progress {
	uint64_t position; /* in bytes */
	struct memory *shared; /* that was made for it; the caller drops it; or NULL */
	uint64_t address; /* where it is */
};
int space_map_slice(struct space *space, struct memory *memory, const struct hel_map_args *args,
	const struct space_permit *permit, struct space_map_progress *progress);
/* Of the mapping at @address: its memory and what a new mapping is to have, both referenced. */
int space_find_source(struct space *space, uint64_t address, struct memory **out_memory,
	struct space_permit *out_permit, struct hel_map_args *out_args);
/*
 * Takes some of the pages out of a large range that is about to be unmapped or discarded; true:
 * call it again, after others had their turn if need be. What space_unmap() finds is then quickly
 * unmapped.
 */
bool space_thin(struct space *space, uint64_t address, uint64_t size_bytes);
int space_unmap_slice(
	struct space *space, uint64_t address, uint64_t size_bytes, uint64_t *position);
int space_unmap(struct space *space, uint64_t address, uint64_t size_bytes); /* holes are fine */
int space_protect(struct space *space, uint64_t address, uint64_t size_bytes,
	uint32_t flags); /* -ERR_NOT_FOUND on holes */
int space_protect_slice(struct space *space, uint64_t address, uint64_t size_bytes, uint32_t flags,
	uint64_t *position);
/* Make the pages of a range present, as accesses would; @flags: enum hel_populate_flags. */
int space_populate_slice(struct space *space, uint64_t address, uint64_t size_bytes, uint64_t flags,
	uint64_t *position);
/* Which pages are there: enum hel_page_state of the first of @n_pages; of how many, 0: no range. */
uint32_t space_pages_slice(
	struct space *space, uint64_t address, uint64_t n_pages, uint8_t *out_states);
constexpr uint32_t SPACE_PAGES_SLICE = 32; /* at most so many */
/* Whether a range may have large pages; @advice: enum hel_space_advice. */
int space_advise_slice(struct space *space, uint64_t address, uint64_t size_bytes, uint64_t advice,
	uint64_t *position);
/* Sets the bits of @mask in the labels of a range to those of @label. */
int space_label_slice(struct space *space, uint64_t address, uint64_t size_bytes, uint64_t mask,
	uint64_t label, uint64_t *position);
int space_discard(struct space *space, uint64_t address,
	uint64_t size_bytes); /* madvise DONTNEED: anonymous pages read zero */
/* Moves mappings (mremap): [from, from+size) to `to`; the pages come along. */
struct space_move_args {
	uint64_t from, size_bytes, to, new_size_bytes;
};
/* How far that is; the business of space-move.c, all 0 at first. */
struct space_move_progress {
	uint64_t position, done, cursor;
};
int space_move_slice(struct space *space, const struct space_move_args *args,
	struct space_move_progress *progress);
int space_move(struct space *space, uint64_t from, uint64_t size_bytes, uint64_t to,
	uint64_t new_size_bytes);
/* The first mapping that ends above `address`; -ERR_NOT_FOUND. */
int space_query_slice(
	struct space *space, uint64_t address, uint64_t *position, struct hel_mapping_info *info);
int space_query(struct space *space, uint64_t address, struct hel_mapping_info *out_info);
/*
 * A fault at address: 0 resolved (page table edited, TLB of this CPU fine), -ERR_FAULT,
 * -ERR_NO_RIGHTS, -ERR_OUT_OF_BOUNDS, -ERR_NO_MEMORY, -ERR_IO; or SPACE_PENDING: the page has to be
 * waited for, it stands in the CPU's note (page-wait.h).
 */
constexpr int SPACE_PENDING = 1;
enum space_access : uint32_t {
	SPACE_ACCESS_READ = 1,
	SPACE_ACCESS_WRITE = 2,
	SPACE_ACCESS_EXECUTE = 4,
	/* besides: the caller tries again, after others had their turn, as often as it takes */
	SPACE_ACCESS_SLICES = 8,
};
int space_fault(struct space *space, uint64_t address, uint32_t access);
/* The same; SPACE_PENDING means that @wait is armed. */
struct page_wait;
int space_fault_wait(
	struct space *space, uint64_t address, uint32_t access, struct page_wait *wait);
/*
 * Copies through the direct map; any space; honours protection. -ERR_FAULT with a page note: a page
 * has to be waited for.
 */
int space_copy_in(struct space *space, void *to, uint64_t from, size_t size);
int space_copy_out(struct space *space, uint64_t to, const void *from, size_t size);
int space_copy_between(
	struct space *to_space, uint64_t to, struct space *from_space, uint64_t from, size_t size);
/*
 * The physical address behind a user word, with a frame reference that the caller drops by
 * frame_unref(). Not a key for futexes: after a fork the page of a private word moves when it is
 * written.
 */
int space_resolve(struct space *space, uint64_t address, uint32_t access, uint64_t *out_phys);
/*
 * What a user word is, wherever its page moves: a memory object (referenced) and an offset.  The
 * key for futexes, the same for all addresses of one word in all spaces.
 */
int space_identify(
	struct space *space, uint64_t address, struct memory **out_memory, uint64_t *out_offset);
/*
 * Make `space` the one whose user half is loaded on this CPU (keeps active_cpus, references).
 * NULL: none.
 */
void space_activate(struct space *space);

#endif
