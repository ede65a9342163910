/* SPDX-License-Identifier: MIT */
/* Sockets of the family AF_UNIX. */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

static int ends[2];
static char buffer[1 << 20];

static socklen_t name_of(struct sockaddr_un *name, const char *text)
{
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	strcpy(name->sun_path, text);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text) + 1);
}

/* An abstract name that no other run of this program uses at the same time. */
static socklen_t abstract_name(struct sockaddr_un *name, const char *text)
{
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	int n = snprintf(
		name->sun_path + 1, sizeof(name->sun_path) - 1, "hati-%d-%s", getpid(), text);

	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static ssize_t send_fd(int socket, int fd, const char *text)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { (void *)text, strlen(text) };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0);
}

static ssize_t receive_fd(int socket, int *fd, int flags, int *out_flags)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { buffer, 100 };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(socket, &message, flags);
	struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(&message);

	*fd = -1;
	*out_flags = message.msg_flags;
	if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
		memcpy(fd, CMSG_DATA(header), sizeof(*fd));
	}
	return n;
}

CASE(stream_pair)
{
	struct stat status;
	char name[64] = "";

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	CHECK_EQ(write(ends[0], "hello", 5), 5);
	CHECK_EQ(send(ends[0], " world", 6, 0), 6);
	int n;
	CHECK_EQ(ioctl(ends[1], FIONREAD, &n), 0);
	CHECK_EQ(n, 11);
	CHECK_EQ(recv(ends[1], buffer, 100, MSG_PEEK), 11);
	CHECK_EQ(read(ends[1], buffer, 3), 3);
	CHECK_EQ(recv(ends[1], buffer, 100, 0), 8);
	CHECK(memcmp(buffer, "lo world", 8) == 0);
	CHECK_ERRNO(recv(ends[1], buffer, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(fstat(ends[0], &status), 0);
	CHECK(S_ISSOCK(status.st_mode));
	CHECK_ERRNO(lseek(ends[0], 0, SEEK_SET), ESPIPE);
	sprintf(buffer, "/proc/self/fd/%d", ends[0]);
	CHECK(readlink(buffer, name, sizeof(name)) > 0);
	CHECK(strncmp(name, "socket:[", 8) == 0);
}

CASE(closing_and_shutdown)
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	CHECK_EQ(write(ends[0], "x", 1), 1);
	CHECK_EQ(shutdown(ends[0], SHUT_WR), 0);
	CHECK_EQ(read(ends[1], buffer, 10), 1);
	CHECK_EQ(read(ends[1], buffer, 10), 0);
	CHECK_ERRNO(send(ends[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(write(ends[1], "back", 4), 4);
	CHECK_EQ(read(ends[0], buffer, 10), 4);
	struct pollfd poll_end = { ends[1], POLLIN | POLLRDHUP, 0 };
	CHECK_EQ(poll(&poll_end, 1, 0), 1);
	CHECK_EQ(poll_end.revents, POLLIN | POLLRDHUP);
	close(ends[0]);
	CHECK_EQ(poll(&poll_end, 1, 0), 1);
	CHECK_EQ(poll_end.revents, POLLIN | POLLRDHUP | POLLHUP);
	CHECK_ERRNO(send(ends[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_ERRNO(shutdown(ends[1], 3), EINVAL);
	/* what the peer did not read is a reset */
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	CHECK_EQ(write(ends[0], "x", 1), 1);
	close(ends[1]);
	CHECK_ERRNO(read(ends[0], buffer, 1), ECONNRESET);
	CHECK_EQ(read(ends[0], buffer, 1), 0);
}

static volatile sig_atomic_t n_signals;

static void count_signal(int signal)
{
	(void)signal;
	n_signals++;
}

CASE(broken_pipe_signal)
{
	signal(SIGPIPE, count_signal);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	close(ends[1]);
	CHECK_ERRNO(write(ends[0], "x", 1), EPIPE);
	CHECK_EQ(n_signals, 1);
	CHECK_ERRNO(send(ends[0], "x", 1, 0), EPIPE);
	CHECK_EQ(n_signals, 2);
	CHECK_ERRNO(send(ends[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(n_signals, 2);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	close(ends[1]);
	CHECK_ERRNO(write(ends[0], "x", 1), EPIPE);
	CHECK_EQ(n_signals, 2);
}

CASE(packets_keep_their_bounds)
{
	static const int types[] = { SOCK_DGRAM, SOCK_SEQPACKET };

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(socketpair(AF_UNIX, types[i], 0, ends), 0);
		CHECK_EQ(send(ends[0], "first", 5, 0), 5);
		CHECK_EQ(send(ends[0], "", 0, 0), 0);
		CHECK_EQ(send(ends[0], "third", 5, 0), 5);
		CHECK_EQ(recv(ends[1], buffer, 3, MSG_PEEK | MSG_TRUNC), 5);
		CHECK_EQ(recv(ends[1], buffer, 3, 0), 3);
		CHECK_EQ(recv(ends[1], buffer, 10, 0), 0);
		struct iovec parts[2] = { { buffer, 2 }, { buffer + 10, 2 } };
		struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
		CHECK_EQ(recvmsg(ends[1], &message, 0), 4);
		CHECK_EQ(message.msg_flags & MSG_TRUNC, MSG_TRUNC);
		CHECK(memcmp(buffer, "th", 2) == 0 && memcmp(buffer + 10, "ir", 2) == 0);
		CHECK_ERRNO(send(ends[0], buffer, 300000, 0), EMSGSIZE);
	}
	/* a large one in two large parts */
	memset(buffer, 'a', 90000);
	memset(buffer + 90000, 'b', 90000);
	struct iovec parts[2] = { { buffer, 90000 }, { buffer + 90000, 90000 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	CHECK_EQ(sendmsg(ends[0], &message, 0), 180000);
	CHECK_EQ(recv(ends[1], buffer + 200000, 200000, 0), 180000);
	CHECK(memcmp(buffer, buffer + 200000, 180000) == 0);
}

CASE(listening)
{
	struct sockaddr_un name, peer;
	socklen_t size = abstract_name(&name, "listen"), peer_size = sizeof(peer);
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	CHECK_ERRNO(connect(client, (void *)&name, size), ECONNREFUSED);
	CHECK_ERRNO(listen(server, 1), EINVAL);
	CHECK_EQ(bind(server, (void *)&name, size), 0);
	CHECK_ERRNO(bind(server, (void *)&name, size), EINVAL);
	CHECK_ERRNO(bind(client, (void *)&name, size), EADDRINUSE);
	CHECK_ERRNO(connect(client, (void *)&name, size), ECONNREFUSED);
	CHECK_ERRNO(accept(server, NULL, NULL), EINVAL);
	CHECK_EQ(listen(server, 0), 0);
	int value;
	socklen_t value_size = sizeof(value);
	CHECK_EQ(getsockopt(server, SOL_SOCKET, SO_ACCEPTCONN, &value, &value_size), 0);
	CHECK_EQ(value, 1);
	CHECK_EQ(connect(client, (void *)&name, size), 0);
	/* a full queue is seen before anything else */
	CHECK_ERRNO(connect(client, (void *)&name, size), EAGAIN);
	int second = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_ERRNO(connect(second, (void *)&name, size), EAGAIN);
	int wrong = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_ERRNO(connect(wrong, (void *)&name, size), ECONNREFUSED);
	CHECK_EQ(bind(wrong, (void *)&name, size), 0);
	CHECK_EQ(write(client, "early", 5), 5);
	int accepted = accept4(server, (void *)&peer, &peer_size, SOCK_CLOEXEC);
	CHECK(accepted >= 0);
	CHECK_EQ(fcntl(accepted, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(connect(client, (void *)&name, size), EISCONN);
	CHECK_EQ(peer_size, 2);
	CHECK_EQ(read(accepted, buffer, 10), 5);
	peer_size = sizeof(peer);
	CHECK_EQ(getsockname(accepted, (void *)&peer, &peer_size), 0);
	CHECK_EQ(peer_size, size);
	CHECK(memcmp(&peer, &name, size) == 0);
	peer_size = sizeof(peer);
	CHECK_EQ(getpeername(client, (void *)&peer, &peer_size), 0);
	CHECK_EQ(peer_size, size);
	CHECK_ERRNO(getpeername(second, (void *)&peer, &peer_size), ENOTCONN);
	struct ucred credentials;
	value_size = sizeof(credentials);
	CHECK_EQ(getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &credentials, &value_size), 0);
	CHECK_EQ(credentials.pid, getpid());
	CHECK_EQ(credentials.uid, geteuid());
	/* who was not accepted is told when the listener goes */
	CHECK_EQ(connect(second, (void *)&name, size), 0);
	close(server);
	CHECK_ERRNO(read(second, buffer, 1), ECONNRESET);
}

CASE(paths)
{
	struct sockaddr_un name;
	struct stat status;
	char path[64];
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);

	sprintf(path, "/tmp/hati-socket-%d", getpid());
	unlink(path);
	socklen_t size = name_of(&name, path);
	CHECK_ERRNO(connect(client, (void *)&name, size), ENOENT);
	umask(027);
	CHECK_EQ(bind(server, (void *)&name, size), 0);
	CHECK_EQ(stat(path, &status), 0);
	CHECK_EQ(status.st_mode, S_IFSOCK | 0750);
	CHECK_ERRNO(open(path, O_RDONLY), ENXIO);
	CHECK_ERRNO(bind(client, (void *)&name, size), EADDRINUSE);
	CHECK_EQ(listen(server, 5), 0);
	CHECK_EQ(connect(client, (void *)&name, size), 0);
	int wrong = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_ERRNO(connect(wrong, (void *)&name, size), EPROTOTYPE);
	close(server);
	close(client);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_ERRNO(connect(client, (void *)&name, size), ECONNREFUSED);
	CHECK_EQ(unlink(path), 0);
	CHECK_ERRNO(bind(client, (void *)&name, 1), EINVAL);
	name.sun_family = AF_INET;
	CHECK_ERRNO(bind(client, (void *)&name, size), EINVAL);
	name.sun_family = AF_UNIX;
	CHECK_EQ(bind(client, (void *)&name, 2), 0);
	socklen_t auto_size = sizeof(name);
	CHECK_EQ(getsockname(client, (void *)&name, &auto_size), 0);
	CHECK_EQ(auto_size, 8);
	CHECK_EQ(name.sun_path[0], 0);
}

CASE(datagrams)
{
	struct sockaddr_un name, from;
	socklen_t size = abstract_name(&name, "server"), from_size = sizeof(from);
	int server = socket(AF_UNIX, SOCK_DGRAM, 0);
	int client = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	CHECK_EQ(bind(server, (void *)&name, size), 0);
	CHECK_ERRNO(send(client, "x", 1, 0), ENOTCONN);
	CHECK_EQ(sendto(client, "anonymous", 9, 0, (void *)&name, size), 9);
	CHECK_EQ(recvfrom(server, buffer, 100, 0, (void *)&from, &from_size), 9);
	CHECK_EQ(from_size, 0);
	struct sockaddr_un own;
	socklen_t own_size = abstract_name(&own, "client");
	CHECK_EQ(bind(client, (void *)&own, own_size), 0);
	CHECK_EQ(connect(client, (void *)&name, size), 0);
	CHECK_EQ(send(client, "named", 5, 0), 5);
	from_size = sizeof(from);
	CHECK_EQ(recvfrom(server, buffer, 100, 0, (void *)&from, &from_size), 5);
	CHECK_EQ(from_size, own_size);
	CHECK(memcmp(&from, &own, own_size) == 0);
	CHECK_EQ(sendto(server, "answer", 6, 0, (void *)&from, from_size), 6);
	CHECK_EQ(read(client, buffer, 100), 6);
	int n = 0;
	while (send(client, "x", 1, 0) == 1) {
		n++;
	}
	CHECK_EQ(errno, EAGAIN);
	CHECK(n >= 10 && n <= 513);
	struct pollfd poll_client = { client, POLLOUT, 0 };
	CHECK_EQ(poll(&poll_client, 1, 0), 0);
	while (recv(server, buffer, 1, MSG_DONTWAIT) == 1) {
	}
	CHECK_EQ(poll(&poll_client, 1, 0), 1);
	close(server);
	CHECK_ERRNO(send(client, "x", 1, 0), ECONNREFUSED);
	CHECK_ERRNO(send(client, "x", 1, 0), ENOTCONN);
}

CASE(descriptors)
{
	int pipe_ends[2], fd, flags;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	CHECK_EQ(pipe(pipe_ends), 0);
	CHECK_EQ(send_fd(ends[0], pipe_ends[1], "fd"), 2);
	CHECK_EQ(write(ends[0], "rest", 4), 4);
	close(pipe_ends[1]);
	CHECK_EQ(receive_fd(ends[1], &fd, MSG_CMSG_CLOEXEC, &flags), 2);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(fd, "through", 7), 7);
	CHECK_EQ(read(pipe_ends[0], buffer, 100), 7);
	close(fd);
	CHECK_EQ(read(pipe_ends[0], buffer, 100), 0);
	CHECK_EQ(read(ends[1], buffer, 100), 4);
	CHECK_ERRNO(send_fd(ends[0], 999, "x"), EBADF);
	/* without room for them they are closed */
	CHECK_EQ(pipe(pipe_ends), 0);
	CHECK_EQ(send_fd(ends[0], pipe_ends[1], "x"), 1);
	close(pipe_ends[1]);
	struct iovec part = { buffer, 10 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	CHECK_EQ(recvmsg(ends[1], &message, 0), 1);
	CHECK_EQ(message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
	CHECK_EQ(read(pipe_ends[0], buffer, 100), 0);
}

CASE(cycles_are_found)
{
	int pipe_ends[2], pair[2];

	CHECK_EQ(pipe(pipe_ends), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	CHECK_EQ(send_fd(ends[0], ends[1], "itself"), 6);
	CHECK_EQ(send_fd(ends[0], pair[1], "other"), 5);
	CHECK_EQ(send_fd(pair[0], pipe_ends[1], "pipe"), 4);
	CHECK_EQ(send_fd(pair[0], ends[0], "back"), 4);
	close(pipe_ends[1]);
	close(ends[0]);
	close(ends[1]);
	close(pair[0]);
	struct pollfd poll_pipe = { pipe_ends[0], POLLIN, 0 };
	CHECK_EQ(poll(&poll_pipe, 1, 0), 0);
	close(pair[1]);
	CHECK_EQ(poll(&poll_pipe, 1, 5000), 1);
	CHECK_EQ(poll_pipe.revents, POLLHUP);
}

CASE(credentials)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec part = { buffer, 10 };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct ucred credentials;
	int on = 1, status;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	CHECK_EQ(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	pid_t child = fork();
	if (child == 0) {
		_exit(send(ends[0], "x", 1, 0) == 1 ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(recvmsg(ends[1], &message, 0), 1);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	CHECK(header != NULL);
	CHECK_EQ(header->cmsg_type, SCM_CREDENTIALS);
	memcpy(&credentials, CMSG_DATA(header), sizeof(credentials));
	CHECK_EQ(credentials.pid, child);
	CHECK_EQ(credentials.uid, getuid());
}

CASE(options_and_errors)
{
	struct timeval time = { 0, 20000 };
	int value;
	socklen_t size = sizeof(value);

	CHECK_ERRNO(socket(AF_UNIX, 77, 0), EINVAL);
	CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM, 5), EPROTONOSUPPORT);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	CHECK_EQ(fcntl(ends[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	CHECK_EQ(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(getsockopt(ends[0], SOL_SOCKET, SO_TYPE, &value, &size), 0);
	CHECK_EQ(value, SOCK_STREAM);
	CHECK_EQ(getsockopt(ends[0], SOL_SOCKET, SO_DOMAIN, &value, &size), 0);
	CHECK_EQ(value, AF_UNIX);
	value = 10000;
	CHECK_EQ(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &value, sizeof(value)), 0);
	CHECK_EQ(getsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &value, &size), 0);
	CHECK_EQ(value, 20000);
	CHECK_ERRNO(getsockopt(0, SOL_SOCKET, SO_TYPE, &value, &size), ENOTSOCK);
	CHECK_ERRNO(getsockopt(999, SOL_SOCKET, SO_TYPE, &value, &size), EBADF);
	CHECK_ERRNO(setsockopt(ends[0], SOL_SOCKET, 9999, &value, sizeof(value)), ENOPROTOOPT);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	CHECK_EQ(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)), 0);
	CHECK_ERRNO(read(ends[0], buffer, 1), EAGAIN);
	CHECK_ERRNO(accept(ends[0], NULL, NULL), EINVAL);
}

CASE(much_data_waits_for_the_reader)
{
	unsigned long sum = 0, expected = 0;
	ssize_t n;
	int status;

	for (size_t i = 0; i < sizeof(buffer); i++) {
		buffer[i] = (char)(i * 13 + i / 1000);
		expected = expected * 31 + (unsigned char)buffer[i];
	}
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		_exit(send(ends[1], buffer, sizeof(buffer), 0) == sizeof(buffer) ? 0 : 1);
	}
	close(ends[1]);
	while ((n = recv(ends[0], buffer, 50000, MSG_WAITALL)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			sum = sum * 31 + (unsigned char)buffer[i];
		}
	}
	CHECK_EQ(sum, expected);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

/* Whatever of a send fits when the queue is nearly full: the bytes and their number are right. */
CASE(a_nearly_full_queue_takes_some)
{
	ssize_t n_sent = 0, n_read = 0, n;
	bool has_room = true;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	CHECK_EQ(write(ends[0], buffer, 1000), 1000);
	CHECK_EQ(read(ends[1], buffer, 1000), 1000);
	for (size_t i = 0; i < sizeof(buffer); i++) {
		buffer[i] = (char)(i * 7 + i / 4096);
	}
	while (has_room) {
		n = write(ends[0], buffer + n_sent, 50000);
		has_room = n > 0;
		n_sent += has_room ? n : 0;
		CHECK(n_sent < 900000);
	}
	CHECK(n < 0 && errno == EAGAIN);
	CHECK(n_sent > 100000);
	while (n_read < n_sent) {
		char piece[30011];

		n = read(ends[1], piece, sizeof(piece));
		CHECK(n > 0 && n <= n_sent - n_read && !memcmp(piece, buffer + n_read, (size_t)n));
		n_read += n;
	}
	CHECK_ERRNO(read(ends[1], buffer, 1), EAGAIN);
	CHECK_EQ(write(ends[0], buffer, 50000), 50000);
	close(ends[0]);
	close(ends[1]);
}

CASE(several_messages)
{
	struct iovec parts[3] = { { "one", 3 }, { "two", 3 }, { "three", 5 } };
	struct mmsghdr messages[3] = {};

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	for (int i = 0; i < 3; i++) {
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	CHECK_EQ(sendmmsg(ends[0], messages, 3, 0), 3);
	CHECK_EQ(messages[2].msg_len, 5);
	for (int i = 0; i < 3; i++) {
		parts[i] = (struct iovec){ buffer + 10 * i, 10 };
	}
	CHECK_EQ(recvmmsg(ends[1], messages, 3, MSG_WAITFORONE, NULL), 3);
	CHECK_EQ(messages[2].msg_len, 5);
	CHECK(memcmp(buffer + 20, "three", 5) == 0);
}

CASE(edges)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET | EPOLLRDHUP };
	int epoll = epoll_create1(0);

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), 0);
	CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 0);
	CHECK_EQ(write(ends[1], "x", 1), 1);
	CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 1);
	CHECK_EQ(event.events, EPOLLIN);
	CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 0);
	CHECK_EQ(write(ends[1], "y", 1), 1);
	CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 1);
	close(ends[1]);
	CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 1);
	CHECK_EQ(event.events & EPOLLRDHUP, EPOLLRDHUP);
}

CASE(watched_sender_survives_its_peer)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	struct sockaddr_un name;
	socklen_t size = abstract_name(&name, "watched");
	int epoll = epoll_create1(0);
	int server = socket(AF_UNIX, SOCK_DGRAM, 0);
	int client = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	CHECK_EQ(bind(server, (void *)&name, size), 0);
	CHECK_EQ(connect(client, (void *)&name, size), 0);
	while (send(client, "x", 1, 0) == 1) {
	}
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event), 0);
	CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 0);
	while (recv(server, buffer, 1, MSG_DONTWAIT) == 1) {
	}
	CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 1);
	CHECK_EQ(event.events, EPOLLOUT);
	close(server);
	CHECK_ERRNO(send(client, "x", 1, 0), ECONNREFUSED);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_DEL, client, NULL), 0);
	CHECK_EQ(close(client), 0);
}
CASE(a_peer_that_is_gone_still_has_a_name)
{
	struct sockaddr_un name, peer;
	socklen_t size = sizeof(peer);
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
	char path[64];

	snprintf(path, sizeof(path), "gone-%d", getpid());
	socklen_t name_size = name_of(&name, path);
	CHECK_EQ(bind(server, (void *)&name, name_size), 0);
	CHECK_EQ(listen(server, 1), 0);
	CHECK_EQ(connect(client, (void *)&name, name_size), 0);
	CHECK_EQ(close(accept(server, NULL, NULL)), 0);
	close(server);
	CHECK_EQ(getpeername(client, (void *)&peer, &size), 0);
	CHECK(size == name_size && !strcmp(peer.sun_path, path));
	CHECK_EQ(unlink(path), 0);
}

CASE(a_connection_waits_for_a_descriptor)
{
	struct rlimit limit, few;
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int client = socket(AF_UNIX, SOCK_STREAM, 0);
	char byte = 'a';

	socklen_t size = sizeof(name);
	CHECK_EQ(bind(server, (void *)&name, sizeof(name.sun_family)), 0);
	CHECK_EQ(getsockname(server, (void *)&name, &size), 0);
	CHECK_EQ(listen(server, 1), 0);
	CHECK_EQ(connect(client, (void *)&name, size), 0);
	CHECK_EQ(write(client, &byte, 1), 1);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = (rlim_t)client + 1;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	CHECK_ERRNO(accept(server, NULL, NULL), EMFILE);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_EQ(read(accept(server, NULL, NULL), &byte, 1), 1);
	CHECK_ERRNO(accept(server, NULL, NULL), EAGAIN);
}

CASE(descriptors_in_two_headers)
{
	union {
		char bytes[2 * CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec part = { "x", 1 };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fds[2] = { open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY) }, n = 0;
	char byte;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	for (int i = 0; i < 2; i++, header = CMSG_NXTHDR(&message, header)) {
		*header = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(header), &fds[i], sizeof(int));
	}
	CHECK_EQ(sendmsg(ends[0], &message, 0), 1);
	memset(&control, 0, sizeof(control));
	part.iov_base = &byte;
	CHECK_EQ(recvmsg(ends[1], &message, 0), 1);
	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		n += (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	}
	CHECK_EQ(n, 2);
}

CASES_MAIN()
