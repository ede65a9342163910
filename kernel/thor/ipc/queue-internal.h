/* SPDX-License-Identifier: MIT */
/* Between queue.c and submit.c. */
#ifndef THOR_IPC_QUEUE_INTERNAL_H
#define THOR_IPC_QUEUE_INTERNAL_H

#include <thor/ipc/queue.h>

/** queue_cancel() - cancel all operations with @context; submit lock held */
void queue_cancel(struct queue *queue, uint64_t context);

/** queue_flush() - write completions that found no chunk before */
void queue_flush(struct queue *queue);

#endif
