/* SPDX-License-Identifier: MIT */
/* Sockets, as on Linux for x86-64. */
#ifndef ABI_LINUX_SOCKET_H
#define ABI_LINUX_SOCKET_H

#include <stdint.h>

enum linux_socket_family : uint16_t {
	LINUX_AF_UNSPEC = 0,
	LINUX_AF_UNIX = 1,
	LINUX_AF_INET = 2,
	LINUX_AF_INET6 = 10,
	LINUX_AF_NETLINK = 16,
};

enum linux_socket_type : uint32_t {
	LINUX_SOCK_STREAM = 1,
	LINUX_SOCK_DGRAM = 2,
	LINUX_SOCK_RAW = 3,
	LINUX_SOCK_SEQPACKET = 5,
	LINUX_SOCK_TYPE_MASK = 0xf,
	LINUX_SOCK_NONBLOCK = 04000,
	LINUX_SOCK_CLOEXEC = 02000000,
};

enum linux_message_flags : uint32_t {
	LINUX_MSG_OOB = 0x1,
	LINUX_MSG_PEEK = 0x2,
	LINUX_MSG_CTRUNC = 0x8,
	LINUX_MSG_TRUNC = 0x20,
	LINUX_MSG_DONTWAIT = 0x40,
	LINUX_MSG_EOR = 0x80,
	LINUX_MSG_WAITALL = 0x100,
	LINUX_MSG_ERRQUEUE = 0x2000,
	LINUX_MSG_NOSIGNAL = 0x4000,
	LINUX_MSG_WAITFORONE = 0x10000,
	LINUX_MSG_CMSG_CLOEXEC = 0x40000000,
};

enum linux_shutdown : uint32_t {
	LINUX_SHUT_RD = 0,
	LINUX_SHUT_WR = 1,
	LINUX_SHUT_RDWR = 2,
};

enum linux_socket_option : uint32_t {
	LINUX_SOL_SOCKET = 1,
	LINUX_SO_REUSEADDR = 2,
	LINUX_SO_TYPE = 3,
	LINUX_SO_ERROR = 4,
	LINUX_SO_DONTROUTE = 5,
	LINUX_SO_BROADCAST = 6,
	LINUX_SO_SNDBUF = 7,
	LINUX_SO_RCVBUF = 8,
	LINUX_SO_KEEPALIVE = 9,
	LINUX_SO_OOBINLINE = 10,
	LINUX_SO_PRIORITY = 12,
	LINUX_SO_LINGER = 13,
	LINUX_SO_REUSEPORT = 15,
	LINUX_SO_PASSCRED = 16,
	LINUX_SO_PEERCRED = 17,
	LINUX_SO_RCVTIMEO = 20,
	LINUX_SO_SNDTIMEO = 21,
	LINUX_SO_BINDTODEVICE = 25,
	LINUX_SO_TIMESTAMP = 29, /* also what the control data are called */
	LINUX_SO_ACCEPTCONN = 30,
	LINUX_SO_SNDBUFFORCE = 32,
	LINUX_SO_RCVBUFFORCE = 33,
	LINUX_SO_TIMESTAMPNS = 35,
	LINUX_SO_PROTOCOL = 38,
	LINUX_SO_DOMAIN = 39,
};

enum linux_control_type : uint32_t {
	LINUX_SCM_RIGHTS = 1,
	LINUX_SCM_CREDENTIALS = 2,
	LINUX_SCM_MAX_FD = 253,
};

/* The size of the queue of what was sent and not yet read; SIOCINQ is FIONREAD. */
constexpr uint32_t LINUX_SIOCOUTQ = 0x5411;
constexpr uint32_t LINUX_SIOCATMARK = 0x8905;
constexpr uint32_t LINUX_SOMAXCONN = 4096;
constexpr uint32_t LINUX_UNIX_PATH_MAX = 108;

struct linux_sockaddr_un {
	uint16_t family;
	char path[LINUX_UNIX_PATH_MAX];
};

struct linux_cmsghdr {
	uint64_t size; /* with this header */
	int32_t level, type;
};

struct linux_linger {
	int32_t is_on, seconds;
};

struct linux_ucred {
	uint32_t pid, uid, gid;
};

#endif
