/* SPDX-License-Identifier: MIT */
/* Urgent bytes of TCP: MSG_OOB, SO_OOBINLINE, SIOCATMARK, SIGURG; and TCP_INFO. */
#include "check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* ends[0] connected, ends[1] accepted it. */
static void make_pair(int ends[2])
{
	struct sockaddr_in name = { .sin_family = AF_INET };
	socklen_t size = sizeof(name);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0);
	CHECK(listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&name, &size) == 0);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(ends[0], (struct sockaddr *)&name, sizeof(name)) == 0);
	ends[1] = accept(listener, NULL, NULL);
	CHECK(ends[1] >= 0);
	close(listener);
}

static bool is_at_mark(int fd)
{
	int value = -1;

	CHECK(ioctl(fd, SIOCATMARK, &value) == 0);
	return value;
}

static int n_readable(int fd)
{
	int value = -1;

	CHECK(ioctl(fd, FIONREAD, &value) == 0);
	return value;
}

static int events_of(int fd)
{
	struct pollfd one = { fd, POLLIN | POLLPRI, 0 };

	poll(&one, 1, 0);
	return one.revents;
}

static void await_urgent(int fd)
{
	struct pollfd one = { fd, POLLPRI, 0 };

	CHECK(poll(&one, 1, 10000) == 1 && one.revents == POLLPRI);
}

CASE(urgent_bytes_are_apart)
{
	int ends[2];
	char text[16];

	make_pair(ends);
	CHECK(recv(ends[1], text, 1, MSG_OOB) == -1 && errno == EINVAL);
	CHECK(send(ends[0], "abcU", 4, MSG_OOB) == 4);
	await_urgent(ends[1]);
	CHECK(send(ends[0], "def", 3, 0) == 3);
	CHECK(events_of(ends[1]) == (POLLIN | POLLPRI));
	CHECK(n_readable(ends[1]) == 3 && !is_at_mark(ends[1]));
	CHECK(recv(ends[1], text, 1, MSG_OOB | MSG_PEEK) == 1 && text[0] == 'U');
	CHECK(recv(ends[1], text, 16, MSG_OOB) == 1 && text[0] == 'U');
	CHECK(recv(ends[1], text, 16, MSG_OOB) == -1 && errno == EINVAL);
	CHECK(!(events_of(ends[1]) & POLLPRI));
	CHECK(recv(ends[1], text, 16, 0) == 3 && memcmp(text, "abc", 3) == 0);
	CHECK(is_at_mark(ends[1]));
	CHECK(recv(ends[1], text, 16, MSG_PEEK) == 3 && memcmp(text, "def", 3) == 0);
	CHECK(is_at_mark(ends[1]));
	CHECK(recv(ends[1], text, 16, 0) == 3 && memcmp(text, "def", 3) == 0);
	CHECK(!is_at_mark(ends[1]));
}

CASE(urgent_bytes_in_line)
{
	int ends[2], one = 1;
	char text[16];

	make_pair(ends);
	CHECK(setsockopt(ends[1], SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)) == 0);
	CHECK(send(ends[0], "abU", 3, MSG_OOB) == 3);
	await_urgent(ends[1]);
	CHECK(send(ends[0], "cd", 2, 0) == 2);
	CHECK(recv(ends[1], text, 16, MSG_OOB) == -1 && errno == EINVAL);
	CHECK(recv(ends[1], text, 16, MSG_WAITALL) == 2 && memcmp(text, "ab", 2) == 0);
	CHECK(is_at_mark(ends[1]));
	CHECK(recv(ends[1], text, 3, MSG_WAITALL) == 3 && memcmp(text, "Ucd", 3) == 0);
	CHECK(!is_at_mark(ends[1]));
}

CASE(only_an_urgent_byte_is_nothing_to_read)
{
	int ends[2];
	char text[4];

	make_pair(ends);
	CHECK(send(ends[0], "U", 1, MSG_OOB) == 1);
	await_urgent(ends[1]);
	CHECK(events_of(ends[1]) == POLLPRI && n_readable(ends[1]) == 0);
	CHECK(is_at_mark(ends[1]));
	CHECK(recv(ends[1], text, 4, MSG_DONTWAIT) == -1 && errno == EAGAIN);
}

CASE(later_urgent_bytes_replace_earlier_ones)
{
	int ends[2];
	char text[16];

	make_pair(ends);
	CHECK(send(ends[0], "abU", 3, MSG_OOB) == 3);
	CHECK(send(ends[0], "cdV", 3, MSG_OOB) == 3);
	CHECK(send(ends[0], "e", 1, 0) == 1);
	CHECK(shutdown(ends[0], SHUT_WR) == 0);
	await_urgent(ends[1]);
	while (n_readable(ends[1]) < 5) {
		usleep(1000);
	}
	CHECK(recv(ends[1], text, 16, MSG_OOB) == 1 && text[0] == 'V');
	CHECK(recv(ends[1], text, 16, MSG_WAITALL) == 5 && memcmp(text, "abUcd", 5) == 0);
	CHECK(recv(ends[1], text, 16, 0) == 1 && text[0] == 'e');
	CHECK(recv(ends[1], text, 16, 0) == 0);
}

static volatile sig_atomic_t n_signals;

static void on_signal(int signal)
{
	n_signals += signal == SIGURG;
}

CASE(owners_get_a_signal)
{
	int ends[2];
	char text[2];

	make_pair(ends);
	signal(SIGURG, on_signal);
	CHECK(send(ends[0], "u", 1, MSG_OOB) == 1);
	await_urgent(ends[1]);
	CHECK(n_signals == 0);
	CHECK(recv(ends[1], text, 1, MSG_OOB) == 1);
	CHECK(fcntl(ends[1], F_SETOWN, getpid()) == 0);
	CHECK(send(ends[0], "v", 1, MSG_OOB) == 1);
	await_urgent(ends[1]);
	CHECK(n_signals == 1);
}

CASE(connections_tell_of_themselves)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);
	int ends[2], listener = socket(AF_INET, SOCK_STREAM, 0);
	char text[8];

	make_pair(ends);
	CHECK(getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
	CHECK(info.tcpi_state == TCP_CLOSE);
	CHECK(listen(listener, 7) == 0);
	CHECK(getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
	CHECK(info.tcpi_state == TCP_LISTEN && info.tcpi_sacked == 7);
	CHECK(send(ends[0], "text", 4, 0) == 4);
	CHECK(recv(ends[1], text, 8, 0) == 4);
	memset(&info, 0, sizeof(info));
	CHECK(getsockopt(ends[0], IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
	CHECK(info.tcpi_state == TCP_ESTABLISHED && info.tcpi_retransmits == 0);
	CHECK(info.tcpi_snd_mss > 0 && info.tcpi_rto > 0 && info.tcpi_snd_cwnd > 0);
	size = 1;
	CHECK(getsockopt(ends[0], IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && size == 1);
}

CASES_MAIN()
