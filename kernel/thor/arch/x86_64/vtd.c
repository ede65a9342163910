/* SPDX-License-Identifier: MIT */
/*
 * VT-d: the tables of devices, and the hooks that portable thor calls.
 *
 * The root table has an entry for each bus, which points to a context table with an entry for each
 * device on it (section 9.1, 9.3). At first all buses share one context table, in which every entry
 * is the default: pass-through (lazy) or absent (strict). A bus gets a table of its own when a
 * device on it is attached for the first time, and keeps it.
 *
 * The tables are changed with the lock of all devices held (dma-device.c).
 */
#include "vtd.h"

#include <base/errors.h>
#include <base/string.h>
#include <thor/memory/memory.h>
#include <thor/panic.h>

#include "machine.h"

constexpr uint64_t VTD_TABLE_SIZE = 4096;
constexpr uint64_t VTD_TABLE_ENTRIES = 256;

/* section 9.3; the upper half has address width and domain */
constexpr uint64_t VTD_PRESENT = 1;
constexpr uint64_t VTD_QUIET = 1u << 1; /* no faults are recorded */
constexpr uint64_t VTD_PASS_THROUGH = 2u << 2;
constexpr unsigned VTD_CONTEXT_DOMAIN_SHIFT = 8;

/* section 9.8 */
constexpr uint64_t VTD_ENTRY_READ = 1;
constexpr uint64_t VTD_ENTRY_WRITE = 2;

struct vtd_entry {
	_Atomic uint64_t low, high;
};

static struct vtd_unit vtd_units[IOMMU_UNITS_MAX];
static uint32_t vtd_n_units;
static struct iommu vtd_iommu;
static uint64_t vtd_root_phys;
static uint64_t vtd_default_phys; /* the context table of all buses without one of their own */
/* of the address, as context entries say it; of pass-through, the widest there is */
static uint64_t vtd_width, vtd_width_max;

static struct vtd_entry *vtd_table_at(uint64_t phys)
{
	return arch_phys_to_virt(phys);
}

static void vtd_store(_Atomic uint64_t *place, uint64_t value)
{
	atomic_store_explicit(place, value, memory_order_release);
	vtd_iommu.format.write_back((const void *)place, sizeof(value));
}

static int vtd_flush_contexts(void)
{
	int error = 0;

	for (uint32_t i = 0; i < vtd_n_units; i++) {
		int unit_error = vtd_unit_flush_contexts(&vtd_units[i]);

		error = error != 0 ? error : unit_error;
	}
	return error;
}

/* The context table of a bus, its own; 0: no memory. */
static uint64_t vtd_own_table(uint8_t bus)
{
	struct vtd_entry *root = &vtd_table_at(vtd_root_phys)[bus];
	uint64_t phys =
		align_down(atomic_load_explicit(&root->low, memory_order_relaxed), VTD_TABLE_SIZE);

	if (phys != vtd_default_phys) {
		return phys;
	}
	phys = frame_allocate();
	if (phys != 0) {
		memcpy(arch_phys_to_virt(phys), arch_phys_to_virt(vtd_default_phys),
			VTD_TABLE_SIZE);
		vtd_iommu.format.write_back(arch_phys_to_virt(phys), VTD_TABLE_SIZE);
		vtd_store(&root->low, phys | VTD_PRESENT);
	}
	return phys;
}

static bool vtd_has_domain(const struct vtd_entry *entry, const struct iommu_domain *domain)
{
	uint64_t low = atomic_load_explicit(&entry->low, memory_order_relaxed);

	return (low & ~VTD_QUIET) == (domain->table.root_phys | VTD_PRESENT);
}

static int vtd_attach(
	const struct hel_dma_device *device, const struct iommu_domain *domain, uint32_t flags)
{
	uint64_t quiet = (flags & IOMMU_ATTACH_QUIET) != 0 ? VTD_QUIET : 0;
	uint64_t table_phys = device->segment == 0 ? vtd_own_table(device->bus) : 0;

	if (table_phys == 0) {
		return device->segment == 0 ? -ERR_NO_MEMORY : -ERR_UNSUPPORTED;
	}
	struct vtd_entry *entry = &vtd_table_at(table_phys)[device->devfn];

	/* Only to be muted or heard again: the driver goes on meanwhile. */
	if (domain != NULL && vtd_has_domain(entry, domain)) {
		vtd_store(&entry->low, domain->table.root_phys | quiet | VTD_PRESENT);
		return vtd_flush_contexts();
	}
	/* Absent before it becomes another one, so that no mixture of the two is ever used. */
	vtd_store(&entry->low, quiet);
	int error = vtd_flush_contexts();

	if (error != 0 || domain == NULL) {
		return error;
	}
	vtd_store(&entry->high, vtd_width | (uint64_t)domain->id << VTD_CONTEXT_DOMAIN_SHIFT);
	vtd_store(&entry->low, domain->table.root_phys | quiet | VTD_PRESENT);
	return vtd_iommu.caches_absent ? vtd_flush_contexts() : 0;
}

static int vtd_flush(uint32_t domain_id, uint64_t address, uint64_t size_bytes)
{
	int error = 0;

	for (uint32_t i = 0; i < vtd_n_units; i++) {
		int unit_error = vtd_unit_flush(&vtd_units[i], domain_id, address, size_bytes);

		error = error != 0 ? error : unit_error;
	}
	return error;
}

static const struct iommu_ops vtd_ops = {
	.is_reserved = iommu_device_is_reserved,
	.attach = vtd_attach,
	.flush = vtd_flush,
};

bool vtd_collect_faults(struct iommu_faults *faults)
{
	bool has_any = false;

	for (uint32_t i = 0; i < vtd_n_units; i++) {
		has_any |= vtd_unit_collect(&vtd_units[i], faults);
	}
	return has_any;
}

/* ---- starting */

/* What all units can do. */
static bool vtd_agree(void)
{
	uint64_t capability = ~(uint64_t)0;
	uint64_t extended = ~(uint64_t)0;
	uint32_t n_domains_bits = VTD_CAP_N_DOMAINS;
	bool caches_absent = false;

	for (uint32_t i = 0; i < vtd_n_units; i++) {
		if (vtd_unit_open(&vtd_units[i]) != 0) {
			return false;
		}
		capability &= vtd_units[i].capability;
		extended &= vtd_units[i].extended_capability;
		caches_absent |= (vtd_units[i].capability & VTD_CAP_CACHING_MODE) != 0;
		n_domains_bits = (uint32_t)min_u64(
			n_domains_bits, vtd_units[i].capability & VTD_CAP_N_DOMAINS);
	}
	bool has_3_levels = (capability & VTD_CAP_3_LEVELS) != 0;

	if ((!has_3_levels && (capability & VTD_CAP_4_LEVELS) == 0) ||
		(extended & VTD_ECAP_PASS_THROUGH) == 0) {
		return false;
	}
	vtd_width = has_3_levels ? 1 : 2;
	vtd_width_max = (capability & VTD_CAP_4_LEVELS) != 0 ? 2 : 1;
	vtd_iommu = (struct iommu){
		.ops = &vtd_ops,
		.format = {
			.n_levels = has_3_levels ? 3 : 4,
			.present = VTD_ENTRY_READ | VTD_ENTRY_WRITE,
			.read = VTD_ENTRY_READ,
			.write = VTD_ENTRY_WRITE,
			.write_back = (extended & VTD_ECAP_COHERENT) != 0 ? iommu_write_nothing
									  : iommu_write_back,
		},
		.address_end = IOMMU_ADDRESS_END,
		.domain_first = IOMMU_DOMAIN_DEFAULT + 1,
		.domain_end = 1u << (4 + 2 * n_domains_bits),
		.caches_absent = caches_absent,
	};
	return true;
}

static void vtd_set_default(uint64_t table_phys, uint64_t devfn, enum iommu_policy policy)
{
	struct vtd_entry *entry = &vtd_table_at(table_phys)[devfn];

	if (policy == IOMMU_POLICY_STRICT) {
		vtd_store(&entry->low, VTD_QUIET);
		return;
	}
	vtd_store(&entry->high,
		vtd_width_max | (uint64_t)IOMMU_DOMAIN_DEFAULT << VTD_CONTEXT_DOMAIN_SHIFT);
	vtd_store(&entry->low, VTD_PASS_THROUGH | VTD_QUIET | VTD_PRESENT);
}

static bool vtd_make_tables(enum iommu_policy policy)
{
	vtd_root_phys = frame_allocate_zeroed();
	vtd_default_phys = frame_allocate_zeroed();
	if (vtd_root_phys == 0 || vtd_default_phys == 0) {
		return false;
	}
	for (uint64_t i = 0; i < VTD_TABLE_ENTRIES; i++) {
		vtd_set_default(vtd_default_phys, i, policy);
		vtd_store(&vtd_table_at(vtd_root_phys)[i].low, vtd_default_phys | VTD_PRESENT);
		vtd_store(&vtd_table_at(vtd_root_phys)[i].high, 0);
	}
	/* Devices of the firmware reach what they need under any policy. */
	for (uint32_t id = 0; id <= UINT16_MAX && policy == IOMMU_POLICY_STRICT; id++) {
		struct hel_dma_device device = { .bus = (uint8_t)(id >> 8), .devfn = (uint8_t)id };

		if (!iommu_device_is_reserved(&device)) {
			continue;
		}
		uint64_t table_phys = vtd_own_table(device.bus);

		if (table_phys == 0) {
			return false;
		}
		vtd_set_default(table_phys, device.devfn, IOMMU_POLICY_LAZY);
	}
	return true;
}

const struct iommu *vtd_start(enum iommu_policy policy)
{
	uint32_t n_started = 0;
	int error = 0;

	vtd_n_units = vtd_find_units(vtd_units, IOMMU_UNITS_MAX);
	if (vtd_n_units == 0) {
		return NULL;
	}
	vtd_find_reserved();
	if (!vtd_agree() || !vtd_make_tables(policy)) {
		klog("iommu: %u VT-d units, not all of which can do what is needed", vtd_n_units);
		vtd_n_units = 0;
		return NULL;
	}
	for (; n_started < vtd_n_units && error == 0; n_started++) {
		error = vtd_unit_start(&vtd_units[n_started], vtd_root_phys);
	}
	if (error != 0) {
		klog("iommu: VT-d unit %u does not start", n_started - 1);
		while (n_started > 0) {
			vtd_unit_stop(&vtd_units[--n_started]);
		}
		vtd_n_units = 0;
		return NULL;
	}
	return &vtd_iommu;
}
