/* SPDX-License-Identifier: MIT */
/* AF_INET: bind, listen, accept, connect, shutdown, and names. See inet.h. */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/process.h>
#include <posix/server/socket/inet.h>

constexpr uint16_t PORT_FREE_FOR_ALL = 1024; /* net.ipv4.ip_unprivileged_port_start */

int64_t inet_bind(struct request *request, struct file *file, const void *name, size_t size)
{
	struct inet_socket *socket = file->data;
	struct inet_address address;
	int64_t error = inet_decode(socket, name, size, &address);

	if (error < 0) {
		return error;
	}
	if (socket->family == LINUX_AF_INET6 && socket->is_only_v6 && inet_is_v4(&address)) {
		return -LINUX_EINVAL;
	}
	if (!inet_is_any(&address) && !inet_is_local(&address)) {
		return -LINUX_EADDRNOTAVAIL;
	}
	if (address.port != 0 && address.port < PORT_FREE_FOR_ALL &&
		!credentials_has(&request->process->credentials, LINUX_CAP_NET_BIND_SERVICE)) {
		return -LINUX_EACCES;
	}
	if (socket->state != INET_NEW || socket->port != NULL) {
		return -LINUX_EINVAL;
	}
	if (address.port == 0 && socket->numbers[INET_BIND_NO_PORT]) {
		socket->local = address; /* connect() will choose the port */
	} else {
		error = inet_bind_to(socket, &address);
	}
	if (error == 0) {
		socket->has_own_ip = !inet_is_any(&address);
		socket->has_own_port = address.port != 0;
	}
	return error;
}

static int64_t bind_auto(struct inet_socket *socket)
{
	struct inet_address any = socket->local;

	any.port = 0;
	return socket->port != NULL ? 0 : inet_bind_to(socket, &any);
}

/* Gives back what bind() did not ask for: connect() chose it, or bind() did. */
static void unbind_auto(struct inet_socket *socket)
{
	uint16_t port = socket->local.port;

	if (!socket->has_own_ip) {
		socket->local = inet_any(socket->family);
		socket->local.port = port;
	}
	if (!socket->has_own_port) {
		inet_release_port(socket);
		socket->local.port = 0;
	}
}

int64_t inet_listen(UNUSED struct request *request, struct file *file, uint32_t backlog)
{
	struct inet_socket *socket = file->data;

	if (!inet_is_stream(socket)) {
		return -LINUX_EOPNOTSUPP;
	}
	if (socket->state != INET_NEW && socket->state != INET_LISTENING) {
		return -LINUX_EINVAL;
	}
	int64_t error = bind_auto(socket);

	if (error == 0 && socket->state == INET_NEW && !inet_can_listen(socket)) {
		error = -LINUX_EADDRINUSE;
	}
	if (error < 0) {
		return error;
	}
	socket->state = INET_LISTENING;
	socket->backlog = (uint32_t)min_u64(backlog, LINUX_SOMAXCONN);
	inet_admit(socket);
	wait_queue_wake(&socket->changed);
	return 0;
}

/* ---- connect --------------------------------------------------------------------------------- */

/* The backlog has room, and the caller pays. One child is always there, so somebody is woken. */
static bool has_room(const struct inet_socket *listener, const struct inet_socket *caller)
{
	return listener->n_children == 0 ||
		(listener->n_children <= listener->backlog &&
			socket_memory_room(&caller->memory, false) >= SOCKET_MEMORY_CHILD);
}

/* A child of @listener that is connected to @caller. */
static bool make_child(struct inet_socket *listener, struct inet_socket *caller)
{
	struct inet_socket *child = inet_create(
		listener->family, listener->protocol, listener->uid, caller->memory.account->uid);

	if (child == NULL) {
		return false;
	}
	child->local = caller->remote;
	child->remote = caller->local;
	child->is_only_v6 = listener->is_only_v6;
	child->lingers = listener->lingers;
	child->is_bound_to_lo = listener->is_bound_to_lo;
	child->is_reno = listener->is_reno;
	child->linger_seconds = listener->linger_seconds;
	child->send_max = listener->send_max;
	child->receive_max = listener->receive_max;
	memcpy(child->numbers, listener->numbers, sizeof(child->numbers));
	inet_adopt_port(child, listener);
	child->listener = listener;
	child->peer = caller;
	caller->peer = child;
	caller->references++;
	child->references++;
	child->state = INET_CONNECTED;
	caller->state = INET_CONNECTED;
	inet_memory_update(child);
	list_push_back(&listener->children, &child->child_node);
	listener->n_children++;
	wait_queue_wake(&listener->changed);
	wait_queue_wake(&caller->changed);
	return true;
}

static void refuse(struct inet_socket *socket, int32_t error)
{
	socket->listener = NULL;
	socket->state = INET_REFUSED;
	socket->error = error;
	socket->is_read_shut = true;
	socket->is_write_shut = true;
	wait_queue_wake(&socket->changed);
}

void inet_admit(struct inet_socket *listener)
{
	struct inet_socket *caller;

	while ((caller = LIST_FIRST(&listener->callers, struct inet_socket, child_node)) != NULL &&
		has_room(listener, caller)) {
		list_remove(&caller->child_node);
		caller->listener = NULL;
		if (make_child(listener, caller)) {
			/* a connect() that was interrupted is told when it is repeated */
			caller->is_unreported = true;
		} else {
			refuse(caller, LINUX_ENOMEM);
		}
	}
}

/* Takes back a connect() that has failed; the error has been told. */
static void forget_refusal(struct inet_socket *socket)
{
	socket->state = INET_NEW;
	socket->is_read_shut = false;
	socket->is_write_shut = false;
	socket->remote = inet_any(socket->family);
	unbind_auto(socket);
}

/* The first attempt of a stream: it is connected, refused, or waits for room. */
static int64_t call_listener(struct inet_socket *socket, const struct inet_address *to)
{
	struct inet_address target, from;
	int64_t error = inet_route(socket, to, &target, &from);

	if (error < 0) {
		return error;
	}
	error = bind_auto(socket);
	if (error < 0) {
		return error == -LINUX_EADDRINUSE ? -LINUX_EADDRNOTAVAIL : error;
	}
	from.port = socket->local.port;
	socket->local = from;
	socket->remote = target;
	socket->error = 0;
	struct inet_socket *listener = inet_find(socket->protocol, &target, &from);

	if (listener == NULL) {
		refuse(socket, LINUX_ECONNREFUSED);
	} else if (!has_room(listener, socket)) {
		socket->state = INET_CONNECTING;
		socket->listener = listener;
		list_push_back(&listener->callers, &socket->child_node);
	} else if (!make_child(listener, socket)) {
		refuse(socket, LINUX_ENOMEM);
	}
	return 0;
}

/* What connect() answers in the state that the socket is in. */
static int64_t connect_result(struct request *request, struct file *file)
{
	struct inet_socket *socket = file->data;
	int64_t result;

	switch (socket->state) {
	case INET_CONNECTED:
	case INET_ENDED: socket->is_unreported = false; return 0;
	case INET_REFUSED:
		result = inet_take_error(socket);
		forget_refusal(socket);
		return result == 0 ? -LINUX_ECONNABORTED : result;
	default: break;
	}
	result = socket_wait(file, request, &socket->changed, 0, socket->send_timeout_ns);
	if (result == REQUEST_PARK) {
		request->state[1] = 1;
	}
	return result == -LINUX_EAGAIN ? -LINUX_EINPROGRESS : result;
}

static int64_t connect_stream(
	struct request *request, struct file *file, const struct inet_address *to)
{
	struct inet_socket *socket = file->data;
	bool is_later =
		request->state[1] != 0 || socket->state == INET_REFUSED || socket->is_unreported;

	if (is_later) {
		return connect_result(request, file);
	}
	if (socket->state == INET_CONNECTING) {
		return file_must_not_wait(file, request) ? -LINUX_EALREADY
							 : connect_result(request, file);
	}
	if (socket->state != INET_NEW) {
		return -LINUX_EISCONN;
	}
	int64_t error = call_listener(socket, to);

	if (error < 0) {
		return error;
	}
	if (file->flags & LINUX_O_NONBLOCK) {
		socket->is_unreported = socket->state == INET_CONNECTED;
		return -LINUX_EINPROGRESS;
	}
	return connect_result(request, file);
}

static int64_t connect_dgram(struct inet_socket *socket, const struct inet_address *to)
{
	struct inet_address target, from;
	int64_t error = inet_route(socket, to, &target, &from);

	if (error == 0) {
		error = bind_auto(socket);
	}
	if (error < 0) {
		return error == -LINUX_EADDRINUSE ? -LINUX_EAGAIN : error;
	}
	from.port = socket->local.port;
	socket->local = from;
	socket->remote = target;
	socket->state = INET_CONNECTED;
	wait_queue_wake(&socket->changed);
	return 0;
}

int64_t inet_connect(struct request *request, struct file *file, const void *name, size_t size)
{
	struct inet_socket *socket = file->data;
	struct inet_address address;
	uint16_t family;

	if (size < sizeof(family)) {
		return -LINUX_EINVAL;
	}
	memcpy(&family, name, sizeof(family));
	if (family == LINUX_AF_UNSPEC) {
		inet_disconnect(socket);
		unbind_auto(socket);
		return 0;
	}
	int64_t error = inet_decode(socket, name, size, &address);

	if (error < 0) {
		return error;
	}
	return inet_is_stream(socket) ? connect_stream(request, file, &address)
				      : connect_dgram(socket, &address);
}

/* ---- accept ---------------------------------------------------------------------------------- */

int64_t inet_accept(struct request *request, struct file *file, uint32_t flags)
{
	struct inet_socket *socket = file->data;

	if (!inet_is_stream(socket)) {
		return -LINUX_EOPNOTSUPP;
	}
	if (socket->state != INET_LISTENING) {
		return -LINUX_EINVAL;
	}
	struct inet_socket *child = LIST_FIRST(&socket->children, struct inet_socket, child_node);

	if (child == NULL) {
		return socket_wait(file, request, &socket->changed, 0, socket->receive_timeout_ns);
	}
	void *out = request_out(request, 1, NULL);
	struct posix_socket_address name;

	list_remove(&child->child_node);
	socket->n_children--;
	child->listener = NULL;
	inet_memory_update(child);
	socket_memory_move(&child->memory, socket->memory.account);
	inet_admit(socket);
	inet_encode(child, &child->remote, &name);
	if (out != NULL) {
		memcpy(out, &name, sizeof(name));
	}
	/* there is more room than for a child that nobody has accepted */
	wait_queue_wake(&child->peer->changed);
	return inet_install(request, child, flags);
}

/* ---- names, shutdown ------------------------------------------------------------------------- */

int64_t inet_own_name(struct file *file, struct posix_socket_address *out_name)
{
	const struct inet_socket *socket = file->data;

	inet_encode(socket, &socket->local, out_name);
	return 0;
}

int64_t inet_peer_name(struct file *file, struct posix_socket_address *out_name)
{
	const struct inet_socket *socket = file->data;

	if (socket->state != INET_CONNECTED) {
		return -LINUX_ENOTCONN;
	}
	inet_encode(socket, &socket->remote, out_name);
	return 0;
}

/* An end in order goes to the peer. */
static void send_fin(struct inet_socket *socket)
{
	struct inet_socket *peer = socket->peer;

	socket->is_first_to_close = !socket->has_fin;
	socket->is_write_shut = true;
	peer->has_fin = true;
	peer->is_read_shut = true;
	if (socket->has_fin) {
		socket->state = INET_ENDED;
		peer->state = peer->state == INET_CONNECTED ? INET_ENDED : peer->state;
	}
	wait_queue_wake(&peer->changed);
}

int64_t inet_shutdown(struct file *file, enum linux_shutdown how)
{
	struct inet_socket *socket = file->data;

	if (socket->state == INET_LISTENING) {
		if (how != LINUX_SHUT_WR) {
			inet_disconnect(socket);
		}
		return 0;
	}
	if (socket->state == INET_CONNECTING && how != LINUX_SHUT_RD) {
		list_remove(&socket->child_node);
		refuse(socket, LINUX_ECONNRESET);
		return 0;
	}
	if (socket->state != INET_CONNECTED) {
		/* a datagram socket is told so, and shut all the same: who waits hears of it */
		if (!inet_is_stream(socket)) {
			socket->is_read_shut |= how != LINUX_SHUT_WR;
			socket->is_write_shut |= how != LINUX_SHUT_RD;
			wait_queue_wake(&socket->changed);
		}
		return -LINUX_ENOTCONN;
	}
	socket->is_read_shut |= how != LINUX_SHUT_WR;
	if (how != LINUX_SHUT_RD && !socket->is_write_shut) {
		if (inet_is_stream(socket)) {
			send_fin(socket);
		}
		socket->is_write_shut = true;
	}
	wait_queue_wake(&socket->changed);
	return 0;
}

const struct socket_ops inet_socket_ops = {
	.bind = inet_bind,
	.listen = inet_listen,
	.connect = inet_connect,
	.accept = inet_accept,
	.own_name = inet_own_name,
	.peer_name = inet_peer_name,
	.shutdown = inet_shutdown,
	.set_option = inet_set_option,
	.get_option = inet_get_option,
	.send = inet_send,
	.receive = inet_receive,
};
