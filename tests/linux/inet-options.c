/* SPDX-License-Identifier: MIT */
/* Options of AF_INET sockets that say something of addresses, devices and times. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = port };

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return name;
}

static struct sockaddr_in name_of(int fd)
{
	struct sockaddr_in name = { 0 };
	socklen_t size = sizeof(name);

	CHECK(getsockname(fd, (struct sockaddr *)&name, &size) == 0);
	return name;
}

CASE(addresses_whose_port_comes_later)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in own = loopback(0), to = loopback(0);
	int one = 1;

	CHECK(bind(listener, (struct sockaddr *)&to, sizeof(to)) == 0 && listen(listener, 1) == 0);
	to = name_of(listener);
	own.sin_addr.s_addr = htonl(0x7f000007);
	CHECK(setsockopt(fd, IPPROTO_IP, 24, &one, sizeof(one)) == 0); /* BIND_ADDRESS_NO_PORT */
	CHECK(bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0);
	CHECK(name_of(fd).sin_port == 0 && name_of(fd).sin_addr.s_addr == own.sin_addr.s_addr);
	CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	CHECK(name_of(fd).sin_port != 0 && name_of(fd).sin_addr.s_addr == own.sin_addr.s_addr);
}

CASE(devices)
{
	char name[16] = "";
	socklen_t size = sizeof(name);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size) == 0 && size == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "none0", 5) == -1 && errno == ENODEV);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0);
	size = sizeof(name);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size) == 0);
	CHECK(size == 3 && strcmp(name, "lo") == 0);
}

CASE(congestion_control)
{
	char name[16] = "";
	socklen_t size = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0);
	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size) == 0);
	CHECK(size == sizeof(name) && strcmp(name, "reno") == 0);
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "abc", 3) == -1 && errno == ENOENT);
}

CASE(sizes_of_packets)
{
	struct sockaddr_in to = loopback(htons(9));
	int fd = socket(AF_INET, SOCK_DGRAM, 0), mtu = 0;
	socklen_t size = sizeof(mtu);

	CHECK(getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &size) == -1 && errno == ENOTCONN);
	CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	CHECK(getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &size) == 0 && mtu >= 16384);
}

/* The time that is told with a datagram, in seconds; -1: none. */
static int64_t receive_time(int fd, int type)
{
	char byte;
	union {
		char bytes[128];
		struct cmsghdr first;
	} control;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { NULL, 0, &part, 1, &control, sizeof(control), 0 };

	CHECK(recvmsg(fd, &message, 0) == 1);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != type) {
		return -1;
	}
	return ((struct timespec *)CMSG_DATA(header))->tv_sec;
}

CASE(times_of_datagrams)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1, found = -1;
	socklen_t size = sizeof(found);
	struct sockaddr_in name = loopback(0);
	int64_t before = time(NULL), told;

	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	name = name_of(fd);
	CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *)&name, sizeof(name)) == 1);
	CHECK(receive_time(fd, SO_TIMESTAMP) == -1);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof(one)) == 0);
	CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *)&name, sizeof(name)) == 1);
	told = receive_time(fd, SO_TIMESTAMP);
	CHECK(told >= before && told <= time(NULL));
	CHECK(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) == 0);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &found, &size) == 0 && found == 0);
	CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *)&name, sizeof(name)) == 1);
	told = receive_time(fd, SO_TIMESTAMPNS);
	CHECK(told >= before && told <= time(NULL));
}

CASES_MAIN()
