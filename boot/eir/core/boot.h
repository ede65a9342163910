/* SPDX-License-Identifier: MIT */
/* The common path of eir: from what a boot protocol says to thor's entry. */
#ifndef EIR_CORE_BOOT_H
#define EIR_CORE_BOOT_H

#include <base/types.h>
#include <eir/core/source.h>

/** boot_run() - load thor as @source says and enter it */
NORETURN void boot_run(struct boot_source *source);

/** boot_fail() - print one line and stop the machine */
NORETURN void boot_fail(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
