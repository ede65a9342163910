/* SPDX-License-Identifier: MIT */
/*
 * The kernel heap: slabs of one page for each size class, per-CPU magazines in front, frame runs
 * above 2 KiB.
 *
 * A slab is a page; all that is known of it (its class, its first free object, the number of
 * objects in use) is in its struct frame, so objects fill the page and freeing finds the class
 * from the address. Classes are the sizes that divide a page well.
 *
 * A magazine is a stack of free objects of one class that belongs to a CPU; when it is empty or
 * full, half of its limit is moved from or to the slabs under the class's lock. Empty slabs but
 * one go back to the frame allocator. An object in a magazine counts as used in its slab.
 *
 * Debug builds fill freed objects with a pattern that is checked when they are allocated again,
 * and keep a redzone at the end of each object, checked when it is freed. With AddressSanitizer
 * freed objects are poisoned as well.
 */
#include <thor/memory/frame.h>

#include <base/string.h>
#include <thor/cpu.h>
#include <thor/memory/heap-debug.h>

static const uint16_t heap_class_sizes[HEAP_CLASS_COUNT] = {
	16,
	32,
	48,
	64,
	80,
	96,
	128,
	160,
	192,
	256,
	320,
	336,
	400,
	512,
	672,
	816,
	1024,
	1360,
	2048,
};
constexpr size_t HEAP_SLAB_MAX = 2048;
constexpr size_t HEAP_UNIT = 16;

struct heap_class {
	struct spinlock lock;
	struct frame_list partial; /* slabs with at least one free object */
	uint32_t n_empty;  /* of them, without used objects */
	uint16_t size_bytes;
	uint16_t n_objects;  /* of a slab */
	uint16_t magazine_max;
};

static struct heap_class heap_classes[HEAP_CLASS_COUNT];
static uint8_t heap_class_of_units[HEAP_SLAB_MAX / HEAP_UNIT + 1]; /* by size in units */
static bool heap_is_ready;

/* On first use, which is on the boot CPU alone. */
static void heap_init(void)
{
	unsigned class_index = 0;

	for (size_t units = 0; units < ARRAY_SIZE(heap_class_of_units); units++) {
		if (units * HEAP_UNIT > heap_class_sizes[class_index]) {
			class_index++;
		}
		heap_class_of_units[units] = (uint8_t)class_index;
	}
	for (unsigned i = 0; i < HEAP_CLASS_COUNT; i++) {
		struct heap_class *class = &heap_classes[i];

		spinlock_init(&class->lock, LOCK_RANK_SLAB);
		class->partial.first = FRAME_NONE;
		class->n_empty = 0;
		class->size_bytes = heap_class_sizes[i];
		class->n_objects = (uint16_t)(FRAME_SIZE / class->size_bytes);
		class->magazine_max = class->size_bytes <= 256 ? 32
			: class->size_bytes <= 1024            ? 16
							       : 8;
	}
	heap_is_ready = true;
}

/* ---- slabs, class->lock held ------------------------------------------------------- */

/*
 * A slab counts offsets in units of 16 bytes from 1, so that 0 can mean none; they stand in the
 * free objects.
 */
static void *heap_slab_object(uint32_t index, uint16_t position)
{
	return (uint8_t *)arch_phys_to_virt((uint64_t)index << FRAME_SHIFT) +
		(position - 1u) * HEAP_UNIT;
}

static bool heap_slab_create(struct heap_class *class)
{
	uint64_t phys = frame_allocate();

	if (phys == 0) {
		return false;
	}
	uint32_t index = (uint32_t)(phys >> FRAME_SHIFT);
	struct frame *frame = frame_of(phys);
	uint16_t next = 0;

	frame->state = FRAME_SLAB;
	frame->order = (uint8_t)(class - heap_classes);
	for (unsigned i = class->n_objects; i-- > 0;) {
		uint16_t position = (uint16_t)(i * class->size_bytes / HEAP_UNIT + 1);
		void *object = heap_slab_object(index, position);

		heap_debug_freed(object, class->size_bytes);
		*(uint16_t *)object = next;
		next = position;
	}
	frame->slab.first_free = next;
	frame->slab.n_used = 0;
	frame_list_push(&class->partial, index);
	class->n_empty++;
	return true;
}

static void *heap_slab_take(struct heap_class *class)
{
	if (class->partial.first == FRAME_NONE && !heap_slab_create(class)) {
		return NULL;
	}
	uint32_t index = class->partial.first;
	struct frame *frame = &frame_table[index];
	void *object = heap_slab_object(index, frame->slab.first_free);

	if (frame->slab.n_used == 0) {
		class->n_empty--;
	}
	frame->slab.first_free = *(uint16_t *)object;
	frame->slab.n_used++;
	if (frame->slab.first_free == 0) {
		frame_list_remove(&class->partial, index);
	}
	return object;
}

/* The page of an empty slab that is not needed goes back as an ordinary single page. */
static void heap_slab_destroy(struct heap_class *class, uint32_t index)
{
	struct frame *frame = &frame_table[index];

	frame_list_remove(&class->partial, index);
	class->n_empty--;
	heap_debug_slab_gone(arch_phys_to_virt((uint64_t)index << FRAME_SHIFT));
	frame->state = FRAME_USED;
	frame->owners = 1;
	frame_unref((uint64_t)index << FRAME_SHIFT);
}

static void heap_slab_give(struct heap_class *class, void *object)
{
	uint64_t phys = arch_virt_to_phys(object);
	uint32_t index = (uint32_t)(phys >> FRAME_SHIFT);
	struct frame *frame = &frame_table[index];

	if (frame->slab.first_free == 0) {
		frame_list_push(&class->partial, index);
	}
	*(uint16_t *)object = frame->slab.first_free;
	frame->slab.first_free = (uint16_t)(phys % FRAME_SIZE / HEAP_UNIT + 1);
	frame->slab.n_used--;
	if (frame->slab.n_used == 0) {
		class->n_empty++;
		if (class->n_empty > 1) {
			heap_slab_destroy(class, index);
		}
	}
}

/* ---- magazines --------------------------------------------------------------------- */

static void heap_magazine_push(struct heap_magazine *magazine, void *object)
{
	*(void **)object = magazine->first;
	magazine->first = object;
	magazine->n_objects++;
}

static void *heap_magazine_pop(struct heap_magazine *magazine)
{
	void *object = magazine->first;

	magazine->first = *(void **)object;
	magazine->n_objects--;
	return object;
}

static void heap_magazine_fill(struct heap_magazine *magazine, struct heap_class *class)
{
	spinlock_acquire(&class->lock);
	while (magazine->n_objects < class->magazine_max / 2u) {
		void *object = heap_slab_take(class);

		if (object == NULL) {
			break;
		}
		heap_magazine_push(magazine, object);
	}
	spinlock_release(&class->lock);
}

static void heap_magazine_drain(
	struct heap_magazine *magazine, struct heap_class *class, uint32_t keep)
{
	spinlock_acquire(&class->lock);
	while (magazine->n_objects > keep) {
		heap_slab_give(class, heap_magazine_pop(magazine));
	}
	spinlock_release(&class->lock);
}

/* ---- runs of pages ----------------------------------------------------------------- */

static unsigned heap_run_order(size_t size)
{
	unsigned order = 0;

	while (FRAME_SIZE << order < size) {
		order++;
	}
	return order;
}

static void *heap_allocate_run(size_t size)
{
	if (size > FRAME_SIZE << FRAME_ORDER_MAX) {
		return NULL;
	}
	unsigned order = heap_run_order(size);
	uint64_t phys = frame_allocate_run(order, ~(uint64_t)0);

	if (phys == 0) {
		return NULL;
	}
	arch_this_cpu()->heap.used_bytes += (int64_t)(FRAME_SIZE << order);
	return arch_phys_to_virt(phys);
}

/* All of an object: objects are 16-aligned and their classes multiples of 16, redzones apart. */
static void heap_clear(void *object, size_t size)
{
	volatile uint64_t *words = object;
	size_t i = 0;

	if (HEAP_REDZONE != 0) {
		memset(object, 0, size);
		return;
	}
	size_t n_words = align_up_size(size, HEAP_UNIT) / sizeof(*words);

	for (; i + 8 <= n_words; i += 8) {
		words[i] = words[i + 1] = words[i + 2] = words[i + 3] = 0;
		words[i + 4] = words[i + 5] = words[i + 6] = words[i + 7] = 0;
	}
	for (; i < n_words; i += 2) {
		words[i] = words[i + 1] = 0;
	}
}

/* ---- interface --------------------------------------------------------------------- */

/* Where objects of a size come from that is no run of pages. */
static inline unsigned heap_class_index(size_t size)
{
	return heap_class_of_units[(size + HEAP_REDZONE + HEAP_UNIT - 1) / HEAP_UNIT];
}

/* Its contents are anything. */
static inline void *heap_allocate_inline(size_t size)
{
	if (unlikely(!heap_is_ready)) {
		heap_init();
	}
	if (unlikely(size > HEAP_SLAB_MAX - HEAP_REDZONE)) {
		return heap_allocate_run(size);
	}
	struct heap_cache *cache = &arch_this_cpu()->heap;
	unsigned class_index = heap_class_index(size);
	struct heap_class *class = &heap_classes[class_index];
	struct heap_magazine *magazine = &cache->magazines[class_index];

	if (unlikely(magazine->first == NULL)) {
		heap_magazine_fill(magazine, class);
		if (magazine->first == NULL) {
			return NULL;
		}
	}
	void *object = heap_magazine_pop(magazine);

	cache->used_bytes += class->size_bytes;
	heap_debug_allocated(object, class->size_bytes, size);
	return object;
}

/**
 * heap_allocate() - memory for a kernel object
 * @size: bytes; 0 counts as 1
 *
 * Return: 16-aligned zeroed memory, or NULL: no memory, or more than 8 MiB.
 */
void *heap_allocate(size_t size)
{
	void *object = heap_allocate_inline(size);

	if (unlikely(object == NULL)) {
		return NULL;
	}
	if (likely(size <= HEAP_SLAB_MAX - HEAP_REDZONE)) {
		heap_clear(object, size);
	} else {
		memset(object, 0, align_up_size(size, FRAME_SIZE));
	}
	return object;
}

/** heap_allocate_dirty() - the same with any contents, for who writes all of it anyway */
void *heap_allocate_dirty(size_t size)
{
	return heap_allocate_inline(size);
}

static inline void heap_free_to(unsigned class_index, void *pointer)
{
	struct heap_cache *cache = &arch_this_cpu()->heap;
	struct heap_class *class = &heap_classes[class_index];
	struct heap_magazine *magazine = &cache->magazines[class_index];

	heap_debug_check(pointer, class->size_bytes);
	heap_debug_freed(pointer, class->size_bytes);
	cache->used_bytes -= class->size_bytes;
	if (unlikely(magazine->n_objects >= class->magazine_max)) {
		heap_magazine_drain(magazine, class, class->magazine_max / 2u);
	}
	heap_magazine_push(magazine, pointer);
}

/**
 * heap_free() - give memory of heap_allocate() back
 * @pointer: or NULL
 */
void heap_free(void *pointer)
{
	if (pointer == NULL) {
		return;
	}
	uint64_t phys = arch_virt_to_phys(pointer);
	struct frame *frame = frame_of(phys);

	if (frame->state == FRAME_RUN) {
		arch_this_cpu()->heap.used_bytes -= (int64_t)(FRAME_SIZE << frame->order);
		frame_free_run(phys, frame->order);
		return;
	}
	ASSERT(frame->state == FRAME_SLAB);
	heap_free_to(frame->order, pointer);
}

/**
 * heap_free_sized() - heap_free() of what was allocated with @size, for who knows it
 * @pointer: or NULL
 */
void heap_free_sized(void *pointer, size_t size)
{
	if (unlikely(pointer == NULL || size > HEAP_SLAB_MAX - HEAP_REDZONE)) {
		heap_free(pointer);
		return;
	}
	if (HEAP_REDZONE != 0) {
		ASSERT(frame_of(arch_virt_to_phys(pointer))->order == heap_class_index(size));
	}
	heap_free_to(heap_class_index(size), pointer);
}

/** heap_used_bytes() - memory in use by objects, counted in sizes of their classes */
uint64_t heap_used_bytes(void)
{
	int64_t used_bytes = 0;

	for (uint32_t i = 0; i < cpu_count; i++) {
		used_bytes += cpu_table[i]->heap.used_bytes;
	}
	return used_bytes > 0 ? (uint64_t)used_bytes : 0;
}

/** heap_trim() - give this CPU's magazines and the empty slabs back; for tests that count frames */
void heap_trim(void)
{
	for (unsigned i = 0; heap_is_ready && i < HEAP_CLASS_COUNT; i++) {
		struct heap_class *class = &heap_classes[i];

		heap_magazine_drain(&arch_this_cpu()->heap.magazines[i], class, 0);
		spinlock_acquire(&class->lock);
		while (class->n_empty > 0 && class->partial.first != FRAME_NONE) {
			uint32_t index = class->partial.first;

			while (index != FRAME_NONE && frame_table[index].slab.n_used != 0) {
				index = frame_table[index].next;
			}
			ASSERT(index != FRAME_NONE);
			heap_slab_destroy(class, index);
		}
		spinlock_release(&class->lock);
	}
}

/** heap_reset() - forget everything, before frame_init() is called again; for tests */
void heap_reset(void)
{
	heap_is_ready = false;
}
