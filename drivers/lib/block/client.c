/* SPDX-License-Identifier: MIT */
/* Clients of a block device: their calls, and the memory that they have attached. See block.h. */
#include "internal.h"

#include <base/errors.h>
#include <base/string.h>

#define CALLS_MAX        4
#define WATCHES_MAX      2 /* that wait; so there is always a slot for something else */
#define REQUEST_SIZE_MAX 256
#define REPLY_SIZE_MAX   512
#define CHUNKS           (BLOCK_LIMITS_MEMORIES_MAX / BLOCK_MEMORY_CHUNK)

static struct block_client *client_of_call(const struct bragi_call *call)
{
	return container_of(transport_service_of_call(call), struct block_client, service);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Where the memory of an id is noted; NULL: no such id, or no place yet and none to be had. */
static struct block_memory **memory_place(struct block_client *client, uint32_t id, bool is_made)
{
	struct block_memory_chunk **chunk;

	if (id >= BLOCK_LIMITS_MEMORIES_MAX) {
		return NULL;
	}
	if (client->chunks == NULL && is_made) {
		client->chunks = helix_calloc(CHUNKS, sizeof(struct block_memory_chunk *));
	}
	if (client->chunks == NULL) {
		return NULL;
	}
	chunk = &client->chunks[id / BLOCK_MEMORY_CHUNK];
	if (*chunk == NULL && is_made) {
		*chunk = helix_calloc(1, sizeof(**chunk));
	}
	return *chunk == NULL ? NULL : &(*chunk)->memories[id % BLOCK_MEMORY_CHUNK];
}

struct block_memory *block_memory_find(const struct block_client *client, uint32_t id)
{
	const struct block_memory_chunk *chunk;

	if (id >= BLOCK_LIMITS_MEMORIES_MAX || client->chunks == NULL) {
		return NULL;
	}
	chunk = client->chunks[id / BLOCK_MEMORY_CHUNK];
	return chunk == NULL ? NULL : chunk->memories[id % BLOCK_MEMORY_CHUNK];
}

void block_memory_release(struct block_device *device, struct block_memory *memory)
{
	if (--memory->n_references == 0) {
		block_let_go(device, memory);
		hel_close(HEL_THIS, memory->handle);
		helix_free(memory);
	}
}

/* Memory whose pages the kernel brings, or says that it does not: nobody else is waited for. */
static bool is_good_kind(enum hel_memory_kind kind)
{
	return kind == HEL_MEMORY_ALLOCATED || kind == HEL_MEMORY_BACKING ||
		kind == HEL_MEMORY_LOAN;
}

static int serve_attach(struct bragi_call *call, const struct block_attach_request *request,
	struct block_attach_reply *out_reply UNUSED)
{
	struct block_client *client = client_of_call(call);
	struct block_memory **place, *memory;
	struct hel_memory_info info;

	if (request->id >= BLOCK_LIMITS_MEMORIES_MAX) {
		return -ERR_OUT_OF_BOUNDS;
	}
	if (block_memory_find(client, request->id) != NULL) {
		return -ERR_EXISTS;
	}
	hel_handle handle = bragi_handles_take(&call->received, 0);

	if (handle == HEL_NULL) {
		return -ERR_BAD_HANDLE;
	}
	int error = hel_memory_info(handle, &info);

	if (error == 0 && !is_good_kind(info.kind)) {
		error = -ERR_UNSUPPORTED;
	}
	place = error == 0 ? memory_place(client, request->id, true) : NULL;
	memory = place != NULL ? helix_malloc(sizeof(*memory)) : NULL;
	if (memory == NULL) {
		hel_close(HEL_THIS, handle);
		return error != 0 ? error : -ERR_NO_MEMORY;
	}
	*memory = (struct block_memory){ .handle = handle, .n_references = 1 };
	if (request->is_kept != 0 && info.kind == HEL_MEMORY_ALLOCATED) {
		block_keep(client->device, memory, info.size_bytes);
	}
	*place = memory;
	return 0;
}

static int serve_detach(struct bragi_call *call, const struct block_detach_request *request,
	struct block_detach_reply *out_reply UNUSED)
{
	struct block_client *client = client_of_call(call);
	struct block_memory **place = memory_place(client, request->id, false);

	if (place == NULL || *place == NULL) {
		return -ERR_NOT_FOUND;
	}
	block_memory_release(client->device, *place);
	*place = NULL;
	return 0;
}

static void forget_memories(struct block_client *client)
{
	for (size_t i = 0; client->chunks != NULL && i < CHUNKS; i++) {
		struct block_memory_chunk *chunk = client->chunks[i];

		for (size_t k = 0; chunk != NULL && k < BLOCK_MEMORY_CHUNK; k++) {
			if (chunk->memories[k] != NULL) {
				block_memory_release(client->device, chunk->memories[k]);
			}
		}
		helix_free(chunk);
	}
	helix_free(client->chunks);
	client->chunks = NULL;
}

/* ---- what the device is ---------------------------------------------------------------------- */

static int serve_info(struct bragi_call *call, const struct block_info_request *request UNUSED,
	struct block_info_reply *out_reply)
{
	const struct block_device *device = client_of_call(call)->device;

	*out_reply = (struct block_info_reply){
		.features = device->features,
		.size_bytes = device->size_bytes,
		.logical_block_bytes = device->logical_block_bytes,
		.physical_block_bytes = device->physical_block_bytes,
		.optimal_bytes = device->optimal_bytes,
		.transfer_bytes_max = device->transfer_bytes_max,
		.segments_max = (uint32_t)min_u64(BLOCK_LIMITS_SEGMENTS_MAX, device->extents_max),
		.memory_alignment = device->memory_alignment,
		.n_queues = device->n_queues,
		.depth = device->depth,
		.discard_bytes_max = device->discard_bytes_max,
		.zeroes_bytes_max = device->zeroes_bytes_max,
		.discard_alignment = device->discard_alignment,
		.sequence = device->sequence,
		.model = bragi_string_of(device->model),
		.serial = bragi_string_of(device->serial),
	};
	return device->is_gone ? -ERR_NOT_FOUND : 0;
}

static int serve_watch(struct bragi_call *call, const struct block_watch_request *request,
	struct block_watch_reply *out_reply)
{
	struct block_client *client = client_of_call(call);
	struct block_device *device = client->device;
	int error = 0;

	if (client->n_watches == WATCHES_MAX) {
		return -ERR_BUSY;
	}
	client->n_watches++;
	while (error == 0 && !device->is_gone && device->sequence == request->sequence) {
		error = wait_on(call->task, &device->watchers);
	}
	client->n_watches--;
	out_reply->sequence = device->sequence;
	return error == 0 && device->is_gone ? -ERR_NOT_FOUND : error;
}

/* ---- queues ---------------------------------------------------------------------------------- */

/* What the client wants to be alerted by, the caller's; HEL_NULL: it waits for an event. */
static int take_alert(struct bragi_call *call, bool is_alerted, hel_handle *out_alert)
{
	struct hel_descriptor_info info;
	hel_handle alert = is_alerted ? bragi_handles_take(&call->received, 0) : HEL_NULL;

	if (alert != HEL_NULL) {
		int error = hel_descriptor_info(HEL_THIS, alert, &info);

		if (error != 0 || info.type != HEL_TYPE_QUEUE ||
			(info.rights & HEL_RIGHT_SIGNAL) == 0) {
			hel_close(HEL_THIS, alert);
			return error != 0 ? error : -ERR_ILLEGAL_ARGS;
		}
	}
	*out_alert = alert;
	return 0;
}

static int serve_open_queue(struct bragi_call *call, const struct block_open_queue_request *request,
	struct block_open_queue_reply *out_reply)
{
	hel_handle handles[3];
	struct block_queue *queue;
	hel_handle alert;
	int error = take_alert(call, request->is_alerted != 0, &alert);

	if (error == 0) {
		error = block_queue_open(client_of_call(call), request, alert, &queue, handles);
	}

	if (error != 0) {
		return error;
	}
	out_reply->queue = queue->number;
	out_reply->is_alerted = queue->is_alerted;
	for (size_t i = 0; i < ARRAY_SIZE(handles) && handles[i] != HEL_NULL; i++) {
		(void)!bragi_handles_add(&call->to_send, handles[i]); /* there is room for four */
	}
	return 0;
}

static struct block_queue *find_queue(const struct block_client *client, uint32_t number)
{
	LIST_FOR_EACH(queue, &client->queues, struct block_queue, node) {
		if (queue->number == number) {
			return queue;
		}
	}
	return NULL;
}

static int serve_close_queue(struct bragi_call *call,
	const struct block_close_queue_request *request,
	struct block_close_queue_reply *out_reply UNUSED)
{
	struct block_client *client = client_of_call(call);
	struct block_queue *queue = find_queue(client, request->queue);
	int error = 0;

	if (queue == NULL) {
		return -ERR_NOT_FOUND;
	}
	block_queue_close(queue);
	while (error == 0 && find_queue(client, request->queue) != NULL) {
		error = wait_on(call->task, &client->queue_closed);
	}
	return error;
}

static const struct block_device_ops device_ops = {
	.info = serve_info,
	.attach = serve_attach,
	.detach = serve_detach,
	.open_queue = serve_open_queue,
	.close_queue = serve_close_queue,
	.watch = serve_watch,
};

/* ---- clients --------------------------------------------------------------------------------- */

static void client_dispatch(struct bragi_call *call)
{
	(void)!block_device_dispatch(&device_ops, call);
}

void block_client_check_gone(struct block_client *client)
{
	if (client->is_closed && list_is_empty(&client->queues)) {
		struct block_device *device = client->device;

		list_remove(&client->node);
		forget_memories(client);
		helix_free(client);
		wait_queue_wake(&device->quiet);
	}
}

static void client_closed(struct transport_service *service)
{
	struct block_client *client = container_of(service, struct block_client, service);
	bool is_last = list_is_empty(&client->queues);

	client->is_closed = true;
	LIST_FOR_EACH_SAFE(queue, &client->queues, struct block_queue, node) {
		/* the last one that is freed takes the client along */
		block_queue_close(queue);
	}
	if (is_last) {
		block_client_check_gone(client);
	}
}

int block_client_start(struct block_device *device, hel_handle lane)
{
	struct block_client *client = helix_calloc(1, sizeof(*client));
	const struct transport_service_config config = {
		.loop = device->loop,
		.lane = lane,
		.name = "block call",
		.dispatch = client_dispatch,
		.closed = client_closed,
		.n_calls_max = CALLS_MAX,
		.request_size_max = REQUEST_SIZE_MAX,
		.reply_size_max = REPLY_SIZE_MAX,
	};

	if (client == NULL) {
		return -ERR_NO_MEMORY;
	}
	client->device = device;
	list_init(&client->queues);
	wait_queue_init(&client->queue_closed);
	int error = transport_service_start(&client->service, &config);

	if (error != 0) {
		helix_free(client);
		return error;
	}
	list_push_back(&device->clients, &client->node);
	return 0;
}
