/* SPDX-License-Identifier: MIT */
/*
 * Exchanges that repeat, quiet sends and quick asks: one server and several clients, each a thread
 * with a queue of its own, on all CPUs. That each answer is the one to the question that was asked
 * is what could go wrong when exchanges and streams are used again.
 */
#include "test.h"

constexpr uint32_t CLIENTS = 4;
constexpr uint64_t QUESTIONS = 300;
constexpr uint32_t QUEUE_CHUNKS = 4;
constexpr uint32_t QUEUE_BYTES = 1024;

struct question {
	uint64_t client;
	uint64_t number;
};

static struct hel_stream_lanes lanes;

static uint64_t answer_to(const struct question *question)
{
	return question->number * CLIENTS + question->client;
}

static bool put_exchange(struct hel_queue_client *queue, hel_handle lane,
	const struct hel_action *actions, uint32_t n_actions, uint32_t flags)
{
	uint32_t size = (uint32_t)(n_actions * sizeof(*actions));
	struct hel_exchange_record *record =
		hel_queue_reserve(queue, HEL_SUBMIT_EXCHANGE, sizeof(*record) + size, 1);

	if (record == NULL) {
		return false;
	}
	record->lane = lane;
	record->n_actions = n_actions;
	record->flags = flags;
	memcpy(record->actions, actions, size);
	hel_queue_commit(queue);
	return true;
}

static const struct hel_element *next_element(struct hel_queue_client *queue)
{
	const struct hel_element *element = hel_queue_take(queue);

	while (element == NULL) {
		int error = hel_drive(queue->handle, HEL_DRIVE_WAIT, queue->n_taken,
			test_deadline_ms(5000), NULL);

		element = hel_queue_take(queue);
		if (error != 0 && element == NULL) {
			return NULL;
		}
	}
	return element;
}

/* Answers one question; false: that is the end, or something is wrong. */
static bool serve_one(struct hel_queue_client *queue, struct worker *worker)
{
	const struct hel_element *element = next_element(queue);

	if (element == NULL || (element->flags & HEL_ELEMENT_MORE) == 0) {
		struct hel_results results =
			element != NULL ? hel_results_begin(element) : (struct hel_results){};
		const struct hel_result *accept = hel_results_next(&results);

		if (accept != NULL && accept->error == -ERR_END_OF_LANE) {
			atomic_fetch_add(&worker->counter, 1);
		}
		return false;
	}
	struct hel_results results = hel_results_begin(element);
	hel_handle lane = hel_results_next(&results)->value;
	const struct hel_result *data = hel_results_next(&results);
	uint64_t answer = answer_to(hel_result_data(data));
	struct hel_action send = SEND(&answer, sizeof(answer));

	hel_queue_release(queue, element);
	atomic_fetch_add(&worker->counter, 1);
	return put_exchange(queue, lane, &send, 1, HEL_EXCHANGE_CLOSE_LANE | HEL_EXCHANGE_QUIET) &&
		hel_drive(queue->handle, 0, 0, 0, NULL) == 0;
}

static void serve(struct worker *worker)
{
	struct hel_queue_client queue;
	struct hel_action actions[2] = {
		ACCEPT(HEL_ACTION_WANT_LANE),
		ancillary(RECEIVE_INLINE(sizeof(struct question))),
	};

	if (!make_queue(&queue, QUEUE_CHUNKS, QUEUE_BYTES, QUEUE_BYTES)) {
		return;
	}
	if (put_exchange(&queue, lanes.lane[1], actions, 2, HEL_EXCHANGE_REPEAT)) {
		while (serve_one(&queue, worker)) {
		}
	}
	drop_queue(&queue);
}

static bool ask(struct hel_queue_client *queue, const struct question *question)
{
	struct hel_action actions[3] = {
		OFFER(0),
		ancillary(SEND(question, sizeof(*question))),
		ancillary(RECEIVE_INLINE(64)),
	};

	if (!put_exchange(queue, lanes.lane[0], actions, 3, 0)) {
		return false;
	}
	const struct hel_element *element = next_element(queue);

	if (element == NULL || element->n_results != 3) {
		return false;
	}
	struct hel_results results = hel_results_begin(element);
	const struct hel_result *offer = hel_results_next(&results);
	const struct hel_result *send = hel_results_next(&results);
	const struct hel_result *receive = hel_results_next(&results);
	uint64_t answer = 0;
	bool is_good = offer->error == 0 && send->error == 0 && receive->error == 0 &&
		receive->inline_size == sizeof(answer);

	if (is_good) {
		memcpy(&answer, hel_result_data(receive), sizeof(answer));
	}
	hel_queue_release(queue, element);
	return is_good && answer == answer_to(question);
}

static void ask_all(struct worker *worker)
{
	struct question question = { .client = (uint64_t)worker->argument };
	struct hel_queue_client queue;

	if (!make_queue(&queue, QUEUE_CHUNKS, QUEUE_BYTES, QUEUE_BYTES)) {
		return;
	}
	while (question.number < QUESTIONS && ask(&queue, &question)) {
		question.number++;
		atomic_fetch_add(&worker->counter, 1);
	}
	drop_queue(&queue);
}

TEST(repeat_answers_each_question)
{
	struct worker server, clients[CLIENTS];

	CHECK_EQ(hel_stream_create(&lanes), 0);
	CHECK(worker_start(&server, serve, NULL));
	for (uint64_t i = 0; i < CLIENTS; i++) {
		CHECK(worker_start(&clients[i], ask_all, (void *)i));
	}
	for (uint32_t i = 0; i < CLIENTS; i++) {
		CHECK(worker_join(&clients[i]));
		CHECK_EQ(atomic_load(&clients[i].counter), QUESTIONS);
	}
	hel_close(HEL_THIS, lanes.lane[0]);
	CHECK(worker_join(&server));
	CHECK_EQ(atomic_load(&server.counter), CLIENTS * QUESTIONS + 1);
	hel_close(HEL_THIS, lanes.lane[1]);
}
