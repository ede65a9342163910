/* SPDX-License-Identifier: MIT */
/*
 * The simulated processor: all of portable thor over arch/sim, with threads that are C functions.
 *
 * A *program* is a C function with a stack of its own. It is the user mode of one thread: it makes
 * hel calls (lib/hel over hel_sim_call()), touches user memory (sim_load(), sim_store()) and
 * computes (sim_compute()). A virtual CPU has a kernel stack; entering the kernel starts at its
 * top, and arch_enter_user() and arch_idle() leave it for good. sim_execute() is the machine: it
 * picks a CPU that can do something, lets it do that, and advances the virtual clock when none can.
 *
 *	IDLE --interrupt--> KERNEL --arch_enter_user--> USER --call, fault, interrupt--> KERNEL
 *	 ^---------------------- arch_idle --'
 *
 * With sim_interleave() a CPU in the kernel may be left at every atomic access (points.h) for
 * another one; the seed of the machine decides. Otherwise a stay in the kernel is one step.
 *
 * A program is found by the thread's tls_base: its number. The stack of a program counts as user
 * memory that is always present, so that structures for calls can be local variables; what
 * exchanges and futexes refer to has to be mapped memory. A thread with another tls_base faults at
 * once.
 */
#ifndef THOR_ARCH_SIM_PROCESSOR_H
#define THOR_ARCH_SIM_PROCESSOR_H

#include <thor/arch/sim/sim.h>
#include <thor/sched/thread.h>

constexpr uint64_t SIM_IP = 0x10000; /* where all programs are, as far as registers go */
constexpr uint64_t SIM_ENTRY_NS = 100; /* what a stay in the kernel costs */

struct sim_program;

/** sim_boot() - after sim_machine_create(): what thor_main() does, on all CPUs; they are idle */
void sim_boot(uint64_t seed);

/** sim_shutdown() - before sim_machine_destroy(); nothing runs any more */
void sim_shutdown(void);

/** sim_reseed() - who runs when is decided by @seed from now on */
void sim_reseed(uint64_t seed);

/** sim_interleave() - leave the kernel once in @one_in atomic accesses; 0: never */
void sim_interleave(uint32_t one_in);

/** sim_program_create() - a program that no thread has yet; its number for tls_base, never 0 */
uint64_t sim_program_create(void (*main)(void *context), void *context);

/** sim_spawn() - a running thread with a program of its own; the caller drops the reference */
struct thread *sim_spawn(
	struct universe *universe, struct space *space, void (*main)(void *context), void *context);

/** sim_interrupt() - let a CPU take an interrupt, as if by a reschedule request */
void sim_interrupt(uint32_t cpu_index);

/** sim_raise_vector() - let a device interrupt arrive */
void sim_raise_vector(uint32_t cpu_index, uint32_t vector);

/**
 * sim_execute() - run the machine until nothing can happen any more
 * @until_ns: not beyond this time
 * @max_steps: nor longer than that
 *
 * Return: true: all CPUs are idle and no timer is set (or none before @until_ns); false: out of
 * steps.
 */
bool sim_execute(uint64_t until_ns, uint64_t max_steps);

/**
 * sim_on_advance() - call @hook before time passes; NULL: nothing
 *
 * is_quiet: no CPU has anything to do but to wait or compute, so the scheduler has decided.
 */
void sim_on_advance(void (*hook)(uint64_t duration_ns, bool is_quiet));

/* ---- for programs */

/** sim_compute() - use the CPU for that long */
void sim_compute(uint64_t duration_ns);

/**
 * sim_load(), sim_store() - access user memory; faults are taken. The thread may never come back.
 */
void sim_load(void *to, uint64_t address, size_t size);
void sim_store(uint64_t address, const void *from, size_t size);

/** sim_self() - the thread that runs */
struct thread *sim_self(void);

/** sim_set_ip() - be somewhere else in the program, for the bounce */
void sim_set_ip(uint64_t ip);

/**
 * sim_on_redirect() - call @handler on the program's stack when the kernel has moved ip (kick,
 * fault)
 */
void sim_on_redirect(void (*handler)(void *context, uint64_t ip));

/**
 * sim_alias() - a host address at which @n_pages of user memory are visible; until sim_shutdown()
 */
void *sim_alias(uint64_t address, uint64_t n_pages);

#endif
