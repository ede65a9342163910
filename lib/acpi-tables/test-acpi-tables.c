/* SPDX-License-Identifier: MIT */
/* Tests of reading ACPI tables, from well-formed ones to random bytes. */
#include <acpi-tables/acpi-tables.h>

#include <base/errors.h>
#include <base/random.h>
#include <base/testing.h>

static void fix_checksum(uint8_t *bytes, size_t size, size_t at)
{
	uint8_t sum = 0;

	bytes[at] = 0;
	for (size_t i = 0; i < size; i++) {
		sum = (uint8_t)(sum + bytes[i]);
	}
	bytes[at] = (uint8_t)-sum;
}

static void put(uint8_t *bytes, size_t offset, uint64_t value, size_t size)
{
	memcpy(bytes + offset, &value, size);
}

TEST(acpi_root_pointer)
{
	uint8_t data[ACPI_RSDP_SIZE] = "RSD PTR ";
	struct acpi_rsdp rsdp;

	put(data, 16, 0x12345678, 4);
	fix_checksum(data, 20, 8);
	CHECK_EQ(acpi_parse_rsdp(data, &rsdp), 0);
	CHECK(!rsdp.is_extended);
	CHECK_EQ(rsdp.table_phys, 0x12345678);
	data[15] = 2;
	put(data, 24, 0x123456789a, 8);
	fix_checksum(data, 20, 8);
	fix_checksum(data, 36, 32);
	CHECK_EQ(acpi_parse_rsdp(data, &rsdp), 0);
	CHECK(rsdp.is_extended);
	CHECK_EQ(rsdp.table_phys, 0x123456789a);
	data[17]++;
	CHECK_EQ(acpi_parse_rsdp(data, &rsdp), -ERR_PROTOCOL);
}

TEST(acpi_lists_of_tables)
{
	uint8_t table[36 + 16] = "XSDT";
	struct acpi_rsdp rsdp = { .is_extended = true };
	struct acpi_header header;

	put(table, 4, sizeof(table), 4);
	put(table, 36, 0x1111, 8);
	put(table, 44, 0x222200000000, 8);
	CHECK_EQ(acpi_parse_header(table, &header), 0);
	CHECK_STR_EQ(header.signature, "XSDT");
	CHECK_EQ(header.size_bytes, sizeof(table));
	CHECK_EQ(acpi_table_count(&rsdp, sizeof(table)), 2);
	CHECK_EQ(acpi_table_phys(&rsdp, table, 1), 0x222200000000);
	rsdp.is_extended = false;
	CHECK_EQ(acpi_table_count(&rsdp, sizeof(table)), 4);
	CHECK_EQ(acpi_table_phys(&rsdp, table, 0), 0x1111);
	CHECK_EQ(acpi_table_count(&rsdp, 3), 0);
	put(table, 4, 35, 4);
	CHECK_EQ(acpi_parse_header(table, &header), -ERR_PROTOCOL);
}

TEST(acpi_mcfg)
{
	uint8_t table[44 + 16] = "MCFG";
	struct acpi_ecam ecam;

	put(table, 44, 0xb0000000, 8);
	put(table, 52, 3, 2);
	table[54] = 0;
	table[55] = 255;
	CHECK_EQ(acpi_parse_mcfg(table, sizeof(table), 0, &ecam), 0);
	CHECK_EQ(ecam.address_phys, 0xb0000000);
	CHECK_EQ(ecam.segment, 3);
	CHECK_EQ(ecam.last_bus, 255);
	CHECK_EQ(acpi_parse_mcfg(table, sizeof(table), 1, &ecam), -ERR_NOT_FOUND);
	CHECK_EQ(acpi_parse_mcfg(table, sizeof(table) - 1, 0, &ecam), -ERR_NOT_FOUND);
	CHECK_EQ(acpi_parse_mcfg(table, 10, 0, &ecam), -ERR_NOT_FOUND);
}

TEST(acpi_fadt)
{
	uint8_t table[244] = "FACP";
	struct acpi_fadt fadt;

	put(table, 40, 0x1000, 4);
	put(table, 64, 0x604, 4);
	CHECK_EQ(acpi_parse_fadt(table, 116, &fadt), 0);
	CHECK_EQ(fadt.dsdt_phys, 0x1000);
	CHECK_EQ(fadt.pm1a_control_port, 0x604);
	CHECK_EQ(fadt.reset_port, 0);
	put(table, 112, 1 << 10, 4);
	table[116] = 1;
	put(table, 120, 0xcf9, 8);
	table[128] = 0xf;
	put(table, 140, 0x200000000, 8);
	CHECK_EQ(acpi_parse_fadt(table, sizeof(table), &fadt), 0);
	CHECK_EQ(fadt.dsdt_phys, 0x200000000);
	CHECK_EQ(fadt.reset_port, 0xcf9);
	CHECK_EQ(fadt.reset_value, 0xf);
	CHECK_EQ(acpi_parse_fadt(table, 115, &fadt), -ERR_PROTOCOL);
}

TEST(acpi_sleep_type_of_off)
{
	static const uint8_t qemu[] = "....\x08_S5_\x12\x06\x04\x00\x00\x00\x00...";
	static const uint8_t bytes[] = "..\x08\\_S5_\x12\x0a\x04\x0a\x07\x0a\x05\x00\x00.";
	static const uint8_t use[] = "....\x70_S5_\x12\x06\x04\x01\x01\x00\x00...";
	struct acpi_sleep_type type;

	CHECK_EQ(acpi_find_s5(qemu, sizeof(qemu) - 1, &type), 0);
	CHECK_EQ(type.pm1a, 0);
	CHECK_EQ(type.pm1b, 0);
	CHECK_EQ(acpi_find_s5(bytes, sizeof(bytes) - 1, &type), 0);
	CHECK_EQ(type.pm1a, 7);
	CHECK_EQ(type.pm1b, 5);
	CHECK_EQ(acpi_find_s5(use, sizeof(use) - 1, &type), -ERR_NOT_FOUND);
	CHECK_EQ(acpi_find_s5(qemu, 12, &type), -ERR_NOT_FOUND);
}

TEST(acpi_survives_random_bytes)
{
	struct random random;
	struct acpi_sleep_type type;
	struct acpi_fadt fadt;
	struct acpi_ecam ecam;

	random_init(&random, test_seed(1));
	for (int i = 0; i < 50000; i++) {
		static const uint8_t pieces[] = { 8, '_', 'S', '5', '_', 0x12, 0x40, 0xc0, 0, 1,
			10 };
		size_t size = random_below(&random, 64);
		uint8_t *data = malloc(size + 1);

		for (size_t k = 0; k < size; k++) {
			data[k] = pieces[random_below(&random, sizeof(pieces))];
		}
		if (size > 12) {
			memcpy(data + random_below(&random, size - 6), "\x08_S5_\x12", 6);
		}
		(void)!acpi_find_s5(data, size, &type);
		(void)!acpi_parse_fadt(data, size, &fadt);
		(void)!acpi_parse_mcfg(data, size, random_below(&random, 3), &ecam);
		free(data);
	}
}

TEST_MAIN()
