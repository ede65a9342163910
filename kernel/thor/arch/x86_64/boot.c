/* SPDX-License-Identifier: MIT */
/* The boot CPU, before and after there is memory. */
#include <abi/boot/boot-info.h>
#include <base/assert.h>
#include <base/string.h>
#include <thor/init/init.h>
#include <thor/panic.h>

#include "kasan.h"
#include "machine.h"
#include "registers.h"

#define EARLY_STACK_SIZE 8192

uint64_t arch__direct_map_base;
uint64_t arch__image_base, arch__image_end, arch__image_phys;

extern uint8_t arch__boot_stack_top[];
extern const int32_t arch__smap_sites_start[], arch__smap_sites_end[];

static struct cpu boot_cpu;
/* Until there is memory for proper ones, NMI, double fault and machine check share this. */
static ALIGNED(16) uint8_t boot_special_stack[EARLY_STACK_SIZE];

/* Without SMAP, stac and clac are invalid: make them no-ops, through the writable direct map. */
static void boot_patch_smap(void)
{
	static const uint8_t no_op[3] = { 0x0f, 0x1f, 0x00 };

	for (const int32_t *site = arch__smap_sites_start; site < arch__smap_sites_end; site++) {
		const void *place = (const void *)((uint64_t)site + (uint64_t)(int64_t)*site);

		memcpy(arch_phys_to_virt(arch_virt_to_phys(place)), no_op, sizeof(no_op));
	}
}

static void boot_start_cpu(const struct boot_info *boot)
{
	uint64_t special_top = (uint64_t)boot_special_stack + EARLY_STACK_SIZE;
	uint64_t ist_tops[IST_STACKS] = { special_top, special_top, special_top, special_top };

	arch__direct_map_base = boot->direct_map_base;
	arch__image_base = boot->kernel_base;
	arch__image_end = boot->kernel_base + boot->kernel_size;
	arch__image_phys = boot->kernel_phys;
	serial_init();
	features_detect();
	if (!features.has_smap) {
		boot_patch_smap();
	}
	idt_init();
	boot_cpu.arch.cr3 = boot->page_table_phys;
	cpu_set_stacks(&boot_cpu, (uint64_t)arch__boot_stack_top, ist_tops);
	cpu_load_tables(&boot_cpu);
	features_enable();
	boot_cpu.is_online = true;
	cpu_table[0] = &boot_cpu;
	cpu_count = 1;
	panic_set_slide(boot->kernel_slide);
}
INIT_TASK(boot_cpu, "boot-cpu", .run = boot_start_cpu);

static void boot_map_kernel(const struct boot_info *boot)
{
	kasan_init(boot);
	kernel_map_init(boot);
	if (kernel_map_stacks(&boot_cpu) != 0) {
		panic("no memory for the stacks of the boot CPU");
	}
}
INIT_TASK(kernel_map, "kernel-map", .run = boot_map_kernel, .needs = { "memory" });

bool arch_random_seed(uint64_t *out_seed)
{
	for (unsigned tries = 0; tries < 16 && features.has_rdrand; tries++) {
		uint64_t value;
		bool is_valid;

		__asm__ volatile("rdrand %0" : "=r"(value), "=@ccc"(is_valid));
		if (is_valid) {
			*out_seed = value;
			return true;
		}
	}
	return false;
}
