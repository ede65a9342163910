/* SPDX-License-Identifier: MIT */
/*
 * Exchanges that are over, or as good as over, before their submission ends: quick-send.c,
 * quick-ask.c. Data of the current thread go straight into an element of somebody else's queue.
 */
#ifndef THOR_IPC_EXCHANGE_QUICK_H
#define THOR_IPC_EXCHANGE_QUICK_H

#include <thor/arch/witness.h>
#include <thor/ipc/exchange.h>
#include <thor/ipc/queue-internal.h>
#include <thor/memory/memory.h>
#include <thor/object/handle-cache.h>
#include <thor/trace/trace.h>

/*
 * The last descriptor of a conversation: its lane, when it has been taken out of the universe. Then
 * the record cannot be begun again, and user mode may have changed it: so what it said is here, and
 * the data of one that is quiet are in queue->given.
 */
struct exchange_taken {
	struct lane *lane; /* referenced, with a handle; NULL: was not taken */
	struct grant *grant; /* that it is under, referenced; or NULL */
	uint32_t flags; /* enum hel_exchange_flags */
	uint32_t n_given; /* QUIET: bytes of data */
};

/**
 * exchange_try_quickly() - what quick-send.c and quick-ask.c can do with a record
 * @out_taken: `lane` and `grant` are NULL; on false perhaps a lane that has been taken already, for
 * HEL_EXCHANGE_CLOSE_LANE
 *
 * Context: submit lock held. False: nothing else happened, it has to be an exchange like all
 * others.
 */
MUST_USE bool exchange_try_quickly(struct queue *queue, struct thread *submitter,
	struct hel_record header, const volatile struct hel_exchange_record *record,
	struct exchange_taken *out_taken);

/**
 * exchange_ask_quickly() - an exchange of the shape ASK without flags, if its peer repeats a SERVE
 * @lane: borrowed
 *
 * Context: submit lock held. False: nothing happened.
 */
MUST_USE bool exchange_ask_quickly(struct queue *queue, const struct thread *submitter,
	struct hel_record header, struct lane *lane, const volatile struct hel_action *wishes);

/**
 * quick_begin_element_locked() - an element of @n_results with the data behind the last one
 * @address: of the data, in the space that is loaded
 * @out_size: of the element
 *
 * NULL: no chunk, or the data cannot be read at once (there may be a page note).
 */
static ALWAYS_INLINE struct hel_element *quick_begin_element_locked(struct queue *queue,
	uint32_t n_results, uint64_t address, uint64_t length, uint32_t *out_size)
{
	uint32_t n_fixed = n_results * (uint32_t)sizeof(struct hel_result);
	uint32_t size = (uint32_t)align_up(sizeof(struct hel_element) + n_fixed + length, 8);
	struct hel_element *element = queue_begin_element_locked(queue, size);

	*out_size = size;
	return likely(element != NULL) &&
			likely(arch_copy_from_user(
				       (uint8_t *)(element + 1) + n_fixed, address, length) == 0)
		? element
		: NULL;
}

/** quick_write_element() - all of an element but its results */
static ALWAYS_INLINE void quick_write_element(struct hel_element *element,
	const struct operation *operation, uint32_t size, uint32_t n_results, uint16_t flags)
{
	element->size = size;
	element->opcode = operation->opcode;
	element->context = operation->context;
	element->error = 0;
	element->n_results = (uint16_t)n_results;
	element->flags = flags;
	arch_witness_completion(operation->opcode, 0);
}

/** quick_write_data_result() - that of a RECEIVE_INLINE */
static ALWAYS_INLINE void quick_write_data_result(struct hel_result *result, uint64_t length)
{
	*result = (struct hel_result){ .inline_size = (uint32_t)length, .value = length };
	arch_witness_action(HEL_ACTION_RECEIVE_INLINE, 0);
}

/** quick_has_lane() - whether the thread has looked up a lane behind @handle before: *out_lane */
static ALWAYS_INLINE bool quick_has_lane(
	struct thread *submitter, hel_handle handle, struct lane **out_lane)
{
	struct handle_cache_entry *entry = handle_cache_lane(&submitter->handles, handle);

	if (!handle_cache_has(entry, handle, HEL_TYPE_LANE, HEL_RIGHT_INVOKE)) {
		return false;
	}
	*out_lane = lane_of(entry->object);
	return true;
}

#endif
