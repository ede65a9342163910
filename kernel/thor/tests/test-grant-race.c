/* SPDX-License-Identifier: MIT */
/*
 * Grants that are revoked while others use what was granted, at every atomic access.
 *
 * The first thread grants an event and a lane, lets the others at them, and revokes after a while.
 * The others copy, send, await and close them as they like. Whatever they begin after the revoking
 * has returned is refused, what they have begun before ends, and nothing is left.
 */
#include "machine.h"

constexpr uint32_t TURNS = 200;
constexpr uint32_t ROUNDS = 8;
constexpr uint32_t USERS_MAX = 3;
constexpr uint32_t STEPS_MAX = 64; /* of each kind and user in a turn */

enum step : uint32_t {
	STEP_COPY,
	STEP_AWAIT,
	STEP_RECEIVE,
	STEP_PUSH,
	STEP_GRANT,
	STEP_INFO,
	STEPS
};

struct turn_user {
	struct user_queue queue;
	uint64_t contexts[STEPS_MAX]; /* that end by themselves */
	uint64_t pushes[STEPS_MAX]; /* that may wait for a peer */
	uint32_t n_contexts, n_pushes;
	hel_handle copies[STEPS_MAX];
	uint32_t n_copies;
};

static struct turn_user users[USERS_MAX];
static uint32_t n_users, n_users_done;
static uint32_t turn, n_steps;
static struct random random_state;
static struct hel_grant_handles granted_event, granted_lane;
static struct hel_stream_lanes lanes, ways;
static bool is_revoked; /* the call has returned */
static const char *failure;
static struct completion completion;

static void expect(bool is_true, const char *what)
{
	if (!is_true && failure == NULL) {
		failure = what;
	}
}

static void stagger(void)
{
	if (random_chance(&random_state, 2)) {
		sim_compute(random_below(&random_state, 500));
	}
}

static void keep(struct turn_user *user, bool was_revoked, int error, hel_handle handle)
{
	expect(error == 0 || error == -ERR_REVOKED, "a copy's error");
	expect(!was_revoked || error != 0, "a look-up succeeded after the end");
	if (error == 0) {
		user->copies[user->n_copies++] = handle;
	}
}

/* A push may leave a copy when it ends. */
static bool user_is_full(const struct turn_user *user)
{
	return user->n_contexts == STEPS_MAX || user->n_copies + user->n_pushes + 1 >= STEPS_MAX;
}

static void use(struct turn_user *user)
{
	const struct hel_action receive = RECEIVE_INLINE(8);
	const struct hel_action push = PUSH(granted_event.handle), pull = PULL();
	struct hel_grant_handles inner = {};
	struct hel_descriptor_info info;
	hel_handle handle = HEL_NULL;
	bool was_revoked = is_revoked;
	int error;

	switch (user_is_full(user) ? STEP_INFO : random_below(&random_state, STEPS)) {
	case STEP_COPY:
		error = hel_transfer(HEL_THIS, granted_event.handle, HEL_THIS, 0, &handle);
		keep(user, was_revoked, error, handle);
		return;
	case STEP_GRANT:
		error = hel_grant_create(
			HEL_NULL, granted_lane.handle, 0, HEL_GRANT_REVOKE_ON_CLOSE, &inner);
		keep(user, was_revoked, error, inner.grant);
		if (error == 0) {
			hel_close(HEL_THIS, inner.handle);
		}
		return;
	case STEP_AWAIT:
		user->contexts[user->n_contexts++] =
			submit_event(&user->queue, granted_event.handle, 0);
		break;
	case STEP_RECEIVE:
		user->contexts[user->n_contexts++] =
			submit_exchange(&user->queue, granted_lane.handle, &receive, 1);
		break;
	case STEP_PUSH: {
		unsigned side = (unsigned)random_below(&random_state, 2);

		user->pushes[user->n_pushes++] = submit_exchange(
			&user->queue, ways.lane[side], side == 0 ? &push : &pull, 1);
		break;
	}
	default:
		error = hel_descriptor_info(HEL_THIS, granted_lane.handle, &info);
		expect(error == (was_revoked ? -ERR_REVOKED : error), "an info after the end");
		return;
	}
	expect(queue_drive(&user->queue) == 0, "drive");
}

static void finish_operation(struct turn_user *user, uint64_t context)
{
	expect(queue_await(&user->queue, context, &completion), "no completion");
	expect(completion.error == 0 || completion.error == -ERR_REVOKED, "an operation's error");
	expect(completion.error != 0 || completion.n_results == 0 ||
			completion.results[0].error == -ERR_END_OF_LANE,
		"an action's error");
}

static void finish_push(struct turn_user *user, uint64_t context)
{
	submit_cancel(&user->queue, context);
	expect(queue_await(&user->queue, context, &completion), "no completion");
	if (completion.error == 0 && completion.results[0].error == 0 &&
		completion.results[0].value != 0) {
		user->copies[user->n_copies++] = completion.results[0].value;
	}
}

/* All that this user has begun ends, if what waits for a peer is cancelled. */
static void finish(struct turn_user *user)
{
	struct hel_descriptor_info info;

	for (uint32_t i = 0; i < user->n_contexts; i++) {
		finish_operation(user, user->contexts[i]);
	}
	for (uint32_t i = 0; i < user->n_pushes; i++) {
		finish_push(user, user->pushes[i]);
	}
	expect(queue_is_quiet(&user->queue), "more completions than operations");
	for (uint32_t i = 0; i < user->n_copies; i++) {
		int error = hel_descriptor_info(HEL_THIS, user->copies[i], &info);

		/* A grant below is nobody's descriptor but its maker's. */
		expect(error == -ERR_REVOKED || info.type == HEL_TYPE_GRANT, "a copy is alive");
		expect(hel_close(HEL_THIS, user->copies[i]) == 0, "close");
	}
	user->n_contexts = 0;
	user->n_pushes = 0;
	user->n_copies = 0;
}

static void user_main(void *context)
{
	struct turn_user *user = context;

	expect(queue_open(&user->queue, 8, 8192, 4096) == 0, "no queue");
	for (uint32_t i = 1; i <= TURNS && failure == NULL; i++) {
		while (turn != i && failure == NULL) {
			sim_compute(100);
		}
		for (uint32_t j = 0; (j < n_steps || !is_revoked) && failure == NULL; j++) {
			if (j < n_steps) {
				stagger();
				use(user);
			} else {
				sim_compute(100);
			}
		}
		use(user);
		finish(user);
		n_users_done++;
	}
	queue_close(&user->queue);
}

static struct hel_grant_handles grant(hel_handle handle)
{
	struct hel_grant_handles made = {};

	expect(hel_grant_create(HEL_NULL, handle, 0, 0, &made) == 0, "no grant");
	return made;
}

static struct hel_stream_lanes make_stream(void)
{
	struct hel_stream_lanes made = {};

	expect(hel_stream_create(&made) == 0, "no stream");
	return made;
}

static void close_pair(hel_handle a, hel_handle b)
{
	expect(hel_close(HEL_THIS, a) == 0 && hel_close(HEL_THIS, b) == 0, "close");
}

static void take_turn(uint32_t number)
{
	hel_handle event;

	expect(hel_event_create(0, &event) == 0, "no event");
	lanes = make_stream();
	ways = make_stream();
	granted_event = grant(event);
	granted_lane = grant(lanes.lane[1]);
	is_revoked = false;
	n_users_done = 0;
	n_steps = 1u << random_below(&random_state, 6);
	turn = number;
	stagger();
	if (random_chance(&random_state, 3)) {
		(void)hel_event_raise(event, 1);
	}
	sim_compute(random_below(&random_state, n_steps * 600));
	if (random_chance(&random_state, 2)) {
		expect(hel_grant_revoke(granted_lane.grant) == 0, "revoke");
		expect(hel_grant_revoke(granted_event.grant) == 0, "revoke");
	} else {
		expect(hel_grant_revoke(granted_event.grant) == 0, "revoke");
		expect(hel_grant_revoke(granted_lane.grant) == 0, "revoke");
	}
	is_revoked = true;
	while (n_users_done != n_users && failure == NULL) {
		sim_compute(100);
	}
	close_pair(granted_event.grant, granted_event.handle);
	close_pair(granted_lane.grant, granted_lane.handle);
	close_pair(lanes.lane[0], lanes.lane[1]);
	close_pair(ways.lane[0], ways.lane[1]);
	expect(hel_close(HEL_THIS, event) == 0, "close");
}

static void first_main(UNUSED void *context)
{
	for (uint32_t i = 0; i < n_users; i++) {
		expect(user_start(user_main, &users[i]) != HEL_NULL, "no thread");
	}
	for (uint32_t i = 1; i <= TURNS && failure == NULL; i++) {
		take_turn(i);
	}
}

TEST(revoking_against_all_uses)
{
	uint64_t seed = test_seed(1);

	for (uint32_t round = 0; round < ROUNDS; round++) {
		memset(users, 0, sizeof(users));
		n_users = 1 + round % USERS_MAX;
		turn = 0;
		failure = NULL;
		random_init(&random_state, seed + round);
		machine_begin(n_users + 1, seed + round);
		sim_interleave(2u << round);
		CHECK(machine_run(first_main, NULL));
		if (failure != NULL) {
			test_fail(
				__FILE__, __LINE__, "round %u, turn %u: %s", round, turn, failure);
		}
		CHECK(machine_end());
	}
}

TEST_MAIN()
