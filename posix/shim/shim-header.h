/* SPDX-License-Identifier: MIT */
/*
 * The start of the shim image: what posix must know to register the bounce. All offsets are from
 * the start of the image (link address 0), so the image can be mapped anywhere; posix maps it at
 * POSIX_SHIM_IMAGE.
 */
#ifndef POSIX_SHIM_HEADER_H
#define POSIX_SHIM_HEADER_H

#include <stdint.h>

constexpr uint64_t SHIM_HEADER_MAGIC = 0x4d49485349544148; /* "HATISHIM" */
constexpr uint32_t SHIM_HEADER_VERSION = 1;

struct shim_header {
	uint64_t magic;
	uint32_t version;
	uint32_t size;  /* of this structure */
	uint64_t image_size; /* [0, image_size): the shim range of the bounce */
	uint64_t entry_syscall, entry_kick, entry_fault, entry_shim_fault;
	uint64_t entry_child; /* where every thread starts; rdi = its thread page */
	uint64_t fault_low, fault_high;
	struct {
		uint64_t low, high, restart;
	} critical[4];
	uint64_t vdso;  /* offset of the vDSO's ELF header, 0: none */
};

#endif
