/* SPDX-License-Identifier: MIT */
/* AF_INET sockets as the lines of /proc/net/tcp, tcp6, udp and udp6. */
#include <base/format.h>
#include <base/string.h>
#include <posix/server/socket/inet.h>
#include <posix/server/vfs/inode.h>

constexpr uint32_t LINE_SIZE = 149; /* of tcp, without the newline; padded */

static struct list sockets = LIST_INIT(sockets); /* that are not dead */
static struct inet_counts counts;

static uint32_t *count_of(const struct inet_socket *socket)
{
	return inet_is_stream(socket) ? &counts.n_streams : &counts.n_dgrams;
}

void inet_list_add(struct inet_socket *socket)
{
	list_push_back(&sockets, &socket->all_node);
	*count_of(socket) += 1;
}

void inet_list_remove(struct inet_socket *socket)
{
	list_remove(&socket->all_node);
	*count_of(socket) -= 1;
}

const struct inet_socket *inet_list_next(const struct inet_socket *socket)
{
	const struct list_node *next = socket == NULL ? sockets.head.next : socket->all_node.next;

	return next == &sockets.head ? NULL : container_of(next, struct inet_socket, all_node);
}

bool inet_is_listed(const struct inet_socket *socket)
{
	return socket->port != NULL &&
		(!inet_is_stream(socket) || inet_state_of(socket) != LINUX_TCP_CLOSE);
}

struct inet_counts inet_count(void)
{
	return counts;
}

enum linux_tcp_state inet_state_of(const struct inet_socket *socket)
{
	switch (socket->state) {
	case INET_LISTENING: return LINUX_TCP_LISTEN;
	case INET_CONNECTING: return LINUX_TCP_SYN_SENT;
	case INET_CONNECTED:
		if (socket->is_write_shut && inet_is_stream(socket)) {
			return LINUX_TCP_FIN_WAIT_2;
		}
		return socket->has_fin ? LINUX_TCP_CLOSE_WAIT : LINUX_TCP_ESTABLISHED;
	default: return LINUX_TCP_CLOSE;
	}
}

/* Words of four bytes, each as a number of this machine. */
static size_t print_address(const struct inet_socket *socket, const struct inet_address *address,
	char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = socket->family == LINUX_AF_INET ? 12 : 0; i < 16; i += 4) {
		uint32_t word;

		memcpy(&word, address->ip + i, sizeof(word));
		used += format_to(out + used, size - used, "%08X", word);
	}
	return used + format_to(out + used, size - used, ":%04X", (uint32_t)address->port);
}

static size_t print_one(const struct inet_socket *socket, uint32_t index, char *line, size_t size)
{
	size_t used = format_to(line, size, "%4u: ", index);
	uint32_t n_queued = (uint32_t)inet_held_bytes(socket);

	if (socket->state == INET_LISTENING) {
		n_queued = socket->n_children;
	}
	used += print_address(socket, &socket->local, line + used, size - used);
	used += format_to(line + used, size - used, " ");
	used += print_address(socket, &socket->remote, line + used, size - used);
	used += format_to(line + used, size - used,
		" %02X %08X:%08X 00:00000000 00000000 %5u %8u %llu %u 0000000000000000",
		(uint32_t)inet_state_of(socket), 0u, n_queued, socket->uid, 0u,
		socket->file == NULL ? 0ull : (unsigned long long)socket->file->inode->ino,
		socket->references);
	used += format_to(
		line + used, size - used, inet_is_stream(socket) ? " 20 0 0 10 -1" : " 0");
	while (used < LINE_SIZE && socket->family == LINUX_AF_INET && inet_is_stream(socket)) {
		line[used++] = ' ';
	}
	line[used++] = '\n';
	return used;
}

size_t inet_print_all(uint16_t family, uint16_t protocol, char *buffer, size_t size)
{
	const char *more = protocol == LINUX_IPPROTO_TCP ? "" : " ref pointer drops";
	const char *local = family == LINUX_AF_INET
		? "local_address rem_address   st"
		: "local_address                         remote_address                        st";
	size_t used = format_to(buffer, size,
		"  sl  %s tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode%s\n", local,
		more);
	uint32_t index = 0;

	LIST_FOR_EACH(socket, &sockets, struct inet_socket, all_node) {
		char line[256];

		if (socket->family != family || socket->protocol != protocol ||
			!inet_is_listed(socket)) {
			continue;
		}
		size_t n = print_one(socket, index++, line, sizeof(line));

		if (used < size) {
			memcpy(buffer + used, line, min_size(n, size - used));
		}
		used += n;
	}
	return used;
}
