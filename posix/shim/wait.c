/* SPDX-License-Identifier: MIT */
/*
 * Waiting that concerns only this thread, the clock, and the lock of the process page.
 */
#include <hel/hel-calls.h>

#include "shim.h"

bool shim_has_signal(void)
{
	return (shim_pending() & ~shim_thread()->signal_mask) != 0;
}

/*
 * The kick latch makes every further wait return at once, so it is cleared here; whoever calls this
 * must look for signals (shim_has_signal, shim_look_at_exit) before the program runs again.
 */
void shim_note_kick(void)
{
	__atomic_store_n(&shim_thread()->bounce.pending, 0, __ATOMIC_SEQ_CST);
}

void shim_look_at_exit(void)
{
	__atomic_store_n(&shim_thread()->bounce.pending, 1, __ATOMIC_SEQ_CST);
}

uint64_t shim_deadline_ns(struct shim_deadline deadline)
{
	uint64_t offset_ns = deadline.is_realtime ? (uint64_t)shim_realtime_offset_ns() : 0;

	return deadline.ns > offset_ns ? deadline.ns - offset_ns : 0;
}

int shim_sleep_until(struct shim_deadline deadline)
{
	struct posix_thread_page *page = shim_thread();

	for (;;) {
		uint32_t n_completions;
		int error = hel_drive(
			page->queue, HEL_DRIVE_WAIT, 0, shim_deadline_ns(deadline), &n_completions);

		if (error == -ERR_TIMED_OUT) {
			return 0;
		}
		if (error == -ERR_ALERTED) {
			continue; /* of a request that is over */
		}
		if (error != -ERR_KICKED) {
			hel_thread_exit();
		}
		shim_note_kick();
		if (shim_has_signal()) {
			shim_look_at_exit();
			return -LINUX_EINTR;
		}
	}
}

/* ---- clock: abi/hel/hel.h, struct hel_clock_page --------------------------------------------- */

static uint64_t read_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static const struct hel_clock_page *clock_page(void)
{
	return (const struct hel_clock_page *)POSIX_CLOCK_PAGE;
}

uint64_t shim_clock_ns(void)
{
	const struct hel_clock_page *page = clock_page();

	for (;;) {
		uint32_t sequence = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
		uint64_t ticks = read_tsc() - page->base_tsc;
		uint64_t ns = page->base_ns +
			(uint64_t)(((unsigned __int128)ticks * page->multiplier) >> 32);

		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(sequence & 1) &&
			sequence == __atomic_load_n(&page->sequence, __ATOMIC_RELAXED)) {
			return ns;
		}
	}
}

int64_t shim_realtime_offset_ns(void)
{
	return __atomic_load_n(&clock_page()->realtime_offset_ns, __ATOMIC_RELAXED);
}

/* ---- lock: 0 free, 1 held, 2 held and somebody may wait -------------------------------------- */

void shim_lock(void)
{
	_Atomic uint32_t *lock = &shim_process()->lock;
	uint32_t expected = 0;
	bool is_kicked = false;

	if (__c11_atomic_compare_exchange_strong(
		    lock, &expected, 1, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		return;
	}
	while (__c11_atomic_exchange(lock, 2, __ATOMIC_ACQUIRE) != 0) {
		int error = hel_futex_wait((const uint32_t *)lock, 2, HEL_DEADLINE_NEVER, ~0u);

		if (error == -ERR_KICKED) {
			shim_note_kick();
			is_kicked = true;
		}
	}
	if (is_kicked) {
		shim_look_at_exit();
	}
}

void shim_unlock(void)
{
	_Atomic uint32_t *lock = &shim_process()->lock;

	if (__c11_atomic_exchange(lock, 0, __ATOMIC_RELEASE) == 2) {
		hel_futex_wake((const uint32_t *)lock, 1, ~0u, nullptr);
	}
}

int shim_errno_of(int hel_error)
{
	switch (-hel_error) {
	case ERR_NONE: return 0;
	case ERR_FAULT: return -LINUX_EFAULT;
	case ERR_NO_MEMORY:
	case ERR_NO_SPACE:
	case ERR_NOT_FOUND: return -LINUX_ENOMEM;
	case ERR_NO_RIGHTS: return -LINUX_EACCES;
	case ERR_EXISTS: return -LINUX_EEXIST;
	case ERR_KICKED: return -LINUX_EINTR;
	case ERR_TIMED_OUT: return -LINUX_ETIMEDOUT;
	case ERR_RETRY: return -LINUX_EAGAIN;
	default: return -LINUX_EINVAL;
	}
}
