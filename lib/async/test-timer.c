/* SPDX-License-Identifier: MIT */
/* Tests of the timer heap: random insertions and removals come out in order. */
#include <async/timer.h>
#include <base/random.h>
#include <base/testing.h>

#define N_TIMERS 300

/* Check heap order and links of a subtree, iteratively along siblings; returns its size. */
static size_t check_tree(const struct timer *timer, uint64_t deadline_min)
{
	size_t n_timers = 0;

	for (; timer != NULL; timer = timer->next) {
		CHECK(timer->deadline_ns >= deadline_min);
		CHECK(*timer->link == timer);
		n_timers += 1 + check_tree(timer->child, timer->deadline_ns);
	}
	return n_timers;
}

TEST(random_order_in_sorted_order_out)
{
	static struct timer timers[N_TIMERS];
	struct timer_heap heap = { 0 };
	struct random random;
	size_t n_armed = 0;

	random_init(&random, test_seed(4));
	for (int step = 0; step < 20000; step++) {
		struct timer *timer = &timers[random_below(&random, N_TIMERS)];

		if (timer_is_armed(timer)) {
			timer_heap_remove(&heap, timer);
			n_armed--;
		} else {
			timer->deadline_ns = random_below(&random, 1000);
			timer_heap_insert(&heap, timer);
			n_armed++;
		}
		if (step % 50 == 0) {
			CHECK_EQ(check_tree(heap.first, 0), n_armed);
		}
	}
	uint64_t previous_ns = 0;

	while (heap.first != NULL) {
		struct timer *timer = heap.first;

		CHECK(timer->deadline_ns >= previous_ns);
		previous_ns = timer->deadline_ns;
		timer_heap_remove(&heap, timer);
		CHECK(!timer_is_armed(timer));
		n_armed--;
	}
	CHECK_EQ(n_armed, 0);
}

TEST_MAIN()
