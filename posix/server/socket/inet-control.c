/* SPDX-License-Identifier: MIT */
/*
 * AF_INET: control data of datagrams. Receiving: where a datagram was sent to, its hop limit and
 * its class, if the socket's options ask for them. Sending: from which address, with which of both.
 */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <posix/server/socket/inet.h>

constexpr size_t CONTROL_HEADER = sizeof(struct linux_cmsghdr);
constexpr int32_t LO_INDEX = 1;

/* ---- receiving ------------------------------------------------------------------------------- */

static void add_number(
	struct socket_control *control, uint32_t level, uint32_t type, int32_t number)
{
	socket_control_add(control, level, type, &number, sizeof(number));
}

static void encode_v4(const struct inet_socket *socket, const struct inet_datagram *datagram,
	struct socket_control *control)
{
	if (socket->numbers[INET_PACKET_INFO]) {
		struct linux_in_pktinfo info = { .index = LO_INDEX };

		memcpy(info.to, datagram->to.ip + 12, sizeof(info.to));
		memcpy(info.local, datagram->to.ip + 12, sizeof(info.local));
		socket_control_add(
			control, LINUX_IPPROTO_IP, LINUX_IP_PKTINFO, &info, sizeof(info));
	}
	if (socket->numbers[INET_RECEIVE_TTL]) {
		add_number(control, LINUX_IPPROTO_IP, LINUX_IP_TTL, datagram->hops);
	}
	if (socket->numbers[INET_RECEIVE_TOS]) {
		socket_control_add(control, LINUX_IPPROTO_IP, LINUX_IP_TOS, &datagram->class,
			sizeof(datagram->class));
	}
}

/* When it came; for those that were there before the option: now. */
static void encode_time(const struct inet_socket *socket, const struct inet_datagram *datagram,
	struct socket_control *control)
{
	constexpr uint64_t SECOND_NS = UINT64_C(1000000000);
	uint64_t ns = datagram->received_ns != 0 ? datagram->received_ns : clock_realtime_ns();
	bool is_ns = socket->numbers[INET_TIME_STAMP_NS] != 0;
	int64_t time[2] = { (int64_t)(ns / SECOND_NS),
		(int64_t)(ns % SECOND_NS / (is_ns ? 1 : 1000)) };

	socket_control_add(control, LINUX_SOL_SOCKET,
		is_ns ? LINUX_SO_TIMESTAMPNS : LINUX_SO_TIMESTAMP, time, sizeof(time));
}

void inet_control_encode(const struct inet_socket *socket, const struct inet_datagram *datagram,
	struct socket_control *control)
{
	bool is_v4 = inet_is_v4(&datagram->to);

	if (socket->numbers[INET_TIME_STAMP] || socket->numbers[INET_TIME_STAMP_NS]) {
		encode_time(socket, datagram, control);
	}
	if (socket->numbers[INET_PACKET_INFO_6]) {
		struct linux_in6_pktinfo info = { .index = LO_INDEX };

		memcpy(info.ip, datagram->to.ip, sizeof(info.ip));
		socket_control_add(
			control, LINUX_IPPROTO_IPV6, LINUX_IPV6_PKTINFO, &info, sizeof(info));
	}
	if (is_v4) {
		encode_v4(socket, datagram, control);
		return;
	}
	if (socket->numbers[INET_RECEIVE_HOPS]) {
		add_number(control, LINUX_IPPROTO_IPV6, LINUX_IPV6_HOPLIMIT, datagram->hops);
	}
	if (socket->numbers[INET_RECEIVE_CLASS]) {
		add_number(control, LINUX_IPPROTO_IPV6, LINUX_IPV6_TCLASS, datagram->class);
	}
}

/* ---- sending --------------------------------------------------------------------------------- */

static int64_t set_from(struct inet_control *control, int32_t index, const uint8_t *ip, size_t size)
{
	if (index != 0 && index != LO_INDEX) {
		return -LINUX_ENODEV;
	}
	control->from = inet_any(size == 4 ? LINUX_AF_INET : LINUX_AF_INET6);
	memcpy(control->from.ip + sizeof(control->from.ip) - size, ip, size);
	control->has_from = !inet_is_any(&control->from);
	return control->has_from && !inet_is_local(&control->from) ? -LINUX_EINVAL : 0;
}

/* A number of 0 to 255; -1, if @has_default: as it is usually. */
static int64_t set_number(
	uint8_t *number, const uint8_t *data, size_t size, int32_t min, bool has_default)
{
	int32_t value;

	if (size != sizeof(value)) {
		return -LINUX_EINVAL;
	}
	memcpy(&value, data, sizeof(value));
	if (has_default && value == -1) {
		return 0;
	}
	if (value < min || value > (int32_t)UINT8_MAX) {
		return -LINUX_EINVAL;
	}
	*number = (uint8_t)value;
	return 0;
}

static int64_t decode_v4(
	uint32_t type, const uint8_t *data, size_t size, struct inet_control *control)
{
	struct linux_in_pktinfo info;

	switch (type) {
	case LINUX_IP_PKTINFO:
		if (size != sizeof(info)) {
			return -LINUX_EINVAL;
		}
		memcpy(&info, data, sizeof(info));
		return set_from(control, info.index, info.local, sizeof(info.local));
	case LINUX_IP_TTL: return set_number(&control->hops, data, size, 1, false);
	case LINUX_IP_TOS:
		if (size == sizeof(control->class)) {
			control->class = *data;
			return 0;
		}
		return set_number(&control->class, data, size, 0, false);
	default: return -LINUX_EINVAL;
	}
}

static int64_t decode_v6(
	uint32_t type, const uint8_t *data, size_t size, struct inet_control *control)
{
	struct linux_in6_pktinfo info;

	switch (type) {
	case LINUX_IPV6_PKTINFO:
		if (size < sizeof(info)) {
			return -LINUX_EINVAL;
		}
		memcpy(&info, data, sizeof(info));
		return set_from(control, info.index, info.ip, sizeof(info.ip));
	case LINUX_IPV6_HOPLIMIT: return set_number(&control->hops, data, size, 0, true);
	case LINUX_IPV6_TCLASS: return set_number(&control->class, data, size, 0, true);
	default: return -LINUX_EINVAL;
	}
}

/* One header, of a socket that sends to IPv4 or not. Levels that mean nothing here are ignored. */
static int64_t decode_one(const struct inet_socket *socket, bool is_v4,
	const struct linux_cmsghdr *header, const uint8_t *data, struct inet_control *control)
{
	size_t size = (size_t)header->size - CONTROL_HEADER;
	uint32_t type = (uint32_t)header->type;
	bool is_mapped = is_v4 && socket->family == LINUX_AF_INET6;

	switch ((uint32_t)header->level) {
	case LINUX_SOL_SOCKET:
		return type == LINUX_SCM_RIGHTS || type == LINUX_SCM_CREDENTIALS ? 0
										 : -LINUX_EINVAL;
	case LINUX_IPPROTO_IP: return is_v4 ? decode_v4(type, data, size, control) : 0;
	case LINUX_IPPROTO_IPV6:
		/* to an address of IPv4, only where from counts */
		if (is_v4 && (!is_mapped || type != LINUX_IPV6_PKTINFO)) {
			return 0;
		}
		return decode_v6(type, data, size, control);
	default: return 0;
	}
}

int64_t inet_control_decode(const struct inet_socket *socket, const struct inet_address *to,
	const struct socket_message *message, struct inet_control *out_control)
{
	bool is_v4 = inet_is_v4(to);
	size_t offset = 0;
	struct inet_control control = {
		.hops = (uint8_t)socket->numbers[is_v4 ? INET_TTL : INET_HOPS],
		.class = (uint8_t)socket->numbers[is_v4 ? INET_TOS : INET_CLASS],
	};

	while (offset <= message->control_size &&
		message->control_size - offset >= CONTROL_HEADER) {
		struct linux_cmsghdr header;

		memcpy(&header, message->control + offset, sizeof(header));
		if (header.size < CONTROL_HEADER || header.size > message->control_size - offset) {
			return -LINUX_EINVAL;
		}
		int64_t error = decode_one(socket, is_v4, &header,
			message->control + offset + CONTROL_HEADER, &control);

		if (error < 0) {
			return error;
		}
		offset += align_up(header.size, sizeof(uint64_t));
	}
	*out_control = control;
	return 0;
}
