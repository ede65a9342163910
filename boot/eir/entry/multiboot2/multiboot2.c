/* SPDX-License-Identifier: MIT */
/*
 * The Multiboot 2 boot protocol (GRUB): start.S has the header and the entry, tags.c reads what the
 * loader says.
 */
#include <eir/arch/x86_64/machine.h>
#include <eir/core/boot.h>

#include "tags.h"

void multiboot2_main(const void *info);

static struct boot_source multiboot2_source;

/* Called from start.S in long mode. */
void multiboot2_main(const void *info)
{
	multiboot2_source.tsc_at_entry = machine_tsc();

	/* it is below 4 GiB, where eir can read */
	const char *why = tags_read(info, GIB(4) - (uint64_t)info, &multiboot2_source);

	if (why != NULL) {
		boot_fail("Multiboot 2: %s", why);
	}
	boot_run(&multiboot2_source);
}
