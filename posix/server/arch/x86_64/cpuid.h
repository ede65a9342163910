/* SPDX-License-Identifier: MIT */
/* What a processor says of itself. */
#ifndef POSIX_ARCH_CPUID_H
#define POSIX_ARCH_CPUID_H

#include <base/types.h>

struct cpuid {
	uint32_t a, b, c, d;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid result;

	__asm__ volatile("cpuid"
		: "=a"(result.a), "=b"(result.b), "=c"(result.c), "=d"(result.d)
		: "a"(leaf), "c"(subleaf));
	return result;
}

#endif
