/* SPDX-License-Identifier: MIT */
/* What NETLINK_ROUTE says of the one link there is, and its addresses. See netlink.h. */
#include <abi/linux/errno.h>
#include <abi/linux/netlink.h>
#include <base/assert.h>
#include <base/string.h>
#include <posix/server/process/process.h>
#include <posix/server/socket/netlink.h>

constexpr int32_t LINK_INDEX = NETLINK_LO_INDEX;
constexpr uint32_t LINK_MTU = 65536, LINK_QUEUE = 1000;

static const uint8_t v4_loopback[4] = { 127, 0, 0, 1 };
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

void netlink_put_attribute(
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

static void put_number(
	struct netlink_answer *answer, uint32_t start, uint16_t type, uint32_t number)
{
	netlink_put_attribute(answer, start, type, &number, sizeof(number));
}

/* @is_v6: what IPv6 says of it, which is less. */
static void put_link(struct netlink_answer *answer, uint16_t flags, bool is_v6)
{
	static const uint8_t no_address[6], unknown, is_there = 1;
	static const uint64_t no_statistics[24];
	uint32_t start = answer->size;
	struct linux_ifinfomsg link = {
		.family = is_v6 ? LINUX_AF_INET6 : LINUX_AF_UNSPEC,
		.type = LINUX_ARPHRD_LOOPBACK,
		.index = LINK_INDEX,
		.flags = LINUX_IFF_UP | LINUX_IFF_LOOPBACK | LINUX_IFF_RUNNING | LINUX_IFF_LOWER_UP,
	};

	memcpy(netlink_put(answer, LINUX_RTM_NEWLINK, flags, sizeof(link)), &link, sizeof(link));
	netlink_put_attribute(answer, start, LINUX_IFLA_IFNAME, "lo", 3);
	netlink_put_attribute(answer, start, LINUX_IFLA_ADDRESS, no_address, sizeof(no_address));
	put_number(answer, start, LINUX_IFLA_MTU, LINK_MTU);
	netlink_put_attribute(answer, start, LINUX_IFLA_OPERSTATE, &unknown, sizeof(unknown));
	if (is_v6) {
		return;
	}
	put_number(answer, start, LINUX_IFLA_TXQLEN, LINK_QUEUE);
	netlink_put_attribute(answer, start, LINUX_IFLA_LINKMODE, &unknown, sizeof(unknown));
	put_number(answer, start, LINUX_IFLA_GROUP, 0);
	put_number(answer, start, LINUX_IFLA_PROMISCUITY, 0);
	put_number(answer, start, LINUX_IFLA_NUM_TX_QUEUES, 1);
	put_number(answer, start, LINUX_IFLA_NUM_RX_QUEUES, 1);
	netlink_put_attribute(answer, start, LINUX_IFLA_CARRIER, &is_there, sizeof(is_there));
	netlink_put_attribute(answer, start, LINUX_IFLA_QDISC, "noqueue", 8);
	netlink_put_attribute(answer, start, LINUX_IFLA_BROADCAST, no_address, sizeof(no_address));
	netlink_put_attribute(
		answer, start, LINUX_IFLA_STATS64, no_statistics, sizeof(no_statistics));
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
	netlink_put_attribute(answer, start, LINUX_IFA_ADDRESS, ip, size);
	if (is_v4) {
		netlink_put_attribute(answer, start, LINUX_IFA_LOCAL, ip, size);
		netlink_put_attribute(answer, start, LINUX_IFA_LABEL, "lo", 3);
	}
	netlink_put_attribute(answer, start, LINUX_IFA_CACHEINFO, lives, sizeof(lives));
	netlink_put_attribute(answer, start, LINUX_IFA_FLAGS, &flags, sizeof(flags));
}

static void dump(uint16_t type, uint8_t family, struct netlink_answer *answer)
{
	int32_t none = 0;
	bool is_all = family != LINUX_AF_INET && family != LINUX_AF_INET6;

	if (type == LINUX_RTM_GETLINK) {
		put_link(answer, LINUX_NLM_F_MULTI, family == LINUX_AF_INET6);
	}
	for (uint32_t i = 0; i < 2; i++) {
		bool is_v4 = i == 0;

		if (!is_all && (family == LINUX_AF_INET) != is_v4) {
			continue;
		}
		switch (type) {
		case LINUX_RTM_GETADDR: put_address(answer, is_v4); break;
		case LINUX_RTM_GETROUTE: netlink_put_routes(answer, is_v4); break;
		case LINUX_RTM_GETRULE: netlink_put_rules(answer, is_v4); break;
		default: break;
		}
	}
	memcpy(netlink_put(answer, LINUX_NLMSG_DONE, LINUX_NLM_F_MULTI, sizeof(none)), &none,
		sizeof(none));
}

const void *netlink_find_attribute(
	const uint8_t *attributes, size_t size, uint16_t type, size_t *out_size)
{
	struct linux_rtattr attribute;

	for (size_t at = 0; size - at >= sizeof(attribute);) {
		memcpy(&attribute, attributes + at, sizeof(attribute));
		if (attribute.size < sizeof(attribute) || attribute.size > size - at) {
			return NULL;
		}
		if (attribute.type == type) {
			*out_size = attribute.size - sizeof(attribute);
			return attributes + at + sizeof(attribute);
		}
		at = min_size(size, at + (size_t)align_up(attribute.size, 4));
	}
	return NULL;
}

/* Whether a request for one link, by index or name, means `lo`. */
static bool is_for_lo(const uint8_t *body, size_t size)
{
	struct linux_ifinfomsg link;
	size_t name_size;

	if (size < sizeof(link)) {
		return false;
	}
	memcpy(&link, body, sizeof(link));
	if (link.index != 0) {
		return link.index == LINK_INDEX;
	}
	const void *name = netlink_find_attribute(
		body + sizeof(link), size - sizeof(link), LINUX_IFLA_IFNAME, &name_size);

	return name != NULL && name_size >= 3 && memcmp(name, "lo", 3) == 0;
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
	case LINUX_RTM_GETROUTE:
	case LINUX_RTM_GETNEIGH:
	case LINUX_RTM_GETRULE: break;
	default: return -LINUX_EOPNOTSUPP;
	}
	if (body_size < 1) {
		return -LINUX_EINVAL;
	}
	if (is_dump) {
		dump(request->type, body[0], answer);
		return 0;
	}
	if (request->type == LINUX_RTM_GETROUTE) {
		return netlink_find_route(process, body, body_size, answer);
	}
	if (request->type != LINUX_RTM_GETLINK) {
		return -LINUX_EOPNOTSUPP;
	}
	if (!is_for_lo(body, body_size)) {
		return -LINUX_ENODEV;
	}
	put_link(answer, 0, false);
	return 0;
}
