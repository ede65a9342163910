/* SPDX-License-Identifier: MIT */
/*
 * Exchanges that repeat, quick sends and quick asks against what ends them, on several CPUs. A CPU
 * may be left at every atomic access.
 *
 * A server thread repeats and answers, a client thread asks or sends, and a third one disturbs
 * both. Then everything is closed, and nothing may be left. Each side counts: a message that was
 * acknowledged has arrived once and in order, each record has one last completion.
 */
#include "machine.h"

constexpr uint32_t TURNS = 60;

static struct user_queue server, client;
static hel_handle lanes[2]; /* the client's and the server's */
static hel_handle server_thread, client_thread;
static struct random random_state;
static uint64_t memory;
static uint32_t n_running;
static bool is_over;
static const char *failure;

/* What the turn does. */
static struct {
	void (*server)(void);
	void (*client)(void);
	void (*disturb)(void);
} play;

static uint64_t n_requests, n_answers, n_failed, n_disturbed;

static void expect(bool is_true, const char *what)
{
	if (!is_true && failure == NULL) {
		failure = what;
	}
}

static void stagger(uint64_t time)
{
	sim_compute(random_below(&random_state, time));
}

/* ---- the server ------------------------------------------------------------------------------ */

static bool wait_for(struct user_queue *queue, struct completion *out_completion)
{
	while (!is_over) {
		if (queue_take(queue, out_completion)) {
			return true;
		}
		int error = hel_drive(queue->client.handle, HEL_DRIVE_WAIT, queue->client.n_taken,
			sim_time_ns + 20'000, NULL);

		if (error == -ERR_BAD_HANDLE) {
			return false;
		}
	}
	return false;
}

static void answer(const struct completion *request)
{
	struct hel_action action = SEND(memory, 8);

	expect(request->results[1].error != 0 || request->results[1].inline_size == 8, "a request");
	n_requests++;
	if (random_chance(&random_state, 8)) {
		(void)hel_close(HEL_THIS, request->results[0].value);
		return;
	}
	uint32_t flags = random_chance(&random_state, 2)
		? HEL_EXCHANGE_CLOSE_LANE | HEL_EXCHANGE_QUIET
		: HEL_EXCHANGE_CLOSE_LANE;

	(void)submit_exchange_with(&server, request->results[0].value, &action, 1, flags);
}

static void serve(void)
{
	struct hel_action actions[2] = {
		ACCEPT(HEL_ACTION_WANT_LANE),
		ancillary(RECEIVE_INLINE(64)),
	};
	struct completion completion;
	uint64_t served = submit_exchange_with(&server, lanes[1], actions, 2, HEL_EXCHANGE_REPEAT);

	while (wait_for(&server, &completion)) {
		if (completion.context != served) {
			expect(completion.error == 0 || completion.error == -ERR_BAD_HANDLE,
				"an answer");
			continue;
		}
		if (!completion.has_more) {
			served = submit_exchange_with(
				&server, lanes[1], actions, 2, HEL_EXCHANGE_REPEAT);
			stagger(500);
		} else if (completion.results[0].error == 0) {
			answer(&completion);
		}
	}
}

/* Numbers in order, none twice: what is missing was not acknowledged. */
static uint64_t last_number, n_received;

static void listen(void)
{
	struct hel_action action = RECEIVE_INLINE(8);
	struct completion completion;
	uint64_t listened =
		submit_exchange_with(&server, lanes[1], &action, 1, HEL_EXCHANGE_REPEAT);

	while (wait_for(&server, &completion)) {
		if (!completion.has_more) {
			listened = submit_exchange_with(
				&server, lanes[1], &action, 1, HEL_EXCHANGE_REPEAT);
			stagger(500);
		} else if (completion.results[0].error == 0) {
			uint64_t number;

			memcpy(&number, completion.inline_data[0], sizeof(number));
			expect(number > last_number, "out of order, or twice");
			last_number = number;
			n_received++;
		}
		expect(completion.context <= listened, "a context");
	}
}

/* ---- the client ------------------------------------------------------------------------------ */

static void ask(void)
{
	struct hel_action actions[3] = {
		OFFER(0),
		ancillary(SEND(memory, 8)),
		ancillary(RECEIVE_INLINE(64)),
	};
	struct completion completion;

	for (uint32_t i = 0; i < TURNS && !is_over; i++) {
		uint64_t asked = submit_exchange(&client, lanes[0], actions, 3);
		uint32_t n_tries = 0;

		do {
			if (!wait_for(&client, &completion)) {
				return;
			}
			expect(++n_tries < 3, "completions of nothing");
		} while (completion.context != asked);
		expect(!completion.has_more, "more of an ask");
		bool is_answered = completion.error == 0 && completion.results[2].error == 0;

		n_answers += is_answered;
		n_failed += !is_answered;
	}
}

static uint64_t next_number;

static void send(void)
{
	struct completion completion;

	for (uint32_t i = 0; i < TURNS && !is_over; i++) {
		struct hel_action action = SEND(memory + 8, 8);
		uint64_t number = ++next_number;
		bool is_quiet = random_chance(&random_state, 2);

		sim_store(memory + 8, &number, sizeof(number));
		uint64_t sent = submit_exchange_with(
			&client, lanes[0], &action, 1, is_quiet ? HEL_EXCHANGE_QUIET : 0);

		(void)queue_drive(&client);
		/* Its data have to stay until it is over. */
		while (!is_quiet) {
			if (!wait_for(&client, &completion)) {
				return;
			}
			is_quiet = completion.context == sent;
		}
	}
}

/* ---- who disturbs ---------------------------------------------------------------------------- */

static void nothing(void)
{
	stagger(3000);
}

static void alert(void)
{
	stagger(2000);
	(void)hel_queue_alert(
		random_chance(&random_state, 2) ? server.client.handle : client.client.handle);
}

static void replace_lanes(bool is_shutdown)
{
	struct hel_stream_lanes made;
	hel_handle old[2] = { lanes[0], lanes[1] };

	stagger(3000);
	if (hel_stream_create(&made) != 0) {
		expect(false, "no stream");
		return;
	}
	if (is_shutdown) {
		(void)hel_lane_shutdown(old[random_below(&random_state, 2)]);
	}
	lanes[0] = made.lane[0];
	lanes[1] = made.lane[1];
	uint32_t first = (uint32_t)random_below(&random_state, 2);

	(void)hel_close(HEL_THIS, old[first]);
	stagger(500);
	(void)hel_close(HEL_THIS, old[1 - first]);
}

static void close_lanes(void)
{
	replace_lanes(false);
}

static void shut_down_lanes(void)
{
	replace_lanes(true);
}

static void close_queue(void)
{
	stagger(30'000);
	(void)hel_close(HEL_THIS,
		random_chance(&random_state, 2) ? server.client.handle : client.client.handle);
	is_over = random_chance(&random_state, 3);
}

static void kill_one(void)
{
	stagger(60'000);
	(void)hel_thread_kill(random_chance(&random_state, 2) ? server_thread : client_thread);
	is_over = random_chance(&random_state, 3);
}

/* ---- machines -------------------------------------------------------------------------------- */

static void server_main(UNUSED void *context)
{
	play.server();
	n_running--;
}

static void client_main(UNUSED void *context)
{
	play.client();
	is_over = true;
	n_running--;
}

static uint32_t n_chunks;
static bool is_deadly; /* threads may not come to their end */

static void first_main(UNUSED void *context)
{
	struct hel_stream_lanes made;

	expect(queue_open(&server, n_chunks, 1024, 1024) == 0, "no queue");
	expect(queue_open(&client, n_chunks, 1024, 1024) == 0, "no queue");
	expect(hel_stream_create(&made) == 0, "no stream");
	lanes[0] = made.lane[0];
	lanes[1] = made.lane[1];
	memory = user_map(1);
	sim_store(memory, &(uint64_t){ 7 }, 8);
	n_running = 2;
	is_over = false;
	last_number = next_number = 0;
	server_thread = user_start(server_main, NULL);
	client_thread = user_start(client_main, NULL);
	expect(server_thread != HEL_NULL && client_thread != HEL_NULL, "no thread");
	for (uint32_t i = 0; i < 30 && !is_over; i++) {
		play.disturb();
		n_disturbed++;
	}
	for (uint32_t i = 0; i < 20'000 && n_running > 0 && !is_deadly; i++) {
		sim_compute(1000);
	}
	expect(n_running == 0 || is_deadly, "somebody waits for ever");
	is_over = true;
	(void)hel_thread_kill(server_thread);
	(void)hel_thread_kill(client_thread);
	/* What is left goes with the universe. */
}

static void race(void (*server_play)(void), void (*client_play)(void), void (*disturb)(void))
{
	uint64_t seed = test_seed(1);

	play.server = server_play;
	play.client = client_play;
	play.disturb = disturb;
	is_deadly = disturb == kill_one || disturb == close_queue;
	n_requests = n_answers = n_failed = n_disturbed = n_received = 0;
	for (uint32_t round = 0; round < 16; round++) {
		failure = NULL;
		n_chunks = 1 + round % 3;
		random_init(&random_state, seed + round);
		machine_begin(1 + round % 4, seed + round);
		sim_interleave(2u << round % 7);
		CHECK(machine_run(first_main, NULL));
		if (failure != NULL) {
			test_fail(__FILE__, __LINE__, "round %u: %s", round, failure);
		}
		CHECK(machine_end());
	}
	printf("# %llu requests, %llu answers, %llu failed, %llu messages, %llu disturbances\n",
		(unsigned long long)n_requests, (unsigned long long)n_answers,
		(unsigned long long)n_failed, (unsigned long long)n_received,
		(unsigned long long)n_disturbed);
}

TEST(asks_undisturbed)
{
	race(serve, ask, nothing);
	CHECK_EQ(n_failed + n_answers, 16 * TURNS);
	CHECK(n_answers > n_failed);
}

TEST(asks_against_alerts)
{
	race(serve, ask, alert);
}

TEST(asks_against_close)
{
	race(serve, ask, close_lanes);
}

TEST(asks_against_shutdown)
{
	race(serve, ask, shut_down_lanes);
}

TEST(asks_against_the_end_of_a_queue)
{
	race(serve, ask, close_queue);
}

TEST(asks_against_kill)
{
	race(serve, ask, kill_one);
}

TEST(sends_undisturbed)
{
	race(listen, send, nothing);
}

TEST(sends_against_close)
{
	race(listen, send, close_lanes);
}

TEST(sends_against_shutdown)
{
	race(listen, send, shut_down_lanes);
}

TEST(sends_against_the_end_of_a_queue)
{
	race(listen, send, close_queue);
}

TEST(sends_against_kill)
{
	race(listen, send, kill_one);
}

TEST_MAIN()
