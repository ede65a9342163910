/* SPDX-License-Identifier: MIT */
/*
 * AF_INET: sending and receiving as attempts. state[0] is the file, state[1] how many bytes of a
 * stream earlier attempts have moved.
 */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/socket/inet.h>

/* The longest datagrams, as their headers leave room for. */
constexpr size_t DGRAM_MAX_V4 = 65507, DGRAM_MAX_V6 = 65527;

/* ---- streams: receiving ---------------------------------------------------------------------- */

/* Nothing is there: why, or a wait. */
static int64_t receive_nothing(struct file *file, struct request *request,
	const struct socket_receive *receive, size_t n_before)
{
	struct inet_socket *socket = file->data;

	if (n_before > 0 && (socket->error != 0 || socket->is_read_shut)) {
		return (int64_t)n_before;
	}
	if (socket->error != 0 && !socket->has_fin) {
		return inet_take_error(socket);
	}
	if (socket->is_read_shut) {
		return 0;
	}
	int64_t result = socket_wait(
		file, request, &socket->changed, receive->flags, socket->receive_timeout_ns);

	return result != REQUEST_PARK && n_before > 0 ? (int64_t)n_before : result;
}

static int64_t receive_stream(
	struct file *file, struct request *request, struct socket_receive *receive)
{
	struct inet_socket *socket = file->data;
	size_t done = request == NULL ? 0 : (size_t)request->state[1];
	size_t room =
		receive->buffer != NULL ? receive->size : min_size(receive->size, POSIX_BULK_MAX);

	if (socket->state == INET_LISTENING) {
		return -LINUX_ENOTCONN;
	}
	if (receive->flags & LINUX_MSG_OOB) {
		return inet_urgent_receive(socket, request, receive);
	}
	if (socket->state == INET_NEW) {
		return -LINUX_ENOTCONN;
	}
	if (receive->size == 0) {
		return 0;
	}
	bool is_peek = (receive->flags & LINUX_MSG_PEEK) != 0;
	size_t n_ready = inet_urgent_pass(socket, done > 0, is_peek);

	if (n_ready == 0) {
		return done > 0 && inet_is_at_mark(socket)
			? (int64_t)done
			: receive_nothing(file, request, receive, done);
	}
	int64_t result =
		socket_take(&socket->bytes, request, receive, min_size(room - done, n_ready), done);

	if (result < 0) {
		return done > 0 ? (int64_t)done : result;
	}
	if (!is_peek) {
		inet_urgent_moved(socket, (size_t)result);
		inet_memory_update(socket);
	}
	if (!is_peek && socket->peer != NULL) {
		wait_queue_wake(&socket->peer->changed);
	}
	done += (size_t)result;
	if (!(receive->flags & LINUX_MSG_WAITALL) || is_peek || request == NULL || done >= room ||
		inet_is_at_mark(socket)) {
		return (int64_t)done;
	}
	request->state[1] = done;
	request->interrupted_result = (int64_t)done;
	result = receive_nothing(file, request, receive, done);
	request->interrupted_result = (int64_t)done;
	return result;
}

/* ---- datagrams: receiving -------------------------------------------------------------------- */

static int64_t receive_dgram(
	struct file *file, struct request *request, struct socket_receive *receive)
{
	struct inet_socket *socket = file->data;
	struct inet_datagram *first = LIST_FIRST(&socket->datagrams, struct inet_datagram, node);

	if (receive->flags & LINUX_MSG_OOB) {
		return -LINUX_EOPNOTSUPP;
	}
	if (socket->error != 0) {
		return inet_take_error(socket);
	}
	if (first == NULL) {
		return socket->is_read_shut ? 0
					    : socket_wait(file, request, &socket->changed,
						      receive->flags, socket->receive_timeout_ns);
	}
	size_t size = first->size;

	if (size >= receive->size && receive->size_all > receive->size) {
		return -LINUX_EMSGSIZE;
	}
	int64_t result =
		socket_take(&socket->bytes, request, receive, min_size(size, receive->size), 0);

	if (result < 0) {
		return result;
	}
	if (receive->out != NULL) {
		inet_encode(socket, &first->from, &receive->out->name);
		inet_control_encode(socket, first, &receive->control);
		receive->out->flags |= (size_t)result < size ? LINUX_MSG_TRUNC : 0;
	}
	if (!(receive->flags & LINUX_MSG_PEEK)) {
		byte_queue_drop(&socket->bytes, size - (size_t)result);
		list_remove(&first->node);
		socket->n_charged -= first->size + INET_DGRAM_CHARGE;
		inet_memory_update(socket);
		helix_free(first);
	}
	return (receive->flags & LINUX_MSG_TRUNC) ? (int64_t)size : result;
}

int64_t inet_receive(struct request *request, struct file *file, struct socket_receive *receive)
{
	struct inet_socket *socket = file->data;

	int64_t result;

	if (receive->flags & LINUX_MSG_ERRQUEUE) {
		result = inet_error_receive(socket, request, receive);
	} else {
		result = inet_is_stream(socket) ? receive_stream(file, request, receive)
						: receive_dgram(file, request, receive);
	}

	if (result >= 0 && receive->out != NULL) {
		receive->out->control_size = (uint32_t)receive->control.used;
		receive->out->flags |=
			receive->control.flags | (receive->flags & LINUX_MSG_CMSG_CLOEXEC);
	}
	return result;
}

int64_t inet_read(struct file *file, struct request *request, void *buffer, size_t size,
	UNUSED uint64_t *offset)
{
	struct socket_receive receive = { .buffer = buffer, .size = size };

	return size == 0 ? 0 : inet_receive(request, file, &receive);
}

int64_t inet_read_bulk(
	struct file *file, struct request *request, size_t size, UNUSED uint64_t *offset)
{
	struct socket_receive receive = {
		.size = size,
		.size_all = socket_vector_size(request),
	};

	return size == 0 ? 0 : inet_receive(request, file, &receive);
}

/* ---- streams: sending ------------------------------------------------------------------------ */

/* How much may lie at the other end. */
static size_t stream_max(const struct inet_socket *socket)
{
	const struct inet_socket *peer = socket->peer;
	size_t max = (size_t)socket->send_max + peer->receive_max;

	return peer->file == NULL ? min_size(max, INET_CHILD_MAX) : max;
}

/* By how much the memory of what lies at the other end may grow. */
static uint64_t memory_room(const struct inet_socket *socket)
{
	return socket_memory_room(&socket->peer->memory, socket->peer->file != NULL);
}

size_t inet_room(const struct inet_socket *socket)
{
	size_t max = stream_max(socket), used = socket->peer->bytes.n_bytes;

	return used >= max ? 0 : (size_t)min_u64(max - used, memory_room(socket));
}

bool inet_has_room(const struct inet_socket *socket)
{
	if (socket->state != INET_CONNECTED || socket->is_write_shut ||
		socket->peer->state != INET_CONNECTED) {
		return true;
	}
	size_t max = stream_max(socket);

	return socket->peer->bytes.n_bytes <= max - max / 3 && inet_room(socket) > 0;
}

/* Why nothing can be sent; 0: it can. */
static int64_t stream_check(struct inet_socket *socket)
{
	if (socket->error != 0) {
		return inet_take_error(socket);
	}
	return socket->is_write_shut || socket->peer == NULL ? -LINUX_EPIPE : 0;
}

/* As much as there is room for; a block that can be passed on goes as a whole. */
static int64_t stream_put(struct inet_socket *socket, struct request *request, const uint8_t *bytes,
	size_t size, bool is_urgent)
{
	struct inet_socket *peer = socket->peer;

	if (peer->state != INET_CONNECTED) {
		/* nobody is there to read it: the answer is a reset, which later calls learn of */
		inet_reset(socket, LINUX_EPIPE);
		return (int64_t)size;
	}
	size_t room = inet_room(socket);

	if (room == 0) {
		return -LINUX_EAGAIN;
	}
	bool is_whole =
		size >= SOCKET_BLOCK_MIN && size <= SOCKET_WHOLE_MAX && size <= memory_room(socket);
	size_t n_bytes = is_whole ? size : min_size(size, room);
	uint8_t last = bytes[n_bytes - 1]; /* the bytes may be taken */

	if (!socket_append(&peer->bytes, request, bytes, n_bytes, size)) {
		return -LINUX_ENOBUFS;
	}
	socket->n_sent += n_bytes;
	peer->n_received += n_bytes;
	if (is_urgent) {
		inet_urgent_mark(peer, last);
	}
	inet_memory_update(peer);
	wait_queue_wake(&peer->changed);
	return (int64_t)n_bytes;
}

static int64_t send_stream(struct file *file, struct request *request, const uint8_t *bytes,
	size_t size, uint32_t flags)
{
	struct inet_socket *socket = file->data;
	size_t done = request == NULL ? 0 : (size_t)request->state[1];
	int64_t result = 0;

	if (socket->state == INET_CONNECTING) {
		return socket_wait(file, request, &socket->changed, flags, socket->send_timeout_ns);
	}
	result = stream_check(socket);
	if (result == 0 && size > done) {
		result = stream_put(socket, done == 0 ? request : NULL, bytes + done, size - done,
			(flags & LINUX_MSG_OOB) != 0);
	}
	if (result < 0 && result != -LINUX_EAGAIN) {
		return done > 0 ? (int64_t)done : result;
	}
	done += result > 0 ? (size_t)result : 0;
	if (done == size) {
		return (int64_t)done;
	}
	if (request != NULL) {
		request->state[1] = done;
	}
	result = socket_wait(file, request, &socket->changed, flags, socket->send_timeout_ns);
	if (done > 0 && request != NULL) {
		request->interrupted_result = (int64_t)done;
	}
	return result != REQUEST_PARK && done > 0 ? (int64_t)done : result;
}

/* ---- datagrams: sending ---------------------------------------------------------------------- */

/* Queues it with who it is for, or drops it, as UDP does when there is no room. */
static int64_t dgram_put(struct inet_socket *to, const struct inet_datagram *what,
	struct request *request, const uint8_t *bytes)
{
	if (to->is_read_shut || to->n_charged >= to->receive_max ||
		socket_memory_room(&to->memory, true) < what->size + INET_DGRAM_CHARGE) {
		return 0;
	}
	struct inet_datagram *datagram = helix_malloc(sizeof(*datagram));

	if (datagram == NULL) {
		return -LINUX_ENOBUFS;
	}
	*datagram = *what;
	if (to->numbers[INET_TIME_STAMP] || to->numbers[INET_TIME_STAMP_NS]) {
		datagram->received_ns = clock_realtime_ns();
	}
	if (what->size > 0 && !socket_append(&to->bytes, request, bytes, what->size, what->size)) {
		helix_free(datagram);
		return -LINUX_ENOBUFS;
	}
	list_push_back(&to->datagrams, &datagram->node);
	to->n_charged += what->size + INET_DGRAM_CHARGE;
	inet_memory_update(to);
	wait_queue_wake(&to->changed);
	return 0;
}

/* Where a datagram goes: to a name, or to whom the socket is connected to. */
static int64_t dgram_target(const struct inet_socket *socket, const struct socket_message *message,
	struct inet_address *out_to)
{
	if (message->name_size == 0) {
		*out_to = socket->remote;
		return socket->state == INET_CONNECTED ? 0 : -LINUX_EDESTADDRREQ;
	}
	int64_t error = inet_decode(socket, message->name, message->name_size, out_to);

	return error == 0 && out_to->port == 0 ? -LINUX_EINVAL : error;
}

static int64_t send_dgram(
	struct inet_socket *socket, struct request *request, const struct socket_message *message)
{
	struct inet_datagram datagram = { .size = (uint32_t)message->size };
	struct inet_control control = { 0 };
	struct inet_address target;

	if (message->flags & LINUX_MSG_OOB) {
		return -LINUX_EOPNOTSUPP;
	}
	if (message->size_whole > DGRAM_MAX_V6) {
		return -LINUX_EMSGSIZE;
	}
	int64_t error = dgram_target(socket, message, &target);

	if (error == 0 && socket->error != 0) {
		error = inet_take_error(socket);
	}
	if (error == 0 && socket->is_write_shut) {
		error = -LINUX_EPIPE;
	}
	if (error == 0) {
		error = inet_route(socket, &target, &datagram.to, &datagram.from);
	}
	if (error == 0) {
		error = inet_control_decode(socket, &datagram.to, message, &control);
	}
	if (error == 0 && inet_is_v4(&datagram.to) && message->size_whole > DGRAM_MAX_V4) {
		error = -LINUX_EMSGSIZE;
	}
	if (error == 0 && socket->port == NULL) {
		struct inet_address any = inet_any(socket->family);

		error = inet_bind_to(socket, &any);
		error = error == -LINUX_EADDRINUSE ? -LINUX_EAGAIN : error;
	}
	if (error < 0) {
		return error;
	}
	if (control.has_from) {
		datagram.from = control.from;
	}
	datagram.from.port = socket->local.port;
	datagram.hops = control.hops;
	datagram.class = control.class;
	struct inet_socket *to = inet_find(socket->protocol, &datagram.to, &datagram.from);

	if (to == NULL) {
		inet_error_add(socket, &datagram, message->bytes);
		return (int64_t)message->size;
	}
	error = dgram_put(to, &datagram, request, message->bytes);
	return error < 0 ? error : (int64_t)message->size;
}

static void send_release(struct request *request)
{
	file_unref((struct file *)request->state[0]);
}

int64_t inet_send(struct request *request, struct file *file, const struct socket_message *message)
{
	struct inet_socket *socket = file->data;

	if (!inet_is_stream(socket)) {
		return send_dgram(socket, request, message);
	}
	int64_t result = send_stream(file, request, message->bytes, message->size, message->flags);

	if (result == REQUEST_PARK && request->state[0] == 0) {
		file_ref(file);
		request->state[0] = (uintptr_t)file;
		request->release = send_release;
	}
	if (result == -LINUX_EPIPE) {
		socket_signal_pipe(request, file, message->flags);
	}
	return result;
}

int64_t inet_write(struct file *file, struct request *request, const void *buffer, size_t size,
	UNUSED uint64_t *offset)
{
	struct inet_socket *socket = file->data;
	struct socket_message message = { .bytes = buffer, .size = size, .size_whole = size };

	return inet_is_stream(socket) ? send_stream(file, request, buffer, size, 0)
				      : send_dgram(socket, request, &message);
}
