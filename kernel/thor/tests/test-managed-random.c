/* SPDX-License-Identifier: MIT */
/*
 * Managed memory used by several threads on several CPUs at once, against a model: the bytes of a
 * file. Each user owns every third page, so it knows what it must find there; all of them throw
 * pages away and fence at random; the manager is slow at random and sometimes fails to write.
 *
 * TEST_SEED= repeats a run.
 */
#include "managed-server.h"

#include <base/random.h>

constexpr uint64_t PAGES = 96;
constexpr uint32_t USERS = 3;
constexpr uint32_t TURNS = 400;

static uint64_t model[PAGES];
static uint32_t n_done;
static const char *failure;
static uint64_t run_seed;

static void expect(bool is_true, const char *what)
{
	if (!is_true && failure == NULL) {
		failure = what;
	}
}

static uint64_t own_page(struct random *random, uint32_t user)
{
	return random_below(random, PAGES / USERS) * USERS + user;
}

static void check_page(struct random *random, uint64_t index)
{
	uint64_t word = 0;

	if (random_chance(random, 3)) {
		expect(hel_memory_read(server.handles.frontal, index * HEL_PAGE_SIZE, &word,
			       sizeof(word)) == 0,
			"cannot read");
	} else {
		word = server_read(index);
	}
	expect(word == model[index], "a page has lost a write");
}

static void change_page(struct random *random, uint64_t index)
{
	uint64_t word = random_u64(random);

	model[index] = word;
	if (random_chance(random, 3)) {
		expect(hel_memory_write(server.handles.frontal, index * HEL_PAGE_SIZE, &word,
			       sizeof(word)) == 0,
			"cannot write");
	} else {
		server_write(index, word);
	}
}

static void await_fence(struct user_queue *queue, bool is_cancelled)
{
	struct completion completion;
	uint64_t context = submit_fence(queue, server.handles.frontal, 0, PAGES * HEL_PAGE_SIZE);

	if (is_cancelled) {
		(void)queue_drive(queue);
		submit_cancel(queue, context);
	}
	expect(queue_await(queue, context, &completion), "a fence does not end");
	expect(completion.error == 0 || completion.error == -ERR_IO ||
			completion.error == -ERR_CANCELLED,
		"a fence fails");
}

/* A transfer from one page of the user to another one. */
static void move_page(struct user_queue *queue, struct random *random, uint32_t user)
{
	uint64_t from = own_page(random, user);
	uint64_t to = own_page(random, user);
	struct hel_stream_lanes lanes;
	struct completion completion;
	struct hel_action send = SEND(server.frontal_address + from * HEL_PAGE_SIZE, 8);
	struct hel_action receive = RECEIVE(server.frontal_address + to * HEL_PAGE_SIZE, 8);

	if (from == to || hel_stream_create(&lanes) != 0) {
		return;
	}
	uint64_t sent = submit_exchange(queue, lanes.lane[0], &send, 1);
	uint64_t received = submit_exchange(queue, lanes.lane[1], &receive, 1);
	bool is_cancelled = random_chance(random, 3);

	if (is_cancelled) {
		(void)queue_drive(queue);
		submit_cancel(queue, sent);
	}
	expect(queue_await(queue, sent, &completion), "a transfer does not end");
	bool has_sent = completion.results[0].error == 0;

	expect(queue_await(queue, received, &completion), "a reception does not end");
	expect(has_sent || is_cancelled, "a transfer fails");
	expect((completion.results[0].error == 0) == has_sent, "two ends of a transfer differ");
	if (has_sent) {
		model[to] = model[from];
	} else {
		/* It may have been copied, but for the news. */
		change_page(random, to);
	}
	(void)hel_close(HEL_THIS, lanes.lane[0]);
	(void)hel_close(HEL_THIS, lanes.lane[1]);
}

/* What a device would do: the page must not move, and what it wrote must get to the disk. */
static void lock_page(struct user_queue *queue, struct random *random, uint64_t index)
{
	bool is_write = random_chance(random, 2);
	uint64_t flags = is_write ? HEL_LOCK_WRITE : 0;
	uint64_t offset = index * HEL_PAGE_SIZE;
	uint64_t context = submit_lock(queue, server.handles.frontal, offset, HEL_PAGE_SIZE, flags);
	struct completion completion;
	uint64_t phys = 0, again = 1;
	bool is_cancelled = random_chance(random, 3);

	if (is_cancelled) {
		(void)queue_drive(queue);
		submit_cancel(queue, context);
	}
	expect(queue_await(queue, context, &completion), "locking does not end");
	if (completion.error != 0) {
		expect(is_cancelled && completion.error == -ERR_CANCELLED, "locking fails");
		return;
	}
	expect(hel_memory_pin(server.handles.frontal, offset, HEL_PAGE_SIZE, &phys) == 0,
		"a locked page has no address");
	if (is_write) {
		model[index] = random_u64(random);
		*(uint64_t *)arch_phys_to_virt(phys) = model[index];
	}
	expect(hel_memory_pin(server.handles.frontal, offset, HEL_PAGE_SIZE, &again) == 0 &&
			again == phys,
		"a locked page has moved");
	expect(hel_memory_unlock(server.handles.frontal, offset, HEL_PAGE_SIZE, flags) == 0,
		"cannot unlock");
}

static void user_turn(struct user_queue *queue, struct random *random, uint32_t user)
{
	uint64_t index = own_page(random, user);

	switch (random_below(random, 13)) {
	case 0:
		expect(hel_memory_advise(server.handles.frontal,
			       random_chance(random, 4) ? HEL_ADVICE_WILL_NEED
							: HEL_ADVICE_DONT_NEED,
			       index * HEL_PAGE_SIZE,
			       (1 + random_below(random, PAGES - index)) * HEL_PAGE_SIZE) == 0,
			"no advice");
		break;
	case 1: await_fence(queue, random_chance(random, 3)); break;
	case 2: move_page(queue, random, user); break;
	case 7: lock_page(queue, random, index); break;
	case 3:
	case 4:
	case 5:
	case 6: change_page(random, index); break;
	default: check_page(random, index); break;
	}
}

static void user_main(void *context)
{
	uint32_t user = (uint32_t)(uint64_t)context;
	struct random random;
	struct user_queue queue;

	random_init(&random, run_seed * USERS + user);
	expect(queue_open(&queue, 8, 8192, 4096) == 0, "no queue");
	for (uint32_t i = 0; i < TURNS && failure == NULL; i++) {
		user_turn(&queue, &random, user);
	}
	queue_close(&queue);
	n_done++;
}

/* Somebody who waits for pages and is killed at it. */
static void victim_main(void *context)
{
	for (uint64_t i = (uint64_t)context; failure == NULL; i = (i * 5 + 1) % PAGES) {
		(void)server_read(i);
		sim_compute(200);
	}
}

static void check_disk(struct user_queue *queue)
{
	server.fails_writes = false;
	for (uint32_t i = 0; i < 3; i++) {
		await_fence(queue, false);
	}
	for (uint64_t i = 0; i < PAGES; i++) {
		expect(server.disk[i] == model[i], "the disk has lost a write");
	}
}

/* As if the file had been shorter: what has been added is zero, and nobody has to ask for it. */
static void grow_file(uint64_t old_pages)
{
	for (uint64_t i = old_pages; i < PAGES; i++) {
		model[i] = 0;
		server.disk[i] = 0;
	}
	CHECK_OK(hel_memory_update(server.handles.backing, HEL_UPDATE_ZERO,
		old_pages * HEL_PAGE_SIZE, (PAGES - old_pages) * HEL_PAGE_SIZE, 0));
}

static void first_main(UNUSED void *context)
{
	struct random random;
	struct user_queue queue;

	random_init(&random, run_seed);
	CHECK_OK(queue_open(&queue, 8, 8192, 4096));
	server_begin(PAGES);
	for (uint64_t i = 0; i < PAGES; i++) {
		model[i] = server_word(i);
	}
	grow_file(random_below(&random, PAGES));
	server_start();
	n_done = 0;
	for (uint64_t i = 0; i < USERS; i++) {
		CHECK(user_start(user_main, (void *)i) != HEL_NULL);
	}
	while (n_done < USERS && failure == NULL) {
		hel_handle victim = user_start(victim_main, (void *)random_below(&random, PAGES));

		sim_compute(random_below(&random, 400'000));
		server.delay_ns = random_below(&random, 60'000);
		server.fails_writes = random_chance(&random, 3);
		(void)hel_thread_kill(victim);
		(void)hel_close(HEL_THIS, victim);
		if (random_chance(&random, 2)) {
			(void)hel_memory_invalidate(
				server.handles.backing, 0, PAGES * HEL_PAGE_SIZE);
		}
	}
	check_disk(&queue);
	server_end();
	queue_close(&queue);
}

static void run(uint32_t n_cpus, uint32_t interleave, uint64_t seed)
{
	failure = NULL;
	run_seed = seed;
	machine_begin(n_cpus, seed);
	sim_interleave(interleave);
	CHECK(machine_run(first_main, NULL));
	if (failure != NULL) {
		test_fail(__FILE__, __LINE__, "seed %llu: %s", (unsigned long long)seed, failure);
	}
	CHECK_EQ(n_done, USERS);
	CHECK(machine_end());
}

TEST(one_cpu)
{
	for (uint64_t i = 0; i < 4; i++) {
		run(1, 0, test_seed(1) + i);
	}
}

TEST(three_cpus)
{
	for (uint64_t i = 0; i < 4; i++) {
		run(3, 0, test_seed(1) + i);
	}
}

TEST(three_cpus_interleaved)
{
	for (uint64_t i = 0; i < 6; i++) {
		run(3, 4u << i % 4, test_seed(1) + i);
	}
}

TEST_MAIN()
