/* SPDX-License-Identifier: MIT */
/*
 * What queues and lanes hold, for examinations of cycles (object/cycle.h).
 *
 * Descriptors are held by actions that wait on a lane: with the stream locked they stay. They can
 * get out while the other end lives, from where they can be pulled, and while the queue of their
 * exchange lives, through which it can be cancelled; so both keep the lane, and the lane what its
 * actions hold. Other operations and actions hold nothing that could be explained, and what they
 * do hold lives. A queue says on which lanes its exchanges are, so that those are looked at.
 *
 * Locks are held for so many of something at a time. What there is beyond that of one lane, in one
 * bucket of a queue or without a chunk is not looked at, and what only that holds lives.
 */
#include <thor/object/cycle.h>

#include <thor/ipc/exchange.h>
#include <thor/ipc/queue.h>
#include <thor/object/universe.h>

constexpr uint32_t CYCLE_PENDING_MAX = 256; /* actions on a lane, operations in a list */

/* ---- queues ------------------------------------------------------------------------ */

static void queue_visit_bucket_locked(struct list *bucket)
{
	uint32_t n_operations = 0;

	LIST_FOR_EACH(operation, bucket, struct operation, tag_node) {
		struct exchange *exchange = exchange_try_of(operation);

		if (++n_operations > CYCLE_PENDING_MAX) {
			return;
		}
		if (exchange != NULL) {
			cycle_found_neighbour(&exchange->lane->object);
		}
	}
}

/* Exchanges that are complete, and wait for a chunk. */
static void queue_visit_stalled_locked(struct queue *queue)
{
	uint32_t n_operations = 0;

	LIST_FOR_EACH(operation, &queue->stalled, struct operation, wait_node) {
		struct exchange *exchange = exchange_try_of(operation);

		if (++n_operations > CYCLE_PENDING_MAX) {
			return;
		}
		if (exchange != NULL) {
			cycle_found_references(&exchange->universe->object, 1);
			cycle_found_references(&exchange->lane->object, 1);
		}
	}
}

/* An exchange that is kept has its universe still; only with the submit lock does it stay. */
static void queue_visit_kept(struct queue *queue)
{
	/* If it is in use so is what it keeps. */
	if (!spinlock_try_acquire(&queue->submit_lock)) {
		return;
	}
	const struct exchange *kept = atomic_load(&queue->kept_exchange);

	if (kept != NULL && !queue->is_dead) {
		cycle_found_references(&kept->universe->object, 1);
	}
	spinlock_release(&queue->submit_lock);
}

bool queue_visit(struct queue *queue, uint64_t *position)
{
	uint64_t bucket = *position;

	if (bucket == 0) {
		queue_visit_kept(queue);
	}
	spinlock_acquire(&queue->lock);
	uint64_t end = QUEUE_TAG_BUCKETS + (queue->more_tags != NULL ? QUEUE_MORE_TAG_BUCKETS : 0);

	if (bucket == 0) {
		queue_visit_stalled_locked(queue);
	}
	queue_visit_bucket_locked(bucket < QUEUE_TAG_BUCKETS
			? &queue->tags[bucket]
			: &queue->more_tags[bucket - QUEUE_TAG_BUCKETS]);
	*position = bucket + 1 < end ? bucket + 1 : CYCLE_VISITED;
	spinlock_release(&queue->lock);
	return true;
}

/* ---- lanes ------------------------------------------------------------------------- */

/* Whether @action is the one of its exchange that stands for that on @lane. */
static bool lane_is_first(const struct lane *lane, const struct action *action)
{
	const struct exchange *exchange = exchange_of_action(action);

	for (uint32_t i = 0; i < action->index; i++) {
		const struct action *other = &exchange->actions[i];

		if (atomic_load(&other->lane) == lane && other->is_pending) {
			return false;
		}
	}
	return exchange->lane == lane;
}

static void lane_visit_action(const struct lane *lane, const struct action *action)
{
	const struct exchange *exchange = exchange_of_action(action);

	cycle_found_keeper(&exchange->operation.queue->object);
	if (lane_is_first(lane, action)) {
		cycle_found_references(&exchange->lane->object, 1);
		cycle_found_references(&exchange->universe->object, 1);
	}
	if (action->type == HEL_ACTION_PUSH && !action_is_granted(action)) {
		cycle_found_handle(action->object);
	} else if (action->type == HEL_ACTION_OFFER) {
		cycle_found_handle(&action->made->object);
		cycle_found_handle(&action->offered->object);
	}
}

static void lane_visit_actions(const struct lane *lane, const struct list *actions)
{
	LIST_FOR_EACH(action, actions, struct action, node) {
		lane_visit_action(lane, action);
	}
}

bool lane_visit(struct lane *lane, uint64_t *position)
{
	struct stream *stream = lane->stream;

	*position = CYCLE_VISITED;
	spinlock_acquire(&stream->lock);
	bool is_small = lane->n_pending <= CYCLE_PENDING_MAX;

	cycle_found_way(&lane->peer->object);
	if (is_small) {
		lane_visit_actions(lane, &lane->pending);
		lane_visit_actions(lane, &lane->ending);
	}
	spinlock_release(&stream->lock);
	return is_small;
}
