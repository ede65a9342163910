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
/* Of a long transfer that goes in pieces, some of which are under way at once. */
constexpr uint64_t PIECE_BYTES = 0x80000;
constexpr uint32_t PIECES_MAX = 2;
static_assert(PIECE_BYTES <= FS_DIRECT_LENGTH_MAX);

/* What the view says. */
struct shown {
	uint64_t memory;
	hel_handle event;
	uint64_t size, block;
};

/* Some neighbouring units. */
struct units {
	struct fs_direct *shared;
	uint32_t index, n;
	uint64_t mask;
};

/* A request that is under way, between the program's bytes and those units. */
struct piece {
	struct units units;
	uint64_t address, size;
};

static struct fs_direct_slot *piece_slot(const struct piece *piece)
{
	return fs_direct_slot(piece->units.shared, piece->units.index);
}

static void *piece_data(const struct piece *piece)
{
	return (uint8_t *)piece->units.shared + fs_direct_unit_offset(piece->units.index);
}

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

/* Lets one request begin, if its bytes can be had. */
static bool begin(const struct piece *piece, hel_handle event, uint64_t offset, bool is_write)
{
	struct fs_direct_slot *slot = piece_slot(piece);

	if (is_write && copy(piece_data(piece), (const void *)piece->address, piece->size)) {
		return false; /* EFAULT, or the part that there is */
	}
	slot->offset = offset;
	slot->length = (uint32_t)piece->size;
	slot->flags = is_write ? FS_DIRECT_WRITE : 0;
	submit(&piece->units, slot, event);
	return true;
}

/* Waits for one: how many bytes have arrived; 0: something is wrong, and posix says what. */
static uint64_t end(const struct piece *piece, bool is_write)
{
	struct fs_direct_slot *slot = piece_slot(piece);
	uint64_t n_bytes = 0;

	if (await_done(piece->units.shared, slot)) {
		n_bytes = slot->error ? 0 : slot->n_bytes;
		atomic_store_explicit(&slot->state, FS_DIRECT_FREE, memory_order_relaxed);
	}
	if (n_bytes > piece->size ||
		(!is_write && copy((void *)piece->address, piece_data(piece), n_bytes))) {
		return 0;
	}
	return n_bytes;
}

static bool is_same(const struct shim_direct *direct)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(direct->place, memory_order_relaxed) == direct->entry;
}

/* Takes units for some of the bytes, while the descriptor is what it was. */
static bool take_piece(const struct shim_direct *direct, const struct shown *view, uint64_t address,
	uint64_t size, struct piece *out_piece)
{
	uint64_t n = size < PIECE_BYTES ? size : PIECE_BYTES;

	if (!take_units((struct fs_direct *)view->memory, n, &out_piece->units)) {
		return false;
	}
	if (!is_same(direct)) {
		give_up_units(&out_piece->units);
		return false;
	}
	if (n > out_piece->units.n * (uint64_t)FS_DIRECT_UNIT) {
		n = out_piece->units.n * (uint64_t)FS_DIRECT_UNIT;
	}
	out_piece->address = address;
	out_piece->size = n;
	return true;
}

/*
 * Some pieces at once, so that the disk has something to do while one of them is copied. All that
 * were begun are waited for, since the server uses their units; bytes count up to the first that
 * did not go.
 */
static uint64_t transfer_pieces(const struct shim_direct *direct, const struct shown *view,
	uint64_t address, uint64_t size, uint64_t offset, bool is_write)
{
	struct piece pieces[PIECES_MAX];
	uint32_t n_begun = 0;
	uint64_t begun = 0, done = 0;
	bool is_whole = true;

	while (n_begun < PIECES_MAX && begun < size) {
		struct piece *piece = &pieces[n_begun];

		if (!take_piece(direct, view, address + begun, size - begun, piece)) {
			break;
		}
		if (!begin(piece, view->event, offset + begun, is_write)) {
			free_units(&piece->units);
			break;
		}
		begun += piece->size;
		n_begun++;
	}
	for (uint32_t i = 0; i < n_begun; i++) {
		uint64_t n_bytes = end(&pieces[i], is_write);

		free_units(&pieces[i].units);
		done += is_whole ? n_bytes : 0;
		is_whole = is_whole && n_bytes == pieces[i].size;
	}
	return done;
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
		uint64_t n_bytes = transfer_pieces(
			direct, &view, address + done, size - done, offset + done, is_write);

		if (!n_bytes && !done) {
			return SHIM_ASK;
		}
		if (!n_bytes) {
			int64_t rest = (is_write ? shim_ask_pwrite : shim_ask_pread)(
				direct->fd, address + done, size - done, offset + done);

			return (int64_t)done + (rest > 0 ? rest : 0);
		}
		done += n_bytes;
	}
	return (int64_t)done;
}
