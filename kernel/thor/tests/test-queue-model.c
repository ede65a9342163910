/* SPDX-License-Identifier: MIT */
/*
 * Random programs on events and a queue with few chunks, compared with a model after each step.
 *
 * The model knows each event's sequence, bits and waiters, and from these every completion with its
 * result, in order. The program takes elements when it likes and gives chunks back in any order, so
 * that completions often wait in the kernel for a chunk; none is lost, and none comes out of order.
 */
#include "machine.h"

constexpr uint32_t EVENTS = 4;
constexpr uint32_t EXPECTED_MAX = 2048;
constexpr uint32_t WAITERS_MAX = 64;
constexpr uint32_t HELD_MAX = 24;
constexpr uint32_t STEPS = 1500;

struct model_event {
	hel_handle handle;
	uint64_t sequence;
	uint32_t bits;
	uint32_t n_waiters;
	uint64_t waiters[WAITERS_MAX]; /* their contexts, in order */
};

struct expected {
	uint64_t context;
	int32_t error;
	uint32_t opcode, bits;
	uint64_t sequence;
};

static struct model_event events[EVENTS];
static struct expected expected[EXPECTED_MAX];
static uint32_t n_expected, n_seen;
static const struct hel_element *held[HELD_MAX];
static uint32_t n_held;
static struct user_queue queue;
static struct random random_state;

static uint32_t pick(uint32_t bound)
{
	return (uint32_t)random_below(&random_state, bound);
}

/* ---- the model ------------------------------------------------------------------------------- */

static void model_expect(
	uint64_t context, uint32_t opcode, int32_t error, const struct model_event *event)
{
	ASSERT(n_expected < EXPECTED_MAX);
	expected[n_expected++] = (struct expected){
		.context = context,
		.error = error,
		.opcode = opcode,
		.bits = event != NULL ? event->bits : 0,
		.sequence = event != NULL ? event->sequence : 0,
	};
}

static void model_raise(struct model_event *event, uint32_t bits)
{
	event->sequence++;
	event->bits |= bits;
	for (uint32_t i = 0; i < event->n_waiters; i++) {
		model_expect(event->waiters[i], HEL_SUBMIT_AWAIT_EVENT, 0, event);
	}
	if (event->n_waiters > 0) {
		event->bits = 0;
		event->n_waiters = 0;
	}
}

static void model_await(struct model_event *event, uint64_t context, uint64_t sequence)
{
	if (event->sequence == sequence) {
		event->waiters[event->n_waiters++] = context;
		return;
	}
	model_expect(context, HEL_SUBMIT_AWAIT_EVENT, 0, event);
	event->bits = 0;
}

static void model_cancel(uint64_t context)
{
	for (uint32_t i = 0; i < EVENTS; i++) {
		struct model_event *event = &events[i];

		for (uint32_t k = 0; k < event->n_waiters; k++) {
			if (event->waiters[k] == context) {
				model_expect(context, HEL_SUBMIT_AWAIT_EVENT, -ERR_CANCELLED, NULL);
				event->n_waiters--;
				memmove(&event->waiters[k], &event->waiters[k + 1],
					(event->n_waiters - k) * sizeof(event->waiters[0]));
				return;
			}
		}
	}
}

/* ---- the program ----------------------------------------------------------------------------- */

static void release(uint32_t index)
{
	hel_queue_release(&queue.client, held[index]);
	held[index] = held[--n_held];
}

/* The next element, if it is there; it is kept for a while. */
static bool take(void)
{
	const struct hel_element *element = hel_queue_take(&queue.client);

	if (element == NULL) {
		return false;
	}
	CHECK(n_seen < n_expected);
	const struct expected *want = &expected[n_seen++];

	CHECK_EQ(element->context, want->context);
	CHECK_EQ(element->opcode, want->opcode);
	CHECK_EQ(element->error, want->error);
	if (want->opcode == HEL_SUBMIT_AWAIT_EVENT && want->error == 0) {
		const struct hel_event_result *result = (const void *)(element + 1);

		CHECK_EQ(result->sequence, want->sequence);
		CHECK_EQ(result->bits, want->bits);
	}
	held[n_held++] = element;
	if (n_held == HELD_MAX) {
		release(pick(n_held));
	}
	return true;
}

static void submit(struct model_event *event)
{
	if (pick(3) == 0) {
		model_expect(submit_nop(&queue), HEL_SUBMIT_NOP, 0, NULL);
	} else if (event->n_waiters < WAITERS_MAX) {
		uint64_t sequence = pick(3) == 0 ? pick(8) : event->sequence;

		model_await(event, submit_event(&queue, event->handle, sequence), sequence);
	}
	CHECK_OK(queue_drive(&queue));
}

static void cancel(void)
{
	uint64_t next_context = queue.next_context;
	uint64_t context = next_context - min_u64(pick(40) + 1, next_context);

	submit_cancel(&queue, context);
	queue.next_context = next_context;
	model_cancel(context);
	CHECK_OK(queue_drive(&queue));
}

static void play(UNUSED void *context)
{
	CHECK_OK(queue_open(&queue, 3, 1024, 1024));
	for (uint32_t i = 0; i < EVENTS; i++) {
		events[i] = (struct model_event){};
		CHECK_OK(hel_event_create(0, &events[i].handle));
	}
	for (uint32_t i = 0; i < STEPS && n_expected < EXPECTED_MAX - EVENTS * WAITERS_MAX; i++) {
		struct model_event *event = &events[pick(EVENTS)];
		uint32_t bits = 1u << pick(32);

		switch (pick(8)) {
		case 0:
			CHECK_OK(hel_event_raise(event->handle, bits));
			model_raise(event, bits);
			break;
		case 1: cancel(); break;
		case 2:
		case 3: (void)take(); break;
		case 4:
			if (n_held > 0) {
				release(pick(n_held));
			}
			break;
		default: submit(event); break;
		}
	}
	/* The rest comes when there are chunks again. */
	while (n_seen < n_expected) {
		while (n_held > 0) {
			release(pick(n_held));
		}
		CHECK_OK(queue_drive(&queue));
		CHECK(take());
	}
	CHECK(hel_queue_take(&queue.client) == NULL);
	queue_close(&queue);
}

TEST(random_queue_and_events_follow_the_model)
{
	uint64_t seed = test_seed(1);

	for (uint64_t round = 0; round < 60; round++) {
		random_init(&random_state, seed + round);
		n_expected = 0;
		n_seen = 0;
		n_held = 0;
		machine_begin(1, seed + round);
		CHECK(machine_run(play, NULL));
		CHECK(machine_end());
	}
}

TEST_MAIN()
