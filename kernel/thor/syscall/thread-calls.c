/* SPDX-License-Identifier: MIT */
/* hel calls on threads. */
#include <base/string.h>
#include <thor/cpu.h>
#include <thor/ipc/futex.h>
#include <thor/memory/memory.h>
#include <thor/sched/sched.h>
#include <thor/syscall/call.h>

constexpr uint64_t BOUNCE_ALIGNMENT = 64;
constexpr size_t THREAD_FPU_MAX = 16384; /* more than any processor's state */

static bool thread_is_user_address(uint64_t address)
{
	return address < ARCH_USER_HIGH;
}

static bool thread_bounce_is_valid(const struct hel_bounce *bounce)
{
	for (unsigned i = 0; i < ARRAY_SIZE(bounce->critical); i++) {
		if (!thread_is_user_address(bounce->critical[i].restart)) {
			return false;
		}
	}
	return thread_is_user_address(bounce->entry_syscall) &&
		thread_is_user_address(bounce->entry_kick) &&
		thread_is_user_address(bounce->entry_fault) &&
		thread_is_user_address(bounce->entry_shim_fault);
}

/* A bounce page begins anywhere in a page in which it has room. */
static bool thread_is_bounce_address(uint64_t address)
{
	return thread_is_user_address(address) && is_aligned(address, BOUNCE_ALIGNMENT) &&
		address % HEL_PAGE_SIZE <= HEL_PAGE_SIZE - sizeof(struct hel_bounce_page);
}

/* Memory, or a queue, for which its first page stands; referenced. */
static int thread_find_bounce_page(struct call *call, hel_handle handle, struct object **out_object)
{
	int error = universe_lookup(call->thread->universe, handle, HEL_TYPE_MEMORY,
		HEL_RIGHT_READ | HEL_RIGHT_WRITE, out_object);

	if (error != -ERR_BAD_TYPE) {
		return error;
	}
	return universe_lookup(call->thread->universe, handle, HEL_TYPE_QUEUE,
		HEL_RIGHT_READ | HEL_RIGHT_WRITE, out_object);
}

/*
 * The bounce of a new thread; @options->bounce_page is referenced on success, NULL without
 * bounce.
 */
static int thread_decode_bounce(
	struct call *call, const struct hel_thread_args *args, struct thread_options *options)
{
	if (args->bounce_page == HEL_NULL) {
		return args->bounce == 0 ? 0 : -ERR_ILLEGAL_ARGS;
	}
	int error = arch_copy_from_user(&options->bounce, args->bounce, sizeof(options->bounce));

	if (error != 0) {
		return error;
	}
	if (!thread_bounce_is_valid(&options->bounce) ||
		!thread_is_bounce_address(args->bounce_address)) {
		return -ERR_ILLEGAL_ARGS;
	}
	options->bounce_address = args->bounce_address;
	return thread_find_bounce_page(call, args->bounce_page, &options->bounce_page);
}

static int thread_decode(
	struct call *call, const struct hel_thread_args *args, struct thread_options *options)
{
	int error;

	if ((args->flags & ~(HEL_THREAD_STOPPED | HEL_THREAD_TIMED)) != 0 || args->reserved != 0 ||
		!thread_is_user_address(args->ip) || !thread_is_user_address(args->tls_base)) {
		return -ERR_ILLEGAL_ARGS;
	}
	options->ip = args->ip;
	options->sp = args->sp;
	options->argument = args->argument;
	options->tls_base = args->tls_base;
	options->is_timed = (args->flags & HEL_THREAD_TIMED) != 0;
	error = call_find_universe(call, args->universe, HEL_RIGHT_GRANT, &options->universe);
	if (error == 0) {
		error = call_find_space(call, args->space, HEL_RIGHT_MAP, &options->space);
	}
	if (error == 0) {
		error = thread_decode_bounce(call, args, options);
	}
	return error;
}

int call_thread_create(struct call *call)
{
	struct hel_thread_args args;
	struct thread_options options = {};
	struct thread *thread = NULL;
	int error = arch_copy_from_user(&args, call_argument(call, 0), sizeof(args));

	if (error != 0) {
		return error;
	}
	error = thread_decode(call, &args, &options);
	if (error == 0) {
		error = thread_create(&options, &thread);
	}
	if (options.universe != NULL) {
		object_unref(&options.universe->object);
	}
	object_unref((struct object *)options.space);
	object_unref(options.bounce_page);
	return error != 0 ? error : call_return_object(call, &thread->object);
}

int call_thread_start(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_THREAD, HEL_RIGHT_MANAGE, &object);

	if (error == 0) {
		error = thread_start(thread_of(object));
		object_unref(object);
	}
	return error;
}

int call_thread_kill(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_THREAD, HEL_RIGHT_MANAGE, &object);

	if (error == 0) {
		thread_kill(thread_of(object));
		object_unref(object);
	}
	return error;
}

int call_thread_kick(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_THREAD, HEL_RIGHT_SIGNAL, &object);

	if (error == 0) {
		error = thread_kick(thread_of(object));
		object_unref(object);
	}
	return error;
}

int call_thread_exit(struct call *call)
{
	thread_kill(call->thread);
	return CALL_BLOCKED;
}

static int thread_read_set(
	struct thread *thread, uint64_t set, void *buffer, size_t size, size_t *out_size)
{
	struct hel_debug_registers debug_registers;
	struct hel_registers registers;

	switch (set) {
	case HEL_REGISTERS_GENERAL:
		if (size < sizeof(registers)) {
			return -ERR_BUFFER_TOO_SMALL;
		}
		arch_context_get_registers(thread, &registers);
		memcpy(buffer, &registers, sizeof(registers));
		*out_size = sizeof(registers);
		return 0;
	case HEL_REGISTERS_FPU: return arch_context_get_fpu(thread, buffer, size, out_size);
	case HEL_REGISTERS_DEBUG:
		if (size < sizeof(debug_registers)) {
			return -ERR_BUFFER_TOO_SMALL;
		}
		arch_context_get_debug(thread, &debug_registers);
		memcpy(buffer, &debug_registers, sizeof(debug_registers));
		*out_size = sizeof(debug_registers);
		return 0;
	default: return -ERR_ILLEGAL_ARGS;
	}
}

static int thread_write_set(struct thread *thread, uint64_t set, const void *buffer, size_t size)
{
	switch (set) {
	case HEL_REGISTERS_GENERAL:
		if (size != sizeof(struct hel_registers)) {
			return -ERR_ILLEGAL_ARGS;
		}
		return arch_context_set_registers(thread, buffer);
	case HEL_REGISTERS_FPU: return arch_context_set_fpu(thread, buffer, size);
	case HEL_REGISTERS_DEBUG:
		if (size != sizeof(struct hel_debug_registers)) {
			return -ERR_ILLEGAL_ARGS;
		}
		return arch_context_set_debug(thread, buffer);
	default: return -ERR_ILLEGAL_ARGS;
	}
}

/* Keep the thread from running for @read_or_write. */
static int thread_begin_access(struct thread *thread)
{
	int error = thread_examine(thread);

	if (error != 0 && atomic_load(&thread->state) == THREAD_TERMINATED) {
		return -ERR_THREAD_TERMINATED;
	}
	return error;
}

int call_thread_read_registers(struct call *call)
{
	struct object *object;
	size_t size = min_size(call_argument(call, 3), THREAD_FPU_MAX);
	size_t size_read = 0;
	int error = call_lookup(call, 0, HEL_TYPE_THREAD, HEL_RIGHT_READ, &object);

	if (error != 0) {
		return error;
	}
	void *buffer = heap_allocate(size > 0 ? size : 1);

	if (buffer == NULL) {
		error = -ERR_NO_MEMORY;
	} else {
		error = thread_begin_access(thread_of(object));
	}
	if (error == 0) {
		error = thread_read_set(
			thread_of(object), call_argument(call, 1), buffer, size, &size_read);
		thread_examine_end(thread_of(object));
	}
	if (error == 0) {
		call->value = size_read;
		error = arch_copy_to_user(call_argument(call, 2), buffer, size_read);
	}
	heap_free(buffer);
	object_unref(object);
	return error;
}

static int thread_write(struct thread *thread, uint64_t set, const void *buffer, size_t size)
{
	int error = thread_begin_access(thread);

	if (error == 0) {
		thread_end_long_call(thread);
		error = thread_write_set(thread, set, buffer, size);
		thread_examine_end(thread);
	}
	return error;
}

int call_thread_write_registers(struct call *call)
{
	struct thread *thread;
	uint64_t set = call_argument(call, 1);
	size_t size = call_argument(call, 3);
	int error = call_find_thread(call, call_argument(call, 0), HEL_RIGHT_WRITE, &thread);

	if (error != 0) {
		return error;
	}
	void *buffer = NULL;

	if (size == 0 || size > THREAD_FPU_MAX) {
		error = -ERR_ILLEGAL_ARGS;
	} else {
		buffer = heap_allocate(size);
		error = buffer == NULL ? -ERR_NO_MEMORY : 0;
	}
	if (error == 0) {
		error = arch_copy_from_user(buffer, call_argument(call, 2), size);
	}
	if (error == 0) {
		error = thread == call->thread && set == HEL_REGISTERS_DEBUG
			? thread_write_set(thread, set, buffer, size)
			: thread_write(thread, set, buffer, size);
	}
	heap_free(buffer);
	object_unref(&thread->object);
	return error;
}

int call_thread_stats(struct call *call)
{
	struct hel_thread_stats stats;
	struct thread *thread;
	int error = call_find_thread(call, call_argument(call, 0), HEL_RIGHT_READ, &thread);

	if (error != 0) {
		return error;
	}
	thread_get_stats(thread, &stats);
	object_unref(&thread->object);
	return arch_copy_to_user(call_argument(call, 1), &stats, sizeof(stats));
}

int call_thread_set_priority(struct call *call)
{
	struct thread *thread;
	int64_t priority = (int64_t)call_argument(call, 1);
	int error = call_find_thread(call, call_argument(call, 0), HEL_RIGHT_MANAGE, &thread);

	if (error != 0) {
		return error;
	}
	if (priority < SCHED_PRIORITY_MIN || priority > SCHED_PRIORITY_MAX) {
		error = -ERR_ILLEGAL_ARGS;
	} else {
		futex_set_priority(thread, (int32_t)priority);
	}
	object_unref(&thread->object);
	return error;
}

int call_thread_set_weight(struct call *call)
{
	struct thread *thread;
	uint64_t weight = call_argument(call, 1);
	int error = call_find_thread(call, call_argument(call, 0), HEL_RIGHT_MANAGE, &thread);

	if (error != 0) {
		return error;
	}
	if (weight == 0 || weight > HEL_WEIGHT_MAX) {
		error = -ERR_ILLEGAL_ARGS;
	} else {
		thread_set_weight(thread, (uint32_t)weight);
	}
	object_unref(&thread->object);
	return error;
}

int call_thread_yield(UNUSED struct call *call)
{
	sched_yield_current(arch_this_cpu());
	return 0;
}

static int thread_resume_with(struct call *call, int (*resume)(struct thread *thread))
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_THREAD, HEL_RIGHT_MANAGE, &object);

	if (error == 0) {
		error = resume(thread_of(object));
		if (error != 0 && atomic_load(&thread_of(object)->state) == THREAD_TERMINATED) {
			error = -ERR_THREAD_TERMINATED;
		}
		object_unref(object);
	}
	return error;
}

int call_thread_resume(struct call *call)
{
	return thread_resume_with(call, thread_resume);
}

int call_thread_step(struct call *call)
{
	return thread_resume_with(call, thread_step);
}

int call_thread_interrupt(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_THREAD, HEL_RIGHT_MANAGE, &object);

	if (error == 0) {
		error = thread_interrupt(thread_of(object));
		object_unref(object);
	}
	return error;
}

int call_thread_set_affinity(struct call *call)
{
	struct thread *thread;
	uint64_t mask = call_argument(call, 1);
	uint64_t online = cpu_count >= 64 ? UINT64_MAX : ((uint64_t)1 << cpu_count) - 1;
	int error = call_find_thread(call, call_argument(call, 0), HEL_RIGHT_MANAGE, &thread);

	if (error != 0) {
		return error;
	}
	if ((mask & online) == 0) {
		error = -ERR_ILLEGAL_ARGS;
	} else {
		thread_set_affinity(thread, mask);
	}
	object_unref(&thread->object);
	return error;
}
