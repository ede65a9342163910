/* SPDX-License-Identifier: MIT */
/* What TLBs remember of spaces that are not loaded: memory/asid.h, memory/shootdown.h. */
#include "support.h"

constexpr uint64_t PAGE = 4096;
constexpr uint64_t BASE = 0x10000000;

static struct space *space_new(void)
{
	struct space *space = NULL;

	CHECK_OK(space_create(&space));
	return space;
}

static int map_pages(struct space *space, uint64_t n_pages)
{
	struct hel_map_args args = {
		.address = BASE,
		.size_bytes = n_pages * PAGE,
		.flags = RW_COPY | HEL_MAP_FIXED,
	};
	uint64_t address;

	return space_map(space, NULL, &args, &address);
}

TEST(asid_translations_stay_while_others_are_loaded)
{
	fixture_begin(2, 16, 1);
	struct space *a = space_new();
	struct space *b = space_new();

	CHECK_OK(map_pages(a, 2));
	CHECK_OK(map_pages(b, 2));
	space_activate(a);
	CHECK_OK(poke(BASE, 1));
	space_activate(b);
	CHECK_OK(poke(BASE, 2));
	uint64_t n_flushes = sim_cpu->arch.n_flushes;

	space_activate(a);
	CHECK_EQ(peek(BASE), 1);
	space_activate(b);
	CHECK_EQ(peek(BASE), 2);
	CHECK_EQ(sim_cpu->arch.n_flushes, n_flushes);
	/* Another CPU takes a page from what is not loaded here: we hear of it when we load it. */
	sim_switch_cpu(1);
	CHECK_OK(space_discard(a, BASE, PAGE));
	CHECK_EQ(cpu_table[0]->arch.n_shootdowns, 0);
	CHECK_EQ(sim_check_space(a), 0);
	sim_switch_cpu(0);
	space_activate(a);
	CHECK_EQ(sim_cpu->arch.n_flushes, n_flushes + 1);
	CHECK_EQ(peek(BASE), 0);
	object_unref(&a->object);
	object_unref(&b->object);
	CHECK(fixture_end());
}

TEST(asid_identifiers_are_shared)
{
	constexpr uint32_t last = ARCH_ASIDS - 1; /* has the first one's identifier */
	struct space *spaces[last + 1];

	fixture_begin(1, 16, 1);
	for (uint32_t i = 0; i <= last; i++) {
		spaces[i] = space_new();
		CHECK_OK(map_pages(spaces[i], 1));
	}
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i <= last; i++) {
			uint64_t n_flushes = sim_cpu->arch.n_flushes;
			bool is_alone = i != 0 && i != last;

			space_activate(spaces[i]);
			CHECK_EQ(sim_cpu->arch.n_flushes - n_flushes,
				round == 0 || !is_alone ? 1u : 0u);
			CHECK_EQ(peek(BASE), (int)(round * (i + 1)));
			CHECK_OK(poke(BASE, (uint8_t)(i + 1)));
		}
	}
	for (uint32_t i = 0; i <= last; i++) {
		CHECK_EQ(sim_check_space(spaces[i]), 0);
		object_unref(&spaces[i]->object);
	}
	CHECK(fixture_end());
}

TEST(asid_idle_cpu_notices_when_it_goes_on)
{
	fixture_begin(2, 16, 1);
	struct space *space = space_new();
	struct space *other = space_new();

	CHECK_OK(map_pages(space, 4));
	space_activate(space);
	CHECK_OK(poke(BASE, 1));
	CHECK_OK(poke(BASE + PAGE, 1));
	shootdown_enter_idle();
	sim_switch_cpu(1);
	CHECK_OK(space_discard(space, BASE, PAGE));
	CHECK_EQ(cpu_table[0]->arch.n_shootdowns, 0);
	sim_switch_cpu(0);
	space_activate(space);
	CHECK_EQ(sim_check_tlbs(), 0);
	CHECK_EQ(peek(BASE), 0);
	/* The same, but something else is loaded first. */
	shootdown_enter_idle();
	sim_switch_cpu(1);
	CHECK_OK(space_discard(space, BASE + PAGE, PAGE));
	sim_switch_cpu(0);
	space_activate(other);
	space_activate(space);
	CHECK_EQ(sim_check_tlbs(), 0);
	CHECK_EQ(peek(BASE + PAGE), 0);
	/* Where tables are freed an idle CPU is asked, and nothing is left to be done later. */
	shootdown_enter_idle();
	sim_switch_cpu(1);
	CHECK_OK(space_unmap(space, BASE, 4 * PAGE));
	CHECK_EQ(cpu_table[0]->arch.n_shootdowns, 1);
	CHECK_EQ(sim_check_tlbs(), 0);
	sim_switch_cpu(0);
	uint64_t n_flushes = sim_cpu->arch.n_flushes;

	space_activate(space);
	CHECK_EQ(sim_cpu->arch.n_flushes, n_flushes);
	object_unref(&space->object);
	object_unref(&other->object);
	CHECK(fixture_end());
}

TEST(asid_requests_are_served_out_of_turn)
{
	fixture_begin(2, 16, 1);
	struct space *space = space_new();

	CHECK_OK(map_pages(space, 2));
	space_activate(space);
	CHECK_OK(poke(BASE, 1));
	CHECK_OK(poke(BASE + PAGE, 1));
	sim_switch_cpu(1);
	/* A request that has been counted, but not posted yet when the next one arrives. */
	(void)arch_page_unmap(&space->page_table, BASE);
	(void)asid_flush(&space->stamp);
	CHECK_OK(space_discard(space, BASE + PAGE, PAGE));
	CHECK_EQ(sim_check_tlbs(), 0);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(asid_stamps_are_renewed)
{
	_Atomic uint64_t stamp, other;
	uint32_t asid;

	asid_begin(&asid, &stamp);
	asid_begin(&asid, &other);
	uint64_t first = stamp;

	for (uint64_t i = 1; i < 1 << 23; i++) {
		CHECK_EQ(asid_flush(&stamp), first + i);
	}
	CHECK(asid_flush(&stamp) > other);
	uint64_t renewed = stamp;

	CHECK_EQ(asid_flush(&stamp), renewed + 1);
	CHECK_EQ(stamp, renewed + 1);
}

TEST_MAIN()
