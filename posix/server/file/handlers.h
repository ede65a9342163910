/* SPDX-License-Identifier: MIT */
/* Prototypes of the handlers of all calls, from the tables. */
#ifndef POSIX_FILE_HANDLERS_H
#define POSIX_FILE_HANDLERS_H

#include <posix/server/request.h>

#define LINUX_CALL(number, name, where, a0, a1, a2, a3, a4, a5) \
	int64_t posix_##name(struct request *request);
#include <protocols/posix/calls.def>
#undef LINUX_CALL
#define INTERNAL_CALL(number, name, output) int64_t posix_##name(struct request *request);
#include <posix/server/internal-calls.def>
#undef INTERNAL_CALL

#endif
