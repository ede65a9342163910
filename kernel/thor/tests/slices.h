/* SPDX-License-Identifier: MIT */
/* For tests of long calls: slices of a size that they choose, with a pause wherever one may be. */
#ifndef THOR_TESTS_SLICES_H
#define THOR_TESTS_SLICES_H

#include "machine.h"

#include <thor/memory/memory-object.h>
#include <thor/sched/sched.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;

static uint64_t n_pauses;
static uint32_t n_pages_before;
static bool always_pauses;

bool __real_sched_should_pause(uint64_t since_ns);
bool __wrap_sched_should_pause(uint64_t since_ns);

bool __wrap_sched_should_pause(uint64_t since_ns)
{
	if (!always_pauses) {
		return __real_sched_should_pause(since_ns);
	}
	n_pauses++;
	return true;
}

static inline void begin(uint32_t n_pages)
{
	n_pages_before = memory__slice_pages;
	memory__slice_pages = n_pages;
	always_pauses = true;
	n_pauses = 0;
}

static inline void end_anyway(void)
{
	memory__slice_pages = n_pages_before;
	always_pauses = false;
}

static inline void end(void)
{
	CHECK(n_pauses > 0);
	end_anyway();
}

static inline uint8_t read_byte(uint64_t address)
{
	uint8_t byte;

	sim_load(&byte, address, 1);
	return byte;
}

static inline void write_byte(uint64_t address, uint8_t byte)
{
	sim_store(address, &byte, 1);
}

static inline void fill(uint64_t address, uint64_t n_pages)
{
	for (uint64_t i = 0; i < n_pages; i++) {
		write_byte(address + i * PAGE, (uint8_t)(i + 1));
	}
}

static inline uint64_t count_mappings(uint64_t address, uint64_t end_address)
{
	struct hel_mapping_info info;
	uint64_t n_mappings = 0;

	while (hel_space_query(HEL_THIS, address, &info) == 0 && info.address < end_address) {
		n_mappings++;
		address = info.address + info.size_bytes;
	}
	return n_mappings;
}

#endif
