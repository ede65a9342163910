/* SPDX-License-Identifier: MIT */
/*
 * Sockets of the families AF_INET and AF_INET6 whose both ends are in this machine: TCP streams and
 * UDP datagrams over 127.0.0.0/8 and ::1. No packets are made: what is sent goes straight into the
 * queue of the socket that it is for. Addresses that are not local are -LINUX_ENETUNREACH.
 *
 *	       listen()                       accept()
 *	NEW --------------> LISTENING - - - - - - - - - - > CONNECTED (the accepted one)
 *	 |                      ^ `children`                     ^   |
 *	 |   connect()          | room in the backlog            |   | both ends closed, or reset
 *	 +-----------> CONNECTING ---------------------> CONNECTED --+--> ENDED
 *	 ^                      | nobody listens
 *	 +----------- REFUSED <-+   (until connect() or SO_ERROR tells of it)
 *
 * A connection is made inside connect(): the child for accept() exists from then on, and may be
 * written to. Only if the backlog is full does connect() wait, in the listener's `callers`. A
 * non-blocking connect() says EINPROGRESS all the same, as Linux does even over `lo`.
 *
 * Addresses are kept as 16 bytes; those of IPv4 are ::ffff:a.b.c.d, also in sockets of AF_INET, so
 * both families share ports and talk to each other as dual-stack sockets do. 0.0.0.0 is kept as
 * ::ffff:0.0.0.0 and takes IPv4 only, :: takes both unless IPV6_V6ONLY is set.
 *
 * Ports (inet-port.c) are found by hash. A port knows the sockets that are bound to it; accepted
 * sockets are only counted there, so that finding a listener does not walk over its connections.
 *
 * Who pays. The bytes of a stream lie with the receiver and are limited by the send buffer of the
 * sender and the receive buffer of the receiver; who has not been accepted yet gets less. Datagrams
 * are limited by the receive buffer, and dropped beyond it, as UDP does. All of it counts as memory
 * of sockets (memory.h); beyond that limit streams wait, backlogs are full, datagrams are dropped.
 *
 * References. The open file holds one, and so do a peer, and a listener for each of its children.
 */
#ifndef POSIX_SOCKET_INET_H
#define POSIX_SOCKET_INET_H

#include <abi/linux/inet.h>
#include <posix/server/file/file.h>
#include <posix/server/socket/family.h>
#include <posix/server/socket/memory.h>

constexpr uint32_t INET_SEND_USUAL = 16384, INET_RECEIVE_USUAL = 131072;
constexpr uint32_t INET_DGRAM_USUAL = 212992; /* both buffers */
/* What a child holds at most while nobody has accepted it. */
constexpr uint32_t INET_CHILD_MAX = KIB(64);
/* What a datagram counts for, beside its bytes. */
constexpr uint32_t INET_DGRAM_CHARGE = 768;
/* How long a port rests after a connection that was closed from its side: TIME_WAIT. */
constexpr uint64_t INET_REST_NS = UINT64_C(60000000000);

struct inet_address {
	uint8_t ip[16];
	uint16_t port; /* in this machine's byte order; 0: none */
};

enum inet_state : uint8_t {
	INET_NEW,
	INET_LISTENING,
	INET_CONNECTING,
	INET_REFUSED,
	INET_CONNECTED,
	INET_ENDED,
	INET_DEAD, /* its file is gone; it waits for references to go */
};

struct inet_port {
	struct list_node node; /* in the table */
	uint16_t number;
	uint16_t protocol; /* each has ports of its own */
	struct list bound; /* by port_node */
	uint32_t n_accepted, n_accepted_strict; /* …without SO_REUSEADDR */
	struct list_node rest_node;
	uint64_t rests_until_ns; /* 0: it does not */
};

struct inet_datagram {
	struct list_node node;
	struct inet_address from, to;
	uint32_t size;
	uint8_t hops, class; /* as the sender's options say */
	uint64_t received_ns; /* by the wall clock; 0: the receiver did not want to know */
};

/* A datagram that nobody took, for MSG_ERRQUEUE. */
struct inet_error {
	struct list_node node;
	struct inet_address to;
	uint32_t n_charged;
	uint32_t size; /* of what is kept of it */
	uint8_t bytes[];
};

/* The byte of a stream that was sent last with MSG_OOB. See inet-urgent.c. */
enum inet_urgent : uint8_t {
	INET_URGENT_NONE,
	INET_URGENT_THERE,
	INET_URGENT_READ, /* by MSG_OOB; the mark is still there */
};

/* Options that are remembered; those that mean something beside that are named. */
enum inet_number : uint8_t {
	INET_BROADCAST,
	INET_KEEP_ALIVE,
	INET_DONT_ROUTE,
	INET_PRIORITY,
	INET_OOB_INLINE,
	INET_NO_DELAY,
	INET_CORK,
	INET_KEEP_IDLE,
	INET_KEEP_INTERVAL,
	INET_KEEP_COUNT,
	INET_SYN_COUNT,
	INET_LINGER_2,
	INET_QUICK_ACK,
	INET_USER_TIMEOUT,
	INET_SEND_COVERAGE,
	INET_RECEIVE_COVERAGE,
	INET_TOS,
	INET_TTL,
	INET_MTU_DISCOVER,
	INET_RECEIVE_ERROR,
	INET_MULTICAST_TTL,
	INET_MULTICAST_LOOP,
	INET_HOPS,
	INET_CLASS,
	INET_MULTICAST_HOPS,
	INET_MULTICAST_LOOP_6,
	INET_MTU_DISCOVER_6,
	INET_RECEIVE_ERROR_6,
	INET_BIND_NO_PORT,
	INET_TIME_STAMP,
	INET_TIME_STAMP_NS,
	INET_PACKET_INFO,
	INET_RECEIVE_TTL,
	INET_RECEIVE_TOS,
	INET_PACKET_INFO_6,
	INET_RECEIVE_HOPS,
	INET_RECEIVE_CLASS,
	INET_N_NUMBERS,
};

struct inet_socket {
	struct list_node all_node; /* of those that are not dead */
	uint32_t references;
	uint16_t family;
	uint16_t protocol; /* enum linux_inet_protocol: TCP, UDP or UDP-Lite */
	uint32_t type; /* enum linux_socket_type */
	enum inet_state state;
	uint32_t uid;
	struct file *file; /* not referenced; NULL: not accepted yet, or dead */

	/* names */
	struct inet_address local, remote;
	struct inet_port *port; /* NULL: no port */
	struct list_node port_node; /* unless it was accepted */
	bool is_accepted;
	bool has_own_ip, has_own_port; /* that bind() asked for: they outlive a connection */
	bool is_only_v6, reuses_address, reuses_port;

	/* the connection */
	struct inet_socket *peer; /* referenced */
	bool is_unreported; /* connected behind an EINPROGRESS: connect() says 0 once */
	bool is_read_shut, is_write_shut;
	bool has_fin; /* from the peer */
	bool is_first_to_close;
	int32_t error; /* SO_ERROR: a positive errno, 0: none */
	bool lingers;
	uint32_t linger_seconds;

	struct socket_memory memory;
	struct byte_queue bytes;
	enum inet_urgent urgent;
	bool is_urgent_apart; /* the byte is not in the queue any more */
	uint8_t urgent_byte;
	size_t n_before_urgent; /* bytes of the queue */
	uint64_t n_sent, n_received; /* by a stream, since it was connected */
	struct list datagrams, errors;
	uint32_t n_charged; /* of received datagrams, and of errors */
	uint32_t send_max, receive_max;
	uint64_t send_timeout_ns, receive_timeout_ns;
	bool is_bound_to_lo; /* SO_BINDTODEVICE, where there is no other device */
	bool is_reno;        /* TCP_CONGESTION: else cubic */
	int32_t numbers[INET_N_NUMBERS];

	/* listening */
	struct list children, callers; /* by child_node */
	struct list_node child_node;
	struct inet_socket *listener; /* of a child or a caller; not referenced */
	uint32_t n_children, backlog;

	struct wait_queue changed;
};

extern const struct file_ops inet_file_ops;
extern const struct socket_ops inet_socket_ops;

static inline bool inet_is_stream(const struct inet_socket *socket)
{
	return socket->type == LINUX_SOCK_STREAM;
}

/* ---- inet.c ---------------------------------------------------------------------------------- */

/** inet_of_file() - the socket of a file, NULL if it is none of these families */
struct inet_socket *inet_of_file(const struct file *file);
uint64_t inet_held_bytes(const struct inet_socket *socket);
/**
 * inet_create() - of a family and a protocol; NULL: no memory
 * @uid: whose it is said to be
 * @payer_uid: who pays for its memory
 */
struct inet_socket *inet_create(
	uint16_t family, uint16_t protocol, uint32_t uid, uint32_t payer_uid);
/** inet_memory_update() - after its queues have changed */
void inet_memory_update(struct inet_socket *socket);
void inet_unref(struct inet_socket *socket);
/** inet_install() - give it a file and a descriptor; takes the reference, also on failure */
int64_t inet_install(struct request *request, struct inet_socket *socket, uint32_t flags);
/** inet_die() - its file is gone: the peer learns of it, and all that is queued goes */
void inet_die(struct inet_socket *socket);
/** inet_reset() - the connection of @socket is broken off from the other end */
void inet_reset(struct inet_socket *socket, int32_t error);
/** inet_disconnect() - break off what connection there is, from this end */
void inet_disconnect(struct inet_socket *socket);
/** inet_take_error() - SO_ERROR, once: 0 or a negative errno */
int64_t inet_take_error(struct inet_socket *socket);

/* ---- inet-urgent.c --------------------------------------------------------------------------- */

static inline bool inet_is_at_mark(const struct inet_socket *socket)
{
	return socket->urgent != INET_URGENT_NONE && socket->n_before_urgent == 0;
}

/** inet_urgent_mark() - @byte, the last one in the queue of @socket, is urgent */
void inet_urgent_mark(struct inet_socket *socket, uint8_t byte);
/**
 * inet_urgent_pass() - how many bytes a read may take now; what is due at the mark is done
 * @has_begun: it has taken some, so it stops at the mark
 * @is_peek: so the mark stays
 */
size_t inet_urgent_pass(struct inet_socket *socket, bool has_begun, bool is_peek);
/** inet_urgent_moved() - a read took @n bytes of those it could */
void inet_urgent_moved(struct inet_socket *socket, size_t n);
/** inet_urgent_readable() - as FIONREAD has it: up to the mark */
size_t inet_urgent_readable(const struct inet_socket *socket);
/** inet_urgent_is_readable() - whether poll() says so */
bool inet_urgent_is_readable(const struct inet_socket *socket);
/** inet_urgent_receive() - MSG_OOB */
int64_t inet_urgent_receive(
	struct inet_socket *socket, struct request *request, struct socket_receive *receive);

/* ---- inet-error.c ---------------------------------------------------------------------------- */

/** inet_error_add() - nobody is where a datagram was sent to: the next call of @socket says so */
void inet_error_add(
	struct inet_socket *socket, const struct inet_datagram *datagram, const uint8_t *bytes);
/** inet_error_receive() - MSG_ERRQUEUE */
int64_t inet_error_receive(
	struct inet_socket *socket, struct request *request, struct socket_receive *receive);
/** inet_error_drop_all() - forget those that nobody has received */
void inet_error_drop_all(struct inet_socket *socket);

/* ---- inet-control.c -------------------------------------------------------------------------- */

/* What control data of a send ask for. */
struct inet_control {
	bool has_from;
	struct inet_address from;
	uint8_t hops, class;
};

/** inet_control_decode() - of a datagram to @to; 0, -LINUX_EINVAL, -LINUX_ENODEV */
int64_t inet_control_decode(const struct inet_socket *socket, const struct inet_address *to,
	const struct socket_message *message, struct inet_control *out_control);
/** inet_control_encode() - what the socket's options want to know of a datagram */
void inet_control_encode(const struct inet_socket *socket, const struct inet_datagram *datagram,
	struct socket_control *control);

/* ---- inet-print.c ---------------------------------------------------------------------------- */

struct inet_counts {
	uint32_t n_streams, n_dgrams;
};

/** inet_list_add(), inet_list_remove() - for those that /proc tells of */
void inet_list_add(struct inet_socket *socket);
void inet_list_remove(struct inet_socket *socket);
struct inet_counts inet_count(void);
/** inet_list_next() - the one behind @socket, NULL: the first one; NULL: there is none */
const struct inet_socket *inet_list_next(const struct inet_socket *socket);
/** inet_is_listed() - whether lists show it: streams once they listen or are connected */
bool inet_is_listed(const struct inet_socket *socket);
/** inet_state_of() - the number that Linux has for the state; also of datagram sockets */
enum linux_tcp_state inet_state_of(const struct inet_socket *socket);
/** inet_print_all() - the text of /proc/net/tcp and its like; its size, also if it did not fit */
size_t inet_print_all(uint16_t family, uint16_t protocol, char *buffer, size_t size);

/* ---- inet-address.c -------------------------------------------------------------------------- */

/**
 * inet_decode() - a sockaddr for a socket
 *
 * Return: 0, -LINUX_EINVAL: too short, -LINUX_EAFNOSUPPORT
 */
int64_t inet_decode(const struct inet_socket *socket, const void *name, size_t size,
	struct inet_address *out_address);
/** inet_encode() - as a sockaddr of the socket's family */
void inet_encode(const struct inet_socket *socket, const struct inet_address *address,
	struct posix_socket_address *out_name);
bool inet_is_v4(const struct inet_address *address);
/** inet_is_any() - 0.0.0.0 or :: */
bool inet_is_any(const struct inet_address *address);
/** inet_is_local() - whether this machine has it; not the wildcards */
bool inet_is_local(const struct inet_address *address);
bool inet_is_equal_ip(const struct inet_address *a, const struct inet_address *b);
/** inet_any() - the wildcard of a family */
struct inet_address inet_any(uint16_t family);
/**
 * inet_route() - where a socket's packets to @to really go, and from where they come
 *
 * Return: 0, -LINUX_ENETUNREACH
 */
int64_t inet_route(const struct inet_socket *socket, const struct inet_address *to,
	struct inet_address *out_to, struct inet_address *out_from);

/* ---- inet-port.c ----------------------------------------------------------------------------- */

/**
 * inet_bind_to() - give a socket its address; port 0: a free one of the ephemeral range
 *
 * Return: 0, -LINUX_EADDRINUSE, -LINUX_ENOMEM
 */
int64_t inet_bind_to(struct inet_socket *socket, const struct inet_address *address);
/** inet_adopt_port() - a child that will be accepted takes part in its listener's port */
void inet_adopt_port(struct inet_socket *child, const struct inet_socket *listener);
/** inet_reuse_address() - SO_REUSEADDR, also of a socket that was accepted */
void inet_reuse_address(struct inet_socket *socket, bool reuses);
void inet_release_port(struct inet_socket *socket);
/** inet_can_listen() - no other socket listens there */
bool inet_can_listen(const struct inet_socket *socket);
/**
 * inet_find() - the socket that takes what is sent from @from to @to, NULL: none
 *
 * Streams: one that listens.
 */
struct inet_socket *inet_find(
	uint16_t protocol, const struct inet_address *to, const struct inet_address *from);

/* ---- inet-connect.c -------------------------------------------------------------------------- */

/** inet_admit() - callers become children of @listener while its backlog has room */
void inet_admit(struct inet_socket *listener);

/* ---- hooks: inet-connect.c, inet-transfer.c, inet-options.c ---------------------------------- */

int64_t inet_bind(struct request *request, struct file *file, const void *address, size_t size);
int64_t inet_listen(struct request *request, struct file *file, uint32_t backlog);
int64_t inet_connect(struct request *request, struct file *file, const void *address, size_t size);
int64_t inet_accept(struct request *request, struct file *file, uint32_t flags);
int64_t inet_own_name(struct file *file, struct posix_socket_address *out_name);
int64_t inet_peer_name(struct file *file, struct posix_socket_address *out_name);
int64_t inet_shutdown(struct file *file, enum linux_shutdown how);
int64_t inet_set_option(
	struct request *request, struct file *file, const struct socket_option *option);
int64_t inet_get_option(struct file *file, const struct socket_option *option);
int64_t inet_send(struct request *request, struct file *file, const struct socket_message *message);
int64_t inet_receive(struct request *request, struct file *file, struct socket_receive *receive);
int64_t inet_read(
	struct file *file, struct request *request, void *buffer, size_t size, uint64_t *offset);
int64_t inet_read_bulk(struct file *file, struct request *request, size_t size, uint64_t *offset);
int64_t inet_write(struct file *file, struct request *request, const void *buffer, size_t size,
	uint64_t *offset);

/** inet_room() - how many bytes a connected stream may send now */
size_t inet_room(const struct inet_socket *socket);
/** inet_has_room() - whether it is worth to be told that it is writable */
bool inet_has_room(const struct inet_socket *socket);
void inet_options_init(struct inet_socket *socket);
/** inet_tcp_info() - TCP_INFO of a stream */
struct linux_tcp_info inet_tcp_info(const struct inet_socket *socket);

#endif
