/* SPDX-License-Identifier: MIT */
/*
 * Random programs over large pages, compared with a model.
 *
 * Two spaces have a private area and one of shared memory, four large pages each. The model has the
 * access and a byte of each page. Every change is made by either of two CPUs, with the memory
 * running out in the middle of some. After each no TLB may have what its page table does not say,
 * and now and then every page has to be what the model says.
 */
#include "support.h"

#include <base/random.h>

constexpr uint64_t PAGE = 4096;
constexpr uint64_t BASE = 0x40000000;
constexpr uint32_t PAGES = 4 * ARCH_LARGE_PAGES; /* of each area */
constexpr uint32_t SPACES = 2;
constexpr unsigned STEPS = 120;

enum { ABSENT, NONE, READABLE, WRITABLE };

/* Pages [0, PAGES) are the private area, the next PAGES show the shared memory. */
static struct model {
	struct space *space;
	uint8_t access[2 * PAGES];
	uint8_t bytes[PAGES];
} models[SPACES];
static uint8_t shared_bytes[PAGES];
static struct memory *shared;
static struct random random_state;
static uint64_t n_large_seen;

static uint32_t pick(uint32_t limit)
{
	return (uint32_t)(random_u64(&random_state) % limit);
}

static uint8_t *byte_of(struct model *model, uint32_t page)
{
	return page < PAGES ? &model->bytes[page] : &shared_bytes[page - PAGES];
}

static uint64_t address_of(uint32_t page)
{
	return BASE + page * PAGE;
}

/* A part of one area: large pages, or any pages. */
static void pick_range(uint32_t *out_first, uint32_t *out_n_pages)
{
	uint32_t area = pick(2) * PAGES;
	uint32_t unit = pick(2) == 0 ? ARCH_LARGE_PAGES : 1;
	uint32_t first = pick(PAGES / unit);
	uint32_t n = 1 + pick(PAGES / unit - first);

	if (unit == 1 && pick(2) == 0) {
		n = 1 + pick(n < 8 ? n : 8);
	}
	*out_first = area + first * unit;
	*out_n_pages = n * unit;
}

static void set_access(struct model *model, uint32_t first, uint32_t n_pages, uint8_t access)
{
	memset(&model->access[first], access, n_pages);
}

static bool is_mapped(const struct model *model, uint32_t first, uint32_t n_pages)
{
	return memchr(&model->access[first], ABSENT, n_pages) == NULL;
}

/* ---- steps ------------------------------------------------------------------------- */

static void step_poke(struct model *model, bool may_fail)
{
	uint32_t page = pick(2 * PAGES);
	uint8_t byte = (uint8_t)(1 + pick(255));

	space_activate(model->space);
	int error = poke(address_of(page), byte);

	if (error == 0) {
		CHECK_EQ(model->access[page], WRITABLE);
		*byte_of(model, page) = byte;
	} else if (model->access[page] == WRITABLE) {
		CHECK(may_fail && error == -ERR_NO_MEMORY);
	} else {
		CHECK_EQ(error, model->access[page] == ABSENT ? -ERR_FAULT : -ERR_NO_RIGHTS);
	}
}

static void step_map(struct model *model, bool may_fail)
{
	uint32_t first, n_pages;
	uint64_t address;

	pick_range(&first, &n_pages);
	bool is_shared = first >= PAGES;
	struct hel_map_args args = {
		.address = address_of(first),
		.size_bytes = n_pages * PAGE,
		.offset = is_shared ? (first - PAGES) * PAGE : 0,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FIXED |
			(is_shared ? HEL_MAP_FORK_SHARE : HEL_MAP_FORK_COPY) |
			(pick(4) != 0 ? HEL_MAP_LARGE : 0),
	};
	int error = space_map(model->space, is_shared ? shared : NULL, &args, &address);

	if (error != 0) {
		CHECK(may_fail && error == -ERR_NO_MEMORY);
		return;
	}
	set_access(model, first, n_pages, WRITABLE);
	if (!is_shared) {
		memset(&model->bytes[first], 0, n_pages);
	}
}

static void step_unmap(struct model *model, bool may_fail)
{
	uint32_t first, n_pages;

	pick_range(&first, &n_pages);
	if (pick(2) == 0 && !may_fail) {
		while (space_thin(model->space, address_of(first), n_pages * PAGE)) {
		}
	}
	int error = space_unmap(model->space, address_of(first), n_pages * PAGE);

	if (error != 0) {
		CHECK(may_fail && error == -ERR_NO_MEMORY);
		return;
	}
	set_access(model, first, n_pages, ABSENT);
}

static void step_protect(struct model *model, bool may_fail)
{
	static const uint32_t flags[] = { 0, HEL_MAP_READ, HEL_MAP_READ | HEL_MAP_EXECUTE,
		HEL_MAP_READ | HEL_MAP_WRITE };
	static const uint8_t accesses[] = { NONE, READABLE, READABLE, WRITABLE };
	uint32_t first, n_pages;
	uint32_t i = pick(ARRAY_SIZE(flags));

	pick_range(&first, &n_pages);
	int error = space_protect(model->space, address_of(first), n_pages * PAGE, flags[i]);

	if (!is_mapped(model, first, n_pages)) {
		CHECK(error == -ERR_NOT_FOUND);
	} else if (error != 0) {
		CHECK(may_fail && error == -ERR_NO_MEMORY);
	} else {
		set_access(model, first, n_pages, accesses[i]);
	}
}

static void step_discard(struct model *model)
{
	uint32_t first, n_pages;

	pick_range(&first, &n_pages);
	(void)space_discard(model->space, address_of(first), n_pages * PAGE);
	if (first < PAGES) {
		memset(&model->bytes[first], 0, n_pages);
	}
}

static void step_move(struct model *model, bool may_fail)
{
	uint32_t first, n_pages, to;

	pick_range(&first, &n_pages);
	if (first >= PAGES || n_pages > PAGES / 2) {
		return;
	}
	to = pick(2) == 0 ? pick(PAGES - n_pages + 1) : (first + ARCH_LARGE_PAGES) % PAGES;
	if (to + n_pages > PAGES || (to < first + n_pages && first < to + n_pages)) {
		return;
	}
	int error = space_move(
		model->space, address_of(first), n_pages * PAGE, address_of(to), n_pages * PAGE);

	if (!is_mapped(model, first, n_pages)) {
		CHECK_EQ(error, -ERR_NOT_FOUND);
	} else if (error != 0) {
		CHECK(may_fail && error == -ERR_NO_MEMORY);
	} else {
		memmove(&model->access[to], &model->access[first], n_pages);
		memmove(&model->bytes[to], &model->bytes[first], n_pages);
		set_access(model, first, n_pages, ABSENT);
	}
}

static void step_fork(struct model *model, bool may_fail)
{
	struct model *other = &models[model == &models[0]];
	struct space *child = NULL;
	int error = space_fork(model->space, &child);

	if (error != 0) {
		CHECK(may_fail && error == -ERR_NO_MEMORY);
		return;
	}
	object_unref(&other->space->object);
	*other = *model;
	other->space = child;
}

static void step_populate(struct model *model)
{
	uint64_t position = 0;
	uint32_t first, n_pages;
	int error;

	pick_range(&first, &n_pages);
	do {
		error = space_populate_slice(model->space, address_of(first), n_pages * PAGE,
			HEL_POPULATE_WRITE, &position);
	} while (error == MEMORY_MORE);
}

/* Shared memory loses its end, and gets it back, zero. */
static void step_resize(void)
{
	uint32_t n_pages = pick(2) == 0 ? pick(PAGES) : PAGES - 1 - pick(4);

	CHECK_OK(memory_resize(shared, n_pages * PAGE));
	CHECK_OK(memory_resize(shared, PAGES * PAGE));
	memset(&shared_bytes[n_pages], 0, PAGES - n_pages);
}

static void step(struct model *model)
{
	bool may_fail = pick(4) == 0;

	if (may_fail) {
		fixture_fail_after(pick(6));
	}
	switch (pick(16)) {
	case 0:
	case 1: step_map(model, may_fail); break;
	case 2: step_unmap(model, may_fail); break;
	case 3:
	case 4: step_protect(model, may_fail); break;
	case 5: step_discard(model); break;
	case 6: step_move(model, may_fail); break;
	case 7: step_fork(model, may_fail); break;
	case 8: step_populate(model); break;
	case 9: step_resize(); break;
	default: step_poke(model, may_fail); break;
	}
	fixture_fail_after(~0ull);
}

/* ---- the check --------------------------------------------------------------------- */

static void check_tlbs(void)
{
	CHECK_EQ(sim_check_tlbs(), 0);
	for (uint32_t i = 0; i < SPACES; i++) {
		CHECK_EQ(sim_check_space(models[i].space), 0);
		n_large_seen += large_bytes(models[i].space) / ARCH_LARGE_SIZE;
	}
}

static void check_pages(struct model *model)
{
	space_activate(model->space);
	for (uint32_t page = 0; page < 2 * PAGES; page++) {
		int byte = peek(address_of(page));
		bool is_readable = model->access[page] >= READABLE;

		CHECK_EQ(byte, is_readable ? *byte_of(model, page) : 256);
	}
}

static void run_program(uint64_t seed)
{
	random_init(&random_state, seed);
	fixture_begin(2, seed % 3 == 0 ? 28 : 96, seed);
	memset(shared_bytes, 0, sizeof(shared_bytes));
	CHECK_OK(memory_create_allocated(PAGES * PAGE, HEL_ALLOCATE_LARGE, &shared));
	for (uint32_t i = 0; i < SPACES; i++) {
		models[i] = (struct model){};
		CHECK_OK(space_create(&models[i].space));
	}
	for (unsigned i = 0; i < STEPS; i++) {
		sim_switch_cpu(pick(2));
		if (pick(4) == 0) {
			space_activate(models[pick(SPACES)].space);
		}
		step(&models[pick(SPACES)]);
		check_tlbs();
		if (i % 20 == 19) {
			check_pages(&models[pick(SPACES)]);
			check_tlbs();
		}
	}
	object_unref(&shared->object);
	for (uint32_t i = 0; i < SPACES; i++) {
		object_unref(&models[i].space->object);
	}
	CHECK(fixture_end());
}

TEST(large_random_programs)
{
	uint64_t seed = test_seed(1);
	const char *n_programs = getenv("TEST_PROGRAMS");

	for (unsigned i = 0; i < (n_programs != NULL ? (unsigned)atoi(n_programs) : 30); i++) {
		run_program(seed + i);
	}
	CHECK(n_large_seen > 0);
}

TEST_MAIN()
