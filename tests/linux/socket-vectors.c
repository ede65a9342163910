/* SPDX-License-Identifier: MIT */
/* Messages in vectors of many or long parts: a packet goes and comes as a whole. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { N_PARTS = 100, PART_SIZE = 90, SIZE = N_PARTS * PART_SIZE };

static unsigned char sent[SIZE], received[SIZE];

static void fill(void)
{
	for (int i = 0; i < SIZE; i++) {
		sent[i] = (unsigned char)(i * 7 + i / 251);
	}
	memset(received, 0, sizeof(received));
}

/* `size` bytes as parts of `part_size`, the last one perhaps shorter, and an empty one at first. */
static int divide(struct iovec *parts, unsigned char *bytes, size_t size, size_t part_size)
{
	int n = 0;

	parts[n++] = (struct iovec){ bytes, 0 };
	for (size_t at = 0; at < size; at += part_size) {
		parts[n++] =
			(struct iovec){ bytes + at, size - at < part_size ? size - at : part_size };
	}
	return n;
}

/* Two datagram sockets of UDP, connected to each other. */
static void make_pair(int ends[2])
{
	struct sockaddr_in names[2];
	socklen_t size = sizeof(names[0]);

	for (int i = 0; i < 2; i++) {
		ends[i] = socket(AF_INET, SOCK_DGRAM, 0);
		names[i] = (struct sockaddr_in){ .sin_family = AF_INET };
		names[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		CHECK(bind(ends[i], (struct sockaddr *)&names[i], size) == 0);
		CHECK(getsockname(ends[i], (struct sockaddr *)&names[i], &size) == 0);
	}
	for (int i = 0; i < 2; i++) {
		CHECK(connect(ends[i], (struct sockaddr *)&names[1 - i], size) == 0);
	}
}

static ssize_t receive_parts(int fd, size_t size, size_t part_size, int flags, int *out_flags)
{
	struct iovec parts[N_PARTS + 1];
	struct msghdr message = { .msg_iov = parts };
	ssize_t n;

	message.msg_iovlen = (size_t)divide(parts, received, size, part_size);
	n = recvmsg(fd, &message, flags);
	*out_flags = message.msg_flags;
	return n;
}

static void check_packets(int from, int to)
{
	struct iovec parts[N_PARTS + 1];
	struct msghdr message = { .msg_iov = parts };
	int flags;

	/* many short parts, by writev() and by sendmsg() */
	fill();
	message.msg_iovlen = (size_t)divide(parts, sent, SIZE, PART_SIZE);
	CHECK(writev(from, parts, (int)message.msg_iovlen) == SIZE);
	CHECK(recv(to, received, SIZE, 0) == SIZE && memcmp(sent, received, SIZE) == 0);
	CHECK(sendmsg(from, &message, 0) == SIZE);
	CHECK(receive_parts(to, SIZE, PART_SIZE, 0, &flags) == SIZE && flags == 0);
	CHECK(memcmp(sent, received, SIZE) == 0);
	/* a few long ones */
	fill();
	CHECK(writev(from, parts, divide(parts, sent, SIZE, 4000)) == SIZE);
	CHECK(receive_parts(to, SIZE, 3000, MSG_PEEK, &flags) == SIZE && flags == 0);
	memset(received, 0, sizeof(received));
	CHECK(receive_parts(to, SIZE, 3000, 0, &flags) == SIZE && flags == 0);
	CHECK(memcmp(sent, received, SIZE) == 0);
	/* also by readv(), of which the first part is just a packet */
	CHECK(write(from, "abcd", 4) == 4 && write(from, sent, SIZE) == SIZE);
	CHECK(readv(to, parts, divide(parts, received, 32, 4)) == 4);
	memset(received, 0, sizeof(received));
	CHECK(readv(to, parts, divide(parts, received, SIZE, 1000)) == SIZE);
	CHECK(memcmp(sent, received, SIZE) == 0);
	/* one that is too long for the vector is cut */
	fill();
	CHECK(send(from, sent, SIZE, 0) == SIZE);
	CHECK(receive_parts(to, 7000, 2500, 0, &flags) == 7000 && flags == MSG_TRUNC);
	CHECK(memcmp(sent, received, 7000) == 0 && received[7000] == 0);
	CHECK(send(from, sent, SIZE, 0) == SIZE);
	CHECK(receive_parts(to, 7000, 2500, MSG_TRUNC, &flags) == SIZE && flags == MSG_TRUNC);
	/* nothing is left */
	CHECK(receive_parts(to, SIZE, 3000, MSG_DONTWAIT, &flags) == -1 && errno == EAGAIN);
}

CASE(packets_of_udp)
{
	int ends[2];

	make_pair(ends);
	check_packets(ends[0], ends[1]);
}

CASE(packets_of_af_unix)
{
	int ends[2];

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
	check_packets(ends[0], ends[1]);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
	check_packets(ends[0], ends[1]);
}

CASE(streams_fill_all_parts_if_they_are_to)
{
	int ends[2], flags;

	fill();
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	CHECK(send(ends[0], sent, SIZE, 0) == SIZE);
	CHECK(receive_parts(ends[1], SIZE, 2500, MSG_WAITALL, &flags) == SIZE);
	CHECK(memcmp(sent, received, SIZE) == 0);
}

CASE(vectors_that_lie_partly_nowhere)
{
	int ends[2];
	struct iovec parts[] = { { sent, 4096 }, { (void *)16, 3000 } };

	make_pair(ends);
	CHECK(writev(ends[0], parts, 2) == -1 && errno == EFAULT);
	CHECK(recv(ends[1], received, SIZE, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	CHECK(pipe(ends) == 0);
	CHECK(writev(ends[1], parts, 2) == 4096);
}

CASES_MAIN()
