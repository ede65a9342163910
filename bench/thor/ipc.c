/* SPDX-License-Identifier: MIT */
/*
 * Messages between two spaces.
 *
 *	oneway        messages to and fro between two that wait in their queues: from before the
 *	              record is written to after the completion is taken on the other side
 *	conversation  offer, send, receive and reply; both sides wait in their queues
 *	send, push    a one-way message of some size, or a descriptor, and the wait for the next
 *
 * The two share memory for the time stamps.
 */
#include "bench.h"

constexpr uint64_t MESSAGES = 1'000;
constexpr uint32_t MESSAGE_BYTES = 64;
constexpr uint64_t LARGE_BYTES = MIB(1);

struct shared {
	_Atomic uint64_t arrived_ticks;
	_Atomic bool is_ending;
};

static struct shared *shared;
static struct hel_stream_lanes lanes, back;
static uint64_t buffer; /* of each space its own */
static uint64_t receive_bytes;

static struct hel_action send(uint64_t size)
{
	return (struct hel_action){ .type = HEL_ACTION_SEND, .address = buffer, .length = size };
}

static struct hel_action receive_inline(void)
{
	return (struct hel_action){
		.type = HEL_ACTION_RECEIVE_INLINE,
		.length = MESSAGE_BYTES,
	};
}

static struct hel_action ancillary(struct hel_action action)
{
	action.flags |= HEL_ACTION_ANCILLARY;
	return action;
}

/* ---- the other side -------------------------------------------------------------------------- */

/* Each message is answered by one on the other stream. */
static void answer_small(UNUSED void *argument)
{
	struct hel_action receive = receive_inline();
	struct hel_action answer = send(MESSAGE_BYTES);
	struct hel_queue_client queue;

	bench_queue_open(&queue);
	bench_exchange_with(&queue, lanes.lane[1], &receive, 1, HEL_EXCHANGE_REPEAT);
	for (;;) {
		const struct hel_element *element = bench_drive(&queue);

		if ((element->flags & HEL_ELEMENT_MORE) == 0) {
			break;
		}
		atomic_store_explicit(&shared->arrived_ticks, bench_ticks(), memory_order_relaxed);
		hel_queue_release(&queue, element);
		bench_exchange_with(&queue, back.lane[1], &answer, 1, HEL_EXCHANGE_QUIET);
	}
	bench_queue_close(&queue);
}

static void receive_large(UNUSED void *argument)
{
	struct hel_queue_client queue;
	struct hel_action action = {
		.type = HEL_ACTION_RECEIVE,
		.address = buffer,
		.length = receive_bytes,
	};

	bench_queue_open(&queue);
	while (!atomic_load(&shared->is_ending)) {
		bench_exchange(&queue, lanes.lane[1], &action, 1);
		hel_queue_release(&queue, bench_drive(&queue));
	}
}

static void pull(UNUSED void *argument)
{
	struct hel_queue_client queue;
	struct hel_action action = { .type = HEL_ACTION_PULL };

	bench_queue_open(&queue);
	while (!atomic_load(&shared->is_ending)) {
		bench_exchange(&queue, lanes.lane[1], &action, 1);
		const struct hel_element *element = bench_drive(&queue);
		struct hel_results results = hel_results_begin(element);

		hel_close(HEL_THIS, hel_results_next(&results)->value);
		hel_queue_release(&queue, element);
	}
}

static void serve(UNUSED void *argument)
{
	struct hel_action request[2] = {
		{ .type = HEL_ACTION_ACCEPT, .flags = HEL_ACTION_WANT_LANE },
		ancillary(receive_inline()),
	};
	struct hel_action reply = send(MESSAGE_BYTES);
	struct hel_queue_client queue;

	bench_queue_open(&queue);
	bench_exchange_with(&queue, lanes.lane[1], request, 2, HEL_EXCHANGE_REPEAT);
	for (;;) {
		const struct hel_element *element = bench_drive(&queue);

		if ((element->flags & HEL_ELEMENT_MORE) == 0) {
			break;
		}
		struct hel_results results = hel_results_begin(element);
		hel_handle lane = hel_results_next(&results)->value;

		hel_queue_release(&queue, element);
		bench_exchange_with(
			&queue, lane, &reply, 1, HEL_EXCHANGE_CLOSE_LANE | HEL_EXCHANGE_QUIET);
	}
	bench_queue_close(&queue);
}

/* ---- this side ------------------------------------------------------------------------------- */

static void exchange_once(
	struct hel_queue_client *queue, const struct hel_action *actions, uint32_t n_actions)
{
	bench_exchange(queue, lanes.lane[0], actions, n_actions);
	const struct hel_element *element = bench_drive(queue);

	bench_require(element->error, "exchange");
	hel_queue_release(queue, element);
}

static void oneway(struct hel_queue_client *queue)
{
	struct hel_action receive = receive_inline();
	struct hel_action message = send(MESSAGE_BYTES);
	uint64_t n_ticks = 0;

	bench_exchange_with(queue, back.lane[0], &receive, 1, HEL_EXCHANGE_REPEAT);
	for (uint64_t i = 0; i < MESSAGES + 10; i++) {
		uint64_t start = bench_ticks();

		bench_exchange_with(queue, lanes.lane[0], &message, 1, HEL_EXCHANGE_QUIET);
		hel_queue_release(queue, bench_drive(queue));
		n_ticks += i >= 10 ? atomic_load(&shared->arrived_ticks) - start : 0;
	}
	bench_report("ipc.oneway_64", n_ticks * 100 / MESSAGES, "instructions");
}

static void many(struct hel_queue_client *queue, const char *name, const struct hel_action *actions,
	uint32_t n_actions)
{
	struct bench_sample sample;
	uint64_t n_messages = receive_bytes > KIB(64) ? MESSAGES / 20 : MESSAGES;

	for (uint64_t i = 0; i < 10; i++) {
		exchange_once(queue, actions, n_actions);
	}
	bench_begin(&sample);
	for (uint64_t i = 0; i < n_messages; i++) {
		exchange_once(queue, actions, n_actions);
	}
	bench_end(&sample, name, n_messages);
}

static void conversation(struct hel_queue_client *queue)
{
	struct hel_action actions[3] = {
		{ .type = HEL_ACTION_OFFER },
		ancillary(send(MESSAGE_BYTES)),
		ancillary(receive_inline()),
	};

	many(queue, "ipc.conversation", actions, ARRAY_SIZE(actions));
}

static void push(struct hel_queue_client *queue)
{
	struct hel_action action = { .type = HEL_ACTION_PUSH, .handle = queue->handle };

	many(queue, "ipc.push", &action, 1);
}

static void send_64k(struct hel_queue_client *queue)
{
	struct hel_action action = send(KIB(64));

	many(queue, "ipc.send_64k", &action, 1);
}

static void send_1m(struct hel_queue_client *queue)
{
	struct hel_action action = send(MIB(1));

	many(queue, "ipc.send_1m", &action, 1);
}

static void copy(const char *name, uint64_t size)
{
	uint64_t target = bench_map(size, HEL_MAP_FORK_COPY);
	struct bench_sample sample;

	memcpy((void *)target, (const void *)buffer, size);
	bench_begin(&sample);
	for (unsigned i = 0; i < 20; i++) {
		memcpy((void *)target, (const void *)buffer, size);
	}
	bench_end(&sample, name, 20);
	bench_unmap(target, size);
}

/* Both sides of one measurement; the other one ends with an end of the stream at the latest. */
static void run(void (*other)(void *argument), int32_t priority,
	void (*here)(struct hel_queue_client *queue))
{
	struct bench_place place = { .is_in_own_space = true, .priority = priority, .cpu = -1 };
	struct bench_thread thread;
	struct hel_queue_client queue;

	bench_queue_open(&queue);
	bench_require(hel_stream_create(&lanes), "stream_create");
	bench_require(hel_stream_create(&back), "stream_create");
	atomic_store(&shared->is_ending, false);
	bench_thread_start(&thread, &place, other, NULL);
	here(&queue);
	atomic_store(&shared->is_ending, true);
	hel_close(HEL_THIS, lanes.lane[0]);
	bench_thread_join(&thread);
	hel_close(HEL_THIS, lanes.lane[1]);
	hel_close(HEL_THIS, back.lane[0]);
	hel_close(HEL_THIS, back.lane[1]);
	bench_queue_close(&queue);
}

void bench_ipc(void)
{
	shared = (struct shared *)bench_map(HEL_PAGE_SIZE, HEL_MAP_FORK_SHARE);
	buffer = bench_map(LARGE_BYTES, HEL_MAP_FORK_COPY);
	memset((void *)buffer, 1, LARGE_BYTES);
	receive_bytes = MESSAGE_BYTES;
	run(answer_small, 0, oneway);
	run(serve, 0, conversation);
	run(pull, 0, push);
	receive_bytes = KIB(64);
	run(receive_large, 0, send_64k);
	receive_bytes = MIB(1);
	run(receive_large, 0, send_1m);
	copy("memcpy.64k", KIB(64));
	copy("memcpy.1m", MIB(1));
	bench_unmap(buffer, LARGE_BYTES);
	bench_unmap((uint64_t)shared, HEL_PAGE_SIZE);
}
