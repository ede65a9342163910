/* SPDX-License-Identifier: MIT */
/*
 * QEMU's `edu` device: a PCI function that copies between memory and a buffer of its own.
 *
 * It is reached as the hw server reaches devices: configuration space, here through the ports, and
 * its registers as physical memory.
 */
#ifndef TESTS_IOMMU_EDU_H
#define TESTS_IOMMU_EDU_H

#include <abi/hel/dma.h>
#include <base/types.h>

constexpr uint64_t EDU_SIZE_MAX = 4095; /* of one transfer: with more QEMU aborts */

/** edu_open() - find the device, map its registers, let it be bus master; false: there is none */
bool edu_open(void);

/** edu_device() - what its requests are known by */
struct hel_dma_device edu_device(void);

/** edu_read() - let it copy @size_bytes at @address into its buffer; false: it never finishes */
bool edu_read(uint64_t address, uint64_t size_bytes);

/** edu_write() - let it copy its buffer to @address */
bool edu_write(uint64_t address, uint64_t size_bytes);

#endif
