/* SPDX-License-Identifier: MIT */
/*
 * Making a native program: see spawn.h.
 *
 * What the program's addresses look like:
 *
 *	0x400000 ...     the ELF file's segments, each a memory of its own with its permissions
 *	STACK_LOW        the first thread's stack; nothing is mapped below it
 *	START_ADDRESS    the start page
 */
#include "spawn.h"

#include <base/errors.h>
#include <base/string.h>
#include <elf/elf-read.h>
#include <hel/hel-calls.h>
#include <helix/memory.h>

#define START_ADDRESS UINT64_C(0x700000000000)
#define START_SIZE    (4 * HEL_PAGE_SIZE)
#define STACK_LOW     UINT64_C(0x6fff00000000)
#define STACK_SIZE    KIB(64)

/* ---- segments -------------------------------------------------------------------------------- */

static uint32_t segment_map_flags(uint32_t flags)
{
	return ((flags & ELF_FLAG_READ) != 0 ? HEL_MAP_READ : 0u) |
		((flags & ELF_FLAG_WRITE) != 0 ? HEL_MAP_WRITE : 0u) |
		((flags & ELF_FLAG_EXECUTE) != 0 ? HEL_MAP_EXECUTE : 0u);
}

/* Map @memory, which is ours, and give up our handle. */
static int spawn_map(
	hel_handle space, hel_handle memory, uint64_t address, uint64_t size_bytes, uint32_t flags)
{
	const struct hel_map_args args = {
		.space = space,
		.memory = memory,
		.address = address,
		.size_bytes = size_bytes,
		.flags = flags | HEL_MAP_FIXED_NOREPLACE,
	};
	uint64_t mapped;
	int error = hel_space_map(&args, &mapped);

	hel_close(HEL_THIS, memory);
	return error;
}

static int spawn_segment(hel_handle space, const uint8_t *image, const struct elf_segment *segment)
{
	uint64_t start = align_down(segment->vaddr, HEL_PAGE_SIZE);
	uint64_t end = align_up(segment->vaddr + segment->memory_size, HEL_PAGE_SIZE);
	hel_handle memory;
	int error;

	if ((segment->flags & ELF_FLAG_WRITE) != 0 && (segment->flags & ELF_FLAG_EXECUTE) != 0) {
		return -ERR_UNSUPPORTED;
	}
	error = hel_memory_allocate(end - start, 0, &memory);
	if (error != 0) {
		return error;
	}
	error = hel_memory_write(
		memory, segment->vaddr - start, image + segment->offset, segment->file_size);
	if (error != 0) {
		hel_close(HEL_THIS, memory);
		return error;
	}
	return spawn_map(space, memory, start, end - start, segment_map_flags(segment->flags));
}

static int spawn_image(const struct svrctl_program *program, hel_handle space, uint64_t *out_entry)
{
	struct elf_info *info = helix_malloc(sizeof(*info));
	int error;

	if (info == NULL) {
		return -ERR_NO_MEMORY;
	}
	error = elf_parse(program->image, program->image_size, info);
	if (error == 0 && info->is_position_independent) {
		error = -ERR_UNSUPPORTED;
	}
	for (size_t i = 0; error == 0 && i < info->n_segments; i++) {
		/* two segments in one page: the second one's mapping says -ERR_EXISTS */
		error = spawn_segment(space, program->image, &info->segments[i]);
	}
	*out_entry = info->entry;
	helix_free(info);
	return error;
}

static int spawn_stack(hel_handle space, uint64_t *out_sp)
{
	hel_handle memory;
	int error = hel_memory_allocate(STACK_SIZE, 0, &memory);

	if (error != 0) {
		return error;
	}
	*out_sp = STACK_LOW + STACK_SIZE - 8; /* as after a call */
	return spawn_map(space, memory, STACK_LOW, STACK_SIZE, HEL_MAP_READ | HEL_MAP_WRITE);
}

/* ---- the start page -------------------------------------------------------------------------- */

/* The start page while it is being written. */
struct page_writer {
	uint8_t *data; /* START_SIZE bytes */
	size_t used;
	bool is_full;
};

/* Room for @size bytes, aligned to 8; its offset. */
static size_t page_reserve(struct page_writer *writer, size_t size)
{
	size_t offset = writer->used;

	if (size > START_SIZE - offset) {
		writer->is_full = true;
		return 0;
	}
	writer->used += align_up_size(size, 8);
	return offset;
}

/* A copy of a string; its address in the program. */
static uint64_t page_add_string(struct page_writer *writer, const char *text)
{
	size_t size = strlen(text) + 1;
	size_t offset = page_reserve(writer, size);

	if (writer->is_full) {
		return 0;
	}
	memcpy(writer->data + offset, text, size);
	return START_ADDRESS + offset;
}

static uint64_t page_add_arguments(
	struct page_writer *writer, const char *const *arguments, size_t n_arguments)
{
	size_t offset = page_reserve(writer, (n_arguments + 1) * sizeof(uint64_t));

	for (size_t i = 0; i < n_arguments; i++) {
		uint64_t address = page_add_string(writer, arguments[i]);

		if (!writer->is_full) {
			memcpy(writer->data + offset + i * sizeof(address), &address,
				sizeof(address));
		}
	}
	return START_ADDRESS + offset;
}

static int page_add_grants(
	struct page_writer *writer, const struct svrctl_program *program, hel_handle universe)
{
	struct hel_start *start = (struct hel_start *)writer->data;

	for (size_t i = 0; i < program->n_grants; i++) {
		const struct svrctl_grant *grant = &program->grants[i];
		struct hel_start_handle *handle = &start->handles[i];
		int error = hel_transfer(
			HEL_THIS, grant->handle, universe, grant->rights, &handle->handle);

		if (error != 0) {
			return error;
		}
		str_copy(handle->name, sizeof(handle->name), grant->name);
		handle->value = grant->value;
	}
	start->n_handles = (uint32_t)program->n_grants;
	return 0;
}

static int spawn_write_start(
	const struct svrctl_program *program, hel_handle universe, struct page_writer *writer)
{
	struct hel_start *start = (struct hel_start *)writer->data;

	page_reserve(writer,
		sizeof(struct hel_start) + program->n_grants * sizeof(struct hel_start_handle));
	if (writer->is_full) {
		return -ERR_NO_SPACE;
	}
	start->magic = HEL_START_MAGIC;
	start->version = HEL_START_VERSION;
	start->argc = (uint32_t)program->n_arguments;
	start->argv = page_add_arguments(writer, program->arguments, program->n_arguments);
	start->command_line = page_add_string(writer, program->command_line);
	start->n_cpus = program->n_cpus;
	start->rsdp_phys = program->rsdp_phys;
	start->size_bytes = (uint32_t)writer->used;
	if (writer->is_full) {
		return -ERR_NO_SPACE;
	}
	return page_add_grants(writer, program, universe);
}

static int spawn_start_page(
	const struct svrctl_program *program, hel_handle universe, hel_handle space)
{
	struct page_writer writer = { .data = helix_calloc(1, START_SIZE) };
	hel_handle memory;
	int error;

	if (writer.data == NULL) {
		return -ERR_NO_MEMORY;
	}
	error = spawn_write_start(program, universe, &writer);
	if (error == 0) {
		error = hel_memory_allocate(START_SIZE, 0, &memory);
	}
	if (error == 0) {
		error = hel_memory_write(memory, 0, writer.data, writer.used);
		if (error != 0) {
			hel_close(HEL_THIS, memory);
		}
	}
	if (error == 0) {
		error = spawn_map(
			space, memory, START_ADDRESS, START_SIZE, HEL_MAP_READ | HEL_MAP_WRITE);
	}
	helix_free(writer.data);
	return error;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int spawn_thread(const struct svrctl_program *program, hel_handle universe, hel_handle space,
	hel_handle *out_thread)
{
	struct hel_thread_args args = {
		.universe = universe,
		.space = space,
		.argument = START_ADDRESS,
	};
	int error = spawn_image(program, space, &args.ip);

	if (error == 0) {
		error = spawn_stack(space, &args.sp);
	}
	if (error == 0) {
		error = spawn_start_page(program, universe, space);
	}
	if (error == 0) {
		error = hel_thread_create(&args, out_thread);
	}
	return error;
}

int svrctl_spawn(const struct svrctl_program *program, hel_handle *out_thread)
{
	hel_handle universe;
	hel_handle space;
	int error = hel_universe_create(&universe);

	if (error != 0) {
		return error;
	}
	error = hel_space_create(universe, &space);
	if (error == 0) {
		error = spawn_thread(program, universe, space, out_thread);
		hel_close(HEL_THIS, space);
	}
	hel_close(HEL_THIS, universe);
	return error;
}
