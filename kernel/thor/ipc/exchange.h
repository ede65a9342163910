/* SPDX-License-Identifier: MIT */
/*
 * Exchanges: several actions submitted as one operation on a lane.
 *
 *            submit                       meets its counterpart
 *   WAITING --------> PENDING (on a lane) ----------------------> TAKEN --> DONE
 *      |  (for the peer's OFFER:             cancel, close          ^
 *      |   ancillary actions after ACCEPT)  ------------------------+
 *      +------------------------------------------------------------+  its ACCEPT failed
 *
 * An action that is TAKEN belongs to who took it. Two that exchange more data than fit one slice,
 * or meet a page that has to be waited for, become a transfer with how far they got
 * (exchange-transfer.c); from there they can be taken once more, by a cancel or the end of the
 * stream. `n_open` counts actions that are not DONE; who brings it to zero completes the operation.
 * All results are kept in the exchange until then; inline data in a buffer allocated when they
 * arrive.
 *
 * One that repeats (exchange-repeat.c) begins again as WAITING when its completion is written.
 *
 * The exchange refers to the submitter's universe, space and credentials, so it goes on when the
 * thread has ended (until its queue is abandoned).
 */
#ifndef THOR_IPC_EXCHANGE_H
#define THOR_IPC_EXCHANGE_H

#include <abi/hel/queue.h>
#include <thor/ipc/operation.h>
#include <thor/ipc/stream.h>
#include <thor/sched/thread.h>

constexpr uint64_t TRANSFER_SLICE_BYTES = 64 * 1024; /* copied between two looks around */
constexpr uint32_t EXCHANGE_SMALL_INLINE = 96; /* inline data that need no buffer of their own */

struct descriptor;
struct exchange;
struct space;
struct transfer;
struct universe;

/* What the type of an action means to those that do not do it. */
enum action_properties : uint8_t {
	ACTION_MAKES_STREAM = 1, /* the actions behind it may be ancillary to it */
	ACTION_MAY_HOLD = 2, /* something that must be given back when the exchange is complete */
	ACTION_MAY_HAVE_INLINE = 4, /* data may follow its result */
	ACTION_TAKES_MORE = 8, /* to decode it takes more than its words */
	/* PUSH: of a descriptor under a grant; exchange: such an action, or its lane is */
	ACTION_IS_GRANTED = 16,
	ACTION_IS_VARIED = 32, /* two with the same words need not be alike */
};

/* Exchanges that others meet often in just this form: quick-send.c, quick-ask.c. */
enum exchange_shape : uint8_t {
	EXCHANGE_SHAPE_OTHER,
	EXCHANGE_SHAPE_LISTEN, /* RECEIVE_INLINE, repeated */
	EXCHANGE_SHAPE_SERVE, /* ACCEPT with WANT_LANE, RECEIVE_INLINE ancillary to it, repeated */
	EXCHANGE_SHAPE_ASK, /* OFFER, and ancillary to it SEND and RECEIVE_INLINE */
};

struct action {
	struct list_node
		node; /* on lane->pending, guarded by the stream's lock; later on a work list */
	struct exchange *exchange; /* immutable: that it is part of */
	/*
	 * Where it was submitted: the exchange's lane or its maker's, which live as long as the
	 * exchange; NULL: WAITING
	 */
	_Atomic(struct lane *) lane;
	/* SEND, RECEIVE: under way, but not in one go; guarded by the stream's lock; NULL: not */
	struct transfer *transfer;
	union {
		uint64_t head; /* all of these, for exchange-decode.c; little-endian */
		struct {
			uint16_t type; /* enum hel_action_type */
			uint16_t flags;
			uint8_t index; /* in the exchange */
			/* ANCILLARY: index of the OFFER or ACCEPT that it belongs to, else -1 */
			int8_t stream_maker;
			uint8_t properties; /* enum action_properties */
			bool is_pending; /* guarded by the stream's lock */
		};
	};

	uint64_t address, length; /* SEND_SG: length is the sum */
	union {
		struct { /* SEND_SG */
			struct hel_sg *segments; /* allocated copy */
			uint32_t n_segments;
		};
		struct { /* PUSH */
			union {
				struct object *object; /* with a handle reference */
				struct grant_use *use; /* which has that: ACTION_IS_GRANTED */
			};
			uint32_t rights; /* of the descriptor */
		};
		struct { /* OFFER, ACCEPT */
			/*
			 * Our lane. OFFER: from the start, ACCEPT: from the match. With a handle
			 * reference, and a plain one from completion to the end.
			 */
			struct lane *made;
			/* OFFER: the peer's lane until it is accepted; with a handle reference */
			struct lane *offered;
		};
		struct thread_credentials credentials; /* IMBUE, and what EXTRACT got */
		struct { /* RECEIVE_INLINE */
			void *inline_data; /* the exchange's small_inline, or allocated */
			uint32_t inline_bytes; /* then its size */
		};
	};

	/* results */
	int32_t error;
	uint32_t inline_size;
	uint64_t value;
};

struct exchange {
	struct operation operation;
	struct universe *universe; /* referenced */
	struct space *space; /* referenced */
	struct lane *lane; /* referenced; until completion with a handle if `closes_lane` */
	struct grant *grant; /* that the lane's descriptor is under, referenced; or NULL */
	_Atomic uint32_t n_open; /* actions that are not DONE, and one for the submitter */
	_Atomic bool is_cancelled;
	_Atomic bool is_small_inline_used;
	uint8_t properties; /* enum action_properties of any action; immutable after decoding */
	uint8_t n_inline; /* actions that may have inline data; immutable after decoding */
	enum exchange_shape shape; /* immutable after decoding */
	bool closes_lane;
	bool repeats; /* immutable after decoding */
	bool gives_way; /* REPEAT: it has met an older one; written by who made them meet */
	bool is_quiet; /* one SEND, whose data are in small_inline; immutable after decoding */
	bool is_released; /* an ASK that has nothing but its lanes any more: quick-send.c */
	uint32_t n_actions;
	uint32_t result_bytes; /* valid when complete */
	uint64_t order; /* REPEAT: among those that do; immutable after decoding */
	union {
		uint64_t small_inline[EXCHANGE_SMALL_INLINE / 8];
		struct work again; /* before anything has arrived: exchange-repeat.c */
	};
	struct action actions[];
};

/** action_makes_stream() - the actions behind it may be ancillary to it */
static inline bool action_makes_stream(const struct action *action)
{
	return (action->properties & ACTION_MAKES_STREAM) != 0;
}

/** exchange_of_action() - the exchange that an action is part of */
static inline struct exchange *exchange_of_action(const struct action *action)
{
	return action->exchange;
}

/*
 * ACCEPTs that succeeded and whose ancillary actions have to be submitted: a list instead of
 * recursion.
 */
struct exchange_work {
	struct list accepts; /* struct action by node */
};

/**
 * exchange_submit() - HEL_SUBMIT_EXCHANGE; the completion carries every error; submit lock held
 * @header: of the record, checked
 * @record: all of it, in the queue's memory
 *
 * Return: 0, -ERR_NO_MEMORY: nothing happened; THREAD_WAIT_RESTART with a page note.
 */
MUST_USE int exchange_submit(struct queue *queue, struct thread *submitter,
	struct hel_record header, const volatile struct hel_exchange_record *record);

/**
 * exchange_decode() - fill in the actions of an exchange
 * @exchange: `n_actions` and `properties` are 0, the operation's account is known
 * @wishes: user mode may be changing them: each word is read once
 * @n_actions: 1 … HEL_ACTIONS_MAX
 * @result_max: bytes of results that the queue can take
 *
 * What it takes is in the actions, on errors too: the caller gives it back.
 */
MUST_USE int exchange_decode(struct exchange *exchange, struct thread *submitter,
	const volatile struct hel_action *wishes, uint32_t n_actions, uint64_t result_max);

/** exchange_repeated_shape() - that of a decoded exchange that repeats */
enum exchange_shape exchange_repeated_shape(const struct exchange *exchange);

/** exchange_make_streams() - for each OFFER of a refreshed exchange; -ERR_NO_MEMORY */
MUST_USE int exchange_make_streams(struct exchange *exchange);

/* ---- exchange-kept.c */

/**
 * exchange_keep() - its queue shall keep an exchange that is over and holds nothing any more;
 * false: it has to be freed
 */
bool exchange_keep(struct exchange *exchange);

/**
 * exchange_take_kept() - what the queue keeps, if it has @n_actions and is of @submitter's universe
 * and space, and refers to them; or NULL
 *
 * Context: submit lock held.
 */
struct exchange *exchange_take_kept(
	struct queue *queue, const struct thread *submitter, uint32_t n_actions);

/** exchange_dispose() - free one that is kept, or over and not kept; no lock held */
void exchange_dispose(struct exchange *exchange);

/** exchange_drop_stream() - let go of the lane that a kept ASK has made */
static inline void exchange_drop_stream(struct exchange *exchange)
{
	struct lane *made =
		exchange->shape == EXCHANGE_SHAPE_ASK ? exchange->actions[0].made : NULL;

	if (made != NULL) {
		exchange->actions[0].made = NULL;
		lane_unref(made);
	}
}

/**
 * exchange_refresh() - let a kept exchange be as if it had been decoded from @wishes, but for the
 * streams; false: it has to be
 */
bool exchange_refresh(struct exchange *exchange, const volatile struct hel_action *wishes);

/* ---- exchange-repeat.c */

/** exchange_may_repeat() - whether decoded actions are such that the exchange may */
bool exchange_may_repeat(const struct exchange *exchange);

/** exchange_is_last() - a round is complete: the exchange is at its end */
bool exchange_is_last(const struct exchange *exchange);

/** exchange_go_on() - the class's hook */
void exchange_go_on(struct operation *operation);

/** action_begin() - submit an action and do what follows; no locks held but the submit lock */
void action_begin(struct action *action, struct lane *lane);

/**
 * action_finish() - an action that the caller owns is over; completes the exchange with the last;
 * no locks held
 */
void action_finish(struct action *action, int error, uint64_t value);

/**
 * action_meet() - two actions that met on a stream and that the caller owns: do it, and finish
 * both; no locks held
 */
void action_meet(struct action *a, struct action *b, struct exchange_work *work);

/** lane_unlink_locked() - take a pending action off its lane; the stream is locked */
static inline void lane_unlink_locked(struct action *action)
{
	struct lane *lane = atomic_load_explicit(&action->lane, memory_order_relaxed);

	/* No need to mark the node: `is_pending` tells whether it is linked. */
	action->node.prev->next = action->node.next;
	action->node.next->prev = action->node.prev;
	action->is_pending = false;
	lane->n_pending--;
}

/** lane_pop_locked() - take the first pending action off; NULL: none; the stream is locked */
static inline struct action *lane_pop_locked(struct lane *lane)
{
	struct list_node *node = lane->pending.head.next;

	if (node == &lane->pending.head) {
		return NULL;
	}
	struct action *action = container_of(node, struct action, node);

	lane_unlink_locked(action);
	return action;
}

/**
 * exchange_complete_with() - the data that the last action waits for, straight into the completion
 * @receive: a RECEIVE_INLINE with room for @length bytes, the caller's, or pending on a lane whose
 * stream is locked
 * @address: in the space that is loaded
 *
 * Both the action and its exchange are over then; exchange_end() has to follow. False: nothing
 * happened; not everything else is done, the completion finds no chunk, or the data cannot be read
 * at once.
 */
MUST_USE bool exchange_complete_with(struct action *receive, uint64_t address, uint64_t length);

/** exchange_report() - the results of all actions; gives up the armed reference without MORE */
void exchange_report(struct exchange *exchange, enum hel_element_flags flags);

/** exchange_end() - give up what an exchange holds after exchange_complete_with(); no lock held */
void exchange_end(struct exchange *exchange);

/** action_is_granted() - a PUSH of a descriptor under a grant */
static inline bool action_is_granted(const struct action *action)
{
	return (action->properties & ACTION_IS_GRANTED) != 0;
}

/** exchange_cancel_error() - what the actions of an exchange that was cancelled end with */
static inline int exchange_cancel_error(const struct exchange *exchange)
{
	/* To who holds a lane that was granted it appears hung up. */
	return exchange->operation.is_revoked ? -ERR_END_OF_LANE : -ERR_CANCELLED;
}

/** exchange_try_of() - the exchange that an operation is, or NULL */
struct exchange *exchange_try_of(struct operation *operation);

/* ---- operation-grant.c: the descriptor of a PUSH that is under a grant */

/**
 * push_use_create() - a handle of what was found under a grant; not linked yet
 *
 * Return: 0, -ERR_NO_MEMORY, what descriptor_handle_ref() says.
 */
MUST_USE int push_use_create(struct operation *operation, const struct descriptor *descriptor,
	struct grant_use **out_use);

/** push_drop() - let go of it, unless it was revoked or attached */
void push_drop(struct grant_use *use);

/** push_attach() - put it into a universe; -ERR_REVOKED, or as universe_attach() says */
MUST_USE int push_attach(
	struct grant_use *use, uint32_t rights, struct universe *universe, hel_handle *out_handle);

/* ---- exchange-meet.c, for exchange-transfer.c */

/**
 * meet_copy_slice() - move up to TRANSFER_SLICE_BYTES of the data of @send to @receive, from *@done
 * bytes on
 * @done: how much was moved, also when there is a page note
 *
 * Return: 0, -ERR_NO_MEMORY, -ERR_FAULT (perhaps with a page note).
 */
MUST_USE int meet_copy_slice(struct action *send, struct action *receive, uint64_t *done);

/** meet_finish_copy() - end both actions with what meet_copy_slice() said about those at @done */
void meet_finish_copy(struct action *send, struct action *receive, int error, uint64_t done);

/* ---- exchange-transfer.c */

/**
 * transfer_begin() - go on with a transfer that is larger than a slice, or has met an absent page
 * (there is a page note)
 * @done: bytes that were moved; the caller gives up both actions
 */
void transfer_begin(struct action *send, struct action *receive, uint64_t done);

/** transfer_cancel() - end the transfer of an action that is cancelled, if there is one */
void transfer_cancel(struct lane *lane, struct action *action);

/** transfer_end_all() - @lane is closed, and with it the stream: end its transfers; no lock held */
void transfer_end_all(struct lane *lane);

#endif
