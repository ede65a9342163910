/* SPDX-License-Identifier: MIT */
/* hel calls on the trace. */
#include <thor/memory/memory.h>
#include <thor/syscall/call.h>
#include <thor/trace/control.h>

int call_trace_control(struct call *call)
{
	int error = call_check_authority(call, 0, HEL_RIGHT_MANAGE);

	return error != 0 ? error
			  : trace_control(call_argument(call, 1), call_argument(call, 2),
				    call_argument(call, 3));
}

int call_trace_ring(struct call *call)
{
	struct memory *memory;
	int error = call_check_authority(call, 0, HEL_RIGHT_READ);

	if (error == 0) {
		error = trace_ring(call_argument(call, 1), &memory);
	}
	if (error != 0) {
		return error;
	}
	error = universe_attach(call->thread->universe, (struct object *)memory,
		HEL_RIGHT_READ | HEL_RIGHT_MAP, &call->value);
	object_unref((struct object *)memory);
	return error;
}
