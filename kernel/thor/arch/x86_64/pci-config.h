/* SPDX-License-Identifier: MIT */
/* PCI configuration space by ports, for what has to be done before the hw server runs. */
#ifndef X86_64_PCI_CONFIG_H
#define X86_64_PCI_CONFIG_H

#include <base/types.h>

/**
 * pci_config_read() - the 32 bits at @offset, a multiple of 4 below 256
 * @device: bus << 8 | devfn
 */
uint32_t pci_config_read(uint16_t device, uint32_t offset);

/** pci_config_write() - the same, to write */
void pci_config_write(uint16_t device, uint32_t offset, uint32_t value);

/** pci_config_find() - offset of the capability with an id, 0: there is none */
uint32_t pci_config_find(uint16_t device, uint8_t capability_id);

/** pci_config_secondary_bus() - the bus behind a bridge; false: it is no bridge */
bool pci_config_secondary_bus(uint16_t device, uint8_t *out_bus);

#endif
