/* SPDX-License-Identifier: MIT */
/* What the kernel tests share: the main queue, threads, memory. */
#include "test.h"

constexpr uint64_t WAIT_MS = 2000;
constexpr uint64_t WORKER_STACK = 64 * 1024;
constexpr unsigned EARLY_MAX = 256;

struct hel_queue_client test_queue;

static uint64_t next_context = 1000;

/* Completions that came while another one was awaited. */
static const struct hel_element *early[EARLY_MAX];
static unsigned n_early;

uint64_t test_now(void)
{
	uint64_t now_ns = 0;

	hel_clock_get(&now_ns);
	return now_ns;
}

uint64_t test_deadline_ms(uint64_t milliseconds)
{
	return test_now() + milliseconds * 1'000'000;
}

/* ---- memory */

uint64_t map_pages(uint64_t size_bytes)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = size_bytes,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY,
	};
	uint64_t address;

	return hel_space_map(&args, &address) == 0 ? address : 0;
}

void unmap_pages(uint64_t address, uint64_t size_bytes)
{
	hel_space_unmap(HEL_THIS, address, size_bytes);
}

/* ---- queues */

bool make_queue(struct hel_queue_client *client, uint32_t n_chunks, uint32_t chunk_size,
	uint32_t submit_size)
{
	struct hel_queue_params params = {
		.n_chunks = n_chunks,
		.chunk_size = chunk_size,
		.submit_size = submit_size,
	};
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = hel_queue_memory_size(&params),
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address;

	if (hel_queue_create(&params, &args.memory) != 0) {
		return false;
	}
	if (hel_space_map(&args, &address) != 0) {
		hel_close(HEL_THIS, args.memory);
		return false;
	}
	hel_queue_client_init(client, args.memory, (void *)address, &params);
	return true;
}

void drop_queue(struct hel_queue_client *client)
{
	hel_space_unmap(HEL_THIS, (uint64_t)client->header, hel_queue_memory_size(&client->params));
	hel_close(HEL_THIS, client->handle);
}

void *submit(uint32_t opcode, uint32_t size)
{
	void *record = hel_queue_reserve(&test_queue, opcode, size, next_context);

	if (record == NULL) {
		hel_drive(test_queue.handle, 0, 0, 0, NULL);
		record = hel_queue_reserve(&test_queue, opcode, size, next_context);
	}
	next_context++;
	return record;
}

void commit(void)
{
	hel_queue_commit(&test_queue);
}

uint64_t submit_exchange(hel_handle lane, const struct hel_action *actions, uint32_t n_actions)
{
	uint32_t size = (uint32_t)(sizeof(struct hel_exchange_record) +
		n_actions * sizeof(struct hel_action));
	struct hel_exchange_record *record = submit(HEL_SUBMIT_EXCHANGE, size);

	record->lane = lane;
	record->n_actions = n_actions;
	record->flags = 0;
	memcpy(record->actions, actions, n_actions * sizeof(actions[0]));
	uint64_t context = record->header.context;

	commit();
	return context;
}

static const struct hel_element *find_early(uint64_t context)
{
	for (unsigned i = 0; i < n_early; i++) {
		if (early[i]->context == context) {
			return early[i];
		}
	}
	return NULL;
}

static void collect(void)
{
	const struct hel_element *element;

	while (n_early < EARLY_MAX && (element = hel_queue_take(&test_queue)) != NULL) {
		early[n_early++] = element;
	}
}

bool is_complete(uint64_t context)
{
	hel_drive(test_queue.handle, 0, 0, 0, NULL);
	collect();
	return find_early(context) != NULL;
}

static void take_early(const struct hel_element *element, struct completion *out_completion)
{
	for (unsigned i = 0; i < n_early; i++) {
		if (early[i] == element) {
			early[i] = early[--n_early];
			break;
		}
	}
	if (out_completion != NULL) {
		out_completion->opcode = element->opcode;
		out_completion->context = element->context;
		out_completion->error = element->error;
		out_completion->n_results = element->n_results;
		out_completion->size =
			min_size(element->size - sizeof(*element), COMPLETION_DATA_MAX);
		memcpy(out_completion->data, element + 1, out_completion->size);
	}
	hel_queue_release(&test_queue, element);
}

bool await(uint64_t context, struct completion *out_completion)
{
	uint64_t deadline_ns = test_deadline_ms(WAIT_MS);

	for (;;) {
		collect();
		const struct hel_element *element = find_early(context);

		if (element != NULL) {
			take_early(element, out_completion);
			return true;
		}
		if (hel_drive(test_queue.handle, HEL_DRIVE_WAIT, test_queue.n_taken, deadline_ns,
			    NULL) == -ERR_TIMED_OUT) {
			collect();
			return find_early(context) != NULL;
		}
	}
}

const struct hel_result *result_of(const struct completion *completion, uint32_t index)
{
	struct hel_results results = {
		.next = completion->data,
		.end = completion->data + (completion->error == 0 ? completion->size : 0),
	};
	const struct hel_result *result = hel_results_next(&results);

	while (result != NULL && index-- > 0) {
		result = hel_results_next(&results);
	}
	return result;
}

/* ---- threads */

static NORETURN void worker_main(struct worker *worker)
{
	worker->run(worker);
	atomic_store(&worker->is_done, 1);
	hel_futex_wake((const uint32_t *)&worker->is_done, 1, ~0u, NULL);
	hel_thread_exit();
}

bool worker_create_with(
	struct worker *worker, void (*run)(struct worker *worker), void *argument, uint32_t flags)
{
	*worker = (struct worker){ .run = run, .argument = argument };
	worker->stack = map_pages(WORKER_STACK);
	if (worker->stack == 0) {
		return false;
	}
	struct hel_thread_args args = {
		.universe = HEL_THIS,
		.space = HEL_THIS,
		.ip = (uint64_t)worker_main,
		.sp = worker->stack + WORKER_STACK - 8,
		.argument = (uint64_t)worker,
		.flags = flags,
	};

	return hel_thread_create(&args, &worker->thread) == 0;
}

bool worker_create(struct worker *worker, void (*run)(struct worker *worker), void *argument)
{
	return worker_create_with(worker, run, argument, 0);
}

bool worker_start(struct worker *worker, void (*run)(struct worker *worker), void *argument)
{
	return worker_create(worker, run, argument) && hel_thread_start(worker->thread) == 0;
}

void worker_forget(struct worker *worker)
{
	unmap_pages(worker->stack, WORKER_STACK);
	hel_close(HEL_THIS, worker->thread);
}

bool worker_join(struct worker *worker)
{
	uint64_t deadline_ns = test_deadline_ms(WAIT_MS);
	uint64_t context;

	while (atomic_load(&worker->is_done) == 0) {
		if (hel_futex_wait((const uint32_t *)&worker->is_done, 0, deadline_ns, ~0u) ==
			-ERR_TIMED_OUT) {
			return false;
		}
	}
	/* Its stack is free only when it has ended. */
	context = observe(worker->thread, 0);
	if (!await(context, NULL)) {
		return false;
	}
	worker_forget(worker);
	return true;
}

bool wait_until(_Atomic uint32_t *word, uint32_t value)
{
	uint64_t deadline_ns = test_deadline_ms(WAIT_MS);

	while (atomic_load(word) < value) {
		if (test_now() > deadline_ns) {
			return false;
		}
		hel_thread_yield();
	}
	return true;
}

uint64_t observe(hel_handle thread, uint64_t sequence)
{
	struct hel_observe_record *record = submit(HEL_SUBMIT_OBSERVE, sizeof(*record));

	record->thread = thread;
	record->sequence = sequence;
	uint64_t context = record->header.context;

	commit();
	return context;
}

bool await_observation(uint64_t context, struct hel_observe_result *out_result)
{
	static struct completion completion;

	if (!await(context, &completion) || completion.error != 0 ||
		completion.size < sizeof(*out_result)) {
		return false;
	}
	memcpy(out_result, completion.data, sizeof(*out_result));
	return true;
}
