/* SPDX-License-Identifier: MIT */
/* Control data of UDP: IP_PKTINFO and its like both ways, and the queue of errors. */
#include "check.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

union control {
	char bytes[256];
	struct cmsghdr first;
};

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

	*out_name = (struct sockaddr_in){ .sin_family = AF_INET };
	CHECK(bind(fd, (struct sockaddr *)out_name, size) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)out_name, &size) == 0);
	return fd;
}

static int bound_v6(struct sockaddr_in6 *out_name)
{
	socklen_t size = sizeof(*out_name);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	*out_name = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
	CHECK(bind(fd, (struct sockaddr *)out_name, size) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)out_name, &size) == 0);
	return fd;
}

static void set(int fd, int level, int option, int value)
{
	int found = -1;
	socklen_t size = sizeof(found);

	CHECK(setsockopt(fd, level, option, &value, sizeof(value)) == 0);
	CHECK(getsockopt(fd, level, option, &found, &size) == 0 && found == value);
}

/* The data of the control message of a type, or NULL. */
static void *find(struct msghdr *message, int level, int type, size_t size)
{
	for (struct cmsghdr *one = CMSG_FIRSTHDR(message); one; one = CMSG_NXTHDR(message, one)) {
		if (one->cmsg_level == level && one->cmsg_type == type &&
			one->cmsg_len >= CMSG_LEN(size)) {
			return CMSG_DATA(one);
		}
	}
	return NULL;
}

static ssize_t receive(int fd, struct msghdr *message, int flags)
{
	static char text[2000];
	static union control control;
	static struct sockaddr_in6 name;
	static struct iovec part = { text, sizeof(text) };

	*message = (struct msghdr){ &name, sizeof(name), &part, 1, &control, sizeof(control), 0 };
	return recvmsg(fd, message, flags);
}

/* One byte to @name with one control message. */
static ssize_t send_with(int fd, const void *name, socklen_t name_size, int level, int type,
	const void *data, size_t size)
{
	union control control = { 0 };
	struct iovec part = { "x", 1 };
	struct msghdr message = { (void *)name, name_size, &part, 1, &control, CMSG_SPACE(size),
		0 };

	control.first = (struct cmsghdr){ CMSG_LEN(size), level, type };
	memcpy(CMSG_DATA(&control.first), data, size);
	return sendmsg(fd, &message, 0);
}

CASE(where_to_over_v4)
{
	struct sockaddr_in name, other_name, to;
	struct msghdr message;
	struct in_pktinfo *info;
	int fd = bound(&name), other = bound(&other_name), ttl = 77;
	uint8_t *tos;

	set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	set(fd, IPPROTO_IP, IP_RECVTTL, 1);
	set(fd, IPPROTO_IP, IP_RECVTOS, 1);
	set(other, IPPROTO_IP, IP_TOS, 0x10);
	to = loopback(name.sin_port);
	to.sin_addr.s_addr = htonl(0x7f000005);
	CHECK(send_with(other, &to, sizeof(to), IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) == 1);
	CHECK(receive(fd, &message, 0) == 1 && !(message.msg_flags & MSG_CTRUNC));
	info = find(&message, IPPROTO_IP, IP_PKTINFO, sizeof(*info));
	CHECK(info != NULL && info->ipi_ifindex == 1);
	CHECK(info->ipi_addr.s_addr == to.sin_addr.s_addr);
	CHECK(info->ipi_spec_dst.s_addr == to.sin_addr.s_addr);
	int *hops = find(&message, IPPROTO_IP, IP_TTL, sizeof(*hops));

	CHECK(hops != NULL && *hops == 77);
	tos = find(&message, IPPROTO_IP, IP_TOS, sizeof(*tos));
	CHECK(tos != NULL && *tos == 0x10);
}

CASE(where_from_over_v4)
{
	struct sockaddr_in name, other_name, to;
	struct msghdr message;
	struct in_pktinfo info = { 0 };
	int fd = bound(&name), other = bound(&other_name), ttl = 0;

	to = loopback(name.sin_port);
	info.ipi_spec_dst.s_addr = htonl(0x7f000009);
	CHECK(send_with(other, &to, sizeof(to), IPPROTO_IP, IP_PKTINFO, &info, sizeof(info)) == 1);
	CHECK(receive(fd, &message, 0) == 1);
	CHECK(((struct sockaddr_in *)message.msg_name)->sin_addr.s_addr == htonl(0x7f000009));
	CHECK(send_with(other, &to, sizeof(to), IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) == -1 &&
		errno == EINVAL);
	CHECK(send_with(other, &to, sizeof(to), IPPROTO_IP, 99, &ttl, sizeof(ttl)) == -1 &&
		errno == EINVAL);
	CHECK(send_with(other, &to, sizeof(to), 12345, 99, &ttl, sizeof(ttl)) == 1);
}

CASE(where_to_over_v6)
{
	struct sockaddr_in6 name, to;
	struct sockaddr_in other_name, mapped;
	struct msghdr message;
	struct in6_pktinfo *info;
	int fd = bound_v6(&name), other = bound(&other_name), hops = 33, *found;
	int sender = socket(AF_INET6, SOCK_DGRAM, 0);

	set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	to = name;
	to.sin6_addr = in6addr_loopback;
	CHECK(send_with(sender, &to, sizeof(to), IPPROTO_IPV6, IPV6_HOPLIMIT, &hops,
		      sizeof(hops)) == 1);
	CHECK(receive(fd, &message, 0) == 1);
	info = find(&message, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(*info));
	CHECK(info != NULL && info->ipi6_ifindex == 1);
	CHECK(memcmp(&info->ipi6_addr, &in6addr_loopback, sizeof(in6addr_loopback)) == 0);
	found = find(&message, IPPROTO_IPV6, IPV6_HOPLIMIT, sizeof(*found));
	CHECK(found != NULL && *found == 33);
	found = find(&message, IPPROTO_IPV6, IPV6_TCLASS, sizeof(*found));
	CHECK(found != NULL && *found == 0);
	/* from IPv4 there is only where to, as a mapped address */
	mapped = loopback(name.sin6_port);
	CHECK(sendto(other, "m", 1, 0, (struct sockaddr *)&mapped, sizeof(mapped)) == 1);
	CHECK(receive(fd, &message, 0) == 1);
	info = find(&message, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(*info));
	CHECK(info != NULL && IN6_IS_ADDR_V4MAPPED(&info->ipi6_addr));
	CHECK(find(&message, IPPROTO_IPV6, IPV6_HOPLIMIT, sizeof(int)) == NULL);
}

static void await_error(int fd)
{
	struct pollfd one = { fd, 0, 0 };

	CHECK(poll(&one, 1, 10000) == 1 && one.revents == POLLERR);
}

CASE(queue_of_errors_over_v4)
{
	struct sockaddr_in name, nobody;
	struct msghdr message;
	int fd = bound(&name), gone = bound(&nobody), error = -1;
	socklen_t size = sizeof(error);
	struct sock_extended_err *told;
	struct sockaddr_in *offender;

	close(gone);
	nobody = loopback(nobody.sin_port);
	CHECK(receive(fd, &message, MSG_ERRQUEUE) == -1 && errno == EAGAIN);
	set(fd, IPPROTO_IP, IP_RECVERR, 1);
	CHECK(sendto(fd, "lost", 4, 0, (struct sockaddr *)&nobody, sizeof(nobody)) == 4);
	await_error(fd);
	CHECK(receive(fd, &message, MSG_ERRQUEUE) == 4);
	CHECK(message.msg_flags & MSG_ERRQUEUE);
	CHECK(memcmp(message.msg_iov->iov_base, "lost", 4) == 0);
	CHECK(memcmp(message.msg_name, &nobody, 8) == 0);
	told = find(&message, IPPROTO_IP, IP_RECVERR, sizeof(*told) + sizeof(*offender));
	CHECK(told != NULL && told->ee_errno == ECONNREFUSED);
	CHECK(told->ee_origin == SO_EE_ORIGIN_ICMP && told->ee_type == 3 && told->ee_code == 3);
	offender = (struct sockaddr_in *)SO_EE_OFFENDER(told);
	CHECK(offender->sin_family == AF_INET && offender->sin_port == 0);
	CHECK(offender->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	/* with the last one the error is gone, too */
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0);
	CHECK(receive(fd, &message, MSG_ERRQUEUE) == -1 && errno == EAGAIN);
}

CASE(errors_stay_in_the_queue)
{
	char large[1500] = "";
	struct sockaddr_in name, nobody;
	struct msghdr message;
	int fd = bound(&name), gone = bound(&nobody);

	close(gone);
	nobody = loopback(nobody.sin_port);
	set(fd, IPPROTO_IP, IP_RECVERR, 1);
	CHECK(sendto(fd, large, sizeof(large), 0, (struct sockaddr *)&nobody, sizeof(nobody)) ==
		sizeof(large));
	await_error(fd);
	CHECK(recv(fd, large, 1, MSG_DONTWAIT) == -1 && errno == ECONNREFUSED);
	await_error(fd);
	CHECK(recv(fd, large, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	CHECK(receive(fd, &message, MSG_ERRQUEUE) == 520);
	CHECK(sendto(fd, large, 1, 0, (struct sockaddr *)&nobody, sizeof(nobody)) == 1);
	await_error(fd);
	CHECK(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &(int){ 0 }, sizeof(int)) == 0);
	CHECK(receive(fd, &message, MSG_ERRQUEUE) == -1 && errno == EAGAIN);
}

CASE(queue_of_errors_over_v6)
{
	struct sockaddr_in6 name, nobody;
	struct msghdr message;
	int fd = bound_v6(&name), gone = bound_v6(&nobody);
	struct sock_extended_err *told;
	struct sockaddr_in6 *offender;

	close(gone);
	nobody.sin6_addr = in6addr_loopback;
	set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *)&nobody, sizeof(nobody)) == 1);
	await_error(fd);
	CHECK(receive(fd, &message, MSG_ERRQUEUE) == 1);
	told = find(&message, IPPROTO_IPV6, IPV6_RECVERR, sizeof(*told) + sizeof(*offender));
	CHECK(told != NULL && told->ee_errno == ECONNREFUSED);
	CHECK(told->ee_origin == SO_EE_ORIGIN_ICMP6 && told->ee_type == 1 && told->ee_code == 4);
	offender = (struct sockaddr_in6 *)SO_EE_OFFENDER(told);
	CHECK(memcmp(&offender->sin6_addr, &in6addr_loopback, sizeof(in6addr_loopback)) == 0);
}

CASES_MAIN()
