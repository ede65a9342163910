/* SPDX-License-Identifier: MIT */
/*
 * Channels: two tasks per device, one that reads and one that writes; see channel.h.
 *
 * Both live as long as the device does. When there is nothing to do they wait for a flag that the
 * owner sets; a flag set twice is one, and a flag set before the wait ends it at once.
 */
#include <base/errors.h>
#include <helix/helix.h>
#include <posix/server/tty/channel-loop.h>
#include <posix/server/tty/channel.h>
#include <protocols/char/char.gen.h>
#include <protocols/transport/client.h>

/* Room in a buffer beside the bytes: the heads of request and reply, and the frame. */
constexpr size_t CHANNEL_HEADS = 256;
/* A stream that the other side has closed is looked at this often. */
constexpr uint64_t CHANNEL_CLOSED_PAUSE_NS = 20000000;

/* ---- flags --------------------------------------------------------------------------------- */

struct flag {
	bool is_set;
	struct op op; /* who waits for it */
};

static enum op_result flag_wait_start(UNUSED struct op *op)
{
	return OP_PENDING;
}

static void flag_wait_cancel(struct op *op)
{
	op_complete(op, -ERR_CANCELLED);
}

static const struct op_class flag_wait_class = {
	.name = "channel",
	.start = flag_wait_start,
	.cancel = flag_wait_cancel,
};

static int flag_wait(struct task *task, struct flag *flag)
{
	int error = 0;

	if (!flag->is_set) {
		op_init(&flag->op, &flag_wait_class);
		error = await(task, &flag->op);
	}
	flag->is_set = false;
	return error;
}

static void flag_set(struct flag *flag)
{
	if (flag->is_set) {
		return;
	}
	flag->is_set = true;
	if (flag->op.state == OP_STATE_PENDING) {
		op_complete(&flag->op, 0);
	}
}

/* ---- the link to a device ------------------------------------------------------------------ */

struct channel_link {
	struct channel *channel;
	struct transport_client client;
	hel_handle lane;
	struct flag input_wanted, output_ready;
	struct job reader, writer;
	uint8_t *read_buffer, *write_buffer; /* of exchanges */
	uint8_t *output; /* bytes that are being sent */
};

void channel_init(struct channel *channel, const struct channel_ops *ops)
{
	*channel = (struct channel){ .ops = ops };
}

void channel_input_wanted(struct channel *channel)
{
	if (channel->link != NULL) {
		flag_set(&channel->link->input_wanted);
	}
}

void channel_output_ready(struct channel *channel)
{
	if (channel->link != NULL) {
		flag_set(&channel->link->output_ready);
	}
}

static void channel_break(struct channel *channel)
{
	channel->is_broken = true;
	channel->is_sending = false;
	channel->ops->changed(channel);
}

static void channel_set_end(struct channel *channel, bool is_at_end)
{
	if (channel->is_at_end != is_at_end) {
		channel->is_at_end = is_at_end;
		channel->ops->changed(channel);
	}
}

/* ---- reading ------------------------------------------------------------------------------- */

static int link_read(struct task *task, struct channel_link *link, size_t room)
{
	struct bragi_exchange exchange;
	struct char_device_read_request request;
	struct char_device_read_reply reply;

	bragi_exchange_init(&exchange, link->read_buffer, CHANNEL_PIECE + CHANNEL_HEADS);
	char_device_read_request_init(&request);
	request.size_max = (uint32_t)min_size(room, CHANNEL_PIECE);
	int error = char_device_port_read(task, &link->client.client, &exchange, &request, &reply);

	if (error != 0) {
		return error;
	}
	channel_set_end(link->channel, reply.is_end != 0);
	if (reply.data.size > 0 && reply.data.size <= request.size_max) {
		link->channel->ops->input(link->channel, reply.data.data, reply.data.size);
	}
	return reply.is_end != 0
		? task_sleep_until(task, task_now_ns(task) + CHANNEL_CLOSED_PAUSE_NS)
		: 0;
}

static int link_run_reader(struct task *task, void *argument)
{
	struct channel_link *link = argument;
	struct channel *channel = link->channel;
	int error = 0;

	while (error == 0) {
		size_t room = channel->ops->room(channel);

		error = room == 0 ? flag_wait(task, &link->input_wanted)
				  : link_read(task, link, room);
	}
	helix_log(HEL_LOG_WARNING, "character device lost: %s", error_text(error));
	channel_break(channel);
	return error;
}

/* ---- writing ------------------------------------------------------------------------------- */

static int link_write(struct task *task, struct channel_link *link, size_t size)
{
	struct bragi_exchange exchange;
	struct char_device_write_request request;
	struct char_device_write_reply reply;

	bragi_exchange_init(&exchange, link->write_buffer, CHANNEL_PIECE + CHANNEL_HEADS);
	char_device_write_request_init(&request);
	request.data = (struct bragi_bytes){ .data = link->output, .size = (uint32_t)size };
	int error = char_device_port_write(task, &link->client.client, &exchange, &request, &reply);

	/*
	 * nobody listens at the other end: the bytes are lost, as on Linux when a port has no
	 * reader
	 */
	return error == -ERR_END_OF_LANE ? 0 : error;
}

static int link_run_writer(struct task *task, void *argument)
{
	struct channel_link *link = argument;
	struct channel *channel = link->channel;
	int error = 0;

	while (error == 0) {
		size_t size = channel->ops->take(channel, link->output, CHANNEL_PIECE);

		if (size > 0) {
			channel->is_sending = true;
			error = link_write(task, link, size);
			continue;
		}
		if (channel->is_sending) {
			channel->is_sending = false;
			channel->ops->changed(channel);
		}
		error = flag_wait(task, &link->output_ready);
	}
	channel_break(channel);
	return error;
}

/* ---- attaching ----------------------------------------------------------------------------- */

static struct channel_link *link_create(struct channel *channel, hel_handle lane)
{
	struct channel_link *link = helix_calloc(1, sizeof(*link));
	uint8_t *buffers = helix_malloc(3 * CHANNEL_PIECE + 2 * CHANNEL_HEADS);

	if (link == NULL || buffers == NULL) {
		helix_free(link);
		helix_free(buffers);
		return NULL;
	}
	link->channel = channel;
	link->lane = lane;
	link->read_buffer = buffers;
	link->write_buffer = buffers + CHANNEL_PIECE + CHANNEL_HEADS;
	link->output = link->write_buffer + CHANNEL_PIECE + CHANNEL_HEADS;
	transport_client_init(&link->client, lane, 0);
	job_init(&link->reader, "channel reader", link_run_reader, link);
	job_init(&link->writer, "channel writer", link_run_writer, link);
	return link;
}

int channel_attach(struct channel *channel, hel_handle lane)
{
	struct channel_link *link = link_create(channel, lane);

	if (link == NULL) {
		return -ERR_NO_MEMORY;
	}
	channel->link = link;
	channel->is_at_end = false;
	channel->is_broken = false;
	job_submit(posix_loop(), &link->reader);
	job_submit(posix_loop(), &link->writer);
	channel->ops->changed(channel);
	return 0;
}
