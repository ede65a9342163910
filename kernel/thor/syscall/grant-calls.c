/* SPDX-License-Identifier: MIT */
/* hel calls on grants. */
#include <thor/memory/memory.h>
#include <thor/object/grant.h>
#include <thor/syscall/call.h>

struct grant_request {
	struct descriptor descriptor; /* referenced */
	struct grant *grant; /* referenced; NULL: to be made */
	uint32_t rights;
	bool revokes_on_close;
};

static void grant_request_release(struct grant_request *request)
{
	descriptor_release(&request->descriptor);
	grant_unref(request->grant);
}

/* The grant that argument 0 names, and whether the descriptor can be put under it. */
static int grant_find(struct call *call, struct grant_request *request)
{
	struct object *object;

	if (call_argument(call, 0) == HEL_NULL) {
		return 0;
	}
	int error = call_lookup(call, 0, HEL_TYPE_GRANT, HEL_RIGHT_GRANT, &object);

	if (error != 0) {
		return error;
	}
	request->grant = grant_of(object);
	return request->revokes_on_close ||
			!grant_is_below(request->grant, request->descriptor.grant)
		? -ERR_ILLEGAL_ARGS
		: 0;
}

static int grant_decode(struct call *call, struct grant_request *request)
{
	uint64_t mask = call_argument(call, 2);
	uint64_t flags = call_argument(call, 3);

	if ((mask & ~(uint64_t)HEL_RIGHTS_ALL) != 0 ||
		(flags & ~(uint64_t)HEL_GRANT_REVOKE_ON_CLOSE) != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error =
		universe_find(call->thread->universe, call_argument(call, 1), &request->descriptor);

	if (error != 0) {
		return error;
	}
	request->revokes_on_close = flags != 0;
	request->rights = request->descriptor.rights & (mask != 0 ? (uint32_t)mask : UINT32_MAX);
	error = (request->descriptor.rights & HEL_RIGHT_DERIVE) != 0 ? grant_find(call, request)
								     : -ERR_NO_RIGHTS;
	if (error != 0) {
		grant_request_release(request);
	}
	return error;
}

/* The descriptors that the call makes; on errors none. */
static int grant_attach(struct universe *universe, const struct grant_request *request,
	struct grant *grant, struct hel_grant_handles *out_handles)
{
	int error = universe_attach_found(
		universe, &request->descriptor, request->rights, grant, &out_handles->handle);

	if (error == 0 && request->grant == NULL) {
		error = universe_attach(
			universe, &grant->object, HEL_RIGHTS_ALL, &out_handles->grant);
		if (error != 0) {
			(void)universe_close(universe, out_handles->handle);
		}
	}
	return error;
}

static void grant_detach(struct universe *universe, const struct grant_request *request,
	const struct hel_grant_handles *handles)
{
	(void)universe_close(universe, handles->handle);
	if (request->grant == NULL) {
		(void)universe_close(universe, handles->grant);
	}
}

int call_grant_create(struct call *call)
{
	struct universe *universe = call->thread->universe;
	struct hel_grant_handles handles = { .grant = call_argument(call, 0) };
	struct grant_request request = {};
	struct grant *grant = NULL;
	int error = grant_decode(call, &request);

	if (error != 0) {
		return error;
	}
	if (request.grant != NULL) {
		grant = grant_ref(request.grant);
	} else {
		error = grant_create(request.descriptor.grant, request.revokes_on_close, &grant);
	}
	if (error == 0) {
		error = grant_attach(universe, &request, grant, &handles);
	}
	if (error == 0) {
		error = arch_copy_to_user(call_argument(call, 4), &handles, sizeof(handles));
		if (error != 0) {
			grant_detach(universe, &request, &handles);
		}
	}
	grant_unref(grant);
	grant_request_release(&request);
	return error;
}

int call_grant_revoke(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_GRANT, HEL_RIGHT_MANAGE, &object);

	if (error != 0) {
		return error;
	}
	grant_revoke(grant_of(object));
	do {
		error = grant_sweep(grant_of(object)) ? MEMORY_MORE : 0;
	} while (call_goes_on(call, 1, &error));
	object_unref(object);
	return error;
}
