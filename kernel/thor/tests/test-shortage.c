/* SPDX-License-Identifier: MIT */
/* Memory that is coming back: meanwhile nobody is told that there is none, else everybody is. */
#include "machine.h"

constexpr uint64_t PAGE = HEL_PAGE_SIZE;
constexpr uint64_t AREA = 0x1000'0000;
constexpr uint64_t N_PAGES = 700;
constexpr uint64_t MOST_PAGES = 4000; /* of the machine's memory */
constexpr uint64_t ALL_PAGES = 10'000; /* more than it has */
constexpr uint32_t ONE_IN = 4; /* atomic accesses at which the CPUs change places */
constexpr uint32_t SEEDS = 5;

static const struct hel_limits unlimited = { HEL_UNLIMITED, HEL_UNLIMITED, HEL_UNLIMITED,
	HEL_UNLIMITED };

/* ---- helpers --------------------------------------------------------------------------------- */

static int map(hel_handle space, uint64_t n_pages)
{
	struct hel_map_args args = {
		.space = space,
		.address = AREA,
		.size_bytes = n_pages * PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FIXED,
	};
	uint64_t address;

	return hel_space_map(&args, &address);
}

static int fill(hel_handle space, uint64_t n_pages)
{
	int error = map(space, n_pages);

	return error != 0 ? error
			  : hel_space_populate(space, AREA, n_pages * PAGE, HEL_POPULATE_WRITE);
}

/* A space with pages, as a program leaves it behind. */
static hel_handle space_full(hel_handle payer, uint64_t n_pages)
{
	hel_handle space = HEL_NULL;

	CHECK_OK(hel_space_create(payer, &space));
	CHECK_OK(fill(space, n_pages));
	return space;
}

/* ---- two CPUs: one takes memory, the other one gives it back --------------------------------- */

static hel_handle dropped; /* by the thread on CPU 1; HEL_NULL: none, or it was */
static _Atomic bool is_asked, has_dropped, has_ended;

static void dropper_main(UNUSED void *context)
{
	while (!atomic_load(&has_ended)) {
		if (atomic_exchange(&is_asked, false)) {
			CHECK_OK(hel_close(HEL_THIS, dropped));
			atomic_store(&has_dropped, true);
		}
		(void)hel_thread_yield();
	}
}

/* From here on @space is being reaped, in many slices. */
static void drop(hel_handle space)
{
	const struct run_queue *queue = &cpu_table[1]->run_queue;

	machine_n_retries = 0;
	sim_interleave(ONE_IN);
	dropped = space;
	atomic_store(&has_dropped, false);
	atomic_store(&is_asked, true);
	while (atomic_load(&queue->deferred) == NULL && !atomic_load(&has_dropped)) {
		(void)hel_thread_yield();
	}
}

static uint64_t n_retries; /* in all runs of a test */

static void note_retries(void)
{
	sim_interleave(0);
	n_retries += machine_n_retries;
}

static void run_on_two(void *context)
{
	void (*body)(void) = *(void (**)(void))context;
	hel_handle thread;

	atomic_store(&is_asked, false);
	atomic_store(&has_ended, false);
	CHECK_OK(hel_thread_set_affinity(HEL_THIS, 1));
	CHECK_OK(user_create(dropper_main, NULL, &thread));
	CHECK_OK(hel_thread_set_affinity(thread, 2));
	CHECK_OK(hel_thread_start(thread));
	body();
	note_retries();
	atomic_store(&has_ended, true);
	CHECK_OK(hel_close(HEL_THIS, thread));
}

static void run_alone(void *context)
{
	void (*body)(void) = (void (*)(void))context;

	CHECK_OK(hel_thread_set_affinity(HEL_THIS, 1));
	body();
}

/* With several seeds; the body is what runs on CPU 0. */
static void run_body(void (*body)(void))
{
	n_retries = 0;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		machine_begin(2, seed);
		CHECK(machine_run(run_on_two, &body));
		CHECK(machine_end());
	}
}

#define SHORTAGE_TEST(name_) \
	static void body_##name_(void); \
	TEST(name_) \
	{ \
		run_body(body_##name_); \
		CHECK(n_retries > 0); \
	} \
	static void body_##name_(void)

/* The limit becomes what is used. */
static void leave_no_room(hel_handle payer)
{
	struct hel_limits limits = unlimited;
	struct hel_account_info info = {};

	CHECK_OK(hel_universe_account(payer, &info));
	limits.n_pages = info.used.n_pages;
	CHECK_OK(hel_universe_set_limits(payer, &limits));
}

static hel_handle payer_of(uint64_t n_pages_max)
{
	struct hel_limits limits = unlimited;
	hel_handle payer = HEL_NULL;

	limits.n_pages = n_pages_max;
	CHECK_OK(hel_universe_create(&payer));
	CHECK_OK(hel_universe_set_limits(payer, &limits));
	return payer;
}

/* ---- accounts -------------------------------------------------------------------------------- */

SHORTAGE_TEST(program_after_a_large_one_may_use_as_much)
{
	hel_handle payer = payer_of(HEL_UNLIMITED), space = space_full(payer, N_PAGES);

	leave_no_room(payer);
	drop(space);
	CHECK_OK(hel_space_create(payer, &space));
	CHECK_OK(fill(space, N_PAGES));
	CHECK_OK(hel_close(HEL_THIS, space));
	CHECK_OK(hel_close(HEL_THIS, payer));
}

SHORTAGE_TEST(limit_is_a_limit)
{
	hel_handle payer = payer_of(HEL_UNLIMITED), space = space_full(payer, N_PAGES);

	leave_no_room(payer);
	drop(space);
	CHECK_OK(hel_space_create(payer, &space));
	CHECK_EQ(fill(space, N_PAGES + 100), -ERR_NO_MEMORY);
	note_retries();
	/* Nothing more is coming: the error comes at once. */
	machine_n_retries = 0;
	CHECK_EQ(hel_space_populate(space, AREA, (N_PAGES + 100) * PAGE, HEL_POPULATE_WRITE),
		-ERR_NO_MEMORY);
	CHECK(machine_n_retries < 10);
	CHECK_OK(hel_close(HEL_THIS, space));
	CHECK_OK(hel_close(HEL_THIS, payer));
}

/* ---- the machine ----------------------------------------------------------------------------- */

/* Memory is full of what ends. */
static void drop_all(void)
{
	hel_handle space;

	CHECK_OK(hel_space_create(HEL_THIS, &space));
	CHECK_EQ(fill(space, ALL_PAGES), -ERR_NO_MEMORY);
	drop(space);
}

SHORTAGE_TEST(faults_get_their_pages)
{
	CHECK_OK(map(HEL_THIS, MOST_PAGES));
	drop_all();
	for (uint64_t i = 0; i < MOST_PAGES; i++) {
		uint64_t word = i + 1;

		sim_store(AREA + i * PAGE, &word, sizeof(word));
	}
	for (uint64_t i = 0; i < MOST_PAGES; i++) {
		uint64_t word;

		sim_load(&word, AREA + i * PAGE, sizeof(word));
		CHECK_EQ(word, i + 1);
	}
	CHECK_OK(hel_space_unmap(HEL_THIS, AREA, MOST_PAGES * PAGE));
}

SHORTAGE_TEST(calls_get_their_memory)
{
	hel_handle memory, contiguous;
	uint64_t word = user_map(1);

	drop_all();
	CHECK_OK(hel_memory_allocate(MOST_PAGES * PAGE, 0, &memory));
	for (uint64_t i = 0; i < MOST_PAGES; i++) {
		CHECK_OK(hel_memory_write(memory, i * PAGE, (const void *)word, 8));
	}
	sim_interleave(0);
	CHECK_OK(hel_close(HEL_THIS, memory));
	drop_all();
	CHECK_OK(hel_memory_allocate(N_PAGES * PAGE, HEL_ALLOCATE_CONTIGUOUS, &contiguous));
	CHECK_OK(hel_close(HEL_THIS, contiguous));
}

/* The kernel writes to memory of the caller that has no pages yet: no -ERR_FAULT. */
SHORTAGE_TEST(copies_to_fresh_memory_get_their_pages)
{
	CHECK_OK(map(HEL_THIS, MOST_PAGES));
	drop_all();
	for (uint64_t i = 0; i < MOST_PAGES; i++) {
		CHECK_OK(hel_random((void *)(AREA + i * PAGE), 8));
	}
	CHECK_OK(hel_space_unmap(HEL_THIS, AREA, MOST_PAGES * PAGE));
}

/* ---- waiting for it -------------------------------------------------------------------------- */

static uint64_t pages_of(hel_handle payer)
{
	struct hel_account_info info = {};

	CHECK_OK(hel_universe_account(payer, &info));
	return info.used.n_pages;
}

static uint32_t n_early, n_cancelled; /* in all runs of a test */

/* All the memory is back when the operation completes. */
static void await_ends(void)
{
	hel_handle payer = payer_of(HEL_UNLIMITED), space = space_full(payer, N_PAGES);
	struct user_queue queue;
	struct completion completion;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	drop(space);
	n_early += pages_of(payer) > 0;
	CHECK(queue_await(&queue, submit_ends(&queue), &completion));
	CHECK_OK(completion.error);
	CHECK_EQ(completion.opcode, HEL_SUBMIT_AWAIT_ENDS);
	CHECK_EQ(pages_of(payer), 0);
	queue_close(&queue);
	CHECK_OK(hel_close(HEL_THIS, payer));
}

static void short_main(UNUSED void *context)
{
}

/* Its last thread is gone, but CPU 1, which has become idle, still has the space loaded. */
static void await_idle(void)
{
	hel_handle payer = payer_of(HEL_UNLIMITED), thread;
	struct hel_thread_args args = {
		.universe = HEL_THIS,
		.space = space_full(payer, N_PAGES),
		.ip = SIM_IP,
		.tls_base = sim_program_create(short_main, NULL),
	};
	struct user_queue queue;
	struct completion completion;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_thread_create(&args, &thread));
	CHECK_OK(hel_thread_set_affinity(thread, 2));
	CHECK_OK(hel_thread_start(thread));
	uint64_t sequence = 0;

	do {
		CHECK(queue_await(&queue, submit_observe(&queue, thread, sequence), &completion));
		sequence = completion_observation(&completion)->sequence;
	} while (completion_observation(&completion)->observation != HEL_OBSERVE_TERMINATED);
	CHECK_OK(hel_close(HEL_THIS, thread));
	for (uint32_t i = 0; i < 20; i++) {
		(void)hel_thread_yield();
	}
	CHECK_OK(hel_close(HEL_THIS, args.space));
	CHECK(queue_await(&queue, submit_ends(&queue), &completion));
	CHECK_OK(completion.error);
	CHECK_EQ(pages_of(payer), 0);
	queue_close(&queue);
	CHECK_OK(hel_close(HEL_THIS, payer));
}

TEST(idle_cpus_let_go_of_spaces)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		machine_begin(2, seed);
		CHECK(machine_run(run_alone, await_idle));
		CHECK(machine_end());
	}
}

TEST(ends_are_awaited)
{
	n_early = 0;
	run_body(await_ends);
	CHECK(n_early > 0);
}

static void cancel_ends(void)
{
	hel_handle space = space_full(HEL_THIS, MOST_PAGES);
	struct user_queue queue;
	struct completion completion;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	drop(space);
	uint64_t context = submit_ends(&queue);

	CHECK_OK(queue_drive(&queue));
	submit_cancel(&queue, context);
	CHECK(queue_await(&queue, context, &completion));
	CHECK(completion.error == 0 || completion.error == -ERR_CANCELLED);
	n_cancelled += completion.error != 0;
	/* Another one ends with its queue. */
	(void)submit_ends(&queue);
	CHECK_OK(queue_drive(&queue));
	queue_close(&queue);
}

TEST(ends_are_awaited_no_more)
{
	n_cancelled = 0;
	run_body(cancel_ends);
	CHECK(n_cancelled > 0);
}

USER_TEST(ends_that_are_none_need_no_waiting)
{
	struct user_queue queue;
	struct completion completion;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	uint64_t context = submit_ends(&queue);

	CHECK_OK(queue_drive(&queue));
	CHECK(queue_take(&queue, &completion));
	CHECK_EQ(completion.context, context);
	CHECK_OK(completion.error);
	queue_close(&queue);
}

/* ---- no end of it ---------------------------------------------------------------------------- */

/* Somebody drops objects without end: that keeps nobody from an error. */
static void churner_main(UNUSED void *context)
{
	hel_handle token;

	while (!atomic_load(&has_ended)) {
		if (hel_token_create(&token) == 0) {
			(void)hel_close(HEL_THIS, token);
		}
	}
}

static void refused_main(UNUSED void *context)
{
	hel_handle payer = payer_of(50), thread, space;

	atomic_store(&has_ended, false);
	CHECK_OK(hel_thread_set_affinity(HEL_THIS, 1));
	CHECK_OK(user_create(churner_main, NULL, &thread));
	CHECK_OK(hel_thread_set_affinity(thread, 2));
	CHECK_OK(hel_thread_start(thread));
	CHECK_OK(hel_space_create(payer, &space));
	for (uint32_t i = 0; i < 20; i++) {
		CHECK_EQ(fill(space, 60), -ERR_NO_MEMORY);
	}
	atomic_store(&has_ended, true);
	CHECK_OK(hel_close(HEL_THIS, space));
	CHECK_OK(hel_close(HEL_THIS, payer));
	CHECK_OK(hel_close(HEL_THIS, thread));
}

TEST(others_who_drop_objects_keep_no_error_back)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		machine_begin(2, seed);
		CHECK(machine_run(refused_main, NULL));
		CHECK(machine_end());
	}
}

TEST_MAIN()
