/* SPDX-License-Identifier: MIT */
/*
 * Sockets: calls whose arguments no row can describe, because lengths go both ways and messages are
 * vectors.
 *
 * The bytes of a message go in one request if they fit: short ones are gathered here, long vectors
 * by the kernel, longer ones than a request has parts in a mapping. A stream that sends more than
 * one request holds goes in pieces; a packet of that size is refused by posix. A receive into a
 * short vector comes with the reply; else its first long part is filled, which is enough for a
 * stream. posix refuses to cut a packet there that would fit into the vector (-LINUX_EMSGSIZE):
 * then a mapping is filled, as for streams that want all (MSG_WAITALL).
 */
#include <abi/linux/socket.h>

#include "calls.h"

constexpr uint32_t NR_SENDTO = 44, NR_RECVFROM = 45, NR_GETSOCKNAME = 51, NR_GETPEERNAME = 52,
		   NR_GETSOCKOPT = 55, NR_ACCEPT4 = 288;
constexpr uint64_t IOV_MAX_COUNT = 1024;
constexpr uint64_t CONTROL_MAX = 1088; /* what posix ever answers: 253 descriptors, credentials */
constexpr uint64_t DATA_INLINE = 2048; /* what comes with the reply */
constexpr uint64_t PIECE_MAX = POSIX_BULK_MAX;
constexpr uint64_t PACKET_MAX = POSIX_PAYLOAD_MAX - 4096;
constexpr uint64_t IO_MAX = 0x7ffff000;

struct linux_iovec {
	uint64_t base;
	uint64_t size;
};

struct linux_msghdr {
	uint64_t name;
	uint32_t name_size, reserved;
	uint64_t vector, n_vector;
	uint64_t control, control_size;
	uint32_t flags, reserved2;
};

/* ---- names ----------------------------------------------------------------------------------- */

/* A value-result length: as much of the name as there is room for, and its full size. */
static int64_t put_name(
	const struct posix_socket_address *name, uint64_t address, uint64_t size_address)
{
	int32_t room;
	uint32_t size = name->size;

	if (shim_get(&room, size_address, sizeof(room))) {
		return -LINUX_EFAULT;
	}
	if (room < 0) {
		return -LINUX_EINVAL;
	}
	if (size > sizeof(name->bytes)) {
		size = sizeof(name->bytes);
	}
	if (shim_put(address, name->bytes, size < (uint32_t)room ? size : (uint32_t)room) ||
		shim_put(size_address, &name->size, sizeof(name->size))) {
		return -LINUX_EFAULT;
	}
	return 0;
}

static int64_t ask_name(
	uint32_t number, uint64_t fd, uint64_t flags, struct posix_socket_address *out_name)
{
	struct shim_call call;

	shim_call_init(&call, number);
	call.header.args[0] = fd;
	call.header.args[1] = sizeof(*out_name);
	call.header.args[3] = flags;
	shim_call_out(&call, out_name, sizeof(*out_name));
	return shim_call_run(&call);
}

static int64_t get_name(uint32_t number, uint64_t fd, uint64_t address, uint64_t size_address)
{
	struct posix_socket_address name = {};
	int64_t result = ask_name(number, fd, 0, &name);

	return result < 0 ? result : put_name(&name, address, size_address);
}

int64_t shim_getsockname(SHIM_ARGS)
{
	SHIM_UNUSED;
	return get_name(NR_GETSOCKNAME, a0, a1, a2);
}

int64_t shim_getpeername(SHIM_ARGS)
{
	SHIM_UNUSED;
	return get_name(NR_GETPEERNAME, a0, a1, a2);
}

int64_t shim_accept4(SHIM_ARGS)
{
	struct posix_socket_address name = {};
	int64_t result = ask_name(NR_ACCEPT4, a0, a3, &name);

	SHIM_UNUSED;
	if (result >= 0 && a1) {
		int64_t error = put_name(&name, a1, a2);

		if (error) {
			shim_request(3, (uint64_t)result, 0, 0, 0, 0, 0);
			return error;
		}
	}
	return result;
}

int64_t shim_accept(SHIM_ARGS)
{
	SHIM_UNUSED;
	return shim_accept4(a0, a1, a2, 0, 0, 0, NR_ACCEPT4);
}

int64_t shim_getsockopt(SHIM_ARGS)
{
	uint8_t value[256] = {};
	struct shim_call call;
	int64_t size;
	int32_t room;

	SHIM_UNUSED;
	if (shim_get(&room, a4, sizeof(room))) {
		return -LINUX_EFAULT;
	}
	if (room < 0) {
		return -LINUX_EINVAL;
	}
	shim_call_init(&call, NR_GETSOCKOPT);
	call.header.args[0] = a0;
	call.header.args[1] = a1;
	call.header.args[2] = a2;
	call.header.args[3] = sizeof(value);
	shim_call_out(&call, value, sizeof(value));
	size = shim_call_run(&call);
	if (size < 0) {
		return size;
	}
	if (size < room) {
		room = (int32_t)size;
	}
	return shim_put(a3, value, (uint64_t)room) || shim_put(a4, &room, sizeof(room))
		? -LINUX_EFAULT
		: 0;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* The checks of a vector that Linux makes before anything else. */
static int64_t vector_size(const struct linux_msghdr *message, uint64_t *out_size)
{
	uint64_t total = 0;

	if (message->n_vector > IOV_MAX_COUNT) {
		return -LINUX_EMSGSIZE;
	}
	for (uint64_t i = 0; i < message->n_vector; i++) {
		struct linux_iovec one;

		if (shim_get(&one, message->vector + i * sizeof(one), sizeof(one))) {
			return -LINUX_EFAULT;
		}
		if (one.size > INT64_MAX) {
			return -LINUX_EINVAL;
		}
		if (!shim_is_user_range(one.base, one.size)) {
			return -LINUX_EFAULT;
		}
		total = one.size > IO_MAX - total ? IO_MAX : total + one.size;
	}
	*out_size = total;
	return 0;
}

/* Where a walk along a vector stands. */
struct cursor {
	const struct linux_msghdr *message;
	uint64_t index, offset;
};

/* The next piece, at most `max` bytes; size 0: the end. */
static int64_t cursor_next(struct cursor *cursor, uint64_t max, struct linux_iovec *out_piece)
{
	out_piece->size = 0;
	while (cursor->index < cursor->message->n_vector && max > 0) {
		struct linux_iovec one;

		if (shim_get(&one, cursor->message->vector + cursor->index * sizeof(one),
			    sizeof(one))) {
			return -LINUX_EFAULT;
		}
		if (cursor->offset >= one.size) {
			cursor->index++;
			cursor->offset = 0;
			continue;
		}
		out_piece->base = one.base + cursor->offset;
		out_piece->size = one.size - cursor->offset < max ? one.size - cursor->offset : max;
		cursor->offset += out_piece->size;
		return 0;
	}
	return 0;
}

/* Copies between a buffer here and the program's vector, from the cursor on. */
static int64_t cursor_copy(struct cursor *cursor, uint8_t *bytes, uint64_t size, bool is_in)
{
	while (size > 0) {
		struct linux_iovec piece;

		if (cursor_next(cursor, size, &piece)) {
			return -LINUX_EFAULT;
		}
		if (piece.size == 0) {
			return 0;
		}
		if (is_in ? shim_get(bytes, piece.base, piece.size)
			  : shim_put(piece.base, bytes, piece.size)) {
			return -LINUX_EFAULT;
		}
		bytes += piece.size;
		size -= piece.size;
	}
	return 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

/*
 * Adds the next `size` bytes to the payload: gathered here if they are few, else where they lie.
 * Returns how many were added: less when the vector has too many parts.
 */
static int64_t add_data(
	struct shim_call *call, struct cursor *cursor, uint64_t size, uint8_t gathered[DATA_INLINE])
{
	uint64_t n_added = 0;

	if (size <= DATA_INLINE) {
		int64_t error = cursor_copy(cursor, gathered, size, true);

		shim_call_in(call, gathered, size);
		return error ? error : (int64_t)size;
	}
	while (n_added < size && call->n_in < ARRAY_SIZE(call->in)) {
		struct linux_iovec piece;

		if (cursor_next(cursor, size - n_added, &piece)) {
			return -LINUX_EFAULT;
		}
		shim_call_in_part(call, piece.base, piece.size);
		n_added += piece.size;
	}
	return (int64_t)n_added;
}

/*
 * The same for a vector of too many parts, from its beginning: they are copied to a mapping, which
 * is the caller's to unmap.
 */
static int64_t add_copied(
	struct shim_call *call, const struct linux_msghdr *message, uint64_t size, uint64_t scratch)
{
	struct cursor cursor = { .message = message };
	uint64_t done = 0;

	while (done < size) {
		struct linux_iovec piece;

		if (cursor_next(&cursor, size - done, &piece) || piece.size == 0 ||
			shim_scratch_copy(scratch + done, piece.base, piece.size)) {
			return -LINUX_EFAULT;
		}
		done += piece.size;
	}
	shim_call_in_user(call, scratch, size);
	return (int64_t)size;
}

static void send_begin(
	struct shim_call *call, uint64_t fd, const struct linux_msghdr *message, uint64_t flags)
{
	shim_call_init(call, POSIX_SOCKET_SEND);
	call->header.args[0] = fd;
	call->header.args[1] = (uint32_t)flags;
	call->header.args[3] = message->name ? message->name_size : 0;
	call->header.args[4] = message->control ? message->control_size : 0;
	shim_call_in_user(call, message->name, call->header.args[3]);
	shim_call_in_user(call, message->control, call->header.args[4]);
}

/* All of a vector at once, by way of a mapping. */
static int64_t send_copied(
	uint64_t fd, const struct linux_msghdr *message, uint64_t flags, uint64_t total)
{
	int64_t scratch = shim_scratch_map(total);
	struct shim_call call;

	if (scratch < 0) {
		return scratch;
	}
	send_begin(&call, fd, message, flags);
	call.header.args[2] = total;
	call.header.args[5] = total;
	int64_t result = add_copied(&call, message, total, (uint64_t)scratch);

	if (result >= 0) {
		result = shim_call_run(&call);
	}
	shim_scratch_unmap((uint64_t)scratch, total);
	return result;
}

/* The same in as many requests as it takes; a vector that has too many parts for one is copied. */
static int64_t send_pieces(uint64_t fd, struct linux_msghdr message, uint64_t flags, uint64_t total)
{
	const struct linux_msghdr vector = message;
	struct cursor cursor = { .message = &vector };
	uint8_t gathered[DATA_INLINE];
	uint64_t done = 0;

	do {
		struct shim_call call;
		uint64_t n = total - done;
		int64_t result;

		send_begin(&call, fd, &message, flags);
		result = add_data(&call, &cursor, n < PACKET_MAX ? n : PACKET_MAX, gathered);
		if (result >= 0 && (uint64_t)result < total && done == 0 && total <= PACKET_MAX) {
			return send_copied(fd, &message, flags, total);
		}
		if (result >= 0) {
			n = (uint64_t)result;
			call.header.args[2] = n;
			call.header.args[5] = total;
			if (done && shim_has_signal()) {
				call.header.flags |= POSIX_REQUEST_NOWAIT;
			}
			result = shim_call_run(&call);
		}
		if (result < 0) {
			return done ? (int64_t)done : result;
		}
		done += (uint64_t)result;
		if ((uint64_t)result < n) {
			break;
		}
		message.control = 0;
	} while (done < total);
	return (int64_t)done;
}

static int64_t send_message(uint64_t fd, const struct linux_msghdr *asked, uint64_t flags)
{
	struct linux_msghdr message = *asked;
	uint64_t total;
	int64_t error = vector_size(asked, &total);

	if (error) {
		return error;
	}
	if (message.name_size > INT32_MAX) {
		return -LINUX_EINVAL;
	}
	if (message.control_size > 16384) {
		return -LINUX_ENOBUFS;
	}
	if (message.name && message.name_size > 128) {
		message.name_size = 128; /* too long for any name; posix refuses it */
	}
	return send_pieces(fd, message, flags, total);
}

int64_t shim_sendmsg(SHIM_ARGS)
{
	struct linux_msghdr message;

	SHIM_UNUSED;
	if (shim_get(&message, a1, sizeof(message))) {
		return -LINUX_EFAULT;
	}
	return send_message(a0, &message, a2);
}

/* A message of one part; its vector is here, so the parts that matter are taken apart at once. */
int64_t shim_sendto(SHIM_ARGS)
{
	struct shim_call call;

	SHIM_UNUSED;
	if (!shim_is_user_range(a1, a2)) {
		return -LINUX_EFAULT;
	}
	if (!a4 && a2 <= PIECE_MAX) {
		shim_call_init(&call, NR_SENDTO);
		call.header.args[0] = a0;
		call.header.args[1] = a2;
		call.header.args[2] = a2;
		call.header.args[3] = (uint32_t)a3;
		shim_call_in_user(&call, a1, a2);
		return shim_call_run(&call);
	}
	for (uint64_t done = 0;;) {
		uint64_t n = a2 - done < PACKET_MAX ? a2 - done : PACKET_MAX;
		int64_t result;

		shim_call_init(&call, POSIX_SOCKET_SEND);
		call.header.flags = done && shim_has_signal() ? POSIX_REQUEST_NOWAIT : 0;
		call.header.args[0] = a0;
		call.header.args[1] = (uint32_t)a3;
		call.header.args[2] = n;
		call.header.args[3] = !a4 ? 0 : (uint32_t)a5 < 128 ? (uint32_t)a5 : 128;
		call.header.args[5] = a2;
		shim_call_in_user(&call, a4, call.header.args[3]);
		shim_call_in_user(&call, a1 + done, n);
		result = shim_call_run(&call);
		if (result < 0) {
			return done ? (int64_t)done : result;
		}
		done += (uint64_t)result;
		if ((uint64_t)result < n || done == a2) {
			return (int64_t)done;
		}
	}
}

/* ---- receiving ------------------------------------------------------------------------------- */

struct received {
	struct posix_socket_received head;
	uint8_t control[CONTROL_MAX];
	uint8_t data[DATA_INLINE];
};

/*
 * One receive of at most `size` bytes: into `bulk` if that is not 0, else into *out. There is
 * room for `size_all`; a packet that needs more than `size` of it is -LINUX_EMSGSIZE.
 */
static int64_t receive(uint64_t fd, uint64_t flags, uint64_t size, uint64_t size_all,
	uint64_t control_size, uint64_t bulk, struct received *out)
{
	uint64_t control_room = (control_size + 7) & ~(uint64_t)7;
	struct shim_call call;

	shim_call_init(&call, POSIX_SOCKET_RECEIVE);
	call.header.args[0] = fd;
	call.header.args[1] = (uint32_t)flags;
	call.header.args[2] = size;
	call.header.args[3] = sizeof(out->head) + control_room + (bulk ? 0 : size);
	call.header.args[4] = control_size;
	call.header.args[5] = size_all;
	shim_call_out(&call, &out->head, sizeof(out->head));
	shim_call_out(&call, out->control, control_room);
	if (bulk) {
		call.bulk_out_address = bulk;
		call.bulk_out_size = size;
	} else {
		shim_call_out(&call, out->data, size);
	}
	return shim_call_run(&call);
}

/* What of the message header changes. */
static int64_t put_header(const struct linux_msghdr *message, uint64_t address,
	uint64_t control_max, const struct received *received)
{
	const struct posix_socket_received *head = &received->head;
	uint32_t flags = head->flags & ~(uint32_t)LINUX_MSG_CMSG_CLOEXEC;
	uint64_t n_control = head->control_size < control_max ? head->control_size : control_max;
	uint32_t name_size = head->name.size;

	if (message->name) {
		uint32_t n = name_size < message->name_size ? name_size : message->name_size;

		if (n > sizeof(head->name.bytes)) {
			n = sizeof(head->name.bytes);
		}
		if (shim_put(message->name, head->name.bytes, n) ||
			shim_put(address + offsetof(struct linux_msghdr, name_size), &name_size,
				sizeof(name_size))) {
			return -LINUX_EFAULT;
		}
	}
	return shim_put(message->control, received->control, n_control) ||
			shim_put(address + offsetof(struct linux_msghdr, control_size), &n_control,
				sizeof(n_control)) ||
			shim_put(address + offsetof(struct linux_msghdr, flags), &flags,
				sizeof(flags))
		? -LINUX_EFAULT
		: 0;
}

/* Into all of a vector, by way of a mapping. */
static int64_t receive_copied(uint64_t fd, uint64_t flags, const struct linux_msghdr *message,
	uint64_t total, uint64_t control_max, struct received *out)
{
	uint64_t size = total < PACKET_MAX ? total : PACKET_MAX, done = 0;
	struct cursor cursor = { .message = message };
	int64_t scratch = shim_scratch_map(size);

	if (scratch < 0) {
		return scratch;
	}
	int64_t result = receive(fd, flags, size, size, control_max, (uint64_t)scratch, out);
	uint64_t n = result < 0 ? 0 : (uint64_t)result < size ? (uint64_t)result : size;

	while (done < n) {
		struct linux_iovec piece;

		if (cursor_next(&cursor, n - done, &piece) || piece.size == 0 ||
			shim_scratch_copy(piece.base, (uint64_t)scratch + done, piece.size)) {
			result = -LINUX_EFAULT;
			break;
		}
		done += piece.size;
	}
	shim_scratch_unmap((uint64_t)scratch, size);
	return result;
}

/* Into the first part of a vector that is longer than what comes with a reply. */
static int64_t receive_long(uint64_t fd, uint64_t flags, const struct linux_msghdr *message,
	uint64_t total, uint64_t control_max, struct received *out)
{
	struct cursor cursor = { .message = message };
	struct linux_iovec first;

	if (cursor_next(&cursor, PACKET_MAX, &first)) {
		return -LINUX_EFAULT;
	}
	bool is_all = first.size == total || first.size == PACKET_MAX;

	if (!is_all && (flags & LINUX_MSG_WAITALL)) {
		return receive_copied(fd, flags, message, total, control_max, out);
	}
	bool is_long = first.size > DATA_INLINE;
	uint64_t size = is_long ? first.size : DATA_INLINE;
	int64_t result = receive(
		fd, flags, size, is_all ? size : total, control_max, is_long ? first.base : 0, out);

	if (result == -LINUX_EMSGSIZE && !is_all) {
		return receive_copied(fd, flags, message, total, control_max, out);
	}
	if (result < 0 || is_long) {
		return result;
	}
	cursor = (struct cursor){ .message = message };
	return cursor_copy(
		       &cursor, out->data, (uint64_t)result < size ? (uint64_t)result : size, false)
		? -LINUX_EFAULT
		: result;
}

static int64_t receive_message(uint64_t fd, uint64_t address, uint64_t flags)
{
	struct linux_msghdr message;
	struct cursor cursor = { .message = &message };
	struct received received;
	uint64_t total, control_max;
	int64_t result;

	if (shim_get(&message, address, sizeof(message))) {
		return -LINUX_EFAULT;
	}
	result = vector_size(&message, &total);
	if (result) {
		return result;
	}
	if (message.name_size > INT32_MAX) {
		return -LINUX_EINVAL;
	}
	control_max = !message.control               ? 0
		: message.control_size < CONTROL_MAX ? message.control_size
						     : CONTROL_MAX;
	received.head = (struct posix_socket_received){};
	if (total > DATA_INLINE) {
		result = receive_long(fd, flags, &message, total, control_max, &received);
	} else {
		result = receive(fd, flags, total, total, control_max, 0, &received);
		if (result > 0 &&
			cursor_copy(&cursor, received.data,
				(uint64_t)result < total ? (uint64_t)result : total, false)) {
			return -LINUX_EFAULT;
		}
	}
	if (result < 0) {
		return result;
	}
	return put_header(&message, address, control_max, &received) ? -LINUX_EFAULT : result;
}

int64_t shim_recvmsg(SHIM_ARGS)
{
	SHIM_UNUSED;
	return receive_message(a0, a1, a2);
}

int64_t shim_recvfrom(SHIM_ARGS)
{
	struct received received;
	uint64_t size = a2 < PACKET_MAX ? a2 : PACKET_MAX;
	int64_t result;

	SHIM_UNUSED;
	if (!shim_is_user_range(a1, a2)) {
		return -LINUX_EFAULT;
	}
	if (!a4 && size <= PIECE_MAX) {
		struct shim_call call;

		shim_call_init(&call, NR_RECVFROM);
		call.header.args[0] = a0;
		call.header.args[1] = size;
		call.header.args[2] = size;
		call.header.args[3] = (uint32_t)a3;
		call.bulk_out_address = a1;
		call.bulk_out_size = size;
		return shim_call_run(&call);
	}
	received.head = (struct posix_socket_received){};
	result = receive(a0, a3, size, size, 0, size > DATA_INLINE ? a1 : 0, &received);
	if (result < 0) {
		return result;
	}
	if (size <= DATA_INLINE &&
		shim_put(a1, received.data, (uint64_t)result < size ? (uint64_t)result : size)) {
		return -LINUX_EFAULT;
	}
	if (!a4) {
		return result;
	}
	int64_t error = put_name(&received.head.name, a4, a5);

	return error ? error : result;
}

/* ---- several messages ------------------------------------------------------------------------ */

constexpr uint64_t MMSGHDR_SIZE = sizeof(struct linux_msghdr) + 8;

static int64_t put_message_size(uint64_t address, int64_t size)
{
	uint32_t value = (uint32_t)size;

	return shim_put(address + sizeof(struct linux_msghdr), &value, sizeof(value));
}

int64_t shim_sendmmsg(SHIM_ARGS)
{
	uint64_t n_max = (uint32_t)a2 < IOV_MAX_COUNT ? (uint32_t)a2 : IOV_MAX_COUNT;

	SHIM_UNUSED;
	for (uint64_t i = 0; i < n_max; i++) {
		uint64_t address = a1 + i * MMSGHDR_SIZE;
		struct linux_msghdr message;
		int64_t result = shim_get(&message, address, sizeof(message));

		if (result == 0) {
			result = send_message(a0, &message, a3);
		}
		if (result >= 0) {
			result = put_message_size(address, result);
		}
		if (result < 0) {
			return i ? (int64_t)i : result;
		}
	}
	return (int64_t)n_max;
}

/* As on Linux the timeout is looked at after each message only. */
int64_t shim_recvmmsg(SHIM_ARGS)
{
	uint64_t flags = (uint32_t)a3, deadline_ns = ~(uint64_t)0, timeout_ns;

	SHIM_UNUSED;
	if (a4) {
		int error = shim_get_timespec(a4, &timeout_ns);

		if (error) {
			return error;
		}
		deadline_ns = shim_deadline_after(timeout_ns);
	}
	for (uint64_t i = 0; i < (uint32_t)a2; i++) {
		uint64_t address = a1 + i * MMSGHDR_SIZE;
		int64_t result =
			receive_message(a0, address, flags & ~(uint64_t)LINUX_MSG_WAITFORONE);

		if (result >= 0) {
			result = put_message_size(address, result);
		}
		if (result < 0) {
			return i ? (int64_t)i : result;
		}
		if (flags & LINUX_MSG_WAITFORONE) {
			flags |= LINUX_MSG_DONTWAIT;
		}
		if (a4 && shim_clock_ns() >= deadline_ns) {
			return (int64_t)i + 1;
		}
	}
	return (int64_t)(uint32_t)a2;
}
