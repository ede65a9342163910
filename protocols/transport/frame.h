/* SPDX-License-Identifier: MIT */
/*
 * How a bragi message travels: its bytes, then a frame that says how many descriptors follow as
 * actions of their own. The frame is at the end so that the message is where its reader wants it.
 *
 *	client   offer [ send request+frame, push...            receive reply+frame, pull... ]
 *	server   accept [ receive request+frame ], [ pull... ], [ send reply+frame, push... ]
 */
#ifndef PROTOCOLS_TRANSPORT_FRAME_H
#define PROTOCOLS_TRANSPORT_FRAME_H

#include <abi/hel/queue.h>
#include <base/errors.h>
#include <base/string.h>
#include <bragi-rt/call.h>

struct transport_frame {
	uint32_t n_handles;
	uint32_t reserved;
};

/**
 * transport_frame_send() - describe a message and its frame; all arguments are borrowed by the
 * exchange
 */
static inline void transport_frame_segments(struct hel_sg *segments, const void *message,
	size_t size, const struct transport_frame *frame)
{
	segments[0] = (struct hel_sg){ .address = (uint64_t)message, .length = size };
	segments[1] = (struct hel_sg){ .address = (uint64_t)frame, .length = sizeof(*frame) };
}

/**
 * transport_frame_parse() - take the frame off what was received
 * @size: bytes at @data; on success without the frame
 *
 * Return: 0, -ERR_PROTOCOL.
 */
MUST_USE static inline int transport_frame_parse(
	const void *data, size_t *size, struct transport_frame *out_frame)
{
	if (*size < sizeof(*out_frame)) {
		return -ERR_PROTOCOL;
	}
	memcpy(out_frame, (const uint8_t *)data + *size - sizeof(*out_frame), sizeof(*out_frame));
	if (out_frame->n_handles > BRAGI_HANDLES_MAX) {
		return -ERR_PROTOCOL;
	}
	*size -= sizeof(*out_frame);
	return 0;
}

#endif
