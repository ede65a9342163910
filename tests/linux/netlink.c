/* SPDX-License-Identifier: MIT */
/* NETLINK_ROUTE: what there is said to be of the loopback interface. */
#include "check.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

struct ask {
	struct nlmsghdr header;
	struct ifinfomsg link;
};

static int route_socket(void)
{
	struct sockaddr_nl name = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	return bind(fd, (struct sockaddr *)&name, sizeof(name)) ? -1 : fd;
}

static ssize_t ask(int fd, uint16_t type, uint16_t flags, int index)
{
	struct ask message = {
		.header = { sizeof(message), type, (uint16_t)(NLM_F_REQUEST | flags), 7, 0 },
		.link.ifi_index = index,
	};

	return send(fd, &message, sizeof(message), 0);
}

CASE(names)
{
	struct sockaddr_nl name;
	socklen_t size = sizeof(name);
	int fd = route_socket(), other = route_socket();

	CHECK(fd >= 0 && other >= 0);
	CHECK(getsockname(fd, (struct sockaddr *)&name, &size) == 0 && size == sizeof(name));
	CHECK(name.nl_family == AF_NETLINK && name.nl_pid == (uint32_t)getpid());
	CHECK(getsockname(other, (struct sockaddr *)&name, &size) == 0);
	CHECK(name.nl_pid != 0 && name.nl_pid != (uint32_t)getpid());
	CHECK(socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE) == -1 && errno == ESOCKTNOSUPPORT);
	CHECK(listen(fd, 1) == -1 && errno == EOPNOTSUPP);
}

CASE(one_link)
{
	char bytes[8192];
	int fd = route_socket();
	struct pollfd one = { fd, POLLIN, 0 };

	CHECK(poll(&one, 1, 0) == 0);
	CHECK(ask(fd, RTM_GETLINK, 0, 1) == sizeof(struct ask));
	CHECK(poll(&one, 1, 5000) == 1);
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
	struct nlmsghdr *header = (struct nlmsghdr *)bytes;
	struct ifinfomsg *link = NLMSG_DATA(header);
	int size = (int)IFLA_PAYLOAD(header);
	bool has_name = false;

	CHECK(n >= (ssize_t)sizeof(*header) && header->nlmsg_type == RTM_NEWLINK);
	CHECK(header->nlmsg_seq == 7 && header->nlmsg_pid == (uint32_t)getpid());
	CHECK(link->ifi_index == 1 && (link->ifi_flags & IFF_LOOPBACK));
	for (struct rtattr *a = IFLA_RTA(link); RTA_OK(a, size); a = RTA_NEXT(a, size)) {
		has_name |= a->rta_type == IFLA_IFNAME && strcmp(RTA_DATA(a), "lo") == 0;
	}
	CHECK(has_name);
}

CASE(a_link_that_is_not_there)
{
	char bytes[8192];
	int fd = route_socket();
	struct nlmsghdr *header = (struct nlmsghdr *)bytes;

	CHECK(ask(fd, RTM_GETLINK, 0, 999999) == sizeof(struct ask));
	CHECK(recv(fd, bytes, sizeof(bytes), 0) > 0);
	CHECK(header->nlmsg_type == NLMSG_ERROR);
	CHECK(((struct nlmsgerr *)NLMSG_DATA(header))->error == -ENODEV);
}

CASE(addresses_of_the_loopback)
{
	struct ifaddrs *all;
	bool has_v4 = false;

	CHECK(getifaddrs(&all) == 0);
	for (struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
		const struct sockaddr_in *v4 = (const void *)one->ifa_addr;

		if (v4 != NULL && v4->sin_family == AF_INET && strcmp(one->ifa_name, "lo") == 0) {
			has_v4 |= v4->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
			CHECK(one->ifa_flags & IFF_LOOPBACK);
		}
	}
	freeifaddrs(all);
	CHECK(has_v4);
}

CASES_MAIN()
