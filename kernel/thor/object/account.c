/* SPDX-License-Identifier: MIT */
/*
 * Accounts: the slow paths. See account.h.
 *
 * The lock of an account is held while its parent is charged, so locks are taken from the leaves to
 * the root: the deeper an account the lower the rank of its lock. Giving back goes up without.
 */
#include <thor/object/account.h>

#include <abi/hel/errors.h>
#include <base/assert.h>
#include <thor/cpu.h>
#include <thor/memory/memory.h>
#include <thor/object/universe.h>
#include <thor/sched/thread.h>

static struct account account_the_root = {
	.lock = { .rank = LOCK_RANK_ACCOUNT_ROOT },
	.meters = {
		[ACCOUNT_BYTES] = { .limit = ACCOUNT_UNLIMITED },
		[ACCOUNT_PAGES] = { .limit = ACCOUNT_UNLIMITED },
		[ACCOUNT_OPERATIONS] = { .limit = ACCOUNT_UNLIMITED },
		[ACCOUNT_HANDLES] = { .limit = ACCOUNT_UNLIMITED },
	},
};
static_assert(LOCK_RANK_ACCOUNT_ROOT - ACCOUNT_DEPTH_MAX > LOCK_RANK_LOG);

struct account *account_root(void)
{
	return &account_the_root;
}

struct account *account_current(void)
{
	const struct thread *thread = arch_this_cpu()->current;

	return thread != NULL ? thread->universe->account : &account_the_root;
}

/* ---- taking and giving back */

/* Take @want from above into the credit. */
static int account_take_locked(
	struct account *account, enum account_resource resource, uint64_t want)
{
	struct account_meter *meter = &account->meters[resource];
	int error = account->parent == NULL ? 0 : account_charge(account->parent, resource, want);

	if (error == 0) {
		meter->taken += want;
		atomic_fetch_add_explicit(&meter->credit, want, memory_order_relaxed);
	}
	return error;
}

/* Make the credit larger by @shortage at least; a chunk, if that can be had. */
static int account_refill_locked(
	struct account *account, enum account_resource resource, uint64_t shortage)
{
	const struct account_meter *meter = &account->meters[resource];
	uint64_t room = meter->limit > meter->taken ? meter->limit - meter->taken : 0;
	uint64_t want = min_u64(room, max_u64(shortage, account_chunk(resource)));

	if (room < shortage) {
		return -ERR_NO_MEMORY;
	}
	if (account_take_locked(account, resource, want) == 0) {
		return 0;
	}
	return want > shortage ? account_take_locked(account, resource, shortage) : -ERR_NO_MEMORY;
}

/* Credit that is not strict: others change it at the same time. */
static int account_charge_locked(
	struct account *account, enum account_resource resource, uint64_t n)
{
	struct account_meter *meter = &account->meters[resource];

	for (;;) {
		uint64_t credit = atomic_load_explicit(&meter->credit, memory_order_relaxed);

		if (credit < n) {
			int error = account_refill_locked(account, resource, n - credit);

			if (error != 0) {
				return error;
			}
		} else if (atomic_compare_exchange_strong_explicit(&meter->credit, &credit,
				   credit - n, memory_order_relaxed, memory_order_relaxed)) {
			return 0;
		}
	}
}

/* Nothing is kept: the whole of it comes from above. */
static int account_charge_strictly_locked(
	struct account *account, enum account_resource resource, uint64_t n)
{
	struct account_meter *meter = &account->meters[resource];

	if (meter->taken > meter->limit || n > meter->limit - meter->taken) {
		return -ERR_NO_MEMORY;
	}
	int error = account->parent == NULL ? 0 : account_charge(account->parent, resource, n);

	meter->taken += error == 0 ? n : 0;
	return error;
}

static bool account_is_strict(struct account_meter *meter)
{
	return (atomic_load_explicit(&meter->credit, memory_order_relaxed) & ACCOUNT_STRICT) != 0;
}

int account__charge_slowly(struct account *account, enum account_resource resource, uint64_t n)
{
	spinlock_acquire(&account->lock);
	int error = account_is_strict(&account->meters[resource])
		? account_charge_strictly_locked(account, resource, n)
		: account_charge_locked(account, resource, n);

	spinlock_release(&account->lock);
	return error;
}

/* @n more of credit, of which one chunk stays; the rest, to be given up. */
static uint64_t account_trim_locked(
	struct account_meter *meter, enum account_resource resource, uint64_t n)
{
	uint64_t credit = atomic_load_explicit(&meter->credit, memory_order_relaxed);
	uint64_t kept;

	do {
		kept = min_u64(credit + n, account_chunk(resource));
	} while (!atomic_compare_exchange_weak_explicit(
		&meter->credit, &credit, kept, memory_order_acq_rel, memory_order_relaxed));
	return credit + n - kept;
}

static bool account_is_over_locked(const struct account *account)
{
	bool is_over = account->is_retired;

	for (uint32_t i = 0; i < ACCOUNT_RESOURCES; i++) {
		is_over = is_over && account->meters[i].taken == 0;
	}
	return is_over;
}

static void account_give_up(
	struct account *parent, enum account_resource resource, uint64_t surplus)
{
	if (parent != NULL && surplus > 0) {
		account_uncharge(parent, resource, surplus);
	}
}

/*
 * Without lock: others may free the account meanwhile, unless it @is_over, but its parent is
 * there until it has got back what was taken out of the account.
 */
void account__uncharge_slowly(struct account *account, enum account_resource resource, uint64_t n)
{
	struct account_meter *meter = &account->meters[resource];
	struct account *parent = account->parent;
	uint64_t surplus = n;

	spinlock_acquire(&account->lock);
	if (!account_is_strict(meter)) {
		surplus = account_trim_locked(meter, resource, n);
	}
	ASSERT(surplus <= meter->taken);
	meter->taken -= surplus;
	if (!account->is_retired && account_is_strict(meter) && meter->taken <= meter->limit) {
		atomic_store_explicit(&meter->credit, 0, memory_order_relaxed);
	}
	bool is_over = account_is_over_locked(account);

	spinlock_release(&account->lock);
	account_give_up(parent, resource, surplus);
	if (is_over) {
		account_free(parent, account, sizeof(*account));
	}
}

/* ---- life */

int account_create(struct account *parent, struct account **out_account)
{
	if (parent->depth == ACCOUNT_DEPTH_MAX) {
		return -ERR_NO_SPACE;
	}
	struct account *account = account_allocate(parent, sizeof(*account));

	if (account == NULL) {
		return -ERR_NO_MEMORY;
	}
	account->parent = parent;
	account->depth = parent->depth + 1;
	spinlock_init(&account->lock, (enum lock_rank)(LOCK_RANK_ACCOUNT_ROOT - account->depth));
	for (uint32_t i = 0; i < ACCOUNT_RESOURCES; i++) {
		account->meters[i].limit = ACCOUNT_UNLIMITED;
	}
	*out_account = account;
	return 0;
}

/* The credit, which is no more: what is charged and given back from now on takes the lock. */
static uint64_t account_make_strict_locked(struct account_meter *meter)
{
	uint64_t credit =
		atomic_exchange_explicit(&meter->credit, ACCOUNT_STRICT, memory_order_acq_rel);

	credit &= ~ACCOUNT_STRICT;
	meter->taken -= credit;
	return credit;
}

void account_retire(struct account *account)
{
	uint64_t credits[ACCOUNT_RESOURCES];

	spinlock_acquire(&account->lock);
	account->is_retired = true;
	for (uint32_t i = 0; i < ACCOUNT_RESOURCES; i++) {
		credits[i] = account_make_strict_locked(&account->meters[i]);
	}
	bool is_over = account_is_over_locked(account);
	struct account *parent = account->parent;

	spinlock_release(&account->lock);
	for (uint32_t i = 0; i < ACCOUNT_RESOURCES; i++) {
		account_give_up(parent, i, credits[i]);
	}
	if (is_over) {
		account_free(parent, account, sizeof(*account));
	}
}

void account_set_limit(struct account *account, enum account_resource resource, uint64_t limit)
{
	struct account_meter *meter = &account->meters[resource];

	spinlock_acquire(&account->lock);
	uint64_t credit = account_make_strict_locked(meter);

	meter->limit = min_u64(limit, ACCOUNT_UNLIMITED);
	if (!account->is_retired && meter->taken <= meter->limit) {
		atomic_store_explicit(&meter->credit, 0, memory_order_relaxed);
	}
	spinlock_release(&account->lock);
	account_give_up(account->parent, resource, credit);
}

void account_get(struct account *account, enum account_resource resource, uint64_t *out_used,
	uint64_t *out_limit)
{
	struct account_meter *meter = &account->meters[resource];

	spinlock_acquire(&account->lock);
	*out_used = meter->taken -
		(atomic_load_explicit(&meter->credit, memory_order_relaxed) & ~ACCOUNT_STRICT);
	*out_limit = meter->limit;
	spinlock_release(&account->lock);
}

/* ---- memory */

void *account_allocate(struct account *account, size_t size)
{
	if (account_charge(account, ACCOUNT_BYTES, size) != 0) {
		return NULL;
	}
	void *pointer = heap_allocate(size);

	if (pointer == NULL) {
		account_uncharge(account, ACCOUNT_BYTES, size);
	}
	return pointer;
}

void *account_allocate_dirty(struct account *account, size_t size)
{
	if (account_charge(account, ACCOUNT_BYTES, size) != 0) {
		return NULL;
	}
	void *pointer = heap_allocate_dirty(size);

	if (pointer == NULL) {
		account_uncharge(account, ACCOUNT_BYTES, size);
	}
	return pointer;
}

void account_free(struct account *account, void *pointer, size_t size)
{
	if (pointer != NULL) {
		heap_free_sized(pointer, size);
		account_uncharge(account, ACCOUNT_BYTES, size);
	}
}
