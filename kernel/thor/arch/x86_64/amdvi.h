/* SPDX-License-Identifier: MIT */
/*
 * AMD's IOMMU. Sections are those of the "AMD I/O Virtualization Technology (IOMMU) Specification",
 * document 48882, revision 3.08.
 */
#ifndef X86_64_AMDVI_H
#define X86_64_AMDVI_H

#include <thor/spinlock.h>

#include "iommu.h"

/* ---- registers: section 3.4 */

enum amdvi_register : uint32_t {
	AMDVI_DEVICE_TABLE = 0x0000,
	AMDVI_COMMAND_BUFFER = 0x0008,
	AMDVI_EVENT_LOG = 0x0010,
	AMDVI_CONTROL = 0x0018,
	AMDVI_COMMAND_HEAD = 0x2000,
	AMDVI_COMMAND_TAIL = 0x2008,
	AMDVI_EVENT_HEAD = 0x2010,
	AMDVI_EVENT_TAIL = 0x2018,
	AMDVI_STATUS = 0x2020,
	AMDVI_REGISTERS_SIZE = 0x4000,
};

enum amdvi_control : uint32_t {
	AMDVI_CONTROL_ENABLE = 1u << 0,
	AMDVI_CONTROL_EVENT_LOG = 1u << 2,
	AMDVI_CONTROL_EVENT_INTERRUPT = 1u << 3,
	AMDVI_CONTROL_COHERENT = 1u << 10,
	AMDVI_CONTROL_COMMANDS = 1u << 12,
};

enum amdvi_status : uint32_t {
	AMDVI_STATUS_EVENT_OVERFLOW = 1u << 0, /* write a one to clear */
	AMDVI_STATUS_EVENT_INTERRUPT = 1u << 1, /* write a one to clear */
	AMDVI_STATUS_EVENT_RUN = 1u << 3,
};

struct amdvi_command {
	uint64_t low, high;
};

struct amdvi_unit {
	/* immutable once it has started */
	volatile uint8_t *registers;
	uint64_t registers_phys;
	uint16_t device; /* its PCI function */
	uint16_t capability_offset;
	bool caches_absent;
	uint64_t commands_phys, events_phys;
	volatile uint64_t *answer; /* where the unit writes the number of a completion wait */

	/* guarded by lock */
	struct spinlock lock;
	uint32_t command_tail; /* next free command */
	uint32_t event_head; /* next event to be looked at */
	uint64_t sequence; /* of the last completion wait */
	bool is_dead; /* it did not answer: nothing is asked any more */
};

/* ---- amdvi-table.c: what the firmware says in the IVRS table */

/** amdvi_find_units() - where the units of segment 0 are; their number */
uint32_t amdvi_find_units(struct amdvi_unit *units, uint32_t n_units_max);

/** amdvi_find_reserved() - tell iommu.c which devices have reserved memory (IVMD) */
void amdvi_find_reserved(void);

/* ---- amdvi-unit.c: one unit */

/** amdvi_unit_start() - translate with a device table of 64 Ki entries; -ERR_NO_MEMORY, -ERR_IO */
MUST_USE int amdvi_unit_start(struct amdvi_unit *unit, uint64_t device_table_phys);

/** amdvi_unit_stop() - translate no more */
void amdvi_unit_stop(const struct amdvi_unit *unit);

/** amdvi_unit_flush_device() - forget the device table entry of a device; 0 or -ERR_IO */
MUST_USE int amdvi_unit_flush_device(struct amdvi_unit *unit, uint16_t device);

/** amdvi_unit_flush() - forget a range of a domain, tables included; 0 or -ERR_IO */
MUST_USE int amdvi_unit_flush(
	struct amdvi_unit *unit, uint32_t domain_id, uint64_t address, uint64_t size_bytes);

/** amdvi_unit_collect() - take what is logged, as far as there is room; whether it was anything */
bool amdvi_unit_collect(struct amdvi_unit *unit, struct iommu_faults *faults);

#endif
