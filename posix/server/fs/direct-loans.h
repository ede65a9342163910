/* SPDX-License-Identifier: MIT */
/*
 * Loans of direct transfers (direct-view.h): ranges of the process' memory that its file server
 * may have the disk read and write. protocols/fs/direct.h is the contract of the three,
 * docs/internals/direct.md says why they are right.
 *
 *	               direct_loans_want(): a long transfer that none covers
 *	(none wanted) --------------------------------------------------------> one is WANTED,
 *	     ^  ^                                                                its place empty
 *	     |  |      direct_loans_forget()                                         |
 *	     |  +--------------------------------------------------------------------+
 *	     |         direct_loans_give(), in a task: the server has it, or will not |
 *	     +------------------------------------------------------------------------+
 *
 * The process can write what it is shown of its loans, so what is given is noted here, too. Nothing
 * of a loan stays in posix but that: it is the server's, and goes when that closes its direct
 * transfers.
 */
#ifndef POSIX_FS_DIRECT_LOANS_H
#define POSIX_FS_DIRECT_LOANS_H

#include <base/types.h>
#include <hel/hel-calls.h>
#include <protocols/fs/direct.h>

struct disk_super;

struct direct_loan {
	uint64_t start, end; /* addresses of the process; whole pages */
	uint32_t number; /* 0: none */
};

struct direct_loans {
	struct fs_direct *shared; /* NULL: not begun */
	struct direct_loan given[FS_DIRECT_LOANS]; /* as the server has them */
	struct direct_loan wanted;
	uint32_t last_number;
	uint32_t next_place; /* where one that touches none goes */
	uint32_t n_tried; /* to give, ever */
	bool has_ended; /* no more are given */
};

/* Who lends what, to whom. */
struct direct_lender {
	struct disk_super *disk;
	uint64_t id; /* that open_direct has given */
	hel_handle space;
};

/**
 * direct_loans_begin() - the server takes requests: long ones may bring loans
 * @shared: the memory's first pages; mapped as long as @loans
 */
void direct_loans_begin(struct direct_loans *loans, struct fs_direct *shared);

/**
 * direct_loans_want() - the process has made a transfer without a loan
 * @address: of its memory; this and @size may be anything
 *
 * Return: whether one is wanted, which it was not before: then direct_loans_give() or _forget() has
 * to be called.
 */
bool direct_loans_want(struct direct_loans *loans, uint64_t address, uint64_t size);

/** direct_loans_are_wanted() - whether one has to be given yet */
static inline bool direct_loans_are_wanted(const struct direct_loans *loans)
{
	return loans->wanted.number != 0;
}

/** direct_loans_give() - in a task: give the one that is wanted; who refuses it gets no more */
void direct_loans_give(struct direct_loans *loans, const struct direct_lender *lender);

/** direct_loans_forget() - none is wanted */
void direct_loans_forget(struct direct_loans *loans);

#endif
