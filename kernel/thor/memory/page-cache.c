/* SPDX-License-Identifier: MIT */
/* The page cache: see page-cache.h. */
#include <thor/memory/page-cache.h>

#include <thor/init/init.h>
#include <thor/memory/frame.h>
#include <thor/memory/managed.h>

constexpr uint64_t PAGE_CACHE_UNCLEAN_PART = 8; /* of all memory may wait to be written back */

static struct spinlock page_cache_lock;
static struct list page_cache_objects; /* guarded by page_cache_lock: struct managed.cache_node */

static _Atomic int64_t page_cache_n_pages;
static _Atomic uint64_t page_cache_n_unclean;
static _Atomic uint64_t page_cache_n_unclean_objects; /* that have unclean pages */
static _Atomic uint64_t page_cache_n_lost;
static _Atomic uint64_t page_cache_n_evicted;

void page_cache_init(void)
{
	spinlock_init(&page_cache_lock, LOCK_RANK_PAGE_CACHE);
	list_init(&page_cache_objects);
	atomic_store(&page_cache_n_pages, 0);
	atomic_store(&page_cache_n_unclean, 0);
	atomic_store(&page_cache_n_unclean_objects, 0);
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
