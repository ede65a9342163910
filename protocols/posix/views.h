/* SPDX-License-Identifier: MIT */
/*
 * Views: what a process may look at instead of asking posix.  CONTRACT; docs/internals/views.md.
 *
 * posix maps struct posix_views into the process, read-only. A descriptor may have an entry, which
 * names a view; the view describes the file, and its window shows the file's bytes. An entry
 * differs from all earlier ones of its descriptor, and posix clears it before it changes anything
 * that the view tells or the window shows. So whoever reads does
 *
 *	entry = entries[slot of fd]; look at the view and the window; is the entry the same?
 *
 * and asks posix if not, or if the entry is not the descriptor's. (The generation is not endless:
 * somebody who stops in the middle for 2^27 changes may be misled, about a file of his own.)
 *
 * Who writes does the same, with struct posix_view_times before he looks at the window, and a full
 * barrier before he looks at the entry again: posix takes the times after it has cleared the entry.
 */
#ifndef PROTOCOLS_POSIX_VIEWS_H
#define PROTOCOLS_POSIX_VIEWS_H

#include <abi/hel/hel.h>

/* struct posix_views, and after 64 KiB each view's place for a small window: one page table */
constexpr uint64_t POSIX_VIEWS = 0x7fff4a000000;
constexpr uint64_t POSIX_WINDOW_SMALL = 0x10000;
constexpr uint64_t POSIX_WINDOWS = 0x7fff50000000; /* each view's place for a large window */
constexpr uint64_t POSIX_WINDOW_SIZE = 0x4000000;
constexpr uint32_t POSIX_VIEWS_MAX = 32; /* of one process */
constexpr uint32_t POSIX_VIEW_EVENTS_MAX = 9; /* of an epoll that is shown */
constexpr uint32_t POSIX_VIEW_SLOTS = 512; /* for entries */
/* places for struct fs_direct */
constexpr uint64_t POSIX_DIRECTS = 0x7fffe0000000;
constexpr uint64_t POSIX_DIRECT_PLACE = 0x400000;
constexpr uint32_t POSIX_DIRECTS_MAX = 8; /* of one process */
/* Of a transfer that has no loan yet posix lends so much; what is longer needs another one. */
constexpr uint64_t POSIX_LOAN_MAX = 0x4000000;

enum posix_view_kind : uint8_t {
	POSIX_VIEW_NONE,
	POSIX_VIEW_NULL, /* reads are at the end, writes vanish */
	POSIX_VIEW_ZERO, /* reads are zeros, writes vanish */
	POSIX_VIEW_FILE, /* the window shows the bytes */
	POSIX_VIEW_EPOLL, /* the events that epoll_wait() would report */
	POSIX_VIEW_DIRECT, /* the file server reads and writes: protocols/fs/direct.h */
};

enum posix_view_flags : uint8_t {
	POSIX_VIEW_READ = 1, /* may be read, or waited for, without posix */
	POSIX_VIEW_WRITE = 2, /* a file: within the view's room */
	POSIX_VIEW_NOTE = 4, /* who reads notes when, as who writes does always */
};

/* An entry: kind, enum posix_view_flags, index of the view, 1 + descriptor, generation. */
struct posix_view_name {
	uint32_t fd, index;
	uint64_t generation;
};

static inline uint64_t posix_view_entry(
	enum posix_view_kind kind, uint32_t flags, const struct posix_view_name *name)
{
	return kind | flags << 4 | name->index << 8 | (uint64_t)(name->fd + 1) << 16 |
		name->generation << 37;
}

/* Where the entry of a descriptor is, if it has one. */
static inline uint32_t posix_view_slot(uint32_t fd)
{
	return fd % POSIX_VIEW_SLOTS;
}

static inline bool posix_view_entry_is_of(uint64_t entry, uint32_t fd)
{
	return (entry >> 16 & 0x1fffff) == fd + 1;
}

static inline enum posix_view_kind posix_view_entry_kind(uint64_t entry)
{
	return (enum posix_view_kind)(entry & 0xf);
}

static inline bool posix_view_entry_has(uint64_t entry, uint32_t flags)
{
	return (entry >> 4 & flags) != 0;
}

static inline uint32_t posix_view_entry_index(uint64_t entry)
{
	return entry >> 8 & 0xff;
}

static inline uint64_t posix_view_entry_generation(uint64_t entry)
{
	return entry >> 37;
}

struct posix_view {
	uint64_t stat[18]; /* struct linux_stat */
	union {
		struct { /* POSIX_VIEW_FILE */
			uint64_t size;
			/* where the window is, and which bytes it shows */
			uint64_t window_address, window_offset, window_size;
			/* POSIX_VIEW_WRITE: the part of the file that may be written to */
			uint64_t room_start, room_end;
		};
		struct { /* POSIX_VIEW_EPOLL: all that are ready */
			uint32_t n_events;
			uint8_t events[POSIX_VIEW_EVENTS_MAX][12]; /* struct linux_epoll_event */
		};
		struct { /* POSIX_VIEW_DIRECT */
			uint64_t direct_address; /* of struct fs_direct */
			uint64_t direct_event; /* a descriptor of the process': SIGNAL */
			uint64_t direct_size; /* of the file: bytes */
			uint64_t direct_block; /* what offsets and lengths are multiples of */
		};
	};
};
static_assert(sizeof(struct posix_view) == 256);

/*
 * When the process has used a view last, by the monotonic clock, 0: not at all. posix takes the
 * words, and makes times of the file of them.
 */
struct posix_view_times {
	_Atomic uint64_t written, accessed;
};

struct posix_views {
	_Atomic uint64_t entries[POSIX_VIEW_SLOTS];
	struct posix_view views[POSIX_VIEWS_MAX];
};
static_assert(sizeof(struct posix_views) == 3 * HEL_PAGE_SIZE);
static_assert(sizeof(struct posix_views) <= POSIX_WINDOW_SMALL);

/*
 * A file's position that is lent to the process: a word of posix_process_page.view_positions, which
 * both may change. The low bits are the position, the others the low ones of the entry's
 * generation.
 */
constexpr unsigned POSIX_POSITION_BITS = 41;
constexpr uint64_t POSIX_POSITION_MASK = ((uint64_t)1 << POSIX_POSITION_BITS) - 1;
constexpr uint64_t POSIX_POSITION_NONE = ~(uint64_t)0; /* it is with posix */

static inline uint64_t posix_position(uint64_t generation, uint64_t position)
{
	return generation << POSIX_POSITION_BITS | position;
}

static inline bool posix_position_is_of(uint64_t word, uint64_t generation)
{
	return word != POSIX_POSITION_NONE &&
		((word ^ posix_position(generation, 0)) & ~POSIX_POSITION_MASK) == 0;
}

#endif
