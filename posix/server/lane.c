/* SPDX-License-Identifier: MIT */
/*
 * Lanes: how requests arrive from a thread and replies go back.
 *
 * Most replies are small and sent quietly: they are copied into the queue, and nobody waits until
 * they have arrived. Others usually share an exchange with the receive of the next request. It
 * completes with that request, which may be hours away, so a reply whose memory must be given back
 * soon (long output, long data) goes by an exchange of its own, submitted before the receive:
 *
 *      small reply                        receive = { RECEIVE_INLINE }, behind a quiet SEND
 *      reply in the thread's own memory   receive = { SEND_SG reply, RECEIVE_INLINE }
 *      other replies                      reply   = { SEND_SG reply [, SEND bulk] }, receive = {
 *                                         RECEIVE_INLINE }
 *      long payload                       reply   = { RECEIVE payload }  (or DISMISS when there is
 *                                         no memory)
 *
 * Whatever goes wrong on a lane is the process' doing, or its death: the thread's process is
 * killed, posix goes on.
 */
#include <base/errors.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/signal/signal.h>

static void lane_received(struct op *op);
static void lane_replied(struct op *op);
static void lane_payload_received(struct op *op);

/* The process sent what no shim sends, or its lane broke. */
static void lane_fail(struct thread *thread)
{
	if (!thread->internal->is_dying) {
		process_exit(thread->process, LINUX_SIGKILL);
	}
}

static void lane_receive(struct thread *thread)
{
	struct lane *lane = &thread->internal->lane;

	helix_exchange_add_receive_inline(&lane->receive, HEL_INLINE_MAX);
	lane->is_receiving = true;
	helix_exchange_start(&lane->receive, posix_loop(), lane_received, thread);
}

void lane_open(struct thread *thread, hel_handle handle)
{
	struct lane *lane = &thread->internal->lane;

	lane->handle = handle;
	lane->n_reply_actions = 0;
	helix_exchange_init(&lane->receive, handle);
	lane_receive(thread);
}

void lane_close(struct thread *thread)
{
	struct lane *lane = &thread->internal->lane;

	if (lane->handle == HEL_NULL || lane->is_closed) {
		return;
	}
	lane->is_closed = true;
	hel_lane_shutdown(lane->handle);
	hel_close(HEL_THIS, lane->handle);
	if (lane->has_received) {
		lane->has_received = false;
		lane->is_receiving = false;
		helix_exchange_release(&lane->receive);
	}
}

/* ---- requests -------------------------------------------------------------------------------- */

static void lane_serve(
	struct thread *thread, const struct posix_request *header, const void *payload, size_t size)
{
	struct request *request = &thread->internal->request;
	int error = request_decode(request, header, payload, size);

	if (error > 0) {
		request_drop(request);
		lane_fail(thread);
	} else if (error < 0) {
		request_reply(request, error);
	} else if (request->internal->row == NULL || request->internal->row->handler == NULL) {
		unimplemented_count(header->number);
		request_reply(request, -LINUX_ENOSYS);
	} else {
		request_run(request);
	}
}

/* The payload comes by a second message. */
static void lane_receive_payload(struct thread *thread, const struct posix_request *header)
{
	struct lane *lane = &thread->internal->lane;
	struct request_internal *internal = &thread->internal->request_internal;

	if (header->in_size > POSIX_PAYLOAD_MAX || header->in_size == 0) {
		lane_fail(thread);
		return;
	}
	lane->header = *header;
	internal->payload_block = helix_malloc(header->in_size);
	helix_exchange_init(&lane->reply, lane->handle);
	if (internal->payload_block != NULL) {
		helix_exchange_add_receive(&lane->reply, internal->payload_block, header->in_size);
	} else {
		helix_exchange_add_dismiss(&lane->reply);
	}
	lane->is_replying = true;
	helix_exchange_start(&lane->reply, posix_loop(), lane_payload_received, thread);
}

/* The payload did not come, for want of memory or because the program's pointer was bad. */
static void lane_refuse_payload(struct thread *thread, int result)
{
	struct request *request = &thread->internal->request;
	struct posix_request header = thread->internal->lane.header;

	request_drop(request);
	header.in_size = 0;
	(void)request_decode(request, &header, "", 0);
	request_reply(request, result);
}

static void lane_payload_received(struct op *op)
{
	struct thread *thread = op->owner;
	struct lane *lane = &thread->internal->lane;
	struct request_internal *internal = &thread->internal->request_internal;
	bool is_refused = internal->payload_block == NULL;
	size_t size = 0;
	int error = helix_exchange_next_size(&lane->reply, &size);

	lane->is_replying = false;
	helix_exchange_release(&lane->reply);
	if (thread->internal->is_dying || error == -ERR_END_OF_LANE ||
		error == -ERR_LANE_SHUTDOWN || error == -ERR_PROTOCOL) {
		request_drop(&thread->internal->request);
		lane_fail(thread);
		thread_check_gone(thread);
	} else if (is_refused || error != 0) {
		lane_refuse_payload(thread, is_refused ? -LINUX_ENOMEM : -LINUX_EFAULT);
	} else {
		lane_serve(thread, &lane->header, internal->payload_block, size);
	}
}

/* Serves what `receive` holds. */
static void lane_take(struct thread *thread)
{
	struct lane *lane = &thread->internal->lane;
	const struct posix_request *header;
	const void *data = NULL;
	size_t size = 0;
	int error = 0;

	lane->is_receiving = false;
	lane->has_received = false;
	for (unsigned i = 0; i < lane->n_reply_actions && error == 0; i++) {
		error = helix_exchange_next(&lane->receive);
	}
	lane->n_reply_actions = 0;
	if (error == 0) {
		error = helix_exchange_next_inline(&lane->receive, &data, &size);
	}
	if (thread->internal->is_dying || error != 0 || size < sizeof(*header)) {
		helix_exchange_release(&lane->receive);
		lane_fail(thread);
		thread_check_gone(thread);
		return;
	}
	header = data;
	if (header->flags & POSIX_REQUEST_BULK_IN) {
		lane_receive_payload(thread, header);
	} else {
		lane_serve(thread, header, header + 1, size - sizeof(*header));
	}
	/*
	 * The reply may have begun the next round already: then `receive` was released and built
	 * anew.
	 */
	if (!lane->is_receiving) {
		helix_exchange_release(&lane->receive);
	}
}

static void lane_received(struct op *op)
{
	struct thread *thread = op->owner;
	struct lane *lane = &thread->internal->lane;

	if (lane->is_replying && !thread->internal->is_dying) {
		lane->has_received = true;
		return;
	}
	lane_take(thread);
}

/* ---- replies --------------------------------------------------------------------------------- */

struct reply_data {
	const void *data;
	size_t size;
	bool is_transient; /* in memory that goes with the request */
};

/* What follows the reply's header. */
static struct reply_data reply_data_of(const struct request_internal *internal, int64_t result)
{
	if (result < 0) {
		return (struct reply_data){ 0 };
	}
	if (internal->bulk != NULL && !internal->wants_bulk_reply) {
		size_t size = internal->has_bulk_size ? internal->bulk_size : (size_t)result;

		if (internal->has_out_size) {
			size = internal->out_valid;
		}
		return (struct reply_data){ internal->bulk,
			min_size(size, min_size(internal->bulk_max, POSIX_BULK_INLINE)), true };
	}
	if (internal->has_out) {
		size_t size = internal->out_total;

		for (unsigned i = REQUEST_ARGUMENTS; i-- > 0 && internal->has_out_size;) {
			if (internal->out_size[i] != 0) {
				size = internal->out_offset[i] +
					min_size(internal->out_valid, internal->out_size[i]);
				break;
			}
		}
		return (struct reply_data){ internal->out, size,
			internal->out != internal->out_inline };
	}
	return (struct reply_data){ 0 };
}

static size_t bulk_size_of(const struct request_internal *internal, int64_t result)
{
	size_t size;

	if (result < 0 || internal->bulk == NULL) {
		return 0;
	}
	size = internal->has_bulk_size ? internal->bulk_size : (size_t)result;
	if (internal->has_out_size) {
		size = internal->out_valid;
	}
	return min_size(size, internal->bulk_max);
}

static void add_reply(struct lane *lane, struct helix_exchange *exchange)
{
	helix_exchange_add_send_sg(exchange, lane->segments, lane->segments[1].length != 0 ? 2 : 1);
}

/*
 * The header must have arrived. That the bulk did not is the program's bad pointer, of which the
 * shim makes EFAULT.
 */
static bool lane_reply_arrived(struct lane *lane)
{
	return helix_exchange_next(&lane->reply) == 0;
}

static void lane_replied(struct op *op)
{
	struct thread *thread = op->owner;
	struct lane *lane = &thread->internal->lane;
	bool has_arrived = lane_reply_arrived(lane);

	lane->is_replying = false;
	helix_exchange_release(&lane->reply);
	request_drop(&thread->internal->request);
	if (!has_arrived) {
		lane_fail(thread);
	}
	if (thread->internal->is_dying) {
		thread_check_gone(thread);
	} else if (lane->has_received) {
		lane_take(thread);
	}
}

void request_reply(struct request *request, int64_t result)
{
	struct thread *thread = request->thread;
	struct lane *lane = &thread->internal->lane;
	struct request_internal *internal = request->internal;
	struct reply_data data = reply_data_of(internal, result);

	if (thread->internal->is_dying) {
		request_drop(request);
		return;
	}
	lane->reply_header = (struct posix_reply){
		.result = result,
		.sequence = internal->sequence,
		.out_size = (uint32_t)data.size,
	};
	lane->segments[0] =
		(struct hel_sg){ (uint64_t)&lane->reply_header, sizeof(lane->reply_header) };
	lane->segments[1] = (struct hel_sg){ (uint64_t)data.data, data.size };
	/* Releasing here is right: the request's payload lies elsewhere or is no longer needed. */
	helix_exchange_release(&lane->receive);
	helix_exchange_init(&lane->receive, lane->handle);
	if (!internal->wants_bulk_reply &&
		helix_send_quietly(posix_loop(), lane->handle, false, lane->segments, 2)) {
		request_drop(request);
		lane_receive(thread);
		return;
	}
	if (!data.is_transient && !internal->wants_bulk_reply) {
		request_drop(request);
		add_reply(lane, &lane->receive);
		lane->n_reply_actions = 1;
		lane_receive(thread);
		return;
	}
	helix_exchange_init(&lane->reply, lane->handle);
	add_reply(lane, &lane->reply);
	if (internal->wants_bulk_reply) {
		size_t size = bulk_size_of(internal, result);

		lane->reply_header.out_size = (uint32_t)size;
		helix_exchange_add_send(&lane->reply, internal->bulk, size);
	}
	lane->is_replying = true;
	helix_exchange_start(&lane->reply, posix_loop(), lane_replied, thread);
	lane_receive(thread);
}
