/* SPDX-License-Identifier: MIT */
/*
 * The per-CPU structure.  CONTRACT between the architecture, memory and scheduling.
 *
 * Everything in it belongs to its CPU (interrupts are off whenever thor runs), except where a lock
 * or an atomic is named.
 */
#ifndef THOR_CPU_H
#define THOR_CPU_H

#include <thor/arch.h>
#include <thor/spinlock.h>

constexpr uint32_t CPUS_MAX = 64;

#include <thor/ipc/transfer.h> /* struct transfer_runner: large transfers that no thread carries */
#include <thor/irq/vectors.h> /* struct irq_vectors: whose interrupts arrive here */
#include <thor/memory/asid.h> /* what the TLB remembers */
#include <thor/memory/frame-cache.h> /* struct frame_cache: this CPU's free pages */
#include <thor/memory/heap-cache.h> /* struct heap_cache: this CPU's free heap objects */
#include <thor/memory/page-wait.h> /* struct page_note: a page that a copy has to wait for */
#include <thor/memory/shootdown.h> /* struct shootdown_cpu */
#include <thor/sched/run-queue.h> /* struct run_queue: ready threads, inbox, idle flag */
#include <thor/time/timer-heap.h> /* struct timer_heap */
#include <thor/trace/trace.h> /* struct trace_cpu */

struct space;

struct cpu {
	struct cpu *self;
	uint32_t index;
	bool is_online;
	/* whose context user mode on this CPU has, NULL when idle */
	struct thread *current;
	struct space *active_space; /* whose page table is loaded; holds a reference */
	uint64_t n_calls; /* hel calls; counted by the architecture */
	uint64_t n_lock_waits; /* times that a lock was taken by another CPU */
	struct arch_cpu arch;
	struct frame_cache frames;
	struct heap_cache heap;
	struct shootdown_cpu shootdown;
	struct run_queue run_queue;
	struct timer_heap timers;
	struct transfer_runner transfers;
	struct trace_cpu trace;
	struct irq_vectors irq_vectors;
	struct page_note page_note;
	uint64_t short_call; /* by n_calls: the last one that had no page for a copy (shortage.h) */
	bool lacks_frames; /* a page was refused since shortage_will_pass() looked last */
	uint64_t n_page_faults; /* resolved, or found to be none, for user mode or the kernel */
	struct {
		uint64_t n_switches, n_interrupts, n_faults, n_space_loads, idle_ns;
		uint64_t irqs_off_max_ns;
	} statistics;
	uint64_t asid_stamps[ARCH_ASIDS]; /* by identifier */
};

extern struct cpu *cpu_table[CPUS_MAX]; /* set before a CPU goes online, never cleared */
extern uint32_t cpu_count;

#endif
