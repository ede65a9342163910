/* SPDX-License-Identifier: MIT */
/* hel calls on managed memory. */
#include <thor/memory/memory.h>
#include <thor/syscall/call.h>

static int managed_attach(struct call *call, struct memory *backing, struct memory *frontal,
	struct hel_managed_handles *out_handles)
{
	struct universe *universe = call->thread->universe;
	int error = universe_attach(
		universe, (struct object *)backing, HEL_RIGHTS_ALL, &out_handles->backing);

	if (error != 0) {
		return error;
	}
	error = universe_attach(
		universe, (struct object *)frontal, HEL_RIGHTS_ALL, &out_handles->frontal);
	if (error != 0) {
		(void)universe_close(universe, out_handles->backing);
	}
	return error;
}

int call_memory_create_managed(struct call *call)
{
	struct universe *universe = call->thread->universe;
	struct hel_managed_handles handles;
	struct memory *backing, *frontal;

	if (call_argument(call, 1) != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error = memory_create_managed(call_argument(call, 0), &backing, &frontal);

	if (error != 0) {
		return error;
	}
	error = managed_attach(call, backing, frontal, &handles);
	if (error == 0) {
		error = arch_copy_to_user(call_argument(call, 2), &handles, sizeof(handles));
		if (error != 0) {
			(void)universe_close(universe, handles.backing);
			(void)universe_close(universe, handles.frontal);
		}
	}
	object_unref((struct object *)backing);
	object_unref((struct object *)frontal);
	return error;
}

int call_memory_create_swap(struct call *call)
{
	struct memory *backing;
	int error = call_check_authority(call, 0, HEL_RIGHT_MANAGE);

	if (error == 0) {
		error = memory_create_swap(call_argument(call, 1), &backing);
	}
	return error != 0 ? error : call_return_object(call, (struct object *)backing);
}

int call_memory_update(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_MEMORY, HEL_RIGHT_MANAGE, &object);

	if (error == 0) {
		error = memory_update((struct memory *)object, call_argument(call, 1),
			call_argument(call, 2), call_argument(call, 3),
			(int64_t)call_argument(call, 4));
		object_unref(object);
	}
	return error;
}

int call_memory_invalidate(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_MEMORY, HEL_RIGHT_MANAGE, &object);

	if (error == 0) {
		error = memory_invalidate(
			(struct memory *)object, call_argument(call, 1), call_argument(call, 2));
		object_unref(object);
	}
	return error;
}

int call_memory_unlock(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_MEMORY, HEL_RIGHT_PIN, &object);

	if (error == 0) {
		error = memory_unlock((struct memory *)object, call_argument(call, 1),
			call_argument(call, 2), call_argument(call, 3));
		object_unref(object);
	}
	return error;
}

int call_memory_advise(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_MEMORY, HEL_RIGHT_READ, &object);

	if (error == 0) {
		error = memory_advise((struct memory *)object, call_argument(call, 1),
			call_argument(call, 2), call_argument(call, 3));
		object_unref(object);
	}
	return error;
}
