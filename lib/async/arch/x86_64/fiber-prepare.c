/* SPDX-License-Identifier: MIT */
/* The first context of a fiber on x86-64: see async/switch.h and fiber-switch.S. */
#include <async/switch.h>

struct fiber_context {
	uint64_t r15;
	uint64_t r14;
	uint64_t r13;
	uint64_t r12;
	uint64_t rbx;
	uint64_t rbp;
	uint64_t rip;
	uint64_t padding; /* so that rsp is 16-byte aligned in fiber_entry */
};

void *fiber_prepare_stack(void *stack_end, void (*entry)(void *argument), void *argument)
{
	struct fiber_context *context = (struct fiber_context *)stack_end - 1;

	/* After the return rsp points at `padding`, which must be 16-byte aligned. */
	context = (struct fiber_context *)((uintptr_t)context - 8);
	*context = (struct fiber_context){
		.r12 = (uintptr_t)entry,
		.r13 = (uintptr_t)argument,
		.rip = (uintptr_t)fiber_entry,
	};
	return context;
}
