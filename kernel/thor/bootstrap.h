/* SPDX-License-Identifier: MIT */
/* The first program. */
#ifndef THOR_BOOTSTRAP_H
#define THOR_BOOTSTRAP_H

#include <abi/boot/boot-info.h>
#include <base/types.h>

/**
 * server_bootstrap() - load svrctl out of the initrd and make its first thread runnable; panics
 * if that fails
 */
void server_bootstrap(const struct boot_info *boot);

/**
 * boot_owns_range() - whether thor uses some of [@phys, @phys + @size_bytes) as RAM, or may do so
 * later
 */
bool boot_owns_range(uint64_t phys, uint64_t size_bytes);

#endif
