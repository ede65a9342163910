/* SPDX-License-Identifier: MIT */
/* How lines are routed: shared by aml.c and routes.c. */
#ifndef ACPI_ROUTES_H
#define ACPI_ROUTES_H

#include <acpi/acpi.h>

/** aml_integer() - what a device's object @name evaluates to, or @otherwise */
uint64_t aml_integer(acpi_handle device, const char *name, uint64_t otherwise);

#endif
