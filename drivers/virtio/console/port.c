/* SPDX-License-Identifier: MIT */
/* The bytes of a port: see console.h. */
#include "console.h"

#include <base/assert.h>
#include <base/errors.h>
#include <base/string.h>

#define QUEUE_SIZE 64

/* Port 0 has queues 0 and 1; 2 and 3 are the control queues; then come those of the other ports. */
static uint16_t port_queue_index(uint32_t id)
{
	return (uint16_t)(id == 0 ? 0 : 2 * id + 2);
}

int port_init(struct console *console, struct port *port, uint32_t id)
{
	struct virtio_device *device = &console->device;
	uint16_t index = port_queue_index(id);

	port->console = console;
	port->id = id;
	list_init(&port->filled);
	list_init(&port->waiting_writes);
	wait_queue_init(&port->readers);
	wait_queue_init(&port->drainers);
	wait_queue_init(&port->watchers);
	int error =
		virtio_setup_queue(device, &port->receive, &port->receive_ring, index, QUEUE_SIZE);

	if (error == 0) {
		error = virtio_setup_queue(device, &port->transmit, &port->transmit_ring,
			(uint16_t)(index + 1), QUEUE_SIZE);
	}
	return error;
}

/* ---- receiving ------------------------------------------------------------------------------- */

static void port_give_buffer(struct port *port, struct port_buffer *buffer)
{
	const struct virtio_buffer target = {
		.address_phys = dma_address(&port->receive_memory, buffer->data),
		.size = PORT_BUFFER_SIZE,
		.is_writable = true,
	};
	bool is_added = virtqueue_add(&port->receive, &target, 1, buffer);

	/* there are fewer buffers than descriptors; a broken queue takes nothing any more */
	ASSERT(is_added || port->receive.is_broken);
}

int port_start(struct port *port)
{
	if (port->is_there) {
		return 0;
	}
	int error = dma_allocate(&port->receive_memory, port->console->device.dma_space,
		PORT_BUFFERS * PORT_BUFFER_SIZE);

	if (error != 0) {
		return error;
	}
	port->is_there = true;
	for (size_t i = 0; i < PORT_BUFFERS; i++) {
		port->buffers[i].data = port->receive_memory.data + i * PORT_BUFFER_SIZE;
		port_give_buffer(port, &port->buffers[i]);
	}
	virtio_kick(&port->console->device, &port->receive);
	return 0;
}

void port_open(struct port *port)
{
	if (!port->is_guest_open && port->console->is_multiport) {
		control_send(port->console, port->id, CONTROL_PORT_OPEN, 1);
	}
	port->is_guest_open = true;
}

static void port_poll_receive(struct port *port)
{
	void *token;
	uint32_t size;
	bool is_any = false;

	while (virtqueue_take(&port->receive, &token, &size)) {
		struct port_buffer *buffer = token;

		if (size == 0) {
			port_give_buffer(port, buffer);
			continue;
		}
		buffer->size = size;
		buffer->taken = 0;
		list_push_back(&port->filled, &buffer->node);
		is_any = true;
	}
	if (is_any) {
		wait_queue_wake(&port->readers);
	}
}

size_t port_read(struct port *port, void *out_data, size_t size)
{
	uint8_t *out_bytes = out_data;
	size_t done = 0;

	while (done < size && port_has_data(port)) {
		struct port_buffer *buffer = LIST_FIRST(&port->filled, struct port_buffer, node);
		size_t n_bytes = min_size(buffer->size - buffer->taken, size - done);

		memcpy(out_bytes + done, buffer->data + buffer->taken, n_bytes);
		done += n_bytes;
		buffer->taken += (uint32_t)n_bytes;
		if (buffer->taken == buffer->size) {
			list_remove(&buffer->node);
			port_give_buffer(port, buffer);
		}
	}
	virtio_kick(&port->console->device, &port->receive);
	return done;
}

/* ---- sending --------------------------------------------------------------------------------- */

static bool port_try_write(struct port_write *write)
{
	struct port *port = write->port;

	if (port->transmit.is_broken) {
		op_complete(&write->op, -ERR_IO);
		port->n_writes--;
		return true;
	}
	return virtqueue_add(&port->transmit, &write->buffer, 1, write);
}

static enum op_result port_write_start(struct op *op)
{
	struct port_write *write = container_of(op, struct port_write, op);
	struct port *port = write->port;

	port->n_writes++;
	if (!list_is_empty(&port->waiting_writes) || !port_try_write(write)) {
		list_push_back(&port->waiting_writes, &op->node);
	}
	virtio_kick(&port->console->device, &port->transmit);
	return OP_PENDING;
}

/* It cannot be cancelled: the device has the memory, and bytes are not taken back. */
static const struct op_class port_write_class = {
	.name = "port write",
	.start = port_write_start,
};

void port_write_init(
	struct port_write *write, struct port *port, uint64_t address_phys, uint32_t size)
{
	op_init(&write->op, &port_write_class);
	write->port = port;
	write->buffer = (struct virtio_buffer){ .address_phys = address_phys, .size = size };
}

static void port_poll_transmit(struct port *port)
{
	void *token;
	uint32_t size;

	while (virtqueue_take(&port->transmit, &token, &size)) {
		struct port_write *write = token;

		port->n_writes--;
		op_complete(&write->op, 0);
	}
	while (!list_is_empty(&port->waiting_writes)) {
		struct op *op = LIST_FIRST(&port->waiting_writes, struct op, node);

		list_remove(&op->node);
		if (!port_try_write(container_of(op, struct port_write, op))) {
			list_push_front(&port->waiting_writes, &op->node);
			break;
		}
	}
	virtio_kick(&port->console->device, &port->transmit);
	if (port->n_writes == 0) {
		wait_queue_wake(&port->drainers);
	}
}

void port_poll(struct port *port)
{
	port_poll_receive(port);
	port_poll_transmit(port);
}
