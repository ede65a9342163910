/* SPDX-License-Identifier: MIT */
/* Reading the static ACPI tables: see acpi-tables.h. */
#include <acpi-tables/acpi-tables.h>

#include <base/errors.h>
#include <base/string.h>

/* ACPI bytecode that acpi_find_s5() understands */
#define AML_ZERO    0x00
#define AML_ONE     0x01
#define AML_NAME    0x08
#define AML_BYTE    0x0a
#define AML_PACKAGE 0x12
#define AML_ROOT    '\\'

#define FADT_DSDT           40
#define FADT_PM1A_CONTROL   64
#define FADT_PM1B_CONTROL   68
#define FADT_FLAGS          112
#define FADT_RESET_REGISTER 116
#define FADT_RESET_VALUE    128
#define FADT_X_DSDT         140
#define FADT_SIZE_MIN       116
#define FADT_FLAG_RESET     (1u << 10)
#define ADDRESS_SPACE_IO    1

#define MCFG_ENTRIES    44
#define MCFG_ENTRY_SIZE 16

static uint16_t read_u16(const void *data, size_t offset)
{
	uint16_t value;

	memcpy(&value, (const uint8_t *)data + offset, sizeof(value));
	return value;
}

static uint32_t read_u32(const void *data, size_t offset)
{
	uint32_t value;

	memcpy(&value, (const uint8_t *)data + offset, sizeof(value));
	return value;
}

static uint64_t read_u64(const void *data, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const uint8_t *)data + offset, sizeof(value));
	return value;
}

bool acpi_check_table(const void *table, size_t size)
{
	const uint8_t *bytes = table;
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++) {
		sum = (uint8_t)(sum + bytes[i]);
	}
	return sum == 0;
}

int acpi_parse_rsdp(const void *data, struct acpi_rsdp *out_rsdp)
{
	const uint8_t *bytes = data;

	if (memcmp(bytes, "RSD PTR ", 8) != 0 || !acpi_check_table(bytes, 20)) {
		return -ERR_PROTOCOL;
	}
	out_rsdp->is_extended = bytes[15] >= 2 && acpi_check_table(bytes, ACPI_RSDP_SIZE) &&
		read_u64(bytes, 24) != 0;
	out_rsdp->table_phys = out_rsdp->is_extended ? read_u64(bytes, 24) : read_u32(bytes, 16);
	return 0;
}

int acpi_parse_header(const void *data, struct acpi_header *out_header)
{
	uint32_t size_bytes = read_u32(data, 4);

	if (size_bytes < ACPI_HEADER_SIZE) {
		return -ERR_PROTOCOL;
	}
	memcpy(out_header->signature, data, 4);
	out_header->signature[4] = '\0';
	out_header->size_bytes = size_bytes;
	return 0;
}

static size_t entry_size(const struct acpi_rsdp *rsdp)
{
	return rsdp->is_extended ? 8 : 4;
}

size_t acpi_table_count(const struct acpi_rsdp *rsdp, size_t size)
{
	return size < ACPI_HEADER_SIZE ? 0 : (size - ACPI_HEADER_SIZE) / entry_size(rsdp);
}

uint64_t acpi_table_phys(const struct acpi_rsdp *rsdp, const void *table, size_t index)
{
	size_t offset = ACPI_HEADER_SIZE + index * entry_size(rsdp);

	return rsdp->is_extended ? read_u64(table, offset) : read_u32(table, offset);
}

int acpi_parse_mcfg(const void *table, size_t size, size_t index, struct acpi_ecam *out_ecam)
{
	const uint8_t *bytes = table;

	if (size < MCFG_ENTRIES || index >= (size - MCFG_ENTRIES) / MCFG_ENTRY_SIZE) {
		return -ERR_NOT_FOUND;
	}
	size_t offset = MCFG_ENTRIES + index * MCFG_ENTRY_SIZE;

	*out_ecam = (struct acpi_ecam){
		.address_phys = read_u64(bytes, offset),
		.segment = read_u16(bytes, offset + 8),
		.first_bus = bytes[offset + 10],
		.last_bus = bytes[offset + 11],
	};
	return 0;
}

int acpi_parse_fadt(const void *table, size_t size, struct acpi_fadt *out_fadt)
{
	const uint8_t *bytes = table;

	if (size < FADT_SIZE_MIN) {
		return -ERR_PROTOCOL;
	}
	*out_fadt = (struct acpi_fadt){
		.dsdt_phys = read_u32(bytes, FADT_DSDT),
		.pm1a_control_port = (uint16_t)read_u32(bytes, FADT_PM1A_CONTROL),
		.pm1b_control_port = (uint16_t)read_u32(bytes, FADT_PM1B_CONTROL),
	};
	if (size >= FADT_X_DSDT + 8 && read_u64(bytes, FADT_X_DSDT) != 0) {
		out_fadt->dsdt_phys = read_u64(bytes, FADT_X_DSDT);
	}
	if (size > FADT_RESET_VALUE && (read_u32(bytes, FADT_FLAGS) & FADT_FLAG_RESET) != 0 &&
		bytes[FADT_RESET_REGISTER] == ADDRESS_SPACE_IO) {
		out_fadt->reset_port = (uint16_t)read_u64(bytes, FADT_RESET_REGISTER + 4);
		out_fadt->reset_value = bytes[FADT_RESET_VALUE];
	}
	return 0;
}

/* A number as bytecode at @offset; moves it on. */
static bool read_aml_number(const uint8_t *bytes, size_t size, size_t *offset, uint8_t *out_value)
{
	size_t at = *offset;

	if (at >= size) {
		return false;
	}
	switch (bytes[at]) {
	case AML_ZERO:
	case AML_ONE:
		*out_value = bytes[at];
		*offset = at + 1;
		return true;
	case AML_BYTE:
		if (size - at < 2) {
			return false;
		}
		*out_value = bytes[at + 1];
		*offset = at + 2;
		return true;
	default: return false;
	}
}

/* What follows "_S5_": the package's head, then its first two numbers. */
static bool read_s5_package(
	const uint8_t *bytes, size_t size, size_t offset, struct acpi_sleep_type *out_type)
{
	if (size - offset < 3 || bytes[offset] != AML_PACKAGE) {
		return false;
	}
	/* the length has as many further bytes as its first one says in its top two bits */
	offset += 2 + (bytes[offset + 1] >> 6);
	offset++; /* the number of elements */
	return read_aml_number(bytes, size, &offset, &out_type->pm1a) &&
		read_aml_number(bytes, size, &offset, &out_type->pm1b);
}

int acpi_find_s5(const void *table, size_t size, struct acpi_sleep_type *out_type)
{
	const uint8_t *bytes = table;
	struct acpi_sleep_type type;

	for (size_t i = 2; i + 4 < size; i++) {
		bool is_name = bytes[i - 1] == AML_NAME ||
			(bytes[i - 1] == AML_ROOT && bytes[i - 2] == AML_NAME);

		if (is_name && memcmp(bytes + i, "_S5_", 4) == 0 &&
			read_s5_package(bytes, size, i + 4, &type)) {
			*out_type = type;
			return 0;
		}
	}
	return -ERR_NOT_FOUND;
}
