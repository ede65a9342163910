/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: exchanges with every action on objects of every type.
 *
 * Handles are picked from what there is, everything else comes from the input. Each record
 * completes exactly once for good, but for quiet ones, when all is cancelled in the end, and
 * nothing is left.
 */
#include "fuzz-machine.h"

constexpr uint32_t HANDLES = 24;
constexpr uint32_t RECORDS_MAX = 200;

static struct user_queue queue;
static uint64_t memory;
static hel_handle handles[HANDLES];
static uint8_t n_completions[RECORDS_MAX + 1];
static bool may_be_quiet[RECORDS_MAX + 1];
static uint32_t n_records;

static uint64_t next_address(void)
{
	uint8_t byte = fuzz_byte();

	switch (byte % 4) {
	case 0: return memory + byte * 16u;
	case 1: return memory + 4096 - byte;
	case 2: return memory + 2 * 4096 - byte; /* over the end */
	default: return (uint64_t)byte << (fuzz_byte() % 64);
	}
}

static uint64_t next_length(void)
{
	uint8_t byte = fuzz_byte();

	return byte < 128 ? byte : (uint64_t)byte << (fuzz_byte() % 64);
}

static void make_action(struct hel_action *action)
{
	*action = (struct hel_action){
		.type = fuzz_byte() % 13,
		.flags = fuzz_byte() % 8 & (fuzz_byte() % 8 | 3),
		.handle = handles[fuzz_byte() % HANDLES],
		.address = next_address(),
		.length = next_length(),
	};
}

/* One of those that have a short way, perhaps with something changed. */
static uint32_t make_shape(struct hel_action *actions, uint32_t *out_flags)
{
	constexpr uint16_t ancillary = HEL_ACTION_ANCILLARY;
	static const struct {
		uint32_t n_actions, flags;
		struct hel_action actions[3];
	} shapes[] = {
		{ 1, HEL_EXCHANGE_REPEAT, { { .type = HEL_ACTION_RECEIVE_INLINE } } },
		{ 2, HEL_EXCHANGE_REPEAT,
			{ { .type = HEL_ACTION_ACCEPT, .flags = HEL_ACTION_WANT_LANE },
				{ .type = HEL_ACTION_RECEIVE_INLINE, .flags = ancillary } } },
		{ 3, 0,
			{ { .type = HEL_ACTION_OFFER },
				{ .type = HEL_ACTION_SEND, .flags = ancillary },
				{ .type = HEL_ACTION_RECEIVE_INLINE, .flags = ancillary } } },
		{ 1, HEL_EXCHANGE_QUIET, { { .type = HEL_ACTION_SEND } } },
		{ 1, HEL_EXCHANGE_QUIET | HEL_EXCHANGE_CLOSE_LANE,
			{ { .type = HEL_ACTION_SEND } } },
	};
	uint32_t shape = fuzz_byte() % (uint32_t)ARRAY_SIZE(shapes);

	for (uint32_t i = 0; i < shapes[shape].n_actions; i++) {
		make_action(&actions[i]);
		actions[i].type = shapes[shape].actions[i].type;
		actions[i].flags = shapes[shape].actions[i].flags;
	}
	*out_flags = shapes[shape].flags;
	return shapes[shape].n_actions;
}

static void exchange(void)
{
	struct hel_action actions[HEL_ACTIONS_MAX];
	hel_handle lane = handles[fuzz_byte() % HANDLES];
	uint8_t kind = fuzz_byte();
	uint32_t n_actions = kind / 8 % HEL_ACTIONS_MAX + 1u;
	uint32_t flags = kind % 8 == 7 ? fuzz_byte() % 16 : 0;

	if (n_records == RECORDS_MAX) {
		return;
	}
	n_records++;
	if (kind % 8 < 4) {
		n_actions = make_shape(actions, &flags);
	} else {
		for (uint32_t i = 0; i < n_actions; i++) {
			make_action(&actions[i]);
		}
	}
	may_be_quiet[n_records] = (flags & HEL_EXCHANGE_QUIET) != 0;
	(void)submit_exchange_with(&queue, lane, actions, n_actions, flags);
}

static void take_completions(void)
{
	struct completion completion;

	while (queue_take(&queue, &completion)) {
		ASSERT(completion.context >= 1);
		ASSERT(completion.context <= n_records);
		if (!completion.has_more) {
			n_completions[completion.context]++;
		}
		ASSERT(n_completions[completion.context] == !completion.has_more);
		for (uint32_t i = 0; i < completion.n_results; i++) {
			if (completion.results[i].value >> 32 != 0) {
				handles[fuzz_byte() % HANDLES] = completion.results[i].value;
			}
		}
	}
}

static void cancel(uint64_t context)
{
	submit_cancel(&queue, context);
	queue.next_context = n_records + 1;
}

static void make_handles(void)
{
	struct hel_stream_lanes lanes;

	for (uint32_t i = 0; i < 16; i += 2) {
		ASSERT(hel_stream_create(&lanes) == 0);
		handles[i] = lanes.lane[0];
		handles[i + 1] = lanes.lane[1];
	}
	ASSERT(hel_event_create(0, &handles[16]) == 0);
	ASSERT(hel_token_create(&handles[17]) == 0);
	ASSERT(hel_universe_create(&handles[18]) == 0);
	handles[19] = queue.client.handle;
	handles[20] = HEL_THIS;
	handles[21] = HEL_NULL;
	handles[22] = machine_authority;
	ASSERT(hel_transfer(HEL_THIS, handles[0], HEL_THIS, HEL_RIGHT_INVOKE, &handles[23]) == 0);
}

void fuzz_play(UNUSED void *context)
{
	n_records = 0;
	memset(n_completions, 0, sizeof(n_completions));
	ASSERT(queue_open(&queue, 8, 32768, 16384) == 0);
	memory = user_map(2);
	make_handles();
	while (fuzz_n_left > 0) {
		switch (fuzz_byte() % 8) {
		case 0: (void)queue_drive(&queue); break;
		case 1: take_completions(); break;
		case 2: cancel(fuzz_byte()); break;
		case 3: {
			hel_handle handle = handles[fuzz_byte() % HANDLES];

			if (handle != queue.client.handle) {
				(void)hel_close(HEL_THIS, handle);
			}
			break;
		}
		default: exchange(); break;
		}
	}
	(void)queue_drive(&queue);
	for (uint32_t i = 1; i <= n_records; i++) {
		cancel(i);
	}
	(void)queue_drive(&queue);
	take_completions();
	for (uint32_t i = 1; i <= n_records; i++) {
		ASSERT(n_completions[i] == 1 || may_be_quiet[i]);
	}
	queue_close(&queue);
}
