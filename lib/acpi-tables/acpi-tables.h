/* SPDX-License-Identifier: MIT */
/*
 * Reading the static ACPI tables: what can be had without an interpreter of ACPI bytecode.
 *
 * The caller maps the memory; these functions look at bytes that may be anything: every length is
 * checked before it is used. Numbers in tables are little-endian and need not be aligned.
 */
#ifndef ACPI_TABLES_ACPI_TABLES_H
#define ACPI_TABLES_ACPI_TABLES_H

#include <base/types.h>

/** ACPI_RSDP_SIZE - bytes at the root pointer that acpi_parse_rsdp() looks at */
#define ACPI_RSDP_SIZE   36
/** ACPI_HEADER_SIZE - bytes that every table begins with */
#define ACPI_HEADER_SIZE 36

struct acpi_rsdp {
	uint64_t table_phys; /* of the RSDT or XSDT */
	bool is_extended;    /* it is an XSDT, with 64-bit entries */
};

struct acpi_header {
	char signature[5]; /* terminated */
	uint32_t size_bytes; /* of the whole table, at least ACPI_HEADER_SIZE */
};

/* One range of PCI buses whose configuration space is in memory. */
struct acpi_ecam {
	uint64_t address_phys; /* of bus 0, even if the range begins later */
	uint16_t segment;
	uint8_t first_bus, last_bus;
};

struct acpi_fadt {
	uint64_t dsdt_phys;
	uint16_t pm1a_control_port; /* 0: none */
	uint16_t pm1b_control_port;
	uint16_t reset_port; /* 0: the reset register is no port, or there is none */
	uint8_t reset_value;
};

/* Values of SLP_TYP for a sleep state. */
struct acpi_sleep_type {
	uint8_t pm1a, pm1b;
};

/** acpi_parse_rsdp() - check the root pointer in ACPI_RSDP_SIZE bytes at @data; 0, -ERR_PROTOCOL */
MUST_USE int acpi_parse_rsdp(const void *data, struct acpi_rsdp *out_rsdp);

/** acpi_parse_header() - read the first ACPI_HEADER_SIZE bytes of a table; 0, -ERR_PROTOCOL */
MUST_USE int acpi_parse_header(const void *data, struct acpi_header *out_header);

/** acpi_check_table() - whether the bytes of a whole table add up to zero, as they must */
bool acpi_check_table(const void *table, size_t size);

/** acpi_table_count() - how many tables an RSDT or XSDT of @size bytes names */
size_t acpi_table_count(const struct acpi_rsdp *rsdp, size_t size);

/** acpi_table_phys() - physical address of the table with this @index */
uint64_t acpi_table_phys(const struct acpi_rsdp *rsdp, const void *table, size_t index);

/**
 * acpi_parse_mcfg() - the range number @index of an MCFG table; 0, -ERR_NOT_FOUND behind the last
 */
MUST_USE int acpi_parse_mcfg(
	const void *table, size_t size, size_t index, struct acpi_ecam *out_ecam);

/** acpi_parse_fadt() - what a FADT says about power; 0, -ERR_PROTOCOL */
MUST_USE int acpi_parse_fadt(const void *table, size_t size, struct acpi_fadt *out_fadt);

/**
 * acpi_find_s5() - find the sleep type of "off" in a DSDT without interpreting it
 *
 * Looks for the definition Name(_S5, Package() {a, b, ...}), which is the bytes NameOp "_S5_"
 * PackageOp length count a b, each number as Zero, One or a byte constant. All firmware known to
 * us writes it so.
 *
 * Return: 0, -ERR_NOT_FOUND.
 */
MUST_USE int acpi_find_s5(const void *table, size_t size, struct acpi_sleep_type *out_type);

#endif
