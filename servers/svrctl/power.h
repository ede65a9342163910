/* SPDX-License-Identifier: MIT */
/* What svrctl needs of other servers: the end of the machine. */
#ifndef SVRCTL_POWER_H
#define SVRCTL_POWER_H

#include <helix/helix.h>

/** svrctl_power_off() - ask hw to turn the machine off; returns only if that does not work */
void svrctl_power_off(struct task *task);

#endif
