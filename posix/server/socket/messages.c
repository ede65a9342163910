/* SPDX-License-Identifier: MIT */
/*
 * sendto, sendmsg, recvfrom, recvmsg: decoding what goes beside the bytes, and encoding it again.
 *
 * Without name and control data the shim sends the short forms, posix_sendto() and
 * posix_recvfrom(); everything else is POSIX_SOCKET_SEND and POSIX_SOCKET_RECEIVE.
 */
#include <abi/linux/errno.h>
#include <abi/linux/signal.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/socket/call.h>
#include <posix/server/socket/transfer.h>

constexpr size_t CONTROL_HEADER = sizeof(struct linux_cmsghdr);

/* ---- sending --------------------------------------------------------------------------------- */

static int64_t decode_credentials(
	const struct process *process, const uint8_t *data, size_t size, struct unix_send *send)
{
	const struct credentials *own = &process->credentials;
	struct linux_ucred claimed;

	if (size != sizeof(claimed)) {
		return -LINUX_EINVAL;
	}
	memcpy(&claimed, data, sizeof(claimed));
	bool is_own_uid =
		claimed.uid == own->uid || claimed.uid == own->euid || claimed.uid == own->suid;
	bool is_own_gid =
		claimed.gid == own->gid || claimed.gid == own->egid || claimed.gid == own->sgid;

	if ((claimed.pid != process->pid && !credentials_has(own, LINUX_CAP_SYS_ADMIN)) ||
		(!is_own_uid && !credentials_has(own, LINUX_CAP_SETUID)) ||
		(!is_own_gid && !credentials_has(own, LINUX_CAP_SETGID))) {
		return -LINUX_EPERM;
	}
	if (claimed.pid != process->pid && process_find(claimed.pid) == NULL) {
		return -LINUX_ESRCH;
	}
	send->credentials = claimed;
	send->has_credentials = true;
	return 0;
}

static int64_t decode_rights(
	struct process *process, const uint8_t *data, size_t size, struct unix_send *send)
{
	int32_t fds[LINUX_SCM_MAX_FD];
	size_t n_fds = size / sizeof(fds[0]);

	if (n_fds > LINUX_SCM_MAX_FD || send->rights != NULL) {
		return -LINUX_EINVAL;
	}
	memcpy(fds, data, n_fds * sizeof(fds[0]));
	return unix_rights_create(process, fds, (uint32_t)n_fds, &send->rights);
}

static int64_t decode_control(
	struct process *process, const uint8_t *control, size_t size, struct unix_send *send)
{
	size_t offset = 0;
	int64_t error = 0;

	while (error == 0 && offset <= size && size - offset >= CONTROL_HEADER) {
		struct linux_cmsghdr header;

		memcpy(&header, control + offset, sizeof(header));
		if (header.size < CONTROL_HEADER || header.size > size - offset) {
			return -LINUX_EINVAL;
		}
		const uint8_t *data = control + offset + CONTROL_HEADER;
		size_t data_size = (size_t)header.size - CONTROL_HEADER;

		if (header.level == LINUX_SOL_SOCKET && header.type == LINUX_SCM_RIGHTS) {
			error = decode_rights(process, data, data_size, send);
		} else if (header.level == LINUX_SOL_SOCKET &&
			header.type == LINUX_SCM_CREDENTIALS) {
			error = decode_credentials(process, data, data_size, send);
		} else if (header.level == LINUX_SOL_SOCKET) {
			error = -LINUX_EINVAL;
		}
		offset += align_up(header.size, sizeof(uint64_t));
	}
	return error;
}

/*
 * A parked send keeps what it was given: the file in state[0], rights in [2], the receiver in [3],
 * credentials in [4] and [5].
 */
static void send_keep(struct request *request, const struct unix_send *send)
{
	const struct linux_ucred *credentials = &send->credentials;

	request->state[4] = credentials->pid | (uint64_t)credentials->uid << 32;
	request->state[5] = credentials->gid | (uint64_t)send->has_credentials << 32;
}

static void send_restore(const struct request *request, struct unix_send *send)
{
	send->credentials = (struct linux_ucred){
		.pid = (uint32_t)request->state[4],
		.uid = (uint32_t)(request->state[4] >> 32),
		.gid = (uint32_t)request->state[5],
	};
	send->has_credentials = request->state[5] >> 32 != 0;
}

static void send_release(struct request *request)
{
	struct unix_rights *rights = (struct unix_rights *)request->state[2];

	if (rights != NULL) {
		unix_rights_drop(rights);
	}
	unix_unref((struct unix_socket *)request->state[3]);
	file_unref((struct file *)request->state[0]);
}

static void send_signal(struct request *request, const struct file *file, uint32_t flags)
{
	if ((flags & LINUX_MSG_NOSIGNAL) || unix_breaks_silently(file)) {
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

static int64_t send_attempt(struct request *request, struct file *file, struct unix_send *send)
{
	struct unix_socket *named = send->to;
	int64_t result = unix_send(file, request, send);

	if (result == REQUEST_PARK) {
		if (request->state[0] == 0) {
			file_ref(file);
			request->state[0] = (uintptr_t)file;
			request->state[3] = (uintptr_t)named;
			request->release = send_release;
		}
		request->state[2] = (uintptr_t)send->rights;
		send_keep(request, send);
		return result;
	}
	if (request->state[0] == 0) {
		unix_unref(named);
		if (send->rights != NULL) {
			unix_rights_drop(send->rights);
		}
	} else {
		request->state[2] = (uintptr_t)send->rights;
	}
	if (result == -LINUX_EPIPE) {
		send_signal(request, file, send->flags);
	}
	return result;
}

int64_t posix_sendto(struct request *request)
{
	struct file *file;
	size_t size;
	struct unix_send send = {
		.bytes = request_in(request, 1, &size),
		.size = (size_t)request->args[2],
		.flags = (uint32_t)request->args[3],
	};
	int64_t error = socket_of_call(request, &file);

	if (error < 0) {
		return error;
	}
	return send.bytes == NULL && send.size > 0 ? -LINUX_EFAULT
						   : send_attempt(request, file, &send);
}

/* The first attempt: name and control data. */
static int64_t send_decode(struct request *request, struct unix_socket *socket,
	const uint8_t *payload, size_t name_size, size_t control_size, struct unix_send *send)
{
	int64_t error = decode_control(request->process,
		payload + align_up(name_size, sizeof(uint64_t)), control_size, send);

	if (error == 0 && name_size > 0 && unix_is_stream(socket)) {
		error = socket->peer != NULL ? -LINUX_EISCONN : -LINUX_EOPNOTSUPP;
	}
	if (error == 0 && name_size > 0 && unix_is_dgram(socket)) {
		error = unix_find(request, payload, name_size, socket->type, &send->to);
	}
	if (error == 0 && socket->passes_credentials && socket->name == NULL) {
		error = unix_bind_auto(socket);
	}
	if (error < 0) {
		unix_unref(send->to);
		if (send->rights != NULL) {
			unix_rights_drop(send->rights);
		}
	}
	return error;
}

/* args: fd, flags, sizes of data, name and control data, and of the whole message */
int64_t posix_socket_send(struct request *request)
{
	struct file *file;
	size_t size;
	const uint8_t *payload = request_in(request, 0, &size);
	uint64_t n_name = request->args[3], n_control = request->args[4];
	int64_t error = socket_of_call(request, &file);

	if (error < 0) {
		return error;
	}
	if (n_name > size || n_control > size || request->args[2] > size) {
		return -LINUX_EINVAL;
	}
	uint64_t before = align_up(n_name, 8) + align_up(n_control, 8);
	struct unix_socket *socket = file->data;
	struct unix_send send = {
		.bytes = payload + before,
		.size = (size_t)request->args[2],
		.flags = (uint32_t)request->args[1],
		.rights = (struct unix_rights *)request->state[2],
		.to = (struct unix_socket *)request->state[3],
	};

	if (before + send.size > size) {
		return -LINUX_EINVAL;
	}
	if (!unix_is_stream(socket) && request->args[5] > send.size) {
		return -LINUX_EMSGSIZE;
	}
	if (request->state[0] == 0) {
		error = send_decode(
			request, socket, payload, (size_t)n_name, (size_t)n_control, &send);
	} else {
		send_restore(request, &send);
	}
	return error < 0 ? error : send_attempt(request, file, &send);
}

/* ---- receiving ------------------------------------------------------------------------------- */

int64_t posix_recvfrom(struct request *request)
{
	struct file *file;
	struct unix_receive receive = {
		.size = (size_t)request->args[2],
		.flags = (uint32_t)request->args[3],
	};
	int64_t error = socket_of_call(request, &file);

	if (error < 0) {
		return error;
	}
	int64_t result = unix_receive(file, request, &receive);

	unix_name_unref(receive.from);
	return file_end_call(request, file, result);
}

/* Where control data are put. */
struct control {
	uint8_t *bytes;
	size_t size, used;
	uint32_t flags; /* LINUX_MSG_CTRUNC, when something did not fit */
};

/* One header with as much of its data as fits. */
static void control_add(struct control *control, uint32_t type, const void *data, size_t size)
{
	size_t room = control->size - control->used;

	if (room < CONTROL_HEADER) {
		control->flags |= LINUX_MSG_CTRUNC;
		return;
	}
	if (size > room - CONTROL_HEADER) {
		size = room - CONTROL_HEADER;
		control->flags |= LINUX_MSG_CTRUNC;
	}
	struct linux_cmsghdr header = {
		.size = CONTROL_HEADER + size,
		.level = LINUX_SOL_SOCKET,
		.type = (int32_t)type,
	};

	memcpy(control->bytes + control->used, &header, sizeof(header));
	memcpy(control->bytes + control->used + CONTROL_HEADER, data, size);
	control->used =
		min_size(control->size, control->used + align_up(header.size, sizeof(uint64_t)));
}

/* Gives the receiver descriptors for as many files as its buffer has room for. */
static void control_add_rights(struct control *control, struct request *request,
	const struct unix_rights *rights, bool is_cloexec)
{
	struct process *process = request->process;
	size_t room = control->size - control->used;
	size_t n_max = room <= CONTROL_HEADER ? 0 : (room - CONTROL_HEADER) / sizeof(int32_t);
	int32_t fds[LINUX_SCM_MAX_FD];
	uint32_t n_fds = 0;

	while (n_fds < rights->n_files && n_fds < n_max) {
		int fd = fd_table_add(process->files, rights->files[n_fds], 0, is_cloexec,
			process->limits[LIMIT_NOFILE][0]);

		if (fd < 0) {
			break;
		}
		fds[n_fds++] = fd;
	}
	if (n_fds < rights->n_files) {
		control->flags |= LINUX_MSG_CTRUNC;
	}
	if (n_fds > 0) {
		control_add(control, LINUX_SCM_RIGHTS, fds, n_fds * sizeof(fds[0]));
	}
}

static void receive_describe(struct request *request, const struct unix_socket *socket,
	struct unix_receive *receive, struct posix_socket_received *out, struct control *control)
{
	if (socket->passes_credentials) {
		control_add(control, LINUX_SCM_CREDENTIALS, &receive->credentials,
			sizeof(receive->credentials));
	}
	if (receive->rights != NULL) {
		control_add_rights(control, request, receive->rights,
			(receive->flags & LINUX_MSG_CMSG_CLOEXEC) != 0);
		unix_rights_drop(receive->rights);
	}
	if (receive->from != NULL) {
		struct linux_sockaddr_un text;

		out->name.size = unix_print_name(receive->from, &text);
		memcpy(out->name.bytes, &text, sizeof(text));
	}
	out->control_size = (uint32_t)control->used;
	out->flags =
		receive->out_flags | control->flags | (receive->flags & LINUX_MSG_CMSG_CLOEXEC);
}

/* args: fd, flags, sizes of data, of all output, of control data, and of data that come in bulk */
int64_t posix_socket_receive(struct request *request)
{
	struct file *file;
	size_t out_size;
	size_t control_size = (size_t)align_up(min_u64(request->args[4], UINT16_MAX), 8);
	size_t size = (size_t)request->args[2];
	bool is_bulk = (request->flags & POSIX_REQUEST_BULK_OUT) != 0;
	int64_t error = socket_of_call(request, &file);

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
	struct control control = { .bytes = bytes,
		.size = (size_t)min_u64(request->args[4], control_size) };
	struct unix_receive receive = {
		.buffer = is_bulk ? NULL : bytes + control_size,
		.size = size,
		.flags = (uint32_t)request->args[1],
		.wants_rights = true,
	};
	int64_t result = unix_receive(file, request, &receive);

	if (result >= 0) {
		receive_describe(request, file->data, &receive, out, &control);
	} else if (receive.rights != NULL) {
		unix_rights_drop(receive.rights);
	}
	unix_name_unref(receive.from);
	return file_end_call(request, file, result);
}
