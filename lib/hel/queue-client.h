/* SPDX-License-Identifier: MIT */
/*
 * The user's side of a queue: put records into the submission ring, take elements out of the
 * chunks.
 *
 * Nothing here waits, allocates or calls the kernel; hel_drive() does that, between the two. One
 * thread uses a client. The layout of the memory and its rules are those of abi/hel/queue.h.
 *
 *	record = hel_queue_reserve(client, HEL_SUBMIT_..., size, context);	NULL: drive first
 *	... fill in what follows the header ...
 *	hel_queue_commit(client);
 *	hel_drive(client->handle, HEL_DRIVE_WAIT, client->n_taken, deadline, NULL);
 *	while ((element = hel_queue_take(client)) != NULL) {
 *		... use it in place, as long as need be ...
 *		hel_queue_release(client, element);
 *	}
 *
 * Chunks are filled in the order in which they were supplied, so our own copy of the supply ring
 * says where the next element comes. A chunk goes back to the kernel when it is full, all its
 * elements were taken and released: n_users counts the taken ones, and one more for the chunk that
 * is being read. Whoever keeps elements keeps chunks: when none is left to supply, completions
 * wait in the kernel.
 *
 * No other program can write to this memory, so what the kernel wrote is believed.
 */
#ifndef HEL_QUEUE_CLIENT_H
#define HEL_QUEUE_CLIENT_H

#include <hel/hel-calls.h>

struct hel_queue_client {
	hel_handle handle;
	struct hel_queue_header *header;
	struct hel_queue_params params;
	uint8_t *ring;
	uint8_t *chunks;
	struct hel_chunk *chunk; /* the one that is being read; NULL: none, or not yet looked up */
	uint32_t chunk_index; /* its index */
	uint32_t chunk_shift; /* log2 of the size of one */
	uint32_t submit_tail; /* of what is committed */
	uint32_t reserved_tail; /* of what is reserved */
	uint32_t supply_head; /* place in the supply ring of the chunk that is being read */
	uint32_t supply_tail;
	uint32_t offset; /* of the next element in that chunk */
	uint32_t n_taken; /* elements ever taken: `seen` for hel_drive() */
	uint16_t n_users[HEL_SUPPLY_MAX];
};

/** hel_queue_chunks_offset() - where in a queue's memory the chunks begin */
static inline uint64_t hel_queue_chunks_offset(const struct hel_queue_params *params)
{
	uint64_t end = sizeof(struct hel_queue_header) + params->submit_size;

	return params->chunk_size < HEL_CHUNK_ALIGNED
		? end
		: (end + HEL_PAGE_SIZE - 1) & ~(HEL_PAGE_SIZE - 1);
}

/** hel_queue_memory_size() - how much of a queue's memory there is to map: whole pages */
static inline uint64_t hel_queue_memory_size(const struct hel_queue_params *params)
{
	uint64_t end =
		hel_queue_chunks_offset(params) + (uint64_t)params->n_chunks * params->chunk_size;

	return (end + HEL_PAGE_SIZE - 1) & ~(HEL_PAGE_SIZE - 1);
}

/** hel_queue__chunk() - chunk @index */
static inline struct hel_chunk *hel_queue__chunk(
	const struct hel_queue_client *client, uint32_t index)
{
	return (struct hel_chunk *)(client->chunks + ((uint64_t)index << client->chunk_shift));
}

/** hel_queue__supply() - give chunk @index to the kernel */
static inline void hel_queue__supply(struct hel_queue_client *client, uint32_t index)
{
	hel_queue__chunk(client, index)->progress = 0;
	client->header->supply[client->supply_tail % HEL_SUPPLY_MAX] = index;
	client->supply_tail++;
	__atomic_store_n(&client->header->supply_tail, client->supply_tail, __ATOMIC_RELEASE);
}

/**
 * hel_queue_client_init() - begin to use a fresh queue
 * @client: caller's storage
 * @handle: for the caller's hel_drive()
 * @memory: where the whole of the queue's memory is mapped, readable and writable
 * @params: those that the queue was made with
 *
 * All chunks are supplied.
 */
static inline void hel_queue_client_init(struct hel_queue_client *client, hel_handle handle,
	void *memory, const struct hel_queue_params *params)
{
	client->handle = handle;
	client->header = (struct hel_queue_header *)memory;
	client->params = *params;
	client->ring = (uint8_t *)memory + sizeof(struct hel_queue_header);
	client->chunks = (uint8_t *)memory + hel_queue_chunks_offset(params);
	client->chunk = NULL;
	client->chunk_index = 0;
	client->chunk_shift = (uint32_t)__builtin_ctz(params->chunk_size);
	client->submit_tail = 0;
	client->reserved_tail = 0;
	client->supply_head = 0;
	client->supply_tail = 0;
	client->offset = 0;
	client->n_taken = 0;
	for (uint32_t i = 0; i < params->n_chunks; i++) {
		client->n_users[i] = 1;
		hel_queue__supply(client, i);
	}
}

/**
 * hel_queue_reserve() - room for one record in the submission ring
 * @size: bytes of the record with its header; rounded up to 8; at most HEL_RECORD_MAX
 * @context: comes back in the completion, and names the operation for HEL_SUBMIT_CANCEL
 *
 * The record's header is filled in; the rest has any contents. Several can be reserved before one
 * commit.
 *
 * Return: the record, NULL if the ring is too full: drive, then try again.
 */
static inline void *hel_queue_reserve(
	struct hel_queue_client *client, uint32_t opcode, uint32_t size, uint64_t context)
{
	uint32_t ring_size = client->params.submit_size;
	uint32_t head = __atomic_load_n(&client->header->submit_head, __ATOMIC_ACQUIRE);
	uint32_t position = client->reserved_tail & (ring_size - 1);
	uint32_t to_end = ring_size - position;
	struct hel_record *record;

	size = (size + 7) & ~7u;
	if (size > to_end) {
		if (ring_size - (client->reserved_tail - head) < to_end + size) {
			return NULL;
		}
		record = (struct hel_record *)(client->ring + position);
		record->size = to_end;
		record->opcode = HEL_SUBMIT_PAD;
		client->reserved_tail += to_end;
		position = 0;
	} else if (ring_size - (client->reserved_tail - head) < size) {
		return NULL;
	}
	record = (struct hel_record *)(client->ring + position);
	record->size = size;
	record->opcode = opcode;
	record->context = context;
	client->reserved_tail += size;
	return record;
}

/** hel_queue_commit() - the next hel_drive() takes all that is reserved */
static inline void hel_queue_commit(struct hel_queue_client *client)
{
	client->submit_tail = client->reserved_tail;
	__atomic_store_n(&client->header->submit_tail, client->submit_tail, __ATOMIC_RELEASE);
}

/** hel_queue_has_submissions() - whether there are records that the kernel has not taken yet */
static inline bool hel_queue_has_submissions(const struct hel_queue_client *client)
{
	return __atomic_load_n(&client->header->submit_head, __ATOMIC_RELAXED) !=
		client->submit_tail;
}

/**
 * hel_queue_has_spare_chunk() - whether the next completion is sure to find room, now that all were
 * taken
 */
static inline bool hel_queue_has_spare_chunk(const struct hel_queue_client *client)
{
	return client->supply_tail - client->supply_head >= 2; /* one is being filled */
}

/** hel_queue__drop_user() - one user of a chunk less; the last one gives it back */
static inline void hel_queue__drop_user(struct hel_queue_client *client, uint32_t index)
{
	client->n_users[index]--;
	if (client->n_users[index] == 0) {
		client->n_users[index] = 1;
		hel_queue__supply(client, index);
	}
}

/**
 * hel_queue_take() - the next completion
 *
 * Return: the element, in place, the caller's until hel_queue_release(); NULL if there is none now.
 */
static inline const struct hel_element *hel_queue_take(struct hel_queue_client *client)
{
	for (;;) {
		struct hel_chunk *chunk = client->chunk;

		if (__builtin_expect(chunk == NULL, 0)) {
			if (client->supply_head == client->supply_tail) {
				return NULL;
			}
			client->chunk_index =
				client->header->supply[client->supply_head % HEL_SUPPLY_MAX];
			chunk = hel_queue__chunk(client, client->chunk_index);
			client->chunk = chunk;
		}
		uint32_t progress = __atomic_load_n(&chunk->progress, __ATOMIC_ACQUIRE);

		if (client->offset < (progress & ~HEL_CHUNK_DONE)) {
			const struct hel_element *element =
				(const struct hel_element *)(chunk->elements + client->offset);

			client->offset += element->size;
			client->n_taken++;
			client->n_users[client->chunk_index]++;
			return element;
		}
		if ((progress & HEL_CHUNK_DONE) == 0) {
			return NULL;
		}
		client->supply_head++;
		client->offset = 0;
		client->chunk = NULL;
		hel_queue__drop_user(client, client->chunk_index);
	}
}

/** hel_queue_release() - the caller has no more use for an element it took */
static inline void hel_queue_release(
	struct hel_queue_client *client, const struct hel_element *element)
{
	uint64_t offset = (uint64_t)((const uint8_t *)element - client->chunks);

	hel_queue__drop_user(client, (uint32_t)(offset >> client->chunk_shift));
}

/* ---- what is in an element ------------------------------------------------------------------- */

/* Walks over the results of an exchange. */
struct hel_results {
	const uint8_t *next;
	const uint8_t *end;
};

/** hel_results_begin() - walk over the results of @element; there are none if it has an error */
static inline struct hel_results hel_results_begin(const struct hel_element *element)
{
	const uint8_t *data = (const uint8_t *)(element + 1);

	return (struct hel_results){
		.next = data,
		.end = element->error == 0 ? (const uint8_t *)element + element->size : data,
	};
}

/** hel_results_next() - the next action's result, NULL after the last; see hel_result_data() */
static inline const struct hel_result *hel_results_next(struct hel_results *results)
{
	const struct hel_result *result = (const struct hel_result *)results->next;
	uint64_t left = (uint64_t)(results->end - results->next);

	if (left < sizeof(*result) || left - sizeof(*result) < result->inline_size) {
		return NULL;
	}
	results->next += sizeof(*result) + ((result->inline_size + 7ull) & ~7ull);
	return result;
}

/** hel_result_data() - the result's inline_size bytes: what was received inline, or credentials */
static inline const void *hel_result_data(const struct hel_result *result)
{
	return result + 1;
}

#endif
