/* SPDX-License-Identifier: MIT */
/*
 * What the tests of thor over arch/sim share: a machine per test, failing allocations, leak checks.
 *
 * A test begins with fixture_begin() and ends with fixture_end(), which frees what has been
 * deferred and checks that all frames came back. Allocation failures are injected by wrapping
 * frame_allocate, frame_allocate_zeroed, frame_allocate_run and heap_allocate at link time
 * (--wrap).
 */
#ifndef THOR_TESTS_SUPPORT_H
#define THOR_TESTS_SUPPORT_H

#include <base/testing.h>
#include <thor/arch/sim/sim.h>
#include <thor/cpu.h>
#include <thor/memory/space.h>

/** fixture_begin() - a machine of @n_cpus with @memory_mib MiB; @seed for schedules */
void fixture_begin(uint32_t n_cpus, uint64_t memory_mib, uint64_t seed);

/**
 * fixture_end() - check that everything came back, and switch the machine off; false: frames are
 * missing
 */
bool fixture_end(void);

/** fixture_note_accounts() - remember what is charged to the root account */
void fixture_note_accounts(void);

/** fixture_is_paid() - whether that is what is charged now; prints what is not */
bool fixture_is_paid(void);

/** fixture_reap() - destroy the objects whose last references were dropped, on all CPUs */
void fixture_reap(void);

/** fixture_free_bytes() - free memory once all caches are emptied */
uint64_t fixture_free_bytes(void);

/**
 * fixture_fail_after() - let allocation number @n_allocations from now on and all later ones
 * fail; ~0: none
 */
void fixture_fail_after(uint64_t n_allocations);

/** fixture_fail_only() - the same, but those behind it succeed again */
void fixture_fail_only(uint64_t n_allocations);

/** fixture_has_failed() - whether an allocation failed since fixture_fail_after() */
bool fixture_has_failed(void);

/**
 * map_anonymous() - map private memory with read and write access, FORK_COPY, somewhere; the
 * address
 */
uint64_t map_anonymous(struct space *space, uint64_t n_pages);

/** large_bytes() - how much of a space's user half is mapped by large pages */
uint64_t large_bytes(const struct space *space);

/**
 * peek(), poke() - a byte as user mode on the current CPU reads or writes it; 256 and nonzero
 * mean a fault
 */
int peek(uint64_t address);
int poke(uint64_t address, uint8_t value);

#define CHECK_OK(expression) CHECK_EQ((expression), 0)

constexpr uint32_t RW_COPY = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY;
constexpr uint32_t RW_SHARE = HEL_MAP_READ | HEL_MAP_WRITE;

#endif
