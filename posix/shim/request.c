/* SPDX-License-Identifier: MIT */
/*
 * Requests to posix: one exchange on the thread's lane, one drive call, one reply. A small request
 * is sent by a quiet record in front of it.
 *
 * The thread's queue has two chunks and never more than one completion to come, so consuming is
 * simple: the element is at (chunk, chunk_offset), and a chunk that is done and read goes back at
 * once. A kick while we wait does not end the wait: posix itself answers an interruptible request
 * when it sends a signal (wire.h).
 */
#include <hel/hel-calls.h>

#include "shim.h"

/* Message of a request whose payload travels with the header. */
struct inline_message {
	struct posix_request header;
	uint8_t payload[POSIX_INLINE_MAX];
};

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
	call->out_size = 0;
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

static int gather(const struct shim_call *call, uint8_t *to)
{
	for (uint32_t i = 0; i < call->n_in; i++) {
		const struct shim_piece *piece = &call->in[i];
		int error = piece->is_user
			? shim_get(to, piece->address, piece->size)
			: shim_copy_bytes(to, (const void *)piece->address, piece->size);

		if (error) {
			return error;
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

static struct hel_chunk *queue_chunk(const struct posix_thread_page *page, uint32_t index)
{
	return (struct hel_chunk *)(page->queue_address + HEL_PAGE_SIZE +
		index * (uint64_t)POSIX_QUEUE_CHUNK_SIZE);
}

static void supply_chunk(struct posix_thread_page *page, uint32_t index)
{
	struct hel_queue_header *header = queue_header(page);

	queue_chunk(page, index)->progress = 0;
	header->supply[page->supply_tail % HEL_SUPPLY_MAX] = index;
	page->supply_tail++;
	__atomic_store_n(&header->supply_tail, page->supply_tail, __ATOMIC_RELEASE);
}

void shim_queue_init(struct posix_thread_page *page)
{
	page->supply_tail = 0;
	page->submit_tail = 0;
	page->chunk = 0;
	page->chunk_offset = 0;
	page->n_seen = 0;
	for (uint32_t i = 0; i < POSIX_QUEUE_CHUNKS; i++) {
		supply_chunk(page, i);
	}
}

/* Room for a record, which commit() submits. There is always some: the ring is nearly empty. */
static void *reserve(struct posix_thread_page *page, uint32_t size)
{
	uint8_t *ring = (uint8_t *)page->queue_address + sizeof(struct hel_queue_header);
	uint32_t offset = page->submit_tail % POSIX_QUEUE_SUBMIT_SIZE;
	uint32_t room = POSIX_QUEUE_SUBMIT_SIZE - offset;

	if (room < size) {
		struct hel_record *pad = (struct hel_record *)(ring + offset);

		pad->size = room;
		pad->opcode = HEL_SUBMIT_PAD;
		page->submit_tail += room;
		offset = 0;
	}
	return ring + offset;
}

static void commit(struct posix_thread_page *page, uint32_t size)
{
	page->submit_tail += size;
	__atomic_store_n(&queue_header(page)->submit_tail, page->submit_tail, __ATOMIC_RELEASE);
}

/* The next completion, or NULL; it stays valid until consume(). */
static const struct hel_element *next_element(struct posix_thread_page *page)
{
	for (uint32_t tries = 0; tries <= POSIX_QUEUE_CHUNKS; tries++) {
		struct hel_chunk *chunk = queue_chunk(page, page->chunk);
		uint32_t progress = __atomic_load_n(&chunk->progress, __ATOMIC_ACQUIRE);

		if (page->chunk_offset < (progress & ~HEL_CHUNK_DONE)) {
			return (const struct hel_element *)(chunk->elements + page->chunk_offset);
		}
		if (!(progress & HEL_CHUNK_DONE)) {
			return nullptr;
		}
		supply_chunk(page, page->chunk);
		page->chunk = (page->chunk + 1) % POSIX_QUEUE_CHUNKS;
		page->chunk_offset = 0;
	}
	return nullptr;
}

static void consume(struct posix_thread_page *page, const struct hel_element *element)
{
	page->chunk_offset += element->size;
	page->n_seen++;
}

/* Drives until the one operation in flight has completed. */
static const struct hel_element *drive_and_wait(struct posix_thread_page *page)
{
	for (;;) {
		uint32_t n_completions;
		int error = hel_drive(page->queue, HEL_DRIVE_WAIT, page->n_seen, HEL_DEADLINE_NEVER,
			&n_completions);
		const struct hel_element *element = next_element(page);

		if (element) {
			return element;
		}
		if (error == -ERR_KICKED) {
			shim_note_kick();
		} else if (error) {
			hel_thread_exit();
		}
	}
}

/* ---- replies --------------------------------------------------------------------------------- */

static int64_t scatter(struct shim_call *call, const uint8_t *data, uint64_t size, int64_t result)
{
	for (uint32_t i = 0; i < call->n_out && size > 0; i++) {
		const struct shim_piece *piece = &call->out[i];
		uint64_t n = piece->size < size ? piece->size : size;
		uint64_t step = padded(piece->size) < size ? padded(piece->size) : size;
		int error = piece->is_user ? shim_put(piece->address, data, n)
					   : shim_copy_bytes((void *)piece->address, data, n);

		if (error) {
			result = error;
		}
		data += step;
		size -= step;
	}
	return result;
}

static int64_t read_reply(
	struct shim_call *call, const struct hel_element *element, uint32_t n_sends)
{
	const struct hel_result *result = (const struct hel_result *)(element + 1);
	const struct posix_reply *reply;
	uint64_t n_data;
	int64_t value;

	if (element->error || element->n_results <= n_sends) {
		hel_thread_exit();
	}
	for (uint32_t i = 0; i < n_sends; i++, result++) {
		if (result->error && i == 0) {
			hel_thread_exit();
		}
	}
	if (result->error || result->inline_size < sizeof(*reply)) {
		hel_thread_exit();
	}
	reply = (const struct posix_reply *)(result + 1);
	value = reply->result;
	n_data = result->inline_size - sizeof(*reply);
	call->out_size = reply->out_size;
	if (call->header.flags & POSIX_REQUEST_BULK_OUT) {
		const struct hel_result *bulk = (const struct hel_result *)((const uint8_t *)reply +
			padded(result->inline_size));

		if (bulk->error && value > 0) {
			return -LINUX_EFAULT;
		}
		return scatter(call, (const uint8_t *)(reply + 1), n_data, value);
	}
	if (call->bulk_out_size && value > 0) {
		uint64_t n = n_data < call->bulk_out_size ? n_data : call->bulk_out_size;

		return shim_put(call->bulk_out_address, reply + 1, n) ? -LINUX_EFAULT : value;
	}
	return scatter(call, (const uint8_t *)(reply + 1), n_data, value);
}

/* ---- the exchange ---------------------------------------------------------------------------- */

/* What takes the reply; returns how many actions that is. */
static uint32_t add_receives(const struct shim_call *call, struct hel_action *actions)
{
	actions[0] = (struct hel_action){
		.type = HEL_ACTION_RECEIVE_INLINE,
		.length = POSIX_REPLY_MAX,
	};
	if ((call->header.flags & POSIX_REQUEST_BULK_OUT) == 0) {
		return 1;
	}
	actions[1] = (struct hel_action){
		.type = HEL_ACTION_RECEIVE,
		.address = call->bulk_out_address,
		.length = call->bulk_out_size,
	};
	return 2;
}

static void fill_record(struct hel_exchange_record *record, const struct shim_call *call,
	uint32_t n_actions, uint32_t flags, uint32_t size)
{
	*record = (struct hel_exchange_record){
		.header = {
			.size = size,
			.opcode = HEL_SUBMIT_EXCHANGE,
			.context = call->header.sequence,
		},
		.lane = shim_thread()->lane,
		.n_actions = n_actions,
		.flags = flags,
	};
}

/* @sends and what takes the reply, as one exchange. */
static int64_t run_exchange(
	struct shim_call *call, const struct hel_action *sends, uint32_t n_sends)
{
	struct posix_thread_page *page = shim_thread();
	struct hel_exchange_record *record =
		reserve(page, sizeof(*record) + (n_sends + 2) * sizeof(record->actions[0]));
	const struct hel_element *element;
	int64_t result;
	uint32_t n, size;

	for (n = 0; n < n_sends; n++) {
		record->actions[n] = sends[n];
	}
	n += add_receives(call, &record->actions[n]);
	size = sizeof(*record) + n * sizeof(record->actions[0]);
	fill_record(record, call, n, 0, size);
	commit(page, size);
	element = drive_and_wait(page);
	result = read_reply(call, element, n_sends);
	consume(page, element);
	if (result <= -LINUX_ERESTARTSYS && result >= -LINUX_ERESTART_RESTARTBLOCK) {
		shim_look_at_exit();
	} else if (call->header.number != POSIX_SIGNAL_TAKE && shim_has_signal()) {
		shim_look_at_exit();
	}
	return result;
}

/*
 * A small request is a record of its own, with the message behind it in the ring, which is all that
 * the kernel looks at: it has no completion unless it fails, and then nobody replies.
 */
static int64_t run_small(struct shim_call *call)
{
	struct posix_thread_page *page = shim_thread();
	uint32_t message_size = sizeof(struct posix_request) + call->header.in_size;
	struct hel_exchange_record *record;
	uint32_t size = sizeof(*record) + sizeof(record->actions[0]) + message_size;
	struct posix_request *message;
	int error;

	record = reserve(page, size);
	message = (struct posix_request *)&record->actions[1];
	error = gather(call, (uint8_t *)(message + 1));
	if (error) {
		return error;
	}
	*message = call->header;
	fill_record(record, call, 1, HEL_EXCHANGE_QUIET, size);
	record->actions[0] = (struct hel_action){
		.type = HEL_ACTION_SEND,
		.address = (uint64_t)message,
		.length = message_size,
	};
	commit(page, size);
	return run_exchange(call, nullptr, 0);
}

static int64_t run_inline(struct shim_call *call)
{
	struct inline_message message;
	struct hel_action send;
	int error = gather(call, message.payload);

	if (error) {
		return error;
	}
	message.header = call->header;
	send = (struct hel_action){
		.type = HEL_ACTION_SEND,
		.address = (uint64_t)&message,
		.length = sizeof(message.header) + call->header.in_size,
	};
	return run_exchange(call, &send, 1);
}

/* The payload goes by a second send, gathered by the kernel straight from where it lies. */
static int64_t run_long(struct shim_call *call)
{
	static const uint64_t zero;
	struct hel_sg segments[2 * ARRAY_SIZE(call->in)];
	struct hel_action sends[2];
	uint32_t n = 0;

	for (uint32_t i = 0; i < call->n_in; i++) {
		const struct shim_piece *piece = &call->in[i];

		if (piece->is_user && !shim_is_user_range(piece->address, piece->size)) {
			return -LINUX_EFAULT;
		}
		if (piece->size) {
			segments[n++] = (struct hel_sg){ piece->address, piece->size };
		}
		if (wire_size(piece) != piece->size) {
			segments[n++] =
				(struct hel_sg){ (uint64_t)&zero, wire_size(piece) - piece->size };
		}
	}
	call->header.flags |= POSIX_REQUEST_BULK_IN;
	sends[0] = (struct hel_action){
		.type = HEL_ACTION_SEND,
		.address = (uint64_t)&call->header,
		.length = sizeof(call->header),
	};
	sends[1] = (struct hel_action){
		.type = HEL_ACTION_SEND_SG,
		.address = (uint64_t)segments,
		.length = n,
	};
	return run_exchange(call, sends, 2);
}

int64_t shim_call_run(struct shim_call *call)
{
	struct posix_thread_page *page = shim_thread();
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
	call->header.sequence = ++page->request_sequence;
	if (call->bulk_out_size > POSIX_BULK_INLINE) {
		if (!shim_is_user_range(call->bulk_out_address, call->bulk_out_size)) {
			return -LINUX_EFAULT;
		}
		call->header.flags |= POSIX_REQUEST_BULK_OUT;
	}
	if (in_size > POSIX_INLINE_MAX) {
		return run_long(call);
	}
	return sizeof(call->header) + in_size > HEL_QUIET_BYTES_MAX ? run_inline(call)
								    : run_small(call);
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
