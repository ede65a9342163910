/* SPDX-License-Identifier: MIT */
/*
 * A device's interrupts, of whichever kind: MSI-X, MSI, or a line that others may share. An IDE
 * controller in compatibility mode has two lines, a vector for each of its channels.
 *
 *	NONE --interrupts_set_up()--> MSIX, MSI or LINE --interrupts_release()--> NONE
 *
 * The driver's first request decides. While there is no driver, and with MSI and MSI-X, the device
 * must not pull its line: nobody would quiet it, and who shares it would suffer.
 */
#ifndef HW_INTERRUPTS_H
#define HW_INTERRUPTS_H

#include "irq-target.h"
#include "msi.h"
#include "msix.h"
#include "pci.h"

#include <protocols/hw/hw.gen.h>

struct hw_object;
struct task;

/* A line of an interrupt controller, for hel_irq_create_line(). */
struct interrupt_line {
	uint32_t number;
	uint32_t flags;
};

struct interrupts {
	enum hw_interrupt_kind kind; /* HW_INTERRUPT_KIND_ANY: none is set up */
	volatile uint32_t *msix_table; /* mapped when the first vector is set up */
	struct msix msix;
	struct msi msi;
	struct irq_target *msi_target;
	hel_handle line_irqs[PCI_IDE_CHANNELS]; /* with all rights, by vector */
	bool is_masked; /* of MSI and INTx */
};

/** interrupts_init() - nobody drives the device: it interrupts nobody, whatever the firmware did */
void interrupts_init(struct hw_object *object);

/** interrupts_count_lines() - vectors of the kind LINE */
uint32_t interrupts_count_lines(const struct hw_object *object);

/**
 * interrupts_set_up() - give the driver a new interrupt, unmasked; may suspend @task
 * @client: the driver
 * @kind: what is wanted; HW_INTERRUPT_KIND_ANY: what there is, in the order of their numbers
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS (no such vector), -ERR_UNSUPPORTED (the device has none of this
 * kind, or another kind in use), what the hel calls say.
 */
MUST_USE int interrupts_set_up(struct task *task, struct hw_object *object,
	const struct hw_client *client, const struct hw_interrupt_request *request,
	enum hw_interrupt_kind *out_kind, hel_handle *out_irq);

/** interrupts_mask() - as msix_mask(), or -ERR_UNSUPPORTED (MSI without a mask, ISA interrupts) */
MUST_USE int interrupts_mask(
	struct hw_object *object, const struct hw_client *client, uint32_t vector, bool is_masked);

/** interrupts_move() - as msix_move() */
MUST_USE int interrupts_move(struct hw_object *object, const struct hw_client *client,
	uint32_t vector, uint64_t cpu_mask);

/** interrupts_retarget() - as msix_retarget() */
MUST_USE int interrupts_retarget(struct hw_object *object, const struct hw_client *client,
	uint32_t vector, uint32_t to_vector);

/** interrupts_release() - the driver has gone: the device interrupts nobody any more */
void interrupts_release(struct hw_object *object, const struct hw_client *client);

/** interrupts_deinit() - the device is out, and nobody drives it */
void interrupts_deinit(struct hw_object *object);

/** interrupts_restore() - the device has been reset under its driver: set it up as it was */
void interrupts_restore(struct hw_object *object);

#endif
