/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi: the device table, and the hooks that portable thor calls.
 *
 * The device table (section 2.2.2) has an entry of four words for each of the 65536 devices of a
 * segment. An entry that is not valid lets everything through, so each is valid: the default is
 * translation that is none (lazy) or that allows nothing (strict). All units share the table.
 *
 * It is changed with the lock of all devices held (dma-device.c).
 */
#include "amdvi.h"

#include <base/errors.h>
#include <base/string.h>
#include <thor/memory/memory.h>
#include <thor/panic.h>

#include "machine.h"

constexpr uint64_t AMDVI_DEVICES = 65536;
constexpr unsigned AMDVI_TABLE_ORDER = 9; /* 2 MiB */
constexpr uint32_t AMDVI_LEVELS = 3;

/* device table entries: section 2.2.2.1; page table entries: 2.2.3 */
constexpr uint64_t AMDVI_VALID = 1; /* of both */
constexpr uint64_t AMDVI_TRANSLATION_VALID = 2;
constexpr unsigned AMDVI_LEVEL_SHIFT = 9; /* of the table that the entry points to; 0: a page */
constexpr uint64_t AMDVI_READ = (uint64_t)1 << 61;
constexpr uint64_t AMDVI_WRITE = (uint64_t)1 << 62;
/* of the second word, over the domain */
constexpr uint64_t AMDVI_QUIET = (uint64_t)1 << 34; /* SA: no page fault is logged */

struct amdvi_entry {
	_Atomic uint64_t words[4];
};

static struct amdvi_unit amdvi_units[IOMMU_UNITS_MAX];
static uint32_t amdvi_n_units;
static struct iommu amdvi_iommu;
static uint64_t amdvi_table_phys;
static uint64_t amdvi_nothing_phys; /* an empty page table */

static void amdvi_set(uint16_t id, uint64_t first, uint64_t second)
{
	struct amdvi_entry *entry =
		&((struct amdvi_entry *)arch_phys_to_virt(amdvi_table_phys))[id];

	atomic_store_explicit(&entry->words[1], second, memory_order_release);
	atomic_store_explicit(&entry->words[0], first, memory_order_release);
}

static void amdvi_set_nothing(uint16_t id)
{
	amdvi_set(id,
		AMDVI_VALID | AMDVI_TRANSLATION_VALID | AMDVI_LEVELS << AMDVI_LEVEL_SHIFT |
			amdvi_nothing_phys,
		IOMMU_DOMAIN_DEFAULT | AMDVI_QUIET);
}

static void amdvi_set_default(uint16_t id, enum iommu_policy policy)
{
	struct hel_dma_device device = { .bus = (uint8_t)(id >> 8), .devfn = (uint8_t)id };

	if (policy == IOMMU_POLICY_STRICT && !iommu_device_is_reserved(&device)) {
		amdvi_set_nothing(id);
	} else {
		amdvi_set(id, AMDVI_VALID | AMDVI_TRANSLATION_VALID | AMDVI_READ | AMDVI_WRITE,
			IOMMU_DOMAIN_DEFAULT);
	}
}

static int amdvi_flush_device(uint16_t id)
{
	int error = 0;

	for (uint32_t i = 0; i < amdvi_n_units; i++) {
		int unit_error = amdvi_unit_flush_device(&amdvi_units[i], id);

		error = error != 0 ? error : unit_error;
	}
	return error;
}

/* The first word of an entry that goes through a domain. */
static uint64_t amdvi_translating(const struct iommu_domain *domain)
{
	return AMDVI_VALID | AMDVI_TRANSLATION_VALID | AMDVI_LEVELS << AMDVI_LEVEL_SHIFT |
		AMDVI_READ | AMDVI_WRITE | domain->table.root_phys;
}

static bool amdvi_has_domain(uint16_t id, const struct iommu_domain *domain)
{
	const struct amdvi_entry *entry =
		&((const struct amdvi_entry *)arch_phys_to_virt(amdvi_table_phys))[id];

	return atomic_load_explicit(&entry->words[0], memory_order_relaxed) ==
		amdvi_translating(domain);
}

static int amdvi_attach(
	const struct hel_dma_device *device, const struct iommu_domain *domain, uint32_t flags)
{
	uint64_t quiet = (flags & IOMMU_ATTACH_QUIET) != 0 ? AMDVI_QUIET : 0;
	uint16_t id = (uint16_t)(device->bus << 8 | device->devfn);

	if (device->segment != 0) {
		return -ERR_UNSUPPORTED;
	}
	/* Only to be muted or heard again: the driver goes on meanwhile. */
	if (domain != NULL && amdvi_has_domain(id, domain)) {
		amdvi_set(id, amdvi_translating(domain), domain->id | quiet);
		return amdvi_flush_device(id);
	}
	/* Nothing before it becomes another one, so that no mixture of the two is ever used. */
	amdvi_set_nothing(id);
	int error = amdvi_flush_device(id);

	if (error != 0 || domain == NULL) {
		return error;
	}
	amdvi_set(id, amdvi_translating(domain), domain->id | quiet);
	return amdvi_flush_device(id);
}

static int amdvi_flush(uint32_t domain_id, uint64_t address, uint64_t size_bytes)
{
	int error = 0;

	for (uint32_t i = 0; i < amdvi_n_units; i++) {
		int unit_error = amdvi_unit_flush(&amdvi_units[i], domain_id, address, size_bytes);

		error = error != 0 ? error : unit_error;
	}
	return error;
}

static const struct iommu_ops amdvi_ops = {
	.is_reserved = iommu_device_is_reserved,
	.attach = amdvi_attach,
	.flush = amdvi_flush,
};

bool amdvi_collect_faults(struct iommu_faults *faults)
{
	bool has_any = false;

	for (uint32_t i = 0; i < amdvi_n_units; i++) {
		has_any |= amdvi_unit_collect(&amdvi_units[i], faults);
	}
	return has_any;
}

/* ---- starting */

static bool amdvi_make_tables(enum iommu_policy policy)
{
	amdvi_table_phys = frame_allocate_run(AMDVI_TABLE_ORDER, UINT64_MAX);
	amdvi_nothing_phys = frame_allocate_zeroed();
	if (amdvi_table_phys == 0 || amdvi_nothing_phys == 0) {
		return false;
	}
	memset(arch_phys_to_virt(amdvi_table_phys), 0, AMDVI_DEVICES * sizeof(struct amdvi_entry));
	for (uint32_t id = 0; id < AMDVI_DEVICES; id++) {
		amdvi_set_default((uint16_t)id, policy);
	}
	return true;
}

static int amdvi_start_units(void)
{
	for (uint32_t i = 0; i < amdvi_n_units; i++) {
		int error = amdvi_unit_start(&amdvi_units[i], amdvi_table_phys);

		if (error != 0) {
			return error;
		}
		amdvi_iommu.caches_absent |= amdvi_units[i].caches_absent;
	}
	return 0;
}

const struct iommu *amdvi_start(enum iommu_policy policy)
{
	amdvi_n_units = amdvi_find_units(amdvi_units, IOMMU_UNITS_MAX);
	if (amdvi_n_units == 0) {
		return NULL;
	}
	amdvi_find_reserved();
	amdvi_iommu = (struct iommu){
		.ops = &amdvi_ops,
		.format = {
			.n_levels = AMDVI_LEVELS,
			.present = AMDVI_VALID,
			.leaf = AMDVI_VALID,
			.read = AMDVI_READ,
			.write = AMDVI_WRITE,
			.table = {
				AMDVI_VALID | 1u << AMDVI_LEVEL_SHIFT,
				AMDVI_VALID | 2u << AMDVI_LEVEL_SHIFT,
			},
			.write_back = iommu_write_nothing,
		},
		.address_end = IOMMU_ADDRESS_END,
		.domain_first = IOMMU_DOMAIN_DEFAULT + 1,
		.domain_end = UINT16_MAX,
	};
	if (!amdvi_make_tables(policy) || amdvi_start_units() != 0) {
		klog("iommu: %u AMD-Vi units, not all of which start", amdvi_n_units);
		for (uint32_t i = 0; i < amdvi_n_units; i++) {
			amdvi_unit_stop(&amdvi_units[i]);
		}
		amdvi_n_units = 0;
		return NULL;
	}
	return &amdvi_iommu;
}
