/* SPDX-License-Identifier: MIT */
/* Scattered mappings: pages that a device reaches for one transfer, wherever they are. */
#include "dma-machine.h"

static struct hel_dma_map_args args_of(hel_handle space, hel_handle memory, uint64_t n_pages)
{
	return (struct hel_dma_map_args){
		.dma_space = space,
		.memory = memory,
		.size_bytes = n_pages * PAGE,
		.flags = READ_WRITE,
	};
}

/* Two pages that are no neighbours. */
static hel_handle allocate_apart(void)
{
	hel_handle memory = allocate(2, 0), between;
	uint8_t byte = 11;

	CHECK_OK(hel_memory_write(memory, PAGE, &byte, 1));
	between = allocate(1, HEL_ALLOCATE_CONTIGUOUS);
	byte = 10;
	CHECK_OK(hel_memory_write(memory, 0, &byte, 1));
	CHECK_OK(hel_close(HEL_THIS, between));
	return memory;
}

static void check_apart(hel_handle space)
{
	hel_handle memory = allocate_apart();
	struct hel_dma_map_args args = args_of(space, memory, 2);
	uint64_t pages[2], token, other_pages[2], other;

	CHECK_OK(hel_dma_map_pages(&args, pages, 2, &token));
	CHECK_EQ(device_read(&nic, pages[0]), 10);
	CHECK_EQ(device_read(&nic, pages[1]), 11);
	CHECK(device_write(&nic, pages[1] + 5, 7));
	CHECK_EQ(memory_byte(memory, PAGE + 5), 7);
	/* another one of the same pages is one of its own */
	CHECK_OK(hel_dma_map_pages(&args, other_pages, 2, &other));
	CHECK(other != token);
	CHECK_EQ(info_of(space).mapped_bytes, 4 * PAGE);
	CHECK_OK(hel_dma_unmap(space, token, 2 * PAGE));
	CHECK_EQ(hel_dma_unmap(space, token, 2 * PAGE), -ERR_NOT_FOUND);
	CHECK_EQ(device_read(&nic, other_pages[0]), 10);
	CHECK_OK(hel_dma_unmap(space, other, 2 * PAGE));
	CHECK_EQ(info_of(space).mapped_bytes, 0);
	CHECK_EQ(info_of(space).n_mappings, 0);
}

DMA_TEST(dma_pages_with_iommu, 0)
{
	check_apart(space_with(&nic));
}

/* What is told to a device that the IOMMU does not see is where the pages are. */
DMA_TEST(dma_pages_past_the_iommu, 0)
{
	hel_handle space = space_with(&nic), memory = allocate_apart();
	struct hel_dma_map_args args = args_of(space, memory, 2);
	uint64_t pages[2], token, phys, address;

	args.flags |= HEL_DMA_PHYSICAL;
	CHECK_OK(hel_dma_map_pages(&args, pages, 2, &token));
	CHECK_OK(hel_memory_pin(memory, PAGE, PAGE, &phys));
	CHECK_EQ(pages[1], phys);
	CHECK_EQ(device_read(&nic, pages[1]), -1);
	CHECK_OK(hel_dma_unmap(space, token, 2 * PAGE));
	CHECK_EQ(info_of(space).n_mappings, 0);
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_ILLEGAL_ARGS);
}

USER_TEST(dma_pages_without_iommu)
{
	hel_handle space, memory = allocate_apart();
	struct hel_dma_map_args args;
	uint64_t pages[2], token, phys;

	CHECK_OK(hel_dma_space_create(&space));
	check_apart(space);
	/* they are where they are, and the device has to reach both */
	args = args_of(space, memory, 2);
	CHECK_OK(hel_dma_map_pages(&args, pages, 2, &token));
	CHECK(pages[1] != pages[0] + PAGE);
	CHECK_OK(hel_memory_pin(memory, PAGE, PAGE, &phys));
	CHECK_EQ(pages[1], phys);
	args.limit = max_u64(pages[0], pages[1]);
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_NO_SPACE);
	args.limit += PAGE;
	CHECK_OK(hel_dma_map_pages(&args, pages, 2, &token));
	CHECK_EQ(info_of(space).n_mappings, 2);
	CHECK_OK(hel_close(HEL_THIS, space));
	CHECK_EQ(memory_byte(memory, 0), 10);
}

/* A device fills pages of the page cache; what it was told stays its own until the end. */
static void check_backing(hel_handle space)
{
	struct hel_managed_handles handles;
	uint64_t pages[2], token;

	CHECK_OK(hel_memory_create_managed(4 * PAGE, 0, &handles));
	struct hel_dma_map_args args = args_of(space, handles.backing, 2);

	args.offset = PAGE;
	CHECK_OK(hel_dma_map_pages(&args, pages, 2, &token));
	CHECK_EQ(device_read(&nic, pages[0]), 0);
	CHECK(device_write(&nic, pages[0], 31));
	CHECK(device_write(&nic, pages[1], 32));
	CHECK_OK(hel_memory_update(handles.backing, HEL_UPDATE_INITIALISED, PAGE, 2 * PAGE, 0));
	CHECK_EQ(memory_byte(handles.frontal, PAGE), 31);
	CHECK_EQ(memory_byte(handles.frontal, 2 * PAGE), 32);
	/* dropped, and brought again, in another page */
	CHECK_OK(hel_memory_invalidate(handles.backing, 0, 4 * PAGE));
	CHECK(device_write(&nic, pages[0], 99));
	CHECK_OK(hel_memory_update(handles.backing, HEL_UPDATE_INITIALISED, 0, 4 * PAGE, 0));
	uint8_t byte = 0;

	CHECK_OK(hel_memory_read(handles.backing, PAGE, &byte, 1));
	CHECK_EQ(byte, 0);
	CHECK_EQ(device_read(&nic, pages[0]), 99);
	CHECK_OK(hel_close(HEL_THIS, handles.backing));
	CHECK_OK(hel_close(HEL_THIS, handles.frontal));
	CHECK(device_write(&nic, pages[1], 98));
	CHECK_OK(hel_dma_unmap(space, token, 2 * PAGE));
}

DMA_TEST(dma_pages_of_a_backing_with_iommu, 0)
{
	check_backing(space_with(&nic));
}

USER_TEST(dma_pages_of_a_backing_without_iommu)
{
	hel_handle space;

	CHECK_OK(hel_dma_space_create(&space));
	check_backing(space);
}

DMA_TEST(dma_pages_are_checked, 0)
{
	hel_handle space = space_with(&nic), memory = allocate(300, 0), view, weak;
	struct hel_managed_handles handles;
	const struct hel_dma_map_args good = args_of(space, memory, 2);
	struct hel_dma_map_args args = good;
	uint64_t pages[300], token;

	CHECK_EQ(hel_dma_map_pages((void *)8, pages, 2, &token), -ERR_FAULT);
	CHECK_EQ(hel_dma_map_pages(&args, (void *)8, 2, &token), -ERR_FAULT);
	CHECK_EQ(info_of(space).n_mappings, 0);
	CHECK_EQ(hel_dma_map_pages(&args, pages, 1, &token), -ERR_ILLEGAL_ARGS);
	args.flags |= HEL_DMA_FIXED;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_ILLEGAL_ARGS);
	args = good, args.flags = 0;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_ILLEGAL_ARGS);
	args = good, args.reserved = 1;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_ILLEGAL_ARGS);
	args = good, args.size_bytes = 0;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 0, &token), -ERR_ILLEGAL_ARGS);
	args = good, args.offset = 8;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_ILLEGAL_ARGS);
	args = good, args.size_bytes = 257 * PAGE;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 257, &token), -ERR_ILLEGAL_ARGS);
	args.size_bytes = 256 * PAGE;
	CHECK_OK(hel_dma_map_pages(&args, pages, 256, &token));
	CHECK_EQ(device_read(&nic, pages[255]), 0);
	CHECK_OK(hel_dma_unmap(space, token, 256 * PAGE));
	args = good, args.offset = 299 * PAGE;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_OUT_OF_BOUNDS);
	args = good, args.memory = space;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_BAD_TYPE);
	args = good, args.dma_space = memory;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_BAD_TYPE);
	args = good, args.dma_space = 77777;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_BAD_HANDLE);
	CHECK_OK(hel_transfer(HEL_THIS, memory, HEL_THIS, HEL_RIGHT_PIN | HEL_RIGHT_READ, &weak));
	args = good, args.memory = weak;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_NO_RIGHTS);
	CHECK_OK(hel_memory_copy_on_write(memory, 0, 2 * PAGE, &view));
	args = good, args.memory = view;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_UNSUPPORTED);
	CHECK_OK(hel_memory_create_managed(4 * PAGE, 0, &handles));
	args = good, args.memory = handles.frontal;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_UNSUPPORTED);
	args = good, args.limit = 0x100000 + PAGE;
	CHECK_EQ(hel_dma_map_pages(&args, pages, 2, &token), -ERR_NO_SPACE);
	CHECK_EQ(info_of(space).n_mappings, 0);
}

DMA_TEST(dma_pages_without_memory, 0)
{
	hel_handle space = space_with(&nic);
	struct hel_dma_map_args args = args_of(space, allocate(4, 0), 4);
	uint64_t pages[4], token;
	int error = -ERR_NO_MEMORY;

	for (uint64_t n = 0; error == -ERR_NO_MEMORY && n < 100; n++) {
		fixture_fail_after(n);
		error = hel_dma_map_pages(&args, pages, 4, &token);
		fixture_fail_after(~(uint64_t)0);
	}
	CHECK_OK(error);
	CHECK_EQ(device_read(&nic, pages[3]), 0);
}

static void broken_main(UNUSED void *context)
{
	hel_handle space = space_with(&nic);
	struct hel_dma_map_args args = args_of(space, allocate(1, 0), 1);
	uint64_t page, token;

	sim_iommu_break(true);
	CHECK_EQ(hel_dma_map_pages(&args, &page, 1, &token), -ERR_IO);
	sim_iommu_break(false);
}

TEST(dma_pages_need_an_answer)
{
	machine_begin(1, 1);
	sim_iommu_plug(SIM_IOMMU_CACHES_ABSENT);
	CHECK(machine_run(broken_main, NULL));
	CHECK(sim_iommu_is_sound());
	sim_iommu_unplug();
	(void)machine_end(); /* the page may be lost */
}

TEST_MAIN()
