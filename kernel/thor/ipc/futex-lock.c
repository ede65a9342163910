/* SPDX-License-Identifier: MIT */
/*
 * Locks in memory whose owners run with the priority of those who wait for them (PI futexes).
 *
 * The word says who has the lock: the owner's number in HEL_LOCK_OWNER, and HEL_LOCK_WAITERS when
 * an unlock has to be a call. User mode takes a free lock and gives up one that nobody waits for by
 * itself. A thread that has to wait sets HEL_LOCK_WAITERS and calls; from then on until the lock is
 * handed over or free the word is changed here only.
 *
 * The word is the program's and may say anything. It is believed when somebody begins to wait: who
 * it names is the owner from then on. So what a program spoils it spoils for its own locks; a
 * thread that is named without having the lock is raised for as long as others wait.
 *
 *      struct thread --waits_for--> struct futex_lock --owner--> struct thread ...
 *
 * Each lock has its waiters in a list per priority and knows the highest of them, `top`; each owner
 * counts the tops of its locks. So what a thread is raised to is found in a few steps, however many
 * locks and waiters there are, and a change goes along the chain above only as far as it changes
 * something. There are no cycles: who would close one is refused.
 *
 * All of it is guarded by one lock, `guard`: contended locks of this kind are rare, and chains
 * cross everything. It is also held while priorities are set.
 *
 * Numbers are given by hel_futex_name(). They are found among those that the same universe gave:
 * so one system of numbers cannot reach the threads of another.
 */
#include <thor/ipc/futex-internal.h>

#include <base/assert.h>
#include <base/hash.h>
#include <base/string.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>
#include <thor/object/universe.h>
#include <thor/sched/sched.h>

constexpr uint32_t N_PRIORITIES = SCHED_PRIORITY_MAX - SCHED_PRIORITY_MIN + 1;
constexpr uint32_t NAME_HEADS = 2048;
constexpr uint32_t LOCK_HEADS = 256;
constexpr uint32_t CHAIN_MAX = 1024; /* longer ones are taken for cycles */
constexpr int32_t NO_PRIORITY = SCHED_PRIORITY_MIN - 1;

struct futex_lock {
	struct list_node node; /* in lock_heads */
	struct account *account; /* which pays */
	struct futex_key key; /* referenced */
	struct thread *owner; /* it takes itself out when it ends */
	struct list_node owner_node; /* in its party->held */
	int32_t top; /* of the waiters' priorities */
	uint32_t n_waiters;
	struct list waiters[N_PRIORITIES]; /* struct thread by wait.node */
};

/* What a thread has that waits for a lock, or that others wait for. */
struct futex_party {
	struct futex_lock *waits_for;
	int32_t priority; /* its own, without what others lend it */
	uint32_t number; /* its own, when it has ended */
	struct list held; /* struct futex_lock by owner_node */
	uint32_t n_tops[N_PRIORITIES]; /* of the locks in `held` */
	/* of who waits for a word until it is moved to a lock (futex-requeue.c) */
	struct futex_key target; /* referenced; memory NULL: it does not */
	bool was_moved; /* written with the lock of the word's bucket held, too */
	uint32_t gone_owner; /* the number of whose end has handed it the lock */
};

static struct spinlock guard = { .rank = LOCK_RANK_FUTEX_LOCK };
static struct thread *name_heads[NAME_HEADS];
static struct list lock_heads[LOCK_HEADS];

void futex_locks_init(void)
{
	memset(name_heads, 0, sizeof(name_heads));
	for (uint32_t i = 0; i < LOCK_HEADS; i++) {
		list_init(&lock_heads[i]);
	}
}

/* ---- numbers --------------------------------------------------------------------------------- */

static struct thread **name_head_of(uint32_t number)
{
	return &name_heads[number % NAME_HEADS];
}

static void unname_locked(struct thread *thread)
{
	struct thread **link = name_head_of(thread->futex.number);

	if (thread->futex.number == 0) {
		return;
	}
	while (*link != thread) {
		link = &(*link)->futex.next;
	}
	*link = thread->futex.next;
	thread->futex.number = 0;
}

void futex_name(struct thread *thread, const struct universe *giver, uint32_t number)
{
	struct thread **head = name_head_of(number);

	spinlock_acquire(&guard);
	unname_locked(thread);
	if (number != 0 && atomic_load(&thread->state) != THREAD_TERMINATED) {
		thread->futex.number = number;
		thread->futex.giver = giver->object.identity;
		thread->futex.next = *head;
		*head = thread;
	}
	spinlock_release(&guard);
}

/* The newest one with the number, among those that were named by who has named @thread. */
static struct thread *find_named_locked(const struct thread *thread, uint32_t number)
{
	struct thread *found = *name_head_of(number);

	while (found != NULL &&
		(found->futex.number != number || found->futex.giver != thread->futex.giver)) {
		found = found->futex.next;
	}
	return number != 0 ? found : NULL;
}

/* ---- priorities ------------------------------------------------------------------------------ */

static uint32_t level_of(int32_t priority)
{
	return (uint32_t)(priority - SCHED_PRIORITY_MIN);
}

/* Its own priority, or the greatest of those who wait for it. */
static int32_t due_priority(const struct thread *thread)
{
	const struct futex_party *party = thread->futex.party;

	for (int32_t priority = SCHED_PRIORITY_MAX; priority > party->priority; priority--) {
		if (party->n_tops[level_of(priority)] != 0) {
			return priority;
		}
	}
	return party->priority;
}

/* The waiters of @lock have changed: its owner counts with the new top. */
static void update_top(struct futex_lock *lock)
{
	uint32_t *n_tops = lock->owner->futex.party->n_tops;
	int32_t top = SCHED_PRIORITY_MAX;

	while (top > NO_PRIORITY && list_is_empty(&lock->waiters[level_of(top)])) {
		top--;
	}
	if (lock->top != NO_PRIORITY) {
		n_tops[level_of(lock->top)]--;
	}
	if (top != NO_PRIORITY) {
		n_tops[level_of(top)]++;
	}
	lock->top = top;
}

/* What @thread is lent may have changed: also for whom it waits, and so on. */
static void propagate(struct thread *thread)
{
	while (thread->futex.party != NULL) {
		struct futex_lock *lock = thread->futex.party->waits_for;
		int32_t priority = due_priority(thread);

		if (priority == atomic_load(&thread->priority)) {
			return;
		}
		thread_apply_priority(thread, priority);
		if (lock == NULL) {
			return;
		}
		list_remove(&thread->wait.node);
		list_push_back(&lock->waiters[level_of(priority)], &thread->wait.node);
		update_top(lock);
		thread = lock->owner;
	}
}

void futex_set_priority(struct thread *thread, int32_t priority)
{
	spinlock_acquire(&guard);
	if (thread->futex.party == NULL) {
		thread_apply_priority(thread, priority);
	} else {
		thread->futex.party->priority = priority;
		propagate(thread);
	}
	spinlock_release(&guard);
}

/* ---- locks and parties ----------------------------------------------------------------------- */

static struct list *lock_head_of(const struct futex_key *key)
{
	return &lock_heads[hash_combine((uint64_t)key->memory, key->offset) % LOCK_HEADS];
}

static struct futex_lock *find_lock(const struct futex_key *key)
{
	LIST_FOR_EACH(lock, lock_head_of(key), struct futex_lock, node) {
		if (lock->key.memory == key->memory && lock->key.offset == key->offset) {
			return lock;
		}
	}
	return NULL;
}

static bool make_party(struct thread *thread)
{
	struct futex_party *party = thread->futex.party;

	if (party != NULL) {
		return true;
	}
	party = account_allocate(thread->object.account, sizeof(*party));
	if (party == NULL) {
		return false;
	}
	party->number = 0;
	party->target.memory = NULL;
	party->was_moved = false;
	party->gone_owner = 0;
	list_init(&party->held);
	party->priority = atomic_load(&thread->priority);
	thread->futex.party = party;
	return true;
}

static struct futex_lock *create_lock(struct thread *thread, const struct futex_key *key)
{
	struct account *account = thread->object.account;
	struct futex_lock *lock = account_allocate(account, sizeof(*lock));

	if (lock == NULL) {
		return NULL;
	}
	lock->account = account;
	lock->key = *key;
	object_ref((struct object *)key->memory);
	lock->top = NO_PRIORITY;
	for (uint32_t i = 0; i < N_PRIORITIES; i++) {
		list_init(&lock->waiters[i]);
	}
	list_push_back(lock_head_of(key), &lock->node);
	return lock;
}

static void free_lock(struct futex_lock *lock)
{
	list_remove(&lock->node);
	object_unref((struct object *)lock->key.memory);
	account_free(lock->account, lock, sizeof(*lock));
}

/* Another owner, NULL: none; both may have their priorities changed. */
static void set_owner(struct futex_lock *lock, struct thread *owner)
{
	struct thread *old = lock->owner;

	if (old == owner) {
		return;
	}
	if (old != NULL) {
		list_remove(&lock->owner_node);
		if (lock->top != NO_PRIORITY) {
			old->futex.party->n_tops[level_of(lock->top)]--;
			lock->top = NO_PRIORITY;
		}
	}
	lock->owner = owner;
	if (owner != NULL) {
		list_push_back(&owner->futex.party->held, &lock->owner_node);
		update_top(lock);
		propagate(owner);
	}
	if (old != NULL) {
		propagate(old);
	}
}

/* @thread, which waits, does so no longer; without waiters there is no lock either. */
static void leave_lock(struct futex_lock *lock, struct thread *thread)
{
	struct thread *owner = lock->owner;

	list_remove(&thread->wait.node);
	thread->futex.party->waits_for = NULL;
	if (--lock->n_waiters == 0) {
		set_owner(lock, NULL);
		free_lock(lock);
	} else if (owner != NULL) {
		update_top(lock);
		propagate(owner);
	}
}

/* ---- waiting --------------------------------------------------------------------------------- */

static bool would_deadlock(const struct thread *thread, const struct thread *owner)
{
	for (uint32_t i = 0; i < CHAIN_MAX; i++) {
		if (owner == thread) {
			return true;
		}
		if (owner->futex.party == NULL || owner->futex.party->waits_for == NULL) {
			return false;
		}
		owner = owner->futex.party->waits_for->owner;
	}
	return true;
}

static void lock_wait_expired(struct timer *timer)
{
	(void)thread_wake(container_of(timer, struct thread, wait.timer), -ERR_TIMED_OUT);
}

static void finish_lock_wait(struct thread *thread)
{
	int result = thread->wait.result;

	spinlock_acquire(&guard);
	if (thread->futex.party->waits_for != NULL) {
		leave_lock(thread->futex.party->waits_for, thread);
	}
	spinlock_release(&guard);
	if (result == -ERR_KICKED) {
		thread_take_latch(thread);
	}
	(void)timer_cancel(&thread->wait.timer);
	if (result == THREAD_WAIT_RESTART) {
		arch_call_restart(&thread->arch);
	} else if (result == FUTEX_OWNER_GONE) {
		arch_call_return(&thread->arch, 0, 1);
	} else {
		arch_call_return(&thread->arch, result, 0);
	}
}

/* @lock: that exists already, or NULL. -> WAITING, or the reason why not. */
static int begin_wait(struct futex_lock *lock, struct thread *thread, struct thread *owner,
	const struct futex_key *key, bool *out_is_blocked)
{
	int result = 0;

	if (!make_party(thread) || !make_party(owner)) {
		return -ERR_NO_MEMORY;
	}
	if (lock == NULL) {
		lock = create_lock(thread, key);
		if (lock == NULL) {
			return -ERR_NO_MEMORY;
		}
	}
	set_owner(lock, owner);
	list_push_back(
		&lock->waiters[level_of(atomic_load(&thread->priority))], &thread->wait.node);
	lock->n_waiters++;
	thread->futex.party->waits_for = lock;
	thread->wait.finish = finish_lock_wait;
	*out_is_blocked = thread_begin_wait(thread, &result);
	if (*out_is_blocked) {
		update_top(lock);
		propagate(owner);
	} else {
		thread->wait.finish = NULL;
		leave_lock(lock, thread);
	}
	return result;
}

/* Whether the word is as @thread says, and who has the lock then. */
static int find_owner(const struct thread *thread, const struct futex_lock *lock, uint64_t address,
	uint32_t expected, struct thread **out_owner)
{
	struct thread *owner = find_named_locked(thread, expected & HEL_LOCK_OWNER);
	uint32_t value;
	int error = arch_user_load_u32(address, &value);

	if (error != 0) {
		return error;
	}
	if (value != expected) {
		return -ERR_RETRY;
	}
	if (owner == NULL && lock != NULL) {
		owner = lock->owner; /* who got it from one that ended, and has not said so yet */
	}
	if (owner == NULL) {
		return -ERR_NOT_FOUND;
	}
	*out_owner = owner;
	return 0;
}

int futex_lock(struct thread *thread, uint64_t address, uint32_t expected, uint64_t deadline_ns,
	bool *out_is_blocked)
{
	bool is_past = deadline_ns != HEL_DEADLINE_NEVER && arch_clock_ns() >= deadline_ns;
	struct thread *owner;
	struct futex_key key;
	uint32_t value;
	int result = futex__find_key(thread->space, address, &key);

	*out_is_blocked = false;
	if (result != 0) {
		return result;
	}
	if (thread->futex.number == 0) {
		futex__drop_key(&key);
		return -ERR_ILLEGAL_STATE;
	}
	/* Touch the word, so that a fault is served before the lock is taken. */
	result = arch_user_load_u32(address, &value);
	timer_init(&thread->wait.timer, lock_wait_expired, NULL);
	if (result == 0 && deadline_ns != HEL_DEADLINE_NEVER && !is_past) {
		timer_arm(&thread->wait.timer, deadline_ns);
	}
	spinlock_acquire(&guard);
	struct futex_lock *lock = find_lock(&key);

	if (result == 0) {
		result = find_owner(thread, lock, address, expected, &owner);
	}
	if (result == 0 && would_deadlock(thread, owner)) {
		result = -ERR_ILLEGAL_STATE;
	}
	if (result == 0) {
		result = is_past ? -ERR_TIMED_OUT
				 : begin_wait(lock, thread, owner, &key, out_is_blocked);
	}
	spinlock_release(&guard);
	if (!*out_is_blocked) {
		(void)timer_cancel(&thread->wait.timer);
	}
	futex__drop_key(&key);
	return result;
}

/* ---- coming from another word (futex-requeue.c) ---------------------------------------------- */

int futex__aim(struct thread *thread, const struct futex_key *lock_key)
{
	int error = 0;

	spinlock_acquire(&guard);
	if (thread->futex.number == 0) {
		error = -ERR_ILLEGAL_STATE;
	} else if (!make_party(thread)) {
		error = -ERR_NO_MEMORY;
	} else {
		thread->futex.party->target = *lock_key;
		thread->futex.party->was_moved = false;
		object_ref((struct object *)lock_key->memory);
	}
	spinlock_release(&guard);
	return error;
}

uint32_t futex__land(struct thread *thread, int result)
{
	struct futex_party *party = thread->futex.party;
	struct futex_key target = party->target;
	uint32_t state = 0;

	spinlock_acquire(&guard);
	if (party->waits_for != NULL) {
		leave_lock(party->waits_for, thread);
	}
	if (party->was_moved) {
		state = HEL_FUTEX_MOVED;
	}
	if (result == FUTEX_OWNER_GONE) {
		state |= HEL_FUTEX_ABANDONED | party->gone_owner;
	}
	party->target.memory = NULL;
	spinlock_release(&guard);
	futex__drop_key(&target);
	return state;
}

bool futex__was_moved(const struct thread *thread)
{
	return thread->futex.party->was_moved;
}

static bool is_aimed_at(const struct thread *thread, const struct futex_key *key)
{
	const struct futex_party *party = thread->futex.party;

	return thread->wait.futex_bitset == FUTEX_NO_BITS && party != NULL &&
		futex_keys_equal(&party->target, key);
}

/* @thread, which waits for a word, waits for a lock instead. */
static int move_waiter(struct thread *thread, struct thread *owner, const struct futex_key *key)
{
	struct futex_lock *lock = find_lock(key);

	if (!is_aimed_at(thread, key)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (would_deadlock(thread, owner)) {
		return -ERR_ILLEGAL_STATE;
	}
	if (!make_party(owner)) {
		return -ERR_NO_MEMORY;
	}
	if (lock == NULL) {
		lock = create_lock(thread, key);
		if (lock == NULL) {
			return -ERR_NO_MEMORY;
		}
	}
	set_owner(lock, owner);
	list_remove(&thread->wait.node);
	list_push_back(
		&lock->waiters[level_of(atomic_load(&thread->priority))], &thread->wait.node);
	lock->n_waiters++;
	thread->futex.party->waits_for = lock;
	thread->futex.party->was_moved = true;
	update_top(lock);
	propagate(owner);
	return 0;
}

/* The greatest priority below a limit among those who wait for a word; NO_PRIORITY: nobody does. */
static int32_t next_priority(const struct list *waiters, const struct futex_key *key, int32_t limit)
{
	int32_t priority = NO_PRIORITY;

	LIST_FOR_EACH(thread, waiters, struct thread, wait.node) {
		int32_t its = atomic_load(&thread->priority);

		if (futex__has_key(thread, key) && its < limit && its > priority) {
			priority = its;
		}
	}
	return priority;
}

int futex__move(struct thread *mover, struct list *waiters, const struct futex_move *move,
	uint32_t *out_n_moved)
{
	struct thread *owner;
	uint32_t n_moved = 0;

	spinlock_acquire(&guard);
	int32_t priority = next_priority(waiters, &move->from, SCHED_PRIORITY_MAX + 1);
	int error = priority == NO_PRIORITY
		? 0
		: find_owner(mover, find_lock(&move->to), move->address, move->expected, &owner);

	while (error == 0 && priority != NO_PRIORITY && n_moved < move->n_max) {
		LIST_FOR_EACH_SAFE(thread, waiters, struct thread, wait.node) {
			if (n_moved == move->n_max || error != 0) {
				break;
			}
			if (!futex__has_key(thread, &move->from) ||
				atomic_load(&thread->priority) != priority) {
				continue;
			}
			error = move_waiter(thread, owner, &move->to);
			n_moved += error == 0;
		}
		priority = next_priority(waiters, &move->from, priority);
	}
	spinlock_release(&guard);
	*out_n_moved = n_moved;
	return error;
}

/* ---- handing over ---------------------------------------------------------------------------- */

/* Who has waited longest among those of the greatest priority. */
static struct thread *first_waiter(struct futex_lock *lock)
{
	return LIST_FIRST(&lock->waiters[level_of(lock->top)], struct thread, wait.node);
}

/* @lock is @next's, if that still waits; false: a deadline or a kick came first. */
static bool give_to(struct futex_lock *lock, struct thread *next, int result)
{
	bool is_last = lock->n_waiters == 1;

	if (!thread_wake(next, result)) {
		leave_lock(lock, next);
		return false;
	}
	leave_lock(lock, next);
	if (!is_last) {
		set_owner(lock, next);
	}
	return true;
}

static int unlock_locked(struct thread *thread, const struct futex_key *key, uint64_t address)
{
	uint32_t value;
	int error = arch_user_load_u32(address, &value);

	if (error != 0) {
		return error;
	}
	if (thread->futex.number == 0 || (value & HEL_LOCK_OWNER) != thread->futex.number) {
		return -ERR_NO_RIGHTS;
	}
	for (;;) {
		struct futex_lock *lock = find_lock(key);
		struct thread *next = lock != NULL ? first_waiter(lock) : NULL;

		value = next == NULL ? 0 : next->futex.number;
		if (lock != NULL && lock->n_waiters > 1) {
			value |= HEL_LOCK_WAITERS;
		}
		error = arch_copy_to_user(address, &value, sizeof(value));
		if (error != 0 || next == NULL || give_to(lock, next, 0)) {
			return error;
		}
	}
}

int futex_unlock(struct thread *thread, uint64_t address)
{
	struct futex_key key;
	int error = futex__find_key(thread->space, address, &key);

	if (error != 0) {
		return error;
	}
	spinlock_acquire(&guard);
	error = unlock_locked(thread, &key, address);
	spinlock_release(&guard);
	futex__drop_key(&key);
	return error;
}

/* One lock at a time, for there may be many. */
static bool give_up_one(struct thread *thread)
{
	struct futex_party *party;
	struct futex_lock *lock;

	spinlock_acquire(&guard);
	uint32_t number = thread->futex.number;

	unname_locked(thread);
	party = thread->futex.party; /* not before: who found it by its number may just make it */
	if (party != NULL && number != 0) {
		party->number = number;
	}
	lock = party != NULL ? LIST_FIRST(&party->held, struct futex_lock, owner_node) : NULL;
	if (lock != NULL) {
		struct thread *next = first_waiter(lock);

		next->futex.party->gone_owner = party->number;
		(void)give_to(lock, next, FUTEX_OWNER_GONE);
	}
	spinlock_release(&guard);
	return lock != NULL;
}

void futex_thread_ends(struct thread *thread)
{
	while (give_up_one(thread)) {
	}
	if (thread->futex.party != NULL) {
		account_free(
			thread->object.account, thread->futex.party, sizeof(*thread->futex.party));
		thread->futex.party = NULL;
	}
}
