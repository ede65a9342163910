/* SPDX-License-Identifier: MIT */
/* hel calls on interrupts. */
#include <thor/irq/irq.h>
#include <thor/syscall/call.h>

static int irq_return(struct call *call, int error, struct irq *irq, struct grant *grant)
{
	return call_return_derived(
		call, error, irq != NULL ? &irq->object : NULL, HEL_RIGHTS_ALL, grant);
}

int call_irq_create_msi(struct call *call)
{
	struct hel_msi_info info = {};
	struct irq *irq = NULL;
	struct grant *grant;
	int error = call_use_authority(call, 0, HEL_RIGHT_MANAGE, &grant);

	if (error != 0) {
		return error;
	}
	error = irq_create_msi(&irq, &info);
	if (error == 0) {
		error = arch_copy_to_user(call_argument(call, 1), &info, sizeof(info));
	}
	return irq_return(call, error, irq, grant);
}

int call_irq_create_line(struct call *call)
{
	uint64_t gsi = call_argument(call, 1);
	uint64_t line_flags = call_argument(call, 2);
	struct irq *irq = NULL;
	struct grant *grant;
	int error = call_use_authority(call, 0, HEL_RIGHT_MANAGE, &grant);

	if (error != 0) {
		return error;
	}
	error = gsi > UINT32_MAX || line_flags > UINT32_MAX
		? -ERR_ILLEGAL_ARGS
		: irq_create_line((uint32_t)gsi, (uint32_t)line_flags, &irq);
	return irq_return(call, error, irq, grant);
}

int call_irq_acknowledge(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_IRQ, HEL_RIGHT_MANAGE, &object);

	if (error == 0) {
		uint64_t actions = call_argument(call, 1);

		error = actions > UINT32_MAX ? -ERR_ILLEGAL_ARGS
					     : irq_acknowledge(irq_of(object), (uint32_t)actions,
						       call_argument(call, 2));
		object_unref(object);
	}
	return error;
}

int call_irq_set_affinity(struct call *call)
{
	struct hel_msi_info info = {};
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_IRQ, HEL_RIGHT_WRITE, &object);

	if (error != 0) {
		return error;
	}
	/* Is there room for the answer? A move whose address gets lost would be none. */
	error = arch_copy_to_user(call_argument(call, 2), &info, sizeof(info));
	if (error == 0) {
		error = irq_set_affinity(irq_of(object), call_argument(call, 1), &info);
	}
	if (error == 0) {
		error = arch_copy_to_user(call_argument(call, 2), &info, sizeof(info));
	}
	object_unref(object);
	return error;
}

int call_irq_settle(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_IRQ, HEL_RIGHT_WRITE, &object);

	if (error == 0) {
		irq_settle(irq_of(object));
		object_unref(object);
	}
	return error;
}

int call_irq_info(struct call *call)
{
	struct hel_irq_info info;
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_IRQ, HEL_RIGHT_WAIT, &object);

	if (error != 0) {
		return error;
	}
	irq_get_info(irq_of(object), &info);
	object_unref(object);
	return arch_copy_to_user(call_argument(call, 1), &info, sizeof(info));
}
