/* SPDX-License-Identifier: MIT */
/* The first context of a fiber on aarch64: see async/switch.h and fiber-switch.S. */
#include <async/switch.h>

struct fiber_context {
	uint64_t x19_to_x28[10];
	uint64_t x29;
	uint64_t x30;
	uint64_t d8_to_d15[8];
};

void *fiber_prepare_stack(void *stack_end, void (*entry)(void *argument), void *argument)
{
	struct fiber_context *context = (struct fiber_context *)stack_end - 1;

	*context = (struct fiber_context){
		.x19_to_x28 = { (uintptr_t)entry, (uintptr_t)argument },
		.x30 = (uintptr_t)fiber_entry,
	};
	return context;
}
