/* SPDX-License-Identifier: MIT */
/* Waiting for children, as on Linux: options, id types and the bits of a status. */
#ifndef ABI_LINUX_WAIT_H
#define ABI_LINUX_WAIT_H

#include <stdint.h>

enum linux_wait_options : uint32_t {
	LINUX_WNOHANG = 1,
	LINUX_WUNTRACED = 2,
	LINUX_WSTOPPED = 2,
	LINUX_WEXITED = 4,
	LINUX_WCONTINUED = 8,
	LINUX_WNOWAIT = 0x01000000,
	LINUX_WNOTHREAD = 0x20000000,
	LINUX_WALL = 0x40000000,
	LINUX_WCLONE = 0x80000000,
};

enum linux_wait_type : uint32_t {
	LINUX_P_ALL = 0,
	LINUX_P_PID = 1,
	LINUX_P_PGID = 2,
	LINUX_P_PIDFD = 3,
};

constexpr uint32_t LINUX_STATUS_CONTINUED = 0xffff;
constexpr uint32_t LINUX_STATUS_CORE = 0x80;

static inline uint32_t linux_status_exited(uint32_t code)
{
	return (code & 0xff) << 8;
}

static inline uint32_t linux_status_stopped(uint32_t signal)
{
	return signal << 8 | 0x7f;
}

#endif
