/* SPDX-License-Identifier: MIT */
/* Virtio ports; see port.h. */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <base/format.h>
#include <base/ring.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/device.h>
#include <posix/server/fs/sysfs.h>
#include <posix/server/tty/port.h>

constexpr size_t PORT_BUFFER_SIZE = KIB(256);
constexpr uint32_t PORT_MAJOR = 247;
constexpr uint32_t PORT_NAME_MAX = 64;

struct port {
	struct device device;
	struct channel channel;
	struct list_node node;
	char name[PORT_NAME_MAX];    /* org.hati.control */
	char device_name[16];        /* vport0p1 */
	bool is_open;
	struct ring input, output;
	struct wait_queue changed;
};

static struct list ports = LIST_INIT(ports);

static struct port *port_of(struct channel *channel)
{
	return container_of(channel, struct port, channel);
}

/* ---- the channel's owner ------------------------------------------------------------------- */

static size_t port_room(struct channel *channel)
{
	return ring_free(&port_of(channel)->input);
}

static void port_input(struct channel *channel, const uint8_t *bytes, size_t size)
{
	struct port *port = port_of(channel);

	ring_write(&port->input, bytes, size);
	wait_queue_wake(&port->changed);
}

static size_t port_take(struct channel *channel, uint8_t *buffer, size_t size)
{
	struct port *port = port_of(channel);
	size_t n_bytes = ring_read(&port->output, buffer, size);

	if (n_bytes > 0) {
		wait_queue_wake(&port->changed);
	}
	return n_bytes;
}

static void port_changed(struct channel *channel)
{
	wait_queue_wake(&port_of(channel)->changed);
}

static const struct channel_ops port_channel_ops = {
	.room = port_room,
	.input = port_input,
	.take = port_take,
	.changed = port_changed,
};

/* ---- the file ------------------------------------------------------------------------------ */

static int64_t port_take_input(struct port *port, void *buffer, size_t size)
{
	size_t n_bytes = ring_read(&port->input, buffer, size);

	if (ring_free(&port->input) >= CHANNEL_PIECE) {
		channel_input_wanted(&port->channel);
	}
	return (int64_t)n_bytes;
}

/* 1: there are bytes; else the answer, or PARK. */
static int64_t port_check_read(struct file *file, struct request *request)
{
	struct port *port = file->data;

	if (ring_used(&port->input) > 0) {
		return 1;
	}
	if (port->channel.is_at_end || port->channel.is_broken) {
		return 0;
	}
	return file_wait(file, request, &port->changed);
}

static int64_t port_read(struct file *file, struct request *request, void *buffer, size_t size,
	UNUSED uint64_t *offset)
{
	if (size == 0) {
		return 0;
	}
	int64_t result = port_check_read(file, request);

	return result == 1 ? port_take_input(file->data, buffer, size) : result;
}

static int64_t port_read_bulk(
	struct file *file, struct request *request, size_t size, UNUSED uint64_t *offset)
{
	struct port *port = file->data;

	if (size == 0) {
		return 0;
	}
	int64_t result = port_check_read(file, request);

	if (result != 1) {
		return result;
	}
	size = min_size(size, ring_used(&port->input));
	void *buffer = request_bulk_buffer(request, size);

	return buffer == NULL ? -LINUX_ENOMEM : port_take_input(port, buffer, size);
}

/* state[1]: bytes that earlier attempts have written. */
static int64_t port_write(struct file *file, struct request *request, const void *buffer,
	size_t size, UNUSED uint64_t *offset)
{
	struct port *port = file->data;
	size_t done = (size_t)request->state[1];

	if (port->channel.is_broken) {
		return done > 0 ? (int64_t)done : -LINUX_ENODEV;
	}
	done += ring_write(&port->output, (const uint8_t *)buffer + done, size - done);
	channel_output_ready(&port->channel);
	if (done == size || (done > 0 && file_must_not_wait(file, request))) {
		return (int64_t)done;
	}
	request->state[1] = done;
	if (done > 0) {
		request->interrupted_result = (int64_t)done;
	}
	return file_wait(file, request, &port->changed);
}

static uint32_t port_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct port *port = file->data;
	uint32_t events = 0;

	if (queue_of != NULL) {
		queue_of(context, &port->changed);
	}
	if (ring_used(&port->input) > 0) {
		events |= LINUX_POLLIN | LINUX_POLLRDNORM;
	}
	if (ring_free(&port->output) > 0) {
		events |= LINUX_POLLOUT | LINUX_POLLWRNORM;
	}
	if (port->channel.is_at_end || port->channel.is_broken) {
		events |= LINUX_POLLHUP;
	}
	return events;
}

static void port_release(struct file *file)
{
	struct port *port = file->data;

	port->is_open = false;
}

static const struct file_ops port_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "port",
	.read = port_read,
	.read_bulk = port_read_bulk,
	.write = port_write,
	.poll = port_poll,
	.release = port_release,
};

static int64_t port_open(struct device *device, struct file *file, UNUSED struct request *request)
{
	struct port *port = container_of(device, struct port, device);

	if (port->is_open) {
		return -LINUX_EBUSY;
	}
	port->is_open = true;
	channel_want(&port->channel);
	file->ops = &port_file_ops;
	file->data = port;
	return 0;
}

/* ---- making -------------------------------------------------------------------------------- */

static bool port_is_drained(const struct port *port)
{
	return port->channel.link == NULL || port->channel.is_broken ||
		(ring_used(&port->output) == 0 && !port->channel.is_sending);
}

int64_t ports_wait_drained(struct request *request)
{
	LIST_FOR_EACH(port, &ports, struct port, node) {
		if (!port_is_drained(port)) {
			int64_t error = request_wait_on(request, &port->changed);

			return error < 0 ? error : REQUEST_PARK;
		}
	}
	return 0;
}

static void port_make_names(struct port *port)
{
	char path[PORT_NAME_MAX + 32];
	char text[PORT_NAME_MAX + 2];

	format_to(path, sizeof(path), "virtio-ports/%s", port->name);
	format_to(text, sizeof(text), "../%s", port->device_name);
	devtmpfs_link(path, text);
	format_to(path, sizeof(path), "class/virtio-ports/%s/name", port->device_name);
	format_to(text, sizeof(text), "%s\n", port->name);
	sysfs_make_text(path, text);
}

static struct port *port_create(const char *name, uint32_t number)
{
	struct port *port = helix_calloc(1, sizeof(*port));
	uint8_t *buffers = helix_malloc(2 * PORT_BUFFER_SIZE);

	if (port == NULL || buffers == NULL) {
		helix_free(port);
		helix_free(buffers);
		return NULL;
	}
	str_copy(port->name, sizeof(port->name), name);
	format_to(port->device_name, sizeof(port->device_name), "vport0p%u", number);
	port->device = (struct device){
		.name = port->device_name,
		.mode = 0600,
		.rdev = linux_makedev(PORT_MAJOR, number),
		.open = port_open,
	};
	channel_init(&port->channel, &port_channel_ops);
	ring_init(&port->input, buffers, PORT_BUFFER_SIZE);
	ring_init(&port->output, buffers + PORT_BUFFER_SIZE, PORT_BUFFER_SIZE);
	wait_queue_init(&port->changed);
	list_push_back(&ports, &port->node);
	if (device_register(&port->device) == 0) {
		port_make_names(port);
	}
	return port;
}

struct channel *channel_of_port(const char *name)
{
	uint32_t n_ports = 0;

	LIST_FOR_EACH(port, &ports, struct port, node) {
		if (str_equal(port->name, name)) {
			return &port->channel;
		}
		n_ports++;
	}
	struct port *port = port_create(name, n_ports + 1); /* number 0 is the console */

	return port == NULL ? NULL : &port->channel;
}
