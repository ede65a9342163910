/* SPDX-License-Identifier: MIT */
/* poll, select and epoll, as on Linux. */
#ifndef ABI_LINUX_POLL_H
#define ABI_LINUX_POLL_H

#include <stdint.h>

enum linux_poll_events : uint32_t {
	LINUX_POLLIN = 0x1,
	LINUX_POLLPRI = 0x2,
	LINUX_POLLOUT = 0x4,
	LINUX_POLLERR = 0x8,
	LINUX_POLLHUP = 0x10,
	LINUX_POLLNVAL = 0x20,
	LINUX_POLLRDNORM = 0x40,
	LINUX_POLLRDBAND = 0x80,
	LINUX_POLLWRNORM = 0x100,
	LINUX_POLLWRBAND = 0x200,
	LINUX_POLLRDHUP = 0x2000,
};

struct linux_pollfd {
	int32_t fd;
	int16_t events, revents;
};

enum linux_epoll_flags : uint32_t {
	LINUX_EPOLLEXCLUSIVE = 1u << 28,
	LINUX_EPOLLWAKEUP = 1u << 29,
	LINUX_EPOLLONESHOT = 1u << 30,
	LINUX_EPOLLET = 1u << 31,
};

enum linux_epoll_operation : uint32_t {
	LINUX_EPOLL_CTL_ADD = 1,
	LINUX_EPOLL_CTL_DEL = 2,
	LINUX_EPOLL_CTL_MOD = 3,
};

struct __attribute__((packed)) linux_epoll_event {
	uint32_t events;
	uint64_t data;
};
static_assert(sizeof(struct linux_epoll_event) == 12);

#endif
