/* SPDX-License-Identifier: MIT */
/* Direct transfers as a process makes them (protocols/fs/direct.h), for tests. */
#ifndef TESTS_FS_CHANNEL_H
#define TESTS_FS_CHANNEL_H

#include "fs-client.h"

#include <protocols/fs/direct.h>

/* Memory that is shared with the server. */
struct channel {
	hel_handle memory, event;
	struct fs_direct *shared;
	uint64_t id;
};

/** channel_pattern() - byte @at of what is on disks here; the same as in main.c */
uint8_t channel_pattern(uint64_t at, uint64_t salt);

/** channel_fill(), channel_is_filled() - @length bytes, the first of them byte @offset of a disk */
void channel_fill(uint8_t *bytes, uint64_t offset, uint32_t length, uint64_t salt);
bool channel_is_filled(const uint8_t *bytes, uint64_t offset, uint32_t length, uint64_t salt);

/** channel_open() - of a session's root; channel_drop() when it is closed */
MUST_USE int channel_open(
	struct task *task, struct fs_client *of, bool is_writable, struct channel *out_channel);

/** channel_drop() - give up the memory */
void channel_drop(struct channel *old);

/** channel_unit() - where a unit's bytes are */
uint8_t *channel_unit(const struct channel *from, uint32_t index);

/** channel_describe() - fill in a slot, whose bytes are in its units */
void channel_describe(
	const struct channel *to, uint32_t index, uint32_t flags, uint64_t offset, uint32_t length);

/** channel_describe_lent() - the same, but in a loan */
void channel_describe_lent(const struct channel *to, uint32_t index, uint32_t flags,
	uint64_t offset, uint32_t length, uint32_t loan, uint64_t loan_offset);

/** channel_submit() - slots that have been described, a bit for each */
void channel_submit(const struct channel *to, uint64_t slots);

/** channel_is_done() - wait for an answer, which is in the slot then; false: none has come */
bool channel_is_done(const struct channel *of, uint32_t index);

/** channel_finish() - submit one alone: its error, or 1: no answer, or the wrong number of bytes */
MUST_USE int channel_finish(const struct channel *by, uint32_t index);

/** channel_transfer() - one that is described so; likewise */
MUST_USE int channel_transfer(
	const struct channel *by, uint32_t index, uint32_t flags, uint64_t offset, uint32_t length);

#endif
