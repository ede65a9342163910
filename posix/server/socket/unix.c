/* SPDX-License-Identifier: MIT */
/* Life of sockets, and what they are as files; see unix.h. */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <abi/linux/stat.h>
#include <abi/linux/termios.h>
#include <base/assert.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/socket/transfer.h>
#include <posix/server/socket/unix.h>
#include <posix/server/vfs/inode.h>

struct unix_socket *unix_of_file(const struct file *file)
{
	return file->ops == &unix_file_ops ? file->data : NULL;
}

struct unix_socket *unix_create(uint32_t type, const struct process *process)
{
	struct unix_socket *socket = helix_malloc(sizeof(*socket));

	if (socket == NULL) {
		return NULL;
	}
	*socket = (struct unix_socket){
		.references = 1,
		.type = type,
		.own = { process->pid, process->credentials.euid, process->credentials.egid },
		.send_max = UNIX_BUFFER_USUAL,
		.receive_max = UNIX_BUFFER_USUAL,
		.send_timeout_ns = HEL_DEADLINE_NEVER,
		.receive_timeout_ns = HEL_DEADLINE_NEVER,
	};
	if (socket_memory_init(&socket->memory, process->credentials.uid) < 0) {
		helix_free(socket);
		return NULL;
	}
	byte_queue_init(&socket->bytes);
	list_init(&socket->messages);
	list_init(&socket->children);
	list_init(&socket->senders);
	list_node_init(&socket->child_node);
	list_node_init(&socket->sender_node);
	list_node_init(&socket->flight_node);
	wait_queue_init(&socket->changed);
	wait_queue_init(&socket->room);
	unix_list_add(socket);
	return socket;
}

void unix_memory_update(struct unix_socket *socket)
{
	socket_memory_set(&socket->memory,
		socket->n_charged + (socket->listener != NULL ? SOCKET_MEMORY_CHILD : 0));
}

void unix_ref(struct unix_socket *socket)
{
	socket->references++;
}

void unix_unref(struct unix_socket *socket)
{
	if (socket == NULL) {
		return;
	}
	ASSERT(socket->references > 0);
	if (--socket->references == 0) {
		ASSERT(socket->state == UNIX_DEAD && list_is_empty(&socket->messages));
		unix_name_unref(socket->name);
		socket_memory_deinit(&socket->memory);
		helix_free(socket);
	}
}

void unix_wake_senders(struct unix_socket *socket)
{
	wait_queue_wake(&socket->room);
	LIST_FOR_EACH(sender, &socket->senders, struct unix_socket, sender_node) {
		wait_queue_wake(&sender->changed);
	}
}

void unix_wake(struct unix_socket *socket)
{
	wait_queue_wake(&socket->changed);
	unix_wake_senders(socket);
	if (socket->peer != NULL) {
		wait_queue_wake(&socket->peer->changed);
	}
}

void unix_connect_pair(struct unix_socket *a, struct unix_socket *b)
{
	a->peer = b;
	b->peer = a;
	unix_ref(a);
	unix_ref(b);
	a->state = UNIX_CONNECTED;
	b->state = UNIX_CONNECTED;
	a->peer_credentials = b->own;
	b->peer_credentials = a->own;
}

/* The children that nobody will accept; their peers are told as by a close. */
static void drop_children(struct unix_socket *socket)
{
	struct unix_socket *child;

	while ((child = LIST_POP_FRONT(&socket->children, struct unix_socket, child_node)) !=
		NULL) {
		socket->n_children--;
		child->listener = NULL;
		unix_memory_update(child);
		child->was_reset = true;
		unix_die(child);
		unix_unref(child);
	}
}

void unix_die(struct unix_socket *socket)
{
	struct unix_socket *peer = socket->peer;
	bool has_unread = socket->n_messages > 0 || socket->was_reset;

	unix_unbind(socket);
	unix_list_remove(socket);
	list_remove(&socket->sender_node);
	socket->state = UNIX_DEAD;
	socket->file = NULL;
	socket->peer = NULL;
	socket->is_read_shut = true;
	socket->is_write_shut = true;
	if (peer != NULL && !unix_is_dgram(socket)) {
		peer->is_read_shut = true;
		peer->is_write_shut = true;
		peer->was_reset |= has_unread;
	}
	drop_children(socket);
	unix_drop_messages(socket);
	byte_queue_deinit(&socket->bytes);
	unix_wake(socket);
	if (peer != NULL) {
		wait_queue_wake(&peer->changed);
		unix_unref(peer);
	}
}

static void unix_release(struct file *file)
{
	struct unix_socket *socket = file->data;

	unix_die(socket);
	unix_unref(socket);
	unix_collect();
}

int64_t unix_create_file(struct unix_socket *socket, const struct process *process, uint32_t flags,
	struct file **out_file)
{
	struct inode *inode = anonymous_inode_create(LINUX_S_IFSOCK | 0777, NULL);
	int64_t error = -LINUX_ENOMEM;

	if (inode != NULL) {
		inode->uid = process->credentials.fsuid;
		inode->gid = process->credentials.fsgid;
		error = file_create(process, &unix_file_ops, inode, LINUX_O_RDWR | flags, out_file);
		inode_unref(inode);
	}
	if (error < 0) {
		unix_die(socket);
		unix_unref(socket);
		return error;
	}
	(*out_file)->data = socket;
	socket->file = *out_file;
	return 0;
}

/* ---- as a file ------------------------------------------------------------------------------- */

static uint32_t unix_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct unix_socket *socket = file->data;
	uint32_t events = 0;
	bool can_hang_up = !unix_is_dgram(socket);

	if (queue_of != NULL) {
		queue_of(context, &socket->changed);
	}
	if (socket->n_messages > 0 || socket->n_children > 0 || socket->is_read_shut) {
		events |= LINUX_POLLIN | LINUX_POLLRDNORM;
	}
	if (socket->is_read_shut) {
		events |= LINUX_POLLRDHUP;
	}
	if ((socket->is_read_shut && socket->is_write_shut) ||
		(can_hang_up && socket->state == UNIX_NEW)) {
		events |= LINUX_POLLHUP;
	}
	if (socket->was_reset) {
		events |= LINUX_POLLERR;
	}
	if (socket->state != UNIX_LISTENING && unix_has_room(socket)) {
		events |= LINUX_POLLOUT | LINUX_POLLWRNORM | LINUX_POLLWRBAND;
	}
	return events;
}

static int64_t unix_ioctl(struct file *file, struct request *request, uint32_t command,
	UNUSED uint64_t value, void *buffer, size_t size)
{
	struct unix_socket *socket = file->data;
	const struct unix_message *first = unix_message_first(socket);
	int32_t n_bytes;

	if (size != sizeof(n_bytes)) {
		return socket_interface_ioctl(request, command, buffer, size);
	}
	switch (command) {
	case LINUX_FIONREAD:
		if (socket->state == UNIX_LISTENING) {
			return -LINUX_EINVAL;
		}
		n_bytes = (int32_t)(unix_is_dgram(socket) ? (first == NULL ? 0 : first->size)
							  : socket->bytes.n_bytes);
		break;
	case LINUX_SIOCOUTQ: n_bytes = (int32_t)socket->n_charged; break;
	default: return -LINUX_ENOTTY;
	}
	memcpy(buffer, &n_bytes, sizeof(n_bytes));
	return 0;
}

const struct file_ops unix_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "socket",
	.read = unix_read,
	.read_bulk = unix_read_bulk,
	.write = unix_write,
	.poll = unix_poll,
	.ioctl = unix_ioctl,
	.release = unix_release,
};
