/* SPDX-License-Identifier: MIT */
/*
 * Random exchanges, closings, shut-downs and cancels by one thread, each result compared with the
 * reference model of ipc-model.h.
 */
#include "ipc-model.h"

constexpr uint32_t HANDLES_MAX = 40;
constexpr uint32_t STEPS = 400;

static struct user_queue queue;
static struct random random_state;
static uint64_t memory; /* where messages are: a tag each */
static struct {
	hel_handle handle;
	model_name name;
	uint64_t identity;
} held[HANDLES_MAX];
static uint32_t n_held;
static struct model_exchange *exchanges[MODEL_EXCHANGES_MAX];
static uint32_t n_exchanges;
static uint32_t next_tag;
static model_name n_events;
static uint64_t event_identities[256];

static uint64_t pick(uint64_t limit)
{
	return random_below(&random_state, limit);
}

static uint64_t identity_of(hel_handle handle)
{
	struct hel_descriptor_info info;

	CHECK_OK(hel_descriptor_info(HEL_THIS, handle, &info));
	return info.identity;
}

/* A handle that the kernel gave out; with too many one is closed at once. */
static void hold(hel_handle handle, model_name name)
{
	if (n_held == HANDLES_MAX) {
		CHECK_OK(hel_close(HEL_THIS, handle));
		model_unref(name);
		return;
	}
	held[n_held].handle = handle;
	held[n_held].name = name;
	held[n_held++].identity = identity_of(handle);
}

static void make_stream(void)
{
	struct hel_stream_lanes lanes;
	model_name first;

	if (n_held + 2 > HANDLES_MAX) {
		return;
	}
	CHECK_OK(hel_stream_create(&lanes));
	first = model_create_stream();
	hold(lanes.lane[0], first);
	hold(lanes.lane[1], first + 1);
}

static void make_event(void)
{
	hel_handle event;

	if (n_held == HANDLES_MAX || n_events == 200) {
		return;
	}
	CHECK_OK(hel_event_create(0, &event));
	n_events++;
	event_identities[n_events] = identity_of(event);
	hold(event, -n_events);
}

static void close_one(void)
{
	if (n_held == 0) {
		return;
	}
	uint32_t index = (uint32_t)pick(n_held);

	CHECK_OK(hel_close(HEL_THIS, held[index].handle));
	CHECK_EQ(hel_close(HEL_THIS, held[index].handle), -ERR_BAD_HANDLE);
	model_unref(held[index].name);
	held[index] = held[--n_held];
}

static int find_lane(void)
{
	for (uint32_t tries = 0; tries < 20 && n_held > 0; tries++) {
		uint32_t index = (uint32_t)pick(n_held);

		if (held[index].name > 0) {
			return (int)index;
		}
	}
	return -1;
}

/* ---- exchanges ------------------------------------------------------------------------------- */

static void make_action(struct model_exchange *exchange, uint32_t index, bool has_maker)
{
	static const uint16_t types[] = { HEL_ACTION_DISMISS, HEL_ACTION_OFFER, HEL_ACTION_OFFER,
		HEL_ACTION_ACCEPT, HEL_ACTION_ACCEPT, HEL_ACTION_SEND, HEL_ACTION_SEND,
		HEL_ACTION_RECEIVE_INLINE, HEL_ACTION_RECEIVE_INLINE, HEL_ACTION_PUSH,
		HEL_ACTION_PULL };
	struct model_action *action = &exchange->actions[index];

	*action = (struct model_action){ .wish.type = types[pick(ARRAY_SIZE(types))] };
	switch (action->wish.type) {
	case HEL_ACTION_SEND:
		action->tag = next_tag++;
		action->wish.address = memory + action->tag % 1024 * 4;
		action->wish.length = pick(8) == 0 ? 0 : 4;
		sim_store(action->wish.address, &action->tag, sizeof(action->tag));
		break;
	case HEL_ACTION_RECEIVE_INLINE: action->wish.length = pick(6) == 0 ? 3 : 16; break;
	case HEL_ACTION_PUSH:
		if (n_held == 0) {
			action->wish.type = HEL_ACTION_DISMISS;
			break;
		}
		uint32_t which = (uint32_t)pick(n_held);

		action->wish.handle = held[which].handle;
		action->name = held[which].name;
		break;
	case HEL_ACTION_OFFER:
	case HEL_ACTION_ACCEPT: action->wish.flags = pick(2) == 0 ? HEL_ACTION_WANT_LANE : 0; break;
	default: break;
	}
	if (has_maker && pick(3) != 0) {
		action->wish.flags |= HEL_ACTION_ANCILLARY;
	}
}

static void submit_one(void)
{
	struct hel_action actions[HEL_ACTIONS_MAX];
	int index = find_lane();

	if (index < 0 || n_exchanges == MODEL_EXCHANGES_MAX) {
		return;
	}
	struct model_exchange *exchange = calloc(1, sizeof(*exchange));
	bool has_maker = false;

	exchange->n_actions = 1 + (uint32_t)pick(4) + (pick(8) == 0 ? 6 : 0);
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		make_action(exchange, i, has_maker);
		actions[i] = exchange->actions[i].wish;
		has_maker |=
			actions[i].type == HEL_ACTION_OFFER || actions[i].type == HEL_ACTION_ACCEPT;
	}
	exchange->context =
		submit_exchange(&queue, held[index].handle, actions, exchange->n_actions);
	exchanges[n_exchanges++] = exchange;
	model_submit(exchange, held[index].name);
	CHECK_OK(queue_drive(&queue));
}

static void cancel_one(void)
{
	if (n_exchanges == 0) {
		return;
	}
	uint32_t n_recent = n_exchanges < 40 ? n_exchanges : 40;
	struct model_exchange *exchange = exchanges[n_exchanges - 1 - pick(n_recent)];

	submit_cancel(&queue, exchange->context);
	CHECK_OK(queue_drive(&queue));
	model_cancel(exchange);
}

static void shutdown_one(void)
{
	int index = find_lane();

	if (index >= 0 && pick(4) == 0) {
		CHECK_OK(hel_lane_shutdown(held[index].handle));
		model_shutdown(held[index].name);
	}
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool is_same_error(int is, int expected)
{
	if (expected == MODEL_HANG_UP) {
		return is == -ERR_LANE_SHUTDOWN || is == -ERR_END_OF_LANE;
	}
	return is == expected;
}

/* Whether the handle @value names what the model says. */
static void check_handle(hel_handle value, model_name name)
{
	if (name < 0) {
		CHECK_EQ(identity_of(value), event_identities[-name]);
	}
	for (uint32_t i = 0; i < n_held; i++) {
		CHECK((held[i].identity == identity_of(value)) == (held[i].name == name));
	}
	hold(value, name);
}

static void compare(const struct model_exchange *exchange, const struct completion *completion)
{
	CHECK_EQ(completion->error, 0);
	CHECK_EQ(completion->n_results, exchange->n_actions);
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		const struct model_action *action = &exchange->actions[i];
		const struct hel_result *result = &completion->results[i];

		CHECK(is_same_error(result->error, action->error));
		if (result->error != 0) {
			CHECK_EQ(result->value, 0);
			continue;
		}
		switch (action->wish.type) {
		case HEL_ACTION_OFFER:
		case HEL_ACTION_ACCEPT: CHECK_EQ(result->value != HEL_NULL, action->value); break;
		case HEL_ACTION_SEND: CHECK_EQ(result->value, action->value); break;
		case HEL_ACTION_RECEIVE_INLINE:
			CHECK_EQ(result->value, action->value);
			CHECK_EQ(result->inline_size, action->value);
			CHECK_MEM_EQ(completion->inline_data[i], &action->tag, action->value);
			break;
		default: break;
		}
	}
}

static void check_completions(void)
{
	struct completion completion;
	struct model_exchange *exchange;

	model_settle();
	while ((exchange = model_take_completed()) != NULL) {
		CHECK(queue_await(&queue, exchange->context, &completion));
		compare(exchange, &completion);
		for (uint32_t i = 0; i < exchange->n_actions; i++) {
			const struct model_action *action = &exchange->actions[i];

			if (completion.results[i].error == 0 && completion.results[i].value != 0 &&
				(action->wish.type == HEL_ACTION_PULL ||
					action->wish.type == HEL_ACTION_OFFER ||
					action->wish.type == HEL_ACTION_ACCEPT)) {
				check_handle(completion.results[i].value, action->kept);
			}
		}
		model_settle();
	}
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_is_quiet(&queue));
}

static void act(void)
{
	switch (pick(16)) {
	case 0: make_stream(); break;
	case 1: make_event(); break;
	case 2:
	case 3: close_one(); break;
	case 4: cancel_one(); break;
	case 5: shutdown_one(); break;
	default: submit_one(); break;
	}
}

static void play(UNUSED void *context)
{
	CHECK_OK(queue_open(&queue, 16, 16384, 16384));
	memory = user_map(1);
	make_stream();
	for (uint32_t step = 0; step < STEPS; step++) {
		act();
		check_completions();
		if (n_held < 2) {
			make_stream();
		}
	}
	while (n_held > 0) {
		close_one();
		check_completions();
	}
	queue_close(&queue);
}

static void reset(uint64_t seed)
{
	for (uint32_t i = 0; i < n_exchanges; i++) {
		free(exchanges[i]);
	}
	n_exchanges = 0;
	n_held = 0;
	n_events = 0;
	next_tag = 1;
	model_reset();
	random_init(&random_state, seed);
}

TEST(random_exchanges_follow_the_model)
{
	uint64_t seed = test_seed(1000);
	uint64_t n_rounds =
		getenv("TEST_ROUNDS") != NULL ? strtoull(getenv("TEST_ROUNDS"), NULL, 0) : 60;

	for (uint64_t round = 0; round < n_rounds; round++) {
		reset(seed + round);
		machine_begin(1, seed + round);
		if (getenv("TEST_LOG") != NULL) {
			printf("# seed %llu\n", (unsigned long long)(seed + round));
		}
		CHECK(machine_run(play, NULL));
		CHECK(machine_end());
	}
	reset(0);
}

TEST_MAIN()
