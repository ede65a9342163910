/* SPDX-License-Identifier: MIT */
/* The PCI configuration space: see config-space.h. */
#include "config-space.h"

#include <base/errors.h>
#include <helix/helix.h>

constexpr uint64_t BUS_SIZE = MIB(1); /* of configuration space per bus */
constexpr uint32_t PORTS_FIRST = 0xcf8;
constexpr uint32_t PORTS_COUNT = 8;
constexpr uint32_t PORT_WINDOW = 4; /* from the first one */
constexpr uint32_t PORT_ENABLE = 1u << 31;

static uint32_t nothing_of_width(uint32_t width)
{
	return 0xffffffffu >> (32 - 8 * width);
}

/* ---- in memory ------------------------------------------------------------------------------- */

static volatile uint8_t *config_register(
	const struct config_space *space, struct pci_address address, uint32_t offset)
{
	for (size_t i = 0; i < space->n_ranges; i++) {
		const struct config_range *range = &space->ranges[i];
		const struct acpi_ecam *ecam = &range->ecam;

		if (address.segment == ecam->segment && address.bus >= ecam->first_bus &&
			address.bus <= ecam->last_bus) {
			return range->mapped +
				(uint64_t)(address.bus - ecam->first_bus) * BUS_SIZE +
				((uint32_t)address.device << 15) +
				((uint32_t)address.function << 12) + offset;
		}
	}
	return NULL;
}

static uint32_t memory_read(volatile uint8_t *place, uint32_t width)
{
	switch (width) {
	case 1: return *place;
	case 2: return *(volatile uint16_t *)place;
	default: return *(volatile uint32_t *)place;
	}
}

static void memory_write(volatile uint8_t *place, uint32_t width, uint32_t value)
{
	switch (width) {
	case 1: *place = (uint8_t)value; break;
	case 2: *(volatile uint16_t *)place = (uint16_t)value; break;
	default: *(volatile uint32_t *)place = value; break;
	}
}

/* ---- through the ports ----------------------------------------------------------------------- */

/* Have the window show a register; false if the ports do not reach it. */
static bool ports_select(
	const struct config_space *space, struct pci_address address, uint32_t offset)
{
	uint32_t selected = PORT_ENABLE | (uint32_t)address.bus << 16 |
		(uint32_t)address.device << 11 | (uint32_t)address.function << 8 | (offset & 0xfc);

	return space->ports != HEL_NULL && address.segment == 0 && offset < PCI_CONFIG_SIZE &&
		hel_io_write(space->ports, 0, 4, selected) == 0;
}

static uint32_t ports_read(const struct config_space *space, struct pci_address address,
	uint32_t offset, uint32_t width)
{
	uint32_t value = nothing_of_width(width);

	if (ports_select(space, address, offset)) {
		(void)!hel_io_read(space->ports, PORT_WINDOW + offset % 4, width, &value);
	}
	return value;
}

/* ---- either ---------------------------------------------------------------------------------- */

static uint32_t config_read(const struct pci_access *access, struct pci_address address,
	uint32_t offset, uint32_t width)
{
	const struct config_space *space = container_of(access, struct config_space, access);
	volatile uint8_t *place = config_register(space, address, offset);

	return place != NULL ? memory_read(place, width)
			     : ports_read(space, address, offset, width);
}

static void config_write(const struct pci_access *access, struct pci_address address,
	uint32_t offset, uint32_t width, uint32_t value)
{
	const struct config_space *space = container_of(access, struct config_space, access);
	volatile uint8_t *place = config_register(space, address, offset);

	if (place != NULL) {
		memory_write(place, width, value);
	} else if (ports_select(space, address, offset)) {
		(void)!hel_io_write(space->ports, PORT_WINDOW + offset % 4, width, value);
	}
}

void config_space_init(struct config_space *space, hel_handle authority)
{
	*space = (struct config_space){
		.access = { .read = config_read, .write = config_write },
		.authority = authority,
	};
	if (hel_io_create(authority, PORTS_FIRST, PORTS_COUNT, &space->ports) != 0) {
		space->ports = HEL_NULL;
	}
}

int config_space_add(struct config_space *space, const struct acpi_ecam *ecam)
{
	uint64_t n_buses = (uint64_t)ecam->last_bus - ecam->first_bus + 1;
	hel_handle memory;
	void *mapped;

	if (ecam->last_bus < ecam->first_bus || !is_aligned(ecam->address_phys, HEL_PAGE_SIZE)) {
		return -ERR_PROTOCOL;
	}
	if (space->n_ranges == CONFIG_RANGES_MAX) {
		return -ERR_NO_SPACE;
	}
	int error = hel_memory_physical(space->authority,
		ecam->address_phys + ecam->first_bus * BUS_SIZE, n_buses * BUS_SIZE,
		HEL_CACHE_UNCACHED, &memory);

	if (error != 0) {
		return error;
	}
	error = helix_map(memory, 0, n_buses * BUS_SIZE, HEL_MAP_READ | HEL_MAP_WRITE, &mapped);
	hel_close(HEL_THIS, memory);
	if (error == 0) {
		space->ranges[space->n_ranges++] =
			(struct config_range){ .ecam = *ecam, .mapped = mapped };
	}
	return error;
}
