/* SPDX-License-Identifier: MIT */
/* How much memory the machine has: file systems in memory take a part of it at most. */
#ifndef POSIX_VFS_MEMORY_SIZE_H
#define POSIX_VFS_MEMORY_SIZE_H

#include <base/types.h>

/** memory_size_bytes() - all memory that programs can have */
uint64_t memory_size_bytes(void);

#endif
