/* SPDX-License-Identifier: MIT */
/*
 * Requests to posix: a quiet send on the thread's lane, data by the mailbox in the thread's page,
 * and a wait until posix has written there that the request is answered (wire.h). The thread's
 * queue has nothing to do but to carry the send and to be alerted; what completes on it is a send
 * that failed: the lane has ended, and the thread with it.
 *
 * A kick while we wait does not end the wait: posix itself answers an interruptible request when it
 * sends a signal. An alert may come to who has seen the answer already; it ends a later wait early.
 */
#include <hel/hel-calls.h>

#include "shim.h"

constexpr uint64_t COPY_SHORT = 64; /* what is longer is copied by a string instruction */

/* There is one kind of record, with the request behind it in the ring. */
constexpr uint32_t RECORD_SIZE = sizeof(struct hel_exchange_record) + sizeof(struct hel_action) +
	sizeof(struct posix_request);
static_assert(POSIX_QUEUE_SUBMIT_SIZE % RECORD_SIZE == 0);

static uint64_t padded(uint64_t size)
{
	return (size + 7) & ~(uint64_t)7;
}

/* What a piece of the payload takes on the wire. */
static uint64_t wire_size(const struct shim_piece *piece)
{
	return piece->is_joined ? piece->size : padded(piece->size);
}

void shim_call_init(struct shim_call *call, uint32_t number)
{
	call->header = (struct posix_request){ .number = number };
	call->n_in = 0;
	call->n_out = 0;
	call->bulk_out_size = 0;
	call->bulk_out_address = 0;
}

static void add_in(struct shim_call *call, uint64_t address, size_t size, bool is_user)
{
	call->in[call->n_in++] =
		(struct shim_piece){ .address = address, .size = size, .is_user = is_user };
}

void shim_call_in(struct shim_call *call, const void *data, size_t size)
{
	add_in(call, (uint64_t)data, size, false);
}

void shim_call_in_user(struct shim_call *call, uint64_t address, size_t size)
{
	add_in(call, address, size, true);
}

void shim_call_in_part(struct shim_call *call, uint64_t address, size_t size)
{
	/* The one before it is no longer the last: it is not padded. */
	if (call->n_in > 0 && call->in[call->n_in - 1].is_part) {
		call->in[call->n_in - 1].is_joined = true;
	}
	add_in(call, address, size, true);
	call->in[call->n_in - 1].is_part = true;
}

void shim_call_out(struct shim_call *call, void *data, size_t size)
{
	call->out[call->n_out++] = (struct shim_piece){ .address = (uint64_t)data, .size = size };
}

void shim_call_out_user(struct shim_call *call, uint64_t address, size_t size)
{
	call->out[call->n_out++] =
		(struct shim_piece){ .address = address, .size = size, .is_user = true };
}

static int copy(void *to, const void *from, uint64_t size)
{
	if (size < COPY_SHORT) {
		return shim_copy_bytes(to, from, size);
	}
	return shim_copy_long(to, from, size) ? -LINUX_EFAULT : 0;
}

static int gather(const struct shim_call *call, uint8_t *to)
{
	for (uint32_t i = 0; i < call->n_in; i++) {
		const struct shim_piece *piece = &call->in[i];

		if ((piece->is_user && !shim_is_user_range(piece->address, piece->size)) ||
			copy(to, (const void *)piece->address, piece->size)) {
			return -LINUX_EFAULT;
		}
		for (uint64_t k = piece->size; k < wire_size(piece); k++) {
			to[k] = 0;
		}
		to += wire_size(piece);
	}
	return 0;
}

/* ---- the queue ------------------------------------------------------------------------------- */

static struct hel_queue_header *queue_header(const struct posix_thread_page *page)
{
	return (struct hel_queue_header *)page->queue_address;
}

void shim_queue_init(struct posix_thread_page *page)
{
	struct hel_queue_header *header = queue_header(page);

	page->submit_tail = 0;
	header->supply[0] = 0;
	__atomic_store_n(&header->supply_tail, 1, __ATOMIC_RELEASE);
}

static void submit(struct posix_thread_page *page, const struct posix_request *request)
{
	uint8_t *ring = (uint8_t *)page->queue_address + sizeof(struct hel_queue_header);
	struct hel_exchange_record *record =
		(struct hel_exchange_record *)(ring + page->submit_tail % POSIX_QUEUE_SUBMIT_SIZE);
	struct hel_action *send = &record->actions[0];
	struct posix_request *message = (struct posix_request *)(send + 1);

	record->header = (struct hel_record){ .size = RECORD_SIZE, .opcode = HEL_SUBMIT_EXCHANGE };
	record->lane = page->lane;
	record->n_actions = 1;
	record->flags = HEL_EXCHANGE_QUIET;
	*send = (struct hel_action){
		.type = HEL_ACTION_SEND,
		.address = (uint64_t)message,
		.length = sizeof(*message),
	};
	*message = *request;
	page->submit_tail += RECORD_SIZE;
	__atomic_store_n(&queue_header(page)->submit_tail, page->submit_tail, __ATOMIC_RELEASE);
}

/* Sends what is submitted, and waits for the answer. */
static void await_reply(struct posix_thread_page *page, uint32_t sequence)
{
	for (;;) {
		uint32_t n_completions;
		int error = hel_drive(
			page->queue, HEL_DRIVE_WAIT, 0, HEL_DEADLINE_NEVER, &n_completions);

		if (error == -ERR_KICKED) {
			shim_note_kick();
		} else if (error != -ERR_ALERTED) {
			hel_thread_exit();
		}
		if (atomic_load_explicit(&page->mailbox.sequence, memory_order_acquire) ==
			sequence) {
			return;
		}
	}
}

/* ---- replies --------------------------------------------------------------------------------- */

static int64_t scatter(
	const struct shim_call *call, const uint8_t *data, uint64_t size, int64_t result)
{
	for (uint32_t i = 0; i < call->n_out && size > 0; i++) {
		const struct shim_piece *piece = &call->out[i];
		uint64_t n = piece->size < size ? piece->size : size;
		uint64_t step = padded(piece->size) < size ? padded(piece->size) : size;

		if ((piece->is_user && !shim_is_user_range(piece->address, n)) ||
			copy((void *)piece->address, data, n)) {
			result = -LINUX_EFAULT;
		}
		data += step;
		size -= step;
	}
	return result;
}

/* Puts the reply's data where they belong. */
static int64_t read_reply(const struct shim_call *call, const struct posix_mailbox *mailbox)
{
	const uint8_t *data = mailbox->data;
	int64_t result = mailbox->result;
	uint64_t size = mailbox->out_size;

	if (size > sizeof(mailbox->data)) {
		data = (const uint8_t *)mailbox->out_address;
		size = size < POSIX_REPLY_MAX ? size : POSIX_REPLY_MAX;
	}
	if (call->bulk_out_size && !(call->header.flags & POSIX_REQUEST_BULK_OUT)) {
		uint64_t n = size < call->bulk_out_size ? size : call->bulk_out_size;

		if (result > 0 &&
			(!shim_is_user_range(call->bulk_out_address, n) ||
				copy((void *)call->bulk_out_address, data, n))) {
			return -LINUX_EFAULT;
		}
		return result;
	}
	return scatter(call, data, size, result);
}

/* ---- the exchange ---------------------------------------------------------------------------- */

static void exchange(struct posix_thread_page *page, struct posix_request *request)
{
	request->sequence = ++page->request_sequence;
	submit(page, request);
	await_reply(page, request->sequence);
}

/* Makes pages present, as if the program touched them; this is where it waits for a disk. */
static int touch(uint64_t address, uint64_t size, uint64_t flags)
{
	uint64_t start = address & ~(uint64_t)(HEL_PAGE_SIZE - 1);
	uint64_t end = (address + size + HEL_PAGE_SIZE - 1) & ~(uint64_t)(HEL_PAGE_SIZE - 1);

	return end > start ? hel_space_populate(HEL_THIS, start, end - start, flags) : 0;
}

static int touch_pieces(const struct posix_mailbox *mailbox)
{
	const struct hel_sg *pieces = (const struct hel_sg *)mailbox->data;
	int error = 0;

	for (uint64_t i = 0; i < mailbox->n_pieces && i < POSIX_PIECES_MAX && !error; i++) {
		error = touch(pieces[i].address, pieces[i].length, 0);
	}
	return error;
}

/* posix does not wait for absent pages: see wire.h. */
static __attribute__((noinline)) void touch_and_go_on(
	struct shim_call *call, struct posix_thread_page *page)
{
	struct posix_mailbox *mailbox = &page->mailbox;

	while (mailbox->result == POSIX_TOUCH_PIECES || mailbox->result == POSIX_TOUCH_BULK) {
		if (mailbox->result == POSIX_TOUCH_PIECES) {
			if (touch_pieces(mailbox)) {
				mailbox->result = -LINUX_EFAULT;
				return;
			}
			exchange(page, &call->header);
		} else {
			uint64_t size = mailbox->out_size < call->bulk_out_size
				? mailbox->out_size
				: call->bulk_out_size;
			struct posix_request ask = { .flags = POSIX_REQUEST_ANSWER };

			ask.args[0] = touch(mailbox->bulk_address, size, HEL_POPULATE_WRITE) != 0;
			exchange(page, &ask);
		}
	}
}

static int64_t run(struct shim_call *call)
{
	struct posix_thread_page *page = shim_thread();
	int64_t result;

	exchange(page, &call->header);
	if (__builtin_expect(page->mailbox.result <= POSIX_TOUCH_PIECES, 0)) {
		touch_and_go_on(call, page);
	}
	result = read_reply(call, &page->mailbox);
	if ((result <= -LINUX_ERESTARTSYS && result >= -LINUX_ERESTART_RESTARTBLOCK) ||
		(shim_has_signal() && call->header.number != POSIX_SIGNAL_TAKE)) {
		shim_look_at_exit();
	}
	return result;
}

/* The reply may be more than the mailbox holds: there is room for it here. */
static __attribute__((noinline)) int64_t run_roomy(struct shim_call *call)
{
	alignas(8) uint8_t room[POSIX_REPLY_MAX];

	shim_thread()->mailbox.out_address = (uint64_t)room;
	return run(call);
}

/* posix reads the payload where it lies; the mailbox says where that is. */
static __attribute__((noinline)) int64_t list_pieces(struct shim_call *call)
{
	static const uint64_t zero;
	struct posix_mailbox *mailbox = &shim_thread()->mailbox;
	struct hel_sg *pieces = (struct hel_sg *)mailbox->data;
	uint32_t n = 0;

	static_assert(POSIX_PIECES_MAX >= 2 * ARRAY_SIZE(call->in));
	for (uint32_t i = 0; i < call->n_in; i++) {
		const struct shim_piece *piece = &call->in[i];

		if (piece->is_user && !shim_is_user_range(piece->address, piece->size)) {
			return -LINUX_EFAULT;
		}
		if (piece->size) {
			pieces[n++] = (struct hel_sg){ piece->address, piece->size };
		}
		if (wire_size(piece) != piece->size) {
			pieces[n++] =
				(struct hel_sg){ (uint64_t)&zero, wire_size(piece) - piece->size };
		}
	}
	mailbox->n_pieces = n;
	call->header.flags |= POSIX_REQUEST_BULK_IN;
	return 0;
}

static int64_t add_payload(struct shim_call *call)
{
	uint64_t in_size = 0;

	for (uint32_t i = 0; i < call->n_in; i++) {
		if (call->in[i].size > POSIX_PAYLOAD_MAX) {
			return -LINUX_E2BIG;
		}
		in_size += wire_size(&call->in[i]);
	}
	if (in_size > POSIX_PAYLOAD_MAX) {
		return -LINUX_E2BIG;
	}
	call->header.in_size = (uint32_t)in_size;
	return in_size > POSIX_MAILBOX_DATA ? list_pieces(call)
					    : gather(call, shim_thread()->mailbox.data);
}

int64_t shim_call_run(struct shim_call *call)
{
	uint64_t out_size = 0;

	if (call->n_in) {
		int64_t error = add_payload(call);

		if (error) {
			return error;
		}
	}
	if (call->bulk_out_size > POSIX_BULK_INLINE) {
		if (!shim_is_user_range(call->bulk_out_address, call->bulk_out_size)) {
			return -LINUX_EFAULT;
		}
		call->header.flags |= POSIX_REQUEST_BULK_OUT;
		shim_thread()->mailbox.bulk_address = call->bulk_out_address;
	}
	for (uint32_t i = 0; i < call->n_out; i++) {
		out_size += padded(call->out[i].size);
	}
	return out_size > POSIX_MAILBOX_DATA ? run_roomy(call) : run(call);
}

int64_t shim_request(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
	uint64_t a4, uint64_t a5)
{
	struct shim_call call;

	shim_call_init(&call, number);
	call.header.args[0] = a0;
	call.header.args[1] = a1;
	call.header.args[2] = a2;
	call.header.args[3] = a3;
	call.header.args[4] = a4;
	call.header.args[5] = a5;
	return shim_call_run(&call);
}
