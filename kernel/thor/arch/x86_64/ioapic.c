/* SPDX-License-Identifier: MIT */
/*
 * The IO-APICs: interrupt lines that become messages to a local APIC.
 *
 * There may be several; the MADT says at which line ("global system interrupt") each begins. An
 * entry of 64 bits says for one line which vector goes to which CPU, how the line is wired, and
 * whether it is masked. It is written in two halves, so it is masked while the upper one changes.
 *
 * A level-triggered entry that has sent its message sends no other before a local APIC broadcasts
 * the end of an interrupt with the entry's vector ("remote IRR"). When the vector changes meanwhile
 * that end would not be recognised any more and the line would be silent for ever. So the entry is
 * told of the end before: by the end register, or where there is none (before version 0x20) by
 * making it edge-triggered for a moment. If the line is still asserted it sends again, and one
 * interrupt may come twice.
 *
 * QEMU does not remember that a line is asserted if that happens while its entry is edge-triggered
 * and masked. So entries of lines that are usually levels begin as such, and are not made edges
 * without need.
 */
#include <abi/hel/hel.h>
#include <base/assert.h>
#include <thor/init/init.h>
#include <thor/panic.h>

#include "acpi.h"
#include "machine.h"
#include "registers.h"

#define IOAPICS_MAX       8
#define IOAPIC_LINES_MAX  240
#define ISA_LINES         16
#define IOAPIC_WINDOW     0x10 /* bytes; the index register is at 0 */
#define IOAPIC_END        0x40
#define IOAPIC_SIZE_BYTES 0x44

#define IOAPIC_VERSION     1
#define IOAPIC_ENTRY(line) (0x10 + 2 * (line))
#define VERSION_WITH_END   0x20

#define ENTRY_VECTOR            0xffu
#define ENTRY_ACTIVE_LOW        (1u << 13)
#define ENTRY_SENT              (1u << 14) /* read only */
#define ENTRY_LEVEL             (1u << 15)
#define ENTRY_MASKED            (1u << 16)
#define ENTRY_DESTINATION_SHIFT 24 /* in the upper half */

static struct ioapic {
	volatile uint32_t *registers;
	uint32_t first_gsi;
	uint32_t n_lines;
	bool has_end_register;
	/* guarded by ioapic_lock: the lower halves as written, for reading takes long */
	uint32_t entries[IOAPIC_LINES_MAX];
} ioapics[IOAPICS_MAX];
static uint32_t n_ioapics;

static struct isa_line {
	uint32_t gsi, line_flags;
} isa_lines[ISA_LINES];

static struct spinlock ioapic_lock = { .rank = LOCK_RANK_LINES };

static uint32_t ioapic_read(const struct ioapic *ioapic, uint32_t index)
{
	ioapic->registers[0] = index;
	return ioapic->registers[IOAPIC_WINDOW / 4];
}

static void ioapic_write(const struct ioapic *ioapic, uint32_t index, uint32_t value)
{
	ioapic->registers[0] = index;
	ioapic->registers[IOAPIC_WINDOW / 4] = value;
}

static void ioapic_set_entry(struct ioapic *ioapic, uint32_t line, uint32_t entry)
{
	ioapic->entries[line] = entry;
	ioapic_write(ioapic, IOAPIC_ENTRY(line), entry);
}

/* ---- what the machine has */

static void ioapic_add(const struct madt_entry *entry)
{
	if (n_ioapics == IOAPICS_MAX) {
		klog("thor: too many IO-APICs, one is left out");
		return;
	}
	struct ioapic *ioapic = &ioapics[n_ioapics];
	uint64_t phys = entry->ioapic.phys;
	uint64_t offset = phys % PAGE_SIZE_BYTES;
	uint8_t *page = kernel_map_device(phys - offset, PAGE_SIZE_BYTES);

	if (page == NULL || offset + IOAPIC_SIZE_BYTES > PAGE_SIZE_BYTES) {
		klog("thor: an IO-APIC cannot be mapped");
		return;
	}
	ioapic->registers = (volatile uint32_t *)(page + offset);
	ioapic->first_gsi = entry->ioapic.first_gsi;
	uint32_t version = ioapic_read(ioapic, IOAPIC_VERSION);

	ioapic->n_lines = (version >> 16 & 0xff) + 1;
	ioapic->has_end_register = (version & 0xff) >= VERSION_WITH_END;
	if (ioapic->n_lines > IOAPIC_LINES_MAX || ioapic->first_gsi > UINT32_MAX - 0x100) {
		klog("thor: an IO-APIC says nonsense, left out");
		return;
	}
	n_ioapics++;
	for (uint32_t line = 0; line < ioapic->n_lines; line++) {
		bool is_isa = ioapic->first_gsi + line < ISA_LINES;

		ioapic_set_entry(ioapic, line, ENTRY_MASKED | (is_isa ? 0 : ENTRY_LEVEL));
	}
}

static void ioapic_override(const struct madt_entry *entry)
{
	if (entry->override.source >= ISA_LINES) {
		return;
	}
	struct isa_line *line = &isa_lines[entry->override.source];
	uint32_t flags = entry->override.flags;

	line->gsi = entry->override.gsi;
	line->line_flags = 0;
	if ((flags & MADT_POLARITY_MASK) == MADT_POLARITY_LOW) {
		line->line_flags |= HEL_IRQ_LINE_ACTIVE_LOW;
	}
	if ((flags & MADT_TRIGGER_MASK) == MADT_TRIGGER_LEVEL) {
		line->line_flags |= HEL_IRQ_LINE_LEVEL;
	}
}

static void ioapic_start(UNUSED const struct boot_info *boot)
{
	const struct madt *madt = acpi_find("APIC");
	const struct madt_entry *entry = NULL;

	for (uint32_t isa = 0; isa < ISA_LINES; isa++) {
		isa_lines[isa].gsi = isa;
	}
	while (madt != NULL && (entry = madt_next(madt, entry)) != NULL) {
		if (entry->type == MADT_IOAPIC && entry->length >= MADT_IOAPIC_LENGTH) {
			ioapic_add(entry);
		} else if (entry->type == MADT_OVERRIDE && entry->length >= MADT_OVERRIDE_LENGTH) {
			ioapic_override(entry);
		}
	}
}
INIT_TASK(io_apic, "io-apic", .run = ioapic_start,
	.needs = { "acpi", "kernel-map", "local-apic-cpu" }, .provides = { "ready" });

/* ---- lines */

static struct ioapic *ioapic_of(uint32_t gsi)
{
	for (uint32_t i = 0; i < n_ioapics; i++) {
		if (gsi >= ioapics[i].first_gsi &&
			gsi - ioapics[i].first_gsi < ioapics[i].n_lines) {
			return &ioapics[i];
		}
	}
	return NULL;
}

bool arch_line_exists(uint32_t gsi)
{
	return ioapic_of(gsi) != NULL;
}

int arch_line_of_isa(uint32_t isa, uint32_t *out_gsi, uint32_t *out_line_flags)
{
	if (isa >= ISA_LINES || !arch_line_exists(isa_lines[isa].gsi)) {
		return -ERR_NOT_FOUND;
	}
	*out_gsi = isa_lines[isa].gsi;
	*out_line_flags = isa_lines[isa].line_flags;
	return 0;
}

/* Mask the entry, and let it forget what it has sent. */
static void ioapic_quiet_locked(struct ioapic *ioapic, uint32_t line)
{
	uint32_t entry = ioapic->entries[line] | ENTRY_MASKED;

	ioapic_set_entry(ioapic, line, entry);
	if ((entry & ENTRY_LEVEL) == 0 ||
		(ioapic_read(ioapic, IOAPIC_ENTRY(line)) & ENTRY_SENT) == 0) {
		return;
	}
	if (ioapic->has_end_register) {
		ioapic->registers[IOAPIC_END / 4] = entry & ENTRY_VECTOR;
	} else {
		ioapic_set_entry(ioapic, line, entry & ~ENTRY_LEVEL);
	}
}

void arch_line_route(
	uint32_t gsi, uint32_t line_flags, struct cpu *cpu, uint32_t vector, bool is_masked)
{
	struct ioapic *ioapic = ioapic_of(gsi);
	uint32_t entry = vector | ENTRY_MASKED;

	ASSERT(ioapic != NULL);
	uint32_t line = gsi - ioapic->first_gsi;

	if ((line_flags & HEL_IRQ_LINE_ACTIVE_LOW) != 0) {
		entry |= ENTRY_ACTIVE_LOW;
	}
	if ((line_flags & HEL_IRQ_LINE_LEVEL) != 0) {
		entry |= ENTRY_LEVEL;
	}
	spinlock_acquire(&ioapic_lock);
	ioapic_quiet_locked(ioapic, line);
	ioapic_write(ioapic, IOAPIC_ENTRY(line) + 1, cpu->arch.lapic_id << ENTRY_DESTINATION_SHIFT);
	ioapic_set_entry(ioapic, line, entry);
	if (!is_masked) {
		ioapic_set_entry(ioapic, line, entry & ~ENTRY_MASKED);
	}
	spinlock_release(&ioapic_lock);
}

void arch_line_set_mask(uint32_t gsi, bool is_masked)
{
	struct ioapic *ioapic = ioapic_of(gsi);

	ASSERT(ioapic != NULL);
	uint32_t line = gsi - ioapic->first_gsi;

	spinlock_acquire(&ioapic_lock);
	ioapic_set_entry(ioapic, line,
		(ioapic->entries[line] & ~ENTRY_MASKED) | (is_masked ? ENTRY_MASKED : 0));
	spinlock_release(&ioapic_lock);
}
