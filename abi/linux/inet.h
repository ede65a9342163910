/* SPDX-License-Identifier: MIT */
/* The families AF_INET and AF_INET6, as on Linux. Ports and addresses are big-endian. */
#ifndef ABI_LINUX_INET_H
#define ABI_LINUX_INET_H

#include <stdint.h>

struct linux_sockaddr_in {
	uint16_t family, port;
	uint8_t ip[4];
	uint8_t zero[8];
};
static_assert(sizeof(struct linux_sockaddr_in) == 16);

struct linux_sockaddr_in6 {
	uint16_t family, port;
	uint32_t flow;
	uint8_t ip[16];
	uint32_t scope;
};
static_assert(sizeof(struct linux_sockaddr_in6) == 28);

/* What must be there of a sockaddr_in6: all but its scope. */
constexpr uint32_t LINUX_SOCKADDR_IN6_MIN = 24;

enum linux_inet_protocol : uint32_t {
	LINUX_IPPROTO_IP = 0,
	LINUX_IPPROTO_ICMP = 1,
	LINUX_IPPROTO_TCP = 6,
	LINUX_IPPROTO_UDP = 17,
	LINUX_IPPROTO_IPV6 = 41,
	LINUX_IPPROTO_ICMPV6 = 58,
};

enum linux_tcp_option : uint32_t {
	LINUX_TCP_NODELAY = 1,
	LINUX_TCP_MAXSEG = 2,
	LINUX_TCP_CORK = 3,
	LINUX_TCP_KEEPIDLE = 4,
	LINUX_TCP_KEEPINTVL = 5,
	LINUX_TCP_KEEPCNT = 6,
	LINUX_TCP_SYNCNT = 7,
	LINUX_TCP_LINGER2 = 8,
	LINUX_TCP_QUICKACK = 12,
	LINUX_TCP_USER_TIMEOUT = 18,
};

enum linux_ip_option : uint32_t {
	LINUX_IP_TOS = 1,
	LINUX_IP_TTL = 2,
	LINUX_IP_MTU_DISCOVER = 10,
	LINUX_IP_RECVERR = 11,
	LINUX_IP_MULTICAST_TTL = 33,
	LINUX_IP_MULTICAST_LOOP = 34,
};

enum linux_ipv6_option : uint32_t {
	LINUX_IPV6_UNICAST_HOPS = 16,
	LINUX_IPV6_MULTICAST_HOPS = 18,
	LINUX_IPV6_MULTICAST_LOOP = 19,
	LINUX_IPV6_MTU_DISCOVER = 23,
	LINUX_IPV6_RECVERR = 25,
	LINUX_IPV6_V6ONLY = 26,
	LINUX_IPV6_TCLASS = 67,
};

#endif
