/* SPDX-License-Identifier: MIT */
/*
 * x86-64: the types that portable thor embeds, and the operations that must be inline.
 *
 * The kernel's gs base is the address of this CPU's struct cpu while thor runs; user mode's own
 * gs base waits in the other register of the swapgs pair.  Offsets that assembly uses are in
 * <thor/arch/offsets.h>, checked in layout.c.
 */
#ifndef THOR_ARCH_TYPES_H
#define THOR_ARCH_TYPES_H

#include <base/types.h>
#include <thor/arch/offsets.h>

struct account;
struct cpu;
struct hel_bounce;
struct hel_bounce_page;

/* ---- a thread's saved state */

/*
 * The first part is also the frame that an entry pushes: TSS.rsp0 points behind `ss` of the
 * current thread's context, so that the processor and the entry code store user registers where
 * they stay; nothing is copied.  The order is that of the pushes.
 */
struct arch_context {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t vector; /* of the entry; ARCH_VECTOR_SYSCALL: rcx and r11 need not be restored */
	uint64_t error_code;
	uint64_t rip, cs, rflags, rsp, ss;
	/* not pushed */
	uint64_t fs_base, gs_base;           /* valid while the thread is current nowhere */
	struct hel_bounce_page *bounce_page; /* kernel address, NULL: not bounced */
	uint64_t bounce_entry;
	void *fpu_area;     /* XSAVE area, 64-byte aligned; NULL until the first use */
	void *fpu_storage;  /* what the heap gave for it */
	struct arch_debug *debug; /* debug registers; NULL until they are first set */
	uint32_t bases_cpu; /* the CPU whose registers hold fs_base, gs_base; ARCH_NO_CPU: none */
	uint32_t fpu_cpu;   /* the CPU whose registers hold the FPU state, likewise */
	bool is_fpu_saved;  /* the area has the state that is in the registers */
	bool is_changed;    /* bases or FPU state are to be loaded again */
} ALIGNED(16);

/* ---- page tables */

struct arch_page_table {
	uint64_t root_phys;
	struct account *account; /* immutable: pays for the tables */
	uint64_t n_tables; /* tables below the root: what this space costs beyond its frames */
	uint64_t retired_phys; /* list of tables that were cut off by the last trim */
};

/* Of 4,095: what an entry of memory/asid.h costs is 16 bytes for each CPU. */
constexpr uint32_t ARCH_ASIDS = 256;

struct arch_irq_state {
	uint64_t flags;
};

/* ---- the architecture's part of struct cpu */

struct arch_tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_map_base;
} PACKED;

struct arch_cpu {
	/* used by entry.S: see offsets.h */
	struct arch_context
		*context; /* of the current or last thread: where entries from user mode save */
	uint64_t scratch;
	uint64_t stack_top;
	struct hel_bounce_page *bounce_page; /* of the current thread */
	uint64_t bounce_entry;

	uint32_t lapic_id;
	bool is_fpu_trapping; /* CR0.TS is set */
	bool is_timer_armed;
	bool has_breakpoints; /* DR7 enables some */
	uint64_t timer_due_ns; /* while armed */
	struct arch_context
		*bases_owner; /* whose fs and gs base are loaded, if it agrees (bases_cpu) */
	struct arch_context
		*fpu_owner; /* whose FPU state is in the registers, if it agrees (fpu_cpu) */
	uint64_t cr3; /* what was last written there */
	uint64_t stacks_address; /* lowest guard page */
	_Atomic uint64_t vectors[4]; /* bits of device vectors in use */
	uint64_t window_generation; /* of the windows that the TLB agrees with: see window.c */
	uint64_t noted[4]; /* bits of interrupts that came in arch__wait_briefly() */
	uint64_t gdt[9];
	_Atomic uint32_t next_vector; /* to try; its place makes tss.rsp[] aligned */
	struct arch_tss tss;
};

constexpr uint32_t ARCH_NO_CPU = ~0u;

/* ---- inline operations */

/**
 * arch_this_cpu() - struct cpu of the CPU that runs this; never changes under thor, which does
 * not migrate
 */
static inline struct cpu *arch_this_cpu(void)
{
	struct cpu *cpu;

	__asm__("movq %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/** arch_pause() - tell the processor that this is a spin loop */
static inline void arch_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/** ARCH_SPINS_MAX - rounds of arch_relax() before the processor is given away for a moment */
#define ARCH_SPINS_MAX 256

/* Halts for some microseconds. Interrupts that come meanwhile are served afterwards. */
void arch__wait_briefly(void);

/**
 * arch_relax() - one round of a loop that spins for another CPU; @n_spins counts from 0
 *
 * The other one may be a virtual CPU that its host lets wait for just the processor that we spin
 * on: whoever has spun for long halts for a moment. TLB shoot-downs are served in between.
 */
static inline void arch_relax(uint32_t *n_spins)
{
	if (++*n_spins % ARCH_SPINS_MAX == 0) {
		arch__wait_briefly();
	} else {
		arch_pause();
	}
}

static inline void arch_irqs_disable(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline struct arch_irq_state arch_irqs_save(void)
{
	struct arch_irq_state state;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(state.flags) : : "memory");
	return state;
}

static inline void arch_irqs_restore(struct arch_irq_state state)
{
	__asm__ volatile("pushq %0; popfq" : : "r"(state.flags) : "memory", "cc");
}

/* Written once, by arch_init_boot_cpu. */
extern uint64_t arch__direct_map_base;
extern uint64_t arch__image_base, arch__image_end, arch__image_phys;

/** arch_phys_to_virt() - where the direct map has @phys (RAM and the low 4 GiB) */
static inline void *arch_phys_to_virt(uint64_t phys)
{
	return (void *)(arch__direct_map_base + phys);
}

/** arch_virt_to_phys() - physical address of a pointer into the direct map or thor's image */
static inline uint64_t arch_virt_to_phys(const void *pointer)
{
	uint64_t address = (uint64_t)pointer;

	if (address >= arch__image_base && address < arch__image_end) {
		return address - arch__image_base + arch__image_phys;
	}
	return address - arch__direct_map_base;
}

/* ---- parts of the contract that every call needs (<thor/arch.h> says what they do) */

#define ARCH_SYSCALL_INSTRUCTION_SIZE 2

static inline uint32_t arch_call_number(const struct arch_context *context)
{
	return (uint32_t)context->rax - 0x80000000u;
}

static inline uint64_t arch_call_argument(const struct arch_context *context, unsigned index)
{
	switch (index) {
	case 0: return context->rdi;
	case 1: return context->rsi;
	case 2: return context->rdx;
	case 3: return context->r10;
	case 4: return context->r8;
	default: return context->r9;
	}
}

static inline void arch_call_return(struct arch_context *context, int64_t result, uint64_t value)
{
	context->rax = (uint64_t)result;
	context->rdx = value;
}

static inline void arch_call_restart(struct arch_context *context)
{
	context->rip -= ARCH_SYSCALL_INSTRUCTION_SIZE;
}

static inline uint64_t arch_context_ip(const struct arch_context *context)
{
	return context->rip;
}

static inline void arch_copy_much(void *to, const void *from, size_t size)
{
	uint64_t n_words = size / 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n_words) : : "memory");
	size %= 8;
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/* ---- additions to the contract (<thor/arch.h>) */

/** arch_context_frame_pointer() - where a backtrace of @context begins */
static inline uint64_t arch_context_frame_pointer(const struct arch_context *context)
{
	return context->rbp;
}

/**
 * arch_context_set_bounce() - make the thread of @context a bounced one, or none
 * @page: the bounce page through the kernel's direct map, wired as long as it is set; NULL: no
 * bounce
 * @bounce: copied; entries that are no user addresses become an unmapped one; gs base is not
 * touched
 */
void arch_context_set_bounce(struct arch_context *context, struct hel_bounce_page *page,
	const struct hel_bounce *bounce);

/**
 * arch_self_test() - test page tables, user copies, fixups, clock, timer and interrupts between
 * CPUs
 *
 * For `thor.selftest` on the command line, on the boot CPU before anything else runs; panics if
 * something fails.
 */
void arch_self_test(void);

/**
 * arch_self_test_crash() - end in a panic, to test what that prints
 * @how: begins with `fault` (a wild pointer), `stack` (an overflow) or anything else (an assertion)
 */
NORETURN void arch_self_test_crash(const char *how);

/**
 * arch_context_set_gs_base() - for a thread that does not run; an address that is not canonical
 * is ignored
 */
void arch_context_set_gs_base(struct arch_context *context, uint64_t gs_base);

#endif
