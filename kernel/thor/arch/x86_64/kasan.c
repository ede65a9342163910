/* SPDX-License-Identifier: MIT */
/*
 * The runtime of AddressSanitizer in the kernel, for builds with -Dsanitize=kasan.
 *
 * The compiler calls __asan_loadN_noabort() and friends before each access; here a byte of shadow
 * says which of eight bytes of memory may be accessed: 0 all, 1 to 7 the first ones, negative none.
 * All checks and all poisoning are calls (see kernel/thor/meson.build), so the shadow need not be
 * where the compiler thinks: it is kept by physical address, in blocks of 8 MiB that each stand for
 * 64 MiB of RAM, and no page table knows of it. An address of the direct map, of thor's image or of
 * a page that thor has mapped itself (stacks) leads to a physical one, every other is not checked.
 *
 * Poisoned are free heap objects and what lies between objects, free frames, what lies around
 * variables on the stack, and what lies behind global ones.
 *
 *	kasan_init()	first thing when there are frames: boot CPU only, then the shadow is used
 *
 * A kernel entry ends without returning, and so leaves its frames' poison on the stack: the
 * compiler calls __asan_handle_no_return() before each such call, which cleans the stack.
 *
 * Nothing in here is instrumented, or it would check itself.
 */
#include <base/assert.h>
#include <thor/memory/frame.h>
#include <thor/memory/memory.h>
#include <thor/panic.h>

#include "kasan.h"

constexpr uint64_t KASAN_OFFSET = 0xdffffc0000000000; /* -asan-mapping-offset */
constexpr unsigned BLOCK_SHIFT = FRAME_ORDER_MAX + FRAME_SHIFT + 3;
constexpr uint32_t BLOCKS_MAX = 1024; /* 64 GiB of RAM; beyond that nothing is checked */
constexpr uint64_t GRANULE = 8;
constexpr uint64_t CHECKED_AT_ONCE_MAX = 4096; /* of a range: its start; all of it is rare */

enum poison : uint8_t {
	POISON_GLOBAL = 0xf9,
	POISON_HEAP = 0xf7,
};

/* As the compiler writes it. */
struct kasan_global {
	uint64_t address, size, size_with_redzone;
	const char *name, *module;
	uint64_t has_initialiser;
	const void *location;
	uint64_t indicator;
};

extern uint8_t arch__boot_stack[], arch__boot_stack_top[];
extern void (*const arch__constructors_start[])(void);
extern void (*const arch__constructors_end[])(void);

static int8_t *shadow_blocks[BLOCKS_MAX];
/* Page numbers of what is mapped from KERNEL_DYNAMIC_BASE on; 0: nothing. Boot CPU writes. */
static uint32_t mapped_frames[KASAN_MAPPED_MAX];
static bool is_ready;

/* ---- the shadow ------------------------------------------------------------------------------ */

/* The shadow of an address; NULL: it has none. */
static int8_t *shadow_of(uint64_t address)
{
	uint64_t mapped_page = (address - KERNEL_DYNAMIC_BASE) / FRAME_SIZE;
	uint64_t phys = address - arch__direct_map_base;

	if (address >= arch__image_base && address < arch__image_end) {
		phys = address - arch__image_base + arch__image_phys;
	} else if (address >= KERNEL_DYNAMIC_BASE && mapped_page < KASAN_MAPPED_MAX) {
		if (mapped_frames[mapped_page] == 0) {
			return NULL;
		}
		phys = ((uint64_t)mapped_frames[mapped_page] << FRAME_SHIFT) + address % FRAME_SIZE;
	}
	int8_t *block =
		phys >> BLOCK_SHIFT < BLOCKS_MAX ? shadow_blocks[phys >> BLOCK_SHIFT] : NULL;

	return block != NULL ? &block[phys % ((uint64_t)1 << BLOCK_SHIFT) / GRANULE] : NULL;
}

static void shadow_fill(uint64_t address, uint64_t size, uint8_t value)
{
	for (uint64_t done = 0; done < size; done += GRANULE) {
		int8_t *shadow = shadow_of(address + done);

		if (shadow != NULL) {
			*shadow = (int8_t)value;
		}
	}
}

/* The first @size bytes may be accessed. @address is that of a granule. */
static void shadow_allow(uint64_t address, uint64_t size)
{
	int8_t *shadow = shadow_of(address + size);

	shadow_fill(address, size / GRANULE * GRANULE, 0);
	if (size % GRANULE != 0 && shadow != NULL) {
		*shadow = (int8_t)(size % GRANULE);
	}
}

/* Whether the bytes from @address on, up to the end of their granule or @size, may be accessed. */
static bool granule_is_allowed(uint64_t address, uint64_t size)
{
	const int8_t *shadow = shadow_of(address);
	uint64_t end = min_u64(address % GRANULE + size, GRANULE);

	return shadow == NULL || *shadow == 0 || (*shadow > 0 && end <= (uint64_t)*shadow);
}

NORETURN static void report(uint64_t address, uint64_t size, bool is_write, const void *caller)
{
	const int8_t *shadow = shadow_of(address);

	is_ready = false; /* panic() is instrumented */
	panic("kasan: %s of %llu bytes at 0x%llx, shadow 0x%02x, by 0x%llx",
		is_write ? "write" : "read", (unsigned long long)size, (unsigned long long)address,
		shadow != NULL ? (uint8_t)*shadow : 0u, (unsigned long long)caller);
}

static inline void check(uint64_t address, uint64_t size, bool is_write, const void *caller)
{
	if (!is_ready) {
		return;
	}
	uint64_t end = address + min_u64(size, CHECKED_AT_ONCE_MAX);

	for (uint64_t at = address; at < end; at = (at & ~(GRANULE - 1)) + GRANULE) {
		if (unlikely(!granule_is_allowed(at, end - at))) {
			report(at, size, is_write, caller);
		}
	}
}

/* ---- called by instrumented code ------------------------------------------------------------- */

#define CALLER() __builtin_return_address(0)
#define ACCESS(name_, size_) \
	void __asan_load##name_##_noabort(uint64_t address); \
	void __asan_store##name_##_noabort(uint64_t address); \
	void __asan_load##name_##_noabort(uint64_t address) \
	{ \
		check(address, (size_), false, CALLER()); \
	} \
	void __asan_store##name_##_noabort(uint64_t address) \
	{ \
		check(address, (size_), true, CALLER()); \
	}

ACCESS(1, 1)
ACCESS(2, 2)
ACCESS(4, 4)
ACCESS(8, 8)
ACCESS(16, 16)

void __asan_loadN_noabort(uint64_t address, uint64_t size);
void __asan_storeN_noabort(uint64_t address, uint64_t size);

void __asan_loadN_noabort(uint64_t address, uint64_t size)
{
	check(address, size, false, CALLER());
}

void __asan_storeN_noabort(uint64_t address, uint64_t size)
{
	check(address, size, true, CALLER());
}

/* Frames on the stack are described by shadow addresses as the compiler thinks they are. */
#define SET_SHADOW(value_) \
	void __asan_set_shadow_##value_(uint64_t shadow, uint64_t size); \
	void __asan_set_shadow_##value_(uint64_t shadow, uint64_t size) \
	{ \
		if (is_ready) { \
			shadow_fill( \
				(shadow - KASAN_OFFSET) * GRANULE, size * GRANULE, 0x##value_); \
		} \
	}

SET_SHADOW(00)
SET_SHADOW(01)
SET_SHADOW(02)
SET_SHADOW(03)
SET_SHADOW(04)
SET_SHADOW(05)
SET_SHADOW(06)
SET_SHADOW(07)
SET_SHADOW(f1)
SET_SHADOW(f2)
SET_SHADOW(f3)
SET_SHADOW(f5)
SET_SHADOW(f8)

void __asan_poison_memory_region(const volatile void *address, size_t size);
void __asan_unpoison_memory_region(const volatile void *address, size_t size);

/* A granule whose first bytes may be accessed keeps them. */
void __asan_poison_memory_region(const volatile void *address, size_t size)
{
	uint64_t start = (uint64_t)address;
	uint64_t end = start + size;
	uint64_t first = align_up(start, GRANULE);
	int8_t *shadow = shadow_of(start);

	if (!is_ready || size == 0) {
		return;
	}
	if (start % GRANULE != 0 && shadow != NULL) {
		*shadow = (int8_t)(start % GRANULE);
	}
	if (end > first) {
		shadow_fill(first, align_down(end, GRANULE) - first, POISON_HEAP);
	}
}

void __asan_unpoison_memory_region(const volatile void *address, size_t size)
{
	uint64_t start = align_down((uint64_t)address, GRANULE);

	if (is_ready) {
		shadow_allow(start, (uint64_t)address + size - start);
	}
}

void __asan_register_globals(const struct kasan_global *globals, size_t n_globals);

void __asan_register_globals(const struct kasan_global *globals, size_t n_globals)
{
	for (size_t i = 0; i < n_globals; i++) {
		shadow_fill(globals[i].address, globals[i].size_with_redzone, POISON_GLOBAL);
		shadow_allow(globals[i].address, globals[i].size);
	}
}

void __asan_unregister_globals(const struct kasan_global *globals, size_t n_globals);

/* Destructors are linked, but nobody calls them. */
void __asan_unregister_globals(UNUSED const struct kasan_global *globals, UNUSED size_t n_globals)
{
}

/* Where the stack ends that @address is on. */
static uint64_t stack_end(uint64_t address)
{
	uint64_t page = (address - KERNEL_DYNAMIC_BASE) / FRAME_SIZE;

	if (address >= (uint64_t)arch__boot_stack && address < (uint64_t)arch__boot_stack_top) {
		return (uint64_t)arch__boot_stack_top;
	}
	while (address >= KERNEL_DYNAMIC_BASE && page < KASAN_MAPPED_MAX &&
		mapped_frames[page] != 0) {
		page++;
		address = KERNEL_DYNAMIC_BASE + page * FRAME_SIZE;
	}
	return address;
}

void __asan_handle_no_return(void);

void __asan_handle_no_return(void)
{
	uint64_t here = (uint64_t)__builtin_frame_address(0);

	if (is_ready) {
		shadow_fill(here, stack_end(here) - here, 0);
	}
}

/* ---- start ----------------------------------------------------------------------------------- */

void kasan_note_mapping(uint64_t address, uint64_t phys)
{
	uint64_t page = (address - KERNEL_DYNAMIC_BASE) / FRAME_SIZE;

	if (page < KASAN_MAPPED_MAX && phys >> BLOCK_SHIFT < BLOCKS_MAX) {
		mapped_frames[page] = (uint32_t)(phys >> FRAME_SHIFT);
	}
}

static bool block_make(uint32_t index)
{
	uint64_t phys = frame_allocate_run(FRAME_ORDER_MAX, ~(uint64_t)0);

	if (phys == 0) {
		return false;
	}
	uint64_t *words = arch_phys_to_virt(phys);

	for (uint64_t i = 0; i < (FRAME_SIZE << FRAME_ORDER_MAX) / sizeof(*words); i++) {
		words[i] = 0;
	}
	shadow_blocks[index] = (int8_t *)words;
	return true;
}

void kasan_init(const struct boot_info *boot)
{
	for (uint32_t i = 0; i < boot->n_memory; i++) {
		const struct boot_memory *range = &boot->memory[i];
		uint64_t end = range->address + range->size_bytes;

		if (range->type == BOOT_MEMORY_RESERVED) {
			continue;
		}
		for (uint64_t block = range->address >> BLOCK_SHIFT;
			block < BLOCKS_MAX && block << BLOCK_SHIFT < end; block++) {
			if (shadow_blocks[block] == NULL && !block_make((uint32_t)block)) {
				panic("kasan: no memory for the shadow");
			}
		}
	}
	is_ready = true;
	for (void (*const *constructor)(void) = arch__constructors_start;
		constructor < arch__constructors_end; constructor++) {
		(*constructor)();
	}
	klog("thor: kasan: ready");
}
