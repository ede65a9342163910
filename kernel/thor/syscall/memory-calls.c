/* SPDX-License-Identifier: MIT */
/* hel calls on memory. */
#include <thor/bootstrap.h>
#include <thor/memory/memory-object.h>
#include <thor/memory/memory.h>
#include <thor/memory/page-wait.h>
#include <thor/object/grant.h>
#include <thor/syscall/call.h>

constexpr size_t MEMORY_COPY_PIECE = 1024;
constexpr uint64_t MEMORY_PIN_MAX = MIB(4);
constexpr uint64_t MEMORY_PIN_SLICE = 8 * HEL_PAGE_SIZE; /* may have to be cleared */
constexpr uint64_t MEMORY_COPY_MAX = MIB(16); /* bytes of one read or write */

static struct memory *memory_of(struct object *object)
{
	return (struct memory *)object;
}

static int memory_return(struct call *call, int error, struct memory *memory)
{
	return error != 0 ? error : call_return_object(call, (struct object *)memory);
}

int call_memory_allocate(struct call *call)
{
	struct memory *memory = memory_of(call_take_object(call));
	int error;

	do {
		error = memory_create_allocated_slice(
			call_argument(call, 0), call_argument(call, 1), &memory);
	} while (call_goes_on(call, 1, &error));
	if (error == CALL_RESTART) {
		call_keep_object(call, (struct object *)memory);
		return error;
	}
	return memory_return(call, error, memory);
}

int call_memory_physical(struct call *call)
{
	struct memory *memory = NULL;
	struct grant *grant;
	uint64_t phys = call_argument(call, 1);
	uint64_t size_bytes = call_argument(call, 2);
	uint64_t caching = call_argument(call, 3);
	int error = call_use_authority(call, 0, HEL_RIGHT_MANAGE, &grant);

	if (error != 0) {
		return error;
	}
	if (caching > HEL_CACHE_WRITE_COMBINE) {
		error = -ERR_ILLEGAL_ARGS;
	} else if (phys + size_bytes < phys || boot_owns_range(phys, size_bytes)) {
		error = -ERR_OUT_OF_BOUNDS;
	} else {
		error = memory_create_physical(
			phys, size_bytes, (enum hel_caching)caching, &memory);
	}
	return call_return_derived(call, error, (struct object *)memory, HEL_RIGHTS_ALL, grant);
}

int call_memory_copy_on_write(struct call *call)
{
	struct object *source = NULL;
	struct memory *memory = NULL;
	struct grant *grant = NULL;
	int error = 0;

	if (call_argument(call, 0) != HEL_NULL) {
		error = call_lookup_source(call, 0, HEL_TYPE_MEMORY,
			HEL_RIGHT_READ | HEL_RIGHT_DERIVE, &source, &grant);
	}
	if (error != 0) {
		return error;
	}
	uint64_t position = call_position(call);

	memory = memory_of(call_take_object(call));
	do {
		error = memory_create_copy_on_write_slice(memory_of(source), call_argument(call, 1),
			call_argument(call, 2), &memory, &position);
	} while (call_goes_on(call, position, &error));
	object_unref(source);
	if (error == CALL_RESTART) {
		call_keep_object(call, (struct object *)memory);
		grant_unref(grant);
		return error;
	}
	return call_return_derived(call, error, (struct object *)memory, HEL_RIGHTS_ALL, grant);
}

int call_memory_slice(struct call *call)
{
	constexpr uint32_t passed_on = HEL_RIGHT_READ | HEL_RIGHT_WRITE | HEL_RIGHT_EXECUTE |
		HEL_RIGHT_MAP | HEL_RIGHT_DERIVE;
	constexpr uint32_t needed = HEL_RIGHT_MAP | HEL_RIGHT_DERIVE;
	struct descriptor descriptor;
	struct memory *slice = NULL;
	int error = universe_find(call->thread->universe, call_argument(call, 0), &descriptor);

	if (error != 0) {
		return error;
	}
	if (descriptor.object->class->type != HEL_TYPE_MEMORY) {
		error = -ERR_BAD_TYPE;
	} else if ((descriptor.rights & needed) != needed) {
		error = -ERR_NO_RIGHTS;
	} else {
		error = memory_create_slice(memory_of(descriptor.object), call_argument(call, 1),
			call_argument(call, 2), &slice);
	}
	object_unref(descriptor.object);
	return call_return_derived(call, error, (struct object *)slice,
		descriptor.rights & passed_on, descriptor.grant);
}

/* The rights that accesses of enum hel_map_flags need. */
static uint32_t memory_rights_for(uint64_t access)
{
	return ((access & HEL_MAP_READ) != 0 ? HEL_RIGHT_READ : 0) |
		((access & HEL_MAP_WRITE) != 0 ? HEL_RIGHT_WRITE : 0) |
		((access & HEL_MAP_EXECUTE) != 0 ? HEL_RIGHT_EXECUTE : 0);
}

int call_memory_indirect_create(struct call *call)
{
	constexpr uint32_t always = HEL_RIGHT_MAP | HEL_RIGHT_DERIVE | HEL_RIGHT_MANAGE;
	uint64_t access = call_argument(call, 2);
	struct memory *memory;
	int error = memory_create_indirect(call_argument(call, 0), call_argument(call, 1), access,
		call_argument(call, 3), &memory);

	if (error == 0) {
		error = universe_attach(call->thread->universe, (struct object *)memory,
			always | memory_rights_for(access), &call->value);
		object_unref((struct object *)memory);
	}
	return error;
}

/* What a slot is to show and the grant that its descriptor is under, both referenced, or NULL. */
static int memory_find_shown(
	struct call *call, const struct memory *indirect, struct indirect_setting *setting)
{
	uint32_t rights = HEL_RIGHT_MAP | HEL_RIGHT_DERIVE |
		memory_rights_for(memory_indirect_access(indirect));
	struct object *object = NULL;
	int error = 0;

	if (call_argument(call, 2) != HEL_NULL) {
		error = call_lookup_source(
			call, 2, HEL_TYPE_MEMORY, rights, &object, &setting->grant);
	}
	if (error == 0) {
		setting->memory = memory_of(object);
	}
	return error;
}

int call_memory_indirect_set(struct call *call)
{
	struct indirect_setting setting = {
		.slot = call_argument(call, 1),
		.offset = call_argument(call, 3),
		.size_bytes = call_argument(call, 4),
	};
	struct object *indirect;
	int error = call_lookup(call, 0, HEL_TYPE_MEMORY, HEL_RIGHT_MANAGE, &indirect);

	if (error != 0) {
		return error;
	}
	error = memory_find_shown(call, memory_of(indirect), &setting);
	if (error == 0) {
		uint64_t position = call_position(call);

		do {
			error = memory_set_indirect_slice(memory_of(indirect), &setting, &position);
		} while (call_goes_on(call, position, &error));
		object_unref((struct object *)setting.memory);
		grant_unref(setting.grant);
	}
	object_unref(indirect);
	return error;
}

int call_memory_resize(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_MEMORY, HEL_RIGHT_WRITE, &object);

	if (error == 0) {
		do {
			error = memory_resize_slice(memory_of(object), call_argument(call, 1));
		} while (call_goes_on(call, 1, &error));
		object_unref(object);
	}
	return error;
}

int call_memory_info(struct call *call)
{
	struct hel_memory_info info = {};
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_MEMORY, 0, &object);

	if (error != 0) {
		return error;
	}
	memory_get_info(memory_of(object), &info);
	object_unref(object);
	return arch_copy_to_user(call_argument(call, 1), &info, sizeof(info));
}

/* What a read and a write share: the memory, and whether the range makes sense. */
static int memory_find_range(struct call *call, uint32_t rights, struct object **out_object)
{
	uint64_t offset = call_argument(call, 1);
	uint64_t size = call_argument(call, 3);

	if (size > MEMORY_COPY_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (offset + size < offset) {
		return -ERR_OUT_OF_BOUNDS;
	}
	return call_lookup(call, 0, HEL_TYPE_MEMORY, rights, out_object);
}

static int memory_copy_out(struct call *call, bool may_wait)
{
	uint8_t piece[MEMORY_COPY_PIECE];
	struct object *object;
	uint64_t size = call_argument(call, 3);
	int error = memory_find_range(call, HEL_RIGHT_READ, &object);

	if (error != 0) {
		return error;
	}
	for (uint64_t done = call_position(call); error == 0 && done < size;) {
		size_t n_bytes = min_size(size - done, sizeof(piece));

		error = memory_read(
			memory_of(object), call_argument(call, 1) + done, piece, n_bytes);
		if (error == 0) {
			error = arch_copy_to_user(call_argument(call, 2) + done, piece, n_bytes);
		} else if (!may_wait) {
			error = page_note_refuse(error);
		}
		done += n_bytes;
		if (error == 0) {
			error = call_next_copy(call, done, size);
		}
	}
	object_unref(object);
	return error;
}

static int memory_copy_in(struct call *call, bool may_wait)
{
	uint8_t piece[MEMORY_COPY_PIECE];
	struct object *object;
	uint64_t size = call_argument(call, 3);
	int error = memory_find_range(call, HEL_RIGHT_WRITE, &object);

	if (error != 0) {
		return error;
	}
	for (uint64_t done = call_position(call); error == 0 && done < size;) {
		size_t n_bytes = min_size(size - done, sizeof(piece));

		error = arch_copy_from_user(piece, call_argument(call, 2) + done, n_bytes);
		if (error == 0) {
			error = memory_write(
				memory_of(object), call_argument(call, 1) + done, piece, n_bytes);
			error = may_wait ? error : page_note_refuse(error);
		}
		done += n_bytes;
		if (error == 0) {
			error = call_next_copy(call, done, size);
		}
	}
	object_unref(object);
	return error;
}

int call_memory_read(struct call *call)
{
	return memory_copy_out(call, true);
}

int call_memory_write(struct call *call)
{
	return memory_copy_in(call, true);
}

int call_memory_try_read(struct call *call)
{
	return memory_copy_out(call, false);
}

int call_memory_try_write(struct call *call)
{
	return memory_copy_in(call, false);
}

/*
 * Pages of allocated memory stay where they are as long as the object exists, so pinning them is
 * to make them present. Those of managed memory have to be locked before. Those of a copy-on-write
 * view move when they are written after a fork.
 */
static int memory_pin_slice(struct memory *memory, uint64_t offset, uint64_t size_bytes,
	uint64_t *position, uint64_t *out_phys)
{
	struct hel_memory_info info = {};
	uint64_t end = min_u64(size_bytes, *position + MEMORY_PIN_SLICE);
	uint64_t phys;

	if (size_bytes == 0 || !is_aligned(offset | size_bytes, HEL_PAGE_SIZE) ||
		size_bytes > MEMORY_PIN_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	memory_get_info(memory, &info);
	if (info.kind != HEL_MEMORY_ALLOCATED && info.kind != HEL_MEMORY_MANAGED) {
		return -ERR_UNSUPPORTED;
	}
	if (offset > info.size_bytes || size_bytes > info.size_bytes - offset) {
		return -ERR_OUT_OF_BOUNDS;
	}
	/* The first page is looked at in every slice: the others are compared with it. */
	for (uint64_t done = 0; done < end; done = max_u64(done + HEL_PAGE_SIZE, *position)) {
		int error = memory_get_frame(
			memory, offset + done, info.kind == HEL_MEMORY_ALLOCATED, &phys);

		if (error != 0) {
			return error;
		}
		frame_unref(phys);
		if (done == 0) {
			*out_phys = phys;
		} else if (phys != *out_phys + done) {
			return -ERR_UNSUPPORTED;
		}
	}
	*position = end;
	return end < size_bytes ? MEMORY_MORE : 0;
}

int call_memory_pin(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_MEMORY, HEL_RIGHT_PIN, &object);

	if (error != 0) {
		return error;
	}
	uint64_t position = call_position(call);
	uint64_t phys = 0;

	do {
		error = memory_pin_slice(memory_of(object), call_argument(call, 1),
			call_argument(call, 2), &position, &phys);
	} while (call_goes_on(call, position, &error));
	object_unref(object);
	if (error == 0) {
		call->value = phys;
	}
	return error;
}
