/* SPDX-License-Identifier: MIT */
/* The queue of a socket: messages and their bytes; who pays for them. See unix.h. */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <helix/memory.h>
#include <posix/server/socket/family.h>
#include <posix/server/socket/unix.h>

/* A message that a stream's send begins holds at most this much. */
constexpr uint32_t UNIX_RUN_MAX = MIB(1);

struct unix_message *unix_message_first(const struct unix_socket *socket)
{
	return LIST_FIRST(&socket->messages, struct unix_message, node);
}

static void message_discharge(struct unix_message *message, uint32_t charge)
{
	ASSERT(message->charge >= charge && message->sender->n_charged >= charge);
	message->charge -= charge;
	message->sender->n_charged -= charge;
	unix_memory_update(message->sender);
}

void unix_message_free(struct unix_message *message)
{
	message_discharge(message, message->charge);
	if (message->rights != NULL) {
		unix_rights_drop(message->rights);
	}
	unix_name_unref(message->from);
	unix_unref(message->sender);
	helix_free(message);
}

void unix_message_finish(struct unix_socket *socket, struct unix_message *message)
{
	byte_queue_drop(&socket->bytes, message->size);
	list_remove(&message->node);
	socket->n_messages--;
	wait_queue_wake(&message->sender->changed);
	if (socket->n_messages + 1 == UNIX_DGRAMS_MAX) {
		unix_wake_senders(socket);
	}
	unix_message_free(message);
}

void unix_message_shorten(struct unix_message *message, uint32_t size)
{
	message->size -= size;
	message_discharge(message, size);
	wait_queue_wake(&message->sender->changed);
}

void unix_drop_messages(struct unix_socket *socket)
{
	struct unix_message *message;

	while ((message = unix_message_first(socket)) != NULL) {
		unix_message_finish(socket, message);
	}
}

/* ---- sending --------------------------------------------------------------------------------- */

static struct unix_message *message_create(struct unix_socket *socket, struct unix_send *send)
{
	struct unix_message *message = helix_malloc(sizeof(*message));

	if (message == NULL) {
		return NULL;
	}
	*message = (struct unix_message){
		.sender = socket,
		.credentials = send->credentials,
		.has_credentials = send->has_credentials,
		.charge = UNIX_MESSAGE_CHARGE,
	};
	unix_ref(socket);
	socket->n_charged += message->charge;
	if (!unix_is_stream(socket) && socket->name != NULL) {
		message->from = socket->name;
		message->from->references++;
	}
	return message;
}

static bool credentials_are_equal(const struct unix_message *message, const struct unix_send *send)
{
	return message->has_credentials == send->has_credentials &&
		(!send->has_credentials ||
			(message->credentials.pid == send->credentials.pid &&
				message->credentials.uid == send->credentials.uid &&
				message->credentials.gid == send->credentials.gid));
}

/* The message of a stream that these bytes may be added to. */
static struct unix_message *message_to_extend(
	struct unix_socket *socket, const struct unix_socket *to, const struct unix_send *send)
{
	struct unix_message *last = LIST_ENTRY(list_last(&to->messages), struct unix_message, node);

	if (!unix_is_stream(socket) || last == NULL || last->rights != NULL ||
		send->rights != NULL || last->size > UNIX_RUN_MAX ||
		!credentials_are_equal(last, send)) {
		return NULL;
	}
	return last;
}

uint64_t unix_memory_room(const struct unix_socket *socket)
{
	uint64_t room = socket_memory_room(&socket->memory, socket->file != NULL);

	return room < UNIX_MESSAGE_CHARGE ? 0 : room - UNIX_MESSAGE_CHARGE;
}

/*
 * How many bytes may go now. A packet goes as a whole as soon as its sender owes less than it may,
 * and so does a block of a stream, as Linux does it with the pieces of a stream's send.
 */
static int64_t room_for(const struct unix_socket *socket, const struct unix_socket *to,
	const struct unix_send *send)
{
	if (unix_is_dgram(socket) && to != socket && to->peer != socket &&
		to->n_messages >= UNIX_DGRAMS_MAX) {
		return -LINUX_EAGAIN;
	}
	if (socket->n_charged >= socket->send_max) {
		return -LINUX_EAGAIN;
	}
	uint64_t memory = unix_memory_room(socket);

	if ((!unix_is_stream(socket) ||
		    (send->size >= SOCKET_BLOCK_MIN && send->size <= SOCKET_WHOLE_MAX)) &&
		send->size <= memory) {
		return (int64_t)send->size;
	}
	/* what was sent before makes room when it is read; without it nobody does */
	if (!unix_is_stream(socket) || memory == 0) {
		return socket->n_charged > 0 ? -LINUX_EAGAIN : -LINUX_ENOBUFS;
	}
	return (int64_t)min_u64(send->size, min_u64(memory, socket->send_max - socket->n_charged));
}

int64_t unix_put(struct unix_socket *socket, struct unix_socket *to, struct unix_send *send)
{
	int64_t room = room_for(socket, to, send);

	if (room < 0 || (room == 0 && unix_is_stream(socket))) {
		return room;
	}
	struct unix_message *message = message_to_extend(socket, to, send);
	bool is_new = message == NULL;

	if (is_new) {
		message = message_create(socket, send);
	}
	if (message == NULL) {
		return -LINUX_ENOMEM;
	}
	if (room > 0 &&
		!socket_append(&to->bytes, send->request, send->bytes, (size_t)room, send->size)) {
		if (is_new) {
			unix_message_free(message);
		}
		return -LINUX_ENOMEM;
	}
	if (is_new) {
		message->rights = send->rights;
		send->rights = NULL;
		list_push_back(&to->messages, &message->node);
		to->n_messages++;
	}
	message->size += (uint32_t)room;
	message->charge += (uint32_t)room;
	socket->n_charged += (uint32_t)room;
	unix_memory_update(socket);
	wait_queue_wake(&to->changed);
	return room;
}
