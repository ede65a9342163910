/* SPDX-License-Identifier: MIT */
/* Accounts by themselves: limits, credit, ends. */
#include "support.h"

#include <base/random.h>
#include <thor/object/account.h>

static uint64_t used_of(struct account *account, enum account_resource resource)
{
	uint64_t used, limit;

	account_get(account, resource, &used, &limit);
	return used;
}

static struct account *child_of(struct account *parent)
{
	struct account *account = NULL;

	return account_create(parent, &account) == 0 ? account : NULL;
}

TEST(charges_up_to_the_limit_exactly)
{
	fixture_begin(1, 16, 1);
	struct account *account = child_of(account_root());

	CHECK(account != NULL);
	account_set_limit(account, ACCOUNT_PAGES, 100);
	for (uint64_t i = 0; i < 100; i++) {
		CHECK_OK(account_charge(account, ACCOUNT_PAGES, 1));
		CHECK_EQ(used_of(account, ACCOUNT_PAGES), i + 1);
	}
	CHECK_EQ(account_charge(account, ACCOUNT_PAGES, 1), -ERR_NO_MEMORY);
	account_uncharge(account, ACCOUNT_PAGES, 60);
	CHECK_EQ(account_charge(account, ACCOUNT_PAGES, 61), -ERR_NO_MEMORY);
	CHECK_OK(account_charge(account, ACCOUNT_PAGES, 60));
	CHECK_EQ(account_charge(account, ACCOUNT_PAGES, ACCOUNT_UNLIMITED / 2), -ERR_NO_MEMORY);
	account_uncharge(account, ACCOUNT_PAGES, 100);
	CHECK_EQ(used_of(account, ACCOUNT_PAGES), 0);
	account_retire(account);
	CHECK(fixture_end());
}

TEST(limit_of_a_parent_holds_for_its_children)
{
	fixture_begin(1, 16, 1);
	struct account *parent = child_of(account_root());
	struct account *a = child_of(parent);
	struct account *b = child_of(parent);

	account_set_limit(parent, ACCOUNT_OPERATIONS, 80);
	CHECK_OK(account_charge(a, ACCOUNT_OPERATIONS, 50));
	/* The rest, though it is less than a chunk. */
	CHECK_OK(account_charge(b, ACCOUNT_OPERATIONS, 16));
	CHECK_EQ(account_charge(b, ACCOUNT_OPERATIONS, 15), -ERR_NO_MEMORY);
	account_uncharge(a, ACCOUNT_OPERATIONS, 50);
	account_retire(a);
	CHECK_OK(account_charge(b, ACCOUNT_OPERATIONS, 64));
	CHECK_EQ(account_charge(b, ACCOUNT_OPERATIONS, 1), -ERR_NO_MEMORY);
	account_uncharge(b, ACCOUNT_OPERATIONS, 80);
	account_retire(b);
	account_retire(parent);
	CHECK(fixture_end());
}

TEST(lower_limit_takes_effect_when_enough_is_given_back)
{
	fixture_begin(1, 16, 1);
	struct account *account = child_of(account_root());

	CHECK_OK(account_charge(account, ACCOUNT_HANDLES, 30));
	account_set_limit(account, ACCOUNT_HANDLES, 20);
	CHECK_EQ(used_of(account, ACCOUNT_HANDLES), 30);
	CHECK_EQ(account_charge(account, ACCOUNT_HANDLES, 1), -ERR_NO_MEMORY);
	account_uncharge(account, ACCOUNT_HANDLES, 9);
	CHECK_EQ(account_charge(account, ACCOUNT_HANDLES, 1), -ERR_NO_MEMORY);
	account_uncharge(account, ACCOUNT_HANDLES, 2);
	CHECK_OK(account_charge(account, ACCOUNT_HANDLES, 1));
	CHECK_EQ(account_charge(account, ACCOUNT_HANDLES, 1), -ERR_NO_MEMORY);
	account_set_limit(account, ACCOUNT_HANDLES, 21);
	CHECK_OK(account_charge(account, ACCOUNT_HANDLES, 1));
	account_uncharge(account, ACCOUNT_HANDLES, 21);
	account_set_limit(account, ACCOUNT_HANDLES, 0);
	CHECK_EQ(account_charge(account, ACCOUNT_HANDLES, 1), -ERR_NO_MEMORY);
	account_set_limit(account, ACCOUNT_HANDLES, UINT64_MAX);
	CHECK_OK(account_charge(account, ACCOUNT_HANDLES, 1));
	account_uncharge(account, ACCOUNT_HANDLES, 1);
	account_retire(account);
	CHECK(fixture_end());
}

TEST(retired_account_lasts_as_long_as_charges)
{
	fixture_begin(1, 16, 1);
	struct account *parent = child_of(account_root());
	struct account *account = child_of(parent);
	uint64_t heap_bytes = heap_used_bytes();

	CHECK_OK(account_charge(account, ACCOUNT_PAGES, 3));
	CHECK_OK(account_charge(account, ACCOUNT_BYTES, 100));
	account_retire(account);
	account_retire(parent);
	CHECK_EQ(heap_used_bytes(), heap_bytes);
	CHECK_EQ(used_of(parent, ACCOUNT_PAGES), 3);
	account_uncharge(account, ACCOUNT_PAGES, 2);
	/* What is charged may cause more. */
	CHECK_OK(account_charge(account, ACCOUNT_PAGES, 1));
	account_uncharge(account, ACCOUNT_BYTES, 100);
	CHECK_EQ(used_of(parent, ACCOUNT_PAGES), 2);
	account_uncharge(account, ACCOUNT_PAGES, 2);
	CHECK(heap_used_bytes() < heap_bytes);
	CHECK(fixture_end());
}

TEST(nest_of_accounts_has_a_bottom)
{
	fixture_begin(1, 16, 1);
	struct account *accounts[ACCOUNT_DEPTH_MAX];
	struct account *parent = account_root();
	struct account *account;

	for (uint32_t i = 0; i < ACCOUNT_DEPTH_MAX; i++) {
		accounts[i] = child_of(parent);
		CHECK(accounts[i] != NULL);
		parent = accounts[i];
	}
	CHECK_EQ(account_create(parent, &account), -ERR_NO_SPACE);
	CHECK_OK(account_charge(parent, ACCOUNT_PAGES, 1000));
	account_set_limit(accounts[3], ACCOUNT_PAGES, 1100);
	CHECK_OK(account_charge(parent, ACCOUNT_PAGES, 100));
	CHECK_EQ(account_charge(parent, ACCOUNT_PAGES, 1), -ERR_NO_MEMORY);
	/* The lowest is the last to go, and takes the others along. */
	for (uint32_t i = 0; i < ACCOUNT_DEPTH_MAX; i++) {
		account_retire(accounts[i]);
	}
	account_uncharge(parent, ACCOUNT_PAGES, 1100);
	CHECK(fixture_end());
}

TEST(charge_and_allocation_undo_each_other)
{
	fixture_begin(1, 16, 1);
	struct account *account = child_of(account_root());

	fixture_fail_after(0);
	CHECK(account_allocate(account, 100) == NULL);
	CHECK_EQ(used_of(account, ACCOUNT_BYTES), 0);
	fixture_fail_after(~(uint64_t)0);
	account_set_limit(account, ACCOUNT_BYTES, 100);
	void *pointer = account_allocate(account, 100);

	CHECK(pointer != NULL);
	CHECK(account_allocate(account, 1) == NULL);
	account_free(account, pointer, 100);
	account_free(account, NULL, 100);
	CHECK_EQ(used_of(account, ACCOUNT_BYTES), 0);
	account_retire(account);
	CHECK(fixture_end());
}

/* Random charges in a random tree against plain sums. */
TEST(random_charges_agree_with_a_model)
{
	constexpr uint32_t n_accounts = 8;
	struct account *accounts[n_accounts] = { account_root() };
	uint32_t parents[n_accounts] = {};
	uint64_t used[n_accounts] = {}, limits[n_accounts];
	struct random random;

	fixture_begin(1, 16, 1);
	uint64_t used_at_start = used_of(account_root(), ACCOUNT_PAGES);

	random_init(&random, 4711);
	for (uint32_t i = 1; i < n_accounts; i++) {
		parents[i] = (uint32_t)random_below(&random, i);
		accounts[i] = child_of(accounts[parents[i]]);
		limits[i] = ACCOUNT_UNLIMITED;
	}
	for (uint32_t round = 0; round < 20'000; round++) {
		uint32_t i = 1 + (uint32_t)random_below(&random, n_accounts - 1);
		uint64_t n = random_below(&random, 200);

		switch (random_below(&random, 8)) {
		case 0:
			limits[i] = random_below(&random, 5000);
			account_set_limit(accounts[i], ACCOUNT_PAGES, limits[i]);
			break;
		case 1:
		case 2:
		case 3:
			n = n < used[i] ? n : used[i];
			account_uncharge(accounts[i], ACCOUNT_PAGES, n);
			used[i] -= n;
			break;
		default:
			if (account_charge(accounts[i], ACCOUNT_PAGES, n) == 0) {
				used[i] += n;
				CHECK(used_of(accounts[i], ACCOUNT_PAGES) <= limits[i]);
			}
		}
		CHECK(used_of(accounts[i], ACCOUNT_PAGES) >= used[i]);
	}
	for (uint32_t i = 1; i < n_accounts; i++) {
		account_uncharge(accounts[i], ACCOUNT_PAGES, used[i]);
		account_retire(accounts[i]);
	}
	CHECK_EQ(used_of(account_root(), ACCOUNT_PAGES), used_at_start);
	CHECK(fixture_end());
}

TEST_MAIN()
