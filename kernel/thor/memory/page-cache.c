/* SPDX-License-Identifier: MIT */
/* The page cache: see page-cache.h. */
#include <thor/memory/page-cache.h>

#include <thor/init/init.h>
#include <thor/memory/frame.h>
#include <thor/memory/managed.h>

constexpr uint64_t PAGE_CACHE_UNCLEAN_PART = 8; /* of all memory may wait to be written back */
constexpr uint64_t PAGE_CACHE_SLICE_PAGES = 64; /* looked at before others have their turn */
constexpr uint64_t PAGE_CACHE_TURN_PAGES = 32; /* of one object before the next one */
constexpr uint64_t PAGE_CACHE_TURNS = 32; /* objects, with pages or without, in one slice */
constexpr uint64_t PAGE_CACHE_ROUNDS = 4; /* without success, until it is of no use */

static struct spinlock page_cache_lock;
static struct list page_cache_objects; /* guarded by page_cache_lock: struct managed.cache_node */

static _Atomic int64_t page_cache_n_pages;
static _Atomic uint64_t page_cache_n_unclean;
static _Atomic uint64_t page_cache_n_unclean_objects; /* that have unclean pages */
static _Atomic uint64_t page_cache_n_lost;
static _Atomic uint64_t page_cache_n_evicted;

static _Atomic bool page_cache_is_busy; /* a CPU is in page_cache_balance() */
static _Atomic uint64_t page_cache_n_barren; /* pages looked at since one was dropped */

void page_cache_init(void)
{
	spinlock_init(&page_cache_lock, LOCK_RANK_PAGE_CACHE);
	list_init(&page_cache_objects);
	atomic_store(&page_cache_n_pages, 0);
	atomic_store(&page_cache_n_unclean, 0);
	atomic_store(&page_cache_n_unclean_objects, 0);
	atomic_store(&page_cache_n_barren, 0);
}

static void page_cache_start(UNUSED const struct boot_info *boot)
{
	page_cache_init();
}
INIT_TASK(page_cache, "page-cache", .run = page_cache_start, .needs = { "frames" },
	.provides = { "memory" });

void page_cache_add(struct managed *managed)
{
	spinlock_acquire(&page_cache_lock);
	list_push_back(&page_cache_objects, &managed->cache_node);
	spinlock_release(&page_cache_lock);
}

void page_cache_remove(struct managed *managed)
{
	spinlock_acquire(&page_cache_lock);
	list_remove(&managed->cache_node);
	spinlock_release(&page_cache_lock);
}

/* ---- counting ---------------------------------------------------------------------- */

void page_cache_count_pages(int64_t n_pages)
{
	atomic_fetch_add_explicit(&page_cache_n_pages, n_pages, memory_order_relaxed);
}

void page_cache_count_unclean(const struct managed *managed, uint64_t n_unclean_before)
{
	uint64_t n_unclean = managed->n_unclean;

	atomic_fetch_add_explicit(
		&page_cache_n_unclean, n_unclean - n_unclean_before, memory_order_relaxed);
	if ((n_unclean != 0) != (n_unclean_before != 0)) {
		atomic_fetch_add_explicit(&page_cache_n_unclean_objects,
			n_unclean != 0 ? (uint64_t)1 : ~(uint64_t)0, memory_order_relaxed);
	}
}

void page_cache_count_lost(uint64_t n_pages)
{
	atomic_fetch_add_explicit(&page_cache_n_lost, n_pages, memory_order_relaxed);
}

uint64_t page_cache_share(void)
{
	uint64_t n_max = (frame_total_bytes() >> FRAME_SHIFT) / PAGE_CACHE_UNCLEAN_PART;
	uint64_t n_objects =
		atomic_load_explicit(&page_cache_n_unclean_objects, memory_order_relaxed);

	return max_u64(n_max / max_u64(n_objects, 1), MANAGED_SHARE_MIN);
}

void page_cache_get_stats(struct page_cache_stats *out_stats)
{
	*out_stats = (struct page_cache_stats){
		.n_pages =
			(uint64_t)atomic_load_explicit(&page_cache_n_pages, memory_order_relaxed),
		.n_unclean = atomic_load_explicit(&page_cache_n_unclean, memory_order_relaxed),
		.n_lost = atomic_load_explicit(&page_cache_n_lost, memory_order_relaxed),
		.n_evicted = atomic_load_explicit(&page_cache_n_evicted, memory_order_relaxed),
	};
}

/* ---- giving back ------------------------------------------------------------------- */

/* The object whose turn it is, referenced; NULL: there is none. */
static struct managed *page_cache_next(void)
{
	struct managed *managed = NULL;

	spinlock_acquire(&page_cache_lock);
	managed = LIST_FIRST(&page_cache_objects, struct managed, cache_node);
	if (managed != NULL) {
		list_remove(&managed->cache_node);
		list_push_back(&page_cache_objects, &managed->cache_node);
		/* It is on the list until it is destroyed, but that may have begun. */
		if (!object_try_ref(&managed->backing->object)) {
			managed = NULL;
		}
	}
	spinlock_release(&page_cache_lock);
	return managed;
}

/* Let one object look at some of its pages. */
static uint64_t page_cache_age_one(struct managed *managed, uint64_t *out_evicted)
{
	struct memory *backing = managed->backing;

	spinlock_acquire(&backing->lock);
	uint64_t n_looked = managed__age(managed, PAGE_CACHE_TURN_PAGES, out_evicted);

	spinlock_release(&backing->lock);
	object_unref(&backing->object);
	return n_looked;
}

static void page_cache_slice(void)
{
	uint64_t n_looked = 0;
	uint64_t n_evicted = 0;

	for (uint64_t i = 0; i < PAGE_CACHE_TURNS && n_looked < PAGE_CACHE_SLICE_PAGES; i++) {
		struct managed *managed = page_cache_next();
		uint64_t n = 0;

		if (managed != NULL) {
			n_looked += page_cache_age_one(managed, &n);
			n_evicted += n;
		}
	}
	atomic_fetch_add_explicit(&page_cache_n_evicted, n_evicted, memory_order_relaxed);
	if (n_evicted > 0) {
		atomic_store_explicit(&page_cache_n_barren, 0, memory_order_relaxed);
	} else {
		atomic_fetch_add_explicit(&page_cache_n_barren, n_looked, memory_order_relaxed);
	}
}

bool page_cache_can_help(void)
{
	uint64_t n_pages =
		(uint64_t)atomic_load_explicit(&page_cache_n_pages, memory_order_relaxed);

	return atomic_load_explicit(&page_cache_n_barren, memory_order_relaxed) <
		PAGE_CACHE_ROUNDS * n_pages;
}

bool page_cache_balance(void)
{
	static _Atomic bool is_short; /* below the low mark, and not yet above the high one */

	if (atomic_load_explicit(&page_cache_n_pages, memory_order_relaxed) == 0) {
		return false;
	}
	if (frame_is_low()) {
		atomic_store_explicit(&is_short, true, memory_order_relaxed);
	} else if (!atomic_load_explicit(&is_short, memory_order_relaxed)) {
		return false;
	}
	if (frame_is_plenty()) {
		atomic_store_explicit(&is_short, false, memory_order_relaxed);
		return false;
	}
	if (atomic_exchange_explicit(&page_cache_is_busy, true, memory_order_acquire)) {
		return false; /* the other CPU does it */
	}
	page_cache_slice();
	atomic_store_explicit(&page_cache_is_busy, false, memory_order_release);
	/* If it is of no use it is tried again when the next pages were taken. */
	return page_cache_can_help();
}
