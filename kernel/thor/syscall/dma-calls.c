/* SPDX-License-Identifier: MIT */
/* hel calls on dma-spaces. */
#include <thor/dma/dma-space.h>
#include <thor/ipc/event.h>
#include <thor/memory/memory.h>
#include <thor/object/grant.h>
#include <thor/syscall/call.h>

int call_dma_space_create(struct call *call)
{
	struct dma_space *space;
	int error = dma_space_create(&space);

	return error != 0 ? error : call_return_object(call, &space->object);
}

/* What attaching and detaching share: the authority, the dma-space, the device. */
static int dma_find_device(
	struct call *call, struct dma_space **out_space, struct hel_dma_device *out_device)
{
	struct object *object;
	int error = call_check_authority(call, 0, HEL_RIGHT_MANAGE);

	if (error == 0) {
		error = arch_copy_from_user(
			out_device, call_argument(call, 2), sizeof(*out_device));
	}
	if (error == 0 && out_device->reserved != 0) {
		error = -ERR_ILLEGAL_ARGS;
	}
	if (error == 0) {
		error = call_lookup(call, 1, HEL_TYPE_DMA_SPACE, HEL_RIGHT_MANAGE, &object);
	}
	if (error == 0) {
		*out_space = dma_space_of(object);
	}
	return error;
}

int call_dma_space_attach(struct call *call)
{
	struct hel_dma_device device;
	struct dma_space *space;
	int error = dma_find_device(call, &space, &device);

	if (error == 0) {
		error = dma_space_attach(space, &device);
		object_unref(&space->object);
	}
	return error;
}

int call_dma_space_detach(struct call *call)
{
	struct hel_dma_device device;
	struct dma_space *space;
	int error = dma_find_device(call, &space, &device);

	if (error == 0) {
		error = dma_space_detach(space, &device);
		object_unref(&space->object);
	}
	return error;
}

static int dma_find_memory(struct call *call, const struct hel_dma_map_args *args,
	struct object **out_memory, struct grant **out_grant)
{
	uint32_t rights = HEL_RIGHT_PIN;

	if ((args->flags & HEL_DMA_READ) != 0) {
		rights |= HEL_RIGHT_READ;
	}
	if ((args->flags & HEL_DMA_WRITE) != 0) {
		rights |= HEL_RIGHT_WRITE;
	}
	return universe_lookup_granted(call->thread->universe, args->memory, HEL_TYPE_MEMORY,
		rights, out_memory, out_grant);
}

/* @others: flags that the call takes besides the access */
static bool dma_is_valid(const struct hel_dma_map_args *args, uint32_t others)
{
	constexpr uint32_t access = HEL_DMA_READ | HEL_DMA_WRITE;

	return args->reserved == 0 && (args->flags & access) != 0 &&
		(args->flags & ~(access | others)) == 0;
}

/* What mapping takes: all of it is referenced. */
struct dma_call {
	struct hel_dma_map_args args;
	struct dma_space *space;
	struct memory *memory;
	struct dma_builder builder;
};

static int dma_call_begin(struct call *call, struct dma_call *dma, uint32_t other_flags)
{
	struct object *space, *memory;
	int error = arch_copy_from_user(&dma->args, call_argument(call, 0), sizeof(dma->args));

	if (error != 0) {
		return error;
	}
	if (!dma_is_valid(&dma->args, other_flags)) {
		return -ERR_ILLEGAL_ARGS;
	}
	error = universe_lookup(call->thread->universe, dma->args.dma_space, HEL_TYPE_DMA_SPACE,
		HEL_RIGHT_MAP, &space);
	if (error != 0) {
		return error;
	}
	dma->builder = (struct dma_builder){ .thread = call->thread->object.identity };
	error = dma_find_memory(call, &dma->args, &memory, &dma->builder.grant);
	if (error != 0) {
		object_unref(space);
		return error;
	}
	dma->space = dma_space_of(space);
	dma->memory = (struct memory *)memory;
	return 0;
}

static int dma_call_end(const struct dma_call *dma, int error)
{
	object_unref((struct object *)dma->memory);
	grant_unref(dma->builder.grant);
	object_unref(&dma->space->object);
	return error == DMA_MORE ? CALL_RESTART : error;
}

int call_dma_map(struct call *call)
{
	struct dma_call dma;
	int error = dma_call_begin(call, &dma, HEL_DMA_FIXED);

	if (error != 0) {
		return error;
	}
	return dma_call_end(
		&dma, dma_space_map(dma.space, dma.memory, &dma.args, &dma.builder, &call->value));
}

/* The addresses to the caller; who cannot be told them has no mapping. */
static int dma_tell_pages(
	const struct call *call, const struct dma_call *dma, const uint64_t *pages)
{
	size_t size = dma->args.size_bytes / HEL_PAGE_SIZE * sizeof(pages[0]);
	int error = arch_copy_to_user(call_argument(call, 1), pages, size);

	if (error != 0) {
		/* a few slices: there are DMA_PAGES_MAX at most */
		while (dma_space_unmap(dma->space, call->value, dma->args.size_bytes) == DMA_MORE) {
		}
	}
	return error;
}

int call_dma_map_pages(struct call *call)
{
	uint64_t pages[DMA_PAGES_MAX];
	struct dma_call dma;
	int error = dma_call_begin(call, &dma, HEL_DMA_PHYSICAL);

	if (error != 0) {
		return error;
	}
	uint64_t size = dma.args.size_bytes;

	if (size == 0 || !is_aligned(dma.args.offset | size, HEL_PAGE_SIZE) ||
		size > DMA_PAGES_MAX * HEL_PAGE_SIZE ||
		call_argument(call, 2) != size / HEL_PAGE_SIZE) {
		return dma_call_end(&dma, -ERR_ILLEGAL_ARGS);
	}
	dma.builder.is_scattered = true;
	error = dma_space_map_pages(
		dma.space, dma.memory, &dma.args, &dma.builder, pages, &call->value);
	if (error == 0) {
		error = dma_tell_pages(call, &dma, pages);
	}
	return dma_call_end(&dma, error);
}

int call_dma_unmap(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_DMA_SPACE, HEL_RIGHT_MAP, &object);

	if (error == 0) {
		error = dma_space_unmap(
			dma_space_of(object), call_argument(call, 1), call_argument(call, 2));
		object_unref(object);
	}
	return error == DMA_MORE ? CALL_RESTART : error;
}

int call_dma_space_info(struct call *call)
{
	struct hel_dma_space_info info;
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_DMA_SPACE, HEL_RIGHT_READ, &object);

	if (error != 0) {
		return error;
	}
	dma_space_get_info(dma_space_of(object), &info);
	object_unref(object);
	return arch_copy_to_user(call_argument(call, 1), &info, sizeof(info));
}

int call_dma_space_event(struct call *call)
{
	struct object *object;
	struct grant *grant;
	int error =
		call_lookup_source(call, 0, HEL_TYPE_DMA_SPACE, HEL_RIGHT_WAIT, &object, &grant);

	if (error != 0) {
		return error;
	}
	struct object *event = &dma_space_of(object)->fault_event->object;

	object_ref(event);
	object_unref(object);
	return call_return_derived(call, 0, event, HEL_RIGHT_WAIT | HEL_RIGHT_DERIVE, grant);
}
