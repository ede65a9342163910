/* SPDX-License-Identifier: MIT */
/* Frames: the buddy allocator, per-CPU caches, owner counts. */
#include "support.h"

#include <base/random.h>

TEST(frames_are_distinct_and_counted)
{
	fixture_begin(1, 16, 1);
	uint64_t a = frame_allocate();
	uint64_t b = frame_allocate_zeroed();

	CHECK(a != 0 && b != 0 && a != b);
	CHECK_EQ(frame_owners(a), 1);
	frame_ref(a);
	CHECK_EQ(frame_owners(a), 2);
	frame_unref(a);
	frame_unref(a);
	CHECK_EQ(frame_owners(a), 0);
	frame_unref(b);
	CHECK(fixture_end());
}

TEST(frames_zeroed_are_zero)
{
	fixture_begin(1, 16, 1);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t phys = frame_allocate_zeroed();
		uint8_t *bytes = arch_phys_to_virt(phys);

		for (unsigned j = 0; j < FRAME_SIZE; j++) {
			CHECK_EQ(bytes[j], 0);
		}
		memset(bytes, 0xff, FRAME_SIZE);
		frame_unref(phys);
	}
	CHECK(fixture_end());
}

TEST(frames_outside_ram_are_not_counted)
{
	fixture_begin(1, 16, 1);
	frame_ref(0);
	frame_ref(GIB(100));
	frame_unref(GIB(100));
	frame_unref(0x1000);
	frame_unref(frame_zero_phys);
	CHECK_EQ(frame_owners(GIB(100)), 0);
	CHECK_EQ(frame_owners(frame_zero_phys), 0);
	CHECK(frame_is_direct(GIB(4) - FRAME_SIZE));
	CHECK(!frame_is_direct(GIB(4)));
	CHECK(fixture_end());
}

TEST(frames_exhaust_and_come_back)
{
	fixture_begin(2, 24, 1);
	uint64_t n_frames = 0;
	uint64_t list = 0;

	for (uint64_t phys; (phys = frame_allocate()) != 0; n_frames++) {
		*(uint64_t *)arch_phys_to_virt(phys) = list;
		list = phys;
	}
	CHECK_EQ(frame_free_bytes(), 0);
	CHECK(n_frames > 5000);
	CHECK_EQ(frame_allocate_run(0, ~(uint64_t)0), 0);
	for (uint64_t i = 0; list != 0; i++) {
		uint64_t next = *(uint64_t *)arch_phys_to_virt(list);

		sim_switch_cpu(i % 2);
		frame_unref(list);
		list = next;
	}
	uint64_t run = frame_allocate_run(FRAME_ORDER_MAX, ~(uint64_t)0);

	CHECK(run != 0);
	frame_free_run(run, FRAME_ORDER_MAX);
	CHECK(fixture_end());
}

TEST(frames_runs_are_aligned_and_below)
{
	fixture_begin(1, 64, 1);
	for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
		uint64_t high = frame_allocate_run(order, ~(uint64_t)0);
		uint64_t low = frame_allocate_run(order, MIB(16));

		CHECK(high != 0);
		CHECK(low != 0 || order == FRAME_ORDER_MAX);
		CHECK_EQ(high % (FRAME_SIZE << order), 0);
		if (low != 0) {
			CHECK(low + (FRAME_SIZE << order) <= MIB(16));
			frame_free_run(low, order);
		}
		frame_free_run(high, order);
	}
	CHECK_EQ(frame_allocate_run(0, KIB(64)), 0);
	CHECK_EQ(frame_allocate_run(FRAME_ORDER_MAX + 1, ~(uint64_t)0), 0);
	CHECK(fixture_end());
}

TEST(frames_low_memory_is_given_last)
{
	fixture_begin(1, 64, 1);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t phys = frame_allocate();

		CHECK(phys >= MIB(16));
		*(uint8_t *)arch_phys_to_virt(phys) = 1;
	}
	/* The frames are left to the machine's end: nothing to compare. */
	sim_machine_destroy();
}

TEST(frames_split_run_is_single_pages)
{
	fixture_begin(1, 16, 1);
	uint64_t phys = frame_allocate_run(4, ~(uint64_t)0);

	frame_split_run(phys, 4);
	for (unsigned i = 0; i < 16; i++) {
		CHECK_EQ(frame_owners(phys + i * FRAME_SIZE), 1);
		frame_unref(phys + i * FRAME_SIZE);
	}
	CHECK(fixture_end());
}

/* What the random test holds: runs and single pages, marked with their number at every page. */
constexpr unsigned HELD_MAX = 512;
struct held {
	uint64_t phys;
	unsigned order;
	bool is_run;
};

static void held_mark(const struct held *held, uint64_t mark)
{
	for (uint64_t i = 0; i < 1u << held->order; i++) {
		*(uint64_t *)arch_phys_to_virt(held->phys + i * FRAME_SIZE) = mark;
	}
}

static void held_release(struct held *held, uint64_t mark)
{
	for (uint64_t i = 0; i < 1u << held->order; i++) {
		CHECK_EQ(*(uint64_t *)arch_phys_to_virt(held->phys + i * FRAME_SIZE), mark);
	}
	if (held->is_run) {
		frame_free_run(held->phys, held->order);
	} else {
		frame_unref(held->phys);
	}
	held->phys = 0;
}

TEST(frames_random_against_model)
{
	struct random random;
	static struct held held[HELD_MAX];
	uint64_t seed = test_seed(42);

	random_init(&random, seed);
	fixture_begin(4, 48, seed);
	memset(held, 0, sizeof(held));
	for (unsigned step = 0; step < 60000; step++) {
		unsigned at = random_u64(&random) % HELD_MAX;

		sim_switch_cpu(random_u64(&random) % 4);
		if (held[at].phys != 0) {
			held_release(&held[at], at);
			continue;
		}
		held[at].is_run = random_u64(&random) % 3 == 0;
		held[at].order = held[at].is_run ? random_u64(&random) % 8 : 0;
		held[at].phys = held[at].is_run
			? frame_allocate_run(held[at].order,
				  random_u64(&random) % 2 == 0 ? MIB(16) : ~(uint64_t)0)
			: frame_allocate();
		if (held[at].phys != 0) {
			held_mark(&held[at], at);
		}
	}
	for (unsigned at = 0; at < HELD_MAX; at++) {
		if (held[at].phys != 0) {
			held_release(&held[at], at);
		}
	}
	CHECK(fixture_end());
}

TEST(single_pages_leave_blocks_when_memory_is_short)
{
	constexpr unsigned fragments_max = 600;
	static uint64_t pages[8192];
	unsigned n_pages = 0;

	fixture_begin(1, 32, 1);
	while (frame_is_plenty()) {
		pages[n_pages++] = frame_allocate();
	}
	/* Fragments, as the page cache gives them back. */
	for (unsigned i = 0; i < fragments_max; i++) {
		frame_unref(pages[2 * i]);
		pages[2 * i] = 0;
	}
	while (frame_is_plenty()) {
		pages[n_pages++] = frame_allocate();
	}
	for (unsigned i = 0; i < fragments_max + fragments_max / 2; i++) {
		pages[n_pages++] = frame_allocate();
	}
	uint64_t run = frame_allocate_run(5, ~(uint64_t)0);

	CHECK(run != 0);
	frame_free_run(run, 5);
	for (unsigned i = 0; i < n_pages; i++) {
		if (pages[i] != 0) {
			frame_unref(pages[i]);
		}
	}
	CHECK(fixture_end());
}

/* Much may be free, but only in fragments: those go first, for runs need what is in one piece. */
TEST(fragments_go_before_the_last_blocks)
{
	static uint64_t pages[16384];
	unsigned n_pages = 0;
	unsigned n_fragments = 0;

	fixture_begin(1, 64, 1);
	while (!frame_is_scarce()) {
		pages[n_pages++] = frame_allocate();
	}
	/* Every other page of a half; of the rest a quarter in one piece, about what is spared. */
	for (unsigned i = 0; i < n_pages / 2; i += 2) {
		frame_unref(pages[i]);
		pages[i] = 0;
		n_fragments++;
	}
	for (unsigned i = n_pages - n_pages / 8; i < n_pages; i++) {
		frame_unref(pages[i]);
		pages[i] = 0;
	}
	CHECK(frame_has_spare(0));
	for (unsigned i = 0; i < n_fragments; i++) {
		pages[2 * i] = frame_allocate();
	}
	uint64_t run = frame_allocate_run(FRAME_ORDER_MAX - 2, ~(uint64_t)0);

	CHECK(run != 0);
	frame_free_run(run, FRAME_ORDER_MAX - 2);
	for (unsigned i = 0; i < n_pages; i++) {
		if (pages[i] != 0) {
			frame_unref(pages[i]);
		}
	}
	CHECK(fixture_end());
}

TEST_MAIN()
