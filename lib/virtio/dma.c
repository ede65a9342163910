/* SPDX-License-Identifier: MIT */
/* Memory for devices: see dma.h. */
#include <virtio/dma.h>

#include <hel/hel-calls.h>
#include <helix/memory.h>

/* Pin the memory, and learn where the device finds it. */
static int dma_expose(struct dma_memory *dma, uint32_t address_bits)
{
	const struct hel_dma_map_args args = {
		.dma_space = dma->space,
		.memory = dma->memory,
		.size_bytes = dma->size,
		.limit = address_bits == 0 ? 0 : UINT64_C(1) << address_bits,
		.flags = HEL_DMA_READ | HEL_DMA_WRITE,
	};

	if (dma->space == HEL_NULL) {
		return hel_memory_pin(dma->memory, 0, dma->size, &dma->address);
	}
	return hel_dma_map(&args, &dma->address);
}

static void dma_hide(const struct dma_memory *dma)
{
	if (dma->space != HEL_NULL) {
		hel_dma_unmap(dma->space, dma->address, dma->size);
	}
}

int dma_allocate_within(
	struct dma_memory *dma, hel_handle space, size_t size, uint32_t address_bits)
{
	uint64_t flags =
		HEL_ALLOCATE_CONTIGUOUS | (address_bits == 0 ? 0 : HEL_ALLOCATE_BITS(address_bits));
	void *data;

	*dma = (struct dma_memory){
		.space = space,
		.size = align_up_size(size, HEL_PAGE_SIZE),
	};
	int error = hel_memory_allocate(dma->size, flags, &dma->memory);

	if (error != 0) {
		dma->memory = HEL_NULL;
		return error;
	}
	error = helix_map(dma->memory, 0, dma->size, HEL_MAP_READ | HEL_MAP_WRITE, &data);
	if (error == 0) {
		error = dma_expose(dma, address_bits);
		if (error != 0) {
			helix_unmap(data, dma->size);
		}
	}
	if (error != 0) {
		hel_close(HEL_THIS, dma->memory);
		dma->memory = HEL_NULL;
		return error;
	}
	dma->data = data;
	return 0;
}

int dma_allocate(struct dma_memory *dma, hel_handle space, size_t size)
{
	return dma_allocate_within(dma, space, size, 0);
}

void dma_free(struct dma_memory *dma)
{
	if (dma->memory != HEL_NULL) {
		dma_hide(dma);
		helix_unmap(dma->data, dma->size);
		hel_close(HEL_THIS, dma->memory);
		dma->memory = HEL_NULL;
	}
}
