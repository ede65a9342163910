/* SPDX-License-Identifier: MIT */
/*
 * What tests drive the simulated machine with.
 *
 * Virtual CPUs run one at a time. With one fibre (sim_machine_create()) all is sequential: the
 * test says which CPU it is (sim_switch_cpu()), and a shoot-down is served at once on behalf of
 * its target. With sim_run() each CPU is a fibre of its own; at points where a race could be
 * lost (page-table edits, spinning) a number drawn from the seed decides who goes on. The same
 * seed gives the same schedule.
 */
#ifndef THOR_ARCH_SIM_SIM_H
#define THOR_ARCH_SIM_SIM_H

#include <abi/boot/boot-info.h>
#include <base/random.h>
#include <base/types.h>
#include <thor/arch.h>

struct sim_options {
	uint64_t memory_bytes;
	uint32_t n_cpus;
	uint64_t seed;
};

/** sim_machine_create() - memory, CPUs, frame table; CPU 0 is current */
void sim_machine_create(const struct sim_options *options);

/** sim_has_memory() - whether there is memory at @phys, for the whole page */
bool sim_has_memory(uint64_t phys);

/** sim_window_pages() - how many pages of windows are mapped */
uint32_t sim_window_pages(void);

/** sim_machine_destroy() - give all back to the host */
void sim_machine_destroy(void);

/** sim_switch_cpu() - go on as another CPU (sequential tests) */
void sim_switch_cpu(uint32_t index);

/** sim_run() - run @body once on each CPU, interleaved by the seed, until all have returned */
void sim_run(void (*body)(void *context), void *context);

/**
 * sim_point() - a point where, under sim_run(), another CPU may go on; also an interrupt window
 * if @is_user
 */
void sim_point(bool is_user);

/**
 * sim_user_access() - what an instruction in user mode does with one byte of the active space
 * @byte: read from or written into the page that the TLB says
 *
 * Faults are resolved by space_fault(). Return: 0 or its error.
 */
int sim_user_access(uint64_t address, uint32_t access, uint8_t *byte);

/**
 * sim_check_tlbs() - no CPU has a translation that its page table, which it has loaded, does not
 * allow; the offending address or 0
 */
uint64_t sim_check_tlbs(void);

/**
 * sim_check_space() - the same for what CPUs remember of a space that they need not have loaded,
 * as far as they would use it without a flush
 */
struct space;
uint64_t sim_check_space(const struct space *space);

/** sim_time_ns() - the virtual clock, settable */
extern uint64_t sim_time_ns;

#endif
