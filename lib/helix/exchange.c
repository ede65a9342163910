/* SPDX-License-Identifier: MIT */
/* Exchanges as operations: see exchange.h. */
#include <helix/exchange-internal.h>

#include <base/assert.h>
#include <base/errors.h>
#include <base/string.h>

bool helix_exchange__submit(const struct helix_exchange *exchange, struct hel_queue_client *queue,
	uint64_t context, uint32_t flags)
{
	uint32_t actions_size = exchange->n_actions * (uint32_t)sizeof(struct hel_action);
	struct hel_exchange_record *record = hel_queue_reserve(
		queue, HEL_SUBMIT_EXCHANGE, (uint32_t)sizeof(*record) + actions_size, context);

	if (record == NULL) {
		return false;
	}
	record->lane = exchange->lane;
	record->n_actions = exchange->n_actions;
	record->flags = flags;
	memcpy(record->actions, exchange->actions, actions_size);
	return true;
}

static bool exchange_submit(struct helix_operation *operation, struct hel_queue_client *queue)
{
	return helix_exchange__submit(container_of(operation, struct helix_exchange, operation),
		queue, (uint64_t)operation, 0);
}

int helix_exchange__take(struct helix_exchange *exchange, const struct hel_element *element)
{
	const struct hel_result *result;

	exchange->element = element;
	exchange->results = hel_results_begin(element);
	if (element->error != 0) {
		return element->error;
	}
	struct hel_results results = exchange->results;

	for (unsigned i = 0; i < exchange->n_actions; i++) {
		result = hel_results_next(&results);
		if (result == NULL) {
			return -ERR_PROTOCOL;
		}
		if (result->error != 0) {
			return result->error;
		}
	}
	return 0;
}

static int exchange_complete(struct helix_operation *operation, const struct hel_element *element)
{
	return helix_exchange__take(
		container_of(operation, struct helix_exchange, operation), element);
}

static const struct helix_operation_class exchange_class = {
	.op =
		{
			.name = "exchange",
			.start = helix_operation_start,
			.cancel = helix_operation_cancel,
		},
	.submit = exchange_submit,
	.complete = exchange_complete,
};

void helix_exchange_init(struct helix_exchange *exchange, hel_handle lane)
{
	op_init(&exchange->operation.op, &exchange_class.op);
	exchange->lane = lane;
	exchange->flags = 0;
	exchange->n_actions = 0;
	exchange->n_parsed = 0;
	exchange->results = (struct hel_results){};
	exchange->element = NULL;
}

/* ---- building -------------------------------------------------------------------------------- */

static struct hel_action *exchange_add(struct helix_exchange *exchange, enum hel_action_type type)
{
	ASSERT(exchange->n_actions < HELIX_EXCHANGE_ACTIONS_MAX);
	struct hel_action *action = &exchange->actions[exchange->n_actions++];

	*action = (struct hel_action){ .type = type, .flags = exchange->flags };
	return action;
}

void helix_exchange_add_dismiss(struct helix_exchange *exchange)
{
	exchange_add(exchange, HEL_ACTION_DISMISS);
}

void helix_exchange_add_offer(struct helix_exchange *exchange, bool want_lane)
{
	struct hel_action *action = exchange_add(exchange, HEL_ACTION_OFFER);

	action->flags |= want_lane ? HEL_ACTION_WANT_LANE : 0;
	exchange->flags = HEL_ACTION_ANCILLARY;
}

void helix_exchange_add_accept(struct helix_exchange *exchange, bool want_lane)
{
	struct hel_action *action = exchange_add(exchange, HEL_ACTION_ACCEPT);

	action->flags |= want_lane ? HEL_ACTION_WANT_LANE : 0;
	exchange->flags = HEL_ACTION_ANCILLARY;
}

void helix_exchange_add_send(struct helix_exchange *exchange, const void *data, size_t size)
{
	struct hel_action *action = exchange_add(exchange, HEL_ACTION_SEND);

	action->address = (uint64_t)data;
	action->length = size;
}

void helix_exchange_add_send_sg(
	struct helix_exchange *exchange, const struct hel_sg *segments, uint32_t n_segments)
{
	struct hel_action *action = exchange_add(exchange, HEL_ACTION_SEND_SG);

	action->address = (uint64_t)segments;
	action->length = n_segments;
}

void helix_exchange_add_receive(struct helix_exchange *exchange, void *buffer, size_t size)
{
	struct hel_action *action = exchange_add(exchange, HEL_ACTION_RECEIVE);

	action->address = (uint64_t)buffer;
	action->length = size;
}

void helix_exchange_add_receive_inline(struct helix_exchange *exchange, size_t size_max)
{
	exchange_add(exchange, HEL_ACTION_RECEIVE_INLINE)->length = size_max;
}

void helix_exchange_add_push(struct helix_exchange *exchange, hel_handle handle, uint32_t rights)
{
	struct hel_action *action = exchange_add(exchange, HEL_ACTION_PUSH);

	action->handle = handle;
	action->length = rights;
}

void helix_exchange_add_pull(struct helix_exchange *exchange)
{
	exchange_add(exchange, HEL_ACTION_PULL);
}

void helix_exchange_add_imbue(struct helix_exchange *exchange, hel_handle token)
{
	exchange_add(exchange, HEL_ACTION_IMBUE_CREDENTIALS)->handle = token;
}

void helix_exchange_add_extract(struct helix_exchange *exchange)
{
	exchange_add(exchange, HEL_ACTION_EXTRACT_CREDENTIALS);
}

/* ---- running --------------------------------------------------------------------------------- */

void helix_exchange_start(
	struct helix_exchange *exchange, struct loop *loop, op_done_fn done, void *owner)
{
	ASSERT(exchange->element == NULL);
	enum op_result result = op_start(&exchange->operation.op, loop, done, owner);

	ASSERT(result == OP_PENDING);
}

int helix_exchange_await(struct task *task, struct helix_exchange *exchange)
{
	ASSERT(exchange->element == NULL);
	return await(task, &exchange->operation.op);
}

bool helix_send_quietly(struct loop *loop, hel_handle lane, bool closes_lane,
	const struct hel_sg *segments, uint32_t n_segments)
{
	struct helix_loop *helix = helix_loop_of(loop);
	uint64_t size = 0;

	for (uint32_t i = 0; i < n_segments; i++) {
		size += segments[i].length;
	}
	if (size > HEL_QUIET_BYTES_MAX) {
		return false;
	}
	struct hel_exchange_record *record = helix_loop_reserve(helix, HEL_SUBMIT_EXCHANGE,
		(uint32_t)(sizeof(*record) + sizeof(record->actions[0]) + size),
		(uint64_t)&helix->quiet);

	if (record == NULL) {
		return false;
	}
	uint8_t *data = (uint8_t *)&record->actions[1];

	record->lane = lane;
	record->n_actions = 1;
	record->flags = HEL_EXCHANGE_QUIET | (closes_lane ? HEL_EXCHANGE_CLOSE_LANE : 0);
	record->actions[0] = (struct hel_action){
		.type = HEL_ACTION_SEND,
		.address = (uint64_t)data,
		.length = size,
	};
	for (uint32_t i = 0; i < n_segments; i++) {
		memcpy(data, (const void *)segments[i].address, segments[i].length);
		data += segments[i].length;
	}
	hel_queue_commit(&helix->queue);
	return true;
}

/* ---- results --------------------------------------------------------------------------------- */

static bool exchange_gives_handle(const struct hel_action *action)
{
	switch (action->type) {
	case HEL_ACTION_OFFER:
	case HEL_ACTION_ACCEPT: return (action->flags & HEL_ACTION_WANT_LANE) != 0;
	case HEL_ACTION_PULL: return true;
	default: return false;
	}
}

/* The next result or NULL; a handle that it has is closed unless the caller takes it. */
static const struct hel_result *exchange_next(struct helix_exchange *exchange, bool takes_handle)
{
	if (exchange->element == NULL || exchange->n_parsed == exchange->n_actions) {
		return NULL;
	}
	const struct hel_action *action = &exchange->actions[exchange->n_parsed++];
	const struct hel_result *result = hel_results_next(&exchange->results);

	if (!takes_handle && result != NULL && result->error == 0 &&
		exchange_gives_handle(action)) {
		hel_close(HEL_THIS, result->value);
	}
	return result;
}

int helix_exchange_next(struct helix_exchange *exchange)
{
	const struct hel_result *result = exchange_next(exchange, false);

	return result != NULL ? result->error : -ERR_PROTOCOL;
}

/* The next result if it is a success: *out_result; else its error. */
static int exchange_next_success(
	struct helix_exchange *exchange, bool takes_handle, const struct hel_result **out_result)
{
	const struct hel_result *result = exchange_next(exchange, takes_handle);

	if (result == NULL) {
		return -ERR_PROTOCOL;
	}
	if (result->error == 0) {
		*out_result = result;
	}
	return result->error;
}

int helix_exchange_next_size(struct helix_exchange *exchange, size_t *out_size)
{
	const struct hel_result *result;
	int error = exchange_next_success(exchange, false, &result);

	if (error == 0) {
		*out_size = result->value;
	}
	return error;
}

int helix_exchange_next_handle(struct helix_exchange *exchange, hel_handle *out_handle)
{
	const struct hel_result *result;
	int error = exchange_next_success(exchange, true, &result);

	if (error == 0) {
		*out_handle = result->value;
	}
	return error;
}

int helix_exchange_next_inline(
	struct helix_exchange *exchange, const void **out_data, size_t *out_size)
{
	const struct hel_result *result;
	int error = exchange_next_success(exchange, false, &result);

	if (error == 0) {
		*out_data = hel_result_data(result);
		*out_size = result->inline_size;
	}
	return error;
}

void helix_exchange_release(struct helix_exchange *exchange)
{
	if (exchange->element == NULL) {
		return;
	}
	while (exchange->n_parsed < exchange->n_actions) {
		(void)exchange_next(exchange, false);
	}
	helix_loop_release(helix_loop_of(exchange->operation.op.loop), exchange->element);
	exchange->element = NULL;
}
