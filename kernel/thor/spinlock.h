/* SPDX-License-Identifier: MIT */
/*
 * Ticket spin locks with an order that debug builds check.  CONTRACT.
 *
 * thor always runs with interrupts off, so there is no irq-saving variant. While it spins a CPU
 * serves TLB shoot-downs (shootdown_poll), because the holder may be waiting for exactly that.
 *
 * Lock order: a CPU may take a lock only if its rank is greater than that of every lock it holds
 * (equal ranks: ascending address, by spinlock_acquire_pair only).
 */
#ifndef THOR_SPINLOCK_H
#define THOR_SPINLOCK_H

#include <base/types.h>

enum lock_rank : uint8_t {
	LOCK_RANK_TRACE = 2,    /* rings of the trace */
	LOCK_RANK_SUBMIT = 5,   /* submission side of a queue */
	LOCK_RANK_OBSERVE = 10, /* thread observers and life cycle */
	LOCK_RANK_STREAM = 20,
	LOCK_RANK_UNIVERSE = 30,
	LOCK_RANK_KERNLET = 38, /* what a bound kernlet is attached to */
	LOCK_RANK_FUTEX = 39,
	LOCK_RANK_FUTEX_LOCK = 40, /* all locks that lend priority */
	LOCK_RANK_IRQ_CONFIG = 41,  /* making, moving and ending pins of interrupts */
	LOCK_RANK_IRQ_VECTORS = 42, /* a CPU's interrupt vectors */
	LOCK_RANK_IRQ_PIN = 43,
	LOCK_RANK_EVENT = 45,
	LOCK_RANK_QUEUE = 50, /* completion side of a queue */
	LOCK_RANK_PAGE_LOCK = 55, /* one operation that locks pages */
	LOCK_RANK_DMA = 56, /* which device is in which dma-space */
	LOCK_RANK_DMA_SPACE = 58, /* mappings of a dma-space; loans look into spaces */
	LOCK_RANK_SPACE = 60, /* mappings of a space */
	/* pages of one memory object that shows no other's */
	LOCK_RANK_MEMORY = 66,
	/* a copy-on-write or managed object, which shows another's pages; taken after that one's */
	LOCK_RANK_MEMORY_VIEW = 67,
	LOCK_RANK_MEMORY_SWAP = 68, /* a swap space; after memory that has pages in it */
	/* indirect memory of level 1, which shows the above; 71 and 72: of the levels above */
	LOCK_RANK_MEMORY_INDIRECT = 70,
	LOCK_RANK_PAGE_CACHE = 73, /* objects whose pages come and go; the swap space */
	LOCK_RANK_PAGE_TABLE = 74, /* page table of a space */
	LOCK_RANK_TIMER = 75,
	LOCK_RANK_THREAD = 78, /* run state of a thread */
	LOCK_RANK_RUN_QUEUE = 80,
	LOCK_RANK_RANDOM = 85,
	LOCK_RANK_IOMMU = 86, /* a unit's command queue and tables of devices */
	LOCK_RANK_LINES = 87, /* registers of interrupt controllers */
	LOCK_RANK_WINDOWS = 88, /* kernel addresses of windows */
	LOCK_RANK_GRANT = 89, /* uses and children of a grant */
	LOCK_RANK_SLAB = 90,
	LOCK_RANK_FRAMES = 95,
	LOCK_RANK_LOG = 100,
	/* an account; those of its children rank below it, see object/account.h */
	LOCK_RANK_ACCOUNT_ROOT = 120,
};

struct spinlock {
	_Atomic uint16_t next, serving;
	uint8_t rank;
};

static inline void spinlock_init(struct spinlock *lock, enum lock_rank rank)
{
	lock->next = 0;
	lock->serving = 0;
	lock->rank = rank;
}

/* The slow path: spins until @ticket is served. */
void spinlock__wait(struct spinlock *lock, uint16_t ticket);

#ifdef NDEBUG

static inline void spinlock_acquire(struct spinlock *lock)
{
	uint16_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);

	if (unlikely(atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket)) {
		spinlock__wait(lock, ticket);
	}
}

static inline void spinlock_release(struct spinlock *lock)
{
	uint16_t serving = atomic_load_explicit(&lock->serving, memory_order_relaxed);

	atomic_store_explicit(&lock->serving, (uint16_t)(serving + 1), memory_order_release);
}

static inline void spinlock_check_none_held(void)
{
}

#else

void spinlock_acquire(struct spinlock *lock);
void spinlock_release(struct spinlock *lock);

/** spinlock_check_none_held() - debug builds panic if this CPU holds a lock */
void spinlock_check_none_held(void);

#endif

bool spinlock_try_acquire(struct spinlock *lock);
void spinlock_acquire_pair(struct spinlock *a, struct spinlock *b);

/* spinlock_is_held() - for assertions: by this CPU; release builds only know whether by anybody */
bool spinlock_is_held(const struct spinlock *lock);

#endif
