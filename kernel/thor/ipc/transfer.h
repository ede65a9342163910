/* SPDX-License-Identifier: MIT */
/*
 * Who copies large transfers, for the scheduler. What a transfer is stands in exchange-transfer.c,
 * how it gets its time in transfer-run.c.
 */
#ifndef THOR_IPC_TRANSFER_H
#define THOR_IPC_TRANSFER_H

#include <base/list.h>
#include <thor/sched/work.h>
#include <thor/time/timer-heap.h>

struct cpu;
struct thread;

/* A CPU's transfers that no thread carries; in struct cpu. */
struct transfer_runner {
	struct list transfers; /* struct transfer by runner_node; not empty: one of the next two */
	struct work work; /* posted */
	struct timer timer; /* armed: it rests, so that threads can run */
	uint64_t n_bytes_at_once; /* that exchanges moved without a transfer since the last pause */
	bool has_copied; /* much in this stay in the kernel, before there was a transfer */
};

/** transfer_init_cpu() - before the CPU goes online */
void transfer_init_cpu(struct cpu *cpu);

/**
 * transfer_carry_on() - copy some of what the current thread carries, which has
 * THREAD_ATTENTION_TRANSFER; called by the scheduler before it would enter user mode; no locks held
 *
 * Return: true: there is more, and now interrupts and others have their turn; false: nothing is
 * left, and others may have been woken.
 */
bool transfer_carry_on(struct thread *thread);

/**
 * transfer_put_down() - the thread ends, is stopped or kicked: what it carries goes on without it
 *
 * Context: on the CPU that has it, or nobody has; no locks held.
 */
void transfer_put_down(struct thread *thread);

#endif
