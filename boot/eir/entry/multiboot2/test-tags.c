/* SPDX-License-Identifier: MIT */
/* Tests of the tags: what GRUB says is understood, and whatever else comes is refused. */
#include "tags.h"

#include <base/random.h>
#include <base/testing.h>

#include <stdlib.h>
#include <string.h>

/* Information that is being written: 8 bytes aligned, as loaders place it. */
struct info {
	ALIGNED(8) uint8_t data[1024];
	uint32_t size;
};

static void put(struct info *info, const void *data, size_t size)
{
	if (size > 0) {
		memcpy(&info->data[info->size], data, size);
	}
	info->size += (uint32_t)size;
}

static void put_tag(struct info *info, uint32_t type, const void *data, uint32_t size)
{
	uint32_t head[2] = { type, 8 + size };

	put(info, head, sizeof(head));
	put(info, data, size);
	info->size = (uint32_t)align_up(info->size, 8);
}

static void begin(struct info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = 8;
}

static void end(struct info *info)
{
	put_tag(info, 0, NULL, 0);
	memcpy(info->data, &info->size, sizeof(info->size));
}

/* As the loader of a machine with two ranges of RAM would say it. */
static void fill(struct info *info)
{
	static const uint32_t module[2] = { 0x800000, 0x900001 };
	static const struct {
		uint32_t entry_size, version;
		uint64_t entries[3][3];
	} memory = { 24, 0,
		{ { 0, 0x9fc00, 1 }, { 0xf0000, 0x10000, 2 }, { 0x100000, 0x7f00000, 1 } } };
	static const struct PACKED {
		uint64_t address;
		uint32_t pitch, width, height;
		uint8_t bits, type;
		uint16_t reserved;
		uint8_t colours[6];
	} framebuffer = { 0xfd000000, 4096, 1024, 768, 32, 1, 0, { 16, 8, 8, 8, 0, 8 } };
	uint8_t rsdp[36];

	begin(info);
	put_tag(info, 1, "root=/dev/vda rw", 17);
	put_tag(info, 2, "a loader", 9);
	put_tag(info, 3, module, sizeof(module));
	put_tag(info, 6, &memory, sizeof(memory));
	put_tag(info, 8, &framebuffer, sizeof(framebuffer));
	memset(rsdp, 'o', sizeof(rsdp));
	put_tag(info, 14, rsdp, 20);
	memset(rsdp, 'n', sizeof(rsdp));
	put_tag(info, 15, rsdp, 36);
	end(info);
}

/* Reads a copy that has no byte more than it says. */
static const char *read_exactly(const void *data, size_t size, struct boot_source *source)
{
	void *copy = malloc(size);
	const char *why;

	memcpy(copy, data, size);
	memset(source, 0, sizeof(*source));
	why = tags_read(copy, size, source);
	if (why == NULL && source->command_line != NULL) {
		CHECK(strlen(source->command_line) < size);
	}
	source->command_line = NULL;
	free(copy);
	return why;
}

static const char *read_info(const struct info *info)
{
	static struct boot_source source;

	return read_exactly(info->data, info->size, &source);
}

TEST(what_a_loader_says_is_understood)
{
	static struct boot_source source;
	static struct info info;

	fill(&info);
	CHECK(tags_read(info.data, sizeof(info.data), &source) == NULL);
	CHECK(strcmp(source.command_line, "root=/dev/vda rw") == 0);
	CHECK_EQ(source.initrd_phys, 0x800000u);
	CHECK_EQ(source.initrd_size, 0x100001u);
	CHECK_EQ(source.n_memory, 3u);
	CHECK_EQ(source.memory[0].type, (uint32_t)BOOT_MEMORY_FREE);
	CHECK_EQ(source.memory[1].type, (uint32_t)BOOT_MEMORY_RESERVED);
	CHECK_EQ(source.memory[2].address, 0x100000u);
	CHECK_EQ(source.memory[2].size_bytes, 0x7f00000u);
	CHECK_EQ(source.framebuffer.address_phys, 0xfd000000u);
	CHECK_EQ(source.framebuffer.width, 1024u);
	CHECK_EQ(source.framebuffer.height, 768u);
	CHECK_EQ(source.framebuffer.pitch, 4096u);
	CHECK_EQ(source.framebuffer.bits_per_pixel, 32u);
	CHECK_EQ(source.rsdp_size, 36u);
	CHECK_EQ(source.rsdp[35], 'n');
}

TEST(sizes_that_cannot_be_are_refused)
{
	static struct boot_source source;
	static struct info info;
	uint32_t size;

	fill(&info);
	for (size = 0; size < info.size; size++) {
		CHECK(read_exactly(info.data, size, &source) != NULL);
	}
	for (size = 0; size < info.size; size++) {
		memcpy(info.data, &size, sizeof(size));
		CHECK(tags_read(info.data, sizeof(info.data), &source) != NULL);
	}
	begin(&info);
	put_tag(&info, 99, NULL, 0);
	end(&info);
	CHECK(read_info(&info) == NULL);
	for (size = 0; size < 8; size++) {
		memcpy(&info.data[12], &size, sizeof(size));
		CHECK(read_info(&info) != NULL);
	}
	size = UINT32_MAX;
	memcpy(&info.data[12], &size, sizeof(size));
	CHECK(read_info(&info) != NULL);
}

TEST(wrong_contents_are_refused)
{
	static const uint32_t backward[2] = { 0x900000, 0x800000 }, module[2] = { 1, 2 };
	static const uint32_t entry_sizes[] = { 0, 8, 23 };
	static struct info info;

	begin(&info);
	put_tag(&info, 1, "no end", 6);
	end(&info);
	CHECK(read_info(&info) != NULL);
	begin(&info);
	put_tag(&info, 1, NULL, 0);
	end(&info);
	CHECK(read_info(&info) != NULL);
	begin(&info);
	put_tag(&info, 3, backward, sizeof(backward));
	end(&info);
	CHECK(read_info(&info) != NULL);
	begin(&info);
	put_tag(&info, 3, module, sizeof(module));
	put_tag(&info, 3, module, sizeof(module));
	end(&info);
	CHECK(read_info(&info) != NULL);
	for (size_t i = 0; i < ARRAY_SIZE(entry_sizes); i++) {
		uint32_t memory[8] = { entry_sizes[i] };

		begin(&info);
		put_tag(&info, 6, memory, sizeof(memory));
		end(&info);
		CHECK(read_info(&info) != NULL);
	}
}

TEST(random_bytes_do_no_harm)
{
	static struct boot_source source;
	static struct info info;
	struct random random;

	for (uint64_t seed = 0; seed < 20000; seed++) {
		random_init(&random, seed);
		fill(&info);
		for (uint64_t n = 1 + random_below(&random, 4); n > 0; n--) {
			info.data[random_below(&random, info.size)] =
				(uint8_t)random_below(&random, seed % 2 == 0 ? 256 : 4);
		}
		(void)!read_exactly(info.data, info.size, &source);
		CHECK(source.n_memory <= BOOT_MEMORY_MAX);
		CHECK(source.rsdp_size <= sizeof(source.rsdp));
	}
}

TEST_MAIN()
