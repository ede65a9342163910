/* SPDX-License-Identifier: MIT */
/* Between queue.c and submit.c. */
#ifndef THOR_IPC_QUEUE_INTERNAL_H
#define THOR_IPC_QUEUE_INTERNAL_H

#include <thor/ipc/queue.h>

/** queue_cancel_bucket() - cancel all operations of a tag bucket with *@context, or all (NULL); submit lock held */
void queue_cancel_bucket(struct queue *queue, uint32_t index, const uint64_t *context);

/** queue_cancel() - cancel all operations with @context; submit lock held */
void queue_cancel(struct queue *queue, uint64_t context);

/** queue_flush() - write completions that found no chunk before */
void queue_flush(struct queue *queue);

#endif
