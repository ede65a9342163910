/* SPDX-License-Identifier: MIT */
/*
 * Memory that is mapped for the device as long as it is attached, so that a request needs no call
 * for that: it is looked up where the device finds a page.
 *
 * What cannot be kept (the device does not reach it, a right is missing, there are too many) is
 * mapped for each request as all other memory is. A client that resizes the memory harms only
 * itself: the device goes on using the pages that were there.
 */
#include "internal.h"

#include <base/errors.h>

/** KEPT_MAX - memories of one device, of all clients */
#define KEPT_MAX      256
#define KEPT_MAPPINGS ((uint32_t)(BLOCK_LIMITS_KEPT_BYTES_MAX / BLOCK_TRANSFER_MAX))
static_assert(BLOCK_LIMITS_KEPT_BYTES_MAX % BLOCK_TRANSFER_MAX == 0);

struct block_kept {
	struct block_mapping mappings[KEPT_MAPPINGS];
	uint32_t n_mappings;
	bool is_run; /* the pages are one after the other */
	uint64_t n_pages;
	uint64_t pages[]; /* addresses for the device */
};

static void unmap(const struct block_device *device, struct block_kept *kept)
{
	while (kept->n_mappings > 0) {
		const struct block_mapping *mapping = &kept->mappings[--kept->n_mappings];

		/* an IOMMU that does not answer keeps the pages */
		(void)!hel_dma_unmap(device->dma_space, mapping->token, mapping->size_bytes);
	}
}

static bool map(const struct block_device *device, struct block_kept *kept, hel_handle memory)
{
	struct hel_dma_map_args args = {
		.dma_space = device->dma_space,
		.memory = memory,
		.limit = device->dma_limit,
		.flags = HEL_DMA_READ | HEL_DMA_WRITE |
			(device->is_past_iommu ? HEL_DMA_PHYSICAL : 0),
	};
	uint64_t end = kept->n_pages * HEL_PAGE_SIZE;

	for (; args.offset < end; args.offset += args.size_bytes) {
		struct block_mapping *mapping = &kept->mappings[kept->n_mappings];

		args.size_bytes = min_u64(end - args.offset, BLOCK_TRANSFER_MAX);
		mapping->size_bytes = args.size_bytes;
		if (hel_dma_map_pages(&args, &kept->pages[args.offset / HEL_PAGE_SIZE],
			    args.size_bytes / HEL_PAGE_SIZE, &mapping->token) != 0) {
			unmap(device, kept);
			return false;
		}
		kept->n_mappings++;
	}
	return true;
}

static bool is_run(const struct block_kept *kept)
{
	for (uint64_t i = 1; i < kept->n_pages; i++) {
		if (kept->pages[i] != kept->pages[0] + i * HEL_PAGE_SIZE) {
			return false;
		}
	}
	return true;
}

void block_keep(struct block_device *device, struct block_memory *memory, uint64_t size_bytes)
{
	uint64_t n_pages = size_bytes / HEL_PAGE_SIZE;

	if (!device->has_dma || n_pages == 0 || size_bytes > BLOCK_LIMITS_KEPT_BYTES_MAX ||
		device->n_kept == KEPT_MAX) {
		return;
	}
	struct block_kept *kept = helix_calloc(1, sizeof(*kept) + n_pages * sizeof(kept->pages[0]));

	if (kept == NULL) {
		return;
	}
	kept->n_pages = n_pages;
	if (!map(device, kept, memory->handle)) {
		helix_free(kept);
		return;
	}
	kept->is_run = is_run(kept);
	memory->kept = kept;
	device->n_kept++;
}

void block_let_go(struct block_device *device, struct block_memory *memory)
{
	if (memory->kept != NULL) {
		unmap(device, memory->kept);
		helix_free(memory->kept);
		memory->kept = NULL;
		device->n_kept--;
	}
}

int block_kept_add(const struct block_device *device, struct block_request_internal *request,
	const struct block_piece *piece)
{
	const struct block_kept *kept = piece->memory->kept;
	uint64_t at = piece->offset;
	uint64_t end = at + piece->length; /* it was checked that this does not overflow */

	if (end > kept->n_pages * HEL_PAGE_SIZE) {
		return -ERR_OUT_OF_BOUNDS;
	}
	if (kept->is_run) {
		return block_add_extent(device, request, kept->pages[0] + at, piece->length)
			? 0
			: -ERR_ILLEGAL_ARGS;
	}
	while (at < end) {
		uint64_t inside = at % HEL_PAGE_SIZE;
		uint64_t length = min_u64(HEL_PAGE_SIZE - inside, end - at);

		if (!block_add_extent(
			    device, request, kept->pages[at / HEL_PAGE_SIZE] + inside, length)) {
			return -ERR_ILLEGAL_ARGS;
		}
		at += length;
	}
	return 0;
}
