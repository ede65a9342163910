/* SPDX-License-Identifier: MIT */
/* Made by tools/hel/generate.py of abi/hel/definition: do not edit. */
/* Submissions and actions: a part of queue.h. */
#ifndef ABI_HEL_OPERATIONS_GEN_H
#define ABI_HEL_OPERATIONS_GEN_H

#include <stdint.h>

enum hel_submit_opcode : uint32_t {
	/* skip the rest of the ring before its end */
	HEL_SUBMIT_PAD = 0,
	/* complete at once; measures the way through a queue */
	HEL_SUBMIT_NOP = 1,
	/* cancel all operations with a context */
	HEL_SUBMIT_CANCEL = 2,
	/* submit a sequence of actions on a lane */
	HEL_SUBMIT_EXCHANGE = 3,
	/* wait for an event or an interrupt */
	HEL_SUBMIT_AWAIT_EVENT = 4,
	/* wait for a point in time */
	HEL_SUBMIT_AWAIT_CLOCK = 5,
	/* wait until something happens to a thread */
	HEL_SUBMIT_OBSERVE = 6,
	/* wait for the next request to the manager of managed memory */
	HEL_SUBMIT_MANAGE = 7,
	/* wait until all that is dirty now is written back */
	HEL_SUBMIT_FENCE = 8,
	/* make pages present and keep them where they are, for a device */
	HEL_SUBMIT_LOCK_MEMORY = 9,
	/* wait until what has ended is gone, and its memory free */
	HEL_SUBMIT_AWAIT_ENDS = 10,
	/* end a wait for a queue, as hel_queue_alert() does */
	HEL_SUBMIT_ALERT = 11,
};

enum hel_action_type : uint16_t {
	/* match anything; the peer's action fails with DISMISSED */
	HEL_ACTION_DISMISS = 1,
	/* make a stream and offer one end of it */
	HEL_ACTION_OFFER = 2,
	/* take one end of the stream that the peer offers */
	HEL_ACTION_ACCEPT = 3,
	/* send bytes from a buffer */
	HEL_ACTION_SEND = 4,
	/* send bytes from several buffers */
	HEL_ACTION_SEND_SG = 5,
	/* receive bytes into a buffer */
	HEL_ACTION_RECEIVE = 6,
	/* receive bytes into the completion itself */
	HEL_ACTION_RECEIVE_INLINE = 7,
	/* give the peer a copy of a descriptor */
	HEL_ACTION_PUSH = 8,
	/* take a descriptor from the peer */
	HEL_ACTION_PULL = 9,
	/* prove an identity to the peer */
	HEL_ACTION_IMBUE_CREDENTIALS = 10,
	/* learn the peer's identity */
	HEL_ACTION_EXTRACT_CREDENTIALS = 11,
};

/** HEL_OPERATIONS() - X(number, name, type of its record) for each submission */
#define HEL_OPERATIONS(X) \
	X(0, pad, struct hel_record) \
	X(1, nop, struct hel_record) \
	X(2, cancel, struct hel_cancel_record) \
	X(3, exchange, struct hel_exchange_record) \
	X(4, await_event, struct hel_await_event_record) \
	X(5, await_clock, struct hel_await_clock_record) \
	X(6, observe, struct hel_observe_record) \
	X(7, manage, struct hel_manage_record) \
	X(8, fence, struct hel_fence_record) \
	X(9, lock_memory, struct hel_lock_record) \
	X(10, await_ends, struct hel_record) \
	X(11, alert, struct hel_alert_record)

/** HEL_ACTIONS() - X(number, name) for each action */
#define HEL_ACTIONS(X) \
	X(1, dismiss) \
	X(2, offer) \
	X(3, accept) \
	X(4, send) \
	X(5, send_sg) \
	X(6, receive) \
	X(7, receive_inline) \
	X(8, push) \
	X(9, pull) \
	X(10, imbue_credentials) \
	X(11, extract_credentials)

#endif
