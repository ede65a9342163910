/* SPDX-License-Identifier: MIT */
/*
 * Calls that are answered from what posix shows of a descriptor: protocols/posix/views.h says how
 * that is read, docs/internals/views.md why it is right.
 *
 * SHIM_ASK is always a correct answer: then the call goes to posix as if there were no views. So
 * everything that is rare, wrong or under change ends there: bad descriptors and addresses, a
 * window that has just been taken away, another thread that is faster.
 */
#include "calls.h"

constexpr uint64_t VIEW_IO_MAX = 0x7ffff000; /* what Linux transfers in one call */
constexpr uint64_t ZERO_PIECE = 1 << 20; /* between two looks for signals */
constexpr unsigned POSITION_TRIES = 4;
constexpr uint64_t SEEK_SET = 0, SEEK_CUR = 1, SEEK_END = 2;

struct view {
	const _Atomic uint64_t *place; /* of the entry */
	uint64_t entry;
	const struct posix_view *data;
	uint32_t index;
};

/*
 * Of a descriptor that shim_has_view(): the entry may be 0 by now, which names no kind and allows
 * nothing, but the table stays where it is as long as threads of the process run.
 */
static inline struct view view_of(uint64_t fd)
{
	const struct posix_views *views = (const struct posix_views *)POSIX_VIEWS;
	const _Atomic uint64_t *place = &views->entries[posix_view_slot((uint32_t)fd)];
	uint64_t loaded = atomic_load_explicit(place, memory_order_acquire);
	uint64_t entry = posix_view_entry_is_of(loaded, (uint32_t)fd) ? loaded : 0;
	uint32_t index = posix_view_entry_index(entry);

	return (struct view){ place, entry, &views->views[index], index };
}

/* Tells posix that it has not shown this for nothing. */
static inline void view_note_use(const struct view *view)
{
	atomic_store_explicit(&shim_process()->view_was_used[view->index % POSIX_VIEWS_MAX], 1,
		memory_order_relaxed);
}

static inline struct posix_view_times *view_times(const struct view *view)
{
	return &shim_process()->view_times[view->index % POSIX_VIEWS_MAX];
}

/* Whether what was read so far was valid: the last question, before the answer. */
static inline bool view_is_same(const struct view *view)
{
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(view->place, memory_order_relaxed) != view->entry) {
		return false;
	}
	view_note_use(view);
	return true;
}

static inline bool is_transfer(uint64_t address, uint64_t size)
{
	return size <= VIEW_IO_MAX && shim_is_user_range(address, size);
}

static int64_t transfer_directly(const struct view *view, uint64_t fd, uint64_t address,
	uint64_t size, uint64_t offset, bool is_write)
{
	const struct shim_direct direct = { view->place, view->entry, view->data, fd };

	view_note_use(view);
	return shim_direct_transfer(&direct, address, size, offset, is_write);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int64_t read_zeros(uint64_t address, uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		uint64_t n = size - done < ZERO_PIECE ? size - done : ZERO_PIECE;
		uint64_t n_left = shim_clear_long((void *)(address + done), n);

		done += n - n_left;
		if (n_left || shim_has_signal()) {
			break;
		}
	}
	return done || !size ? (int64_t)done : SHIM_ASK;
}

/* Reads are noted if they are the first ones, or the first ones after a write. */
static void note_read(const struct view *view)
{
	struct posix_view_times *times = view_times(view);

	if (atomic_load_explicit(&times->accessed, memory_order_relaxed) <=
		atomic_load_explicit(&times->written, memory_order_relaxed)) {
		atomic_store_explicit(&times->accessed, shim_clock_ns(), memory_order_relaxed);
	}
}

static int64_t read_window(
	const struct view *view, uint64_t address, uint64_t size, uint64_t offset)
{
	const struct posix_view *data = view->data;
	uint64_t end = data->size;
	uint64_t n = offset >= end ? 0 : end - offset < size ? end - offset : size;

	if (posix_view_entry_has(view->entry, POSIX_VIEW_NOTE)) {
		note_read(view);
	}
	if (n) {
		uint64_t from = offset - data->window_offset;

		if (from > data->window_size || n > data->window_size - from) {
			return SHIM_ASK;
		}
		from += data->window_address;
		n -= shim_copy_long((void *)address, (const void *)from, n);
		if (!n) {
			return SHIM_ASK;
		}
	}
	return view_is_same(view) ? (int64_t)n : SHIM_ASK;
}

/* By the window, or by the file server. */
static int64_t read_at(
	const struct view *view, uint64_t fd, uint64_t address, uint64_t size, uint64_t offset)
{
	return posix_view_entry_kind(view->entry) == POSIX_VIEW_DIRECT
		? transfer_directly(view, fd, address, size, offset, false)
		: read_window(view, address, size, offset);
}

/* From where the file stands. Whoever moves the position first has read the bytes. */
static int64_t read_on(const struct view *view, uint64_t fd, uint64_t address, uint64_t size)
{
	_Atomic uint64_t *position = &shim_process()->view_positions[view->index];

	for (unsigned i = 0; i < POSITION_TRIES; i++) {
		uint64_t word = atomic_load_explicit(position, memory_order_acquire);
		int64_t result;

		if (!posix_position_is_of(word, posix_view_entry_generation(view->entry))) {
			return SHIM_ASK;
		}
		result = read_at(view, fd, address, size, word & POSIX_POSITION_MASK);
		if (result <= 0 ||
			atomic_compare_exchange_strong(position, &word, word + (uint64_t)result)) {
			return result;
		}
	}
	return SHIM_ASK;
}

int64_t shim_view_read(uint64_t fd, uint64_t address, uint64_t size)
{
	struct view view = view_of(fd);

	if (!posix_view_entry_has(view.entry, POSIX_VIEW_READ) || !is_transfer(address, size)) {
		return SHIM_ASK;
	}
	switch (posix_view_entry_kind(view.entry)) {
	case POSIX_VIEW_NULL: view_note_use(&view); return 0;
	case POSIX_VIEW_ZERO: view_note_use(&view); return read_zeros(address, size);
	case POSIX_VIEW_FILE:
	case POSIX_VIEW_DIRECT: return read_on(&view, fd, address, size);
	default: return SHIM_ASK;
	}
}

int64_t shim_view_pread(uint64_t fd, uint64_t address, uint64_t size, uint64_t offset)
{
	struct view view = view_of(fd);

	if (!posix_view_entry_has(view.entry, POSIX_VIEW_READ) || (int64_t)offset < 0 ||
		!is_transfer(address, size)) {
		return SHIM_ASK;
	}
	switch (posix_view_entry_kind(view.entry)) {
	case POSIX_VIEW_NULL: view_note_use(&view); return 0;
	case POSIX_VIEW_ZERO: view_note_use(&view); return read_zeros(address, size);
	case POSIX_VIEW_FILE:
	case POSIX_VIEW_DIRECT: return read_at(&view, fd, address, size, offset);
	default: return SHIM_ASK;
	}
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Where the bytes belong, in the window; 0: not there. */
static uint64_t room_at(const struct view *view, uint64_t size, uint64_t offset)
{
	const struct posix_view *data = view->data;
	uint64_t from = offset - data->window_offset;

	if (offset < data->room_start || offset > data->room_end ||
		size > data->room_end - offset || from > data->window_size ||
		size > data->window_size - from) {
		return 0;
	}
	return data->window_address + from;
}

/*
 * One thread at a time, so that each write is whole; who comes meanwhile asks. What was begun and
 * cannot be finished, because the program's memory or the file's ends, or since the view was taken
 * away, is done again by posix. The exchange is the barrier between the times and the entry.
 */
static bool write_window(const struct view *view, uint64_t to, uint64_t address, uint64_t size)
{
	_Atomic uint8_t *is_written =
		&shim_process()->view_is_written[view->index % POSIX_VIEWS_MAX];
	uint64_t n_left;

	if (atomic_exchange(is_written, 1)) {
		return false;
	}
	atomic_store_explicit(&view_times(view)->written, shim_clock_ns(), memory_order_relaxed);
	n_left = shim_copy_long((void *)to, (const void *)address, size);
	atomic_exchange(is_written, 0);
	return !n_left && view_is_same(view);
}

int64_t shim_view_pwrite(uint64_t fd, uint64_t address, uint64_t size, uint64_t offset)
{
	struct view view = view_of(fd);
	uint64_t to;

	if (!posix_view_entry_has(view.entry, POSIX_VIEW_WRITE) || !size || (int64_t)offset < 0 ||
		!is_transfer(address, size)) {
		return SHIM_ASK;
	}
	if (posix_view_entry_kind(view.entry) == POSIX_VIEW_DIRECT) {
		return transfer_directly(&view, fd, address, size, offset, true);
	}
	if (posix_view_entry_kind(view.entry) != POSIX_VIEW_FILE) {
		view_note_use(&view);
		return (int64_t)size; /* what vanishes is not looked at */
	}
	to = room_at(&view, size, offset);
	return to && write_window(&view, to, address, size) ? (int64_t)size : SHIM_ASK;
}

/*
 * Where the file stands. Whoever moves the position first writes there; so what cannot be written
 * is written by posix in the same place, unless the position could be put back.
 */
static int64_t write_on(const struct view *view, uint64_t fd, uint64_t address, uint64_t size)
{
	_Atomic uint64_t *position = &shim_process()->view_positions[view->index];
	uint64_t word = atomic_load_explicit(position, memory_order_acquire);
	uint64_t offset = word & POSIX_POSITION_MASK;
	uint64_t moved = word + size;
	uint64_t to = size ? room_at(view, size, offset) : 0;

	if (!to || !posix_position_is_of(word, posix_view_entry_generation(view->entry)) ||
		offset + size >= POSIX_POSITION_MASK ||
		!atomic_compare_exchange_strong(position, &word, moved)) {
		return SHIM_ASK;
	}
	if (write_window(view, to, address, size)) {
		return (int64_t)size;
	}
	return atomic_compare_exchange_strong(position, &moved, word)
		? SHIM_ASK
		: shim_ask_pwrite(fd, address, size, offset);
}

/* The same of a disk; the position ends where the bytes do. */
static int64_t write_on_directly(
	const struct view *view, uint64_t fd, uint64_t address, uint64_t size)
{
	_Atomic uint64_t *position = &shim_process()->view_positions[view->index];
	uint64_t word = atomic_load_explicit(position, memory_order_acquire);
	uint64_t offset = word & POSIX_POSITION_MASK;
	uint64_t moved = word + size;
	int64_t result;

	if (!posix_position_is_of(word, posix_view_entry_generation(view->entry)) ||
		offset + size >= POSIX_POSITION_MASK ||
		!atomic_compare_exchange_strong(position, &word, moved)) {
		return SHIM_ASK;
	}
	result = transfer_directly(view, fd, address, size, offset, true);
	if (result == (int64_t)size) {
		return result;
	}
	word += result == SHIM_ASK ? 0 : (uint64_t)result;
	return !atomic_compare_exchange_strong(position, &moved, word) && result == SHIM_ASK
		? shim_ask_pwrite(fd, address, size, offset)
		: result;
}

int64_t shim_view_write(uint64_t fd, uint64_t address, uint64_t size)
{
	struct view view = view_of(fd);

	if (!posix_view_entry_has(view.entry, POSIX_VIEW_WRITE) || !is_transfer(address, size)) {
		return SHIM_ASK;
	}
	switch (posix_view_entry_kind(view.entry)) {
	case POSIX_VIEW_FILE: return write_on(&view, fd, address, size);
	case POSIX_VIEW_DIRECT: return write_on_directly(&view, fd, address, size);
	default: break;
	}
	view_note_use(&view);
	return (int64_t)size; /* what vanishes is not looked at */
}

/* ---- other calls ----------------------------------------------------------------------------- */

int64_t shim_view_lseek(uint64_t fd, int64_t offset, uint64_t whence)
{
	struct view view = view_of(fd);
	_Atomic uint64_t *position;
	uint64_t word, base, end;
	int64_t target;

	switch (posix_view_entry_kind(view.entry)) {
	case POSIX_VIEW_FILE: end = view.data->size; break;
	case POSIX_VIEW_DIRECT: end = view.data->direct_size; break;
	default: return SHIM_ASK;
	}
	position = &shim_process()->view_positions[view.index];
	word = atomic_load_explicit(position, memory_order_acquire);
	if (!posix_position_is_of(word, posix_view_entry_generation(view.entry))) {
		return SHIM_ASK;
	}
	switch ((uint32_t)whence) {
	case SEEK_SET: base = 0; break;
	case SEEK_CUR: base = word & POSIX_POSITION_MASK; break;
	case SEEK_END: base = end; break;
	default: return SHIM_ASK;
	}
	if (__builtin_add_overflow((int64_t)base, offset, &target) || target < 0 ||
		(uint64_t)target >= POSIX_POSITION_MASK || !view_is_same(&view)) {
		return SHIM_ASK;
	}
	return atomic_compare_exchange_strong(
		       position, &word, (word & ~POSIX_POSITION_MASK) | (uint64_t)target)
		? target
		: SHIM_ASK;
}

int64_t shim_view_epoll_wait(uint64_t fd, uint64_t address, uint64_t n_max, uint64_t timeout_ns)
{
	constexpr uint64_t SIZE = sizeof(((struct posix_view *)nullptr)->events[0]);
	struct view view = view_of(fd);
	uint32_t n_events;

	if (posix_view_entry_kind(view.entry) != POSIX_VIEW_EPOLL ||
		!posix_view_entry_has(view.entry, POSIX_VIEW_READ)) {
		return SHIM_ASK;
	}
	/* nothing to report: whoever wants to wait for it does that with posix */
	n_events = view.data->n_events;
	if (n_events > n_max || n_events > POSIX_VIEW_EVENTS_MAX || (!n_events && timeout_ns) ||
		!shim_is_user_range(address, n_max * SIZE) ||
		shim_put(address, view.data->events, n_events * SIZE) || !view_is_same(&view)) {
		return SHIM_ASK;
	}
	return n_events;
}

int64_t shim_view_fstat(uint64_t fd, uint64_t address)
{
	struct view view = view_of(fd);

	if (posix_view_entry_kind(view.entry) == POSIX_VIEW_FILE &&
		posix_view_entry_has(view.entry, POSIX_VIEW_WRITE) &&
		(view_times(&view)->written || view_times(&view)->accessed)) {
		return SHIM_ASK; /* they are not the file's yet */
	}
	if (posix_view_entry_kind(view.entry) == POSIX_VIEW_DIRECT) {
		return SHIM_ASK; /* of times it knows nothing */
	}
	return view.entry && !shim_put(address, view.data->stat, sizeof(view.data->stat)) &&
			view_is_same(&view)
		? 0
		: SHIM_ASK;
}
