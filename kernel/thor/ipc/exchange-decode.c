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

static int decode_segments(struct action *action, const struct hel_action *wish)
{
	uint64_t sum = 0;

	if (wish->length > HEL_SG_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (wish->length == 0) {
		return 0;
	}
	size_t n_bytes = (size_t)wish->length * sizeof(action->segments[0]);

	action->segments = account_allocate(exchange_of_action(action)->operation.account, n_bytes);
	if (action->segments == NULL) {
		return -ERR_NO_MEMORY;
	}
	action->n_segments = (uint32_t)wish->length;
	int error = arch_copy_from_user(action->segments, wish->address, n_bytes);

	if (error != 0) {
		return error;
	}
	for (uint32_t i = 0; i < action->n_segments; i++) {
		if (action->segments[i].length > EXCHANGE_BYTES_MAX) {
			return -ERR_ILLEGAL_ARGS;
		}
		sum += action->segments[i].length;
	}
	action->length = sum;
	return sum <= EXCHANGE_BYTES_MAX ? 0 : -ERR_ILLEGAL_ARGS;
}

static int decode_push(
	struct action *action, struct thread *submitter, const struct hel_action *wish)
{
	struct descriptor descriptor;

	if ((wish->length & ~(uint64_t)HEL_RIGHTS_ALL) != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error = universe_find(submitter->universe, wish->handle, &descriptor);

	if (error != 0) {
		return error;
	}
	if ((descriptor.rights & HEL_RIGHT_DERIVE) == 0) {
		object_unref(descriptor.object);
		return -ERR_NO_RIGHTS;
	}
	object_handle_ref(descriptor.object);
	object_unref(descriptor.object);
	action->object = descriptor.object;
	action->rights = descriptor.rights;
	if (wish->length != 0) {
		action->rights &= (uint32_t)wish->length;
	}
	return 0;
}

static int decode_imbue(
	struct action *action, struct thread *submitter, const struct hel_action *wish)
{
	struct object *object;

	if (wish->handle == HEL_NULL || wish->handle == HEL_THIS) {
		action->credentials = submitter->credentials;
		return 0;
	}
	int error = universe_lookup(
		submitter->universe, wish->handle, HEL_TYPE_TOKEN, HEL_RIGHT_READ, &object);

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
	int error = stream_create(&stream);

	if (error != 0) {
		return error;
	}
	for (unsigned side = 0; side < 2; side++) {
		object_handle_ref(&stream->lanes[side].object);
		object_unref(&stream->lanes[side].object);
	}
	action->made = &stream->lanes[0];
	action->offered = &stream->lanes[1];
	return 0;
}

static int decode_action(
	struct action *action, struct thread *submitter, const struct hel_action *wish)
{
	switch (wish->type) {
	case HEL_ACTION_DISMISS:
	case HEL_ACTION_ACCEPT:
	case HEL_ACTION_PULL:
	case HEL_ACTION_EXTRACT_CREDENTIALS: return 0;
	case HEL_ACTION_RECEIVE_INLINE:
		return wish->length <= HEL_INLINE_MAX ? 0 : -ERR_ILLEGAL_ARGS;
	case HEL_ACTION_SEND:
	case HEL_ACTION_RECEIVE: return wish->length <= EXCHANGE_BYTES_MAX ? 0 : -ERR_ILLEGAL_ARGS;
	case HEL_ACTION_SEND_SG: return decode_segments(action, wish);
	case HEL_ACTION_OFFER: return decode_offer(action);
	case HEL_ACTION_PUSH: return decode_push(action, submitter, wish);
	case HEL_ACTION_IMBUE_CREDENTIALS: return decode_imbue(action, submitter, wish);
	default: return -ERR_ILLEGAL_ARGS;
	}
}

/* What an action adds to the results, at most. */
static uint64_t decode_result_size(const struct hel_action *wish)
{
	uint64_t size = sizeof(struct hel_result);

	if (wish->type == HEL_ACTION_RECEIVE_INLINE) {
		size += align_up(wish->length, 8);
	} else if (wish->type == HEL_ACTION_EXTRACT_CREDENTIALS) {
		size += sizeof(struct thread_credentials);
	}
	return size;
}

static bool decode_flags_are_valid(const struct hel_action *wish, bool has_stream)
{
	uint16_t valid = (has_stream ? HEL_ACTION_ANCILLARY : 0) |
		(action_type_makes_stream(wish->type) ? HEL_ACTION_WANT_LANE : 0);

	return (wish->flags & ~valid) == 0;
}

int exchange_decode(struct exchange *exchange, struct thread *submitter,
	const struct hel_exchange_record *request, uint64_t result_max)
{
	int8_t stream_maker = -1;
	uint64_t result_size = 0;

	for (uint32_t i = 0; i < request->n_actions; i++) {
		const struct hel_action *wish = &request->actions[i];
		struct action *action = &exchange->actions[i];
		bool is_ancillary = (wish->flags & HEL_ACTION_ANCILLARY) != 0;

		if (!decode_flags_are_valid(wish, stream_maker >= 0) || wish->reserved != 0) {
			return -ERR_ILLEGAL_ARGS;
		}
		action->index = (uint8_t)i;
		action->type = wish->type;
		action->flags = wish->flags;
		action->address = wish->address;
		action->length = wish->length;
		action->stream_maker = is_ancillary ? stream_maker : -1;
		exchange->n_actions = i + 1;
		exchange->has_holdings |= action_may_hold(action);
		exchange->has_inline |= action_may_have_inline(action);
		int error = decode_action(action, submitter, wish);

		if (error != 0) {
			arch_witness_refusal(wish->type, error);
			return error;
		}
		if (action_makes_stream(action)) {
			stream_maker = (int8_t)i;
		}
		result_size += decode_result_size(wish);
	}
	return result_size <= result_max ? 0 : -ERR_ILLEGAL_ARGS;
}
