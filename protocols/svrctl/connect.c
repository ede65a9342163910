/* SPDX-License-Identifier: MIT */
/* Introducing clients to servers: see connect.h. */
#include <protocols/svrctl/connect.h>
#include <protocols/svrctl/svrctl.gen.h>

#include <base/string.h>

#define CONNECT_MESSAGE_MAX (SVRCTL_CONNECT_HEAD_SIZE + 8 + CONNECT_NAME_MAX)

/* ---- introducing ----------------------------------------------------------------------------- */

/* One introduction under way. */
struct connect {
	struct helix_exchange exchange;
	hel_handle lane;
	uint8_t message[CONNECT_MESSAGE_MAX];
};

static int connect_prepare(
	struct connect *connect, hel_handle control, const char *client, hel_handle lane)
{
	struct svrctl_connect message;
	size_t size;

	connect->lane = lane;
	svrctl_connect_init(&message);
	message.client = bragi_string_of(client);
	if (message.client.length >= CONNECT_NAME_MAX) {
		message.client.length = CONNECT_NAME_MAX - 1;
	}
	int error =
		svrctl_connect_encode(&message, connect->message, sizeof(connect->message), &size);

	if (error == 0) {
		helix_exchange_init(&connect->exchange, control);
		helix_exchange_add_send(&connect->exchange, connect->message, size);
		helix_exchange_add_push(&connect->exchange, lane, 0);
	}
	return error;
}

static void connect_done(struct op *op)
{
	struct connect *connect = op->owner;

	helix_exchange_release(&connect->exchange);
	hel_close(HEL_THIS, connect->lane);
	helix_free(connect);
}

int connect_send(struct loop *loop, hel_handle control, const char *client, hel_handle lane)
{
	struct connect *connect = helix_malloc(sizeof(*connect));

	if (connect == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = connect_prepare(connect, control, client, lane);

	if (error != 0) {
		helix_free(connect);
		return error;
	}
	helix_exchange_start(&connect->exchange, loop, connect_done, connect);
	return 0;
}

int connect_introduce(struct task *task, hel_handle control, const char *client, hel_handle lane)
{
	struct connect connect;
	int error = connect_prepare(&connect, control, client, lane);

	if (error == 0) {
		error = helix_exchange_await(task, &connect.exchange);
		helix_exchange_release(&connect.exchange);
	}
	return error;
}

/* ---- listening ------------------------------------------------------------------------------- */

static void listener_receive(struct connect_listener *listener);

/* Read what has come; 0 with a lane that is the caller's. */
static int listener_parse(struct connect_listener *listener, char *out_client, hel_handle *out_lane)
{
	struct svrctl_connect message;
	const void *data;
	size_t size;
	int error = helix_exchange_next_inline(&listener->exchange, &data, &size);

	if (error == 0) {
		error = svrctl_connect_decode(&message, data, size, NULL);
	}
	if (error == 0) {
		size_t length = min_size(message.client.length, CONNECT_NAME_MAX - 1);

		memcpy(out_client, message.client.text, length);
		out_client[length] = '\0';
		error = helix_exchange_next_handle(&listener->exchange, out_lane);
	}
	return error;
}

static void listener_received(struct op *op)
{
	struct connect_listener *listener = op->owner;
	char client[CONNECT_NAME_MAX];
	hel_handle lane;
	bool has_ended = op->error == -ERR_END_OF_LANE || op->error == -ERR_LANE_SHUTDOWN ||
		listener->exchange.element->error != 0;
	int error = listener_parse(listener, client, &lane);

	helix_exchange_release(&listener->exchange);
	if (has_ended) {
		listener->ops->ended(listener);
		return;
	}
	if (error == 0) {
		listener->ops->connected(listener, client, lane);
	}
	listener_receive(listener);
}

static void listener_receive(struct connect_listener *listener)
{
	helix_exchange_init(&listener->exchange, listener->control);
	helix_exchange_add_receive_inline(&listener->exchange, CONNECT_MESSAGE_MAX);
	helix_exchange_add_pull(&listener->exchange);
	helix_exchange_start(&listener->exchange, listener->loop, listener_received, listener);
}

void connect_listen(struct connect_listener *listener, const struct connect_listener_ops *ops,
	struct loop *loop, hel_handle control)
{
	listener->ops = ops;
	listener->loop = loop;
	listener->control = control;
	listener_receive(listener);
}
