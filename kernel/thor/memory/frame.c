/* SPDX-License-Identifier: MIT */
/*
 * Physical pages: a buddy allocator behind per-CPU caches.
 *
 * Free blocks of 2^order pages, aligned to their size, are listed by order in one of three zones
 * (ISA, below 4 GiB, the rest), so that memory which only some devices need is given away last.
 * The struct of the first page of a free block says FRAME_FREE and its order, that of every
 * other page says something else, which is all that merging buddies needs.
 *
 * Lazy table: `frame_blocks` has a byte for each largest block (8 MiB). A block that is entirely
 * free at boot is listed by its first struct alone; the other structs are cleared when it is
 * first taken from the list. Buddies are never looked for outside a largest block, so nobody
 * sees the garbage before.
 *
 * Single pages come from and go to the CPU's cache in batches; only that takes the lock.
 */
#include <thor/memory/frame.h>

#include <base/string.h>
#include <thor/cpu.h>
#include <thor/init/init.h>
#include <thor/memory/frame-debug.h>
#include <thor/panic.h>
#include <thor/sched/sched.h>

enum frame_block_state : uint8_t {
	FRAME_BLOCK_ABSENT = 0, /* no RAM: structs undefined */
	FRAME_BLOCK_LAZY, /* listed, only the first struct is defined */
	FRAME_BLOCK_READY,
};

constexpr uint32_t FRAME_BLOCK_PAGES = 1u << FRAME_ORDER_MAX;
constexpr uint64_t FRAME_RESERVE_MIN = MIB(2) >> FRAME_SHIFT;
/*
 * Blocks are spared when no more than that many reserves are left in pieces of a batch or larger:
 * well above what the page cache stops at, or each time that it got there some would be broken up.
 * However much is free in smaller fragments does not count, for those who need runs cannot use it.
 */
constexpr uint64_t FRAME_SPARE_BLOCKS = 4;
constexpr uint64_t FRAME_ZONE_ISA_END = MIB(16) >> FRAME_SHIFT;
constexpr uint64_t FRAME_ZONE_LOW_END = GIB(4) >> FRAME_SHIFT;

enum { FRAME_ZONE_ISA, FRAME_ZONE_LOW, FRAME_ZONE_HIGH, FRAME_ZONE_COUNT };

struct frame *frame_table;
uint64_t frame_count;
uint64_t frame_zero_phys;

static enum frame_block_state *frame_blocks;
static uint64_t frame_total; /* pages that were ever given to the allocator */
static uint64_t frame_direct_end; /* first address that the direct map need not have */

static struct spinlock frame_lock;
static struct frame_list frame_free_lists[FRAME_ZONE_COUNT][FRAME_ORDER_MAX + 1];
static uint64_t frame_n_free; /* in the lists, without the CPUs' caches */
static uint64_t frame_n_in_pieces; /* of these, in blocks of FRAME_CACHE_BATCH_ORDER at least */

/* ---- lists ------------------------------------------------------------------------- */

void frame_list_push(struct frame_list *list, uint32_t index)
{
	struct frame *frame = &frame_table[index];

	frame->prev = FRAME_NONE;
	frame->next = list->first;
	if (list->first != FRAME_NONE) {
		frame_table[list->first].prev = index;
	}
	list->first = index;
}

void frame_list_remove(struct frame_list *list, uint32_t index)
{
	struct frame *frame = &frame_table[index];

	if (frame->prev != FRAME_NONE) {
		frame_table[frame->prev].next = frame->next;
	} else {
		ASSERT(list->first == index);
		list->first = frame->next;
	}
	if (frame->next != FRAME_NONE) {
		frame_table[frame->next].prev = frame->prev;
	}
}

static struct frame_list *frame_list_for(uint32_t index, unsigned order)
{
	unsigned zone = index < FRAME_ZONE_ISA_END ? FRAME_ZONE_ISA
		: index < FRAME_ZONE_LOW_END       ? FRAME_ZONE_LOW
						   : FRAME_ZONE_HIGH;

	return &frame_free_lists[zone][order];
}

/* ---- the buddy allocator, frame_lock held ------------------------------------------ */

static uint64_t frame_pages_in_pieces(unsigned order)
{
	return order >= FRAME_CACHE_BATCH_ORDER ? (uint64_t)1 << order : 0;
}

static void frame_list_block(uint32_t index, unsigned order)
{
	struct frame *frame = &frame_table[index];

	frame->state = FRAME_FREE;
	frame->order = (uint8_t)order;
	frame_n_in_pieces += frame_pages_in_pieces(order);
	frame_list_push(frame_list_for(index, order), index);
}

static void frame_unlist_block(uint32_t index, unsigned order)
{
	frame_n_in_pieces -= frame_pages_in_pieces(order);
	frame_list_remove(frame_list_for(index, order), index);
}

static void frame_free_locked(uint32_t index, unsigned order)
{
	ASSERT(frame_table[index].state != FRAME_FREE);
	frame_n_free += (uint64_t)1 << order;
	while (order < FRAME_ORDER_MAX) {
		uint32_t buddy = index ^ (1u << order);

		if (buddy >= frame_count || frame_table[buddy].state != FRAME_FREE ||
			frame_table[buddy].order != order) {
			break;
		}
		frame_unlist_block(buddy, order);
		frame_table[buddy].state = FRAME_INNER;
		frame_table[index].state = FRAME_INNER;
		index &= ~(1u << order);
		order++;
	}
	frame_list_block(index, order);
}

/* The structs of a largest block that comes off its list for the first time. */
static void frame_make_ready(uint32_t index)
{
	if (frame_blocks[index / FRAME_BLOCK_PAGES] == FRAME_BLOCK_LAZY) {
		memset(&frame_table[index], 0, FRAME_BLOCK_PAGES * sizeof(struct frame));
		frame_blocks[index / FRAME_BLOCK_PAGES] = FRAME_BLOCK_READY;
	}
}

/* Take a block off its list and give back what is above the order wanted. */
static uint32_t frame_take_block(uint32_t index, unsigned order)
{
	unsigned block_order = frame_table[index].order;

	frame_unlist_block(index, block_order);
	if (block_order == FRAME_ORDER_MAX) {
		frame_make_ready(index);
	}
	frame_table[index].state = FRAME_INNER;
	while (block_order > order) {
		block_order--;
		frame_list_block(index + (1u << block_order), block_order);
	}
	frame_n_free -= (uint64_t)1 << order;
	return index;
}

static uint32_t frame_allocate_locked(unsigned order)
{
	for (int zone = FRAME_ZONE_COUNT - 1; zone >= 0; zone--) {
		for (unsigned at = order; at <= FRAME_ORDER_MAX; at++) {
			uint32_t index = frame_free_lists[zone][at].first;

			if (index != FRAME_NONE) {
				return frame_take_block(index, order);
			}
		}
	}
	return FRAME_NONE;
}

/*
 * The same below an address: the block's first pages have to lie below it. Rare, so lists are
 * searched.
 */
static uint32_t frame_allocate_below_locked(unsigned order, uint64_t below_phys)
{
	uint64_t end = below_phys >> FRAME_SHIFT;

	for (int zone = FRAME_ZONE_COUNT - 1; zone >= 0; zone--) {
		for (unsigned at = order; at <= FRAME_ORDER_MAX; at++) {
			uint32_t index = frame_free_lists[zone][at].first;

			while (index != FRAME_NONE && index + ((uint64_t)1 << order) > end) {
				index = frame_table[index].next;
			}
			if (index != FRAME_NONE) {
				return frame_take_block(index, order);
			}
		}
	}
	return FRAME_NONE;
}

/* ---- single pages, through the CPU's cache ----------------------------------------- */

/* What is kept for servers and the kernel. */
static uint64_t frame_reserve(void)
{
	return max_u64(frame_total / 64, FRAME_RESERVE_MIN);
}

static void frame_cache_push(struct frame_cache *cache, uint32_t index)
{
	frame_table[index].state = FRAME_USED;
	frame_table[index].owners = 0;
	cache->frames[cache->n_frames++] = index;
}

/* A batch in one piece, as long as there are pieces to spare. */
static void frame_cache_fill_at_once(struct frame_cache *cache)
{
	unsigned order = FRAME_CACHE_BATCH_ORDER;
	uint32_t index;

	spinlock_acquire(&frame_lock);
	while ((index = frame_allocate_locked(order)) == FRAME_NONE && order > 0) {
		order--;
	}
	spinlock_release(&frame_lock);
	for (uint32_t i = index != FRAME_NONE ? 1u << order : 0; i-- > 0;) {
		frame_cache_push(cache, index + i);
	}
}

/*
 * When memory is not plenty: the smallest fragments first, such as the page cache gives back one by
 * one. What is left in larger blocks is for those who need runs.
 */
static void frame_cache_fill_singly(struct frame_cache *cache)
{
	spinlock_acquire(&frame_lock);
	for (uint32_t i = 0; i < FRAME_CACHE_BATCH; i++) {
		uint32_t index = frame_allocate_locked(0);

		if (index == FRAME_NONE) {
			break;
		}
		frame_cache_push(cache, index);
	}
	spinlock_release(&frame_lock);
}

static bool frame_cache_fill(struct frame_cache *cache)
{
	if (unlikely(frame_is_low())) {
		sched_look(arch_this_cpu()); /* page_cache_balance() on the way out */
	}
	if (unlikely(frame_n_in_pieces < FRAME_SPARE_BLOCKS * frame_reserve())) {
		frame_cache_fill_singly(cache);
	} else {
		frame_cache_fill_at_once(cache);
	}
	if (unlikely(cache->n_frames == 0) && frame_large_drop()) {
		frame_cache_fill_singly(cache);
	}
	return cache->n_frames > 0;
}

/* Give back the pages that have been in the cache longest. */
static void frame_cache_drain(struct frame_cache *cache)
{
	spinlock_acquire(&frame_lock);
	for (uint32_t i = 0; i < FRAME_CACHE_BATCH; i++) {
		frame_table[cache->frames[i]].state = FRAME_INNER;
		frame_free_locked(cache->frames[i], 0);
	}
	spinlock_release(&frame_lock);
	cache->n_frames -= FRAME_CACHE_BATCH;
	memmove(cache->frames, cache->frames + FRAME_CACHE_BATCH,
		cache->n_frames * sizeof(cache->frames[0]));
}

uint64_t frame_allocate(void)
{
	struct frame_cache *cache = &arch_this_cpu()->frames;

	if (unlikely(cache->n_frames == 0) && !frame_cache_fill(cache)) {
		arch_this_cpu()->lacks_frames = true;
		return 0;
	}
	uint32_t index = cache->frames[--cache->n_frames];

	ASSERT(frame_table[index].owners == 0);
	atomic_store_explicit(&frame_table[index].owners, 1, memory_order_relaxed);
	frame_debug_allocated((uint64_t)index << FRAME_SHIFT, FRAME_SIZE);
	return (uint64_t)index << FRAME_SHIFT;
}

uint64_t frame_allocate_zeroed(void)
{
	uint64_t phys = frame_allocate();

	if (phys != 0) {
		frame_clear(phys);
	}
	return phys;
}

void frame_release(uint32_t index)
{
	struct frame_cache *cache = &arch_this_cpu()->frames;

	frame_debug_freed((uint64_t)index << FRAME_SHIFT, FRAME_SIZE);
	if (unlikely(cache->n_frames == FRAME_CACHE_MAX)) {
		frame_cache_drain(cache);
	}
	cache->frames[cache->n_frames++] = index;
}

/* Whether owners are counted for a page: RAM that was allocated as a single page. */
static bool frame_is_counted(uint64_t phys)
{
	uint64_t index = phys >> FRAME_SHIFT;

	return index < frame_count &&
		frame_blocks[index / FRAME_BLOCK_PAGES] == FRAME_BLOCK_READY &&
		frame_table[index].state == FRAME_USED;
}

void frame_ref(uint64_t phys)
{
	if (frame_is_counted(phys)) {
		frame_ref_owned(phys);
	}
}

void frame_unref(uint64_t phys)
{
	if (frame_is_counted(phys)) {
		ASSERT(frame_of(phys)->owners != 0);
		frame_unref_owned(phys);
	}
}

uint32_t frame_owners(uint64_t phys)
{
	return frame_is_counted(phys) ? frame_table[phys >> FRAME_SHIFT].owners : 0;
}

/* ---- runs -------------------------------------------------------------------------- */

uint64_t frame_allocate_run(unsigned order, uint64_t below_phys)
{
	if (order > FRAME_ORDER_MAX) {
		return 0;
	}
	spinlock_acquire(&frame_lock);
	uint32_t index = below_phys >= frame_count << FRAME_SHIFT
		? frame_allocate_locked(order)
		: frame_allocate_below_locked(order, below_phys);

	spinlock_release(&frame_lock);
	if (index == FRAME_NONE) {
		/* If enough is free it is only in pieces, and stays so. */
		arch_this_cpu()->lacks_frames |= frame_is_scarce();
		return 0;
	}
	frame_table[index].state = FRAME_RUN;
	frame_table[index].order = (uint8_t)order;
	frame_debug_allocated((uint64_t)index << FRAME_SHIFT, FRAME_SIZE << order);
	return (uint64_t)index << FRAME_SHIFT;
}

void frame_free_run(uint64_t phys, unsigned order)
{
	struct frame *frame = frame_of(phys);

	ASSERT(frame->state == FRAME_RUN || frame->state == FRAME_SLAB);
	ASSERT(frame->state == FRAME_SLAB || frame->order == order);
	frame->state = FRAME_INNER;
	frame_debug_freed(phys, FRAME_SIZE << order);
	spinlock_acquire(&frame_lock);
	frame_free_locked((uint32_t)(phys >> FRAME_SHIFT), order);
	spinlock_release(&frame_lock);
}

void frame_split_run(uint64_t phys, unsigned order)
{
	struct frame *frames = frame_of(phys);

	ASSERT(frames->state == FRAME_RUN);
	ASSERT(frames->order == order);
	for (uint32_t i = 0; i < 1u << order; i++) {
		frames[i].state = FRAME_USED;
		frames[i].owners = 1;
	}
}

/* ---- contents ---------------------------------------------------------------------- */

#define FRAME_CLEAR_8(to) \
	((to)[0] = (to)[1] = (to)[2] = (to)[3] = (to)[4] = (to)[5] = (to)[6] = (to)[7] = 0)

/* Plain unrolled loops: under an emulator they are as fast as string instructions, and portable. */
void frame_clear(uint64_t phys)
{
	volatile uint64_t *to = arch_phys_to_virt(phys);
	volatile uint64_t *end = to + FRAME_SIZE / sizeof(*to);

	for (; to < end; to += 32) {
		FRAME_CLEAR_8(to);
		FRAME_CLEAR_8(to + 8);
		FRAME_CLEAR_8(to + 16);
		FRAME_CLEAR_8(to + 24);
	}
}

void frame_copy(uint64_t to_phys, uint64_t from_phys)
{
	memcpy(arch_phys_to_virt(to_phys), arch_phys_to_virt(from_phys), FRAME_SIZE);
}

/* ---- statistics -------------------------------------------------------------------- */

uint64_t frame_total_bytes(void)
{
	return frame_total << FRAME_SHIFT;
}

uint64_t frame_free_bytes(void)
{
	uint64_t n_free = frame_n_free;

	for (uint32_t i = 0; i < cpu_count; i++) {
		const struct frame_cache *cache = &cpu_table[i]->frames;

		n_free += cache->n_frames + (cache->large_phys != 0 ? ARCH_LARGE_PAGES : 0);
	}
	return n_free << FRAME_SHIFT;
}

bool frame_is_scarce(void)
{
	return frame_n_free < frame_reserve();
}

bool frame_is_critical(void)
{
	return frame_n_free < frame_reserve() / 2;
}

bool frame_is_low(void)
{
	return frame_n_free < 2 * frame_reserve();
}

bool frame_is_plenty(void)
{
	return frame_n_free >= 3 * frame_reserve();
}

bool frame_has_spare(uint64_t n_pages)
{
	return frame_n_free >= FRAME_SPARE_BLOCKS * frame_reserve() + n_pages;
}

bool frame_is_direct(uint64_t phys)
{
	return phys < frame_direct_end;
}

/* ---- boot -------------------------------------------------------------------------- */

static bool frame_is_ram(const struct boot_memory *range)
{
	return range->type != BOOT_MEMORY_RESERVED;
}

/*
 * The table goes to the end of the highest free range that has room; returns the bytes to take
 * there.
 */
static uint64_t frame_place_table(const struct boot_info *boot, uint64_t size_bytes)
{
	for (uint32_t i = boot->n_memory; i-- > 0;) {
		const struct boot_memory *range = &boot->memory[i];

		if (range->type == BOOT_MEMORY_FREE && range->size_bytes > size_bytes) {
			return range->address + range->size_bytes - size_bytes;
		}
	}
	panic("frames: no room for the frame table (%llu KiB)",
		(unsigned long long)(size_bytes >> 10));
}

/* Give [first, end), page numbers, to the allocator. Whole largest blocks stay lazy. */
static void frame_add_range(uint64_t first, uint64_t end)
{
	frame_total += end - first;
	while (first < end) {
		uint64_t block = first / FRAME_BLOCK_PAGES;

		if (frame_blocks[block] == FRAME_BLOCK_ABSENT && first % FRAME_BLOCK_PAGES == 0 &&
			end - first >= FRAME_BLOCK_PAGES) {
			frame_blocks[block] = FRAME_BLOCK_LAZY;
			frame_table[first] = (struct frame){ 0 };
			frame_list_block((uint32_t)first, FRAME_ORDER_MAX);
			frame_n_free += FRAME_BLOCK_PAGES;
			first += FRAME_BLOCK_PAGES;
			continue;
		}
		if (frame_blocks[block] == FRAME_BLOCK_ABSENT) {
			uint64_t start = block * FRAME_BLOCK_PAGES;

			memset(&frame_table[start], 0,
				min_u64(FRAME_BLOCK_PAGES, frame_count - start) *
					sizeof(struct frame));
			frame_blocks[block] = FRAME_BLOCK_READY;
		}
		unsigned order = 0;

		while (order < FRAME_ORDER_MAX && first % (2u << order) == 0 &&
			end - first >= 2u << order) {
			order++;
		}
		frame_free_locked((uint32_t)first, order);
		first += (uint64_t)1 << order;
	}
}

/* Give a range of the memory map to the allocator, without page 0 and the frame table. */
static void frame_add_memory(
	const struct boot_memory *range, uint64_t table_phys, uint64_t table_end)
{
	uint64_t first = align_up(range->address, FRAME_SIZE) >> FRAME_SHIFT;
	uint64_t end = (range->address + range->size_bytes) >> FRAME_SHIFT;
	uint64_t table_first = table_phys >> FRAME_SHIFT;

	first = max_u64(first, 1);
	if (first >= end) {
		return;
	}
	if (table_first >= first && table_first < end) {
		frame_add_range(first, table_first);
		first = table_end >> FRAME_SHIFT;
	}
	if (first < end) {
		frame_add_range(first, end);
	}
}

/**
 * frame_init() - build the frame table from the memory map
 * @boot: its memory map is sorted and disjoint
 */
void frame_init(const struct boot_info *boot)
{
	uint64_t ram_end = 0;

	for (uint32_t i = 0; i < boot->n_memory; i++) {
		if (frame_is_ram(&boot->memory[i])) {
			ram_end = max_u64(
				ram_end, boot->memory[i].address + boot->memory[i].size_bytes);
		}
	}
	spinlock_init(&frame_lock, LOCK_RANK_FRAMES);
	for (unsigned zone = 0; zone < FRAME_ZONE_COUNT; zone++) {
		for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
			frame_free_lists[zone][order].first = FRAME_NONE;
		}
	}
	frame_n_free = 0;
	frame_n_in_pieces = 0;
	frame_total = 0;
	frame_count = ram_end >> FRAME_SHIFT;
	frame_direct_end = max_u64(ram_end, GIB(4));

	uint64_t n_blocks = div_round_up(frame_count, FRAME_BLOCK_PAGES);
	uint64_t table_bytes = align_up(frame_count * sizeof(struct frame), 64);
	uint64_t size_bytes = align_up(table_bytes + n_blocks, FRAME_SIZE);
	uint64_t table_phys = frame_place_table(boot, size_bytes);

	frame_table = arch_phys_to_virt(table_phys);
	frame_blocks = (void *)((uint8_t *)frame_table + table_bytes);
	memset(frame_blocks, FRAME_BLOCK_ABSENT, n_blocks);
	for (uint32_t i = 0; i < boot->n_memory; i++) {
		if (boot->memory[i].type == BOOT_MEMORY_FREE) {
			frame_add_memory(&boot->memory[i], table_phys, table_phys + size_bytes);
		}
	}
	frame_zero_phys = frame_allocate_zeroed();
	ASSERT(frame_zero_phys != 0);
	frame_of(frame_zero_phys)->state = FRAME_INNER; /* so its owners are not counted … */
	frame_of(frame_zero_phys)->owners = 2; /* … and it is never exclusive */
	klog("frames: %llu MiB free of %llu MiB", (unsigned long long)(frame_n_free >> 8),
		(unsigned long long)(frame_count >> 8));
}

/**
 * frame_reclaim_boot() - free what the prekernel used for itself
 *
 * Context: boot CPU, when nothing of it is used any more.
 */
void frame_reclaim_boot(const struct boot_info *boot)
{
	spinlock_acquire(&frame_lock);
	for (uint32_t i = 0; i < boot->n_memory; i++) {
		if (boot->memory[i].type == BOOT_MEMORY_RECLAIM) {
			frame_add_memory(&boot->memory[i], 0, 0);
		}
	}
	spinlock_release(&frame_lock);
}

INIT_TASK(frames, "frames", .run = frame_init, .needs = { "boot-cpu" }, .provides = { "memory" });
INIT_TASK(reclaim, "reclaim", .run = frame_reclaim_boot, .needs = { "cpus" },
	.provides = { "ready" });
