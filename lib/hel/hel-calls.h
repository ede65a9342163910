/* SPDX-License-Identifier: MIT */
/*
 * The hel calls as C functions: the whole interface between user mode and thor.
 *
 * Usable by any code in user mode, also without a C library, a stack frame or vector registers
 * (the shim). Every function is one `syscall` instruction; none of them keeps state.
 *
 * All return 0 or -ERR_X (abi/hel/errors.def). An out parameter is written on success only, unless
 * its line says otherwise. What follows from the arguments is not repeated at each function:
 * -ERR_BAD_HANDLE for a handle that names nothing, -ERR_BAD_TYPE for a descriptor of the wrong
 * type, -ERR_NO_RIGHTS if it lacks a right that is named as needed, -ERR_FAULT for a pointer that
 * is not the caller's readable (or writable) memory.
 *
 * The functions are made of abi/hel/definition; docs/hel has a page for each. What stands after
 * "Return:" are the errors of that call alone.
 *
 * A `universe`, `space` or `thread` argument may be HEL_THIS: the caller's own, which needs no
 * rights.
 */
#ifndef HEL_HEL_CALLS_H
#define HEL_HEL_CALLS_H

#include <hel/hel-number.h>

/** HEL_FUTEX_ANY - for hel_futex_requeue(): whatever the word says */
constexpr uint64_t HEL_FUTEX_ANY = ~(uint64_t)0;

#include <hel/hel-calls.gen.h>

#endif
