/* SPDX-License-Identifier: MIT */
/* The page cache: see page-cache.h. */
#include <thor/memory/page-cache.h>

#include <thor/init/init.h>
#include <thor/memory/frame.h>
#include <thor/memory/managed.h>
#include <thor/memory/swappable.h>
#include <thor/sched/sched.h>

constexpr uint64_t PAGE_CACHE_UNCLEAN_PART = 8; /* of all memory may wait to be written back */
constexpr uint64_t PAGE_CACHE_SLICE_PAGES = 64; /* looked at before others have their turn */
constexpr uint64_t PAGE_CACHE_TURN_PAGES = 32; /* of one object before the next one */
constexpr uint64_t PAGE_CACHE_TURNS = 32; /* objects, with pages or without, in one slice */
constexpr uint64_t PAGE_CACHE_ROUNDS = 4; /* without success, until it is of no use */

static struct spinlock page_cache_lock;
/* guarded by page_cache_lock: struct page_cache_member.node */
static struct list page_cache_managed, page_cache_swappable;

static _Atomic int64_t page_cache_n_pages; /* of managed objects */
static _Atomic int64_t page_cache_n_swappable; /* of swappable ones */
static _Atomic uint64_t page_cache_n_unclean;
static _Atomic uint64_t page_cache_n_unclean_objects; /* that have unclean pages */
static _Atomic uint64_t page_cache_n_lost;
static _Atomic uint64_t page_cache_n_evicted;

static _Atomic bool page_cache_is_busy; /* a CPU is in page_cache_balance() */
static _Atomic uint64_t page_cache_n_barren; /* pages looked at since one was dropped */
static _Atomic uint64_t page_cache_success_ns; /* when one was dropped or written last */
static _Atomic bool page_cache_is_stalled; /* somebody has waited for success in vain since */

void page_cache_init(void)
{
	spinlock_init(&page_cache_lock, LOCK_RANK_PAGE_CACHE);
	list_init(&page_cache_managed);
	list_init(&page_cache_swappable);
	atomic_store(&page_cache_n_pages, 0);
	atomic_store(&page_cache_n_swappable, 0);
	atomic_store(&page_cache_n_unclean, 0);
	atomic_store(&page_cache_n_unclean_objects, 0);
	atomic_store(&page_cache_n_barren, 0);
	atomic_store(&page_cache_success_ns, 0);
	atomic_store(&page_cache_is_stalled, false);
	swap_init();
}

static void page_cache_start(UNUSED const struct boot_info *boot)
{
	page_cache_init();
}
INIT_TASK(page_cache, "page-cache", .run = page_cache_start, .needs = { "frames" },
	.provides = { "memory" });

static struct list *page_cache_list_of(const struct page_cache_member *member)
{
	return member->memory->swappable != NULL ? &page_cache_swappable : &page_cache_managed;
}

void page_cache_add(struct page_cache_member *member)
{
	spinlock_acquire(&page_cache_lock);
	list_push_back(page_cache_list_of(member), &member->node);
	spinlock_release(&page_cache_lock);
}

void page_cache_remove(struct page_cache_member *member)
{
	spinlock_acquire(&page_cache_lock);
	list_remove(&member->node);
	spinlock_release(&page_cache_lock);
}

/* ---- counting ---------------------------------------------------------------------- */

void page_cache_count_pages(int64_t n_pages)
{
	atomic_fetch_add_explicit(&page_cache_n_pages, n_pages, memory_order_relaxed);
}

void page_cache_count_swappable(int64_t n_pages)
{
	atomic_fetch_add_explicit(&page_cache_n_swappable, n_pages, memory_order_relaxed);
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

/* The object of a list whose turn it is, referenced; NULL: there is none. */
static struct memory *page_cache_next(struct list *objects)
{
	struct memory *memory = NULL;

	spinlock_acquire(&page_cache_lock);
	struct page_cache_member *member = LIST_FIRST(objects, struct page_cache_member, node);

	if (member != NULL) {
		list_remove(&member->node);
		list_push_back(objects, &member->node);
		/* It is on the list until it is destroyed, but that may have begun. */
		if (object_try_ref(&member->memory->object)) {
			memory = member->memory;
		}
	}
	spinlock_release(&page_cache_lock);
	return memory;
}

/* Let one object look at some of its pages. */
static uint64_t page_cache_age_one(struct memory *memory, uint64_t *out_evicted)
{
	spinlock_acquire(&memory->lock);
	uint64_t n_looked = memory->managed != NULL
		? managed__age(memory->managed, PAGE_CACHE_TURN_PAGES, out_evicted)
		: swappable__age(memory, PAGE_CACHE_TURN_PAGES, out_evicted);

	spinlock_release(&memory->lock);
	object_unref(&memory->object);
	return n_looked;
}

static void page_cache_note_success(void)
{
	atomic_store_explicit(&page_cache_n_barren, 0, memory_order_relaxed);
	atomic_store_explicit(&page_cache_success_ns, arch_clock_ns(), memory_order_relaxed);
	atomic_store_explicit(&page_cache_is_stalled, false, memory_order_relaxed);
}

void page_cache_note_written(void)
{
	if (frame_is_low()) {
		page_cache_note_success();
		sched_look(arch_this_cpu()); /* page_cache_balance() on the way out */
	}
}

static void page_cache_slice(void)
{
	uint64_t n_looked = 0;
	uint64_t n_evicted = 0;

	for (uint64_t i = 0; i < PAGE_CACHE_TURNS && n_looked < PAGE_CACHE_SLICE_PAGES; i++) {
		bool is_swappable = i % 2 != 0 && swap_has_manager();
		struct memory *memory =
			page_cache_next(is_swappable ? &page_cache_swappable : &page_cache_managed);
		uint64_t n = 0;

		if (memory != NULL) {
			n_looked += page_cache_age_one(memory, &n);
			n_evicted += n;
		}
	}
	atomic_fetch_add_explicit(&page_cache_n_evicted, n_evicted, memory_order_relaxed);
	if (n_evicted > 0) {
		page_cache_note_success();
	} else {
		/* Objects that let nothing be looked at are no success either. */
		atomic_fetch_add_explicit(&page_cache_n_barren, max_u64(n_looked, PAGE_CACHE_TURNS),
			memory_order_relaxed);
	}
}

/* Pages that may be given back. */
static uint64_t page_cache_count_candidates(void)
{
	int64_t n_pages = atomic_load_explicit(&page_cache_n_pages, memory_order_relaxed);

	if (swap_has_manager()) {
		n_pages += atomic_load_explicit(&page_cache_n_swappable, memory_order_relaxed);
	}
	return (uint64_t)n_pages;
}

bool page_cache_can_help(void)
{
	uint64_t n_pages = page_cache_count_candidates();

	return atomic_load_explicit(&page_cache_n_barren, memory_order_relaxed) <
		PAGE_CACHE_ROUNDS * n_pages;
}

bool page_cache_will_help(uint64_t since_ns)
{
	uint64_t last_ns = max_u64(
		since_ns, atomic_load_explicit(&page_cache_success_ns, memory_order_relaxed));

	if (atomic_load_explicit(&page_cache_is_stalled, memory_order_relaxed) ||
		(atomic_load_explicit(&page_cache_n_unclean, memory_order_relaxed) == 0 &&
			!page_cache_can_help())) {
		return false;
	}
	if (arch_clock_ns() > last_ns + PAGE_CACHE_PATIENCE_NS) {
		atomic_store_explicit(&page_cache_is_stalled, true, memory_order_relaxed);
		return false;
	}
	return true;
}

bool page_cache_balance(void)
{
	static _Atomic bool is_short; /* below the low mark, and not yet above the high one */

	if (page_cache_count_candidates() == 0) {
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
