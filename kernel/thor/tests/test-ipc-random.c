/* SPDX-License-Identifier: MIT */
/*
 * Several threads on several CPUs make random calls, and a CPU may be left at every atomic access.
 *
 * They share a universe: lanes, events and words that any of them uses and closes. Each counts the
 * completions of its own queue: every record has exactly one. A message is received exactly if its
 * sender was told so, and once. In the end nothing is left.
 */
#include "machine.h"

constexpr uint32_t WORKERS_MAX = 6;
constexpr uint32_t RECORDS_MAX = 2048;
constexpr uint32_t SHARED = 12;
constexpr uint32_t TAGS_MAX = WORKERS_MAX * RECORDS_MAX;
constexpr uint32_t SLOT_PAGES = TAGS_MAX * 4 / 4096;

static struct worker {
	uint32_t index;
	struct random random;
	struct user_queue queue;
	uint8_t n_completions[RECORDS_MAX]; /* by context */
	uint32_t tags[RECORDS_MAX];         /* of the SEND that the record begins with, 0: none */
	uint32_t n_records, n_completed;
	uint64_t slots; /* memory for messages, one for each tag */
	uint32_t n_steps;
	bool is_done;
	hel_handle thread;
} workers[WORKERS_MAX];
static uint32_t n_workers;
static hel_handle shared_lanes[SHARED];
static hel_handle shared_events[4];
static uint64_t shared_word;
static uint8_t n_sent[TAGS_MAX], n_received[TAGS_MAX];
static uint32_t next_tag;
static const char *failure;
static bool is_chaos; /* queues may be closed by others */
static uint64_t n_messages, n_pulled, n_cancelled, n_ended;

static uint64_t pick(struct worker *worker, uint64_t limit)
{
	return random_below(&worker->random, limit);
}

static void fail(const char *what)
{
	if (failure == NULL) {
		failure = what;
	}
}

static void expect(bool is_true, const char *what)
{
	if (!is_true) {
		fail(what);
	}
}

/* ---- completions ----------------------------------------------------------------------------- */

static void note_message(const struct completion *completion, uint32_t index)
{
	uint32_t tag;

	if (completion->results[index].inline_size != sizeof(tag)) {
		return;
	}
	memcpy(&tag, completion->inline_data[index], sizeof(tag));
	if (tag == 0 || tag >= next_tag) {
		fail("a message that nobody has sent");
		return;
	}
	n_received[tag]++;
	n_messages++;
}

static void note_handle(struct worker *worker, const struct hel_result *result)
{
	if (result->error != 0 || result->value == 0) {
		return;
	}
	n_pulled++;
	/* Keep some for all to use, close the others. */
	if (pick(worker, 2) == 0) {
		uint32_t index = (uint32_t)pick(worker, SHARED);
		hel_handle old = shared_lanes[index];

		shared_lanes[index] = result->value;
		(void)hel_close(HEL_THIS, old);
	} else {
		(void)hel_close(HEL_THIS, result->value);
	}
}

/* The kinds of actions of a record are in its context: three bits each. */
enum kind : uint32_t { KIND_NONE, KIND_SEND, KIND_RECEIVE, KIND_LANE, KIND_OTHER };

static uint32_t kinds[WORKERS_MAX][RECORDS_MAX];

static void note_completion(struct worker *worker, const struct completion *completion)
{
	if (completion->context == 0 || completion->context > worker->n_records) {
		fail("a completion of nothing");
		return;
	}
	uint32_t record = (uint32_t)completion->context - 1;

	worker->n_completed++;
	expect(++worker->n_completions[record] == 1, "a record completed twice");
	if (completion->opcode != HEL_SUBMIT_EXCHANGE || completion->error != 0) {
		return;
	}
	for (uint32_t i = 0; i < completion->n_results; i++) {
		const struct hel_result *result = &completion->results[i];

		n_cancelled += result->error == -ERR_CANCELLED;
		n_ended += result->error == -ERR_END_OF_LANE || result->error == -ERR_LANE_SHUTDOWN;
		switch (kinds[worker->index][record] >> (3 * i) & 7) {
		case KIND_SEND: n_sent[worker->tags[record] + i] += result->error == 0; break;
		case KIND_RECEIVE:
			if (result->error == 0) {
				note_message(completion, i);
			}
			break;
		case KIND_LANE: note_handle(worker, result); break;
		default: break;
		}
	}
}

static void take_completions(struct worker *worker)
{
	struct completion completion;

	while (queue_take(&worker->queue, &completion)) {
		note_completion(worker, &completion);
	}
}

/* ---- submissions ----------------------------------------------------------------------------- */

static uint32_t begin_record(struct worker *worker)
{
	return worker->n_records++;
}

static struct hel_action make_action(struct worker *worker, uint32_t tag, enum kind *out_kind)
{
	uint64_t slot = worker->slots + tag * 4;

	*out_kind = KIND_OTHER;
	switch (pick(worker, 12)) {
	case 0:
	case 1:
	case 2:
		*out_kind = KIND_SEND;
		sim_store(slot, &tag, sizeof(tag));
		return SEND(slot, 4);
	case 3:
	case 4:
	case 5: *out_kind = KIND_RECEIVE; return RECEIVE_INLINE(16);
	case 6: return PUSH(shared_lanes[pick(worker, SHARED)]);
	case 7: *out_kind = KIND_LANE; return PULL();
	case 8:
		*out_kind = KIND_LANE;
		return OFFER(pick(worker, 2) == 0 ? HEL_ACTION_WANT_LANE : 0);
	case 9:
		*out_kind = KIND_LANE;
		return ACCEPT(pick(worker, 2) == 0 ? HEL_ACTION_WANT_LANE : 0);
	case 10: return pick(worker, 2) == 0 ? EXTRACT() : IMBUE(HEL_THIS);
	default: return DISMISS();
	}
}

static void submit_random_exchange(struct worker *worker)
{
	struct hel_action actions[8];
	uint32_t n_actions = 1 + (uint32_t)pick(worker, 6);
	uint32_t record = begin_record(worker);
	uint32_t tag = next_tag;
	bool has_maker = false;

	if (next_tag + n_actions > TAGS_MAX) {
		n_actions = 1;
		tag = 0;
	}
	next_tag += tag != 0 ? n_actions : 0;
	worker->tags[record] = tag;
	kinds[worker->index][record] = 0;
	for (uint32_t i = 0; i < n_actions; i++) {
		enum kind kind = KIND_OTHER;

		actions[i] = tag != 0 ? make_action(worker, tag + i, &kind) : DISMISS();
		kinds[worker->index][record] |= kind << (3 * i);
		if (has_maker && pick(worker, 3) != 0) {
			actions[i] = ancillary(actions[i]);
		}
		has_maker |=
			actions[i].type == HEL_ACTION_OFFER || actions[i].type == HEL_ACTION_ACCEPT;
	}
	(void)submit_exchange(
		&worker->queue, shared_lanes[pick(worker, SHARED)], actions, n_actions);
}

static void submit_random(struct worker *worker)
{
	if (worker->n_records == RECORDS_MAX) {
		return;
	}
	switch (pick(worker, 8)) {
	case 0:
		(void)begin_record(worker);
		(void)submit_event(
			&worker->queue, shared_events[pick(worker, 4)], pick(worker, 20));
		break;
	case 1:
		(void)begin_record(worker);
		(void)submit_clock(&worker->queue, sim_time_ns + pick(worker, 100'000));
		break;
	case 2:
		(void)begin_record(worker);
		(void)submit_nop(&worker->queue);
		break;
	default: submit_random_exchange(worker); break;
	}
}

static void cancel_random(struct worker *worker)
{
	uint32_t n_recent = worker->n_records < 30 ? worker->n_records : 30;

	if (n_recent > 0) {
		uint64_t record = worker->n_records - pick(worker, n_recent);

		submit_cancel(&worker->queue, record);
		worker->queue.next_context = worker->n_records + 1;
	}
}

/* ---- other calls ----------------------------------------------------------------------------- */

static void replace_stream(struct worker *worker)
{
	struct hel_stream_lanes lanes;
	uint32_t first = (uint32_t)pick(worker, SHARED / 2) * 2;
	hel_handle old[2] = { shared_lanes[first], shared_lanes[first + 1] };

	if (hel_stream_create(&lanes) != 0) {
		fail("no stream");
		return;
	}
	if (pick(worker, 2) == 0) {
		(void)hel_lane_shutdown(old[pick(worker, 2)]);
	}
	shared_lanes[first] = lanes.lane[0];
	shared_lanes[first + 1] = lanes.lane[1];
	(void)hel_close(HEL_THIS, old[0]);
	(void)hel_close(HEL_THIS, old[1]);
}

static void use_memory(struct worker *worker)
{
	uint64_t n_pages = 1 + pick(worker, 3);
	uint64_t address = user_map(n_pages);
	uint32_t value = 7;

	if (address != 0) {
		sim_store(address, &value, sizeof(value));
		value = 0;
		sim_load(&value, address, sizeof(value));
		expect(value == 7, "memory forgets");
		(void)hel_space_unmap(HEL_THIS, address, n_pages * HEL_PAGE_SIZE);
	}
}

static void call_random(struct worker *worker)
{
	switch (pick(worker, 12)) {
	case 0: replace_stream(worker); break;
	case 1: (void)hel_event_raise(shared_events[pick(worker, 4)], 1); break;
	case 2:
		(void)!hel_futex_wait(
			(const uint32_t *)shared_word, 0, sim_time_ns + pick(worker, 50'000), ~0u);
		break;
	case 3: (void)hel_futex_wake((const uint32_t *)shared_word, 2, ~0u, NULL); break;
	case 4: (void)hel_thread_kick(workers[pick(worker, n_workers)].thread); break;
	case 5: hel_thread_yield(); break;
	case 6: sim_compute(pick(worker, 20'000)); break;
	case 7: use_memory(worker); break;
	case 8:
		(void)hel_thread_set_affinity(HEL_THIS, 1 + pick(worker, (1u << cpu_count) - 1));
		break;
	default: cancel_random(worker); break;
	}
}

static void drive_random(struct worker *worker)
{
	int error;

	if (pick(worker, 3) == 0) {
		error = hel_drive(worker->queue.client.handle, HEL_DRIVE_WAIT,
			worker->queue.client.n_taken, sim_time_ns + pick(worker, 100'000), NULL);
		expect(is_chaos || error == 0 || error == -ERR_TIMED_OUT || error == -ERR_KICKED,
			"drive waits");
	} else {
		expect(queue_drive(&worker->queue) == 0 || is_chaos, "drive");
	}
}

static void work(struct worker *worker)
{
	for (uint32_t i = 0; i < worker->n_steps; i++) {
		switch (pick(worker, 4)) {
		case 0:
			for (uint64_t n = pick(worker, 6); n > 0; n--) {
				submit_random(worker);
			}
			break;
		case 1: drive_random(worker); break;
		case 2: take_completions(worker); break;
		default: call_random(worker); break;
		}
	}
}

/* Cancel all that is pending and wait for it. */
static void finish(struct worker *worker)
{
	(void)hel_thread_set_affinity(HEL_THIS, ~0ull);
	for (uint32_t tries = 0; tries < 1000; tries++) {
		(void)queue_drive(&worker->queue);
		take_completions(worker);
		if (worker->n_completed >= worker->n_records) {
			break;
		}
		for (uint32_t i = 0; i < worker->n_records; i++) {
			if (worker->n_completions[i] == 0) {
				submit_cancel(&worker->queue, i + 1);
			}
		}
		sim_compute(10'000);
	}
	take_completions(worker);
	expect(worker->n_completed == worker->n_records, "a record did not complete");
}

static void worker_main(void *context)
{
	struct worker *worker = context;

	if (queue_open(&worker->queue, 8, 8192, 8192) != 0) {
		fail("no queue");
		return;
	}
	worker->slots = user_map(SLOT_PAGES);
	work(worker);
	finish(worker);
	queue_close(&worker->queue);
	worker->is_done = true;
}

static bool all_are_done(void)
{
	for (uint32_t i = 0; i < n_workers; i++) {
		if (!workers[i].is_done) {
			return false;
		}
	}
	return true;
}

static void make_shared(void)
{
	uint32_t zero = 0;

	for (uint32_t i = 0; i < SHARED; i += 2) {
		struct hel_stream_lanes lanes;

		CHECK_OK(hel_stream_create(&lanes));
		shared_lanes[i] = lanes.lane[0];
		shared_lanes[i + 1] = lanes.lane[1];
	}
	for (uint32_t i = 0; i < 4; i++) {
		hel_handle event;

		CHECK_OK(hel_event_create(0, &event));
		shared_events[i] = event;
	}
	shared_word = user_map(1);
	sim_store(shared_word, &zero, sizeof(zero));
}

static void first_main(UNUSED void *context)
{
	make_shared();
	for (uint32_t i = 0; i < n_workers; i++) {
		workers[i].thread = user_start(worker_main, &workers[i]);
	}
	while (!all_are_done() && failure == NULL) {
		sim_compute(50'000);
	}
}

static void prepare(uint64_t seed)
{
	memset(workers, 0, sizeof(workers));
	memset(n_sent, 0, sizeof(n_sent));
	memset(n_received, 0, sizeof(n_received));
	next_tag = 1;
	failure = NULL;
	n_workers = 2 + (uint32_t)(seed % (WORKERS_MAX - 1));
	for (uint32_t i = 0; i < n_workers; i++) {
		workers[i].index = i;
		workers[i].n_steps = 150;
		random_init(&workers[i].random, seed * 16 + i);
	}
}

static uint64_t rounds(uint64_t usual)
{
	const char *text = getenv("TEST_ROUNDS");

	return text != NULL ? strtoull(text, NULL, 0) : usual;
}

static void chaos_main(void *context);

static void play(uint64_t seed, void (*main)(void *context))
{
	if (getenv("TEST_LOG") != NULL) {
		printf("# seed %llu\n", (unsigned long long)seed);
	}
	prepare(seed);
	is_chaos = main == chaos_main;
	machine_begin(1 + (uint32_t)(seed % 4), seed);
	sim_interleave(4u << seed % 5);
	CHECK(machine_run(main, NULL));
	if (failure != NULL) {
		test_fail(__FILE__, __LINE__, "seed %llu: %s", (unsigned long long)seed, failure);
	}
}

TEST(every_record_completes_once_and_messages_arrive)
{
	uint64_t seed = test_seed(1);
	uint64_t n_rounds = rounds(60);

	for (uint64_t round = 0; round < n_rounds; round++) {
		play(seed + round, first_main);
		for (uint32_t tag = 1; tag < next_tag; tag++) {
			CHECK(n_received[tag] <= 1);
			CHECK_EQ(n_sent[tag], n_received[tag]);
		}
		CHECK(machine_end());
	}
	printf("# %llu messages, %llu handles, %llu cancelled, %llu ended\n",
		(unsigned long long)n_messages, (unsigned long long)n_pulled,
		(unsigned long long)n_cancelled, (unsigned long long)n_ended);
	CHECK(n_rounds < 10 || (n_messages > 100 && n_pulled > 50 && n_cancelled > 100));
}

/* ---- the same, and they are killed, interrupted and their queues closed ---------------------- */

static void chaos_worker_main(void *context)
{
	struct worker *worker = context;

	if (queue_open(&worker->queue, 8, 8192, 8192) != 0) {
		return;
	}
	worker->slots = user_map(SLOT_PAGES);
	work(worker);
	if (pick(worker, 2) == 0) {
		queue_close(&worker->queue);
	}
}

static void chaos_main(UNUSED void *context)
{
	struct random random;

	random_init(&random, workers[0].random.state[0]);
	make_shared();
	for (uint32_t i = 0; i < n_workers; i++) {
		workers[i].thread = user_start(chaos_worker_main, &workers[i]);
	}
	for (uint32_t i = 0; i < 60; i++) {
		hel_handle thread = workers[random_below(&random, n_workers)].thread;

		sim_compute(random_below(&random, 30'000));
		switch (random_below(&random, 8)) {
		case 0: (void)hel_thread_kill(thread); break;
		case 1:
			(void)hel_close(HEL_THIS,
				workers[random_below(&random, n_workers)].queue.client.handle);
			break;
		case 2:
		case 3: (void)!hel_thread_interrupt(thread); break;
		default: (void)!hel_thread_resume(thread); break;
		}
	}
	for (uint32_t i = 0; i < n_workers; i++) {
		(void)hel_thread_kill(workers[i].thread);
	}
}

TEST(killed_threads_leave_nothing)
{
	uint64_t seed = test_seed(5000);
	uint64_t n_rounds = rounds(60);

	for (uint64_t round = 0; round < n_rounds; round++) {
		play(seed + round, chaos_main);
		CHECK(machine_end());
	}
}

TEST_MAIN()
