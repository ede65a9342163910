/* SPDX-License-Identifier: MIT */
/* Programs of the host have no clock page: the simulated kernel is asked instead. */
#ifndef HELIX_ARCH_SIM_TICKS_H
#define HELIX_ARCH_SIM_TICKS_H

#include <stdint.h>

/** helix_ticks() - not used */
static inline uint64_t helix_ticks(void)
{
	return 0;
}

#endif
