/* SPDX-License-Identifier: MIT */
/*
 * What debug builds check of heap objects: patterns in freed ones, a redzone after each one, and
 * AddressSanitizer's shadow on the host. In release builds all of it is empty.
 *
 *	allocated:  | size bytes | 0xfa … | size ^ HEAP_REDZONE_MAGIC |
 *	freed:      | links: 8 bytes | 0xa5 …                         |
 */
#ifndef THOR_MEMORY_HEAP_DEBUG_H
#define THOR_MEMORY_HEAP_DEBUG_H

#include <base/assert.h>
#include <base/string.h>
#include <base/types.h>

/* Not in memory.h: for tests of thor over arch/sim. */
void heap_trim(void);
void heap_reset(void);

#if __has_feature(address_sanitizer)
void __asan_poison_memory_region(const volatile void *address, size_t size);
void __asan_unpoison_memory_region(const volatile void *address, size_t size);
#define HEAP_POISON(address, size)   __asan_poison_memory_region(address, size)
#define HEAP_UNPOISON(address, size) __asan_unpoison_memory_region(address, size)
#else
#define HEAP_POISON(address, size)   ((void)(address), (void)(size))
#define HEAP_UNPOISON(address, size) ((void)(address), (void)(size))
#endif

#ifdef NDEBUG
constexpr size_t HEAP_REDZONE = 0;
#else
constexpr size_t HEAP_REDZONE = 16;
#endif

constexpr size_t HEAP_LINK = 8; /* first bytes of a free object, in use by the heap */
constexpr uint64_t HEAP_REDZONE_MAGIC = 0x5ca1ab1e0ddba11;
constexpr uint8_t HEAP_FREED = 0xa5;
constexpr uint8_t HEAP_BEYOND = 0xfa;

/** heap_debug_freed() - an object becomes free */
static inline void heap_debug_freed(void *object, size_t class_size)
{
	if (HEAP_REDZONE != 0) {
		HEAP_UNPOISON(object, class_size);
		memset(object, HEAP_FREED, class_size);
		HEAP_POISON((uint8_t *)object + HEAP_LINK, class_size - HEAP_LINK);
	}
}

/**
 * heap_debug_allocated() - a free object is given out: check that nobody wrote to it, set the
 * redzone
 */
static inline void heap_debug_allocated(void *object, size_t class_size, size_t size)
{
	if (HEAP_REDZONE != 0) {
		uint8_t *bytes = object;
		uint64_t mark = size ^ HEAP_REDZONE_MAGIC;

		HEAP_UNPOISON(object, class_size);
		for (size_t i = HEAP_LINK; i < class_size; i++) {
			ASSERT(bytes[i] == HEAP_FREED);
		}
		memset(bytes + size, HEAP_BEYOND, class_size - size);
		memcpy(bytes + class_size - sizeof(mark), &mark, sizeof(mark));
		HEAP_POISON(bytes + size, class_size - size);
	}
}

/**
 * heap_debug_check() - an object is about to be freed: it is in use, and nobody wrote beyond its
 * end
 */
static inline void heap_debug_check(void *object, size_t class_size)
{
	if (HEAP_REDZONE != 0) {
		uint8_t *bytes = object;
		uint64_t mark;

		HEAP_UNPOISON(object, class_size);
		memcpy(&mark, bytes + class_size - sizeof(mark), sizeof(mark));
		ASSERT((mark ^ HEAP_REDZONE_MAGIC) <= class_size - HEAP_REDZONE);
		for (size_t i = mark ^ HEAP_REDZONE_MAGIC; i < class_size - sizeof(mark); i++) {
			ASSERT(bytes[i] == HEAP_BEYOND);
		}
	}
}

/** heap_debug_slab_gone() - the page of a slab is an ordinary page again */
static inline void heap_debug_slab_gone(void *page)
{
	if (HEAP_REDZONE != 0) {
		HEAP_UNPOISON(page, 4096);
	}
}

#endif
