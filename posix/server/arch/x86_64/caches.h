/* SPDX-License-Identifier: MIT */
/* Decoding what CPUID says of caches. */
#ifndef POSIX_ARCH_CACHES_H
#define POSIX_ARCH_CACHES_H

#include <posix/server/arch/x86_64/cpuid.h>
#include <posix/server/fs/caches.h>

typedef struct cpuid (*cpuid_fn)(uint32_t leaf, uint32_t subleaf);

/** cpuid_cache() - cache @index of the processor whose leaves @read gives; false: no more */
bool cpuid_cache(cpuid_fn read, uint32_t index, struct processor_cache *out_cache);

#endif
