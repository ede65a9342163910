/* SPDX-License-Identifier: MIT */
/* Queues of bytes that need not be copied; see byte-queue.h. */
#include <base/assert.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/byte-queue.h>

struct byte_segment {
	struct list_node node;
	uint32_t references; /* the queue's, and one per loan */
	uint32_t capacity;
	uint32_t begin, end; /* the bytes in the queue; those before may be on loan */
	uint8_t *bytes;
	void *block; /* to be freed with the segment, NULL: the bytes are in `storage` */
	uint8_t storage[];
};

constexpr size_t SEGMENT_SIZE_USUAL = 4096 - sizeof(struct byte_segment);

static void segment_unref(struct byte_segment *segment)
{
	ASSERT(segment->references > 0);
	if (--segment->references == 0) {
		helix_free(segment->block);
		helix_free(segment);
	}
}

static struct byte_segment *segment_create(struct byte_queue *queue, size_t storage_size)
{
	struct byte_segment *segment = helix_malloc(sizeof(*segment) + storage_size);

	if (segment != NULL) {
		*segment = (struct byte_segment){
			.references = 1,
			.capacity = (uint32_t)storage_size,
			.bytes = segment->storage,
		};
		list_push_back(&queue->segments, &segment->node);
	}
	return segment;
}

void byte_queue_init(struct byte_queue *queue)
{
	list_init(&queue->segments);
	queue->n_bytes = 0;
}

void byte_queue_deinit(struct byte_queue *queue)
{
	LIST_FOR_EACH_SAFE(segment, &queue->segments, struct byte_segment, node) {
		list_remove(&segment->node);
		segment_unref(segment);
	}
	queue->n_bytes = 0;
}

/* ---- appending ----------------------------------------------------------------------------- */

static void segment_fill(struct byte_segment *segment, const void *bytes, size_t size)
{
	memcpy(segment->bytes + segment->end, bytes, size);
	segment->end += (uint32_t)size;
}

/*
 * The segment to append to. What fits an empty one as a whole is not split, for the reader's sake.
 */
static struct byte_segment *byte_queue_last(struct byte_queue *queue, size_t size)
{
	struct byte_segment *last =
		LIST_ENTRY(list_last(&queue->segments), struct byte_segment, node);

	if (last == NULL || last->begin < last->end) {
		return last;
	}
	if (last->references == 1 && last->block == NULL) {
		last->begin = 0;
		last->end = 0;
	}
	if (last->capacity - last->end < size) {
		list_remove(&last->node);
		segment_unref(last);
		return NULL;
	}
	return last;
}

bool byte_queue_append(struct byte_queue *queue, const void *bytes, size_t size)
{
	struct byte_segment *last = byte_queue_last(queue, size);
	size_t n_first = last == NULL ? 0 : min_size(size, last->capacity - last->end);

	if (n_first < size) {
		size_t rest = size - n_first;
		struct byte_segment *segment =
			segment_create(queue, max_size(rest, SEGMENT_SIZE_USUAL));

		if (segment == NULL) {
			return false;
		}
		segment_fill(segment, (const uint8_t *)bytes + n_first, rest);
	}
	if (n_first > 0) {
		segment_fill(last, bytes, n_first);
	}
	queue->n_bytes += size;
	return true;
}

bool byte_queue_append_block(struct byte_queue *queue, void *block, size_t size)
{
	/* an empty segment is the only one, or none */
	(void)byte_queue_last(queue, SIZE_MAX);
	struct byte_segment *segment = segment_create(queue, 0);

	if (segment == NULL) {
		return false;
	}
	segment->bytes = block;
	segment->block = block;
	segment->capacity = (uint32_t)size;
	segment->end = (uint32_t)size;
	queue->n_bytes += size;
	return true;
}

/* ---- taking -------------------------------------------------------------------------------- */

/* The front segment gives up its first bytes; it goes when nothing can be put into it any more. */
static void byte_queue_advance(struct byte_queue *queue, struct byte_segment *segment, size_t size)
{
	bool is_last;

	segment->begin += (uint32_t)size;
	queue->n_bytes -= size;
	if (segment->begin < segment->end) {
		return;
	}
	is_last = list_last(&queue->segments) == &segment->node;
	if (is_last && segment->block == NULL && segment->references == 1 &&
		segment->capacity == SEGMENT_SIZE_USUAL) {
		segment->begin = 0;
		segment->end = 0;
	} else if (!is_last || segment->end == segment->capacity) {
		list_remove(&segment->node);
		segment_unref(segment);
	}
}

size_t byte_queue_peek(const struct byte_queue *queue, void *buffer, size_t size)
{
	size_t done = 0;

	LIST_FOR_EACH(segment, &queue->segments, struct byte_segment, node) {
		size_t n_bytes = min_size(size - done, segment->end - segment->begin);

		memcpy((uint8_t *)buffer + done, segment->bytes + segment->begin, n_bytes);
		done += n_bytes;
		if (done == size) {
			break;
		}
	}
	return done;
}

void byte_queue_drop(struct byte_queue *queue, size_t size)
{
	size_t left = min_size(size, queue->n_bytes);

	while (left > 0) {
		struct byte_segment *segment =
			LIST_FIRST(&queue->segments, struct byte_segment, node);
		size_t n_bytes = min_size(left, segment->end - segment->begin);

		left -= n_bytes;
		byte_queue_advance(queue, segment, n_bytes);
	}
}

size_t byte_queue_take(struct byte_queue *queue, void *buffer, size_t size)
{
	size = byte_queue_peek(queue, buffer, size);
	byte_queue_drop(queue, size);
	return size;
}

const void *byte_queue_borrow(struct byte_queue *queue, size_t size, void **out_loan)
{
	struct byte_segment *segment = LIST_FIRST(&queue->segments, struct byte_segment, node);
	const void *bytes;

	if (segment == NULL || segment->end - segment->begin < size) {
		return NULL;
	}
	bytes = segment->bytes + segment->begin;
	segment->references++;
	*out_loan = segment;
	byte_queue_advance(queue, segment, size);
	return bytes;
}

void byte_queue_return(void *loan)
{
	segment_unref(loan);
}
