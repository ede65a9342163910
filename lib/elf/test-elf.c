/* SPDX-License-Identifier: MIT */
/* Tests of elf/elf-read.h: this very program, a hand-made file, and many broken ones. */
#include <base/errors.h>
#include <base/random.h>
#include <base/testing.h>
#include <elf/elf-read.h>

#define IMAGE_SIZE 0x3000

struct image {
	struct elf_header header;
	struct elf_program programs[5];
	uint8_t rest[IMAGE_SIZE - sizeof(struct elf_header) - 5 * sizeof(struct elf_program)];
};

static void image_fill(struct image *image)
{
	memset(image, 0, sizeof(*image));
	image->header = (struct elf_header){
		.ident = { 0x7f, 'E', 'L', 'F', ELF_CLASS_64, ELF_DATA_LITTLE_ENDIAN, 1 },
		.type = ELF_TYPE_EXECUTABLE,
		.machine = ELF_MACHINE_NATIVE,
		.version = 1,
		.entry = 0x401000,
		.program_offset = offsetof(struct image, programs),
		.header_size = sizeof(struct elf_header),
		.program_entry_size = sizeof(struct elf_program),
		.n_programs = ARRAY_SIZE(image->programs),
	};
	image->programs[0] = (struct elf_program){
		.type = ELF_PROGRAM_LOAD,
		.flags = ELF_FLAG_READ,
		.vaddr = 0x400000,
		.file_size = 0x1000,
		.memory_size = 0x1000,
		.alignment = 0x1000,
	};
	image->programs[1] = (struct elf_program){
		.type = ELF_PROGRAM_LOAD,
		.flags = ELF_FLAG_READ | ELF_FLAG_EXECUTE,
		.offset = 0x1000,
		.vaddr = 0x401000,
		.file_size = 0x800,
		.memory_size = 0x800,
		.alignment = 0x1000,
	};
	image->programs[2] = (struct elf_program){
		.type = ELF_PROGRAM_LOAD,
		.flags = ELF_FLAG_READ | ELF_FLAG_WRITE,
		.offset = 0x1800,
		.vaddr = 0x402800,
		.file_size = 0x100,
		.memory_size = 0x5000,
		.alignment = 0x1000,
	};
	image->programs[3] = (struct elf_program){
		.type = ELF_PROGRAM_INTERP,
		.offset = 0x2000,
		.file_size = 28,
		.memory_size = 28,
	};
	image->programs[4] = (struct elf_program){ .type = ELF_PROGRAM_GNU_STACK, .flags = 7 };
}

TEST(hand_made_file)
{
	static struct image image;
	struct elf_info info;

	image_fill(&image);
	CHECK_EQ(elf_parse(&image, sizeof(image), &info), 0);
	CHECK_EQ(info.n_segments, 3);
	CHECK_EQ(info.entry, 0x401000);
	CHECK(!info.is_position_independent);
	CHECK_EQ(info.vaddr_start, 0x400000);
	CHECK_EQ(info.vaddr_end, 0x408000);
	CHECK_EQ(info.phdr_vaddr, 0x400040);
	CHECK_EQ(info.interpreter.offset, 0x2000);
	CHECK_EQ(info.interpreter.size, 28);
	CHECK_EQ(info.dynamic.size, 0);
	CHECK_EQ(info.stack_flags, 7);
	CHECK_EQ(info.segments[2].vaddr, 0x402800);
	CHECK_EQ(info.segments[2].file_size, 0x100);
	CHECK_EQ(info.segments[2].memory_size, 0x5000);
}

TEST(beginning_of_a_longer_file)
{
	static struct image image;
	struct elf_info info;
	struct elf_options options = {
		.machine = ELF_MACHINE_NATIVE,
		.file_size = sizeof(image),
		.vaddr_end = ELF_USER_END,
	};

	image_fill(&image);
	CHECK_EQ(elf_parse(&image, 1024, &info), -ERR_PROTOCOL);
	CHECK_EQ(elf_parse_with(&image, 1024, &options, &info), 0);
	options.vaddr_start = 0x400001;
	CHECK_EQ(elf_parse_with(&image, 1024, &options, &info), -ERR_PROTOCOL);
}

/* Break one thing in a good file and expect the error. */
#define CHECK_BROKEN(expected, change) \
	do { \
		static struct image image; \
		struct elf_info info = { .entry = 77 }; \
		image_fill(&image); \
		change; \
		CHECK_EQ(elf_parse(&image, sizeof(image), &info), expected); \
		CHECK_EQ(info.entry, 77); \
	} while (0)

TEST(broken_headers)
{
	CHECK_BROKEN(-ERR_PROTOCOL, image.header.ident[0] = 'E');
	CHECK_BROKEN(-ERR_UNSUPPORTED, image.header.ident[ELF_IDENT_CLASS] = 1);
	CHECK_BROKEN(-ERR_UNSUPPORTED, image.header.machine = ELF_MACHINE_BPF);
	CHECK_BROKEN(-ERR_UNSUPPORTED, image.header.type = ELF_TYPE_RELOCATABLE);
	CHECK_BROKEN(-ERR_PROTOCOL, image.header.version = 2);
	CHECK_BROKEN(-ERR_PROTOCOL, image.header.program_entry_size = 55);
	CHECK_BROKEN(-ERR_PROTOCOL, image.header.n_programs = 0);
	CHECK_BROKEN(-ERR_PROTOCOL, image.header.n_programs = 65);
	CHECK_BROKEN(-ERR_PROTOCOL, image.header.program_offset = UINT64_MAX - 8);
	CHECK_BROKEN(-ERR_PROTOCOL, image.header.program_offset = IMAGE_SIZE - 8);
}

TEST(broken_segments)
{
	CHECK_BROKEN(-ERR_PROTOCOL, image.programs[1].offset = UINT64_MAX - 0xfff);
	CHECK_BROKEN(-ERR_PROTOCOL, image.programs[1].file_size = 0x801);
	CHECK_BROKEN(-ERR_PROTOCOL,
		image.programs[2].file_size = image.programs[2].memory_size = IMAGE_SIZE);
	CHECK_BROKEN(-ERR_PROTOCOL, image.programs[2].memory_size = UINT64_MAX);
	CHECK_BROKEN(-ERR_PROTOCOL, image.programs[2].vaddr = 0xffffffff80000800);
	CHECK_BROKEN(-ERR_PROTOCOL, image.programs[1].alignment = 3);
	CHECK_BROKEN(-ERR_PROTOCOL, image.programs[1].vaddr += 8);
	CHECK_BROKEN(-ERR_PROTOCOL, image.programs[1].vaddr = 0x400000);
	CHECK_BROKEN(-ERR_PROTOCOL, image.programs[3].file_size = IMAGE_SIZE);
	CHECK_BROKEN(-ERR_PROTOCOL, image.programs[4].type = ELF_PROGRAM_INTERP);
	CHECK_BROKEN(-ERR_PROTOCOL,
		image.programs[0].type = image.programs[1].type = image.programs[2].type =
			ELF_PROGRAM_NOTE);
}

/* Touch everything that the reader promises to be within the file. */
static void use_segments(const uint8_t *image, const struct elf_info *info)
{
	uint64_t end = 0;
	uint8_t sum = 0;

	for (size_t i = 0; i < info->n_segments; i++) {
		const struct elf_segment *segment = &info->segments[i];

		CHECK(segment->vaddr >= end);
		CHECK(segment->vaddr + segment->memory_size > segment->vaddr);
		end = segment->vaddr + segment->memory_size;
		CHECK(end <= ELF_USER_END);
		CHECK(segment->file_size <= segment->memory_size);
		for (uint64_t at = 0; at < segment->file_size; at++) {
			sum ^= image[segment->offset + at];
		}
	}
	for (uint64_t at = 0; at < info->interpreter.size; at++) {
		sum ^= image[info->interpreter.offset + at];
	}
	(void)sum;
}

TEST(random_mutations)
{
	struct random random;
	size_t n_accepted = 0;

	random_init(&random, test_seed(5));
	for (int round = 0; round < 5000; round++) {
		struct image *image = malloc(sizeof(*image));
		struct elf_info info;
		size_t n_headers = offsetof(struct image, rest);

		image_fill(image);
		for (uint64_t n = random_between(&random, 1, 6); n > 0; n--) {
			((uint8_t *)image)[random_below(&random, n_headers)] =
				(uint8_t)(random_chance(&random, 3) ? 0xff : random_u64(&random));
		}
		if (elf_parse(image, sizeof(*image), &info) == 0) {
			use_segments((uint8_t *)image, &info);
			n_accepted++;
		}
		free(image);
	}
	CHECK(n_accepted > 0 && n_accepted < 5000);
}

TEST(truncated_anywhere)
{
	static struct image image;

	image_fill(&image);
	for (size_t size = 0; size < sizeof(image); size += 7) {
		uint8_t *copy = malloc(size);
		struct elf_info info;

		memcpy(copy, &image, size);
		if (elf_parse(copy, size, &info) == 0) {
			use_segments(copy, &info);
		}
		free(copy);
	}
}

TEST(this_program)
{
	FILE *file = fopen("/proc/self/exe", "rb");
	struct elf_info info;

	CHECK(file != NULL);
	CHECK_EQ(fseek(file, 0, SEEK_END), 0);
	size_t size = (size_t)ftell(file);
	uint8_t *image = malloc(size);

	rewind(file);
	CHECK_EQ(fread(image, 1, size, file), size);
	fclose(file);
	CHECK_EQ(elf_parse(image, size, &info), 0);
	use_segments(image, &info);
	CHECK(info.interpreter.size > 0);
	CHECK(info.phdr_vaddr != 0);
	free(image);
}

TEST_MAIN()
