/* SPDX-License-Identifier: MIT */
/*
 * hel calls: what every one of them has in common.
 *
 * A call first decodes its arguments (handles into objects, structures into local copies,
 * ranges), changing nothing that anybody sees, then acts. Its function returns 0 or -ERR_X, which
 * goes to the caller together with `value`, or one of the positive results below. All user memory
 * is read once.
 *
 * A user copy may meet a page that its manager has to bring. Then it fails with -ERR_FAULT, the
 * call gives back what it has taken and returns that error, and is made again when the page is
 * there (page-wait.h). So no call has done anything that a repetition would do twice when it
 * copies.
 */
#ifndef THOR_SYSCALL_CALL_H
#define THOR_SYSCALL_CALL_H

#include <abi/hel/hel.h>
#include <thor/arch.h>
#include <thor/object/universe.h>
#include <thor/sched/thread.h>

/* The thread waits (or has ended); its result is set when it runs on. */
constexpr int CALL_BLOCKED = 2;
/* The call is to be made again, after interrupts and others had their turn. */
constexpr int CALL_RESTART = THREAD_WAIT_RESTART;

struct call {
	struct thread *thread;
	uint64_t value; /* second result; written to the caller also with an error */
};

/*
 * A long call works in slices, each of which says where the next begins:
 *
 *	uint64_t position = call_position(call);
 *
 *	do {
 *		error = …_slice(…, &position);
 *	} while (call_goes_on(call, position, &error));
 */

/** call_position() - where a call that was paused goes on; 0: it begins */
static inline uint64_t call_position(const struct call *call)
{
	return call->thread->long_call.position;
}

/** call_take_object() - what a call that was paused has half built, and the reference; or NULL */
static inline struct object *call_take_object(struct call *call)
{
	struct object *object = call->thread->long_call.object;

	call->thread->long_call.object = NULL;
	return object;
}

/** call_keep_object() - keep what is half built, with its reference, when the call is paused */
static inline void call_keep_object(struct call *call, struct object *object)
{
	call->thread->long_call.object = object;
}

/** call_begin_slices() - the first slice takes long, too: time counts from now, not from its end */
void call_begin_slices(struct call *call);

/**
 * call_goes_on() - whether the next slice may follow at once
 * @position: where it begins, not 0 if there is one
 * @error: of the last slice: MEMORY_MORE: there is another; becomes CALL_RESTART if others want to
 * run
 */
bool call_goes_on(struct call *call, uint64_t position, int *error);

/**
 * call_next_copy() - @done of @size bytes are copied: make room for others now and then
 *
 * Return: 0: go on; CALL_RESTART: the call will be made again, and goes on at position @done.
 */
MUST_USE int call_next_copy(struct call *call, uint64_t done, uint64_t size);

/** call_argument() - argument @index, 0 to 5 */
static inline uint64_t call_argument(const struct call *call, unsigned index)
{
	return arch_call_argument(&call->thread->arch, index);
}

/** call_lookup() - the object behind the handle in argument @index; see universe_lookup() */
static inline int call_lookup(struct call *call, unsigned index, enum hel_type type,
	uint32_t rights, struct object **out_object)
{
	return universe_lookup(
		call->thread->universe, call_argument(call, index), type, rights, out_object);
}

/**
 * call_lookup_source() - the same for an object of which another one is made
 * @out_grant: that the descriptor is under, referenced, or NULL: call_return_derived() takes it
 */
static inline int call_lookup_source(struct call *call, unsigned index, enum hel_type type,
	uint32_t rights, struct object **out_object, struct grant **out_grant)
{
	return universe_lookup_granted(call->thread->universe, call_argument(call, index), type,
		rights, out_object, out_grant);
}

/** call_find_universe() - the universe that @handle or HEL_THIS names, referenced */
MUST_USE int call_find_universe(
	struct call *call, hel_handle handle, uint32_t rights, struct universe **out_universe);

/** call_find_space() - the space that @handle or HEL_THIS names, referenced */
MUST_USE int call_find_space(
	struct call *call, hel_handle handle, uint32_t rights, struct space **out_space);

/** call_find_thread() - the thread that @handle or HEL_THIS names, referenced */
MUST_USE int call_find_thread(
	struct call *call, hel_handle handle, uint32_t rights, struct thread **out_thread);

/** call_check_authority() - whether argument @index is an authority with @rights */
MUST_USE int call_check_authority(struct call *call, unsigned index, uint32_t rights);

/** call_use_authority() - the same, to make something: *@out_grant as in call_lookup_source() */
MUST_USE int call_use_authority(
	struct call *call, unsigned index, uint32_t rights, struct grant **out_grant);

/**
 * call_return_object() - a descriptor with all rights for a new object, whose reference is taken;
 * the value is the handle
 */
MUST_USE int call_return_object(struct call *call, struct object *object);

/**
 * call_return_derived() - the end of a call that makes something of what may have been granted
 * @error: so far; if not 0 it is returned
 * @object: new, whose reference is taken; or NULL
 * @rights: of the descriptor, which will be under @grant
 * @grant: reference taken; or NULL
 */
MUST_USE int call_return_derived(
	struct call *call, int error, struct object *object, uint32_t rights, struct grant *grant);

#define HEL_CALL(number, name, n_arguments) int call_##name(struct call *call);
#include <abi/hel/calls.gen.h>
#undef HEL_CALL

#endif
