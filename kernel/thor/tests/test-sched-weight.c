/* SPDX-License-Identifier: MIT */
/*
 * Weights: shares of one CPU, who waits how long for whom, changes, stealing.
 *
 * As test-sched-fair.c, over the virtual clock and from the outside. While threads of a CPU that
 * weigh W together compete, each gains dt * w / W of its own time, and the one that runs loses dt;
 * weighted, both are times w0 / w. What holds on each CPU is the rule for slices: nobody who is
 * ready is owed more than the one who runs but for a granularity of either's own time, weighted.
 */
#include "machine.h"

#include <thor/cpu.h>
#include <thor/object/universe.h>
#include <thor/sched/sched.h>

constexpr uint32_t THREADS_MAX = 16;
constexpr uint64_t MS = 1'000'000;
constexpr double SLACK_NS = 10'000; /* of what is rounded */

/* Nice values -20, -10, -5, 0, 1, 5, 10 and 19 of Linux, and SCHED_IDLE. */
static const uint32_t weights[] = { 88761, 9548, 3121, 1024, 820, 335, 110, 15, 3 };

static struct actor {
	struct thread *thread;
	hel_handle handle; /* of it, in the universe of all */
	struct random random;
	uint32_t weight; /* what it starts with */
	uint32_t seen_weight;
	double owed_ns; /* weighted, among the threads of its CPU, whichever that was */
	uint64_t run_ns, ready_ns, longest_ready_ns;
	uint64_t n_turns;
	uint64_t until_ns; /* when it ends */
} actors[THREADS_MAX];
static uint32_t n_actors;
static struct universe *universe;
static struct space *space;
static double worst_excess_ns; /* of a lead over what it may be */
static double worst_error_ns; /* of what the kernel thinks that one is owed more than another */

/* ---- the model ------------------------------------------------------------------------------- */

static bool is_running(const struct actor *actor)
{
	return atomic_load(&actor->thread->state) == THREAD_RUNNING;
}

/* Whether a CPU has the thread: as the current one, lingering, or ready. */
static bool belongs_to(const struct actor *actor, const struct cpu *cpu)
{
	const struct run_queue *queue = &cpu->run_queue;

	if (cpu->current == actor->thread || queue->best == actor->thread ||
		(queue->is_lingering && queue->handoff == actor->thread)) {
		return true;
	}
	return atomic_load(&actor->thread->ready_in) == queue;
}

static double granularity_ns(const struct actor *actor)
{
	return (double)SCHED_GRANULARITY_NS * HEL_WEIGHT_DEFAULT / actor->seen_weight;
}

/* The weight has changed: neither measure of what it is owed becomes more. */
static void follow_weight(struct actor *actor)
{
	uint32_t weight = actor->thread->share.weight;

	if (weight > actor->seen_weight) {
		actor->owed_ns = actor->owed_ns * actor->seen_weight / weight;
	}
	actor->seen_weight = weight;
}

static void observe_lead(const struct actor *ready, const struct actor *running)
{
	double excess_ns =
		ready->owed_ns - running->owed_ns - granularity_ns(ready) - granularity_ns(running);

	if (atomic_load(&ready->thread->priority) == atomic_load(&running->thread->priority) &&
		excess_ns > worst_excess_ns) {
		worst_excess_ns = excess_ns;
	}
}

/* Two that are ready on a CPU: V is common to them, and their keys do not change. */
static void observe_keys(const struct actor *a, const struct actor *b)
{
	double error_ns = (double)(a->thread->key - b->thread->key) - (a->owed_ns - b->owed_ns);

	error_ns = error_ns < 0 ? -error_ns : error_ns;
	if (atomic_load(&a->thread->ready_in) != NULL &&
		atomic_load(&a->thread->ready_in) == atomic_load(&b->thread->ready_in) &&
		error_ns > worst_error_ns) {
		worst_error_ns = error_ns;
	}
}

static void observe_cpu(const struct cpu *cpu, uint64_t duration_ns)
{
	struct actor *owned[THREADS_MAX], *running = NULL;
	uint32_t n_owned = 0;
	double weight = 0;

	for (uint32_t i = 0; i < n_actors; i++) {
		if (belongs_to(&actors[i], cpu)) {
			follow_weight(&actors[i]);
			owned[n_owned++] = &actors[i];
			weight += actors[i].seen_weight;
			running = cpu->current == actors[i].thread ? &actors[i] : running;
		}
	}
	for (uint32_t i = 0; i < n_owned; i++) {
		owned[i]->owed_ns += (double)duration_ns * HEL_WEIGHT_DEFAULT / weight;
	}
	for (uint32_t i = 1; i < n_owned; i++) {
		observe_keys(owned[i - 1], owned[i]);
	}
	if (running == NULL) {
		return;
	}
	running->owed_ns -= (double)duration_ns * HEL_WEIGHT_DEFAULT / running->seen_weight;
	for (uint32_t i = 0; i < n_owned; i++) {
		if (owned[i] != running) {
			observe_lead(owned[i], running);
		}
	}
}

static void observe(uint64_t duration_ns, UNUSED bool is_quiet)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		observe_cpu(cpu_table[i], duration_ns);
	}
	for (uint32_t i = 0; i < n_actors; i++) {
		struct actor *actor = &actors[i];
		bool is_ready = atomic_load(&actor->thread->state) == THREAD_RUNNABLE;

		actor->run_ns += is_running(actor) ? duration_ns : 0;
		actor->ready_ns = is_ready ? actor->ready_ns + duration_ns : 0;
		actor->longest_ready_ns = max_u64(actor->longest_ready_ns, actor->ready_ns);
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

static void sleeper(void *context)
{
	struct actor *actor = context;

	while (sim_time_ns < actor->until_ns) {
		sim_compute(random_between(&actor->random, 1000, 6 * MS));
		if (random_chance(&actor->random, 3)) {
			sleep_ns(random_between(&actor->random, 1000, 20 * MS));
		}
	}
}

/* Short work, now and then: what waits for a key or a clock. */
static void ticker(void *context)
{
	struct actor *actor = context;

	while (sim_time_ns < actor->until_ns) {
		sim_compute(random_between(&actor->random, 1000, MS / 10));
		sleep_ns(random_between(&actor->random, MS / 10, 5 * MS));
		actor->n_turns++;
	}
}

/* Changes its own weight, or that of another one, whatever that does. */
static void changer(void *context)
{
	struct actor *actor = context;

	while (sim_time_ns < actor->until_ns) {
		struct actor *other = &actors[random_below(&actor->random, n_actors)];
		uint32_t weight = weights[random_below(&actor->random, ARRAY_SIZE(weights))];

		if (random_chance(&actor->random, 2)) {
			(void)hel_thread_set_weight(HEL_THIS, weight);
		} else {
			(void)hel_thread_set_weight(other->handle, weight);
		}
		sim_compute(random_between(&actor->random, 1000, 6 * MS));
		if (random_chance(&actor->random, 3)) {
			sleep_ns(random_between(&actor->random, 1000, 20 * MS));
		}
	}
}

/* ---- running --------------------------------------------------------------------------------- */

static void begin(uint32_t n_cpus, uint64_t seed)
{
	machine_begin(n_cpus, seed);
	n_actors = 0;
	worst_excess_ns = 0;
	worst_error_ns = 0;
	memset(actors, 0, sizeof(actors));
	CHECK_OK(universe_create(&universe));
	CHECK_OK(space_create(&space));
	sim_on_advance(observe);
}

/* The next thread, which weighs @weight. */
static struct actor *add(void (*main)(void *context), uint32_t weight, uint64_t seed)
{
	struct actor *actor = &actors[n_actors];

	actor->weight = weight;
	actor->seen_weight = HEL_WEIGHT_DEFAULT;
	random_init(&actor->random, seed * 100 + n_actors);
	actor->thread = sim_spawn(universe, space, main, actor);
	CHECK_OK(universe_attach(universe, &actor->thread->object, HEL_RIGHTS_ALL, &actor->handle));
	thread_set_weight(actor->thread, weight);
	n_actors++;
	return actor;
}

static void run(uint64_t duration_ns)
{
	for (uint32_t i = 0; i < n_actors; i++) {
		actors[i].until_ns = sim_time_ns + duration_ns;
	}
	CHECK(sim_execute(sim_time_ns + duration_ns, 50'000'000));
}

static void end(void)
{
	sim_on_advance(NULL);
	object_unref(&universe->object);
	object_unref((struct object *)space);
	CHECK(machine_settle());
	for (uint32_t i = 0; i < n_actors; i++) {
		object_unref(&actors[i].thread->object);
	}
	CHECK(machine_end());
}

static uint32_t random_weight(struct random *random)
{
	return weights[random_below(random, ARRAY_SIZE(weights))];
}

/* How far the run times are from the weights' shares of all of them, at most. */
static double worst_share_ns(void)
{
	double worst_ns = 0, weight = 0, used_ns = 0;

	for (uint32_t i = 0; i < n_actors; i++) {
		weight += actors[i].weight;
		used_ns += (double)actors[i].run_ns;
	}
	for (uint32_t i = 0; i < n_actors; i++) {
		double off_ns = (double)actors[i].run_ns - used_ns * actors[i].weight / weight;

		worst_ns = off_ns > worst_ns ? off_ns : -off_ns > worst_ns ? -off_ns : worst_ns;
	}
	return worst_ns;
}

/* ---- shares ---------------------------------------------------------------------------------- */

TEST(pairs_share_by_weight)
{
	static const uint32_t pairs[][2] = { { 1024, 820 }, { 1024, 335 }, { 1024, 15 },
		{ 1024, 3 }, { 88761, 1024 }, { 88761, 15 }, { 15, 15 }, { 88761, 88761 },
		{ 1, HEL_WEIGHT_MAX } };

	for (uint32_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		begin(1, i);
		add(hog, pairs[i][0], i);
		add(hog, pairs[i][1], i);
		run(20'000 * MS);
		if (getenv("TEST_LOG") != NULL) {
			printf("# %u and %u: %.3f and %.3f ms, off by %.3f\n", pairs[i][0],
				pairs[i][1], (double)actors[0].run_ns / 1e6,
				(double)actors[1].run_ns / 1e6, worst_share_ns() / 1e6);
		}
		CHECK(worst_share_ns() <= 2.0 * SCHED_GRANULARITY_NS);
		CHECK(worst_excess_ns <= SLACK_NS);
		CHECK(worst_error_ns <= SLACK_NS);
		end();
	}
}

TEST(many_share_by_weight)
{
	uint64_t seed = test_seed(800);
	struct random random;

	random_init(&random, seed);
	for (uint32_t n = 3; n <= THREADS_MAX; n++) {
		begin(1, seed + n);
		for (uint32_t i = 0; i < n; i++) {
			add(hog, random_weight(&random), seed + n);
		}
		run(20'000 * MS);
		if (getenv("TEST_LOG") != NULL) {
			printf("# %u: off by %.3f ms, excess %.3f ms\n", n, worst_share_ns() / 1e6,
				worst_excess_ns / 1e6);
		}
		CHECK(worst_share_ns() <= 2.0 * n * SCHED_GRANULARITY_NS);
		CHECK(worst_excess_ns <= SLACK_NS);
		CHECK(worst_error_ns <= SLACK_NS);
		end();
	}
}

/* Also among threads that come and go. */
TEST(sleepers_get_what_their_weight_is_worth)
{
	uint64_t seed = test_seed(820);
	struct random random;

	random_init(&random, seed);
	for (uint32_t round = 0; round < 12; round++) {
		begin(1, seed + round);
		for (uint32_t i = 0; i < 2 + round % 7; i++) {
			add(sleeper, random_weight(&random), seed + round);
		}
		run(3000 * MS);
		if (getenv("TEST_LOG") != NULL) {
			printf("# excess %.3f ms, error %.6f ms\n", worst_excess_ns / 1e6,
				worst_error_ns / 1e6);
		}
		CHECK(worst_excess_ns <= SLACK_NS);
		CHECK(worst_error_ns <= SLACK_NS);
		end();
	}
}

/* A priority is more than any weight. */
static void preferred(void *context)
{
	CHECK_OK(hel_thread_set_priority(HEL_THIS, 1));
	hog(context);
}

TEST(priority_goes_before_weight)
{
	begin(1, 1);
	add(preferred, 1, 1);
	add(hog, HEL_WEIGHT_MAX, 1);
	run(1000 * MS);
	CHECK(actors[0].run_ns > 999 * MS);
	CHECK_EQ(actors[1].run_ns, 0);
	end();
}

/* ---- who waits for whom ---------------------------------------------------------------------- */

/* However much a light thread computes, others get the CPU nearly as soon as without it. */
TEST(light_threads_do_not_delay)
{
	for (uint32_t weight = 3; weight <= 15; weight += 12) {
		begin(1, weight);
		add(ticker, HEL_WEIGHT_DEFAULT, weight);
		add(hog, weight, weight);
		add(hog, weight, weight);
		run(5000 * MS);
		CHECK(actors[0].longest_ready_ns <= SCHED_GRANULARITY_NS + MS / 10);
		CHECK(actors[0].n_turns > 1000);
		end();
	}
}

TEST(heavy_threads_starve_nobody)
{
	begin(1, 1);
	add(ticker, HEL_WEIGHT_DEFAULT, 1);
	add(hog, HEL_WEIGHT_DEFAULT, 1);
	add(hog, 88761, 1);
	run(5000 * MS);
	CHECK(actors[0].longest_ready_ns <= 3 * SCHED_SLICE_MAX_NS);
	CHECK(actors[0].n_turns > 50);
	CHECK(actors[1].run_ns > 20 * MS);
	end();
}

static uint64_t ball; /* the word that two players pass on, in their space; 0: not yet mapped */

/* Waits until it is its turn, computes, and hands over to the other one. */
static void play(struct actor *actor, uint32_t side)
{
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
		sim_compute(random_between(&actor->random, 1000, MS / 10));
		actor->n_turns++;
		sim_store(ball, &next, sizeof(next));
		(void)hel_futex_wake((const uint32_t *)ball, 1, 1, NULL);
	}
}

static void client(void *context)
{
	play(context, 0);
}

static void server(void *context)
{
	play(context, 1);
}

/*
 * A light client whose server weighs as much as others: what the server does for it is the
 * server's time, but a hand-off makes nobody run longer than its weight is worth.
 */
TEST(hand_off_keeps_shares)
{
	begin(1, 900);
	ball = 0;
	add(client, 15, 900);
	add(server, HEL_WEIGHT_DEFAULT, 900);
	add(hog, HEL_WEIGHT_DEFAULT, 900);
	run(20'000 * MS);
	if (getenv("TEST_LOG") != NULL) {
		printf("# error %.0f ns; client %.1f ms, server %.1f, hog %.1f\n", worst_error_ns,
			(double)actors[0].run_ns / 1e6, (double)actors[1].run_ns / 1e6,
			(double)actors[2].run_ns / 1e6);
	}
	CHECK(worst_excess_ns <= SLACK_NS);
	CHECK(worst_error_ns <= SLACK_NS);
	CHECK(actors[0].n_turns > 1000);
	CHECK(actors[2].run_ns > 19'000 * MS);
	end();
}

/* ---- changes --------------------------------------------------------------------------------- */

/* From the moment of the change on, whatever the thread does at that moment. */
TEST(changed_weights_count_at_once)
{
	uint64_t seed = test_seed(840);

	for (uint32_t round = 0; round < 12; round++) {
		begin(1, seed + round);
		for (uint32_t i = 0; i < 2 + round % 7; i++) {
			add(changer, HEL_WEIGHT_DEFAULT, seed + round);
		}
		run(3000 * MS);
		if (getenv("TEST_LOG") != NULL) {
			printf("# excess %.3f ms, error %.6f ms\n", worst_excess_ns / 1e6,
				worst_error_ns / 1e6);
		}
		CHECK(worst_excess_ns <= SLACK_NS);
		CHECK(worst_error_ns <= SLACK_NS);
		end();
	}
}

static uint64_t share_after_change(uint32_t before, uint32_t after)
{
	begin(1, before);
	add(hog, before, 1);
	add(hog, HEL_WEIGHT_DEFAULT, 1);
	run(2000 * MS);
	thread_set_weight(actors[0].thread, after);
	uint64_t start_ns = actors[0].run_ns;

	for (uint32_t i = 0; i < 2; i++) {
		actors[i].until_ns = sim_time_ns + 2000 * MS;
	}
	CHECK(sim_execute(sim_time_ns + 2000 * MS, 50'000'000));
	uint64_t run_ns = actors[0].run_ns - start_ns;

	end();
	return run_ns;
}

/* Neither does it starve then for what it got before, nor rule for what it was owed. */
TEST(changes_leave_no_debts)
{
	CHECK(share_after_change(88761, HEL_WEIGHT_DEFAULT) > 990 * MS);
	CHECK(share_after_change(15, HEL_WEIGHT_DEFAULT) < 1010 * MS);
	CHECK(share_after_change(88761, 15) > 20 * MS);
	CHECK(share_after_change(3, 3121) < 1510 * MS + 2000 * MS / 100);
}

/* Told at once, also of a thread that does not run. */
USER_TEST(weight_is_told)
{
	struct hel_thread_stats stats;
	hel_handle thread = user_start(sleeper, NULL);

	CHECK_OK(hel_thread_stats(HEL_THIS, &stats));
	CHECK_EQ(stats.weight, HEL_WEIGHT_DEFAULT);
	CHECK_OK(hel_thread_set_weight(HEL_THIS, HEL_WEIGHT_MAX));
	CHECK_OK(hel_thread_stats(HEL_THIS, &stats));
	CHECK_EQ(stats.weight, HEL_WEIGHT_MAX);
	CHECK_OK(hel_thread_kill(thread));
}

/* ---- several CPUs ---------------------------------------------------------------------------- */

/* Eight CPUs that keep stealing from each other, and whose threads change their weights. */
TEST(stealing_keeps_the_rule)
{
	uint64_t seed = test_seed(860);

	for (uint32_t round = 0; round < 8; round++) {
		begin(8, seed + round);
		sim_interleave(round % 2 == 0 ? 0 : 4);
		for (uint32_t i = 0; i < 9 + round % 8; i++) {
			add(changer, HEL_WEIGHT_DEFAULT, seed + round);
		}
		run(1500 * MS);
		if (getenv("TEST_LOG") != NULL) {
			printf("# %u threads: excess %.2f ms, error %.6f ms\n", n_actors,
				worst_excess_ns / 1e6, worst_error_ns / 1e6);
		}
		CHECK(worst_excess_ns <= SLACK_NS);
		/* While a ready thread is put forward its CPU may miss it for a moment. */
		CHECK(worst_error_ns <= MS / 2);
		end();
	}
}

/* A light thread alone on a CPU has all of it, and neither gains nor loses by that. */
TEST(being_alone_is_for_free)
{
	begin(1, 5);
	add(hog, 15, 5);
	run(5000 * MS);
	CHECK(actors[0].run_ns > 4999 * MS);
	add(hog, HEL_WEIGHT_DEFAULT, 6);
	run(5000 * MS);
	CHECK(actors[0].run_ns - 5000 * MS > 65 * MS);
	CHECK(actors[0].run_ns - 5000 * MS < 80 * MS);
	end();
}

TEST_MAIN()
