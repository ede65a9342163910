/* SPDX-License-Identifier: MIT */
/*
 * Intel's IOMMU. Sections are those of "Intel Virtualization Technology for Directed I/O,
 * Architecture Specification", revision 3.4; only its legacy mode is used.
 */
#ifndef X86_64_VTD_H
#define X86_64_VTD_H

#include <thor/spinlock.h>

#include "iommu.h"

/* ---- registers: section 11.4 */

enum vtd_register : uint32_t {
	VTD_CAPABILITY = 0x08,
	VTD_EXTENDED_CAPABILITY = 0x10,
	VTD_COMMAND = 0x18,
	VTD_STATUS = 0x1c,
	VTD_ROOT_TABLE = 0x20,
	VTD_FAULT_STATUS = 0x34,
	VTD_FAULT_CONTROL = 0x38,
	VTD_FAULT_DATA = 0x3c,
	VTD_FAULT_ADDRESS = 0x40,
	VTD_FAULT_UPPER_ADDRESS = 0x44,
	VTD_PROTECTED_MEMORY = 0x64,
	VTD_QUEUE_HEAD = 0x80,
	VTD_QUEUE_TAIL = 0x88,
	VTD_QUEUE_ADDRESS = 0x90,
	VTD_REGISTERS_SIZE = 0x1000,
};

/* of VTD_COMMAND and VTD_STATUS alike */
enum vtd_command : uint32_t {
	VTD_TRANSLATION = 1u << 31,
	VTD_SET_ROOT = 1u << 30,
	VTD_WRITE_BUFFER = 1u << 27,
	VTD_QUEUED_INVALIDATION = 1u << 26,
	/* those that are not a one-time command, and so are written back as they are */
	VTD_LASTING = 0x96ffffffu,
};

enum vtd_capability : uint64_t {
	VTD_CAP_N_DOMAINS = 7, /* 2^(4 + 2 n) */
	VTD_CAP_WRITE_BUFFER = 1u << 4, /* RWBF */
	VTD_CAP_PROTECTED_LOW = 1u << 5,
	VTD_CAP_PROTECTED_HIGH = 1u << 6,
	VTD_CAP_CACHING_MODE = 1u << 7,
	VTD_CAP_3_LEVELS = 1u << 9,
	VTD_CAP_4_LEVELS = 1u << 10,
	VTD_CAP_PAGE_SELECTIVE = (uint64_t)1 << 39,
};

enum vtd_extended_capability : uint64_t {
	VTD_ECAP_COHERENT = 1u << 0,
	VTD_ECAP_QUEUE = 1u << 1,
	VTD_ECAP_PASS_THROUGH = 1u << 6,
};

struct vtd_descriptor {
	uint64_t low, high;
};

struct vtd_unit {
	/* immutable once it has started */
	volatile uint8_t *registers;
	uint64_t registers_phys;
	uint64_t capability, extended_capability;
	uint64_t queue_phys;
	volatile uint32_t *answer; /* where the unit writes the number of a wait descriptor */
	volatile uint32_t *fault_records;
	uint32_t n_fault_records;

	/* guarded by lock */
	struct spinlock lock;
	uint32_t tail; /* next free descriptor */
	uint32_t sequence; /* of the last wait descriptor */
	bool is_dead; /* it did not answer: nothing is asked any more */
};

/* ---- vtd-table.c: what the firmware says in the DMAR table */

/** vtd_find_units() - registers_phys of the units of segment 0; their number */
uint32_t vtd_find_units(struct vtd_unit *units, uint32_t n_units_max);

/** vtd_find_reserved() - tell iommu.c which devices have reserved memory (RMRR) */
void vtd_find_reserved(void);

/* ---- vtd-unit.c: one unit */

/** vtd_unit_open() - map registers and read the capabilities; -ERR_NO_MEMORY, -ERR_UNSUPPORTED */
MUST_USE int vtd_unit_open(struct vtd_unit *unit);

/** vtd_unit_start() - translate with @root_phys from now on; -ERR_NO_MEMORY, -ERR_IO */
MUST_USE int vtd_unit_start(struct vtd_unit *unit, uint64_t root_phys);

/** vtd_unit_stop() - translate no more */
void vtd_unit_stop(struct vtd_unit *unit);

/** vtd_unit_flush_contexts() - forget all context entries; 0 or -ERR_IO */
MUST_USE int vtd_unit_flush_contexts(struct vtd_unit *unit);

/** vtd_unit_flush() - forget a range of a domain, tables included; 0 or -ERR_IO */
MUST_USE int vtd_unit_flush(
	struct vtd_unit *unit, uint32_t domain_id, uint64_t address, uint64_t size_bytes);

/** vtd_unit_collect() - take what is recorded, as far as there is room; whether it was anything */
bool vtd_unit_collect(struct vtd_unit *unit, struct iommu_faults *faults);

#endif
