/* SPDX-License-Identifier: MIT */
/* AF_UNIX: socket, socketpair, bind, listen, accept, connect, shutdown, and who one's peer is. */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/socket/call.h>
#include <posix/server/socket/transfer.h>

/* Checks what socket() and socketpair() are asked for. */
static int64_t socket_check(const struct request *request, uint32_t *out_type, uint32_t *out_flags)
{
	uint32_t type = (uint32_t)request->args[1] & LINUX_SOCK_TYPE_MASK;
	uint32_t flags = (uint32_t)request->args[1] & ~(uint32_t)LINUX_SOCK_TYPE_MASK;
	int32_t protocol = (int32_t)request->args[2];

	if (flags & ~(LINUX_SOCK_NONBLOCK | LINUX_SOCK_CLOEXEC)) {
		return -LINUX_EINVAL;
	}
	if (protocol != 0 && protocol != LINUX_AF_UNIX) {
		return -LINUX_EPROTONOSUPPORT;
	}
	if (type == LINUX_SOCK_RAW) {
		type = LINUX_SOCK_DGRAM; /* as Linux has it since ever */
	}
	if (type != LINUX_SOCK_STREAM && type != LINUX_SOCK_DGRAM && type != LINUX_SOCK_SEQPACKET) {
		return -LINUX_ESOCKTNOSUPPORT;
	}
	*out_type = type;
	*out_flags = flags;
	return 0;
}

static int64_t socket_install(struct request *request, struct unix_socket *socket, uint32_t flags)
{
	struct file *file;
	int64_t error =
		unix_create_file(socket, request->process, flags & LINUX_SOCK_NONBLOCK, &file);

	return error < 0 ? error : file_install(request, file, (flags & LINUX_SOCK_CLOEXEC) != 0);
}

int64_t unix_call_socket(struct request *request)
{
	uint32_t type, flags;
	int64_t error = socket_check(request, &type, &flags);
	struct unix_socket *socket = error < 0 ? NULL : unix_create(type, request->process);

	if (error < 0) {
		return error;
	}
	return socket == NULL ? -LINUX_ENOMEM : socket_install(request, socket, flags);
}

int64_t unix_call_socketpair(struct request *request)
{
	int32_t fds[2];
	uint32_t type, flags;
	int64_t error = socket_check(request, &type, &flags);

	if (error < 0) {
		return error;
	}
	void *out = request_out(request, 3, NULL);

	if (out == NULL) {
		return -LINUX_EFAULT;
	}
	struct unix_socket *a = unix_create(type, request->process);
	struct unix_socket *b = unix_create(type, request->process);

	if (a == NULL || b == NULL) {
		for (unsigned i = 0; i < 2; i++) {
			struct unix_socket *half = i == 0 ? a : b;

			if (half != NULL) {
				unix_die(half);
				unix_unref(half);
			}
		}
		return -LINUX_ENOMEM;
	}
	unix_connect_pair(a, b);
	int64_t first = socket_install(request, a, flags);
	int64_t second = socket_install(request, b, flags);

	if (first < 0 || second < 0) {
		struct process *process = request->process;

		if (first >= 0) {
			fd_table_close(process->files, (int)first, process);
		}
		if (second >= 0) {
			fd_table_close(process->files, (int)second, process);
		}
		return first < 0 ? first : second;
	}
	fds[0] = (int32_t)first;
	fds[1] = (int32_t)second;
	memcpy(out, fds, sizeof(fds));
	return 0;
}

static int64_t unix_call_bind(
	struct request *request, struct file *file, const void *address, size_t size)
{
	return unix_bind(request, file->data, address, size);
}

static int64_t unix_call_listen(struct request *request, struct file *file, uint32_t backlog)
{
	struct unix_socket *socket = file->data;

	if (unix_is_dgram(socket)) {
		return -LINUX_EOPNOTSUPP;
	}
	if (socket->name == NULL || socket->state == UNIX_CONNECTED) {
		return -LINUX_EINVAL;
	}
	const struct credentials *own = &request->process->credentials;

	socket->own = (struct linux_ucred){ request->process->pid, own->euid, own->egid };
	socket->state = UNIX_LISTENING;
	socket->backlog = (uint32_t)min_u64(backlog, LINUX_SOMAXCONN);
	unix_wake(socket);
	return 0;
}

/* ---- connect --------------------------------------------------------------------------------- */

static int64_t connect_stream(
	struct request *request, struct file *file, struct unix_socket *listener)
{
	struct unix_socket *socket = file->data;

	if (listener->state != UNIX_LISTENING || listener->is_read_shut) {
		return -LINUX_ECONNREFUSED;
	}
	if (listener->n_children > listener->backlog ||
		(listener->n_children > 0 &&
			socket_memory_room(&socket->memory, false) < SOCKET_MEMORY_CHILD)) {
		return socket_wait(file, request, &listener->room, 0, socket->send_timeout_ns);
	}
	if (socket->state != UNIX_NEW) {
		return socket->state == UNIX_CONNECTED ? -LINUX_EISCONN : -LINUX_EINVAL;
	}
	struct unix_socket *child = unix_create(socket->type, request->process);

	if (child == NULL) {
		return -LINUX_ENOMEM;
	}
	const struct credentials *own = &request->process->credentials;

	child->own = listener->own;
	child->passes_credentials = listener->passes_credentials;
	child->name = listener->name;
	child->name->references++;
	child->listener = listener;
	unix_memory_update(child);
	socket->own = (struct linux_ucred){ request->process->pid, own->euid, own->egid };
	unix_connect_pair(socket, child);
	list_push_back(&listener->children, &child->child_node);
	listener->n_children++;
	wait_queue_wake(&listener->changed);
	return 0;
}

/* The peer of a datagram socket is only where it sends to, and from whom it takes. */
static int64_t connect_dgram(struct unix_socket *socket, struct unix_socket *to)
{
	struct unix_socket *before = socket->peer;

	if (to != NULL && to->peer != NULL && to->peer != socket) {
		return -LINUX_EPERM;
	}
	list_remove(&socket->sender_node);
	if (to != NULL) {
		unix_ref(to);
		list_push_back(&to->senders, &socket->sender_node);
	}
	socket->peer = to;
	socket->state = to == NULL ? UNIX_NEW : UNIX_CONNECTED;
	if (before != NULL && before != to) {
		unix_drop_messages(socket);
	}
	unix_wake(socket);
	unix_unref(before);
	return 0;
}

static int64_t unix_call_connect(
	struct request *request, struct file *file, const void *address, size_t size)
{
	struct unix_socket *socket = file->data;
	struct unix_socket *to = NULL;
	uint16_t family = LINUX_AF_UNIX;
	int64_t error = 0;

	if (size >= sizeof(family)) {
		memcpy(&family, address, sizeof(family));
	}
	if (unix_is_dgram(socket) && family == LINUX_AF_UNSPEC) {
		return connect_dgram(socket, NULL);
	}
	if (socket->passes_credentials && socket->name == NULL) {
		error = unix_bind_auto(socket);
	}
	if (error == 0) {
		error = unix_find(request, address, size, socket->type, &to);
	}
	if (error < 0) {
		return error;
	}
	error = unix_is_dgram(socket) ? connect_dgram(socket, to)
				      : connect_stream(request, file, to);
	unix_unref(to);
	return error;
}

/* ---- accept ---------------------------------------------------------------------------------- */

static void write_name(struct posix_socket_address *out, const struct unix_name *name)
{
	struct linux_sockaddr_un text;

	if (out != NULL) {
		out->size = unix_print_name(name, &text);
		memcpy(out->bytes, &text, sizeof(text));
	}
}

static int64_t unix_call_accept(struct request *request, struct file *file, uint32_t flags)
{
	struct unix_socket *socket = file->data;

	if (unix_is_dgram(socket)) {
		return -LINUX_EOPNOTSUPP;
	}
	if (socket->state != UNIX_LISTENING || socket->is_read_shut) {
		return -LINUX_EINVAL;
	}
	struct unix_socket *child = LIST_FIRST(&socket->children, struct unix_socket, child_node);

	if (child == NULL) {
		return socket_wait(file, request, &socket->changed, 0, socket->receive_timeout_ns);
	}
	list_remove(&child->child_node);
	socket->n_children--;
	child->listener = NULL;
	unix_memory_update(child);
	socket_memory_move(&child->memory, socket->memory.account);
	wait_queue_wake(&socket->room);
	write_name(request_out(request, 1, NULL), child->peer == NULL ? NULL : child->peer->name);
	return socket_install(request, child, flags);
}

static int64_t unix_call_own_name(struct file *file, struct posix_socket_address *out_name)
{
	write_name(out_name, ((struct unix_socket *)file->data)->name);
	return 0;
}

static int64_t unix_call_peer_name(struct file *file, struct posix_socket_address *out_name)
{
	const struct unix_socket *socket = file->data;

	if (socket->peer == NULL) {
		return -LINUX_ENOTCONN;
	}
	write_name(out_name, socket->peer->name);
	return 0;
}

static int64_t unix_call_shutdown(struct file *file, enum linux_shutdown how)
{
	struct unix_socket *socket = file->data;
	struct unix_socket *peer = unix_is_dgram(socket) ? NULL : socket->peer;

	if (how != LINUX_SHUT_WR) {
		socket->is_read_shut = true;
	}
	if (how != LINUX_SHUT_RD) {
		socket->is_write_shut = true;
	}
	if (peer != NULL) {
		peer->is_write_shut |= how != LINUX_SHUT_WR;
		peer->is_read_shut |= how != LINUX_SHUT_RD;
	}
	unix_wake(socket);
	return 0;
}

const struct socket_ops unix_socket_ops = {
	.bind = unix_call_bind,
	.listen = unix_call_listen,
	.connect = unix_call_connect,
	.accept = unix_call_accept,
	.own_name = unix_call_own_name,
	.peer_name = unix_call_peer_name,
	.shutdown = unix_call_shutdown,
	.set_option = unix_set_option,
	.get_option = unix_get_option,
	.send = unix_call_send,
	.receive = unix_call_receive,
};
