/* SPDX-License-Identifier: MIT */
/* The set of deadlines of a CPU, alone, with many timers, against a plain array. */
#include "machine.h"

#include <thor/time/timer-heap.h>

constexpr uint32_t TIMERS = 100'000;

static struct test_timer {
	struct timer timer;
	uint64_t deadline_ns; /* of the model: 0: not armed */
	uint32_t n_fired, n_done;
} timers[TIMERS];
static uint64_t now_ns, last_fired_ns;
static bool is_out_of_order;

static void on_fire(struct timer *timer)
{
	struct test_timer *test = container_of(timer, struct test_timer, timer);

	test->n_fired++;
	is_out_of_order |= test->deadline_ns > now_ns || test->deadline_ns < last_fired_ns;
	last_fired_ns = test->deadline_ns;
	test->deadline_ns = 0;
}

static void on_done(struct timer *timer)
{
	container_of(timer, struct test_timer, timer)->n_done++;
}

static void begin(void)
{
	machine_begin(2, 1);
	now_ns = 0;
	last_fired_ns = 0;
	is_out_of_order = false;
	for (uint32_t i = 0; i < TIMERS; i++) {
		timers[i] = (struct test_timer){};
		timer_init(&timers[i].timer, on_fire, on_done);
	}
}

static void expire(unsigned budget)
{
	last_fired_ns = 0;
	timer_heap_expire(&sim_cpu->timers, now_ns, budget);
}

TEST(many_timers_fire_in_order)
{
	struct random random;

	begin();
	random_init(&random, test_seed(11));
	for (uint32_t i = 0; i < TIMERS; i++) {
		timers[i].deadline_ns = random_between(&random, 1, 1'000'000);
		timer_arm(&timers[i].timer, timers[i].deadline_ns);
	}
	/* An AVL tree: taking one out looks at no more nodes than that. */
	CHECK(sim_cpu->timers.tree.root->height <= 25);
	while (now_ns < 1'000'000) {
		now_ns += random_below(&random, 5000);
		expire(~0u);
		CHECK(!is_out_of_order);
		CHECK(atomic_load(&sim_cpu->timers.first_ns) > now_ns);
	}
	for (uint32_t i = 0; i < TIMERS; i++) {
		CHECK_EQ(timers[i].n_fired, 1);
		CHECK_EQ(timers[i].n_done, 1);
	}
	CHECK_EQ(atomic_load(&sim_cpu->timers.first_ns), HEL_DEADLINE_NEVER);
	CHECK(machine_end());
}

/* Every second one of many is cancelled, from another CPU; only the others fire. */
TEST(many_timers_are_cancelled)
{
	struct random random;

	begin();
	random_init(&random, test_seed(13));
	for (uint32_t i = 0; i < TIMERS; i++) {
		timers[i].deadline_ns = random_between(&random, 1, 1'000'000);
		timer_arm(&timers[i].timer, timers[i].deadline_ns);
	}
	sim_switch_cpu(1);
	for (uint32_t i = 0; i < TIMERS; i += 2) {
		CHECK(timer_cancel(&timers[i].timer));
	}
	sim_switch_cpu(0);
	now_ns = 1'000'000;
	expire(~0u);
	for (uint32_t i = 0; i < TIMERS; i++) {
		CHECK_EQ(timers[i].n_fired, i % 2);
	}
	CHECK(sim_cpu->timers.tree.root == NULL);
	CHECK(machine_end());
}

/* A budget leaves the rest for later, the earliest first. */
TEST(expiry_keeps_to_its_budget)
{
	begin();
	for (uint32_t i = 0; i < 100; i++) {
		timers[i].deadline_ns = 100 - i;
		timer_arm(&timers[i].timer, 100 - i);
	}
	now_ns = 1000;
	for (uint32_t i = 0; i < 10; i++) {
		uint32_t n_fired = 0;

		expire(10);
		for (uint32_t j = 0; j < 100; j++) {
			n_fired += timers[j].n_fired;
		}
		CHECK_EQ(n_fired, (i + 1) * 10);
	}
	CHECK(!is_out_of_order);
	CHECK(machine_end());
}

static uint64_t model_first(void)
{
	uint64_t first_ns = HEL_DEADLINE_NEVER;

	for (uint32_t i = 0; i < 500; i++) {
		if (timers[i].deadline_ns != 0 && timers[i].deadline_ns < first_ns) {
			first_ns = timers[i].deadline_ns;
		}
	}
	return first_ns;
}

TEST(random_arming_and_cancelling)
{
	struct random random;

	begin();
	random_init(&random, test_seed(12));
	for (unsigned step = 0; step < 50'000; step++) {
		struct test_timer *test = &timers[random_below(&random, 500)];

		if (test->deadline_ns == 0) {
			CHECK(!timer_cancel(&test->timer));
			test->deadline_ns = now_ns + 1 + random_below(&random, 3000);
			timer_arm(&test->timer, test->deadline_ns);
		} else if (random_chance(&random, 3)) {
			/* from any CPU */
			sim_switch_cpu(1);
			CHECK(timer_cancel(&test->timer));
			sim_switch_cpu(0);
			test->deadline_ns = 0;
			CHECK(!timer_cancel(&test->timer));
		} else {
			now_ns += random_below(&random, 30);
			expire(~0u);
			CHECK(!is_out_of_order);
		}
		if (step % 16 == 0) {
			CHECK_EQ(atomic_load(&sim_cpu->timers.first_ns), model_first());
		}
	}
	for (uint32_t i = 0; i < 500; i++) {
		CHECK_EQ(timers[i].n_fired, timers[i].n_done);
		(void)timer_cancel(&timers[i].timer);
	}
	CHECK(machine_end());
}

/* Equal deadlines, and deadlines at the ends of time. */
TEST(timers_at_the_ends_of_time)
{
	begin();
	for (uint32_t i = 0; i < 64; i++) {
		timers[i].deadline_ns = i % 2 == 0 ? HEL_DEADLINE_NEVER : 5;
		timer_arm(&timers[i].timer, timers[i].deadline_ns);
	}
	timers[64].deadline_ns = 1;
	timer_arm(&timers[64].timer, 0);
	now_ns = 5;
	expire(~0u);
	for (uint32_t i = 0; i < 64; i++) {
		CHECK_EQ(timers[i].n_fired, i % 2);
	}
	CHECK_EQ(timers[64].n_fired, 1);
	for (uint32_t i = 0; i < 64; i += 2) {
		CHECK(timer_cancel(&timers[i].timer));
	}
	CHECK(machine_end());
}

/* Clock operations of two queues, 100,000 in all: cancelled by tag, by time, and by closing. */
constexpr uint32_t OPERATIONS_PER_QUEUE = 50'000;

static bool submit_many(struct user_queue *queue, uint64_t *out_first)
{
	for (uint32_t i = 0; i < OPERATIONS_PER_QUEUE; i++) {
		uint64_t context = submit_clock(queue, sim_time_ns + 1'000'000'000'000 + i);

		*out_first = i == 0 ? context : *out_first;
		if (i % 64 == 63 && queue_drive(queue) != 0) {
			return false;
		}
	}
	return queue_drive(queue) == 0;
}

USER_TEST(many_clock_operations_are_cancelled)
{
	static struct user_queue queues[2];
	struct completion completion;
	uint64_t first[2];

	for (uint32_t q = 0; q < 2; q++) {
		CHECK_OK(queue_open(&queues[q], 4, 4096, 4096));
		CHECK(submit_many(&queues[q], &first[q]));
	}
	for (uint32_t i = 0; i < OPERATIONS_PER_QUEUE; i += 2) {
		for (uint32_t q = 0; q < 2; q++) {
			submit_cancel(&queues[q], first[q] + i);
			CHECK_OK(queue_drive(&queues[q]));
			CHECK(queue_take(&queues[q], &completion));
			CHECK_EQ(completion.context, first[q] + i);
			CHECK_EQ(completion.error, -ERR_CANCELLED);
		}
	}
	for (uint32_t q = 0; q < 2; q++) {
		CHECK(queue_is_quiet(&queues[q]));
		queue_close(&queues[q]);
	}
}

TEST_MAIN()
