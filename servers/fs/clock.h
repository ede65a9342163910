/* SPDX-License-Identifier: MIT */
/* The wall clock, as the kernel shows it to all programs. */
#ifndef FS_CLOCK_H
#define FS_CLOCK_H

#include <base/types.h>

/** fs_realtime_ns() - nanoseconds since 1970 */
int64_t fs_realtime_ns(void);

#endif
