/* SPDX-License-Identifier: MIT */
/*
 * The allocator: see memory.h.
 *
 * Memory comes from the kernel in *segments*: anonymous mappings at addresses that are multiples
 * of SEGMENT_SIZE, handed out upwards from HEAP_BASE and never reused, so that masking the address
 * of a block finds its segment. A segment begins with its description: which of its pages are
 * free, and one struct page each.
 *
 *	small   up to SMALL_MAX: a *slab*, a run of a few pages with objects of one size class.
 *	        Slabs with a free object are on their class' list; free objects are chained
 *	        through themselves, and those never used yet are counted (`n_fresh`), so a new slab
 *	        touches no page.
 *	medium  a run of pages of a segment, first fit over its bitmap.
 *	large   more than fits a segment: a segment of its own, one block behind the first page.
 *
 * A slab without objects goes back to its segment, unless it is the last one of its class with
 * room. Runs of DISCARD_PAGES and more are given back to the kernel while they are free; one
 * segment without blocks is kept.
 *
 * What is handed out is there: pages are populated before they belong to a block, so that a program
 * for which there is no memory gets NULL here, and no fault later. `present_pages` says which free
 * ones need not be populated any more.
 *
 * Freed blocks are filled with a pattern in debug builds, where a second free is caught, too.
 */
#include <helix/lock.h>
#include <helix/memory.h>

#include <base/assert.h>
#include <base/list.h>
#include <base/string.h>
#include <hel/hel-calls.h>

#define HEAP_BASE     UINT64_C(0x200000000000)
#define HEAP_END      UINT64_C(0x600000000000)
#define SEGMENT_SIZE  MIB(1)
#define PAGE_SIZE     HEL_PAGE_SIZE
#define PAGES         (SEGMENT_SIZE / PAGE_SIZE)
#define SMALL_MAX     2048
#define DISCARD_PAGES 64
#define SEGMENT_MAGIC UINT64_C(0x50414548494c4548)
#define POISON        0xdf

enum page_kind : uint8_t {
	PAGE_FREE, /* or the description */
	PAGE_SLAB, /* first page of a slab */
	PAGE_RUN,  /* first page of a medium block */
	PAGE_REST, /* not the first page of either */
};

struct page {
	uint8_t kind;
	uint8_t class;    /* of a slab */
	uint16_t first;   /* REST: index of the first page */
	uint16_t n_pages; /* of the slab or run */
	uint16_t n_used;  /* slab: objects that are allocated */
	uint32_t n_fresh; /* slab: objects that never were */
	uint32_t reserved;
	void *free;            /* slab: free objects, chained */
	struct list_node node; /* slab with room: on its class' list */
};

struct segment {
	uint64_t magic;
	uint64_t size_bytes; /* of the mapping */
	bool is_large;       /* one block; only the fields up to here are in use */
	uint32_t n_free_pages;
	uint32_t run_max; /* no free run is longer; corrected by failing searches */
	struct list_node node;
	uint64_t free_pages[PAGES / 64];
	uint64_t present_pages[PAGES / 64];
	struct page pages[PAGES];
};

#define HEADER_PAGES  div_round_up(sizeof(struct segment), PAGE_SIZE)
#define RUN_PAGES_MAX (PAGES - HEADER_PAGES)

static const uint16_t class_sizes[] = { 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
	384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 2048 };
#define CLASSES ARRAY_SIZE(class_sizes)

static uint8_t class_of_size[SMALL_MAX / 16 + 1]; /* by size in units of 16, rounded up */
static struct list class_slabs[CLASSES];
static struct list segments = LIST_INIT(segments); /* all but those of large blocks */
static uint64_t heap_next = HEAP_BASE;
static struct helix_memory_stats heap_stats;
static bool heap_is_initialised;
static struct helix_lock heap_lock; /* of all of the above */

static void heap_init(void)
{
	size_t class = 0;

	for (size_t i = 0; i < ARRAY_SIZE(class_of_size); i++) {
		if (i * 16 > class_sizes[class]) {
			class ++;
		}
		class_of_size[i] = (uint8_t)class;
	}
	for (size_t i = 0; i < CLASSES; i++) {
		list_init(&class_slabs[i]);
	}
	heap_is_initialised = true;
}

/* ---- segments -------------------------------------------------------------------------------- */

/* Map zeros at the next multiple of SEGMENT_SIZE; NULL: no memory. */
static struct segment *segment_map(uint64_t size_bytes)
{
	uint64_t step = align_up(size_bytes, SEGMENT_SIZE);

	while (heap_next < HEAP_END && step <= HEAP_END - heap_next) {
		const struct hel_map_args args = {
			.space = HEL_THIS,
			.address = heap_next,
			.size_bytes = size_bytes,
			.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FIXED_NOREPLACE |
				HEL_MAP_FORK_COPY,
		};
		uint64_t address;
		int error = hel_space_map(&args, &address);

		heap_next += step;
		if (error == 0) {
			heap_stats.mapped_bytes += size_bytes;
			return (struct segment *)address;
		}
		if (error != -ERR_EXISTS) {
			return NULL;
		}
	}
	return NULL;
}

static void segment_unmap(struct segment *segment)
{
	heap_stats.mapped_bytes -= segment->size_bytes;
	hel_space_unmap(HEL_THIS, (uint64_t)segment, segment->size_bytes);
}

static struct segment *segment_of(const void *block)
{
	struct segment *segment =
		(struct segment *)align_down((uint64_t)(uintptr_t)block, SEGMENT_SIZE);

	ASSERT(segment->magic == SEGMENT_MAGIC);
	return segment;
}

/* Makes whole pages present; false: there is no memory. */
static bool populate(const void *address, uint64_t size_bytes)
{
	return hel_space_populate(HEL_THIS, (uint64_t)address, size_bytes, HEL_POPULATE_WRITE) == 0;
}

/* segment_map() whose first @n_present pages are there. */
static struct segment *segment_map_present(uint64_t size_bytes, size_t n_present)
{
	struct segment *segment = segment_map(size_bytes);

	if (segment != NULL && !populate(segment, n_present * PAGE_SIZE)) {
		heap_stats.mapped_bytes -= size_bytes;
		hel_space_unmap(HEL_THIS, (uint64_t)segment, size_bytes);
		return NULL;
	}
	return segment;
}

static struct segment *segment_create(void)
{
	struct segment *segment = segment_map_present(SEGMENT_SIZE, HEADER_PAGES);

	if (segment == NULL) {
		return NULL;
	}
	segment->magic = SEGMENT_MAGIC;
	segment->size_bytes = SEGMENT_SIZE;
	segment->n_free_pages = RUN_PAGES_MAX;
	segment->run_max = RUN_PAGES_MAX;
	for (size_t i = HEADER_PAGES; i < PAGES; i++) {
		segment->free_pages[i / 64] |= UINT64_C(1) << (i % 64);
	}
	list_push_back(&segments, &segment->node);
	return segment;
}

static bool segment_page_is_free(const struct segment *segment, size_t index)
{
	return (segment->free_pages[index / 64] >> (index % 64) & 1) != 0;
}

/* The first run of @n_pages free pages; 0 if there is none, and then run_max is exact. */
static size_t segment_find_run(struct segment *segment, size_t n_pages)
{
	size_t longest = 0;
	size_t length = 0;

	for (size_t i = HEADER_PAGES; i < PAGES; i++) {
		uint64_t free = segment->free_pages[i / 64] >> (i % 64);

		if (length == 0 && free == 0) {
			i |= 63; /* nothing more in this word */
			continue;
		}
		if (length == 0) {
			i += (size_t)__builtin_ctzll(free);
		}
		length = segment_page_is_free(segment, i) ? length + 1 : 0;
		if (length == n_pages) {
			return i + 1 - n_pages;
		}
		longest = max_size(longest, length);
	}
	segment->run_max = (uint32_t)longest;
	return 0;
}

static void segment_mark_pages(struct segment *segment, size_t first, size_t n_pages, bool is_free)
{
	for (size_t i = first; i < first + n_pages; i++) {
		uint64_t bit = UINT64_C(1) << (i % 64);

		ASSERT(((segment->free_pages[i / 64] & bit) != 0) != is_free);
		segment->free_pages[i / 64] ^= bit;
		segment->pages[i].kind = is_free ? PAGE_FREE : PAGE_REST;
		segment->pages[i].first = (uint16_t)first;
	}
}

/* Makes a free run present; false: there is no memory. */
static bool segment_populate(struct segment *segment, size_t first, size_t n_pages)
{
	size_t n_present = 0;

	for (size_t i = first; i < first + n_pages; i++) {
		n_present += segment->present_pages[i / 64] >> (i % 64) & 1;
	}
	if (n_present == n_pages) {
		return true;
	}
	if (!populate((const uint8_t *)segment + first * PAGE_SIZE, n_pages * PAGE_SIZE)) {
		return false;
	}
	for (size_t i = first; i < first + n_pages; i++) {
		segment->present_pages[i / 64] |= UINT64_C(1) << (i % 64);
	}
	return true;
}

static void segment_discard(struct segment *segment, size_t first, size_t n_pages)
{
	const uint8_t *start = (const uint8_t *)segment + first * PAGE_SIZE;

	/* if it cannot be done, the memory stays with us; no harm */
	(void)!hel_space_discard(HEL_THIS, (uint64_t)start, n_pages * PAGE_SIZE);
	for (size_t i = first; i < first + n_pages; i++) {
		segment->present_pages[i / 64] &= ~(UINT64_C(1) << (i % 64));
	}
}

/* Take a run of pages out of some segment; NULL: no memory. */
static struct page *run_allocate(size_t n_pages, enum page_kind kind, struct segment **out_segment)
{
	struct segment *segment = NULL;
	size_t first = 0;

	LIST_FOR_EACH(candidate, &segments, struct segment, node) {
		if (candidate->run_max >= n_pages) {
			first = segment_find_run(candidate, n_pages);
			if (first != 0) {
				segment = candidate;
				break;
			}
		}
	}
	if (first == 0) {
		segment = segment_create();
		if (segment == NULL) {
			return NULL;
		}
		first = HEADER_PAGES;
	}
	if (!segment_populate(segment, first, n_pages)) {
		return NULL;
	}
	segment_mark_pages(segment, first, n_pages, false);
	segment->n_free_pages -= (uint32_t)n_pages;
	segment->pages[first] = (struct page){ .kind = kind, .n_pages = (uint16_t)n_pages };
	*out_segment = segment;
	return &segment->pages[first];
}

static void *page_address(const struct segment *segment, const struct page *page)
{
	return (uint8_t *)segment + (size_t)(page - segment->pages) * PAGE_SIZE;
}

static void run_free(struct segment *segment, struct page *page)
{
	size_t first = (size_t)(page - segment->pages);
	size_t n_pages = page->n_pages;

	segment_mark_pages(segment, first, n_pages, true);
	segment->n_free_pages += (uint32_t)n_pages;
	segment->run_max = segment->n_free_pages;
	if (segment->n_free_pages == RUN_PAGES_MAX &&
		list_first(&segments) != list_last(&segments)) {
		list_remove(&segment->node);
		segment_unmap(segment);
	} else if (n_pages >= DISCARD_PAGES) {
		segment_discard(segment, first, n_pages);
	}
}

/* ---- small ----------------------------------------------------------------------------------- */

static size_t slab_pages(size_t class_size)
{
	return class_size <= 256 ? 1 : class_size <= 1024 ? 2 : 4;
}

static struct page *slab_create(size_t class, struct segment **out_segment)
{
	size_t n_pages = slab_pages(class_sizes[class]);
	struct page *slab = run_allocate(n_pages, PAGE_SLAB, out_segment);

	if (slab != NULL) {
		slab->class = (uint8_t)class;
		slab->n_fresh = (uint32_t)(n_pages * PAGE_SIZE / class_sizes[class]);
		list_push_front(&class_slabs[class], &slab->node);
	}
	return slab;
}

static void *small_allocate(size_t size)
{
	size_t class = class_of_size[(size + 15) / 16];
	struct segment *segment;
	struct page *slab;
	void *block;

	if (list_is_empty(&class_slabs[class])) {
		slab = slab_create(class, &segment);
		if (slab == NULL) {
			return NULL;
		}
	} else {
		slab = LIST_FIRST(&class_slabs[class], struct page, node);
		segment = segment_of(slab);
	}
	if (slab->free != NULL) {
		block = slab->free;
		slab->free = *(void **)block;
	} else {
		slab->n_fresh--;
		block = (uint8_t *)page_address(segment, slab) +
			(size_t)slab->n_fresh * class_sizes[class];
	}
	slab->n_used++;
	if (slab->free == NULL && slab->n_fresh == 0) {
		list_remove(&slab->node);
	}
	heap_stats.used_bytes += class_sizes[class];
	return block;
}

static void poison_block(void *block UNUSED, size_t size UNUSED)
{
#ifndef NDEBUG
	memset(block, POISON, size);
#endif
}

/* A free object holds a link, then poison: then it must not be freed. */
static void check_not_free(const struct page *slab UNUSED, const void *block UNUSED)
{
#ifndef NDEBUG
	const uint64_t *words = block;

	if (words[1] != UINT64_C(0xdfdfdfdfdfdfdfdf)) {
		return;
	}
	for (const void *free = slab->free; free != NULL; free = *(void *const *)free) {
		ASSERT(free != block);
	}
#endif
}

static void small_free(struct segment *segment, struct page *slab, void *block)
{
	size_t size = class_sizes[slab->class];
	struct list *slabs = &class_slabs[slab->class];

	ASSERT(((uintptr_t)block - (uintptr_t)page_address(segment, slab)) % size == 0);
	check_not_free(slab, block);
	if (slab->free == NULL && slab->n_fresh == 0) {
		list_push_back(slabs, &slab->node);
	}
	poison_block(block, size);
	*(void **)block = slab->free;
	slab->free = block;
	slab->n_used--;
	heap_stats.used_bytes -= size;
	if (slab->n_used == 0 && list_first(slabs) != list_last(slabs)) {
		list_remove(&slab->node);
		run_free(segment, slab);
	}
}

/* ---- medium and large ------------------------------------------------------------------------ */

static void *medium_allocate(size_t size)
{
	struct segment *segment;
	size_t n_pages = div_round_up(size, PAGE_SIZE);
	struct page *run = run_allocate(n_pages, PAGE_RUN, &segment);

	if (run == NULL) {
		return NULL;
	}
	heap_stats.used_bytes += n_pages * PAGE_SIZE;
	return page_address(segment, run);
}

static void *large_allocate(size_t size)
{
	struct segment *segment;

	if (size > HEAP_END - HEAP_BASE) {
		return NULL;
	}
	uint64_t size_bytes = PAGE_SIZE + align_up(size, PAGE_SIZE);

	segment = segment_map_present(size_bytes, size_bytes / PAGE_SIZE);
	if (segment == NULL) {
		return NULL;
	}
	segment->magic = SEGMENT_MAGIC;
	segment->size_bytes = size_bytes;
	segment->is_large = true;
	heap_stats.used_bytes += size_bytes - PAGE_SIZE;
	return (uint8_t *)segment + PAGE_SIZE;
}

/* ---- the public functions -------------------------------------------------------------------- */

static void *heap_allocate(size_t size)
{
	void *block;

	if (!heap_is_initialised) {
		heap_init();
	}
	if (size <= SMALL_MAX) {
		block = small_allocate(size);
	} else if (size <= RUN_PAGES_MAX * PAGE_SIZE) {
		block = medium_allocate(size);
	} else {
		block = large_allocate(size);
	}
	heap_stats.n_blocks += block != NULL;
	return block;
}

void *helix_malloc(size_t size)
{
	helix_lock_take(&heap_lock);
	void *block = heap_allocate(size);

	helix_lock_release(&heap_lock);
	return block;
}

/* The first page of the slab or run that holds @block, in a segment that is not large. */
static struct page *page_of(struct segment *segment, const void *block)
{
	size_t index = ((uintptr_t)block - (uintptr_t)segment) / PAGE_SIZE;
	struct page *page = &segment->pages[index];

	if (page->kind == PAGE_REST) {
		page = &segment->pages[page->first];
	}
	ASSERT(page->kind == PAGE_SLAB || page->kind == PAGE_RUN);
	return page;
}

static void heap_free(void *block)
{
	struct segment *segment = segment_of(block);

	heap_stats.n_blocks--;
	if (segment->is_large) {
		heap_stats.used_bytes -= segment->size_bytes - PAGE_SIZE;
		segment_unmap(segment);
		return;
	}
	struct page *page = page_of(segment, block);

	if (page->kind == PAGE_SLAB) {
		small_free(segment, page, block);
		return;
	}
	ASSERT(block == page_address(segment, page));
	heap_stats.used_bytes -= page->n_pages * PAGE_SIZE;
	poison_block(block, PAGE_SIZE);
	run_free(segment, page);
}

void helix_free(void *block)
{
	if (block != NULL) {
		helix_lock_take(&heap_lock);
		heap_free(block);
		helix_lock_release(&heap_lock);
	}
}

/* How many bytes may be used at @block; what says so does not change while it is allocated. */
static size_t block_size(void *block)
{
	struct segment *segment = segment_of(block);

	if (segment->is_large) {
		return segment->size_bytes - PAGE_SIZE;
	}
	const struct page *page = page_of(segment, block);

	return page->kind == PAGE_SLAB ? class_sizes[page->class] : page->n_pages * PAGE_SIZE;
}

void *helix_calloc(size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		return NULL;
	}
	void *block = helix_malloc(total);

	/* large blocks are fresh mappings */
	if (block != NULL && total <= RUN_PAGES_MAX * PAGE_SIZE) {
		memset(block, 0, total);
	}
	return block;
}

void *helix_realloc(void *block, size_t size)
{
	if (block == NULL) {
		return helix_malloc(size);
	}
	size_t old_size = block_size(block);

	if (size <= old_size && size >= old_size / 2) {
		return block;
	}
	void *new_block = helix_malloc(size);

	if (new_block != NULL) {
		memcpy(new_block, block, min_size(size, old_size));
		helix_free(block);
	}
	return new_block;
}

struct helix_memory_stats helix_memory_stats(void)
{
	helix_lock_take(&heap_lock);
	struct helix_memory_stats stats = heap_stats;

	helix_lock_release(&heap_lock);
	return stats;
}

int helix_map(
	hel_handle memory, uint64_t offset, uint64_t size_bytes, uint32_t flags, void **out_pointer)
{
	const struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.offset = offset,
		.size_bytes = align_up(size_bytes, PAGE_SIZE),
		.flags = flags,
	};
	uint64_t address;
	int error = hel_space_map(&args, &address);

	if (error == 0) {
		*out_pointer = (void *)address;
	}
	return error;
}

int helix_map_present(
	hel_handle memory, uint64_t offset, uint64_t size_bytes, uint32_t flags, void **out_pointer)
{
	void *pointer;
	int error = helix_map(memory, offset, size_bytes, flags, &pointer);

	if (error == 0 && !populate(pointer, align_up(size_bytes, PAGE_SIZE))) {
		helix_unmap(pointer, size_bytes);
		error = -ERR_NO_MEMORY;
	}
	if (error == 0) {
		*out_pointer = pointer;
	}
	return error;
}

void helix_unmap(void *pointer, uint64_t size_bytes)
{
	hel_space_unmap(HEL_THIS, (uint64_t)pointer, align_up(size_bytes, PAGE_SIZE));
}
