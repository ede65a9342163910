/* SPDX-License-Identifier: MIT */
/*
 * DMA spaces: several threads map and unmap at random what a device reaches, and look whether it
 * reaches just that. See test-dma.c for one thing at a time.
 */
#include "machine.h"

#include <base/string.h>
#include <thor/arch/sim/iommu.h>
#include <thor/sched/sched.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;

static const struct hel_dma_device nic = { .bus = 1, .devfn = 8 };

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

/* What the device reads, -1: it is refused. */
static int device_read(uint64_t address)
{
	uint8_t byte;

	return sim_device_access(&nic, address, HEL_DMA_READ, &byte) ? byte : -1;
}

static bool device_write(uint64_t address, uint8_t byte)
{
	return sim_device_access(&nic, address, HEL_DMA_WRITE, &byte);
}

constexpr unsigned THREADS = 3;
constexpr unsigned STEPS = 120;
constexpr unsigned OWN_MAPPINGS = 6;

/* What one thread has mapped of memory that nobody else maps. */
struct mapper {
	unsigned number; /* every byte of its memory */
	hel_handle memory;
	struct random random;
	struct {
		uint64_t address, first, n_pages;
		uint32_t access;
	} mappings[OWN_MAPPINGS];
	unsigned n_mappings;
};

static struct mapper mappers[THREADS];
static hel_handle shared_space;
static const char *failure;
static unsigned n_finished;

static void expect(bool is_true, const char *what)
{
	if (!is_true && failure == NULL) {
		failure = what;
	}
}

static void mapper_check(struct mapper *mapper)
{
	for (unsigned i = 0; i < mapper->n_mappings; i++) {
		uint64_t address = mapper->mappings[i].address +
			random_below(&mapper->random, mapper->mappings[i].n_pages * PAGE);
		bool can_read = (mapper->mappings[i].access & HEL_DMA_READ) != 0;
		int byte = device_read(address);

		expect(byte == (can_read ? (int)mapper->number : -1), "a mapping is not there");
		expect(device_write(address, (uint8_t)mapper->number) ==
				((mapper->mappings[i].access & HEL_DMA_WRITE) != 0),
			"a mapping has other rights");
	}
	expect(sim_iommu_is_sound(), "a page is free and remembered");
}

static void mapper_map(struct mapper *mapper)
{
	uint64_t first = random_below(&mapper->random, 16);
	uint64_t n_pages = random_between(&mapper->random, 1, 16 - first);
	struct hel_dma_map_args args = {
		.dma_space = shared_space,
		.memory = mapper->memory,
		.offset = first * PAGE,
		.size_bytes = n_pages * PAGE,
		.flags = (uint32_t)random_between(&mapper->random, 1, 3),
	};
	uint64_t address;

	expect(hel_dma_map(&args, &address) == 0, "map failed");
	unsigned i = mapper->n_mappings++;

	mapper->mappings[i].address = address;
	mapper->mappings[i].first = first;
	mapper->mappings[i].n_pages = n_pages;
	mapper->mappings[i].access = args.flags;
}

static void mapper_unmap(struct mapper *mapper)
{
	unsigned i = (unsigned)random_below(&mapper->random, mapper->n_mappings);
	uint64_t address = mapper->mappings[i].address;
	uint64_t size_bytes = mapper->mappings[i].n_pages * PAGE;

	expect(hel_dma_unmap(shared_space, address, size_bytes) == 0, "unmap failed");
	mapper->mappings[i] = mapper->mappings[--mapper->n_mappings];
	/* Another thread's may be there by now, ours is not. */
	for (uint64_t offset = 0; offset < size_bytes; offset += PAGE) {
		expect(device_read(address + offset) != (int)mapper->number,
			"unmapped and still there");
	}
}

static void mapper_main(void *context)
{
	struct mapper *mapper = context;

	for (unsigned step = 0; step < STEPS && failure == NULL; step++) {
		if (mapper->n_mappings == OWN_MAPPINGS ||
			(mapper->n_mappings > 0 && random_chance(&mapper->random, 2))) {
			mapper_unmap(mapper);
		} else {
			mapper_map(mapper);
		}
		mapper_check(mapper);
		sim_compute(random_below(&mapper->random, 500));
	}
	n_finished++;
}

static void mappers_main(void *context)
{
	struct hel_dma_device device =
		nic; /* calls know no other memory of the host than the stack */
	uint8_t bytes[PAGE];
	hel_handle space;

	CHECK_OK(hel_dma_space_create(&space));
	shared_space = space;
	CHECK_OK(hel_dma_space_attach(machine_authority, space, &device));
	for (unsigned i = 0; i < THREADS; i++) {
		struct mapper *mapper = &mappers[i];

		hel_handle memory;

		CHECK_OK(hel_memory_allocate(16 * PAGE, 0, &memory));
		*mapper = (struct mapper){ .number = i + 1, .memory = memory };
		random_init(&mapper->random, *(const uint64_t *)context + i);
		memset(bytes, (int)mapper->number, sizeof(bytes));
		for (uint64_t page = 0; page < 16; page++) {
			CHECK_OK(hel_memory_write(mapper->memory, page * PAGE, bytes, PAGE));
		}
	}
	for (unsigned i = 0; i < THREADS; i++) {
		CHECK(user_start(mapper_main, &mappers[i]) != HEL_NULL);
	}
}

TEST(dma_random_mappings_of_several_threads)
{
	uint64_t seed = test_seed(1);

	for (unsigned round = 0; round < 6; round++, seed++) {
		failure = NULL;
		n_finished = 0;
		machine_begin(1 + round % 3, seed);
		sim_iommu_plug(round % 2 == 0 ? SIM_IOMMU_CACHES_ABSENT : SIM_IOMMU_WIDE);
		sim_interleave(round < 3 ? 20 : 200);
		pause_every = round % 3 + 1;
		CHECK(machine_run(mappers_main, &seed));
		pause_every = 0;
		if (failure != NULL) {
			test_fail(__FILE__, __LINE__, "%s, seed %llu", failure,
				(unsigned long long)seed);
		}
		CHECK_EQ(n_finished, THREADS);
		CHECK(sim_iommu_is_sound());
		sim_interleave(0);
		sim_iommu_unplug();
		CHECK(machine_end());
	}
}

TEST_MAIN()
