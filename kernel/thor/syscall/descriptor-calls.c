/* SPDX-License-Identifier: MIT */
/* hel calls on descriptors: close, transfer, info, universes, tokens. */
#include <thor/object/account.h>
#include <thor/object/token.h>
#include <thor/syscall/call.h>

int call_nop(UNUSED struct call *call)
{
	return 0;
}

int call_close(struct call *call)
{
	struct universe *universe;
	int error = call_find_universe(call, call_argument(call, 0), HEL_RIGHT_TAKE, &universe);

	if (error == 0) {
		if (universe == call->thread->universe) {
			handle_cache_forget(&call->thread->handles, call_argument(call, 1));
		}
		error = universe_close(universe, call_argument(call, 1));
		object_unref(&universe->object);
	}
	return error;
}

/*
 * The descriptor that arguments 0 and 1 name. HEL_THIS stands for the caller's own universe
 * there, not for an object.
 */
static int descriptor_find(struct call *call, struct descriptor *out_descriptor)
{
	struct universe *universe;
	int error = call_find_universe(call, call_argument(call, 0), HEL_RIGHT_TAKE, &universe);

	if (error == 0) {
		error = universe_find(universe, call_argument(call, 1), out_descriptor);
		object_unref(&universe->object);
	}
	return error;
}

static int transfer_descriptor(
	struct call *call, const struct descriptor *descriptor, struct universe *universe)
{
	uint64_t mask = call_argument(call, 3);

	if ((descriptor->rights & HEL_RIGHT_DERIVE) == 0) {
		return -ERR_NO_RIGHTS;
	}
	/* A universe that holds itself would never end. */
	if ((mask & ~(uint64_t)HEL_RIGHTS_ALL) != 0 || descriptor->object == &universe->object) {
		return -ERR_ILLEGAL_ARGS;
	}
	return universe_attach_found(universe, descriptor,
		mask == 0 ? descriptor->rights : descriptor->rights & (uint32_t)mask,
		descriptor->grant, &call->value);
}

int call_transfer(struct call *call)
{
	struct descriptor descriptor;
	struct universe *universe;
	int error = descriptor_find(call, &descriptor);

	if (error != 0) {
		return error;
	}
	error = call_find_universe(call, call_argument(call, 2), HEL_RIGHT_GRANT, &universe);
	if (error == 0) {
		error = transfer_descriptor(call, &descriptor, universe);
		object_unref(&universe->object);
	}
	descriptor_release(&descriptor);
	return error;
}

int call_descriptor_info(struct call *call)
{
	struct descriptor descriptor;
	int error = descriptor_find(call, &descriptor);

	if (error != 0) {
		return error;
	}
	struct hel_descriptor_info info = {
		.type = descriptor.object->class->type,
		.rights = descriptor.rights,
		.identity = descriptor.object->identity,
	};

	descriptor_release(&descriptor);
	return arch_copy_to_user(call_argument(call, 2), &info, sizeof(info));
}

int call_universe_create(struct call *call)
{
	struct universe *universe;
	int error = universe_create(&universe);

	return error != 0 ? error : call_return_object(call, &universe->object);
}

int call_universe_set_limits(struct call *call)
{
	struct hel_limits limits;
	struct object *object;
	int error = arch_copy_from_user(&limits, call_argument(call, 1), sizeof(limits));

	if (error == 0) {
		error = call_lookup(call, 0, HEL_TYPE_UNIVERSE, HEL_RIGHT_MANAGE, &object);
	}
	if (error != 0) {
		return error;
	}
	struct account *account = universe_of(object)->account;

	account_set_limit(account, ACCOUNT_BYTES, limits.kernel_bytes);
	account_set_limit(account, ACCOUNT_PAGES, limits.n_pages);
	account_set_limit(account, ACCOUNT_OPERATIONS, limits.n_operations);
	account_set_limit(account, ACCOUNT_HANDLES, limits.n_handles);
	object_unref(object);
	return 0;
}

static void account_describe(struct account *account, enum account_resource resource,
	uint64_t *out_used, uint64_t *out_limit)
{
	account_get(account, resource, out_used, out_limit);
	if (*out_limit == ACCOUNT_UNLIMITED) {
		*out_limit = HEL_UNLIMITED;
	}
}

int call_universe_account(struct call *call)
{
	struct hel_account_info info;
	struct hel_limits *used = &info.used;
	struct hel_limits *limits = &info.limits;
	struct universe *universe;
	int error = call_find_universe(call, call_argument(call, 0), HEL_RIGHT_READ, &universe);

	if (error != 0) {
		return error;
	}
	struct account *account = universe->account;

	account_describe(account, ACCOUNT_BYTES, &used->kernel_bytes, &limits->kernel_bytes);
	account_describe(account, ACCOUNT_PAGES, &used->n_pages, &limits->n_pages);
	account_describe(account, ACCOUNT_OPERATIONS, &used->n_operations, &limits->n_operations);
	account_describe(account, ACCOUNT_HANDLES, &used->n_handles, &limits->n_handles);
	object_unref(&universe->object);
	return arch_copy_to_user(call_argument(call, 1), &info, sizeof(info));
}

int call_token_create(struct call *call)
{
	struct token *token;
	int error = token_create(&token);

	return error != 0 ? error : call_return_object(call, &token->object);
}
