/* SPDX-License-Identifier: MIT */
/*
 * Sending and receiving as attempts: state[0] is the file, state[1] how many bytes earlier attempts
 * of a stream have moved.
 */
#include <abi/linux/errno.h>
#include <posix/server/file/access.h>
#include <posix/server/socket/transfer.h>

constexpr uint32_t PACKET_OVERHEAD = 32;

/* ---- receiving ------------------------------------------------------------------------------- */

static bool has_same_credentials(const struct unix_message *a, const struct unix_message *b)
{
	return a->has_credentials == b->has_credentials &&
		a->credentials.pid == b->credentials.pid &&
		a->credentials.uid == b->credentials.uid &&
		a->credentials.gid == b->credentials.gid;
}

/* How much of a stream one read gets: over messages, but none behind one with descriptors. */
static size_t stream_measure(
	const struct unix_socket *socket, size_t size, const struct unix_message **out_carrier)
{
	const struct unix_message *first = unix_message_first(socket);
	size_t n_bytes = 0;

	*out_carrier = NULL;
	LIST_FOR_EACH(message, &socket->messages, struct unix_message, node) {
		if (n_bytes == size ||
			(socket->passes_credentials && !has_same_credentials(first, message))) {
			break;
		}
		n_bytes += min_size(message->size, size - n_bytes);
		if (message->rights != NULL) {
			*out_carrier = message;
			break;
		}
	}
	return n_bytes;
}

static int64_t move_bytes(struct unix_socket *socket, struct request *request,
	const struct unix_receive *receive, size_t n_bytes, size_t n_before)
{
	struct socket_receive where = {
		.buffer = receive->buffer,
		.flags = receive->flags,
	};

	return socket_take(&socket->bytes, request, &where, n_bytes, n_before);
}

/* What stands beside the bytes of `message`; its rights, or copies of them, are the receiver's. */
static int64_t take_ancillary(struct unix_message *message, struct unix_receive *receive)
{
	struct unix_rights *rights = message->rights;

	receive->credentials = message->has_credentials ? message->credentials
							: (struct linux_ucred){ 0, 65534, 65534 };
	if (receive->from == NULL && message->from != NULL) {
		receive->from = message->from;
		receive->from->references++;
	}
	if (rights == NULL) {
		return 0;
	}
	if (!receive->wants_rights) {
		receive->out_flags |= LINUX_MSG_CTRUNC;
		if (!(receive->flags & LINUX_MSG_PEEK)) {
			message->rights = NULL;
			unix_rights_drop(rights);
		}
		return 0;
	}
	if (receive->flags & LINUX_MSG_PEEK) {
		receive->rights = unix_rights_copy(rights);
		return receive->rights == NULL ? -LINUX_ENOMEM : 0;
	}
	message->rights = NULL;
	receive->rights = rights;
	return 0;
}

/* The bytes have been taken off the queue: their messages go. */
static void stream_consume(struct unix_socket *socket, size_t n_bytes)
{
	while (n_bytes > 0) {
		struct unix_message *message = unix_message_first(socket);
		uint32_t n_here = (uint32_t)min_size(n_bytes, message->size);

		unix_message_shorten(message, n_here);
		n_bytes -= n_here;
		if (message->size == 0) {
			unix_message_finish(socket, message);
		}
	}
}

static int64_t receive_stream(struct unix_socket *socket, struct request *request,
	struct unix_receive *receive, size_t n_before)
{
	size_t room =
		receive->buffer != NULL ? receive->size : min_size(receive->size, POSIX_BULK_MAX);
	const struct unix_message *carrier;
	size_t n_bytes = stream_measure(socket, room - n_before, &carrier);
	struct unix_message *described =
		carrier != NULL ? (struct unix_message *)carrier : unix_message_first(socket);
	int64_t result = move_bytes(socket, request, receive, n_bytes, n_before);

	if (result < 0) {
		return result;
	}
	int64_t error = take_ancillary(described, receive);

	if (!(receive->flags & LINUX_MSG_PEEK)) {
		stream_consume(socket, n_bytes);
	}
	return error < 0 ? error : result;
}

static int64_t receive_packet(
	struct unix_socket *socket, struct request *request, struct unix_receive *receive)
{
	struct unix_message *message = unix_message_first(socket);
	uint32_t size = message->size;
	bool is_peek = (receive->flags & LINUX_MSG_PEEK) != 0;

	if (size >= receive->size && receive->size_all > receive->size) {
		return -LINUX_EMSGSIZE;
	}
	int64_t result = move_bytes(socket, request, receive, min_size(size, receive->size), 0);

	if (result < 0) {
		return result;
	}
	int64_t error = take_ancillary(message, receive);

	if (result < size) {
		receive->out_flags |= LINUX_MSG_TRUNC;
	}
	if (!is_peek) {
		message->size -= (uint32_t)result;
		unix_message_finish(socket, message);
	}
	if (error < 0) {
		return error;
	}
	return (receive->flags & LINUX_MSG_TRUNC) ? size : result;
}

/* Nothing is there: why, or a wait. */
static int64_t receive_nothing(struct file *file, struct request *request,
	const struct unix_receive *receive, size_t n_before)
{
	struct unix_socket *socket = file->data;

	if (n_before == 0 && socket->was_reset) {
		socket->was_reset = false;
		return -LINUX_ECONNRESET;
	}
	if (socket->is_read_shut) {
		return (int64_t)n_before;
	}
	int64_t result = socket_wait(
		file, request, &socket->changed, receive->flags, socket->receive_timeout_ns);

	return result != REQUEST_PARK && n_before > 0 ? (int64_t)n_before : result;
}

int64_t unix_receive(struct file *file, struct request *request, struct unix_receive *receive)
{
	struct unix_socket *socket = file->data;
	size_t done = request == NULL ? 0 : (size_t)request->state[1];

	if (receive->flags & LINUX_MSG_OOB) {
		return unix_is_stream(socket) ? -LINUX_EINVAL : -LINUX_EOPNOTSUPP;
	}
	if (!unix_is_dgram(socket) && socket->state != UNIX_CONNECTED) {
		return unix_is_stream(socket) ? -LINUX_EINVAL : -LINUX_ENOTCONN;
	}
	if (unix_is_stream(socket) && receive->size == 0) {
		return 0;
	}
	if (unix_message_first(socket) == NULL) {
		return receive_nothing(file, request, receive, done);
	}
	if (!unix_is_stream(socket)) {
		return receive_packet(socket, request, receive);
	}
	int64_t result = receive_stream(socket, request, receive, done);

	if (result < 0) {
		return done > 0 ? (int64_t)done : result;
	}
	done += (size_t)result;
	if ((receive->flags & (LINUX_MSG_WAITALL | LINUX_MSG_PEEK)) != LINUX_MSG_WAITALL ||
		request == NULL || done >= min_size(receive->size, POSIX_BULK_MAX) ||
		receive->rights != NULL || unix_message_first(socket) != NULL) {
		return (int64_t)done;
	}
	request->state[1] = done;
	request->interrupted_result = (int64_t)done;
	return receive_nothing(file, request, receive, done);
}

static int64_t read_into(struct file *file, struct request *request, struct unix_receive receive)
{
	int64_t result = receive.size == 0 ? 0 : unix_receive(file, request, &receive);

	unix_name_unref(receive.from);
	return result;
}

int64_t unix_read(struct file *file, struct request *request, void *buffer, size_t size,
	UNUSED uint64_t *offset)
{
	return read_into(file, request, (struct unix_receive){ .buffer = buffer, .size = size });
}

int64_t unix_read_bulk(
	struct file *file, struct request *request, size_t size, UNUSED uint64_t *offset)
{
	return read_into(file, request,
		(struct unix_receive){ .size = size, .size_all = socket_vector_size(request) });
}

/* ---- sending --------------------------------------------------------------------------------- */

bool unix_has_room(const struct unix_socket *socket)
{
	const struct unix_socket *peer = socket->peer;

	if (unix_is_dgram(socket) && peer != NULL && peer->peer != socket &&
		peer->n_messages >= UNIX_DGRAMS_MAX) {
		return false;
	}
	return socket->n_charged * UINT64_C(4) <= socket->send_max &&
		(socket->n_charged == 0 || unix_memory_room(socket) > 0);
}

/* Where it goes, and whether it may. */
static int64_t send_check(struct unix_socket *socket, struct unix_send *send)
{
	if (send->flags & LINUX_MSG_OOB) {
		return -LINUX_EOPNOTSUPP;
	}
	if (send->to == NULL) {
		send->to = socket->peer;
	}
	if (send->to == NULL) {
		return -LINUX_ENOTCONN;
	}
	if (!unix_is_stream(socket) && send->size + PACKET_OVERHEAD > socket->send_max) {
		return -LINUX_EMSGSIZE;
	}
	if (socket->is_write_shut) {
		return -LINUX_EPIPE;
	}
	if (!unix_is_dgram(socket)) {
		return 0;
	}
	if (send->to->state == UNIX_DEAD) {
		if (send->to == socket->peer) {
			list_remove(&socket->sender_node);
			socket->peer = NULL;
			unix_unref(send->to);
		}
		return -LINUX_ECONNREFUSED;
	}
	if (send->to->peer != NULL && send->to->peer != socket) {
		return -LINUX_EPERM;
	}
	return send->to->is_read_shut ? -LINUX_EPIPE : 0;
}

static int64_t send_wait(
	struct file *file, struct request *request, const struct unix_send *send, size_t done)
{
	struct unix_socket *socket = file->data;

	if (request != NULL && done > 0) {
		request->state[1] = done;
		request->interrupted_result = (int64_t)done;
	}
	int64_t result =
		socket_wait(file, request, &socket->changed, send->flags, socket->send_timeout_ns);

	if (result == REQUEST_PARK && unix_is_dgram(socket)) {
		int64_t error = request_wait_on(request, &send->to->room);

		result = error < 0 ? error : result;
	}
	if (result == REQUEST_PARK && done > 0) {
		request->interrupted_result = (int64_t)done;
	}
	return result != REQUEST_PARK && done > 0 ? (int64_t)done : result;
}

int64_t unix_send(struct file *file, struct request *request, struct unix_send *send)
{
	struct unix_socket *socket = file->data;
	size_t done = request == NULL ? 0 : (size_t)request->state[1];
	int64_t error = send_check(socket, send);

	if (error < 0) {
		return done > 0 ? (int64_t)done : error;
	}
	if (!send->has_credentials &&
		(socket->passes_credentials || send->to->passes_credentials) && request != NULL) {
		const struct credentials *own = &request->process->credentials;

		send->credentials =
			(struct linux_ucred){ request->process->pid, own->uid, own->gid };
		send->has_credentials = true;
	}
	if (send->size == 0 && unix_is_stream(socket)) {
		return 0;
	}
	send->request = done == 0 ? request : NULL;
	send->bytes += done;
	send->size -= done;
	int64_t result = unix_put(socket, send->to, send);

	if (result < 0 && result != -LINUX_EAGAIN) {
		return done > 0 ? (int64_t)done : result;
	}
	if (result >= 0) {
		done += (size_t)result;
		if ((size_t)result == send->size) {
			return (int64_t)done;
		}
	}
	return send_wait(file, request, send, done);
}

int64_t unix_write(struct file *file, struct request *request, const void *buffer, size_t size,
	UNUSED uint64_t *offset)
{
	struct unix_send send = { .bytes = buffer, .size = size };

	return unix_send(file, request, &send);
}
