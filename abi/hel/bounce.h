/* SPDX-License-Identifier: MIT */
/*
 * The bounce: how system calls, kicks and faults of a thread reach code in its own address space.
 * CONTRACT.
 *
 * A bounced thread has a *bounce page* of 256 bytes, 64-aligned in a wired page that the kernel and
 * the thread's space both map: the first one of a memory object, or of a queue, behind what the
 * queue itself has there. gs base points to it. Of the page the kernel touches only the fields of
 * struct hel_bounce_page (and the queue's); the rest belongs to user mode.
 *
 *   system call   `syscall` with eax not in [0x80000000, 0x80000fff] (not a hel call): user_ip =
 *                 return address, user_flags = RFLAGS; RCX = entry_syscall; RFLAGS without TF, DF,
 *                 AC, NT; every other register and rsp are unchanged; sysret.
 *   int 0x80, 32-bit entries: a fault (#GP) as any other.
 *   kick          hel_thread_kick sets `pending` and a latch in the thread. When the thread next
 *                 returns to user mode:
 *                   ip outside [shim_low, shim_high): frame = all registers, ip = entry_kick,
 *                       rsp = stack; latch cleared
 *                   ip in a critical range: ip = range.restart; latch cleared (pending stays)
 *                   ip elsewhere in the shim: nothing; latch cleared (the exits test pending)
 *                 A thread that waits in hel_drive or hel_futex_wait gets ERR_KICKED; one that is
 *                 about to wait with `pending` set gets it at once. Only user mode clears
 *                 `pending`.
 *   fault         ip outside the shim: frame = all registers, fault = what happened, ip =
 *                 entry_fault, rsp = stack. ip in the shim but not in [fault_low, fault_high):
 *                 frame and fault alike, ip = entry_shim_fault, rsp unchanged (the handler looks
 *                 for a fix-up of frame.rip). Otherwise, and when the reason is ERR_NO_MEMORY, the
 *                 observer gets HEL_OBSERVE_FAULT.
 * Single-step and breakpoint traps (#DB, #BP) of bounced threads are faults in this sense. The trap
 * flag can only be set by popf, whose trap comes after the next instruction: user mode that wants
 * to step code it jumps to says in steps_to_skip how many instructions of its own follow popf. The
 * kernel goes on with the flag set as many times.
 */
#ifndef ABI_HEL_BOUNCE_H
#define ABI_HEL_BOUNCE_H

#include <abi/hel/hel.h>

struct hel_bounce_range {
	uint64_t low, high; /* [low, high) */
	uint64_t restart;
};

struct hel_bounce {
	uint64_t shim_low, shim_high;
	uint64_t entry_syscall, entry_kick, entry_fault, entry_shim_fault;
	uint64_t fault_low, fault_high;
	struct hel_bounce_range critical[4]; /* low == high: unused */
};

struct hel_fault {
	uint32_t vector; /* x86 exception vector */
	uint32_t reserved;
	uint64_t error_code;
	uint64_t address; /* CR2 for page faults, else 0 */
	/*
	 * Why a page fault could not be resolved: ERR_FAULT nothing mapped, ERR_NO_RIGHTS
	 * protection, ERR_OUT_OF_BOUNDS beyond the end of the memory object (SIGBUS),
	 * ERR_NO_MEMORY.
	 */
	int32_t reason;
	uint32_t reserved2;
};

/* Offsets are used by assembly: see the static assertions in posix/shim. */
struct hel_bounce_page {
	uint64_t self;  /*   0: user address of this page, set by user mode */
	/* 8: top of the shim stack, set by user mode; entry_kick and entry_fault start there */
	uint64_t stack;
	uint64_t user_sp; /*  16: user mode's */
	uint64_t user_ip; /*  24: kernel writes on bounce */
	uint64_t user_flags; /*  32: kernel writes on bounce */
	uint32_t pending; /*  40: kernel sets to 1 on kick */
	uint32_t sequence; /*  44 */
	uint64_t calls_end; /*  48: user mode's */
	/* 56: that many single-step traps are passed over; kernel counts down */
	uint32_t steps_to_skip;
	uint32_t reserved; /*  60: user mode's */
	struct hel_registers frame; /*  64: 160 bytes */
	struct hel_fault fault; /* 224: 32 bytes */
				/* 256: user mode's */
};

#endif
