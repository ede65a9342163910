/* SPDX-License-Identifier: MIT */
/*
 * PCI devices in sysfs: bus/pci and devices/pciSSSS:BB.
 *
 * They come from hw through mbus while posix runs already, so a task makes their files when it
 * hears of them, and nothing of the file system waits. What is in a file was so when the device, or
 * its driver, came or went last: the configuration space, too.
 */
#ifndef POSIX_FS_SYSFS_PCI_H
#define POSIX_FS_SYSFS_PCI_H

#include <base/types.h>

/** sysfs_pci_start() - hear of devices, for ever; bus/pci is there at once */
int64_t sysfs_pci_start(void);

/**
 * sysfs_pci_path() - the folder of a device, below sysfs
 * @address: ssss:bb:dd.f
 *
 * Return: false: it is not known, or its path does not fit.
 */
bool sysfs_pci_path(const char *address, char *out_path, size_t size);

#endif
