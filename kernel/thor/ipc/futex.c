/* SPDX-License-Identifier: MIT */
/*
 * Futexes: see futex.h.
 *
 * A waiter's bucket changes when it is requeued, so who wants to take it off reads `wait.bucket`,
 * locks that one and looks again. The memory object of the key is referenced by the waiter: the
 * key cannot become another word's.
 */
#include <thor/ipc/futex-internal.h>

#include <base/assert.h>
#include <base/hash.h>
#include <base/string.h>
#include <thor/init/init.h>
#include <thor/memory/memory.h>
#include <thor/sched/sched.h>

static struct futex_bucket *futex_buckets;
static uint64_t futex_mask;

void futex_init(void)
{
	uint64_t n_wanted = frame_total_bytes() / KIB(128);
	unsigned order = 0;

	while (order < 9 && (HEL_PAGE_SIZE << order) / sizeof(struct futex_bucket) < n_wanted) {
		order++;
	}
	uint64_t phys = frame_allocate_run(order, UINT64_MAX);

	ASSERT(phys != 0);
	futex_buckets = arch_phys_to_virt(phys);
	uint64_t n_buckets = 1;

	while (2 * n_buckets * sizeof(futex_buckets[0]) <= HEL_PAGE_SIZE << order) {
		n_buckets *= 2;
	}
	futex_mask = n_buckets - 1;
	for (uint64_t i = 0; i < n_buckets; i++) {
		spinlock_init(&futex_buckets[i].lock, LOCK_RANK_FUTEX);
		list_init(&futex_buckets[i].waiters);
	}
	futex_locks_init();
}

struct futex_bucket *futex__bucket_of(const struct futex_key *key)
{
	return &futex_buckets[hash_combine((uint64_t)key->memory, key->offset) & futex_mask];
}

int futex__find_key(struct space *space, uint64_t address, struct futex_key *out_key)
{
	if (!is_aligned(address, sizeof(uint32_t))) {
		return -ERR_ILLEGAL_ARGS;
	}
	return space_identify(space, address, &out_key->memory, &out_key->offset);
}

void futex__drop_key(const struct futex_key *key)
{
	object_unref((struct object *)key->memory);
}

/* ---- waiting */

static void futex_unlink(struct thread *thread)
{
	while (list_node_is_linked(&thread->wait.node)) {
		struct futex_bucket *bucket = atomic_load(&thread->wait.bucket);

		spinlock_acquire(&bucket->lock);
		if (atomic_load(&thread->wait.bucket) == bucket) {
			list_remove(&thread->wait.node);
		}
		spinlock_release(&bucket->lock);
	}
}

static void futex_finish_wait(struct thread *thread)
{
	int result = thread->wait.result;

	if (result == -ERR_KICKED) {
		thread_take_latch(thread);
	}
	(void)timer_cancel(&thread->wait.timer);
	futex_unlink(thread);
	object_unref((struct object *)thread->wait.futex_memory);
	thread->wait.futex_memory = NULL;
	if (result == THREAD_WAIT_RESTART) {
		arch_call_restart(&thread->arch);
	} else {
		arch_call_return(&thread->arch, result, 0);
	}
}

static void futex_wait_expired(struct timer *timer)
{
	(void)thread_wake(container_of(timer, struct thread, wait.timer), -ERR_TIMED_OUT);
}

/* -> WAITING, or the reason why not. */
static int futex_wait_locked(struct futex_bucket *bucket, struct thread *thread, uint64_t address,
	uint32_t expected, bool *out_is_blocked)
{
	uint32_t value;
	int result = arch_user_load_u32(address, &value);

	if (result != 0) {
		return result;
	}
	if (value != expected) {
		return -ERR_RETRY;
	}
	list_push_back(&bucket->waiters, &thread->wait.node);
	atomic_store_explicit(&thread->wait.bucket, bucket, memory_order_relaxed);
	thread->wait.finish = futex_finish_wait;
	*out_is_blocked = thread_begin_wait(thread, &result);
	if (!*out_is_blocked) {
		thread->wait.finish = NULL;
		list_remove(&thread->wait.node);
	}
	return result;
}

int futex_wait(struct thread *thread, uint64_t address, uint32_t expected, uint64_t deadline_ns,
	uint32_t bitset, bool *out_is_blocked)
{
	struct futex_key key;
	uint32_t value;

	*out_is_blocked = false;
	if (bitset == 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	int result = futex__find_key(thread->space, address, &key);

	if (result != 0) {
		return result;
	}
	/* Touch the word, so that a fault is served before the bucket is locked. */
	result = arch_user_load_u32(address, &value);
	if (result == 0 && value == expected && deadline_ns != HEL_DEADLINE_NEVER) {
		if (arch_clock_ns() >= deadline_ns) {
			result = thread_is_kicked(thread) ? -ERR_KICKED : -ERR_TIMED_OUT;
		} else {
			timer_init(&thread->wait.timer, futex_wait_expired, NULL);
			timer_arm(&thread->wait.timer, deadline_ns);
		}
	}
	if (result == 0) {
		struct futex_bucket *bucket = futex__bucket_of(&key);

		thread->wait.futex_memory = key.memory;
		thread->wait.futex_offset = key.offset;
		thread->wait.futex_bitset = bitset;
		spinlock_acquire(&bucket->lock);
		result = futex_wait_locked(bucket, thread, address, expected, out_is_blocked);
		spinlock_release(&bucket->lock);
	}
	if (!*out_is_blocked) {
		(void)timer_cancel(&thread->wait.timer);
		futex__drop_key(&key);
	}
	return result;
}

/* ---- waking */

/*
 * Up to @n_max waiters for @key with a common bit are taken off and woken; those that a deadline
 * or a kick got first do not count. One that is to be moved to a lock is an error.
 */
static int futex_wake_locked(struct futex_bucket *bucket, const struct futex_key *key,
	uint32_t n_max, uint32_t bitset, uint32_t *out_n_woken)
{
	uint32_t n_woken = 0;
	int error = 0;

	LIST_FOR_EACH_SAFE(thread, &bucket->waiters, struct thread, wait.node) {
		if (n_woken == n_max) {
			break;
		}
		if (!futex__has_key(thread, key)) {
			continue;
		}
		if ((thread->wait.futex_bitset & bitset) == 0) {
			if (unlikely(thread->wait.futex_bitset == FUTEX_NO_BITS)) {
				error = -ERR_ILLEGAL_ARGS;
				break;
			}
			continue;
		}
		list_remove(&thread->wait.node);
		if (thread_wake(thread, 0)) {
			n_woken++;
		}
	}
	*out_n_woken = n_woken;
	return error;
}

int futex_wake(
	struct space *space, uint64_t address, uint32_t n_max, uint32_t bitset, uint32_t *out_woken)
{
	struct futex_key key;

	*out_woken = 0;
	if (bitset == 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error = futex__find_key(space, address, &key);

	if (error != 0) {
		return error;
	}
	struct futex_bucket *bucket = futex__bucket_of(&key);

	spinlock_acquire(&bucket->lock);
	error = futex_wake_locked(bucket, &key, n_max, bitset, out_woken);
	spinlock_release(&bucket->lock);
	futex__drop_key(&key);
	return error;
}

static void futex_lock_pair(struct futex_bucket *a, struct futex_bucket *b)
{
	if (a == b) {
		spinlock_acquire(&a->lock);
	} else {
		spinlock_acquire_pair(&a->lock, &b->lock);
	}
}

static void futex_unlock_pair(struct futex_bucket *a, struct futex_bucket *b)
{
	spinlock_release(&a->lock);
	if (a != b) {
		spinlock_release(&b->lock);
	}
}

static int futex_move_locked(struct futex_bucket *from, const struct futex_key *from_key,
	struct futex_bucket *to, const struct futex_key *to_key, uint32_t n_max,
	uint32_t *out_n_moved)
{
	struct list moved;
	uint32_t n_moved = 0;
	int error = 0;

	list_init(&moved);
	LIST_FOR_EACH_SAFE(thread, &from->waiters, struct thread, wait.node) {
		if (n_moved == n_max) {
			break;
		}
		if (!futex__has_key(thread, from_key)) {
			continue;
		}
		if (unlikely(thread->wait.futex_bitset == FUTEX_NO_BITS)) {
			error = -ERR_ILLEGAL_ARGS;
			break;
		}
		list_remove(&thread->wait.node);
		list_push_back(&moved, &thread->wait.node);
		object_ref((struct object *)to_key->memory);
		object_unref((struct object *)thread->wait.futex_memory);
		thread->wait.futex_memory = to_key->memory;
		thread->wait.futex_offset = to_key->offset;
		atomic_store(&thread->wait.bucket, to);
		n_moved++;
	}
	list_append_all(&to->waiters, &moved);
	*out_n_moved = n_moved;
	return error;
}

static int futex_requeue_with_keys(struct space *space, const struct futex_requeue *request,
	const struct futex_key *from_key, const struct futex_key *to_key, uint32_t *out_count)
{
	struct futex_bucket *from = futex__bucket_of(from_key);
	struct futex_bucket *to = futex__bucket_of(to_key);
	uint32_t value, n_moved = 0;
	int error = 0;

	futex_lock_pair(from, to);
	if (request->expected != FUTEX_ANY_VALUE) {
		error = space_copy_in(space, &value, request->from, sizeof(value));
		if (error == 0 && value != request->expected) {
			error = -ERR_RETRY;
		}
	}
	if (error == 0) {
		error = futex_wake_locked(from, from_key, request->n_wake, UINT32_MAX, out_count);
	}
	if (error == 0) {
		error = futex_move_locked(from, from_key, to, to_key, request->n_requeue, &n_moved);
		*out_count += n_moved;
	}
	futex_unlock_pair(from, to);
	return error;
}

int futex_requeue(struct space *space, const struct futex_requeue *request, uint32_t *out_count)
{
	struct futex_key from_key, to_key;

	*out_count = 0;
	int error = futex__find_key(space, request->from, &from_key);

	if (error != 0) {
		return error;
	}
	error = futex__find_key(space, request->to, &to_key);
	if (error == 0) {
		error = futex_requeue_with_keys(space, request, &from_key, &to_key, out_count);
		futex__drop_key(&to_key);
	}
	futex__drop_key(&from_key);
	return error;
}

static void futex_start(UNUSED const struct boot_info *boot)
{
	futex_init();
}
INIT_TASK(futexes, "futexes", .run = futex_start, .needs = { "memory" }, .provides = { "ready" });
