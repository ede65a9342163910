/* SPDX-License-Identifier: MIT */
/* Requests of file systems, cut to what the disk takes: see io.h. */
#include "io.h"

#include "counters.h"

#include <base/assert.h>
#include <base/errors.h>

#define ZEROES_BYTES 4096

static void io_pump(struct io *io);

static struct io *io_of(const struct device_request *request)
{
	return container_of(request->device, struct io, device);
}

/* ---- flights --------------------------------------------------------------------------------- */

/* Counts it for whom it was made, and for the disk. */
static void flight_count_begin(const struct io *io, struct io_flight *flight)
{
	const struct device_request *request = flight->request;

	flight->since_ns = loop_now_ns(io->disk->loop);
	counters_begin(request->owner, request, flight->since_ns);
	if (io->device.owner != request->owner) {
		counters_begin(io->device.owner, request, flight->since_ns);
	}
}

static void flight_count_end(const struct io *io, const struct io_flight *flight)
{
	const struct device_request *request = flight->request;
	uint64_t now_ns = loop_now_ns(io->disk->loop);

	counters_end(request->owner, request, now_ns, now_ns - flight->since_ns);
	if (io->device.owner != request->owner) {
		counters_end(io->device.owner, request, now_ns, now_ns - flight->since_ns);
	}
}

static void flight_check_end(struct io *io, struct io_flight *flight)
{
	if (flight->is_cut && flight->n_pieces == 0) {
		flight_count_end(io, flight);
		op_complete(&flight->request->op, flight->error);
		list_push_back(&io->free_flights, &flight->node);
	}
}

/* Nothing more of it is to be begun. */
static void flight_cut(struct io_flight *flight)
{
	flight->is_cut = true;
	list_remove(&flight->node);
}

static void piece_end(struct io_piece *piece)
{
	struct io *io = piece->io;
	struct io_flight *flight = piece->flight;
	int error = piece->request.op.error;

	list_push_back(&io->free_pieces, &piece->node);
	flight->n_pieces--;
	if (error != 0 && flight->error == 0) {
		flight->error = error;
		if (!flight->is_cut) {
			flight_cut(flight);
		}
	}
	flight_check_end(io, flight);
}

static void piece_done(struct op *op)
{
	struct io_piece *piece = op->owner;

	piece_end(piece);
	io_pump(piece->io);
}

static void flight_begin(struct io *io, struct io_flight *flight, struct device_request *request)
{
	*flight = (struct io_flight){
		.request = request,
		.position = request->offset,
		.left = request->length,
	};
	request->driver = flight;
	flight_count_begin(io, flight);
	list_push_back(&io->cutting, &flight->node);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* The longest range of one request without data. */
static uint64_t range_max(const struct io *io, enum device_action action)
{
	const struct block_geometry *geometry = &io->disk->geometry;
	uint64_t max =
		action == DEVICE_DISCARD ? geometry->discard_bytes_max : geometry->zeroes_bytes_max;

	return max_u64(align_down(max, io->device.block_size), io->device.block_size);
}

/* Take the next segments of the buffers, as many as one request may have. */
static uint64_t piece_take_segments(
	const struct io *io, struct io_flight *flight, struct io_piece *piece, uint32_t *out_n)
{
	const struct block_geometry *geometry = &io->disk->geometry;
	uint64_t n_bytes_max =
		max_u64(align_down(geometry->transfer_bytes_max, io->device.block_size),
			io->device.block_size);
	uint32_t n_max = (uint32_t)min_u64(IO_PIECE_SEGMENTS, max_u64(geometry->segments_max, 1));
	uint64_t n_bytes = 0;
	uint32_t n = 0;

	while (n < n_max && n_bytes < n_bytes_max && flight->left > n_bytes) {
		const struct device_buffer *buffer = &flight->request->buffers[flight->buffer];
		uint64_t length =
			min_u64(min_u64(buffer->length - flight->inside, n_bytes_max - n_bytes),
				flight->left - n_bytes);

		if (length > 0) {
			piece->segments[n++] = (struct block_segment){
				.offset = buffer->offset + flight->inside,
				.memory = io_buffer_memory(buffer)->id,
				.length = (uint32_t)length,
			};
		}
		n_bytes += length;
		flight->inside += length;
		if (flight->inside == buffer->length) {
			flight->buffer++;
			flight->inside = 0;
		}
	}
	*out_n = n;
	return n_bytes;
}

static void piece_prepare(const struct io *io, struct io_flight *flight, struct io_piece *piece)
{
	const struct device_request *request = flight->request;
	uint64_t length;
	uint32_t n_segments;

	switch (request->action) {
	case DEVICE_READ:
	case DEVICE_WRITE:
		length = piece_take_segments(io, flight, piece, &n_segments);
		block_op_init(&piece->request, io->disk,
			request->action == DEVICE_READ ? BLOCK_READ : BLOCK_WRITE, flight->position,
			piece->segments, n_segments);
		if (request->action == DEVICE_WRITE && (request->flags & DEVICE_FUA) != 0) {
			piece->request.flags = BLOCK_FUA;
		}
		break;
	case DEVICE_FLUSH:
		length = 0;
		block_op_init_range(&piece->request, io->disk, BLOCK_FLUSH, 0, 0);
		break;
	case DEVICE_DISCARD:
	case DEVICE_WRITE_ZEROES:
		length = min_u64(flight->left, range_max(io, request->action));
		block_op_init_range(&piece->request, io->disk,
			request->action == DEVICE_DISCARD ? BLOCK_DISCARD : BLOCK_WRITE_ZEROES,
			flight->position, length);
		break;
	}
	flight->position += length;
	flight->left -= length;
	if (flight->left == 0) {
		flight_cut(flight);
	}
}

static void piece_start(struct io *io, struct io_flight *flight, struct io_piece *piece)
{
	piece->flight = flight;
	flight->n_pieces++;
	piece_prepare(io, flight, piece);
	if (op_start(&piece->request.op, io->disk->loop, piece_done, piece) == OP_DONE) {
		piece_end(piece);
	}
}

/* Begin what can be begun. */
static void io_pump(struct io *io)
{
	for (;;) {
		struct io_flight *flight = LIST_FIRST(&io->cutting, struct io_flight, node);

		if (flight == NULL) {
			if (list_is_empty(&io->waiting) || list_is_empty(&io->free_flights)) {
				return;
			}
			struct op *op = LIST_POP_FRONT(&io->waiting, struct op, node);

			flight = LIST_POP_FRONT(&io->free_flights, struct io_flight, node);
			flight_begin(io, flight, container_of(op, struct device_request, op));
		}
		struct io_piece *piece = LIST_POP_FRONT(&io->free_pieces, struct io_piece, node);

		if (piece == NULL) {
			return;
		}
		piece_start(io, flight, piece);
	}
}

/* ---- the device ------------------------------------------------------------------------------ */

static enum op_result io_start(struct device_request *request)
{
	struct io *io = io_of(request);

	if (request->action != DEVICE_FLUSH && request->length == 0) {
		return op_finish_inline(&request->op, 0);
	}
	request->driver = NULL;
	list_push_back(&io->waiting, &request->op.node);
	io_pump(io);
	return OP_PENDING;
}

static void io_cancel(struct device_request *request)
{
	if (request->driver == NULL) {
		list_remove(&request->op.node);
		op_complete(&request->op, -ERR_CANCELLED);
	}
}

static const struct device_ops io_device_ops = { .start = io_start, .cancel = io_cancel };

void io_update(struct io *io)
{
	const struct block_geometry *geometry = &io->disk->geometry;

	io->device.size = geometry->size_bytes;
	io->device.is_read_only = (geometry->features & BLOCK_FEATURE_READ_ONLY) != 0;
	io->device.can_discard = (geometry->features & BLOCK_FEATURE_DISCARD) != 0;
	io->device.can_write_zeroes = (geometry->features & BLOCK_FEATURE_WRITE_ZEROES) != 0;
}

int io_init(struct io *io, struct block_disk *disk)
{
	*io = (struct io){
		.device = {
			.ops = &io_device_ops,
			.block_size = disk->geometry.logical_block_bytes,
		},
		.disk = disk,
		.flights = helix_calloc(IO_FLIGHTS, sizeof(struct io_flight)),
		.pieces = helix_calloc(IO_PIECES, sizeof(struct io_piece)),
	};
	list_init(&io->waiting);
	list_init(&io->cutting);
	list_init(&io->free_flights);
	list_init(&io->free_pieces);
	list_init(&io->guests);
	if (io->flights == NULL || io->pieces == NULL) {
		io_deinit(io);
		return -ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < IO_FLIGHTS; i++) {
		list_push_back(&io->free_flights, &io->flights[i].node);
	}
	for (size_t i = 0; i < IO_PIECES; i++) {
		io->pieces[i].io = io;
		list_push_back(&io->free_pieces, &io->pieces[i].node);
	}
	io_update(io);
	return 0;
}

void io_deinit(struct io *io)
{
	helix_free(io->flights);
	helix_free(io->pieces);
}

/* ---- memory ---------------------------------------------------------------------------------- */

int io_memory_attach(
	struct task *task, struct io *io, hel_handle handle, struct io_memory *out_memory)
{
	out_memory->handle = handle;
	return block_disk_attach(task, io->disk, handle, &out_memory->id);
}

int io_memory_attach_kept(
	struct task *task, struct io *io, hel_handle handle, struct io_memory *out_memory)
{
	out_memory->handle = handle;
	return block_disk_attach_kept(task, io->disk, handle, &out_memory->id);
}

void io_memory_detach(struct task *task, struct io *io, struct io_memory *memory)
{
	block_disk_detach(task, io->disk, memory->id);
}

/* ---- guests ---------------------------------------------------------------------------------- */

static void guest_end(struct task *task, struct io *io, struct io_guest *guest)
{
	list_remove(&guest->node);
	io->n_guests--;
	io_memory_detach(task, io, &guest->memory);
	hel_close(HEL_THIS, guest->memory.handle);
	helix_free(guest);
}

/* As far as they are not used. */
static void guests_trim(struct task *task, struct io *io, uint32_t n_max)
{
	while (io->n_guests > n_max) {
		struct io_guest *oldest = NULL;

		LIST_FOR_EACH(guest, &io->guests, struct io_guest, node) {
			if (guest->n_users == 0) {
				oldest = guest;
				break;
			}
		}
		if (oldest == NULL) {
			return;
		}
		guest_end(task, io, oldest);
	}
}

static struct io_guest *guest_find(const struct io *io, const struct hel_descriptor_info *info)
{
	LIST_FOR_EACH(guest, &io->guests, struct io_guest, node) {
		if (guest->identity == info->identity && guest->rights == info->rights) {
			return guest;
		}
	}
	return NULL;
}

static int guest_create(struct task *task, struct io *io, hel_handle handle,
	const struct hel_descriptor_info *info, struct io_guest **out_guest)
{
	struct io_guest *guest = helix_calloc(1, sizeof(*guest));

	if (guest == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = io_memory_attach(task, io, handle, &guest->memory);

	if (error != 0) {
		helix_free(guest);
		return error;
	}
	guest->identity = info->identity;
	guest->rights = info->rights;
	guest->n_users = 1;
	list_push_back(&io->guests, &guest->node);
	io->n_guests++;
	*out_guest = guest;
	guests_trim(task, io, IO_GUESTS_MAX);
	return 0;
}

int io_guest_get(struct task *task, struct io *io, hel_handle handle, struct io_guest **out_guest)
{
	struct hel_descriptor_info info;
	int error = hel_descriptor_info(HEL_THIS, handle, &info);
	struct io_guest *guest = error == 0 ? guest_find(io, &info) : NULL;

	if (guest != NULL) {
		hel_close(HEL_THIS, handle);
		list_remove(&guest->node);
		list_push_back(&io->guests, &guest->node);
		guest->n_users++;
		*out_guest = guest;
		return 0;
	}
	error = error != 0 ? error : guest_create(task, io, handle, &info, out_guest);
	if (error != 0) {
		hel_close(HEL_THIS, handle);
	}
	return error;
}

void io_guest_put(struct task *task, struct io *io, struct io_guest *guest, int error)
{
	guest->n_users--;
	if (error != 0 && guest->n_users == 0) {
		guest_end(task, io, guest);
	}
	guests_trim(task, io, IO_GUESTS_MAX);
}

void io_guests_drop(struct task *task, struct io *io)
{
	guests_trim(task, io, 0);
}

/* ---- buffers --------------------------------------------------------------------------------- */

void io_buffer_zero(const struct device_buffer *buffer, uint64_t offset, uint64_t length)
{
	static const uint8_t zeroes[ZEROES_BYTES];
	hel_handle memory = io_buffer_memory(buffer)->handle;

	while (length > 0) {
		uint64_t part = min_u64(length, sizeof(zeroes));

		/* what is not there, or cannot be, needs no zeros */
		(void)!hel_memory_write(memory, buffer->offset + offset, zeroes, part);
		offset += part;
		length -= part;
	}
}
