/* SPDX-License-Identifier: MIT */
/* Memory for devices: see dma.h. */
#include <virtio/dma.h>

#include <hel/hel-calls.h>
#include <helix/memory.h>

int dma_allocate(struct dma_memory *dma, size_t size)
{
	void *data;

	*dma = (struct dma_memory){ .size = align_up_size(size, HEL_PAGE_SIZE) };
	int error = hel_memory_allocate(dma->size, HEL_ALLOCATE_CONTIGUOUS, &dma->memory);

	if (error != 0) {
		dma->memory = HEL_NULL;
		return error;
	}
	error = hel_memory_pin(dma->memory, 0, dma->size, &dma->address_phys);
	if (error == 0) {
		error = helix_map(dma->memory, 0, dma->size, HEL_MAP_READ | HEL_MAP_WRITE, &data);
	}
	if (error != 0) {
		hel_close(HEL_THIS, dma->memory);
		dma->memory = HEL_NULL;
		return error;
	}
	dma->data = data;
	return 0;
}

void dma_free(struct dma_memory *dma)
{
	if (dma->memory != HEL_NULL) {
		helix_unmap(dma->data, dma->size);
		hel_close(HEL_THIS, dma->memory);
		dma->memory = HEL_NULL;
	}
}
