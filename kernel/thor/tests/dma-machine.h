/* SPDX-License-Identifier: MIT */
/* A machine with devices behind an IOMMU, and what its programs do with dma-spaces. */
#ifndef THOR_TESTS_DMA_MACHINE_H
#define THOR_TESTS_DMA_MACHINE_H

#include "machine.h"

#include <thor/arch/sim/iommu.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;
constexpr uint32_t READ_WRITE = HEL_DMA_READ | HEL_DMA_WRITE;

UNUSED static const struct hel_dma_device nic = { .bus = 1, .devfn = 8 };
UNUSED static const struct hel_dma_device disk = { .bus = 1, .devfn = 16 };

/* A case whose machine has an IOMMU. */
#define DMA_TEST(name_, flags_) DMA_TEST_ON(1, name_, flags_)

#define DMA_TEST_ON(n_cpus_, name_, flags_) \
	static void user_##name_(void); \
	static void user_main_##name_(UNUSED void *context) \
	{ \
		user_##name_(); \
	} \
	TEST(name_) \
	{ \
		machine_begin(n_cpus_, 1); \
		sim_iommu_plug(flags_); \
		CHECK(machine_run(user_main_##name_, NULL)); \
		CHECK(sim_iommu_is_sound()); \
		sim_iommu_unplug(); \
		CHECK(machine_end()); \
	} \
	static void user_##name_(void)

UNUSED static hel_handle allocate(uint64_t n_pages, uint64_t flags)
{
	hel_handle memory;

	return hel_memory_allocate(n_pages * PAGE, flags, &memory) == 0 ? memory : HEL_NULL;
}

UNUSED static int map(hel_handle space, hel_handle memory, uint64_t n_pages, uint32_t flags,
	uint64_t *out_address)
{
	struct hel_dma_map_args args = {
		.dma_space = space,
		.memory = memory,
		.size_bytes = n_pages * PAGE,
		.flags = flags,
	};

	return hel_dma_map(&args, out_address);
}

UNUSED static int memory_byte(hel_handle memory, uint64_t offset)
{
	uint8_t byte;

	return hel_memory_read(memory, offset, &byte, 1) == 0 ? byte : -1;
}

/* What a device reads, -1: it is refused. */
UNUSED static int device_read(const struct hel_dma_device *device, uint64_t address)
{
	uint8_t byte;

	return sim_device_access(device, address, HEL_DMA_READ, &byte) ? byte : -1;
}

UNUSED static bool device_write(const struct hel_dma_device *device, uint64_t address, uint8_t byte)
{
	return sim_device_access(device, address, HEL_DMA_WRITE, &byte);
}

UNUSED static struct hel_dma_space_info info_of(hel_handle space)
{
	struct hel_dma_space_info info = {};

	(void)hel_dma_space_info(space, &info);
	return info;
}

/* What calls are given has to be on the stack, or in mapped memory. */
UNUSED static int attach(
	hel_handle authority, hel_handle space, const struct hel_dma_device *device)
{
	struct hel_dma_device copy = *device;

	return hel_dma_space_attach(authority, space, &copy);
}

UNUSED static int detach(hel_handle space, const struct hel_dma_device *device)
{
	struct hel_dma_device copy = *device;

	return hel_dma_space_detach(machine_authority, space, &copy);
}

/* A dma-space with one device. */
UNUSED static hel_handle space_with(const struct hel_dma_device *device)
{
	hel_handle space;

	if (hel_dma_space_create(&space) != 0 || attach(machine_authority, space, device) != 0) {
		return HEL_NULL;
	}
	return space;
}

#endif
