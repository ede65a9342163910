/* SPDX-License-Identifier: MIT */
/*
 * Free frames are poisoned in kernels that AddressSanitizer checks; else this is empty. Over
 * arch/sim it is empty, too: user programs of tests keep frames by other addresses.
 */
#ifndef THOR_MEMORY_FRAME_DEBUG_H
#define THOR_MEMORY_FRAME_DEBUG_H

#include <base/types.h>
#include <thor/arch.h>

#if __has_feature(address_sanitizer) && !defined(HATI_HOST)

void __asan_poison_memory_region(const volatile void *address, size_t size);
void __asan_unpoison_memory_region(const volatile void *address, size_t size);

static inline void frame_debug_freed(uint64_t phys, uint64_t size_bytes)
{
	__asan_poison_memory_region(arch_phys_to_virt(phys), size_bytes);
}

static inline void frame_debug_allocated(uint64_t phys, uint64_t size_bytes)
{
	__asan_unpoison_memory_region(arch_phys_to_virt(phys), size_bytes);
}

#else

/** frame_debug_freed() - nobody may access these frames */
static inline void frame_debug_freed(UNUSED uint64_t phys, UNUSED uint64_t size_bytes)
{
}

/** frame_debug_allocated() - these frames are given out */
static inline void frame_debug_allocated(UNUSED uint64_t phys, UNUSED uint64_t size_bytes)
{
}

#endif

#endif
