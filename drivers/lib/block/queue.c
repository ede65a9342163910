/* SPDX-License-Identifier: MIT */
/* Rings of clients, the driver's side: see block.h and protocols/block/ring.h. */
#include "internal.h"

#include <base/assert.h>
#include <base/errors.h>
#include <base/string.h>

#define TAKE_MAX 64 /* requests between two looks at what else there is */

static void queue_work(struct block_queue *queue);

/* ---- taking ---------------------------------------------------------------------------------- */

static bool is_under_way(const struct block_queue *queue, uint32_t slot)
{
	return (queue->under_way[slot / 64] >> (slot % 64) & 1) != 0;
}

static void queue_take(struct block_queue *queue, uint32_t slot, const struct block_slot *wanted)
{
	struct block_request_internal *request;
	int error = block_request_make(queue, slot, wanted, queue->segments, &request);

	queue->under_way[slot / 64] |= UINT64_C(1) << (slot % 64);
	queue->n_under_way++;
	if (error != 0) {
		block_queue_answer(queue, slot, error, 0);
	} else {
		block_device_take(queue->client->device, request);
	}
}

/* Takes what there is; whether there may be more. */
static bool queue_take_some(struct block_queue *queue)
{
	struct block_slot wanted;
	uint32_t slot;

	for (unsigned i = 0; i < TAKE_MAX; i++) {
		if (!block_ring_driver_take(&queue->ring, &slot, &wanted, queue->segments)) {
			return false;
		}
		if (is_under_way(queue, slot)) {
			queue->ring.is_broken = true;
			return false;
		}
		queue_take(queue, slot, &wanted);
	}
	return true;
}

static void queue_rung(struct op *op)
{
	struct block_queue *queue = op->owner;

	if (op->error != 0) {
		queue->is_closing = true;
	}
	queue_work(queue);
}

static void queue_look(struct helix_bell *bell)
{
	struct block_queue *queue = container_of(bell, struct block_queue, bell);

	if (!queue->is_closing && block_ring_driver_must_look(&queue->ring)) {
		queue_work(queue);
	}
}

/* Others come first, but then it goes on. */
static void queue_work_later(const struct block_queue *queue)
{
	if (queue->is_alerted) {
		const struct loop *loop = queue->client->device->loop;

		(void)!hel_queue_alert(helix_loop_of(loop)->queue.handle);
	} else {
		(void)!hel_event_raise(queue->doorbell, 1);
	}
}

/* What it has, as far as it was made. */
static void queue_destroy(struct block_queue *queue)
{
	helix_bell_remove(&queue->bell);
	if (queue->memory != NULL) {
		helix_unmap(queue->memory, queue->memory_bytes);
	}
	if (queue->shared != HEL_NULL) {
		hel_close(HEL_THIS, queue->shared);
	}
	if (queue->doorbell != HEL_NULL) {
		hel_close(HEL_THIS, queue->doorbell);
	}
	if (queue->answers != HEL_NULL) {
		hel_close(HEL_THIS, queue->answers);
	}
	helix_free(queue->under_way);
	helix_free(queue->segments);
	helix_free(queue);
}

static void queue_free(struct block_queue *queue)
{
	struct block_client *client = queue->client;

	list_remove(&queue->node);
	client->n_queues--;
	wait_queue_wake(&client->queue_closed);
	queue_destroy(queue);
	block_client_check_gone(client);
}

static void queue_check_closed(struct block_queue *queue)
{
	if (queue->is_closing && queue->n_under_way == 0 &&
		!op_is_pending(&queue->wait.operation.op) &&
		!list_node_is_linked(&queue->answered_node)) {
		queue_free(queue);
	}
}

/* block_settle() looks at it once more; it may be gone then. */
static void queue_must_be_settled(struct block_queue *queue)
{
	if (!list_node_is_linked(&queue->answered_node)) {
		list_push_back(&queue->client->device->answered, &queue->answered_node);
	}
}

/* Until the client has nothing more, then wait for its doorbell. The queue may be gone then. */
static void queue_work(struct block_queue *queue)
{
	struct block_device *device = queue->client->device;

	while (!queue->is_closing) {
		bool is_more = queue_take_some(queue);

		device->driver->commit(device, queue->hardware);
		if (queue->ring.is_broken) {
			helix_log(HEL_LOG_WARNING, "%s: a client's queue is broken", device->name);
			queue->is_closing = true;
		} else if (is_more || block_ring_driver_sleep(&queue->ring)) {
			if (is_more) {
				queue_work_later(queue);
			}
			if (!queue->is_alerted) {
				(void)!op_start(
					&queue->wait.operation.op, device->loop, queue_rung, queue);
			}
			break;
		}
	}
	if (queue->is_closing) {
		queue_must_be_settled(queue);
	}
	block_settle(device);
}

/* ---- answers --------------------------------------------------------------------------------- */

void block_queue_answer(struct block_queue *queue, uint32_t slot, int error, uint64_t n_bytes)
{
	ASSERT(is_under_way(queue, slot) && queue->n_under_way > 0);
	queue->under_way[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	queue->n_under_way--;
	if (!queue->is_closing) {
		block_ring_driver_answer(&queue->ring, slot, error, n_bytes);
	}
	queue_must_be_settled(queue);
}

void block_queue_notify(struct block_queue *queue)
{
	if (!queue->is_closing && block_ring_driver_must_notify(&queue->ring)) {
		if (queue->is_alerted) {
			helix_loop_alert(
				helix_loop_of(queue->client->device->loop), queue->answers);
		} else {
			(void)!hel_event_raise(queue->answers, 1);
		}
	}
	queue_check_closed(queue);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static bool are_good(const struct block_open_queue_request *options)
{
	return options->n_slots != 0 && options->n_slots <= BLOCK_LIMITS_QUEUE_SLOTS_MAX &&
		(options->n_slots & (options->n_slots - 1)) == 0 && options->n_segments != 0 &&
		options->n_segments <= BLOCK_LIMITS_SEGMENTS_MAX;
}

static int queue_make(struct block_queue *queue, const struct block_open_queue_request *options)
{
	uint32_t n_slots = options->n_slots, n_segments = options->n_segments;
	int error = -ERR_NO_MEMORY;

	queue->memory_bytes = block_ring_bytes(n_slots, n_segments);
	queue->under_way = helix_calloc((n_slots + 63) / 64, sizeof(uint64_t));
	queue->segments = helix_calloc(n_segments, sizeof(queue->segments[0]));
	if (queue->under_way != NULL && queue->segments != NULL) {
		error = hel_memory_allocate(queue->memory_bytes, 0, &queue->shared);
	}
	if (error == 0) {
		error = helix_map_present(queue->shared, 0, queue->memory_bytes,
			HEL_MAP_READ | HEL_MAP_WRITE, &queue->memory);
	}
	return error;
}

/* Both for the client, or none. */
static int queue_make_events(struct block_queue *queue, hel_handle out_handles[2])
{
	int error = hel_event_create(0, &queue->doorbell);

	if (error == 0) {
		error = hel_event_create(0, &queue->answers);
	}
	if (error == 0) {
		error = hel_transfer(HEL_THIS, queue->doorbell, HEL_THIS,
			HEL_RIGHT_SIGNAL | HEL_RIGHT_DERIVE, &out_handles[0]);
	}
	if (error != 0) {
		return error;
	}
	error = hel_transfer(HEL_THIS, queue->answers, HEL_THIS, HEL_RIGHT_WAIT | HEL_RIGHT_DERIVE,
		&out_handles[1]);
	if (error != 0) {
		hel_close(HEL_THIS, out_handles[0]);
	}
	return error;
}

/*
 * How both sides are told: what the client gets for it, the second one HEL_NULL if there are no
 * events. @alert is taken.
 */
static int queue_make_bells(struct block_queue *queue, hel_handle alert, hel_handle out_handles[2])
{
	struct helix_loop *loop = helix_loop_of(queue->client->device->loop);

	out_handles[1] = HEL_NULL;
	if (alert != HEL_NULL && helix_loop_give_alert(loop, &out_handles[0]) == 0) {
		queue->is_alerted = true;
		queue->answers = alert;
		return 0;
	}
	if (alert != HEL_NULL) {
		hel_close(HEL_THIS, alert);
	}
	return queue_make_events(queue, out_handles);
}

/* All or none. A slice cannot be resized, so the client cannot take our mapping away. */
static int queue_share(struct block_queue *queue, hel_handle alert, hel_handle out_handles[3])
{
	int error = queue_make_bells(queue, alert, &out_handles[1]);

	if (error != 0) {
		return error;
	}
	error = hel_memory_slice(queue->shared, 0, queue->memory_bytes, &out_handles[0]);
	for (size_t i = 1; i < 3 && error != 0; i++) {
		if (out_handles[i] != HEL_NULL) {
			hel_close(HEL_THIS, out_handles[i]);
		}
	}
	return error;
}

/* Be told of requests from now on. */
static void queue_begin(struct block_queue *queue)
{
	if (queue->is_alerted) {
		helix_bell_add(
			helix_loop_of(queue->client->device->loop), &queue->bell, queue_look);
	} else {
		helix_event_op_init(&queue->wait, queue->doorbell, 0);
	}
	queue_work(queue);
}

/* A new one of a client, with nothing yet; else @alert is closed. */
static int queue_create(struct block_client *client, const struct block_open_queue_request *options,
	hel_handle alert, struct block_queue **out_queue)
{
	struct block_queue *queue = NULL;
	int error = !are_good(options)                        ? -ERR_ILLEGAL_ARGS
		: client->n_queues == BLOCK_LIMITS_QUEUES_MAX ? -ERR_NO_SPACE
							      : 0;

	if (error == 0) {
		queue = helix_calloc(1, sizeof(*queue));
		error = queue != NULL ? 0 : -ERR_NO_MEMORY;
	}
	if (error != 0) {
		if (alert != HEL_NULL) {
			hel_close(HEL_THIS, alert);
		}
		return error;
	}
	queue->client = client;
	*out_queue = queue;
	return 0;
}

int block_queue_open(struct block_client *client, const struct block_open_queue_request *options,
	hel_handle alert, struct block_queue **out_queue, hel_handle out_handles[3])
{
	struct block_queue *queue;
	int error = queue_create(client, options, alert, &queue);

	if (error != 0) {
		return error;
	}
	error = queue_make(queue, options);
	if (error == 0) {
		error = queue_share(queue, alert, out_handles);
	} else if (alert != HEL_NULL) {
		hel_close(HEL_THIS, alert);
	}
	if (error != 0) {
		queue_destroy(queue);
		return error;
	}
	queue->number = client->queue_next++;
	queue->hardware = options->cpu % client->device->n_queues;
	list_node_init(&queue->answered_node);
	block_ring_driver_init(&queue->ring, queue->memory, options->n_slots, options->n_segments);
	list_push_back(&client->queues, &queue->node);
	client->n_queues++;
	*out_queue = queue;
	queue_begin(queue);
	return 0;
}

void block_queue_close(struct block_queue *queue)
{
	queue->is_closing = true;
	if (op_is_pending(&queue->wait.operation.op)) {
		op_cancel(&queue->wait.operation.op);
	} else {
		queue_check_closed(queue);
	}
}
