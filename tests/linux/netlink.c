/* SPDX-License-Identifier: MIT */
/* NETLINK_ROUTE: what there is said to be of the loopback interface. */
#include "check.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
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

struct ask_route {
	struct nlmsghdr header;
	struct rtmsg route;
	struct rtattr attribute;
	uint8_t ip[4];
};

/* What is said of a route to an address; NULL: it is an error, *out_error. */
static struct rtmsg *find_route(const char *ip, char bytes[8192], int *out_error, int *out_size)
{
	int fd = route_socket();
	struct nlmsghdr *header = (struct nlmsghdr *)bytes;
	struct ask_route message = {
		.header = { sizeof(message), RTM_GETROUTE, NLM_F_REQUEST, 1, 0 },
		.route = { .rtm_family = AF_INET, .rtm_dst_len = 32 },
		.attribute = { 8, RTA_DST },
	};

	inet_pton(AF_INET, ip, message.ip);
	CHECK(send(fd, &message, sizeof(message), 0) == sizeof(message));
	CHECK(recv(fd, bytes, 8192, 0) >= (ssize_t)sizeof(*header));
	close(fd);
	if (header->nlmsg_type == NLMSG_ERROR) {
		*out_error = ((struct nlmsgerr *)NLMSG_DATA(header))->error;
		return NULL;
	}
	*out_size = (int)RTM_PAYLOAD(header);
	return NLMSG_DATA(header);
}

CASE(routes_to_addresses)
{
	char bytes[8192];
	int error = 0, size = 0, index = 0;
	uint32_t source = 0;
	struct rtmsg *route = find_route("127.3.4.5", bytes, &error, &size);

	CHECK(route != NULL && route->rtm_type == RTN_LOCAL && route->rtm_dst_len == 32);
	CHECK(route->rtm_flags & RTM_F_CLONED);
	for (struct rtattr *a = RTM_RTA(route); RTA_OK(a, size); a = RTA_NEXT(a, size)) {
		if (a->rta_type == RTA_OIF) {
			memcpy(&index, RTA_DATA(a), sizeof(index));
		} else if (a->rta_type == RTA_PREFSRC) {
			memcpy(&source, RTA_DATA(a), sizeof(source));
		}
	}
	CHECK(index == 1 && source == htonl(INADDR_LOOPBACK));
}

/* How many messages of a type a dump has. */
static int count_dumped(uint16_t type, uint8_t family, uint16_t expected)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg body;
	} message = {
		.header = { sizeof(message), type, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		.body.rtm_family = family,
	};
	char bytes[16384];
	int fd = route_socket(), n = 0;

	CHECK(send(fd, &message, sizeof(message), 0) == sizeof(message));
	for (;;) {
		ssize_t size = recv(fd, bytes, sizeof(bytes), 0);

		CHECK(size > 0);
		for (struct nlmsghdr *one = (struct nlmsghdr *)bytes; NLMSG_OK(one, (size_t)size);
			one = NLMSG_NEXT(one, size)) {
			if (one->nlmsg_type == NLMSG_DONE) {
				close(fd);
				return n;
			}
			n += one->nlmsg_type == expected;
		}
	}
}

CASE(rules_neighbours_and_routes)
{
	CHECK(count_dumped(RTM_GETRULE, AF_INET, RTM_NEWRULE) >= 3);
	CHECK(count_dumped(RTM_GETRULE, AF_INET6, RTM_NEWRULE) >= 2);
	CHECK(count_dumped(RTM_GETROUTE, AF_INET, RTM_NEWROUTE) >= 3);
	count_dumped(RTM_GETNEIGH, AF_UNSPEC, RTM_NEWNEIGH);
}

/* ---- NETLINK_SOCK_DIAG ----------------------------------------------------------------------- */

enum { STATE_LISTEN = 10 };

/*
 * How many TCP sockets of IPv4 listen on port @port, 0: on any; what is said of the last one.
 */
static int count_listeners(uint16_t port, struct inet_diag_msg *out_about)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} message = {
		.header = { sizeof(message), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1,
			0 },
		.body = { AF_INET, IPPROTO_TCP, 0, 0, 1 << STATE_LISTEN, { 0 } },
	};
	char bytes[65536];
	int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_SOCK_DIAG), n = 0;

	CHECK(fd >= 0);
	CHECK(send(fd, &message, sizeof(message), 0) == sizeof(message));
	for (;;) {
		ssize_t size = recv(fd, bytes, sizeof(bytes), 0);

		CHECK(size > 0);
		for (struct nlmsghdr *one = (struct nlmsghdr *)bytes; NLMSG_OK(one, (size_t)size);
			one = NLMSG_NEXT(one, size)) {
			struct inet_diag_msg *about = NLMSG_DATA(one);

			if (one->nlmsg_type == NLMSG_DONE) {
				close(fd);
				return n;
			}
			CHECK(one->nlmsg_type == SOCK_DIAG_BY_FAMILY);
			if (port == 0 || about->id.idiag_sport == port) {
				*out_about = *about;
				n++;
			}
		}
	}
}

/* A socket that is bound to a port of its own. */
static int bound(uint16_t *out_port)
{
	struct sockaddr_in name = { .sin_family = AF_INET };
	socklen_t size = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(fd, (struct sockaddr *)&name, size) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&name, &size) == 0);
	*out_port = name.sin_port;
	return fd;
}

CASE(sockets_that_listen)
{
	struct inet_diag_msg about;
	uint16_t port;
	int fd = bound(&port);

	CHECK(count_listeners(port, &about) == 0);
	CHECK(listen(fd, 7) == 0);
	CHECK(count_listeners(port, &about) == 1);
	CHECK(about.idiag_family == AF_INET && about.idiag_state == STATE_LISTEN);
	CHECK(about.id.idiag_src[0] == htonl(INADDR_LOOPBACK) && about.id.idiag_dport == 0);
	CHECK(about.idiag_rqueue == 0 && about.idiag_wqueue == 7);
	CHECK(about.idiag_uid == getuid() && about.idiag_inode != 0);
	close(fd);
	CHECK(count_listeners(port, &about) == 0);
}

CASE(many_sockets)
{
	enum { N_SOCKETS = 300 };
	struct inet_diag_msg about;
	uint16_t port;

	for (int i = 0; i < N_SOCKETS; i++) {
		CHECK(listen(bound(&port), 1) == 0);
	}
	CHECK(count_listeners(0, &about) >= N_SOCKETS);
}

CASE(families_without_lists)
{
	struct {
		struct nlmsghdr header;
		uint8_t body[56];
	} message = {
		.header = { sizeof(message), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1,
			0 },
		.body = { 200 },
	};
	char bytes[8192];
	struct nlmsghdr *header = (struct nlmsghdr *)bytes;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG), protocol = -1;
	socklen_t size = sizeof(protocol);

	CHECK(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0);
	CHECK(protocol == NETLINK_SOCK_DIAG);
	CHECK(send(fd, &message, sizeof(message), 0) == sizeof(message));
	CHECK(recv(fd, bytes, sizeof(bytes), 0) > 0 && header->nlmsg_type == NLMSG_ERROR);
	CHECK(((struct nlmsgerr *)NLMSG_DATA(header))->error < 0);
	CHECK(socket(AF_NETLINK, SOCK_RAW, 31) == -1 && errno == EPROTONOSUPPORT);
}

CASES_MAIN()
