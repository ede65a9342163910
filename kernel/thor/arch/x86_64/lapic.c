/* SPDX-License-Identifier: MIT */
/*
 * The local APIC: end of interrupt, interrupts between processors, the one-shot timer.
 *
 * xAPIC registers are 16 bytes apart in memory, x2APIC's are machine registers with the same
 * numbering. The old interrupt controller (PIC) is masked: lines come through the IO-APICs
 * (ioapic.c).
 */
#include <base/assert.h>
#include <thor/init/init.h>
#include <thor/memory/memory.h>
#include <thor/panic.h>

#include "acpi.h"
#include "machine.h"
#include "registers.h"

#define MSR_APIC_BASE    0x1b
#define APIC_BASE_X2APIC (UINT64_C(1) << 10)
#define APIC_BASE_ENABLE (UINT64_C(1) << 11)
#define MSR_X2APIC       0x800

#define LAPIC_PHYS_DEFAULT 0xfee00000u

enum lapic_register {
	LAPIC_ID = 0x02,
	LAPIC_TASK_PRIORITY = 0x08,
	LAPIC_END_OF_INTERRUPT = 0x0b,
	LAPIC_SPURIOUS = 0x0f,
	LAPIC_LEVEL = 0x18, /* eight registers of 32 vectors */
	LAPIC_PENDING = 0x20, /* eight registers of 32 vectors */
	LAPIC_ERROR_STATUS = 0x28,
	LAPIC_COMMAND_LOW = 0x30,
	LAPIC_COMMAND_HIGH = 0x31,
	LAPIC_LVT_TIMER = 0x32,
	LAPIC_LVT_THERMAL = 0x33,
	LAPIC_LVT_PERFORMANCE = 0x34,
	LAPIC_LVT_LINT0 = 0x35,
	LAPIC_LVT_LINT1 = 0x36,
	LAPIC_LVT_ERROR = 0x37,
	LAPIC_TIMER_INITIAL = 0x38,
	LAPIC_TIMER_CURRENT = 0x39,
	LAPIC_TIMER_DIVIDE = 0x3e,
};

#define LVT_MASKED      (1u << 16)
#define LVT_NMI         (4u << 8)
#define SPURIOUS_ENABLE (1u << 8)
#define DIVIDE_BY_16    0x3

#define COMMAND_NMI        (4u << 8)
#define COMMAND_INIT       (5u << 8)
#define COMMAND_STARTUP    (6u << 8)
#define COMMAND_PENDING    (1u << 12)
#define COMMAND_ASSERT     (1u << 14)
#define COMMAND_ALL_OTHERS (3u << 18)

#define PIC1_DATA 0x21
#define PIC2_DATA 0xa1

static volatile uint32_t *lapic_registers; /* NULL: x2APIC, or not yet initialised */
static bool lapic_is_ready;

static uint32_t lapic_read(enum lapic_register index)
{
	if (lapic_registers == NULL) {
		return (uint32_t)msr_read(MSR_X2APIC + (uint32_t)index);
	}
	return lapic_registers[index * 4];
}

static void lapic_write(enum lapic_register index, uint32_t value)
{
	if (lapic_registers == NULL) {
		msr_write(MSR_X2APIC + (uint32_t)index, value);
	} else {
		lapic_registers[index * 4] = value;
	}
}

static uint64_t lapic_find(void)
{
	const struct madt *madt = acpi_find("APIC");
	uint64_t phys = LAPIC_PHYS_DEFAULT;

	if (madt != NULL) {
		phys = madt->lapic_phys;
		for (const struct madt_entry *entry = madt_next(madt, NULL); entry != NULL;
			entry = madt_next(madt, entry)) {
			if (entry->type == MADT_LAPIC_ADDRESS) {
				phys = entry->lapic_address.phys;
			}
		}
	}
	return phys;
}

static void lapic_start(UNUSED const struct boot_info *boot)
{
	port_write_u8(PIC1_DATA, 0xff);
	port_write_u8(PIC2_DATA, 0xff);
	if (!features.has_x2apic) {
		lapic_registers = kernel_map_device(lapic_find(), PAGE_SIZE_BYTES);
		if (lapic_registers == NULL) {
			panic("no memory to map the local APIC");
		}
	}
}
INIT_TASK(local_apic, "local-apic", .run = lapic_start, .needs = { "acpi", "kernel-map" });

static void lapic_start_cpu(UNUSED const struct boot_info *boot)
{
	struct cpu *cpu = arch_this_cpu();
	uint64_t base = msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;

	msr_write(MSR_APIC_BASE, base);
	if (features.has_x2apic) {
		msr_write(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
	}
	lapic_write(LAPIC_TASK_PRIORITY, 0);
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED);
	lapic_write(LAPIC_LVT_THERMAL, LVT_MASKED);
	lapic_write(LAPIC_LVT_PERFORMANCE, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT1, LVT_NMI);
	lapic_write(LAPIC_LVT_ERROR, VECTOR_LAPIC_ERROR);
	lapic_write(LAPIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_16);
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
	cpu->arch.lapic_id = lapic_read(LAPIC_ID);
	if (!features.has_x2apic) {
		cpu->arch.lapic_id >>= 24;
	}
	lapic_is_ready = true;
}
INIT_TASK(local_apic_cpu, "local-apic-cpu", .run = lapic_start_cpu, .needs = { "local-apic" },
	.each_cpu = true);

void lapic_end_of_interrupt(void)
{
	lapic_write(LAPIC_END_OF_INTERRUPT, 0);
}

void arch_interrupt_end(void)
{
	lapic_end_of_interrupt();
}

bool lapic_is_pending(uint32_t vector)
{
	return (lapic_read(LAPIC_PENDING + vector / 32) >> vector % 32 & 1) != 0;
}

bool lapic_is_level(uint32_t vector)
{
	return (lapic_read(LAPIC_LEVEL + vector / 32) >> vector % 32 & 1) != 0;
}

static void lapic_await_command(void)
{
	while ((lapic_read(LAPIC_COMMAND_LOW) & COMMAND_PENDING) != 0) {
		arch_pause();
	}
}

/* The command register takes one command at a time; x2APIC queues by itself. */
static void lapic_command(uint32_t lapic_id, uint32_t command)
{
	if (lapic_registers == NULL) {
		msr_write(MSR_X2APIC + LAPIC_COMMAND_LOW, (uint64_t)lapic_id << 32 | command);
		return;
	}
	lapic_await_command();
	lapic_write(LAPIC_COMMAND_HIGH, lapic_id << 24);
	lapic_write(LAPIC_COMMAND_LOW, command);
}

void lapic_send(uint32_t lapic_id, uint32_t vector)
{
	lapic_command(lapic_id, COMMAND_ASSERT | vector);
}

void lapic_send_init(uint32_t lapic_id)
{
	lapic_command(lapic_id, COMMAND_ASSERT | COMMAND_INIT);
}

void lapic_send_startup(uint32_t lapic_id, uint32_t page)
{
	lapic_command(lapic_id, COMMAND_ASSERT | COMMAND_STARTUP | page);
}

void lapic_send_nmi_to_others(void)
{
	if (lapic_is_ready) {
		lapic_command(0, COMMAND_ASSERT | COMMAND_NMI | COMMAND_ALL_OTHERS);
	}
}

void lapic_take_pin_as_nmi(bool is_on)
{
	lapic_write(LAPIC_LVT_LINT0, is_on ? LVT_NMI : LVT_MASKED);
}

/*
 * What was interrupted may be between writing the two halves of a command: the high half, which
 * counts for nothing here, is left alone, and the register is free again afterwards.
 */
void lapic_pass_nmi_on(void)
{
	uint32_t command = COMMAND_ASSERT | COMMAND_NMI | COMMAND_ALL_OTHERS;

	if (lapic_registers == NULL) {
		msr_write(MSR_X2APIC + LAPIC_COMMAND_LOW, command);
		return;
	}
	lapic_await_command();
	lapic_write(LAPIC_COMMAND_LOW, command);
	lapic_await_command();
}

void lapic_timer_start_count(void)
{
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED);
	lapic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
}

uint32_t lapic_timer_count(void)
{
	return lapic_read(LAPIC_TIMER_CURRENT);
}

void lapic_timer_stop_count(void)
{
	lapic_write(LAPIC_TIMER_INITIAL, 0);
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
}

void lapic_timer_arm(uint32_t ticks)
{
	lapic_write(LAPIC_TIMER_INITIAL, ticks);
}

void arch_send_reschedule(struct cpu *cpu)
{
	lapic_send(cpu->arch.lapic_id, VECTOR_RESCHEDULE);
}

void arch_send_shootdown(struct cpu *cpu)
{
	lapic_send(cpu->arch.lapic_id, VECTOR_SHOOTDOWN);
}
