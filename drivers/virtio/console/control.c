/* SPDX-License-Identifier: MIT */
/* Control messages of the device: see console.h. */
#include "console.h"

#include <base/errors.h>
#include <base/string.h>

#define QUEUE_SIZE     32
#define RECEIVE_INDEX  2
#define TRANSMIT_INDEX 3

/* control_memory: first the buffers for what comes, then a message slot per bit of free_messages */
#define MESSAGES        32
#define MESSAGES_OFFSET (CONTROL_BUFFERS * CONTROL_BUFFER_SIZE)

static uint8_t *control_buffer(const struct console *console, size_t index)
{
	return console->control_memory.data + index * CONTROL_BUFFER_SIZE;
}

static struct control_message *control_slots(const struct console *console)
{
	return (struct control_message *)(console->control_memory.data + MESSAGES_OFFSET);
}

int control_init(struct console *console)
{
	struct virtio_device *device = &console->device;

	console->free_messages = UINT32_MAX;
	if (!console->is_multiport) {
		return 0;
	}
	int error = virtio_setup_queue(device, &console->control_receive,
		&console->control_receive_ring, RECEIVE_INDEX, QUEUE_SIZE);

	if (error == 0) {
		error = virtio_setup_queue(device, &console->control_transmit,
			&console->control_transmit_ring, TRANSMIT_INDEX, QUEUE_SIZE);
	}
	if (error == 0) {
		error = dma_allocate(&console->control_memory, device->dma_space,
			MESSAGES_OFFSET + MESSAGES * sizeof(struct control_message));
	}
	return error;
}

static void control_give_buffer(struct console *console, uint8_t *buffer)
{
	const struct virtio_buffer target = {
		.address_phys = dma_address(&console->control_memory, buffer),
		.size = CONTROL_BUFFER_SIZE,
		.is_writable = true,
	};

	/* a broken queue takes nothing any more */
	(void)!virtqueue_add(&console->control_receive, &target, 1, buffer);
}

void control_start(struct console *console)
{
	for (size_t i = 0; i < CONTROL_BUFFERS; i++) {
		control_give_buffer(console, control_buffer(console, i));
	}
	virtio_kick(&console->device, &console->control_receive);
	control_send(console, 0, CONTROL_DEVICE_READY, 1);
}

void control_send(struct console *console, uint32_t port, uint16_t event, uint16_t value)
{
	struct control_message *slots = control_slots(console);

	if (console->free_messages == 0) {
		helix_log(HEL_LOG_ERROR, "port %u: control message %u lost", port, event);
		return;
	}
	unsigned index = (unsigned)__builtin_ctz(console->free_messages);
	const struct virtio_buffer source = {
		.address_phys = dma_address(&console->control_memory, &slots[index]),
		.size = sizeof(slots[index]),
	};

	slots[index] = (struct control_message){ .port = port, .event = event, .value = value };
	if (virtqueue_add(&console->control_transmit, &source, 1, &slots[index])) {
		console->free_messages &= ~(1u << index);
		virtio_kick(&console->device, &console->control_transmit);
	}
}

static void control_name(struct port *port, const char *name, size_t size)
{
	size = min_size(size, sizeof(port->name) - 1);
	memcpy(port->name, name, size);
	port->name[size] = '\0';
}

static void control_resize(struct port *port, const uint8_t *data, size_t size)
{
	uint16_t columns_rows[2];

	if (size >= sizeof(columns_rows)) {
		memcpy(columns_rows, data, sizeof(columns_rows));
		port->columns = columns_rows[0];
		port->rows = columns_rows[1];
		port->window_sequence++;
		wait_queue_wake(&port->watchers);
	}
}

/* The other side has opened or closed the port. What it sent before is in the queue already. */
static void control_host_open(struct port *port, bool is_open)
{
	port_poll(port);
	port->host = is_open ? PORT_HOST_OPEN : PORT_HOST_CLOSED;
	wait_queue_wake(&port->readers);
}

static void control_serve(struct task *task, struct console *console,
	const struct control_message *message, const uint8_t *data, size_t size)
{
	if (message->port >= console->n_ports) {
		return; /* more ports than we have queues for */
	}
	struct port *port = &console->ports[message->port];

	switch (message->event) {
	case CONTROL_PORT_ADD:
		/* 0: we have no use for it */
		control_send(console, port->id, CONTROL_PORT_READY, port_start(port) == 0);
		break;
	case CONTROL_PORT_REMOVE: control_host_open(port, false); break;
	case CONTROL_CONSOLE_PORT: port->is_console = true; break;
	case CONTROL_RESIZE: control_resize(port, data, size); break;
	case CONTROL_PORT_NAME:
		control_name(port, (const char *)data, size);
		port_publish(task, port);
		break;
	case CONTROL_PORT_OPEN:
		control_host_open(port, message->value != 0);
		port_publish(task, port);
		break;
	default: break;
	}
}

void control_poll(struct task *task, struct console *console)
{
	void *token;
	uint32_t size;
	struct control_message message;
	uint8_t copy[CONTROL_BUFFER_SIZE];

	if (!console->is_multiport) {
		return;
	}
	while (virtqueue_take(&console->control_transmit, &token, &size)) {
		const struct control_message *slot = token;

		console->free_messages |= 1u << (slot - control_slots(console));
	}
	while (virtqueue_take(&console->control_receive, &token, &size)) {
		/* the buffer goes back before the message is served, which may take time */
		memcpy(copy, token, size);
		control_give_buffer(console, token);
		virtio_kick(&console->device, &console->control_receive);
		if (size >= sizeof(message)) {
			memcpy(&message, copy, sizeof(message));
			control_serve(task, console, &message, copy + sizeof(message),
				size - sizeof(message));
		}
	}
}
