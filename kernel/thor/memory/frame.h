/* SPDX-License-Identifier: MIT */
/*
 * The frame table, for memory/ itself; the rest of thor sees the functions in memory.h.
 *
 * One struct frame of 16 bytes for each page from address 0 to the end of RAM, indexed by page
 * number. Blocks of 8 MiB of it are initialised when the first page in them is taken from the
 * buddy allocator, so booting with much RAM costs no more than booting with little.
 */
#ifndef THOR_MEMORY_FRAME_H
#define THOR_MEMORY_FRAME_H

#include <base/assert.h>
#include <thor/memory/memory.h>

constexpr unsigned FRAME_ORDER_MAX = 11; /* blocks of 2^0 … 2^11 pages: 8 MiB */
constexpr uint64_t FRAME_SIZE = 4096;
constexpr unsigned FRAME_SHIFT = 12;
constexpr uint32_t FRAME_NONE = ~(uint32_t)0; /* no page number */

enum frame_state : uint8_t {
	FRAME_INNER = 0, /* inside a free block or a run, or no RAM */
	FRAME_FREE,  /* first page of a free block of `order` */
	FRAME_USED,  /* a single page: owned (owners > 0) or in a CPU's cache (0) */
	FRAME_RUN,  /* first page of a run of `order` that frame_free_run frees */
	FRAME_SLAB,  /* a slab of the heap; `order` is its size class */
};

struct frame {
	union {
		_Atomic uint32_t owners; /* USED */
		struct {   /* SLAB, guarded by the class's lock */
			uint16_t first_free; /* offset / 16 + 1 of the first free object, 0: none */
			uint16_t n_used;
		} slab;
	};
	uint8_t order;
	enum frame_state state;
	union {
		/* USED by managed memory: see managed-lock.c, guarded by that object */
		uint16_t n_locks;
		/* USED by other memory: see memory-loan.c */
		_Atomic uint16_t n_pins;
	};
	uint32_t next, prev; /* FREE, SLAB: neighbours in a list, page numbers */
};
static_assert(sizeof(struct frame) == 16);

/* A list of frames through next and prev. */
struct frame_list {
	uint32_t first;
};

extern struct frame *frame_table; /* immutable after frame_init */
extern uint64_t frame_count; /* entries of the table */
/* the page of zeros that read faults share; never owned or freed */
extern uint64_t frame_zero_phys;

/** frame_of() - the table's entry for a page of RAM that has been allocated */
static inline struct frame *frame_of(uint64_t phys)
{
	ASSERT(phys >> FRAME_SHIFT < frame_count);
	return &frame_table[phys >> FRAME_SHIFT];
}

/** frame_is_low() - the page cache should give back pages */
bool frame_is_low(void);

/** frame_is_plenty() - it need not any more */
bool frame_is_plenty(void);

/** frame_has_spare() - whether so many pages can be had and enough is left for everybody */
bool frame_has_spare(uint64_t n_pages);

/** frame_large_begin() - have a run for a large page on this CPU; false: there is none to spare */
bool frame_large_begin(void);

/** frame_large_is_ready() - whether there is one, and it is zero */
bool frame_large_is_ready(void);

/**
 * frame_large_clear() - clear some more of the run, which there is
 *
 * Context: no locks, for it takes 9,500 instructions.
 */
void frame_large_clear(void);

/** frame_large_take() - the run, which is ready, as single pages with one owner each */
uint64_t frame_large_take(void);

/** frame_large_drop() - free it; false: there is none */
bool frame_large_drop(void);

/** frame_clear() - fill a page with zeros */
void frame_clear(uint64_t phys);

/** frame_copy() - copy a page */
void frame_copy(uint64_t to_phys, uint64_t from_phys);

/** frame_split_run() - turn a run into 2^order single pages with one owner each */
void frame_split_run(uint64_t phys, unsigned order);

/**
 * frame_is_direct() - whether the direct map has the page as ordinary memory or could have it:
 * RAM or below 4 GiB
 */
bool frame_is_direct(uint64_t phys);

/** frame_list_push() - put a frame at the front of a list */
void frame_list_push(struct frame_list *list, uint32_t index);

/** frame_list_remove() - take a frame off the list it is on */
void frame_list_remove(struct frame_list *list, uint32_t index);

/** frame_ref_owned() - frame_ref() for a page known to be owned: no checks */
static inline void frame_ref_owned(uint64_t phys)
{
	atomic_fetch_add_explicit(
		&frame_table[phys >> FRAME_SHIFT].owners, 1, memory_order_relaxed);
}

/** frame_release() - give back a single page that has no owner any more */
void frame_release(uint32_t index);

/** frame_is_exclusive() - whether an owned page has no owner but the caller */
static inline bool frame_is_exclusive(uint64_t phys)
{
	return atomic_load_explicit(
		       &frame_table[phys >> FRAME_SHIFT].owners, memory_order_acquire) == 1;
}

/** frame_is_single() - whether an allocated page is one that counts owners */
static inline bool frame_is_single(uint64_t phys)
{
	return frame_of(phys)->state == FRAME_USED;
}

/** frame_is_pinned() - whether a device may be writing to a page */
static inline bool frame_is_pinned(uint64_t phys)
{
	return atomic_load_explicit(
		       &frame_table[phys >> FRAME_SHIFT].n_pins, memory_order_relaxed) != 0;
}

/**
 * frame_is_private() - whether a page of a private object is to be written as it is: nobody else
 * owns it but devices
 */
static inline bool frame_is_private(uint64_t phys)
{
	return frame_is_exclusive(phys) || frame_is_pinned(phys);
}

/**
 * frame_pin() - a device may write to a page from now on, which gets one more owner
 *
 * Context: the object whose page it is is locked; if that is a view the page is private. Return:
 * false: too many do.
 */
static inline bool frame_pin(uint64_t phys)
{
	struct frame *frame = &frame_table[phys >> FRAME_SHIFT];

	if (atomic_load_explicit(&frame->n_pins, memory_order_relaxed) == UINT16_MAX) {
		return false;
	}
	frame_ref_owned(phys);
	atomic_fetch_add_explicit(&frame->n_pins, 1, memory_order_relaxed);
	return true;
}

/** frame_unref_owned() - frame_unref() for a page known to be owned: no checks */
static inline void frame_unref_owned(uint64_t phys)
{
	struct frame *frame = &frame_table[phys >> FRAME_SHIFT];

	/* The last owner needs no locked instruction: nobody else can have a count to copy. */
	if (frame_is_exclusive(phys)) {
		atomic_store_explicit(&frame->owners, 0, memory_order_relaxed);
		frame_release((uint32_t)(phys >> FRAME_SHIFT));
	} else if (atomic_fetch_sub_explicit(&frame->owners, 1, memory_order_acq_rel) == 1) {
		frame_release((uint32_t)(phys >> FRAME_SHIFT));
	}
}

/** frame_unpin() - the device is done with it; any context */
static inline void frame_unpin(uint64_t phys)
{
	/* what it has written comes before the page is taken for anybody's */
	atomic_fetch_sub_explicit(
		&frame_table[phys >> FRAME_SHIFT].n_pins, 1, memory_order_release);
	frame_unref_owned(phys);
}

#endif
