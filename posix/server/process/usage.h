/* SPDX-License-Identifier: MIT */
/* Times and counts in the forms that Linux programs want. */
#ifndef POSIX_USAGE_H
#define POSIX_USAGE_H

#include <abi/linux/resource.h>
#include <posix/server/process/process-internal.h>

/** usage_encode() - as struct rusage */
void usage_encode(const struct usage *usage, struct linux_rusage *out_rusage);

/** ns_to_ticks() - in the units of times(2) and /proc */
uint64_t ns_to_ticks(uint64_t ns);

#endif
