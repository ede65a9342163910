/* SPDX-License-Identifier: MIT */
/*
 * A request to a server that repeats its ACCEPT: an exchange of OFFER, SEND and RECEIVE_INLINE,
 * whose peer's first action belongs to one of ACCEPT and RECEIVE_INLINE that repeats. The lane and
 * the request go into an element of the server's, and nothing happens to its exchange. What is left
 * of ours is the last action, which waits on the new stream for the answer (most often a quick
 * send).
 *
 *   the queue's kept exchange, of an ASK that is over
 *     actions[0].made --> stream, of which nobody else knows any more
 *
 * is what is needed, so nothing is allocated: the stream is made new, the exchange has its actions
 * already. When it is over, both are kept again.
 *
 * Whatever is not so simple is noticed before anything has happened.
 */
#include <thor/ipc/exchange-quick.h>

#include <thor/object/universe.h>

/* The kept exchange, if it can be used; it stays where it is. */
static ALWAYS_INLINE struct exchange *ask_find_kept(
	const struct queue *queue, const struct thread *submitter, uint64_t room)
{
	struct exchange *kept = atomic_load_explicit(&queue->kept_exchange, memory_order_acquire);

	if (kept == NULL || kept->shape != EXCHANGE_SHAPE_ASK || kept->actions[2].length != room ||
		kept->actions[0].made == NULL || kept->universe != submitter->universe ||
		kept->space != submitter->space || !stream_is_over(kept->actions[0].made)) {
		return NULL;
	}
	return kept;
}

/* The exchange that the peer repeats and that takes a request of @length bytes; or NULL. */
static ALWAYS_INLINE struct exchange *ask_find_server_locked(struct lane *lane, uint64_t length)
{
	struct lane *peer = lane_peer(lane);
	struct list_node *node = peer->pending.head.next;

	/* On a closed stream nothing is pending. */
	if (node == &peer->pending.head) {
		return NULL;
	}
	struct action *accept = container_of(node, struct action, node);
	struct exchange *exchange = exchange_of_action(accept);

	return exchange->shape == EXCHANGE_SHAPE_SERVE && exchange->grant == NULL &&
			exchange->actions[1].length >= length
		? exchange
		: NULL;
}

/* As if OFFER and SEND were over, and the last action pending on the new stream. */
static ALWAYS_INLINE void ask_begin(struct exchange *ask, struct queue *queue,
	const struct hel_record *header, struct lane *lane, uint64_t length)
{
	struct action *actions = ask->actions;
	struct lane *made = actions[0].made;

	stream_renew(made->stream);
	object_ref(&lane->object);
	ask->lane = lane;
	ask->closes_lane = false;
	ask->is_released = false;
	atomic_init(&ask->n_open, 1);
	atomic_init(&ask->is_cancelled, false);
	atomic_init(&ask->is_small_inline_used, false);
	atomic_init(&actions[0].lane, NULL);
	actions[0].error = 0;
	actions[0].value = HEL_NULL;
	atomic_init(&actions[1].lane, NULL);
	actions[1].error = 0;
	actions[1].value = length;
	actions[2].error = 0;
	actions[2].inline_size = 0;
	actions[2].inline_data = NULL;
	lane_submit_first(made, &actions[2]);
	operation_renew(&ask->operation, queue, header);
	operation_link(&ask->operation);
}

/* Nobody has seen it. */
static __attribute__((noinline)) void ask_undo(struct exchange *ask, struct queue *queue)
{
	struct lane *made = ask->actions[0].made;

	lane_unlink_locked(&ask->actions[2]);
	stream_end_early(made->stream);
	spinlock_acquire(&queue->lock);
	operation_unlink_locked(&ask->operation);
	spinlock_release(&queue->lock);
	atomic_fetch_sub_explicit(&queue->n_operations, 1, memory_order_relaxed);
	object_unref(&queue->object);
	/* The thread's, or whoever has it from there, has another one. */
	object_unref(&ask->lane->object);
}

/* The request, and a descriptor for @lane in the universe of the server. */
static ALWAYS_INLINE bool ask_post_locked(const struct exchange *server, struct queue *queue,
	struct lane *lane, uint64_t address, uint64_t length)
{
	uint32_t size;
	hel_handle handle;
	struct hel_element *element = quick_begin_element_locked(queue, 2, address, length, &size);

	/* The descriptor, which gets the lane's handle, comes last: nothing can fail behind it. */
	if (unlikely(element == NULL ||
		    universe_attach_locked(
			    server->universe, &lane->object, HEL_RIGHTS_ALL, NULL, &handle) != 0)) {
		return false;
	}
	TRACE(IPC, COMPLETE, server->operation.opcode, server->operation.context,
		queue->object.identity);
	struct hel_result *results = (struct hel_result *)(element + 1);

	quick_write_element(element, &server->operation, size, 2, HEL_ELEMENT_MORE);
	results[0] = (struct hel_result){ .value = handle };
	quick_write_data_result(&results[1], length);
	arch_witness_action(HEL_ACTION_ACCEPT, 0);
	queue_end_element_locked(queue, size);
	return true;
}

static ALWAYS_INLINE bool ask_post(
	const struct exchange *server, struct lane *lane, uint64_t address, uint64_t length)
{
	struct queue *queue = server->operation.queue;
	struct universe *universe = server->universe;

	spinlock_acquire(&universe->lock);
	spinlock_acquire(&queue->lock);
	bool is_posted = ask_post_locked(server, queue, lane, address, length);

	spinlock_release(&queue->lock);
	spinlock_release(&universe->lock);
	if (unlikely(!is_posted)) {
		page_note_drop();
	}
	return is_posted;
}

/* The stream of @lane is locked. */
static ALWAYS_INLINE bool ask_locked(struct exchange *ask, struct queue *queue,
	const struct hel_record *header, struct lane *lane, uint64_t address, uint64_t length)
{
	const struct exchange *server = ask_find_server_locked(lane, length);

	if (server == NULL) {
		return false;
	}
	struct stream *stream = ask->actions[0].made->stream;

	ask_begin(ask, queue, header, lane, length);
	if (unlikely(!ask_post(server, &stream->lanes[1], address, length))) {
		ask_undo(ask, queue);
		return false;
	}
	return true;
}

bool exchange_ask_quickly(struct queue *queue, const struct thread *submitter,
	struct hel_record header, struct lane *lane, const volatile struct hel_action *wishes)
{
	const volatile uint64_t *words = (const volatile uint64_t *)wishes;
	uint64_t address = words[6], length = words[7];

	if (words[0] != HEL_ACTION_OFFER ||
		words[4] != (HEL_ACTION_SEND | (uint64_t)HEL_ACTION_ANCILLARY << 16) ||
		words[8] != (HEL_ACTION_RECEIVE_INLINE | (uint64_t)HEL_ACTION_ANCILLARY << 16) ||
		length > EXCHANGE_SMALL_INLINE ||
		unlikely(queue->n_operations >= QUEUE_OPERATIONS_MAX)) {
		return false;
	}
	struct exchange *ask = ask_find_kept(queue, submitter, words[11]);

	if (ask == NULL) {
		return false;
	}
	/* The others that take it away have the submit lock, too. */
	atomic_store_explicit(&queue->kept_exchange, NULL, memory_order_relaxed);
	spinlock_acquire(&lane->stream->lock);
	bool is_asked = ask_locked(ask, queue, &header, lane, address, length);

	spinlock_release(&lane->stream->lock);
	if (unlikely(!is_asked)) {
		if (!exchange_keep(ask)) {
			exchange_dispose(ask);
		}
		return false;
	}
	TRACE(IPC, MEET, HEL_ACTION_OFFER | (uint64_t)HEL_ACTION_ACCEPT << 32, 0, 0);
	TRACE(IPC, MEET, HEL_ACTION_SEND | (uint64_t)HEL_ACTION_RECEIVE_INLINE << 32, length, 0);
	return true;
}
