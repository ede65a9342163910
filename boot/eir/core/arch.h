/* SPDX-License-Identifier: MIT */
/*
 * What eir's common path needs from an architecture; eir runs identity-mapped over the low 4 GiB
 * and what it occupies itself.
 */
#ifndef EIR_CORE_ARCH_H
#define EIR_CORE_ARCH_H

#include <abi/boot/boot-info.h>
#include <base/types.h>

struct memory_map;

/* Where thor's image may be linked and moved to. */
#define ARCH_KERNEL_BASE       0xffffffff80000000u
#define ARCH_KERNEL_END        0xffffffffc0000000u
#define ARCH_KERNEL_SLIDE_UNIT MIB(2)
#define ARCH_DIRECT_MAP_BASE   0xffff800000000000u
#define ARCH_DIRECT_MAP_END    0xffffc00000000000u
#define ARCH_DIRECT_MAP_UNIT   GIB(1)

enum arch_map_flags : uint32_t {
	ARCH_MAP_WRITE = 1,
	ARCH_MAP_EXECUTE = 2,
};

void arch_console_write(const char *text, size_t size);

/** arch_stop() - leave the emulator with the code of a panic, or halt */
NORETURN void arch_stop(void);

/**
 * arch_random() - 64 bits from the processor's generator if it has one, mixed with the cycle
 * counter
 */
uint64_t arch_random(void);

/** arch_image_range() - the physical memory that eir itself occupies */
void arch_image_range(uint64_t *out_start, uint64_t *out_end);

/** arch_reserve() - mark what the architecture must have at fixed addresses */
void arch_reserve(struct memory_map *map);

/** arch_tables_create() - an empty set of page tables for thor; returns its root */
uint64_t arch_tables_create(struct memory_map *map);

/** arch_tables_map() - map a range with the largest pages that fit; tables come out of @map */
void arch_tables_map(struct memory_map *map, uint64_t root, uint64_t virt, uint64_t phys,
	uint64_t size, uint32_t flags);

/** arch_relocate() - apply one relocation; false: a type that is not known */
bool arch_relocate(void *place, uint32_t type, uint64_t base_and_addend);

/** arch_enter() - make @root's upper half visible and jump to thor */
NORETURN void arch_enter(
	uint64_t root, uint64_t entry, uint64_t boot_info, uint64_t direct_map_base);

#endif
