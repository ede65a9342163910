/* SPDX-License-Identifier: MIT */
/*
 * Direct transfers (O_DIRECT) of a program, without its POSIX server: memory that a file server
 * and one process share.  CONTRACT; docs/internals/direct.md.
 *
 *	struct fs_direct	page 0: what was submitted
 *	slots[64]		page 1: one request each
 *	data			units of 32 KiB, 64 of them: the bytes go through here
 *
 * A process takes as many neighbouring units as its bytes need (`taken`, by compare and
 * exchange); the slot of the first one is the request's. It copies what it writes into the units,
 * fills the slot, sets the state to SUBMITTED and the slot's bit in `submitted`. If `sleeps` was
 * set it exchanges it for 0, and if it was the one it raises bit 0 of the event. Then it waits, by
 * a futex, for the state to be DONE.
 *
 *	FREE --process--> SUBMITTED --server takes its bit, copies it--> DONE --process--> FREE
 *
 * The server sets `sleeps`, looks at `submitted` once more behind a full barrier, and waits for
 * the event. Neither side trusts a word here: the server reads each once, and what it was told
 * wrong it answers with an error; what it has under way in a slot it does not begin again. A
 * process can harm only its own transfers.
 *
 * The memory is contiguous: it cannot be resized, and long transfers need few descriptors.
 *
 * Long transfers need not go through the units. The POSIX server gives the file server *loans*
 * (hel_space_lend): ranges of the process' memory to which the disk may transfer. `loans` tells the
 * process which there are. A request with FS_DIRECT_LOAN names one by its number, and a place in
 * it; it takes one unit for the sake of its slot. Each number is given once, so a loan that was
 * taken back meanwhile is not found: ASK. What the process has mapped there by the time of the
 * transfer is what counts; where the disk may not transfer the answer is an error, and the process
 * tries it through the units.
 *
 * ASK means: not answered here, not begun either; ask the POSIX server.
 *
 * When nothing is served any more, since the POSIX server has closed it or the file server is gone,
 * the POSIX server sets `is_over`, and answers what is SUBMITTED with ASK. Who submits looks at
 * `is_over` behind a full barrier; so he finds it, or his request is found.
 */
#ifndef PROTOCOLS_FS_DIRECT_H
#define PROTOCOLS_FS_DIRECT_H

#include <base/types.h>

constexpr uint32_t FS_DIRECT_SLOTS = 64;
constexpr uint32_t FS_DIRECT_UNIT = 0x8000; /* bytes */
constexpr uint32_t FS_DIRECT_DATA = 0x2000; /* where the first unit begins */
constexpr uint32_t FS_DIRECT_SIZE = FS_DIRECT_DATA + FS_DIRECT_SLOTS * FS_DIRECT_UNIT;
constexpr uint32_t FS_DIRECT_LENGTH_MAX = 0x100000; /* of one request */
constexpr uint32_t FS_DIRECT_LOANS = 16;
constexpr uint32_t FS_DIRECT_LOAN_MIN = 0x10000; /* bytes: what is less is copied */

enum fs_direct_state : uint32_t {
	FS_DIRECT_FREE,
	FS_DIRECT_SUBMITTED,
	FS_DIRECT_DONE,
};

enum fs_direct_flags : uint32_t {
	FS_DIRECT_WRITE = 1,
	FS_DIRECT_LOAN = 2, /* the bytes are in a loan, not in the units */
};

/* More than any -ERR_X and FS_ERROR_X, which are the other errors. */
constexpr int32_t FS_DIRECT_ASK = INT32_MIN;

struct fs_direct_slot {
	uint64_t offset; /* bytes of the file, a multiple of the volume's logical block */
	uint32_t length; /* bytes, likewise; not 0, and no more than the units that begin here, or
			    than LENGTH_MAX in a loan */
	uint32_t flags; /* enum fs_direct_flags */
	_Alignas(16) _Atomic uint32_t state; /* enum fs_direct_state; the futex */
	int32_t error; /* of one that is DONE: 0, or an error, and nothing is known to be there */
	uint32_t n_bytes; /* of one without error: how many were transferred */
	uint32_t loan; /* with FS_DIRECT_LOAN: its number */
	uint64_t loan_offset; /* where in it the bytes are, a multiple of the logical block */
	uint64_t padding[3];
};
static_assert(sizeof(struct fs_direct_slot) == 64);

/* For the process; the file server does not look. A number of 0: none, or it is being changed. */
struct fs_direct_loan {
	uint64_t address, size_bytes; /* of the process; whole pages */
	_Atomic uint32_t number; /* its index is number % FS_DIRECT_LOANS */
	uint32_t reserved;
};

struct fs_direct {
	/* a bit for each slot; the server exchanges it for 0 */
	_Alignas(64) _Atomic uint64_t submitted;
	_Atomic uint32_t sleeps; /* set by the server */
	_Alignas(64) _Atomic uint64_t taken; /* a bit for each unit; the server does not look */
	_Atomic uint32_t is_over; /* set by the POSIX server; the file server does not look */
	/* The rest is written by the POSIX server; the file server does not look. */
	_Alignas(64) _Atomic uint32_t gives_loans; /* asking it for a long transfer may bring one */
	struct fs_direct_loan loans[FS_DIRECT_LOANS];
};
static_assert(sizeof(struct fs_direct) <= 4096);

static inline struct fs_direct_slot *fs_direct_slot(struct fs_direct *direct, uint32_t index)
{
	return (struct fs_direct_slot *)((uint8_t *)direct + 4096) + index;
}

/** fs_direct_unit_offset() - in the memory, of the first byte of a unit */
static inline uint32_t fs_direct_unit_offset(uint32_t index)
{
	return FS_DIRECT_DATA + index * FS_DIRECT_UNIT;
}

/** fs_direct_units() - how many @length bytes need */
static inline uint32_t fs_direct_units(uint32_t length)
{
	return (length + FS_DIRECT_UNIT - 1) / FS_DIRECT_UNIT;
}

#endif
