/* SPDX-License-Identifier: MIT */
/*
 * A virtio console device and its ports (virtio 1.0, section 5.3).
 *
 * Every port has a queue in each direction; two more carry control messages: which ports there
 * are, what they are called, whether the other side is open. A port is published on mbus once its
 * name is known.
 *
 *   receiving   The device always has the port's free buffers. Those it has filled are on
 * `filled`, in order; a
 *               read takes bytes from the front and gives emptied buffers back. So a port that
 * nobody
 *               reads fills its buffers and then makes the other side wait.
 *   sending     A write hands the client's request buffer itself to the device, and is answered
 * when the
 *               device has taken it: clients wait as long as the other side does. Writes that find
 * the queue
 *               full are on `waiting_writes`, in order.
 *
 * One loop, one thread: what lies between two waits is atomic.
 */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include <async/sync.h>
#include <protocols/svrctl/connect.h>
#include <virtio/virtio-pci.h>

#define CONSOLE_PORTS_MAX   8
#define CONSOLE_NAME_MAX    64
#define PORT_BUFFERS        32
#define PORT_BUFFER_SIZE    4096
/* QEMU drops control messages that find no buffer: there are enough for all ports' first ones */
#define CONTROL_BUFFERS     32
#define CONTROL_BUFFER_SIZE 256

struct console;

/* A buffer for the device to fill. */
struct port_buffer {
	struct list_node node; /* on `filled` */
	uint8_t *data;
	uint32_t size;  /* bytes that the device has put there */
	uint32_t taken; /* bytes that were read */
};

enum port_host {
	PORT_HOST_UNKNOWN, /* not said yet; treated as open */
	PORT_HOST_OPEN,
	PORT_HOST_CLOSED,
};

struct port {
	struct console *console;
	uint32_t id;
	char name[CONSOLE_NAME_MAX]; /* "": not known */
	bool is_there;
	bool is_console;
	bool is_published;
	bool is_guest_open; /* the device was told that somebody reads */
	enum port_host host;
	struct virtqueue receive, transmit;
	struct dma_memory receive_ring, transmit_ring, receive_memory;
	struct port_buffer buffers[PORT_BUFFERS];
	struct list filled;
	struct wait_queue readers;   /* woken by data and by the end */
	struct list waiting_writes;  /* struct port_write by op.node */
	uint32_t n_writes;           /* waiting or with the device */
	struct wait_queue drainers;  /* woken when that becomes 0 */
	struct wait_queue watchers;  /* woken when the window changes */
	uint16_t rows, columns;
	uint32_t window_sequence; /* 0: no size is known */
	struct connect_listener listener;
	hel_handle control; /* where mbus introduces clients */
};

/* A write that is waiting for the queue or under way. */
struct port_write {
	struct op op;
	struct port *port;
	struct virtio_buffer buffer;
};

/* What goes over the control queues. */
struct control_message {
	uint32_t port;
	uint16_t event;
	uint16_t value;
};

struct console {
	struct helix_loop *loop;
	hel_handle mbus;
	struct virtio_device device;
	bool is_multiport;
	uint32_t n_ports; /* that have queues */
	struct port ports[CONSOLE_PORTS_MAX];
	struct virtqueue control_receive, control_transmit;
	struct dma_memory control_receive_ring, control_transmit_ring, control_memory;
	uint32_t free_messages; /* bit i: message slot i of control_memory is free */
	struct job job;
};

/* ---- console.c: the device ------------------------------------------------------------------- */

/** console_run() - drive a device for ever; @lane is taken; returns what ended it */
int console_run(struct task *task, struct console *console, hel_handle lane);

/* ---- control.c: control messages ------------------------------------------------------------- */

/** control_init() - set up the control queues, if the device has them */
MUST_USE int control_init(struct console *console);

/** control_start() - the device works: ask it for its ports */
void control_start(struct console *console);

/** control_send() - send a message; dropped, and logged, if the queue is full */
void control_send(struct console *console, uint32_t port, uint16_t event, uint16_t value);

/** control_poll() - serve the messages that have come */
void control_poll(struct task *task, struct console *console);

enum control_event {
	CONTROL_DEVICE_READY = 0,
	CONTROL_PORT_ADD = 1,
	CONTROL_PORT_REMOVE = 2,
	CONTROL_PORT_READY = 3,
	CONTROL_CONSOLE_PORT = 4,
	CONTROL_RESIZE = 5,
	CONTROL_PORT_OPEN = 6,
	CONTROL_PORT_NAME = 7,
};

/* ---- port.c: the bytes ----------------------------------------------------------------------- */

/** port_init() - set up a port's queues */
MUST_USE int port_init(struct console *console, struct port *port, uint32_t id);

/** port_start() - the port is there: give the device buffers for it */
MUST_USE int port_start(struct port *port);

/** port_poll() - see what the device has filled and what it has sent */
void port_poll(struct port *port);

/** port_open() - somebody wants the port's bytes: let the device know */
void port_open(struct port *port);

/** port_has_data() - whether there are bytes to read */
static inline bool port_has_data(const struct port *port)
{
	return !list_is_empty(&port->filled);
}

/** port_read() - take up to @size bytes out of the filled buffers; how many there were */
size_t port_read(struct port *port, void *out_data, size_t size);

/** port_write_init() - an operation that sends @size bytes at physical @address_phys */
void port_write_init(
	struct port_write *write, struct port *port, uint64_t address_phys, uint32_t size);

/* ---- service.c: the clients ------------------------------------------------------------------ */

/** port_publish() - make an object of the port on mbus, unless there is one */
void port_publish(struct task *task, struct port *port);

#endif
