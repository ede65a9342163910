/* SPDX-License-Identifier: MIT */
/* Split virtqueues: see virtqueue.h. */
#include <virtio/virtqueue.h>

#include <base/assert.h>

#define DESCRIPTOR_NEXT  1u
#define DESCRIPTOR_WRITE 2u
#define DESCRIPTOR_TABLE 4u
#define USED_NO_NOTIFY   1u
#define NONE             UINT16_MAX

size_t virtqueue_available_offset(const struct virtqueue_layout *layout)
{
	return layout->size * sizeof(struct virtqueue_descriptor);
}

size_t virtqueue_used_offset(const struct virtqueue_layout *layout)
{
	/* flags, index, ring, used event */
	return align_up_size(
		virtqueue_available_offset(layout) + 6 + 2u * layout->size, layout->used_alignment);
}

size_t virtqueue_memory_size(const struct virtqueue_layout *layout)
{
	return virtqueue_used_offset(layout) + 6 + layout->size * sizeof(struct virtqueue_used);
}

void virtqueue_init(struct virtqueue *queue, void *memory, const struct virtqueue_layout *layout)
{
	uint16_t size = layout->size;
	uint8_t *bytes = memory, *used = bytes + virtqueue_used_offset(layout);

	ASSERT(is_power_of_two(size));
	ASSERT(size <= VIRTQUEUE_SIZE_MAX);
	*queue = (struct virtqueue){
		.size = size,
		.has_event_index = layout->has_event_index,
		.descriptors = memory,
		.available = (uint16_t *)(bytes + virtqueue_available_offset(layout)),
		.used_header = (volatile uint16_t *)used,
		.used = (volatile struct virtqueue_used *)(used + 4),
		.n_free = size,
	};
	for (uint16_t i = 0; i < size; i++) {
		queue->chain[i] = i + 1 < size ? (uint16_t)(i + 1) : NONE;
	}
}

bool virtqueue_add(struct virtqueue *queue, const struct virtio_buffer *buffers, uint16_t n_buffers,
	void *token)
{
	uint16_t first = queue->free_first;
	uint16_t at = first;
	uint32_t n_writable = 0;

	ASSERT(n_buffers > 0);
	ASSERT(token != NULL);
	if (queue->n_free < n_buffers || queue->is_broken) {
		return false;
	}
	for (uint16_t i = 0; i < n_buffers; i++) {
		bool is_last = i + 1 == n_buffers;

		queue->descriptors[at] = (struct virtqueue_descriptor){
			.address = buffers[i].address_phys,
			.size = buffers[i].size,
			.flags = (uint16_t)((buffers[i].is_writable ? DESCRIPTOR_WRITE : 0) |
				(is_last ? 0 : DESCRIPTOR_NEXT)),
			.next = is_last ? 0 : queue->chain[at],
		};
		n_writable += buffers[i].is_writable ? buffers[i].size : 0;
		queue->free_first = queue->chain[at];
		if (!is_last) {
			at = queue->chain[at];
		}
	}
	queue->chain[at] = NONE;
	queue->n_free = (uint16_t)(queue->n_free - n_buffers);
	queue->lengths[first] = n_buffers;
	queue->tokens[first] = token;
	queue->sizes[first] = n_writable;
	queue->available[2 + queue->available_index % queue->size] = first;
	queue->available_index++;
	return true;
}

bool virtqueue_add_table(struct virtqueue *queue, uint64_t address, uint32_t n_descriptors,
	uint32_t n_writable, void *token)
{
	const struct virtio_buffer table = {
		.address_phys = address,
		.size = n_descriptors * (uint32_t)sizeof(struct virtqueue_descriptor),
	};
	uint16_t first = queue->free_first;

	if (!virtqueue_add(queue, &table, 1, token)) {
		return false;
	}
	queue->descriptors[first].flags = DESCRIPTOR_TABLE;
	queue->sizes[first] = n_writable;
	return true;
}

void virtqueue_describe(struct virtqueue_descriptor *table, uint16_t index,
	const struct virtio_buffer *buffer, bool is_last)
{
	table[index] = (struct virtqueue_descriptor){
		.address = buffer->address_phys,
		.size = buffer->size,
		.flags = (uint16_t)((buffer->is_writable ? DESCRIPTOR_WRITE : 0) |
			(is_last ? 0 : DESCRIPTOR_NEXT)),
		.next = is_last ? 0 : (uint16_t)(index + 1),
	};
}

/* Behind the used ring: the entry of the available one that the device wants to be told of. */
static uint16_t wanted_by_device(const struct virtqueue *queue)
{
	return *(volatile uint16_t *)&queue->used[queue->size];
}

bool virtqueue_publish(struct virtqueue *queue)
{
	uint16_t before = queue->published_index, now = queue->available_index;

	if (before == now) {
		return false;
	}
	queue->published_index = now;
	__atomic_store_n(&queue->available[1], now, __ATOMIC_RELEASE);
	/* the device asks for notifications, then looks at the index; we the other way round */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!queue->has_event_index) {
		return (queue->used_header[0] & USED_NO_NOTIFY) == 0;
	}
	/* whether it is among those that are new; indexes wrap */
	return (uint16_t)(now - wanted_by_device(queue) - 1) < (uint16_t)(now - before);
}

/* Whether there is something to take; if not, the next one will be told. */
static bool virtqueue_has_used(struct virtqueue *queue)
{
	if (__atomic_load_n(&queue->used_header[1], __ATOMIC_ACQUIRE) != queue->used_index) {
		return true;
	}
	if (!queue->has_event_index) {
		return false;
	}
	__atomic_store_n(&queue->available[2 + queue->size], queue->used_index, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&queue->used_header[1], __ATOMIC_ACQUIRE) != queue->used_index;
}

/* Put the chain that begins at @first back on the free list. */
static void virtqueue_release(struct virtqueue *queue, uint16_t first)
{
	uint16_t last = first;

	while (queue->chain[last] != NONE) {
		last = queue->chain[last];
	}
	queue->chain[last] = queue->free_first;
	queue->free_first = first;
	queue->n_free = (uint16_t)(queue->n_free + queue->lengths[first]);
	queue->lengths[first] = 0;
}

bool virtqueue_take(struct virtqueue *queue, void **out_token, uint32_t *out_size)
{
	if (queue->is_broken || !virtqueue_has_used(queue)) {
		return false;
	}
	volatile struct virtqueue_used *used = &queue->used[queue->used_index % queue->size];
	uint32_t id = used->id;
	uint32_t size = used->size;

	if (id >= queue->size || queue->lengths[id] == 0) {
		queue->is_broken = true;
		return false;
	}
	queue->used_index++;
	*out_token = queue->tokens[id];
	*out_size = size < queue->sizes[id] ? size : queue->sizes[id];
	virtqueue_release(queue, (uint16_t)id);
	return true;
}
