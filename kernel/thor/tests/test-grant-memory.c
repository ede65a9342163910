/* SPDX-License-Identifier: MIT */
/* Grants of memory: mappings, device mappings and kernlets that go with them. */
#include "machine.h"

#include <abi/hel/kernlet.h>
#include <thor/arch/sim/iommu.h>
#include <thor/memory/memory-object.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;
constexpr uint64_t AREA = 0x1000'0000;
constexpr uint32_t READ_WRITE = HEL_MAP_READ | HEL_MAP_WRITE;
constexpr uint32_t LARGE = 200; /* pages */

/* ---- slices ---------------------------------------------------------------------------------- */

static bool always_pauses;

bool __real_sched_should_pause(uint64_t since_ns);
bool __wrap_sched_should_pause(uint64_t since_ns);

bool __wrap_sched_should_pause(uint64_t since_ns)
{
	return always_pauses || __real_sched_should_pause(since_ns);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static struct hel_grant_handles grant(hel_handle handle)
{
	struct hel_grant_handles handles = {};

	return hel_grant_create(HEL_NULL, handle, 0, 0, &handles) == 0
		? handles
		: (struct hel_grant_handles){};
}

static hel_handle allocate(uint64_t n_pages)
{
	hel_handle memory;

	return hel_memory_allocate(n_pages * PAGE, 0, &memory) == 0 ? memory : HEL_NULL;
}

static int map_at(
	hel_handle space, hel_handle memory, uint64_t address, uint64_t n_pages, uint32_t flags)
{
	struct hel_map_args args = {
		.space = space,
		.memory = memory,
		.address = address,
		.size_bytes = n_pages * PAGE,
		.flags = READ_WRITE | HEL_MAP_FIXED | flags,
	};
	uint64_t ignored;

	return hel_space_map(&args, &ignored);
}

/* A byte that somebody in @space would read; an error. */
static int byte_at(hel_handle space, uint64_t address)
{
	uint64_t buffer = user_map(1);
	uint8_t byte = 0;
	int error = hel_space_read(space, address, (void *)buffer, 1, NULL);

	sim_load(&byte, buffer, 1);
	CHECK_EQ(hel_space_unmap(HEL_THIS, buffer, PAGE), 0);
	return error != 0 ? error : byte;
}

static int put(hel_handle memory, uint64_t offset, uint8_t byte)
{
	return hel_memory_write(memory, offset, &byte, 1);
}

/* How many pages of @space are mapped. */
static uint64_t mapped_pages(hel_handle space)
{
	struct hel_mapping_info info;
	uint64_t n_pages = 0;

	for (uint64_t at = 0; hel_space_query(space, at, &info) == 0;
		at = info.address + info.size_bytes) {
		n_pages += info.size_bytes / PAGE;
	}
	return n_pages;
}

/* ---- mappings -------------------------------------------------------------------------------- */

USER_TEST(mappings_go_and_others_stay)
{
	hel_handle memory = allocate(4), space;

	CHECK_OK(hel_space_create(HEL_THIS, &space));
	struct hel_grant_handles granted = grant(memory);

	CHECK_OK(put(memory, PAGE, 7));
	CHECK_OK(map_at(space, granted.handle, AREA, 4, 0));
	CHECK_OK(map_at(space, memory, AREA + 8 * PAGE, 4, 0));
	CHECK_EQ(byte_at(space, AREA + PAGE), 7);
	CHECK_EQ(byte_at(space, AREA + 9 * PAGE), 7);
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(byte_at(space, AREA + PAGE), -ERR_FAULT);
	CHECK_EQ(byte_at(space, AREA + 9 * PAGE), 7);
	CHECK_EQ(mapped_pages(space), 4);
	CHECK_EQ(map_at(space, granted.handle, AREA, 4, 0), -ERR_REVOKED);
	CHECK_EQ(mapped_pages(space), 4);
	/* The addresses are free. */
	CHECK_OK(map_at(space, memory, AREA, 4, 0));
	CHECK_EQ(byte_at(space, AREA + PAGE), 7);
}

/* Two mappings that are alike but for their grants are two things. */
USER_TEST(neighbours_are_told_apart)
{
	hel_handle memory = allocate(4), space, copy;
	struct hel_map_args args = { .size_bytes = 2 * PAGE, .flags = READ_WRITE | HEL_MAP_FIXED };
	uint64_t ignored;

	CHECK_OK(hel_space_create(HEL_THIS, &space));
	struct hel_grant_handles granted = grant(memory);

	CHECK_OK(hel_transfer(HEL_THIS, granted.handle, HEL_THIS, 0, &copy));
	CHECK_OK(map_at(space, memory, AREA, 2, 0));
	args.space = space;
	args.memory = copy;
	args.offset = 2 * PAGE;
	args.address = AREA + 2 * PAGE;
	CHECK_OK(hel_space_map(&args, &ignored));
	/* Joins what can be joined. */
	CHECK_OK(hel_space_protect(space, AREA, 4 * PAGE, HEL_MAP_READ));
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(mapped_pages(space), 2);
	CHECK_EQ(byte_at(space, AREA + PAGE), 0);
	CHECK_EQ(byte_at(space, AREA + 2 * PAGE), -ERR_FAULT);
}

USER_TEST(parts_of_mappings_go)
{
	hel_handle memory = allocate(16), space;

	CHECK_OK(hel_space_create(HEL_THIS, &space));
	struct hel_grant_handles granted = grant(memory);

	CHECK_OK(map_at(space, granted.handle, AREA, 16, 0));
	CHECK_OK(hel_space_protect(space, AREA + 2 * PAGE, PAGE, HEL_MAP_READ));
	CHECK_OK(hel_space_unmap(space, AREA + 5 * PAGE, 2 * PAGE));
	CHECK_OK(hel_space_move(space, AREA + 8 * PAGE, 2 * PAGE, AREA + 32 * PAGE, 3 * PAGE));
	CHECK_OK(hel_space_protect(space, AREA + 2 * PAGE, PAGE, READ_WRITE));
	CHECK_EQ(mapped_pages(space), 15);
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(mapped_pages(space), 0);
}

USER_TEST(large_mappings_go_in_slices)
{
	hel_handle memory = allocate(LARGE), space;
	uint32_t slice_pages = memory__slice_pages;

	CHECK_OK(hel_space_create(HEL_THIS, &space));
	struct hel_grant_handles granted = grant(memory);

	CHECK_OK(map_at(space, granted.handle, AREA, LARGE, 0));
	CHECK_OK(map_at(space, granted.handle, AREA + 2 * LARGE * PAGE, LARGE, 0));
	CHECK_OK(hel_space_populate(space, AREA, LARGE * PAGE, HEL_POPULATE_WRITE));
	memory__slice_pages = 7;
	always_pauses = true;
	int error = hel_grant_revoke(granted.grant);

	always_pauses = false;
	memory__slice_pages = slice_pages;
	CHECK_OK(error);
	CHECK_EQ(mapped_pages(space), 0);
	CHECK_EQ(byte_at(space, AREA + (LARGE - 1) * PAGE), -ERR_FAULT);
}

USER_TEST(views_parts_and_queues_go)
{
	const struct hel_queue_params params = {
		.n_chunks = 1, .chunk_size = 4096, .submit_size = 512
	};
	hel_handle memory = allocate(4), space, slice, view, queue;

	CHECK_OK(hel_space_create(HEL_THIS, &space));
	CHECK_OK(hel_queue_create(&params, &queue));
	struct hel_grant_handles granted = grant(memory);
	struct hel_grant_handles granted_queue = grant(queue);

	CHECK_OK(put(memory, PAGE, 9));
	CHECK_OK(hel_memory_slice(granted.handle, PAGE, PAGE, &slice));
	CHECK_OK(hel_memory_copy_on_write(granted.handle, 0, 4 * PAGE, &view));
	CHECK_OK(map_at(space, slice, AREA, 1, 0));
	CHECK_OK(map_at(space, view, AREA + 8 * PAGE, 4, HEL_MAP_FORK_COPY));
	CHECK_OK(map_at(space, granted_queue.handle, AREA + 16 * PAGE, 1, 0));
	CHECK_EQ(byte_at(space, AREA), 9);
	CHECK_EQ(byte_at(space, AREA + 9 * PAGE), 9);
	CHECK_OK(hel_grant_revoke(granted_queue.grant));
	CHECK_EQ(mapped_pages(space), 5);
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(mapped_pages(space), 0);
}

/* A child has what its parent had, under the same grant. */
USER_TEST(forks_go)
{
	hel_handle memory = allocate(LARGE), space, child, grandchild;
	uint32_t slice_pages = memory__slice_pages;

	CHECK_OK(hel_space_create(HEL_THIS, &space));
	struct hel_grant_handles granted = grant(memory);

	CHECK_OK(put(memory, 0, 3));
	CHECK_OK(map_at(space, granted.handle, AREA, LARGE, 0));
	CHECK_OK(map_at(space, granted.handle, AREA + LARGE * PAGE, LARGE, HEL_MAP_FORK_COPY));
	CHECK_OK(hel_space_populate(space, AREA, LARGE * PAGE, 0));
	CHECK_OK(hel_space_fork(space, HEL_THIS, &child));
	memory__slice_pages = 7;
	always_pauses = true;
	int error = hel_space_fork(child, HEL_THIS, &grandchild);

	always_pauses = false;
	memory__slice_pages = slice_pages;
	CHECK_OK(error);
	CHECK_OK(hel_close(HEL_THIS, space));
	CHECK_EQ(byte_at(grandchild, AREA), 3);
	CHECK_EQ(byte_at(grandchild, AREA + LARGE * PAGE), 3);
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(mapped_pages(child), 0);
	CHECK_EQ(mapped_pages(grandchild), 0);
}

/* ---- at the same time ------------------------------------------------------------------------ */

static hel_handle race_space, race_memory;
static struct random race_random;
static volatile bool race_is_over;
static uint32_t n_race_users;

static uint64_t race_address(void)
{
	return AREA + random_below(&race_random, 32) * PAGE;
}

/* Whatever changes mappings, at random; children have to be empty in the end, too. */
static void race_step(void)
{
	hel_handle child;

	switch (random_below(&race_random, 6)) {
	case 0: (void)map_at(race_space, race_memory, race_address(), 8, 0); break;
	case 1: (void)map_at(race_space, race_memory, race_address(), 8, HEL_MAP_FORK_COPY); break;
	case 2: (void)hel_space_unmap(race_space, race_address(), 3 * PAGE); break;
	case 3: (void)hel_space_protect(race_space, race_address(), 2 * PAGE, HEL_MAP_READ); break;
	case 4:
		(void)hel_space_move(race_space, race_address(), PAGE, AREA + 64 * PAGE, 2 * PAGE);
		break;
	default:
		if (hel_space_fork(race_space, HEL_THIS, &child) == 0) {
			CHECK(!race_is_over || mapped_pages(child) == 0);
			hel_close(HEL_THIS, child);
		}
		break;
	}
}

static void race_user_main(UNUSED void *context)
{
	while (!race_is_over) {
		race_step();
	}
	for (uint32_t i = 0; i < 8; i++) {
		race_step();
	}
	n_race_users--;
}

static void race_main(UNUSED void *context)
{
	constexpr uint32_t TURNS = 40;

	for (uint32_t turn = 0; turn < TURNS; turn++) {
		hel_handle memory = allocate(16), space;

		CHECK_OK(hel_space_create(HEL_THIS, &space));
		struct hel_grant_handles granted = grant(memory);

		race_space = space;
		race_memory = granted.handle;
		race_is_over = false;
		n_race_users = 2;
		CHECK(user_start(race_user_main, NULL) != HEL_NULL);
		CHECK(user_start(race_user_main, NULL) != HEL_NULL);
		sim_compute(random_below(&race_random, 60'000));
		CHECK_OK(hel_grant_revoke(granted.grant));
		CHECK_EQ(mapped_pages(space), 0);
		race_is_over = true;
		while (n_race_users > 0) {
			sim_compute(100);
		}
		CHECK_EQ(mapped_pages(space), 0);
		CHECK_OK(hel_close(HEL_THIS, space));
		CHECK_OK(hel_close(HEL_THIS, memory));
		CHECK_OK(hel_close(HEL_THIS, granted.grant));
		CHECK_OK(hel_close(HEL_THIS, granted.handle));
	}
}

TEST(revoking_against_changes_of_mappings)
{
	uint64_t seed = test_seed(1);

	for (uint32_t round = 0; round < 6; round++) {
		random_init(&race_random, seed + round);
		machine_begin(3, seed + round);
		sim_interleave(2u << round);
		CHECK(machine_run(race_main, NULL));
		CHECK(machine_end());
	}
}

/* ---- no memory ------------------------------------------------------------------------------- */

/* Mapping, splitting and forking while allocation number @n fails; whether one did. */
static bool fail_once(hel_handle memory, uint64_t n)
{
	hel_handle space, child = HEL_NULL;

	CHECK_OK(hel_space_create(HEL_THIS, &space));
	struct hel_grant_handles granted = grant(memory);

	fixture_fail_only(n);
	int errors[3] = {
		map_at(space, granted.handle, AREA, 16, 0),
		hel_space_protect(space, AREA + 4 * PAGE, 4 * PAGE, HEL_MAP_READ),
		hel_space_fork(space, HEL_THIS, &child),
	};
	bool has_failed = fixture_has_failed();

	fixture_fail_after(~(uint64_t)0);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		CHECK(errors[i] == 0 || errors[i] == -ERR_NO_MEMORY ||
			(errors[0] != 0 && errors[i] == -ERR_NOT_FOUND));
	}
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(mapped_pages(space), 0);
	if (child != HEL_NULL) {
		CHECK_EQ(mapped_pages(child), 0);
		CHECK_OK(hel_close(HEL_THIS, child));
	}
	CHECK_OK(hel_close(HEL_THIS, space));
	CHECK_OK(hel_close(HEL_THIS, granted.handle));
	CHECK_OK(hel_close(HEL_THIS, granted.grant));
	return has_failed;
}

USER_TEST(every_allocation_fails)
{
	hel_handle memory = allocate(16);
	uint64_t n = 0;

	while (fail_once(memory, n)) {
		n++;
	}
	CHECK(n > 8);
}

/* ---- devices --------------------------------------------------------------------------------- */

static const struct hel_dma_device nic = { .bus = 1, .devfn = 8 };

static int map_dma(hel_handle space, hel_handle memory, uint64_t n_pages, uint64_t *out_address)
{
	const struct hel_dma_map_args args = {
		.dma_space = space,
		.memory = memory,
		.size_bytes = n_pages * PAGE,
		.flags = HEL_DMA_READ | HEL_DMA_WRITE,
	};

	return hel_dma_map(&args, out_address);
}

static void dma_main(UNUSED void *context)
{
	const struct hel_dma_device device = nic;
	hel_handle memory = allocate(LARGE), space;
	struct hel_dma_space_info info;
	uint64_t own, theirs;
	uint8_t byte = 5;

	CHECK_OK(hel_dma_space_create(&space));
	CHECK_OK(hel_dma_space_attach(machine_authority, space, &device));
	struct hel_grant_handles granted = grant(memory);

	CHECK_OK(map_dma(space, memory, 1, &own));
	CHECK_OK(map_dma(space, granted.handle, LARGE, &theirs));
	CHECK(sim_device_access(&nic, theirs, HEL_DMA_WRITE, &byte));
	always_pauses = true;
	int error = hel_grant_revoke(granted.grant);

	always_pauses = false;
	CHECK_OK(error);
	CHECK(!sim_device_access(&nic, theirs, HEL_DMA_WRITE, &byte));
	CHECK(sim_device_access(&nic, own, HEL_DMA_READ, &byte));
	CHECK_EQ(byte, 5);
	CHECK_OK(hel_dma_space_info(space, &info));
	CHECK_EQ(info.n_mappings, 1);
	CHECK_EQ(info.mapped_bytes, PAGE);
	CHECK_EQ(hel_dma_unmap(space, theirs, LARGE * PAGE), -ERR_NOT_FOUND);
	CHECK_EQ(map_dma(space, granted.handle, 1, &theirs), -ERR_REVOKED);
}

TEST(devices_lose_what_was_granted)
{
	machine_begin(1, 1);
	sim_iommu_plug(0);
	CHECK(machine_run(dma_main, NULL));
	CHECK(sim_iommu_is_sound());
	sim_iommu_unplug();
	CHECK(machine_end());
}

/* ---- kernlets -------------------------------------------------------------------------------- */

static const uint8_t kernlet_code[] = { 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xc3 }; /* mov rax, 0 */

struct container {
	struct hel_kernlet_header header;
	struct hel_kernlet_slot slots[2];
	uint8_t code[sizeof(kernlet_code)];
};

/* One that answers nothing, and is bound to memory and an event. */
static int make_kernlet(hel_handle *out_kernlet)
{
	struct container container = {
		.header = {
			.magic = HEL_KERNLET_MAGIC,
			.version = HEL_KERNLET_VERSION,
			.arch = HEL_KERNLET_X86_64,
			.code_size = sizeof(kernlet_code),
			.n_bindings = 2,
		},
		.slots = {
			{ HEL_KERNLET_WINDOW, HEL_RIGHT_READ, 64, 0 },
			{ HEL_KERNLET_EVENT, 0, 0, 0 },
		},
	};

	memcpy(container.code, kernlet_code, sizeof(kernlet_code));
	return hel_kernlet_create(
		&container, offsetof(struct container, code) + sizeof(kernlet_code), out_kernlet);
}

enum granted_part : uint32_t { PART_KERNLET, PART_MEMORY, PART_EVENT, PART_IRQ, PART_BOUND, PARTS };

static void check_kernlet(enum granted_part part)
{
	hel_handle objects[PARTS], bound_before;
	struct hel_grant_handles granted = {};
	struct hel_msi_info message;

	CHECK_OK(make_kernlet(&objects[PART_KERNLET]));
	objects[PART_MEMORY] = allocate(1);
	CHECK_OK(hel_event_create(0, &objects[PART_EVENT]));
	CHECK_OK(hel_irq_create_msi(machine_authority, &message, &objects[PART_IRQ]));
	hel_handle own_irq = objects[PART_IRQ];

	if (part != PART_BOUND) {
		granted = grant(objects[part]);
		objects[part] = granted.handle;
	}
	const struct hel_kernlet_binding bindings[2] = {
		{ objects[PART_MEMORY], 0 },
		{ objects[PART_EVENT], 0 },
	};

	CHECK_OK(hel_kernlet_bind(
		objects[PART_KERNLET], bindings, sizeof(bindings), &objects[PART_BOUND]));
	bound_before = objects[PART_BOUND];
	if (part == PART_BOUND) {
		granted = grant(objects[part]);
		objects[part] = granted.handle;
	}
	CHECK_OK(hel_irq_attach_kernlet(objects[PART_IRQ], objects[PART_BOUND]));
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(hel_irq_detach_kernlet(bound_before), -ERR_ILLEGAL_STATE);
	/* What it works on is gone for ever, what it was attached with is not. */
	CHECK_EQ(
		hel_irq_attach_kernlet(own_irq, bound_before), part >= PART_IRQ ? 0 : -ERR_REVOKED);
}

USER_TEST(kernlets_are_detached)
{
	for (uint32_t part = 0; part < PARTS; part++) {
		check_kernlet(part);
	}
}

USER_TEST(kernlets_without_memory)
{
	hel_handle kernlet, event, irq, bound;
	struct hel_msi_info message;
	uint64_t n = 0;
	int error;

	CHECK_OK(make_kernlet(&kernlet));
	CHECK_OK(hel_event_create(0, &event));
	CHECK_OK(hel_irq_create_msi(machine_authority, &message, &irq));
	const struct hel_kernlet_binding bindings[2] = {
		{ grant(allocate(1)).handle, 0 },
		{ grant(event).handle, 0 },
	};
	hel_handle granted_kernlet = grant(kernlet).handle, granted_irq = grant(irq).handle;

	do {
		fixture_fail_only(n++);
		error = hel_kernlet_bind(granted_kernlet, bindings, sizeof(bindings), &bound);
		fixture_fail_after(~(uint64_t)0);
		CHECK(error == 0 || error == -ERR_NO_MEMORY);
	} while (error != 0);
	CHECK(n > 2);
	fixture_fail_after(0);
	error = hel_irq_attach_kernlet(granted_irq, bound);
	fixture_fail_after(~(uint64_t)0);
	CHECK_EQ(error, -ERR_NO_MEMORY);
	CHECK_OK(hel_irq_attach_kernlet(granted_irq, bound));
}

TEST_MAIN()
