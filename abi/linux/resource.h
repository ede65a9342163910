/* SPDX-License-Identifier: MIT */
/* Limits and usage, as on Linux. */
#ifndef ABI_LINUX_RESOURCE_H
#define ABI_LINUX_RESOURCE_H

#include <abi/linux/stat.h>

constexpr uint64_t LINUX_RLIM_INFINITY = ~(uint64_t)0;

struct linux_rlimit64 {
	uint64_t current, maximum;
};

enum linux_rusage_who : int {
	LINUX_RUSAGE_SELF = 0,
	LINUX_RUSAGE_CHILDREN = -1,
	LINUX_RUSAGE_THREAD = 1,
};

struct linux_rusage {
	struct linux_timeval user, system;
	int64_t max_resident_kib, shared, data, stack;
	int64_t minor_faults, major_faults, swaps;
	int64_t blocks_in, blocks_out, messages_sent, messages_received, signals;
	int64_t voluntary_switches, involuntary_switches;
};
static_assert(sizeof(struct linux_rusage) == 144);

struct linux_sysinfo {
	int64_t uptime;
	uint64_t loads[3]; /* 16.16 fixed point */
	uint64_t total_ram, free_ram, shared_ram, buffer_ram, total_swap, free_swap;
	uint16_t n_processes, padding;
	uint32_t padding2;
	uint64_t total_high, free_high;
	uint32_t unit, padding3;
};
static_assert(sizeof(struct linux_sysinfo) == 112);

struct linux_utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
static_assert(sizeof(struct linux_utsname) == 390);

enum linux_reboot : uint32_t {
	LINUX_REBOOT_MAGIC1 = 0xfee1dead,
	LINUX_REBOOT_MAGIC2 = 672274793,
	LINUX_REBOOT_MAGIC2A = 85072278,
	LINUX_REBOOT_MAGIC2B = 369367448,
	LINUX_REBOOT_MAGIC2C = 537993216,
	LINUX_REBOOT_RESTART = 0x01234567,
	LINUX_REBOOT_HALT = 0xcdef0123,
	LINUX_REBOOT_CAD_ON = 0x89abcdef,
	LINUX_REBOOT_CAD_OFF = 0,
	LINUX_REBOOT_POWER_OFF = 0x4321fedc,
	LINUX_REBOOT_RESTART2 = 0xa1b2c3d4,
};

#endif
