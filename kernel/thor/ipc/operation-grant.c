/* SPDX-License-Identifier: MIT */
/*
 * Operations and grants (object/grant.h).
 *
 * An operation that names a descriptor under a grant is a use of it until it is destroyed. Cutting
 * it off is cancelling it with another error: under the submit lock of its queue, so never while it
 * is half submitted. The operation stays on the list of the grant until that is done.
 *
 * A PUSH keeps its descriptor in the use, so that the object can be let go of while the action
 * waits; whoever takes it out, the sweep, the PULL or the end of the exchange, has it.
 */
#include <thor/ipc/exchange.h>

#include <thor/ipc/queue.h>
#include <thor/object/account.h>
#include <thor/object/grant.h>
#include <thor/object/universe.h>

/* ---- operations -------------------------------------------------------------------- */

static void *operation_hold(struct grant_use *use)
{
	return operation_try_ref(use->holder) ? use->holder : NULL;
}

static bool operation_cut(void *holder, UNUSED struct grant *grant)
{
	struct operation *operation = holder;
	struct queue *queue = operation->queue;
	bool is_cut = spinlock_try_acquire(&queue->submit_lock);

	if (is_cut) {
		operation->is_revoked = true;
		operation->class->cancel(operation);
		spinlock_release(&queue->submit_lock);
		grant_use_unlink(operation->use);
	}
	operation_unref(operation);
	return is_cut;
}

static const struct grant_use_class operation_use_class = {
	.hold = operation_hold,
	.cut = operation_cut,
};

int operation_use_grant(struct operation *operation, struct grant *grant)
{
	int error = grant_use_create(
		&(struct grant_use_options){
			.account = operation->account,
			.grant = grant,
			.class = &operation_use_class,
			.holder = operation,
		},
		&operation->use);

	if (error == 0) {
		error = grant_use_link(operation->use);
	}
	grant_unref(grant);
	return error;
}

int operation_lookup(struct operation *operation, struct universe *universe, hel_handle handle,
	enum hel_type type, uint32_t rights, struct object **out_object)
{
	struct grant *grant;
	struct object *object;
	int error = universe_lookup_granted(universe, handle, type, rights, &object, &grant);

	if (error == 0 && unlikely(grant != NULL)) {
		error = operation_use_grant(operation, grant);
		if (error != 0) {
			object_unref(object);
		}
	}
	if (error == 0) {
		*out_object = object;
	}
	return error;
}

/* ---- descriptors on their way ------------------------------------------------------ */

static const struct grant_use_class push_use_class;

static bool push_cut(void *holder, struct grant *grant)
{
	struct operation *operation = holder;
	struct grant_use *use;

	while ((use = grant_first_use(grant, &push_use_class, operation)) != NULL) {
		push_drop(use);
		grant_use_unlink(use);
	}
	operation_unref(operation);
	return true;
}

static const struct grant_use_class push_use_class = {
	.hold = operation_hold,
	.cut = push_cut,
};

int push_use_create(struct operation *operation, const struct descriptor *descriptor,
	struct grant_use **out_use)
{
	int error = descriptor_handle_ref(descriptor);

	if (error != 0) {
		return error;
	}
	error = grant_use_create(
		&(struct grant_use_options){
			.account = operation->account,
			.grant = descriptor->grant,
			.class = &push_use_class,
			.holder = operation,
			.user = descriptor->object,
		},
		out_use);
	if (error != 0) {
		object_handle_unref(descriptor->object);
	}
	return error;
}

void push_drop(struct grant_use *use)
{
	struct object *object = grant_use_take(use);

	if (object != NULL) {
		object_handle_unref(object);
	}
}

int push_attach(
	struct grant_use *use, uint32_t rights, struct universe *universe, hel_handle *out_handle)
{
	struct object *object = grant_use_take(use);

	if (object == NULL) {
		return -ERR_REVOKED;
	}
	int error = universe_attach_granted(universe, object, rights, use->grant, out_handle);

	object_handle_unref(object);
	return error;
}
