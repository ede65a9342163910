/* SPDX-License-Identifier: MIT */
/* Dispatch of hel calls, and the decoding they share. See call.h. */
#include <thor/syscall/call.h>

#include <base/assert.h>
#include <thor/cpu.h>
#include <thor/memory/memory.h>
#include <thor/object/grant.h>
#include <thor/sched/sched.h>
#include <thor/sched/shortage.h>
#include <thor/trace/trace.h>

constexpr uint32_t CALL_NUMBERS = 256;
constexpr uint64_t CALL_COPY_STRETCH = KIB(8); /* copied before the clock is looked at */

typedef int (*call_fn)(struct call *call);

static int call_nonexistent(UNUSED struct call *call)
{
	return -ERR_ILLEGAL_SYSCALL;
}

/* A call of the list without a function does not link; numbers between have none. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winitializer-overrides"
static const call_fn call_table[CALL_NUMBERS] = {
	[0 ... CALL_NUMBERS - 1] = call_nonexistent,
#define HEL_CALL(number, name, n_arguments) [number] = call_##name,
#include <abi/hel/calls.gen.h>
#undef HEL_CALL
};
#pragma clang diagnostic pop

/* ---- long calls ---- */

static void call_keep_position(struct call *call, uint64_t position)
{
	struct thread_long_call *kept = &call->thread->long_call;

	call->thread->entry |= THREAD_ENTRY_PAUSED;
	kept->number = arch_call_number(&call->thread->arch);
	for (unsigned i = 0; i < ARRAY_SIZE(kept->arguments); i++) {
		kept->arguments[i] = call_argument(call, i);
	}
	kept->position = position;
}

/* The thread makes a call while one is paused: the same, or it has thought better of it. */
static __attribute__((noinline)) void call_resume(struct call *call)
{
	const struct thread_long_call *kept = &call->thread->long_call;
	bool is_same = kept->number == arch_call_number(&call->thread->arch);

	for (unsigned i = 0; i < ARRAY_SIZE(kept->arguments); i++) {
		is_same = is_same && kept->arguments[i] == call_argument(call, i);
	}
	if (!is_same) {
		thread_end_long_call(call->thread);
	}
}

void call_begin_slices(struct call *call)
{
	struct thread_long_call *kept = &call->thread->long_call;

	kept->sliced_call = arch_this_cpu()->n_calls;
	kept->start_ns = arch_clock_ns();
}

bool call_goes_on(struct call *call, uint64_t position, int *error)
{
	/* If there is an absent page the call will be made again when it is there. */
	if (*error == -ERR_FAULT && position != 0 && page_note_is_set()) {
		call_keep_position(call, position);
	}
	if (*error != MEMORY_MORE) {
		return false;
	}
	struct thread_long_call *kept = &call->thread->long_call;

	if (kept->sliced_call != arch_this_cpu()->n_calls) {
		call_begin_slices(call);
	} else if (sched_should_pause(kept->start_ns)) {
		call_keep_position(call, position);
		*error = CALL_RESTART;
		return false;
	}
	return true;
}

int call_next_copy(struct call *call, uint64_t done, uint64_t size)
{
	int error = MEMORY_MORE;

	if (done % CALL_COPY_STRETCH >= HEL_PAGE_SIZE || done == size) {
		return 0;
	}
	return call_goes_on(call, done, &error) ? 0 : error;
}

/* Whether that is why a call failed. Then it has changed nothing, or can be made again. */
static bool call_wants_memory(int result)
{
	return result == -ERR_NO_MEMORY || (result == -ERR_FAULT && shortage_is_noted());
}

static __attribute__((noinline)) bool call_end_blocked(struct thread *thread)
{
	TRACE(CALLS, CALL_END, arch_call_number(&thread->arch), CALL_BLOCKED, 0);
	if (unlikely((thread->entry & THREAD_ENTRY_PAUSED) != 0)) {
		thread_end_long_call(thread);
	}
	return false;
}

/* Whatever is not simply a success; as thor_enter_call(). */
static __attribute__((noinline)) bool call_end_otherwise(struct call *call, int result)
{
	struct thread *thread = call->thread;

	if (result == CALL_BLOCKED) {
		return call_end_blocked(thread);
	}
	if ((result == -ERR_FAULT || result == CALL_RESTART) && fault_await_noted_page(thread)) {
		result = CALL_RESTART;
	}
	if (call_wants_memory(result) && shortage_will_pass(thread)) {
		result = CALL_RESTART;
	}
	TRACE(CALLS, CALL_END, arch_call_number(&thread->arch), result, call->value);
	if (result == CALL_RESTART) {
		arch_call_restart(&thread->arch);
		return false;
	}
	thread_end_long_call(thread);
	arch_call_return(&thread->arch, result, call->value);
	return sched_goes_on(arch_this_cpu());
}

static inline int call_make(struct call *call)
{
	uint32_t number = arch_call_number(&call->thread->arch);

	TRACE(CALLS, CALL, number, call_argument(call, 0), call_argument(call, 1));
	return number < CALL_NUMBERS ? call_table[number](call) : -ERR_ILLEGAL_SYSCALL;
}

/* As thor_enter_call(), for a timed thread, or one with a paused call, which may be this one. */
static __attribute__((noinline)) bool call_enter_specially(struct thread *thread)
{
	struct call call = { .thread = thread };

	if ((thread->entry & THREAD_ENTRY_TIMED) != 0) {
		thread_time_enter(thread);
	}
	if ((thread->entry & THREAD_ENTRY_PAUSED) != 0) {
		call_resume(&call);
	}
	return call_end_otherwise(&call, call_make(&call));
}

bool thor_enter_call(struct thread *thread)
{
	if (unlikely(thread->entry != 0)) {
		return call_enter_specially(thread);
	}
	struct call call = { .thread = thread };
	uint32_t number = arch_call_number(&thread->arch);

	TRACE(CALLS, CALL, number, call_argument(&call, 0), call_argument(&call, 1));
	if (unlikely(number >= CALL_NUMBERS)) {
		return call_end_otherwise(&call, -ERR_ILLEGAL_SYSCALL);
	}
	int result = call_table[number](&call);

	/* Only a call that does not end with 0 can be paused. */
	if (unlikely(result != 0)) {
		return result == CALL_BLOCKED ? call_end_blocked(thread)
					      : call_end_otherwise(&call, result);
	}
	TRACE(CALLS, CALL_END, arch_call_number(&thread->arch), 0, call.value);
	arch_call_return(&thread->arch, 0, call.value);
	return sched_goes_on(arch_this_cpu());
}

int call_find_universe(
	struct call *call, hel_handle handle, uint32_t rights, struct universe **out_universe)
{
	struct object *object;

	if (handle == HEL_THIS) {
		*out_universe = call->thread->universe;
		object_ref(&call->thread->universe->object);
		return 0;
	}
	int error =
		universe_lookup(call->thread->universe, handle, HEL_TYPE_UNIVERSE, rights, &object);

	if (error == 0) {
		*out_universe = universe_of(object);
	}
	return error;
}

int call_find_space(struct call *call, hel_handle handle, uint32_t rights, struct space **out_space)
{
	struct object *object;

	if (handle == HEL_THIS) {
		*out_space = call->thread->space;
		object_ref((struct object *)call->thread->space);
		return 0;
	}
	int error =
		universe_lookup(call->thread->universe, handle, HEL_TYPE_SPACE, rights, &object);

	if (error == 0) {
		*out_space = (struct space *)object;
	}
	return error;
}

int call_find_thread(
	struct call *call, hel_handle handle, uint32_t rights, struct thread **out_thread)
{
	struct object *object;

	if (handle == HEL_THIS) {
		*out_thread = call->thread;
		object_ref(&call->thread->object);
		return 0;
	}
	int error =
		universe_lookup(call->thread->universe, handle, HEL_TYPE_THREAD, rights, &object);

	if (error == 0) {
		*out_thread = thread_of(object);
	}
	return error;
}

int call_check_authority(struct call *call, unsigned index, uint32_t rights)
{
	struct object *object;
	int error = call_lookup(call, index, HEL_TYPE_AUTHORITY, rights, &object);

	if (error == 0) {
		object_unref(object);
	}
	return error;
}

int call_use_authority(struct call *call, unsigned index, uint32_t rights, struct grant **out_grant)
{
	struct object *object;
	int error = call_lookup_source(call, index, HEL_TYPE_AUTHORITY, rights, &object, out_grant);

	if (error == 0) {
		object_unref(object);
	}
	return error;
}

int call_return_derived(
	struct call *call, int error, struct object *object, uint32_t rights, struct grant *grant)
{
	if (error == 0) {
		error = universe_attach_granted(
			call->thread->universe, object, rights, grant, &call->value);
	}
	object_unref(object);
	grant_unref(grant);
	return error;
}

int call_return_object(struct call *call, struct object *object)
{
	int error = universe_attach(call->thread->universe, object, HEL_RIGHTS_ALL, &call->value);

	object_unref(object);
	return error;
}
