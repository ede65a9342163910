/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a word until one is moved to a lock: condition variables whose mutex lends priority.
 *
 * A waiter is in the bucket of the word like others, but has no bits, so that wakes pass it by, and
 * has noted to which lock it goes (futex__aim). Who signals moves it: it leaves the bucket and
 * waits for the lock from then on, without having run, and its owner is raised at once
 * (futex-lock.c).
 *
 *	in the bucket --futex__move()--> waits for the lock --handed over, owner's end--> runs
 *	     '-------------- deadline, kick ---------------'--> runs
 *
 * Whether it was moved is guarded by the bucket's lock, which the mover holds beside that of the
 * locks. A waiter that a deadline woke may still be moved before it runs: then it leaves the lock
 * at once.
 */
#include <thor/ipc/futex-internal.h>

#include <thor/memory/memory.h>
#include <thor/sched/sched.h>

/* ---- waiting --------------------------------------------------------------------------------- */

static void requeue_wait_expired(struct timer *timer)
{
	(void)thread_wake(container_of(timer, struct thread, wait.timer), -ERR_TIMED_OUT);
}

/* Neither waits for the word any more, nor for the lock. */
static uint32_t leave_both(struct thread *thread, int result)
{
	struct futex_bucket *bucket = atomic_load(&thread->wait.bucket);

	spinlock_acquire(&bucket->lock);
	if (!futex__was_moved(thread)) {
		list_remove(&thread->wait.node);
	}
	spinlock_release(&bucket->lock);
	object_unref((struct object *)thread->wait.futex_memory);
	thread->wait.futex_memory = NULL;
	return futex__land(thread, result);
}

static void finish_requeue_wait(struct thread *thread)
{
	int result = thread->wait.result;

	if (result == -ERR_KICKED) {
		thread_take_latch(thread);
	}
	(void)timer_cancel(&thread->wait.timer);
	uint32_t state = leave_both(thread, result);

	if (result == THREAD_WAIT_RESTART) {
		arch_call_restart(&thread->arch);
	} else {
		arch_call_return(&thread->arch, result == FUTEX_OWNER_GONE ? 0 : result, state);
	}
}

/* -> WAITING, or the reason why not. */
static int begin_wait(
	struct thread *thread, uint64_t address, uint32_t expected, bool *out_is_blocked)
{
	struct futex_bucket *bucket = atomic_load(&thread->wait.bucket);
	uint32_t value;

	spinlock_acquire(&bucket->lock);
	int result = arch_user_load_u32(address, &value);

	if (result == 0 && value != expected) {
		result = -ERR_RETRY;
	}
	if (result == 0) {
		list_push_back(&bucket->waiters, &thread->wait.node);
		thread->wait.finish = finish_requeue_wait;
		*out_is_blocked = thread_begin_wait(thread, &result);
		if (!*out_is_blocked) {
			thread->wait.finish = NULL;
			list_remove(&thread->wait.node);
		}
	}
	spinlock_release(&bucket->lock);
	return result;
}

/* With keys, which the wait takes over if it begins. */
static int wait_with_keys(struct thread *thread, const struct futex_key *key,
	const struct futex_wait_requeue *request, bool *out_is_blocked)
{
	uint32_t value;
	int result = arch_user_load_u32(request->address, &value);

	if (result == 0 && value != request->expected) {
		return -ERR_RETRY;
	}
	timer_init(&thread->wait.timer, requeue_wait_expired, NULL);
	if (result == 0 && request->deadline_ns != HEL_DEADLINE_NEVER) {
		if (arch_clock_ns() >= request->deadline_ns) {
			return thread_is_kicked(thread) ? -ERR_KICKED : -ERR_TIMED_OUT;
		}
		timer_arm(&thread->wait.timer, request->deadline_ns);
	}
	if (result == 0) {
		thread->wait.futex_memory = key->memory;
		thread->wait.futex_offset = key->offset;
		thread->wait.futex_bitset = FUTEX_NO_BITS;
		atomic_store(&thread->wait.bucket, futex__bucket_of(key));
		result = begin_wait(thread, request->address, request->expected, out_is_blocked);
	}
	if (!*out_is_blocked) {
		(void)timer_cancel(&thread->wait.timer);
	}
	return result;
}

int futex_wait_requeue(
	struct thread *thread, const struct futex_wait_requeue *request, bool *out_is_blocked)
{
	struct futex_key key, lock_key;

	*out_is_blocked = false;
	int result = futex__find_key(thread->space, request->address, &key);

	if (result != 0) {
		return result;
	}
	result = futex__find_key(thread->space, request->lock, &lock_key);
	if (result == 0) {
		result = futex_keys_equal(&key, &lock_key) ? -ERR_ILLEGAL_ARGS
							   : futex__aim(thread, &lock_key);
		if (result == 0) {
			result = wait_with_keys(thread, &key, request, out_is_blocked);
			if (!*out_is_blocked) {
				(void)futex__land(thread, result);
			}
		}
		futex__drop_key(&lock_key);
	}
	if (!*out_is_blocked) {
		futex__drop_key(&key);
	}
	return result;
}

/* ---- moving ---------------------------------------------------------------------------------- */

static int move_with_keys(struct thread *thread, const struct futex_requeue_lock *request,
	struct futex_move *move, uint32_t *out_count)
{
	struct futex_bucket *bucket = futex__bucket_of(&move->from);
	uint32_t value;
	/* Touch the lock's word, so that a fault is served before locks are taken. */
	int error = arch_user_load_u32(request->lock, &value);

	if (error == 0) {
		error = arch_user_load_u32(request->from, &value);
	}
	if (error != 0) {
		return error;
	}
	spinlock_acquire(&bucket->lock);
	error = arch_user_load_u32(request->from, &value);
	if (error == 0 && value != request->expected) {
		error = -ERR_RETRY;
	}
	if (error == 0) {
		error = futex__move(thread, &bucket->waiters, move, out_count);
	}
	spinlock_release(&bucket->lock);
	return error;
}

int futex_requeue_lock(
	struct thread *thread, const struct futex_requeue_lock *request, uint32_t *out_count)
{
	struct futex_move move = {
		.address = request->lock,
		.expected = request->lock_expected,
		.n_max = request->n_max,
	};

	*out_count = 0;
	int error = futex__find_key(thread->space, request->from, &move.from);

	if (error != 0) {
		return error;
	}
	error = futex__find_key(thread->space, request->lock, &move.to);
	if (error == 0) {
		error = futex_keys_equal(&move.from, &move.to)
			? -ERR_ILLEGAL_ARGS
			: move_with_keys(thread, request, &move, out_count);
		futex__drop_key(&move.to);
	}
	futex__drop_key(&move.from);
	return error;
}
