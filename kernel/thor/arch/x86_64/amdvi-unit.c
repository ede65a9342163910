/* SPDX-License-Identifier: MIT */
/*
 * One AMD-Vi unit: its registers, its command buffer, its event log.
 *
 * The command buffer (section 2.4) is a page of 256 commands. Whoever wants something forgotten
 * appends commands and a completion wait, which makes the unit write a number to memory, and polls
 * for that number with the unit's lock held; so the buffer is empty whenever the lock is free. A
 * unit that does not answer in time is dead: it is not asked again.
 *
 * The event log (section 2.5) is a page of 256 events. An event is taken once its code is not zero,
 * whatever the tail register says: the specification lets the register run ahead of memory, and
 * QEMU's unit does not move it.
 */
#include <base/errors.h>
#include <base/string.h>
#include <thor/memory/memory.h>
#include <thor/panic.h>

#include "amdvi.h"
#include "machine.h"
#include "pci-config.h"

constexpr uint32_t AMDVI_COMMANDS = 256;
constexpr uint32_t AMDVI_EVENTS = 256;
constexpr uint64_t AMDVI_LENGTH_256 = (uint64_t)8 << 56; /* of COMMAND_BUFFER and EVENT_LOG */
constexpr uint64_t AMDVI_DEVICES_64K = 0x1ff; /* of DEVICE_TABLE: 2 MiB */

/* commands: section 2.4.1 and following; the code is in the upper four bits */
constexpr uint64_t AMDVI_WAIT = (uint64_t)1 << 60 | 1; /* stores its number */
constexpr uint64_t AMDVI_FORGET_DEVICE = (uint64_t)2 << 60;
constexpr uint64_t AMDVI_FORGET_PAGES = (uint64_t)3 << 60;
constexpr uint64_t AMDVI_FORGET_MANY = 1; /* as many as the lowest zero of the address says */
constexpr uint64_t AMDVI_FORGET_TABLES = 2;
constexpr uint64_t AMDVI_ALL_PAGES = 0x7ffffffffffff000;
constexpr unsigned AMDVI_COMMAND_DOMAIN_SHIFT = 32;

/* events: section 2.5.3 and following */
constexpr unsigned AMDVI_EVENT_CODE_SHIFT = 60;
constexpr uint64_t AMDVI_EVENT_PAGE_FAULT = 2;
constexpr uint64_t AMDVI_EVENT_IS_WRITE = (uint64_t)1 << 53;

#define PCI_CAPABILITY_MSI  0x05
#define MSI_ENABLE          (1u << 16)
#define MSI_IS_WIDE         (1u << 23)
#define CAPABILITY_NP_CACHE (1u << 26) /* section 3.2 */

/* Which number each unit wrote last, in one page. */
static volatile uint64_t *amdvi_answers;
static uint32_t amdvi_n_answers;

static uint64_t amdvi_read(const struct amdvi_unit *unit, uint32_t offset)
{
	return *(volatile uint64_t *)(unit->registers + offset);
}

static void amdvi_write(const struct amdvi_unit *unit, uint32_t offset, uint64_t value)
{
	*(volatile uint64_t *)(unit->registers + offset) = value;
}

/* ---- commands; the unit is locked */

static void amdvi_append(struct amdvi_unit *unit, struct amdvi_command command)
{
	struct amdvi_command *commands = arch_phys_to_virt(unit->commands_phys);

	commands[unit->command_tail] = command;
	unit->command_tail = (unit->command_tail + 1) % AMDVI_COMMANDS;
}

struct amdvi_answer {
	const volatile uint64_t *place;
	uint64_t expected;
};

static bool amdvi_has_answered(const void *context)
{
	const struct amdvi_answer *answer = context;

	return *answer->place == answer->expected;
}

/* Let the unit work off what was appended. */
static int amdvi_run(struct amdvi_unit *unit)
{
	struct amdvi_answer answer = { unit->answer, ++unit->sequence };

	amdvi_append(unit,
		(struct amdvi_command){
			.low = AMDVI_WAIT | arch_virt_to_phys((const void *)unit->answer),
			.high = answer.expected,
		});
	atomic_thread_fence(memory_order_release);
	amdvi_write(unit, AMDVI_COMMAND_TAIL,
		unit->command_tail * (uint64_t)sizeof(struct amdvi_command));
	if (iommu_wait(amdvi_has_answered, &answer)) {
		return 0;
	}
	unit->is_dead = true;
	klog("iommu: the unit at 0x%llx does not answer (status 0x%llx)",
		(unsigned long long)unit->registers_phys,
		(unsigned long long)amdvi_read(unit, AMDVI_STATUS));
	return -ERR_IO;
}

static int amdvi_ask(struct amdvi_unit *unit, struct amdvi_command command)
{
	int error = -ERR_IO;

	spinlock_acquire(&unit->lock);
	if (!unit->is_dead) {
		amdvi_append(unit, command);
		error = amdvi_run(unit);
	}
	spinlock_release(&unit->lock);
	return error;
}

int amdvi_unit_flush_device(struct amdvi_unit *unit, uint16_t device)
{
	return amdvi_ask(unit, (struct amdvi_command){ .low = AMDVI_FORGET_DEVICE | device });
}

/* What a flush of many pages names: the block around the range, by ones below its lowest zero. */
static uint64_t amdvi_flush_range(uint64_t address, uint64_t size_bytes)
{
	uint64_t differing = address ^ (address + size_bytes - 1);
	uint64_t block = 2 * 4096;

	while (block <= differing) {
		block *= 2;
	}
	if (block > IOMMU_ADDRESS_END / 2) {
		return AMDVI_ALL_PAGES;
	}
	return align_down(address, block) | (align_down(block / 2 - 1, 4096));
}

int amdvi_unit_flush(
	struct amdvi_unit *unit, uint32_t domain_id, uint64_t address, uint64_t size_bytes)
{
	return amdvi_ask(unit,
		(struct amdvi_command){
			.low = AMDVI_FORGET_PAGES |
				(uint64_t)domain_id << AMDVI_COMMAND_DOMAIN_SHIFT,
			.high = amdvi_flush_range(address, size_bytes) | AMDVI_FORGET_MANY |
				AMDVI_FORGET_TABLES,
		});
}

/* ---- starting and stopping */

static int amdvi_make_memory(struct amdvi_unit *unit)
{
	if (amdvi_answers == NULL) {
		uint64_t phys = frame_allocate_zeroed();

		amdvi_answers = phys != 0 ? arch_phys_to_virt(phys) : NULL;
	}
	unit->registers = kernel_map_device(unit->registers_phys, AMDVI_REGISTERS_SIZE);
	unit->commands_phys = frame_allocate_zeroed();
	unit->events_phys = frame_allocate_zeroed();
	if (amdvi_answers == NULL || unit->registers == NULL || unit->commands_phys == 0 ||
		unit->events_phys == 0) {
		return -ERR_NO_MEMORY;
	}
	unit->answer = &amdvi_answers[amdvi_n_answers++];
	return 0;
}

/* The unit's own interrupt is that of a PCI function. Without it faults are not reported. */
static void amdvi_unit_enable_interrupt(const struct amdvi_unit *unit)
{
	uint32_t offset = pci_config_find(unit->device, PCI_CAPABILITY_MSI);
	uint64_t address;
	uint32_t data;

	if (offset == 0) {
		klog("iommu: the unit at 0x%llx has no interrupt",
			(unsigned long long)unit->registers_phys);
		return;
	}
	uint32_t head = pci_config_read(unit->device, offset);
	bool is_wide = (head & MSI_IS_WIDE) != 0;

	iommu_message(&address, &data);
	pci_config_write(unit->device, offset + 4, (uint32_t)address);
	if (is_wide) {
		pci_config_write(unit->device, offset + 8, (uint32_t)(address >> 32));
	}
	pci_config_write(unit->device, offset + (is_wide ? 12 : 8), data);
	pci_config_write(unit->device, offset, head | MSI_ENABLE);
}

int amdvi_unit_start(struct amdvi_unit *unit, uint64_t device_table_phys)
{
	constexpr uint32_t control = AMDVI_CONTROL_ENABLE | AMDVI_CONTROL_COMMANDS |
		AMDVI_CONTROL_EVENT_LOG | AMDVI_CONTROL_EVENT_INTERRUPT | AMDVI_CONTROL_COHERENT;
	int error = amdvi_make_memory(unit);

	if (error != 0) {
		return error;
	}
	spinlock_init(&unit->lock, LOCK_RANK_IOMMU);
	unit->caches_absent = unit->capability_offset != 0 &&
		(pci_config_read(unit->device, unit->capability_offset) & CAPABILITY_NP_CACHE) != 0;
	amdvi_write(unit, AMDVI_CONTROL, 0);
	amdvi_write(unit, AMDVI_DEVICE_TABLE, device_table_phys | AMDVI_DEVICES_64K);
	amdvi_write(unit, AMDVI_COMMAND_BUFFER, unit->commands_phys | AMDVI_LENGTH_256);
	amdvi_write(unit, AMDVI_COMMAND_HEAD, 0);
	amdvi_write(unit, AMDVI_COMMAND_TAIL, 0);
	amdvi_write(unit, AMDVI_EVENT_LOG, unit->events_phys | AMDVI_LENGTH_256);
	amdvi_write(unit, AMDVI_EVENT_HEAD, 0);
	amdvi_write(unit, AMDVI_EVENT_TAIL, 0);
	amdvi_unit_enable_interrupt(unit);
	amdvi_write(unit, AMDVI_CONTROL, control);
	return amdvi_unit_flush(unit, IOMMU_DOMAIN_DEFAULT, 0, IOMMU_ADDRESS_END);
}

void amdvi_unit_stop(const struct amdvi_unit *unit)
{
	if (unit->registers != NULL) {
		amdvi_write(unit, AMDVI_CONTROL, 0);
	}
}

/* ---- events */

/* Take the next event; false: there is none. */
static bool amdvi_take_event(struct amdvi_unit *unit, struct iommu_faults *faults)
{
	volatile uint64_t *event =
		(volatile uint64_t *)arch_phys_to_virt(unit->events_phys) + 2 * unit->event_head;
	uint64_t low = event[0];
	uint64_t code = low >> AMDVI_EVENT_CODE_SHIFT;

	if (code == 0) {
		return false;
	}
	if (code == AMDVI_EVENT_PAGE_FAULT) {
		faults->faults[faults->n_faults++] = (struct iommu_fault){
			.device = {
				.bus = (uint8_t)(low >> 8),
				.devfn = (uint8_t)low,
			},
			.address = event[1],
			.access = (low & AMDVI_EVENT_IS_WRITE) != 0 ? HEL_DMA_WRITE : HEL_DMA_READ,
		};
	} else {
		klog("iommu: event %llu of the unit at 0x%llx: 0x%llx 0x%llx",
			(unsigned long long)code, (unsigned long long)unit->registers_phys,
			(unsigned long long)low, (unsigned long long)event[1]);
	}
	event[0] = 0;
	unit->event_head = (unit->event_head + 1) % AMDVI_EVENTS;
	return true;
}

/* After an overflow the log begins anew: section 2.5.2. */
static void amdvi_restart_log(struct amdvi_unit *unit)
{
	uint64_t control = amdvi_read(unit, AMDVI_CONTROL);

	amdvi_write(unit, AMDVI_CONTROL, control & ~(uint64_t)AMDVI_CONTROL_EVENT_LOG);
	memset(arch_phys_to_virt(unit->events_phys), 0, AMDVI_EVENTS * 16);
	unit->event_head = 0;
	amdvi_write(unit, AMDVI_EVENT_HEAD, 0);
	amdvi_write(unit, AMDVI_EVENT_TAIL, 0);
	amdvi_write(unit, AMDVI_CONTROL, control);
}

bool amdvi_unit_collect(struct amdvi_unit *unit, struct iommu_faults *faults)
{
	bool has_any = false;

	spinlock_acquire(&unit->lock);
	uint64_t status = amdvi_read(unit, AMDVI_STATUS);

	/* Cleared first: what comes from here on interrupts again. */
	amdvi_write(unit, AMDVI_STATUS, AMDVI_STATUS_EVENT_INTERRUPT | AMDVI_STATUS_EVENT_OVERFLOW);
	while (faults->n_faults < IOMMU_FAULTS_MAX && amdvi_take_event(unit, faults)) {
		has_any = true;
	}
	amdvi_write(unit, AMDVI_EVENT_HEAD, unit->event_head * 16);
	if ((status & AMDVI_STATUS_EVENT_OVERFLOW) != 0) {
		amdvi_restart_log(unit);
	}
	spinlock_release(&unit->lock);
	return has_any;
}
