/* SPDX-License-Identifier: MIT */
/* Life of AF_INET sockets, and what they are as files; see inet.h. */
#include <abi/linux/errno.h>
#include <abi/linux/inet.h>
#include <abi/linux/poll.h>
#include <abi/linux/stat.h>
#include <abi/linux/termios.h>
#include <base/assert.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/process.h>
#include <posix/server/socket/call.h>
#include <posix/server/socket/inet.h>
#include <posix/server/vfs/inode.h>

struct inet_socket *inet_of_file(const struct file *file)
{
	return file->ops == &inet_file_ops ? file->data : NULL;
}

uint64_t inet_held_bytes(const struct inet_socket *socket)
{
	return inet_is_stream(socket) ? socket->bytes.n_bytes : socket->n_charged;
}

void inet_memory_update(struct inet_socket *socket)
{
	bool is_child = socket->file == NULL && socket->listener != NULL;

	socket_memory_set(&socket->memory,
		inet_is_stream(socket)
			? socket->bytes.n_bytes + (is_child ? SOCKET_MEMORY_CHILD : 0)
			: socket->n_charged);
}

struct inet_socket *inet_create(
	uint16_t family, uint16_t protocol, uint32_t uid, uint32_t payer_uid)
{
	struct inet_socket *socket = helix_malloc(sizeof(*socket));
	bool is_stream = protocol == LINUX_IPPROTO_TCP;

	if (socket == NULL) {
		return NULL;
	}
	*socket = (struct inet_socket){
		.references = 1,
		.family = family,
		.protocol = protocol,
		.type = is_stream ? LINUX_SOCK_STREAM : LINUX_SOCK_DGRAM,
		.uid = uid,
		.local = inet_any(family),
		.remote = inet_any(family),
		.send_max = is_stream ? INET_SEND_USUAL : INET_DGRAM_USUAL,
		.receive_max = is_stream ? INET_RECEIVE_USUAL : INET_DGRAM_USUAL,
		.send_timeout_ns = HEL_DEADLINE_NEVER,
		.receive_timeout_ns = HEL_DEADLINE_NEVER,
	};
	if (socket_memory_init(&socket->memory, payer_uid) < 0) {
		helix_free(socket);
		return NULL;
	}
	byte_queue_init(&socket->bytes);
	list_init(&socket->datagrams);
	list_init(&socket->errors);
	list_init(&socket->children);
	list_init(&socket->callers);
	list_node_init(&socket->child_node);
	list_node_init(&socket->port_node);
	wait_queue_init(&socket->changed);
	inet_options_init(socket);
	inet_list_add(socket);
	return socket;
}

void inet_unref(struct inet_socket *socket)
{
	if (socket == NULL) {
		return;
	}
	ASSERT(socket->references > 0);
	if (--socket->references == 0) {
		ASSERT(socket->state == INET_DEAD);
		helix_free(socket);
	}
}

/* socket(): what may be asked for. */
static int64_t check_protocol(const struct request *request, uint32_t type)
{
	uint32_t protocol = (uint32_t)request->args[2];
	bool is_v4 = (uint32_t)request->args[0] == LINUX_AF_INET;
	uint32_t echo = is_v4 ? LINUX_IPPROTO_ICMP : LINUX_IPPROTO_ICMPV6;

	if (protocol > 262) {
		return -LINUX_EINVAL;
	}
	switch (type) {
	case LINUX_SOCK_STREAM:
		return protocol == 0 || protocol == LINUX_IPPROTO_TCP ? 0 : -LINUX_EPROTONOSUPPORT;
	case LINUX_SOCK_DGRAM:
		if (protocol == echo) {
			return -LINUX_EACCES; /* net.ipv4.ping_group_range is empty */
		}
		return protocol == 0 || protocol == LINUX_IPPROTO_UDP ||
				protocol == LINUX_IPPROTO_UDPLITE
			? 0
			: -LINUX_EPROTONOSUPPORT;
	case LINUX_SOCK_RAW:
		return protocol != 0 &&
				!credentials_has(&request->process->credentials, LINUX_CAP_NET_RAW)
			? -LINUX_EPERM
			: -LINUX_EPROTONOSUPPORT;
	default: return -LINUX_ESOCKTNOSUPPORT;
	}
}

int64_t inet_call_socket(struct request *request)
{
	uint32_t type = (uint32_t)request->args[1] & LINUX_SOCK_TYPE_MASK;
	uint32_t flags = (uint32_t)request->args[1] & ~(uint32_t)LINUX_SOCK_TYPE_MASK;

	if (flags & ~(LINUX_SOCK_NONBLOCK | LINUX_SOCK_CLOEXEC)) {
		return -LINUX_EINVAL;
	}
	int64_t error = check_protocol(request, type);

	if (error < 0) {
		return error;
	}
	const struct credentials *own = &request->process->credentials;
	uint16_t protocol = (uint16_t)request->args[2];

	if (protocol == 0) {
		protocol = type == LINUX_SOCK_STREAM ? LINUX_IPPROTO_TCP : LINUX_IPPROTO_UDP;
	}
	struct inet_socket *socket =
		inet_create((uint16_t)request->args[0], protocol, own->fsuid, own->uid);

	return socket == NULL ? -LINUX_ENOMEM : inet_install(request, socket, flags);
}

int64_t inet_install(struct request *request, struct inet_socket *socket, uint32_t flags)
{
	const struct credentials *own = &request->process->credentials;
	struct inode *inode = anonymous_inode_create(LINUX_S_IFSOCK | 0777, NULL);
	struct file *file;
	int64_t error = -LINUX_ENOMEM;

	if (inode != NULL) {
		inode->uid = own->fsuid;
		inode->gid = own->fsgid;
		error = file_create(request->process, &inet_file_ops, inode,
			LINUX_O_RDWR | (flags & LINUX_SOCK_NONBLOCK), &file);
		inode_unref(inode);
	}
	if (error < 0) {
		inet_die(socket);
		inet_unref(socket);
		return error;
	}
	file->data = socket;
	socket->file = file;
	return file_install(request, file, (flags & LINUX_SOCK_CLOEXEC) != 0);
}

int64_t inet_take_error(struct inet_socket *socket)
{
	int64_t error = -(int64_t)socket->error;

	socket->error = 0;
	return error;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void drop_datagrams(struct inet_socket *socket)
{
	struct inet_datagram *datagram;

	while ((datagram = LIST_POP_FRONT(&socket->datagrams, struct inet_datagram, node)) !=
		NULL) {
		byte_queue_drop(&socket->bytes, datagram->size);
		socket->n_charged -= datagram->size + INET_DGRAM_CHARGE;
		helix_free(datagram);
	}
}

void inet_reset(struct inet_socket *socket, int32_t error)
{
	/* who has had the other's end in order only learns that nobody reads */
	socket->error = socket->has_fin && error == LINUX_ECONNRESET ? LINUX_EPIPE : error;
	socket->state = INET_ENDED;
	socket->is_read_shut = true;
	socket->is_write_shut = true;
	wait_queue_wake(&socket->changed);
}

/* Nobody will accept those that wait. */
static void drop_children(struct inet_socket *socket)
{
	struct inet_socket *child;

	while ((child = LIST_POP_FRONT(&socket->children, struct inet_socket, child_node)) !=
		NULL) {
		socket->n_children--;
		child->listener = NULL;
		inet_disconnect(child);
		inet_die(child);
		inet_unref(child);
	}
	while ((child = LIST_POP_FRONT(&socket->callers, struct inet_socket, child_node)) != NULL) {
		child->listener = NULL;
		child->state = INET_REFUSED;
		child->error = LINUX_ECONNREFUSED;
		child->is_read_shut = true;
		child->is_write_shut = true;
		wait_queue_wake(&child->changed);
	}
}

void inet_disconnect(struct inet_socket *socket)
{
	struct inet_socket *peer = socket->peer;

	if (socket->state == INET_LISTENING) {
		drop_children(socket);
	}
	list_remove(&socket->child_node);
	socket->listener = NULL;
	socket->peer = NULL;
	socket->state = INET_NEW;
	socket->is_unreported = false;
	socket->is_read_shut = false;
	socket->is_write_shut = false;
	socket->is_first_to_close = false;
	socket->has_fin = false;
	socket->remote = inet_any(socket->family);
	if (inet_is_stream(socket)) {
		byte_queue_drop(&socket->bytes, socket->bytes.n_bytes);
		socket->urgent = INET_URGENT_NONE;
		socket->n_sent = 0;
		socket->n_received = 0;
		inet_memory_update(socket);
	}
	if (peer != NULL) {
		if (peer->state == INET_CONNECTED) {
			inet_reset(peer, LINUX_ECONNRESET);
		}
		inet_unref(peer);
	}
	wait_queue_wake(&socket->changed);
}

/* close() of a stream that has a peer: an end in order, or a reset if something was not read. */
static void end_connection(struct inet_socket *socket)
{
	struct inet_socket *peer = socket->peer;

	if (socket->state != INET_CONNECTED || peer->state != INET_CONNECTED) {
		return;
	}
	if (socket->bytes.n_bytes > 0 || (socket->lingers && socket->linger_seconds == 0)) {
		inet_reset(peer, LINUX_ECONNRESET);
		socket->is_first_to_close = false;
		return;
	}
	if (!socket->is_write_shut) {
		socket->is_first_to_close = !socket->has_fin;
		peer->has_fin = true;
		peer->is_read_shut = true;
	}
	if (peer->is_write_shut) {
		peer->state = INET_ENDED;
	}
}

void inet_die(struct inet_socket *socket)
{
	struct inet_socket *peer = socket->peer;

	if (socket->state == INET_LISTENING) {
		drop_children(socket);
	}
	list_remove(&socket->child_node);
	if (peer != NULL) {
		end_connection(socket);
	}
	inet_release_port(socket);
	inet_list_remove(socket);
	drop_datagrams(socket);
	inet_error_drop_all(socket);
	byte_queue_deinit(&socket->bytes);
	socket_memory_deinit(&socket->memory);
	socket->state = INET_DEAD;
	socket->file = NULL;
	socket->peer = NULL;
	wait_queue_wake(&socket->changed);
	if (peer != NULL) {
		wait_queue_wake(&peer->changed);
		inet_unref(peer);
	}
}

static void inet_release(struct file *file)
{
	struct inet_socket *socket = file->data;

	inet_die(socket);
	inet_unref(socket);
}

/* ---- as a file ------------------------------------------------------------------------------- */

static uint32_t poll_listener(const struct inet_socket *socket)
{
	return socket->n_children > 0 ? LINUX_POLLIN | LINUX_POLLRDNORM : 0;
}

static uint32_t inet_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct inet_socket *socket = file->data;
	bool is_stream = inet_is_stream(socket);
	uint32_t events = 0;

	if (queue_of != NULL) {
		queue_of(context, &socket->changed);
	}
	if (socket->state == INET_LISTENING) {
		return poll_listener(socket);
	}
	if ((socket->is_read_shut && socket->is_write_shut) ||
		(is_stream && socket->state == INET_NEW) || socket->state == INET_ENDED) {
		events |= LINUX_POLLHUP;
	}
	if (socket->is_read_shut) {
		events |= LINUX_POLLIN | LINUX_POLLRDNORM | LINUX_POLLRDHUP;
	}
	if (is_stream ? inet_urgent_is_readable(socket) : !list_is_empty(&socket->datagrams)) {
		events |= LINUX_POLLIN | LINUX_POLLRDNORM;
	}
	if (socket->urgent == INET_URGENT_THERE) {
		events |= LINUX_POLLPRI;
	}
	if (socket->state != INET_CONNECTING && (!is_stream || inet_has_room(socket))) {
		events |= LINUX_POLLOUT | LINUX_POLLWRNORM;
		events |= is_stream ? 0 : LINUX_POLLWRBAND;
	}
	if (socket->error != 0 || !list_is_empty(&socket->errors)) {
		events |= LINUX_POLLERR;
	}
	return events;
}

static int64_t inet_ioctl(struct file *file, struct request *request, uint32_t command,
	UNUSED uint64_t value, void *buffer, size_t size)
{
	const struct inet_socket *socket = file->data;
	const struct inet_datagram *first =
		LIST_FIRST(&socket->datagrams, struct inet_datagram, node);
	int32_t n_bytes;

	if (size != sizeof(n_bytes)) {
		return socket_interface_ioctl(request, command, buffer, size);
	}
	bool is_stream = inet_is_stream(socket);

	if (is_stream && socket->state == INET_LISTENING && command != LINUX_SIOCATMARK) {
		return -LINUX_EINVAL;
	}
	switch (command) {
	case LINUX_FIONREAD:
		n_bytes = (int32_t)(is_stream   ? inet_urgent_readable(socket)
				: first == NULL ? 0
						: first->size);
		break;
	case LINUX_SIOCATMARK:
		if (!is_stream) {
			return -LINUX_ENOTTY;
		}
		n_bytes = inet_is_at_mark(socket);
		break;
	case LINUX_SIOCOUTQ: n_bytes = 0; break; /* what is sent is there at once */
	default: return -LINUX_ENOTTY;
	}
	memcpy(buffer, &n_bytes, sizeof(n_bytes));
	return 0;
}

const struct file_ops inet_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "socket",
	.read = inet_read,
	.read_bulk = inet_read_bulk,
	.write = inet_write,
	.poll = inet_poll,
	.ioctl = inet_ioctl,
	.release = inet_release,
};
