/* SPDX-License-Identifier: MIT */
/* Where eir is in memory, as an ELF file. */
#include <eir/core/arch.h>
#include <eir/core/memory-map.h>

extern uint8_t eir_image_start[], eir_image_end[];

void arch_image_range(uint64_t *out_start, uint64_t *out_end)
{
	*out_start = align_down((uint64_t)eir_image_start, MEMORY_PAGE_SIZE);
	*out_end = align_up((uint64_t)eir_image_end, MEMORY_PAGE_SIZE);
}
