/* SPDX-License-Identifier: MIT */
/* AF_NETLINK sockets as files, their ports, and their queues of answers. See netlink.h. */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <abi/linux/sock-diag.h>
#include <abi/linux/stat.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/process.h>
#include <posix/server/socket/call.h>
#include <posix/server/socket/netlink.h>
#include <posix/server/vfs/inode.h>

constexpr uint32_t BUFFER_USUAL = 212992;
constexpr uint32_t PORT_LISTS = 64;
constexpr uint32_t ANSWER_MAX = 2048; /* all that is ever said to one request */

struct netlink_packet {
	struct list_node node;
	uint32_t size;
	uint8_t *block; /* the bytes, which the queue owns: */
	struct byte_queue bytes;
};

struct netlink_notice {
	struct file *file; /* of the socket, referenced */
	struct netlink_packet *packet;
};

static struct list port_lists[PORT_LISTS];

/* ---- ports ----------------------------------------------------------------------------------- */

static struct list *port_list(uint32_t port)
{
	struct list *list = &port_lists[port % PORT_LISTS];

	if (list->head.next == NULL) {
		list_init(list);
	}
	return list;
}

static bool port_is_taken(uint32_t port)
{
	LIST_FOR_EACH(socket, port_list(port), struct netlink_socket, port_node) {
		if (socket->port == port) {
			return true;
		}
	}
	return false;
}

static void take_port(struct netlink_socket *socket, uint32_t port)
{
	socket->port = port;
	list_push_back(port_list(port), &socket->port_node);
}

/* The process' number if nobody has it, else one that no process can have. */
static void take_any_port(struct netlink_socket *socket, const struct process *process)
{
	static uint32_t next = UINT32_MAX - 4096;
	uint32_t port = process->pid;

	while (port_is_taken(port)) {
		port = next > UINT32_MAX / 2 ? next-- : (next = UINT32_MAX - 4096);
	}
	take_port(socket, port);
}

/* ---- packets --------------------------------------------------------------------------------- */

static void packet_destroy(struct netlink_packet *packet)
{
	byte_queue_deinit(&packet->bytes);
	helix_free(packet);
}

/* A packet of @size bytes in `block`, in no queue yet; NULL: no memory. */
static struct netlink_packet *packet_create(size_t size)
{
	struct netlink_packet *packet = helix_malloc(sizeof(*packet));
	uint8_t *block = helix_malloc(max_size(size, 1));

	if (packet != NULL && block != NULL) {
		*packet = (struct netlink_packet){ .size = (uint32_t)size, .block = block };
		byte_queue_init(&packet->bytes);
		if (byte_queue_append_block(&packet->bytes, block, size)) {
			return packet;
		}
	}
	helix_free(block);
	helix_free(packet);
	return NULL;
}

/* @max: what the queue may hold, the receive buffer or more */
static bool has_room(const struct netlink_socket *socket, size_t size, uint64_t max)
{
	return socket->n_bytes + size <= max && size <= socket_memory_room(&socket->memory, true);
}

static void set_bytes(struct netlink_socket *socket, uint64_t n_bytes)
{
	socket->n_bytes = n_bytes;
	socket_memory_set(&socket->memory, n_bytes);
}

static void queue_packet(struct netlink_socket *socket, struct netlink_packet *packet)
{
	list_push_back(&socket->answers, &packet->node);
	wait_queue_wake(&socket->changed);
}

/* It has been received: there is room for those who wait for it. */
static void drop_packet(struct netlink_socket *socket, struct netlink_packet *packet)
{
	set_bytes(socket, socket->n_bytes - packet->size);
	list_remove(&packet->node);
	packet_destroy(packet);
	wait_queue_wake(&socket->changed);
}

/* ---- notices --------------------------------------------------------------------------------- */

int64_t netlink_notice_create(
	struct request *request, struct file *file, size_t size, struct netlink_notice **out_notice)
{
	struct netlink_socket *socket = file->data;

	if (file->ops != &netlink_file_ops) {
		return inode_is_type(file->inode, LINUX_S_IFSOCK) ? -LINUX_EINVAL : -LINUX_ENOTSOCK;
	}
	if (!has_room(socket, size, socket->receive_max)) {
		int64_t error = request_wait_on(request, &socket->changed);

		return error < 0 ? error : REQUEST_PARK;
	}
	struct netlink_notice *notice = helix_malloc(sizeof(*notice));
	struct netlink_packet *packet = packet_create(size);

	if (notice == NULL || packet == NULL) {
		if (packet != NULL) {
			packet_destroy(packet);
		}
		helix_free(notice);
		return -LINUX_ENOMEM;
	}
	*notice = (struct netlink_notice){ .file = file, .packet = packet };
	file_ref(file);
	set_bytes(socket, socket->n_bytes + size);
	*out_notice = notice;
	return 0;
}

void netlink_notice_send(struct netlink_notice *notice, const void *bytes)
{
	memcpy(notice->packet->block, bytes, notice->packet->size);
	queue_packet(notice->file->data, notice->packet);
	file_unref(notice->file);
	helix_free(notice);
}

void netlink_notice_discard(struct netlink_notice *notice)
{
	if (notice == NULL) {
		return;
	}
	struct netlink_socket *socket = notice->file->data;

	set_bytes(socket, socket->n_bytes - notice->packet->size);
	packet_destroy(notice->packet);
	wait_queue_wake(&socket->changed);
	file_unref(notice->file);
	helix_free(notice);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void netlink_destroy(struct netlink_socket *socket)
{
	struct netlink_packet *packet;

	while ((packet = LIST_POP_FRONT(&socket->answers, struct netlink_packet, node)) != NULL) {
		packet_destroy(packet);
	}
	list_remove(&socket->port_node);
	socket_memory_deinit(&socket->memory);
	helix_free(socket);
}

static void netlink_release(struct file *file)
{
	netlink_destroy(file->data);
}

int64_t netlink_call_socket(struct request *request)
{
	uint32_t type = (uint32_t)request->args[1] & LINUX_SOCK_TYPE_MASK;
	uint32_t flags = (uint32_t)request->args[1] & ~(uint32_t)LINUX_SOCK_TYPE_MASK;
	struct file *file;

	if (flags & ~(LINUX_SOCK_NONBLOCK | LINUX_SOCK_CLOEXEC)) {
		return -LINUX_EINVAL;
	}
	if (type != LINUX_SOCK_RAW && type != LINUX_SOCK_DGRAM) {
		return -LINUX_ESOCKTNOSUPPORT;
	}
	uint32_t protocol = (uint32_t)request->args[2];

	if (protocol != LINUX_NETLINK_ROUTE && protocol != LINUX_NETLINK_SOCK_DIAG) {
		return -LINUX_EPROTONOSUPPORT;
	}
	struct netlink_socket *socket = helix_malloc(sizeof(*socket));

	if (socket == NULL) {
		return -LINUX_ENOMEM;
	}
	*socket = (struct netlink_socket){
		.type = type,
		.protocol = protocol,
		.send_max = BUFFER_USUAL,
		.receive_max = BUFFER_USUAL,
		.send_timeout_ns = HEL_DEADLINE_NEVER,
		.receive_timeout_ns = HEL_DEADLINE_NEVER,
	};
	if (socket_memory_init(&socket->memory, request->process->credentials.uid) < 0) {
		helix_free(socket);
		return -LINUX_ENOMEM;
	}
	list_init(&socket->answers);
	list_node_init(&socket->port_node);
	wait_queue_init(&socket->changed);
	struct inode *inode = anonymous_inode_create(LINUX_S_IFSOCK | 0777, NULL);
	int64_t error = inode == NULL
		? -LINUX_ENOMEM
		: file_create(request->process, &netlink_file_ops, inode,
			  LINUX_O_RDWR | (flags & LINUX_SOCK_NONBLOCK), &file);

	if (inode != NULL) {
		inode_unref(inode);
	}
	if (error < 0) {
		netlink_destroy(socket);
		return error;
	}
	file->data = socket;
	return file_install(request, file, (flags & LINUX_SOCK_CLOEXEC) != 0);
}

/* ---- names ----------------------------------------------------------------------------------- */

static int64_t netlink_bind(
	struct request *request, struct file *file, const void *name, size_t size)
{
	struct netlink_socket *socket = file->data;
	struct linux_sockaddr_nl address;

	if (size < sizeof(address)) {
		return -LINUX_EINVAL;
	}
	memcpy(&address, name, sizeof(address));
	if (address.family != LINUX_AF_NETLINK ||
		(socket->port != 0 && address.port != socket->port)) {
		return -LINUX_EINVAL;
	}
	if (socket->port == 0 && address.port != 0) {
		if (port_is_taken(address.port)) {
			return -LINUX_EADDRINUSE;
		}
		take_port(socket, address.port);
	} else if (socket->port == 0) {
		take_any_port(socket, request->process);
	}
	socket->groups = address.groups;
	return 0;
}

/* Only to the kernel, which is where everything goes anyway. */
static int64_t netlink_connect(
	struct request *request, struct file *file, const void *name, size_t size)
{
	struct netlink_socket *socket = file->data;
	struct linux_sockaddr_nl address;

	if (size < sizeof(address)) {
		return -LINUX_EINVAL;
	}
	memcpy(&address, name, sizeof(address));
	if (address.family != LINUX_AF_NETLINK) {
		return -LINUX_EINVAL;
	}
	if (address.port != 0) {
		return -LINUX_ECONNREFUSED;
	}
	if (socket->port == 0) {
		take_any_port(socket, request->process);
	}
	return 0;
}

static void write_name(
	struct posix_socket_address *out_name, const struct linux_sockaddr_nl *address)
{
	*out_name = (struct posix_socket_address){ .size = sizeof(*address) };
	memcpy(out_name->bytes, address, sizeof(*address));
}

static int64_t netlink_own_name(struct file *file, struct posix_socket_address *out_name)
{
	const struct netlink_socket *socket = file->data;

	write_name(out_name,
		&(struct linux_sockaddr_nl){ LINUX_AF_NETLINK, 0, socket->port, socket->groups });
	return 0;
}

static int64_t netlink_peer_name(UNUSED struct file *file, struct posix_socket_address *out_name)
{
	write_name(out_name, &(struct linux_sockaddr_nl){ .family = LINUX_AF_NETLINK });
	return 0;
}

static int64_t netlink_listen(
	UNUSED struct request *request, UNUSED struct file *file, UNUSED uint32_t backlog)
{
	return -LINUX_EOPNOTSUPP;
}

static int64_t netlink_accept(
	UNUSED struct request *request, UNUSED struct file *file, UNUSED uint32_t flags)
{
	return -LINUX_EOPNOTSUPP;
}

static int64_t netlink_shutdown(UNUSED struct file *file, UNUSED enum linux_shutdown how)
{
	return -LINUX_EOPNOTSUPP;
}

/* ---- options --------------------------------------------------------------------------------- */

static struct socket_buffers buffers_of(struct netlink_socket *socket)
{
	return (struct socket_buffers){
		.send_max = &socket->send_max,
		.receive_max = &socket->receive_max,
		.send_timeout_ns = &socket->send_timeout_ns,
		.receive_timeout_ns = &socket->receive_timeout_ns,
	};
}

static int64_t netlink_set_option(
	struct request *request, struct file *file, const struct socket_option *option)
{
	struct socket_buffers buffers = buffers_of(file->data);

	return option->level != LINUX_SOL_SOCKET ? -LINUX_ENOPROTOOPT
						 : socket_set_common(request, &buffers, option);
}

static int64_t netlink_get_option(struct file *file, const struct socket_option *option)
{
	struct netlink_socket *socket = file->data;
	struct socket_buffers buffers = buffers_of(socket);
	int32_t value;

	if (option->level != LINUX_SOL_SOCKET) {
		return -LINUX_ENOPROTOOPT;
	}
	switch (option->number) {
	case LINUX_SO_TYPE: value = (int32_t)socket->type; break;
	case LINUX_SO_DOMAIN: value = LINUX_AF_NETLINK; break;
	case LINUX_SO_PROTOCOL: value = (int32_t)socket->protocol; break;
	case LINUX_SO_ERROR: value = 0; break;
	default: return socket_get_common(&buffers, option);
	}
	memcpy(option->value, &value, sizeof(value));
	return sizeof(value);
}

/* ---- requests and answers -------------------------------------------------------------------- */

static int64_t queue_answer(
	struct netlink_socket *socket, const struct netlink_answer *answer, uint64_t max)
{
	struct netlink_packet *packet =
		has_room(socket, answer->size, max) ? packet_create(answer->size) : NULL;

	if (packet == NULL) {
		return -LINUX_ENOBUFS;
	}
	memcpy(packet->block, answer->bytes, answer->size);
	set_bytes(socket, socket->n_bytes + answer->size);
	queue_packet(socket, packet);
	return 0;
}

/* One packet of a long list. */
static int64_t flush_answer(struct netlink_answer *answer)
{
	int64_t error = queue_answer(answer->socket, answer, UINT64_MAX);

	answer->size = 0;
	return error;
}

static int64_t answer_request(struct netlink_socket *socket, const struct process *process,
	const struct linux_nlmsghdr *header, const uint8_t *body)
{
	uint8_t bytes[ANSWER_MAX];
	bool is_diag = socket->protocol == LINUX_NETLINK_SOCK_DIAG;
	struct netlink_answer answer = {
		.socket = socket,
		.bytes = bytes,
		.max = sizeof(bytes),
		.sequence = header->sequence,
		.port = socket->port,
	};

	if (!(header->flags & LINUX_NLM_F_REQUEST) || header->type < LINUX_NLMSG_FIRST) {
		return 0;
	}
	size_t body_size = header->size - sizeof(*header);
	int64_t error = is_diag ? netlink_diag(header, body, body_size, &answer, flush_answer)
				: netlink_answer(process, header, body, body_size, &answer);
	bool is_dump = (header->flags & LINUX_NLM_F_DUMP) == LINUX_NLM_F_DUMP;

	if (error < 0 || ((header->flags & LINUX_NLM_F_ACK) && !is_dump)) {
		int32_t code = (int32_t)error;
		uint8_t *out =
			netlink_put(&answer, LINUX_NLMSG_ERROR, 0, sizeof(code) + sizeof(*header));

		memcpy(out, &code, sizeof(code));
		memcpy(out + sizeof(code), header, sizeof(*header));
	}
	return answer.size == 0
		? 0
		: queue_answer(socket, &answer, is_diag ? UINT64_MAX : socket->receive_max);
}

static int64_t netlink_send(
	struct request *request, struct file *file, const struct socket_message *message)
{
	struct netlink_socket *socket = file->data;
	struct linux_sockaddr_nl to = { .family = LINUX_AF_NETLINK };

	if (message->flags & LINUX_MSG_OOB) {
		return -LINUX_EOPNOTSUPP;
	}
	if (message->size_whole > message->size || message->size > socket->send_max) {
		return -LINUX_EMSGSIZE;
	}
	if (message->name_size > 0 && message->name_size < sizeof(to)) {
		return -LINUX_EINVAL;
	}
	if (message->name_size > 0) {
		memcpy(&to, message->name, sizeof(to));
	}
	if (to.family != LINUX_AF_NETLINK) {
		return -LINUX_EINVAL;
	}
	if (to.port != 0 || to.groups != 0) {
		return to.groups != 0 ? -LINUX_EPERM : -LINUX_ECONNREFUSED;
	}
	if (socket->port == 0) {
		take_any_port(socket, request->process);
	}
	for (size_t at = 0; message->size - at >= sizeof(struct linux_nlmsghdr);) {
		struct linux_nlmsghdr header;

		memcpy(&header, message->bytes + at, sizeof(header));
		if (header.size < sizeof(header) || header.size > message->size - at) {
			break;
		}
		int64_t error = answer_request(
			socket, request->process, &header, message->bytes + at + sizeof(header));

		if (error < 0) {
			return error;
		}
		at = min_size(message->size, at + (size_t)align_up(header.size, 4));
	}
	return (int64_t)message->size;
}

static int64_t netlink_receive(
	struct request *request, struct file *file, struct socket_receive *receive)
{
	struct netlink_socket *socket = file->data;
	struct netlink_packet *packet = LIST_FIRST(&socket->answers, struct netlink_packet, node);

	if (receive->flags & LINUX_MSG_OOB) {
		return -LINUX_EOPNOTSUPP;
	}
	if (packet == NULL) {
		return socket_wait(file, request, &socket->changed, receive->flags,
			socket->receive_timeout_ns);
	}
	size_t size = packet->size;

	if (size >= receive->size && receive->size_all > receive->size) {
		return -LINUX_EMSGSIZE;
	}
	int64_t result =
		socket_take(&packet->bytes, request, receive, min_size(size, receive->size), 0);

	if (result < 0) {
		return result;
	}
	if (receive->out != NULL) {
		(void)netlink_peer_name(file, &receive->out->name);
		receive->out->flags = ((size_t)result < size ? LINUX_MSG_TRUNC : 0) |
			(receive->flags & LINUX_MSG_CMSG_CLOEXEC);
	}
	if (!(receive->flags & LINUX_MSG_PEEK)) {
		drop_packet(socket, packet);
	}
	return (receive->flags & LINUX_MSG_TRUNC) ? (int64_t)size : result;
}

/* ---- as a file ------------------------------------------------------------------------------- */

static int64_t netlink_read(struct file *file, struct request *request, void *buffer, size_t size,
	UNUSED uint64_t *offset)
{
	struct socket_receive receive = { .buffer = buffer, .size = size };

	return netlink_receive(request, file, &receive);
}

static int64_t netlink_read_bulk(
	struct file *file, struct request *request, size_t size, UNUSED uint64_t *offset)
{
	struct socket_receive receive = {
		.size = size,
		.size_all = socket_vector_size(request),
	};

	return netlink_receive(request, file, &receive);
}

static int64_t netlink_write(struct file *file, struct request *request, const void *buffer,
	size_t size, UNUSED uint64_t *offset)
{
	struct socket_message message = { .bytes = buffer, .size = size, .size_whole = size };

	return netlink_send(request, file, &message);
}

static uint32_t netlink_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct netlink_socket *socket = file->data;

	if (queue_of != NULL) {
		queue_of(context, &socket->changed);
	}
	return LINUX_POLLOUT | LINUX_POLLWRNORM | LINUX_POLLWRBAND |
		(list_is_empty(&socket->answers) ? 0 : LINUX_POLLIN | LINUX_POLLRDNORM);
}

static int64_t netlink_ioctl(UNUSED struct file *file, struct request *request, uint32_t command,
	UNUSED uint64_t value, void *buffer, size_t size)
{
	return socket_interface_ioctl(request, command, buffer, size);
}

const struct file_ops netlink_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "socket",
	.read = netlink_read,
	.read_bulk = netlink_read_bulk,
	.write = netlink_write,
	.poll = netlink_poll,
	.ioctl = netlink_ioctl,
	.release = netlink_release,
};

const struct socket_ops netlink_socket_ops = {
	.bind = netlink_bind,
	.listen = netlink_listen,
	.connect = netlink_connect,
	.accept = netlink_accept,
	.own_name = netlink_own_name,
	.peer_name = netlink_peer_name,
	.shutdown = netlink_shutdown,
	.set_option = netlink_set_option,
	.get_option = netlink_get_option,
	.send = netlink_send,
	.receive = netlink_receive,
};
