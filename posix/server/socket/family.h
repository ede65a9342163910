/* SPDX-License-Identifier: MIT */
/*
 * What families of sockets have in common. A family is a table of operations; the handlers of the
 * calls (calls.c) decode what each call is given, find the family by its file, and pass it on.
 * Bytes of all families lie in byte queues, which stream.c moves to and from requests.
 */
#ifndef POSIX_SOCKET_FAMILY_H
#define POSIX_SOCKET_FAMILY_H

#include <abi/linux/socket.h>
#include <posix/server/file/byte-queue.h>
#include <base/types.h>
#include <posix/server/file/file.h>

/* Values of options are at most this long; see getsockopt in calls.def. */
constexpr size_t SOCKET_OPTION_MAX = 256;

/* What is sent, as it was decoded; all borrowed from the request. */
struct socket_message {
	const void *name;
	size_t name_size; /* 0: none */
	const uint8_t *control;
	size_t control_size;
	const uint8_t *bytes;
	size_t size;
	uint64_t size_whole; /* of the message of which a stream sends pieces */
	uint32_t flags; /* enum linux_message_flags */
};

/* Where control data are put. */
struct socket_control {
	uint8_t *bytes;
	size_t size, used;
	uint32_t flags; /* LINUX_MSG_CTRUNC, when something did not fit */
};

/* Where what is received goes. */
struct socket_receive {
	void *buffer; /* NULL: answered through request_bulk*() */
	size_t size;
	/*
	 * Of the program's whole vector, 0: this is all. A packet that needs more of it than
	 * `size`, or may, stays where it is, and -LINUX_EMSGSIZE tells the shim.
	 */
	size_t size_all;
	uint32_t flags;
	struct posix_socket_received *out; /* NULL: neither name nor control data are wanted */
	struct socket_control control;
};

struct socket_option {
	uint32_t level, number;
	void *value; /* SOCKET_OPTION_MAX bytes, if it is asked for; else `size` bytes, not NULL */
	size_t size;
};

/* Hooks may park, by request->state from [1] on, where it is said. */
struct socket_ops {
	int64_t (*bind)(
		struct request *request, struct file *file, const void *address, size_t size);
	int64_t (*listen)(struct request *request, struct file *file, uint32_t backlog);
	/* may park */
	int64_t (*connect)(
		struct request *request, struct file *file, const void *address, size_t size);
	/* may park; args[1] is where the peer's name goes. There is room for a descriptor. */
	int64_t (*accept)(struct request *request, struct file *file, uint32_t flags);
	int64_t (*own_name)(struct file *file, struct posix_socket_address *out_name);
	int64_t (*peer_name)(struct file *file, struct posix_socket_address *out_name);
	int64_t (*shutdown)(struct file *file, enum linux_shutdown how);
	int64_t (*set_option)(
		struct request *request, struct file *file, const struct socket_option *option);
	/* the size of the value */
	int64_t (*get_option)(struct file *file, const struct socket_option *option);
	/* may park; holds the file itself */
	int64_t (*send)(
		struct request *request, struct file *file, const struct socket_message *message);
	/* may park */
	int64_t (*receive)(
		struct request *request, struct file *file, struct socket_receive *receive);
};

extern const struct socket_ops unix_socket_ops;

/** socket_ops_of() - the family of a file, NULL if it is no socket */
const struct socket_ops *socket_ops_of(const struct file *file);

/** socket_breaks_silently() - a broken connection is EPIPE but no SIGPIPE: packets */
bool socket_breaks_silently(const struct file *file);

/** socket_held_bytes() - what posix keeps for it, 0 if it is no socket */
uint64_t socket_held_bytes(const struct file *file);

/** socket_signal_pipe() - SIGPIPE, after a send or a write to any file that ended in EPIPE */
void socket_signal_pipe(struct request *request, const struct file *file, uint32_t flags);

/** socket_control_add() - one header with as much of its data as fits */
void socket_control_add(struct socket_control *control, uint32_t level, uint32_t type,
	const void *data, size_t size);

/** socket_interface_ioctl() - SIOCGIFFLAGS and its like; -LINUX_ENOTTY: it is none of them */
int64_t socket_interface_ioctl(
	const struct request *request, uint32_t command, void *buffer, size_t size);

/* ---- stream.c -------------------------------------------------------------------------------- */

/* Sends from this size on are passed on without a copy, if they are a block of their own. */
constexpr size_t SOCKET_BLOCK_MIN = KIB(4);
/* A send of a stream that is not longer than this goes as a whole, so that it can be. */
constexpr size_t SOCKET_WHOLE_MAX = KIB(64);

/**
 * socket_append() - the first @size bytes of a send go to the end of a queue
 * @request: whose block they may be, NULL: they are to be copied
 * @size_whole: of the send
 *
 * Return: false, if there is no memory.
 */
MUST_USE bool socket_append(struct byte_queue *queue, struct request *request, const uint8_t *bytes,
	size_t size, size_t size_whole);

/**
 * socket_take() - the first bytes of a queue go to who receives them
 * @buffer: NULL: through request_bulk*()
 * @n_before: bytes that earlier attempts of this request have put there
 *
 * Return: @n_bytes, or -LINUX_ENOBUFS.
 */
int64_t socket_take(struct byte_queue *queue, struct request *request,
	const struct socket_receive *receive, size_t n_bytes, size_t n_before);

/** socket_give() - @n_bytes that are in no queue go to who receives them; as socket_take() */
int64_t socket_give(struct request *request, const struct socket_receive *receive,
	const void *bytes, size_t n_bytes);

/** socket_vector_size() - struct socket_receive's `size_all` of a read: posix_read() has args[3] */
size_t socket_vector_size(const struct request *request);

/** socket_wait() - park within a time; -LINUX_EAGAIN: not, or it is over */
int64_t socket_wait(struct file *file, struct request *request, struct wait_queue *queue,
	uint32_t flags, uint64_t timeout_ns);

/* ---- options.c ------------------------------------------------------------------------------- */

/* What the families' sockets have in common, by pointers to where it is. */
struct socket_buffers {
	uint32_t *send_max, *receive_max;
	uint64_t *send_timeout_ns, *receive_timeout_ns;
};

/**
 * socket_set_common(), socket_get_common() - SO_SNDBUF, SO_RCVTIMEO and the like
 *
 * Return: 0, the size of the value, or an errno; -LINUX_ENOPROTOOPT: the option is none of these.
 */
int64_t socket_set_common(struct request *request, const struct socket_buffers *buffers,
	const struct socket_option *option);
int64_t socket_get_common(const struct socket_buffers *buffers, const struct socket_option *option);

#endif
