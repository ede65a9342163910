/* SPDX-License-Identifier: MIT */
/* The pool of fibers of a loop: see loop.h. */
#include <async/loop-internal.h>
#include <async/sanitizer.h>
#include <async/switch.h>
#include <base/assert.h>

void fiber__init(struct loop *loop, const struct loop_config *config)
{
	size_t slot_size = config->stack_slot_size;

	loop->fibers = config->fibers;
	loop->n_fibers_created = 0;
	loop->current = &loop->main;
	list_init(&loop->idle_fibers);
	loop->stacks = (struct async_stacks){
		.slot_size = slot_size != 0 ? slot_size : ASYNC_STACK_SLOT_SIZE,
		.guard_size = ASYNC_STACK_GUARD_SIZE,
		.n_slots = config->n_tasks_max + 1,
	};
}

static struct fiber *fiber_create(struct loop *loop)
{
	const struct async_stacks *stacks = &loop->stacks;
	size_t index = loop->n_fibers_created++;
	struct fiber *fiber = &loop->fibers[index];

	ASSERT(index < stacks->n_slots);
	*fiber = (struct fiber){
		.stack_base = stacks->base + index * stacks->slot_size + stacks->guard_size,
		.stack_size = stacks->slot_size - stacks->guard_size,
	};
	fiber->stack_pointer =
		fiber_prepare_stack(fiber->stack_base + fiber->stack_size, loop__fiber_main, loop);
	return fiber;
}

struct fiber *fiber__take_idle(struct loop *loop)
{
	struct fiber *fiber = LIST_POP_FRONT(&loop->idle_fibers, struct fiber, node);

	return fiber != NULL ? fiber : fiber_create(loop);
}

void fiber__switch(struct loop *loop, struct fiber *to)
{
	struct fiber *from = loop->current;

	loop->statistics.n_switches++;
	loop->previous = from;
	loop->current = to;
	sanitizer_leave(from, to);
	fiber_switch_stack(&from->stack_pointer, to->stack_pointer);
	sanitizer_arrive(loop->current, loop->previous);
}
