/* SPDX-License-Identifier: MIT */
/* The kernel's log, for /dev/kmsg. */
#ifndef POSIX_FS_KERNEL_LOG_H
#define POSIX_FS_KERNEL_LOG_H

#include <base/types.h>

/** kernel_log_write() - one message, with or without a "<N>" level before it */
void kernel_log_write(const void *text, size_t size);

/** kernel_log_read() - bytes from a position on, which is advanced; 0: nothing newer */
size_t kernel_log_read(uint64_t *in_out_position, void *buffer, size_t size);

#endif
