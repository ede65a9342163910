/* SPDX-License-Identifier: MIT */
/* All sockets as the lines of /proc/net/unix. */
#include <base/format.h>
#include <posix/server/socket/unix.h>
#include <posix/server/vfs/inode.h>

/* The states of Linux' struct socket, and the flag of one that listens. */
enum socket_state { SOCKET_UNCONNECTED = 1, SOCKET_CONNECTED = 3 };
constexpr uint32_t SOCKET_ACCEPTS = 0x10000;

static struct list sockets = LIST_INIT(sockets); /* that are not dead */
static uint32_t n_sockets;

void unix_list_add(struct unix_socket *socket)
{
	list_push_back(&sockets, &socket->all_node);
	n_sockets++;
}

void unix_list_remove(struct unix_socket *socket)
{
	list_remove(&socket->all_node);
	n_sockets--;
}

uint32_t unix_count(void)
{
	return n_sockets;
}

static size_t print_name(const struct unix_name *name, char *buffer, size_t size)
{
	size_t used = 0;
	bool is_abstract = name->bytes[0] == '\0';
	uint32_t n_bytes = name->size - !is_abstract;

	/* NULs of abstract names are shown as @ */
	for (uint32_t i = 0; i < n_bytes; i++) {
		used += format_to(buffer + min_size(used, size), size - min_size(used, size), "%c",
			name->bytes[i] == '\0' ? '@' : name->bytes[i]);
	}
	return used;
}

static size_t print_one(const struct unix_socket *socket, char *buffer, size_t size)
{
	size_t used = format_to(buffer, size, "%016x: %08x 00000000 %08x %04x %02x %5llu", 0,
		socket->references, socket->state == UNIX_LISTENING ? SOCKET_ACCEPTS : 0,
		socket->type,
		socket->state == UNIX_CONNECTED ? SOCKET_CONNECTED : SOCKET_UNCONNECTED,
		socket->file == NULL ? 0ull : (unsigned long long)socket->file->inode->ino);

	if (socket->name != NULL) {
		used += format_to(buffer + min_size(used, size), size - min_size(used, size), " ");
		used += print_name(
			socket->name, buffer + min_size(used, size), size - min_size(used, size));
	}
	return used + format_to(buffer + min_size(used, size), size - min_size(used, size), "\n");
}

size_t unix_print_all(char *buffer, size_t size)
{
	size_t used = format_to(
		buffer, size, "Num       RefCount Protocol Flags    Type St Inode Path\n");

	LIST_FOR_EACH(socket, &sockets, struct unix_socket, all_node) {
		used += print_one(
			socket, buffer + min_size(used, size), size - min_size(used, size));
	}
	return used;
}
