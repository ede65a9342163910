/* SPDX-License-Identifier: MIT */
/* Where eir is in memory, as a UEFI application: its header says how large it is. */
#include <base/string.h>
#include <eir/core/arch.h>
#include <eir/core/memory-map.h>

#define DOS_PE_OFFSET 0x3c /* in the file: where the PE signature is */
#define PE_IMAGE_SIZE 0x50 /* from there on */

extern const uint8_t __ImageBase[];

void arch_image_range(uint64_t *out_start, uint64_t *out_end)
{
	uint32_t pe_offset, size;

	memcpy(&pe_offset, &__ImageBase[DOS_PE_OFFSET], sizeof(pe_offset));
	memcpy(&size, &__ImageBase[pe_offset + PE_IMAGE_SIZE], sizeof(size));
	*out_start = align_down((uint64_t)__ImageBase, MEMORY_PAGE_SIZE);
	*out_end = align_up((uint64_t)__ImageBase + size, MEMORY_PAGE_SIZE);
}
