/* SPDX-License-Identifier: MIT */
/*
 * Accounts: who pays for kernel memory, pages, operations and handles.
 *
 * Every universe has an account, a child of its creator's; the root of the tree has no limits. What
 * a universe causes is charged to its account and thereby to all above. An account takes from its
 * parent in chunks and keeps what is left of them as *credit*, so as a rule a charge is one atomic
 * access to the own account, and giving back another.
 *
 *	taken = used + credit <= limit
 *
 * `credit` is the one word that the fast paths change. ACCOUNT_STRICT in it sends both of them to
 * the slow path, which holds the lock; credit is then 0. An account is strict when it has been
 * retired (its universe is gone, so whatever is given back goes up at once) or while more is used
 * than a limit that was lowered allows.
 *
 * There is no count of references: what is charged keeps the account. An account that is retired is
 * freed when nothing is charged any more. So whoever gives back must not touch the account after
 * that, and who has nothing charged needs a reference to the universe. A child is charged to its
 * parent, which therefore outlives it.
 */
#ifndef THOR_OBJECT_ACCOUNT_H
#define THOR_OBJECT_ACCOUNT_H

#include <base/types.h>
#include <thor/spinlock.h>

enum account_resource : uint32_t {
	ACCOUNT_BYTES,      /* kernel heap: objects, tables, buffers */
	ACCOUNT_PAGES,      /* of memory, queues and page tables */
	ACCOUNT_OPERATIONS, /* with the structure of each; buffers are bytes */
	ACCOUNT_HANDLES,    /* open descriptors */
	ACCOUNT_RESOURCES,
};

constexpr uint64_t ACCOUNT_STRICT = (uint64_t)1 << 63;
constexpr uint64_t ACCOUNT_UNLIMITED = ACCOUNT_STRICT - 1;
constexpr uint32_t ACCOUNT_DEPTH_MAX = 15; /* accounts above one; each has a lock rank */

struct account_meter {
	_Atomic uint64_t credit; /* taken, not used; and ACCOUNT_STRICT */
	uint64_t taken; /* guarded by lock, as limit */
	uint64_t limit;
};

struct account {
	struct account *parent; /* immutable; NULL: the root */
	uint32_t depth; /* immutable */
	bool is_retired; /* guarded by lock */
	struct spinlock lock;
	struct account_meter meters[ACCOUNT_RESOURCES];
};

/** account_root() - the one that has no limits */
struct account *account_root(void);

/** account_current() - that of the current thread's universe; else the root */
struct account *account_current(void);

/**
 * account_create() - a child of @parent, without limits of its own
 *
 * Return: 0, -ERR_NO_MEMORY, -ERR_NO_SPACE (too deep).
 */
MUST_USE int account_create(struct account *parent, struct account **out_account);

/** account_retire() - the universe is gone: free the account as soon as nothing is charged to it */
void account_retire(struct account *account);

/** account_set_limit() - what is used beyond it stays; -ERR_NO_MEMORY until it has gone */
void account_set_limit(struct account *account, enum account_resource resource, uint64_t limit);

/**
 * account_get() - how much is used, by children too (with their credit), and the limit of its own
 */
void account_get(struct account *account, enum account_resource resource, uint64_t *out_used,
	uint64_t *out_limit);

/** account__charge_slowly() / account__uncharge_slowly() - when the credit is not enough, or
 * too much */
MUST_USE int account__charge_slowly(
	struct account *account, enum account_resource resource, uint64_t n);
void account__uncharge_slowly(struct account *account, enum account_resource resource, uint64_t n);

/** account_chunk() - what an account takes at once; it keeps at most twice that */
static inline uint64_t account_chunk(enum account_resource resource)
{
	return resource == ACCOUNT_BYTES ? 16384 : 64;
}

/**
 * account_charge() - use @n more of a resource
 * @n: below 2^62
 *
 * Context: any lock may be held. Return: 0, -ERR_NO_MEMORY: a limit here or above is reached.
 */
MUST_USE static inline int account_charge(
	struct account *account, enum account_resource resource, uint64_t n)
{
	_Atomic uint64_t *credit = &account->meters[resource].credit;
	uint64_t old = atomic_load_explicit(credit, memory_order_relaxed);

	while (likely((int64_t)old >= (int64_t)n)) {
		if (likely(atomic_compare_exchange_weak_explicit(
			    credit, &old, old - n, memory_order_relaxed, memory_order_relaxed))) {
			return 0;
		}
	}
	return account__charge_slowly(account, resource, n);
}

/** account_uncharge() - give back what was charged; the account may be gone afterwards */
static inline void account_uncharge(
	struct account *account, enum account_resource resource, uint64_t n)
{
	_Atomic uint64_t *credit = &account->meters[resource].credit;
	uint64_t old = atomic_load_explicit(credit, memory_order_relaxed);

	while (likely(old + n <= 2 * account_chunk(resource))) {
		if (likely(atomic_compare_exchange_weak_explicit(
			    credit, &old, old + n, memory_order_release, memory_order_relaxed))) {
			return;
		}
	}
	account__uncharge_slowly(account, resource, n);
}

/**
 * account_allocate() - zeroed memory from the kernel heap that @account pays for
 *
 * Given back by account_free() with the same size. Return: NULL: no memory, or over the limit.
 */
void *account_allocate(struct account *account, size_t size);

/** account_allocate_dirty() - the same with any contents, for who writes all of it */
void *account_allocate_dirty(struct account *account, size_t size);

/** account_free() - accepts NULL */
void account_free(struct account *account, void *pointer, size_t size);

#endif
