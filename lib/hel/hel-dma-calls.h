/* SPDX-License-Identifier: MIT */
/* The hel calls on dma-spaces; the rules of hel-calls.h hold. */
#ifndef HEL_HEL_DMA_CALLS_H
#define HEL_HEL_DMA_CALLS_H

#include <abi/hel/dma.h>
#include <hel/hel-number.h>

/* ---- DMA ------------------------------------------------------------------------------------ */

/**
 * hel_dma_space_create() - make a set of mappings for devices, without any
 *
 * Works on every machine; hel_dma_space_info() says whether there is an IOMMU behind it.
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_dma_space_create(hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call0(HEL_CALL_dma_space_create);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_dma_space_attach() - let a device reach what is mapped in a dma-space, and nothing else
 * @authority: needs MANAGE
 * @dma_space: needs MANAGE
 * @device: the source of the requests, which is a bridge for devices behind one that answers for
 * them
 *
 * Return: 0, -ERR_BUSY (it is in a dma-space already), -ERR_UNSUPPORTED (no IOMMU is responsible
 * for it, or the firmware reserves memory for it), -ERR_NO_SPACE (too many dma-spaces have
 * devices), -ERR_IO (the IOMMU does not answer), -ERR_ILLEGAL_STATE (the last descriptor of the
 * dma-space is being closed), -ERR_ILLEGAL_ARGS (reserved field).
 */
HEL_MUST_USE static inline int hel_dma_space_attach(
	hel_handle authority, hel_handle dma_space, const struct hel_dma_device *device)
{
	return (int)hel_call3(HEL_CALL_dma_space_attach, authority, dma_space, (uint64_t)device)
		.error;
}

/**
 * hel_dma_space_detach() - cut a device off: it reaches nothing any more
 * @authority: needs MANAGE
 * @dma_space: needs MANAGE
 *
 * Closing the last descriptor of a dma-space does the same to all its devices.
 *
 * Return: 0, -ERR_NOT_FOUND (it is not in this dma-space), -ERR_IO (the IOMMU does not answer),
 * -ERR_ILLEGAL_ARGS (reserved field).
 */
static inline int hel_dma_space_detach(
	hel_handle authority, hel_handle dma_space, const struct hel_dma_device *device)
{
	return (int)hel_call3(HEL_CALL_dma_space_detach, authority, dma_space, (uint64_t)device)
		.error;
}

/**
 * hel_dma_map() - make a part of a memory object reachable, and pin its pages
 * @args: dma-space, memory, range and access
 * @out_address: what to tell the device
 *
 * The memory is of kind ALLOCATED or PHYSICAL. Its pages stay what they are until the mapping ends,
 * also if the memory is made smaller or closed.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (flags, alignment, size 0), -ERR_OUT_OF_BOUNDS (beyond the memory),
 * -ERR_EXISTS (a fixed address is taken), -ERR_NO_SPACE (no free addresses below the limit, or too
 * many mappings), -ERR_UNSUPPORTED (another kind of memory; without IOMMU: the pages are not
 * contiguous, or not at the fixed address), -ERR_IO (the IOMMU does not answer).
 */
HEL_MUST_USE static inline int hel_dma_map(
	const struct hel_dma_map_args *args, uint64_t *out_address)
{
	struct hel_outcome outcome = hel_call1(HEL_CALL_dma_map, (uint64_t)args);

	if (outcome.error == 0) {
		*out_address = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_dma_unmap() - end a mapping
 * @dma_space: needs MAP
 * @address: as hel_dma_map() gave it
 * @size_bytes: as it was mapped
 *
 * When it returns 0 no device reaches the pages any more, and no request in flight does.
 *
 * Return: 0, -ERR_NOT_FOUND (there is no mapping of exactly this range), -ERR_IO (the IOMMU does
 * not answer: the mapping is gone, its pages stay pinned).
 */
static inline int hel_dma_unmap(hel_handle dma_space, uint64_t address, uint64_t size_bytes)
{
	return (int)hel_call3(HEL_CALL_dma_unmap, dma_space, address, size_bytes).error;
}

/**
 * hel_dma_space_info() - what is mapped, and what was refused
 * @dma_space: needs READ
 *
 * Devices that were muted because they caused too many faults report them again from now on.
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_dma_space_info(
	hel_handle dma_space, struct hel_dma_space_info *out_info)
{
	return (int)hel_call2(HEL_CALL_dma_space_info, dma_space, (uint64_t)out_info).error;
}

/**
 * hel_dma_space_event() - the event that is raised by faults
 * @dma_space: needs WAIT
 * @out_event: can be awaited; its bits are HEL_DMA_READ and HEL_DMA_WRITE, as the device tried
 *
 * It is the same event for every call.
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_dma_space_event(hel_handle dma_space, hel_handle *out_event)
{
	struct hel_outcome outcome = hel_call1(HEL_CALL_dma_space_event, dma_space);

	if (outcome.error == 0) {
		*out_event = outcome.value;
	}
	return (int)outcome.error;
}

#endif
