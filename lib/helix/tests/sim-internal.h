/* SPDX-License-Identifier: MIT */
/* Between the files of the small kernel: see sim-kernel.h. */
#ifndef HELIX_TESTS_SIM_INTERNAL_H
#define HELIX_TESTS_SIM_INTERNAL_H

#include <helix/tests/sim-kernel.h>

#include <base/list.h>
#include <base/types.h>

#define SIM_HANDLES 4096

enum sim_type { SIM_FREE, SIM_QUEUE, SIM_LANE, SIM_EVENT, SIM_TOKEN };

struct sim_object {
	enum sim_type type;
	void *object;
};

struct sim_lane {
	struct sim_lane *next; /* of all that were ever made */
	struct sim_lane *peer;
	struct list pending; /* struct sim_action */
	uint32_t n_handles;  /* and ends that exchanges keep open */
	bool is_closed;
};

struct sim_event {
	uint64_t sequence;
	uint32_t bits;
};

enum sim_state { SIM_WAITING, SIM_PENDING, SIM_DONE };

struct sim_exchange;

struct sim_action {
	struct list_node node;
	struct sim_exchange *exchange;
	struct hel_action action;
	enum sim_state state;
	int maker; /* index of the OFFER or ACCEPT it belongs to, -1: none */
	struct sim_lane *made; /* OFFER, ACCEPT */
	struct sim_lane *offered; /* OFFER: the peer's end, until it is accepted */
	struct sim_object pushed; /* PUSH */
	struct hel_result result;
	uint8_t quiet_data[HEL_QUIET_BYTES_MAX];
	uint8_t inline_data[HEL_INLINE_MAX];
};

/* Anything that was submitted and is not complete. */
struct sim_exchange {
	struct list_node node; /* on all operations */
	uint64_t context;
	uint32_t opcode;
	struct sim_lane *lane;
	struct sim_event *event;
	uint64_t sequence;
	uint64_t deadline_ns;
	uint32_t flags; /* enum hel_exchange_flags */
	uint32_t n_actions;
	struct sim_action *actions;
};

extern struct list sim_operations;
extern uint64_t sim_now_ns;

struct sim_object *sim_find(hel_handle handle, enum sim_type type);
hel_handle sim_attach(enum sim_type type, void *object);
void sim_detach(struct sim_object *object);

/* the queue */
struct hel_outcome sim_queue_create(const struct hel_queue_params *params);
struct hel_outcome sim_drive(const uint64_t *arguments);
void *sim_queue_memory(void *queue);
/* Append an element: false if no chunk is supplied. @like: context, opcode, error and so on. */
bool sim_queue_complete(const struct hel_element *like, const void *data, uint32_t size);

/* streams */
void sim_stream_create(struct sim_lane **out_first, struct sim_lane **out_second);
void sim_lane_close(struct sim_lane *lane);
void sim_lane_drop(struct sim_lane *lane);
void sim_exchange_submit(const struct hel_exchange_record *record);
/* Let actions meet, complete exchanges; whether anything happened. */
bool sim_streams_run(void);
void sim_exchange_cancel(struct sim_exchange *exchange);

#endif
