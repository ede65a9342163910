/* SPDX-License-Identifier: MIT */
/* The common path of eir: from what a boot protocol says to thor's entry. */
#ifndef EIR_CORE_BOOT_H
#define EIR_CORE_BOOT_H

#include <abi/boot/boot-info.h>
#include <base/types.h>

/*
 * What an adapter in entry/ has learnt.  Memory entries may overlap, touch and be in any order;
 * types are those of boot-info (only FREE, ACPI and RESERVED).  Everything must lie below 4 GiB,
 * where eir can read it.
 */
struct boot_source {
	struct boot_memory memory[BOOT_MEMORY_MAX];
	uint32_t n_memory;
	const char *command_line; /* terminated, or NULL */
	uint64_t initrd_phys, initrd_size;
	uint64_t rsdp_phys;
	uint64_t tsc_at_entry;
	struct boot_framebuffer framebuffer;
};

/** boot_run() - load thor as @source says and enter it */
NORETURN void boot_run(const struct boot_source *source);

/** boot_fail() - print one line and stop the machine */
NORETURN void boot_fail(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
