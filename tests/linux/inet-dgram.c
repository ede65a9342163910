/* SPDX-License-Identifier: MIT */
/* UDP between sockets of one machine. Ports are chosen by the system. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = port };

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return name;
}

static int bound(struct sockaddr_in *out_name)
{
	socklen_t size = sizeof(*out_name);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	*out_name = loopback(0);
	if (bind(fd, (struct sockaddr *)out_name, size) ||
		getsockname(fd, (struct sockaddr *)out_name, &size)) {
		return -1;
	}
	return fd;
}

static ssize_t send_to(int fd, const void *bytes, size_t size, const struct sockaddr_in *name)
{
	return sendto(fd, bytes, size, 0, (const struct sockaddr *)name, sizeof(*name));
}

CASE(packets_with_names)
{
	struct sockaddr_in a_name, b_name, from;
	socklen_t size = sizeof(from);
	int a = bound(&a_name), b = bound(&b_name);
	char text[16];

	CHECK(a >= 0 && b >= 0);
	CHECK(send_to(a, "one", 3, &b_name) == 3);
	CHECK(send_to(a, "", 0, &b_name) == 0);
	CHECK(send_to(a, "three", 5, &b_name) == 5);
	CHECK(recvfrom(b, text, sizeof(text), 0, (struct sockaddr *)&from, &size) == 3);
	CHECK(size == sizeof(from) && memcmp(&from, &a_name, sizeof(from)) == 0);
	CHECK(recv(b, text, sizeof(text), 0) == 0);
	CHECK(recv(b, text, 2, MSG_PEEK | MSG_TRUNC) == 5);
	CHECK(recv(b, text, 2, 0) == 2 && memcmp(text, "th", 2) == 0);
	CHECK(recv(b, text, 2, MSG_DONTWAIT) == -1 && errno == EAGAIN);
}

CASE(truncated_packets_say_so)
{
	struct sockaddr_in name;
	int fd = bound(&name);
	char text[2];
	struct iovec part = { text, sizeof(text) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	CHECK(send_to(fd, "abc", 3, &name) == 3);
	CHECK(recvmsg(fd, &message, 0) == 2 && (message.msg_flags & MSG_TRUNC));
}

CASE(connected_sockets_hear_only_their_peer)
{
	struct sockaddr_in a_name, b_name, c_name, peer;
	socklen_t size = sizeof(peer);
	int a = bound(&a_name), b = bound(&b_name), c = bound(&c_name);
	char text[4];

	CHECK(send(a, "x", 1, 0) == -1 && errno == EDESTADDRREQ);
	CHECK(connect(a, (struct sockaddr *)&b_name, sizeof(b_name)) == 0);
	CHECK(getpeername(a, (struct sockaddr *)&peer, &size) == 0);
	CHECK(memcmp(&peer, &b_name, sizeof(peer)) == 0);
	CHECK(send_to(c, "c", 1, &a_name) == 1);
	CHECK(send_to(b, "b", 1, &a_name) == 1);
	CHECK(recv(a, text, 4, 0) == 1 && text[0] == 'b');
	CHECK(recv(a, text, 4, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	peer.sin_family = AF_UNSPEC;
	CHECK(connect(a, (struct sockaddr *)&peer, sizeof(peer)) == 0);
	CHECK(getpeername(a, (struct sockaddr *)&peer, &size) == -1 && errno == ENOTCONN);
	/* the port that bind() chose by itself goes with the connection */
	size = sizeof(peer);
	CHECK(getsockname(a, (struct sockaddr *)&peer, &size) == 0 && peer.sin_port == 0);
}

CASE(nobody_is_there)
{
	struct sockaddr_in name;
	int gone = bound(&name), fd = socket(AF_INET, SOCK_DGRAM, 0);
	char byte;

	close(gone);
	CHECK(send_to(fd, "x", 1, &name) == 1);
	CHECK(recv(fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	CHECK(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	CHECK(send(fd, "x", 1, 0) == 1);
	CHECK(recv(fd, &byte, 1, 0) == -1 && errno == ECONNREFUSED);
	CHECK(send(fd, "x", 1, 0) == 1);
	CHECK(send(fd, "x", 1, 0) == -1 && errno == ECONNREFUSED);
}

CASE(sizes)
{
	static char block[65536];
	struct sockaddr_in name;
	int fd = bound(&name), n = -1;

	CHECK(send_to(fd, block, 65508, &name) == -1 && errno == EMSGSIZE);
	CHECK(send_to(fd, block, 65507, &name) == 65507);
	CHECK(ioctl(fd, FIONREAD, &n) == 0 && n == 65507);
	CHECK(recv(fd, block, sizeof(block), 0) == 65507);
}

CASE(what_nobody_reads_is_dropped)
{
	static char block[60000];
	struct sockaddr_in name;
	int fd = bound(&name), n_read = 0;

	for (int i = 0; i < 200; i++) {
		CHECK(send_to(fd, block, sizeof(block), &name) == (ssize_t)sizeof(block));
	}
	while (recv(fd, block, sizeof(block), MSG_DONTWAIT) > 0) {
		n_read++;
	}
	CHECK(n_read > 0 && n_read < 200);
}

CASE(bad_names)
{
	struct sockaddr_in name = loopback(0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(send_to(fd, "x", 1, &name) == -1 && errno == EINVAL);
	CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *)&name, 8) == -1 && errno == EINVAL);
	name.sin_family = AF_INET6;
	name.sin_port = htons(9);
	CHECK(send_to(fd, "x", 1, &name) == -1 && errno == EAFNOSUPPORT);
	CHECK(listen(fd, 1) == -1 && errno == EOPNOTSUPP);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EOPNOTSUPP);
}

CASE(a_socket_without_a_name_gets_one)
{
	struct sockaddr_in name, own = { 0 };
	socklen_t size = sizeof(own);
	int to = bound(&name), fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(getsockname(fd, (struct sockaddr *)&own, &size) == 0 && own.sin_port == 0);
	CHECK(send_to(fd, "x", 1, &name) == 1);
	CHECK(getsockname(fd, (struct sockaddr *)&own, &size) == 0 && own.sin_port != 0);
	CHECK(own.sin_addr.s_addr == INADDR_ANY && to >= 0);
}

CASE(several_messages)
{
	struct sockaddr_in name;
	int fd = bound(&name);
	char in[3][4];
	struct iovec parts[3];
	struct mmsghdr messages[3] = { 0 };

	CHECK(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	for (int i = 0; i < 3; i++) {
		parts[i] = (struct iovec){ (void *)"abc", (size_t)i + 1 };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	CHECK(sendmmsg(fd, messages, 3, 0) == 3);
	for (int i = 0; i < 3; i++) {
		parts[i] = (struct iovec){ in[i], sizeof(in[i]) };
	}
	CHECK(recvmmsg(fd, messages, 3, 0, NULL) == 3);
	CHECK(messages[0].msg_len == 1 && messages[2].msg_len == 3);
}

CASE(poll_of_datagrams)
{
	struct sockaddr_in name;
	int fd = bound(&name);
	struct pollfd one = { fd, POLLIN | POLLOUT, 0 };

	CHECK(poll(&one, 1, 0) == 1 && one.revents == POLLOUT);
	CHECK(send_to(fd, "x", 1, &name) == 1);
	CHECK(poll(&one, 1, 5000) == 1 && one.revents == (POLLIN | POLLOUT));
}

/* UDP-Lite has ports of its own. */
CASE(udp_lite)
{
	struct sockaddr_in name, from;
	socklen_t size = sizeof(name);
	int udp = bound(&name), value = 3;
	int lite = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	int other = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	char text[8];

	CHECK(udp >= 0 && lite >= 0 && other >= 0);
	CHECK(bind(lite, (struct sockaddr *)&name, size) == 0);
	CHECK(bind(other, (struct sockaddr *)&name, size) == -1 && errno == EADDRINUSE);
	CHECK(send_to(other, "lite", 4, &name) == 4);
	CHECK(recvfrom(lite, text, sizeof(text), 0, (struct sockaddr *)&from, &size) == 4);
	CHECK(recv(udp, text, sizeof(text), MSG_DONTWAIT) == -1 && errno == EAGAIN);
	CHECK(setsockopt(lite, IPPROTO_UDPLITE, 10, &value, sizeof(value)) == 0);
	CHECK(getsockopt(lite, IPPROTO_UDPLITE, 10, &value, &size) == 0 && value == 8);
	CHECK(getsockopt(lite, SOL_SOCKET, SO_PROTOCOL, &value, &size) == 0);
	CHECK(value == IPPROTO_UDPLITE);
	CHECK(setsockopt(udp, IPPROTO_UDPLITE, 10, &value, sizeof(value)) == -1 &&
		errno == ENOPROTOOPT);
}

CASES_MAIN()
