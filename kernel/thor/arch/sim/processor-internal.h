/* SPDX-License-Identifier: MIT */
/* Between processor.c (who runs when) and context.c (what a thread's context is). */
#ifndef THOR_ARCH_SIM_PROCESSOR_INTERNAL_H
#define THOR_ARCH_SIM_PROCESSOR_INTERNAL_H

#include <thor/arch/sim/fibre.h>
#include <thor/arch/sim/processor.h>

enum sim_request : uint32_t {
	SIM_REQUEST_NONE,
	SIM_REQUEST_CALL,
	SIM_REQUEST_FOREIGN_CALL,
	SIM_REQUEST_FAULT,
};

struct sim_program {
	struct sim_fibre fibre; /* no stack before it first runs */
	void (*main)(void *context);
	void *context;
	struct arch_context *registers; /* NULL: no thread has it */
	struct thread *thread;          /* once it has run */
	enum sim_request request;       /* why it left user mode */
	struct hel_fault fault;
	uint64_t compute_ns; /* how long it wants to compute */
	struct hel_bounce_page *bounce_page;
	uint64_t bounce_entry;
	void (*on_redirect)(void *context, uint64_t ip);
	uint64_t ip_before; /* where it was before the kernel moved it */
	bool is_redirected;
};

/** sim_program_of() - the program of a context, NULL if it has none */
struct sim_program *sim_program_of(const struct arch_context *context);

/**
 * sim_program_bind() - a new context gets the program that it names, if there is one without a
 * thread
 */
void sim_program_bind(struct arch_context *context);

/** sim_program_release() - its thread has ended */
void sim_program_release(struct sim_program *program);

/** sim_is_program_stack() - whether a range is in the stack of the current thread's program */
bool sim_is_program_stack(uint64_t address, size_t size);

/** sim_leave_kernel() - this CPU goes on in user mode (NULL: idles) */
NORETURN void sim_leave_kernel(struct thread *thread);

/** sim_seed_kernel() - seed thor's random numbers */
void sim_seed_kernel(uint64_t seed);

#endif
