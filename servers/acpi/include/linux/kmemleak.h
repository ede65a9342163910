/* SPDX-License-Identifier: MIT */
/* Linux' search for leaks, which ACPICA as it is in Linux tells of one block. */
#ifndef ACPI_LINUX_KMEMLEAK_H
#define ACPI_LINUX_KMEMLEAK_H

static inline void kmemleak_not_leak(const void *block)
{
	(void)block;
}

#endif
