/* SPDX-License-Identifier: MIT */
/* Requests of the class as commands (NVM Command Set, section 3.2): see nvme.h. */
#include "nvme.h"

#include <base/errors.h>
#include <base/string.h>

enum nvme_opcode : uint8_t {
	NVME_FLUSH = 0x00,
	NVME_WRITE = 0x01,
	NVME_READ = 0x02,
	NVME_WRITE_ZEROES = 0x08,
	NVME_DATASET_MANAGEMENT = 0x09,
};

#define FUA         (1u << 30)
#define DEALLOCATE  (1u << 25) /* of zeroes */
#define DSM_DISCARD (1u << 2)

/* What a dataset management command lists; the slot's page has one. */
struct nvme_range {
	uint32_t attributes;
	uint32_t n_blocks;
	uint64_t first;
};

static uint8_t *slot_list(const struct nvme_queue *queue, const struct nvme_slot *slot)
{
	return queue->lists.data + (size_t)slot->command.id * HEL_PAGE_SIZE;
}

/* ---- memory that cannot be described --------------------------------------------------------- */

static int bounce_copy(const struct nvme *nvme, const struct block_request *request)
{
	bool is_read = request->operation == BLOCK_READ;
	uint8_t *at = nvme->bounce.data;
	int error = 0;

	for (uint32_t i = 0; i < request->n_pieces && error == 0; i++) {
		const struct block_piece *piece = &request->pieces[i];

		error = is_read ? block_piece_write(piece, 0, at, piece->length)
				: block_piece_read(piece, 0, at, piece->length);
		at += piece->length;
	}
	return error == 0 ? 0 : -ERR_IO;
}

/* One at a time: who needs it and finds it in use is asked again. */
static bool bounce_begin(
	struct nvme_queue *queue, struct nvme_slot *slot, const struct block_request *request)
{
	struct nvme *nvme = queue->nvme;
	const struct block_extent extent = {
		.address = nvme->bounce.address,
		.length = (uint32_t)request->length,
	};

	if (nvme->is_bounce_used) {
		return false;
	}
	if (request->operation == BLOCK_WRITE) {
		slot->error = bounce_copy(nvme, request);
		if (slot->error != 0) {
			slot->command.opcode = NVME_FLUSH;
			slot->command.cdw10 = slot->command.cdw11 = slot->command.cdw12 = 0;
			return true;
		}
	}
	nvme->is_bounce_used = true;
	slot->is_bounced = true;
	return nvme_describe(&slot->command, &extent, 1, (uint64_t *)slot_list(queue, slot),
		dma_address(&queue->lists, slot_list(queue, slot)), false);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void set_range(struct nvme_command *command, uint64_t first, uint64_t n_blocks)
{
	command->cdw10 = (uint32_t)first;
	command->cdw11 = (uint32_t)(first >> 32);
	command->cdw12 = (uint32_t)(n_blocks - 1);
}

static void make_discard(
	const struct nvme_queue *queue, struct nvme_slot *slot, uint64_t first, uint64_t n_blocks)
{
	struct nvme_range *range = (struct nvme_range *)slot_list(queue, slot);

	*range = (struct nvme_range){ .n_blocks = (uint32_t)n_blocks, .first = first };
	slot->command.opcode = NVME_DATASET_MANAGEMENT;
	slot->command.cdw11 = DSM_DISCARD;
	slot->command.data[0] = dma_address(&queue->lists, range);
}

static bool make_transfer(
	struct nvme_queue *queue, struct nvme_slot *slot, const struct block_request *request)
{
	uint8_t *list = slot_list(queue, slot);

	slot->command.opcode = request->operation == BLOCK_READ ? NVME_READ : NVME_WRITE;
	return nvme_describe(&slot->command, request->extents, request->n_extents, (uint64_t *)list,
		       dma_address(&queue->lists, list), queue->nvme->has_sgl) ||
		bounce_begin(queue, slot, request);
}

static bool make_command(const struct nvme_namespace *namespace, struct nvme_queue *queue,
	struct nvme_slot *slot, const struct block_request *request)
{
	uint32_t block = namespace->device.logical_block_bytes;
	uint64_t first = request->position / block, n_blocks = request->length / block;

	slot->command.namespace = namespace->id;
	if (request->operation == BLOCK_FLUSH) {
		slot->command.opcode = NVME_FLUSH;
		return true;
	}
	if (request->operation == BLOCK_DISCARD) {
		make_discard(queue, slot, first, n_blocks);
		return true;
	}
	set_range(&slot->command, first, n_blocks);
	slot->command.cdw12 |= request->is_fua ? FUA : 0;
	if (request->operation == BLOCK_WRITE_ZEROES) {
		slot->command.opcode = NVME_WRITE_ZEROES;
		slot->command.cdw12 |= request->may_unmap ? DEALLOCATE : 0;
		return true;
	}
	return make_transfer(queue, slot, request);
}

static bool submit(struct block_device *device, uint32_t number, struct block_request *request)
{
	struct nvme_namespace *namespace = container_of(device, struct nvme_namespace, device);
	struct nvme *nvme = namespace->nvme;
	struct nvme_queue *queue = &nvme->queues[number];
	struct nvme_slot *slot = nvme->state == NVME_READY ? nvme_slot_take(queue) : NULL;

	if (slot == NULL) {
		return false;
	}
	slot->request = request;
	request->tag = (uint64_t)(uintptr_t)namespace;
	if (!make_command(namespace, queue, slot, request)) {
		nvme_slot_give_back(queue, slot);
		return false;
	}
	nvme_submit(queue, slot);
	return true;
}

static void commit(struct block_device *device, uint32_t number)
{
	struct nvme *nvme = container_of(device, struct nvme_namespace, device)->nvme;

	if (nvme->state == NVME_READY) {
		nvme_ring(&nvme->queues[number]);
	}
}

const struct block_driver nvme_driver = { .submit = submit, .commit = commit };

void nvme_request_done(struct nvme_queue *queue, struct nvme_slot *slot, uint16_t status)
{
	struct block_request *request = slot->request;
	int error = slot->error != 0 ? slot->error : status == 0 ? 0 : -ERR_IO;

	if (slot->is_bounced) {
		if (error == 0 && request->operation == BLOCK_READ) {
			error = bounce_copy(queue->nvme, request);
		}
		queue->nvme->is_bounce_used = false;
	}
	nvme_slot_give_back(queue, slot);
	block_complete(request, error);
}
