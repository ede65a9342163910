/* SPDX-License-Identifier: MIT */
/*
 * Options of AF_INET sockets. Many of them say how packets are to look or when they are sent again;
 * between two sockets of one machine there are none, so they are checked and remembered.
 */
#include <abi/linux/errno.h>
#include <abi/linux/inet.h>
#include <base/string.h>
#include <posix/server/socket/inet.h>

constexpr int32_t UDPLITE_HEADER = 8;
constexpr int32_t LO_MTU = 65536;

/* What may go into inet_socket::numbers. */
struct number_rule {
	uint32_t level, number;
	enum inet_number index;
	int32_t min, max, initial;
	bool is_flag; /* whatever is not 0 is 1 */
};

static const struct number_rule number_rules[] = {
	{ LINUX_SOL_SOCKET, LINUX_SO_BROADCAST, INET_BROADCAST, 0, 1, 0, true },
	{ LINUX_SOL_SOCKET, LINUX_SO_KEEPALIVE, INET_KEEP_ALIVE, 0, 1, 0, true },
	{ LINUX_SOL_SOCKET, LINUX_SO_DONTROUTE, INET_DONT_ROUTE, 0, 1, 0, true },
	{ LINUX_SOL_SOCKET, LINUX_SO_PRIORITY, INET_PRIORITY, 0, 6, 0, false },
	{ LINUX_SOL_SOCKET, LINUX_SO_OOBINLINE, INET_OOB_INLINE, 0, 1, 0, true },
	{ LINUX_IPPROTO_TCP, LINUX_TCP_NODELAY, INET_NO_DELAY, 0, 1, 0, true },
	{ LINUX_IPPROTO_TCP, LINUX_TCP_CORK, INET_CORK, 0, 1, 0, true },
	{ LINUX_IPPROTO_TCP, LINUX_TCP_KEEPIDLE, INET_KEEP_IDLE, 1, 32767, 7200, false },
	{ LINUX_IPPROTO_TCP, LINUX_TCP_KEEPINTVL, INET_KEEP_INTERVAL, 1, 32767, 75, false },
	{ LINUX_IPPROTO_TCP, LINUX_TCP_KEEPCNT, INET_KEEP_COUNT, 1, 127, 9, false },
	{ LINUX_IPPROTO_TCP, LINUX_TCP_SYNCNT, INET_SYN_COUNT, 1, 127, 6, false },
	{ LINUX_IPPROTO_TCP, LINUX_TCP_LINGER2, INET_LINGER_2, -1, 120, 60, false },
	{ LINUX_IPPROTO_TCP, LINUX_TCP_QUICKACK, INET_QUICK_ACK, 0, 1, 1, true },
	{ LINUX_IPPROTO_TCP, LINUX_TCP_USER_TIMEOUT, INET_USER_TIMEOUT, 0, INT32_MAX, 0, false },
	{ LINUX_IPPROTO_UDPLITE, LINUX_UDPLITE_SEND_CSCOV, INET_SEND_COVERAGE, 0, UINT16_MAX, 0,
		false },
	{ LINUX_IPPROTO_UDPLITE, LINUX_UDPLITE_RECV_CSCOV, INET_RECEIVE_COVERAGE, 0, UINT16_MAX, 0,
		false },
	{ LINUX_IPPROTO_IP, LINUX_IP_TOS, INET_TOS, 0, 255, 0, false },
	{ LINUX_IPPROTO_IP, LINUX_IP_TTL, INET_TTL, 1, 255, 64, false },
	{ LINUX_IPPROTO_IP, LINUX_IP_MTU_DISCOVER, INET_MTU_DISCOVER, 0, 5, 1, false },
	{ LINUX_IPPROTO_IP, LINUX_IP_RECVERR, INET_RECEIVE_ERROR, 0, 1, 0, true },
	{ LINUX_IPPROTO_IP, LINUX_IP_MULTICAST_TTL, INET_MULTICAST_TTL, 0, 255, 1, false },
	{ LINUX_IPPROTO_IP, LINUX_IP_MULTICAST_LOOP, INET_MULTICAST_LOOP, 0, 1, 1, true },
	{ LINUX_IPPROTO_IPV6, LINUX_IPV6_UNICAST_HOPS, INET_HOPS, 0, 255, 64, false },
	{ LINUX_IPPROTO_IPV6, LINUX_IPV6_TCLASS, INET_CLASS, 0, 255, 0, false },
	{ LINUX_IPPROTO_IPV6, LINUX_IPV6_MULTICAST_HOPS, INET_MULTICAST_HOPS, 0, 255, 1, false },
	{ LINUX_IPPROTO_IPV6, LINUX_IPV6_MULTICAST_LOOP, INET_MULTICAST_LOOP_6, 0, 1, 1, true },
	{ LINUX_IPPROTO_IPV6, LINUX_IPV6_MTU_DISCOVER, INET_MTU_DISCOVER_6, 0, 5, 1, false },
	{ LINUX_IPPROTO_IPV6, LINUX_IPV6_RECVERR, INET_RECEIVE_ERROR_6, 0, 1, 0, true },
	{ LINUX_IPPROTO_IP, LINUX_IP_BIND_ADDRESS_NO_PORT, INET_BIND_NO_PORT, 0, 1, 0, true },
	{ LINUX_SOL_SOCKET, LINUX_SO_TIMESTAMP, INET_TIME_STAMP, 0, 1, 0, true },
	{ LINUX_SOL_SOCKET, LINUX_SO_TIMESTAMPNS, INET_TIME_STAMP_NS, 0, 1, 0, true },
	{ LINUX_IPPROTO_IP, LINUX_IP_PKTINFO, INET_PACKET_INFO, 0, 1, 0, true },
	{ LINUX_IPPROTO_IP, LINUX_IP_RECVTTL, INET_RECEIVE_TTL, 0, 1, 0, true },
	{ LINUX_IPPROTO_IP, LINUX_IP_RECVTOS, INET_RECEIVE_TOS, 0, 1, 0, true },
	{ LINUX_IPPROTO_IPV6, LINUX_IPV6_RECVPKTINFO, INET_PACKET_INFO_6, 0, 1, 0, true },
	{ LINUX_IPPROTO_IPV6, LINUX_IPV6_RECVHOPLIMIT, INET_RECEIVE_HOPS, 0, 1, 0, true },
	{ LINUX_IPPROTO_IPV6, LINUX_IPV6_RECVTCLASS, INET_RECEIVE_CLASS, 0, 1, 0, true },
};
static_assert(sizeof(number_rules) / sizeof(number_rules[0]) == INET_N_NUMBERS);

void inet_options_init(struct inet_socket *socket)
{
	for (size_t i = 0; i < INET_N_NUMBERS; i++) {
		socket->numbers[number_rules[i].index] = number_rules[i].initial;
	}
}

static struct socket_buffers buffers_of(struct inet_socket *socket)
{
	return (struct socket_buffers){
		.send_max = &socket->send_max,
		.receive_max = &socket->receive_max,
		.send_timeout_ns = &socket->send_timeout_ns,
		.receive_timeout_ns = &socket->receive_timeout_ns,
	};
}

/* The levels that a socket knows: those of its family and its protocol. */
static bool has_level(const struct inet_socket *socket, uint32_t level)
{
	switch (level) {
	case LINUX_SOL_SOCKET:
	case LINUX_IPPROTO_IP: return true;
	case LINUX_IPPROTO_TCP: return inet_is_stream(socket);
	case LINUX_IPPROTO_UDPLITE: return socket->protocol == LINUX_IPPROTO_UDPLITE;
	case LINUX_IPPROTO_IPV6: return socket->family == LINUX_AF_INET6;
	default: return false;
	}
}

static const struct number_rule *find_rule(uint32_t level, uint32_t number)
{
	for (size_t i = 0; i < INET_N_NUMBERS; i++) {
		if (number_rules[i].level == level && number_rules[i].number == number) {
			return &number_rules[i];
		}
	}
	return NULL;
}

static int64_t set_linger(struct inet_socket *socket, const struct socket_option *option)
{
	struct linux_linger linger;

	if (option->size < sizeof(linger)) {
		return -LINUX_EINVAL;
	}
	memcpy(&linger, option->value, sizeof(linger));
	socket->lingers = linger.is_on != 0;
	socket->linger_seconds = linger.is_on != 0 ? (uint32_t)linger.seconds : 0;
	return 0;
}

static int64_t set_number(struct inet_socket *socket, const struct number_rule *rule, int32_t value)
{
	if (rule->is_flag) {
		value = value != 0;
	}
	/* 0 is all of a datagram; its header at least */
	if (rule->level == LINUX_IPPROTO_UDPLITE && value != 0) {
		value = value < UDPLITE_HEADER ? UDPLITE_HEADER : value;
		value = value > (int32_t)UINT16_MAX ? (int32_t)UINT16_MAX : value;
	}
	/* -1: what it is usually */
	bool is_reset = value == -1 && (rule->index == INET_TTL || rule->index == INET_HOPS);

	if (!is_reset && (value < rule->min || value > rule->max)) {
		return -LINUX_EINVAL;
	}
	socket->numbers[rule->index] = is_reset ? rule->initial : value;
	/* stamps have one form or the other */
	if (rule->index == INET_TIME_STAMP) {
		socket->numbers[INET_TIME_STAMP_NS] = 0;
	} else if (rule->index == INET_TIME_STAMP_NS) {
		socket->numbers[INET_TIME_STAMP] = 0;
	}
	if (value == 0 &&
		(rule->index == INET_RECEIVE_ERROR || rule->index == INET_RECEIVE_ERROR_6)) {
		inet_error_drop_all(socket);
	}
	return 0;
}

/* A value that is a name, of which at most 15 bytes count. */
static void get_text(const struct socket_option *option, char out_text[16])
{
	size_t size = min_size(option->size, 15);

	memcpy(out_text, option->value, size);
	out_text[size] = '\0';
}

static int64_t set_device(struct inet_socket *socket, const struct socket_option *option)
{
	char name[16];

	get_text(option, name);
	if (name[0] != '\0' && strcmp(name, "lo") != 0) {
		return -LINUX_ENODEV;
	}
	socket->is_bound_to_lo = name[0] != '\0';
	return 0;
}

static int64_t set_congestion(struct inet_socket *socket, const struct socket_option *option)
{
	char name[16];

	if (option->size < 1) {
		return -LINUX_EINVAL;
	}
	get_text(option, name);
	if (strcmp(name, "reno") != 0 && strcmp(name, "cubic") != 0) {
		return -LINUX_ENOENT;
	}
	socket->is_reno = strcmp(name, "reno") == 0;
	return 0;
}

static int64_t set_v6_only(struct inet_socket *socket, int32_t value)
{
	if (socket->port != NULL) {
		return -LINUX_EINVAL;
	}
	socket->is_only_v6 = value != 0;
	return 0;
}

int64_t inet_set_option(
	struct request *request, struct file *file, const struct socket_option *option)
{
	struct inet_socket *socket = file->data;
	struct socket_buffers buffers = buffers_of(socket);
	const struct number_rule *rule = find_rule(option->level, option->number);
	int32_t value;

	if (!has_level(socket, option->level)) {
		return -LINUX_ENOPROTOOPT;
	}
	if (option->level == LINUX_SOL_SOCKET && option->number == LINUX_SO_BINDTODEVICE) {
		return set_device(socket, option);
	}
	if (option->level == LINUX_IPPROTO_TCP && option->number == LINUX_TCP_CONGESTION) {
		return set_congestion(socket, option);
	}
	memcpy(&value, option->value, sizeof(value));
	if (rule != NULL) {
		return set_number(socket, rule, value);
	}
	if (option->level == LINUX_IPPROTO_IPV6 && option->number == LINUX_IPV6_V6ONLY) {
		return set_v6_only(socket, value);
	}
	int64_t result = -LINUX_ENOPROTOOPT;

	if (option->level == LINUX_SOL_SOCKET) {
		switch (option->number) {
		case LINUX_SO_REUSEADDR: inet_reuse_address(socket, value != 0); return 0;
		case LINUX_SO_REUSEPORT: socket->reuses_port = value != 0; return 0;
		case LINUX_SO_LINGER: return set_linger(socket, option);
		default: result = socket_set_common(request, &buffers, option);
		}
	}
	if (result == -LINUX_ENOPROTOOPT) {
		unimplemented_count(0xffff0000 | 54);
	}
	wait_queue_wake(&socket->changed);
	return result;
}

/* ---- getsockopt ------------------------------------------------------------------------------ */

static int64_t get_number(
	struct inet_socket *socket, const struct socket_option *option, int32_t *out_value)
{
	const struct number_rule *rule = find_rule(option->level, option->number);

	if (rule != NULL) {
		*out_value = socket->numbers[rule->index];
		return 0;
	}
	if (option->level == LINUX_IPPROTO_IPV6 && option->number == LINUX_IPV6_V6ONLY) {
		*out_value = socket->is_only_v6;
		return 0;
	}
	if (option->level == LINUX_IPPROTO_TCP && option->number == LINUX_TCP_MAXSEG) {
		/* before there is a connection; then what the MTU of `lo` leaves */
		*out_value = socket->peer == NULL ? 536 : 32768;
		return 0;
	}
	if ((option->level == LINUX_IPPROTO_IP && option->number == LINUX_IP_MTU) ||
		(option->level == LINUX_IPPROTO_IPV6 && option->number == LINUX_IPV6_MTU)) {
		*out_value = LO_MTU;
		return socket->state == INET_CONNECTED ? 0 : -LINUX_ENOTCONN;
	}
	if (option->level != LINUX_SOL_SOCKET) {
		return -LINUX_ENOPROTOOPT;
	}
	switch (option->number) {
	case LINUX_SO_TYPE: *out_value = (int32_t)socket->type; return 0;
	case LINUX_SO_DOMAIN: *out_value = socket->family; return 0;
	case LINUX_SO_PROTOCOL: *out_value = socket->protocol; return 0;
	case LINUX_SO_ERROR: *out_value = (int32_t)-inet_take_error(socket); return 0;
	case LINUX_SO_ACCEPTCONN: *out_value = socket->state == INET_LISTENING; return 0;
	case LINUX_SO_REUSEADDR: *out_value = socket->reuses_address; return 0;
	case LINUX_SO_REUSEPORT: *out_value = socket->reuses_port; return 0;
	default: return -LINUX_ENOPROTOOPT;
	}
}

/*
 * TCP_INFO. There are no packets, so none was lost, sent again or waited for; what is the same for
 * all connections is what Linux has over `lo` at their beginning.
 */
struct linux_tcp_info inet_tcp_info(const struct inet_socket *socket)
{
	constexpr uint32_t MSS = 32768, ADVERTISED_MSS = 65483, RTO_MIN_US = 200000, ATO_US = 40000;
	bool is_connected = socket->peer != NULL;
	bool is_listening = socket->state == INET_LISTENING;

	return (struct linux_tcp_info){
		.state = inet_state_of(socket),
		.options = is_connected ? 7 : 0, /* time stamps, selective acks, window scaling */
		.scales = is_connected ? 0x77 : 0,
		.rto_us = is_connected ? RTO_MIN_US : 1000000,
		.ato_us = is_connected ? ATO_US : 0,
		.snd_mss = is_connected ? MSS : 536,
		.rcv_mss = is_connected ? MSS : 536,
		.unacked = is_listening ? socket->n_children : 0,
		.sacked = is_listening ? socket->backlog : 0,
		.pmtu = is_connected ? 65535 : 0,
		.snd_ssthresh = INT32_MAX,
		.snd_cwnd = 10,
		.advmss = is_connected ? ADVERTISED_MSS : 536,
		.reordering = 3,
		.rcv_space = is_connected ? socket->receive_max / 2 : 0,
		.pacing_rate = UINT64_MAX,
		.max_pacing_rate = UINT64_MAX,
		.bytes_acked = socket->n_sent,
		.bytes_sent = socket->n_sent,
		.bytes_received = socket->n_received,
		.snd_wnd = is_connected ? socket->peer->receive_max : 0,
	};
}

int64_t inet_get_option(struct file *file, const struct socket_option *option)
{
	struct inet_socket *socket = file->data;
	struct socket_buffers buffers = buffers_of(socket);
	int32_t value;

	if (!has_level(socket, option->level)) {
		return -LINUX_ENOPROTOOPT;
	}
	if (option->level == LINUX_SOL_SOCKET) {
		int64_t result = socket_get_common(&buffers, option);

		if (result != -LINUX_ENOPROTOOPT) {
			return result;
		}
		if (option->number == LINUX_SO_LINGER) {
			struct linux_linger linger = {
				.is_on = socket->lingers,
				.seconds = (int32_t)socket->linger_seconds,
			};

			memcpy(option->value, &linger, sizeof(linger));
			return sizeof(linger);
		}
	}
	if (option->level == LINUX_SOL_SOCKET && option->number == LINUX_SO_BINDTODEVICE) {
		memcpy(option->value, "lo", 3);
		return socket->is_bound_to_lo ? 3 : 0;
	}
	if (option->level == LINUX_IPPROTO_TCP && option->number == LINUX_TCP_CONGESTION) {
		memset(option->value, 0, 16);
		memcpy(option->value, socket->is_reno ? "reno" : "cubic", 5);
		return 16;
	}
	if (option->level == LINUX_IPPROTO_TCP && option->number == LINUX_TCP_INFO) {
		struct linux_tcp_info info = inet_tcp_info(socket);

		memcpy(option->value, &info, sizeof(info));
		return sizeof(info);
	}
	int64_t error = get_number(socket, option, &value);

	if (error < 0) {
		unimplemented_count(0xffff0000 | 55);
		return error;
	}
	memcpy(option->value, &value, sizeof(value));
	return sizeof(value);
}
