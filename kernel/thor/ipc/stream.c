/* SPDX-License-Identifier: MIT */
/* Streams: see stream.h. */
#include <thor/ipc/stream.h>

#include <base/assert.h>
#include <thor/ipc/exchange.h>
#include <thor/object/account.h>
#include <thor/object/cycle.h>
#include <thor/trace/trace.h>

static void lane_destroy(struct object *object)
{
	struct stream *stream = lane_of(object)->stream;

	if (atomic_fetch_sub_explicit(&stream->n_lanes, 1, memory_order_acq_rel) == 1) {
		ASSERT(list_is_empty(&stream->lanes[0].pending));
		ASSERT(list_is_empty(&stream->lanes[1].pending));
		ASSERT((stream->lanes[0].n_pending | stream->lanes[1].n_pending) == 0);
		account_free(stream->account, stream, sizeof(*stream));
	}
}

constexpr uint32_t LANE_CLOSE_BATCH = 16; /* actions of a side ended before others have a turn */

static void lane_go_on_closing(struct work *work);

static void lane_abandon(struct object *object)
{
	lane_close(lane_of(object));
}

static const struct object_class lane_class = {
	.type = HEL_TYPE_LANE,
	.name = "lane",
	.rights = HEL_RIGHT_INVOKE | HEL_RIGHT_DERIVE,
	.destroy = lane_destroy,
	.abandon = lane_abandon,
};

static void lane_init(struct lane *lane, struct stream *stream, unsigned side, uint32_t n_handles)
{
	object_init(&lane->object, &lane_class);
	atomic_init(&lane->object.handles, n_handles);
	lane->stream = stream;
	lane->peer = &stream->lanes[1 - side];
	list_init(&lane->pending);
	list_init(&lane->ending);
	lane->n_pending = 0;
	lane->is_closed = false;
	lane->is_closing = false;
	work_init(&lane->closing, lane_go_on_closing);
}

static inline int stream_make(uint32_t n_handles, struct stream **out_stream)
{
	struct account *account = account_current();
	struct stream *stream = account_allocate_dirty(account, sizeof(*stream));

	if (stream == NULL) {
		return -ERR_NO_MEMORY;
	}
	stream->account = account;
	spinlock_init(&stream->lock, LOCK_RANK_STREAM);
	atomic_init(&stream->n_lanes, 2);
	stream->has_carried = false;
	list_init(&stream->transfers);
	lane_init(&stream->lanes[0], stream, 0, n_handles);
	lane_init(&stream->lanes[1], stream, 1, n_handles);
	*out_stream = stream;
	return 0;
}

int stream_create(struct stream **out_stream)
{
	return stream_make(0, out_stream);
}

int stream_create_handles(struct stream **out_stream)
{
	return stream_make(1, out_stream);
}

/* Nothing waits on it, and nobody knows it: the rest is as it was at first. */
static inline void lane_renew(struct lane *lane)
{
	object_renew(&lane->object);
	lane->is_closed = false;
}

void stream_renew(struct stream *stream)
{
	atomic_store_explicit(&stream->n_lanes, 2, memory_order_relaxed);
	stream->has_carried = false;
	lane_renew(&stream->lanes[0]);
	lane_renew(&stream->lanes[1]);
}

void lane_unref(struct lane *lane)
{
	if (atomic_fetch_sub_explicit(&lane->object.references, 1, memory_order_acq_rel) == 1) {
		TRACE(OBJECTS, OBJECT_ENDED, HEL_TYPE_LANE, lane->object.identity, 0);
		lane_destroy(&lane->object);
	}
}

/* Close a lane if that ends nothing, which needs no further care. */
static bool lane_try_close(struct lane *lane)
{
	struct stream *stream = lane->stream;

	spinlock_acquire(&stream->lock);
	bool is_idle = list_is_empty(&stream->transfers) &&
		(stream->lanes[0].n_pending | stream->lanes[1].n_pending) == 0;

	if (is_idle) {
		lane->is_closed = true;
	}
	spinlock_release(&stream->lock);
	return is_idle;
}

void lane_drop_handle(struct lane *lane)
{
	uint32_t n_handles =
		(uint32_t)atomic_fetch_sub_explicit(&lane->object.handles, 1, memory_order_acq_rel);

	if (n_handles == 1 && !lane_try_close(lane)) {
		object_ref(&lane->object);
		object_abandon_later(&lane->object);
	} else if (unlikely(n_handles > 1 && lane->stream->has_carried)) {
		cycle_suspect(&lane->object);
	}
}

void lane_handle_unref(struct lane *lane)
{
	lane_drop_handle(lane);
	lane_unref(lane);
}

/* Of the actions of a closed stream. */
static void lane_take_some_locked(struct lane *lane, struct list *out_actions)
{
	list_append_all(&lane->ending, &lane->pending);
	for (uint32_t i = 0; i < LANE_CLOSE_BATCH && lane->n_pending > 0; i++) {
		struct action *action = LIST_FIRST(&lane->ending, struct action, node);

		lane_unlink_locked(action);
		list_push_back(out_actions, &action->node);
	}
}

static void lane_finish_all(struct list *actions, int error)
{
	for (;;) {
		struct action *action = LIST_POP_FRONT(actions, struct action, node);

		if (action == NULL) {
			return;
		}
		action_finish(action, error, 0);
	}
}

/* Close the lane, and end some of what it has; whether that was all. */
static bool lane_end_some(struct lane *lane)
{
	struct stream *stream = lane->stream;
	struct list ours, theirs;

	list_init(&ours);
	list_init(&theirs);
	spinlock_acquire(&stream->lock);
	lane->is_closed = true;
	lane_take_some_locked(lane, &ours);
	lane_take_some_locked(lane_peer(lane), &theirs);
	bool is_done = lane->n_pending + lane_peer(lane)->n_pending == 0;

	spinlock_release(&stream->lock);
	lane_finish_all(&ours, -ERR_LANE_SHUTDOWN);
	lane_finish_all(&theirs, -ERR_END_OF_LANE);
	transfer_end_all(lane);
	return is_done;
}

static void lane_go_on_closing(struct work *work)
{
	struct lane *lane = container_of(work, struct lane, closing);

	if (!lane_end_some(lane)) {
		work_post(&lane->closing);
		return;
	}
	spinlock_acquire(&lane->stream->lock);
	lane->is_closing = false;
	spinlock_release(&lane->stream->lock);
	object_unref(&lane->object);
}

void lane_close(struct lane *lane)
{
	if (likely(lane_end_some(lane))) {
		return;
	}
	spinlock_acquire(&lane->stream->lock);
	bool is_closing = lane->is_closing;

	lane->is_closing = true;
	spinlock_release(&lane->stream->lock);
	if (!is_closing) {
		object_ref(&lane->object);
		work_post(&lane->closing);
	}
}

static inline void lane_append_locked(struct lane *lane, struct action *action)
{
	action->is_pending = true;
	lane->n_pending++;
	list_push_back(&lane->pending, &action->node);
	if ((action->properties & ACTION_MAY_HOLD) != 0) {
		lane->stream->has_carried = true;
	}
}

static int lane_submit_locked(struct lane *lane, struct action *action, struct action **out_peer)
{
	if (atomic_load(&exchange_of_action(action)->is_cancelled)) {
		return exchange_cancel_error(exchange_of_action(action));
	}
	if (lane->is_closed) {
		return -ERR_LANE_SHUTDOWN;
	}
	if (lane_peer(lane)->is_closed) {
		return -ERR_END_OF_LANE;
	}
	*out_peer = lane_pop_locked(lane_peer(lane));
	if (*out_peer != NULL) {
		return 0;
	}
	if (lane->n_pending == LANE_PENDING_MAX) {
		return -ERR_NO_MEMORY;
	}
	lane_append_locked(lane, action);
	return 0;
}

int lane_submit(struct lane *lane, struct action *action, struct action **out_peer)
{
	*out_peer = NULL;
	/*
	 * Before the lock and the test for cancellation: exchange_cancel() looks the other way
	 * round.
	 */
	atomic_store(&action->lane, lane);
	spinlock_acquire(&lane->stream->lock);
	int error = lane_submit_locked(lane, action, out_peer);

	spinlock_release(&lane->stream->lock);
	return error;
}

int lane_submit_alone(struct lane *lane, struct action *action)
{
	int error;

	atomic_store(&action->lane, lane);
	spinlock_acquire(&lane->stream->lock);
	if (lane_peer(lane)->n_pending > 0) {
		error = -ERR_BUSY;
	} else {
		struct action *nobody;

		error = lane_submit_locked(lane, action, &nobody);
	}
	spinlock_release(&lane->stream->lock);
	return error;
}

void lane_submit_first(struct lane *lane, struct action *action)
{
	atomic_store_explicit(&action->lane, lane, memory_order_relaxed);
	lane_append_locked(lane, action);
}

bool lane_take(struct lane *lane, struct action *action)
{
	bool is_ours = false;

	spinlock_acquire(&lane->stream->lock);
	if (action->is_pending) {
		action->is_pending = false;
		list_remove(&action->node);
		lane->n_pending--;
		is_ours = true;
	}
	spinlock_release(&lane->stream->lock);
	return is_ours;
}
