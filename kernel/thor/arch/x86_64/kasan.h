/* SPDX-License-Identifier: MIT */
/* What the start of the machine tells the runtime of AddressSanitizer; see kasan.c. */
#ifndef THOR_ARCH_X86_64_KASAN_H
#define THOR_ARCH_X86_64_KASAN_H

#include <abi/boot/boot-info.h>
#include <base/types.h>

/* What thor maps itself is from here on: see kernel-map.c. */
#define KERNEL_DYNAMIC_BASE 0xfffffe8000000000u

#if __has_feature(address_sanitizer) || defined(THOR_KASAN)

constexpr uint32_t KASAN_MAPPED_MAX = 16384; /* pages from KERNEL_DYNAMIC_BASE that are checked */
constexpr unsigned KASAN_STACK_FACTOR = 2;   /* instrumented code uses more stack */

/** kasan_init() - make the shadow and check from now on; when there are frames */
void kasan_init(const struct boot_info *boot);

/** kasan_note_mapping() - a page of @phys is mapped at @address, from KERNEL_DYNAMIC_BASE on */
void kasan_note_mapping(uint64_t address, uint64_t phys);

#else

constexpr unsigned KASAN_STACK_FACTOR = 1;

static inline void kasan_init(UNUSED const struct boot_info *boot)
{
}

static inline void kasan_note_mapping(UNUSED uint64_t address, UNUSED uint64_t phys)
{
}

#endif

#endif
