/* SPDX-License-Identifier: MIT */
/* The controller (section 3.1 and 10.1): see ahci.h. */
#include "ahci.h"

#include <base/errors.h>
#include <base/format.h>
#include <protocols/hw/hw-client.h>

enum ahci_register {
	AHCI_CAPABILITIES = 0x00,
	AHCI_CONTROL = 0x04,
	AHCI_INTERRUPTS = 0x08,
	AHCI_PORTS_IMPLEMENTED = 0x0c,
};

#define REGISTERS_BAR      5
#define REGISTERS_BYTES    0x1100
#define CONTROL_RESET      (1u << 0)
#define CONTROL_INTERRUPTS (1u << 1)
#define CONTROL_AHCI       (1u << 31)
#define HAS_64_BITS        (1u << 31)
#define HAS_QUEUING        (1u << 30)
#define RESET_NS           UINT64_C(1000000000)
#define STEP_NS            UINT64_C(1000000)

static int reset(struct task *task, struct ahci *ahci)
{
	uint64_t deadline_ns = task_now_ns(task) + RESET_NS;

	mmio_write32(ahci->registers, AHCI_CONTROL, CONTROL_AHCI);
	mmio_write32(ahci->registers, AHCI_CONTROL, CONTROL_AHCI | CONTROL_RESET);
	while ((mmio_read32(ahci->registers, AHCI_CONTROL) & CONTROL_RESET) != 0) {
		int error = task_now_ns(task) >= deadline_ns
			? -ERR_IO
			: task_sleep_until(task, task_now_ns(task) + STEP_NS);

		if (error != 0) {
			return error;
		}
	}
	mmio_write32(ahci->registers, AHCI_CONTROL, CONTROL_AHCI);
	return 0;
}

static int open_device(struct task *task, struct ahci *ahci)
{
	char address[HW_CLIENT_ADDRESS_SIZE];
	volatile void *registers;
	int error = hw_client_address(task, &ahci->hw, address);

	if (error != 0) {
		return error;
	}
	format_to(ahci->name, sizeof(ahci->name), "ahci-%s", address);
	error = hw_client_map_bar(task, &ahci->hw, REGISTERS_BAR, HEL_PAGE_SIZE, &registers);

	if (error != 0) {
		return error;
	}
	ahci->registers = (struct mmio){ .base = registers, .size = HEL_PAGE_SIZE };
	error = hw_client_dma_space(task, &ahci->hw, &ahci->dma_space);
	if (error == 0) {
		error = hw_client_bus_master(task, &ahci->hw, true);
	}
	if (error == 0) {
		error = hw_client_interrupt(task, &ahci->hw, 0, &ahci->irq);
	}
	return error;
}

static int start(struct task *task, struct ahci *ahci)
{
	int error = open_device(task, ahci);

	if (error == 0) {
		error = reset(task, ahci);
	}
	if (error != 0) {
		return error;
	}
	uint32_t abilities = mmio_read32(ahci->registers, AHCI_CAPABILITIES);
	uint32_t ports = mmio_read32(ahci->registers, AHCI_PORTS_IMPLEMENTED);

	if ((abilities & HAS_64_BITS) == 0) {
		return -ERR_UNSUPPORTED;
	}
	ahci->n_slots = (abilities >> 8 & 31) + 1;
	ahci->has_queuing = (abilities & HAS_QUEUING) != 0;
	for (uint32_t i = 0; i < AHCI_PORTS && error == 0; i++) {
		if ((ports >> i & 1) != 0 && 0x100 + (i + 1) * 0x80 <= ahci->registers.size) {
			error = ahci_port_init(ahci, i);
		}
	}
	mmio_write32(ahci->registers, AHCI_INTERRUPTS, UINT32_MAX);
	mmio_write32(ahci->registers, AHCI_CONTROL, CONTROL_AHCI | CONTROL_INTERRUPTS);
	return error;
}

/* Ports first, then the controller: what comes in between is told again (section 10.7.2.1). */
static void handle_interrupt(struct ahci *ahci)
{
	uint32_t ports = mmio_read32(ahci->registers, AHCI_INTERRUPTS);

	for (uint32_t i = 0; i < AHCI_PORTS; i++) {
		if ((ports >> i & 1) != 0 && ahci->ports[i] != NULL) {
			ahci_port_interrupt(ahci->ports[i]);
		}
	}
	mmio_write32(ahci->registers, AHCI_INTERRUPTS, ports);
}

static void removed(struct hw_removal *removal, bool is_gone)
{
	struct ahci *ahci = container_of(removal, struct ahci, removal);

	ahci->is_removed = true;
	ahci->is_gone = is_gone;
	if (ahci->job.task != NULL) {
		job_cancel(&ahci->job, -ERR_END_OF_LANE);
	}
}

/* It forgets all memory before requests end. Ours stays: clients may still have disks. */
static void leave(struct task *task, struct ahci *ahci)
{
	struct scope shield;

	scope_begin_shield(task, &shield);
	if (!ahci->is_gone && ahci->registers.size != 0) {
		(void)!reset(task, ahci);
	}
	for (uint32_t i = 0; i < AHCI_PORTS; i++) {
		if (ahci->ports[i] != NULL) {
			ahci_port_end(ahci->ports[i]);
		}
	}
	hel_close(HEL_THIS, ahci->hw.lane);
	(void)!scope_join(&shield);
}

int ahci_run(struct task *task, struct ahci *ahci, hel_handle lane)
{
	transport_client_init(&ahci->hw, lane, 1);
	hw_removal_watch(&ahci->removal, &ahci->loop->loop, &ahci->hw, removed);
	int error = start(task, ahci);

	while (error == 0) {
		handle_interrupt(ahci);
		error = helix_await_event(task, ahci->irq, &ahci->irq_sequence, NULL);
		if (error == 0) {
			error = hel_irq_acknowledge(ahci->irq, HEL_IRQ_ACK, ahci->irq_sequence);
		}
	}
	if (ahci->is_removed) {
		leave(task, ahci);
	}
	return error;
}
