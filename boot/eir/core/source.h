/* SPDX-License-Identifier: MIT */
/* What an entry has learnt from its boot protocol, and the checks that all of it goes through. */
#ifndef EIR_CORE_SOURCE_H
#define EIR_CORE_SOURCE_H

#include <abi/boot/boot-info.h>
#include <base/types.h>

/* The root pointer of ACPI, in all its versions. */
#define BOOT_RSDP_SIZE 36

/*
 * Memory entries may overlap, touch and be in any order; types are those of boot-info, only FREE,
 * RECLAIM, ACPI and RESERVED. What is free and something else is not free. Everything that eir
 * reads must lie below 4 GiB, or in eir itself.
 */
struct boot_source {
	struct boot_memory memory[BOOT_MEMORY_MAX];
	uint32_t n_memory;
	const char *command_line; /* terminated, or NULL */
	uint64_t initrd_phys, initrd_size;
	uint64_t rsdp_phys; /* where it is and can stay, or 0 */
	/* else the table itself, without believing it */
	uint8_t rsdp[BOOT_RSDP_SIZE];
	uint32_t rsdp_size;
	uint64_t tsc_at_entry;
	struct boot_framebuffer framebuffer;
};

/**
 * boot_source_add() - one more range of memory
 *
 * An empty range is passed over, one that continues the last one becomes part of it, and what lies
 * beyond the addresses that thor can have in its direct map is cut off.
 *
 * Return: false: there is no room
 */
MUST_USE bool boot_source_add(
	struct boot_source *source, uint64_t address, uint64_t size, uint32_t type);

/**
 * boot_source_check() - whether what the loader says about itself can be
 *
 * A framebuffer that cannot be is forgotten.
 *
 * Return: NULL, or what is wrong
 */
MUST_USE const char *boot_source_check(struct boot_source *source);

#endif
