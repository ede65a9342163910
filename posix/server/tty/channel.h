/* SPDX-License-Identifier: MIT */
/*
 * Channels: streams of bytes to and from a device server, for whoever has bytes to send and room
 * for bytes.
 *
 * The owner (the console's terminal, a port) keeps the bytes; a channel moves them when there is
 * somebody at the other end. Until a device is attached output waits with its owner. One read and
 * one write are under way at a time, each of up to CHANNEL_PIECE bytes.
 */
#ifndef POSIX_TTY_CHANNEL_H
#define POSIX_TTY_CHANNEL_H

#include <abi/hel/types.h>
#include <base/types.h>

/** CHANNEL_PIECE - bytes of one transfer at most */
#define CHANNEL_PIECE 65536

struct channel;
struct channel_link;

struct channel_ops {
	/* How many bytes `input` would take now; after 0 the owner calls channel_input_wanted(). */
	size_t (*room)(struct channel *channel);
	/* Bytes have come, at most as many as there was room for. */
	void (*input)(struct channel *channel, const uint8_t *bytes, size_t size);
	/* Take bytes to send; after 0 the owner calls channel_output_ready(). */
	size_t (*take)(struct channel *channel, uint8_t *buffer, size_t size);
	/*
	 * The other side closed its end (or opened it again), see is_at_end; or what was taken was
	 * sent.
	 */
	void (*changed)(struct channel *channel);
};

struct channel {
	const struct channel_ops *ops;
	struct channel_link *link; /* NULL: no device yet */
	uint64_t object; /* on mbus, that the device is; 0: none was found */
	bool is_wanted; /* the owner has asked for the bytes */
	bool is_binding; /* a lane is being got */
	bool is_at_end; /* nothing can come at the moment */
	bool is_sending; /* bytes were taken and are on their way to the device */
	bool is_broken; /* the device is gone */
};

void channel_init(struct channel *channel, const struct channel_ops *ops);

/**
 * channel_attach() - start moving bytes; takes @lane, which speaks protocols/char. 0 or
 * -ERR_NO_MEMORY
 */
int channel_attach(struct channel *channel, hel_handle lane);

/**
 * channel_want() - the owner wants the device's bytes, from now on
 *
 * Until then nothing is read: all clients of a device share its one stream.
 */
void channel_want(struct channel *channel);

/** channel_offer() - the device is the object @object on mbus */
void channel_offer(struct channel *channel, uint64_t object);

/** channel_input_wanted() - there is room for input again; harmless at any time */
void channel_input_wanted(struct channel *channel);

/** channel_output_ready() - there are bytes to take again; harmless at any time */
void channel_output_ready(struct channel *channel);

/** channels_start() - look for devices on mbus for ever and attach the console and ports to them */
void channels_start(void);

#endif
