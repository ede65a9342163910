/* SPDX-License-Identifier: MIT */
/* A swap manager for tests: see swap-server.h. */
#include "swap-server.h"

#include <base/string.h>

/* ---- the swap manager ------------------------------------------------------------------------ */

struct swap_server swap_server;

static bool swap_move(const struct hel_manage_result *request)
{
	for (uint64_t done = 0; done < request->length; done += HEL_PAGE_SIZE) {
		uint64_t offset = request->offset + done;
		uint64_t *words = swap_server.disk[offset / HEL_PAGE_SIZE];
		bool is_read = request->kind == HEL_MANAGE_INITIALISE;

		for (uint64_t i = 0; i < 2; i++) {
			uint64_t at = offset + i * SWAP_LAST_WORD;
			uint64_t word = words[i];
			int error = is_read ? hel_memory_write(swap_server.backing, at, &word, 8)
					    : hel_memory_read(swap_server.backing, at, &word, 8);

			words[i] = word;
			if (error != 0) {
				CHECK_EQ(error, -ERR_NO_MEMORY);
				return false;
			}
		}
	}
	return true;
}

static void swap_answer(const struct hel_manage_result *request)
{
	bool is_read = request->kind == HEL_MANAGE_INITIALISE;
	bool fails = is_read ? swap_server.fails_reads : swap_server.fails_writes;

	*(is_read ? &swap_server.n_pages_read : &swap_server.n_pages_written) +=
		request->length / HEL_PAGE_SIZE;
	if (swap_server.delay_ns > 0) {
		sim_compute(swap_server.delay_ns);
	}
	while (swap_server.is_stuck && !swap_server.is_over) {
		sim_compute(1'000'000);
	}
	fails = fails ||
		(!is_read && swap_server.fails_at_random &&
			random_chance(&swap_server.random, 3)) ||
		!swap_move(request);
	enum hel_update kind = is_read
		? (fails ? HEL_UPDATE_INITIALISE_FAILED : HEL_UPDATE_INITIALISED)
		: (fails ? HEL_UPDATE_WRITE_BACK_FAILED : HEL_UPDATE_WRITTEN_BACK);
	int error;

	do {
		error = hel_memory_update(swap_server.backing, kind, request->offset,
			request->length, fails ? -ERR_IO : 0);
	} while (error == -ERR_NO_MEMORY);
	CHECK_OK(error);
}

static void swap_main(UNUSED void *context)
{
	struct user_queue queue;
	struct completion completion;

	CHECK_OK(queue_open(&queue, 8, 8192, 4096));
	while (!swap_server.is_over) {
		uint64_t request = submit_manage(&queue, swap_server.backing);
		uint64_t deadline_ns = sim_time_ns + 10'000'000;

		(void)queue_drive(&queue);
		while (!queue_take(&queue, &completion)) {
			if (hel_drive(queue.client.handle, HEL_DRIVE_WAIT, queue.client.n_taken,
				    deadline_ns, NULL) == -ERR_TIMED_OUT) {
				submit_cancel(&queue, request);
				(void)queue_drive(&queue);
				deadline_ns = HEL_DEADLINE_NEVER;
			}
		}
		if (completion.error == 0) {
			swap_answer(completion_request(&completion));
		}
	}
	queue_close(&queue);
}

void swap_begin(void)
{
	hel_handle backing;

	memset(&swap_server, 0, sizeof(swap_server));
	random_init(&swap_server.random, 1);
	CHECK_OK(hel_memory_create_swap(machine_authority, SWAP_SLOTS * HEL_PAGE_SIZE, &backing));
	swap_server.backing = backing;
	for (uint32_t i = 0; i < SWAP_BALLASTS; i++) {
		hel_handle ballast;

		if (hel_memory_allocate(MIB(4), HEL_ALLOCATE_CONTIGUOUS, &ballast) != 0) {
			break; /* what is there is in pieces */
		}
		swap_server.ballasts[i] = ballast;
	}
	swap_server.thread = user_start(swap_main, NULL);
	CHECK(swap_server.thread != HEL_NULL);
}

void swap_end(void)
{
	swap_server.is_over = true;
	sim_compute(100'000'000);
	CHECK_OK(hel_close(HEL_THIS, swap_server.thread));
	CHECK_OK(hel_close(HEL_THIS, swap_server.backing));
	for (uint32_t i = 0; i < SWAP_BALLASTS; i++) {
		(void)hel_close(HEL_THIS, swap_server.ballasts[i]);
	}
}

/* ---- memory ---------------------------------------------------------------------------------- */

uint64_t swap_map_memory(hel_handle memory, uint64_t n_pages, uint32_t flags)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.size_bytes = n_pages * HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | flags,
		.tag = 1, /* not joined to what the tests have besides */
	};
	uint64_t address = 0;

	CHECK_OK(hel_space_map(&args, &address));
	return address;
}

uint64_t swap_map(uint64_t n_pages)
{
	return swap_map_memory(HEL_NULL, n_pages, HEL_MAP_FORK_COPY | HEL_MAP_SWAPPABLE);
}

void swap_unmap(uint64_t address, uint64_t n_pages)
{
	CHECK_OK(hel_space_unmap(HEL_THIS, address, n_pages * HEL_PAGE_SIZE));
}

void swap_store(uint64_t address, uint64_t word)
{
	sim_store(address, &word, sizeof(word));
	word = ~word;
	sim_store(address + SWAP_LAST_WORD, &word, sizeof(word));
}

/* The word that swap_store() left in a page; a torn or foreign page fails the test. */
uint64_t swap_load(uint64_t address)
{
	uint64_t first, last;

	sim_load(&first, address, sizeof(first));
	sim_load(&last, address + SWAP_LAST_WORD, sizeof(last));
	CHECK(first == ~last || (first == 0 && last == 0));
	return first;
}

void swap_fill(uint64_t address, uint64_t n_pages, uint64_t base)
{
	for (uint64_t i = 0; i < n_pages; i++) {
		swap_store(address + i * HEL_PAGE_SIZE, base + i);
	}
}

void swap_check(uint64_t address, uint64_t n_pages, uint64_t base)
{
	for (uint64_t i = 0; i < n_pages; i++) {
		CHECK_EQ(swap_load(address + i * HEL_PAGE_SIZE), base + i);
	}
}

void swap_press(void)
{
	uint64_t address = swap_map(SWAP_PRESS_PAGES);

	swap_fill(address, SWAP_PRESS_PAGES, 1);
	swap_unmap(address, SWAP_PRESS_PAGES);
}
