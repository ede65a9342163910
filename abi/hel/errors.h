/* SPDX-License-Identifier: MIT */
/* Error codes shared by the kernel and everything above it; see errors.def. */
#ifndef ABI_HEL_ERRORS_H
#define ABI_HEL_ERRORS_H

enum error_code {
	ERR_NONE = 0,
#define HEL_ERROR(name, number, text) ERR_##name = number,
#include <abi/hel/errors.def>
#undef HEL_ERROR
};

#endif
