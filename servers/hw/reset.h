/* SPDX-License-Identifier: MIT */
/*
 * Making a function quiet: it starts no more requests, those under way have arrived, and if it has
 * a function-level reset, it is as after power-on, at the same addresses.
 *
 * Without a reset its state stays, and its new driver has to cope; but as long as it is no bus
 * master it reaches no memory.
 */
#ifndef HW_RESET_H
#define HW_RESET_H

#include "pci.h"

#include <async/task.h>

constexpr uint64_t RESET_DRAIN_NS = 100'000'000; /* for requests under way */
constexpr uint64_t RESET_TIME_NS = 100'000'000;  /* what PCI gives a function for its reset */
constexpr uint64_t RESET_READY_NS = 1'000'000'000; /* for it to answer again */

/** reset_stop() - no requests any more: bus mastering off, and wait for what is under way */
void reset_stop(
	struct task *task, const struct pci_access *access, const struct pci_function *function);

/** reset_is_possible() - whether the function has a reset of its own */
bool reset_is_possible(const struct pci_access *access, const struct pci_function *function);

/**
 * reset_function() - reset it, and write back the header and the settings of its link
 *
 * Bus mastering, MSI and MSI-X are off afterwards.
 *
 * Return: 0, -ERR_UNSUPPORTED (no such reset), -ERR_IO (it does not answer any more), the reason if
 * the task is cancelled.
 */
MUST_USE int reset_function(
	struct task *task, const struct pci_access *access, const struct pci_function *function);

#endif
