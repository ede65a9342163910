/* SPDX-License-Identifier: MIT */
/* socket, socketpair, bind, listen, accept, connect, shutdown, and who one's peer is. */
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
	if ((uint32_t)request->args[0] != LINUX_AF_UNIX) {
		return -LINUX_EAFNOSUPPORT;
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

int64_t posix_socket(struct request *request)
{
	uint32_t type, flags;
	int64_t error = socket_check(request, &type, &flags);
	struct unix_socket *socket = error < 0 ? NULL : unix_create(type, request->process);

	if (error < 0) {
		return error;
	}
	return socket == NULL ? -LINUX_ENOMEM : socket_install(request, socket, flags);
}

int64_t posix_socketpair(struct request *request)
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

int64_t socket_of_call(struct request *request, struct file **out_file)
{
	struct file *file = file_of_call(request, request->args[0]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	*out_file = file;
	return unix_of_file(file) == NULL ? -LINUX_ENOTSOCK : 0;
}

int64_t posix_bind(struct request *request)
{
	struct file *file;
	size_t size;
	const void *address = request_in(request, 1, &size);
	int64_t error = socket_of_call(request, &file);

	if (error < 0) {
		return error;
	}
	return address == NULL ? -LINUX_EFAULT : unix_bind(request, file->data, address, size);
}

int64_t posix_listen(struct request *request)
{
	struct file *file;
	uint32_t backlog = (uint32_t)request->args[1];
	int64_t error = socket_of_call(request, &file);

	if (error < 0) {
		return error;
	}
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
	if (listener->n_children > listener->backlog) {
		return unix_wait(file, request, &listener->room, 0, socket->send_timeout_ns);
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

int64_t posix_connect(struct request *request)
{
	struct unix_socket *to = NULL;
	struct file *file;
	size_t size;
	const void *address = request_in(request, 1, &size);
	uint16_t family = LINUX_AF_UNIX;
	int64_t error = socket_of_call(request, &file);

	if (error < 0) {
		return error;
	}
	struct unix_socket *socket = file->data;

	if (address == NULL) {
		return -LINUX_EFAULT;
	}
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
	return file_end_call(request, file, error);
}

/* ---- accept ---------------------------------------------------------------------------------- */

static void write_address(void *out, const struct unix_name *name)
{
	struct posix_socket_address address = { 0 };
	struct linux_sockaddr_un text;

	if (out != NULL) {
		address.size = unix_print_name(name, &text);
		memcpy(address.bytes, &text, sizeof(text));
		memcpy(out, &address, sizeof(address));
	}
}

int64_t posix_accept4(struct request *request)
{
	struct file *file;
	uint32_t flags = (uint32_t)request->args[3];
	int64_t error = socket_of_call(request, &file);

	if (error < 0) {
		return error;
	}
	struct unix_socket *socket = file->data;

	if (flags & ~(LINUX_SOCK_NONBLOCK | LINUX_SOCK_CLOEXEC)) {
		return -LINUX_EINVAL;
	}
	/* before a connection is taken, which would be lost */
	if (!fd_table_has_room(
		    request->process->files, request->process->limits[LIMIT_NOFILE][0])) {
		return -LINUX_EMFILE;
	}
	if (unix_is_dgram(socket)) {
		return -LINUX_EOPNOTSUPP;
	}
	if (socket->state != UNIX_LISTENING || socket->is_read_shut) {
		return -LINUX_EINVAL;
	}
	struct unix_socket *child = LIST_FIRST(&socket->children, struct unix_socket, child_node);

	if (child == NULL) {
		return file_end_call(request, file,
			unix_wait(file, request, &socket->changed, 0, socket->receive_timeout_ns));
	}
	list_remove(&child->child_node);
	socket->n_children--;
	child->listener = NULL;
	wait_queue_wake(&socket->room);
	write_address(
		request_out(request, 1, NULL), child->peer == NULL ? NULL : child->peer->name);
	return socket_install(request, child, flags);
}

int64_t posix_getsockname(struct request *request)
{
	struct file *file;
	int64_t error = socket_of_call(request, &file);

	if (error < 0) {
		return error;
	}
	write_address(request_out(request, 1, NULL), ((struct unix_socket *)file->data)->name);
	return 0;
}

int64_t posix_getpeername(struct request *request)
{
	struct file *file;
	int64_t error = socket_of_call(request, &file);

	if (error < 0) {
		return error;
	}
	const struct unix_socket *socket = file->data;

	if (socket->peer == NULL) {
		return -LINUX_ENOTCONN;
	}
	write_address(request_out(request, 1, NULL), socket->peer->name);
	return 0;
}

int64_t posix_shutdown(struct request *request)
{
	struct file *file;
	uint32_t how = (uint32_t)request->args[1];
	int64_t error = socket_of_call(request, &file);

	if (error < 0) {
		return error;
	}
	if (how > LINUX_SHUT_RDWR) {
		return -LINUX_EINVAL;
	}
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
