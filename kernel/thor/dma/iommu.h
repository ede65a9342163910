/* SPDX-License-Identifier: MIT */
/*
 * What portable thor asks of the machine's IOMMU.
 *
 * A machine has at most one struct iommu, registered before the first dma-space is made; it may
 * stand for several hardware units, which then all get the same tables and the same flushes.
 * Without one, device addresses are physical addresses and nothing is protected.
 *
 * Every hook is called with the lock of dma-device.c or of a dma-space held and takes the locks of
 * its own units (rank IOMMU). It may poll hardware, for a bounded time.
 */
#ifndef THOR_DMA_IOMMU_H
#define THOR_DMA_IOMMU_H

#include <abi/hel/dma.h>
#include <thor/dma/io-table.h>

/* What one dma-space has of the IOMMU. */
struct iommu_domain {
	struct io_table table; /* guarded by the dma-space's lock */
	/* number in the IOMMU's caches; 0: was never attached, so nothing can be cached */
	uint32_t id;
};

enum iommu_attach_flags : uint32_t {
	IOMMU_ATTACH_QUIET = 1, /* its faults are not reported */
};

struct iommu_ops {
	/*
	 * Whether the firmware says that the device reaches memory of its own (RMRR, unity map): it
	 * cannot be given to anybody else.
	 */
	bool (*is_reserved)(const struct hel_dma_device *device);
	/*
	 * Let requests of a device go through @domain, or nowhere if that is NULL, in place of what
	 * was before (the same domain again: only the flags change, and requests go on meanwhile),
	 * and flush what the IOMMU remembers of the device itself; not the translations
	 * of the domain that it leaves.
	 * Return: 0, -ERR_NO_MEMORY and -ERR_UNSUPPORTED (no unit for it): nothing changed; -ERR_IO
	 * (no answer).
	 */
	int (*attach)(const struct hel_dma_device *device, const struct iommu_domain *domain,
		uint32_t flags);
	/*
	 * Forget the translations of a domain in [@address, @address + @size_bytes) and the tables
	 * that led to them; returns when no request in flight uses them any more.
	 * Return: 0, -ERR_IO (no answer).
	 */
	int (*flush)(uint32_t domain_id, uint64_t address, uint64_t size_bytes);
};

/* Immutable once registered. */
struct iommu {
	const struct iommu_ops *ops;
	struct io_table_format format;
	uint64_t address_end; /* device addresses are below */
	uint32_t domain_first, domain_end; /* numbers for dma-spaces */
	bool caches_absent; /* remembers that nothing is there: flush after mapping, too */
};

/* Passed to flush as the id of all devices that were never attached. */
constexpr uint32_t IOMMU_DOMAIN_DEFAULT = 1;

/** iommu_register() - @iommu is the machine's from now on; NULL: there is none; while it starts */
void iommu_register(const struct iommu *iommu);

/** iommu_get() - the machine's IOMMU, NULL if there is none */
const struct iommu *iommu_get(void);

/**
 * iommu_report_fault() - a request of a device was refused
 * @access: HEL_DMA_READ or HEL_DMA_WRITE
 *
 * Context: interrupt, no lock held.
 */
void iommu_report_fault(const struct hel_dma_device *device, uint64_t address, uint32_t access);

#endif
