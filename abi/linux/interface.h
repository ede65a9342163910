/* SPDX-License-Identifier: MIT */
/* The ioctls that ask for network interfaces, as on Linux. */
#ifndef ABI_LINUX_INTERFACE_H
#define ABI_LINUX_INTERFACE_H

#include <stdint.h>

enum linux_interface_ioctl : uint32_t {
	LINUX_SIOCGIFNAME = 0x8910,
	LINUX_SIOCGIFCONF = 0x8912,
	LINUX_SIOCGIFFLAGS = 0x8913,
	LINUX_SIOCSIFFLAGS = 0x8914,
	LINUX_SIOCGIFADDR = 0x8915,
	LINUX_SIOCGIFDSTADDR = 0x8917,
	LINUX_SIOCGIFBRDADDR = 0x8919,
	LINUX_SIOCGIFNETMASK = 0x891b,
	LINUX_SIOCGIFMETRIC = 0x891d,
	LINUX_SIOCGIFMTU = 0x8921,
	LINUX_SIOCGIFHWADDR = 0x8927,
	LINUX_SIOCGIFINDEX = 0x8933,
	LINUX_SIOCGIFTXQLEN = 0x8942,
	LINUX_SIOCGIFMAP = 0x8970,
};

struct linux_ifreq {
	char name[16];
	union {
		uint8_t address[16]; /* a sockaddr */
		int16_t flags;
		int32_t number;
		uint8_t bytes[24];
	};
};
static_assert(sizeof(struct linux_ifreq) == 40);

#endif
