/* SPDX-License-Identifier: MIT */
/* The IOMMUs of PCs: see iommu.h. */
#include "iommu.h"

#include <base/string.h>
#include <thor/init/init.h>
#include <thor/memory/shootdown.h>
#include <thor/panic.h>

#include "machine.h"

constexpr char IOMMU_OPTION[] = "thor.iommu=";
constexpr uint64_t CACHE_LINE = 64;
constexpr uint32_t IOMMU_BATCHES_MAX = 64; /* of faults, in one interrupt */
constexpr uint64_t MESSAGE_ADDRESS = 0xfee00000;

struct iommu_device_range {
	uint16_t first, last;
};

/* Immutable once the machine has started. */
static struct iommu_device_range iommu_reserved[IOMMU_RESERVED_MAX];
static uint32_t iommu_n_reserved;
static bool (*iommu_collect)(struct iommu_faults *faults);

static enum iommu_policy iommu_read_policy(const struct boot_info *boot)
{
	const char *option = strstr(boot->command_line, IOMMU_OPTION);

	if (option == NULL) {
		return IOMMU_POLICY_LAZY;
	}
	option += sizeof(IOMMU_OPTION) - 1;
	size_t size = 0;

	while (option[size] != '\0' && option[size] != ' ') {
		size++;
	}
	if (size == 3 && memcmp(option, "off", size) == 0) {
		return IOMMU_POLICY_OFF;
	}
	if (size == 6 && memcmp(option, "strict", size) == 0) {
		return IOMMU_POLICY_STRICT;
	}
	if (size != 4 || memcmp(option, "lazy", size) != 0) {
		klog("iommu: thor.iommu is strict, lazy or off: taking lazy");
	}
	return IOMMU_POLICY_LAZY;
}

/* Find, start and register what there is. */
static void iommu_start(const struct boot_info *boot)
{
	enum iommu_policy policy = iommu_read_policy(boot);
	const char *name = "VT-d";
	const struct iommu *iommu;

	if (policy == IOMMU_POLICY_OFF) {
		klog("iommu: off");
		return;
	}
	iommu = vtd_start(policy);
	iommu_collect = vtd_collect_faults;
	if (iommu == NULL) {
		name = "AMD-Vi";
		iommu = amdvi_start(policy);
		iommu_collect = amdvi_collect_faults;
	}
	if (iommu == NULL) {
		iommu_collect = NULL;
		klog("iommu: none, devices reach all memory");
		return;
	}
	iommu_register(iommu);
	klog("iommu: %s, devices without dma-space reach %s", name,
		policy == IOMMU_POLICY_STRICT ? "nothing" : "all memory");
}
INIT_TASK(iommu, "iommu", .run = iommu_start, .needs = { "acpi", "kernel-map", "clock" },
	.provides = { "tasking" });

void iommu_serve_faults(void)
{
	struct iommu_faults faults;

	for (uint32_t i = 0; i < IOMMU_BATCHES_MAX && iommu_collect != NULL; i++) {
		faults.n_faults = 0;
		if (!iommu_collect(&faults)) {
			return;
		}
		for (uint32_t j = 0; j < faults.n_faults; j++) {
			const struct iommu_fault *fault = &faults.faults[j];

			iommu_report_fault(&fault->device, fault->address, fault->access);
		}
	}
}

void iommu_message(uint64_t *out_address, uint32_t *out_data)
{
	*out_address = MESSAGE_ADDRESS | cpu_table[0]->arch.lapic_id << 12;
	*out_data = VECTOR_IOMMU;
}

bool iommu_wait(bool (*is_done)(const void *context), const void *context)
{
	uint64_t start_ns = arch_clock_ns();

	while (!is_done(context)) {
		if (arch_clock_ns() - start_ns > IOMMU_PATIENCE_NS) {
			return is_done(context); /* the host may have been away in between */
		}
		shootdown_poll();
		arch_pause();
	}
	return true;
}

void iommu_write_back(const void *start, size_t size_bytes)
{
	const uint8_t *end = (const uint8_t *)start + size_bytes;

	for (const uint8_t *line = (const uint8_t *)align_down((uint64_t)start, CACHE_LINE);
		line < end; line += CACHE_LINE) {
		__asm__ volatile("clflush %0" : : "m"(*line) : "memory");
	}
	__asm__ volatile("mfence" : : : "memory");
}

void iommu_write_nothing(UNUSED const void *start, UNUSED size_t size_bytes)
{
}

/* ---- devices of the firmware */

void iommu_devices_reserve(uint16_t first, uint16_t last)
{
	if (iommu_n_reserved == IOMMU_RESERVED_MAX) {
		panic("iommu: the firmware reserves memory for too many devices");
	}
	iommu_reserved[iommu_n_reserved++] = (struct iommu_device_range){ first, last };
}

bool iommu_device_is_reserved(const struct hel_dma_device *device)
{
	uint16_t id = (uint16_t)(device->bus << 8 | device->devfn);

	for (uint32_t i = 0; i < iommu_n_reserved && device->segment == 0; i++) {
		if (id >= iommu_reserved[i].first && id <= iommu_reserved[i].last) {
			return true;
		}
	}
	return false;
}
