/* SPDX-License-Identifier: MIT */
/* What NETLINK_ROUTE says of routes, which are those of `lo`, and of rules. See netlink.h. */
#include <abi/linux/errno.h>
#include <abi/linux/netlink.h>
#include <base/string.h>
#include <posix/server/process/process.h>
#include <posix/server/socket/inet.h>
#include <posix/server/socket/netlink.h>

static const uint8_t v4_loopback[4] = { 127, 0, 0, 1 };
static const uint8_t v6_loopback[16] = { [15] = 1 };

static void put_number(
	struct netlink_answer *answer, uint32_t start, uint16_t type, uint32_t number)
{
	netlink_put_attribute(answer, start, type, &number, sizeof(number));
}

static void put_header(
	struct netlink_answer *answer, uint16_t flags, const struct linux_rtmsg *route)
{
	memcpy(netlink_put(answer, LINUX_RTM_NEWROUTE, flags, sizeof(*route)), route,
		sizeof(*route));
}

static void put_cache(struct netlink_answer *answer, uint32_t start)
{
	static const struct linux_rta_cacheinfo nothing;

	netlink_put_attribute(answer, start, LINUX_RTA_CACHEINFO, &nothing, sizeof(nothing));
}

/* What all routes of IPv6 say at their end. */
static void put_preference(struct netlink_answer *answer, uint32_t start)
{
	static const uint8_t medium;

	put_number(answer, start, LINUX_RTA_PRIORITY, 0);
	put_cache(answer, start);
	netlink_put_attribute(answer, start, LINUX_RTA_PREF, &medium, sizeof(medium));
}

static void put_v4_route(struct netlink_answer *answer, const uint8_t to[4], uint8_t prefix,
	uint8_t scope, uint8_t type)
{
	uint32_t start = answer->size;
	struct linux_rtmsg route = {
		.family = LINUX_AF_INET,
		.to_prefix = prefix,
		.table = LINUX_RT_TABLE_LOCAL,
		.protocol = LINUX_RTPROT_KERNEL,
		.scope = scope,
		.type = type,
	};

	put_header(answer, LINUX_NLM_F_MULTI, &route);
	put_number(answer, start, LINUX_RTA_TABLE, LINUX_RT_TABLE_LOCAL);
	netlink_put_attribute(answer, start, LINUX_RTA_DST, to, 4);
	netlink_put_attribute(answer, start, LINUX_RTA_PREFSRC, v4_loopback, sizeof(v4_loopback));
	put_number(answer, start, LINUX_RTA_OIF, NETLINK_LO_INDEX);
}

/* @from: NULL, or where packets of a lookup come from */
static void put_v6_route(struct netlink_answer *answer, uint16_t flags, const uint8_t *from)
{
	uint32_t start = answer->size;
	struct linux_rtmsg route = {
		.family = LINUX_AF_INET6,
		.to_prefix = 128,
		.from_prefix = from == NULL ? 0 : 128,
		.table = LINUX_RT_TABLE_LOCAL,
		.protocol = LINUX_RTPROT_KERNEL,
		.type = LINUX_RTN_LOCAL,
	};

	put_header(answer, flags, &route);
	put_number(answer, start, LINUX_RTA_TABLE, LINUX_RT_TABLE_LOCAL);
	netlink_put_attribute(answer, start, LINUX_RTA_DST, v6_loopback, sizeof(v6_loopback));
	if (from != NULL) {
		netlink_put_attribute(answer, start, LINUX_RTA_SRC, from, sizeof(v6_loopback));
		netlink_put_attribute(
			answer, start, LINUX_RTA_PREFSRC, v6_loopback, sizeof(v6_loopback));
	}
	put_number(answer, start, LINUX_RTA_OIF, NETLINK_LO_INDEX);
	put_preference(answer, start);
}

void netlink_put_routes(struct netlink_answer *answer, bool is_v4)
{
	if (!is_v4) {
		put_v6_route(answer, LINUX_NLM_F_MULTI, NULL);
		return;
	}
	put_v4_route(answer, (const uint8_t[4]){ 127 }, 8, LINUX_RT_SCOPE_HOST, LINUX_RTN_LOCAL);
	put_v4_route(answer, v4_loopback, 32, LINUX_RT_SCOPE_HOST, LINUX_RTN_LOCAL);
	put_v4_route(answer, (const uint8_t[4]){ 127, 255, 255, 255 }, 32, LINUX_RT_SCOPE_LINK,
		LINUX_RTN_BROADCAST);
}

void netlink_put_rules(struct netlink_answer *answer, bool is_v4)
{
	static const struct {
		uint32_t priority;
		uint8_t table;
	} rules[] = {
		{ 0, LINUX_RT_TABLE_LOCAL },
		{ 32766, LINUX_RT_TABLE_MAIN },
		{ 32767, LINUX_RT_TABLE_DEFAULT },
	};
	static const uint8_t protocol = LINUX_RTPROT_KERNEL;
	size_t n_rules = is_v4 ? 3 : 2; /* IPv6 has no table `default` */

	for (size_t i = 0; i < n_rules; i++) {
		uint32_t start = answer->size;
		struct linux_fib_rule_hdr rule = {
			.family = is_v4 ? LINUX_AF_INET : LINUX_AF_INET6,
			.table = rules[i].table,
			.action = LINUX_FR_ACT_TO_TBL,
		};

		memcpy(netlink_put(answer, LINUX_RTM_NEWRULE, LINUX_NLM_F_MULTI, sizeof(rule)),
			&rule, sizeof(rule));
		put_number(answer, start, LINUX_FRA_TABLE, rules[i].table);
		put_number(answer, start, LINUX_FRA_SUPPRESS_PREFIXLEN, UINT32_MAX);
		if (rules[i].priority != 0) {
			put_number(answer, start, LINUX_FRA_PRIORITY, rules[i].priority);
		}
		netlink_put_attribute(
			answer, start, LINUX_FRA_PROTOCOL, &protocol, sizeof(protocol));
	}
}

static void put_v4_lookup(
	struct netlink_answer *answer, const struct process *process, const uint8_t to[4])
{
	/* without rules of its own Linux finds addresses of the machine in the main table, too */
	constexpr uint8_t table = LINUX_RT_TABLE_MAIN;
	uint32_t start = answer->size;
	struct linux_rtmsg route = {
		.family = LINUX_AF_INET,
		.to_prefix = 32,
		.table = table,
		.type = LINUX_RTN_LOCAL,
		.flags = LINUX_RTM_F_CLONED | LINUX_RTCF_LOCAL,
	};

	put_header(answer, 0, &route);
	put_number(answer, start, LINUX_RTA_TABLE, table);
	netlink_put_attribute(answer, start, LINUX_RTA_DST, to, 4);
	put_number(answer, start, LINUX_RTA_OIF, NETLINK_LO_INDEX);
	netlink_put_attribute(answer, start, LINUX_RTA_PREFSRC, v4_loopback, sizeof(v4_loopback));
	put_number(answer, start, LINUX_RTA_UID, process->credentials.fsuid);
	put_cache(answer, start);
}

int64_t netlink_find_route(const struct process *process, const uint8_t *body, size_t body_size,
	struct netlink_answer *answer)
{
	static const uint8_t from_any[16];
	struct linux_rtmsg asked;
	struct inet_address to;
	size_t size = 0;

	if (body_size < sizeof(asked)) {
		return -LINUX_EINVAL;
	}
	memcpy(&asked, body, sizeof(asked));
	bool is_v4 = asked.family == LINUX_AF_INET;

	if (!is_v4 && asked.family != LINUX_AF_INET6) {
		return -LINUX_EOPNOTSUPP;
	}
	const void *ip = netlink_find_attribute(
		body + sizeof(asked), body_size - sizeof(asked), LINUX_RTA_DST, &size);

	if (ip == NULL || size != (is_v4 ? 4 : sizeof(to.ip))) {
		return -LINUX_EINVAL;
	}
	to = inet_any(asked.family);
	memcpy(to.ip + sizeof(to.ip) - size, ip, size);
	if (!inet_is_local(&to)) {
		return -LINUX_ENETUNREACH;
	}
	if (is_v4) {
		put_v4_lookup(answer, process, ip);
	} else {
		put_v6_route(answer, 0, from_any);
	}
	return 0;
}
