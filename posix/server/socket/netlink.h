/* SPDX-License-Identifier: MIT */
/*
 * Sockets of the family AF_NETLINK. Protocol NETLINK_ROUTE: programs ask which links, addresses and
 * routes there are. There is one link, `lo`, and nothing about it changes, so requests to change
 * something are refused and groups of listeners hear nothing.
 *
 * NETLINK_SOCK_DIAG: they ask for sockets.
 *
 * A request is answered inside send(): the answer lies in the socket's own queue, a datagram for
 * each answer. Who asks and does not read gets -LINUX_ENOBUFS. A list of sockets may be longer than
 * the receive buffer, as Linux makes it while it is read; its memory is limited as that of all.
 * mq_notify(), too, puts datagrams there.
 */
#ifndef POSIX_SOCKET_NETLINK_H
#define POSIX_SOCKET_NETLINK_H

#include <abi/linux/netlink.h>
#include <posix/server/file/file.h>
#include <posix/server/socket/family.h>
#include <posix/server/socket/memory.h>

struct netlink_socket {
	struct list_node port_node; /* in the table of ports, if it has one */
	uint32_t port;              /* 0: none yet */
	uint32_t groups;
	uint32_t protocol;
	uint32_t type; /* enum linux_socket_type: raw or datagrams, which is the same */
	struct socket_memory memory;
	struct list answers; /* struct netlink_packet */
	uint64_t n_bytes;    /* of answers, and of notices that are to come */
	uint32_t send_max, receive_max;
	uint64_t send_timeout_ns, receive_timeout_ns;
	struct wait_queue changed;
};

extern const struct file_ops netlink_file_ops;
extern const struct socket_ops netlink_socket_ops;

/* ---- datagrams that others send -------------------------------------------------------------- */

struct netlink_notice;

/**
 * netlink_notice_create() - prepare a datagram that will be sent later: its room in the queue is
 * taken from now on, and sending it cannot fail
 * @request: whose handler this is; may park until there is room
 * @file: is referenced until it is sent or discarded
 *
 * Return: 0, -LINUX_ENOTSOCK, -LINUX_EINVAL: a socket of another family; -LINUX_ENOMEM,
 * REQUEST_PARK.
 */
int64_t netlink_notice_create(struct request *request, struct file *file, size_t size,
	struct netlink_notice **out_notice);

/** netlink_notice_send() - @bytes are as many as it was made for; the notice is gone then */
void netlink_notice_send(struct netlink_notice *notice, const void *bytes);

/** netlink_notice_discard() - it will not be sent; NULL is none */
void netlink_notice_discard(struct netlink_notice *notice);

/* ---- answers --------------------------------------------------------------------------------- */

/* A queue for one answer; see netlink-route.c. */
struct netlink_answer {
	struct netlink_socket *socket; /* that it is for */
	uint8_t *bytes;
	uint32_t size, max;
	uint32_t sequence, port;
};

/**
 * netlink_answer() - what NETLINK_ROUTE says to one request
 * @request: its header; @body are the bytes behind it
 * @answer: has room for all that is ever said
 *
 * Return: 0, or a negative errno that the answer is to be.
 */
int64_t netlink_answer(const struct process *process, const struct linux_nlmsghdr *request,
	const uint8_t *body, size_t body_size, struct netlink_answer *answer);

/* The one link that there is. */
constexpr int32_t NETLINK_LO_INDEX = 1;

/** netlink_put() - begin a message of a type; returns where its body goes */
void *netlink_put(struct netlink_answer *answer, uint16_t type, uint16_t flags, size_t size);
/** netlink_put_attribute() - at the end of the message that begins at @start */
void netlink_put_attribute(struct netlink_answer *answer, uint32_t start, uint16_t type,
	const void *data, size_t size);
/** netlink_find_attribute() - the data of the first one of a type, NULL: there is none */
const void *netlink_find_attribute(
	const uint8_t *attributes, size_t size, uint16_t type, size_t *out_size);

/* ---- netlink-diag.c -------------------------------------------------------------------------- */

/**
 * netlink_diag() - what NETLINK_SOCK_DIAG says to one request
 * @flush: queues what @answer has and empties it; 0 or a negative errno
 *
 * Return: 0, or a negative errno that the answer is to be.
 */
int64_t netlink_diag(const struct linux_nlmsghdr *request, const uint8_t *body, size_t body_size,
	struct netlink_answer *answer, int64_t (*flush)(struct netlink_answer *answer));

/* ---- netlink-fib.c --------------------------------------------------------------------------- */

/** netlink_put_routes(), netlink_put_rules() - all of a family */
void netlink_put_routes(struct netlink_answer *answer, bool is_v4);
void netlink_put_rules(struct netlink_answer *answer, bool is_v4);
/**
 * netlink_find_route() - where a packet would go
 * @body: a struct linux_rtmsg, and attributes
 *
 * Return: 0, -LINUX_ENETUNREACH, -LINUX_EINVAL, -LINUX_EOPNOTSUPP: the family is unknown.
 */
int64_t netlink_find_route(const struct process *process, const uint8_t *body, size_t body_size,
	struct netlink_answer *answer);

#endif
