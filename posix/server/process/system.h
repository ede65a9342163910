/* SPDX-License-Identifier: MIT */
/* What the system calls itself. */
#ifndef POSIX_SYSTEM_H
#define POSIX_SYSTEM_H

#include <posix/server/process/process-internal.h>

#define SYSTEM_NAME    "Linux"
#define SYSTEM_RELEASE "6.1.0-hati"
#define SYSTEM_VERSION "#1 SMP Hati 0.1"
#define SYSTEM_MACHINE "x86_64"

const char *system_host_name(void);

#endif
