/* SPDX-License-Identifier: MIT */
/*
 * DMA spaces: what a device reaches of memory.
 *
 * A dma-space is a set of mappings (device address -> pages of a memory object, which are pinned as
 * long) and a set of devices, which reach these pages and nothing else. It works without IOMMU,
 * too: then a mapping's device address is its physical one, its pages have to be contiguous, and
 * nothing is protected.
 *
 * A mapping:
 *
 *	BUILDING --> ACTIVE --> ENDING --> (gone)
 *	    \____________________^  error, or its builder has gone
 *
 * Pages come and go in slices, for a mapping may be large and interrupts are off; pages
 * [0, n_pages_mapped) are there. One mapping at a time is built: the thread that builds it comes
 * back for the next slice by making its call again; other threads make theirs again until it is
 * their turn. A builder that has not come for DMA_BUILDER_PATIENCE_NS was killed or stopped; who
 * comes next ends its mapping first.
 *
 * What makes it safe: a page is unpinned only after its entry is cleared and the IOMMU has said
 * that it has forgotten it. If it never says so (-ERR_IO) the page stays pinned for ever.
 *
 * A device belongs to at most one dma-space. When the last descriptor of a dma-space is closed its
 * devices are cut off at once, before anything is unmapped.
 *
 * Locks: the devices' (rank DMA) -> dma-space's (rank DMA_SPACE) -> spaces (of loans) -> memory
 * objects -> the IOMMU's.
 */
#ifndef THOR_DMA_DMA_SPACE_H
#define THOR_DMA_DMA_SPACE_H

#include <abi/hel/dma.h>
#include <base/list.h>
#include <thor/dma/dma-range.h>
#include <thor/dma/iommu.h>
#include <thor/object/object.h>
#include <thor/spinlock.h>

struct event;
struct grant;
struct grant_use;
struct memory;

constexpr uint64_t DMA_ADDRESS_LOW = 0x100000; /* the first one that is chosen */
constexpr uint64_t DMA_MAPPINGS_MAX = 65536; /* of one dma-space */
constexpr uint64_t DMA_PAGES_MAX = 256; /* of a scattered mapping */
/* Where scattered mappings are listed without IOMMU: no address that a device could put out. */
constexpr uint64_t DMA_LISTED_LOW = UINT64_C(1) << 62;
constexpr uint64_t DMA_FAULTS_MAX = 64; /* not yet asked for: then its devices are muted */
constexpr uint64_t DMA_BUILDER_PATIENCE_NS = 1'000'000'000;

/* The call is to be made again: a slice is done, or it is another thread's turn. */
constexpr int DMA_MORE = 1;

enum dma_mapping_state : uint32_t { DMA_BUILDING, DMA_ACTIVE, DMA_ENDING };

/* Who makes a mapping. */
struct dma_builder {
	uint64_t thread; /* its identity */
	struct grant *grant; /* that its descriptor of the memory is under, borrowed; or NULL */
	bool is_scattered; /* by dma_space_map_pages() */
};

struct dma_mapping {
	struct dma_range range;
	/* immutable */
	struct memory *memory; /* referenced */
	uint64_t offset;
	uint32_t access; /* HEL_DMA_READ, HEL_DMA_WRITE */
	bool is_scattered; /* hel_dma_map_pages() */
	bool is_pinned; /* pages of a loan, which the device may write to */
	bool is_listed; /* that, and no IOMMU has to do with it */
	struct hel_dma_map_args args; /* as the builder asked for it */
	struct grant_use *use; /* of the grant of the memory's descriptor; or NULL */
	/* guarded by the dma-space's lock */
	uint64_t builder; /* identity of the thread that makes it; 0: it was given up */
	enum dma_mapping_state state;
	int error; /* why it is ENDING before it was ACTIVE */
	uint64_t n_pages_mapped;
	uint64_t touched_ns; /* BUILDING: when the builder was here last */
	uint64_t pages[]; /* if it is listed: where they are */
};

struct dma_space {
	struct object object;
	struct event *fault_event; /* immutable, referenced */

	/* guarded by lock */
	struct spinlock lock;
	struct iommu_domain domain; /* its id changes with the lock of the devices held, too */
	struct tree ranges; /* struct dma_mapping.range, and: */
	struct dma_range interrupt_range; /* writes to it are interrupts, never memory */
	struct dma_mapping *building; /* BUILDING, or ENDING before it was ACTIVE; or NULL */
	uint64_t n_mappings;
	uint64_t mapped_bytes;
	uint64_t listed_next; /* where the next scattered mapping without IOMMU is listed */
	bool is_broken; /* a flush was not answered */
	bool is_muted;
	uint64_t n_faults, n_faults_unseen;
	uint64_t fault_address;
	struct hel_dma_device fault_device;
	uint32_t fault_access;

	/* guarded by the lock of the devices */
	struct list devices; /* struct dma_device.space_node */
	uint32_t n_devices;
	bool is_dead; /* no descriptors any more */
};

/** dma_space_of() - the dma-space around its object */
static inline struct dma_space *dma_space_of(struct object *object)
{
	return container_of(object, struct dma_space, object);
}

/** dma_space_create() - no mappings, no devices; the caller gets the reference; -ERR_NO_MEMORY */
MUST_USE int dma_space_create(struct dma_space **out_space);

/** dma_space_get_info() - hel_dma_space_info: forgets that there were too many faults */
void dma_space_get_info(struct dma_space *space, struct hel_dma_space_info *out_info);

/**
 * dma_space_map() - make pages of @memory reachable
 * @args: checked for reserved fields and flags; its handles are not looked at
 *
 * Return: 0, DMA_MORE, -ERR_REVOKED, -ERR_ILLEGAL_ARGS, -ERR_OUT_OF_BOUNDS (of the memory),
 * -ERR_UNSUPPORTED (kind of memory; not contiguous, or elsewhere than asked, without IOMMU),
 * -ERR_EXISTS (a fixed address is taken), -ERR_NO_SPACE (no room, or too many mappings),
 * -ERR_NO_MEMORY, -ERR_IO.
 */
MUST_USE int dma_space_map(struct dma_space *space, struct memory *memory,
	const struct hel_dma_map_args *args, const struct dma_builder *builder,
	uint64_t *out_address);

/**
 * dma_space_map_pages() - make up to DMA_PAGES_MAX pages reachable wherever they are
 * @args: as above, and the size is one that is allowed
 * @out_pages: their addresses for the device
 * @out_address: for dma_space_unmap()
 *
 * Return: as dma_space_map().
 */
MUST_USE int dma_space_map_pages(struct dma_space *space, struct memory *memory,
	const struct hel_dma_map_args *args, const struct dma_builder *builder, uint64_t *out_pages,
	uint64_t *out_address);

/**
 * dma_space_unmap() - end a mapping; no device reaches its pages any more when it returns 0
 *
 * Return: 0, DMA_MORE, -ERR_NOT_FOUND (there is no mapping of exactly that range), -ERR_IO (the
 * IOMMU does not answer: it is gone, but its pages stay pinned).
 */
MUST_USE int dma_space_unmap(struct dma_space *space, uint64_t address, uint64_t size_bytes);

/**
 * dma_space_attach() - let a device reach what is mapped in @space
 *
 * Return: 0, -ERR_BUSY (it is in a dma-space), -ERR_UNSUPPORTED (no IOMMU unit for it, or reserved
 * by the firmware), -ERR_ILLEGAL_STATE (@space lost its last descriptor), -ERR_NO_SPACE (too many
 * dma-spaces have devices), -ERR_NO_MEMORY, -ERR_IO.
 */
MUST_USE int dma_space_attach(struct dma_space *space, const struct hel_dma_device *device);

/**
 * dma_space_detach() - from now on the device reaches nothing
 *
 * Return: 0, -ERR_NOT_FOUND (it is not in @space), -ERR_IO.
 */
MUST_USE int dma_space_detach(struct dma_space *space, const struct hel_dma_device *device);

/* ---- for dma/ itself */

/**
 * dma__end() - end a mapping as far as time allows; the space is locked
 *
 * Return: 0 and -ERR_IO (no answer; its pages stay pinned): it is gone; DMA_MORE.
 */
MUST_USE int dma__end(struct dma_space *space, struct dma_mapping *mapping);

/** dma__detach_all() - cut all devices off, for ever: the space is dead */
void dma__detach_all(struct dma_space *space);

/** dma__count_devices() - how many devices are attached */
uint32_t dma__count_devices(struct dma_space *space);

/** dma__apply_mute() - tell the IOMMU whether the space's devices are muted */
void dma__apply_mute(struct dma_space *space);

/** dma__release_domain() - give the domain's number back */
void dma__release_domain(struct dma_space *space);

#endif
