/* SPDX-License-Identifier: MIT */
/* The radix tree of pages. */
#include "support.h"

#include <base/random.h>
#include <thor/memory/page-tree.h>
#include <thor/object/account.h>

static uint32_t ignore(void *context, const struct page_tree_run *run)
{
	uint64_t *n_called = context;
	uint32_t n_pages = 0;

	PAGE_TREE_FOR_EACH(entry, n_pages, run)
	{
		CHECK_EQ(entry, run->index + (uint64_t)slot_ + 1);
	}
	*n_called += n_pages;
	return n_pages;
}

static uint64_t tree_clear(struct page_tree *tree)
{
	uint64_t n_called = 0;

	page_tree_remove(tree, 0, (uint64_t)1 << 50, ignore, &n_called);
	CHECK_EQ(tree->n_pages, 0);
	CHECK_EQ(tree->height, 0);
	return n_called;
}

TEST(page_tree_one_page_needs_no_node)
{
	struct page_tree tree;

	fixture_begin(1, 16, 1);
	page_tree_init(&tree, account_root());
	CHECK_EQ(page_tree_get(&tree, 0), 0);
	CHECK_OK(page_tree_set(&tree, 0x7fff12345, 0x7fff12346));
	CHECK_EQ(heap_used_bytes(), 0);
	CHECK_EQ(page_tree_get(&tree, 0x7fff12345), 0x7fff12346);
	CHECK_EQ(page_tree_get(&tree, 0x7fff12344), 0);
	CHECK_EQ(tree_clear(&tree), 1);
	CHECK(fixture_end());
}

TEST(page_tree_grows_both_ways)
{
	struct page_tree tree;
	const uint64_t indices[] = { 1000, 999, 1001, 0, 5000, 1ull << 40, 17, (1ull << 48) - 1, 63,
		64 };

	fixture_begin(1, 16, 1);
	page_tree_init(&tree, account_root());
	for (unsigned i = 0; i < ARRAY_SIZE(indices); i++) {
		CHECK_OK(page_tree_set(&tree, indices[i], indices[i] + 1));
		for (unsigned j = 0; j <= i; j++) {
			CHECK_EQ(page_tree_get(&tree, indices[j]), indices[j] + 1);
		}
	}
	CHECK_EQ(tree_clear(&tree), ARRAY_SIZE(indices));
	CHECK(fixture_end());
}

TEST(page_tree_next_skips_holes)
{
	struct page_tree tree;
	uint64_t index, entry;

	fixture_begin(1, 16, 1);
	page_tree_init(&tree, account_root());
	CHECK(!page_tree_next(&tree, 0, ~0ull >> 12, &index, &entry));
	CHECK_OK(page_tree_set(&tree, 100, 101));
	CHECK_OK(page_tree_set(&tree, 100000, 100001));
	CHECK(page_tree_next(&tree, 0, 1u << 30, &index, &entry) && index == 100);
	CHECK(page_tree_next(&tree, 101, 1u << 30, &index, &entry) && index == 100000);
	CHECK(!page_tree_next(&tree, 101, 100000, &index, &entry));
	CHECK(!page_tree_next(&tree, 100001, 1u << 30, &index, &entry));
	CHECK_EQ(page_tree_count(&tree, 100, 100001), 2);
	CHECK_EQ(page_tree_count(&tree, 101, 100000), 0);
	tree_clear(&tree);
	CHECK(fixture_end());
}

constexpr uint64_t SPREAD = 20000;

TEST(page_tree_random_against_model)
{
	static bool is_present[SPREAD];
	struct random random;
	struct page_tree tree;
	uint64_t seed = test_seed(11);
	uint64_t base = 0x7f0000000 - SPREAD / 2;

	random_init(&random, seed);
	fixture_begin(1, 64, seed);
	page_tree_init(&tree, account_root());
	memset(is_present, 0, sizeof(is_present));
	for (unsigned step = 0; step < 30000; step++) {
		uint64_t at = random_u64(&random) % SPREAD;
		uint64_t end = min_u64(SPREAD, at + random_u64(&random) % 200);

		if (random_u64(&random) % 8 == 0) {
			uint64_t n_removed = 0;
			uint64_t n_expected = 0;

			for (uint64_t i = at; i < end; i++) {
				n_expected += is_present[i];
				is_present[i] = false;
			}
			page_tree_remove(&tree, base + at, base + end, ignore, &n_removed);
			CHECK_EQ(n_removed, n_expected);
		} else {
			CHECK_OK(page_tree_set(&tree, base + at, base + at + 1));
			is_present[at] = true;
		}
		uint64_t probe = random_u64(&random) % SPREAD;

		CHECK_EQ(page_tree_get(&tree, base + probe),
			is_present[probe] ? base + probe + 1 : 0);
	}
	uint64_t n_pages = 0;

	for (uint64_t i = 0; i < SPREAD; i++) {
		n_pages += is_present[i];
	}
	CHECK_EQ(tree.n_pages, n_pages);
	CHECK_EQ(page_tree_count(&tree, base, base + SPREAD), n_pages);
	CHECK_EQ(tree_clear(&tree), n_pages);
	CHECK(fixture_end());
}

TEST(page_tree_set_survives_no_memory)
{
	struct page_tree tree;

	fixture_begin(1, 16, 1);
	page_tree_init(&tree, account_root());
	CHECK_OK(page_tree_set(&tree, 5, 6));
	for (uint64_t n_allocations = 0;; n_allocations++) {
		fixture_fail_after(n_allocations);
		int error = page_tree_set(&tree, 1ull << 40, (1ull << 40) + 1);

		fixture_fail_after(~0ull);
		CHECK_EQ(page_tree_get(&tree, 5), 6);
		if (error == 0) {
			break;
		}
		CHECK_EQ(page_tree_get(&tree, 1ull << 40), 0);
		CHECK_EQ(tree.n_pages, 1);
	}
	CHECK_EQ(tree_clear(&tree), 2);
	CHECK(fixture_end());
}

TEST_MAIN()
