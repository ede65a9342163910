/* SPDX-License-Identifier: MIT */
/* DMA spaces as objects: see dma-space.h. */
#include <thor/dma/dma-space.h>

#include <base/errors.h>
#include <thor/ipc/event.h>
#include <thor/memory/memory.h>

/* Writes there are message-signalled interrupts on every PC, and go past the IOMMU's tables. */
constexpr uint64_t DMA_INTERRUPTS_START = 0xfee00000;
constexpr uint64_t DMA_INTERRUPTS_END = 0xfef00000;

/* Immutable once the machine has started. */
static const struct iommu *iommu_current;

void iommu_register(const struct iommu *iommu)
{
	iommu_current = iommu;
}

const struct iommu *iommu_get(void)
{
	return iommu_current;
}

static void dma_space_abandon(struct object *object)
{
	dma__detach_all(dma_space_of(object));
}

/* A slice of a mapping at a time: the object is destroyed again and again until all are gone. */
static void dma_space_destroy(struct object *object)
{
	struct dma_space *space = dma_space_of(object);

	dma__detach_all(space); /* nothing, unless there never was a descriptor */
	spinlock_acquire(&space->lock);
	if (tree_node_is_linked(&space->interrupt_range.node)) {
		dma_ranges_remove(&space->ranges, &space->interrupt_range);
	}
	struct dma_mapping *mapping =
		TREE_ENTRY(tree_first(&space->ranges), struct dma_mapping, range.node);

	if (mapping != NULL) {
		(void)dma__end(space, mapping); /* an error: its pages stay pinned */
	}
	spinlock_release(&space->lock);
	if (mapping != NULL) {
		atomic_store_explicit(&object->references, 1, memory_order_relaxed);
		object_unref(object);
		return;
	}
	dma__release_domain(space);
	if (!space->is_broken) {
		io_table_deinit(&space->domain.table);
	}
	object_unref(&space->fault_event->object);
	object_free(&space->object);
}

static const struct object_class dma_space_class = {
	.type = HEL_TYPE_DMA_SPACE,
	.name = "dma-space",
	.rights = HEL_RIGHT_READ | HEL_RIGHT_MAP | HEL_RIGHT_MANAGE | HEL_RIGHT_WAIT |
		HEL_RIGHT_DERIVE,
	.destroy = dma_space_destroy,
	.abandon = dma_space_abandon,
};

int dma_space_create(struct dma_space **out_space)
{
	const struct iommu *iommu = iommu_get();
	struct dma_space *space = object_create(&dma_space_class, sizeof(*space));

	if (space == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = event_create(0, &space->fault_event);

	if (error == 0 && iommu != NULL) {
		error = io_table_init(&space->domain.table, &iommu->format, space->object.account);
	}
	if (error != 0) {
		object_unref(space->fault_event != NULL ? &space->fault_event->object : NULL);
		object_free(&space->object);
		return error;
	}
	spinlock_init(&space->lock, LOCK_RANK_DMA_SPACE);
	list_init(&space->devices);
	dma_ranges_init(&space->ranges);
	if (iommu != NULL) {
		space->interrupt_range.start = DMA_INTERRUPTS_START;
		space->interrupt_range.end = DMA_INTERRUPTS_END;
		dma_ranges_insert(&space->ranges, &space->interrupt_range);
	}
	*out_space = space;
	return 0;
}

void dma_space_get_info(struct dma_space *space, struct hel_dma_space_info *out_info)
{
	const struct iommu *iommu = iommu_get();

	spinlock_acquire(&space->lock);
	bool was_muted = space->is_muted;

	*out_info = (struct hel_dma_space_info){
		.flags = (iommu != NULL ? HEL_DMA_TRANSLATED : 0) |
			(space->is_broken ? HEL_DMA_BROKEN : 0) | (was_muted ? HEL_DMA_MUTED : 0),
		.n_mappings = space->n_mappings,
		.mapped_bytes = space->mapped_bytes,
		.address_end = iommu != NULL ? iommu->address_end : UINT64_MAX,
		.n_faults = space->n_faults,
		.fault_address = space->fault_address,
		.fault_device = space->fault_device,
		.fault_access = space->fault_access,
	};
	space->n_faults_unseen = 0;
	space->is_muted = false;
	spinlock_release(&space->lock);
	out_info->n_devices = dma__count_devices(space);
	if (was_muted) {
		dma__apply_mute(space);
	}
}
