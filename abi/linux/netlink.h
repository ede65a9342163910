/* SPDX-License-Identifier: MIT */
/* NETLINK_ROUTE, as on Linux: what programs ask of links, addresses and routes. */
#ifndef ABI_LINUX_NETLINK_H
#define ABI_LINUX_NETLINK_H

#include <stdint.h>

constexpr uint32_t LINUX_NETLINK_ROUTE = 0;

struct linux_sockaddr_nl {
	uint16_t family, padding;
	uint32_t port, groups;
};
static_assert(sizeof(struct linux_sockaddr_nl) == 12);

struct linux_nlmsghdr {
	uint32_t size; /* with this header */
	uint16_t type, flags;
	uint32_t sequence, port;
};
static_assert(sizeof(struct linux_nlmsghdr) == 16);

enum linux_netlink_type : uint16_t {
	LINUX_NLMSG_ERROR = 2,
	LINUX_NLMSG_DONE = 3,
	LINUX_NLMSG_FIRST = 16, /* those below are not answered */
	LINUX_RTM_NEWLINK = 16,
	LINUX_RTM_GETLINK = 18,
	LINUX_RTM_NEWADDR = 20,
	LINUX_RTM_GETADDR = 22,
	LINUX_RTM_NEWROUTE = 24,
	LINUX_RTM_GETROUTE = 26,
	LINUX_RTM_GETNEIGH = 30,
	LINUX_RTM_NEWRULE = 32,
	LINUX_RTM_GETRULE = 34,
};

enum linux_netlink_flags : uint16_t {
	LINUX_NLM_F_REQUEST = 0x1,
	LINUX_NLM_F_MULTI = 0x2,
	LINUX_NLM_F_ACK = 0x4,
	LINUX_NLM_F_DUMP = 0x300,
};

struct linux_rtattr {
	uint16_t size, type; /* with this header */
};

struct linux_ifinfomsg {
	uint8_t family, padding;
	uint16_t type;
	int32_t index;
	uint32_t flags, change;
};

struct linux_ifaddrmsg {
	uint8_t family, prefix, flags, scope;
	uint32_t index;
};

struct linux_rtmsg {
	uint8_t family, to_prefix, from_prefix, tos, table, protocol, scope, type;
	uint32_t flags;
};

struct linux_fib_rule_hdr {
	uint8_t family, to_prefix, from_prefix, tos, table, reserved[2], action;
	uint32_t flags;
};

struct linux_rta_cacheinfo {
	uint32_t n_clients, last_use;
	int32_t expires;
	uint32_t error, used, id, stamp, stamp_age;
};

enum linux_link_attribute : uint16_t {
	LINUX_IFLA_ADDRESS = 1,
	LINUX_IFLA_BROADCAST = 2,
	LINUX_IFLA_IFNAME = 3,
	LINUX_IFLA_MTU = 4,
	LINUX_IFLA_QDISC = 6,
	LINUX_IFLA_TXQLEN = 13,
	LINUX_IFLA_OPERSTATE = 16,
	LINUX_IFLA_LINKMODE = 17,
	LINUX_IFLA_STATS64 = 23,
	LINUX_IFLA_GROUP = 27,
	LINUX_IFLA_PROMISCUITY = 30,
	LINUX_IFLA_NUM_TX_QUEUES = 31,
	LINUX_IFLA_NUM_RX_QUEUES = 32,
	LINUX_IFLA_CARRIER = 33,
};

enum linux_address_attribute : uint16_t {
	LINUX_IFA_ADDRESS = 1,
	LINUX_IFA_LOCAL = 2,
	LINUX_IFA_LABEL = 3,
	LINUX_IFA_CACHEINFO = 6,
	LINUX_IFA_FLAGS = 8,
};

enum linux_route_attribute : uint16_t {
	LINUX_RTA_DST = 1,
	LINUX_RTA_SRC = 2,
	LINUX_RTA_OIF = 4,
	LINUX_RTA_PRIORITY = 6,
	LINUX_RTA_PREFSRC = 7,
	LINUX_RTA_CACHEINFO = 12,
	LINUX_RTA_TABLE = 15,
	LINUX_RTA_PREF = 20,
	LINUX_RTA_UID = 25,
};

enum linux_rule_attribute : uint16_t {
	LINUX_FRA_PRIORITY = 6,
	LINUX_FRA_SUPPRESS_PREFIXLEN = 14,
	LINUX_FRA_TABLE = 15,
	LINUX_FRA_PROTOCOL = 21,
};

enum linux_link_flags : uint32_t {
	LINUX_IFF_UP = 0x1,
	LINUX_IFF_LOOPBACK = 0x8,
	LINUX_IFF_RUNNING = 0x40,
	LINUX_IFF_LOWER_UP = 0x10000,
};

constexpr uint16_t LINUX_ARPHRD_LOOPBACK = 772;
constexpr uint8_t LINUX_IFA_F_PERMANENT = 0x80;
constexpr uint8_t LINUX_RT_SCOPE_LINK = 253;
constexpr uint8_t LINUX_RT_SCOPE_HOST = 254;
constexpr uint8_t LINUX_RT_TABLE_DEFAULT = 253;
constexpr uint8_t LINUX_RT_TABLE_MAIN = 254;
constexpr uint8_t LINUX_RT_TABLE_LOCAL = 255;
constexpr uint8_t LINUX_RTPROT_KERNEL = 2;
constexpr uint8_t LINUX_RTN_LOCAL = 2;
constexpr uint8_t LINUX_RTN_BROADCAST = 3;
constexpr uint8_t LINUX_FR_ACT_TO_TBL = 1;
constexpr uint32_t LINUX_RTM_F_CLONED = 0x200;
constexpr uint32_t LINUX_RTCF_LOCAL = 0x80000000;

#endif
