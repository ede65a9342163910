/* SPDX-License-Identifier: MIT */
/*
 * thor's image: found in the initrd, placed in one physical run, moved and relocated.
 *
 * thor is a static position-independent ELF file linked at ARCH_KERNEL_BASE, with RELA and RELR
 * relocations of the relative kind only.
 */
#ifndef EIR_CORE_IMAGE_H
#define EIR_CORE_IMAGE_H

#include <base/types.h>
#include <elf/elf-read.h>

#include <eir/core/memory-map.h>

struct image {
	struct elf_info elf;
	uint64_t phys;
	uint64_t size; /* in memory, whole pages */
	uint64_t slide;
};

/** image_load() - load thor out of @initrd; @seed chooses where it runs, 0: where it was linked */
void image_load(struct image *out_image, struct memory_map *map, const void *initrd,
	size_t initrd_size, uint64_t seed);

/** image_map() - map each segment of @image with its own permissions */
void image_map(const struct image *image, struct memory_map *map, uint64_t root);

#endif
