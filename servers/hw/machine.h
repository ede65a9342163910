/* SPDX-License-Identifier: MIT */
/* What hw knows of this machine: its tables, its configuration space, its power switch. */
#ifndef HW_MACHINE_H
#define HW_MACHINE_H

#include "pci.h"

#include <acpi-tables/acpi-tables.h>
#include <hel/hel-calls.h>

/* Configuration space in memory, for one range of buses. */
struct machine_ecam {
	struct pci_access access;
	struct acpi_ecam range;
	volatile uint8_t *mapped; /* of the first bus */
};

struct machine {
	hel_handle authority;
	struct machine_ecam ecam;
	bool has_ecam;
	struct acpi_fadt fadt;
	bool has_fadt;
	struct acpi_sleep_type off;
	bool has_off;
};

/**
 * machine_init() - read the ACPI tables
 * @authority: borrowed
 * @rsdp_phys: of the root pointer
 *
 * What cannot be found is logged and missing. Return: 0, or why there are no tables at all.
 */
MUST_USE int machine_init(struct machine *machine, hel_handle authority, uint64_t rsdp_phys);

struct interrupt_line;

/**
 * machine_find_line() - which line of an interrupt controller a function's INTx is on
 *
 * Return: 0, -ERR_UNSUPPORTED (nobody knows).
 */
MUST_USE int machine_find_line(const struct machine *machine, const struct pci_function *function,
	struct interrupt_line *out_line);

/**
 * machine_power_off() - tell the machine to turn off, which takes it a moment
 *
 * Return: 0, -ERR_UNSUPPORTED, or why it could not be told.
 */
int machine_power_off(const struct machine *machine);

/** machine_reset() - tell the machine to start again; the same */
int machine_reset(const struct machine *machine);

#endif
