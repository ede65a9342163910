/* SPDX-License-Identifier: MIT */
/*
 * What is asked of the bytecode, over ACPICA. Each function runs in a task that has been announced
 * with osl_enter(), and may suspend it.
 *
 * Whatever the bytecode says is data: counts are limited, nonsense is left out.
 */
#ifndef ACPI_AML_H
#define ACPI_AML_H

#include <base/types.h>
#include <protocols/acpi/acpi.gen.h>

/**
 * aml_open() - load the tables, initialise devices, choose the IO-APIC
 *
 * Return: 0, -ERR_PROTOCOL (the tables cannot be used; the log has details).
 */
MUST_USE int aml_open(void);

/** aml_bridges() - all host bridges; @arena: their arrays live there; 0, -ERR_NO_MEMORY */
MUST_USE int aml_bridges(struct bragi_arena *arena, struct acpi_bridge_span *out_bridges);

struct aml_routes {
	struct acpi_route *items; /* helix_malloc() */
	uint32_t count;
};

/**
 * aml_routes() - read how lines are routed, from every bridge that says so
 *
 * Bridges behind bridges need their bus numbers. Links without a line get one.
 * Return: 0, -ERR_NO_MEMORY.
 */
MUST_USE int aml_routes(struct aml_routes *out_routes);

/** aml_prepare_off() - what S5 wants: its sleep types; 0, -ERR_NOT_FOUND */
MUST_USE int aml_prepare_off(uint32_t *out_pm1a_type, uint32_t *out_pm1b_type);

#endif
