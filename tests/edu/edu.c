/* SPDX-License-Identifier: MIT */
/* QEMU's `edu` device: see edu.h. */
#include "edu.h"

#include <base/errors.h>
#include <helix/helix.h>

enum edu_register : uint32_t {
	EDU_IDENTITY = 0x00,
	EDU_LIVENESS = 0x04,
	EDU_FACTORIAL = 0x08,
	EDU_STATUS = 0x20,
	EDU_CAUSES = 0x24,
	EDU_ANSWER = 0x64,
	EDU_SOURCE = 0x80,
	EDU_DESTINATION = 0x88,
	EDU_COUNT = 0x90,
	EDU_COMMAND = 0x98,
	EDU_REGISTERS_SIZE = 0x1000,
};

constexpr uint32_t IDENTITY = 0xed;
constexpr uint32_t STATUS_BUSY = 0x01;
constexpr uint32_t STATUS_INTERRUPT = 0x80;
constexpr uint32_t COMMAND_START = 1;
constexpr uint32_t COMMAND_FROM_BUFFER = 2;
constexpr uint32_t COMMAND_INTERRUPT = 4;
constexpr uint64_t EDU_BUFFER = 0x40000; /* the device's address of its buffer */
constexpr uint64_t STEP_NS = 1'000'000;

static int edu_await_idle(struct task *task, const struct edu *edu)
{
	uint64_t deadline_ns = task_now_ns(task) + EDU_PATIENCE_NS;
	int error = 0;

	while (error == 0 &&
		((mmio_read32(edu->registers, EDU_STATUS) & STATUS_BUSY) != 0 ||
			(mmio_read32(edu->registers, EDU_COMMAND) & COMMAND_START) != 0)) {
		error = task_now_ns(task) < deadline_ns
			? task_sleep_until(task, task_now_ns(task) + STEP_NS)
			: -ERR_TIMED_OUT;
	}
	return error;
}

/* Memory that the device reaches by its dma-space. */
static int edu_make_memory(struct task *task, struct edu *edu)
{
	struct hel_dma_map_args args = {
		.size_bytes = 2 * HEL_PAGE_SIZE,
		.flags = HEL_DMA_READ | HEL_DMA_WRITE,
	};
	void *mapped;
	int error = hw_client_dma_space(task, &edu->hw, &edu->dma_space);

	if (error == 0) {
		error = hel_memory_allocate(args.size_bytes, HEL_ALLOCATE_CONTIGUOUS, &args.memory);
	}
	if (error != 0) {
		return error;
	}
	args.dma_space = edu->dma_space;
	error = hel_dma_map(&args, &edu->memory_address);
	if (error == 0) {
		error = helix_map(
			args.memory, 0, args.size_bytes, HEL_MAP_READ | HEL_MAP_WRITE, &mapped);
	}
	if (error == 0) {
		edu->memory = mapped;
	}
	hel_close(HEL_THIS, args.memory);
	return error;
}

int edu_open(struct task *task, struct edu *edu, hel_handle lane, enum hw_interrupt_kind kind)
{
	volatile void *registers = NULL;

	*edu = (struct edu){ .kind = kind };
	transport_client_init(&edu->hw, lane, 1);
	int error = hw_client_map_bar(task, &edu->hw, 0, EDU_REGISTERS_SIZE, &registers);

	if (error != 0) {
		return error;
	}
	edu->registers = (struct mmio){ .base = registers, .size = EDU_REGISTERS_SIZE };
	if ((mmio_read32(edu->registers, EDU_IDENTITY) & 0xff) != IDENTITY) {
		return -ERR_PROTOCOL;
	}
	error = edu_await_idle(task, edu);
	mmio_write32(edu->registers, EDU_ANSWER, mmio_read32(edu->registers, EDU_CAUSES));
	if (error == 0) {
		error = edu_make_memory(task, edu);
	}
	if (error == 0) {
		error = hw_client_bus_master(task, &edu->hw, true);
	}
	if (error == 0) {
		error = hw_client_interrupt_of(task, &edu->hw, 0, &edu->kind, &edu->irq);
	}
	return error;
}

/* Take interrupts until one is this device's, for @cause; others on the line say no. */
static int edu_serve(struct task *task, struct edu *edu, uint32_t cause)
{
	uint32_t found = 0;
	int error = 0;

	while (error == 0 && (found & cause) == 0) {
		error = helix_await_event(task, edu->irq, &edu->sequence, NULL);
		if (error != 0) {
			break;
		}
		uint32_t causes = mmio_read32(edu->registers, EDU_CAUSES);

		mmio_write32(edu->registers, EDU_ANSWER, causes);
		found |= causes;
		edu->n_interrupts += causes != 0;
		edu->n_foreign += causes == 0;
		error = hel_irq_acknowledge(
			edu->irq, causes != 0 ? HEL_IRQ_ACK : HEL_IRQ_NACK, edu->sequence);
	}
	return error;
}

static int edu_await(struct task *task, struct edu *edu, uint32_t cause)
{
	struct scope scope;

	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + EDU_PATIENCE_NS);
	int error = edu_serve(task, edu, cause);
	int scope_error = scope_join(&scope);

	return error != 0 ? error : scope_error;
}

int edu_factorial(struct task *task, struct edu *edu, uint32_t n, uint32_t *out_result)
{
	mmio_write32(edu->registers, EDU_STATUS, STATUS_INTERRUPT);
	mmio_write32(edu->registers, EDU_FACTORIAL, n);
	int error = edu_await(task, edu, EDU_CAUSE_FACTORIAL);

	if (error == 0) {
		*out_result = mmio_read32(edu->registers, EDU_FACTORIAL);
	}
	return error;
}

static int edu_transfer(struct task *task, struct edu *edu, uint64_t source, uint64_t destination,
	size_t size, uint32_t direction)
{
	mmio_write64(edu->registers, EDU_SOURCE, source);
	mmio_write64(edu->registers, EDU_DESTINATION, destination);
	mmio_write64(edu->registers, EDU_COUNT, size);
	mmio_write64(edu->registers, EDU_COMMAND, COMMAND_START | COMMAND_INTERRUPT | direction);
	return edu_await(task, edu, EDU_CAUSE_COPY);
}

int edu_copy(struct task *task, struct edu *edu, size_t size)
{
	int error = edu_transfer(task, edu, edu->memory_address, EDU_BUFFER, size, 0);

	if (error == 0) {
		error = edu_transfer(task, edu, EDU_BUFFER, edu->memory_address + HEL_PAGE_SIZE,
			size, COMMAND_FROM_BUFFER);
	}
	return error;
}
