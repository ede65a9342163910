/* SPDX-License-Identifier: MIT */
/* Calls and operations that complete at once: the way into the kernel and through a queue. */
#include "bench.h"

constexpr uint64_t CALLS = 20'000;
constexpr uint64_t BATCHES = 500;
constexpr uint32_t BATCH = 64;

static void null_call(void)
{
	struct bench_sample sample;

	bench_begin(&sample);
	for (uint64_t i = 0; i < CALLS; i++) {
		hel_nop();
	}
	bench_end(&sample, "call.null", CALLS);
}

static void clock_call(void)
{
	struct bench_sample sample;
	uint64_t now_ns;

	bench_begin(&sample);
	for (uint64_t i = 0; i < CALLS; i++) {
		hel_clock_get(&now_ns);
	}
	bench_end(&sample, "call.clock_get", CALLS);
}

/* The smallest call that looks a handle up. */
static void handle_call(void)
{
	struct hel_descriptor_info info;
	struct bench_sample sample;

	bench_begin(&sample);
	for (uint64_t i = 0; i < CALLS; i++) {
		(void)!hel_descriptor_info(HEL_THIS, bench_authority, &info);
	}
	bench_end(&sample, "call.descriptor_info", CALLS);
}

static void nop_batch(struct hel_queue_client *queue)
{
	for (uint32_t i = 0; i < BATCH; i++) {
		(void)hel_queue_reserve(queue, HEL_SUBMIT_NOP, sizeof(struct hel_record), i);
	}
	hel_queue_commit(queue);
	hel_drive(queue->handle, 0, 0, 0, NULL);
	for (uint32_t i = 0; i < BATCH; i++) {
		const struct hel_element *element = hel_queue_take(queue);

		bench_require(element != NULL ? 0 : -ERR_ILLEGAL_STATE, "no completion");
		hel_queue_release(queue, element);
	}
}

static void nop_single(struct hel_queue_client *queue)
{
	(void)hel_queue_reserve(queue, HEL_SUBMIT_NOP, sizeof(struct hel_record), 0);
	hel_queue_commit(queue);
	hel_queue_release(queue, bench_drive(queue));
}

/* A timer that never expires, and the cancelling of it. */
static void timer_arm_cancel(struct hel_queue_client *queue)
{
	struct hel_await_clock_record *record =
		hel_queue_reserve(queue, HEL_SUBMIT_AWAIT_CLOCK, sizeof(*record), 1);

	record->deadline_ns = HEL_DEADLINE_NEVER - 1;
	(void)hel_queue_reserve(queue, HEL_SUBMIT_CANCEL, sizeof(struct hel_record), 1);
	hel_queue_commit(queue);
	hel_queue_release(queue, bench_drive(queue));
}

static void queue_benches(void)
{
	static const struct {
		const char *name;
		void (*run)(struct hel_queue_client *queue);
		uint64_t n_operations; /* of one run */
	} benches[] = {
		{ "nop.batch64", nop_batch, BATCH },
		{ "nop.single", nop_single, 1 },
		{ "timer.arm_cancel", timer_arm_cancel, 1 },
	};
	struct hel_queue_client queue;

	bench_queue_open(&queue);
	for (size_t i = 0; i < ARRAY_SIZE(benches); i++) {
		struct bench_sample sample;

		benches[i].run(&queue);
		bench_begin(&sample);
		for (uint64_t n = 0; n < BATCHES; n++) {
			benches[i].run(&queue);
		}
		bench_end(&sample, benches[i].name, BATCHES * benches[i].n_operations);
	}
	bench_queue_close(&queue);
}

void bench_calls(void)
{
	null_call();
	clock_call();
	handle_call();
	queue_benches();
}
