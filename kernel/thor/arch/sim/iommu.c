/* SPDX-License-Identifier: MIT */
/* The software IOMMU: see iommu.h. */
#include <thor/arch/sim/iommu.h>

#include <base/assert.h>
#include <base/errors.h>
#include <base/string.h>
#include <thor/arch/sim/processor.h>
#include <thor/dma/iommu.h>
#include <thor/memory/frame.h>

constexpr uint32_t SIM_DEVICES_MAX = 16;
constexpr uint32_t SIM_CACHE_SIZE = 64;
constexpr uint32_t SIM_FAULTS_MAX = 8;
constexpr uint64_t SIM_ADDRESS = 0x000ffffffffff000;
constexpr uint64_t SIM_TABLE_REACH = FRAME_SIZE * 512;

enum sim_entry : uint64_t {
	SIM_ENTRY_READ = 1,
	SIM_ENTRY_WRITE = 2,
	SIM_ENTRY_LEAF = 4,
	SIM_ENTRY_TABLE = 8,
};

struct sim_device {
	struct hel_dma_device id;
	const struct iommu_domain *domain; /* NULL: blocked */
	bool is_quiet, is_reserved;
};

/* A page, a lowest table or nothing (entry 0) that a domain has at an address. */
struct sim_cached {
	uint32_t domain; /* 0: empty */
	bool is_table;
	uint64_t address, entry;
};

struct sim_fault {
	struct hel_dma_device device;
	uint64_t address;
	uint32_t access;
};

static struct iommu sim_iommu;
static struct sim_device sim_devices[SIM_DEVICES_MAX];
static uint32_t sim_n_devices;
static struct sim_cached sim_cache[SIM_CACHE_SIZE];
static struct sim_fault sim_faults[SIM_FAULTS_MAX];
static uint32_t sim_n_faults;
static bool sim_is_broken;

static struct sim_device *sim_device_find(const struct hel_dma_device *id)
{
	for (uint32_t i = 0; i < sim_n_devices; i++) {
		if (memcmp(&sim_devices[i].id, id, sizeof(*id)) == 0) {
			return &sim_devices[i];
		}
	}
	if (sim_n_devices == SIM_DEVICES_MAX) {
		return NULL;
	}
	sim_devices[sim_n_devices] = (struct sim_device){ .id = *id, .is_quiet = true };
	return &sim_devices[sim_n_devices++];
}

/* ---- what thor asks for */

static bool sim_is_reserved(const struct hel_dma_device *id)
{
	const struct sim_device *device = sim_device_find(id);

	return device != NULL && device->is_reserved;
}

static int sim_attach(
	const struct hel_dma_device *id, const struct iommu_domain *domain, uint32_t flags)
{
	struct sim_device *device = sim_device_find(id);

	if (device == NULL || id->segment != 0) {
		return -ERR_UNSUPPORTED;
	}
	device->domain = domain;
	device->is_quiet = (flags & IOMMU_ATTACH_QUIET) != 0;
	return sim_is_broken ? -ERR_IO : 0;
}

static int sim_flush(uint32_t domain_id, uint64_t address, uint64_t size_bytes)
{
	ASSERT(domain_id != 0);
	if (sim_is_broken) {
		return -ERR_IO;
	}
	for (uint32_t i = 0; i < SIM_CACHE_SIZE; i++) {
		struct sim_cached *cached = &sim_cache[i];
		uint64_t reach = cached->is_table ? SIM_TABLE_REACH : FRAME_SIZE;

		if (cached->domain == domain_id && cached->address < address + size_bytes &&
			address < cached->address + reach) {
			cached->domain = 0;
		}
	}
	return 0;
}

static const struct iommu_ops sim_ops = {
	.is_reserved = sim_is_reserved,
	.attach = sim_attach,
	.flush = sim_flush,
};

static void sim_write_back(UNUSED const void *start, UNUSED size_t size_bytes)
{
}

void sim_iommu_plug(uint32_t flags)
{
	bool is_wide = (flags & SIM_IOMMU_WIDE) != 0;

	sim_iommu = (struct iommu){
		.ops = &sim_ops,
		.format = {
			.n_levels = is_wide ? 4 : 3,
			.present = SIM_ENTRY_LEAF | SIM_ENTRY_TABLE,
			.leaf = SIM_ENTRY_LEAF,
			.read = SIM_ENTRY_READ,
			.write = SIM_ENTRY_WRITE,
			.table = { SIM_ENTRY_TABLE, SIM_ENTRY_TABLE, SIM_ENTRY_TABLE },
			.write_back = sim_write_back,
		},
		.address_end = (uint64_t)1 << (is_wide ? 48 : 39),
		.domain_first = 2,
		.domain_end = 8,
		.caches_absent = (flags & SIM_IOMMU_CACHES_ABSENT) != 0,
	};
	sim_n_devices = 0;
	sim_n_faults = 0;
	sim_is_broken = false;
	memset(sim_cache, 0, sizeof(sim_cache));
	iommu_register(&sim_iommu);
}

void sim_iommu_unplug(void)
{
	iommu_register(NULL);
}

void sim_iommu_break(bool is_broken)
{
	sim_is_broken = is_broken;
}

void sim_iommu_reserve(const struct hel_dma_device *device)
{
	sim_device_find(device)->is_reserved = true;
}

/* ---- what devices do */

static struct sim_cached *sim_cached_slot(uint32_t domain, uint64_t address, bool is_table)
{
	uint64_t number = address / (is_table ? SIM_TABLE_REACH : FRAME_SIZE);

	return &sim_cache[(number * 2 + is_table + domain * 7) % SIM_CACHE_SIZE];
}

static bool sim_cache_find(uint32_t domain, uint64_t address, bool is_table, uint64_t *out_entry)
{
	const struct sim_cached *cached = sim_cached_slot(domain, address, is_table);

	if (cached->domain != domain || cached->is_table != is_table ||
		cached->address != address) {
		return false;
	}
	*out_entry = cached->entry;
	return true;
}

static void sim_cache_fill(uint32_t domain, uint64_t address, bool is_table, uint64_t entry)
{
	if (entry != 0 || sim_iommu.caches_absent) {
		*sim_cached_slot(domain, address, is_table) = (struct sim_cached){
			.domain = domain,
			.is_table = is_table,
			.address = address,
			.entry = entry,
		};
	}
}

static uint64_t sim_read_entry(uint64_t table, uint64_t address, unsigned level)
{
	const uint64_t *entries = arch_phys_to_virt(table & SIM_ADDRESS);

	return entries[(address >> (FRAME_SHIFT + 9 * level)) % 512];
}

/* The lowest table for an address; 0: there is none. */
static uint64_t sim_walk_to_table(const struct iommu_domain *domain, uint64_t address)
{
	uint64_t start = align_down(address, SIM_TABLE_REACH);
	uint64_t entry = domain->table.root_phys;
	unsigned level = sim_iommu.format.n_levels - 1;

	if (sim_cache_find(domain->id, start, true, &entry)) {
		return entry;
	}
	for (; level > 0; level--) {
		entry = sim_read_entry(entry, address, level);
		if ((entry & SIM_ENTRY_TABLE) == 0) {
			return 0;
		}
	}
	sim_cache_fill(domain->id, start, true, entry);
	return entry;
}

static uint64_t sim_translate(const struct iommu_domain *domain, uint64_t address)
{
	uint64_t page = align_down(address, FRAME_SIZE);
	uint64_t entry = 0;

	if (sim_cache_find(domain->id, page, false, &entry)) {
		return entry;
	}
	uint64_t table = sim_walk_to_table(domain, address);

	if (table != 0) {
		entry = sim_read_entry(table, address, 0);
		entry = (entry & SIM_ENTRY_LEAF) != 0 ? entry : 0;
	}
	sim_cache_fill(domain->id, page, false, entry);
	return entry;
}

static void sim_fault(const struct sim_device *device, uint64_t address, uint32_t access)
{
	if (device->is_quiet || sim_n_faults == SIM_FAULTS_MAX) {
		return;
	}
	sim_faults[sim_n_faults++] = (struct sim_fault){ device->id, address, access };
	if (sim_n_faults == 1) {
		sim_raise_vector(0, SIM_VECTOR_IOMMU);
	}
}

bool sim_device_access(
	const struct hel_dma_device *id, uint64_t address, uint32_t access, uint8_t *byte)
{
	uint64_t phys = address;

	if (iommu_get() != NULL) {
		const struct sim_device *device = sim_device_find(id);
		uint64_t needed = access == HEL_DMA_WRITE ? SIM_ENTRY_WRITE : SIM_ENTRY_READ;
		uint64_t entry = 0;

		if (device->domain != NULL && address < sim_iommu.address_end) {
			entry = sim_translate(device->domain, address);
		}
		if ((entry & needed) == 0) {
			sim_fault(device, address, access);
			return false;
		}
		phys = (entry & SIM_ADDRESS) + address % FRAME_SIZE;
	}
	uint8_t *place = arch_phys_to_virt(phys);

	if (access == HEL_DMA_WRITE) {
		*place = *byte;
	} else {
		*byte = *place;
	}
	return true;
}

bool sim_iommu_is_sound(void)
{
	for (uint32_t i = 0; i < SIM_CACHE_SIZE; i++) {
		const struct sim_cached *cached = &sim_cache[i];

		if (cached->domain != 0 && cached->entry != 0 &&
			frame_owners(cached->entry & SIM_ADDRESS) == 0) {
			return false;
		}
	}
	return true;
}

void sim_iommu_serve(void)
{
	struct sim_fault faults[SIM_FAULTS_MAX];
	uint32_t n_faults = sim_n_faults;

	memcpy(faults, sim_faults, sizeof(faults));
	sim_n_faults = 0;
	for (uint32_t i = 0; i < n_faults; i++) {
		iommu_report_fault(&faults[i].device, faults[i].address, faults[i].access);
	}
}
