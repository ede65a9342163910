/* SPDX-License-Identifier: MIT */
/* HEL_SUBMIT_AWAIT_CLOCK: an operation that completes at a time. */
#ifndef THOR_TIME_AWAIT_CLOCK_H
#define THOR_TIME_AWAIT_CLOCK_H

#include <thor/ipc/operation.h>

/** await_clock_submit() - arm the operation on this CPU; submit lock held; -ERR_NO_MEMORY only */
MUST_USE int await_clock_submit(struct queue *queue, const struct hel_record *record);

#endif
