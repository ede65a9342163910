/* SPDX-License-Identifier: MIT */
/*
 * Addresses for BARs that the firmware gave none: devices that were plugged in, or left out.
 *
 * A function behind a bridge answers only to what the bridge passes on: its *windows*, which the
 * firmware opened, also for devices to come. There the BARs get their places, the largest first, at
 * multiples of their sizes, and of a page, since a driver is given whole pages. Memory that can be
 * read ahead (prefetchable) goes into the window for that, if its register is wide enough, else
 * where all other memory is. What has an address keeps it. Windows are not opened or moved, and of
 * a bus without a bridge only the firmware knows what the host bridge passes on.
 */
#ifndef HW_PCI_ASSIGN_H
#define HW_PCI_ASSIGN_H

#include "pci.h"

/* What a bridge passes on; a range that is empty: nothing. */
struct pci_windows {
	struct pci_range io, memory, prefetchable;
};

/** pci_read_windows() - those of the bridge at @address */
struct pci_windows pci_read_windows(const struct pci_access *access, struct pci_address address);

/**
 * pci_assign() - give addresses to the BARs that want some, and write them to the functions
 * @windows: of the bridge to the functions' bus
 * @functions: all that are on that bus; @page_size: a power of two
 *
 * Functions whose BARs are written do not answer to addresses meanwhile.
 * Return: how many BARs found no room: their kind stays PCI_BAR_NONE.
 */
MUST_USE uint32_t pci_assign(const struct pci_access *access, const struct pci_windows *windows,
	struct pci_function *const *functions, size_t n_functions, uint64_t page_size);

#endif
