/* SPDX-License-Identifier: MIT */
/* QEMU's `e1000e`: see nic.h. */
#include "nic.h"

#include <base/errors.h>
#include <helix/helix.h>
#include <protocols/hw/hw.gen.h>

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

int nic_bar(struct task *task, struct transport_client *hw, uint32_t index, hel_handle *out_memory)
{
	struct bragi_exchange exchange;
	struct hw_bar_request request;
	struct hw_bar_reply reply;
	uint8_t buffer[128];

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	hw_bar_request_init(&request);
	request.index = index;
	int error = hw_device_bar(task, &hw->client, &exchange, &request, &reply);

	*out_memory = bragi_handles_take(&exchange.received, 0);
	return error == 0 && reply.size_bytes < NIC_REGISTERS_SIZE ? -ERR_PROTOCOL : error;
}

static int nic_map(struct task *task, struct nic *nic)
{
	hel_handle memory;
	void *mapped;
	int error = nic_bar(task, &nic->hw, 0, &memory);

	if (error == 0) {
		error = helix_map(
			memory, 0, NIC_REGISTERS_SIZE, HEL_MAP_READ | HEL_MAP_WRITE, &mapped);
	}
	if (memory != HEL_NULL) {
		hel_close(HEL_THIS, memory);
	}
	if (error == 0) {
		nic->registers = (struct mmio){ .base = mapped, .size = NIC_REGISTERS_SIZE };
	}
	return error;
}

/* Interrupts are messages, which the card writes to memory. */
static int nic_enable_messages(struct task *task, struct nic *nic)
{
	struct bragi_exchange exchange;
	struct hw_bus_master_request request;
	struct hw_bus_master_reply reply;
	uint8_t buffer[128];

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	hw_bus_master_request_init(&request);
	request.is_enabled = 1;
	return hw_device_bus_master(task, &nic->hw.client, &exchange, &request, &reply);
}

int nic_open(struct task *task, struct nic *nic, hel_handle lane)
{
	uint32_t routes = 0;

	transport_client_init(&nic->hw, lane, 1);
	int error = nic_map(task, nic);

	if (error == 0) {
		error = nic_enable_messages(task, nic);
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

/* ---- vectors --------------------------------------------------------------------------------- */

int nic_interrupt(
	struct task *task, struct transport_client *hw, uint32_t vector, hel_handle *out_irq)
{
	struct bragi_exchange exchange;
	struct hw_interrupt_request request;
	struct hw_interrupt_reply reply;
	uint8_t buffer[128];

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	hw_interrupt_request_init(&request);
	request.vector = vector;
	int error = hw_device_interrupt(task, &hw->client, &exchange, &request, &reply);

	*out_irq = bragi_handles_take(&exchange.received, 0);
	return error == 0 && *out_irq == HEL_NULL ? -ERR_PROTOCOL : error;
}

int nic_mask(struct task *task, struct transport_client *hw, uint32_t vector, bool is_masked)
{
	struct bragi_exchange exchange;
	struct hw_interrupt_mask_request request;
	struct hw_interrupt_mask_reply reply;
	uint8_t buffer[128];

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	hw_interrupt_mask_request_init(&request);
	request.vector = vector;
	request.is_masked = is_masked;
	return hw_device_interrupt_mask(task, &hw->client, &exchange, &request, &reply);
}

int nic_move(struct task *task, struct transport_client *hw, uint32_t vector, uint64_t cpu_mask)
{
	struct bragi_exchange exchange;
	struct hw_interrupt_move_request request;
	struct hw_interrupt_move_reply reply;
	uint8_t buffer[128];

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	hw_interrupt_move_request_init(&request);
	request.vector = vector;
	request.cpu_mask = cpu_mask;
	return hw_device_interrupt_move(task, &hw->client, &exchange, &request, &reply);
}

int nic_retarget(
	struct task *task, struct transport_client *hw, uint32_t vector, uint32_t to_vector)
{
	struct bragi_exchange exchange;
	struct hw_interrupt_retarget_request request;
	struct hw_interrupt_retarget_reply reply;
	uint8_t buffer[128];

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	hw_interrupt_retarget_request_init(&request);
	request.vector = vector;
	request.to_vector = to_vector;
	return hw_device_interrupt_retarget(task, &hw->client, &exchange, &request, &reply);
}
