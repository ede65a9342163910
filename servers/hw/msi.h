/* SPDX-License-Identifier: MIT */
/*
 * The capability of plain MSI: one message, with or without a mask.
 *
 * The device may have up to 32 messages, which differ in the low bits of the data; one is used.
 * Address and data are several registers, so they change while MSI is off. What the device would
 * have sent meanwhile is lost: who changes them makes up for it.
 */
#ifndef HW_MSI_H
#define HW_MSI_H

#include "pci.h"

/* A device's MSI; all zero: it has none. */
struct msi {
	uint8_t offset; /* of the capability */
	bool is_wide;   /* the address has 64 bits */
	bool can_mask;
};

/** msi_read() - what MSI the function has; all zero: none that is whole */
struct msi msi_read(const struct pci_access *access, const struct pci_function *function);

/**
 * msi_enable() - let the device send the message @data to @address, and nothing else
 * @is_masked: ignored if it cannot mask
 *
 * Return: whether the device can write to that address.
 */
MUST_USE bool msi_enable(const struct pci_access *access, struct pci_address device,
	const struct msi *msi, uint64_t address, uint32_t data, bool is_masked);

/** msi_disable() - the device sends no messages */
void msi_disable(const struct pci_access *access, struct pci_address device, const struct msi *msi);

/** msi_set_masked() - let the device keep the message, or send it; only if it can mask */
void msi_set_masked(const struct pci_access *access, struct pci_address device,
	const struct msi *msi, bool is_masked);

#endif
