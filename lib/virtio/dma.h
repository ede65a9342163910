/* SPDX-License-Identifier: MIT */
/*
 * Memory that a device can reach: contiguous, pinned, mapped here.
 *
 * With a dma-space the device reaches it there, else at its physical address.
 */
#ifndef VIRTIO_DMA_H
#define VIRTIO_DMA_H

#include <abi/hel/types.h>
#include <base/types.h>

struct dma_memory {
	hel_handle memory; /* HEL_NULL: none */
	hel_handle space; /* borrowed; HEL_NULL: none */
	uint8_t *data;
	uint64_t address; /* for the device */
	size_t size; /* whole pages */
};

/**
 * dma_allocate() - @size zeroed bytes, rounded up to pages, at most 4 MiB
 * @space: dma-space of the device, borrowed until dma_free(); HEL_NULL: it uses physical addresses
 *
 * Return: 0, -ERR_NO_MEMORY, what hel_dma_map() says.
 */
MUST_USE int dma_allocate(struct dma_memory *dma, hel_handle space, size_t size);

/**
 * dma_allocate_within() - the same, for devices that do not put out all bits of an address
 * @address_bits: how many they do, 13 to 52; 0: all
 *
 * Return: as above; -ERR_NO_SPACE: no address of the space is so low.
 */
MUST_USE int dma_allocate_within(
	struct dma_memory *dma, hel_handle space, size_t size, uint32_t address_bits);

/** dma_free() - give it back; the device must not know of it any more; harmless if there is none */
void dma_free(struct dma_memory *dma);

/** dma_address() - what the device knows @pointer by, which lies in the memory */
static inline uint64_t dma_address(const struct dma_memory *dma, const void *pointer)
{
	return dma->address + (uint64_t)((const uint8_t *)pointer - dma->data);
}

#endif
