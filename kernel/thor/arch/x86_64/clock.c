/* SPDX-License-Identifier: MIT */
/*
 * Time: the TSC, calibrated once against a clock of known frequency, and the LAPIC timer.
 *
 * Calibration compares pairs (TSC, LAPIC count, reference) taken at the two ends of a window.  A
 * virtual CPU can be away for hundreds of milliseconds at any moment; that only lengthens the
 * window.  What would spoil a pair is being away between its readings: of several pairs at each
 * end the one with the shortest time between two readings of the TSC is taken.  The reference is
 * the HPET, else the ACPI timer, else the PIT.
 *
 * An emulator that counts instructions has a TSC of exactly 1 GHz; there the window is kept
 * short, for each microsecond of it is a thousand instructions.
 *
 * The TSC is taken to be the same on all CPUs, and to run always.
 */
#include <abi/hel/hel.h>
#include <base/assert.h>
#include <thor/init/init.h>
#include <thor/panic.h>

#include "acpi.h"
#include "machine.h"
#include "registers.h"

#define NS_PER_S            UINT64_C(1000000000)
#define PAIRS_PER_END       8
#define WINDOW_SHORT_NS     1000000
#define WINDOW_LONG_NS      20000000
#define GIGAHERTZ_TOLERANCE 500000 /* 0.05 % of 1 GHz */
#define TIMER_TICKS_MIN     8
#define BRIEF_NS            50000

#define HPET_CAPABILITIES  (0x000 / 8)
#define HPET_CONFIGURATION (0x010 / 8)
#define HPET_COUNTER       (0x0f0 / 8)
#define HPET_ENABLE        1
#define FS_PER_S           UINT64_C(1000000000000000)

#define PM_TIMER_FREQUENCY 3579545
#define PIT_FREQUENCY      1193182
#define PIT_COMMAND        0x43
#define PIT_CHANNEL0       0x40
#define PIT_LATCH          0x00
#define PIT_RATE_LOW_HIGH  0x34

/* A clock of known frequency that counts up, modulo mask + 1. */
struct reference {
	const char *name;
	uint64_t (*read)(void);
	uint64_t frequency;
	uint64_t mask;
};

struct sample {
	uint64_t tsc, reference;
	uint32_t lapic;
	uint64_t error_ticks; /* TSC ticks between which the others were read */
};

static struct reference clock_reference;
static volatile uint64_t *hpet_registers;
static uint16_t pm_timer_port;

/* Immutable after clock_start(). */
static uint64_t clock_start_tsc; /* when calibration began */
static uint64_t clock_base_tsc;
static uint64_t clock_multiplier; /* nanoseconds per tick, 32.32; 0: not yet calibrated */
static uint64_t timer_multiplier; /* timer ticks per nanosecond, 32.32 */

/* ---- the reference clocks */

static uint64_t hpet_read(void)
{
	return (uint32_t)hpet_registers[HPET_COUNTER];
}

static uint64_t pm_timer_read(void)
{
	return port_read_u32(pm_timer_port);
}

static uint64_t pit_read(void)
{
	port_write_u8(PIT_COMMAND, PIT_LATCH);
	uint32_t low = port_read_u8(PIT_CHANNEL0);
	uint32_t high = port_read_u8(PIT_CHANNEL0);

	return 0x10000 - (high << 8 | low);
}

static bool hpet_init(void)
{
	const struct acpi_hpet *table = acpi_find("HPET");

	if (table == NULL || table->address_space != 0) {
		return false;
	}
	hpet_registers = kernel_map_device(table->phys, 1024);
	if (hpet_registers == NULL || hpet_registers[HPET_CAPABILITIES] >> 32 == 0) {
		return false;
	}
	hpet_registers[HPET_CONFIGURATION] |= HPET_ENABLE;
	clock_reference = (struct reference){
		.name = "HPET",
		.read = hpet_read,
		.frequency = FS_PER_S / (hpet_registers[HPET_CAPABILITIES] >> 32),
		.mask = UINT32_MAX,
	};
	return true;
}

static bool pm_timer_init(void)
{
	const struct acpi_fadt *table = acpi_find("FACP");

	if (table == NULL || table->pm_timer_port == 0 || table->pm_timer_port > UINT16_MAX) {
		return false;
	}
	pm_timer_port = (uint16_t)table->pm_timer_port;
	clock_reference = (struct reference){
		.name = "ACPI timer",
		.read = pm_timer_read,
		.frequency = PM_TIMER_FREQUENCY,
		.mask = (table->flags & ACPI_FADT_TIMER_32) != 0 ? UINT32_MAX : 0xffffff,
	};
	return true;
}

static bool pit_init(void)
{
	port_write_u8(PIT_COMMAND, PIT_RATE_LOW_HIGH);
	port_write_u8(PIT_CHANNEL0, 0);
	port_write_u8(PIT_CHANNEL0, 0);
	clock_reference = (struct reference){
		.name = "PIT",
		.read = pit_read,
		.frequency = PIT_FREQUENCY,
		.mask = 0xffff,
	};
	for (unsigned tries = 0; tries < 1000; tries++) {
		if (pit_read() != 0x10000 - 0xffff) {
			return true;
		}
	}
	return false;
}

/* ---- calibration */

static struct sample sample_once(void)
{
	struct sample sample;
	uint64_t before = tsc_read();

	sample.reference = clock_reference.read();
	sample.tsc = tsc_read();
	sample.lapic = lapic_timer_count();
	sample.error_ticks = tsc_read() - before;
	sample.tsc = before + (sample.tsc - before) / 2;
	return sample;
}

static struct sample sample_take(void)
{
	struct sample best = sample_once();

	for (unsigned i = 1; i < PAIRS_PER_END; i++) {
		struct sample sample = sample_once();

		if (sample.error_ticks < best.error_ticks) {
			best = sample;
		}
	}
	return best;
}

/* value * numerator / denominator without overflow in between */
static uint64_t scale(uint64_t value, uint64_t numerator, uint64_t denominator)
{
	uint64_t high, low, quotient, remainder;

	__asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(value), "rm"(numerator) : "cc");
	ASSERT(high < denominator);
	__asm__("divq %4"
		: "=a"(quotient), "=d"(remainder)
		: "a"(low), "d"(high), "rm"(denominator)
		: "cc");
	return quotient;
}

struct frequencies {
	uint64_t tsc, lapic;
};

/* Frequencies over a window of at least @window_ns that began with @start. */
static struct frequencies clock_measure(const struct sample *start, uint64_t window_ns)
{
	uint64_t window_ticks = scale(clock_reference.frequency, window_ns, NS_PER_S);
	struct sample end;
	uint64_t elapsed;

	do {
		elapsed = (clock_reference.read() - start->reference) & clock_reference.mask;
	} while (elapsed < window_ticks);
	end = sample_take();
	elapsed = (end.reference - start->reference) & clock_reference.mask;
	return (struct frequencies){
		.tsc = scale(end.tsc - start->tsc, clock_reference.frequency, elapsed),
		.lapic = scale(start->lapic - end.lapic, clock_reference.frequency, elapsed),
	};
}

static struct frequencies clock_calibrate(void)
{
	struct frequencies frequencies;

	if (!hpet_init() && !pm_timer_init() && !pit_init()) {
		klog("thor: no clock to calibrate by, 1 GHz assumed");
		return (struct frequencies){ .tsc = NS_PER_S, .lapic = NS_PER_S / 16 };
	}
	lapic_timer_start_count();
	struct sample start = sample_take();

	frequencies = clock_measure(&start, WINDOW_SHORT_NS);
	if (frequencies.tsc - (NS_PER_S - GIGAHERTZ_TOLERANCE) < 2 * GIGAHERTZ_TOLERANCE) {
		frequencies.tsc = NS_PER_S;
	} else {
		frequencies = clock_measure(&start, WINDOW_LONG_NS);
	}
	lapic_timer_stop_count();
	return frequencies;
}

/* From reset, where the TSC starts at 0, to eir, and from there to this. */
static void clock_log_start(uint64_t tsc_at_entry, uint64_t tsc_frequency)
{
	klog("thor: firmware took %llu us, eir %llu us",
		(unsigned long long)scale(tsc_at_entry, 1000000, tsc_frequency),
		(unsigned long long)scale(clock_start_tsc - tsc_at_entry, 1000000, tsc_frequency));
}

static void clock_start(const struct boot_info *boot)
{
	uint64_t tsc_at_entry = boot->tsc_at_entry;
	clock_start_tsc = tsc_read();
	struct frequencies frequencies = clock_calibrate();

	if (frequencies.tsc == 0 || frequencies.lapic == 0) {
		panic("the clock does not run");
	}
	clock_base_tsc = tsc_read();
	clock_multiplier = scale(NS_PER_S, UINT64_C(1) << 32, frequencies.tsc);
	timer_multiplier = scale(frequencies.lapic, UINT64_C(1) << 32, NS_PER_S);
	klog("thor: TSC %llu kHz, timer %llu kHz, by %s",
		(unsigned long long)(frequencies.tsc / 1000),
		(unsigned long long)(frequencies.lapic / 1000),
		clock_reference.name != NULL ? clock_reference.name : "assumption");
	clock_log_start(tsc_at_entry, frequencies.tsc);
}
INIT_TASK(clock, "clock", .run = clock_start, .needs = { "acpi", "kernel-map", "local-apic-cpu" },
	.provides = { "tasking" });

/* ---- use */

uint64_t arch_clock_ns(void)
{
	uint64_t low, high;

	__asm__("mulq %3"
		: "=a"(low), "=d"(high)
		: "a"(tsc_read() - clock_base_tsc), "rm"(clock_multiplier)
		: "cc");
	return high << 32 | low >> 32;
}

void arch_clock_fill_page(struct hel_clock_page *page)
{
	page->base_tsc = clock_base_tsc;
	page->base_ns = 0;
	page->multiplier = clock_multiplier;
}

void clock_wait_us(uint64_t time_us)
{
	uint64_t end_ns = arch_clock_ns() + time_us * 1000;

	while (arch_clock_ns() < end_ns) {
		arch_pause();
	}
}

void arch_timer_set(uint64_t deadline_ns)
{
	struct cpu *cpu = arch_this_cpu();
	uint64_t now_ns, ticks;

	if (deadline_ns == HEL_DEADLINE_NEVER) {
		if (cpu->arch.is_timer_armed) {
			cpu->arch.is_timer_armed = false;
			lapic_timer_arm(0);
		}
		return;
	}
	now_ns = arch_clock_ns();
	if (deadline_ns <= now_ns) {
		ticks = TIMER_TICKS_MIN;
	} else if (deadline_ns - now_ns >= UINT64_C(1) << 36) {
		/* about a minute: whoever set it looks at the clock and sets it again */
		ticks = UINT32_MAX;
	} else {
		ticks = scale(deadline_ns - now_ns, timer_multiplier, UINT64_C(1) << 32) + 1;
		ticks = min_u64(max_u64(ticks, TIMER_TICKS_MIN), UINT32_MAX);
	}
	cpu->arch.is_timer_armed = true;
	cpu->arch.timer_due_ns = max_u64(deadline_ns, now_ns);
	lapic_timer_arm((uint32_t)ticks);
}

/* What came meanwhile comes again as soon as interrupts are on. */
static void clock_raise_noted(struct cpu *cpu)
{
	for (uint32_t word = 0; word < ARRAY_SIZE(cpu->arch.noted); word++) {
		while (cpu->arch.noted[word] != 0) {
			uint32_t vector =
				word * 64 + (uint32_t)__builtin_ctzll(cpu->arch.noted[word]);

			cpu->arch.noted[word] &= cpu->arch.noted[word] - 1;
			if (vector >= VECTOR_DEVICE_FIRST && vector <= VECTOR_RESCHEDULE &&
				vector != VECTOR_TIMER) {
				lapic_send(cpu->arch.lapic_id, vector);
			}
		}
	}
}

void arch__wait_briefly(void)
{
	struct cpu *cpu = arch_this_cpu();
	bool was_armed = cpu->arch.is_timer_armed;
	uint64_t due_ns = cpu->arch.timer_due_ns;

	arch_timer_set(arch_clock_ns() + BRIEF_NS);
	entry_wait();
	arch_timer_set(was_armed ? due_ns : HEL_DEADLINE_NEVER);
	cpu->arch.timer_due_ns = due_ns;
	clock_raise_noted(cpu);
}

void clock_timer_fired(struct cpu *cpu)
{
	uint64_t now_ns = arch_clock_ns();

	cpu->arch.is_timer_armed = false;
	if (now_ns > cpu->arch.timer_due_ns) {
		cpu->statistics.irqs_off_max_ns =
			max_u64(cpu->statistics.irqs_off_max_ns, now_ns - cpu->arch.timer_due_ns);
	}
}
