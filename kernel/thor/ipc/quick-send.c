/* SPDX-License-Identifier: MIT */
/*
 * A message for somebody who waits for it: an exchange that is one small SEND, whose peer's first
 * action is a RECEIVE_INLINE that has room. It is over before its submission ends, so it needs no
 * operation, no decoding and no references: the data go into the receiver's exchange, then both
 * completions are written.
 *
 * Whatever is not so simple (a page that is not there, another action, nobody who waits) is noticed
 * before anything has happened, and goes the way of all exchanges.
 *
 * The sender's completion may find no chunk, when it is too late for an error. For that each queue
 * has an operation in reserve, and while it is in use there are no quick sends.
 */
#include <thor/ipc/exchange.h>

#include <base/string.h>
#include <thor/arch/witness.h>
#include <thor/ipc/queue-internal.h>
#include <thor/memory/memory.h>
#include <thor/trace/trace.h>

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
};

/* What the peer's first action makes of it. The stream is locked. */
static ALWAYS_INLINE enum send_outcome send_locked(
	struct lane *to, uint64_t address, uint64_t length, struct action **out_receive)
{
	struct list_node *node = to->pending.head.next;
	struct action *receive = container_of(node, struct action, node);

	/* On a closed stream nothing is pending. */
	if (node == &to->pending.head || receive->type != HEL_ACTION_RECEIVE_INLINE ||
		receive->length < length) {
		return SEND_NOTHING;
	}
	*out_receive = receive;
	if (likely(exchange_complete_with(receive, address, length))) {
		return SEND_DONE;
	}
	struct exchange *exchange = exchange_of_action(receive);

	if (atomic_exchange_explicit(&exchange->is_small_inline_used, true, memory_order_relaxed)) {
		return SEND_NOTHING;
	}
	if (unlikely(arch_copy_from_user(exchange->small_inline, address, length) != 0)) {
		page_note_drop();
		atomic_store_explicit(&exchange->is_small_inline_used, false, memory_order_relaxed);
		return SEND_NOTHING;
	}
	receive->inline_data = exchange->small_inline;
	receive->inline_size = (uint32_t)length;
	lane_unlink_locked(receive);
	return SEND_KEPT;
}

bool exchange_send_quickly(struct queue *queue, struct hel_record header, struct lane *lane,
	uint64_t address, uint64_t length)
{
	struct stream *stream = lane->stream;
	struct action *receive;

	if (length > EXCHANGE_SMALL_INLINE ||
		atomic_load_explicit(&queue->reserve.is_used, memory_order_acquire)) {
		return false;
	}
	spinlock_acquire(&stream->lock);
	enum send_outcome outcome = send_locked(lane_peer(lane), address, length, &receive);

	spinlock_release(&stream->lock);
	if (outcome == SEND_NOTHING) {
		return false;
	}
	TRACE(IPC, MEET, HEL_ACTION_RECEIVE_INLINE | (uint64_t)HEL_ACTION_SEND << 32, 0, length);
	if (likely(outcome == SEND_DONE)) {
		exchange_end(exchange_of_action(receive));
	} else {
		action_finish(receive, 0, length);
	}
	struct hel_result result = { .value = length };

	arch_witness_action(HEL_ACTION_SEND, 0);
	if (unlikely(!queue_try_post(queue, header, 0, &result))) {
		send_post_later(queue, header, &result);
	}
	return true;
}
