/* SPDX-License-Identifier: MIT */
/*
 * A message for somebody who waits for it: an exchange that is one small SEND, whose peer's first
 * action is a RECEIVE_INLINE that has room. It is over before its submission ends, so it needs no
 * operation, no decoding and no references: the data go into the receiver's completion, or into an
 * element of a receiver that repeats, then the sender's completion is written, unless that is to be
 * quiet. With the last word of a conversation both its lanes end here, too.
 *
 * Whatever is not so simple (a page that is not there, another action, nobody who waits) is noticed
 * before anything has happened, and goes the way of all exchanges.
 *
 * The sender's completion may find no chunk, when it is too late for an error. For that each queue
 * has an operation in reserve, and while it is in use there are no quick sends.
 */
#include <thor/ipc/exchange-quick.h>

#include <base/string.h>
#include <thor/object/grant.h>
#include <thor/object/universe.h>

static uint32_t reserve_result_size(UNUSED const struct operation *operation)
{
	return sizeof(struct hel_result);
}

static void reserve_write_result(const struct operation *operation, void *out_result)
{
	*(struct hel_result *)out_result =
		container_of(operation, struct queue_reserve, operation)->result;
}

static void reserve_cancel(UNUSED struct operation *operation)
{
}

static void reserve_destroy(struct operation *operation)
{
	struct queue_reserve *reserve = container_of(operation, struct queue_reserve, operation);

	atomic_store_explicit(&reserve->is_used, false, memory_order_release);
}

static const struct operation_class reserve_class = {
	.name = "reserve",
	.cancel = reserve_cancel,
	.result_size = reserve_result_size,
	.write_result = reserve_write_result,
	.destroy = reserve_destroy,
};

static __attribute__((noinline)) void send_post_later(
	struct queue *queue, struct hel_record header, const struct hel_result *result)
{
	struct queue_reserve *reserve = &queue->reserve;

	reserve->result = *result;
	atomic_store_explicit(&reserve->is_used, true, memory_order_relaxed);
	operation_begin(&reserve->operation, &reserve_class, queue, &header);
	reserve->operation.n_results = 1;
	operation_complete(&reserve->operation, 0);
}

/* What has become of a message. */
enum send_outcome {
	SEND_NOTHING, /* nothing happened */
	SEND_KEPT,    /* the receiver is off its lane and has the data */
	SEND_DONE,    /* and its exchange is complete with them */
	SEND_POSTED,  /* it has the data, and goes on waiting */
};

struct send {
	uint64_t address, length;
};

/* To an exchange that repeats: an element for its queue, and nothing else changes. */
static ALWAYS_INLINE enum send_outcome send_post_locked(
	struct send send, const struct exchange *exchange)
{
	struct queue *queue = exchange->operation.queue;
	uint32_t size;

	spinlock_acquire(&queue->lock);
	struct hel_element *element =
		quick_begin_element_locked(queue, 1, send.address, send.length, &size);

	if (unlikely(element == NULL)) {
		spinlock_release(&queue->lock);
		page_note_drop();
		return SEND_NOTHING;
	}
	TRACE(IPC, COMPLETE, exchange->operation.opcode, exchange->operation.context,
		queue->object.identity);
	quick_write_element(element, &exchange->operation, size, 1, HEL_ELEMENT_MORE);
	quick_write_data_result((struct hel_result *)(element + 1), send.length);
	queue_end_element_locked(queue, size);
	spinlock_release(&queue->lock);
	return SEND_POSTED;
}

/* The receiver's completion finds no chunk, or it waits for more: its exchange keeps the data. */
static __attribute__((noinline)) enum send_outcome send_keep_locked(
	struct send send, struct action *receive)
{
	struct exchange *exchange = exchange_of_action(receive);

	if (atomic_exchange_explicit(&exchange->is_small_inline_used, true, memory_order_relaxed)) {
		return SEND_NOTHING;
	}
	if (unlikely(arch_copy_from_user(exchange->small_inline, send.address, send.length) != 0)) {
		page_note_drop();
		atomic_store_explicit(&exchange->is_small_inline_used, false, memory_order_relaxed);
		return SEND_NOTHING;
	}
	receive->inline_data = exchange->small_inline;
	receive->inline_size = (uint32_t)send.length;
	lane_unlink_locked(receive);
	return SEND_KEPT;
}

/* What the peer's first action makes of it. The stream is locked. */
static ALWAYS_INLINE enum send_outcome send_locked(
	struct send send, struct lane *to, struct action **out_receive)
{
	struct list_node *node = to->pending.head.next;
	struct action *receive = container_of(node, struct action, node);

	/* On a closed stream nothing is pending. */
	if (node == &to->pending.head || receive->length < send.length) {
		return SEND_NOTHING;
	}
	struct exchange *exchange = exchange_of_action(receive);

	if (exchange->shape == EXCHANGE_SHAPE_LISTEN) {
		return send_post_locked(send, exchange);
	}
	if (receive->type != HEL_ACTION_RECEIVE_INLINE || exchange->repeats) {
		return SEND_NOTHING;
	}
	*out_receive = receive;
	if (likely(exchange_complete_with(receive, send.address, send.length))) {
		return SEND_DONE;
	}
	return send_keep_locked(send, receive);
}

/* With no lock held: what follows, and the sender's completion. */
static ALWAYS_INLINE void send_finish(struct queue *queue, struct hel_record header,
	struct send send, enum send_outcome outcome, struct action *receive, bool is_quiet)
{
	TRACE(IPC, MEET, HEL_ACTION_RECEIVE_INLINE | (uint64_t)HEL_ACTION_SEND << 32, 0,
		send.length);
	if (outcome == SEND_DONE) {
		exchange_end(exchange_of_action(receive));
	} else if (outcome == SEND_KEPT) {
		action_finish(receive, 0, send.length);
	}
	arch_witness_action(HEL_ACTION_SEND, 0);
	if (is_quiet) {
		return;
	}
	struct hel_result result = { .value = send.length };

	if (unlikely(!queue_try_post(queue, header, 0, &result))) {
		send_post_later(queue, header, &result);
	}
}

static ALWAYS_INLINE bool send_try(struct queue *queue, struct hel_record header, struct lane *lane,
	struct send send, bool is_quiet)
{
	struct stream *stream = lane->stream;
	struct action *receive = NULL;

	spinlock_acquire(&stream->lock);
	enum send_outcome outcome = send_locked(send, lane_peer(lane), &receive);

	spinlock_release(&stream->lock);
	if (unlikely(outcome == SEND_NOTHING)) {
		return false;
	}
	send_finish(queue, header, send, outcome, receive, is_quiet);
	return true;
}

/*
 * The sender's lane goes with the message, and the receiver's with the exchange that is complete,
 * most often at once: then a conversation is over here. Whether the sender's has gone.
 */
static ALWAYS_INLINE bool send_close_locked(
	struct lane *lane, enum send_outcome outcome, struct action *receive)
{
	if (likely(outcome == SEND_DONE)) {
		struct exchange *exchange = exchange_of_action(receive);

		if (exchange->shape == EXCHANGE_SHAPE_ASK && !exchange->closes_lane &&
			(exchange->properties & ACTION_IS_GRANTED) == 0) {
			exchange->is_released = lane_drop_handle_locked(lane_peer(lane));
		}
	}
	return lane_drop_handle_locked(lane);
}

/* The last word on a lane that was taken out of the sender's universe. */
static ALWAYS_INLINE bool send_try_last(struct queue *queue, struct hel_record header,
	const struct exchange_taken *taken, struct send send, bool is_quiet)
{
	struct lane *lane = taken->lane;
	struct stream *stream = lane->stream;
	struct action *receive = NULL;

	spinlock_acquire(&stream->lock);
	enum send_outcome outcome = send_locked(send, lane_peer(lane), &receive);
	bool is_closed = outcome != SEND_NOTHING && send_close_locked(lane, outcome, receive);

	spinlock_release(&stream->lock);
	if (unlikely(outcome == SEND_NOTHING)) {
		return false;
	}
	send_finish(queue, header, send, outcome, receive, is_quiet);
	if (unlikely(!is_closed)) {
		lane_drop_handle(lane);
	}
	lane_unref(lane);
	grant_unref(taken->grant);
	return true;
}

static ALWAYS_INLINE bool send_take(
	struct thread *submitter, hel_handle handle, struct exchange_taken *out_taken)
{
	struct object *object;

	if (unlikely(handle_cache_lane(&submitter->handles, handle)->handle == handle)) {
		handle_cache_forget(&submitter->handles, handle);
	}
	if (unlikely(universe_take(submitter->universe, handle, HEL_TYPE_LANE, HEL_RIGHT_INVOKE,
			     &object, &out_taken->grant) != 0)) {
		return false;
	}
	out_taken->lane = lane_of(object);
	return true;
}

/* What is to be quiet is given away before its lane is: who waits for a page has to begin again. */
static ALWAYS_INLINE bool send_give(
	struct queue *queue, struct send send, struct exchange_taken *out_taken)
{
	out_taken->n_given = (uint32_t)send.length;
	if (unlikely(arch_copy_from_user(queue->given, send.address, send.length) != 0)) {
		page_note_drop();
		return false;
	}
	return true;
}

/* Apart, so that others need not save registers for it. */
static __attribute__((noinline)) bool send_last(struct queue *queue, struct thread *submitter,
	struct hel_record header, hel_handle handle, struct send send,
	struct exchange_taken *out_taken)
{
	bool is_quiet = (out_taken->flags & HEL_EXCHANGE_QUIET) != 0;

	return (!is_quiet || send_give(queue, send, out_taken)) &&
		send_take(submitter, handle, out_taken) &&
		send_try_last(queue, header, out_taken, send, is_quiet);
}

/* Those that quick ways are for: the words of a record behind its lane, and behind its header. */
constexpr uint64_t QUICK_SEND = 1;
constexpr uint64_t QUICK_ASK = 3;
constexpr uint64_t QUICK_LAST = (uint64_t)HEL_EXCHANGE_CLOSE_LANE << 32;
constexpr uint64_t QUICK_QUIET = (uint64_t)HEL_EXCHANGE_QUIET << 32;

static_assert(offsetof(struct hel_exchange_record, n_actions) == 24 &&
	offsetof(struct hel_exchange_record, flags) == 28 &&
	offsetof(struct hel_exchange_record, actions) == 32);

__attribute__((noinline)) bool exchange_try_quickly(struct queue *queue, struct thread *submitter,
	struct hel_record header, const volatile struct hel_exchange_record *record,
	struct exchange_taken *out_taken)
{
	const volatile uint64_t *words = (const volatile uint64_t *)record;
	hel_handle handle = words[2];
	uint64_t kind = words[3];
	bool is_quiet = (kind & QUICK_QUIET) != 0;
	struct lane *lane;

	if (kind == QUICK_ASK) {
		return header.size >= sizeof(*record) + 3 * sizeof(struct hel_action) &&
			quick_has_lane(submitter, handle, &lane) &&
			exchange_ask_quickly(queue, submitter, header, lane, record->actions);
	}
	if ((kind & ~(QUICK_LAST | QUICK_QUIET)) != QUICK_SEND ||
		header.size < sizeof(*record) + sizeof(struct hel_action) ||
		words[4] != HEL_ACTION_SEND ||
		(!is_quiet &&
			atomic_load_explicit(&queue->reserve.is_used, memory_order_acquire))) {
		return false;
	}
	struct send send = { .address = words[6], .length = words[7] };

	if (unlikely(send.length > EXCHANGE_SMALL_INLINE)) {
		return false;
	}
	if ((kind & QUICK_LAST) != 0) {
		out_taken->flags = (uint32_t)(kind >> 32);
		return send_last(queue, submitter, header, handle, send, out_taken);
	}
	return quick_has_lane(submitter, handle, &lane) &&
		send_try(queue, header, lane, send, is_quiet);
}
