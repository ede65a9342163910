/* SPDX-License-Identifier: MIT */
/*
 * Streams: two lanes that exchange actions.
 *
 * Each lane has a queue of actions that wait for a complementary one of the peer, in order. Under
 * the stream's lock at most one of the two queues is not empty: an action that arrives takes the
 * first of the peer's, or is queued. What the two then do with each other (copy, hand over a
 * descriptor) happens without the lock, for whoever took both owns them.
 *
 * A lane is closed when its last handle goes (in a universe, in an exchange that made the stream,
 * or in flight) or by hel_lane_shutdown: what is pending on it completes with -ERR_LANE_SHUTDOWN,
 * what is pending on the peer's with -ERR_END_OF_LANE, and later actions get the same at once.
 *
 * Each lane is an object of its own and refers to the stream; the stream is freed with the second
 * one. A lane never refers to the other lane's object.
 */
#ifndef THOR_IPC_STREAM_H
#define THOR_IPC_STREAM_H

#include <base/list.h>
#include <thor/object/object.h>
#include <thor/sched/work.h>
#include <thor/spinlock.h>

constexpr uint32_t LANE_PENDING_MAX = 4096;

struct action;
struct stream;

struct lane {
	struct object object;
	struct stream *stream; /* immutable */
	struct lane *peer;     /* immutable: the other end, which lives as long as the stream */
	struct list pending; /* struct action by node; guarded by the stream's lock, as all below */
	struct list
		ending; /* those that were pending when the stream was closed: nobody meets them */
	uint32_t n_pending; /* on both lists */
	bool is_closed;
	bool is_closing; /* `closing` is posted, and holds a reference */
	struct work closing;
};

struct stream {
	struct account *account; /* immutable: pays for both lanes */
	struct spinlock lock;
	_Atomic uint32_t n_lanes; /* that are not destroyed */
	_Atomic bool has_carried; /* a descriptor or lane waited on it: it may be in a cycle */
	struct list transfers; /* guarded by lock: under way (exchange-transfer.c) */
	struct lane lanes[2];
};

/** lane_of() - the lane around its object */
static inline struct lane *lane_of(struct object *object)
{
	return container_of(object, struct lane, object);
}

/** lane_peer() - the other end; borrowed, valid as long as the stream */
static inline struct lane *lane_peer(struct lane *lane)
{
	return lane->peer;
}

/** stream_create() - the caller gets one reference to each of its lanes; -ERR_NO_MEMORY */
MUST_USE int stream_create(struct stream **out_stream);

/** stream_create_handles() - the same, each reference with a handle */
MUST_USE int stream_create_handles(struct stream **out_stream);

/**
 * stream_is_over() - whether @lane is all that is left of its stream, with the caller's reference,
 * closed
 */
static inline bool stream_is_over(const struct lane *lane)
{
	return atomic_load_explicit(&lane->stream->n_lanes, memory_order_acquire) == 1 &&
		atomic_load_explicit(&lane->object.references, memory_order_relaxed) == 1;
}

/**
 * stream_renew() - make one that is over new; its account is the same
 *
 * Each lane has a reference with a handle, both the caller's, who gives the second one's away, or
 * calls stream_end_early().
 */
void stream_renew(struct stream *stream);

/** stream_end_early() - nobody else knows it: it is over again */
static inline void stream_end_early(struct stream *stream)
{
	stream->lanes[0].is_closed = true;
	atomic_store_explicit(&stream->n_lanes, 1, memory_order_relaxed);
}

/**
 * lane_drop_handle_locked() - lane_drop_handle() if it is the last one and nothing waits on either
 * side; the stream is locked; false: nothing happened
 */
static inline bool lane_drop_handle_locked(struct lane *lane)
{
	struct stream *stream = lane->stream;
	uint64_t handles = atomic_load_explicit(&lane->object.handles, memory_order_relaxed);

	if ((uint32_t)handles != 1 || !list_is_empty(&stream->transfers) ||
		(stream->lanes[0].n_pending | stream->lanes[1].n_pending) != 0 ||
		!atomic_compare_exchange_strong_explicit(&lane->object.handles, &handles,
			handles - 1, memory_order_acq_rel, memory_order_relaxed)) {
		return false;
	}
	lane->is_closed = true;
	return true;
}

/** lane_unref() - object_unref() for who holds no lock: a stream that is over is freed at once */
void lane_unref(struct lane *lane);

/**
 * lane_drop_handle() - give up a handle, but not the reference that goes with it
 *
 * With the last one the lane is closed; at once, if nothing waits on either side. No lock held.
 */
void lane_drop_handle(struct lane *lane);

/** lane_handle_unref() - both; no lock held */
void lane_handle_unref(struct lane *lane);

/**
 * lane_close() - end the stream from this side; no lock held; may be called again
 *
 * Actions that come later get their errors at once. Of very many that are pending the rest ends in
 * slices, as work.
 */
void lane_close(struct lane *lane);

/* ---- for exchange.c: the queues of actions */

/**
 * lane_submit() - put an action onto its lane
 *
 * Return: 0: it is pending, or *out_peer is the peer's action that it met, taken off its queue
 * (the caller owns both); -ERR_LANE_SHUTDOWN, -ERR_END_OF_LANE, -ERR_NO_MEMORY (too many
 * pending), -ERR_CANCELLED: nothing happened.
 */
MUST_USE int lane_submit(struct lane *lane, struct action *action, struct action **out_peer);

/**
 * lane_submit_alone() - the same if the peer has nothing that it could meet
 *
 * Return: 0: it is pending; also -ERR_BUSY: the peer has, nothing happened.
 */
MUST_USE int lane_submit_alone(struct lane *lane, struct action *action);

/**
 * lane_submit_first() - put an action onto a lane of a stream that nobody else knows yet
 *
 * It waits there; there is room for all actions of an exchange.
 */
void lane_submit_first(struct lane *lane, struct action *action);

/** lane_take() - take a pending action back; false: somebody else has taken it */
bool lane_take(struct lane *lane, struct action *action);

#endif
