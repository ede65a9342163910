/* SPDX-License-Identifier: MIT */
/* libFuzzer target: ELF files. What is accepted keeps its promises. */
#include <base/assert.h>
#include <elf/elf-read.h>

#include <stdlib.h>

void assert_fail(UNUSED const char *file, UNUSED int line, UNUSED const char *expression)
{
	abort();
}

static void check_extent(const struct elf_extent *extent, uint64_t size)
{
	ASSERT(extent->size == 0 || extent->offset <= size);
	ASSERT(extent->size == 0 || extent->size <= size - extent->offset);
}

static void check(const struct elf_info *info, uint64_t file_size)
{
	uint64_t previous_end = 0;

	ASSERT(info->n_segments >= 1);
	ASSERT(info->n_segments <= ELF_PROGRAMS_MAX);
	check_extent(&info->interpreter, file_size);
	for (size_t i = 0; i < info->n_segments; i++) {
		const struct elf_segment *segment = &info->segments[i];

		ASSERT(segment->memory_size > 0);
		ASSERT(segment->file_size <= segment->memory_size);
		ASSERT(segment->file_size == 0 || segment->offset <= file_size);
		ASSERT(segment->file_size == 0 ||
			segment->file_size <= file_size - segment->offset);
		ASSERT(segment->vaddr >= previous_end);
		ASSERT(segment->vaddr < ELF_USER_END);
		ASSERT(segment->memory_size <= ELF_USER_END - segment->vaddr);
		ASSERT(segment->vaddr % ELF_PAGE_SIZE == segment->offset % ELF_PAGE_SIZE ||
			segment->file_size == 0);
		ASSERT(is_power_of_two(segment->alignment));
		ASSERT(segment->vaddr >= info->vaddr_start);
		previous_end = segment->vaddr + segment->memory_size;
		ASSERT(previous_end <= info->vaddr_end);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_info *info = malloc(sizeof(*info));

	if (elf_parse(data, size, info) == 0) {
		check(info, size);
	}
	free(info);
	return 0;
}
