/* SPDX-License-Identifier: MIT */
/* QEMU's `e1000e`: see nic.h. */
#include "nic.h"

#include <protocols/hw/hw-client.h>

constexpr uint32_t NIC_CAUSES = 4;
constexpr uint32_t NIC_CAUSE_FIRST = 20; /* its bit: receive queues 0 and 1, transmit queues */
constexpr uint32_t NIC_ROUTE_BITS = 4;
constexpr uint32_t NIC_ROUTE_VALID = 8;

enum nic_register : uint32_t {
	NIC_CAUSES_READ = 0xc0, /* write: clear */
	NIC_CAUSES_SET = 0xc8,
	NIC_CAUSES_ENABLE = 0xd0,
	NIC_ROUTES = 0xe4,
	NIC_REGISTERS_SIZE = 0x1000, /* of what is used */
};

int nic_open(struct task *task, struct nic *nic, hel_handle lane)
{
	uint32_t routes = 0;

	transport_client_init(&nic->hw, lane, 1);
	volatile void *registers = NULL;
	int error = hw_client_map_bar(task, &nic->hw, 0, NIC_REGISTERS_SIZE, &registers);

	nic->registers = (struct mmio){ .base = registers, .size = NIC_REGISTERS_SIZE };

	/* Interrupts are messages, which the card writes to memory. */
	if (error == 0) {
		error = hw_client_bus_master(task, &nic->hw, true);
	}
	if (error != 0) {
		return error;
	}
	for (uint32_t i = 0; i < NIC_CAUSES; i++) {
		routes |= (NIC_ROUTE_VALID | i) << (NIC_ROUTE_BITS * i);
	}
	mmio_write32(nic->registers, NIC_ROUTES, routes);
	mmio_write32(
		nic->registers, NIC_CAUSES_ENABLE, ((1u << NIC_CAUSES) - 1) << NIC_CAUSE_FIRST);
	return 0;
}

void nic_raise(const struct nic *nic, uint32_t index)
{
	mmio_write32(nic->registers, NIC_CAUSES_SET, 1u << (NIC_CAUSE_FIRST + index));
}

bool nic_take(const struct nic *nic, uint32_t index)
{
	uint32_t cause = 1u << (NIC_CAUSE_FIRST + index);
	bool is_there = (mmio_read32(nic->registers, NIC_CAUSES_READ) & cause) != 0;

	if (is_there) {
		mmio_write32(nic->registers, NIC_CAUSES_READ, cause);
	}
	return is_there;
}
