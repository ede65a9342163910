/* SPDX-License-Identifier: MIT */
/*
 * Exchanges that are over, kept for the next one.
 *
 * A program submits the same few shapes again and again: the same actions with the same flags, and
 * other addresses. So a queue keeps the memory of one exchange that is over. When the next one on
 * it has the same number of actions it takes that; and when also the first word of each action is
 * the same, then what follows from those words (exchange-decode.c) need not be found out again.
 *
 * A kept exchange keeps what the next one will need, too: it is charged as an operation, refers to
 * the universe and the space of its submitter, and an ASK has the lane that it has made, so that
 * its stream, when nobody else knows it any more, can be made new (quick-ask.c). It is part of its
 * queue, and goes when that has no handle any more, for the space may have the queue mapped. Those
 * whose actions have more than their words (lists of segments, descriptors, credentials), are under
 * a grant or repeat are not kept.
 */
#include <thor/ipc/exchange.h>

#include <thor/ipc/queue.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>

constexpr uint32_t KEPT_BYTES_MAX = 800;

bool exchange_keep(struct exchange *exchange)
{
	struct operation *operation = &exchange->operation;
	struct queue *queue = operation->queue;
	struct exchange *none = NULL;

	if ((exchange->properties & (ACTION_IS_VARIED | ACTION_IS_GRANTED)) != 0 ||
		exchange->repeats || operation->n_bytes > KEPT_BYTES_MAX ||
		!atomic_compare_exchange_strong(&queue->kept_exchange, &none, exchange)) {
		return false;
	}
	/* The queue's end looks the other way round. */
	if (unlikely(queue->is_dead)) {
		exchange_free_kept(queue);
	}
	return true;
}

void exchange_free_kept(struct queue *queue)
{
	struct exchange *kept = atomic_exchange(&queue->kept_exchange, NULL);

	if (kept != NULL) {
		exchange_dispose(kept);
	}
}

struct exchange *exchange_take_kept(
	struct queue *queue, const struct thread *submitter, uint32_t n_actions)
{
	struct exchange *kept = atomic_load_explicit(&queue->kept_exchange, memory_order_acquire);

	/* Only who has the submit lock takes it. */
	if (kept == NULL) {
		return NULL;
	}
	if (unlikely(kept->n_actions != n_actions || kept->universe != submitter->universe ||
		    kept->space != submitter->space)) {
		exchange_free_kept(queue);
		return NULL;
	}
	atomic_store_explicit(&queue->kept_exchange, NULL, memory_order_relaxed);
	exchange_drop_stream(kept);
	return kept;
}

/* An action with the same first word: what has changed, and what must be as it was at first. */
static inline bool kept_refresh(struct action *action, const volatile uint64_t *words)
{
	uint64_t length = words[3];

	if (unlikely(words[0] != (uint32_t)action->head)) {
		return false;
	}
	/* The longest of a RECEIVE_INLINE counts among the results. */
	if (length != action->length &&
		unlikely(length > HEL_ACTION_BYTES_MAX ||
			action->type == HEL_ACTION_RECEIVE_INLINE)) {
		return false;
	}
	atomic_init(&action->lane, NULL);
	action->address = words[2];
	action->length = length;
	action->made = NULL;
	action->offered = NULL;
	action->error = 0;
	action->inline_size = 0;
	action->value = 0;
	return true;
}

bool exchange_refresh(struct exchange *exchange, const volatile struct hel_action *wishes)
{
	uint32_t n_actions = exchange->n_actions;
	struct action *action = exchange->actions;
	const volatile uint64_t *words = (const volatile uint64_t *)wishes;

#pragma clang loop unroll(disable)
	for (uint32_t i = 0; i < n_actions; i++) {
		if (unlikely(!kept_refresh(&action[i], words + 4 * (size_t)i))) {
			return false;
		}
	}
	return true;
}
