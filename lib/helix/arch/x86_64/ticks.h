/* SPDX-License-Identifier: MIT */
/* The processor's clock that struct hel_clock_page converts. */
#ifndef HELIX_ARCH_X86_64_TICKS_H
#define HELIX_ARCH_X86_64_TICKS_H

#include <stdint.h>

/** helix_ticks() - the time stamp counter */
static inline uint64_t helix_ticks(void)
{
	return __builtin_ia32_rdtsc();
}

#endif
