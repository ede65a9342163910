/* SPDX-License-Identifier: MIT */
/*
 * A reference model of streams, exchanges and handles: what abi/hel/queue.h and stream.h promise,
 * in the plainest way. One record at a time; what drops to zero ends before the next.
 *
 * Which of the two errors of a lane that ends comes first depends on the order in which things are
 * destroyed; the model says MODEL_HANG_UP for both.
 */
#ifndef THOR_TESTS_IPC_MODEL_H
#define THOR_TESTS_IPC_MODEL_H

#include "machine.h"

constexpr int MODEL_HANG_UP = -1000;
constexpr int MODEL_UNDECIDED = 1;
constexpr uint32_t MODEL_STREAMS_MAX = 4096;
constexpr uint32_t MODEL_EXCHANGES_MAX = 8192;
constexpr uint32_t MODEL_PENDING_MAX = 1024;

/* A lane or an event: number 2 * stream + side + 1, or minus the event's. 0: none. */
typedef int32_t model_name;

struct model_action {
	struct hel_action wish;
	int error; /* MODEL_UNDECIDED */
	uint64_t value;
	model_name name; /* what a PUSH carries, a PULL got; the lane that OFFER or ACCEPT made */
	model_name offered; /* OFFER: the peer's lane, until it is accepted */
	model_name kept; /* what the handle that it gives out names */
	int maker; /* ANCILLARY: index of the OFFER or ACCEPT, else -1 */
	uint32_t tag; /* SEND: what it says; RECEIVE: what was said */
};

struct model_exchange {
	uint64_t context;
	uint32_t n_actions, n_open;
	bool is_complete;
	struct model_action actions[HEL_ACTIONS_MAX];
};

/** model_reset() - nothing exists */
void model_reset(void);

/**
 * model_create_stream() - two lanes with a handle each; the name of the first, the second is one
 * more
 */
model_name model_create_stream(void);

/** model_ref() / model_unref() - a handle more or less; model_settle() does what follows */
void model_ref(model_name name);
void model_unref(model_name name);

/** model_shutdown() - hel_lane_shutdown */
void model_shutdown(model_name lane);

/** model_submit() - an exchange with wishes, names and tags filled in */
void model_submit(struct model_exchange *exchange, model_name lane);

/** model_cancel() - cancel it, unless it is complete */
void model_cancel(struct model_exchange *exchange);

/** model_settle() - end what has no handle left */
void model_settle(void);

/** model_take_completed() - the next exchange that has become complete; NULL */
struct model_exchange *model_take_completed(void);

#endif
