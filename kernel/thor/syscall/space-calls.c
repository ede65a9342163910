/* SPDX-License-Identifier: MIT */
/* hel calls on spaces. */
#include <thor/ipc/queue.h>
#include <thor/memory/memory.h>
#include <thor/memory/page-wait.h>
#include <thor/object/grant.h>
#include <thor/sched/sched.h>
#include <thor/syscall/call.h>

constexpr uint64_t SPACE_COPY_MAX = MIB(16); /* bytes of one read or write */
constexpr uint64_t SPACE_COPY_PIECE = 4096;
constexpr uint64_t SPACE_PAGES_MAX = 65536; /* that one call tells of */

static int space_return(struct call *call, int error, struct space *space)
{
	return error != 0 ? error : call_return_object(call, (struct object *)space);
}

int call_space_create(struct call *call)
{
	struct universe *payer;
	struct space *space = NULL;
	int error = call_find_universe(call, call_argument(call, 0), HEL_RIGHT_GRANT, &payer);

	if (error != 0) {
		return error;
	}
	error = space_create_in(payer->account, &space);
	object_unref(&payer->object);
	return space_return(call, error, space);
}

/* What a descriptor's rights allow in a mapping. */
static uint32_t space_allowed_by(uint32_t rights)
{
	uint32_t allowed = 0;

	if ((rights & HEL_RIGHT_READ) != 0) {
		allowed |= HEL_MAP_READ;
	}
	if ((rights & HEL_RIGHT_WRITE) != 0) {
		allowed |= HEL_MAP_WRITE;
	}
	if ((rights & HEL_RIGHT_EXECUTE) != 0) {
		allowed |= HEL_MAP_EXECUTE;
	}
	return allowed;
}

/*
 * The memory to be mapped, referenced (NULL: anonymous), and how it may be mapped; the grant is
 * referenced, too. A queue stands for its memory.
 */
static int space_find_memory(struct call *call, hel_handle handle, struct memory **out_memory,
	struct space_permit *out_permit)
{
	struct descriptor descriptor;
	int error;

	if (handle == HEL_NULL) {
		*out_memory = NULL;
		*out_permit = (struct space_permit){
			.allowed = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_EXECUTE,
		};
		return 0;
	}
	error = universe_find(call->thread->universe, handle, &descriptor);
	if (error != 0) {
		return error;
	}
	enum hel_type type = descriptor.object->class->type;

	if (type != HEL_TYPE_MEMORY && type != HEL_TYPE_QUEUE) {
		error = -ERR_BAD_TYPE;
	} else if ((descriptor.rights & HEL_RIGHT_MAP) == 0) {
		error = -ERR_NO_RIGHTS;
	} else if (type == HEL_TYPE_MEMORY) {
		*out_memory = (struct memory *)descriptor.object;
		object_ref(descriptor.object);
	} else {
		error = queue_create_memory(queue_of(descriptor.object), out_memory);
	}
	if (error == 0) {
		*out_permit = (struct space_permit){
			.allowed = space_allowed_by(descriptor.rights),
			.grant = grant_ref(descriptor.grant),
		};
	}
	descriptor_release(&descriptor);
	return error;
}

/* What is replaced may be large: one slice after the other, from where it was paused. */
static int space_map_sliced(struct call *call, struct space *space, const struct hel_map_args *args)
{
	struct space_map_progress progress = {
		.position = call_position(call),
		.shared = (struct memory *)call_take_object(call),
	};
	struct space_permit permit;
	struct memory *memory;
	int error = space_find_memory(call, args->memory, &memory, &permit);

	if (error == 0) {
		do {
			error = space_map_slice(space, memory, args, &permit, &progress);
		} while (call_goes_on(call, progress.position, &error));
		object_unref((struct object *)memory);
		grant_unref(permit.grant);
	}
	if (error == CALL_RESTART) {
		call_keep_object(call, (struct object *)progress.shared);
		return error;
	}
	object_unref((struct object *)progress.shared);
	call->value = progress.address;
	return error;
}

int call_space_map(struct call *call)
{
	struct hel_map_args args;
	struct space *space;
	int error = arch_copy_from_user(&args, call_argument(call, 0), sizeof(args));

	if (error != 0) {
		return error;
	}
	if (args.reserved != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	error = call_find_space(call, args.space, HEL_RIGHT_MAP, &space);
	if (error == 0) {
		error = space_map_sliced(call, space, &args);
		object_unref((struct object *)space);
	}
	return error;
}

/* Take the pages out of a range that goes, slice by slice; CALL_RESTART: others want to run. */
static int space_thin_sliced(struct call *call, struct space *space)
{
	uint64_t start_ns = arch_clock_ns();

	while (space_thin(space, call_argument(call, 1), call_argument(call, 2))) {
		if (sched_should_pause(start_ns)) {
			return CALL_RESTART;
		}
	}
	return 0;
}

int call_space_remap(struct call *call)
{
	struct space_map_progress progress = { .position = call_position(call) };
	struct hel_map_args args;
	struct space_permit permit;
	struct memory *memory;
	struct space *space;
	int error = call_find_space(call, call_argument(call, 0), HEL_RIGHT_MAP, &space);

	if (error != 0) {
		return error;
	}
	error = space_find_source(space, call_argument(call, 3), &memory, &permit, &args);
	if (error == 0) {
		args.address = call_argument(call, 1);
		args.size_bytes = call_argument(call, 2);
		args.offset = call_argument(call, 4);
		args.flags |= HEL_MAP_FIXED;
		do {
			error = space_map_slice(space, memory, &args, &permit, &progress);
		} while (call_goes_on(call, progress.position, &error));
		object_unref((struct object *)memory);
		grant_unref(permit.grant);
	}
	object_unref((struct object *)space);
	return error;
}

int call_space_unmap(struct call *call)
{
	struct space *space;
	int error = call_find_space(call, call_argument(call, 0), HEL_RIGHT_MAP, &space);

	if (error != 0) {
		return error;
	}
	uint64_t position = call_position(call);

	if (position == 0) {
		error = space_thin_sliced(call, space);
	}
	if (error == 0) {
		do {
			error = space_unmap_slice(
				space, call_argument(call, 1), call_argument(call, 2), &position);
		} while (call_goes_on(call, position, &error));
	}
	object_unref((struct object *)space);
	return error;
}

int call_space_protect(struct call *call)
{
	struct space *space;
	uint64_t flags = call_argument(call, 3);
	int error = call_find_space(call, call_argument(call, 0), HEL_RIGHT_MAP, &space);

	if (error != 0) {
		return error;
	}
	uint64_t position = call_position(call);

	call_begin_slices(call);
	do {
		error = flags > UINT32_MAX
			? -ERR_ILLEGAL_ARGS
			: space_protect_slice(space, call_argument(call, 1), call_argument(call, 2),
				  (uint32_t)flags, &position);
	} while (call_goes_on(call, position, &error));
	object_unref((struct object *)space);
	return error;
}

int call_space_populate(struct call *call)
{
	struct space *space;
	int error = call_find_space(call, call_argument(call, 0), HEL_RIGHT_MAP, &space);

	if (error != 0) {
		return error;
	}
	uint64_t position = call_position(call);

	call_begin_slices(call);
	do {
		error = space_populate_slice(space, call_argument(call, 1), call_argument(call, 2),
			call_argument(call, 3), &position);
	} while (call_goes_on(call, position, &error));
	object_unref((struct object *)space);
	return error;
}

int call_space_advise(struct call *call)
{
	struct space *space;
	int error = call_find_space(call, call_argument(call, 0), HEL_RIGHT_MAP, &space);

	if (error != 0) {
		return error;
	}
	uint64_t position = call_position(call);

	do {
		error = space_advise_slice(space, call_argument(call, 1), call_argument(call, 2),
			call_argument(call, 3), &position);
	} while (call_goes_on(call, position, &error));
	object_unref((struct object *)space);
	return error;
}

int call_space_label(struct call *call)
{
	struct space *space;
	int error = call_find_space(call, call_argument(call, 0), HEL_RIGHT_MAP, &space);

	if (error != 0) {
		return error;
	}
	uint64_t position = call_position(call);

	do {
		error = space_label_slice(space, call_argument(call, 1), call_argument(call, 2),
			call_argument(call, 3), call_argument(call, 4), &position);
	} while (call_goes_on(call, position, &error));
	object_unref((struct object *)space);
	return error;
}

int call_space_fork(struct call *call)
{
	struct space *space;
	struct universe *payer;
	int error = call_find_space(call, call_argument(call, 0), HEL_RIGHT_MANAGE, &space);

	if (error != 0) {
		return error;
	}
	error = call_find_universe(call, call_argument(call, 1), HEL_RIGHT_GRANT, &payer);
	if (error != 0) {
		object_unref((struct object *)space);
		return error;
	}
	struct space *child = (struct space *)call_take_object(call);

	call_begin_slices(call);
	do {
		error = space_fork_slice(payer->account, space, &child);
	} while (call_goes_on(call, 1, &error));
	object_unref(&payer->object);
	object_unref((struct object *)space);
	if (error == CALL_RESTART) {
		call_keep_object(call, (struct object *)child);
		return error;
	}
	return space_return(call, error, child);
}

/*
 * Copies between the caller's space and another one, page by page, from where it was paused; the
 * value is what was copied.
 */
static int space_transfer(struct call *call, struct space *space, bool is_read, bool may_wait)
{
	struct space *own = call->thread->space;
	uint64_t address = call_argument(call, 1);
	uint64_t buffer = call_argument(call, 2);
	uint64_t size = call_argument(call, 3);
	int error = 0;

	if (size > SPACE_COPY_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	call->value = call_position(call);
	while (error == 0 && call->value < size) {
		uint64_t offset = call->value;
		uint64_t n_bytes = min_u64(
			size - offset, SPACE_COPY_PIECE - (address + offset) % SPACE_COPY_PIECE);

		if (is_read) {
			error = space_copy_between(
				own, buffer + offset, space, address + offset, n_bytes);
		} else {
			error = space_copy_between(
				space, address + offset, own, buffer + offset, n_bytes);
		}
		if (error == 0) {
			call->value += n_bytes;
			error = call_next_copy(call, call->value, size);
		} else if (!may_wait) {
			error = page_note_refuse(error);
		}
	}
	return error;
}

static int space_copy(struct call *call, bool is_read, bool may_wait)
{
	struct space *space;
	int error = call_find_space(
		call, call_argument(call, 0), is_read ? HEL_RIGHT_READ : HEL_RIGHT_WRITE, &space);

	if (error == 0) {
		error = space_transfer(call, space, is_read, may_wait);
		object_unref((struct object *)space);
	}
	return error;
}

int call_space_read(struct call *call)
{
	return space_copy(call, true, true);
}

int call_space_write(struct call *call)
{
	return space_copy(call, false, true);
}

int call_space_try_read(struct call *call)
{
	return space_copy(call, true, false);
}

int call_space_try_write(struct call *call)
{
	return space_copy(call, false, false);
}

/* The space of a loan, referenced, and the grant that its descriptor is under, or NULL. */
static int space_find_lender(struct call *call, struct space **out_space, struct grant **out_grant)
{
	constexpr uint32_t needed = HEL_RIGHT_READ | HEL_RIGHT_WRITE | HEL_RIGHT_DERIVE;
	struct object *object;

	if (call_argument(call, 0) == HEL_THIS) {
		*out_grant = NULL;
		return call_find_space(call, HEL_THIS, needed, out_space);
	}
	int error = call_lookup_source(call, 0, HEL_TYPE_SPACE, needed, &object, out_grant);

	if (error == 0) {
		*out_space = (struct space *)object;
	}
	return error;
}

int call_space_lend(struct call *call)
{
	constexpr uint32_t given =
		HEL_RIGHT_READ | HEL_RIGHT_WRITE | HEL_RIGHT_PIN | HEL_RIGHT_DERIVE;
	struct memory *loan = NULL;
	struct space *space;
	struct grant *grant;
	int error = space_find_lender(call, &space, &grant);

	if (error != 0) {
		return error;
	}
	error = memory_create_loan(space, call_argument(call, 1), call_argument(call, 2), &loan);
	object_unref((struct object *)space);
	return call_return_derived(call, error, (struct object *)loan, given, grant);
}

int call_space_query(struct call *call)
{
	struct hel_mapping_info info = {};
	struct space *space;
	int error = call_find_space(call, call_argument(call, 0), HEL_RIGHT_READ, &space);

	if (error != 0) {
		return error;
	}
	uint64_t position = call_position(call);

	info.resident_bytes = call->thread->long_call.amount;
	info.large_bytes = call->thread->long_call.amount_large;
	do {
		error = space_query_slice(space, call_argument(call, 1), &position, &info);
	} while (call_goes_on(call, position, &error));
	if (error == CALL_RESTART) {
		call->thread->long_call.amount = info.resident_bytes;
		call->thread->long_call.amount_large = info.large_bytes;
	}
	object_unref((struct object *)space);
	if (error == 0) {
		error = arch_copy_to_user(call_argument(call, 2), &info, sizeof(info));
	}
	return error;
}

/* Tells piece by piece, from where it was paused. */
static int space_tell_pages(struct call *call, struct space *space, uint64_t n_pages)
{
	uint8_t states[SPACE_PAGES_SLICE];
	uint64_t position = call_position(call);
	int error = 0;

	while (error == 0 && position < n_pages) {
		uint32_t n_told =
			space_pages_slice(space, call_argument(call, 1) + position * HEL_PAGE_SIZE,
				n_pages - position, states);

		error = n_told == 0
			? -ERR_ILLEGAL_ARGS
			: arch_copy_to_user(call_argument(call, 2) + position, states, n_told);
		if (error == 0) {
			position += n_told;
			error = position < n_pages ? MEMORY_MORE : 0;
		}
		if (call_goes_on(call, position, &error)) {
			error = 0;
		}
	}
	return error;
}

int call_space_pages(struct call *call)
{
	uint64_t n_pages = call_argument(call, 3);
	struct space *space;

	if (n_pages > SPACE_PAGES_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error = call_find_space(call, call_argument(call, 0), HEL_RIGHT_READ, &space);

	if (error == 0) {
		error = space_tell_pages(call, space, n_pages);
		object_unref((struct object *)space);
	}
	return error;
}

int call_space_discard(struct call *call)
{
	struct space *space;
	int error = call_find_space(call, call_argument(call, 0), HEL_RIGHT_MAP, &space);

	if (error == 0) {
		error = space_thin_sliced(call, space);
		if (error == 0) {
			error = space_discard(
				space, call_argument(call, 1), call_argument(call, 2));
		}
		object_unref((struct object *)space);
	}
	return error;
}

int call_space_move(struct call *call)
{
	const struct space_move_args args = {
		.from = call_argument(call, 1),
		.size_bytes = call_argument(call, 2),
		.to = call_argument(call, 3),
		.new_size_bytes = call_argument(call, 4),
	};
	struct space *space;
	int error = call_find_space(call, call_argument(call, 0), HEL_RIGHT_MAP, &space);

	if (error != 0) {
		return error;
	}
	struct thread_long_call *kept = &call->thread->long_call;
	struct space_move_progress progress = {
		.position = call_position(call),
		.done = kept->amount,
		.cursor = kept->amount_large,
	};

	do {
		error = space_move_slice(space, &args, &progress);
	} while (call_goes_on(call, progress.position, &error));
	if (error == CALL_RESTART) {
		kept->amount = progress.done;
		kept->amount_large = progress.cursor;
	}
	object_unref((struct object *)space);
	return error;
}
