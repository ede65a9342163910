/* SPDX-License-Identifier: MIT */
/*
 * The layer below ACPICA: memory, ports, configuration space, waiting.
 *
 * ACPICA is made for threads that block. Here it runs on tasks of the loop, one for each request
 * and one for each thing that it puts off, so it waits in awaits, and what lies between two is
 * atomic: locks for a moment need not lock. The task that runs is `current`; whoever may suspend
 * below ACPICA sets it again afterwards.
 *
 * No interrupt is handled here and no event: hw has the fixed ones, and others are not used.
 */
#ifndef ACPI_OSL_H
#define ACPI_OSL_H

#include <async/task.h>
#include <helix/helix.h>

/** osl_init() - before anything else; both borrowed for ever */
MUST_USE int osl_init(struct loop *loop, hel_handle authority, uint64_t rsdp_phys);

/** osl_set_config() - who has the configuration space; @lane: taken, speaks acpi's `config` */
void osl_set_config(hel_handle lane);

/** osl_enter() - @task is going to call ACPICA */
void osl_enter(struct task *task);

#endif
