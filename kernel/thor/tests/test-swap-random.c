/* SPDX-License-Identifier: MIT */
/*
 * Swappable memory of several users on interleaved CPUs: accesses, discards, moves, copies and
 * forks, under a swap manager that is slow and fails at random. TEST_SEED= repeats a run.
 */
#include "swap-server.h"

#include <base/string.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;
constexpr uint64_t USERS = 3;
constexpr uint64_t USER_PAGES = 1900;
constexpr uint64_t TURNS = 2500;
constexpr uint64_t COPY_PAGES = 40;

static uint64_t run_seed;
static uint32_t n_filled, n_done;
static const char *failure;

struct user {
	struct random random;
	uint64_t address, address_other; /* where it is, and where it moves to */
	uint64_t words[USER_PAGES];
	hel_handle copy; /* of the first pages of `memory`, and what they held */
	hel_handle memory;
	uint64_t memory_words[COPY_PAGES], copy_words[COPY_PAGES];
};

static struct user users[USERS];

static void expect(bool is_true, const char *what)
{
	if (!is_true && failure == NULL) {
		failure = what;
	}
}

static void user_access(struct user *user)
{
	uint64_t page = random_below(&user->random, USER_PAGES);
	uint64_t address = user->address + page * PAGE;

	if (random_chance(&user->random, 3)) {
		user->words[page] = random_u64(&user->random);
		swap_store(address, user->words[page]);
	} else {
		expect(swap_load(address) == user->words[page], "a page has lost a write");
	}
}

static void user_discard(struct user *user)
{
	uint64_t page = random_below(&user->random, USER_PAGES - 32);

	expect(hel_space_discard(HEL_THIS, user->address + page * PAGE, 32 * PAGE) == 0,
		"cannot discard");
	memset(&user->words[page], 0, 32 * sizeof(uint64_t));
}

static void user_move(struct user *user)
{
	uint64_t from = user->address;

	if (hel_space_move(HEL_THIS, from, USER_PAGES * PAGE, user->address_other,
		    USER_PAGES * PAGE) == 0) {
		user->address = user->address_other;
		user->address_other = from;
	}
}

/* Memory, a copy of it, and words written to both. */
static void user_copy(struct user *user)
{
	uint64_t page = random_below(&user->random, COPY_PAGES);
	uint64_t word;

	if (user->copy == HEL_NULL || random_chance(&user->random, 8)) {
		(void)hel_close(HEL_THIS, user->copy);
		expect(hel_memory_copy_on_write(user->memory, 0, COPY_PAGES * PAGE, &user->copy) ==
				0,
			"cannot copy");
		memcpy(user->copy_words, user->memory_words, sizeof(user->copy_words));
	}
	expect(hel_memory_read(user->copy, page * PAGE, &word, 8) == 0, "cannot read a copy");
	expect(word == user->copy_words[page], "a copy has lost a write");
	expect(hel_memory_read(user->memory, page * PAGE, &word, 8) == 0, "cannot read");
	expect(word == user->memory_words[page], "what was copied has lost a write");
	word = random_u64(&user->random);
	bool is_copy = random_chance(&user->random, 2);

	expect(hel_memory_write(is_copy ? user->copy : user->memory, page * PAGE, &word, 8) == 0,
		"cannot write");
	*(is_copy ? &user->copy_words[page] : &user->memory_words[page]) = word;
}

static void user_main(void *context)
{
	struct user *user = &users[(uint64_t)context];

	memset(user, 0, sizeof(*user));
	random_init(&user->random, run_seed * USERS + (uint64_t)context);
	/* Two places of its own, so that nobody maps something where it has just left. */
	user->address = 0x1000'0000'0000 * (1 + (uint64_t)context);
	user->address_other = user->address + GIB(1) + 5 * PAGE;
	expect(hel_space_move(HEL_THIS, swap_map(USER_PAGES), USER_PAGES * PAGE, user->address,
		       USER_PAGES * PAGE) == 0,
		"cannot move");
	expect(hel_memory_allocate(COPY_PAGES * PAGE, HEL_ALLOCATE_SWAPPABLE, &user->memory) == 0,
		"no memory");
	for (uint64_t i = 0; i < USER_PAGES; i++) {
		user->words[i] = i + 1;
		swap_store(user->address + i * PAGE, i + 1);
	}
	n_filled++;
	while (n_filled < USERS && failure == NULL) {
		sim_compute(100'000);
	}
	for (uint64_t i = 0; i < TURNS && failure == NULL; i++) {
		switch (random_below(&user->random, 40)) {
		case 0: user_discard(user); break;
		case 1: user_move(user); break;
		case 2:
		case 3:
		case 4: user_copy(user); break;
		default: user_access(user); break;
		}
	}
	(void)hel_close(HEL_THIS, user->memory);
	(void)hel_close(HEL_THIS, user->copy);
	(void)hel_space_unmap(HEL_THIS, user->address, USER_PAGES * PAGE);
	n_done++;
}

static void first_main(UNUSED void *context)
{
	struct random random;
	hel_handle child = HEL_NULL;

	random_init(&random, run_seed);
	swap_begin();
	n_filled = 0;
	n_done = 0;
	failure = NULL;
	for (uint64_t i = 0; i < USERS; i++) {
		CHECK(user_start(user_main, (void *)i) != HEL_NULL);
	}
	/* A child that nobody runs in makes them share their pages again and again. */
	for (uint32_t i = 0; n_done < USERS; i++) {
		sim_compute(2'000'000);
		swap_server.delay_ns = random_below(&random, 40'000);
		swap_server.fails_at_random = random_chance(&random, 4);
		if (i % 4 == 3) {
			(void)hel_close(HEL_THIS, child);
			if (hel_space_fork(HEL_THIS, HEL_THIS, &child) != 0) {
				child = HEL_NULL;
			}
		}
	}
	(void)hel_close(HEL_THIS, child);
	CHECK(swap_server.n_pages_read > 500);
	swap_end();
}

TEST(several_users_lose_nothing)
{
	for (uint64_t i = 0; i < 4; i++) {
		run_seed = test_seed(1) + i;
		machine_begin(1 + (uint32_t)(i % 3), run_seed);
		sim_interleave(i == 0 ? 0 : 16u << i);
		CHECK(machine_run(first_main, NULL));
		if (failure != NULL) {
			test_fail(__FILE__, __LINE__, "seed %llu: %s", (unsigned long long)run_seed,
				failure);
		}
		CHECK_EQ(n_done, USERS);
		CHECK(machine_end());
	}
}

TEST_MAIN()
