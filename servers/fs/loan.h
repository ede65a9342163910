/* SPDX-License-Identifier: MIT */
/*
 * Loans (hel_space_lend): ranges of a process' memory that its direct transfers may name, by number
 * (protocols/fs/direct.h).
 *
 *	             lend                nobody uses the old one, the new one is attached
 *	NONE, LENT --------> CHANGING ---------------------------------------------------> LENT
 *	                        |          without a new one, or it cannot be had
 *	                        +--------------------------------------------------------> NONE
 *
 * A transfer uses a loan from the moment when it was found until the disk has answered, so what it
 * names stays attached. One that is CHANGING is not found, so its users become fewer; they are
 * bounded by the disk, and so is the wait.
 *
 * A loan cannot be mapped, nor is it kept mapped for the device: each request is about what the
 * process has there by then. Whatever that is, the worst is an error of that request.
 */
#ifndef FS_LOAN_H
#define FS_LOAN_H

#include "io.h"

#include <async/sync.h>
#include <protocols/fs/direct.h>

struct loan {
	uint32_t number; /* 0: it is not to be found: none, or CHANGING */
	bool is_changing;
	uint32_t n_users;        /* transfers under way */
	struct io_memory memory; /* handle HEL_NULL: none */
	uint64_t size_bytes;
};

/* All of one process, by index. */
struct loans {
	struct io *io;
	struct loan loans[FS_DIRECT_LOANS];
	uint32_t n_changing;
	bool is_closing;
	struct wait_queue changed; /* one has been changed, or can be */
};

/** loans_init() - of a process that has none; @io is borrowed until loans_close() */
void loans_init(struct loans *loans, struct io *io);

/** loans_find() - the loan of a number that a process says, or NULL */
struct loan *loans_find(struct loans *loans, uint32_t number);

/** loan_has() - whether a range is inside */
static inline bool loan_has(const struct loan *loan, uint64_t offset, uint64_t length)
{
	return length <= loan->size_bytes && offset <= loan->size_bytes - length;
}

/** loan_get() - a transfer of it is under way until loan_put() */
static inline void loan_get(struct loan *loan)
{
	loan->n_users++;
}

/** loan_put() - it has ended */
void loan_put(struct loans *loans, struct loan *loan);

/**
 * loans_lend() - put a loan in the place of the one with the same index, which ends in any case
 * @number: not 0
 * @memory: taken; HEL_NULL: there is none afterwards
 *
 * Waits until nobody uses the old one; the task cannot be cancelled. loans_close() may come
 * meanwhile.
 * Return: 0, -ERR_BUSY (that one is being changed; it goes on), -ERR_UNSUPPORTED (no loan),
 * -ERR_NO_RIGHTS, -ERR_NOT_FOUND (it was closed), -ERR_NO_MEMORY, what the driver says.
 */
MUST_USE int loans_lend(struct task *task, struct loans *loans, uint32_t number, hel_handle memory);

/** loans_close() - nobody uses any, and no more are lent: let go of all; not to be cancelled */
void loans_close(struct task *task, struct loans *loans);

#endif
