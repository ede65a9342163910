/* SPDX-License-Identifier: MIT */
/* Validating reader of ELF executables: see elf-read.h. */
#include <base/errors.h>
#include <base/string.h>
#include <elf/elf-read.h>

/* Whether [offset, offset + size) lies within [0, end). */
static bool elf_is_within(uint64_t offset, uint64_t size, uint64_t end)
{
	return offset <= end && size <= end - offset;
}

static int elf_check_header(const struct elf_header *header, const struct elf_options *options)
{
	if (memcmp(header->ident, ELF_MAGIC, 4) != 0) {
		return -ERR_PROTOCOL;
	}
	if (header->ident[ELF_IDENT_CLASS] != ELF_CLASS_64 ||
		header->ident[ELF_IDENT_DATA] != ELF_DATA_LITTLE_ENDIAN ||
		header->machine != options->machine) {
		return -ERR_UNSUPPORTED;
	}
	if (header->type != ELF_TYPE_EXECUTABLE && header->type != ELF_TYPE_SHARED) {
		return -ERR_UNSUPPORTED;
	}
	if (header->ident[ELF_IDENT_VERSION] != ELF_VERSION_CURRENT ||
		header->version != ELF_VERSION_CURRENT ||
		header->program_entry_size != sizeof(struct elf_program) ||
		header->n_programs == 0 || header->n_programs > ELF_PROGRAMS_MAX) {
		return -ERR_PROTOCOL;
	}
	return 0;
}

/* Check one LOAD header against the file, the address range and its predecessor, and append it. */
static int elf_add_segment(
	const struct elf_program *program, const struct elf_options *options, struct elf_info *info)
{
	uint64_t vaddr_min = options->vaddr_start;

	if (info->n_segments > 0) {
		const struct elf_segment *previous = &info->segments[info->n_segments - 1];

		vaddr_min = previous->vaddr + previous->memory_size;
	}
	if (program->file_size > program->memory_size ||
		!elf_is_within(program->offset, program->file_size, options->file_size)) {
		return -ERR_PROTOCOL;
	}
	if (program->vaddr < vaddr_min ||
		!elf_is_within(program->vaddr, program->memory_size, options->vaddr_end)) {
		return -ERR_PROTOCOL;
	}
	if (program->alignment != 0 && !is_power_of_two(program->alignment)) {
		return -ERR_PROTOCOL;
	}
	if ((program->vaddr - program->offset) % ELF_PAGE_SIZE != 0 && program->file_size > 0) {
		return -ERR_PROTOCOL;
	}
	if (program->memory_size == 0) {
		return 0; /* takes no room: nothing to load */
	}
	info->segments[info->n_segments++] = (struct elf_segment){
		.vaddr = program->vaddr,
		.memory_size = program->memory_size,
		.offset = program->offset,
		.file_size = program->file_size,
		.alignment = max_u64(program->alignment, 1),
		.flags = program->flags,
	};
	return 0;
}

/* Record the one header of its kind; a second one or one outside the file is an error. */
static int elf_set_extent(const struct elf_program *program, const struct elf_options *options,
	struct elf_extent *extent)
{
	if (extent->size != 0 || program->file_size == 0 ||
		!elf_is_within(program->offset, program->file_size, options->file_size)) {
		return -ERR_PROTOCOL;
	}
	*extent = (struct elf_extent){ .offset = program->offset, .size = program->file_size };
	return 0;
}

static int elf_take_program(
	const struct elf_program *program, const struct elf_options *options, struct elf_info *info)
{
	switch (program->type) {
	case ELF_PROGRAM_LOAD: return elf_add_segment(program, options, info);
	case ELF_PROGRAM_INTERP: return elf_set_extent(program, options, &info->interpreter);
	case ELF_PROGRAM_DYNAMIC: return elf_set_extent(program, options, &info->dynamic);
	case ELF_PROGRAM_GNU_STACK: info->stack_flags = program->flags; return 0;
	default: return 0;
	}
}

/* What follows from the segments taken together. */
static int elf_finish(const struct elf_header *header, struct elf_info *info)
{
	uint64_t table_size = header->n_programs * sizeof(struct elf_program);

	if (info->n_segments == 0) {
		return -ERR_PROTOCOL;
	}
	const struct elf_segment *last = &info->segments[info->n_segments - 1];

	info->vaddr_start = align_down(info->segments[0].vaddr, ELF_PAGE_SIZE);
	info->vaddr_end = align_up(last->vaddr + last->memory_size, ELF_PAGE_SIZE);
	for (size_t i = 0; i < info->n_segments; i++) {
		const struct elf_segment *segment = &info->segments[i];

		if (header->program_offset >= segment->offset &&
			elf_is_within(header->program_offset - segment->offset, table_size,
				segment->file_size)) {
			info->phdr_vaddr =
				segment->vaddr + header->program_offset - segment->offset;
			break;
		}
	}
	return 0;
}

int elf_parse_with(const void *image, size_t size, const struct elf_options *options,
	struct elf_info *out_info)
{
	struct elf_header header;
	struct elf_info info = { .stack_flags = ELF_FLAG_READ | ELF_FLAG_WRITE };

	if (size < sizeof(header)) {
		return -ERR_PROTOCOL;
	}
	memcpy(&header, image, sizeof(header));
	int error = elf_check_header(&header, options);

	if (error != 0) {
		return error;
	}
	if (!elf_is_within(
		    header.program_offset, header.n_programs * sizeof(struct elf_program), size)) {
		return -ERR_PROTOCOL;
	}
	info.machine = header.machine;
	info.is_position_independent = header.type == ELF_TYPE_SHARED;
	info.entry = header.entry;
	info.n_programs = header.n_programs;
	for (size_t i = 0; i < header.n_programs; i++) {
		struct elf_program program;

		memcpy(&program,
			(const uint8_t *)image + header.program_offset + i * sizeof(program),
			sizeof(program));
		error = elf_take_program(&program, options, &info);
		if (error != 0) {
			return error;
		}
	}
	error = elf_finish(&header, &info);
	if (error == 0) {
		*out_info = info;
	}
	return error;
}

int elf_parse(const void *image, size_t size, struct elf_info *out_info)
{
	return elf_parse_with(image, size,
		&(struct elf_options){
			.machine = ELF_MACHINE_NATIVE,
			.file_size = size,
			.vaddr_start = 0,
			.vaddr_end = ELF_USER_END,
		},
		out_info);
}
