/* SPDX-License-Identifier: MIT */
/* What the files of arch/x86_64 offer each other. */
#ifndef X86_64_MACHINE_H
#define X86_64_MACHINE_H

#include <thor/cpu.h>

#include "page-entry.h"

/* ---- interrupt vectors */

enum machine_vector : uint32_t {
	VECTOR_DEBUG = 1,
	VECTOR_NMI = 2,
	VECTOR_UNDEFINED = 6,
	VECTOR_NO_FPU = 7,
	VECTOR_DOUBLE_FAULT = 8,
	VECTOR_PROTECTION = 13,
	VECTOR_PAGE_FAULT = 14,
	VECTOR_MACHINE_CHECK = 18,
	VECTOR_EXCEPTIONS_END = 32,
	VECTOR_DEVICE_FIRST = 0x40,
	VECTOR_DEVICE_LAST = 0xde,
	VECTOR_IOMMU = 0xdf,
	VECTOR_TIMER = 0xe0,
	VECTOR_RESCHEDULE = 0xe1,
	VECTOR_SHOOTDOWN = 0xe2,
	VECTOR_LAPIC_ERROR = 0xe3,
	VECTOR_SPURIOUS = 0xff,
};

/* ---- features.c: what the processor can do; written once by the boot CPU */

struct features {
	bool has_fsgsbase, has_smep, has_smap, has_umip, has_xsave, has_xsaveopt, has_rdrand;
	bool has_x2apic, has_gigabyte_pages;
	uint64_t cr3_bits; /* CR3_PCID and CR3_KEEP, or 0 if there are no such identifiers */
	uint64_t xcr0;     /* state components that user mode may use */
	uint32_t fpu_size; /* bytes of an FPU area */
};

extern struct features features;

/** features_detect() - fill `features` in, on the boot CPU */
void features_detect(void);

/** features_enable() - set this CPU's control registers accordingly */
void features_enable(void);

/* ---- cpu.c: descriptor tables and the per-CPU base */

/** cpu_load_tables() - load GDT, TSS, IDT and the gs base of @cpu on the CPU that runs this */
void cpu_load_tables(struct cpu *cpu);

/** cpu_set_stacks() - where entries from user mode and interrupt stack table entries go */
#define IST_STACKS 4
void cpu_set_stacks(struct cpu *cpu, uint64_t stack_top, const uint64_t ist_tops[IST_STACKS]);

/** idt_init() - fill the one IDT */
void idt_init(void);

/* ---- kernel-map.c: mappings of the kernel's own, behind the direct map */

/** kernel_map_init() - the kernel's root page table; before any other use */
void kernel_map_init(const struct boot_info *boot);

/** kernel_map_device() - map registers uncached; NULL: no memory. Never unmapped. */
void *kernel_map_device(uint64_t phys, uint64_t size);

/** kernel_map_framebuffer() - map what is written to mostly; NULL: no memory. Never unmapped. */
void *kernel_map_framebuffer(uint64_t phys, uint64_t size);

/** kernel_map_stacks() - stacks with guard pages for @cpu; -ERR_NO_MEMORY */
MUST_USE int kernel_map_stacks(struct cpu *cpu);

/** WINDOW_BASE - where window.c maps, in the same entry of the root */
#define WINDOW_BASE 0xfffffec000000000u

/** kernel_map_page() - one page, global, with more @bits of its entry; -ERR_NO_MEMORY */
MUST_USE int kernel_map_page(uint64_t address, uint64_t phys, uint64_t bits);

/** kernel_unmap_page() - the opposite; TLBs may have it still */
void kernel_unmap_page(uint64_t address);

/** kernel_map_root() - physical address of the root without user half */
uint64_t kernel_map_root(void);

/** kernel_map_has() - whether an address of the kernel's half is mapped; for backtraces */
bool kernel_map_has(uint64_t address);

/** kernel_map_fill_root() - copy the kernel's half into a new root */
void kernel_map_fill_root(uint64_t *root);

/* ---- serial.c */

/** serial_init() - set COM1 up */
void serial_init(void);

/* ---- acpi.c */

/** acpi_find() - a table by its signature, NULL if there is none; in the direct map */
const void *acpi_find(const char signature[4]);

/* ---- lapic.c */

void lapic_end_of_interrupt(void);

/** lapic_is_pending() - whether an interrupt waits for this CPU to take interrupts */
bool lapic_is_pending(uint32_t vector);

void lapic_send(uint32_t lapic_id, uint32_t vector);
void lapic_send_init(uint32_t lapic_id);
void lapic_send_startup(uint32_t lapic_id, uint32_t page);
void lapic_send_nmi_to_others(void);

/** lapic_take_pin_as_nmi() - take what the old interrupt controller sends here as an NMI, or not */
void lapic_take_pin_as_nmi(bool is_on);

/** lapic_pass_nmi_on() - from within an NMI: one for every other CPU */
void lapic_pass_nmi_on(void);

/**
 * lapic_timer_count() - the counter, which runs down from 2^32 - 1 after
 * lapic_timer_start_count()
 */
uint32_t lapic_timer_count(void);
void lapic_timer_start_count(void);
void lapic_timer_stop_count(void);

/** lapic_timer_arm() - one interrupt after @ticks of the divided clock; 0: none */
void lapic_timer_arm(uint32_t ticks);

/** lapic_is_level() - whether the last interrupt with @vector on this CPU was of a level line */
bool lapic_is_level(uint32_t vector);

/* ---- ioapic.c */

/* ---- clock.c */

/**
 * clock_timer_fired() - the timer interrupt was taken
 *
 * How late it is tells how long interrupts were off: reading the clock on each entry and exit
 * would cost more than a short call does.
 */
void clock_timer_fired(struct cpu *cpu);

/** clock_wait_us() - let some time pass */
void clock_wait_us(uint64_t time_us);

/* ---- sampler.c */

/** sampler_take_nmi() - take a sample, if that is what the NMI is for; false: it is not */
bool sampler_take_nmi(const struct arch_context *frame);

/* ---- smp.c: AP start, in trampoline.S and here */

NORETURN void smp_cpu_entry(struct cpu *cpu);

/* ---- debug-registers.c */

/** debug_enter() - load the debug registers of @context, which enters user mode here, if any */
void debug_enter(struct cpu *cpu, const struct arch_context *context);

/**
 * debug_trap() - a #DB in user mode: what happened goes into the context; false: it is passed over
 */
bool debug_trap(struct thread *thread);

/** debug_drop() - a #DB in the kernel, because of what a thread has set: it is not reported */
void debug_drop(void);

/** debug_forget() - free the debug registers of a thread that has ended */
void debug_forget(struct arch_context *context);

/* ---- fpu.c */

/** fpu_trap() - #NM of the current thread; false: no memory */
MUST_USE bool fpu_trap(struct cpu *cpu, struct arch_context *context);

/** fpu_leave() - @context stops running on this CPU */
void fpu_leave(struct cpu *cpu, struct arch_context *context);

/** fpu_enter() - @context is about to run on this CPU */
void fpu_enter(struct cpu *cpu, struct arch_context *context);

/** fpu_forget() - @context goes away */
void fpu_forget(struct arch_context *context);

/* ---- entry.S */

/** entry_wait() - halt with interrupts on until one has come; they are noted in cpu->arch.noted */
void entry_wait(void);

NORETURN void entry_leave_sysret(struct arch_context *context);
NORETURN void entry_leave_iret(struct arch_context *context);

/* ---- debug.c */

/** debug_stop_this_cpu() - for the NMI of a panic */
NORETURN void debug_stop_this_cpu(void);

#endif
