/* SPDX-License-Identifier: MIT */
/*
 * What NETLINK_SOCK_DIAG says of AF_INET sockets: all of a family and a protocol that are in one of
 * the states that are asked for. Filters in the program's request are for the kernel's work only,
 * so they are not looked at: ss(8) applies them again.
 */
#include <abi/linux/errno.h>
#include <abi/linux/sock-diag.h>
#include <base/string.h>
#include <posix/server/socket/inet.h>
#include <posix/server/socket/netlink.h>
#include <posix/server/vfs/inode.h>

/* The most that is said of one socket. */
constexpr uint32_t ONE_MAX = 512;

static uint16_t swap_port(uint16_t port)
{
	return (uint16_t)(port >> 8 | port << 8);
}

static void put_ip(
	const struct inet_socket *socket, const struct inet_address *address, uint8_t *out)
{
	if (socket->family == LINUX_AF_INET) {
		memcpy(out, address->ip + 12, 4);
	} else {
		memcpy(out, address->ip, sizeof(address->ip));
	}
}

static void put_socket(
	struct netlink_answer *answer, const struct inet_socket *socket, uint8_t extensions)
{
	bool is_listening = socket->state == INET_LISTENING;
	uint32_t start = answer->size;
	uint64_t inode = socket->file == NULL ? 0 : socket->file->inode->ino;
	uint8_t shut = (uint8_t)(socket->is_read_shut | socket->is_write_shut << 1);
	struct linux_inet_diag_msg about = {
		.family = (uint8_t)socket->family,
		.state = inet_state_of(socket),
		.id = {
			.from_port = swap_port(socket->local.port),
			.to_port = swap_port(socket->remote.port),
			.cookie = { (uint32_t)inode, (uint32_t)(inode >> 32) },
		},
		.n_received = is_listening ? socket->n_children : (uint32_t)inet_held_bytes(socket),
		.n_sent = is_listening ? socket->backlog : 0,
		.uid = socket->uid,
		.inode = (uint32_t)inode,
	};

	put_ip(socket, &socket->local, about.id.from);
	put_ip(socket, &socket->remote, about.id.to);
	memcpy(netlink_put(answer, LINUX_SOCK_DIAG_BY_FAMILY, LINUX_NLM_F_MULTI, sizeof(about)),
		&about, sizeof(about));
	netlink_put_attribute(answer, start, LINUX_INET_DIAG_SHUTDOWN, &shut, sizeof(shut));
	if (socket->family == LINUX_AF_INET6 && (is_listening || about.state == LINUX_TCP_CLOSE)) {
		uint8_t is_only_v6 = socket->is_only_v6;

		netlink_put_attribute(
			answer, start, LINUX_INET_DIAG_SKV6ONLY, &is_only_v6, sizeof(is_only_v6));
	}
	if ((extensions & 1 << (LINUX_INET_DIAG_INFO - 1)) && inet_is_stream(socket)) {
		struct linux_tcp_info info = inet_tcp_info(socket);

		netlink_put_attribute(answer, start, LINUX_INET_DIAG_INFO, &info, sizeof(info));
	}
}

static bool is_wanted(const struct inet_socket *socket, const struct linux_inet_diag_req_v2 *asked)
{
	return socket->family == asked->family && socket->protocol == asked->protocol &&
		inet_is_listed(socket) && (asked->states & 1u << inet_state_of(socket));
}

int64_t netlink_diag(const struct linux_nlmsghdr *request, const uint8_t *body, size_t body_size,
	struct netlink_answer *answer, int64_t (*flush)(struct netlink_answer *answer))
{
	struct linux_inet_diag_req_v2 asked;
	int32_t none = 0;

	if (request->type != LINUX_SOCK_DIAG_BY_FAMILY || body_size < 1) {
		return -LINUX_EINVAL;
	}
	if (body[0] != LINUX_AF_INET && body[0] != LINUX_AF_INET6) {
		return -LINUX_ENOENT;
	}
	if (body_size < sizeof(asked)) {
		return -LINUX_EINVAL;
	}
	if ((request->flags & LINUX_NLM_F_DUMP) != LINUX_NLM_F_DUMP) {
		return -LINUX_EOPNOTSUPP;
	}
	memcpy(&asked, body, sizeof(asked));
	for (const struct inet_socket *socket = inet_list_next(NULL); socket != NULL;
		socket = inet_list_next(socket)) {
		if (!is_wanted(socket, &asked)) {
			continue;
		}
		if (answer->max - answer->size < ONE_MAX) {
			int64_t error = flush(answer);

			if (error < 0) {
				return error;
			}
		}
		put_socket(answer, socket, asked.extensions);
	}
	memcpy(netlink_put(answer, LINUX_NLMSG_DONE, LINUX_NLM_F_MULTI, sizeof(none)), &none,
		sizeof(none));
	return 0;
}
