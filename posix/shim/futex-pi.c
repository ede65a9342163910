/* SPDX-License-Identifier: MIT */
/*
 * PI futexes, and the locks that a thread leaves behind when it exits.
 *
 * A free lock is taken and one without waiters is given up here, by a compare and exchange; the
 * kernel lets threads wait for the others, lends their priority to the owner, and hands the lock
 * over (kernel/thor/ipc/futex-lock.c says how). The word is Linux': the owner's thread number,
 * FUTEX_OWNER_DIED, FUTEX_WAITERS.
 *
 *	word			FUTEX_LOCK_PI
 *	owner 0			it is ours; FUTEX_OWNER_DIED and FUTEX_WAITERS stay
 *	owner is us		EDEADLK
 *	another owner		FUTEX_WAITERS is set, and we wait
 *	   handed over		the kernel has put our number in
 *	   its owner ended	ours, with FUTEX_OWNER_DIED
 *	   no such thread	ESRCH; as long as one is on its way out, what it leaves is awaited
 *
 * FUTEX_WAIT_REQUEUE_PI waits for its first word until the kernel moves it to the lock
 * (kernel/thor/ipc/futex-requeue.c), which can only be waited for when somebody has it. So
 * FUTEX_CMP_REQUEUE_PI takes a free one, lets all who are to have it wait for that, and hands it
 * over to the most urgent one, which then has what Linux would have taken for it.
 */
#include <hel/hel-calls.h>

#include "futex.h"

constexpr uint32_t FUTEX_OWNER_DIED = 1u << 30;
constexpr uint32_t LOST_TRIES = 2; /* until an owner that is gone is believed to be named still */
constexpr uint32_t ROBUST_MAX = 2048;
static_assert(HEL_LOCK_OWNER == FUTEX_OWNER_DIED - 1);

/* ---- locking --------------------------------------------------------------------------------- */

/*
 * One step on the way to the lock, which `*value` was read from. 0: it is ours; -LINUX_EFAULT,
 * -LINUX_EDEADLK; 1: try again, `*value` is new; 2: wait, `*value` is what the word says.
 */
static int try_to_take(uint32_t *word, uint32_t *value, bool is_try)
{
	uint32_t tid = shim_thread()->tid, owner = *value & HEL_LOCK_OWNER, wanted = *value;

	if (!owner) {
		return shim_compare_exchange(word, value, wanted | tid);
	}
	if (owner == tid) {
		return -LINUX_EDEADLK;
	}
	if (!is_try) {
		wanted |= HEL_LOCK_WAITERS;
	}
	if (wanted != *value) {
		int result = shim_compare_exchange(word, value, wanted);

		if (result) {
			return result;
		}
		*value = wanted;
	}
	return 2;
}

/* The kernel gives us the lock of a thread that ended: says so in the word. 1: somebody has it. */
static int take_abandoned(uint32_t *word, uint32_t *value, uint32_t old_owner)
{
	for (;;) {
		uint32_t owner = *value & HEL_LOCK_OWNER;
		int result;

		if (owner && owner != old_owner) {
			return 1;
		}
		result = shim_compare_exchange(word, value,
			(*value & HEL_LOCK_WAITERS) | FUTEX_OWNER_DIED | shim_thread()->tid);
		if (result <= 0) {
			return result;
		}
	}
}

/*
 * The kernel knows no thread of the owner's number. Perhaps the lock has been handed over, and the
 * word does not say so yet; or the thread has ended, and posix has yet to go through its locks. 1:
 * try again; -LINUX_ESRCH.
 */
static int64_t miss_owner(uint32_t owner, uint32_t *n_lost)
{
	if (shim_request(POSIX_HAS_THREAD, owner, 0, 0, 0, 0, 0) <= 0 && ++*n_lost >= LOST_TRIES) {
		return -LINUX_ESRCH;
	}
	hel_thread_yield();
	return 1;
}

/* What a wait's end means; 1: try again. */
static int64_t end_of_wait(
	int error, uint32_t owner, bool is_try, uint32_t *n_lost, int64_t kicked_result)
{
	switch (-error) {
	case ERR_RETRY: return 1;
	case ERR_TIMED_OUT: return is_try ? -LINUX_EAGAIN : -LINUX_ETIMEDOUT;
	case ERR_ILLEGAL_STATE: return -LINUX_EDEADLK;
	case ERR_NOT_FOUND: return miss_owner(owner, n_lost);
	case ERR_KICKED:
		shim_note_kick();
		if (!shim_has_signal()) {
			return 1;
		}
		shim_look_at_exit();
		return kicked_result;
	default: return shim_errno_of(error);
	}
}

static int64_t lock(
	uint32_t *word, struct shim_deadline deadline, bool is_try, int64_t kicked_result)
{
	uint32_t value, n_lost = 0;

	if (shim_get(&value, (uint64_t)word, sizeof(value))) {
		return -LINUX_EFAULT;
	}
	for (;;) {
		uint32_t is_abandoned = 0, owner;
		int64_t result = try_to_take(word, &value, is_try);
		int error;

		if (result <= 0) {
			return result;
		}
		if (result == 1) {
			continue;
		}
		owner = value & HEL_LOCK_OWNER;
		error = hel_futex_lock(
			word, value, is_try ? 0 : shim_deadline_ns(deadline), &is_abandoned);
		if (!error && !is_abandoned) {
			return 0;
		}
		if (shim_get(&value, (uint64_t)word, sizeof(value))) {
			return -LINUX_EFAULT;
		}
		result = error ? end_of_wait(error, owner, is_try, &n_lost, kicked_result)
			       : take_abandoned(word, &value, owner);
		if (result <= 0) {
			return result;
		}
	}
}

int64_t shim_futex_lock_pi(uint32_t *word, struct shim_deadline deadline)
{
	return lock(word, deadline, false, -LINUX_ERESTARTNOINTR);
}

int64_t shim_futex_trylock_pi(uint32_t *word)
{
	return lock(word, (struct shim_deadline){ .ns = 0 }, true, 0);
}

int64_t shim_futex_unlock_pi(uint32_t *word)
{
	uint32_t value;

	if (shim_get(&value, (uint64_t)word, sizeof(value))) {
		return -LINUX_EFAULT;
	}
	for (;;) {
		int result;

		if ((value & HEL_LOCK_OWNER) != shim_thread()->tid) {
			return -LINUX_EPERM;
		}
		if (value & HEL_LOCK_WAITERS) {
			int error = hel_futex_unlock(word);

			return error == -ERR_NO_RIGHTS ? -LINUX_EPERM : shim_errno_of(error);
		}
		result = shim_compare_exchange(word, &value, 0);
		if (result <= 0) {
			return result;
		}
	}
}

/* ---- condition variables --------------------------------------------------------------------- */

int64_t shim_futex_wait_requeue_pi(
	const uint32_t *word, uint32_t expected, struct shim_deadline deadline, uint32_t *lock_word)
{
	for (;;) {
		uint32_t state = 0, value;
		int error = hel_futex_wait_requeue(
			word, expected, shim_deadline_ns(deadline), lock_word, &state);

		if (!error && !(state & HEL_FUTEX_ABANDONED)) {
			return 0;
		}
		if (!error) {
			if (shim_get(&value, (uint64_t)lock_word, sizeof(value))) {
				return -LINUX_EFAULT;
			}
			int result = take_abandoned(lock_word, &value, state & HEL_LOCK_OWNER);

			if (result <= 0) {
				return result;
			}
		} else if (error == -ERR_KICKED) {
			shim_note_kick();
			if (shim_has_signal()) {
				shim_look_at_exit();
				/* The word has another value by now: no restart can help. */
				return state & HEL_FUTEX_MOVED ? -LINUX_EAGAIN
							       : -LINUX_ERESTARTNOINTR;
			}
		} else {
			return shim_errno_of(error);
		}
		if (!error || state & HEL_FUTEX_MOVED) {
			return lock(lock_word, deadline, false, -LINUX_EAGAIN);
		}
	}
}

/*
 * Makes the lock one that can be waited for, of somebody else or for the moment ours, and says in
 * `*value` what its word is then. 1: it changes, try again; -LINUX_EFAULT.
 */
static int prepare_lock(uint32_t *word, uint32_t *value, bool *is_taken)
{
	uint32_t wanted = *value | HEL_LOCK_WAITERS;
	bool is_free = !(*value & HEL_LOCK_OWNER);

	if (is_free) {
		wanted |= shim_thread()->tid;
	}
	int result = wanted == *value ? 0 : shim_compare_exchange(word, value, wanted);

	if (!result) {
		*value = wanted;
		*is_taken = is_free;
	}
	return result;
}

struct requeue {
	const uint32_t *word;
	uint32_t *lock_word;
	uint32_t expected, n_max;
	uint32_t n_lost, n_moved;
};

/* One attempt; 1: try again. */
static int64_t try_requeue(struct requeue *requeue)
{
	const uint32_t *word = requeue->word;
	uint32_t *lock_word = requeue->lock_word;
	uint32_t value, lock_value;
	bool is_taken = false;

	if (shim_get(&value, (uint64_t)word, sizeof(value)) ||
		shim_get(&lock_value, (uint64_t)lock_word, sizeof(lock_value))) {
		return -LINUX_EFAULT;
	}
	if (value != requeue->expected) {
		return -LINUX_EAGAIN;
	}
	int result = prepare_lock(lock_word, &lock_value, &is_taken);

	if (result) {
		return result;
	}
	int error = hel_futex_requeue_lock(
		word, requeue->expected, lock_word, lock_value, requeue->n_max, &requeue->n_moved);

	if (is_taken) {
		int64_t unlock_error = shim_futex_unlock_pi(lock_word);

		if (!error && unlock_error) {
			return unlock_error;
		}
	}
	if (!error || error == -ERR_ILLEGAL_ARGS) {
		return error ? -LINUX_EINVAL : 0;
	}
	return end_of_wait(error, lock_value & HEL_LOCK_OWNER, false, &requeue->n_lost, 0);
}

int64_t shim_futex_cmp_requeue_pi(const uint32_t *word, uint32_t expected, uint32_t n_wake,
	uint32_t n_requeue, uint32_t *lock_word)
{
	struct requeue requeue = {
		.word = word,
		.lock_word = lock_word,
		.expected = expected,
		.n_max = n_requeue + 1,
	};
	int64_t result;

	if (n_wake != 1 || word == lock_word || (int32_t)n_requeue < 0) {
		return -LINUX_EINVAL;
	}
	do {
		result = try_requeue(&requeue);
	} while (result == 1);
	return result ? result : (int64_t)requeue.n_moved;
}

/* ---- robust locks ---------------------------------------------------------------------------- */

struct robust_list_head {
	uint64_t next;
	int64_t offset;
	uint64_t pending;
};

/* A lock that we may have; false: the list is nonsense. Entries have bit 0 set if they are PI. */
static bool leave_lock(uint64_t entry, int64_t offset, bool is_pending)
{
	bool is_pi = entry & 1;
	uint64_t address = (entry & ~1ull) + (uint64_t)offset;
	uint32_t *word = (uint32_t *)address;
	uint32_t value;

	if ((address & 3) || shim_get(&value, address, sizeof(value))) {
		return false;
	}
	if (is_pending && !is_pi && !value) {
		hel_futex_wake(word, 1, ~0u, nullptr); /* we had no time for that */
		return true;
	}
	while ((value & HEL_LOCK_OWNER) == shim_thread()->tid) {
		int result = shim_compare_exchange(
			word, &value, (value & HEL_LOCK_WAITERS) | FUTEX_OWNER_DIED);

		if (result < 0) {
			return false;
		}
		if (!result) {
			/* Who waits for a PI lock gets it from the kernel when we are gone. */
			if (!is_pi && (value & HEL_LOCK_WAITERS)) {
				hel_futex_wake(word, 1, ~0u, nullptr);
			}
			break;
		}
	}
	return true;
}

void shim_leave_robust_locks(void)
{
	struct posix_thread_page *page = shim_thread();
	uint64_t head_address = page->robust_list, entry;
	struct robust_list_head head;

	page->robust_list = 0;
	if (!head_address || shim_get(&head, head_address, sizeof(head))) {
		return;
	}
	entry = head.next;
	for (uint32_t i = 0; i < ROBUST_MAX && (entry & ~1ull) != head_address; i++) {
		uint64_t next;

		/* Read before the lock is left: then it may be somebody else's. */
		if (shim_get(&next, entry & ~1ull, sizeof(next)) ||
			(entry != head.pending && !leave_lock(entry, head.offset, false))) {
			break;
		}
		entry = next;
	}
	if (head.pending) {
		leave_lock(head.pending, head.offset, true);
	}
}
