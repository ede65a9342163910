/* SPDX-License-Identifier: MIT */
/*
 * Where a command's data are: by Physical Region Pages (section 4.1.1), which is for pages that are
 * full but for the start of the first and the end of the last, or by a Scatter Gather List (4.1.2).
 */
#include "nvme.h"

#define PAGE_MASK        (HEL_PAGE_SIZE - 1)
#define FLAGS_SGL        0x40u /* the metadata pointer is an address */
#define SGL_DATA_BLOCK   (UINT64_C(0x00) << 56)
#define SGL_LAST_SEGMENT (UINT64_C(0x30) << 56)

static bool has_prps(const struct block_extent *extents, uint32_t n_extents)
{
	for (uint32_t i = 0; i < n_extents; i++) {
		uint64_t end = extents[i].address + extents[i].length;

		if ((i > 0 && (extents[i].address & PAGE_MASK) != 0) ||
			(i + 1 < n_extents && (end & PAGE_MASK) != 0) ||
			(extents[i].address & 3) != 0) {
			return false;
		}
	}
	return true;
}

/* All pages but the first; how many. */
static uint32_t list_prps(const struct block_extent *extents, uint32_t n_extents, uint64_t *list)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_extents; i++) {
		uint64_t end = extents[i].address + extents[i].length;
		uint64_t page = extents[i].address & ~(uint64_t)PAGE_MASK;

		for (page += i == 0 ? HEL_PAGE_SIZE : 0; page < end; page += HEL_PAGE_SIZE) {
			list[n++] = page;
		}
	}
	return n;
}

static void describe_by_prps(struct nvme_command *command, const struct block_extent *extents,
	uint32_t n_extents, uint64_t *list, uint64_t list_address)
{
	uint32_t n_more = list_prps(extents, n_extents, list);

	command->data[0] = extents[0].address;
	command->data[1] = n_more == 0 ? 0 : n_more == 1 ? list[0] : list_address;
}

static void describe_by_sgl(struct nvme_command *command, const struct block_extent *extents,
	uint32_t n_extents, uint64_t *list, uint64_t list_address)
{
	command->flags = FLAGS_SGL;
	if (n_extents == 1) {
		command->data[0] = extents[0].address;
		command->data[1] = SGL_DATA_BLOCK | extents[0].length;
		return;
	}
	for (uint32_t i = 0; i < n_extents; i++) {
		list[2 * i] = extents[i].address;
		list[2 * i + 1] = SGL_DATA_BLOCK | extents[i].length;
	}
	command->data[0] = list_address;
	command->data[1] = SGL_LAST_SEGMENT | (n_extents * 2 * sizeof(uint64_t));
}

bool nvme_describe(struct nvme_command *command, const struct block_extent *extents,
	uint32_t n_extents, uint64_t *list, uint64_t list_address, bool has_sgl)
{
	if (has_prps(extents, n_extents)) {
		describe_by_prps(command, extents, n_extents, list, list_address);
		return true;
	}
	if (has_sgl && n_extents <= NVME_EXTENTS_MAX) {
		describe_by_sgl(command, extents, n_extents, list, list_address);
		return true;
	}
	return false;
}
