/* SPDX-License-Identifier: MIT */
/*
 * DMA spaces: with the software IOMMU, and without any.
 *
 * Devices are simulated to the byte: sim_device_access() is what one request of the device does.
 */
#include "dma-machine.h"

static struct user_queue queue;
static struct completion completion;

/* Let every so many'th look at the clock find that time is up; 0: leave it to the clock. */
static uint32_t pause_every, n_looks;

bool __real_sched_should_pause(uint64_t since_ns);
bool __wrap_sched_should_pause(uint64_t since_ns);

bool __wrap_sched_should_pause(uint64_t since_ns)
{
	if (pause_every != 0) {
		return ++n_looks % pause_every == 0;
	}
	return __real_sched_should_pause(since_ns);
}

/* ---- with an IOMMU --------------------------------------------------------------------------- */

DMA_TEST(dma_device_reaches_what_is_mapped, 0)
{
	hel_handle space = space_with(&nic);
	hel_handle memory = allocate(3, 0);
	uint8_t byte = 77;
	uint64_t address;

	CHECK_EQ(info_of(space).flags, HEL_DMA_TRANSLATED);
	CHECK_OK(hel_memory_write(memory, 2 * PAGE + 5, &byte, 1));
	CHECK_EQ(device_read(&nic, 0x100000), -1);
	CHECK_OK(map(space, memory, 3, READ_WRITE, &address));
	CHECK_EQ(device_read(&nic, address + 2 * PAGE + 5), 77);
	CHECK(device_write(&nic, address + PAGE, 12));
	CHECK_EQ(memory_byte(memory, PAGE), 12);
	CHECK_EQ(device_read(&nic, address + 3 * PAGE), -1);
	CHECK_EQ(device_read(&nic, address - 1), -1);
	CHECK_EQ(device_read(&disk, address), -1);
	CHECK_EQ(info_of(space).mapped_bytes, 3 * PAGE);
	CHECK_OK(hel_dma_unmap(space, address, 3 * PAGE));
	CHECK_EQ(device_read(&nic, address + 2 * PAGE + 5), -1);
	CHECK_EQ(info_of(space).mapped_bytes, 0);
	CHECK_EQ(info_of(space).n_mappings, 0);
}

DMA_TEST(dma_access_is_what_the_mapping_says, SIM_IOMMU_WIDE)
{
	hel_handle space = space_with(&nic);
	hel_handle memory = allocate(1, 0);
	uint64_t in, out;

	CHECK_OK(map(space, memory, 1, HEL_DMA_READ, &out));
	CHECK_OK(map(space, memory, 1, HEL_DMA_WRITE, &in));
	CHECK(in != out);
	CHECK_EQ(device_read(&nic, out), 0);
	CHECK(!device_write(&nic, out, 1));
	CHECK(device_write(&nic, in, 9));
	CHECK_EQ(device_read(&nic, in), -1);
	CHECK_EQ(device_read(&nic, out), 9);
}

/* What the IOMMU remembers of an absent page is forgotten when one comes. */
DMA_TEST(dma_absence_is_flushed, SIM_IOMMU_CACHES_ABSENT)
{
	hel_handle space = space_with(&nic);
	hel_handle memory = allocate(1, 0);
	uint64_t address;

	CHECK_EQ(device_read(&nic, 0x100000), -1);
	CHECK_OK(map(space, memory, 1, HEL_DMA_READ, &address));
	CHECK_EQ(address, 0x100000);
	CHECK_EQ(device_read(&nic, address), 0);
}

DMA_TEST(dma_pages_stay_while_they_are_mapped, 0)
{
	hel_handle space = space_with(&nic);
	hel_handle memory = allocate(2, 0);
	uint64_t address;

	CHECK_OK(map(space, memory, 2, READ_WRITE, &address));
	CHECK(device_write(&nic, address + PAGE, 3));
	CHECK_OK(hel_memory_resize(memory, PAGE));
	CHECK_EQ(device_read(&nic, address + PAGE), 3);
	CHECK_OK(hel_memory_resize(memory, 2 * PAGE));
	CHECK_EQ(memory_byte(memory, PAGE), 0);
	CHECK_OK(hel_close(HEL_THIS, memory));
	CHECK(device_write(&nic, address, 3));
	CHECK(sim_iommu_is_sound());
}

DMA_TEST(dma_closing_cuts_the_device_off, 0)
{
	hel_handle space = space_with(&nic);
	hel_handle memory = allocate(1, HEL_ALLOCATE_CONTIGUOUS);
	hel_handle twin;
	uint64_t address;

	CHECK_OK(map(space, memory, 1, READ_WRITE, &address));
	CHECK(device_write(&nic, address, 3));
	CHECK_OK(hel_transfer(HEL_THIS, space, HEL_THIS, HEL_RIGHT_READ, &twin));
	CHECK_OK(hel_close(HEL_THIS, space));
	CHECK(device_write(&nic, address, 4));
	CHECK_OK(hel_close(HEL_THIS, twin));
	CHECK_OK(hel_nop());
	CHECK(!device_write(&nic, address, 5));
	CHECK_EQ(memory_byte(memory, 0), 4);
	/* Now it can go to another driver, who gets nothing of the first. */
	space = space_with(&nic);
	CHECK(space != HEL_NULL);
	CHECK(!device_write(&nic, address, 5));
}

DMA_TEST(dma_detach_cuts_off, 0)
{
	hel_handle space = space_with(&nic);
	hel_handle other = space_with(&disk);
	hel_handle memory = allocate(1, 0);
	uint64_t address;

	CHECK_EQ(attach(machine_authority, other, &nic), -ERR_BUSY);
	CHECK_EQ(attach(machine_authority, space, &nic), -ERR_BUSY);
	CHECK_EQ(detach(other, &nic), -ERR_NOT_FOUND);
	CHECK_OK(map(space, memory, 1, READ_WRITE, &address));
	CHECK_EQ(device_read(&nic, address), 0);
	CHECK_EQ(info_of(space).n_devices, 1);
	CHECK_OK(detach(space, &nic));
	CHECK_EQ(info_of(space).n_devices, 0);
	CHECK_EQ(device_read(&nic, address), -1);
	CHECK_OK(attach(machine_authority, other, &nic));
	CHECK_EQ(device_read(&nic, address), -1);
}

DMA_TEST(dma_attach_refuses, 0)
{
	struct hel_dma_device reserved = { .bus = 2 };
	struct hel_dma_device elsewhere = { .segment = 1 };
	struct hel_dma_device wrong = { .bus = 3, .reserved = 1 };
	hel_handle spaces[16], weak;
	unsigned n_spaces = 0;
	int error;

	sim_iommu_reserve(&reserved);
	CHECK_OK(hel_dma_space_create(&spaces[0]));
	CHECK_EQ(attach(machine_authority, spaces[0], &reserved), -ERR_UNSUPPORTED);
	CHECK_EQ(attach(machine_authority, spaces[0], &elsewhere), -ERR_UNSUPPORTED);
	CHECK_EQ(attach(machine_authority, spaces[0], &wrong), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_dma_space_attach(machine_authority, spaces[0], (void *)8), -ERR_FAULT);
	CHECK_EQ(attach(HEL_NULL, spaces[0], &nic), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_dma_space_attach(spaces[0], spaces[0], &nic), -ERR_BAD_TYPE);
	CHECK_EQ(attach(machine_authority, machine_authority, &nic), -ERR_BAD_TYPE);
	CHECK_OK(hel_transfer(HEL_THIS, spaces[0], HEL_THIS, HEL_RIGHT_MAP, &weak));
	CHECK_EQ(attach(machine_authority, weak, &nic), -ERR_NO_RIGHTS);
	CHECK_OK(hel_transfer(HEL_THIS, machine_authority, HEL_THIS, HEL_RIGHT_READ, &weak));
	CHECK_EQ(attach(weak, spaces[0], &nic), -ERR_NO_RIGHTS);
	/* Six numbers for those that have devices. */
	do {
		struct hel_dma_device device = { .bus = 9, .devfn = (uint8_t)n_spaces };

		CHECK_OK(hel_dma_space_create(&spaces[n_spaces]));
		error = attach(machine_authority, spaces[n_spaces++], &device);
	} while (error == 0 && n_spaces < 16);
	CHECK_EQ(error, -ERR_NO_SPACE);
	CHECK_EQ(n_spaces, 7);
	CHECK_OK(hel_close(HEL_THIS, spaces[2]));
	CHECK_OK(hel_nop());
	CHECK_OK(attach(machine_authority, spaces[6], &nic));
}

DMA_TEST(dma_map_checks_arguments, 0)
{
	hel_handle space = space_with(&nic);
	hel_handle memory = allocate(4, 0);
	hel_handle weak, view;
	uint64_t address;
	const struct hel_dma_map_args good = {
		.dma_space = space,
		.memory = memory,
		.size_bytes = 2 * PAGE,
		.flags = READ_WRITE,
	};
	struct hel_dma_map_args args = good;

	CHECK_EQ(hel_dma_map((void *)8, &address), -ERR_FAULT);
	args.flags = 0;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_ILLEGAL_ARGS);
	args.flags = 8 | HEL_DMA_READ;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_ILLEGAL_ARGS);
	args = good, args.reserved = 1;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_ILLEGAL_ARGS);
	args = good, args.size_bytes = 0;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_ILLEGAL_ARGS);
	args = good, args.size_bytes = 100;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_ILLEGAL_ARGS);
	args = good, args.offset = 1;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_ILLEGAL_ARGS);
	args = good, args.offset = 3 * PAGE;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_OUT_OF_BOUNDS);
	args = good, args.offset = ~(PAGE - 1);
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_OUT_OF_BOUNDS);
	args = good, args.memory = space;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_BAD_TYPE);
	args = good, args.dma_space = memory;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_BAD_TYPE);
	CHECK_OK(hel_transfer(HEL_THIS, memory, HEL_THIS, HEL_RIGHT_PIN | HEL_RIGHT_READ, &weak));
	args = good, args.memory = weak;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_NO_RIGHTS);
	args.flags = HEL_DMA_READ;
	CHECK_OK(hel_dma_map(&args, &address));
	CHECK_OK(hel_transfer(HEL_THIS, space, HEL_THIS, HEL_RIGHT_MANAGE, &weak));
	args = good, args.dma_space = weak;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_dma_unmap(weak, address, 2 * PAGE), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_dma_space_info(weak, &(struct hel_dma_space_info){}), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_dma_space_event(weak, &weak), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_dma_space_info(space, (void *)8), -ERR_FAULT);
	CHECK_OK(hel_memory_copy_on_write(memory, 0, 2 * PAGE, &view));
	args = good, args.memory = view;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_UNSUPPORTED);
}

DMA_TEST(dma_addresses_are_chosen_or_given, 0)
{
	hel_handle space = space_with(&nic);
	hel_handle memory = allocate(4, 0);
	uint64_t address, first;
	struct hel_dma_map_args args = {
		.dma_space = space,
		.memory = memory,
		.size_bytes = 2 * PAGE,
		.address = 0x40000000,
		.flags = HEL_DMA_READ | HEL_DMA_FIXED,
	};

	CHECK_OK(hel_dma_map(&args, &address));
	CHECK_EQ(address, 0x40000000);
	args.address += PAGE;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_EXISTS);
	args.address -= 2 * PAGE;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_EXISTS);
	args.address = 0xfee00000; /* interrupts */
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_EXISTS);
	args.address = ((uint64_t)1 << 39) - PAGE;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_NO_SPACE);
	args.address = 0x40000001;
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_ILLEGAL_ARGS);
	args.address = 0;
	args.flags = HEL_DMA_READ;
	args.limit = 0x100000 + 4 * PAGE;
	CHECK_OK(hel_dma_map(&args, &first));
	CHECK_OK(hel_dma_map(&args, &address));
	CHECK_EQ(address, first + 2 * PAGE);
	CHECK_EQ(hel_dma_map(&args, &address), -ERR_NO_SPACE);
	CHECK_EQ(hel_dma_unmap(space, first + PAGE, PAGE), -ERR_NOT_FOUND);
	CHECK_EQ(hel_dma_unmap(space, first, PAGE), -ERR_NOT_FOUND);
	CHECK_EQ(hel_dma_unmap(space, 0xfee00000, 0x100000), -ERR_NOT_FOUND);
	CHECK_OK(hel_dma_unmap(space, first, 2 * PAGE));
	CHECK_EQ(hel_dma_unmap(space, first, 2 * PAGE), -ERR_NOT_FOUND);
	args.limit = 0;
	CHECK_OK(hel_dma_map(&args, &address));
	CHECK_EQ(address, first);
}

DMA_TEST(dma_faults_raise_the_event, 0)
{
	hel_handle space = space_with(&nic);
	struct hel_dma_space_info info;
	hel_handle event;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_dma_space_event(space, &event));
	uint64_t context = submit_event(&queue, event, 0);

	CHECK_OK(queue_drive(&queue));
	CHECK_EQ(device_read(&disk, 0x5000), -1); /* in no dma-space: nobody is told */
	CHECK(!device_write(&nic, 0x123456, 1));
	CHECK(queue_await(&queue, context, &completion));
	CHECK_EQ(completion_event(&completion)->bits, HEL_DMA_WRITE);
	info = info_of(space);
	CHECK_EQ(info.n_faults, 1);
	CHECK_EQ(info.fault_address, 0x123456);
	CHECK_EQ(info.fault_access, HEL_DMA_WRITE);
	CHECK_EQ(info.fault_device.devfn, nic.devfn);
	CHECK_EQ(hel_event_raise(event, 1), -ERR_NO_RIGHTS);
	queue_close(&queue);
}

/* A device that does nothing but fault is not heard any more until somebody asks. */
DMA_TEST(dma_storms_are_muted, 0)
{
	hel_handle space = space_with(&nic);
	hel_handle memory = allocate(1, 0);
	uint64_t address;

	for (unsigned i = 0; i < 200; i++) {
		CHECK_EQ(device_read(&nic, 0x7000), -1);
		sim_compute(1000);
	}
	struct hel_dma_space_info info = info_of(space);

	CHECK_EQ(info.n_faults, 64);
	CHECK_EQ(info.flags, HEL_DMA_TRANSLATED | HEL_DMA_MUTED);
	CHECK_EQ(info_of(space).flags, HEL_DMA_TRANSLATED);
	CHECK_EQ(device_read(&nic, 0x7000), -1);
	sim_compute(1000);
	CHECK_EQ(info_of(space).n_faults, 65);
	CHECK_OK(map(space, memory, 1, HEL_DMA_READ, &address));
	CHECK_EQ(device_read(&nic, address), 0);
}

/* Pages come and go in slices; whoever is killed meanwhile does not stop the others. */
static hel_handle slice_space, slice_memory;
static uint64_t slice_address;
static int slice_error;

static void slice_main(UNUSED void *context)
{
	slice_error = map(slice_space, slice_memory, 600, READ_WRITE, &slice_address);
}

DMA_TEST(dma_large_mappings_go_in_slices, 0)
{
	uint64_t address;
	hel_handle thread;

	slice_space = space_with(&nic);
	slice_memory = allocate(600, 0);
	pause_every = 3;
	CHECK_OK(map(slice_space, slice_memory, 600, READ_WRITE, &address));
	CHECK_EQ(device_read(&nic, address + 599 * PAGE), 0);
	CHECK_OK(hel_dma_unmap(slice_space, address, 600 * PAGE));
	CHECK_EQ(device_read(&nic, address + 1 * PAGE), -1);
	/* Two at a time take turns. */
	slice_error = 1;
	thread = user_start(slice_main, NULL);
	CHECK_OK(map(slice_space, slice_memory, 300, READ_WRITE, &address));
	while (slice_error == 1) {
		hel_thread_yield();
	}
	CHECK_OK(slice_error);
	CHECK_EQ(info_of(slice_space).mapped_bytes, 900 * PAGE);
	CHECK_OK(hel_dma_unmap(slice_space, slice_address, 600 * PAGE));
	CHECK_OK(hel_close(HEL_THIS, thread));
}

DMA_TEST_ON(2, dma_builder_that_is_killed_is_cleaned_up_after, 0)
{
	hel_handle thread;
	uint64_t address;

	slice_space = space_with(&nic);
	slice_memory = allocate(600, 0);
	pause_every = 1;
	thread = user_start(slice_main, NULL);
	while (info_of(slice_space).n_mappings == 0) {
		sim_compute(100);
	}
	CHECK_OK(hel_thread_kill(thread));
	CHECK_EQ(info_of(slice_space).n_mappings, 1);
	pause_every = 0;
	CHECK(info_of(slice_space).mapped_bytes < 600 * PAGE);
	sim_compute(1'000'000'000); /* it might come back */
	CHECK_OK(map(slice_space, slice_memory, 1, READ_WRITE, &address));
	CHECK_EQ(info_of(slice_space).n_mappings, 1);
	CHECK_EQ(info_of(slice_space).mapped_bytes, PAGE);
	CHECK_OK(hel_close(HEL_THIS, thread));
}

/* A builder that was stopped, and comes back while another one clears up after it. */
static uint32_t n_taken_over;

static void take_over_main(UNUSED void *context)
{
	uint64_t address;

	n_taken_over += map(slice_space, slice_memory, 1, READ_WRITE, &address) == 0;
}

DMA_TEST_ON(3, dma_builder_that_comes_back_begins_anew, 0)
{
	struct hel_dma_space_info info;
	hel_handle thread;

	slice_space = space_with(&nic);
	slice_memory = allocate(600, 0);
	slice_error = 1;
	n_taken_over = 0;
	pause_every = 1;
	thread = user_start(slice_main, NULL);
	while (info_of(slice_space).mapped_bytes < 400 * PAGE) {
		sim_compute(100);
	}
	CHECK_OK(hel_thread_interrupt(thread));
	sim_compute(1'000'000'000);
	CHECK_EQ(slice_error, 1);
	CHECK(user_start(take_over_main, NULL) != HEL_NULL);
	do {
		sim_compute(50);
		info = info_of(slice_space);
	} while (info.mapped_bytes >= 400 * PAGE);
	CHECK(info.mapped_bytes > 0);
	CHECK_OK(hel_thread_resume(thread));
	while (slice_error == 1 || n_taken_over == 0) {
		sim_compute(1000);
	}
	pause_every = 0;
	CHECK_OK(slice_error);
	CHECK_EQ(info_of(slice_space).mapped_bytes, 601 * PAGE);
	CHECK_EQ(device_read(&nic, slice_address + 599 * PAGE), 0);
	CHECK_EQ(device_read(&nic, slice_address), 0);
}

/* Map while the first, the second, … allocation fails, until none is left to fail. */
DMA_TEST(dma_map_survives_lack_of_memory, 0)
{
	hel_handle space = space_with(&nic);
	int error = -ERR_NO_MEMORY;
	uint64_t address;

	for (uint64_t i = 0; error != 0; i++) {
		hel_handle memory = allocate(20, 0);

		fixture_fail_only(i);
		error = map(space, memory, 20, READ_WRITE, &address);
		fixture_fail_after(~(uint64_t)0);
		CHECK(error == 0 || error == -ERR_NO_MEMORY);
		CHECK_EQ(info_of(space).mapped_bytes, error == 0 ? 20 * PAGE : 0);
		CHECK_EQ(info_of(space).n_mappings, error == 0);
		CHECK_OK(hel_close(HEL_THIS, memory));
		CHECK(i < 100);
	}
	for (uint64_t i = 0; i < 4; i++) {
		hel_handle extra = HEL_NULL;

		fixture_fail_only(i);
		error = hel_dma_space_create(&extra);
		if (error == 0) {
			error = attach(machine_authority, extra, &disk);
		}
		fixture_fail_after(~(uint64_t)0);
		CHECK(error == 0 || error == -ERR_NO_MEMORY);
		if (extra != HEL_NULL) {
			CHECK_OK(hel_close(HEL_THIS, extra));
			CHECK_OK(hel_nop());
		}
	}
}

/* An IOMMU that does not answer: what it may still reach is never used for anything else. */
static void broken_main(UNUSED void *context)
{
	hel_handle space = space_with(&nic);
	hel_handle memory = allocate(100, 0);
	uint64_t address;

	CHECK_OK(map(space, memory, 100, READ_WRITE, &address));
	CHECK_EQ(device_read(&nic, address + 50 * PAGE), 0);
	fixture_fail_after(0);
	CHECK_EQ(attach(machine_authority, space, &disk), -ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
	sim_iommu_break(true);
	CHECK_EQ(attach(machine_authority, space, &disk), -ERR_IO);
	CHECK_EQ(hel_dma_unmap(space, address, 100 * PAGE), -ERR_IO);
	CHECK_EQ(hel_dma_unmap(space, address, 100 * PAGE), -ERR_NOT_FOUND);
	CHECK_EQ(info_of(space).flags, HEL_DMA_TRANSLATED | HEL_DMA_BROKEN);
	CHECK_EQ(info_of(space).mapped_bytes, 0);
	CHECK_OK(hel_close(HEL_THIS, memory));
	CHECK_OK(hel_nop());
	CHECK(device_write(&nic, address + 50 * PAGE, 1)); /* remembered */
	CHECK(sim_iommu_is_sound());
	CHECK_EQ(detach(space, &nic), -ERR_IO);
}

/* It has to forget that nothing was there, and says nothing. */
static void absent_main(UNUSED void *context)
{
	hel_handle space = space_with(&nic);
	uint64_t address;

	sim_iommu_break(true);
	CHECK_EQ(map(space, allocate(1, 0), 1, READ_WRITE, &address), -ERR_IO);
	sim_iommu_break(false);
}

TEST(dma_map_needs_an_answer)
{
	machine_begin(1, 1);
	sim_iommu_plug(SIM_IOMMU_CACHES_ABSENT);
	CHECK(machine_run(absent_main, NULL));
	CHECK(sim_iommu_is_sound());
	sim_iommu_unplug();
	(void)machine_end(); /* the page may be lost */
}

TEST(dma_pages_are_lost_rather_than_shared)
{
	machine_begin(1, 1);
	sim_iommu_plug(0);
	CHECK(machine_run(broken_main, NULL));
	CHECK(sim_iommu_is_sound());
	sim_iommu_unplug();
	printf("# the lost pages are meant to be lost\n");
	CHECK(!machine_end());
}

/* ---- without ----------------------------------------------------------------------------------*/

USER_TEST(dma_without_iommu_is_identity)
{
	hel_handle space = space_with(&nic);
	hel_handle memory = allocate(4, HEL_ALLOCATE_CONTIGUOUS);
	hel_handle scattered = allocate(2, 0);
	uint64_t address, again, phys;
	struct hel_dma_map_args args = {
		.dma_space = space,
		.memory = memory,
		.offset = PAGE,
		.size_bytes = 2 * PAGE,
		.flags = READ_WRITE,
	};

	CHECK_EQ(info_of(space).flags, 0);
	CHECK_OK(hel_memory_pin(memory, 0, 4 * PAGE, &phys));
	CHECK_OK(hel_dma_map(&args, &address));
	CHECK_EQ(address, phys + PAGE);
	CHECK(device_write(&nic, address, 21));
	CHECK_EQ(memory_byte(memory, PAGE), 21);
	CHECK_OK(hel_dma_map(&args, &again)); /* the same addresses twice */
	CHECK_EQ(again, address);
	args.offset = 0;
	CHECK_OK(hel_dma_map(&args, &again));
	CHECK_EQ(again, phys);
	args.limit = phys;
	CHECK_EQ(hel_dma_map(&args, &again), -ERR_NO_SPACE);
	args.limit = 0;
	args.flags |= HEL_DMA_FIXED;
	args.address = phys + 8 * PAGE;
	CHECK_EQ(hel_dma_map(&args, &again), -ERR_UNSUPPORTED);
	args.address = phys;
	CHECK_OK(hel_dma_map(&args, &again));
	CHECK_EQ(info_of(space).n_mappings, 4);
	CHECK_OK(hel_dma_unmap(space, address, 2 * PAGE));
	CHECK_OK(hel_dma_unmap(space, address, 2 * PAGE));
	CHECK_EQ(hel_dma_unmap(space, address, 2 * PAGE), -ERR_NOT_FOUND);
	/* Two pages that are no neighbours. */
	uint8_t byte = 1;

	CHECK_OK(hel_memory_write(scattered, PAGE, &byte, 1));
	hel_handle between = allocate(1, HEL_ALLOCATE_CONTIGUOUS);

	CHECK_OK(hel_memory_write(scattered, 0, &byte, 1));
	CHECK_EQ(map(space, scattered, 2, READ_WRITE, &again), -ERR_UNSUPPORTED);
	CHECK_EQ(info_of(space).n_mappings, 2);
	CHECK_OK(hel_close(HEL_THIS, between));
}

TEST_MAIN()
