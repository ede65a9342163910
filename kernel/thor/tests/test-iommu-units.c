/* SPDX-License-Identifier: MIT */
/*
 * The drivers of IOMMU units against units made of memory: what they write, what they make of
 * faults, tables of the firmware that are nonsense, and units that do not answer.
 *
 * iommu_wait() is where hardware gets its turn: unit_step works off what is queued and answers.
 */
#include "support.h"

#include <base/string.h>

#include "../arch/x86_64/acpi.h"
#include "../arch/x86_64/amdvi.h"
#include "../arch/x86_64/machine.h"
#include "../arch/x86_64/pci-config.h"
#include "../arch/x86_64/vtd.h"

constexpr uint64_t REGISTERS_PHYS = 0xfed90000;
constexpr uint32_t RECORDS_OFFSET = 0x220;
constexpr uint32_t COMMANDS_MAX = 16;

static _Alignas(4096) uint8_t registers[AMDVI_REGISTERS_SIZE];
static void (*unit_step)(void);
static bool is_deaf;
static unsigned n_waits;
static struct {
	uint64_t low, high;
} commands[COMMANDS_MAX]; /* the last ones that the unit has got */
static uint32_t n_commands;
static const void *firmware_table;
static struct {
	uint16_t first, last;
} reserved[8];
static uint32_t n_reserved;

/* ---- the rest of arch/x86_64 ----------------------------------------------------------------- */

void *kernel_map_device(uint64_t phys, UNUSED uint64_t size)
{
	return registers + (phys - REGISTERS_PHYS);
}

bool iommu_wait(bool (*is_done)(const void *context), const void *context)
{
	n_waits++;
	if (!is_deaf) {
		unit_step();
	}
	return is_done(context);
}

void iommu_write_back(UNUSED const void *start, UNUSED size_t size_bytes)
{
}

void iommu_message(uint64_t *out_address, uint32_t *out_data)
{
	*out_address = 0xfee01000;
	*out_data = VECTOR_IOMMU;
}

void iommu_devices_reserve(uint16_t first, uint16_t last)
{
	if (n_reserved < ARRAY_SIZE(reserved)) {
		reserved[n_reserved].first = first;
		reserved[n_reserved++].last = last;
	}
}

const void *acpi_find(const char signature[4])
{
	return firmware_table != NULL && memcmp(firmware_table, signature, 4) == 0 ? firmware_table
										   : NULL;
}

uint32_t pci_config_read(UNUSED uint16_t device, UNUSED uint32_t offset)
{
	return 0;
}

void pci_config_write(UNUSED uint16_t device, UNUSED uint32_t offset, UNUSED uint32_t value)
{
}

uint32_t pci_config_find(UNUSED uint16_t device, UNUSED uint8_t capability_id)
{
	return 0x40;
}

/* A bridge to bus 5 at 00:01.0. */
bool pci_config_secondary_bus(uint16_t device, uint8_t *out_bus)
{
	*out_bus = 5;
	return device == 1 << 3;
}

/* ---- units made of memory -------------------------------------------------------------------- */

static uint64_t *register_u64(uint32_t offset)
{
	return (uint64_t *)(registers + offset);
}

static uint32_t *register_u32(uint32_t offset)
{
	return (uint32_t *)(registers + offset);
}

static void note_command(uint64_t low, uint64_t high)
{
	commands[n_commands % COMMANDS_MAX].low = low;
	commands[n_commands++ % COMMANDS_MAX].high = high;
}

static void amdvi_step(void)
{
	const uint64_t *buffer =
		arch_phys_to_virt(*register_u64(AMDVI_COMMAND_BUFFER) & 0x000ffffffffff000);
	uint64_t head = *register_u64(AMDVI_COMMAND_HEAD);

	for (; head != *register_u64(AMDVI_COMMAND_TAIL); head = (head + 16) % 4096) {
		uint64_t low = buffer[head / 8];
		uint64_t high = buffer[head / 8 + 1];

		if (low >> 60 == 1) {
			*(uint64_t *)arch_phys_to_virt(low & 0x000ffffffffffff8) = high;
		} else {
			note_command(low, high);
		}
	}
	*register_u64(AMDVI_COMMAND_HEAD) = head;
}

static void vtd_step(void)
{
	const uint64_t *queue = arch_phys_to_virt(*register_u64(VTD_QUEUE_ADDRESS));
	uint64_t head = *register_u64(VTD_QUEUE_HEAD);

	*register_u32(VTD_STATUS) = *register_u32(VTD_COMMAND) & ~(uint32_t)VTD_WRITE_BUFFER;
	for (; head != *register_u64(VTD_QUEUE_TAIL); head = (head + 16) % 4096) {
		uint64_t low = queue[head / 8];
		uint64_t high = queue[head / 8 + 1];

		if ((low & 15) == 5) {
			*(uint32_t *)arch_phys_to_virt(high) = (uint32_t)(low >> 32);
		} else {
			note_command(low, high);
		}
	}
	*register_u64(VTD_QUEUE_HEAD) = head;
}

static void begin(void (*step)(void))
{
	if (cpu_count == 0) {
		fixture_begin(1, 32, 1); /* units keep their pages for ever */
	}
	memset(registers, 0, sizeof(registers));
	unit_step = step;
	is_deaf = false;
	n_commands = 0;
}

static struct amdvi_unit amdvi;
static struct vtd_unit vtd;

static void amdvi_begin(void)
{
	begin(amdvi_step);
	amdvi = (struct amdvi_unit){ .registers_phys = REGISTERS_PHYS };
	CHECK_OK(amdvi_unit_start(&amdvi, 0x200000));
	n_commands = 0;
}

static void vtd_begin(uint64_t capability)
{
	begin(vtd_step);
	*register_u64(VTD_CAPABILITY) = capability | (uint64_t)(RECORDS_OFFSET / 16) << 24 |
		(uint64_t)1 << 40; /* two fault records */
	*register_u64(VTD_EXTENDED_CAPABILITY) = VTD_ECAP_QUEUE;
	vtd = (struct vtd_unit){ .registers_phys = REGISTERS_PHYS };
	CHECK_OK(vtd_unit_open(&vtd));
	CHECK_OK(vtd_unit_start(&vtd, 0x300000));
	n_commands = 0;
}

/* ---- AMD-Vi ---------------------------------------------------------------------------------- */

TEST(amdvi_starts)
{
	amdvi_begin();
	CHECK_EQ(*register_u64(AMDVI_DEVICE_TABLE), 0x200000 | 0x1ff);
	CHECK_EQ(*register_u64(AMDVI_CONTROL) & 0x140d, 0x140d);
}

TEST(amdvi_flushes_the_block_around_a_range)
{
	amdvi_begin();
	CHECK_OK(amdvi_unit_flush(&amdvi, 7, 0x5000, 0x1000));
	CHECK_EQ(commands[0].low, (uint64_t)3 << 60 | (uint64_t)7 << 32);
	CHECK_EQ(commands[0].high, 0x4000 | 3); /* two pages: bit 12 is the lowest zero */
	CHECK_OK(amdvi_unit_flush(&amdvi, 7, 0x5000, 0x2000));
	CHECK_EQ(commands[1].high, 0x4000 | 0x1000 | 3); /* four */
	CHECK_OK(amdvi_unit_flush(&amdvi, 7, 0x7000, 0x2000));
	CHECK_EQ(commands[2].high, 0x0000 | 0x7000 | 3); /* sixteen */
	CHECK_OK(amdvi_unit_flush(&amdvi, 7, 0, IOMMU_ADDRESS_END));
	CHECK_EQ(commands[3].high, 0x7ffffffffffff000 | 3);
	CHECK_OK(amdvi_unit_flush_device(&amdvi, 0x1234));
	CHECK_EQ(commands[4].low, (uint64_t)2 << 60 | 0x1234);
}

TEST(amdvi_commands_wrap)
{
	amdvi_begin();
	for (uint32_t i = 0; i < 1000; i++) {
		CHECK_OK(amdvi_unit_flush_device(&amdvi, (uint16_t)i));
		CHECK_EQ(n_commands, i + 1);
		CHECK_EQ(commands[i % COMMANDS_MAX].low & 0xffff, i);
	}
}

TEST(amdvi_that_is_deaf_is_not_asked_again)
{
	amdvi_begin();
	is_deaf = true;
	CHECK_EQ(amdvi_unit_flush(&amdvi, 7, 0, 4096), -ERR_IO);
	is_deaf = false;
	unsigned n_before = n_waits;

	CHECK_EQ(amdvi_unit_flush(&amdvi, 7, 0, 4096), -ERR_IO);
	CHECK_EQ(n_waits, n_before);
}

static void amdvi_put_event(uint32_t index, uint64_t low, uint64_t high)
{
	uint64_t *log = arch_phys_to_virt(*register_u64(AMDVI_EVENT_LOG) & 0x000ffffffffff000);

	log[2 * index + 1] = high;
	log[2 * index] = low;
}

static bool amdvi_collect(struct iommu_faults *faults)
{
	bool has_any = amdvi_unit_collect(&amdvi, faults);

	*register_u64(AMDVI_STATUS) = 0; /* ones were written to clear it */
	return has_any;
}

TEST(amdvi_events_are_taken)
{
	struct iommu_faults faults = {};

	amdvi_begin();
	CHECK(!amdvi_collect(&faults));
	amdvi_put_event(0, (uint64_t)2 << 60 | (uint64_t)1 << 53 | 0x0310, 0x123456);
	amdvi_put_event(1, (uint64_t)5 << 60, 0); /* an illegal command: only logged */
	amdvi_put_event(2, (uint64_t)2 << 60 | 0x0008, 0x5000);
	CHECK(amdvi_collect(&faults));
	CHECK_EQ(faults.n_faults, 2);
	CHECK_EQ(faults.faults[0].device.bus, 3);
	CHECK_EQ(faults.faults[0].device.devfn, 0x10);
	CHECK_EQ(faults.faults[0].address, 0x123456);
	CHECK_EQ(faults.faults[0].access, HEL_DMA_WRITE);
	CHECK_EQ(faults.faults[1].access, HEL_DMA_READ);
	CHECK_EQ(*register_u64(AMDVI_EVENT_HEAD), 48);
	CHECK(!amdvi_collect(&faults));
	/* Round and round. */
	for (uint32_t i = 3; i < 1000; i++) {
		faults.n_faults = 0;
		amdvi_put_event(i % 256, (uint64_t)2 << 60 | 8, (uint64_t)i << 12);
		CHECK(amdvi_collect(&faults));
		CHECK_EQ(faults.n_faults, 1);
		CHECK_EQ(faults.faults[0].address, (uint64_t)i << 12);
	}
}

TEST(amdvi_log_begins_anew_after_an_overflow)
{
	struct iommu_faults faults = {};
	uint32_t n_taken = 0;

	amdvi_begin();
	for (uint32_t i = 0; i < 40; i++) {
		amdvi_put_event(i, (uint64_t)2 << 60 | 8, 0x1000);
	}
	while (amdvi_collect(&faults)) {
		n_taken += faults.n_faults;
		faults.n_faults = 0;
	}
	CHECK_EQ(n_taken, 40);
	*register_u64(AMDVI_STATUS) = AMDVI_STATUS_EVENT_OVERFLOW;
	CHECK(!amdvi_collect(&faults));
	CHECK_EQ(*register_u64(AMDVI_EVENT_HEAD), 0);
	CHECK((*register_u64(AMDVI_CONTROL) & AMDVI_CONTROL_EVENT_LOG) != 0);
	amdvi_put_event(0, (uint64_t)2 << 60 | 8, 0x1000);
	CHECK(amdvi_collect(&faults));
}

/* ---- VT-d ------------------------------------------------------------------------------------ */

TEST(vtd_starts)
{
	vtd_begin(0);
	CHECK_EQ(*register_u64(VTD_ROOT_TABLE), 0x300000);
	CHECK((*register_u32(VTD_STATUS) & VTD_TRANSLATION) != 0);
	CHECK_EQ(*register_u32(VTD_FAULT_ADDRESS), 0xfee01000);
	CHECK_EQ(*register_u32(VTD_FAULT_DATA), VECTOR_IOMMU);
	vtd_unit_stop(&vtd);
	CHECK_EQ(*register_u32(VTD_COMMAND) & VTD_TRANSLATION, 0);
}

TEST(vtd_flushes_the_block_around_a_range)
{
	/* blocks of up to 2^9 pages */
	vtd_begin(VTD_CAP_PAGE_SELECTIVE | (uint64_t)9 << 48);
	CHECK_OK(vtd_unit_flush(&vtd, 7, 0x5000, 0x1000));
	CHECK_EQ(commands[0].low, 0x2 | 3 << 4 | 3 << 6 | 7 << 16);
	CHECK_EQ(commands[0].high, 0x5000);
	CHECK_OK(vtd_unit_flush(&vtd, 7, 0x5000, 0x2000));
	CHECK_EQ(commands[1].high, 0x4000 | 2);
	CHECK_OK(vtd_unit_flush(&vtd, 7, 0x1ff000, 0x2000));
	CHECK_EQ(commands[2].low, 0x2 | 2 << 4 | 3 << 6 | 7 << 16); /* all of the domain */
	vtd_begin(0);
	CHECK_OK(vtd_unit_flush(&vtd, 7, 0x5000, 0x1000));
	CHECK_EQ(commands[0].low, 0x2 | 2 << 4 | 3 << 6 | 7 << 16);
}

TEST(vtd_that_is_deaf_is_not_asked_again)
{
	vtd_begin(0);
	is_deaf = true;
	CHECK_EQ(vtd_unit_flush(&vtd, 7, 0, 4096), -ERR_IO);
	is_deaf = false;
	unsigned n_before = n_waits;

	CHECK_EQ(vtd_unit_flush_contexts(&vtd), -ERR_IO);
	CHECK_EQ(n_waits, n_before);
}

TEST(vtd_records_are_taken)
{
	struct iommu_faults faults = {};
	uint32_t *record = register_u32(RECORDS_OFFSET + 16);

	vtd_begin(0);
	CHECK(!vtd_unit_collect(&vtd, &faults));
	record[0] = 0x5000;
	record[1] = 0x12;
	record[2] = 0x0310;
	record[3] = 1u << 31 | 1u << 30 | 6;
	CHECK(vtd_unit_collect(&vtd, &faults));
	CHECK_EQ(faults.n_faults, 1);
	CHECK_EQ(faults.faults[0].address, 0x1200005000);
	CHECK_EQ(faults.faults[0].device.bus, 3);
	CHECK_EQ(faults.faults[0].device.devfn, 0x10);
	CHECK_EQ(faults.faults[0].access, HEL_DMA_READ);
	CHECK_EQ(record[3], 1u << 31); /* what clears it in a real one */
}

/* ---- tables of the firmware ------------------------------------------------------------------ */

struct table {
	_Alignas(8) uint8_t bytes[256];
	uint32_t size;
};

static void table_begin(struct table *table, const char *signature)
{
	*table = (struct table){ .size = 48 };
	memcpy(table->bytes, signature, 4);
	firmware_table = table->bytes;
	n_reserved = 0;
}

static void table_add(struct table *table, const void *bytes, size_t size)
{
	memcpy(table->bytes + table->size, bytes, size);
	table->size += (uint32_t)size;
	memcpy(table->bytes + 4, &table->size, 4);
}

TEST(dmar_names_units_and_reserved_memory)
{
	/* a unit; one of segment 1; memory for 00:02.0 and, behind a bridge, 05:03.1 */
	static const uint8_t unit[] = { 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0xd9, 0xfe };
	static const uint8_t other[] = { 0, 0, 16, 0, 1, 0, 1, 0, 0, 0, 0xda, 0xfe };
	static const uint8_t memory[42] = { 1, 0, 42, 0, [24] = 1, 8, 0, 0, 0, 0, 2, 0, 1, 10, 0, 0,
		0, 0, 1, 0, 3, 1 };
	uint8_t padded[16] = {};
	struct vtd_unit units[4];
	struct table table;

	table_begin(&table, "DMAR");
	memcpy(padded, unit, sizeof(unit));
	table_add(&table, padded, sizeof(padded));
	memcpy(padded, other, sizeof(other));
	table_add(&table, padded, sizeof(padded));
	table_add(&table, memory, sizeof(memory));
	CHECK_EQ(vtd_find_units(units, 4), 1);
	CHECK_EQ(units[0].registers_phys, REGISTERS_PHYS);
	vtd_find_reserved();
	CHECK_EQ(n_reserved, 2);
	CHECK_EQ(reserved[0].first, 2 << 3);
	CHECK_EQ(reserved[1].first, 5 << 8 | 3 << 3 | 1);
}

TEST(ivrs_names_units_and_reserved_memory)
{
	uint8_t unit[24] = { 0x10, 0, 24, 0, 0x10, 0, 0x40, 0, 0, 0, 0xd9, 0xfe };
	uint8_t memory[32] = { 0x22, 1, 32, 0, 0x08, 0, 0x0f, 0 };
	struct amdvi_unit units[4];
	struct table table;

	table_begin(&table, "IVRS");
	table_add(&table, unit, sizeof(unit));
	unit[0] = 0x11; /* the same one in a newer form */
	table_add(&table, unit, sizeof(unit));
	table_add(&table, memory, sizeof(memory));
	CHECK_EQ(amdvi_find_units(units, 4), 1);
	CHECK_EQ(units[0].registers_phys, REGISTERS_PHYS);
	CHECK_EQ(units[0].device, 0x10);
	CHECK_EQ(units[0].capability_offset, 0x40);
	amdvi_find_reserved();
	CHECK_EQ(n_reserved, 1);
	CHECK_EQ(reserved[0].first, 8);
	CHECK_EQ(reserved[0].last, 15);
}

/* Lengths of zero, beyond the end, odd: the walk ends, and reads nothing outside. */
TEST(tables_that_are_nonsense_end)
{
	uint64_t seed = test_seed(1);
	struct random random;
	struct vtd_unit vtd_units[4];
	struct amdvi_unit amdvi_units[4];

	random_init(&random, seed);
	for (unsigned round = 0; round < 20000; round++) {
		bool is_dmar = round % 2 == 0;
		uint32_t size = (uint32_t)random_between(&random, 48, 200);
		uint8_t *bytes = malloc(size);

		for (uint32_t i = 0; i < size; i++) {
			bytes[i] = (uint8_t)(random_chance(&random, 2) ? random_below(&random, 4)
								       : random_below(&random, 64));
		}
		memcpy(bytes, is_dmar ? "DMAR" : "IVRS", 4);
		memcpy(bytes + 4, &size, 4);
		firmware_table = bytes;
		n_reserved = 0;
		if (is_dmar) {
			CHECK(vtd_find_units(vtd_units, 4) <= 4);
			vtd_find_reserved();
		} else {
			CHECK(amdvi_find_units(amdvi_units, 4) <= 4);
			amdvi_find_reserved();
		}
		free(bytes);
	}
}

TEST_MAIN()
