/* SPDX-License-Identifier: MIT */
/* Requests to the host: see channel.h. */
#include "channel.h"

#include "options.h"

#include <async/task.h>
#include <base/assert.h>
#include <base/errors.h>
#include <base/string.h>
#include <protocols/fs/fs.gen.h>
#include <protocols/hw/hw-client.h>

#define FEATURE_TAG     (UINT64_C(1) << 0)
#define CONFIG_TAG_SIZE 0
#define CONFIG_TAG      2
#define FIDS_FIRST      64

static_assert(sizeof(struct channel_frame) % 16 == 0);
static_assert(OPTIONS_MESSAGE_BYTES == CHANNEL_DATA_BYTES + 24);

/* ---- the device ------------------------------------------------------------------------------ */

static int read_tag(struct channel *channel)
{
	uint32_t size;

	if (channel->virtio.config_size < CONFIG_TAG) {
		return -ERR_UNSUPPORTED;
	}
	size = virtio_config_read(&channel->virtio, CONFIG_TAG_SIZE, 2);
	if (size == 0 || size > CHANNEL_TAG_MAX ||
		size > channel->virtio.config_size - CONFIG_TAG) {
		return -ERR_UNSUPPORTED;
	}
	for (uint32_t i = 0; i < size; i++) {
		channel->tag[i] = (char)virtio_config_read(&channel->virtio, CONFIG_TAG + i, 1);
	}
	channel->tag[size] = '\0';
	return 0;
}

static int negotiate(struct channel *channel)
{
	uint64_t agreed;
	int error =
		virtio_negotiate(&channel->virtio, FEATURE_TAG | VIRTIO_FEATURE_INDIRECT, &agreed);

	if (error == 0 && (agreed & FEATURE_TAG) == 0) {
		error = -ERR_UNSUPPORTED;
	}
	if (error == 0 && (agreed & VIRTIO_FEATURE_INDIRECT) == 0) {
		error = -ERR_UNSUPPORTED;
	}
	return error != 0 ? error : read_tag(channel);
}

/* As block drivers do it: a device past the IOMMU has a space of its own, for what is pinned. */
static int open_dma(struct task *task, struct channel *channel)
{
	channel->is_past_iommu = channel->virtio.dma_space == HEL_NULL;
	channel->dma_space = channel->virtio.dma_space;
	if (!channel->is_past_iommu) {
		return 0;
	}
	int error = hel_dma_space_create(&channel->dma_space);

	return error != 0 ? error : hw_client_hold(task, &channel->virtio.hw, channel->dma_space);
}

static int make_slots(struct task *task, struct channel *channel)
{
	struct virtio_device *virtio = &channel->virtio;
	int error = virtio_setup_queue(
		virtio, &channel->ring, &channel->ring_memory, 0, CHANNEL_DESCRIPTORS);

	if (error != 0) {
		return error;
	}
	channel->n_slots = (uint16_t)min_size(channel->ring.size, CHANNEL_SLOTS);
	error = dma_allocate(&channel->frame_memory, virtio->dma_space,
		channel->n_slots * sizeof(struct channel_frame));
	error = error != 0 ? error : virtio_hold(task, virtio, &channel->ring_memory);
	error = error != 0 ? error : virtio_hold(task, virtio, &channel->frame_memory);
	channel->slots = helix_calloc(channel->n_slots, sizeof(struct channel_slot));
	if (error != 0 || channel->slots == NULL) {
		return error != 0 ? error : -ERR_NO_MEMORY;
	}
	channel->frames = (struct channel_frame *)channel->frame_memory.data;
	for (uint16_t i = 0; i < channel->n_slots; i++) {
		wait_queue_init(&channel->slots[i].done);
		channel->free_slots[channel->n_free++] = i;
	}
	return 0;
}

int channel_open(struct task *task, struct channel *channel, hel_handle lane)
{
	wait_queue_init(&channel->slot_free);
	int error = virtio_open(task, &channel->virtio, lane);

	error = error != 0 ? error : negotiate(channel);
	error = error != 0 ? error : make_slots(task, channel);
	error = error != 0 ? error : open_dma(task, channel);
	if (error == 0) {
		virtio_start(&channel->virtio);
	}
	return error;
}

static void take_replies(struct channel *channel)
{
	uint32_t size;
	void *token;

	while (virtqueue_take(&channel->ring, &token, &size)) {
		struct channel_slot *slot = token;

		slot->n_bytes = size;
		slot->is_done = true;
		wait_queue_wake(&slot->done);
	}
}

/* Whoever waits for a reply gets none. */
static void give_up(struct channel *channel, int error)
{
	channel->error = error;
	for (uint16_t i = 0; i < channel->n_slots; i++) {
		wait_queue_wake(&channel->slots[i].done);
	}
	wait_queue_wake(&channel->slot_free);
}

int channel_serve(struct task *task, struct channel *channel)
{
	int error = 0;

	while (error == 0) {
		take_replies(channel);
		error = channel->ring.is_broken ? -ERR_PROTOCOL
						: virtio_await(task, &channel->virtio);
	}
	give_up(channel, error);
	return error;
}

/* ---- calls ----------------------------------------------------------------------------------- */

int call_begin(struct task *task, struct channel *channel, struct channel_call *call, uint8_t type)
{
	while (channel->n_free == 0 && channel->error == 0) {
		int error = wait_on(task, &channel->slot_free);

		if (error != 0) {
			return error;
		}
	}
	if (channel->error != 0) {
		return -ERR_IO;
	}
	*call = (struct channel_call){
		.channel = channel,
		.slot = channel->free_slots[--channel->n_free],
		.type = type,
	};
	call->tag = type == WIRE_VERSION ? WIRE_NO_TAG : call->slot;
	wire_begin(&call->out, channel->frames[call->slot].request, CHANNEL_REQUEST_BYTES, type,
		call->tag);
	return 0;
}

void call_end(struct channel_call *call)
{
	struct channel *channel = call->channel;

	if (channel->error != 0) {
		return; /* the device may still have it */
	}
	channel->free_slots[channel->n_free++] = call->slot;
	(void)!wait_queue_wake_one(&channel->slot_free, 0);
}

struct describer {
	struct virtqueue_descriptor *table;
	uint16_t n, n_all;
	uint32_t n_writable;
};

static void describe(struct describer *describer, const struct virtio_buffer *buffer)
{
	uint16_t index = describer->n++;

	virtqueue_describe(describer->table, index, buffer, describer->n == describer->n_all);
	describer->n_writable += buffer->is_writable ? buffer->size : 0;
}

static void describe_data(struct describer *describer, const struct channel_data *data)
{
	for (uint32_t i = 0; i < data->n_buffers; i++) {
		describe(describer, &data->buffers[i]);
	}
}

/* What comes first and is writable has to be full before the device goes on to the next one. */
static bool submit(struct channel_call *call, const struct channel_data *data)
{
	struct channel *channel = call->channel;
	struct channel_frame *frame = &channel->frames[call->slot];
	bool is_read = data != NULL && !data->is_write;
	struct describer describer = {
		.table = frame->table,
		.n_all = (uint16_t)(2 + (data != NULL ? data->n_buffers : 0)),
	};
	const struct virtio_buffer request = {
		.address_phys = dma_address(&channel->frame_memory, frame->request),
		.size = (uint32_t)call->out.used,
	};
	const struct virtio_buffer reply = {
		.address_phys = dma_address(&channel->frame_memory, frame->reply),
		.size = is_read ? WIRE_ERROR_BYTES : CHANNEL_REPLY_BYTES,
		.is_writable = true,
	};

	describe(&describer, &request);
	if (data != NULL && data->is_write) {
		describe_data(&describer, data);
	}
	describe(&describer, &reply);
	if (is_read) {
		describe_data(&describer, data);
	}
	return virtqueue_add_table(&channel->ring,
		dma_address(&channel->frame_memory, frame->table), describer.n,
		describer.n_writable, &channel->slots[call->slot]);
}

static int open_reply(struct channel_call *call, bool is_read)
{
	struct channel *channel = call->channel;
	struct channel_slot *slot = &channel->slots[call->slot];
	size_t room = is_read ? WIRE_ERROR_BYTES : CHANNEL_REPLY_BYTES;
	size_t size = min_size(slot->n_bytes, room);
	int error;

	memcpy(slot->reply, channel->frames[call->slot].reply, size);
	if (is_read && size >= sizeof(uint32_t)) {
		/* of the message only what is before the data is looked at */
		uint32_t whole;

		memcpy(&whole, slot->reply, sizeof(whole));
		if (whole > slot->n_bytes) {
			return -ERR_PROTOCOL;
		}
		whole = (uint32_t)min_size(whole, size);
		memcpy(slot->reply, &whole, sizeof(whole));
	}
	error = wire_open(slot->reply, size, call->type, call->tag, &call->in);
	return error > 0 ? FS_ERROR_HOST - error : error;
}

int call_run_data(struct task *task, struct channel_call *call, const struct channel_data *data)
{
	struct channel *channel = call->channel;
	struct channel_slot *slot = &channel->slots[call->slot];
	bool is_write = data != NULL && data->is_write;
	int error = wire_end(&call->out, is_write ? data->length : 0);

	if (error != 0) {
		return error;
	}
	slot->is_done = false;
	if (channel->error != 0 || !submit(call, data)) {
		return -ERR_IO;
	}
	virtio_kick(&channel->virtio, &channel->ring);
	while (!slot->is_done && channel->error == 0) {
		error = wait_on(task, &slot->done);
		ASSERT(error == 0); /* it cannot be cancelled */
	}
	return slot->is_done ? open_reply(call, data != NULL && !is_write) : -ERR_IO;
}

int call_run(struct task *task, struct channel_call *call)
{
	return call_run_data(task, call, NULL);
}

/* ---- fids ------------------------------------------------------------------------------------ */

uint32_t channel_fid(struct channel *channel)
{
	if (channel->n_free_fids > 0) {
		return channel->free_fids[--channel->n_free_fids];
	}
	return channel->next_fid == CHANNEL_NO_FID ? CHANNEL_NO_FID : channel->next_fid++;
}

/* One that cannot be remembered is lost: there are enough of them. */
void channel_give_fid(struct channel *channel, uint32_t fid)
{
	if (channel->n_free_fids == channel->free_fids_size) {
		size_t size = max_size(2 * channel->free_fids_size, FIDS_FIRST);
		uint32_t *fids = helix_malloc(size * sizeof(*fids));

		if (fids == NULL) {
			return;
		}
		if (channel->n_free_fids > 0) {
			memcpy(fids, channel->free_fids, channel->n_free_fids * sizeof(*fids));
		}
		helix_free(channel->free_fids);
		channel->free_fids = fids;
		channel->free_fids_size = size;
	}
	channel->free_fids[channel->n_free_fids++] = fid;
}

/* ---- moving data ----------------------------------------------------------------------------- */

/* Pages that are pinned for one request. */
struct mapping {
	uint64_t token;
	uint64_t size;
};

static void fill_buffers(
	struct channel_data *data, const struct channel_range *range, const uint64_t *pages)
{
	uint64_t at = range->memory_offset % HEL_PAGE_SIZE;
	uint64_t left = range->length;

	for (size_t i = 0; left > 0; i++) {
		uint32_t size = (uint32_t)min_u64(left, HEL_PAGE_SIZE - at);

		data->buffers[data->n_buffers++] = (struct virtio_buffer){
			.address_phys = pages[i] + at,
			.size = size,
			.is_writable = !range->is_write,
		};
		left -= size;
		at = 0;
	}
}

static int map_range(const struct channel *channel, const struct channel_range *range,
	struct channel_data *out_data, struct mapping *out_mapping)
{
	uint64_t begin = align_down(range->memory_offset, HEL_PAGE_SIZE);
	uint64_t pages[CHANNEL_DATA_PAGES];
	struct hel_dma_map_args args = {
		.dma_space = channel->dma_space,
		.memory = range->memory,
		.offset = begin,
		.size_bytes = align_up(range->memory_offset + range->length, HEL_PAGE_SIZE) - begin,
		.flags = (range->is_write ? HEL_DMA_READ : HEL_DMA_WRITE) |
			(channel->is_past_iommu ? HEL_DMA_PHYSICAL : 0),
	};
	int error = hel_dma_map_pages(
		&args, pages, args.size_bytes / HEL_PAGE_SIZE, &out_mapping->token);

	if (error == 0) {
		out_mapping->size = args.size_bytes;
		out_data->is_write = range->is_write;
		out_data->length = (uint32_t)range->length;
		out_data->n_buffers = 0;
		fill_buffers(out_data, range, pages);
	}
	return error;
}

/* A file or a directory of the host. */
struct source {
	uint32_t fid;
	enum wire_type type; /* of the message */
};

/* One message. */
static int move_part(struct task *task, struct channel *channel, const struct source *source,
	const struct channel_range *range, struct channel_data *data, uint32_t *out_n_bytes)
{
	struct channel_call call;
	int error = call_begin(task, channel, &call, source->type);

	if (error != 0) {
		return error;
	}
	wire_put_u32(&call.out, source->fid);
	wire_put_u64(&call.out, range->offset);
	wire_put_u32(&call.out, (uint32_t)range->length);
	error = call_run_data(task, &call, data);
	error = error != 0 ? error
			   : wire_read_count(&call.in, (uint32_t)range->length, out_n_bytes);
	call_end(&call);
	return error;
}

static int move_mapped(struct task *task, struct channel *channel, const struct source *source,
	const struct channel_range *range, struct channel_data *data, uint32_t *out_n_bytes)
{
	struct mapping mapping;
	int error = map_range(channel, range, data, &mapping);

	if (error != 0) {
		return error;
	}
	error = move_part(task, channel, source, range, data, out_n_bytes);
	if (channel->error == 0) { /* else the device may still be at it */
		(void)!hel_dma_unmap(channel->dma_space, mapping.token, mapping.size);
	}
	return error;
}

static uint64_t part_size(
	const struct channel *channel, const struct channel_range *range, uint64_t done)
{
	uint64_t most =
		min_u64(CHANNEL_DATA_BYTES, align_down(channel->message_bytes - 24, HEL_PAGE_SIZE));

	return min_u64(range->length - done, max_u64(most, HEL_PAGE_SIZE / 2));
}

int channel_move(struct task *task, struct channel *channel, uint32_t fid,
	const struct channel_range *range, uint64_t *out_n_bytes)
{
	struct channel_data *data = helix_malloc(sizeof(*data)); /* too large for a stack */
	const struct source source = { fid, range->is_write ? WIRE_WRITE : WIRE_READ };
	uint64_t done = 0;
	int error = data == NULL ? -ERR_NO_MEMORY : 0;

	while (done < range->length && error == 0) {
		const struct channel_range part = {
			.is_write = range->is_write,
			.memory = range->memory,
			.memory_offset = range->memory_offset + done,
			.offset = range->offset + done,
			.length = part_size(channel, range, done),
		};
		uint32_t n_bytes = 0;

		error = move_mapped(task, channel, &source, &part, data, &n_bytes);
		done += n_bytes;
		if (n_bytes < part.length) {
			break;
		}
	}
	helix_free(data);
	*out_n_bytes = done;
	return done > 0 ? 0 : error;
}

int channel_list(struct task *task, struct channel *channel, uint32_t fid,
	const struct channel_range *range, uint64_t *out_n_bytes)
{
	struct channel_data *data = helix_malloc(sizeof(*data));
	const struct source source = { fid, WIRE_READDIR };
	struct channel_range part = *range;
	uint32_t n_bytes = 0;

	if (data == NULL) {
		return -ERR_NO_MEMORY;
	}
	part.length = part_size(channel, range, 0);
	int error = move_mapped(task, channel, &source, &part, data, &n_bytes);

	helix_free(data);
	*out_n_bytes = n_bytes;
	return error;
}
