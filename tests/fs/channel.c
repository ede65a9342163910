/* SPDX-License-Identifier: MIT */
/* The process' side of direct transfers: see channel.h. */
#include "channel.h"

#include <base/errors.h>

#define WAIT_NS UINT64_C(20000000000)

uint8_t channel_pattern(uint64_t at, uint64_t salt)
{
	return (uint8_t)(at * 7 + at / 512 * 13 + salt * 31);
}

void channel_fill(uint8_t *bytes, uint64_t offset, uint32_t length, uint64_t salt)
{
	for (uint32_t i = 0; i < length; i++) {
		bytes[i] = channel_pattern(offset + i, salt);
	}
}

bool channel_is_filled(const uint8_t *bytes, uint64_t offset, uint32_t length, uint64_t salt)
{
	for (uint32_t i = 0; i < length; i++) {
		if (bytes[i] != channel_pattern(offset + i, salt)) {
			return false;
		}
	}
	return true;
}

/* ---- opening --------------------------------------------------------------------------------- */

int channel_open(
	struct task *task, struct fs_client *of, bool is_writable, struct channel *out_channel)
{
	void *address;
	int error =
		hel_memory_allocate(FS_DIRECT_SIZE, HEL_ALLOCATE_CONTIGUOUS, &out_channel->memory);

	if (error != 0) {
		return error;
	}
	error = helix_map(
		out_channel->memory, 0, FS_DIRECT_SIZE, HEL_MAP_READ | HEL_MAP_WRITE, &address);
	if (error == 0) {
		out_channel->shared = address;
		error = fs_open_direct(task, of, is_writable, out_channel->memory, &out_channel->id,
			&out_channel->event);
	}
	return error;
}

void channel_drop(struct channel *old)
{
	helix_unmap(old->shared, FS_DIRECT_SIZE);
	hel_close(HEL_THIS, old->memory);
	hel_close(HEL_THIS, old->event);
}

/* ---- slots ----------------------------------------------------------------------------------- */

uint8_t *channel_unit(const struct channel *from, uint32_t index)
{
	return (uint8_t *)from->shared + fs_direct_unit_offset(index);
}

void channel_describe_lent(const struct channel *to, uint32_t index, uint32_t flags,
	uint64_t offset, uint32_t length, uint32_t loan, uint64_t loan_offset)
{
	struct fs_direct_slot *slot = fs_direct_slot(to->shared, index);

	slot->offset = offset;
	slot->length = length;
	slot->flags = flags;
	slot->loan = loan;
	slot->loan_offset = loan_offset;
	slot->error = 1;
	slot->n_bytes = 0;
	atomic_store(&slot->state, FS_DIRECT_SUBMITTED);
}

void channel_describe(
	const struct channel *to, uint32_t index, uint32_t flags, uint64_t offset, uint32_t length)
{
	channel_describe_lent(to, index, flags, offset, length, 0, 0);
}

void channel_submit(const struct channel *to, uint64_t slots)
{
	atomic_fetch_or(&to->shared->submitted, slots);
	if (atomic_load(&to->shared->sleeps) != 0 && atomic_exchange(&to->shared->sleeps, 0) != 0) {
		(void)!hel_event_raise(to->event, 1);
	}
}

bool channel_is_done(const struct channel *of, uint32_t index)
{
	struct fs_direct_slot *slot = fs_direct_slot(of->shared, index);
	uint64_t deadline_ns = helix_now_ns() + WAIT_NS;

	while (atomic_load(&slot->state) != FS_DIRECT_DONE) {
		if (hel_futex_wait((const uint32_t *)&slot->state, FS_DIRECT_SUBMITTED, deadline_ns,
			    UINT32_MAX) == -ERR_TIMED_OUT) {
			return false;
		}
	}
	return true;
}

int channel_finish(const struct channel *by, uint32_t index)
{
	const struct fs_direct_slot *slot = fs_direct_slot(by->shared, index);
	uint32_t length = slot->length;

	channel_submit(by, UINT64_C(1) << index);
	if (!channel_is_done(by, index) || slot->n_bytes != (slot->error == 0 ? length : 0)) {
		return 1;
	}
	return slot->error;
}

int channel_transfer(
	const struct channel *by, uint32_t index, uint32_t flags, uint64_t offset, uint32_t length)
{
	channel_describe(by, index, flags, offset, length);
	return channel_finish(by, index);
}
