/* SPDX-License-Identifier: MIT */
/*
 * Which error each call, operation and action has ended with, over all tests of a program: with
 * HATI_WITNESS=FOLDER they are left there at exit, for tools/hel/test-complete.py.
 */
#ifndef THOR_ARCH_WITNESS_H
#define THOR_ARCH_WITNESS_H

#include <base/types.h>

/** arch_witness_completion() - the completion of an operation was written */
void arch_witness_completion(uint32_t opcode, int32_t error);

/** arch_witness_action() - an action ended by itself with @error, in its exchange's completion */
void arch_witness_action(uint32_t type, int32_t error);

/** arch_witness_refusal() - an exchange was refused because of an action */
void arch_witness_refusal(uint32_t type, int32_t error);

/** sim_witness_call() - a call returned */
void sim_witness_call(uint32_t number, int64_t error);

#endif
