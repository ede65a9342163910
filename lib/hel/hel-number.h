/* SPDX-License-Identifier: MIT */
/* The numbers of the hel calls and how this architecture makes one. */
#ifndef HEL_HEL_NUMBER_H
#define HEL_HEL_NUMBER_H

#include <abi/hel/bounce.h>
#include <abi/hel/hel.h>
#include <abi/hel/queue.h>

#include <stddef.h>
#include <stdint.h>

#if defined(HATI_HOST)
#include <hel/arch/sim/call.h>
#elif defined(__x86_64__)
#include <hel/arch/x86_64/call.h>
#else
#error "no hel calls for this architecture"
#endif

enum hel_call_number : uint32_t {
#define HEL_CALL(number, name, n_arguments) HEL_CALL_##name = HEL_CALL_BASE + (number),
#include <abi/hel/calls.gen.h>
#undef HEL_CALL
};

#define HEL_MUST_USE __attribute__((warn_unused_result))

#endif
