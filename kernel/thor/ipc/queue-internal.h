/* SPDX-License-Identifier: MIT */
/* Between queue.c and submit.c. */
#ifndef THOR_IPC_QUEUE_INTERNAL_H
#define THOR_IPC_QUEUE_INTERNAL_H

#include <thor/ipc/queue.h>

/** queue_cancel() - cancel all operations with @context; submit lock held */
void queue_cancel(struct queue *queue, uint64_t context);

/** queue_flush() - write completions that found no chunk before */
void queue_flush(struct queue *queue);

/** queue_try_post() - report @error for @record at once; false: it has to wait for a chunk */
bool queue_try_post(struct queue *queue, const struct hel_record *record, int error);

#endif
