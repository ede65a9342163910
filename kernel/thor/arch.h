/* SPDX-License-Identifier: MIT */
/*
 * The narrow interface between portable thor and one architecture.  CONTRACT.
 *
 * <thor/arch/types.h> of the architecture defines struct arch_cpu, struct arch_context (a thread's
 * saved state), struct arch_page_table, arch_irq_state, and as static inline: arch_this_cpu()
 * (struct cpu of this CPU, see <thor/cpu.h>), arch_pause(), arch_irqs_disable(), arch_irqs_save(),
 * arch_irqs_restore(), arch_phys_to_virt(phys) (direct map), arch_virt_to_phys(pointer into direct
 * map or image), arch_copy_much(to, from, size) (as memcpy(), for up to a page: a string
 * instruction, if that is the fast way). Everything else is declared here and implemented by each.
 *
 * Execution (architecture.md 4.1): thor runs with interrupts off on the CPU's one stack. The
 * architecture saves the user registers into thread->arch, calls one of the thor_enter_* functions
 * below, and these never return: they end in sched_leave() which calls arch_enter_user() or
 * arch_idle().
 */
#ifndef THOR_ARCH_H
#define THOR_ARCH_H

#include <abi/hel/bounce.h>
#include <abi/boot/boot-info.h>
#include <base/types.h>
#include <thor/arch/types.h>

struct cpu;
struct thread;

/*
 * ---- upcalls: implemented by portable thor (syscall/, sched/, memory/), called by the
 * architecture
 */

/*
 * A hel call of the current thread, which the architecture has counted (cpu->n_calls); number and
 * arguments are in its context.  true: the thread goes on with what its context says now; false:
 * sched_leave() has to be called, and the context to be complete before that.
 */
bool thor_enter_call(struct thread *thread);
/*
 * A fault in user mode; `fault` without reason.  Page faults go to space_fault first.  Never
 * returns.
 */
NORETURN void thor_enter_fault(struct thread *thread, const struct hel_fault *fault);
/* A system call number without bit 31 of a thread that has no bounce.  Never returns. */
NORETURN void thor_enter_foreign_call(struct thread *thread);
/*
 * The timer or an IPI or a device interrupt arrived in user mode or in arch_idle. kinds: what
 * arrived; the interrupt controller has been told of its end, except for a device's, for which
 * portable thor calls arch_interrupt_end(). Never returns.
 */
enum arch_interrupt_kind : uint32_t {
	ARCH_INTERRUPT_TIMER = 1,
	ARCH_INTERRUPT_RESCHEDULE = 2, /* IPI: look at your inbox and run queue */
	ARCH_INTERRUPT_DEVICE = 4, /* vector in `device_vector` */
};
NORETURN void thor_enter_interrupt(uint32_t kinds, uint32_t device_vector);
/* A page fault of the kernel itself in a user-copy routine: try to make the user page present.
 * Returns true if the access can be retried. */
bool thor_resolve_user_copy_fault(uint64_t address, bool is_write);
/*
 * Portable start of the boot CPU, after the architecture has its own GDT/IDT/percpu; and of each
 * further CPU.
 */
NORETURN void thor_main(const struct boot_info *boot);
NORETURN void thor_cpu_main(struct cpu *cpu);

/* ---- boot and machine ------------------------------------------------------------------------ */
/*
 * The architecture declares tasks of the start (init/init.h). Portable ones need three of them:
 * `boot-cpu` (console, per-CPU base; before there is memory), `clock` (clock and timer), `cpus`
 * (all CPUs run). Each further CPU calls init_run_cpu() before it is counted.
 */
void arch_early_write(const char *text, size_t size); /* early console (COM1) */
void arch_backtrace(uint64_t frame_pointer, void (*emit)(uint64_t ip));
/* stop the other CPUs (NMI), leave the emulator with code 0x7d or halt */
NORETURN void arch_panic_stop(void);
void arch_describe_registers(const struct arch_context *context, void (*line)(const char *text));
/* on the CPU's stack top: interrupts on, hlt, until thor_enter_interrupt */
NORETURN void arch_idle(void);

/* ---- clock and timer ------------------------------------------------------------------------- */
/* monotonic since boot, from the calibrated TSC */
uint64_t arch_clock_ns(void);
void arch_clock_fill_page(struct hel_clock_page *page);
/* this CPU's one-shot timer; HEL_DEADLINE_NEVER disarms */
void arch_timer_set(uint64_t deadline_ns);
bool arch_random_seed(uint64_t *out_seed); /* hardware randomness if there is any */

/* ---- inter-processor ------------------------------------------------------------------------- */
void arch_send_reschedule(struct cpu *cpu);
/*
 * A TLB shoot-down request is pending in cpu->shootdown (see memory/shootdown.h): make that CPU
 * call shootdown_serve() soon, from interrupt context, also while it spins in the kernel: a CPU
 * that waits for a lock or for acknowledgements with interrupts off must poll shootdown_serve()
 * itself.
 */
void arch_send_shootdown(struct cpu *cpu);

/* ---- thread context -------------------------------------------------------------------------- */
int arch_context_init(struct arch_context *context, uint64_t ip, uint64_t sp, uint64_t argument,
	uint64_t tls_base);
void arch_context_deinit(struct arch_context *context); /* frees the FPU area */
/*
 * Leave the kernel to `thread` on this CPU: loads fs/gs, marks the FPU lazily, returns to user
 * mode.
 */
NORETURN void arch_enter_user(struct thread *thread);
/*
 * The current thread stops being current on this CPU (its FPU state, if live here, is saved or will
 * be claimed lazily).
 */
void arch_context_leave(struct thread *thread);
void arch_context_get_registers(struct thread *thread, struct hel_registers *out_registers);
/* ERR_ILLEGAL_ARGS: bad rip, flags masked */
int arch_context_set_registers(struct thread *thread, const struct hel_registers *registers);
int arch_context_get_fpu(struct thread *thread, void *buffer, size_t size, size_t *out_size);
int arch_context_set_fpu(struct thread *thread, const void *buffer, size_t size);
void arch_context_get_debug(struct thread *thread, struct hel_debug_registers *out_registers);
/* ERR_ILLEGAL_ARGS (also on a machine that has none), ERR_NO_MEMORY */
int arch_context_set_debug(struct thread *thread, const struct hel_debug_registers *registers);
/* Whether the thread of the context stops after its next instruction, with a fault of that kind. */
void arch_context_set_step(struct arch_context *context, bool is_stepping);
bool arch_fault_is_step(const struct hel_fault *fault);
/* Whether an address of the debug registers matched, and that is all. */
bool arch_fault_is_match(const struct hel_fault *fault);
uint32_t arch_call_number(const struct arch_context *context); /* without HEL_CALL_BASE */
uint64_t arch_call_argument(const struct arch_context *context, unsigned index); /* 0 … 5 */
void arch_call_return(struct arch_context *context, int64_t result, uint64_t value);
/* Put the user ip back onto the system call instruction, so that the call is made again. */
void arch_call_restart(struct arch_context *context);
uint64_t arch_context_ip(const struct arch_context *context);
/* What a page fault wanted, as enum space_access; 0: the fault is none. */
uint32_t arch_fault_access(const struct hel_fault *fault);
/*
 * For kick and fault delivery: ip and rsp change, everything else stays (rflags: TF, DF, AC
 * cleared).
 */
void arch_context_redirect(struct arch_context *context, uint64_t ip, uint64_t sp);

/*
 * ---- user copies: current space only; return 0 or -ERR_FAULT; may call
 * thor_resolve_user_copy_fault
 */
int arch_copy_from_user(void *to, uint64_t from, size_t size);
int arch_copy_to_user(uint64_t to, const void *from, size_t size);
int arch_user_load_u32(uint64_t address, uint32_t *out_value);
constexpr uint64_t ARCH_USER_LOW = 0x1000;
constexpr uint64_t ARCH_USER_HIGH = 0x00007ffffffff000; /* exclusive */

/* ---- page tables (memory/space.c is the only caller; the space's lock is held) --------------- */
enum arch_page_flags : uint32_t {
	ARCH_PAGE_READ = 1,
	ARCH_PAGE_WRITE = 2,
	ARCH_PAGE_EXECUTE = 4,
	ARCH_PAGE_USER = 8,
	ARCH_PAGE_UNCACHED = 16,
	ARCH_PAGE_WRITE_COMBINE = 32,
};
struct arch_page_entry {
	uint64_t phys;
	uint32_t flags;
	bool is_present, is_dirty, is_accessed;
	bool is_large; /* part of a large page; phys is of the page that was asked for */
};
/*
 * A large page is one entry for ARCH_LARGE_PAGES pages, aligned. What is said of one page below
 * holds for all of a large page that it is part of: arch_page_unmap(), arch_page_protect(). Who
 * wants less splits it first.
 */
constexpr uint64_t ARCH_LARGE_SIZE = UINT64_C(1) << 21;
constexpr uint32_t ARCH_LARGE_PAGES = 512;
/* user half empty, kernel half shared; @account pays for the tables */
int arch_page_table_init(struct arch_page_table *table, struct account *account);
/* frees up to @n_tables tables of the user half, not the frames; true: all that there were */
bool arch_page_table_deinit(struct arch_page_table *table, uint32_t n_tables);
/*
 * -ERR_NO_MEMORY if a table cannot be allocated.  Replaces what is there; the caller does the
 * invalidation.
 */
int arch_page_map(struct arch_page_table *table, uint64_t address, uint64_t phys, uint32_t flags);
/*
 * A large page, where no page is present. *out_is_cut: an empty table was cut off, as
 * arch_page_table_trim() does.
 */
int arch_page_map_large(struct arch_page_table *table, uint64_t address, uint64_t phys,
	uint32_t flags, bool *out_is_cut);
/*
 * Makes pages of a large page, if @address is in one: all translations stay. false: there is no
 * memory for the table, and the large page was removed instead; the caller invalidates one page of
 * it.
 */
bool arch_page_split(struct arch_page_table *table, uint64_t address);
/* arch_page_map() that tells what was there; both split a large page, or leave it on errors. */
int arch_page_exchange(struct arch_page_table *table, uint64_t address, uint64_t phys,
	uint32_t flags, struct arch_page_entry *out_old);
/* Clears one entry; returns the old one. */
struct arch_page_entry arch_page_unmap(struct arch_page_table *table, uint64_t address);
struct arch_page_entry arch_page_lookup(const struct arch_page_table *table, uint64_t address);
/* Changes the flags of a present entry (same frame); false if absent. */
bool arch_page_protect(struct arch_page_table *table, uint64_t address, uint32_t flags);
/*
 * Forgets that the page was used and returns what the entry said before. No flush: a CPU that has
 * it in its TLB may use it unnoticed.
 */
struct arch_page_entry arch_page_take_accessed(struct arch_page_table *table, uint64_t address);
/*
 * The first present entry at or above address, below end; false if none (skips empty tables
 * quickly).
 */
bool arch_page_next(
	const struct arch_page_table *table, uint64_t address, uint64_t end, uint64_t *out_address);
/*
 * The end of the part of [address, end) with so many entries, of pages or large pages; *n_entries:
 * not 0; less those that are in the part, and @table_cost for each further table that they are in.
 */
uint64_t arch_page_bound_range(const struct arch_page_table *table, uint64_t address, uint64_t end,
	uint32_t table_cost, uint32_t *n_entries);
/*
 * Clears the entries of [address, end), calling `unmapped` for each that was present. A large page
 * that is there in part is split, or, if there is no memory for that, goes as a whole.
 */
typedef void (*arch_page_fn)(void *context, uint64_t address, uint64_t n_pages);
void arch_page_unmap_range(struct arch_page_table *table, uint64_t address, uint64_t end,
	arch_page_fn unmapped, void *context);
/*
 * Gives target the entries that source has in [address, end), as far as there is memory for tables
 * and it is worth a table; both are locked. Of a large page that is there in part target gets
 * nothing, and source loses write access to all of it. Returns how many pages of source lost write
 * access.
 */
enum arch_copy_flags : uint32_t {
	ARCH_COPY_READ_ONLY = 1, /* target may not write */
	ARCH_COPY_PROTECT_SOURCE = 2, /* nor may source, in all of the range */
};
uint64_t arch_page_copy_range(struct arch_page_table *target, struct arch_page_table *source,
	uint64_t address, uint64_t end, uint32_t flags);
/* Frees tables of [address, end) that hold no entry any more. */
void arch_page_table_trim(struct arch_page_table *table, uint64_t address, uint64_t end);
/*
 * Loads the root. What the TLB has under @asid (memory/asid.h) stays if @keeps;
 * what it has under others stays anyway, if the processor has such identifiers.
 */
void arch_page_table_activate(const struct arch_page_table *table, uint32_t asid, bool keeps);
/* a root without user half, under identifier 0 */
void arch_page_table_activate_kernel(void);
/* These two are for what is loaded; nothing under other identifiers need change. */
/* The translation of one page, or of the large page that it is, or was, part of. */
void arch_tlb_flush_page(uint64_t address);
void arch_tlb_flush_user(void);

/* ---- devices --------------------------------------------------------------------------------- */
/* A vector of @cpu and what to write into a device for it; -ERR_NO_SPACE, -ERR_UNSUPPORTED. */
int arch_msi_allocate(struct cpu *cpu, uint32_t *out_vector, struct hel_msi_info *out_info);
void arch_msi_free(struct cpu *cpu, uint32_t vector);
/* The device interrupt that this CPU took has been dealt with, or its line is masked. */
void arch_interrupt_end(void);
/*
 * Lines of the interrupt controllers, by their number in the machine (ACPI: global system
 * interrupt); all start masked. A masked edge line forgets edges; a level line that is asserted
 * when it is unmasked interrupts.
 */
bool arch_line_exists(uint32_t gsi);
/*
 * How the machine has wired ISA interrupt @isa: the line, HEL_IRQ_LINE_LEVEL and _ACTIVE_LOW;
 * -ERR_NOT_FOUND.
 */
int arch_line_of_isa(uint32_t isa, uint32_t *out_gsi, uint32_t *out_line_flags);
/*
 * Let the line arrive at @cpu as @vector from now on. One that is on its way still arrives where it
 * was sent; edges may get lost meanwhile.
 */
void arch_line_route(
	uint32_t gsi, uint32_t line_flags, struct cpu *cpu, uint32_t vector, bool is_masked);
void arch_line_set_mask(uint32_t gsi, bool is_masked);
/* ---- kernlets -------------------------------------------------------------------------------- */
/*
 * Kernel addresses in a row for pages, with ARCH_PAGE_READ and WRITE or EXECUTE, and caching; an
 * unmapped page follows. Only arch_kernlet_run() uses them. -ERR_NO_MEMORY, -ERR_NO_SPACE,
 * -ERR_UNSUPPORTED (sim: no memory there).
 */
int arch_window_map(const uint64_t *phys, uint32_t n_pages, uint32_t flags, uint64_t *out_address);
void arch_window_unmap(uint64_t address, uint32_t n_pages);
/* Run the code of a context: see kernlet/context.h. */
struct kernlet_context;
uint64_t arch_kernlet_run(struct kernlet_context *context, uint64_t sequence, uint32_t frame_size);
extern const uint8_t arch_kernlet_filler; /* a byte that traps if it is executed */

/* ---- ports ----------------------------------------------------------------------------------- */
int arch_io_read(uint16_t port, unsigned width_bytes, uint32_t *out_value); /* 1, 2, 4 */
int arch_io_write(uint16_t port, unsigned width_bytes, uint32_t value);

#endif
