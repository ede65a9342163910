/* SPDX-License-Identifier: MIT */
/* Tests of finding PCI functions on a machine made of arrays. */
#include "pci-assign.h"

#include <base/random.h>
#include <base/testing.h>

#define N_FAKES 8

/* One function: its configuration space, and which bits of each word can be written. */
struct fake {
	struct pci_address address;
	uint8_t config[4096];
	uint8_t writable[4096];
};

static struct fake fakes[N_FAKES];
static size_t n_fakes;
static struct pci_function found[N_FAKES];
static size_t n_found;

static struct fake *fake_find(struct pci_address address)
{
	for (size_t i = 0; i < n_fakes; i++) {
		struct pci_address other = fakes[i].address;

		if (other.segment == address.segment && other.bus == address.bus &&
			other.device == address.device && other.function == address.function) {
			return &fakes[i];
		}
	}
	return NULL;
}

static uint32_t fake_read(const struct pci_access *access, struct pci_address address,
	uint32_t offset, uint32_t width)
{
	const struct fake *fake = fake_find(address);
	uint32_t value = 0xffffffff;

	(void)access;
	CHECK(offset % width == 0 && offset + width <= 4096);
	if (fake != NULL) {
		value = 0;
		memcpy(&value, fake->config + offset, width);
	} else if (width < 4) {
		value = (1u << (8 * width)) - 1;
	}
	return value;
}

static void fake_write(const struct pci_access *access, struct pci_address address, uint32_t offset,
	uint32_t width, uint32_t value)
{
	struct fake *fake = fake_find(address);

	(void)access;
	CHECK(fake != NULL);
	CHECK(offset % width == 0 && offset + width <= 4096);
	for (uint32_t i = 0; i < width; i++) {
		uint8_t mask = fake->writable[offset + i];
		uint8_t byte = (uint8_t)(value >> (8 * i));

		fake->config[offset + i] =
			(uint8_t)((fake->config[offset + i] & ~mask) | (byte & mask));
	}
}

static const struct pci_access access = { .read = fake_read, .write = fake_write };

static void put(uint8_t *bytes, size_t offset, uint64_t value, size_t size)
{
	memcpy(bytes + offset, &value, size);
}

static struct fake *add_fake(uint8_t bus, uint8_t device, uint8_t function, uint8_t header_type)
{
	struct fake *fake = &fakes[n_fakes++];

	*fake = (struct fake){
		.address = { .bus = bus, .device = device, .function = function },
	};
	put(fake->config, PCI_VENDOR, 0x1af4, 2);
	put(fake->config, PCI_DEVICE, 0x1000 + n_fakes, 2);
	fake->config[PCI_HEADER_TYPE] = header_type;
	put(fake->writable, PCI_COMMAND, 0xffff, 2);
	return fake;
}

static void add_bar(struct fake *fake, unsigned index, uint64_t value, uint64_t size, bool is_wide)
{
	put(fake->config, PCI_BARS + 4 * index, value, is_wide ? 8 : 4);
	put(fake->writable, PCI_BARS + 4 * index, -size, is_wide ? 8 : 4);
}

static void note_found(void *context, const struct pci_function *function)
{
	(void)context;
	CHECK(n_found < N_FAKES);
	found[n_found++] = *function;
}

static void scan_until(uint8_t last_bus)
{
	n_found = 0;
	pci_scan(&access, &(struct pci_buses){ .last = last_bus }, note_found, NULL);
}

static void scan(void)
{
	scan_until(0);
}

TEST(pci_scan_goes_through_bridges)
{
	n_fakes = 0;
	add_fake(0, 0, 0, 0);
	struct fake *bridge = add_fake(0, 3, 0, 0x81);

	bridge->config[PCI_SECONDARY_BUS] = 7;
	add_fake(0, 3, 5, 0);
	add_fake(0, 4, 0, 0);
	add_fake(0, 4, 1, 0); /* not seen: function 0 says that it is alone */
	struct fake *loop = add_fake(7, 31, 0, 1);

	loop->config[PCI_SECONDARY_BUS] = 7; /* a bridge to its own bus */
	scan();
	CHECK_EQ(n_found, 5);
	CHECK(found[1].is_bridge);
	CHECK_EQ(found[1].secondary_bus, 7);
	CHECK_EQ(found[1].subordinate_bus, 7); /* not less, whatever it says */
	CHECK_EQ(found[2].address.function, 5);
	CHECK_EQ(found[4].address.bus, 7);
	CHECK_EQ(found[4].address.device, 31);
	CHECK_EQ(found[4].secondary_bus, 0);
}

/* Buses of further host bridges are those that no bridge leads to. */
TEST(pci_scan_finds_host_bridges)
{
	n_fakes = 0;
	add_fake(0, 0, 0, 0);
	struct fake *bridge = add_fake(0, 1, 0, 1);

	bridge->config[PCI_SECONDARY_BUS] = 3;
	add_fake(3, 0, 0, 0);
	struct fake *other = add_fake(32, 0, 0, 1);

	other->config[PCI_SECONDARY_BUS] = 33;
	add_fake(33, 5, 0, 0);
	scan_until(31);
	CHECK_EQ(n_found, 3);
	scan_until(255);
	CHECK_EQ(n_found, 5);
	CHECK_EQ(found[3].address.bus, 32);
	CHECK_EQ(found[4].address.bus, 33);
	CHECK_EQ(found[4].address.device, 5);
}

TEST(pci_bars_of_all_kinds)
{
	n_fakes = 0;
	struct fake *fake = add_fake(0, 1, 0, 0);

	put(fake->config, PCI_COMMAND, 7, 2);
	add_bar(fake, 0, 0xc041, 0x40, false);
	add_bar(fake, 1, 0xfebd1000, 0x1000, false);
	add_bar(fake, 2, 0xfe0000000cull, 0x200000000ull, true);
	add_bar(fake, 4, 0, 0, false); /* not there */
	add_bar(fake, 5, 8, 0x100000, false); /* not assigned */
	struct fake before = *fake;

	scan();
	CHECK_EQ(n_found, 1);
	const struct pci_bar *bars = found[0].bars;

	CHECK_EQ(bars[0].kind, PCI_BAR_IO);
	CHECK_EQ(bars[0].address, 0xc040);
	CHECK_EQ(bars[0].size_bytes, 0x40);
	CHECK_EQ(bars[1].kind, PCI_BAR_MEMORY);
	CHECK_EQ(bars[1].address, 0xfebd1000);
	CHECK_EQ(bars[1].size_bytes, 0x1000);
	CHECK(!bars[1].is_prefetchable);
	CHECK_EQ(bars[2].kind, PCI_BAR_MEMORY);
	CHECK_EQ(bars[2].address, 0xfe00000000);
	CHECK_EQ(bars[2].size_bytes, 0x200000000);
	CHECK(bars[2].is_prefetchable);
	CHECK_EQ(bars[3].kind, PCI_BAR_NONE);
	CHECK_EQ(bars[4].kind, PCI_BAR_NONE);
	CHECK_EQ(bars[5].kind, PCI_BAR_NONE);
	CHECK_MEM_EQ(&before, fake, sizeof(before));
}

TEST(pci_capabilities_and_msix)
{
	n_fakes = 0;
	struct fake *fake = add_fake(0, 1, 0, 0);

	add_bar(fake, 1, 0xfebd1000, 0x1000, false);
	fake->config[PCI_STATUS] = 0x10;
	fake->config[PCI_CAPABILITIES] = 0x98;
	put(fake->config, 0x98, 0x0003'8411, 4); /* MSI-X, next 0x84, 4 vectors */
	put(fake->config, 0x9c, 0x801, 4);       /* table: BAR 1, offset 0x800 */
	put(fake->config, 0x84, 0x0014'4009, 4); /* vendor-specific, 20 bytes, next 0x40 */
	put(fake->config, 0x40, 0x0000'4005, 4); /* MSI, next: itself */
	scan();
	CHECK_EQ(found[0].n_capabilities, PCI_CAPABILITIES_MAX); /* the loop was left */
	CHECK_EQ(found[0].capabilities[1].id, PCI_CAPABILITY_VENDOR);
	CHECK_EQ(found[0].capabilities[1].size_bytes, 20);
	CHECK_EQ(found[0].msix.offset, 0x98);
	CHECK_EQ(found[0].msix.n_vectors, 4);
	CHECK_EQ(found[0].msix.table_bar, 1);
	CHECK_EQ(found[0].msix.table_offset, 0x800);

	CHECK(!pci_config_is_writable(&found[0], PCI_COMMAND, 2));
	CHECK(!pci_config_is_writable(&found[0], 0x9a, 2));
	CHECK(!pci_config_is_writable(&found[0], 0x40, 4));
	CHECK(!pci_config_is_writable(&found[0], 0x84, 4));
	CHECK(pci_config_is_writable(&found[0], 0x88, 4));
	CHECK(pci_config_is_writable(&found[0], 0xf0, 4));

	put(fake->config, 0x9c, 0xfff'801, 4); /* a table beyond the BAR */
	scan();
	CHECK_EQ(found[0].msix.offset, 0);
	put(fake->config, 0x9c, 7, 4); /* BAR 7 */
	scan();
	CHECK_EQ(found[0].msix.offset, 0);
}

/* The pages that the driver of a BAR gets, when the table of MSI-X is at @table_offset of BAR 0. */
static struct pci_range pages_of(unsigned bar, uint32_t table_offset, uint16_t n_vectors)
{
	const struct pci_function function = {
		.bars = {
			{ .kind = PCI_BAR_MEMORY, .address = 0x10000, .size_bytes = 0x4000 },
			{ .kind = PCI_BAR_MEMORY, .address = 0x14000, .size_bytes = 0x800 },
			{ .kind = PCI_BAR_MEMORY, .address = 0x14800, .size_bytes = 0x800 },
		},
		.msix = { .offset = 0x40, .n_vectors = n_vectors, .table_offset = table_offset },
	};

	return pci_bar_pages(&function, bar, 0x1000);
}

TEST(pci_drivers_do_not_get_the_table)
{
	CHECK_EQ(pages_of(0, 0, 0).end, 0x14000); /* no MSI-X */
	CHECK_EQ(pages_of(0, 0x2000, 8).start, 0x10000);
	CHECK_EQ(pages_of(0, 0x2000, 8).end, 0x12000);
	CHECK_EQ(pages_of(0, 0x2ff0, 2).end, 0x12000); /* the table is on two pages */
	CHECK_EQ(pages_of(0, 0x3ff0, 1).end, 0x13000);
	CHECK_EQ(pages_of(0, 0, 1).end, pages_of(0, 0, 1).start);
	/* Small BARs on one page. */
	CHECK_EQ(pages_of(1, 0x2000, 8).start, 0x14000);
	CHECK_EQ(pages_of(1, 0x2000, 8).end, 0x15000);
	CHECK_EQ(pages_of(2, 0x2000, 8).start, 0x14000);
	CHECK_EQ(pages_of(2, 0x2000, 8).end, 0x15000);

	struct pci_function neighbour = {
		.bars = {
			{ .kind = PCI_BAR_MEMORY, .address = 0x14000, .size_bytes = 0x800 },
			{ .kind = PCI_BAR_MEMORY, .address = 0x14800, .size_bytes = 0x800 },
			{ .kind = PCI_BAR_MEMORY, .address = 0x12000, .size_bytes = 0x2000 },
			{ .kind = PCI_BAR_MEMORY, .address = 0x13800, .size_bytes = 0x1000 },
		},
		.msix = { .offset = 0x40, .n_vectors = 1, .table_bar = 1 },
	};

	for (unsigned i = 0; i < 2; i++) {
		struct pci_range pages = pci_bar_pages(&neighbour, i, 0x1000);

		CHECK_EQ(pages.start, pages.end);
	}
	CHECK_EQ(pci_bar_pages(&neighbour, 2, 0x1000).end, 0x14000);
	CHECK_EQ(pci_bar_pages(&neighbour, 3, 0x1000).end, 0x14000); /* its first half is left */
}

/* Channels of an IDE controller in compatibility mode are where the ISA bus had them. */
TEST(pci_knows_ports_of_ide_channels)
{
	n_fakes = 0;
	struct fake *fake = add_fake(0, 1, 0, 0);

	fake->config[PCI_CLASS] = 1;
	fake->config[PCI_SUBCLASS] = 1;
	fake->config[PCI_INTERFACE] = 0x8e; /* the second channel is in native mode */
	add_bar(fake, 0, 0xc001, 8, false);
	add_bar(fake, 2, 0xc011, 8, false);
	add_bar(fake, 3, 0xc021, 4, false);
	add_bar(fake, 4, 0xc031, 16, false);
	scan();
	CHECK_EQ(n_found, 1);
	CHECK(pci_ide_is_compatible(&found[0], 0));
	CHECK(!pci_ide_is_compatible(&found[0], 1));
	CHECK(!pci_ide_is_compatible(&found[0], 2));
	CHECK_EQ(found[0].bars[0].kind, PCI_BAR_IO);
	CHECK_EQ(found[0].bars[0].address, 0x1f0);
	CHECK_EQ(found[0].bars[0].size_bytes, 8);
	CHECK_EQ(found[0].bars[1].address, 0x3f6);
	CHECK_EQ(found[0].bars[1].size_bytes, 1);
	CHECK_EQ(found[0].bars[2].address, 0xc010);
	CHECK_EQ(found[0].bars[3].size_bytes, 4);
	CHECK_EQ(found[0].bars[4].address, 0xc030);
	fake->config[PCI_INTERFACE] = 0x80;
	scan();
	CHECK_EQ(found[0].bars[2].address, 0x170);
	CHECK_EQ(found[0].bars[3].address, 0x376);
	fake->config[PCI_SUBCLASS] = 6;
	scan();
	CHECK_EQ(found[0].compatible_channels, 0);
	CHECK_EQ(found[0].bars[0].address, 0xc000);
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* A bridge to bus 1 with windows for I/O, memory, and memory that can be read ahead. */
static struct fake *add_port(void)
{
	struct fake *port = add_fake(0, 1, 0, 1);

	port->config[PCI_SECONDARY_BUS] = 1;
	port->config[PCI_SUBORDINATE_BUS] = 1;
	put(port->config, PCI_IO_WINDOW, 0xd1c1, 2); /* c000 to dfff */
	put(port->config, PCI_MEMORY_WINDOW, 0xfe90fe80, 4); /* fe800000 to fe9fffff */
	put(port->config, PCI_PREFETCHABLE_WINDOW, 0x00110001, 4); /* 9'0000'0000 to 001fffff */
	put(port->config, PCI_PREFETCHABLE_BASE_UPPER, 9, 4);
	put(port->config, PCI_PREFETCHABLE_LIMIT_UPPER, 9, 4);
	return port;
}

/* Assign what the last scan has found behind the port; how many had no room. */
static uint32_t assign(const struct fake *port)
{
	struct pci_windows windows = pci_read_windows(&access, port->address);
	struct pci_function *functions[N_FAKES];
	size_t n_functions = 0;

	for (size_t i = 0; i < n_found; i++) {
		if (found[i].address.bus == 1) {
			functions[n_functions++] = &found[i];
		}
	}
	return pci_assign(&access, &windows, functions, n_functions, 0x1000);
}

static uint64_t register_of(const struct fake *fake, unsigned index, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, fake->config + PCI_BARS + 4 * index, size);
	return value;
}

TEST(pci_windows_are_read)
{
	n_fakes = 0;
	struct fake *port = add_port();
	struct pci_windows windows = pci_read_windows(&access, port->address);

	CHECK_EQ(windows.io.start, 0xc000);
	CHECK_EQ(windows.io.end, 0xe000);
	CHECK_EQ(windows.memory.start, 0xfe800000);
	CHECK_EQ(windows.memory.end, 0xfea00000);
	CHECK_EQ(windows.prefetchable.start, 0x900000000);
	CHECK_EQ(windows.prefetchable.end, 0x900200000);
	put(port->config, PCI_IO_WINDOW, 0x0000, 2); /* cannot do that */
	put(port->config, PCI_MEMORY_WINDOW, 0xfe80fe90, 4); /* closed */
	put(port->config, PCI_PREFETCHABLE_WINDOW, 0xfed0fec0, 4); /* of 32 bits */
	windows = pci_read_windows(&access, port->address);
	CHECK_EQ(windows.io.end, 0);
	CHECK_EQ(windows.memory.end, 0);
	CHECK_EQ(windows.prefetchable.start, 0xfec00000);
	CHECK_EQ(windows.prefetchable.end, 0xfee00000);
}

TEST(pci_addresses_are_given_within_windows)
{
	n_fakes = 0;
	struct fake *port = add_port();
	struct fake *first = add_fake(1, 0, 0, 0x80), *second = add_fake(1, 0, 1, 0);

	put(first->config, PCI_COMMAND, 7, 2);
	add_bar(first, 0, 4, 0x4000, true); /* as NVMe */
	add_bar(first, 2, 0xfe800000, 0x80, false); /* has one, and a page with it */
	add_bar(first, 3, 1, 0x40, false); /* I/O */
	add_bar(second, 0, 0, 0x100, false);
	add_bar(second, 1, 0xc, 0x100000, true); /* can be read ahead */
	add_bar(second, 3, 8, 0x1000, false); /* too, but is narrow */
	add_bar(second, 4, 0xc, UINT64_C(1) << 40, true); /* no room */
	scan();
	CHECK_EQ(found[1].bars[0].kind, PCI_BAR_NONE);
	CHECK_EQ(found[1].bars[0].wanted, PCI_BAR_MEMORY);
	CHECK_EQ(assign(port), 1);
	CHECK_EQ(register_of(first, 0, 8), 0xfe804004);
	CHECK_EQ(found[1].bars[0].kind, PCI_BAR_MEMORY);
	CHECK_EQ(found[1].bars[0].address, 0xfe804000);
	CHECK_EQ(register_of(first, 2, 4), 0xfe800000);
	CHECK_EQ(register_of(first, 3, 4), 0xc001);
	CHECK_EQ(found[1].bars[3].kind, PCI_BAR_IO);
	CHECK_EQ(register_of(second, 1, 8), 0x90000000c);
	CHECK_EQ(register_of(second, 3, 4), 0xfe801008);
	CHECK_EQ(register_of(second, 0, 4), 0xfe802000); /* of a page with the one before */
	CHECK_EQ(found[2].bars[4].kind, PCI_BAR_NONE);
	CHECK_EQ(register_of(second, 4, 8), 0xc);
	CHECK_EQ(first->config[PCI_COMMAND], 7);
	/* nothing is asked for any more */
	CHECK_EQ(assign(port), 0);
	CHECK_EQ(register_of(first, 0, 8), 0xfe804004);
}

/* Windows of further bridges are taken, and what does not answer to addresses has no table. */
TEST(pci_addresses_keep_off_other_bridges)
{
	n_fakes = 0;
	struct fake *port = add_port(), *inner = add_fake(1, 0, 0, 1), *card = add_fake(1, 1, 0, 0);

	put(inner->config, PCI_MEMORY_WINDOW, 0xfe80fe80, 4); /* the first half */
	inner->config[PCI_SECONDARY_BUS] = 2;
	add_bar(card, 0, 0, 0x100000, false);
	add_bar(card, 1, 0, 0x1000, false); /* with the table of MSI-X, and no room */
	card->config[PCI_STATUS] = 0x10;
	card->config[PCI_CAPABILITIES] = 0x40;
	put(card->config, 0x40, 0x0003'0011, 4);
	put(card->config, 0x44, 1, 4);
	scan();
	CHECK_EQ(found[2].address.device, 1);
	CHECK_EQ(found[2].msix.n_vectors, 4);
	CHECK_EQ(assign(port), 1);
	CHECK_EQ(register_of(card, 0, 4), 0xfe900000);
	pci_settle(&found[2]);
	CHECK_EQ(found[2].msix.n_vectors, 0);
}

/* Whatever there is: no two overlap, all are in a window, and at multiples of their sizes. */
TEST(pci_random_addresses_do_not_overlap)
{
	struct random random;

	random_init(&random, test_seed(11));
	for (int round = 0; round < 300; round++) {
		n_fakes = 0;
		struct fake *port = add_port();

		for (uint8_t i = 0; i < 4; i++) {
			struct fake *fake = add_fake(1, i, 0, 0);

			for (unsigned k = 0; k < 6; k += 2) {
				uint64_t size = UINT64_C(16) << random_below(&random, 17);
				bool is_wide = random_below(&random, 2) != 0;

				add_bar(fake, k, random_below(&random, 2) * 8 + (is_wide ? 4 : 0),
					size, is_wide);
			}
		}
		scan();
		(void)assign(port);
		for (size_t i = 1; i < n_found; i++) {
			for (unsigned k = 0; k < 6; k++) {
				const struct pci_bar *bar = &found[i].bars[k];
				bool is_low = bar->address >= 0xfe800000 &&
					bar->address + bar->size_bytes <= 0xfea00000;
				bool is_high = bar->address >= 0x900000000 &&
					bar->address + bar->size_bytes <= 0x900200000;

				if (bar->kind == PCI_BAR_NONE) {
					continue;
				}
				CHECK(is_low || (is_high && bar->is_wide && bar->is_prefetchable));
				CHECK_EQ(bar->address % bar->size_bytes, 0);
				for (size_t n = 0; n < 6 * n_found; n++) {
					const struct pci_bar *other = &found[n / 6].bars[n % 6];

					CHECK(other == bar || other->kind == PCI_BAR_NONE ||
						other->address / 4096 != bar->address / 4096);
				}
			}
		}
	}
}

TEST(pci_survives_random_configuration)
{
	struct random random;

	random_init(&random, test_seed(4));
	for (int i = 0; i < 300; i++) {
		n_fakes = 0;
		struct fake *fake = add_fake(0, 2, 0, (uint8_t)random_below(&random, 3));

		for (size_t k = 4; k < PCI_CONFIG_SIZE; k++) {
			if (k != PCI_HEADER_TYPE) {
				fake->config[k] = (uint8_t)random_u64(&random);
				fake->writable[k] = (uint8_t)random_u64(&random);
			}
		}
		scan();
	}
}

TEST_MAIN()
