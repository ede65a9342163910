/* SPDX-License-Identifier: MIT */
/*
 * Lanes: how requests arrive from a thread and replies go back (wire.h).
 *
 * posix listens on each thread's lane with one exchange that repeats. A request is served where its
 * element is taken: most are over then, and the thread is told by an alert of its queue. So there
 * is no operation for a reply, nothing waits for the thread to take it, and whatever is long is
 * copied to or from the process' memory by one call, at once.
 *
 *	LISTENING -- element --> SERVING -- request_reply() --> LISTENING -- lane_close() --> idle
 *	                            | another element: no shim does that
 *	                            v
 *	                        the process is killed
 *
 * Pages of a file on a disk may be absent where a payload lies, or where bytes go to. posix does
 * not wait for them: the thread makes them present and asks again, for the request from its start,
 * or for the answer, which is kept.
 *
 * Whatever goes wrong on a lane is the process' doing, or its death: the thread's process is
 * killed, posix goes on. An element never outlives the call that takes it, so a thread that sends
 * without end keeps no chunk from others.
 */
#include <base/errors.h>
#include <base/string.h>
#include <helix/log.h>
#include <helix/memory.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/seccomp/seccomp.h>
#include <posix/server/signal/signal.h>
#include <posix/server/turn.h>

/* The process sent what no shim sends, or its lane broke: it is told to nobody else. */
static void lane_fail(struct thread *thread, const char *why)
{
	if (!thread->internal->is_dying) {
		helix_log(HEL_LOG_WARNING, "process %u (%s) is killed: %s", thread->process->pid,
			thread->process->comm, why);
		process_exit(thread->process, LINUX_SIGKILL);
	}
}

void lane_close(struct thread *thread)
{
	struct lane *lane = &thread->internal->lane;

	if (!lane->is_open) {
		return;
	}
	lane->is_open = false;
	if (lane->has_answer) {
		lane->has_answer = false;
		request_drop(&thread->internal->request);
	}
	hel_lane_shutdown(lane->handle);
	hel_close(HEL_THIS, lane->handle);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* What becomes of a call whose memory could not be copied. */
static int lane_result(int error, int64_t if_absent)
{
	switch (error) {
	case 0: return 0;
	case -ERR_NO_MEMORY: return -LINUX_ENOMEM;
	case -ERR_AGAIN: return (int)if_absent;
	default: return -LINUX_EFAULT;
	}
}

/*
 * The payload is in pieces in the process' memory: 0, a negative errno, POSIX_TOUCH_PIECES, 1:
 * garbage.
 */
static int lane_read_pieces(const struct thread_internal *internal, void *buffer, size_t size)
{
	const struct posix_mailbox *mailbox = &internal->page->mailbox;
	uint64_t n_pieces = *(const volatile uint64_t *)&mailbox->n_pieces;
	struct hel_sg pieces[POSIX_PIECES_MAX];
	uint8_t *bytes = buffer;
	size_t left = size;

	if (n_pieces > POSIX_PIECES_MAX) {
		return 1;
	}
	memcpy(pieces, mailbox->data, n_pieces * sizeof(pieces[0]));
	for (uint64_t i = 0; i < n_pieces; i++) {
		int error;

		if (pieces[i].length > left) {
			return 1;
		}
		error = hel_space_try_read(
			internal->mm->space, pieces[i].address, bytes, pieces[i].length, NULL);
		if (error != 0) {
			return lane_result(error, POSIX_TOUCH_PIECES);
		}
		bytes += pieces[i].length;
		left -= pieces[i].length;
	}
	return left == 0 ? 0 : 1;
}

/*
 * Where a payload is that no longer changes, or will be copied by request_decode(): 0 and
 * *out_payload, a negative errno, POSIX_TOUCH_PIECES, 1: garbage.
 */
static int lane_take_payload(struct thread_internal *internal, const struct posix_request *header,
	const void **out_payload)
{
	struct request_internal *request = &internal->request_internal;
	const struct posix_mailbox *mailbox = &internal->page->mailbox;
	bool is_bulk = (header->flags & POSIX_REQUEST_BULK_IN) != 0;
	size_t size = header->in_size;

	*out_payload = mailbox->data;
	if (size > (is_bulk ? POSIX_PAYLOAD_MAX : POSIX_MAILBOX_DATA)) {
		return 1;
	}
	if (!is_bulk && size <= REQUEST_PAYLOAD_INLINE) {
		return 0;
	}
	request->payload_block = helix_malloc(max_size(size, 1));
	*out_payload = request->payload_block;
	if (request->payload_block == NULL) {
		return -LINUX_ENOMEM;
	}
	if (is_bulk) {
		return lane_read_pieces(internal, request->payload_block, size);
	}
	memcpy(request->payload_block, mailbox->data, size);
	return 0;
}

/* The answer to a request that was not decoded. */
static void lane_refuse(struct thread *thread, const struct posix_request *header, int result)
{
	struct request *request = &thread->internal->request;
	struct posix_request empty = *header;

	request_drop(request);
	empty.in_size = 0;
	(void)request_decode(request, &empty, "", 0);
	request_reply(request, result);
}

/* The thread asks for what was kept for it, or says that it can have no use for it. */
static void lane_answer(struct thread *thread, const struct posix_request *header)
{
	struct thread_internal *internal = thread->internal;

	if ((header->flags & POSIX_REQUEST_ANSWER) == 0 || header->in_size != 0) {
		lane_fail(thread, "it does not take the answer that is kept");
		return;
	}
	internal->lane.has_answer = false;
	internal->request_internal.sequence = header->sequence;
	request_reply(
		&internal->request, header->args[0] == 0 ? internal->lane.answer : -LINUX_EFAULT);
}

static void lane_serve(struct thread *thread, const struct posix_request *header)
{
	struct request *request = &thread->internal->request;
	const void *payload;
	int64_t refusal;
	int error = lane_take_payload(thread->internal, header, &payload);

	if (unlikely(error < 0)) {
		lane_refuse(thread, header, error);
		return;
	}
	if (likely(error == 0)) {
		error = request_decode(request, header, payload, header->in_size);
	}
	if (unlikely(error > 0)) {
		request_drop(request);
		lane_fail(thread, "its request makes no sense");
	} else if (unlikely(error < 0)) {
		request_reply(request, error);
	} else if (request->internal->row == NULL || request->internal->row->handler == NULL) {
		unimplemented_count(header->number);
		request_reply(request, -LINUX_ENOSYS);
	} else if (unlikely(thread->internal->seccomp != NULL) &&
		!seccomp_admits(request, &refusal)) {
		request_reply(request, refusal);
	} else {
		request_run(request);
	}
}

/* ---- listening ------------------------------------------------------------------------------- */

static struct thread *thread_of(struct helix_operation *operation)
{
	struct lane *lane = container_of(operation, struct lane, listen);

	return container_of(lane, struct thread_internal, lane)->request.thread;
}

static bool listen_submit(struct helix_operation *operation, struct hel_queue_client *queue)
{
	struct hel_exchange_record *record = hel_queue_reserve(queue, HEL_SUBMIT_EXCHANGE,
		sizeof(*record) + sizeof(record->actions[0]), (uint64_t)operation);

	if (record == NULL) {
		return false;
	}
	record->lane = container_of(operation, struct lane, listen)->handle;
	record->n_actions = 1;
	record->flags = HEL_EXCHANGE_REPEAT;
	record->actions[0] = (struct hel_action){
		.type = HEL_ACTION_RECEIVE_INLINE,
		.length = sizeof(struct posix_request),
	};
	return true;
}

/* Whether an element is a request; it is in our own memory, so nobody changes it. */
static bool element_has_request(const struct hel_element *element)
{
	const struct hel_result *result = (const struct hel_result *)(element + 1);

	return element->error == 0 && element->n_results == 1 && result->error == 0 &&
		result->inline_size == sizeof(struct posix_request);
}

static void listen_take(struct helix_operation *operation, const struct hel_element *element)
{
	struct thread *thread = thread_of(operation);
	struct lane *lane = &thread->internal->lane;
	const struct hel_result *result = (const struct hel_result *)(element + 1);

	if (unlikely((element->flags & HEL_ELEMENT_MORE) == 0)) {
		list_remove(&operation->op.node);
		op_complete(&operation->op, 0);
	} else if (likely(!thread->internal->is_dying)) {
		if (likely(element_has_request(element) && !lane->is_serving)) {
			lane->is_serving = true;
			if (unlikely(lane->has_answer)) {
				lane_answer(thread, hel_result_data(result));
			} else {
				lane_serve(thread, hel_result_data(result));
			}
		} else {
			lane_fail(thread, "it sends what is no request, or a second one");
		}
	}
	helix_loop_release(helix_loop_of(operation->op.loop), element);
}

/* The lane has ended. */
static void listen_ended(struct op *op)
{
	struct thread *thread = op->owner;

	thread->internal->lane.is_listening = false;
	lane_fail(thread, "its lane has ended");
	thread_check_gone(thread);
}

static const struct helix_operation_class listen_class = {
	.op =
		{
			.name = "lane",
			.start = helix_operation_start,
			.cancel = helix_operation_cancel,
		},
	.submit = listen_submit,
	.take = listen_take,
};

void lane_open(struct thread *thread)
{
	struct lane *lane = &thread->internal->lane;

	lane->is_open = true;
	lane->is_listening = true;
	op_init(&lane->listen.op, &listen_class.op);
	turn_touch(thread->internal->request_internal.loop);
	(void)!op_start(
		&lane->listen.op, thread->internal->request_internal.loop, listen_ended, thread);
}

/* ---- replies --------------------------------------------------------------------------------- */

struct reply_data {
	const void *data;
	size_t size;
};

/* What goes into the mailbox. */
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
			min_size(size, min_size(internal->bulk_max, POSIX_BULK_INLINE)) };
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
		return (struct reply_data){ internal->out, size };
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

static int64_t lane_write_bulk(const struct request *request, int64_t result)
{
	const struct request_internal *internal = request->internal;
	const struct thread_internal *thread = request->thread->internal;
	size_t size = bulk_size_of(internal, result);
	int error = 0;

	if (size != 0) {
		error = hel_space_try_write(thread->mm->space, thread->page->mailbox.bulk_address,
			internal->bulk, size, NULL);
	}
	return error != 0 ? lane_result(error, POSIX_TOUCH_BULK) : result;
}

static void lane_tell(struct thread_internal *thread, int64_t result, size_t out_size)
{
	struct posix_mailbox *mailbox = &thread->page->mailbox;

	mailbox->result = result;
	mailbox->out_size = (uint32_t)out_size;
	thread->lane.is_serving = false;
	atomic_store_explicit(
		&mailbox->sequence, thread->request_internal.sequence, memory_order_release);
	helix_loop_alert(helix_loop_of(turn_current()->loop), thread->lane.queue);
}

/* The thread has pages to make present before it can have its answer. */
static void lane_keep_answer(struct request *request, int64_t result)
{
	struct thread_internal *thread = request->thread->internal;

	thread->lane.has_answer = true;
	thread->lane.answer = result;
	lane_tell(thread, POSIX_TOUCH_BULK, bulk_size_of(request->internal, result));
}

void request_reply(struct request *request, int64_t result)
{
	struct thread_internal *thread = request->thread->internal;
	struct posix_mailbox *mailbox = &thread->page->mailbox;
	struct request_internal *internal = request->internal;
	struct reply_data data = reply_data_of(internal, result);

	if (unlikely(thread->is_dying)) {
		request_drop(request);
		return;
	}
	if (internal->wants_bulk_reply) {
		int64_t written = lane_write_bulk(request, result);

		if (unlikely(written == POSIX_TOUCH_BULK)) {
			lane_keep_answer(request, result);
			return;
		}
		result = written;
	}
	if (likely(data.size <= sizeof(mailbox->data))) {
		memcpy(mailbox->data, data.data, data.size);
	} else {
		/* on the shim's stack, which is no file */
		int error = hel_space_try_write(
			thread->mm->space, mailbox->out_address, data.data, data.size, NULL);

		result = error != 0 ? lane_result(error, -LINUX_EFAULT) : result;
	}
	request_drop(request);
	lane_tell(thread, result, data.size);
}
