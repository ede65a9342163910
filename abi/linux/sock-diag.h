/* SPDX-License-Identifier: MIT */
/* NETLINK_SOCK_DIAG, as on Linux: what ss(8) asks of AF_INET sockets. Ports are big-endian. */
#ifndef ABI_LINUX_SOCK_DIAG_H
#define ABI_LINUX_SOCK_DIAG_H

#include <stdint.h>

constexpr uint32_t LINUX_NETLINK_SOCK_DIAG = 4;
constexpr uint16_t LINUX_SOCK_DIAG_BY_FAMILY = 20;

struct linux_inet_diag_sockid {
	uint16_t from_port, to_port;
	uint8_t from[16], to[16];
	uint32_t interface, cookie[2];
};
static_assert(sizeof(struct linux_inet_diag_sockid) == 48);

struct linux_inet_diag_req_v2 {
	uint8_t family, protocol, extensions, padding;
	uint32_t states; /* a bit for each enum linux_tcp_state */
	struct linux_inet_diag_sockid id;
};
static_assert(sizeof(struct linux_inet_diag_req_v2) == 56);

struct linux_inet_diag_msg {
	uint8_t family, state, timer, retransmits;
	struct linux_inet_diag_sockid id;
	uint32_t expires, n_received, n_sent, uid, inode;
};
static_assert(sizeof(struct linux_inet_diag_msg) == 72);

/* Attributes; those that are asked for are the bits below them in `extensions`. */
enum linux_inet_diag_attribute : uint16_t {
	LINUX_INET_DIAG_INFO = 2,
	LINUX_INET_DIAG_SHUTDOWN = 8,
	LINUX_INET_DIAG_SKV6ONLY = 11,
};

#endif
