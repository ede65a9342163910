/* SPDX-License-Identifier: MIT */
/* The device's end of the class: what it is given, and what comes back. See block.h. */
#include "internal.h"

#include <base/assert.h>
#include <base/errors.h>
#include <base/string.h>
#include <protocols/mbus/mbus-client.h>

static struct block_request_internal *internal_of(struct block_request *request)
{
	return container_of(request, struct block_request_internal, request);
}

static struct block_device *device_of(const struct block_request_internal *request)
{
	return request->queue->client->device;
}

/* ---- requests -------------------------------------------------------------------------------- */

static bool device_submit(struct block_device *device, struct block_request_internal *request)
{
	if (!device->driver->submit(device, request->queue->hardware, &request->request)) {
		return false;
	}
	device->n_active++;
	return true;
}

static void request_end(struct block_request_internal *request, int error)
{
	struct block_queue *queue = request->queue;
	uint32_t slot = request->slot;
	uint64_t n_bytes = error == 0 ? request->request.length : 0;

	block_request_free(request);
	block_queue_answer(queue, slot, error, n_bytes);
}

void block_device_take(struct block_device *device, struct block_request_internal *request)
{
	if (device->is_gone) {
		request_end(request, -ERR_END_OF_LANE);
		return;
	}
	/* none overtakes those that wait: a device that is never idle would starve them */
	if (!list_is_empty(&device->pending) || !device_submit(device, request)) {
		list_push_back(&device->pending, &request->node);
	}
}

static void request_flush(struct block_device *device, struct block_request_internal *request)
{
	block_request_release(request);
	request->is_flushing = true;
	request->request.operation = BLOCK_FLUSH;
	list_push_back(&device->pending, &request->node);
}

void block_complete(struct block_request *completed, int error)
{
	struct block_request_internal *request = internal_of(completed);
	struct block_device *device = device_of(request);

	ASSERT(device->n_active > 0);
	device->n_active--;
	wait_queue_wake(&device->quiet);
	if (error == 0 && request->wants_flush && !request->is_flushing) {
		request_flush(device, request);
	} else {
		request_end(request, error);
	}
}

static void submit_pending(struct block_device *device)
{
	uint64_t queues = 0;

	while (!list_is_empty(&device->pending)) {
		struct block_request_internal *request =
			LIST_FIRST(&device->pending, struct block_request_internal, node);

		if (!device_submit(device, request)) {
			break;
		}
		list_remove(&request->node);
		queues |= UINT64_C(1) << request->queue->hardware;
	}
	for (uint32_t i = 0; i < device->n_queues; i++) {
		if ((queues >> i & 1) != 0) {
			device->driver->commit(device, i);
		}
	}
}

void block_settle(struct block_device *device)
{
	if (!device->is_gone) {
		submit_pending(device);
	}
	for (;;) {
		struct block_queue *queue =
			LIST_POP_FRONT(&device->answered, struct block_queue, answered_node);

		if (queue == NULL) {
			return;
		}
		block_queue_notify(queue);
	}
}

/* ---- the device ------------------------------------------------------------------------------ */

static void device_changed(struct block_device *device)
{
	device->sequence++;
	wait_queue_wake(&device->watchers);
}

void block_resized(struct block_device *device, uint64_t size_bytes)
{
	device->size_bytes = size_bytes;
	device_changed(device);
}

void block_gone(struct block_device *device)
{
	device->is_gone = true;
	for (;;) {
		struct block_request_internal *request =
			LIST_POP_FRONT(&device->pending, struct block_request_internal, node);

		if (request == NULL) {
			break;
		}
		request_end(request, -ERR_END_OF_LANE);
	}
	device_changed(device);
	block_settle(device);
}

void block_end(struct task *task, struct block_device *device)
{
	if (!device->is_gone) {
		block_gone(device);
	}
	/* without mbus nobody finds it anyway */
	(void)!mbus_withdraw(task, device->mbus, device->object);
	while (device->is_listening || !list_is_empty(&device->clients) || device->n_active > 0) {
		if (wait_on(task, &device->quiet) != 0) {
			return; /* cancelled: the memory stays */
		}
	}
	hel_close(HEL_THIS, device->control);
}

void block_device_init(struct block_device *device)
{
	device->is_gone = false;
	device->is_listening = false;
	device->sequence = 1;
	device->n_active = 0;
	device->n_kept = 0;
	device->control = HEL_NULL;
	list_init(&device->clients);
	list_init(&device->pending);
	list_init(&device->answered);
	wait_queue_init(&device->watchers);
	wait_queue_init(&device->quiet);
}

static void device_connected(struct connect_listener *listener, const char *name, hel_handle lane)
{
	struct block_device *device = container_of(listener, struct block_device, listener);
	int error = block_client_start(device, lane);

	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "%s: client %s cannot be served: %s", device->name, name,
			error_text(error));
		hel_close(HEL_THIS, lane);
	}
}

static void device_control_ended(struct connect_listener *listener)
{
	struct block_device *device = container_of(listener, struct block_device, listener);

	device->is_listening = false;
	wait_queue_wake(&device->quiet);
	if (!device->is_gone) {
		helix_log(HEL_LOG_WARNING, "mbus is gone, no more clients will come");
	}
}

static const struct connect_listener_ops listener_ops = {
	.connected = device_connected,
	.ended = device_control_ended,
};

int block_publish(struct task *task, struct block_device *device, hel_handle mbus)
{
	const struct mbus_pair properties[] = {
		{ "class", "block" },
		{ "name", device->name },
		{ "model", device->model },
		{ "serial", device->serial },
	};
	int error = mbus_publish_object(
		task, mbus, properties, ARRAY_SIZE(properties), &device->object, &device->control);

	if (error != 0) {
		return error;
	}
	device->mbus = mbus;
	device->is_listening = true;
	helix_log(HEL_LOG_INFO, "%s: %s, %llu MiB", device->name, device->model,
		(unsigned long long)(device->size_bytes / MIB(1)));
	connect_listen(&device->listener, &listener_ops, device->loop, device->control);
	return 0;
}
