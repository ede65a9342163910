/* SPDX-License-Identifier: MIT */
/* Between exchange-transfer.c (what a transfer is) and transfer-run.c (who copies it). */
#ifndef THOR_IPC_TRANSFER_INTERNAL_H
#define THOR_IPC_TRANSFER_INTERNAL_H

#include <thor/ipc/exchange.h>
#include <thor/ipc/transfer.h>
#include <thor/memory/page-wait.h>

enum transfer_state : uint32_t {
	TRANSFER_READY,   /* its runner goes on with it */
	TRANSFER_COPYING, /* its runner copies a slice */
	TRANSFER_PARKED,  /* it waits for a page, or the work that the page has posted for it */
	TRANSFER_OVER,    /* somebody else has ended both actions: what is left is to free it */
};

struct transfer {
	struct account *account; /* immutable: the sender pays */
	struct action *send, *receive; /* not to be touched when it is OVER */
	struct lane *lane; /* that of `send`, referenced, and with it the stream */
	uint64_t done; /* bytes moved so far; its runner's */

	/* guarded by the stream's lock */
	enum transfer_state state;
	struct list_node node; /* on the stream's list, unless it is OVER */
	struct page_wait wait; /* armed or done while it is PARKED */

	struct list_node runner_node; /* READY or OVER: of a thread or a CPU, which owns the list */
	struct work work; /* PARKED: posted by the page */
};

/**
 * transfer_copy_slice() - copy the next slice of a transfer that the caller runs; no locks held
 *
 * Return: true: it is READY again and still the caller's; false: it is gone, or parked.
 */
bool transfer_copy_slice(struct transfer *transfer);

/**
 * transfer_load() - let the current thread carry a READY transfer, or this CPU if there is none
 */
void transfer_load(struct transfer *transfer);

/** transfer_run_alone() - a transfer that was parked goes on, on this CPU and without a thread */
void transfer_run_alone(struct transfer *transfer);

#endif
