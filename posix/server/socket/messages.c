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
#include <posix/server/socket/family.h>
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

/* Those of all headers become one. */
struct descriptors {
	uint32_t n;
	int32_t fds[LINUX_SCM_MAX_FD];
};

static int64_t decode_rights(const uint8_t *data, size_t size, struct descriptors *all)
{
	size_t n_fds = size / sizeof(all->fds[0]);

	if (n_fds > LINUX_SCM_MAX_FD - all->n) {
		return -LINUX_EINVAL;
	}
	memcpy(all->fds + all->n, data, n_fds * sizeof(all->fds[0]));
	all->n += (uint32_t)n_fds;
	return 0;
}

static int64_t decode_control(
	struct process *process, const uint8_t *control, size_t size, struct unix_send *send)
{
	struct descriptors descriptors = { 0 };
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
			error = decode_rights(data, data_size, &descriptors);
		} else if (header.level == LINUX_SOL_SOCKET &&
			header.type == LINUX_SCM_CREDENTIALS) {
			error = decode_credentials(process, data, data_size, send);
		} else if (header.level == LINUX_SOL_SOCKET) {
			error = -LINUX_EINVAL;
		}
		offset += align_up(header.size, sizeof(uint64_t));
	}
	return error < 0
		? error
		: unix_rights_create(process, descriptors.fds, descriptors.n, &send->rights);
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
		socket_signal_pipe(request, file, send->flags);
	}
	return result;
}

/* The first attempt: name and control data. */
static int64_t send_decode(struct request *request, struct unix_socket *socket,
	const struct socket_message *message, struct unix_send *send)
{
	size_t name_size = message->name_size;
	int64_t error =
		decode_control(request->process, message->control, message->control_size, send);

	if (error == 0 && name_size > 0 && unix_is_stream(socket)) {
		error = socket->peer != NULL ? -LINUX_EISCONN : -LINUX_EOPNOTSUPP;
	}
	if (error == 0 && name_size > 0 && unix_is_dgram(socket)) {
		error = unix_find(request, message->name, name_size, socket->type, &send->to);
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

int64_t unix_call_send(
	struct request *request, struct file *file, const struct socket_message *message)
{
	struct unix_socket *socket = file->data;
	struct unix_send send = {
		.bytes = message->bytes,
		.size = message->size,
		.flags = message->flags,
		.rights = (struct unix_rights *)request->state[2],
		.to = (struct unix_socket *)request->state[3],
	};
	int64_t error = 0;

	if (!unix_is_stream(socket) && message->size_whole > send.size) {
		return -LINUX_EMSGSIZE;
	}
	if (request->state[0] == 0) {
		error = send_decode(request, socket, message, &send);
	} else {
		send_restore(request, &send);
	}
	return error < 0 ? error : send_attempt(request, file, &send);
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* Gives the receiver descriptors for as many files as its buffer has room for. */
static void control_add_rights(struct socket_control *control, struct request *request,
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
		socket_control_add(
			control, LINUX_SOL_SOCKET, LINUX_SCM_RIGHTS, fds, n_fds * sizeof(fds[0]));
	}
}

static void receive_describe(struct request *request, const struct unix_socket *socket,
	struct unix_receive *receive, struct posix_socket_received *out,
	struct socket_control *control)
{
	if (socket->passes_credentials) {
		socket_control_add(control, LINUX_SOL_SOCKET, LINUX_SCM_CREDENTIALS,
			&receive->credentials, sizeof(receive->credentials));
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

int64_t unix_call_receive(struct request *request, struct file *file, struct socket_receive *asked)
{
	struct unix_receive receive = {
		.buffer = asked->buffer,
		.size = asked->size,
		.size_all = asked->size_all,
		.flags = asked->flags,
		.wants_rights = asked->out != NULL,
	};
	int64_t result = unix_receive(file, request, &receive);

	if (result >= 0 && asked->out != NULL) {
		receive_describe(request, file->data, &receive, asked->out, &asked->control);
	} else if (receive.rights != NULL) {
		unix_rights_drop(receive.rights);
	}
	unix_name_unref(receive.from);
	return result;
}
