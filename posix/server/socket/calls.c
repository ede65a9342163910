/* SPDX-License-Identifier: MIT */
/*
 * The handlers of socket calls: what each is given is decoded here, then its family does it.
 *
 * Without name and control data the shim sends the short forms, posix_sendto() and
 * posix_recvfrom(); everything else is POSIX_SOCKET_SEND and POSIX_SOCKET_RECEIVE.
 */
#include <abi/linux/errno.h>
#include <abi/linux/signal.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/process.h>
#include <posix/server/socket/call.h>
#include <posix/server/socket/inet.h>
#include <posix/server/socket/netlink.h>
#include <posix/server/socket/unix.h>

const struct socket_ops *socket_ops_of(const struct file *file)
{
	if (file->ops == &unix_file_ops) {
		return &unix_socket_ops;
	}
	if (file->ops == &inet_file_ops) {
		return &inet_socket_ops;
	}
	return file->ops == &netlink_file_ops ? &netlink_socket_ops : NULL;
}

bool socket_breaks_silently(const struct file *file)
{
	const struct unix_socket *unix_socket = unix_of_file(file);
	const struct inet_socket *inet_socket = inet_of_file(file);

	return (unix_socket != NULL && !unix_is_stream(unix_socket)) ||
		(inet_socket != NULL && !inet_is_stream(inet_socket));
}

uint64_t socket_held_bytes(const struct file *file)
{
	const struct unix_socket *unix_socket = unix_of_file(file);
	const struct inet_socket *inet_socket = inet_of_file(file);

	if (unix_socket != NULL) {
		return unix_socket->bytes.n_bytes +
			(uint64_t)unix_socket->n_messages * UNIX_MESSAGE_CHARGE;
	}
	if (inet_socket != NULL) {
		return inet_held_bytes(inet_socket);
	}
	return file->ops == &netlink_file_ops ? ((const struct netlink_socket *)file->data)->n_bytes
					      : 0;
}

void socket_signal_pipe(struct request *request, const struct file *file, uint32_t flags)
{
	if ((flags & LINUX_MSG_NOSIGNAL) || socket_breaks_silently(file)) {
		return;
	}
	signal_send_process(request->process,
		&(struct signal_info){
			.signal = LINUX_SIGPIPE,
			.code = LINUX_SI_USER,
			.pid = request->process->pid,
			.uid = request->process->credentials.uid,
		});
}

void socket_control_add(struct socket_control *control, uint32_t level, uint32_t type,
	const void *data, size_t size)
{
	constexpr size_t HEADER = sizeof(struct linux_cmsghdr);
	size_t room = control->size - control->used;

	if (room < HEADER) {
		control->flags |= LINUX_MSG_CTRUNC;
		return;
	}
	if (size > room - HEADER) {
		size = room - HEADER;
		control->flags |= LINUX_MSG_CTRUNC;
	}
	struct linux_cmsghdr header = {
		.size = HEADER + size,
		.level = (int32_t)level,
		.type = (int32_t)type,
	};

	memcpy(control->bytes + control->used, &header, sizeof(header));
	memcpy(control->bytes + control->used + HEADER, data, size);
	control->used =
		min_size(control->size, control->used + align_up(header.size, sizeof(uint64_t)));
}

/* The socket behind args[0], and its family; 0, -LINUX_EBADF, -LINUX_ENOTSOCK. */
static int64_t socket_of_call(
	struct request *request, struct file **out_file, const struct socket_ops **out_ops)
{
	struct file *file = file_of_call(request, request->args[0]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	*out_file = file;
	*out_ops = socket_ops_of(file);
	return *out_ops == NULL ? -LINUX_ENOTSOCK : 0;
}

/* ---- sockets and names ----------------------------------------------------------------------- */

int64_t posix_socket(struct request *request)
{
	switch ((uint32_t)request->args[0]) {
	case LINUX_AF_UNIX: return unix_call_socket(request);
	case LINUX_AF_INET:
	case LINUX_AF_INET6: return inet_call_socket(request);
	case LINUX_AF_NETLINK: return netlink_call_socket(request);
	default: return -LINUX_EAFNOSUPPORT;
	}
}

int64_t posix_socketpair(struct request *request)
{
	switch ((uint32_t)request->args[0]) {
	case LINUX_AF_UNIX: return unix_call_socketpair(request);
	case LINUX_AF_INET:
	case LINUX_AF_INET6:
	case LINUX_AF_NETLINK: return -LINUX_EOPNOTSUPP;
	default: return -LINUX_EAFNOSUPPORT;
	}
}

int64_t posix_bind(struct request *request)
{
	const struct socket_ops *ops;
	struct file *file;
	size_t size;
	const void *address = request_in(request, 1, &size);
	int64_t error = socket_of_call(request, &file, &ops);

	if (error < 0) {
		return error;
	}
	return address == NULL ? -LINUX_EFAULT : ops->bind(request, file, address, size);
}

int64_t posix_listen(struct request *request)
{
	const struct socket_ops *ops;
	struct file *file;
	int64_t error = socket_of_call(request, &file, &ops);

	return error < 0 ? error : ops->listen(request, file, (uint32_t)request->args[1]);
}

int64_t posix_connect(struct request *request)
{
	const struct socket_ops *ops;
	struct file *file;
	size_t size;
	const void *address = request_in(request, 1, &size);
	int64_t error = socket_of_call(request, &file, &ops);

	if (error < 0) {
		return error;
	}
	if (address == NULL) {
		return -LINUX_EFAULT;
	}
	return file_end_call(request, file, ops->connect(request, file, address, size));
}

int64_t posix_accept4(struct request *request)
{
	const struct socket_ops *ops;
	struct file *file;
	uint32_t flags = (uint32_t)request->args[3];
	int64_t error = socket_of_call(request, &file, &ops);

	if (error < 0) {
		return error;
	}
	if (flags & ~(LINUX_SOCK_NONBLOCK | LINUX_SOCK_CLOEXEC)) {
		return -LINUX_EINVAL;
	}
	/* before a connection is taken, which would be lost */
	if (!fd_table_has_room(
		    request->process->files, request->process->limits[LIMIT_NOFILE][0])) {
		return -LINUX_EMFILE;
	}
	return file_end_call(request, file, ops->accept(request, file, flags));
}

static int64_t answer_name(struct request *request, bool is_peer)
{
	const struct socket_ops *ops;
	struct file *file;
	struct posix_socket_address name = { 0 };
	void *out = request_out(request, 1, NULL);
	int64_t error = socket_of_call(request, &file, &ops);

	if (error == 0) {
		error = is_peer ? ops->peer_name(file, &name) : ops->own_name(file, &name);
	}
	if (error == 0 && out != NULL) {
		memcpy(out, &name, sizeof(name));
	}
	return error;
}

int64_t posix_getsockname(struct request *request)
{
	return answer_name(request, false);
}

int64_t posix_getpeername(struct request *request)
{
	return answer_name(request, true);
}

int64_t posix_shutdown(struct request *request)
{
	const struct socket_ops *ops;
	struct file *file;
	uint32_t how = (uint32_t)request->args[1];
	int64_t error = socket_of_call(request, &file, &ops);

	if (error < 0) {
		return error;
	}
	return how > LINUX_SHUT_RDWR ? -LINUX_EINVAL
				     : ops->shutdown(file, (enum linux_shutdown)how);
}

/* ---- options --------------------------------------------------------------------------------- */

/* Names may be shorter than a number. */
static bool is_text(const struct socket_option *option)
{
	return (option->level == LINUX_SOL_SOCKET && option->number == LINUX_SO_BINDTODEVICE) ||
		(option->level == LINUX_IPPROTO_TCP && option->number == LINUX_TCP_CONGESTION);
}

int64_t posix_setsockopt(struct request *request)
{
	const struct socket_ops *ops;
	struct file *file;
	struct socket_option option = {
		.level = (uint32_t)request->args[1],
		.number = (uint32_t)request->args[2],
	};
	/* nothing is written through it */
	option.value = (void *)request_in(request, 3, &option.size);
	int64_t error = socket_of_call(request, &file, &ops);

	if (error < 0) {
		return error;
	}
	int32_t size = (int32_t)request->args[4];

	if (size < 0 || (size < (int32_t)sizeof(int32_t) && !is_text(&option))) {
		return -LINUX_EINVAL;
	}
	if (option.value == NULL) {
		return -LINUX_EFAULT;
	}
	return ops->set_option(request, file, &option);
}

/* The result is the size of the value. */
int64_t posix_getsockopt(struct request *request)
{
	const struct socket_ops *ops;
	struct file *file;
	struct socket_option option = {
		.level = (uint32_t)request->args[1],
		.number = (uint32_t)request->args[2],
		.value = request_out(request, 3, NULL),
		.size = SOCKET_OPTION_MAX,
	};
	int64_t error = socket_of_call(request, &file, &ops);

	if (error < 0) {
		return error;
	}
	return option.value == NULL ? -LINUX_EFAULT : ops->get_option(file, &option);
}

/* ---- messages -------------------------------------------------------------------------------- */

int64_t posix_sendto(struct request *request)
{
	const struct socket_ops *ops;
	struct file *file;
	size_t size;
	struct socket_message message = {
		.bytes = request_in(request, 1, &size),
		.size = (size_t)request->args[2],
		.size_whole = request->args[2],
		.flags = (uint32_t)request->args[3],
	};
	int64_t error = socket_of_call(request, &file, &ops);

	if (error < 0) {
		return error;
	}
	return message.bytes == NULL && message.size > 0 ? -LINUX_EFAULT
							 : ops->send(request, file, &message);
}

/* args: fd, flags, sizes of data, name and control data, and of the whole message */
int64_t posix_socket_send(struct request *request)
{
	const struct socket_ops *ops;
	struct file *file;
	size_t size;
	const uint8_t *payload = request_in(request, 0, &size);
	uint64_t n_name = request->args[3], n_control = request->args[4];
	int64_t error = socket_of_call(request, &file, &ops);

	if (error < 0) {
		return error;
	}
	if (n_name > size || n_control > size || request->args[2] > size) {
		return -LINUX_EINVAL;
	}
	uint64_t before = align_up(n_name, 8) + align_up(n_control, 8);
	struct socket_message message = {
		.name = payload,
		.name_size = (size_t)n_name,
		.control = payload + align_up(n_name, 8),
		.control_size = (size_t)n_control,
		.bytes = payload + before,
		.size = (size_t)request->args[2],
		.size_whole = request->args[5],
		.flags = (uint32_t)request->args[1],
	};

	return before + message.size > size ? -LINUX_EINVAL : ops->send(request, file, &message);
}

int64_t posix_recvfrom(struct request *request)
{
	const struct socket_ops *ops;
	struct file *file;
	struct socket_receive receive = {
		.size = (size_t)request->args[2],
		.flags = (uint32_t)request->args[3],
	};
	int64_t error = socket_of_call(request, &file, &ops);

	if (error < 0) {
		return error;
	}
	return file_end_call(request, file, ops->receive(request, file, &receive));
}

/*
 * args: fd, flags, sizes of data, of all output, of control data, and of all the data that the
 * program has room for. A packet that has more than the one and fits better into the other is
 * -LINUX_EMSGSIZE and stays.
 */
int64_t posix_socket_receive(struct request *request)
{
	const struct socket_ops *ops;
	struct file *file;
	size_t out_size;
	size_t control_size = (size_t)align_up(min_u64(request->args[4], UINT16_MAX), 8);
	size_t size = (size_t)request->args[2];
	bool is_bulk = (request->flags & POSIX_REQUEST_BULK_OUT) != 0;
	int64_t error = socket_of_call(request, &file, &ops);

	if (error < 0) {
		return error;
	}
	struct posix_socket_received *out = request_out(request, 0, &out_size);

	if (out == NULL) {
		return -LINUX_ENOMEM;
	}
	if (size > POSIX_PAYLOAD_MAX ||
		sizeof(*out) + control_size + (is_bulk ? 0 : size) > out_size) {
		return -LINUX_EINVAL;
	}
	uint8_t *bytes = (uint8_t *)(out + 1);
	struct socket_receive receive = {
		.buffer = is_bulk ? NULL : bytes + control_size,
		.size = size,
		.size_all = (size_t)request->args[5],
		.flags = (uint32_t)request->args[1],
		.out = out,
		.control = { .bytes = bytes,
			.size = (size_t)min_u64(request->args[4], control_size) },
	};
	int64_t result = ops->receive(request, file, &receive);

	/* MSG_WAITALL may have received a part. */
	if (result == REQUEST_PARK && request->state[1] == 0) {
		request_forget_out(request);
	}
	return file_end_call(request, file, result);
}
