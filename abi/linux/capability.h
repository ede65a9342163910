/* SPDX-License-Identifier: MIT */
/* Capabilities, as on Linux: capabilities(7). */
#ifndef ABI_LINUX_CAPABILITY_H
#define ABI_LINUX_CAPABILITY_H

#include <stdint.h>

enum linux_capability : uint32_t {
	LINUX_CAP_CHOWN = 0,
	LINUX_CAP_DAC_OVERRIDE = 1,
	LINUX_CAP_DAC_READ_SEARCH = 2,
	LINUX_CAP_FOWNER = 3,
	LINUX_CAP_FSETID = 4,
	LINUX_CAP_KILL = 5,
	LINUX_CAP_SETGID = 6,
	LINUX_CAP_SETUID = 7,
	LINUX_CAP_SETPCAP = 8,
	LINUX_CAP_LINUX_IMMUTABLE = 9,
	LINUX_CAP_NET_BIND_SERVICE = 10,
	LINUX_CAP_NET_BROADCAST = 11,
	LINUX_CAP_NET_ADMIN = 12,
	LINUX_CAP_NET_RAW = 13,
	LINUX_CAP_IPC_LOCK = 14,
	LINUX_CAP_IPC_OWNER = 15,
	LINUX_CAP_SYS_MODULE = 16,
	LINUX_CAP_SYS_RAWIO = 17,
	LINUX_CAP_SYS_CHROOT = 18,
	LINUX_CAP_SYS_PTRACE = 19,
	LINUX_CAP_SYS_PACCT = 20,
	LINUX_CAP_SYS_ADMIN = 21,
	LINUX_CAP_SYS_BOOT = 22,
	LINUX_CAP_SYS_NICE = 23,
	LINUX_CAP_SYS_RESOURCE = 24,
	LINUX_CAP_SYS_TIME = 25,
	LINUX_CAP_SYS_TTY_CONFIG = 26,
	LINUX_CAP_MKNOD = 27,
	LINUX_CAP_LEASE = 28,
	LINUX_CAP_AUDIT_WRITE = 29,
	LINUX_CAP_AUDIT_CONTROL = 30,
	LINUX_CAP_SETFCAP = 31,
	LINUX_CAP_MAC_OVERRIDE = 32,
	LINUX_CAP_MAC_ADMIN = 33,
	LINUX_CAP_SYSLOG = 34,
	LINUX_CAP_WAKE_ALARM = 35,
	LINUX_CAP_BLOCK_SUSPEND = 36,
	LINUX_CAP_AUDIT_READ = 37,
	LINUX_CAP_PERFMON = 38,
	LINUX_CAP_BPF = 39,
	LINUX_CAP_CHECKPOINT_RESTORE = 40,
};

constexpr uint32_t LINUX_CAP_LAST = LINUX_CAP_CHECKPOINT_RESTORE;
constexpr uint64_t LINUX_CAPS_ALL = (UINT64_C(2) << LINUX_CAP_LAST) - 1;

/* capget(), capset(): the versions of struct __user_cap_header_struct, and how many data follow. */
constexpr uint32_t LINUX_CAPABILITY_VERSION_1 = 0x19980330; /* one */
constexpr uint32_t LINUX_CAPABILITY_VERSION_2 = 0x20071026; /* two, as with 3 */
constexpr uint32_t LINUX_CAPABILITY_VERSION_3 = 0x20080522;

struct linux_cap_header {
	uint32_t version;
	int32_t pid;
};

struct linux_cap_data { /* 32 capabilities each */
	uint32_t effective, permitted, inheritable;
};

enum linux_securebits : uint32_t { /* the bit above each one locks it */
	LINUX_SECBIT_NOROOT = 1,
	LINUX_SECBIT_NO_SETUID_FIXUP = 4,
	LINUX_SECBIT_KEEP_CAPS = 16,
	LINUX_SECBIT_KEEP_CAPS_LOCKED = 32,
	LINUX_SECBIT_NO_CAP_AMBIENT_RAISE = 64,
};

constexpr uint32_t LINUX_SECUREBITS_ALL = 0xff;
constexpr uint32_t LINUX_SECUREBITS_LOCKS = 0xaa;

/* The extended attribute security.capability. */
constexpr uint32_t LINUX_VFS_CAP_REVISION_MASK = 0xff000000;
constexpr uint32_t LINUX_VFS_CAP_REVISION_1 = 0x01000000;
constexpr uint32_t LINUX_VFS_CAP_REVISION_2 = 0x02000000;
constexpr uint32_t LINUX_VFS_CAP_REVISION_3 = 0x03000000;
constexpr uint32_t LINUX_VFS_CAP_EFFECTIVE = 1;

struct linux_vfs_cap_data {
	uint32_t magic;
	struct {
		uint32_t permitted, inheritable;
	} data[2]; /* revision 1: one */
	uint32_t root_id; /* revision 3 only */
};

#endif
