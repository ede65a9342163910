/* SPDX-License-Identifier: MIT */
/* Requests to a block device, which outlive its driver: see block-client.h. */
#include <protocols/block/block-client.h>

#include <base/errors.h>
#include <base/string.h>
#include <protocols/mbus/mbus-client.h>

#define EXCHANGE_BYTES 1024
#define RETRY_NS       UINT64_C(10000000) /* when a driver is there, but does not answer */

/* ---- requests -------------------------------------------------------------------------------- */

static struct block_op *block_op_of(struct op *op)
{
	return container_of(op, struct block_op, op);
}

static void disk_fill_slot(
	const struct block_disk *disk, uint32_t slot, const struct block_op *request)
{
	*block_ring_client_slot(&disk->ring, slot) = (struct block_slot){
		.operation = request->operation,
		.flags = request->flags,
		.n_segments = (uint16_t)request->n_segments,
		.position = request->position,
		.length = request->length,
	};
	memcpy(block_ring_client_segments(&disk->ring, slot), request->segments,
		request->n_segments * sizeof(request->segments[0]));
}

static void disk_notify(struct block_disk *disk)
{
	if (!block_ring_client_must_notify(&disk->ring)) {
		return;
	}
	if (disk->is_alerted) {
		helix_loop_alert(helix_loop_of(disk->loop), disk->doorbell);
	} else {
		(void)!hel_event_raise(disk->doorbell, 1);
	}
}

/* Gives the driver what waits, as far as there are slots. */
static void disk_submit(struct block_disk *disk)
{
	bool is_any = false;

	while (disk->state == BLOCK_DISK_OPEN && disk->n_free > 0 &&
		!list_is_empty(&disk->waiting)) {
		struct block_op *request =
			block_op_of(LIST_POP_FRONT(&disk->waiting, struct op, node));
		uint32_t slot = disk->free_slots[--disk->n_free];

		disk->under_way[slot] = request;
		request->is_under_way = true;
		disk_fill_slot(disk, slot, request);
		block_ring_client_submit(&disk->ring, slot);
		is_any = true;
	}
	if (is_any) {
		disk_notify(disk);
	}
}

static enum op_result request_start(struct op *op)
{
	struct block_op *request = block_op_of(op);
	struct block_disk *disk = request->disk;

	if (disk->state == BLOCK_DISK_GONE) {
		return op_finish_inline(op, -ERR_END_OF_LANE);
	}
	if (request->n_segments > BLOCK_DISK_SEGMENTS) {
		return op_finish_inline(op, -ERR_ILLEGAL_ARGS);
	}
	list_push_back(&disk->waiting, &op->node);
	disk_submit(disk);
	return OP_PENDING;
}

/* The driver has what is under way, and may be at it: its answer comes soon enough. */
static void request_cancel(struct op *op)
{
	const struct block_op *request = block_op_of(op);

	if (!request->is_under_way) {
		list_remove(&op->node);
		op_complete(op, -ERR_CANCELLED);
	}
}

static const struct op_class request_class = {
	.name = "block request",
	.start = request_start,
	.cancel = request_cancel,
};

void block_op_init(struct block_op *request, struct block_disk *disk,
	enum block_operation operation, uint64_t position, const struct block_segment *segments,
	uint32_t n_segments)
{
	*request = (struct block_op){
		.disk = disk,
		.operation = operation,
		.position = position,
		.segments = segments,
		.n_segments = n_segments,
	};
	for (uint32_t i = 0; i < n_segments; i++) {
		request->length += segments[i].length;
	}
	op_init(&request->op, &request_class);
}

void block_op_init_range(struct block_op *request, struct block_disk *disk,
	enum block_operation operation, uint64_t position, uint64_t length)
{
	block_op_init(request, disk, operation, position, NULL, 0);
	request->length = length;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void disk_lose(struct block_disk *disk)
{
	if (disk->state == BLOCK_DISK_OPEN) {
		disk->state = BLOCK_DISK_LOST;
		wait_queue_wake(&disk->changed);
	}
}

static void disk_take(struct block_disk *disk)
{
	struct block_completion done;

	do {
		while (block_ring_client_take(&disk->ring, &done)) {
			struct block_op *request = disk->under_way[done.slot];

			if (request == NULL) {
				disk->ring.is_broken = true;
				break;
			}
			disk->under_way[done.slot] = NULL;
			disk->free_slots[disk->n_free++] = done.slot;
			request->n_bytes = done.n_bytes;
			op_complete(&request->op, done.error);
		}
		disk_submit(disk);
	} while (!block_ring_client_sleep(&disk->ring));
}

static void disk_answered(struct op *op)
{
	struct block_disk *disk = op->owner;

	if (op->error != 0 || disk->state != BLOCK_DISK_OPEN) {
		wait_queue_wake(&disk->changed); /* the keeper waits for this to end */
		return;
	}
	disk_take(disk);
	if (disk->ring.is_broken) {
		disk_lose(disk);
	} else {
		(void)!op_start(op, disk->loop, disk_answered, disk);
	}
}

static void disk_look(struct helix_bell *bell)
{
	struct block_disk *disk = container_of(bell, struct block_disk, bell);

	if (disk->state == BLOCK_DISK_OPEN && block_ring_client_must_look(&disk->ring)) {
		disk_take(disk);
		if (disk->ring.is_broken) {
			disk_lose(disk);
		}
	}
}

/* Be told of answers from now on. */
static void disk_listen(struct block_disk *disk)
{
	if (disk->is_alerted) {
		helix_bell_add(helix_loop_of(disk->loop), &disk->bell, disk_look);
	} else {
		(void)!op_start(&disk->wait.operation.op, disk->loop, disk_answered, disk);
	}
}

/* ---- the driver ------------------------------------------------------------------------------ */

static void copy_text(char *out_text, size_t size, struct bragi_string text)
{
	size_t length = min_size(text.length, size - 1);

	memcpy(out_text, text.text, length);
	out_text[length] = '\0';
}

static int disk_ask_geometry(struct task *task, struct block_disk *disk)
{
	uint8_t buffer[EXCHANGE_BYTES];
	struct bragi_exchange exchange;
	struct block_info_request request;
	struct block_info_reply reply;
	struct block_geometry *geometry = &disk->geometry;

	block_info_request_init(&request);
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	int error = block_device_info(task, &disk->client.client, &exchange, &request, &reply);

	if (error != 0) {
		return error;
	}
	*geometry = (struct block_geometry){
		.features = reply.features,
		.size_bytes = reply.size_bytes,
		.logical_block_bytes = reply.logical_block_bytes,
		.physical_block_bytes = reply.physical_block_bytes,
		.optimal_bytes = reply.optimal_bytes,
		.transfer_bytes_max = reply.transfer_bytes_max,
		.segments_max = (uint32_t)min_u64(reply.segments_max, BLOCK_DISK_SEGMENTS),
		.memory_alignment = reply.memory_alignment,
		.n_queues = reply.n_queues,
		.depth = reply.depth,
		.discard_bytes_max = reply.discard_bytes_max,
		.zeroes_bytes_max = reply.zeroes_bytes_max,
		.discard_alignment = reply.discard_alignment,
		.sequence = reply.sequence,
	};
	copy_text(geometry->model, sizeof(geometry->model), reply.model);
	copy_text(geometry->serial, sizeof(geometry->serial), reply.serial);
	return 0;
}

static int disk_send_memory(struct task *task, struct block_disk *disk, uint32_t id)
{
	const struct block_disk_memory memory = disk->memories[id];
	uint8_t buffer[EXCHANGE_BYTES];
	struct bragi_exchange exchange;
	struct block_attach_request request;
	struct block_attach_reply reply;

	block_attach_request_init(&request);
	request.id = id;
	request.is_kept = memory.is_kept;
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	if (!bragi_handles_add(&exchange.to_send, memory.handle)) {
		return -ERR_NO_SPACE;
	}
	int error = block_device_attach(task, &disk->client.client, &exchange, &request, &reply);

	return error;
}

static void disk_drop_queue(struct block_disk *disk)
{
	if (disk->ring_memory != NULL) {
		helix_bell_remove(&disk->bell);
		helix_unmap(disk->ring_memory, disk->ring_bytes);
		hel_close(HEL_THIS, disk->doorbell);
		if (disk->answers != HEL_NULL) {
			hel_close(HEL_THIS, disk->answers);
		}
		disk->ring_memory = NULL;
	}
}

static int disk_take_queue(struct block_disk *disk, struct bragi_handles *handles)
{
	hel_handle ring = bragi_handles_take(handles, 0);
	int error = -ERR_PROTOCOL;

	disk->doorbell = bragi_handles_take(handles, 1);
	disk->answers = bragi_handles_take(handles, 2);
	if (ring != HEL_NULL && disk->doorbell != HEL_NULL &&
		(disk->is_alerted || disk->answers != HEL_NULL)) {
		error = helix_map(ring, 0, disk->ring_bytes, HEL_MAP_READ | HEL_MAP_WRITE,
			&disk->ring_memory);
	}
	if (ring != HEL_NULL) {
		hel_close(HEL_THIS, ring);
	}
	if (error != 0) {
		disk->ring_memory = NULL;
		if (disk->doorbell != HEL_NULL) {
			hel_close(HEL_THIS, disk->doorbell);
		}
		if (disk->answers != HEL_NULL) {
			hel_close(HEL_THIS, disk->answers);
		}
	}
	return error;
}

/* By which the driver may alert us; HEL_NULL: it raises an event. */
static hel_handle disk_offer_alert(const struct block_disk *disk, struct bragi_exchange *exchange)
{
	hel_handle alert;

	if (helix_loop_give_alert(helix_loop_of(disk->loop), &alert) != 0) {
		return HEL_NULL;
	}
	if (!bragi_handles_add(&exchange->to_send, alert)) {
		hel_close(HEL_THIS, alert);
		return HEL_NULL;
	}
	return alert;
}

static int disk_open_queue(struct task *task, struct block_disk *disk)
{
	uint8_t buffer[EXCHANGE_BYTES];
	struct bragi_exchange exchange;
	struct block_open_queue_request request;
	struct block_open_queue_reply reply;

	block_open_queue_request_init(&request);
	request.n_slots = disk->n_slots;
	request.n_segments = BLOCK_DISK_SEGMENTS;
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	hel_handle alert = disk_offer_alert(disk, &exchange);

	request.is_alerted = alert != HEL_NULL;
	int error =
		block_device_open_queue(task, &disk->client.client, &exchange, &request, &reply);

	if (alert != HEL_NULL) {
		hel_close(HEL_THIS, alert);
	}
	disk->is_alerted = error == 0 && alert != HEL_NULL && reply.is_alerted != 0;
	if (error == 0) {
		error = disk_take_queue(disk, &exchange.received);
	}
	transport_close_handles(&exchange.received);
	if (error == 0) {
		block_ring_client_init(
			&disk->ring, disk->ring_memory, disk->n_slots, BLOCK_DISK_SEGMENTS);
		helix_event_op_init(&disk->wait, disk->answers, 0);
	}
	return error;
}

/* What was under way comes first, in the order of slots: nobody has waited for an order. */
static void disk_resume(struct block_disk *disk)
{
	struct list again;

	list_init(&again);
	disk->n_free = 0;
	for (uint32_t slot = 0; slot < disk->n_slots; slot++) {
		if (disk->under_way[slot] != NULL) {
			disk->under_way[slot]->is_under_way = false;
			list_push_back(&again, &disk->under_way[slot]->op.node);
			disk->under_way[slot] = NULL;
		}
		disk->free_slots[disk->n_free++] = slot;
	}
	list_append_all(&again, &disk->waiting);
	list_append_all(&disk->waiting, &again);
	disk->state = BLOCK_DISK_OPEN;
	disk_listen(disk);
	disk_take(disk);
	wait_queue_wake(&disk->changed);
}

/* Tell a new driver of all memory, also of what is attached meanwhile. */
static int disk_offer_memories(struct task *task, struct block_disk *disk)
{
	int error = 0;

	do {
		disk->is_memory_added = false;
		for (uint32_t id = 0; id < disk->n_memories && error == 0; id++) {
			const struct block_disk_memory *memory = &disk->memories[id];

			if (memory->handle == HEL_NULL || memory->connection == disk->connection) {
				continue;
			}
			disk->offered = id + 1;
			error = disk_send_memory(task, disk, id);
			disk->offered = 0;
			if (error == 0) {
				disk->memories[id].connection = disk->connection;
			}
			wait_queue_wake(&disk->changed); /* it may be detached now */
		}
	} while (error == 0 && disk->is_memory_added);
	return error;
}

/* The lane is closed when all who have calls on it have heard, or their calls would go nowhere. */
static void disk_hang_up(struct task *task, struct block_disk *disk)
{
	struct scope shield;

	disk->connection++;
	scope_begin_shield(task, &shield);
	while (disk->n_calls > 0) {
		(void)!wait_on(task, &disk->changed);
	}
	(void)!scope_join(&shield);
	hel_close(HEL_THIS, disk->client.lane);
}

/* Find a driver, and be its client. */
static int disk_connect(struct task *task, struct block_disk *disk)
{
	const struct mbus_pair filter[] = { { "class", "block" }, { "name", disk->name } };
	hel_handle lane;
	int error = mbus_find(task, disk->mbus, filter, ARRAY_SIZE(filter), &lane);

	if (error != 0) {
		return error;
	}
	transport_client_init(&disk->client, lane, 3);
	disk->connection++;
	error = disk_ask_geometry(task, disk);
	error = error != 0 ? error : disk_open_queue(task, disk);
	if (error == 0) {
		error = disk_offer_memories(task, disk);
		if (error != 0) {
			disk_drop_queue(disk);
		}
	}
	if (error != 0) {
		disk_hang_up(task, disk);
		return error;
	}
	disk_resume(disk);
	return 0;
}

/* ---- the keeper ------------------------------------------------------------------------------ */

static int disk_watch(struct task *task, struct block_disk *disk)
{
	uint8_t buffer[EXCHANGE_BYTES];
	struct bragi_exchange exchange;
	struct block_watch_request request;
	struct block_watch_reply reply;

	block_watch_request_init(&request);
	request.sequence = disk->geometry.sequence;
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	int error = block_device_watch(task, &disk->client.client, &exchange, &request, &reply);

	return error != 0 ? error : disk_ask_geometry(task, disk);
}

/* The driver has gone: nothing of it is used any more. */
static void disk_disconnect(struct task *task, struct block_disk *disk)
{
	struct scope shield;

	disk_lose(disk);
	op_cancel(&disk->wait.operation.op);
	scope_begin_shield(task, &shield);
	while (op_is_pending(&disk->wait.operation.op)) {
		(void)!wait_on(task, &disk->changed);
	}
	(void)!scope_join(&shield);
	disk_drop_queue(disk);
	disk_hang_up(task, disk);
}

static void disk_end(struct block_disk *disk)
{
	disk->state = BLOCK_DISK_GONE;
	for (uint32_t slot = 0; slot < disk->n_slots; slot++) {
		if (disk->under_way[slot] != NULL) {
			op_complete(&disk->under_way[slot]->op, -ERR_END_OF_LANE);
			disk->under_way[slot] = NULL;
		}
	}
	for (;;) {
		struct op *op = LIST_POP_FRONT(&disk->waiting, struct op, node);

		if (op == NULL) {
			break;
		}
		op_complete(op, -ERR_END_OF_LANE);
	}
	wait_queue_wake(&disk->changed);
}

static int disk_keep(struct task *task, void *argument)
{
	struct block_disk *disk = argument;

	while (task_check(task) == 0) {
		int error = disk_watch(task, disk);

		if (error == 0) {
			wait_queue_wake(&disk->changed);
			continue;
		}
		disk_disconnect(task, disk);
		if (error == -ERR_NOT_FOUND) {
			break;
		}
		do {
			error = disk_connect(task, disk);
		} while (error != 0 && task_sleep_until(task, task_now_ns(task) + RETRY_NS) == 0);
	}
	if (disk->state == BLOCK_DISK_OPEN) { /* closed in the moment when it was found again */
		disk_disconnect(task, disk);
	}
	disk_end(disk);
	return 0;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void disk_free(struct block_disk *disk)
{
	helix_free(disk->under_way);
	helix_free(disk->free_slots);
	helix_free(disk->memories);
}

int block_disk_open(struct task *task, struct block_disk *disk, struct loop *loop, hel_handle mbus,
	const char *name, uint32_t n_slots)
{
	if (n_slots == 0 || n_slots > BLOCK_LIMITS_QUEUE_SLOTS_MAX ||
		(n_slots & (n_slots - 1)) != 0 || strlen(name) >= sizeof(disk->name)) {
		return -ERR_ILLEGAL_ARGS;
	}
	*disk = (struct block_disk){
		.loop = loop,
		.mbus = mbus,
		.state = BLOCK_DISK_LOST,
		.n_slots = n_slots,
		.ring_bytes = block_ring_bytes(n_slots, BLOCK_DISK_SEGMENTS),
		.under_way = helix_calloc(n_slots, sizeof(struct block_op *)),
		.free_slots = helix_calloc(n_slots, sizeof(uint32_t)),
	};
	memcpy(disk->name, name, strlen(name));
	list_init(&disk->waiting);
	wait_queue_init(&disk->changed);
	int error = disk->under_way != NULL && disk->free_slots != NULL ? disk_connect(task, disk)
									: -ERR_NO_MEMORY;

	if (error != 0) {
		disk_free(disk);
		return error;
	}
	job_init(&disk->keeper, "block device", disk_keep, disk);
	job_submit(loop, &disk->keeper);
	return 0;
}

void block_disk_close(struct task *task, struct block_disk *disk)
{
	job_cancel(&disk->keeper, -ERR_CANCELLED);
	while (disk->state != BLOCK_DISK_GONE) {
		struct scope shield;

		scope_begin_shield(task, &shield);
		(void)!wait_on(task, &disk->changed);
		(void)!scope_join(&shield);
	}
	disk_free(disk);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static int disk_grow_memories(struct block_disk *disk)
{
	uint32_t n_memories = disk->n_memories == 0 ? 16 : 2 * disk->n_memories;
	struct block_disk_memory *memories;

	if (n_memories > BLOCK_LIMITS_MEMORIES_MAX) {
		return -ERR_NO_SPACE;
	}
	memories = helix_realloc(disk->memories, n_memories * sizeof(memories[0]));
	if (memories == NULL) {
		return -ERR_NO_MEMORY;
	}
	for (uint32_t id = disk->n_memories; id < n_memories; id++) {
		memories[id] = (struct block_disk_memory){ .handle = HEL_NULL };
	}
	disk->memory_hint = disk->n_memories;
	disk->memories = memories;
	disk->n_memories = n_memories;
	return 0;
}

static void disk_call_end(struct block_disk *disk)
{
	disk->n_calls--;
	if (disk->n_calls == 0 && disk->state != BLOCK_DISK_OPEN) {
		wait_queue_wake(&disk->changed);
	}
}

static int disk_attach(struct task *task, struct block_disk *disk, struct block_disk_memory memory,
	uint32_t *out_id)
{
	while (disk->memory_hint < disk->n_memories &&
		disk->memories[disk->memory_hint].handle != HEL_NULL) {
		disk->memory_hint++;
	}
	int error = disk->memory_hint == disk->n_memories ? disk_grow_memories(disk) : 0;

	if (error != 0) {
		return error;
	}
	uint32_t id = disk->memory_hint++;
	uint32_t connection = disk->connection;

	disk->memories[id] = memory;
	disk->is_memory_added = true;
	/* a driver that is lost gets it from the keeper, with all others */
	if (disk->state == BLOCK_DISK_OPEN) {
		disk->n_calls++;
		error = disk_send_memory(task, disk, id);
		disk_call_end(disk);
	}
	if (error == 0 && disk->state == BLOCK_DISK_OPEN && disk->connection == connection) {
		disk->memories[id].connection = connection;
	}
	if (error == -ERR_END_OF_LANE && disk->state != BLOCK_DISK_GONE) {
		error = 0;
	}
	if (error != 0) {
		disk->memories[id].handle = HEL_NULL;
		disk->memory_hint = (uint32_t)min_u64(disk->memory_hint, id);
		return error;
	}
	*out_id = id;
	return 0;
}

int block_disk_attach(
	struct task *task, struct block_disk *disk, hel_handle memory, uint32_t *out_id)
{
	return disk_attach(task, disk, (struct block_disk_memory){ .handle = memory }, out_id);
}

int block_disk_attach_kept(
	struct task *task, struct block_disk *disk, hel_handle memory, uint32_t *out_id)
{
	return disk_attach(task, disk,
		(struct block_disk_memory){ .handle = memory, .is_kept = true }, out_id);
}

void block_disk_detach(struct task *task, struct block_disk *disk, uint32_t id)
{
	uint8_t buffer[EXCHANGE_BYTES];
	struct bragi_exchange exchange;
	struct block_detach_request request;
	struct block_detach_reply reply;
	struct scope shield;

	scope_begin_shield(task, &shield);
	while (disk->offered == id + 1) {
		(void)!wait_on(task, &disk->changed);
	}
	disk->memories[id].handle = HEL_NULL;
	block_detach_request_init(&request);
	request.id = id;
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	if (disk->memories[id].connection == disk->connection) {
		disk->n_calls++;
		(void)!block_device_detach(task, &disk->client.client, &exchange, &request, &reply);
		disk_call_end(disk);
	}
	(void)!scope_join(&shield);
	disk->memory_hint = (uint32_t)min_u64(disk->memory_hint, id);
}
