/* SPDX-License-Identifier: MIT */
/*
 * What dma-space calls take and give. CONTRACT.
 *
 * A dma-space is what a device sees of memory: addresses that its driver mapped, and nothing else.
 */
#ifndef ABI_HEL_DMA_H
#define ABI_HEL_DMA_H

#include <abi/hel/types.h>

/* The source of DMA requests, as PCI numbers it. */
struct hel_dma_device {
	uint16_t segment;
	uint8_t bus;
	uint8_t devfn; /* device << 3 | function */
	uint32_t reserved;
};

enum hel_dma_map_flags : uint32_t {
	HEL_DMA_READ = 1u << 0, /* the device may read */
	HEL_DMA_WRITE = 1u << 1, /* the device may write */
	HEL_DMA_FIXED = 1u << 2, /* exactly at `address`; ERR_EXISTS if something is there */
	HEL_DMA_PHYSICAL = 1u << 3, /* hel_dma_map_pages(): for a device that no IOMMU sees */
};

struct hel_dma_map_args {
	hel_handle dma_space; /* needs MAP */
	hel_handle memory; /* needs PIN, READ for HEL_DMA_READ, WRITE for HEL_DMA_WRITE */
	uint64_t offset; /* in the memory object, page-aligned */
	uint64_t size_bytes; /* a multiple of the page size, not 0 */
	uint64_t address; /* with HEL_DMA_FIXED, page-aligned */
	/* the first address that the device cannot put out, such as 1 << 32; 0: no limit */
	uint64_t limit;
	uint32_t flags; /* enum hel_dma_map_flags */
	uint32_t reserved;
};

enum hel_dma_space_flags : uint32_t {
	/* an IOMMU translates and protects; without, device addresses are physical ones */
	HEL_DMA_TRANSLATED = 1u << 0,
	/* the IOMMU has stopped answering: pages may have been left pinned for ever */
	HEL_DMA_BROKEN = 1u << 1,
	/* too many faults since they were last asked for: further ones are not reported */
	HEL_DMA_MUTED = 1u << 2,
};

struct hel_dma_space_info {
	uint32_t flags; /* enum hel_dma_space_flags */
	uint32_t n_devices;
	uint64_t n_mappings;
	uint64_t mapped_bytes;
	uint64_t address_end; /* device addresses are below */
	uint64_t n_faults; /* since the dma-space was made */
	uint64_t fault_address; /* of the last one */
	struct hel_dma_device fault_device; /* … which this device caused … */
	uint32_t fault_access; /* … by HEL_DMA_READ or HEL_DMA_WRITE */
	uint32_t reserved;
};

#endif
