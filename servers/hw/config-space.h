/* SPDX-License-Identifier: MIT */
/*
 * The machine's PCI configuration space: in memory (ECAM) where the MCFG table says so, else, of
 * segment 0 and without the extended part, through two ports.
 *
 * The ports are an address and a window: using them takes two steps that nobody may come between.
 * hw has one thread, and nobody else has the ports.
 */
#ifndef HW_CONFIG_SPACE_H
#define HW_CONFIG_SPACE_H

#include "pci.h"

#include <acpi-tables/acpi-tables.h>
#include <hel/hel-calls.h>

constexpr size_t CONFIG_RANGES_MAX = 16;

/* Configuration space in memory, of some buses. */
struct config_range {
	struct acpi_ecam ecam;
	volatile uint8_t *mapped; /* of the first bus */
};

struct config_space {
	struct pci_access access;
	hel_handle authority;
	struct config_range ranges[CONFIG_RANGES_MAX];
	size_t n_ranges;
	hel_handle ports; /* HEL_NULL: not opened */
};

/** config_space_init() - nothing is there but the ports; @authority: borrowed */
void config_space_init(struct config_space *space, hel_handle authority);

/**
 * config_space_add() - use memory for these buses
 *
 * Return: 0, -ERR_PROTOCOL (nonsense), -ERR_NO_SPACE (too many), what mapping says.
 */
MUST_USE int config_space_add(struct config_space *space, const struct acpi_ecam *ecam);

#endif
