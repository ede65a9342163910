/* SPDX-License-Identifier: MIT */
/*
 * Making a device's request of a client's: everything is checked here, and pages are mapped for
 * DMA. See block.h.
 */
#include "internal.h"

#include <base/errors.h>
#include <base/string.h>

static bool is_transfer(enum block_operation operation)
{
	return operation == BLOCK_READ || operation == BLOCK_WRITE;
}

/* ---- checking -------------------------------------------------------------------------------- */

static int check_operation(const struct block_device *device, const struct block_slot *wanted)
{
	uint8_t flags = wanted->operation == BLOCK_WRITE  ? BLOCK_FUA
		: wanted->operation == BLOCK_WRITE_ZEROES ? BLOCK_FUA | BLOCK_UNMAP
							  : 0;

	if (wanted->reserved != 0 || wanted->reserved_more != 0 || (wanted->flags & ~flags) != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	switch (wanted->operation) {
	case BLOCK_READ:
	case BLOCK_FLUSH: return 0;
	case BLOCK_DISCARD:
		if ((device->features & BLOCK_FEATURE_DISCARD) == 0) {
			return -ERR_UNSUPPORTED;
		}
		break;
	case BLOCK_WRITE_ZEROES:
		if ((device->features & BLOCK_FEATURE_WRITE_ZEROES) == 0) {
			return -ERR_UNSUPPORTED;
		}
		break;
	case BLOCK_WRITE: break;
	default: return -ERR_ILLEGAL_ARGS;
	}
	return (device->features & BLOCK_FEATURE_READ_ONLY) != 0 ? -ERR_NO_RIGHTS : 0;
}

static int check_range(const struct block_device *device, const struct block_slot *wanted)
{
	uint64_t length_max = is_transfer(wanted->operation) ? device->transfer_bytes_max
		: wanted->operation == BLOCK_DISCARD         ? device->discard_bytes_max
							     : device->zeroes_bytes_max;

	if (wanted->operation == BLOCK_FLUSH) {
		return wanted->position == 0 && wanted->length == 0 && wanted->n_segments == 0
			? 0
			: -ERR_ILLEGAL_ARGS;
	}
	if (wanted->length == 0 || wanted->length > length_max ||
		!is_aligned(wanted->position | wanted->length, device->logical_block_bytes)) {
		return -ERR_ILLEGAL_ARGS;
	}
	return wanted->position > device->size_bytes ||
			wanted->length > device->size_bytes - wanted->position
		? -ERR_OUT_OF_BOUNDS
		: 0;
}

static int check_segments(const struct block_queue *queue, const struct block_slot *wanted,
	const struct block_segment *segments)
{
	const struct block_device *device = queue->client->device;
	uint64_t length = 0;

	if (!is_transfer(wanted->operation)) {
		return wanted->n_segments == 0 ? 0 : -ERR_ILLEGAL_ARGS;
	}
	if (wanted->n_segments > queue->ring.n_segments) {
		return -ERR_ILLEGAL_ARGS;
	}
	for (uint32_t i = 0; i < wanted->n_segments; i++) {
		if (segments[i].length == 0 ||
			!is_aligned(segments[i].offset | segments[i].length,
				device->memory_alignment) ||
			segments[i].offset > UINT64_MAX - segments[i].length - HEL_PAGE_SIZE) {
			return -ERR_ILLEGAL_ARGS;
		}
		length += segments[i].length;
	}
	return length == wanted->length ? 0 : -ERR_ILLEGAL_ARGS;
}

/* ---- mapping --------------------------------------------------------------------------------- */

bool block_add_extent(const struct block_device *device, struct block_request_internal *request,
	uint64_t address, uint64_t length)
{
	while (length > 0) {
		struct block_extent *last = request->request.n_extents == 0
			? NULL
			: &request->extents[request->request.n_extents - 1];
		uint64_t boundary = device->extent_boundary;
		uint64_t room = boundary == 0 ? UINT64_MAX : boundary - (address & (boundary - 1));
		bool is_joined = last != NULL && last->address + last->length == address &&
			last->length < device->extent_bytes_max &&
			(boundary == 0 || (address & (boundary - 1)) != 0);
		uint32_t bytes = (uint32_t)min_u64(length, min_u64(room, device->extent_bytes_max));

		if (is_joined) {
			bytes = (uint32_t)min_u64(bytes, device->extent_bytes_max - last->length);
			last->length += bytes;
		} else if (request->request.n_extents == device->extents_max) {
			return false;
		} else {
			request->extents[request->request.n_extents++] =
				(struct block_extent){ .address = address, .length = bytes };
		}
		address += bytes;
		length -= bytes;
	}
	return true;
}

/* @length bytes in pages, from @inside the first one on: neighbours at once. */
static bool add_pages(const struct block_device *device, struct block_request_internal *request,
	const uint64_t *pages, uint64_t inside, uint64_t length)
{
	while (length > 0) {
		uint64_t first = pages[0];
		uint64_t run = HEL_PAGE_SIZE;

		for (pages++; run < inside + length && *pages == first + run; pages++) {
			run += HEL_PAGE_SIZE;
		}
		uint64_t bytes = min_u64(run - inside, length);

		if (!block_add_extent(device, request, first + inside, bytes)) {
			return false;
		}
		length -= bytes;
		inside = 0;
	}
	return true;
}

static int map_piece(const struct block_device *device, struct block_request_internal *request,
	const struct block_piece *piece)
{
	uint64_t pages[BLOCK_TRANSFER_MAX / HEL_PAGE_SIZE + 1];
	uint64_t begin = piece->offset & ~(uint64_t)(HEL_PAGE_SIZE - 1);
	uint64_t end = align_up(piece->offset + piece->length, HEL_PAGE_SIZE);
	uint64_t at = piece->offset;
	struct hel_dma_map_args args = {
		.dma_space = device->dma_space,
		.memory = piece->memory->handle,
		.limit = device->dma_limit,
		.flags = (request->request.operation == BLOCK_READ ? HEL_DMA_WRITE : HEL_DMA_READ) |
			(device->is_past_iommu ? HEL_DMA_PHYSICAL : 0),
	};

	while (begin < end) {
		struct block_mapping *mapping = &request->mappings[request->n_mappings];

		args.offset = begin;
		args.size_bytes = min_u64(end - begin, BLOCK_TRANSFER_MAX);
		int error = hel_dma_map_pages(
			&args, pages, args.size_bytes / HEL_PAGE_SIZE, &mapping->token);

		if (error != 0) {
			return error;
		}
		mapping->size_bytes = args.size_bytes;
		request->n_mappings++;
		begin += args.size_bytes;
		uint64_t part_end = min_u64(begin, piece->offset + piece->length);

		if (!add_pages(device, request, pages, at % HEL_PAGE_SIZE, part_end - at)) {
			return -ERR_ILLEGAL_ARGS;
		}
		at = part_end;
	}
	return 0;
}

/* ---- making and freeing ---------------------------------------------------------------------- */

static uint64_t count_pages(const struct block_segment *segments, uint32_t n_segments)
{
	uint64_t n_pages = 0;

	for (uint32_t i = 0; i < n_segments; i++) {
		uint64_t first = segments[i].offset / HEL_PAGE_SIZE;

		n_pages +=
			(segments[i].offset + segments[i].length - 1) / HEL_PAGE_SIZE - first + 1;
	}
	return n_pages;
}

/* Two mappings for each piece: one that is not aligned to pages may be just too long for one. */
static struct block_request_internal *allocate(const struct block_device *device,
	const struct block_segment *segments, uint32_t n_segments)
{
	size_t n_mappings = device->has_dma ? 2 * n_segments : 0;
	size_t n_extents = device->has_dma
		? min_u64(2 * count_pages(segments, n_segments), device->extents_max)
		: 0;
	struct block_request_internal *request =
		helix_malloc(sizeof(*request) + n_segments * sizeof(struct block_piece) +
			n_mappings * sizeof(struct block_mapping) +
			n_extents * sizeof(struct block_extent));

	if (request != NULL) {
		*request = (struct block_request_internal){ 0 };
		request->pieces = (struct block_piece *)(request + 1);
		request->mappings = (struct block_mapping *)(request->pieces + n_segments);
		request->extents = (struct block_extent *)(request->mappings + n_mappings);
	}
	return request;
}

static int find_pieces(struct block_request_internal *request, const struct block_queue *queue,
	const struct block_segment *segments, uint32_t n_segments)
{
	for (uint32_t i = 0; i < n_segments; i++) {
		struct block_memory *memory = block_memory_find(queue->client, segments[i].memory);

		if (memory == NULL) {
			return -ERR_NOT_FOUND;
		}
		memory->n_references++;
		request->pieces[request->request.n_pieces++] = (struct block_piece){
			.memory = memory,
			.offset = segments[i].offset,
			.length = segments[i].length,
		};
	}
	return 0;
}

static void unmap_pieces(const struct block_device *device, struct block_request_internal *request)
{
	for (uint32_t i = 0; i < request->n_mappings; i++) {
		/* an IOMMU that does not answer keeps the pages */
		(void)!hel_dma_unmap(device->dma_space, request->mappings[i].token,
			request->mappings[i].size_bytes);
	}
	request->n_mappings = 0;
	request->request.n_extents = 0;
}

/* All of them, or none if some are beyond what the device reaches: then the driver copies. */
static int map_pieces(const struct block_device *device, struct block_request_internal *request)
{
	int error = 0;

	for (uint32_t i = 0; i < request->request.n_pieces && device->has_dma && error == 0; i++) {
		const struct block_piece *piece = &request->pieces[i];

		error = piece->memory->kept != NULL ? block_kept_add(device, request, piece)
						    : map_piece(device, request, piece);
	}
	if (error == -ERR_NO_SPACE && device->dma_limit != 0) {
		unmap_pieces(device, request);
		error = 0;
	}
	return error;
}

int block_request_make(struct block_queue *queue, uint32_t slot, const struct block_slot *wanted,
	const struct block_segment *segments, struct block_request_internal **out_request)
{
	const struct block_device *device = queue->client->device;
	bool is_fua = (wanted->flags & BLOCK_FUA) != 0;
	bool has_fua = (device->features & BLOCK_FEATURE_FUA) != 0;
	bool has_cache = (device->features & BLOCK_FEATURE_WRITE_CACHE) != 0;
	int error = check_operation(device, wanted);

	if (error == 0) {
		error = check_range(device, wanted);
	}
	if (error == 0) {
		error = check_segments(queue, wanted, segments);
	}
	if (error != 0) {
		return error;
	}
	struct block_request_internal *request = allocate(device, segments, wanted->n_segments);

	if (request == NULL) {
		return -ERR_NO_MEMORY;
	}
	request->queue = queue;
	request->slot = slot;
	request->wants_flush = is_fua && has_cache && !has_fua;
	request->request = (struct block_request){
		.operation = wanted->operation,
		.is_fua = is_fua && has_fua,
		.may_unmap = (wanted->flags & BLOCK_UNMAP) != 0,
		.position = wanted->position,
		.length = wanted->length,
		.extents = request->extents,
		.pieces = request->pieces,
		.internal = request,
	};
	error = find_pieces(request, queue, segments, wanted->n_segments);
	if (error == 0) {
		error = map_pieces(device, request);
	}
	if (error != 0) {
		block_request_free(request);
		return error;
	}
	*out_request = request;
	return 0;
}

void block_request_release(struct block_request_internal *request)
{
	struct block_device *device = request->queue->client->device;
	uint32_t n_pieces = 0;

	unmap_pieces(device, request);
	while (n_pieces < request->request.n_pieces) {
		block_memory_release(device, request->pieces[n_pieces++].memory);
	}
	request->request.n_pieces = 0;
}

void block_request_free(struct block_request_internal *request)
{
	block_request_release(request);
	helix_free(request);
}

int block_piece_read(const struct block_piece *piece, uint32_t at, void *buffer, size_t size)
{
	return hel_memory_read(piece->memory->handle, piece->offset + at, buffer, size);
}

int block_piece_write(const struct block_piece *piece, uint32_t at, const void *buffer, size_t size)
{
	return hel_memory_write(piece->memory->handle, piece->offset + at, buffer, size);
}
