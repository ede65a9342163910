/* SPDX-License-Identifier: MIT */
/*
 * Sockets of the family AF_UNIX: streams, datagrams and packets in sequence between processes.
 *
 *	     bind()                listen()                accept()
 *	NEW ---------> has a name ----------> LISTENING - - - - - - > CONNECTED (the accepted one)
 *	 |                                        ^ `children`             ^
 *	 +---- connect(), socketpair() -----------+-----------------> CONNECTED
 *
 * What was sent lies in the receiver's queue: its bytes in one byte queue, as in a pipe, and one
 * *message* for each packet. A stream's messages are runs of bytes with the same sender and no
 * descriptors behind the first byte; a read never crosses from one to the next if their ancillary
 * data differ. The sender pays: what its messages hold counts against its own buffer (`n_charged`),
 * wherever they lie, so nobody can be made to hold more than his senders have room for. All of it
 * counts as memory of sockets (memory.h), for who has made the sender.
 *
 * References. The open file holds one, and so do each socket that has this one as peer, each
 * message that this one sent, and a listener for each child that nobody has accepted. A socket
 * whose file is gone is dead: it has no queue, and only waits for these to go.
 *
 * Files in flight (rights.c) are held by messages only, so they can form cycles with the sockets
 * that hold the messages; those are found and broken when a socket is closed.
 */
#ifndef POSIX_SOCKET_UNIX_H
#define POSIX_SOCKET_UNIX_H

#include <abi/linux/socket.h>
#include <posix/server/file/byte-queue.h>
#include <posix/server/file/file.h>
#include <posix/server/process/process.h>
#include <posix/server/socket/memory.h>
#include <posix/server/vfs/vfs.h>

/* What Linux' sysctls say by default, and its limits. */
constexpr uint32_t UNIX_BUFFER_USUAL = 212992;
constexpr uint32_t UNIX_BUFFER_MIN = 4608;
constexpr uint32_t UNIX_DGRAMS_MAX = 11; /* unread messages of a datagram socket */
/* What a message counts for, beside its bytes. */
constexpr uint32_t UNIX_MESSAGE_CHARGE = 768;

struct unix_name {
	uint32_t references;
	uint32_t size; /* of bytes; 0: none. A path has its NUL; abstract names begin with one */
	struct list_node node; /* abstract ones: in the table */
	struct unix_socket *socket; /* who is bound to it, NULL: nobody any more */
	char bytes[];
};

/* Descriptors on their way. */
struct unix_rights {
	struct list_node node; /* once it is to be thrown away */
	struct account *account; /* of who has sent it */
	uint32_t n_files;
	struct file *files[];
};

struct unix_message {
	struct list_node node;
	uint32_t size; /* bytes that are still to be read */
	uint32_t charge; /* what of the sender's buffer it takes */
	struct unix_socket *sender; /* referenced */
	struct unix_name *from; /* referenced, or NULL */
	struct linux_ucred credentials;
	bool has_credentials;
	struct unix_rights *rights;
};

enum unix_state : uint8_t { UNIX_NEW, UNIX_LISTENING, UNIX_CONNECTED, UNIX_DEAD };

struct unix_socket {
	struct list_node all_node; /* of all that are not dead */
	uint32_t references;
	uint32_t type; /* enum linux_socket_type */
	enum unix_state state;
	bool is_read_shut, is_write_shut;
	bool passes_credentials, reuses_address;
	bool was_reset; /* the peer went with unread bytes: ECONNRESET, once */
	struct file *file; /* not referenced; NULL: not accepted yet, or dead */
	struct unix_socket *peer; /* referenced; datagrams: where send() goes */
	struct linux_ucred own, peer_credentials;
	struct unix_name *name;
	struct path path; /* referenced, if the name is a path */

	struct byte_queue bytes;
	struct list messages;
	uint32_t n_messages;
	uint32_t n_charged; /* of what this socket sent and nobody has read */
	struct socket_memory memory; /* the same, and itself while nobody has accepted it */
	uint32_t send_max, receive_max;
	uint64_t send_timeout_ns, receive_timeout_ns; /* HEL_DEADLINE_NEVER: none */

	struct list children; /* listening: connected, not yet accepted */
	struct list_node child_node;
	struct unix_socket *listener; /* of a child, not referenced */
	uint32_t n_children, backlog;

	struct list senders; /* datagrams: those whose peer this is, by sender_node */
	struct list_node sender_node;
	struct wait_queue changed; /* data, room, children, ends: for who has this socket */
	struct wait_queue room; /* of the receiver: for those who send to it without being peers */

	/* rights.c */
	uint32_t n_in_flight; /* references that messages hold to this socket's file */
	struct list_node flight_node;
	uint32_t n_outside; /* while cycles are searched */
	bool is_suspect;
	struct unix_socket *next_garbage;
};

extern const struct file_ops unix_file_ops;

static inline bool unix_is_stream(const struct unix_socket *socket)
{
	return socket->type == LINUX_SOCK_STREAM;
}

static inline bool unix_is_dgram(const struct unix_socket *socket)
{
	return socket->type == LINUX_SOCK_DGRAM;
}

/* The socket of a file, NULL if it is none. */
struct unix_socket *unix_of_file(const struct file *file);

/* ---- unix.c ---------------------------------------------------------------------------------- */

struct unix_socket *unix_create(uint32_t type, const struct process *process);
void unix_ref(struct unix_socket *socket);
void unix_unref(struct unix_socket *socket);
/** unix_memory_update() - after n_charged or the listener has changed */
void unix_memory_update(struct unix_socket *socket);
/** unix_die() - its last user is gone: the peer learns of it, all that is queued goes */
void unix_die(struct unix_socket *socket);
/** unix_create_file() - an open file for @socket, whose reference is taken, also on failure */
int64_t unix_create_file(struct unix_socket *socket, const struct process *process, uint32_t flags,
	struct file **out_file);
/** unix_connect_pair() - make both each other's peer */
void unix_connect_pair(struct unix_socket *a, struct unix_socket *b);
/**
 * unix_wake_senders() - there is room again. Those that wait hear of it by `room`; those that are
 * watched by epoll, which must not stand in the queue of a socket that may go, by their own queue.
 */
void unix_wake_senders(struct unix_socket *socket);
/** unix_wake() - whoever waits for @socket or its peer looks again */
void unix_wake(struct unix_socket *socket);

/* ---- print.c --------------------------------------------------------------------------------- */

/** unix_list_add(), unix_list_remove() - for those that /proc tells of */
void unix_list_add(struct unix_socket *socket);
void unix_list_remove(struct unix_socket *socket);
uint32_t unix_count(void);
/** unix_print_all() - the text of /proc/net/unix; returns its size, also if it did not fit */
size_t unix_print_all(char *buffer, size_t size);

/* ---- message.c ------------------------------------------------------------------------------- */

struct unix_message *unix_message_first(const struct unix_socket *socket);
/** unix_message_free() - with all it holds; it is in no list */
void unix_message_free(struct unix_message *message);
/** unix_message_finish() - the first message of @socket has been read, or is thrown away */
void unix_message_finish(struct unix_socket *socket, struct unix_message *message);
/** unix_message_shorten() - the first @size bytes of a stream's message have been read */
void unix_message_shorten(struct unix_message *message, uint32_t size);
void unix_drop_messages(struct unix_socket *socket);

/* What is sent, and received, beside the bytes. */
struct unix_send {
	struct request *request; /* NULL: bytes are to be copied */
	const uint8_t *bytes;
	size_t size;
	uint32_t flags;
	struct unix_rights *rights; /* taken with the first byte */
	struct linux_ucred credentials;
	bool has_credentials;
	struct unix_socket *to; /* datagrams; referenced by the caller */
};

/** unix_memory_room() - how many bytes more may lie in queues, beside their message */
uint64_t unix_memory_room(const struct unix_socket *socket);

/** unix_put() - queue what there is room for; how many bytes, -LINUX_EAGAIN: none, … */
int64_t unix_put(struct unix_socket *socket, struct unix_socket *to, struct unix_send *send);

/* ---- name.c ---------------------------------------------------------------------------------- */

/** unix_check_address() - decode a sockaddr; 0 or -LINUX_EINVAL */
int64_t unix_check_address(const void *address, size_t size, char *out_bytes, uint32_t *out_size);
int64_t unix_bind(
	struct request *request, struct unix_socket *socket, const void *address, size_t size);
/** unix_bind_auto() - an abstract name of five digits that nobody has */
int64_t unix_bind_auto(struct unix_socket *socket);
/** unix_find() - who is bound to that name; *out_socket is referenced */
int64_t unix_find(struct request *request, const void *address, size_t size, uint32_t type,
	struct unix_socket **out_socket);
/** unix_unbind() - nobody finds @socket any more; its peers still hear what it was called */
void unix_unbind(struct unix_socket *socket);
void unix_name_unref(struct unix_name *name);
/** unix_print_name() - as a sockaddr_un; how many bytes that is */
uint32_t unix_print_name(const struct unix_name *name, struct linux_sockaddr_un *out);

/* ---- rights.c -------------------------------------------------------------------------------- */

/** unix_rights_create() - from descriptors of @process; NULL if n_fds is 0 */
int64_t unix_rights_create(struct process *process, const int32_t *fds, uint32_t n_fds,
	struct unix_rights **out_rights);
/** unix_rights_drop() - throw them away; they go when no other call is doing so */
void unix_rights_drop(struct unix_rights *rights);
/** unix_rights_copy() - for MSG_PEEK; NULL: no memory */
struct unix_rights *unix_rights_copy(const struct unix_rights *rights);
/** unix_collect() - break cycles of sockets in flight, if there are any */
void unix_collect(void);

#endif
