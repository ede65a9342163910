/* SPDX-License-Identifier: MIT */
/*
 * The project's error numbers.
 *
 * A function that can fail returns `int`: 0 or -ERR_X. The numbers are those of the kernel's ABI
 * (abi/hel/errors.def), so that no border inside the system converts them; errno exists only at the
 * edge of posix.
 */
#ifndef BASE_ERRORS_H
#define BASE_ERRORS_H

#include <abi/hel/errors.h>

/** error_name() - "NO_MEMORY" for ERR_NO_MEMORY or -ERR_NO_MEMORY, "NONE" for 0, "?" if unknown */
const char *error_name(int error);

/** error_text() - one phrase that explains the error to a person */
const char *error_text(int error);

#endif
