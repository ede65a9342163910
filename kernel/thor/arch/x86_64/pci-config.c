/* SPDX-License-Identifier: MIT */
/* PCI configuration space by ports: see pci-config.h. Only one CPU runs when it is used. */
#include "pci-config.h"

#include "registers.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  (1u << 31)

#define CONFIG_STATUS           0x04 /* the upper half */
#define STATUS_HAS_CAPABILITIES (1u << 20)
#define CONFIG_HEADER_TYPE      0x0c
#define HEADER_TYPE_SHIFT       16
#define HEADER_TYPE_MASK        0x7fu
#define HEADER_TYPE_BRIDGE      1u
#define CONFIG_BUSES            0x18
#define CONFIG_CAPABILITIES     0x34
#define CAPABILITIES_FIRST      0x40u
#define CAPABILITIES_MAX        48

uint32_t pci_config_read(uint16_t device, uint32_t offset)
{
	port_write_u32(CONFIG_ADDRESS, CONFIG_ENABLE | (uint32_t)device << 8 | offset);
	return port_read_u32(CONFIG_DATA);
}

void pci_config_write(uint16_t device, uint32_t offset, uint32_t value)
{
	port_write_u32(CONFIG_ADDRESS, CONFIG_ENABLE | (uint32_t)device << 8 | offset);
	port_write_u32(CONFIG_DATA, value);
}

uint32_t pci_config_find(uint16_t device, uint8_t capability_id)
{
	if ((pci_config_read(device, CONFIG_STATUS) & STATUS_HAS_CAPABILITIES) == 0) {
		return 0;
	}
	uint32_t offset = pci_config_read(device, CONFIG_CAPABILITIES) & 0xfc;

	for (unsigned i = 0; i < CAPABILITIES_MAX && offset >= CAPABILITIES_FIRST; i++) {
		uint32_t head = pci_config_read(device, offset);

		if ((head & 0xff) == capability_id) {
			return offset;
		}
		offset = head >> 8 & 0xfc;
	}
	return 0;
}

bool pci_config_secondary_bus(uint16_t device, uint8_t *out_bus)
{
	uint32_t type = pci_config_read(device, CONFIG_HEADER_TYPE) >> HEADER_TYPE_SHIFT;

	if ((type & HEADER_TYPE_MASK) != HEADER_TYPE_BRIDGE) {
		return false;
	}
	*out_bus = (uint8_t)(pci_config_read(device, CONFIG_BUSES) >> 8);
	return true;
}
