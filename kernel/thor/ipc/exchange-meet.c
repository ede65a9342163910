/* SPDX-License-Identifier: MIT */
/*
 * Exchanges: what two actions that met do with each other.
 *
 * Data go directly from one space to the other. When a buffer cannot be used, its owner gets
 * -ERR_FAULT and the peer -ERR_DISMISSED, as if the action had been dismissed; out of memory is
 * both sides' -ERR_NO_MEMORY. What is larger than a slice goes to exchange-transfer.c.
 */
#include <thor/ipc/exchange.h>

#include <base/assert.h>
#include <base/string.h>
#include <thor/cpu.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>
#include <thor/object/universe.h>
#include <thor/trace/trace.h>

constexpr uint64_t MEET_UNCOUNTED_BYTES = 2048; /* are nothing */
constexpr uint64_t MEET_STEP_BYTES = 16384; /* between two looks at how many pages were missing */
constexpr uint64_t MEET_FAULTS_MAX = 4; /* of a slice, for the pages may have to be cleared */

/* ---- data */

static bool meet_is_readable(struct space *space, uint64_t address, uint64_t size)
{
	uint8_t byte;

	for (uint64_t offset = 0; offset < size;) {
		/* What has to be brought first is not what the copy failed for. */
		if (space_copy_in(space, &byte, address + offset, 1) != 0 && !page_note_is_set()) {
			return false;
		}
		page_note_drop();
		offset = align_down(address + offset, HEL_PAGE_SIZE) + HEL_PAGE_SIZE - address;
	}
	return true;
}

/* The sender's memory behind its data from @offset on, as far as it is in one piece. */
static struct hel_sg meet_find_piece(const struct action *send, uint64_t offset)
{
	uint32_t i = 0;

	if (send->type == HEL_ACTION_SEND) {
		return (struct hel_sg){ send->address + offset, send->length - offset };
	}
	while (offset >= send->segments[i].length) {
		offset -= send->segments[i].length;
		i++;
	}
	return (struct hel_sg){
		send->segments[i].address + offset,
		send->segments[i].length - offset,
	};
}

/* A copy from @send to somewhere failed with @error, in the slice at @done: who is to blame. */
static void meet_fail_copy(struct action *send, struct action *receive, int error, uint64_t done)
{
	struct space *space = exchange_of_action(send)->space;
	uint64_t end = min_u64(send->length, done + TRANSFER_SLICE_BYTES);
	bool is_readable = true;

	if (exchange_of_action(send)->is_quiet) {
		done = end;
	}
	if (error == -ERR_NO_MEMORY) {
		action_finish(send, error, 0);
		action_finish(receive, error, 0);
		return;
	}
	while (is_readable && done < end) {
		struct hel_sg piece = meet_find_piece(send, done);

		piece.length = min_u64(piece.length, end - done);
		is_readable = meet_is_readable(space, piece.address, piece.length);
		done += piece.length;
	}
	action_finish(send, is_readable ? -ERR_DISMISSED : -ERR_FAULT, 0);
	action_finish(receive, is_readable ? -ERR_FAULT : -ERR_DISMISSED, 0);
}

/*
 * As a rule the sender is the current thread, whose space is loaded: then there is no need to
 * search in it.
 */
static int meet_copy_in(struct space *space, void *to, uint64_t from, uint64_t size)
{
	if (likely(arch_this_cpu()->active_space == space)) {
		return arch_copy_from_user(to, from, size);
	}
	return space_copy_in(space, to, from, size);
}

static int meet_copy_piece(struct action *receive, uint64_t offset, struct space *from_space,
	uint64_t from, uint64_t size)
{
	if (receive->type == HEL_ACTION_RECEIVE_INLINE) {
		return meet_copy_in(
			from_space, (uint8_t *)receive->inline_data + offset, from, size);
	}
	return space_copy_between(exchange_of_action(receive)->space, receive->address + offset,
		from_space, from, size);
}

/* The same from what a quiet sender has given away already. */
static __attribute__((noinline)) int meet_copy_given(
	struct action *receive, uint64_t offset, const struct exchange *from, uint64_t size)
{
	const uint8_t *data = (const uint8_t *)from->small_inline + offset;

	if (receive->type == HEL_ACTION_RECEIVE_INLINE) {
		memcpy((uint8_t *)receive->inline_data + offset, data, size);
		return 0;
	}
	return space_copy_out(
		exchange_of_action(receive)->space, receive->address + offset, data, size);
}

/* One piece of the data, from *@done on. */
static inline int meet_copy_next(struct action *send, struct action *receive, uint64_t address,
	uint64_t size, uint64_t *done)
{
	const struct exchange *from = exchange_of_action(send);
	int error = unlikely(from->is_quiet)
		? meet_copy_given(receive, *done, from, size)
		: meet_copy_piece(receive, *done, from->space, address, size);

	if (likely(error == 0)) {
		*done += size;
	} else if (page_note_is_set()) {
		*done += arch_this_cpu()->page_note.n_bytes_done;
	}
	return error;
}

int meet_copy_slice(struct action *send, struct action *receive, uint64_t *done)
{
	const struct cpu *cpu = arch_this_cpu();
	uint64_t end = min_u64(send->length, *done + TRANSFER_SLICE_BYTES);
	uint64_t n_faults_max = cpu->n_page_faults + MEET_FAULTS_MAX;

	while (*done < end && cpu->n_page_faults < n_faults_max) {
		struct hel_sg piece = meet_find_piece(send, *done);
		uint64_t size = min_u64(piece.length, end - *done);
		int error = meet_copy_next(
			send, receive, piece.address, min_u64(size, MEET_STEP_BYTES), done);

		if (unlikely(error != 0)) {
			return error;
		}
	}
	return 0;
}

/* Room for inline data: the exchange's own for the first that is small, else from the heap. */
static bool meet_make_inline(struct action *receive, uint64_t size)
{
	struct exchange *exchange = exchange_of_action(receive);

	if (size <= sizeof(exchange->small_inline) &&
		!atomic_exchange_explicit(
			&exchange->is_small_inline_used, true, memory_order_relaxed)) {
		receive->inline_data = exchange->small_inline;
	} else {
		receive->inline_data = account_allocate(exchange->operation.account, size);
		receive->inline_bytes = (uint32_t)size;
	}
	return receive->inline_data != NULL;
}

void meet_finish_copy(struct action *send, struct action *receive, int error, uint64_t done)
{
	uint64_t length = send->length;

	if (error != 0) {
		meet_fail_copy(send, receive, error, done);
		return;
	}
	if (receive->type == HEL_ACTION_RECEIVE_INLINE) {
		receive->inline_size = (uint32_t)length;
	}
	action_finish(send, 0, length);
	action_finish(receive, 0, length);
}

static void meet_send(struct action *send, struct action *receive)
{
	bool is_inline = receive->type == HEL_ACTION_RECEIVE_INLINE;
	uint64_t done = 0;
	int error = 0;

	if (send->length > receive->length) {
		action_finish(send, -ERR_BUFFER_TOO_SMALL, 0);
		action_finish(receive, -ERR_BUFFER_TOO_SMALL, 0);
		return;
	}
	if (is_inline && send->type == HEL_ACTION_SEND && !exchange_of_action(send)->is_quiet &&
		arch_this_cpu()->active_space == exchange_of_action(send)->space &&
		exchange_complete_with(receive, send->address, send->length)) {
		exchange_end(exchange_of_action(receive));
		action_finish(send, 0, send->length);
		return;
	}
	if (unlikely(send->length > TRANSFER_SLICE_BYTES)) {
		transfer_begin(send, receive, 0);
		return;
	}
	if (send->length > MEET_UNCOUNTED_BYTES) {
		arch_this_cpu()->transfers.n_bytes_at_once += send->length;
	}
	if (send->length > 0) {
		if (is_inline && !meet_make_inline(receive, send->length)) {
			error = -ERR_NO_MEMORY;
		} else if (likely(send->type == HEL_ACTION_SEND &&
				   send->length <= MEET_STEP_BYTES)) {
			error = meet_copy_next(send, receive, send->address, send->length, &done);
		} else {
			error = meet_copy_slice(send, receive, &done);
		}
	}
	if (unlikely(error == -ERR_FAULT && page_note_is_set())) {
		transfer_begin(send, receive, done);
		return;
	}
	if (unlikely(error == 0 && done < send->length)) {
		arch_this_cpu()->transfers.has_copied = true;
		transfer_begin(send, receive, done);
		return;
	}
	meet_finish_copy(send, receive, error, 0);
}

/* ---- lanes, descriptors, credentials */

static int meet_attach_lane(struct action *action, hel_handle *out_handle)
{
	*out_handle = HEL_NULL;
	if ((action->flags & HEL_ACTION_WANT_LANE) == 0) {
		return 0;
	}
	const struct exchange *exchange = exchange_of_action(action);
	int error = universe_attach_granted(exchange->universe, &action->made->object,
		HEL_RIGHTS_ALL, exchange->grant, out_handle);

	/* The lane that it was made over was granted, and appears hung up now. */
	return error == -ERR_REVOKED ? -ERR_END_OF_LANE : error;
}

static bool meet_has_dependents(const struct action *accept)
{
	const struct exchange *exchange = exchange_of_action(accept);

	for (uint32_t i = accept->index + 1u; i < exchange->n_actions; i++) {
		if (exchange->actions[i].stream_maker == accept->index) {
			return true;
		}
	}
	return false;
}

static void meet_offer(struct action *offer, struct action *accept, struct exchange_work *work)
{
	hel_handle offer_handle, accept_handle;

	accept->made = offer->offered;
	offer->offered = NULL;
	int error = meet_attach_lane(accept, &accept_handle);

	if (error != 0) {
		/*
		 * Our end of the new stream goes with this exchange, so the offerer's actions on
		 * it end, too.
		 */
		object_handle_unref(&accept->made->object);
		accept->made = NULL;
		action_finish(accept, error, 0);
		action_finish(offer, -ERR_DISMISSED, 0);
		return;
	}
	error = meet_attach_lane(offer, &offer_handle);
	action_finish(offer, error, offer_handle);
	/* The exchange stays open until what follows the ACCEPT was submitted. */
	if (meet_has_dependents(accept)) {
		atomic_fetch_add_explicit(
			&exchange_of_action(accept)->n_open, 1, memory_order_relaxed);
		list_push_back(&work->accepts, &accept->node);
	}
	action_finish(accept, 0, accept_handle);
}

static void meet_push(struct action *push, struct action *pull)
{
	struct universe *universe = exchange_of_action(pull)->universe;
	hel_handle handle;
	int error = unlikely(action_is_granted(push))
		? push_attach(push->use, push->rights, universe, &handle)
		: universe_attach(universe, push->object, push->rights, &handle);

	action_finish(push, error == 0 || error == -ERR_REVOKED ? error : -ERR_DISMISSED, 0);
	action_finish(pull, error, error == 0 ? handle : HEL_NULL);
}

static void meet_imbue(struct action *imbue, struct action *extract)
{
	extract->credentials = imbue->credentials;
	extract->inline_size = sizeof(extract->credentials);
	action_finish(imbue, 0, 0);
	action_finish(extract, 0, sizeof(struct thread_credentials));
}

/* The peer of a DISMISS, which may be one, too. */
static void meet_dismiss(struct action *dismiss, struct action *other)
{
	action_finish(dismiss, 0, 0);
	action_finish(other, other->type == HEL_ACTION_DISMISS ? 0 : -ERR_DISMISSED, 0);
}

/* With @a as the giving side; false: they do not match that way round. */
static bool meet_try(struct action *a, struct action *b, struct exchange_work *work)
{
	switch (a->type) {
	case HEL_ACTION_DISMISS: meet_dismiss(a, b); return true;
	case HEL_ACTION_SEND:
	case HEL_ACTION_SEND_SG:
		if (b->type != HEL_ACTION_RECEIVE && b->type != HEL_ACTION_RECEIVE_INLINE) {
			return false;
		}
		meet_send(a, b);
		return true;
	case HEL_ACTION_OFFER:
		if (b->type != HEL_ACTION_ACCEPT) {
			return false;
		}
		meet_offer(a, b, work);
		return true;
	case HEL_ACTION_PUSH:
		if (b->type != HEL_ACTION_PULL) {
			return false;
		}
		meet_push(a, b);
		return true;
	case HEL_ACTION_IMBUE_CREDENTIALS:
		if (b->type != HEL_ACTION_EXTRACT_CREDENTIALS) {
			return false;
		}
		meet_imbue(a, b);
		return true;
	default: return false;
	}
}

static void meet_mismatch(struct action *a, struct action *b)
{
	struct exchange *of_a = exchange_of_action(a), *of_b = exchange_of_action(b);

	/* Both take, and both would be back at once. */
	if (of_a->repeats && of_b->repeats && a->index == 0 && b->index == 0) {
		(of_a->order > of_b->order ? of_a : of_b)->gives_way = true;
	}
	action_finish(a, -ERR_TRANSMISSION_MISMATCH, 0);
	action_finish(b, -ERR_TRANSMISSION_MISMATCH, 0);
}

void action_meet(struct action *a, struct action *b, struct exchange_work *work)
{
	TRACE(IPC, MEET, a->type | (uint64_t)b->type << 32, a->length, b->length);
	if (!meet_try(a, b, work) && !meet_try(b, a, work)) {
		meet_mismatch(a, b);
	}
}
