/* SPDX-License-Identifier: MIT */
/*
 * A software IOMMU, and devices that do DMA through it.
 *
 * It caches as much as a real one may: translations, where the lowest tables are, and, if asked to,
 * that there is nothing; it forgets when told to and not before. So a missing flush lets a device
 * reach what is no longer mapped, and a page that is freed too early is seen by
 * sim_iommu_is_sound().
 */
#ifndef THOR_ARCH_SIM_IOMMU_H
#define THOR_ARCH_SIM_IOMMU_H

#include <abi/hel/dma.h>
#include <base/types.h>

/* A fault: an interrupt of CPU 0 with this vector. */
constexpr uint32_t SIM_VECTOR_IOMMU = 250;

enum sim_iommu_flags : uint32_t {
	SIM_IOMMU_CACHES_ABSENT = 1,
	SIM_IOMMU_WIDE = 2, /* tables of four levels instead of three */
};

/** sim_iommu_plug() - before anything is mapped: the machine has an IOMMU, devices reach nothing */
void sim_iommu_plug(uint32_t flags);

/** sim_iommu_unplug() - the machine has none any more; no dma-space is left */
void sim_iommu_unplug(void);

/** sim_iommu_break() - whether it answers no more flushes */
void sim_iommu_break(bool is_broken);

/** sim_iommu_reserve() - the firmware wants this device */
void sim_iommu_reserve(const struct hel_dma_device *device);

/**
 * sim_device_access() - one byte of DMA
 * @access: HEL_DMA_READ: into *@byte; HEL_DMA_WRITE: from it
 *
 * Return: whether the device was let through; else there is a fault, if it reports any.
 */
bool sim_device_access(
	const struct hel_dma_device *device, uint64_t address, uint32_t access, uint8_t *byte);

/** sim_iommu_is_sound() - nothing that it remembers leads to a page that is free */
bool sim_iommu_is_sound(void);

/** sim_iommu_serve() - report the faults that have come; in the interrupt */
void sim_iommu_serve(void);

#endif
