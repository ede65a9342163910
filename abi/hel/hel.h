/* SPDX-License-Identifier: MIT */
/*
 * Structures that hel calls take and give. CONTRACT. The calls themselves are defined in
 * abi/hel/definition; their C functions are in lib/hel/hel-calls.h, their numbers in calls.gen.h.
 *
 * A call is made with (HEL_CALL_BASE + number) in rax, arguments in rdi rsi rdx r10 r8 r9,
 * `syscall`; it returns 0 or -ERR_* in rax and at most one value in rdx (a handle, an address, a
 * count); rcx and r11 are lost, all else is kept.
 *
 * Every structure is read by the kernel in one copy before it is looked at, so changing it during a
 * call changes nothing. Reserved fields must be zero.
 */
#ifndef ABI_HEL_HEL_H
#define ABI_HEL_HEL_H

#include <abi/hel/dma.h>
#include <abi/hel/kernlet.h>
#include <abi/hel/errors.h>
#include <abi/hel/types.h>

constexpr uint32_t HEL_CALL_BASE = 0x80000000u; /* bit 31 set: a hel call, clear: bounced */

/* ---- log: hel_log(authority, level, text, size) ---------------------------------------------- */
enum hel_log_level : uint32_t { HEL_LOG_ERROR, HEL_LOG_WARNING, HEL_LOG_INFO, HEL_LOG_DEBUG };
constexpr uint32_t HEL_LOG_MAX = 1024; /* bytes of one message */

/* ---- descriptors ----------------------------------------------------------------------------- */
struct hel_descriptor_info {
	uint32_t type; /* enum hel_type */
	uint32_t rights; /* enum hel_rights */
	/* the same for two handles if and only if they name the same object */
	uint64_t identity;
};

/* What a universe may use at most, or uses. A child's use counts for its creator, too. */
struct hel_limits {
	uint64_t kernel_bytes; /* objects, tables, buffers */
	uint64_t n_pages; /* of memory, queues and page tables */
	uint64_t n_operations; /* submitted and not released */
	uint64_t n_handles;
};
constexpr uint64_t HEL_UNLIMITED = ~(uint64_t)0;

struct hel_account_info {
	struct hel_limits used, limits;
};

enum hel_grant_flags : uint32_t {
	HEL_GRANT_REVOKE_ON_CLOSE = 1, /* closing the last descriptor of the grant revokes it */
};

struct hel_grant_handles {
	hel_handle grant;
	hel_handle handle; /* of the copy that is under it */
};

/* ---- memory ---------------------------------------------------------------------------------- */
enum hel_allocate_flags : uint64_t {
	HEL_ALLOCATE_CONTIGUOUS = 1, /* one physical run, present at once (at most 4 MiB) */
	HEL_ALLOCATE_BELOW_4G = 2, /* with CONTIGUOUS: physical addresses fit 32 bits */
	HEL_ALLOCATE_LARGE = 4, /* as if every mapping had HEL_MAP_LARGE */
	HEL_ALLOCATE_SWAPPABLE = 8, /* alone: pages may go to the swap manager */
	/* with CONTIGUOUS: physical addresses fit so many bits, 13 to 52; HEL_ALLOCATE_BITS() */
	HEL_ALLOCATE_BITS_MASK = 0x3f00,
};
/** HEL_ALLOCATE_BITS() - the flag for devices that put out @n_bits of an address */
#define HEL_ALLOCATE_BITS(n_bits) ((uint64_t)(n_bits) << 8)

enum hel_caching : uint64_t {
	HEL_CACHE_WRITE_BACK = 0,
	HEL_CACHE_UNCACHED = 1,
	HEL_CACHE_WRITE_COMBINE = 2,
};

struct hel_memory_info {
	uint64_t size_bytes;
	uint64_t resident_bytes;
	uint64_t swapped_bytes; /* in the swap space; maybe not yet out of memory */
	uint32_t kind; /* enum hel_memory_kind */
	uint32_t n_writable; /* mappings of it that may be written, or be made so; not windows */
};

enum hel_memory_kind : uint32_t {
	HEL_MEMORY_ALLOCATED,
	HEL_MEMORY_PHYSICAL,
	HEL_MEMORY_COPY_ON_WRITE,
	HEL_MEMORY_QUEUE,
	HEL_MEMORY_MANAGED, /* what users map of managed memory */
	HEL_MEMORY_BACKING, /* what its manager has of it */
	HEL_MEMORY_SLICE, /* a range of another memory; mappings of it are mappings of that */
	HEL_MEMORY_INDIRECT, /* slots that show ranges of other memory */
	HEL_MEMORY_LOAN, /* what a range of a space shows, for transfers only */
};

/* Indirect memory shows only such of lower levels; other memory has level 0. */
constexpr uint32_t HEL_INDIRECT_LEVELS = 3;

/* Managed memory: thor keeps the pages, a server brings their contents and takes them back. */
struct hel_managed_handles {
	hel_handle backing; /* for the manager */
	hel_handle frontal; /* for users */
};

/* What a manager says to hel_memory_update() about a range of pages. */
enum hel_update : uint64_t {
	HEL_UPDATE_INITIALISED = 0, /* users may see them */
	HEL_UPDATE_INITIALISE_FAILED = 1, /* who waits for them gets ERR_IO */
	HEL_UPDATE_WRITTEN_BACK = 2,
	HEL_UPDATE_WRITE_BACK_FAILED = 3, /* they stay dirty; fences report the error */
	HEL_UPDATE_ZERO = 4, /* those that are absent, and were not asked for, are zero */
};

enum hel_lock_flags : uint64_t {
	HEL_LOCK_WRITE = 1, /* a device will write to the pages (or has): they are dirty */
};

enum hel_advice : uint64_t {
	HEL_ADVICE_WILL_NEED = 0, /* the manager is asked for what is missing */
	HEL_ADVICE_DONT_NEED = 1, /* what is clean is dropped */
};

/* ---- spaces ---------------------------------------------------------------------------------- */
enum hel_map_flags : uint32_t {
	HEL_MAP_READ = 1u << 0,
	HEL_MAP_WRITE = 1u << 1,
	HEL_MAP_EXECUTE = 1u << 2,
	HEL_MAP_FIXED = 1u << 3, /* exactly at `address`, replacing what is there */
	/* exactly at `address`, ERR_EXISTS if something is there */
	HEL_MAP_FIXED_NOREPLACE = 1u << 4,
	/* What fork makes of the mapping; exactly one of three (0 = share) */
	HEL_MAP_FORK_SHARE = 0,
	HEL_MAP_FORK_COPY = 1u << 5, /* the child gets a copy-on-write copy (private memory) */
	HEL_MAP_FORK_DROP = 1u << 6, /* the child has a hole there */
	HEL_MAP_GUARD = 1u << 7, /* no access ever; reserves the addresses */
	/* aligned 2 MiB at once may become present where a page is touched; never executable */
	HEL_MAP_LARGE = 1u << 8,
	/* fresh anonymous memory with FORK_COPY or FORK_DROP: pages may go to the swap manager */
	HEL_MAP_SWAPPABLE = 1u << 9,
	/* the range may end beyond the memory: there, accesses fault until it is that large */
	HEL_MAP_BEYOND = 1u << 10,
};

enum hel_space_advice : uint32_t {
	HEL_SPACE_LARGE = 0, /* large pages are welcome, as with HEL_MAP_LARGE */
	HEL_SPACE_SMALL = 1, /* no more of them */
};

enum hel_populate_flags : uint32_t {
	HEL_POPULATE_WRITE = 1u << 0, /* as if the pages were written; else as if they were read */
};

/* What hel_space_pages() tells of a page; 0: nothing is mapped there. */
enum hel_page_state : uint8_t {
	HEL_PAGE_COVERED = 1u << 0, /* it is in a mapping, which may be a guard */
	HEL_PAGE_RESIDENT =
		1u << 1, /* its contents are in memory: nobody has to make or bring them */
	HEL_PAGE_OUT = 1u << 2, /* its contents are in the swap space */
	HEL_PAGE_OWN = 1u << 3, /* a private view has it, RESIDENT or OUT, for itself */
	HEL_PAGE_ENTERED = 1u << 4, /* the space's page table has it */
};

/*
 * hel_space_map(args): maps `memory` at offset into `space`.
 * memory == HEL_NULL maps fresh anonymous zero-fill memory, private to this mapping (FORK_COPY is
 * usual); an adjacent anonymous mapping with equal flags and tag is extended instead of making a
 * second one. A private file mapping is made by mapping a copy-on-write memory with FORK_COPY.
 * Without FIXED, `address` is a hint; the kernel searches downwards from the hint's end, or from
 * `limit_high` (0 = top of the user half), for a free range not below `limit_low`. Value: the
 * address. Errors: ILLEGAL_ARGS (size 0 or not page-aligned, bad flags), NO_RIGHTS, OUT_OF_BOUNDS
 * (beyond the memory object), EXISTS, NO_SPACE (no free range), NO_MEMORY.
 */
struct hel_map_args {
	hel_handle space; /* HEL_THIS or needs MAP */
	hel_handle memory; /* needs MAP and the rights that the protection asks for */
	uint64_t address;
	uint64_t size_bytes;
	uint64_t offset;
	uint32_t flags; /* enum hel_map_flags */
	uint32_t reserved;
	uint64_t tag; /* the mapper's label, given back by space_query */
	uint64_t limit_low;
	uint64_t limit_high;
};

struct hel_mapping_info {
	uint64_t address;
	uint64_t size_bytes;
	uint64_t offset;
	uint64_t tag;
	uint32_t flags;
	/* enum hel_memory_kind; anonymous memory is COPY_ON_WRITE or ALLOCATED */
	uint32_t kind;
	uint64_t resident_bytes;
	uint64_t memory_identity; /* the same for all mappings of one memory; 0: a guard */
	uint64_t large_bytes; /* of resident_bytes, what large pages show now */
	uint64_t label; /* what hel_space_label() made of it; 0 at first */
};

/* The bits of a label that a fork's child gets; the others are 0 in its mappings. */
constexpr uint64_t HEL_LABEL_FORKED = 0xffff'ffff'ffff;

/* ---- threads --------------------------------------------------------------------------------- */
enum hel_register_set : uint32_t {
	HEL_REGISTERS_GENERAL = 0, /* struct hel_registers */
	HEL_REGISTERS_FPU = 1, /* the XSAVE area, standard format */
	HEL_REGISTERS_DEBUG = 2, /* struct hel_debug_registers */
};

struct hel_registers { /* x86-64; the order is also that of the bounce page's frame */
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
	uint64_t fs_base, gs_base;
};

/*
 * x86-64: up to four breakpoints or watched places. An address is below the end of user memory and
 * aligned to its length, also while it is not enabled. A match is a fault with vector 1 whose
 * error code is what has happened, as in `status`.
 */
struct hel_debug_registers {
	uint64_t addresses[4]; /* DR0 … DR3 */
	/* DR6, bits 0-3 (address matched), 14 (single step): gathered until it is written */
	uint64_t status;
	/* DR7: bits 0-9, and per address kind (execute, write, access) and length from 16 on */
	uint64_t control;
};

enum hel_thread_flags : uint32_t {
	/* does not run before hel_thread_start (always so; reserved for the future) */
	HEL_THREAD_STOPPED = 1,
	/* hel_thread_stats tells its time in the kernel apart, which makes each entry slower */
	HEL_THREAD_TIMED = 2,
};

struct hel_thread_args {
	hel_handle universe; /* HEL_THIS or needs GRANT */
	hel_handle space; /* HEL_THIS or needs MAP */
	uint64_t ip, sp; /* user-mode start */
	uint64_t argument; /* first argument register (rdi) */
	uint64_t tls_base; /* fs base */
	uint32_t flags;
	uint32_t reserved;
	/*
	 * Memory, or a queue: the bounce page is in its first page. HEL_NULL: none. Needs READ and
	 * WRITE.
	 */
	hel_handle bounce_page;
	/*
	 * Where the thread's space has it: gs base while bounced. 64-aligned; its place in the page
	 * is that in the first page above.
	 */
	uint64_t bounce_address;
	/* address in the caller's space of a struct hel_bounce, 0 without bounce_page */
	uint64_t bounce;
};

/* One observation: the result of HEL_SUBMIT_OBSERVE. */
enum hel_observation : uint32_t {
	HEL_OBSERVE_TERMINATED = 1, /* the last observation; nothing follows */
	/* a fault that no bounce took: stopped until resumed or killed */
	HEL_OBSERVE_FAULT = 2,
	/* hel_thread_interrupt stopped it: resume with hel_thread_resume */
	HEL_OBSERVE_INTERRUPTED = 3,
	HEL_OBSERVE_BAD_CALL = 4, /* unknown system call without bounce: stopped */
};

struct hel_thread_stats {
	uint64_t user_ns; /* without HEL_THREAD_TIMED in both */
	uint64_t kernel_ns; /* without HEL_THREAD_TIMED 0 */
	uint64_t n_switches, n_faults;
	uint32_t state; /* 0 stopped, 1 runnable, 2 running, 3 waiting, 4 terminated */
	uint32_t cpu;
	uint32_t flags; /* enum hel_thread_flags: HEL_THREAD_TIMED or 0 */
	int32_t priority; /* with what those who wait for its locks lend it */
	uint64_t n_preempted; /* how often it lost its CPU while it could run on */
	uint32_t weight;
	uint32_t reserved;
};

/* Shares of the processor, see hel_thread_set_weight(). */
constexpr uint32_t HEL_WEIGHT_DEFAULT = 1024;
constexpr uint32_t HEL_WEIGHT_MAX = 1 << 20;

/* ---- events and interrupts ------------------------------------------------------------------- */
/*
 * An event is a 32-bit set of flags with a sequence number: event_raise ORs bits in and wakes
 * whoever awaits; HEL_SUBMIT_AWAIT_EVENT completes when the sequence differs from the one given,
 * with bits and the new sequence, and clears the bits it reports. An irq is awaited alike (bits are
 * 1) and acknowledged by hel_irq_acknowledge.
 */
struct hel_msi_info {
	uint64_t address;
	uint32_t data;
	uint32_t reserved;
};

enum hel_irq_action : uint32_t {
	HEL_IRQ_ACK = 1, /* it was this device, which has been quieted */
	HEL_IRQ_NACK = 2, /* it was not */
	HEL_IRQ_KICK = 4, /* deliver once more, to all who share it; a stalled line works again */
	HEL_IRQ_CLEAR = 8, /* forget the buffered edge; with KICK: ACK whatever is in service */
};

enum hel_irq_line_flags : uint32_t {
	HEL_IRQ_LINE_LEVEL = 1, /* level-triggered; otherwise by edges */
	HEL_IRQ_LINE_ACTIVE_LOW = 2, /* otherwise active high */
	/* the number is of an ISA interrupt: the machine says which line, and how it is wired */
	HEL_IRQ_LINE_ISA = 4,
};

enum hel_irq_state : uint32_t {
	HEL_IRQ_STATE_LINE = 1, /* a line; otherwise a message */
	HEL_IRQ_STATE_LEVEL = 2, /* level-triggered */
	HEL_IRQ_STATE_IN_SERVICE = 4, /* somebody owes an answer */
	HEL_IRQ_STATE_DUE = 8, /* it is this irq that owes one */
	HEL_IRQ_STATE_BUFFERED = 16, /* there is a delivery after this one */
	HEL_IRQ_STATE_STALLED = 32, /* all drivers have said NACK; masked until a KICK */
	HEL_IRQ_STATE_THROTTLED = 64, /* it came too often; masked for a moment */
	/* it was moved and has not come by the new way yet, nor has hel_irq_settle been called */
	HEL_IRQ_STATE_MOVING = 128,
	HEL_IRQ_STATE_HANDLED = 256, /* code in the kernel sees it first */
};

constexpr uint32_t HEL_IRQ_NO_LINE = 0xffffffffu;

struct hel_irq_info {
	/* of the line or message, since it was first opened */
	uint64_t n_interrupts;
	uint64_t n_spurious; /* that nobody acknowledged */
	uint64_t n_storms; /* times that it was throttled */
	uint64_t n_stalls;
	uint64_t sequence; /* of the last delivery to this irq */
	uint32_t state; /* enum hel_irq_state */
	uint32_t cpu; /* where it arrives */
	uint32_t vector; /* as what, there */
	uint32_t gsi; /* of a line, otherwise HEL_IRQ_NO_LINE */
};

/* ---- streams --------------------------------------------------------------------------------- */
struct hel_stream_lanes {
	hel_handle lane[2];
};

/* ---- time ------------------------------------------------------------------------------------ */
/*
 * The clock page, mapped read-only by whoever wants the time without a call:
 * ns = base_ns + (((unsigned __int128)(tsc - base_tsc) * multiplier) >> 32), read under `sequence`
 * (odd = being written, then retry). Monotonic nanoseconds since boot. realtime_offset_ns is added
 * for wall-clock time.
 */
struct hel_clock_page {
	uint32_t sequence;
	uint32_t reserved;
	uint64_t base_tsc;
	uint64_t base_ns;
	uint64_t multiplier; /* nanoseconds per tick, 32.32 fixed point */
	int64_t realtime_offset_ns;
};

/* ---- statistics ------------------------------------------------------------------------------ */
struct hel_kernel_stats {
	uint64_t memory_total_bytes, memory_free_bytes;
	uint64_t kernel_bytes; /* page tables, slabs, kernel image, frame table */
	uint32_t n_cpus, n_threads;
	uint64_t n_switches, n_interrupts, n_faults, n_calls, n_space_loads;
	uint64_t idle_ns[8]; /* the first eight CPUs */
	uint64_t irqs_off_max_ns; /* longest stretch with interrupts off seen so far */
	uint64_t n_lock_waits; /* times that a CPU found a lock of the kernel taken */
	/* the page cache: all, not written back, and dirty pages whose manager died since boot */
	uint64_t cache_bytes, cache_unclean_bytes, cache_lost_bytes;
};

#endif
