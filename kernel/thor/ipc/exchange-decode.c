/* SPDX-License-Identifier: MIT */
/*
 * Exchanges: from the checked size of a record to actions. Nothing here is visible to anybody
 * else.
 */
#include <thor/ipc/exchange.h>

#include <thor/arch/witness.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>
#include <thor/object/token.h>
#include <thor/object/universe.h>

static int decode_segments(struct action *action)
{
	uint64_t n_segments = action->length;
	uint64_t sum = 0;

	if (n_segments == 0) {
		return 0;
	}
	size_t n_bytes = (size_t)n_segments * sizeof(action->segments[0]);

	action->segments = account_allocate(exchange_of_action(action)->operation.account, n_bytes);
	if (action->segments == NULL) {
		return -ERR_NO_MEMORY;
	}
	action->n_segments = (uint32_t)n_segments;
	int error = arch_copy_from_user(action->segments, action->address, n_bytes);

	if (error != 0) {
		return error;
	}
	for (uint32_t i = 0; i < action->n_segments; i++) {
		if (action->segments[i].length > HEL_ACTION_BYTES_MAX) {
			return -ERR_ILLEGAL_ARGS;
		}
		sum += action->segments[i].length;
	}
	action->length = sum;
	return sum <= HEL_ACTION_BYTES_MAX ? 0 : -ERR_ILLEGAL_ARGS;
}

static int decode_push(struct action *action, struct thread *submitter, hel_handle handle)
{
	struct descriptor descriptor;

	if ((action->length & ~(uint64_t)HEL_RIGHTS_ALL) != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error = universe_find(submitter->universe, handle, &descriptor);

	if (error != 0) {
		return error;
	}
	if ((descriptor.rights & HEL_RIGHT_DERIVE) == 0) {
		error = -ERR_NO_RIGHTS;
	} else if (unlikely(descriptor.grant != NULL)) {
		error = push_use_create(
			&exchange_of_action(action)->operation, &descriptor, &action->use);
		action->properties |= error == 0 ? ACTION_IS_GRANTED : 0;
	} else {
		error = descriptor_handle_ref(&descriptor);
		if (likely(error == 0)) {
			action->object = descriptor.object;
		}
	}
	action->rights = descriptor.rights;
	if (action->length != 0) {
		action->rights &= (uint32_t)action->length;
	}
	descriptor_release(&descriptor);
	return error;
}

static int decode_imbue(struct action *action, struct thread *submitter, hel_handle handle)
{
	struct object *object;

	if (handle == HEL_NULL || handle == HEL_THIS) {
		action->credentials = submitter->credentials;
		return 0;
	}
	int error = universe_lookup(
		submitter->universe, handle, HEL_TYPE_TOKEN, HEL_RIGHT_READ, &object);

	if (error != 0) {
		return error;
	}
	action->credentials = token_of(object)->credentials;
	object_unref(object);
	return 0;
}

static int decode_offer(struct action *action)
{
	struct stream *stream;
	int error = stream_create_handles(&stream);

	if (error != 0) {
		return error;
	}
	action->made = &stream->lanes[0];
	action->offered = &stream->lanes[1];
	return 0;
}

/* Of each type: what can be wished, and what it means. */
static const struct action_kind {
	uint64_t length_max;
	uint16_t flags; /* that may be set besides ANCILLARY */
	uint8_t properties; /* enum action_properties */
} action_kinds[] = {
	/* no type: fails in decode_further() */
	[0] = { 0, 0, ACTION_TAKES_MORE },
	[HEL_ACTION_DISMISS] = { UINT64_MAX, 0, 0 },
	[HEL_ACTION_OFFER] = { UINT64_MAX, HEL_ACTION_WANT_LANE,
		ACTION_MAKES_STREAM | ACTION_MAY_HOLD | ACTION_TAKES_MORE },
	[HEL_ACTION_ACCEPT] = { UINT64_MAX, HEL_ACTION_WANT_LANE,
		ACTION_MAKES_STREAM | ACTION_MAY_HOLD },
	[HEL_ACTION_SEND] = { HEL_ACTION_BYTES_MAX, 0, 0 },
	[HEL_ACTION_SEND_SG] = { HEL_SG_MAX, 0,
		ACTION_MAY_HOLD | ACTION_TAKES_MORE | ACTION_IS_VARIED },
	[HEL_ACTION_RECEIVE] = { HEL_ACTION_BYTES_MAX, 0, 0 },
	[HEL_ACTION_RECEIVE_INLINE] = { HEL_INLINE_MAX, 0, ACTION_MAY_HAVE_INLINE },
	[HEL_ACTION_PUSH] = { UINT64_MAX, 0,
		ACTION_MAY_HOLD | ACTION_TAKES_MORE | ACTION_IS_VARIED },
	[HEL_ACTION_PULL] = { UINT64_MAX, 0, 0 },
	[HEL_ACTION_IMBUE_CREDENTIALS] = { UINT64_MAX, 0, ACTION_TAKES_MORE | ACTION_IS_VARIED },
	[HEL_ACTION_EXTRACT_CREDENTIALS] = { UINT64_MAX, 0, ACTION_MAY_HAVE_INLINE },
};

/* What is not in the words of the wish. */
static __attribute__((noinline)) int decode_further(
	struct action *action, struct thread *submitter, hel_handle handle)
{
	switch (action->type) {
	case HEL_ACTION_SEND_SG: return decode_segments(action);
	case HEL_ACTION_OFFER: return decode_offer(action);
	case HEL_ACTION_PUSH: return decode_push(action, submitter, handle);
	case HEL_ACTION_IMBUE_CREDENTIALS: return decode_imbue(action, submitter, handle);
	default: return -ERR_ILLEGAL_ARGS;
	}
}

/* What an action adds to the results at most, besides struct hel_result. */
static uint64_t decode_inline_size(const struct action *action)
{
	return action->type == HEL_ACTION_RECEIVE_INLINE ? align_up(action->length, 8)
							 : sizeof(struct thread_credentials);
}

struct decode_state {
	uint64_t result_size;
	uint32_t ancillary; /* HEL_ACTION_ANCILLARY, if that may be set, or 0 */
	uint32_t maker; /* of the stream that it means */
	uint32_t n_actions; /* that may hold something by now */
	uint8_t n_inline; /* actions that may have inline data */
	uint8_t properties; /* of all so far */
};

static int decode_refuse(UNUSED uint16_t type, int error)
{
	if (error != 0) {
		arch_witness_refusal(type, error);
	}
	return error;
}

/*
 * One action from its four words. Heap memory is not zeroed: every field that is ever looked at
 * gets its first value here.
 */
static inline int decode_action(struct exchange *exchange, struct thread *submitter, uint32_t index,
	const volatile uint64_t *words, struct decode_state *state)
{
	struct action *action = &exchange->actions[index];
	uint64_t head = words[0]; /* type, flags, reserved */
	uint16_t type = (uint16_t)head;

	if (unlikely(type >= ARRAY_SIZE(action_kinds))) {
		return -ERR_ILLEGAL_ARGS;
	}
	const struct action_kind *kind = &action_kinds[type];
	uint8_t maker =
		(head >> 16 & HEL_ACTION_ANCILLARY) != 0 ? (uint8_t)state->maker : UINT8_MAX;
	uint64_t length = words[3];

	if (unlikely((head >> 16 & ~(uint64_t)(kind->flags | state->ancillary)) != 0)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (unlikely(length > kind->length_max)) {
		return decode_refuse(type, -ERR_ILLEGAL_ARGS);
	}
	action->exchange = exchange;
	atomic_init(&action->lane, NULL);
	action->transfer = NULL;
	action->head = (uint64_t)kind->properties << 48 | (uint64_t)maker << 40 |
		(uint64_t)index << 32 | (uint32_t)head;
	action->address = words[2];
	action->length = length;
	/* The first two words of what each type has for itself. */
	action->made = NULL;
	action->offered = NULL;
	action->error = 0;
	action->inline_size = 0;
	action->value = 0;
	state->properties |= kind->properties;
	state->n_actions = index + 1;
	if ((kind->properties & ACTION_MAY_HAVE_INLINE) != 0) {
		state->result_size += decode_inline_size(action);
		state->n_inline++;
	}
	if ((kind->properties & ACTION_MAKES_STREAM) != 0) {
		state->maker = index;
		state->ancillary = HEL_ACTION_ANCILLARY;
	}
	if ((kind->properties & ACTION_TAKES_MORE) != 0) {
		int error = decode_further(action, submitter, words[1]);

		state->properties |= action->properties;
		return decode_refuse(type, error);
	}
	return 0;
}

constexpr uint32_t DECODE_RECEIVE = HEL_ACTION_RECEIVE_INLINE;
constexpr uint32_t DECODE_ANCILLARY = (uint32_t)HEL_ACTION_ANCILLARY << 16;
constexpr uint32_t DECODE_WANT_LANE = (uint32_t)HEL_ACTION_WANT_LANE << 16;

static enum exchange_shape decode_shape(const struct exchange *exchange)
{
	const struct action *actions = exchange->actions;

	return exchange->n_actions == 3 && (uint32_t)actions[0].head == HEL_ACTION_OFFER &&
			(uint32_t)actions[1].head == (HEL_ACTION_SEND | DECODE_ANCILLARY) &&
			(uint32_t)actions[2].head == (DECODE_RECEIVE | DECODE_ANCILLARY)
		? EXCHANGE_SHAPE_ASK
		: EXCHANGE_SHAPE_OTHER;
}

enum exchange_shape exchange_repeated_shape(const struct exchange *exchange)
{
	const struct action *actions = exchange->actions;

	if (exchange->n_actions == 1 && (uint32_t)actions[0].head == DECODE_RECEIVE) {
		return EXCHANGE_SHAPE_LISTEN;
	}
	return exchange->n_actions == 2 &&
			(uint32_t)actions[0].head == (HEL_ACTION_ACCEPT | DECODE_WANT_LANE) &&
			(uint32_t)actions[1].head == (DECODE_RECEIVE | DECODE_ANCILLARY)
		? EXCHANGE_SHAPE_SERVE
		: EXCHANGE_SHAPE_OTHER;
}

int exchange_decode(struct exchange *exchange, struct thread *submitter,
	const volatile struct hel_action *wishes, uint32_t n_actions, uint64_t result_max)
{
	struct decode_state state = { .result_size = n_actions * sizeof(struct hel_result) };
	int error = 0;

	static_assert(sizeof(struct hel_action) == 4 * sizeof(uint64_t));
	for (uint32_t i = 0; i < n_actions && error == 0; i++) {
		const volatile uint64_t *words = (const volatile uint64_t *)&wishes[i];

		error = decode_action(exchange, submitter, i, words, &state);
	}
	exchange->properties = state.properties;
	exchange->n_inline = state.n_inline;
	exchange->n_actions = state.n_actions;
	exchange->shape = error == 0 ? decode_shape(exchange) : EXCHANGE_SHAPE_OTHER;
	if (unlikely(error == 0 && state.result_size > result_max)) {
		error = -ERR_ILLEGAL_ARGS;
	}
	return error;
}

int exchange_make_streams(struct exchange *exchange)
{
	int error = 0;

	for (uint32_t i = 0; i < exchange->n_actions && error == 0; i++) {
		if ((exchange->actions[i].properties & ACTION_TAKES_MORE) != 0) {
			error = decode_refuse(
				HEL_ACTION_OFFER, decode_offer(&exchange->actions[i]));
		}
	}
	return error;
}
