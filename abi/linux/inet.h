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
	LINUX_IPPROTO_UDPLITE = 136,
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
	LINUX_TCP_INFO = 11,
	LINUX_TCP_QUICKACK = 12,
	LINUX_TCP_CONGESTION = 13,
	LINUX_TCP_USER_TIMEOUT = 18,
};

enum linux_udplite_option : uint32_t {
	LINUX_UDPLITE_SEND_CSCOV = 10,
	LINUX_UDPLITE_RECV_CSCOV = 11,
};

enum linux_ip_option : uint32_t {
	LINUX_IP_TOS = 1,
	LINUX_IP_TTL = 2,
	LINUX_IP_PKTINFO = 8,
	LINUX_IP_MTU_DISCOVER = 10,
	LINUX_IP_RECVERR = 11,
	LINUX_IP_RECVTTL = 12,
	LINUX_IP_RECVTOS = 13,
	LINUX_IP_MTU = 14,
	LINUX_IP_BIND_ADDRESS_NO_PORT = 24,
	LINUX_IP_MULTICAST_TTL = 33,
	LINUX_IP_MULTICAST_LOOP = 34,
};

enum linux_ipv6_option : uint32_t {
	LINUX_IPV6_UNICAST_HOPS = 16,
	LINUX_IPV6_MULTICAST_HOPS = 18,
	LINUX_IPV6_MULTICAST_LOOP = 19,
	LINUX_IPV6_MTU_DISCOVER = 23,
	LINUX_IPV6_MTU = 24,
	LINUX_IPV6_RECVERR = 25,
	LINUX_IPV6_V6ONLY = 26,
	LINUX_IPV6_RECVPKTINFO = 49,
	LINUX_IPV6_PKTINFO = 50,
	LINUX_IPV6_RECVHOPLIMIT = 51,
	LINUX_IPV6_HOPLIMIT = 52,
	LINUX_IPV6_RECVTCLASS = 66,
	LINUX_IPV6_TCLASS = 67,
};

struct linux_in_pktinfo {
	int32_t index;
	uint8_t local[4]; /* sending: where from */
	uint8_t to[4];
};
static_assert(sizeof(struct linux_in_pktinfo) == 12);

struct linux_in6_pktinfo {
	uint8_t ip[16];
	int32_t index;
};
static_assert(sizeof(struct linux_in6_pktinfo) == 20);

/* What MSG_ERRQUEUE tells; behind it is the address of who has told of the error. */
struct linux_sock_extended_err {
	uint32_t error;
	uint8_t origin, type, code, padding;
	uint32_t info, data;
};
static_assert(sizeof(struct linux_sock_extended_err) == 16);

enum linux_error_origin : uint8_t {
	LINUX_SO_EE_ORIGIN_ICMP = 2,
	LINUX_SO_EE_ORIGIN_ICMP6 = 3,
};

/* The types and codes of ICMP for ports that nobody has. */
enum linux_icmp : uint8_t {
	LINUX_ICMP_DEST_UNREACH = 3,
	LINUX_ICMP_PORT_UNREACH = 3,
	LINUX_ICMPV6_DEST_UNREACH = 1,
	LINUX_ICMPV6_PORT_UNREACH = 4,
};

enum linux_tcp_state : uint8_t {
	LINUX_TCP_ESTABLISHED = 1,
	LINUX_TCP_SYN_SENT = 2,
	LINUX_TCP_FIN_WAIT_2 = 5,
	LINUX_TCP_CLOSE = 7,
	LINUX_TCP_CLOSE_WAIT = 8,
	LINUX_TCP_LISTEN = 10,
};

/* TCP_INFO, as of Linux 6.1. */
struct linux_tcp_info {
	uint8_t state, ca_state, retransmits, probes, backoff, options, scales, delivery;
	uint32_t rto_us, ato_us, snd_mss, rcv_mss;
	uint32_t unacked, sacked, lost, retrans, fackets;
	uint32_t last_data_sent_ms, last_ack_sent_ms, last_data_recv_ms, last_ack_recv_ms;
	uint32_t pmtu, rcv_ssthresh, rtt_us, rttvar_us, snd_ssthresh, snd_cwnd, advmss, reordering;
	uint32_t rcv_rtt_us, rcv_space, total_retrans;
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
	uint32_t segs_out, segs_in, notsent_bytes, min_rtt_us, data_segs_in, data_segs_out;
	uint64_t delivery_rate, busy_time_us, rwnd_limited_us, sndbuf_limited_us;
	uint32_t delivered, delivered_ce;
	uint64_t bytes_sent, bytes_retrans;
	uint32_t dsack_dups, reord_seen, rcv_ooopack, snd_wnd;
};
static_assert(sizeof(struct linux_tcp_info) == 232);

#endif
