/* SPDX-License-Identifier: MIT */
/*
 * QEMU's `e1000e` network card, of which only the interrupts are used: writing a cause raises the
 * vector that it is routed to, here cause i vector i.
 *
 * The card limits how often a vector is raised, and QEMU repeats one that it had put off. So an
 * interrupt without a cause is nothing wrong.
 */
#ifndef TESTS_MSIX_NIC_H
#define TESTS_MSIX_NIC_H

#include <mmio/mmio.h>
#include <protocols/transport/client.h>

constexpr uint32_t NIC_VECTORS = 5; /* that it has; it has causes for the first four */
constexpr uint32_t NIC_BAR_OF_TABLE = 3; /* has nothing else before it */

struct nic {
	struct transport_client hw;
	struct mmio registers;
};

/** nic_open() - map the card's registers and route its causes; @lane: hw's, taken on success */
MUST_USE int nic_open(struct task *task, struct nic *nic, hel_handle lane);

/** nic_raise() - let the card have cause @index, which raises its vector */
void nic_raise(const struct nic *nic, uint32_t index);

/** nic_take() - whether there is cause @index; it is gone afterwards */
bool nic_take(const struct nic *nic, uint32_t index);

#endif
