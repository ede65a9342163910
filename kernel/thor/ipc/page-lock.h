/* SPDX-License-Identifier: MIT */
/* Locking pages for devices, as an operation. */
#ifndef THOR_IPC_PAGE_LOCK_H
#define THOR_IPC_PAGE_LOCK_H

#include <thor/ipc/operation.h>

struct thread;

/** page_lock_submit() - HEL_SUBMIT_LOCK_MEMORY; submit lock held; -ERR_NO_MEMORY only */
MUST_USE int page_lock_submit(
	struct queue *queue, struct thread *submitter, const struct hel_record *record);

#endif
