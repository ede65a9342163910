/* SPDX-License-Identifier: MIT */
/*
 * The device, 9P's transport over virtio: requests to the host and their replies.
 *
 * There are SLOTS requests under way at most, each with a tag, a piece of memory that the device
 * reaches, and a table of descriptors. Data of reads and writes are in memory of somebody else,
 * whose pages the device is told; so they are not copied here.
 *
 *	slot, for the device:   request | reply | table
 *	descriptors:            request [data of a write] reply [room for data of a read]
 *
 *	error = call_begin(task, channel, &call, WIRE_CLUNK);   waits for a slot
 *	if (error == 0) {
 *		wire_put_u32(&call.out, fid);
 *		error = call_run(task, &call);                  call.in is the reply's members
 *		call_end(&call);
 *	}
 *
 * A request under way cannot be taken back, so whoever makes one runs in a shield, or is a task
 * that nobody cancels.
 */
#ifndef NINEP_CHANNEL_H
#define NINEP_CHANNEL_H

#include "wire.h"

#include <async/sync.h>
#include <helix/helix.h>
#include <virtio/virtio-pci.h>

#define CHANNEL_SLOTS         64
#define CHANNEL_REQUEST_BYTES 6144 /* without data: a symbolic link's target is the longest */
#define CHANNEL_REPLY_BYTES   6144
#define CHANNEL_DESCRIPTORS   128 /* of one request: as many as QEMU's queue has */
#define CHANNEL_DATA_PAGES    (CHANNEL_DESCRIPTORS - 2)
#define CHANNEL_DATA_BYTES    ((CHANNEL_DATA_PAGES - 1) * HEL_PAGE_SIZE) /* at any offset */
#define CHANNEL_TAG_MAX       63
#define CHANNEL_NO_FID        UINT32_MAX

/* What the device has of a slot. */
struct channel_frame {
	uint8_t request[CHANNEL_REQUEST_BYTES];
	uint8_t reply[CHANNEL_REPLY_BYTES];
	struct virtqueue_descriptor table[CHANNEL_DESCRIPTORS];
};

struct channel_slot {
	bool is_done;
	uint32_t n_bytes; /* that the device says it has written */
	struct wait_queue done;
	uint8_t reply[CHANNEL_REPLY_BYTES]; /* a copy that stays as it is */
};

struct channel {
	struct virtio_device virtio;
	struct loop *loop;
	struct virtqueue ring;
	struct dma_memory ring_memory, frame_memory;
	struct channel_frame *frames;
	struct channel_slot *slots;
	uint16_t free_slots[CHANNEL_SLOTS];
	uint16_t n_free, n_slots;
	struct wait_queue slot_free;
	hel_handle dma_space; /* that data are mapped in */
	bool is_past_iommu;
	int error; /* not 0: the device is given up */
	uint32_t message_bytes; /* agreed on */
	char tag[CHANNEL_TAG_MAX + 1];
	/* fids that were used and are free again, and the first one that never was */
	uint32_t *free_fids;
	size_t n_free_fids, free_fids_size;
	uint32_t next_fid;
};

struct channel_call {
	struct channel *channel;
	uint16_t slot, tag;
	uint8_t type;
	struct wire_writer out;
	struct wire_reader in;
};

/* Pages of somebody's memory, as the device knows them. */
struct channel_data {
	bool is_write; /* to the host */
	uint32_t length;
	uint32_t n_buffers;
	struct virtio_buffer buffers[CHANNEL_DATA_PAGES];
};

/* Bytes of a file, and where they are in memory. */
struct channel_range {
	bool is_write; /* to the host */
	hel_handle memory;
	uint64_t memory_offset;
	uint64_t offset, length;
};

/**
 * channel_open() - take the device, and make its queue
 * @lane: of the PCI function, taken
 *
 * Return: 0; -ERR_UNSUPPORTED, -ERR_NO_MEMORY, …: the device may still know memory of ours.
 */
MUST_USE int channel_open(struct task *task, struct channel *channel, hel_handle lane);

/** channel_serve() - take replies, until the device fails: why */
int channel_serve(struct task *task, struct channel *channel);

/** call_begin() - 0: the call's header is written; -ERR_IO: the device is given up */
MUST_USE int call_begin(
	struct task *task, struct channel *channel, struct channel_call *call, uint8_t type);

/**
 * call_run() - send it and wait for the reply
 *
 * Return: 0; FS_ERROR_HOST - errno; -ERR_PROTOCOL; -ERR_NO_SPACE: the request is too long; -ERR_IO.
 */
MUST_USE int call_run(struct task *task, struct channel_call *call);

/** call_run_data() - the same, with data; of those the reply of a read has call.in stand before */
MUST_USE int call_run_data(
	struct task *task, struct channel_call *call, const struct channel_data *data);

/** call_end() - the slot is free again */
void call_end(struct channel_call *call);

/** channel_fid() - a number that no fid has; CHANNEL_NO_FID: there is none */
uint32_t channel_fid(struct channel *channel);

/** channel_give_fid() - it is free again */
void channel_give_fid(struct channel *channel, uint32_t fid);

/**
 * channel_move() - read or write a file of the host
 * @fid: open for that
 * @range: its memory is allocated memory, or the backing of managed memory
 * @out_n_bytes: fewer at the end of the file
 *
 * Return: 0 if anything was moved, or as call_run().
 */
MUST_USE int channel_move(struct task *task, struct channel *channel, uint32_t fid,
	const struct channel_range *range, uint64_t *out_n_bytes);

/**
 * channel_list() - entries of a directory, from the cookie range->offset on; likewise
 * @out_n_bytes: 0: there are no more
 */
MUST_USE int channel_list(struct task *task, struct channel *channel, uint32_t fid,
	const struct channel_range *range, uint64_t *out_n_bytes);

#endif
