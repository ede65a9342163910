/* SPDX-License-Identifier: MIT */
/* The operations of managed memory. */
#ifndef THOR_IPC_MANAGE_H
#define THOR_IPC_MANAGE_H

#include <thor/ipc/operation.h>

struct thread;

/** manage_submit() - HEL_SUBMIT_MANAGE; submit lock held; -ERR_NO_MEMORY only */
MUST_USE int manage_submit(
	struct queue *queue, struct thread *submitter, const struct hel_record *record);

/** fence_submit() - HEL_SUBMIT_FENCE; submit lock held; -ERR_NO_MEMORY only */
MUST_USE int fence_submit(
	struct queue *queue, struct thread *submitter, const struct hel_record *record);

#endif
