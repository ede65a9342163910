/* SPDX-License-Identifier: MIT */
/* Loans: transfers to and from what a space shows by then, and pages that devices write to. */
#include "dma-machine.h"
#include "managed-server.h"
#include "swap-server.h"

constexpr uint64_t N = 8; /* pages that are lent */

static hel_handle lend(hel_handle space, uint64_t address, uint64_t n_pages)
{
	hel_handle loan;

	CHECK_OK(hel_space_lend(space, address, n_pages * PAGE, &loan));
	return loan;
}

static uint64_t map_memory(hel_handle memory, uint64_t n_pages, uint32_t flags)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.size_bytes = n_pages * PAGE,
		.flags = flags,
	};
	uint64_t address = 0;

	CHECK_OK(hel_space_map(&args, &address));
	return address;
}

static int lent_byte(hel_handle loan, uint64_t offset)
{
	uint8_t byte;
	int error = hel_memory_read(loan, offset, &byte, 1);

	return error != 0 ? error : byte;
}

static int write_byte(hel_handle loan, uint64_t offset, uint8_t byte)
{
	return hel_memory_write(loan, offset, &byte, 1);
}

/* What a device is told of pages of a loan. */
struct target {
	hel_handle space; /* of the device */
	uint64_t pages[N], token;
	uint64_t n_pages;
};

static int target_map(
	struct target *target, hel_handle loan, uint64_t offset, uint64_t n_pages, uint32_t flags)
{
	struct hel_dma_map_args args = {
		.dma_space = target->space,
		.memory = loan,
		.offset = offset,
		.size_bytes = n_pages * PAGE,
		.flags = flags,
	};

	target->n_pages = n_pages;
	return hel_dma_map_pages(&args, target->pages, n_pages, &target->token);
}

static void target_unmap(const struct target *target)
{
	CHECK_OK(hel_dma_unmap(target->space, target->token, target->n_pages * PAGE));
}

static int child_byte(hel_handle space, uint64_t address)
{
	uint64_t buffer = user_map(1);
	size_t n_bytes;
	int error = hel_space_read(space, address, (void *)buffer, 1, &n_bytes);

	error = error != 0 ? error : peek(buffer);
	CHECK_OK(hel_space_unmap(HEL_THIS, buffer, PAGE));
	return error;
}

/* ---- contents ---------------------------------------------------------------------------- */

USER_TEST(loans_are_what_is_mapped_by_then)
{
	uint64_t address = user_map(N);
	hel_handle loan = lend(HEL_THIS, address, N), other;
	struct hel_memory_info info;

	CHECK_OK(hel_memory_info(loan, &info));
	CHECK_EQ(info.kind, HEL_MEMORY_LOAN);
	CHECK_EQ(info.size_bytes, N * PAGE);
	CHECK_OK(poke(address + 5, 7));
	CHECK_EQ(lent_byte(loan, 5), 7);
	CHECK_EQ(lent_byte(loan, PAGE), 0);
	CHECK_OK(write_byte(loan, 2 * PAGE - 1, 9));
	CHECK_EQ(peek(address + 2 * PAGE - 1), 9);
	CHECK_EQ(lent_byte(loan, N * PAGE), -ERR_OUT_OF_BOUNDS);
	/* something else comes there */
	CHECK_OK(hel_space_unmap(HEL_THIS, address, PAGE));
	CHECK_EQ(lent_byte(loan, 5), -ERR_FAULT);
	CHECK_EQ(write_byte(loan, 5, 1), -ERR_FAULT);
	other = allocate(1, 0);
	CHECK_OK(write_byte(other, 5, 33));
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = other,
		.address = address,
		.size_bytes = PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_FIXED,
	};

	CHECK_OK(hel_space_map(&args, &address));
	CHECK_EQ(lent_byte(loan, 5), 33);
	CHECK_EQ(write_byte(loan, 5, 1), -ERR_FAULT);
	CHECK_OK(hel_space_protect(HEL_THIS, address, PAGE, 0));
	CHECK_EQ(lent_byte(loan, 5), -ERR_FAULT);
}

USER_TEST(loans_are_for_transfers_only)
{
	uint64_t address = user_map(N), at, phys;
	hel_handle loan = lend(HEL_THIS, address, N), other;
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = loan,
		.size_bytes = PAGE,
		.flags = HEL_MAP_READ,
	};

	CHECK_EQ(hel_space_map(&args, &at), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_memory_slice(loan, 0, PAGE, &other), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_memory_copy_on_write(loan, 0, PAGE, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_resize(loan, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_pin(loan, 0, PAGE, &phys), -ERR_UNSUPPORTED);
	CHECK_EQ(hel_space_lend(HEL_THIS, address, 0, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_lend(HEL_THIS, address + 1, PAGE, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_lend(HEL_THIS, address, PAGE + 1, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_lend(HEL_THIS, UINT64_MAX - PAGE + 1, PAGE, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_lend(HEL_THIS, address, UINT64_MAX - PAGE + 1, &other),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_lend(loan, address, PAGE, &other), -ERR_BAD_TYPE);
}

/* The space lives as long, and is empty as soon as its owner has unmapped all. */
USER_TEST(a_loan_outlives_the_descriptor)
{
	hel_handle space, memory = allocate(1, 0), loan;
	struct hel_map_args args = {
		.memory = memory,
		.size_bytes = PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address;

	CHECK_OK(hel_space_create(HEL_THIS, &space));
	args.space = space;
	CHECK_OK(hel_space_map(&args, &address));
	loan = lend(space, address, 1);
	CHECK_OK(hel_close(HEL_THIS, space));
	CHECK_OK(write_byte(memory, 3, 4));
	CHECK_EQ(lent_byte(loan, 3), 4);
	CHECK_OK(hel_close(HEL_THIS, memory));
	CHECK_EQ(lent_byte(loan, 3), 4);
}

/* ---- devices ----------------------------------------------------------------------------- */

static void check_device(hel_handle space)
{
	uint64_t address = user_map(N);
	hel_handle loan = lend(HEL_THIS, address, N);
	struct target target = { .space = space };

	CHECK_OK(poke(address + PAGE, 21));
	CHECK_OK(target_map(&target, loan, PAGE, N - 1, HEL_DMA_READ | HEL_DMA_WRITE));
	CHECK_EQ(info_of(space).mapped_bytes, (N - 1) * PAGE);
	CHECK_EQ(device_read(&nic, target.pages[0]), 21);
	for (uint64_t i = 0; i < N - 1; i++) {
		CHECK(device_write(&nic, target.pages[i] + i, (uint8_t)(50 + i)));
		CHECK_EQ(peek(address + (1 + i) * PAGE + i), 50 + (int)i);
	}
	target_unmap(&target);
	CHECK_EQ(info_of(space).n_mappings, 0);
	/* a page that was never touched is read as zeros, and stays nobody's */
	uint64_t fresh = user_map(1);
	hel_handle zeros = lend(HEL_THIS, fresh, 1);

	CHECK_OK(target_map(&target, zeros, 0, 1, HEL_DMA_READ));
	CHECK_EQ(device_read(&nic, target.pages[0]), 0);
	CHECK_OK(poke(fresh, 5));
	CHECK_EQ(device_read(&nic, target.pages[0]), 0);
	target_unmap(&target);
}

DMA_TEST(devices_reach_what_is_lent, 0)
{
	check_device(space_with(&nic));
}

USER_TEST(devices_reach_what_is_lent_without_iommu)
{
	hel_handle space;

	CHECK_OK(hel_dma_space_create(&space));
	check_device(space);
}

DMA_TEST(devices_do_not_reach_what_the_program_may_not, 0)
{
	struct target target = { .space = space_with(&nic) };
	hel_handle memory = allocate(N, 0), queue_memory, weak;
	uint64_t address = map_memory(memory, N, HEL_MAP_READ);
	hel_handle loan = lend(HEL_THIS, address, N);
	struct hel_managed_handles handles;
	struct user_queue queue;

	CHECK_OK(target_map(&target, loan, 0, N, HEL_DMA_READ));
	target_unmap(&target);
	CHECK_EQ(target_map(&target, loan, 0, N, HEL_DMA_WRITE), -ERR_FAULT);
	CHECK_OK(hel_space_unmap(HEL_THIS, address + 3 * PAGE, PAGE));
	CHECK_OK(target_map(&target, loan, 0, 3, HEL_DMA_READ));
	target_unmap(&target);
	CHECK_EQ(target_map(&target, loan, 0, 4, HEL_DMA_READ), -ERR_FAULT);
	CHECK_EQ(target_map(&target, loan, 7 * PAGE, 2, HEL_DMA_READ), -ERR_OUT_OF_BOUNDS);
	CHECK_OK(hel_transfer(HEL_THIS, loan, HEL_THIS, HEL_RIGHT_READ | HEL_RIGHT_PIN, &weak));
	CHECK_EQ(target_map(&target, weak, 0, 1, HEL_DMA_WRITE), -ERR_NO_RIGHTS);
	/* a page of a manager: absent, then read-only for devices */
	CHECK_OK(hel_memory_create_managed(2 * PAGE, 0, &handles));
	address = map_memory(handles.frontal, 2, HEL_MAP_READ | HEL_MAP_WRITE);
	loan = lend(HEL_THIS, address, 2);
	CHECK_EQ(target_map(&target, loan, 0, 1, HEL_DMA_READ), -ERR_AGAIN);
	CHECK_EQ(lent_byte(loan, 0), -ERR_AGAIN);
	CHECK_EQ(write_byte(loan, 0, 1), -ERR_AGAIN);
	CHECK_EQ(target_map(&target, loan, 0, 1, HEL_DMA_WRITE), -ERR_UNSUPPORTED);
	CHECK_OK(write_byte(handles.backing, 0, 0));
	CHECK_OK(write_byte(handles.backing, PAGE, 0));
	CHECK_OK(hel_memory_update(handles.backing, HEL_UPDATE_INITIALISED, 0, 2 * PAGE, 0));
	CHECK_OK(target_map(&target, loan, 0, 2, HEL_DMA_READ));
	target_unmap(&target);
	CHECK_EQ(lent_byte(loan, 0), 0);
	/* queues are thor's */
	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	queue_memory = lend(HEL_THIS, queue.address, 1);
	CHECK_EQ(target_map(&target, queue_memory, 0, 1, HEL_DMA_READ), -ERR_UNSUPPORTED);
	queue_close(&queue);
	CHECK_EQ(info_of(target.space).n_mappings, 0);
	CHECK_EQ(info_of(target.space).mapped_bytes, 0);
}

/* ---- pages that devices write to --------------------------------------------------------- */

/* What arrives after a fork arrives in the parent, whoever writes first. */
DMA_TEST(a_child_gets_copies_of_what_devices_write_to, 0)
{
	struct target target = { .space = space_with(&nic) };
	uint64_t address = user_map(N);
	hel_handle loan = lend(HEL_THIS, address, N), child;

	for (uint64_t i = 0; i < N; i++) {
		CHECK_OK(poke(address + i * PAGE, (uint8_t)(10 + i)));
	}
	CHECK_OK(target_map(&target, loan, 2 * PAGE, 3, HEL_DMA_WRITE));
	CHECK(device_write(&nic, target.pages[0] + 1, 91));
	CHECK_OK(hel_space_fork(HEL_THIS, HEL_THIS, &child));
	CHECK(device_write(&nic, target.pages[0] + 2, 92));
	CHECK(device_write(&nic, target.pages[1] + 2, 93));
	/* the parent writes, to what is shared and to what is not */
	for (uint64_t i = 0; i < N; i++) {
		CHECK_OK(poke(address + i * PAGE + 3, (uint8_t)(30 + i)));
	}
	CHECK(device_write(&nic, target.pages[2] + 2, 94));
	target_unmap(&target);
	CHECK_EQ(peek(address + 2 * PAGE + 1), 91);
	CHECK_EQ(peek(address + 2 * PAGE + 2), 92);
	CHECK_EQ(peek(address + 3 * PAGE + 2), 93);
	CHECK_EQ(peek(address + 4 * PAGE + 2), 94);
	for (uint64_t i = 0; i < N; i++) {
		CHECK_EQ(child_byte(child, address + i * PAGE), 10 + (int)i);
		CHECK_EQ(child_byte(child, address + i * PAGE + 3), 0);
	}
	CHECK_EQ(child_byte(child, address + 2 * PAGE + 1), 91);
	CHECK_EQ(child_byte(child, address + 2 * PAGE + 2), 0);
	CHECK_EQ(child_byte(child, address + 4 * PAGE + 2), 0);
}

/* Pages that a child shares already are copied before a device may write to them. */
DMA_TEST(what_is_shared_becomes_private_first, 0)
{
	struct target target = { .space = space_with(&nic) };
	uint64_t address = user_map(2);
	hel_handle loan = lend(HEL_THIS, address, 2), child;

	CHECK_OK(poke(address, 1));
	CHECK_OK(hel_space_fork(HEL_THIS, HEL_THIS, &child));
	CHECK_OK(target_map(&target, loan, 0, 2, HEL_DMA_WRITE));
	CHECK(device_write(&nic, target.pages[0], 2));
	CHECK_EQ(peek(address), 2);
	CHECK_EQ(child_byte(child, address), 1);
	target_unmap(&target);
}

DMA_TEST(protecting_does_not_move_what_devices_write_to, 0)
{
	struct target target = { .space = space_with(&nic) }, second = target;
	uint64_t address = user_map(2);
	hel_handle loan = lend(HEL_THIS, address, 2);

	CHECK_OK(target_map(&target, loan, 0, 2, HEL_DMA_WRITE));
	CHECK_OK(target_map(&second, loan, 0, 2, HEL_DMA_WRITE));
	CHECK_EQ(second.pages[0] == target.pages[0], false); /* behind the IOMMU */
	CHECK_OK(hel_space_protect(HEL_THIS, address, 2 * PAGE, HEL_MAP_READ));
	CHECK_OK(hel_space_protect(HEL_THIS, address, 2 * PAGE, HEL_MAP_READ | HEL_MAP_WRITE));
	CHECK_OK(poke(address, 1));
	target_unmap(&second);
	CHECK_OK(hel_space_protect(HEL_THIS, address, 2 * PAGE, HEL_MAP_READ));
	CHECK_OK(hel_space_protect(HEL_THIS, address, 2 * PAGE, HEL_MAP_READ | HEL_MAP_WRITE));
	CHECK_OK(poke(address + 1, 2));
	CHECK(device_write(&nic, target.pages[0] + 2, 3));
	CHECK_EQ(peek(address), 1);
	CHECK_EQ(peek(address + 1), 2);
	CHECK_EQ(peek(address + 2), 3);
	target_unmap(&target);
}

/* The device has its pages to the end, the program what it has mapped there since. */
DMA_TEST(what_is_unmapped_stays_the_devices, 0)
{
	struct target target = { .space = space_with(&nic) };
	uint64_t address = user_map(2);
	hel_handle loan = lend(HEL_THIS, address, 2);

	CHECK_OK(target_map(&target, loan, 0, 2, HEL_DMA_READ | HEL_DMA_WRITE));
	CHECK_OK(hel_space_discard(HEL_THIS, address, PAGE));
	CHECK_OK(hel_space_unmap(HEL_THIS, address + PAGE, PAGE));
	CHECK(device_write(&nic, target.pages[0], 1));
	CHECK(device_write(&nic, target.pages[1], 2));
	CHECK_EQ(peek(address), 0);
	CHECK_EQ(device_read(&nic, target.pages[0]), 1);
	CHECK_EQ(device_read(&nic, target.pages[1]), 2);
	target_unmap(&target);
}

DMA_TEST(a_page_is_pinned_so_often_at_most, 0)
{
	struct target target = { .space = space_with(&nic) };
	hel_handle loan = lend(HEL_THIS, user_map(1), 1), other = space_with(&disk);
	uint32_t n = 0;
	int error = 0;

	while (error == 0 && n < 70000) {
		error = target_map(&target, loan, 0, 1, HEL_DMA_WRITE);
		n += error == 0;
		if (error == -ERR_NO_SPACE && target.space != other) {
			target.space = other; /* each has so many mappings */
			error = 0;
		}
	}
	CHECK_EQ(error, -ERR_UNSUPPORTED);
	CHECK_EQ(n, UINT16_MAX);
	CHECK_OK(target_map(&target, loan, 0, 1, HEL_DMA_READ));
}

DMA_TEST(lending_without_memory, 0)
{
	struct target target = { .space = space_with(&nic) };
	uint64_t address = user_map(N);
	hel_handle loan = HEL_NULL, child;
	int error = -ERR_NO_MEMORY;

	CHECK_OK(poke(address, 1));
	for (uint64_t n = 0; error == -ERR_NO_MEMORY && n < 100; n++) {
		fixture_fail_after(n);
		error = hel_space_lend(HEL_THIS, address, N * PAGE, &loan);
		if (error == 0) {
			error = target_map(&target, loan, 0, N, HEL_DMA_WRITE);
			fixture_fail_after(UINT64_MAX);
			if (error != 0) {
				CHECK_OK(hel_close(HEL_THIS, loan));
			}
		}
		fixture_fail_after(UINT64_MAX);
		CHECK_EQ(info_of(target.space).n_mappings, error == 0 ? 1 : 0);
	}
	CHECK_OK(error);
	error = -ERR_NO_MEMORY;
	for (uint64_t n = 0; error == -ERR_NO_MEMORY && n < 1000; n++) {
		fixture_fail_after(n);
		error = hel_space_fork(HEL_THIS, HEL_THIS, &child);
		fixture_fail_after(UINT64_MAX);
	}
	CHECK_OK(error);
	CHECK(device_write(&nic, target.pages[0], 2));
	CHECK_EQ(peek(address), 2);
	CHECK_EQ(child_byte(child, address), 1);
	target_unmap(&target);
}

/* Under pressure all goes but what a device writes to. */
USER_TEST(what_devices_write_to_is_not_put_out)
{
	struct target target = {};
	hel_handle loan, memory;
	uint64_t address;

	swap_begin();
	CHECK_OK(hel_dma_space_create(&target.space));
	CHECK_OK(hel_memory_allocate(N * PAGE, HEL_ALLOCATE_SWAPPABLE, &memory));
	address = swap_map_memory(memory, N, 0);
	loan = lend(HEL_THIS, address, N);
	swap_fill(address, N, 7);
	swap_press();
	CHECK_EQ(target_map(&target, loan, 0, N, HEL_DMA_WRITE), -ERR_AGAIN);
	swap_check(address, N, 7);
	CHECK_OK(target_map(&target, loan, 0, 3, HEL_DMA_WRITE));
	swap_press();
	swap_press();
	for (uint64_t i = 0; i < 3; i++) {
		CHECK(device_write(&nic, target.pages[i] + 100, (uint8_t)(60 + i)));
	}
	swap_check(address, N, 7);
	for (uint64_t i = 0; i < 3; i++) {
		CHECK_EQ(peek(address + i * PAGE + 100), 60 + (int)i);
	}
	target_unmap(&target);
	swap_press();
	swap_check(address, N, 7);
	CHECK_OK(hel_close(HEL_THIS, loan));
	CHECK_OK(hel_close(HEL_THIS, memory));
	swap_unmap(address, N);
	swap_end();
}

TEST_MAIN()
