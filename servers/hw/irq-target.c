/* SPDX-License-Identifier: MIT */
/* Message interrupts: see irq-target.h. */
#include "irq-target.h"

#include <base/errors.h>
#include <helix/memory.h>

constexpr uint32_t DRIVER_RIGHTS = HEL_RIGHT_WAIT | HEL_RIGHT_MANAGE | HEL_RIGHT_DERIVE;

int irq_target_create(hel_handle authority, struct irq_target **out_target)
{
	struct irq_target *target = helix_calloc(1, sizeof(*target));

	if (target == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = hel_irq_create_msi(authority, &target->message, &target->irq);

	if (error != 0) {
		helix_free(target);
		return error;
	}
	*out_target = target;
	return 0;
}

void irq_target_destroy(struct irq_target *target)
{
	if (target != NULL) {
		hel_close(HEL_THIS, target->irq);
		helix_free(target);
	}
}

int irq_share(hel_handle irq, hel_handle *out_irq)
{
	return hel_transfer(HEL_THIS, irq, HEL_THIS, DRIVER_RIGHTS, out_irq);
}

/*
 * While a move is not settled there is no other one. The device has been told long ago, but no
 * interrupt has come by the new way yet; one by the old way may wait in the former CPU, and would
 * be lost with the old vector. So after settling there is a delivery by software.
 */
int irq_target_move(struct irq_target *target, uint64_t cpu_mask)
{
	int error = hel_irq_set_affinity(target->irq, cpu_mask, &target->message);

	if (error != -ERR_BUSY) {
		return error;
	}
	error = hel_irq_settle(target->irq);
	if (error == 0) {
		error = hel_irq_acknowledge(target->irq, HEL_IRQ_KICK, 0);
	}
	return error != 0 ? error : hel_irq_set_affinity(target->irq, cpu_mask, &target->message);
}
