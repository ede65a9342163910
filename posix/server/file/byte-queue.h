/* SPDX-License-Identifier: MIT */
/*
 * Queues of bytes that need not be copied: what pipes are made of.
 *
 * The bytes lie in segments. Small pieces are copied to the end of the last one; a large piece that
 * is a heap block of its own becomes a segment as it is. A reader can borrow the bytes it takes: a
 * *loan* keeps their segment until the reply that carries them is sent. So a large write goes from
 * the writer's process to the reader's with two copies, both made by the kernel.
 */
#ifndef POSIX_FILE_BYTE_QUEUE_H
#define POSIX_FILE_BYTE_QUEUE_H

#include <base/list.h>
#include <base/types.h>

struct byte_queue {
	struct list segments;
	size_t n_bytes;
};

void byte_queue_init(struct byte_queue *queue);
void byte_queue_deinit(struct byte_queue *queue);

/** byte_queue_append() - copy bytes to the end; false if there is no memory: nothing is appended */
MUST_USE bool byte_queue_append(struct byte_queue *queue, const void *bytes, size_t size);

/** byte_queue_append_block() - append a block of helix_malloc(), which is taken on success */
MUST_USE bool byte_queue_append_block(struct byte_queue *queue, void *block, size_t size);

/** byte_queue_take() - copy bytes out from the front; returns how many there were */
size_t byte_queue_take(struct byte_queue *queue, void *buffer, size_t size);

/** byte_queue_peek() - the same, but the bytes stay */
size_t byte_queue_peek(const struct byte_queue *queue, void *buffer, size_t size);

/** byte_queue_drop() - throw bytes away from the front */
void byte_queue_drop(struct byte_queue *queue, size_t size);

/**
 * byte_queue_borrow() - take bytes from the front without copying them
 * @size: at most as many as there are
 * @out_loan: to be given to byte_queue_return()
 *
 * Return: the bytes, NULL if they do not lie in a row: then nothing is taken.
 */
const void *byte_queue_borrow(struct byte_queue *queue, size_t size, void **out_loan);
void byte_queue_return(void *loan);

#endif
