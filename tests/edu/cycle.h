/* SPDX-License-Identifier: MIT */
/* One round of work of an `edu` device, checked. */
#ifndef TESTS_EDU_CYCLE_H
#define TESTS_EDU_CYCLE_H

#include "edu.h"

/** edu_cycle() - a factorial and a copy; 0, -ERR_IO (a result is wrong), what awaiting says */
MUST_USE int edu_cycle(struct task *task, struct edu *edu, uint32_t round);

#endif
