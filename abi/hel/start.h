/* SPDX-License-Identifier: MIT */
/*
 * The start page: what a native program gets from whoever started it (thor for svrctl, svrctl for
 * all others). CONTRACT.
 *
 * A thread of a new program starts with rdi = address of struct hel_start (mapped read-only or
 * read-write in its own space, not shared with anybody), rsp = 16-byte aligned top of its stack
 * with the return address slot already pushed (rsp % 16 == 8, as after a call), all other registers
 * zero. Everything that the structure points to lies in [start, start + size_bytes).
 *
 * Handles are named, so that a manifest, the starter and the program agree without numbers. The
 * names thor itself gives to svrctl are listed below; other starters add their own ("mbus",
 * "bootstrap", "device", ...). A handle whose type is memory and that is mapped already has its
 * address in `address`.
 */
#ifndef ABI_HEL_START_H
#define ABI_HEL_START_H

#include <abi/hel/types.h>

constexpr uint64_t HEL_START_MAGIC = 0x5452415453454821; /* "!HESTART" */
constexpr uint32_t HEL_START_VERSION = 1;
constexpr uint32_t HEL_START_NAME_MAX = 24;
constexpr uint32_t HEL_START_HANDLES_MAX = 64;

struct hel_start_handle {
	char name[HEL_START_NAME_MAX]; /* terminated */
	hel_handle handle;
	uint64_t value;   /* memory: its size in bytes that mean something; else 0 */
};

struct hel_start {
	uint64_t magic;
	uint32_t version;
	/* of the whole start area: this, the handles, the strings */
	uint32_t size_bytes;
	uint64_t command_line;  /* user address of the kernel's command line, terminated */
	/* user address of argc + 1 pointers, the last NULL; 0 if argc is 0 */
	uint64_t argv;
	uint64_t envp;   /* likewise, envc + 1 */
	uint32_t argc, envc;
	uint32_t n_cpus;
	uint32_t n_handles;
	uint64_t rsdp_phys;  /* ACPI, 0: none; only for those who hold "authority" */
	uint64_t reserved[4];
	struct hel_start_handle handles[];
};

/*
 * Handles that svrctl gets:
 *   "authority"    HEL_TYPE_AUTHORITY, all rights
 *   "initrd"       memory, physical, read and map; value = size of the archive
 *   "boot-info"    memory, one or more pages, read and map; struct boot_info, value = its size
 */

#endif
