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
 * Long transfers need no copy where posix has lent the program's memory to the file server. One
 * that finds no loan is posix', which gives one then, for the next time. What goes wrong with a
 * loan is tried again by way of the units, where the program's memory is touched by the program.
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
/* The same in a loan, where nothing is copied meanwhile. */
constexpr uint64_t LOAN_PIECE_BYTES = 0x100000;
static_assert(LOAN_PIECE_BYTES <= FS_DIRECT_LENGTH_MAX);

/* A part of the program's memory that the disk gets at. */
struct loan {
	uint64_t address, size;
	uint32_t number; /* 0: none */
};

/* What the view says, and which loan is used. */
struct shown {
	uint64_t memory;
	hel_handle event;
	uint64_t size, block;
	struct loan loan;
	bool is_copied; /* without loans */
};

/* Some neighbouring units. */
struct units {
	struct fs_direct *shared;
	uint32_t index, n;
	uint64_t mask;
};

/* A request that is under way, between the program's bytes and those units, or without copying. */
struct piece {
	struct units units;
	uint64_t address, size;
	struct loan loan;
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

	slot->flags = is_write ? FS_DIRECT_WRITE : 0;
	if (piece->loan.number) {
		slot->flags |= FS_DIRECT_LOAN;
		slot->loan = piece->loan.number;
		slot->loan_offset = piece->address - piece->loan.address;
	} else if (is_write && copy(piece_data(piece), (const void *)piece->address, piece->size)) {
		return false; /* EFAULT, or the part that there is */
	}
	slot->offset = offset;
	slot->length = (uint32_t)piece->size;
	submit(&piece->units, slot, event);
	return true;
}

/* Waits for one: how many bytes have arrived; 0: something is wrong, somebody else says what. */
static uint64_t end(const struct piece *piece, bool is_write)
{
	struct fs_direct_slot *slot = piece_slot(piece);
	uint64_t n_bytes = 0;

	if (await_done(piece->units.shared, slot)) {
		n_bytes = slot->error ? 0 : slot->n_bytes;
		atomic_store_explicit(&slot->state, FS_DIRECT_FREE, memory_order_relaxed);
	}
	if (n_bytes > piece->size ||
		(!is_write && !piece->loan.number &&
			copy((void *)piece->address, piece_data(piece), n_bytes))) {
		return 0;
	}
	return n_bytes;
}

static bool is_same(const struct shim_direct *direct)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(direct->place, memory_order_relaxed) == direct->entry;
}

/* Takes units while the descriptor is what it was: the memory stays until they are free again. */
static bool take_units_of(const struct shim_direct *direct, const struct shown *view, uint64_t size,
	struct units *out_units)
{
	if (!take_units((struct fs_direct *)view->memory, size, out_units)) {
		return false;
	}
	if (!is_same(direct)) {
		give_up_units(out_units);
		return false;
	}
	return true;
}

/* ---- loans ----------------------------------------------------------------------------------- */

/* How many of these bytes are in a loan. */
static uint64_t lent_bytes(const struct loan *loan, uint64_t address, uint64_t size)
{
	uint64_t from = address - loan->address;

	if (!loan->number || from >= loan->size) {
		return 0;
	}
	return loan->size - from < size ? loan->size - from : size;
}

/* One that has all of these bytes. No number is used twice: what has the same one is the same. */
static struct loan find_loan(const struct fs_direct *shared, uint64_t address, uint64_t size)
{
	for (uint32_t i = 0; i < FS_DIRECT_LOANS; i++) {
		const struct fs_direct_loan *place = &shared->loans[i];
		struct loan loan = {
			.number = atomic_load_explicit(&place->number, memory_order_acquire),
			.address = *(const volatile uint64_t *)&place->address,
			.size = *(const volatile uint64_t *)&place->size_bytes,
		};

		atomic_thread_fence(memory_order_acquire);
		if (lent_bytes(&loan, address, size) == size &&
			atomic_load_explicit(&place->number, memory_order_relaxed) == loan.number) {
			return loan;
		}
	}
	return (struct loan){ 0 };
}

/* How the next bytes go; false: posix has to be asked, which may give a loan then. */
static bool choose_loan(
	const struct shim_direct *direct, struct shown *view, uint64_t address, uint64_t size)
{
	struct units units;

	if (view->is_copied || lent_bytes(&view->loan, address, size)) {
		return true;
	}
	if (!take_units_of(direct, view, FS_DIRECT_UNIT, &units)) {
		return false;
	}
	view->loan =
		find_loan(units.shared, address, size < POSIX_LOAN_MAX ? size : POSIX_LOAN_MAX);
	view->is_copied = !view->loan.number &&
		!atomic_load_explicit(&units.shared->gives_loans, memory_order_relaxed);
	free_units(&units);
	return view->is_copied || view->loan.number;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* Takes units for some of the bytes; in a loan, for the slot. */
static bool take_piece(const struct shim_direct *direct, const struct shown *view, uint64_t address,
	uint64_t size, struct piece *out_piece)
{
	uint64_t lent = lent_bytes(&view->loan, address, size);
	uint64_t max = lent ? LOAN_PIECE_BYTES : PIECE_BYTES;
	uint64_t n = lent ? lent : size;

	n = n < max ? n : max;
	if (!take_units_of(direct, view, lent ? FS_DIRECT_UNIT : n, &out_piece->units)) {
		return false;
	}
	if (!lent && n > out_piece->units.n * (uint64_t)FS_DIRECT_UNIT) {
		n = out_piece->units.n * (uint64_t)FS_DIRECT_UNIT;
	}
	out_piece->address = address;
	out_piece->size = n;
	out_piece->loan = lent ? view->loan : (struct loan){ 0 };
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
	struct shown view = {
		.memory = direct->view->direct_address,
		.event = direct->view->direct_event,
		.size = direct->view->direct_size,
		.block = direct->view->direct_block,
		.is_copied = size < FS_DIRECT_LOAN_MIN,
	};
	uint64_t done = 0;

	if (!size || (address | size | offset) & (view.block - 1) || offset > view.size ||
		size > view.size - offset || !is_same(direct)) {
		return SHIM_ASK;
	}
	while (done < size) {
		uint64_t n_bytes = 0;

		if (choose_loan(direct, &view, address + done, size - done)) {
			n_bytes = transfer_pieces(direct, &view, address + done, size - done,
				offset + done, is_write);
		}
		if (!n_bytes && view.loan.number) {
			view.loan = (struct loan){ 0 };
			view.is_copied = true;
			continue;
		}
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
