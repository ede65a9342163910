/* SPDX-License-Identifier: MIT */
/* The client's end of a protocol: see client.h. */
#include <protocols/transport/client.h>
#include <protocols/transport/frame.h>

#include <base/assert.h>

static_assert(TRANSPORT_FRAME_SIZE == sizeof(struct transport_frame));

void transport_close_handles(struct bragi_handles *handles)
{
	for (uint32_t i = 0; i < handles->count; i++) {
		if (handles->items[i] != HEL_NULL) {
			hel_close(HEL_THIS, handles->items[i]);
		}
	}
	handles->count = 0;
}

static void client_add_descriptors(
	struct helix_exchange *exchange, const struct bragi_handles *handles)
{
	for (uint32_t i = 0; i < handles->count; i++) {
		helix_exchange_add_push(exchange, handles->items[i], 0);
	}
}

/* Take the reply's descriptors; those that did not come are left out. */
static void client_take_descriptors(
	struct helix_exchange *exchange, uint32_t n_handles, struct bragi_handles *out_handles)
{
	hel_handle handle;

	for (uint32_t i = 0; i < n_handles; i++) {
		if (helix_exchange_next_handle(exchange, &handle) != 0) {
			return;
		}
		if (!bragi_handles_add(out_handles, handle)) {
			hel_close(HEL_THIS, handle);
		}
	}
}

static int client_parse(const struct transport_client *client, struct helix_exchange *exchange,
	struct bragi_exchange *call)
{
	struct transport_frame frame;
	size_t reply_size_max;
	int first_error = 0;

	/* A server may answer without looking at all that we sent. */
	for (uint32_t i = 0; i < 2 + call->to_send.count; i++) {
		int error = helix_exchange_next(exchange);

		first_error = first_error != 0 ? first_error : error;
	}
	int error = helix_exchange_next_size(exchange, &call->reply_size);

	if (error != 0) {
		return first_error != 0 ? first_error : error;
	}
	error = transport_frame_parse(
		bragi_exchange_reply(call, &reply_size_max), &call->reply_size, &frame);
	if (error == 0) {
		uint32_t n_handles = frame.n_handles < client->n_handles_max
			? frame.n_handles
			: client->n_handles_max;

		client_take_descriptors(exchange, n_handles, &call->received);
	}
	return error;
}

static int client_transact(
	struct task *task, struct bragi_client *base, struct bragi_exchange *call)
{
	const struct transport_client *client = container_of(base, struct transport_client, client);
	const struct transport_frame frame = { .n_handles = call->to_send.count };
	struct helix_exchange exchange;
	struct hel_sg segments[2];
	size_t reply_size_max;
	void *reply = bragi_exchange_reply(call, &reply_size_max);

	transport_frame_segments(segments, call->buffer, call->request_size, &frame);
	helix_exchange_init(&exchange, client->lane);
	helix_exchange_add_offer(&exchange, false);
	helix_exchange_add_send_sg(&exchange, segments, 2);
	client_add_descriptors(&exchange, &call->to_send);
	helix_exchange_add_receive(&exchange, reply, reply_size_max);
	for (uint32_t i = 0; i < client->n_handles_max; i++) {
		helix_exchange_add_pull(&exchange);
	}
	int error = helix_exchange_await(task, &exchange);

	if (exchange.element != NULL && exchange.element->error == 0) {
		int parse_error = client_parse(client, &exchange, call);

		/* the error of the await knows why it was cancelled */
		error = parse_error == 0 || error == 0 ? parse_error : error;
	}
	helix_exchange_release(&exchange);
	/* a server that ended had taken the conversation, and not yet what we sent */
	return error == -ERR_DISMISSED ? -ERR_END_OF_LANE : error;
}

void transport_client_init(struct transport_client *client, hel_handle lane, uint32_t n_handles_max)
{
	ASSERT(n_handles_max <= BRAGI_HANDLES_MAX);
	*client = (struct transport_client){
		.client = { .transact = client_transact },
		.lane = lane,
		.n_handles_max = n_handles_max,
	};
}
