/* SPDX-License-Identifier: MIT */
/*
 * QEMU's `edu` device (docs/specs/edu in QEMU): computes factorials, copies between memory and a
 * buffer of its own, and interrupts when it has done so.
 */
#ifndef TESTS_EDU_EDU_H
#define TESTS_EDU_EDU_H

#include <mmio/mmio.h>
#include <protocols/hw/hw-client.h>

constexpr uint64_t EDU_PATIENCE_NS = 30'000'000'000;
constexpr size_t EDU_COPY_MAX = 4095; /* with more QEMU aborts */

/* Why the device interrupts. */
enum edu_cause : uint32_t {
	EDU_CAUSE_FACTORIAL = 0x001,
	EDU_CAUSE_COPY = 0x100,
};

struct edu {
	struct transport_client hw;
	struct mmio registers;
	enum hw_interrupt_kind kind;
	hel_handle irq;
	uint64_t sequence;
	hel_handle dma_space;
	uint8_t *memory; /* two pages: what is copied, and where it comes back */
	uint64_t memory_address; /* the device's */
	uint64_t n_interrupts; /* of this device */
	uint64_t n_foreign;    /* that were somebody else's */
};

/**
 * edu_open() - set the device up, in whatever state a former driver has left it
 * @lane: of hw, taken
 * @kind: of the interrupts to use
 */
MUST_USE int edu_open(
	struct task *task, struct edu *edu, hel_handle lane, enum hw_interrupt_kind kind);

/** edu_factorial() - have it compute, and wait for its interrupt */
MUST_USE int edu_factorial(struct task *task, struct edu *edu, uint32_t n, uint32_t *out_result);

/** edu_copy() - have it copy @size bytes from the first page to the second one, the same way */
MUST_USE int edu_copy(struct task *task, struct edu *edu, size_t size);

#endif
