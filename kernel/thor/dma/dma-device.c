/* SPDX-License-Identifier: MIT */
/*
 * Which device is in which dma-space, and what becomes of its faults.
 *
 * One lock (rank DMA) guards all of it: devices come and go rarely. A device that is in no
 * dma-space has what the machine's start gave it, or, once it has been in one, nothing.
 *
 * A driver can make its device fault as fast as the device can. So a dma-space whose owner has not
 * asked for DMA_FAULTS_MAX faults is muted: the IOMMU goes on refusing, and says nothing, until the
 * owner looks. A device without dma-space is always quiet.
 */
#include <thor/dma/dma-space.h>

#include <base/bitmap.h>
#include <base/errors.h>
#include <thor/ipc/event.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>
#include <thor/panic.h>

constexpr uint32_t DMA_DOMAINS_MAX = 4096;
constexpr uint64_t DMA_FAULTS_LOGGED = 4; /* of one dma-space, before only powers of two are */

struct dma_device {
	struct hel_dma_device id; /* immutable */
	struct dma_space *space; /* immutable; borrowed: it lets go of its devices first */
	struct list_node node, space_node;
};

static struct spinlock dma_lock = { .rank = LOCK_RANK_DMA };
static struct list dma_devices = LIST_INIT(dma_devices); /* guarded by dma_lock, as all below */
static uint64_t dma_domains[BITMAP_WORDS(DMA_DOMAINS_MAX)]; /* those in use */

static bool dma_device_is(const struct dma_device *device, const struct hel_dma_device *id)
{
	return device->id.segment == id->segment && device->id.bus == id->bus &&
		device->id.devfn == id->devfn;
}

static struct dma_device *dma_device_find(const struct hel_dma_device *id)
{
	LIST_FOR_EACH(device, &dma_devices, struct dma_device, node) {
		if (dma_device_is(device, id)) {
			return device;
		}
	}
	return NULL;
}

/* ---- numbers of domains */

/* The space is locked, too: who unmaps looks at the number to see whether a flush is due. */
static int dma_take_domain(struct dma_space *space, const struct iommu *iommu)
{
	uint32_t end = (uint32_t)min_u64(iommu->domain_end, DMA_DOMAINS_MAX);

	if (space->domain.id != 0) {
		return 0;
	}
	size_t id = bitmap_find_clear(dma_domains, end, iommu->domain_first);

	if (id == BITMAP_NONE) {
		return -ERR_NO_SPACE;
	}
	bitmap_set(dma_domains, id);
	space->domain.id = (uint32_t)id;
	return 0;
}

/* What an IOMMU that does not answer remembers of a domain must not become another's. */
static void dma_give_domain(struct dma_space *space)
{
	if (space->domain.id != 0 && !space->is_broken) {
		bitmap_clear(dma_domains, space->domain.id);
		space->domain.id = 0;
	}
}

void dma__release_domain(struct dma_space *space)
{
	spinlock_acquire(&dma_lock);
	dma_give_domain(space);
	spinlock_release(&dma_lock);
}

/* ---- attaching */

static int dma_attach_hardware(struct dma_space *space, const struct hel_dma_device *id)
{
	const struct iommu *iommu = iommu_get();

	if (iommu == NULL) {
		return 0;
	}
	if (iommu->ops->is_reserved(id)) {
		return -ERR_UNSUPPORTED;
	}
	spinlock_acquire(&space->lock);
	int error = dma_take_domain(space, iommu);

	if (error == 0) {
		error = iommu->ops->attach(
			id, &space->domain, space->is_muted ? IOMMU_ATTACH_QUIET : 0);
	}
	if (error == 0) {
		error = iommu->ops->flush(IOMMU_DOMAIN_DEFAULT, 0, iommu->address_end);
	}
	space->is_broken |= error == -ERR_IO; /* perhaps the device goes through it now */
	if (error != 0 && space->n_devices == 0) {
		dma_give_domain(space);
	}
	spinlock_release(&space->lock);
	return error;
}

static int dma_attach_locked(struct dma_space *space, struct dma_device *device)
{
	if (space->is_dead) {
		return -ERR_ILLEGAL_STATE;
	}
	if (dma_device_find(&device->id) != NULL) {
		return -ERR_BUSY;
	}
	int error = dma_attach_hardware(space, &device->id);

	if (error == 0) {
		list_push_back(&dma_devices, &device->node);
		list_push_back(&space->devices, &device->space_node);
		space->n_devices++;
	}
	return error;
}

int dma_space_attach(struct dma_space *space, const struct hel_dma_device *id)
{
	struct dma_device *device = account_allocate(space->object.account, sizeof(*device));

	if (device == NULL) {
		return -ERR_NO_MEMORY;
	}
	device->id = *id;
	device->space = space;
	spinlock_acquire(&dma_lock);
	int error = dma_attach_locked(space, device);

	spinlock_release(&dma_lock);
	if (error != 0) {
		account_free(space->object.account, device, sizeof(*device));
	}
	return error;
}

/* The device reaches nothing from here on, and is forgotten, whatever the IOMMU answers. */
static int dma_detach_locked(struct dma_device *device)
{
	const struct iommu *iommu = iommu_get();
	struct dma_space *space = device->space;
	int error = 0;

	if (iommu != NULL) {
		spinlock_acquire(&space->lock);
		error = iommu->ops->attach(&device->id, NULL, IOMMU_ATTACH_QUIET);
		if (error == 0) {
			error = iommu->ops->flush(space->domain.id, 0, iommu->address_end);
		}
		if (error != 0) {
			space->is_broken = true;
		}
		spinlock_release(&space->lock);
	}
	list_remove(&device->node);
	list_remove(&device->space_node);
	space->n_devices--;
	account_free(space->object.account, device, sizeof(*device));
	return error;
}

int dma_space_detach(struct dma_space *space, const struct hel_dma_device *id)
{
	int error = -ERR_NOT_FOUND;

	spinlock_acquire(&dma_lock);
	struct dma_device *device = dma_device_find(id);

	if (device != NULL && device->space == space) {
		error = dma_detach_locked(device);
	}
	spinlock_release(&dma_lock);
	return error;
}

void dma__detach_all(struct dma_space *space)
{
	spinlock_acquire(&dma_lock);
	space->is_dead = true;
	while (!list_is_empty(&space->devices)) {
		struct dma_device *device =
			LIST_FIRST(&space->devices, struct dma_device, space_node);

		/* An error has been noted: nothing that this device may reach is reused. */
		(void)dma_detach_locked(device);
	}
	spinlock_release(&dma_lock);
}

uint32_t dma__count_devices(struct dma_space *space)
{
	spinlock_acquire(&dma_lock);
	uint32_t n_devices = space->n_devices;

	spinlock_release(&dma_lock);
	return n_devices;
}

/* ---- faults */

void dma__apply_mute(struct dma_space *space)
{
	const struct iommu *iommu = iommu_get();

	spinlock_acquire(&dma_lock);
	spinlock_acquire(&space->lock);
	LIST_FOR_EACH(device, &space->devices, struct dma_device, space_node) {
		if (iommu != NULL &&
			iommu->ops->attach(&device->id, &space->domain,
				space->is_muted ? IOMMU_ATTACH_QUIET : 0) != 0) {
			space->is_broken = true;
		}
	}
	spinlock_release(&space->lock);
	spinlock_release(&dma_lock);
}

/* Note a fault; whether it is one too many. */
static bool dma_note_fault(
	struct dma_space *space, const struct hel_dma_device *id, uint64_t address, uint32_t access)
{
	spinlock_acquire(&space->lock);
	uint64_t n_faults = ++space->n_faults;

	space->fault_address = address;
	space->fault_device = *id;
	space->fault_access = access;
	bool is_too_many = ++space->n_faults_unseen == DMA_FAULTS_MAX;

	space->is_muted |= is_too_many;
	spinlock_release(&space->lock);
	if (n_faults <= DMA_FAULTS_LOGGED || is_power_of_two(n_faults) || is_too_many) {
		klog("dma: device %04x:%02x:%02x.%u may not %s 0x%llx (fault %llu of its space%s)",
			id->segment, id->bus, id->devfn >> 3, id->devfn & 7,
			access == HEL_DMA_WRITE ? "write" : "read", (unsigned long long)address,
			(unsigned long long)n_faults, is_too_many ? "; muted" : "");
	}
	return is_too_many;
}

void iommu_report_fault(const struct hel_dma_device *id, uint64_t address, uint32_t access)
{
	struct dma_space *space = NULL;

	spinlock_acquire(&dma_lock);
	struct dma_device *device = dma_device_find(id);

	if (device != NULL && object_try_ref(&device->space->object)) {
		space = device->space;
	}
	spinlock_release(&dma_lock);
	if (space == NULL) {
		return;
	}
	if (dma_note_fault(space, id, address, access)) {
		dma__apply_mute(space);
	}
	event_source_raise(&space->fault_event->source, access);
	object_unref(&space->object);
}
