/* SPDX-License-Identifier: MIT */
/* The end of the machine. */
#ifndef POSIX_POWER_H
#define POSIX_POWER_H

/** power_off() - ask hw to turn the machine off, or to start it again; returns at once */
void power_off(bool is_restart);

#endif
