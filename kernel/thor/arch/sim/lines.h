/* SPDX-License-Identifier: MIT */
/*
 * The simulated interrupt controller: SIM_LINES lines that tests drive as devices do.
 *
 * It behaves like an IO-APIC: a masked edge is lost; a level interrupts once, and again after the
 * end of that interrupt, as long as it is asserted and not masked. Lines 0 to 15 are the ISA
 * interrupts of the same number, except that ISA interrupt 0 is line 2, and 9 is active low and
 * level-triggered.
 */
#ifndef THOR_ARCH_SIM_LINES_H
#define THOR_ARCH_SIM_LINES_H

#include <base/types.h>

constexpr uint32_t SIM_LINES = 24;

/** sim_lines_reset() - all masked and not asserted; sim_boot() does that */
void sim_lines_reset(void);

/** sim_line_set() - a device asserts the line or ceases to */
void sim_line_set(uint32_t gsi, bool is_asserted);

/** sim_line_pulse() - an edge */
void sim_line_pulse(uint32_t gsi);

bool sim_line_is_masked(uint32_t gsi);

#endif
