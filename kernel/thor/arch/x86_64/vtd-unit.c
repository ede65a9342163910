/* SPDX-License-Identifier: MIT */
/*
 * One VT-d unit: its registers, its invalidation queue, its fault records.
 *
 * The queue (section 6.5.2) is a page of 256 descriptors. Whoever wants something forgotten appends
 * descriptors and a wait descriptor, which makes the unit write a number to memory, and polls for
 * that number with the unit's lock held; so the queue is empty whenever the lock is free. A unit
 * that does not answer in time is dead: it is not asked again.
 */
#include <base/assert.h>
#include <base/errors.h>
#include <base/string.h>
#include <thor/memory/memory.h>
#include <thor/panic.h>

#include "machine.h"
#include "vtd.h"

constexpr uint32_t VTD_QUEUE_SIZE = 256;
constexpr uint64_t VTD_PAGE = 4096;
constexpr unsigned VTD_PAGE_SHIFT = 12;

/* descriptors: section 6.5.2.1 and following */
constexpr uint64_t VTD_CONTEXT_GLOBAL = 1 | 1u << 4;
constexpr uint64_t VTD_IOTLB_GLOBAL = 2 | 1u << 4;
constexpr uint64_t VTD_IOTLB_DOMAIN = 2 | 2u << 4;
constexpr uint64_t VTD_IOTLB_PAGES = 2 | 3u << 4;
constexpr uint64_t VTD_IOTLB_DRAIN = 1u << 6 | 1u << 7;
constexpr uint64_t VTD_WAIT = 5 | 1u << 5; /* writes its status */
constexpr unsigned VTD_DOMAIN_SHIFT = 16;
constexpr unsigned VTD_STATUS_SHIFT = 32;

/* fault status: section 11.4.9; records: 11.4.14 */
constexpr uint32_t VTD_FAULT_OVERFLOW = 1u << 0;
constexpr uint32_t VTD_FAULT_ERRORS = 1u << 4 | 1u << 5 | 1u << 6; /* of the queue */
constexpr uint32_t VTD_FAULT_MASK = 1u << 31; /* VTD_FAULT_CONTROL */
constexpr uint32_t VTD_RECORD_FAULT = 1u << 31; /* of the last word */
constexpr uint32_t VTD_RECORD_READ = 1u << 30;
constexpr uint32_t VTD_RECORD_WORDS = 4;
constexpr uint32_t VTD_PROTECTED_ENABLE = 1u << 31;

/* Which number each unit wrote last, in one page. */
static volatile uint32_t *vtd_answers;
static uint32_t vtd_n_answers;

/* ---- registers */

static uint32_t vtd_read_u32(const struct vtd_unit *unit, uint32_t offset)
{
	return *(volatile uint32_t *)(unit->registers + offset);
}

static uint64_t vtd_read_u64(const struct vtd_unit *unit, uint32_t offset)
{
	return *(volatile uint64_t *)(unit->registers + offset);
}

static void vtd_write_u32(const struct vtd_unit *unit, uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)(unit->registers + offset) = value;
}

static void vtd_write_u64(const struct vtd_unit *unit, uint32_t offset, uint64_t value)
{
	*(volatile uint64_t *)(unit->registers + offset) = value;
}

struct vtd_expectation {
	const struct vtd_unit *unit;
	uint32_t offset, mask, value;
};

static bool vtd_is_as_expected(const void *context)
{
	const struct vtd_expectation *expected = context;

	return (vtd_read_u32(expected->unit, expected->offset) & expected->mask) == expected->value;
}

static int vtd_expect(const struct vtd_unit *unit, uint32_t offset, uint32_t mask, uint32_t value)
{
	struct vtd_expectation expected = { unit, offset, mask, value };

	return iommu_wait(vtd_is_as_expected, &expected) ? 0 : -ERR_IO;
}

/* Give a command and wait until it is done; bits that stay on are given again each time. */
static int vtd_command(const struct vtd_unit *unit, uint32_t command, bool is_on)
{
	uint32_t lasting = vtd_read_u32(unit, VTD_STATUS) & VTD_LASTING;
	uint32_t expected = is_on && command != VTD_WRITE_BUFFER ? command : 0;

	vtd_write_u32(unit, VTD_COMMAND, is_on ? lasting | command : lasting & ~command);
	return vtd_expect(unit, VTD_STATUS, command, expected);
}

/* ---- the queue; the unit is locked, or only one CPU runs */

static void vtd_append(struct vtd_unit *unit, struct vtd_descriptor descriptor)
{
	struct vtd_descriptor *queue = arch_phys_to_virt(unit->queue_phys);

	queue[unit->tail] = descriptor;
	iommu_write_back(&queue[unit->tail], sizeof(descriptor));
	unit->tail = (unit->tail + 1) % VTD_QUEUE_SIZE;
}

struct vtd_answer {
	const volatile uint32_t *place;
	uint32_t expected;
};

static bool vtd_has_answered(const void *context)
{
	const struct vtd_answer *answer = context;

	return *answer->place == answer->expected;
}

/* Let the unit work off what was appended. */
static int vtd_run(struct vtd_unit *unit)
{
	struct vtd_answer answer = { unit->answer, ++unit->sequence };

	vtd_append(unit,
		(struct vtd_descriptor){
			.low = VTD_WAIT | (uint64_t)answer.expected << VTD_STATUS_SHIFT,
			.high = arch_virt_to_phys((const void *)unit->answer),
		});
	vtd_write_u32(unit, VTD_QUEUE_TAIL, unit->tail * (uint32_t)sizeof(struct vtd_descriptor));
	if (iommu_wait(vtd_has_answered, &answer)) {
		return 0;
	}
	unit->is_dead = true;
	klog("iommu: the unit at 0x%llx does not answer (fault status 0x%x)",
		(unsigned long long)unit->registers_phys, vtd_read_u32(unit, VTD_FAULT_STATUS));
	return -ERR_IO;
}

static int vtd_ask(struct vtd_unit *unit, struct vtd_descriptor descriptor)
{
	int error = -ERR_IO;

	spinlock_acquire(&unit->lock);
	if (!unit->is_dead) {
		vtd_append(unit, descriptor);
		error = vtd_run(unit);
	}
	spinlock_release(&unit->lock);
	return error;
}

int vtd_unit_flush_contexts(struct vtd_unit *unit)
{
	return vtd_ask(unit, (struct vtd_descriptor){ .low = VTD_CONTEXT_GLOBAL });
}

/*
 * A page-selective flush takes 2^n pages from a multiple of that on: the smallest such block around
 * the range; UINT32_MAX: the unit cannot do that many.
 */
static uint32_t vtd_flush_order(const struct vtd_unit *unit, uint64_t address, uint64_t size_bytes)
{
	uint64_t first = address >> VTD_PAGE_SHIFT;
	uint64_t last = (address + size_bytes - 1) >> VTD_PAGE_SHIFT;
	uint32_t order_max = unit->capability >> 48 & 0x3f;
	uint32_t order = 0;

	while (first >> order != last >> order) {
		order++;
	}
	bool is_possible = (unit->capability & VTD_CAP_PAGE_SELECTIVE) != 0 && order <= order_max;

	return is_possible ? order : UINT32_MAX;
}

int vtd_unit_flush(struct vtd_unit *unit, uint32_t domain_id, uint64_t address, uint64_t size_bytes)
{
	uint32_t order = vtd_flush_order(unit, address, size_bytes);
	struct vtd_descriptor descriptor = {
		.low = VTD_IOTLB_DOMAIN | VTD_IOTLB_DRAIN | (uint64_t)domain_id << VTD_DOMAIN_SHIFT,
	};

	if (order != UINT32_MAX) {
		descriptor.low |= VTD_IOTLB_PAGES;
		descriptor.high = align_down(address, VTD_PAGE << order) | order;
	}
	return vtd_ask(unit, descriptor);
}

/* ---- starting and stopping */

int vtd_unit_open(struct vtd_unit *unit)
{
	unit->registers = kernel_map_device(unit->registers_phys, VTD_REGISTERS_SIZE);
	if (unit->registers == NULL) {
		return -ERR_NO_MEMORY;
	}
	unit->capability = vtd_read_u64(unit, VTD_CAPABILITY);
	unit->extended_capability = vtd_read_u64(unit, VTD_EXTENDED_CAPABILITY);
	spinlock_init(&unit->lock, LOCK_RANK_IOMMU);
	if ((unit->extended_capability & VTD_ECAP_QUEUE) == 0) {
		return -ERR_UNSUPPORTED;
	}
	uint32_t records = (unit->capability >> 24 & 0x3ff) * 16;

	unit->n_fault_records = (uint32_t)(unit->capability >> 40 & 0xff) + 1;
	unit->fault_records = kernel_map_device(unit->registers_phys + records,
		unit->n_fault_records * VTD_RECORD_WORDS * sizeof(uint32_t));
	return unit->fault_records != NULL ? 0 : -ERR_NO_MEMORY;
}

static int vtd_make_queue(struct vtd_unit *unit)
{
	if (vtd_answers == NULL) {
		uint64_t phys = frame_allocate_zeroed();

		vtd_answers = phys != 0 ? arch_phys_to_virt(phys) : NULL;
	}
	unit->queue_phys = frame_allocate_zeroed();
	if (vtd_answers == NULL || unit->queue_phys == 0) {
		return -ERR_NO_MEMORY;
	}
	unit->answer = &vtd_answers[vtd_n_answers++];
	return 0;
}

/* What the firmware or an earlier kernel may have left on. */
static int vtd_unit_reset(const struct vtd_unit *unit)
{
	int error = vtd_command(unit, VTD_TRANSLATION, false);

	if (error == 0) {
		error = vtd_command(unit, VTD_QUEUED_INVALIDATION, false);
	}
	if (error == 0 &&
		(unit->capability & (VTD_CAP_PROTECTED_LOW | VTD_CAP_PROTECTED_HIGH)) != 0) {
		vtd_write_u32(unit, VTD_PROTECTED_MEMORY,
			vtd_read_u32(unit, VTD_PROTECTED_MEMORY) & ~VTD_PROTECTED_ENABLE);
		error = vtd_expect(unit, VTD_PROTECTED_MEMORY, 1, 0);
	}
	return error;
}

static int vtd_unit_start_queue(struct vtd_unit *unit)
{
	vtd_write_u64(unit, VTD_QUEUE_TAIL, 0);
	vtd_write_u64(unit, VTD_QUEUE_ADDRESS, unit->queue_phys);
	int error = vtd_command(unit, VTD_QUEUED_INVALIDATION, true);

	if (error == 0) {
		error = vtd_unit_flush_contexts(unit);
	}
	if (error == 0) {
		error = vtd_ask(
			unit, (struct vtd_descriptor){ .low = VTD_IOTLB_GLOBAL | VTD_IOTLB_DRAIN });
	}
	return error;
}

static void vtd_unit_enable_faults(const struct vtd_unit *unit)
{
	uint64_t address;
	uint32_t data;

	iommu_message(&address, &data);
	vtd_write_u32(unit, VTD_FAULT_DATA, data);
	vtd_write_u32(unit, VTD_FAULT_ADDRESS, (uint32_t)address);
	vtd_write_u32(unit, VTD_FAULT_UPPER_ADDRESS, (uint32_t)(address >> 32));
	vtd_write_u32(
		unit, VTD_FAULT_CONTROL, vtd_read_u32(unit, VTD_FAULT_CONTROL) & ~VTD_FAULT_MASK);
}

int vtd_unit_start(struct vtd_unit *unit, uint64_t root_phys)
{
	int error = vtd_make_queue(unit);

	if (error == 0) {
		error = vtd_unit_reset(unit);
	}
	if (error == 0 && (unit->capability & VTD_CAP_WRITE_BUFFER) != 0) {
		error = vtd_command(unit, VTD_WRITE_BUFFER, true);
	}
	if (error == 0) {
		vtd_write_u64(unit, VTD_ROOT_TABLE, root_phys);
		error = vtd_command(unit, VTD_SET_ROOT, true);
	}
	if (error == 0) {
		error = vtd_unit_start_queue(unit);
	}
	if (error == 0) {
		vtd_unit_enable_faults(unit);
		error = vtd_command(unit, VTD_TRANSLATION, true);
	}
	return error;
}

void vtd_unit_stop(struct vtd_unit *unit)
{
	(void)vtd_command(unit, VTD_TRANSLATION, false); /* or it never was on */
	vtd_write_u32(
		unit, VTD_FAULT_CONTROL, vtd_read_u32(unit, VTD_FAULT_CONTROL) | VTD_FAULT_MASK);
}

/* ---- faults */

/* Take one record; false: it is empty. */
static bool vtd_take_record(volatile uint32_t *record, struct iommu_fault *out_fault)
{
	uint32_t kind = record[3];

	if ((kind & VTD_RECORD_FAULT) == 0) {
		return false;
	}
	uint32_t source = record[2];

	*out_fault = (struct iommu_fault){
		.device = {
			.bus = (uint8_t)(source >> 8),
			.devfn = (uint8_t)source,
		},
		.address = (uint64_t)record[1] << 32 | align_down(record[0], VTD_PAGE),
		.access = (kind & VTD_RECORD_READ) != 0 ? HEL_DMA_READ : HEL_DMA_WRITE,
	};
	record[3] = VTD_RECORD_FAULT; /* writing a one clears it */
	return true;
}

bool vtd_unit_collect(struct vtd_unit *unit, struct iommu_faults *faults)
{
	uint32_t n_before = faults->n_faults;

	spinlock_acquire(&unit->lock);
	for (uint32_t i = 0; i < unit->n_fault_records && faults->n_faults < IOMMU_FAULTS_MAX;
		i++) {
		faults->n_faults += vtd_take_record(&unit->fault_records[i * VTD_RECORD_WORDS],
			&faults->faults[faults->n_faults]);
	}
	/* Who polls the queue sees by itself that it has stopped. */
	vtd_write_u32(unit, VTD_FAULT_STATUS, VTD_FAULT_OVERFLOW | VTD_FAULT_ERRORS);
	spinlock_release(&unit->lock);
	return faults->n_faults > n_before;
}
