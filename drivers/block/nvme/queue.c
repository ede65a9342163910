/* SPDX-License-Identifier: MIT */
/* Pairs of queues, and commands on them (section 3.3): see nvme.h. */
#include "nvme.h"

#include <base/assert.h>
#include <base/errors.h>
#include <base/string.h>

#define STATUS_CODE(status) ((status) >> 1 & 0x7ff) /* with the type of the code */

static volatile struct nvme_completion *completion_at(const struct nvme_queue *queue, uint16_t at)
{
	return (volatile struct nvme_completion *)queue->completions.data + at;
}

static void ring(const struct nvme_queue *queue, bool is_completion, uint16_t value)
{
	size_t index = 2u * queue->id + (is_completion ? 1 : 0);

	mmio_write32(queue->nvme->registers, NVME_DOORBELLS + index * queue->nvme->doorbell_stride,
		value);
}

/* ---- memory ---------------------------------------------------------------------------------- */

int nvme_queue_init(struct nvme *nvme, struct nvme_queue *queue, uint16_t id, uint16_t n_entries)
{
	queue->nvme = nvme;
	queue->id = id;
	queue->n_entries = n_entries;
	/* one entry of a ring stays free, or full would look like empty */
	queue->n_slots = (uint16_t)min_size(n_entries - 1u, NVME_SLOTS);
	queue->phase = true;
	while (queue->n_free < queue->n_slots) {
		queue->free_slots[queue->n_free] = queue->n_free;
		queue->n_free++;
	}
	int error = dma_allocate(
		&queue->submissions, nvme->dma_space, n_entries * sizeof(struct nvme_command));

	if (error == 0) {
		error = dma_allocate(&queue->completions, nvme->dma_space,
			n_entries * sizeof(struct nvme_completion));
	}
	if (error == 0 && id != 0) {
		error = dma_allocate(
			&queue->lists, nvme->dma_space, queue->n_slots * (size_t)HEL_PAGE_SIZE);
	}
	return error;
}

void nvme_queue_free(struct nvme_queue *queue)
{
	dma_free(&queue->submissions);
	dma_free(&queue->completions);
	dma_free(&queue->lists);
	if (queue->irq != HEL_NULL) {
		hel_close(HEL_THIS, queue->irq);
	}
}

void nvme_queue_restart(struct nvme_queue *queue)
{
	queue->tail = queue->head = 0;
	queue->phase = true;
	memset(queue->completions.data, 0, queue->completions.size);
	for (uint16_t i = 0; i < queue->n_slots; i++) {
		struct nvme_slot *slot = &queue->slots[i];

		if (slot->is_used && slot->request != NULL && ++slot->n_resets > NVME_RESETS_MAX) {
			nvme_request_done(queue, slot, NVME_STATUS_NO_ANSWER);
		} else if (slot->is_used) {
			nvme_submit(queue, slot);
		}
	}
}

/* ---- commands -------------------------------------------------------------------------------- */

struct nvme_slot *nvme_slot_take(struct nvme_queue *queue)
{
	if (queue->n_free == 0) {
		return NULL;
	}
	uint16_t id = queue->free_slots[--queue->n_free];
	struct nvme_slot *slot = &queue->slots[id];

	*slot = (struct nvme_slot){ .is_used = true, .command.id = id };
	return slot;
}

void nvme_slot_give_back(struct nvme_queue *queue, struct nvme_slot *slot)
{
	slot->is_used = false;
	queue->free_slots[queue->n_free++] = (uint16_t)(slot - queue->slots);
}

void nvme_submit(struct nvme_queue *queue, struct nvme_slot *slot)
{
	slot->since_ns = loop_now_ns(&queue->nvme->loop->loop);
	((struct nvme_command *)queue->submissions.data)[queue->tail] = slot->command;
	queue->tail = (uint16_t)((queue->tail + 1) % queue->n_entries);
	queue->is_stale = true;
}

void nvme_ring(struct nvme_queue *queue)
{
	if (queue->is_stale) {
		queue->is_stale = false;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		ring(queue, false, queue->tail);
	}
}

static void admin_done(struct nvme_admin_op *admin, uint16_t status, uint32_t result)
{
	admin->result = result;
	op_complete(&admin->op, STATUS_CODE(status) == 0 ? 0 : -ERR_IO);
}

static void slot_done(
	struct nvme_queue *queue, struct nvme_slot *slot, uint16_t status, uint32_t result)
{
	struct nvme_admin_op *admin = slot->admin;

	if (slot->request != NULL) {
		nvme_request_done(queue, slot, STATUS_CODE(status));
		return;
	}
	nvme_slot_give_back(queue, slot);
	if (admin != NULL) {
		admin_done(admin, status, result);
	}
}

void nvme_poll(struct nvme_queue *queue)
{
	uint16_t before = queue->head;

	for (uint16_t n = 0; n < queue->n_entries; n++) {
		volatile struct nvme_completion *entry = completion_at(queue, queue->head);
		uint16_t status = __atomic_load_n(&entry->status, __ATOMIC_ACQUIRE);
		uint16_t id = entry->id;

		if (((status & 1) != 0) != queue->phase) {
			break;
		}
		queue->head = (uint16_t)((queue->head + 1) % queue->n_entries);
		queue->phase ^= queue->head == 0;
		/* an answer to nothing is no answer */
		if (id < queue->n_slots && queue->slots[id].is_used) {
			slot_done(queue, &queue->slots[id], status, entry->result);
		}
	}
	if (queue->head != before) {
		ring(queue, true, queue->head);
	}
}

void nvme_abandon(struct nvme_queue *queue, int error)
{
	for (uint16_t i = 0; i < queue->n_slots; i++) {
		struct nvme_slot *slot = &queue->slots[i];
		struct block_request *request = slot->request;
		struct nvme_admin_op *admin = slot->admin;

		if (!slot->is_used) {
			continue;
		}
		nvme_slot_give_back(queue, slot);
		if (request != NULL) {
			block_complete(request, error);
		} else if (admin != NULL) {
			op_complete(&admin->op, error);
		}
	}
}

bool nvme_is_late(const struct nvme_queue *queue, uint64_t now_ns)
{
	for (uint16_t i = 0; i < queue->n_slots; i++) {
		const struct nvme_slot *slot = &queue->slots[i];

		if (slot->is_used && now_ns > slot->since_ns &&
			now_ns - slot->since_ns > NVME_TIMEOUT_NS) {
			return true;
		}
	}
	return false;
}

/* ---- the admin queue ------------------------------------------------------------------------- */

static enum op_result admin_start(struct op *op)
{
	struct nvme_admin_op *admin = container_of(op, struct nvme_admin_op, op);
	struct nvme_queue *queue = &admin->nvme->admin;
	struct nvme_slot *slot = nvme_slot_take(queue);

	if (slot == NULL) {
		return op_finish_inline(op, -ERR_BUSY);
	}
	uint16_t id = slot->command.id;

	slot->command = admin->command;
	slot->command.id = id;
	slot->admin = admin;
	nvme_submit(queue, slot);
	nvme_ring(queue);
	return OP_PENDING;
}

/* The controller may still be at it: the slot waits for its answer, nobody else does. */
static void admin_cancel(struct op *op)
{
	struct nvme_admin_op *admin = container_of(op, struct nvme_admin_op, op);
	struct nvme_queue *queue = &admin->nvme->admin;

	for (uint16_t i = 0; i < queue->n_slots; i++) {
		if (queue->slots[i].is_used && queue->slots[i].admin == admin) {
			queue->slots[i].admin = NULL;
		}
	}
	op_complete(op, -ERR_CANCELLED);
}

static const struct op_class admin_class = {
	.name = "NVMe command",
	.start = admin_start,
	.cancel = admin_cancel,
};

int nvme_admin(struct task *task, struct nvme *nvme, const struct nvme_command *command,
	uint32_t *out_result)
{
	struct nvme_admin_op admin = { .nvme = nvme, .command = *command };

	op_init(&admin.op, &admin_class);
	int error = await_until(task, &admin.op, task_now_ns(task) + NVME_TIMEOUT_NS);

	if (error == 0 && out_result != NULL) {
		*out_result = admin.result;
	}
	return error;
}
