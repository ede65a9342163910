/* SPDX-License-Identifier: MIT */
/* Locks whose owners run with the priority of those who wait: who gets them, who is raised. */
#include "machine.h"

constexpr uint32_t WORKERS = 8;
constexpr uint32_t LOCKS = 4;

/* What a worker does: takes `wanted` in this order, then waits until it may go on. */
static struct worker {
	hel_handle thread;
	uint32_t number;
	uint32_t wanted[2]; /* locks, LOCKS: none */
	uint64_t deadline_ns;
	int result;
	uint32_t n_locked;
	bool waits_between;
	bool is_abandoned, is_done;
} workers[WORKERS];

static uint64_t words; /* address of the locks */

static uint64_t word_of(uint32_t lock)
{
	return words + lock * sizeof(uint32_t);
}

static uint32_t load(uint32_t lock)
{
	uint32_t value;

	sim_load(&value, word_of(lock), sizeof(value));
	return value;
}

static void store(uint32_t lock, uint32_t value)
{
	sim_store(word_of(lock), &value, sizeof(value));
}

/* As user mode does it; nobody else runs between a load and a store here. */
static int take(uint32_t lock, uint32_t number, uint64_t deadline_ns, bool *out_is_abandoned)
{
	for (;;) {
		uint32_t value = load(lock), is_abandoned;
		int error;

		if ((value & HEL_LOCK_OWNER) == 0) {
			store(lock, value | number);
			return 0;
		}
		store(lock, value | HEL_LOCK_WAITERS);
		error = hel_futex_lock((const uint32_t *)word_of(lock), value | HEL_LOCK_WAITERS,
			deadline_ns, &is_abandoned);
		if (error == 0 && is_abandoned != 0) {
			store(lock, (load(lock) & HEL_LOCK_WAITERS) | number);
			*out_is_abandoned = true;
		}
		if (error != -ERR_RETRY && error != -ERR_KICKED) {
			return error;
		}
	}
}

static void give(uint32_t lock)
{
	if ((load(lock) & HEL_LOCK_WAITERS) == 0) {
		store(lock, 0);
	} else {
		CHECK_OK(hel_futex_unlock((const uint32_t *)word_of(lock)));
	}
}

/* The word that says that a worker may give back what it has; it does not compute meanwhile. */
static uint64_t leave_of(const struct worker *worker)
{
	return word_of(LOCKS) + (uint64_t)(worker - workers) * sizeof(uint32_t);
}

static void wait_for_leave(const struct worker *worker)
{
	uint32_t may_go_on;

	do {
		(void)hel_futex_wait((const uint32_t *)leave_of(worker), 0, HEL_DEADLINE_NEVER, 1);
		sim_load(&may_go_on, leave_of(worker), sizeof(may_go_on));
	} while (may_go_on == 0);
}

static void allow(const struct worker *worker)
{
	const uint32_t yes = 1;

	sim_store(leave_of(worker), &yes, sizeof(yes));
	hel_futex_wake((const uint32_t *)leave_of(worker), 1, 1, NULL);
}

static void work(void *context)
{
	struct worker *worker = context;

	while (worker->n_locked < 2 && worker->wanted[worker->n_locked] != LOCKS) {
		while (worker->n_locked == 1 && worker->waits_between) {
			sim_compute(100'000);
		}
		worker->result = take(worker->wanted[worker->n_locked], worker->number,
			worker->deadline_ns, &worker->is_abandoned);
		if (worker->result != 0) {
			break;
		}
		worker->n_locked++;
	}
	wait_for_leave(worker);
	while (worker->n_locked > 0) {
		give(worker->wanted[--worker->n_locked]);
	}
	worker->is_done = true;
}

static void prepare(void)
{
	memset(workers, 0, sizeof(workers));
	words = user_map(1);
	for (uint32_t i = 0; i < LOCKS; i++) {
		store(i, 0);
	}
}

static struct worker *start(uint32_t i, int32_t priority, uint32_t first, uint32_t second)
{
	struct worker *worker = &workers[i];
	const uint32_t no = 0;

	*worker = (struct worker){
		.number = 100 + i,
		.wanted = { first, second },
		.deadline_ns = HEL_DEADLINE_NEVER,
		.result = 99,
	};
	sim_store(leave_of(worker), &no, sizeof(no));
	CHECK_OK(user_create(work, worker, &worker->thread));
	CHECK_OK(hel_futex_name(worker->thread, worker->number));
	CHECK_OK(hel_thread_set_priority(worker->thread, priority));
	CHECK_OK(hel_thread_start(worker->thread));
	return worker;
}

/* This program is below everybody, so that the others come to where they wait. */
static void settle(void)
{
	CHECK_OK(hel_thread_set_priority(HEL_THIS, -8));
	sim_compute(50'000'000);
}

static int32_t priority_of(const struct worker *worker)
{
	struct hel_thread_stats stats;

	CHECK_OK(hel_thread_stats(worker->thread, &stats));
	return stats.priority;
}

static void let_go(struct worker *worker)
{
	allow(worker);
	settle();
	CHECK(worker->is_done);
}

/* Workers that hold a lock compute: they must not keep this program from running. */
static struct worker *start_holder(uint32_t i, uint32_t first, uint32_t second)
{
	return start(i, -8, first, second);
}

USER_TEST(lock_is_handed_to_the_most_urgent)
{
	prepare();
	struct worker *holder = start_holder(0, 0, LOCKS);

	settle();
	struct worker *low = start(1, -3, 0, LOCKS), *high = start(2, 4, 0, LOCKS),
		      *later = start(3, 4, 0, LOCKS);

	allow(low);
	allow(high);
	allow(later);
	settle();
	CHECK_EQ(load(0), 100 | HEL_LOCK_WAITERS);
	CHECK_EQ(priority_of(holder), 4);
	CHECK(!low->is_done && !high->is_done);
	allow(holder);
	settle();
	CHECK(low->is_done && high->is_done && later->is_done && holder->is_done);
	CHECK_EQ(load(0), 0);
}

USER_TEST(lock_lends_priority_along_a_chain)
{
	prepare();
	struct worker *last = start_holder(0, 0, LOCKS);

	settle();
	struct worker *middle = start(1, -8, 1, 0);

	settle();
	struct worker *first = start(2, 5, 1, LOCKS);

	allow(first);
	CHECK_EQ(priority_of(middle), 5);
	CHECK_EQ(priority_of(last), 5);
	/* What it is set to meanwhile counts afterwards, or if it is more. */
	CHECK_OK(hel_thread_set_priority(last->thread, -7));
	CHECK_EQ(priority_of(last), 5);
	CHECK_OK(hel_thread_set_priority(first->thread, 6));
	CHECK_EQ(priority_of(last), 6);
	CHECK_OK(hel_thread_set_priority(first->thread, -6));
	CHECK_EQ(priority_of(last), -6);
	CHECK_EQ(priority_of(middle), -6);
	allow(middle);
	allow(last);
	settle();
	CHECK(first->is_done && middle->is_done && last->is_done);
}

USER_TEST(lock_takes_back_what_it_lent)
{
	prepare();
	struct worker *holder = start_holder(0, 0, 1);

	settle();
	struct worker *a = start(1, 5, 0, LOCKS), *b = start(2, 3, 1, LOCKS);

	a->deadline_ns = sim_time_ns + 200'000'000;
	settle();
	CHECK_EQ(priority_of(holder), 5);
	CHECK_OK(hel_thread_kill(a->thread));
	settle();
	CHECK_EQ(priority_of(holder), 3);
	CHECK_OK(hel_thread_kick(b->thread)); /* it waits again */
	settle();
	CHECK_EQ(priority_of(holder), 3);
	CHECK_OK(hel_thread_kill(b->thread));
	settle();
	CHECK_EQ(priority_of(holder), -8);
	let_go(holder);
	/* Nobody waits any more, which the bit does not say. */
	CHECK_EQ(load(0), 0);
	CHECK_EQ(load(1), 0);
}

USER_TEST(lock_of_a_thread_that_ends_is_abandoned)
{
	prepare();
	struct worker *holder = start_holder(0, 0, LOCKS);

	settle();
	struct worker *a = start(1, 2, 0, LOCKS), *b = start(2, 1, 0, LOCKS);

	settle();
	CHECK_OK(hel_thread_kill(holder->thread));
	CHECK_OK(hel_thread_set_priority(a->thread, -8));
	settle();
	CHECK(a->is_abandoned);
	CHECK_EQ(a->result, 0);
	CHECK_EQ(load(0), 101 | HEL_LOCK_WAITERS);
	CHECK_EQ(priority_of(a), 1);
	allow(b);
	let_go(a);
	CHECK(b->is_done && !b->is_abandoned);
}

USER_TEST(lock_refuses)
{
	const uint32_t *word;
	uint32_t is_abandoned;

	prepare();
	word = (const uint32_t *)words;
	store(0, 4711);
	CHECK_EQ(hel_futex_lock(word, 4711, 0, &is_abandoned), -ERR_ILLEGAL_STATE);
	CHECK_EQ(hel_futex_unlock(word), -ERR_NO_RIGHTS);
	struct worker *holder = start_holder(0, 1, LOCKS);
	struct worker *me = &workers[7];

	settle();
	CHECK_EQ(hel_futex_name(holder->thread, HEL_LOCK_OWNER + 1), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_name(machine_authority, 1), -ERR_BAD_TYPE);
	CHECK_EQ(hel_futex_name(HEL_NULL, 1), -ERR_BAD_HANDLE);
	/* One that may not wait for the lock of others. */
	*me = (struct worker){ .number = 107, .wanted = { 2, 1 }, .deadline_ns = 0 };
	CHECK_OK(user_create(work, me, &me->thread));
	CHECK_OK(hel_futex_name(me->thread, 107));
	CHECK_OK(hel_thread_start(me->thread));
	settle();
	CHECK_EQ(me->result, -ERR_TIMED_OUT);
	CHECK_EQ(priority_of(holder), -8);
	let_go(me);
	me = start(6, 0, 0, LOCKS); /* nobody has the number in that word */
	settle();
	CHECK_EQ(me->result, -ERR_NOT_FOUND);
	let_go(me);
	store(0, 105);
	me = start(5, 0, 0, LOCKS); /* it has the lock itself */
	settle();
	CHECK_EQ(me->result, -ERR_ILLEGAL_STATE);
	let_go(me);
	words += 2;
	CHECK_EQ(hel_futex_lock((const uint32_t *)words, 0, 0, &is_abandoned), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_unlock((const uint32_t *)words), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_unlock((const uint32_t *)8), -ERR_FAULT);
	words -= 2;
	let_go(holder);
}

USER_TEST(lock_needs_memory)
{
	const struct hel_limits limits = { 1, HEL_UNLIMITED, HEL_UNLIMITED, HEL_UNLIMITED };
	struct worker *poor = &workers[7];
	struct hel_thread_args args = { .space = HEL_THIS, .ip = SIM_IP };

	prepare();
	struct worker *holder = start_holder(0, 0, LOCKS);

	settle();
	*poor = (struct worker){
		.number = 107, .wanted = { 0, LOCKS }, .deadline_ns = HEL_DEADLINE_NEVER
	};
	args.tls_base = sim_program_create(work, poor);
	CHECK_OK(hel_universe_create(&args.universe));
	CHECK_OK(hel_thread_create(&args, &poor->thread));
	CHECK_OK(hel_futex_name(poor->thread, poor->number));
	CHECK_OK(hel_universe_set_limits(args.universe, &limits));
	CHECK_OK(hel_thread_start(poor->thread));
	settle();
	CHECK_EQ(poor->result, -ERR_NO_MEMORY);
	CHECK_EQ(priority_of(holder), -8);
	let_go(poor);
	let_go(holder);
}

USER_TEST(lock_finds_cycles)
{
	struct worker *holders[3];

	prepare();
	/* Each has a lock, and wants that of the next one. */
	for (uint32_t i = 0; i < 3; i++) {
		holders[i] = start_holder(i, i, (i + 1) % 3);
		holders[i]->waits_between = true;
	}
	settle();
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_EQ(holders[i]->n_locked, 1);
		allow(holders[i]);
		holders[i]->waits_between = false;
		settle();
	}
	CHECK_EQ(holders[2]->result, -ERR_ILLEGAL_STATE);
	CHECK(holders[0]->is_done && holders[1]->is_done && holders[2]->is_done);
	CHECK_EQ(holders[0]->result, 0);
}

/* ---- condition variables --------------------------------------------------------------------- */

constexpr uint32_t CONDITION = LOCKS + WORKERS; /* the index of its word */

static struct waiter {
	struct worker worker;
	uint32_t lock; /* where it goes when it is moved */
	uint32_t state; /* what it was told */
	bool has_returned;
} waiters[WORKERS];

static void wait_requeue(void *context)
{
	struct waiter *waiter = context;

	waiter->worker.result = hel_futex_wait_requeue((const uint32_t *)word_of(CONDITION), 0,
		waiter->worker.deadline_ns, (const uint32_t *)word_of(waiter->lock),
		&waiter->state);
	waiter->has_returned = true;
	if (waiter->worker.result == 0) {
		if ((waiter->state & HEL_FUTEX_ABANDONED) != 0) {
			store(waiter->lock,
				(load(waiter->lock) & HEL_LOCK_WAITERS) | waiter->worker.number);
		}
		give(waiter->lock);
	}
}

static struct waiter *start_waiter(
	uint32_t i, int32_t priority, uint32_t lock, uint64_t deadline_ns)
{
	struct waiter *waiter = &waiters[i];

	*waiter = (struct waiter){
		.worker = { .number = 200 + i, .result = 99, .deadline_ns = deadline_ns },
		.lock = lock,
	};
	CHECK_OK(user_create(wait_requeue, waiter, &waiter->worker.thread));
	CHECK_OK(hel_futex_name(waiter->worker.thread, waiter->worker.number));
	CHECK_OK(hel_thread_set_priority(waiter->worker.thread, priority));
	CHECK_OK(hel_thread_start(waiter->worker.thread));
	settle();
	return waiter;
}

/* One that moves waiters must have a number to know the owner by its. */
static struct mover {
	hel_handle thread;
	uint32_t expected, lock, lock_expected, n_max, count;
	int result;
} mover;

static void move(UNUSED void *context)
{
	mover.result = hel_futex_requeue_lock((const uint32_t *)word_of(CONDITION), mover.expected,
		(const uint32_t *)word_of(mover.lock), mover.lock_expected, mover.n_max,
		&mover.count);
}

static int move_to(uint32_t lock, uint32_t lock_expected, uint32_t n_max)
{
	mover = (struct mover){
		.lock = lock, .lock_expected = lock_expected, .n_max = n_max, .result = 99
	};
	CHECK_OK(user_create(move, NULL, &mover.thread));
	CHECK_OK(hel_futex_name(mover.thread, 300));
	CHECK_OK(hel_thread_start(mover.thread));
	settle();
	return mover.result;
}

static struct worker *start_owner(void)
{
	prepare();
	store(CONDITION, 0);
	struct worker *owner = start_holder(0, 0, LOCKS);

	settle();
	store(0, load(0) | HEL_LOCK_WAITERS);
	return owner;
}

USER_TEST(waiters_are_moved_to_a_lock)
{
	struct worker *owner = start_owner();
	struct waiter *low = start_waiter(0, -3, 0, HEL_DEADLINE_NEVER);
	struct waiter *high = start_waiter(1, 4, 0, HEL_DEADLINE_NEVER);
	struct waiter *later = start_waiter(2, 4, 0, HEL_DEADLINE_NEVER);
	uint32_t n_woken;

	CHECK_EQ(hel_futex_wake((const uint32_t *)word_of(CONDITION), 9, ~0u, &n_woken),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_requeue((const uint32_t *)word_of(CONDITION), 0,
			 (const uint32_t *)word_of(3), 0, 9, &n_woken),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(move_to(0, load(0), 1), 0);
	CHECK_EQ(mover.count, 1);
	CHECK_EQ(priority_of(owner), 4);
	CHECK_EQ(move_to(0, load(0), 1), 0);
	CHECK_EQ(mover.count, 1);
	CHECK(!low->has_returned && !high->has_returned && !later->has_returned);
	allow(owner);
	settle();
	CHECK(owner->is_done && high->has_returned && later->has_returned && !low->has_returned);
	CHECK_EQ(high->worker.result, 0);
	CHECK_EQ(high->state, HEL_FUTEX_MOVED);
	CHECK_EQ(load(0), 0);
	owner = start_holder(0, 0, LOCKS);
	settle();
	store(0, load(0) | HEL_LOCK_WAITERS);
	CHECK_EQ(move_to(0, load(0), 99), 0);
	CHECK_EQ(mover.count, 1);
	CHECK_EQ(move_to(0, load(0), 99), 0);
	CHECK_EQ(mover.count, 0);
	let_go(owner);
	CHECK_EQ(low->state, HEL_FUTEX_MOVED);
	CHECK_EQ(low->worker.result, 0);
}

USER_TEST(moved_waiters_end_otherwise)
{
	struct worker *owner = start_owner();
	struct waiter *late = start_waiter(0, 4, 0, sim_time_ns + 2'000'000'000);
	struct waiter *kicked = start_waiter(1, 3, 0, HEL_DEADLINE_NEVER);
	struct waiter *killed = start_waiter(2, 2, 0, HEL_DEADLINE_NEVER);
	struct waiter *other = start_waiter(3, 5, 0, sim_time_ns + 100'000'000);
	struct waiter *early = start_waiter(4, 5, 0, HEL_DEADLINE_NEVER);

	CHECK_OK(hel_thread_kick(early->worker.thread));
	settle();
	settle();
	CHECK_EQ(early->worker.result, -ERR_KICKED);
	CHECK_EQ(early->state, 0);
	CHECK_EQ(other->worker.result, -ERR_TIMED_OUT);
	CHECK_EQ(other->state, 0);
	CHECK_EQ(move_to(0, load(0), 99), 0);
	CHECK_EQ(mover.count, 3);
	CHECK_EQ(priority_of(owner), 4);
	while (!late->has_returned) {
		settle();
	}
	CHECK_EQ(late->worker.result, -ERR_TIMED_OUT);
	CHECK_EQ(late->state, HEL_FUTEX_MOVED);
	CHECK_EQ(priority_of(owner), 3);
	CHECK_OK(hel_thread_kick(kicked->worker.thread));
	settle();
	CHECK_EQ(kicked->worker.result, -ERR_KICKED);
	CHECK_EQ(kicked->state, HEL_FUTEX_MOVED);
	CHECK_OK(hel_thread_kill(killed->worker.thread));
	settle();
	CHECK_EQ(priority_of(owner), -8);
	killed = start_waiter(2, 2, 0, HEL_DEADLINE_NEVER);
	CHECK_OK(hel_thread_kill(killed->worker.thread));
	settle();
	let_go(owner);
}

USER_TEST(moved_waiters_get_what_was_abandoned)
{
	struct worker *owner = start_owner();
	struct waiter *a = start_waiter(0, 4, 0, HEL_DEADLINE_NEVER);
	struct waiter *b = start_waiter(1, 3, 0, HEL_DEADLINE_NEVER);

	CHECK_EQ(move_to(0, load(0), 99), 0);
	CHECK_OK(hel_thread_kill(owner->thread));
	settle();
	CHECK_EQ(a->worker.result, 0);
	CHECK_EQ(a->state, HEL_FUTEX_MOVED | HEL_FUTEX_ABANDONED | 100);
	CHECK_EQ(b->worker.result, 0);
	CHECK_EQ(b->state, HEL_FUTEX_MOVED);
	CHECK_EQ(load(0), 0);
}

USER_TEST(moving_is_checked)
{
	struct worker *owner = start_owner();
	const uint32_t *word = (const uint32_t *)word_of(CONDITION);
	const uint32_t *lock = (const uint32_t *)word_of(0);
	uint32_t state;

	CHECK_EQ(hel_futex_wait_requeue(word, 0, 0, word, &state), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_wait_requeue(word, 0, 0, lock, &state), -ERR_ILLEGAL_STATE);
	CHECK_EQ(hel_futex_wait_requeue(word, 0, 0, (const uint32_t *)8, &state), -ERR_FAULT);
	CHECK_EQ(hel_futex_requeue_lock(word, 0, word, 0, 1, &state), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_requeue_lock(word, 1, lock, 0, 1, &state), -ERR_RETRY);
	CHECK_EQ(hel_futex_requeue_lock(word, 0, (const uint32_t *)8, 0, 1, &state), -ERR_FAULT);
	struct waiter *past = start_waiter(0, 0, 0, 0);

	CHECK_EQ(past->worker.result, -ERR_TIMED_OUT);
	store(CONDITION, 1);
	past = start_waiter(0, 0, 0, HEL_DEADLINE_NEVER);
	CHECK_EQ(past->worker.result, -ERR_RETRY);
	store(CONDITION, 0);
	struct waiter *waiter = start_waiter(1, 0, 0, HEL_DEADLINE_NEVER);

	CHECK_EQ(move_to(0, 4711, 1), -ERR_RETRY);
	CHECK_EQ(move_to(1, load(1), 1), -ERR_NOT_FOUND);
	store(1, 100);
	CHECK_EQ(move_to(1, load(1), 1), -ERR_ILLEGAL_ARGS); /* it waits for another one */
	store(0, 201);
	CHECK_EQ(move_to(0, load(0), 1), -ERR_ILLEGAL_STATE); /* it has the lock itself */
	store(0, 100 | HEL_LOCK_WAITERS);
	CHECK_EQ(move_to(0, load(0), 1), 0);
	let_go(owner);
	CHECK_EQ(waiter->worker.result, 0);
}

USER_TEST(moving_needs_memory)
{
	struct worker *owner = start_owner();
	struct waiter *waiter;

	waiters[1] = (struct waiter){ .worker = { .number = 201, .result = 99 } };
	CHECK_OK(user_create(wait_requeue, &waiters[1], &waiters[1].worker.thread));
	CHECK_OK(hel_futex_name(waiters[1].worker.thread, 201));
	fixture_fail_after(0);
	CHECK_OK(hel_thread_start(waiters[1].worker.thread));
	settle();
	fixture_fail_after(~0ull);
	CHECK_EQ(waiters[1].worker.result, -ERR_NO_MEMORY);
	waiter = start_waiter(0, 0, 0, HEL_DEADLINE_NEVER);
	mover = (struct mover){ .lock_expected = load(0), .n_max = 1, .result = 99 };
	CHECK_OK(user_create(move, NULL, &mover.thread));
	CHECK_OK(hel_futex_name(mover.thread, 300));
	fixture_fail_after(0);
	CHECK_OK(hel_thread_start(mover.thread));
	settle();
	fixture_fail_after(~0ull);
	CHECK_EQ(mover.result, -ERR_NO_MEMORY);
	CHECK(!waiter->has_returned);
	CHECK_EQ(move_to(0, load(0), 1), 0);
	let_go(owner);
	CHECK_EQ(waiter->worker.result, 0);
}

/* ---- many ------------------------------------------------------------------------------------ */

static struct random random_state;
static uint32_t n_inside[LOCKS], n_entries;
static bool is_wrong;

static void take_and_give(void *context)
{
	const struct worker *worker = context;

	for (uint32_t i = 0; i < 60; i++) {
		uint32_t lock = random_below(&random_state, LOCKS);
		bool is_abandoned = false;

		if (take(lock, worker->number, HEL_DEADLINE_NEVER, &is_abandoned) != 0) {
			is_wrong = true;
			return;
		}
		is_wrong = is_wrong || n_inside[lock]++ != 0 ||
			(load(lock) & HEL_LOCK_OWNER) != worker->number;
		n_entries++;
		sim_compute(random_below(&random_state, 100'000));
		(void)hel_thread_set_priority(
			HEL_THIS, (int32_t)random_below(&random_state, 8) - 7);
		n_inside[lock]--;
		give(lock);
		sim_compute(random_below(&random_state, 50'000));
	}
}

static void start_crowd(UNUSED void *context)
{
	prepare();
	for (uint32_t i = 0; i < WORKERS; i++) {
		workers[i].number = 1 + i;
		CHECK_OK(user_create(take_and_give, &workers[i], &workers[i].thread));
		CHECK_OK(hel_futex_name(workers[i].thread, workers[i].number));
		CHECK_OK(hel_thread_start(workers[i].thread));
	}
}

TEST(locks_exclude_each_other)
{
	uint64_t seed = test_seed(1);

	for (uint64_t round = 0; round < 10; round++) {
		random_init(&random_state, seed + round);
		memset(n_inside, 0, sizeof(n_inside));
		n_entries = 0;
		is_wrong = false;
		machine_begin(3, seed + round);
		CHECK(machine_run(start_crowd, NULL));
		CHECK(machine_end());
		CHECK(!is_wrong);
		CHECK_EQ(n_entries, WORKERS * 60);
	}
}

TEST_MAIN()
