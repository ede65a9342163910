/* SPDX-License-Identifier: MIT */
/* Addresses of AF_INET and AF_INET6; what of them is in this machine. See inet.h. */
#include <abi/linux/errno.h>
#include <abi/linux/inet.h>
#include <base/string.h>
#include <posix/server/socket/inet.h>

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };
static const uint8_t v4_loopback[4] = { 127, 0, 0, 1 };

static uint16_t swap_port(uint16_t port)
{
	return (uint16_t)(port >> 8 | port << 8);
}

static void set_v4(struct inet_address *address, const uint8_t *ip)
{
	memcpy(address->ip, v4_prefix, sizeof(v4_prefix));
	memcpy(address->ip + sizeof(v4_prefix), ip, 4);
}

bool inet_is_v4(const struct inet_address *address)
{
	return memcmp(address->ip, v4_prefix, sizeof(v4_prefix)) == 0;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != 0) {
			return false;
		}
	}
	return true;
}

bool inet_is_any(const struct inet_address *address)
{
	return inet_is_v4(address) ? is_zero(address->ip + 12, 4) : is_zero(address->ip, 16);
}

bool inet_is_local(const struct inet_address *address)
{
	if (inet_is_v4(address)) {
		/* the last one is the broadcast address of `lo` */
		return address->ip[12] == 127 &&
			!(address->ip[13] == 255 && address->ip[14] == 255 &&
				address->ip[15] == 255);
	}
	return is_zero(address->ip, 15) && address->ip[15] == 1;
}

bool inet_is_equal_ip(const struct inet_address *a, const struct inet_address *b)
{
	return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

struct inet_address inet_any(uint16_t family)
{
	struct inet_address address = { 0 };

	if (family == LINUX_AF_INET) {
		set_v4(&address, (const uint8_t[4]){ 0 });
	}
	return address;
}

static void set_loopback(struct inet_address *address, bool is_v4)
{
	if (is_v4) {
		set_v4(address, v4_loopback);
	} else {
		memset(address->ip, 0, sizeof(address->ip));
		address->ip[15] = 1;
	}
}

int64_t inet_decode(const struct inet_socket *socket, const void *name, size_t size,
	struct inet_address *out_address)
{
	struct linux_sockaddr_in v4;
	struct linux_sockaddr_in6 v6;
	uint16_t family;

	if (size < sizeof(family)) {
		return -LINUX_EINVAL;
	}
	memcpy(&family, name, sizeof(family));
	if (family == LINUX_AF_INET && size >= sizeof(v4)) {
		memcpy(&v4, name, sizeof(v4));
		set_v4(out_address, v4.ip);
		out_address->port = swap_port(v4.port);
		return 0;
	}
	if (family == LINUX_AF_INET6 && socket->family == LINUX_AF_INET6 &&
		size >= LINUX_SOCKADDR_IN6_MIN) {
		memset(&v6, 0, sizeof(v6));
		memcpy(&v6, name, min_size(size, sizeof(v6)));
		memcpy(out_address->ip, v6.ip, sizeof(v6.ip));
		out_address->port = swap_port(v6.port);
		return 0;
	}
	size_t least = socket->family == LINUX_AF_INET ? sizeof(v4) : LINUX_SOCKADDR_IN6_MIN;

	return size < least ? -LINUX_EINVAL : -LINUX_EAFNOSUPPORT;
}

void inet_encode(const struct inet_socket *socket, const struct inet_address *address,
	struct posix_socket_address *out_name)
{
	*out_name = (struct posix_socket_address){ 0 };
	if (socket->family == LINUX_AF_INET) {
		struct linux_sockaddr_in v4 = {
			.family = LINUX_AF_INET,
			.port = swap_port(address->port),
		};

		memcpy(v4.ip, address->ip + 12, sizeof(v4.ip));
		memcpy(out_name->bytes, &v4, sizeof(v4));
		out_name->size = sizeof(v4);
	} else {
		struct linux_sockaddr_in6 v6 = {
			.family = LINUX_AF_INET6,
			.port = swap_port(address->port),
		};

		memcpy(v6.ip, address->ip, sizeof(v6.ip));
		memcpy(out_name->bytes, &v6, sizeof(v6));
		out_name->size = sizeof(v6);
	}
}

int64_t inet_route(const struct inet_socket *socket, const struct inet_address *to,
	struct inet_address *out_to, struct inet_address *out_from)
{
	struct inet_address target = *to;
	bool is_v4 = inet_is_v4(to);

	if (is_v4 ? socket->family == LINUX_AF_INET6 && socket->is_only_v6
		  : socket->family == LINUX_AF_INET) {
		return -LINUX_ENETUNREACH;
	}
	if (inet_is_any(to)) {
		/* :: means the loopback address of what the socket is bound to */
		is_v4 = is_v4 || (inet_is_v4(&socket->local) && socket->port != NULL);
		set_loopback(&target, is_v4);
	}
	if (!inet_is_local(&target)) {
		return -LINUX_ENETUNREACH;
	}
	struct inet_address from = socket->local;

	if (inet_is_any(&from)) {
		set_loopback(&from, is_v4);
	} else if (inet_is_v4(&from) != is_v4) {
		return -LINUX_ENETUNREACH;
	}
	*out_to = target;
	*out_from = from;
	return 0;
}
