/* SPDX-License-Identifier: MIT */
/* HEL_SUBMIT_AWAIT_ENDS: an operation that completes when what has ended is gone. */
#ifndef THOR_IPC_AWAIT_ENDS_H
#define THOR_IPC_AWAIT_ENDS_H

#include <base/list.h>
#include <thor/ipc/operation.h>

/** await_ends_submit() - submit lock held; -ERR_NO_MEMORY only */
MUST_USE int await_ends_submit(struct queue *queue, const struct hel_record *record);

extern _Atomic bool await_ends_wanted;

/** await_ends_is_wanted() - whether await_ends_check() has anything to do */
static inline bool await_ends_is_wanted(void)
{
	return atomic_load(&await_ends_wanted);
}

/** await_ends_check() - a CPU has done with its list: complete what waited for that; no locks */
void await_ends_check(void);

#endif
