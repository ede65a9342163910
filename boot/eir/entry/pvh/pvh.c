/* SPDX-License-Identifier: MIT */
/*
 * The PVH boot protocol (QEMU -kernel with an ELF file, Firecracker and others).
 *
 * The entry gets the address of struct hvm_start_info; addresses in it are physical.  Version 1
 * adds the memory map, without which we do not start.
 */
#include <base/string.h>
#include <eir/arch/x86_64/machine.h>
#include <eir/core/boot.h>

#define PVH_MAGIC 0x336ec578u

struct pvh_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t n_modules;
	uint64_t modules_phys;
	uint64_t command_line_phys;
	uint64_t rsdp_phys;
	uint64_t memory_phys;
	uint32_t n_memory;
	uint32_t reserved;
};

struct pvh_module {
	uint64_t phys;
	uint64_t size;
	uint64_t command_line_phys;
	uint64_t reserved;
};

struct pvh_memory {
	uint64_t address;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

enum pvh_memory_type { PVH_MEMORY_RAM = 1, PVH_MEMORY_ACPI = 3 };

void pvh_main(const struct pvh_start_info *info);

static struct boot_source pvh_source;

static void pvh_read_memory(const struct pvh_start_info *info)
{
	const struct pvh_memory *memory = (const struct pvh_memory *)info->memory_phys;

	for (uint32_t i = 0; i < info->n_memory; i++) {
		uint32_t type = BOOT_MEMORY_RESERVED;

		if (memory[i].type == PVH_MEMORY_RAM) {
			type = BOOT_MEMORY_FREE;
		} else if (memory[i].type == PVH_MEMORY_ACPI) {
			type = BOOT_MEMORY_ACPI;
		}
		if (!boot_source_add(&pvh_source, memory[i].address, memory[i].size, type)) {
			boot_fail("the memory map has more than %u entries", BOOT_MEMORY_MAX);
		}
	}
}

/* Called from start.S in long mode. */
void pvh_main(const struct pvh_start_info *info)
{
	pvh_source.tsc_at_entry = machine_tsc();
	if (info->magic != PVH_MAGIC || info->version < 1 || info->memory_phys == 0) {
		boot_fail("the loader gave no PVH start information with a memory map");
	}
	pvh_read_memory(info);
	pvh_source.command_line = (const char *)info->command_line_phys;
	pvh_source.rsdp_phys = info->rsdp_phys;
	if (info->n_modules > 0) {
		const struct pvh_module *module = (const struct pvh_module *)info->modules_phys;

		pvh_source.initrd_phys = module->phys;
		pvh_source.initrd_size = module->size;
	}
	boot_run(&pvh_source);
}
