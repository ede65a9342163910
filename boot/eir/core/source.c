/* SPDX-License-Identifier: MIT */
/* Firmware's and loader's tables are data: here is what is not believed. */
#include "source.h"

#include <eir/core/arch.h>

/* Half of what the direct map can have, so that there is a choice of where it begins. */
#define SOURCE_ADDRESS_MAX   ((ARCH_DIRECT_MAP_END - ARCH_DIRECT_MAP_BASE) / 2)
#define FRAMEBUFFER_SIDE_MAX 16384u

bool boot_source_add(struct boot_source *source, uint64_t address, uint64_t size, uint32_t type)
{
	struct boot_memory *last =
		source->n_memory > 0 ? &source->memory[source->n_memory - 1] : NULL;

	if (address >= SOURCE_ADDRESS_MAX || size == 0) {
		return true;
	}
	size = min_u64(size, SOURCE_ADDRESS_MAX - address);
	if (last != NULL && last->type == type && last->address + last->size_bytes == address) {
		last->size_bytes += size;
		return true;
	}
	if (source->n_memory == BOOT_MEMORY_MAX) {
		return false;
	}
	source->memory[source->n_memory++] = (struct boot_memory){
		.address = address,
		.size_bytes = size,
		.type = type,
	};
	return true;
}

static bool source_has_framebuffer(const struct boot_framebuffer *framebuffer)
{
	uint64_t line = (uint64_t)framebuffer->width * framebuffer->bits_per_pixel / 8;
	uint64_t size = (uint64_t)framebuffer->pitch * framebuffer->height;

	return framebuffer->bits_per_pixel == 32 && framebuffer->width > 0 &&
		framebuffer->height > 0 && framebuffer->width <= FRAMEBUFFER_SIDE_MAX &&
		framebuffer->height <= FRAMEBUFFER_SIDE_MAX && framebuffer->pitch >= line &&
		framebuffer->pitch <= 2 * 4 * FRAMEBUFFER_SIDE_MAX &&
		framebuffer->pitch % sizeof(uint32_t) == 0 && framebuffer->address_phys != 0 &&
		framebuffer->address_phys % sizeof(uint32_t) == 0 &&
		framebuffer->address_phys <= SOURCE_ADDRESS_MAX - size;
}

const char *boot_source_check(struct boot_source *source)
{
	if (source->n_memory == 0) {
		return "the loader gave no memory map";
	}
	if (source->initrd_size == 0) {
		return "the loader gave no initrd";
	}
	if (source->initrd_phys > GIB(4) || source->initrd_size > GIB(4) - source->initrd_phys) {
		return "the initrd lies above 4 GiB";
	}
	if (!source_has_framebuffer(&source->framebuffer)) {
		source->framebuffer = (struct boot_framebuffer){ 0 };
	}
	return NULL;
}
