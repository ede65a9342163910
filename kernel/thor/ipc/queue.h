/* SPDX-License-Identifier: MIT */
/*
 * Queues: the kernel side of abi/hel/queue.h.
 *
 * Locks: `submit_lock` (rank SUBMIT, the lowest) is held while records are consumed and while
 * operations of this queue are cancelled; `lock` (rank QUEUE) guards the completion side. User
 * mode writes into the same memory at any time: each word is read once into a local copy and
 * checked; nothing the kernel relies on is kept there.
 *
 * An operation holds a reference to its queue. When the last handle of a queue is closed, all its
 * operations are cancelled; the results of the cancelled ones go to memory that may still be
 * mapped, and to nobody.
 */
#ifndef THOR_IPC_QUEUE_H
#define THOR_IPC_QUEUE_H

#include <abi/hel/queue.h>
#include <base/list.h>
#include <thor/ipc/operation.h>
#include <thor/object/object.h>
#include <thor/spinlock.h>

constexpr uint32_t QUEUE_TAG_BUCKETS = 16;
constexpr uint32_t QUEUE_MORE_TAGS_FROM = 256; /* operations */
constexpr uint32_t QUEUE_MORE_TAG_BUCKETS = 2048;
constexpr uint32_t QUEUE_OPERATIONS_MAX = 65536;
constexpr uint32_t QUEUE_WAITERS_MAX = 16;

struct exchange;
struct memory;
struct thread;

/* A completion of one result that has to wait for a chunk: see quick-send.c. */
struct queue_reserve {
	struct operation operation;
	struct hel_result result;
	_Atomic bool is_used; /* set with the submit lock */
};

struct queue {
	struct object object;
	struct hel_queue_params params;  /* immutable */
	struct hel_queue_header *header; /* direct map; immutable */
	uint8_t *ring;
	uint64_t header_bytes; /* header, ring and small chunks, whole pages */
	uint64_t header_phys;
	unsigned header_order;
	uint32_t chunk_capacity; /* bytes of elements */
	uint32_t piece_bytes; /* a chunk, or a page with several */
	uint32_t n_pieces; /* 0: the chunks are small, and lie behind the ring */
	unsigned piece_order;
	uint64_t *pieces_phys;

	struct spinlock submit_lock;
	_Atomic uint32_t submit_head; /* written under submit_lock: our copy, the truth */
	struct queue_reserve reserve;
	uint64_t given[HEL_QUIET_BYTES_MAX / 8]; /* within a submission: exchange-quick.h */
	/* Over, and empty; taken with the submit lock, kept without: exchange-kept.c. */
	_Atomic(struct exchange *) kept_exchange;

	struct spinlock lock;           /* guards all below */
	/* No handle left: completions go nowhere. Read without it, too: exchange-kept.c. */
	_Atomic bool is_dead;
	/* The current one; NULL: none, or `stalled` goes first, or the queue is dead. */
	struct hel_chunk *chunk;
	uint32_t chunk_used;            /* bytes of elements in it */
	uint32_t supply_head;           /* entries of the supply ring taken so far */
	bool is_corrupt;                /* the supply was nonsense; the next drive says so */
	_Atomic uint32_t n_completions; /* our copy of the header's; written under lock */
	_Atomic uint32_t n_operations;  /* that exist; written without lock */
	struct list stalled;            /* completed operations that found no chunk */
	bool is_flushing;               /* they are being written */
	struct list waiters;            /* struct thread by wait.node */
	uint32_t n_waiters;
	bool is_alerted; /* nobody was waiting: the next wait ends at once */
	/*
	 * Operations that are not complete, by context. When there are many the further ones go
	 * into more_tags, if there is memory for it; the others stay where they are. So a bucket
	 * has a few dozen at most, however many wait.
	 */
	struct list tags[QUEUE_TAG_BUCKETS];
	struct list *more_tags; /* [QUEUE_MORE_TAG_BUCKETS]; NULL: never needed */
	struct list
		ending; /* is_dead: those that are still to be cancelled, in no bucket any more */
};

/** queue_of() - the queue around its object */
static inline struct queue *queue_of(struct object *object)
{
	return container_of(object, struct queue, object);
}

/** queue_create() - a queue, yet without memory; -ERR_ILLEGAL_ARGS (bad params), -ERR_NO_MEMORY */
MUST_USE int queue_create(const struct hel_queue_params *params, struct queue **out_queue);

/** queue_fill_slice() - give a new queue some of its memory; 0, MEMORY_MORE, -ERR_NO_MEMORY */
MUST_USE int queue_fill_slice(struct queue *queue);

/** queue_create_memory() - a memory object over the queue's pages, for mapping it */
MUST_USE int queue_create_memory(struct queue *queue, struct memory **out_memory);

/**
 * queue_has_work() - whether user mode has submitted something, or completions wait for a chunk;
 * a hint without lock
 */
static inline bool queue_has_work(const struct queue *queue)
{
	return queue->header->submit_tail !=
		atomic_load_explicit(&queue->submit_head, memory_order_relaxed) ||
		!list_is_empty(&queue->stalled) || queue->is_corrupt;
}

/* Of who submits a record: it was, and others should have their turn before the next one is. */
constexpr int SUBMIT_PAUSE = 2;

/**
 * queue_submit() - consume what user mode has submitted
 *
 * Also writes completions that waited for a chunk.
 *
 * Return: 0; -ERR_QUEUE_CORRUPT: nonsense was skipped; -ERR_NO_MEMORY: stopped before a record
 * for which there was not even an operation; THREAD_WAIT_RESTART: paused, the call has to be made
 * again.
 */
MUST_USE int queue_submit(struct queue *queue, struct thread *thread);

/**
 * queue_post() - report @error for a record that needed no operation; submit lock held;
 * -ERR_NO_MEMORY if even that fails
 */
MUST_USE int queue_post(struct queue *queue, const struct hel_record *record, int error);

/**
 * queue_wait() - let the current thread wait until n_completions differs from @seen
 *
 * Return: 0 at once, if it differs or *out_is_blocked (queue->waiters has the thread, and the wait
 * the caller's reference);
 * -ERR_KICKED, -ERR_ALERTED, -ERR_TIMED_OUT, -ERR_BUSY (too many waiters), THREAD_WAIT_RESTART.
 */
MUST_USE int queue_wait(struct queue *queue, struct thread *thread, uint32_t seen,
	uint64_t deadline_ns, bool *out_is_blocked);

/** queue_disturb() - threads that wait make their calls again, to see whether they still may */
void queue_disturb(struct queue *queue);

/**
 * queue_alert() - end one wait with -ERR_ALERTED: of the thread that waits longest, else the next
 * one; no lock of rank QUEUE or above
 */
void queue_alert(struct queue *queue);

/**
 * operation_init() - an operation of @queue, submitted by @record; counted and cancellable from
 * now on
 *
 * Context: submit lock held. Takes a queue reference. The result must fit a chunk: see
 * queue_result_max().
 */
void operation_init(struct operation *operation, const struct operation_class *class,
	struct queue *queue, const struct hel_record *record);

/**
 * operation_begin() - operation_init() of one that cannot be cancelled yet
 *
 * It may be complete before the end of its submission; else it is linked then. Until it is, who
 * submits sees to it that it is not completed by anybody else.
 */
void operation_begin(struct operation *operation, const struct operation_class *class,
	struct queue *queue, const struct hel_record *record);

/** operation_link() - from now on it can be cancelled by its context; submit lock held */
void operation_link(struct operation *operation);

/** exchange_free_kept() - the end of a queue: exchange-kept.c */
void exchange_free_kept(struct queue *queue);

/** queue_result_max() - largest result (after struct hel_element) that fits a chunk of @queue */
static inline uint32_t queue_result_max(const struct queue *queue)
{
	return queue->params.chunk_size - sizeof(struct hel_chunk) - sizeof(struct hel_element);
}

#endif
