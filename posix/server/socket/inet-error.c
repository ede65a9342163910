/* SPDX-License-Identifier: MIT */
/*
 * AF_INET: what becomes of datagrams that nobody takes. The next call of a connected socket fails,
 * as that of any with IP_RECVERR or IPV6_RECVERR; sockets with these keep the datagram, too, for
 * who asks with MSG_ERRQUEUE: where it was sent to, its first bytes, and the error.
 */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/socket/inet.h>

/* What comes back of a datagram in a message of ICMP behind all headers. */
constexpr uint32_t RETURNED_MAX_V4 = 520, RETURNED_MAX_V6 = 1184;

static bool keeps_errors(const struct inet_socket *socket, bool is_v4)
{
	return socket->numbers[is_v4 ? INET_RECEIVE_ERROR : INET_RECEIVE_ERROR_6] != 0;
}

/* Without memory or room there is only the error itself. */
static void keep(
	struct inet_socket *socket, const struct inet_datagram *datagram, const uint8_t *bytes)
{
	uint32_t max = inet_is_v4(&datagram->to) ? RETURNED_MAX_V4 : RETURNED_MAX_V6;
	uint32_t size = (uint32_t)min_size(datagram->size, max);
	uint32_t charge = size + INET_DGRAM_CHARGE;

	if (socket->n_charged + charge > socket->receive_max ||
		socket_memory_room(&socket->memory, true) < charge) {
		return;
	}
	struct inet_error *error = helix_malloc(sizeof(*error) + size);

	if (error == NULL) {
		return;
	}
	*error = (struct inet_error){
		.to = datagram->to,
		.n_charged = charge,
		.size = size,
	};
	memcpy(error->bytes, bytes, size);
	list_push_back(&socket->errors, &error->node);
	socket->n_charged += charge;
	inet_memory_update(socket);
}

void inet_error_add(
	struct inet_socket *socket, const struct inet_datagram *datagram, const uint8_t *bytes)
{
	bool keeps = keeps_errors(socket, inet_is_v4(&datagram->to));

	if (!keeps && socket->state != INET_CONNECTED) {
		return;
	}
	if (keeps) {
		keep(socket, datagram, bytes);
	}
	socket->error = LINUX_ECONNREFUSED;
	wait_queue_wake(&socket->changed);
}

static void drop(struct inet_socket *socket, struct inet_error *error)
{
	list_remove(&error->node);
	socket->n_charged -= error->n_charged;
	inet_memory_update(socket);
	helix_free(error);
}

void inet_error_drop_all(struct inet_socket *socket)
{
	struct inet_error *error;

	while ((error = LIST_FIRST(&socket->errors, struct inet_error, node)) != NULL) {
		drop(socket, error);
	}
}

/* The error as control data: who has told of it is the address that it was sent to. */
static void describe(const struct inet_socket *socket, const struct inet_error *error,
	struct socket_receive *receive)
{
	bool is_v4 = inet_is_v4(&error->to);
	struct inet_address offender = error->to;
	struct posix_socket_address name;
	struct {
		struct linux_sock_extended_err error;
		uint8_t offender[sizeof(struct linux_sockaddr_in6)];
	} data = {
		.error = {
			.error = LINUX_ECONNREFUSED,
			.origin = is_v4 ? LINUX_SO_EE_ORIGIN_ICMP : LINUX_SO_EE_ORIGIN_ICMP6,
			.type = is_v4 ? LINUX_ICMP_DEST_UNREACH : LINUX_ICMPV6_DEST_UNREACH,
			.code = is_v4 ? LINUX_ICMP_PORT_UNREACH : LINUX_ICMPV6_PORT_UNREACH,
		},
	};
	bool is_inet = socket->family == LINUX_AF_INET;

	offender.port = 0;
	inet_encode(socket, &offender, &name);
	memcpy(data.offender, name.bytes, name.size);
	socket_control_add(&receive->control, is_inet ? LINUX_IPPROTO_IP : LINUX_IPPROTO_IPV6,
		is_inet ? LINUX_IP_RECVERR : LINUX_IPV6_RECVERR, &data,
		sizeof(data.error) + name.size);
	inet_encode(socket, &error->to, &receive->out->name);
	receive->out->flags |= LINUX_MSG_ERRQUEUE;
	receive->out->flags |= receive->size < error->size ? LINUX_MSG_TRUNC : 0;
}

int64_t inet_error_receive(
	struct inet_socket *socket, struct request *request, struct socket_receive *receive)
{
	struct inet_error *error = LIST_FIRST(&socket->errors, struct inet_error, node);

	if (error == NULL) {
		return -LINUX_EAGAIN;
	}
	int64_t result =
		socket_give(request, receive, error->bytes, min_size(error->size, receive->size));

	if (result < 0) {
		return result;
	}
	if (receive->out != NULL) {
		describe(socket, error, receive);
	}
	drop(socket, error);
	socket->error = list_is_empty(&socket->errors) ? 0 : LINUX_ECONNREFUSED;
	return result;
}
