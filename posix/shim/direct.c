/* SPDX-License-Identifier: MIT */
/*
 * Direct transfers: reads and writes with O_DIRECT that the file server answers, by memory that it
 * shares with this process. protocols/fs/direct.h is the contract, docs/internals/direct.md says
 * why it is right.
 *
 * The memory may be taken away at any time while no unit is taken. So it is first touched by a
 * compare-and-exchange that may fault, which takes units, and the entry of the descriptor is looked
 * at afterwards: if that is still there posix finds the units taken, and waits. Who holds units
 * goes on to the end: the call is not interrupted, as on Linux.
 *
 * SHIM_ASK is always a correct answer, as in view.c: a transfer of a disk may be repeated.
 */
#include <hel/hel-calls.h>
#include <protocols/fs/direct.h>

#include "calls.h"

/* What is longer is copied by loads and stores. */
constexpr uint64_t COPY_BLOCKS = 8192;

/* What the view says. */
struct shown {
	uint64_t memory;
	hel_handle event;
	uint64_t size, block;
};

/* Some neighbouring units, and the request that goes through them. */
struct units {
	struct fs_direct *shared;
	uint32_t index, n;
	uint64_t mask;
};

static uint64_t units_mask(uint32_t index, uint32_t n)
{
	return (((uint64_t)1 << n) - 1) << index;
}

/* The bits at which so many neighbouring ones begin. */
static uint64_t runs_of(uint64_t bits, uint32_t n)
{
	while (n > 1) {
		uint32_t half = n / 2;

		bits &= bits >> half;
		n -= half;
	}
	return bits;
}

/* Mostly all are free; so the first look is the exchange. */
static bool try_take(struct fs_direct *shared, uint32_t n, struct units *out_units)
{
	uint64_t taken = 0;

	for (;;) {
		uint64_t runs = runs_of(~taken, n);
		uint32_t index;
		uint64_t mask;
		int error;

		if (!runs) {
			return false;
		}
		index = (uint32_t)__builtin_ctzll(runs);
		mask = units_mask(index, n);
		error = shim_compare_exchange_u64((uint64_t *)&shared->taken, &taken, taken | mask);
		if (!error) {
			*out_units = (struct units){ shared, index, n, mask };
			return true;
		}
		if (error < 0) {
			return false;
		}
	}
}

/* As many as there are, if there are not enough. */
static bool take_units(struct fs_direct *shared, uint64_t size, struct units *out_units)
{
	uint32_t n = fs_direct_units((uint32_t)size);

	while (!try_take(shared, n, out_units)) {
		n /= 2;
		if (!n) {
			return false;
		}
	}
	return true;
}

static void free_units(const struct units *units)
{
	atomic_fetch_and_explicit(&units->shared->taken, ~units->mask, memory_order_release);
}

/* The same where the memory may have gone. */
static void give_up_units(const struct units *units)
{
	uint64_t taken = units->mask;

	while (shim_compare_exchange_u64(
		       (uint64_t *)&units->shared->taken, &taken, taken & ~units->mask) > 0) {
	}
}

static uint64_t copy(void *to, const void *from, uint64_t size)
{
	return size > COPY_BLOCKS ? shim_copy_blocks(to, from, size)
				  : shim_copy_long(to, from, size);
}

/* Waits for the answer; false: nobody serves. Signals are looked at afterwards. */
static bool await_done(struct fs_direct *shared, struct fs_direct_slot *slot)
{
	bool is_kicked = false;
	uint32_t state;

	for (;;) {
		state = atomic_load_explicit(&slot->state, memory_order_acquire);
		if (state != FS_DIRECT_SUBMITTED) {
			break;
		}
		/* what nobody has found when it ended: see direct.h */
		if (atomic_load_explicit(&shared->is_over, memory_order_relaxed)) {
			atomic_compare_exchange_strong(&slot->state, &state, FS_DIRECT_FREE);
			state = FS_DIRECT_FREE;
			break;
		}
		if (hel_futex_wait((const uint32_t *)&slot->state, FS_DIRECT_SUBMITTED,
			    HEL_DEADLINE_NEVER, ~0u) == -ERR_KICKED) {
			shim_note_kick();
			is_kicked = true;
		}
	}
	if (is_kicked) {
		shim_look_at_exit();
	}
	return state == FS_DIRECT_DONE;
}

static void submit(const struct units *units, struct fs_direct_slot *slot, hel_handle event)
{
	struct fs_direct *shared = units->shared;

	atomic_store_explicit(&slot->state, FS_DIRECT_SUBMITTED, memory_order_relaxed);
	/* also the barrier between the state and what is looked at afterwards */
	atomic_fetch_or(&shared->submitted, (uint64_t)1 << units->index);
	if (atomic_load(&shared->sleeps) && atomic_exchange(&shared->sleeps, 0)) {
		hel_event_raise(event, 1);
	}
}

/* What goes at once, with units for it: bytes, or SHIM_ASK. */
static int64_t transfer_piece(const struct units *units, hel_handle event, uint64_t address,
	uint64_t size, uint64_t offset, bool is_write)
{
	struct fs_direct_slot *slot = fs_direct_slot(units->shared, units->index);
	uint8_t *data = (uint8_t *)units->shared + fs_direct_unit_offset(units->index);
	uint64_t n_bytes;

	if (is_write && copy(data, (const void *)address, size)) {
		return SHIM_ASK; /* EFAULT, or the part that there is */
	}
	slot->offset = offset;
	slot->length = (uint32_t)size;
	slot->flags = is_write ? FS_DIRECT_WRITE : 0;
	submit(units, slot, event);
	if (!await_done(units->shared, slot)) {
		return SHIM_ASK;
	}
	n_bytes = slot->error ? 0 : slot->n_bytes;
	atomic_store_explicit(&slot->state, FS_DIRECT_FREE, memory_order_relaxed);
	if (!n_bytes || n_bytes > size || (!is_write && copy((void *)address, data, n_bytes))) {
		return SHIM_ASK; /* which says what is wrong */
	}
	return (int64_t)n_bytes;
}

static bool is_same(const struct shim_direct *direct)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(direct->place, memory_order_relaxed) == direct->entry;
}

static int64_t transfer_some(const struct shim_direct *direct, const struct shown *view,
	uint64_t address, uint64_t size, uint64_t offset, bool is_write)
{
	uint64_t n = size < FS_DIRECT_LENGTH_MAX ? size : FS_DIRECT_LENGTH_MAX;
	struct units units;
	int64_t result;

	if (!take_units((struct fs_direct *)view->memory, n, &units)) {
		return SHIM_ASK;
	}
	if (!is_same(direct)) {
		give_up_units(&units);
		return SHIM_ASK;
	}
	if (n > units.n * (uint64_t)FS_DIRECT_UNIT) {
		n = units.n * (uint64_t)FS_DIRECT_UNIT;
	}
	result = transfer_piece(&units, view->event, address, n, offset, is_write);
	free_units(&units);
	return result;
}

int64_t shim_direct_transfer(const struct shim_direct *direct, uint64_t address, uint64_t size,
	uint64_t offset, bool is_write)
{
	const struct shown view = {
		.memory = direct->view->direct_address,
		.event = direct->view->direct_event,
		.size = direct->view->direct_size,
		.block = direct->view->direct_block,
	};
	uint64_t done = 0;

	if (!size || (address | size | offset) & (view.block - 1) || offset > view.size ||
		size > view.size - offset || !is_same(direct)) {
		return SHIM_ASK;
	}
	while (done < size) {
		int64_t result = transfer_some(
			direct, &view, address + done, size - done, offset + done, is_write);

		if (result == SHIM_ASK && done) {
			result = (is_write ? shim_ask_pwrite : shim_ask_pread)(
				direct->fd, address + done, size - done, offset + done);
			return result > 0 ? (int64_t)done + result : (int64_t)done;
		}
		if (result < 0) {
			return result;
		}
		done += (uint64_t)result;
	}
	return (int64_t)done;
}
