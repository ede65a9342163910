/* SPDX-License-Identifier: MIT */
/* Memory that a device can reach: contiguous, pinned, mapped here. */
#ifndef VIRTIO_DMA_H
#define VIRTIO_DMA_H

#include <abi/hel/types.h>
#include <base/types.h>

struct dma_memory {
	hel_handle memory; /* HEL_NULL: none */
	uint8_t *data;
	uint64_t address_phys;
	size_t size; /* whole pages */
};

/**
 * dma_allocate() - @size zeroed bytes, rounded up to pages, at most 4 MiB; 0, -ERR_NO_MEMORY, ...
 */
MUST_USE int dma_allocate(struct dma_memory *dma, size_t size);

/** dma_free() - give it back; the device must not know of it any more; harmless if there is none */
void dma_free(struct dma_memory *dma);

/** dma_phys() - physical address of @pointer, which lies in the memory */
static inline uint64_t dma_phys(const struct dma_memory *dma, const void *pointer)
{
	return dma->address_phys + (uint64_t)((const uint8_t *)pointer - dma->data);
}

#endif
