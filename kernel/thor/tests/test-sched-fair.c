/* SPDX-License-Identifier: MIT */
/*
 * The scheduler over a virtual clock: fairness, work conservation, affinity, priorities, stealing.
 *
 * Unfairness is computed here from the outside, as the handbook defines it: while n threads are
 * schedulable each gains dt / n, and the one that runs loses dt. On one CPU the sum over all
 * threads stays zero and none may stray far from it. On several, each CPU is fair to the threads
 * that are its own at the moment (current, ready in its tree, or lingering), and a thread takes
 * what it is owed along when another CPU steals it. What holds then is the rule for slices: nobody
 * who is ready on a CPU is owed more than two granularities more than the one who runs there.
 */
#include "machine.h"

#include <thor/cpu.h>
#include <thor/memory/memory.h>
#include <thor/object/universe.h>
#include <thor/sched/sched.h>

constexpr uint32_t THREADS_MAX = 16;
constexpr uint64_t MS = 1'000'000;
/* The one who runs goes on until the next best is better by a granularity, and so for that one. */
constexpr double UNFAIRNESS_BOUND_NS = 2.0 * SCHED_GRANULARITY_NS;
/* Who is behind by less than a granularity may still get a slice of one. */
constexpr double LEAD_BOUND_NS = 2.0 * SCHED_GRANULARITY_NS;

static struct actor {
	struct thread *thread;
	struct random random;
	double unfairness_ns, worst_ns;
	double local_unfairness_ns; /* among the threads of its CPU, whichever that was */
	uint64_t run_ns, ready_ns, longest_ready_ns;
	uint32_t n_bad_cpu, n_bad_priority;
	uint64_t until_ns; /* when it ends */
} actors[THREADS_MAX];
static uint32_t n_actors;
static uint64_t
	n_idle_with_ready; /* moments at which a CPU idled although a thread could have run there */
static uint64_t idle_ns;
static double worst_lead_ns; /* of what a ready thread was owed over the one that ran */

/* ---- the model ------------------------------------------------------------------------------- */

static bool is_running(const struct actor *actor)
{
	return atomic_load(&actor->thread->state) == THREAD_RUNNING;
}

static bool is_schedulable(const struct actor *actor)
{
	return is_running(actor) || atomic_load(&actor->thread->state) == THREAD_RUNNABLE;
}

static void observe_actor(struct actor *actor, uint64_t duration_ns, uint32_t n_schedulable)
{
	if (!is_schedulable(actor)) {
		actor->ready_ns = 0;
		return;
	}
	actor->unfairness_ns += (double)duration_ns / n_schedulable;
	if (is_running(actor)) {
		uint64_t affinity = atomic_load(&actor->thread->affinity);
		struct cpu *cpu = atomic_load(&actor->thread->on_cpu);

		actor->unfairness_ns -= (double)duration_ns;
		actor->run_ns += duration_ns;
		actor->ready_ns = 0;
		actor->n_bad_cpu += (affinity >> cpu->index & 1) == 0;
	} else {
		actor->ready_ns += duration_ns;
		actor->longest_ready_ns = max_u64(actor->longest_ready_ns, actor->ready_ns);
	}
	double size = actor->unfairness_ns < 0 ? -actor->unfairness_ns : actor->unfairness_ns;

	if (size > actor->worst_ns) {
		actor->worst_ns = size;
	}
}

/* A ready thread of higher priority than one that runs where it may run. */
static void observe_priorities(struct actor *ready)
{
	for (uint32_t i = 0; i < n_actors; i++) {
		struct cpu *cpu = atomic_load(&actors[i].thread->on_cpu);

		if (is_running(&actors[i]) &&
			actors[i].thread->ready_priority < atomic_load(&ready->thread->priority) &&
			(atomic_load(&ready->thread->affinity) >> cpu->index & 1) != 0) {
			ready->n_bad_priority++;
		}
	}
}

static void observe_idling(uint64_t duration_ns)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		if (cpu_table[i]->current != NULL) {
			continue;
		}
		idle_ns += duration_ns;
		for (uint32_t j = 0; j < n_actors; j++) {
			n_idle_with_ready += is_schedulable(&actors[j]) &&
				!is_running(&actors[j]) &&
				(atomic_load(&actors[j].thread->affinity) >> i & 1) != 0;
		}
	}
}

/* Whether a CPU has the thread: as the current one, lingering, or ready. */
static bool belongs_to(const struct actor *actor, const struct cpu *cpu)
{
	const struct run_queue *queue = &cpu->run_queue;

	if (cpu->current == actor->thread || queue->best == actor->thread ||
		(queue->is_lingering && queue->handoff == actor->thread)) {
		return true;
	}
	TREE_FOR_EACH(thread, &queue->ready, struct thread, ready_node) {
		if (thread == actor->thread) {
			return true;
		}
	}
	return false;
}

static void observe_cpu(const struct cpu *cpu, uint64_t duration_ns)
{
	struct actor *owned[THREADS_MAX];
	uint32_t n_owned = 0;

	for (uint32_t i = 0; i < n_actors; i++) {
		if (belongs_to(&actors[i], cpu)) {
			owned[n_owned++] = &actors[i];
		}
	}
	struct actor *running = NULL;
	double most_ns = -1e18;

	for (uint32_t i = 0; i < n_owned; i++) {
		struct actor *actor = owned[i];

		actor->local_unfairness_ns += (double)duration_ns / n_owned;
		if (cpu->current == actor->thread) {
			actor->local_unfairness_ns -= (double)duration_ns;
			running = actor;
		} else if (actor->local_unfairness_ns > most_ns) {
			most_ns = actor->local_unfairness_ns;
		}
	}
	if (running != NULL && most_ns - running->local_unfairness_ns > worst_lead_ns) {
		worst_lead_ns = most_ns - running->local_unfairness_ns;
	}
}

static void observe(uint64_t duration_ns, bool is_quiet)
{
	uint32_t n_schedulable = 0;

	for (uint32_t i = 0; i < n_actors; i++) {
		n_schedulable += is_schedulable(&actors[i]);
	}
	for (uint32_t i = 0; i < n_actors; i++) {
		observe_actor(&actors[i], duration_ns, n_schedulable);
		if (is_quiet && is_schedulable(&actors[i]) && !is_running(&actors[i])) {
			observe_priorities(&actors[i]);
		}
	}
	for (uint32_t i = 0; i < cpu_count; i++) {
		observe_cpu(cpu_table[i], duration_ns);
	}
	if (is_quiet) {
		observe_idling(duration_ns);
	}
}

/* ---- what threads do ------------------------------------------------------------------------- */

static void hog(void *context)
{
	struct actor *actor = context;

	while (sim_time_ns < actor->until_ns) {
		sim_compute(random_between(&actor->random, 1, 30 * MS));
	}
}

static void sleep_ns(uint64_t duration_ns)
{
	uint64_t word = user_map(1);
	uint32_t zero = 0;

	sim_store(word, &zero, sizeof(zero));
	(void)hel_futex_wait((const uint32_t *)word, 0, sim_time_ns + duration_ns, 1);
	(void)hel_space_unmap(HEL_THIS, word, 4096);
}

/* Computes, sleeps, yields. */
static void sleeper(void *context)
{
	struct actor *actor = context;

	while (sim_time_ns < actor->until_ns) {
		sim_compute(random_between(&actor->random, 1000, 6 * MS));
		switch (random_below(&actor->random, 4)) {
		case 0: sleep_ns(random_between(&actor->random, 1000, 20 * MS)); break;
		case 1: hel_thread_yield(); break;
		default: break;
		}
	}
}

/* Changes its own affinity, too. */
static void wanderer(void *context)
{
	struct actor *actor = context;

	while (sim_time_ns < actor->until_ns) {
		uint64_t mask = random_between(&actor->random, 1, ((uint64_t)1 << cpu_count) - 1);

		(void)hel_thread_set_affinity(HEL_THIS, mask);
		sim_compute(random_between(&actor->random, 1000, 6 * MS));
		if (random_chance(&actor->random, 3)) {
			sleep_ns(random_between(&actor->random, 1000, 5 * MS));
		}
	}
}

/* Changes its own priority. */
static void climber(void *context)
{
	struct actor *actor = context;

	while (sim_time_ns < actor->until_ns) {
		(void)hel_thread_set_priority(
			HEL_THIS, (int32_t)random_below(&actor->random, 5) - 2);
		sim_compute(random_between(&actor->random, 1000, 3 * MS));
		sleep_ns(random_between(&actor->random, 1000, 8 * MS));
	}
}

static uint64_t ring_address; /* a word of each actor, in their space */

/* Computes, wakes the next one and waits: the CPU is handed over, mostly at the end of a slice. */
static void waker(void *context)
{
	struct actor *actor = context;
	uint64_t index = (uint64_t)(actor - actors);

	if (ring_address == 0) {
		ring_address = user_map(1);
	}
	const uint32_t *own = (const uint32_t *)(ring_address + 4 * index);
	const uint32_t *next = (const uint32_t *)(ring_address + 4 * ((index + 1) % n_actors));

	while (sim_time_ns < actor->until_ns) {
		if (random_chance(&actor->random, 3)) {
			sim_compute(random_between(&actor->random, 1000, 2 * SCHED_GRANULARITY_NS));
		}
		(void)hel_futex_wake(next, 1, 1, NULL);
		(void)hel_futex_wait(
			own, 0, sim_time_ns + random_between(&actor->random, 1, 40) * MS / 10, 1);
	}
}

/* ---- running --------------------------------------------------------------------------------- */

static void begin(uint32_t n_cpus, uint64_t seed)
{
	machine_begin(n_cpus, seed);
	n_actors = 0;
	n_idle_with_ready = 0;
	idle_ns = 0;
	worst_lead_ns = 0;
	sim_on_advance(observe);
}

static void run(
	uint32_t n_threads, void (*main)(void *context), uint64_t duration_ns, uint64_t seed)
{
	struct universe *universe;
	struct space *space;

	CHECK_OK(universe_create(&universe));
	CHECK_OK(space_create(&space));
	for (uint32_t i = 0; i < n_threads; i++) {
		struct actor *actor = &actors[i];

		*actor = (struct actor){ .until_ns = sim_time_ns + duration_ns };
		random_init(&actor->random, seed * 100 + i);
		actor->thread = sim_spawn(universe, space, main, actor);
	}
	n_actors = n_threads;
	object_unref(&universe->object);
	object_unref((struct object *)space);
	CHECK(sim_execute(sim_time_ns + duration_ns, 50'000'000));
}

static void end(void)
{
	sim_on_advance(NULL);
	CHECK(machine_settle());
	for (uint32_t i = 0; i < n_actors; i++) {
		object_unref(&actors[i].thread->object);
	}
	CHECK(machine_end());
}

/* ---- one CPU --------------------------------------------------------------------------------- */

TEST(hogs_share_one_cpu)
{
	for (uint32_t n = 2; n <= THREADS_MAX; n = n * 2 - 1) {
		begin(1, n);
		run(n, hog, 4000 * MS, n);
		for (uint32_t i = 0; i < n; i++) {
			int64_t off_ns = (int64_t)actors[i].run_ns - (int64_t)(4000 * MS / n);

			CHECK(off_ns < (int64_t)(2 * SCHED_GRANULARITY_NS));
			CHECK(-off_ns < (int64_t)(2 * SCHED_GRANULARITY_NS));
			CHECK(actors[i].worst_ns <= UNFAIRNESS_BOUND_NS);
		}
		CHECK_EQ(n_idle_with_ready, 0);
		end();
	}
}

/* Nobody waits much longer than a round of slices. */
TEST(hogs_are_never_starved)
{
	begin(1, 3);
	run(8, hog, 4000 * MS, 3);
	for (uint32_t i = 0; i < 8; i++) {
		CHECK(actors[i].longest_ready_ns < 8 * 3 * SCHED_GRANULARITY_NS);
	}
	end();
}

TEST(unfairness_is_bounded_with_sleepers)
{
	uint64_t seed = test_seed(100);

	for (uint32_t round = 0; round < 12; round++) {
		uint32_t n = 2 + round % 7;

		begin(1, seed + round);
		run(n, sleeper, 3000 * MS, seed + round);
		for (uint32_t i = 0; i < n; i++) {
			if (getenv("TEST_LOG") != NULL) {
				printf("# n %u: worst %.1f ms, ready %.1f ms\n", n,
					actors[i].worst_ns / 1e6,
					(double)actors[i].longest_ready_ns / 1e6);
			}
			CHECK(actors[i].worst_ns <= UNFAIRNESS_BOUND_NS);
			CHECK(actors[i].n_bad_cpu == 0);
		}
		CHECK_EQ(n_idle_with_ready, 0);
		end();
	}
}

TEST(higher_priority_goes_first)
{
	uint64_t seed = test_seed(200);

	for (uint32_t round = 0; round < 6; round++) {
		begin(1, seed + round);
		run(6, climber, 2000 * MS, seed + round);
		for (uint32_t i = 0; i < 6; i++) {
			CHECK_EQ(actors[i].n_bad_priority, 0);
		}
		CHECK_EQ(n_idle_with_ready, 0);
		end();
	}
}

static uint32_t turns[64];
static uint32_t n_turns;

static void take_turns(void *context)
{
	struct actor *actor = context;

	for (uint32_t i = 0; i < 8; i++) {
		turns[n_turns++] = (uint32_t)(actor - actors);
		hel_thread_yield();
	}
}

/* A thread that yields lets each of the others go before it runs again. */
TEST(yield_lets_others_go)
{
	begin(1, 1);
	n_turns = 0;
	run(4, take_turns, 100 * MS, 1);
	CHECK_EQ(n_turns, 32);
	for (uint32_t i = 4; i < 28; i++) {
		CHECK(turns[i] != turns[i - 1]);
	}
	end();
}

static uint64_t ball; /* the word that two players pass on, in their space; 0: not yet mapped */

/* Waits until it is its turn, computes, and hands over to the other one. */
static void player(void *context)
{
	struct actor *actor = context;
	uint32_t side = (uint32_t)(actor - actors);

	if (side >= 2) {
		hog(context);
		return;
	}
	if (ball == 0) {
		ball = user_map(1);
	}
	while (sim_time_ns < actor->until_ns) {
		uint32_t turn, next = 1 - side;

		sim_load(&turn, ball, sizeof(turn));
		if (turn != side) {
			(void)hel_futex_wait((const uint32_t *)ball, turn, actor->until_ns, 1);
			continue;
		}
		sim_compute(random_between(&actor->random, 1000, MS / 2));
		sim_store(ball, &next, sizeof(next));
		(void)hel_futex_wake((const uint32_t *)ball, 1, 1, NULL);
	}
}

/* Two that hand over to each other, of whom one is ready at a time, take what one thread would. */
TEST(hand_off_does_not_spoil_fairness)
{
	for (uint32_t n = 3; n <= 5; n++) {
		uint64_t players_ns;

		begin(1, 700 + n);
		ball = 0;
		run(n, player, 3000 * MS, 700 + n);
		players_ns = actors[0].run_ns + actors[1].run_ns;
		for (uint32_t i = 2; i < n; i++) {
			int64_t off_ns = (int64_t)actors[i].run_ns - (int64_t)players_ns;

			CHECK(off_ns < (int64_t)(4 * SCHED_GRANULARITY_NS));
			CHECK(-off_ns < (int64_t)(4 * SCHED_GRANULARITY_NS));
		}
		CHECK(worst_lead_ns <= LEAD_BOUND_NS);
		end();
	}
}

/* ---- several CPUs ---------------------------------------------------------------------------- */

TEST(no_cpu_idles_while_a_thread_is_ready)
{
	uint64_t seed = test_seed(300);

	for (uint32_t n_cpus = 2; n_cpus <= 8; n_cpus++) {
		for (uint32_t round = 0; round < 4; round++) {
			uint32_t n = n_cpus - 1 + round * 3;

			begin(n_cpus, seed + round);
			sim_interleave(round % 2 == 0 ? 0 : 4);
			run(n < THREADS_MAX ? n : THREADS_MAX, sleeper, 800 * MS, seed + round);
			CHECK_EQ(n_idle_with_ready, 0);
			end();
		}
	}
}

TEST(threads_run_where_they_may)
{
	uint64_t seed = test_seed(400);

	for (uint32_t n_cpus = 1; n_cpus <= 8; n_cpus++) {
		begin(n_cpus, seed + n_cpus);
		run(2 * n_cpus < THREADS_MAX ? 2 * n_cpus : THREADS_MAX, wanderer, 800 * MS,
			seed + n_cpus);
		for (uint32_t i = 0; i < n_actors; i++) {
			CHECK(actors[i].run_ns > 0);
			CHECK_EQ(actors[i].n_bad_cpu, 0);
		}
		CHECK_EQ(n_idle_with_ready, 0);
		end();
	}
}

/* All start on one CPU; the others take theirs at once, and none is left alone with two. */
TEST(idle_cpus_steal)
{
	begin(4, 5);
	run(4, hog, 1000 * MS, 5);
	for (uint32_t i = 0; i < 4; i++) {
		CHECK(actors[i].run_ns > 990 * MS);
	}
	CHECK(idle_ns < 10 * MS);
	end();
}

/* Eight CPUs that keep stealing from each other: threads sleep, so some CPU is about to idle. */
TEST(stealing_keeps_the_unfairness_bound)
{
	uint64_t seed = test_seed(500);

	for (uint32_t round = 0; round < 8; round++) {
		begin(8, seed + round);
		sim_interleave(round % 2 == 0 ? 0 : 4);
		run(9 + round % 8, sleeper, 1500 * MS, seed + round);
		if (getenv("TEST_LOG") != NULL) {
			printf("# %u threads: lead %.2f ms\n", n_actors, worst_lead_ns / 1e6);
		}
		CHECK(worst_lead_ns <= LEAD_BOUND_NS);
		CHECK_EQ(n_idle_with_ready, 0);
		end();
	}
}

/*
 * Who hands its CPU over at the end of a slice may find that thieves have taken all who were ready;
 * the one handed to must not be among them.
 */
TEST(thieves_leave_the_one_handed_to)
{
	uint64_t seed = test_seed(700);

	for (uint32_t round = 0; round < 20; round++) {
		begin(3 + round % 6, seed + round);
		sim_on_advance(NULL); /* time passes in the middle of switches, too */
		sim_interleave(1 + round % 3);
		ring_address = 0;
		run(6 + round % 10, waker, 1500 * MS, seed + round);
		end();
	}
}

/* What all threads and the idle CPU have used is the time that passed, to the nanosecond. */
TEST(time_is_counted_exactly)
{
	for (uint32_t n = 1; n <= 6; n++) {
		uint64_t used_ns = 0, n_switches = 0;

		begin(1, 600 + n);
		uint64_t start_ns = cpu_table[0]->run_queue.counted_until_ns;
		uint64_t idle_at_start_ns = cpu_table[0]->statistics.idle_ns;
		uint64_t switches_at_start = cpu_table[0]->statistics.n_switches;

		run(n, sleeper, 500 * MS, 600 + n);
		for (uint32_t i = 0; i < n; i++) {
			struct hel_thread_stats stats;

			thread_get_stats(actors[i].thread, &stats);
			used_ns += stats.user_ns + stats.kernel_ns;
			n_switches += stats.n_switches;
		}
		used_ns += cpu_table[0]->statistics.idle_ns - idle_at_start_ns;
		CHECK_EQ(used_ns, cpu_table[0]->run_queue.counted_until_ns - start_ns);
		CHECK_EQ(n_switches, cpu_table[0]->statistics.n_switches - switches_at_start);
		end();
	}
}

/* Who never waits has its CPU taken away each time but, if it runs or has ended, the last. */
TEST(lost_turns_are_counted)
{
	begin(1, 700);
	run(3, hog, 500 * MS, 700);
	for (uint32_t i = 0; i < 3; i++) {
		struct hel_thread_stats stats;

		thread_get_stats(actors[i].thread, &stats);
		CHECK(stats.n_preempted > 3);
		CHECK(stats.n_switches - stats.n_preempted <= 1);
	}
	end();
	begin(2, 701);
	run(1, sleeper, 500 * MS, 701);
	struct hel_thread_stats stats;

	thread_get_stats(actors[0].thread, &stats);
	CHECK(stats.n_switches > 3);
	CHECK_EQ(stats.n_preempted, 0);
	end();
}

TEST_MAIN()
