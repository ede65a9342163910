/* SPDX-License-Identifier: MIT */
/* hel calls on kernlets. */
#include <thor/kernlet/kernlet.h>
#include <thor/memory/memory.h>
#include <thor/syscall/call.h>

int call_kernlet_create(struct call *call)
{
	uint64_t size = call_argument(call, 1);
	struct kernlet *kernlet = NULL;

	if (size > KERNLET_SIZE_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	void *container = heap_allocate(max_size(size, 1));

	if (container == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = arch_copy_from_user(container, call_argument(call, 0), size);

	if (error == 0) {
		error = kernlet_create(container, size, &call->value, &kernlet);
	}
	heap_free(container);
	return error != 0 ? error : call_return_object(call, &kernlet->object);
}

int call_kernlet_bind(struct call *call)
{
	struct hel_kernlet_binding bindings[HEL_KERNLET_BINDINGS_MAX];
	struct bound_kernlet *bound = NULL;
	struct kernlet_request request = {
		.universe = call->thread->universe,
		.bindings = bindings,
	};
	struct object *object;
	uint64_t size = call_argument(call, 2);
	int error = call_lookup_source(
		call, 0, HEL_TYPE_KERNLET, HEL_RIGHT_EXECUTE, &object, &request.grant);

	if (error != 0) {
		return error;
	}
	request.kernlet = kernlet_of(object);
	if (size != kernlet_of(object)->n_bindings * sizeof(bindings[0])) {
		error = -ERR_ILLEGAL_ARGS;
	} else {
		error = arch_copy_from_user(bindings, call_argument(call, 1), size);
	}
	if (error == 0) {
		error = kernlet_bind(&request, &call->value, &bound);
	}
	object_unref(object);
	grant_unref(request.grant);
	return error != 0 ? error : call_return_object(call, &bound->object);
}

int call_irq_attach_kernlet(struct call *call)
{
	struct kernlet_attachment attachment = {};
	struct object *irq, *bound;
	int error = call_lookup_source(
		call, 0, HEL_TYPE_IRQ, HEL_RIGHT_MANAGE, &irq, &attachment.irq_grant);

	if (error != 0) {
		return error;
	}
	attachment.irq = irq_of(irq);
	error = call_lookup_source(
		call, 1, HEL_TYPE_BOUND_KERNLET, HEL_RIGHT_MANAGE, &bound, &attachment.bound_grant);
	if (error == 0) {
		error = bound_kernlet_attach(bound_kernlet_of(bound), &attachment);
		object_unref(bound);
	}
	object_unref(irq);
	grant_unref(attachment.irq_grant);
	grant_unref(attachment.bound_grant);
	return error;
}

int call_irq_detach_kernlet(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_BOUND_KERNLET, HEL_RIGHT_MANAGE, &object);

	if (error == 0) {
		error = bound_kernlet_detach(bound_kernlet_of(object));
		object_unref(object);
	}
	return error;
}
