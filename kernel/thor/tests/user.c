/* SPDX-License-Identifier: MIT */
/* What user programs of tests have in common: memory, threads, queues. See machine.h. */
#include "machine.h"

#include <base/string.h>

/* ---- memory and threads ---------------------------------------------------------------------- */

uint64_t user_map(uint64_t n_pages)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = n_pages * HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY,
	};
	uint64_t address;

	return hel_space_map(&args, &address) == 0 ? address : 0;
}

void user_store_string(uint64_t address, const char *text)
{
	sim_store(address, text, strlen(text) + 1);
}

bool user_has_string(uint64_t address, const char *text)
{
	char copy[256];
	size_t size = strlen(text) + 1;

	sim_load(copy, address, size);
	return memcmp(copy, text, size) == 0;
}

int user_create(void (*main)(void *context), void *context, hel_handle *out_thread)
{
	struct hel_thread_args args = {
		.universe = HEL_THIS,
		.space = HEL_THIS,
		.ip = SIM_IP,
		.tls_base = sim_program_create(main, context),
	};

	return hel_thread_create(&args, out_thread);
}

hel_handle user_start(void (*main)(void *context), void *context)
{
	hel_handle thread;

	if (user_create(main, context, &thread) != 0) {
		return HEL_NULL;
	}
	return hel_thread_start(thread) == 0 ? thread : HEL_NULL;
}

/* ---- queues ---------------------------------------------------------------------------------- */

int queue_open(
	struct user_queue *queue, uint32_t n_chunks, uint32_t chunk_size, uint32_t submit_size)
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
	int error = hel_queue_create(&params, &args.memory);

	*queue = (struct user_queue){ .size_bytes = args.size_bytes, .next_context = 1 };
	if (error != 0) {
		return error;
	}
	error = hel_space_map(&args, &queue->address);
	if (error != 0) {
		hel_close(HEL_THIS, args.memory);
		return error;
	}
	hel_queue_client_init(&queue->client, args.memory,
		sim_alias(queue->address, args.size_bytes / HEL_PAGE_SIZE), &params);
	return 0;
}

void queue_close(struct user_queue *queue)
{
	hel_close(HEL_THIS, queue->client.handle);
	hel_space_unmap(HEL_THIS, queue->address, queue->size_bytes);
	for (uint32_t i = 0; i < queue->n_kept; i++) {
		free(queue->kept[i]);
	}
	queue->n_kept = 0;
}

void *queue_record(struct user_queue *queue, uint32_t opcode, uint32_t size)
{
	return hel_queue_reserve(&queue->client, opcode, size, queue->next_context++);
}

int queue_drive(struct user_queue *queue)
{
	return hel_drive(queue->client.handle, 0, 0, 0, NULL);
}

static void completion_parse(const struct hel_element *element, struct completion *out_completion)
{
	struct hel_results results;
	const struct hel_result *result;

	*out_completion = (struct completion){
		.opcode = element->opcode,
		.context = element->context,
		.error = element->error,
		.n_results = element->n_results,
		.has_more = (element->flags & HEL_ELEMENT_MORE) != 0,
		.size = element->size - (uint32_t)sizeof(*element),
	};
	memcpy(out_completion->data, element + 1,
		min_size(out_completion->size, sizeof(out_completion->data)));
	if (element->opcode != HEL_SUBMIT_EXCHANGE) {
		return;
	}
	results = hel_results_begin(element);
	for (uint32_t i = 0; (result = hel_results_next(&results)) != NULL; i++) {
		size_t offset = (size_t)((const uint8_t *)result - (const uint8_t *)(element + 1));

		out_completion->results[i] = *result;
		out_completion->inline_data[i] = out_completion->data + offset + sizeof(*result);
	}
}

static bool queue_take_next(struct user_queue *queue, struct completion *out_completion)
{
	const struct hel_element *element = hel_queue_take(&queue->client);

	if (element == NULL) {
		return false;
	}
	completion_parse(element, out_completion);
	hel_queue_release(&queue->client, element);
	return true;
}

/* Copy one that was kept; its pointers go with it. */
static void completion_unkeep(struct completion *kept, struct completion *out_completion)
{
	*out_completion = *kept;
	for (uint32_t i = 0; i < HEL_ACTIONS_MAX; i++) {
		if (kept->inline_data[i] != NULL) {
			out_completion->inline_data[i] =
				out_completion->data + (kept->inline_data[i] - kept->data);
		}
	}
	free(kept);
}

static bool queue_take_kept(
	struct user_queue *queue, uint32_t index, struct completion *out_completion)
{
	if (index >= queue->n_kept) {
		return false;
	}
	completion_unkeep(queue->kept[index], out_completion);
	queue->n_kept--;
	memmove(&queue->kept[index], &queue->kept[index + 1],
		(queue->n_kept - index) * sizeof(queue->kept[0]));
	return true;
}

bool queue_take(struct user_queue *queue, struct completion *out_completion)
{
	return queue_take_kept(queue, 0, out_completion) || queue_take_next(queue, out_completion);
}

bool queue_is_quiet(struct user_queue *queue)
{
	struct completion completion;

	return queue->n_kept == 0 && !queue_take_next(queue, &completion);
}

static uint32_t queue_find_kept(const struct user_queue *queue, uint64_t context)
{
	uint32_t i = 0;

	while (i < queue->n_kept && queue->kept[i]->context != context) {
		i++;
	}
	return i;
}

/* Everything that is there is kept, until the one that is wanted. */
static bool queue_find(
	struct user_queue *queue, uint64_t context, struct completion *out_completion)
{
	if (queue_take_kept(queue, queue_find_kept(queue, context), out_completion)) {
		return true;
	}
	while (queue_take_next(queue, out_completion)) {
		if (out_completion->context == context) {
			return true;
		}
		if (queue->n_kept == USER_COMPLETIONS_MAX) {
			return false;
		}
		struct completion *kept = malloc(sizeof(*kept));

		*kept = *out_completion;
		for (uint32_t i = 0; i < HEL_ACTIONS_MAX; i++) {
			if (kept->inline_data[i] != NULL) {
				kept->inline_data[i] =
					kept->data + (kept->inline_data[i] - out_completion->data);
			}
		}
		queue->kept[queue->n_kept++] = kept;
	}
	return false;
}

bool queue_await(struct user_queue *queue, uint64_t context, struct completion *out_completion)
{
	uint64_t deadline_ns = sim_time_ns + 1'000'000'000;

	while (!queue_find(queue, context, out_completion)) {
		int error = hel_drive(queue->client.handle, HEL_DRIVE_WAIT, queue->client.n_taken,
			deadline_ns, NULL);

		if (error != 0 && error != -ERR_KICKED) {
			return false;
		}
	}
	return true;
}

/* ---- records --------------------------------------------------------------------------------- */

static uint64_t queue_commit(struct user_queue *queue)
{
	hel_queue_commit(&queue->client);
	return queue->next_context - 1;
}

/* Nobody submits more than the ring has room for without driving: drive for them. */
static void *queue_record_surely(struct user_queue *queue, uint32_t opcode, uint32_t size)
{
	void *record = queue_record(queue, opcode, size);

	while (record == NULL) {
		(void)queue_drive(queue);
		queue->next_context--;
		record = queue_record(queue, opcode, size);
	}
	return record;
}

uint64_t submit_nop(struct user_queue *queue)
{
	(void)queue_record_surely(queue, HEL_SUBMIT_NOP, sizeof(struct hel_record));
	return queue_commit(queue);
}

uint64_t submit_exchange_with(struct user_queue *queue, hel_handle lane,
	const struct hel_action *actions, uint32_t n_actions, uint32_t flags)
{
	uint32_t size =
		(uint32_t)(sizeof(struct hel_exchange_record) + n_actions * sizeof(actions[0]));
	struct hel_exchange_record *record = queue_record_surely(queue, HEL_SUBMIT_EXCHANGE, size);

	record->lane = lane;
	record->n_actions = n_actions;
	record->flags = flags;
	memcpy(record->actions, actions, n_actions * sizeof(actions[0]));
	return queue_commit(queue);
}

uint64_t submit_exchange(struct user_queue *queue, hel_handle lane,
	const struct hel_action *actions, uint32_t n_actions)
{
	return submit_exchange_with(queue, lane, actions, n_actions, 0);
}

uint64_t submit_event(struct user_queue *queue, hel_handle event, uint64_t sequence)
{
	struct hel_await_event_record *record =
		queue_record_surely(queue, HEL_SUBMIT_AWAIT_EVENT, sizeof(*record));

	record->event = event;
	record->sequence = sequence;
	return queue_commit(queue);
}

uint64_t submit_clock(struct user_queue *queue, uint64_t deadline_ns)
{
	struct hel_await_clock_record *record =
		queue_record_surely(queue, HEL_SUBMIT_AWAIT_CLOCK, sizeof(*record));

	record->deadline_ns = deadline_ns;
	return queue_commit(queue);
}

uint64_t submit_ends(struct user_queue *queue)
{
	(void)queue_record_surely(queue, HEL_SUBMIT_AWAIT_ENDS, sizeof(struct hel_record));
	return queue_commit(queue);
}

uint64_t submit_observe(struct user_queue *queue, hel_handle thread, uint64_t sequence)
{
	struct hel_observe_record *record =
		queue_record_surely(queue, HEL_SUBMIT_OBSERVE, sizeof(*record));

	record->thread = thread;
	record->sequence = sequence;
	return queue_commit(queue);
}

uint64_t submit_manage(struct user_queue *queue, hel_handle backing)
{
	struct hel_manage_record *record =
		queue_record_surely(queue, HEL_SUBMIT_MANAGE, sizeof(*record));

	record->backing = backing;
	return queue_commit(queue);
}

uint64_t submit_fence(
	struct user_queue *queue, hel_handle frontal, uint64_t offset, uint64_t length)
{
	struct hel_fence_record *record =
		queue_record_surely(queue, HEL_SUBMIT_FENCE, sizeof(*record));

	record->frontal = frontal;
	record->offset = offset;
	record->length = length;
	return queue_commit(queue);
}

uint64_t submit_lock(struct user_queue *queue, hel_handle memory, uint64_t offset, uint64_t length,
	uint64_t flags)
{
	struct hel_lock_record *record =
		queue_record_surely(queue, HEL_SUBMIT_LOCK_MEMORY, sizeof(*record));

	record->memory = memory;
	record->offset = offset;
	record->length = length;
	record->flags = flags;
	return queue_commit(queue);
}

void submit_cancel(struct user_queue *queue, uint64_t context)
{
	struct hel_cancel_record *record =
		queue_record_surely(queue, HEL_SUBMIT_CANCEL, sizeof(*record));

	record->header.context = context;
	(void)queue_commit(queue);
}

const struct hel_event_result *completion_event(const struct completion *completion)
{
	return (const struct hel_event_result *)completion->data;
}

const struct hel_observe_result *completion_observation(const struct completion *completion)
{
	return (const struct hel_observe_result *)completion->data;
}

const struct hel_manage_result *completion_request(const struct completion *completion)
{
	return (const struct hel_manage_result *)completion->data;
}
