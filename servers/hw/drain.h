/* SPDX-License-Identifier: MIT */
/*
 * The last moment before the machine ends, for programs that still have something to write.
 *
 * Such a program publishes an object of class `drain` on mbus and receives on each lane that comes.
 * Before the machine is turned off or reset hw sends a byte there and waits, for a limited time,
 * for the program's end of the lane to close.
 */
#ifndef HW_DRAIN_H
#define HW_DRAIN_H

#include <helix/helix.h>

/** drain_watch() - bind to everybody who wants to be told; a job's function; @argument: unused */
int drain_watch(struct task *task, void *argument);

/** drain_all() - tell them, and wait for at most some seconds; @task NULL: do nothing */
void drain_all(struct task *task);

#endif
