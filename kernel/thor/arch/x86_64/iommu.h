/* SPDX-License-Identifier: MIT */
/*
 * The IOMMUs of PCs: what VT-d and AMD-Vi share.
 *
 * All units of a machine are programmed alike: they share their tables of devices, and every flush
 * goes to all of them. Which unit is responsible for which device need not be known then: a unit
 * looks up only devices that are behind it.
 *
 * Only PCI segment 0 is covered.
 */
#ifndef X86_64_IOMMU_H
#define X86_64_IOMMU_H

#include <thor/dma/iommu.h>

constexpr uint64_t IOMMU_PATIENCE_NS = 100'000'000; /* for an answer of hardware */
constexpr uint32_t IOMMU_UNITS_MAX = 16;
constexpr uint32_t IOMMU_RESERVED_MAX = 64;
constexpr uint32_t IOMMU_FAULTS_MAX = 16; /* collected before they are reported */
constexpr uint64_t IOMMU_ADDRESS_END = (uint64_t)1 << 39; /* three levels */

/* What devices reach that are in no dma-space and never were. */
enum iommu_policy {
	IOMMU_POLICY_OFF, /* there is no IOMMU as far as thor is concerned */
	IOMMU_POLICY_LAZY, /* everything */
	IOMMU_POLICY_STRICT, /* nothing */
};

struct iommu_fault {
	struct hel_dma_device device;
	uint64_t address;
	uint32_t access;
};

struct iommu_faults {
	struct iommu_fault faults[IOMMU_FAULTS_MAX];
	uint32_t n_faults;
};

/* ---- iommu.c */

/** iommu_serve_faults() - report what was refused; in the units' interrupt, no lock held */
void iommu_serve_faults(void);

/** iommu_message() - the message-signalled interrupt of a unit: what to write where */
void iommu_message(uint64_t *out_address, uint32_t *out_data);

/**
 * iommu_wait() - poll until @is_done says so, for at most IOMMU_PATIENCE_NS
 *
 * TLB shoot-downs are served meanwhile. Return: whether it did.
 */
bool iommu_wait(bool (*is_done)(const void *context), const void *context);

/** iommu_write_back() - write memory back from the caches, for units that do not look there */
void iommu_write_back(const void *start, size_t size_bytes);

/** iommu_write_nothing() - the same for units that do */
void iommu_write_nothing(const void *start, size_t size_bytes);

/** iommu_devices_reserve() - the firmware wants the devices [@first, @last] (bus << 8 | devfn) */
void iommu_devices_reserve(uint16_t first, uint16_t last);

/** iommu_device_is_reserved() - the hook of struct iommu_ops */
bool iommu_device_is_reserved(const struct hel_dma_device *device);

/* ---- vtd.c, amdvi.c: start all units; NULL: there are none, or they cannot be used */

const struct iommu *vtd_start(enum iommu_policy policy);
const struct iommu *amdvi_start(enum iommu_policy policy);

/** vtd_collect_faults() - what the units have recorded; false: nothing; the unit takes the lock */
bool vtd_collect_faults(struct iommu_faults *faults);
bool amdvi_collect_faults(struct iommu_faults *faults);

#endif
