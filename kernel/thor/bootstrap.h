/* SPDX-License-Identifier: MIT */
/* The first program. */
#ifndef THOR_BOOTSTRAP_H
#define THOR_BOOTSTRAP_H

#include <abi/boot/boot-info.h>

/**
 * server_bootstrap() - load svrctl out of the initrd and make its first thread runnable; panics
 * if that fails
 */
void server_bootstrap(const struct boot_info *boot);

#endif
