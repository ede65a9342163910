/* SPDX-License-Identifier: MIT */
/* What NETLINK_ROUTE says of the one link there is, its addresses and its routes. See netlink.h. */
#include <abi/linux/errno.h>
#include <abi/linux/netlink.h>
#include <base/assert.h>
#include <base/string.h>
#include <posix/server/process/process.h>
#include <posix/server/socket/netlink.h>

constexpr int32_t LINK_INDEX = 1;
constexpr uint32_t LINK_MTU = 65536, LINK_QUEUE = 1000;

static const uint8_t v4_loopback[4] = { 127, 0, 0, 1 };
static const uint8_t v4_network[4] = { 127, 0, 0, 0 };
static const uint8_t v6_loopback[16] = { [15] = 1 };

void *netlink_put(struct netlink_answer *answer, uint16_t type, uint16_t flags, size_t size)
{
	struct linux_nlmsghdr header = {
		.size = (uint32_t)(sizeof(header) + size),
		.type = type,
		.flags = flags,
		.sequence = answer->sequence,
		.port = answer->port,
	};
	uint8_t *place = answer->bytes + answer->size;

	ASSERT(answer->max - answer->size >= align_up(header.size, 4));
	memset(place, 0, align_up(header.size, 4));
	memcpy(place, &header, sizeof(header));
	answer->size += (uint32_t)align_up(header.size, 4);
	return place + sizeof(header);
}

/* An attribute at the end of the message that begins at @start. */
static void put_attribute(
	struct netlink_answer *answer, uint32_t start, uint16_t type, const void *data, size_t size)
{
	struct linux_rtattr attribute = { (uint16_t)(sizeof(attribute) + size), type };
	uint8_t *place = answer->bytes + answer->size;
	uint32_t message_size;

	ASSERT(answer->max - answer->size >= align_up(attribute.size, 4));
	memset(place, 0, align_up(attribute.size, 4));
	memcpy(place, &attribute, sizeof(attribute));
	memcpy(place + sizeof(attribute), data, size);
	answer->size += (uint32_t)align_up(attribute.size, 4);
	message_size = answer->size - start;
	memcpy(answer->bytes + start, &message_size, sizeof(message_size));
}

static void put_link(struct netlink_answer *answer, uint16_t flags)
{
	static const uint8_t no_address[6];
	static const uint8_t unknown;
	uint32_t start = answer->size;
	struct linux_ifinfomsg link = {
		.type = LINUX_ARPHRD_LOOPBACK,
		.index = LINK_INDEX,
		.flags = LINUX_IFF_UP | LINUX_IFF_LOOPBACK | LINUX_IFF_RUNNING | LINUX_IFF_LOWER_UP,
	};

	memcpy(netlink_put(answer, LINUX_RTM_NEWLINK, flags, sizeof(link)), &link, sizeof(link));
	put_attribute(answer, start, LINUX_IFLA_IFNAME, "lo", 3);
	put_attribute(answer, start, LINUX_IFLA_TXQLEN, &LINK_QUEUE, sizeof(LINK_QUEUE));
	put_attribute(answer, start, LINUX_IFLA_OPERSTATE, &unknown, sizeof(unknown));
	put_attribute(answer, start, LINUX_IFLA_LINKMODE, &unknown, sizeof(unknown));
	put_attribute(answer, start, LINUX_IFLA_MTU, &LINK_MTU, sizeof(LINK_MTU));
	put_attribute(answer, start, LINUX_IFLA_QDISC, "noqueue", 8);
	put_attribute(answer, start, LINUX_IFLA_ADDRESS, no_address, sizeof(no_address));
	put_attribute(answer, start, LINUX_IFLA_BROADCAST, no_address, sizeof(no_address));
}

static void put_address(struct netlink_answer *answer, bool is_v4)
{
	static const uint32_t lives[4] = { UINT32_MAX, UINT32_MAX }; /* for ever; made at 0 */
	const void *ip = is_v4 ? v4_loopback : v6_loopback;
	size_t size = is_v4 ? sizeof(v4_loopback) : sizeof(v6_loopback);
	uint32_t start = answer->size, flags = LINUX_IFA_F_PERMANENT;
	struct linux_ifaddrmsg address = {
		.family = is_v4 ? LINUX_AF_INET : LINUX_AF_INET6,
		.prefix = is_v4 ? 8 : 128,
		.flags = LINUX_IFA_F_PERMANENT,
		.scope = LINUX_RT_SCOPE_HOST,
		.index = LINK_INDEX,
	};

	memcpy(netlink_put(answer, LINUX_RTM_NEWADDR, LINUX_NLM_F_MULTI, sizeof(address)), &address,
		sizeof(address));
	put_attribute(answer, start, LINUX_IFA_ADDRESS, ip, size);
	if (is_v4) {
		put_attribute(answer, start, LINUX_IFA_LOCAL, ip, size);
		put_attribute(answer, start, LINUX_IFA_LABEL, "lo", 3);
	}
	put_attribute(answer, start, LINUX_IFA_CACHEINFO, lives, sizeof(lives));
	put_attribute(answer, start, LINUX_IFA_FLAGS, &flags, sizeof(flags));
}

static void put_route(struct netlink_answer *answer, bool is_v4)
{
	uint32_t start = answer->size, table = LINUX_RT_TABLE_LOCAL;
	struct linux_rtmsg route = {
		.family = is_v4 ? LINUX_AF_INET : LINUX_AF_INET6,
		.to_prefix = is_v4 ? 8 : 128,
		.table = LINUX_RT_TABLE_LOCAL,
		.protocol = LINUX_RTPROT_KERNEL,
		.scope = is_v4 ? LINUX_RT_SCOPE_HOST : 0,
		.type = LINUX_RTN_LOCAL,
	};

	memcpy(netlink_put(answer, LINUX_RTM_NEWROUTE, LINUX_NLM_F_MULTI, sizeof(route)), &route,
		sizeof(route));
	put_attribute(answer, start, LINUX_RTA_TABLE, &table, sizeof(table));
	if (is_v4) {
		put_attribute(answer, start, LINUX_RTA_DST, v4_network, sizeof(v4_network));
		put_attribute(answer, start, LINUX_RTA_PREFSRC, v4_loopback, sizeof(v4_loopback));
	} else {
		put_attribute(answer, start, LINUX_RTA_DST, v6_loopback, sizeof(v6_loopback));
	}
	put_attribute(answer, start, LINUX_RTA_OIF, &LINK_INDEX, sizeof(LINK_INDEX));
}

static void dump(uint16_t type, uint8_t family, struct netlink_answer *answer)
{
	int32_t none = 0;
	bool is_all = family != LINUX_AF_INET && family != LINUX_AF_INET6;

	if (type == LINUX_RTM_GETLINK) {
		put_link(answer, LINUX_NLM_F_MULTI);
	}
	for (uint32_t i = 0; i < 2; i++) {
		bool is_v4 = i == 0;

		if (!is_all && (family == LINUX_AF_INET) != is_v4) {
			continue;
		}
		if (type == LINUX_RTM_GETADDR) {
			put_address(answer, is_v4);
		} else if (type == LINUX_RTM_GETROUTE) {
			put_route(answer, is_v4);
		}
	}
	memcpy(netlink_put(answer, LINUX_NLMSG_DONE, LINUX_NLM_F_MULTI, sizeof(none)), &none,
		sizeof(none));
}

/* Whether a request for one link, by index or name, means `lo`. */
static bool is_for_lo(const uint8_t *body, size_t size)
{
	struct linux_ifinfomsg link;
	struct linux_rtattr attribute;

	if (size < sizeof(link)) {
		return false;
	}
	memcpy(&link, body, sizeof(link));
	if (link.index != 0) {
		return link.index == LINK_INDEX;
	}
	for (size_t at = sizeof(link); size - at >= sizeof(attribute);) {
		memcpy(&attribute, body + at, sizeof(attribute));
		if (attribute.size < sizeof(attribute) || attribute.size > size - at) {
			return false;
		}
		if (attribute.type == LINUX_IFLA_IFNAME &&
			attribute.size >= sizeof(attribute) + 3 &&
			memcmp(body + at + sizeof(attribute), "lo", 3) == 0) {
			return true;
		}
		at = min_size(size, at + (size_t)align_up(attribute.size, 4));
	}
	return false;
}

int64_t netlink_answer(const struct process *process, const struct linux_nlmsghdr *request,
	const uint8_t *body, size_t body_size, struct netlink_answer *answer)
{
	bool is_dump = (request->flags & LINUX_NLM_F_DUMP) == LINUX_NLM_F_DUMP;
	bool is_get = request->type % 4 == 2;

	if (!is_get && !credentials_has(&process->credentials, LINUX_CAP_NET_ADMIN)) {
		return -LINUX_EPERM;
	}
	switch (request->type) {
	case LINUX_RTM_GETLINK:
	case LINUX_RTM_GETADDR:
	case LINUX_RTM_GETROUTE: break;
	default: return -LINUX_EOPNOTSUPP;
	}
	if (body_size < 1) {
		return -LINUX_EINVAL;
	}
	if (is_dump) {
		dump(request->type, body[0], answer);
		return 0;
	}
	if (request->type != LINUX_RTM_GETLINK) {
		return -LINUX_EOPNOTSUPP;
	}
	if (!is_for_lo(body, body_size)) {
		return -LINUX_ENODEV;
	}
	put_link(answer, 0);
	return 0;
}
