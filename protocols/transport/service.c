/* SPDX-License-Identifier: MIT */
/* The server's end of a protocol: see service.h. */
#include <protocols/transport/client.h>
#include <protocols/transport/frame.h>
#include <protocols/transport/service.h>

#include <base/assert.h>

struct transport_slot {
	struct transport_service *service;
	struct helix_exchange accept;
	struct job job;
	hel_handle lane; /* of the conversation */
	uint8_t *request;
	uint8_t *reply;
	uint8_t *arena;
	size_t request_size; /* with its frame */
	struct list_node node; /* on service->accepting */
	bool is_ready; /* it has a call, and waits for those that came before */
	bool is_serving;
};

static void slot_accept(struct transport_slot *slot);

/* ---- serving one call ------------------------------------------------------------------------ */

static int slot_pull(struct task *task, struct transport_slot *slot, uint32_t n_handles,
	struct bragi_handles *out_handles)
{
	struct helix_exchange exchange;
	hel_handle handle;

	helix_exchange_init(&exchange, slot->lane);
	for (uint32_t i = 0; i < n_handles; i++) {
		helix_exchange_add_pull(&exchange);
	}
	int error = helix_exchange_await(task, &exchange);

	for (uint32_t i = 0; error == 0 && i < n_handles; i++) {
		error = helix_exchange_next_handle(&exchange, &handle);
		if (error == 0 && !bragi_handles_add(out_handles, handle)) {
			hel_close(HEL_THIS, handle);
			error = -ERR_PROTOCOL;
		}
	}
	helix_exchange_release(&exchange);
	return error;
}

static void slot_reply(
	struct task *task, struct transport_slot *slot, const struct bragi_call *call)
{
	const struct transport_frame frame = { .n_handles = call->to_send.count };
	struct helix_exchange exchange;
	struct hel_sg segments[2];

	transport_frame_segments(segments, slot->reply, call->reply_size, &frame);
	/* a short one goes with the next drive, and takes the lane along */
	if (call->to_send.count == 0 &&
		helix_send_quietly(task->loop, slot->lane, true, segments, 2)) {
		slot->lane = HEL_NULL;
		return;
	}
	helix_exchange_init(&exchange, slot->lane);
	helix_exchange_add_send_sg(&exchange, segments, 2);
	for (uint32_t i = 0; i < call->to_send.count; i++) {
		helix_exchange_add_push(&exchange, call->to_send.items[i], 0);
	}
	/* A client that does not want the answer is no concern of ours. */
	(void)helix_exchange_await(task, &exchange);
	helix_exchange_release(&exchange);
}

static void slot_serve(struct task *task, struct transport_slot *slot)
{
	const struct transport_service_config *config = &slot->service->config;
	struct transport_frame frame;
	struct bragi_call call = {
		.server = slot->service,
		.task = task,
		.request = slot->request,
		.request_size = slot->request_size,
		.reply = slot->reply,
		.reply_size_max = config->reply_size_max,
	};

	bragi_arena_init(&call.arena, slot->arena, config->arena_size);
	int error = transport_frame_parse(slot->request, &call.request_size, &frame);

	if (error == 0 && frame.n_handles > 0) {
		error = slot_pull(task, slot, frame.n_handles, &call.received);
	}
	if (error == 0) {
		config->dispatch(&call);
		if (call.reply_size > 0) {
			slot_reply(task, slot, &call);
		}
	}
	transport_close_handles(&call.received);
	transport_close_handles(&call.to_send);
}

static int slot_job(struct task *task, void *argument)
{
	struct transport_slot *slot = argument;

	slot_serve(task, slot);
	if (slot->lane != HEL_NULL) {
		hel_close(HEL_THIS, slot->lane);
	}
	/* the job ends with this function: leave it before its memory is used again, or freed */
	task->job = NULL;
	slot->is_serving = false;
	slot_accept(slot);
	return 0;
}

/* ---- accepting ------------------------------------------------------------------------------- */

static void service_free_slots(struct transport_service *service, uint32_t n_slots)
{
	for (uint32_t i = 0; i < n_slots; i++) {
		if (service->config.request_memory == NULL) {
			helix_free(service->slots[i].request);
		}
		helix_free(service->slots[i].reply);
		helix_free(service->slots[i].arena);
	}
	helix_free(service->slots);
	service->slots = NULL;
}

static void service_finish(struct transport_service *service)
{
	const struct transport_service_config *config = &service->config;

	hel_close(HEL_THIS, config->lane);
	service_free_slots(service, config->n_calls_max);
	config->closed(service);
}

/* The lane has ended: nobody waits for the answers of calls that wait. */
static void service_cancel_calls(struct transport_service *service)
{
	for (uint32_t i = 0; i < service->config.n_calls_max; i++) {
		if (service->slots[i].is_serving) {
			job_cancel(&service->slots[i].job, -ERR_END_OF_LANE);
		}
	}
}

static void slot_idle(struct transport_slot *slot)
{
	struct transport_service *service = slot->service;

	service->is_closing = true;
	service_cancel_calls(service);
	service->n_active--;
	if (service->n_active == 0) {
		service_finish(service);
	}
}

/* Whether an accept failed because of that one call only, and not of the lane. */
static bool slot_may_go_on(int accept_error)
{
	return accept_error == 0 || accept_error == -ERR_TRANSMISSION_MISMATCH ||
		accept_error == -ERR_DISMISSED;
}

/*
 * Accepts are matched in the order in which they were made, but finish when their message is there:
 * a short one that another processor copies overtakes a long one.
 */
static void service_start_calls(struct transport_service *service)
{
	while (!list_is_empty(&service->accepting)) {
		struct transport_slot *slot =
			LIST_FIRST(&service->accepting, struct transport_slot, node);

		if (!slot->is_ready) {
			return;
		}
		list_remove(&slot->node);
		slot->is_ready = false;
		slot->is_serving = true;
		job_init(&slot->job, service->config.name, slot_job, slot);
		job_submit(service->config.loop, &slot->job);
		if (service->is_closing) {
			job_cancel(&slot->job, -ERR_END_OF_LANE);
		}
	}
}

static void slot_accepted(struct op *op)
{
	struct transport_slot *slot = op->owner;
	struct helix_exchange *accept = &slot->accept;
	bool is_whole_failure = accept->element->error != 0;
	int accept_error = helix_exchange_next_handle(accept, &slot->lane);
	int error = op->error;

	if (error == 0) {
		error = helix_exchange_next_size(accept, &slot->request_size);
	}
	helix_exchange_release(accept);
	if (error == 0) {
		slot->is_ready = true;
		service_start_calls(slot->service);
		return;
	}
	if (accept_error == 0) {
		hel_close(HEL_THIS, slot->lane); /* the request did not fit, or there was none */
	}
	list_remove(&slot->node);
	service_start_calls(slot->service);
	if (!is_whole_failure && slot_may_go_on(accept_error)) {
		slot_accept(slot);
	} else {
		slot_idle(slot);
	}
}

static void slot_accept(struct transport_slot *slot)
{
	struct transport_service *service = slot->service;

	if (service->is_closing) {
		slot_idle(slot);
		return;
	}
	list_push_back(&service->accepting, &slot->node);
	helix_exchange_init(&slot->accept, service->config.lane);
	helix_exchange_add_accept(&slot->accept, true);
	helix_exchange_add_receive(&slot->accept, slot->request,
		service->config.request_size_max + TRANSPORT_FRAME_SIZE);
	helix_exchange_start(&slot->accept, service->config.loop, slot_accepted, slot);
}

/* ---- life ------------------------------------------------------------------------------------ */

size_t transport_request_stride(const struct transport_service_config *config)
{
	return align_up_size(config->request_size_max + TRANSPORT_FRAME_SIZE, HEL_PAGE_SIZE);
}

static bool slot_init(struct transport_service *service, uint32_t index)
{
	const struct transport_service_config *config = &service->config;
	struct transport_slot *slot = &service->slots[index];

	slot->service = service;
	slot->request = config->request_memory != NULL
		? config->request_memory + index * transport_request_stride(config)
		: helix_malloc(config->request_size_max + TRANSPORT_FRAME_SIZE);
	slot->reply = helix_malloc(config->reply_size_max);
	slot->arena = config->arena_size > 0 ? helix_malloc(config->arena_size) : NULL;
	return slot->request != NULL && slot->reply != NULL &&
		(slot->arena != NULL || config->arena_size == 0);
}

int transport_service_start(
	struct transport_service *service, const struct transport_service_config *config)
{
	ASSERT(config->n_calls_max > 0);
	*service = (struct transport_service){ .config = *config };
	list_init(&service->accepting);
	service->slots = helix_calloc(config->n_calls_max, sizeof(*service->slots));
	if (service->slots == NULL) {
		return -ERR_NO_MEMORY;
	}
	for (uint32_t i = 0; i < config->n_calls_max; i++) {
		if (!slot_init(service, i)) {
			service_free_slots(service, i + 1);
			return -ERR_NO_MEMORY;
		}
	}
	service->n_active = config->n_calls_max;
	for (uint32_t i = 0; i < config->n_calls_max; i++) {
		slot_accept(&service->slots[i]);
	}
	return 0;
}

void transport_service_close(struct transport_service *service)
{
	if (!service->is_closing) {
		service->is_closing = true;
		hel_lane_shutdown(service->config.lane);
	}
}

/* ---- services of their own ------------------------------------------------------------------- */

static void service_closed(struct transport_service *service)
{
	helix_free(service);
}

void transport_serve(const struct transport_service_config *config)
{
	struct transport_service *service = helix_calloc(1, sizeof(*service));
	struct transport_service_config own = *config;

	own.closed = service_closed;
	if (service == NULL || transport_service_start(service, &own) != 0) {
		helix_free(service);
		hel_close(HEL_THIS, own.lane);
	}
}
