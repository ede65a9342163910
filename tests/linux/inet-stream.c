/* SPDX-License-Identifier: MIT */
/* TCP between programs of one machine, over 127.0.0.1 and ::1. Ports are chosen by the system. */
#include "check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return name;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in name = { 0 };
	socklen_t size = sizeof(name);

	return getsockname(fd, (struct sockaddr *)&name, &size) ? 0 : ntohs(name.sin_port);
}

static int bound(int type, uint16_t port)
{
	struct sockaddr_in name = loopback(port);
	int fd = socket(AF_INET, type, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name))) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static int listener(int backlog, uint16_t *out_port)
{
	int fd = bound(SOCK_STREAM, 0);

	if (listen(fd, backlog)) {
		return -1;
	}
	*out_port = port_of(fd);
	return fd;
}

static int connect_to(int fd, uint16_t port)
{
	struct sockaddr_in name = loopback(port);

	return connect(fd, (struct sockaddr *)&name, sizeof(name));
}

/* ends[0] connected, ends[1] accepted it. */
static bool make_pair(int *ends)
{
	uint16_t port;
	int server = listener(1, &port);

	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	bool is_good = server >= 0 && connect_to(ends[0], port) == 0;

	ends[1] = is_good ? accept(server, NULL, NULL) : -1;
	close(server);
	return ends[1] >= 0;
}

static int events_of(int fd)
{
	struct pollfd one = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };

	poll(&one, 1, 0);
	return one.revents;
}

/* The same once something has happened, which on Linux may take a moment. */
static int events_after(int fd, short wanted)
{
	struct pollfd one = { fd, wanted, 0 };

	poll(&one, 1, 5000);
	return events_of(fd);
}

static int error_of(int fd)
{
	int value = -1;
	socklen_t size = sizeof(value);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size);
	return value;
}

/* A port that nobody listens at. */
static uint16_t free_port(void)
{
	int fd = bound(SOCK_STREAM, 0);
	uint16_t port = port_of(fd);

	close(fd);
	return port;
}

CASE(bytes_go_both_ways)
{
	int ends[2];
	char text[16] = "";

	CHECK(make_pair(ends));
	CHECK(write(ends[0], "hello", 5) == 5);
	CHECK(recv(ends[1], text, 3, MSG_WAITALL | MSG_PEEK) == 3);
	CHECK(recv(ends[1], text, sizeof(text), 0) == 5 && memcmp(text, "hello", 5) == 0);
	CHECK(send(ends[1], "there", 5, 0) == 5);
	CHECK(read(ends[0], text, 5) == 5 && memcmp(text, "there", 5) == 0);
	CHECK(recv(ends[0], text, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
}

CASE(names_of_both_ends_agree)
{
	struct sockaddr_in own, peer, accepted;
	socklen_t size = sizeof(own);
	uint16_t port;
	int server = listener(1, &port), client = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(port != 0);
	CHECK(getpeername(client, (struct sockaddr *)&peer, &size) == -1 && errno == ENOTCONN);
	CHECK(connect_to(client, port) == 0);
	int child = accept(server, (struct sockaddr *)&accepted, &size);

	CHECK(child >= 0 && size == sizeof(accepted));
	CHECK(getsockname(client, (struct sockaddr *)&own, &size) == 0);
	CHECK(memcmp(&own, &accepted, sizeof(own)) == 0);
	CHECK(own.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && own.sin_family == AF_INET);
	CHECK(getpeername(client, (struct sockaddr *)&peer, &size) == 0);
	CHECK(ntohs(peer.sin_port) == port);
	CHECK(port_of(child) == port);
	CHECK(connect_to(client, port) == -1 && errno == EISCONN);
}

CASE(nobody_listens)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(events_of(fd) == (POLLOUT | POLLHUP));
	CHECK(connect_to(fd, free_port()) == -1 && errno == ECONNREFUSED);
	CHECK(read(fd, &fd, 1) == -1 && errno == ENOTCONN);
}

CASE(nonblocking_connect)
{
	uint16_t port;
	int server = listener(4, &port);

	CHECK(server >= 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	CHECK(connect_to(fd, port) == -1 && errno == EINPROGRESS);
	CHECK(events_after(fd, POLLOUT) == POLLOUT);
	CHECK(error_of(fd) == 0);
	CHECK(connect_to(fd, port) == 0);
	CHECK(connect_to(fd, port) == -1 && errno == EISCONN);
}

CASE(nonblocking_connect_refused)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	uint16_t port = free_port();

	CHECK(connect_to(fd, port) == -1 && errno == EINPROGRESS);
	CHECK(events_after(fd, POLLOUT) == (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP));
	CHECK(error_of(fd) == ECONNREFUSED);
	CHECK(error_of(fd) == 0);
}

CASE(half_close)
{
	int ends[2];
	char text[4];

	CHECK(make_pair(ends));
	CHECK(shutdown(ends[0], SHUT_WR) == 0);
	CHECK(events_after(ends[1], POLLIN) == (POLLIN | POLLOUT | POLLRDHUP));
	CHECK(read(ends[1], text, 1) == 0);
	CHECK(write(ends[1], "abc", 3) == 3);
	CHECK(read(ends[0], text, 4) == 3);
	signal(SIGPIPE, SIG_IGN);
	CHECK(write(ends[0], "x", 1) == -1 && errno == EPIPE);
	CHECK(shutdown(ends[1], SHUT_WR) == 0);
	CHECK(events_after(ends[0], POLLIN) & POLLHUP);
}

CASE(close_with_unread_bytes_resets)
{
	int ends[2];
	char text[4];

	CHECK(make_pair(ends));
	CHECK(write(ends[0], "abc", 3) == 3);
	CHECK(events_after(ends[1], POLLIN) & POLLIN);
	close(ends[1]);
	CHECK(events_after(ends[0], POLLIN) & POLLERR);
	CHECK(read(ends[0], text, 1) == -1 && errno == ECONNRESET);
	CHECK(read(ends[0], text, 1) == 0);
	CHECK(send(ends[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
}

CASE(write_after_the_peer_closed)
{
	int ends[2];
	char text[4];

	CHECK(make_pair(ends));
	close(ends[1]);
	CHECK(events_after(ends[0], POLLIN) == (POLLIN | POLLOUT | POLLRDHUP));
	CHECK(read(ends[0], text, 1) == 0);
	CHECK(send(ends[0], "x", 1, MSG_NOSIGNAL) == 1);
	CHECK(events_after(ends[0], POLLPRI) & POLLHUP);
	CHECK(send(ends[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
}

CASE(sigpipe)
{
	int ends[2];

	CHECK(make_pair(ends));
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK(shutdown(ends[0], SHUT_WR) == 0);
	CHECK(write(ends[0], "x", 1) == -1 && errno == EPIPE);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGPIPE));
}

CASE(linger_zero_resets)
{
	int ends[2];
	char text[4];
	struct linger linger = { 1, 0 };

	CHECK(make_pair(ends));
	CHECK(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	close(ends[1]);
	CHECK(events_after(ends[0], POLLIN) & POLLERR);
	CHECK(read(ends[0], text, 1) == -1 && errno == ECONNRESET);
}

CASE(a_full_buffer_waits)
{
	static char block[65536];
	int ends[2];
	size_t total = 0, n_read = 0;

	CHECK(make_pair(ends));
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	for (;;) {
		ssize_t n = write(ends[0], block, sizeof(block));

		if (n < 0) {
			CHECK(errno == EAGAIN);
			break;
		}
		total += (size_t)n;
		CHECK(total < (size_t)64 << 20);
	}
	CHECK(total >= 65536);
	while (n_read < total) {
		ssize_t n = recv(ends[1], block, sizeof(block), 0);

		CHECK(n > 0);
		n_read += (size_t)n;
	}
	CHECK(events_after(ends[0], POLLOUT) & POLLOUT);
	CHECK(write(ends[0], block, 1) == 1);
}

CASE(large_transfer_between_processes)
{
	static char block[100000];
	int ends[2];
	size_t total = 0;

	CHECK(make_pair(ends));
	pid_t child = fork();

	if (child == 0) {
		close(ends[0]);
		for (int i = 0; i < 40; i++) {
			memset(block, i, sizeof(block));
			if (write(ends[1], block, sizeof(block)) != sizeof(block)) {
				_exit(1);
			}
		}
		_exit(0);
	}
	close(ends[1]);
	for (ssize_t n; (n = read(ends[0], block, 30000)) > 0; total += (size_t)n) {
		for (ssize_t i = 0; i < n; i += 997) {
			CHECK(block[i] == (char)((total + (size_t)i) / 100000));
		}
	}
	CHECK(total == 40 * sizeof(block));
	int status;

	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

CASE(ports_are_taken)
{
	uint16_t port;
	int server = listener(1, &port);

	CHECK(bound(SOCK_STREAM, port) == -1 && errno == EADDRINUSE);
	int datagrams = bound(SOCK_DGRAM, port);

	CHECK(datagrams >= 0 || errno == EADDRINUSE);
	close(server);
	CHECK(bound(SOCK_STREAM, port) >= 0);
}

CASE(reuse_of_ports)
{
	int one = 1;
	struct sockaddr_in name;
	uint16_t port;
	int server = listener(1, &port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	name = loopback(port);
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == -1 && errno == EADDRINUSE);
	/* a server that closed its connection first and starts again */
	int client = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(connect_to(client, port) == 0);
	int child = accept(server, NULL, NULL);

	close(child);
	close(server);
	close(client);
	CHECK(bound(SOCK_STREAM, port) == -1 && errno == EADDRINUSE);
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	CHECK(listen(fd, 1) == 0);
}

CASE(reuse_by_an_accepted_socket)
{
	int one = 1;
	uint16_t port;
	int server = listener(1, &port), client = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in name = loopback(port);

	CHECK(connect_to(client, port) == 0);
	int child = accept(server, NULL, NULL);

	close(server);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == -1 && errno == EADDRINUSE);
	CHECK(setsockopt(child, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
}

CASE(addresses_that_are_not_ours)
{
	struct sockaddr_in name = loopback(0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	name.sin_addr.s_addr = inet_addr("203.0.113.7");
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == -1 && errno == EADDRNOTAVAIL);
	name = loopback(0);
	name.sin_family = AF_UNIX;
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == -1 && errno == EAFNOSUPPORT);
	CHECK(bind(fd, (struct sockaddr *)&name, 8) == -1 && errno == EINVAL);
	CHECK(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP) == -1 && errno == EPROTONOSUPPORT);
	CHECK(socket(AF_INET, SOCK_SEQPACKET, 0) == -1 && errno == ESOCKTNOSUPPORT);
}

CASE(accept_and_listen_in_wrong_states)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	uint16_t port;

	CHECK(accept(fd, NULL, NULL) == -1 && errno == EINVAL);
	CHECK(shutdown(fd, SHUT_RDWR) == -1 && errno == ENOTCONN);
	int server = listener(1, &port);

	fcntl(server, F_SETFL, O_NONBLOCK);
	CHECK(accept(server, NULL, NULL) == -1 && errno == EAGAIN);
	CHECK(listen(server, 5) == 0);
	CHECK(read(server, &fd, 1) == -1 && errno == ENOTCONN);
	CHECK(listen(fd, 0) == 0 && port_of(fd) != 0);
	CHECK(shutdown(fd, SHUT_RDWR) == 0);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EINVAL);
}

CASE(children_of_a_closed_listener_are_reset)
{
	uint16_t port;
	int server = listener(4, &port), fd = socket(AF_INET, SOCK_STREAM, 0);
	char byte;

	CHECK(connect_to(fd, port) == 0);
	close(server);
	CHECK(events_after(fd, POLLIN) & POLLERR);
	CHECK(read(fd, &byte, 1) == -1 && errno == ECONNRESET);
}

CASE(epoll_edges)
{
	int ends[2], set = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };
	char text[8];

	CHECK(make_pair(ends));
	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
	CHECK(epoll_wait(set, &event, 1, 0) == 0);
	CHECK(write(ends[1], "ab", 2) == 2);
	CHECK(epoll_wait(set, &event, 1, 5000) == 1 && event.events == EPOLLIN);
	CHECK(epoll_wait(set, &event, 1, 0) == 0);
	CHECK(read(ends[0], text, 2) == 2);
	close(ends[1]);
	CHECK(epoll_wait(set, &event, 1, 5000) == 1);
	CHECK(event.events == (EPOLLIN | EPOLLRDHUP));
}

CASE(ipv6_and_mapped_addresses)
{
	struct sockaddr_in6 name = { .sin6_family = AF_INET6 }, peer;
	socklen_t size = sizeof(name);
	int server = socket(AF_INET6, SOCK_STREAM, 0);

	CHECK(server >= 0);
	CHECK(bind(server, (struct sockaddr *)&name, sizeof(name)) == 0);
	CHECK(listen(server, 4) == 0);
	CHECK(getsockname(server, (struct sockaddr *)&name, &size) == 0 && size == 28);
	name.sin6_addr = in6addr_loopback;
	int six = socket(AF_INET6, SOCK_STREAM, 0), four = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(connect_to(four, ntohs(name.sin6_port)) == 0);
	int child = accept(server, (struct sockaddr *)&peer, &size);

	CHECK(child >= 0 && IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr));
	if (connect(six, (struct sockaddr *)&name, sizeof(name)) == 0) {
		child = accept(server, (struct sockaddr *)&peer, &size);
		CHECK(child >= 0);
		CHECK(memcmp(&peer.sin6_addr, &in6addr_loopback, 16) == 0);
	} else {
		CHECK(errno == EADDRNOTAVAIL || errno == ENETUNREACH);
	}
}

CASE(options)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, value = -1;
	socklen_t size = sizeof(value);

	CHECK(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size) == 0 && value == SOCK_STREAM);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &size) == 0 && value == AF_INET);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &size) == 0 && value == IPPROTO_TCP);
	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size) == 0 && value == 0);
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size) == 0 && value == 1);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) == 0);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &size) == 0 && value == 1);
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &one, sizeof(one)) == 0);
	value = 0;
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof(value)) == -1);
	CHECK(errno == EINVAL);
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, 1) == -1 && errno == EINVAL);
	CHECK(setsockopt(fd, 12345, 1, &one, sizeof(one)) == -1 && errno == ENOPROTOOPT);
	value = 20000;
	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value)) == 0);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, &size) == 0 && value == 40000);
}

CASE(timeouts)
{
	struct timeval time = { 0, 20000 };
	int ends[2];
	char byte;

	CHECK(make_pair(ends));
	CHECK(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0);
	CHECK(recv(ends[0], &byte, 1, 0) == -1 && errno == EAGAIN);
}

CASE(counts_of_bytes)
{
	int ends[2], n = -1;

	CHECK(make_pair(ends));
	CHECK(ioctl(ends[1], FIONREAD, &n) == 0 && n == 0);
	CHECK(write(ends[0], "abcd", 4) == 4);
	CHECK(events_after(ends[1], POLLIN) & POLLIN);
	CHECK(ioctl(ends[1], FIONREAD, &n) == 0 && n == 4);
}

/* How many lines of a file of /proc/net speak of a port in a state. */
static int lines_with(const char *path, uint16_t port, unsigned state)
{
	FILE *file = fopen(path, "r");
	char line[512];
	int n = 0;

	while (file != NULL && fgets(line, sizeof(line), file)) {
		unsigned own = 0, here = 0;

		if (sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &own, &here) == 2) {
			n += own == port && here == state;
		}
	}
	if (file != NULL) {
		fclose(file);
	}
	return n;
}

CASE(proc_lists_sockets)
{
	uint16_t port;
	int server = listener(1, &port), fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(lines_with("/proc/net/tcp", port, 10) == 1);
	CHECK(connect_to(fd, port) == 0);
	CHECK(accept(server, NULL, NULL) >= 0);
	CHECK(lines_with("/proc/net/tcp", port, 1) == 1);
	CHECK(lines_with("/proc/net/tcp", port_of(fd), 1) == 1);
	close(server);
	CHECK(lines_with("/proc/net/tcp", port, 10) == 0);
}

CASES_MAIN()
