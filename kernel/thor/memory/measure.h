/* SPDX-License-Identifier: MIT */
/* What the memory subsystem costs, on request. */
#ifndef THOR_MEMORY_MEASURE_H
#define THOR_MEMORY_MEASURE_H

/** memory_measure() - measure and log; on the boot CPU before the first program */
void memory_measure(void);

#endif
