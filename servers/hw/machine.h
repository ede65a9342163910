/* SPDX-License-Identifier: MIT */
/* What hw knows of this machine: its tables, its configuration space, its power switch. */
#ifndef HW_MACHINE_H
#define HW_MACHINE_H

#include "config-space.h"
#include "firmware.h"

#include <hel/hel-calls.h>

struct machine {
	struct helix_loop *loop;
	hel_handle authority, mbus;
	struct config_space config;
	struct firmware firmware;
	struct list objects; /* struct hw_object, one for each PCI function */
	struct acpi_fadt fadt;
	bool has_fadt;
	struct acpi_sleep_type off;
	bool has_off;
};

/**
 * machine_init() - read the ACPI tables
 * @machine: zeroed but for its loop and mbus
 * @authority: borrowed
 * @rsdp_phys: of the root pointer
 *
 * What cannot be found is logged and missing. Return: 0, or why there are no tables at all.
 */
MUST_USE int machine_init(struct machine *machine, hel_handle authority, uint64_t rsdp_phys);

/** machine_find_bridge() - the bridge to @address' bus, NULL for the bus of a host bridge */
const struct pci_function *machine_find_bridge(
	const struct machine *machine, const struct pci_address *address);

/**
 * machine_power_off() - tell the machine to turn off, which takes it a moment
 * @task: may be suspended; NULL: it is not there
 *
 * Return: 0, -ERR_UNSUPPORTED, or why it could not be told.
 */
int machine_power_off(struct task *task, struct machine *machine);

/** machine_reset() - tell the machine to start again; the same */
int machine_reset(const struct machine *machine);

#endif
