/* SPDX-License-Identifier: MIT */
/* Between queue.c, submit.c and quick-send.c: cancelling, and elements in the queue's memory. */
#ifndef THOR_IPC_QUEUE_INTERNAL_H
#define THOR_IPC_QUEUE_INTERNAL_H

#include <thor/arch/witness.h>
#include <thor/ipc/queue.h>
#include <thor/trace/trace.h>

/** queue_cancel() - cancel all operations with @context; submit lock held */
void queue_cancel(struct queue *queue, uint64_t context);

/** queue_flush() - write completions that found no chunk before */
void queue_flush(struct queue *queue);

/** queue_wake_locked() - wake all who wait for a completion */
void queue_wake_locked(struct queue *queue);

/**
 * queue_change_chunk_locked() - the current chunk is full, or there is none: begin the next one
 *
 * Not while others stall, unless it is for them: queue_flush(). False: there is none.
 */
bool queue_change_chunk_locked(struct queue *queue);

/** operation_unlink_locked() - a complete operation cannot be cancelled any more */
static inline void operation_unlink_locked(struct operation *operation)
{
	struct list_node *node = &operation->tag_node;

	/* Alone, if it was never linked, or is being cancelled; nobody looks at it afterwards. */
	node->prev->next = node->next;
	node->next->prev = node->prev;
}

/* Contexts are addresses or small numbers, and who makes them collide is alone to suffer. */
static inline uint32_t queue_hash(uint64_t context)
{
	return (uint32_t)(context * 0x9e3779b97f4a7c15u >> 32);
}

/** queue_bucket_of() - where operations with that context are, while there are not many */
static inline struct list *queue_bucket_of(struct queue *queue, uint64_t context)
{
	return &queue->tags[queue_hash(context) / (UINT32_MAX / QUEUE_TAG_BUCKETS + 1)];
}

/** operation_renew() - operation_begin() of one that was complete, with the same class and queue */
static inline void operation_renew(
	struct operation *operation, struct queue *queue, const struct hel_record *record)
{
	object_ref(&queue->object);
	operation->context = record->context;
	operation->opcode = record->opcode;
	operation->error = 0;
	operation->flags = 0;
	atomic_init(&operation->references, 1);
	list_node_init(&operation->tag_node);
	list_node_init(&operation->wait_node);
	atomic_fetch_add_explicit(&queue->n_operations, 1, memory_order_relaxed);
}

static inline void queue_store(uint32_t *word, uint32_t value)
{
	atomic_store_explicit((_Atomic uint32_t *)word, value, memory_order_release);
}

/* An element of @size bytes, which fits a chunk, all of it to be written; NULL: no chunk. */
static ALWAYS_INLINE struct hel_element *queue_begin_element_locked(
	struct queue *queue, uint32_t size)
{
	if (unlikely(queue->chunk == NULL || queue->chunk_used + size > queue->chunk_capacity) &&
		!queue_change_chunk_locked(queue)) {
		return NULL;
	}
	return (struct hel_element *)(queue->chunk->elements + queue->chunk_used);
}

/* It is written: user mode may see it. */
static ALWAYS_INLINE void queue_end_element_locked(struct queue *queue, uint32_t size)
{
	uint32_t n_completions =
		atomic_load_explicit(&queue->n_completions, memory_order_relaxed) + 1;
	struct hel_queue_header *header = queue->header;
	struct hel_chunk *chunk = queue->chunk;
	uint32_t used = queue->chunk_used + size;

	queue->chunk_used = used;
	atomic_store_explicit(&queue->n_completions, n_completions, memory_order_release);
	queue_store(&chunk->progress, used);
	queue_store(&header->n_completions, n_completions);
	if (queue->n_waiters > 0) {
		queue_wake_locked(queue);
	}
}

static ALWAYS_INLINE bool queue_try_post_locked(
	struct queue *queue, struct hel_record record, int error, const struct hel_result *result)
{
	uint32_t size = sizeof(struct hel_element) + (result != NULL ? sizeof(*result) : 0);
	struct hel_element *element = queue_begin_element_locked(queue, size);

	if (unlikely(element == NULL)) {
		return queue->is_dead;
	}
	*element = (struct hel_element){
		.size = size,
		.opcode = record.opcode,
		.context = record.context,
		.error = error,
		.n_results = result != NULL,
	};
	if (result != NULL) {
		*(struct hel_result *)(element + 1) = *result;
	}
	arch_witness_completion(record.opcode, error);
	queue_end_element_locked(queue, size);
	return true;
}

/**
 * queue_try_post() - report @error for @record at once; false: it has to wait for a chunk
 * @result: one result behind the element, or NULL
 */
static ALWAYS_INLINE bool queue_try_post(
	struct queue *queue, struct hel_record record, int error, const struct hel_result *result)
{
	TRACE(IPC, COMPLETE, record.opcode | (uint64_t)(uint32_t)error << 32, record.context,
		queue->object.identity);
	spinlock_acquire(&queue->lock);
	bool is_written = queue_try_post_locked(queue, record, error, result);

	spinlock_release(&queue->lock);
	return is_written;
}

#endif
