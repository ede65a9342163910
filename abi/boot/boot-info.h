/* SPDX-License-Identifier: MIT */
/*
 * What eir hands to thor: one versioned structure, in memory that the direct map covers.  CONTRACT.
 *
 * thor's entry is called in 64-bit mode on the final page tables with the *virtual* (direct map)
 * address of this structure in rdi, interrupts off, on a stack of at least 16 KiB that eir
 * provides; the other CPUs are still halted. Page tables at entry: direct map of all RAM (and at
 * least the low 4 GiB) at direct_map_base with 1 GiB or 2 MiB pages, NX, writable, global; thor's
 * image at kernel_base with its segments' own permissions (W^X); nothing else. All page tables come
 * from BOOT_MEMORY_KERNEL ranges. Memory map entries are sorted, disjoint, page-aligned, and say
 * what eir itself used.
 */
#ifndef ABI_BOOT_BOOT_INFO_H
#define ABI_BOOT_BOOT_INFO_H

#include <stdint.h>

constexpr uint64_t BOOT_INFO_MAGIC = 0x4f464e4954414821; /* "!HATINFO" */
constexpr uint32_t BOOT_INFO_VERSION = 1;
constexpr uint32_t BOOT_MEMORY_MAX = 128;
constexpr uint32_t BOOT_COMMAND_LINE_MAX = 2048;

enum boot_memory_type : uint32_t {
	BOOT_MEMORY_FREE = 1,
	/* thor's image, first page tables, boot-info: never freed */
	BOOT_MEMORY_KERNEL = 2,
	/* eir's own: free once thor has left eir's stack and tables */
	BOOT_MEMORY_RECLAIM = 3,
	BOOT_MEMORY_INITRD = 4,
	BOOT_MEMORY_ACPI = 5,
	BOOT_MEMORY_RESERVED = 6,
};

struct boot_memory {
	uint64_t address;
	uint64_t size_bytes;
	uint32_t type;
	uint32_t reserved;
};

struct boot_framebuffer {
	uint64_t address_phys;
	uint32_t width, height, pitch, bits_per_pixel; /* all 0: none */
};

struct boot_info {
	uint64_t magic;
	uint32_t version;
	uint32_t size_bytes;
	uint64_t direct_map_base; /* 0xffff800000000000, or randomised */
	uint64_t kernel_base;  /* virtual address of thor's first segment */
	uint64_t kernel_phys;  /* its physical address (the image is one physical run) */
	uint64_t kernel_size;
	uint64_t kernel_slide;  /* kernel_base - link address */
	uint64_t page_table_phys; /* root */
	uint64_t rsdp_phys;  /* 0: none */
	uint64_t initrd_phys, initrd_size;
	uint64_t random_seed[4]; /* from RDRAND/TSC; zero with `nokaslr` */
	uint64_t tsc_at_entry;  /* TSC when eir started */
	struct boot_framebuffer framebuffer;
	uint32_t n_memory;
	uint32_t reserved;
	struct boot_memory memory[BOOT_MEMORY_MAX];
	char command_line[BOOT_COMMAND_LINE_MAX];
};

#endif
