/* SPDX-License-Identifier: MIT */
/* Loop devices, as on Linux: their ioctls. */
#ifndef ABI_LINUX_LOOP_H
#define ABI_LINUX_LOOP_H

#include <stdint.h>

enum linux_loop_ioctl : uint32_t {
	LINUX_LOOP_SET_FD = 0x4c00,
	LINUX_LOOP_CLR_FD = 0x4c01,
	LINUX_LOOP_SET_STATUS64 = 0x4c04,
	LINUX_LOOP_GET_STATUS64 = 0x4c05,
	LINUX_LOOP_SET_CAPACITY = 0x4c07,
	LINUX_LOOP_SET_DIRECT_IO = 0x4c08,
	LINUX_LOOP_SET_BLOCK_SIZE = 0x4c09,
	LINUX_LOOP_CONFIGURE = 0x4c0a,
	LINUX_LOOP_CTL_ADD = 0x4c80,
	LINUX_LOOP_CTL_REMOVE = 0x4c81,
	LINUX_LOOP_CTL_GET_FREE = 0x4c82,
};

enum linux_loop_flags : uint32_t {
	LINUX_LO_READ_ONLY = 1,
	LINUX_LO_AUTOCLEAR = 4,
	LINUX_LO_PARTSCAN = 8,
	LINUX_LO_DIRECT_IO = 16,
};

struct linux_loop_info {
	uint64_t device, inode, rdevice;
	uint64_t offset, size_limit;
	uint32_t number, encrypt_type, encrypt_key_size, flags;
	uint8_t file_name[64], crypt_name[64], encrypt_key[32];
	uint64_t init[2];
};
static_assert(sizeof(struct linux_loop_info) == 232);

struct linux_loop_config {
	uint32_t fd, block_size;
	struct linux_loop_info info;
	uint64_t reserved[8];
};
static_assert(sizeof(struct linux_loop_config) == 304);

#endif
