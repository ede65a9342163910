/* SPDX-License-Identifier: MIT */
/* seccomp, as on Linux: operations, flags, what filters look at and what they say. */
#ifndef ABI_LINUX_SECCOMP_H
#define ABI_LINUX_SECCOMP_H

#include <stdint.h>

enum linux_seccomp_mode : uint32_t {
	LINUX_SECCOMP_MODE_DISABLED = 0,
	LINUX_SECCOMP_MODE_STRICT = 1,
	LINUX_SECCOMP_MODE_FILTER = 2,
};

enum linux_seccomp_operation : uint32_t {
	LINUX_SECCOMP_SET_MODE_STRICT = 0,
	LINUX_SECCOMP_SET_MODE_FILTER = 1,
	LINUX_SECCOMP_GET_ACTION_AVAIL = 2,
	LINUX_SECCOMP_GET_NOTIF_SIZES = 3,
};

enum linux_seccomp_flag : uint32_t {
	LINUX_SECCOMP_FLAG_TSYNC = 1,
	LINUX_SECCOMP_FLAG_LOG = 2,
	LINUX_SECCOMP_FLAG_SPEC_ALLOW = 4,
	LINUX_SECCOMP_FLAG_NEW_LISTENER = 8,
	LINUX_SECCOMP_FLAG_TSYNC_ESRCH = 16,
	LINUX_SECCOMP_FLAG_WAIT_KILLABLE_RECV = 32,
};

/* What a filter says; the lower the stronger, as a signed number. */
enum linux_seccomp_action : uint32_t {
	LINUX_SECCOMP_RET_KILL_PROCESS = 0x80000000,
	LINUX_SECCOMP_RET_KILL_THREAD = 0,
	LINUX_SECCOMP_RET_TRAP = 0x00030000,
	LINUX_SECCOMP_RET_ERRNO = 0x00050000,
	LINUX_SECCOMP_RET_USER_NOTIF = 0x7fc00000,
	LINUX_SECCOMP_RET_TRACE = 0x7ff00000,
	LINUX_SECCOMP_RET_LOG = 0x7ffc0000,
	LINUX_SECCOMP_RET_ALLOW = 0x7fff0000,
	LINUX_SECCOMP_RET_ACTION = 0xffff0000,
	LINUX_SECCOMP_RET_DATA = 0x0000ffff,
};

struct linux_seccomp_data {
	int32_t number;
	uint32_t arch;
	uint64_t instruction_pointer;
	uint64_t arguments[6];
};
static_assert(sizeof(struct linux_seccomp_data) == 64);

/* struct sock_filter: an instruction of a classic BPF program */
struct linux_bpf {
	uint16_t code;
	uint8_t jump_true, jump_false;
	uint32_t k;
};
static_assert(sizeof(struct linux_bpf) == 8);

/* struct sock_fprog */
struct linux_bpf_program {
	uint16_t n_instructions;
	uint16_t padding[3];
	uint64_t address;
};

constexpr uint32_t LINUX_BPF_INSTRUCTIONS_MAX = 4096;
constexpr uint32_t LINUX_BPF_WORDS = 16; /* of scratch memory */

/* User notification: what a listener receives, and what it answers. */
struct linux_seccomp_notification {
	uint64_t id;
	uint32_t pid, flags;
	struct linux_seccomp_data data;
};
static_assert(sizeof(struct linux_seccomp_notification) == 80);

constexpr uint32_t LINUX_SECCOMP_RESPONSE_CONTINUE = 1;

struct linux_seccomp_response {
	uint64_t id;
	int64_t value;
	int32_t error;
	uint32_t flags;
};
static_assert(sizeof(struct linux_seccomp_response) == 24);

/* of the structures of user notification */
struct linux_seccomp_sizes {
	uint16_t notification, response, data;
};

#endif
