/* SPDX-License-Identifier: MIT */
/* Spaces that another universe pays for: who is charged, where it stops, what is given back. */
#include "machine.h"

#include <base/string.h>
#include <thor/memory/memory-object.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;
constexpr uint64_t AREA = 0x1000'0000;
constexpr uint64_t N_PAGES = 100;

static const struct hel_limits unlimited = { HEL_UNLIMITED, HEL_UNLIMITED, HEL_UNLIMITED,
	HEL_UNLIMITED };

/* ---- slices ---------------------------------------------------------------------------------- */

/* Called instead of the clock where a long call might pause; it pauses then. */
static void (*on_pause)(void);

bool __real_sched_should_pause(uint64_t since_ns);
bool __wrap_sched_should_pause(uint64_t since_ns);

bool __wrap_sched_should_pause(uint64_t since_ns)
{
	if (on_pause == NULL) {
		return __real_sched_should_pause(since_ns);
	}
	on_pause();
	return true;
}

/* ---- helpers --------------------------------------------------------------------------------- */

static hel_handle payer_create(void)
{
	hel_handle universe;

	return hel_universe_create(&universe) == 0 ? universe : HEL_NULL;
}

static struct hel_limits used_by(hel_handle universe)
{
	struct hel_account_info info = {};

	CHECK_OK(hel_universe_account(universe, &info));
	return info.used;
}

/* Anonymous memory at AREA, present; what populating it says. */
static int fill(hel_handle space, uint64_t n_pages)
{
	struct hel_map_args args = {
		.space = space,
		.address = AREA,
		.size_bytes = n_pages * PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY | HEL_MAP_FIXED,
	};
	uint64_t address;
	int error = hel_space_map(&args, &address);

	return error != 0 ? error
			  : hel_space_populate(space, AREA, args.size_bytes, HEL_POPULATE_WRITE);
}

/* A space at the cost of @payer, with nothing but its root table. */
static hel_handle space_of(hel_handle payer)
{
	hel_handle space = HEL_NULL;

	CHECK_OK(hel_space_create(payer, &space));
	return space;
}

/* Objects that nobody names end on the way out of the next calls. */
static void settle(void)
{
	for (uint32_t i = 0; i < 100; i++) {
		(void)hel_thread_yield();
	}
}

/* ---- who pays -------------------------------------------------------------------------------- */

USER_TEST(space_and_pages_are_charged_to_the_payer)
{
	hel_handle payer = payer_create();
	struct hel_limits before = used_by(payer);
	hel_handle space = space_of(payer);
	struct hel_limits empty = used_by(payer);

	CHECK(empty.kernel_bytes > before.kernel_bytes);
	CHECK(empty.n_pages > before.n_pages);
	CHECK_EQ(empty.n_handles, before.n_handles);
	CHECK_OK(fill(space, N_PAGES));
	struct hel_limits full = used_by(payer);

	/* Its pages and their tables; the mapping, the object and the nodes of its tree. */
	CHECK(full.n_pages > empty.n_pages + N_PAGES);
	CHECK(full.n_pages <= empty.n_pages + N_PAGES + 4);
	CHECK(full.kernel_bytes > empty.kernel_bytes);
	CHECK_OK(hel_space_unmap(space, AREA, N_PAGES * PAGE));
	settle();
	CHECK(used_by(payer).n_pages <= empty.n_pages + 3);
	CHECK_OK(hel_close(HEL_THIS, space));
	settle();
	struct hel_limits after = used_by(payer);

	CHECK_MEM_EQ(&after, &before, sizeof(after));
	CHECK_OK(hel_close(HEL_THIS, payer));
}

USER_TEST(child_is_charged_to_its_own_payer)
{
	hel_handle payer = payer_create(), heir = payer_create();
	struct hel_limits before = used_by(heir);
	hel_handle space = space_of(payer), child, grandchild;

	CHECK_OK(fill(space, N_PAGES));
	struct hel_limits parent = used_by(payer);

	CHECK_OK(hel_space_fork(space, heir, &child));
	CHECK_EQ(used_by(payer).n_pages, parent.n_pages);
	CHECK_EQ(used_by(payer).kernel_bytes, parent.kernel_bytes);
	uint64_t n_shared = used_by(heir).n_pages;

	CHECK(n_shared >= before.n_pages + N_PAGES);
	/* A page that is shared is paid for already: copying it takes nothing more. */
	CHECK_OK(hel_space_populate(child, AREA, N_PAGES * PAGE, HEL_POPULATE_WRITE));
	CHECK_EQ(used_by(heir).n_pages, n_shared);
	CHECK_EQ(used_by(payer).n_pages, parent.n_pages);
	/* The caller's again, though the heir paid for what is forked. */
	CHECK_OK(hel_space_fork(child, HEL_THIS, &grandchild));
	CHECK_EQ(used_by(heir).n_pages, n_shared);
	CHECK_OK(hel_close(HEL_THIS, space));
	settle();
	CHECK_EQ(used_by(payer).n_pages, 0);
	CHECK_OK(hel_close(HEL_THIS, child));
	settle();
	struct hel_limits after = used_by(heir);

	CHECK_MEM_EQ(&after, &before, sizeof(after));
	CHECK_OK(hel_close(HEL_THIS, grandchild));
	CHECK_OK(hel_close(HEL_THIS, payer));
	CHECK_OK(hel_close(HEL_THIS, heir));
}

/* ---- a maker that may use next to nothing itself --------------------------------------------- */

struct maker {
	hel_handle payer; /* in its universe */
	bool has_ended;
};

static void maker_main(void *context)
{
	struct maker *maker = context;
	hel_handle space, child;

	CHECK_OK(hel_space_create(maker->payer, &space));
	struct hel_limits before = used_by(HEL_THIS);

	CHECK_OK(fill(space, N_PAGES));
	CHECK_EQ(used_by(HEL_THIS).kernel_bytes, before.kernel_bytes);
	CHECK_OK(hel_space_fork(space, maker->payer, &child));
	CHECK_EQ(hel_space_fork(space, HEL_THIS, &child), -ERR_NO_MEMORY);
	CHECK_EQ(used_by(HEL_THIS).n_pages, before.n_pages);
	maker->has_ended = true;
}

USER_TEST(caller_does_not_pay)
{
	static struct maker maker;
	struct hel_thread_args args = {
		.universe = payer_create(),
		.space = HEL_THIS,
		.ip = SIM_IP,
		.tls_base = sim_program_create(maker_main, &maker),
	};
	struct hel_limits limits = unlimited;
	hel_handle payer = payer_create(), thread;

	limits.n_pages = 10;
	CHECK_OK(hel_universe_set_limits(args.universe, &limits));
	CHECK_OK(hel_transfer(HEL_THIS, payer, args.universe, HEL_RIGHT_GRANT, &maker.payer));
	CHECK_OK(hel_thread_create(&args, &thread));
	CHECK_OK(hel_thread_start(thread));
	settle();
	CHECK(maker.has_ended);
	CHECK(used_by(payer).n_pages > 2 * N_PAGES);
	CHECK_OK(hel_close(HEL_THIS, args.universe));
	CHECK_OK(hel_close(HEL_THIS, thread));
	settle();
	CHECK_EQ(used_by(payer).n_pages, 0);
	CHECK_OK(hel_close(HEL_THIS, payer));
}

USER_TEST(payer_is_named_by_who_may_grant)
{
	hel_handle payer = payer_create(), space = HEL_NULL, weak, token;

	CHECK_OK(hel_token_create(&token));
	CHECK_OK(hel_transfer(HEL_THIS, payer, HEL_THIS, HEL_RIGHT_READ | HEL_RIGHT_TAKE, &weak));
	CHECK_EQ(hel_space_create(weak, &space), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_space_create(token, &space), -ERR_BAD_TYPE);
	CHECK_EQ(hel_space_create(HEL_NULL, &space), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_space_fork(HEL_THIS, weak, &space), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_space_fork(HEL_THIS, token, &space), -ERR_BAD_TYPE);
	CHECK_EQ(hel_space_fork(HEL_THIS, HEL_NULL, &space), -ERR_BAD_HANDLE);
	CHECK_EQ(space, HEL_NULL);
	CHECK_EQ(used_by(payer).n_pages, 0);
	CHECK_OK(hel_close(HEL_THIS, weak));
	CHECK_OK(hel_close(HEL_THIS, payer));
}

/* ---- limits ---------------------------------------------------------------------------------- */

USER_TEST(space_stops_at_its_payers_limit)
{
	struct hel_limits limits = unlimited;
	hel_handle payer = payer_create(), space, child = HEL_NULL;
	uint64_t byte = user_map(1);
	size_t n_bytes;

	limits.n_pages = 0;
	CHECK_OK(hel_universe_set_limits(payer, &limits));
	CHECK_EQ(hel_space_create(payer, &space), -ERR_NO_MEMORY);
	CHECK_EQ(hel_space_fork(HEL_THIS, payer, &child), -ERR_NO_MEMORY);
	limits.n_pages = 150;
	CHECK_OK(hel_universe_set_limits(payer, &limits));
	space = space_of(payer);
	CHECK_EQ(fill(space, 2 * N_PAGES), -ERR_NO_MEMORY);
	CHECK_EQ(used_by(payer).n_pages, 150);
	CHECK_EQ(hel_space_write(space, AREA + 199 * PAGE, (void *)byte, 1, &n_bytes),
		-ERR_NO_MEMORY);
	/* The child would be too much, for this payer. */
	CHECK_EQ(hel_space_fork(space, payer, &child), -ERR_NO_MEMORY);
	CHECK_EQ(child, HEL_NULL);
	CHECK_OK(hel_space_fork(space, HEL_THIS, &child));
	settle();
	CHECK_EQ(used_by(payer).n_pages, 150);
	limits.n_pages = 151;
	CHECK_OK(hel_universe_set_limits(payer, &limits));
	CHECK_OK(hel_space_write(space, AREA + 199 * PAGE, (void *)byte, 1, &n_bytes));
	CHECK_OK(hel_close(HEL_THIS, space));
	CHECK_OK(hel_close(HEL_THIS, child));
	CHECK_OK(hel_close(HEL_THIS, payer));
}

/* A universe that has ended goes on paying for what was made at its cost, also for more. */
USER_TEST(space_outlives_its_payer)
{
	hel_handle payer = payer_create();
	hel_handle space = space_of(payer), child;

	CHECK_OK(hel_close(HEL_THIS, payer));
	settle();
	CHECK_EQ(hel_space_fork(space, payer, &child), -ERR_BAD_HANDLE);
	CHECK_OK(fill(space, N_PAGES));
	CHECK_OK(hel_space_fork(space, HEL_THIS, &child));
	CHECK_OK(hel_close(HEL_THIS, space));
	settle();
	CHECK_OK(hel_space_populate(child, AREA, N_PAGES * PAGE, HEL_POPULATE_WRITE));
	CHECK_OK(hel_close(HEL_THIS, child));
}

/* ---- another payer half-way ------------------------------------------------------------------ */

constexpr uint32_t PAUSES_BEFORE_CHANGE = 3;

static uint64_t fork_arguments[6];
static hel_handle second_payer;
static uint32_t n_pauses;

static void change_payer(void)
{
	if (++n_pauses == PAUSES_BEFORE_CHANGE) {
		fork_arguments[1] = second_payer;
	}
}

/* As if somebody had written the registers of a thread while its call was paused. */
USER_TEST(fork_that_is_restarted_for_another_payer_begins_again)
{
	uint32_t slice_pages = memory__slice_pages;
	hel_handle first = payer_create();
	hel_handle space = space_of(HEL_THIS);

	CHECK_OK(fill(space, N_PAGES));
	second_payer = payer_create();
	struct hel_limits before = used_by(first);

	fork_arguments[0] = space;
	fork_arguments[1] = first;
	n_pauses = 0;
	memory__slice_pages = 7;
	on_pause = change_payer;
	struct hel_outcome outcome = hel_sim_call(HEL_CALL_space_fork, fork_arguments);

	on_pause = NULL;
	memory__slice_pages = slice_pages;
	CHECK_OK((int)outcome.error);
	CHECK(n_pauses > 2 * PAUSES_BEFORE_CHANGE);
	settle();
	struct hel_limits after = used_by(first);

	CHECK_MEM_EQ(&after, &before, sizeof(after));
	CHECK(used_by(second_payer).n_pages > N_PAGES);
	CHECK_OK(hel_close(HEL_THIS, outcome.value));
	settle();
	CHECK_EQ(used_by(second_payer).n_pages, 0);
	CHECK_OK(hel_close(HEL_THIS, first));
	CHECK_OK(hel_close(HEL_THIS, second_payer));
	CHECK_OK(hel_close(HEL_THIS, space));
}

TEST_MAIN()
