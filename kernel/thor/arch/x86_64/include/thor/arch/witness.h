/* SPDX-License-Identifier: MIT */
/* What the tests in the sim want to know of each error is not noted on a real machine. */
#ifndef THOR_ARCH_WITNESS_H
#define THOR_ARCH_WITNESS_H

#include <base/types.h>

static inline void arch_witness_completion(UNUSED uint32_t opcode, UNUSED int32_t error)
{
}

static inline void arch_witness_action(UNUSED uint32_t type, UNUSED int32_t error)
{
}

static inline void arch_witness_refusal(UNUSED uint32_t type, UNUSED int32_t error)
{
}

#endif
