/* SPDX-License-Identifier: MIT */
/*
 * The last descriptor of an object is closed while others make one of it, at every atomic access:
 * either they come too late, or what they get is alive, with all that it had.
 */
#include "machine.h"

constexpr uint32_t TURNS = 150;
constexpr uint32_t ROUNDS = 8;
constexpr uint32_t TOKENS = 40; /* more than a universe closes at once */
constexpr hel_handle FIRST = (uint64_t)1 << 32;

enum step : uint32_t {
	STEP_TRANSFER,
	STEP_PUSH,
	STEP_GRANT,
	STEP_PUSH_GRANTED,
	STEP_THREAD,
	STEPS
};

static struct random random_state;
static const char *failure;
static hel_handle doomed; /* the closer closes it, and what it is of is alive until then */
static bool is_granted; /* it is under the grant: the closer may revoke that instead */
static struct hel_grant_handles granted;
static uint32_t turn, n_closed;
static uint32_t n_late, n_alive;
static struct user_queue queue;
static struct completion completion;

static void expect(bool is_true, const char *what)
{
	if (!is_true && failure == NULL) {
		failure = what;
	}
}

static void stagger(void)
{
	sim_compute(random_below(&random_state, 400));
}

/* ---- who closes --------------------------------------------------------------------- */

static void closer_main(UNUSED void *context)
{
	for (uint32_t i = 1; i <= TURNS && failure == NULL; i++) {
		while (turn != i && failure == NULL) {
			sim_compute(50);
		}
		stagger();
		if (is_granted && random_chance(&random_state, 2)) {
			expect(hel_grant_revoke(granted.grant) == 0, "revoke");
		}
		expect(hel_close(HEL_THIS, doomed) == 0, "close");
		n_closed++;
	}
}

/* ---- who makes ---------------------------------------------------------------------- */

static hel_handle make_token(void)
{
	hel_handle token = HEL_NULL;

	expect(hel_token_create(&token) == 0, "no token");
	return token;
}

static hel_handle make_universe(void)
{
	hel_handle universe = HEL_NULL, token = make_token(), ignored;

	expect(hel_universe_create(&universe) == 0, "no universe");
	for (uint32_t i = 0; i < TOKENS; i++) {
		expect(hel_transfer(HEL_THIS, token, universe, 0, &ignored) == 0, "no token in it");
	}
	expect(hel_close(HEL_THIS, token) == 0, "close");
	return universe;
}

/* Nothing of it is closed, and it takes more. */
static bool is_alive(hel_handle universe)
{
	struct hel_descriptor_info info;
	hel_handle token = make_token(), ignored;
	bool is_whole = true;

	for (uint32_t i = 0; i < TOKENS; i++) {
		is_whole = is_whole && hel_descriptor_info(universe, FIRST | i, &info) == 0 &&
			info.type == HEL_TYPE_TOKEN;
	}
	is_whole = hel_transfer(HEL_THIS, token, universe, 0, &ignored) == 0 && is_whole;
	expect(hel_close(HEL_THIS, token) == 0, "close");
	return is_whole;
}

static void check_made(int error, hel_handle universe)
{
	if (error == 0) {
		sim_compute(random_below(&random_state, 2000));
		expect(is_alive(universe), "what was handed out is dead");
		expect(hel_close(HEL_THIS, universe) == 0, "close");
		n_alive++;
	} else {
		expect(error == -ERR_BAD_HANDLE || (is_granted && error == -ERR_REVOKED),
			"the error");
		n_late++;
	}
}

/* What is under a grant that is revoked may be there no more; but if it is it is whole. */
static void check_made_granted(int error, hel_handle universe)
{
	struct hel_descriptor_info info;

	if (error == 0 && hel_descriptor_info(HEL_THIS, universe, &info) == -ERR_REVOKED) {
		expect(hel_close(HEL_THIS, universe) == 0, "close");
		return;
	}
	if (error == 0 && !is_alive(universe)) {
		expect(hel_descriptor_info(HEL_THIS, universe, &info) == -ERR_REVOKED,
			"what was handed out is dead");
		expect(hel_close(HEL_THIS, universe) == 0, "close");
		return;
	}
	check_made(error, universe);
}

static void transfer(void)
{
	hel_handle copy = HEL_NULL;
	int error = hel_transfer(HEL_THIS, doomed, HEL_THIS, 0, &copy);

	check_made(error, copy);
}

static void grant(void)
{
	struct hel_grant_handles made = {};
	int error = hel_grant_create(HEL_NULL, doomed, 0, 0, &made);

	check_made(error, made.handle);
	if (error == 0) {
		expect(hel_close(HEL_THIS, made.grant) == 0, "close");
	}
}

static void push(void)
{
	const struct hel_action push = PUSH(doomed), pull = PULL();
	struct hel_stream_lanes lanes = {};

	expect(hel_stream_create(&lanes) == 0, "no stream");
	uint64_t pushed = submit_exchange(&queue, lanes.lane[0], &push, 1);
	uint64_t pulled = submit_exchange(&queue, lanes.lane[1], &pull, 1);

	expect(queue_drive(&queue) == 0, "drive");
	expect(queue_await(&queue, pushed, &completion), "no completion");
	int error = completion.error;

	if (error != 0) {
		submit_cancel(&queue, pulled);
	}
	expect(queue_await(&queue, pulled, &completion), "no completion");
	hel_handle universe = completion.results[0].value;

	if (is_granted) {
		check_made_granted(error != 0 ? error : completion.results[0].error, universe);
	} else {
		check_made(error, universe);
	}
	expect(hel_close(HEL_THIS, lanes.lane[0]) == 0 && hel_close(HEL_THIS, lanes.lane[1]) == 0,
		"close");
}

static void thread_main(UNUSED void *context)
{
	struct hel_descriptor_info info;

	/* What the universe holds is its first, and it takes more. */
	expect(hel_descriptor_info(HEL_THIS, FIRST, &info) == 0 && info.type == HEL_TYPE_TOKEN,
		"a thread in a dead universe");
	make_token();
	n_alive++;
}

static void make_thread(void)
{
	struct hel_thread_args args = {
		.universe = doomed,
		.space = HEL_THIS,
		.ip = SIM_IP,
		.tls_base = sim_program_create(thread_main, NULL),
	};
	hel_handle thread;
	int error = hel_thread_create(&args, &thread);

	if (error == 0) {
		stagger();
		expect(hel_thread_start(thread) == 0, "start");
		expect(hel_close(HEL_THIS, thread) == 0, "close");
	} else {
		expect(error == -ERR_BAD_HANDLE, "the error");
		n_late++;
	}
}

static void take_turn(uint32_t number)
{
	enum step step = (enum step)random_below(&random_state, STEPS);

	doomed = make_universe();
	is_granted = step == STEP_PUSH_GRANTED;
	if (is_granted) {
		struct hel_grant_handles made = {};

		expect(hel_grant_create(HEL_NULL, doomed, 0, 0, &made) == 0, "no grant");
		expect(hel_close(HEL_THIS, doomed) == 0, "close");
		granted = made;
		doomed = granted.handle;
	}
	turn = number;
	stagger();
	switch (step) {
	case STEP_TRANSFER: transfer(); break;
	case STEP_GRANT: grant(); break;
	case STEP_THREAD: make_thread(); break;
	default: push(); break;
	}
	while (n_closed != number && failure == NULL) {
		sim_compute(50);
	}
	if (is_granted) {
		expect(hel_close(HEL_THIS, granted.grant) == 0, "close");
	}
}

static void maker_main(UNUSED void *context)
{
	expect(queue_open(&queue, 8, 4096, 4096) == 0, "no queue");
	expect(user_start(closer_main, NULL) != HEL_NULL, "no thread");
	for (uint32_t i = 1; i <= TURNS && failure == NULL; i++) {
		take_turn(i);
	}
	queue_close(&queue);
}

TEST(handles_made_while_the_last_is_closed)
{
	uint64_t seed = test_seed(1);

	n_late = 0;
	n_alive = 0;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		turn = 0;
		n_closed = 0;
		failure = NULL;
		random_init(&random_state, seed + round);
		machine_begin(2, seed + round);
		sim_interleave(2u << round % 5);
		CHECK(machine_run(maker_main, NULL));
		if (failure != NULL) {
			test_fail(
				__FILE__, __LINE__, "round %u, turn %u: %s", round, turn, failure);
		}
		CHECK(machine_end());
	}
	CHECK(n_late > TURNS);
	CHECK(n_alive > TURNS);
}

TEST_MAIN()
