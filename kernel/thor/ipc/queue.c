/* SPDX-License-Identifier: MIT */
/*
 * Queues: their memory and the completion side. See queue.h; the submission side is in submit.c,
 * waiting in queue-wait.c.
 */
#include <thor/ipc/queue-internal.h>

#include <base/assert.h>
#include <base/string.h>
#include <thor/arch/witness.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>
#include <thor/object/grant.h>
#include <thor/sched/sched.h>
#include <thor/trace/trace.h>

constexpr uint32_t QUEUE_END_BATCH = 16; /* operations ended before others have their turn */

/* What has a result of one size is never refused: the smallest chunk holds the largest of these. */
static_assert(
	sizeof(struct hel_chunk) + sizeof(struct hel_element) + sizeof(struct hel_observe_result) <=
	HEL_CHUNK_SIZE_MIN);
static_assert(sizeof(struct hel_manage_result) <= sizeof(struct hel_observe_result));
static_assert(sizeof(struct hel_event_result) <= sizeof(struct hel_observe_result));
static_assert(sizeof(struct hel_result) <= sizeof(struct hel_observe_result));

/* ---- creation */

static unsigned queue_order_of(uint64_t size_bytes)
{
	unsigned order = 0;

	while ((HEL_PAGE_SIZE << order) < size_bytes) {
		order++;
	}
	return order;
}

static void queue_free_run(struct queue *queue, uint64_t phys, unsigned order)
{
	if (phys != 0) {
		frame_free_run(phys, order);
		account_uncharge(queue->object.account, ACCOUNT_PAGES, (uint64_t)1 << order);
	}
}

static void queue_free(struct queue *queue)
{
	struct account *account = queue->object.account;

	for (uint32_t i = 0; queue->pieces_phys != NULL && i < queue->n_pieces; i++) {
		queue_free_run(queue, queue->pieces_phys[i], queue->piece_order);
	}
	account_free(account, queue->pieces_phys, queue->n_pieces * sizeof(queue->pieces_phys[0]));
	account_free(
		account, queue->more_tags, QUEUE_MORE_TAG_BUCKETS * sizeof(queue->more_tags[0]));
	queue_free_run(queue, queue->header_phys, queue->header_order);
	object_free(&queue->object);
}

static void queue_destroy(struct object *object)
{
	struct queue *queue = queue_of(object);

	/* Operations and waiting threads hold references. */
	ASSERT(queue->n_operations == 0);
	ASSERT(queue->n_waiters == 0);
	exchange_free_kept(queue);
	queue_free(queue);
}

/* Its element is written, or nobody is interested any more. No lock held. */
static inline void operation_go_on(struct operation *operation)
{
	if (unlikely((operation->flags & HEL_ELEMENT_MORE) != 0)) {
		operation->class->go_on(operation);
	} else {
		operation_unref(operation);
	}
}

static void queue_release_written(struct list *written)
{
	for (;;) {
		struct operation *operation = LIST_POP_FRONT(written, struct operation, wait_node);

		if (operation == NULL) {
			return;
		}
		operation_go_on(operation);
	}
}

/*
 * Ask the providers of @chosen, which are linked by tag_node and in no bucket any more. So each
 * is asked once, however many there are; those that complete meanwhile leave the list by
 * themselves. The lock is given up for each.
 */
static void queue_cancel_chosen_locked(struct queue *queue, struct list *chosen)
{
	for (;;) {
		struct operation *operation = LIST_POP_FRONT(chosen, struct operation, tag_node);

		if (operation == NULL) {
			return;
		}
		operation_ref(operation);
		spinlock_release(&queue->lock);
		operation->class->cancel(operation);
		operation_unref(operation);
		spinlock_acquire(&queue->lock);
	}
}

static void queue_die(struct queue *queue)
{
	spinlock_acquire(&queue->submit_lock);
	spinlock_acquire(&queue->lock);
	queue->is_dead = true;
	queue->chunk = NULL;
	queue_wake_locked(queue);
	for (uint32_t i = 0; i < QUEUE_TAG_BUCKETS; i++) {
		list_append_all(&queue->ending, &queue->tags[i]);
	}
	for (uint32_t i = 0; queue->more_tags != NULL && i < QUEUE_MORE_TAG_BUCKETS; i++) {
		list_append_all(&queue->ending, &queue->more_tags[i]);
	}
	spinlock_release(&queue->lock);
	spinlock_release(&queue->submit_lock);
}

static void queue_move_some(struct list *to, struct list *from)
{
	for (uint32_t i = 0; i < QUEUE_END_BATCH && !list_is_empty(from); i++) {
		struct list_node *node = list_first(from);

		list_remove(node);
		list_push_back(to, node);
	}
}

/* End some of the operations of a dead queue; whether those were the last. */
static bool queue_end_some(struct queue *queue)
{
	struct list stalled, pending;

	list_init(&stalled);
	list_init(&pending);
	spinlock_acquire(&queue->lock);
	queue_move_some(&stalled, &queue->stalled);
	queue_move_some(&pending, &queue->ending);
	queue_cancel_chosen_locked(queue, &pending);
	bool is_done = list_is_empty(&queue->stalled) && list_is_empty(&queue->ending);

	spinlock_release(&queue->lock);
	queue_release_written(&stalled);
	return is_done;
}

/*
 * The last handle is gone: nobody can drive it any more, so nobody is interested in its
 * operations.
 */
static void queue_abandon(struct object *object)
{
	struct queue *queue = queue_of(object);

	if (!queue->is_dead) {
		queue_die(queue);
		exchange_free_kept(queue);
	}
	if (!queue_end_some(queue)) {
		object_abandon_again(object);
	}
}

static const struct object_class queue_class = {
	.type = HEL_TYPE_QUEUE,
	.name = "queue",
	.rights = HEL_RIGHT_INVOKE | HEL_RIGHT_MAP | HEL_RIGHT_READ | HEL_RIGHT_WRITE |
		HEL_RIGHT_SIGNAL | HEL_RIGHT_DERIVE,
	.destroy = queue_destroy,
	.abandon = queue_abandon,
};

static bool queue_params_are_valid(const struct hel_queue_params *params)
{
	return params->reserved == 0 && params->n_chunks >= 1 &&
		params->n_chunks <= HEL_SUPPLY_MAX && is_power_of_two(params->chunk_size) &&
		params->chunk_size >= HEL_CHUNK_SIZE_MIN && params->chunk_size <= 65536 &&
		is_power_of_two(params->submit_size) && params->submit_size >= 512 &&
		params->submit_size <= 65536;
}

/* Of all its chunks. */
static uint64_t queue_chunk_bytes(const struct hel_queue_params *params)
{
	return (uint64_t)params->n_chunks * params->chunk_size;
}

static uint64_t queue_allocate_zeroed_run(struct queue *queue, unsigned order)
{
	uint64_t n_pages = (uint64_t)1 << order;

	if (account_charge(queue->object.account, ACCOUNT_PAGES, n_pages) != 0) {
		return 0;
	}
	uint64_t phys = frame_allocate_run(order, UINT64_MAX);

	if (phys == 0) {
		account_uncharge(queue->object.account, ACCOUNT_PAGES, n_pages);
		return 0;
	}
	memset(arch_phys_to_virt(phys), 0, HEL_PAGE_SIZE << order);
	return phys;
}

static int queue_fill_header(struct queue *queue)
{
	const struct hel_queue_params *params = &queue->params;

	queue->header_bytes = align_up(sizeof(struct hel_queue_header) + params->submit_size +
			(queue->n_pieces == 0 ? queue_chunk_bytes(params) : 0),
		HEL_PAGE_SIZE);
	queue->header_order = queue_order_of(queue->header_bytes);
	queue->header_phys = queue_allocate_zeroed_run(queue, queue->header_order);
	if (queue->header_phys == 0) {
		return -ERR_NO_MEMORY;
	}
	queue->header = arch_phys_to_virt(queue->header_phys);
	queue->chunk_capacity = params->chunk_size - sizeof(struct hel_chunk);
	queue->ring = (uint8_t *)queue->header + sizeof(struct hel_queue_header);
	return MEMORY_MORE;
}

/* The first piece of chunks that is missing. */
static int queue_fill_piece(struct queue *queue)
{
	uint32_t i = 0;

	while (i < queue->n_pieces && queue->pieces_phys[i] != 0) {
		i++;
	}
	if (i == queue->n_pieces) {
		return 0;
	}
	queue->pieces_phys[i] = queue_allocate_zeroed_run(queue, queue->piece_order);
	return queue->pieces_phys[i] != 0 ? MEMORY_MORE : -ERR_NO_MEMORY;
}

int queue_fill_slice(struct queue *queue)
{
	return queue->header_phys == 0 ? queue_fill_header(queue) : queue_fill_piece(queue);
}

/* Small chunks need none: they lie behind the ring. */
static int queue_make_pieces(struct queue *queue)
{
	const struct hel_queue_params *params = &queue->params;

	if (params->chunk_size < HEL_CHUNK_ALIGNED) {
		return 0;
	}
	queue->piece_bytes =
		params->chunk_size < HEL_PAGE_SIZE ? HEL_PAGE_SIZE : params->chunk_size;
	queue->piece_order = queue_order_of(queue->piece_bytes);
	queue->n_pieces = (uint32_t)div_round_up(queue_chunk_bytes(params), queue->piece_bytes);
	queue->pieces_phys = account_allocate(
		queue->object.account, queue->n_pieces * sizeof(queue->pieces_phys[0]));
	return queue->pieces_phys != NULL ? 0 : -ERR_NO_MEMORY;
}

int queue_create(const struct hel_queue_params *params, struct queue **out_queue)
{
	if (!queue_params_are_valid(params)) {
		return -ERR_ILLEGAL_ARGS;
	}
	struct queue *queue = object_create(&queue_class, sizeof(*queue));

	if (queue == NULL) {
		return -ERR_NO_MEMORY;
	}
	queue->params = *params;
	if (queue_make_pieces(queue) != 0) {
		queue_free(queue);
		return -ERR_NO_MEMORY;
	}
	spinlock_init(&queue->submit_lock, LOCK_RANK_SUBMIT);
	spinlock_init(&queue->lock, LOCK_RANK_QUEUE);
	list_init(&queue->stalled);
	list_init(&queue->ending);
	list_init(&queue->waiters);
	for (uint32_t i = 0; i < QUEUE_TAG_BUCKETS; i++) {
		list_init(&queue->tags[i]);
	}
	*out_queue = queue;
	return 0;
}

static uint64_t queue_phys_of(struct object *object, uint64_t page_index)
{
	struct queue *queue = queue_of(object);
	uint64_t offset = page_index * HEL_PAGE_SIZE;

	if (offset < queue->header_bytes) {
		return queue->header_phys + offset;
	}
	offset -= queue->header_bytes;
	ASSERT(offset / queue->piece_bytes < queue->n_pieces);
	return queue->pieces_phys[offset / queue->piece_bytes] + offset % queue->piece_bytes;
}

int queue_create_memory(struct queue *queue, struct memory **out_memory)
{
	uint64_t size_bytes = queue->header_bytes + (uint64_t)queue->n_pieces * queue->piece_bytes;

	return memory_create_borrowed(&queue->object, size_bytes, queue_phys_of, out_memory);
}

/* ---- completions */

static struct hel_chunk *queue_chunk_at(struct queue *queue, uint32_t index)
{
	uint64_t offset = (uint64_t)index * queue->params.chunk_size;

	if (queue->n_pieces == 0) {
		return (struct hel_chunk *)(queue->ring + queue->params.submit_size + offset);
	}
	uint8_t *piece = arch_phys_to_virt(queue->pieces_phys[offset / queue->piece_bytes]);

	return (struct hel_chunk *)(piece + offset % queue->piece_bytes);
}

/* Take the next chunk that user mode has supplied; false: none. */
static bool queue_next_chunk_locked(struct queue *queue)
{
	uint32_t tail = atomic_load_explicit(
		(_Atomic uint32_t *)&queue->header->supply_tail, memory_order_acquire);

	if (tail - queue->supply_head > HEL_SUPPLY_MAX) {
		queue->is_corrupt = true;
		queue->supply_head = tail;
	}
	while (queue->supply_head != tail) {
		uint32_t index =
			atomic_load_explicit((_Atomic uint32_t *)&queue->header
						     ->supply[queue->supply_head % HEL_SUPPLY_MAX],
				memory_order_relaxed);

		queue->supply_head++;
		if (index < queue->params.n_chunks) {
			queue->chunk = queue_chunk_at(queue, index);
			queue->chunk_used = 0;
			return true;
		}
		queue->is_corrupt = true;
	}
	return false;
}

__attribute__((noinline)) bool queue_change_chunk_locked(struct queue *queue)
{
	if (queue->chunk != NULL) {
		queue_store(&queue->chunk->progress, queue->chunk_used | HEL_CHUNK_DONE);
		queue->chunk = NULL;
	}
	if (queue->is_dead || (!list_is_empty(&queue->stalled) && !queue->is_flushing)) {
		return false;
	}
	return queue_next_chunk_locked(queue);
}

/* The element of a complete operation but for its result; NULL: no chunk. */
static inline struct hel_element *queue_begin_operation_locked(
	struct queue *queue, const struct operation *operation, uint32_t size)
{
	struct hel_element *element = queue_begin_element_locked(queue, size);

	if (likely(element != NULL)) {
		*element = (struct hel_element){
			.size = size,
			.opcode = operation->opcode,
			.context = operation->context,
			.error = operation->error,
			.n_results = operation->n_results,
			.flags = operation->flags,
		};
		arch_witness_completion(operation->opcode, operation->error);
	}
	return element;
}

static uint32_t queue_element_size(uint32_t result_size)
{
	return (uint32_t)align_up(sizeof(struct hel_element) + result_size, 8);
}

/* Write the element of a complete operation; false: no chunk. */
static bool queue_write_locked(struct queue *queue, const struct operation *operation)
{
	uint32_t result_size = operation->class->result_size(operation);
	uint32_t size = queue_element_size(result_size);
	struct hel_element *element = queue_begin_operation_locked(queue, operation, size);

	if (element == NULL) {
		return false;
	}
	if (result_size > 0) {
		operation->class->write_result(operation, element + 1);
	}
	queue_end_element_locked(queue, size);
	return true;
}

/* Returns the operations that were written, to be released without lock. */
static void queue_flush_locked(struct queue *queue, struct list *out_written)
{
	queue->is_flushing = true;
	for (;;) {
		struct operation *operation =
			LIST_FIRST(&queue->stalled, struct operation, wait_node);

		if (operation == NULL || !queue_write_locked(queue, operation)) {
			break;
		}
		list_remove(&operation->wait_node);
		list_push_back(out_written, &operation->wait_node);
	}
	queue->is_flushing = false;
}

void queue_flush(struct queue *queue)
{
	struct list written;

	list_init(&written);
	spinlock_acquire(&queue->lock);
	queue_flush_locked(queue, &written);
	spinlock_release(&queue->lock);
	queue_release_written(&written);
}

/* It has to wait for a chunk, or nobody is interested any more. */
static __attribute__((noinline)) void operation_complete_later_locked(
	struct queue *queue, struct operation *operation)
{
	bool is_over = queue->is_dead;

	if (!is_over) {
		list_push_back(&queue->stalled, &operation->wait_node);
	} else if ((operation->flags & HEL_ELEMENT_MORE) != 0) {
		operation_unlink_locked(operation);
	}
	spinlock_release(&queue->lock);
	if (is_over) {
		operation_unref(operation);
	}
}

void *operation_begin_completion(struct operation *operation, int error, uint32_t result_size)
{
	struct queue *queue = operation->queue;

	TRACE(IPC, COMPLETE, operation->opcode | (uint64_t)(uint32_t)error << 32,
		operation->context, queue->object.identity);
	operation->error = error;
	spinlock_acquire(&queue->lock);
	if (likely((operation->flags & HEL_ELEMENT_MORE) == 0)) {
		operation_unlink_locked(operation);
	}
	struct hel_element *element =
		queue_begin_operation_locked(queue, operation, queue_element_size(result_size));

	if (likely(element != NULL)) {
		return element + 1;
	}
	operation_complete_later_locked(queue, operation);
	return NULL;
}

void operation_end_completion(struct operation *operation, uint32_t result_size)
{
	struct queue *queue = operation->queue;

	queue_end_element_locked(queue, queue_element_size(result_size));
	spinlock_release(&queue->lock);
	operation_go_on(operation);
}

void operation_complete(struct operation *operation, int error)
{
	/* What the result will be may depend on the error. */
	operation->error = error;
	uint32_t result_size = operation->class->result_size(operation);
	void *result = operation_begin_completion(operation, error, result_size);

	if (likely(result != NULL)) {
		if (result_size > 0) {
			operation->class->write_result(operation, result);
		}
		operation_end_completion(operation, result_size);
	}
}

/* ---- operations */

static struct list *queue_further_bucket_of(struct queue *queue, uint64_t context)
{
	return &queue->more_tags[queue_hash(context) / (UINT32_MAX / QUEUE_MORE_TAG_BUCKETS + 1)];
}

/* Where a new one goes when there are many. */
static struct list *queue_make_bucket_locked(struct queue *queue, uint64_t context)
{
	if (queue->more_tags == NULL) {
		queue->more_tags = account_allocate(queue->object.account,
			QUEUE_MORE_TAG_BUCKETS * sizeof(queue->more_tags[0]));
		if (queue->more_tags == NULL) {
			return queue_bucket_of(queue, context);
		}
		for (uint32_t i = 0; i < QUEUE_MORE_TAG_BUCKETS; i++) {
			list_init(&queue->more_tags[i]);
		}
	}
	return queue_further_bucket_of(queue, context);
}

void operation_begin(struct operation *operation, const struct operation_class *class,
	struct queue *queue, const struct hel_record *record)
{
	operation->class = class;
	operation->queue = queue;
	object_ref(&queue->object);
	operation->context = record->context;
	operation->opcode = record->opcode;
	operation->error = 0;
	operation->n_results = 0;
	operation->flags = 0;
	atomic_init(&operation->references, 1);
	list_node_init(&operation->tag_node);
	list_node_init(&operation->wait_node);
	atomic_fetch_add_explicit(&queue->n_operations, 1, memory_order_relaxed);
}

LINK_INLINE void operation_link(struct operation *operation)
{
	struct queue *queue = operation->queue;
	uint64_t context = operation->context;

	spinlock_acquire(&queue->lock);
	list_push_back(likely(queue->n_operations <= QUEUE_MORE_TAGS_FROM)
			? queue_bucket_of(queue, context)
			: queue_make_bucket_locked(queue, context),
		&operation->tag_node);
	spinlock_release(&queue->lock);
}

void operation_init(struct operation *operation, const struct operation_class *class,
	struct queue *queue, const struct hel_record *record)
{
	operation_begin(operation, class, queue, record);
	operation_link(operation);
}

static void *operation_pay(struct account *account, struct operation *operation, size_t size)
{
	if (unlikely(operation == NULL)) {
		account_uncharge(account, ACCOUNT_OPERATIONS, 1);
		return NULL;
	}
	operation->account = account;
	operation->use = NULL;
	atomic_init(&operation->is_revoked, false);
	operation->n_bytes = (uint32_t)size;
	return operation;
}

void *operation_allocate(size_t size)
{
	struct account *account = account_current();

	if (account_charge(account, ACCOUNT_OPERATIONS, 1) != 0) {
		return NULL;
	}
	return operation_pay(account, heap_allocate(size), size);
}

void *operation_allocate_dirty(struct account *account, size_t size)
{
	if (account_charge(account, ACCOUNT_OPERATIONS, 1) != 0) {
		return NULL;
	}
	return operation_pay(account, heap_allocate_dirty(size), size);
}

void operation_free(struct operation *operation)
{
	struct account *account = operation->account;

	if (unlikely(operation->use != NULL)) {
		grant_use_end(operation->use);
	}
	heap_free_sized(operation, operation->n_bytes);
	account_uncharge(account, ACCOUNT_OPERATIONS, 1);
}

void operation_ref(struct operation *operation)
{
	atomic_fetch_add_explicit(&operation->references, 1, memory_order_relaxed);
}

bool operation_try_ref(struct operation *operation)
{
	uint32_t references = atomic_load_explicit(&operation->references, memory_order_relaxed);

	while (references > 0) {
		if (atomic_compare_exchange_weak_explicit(&operation->references, &references,
			    references + 1, memory_order_relaxed, memory_order_relaxed)) {
			return true;
		}
	}
	return false;
}

void operation_unref(struct operation *operation)
{
	struct queue *queue = operation->queue;

	if (atomic_fetch_sub_explicit(&operation->references, 1, memory_order_acq_rel) != 1) {
		return;
	}
	operation->class->destroy(operation);
	atomic_fetch_sub_explicit(&queue->n_operations, 1, memory_order_relaxed);
	object_unref(&queue->object);
}

uint32_t operation_no_result(UNUSED const struct operation *operation)
{
	return 0;
}

void operation_write_nothing(UNUSED const struct operation *operation, UNUSED void *out_result)
{
}

static void queue_choose_locked(struct list *bucket, uint64_t context, struct list *chosen)
{
	LIST_FOR_EACH_SAFE(operation, bucket, struct operation, tag_node) {
		if (operation->context == context) {
			list_remove(&operation->tag_node);
			list_push_back(chosen, &operation->tag_node);
		}
	}
}

void queue_cancel(struct queue *queue, uint64_t context)
{
	struct list chosen;

	list_init(&chosen);
	spinlock_acquire(&queue->lock);
	queue_choose_locked(queue_bucket_of(queue, context), context, &chosen);
	if (queue->more_tags != NULL) {
		queue_choose_locked(queue_further_bucket_of(queue, context), context, &chosen);
	}
	queue_cancel_chosen_locked(queue, &chosen);
	spinlock_release(&queue->lock);
}
