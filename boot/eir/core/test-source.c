/* SPDX-License-Identifier: MIT */
/* Tests of what every boot protocol's tables go through. */
#include <eir/core/source.h>

#include <base/testing.h>

static struct boot_source sane(void)
{
	return (struct boot_source){
		.n_memory = 1,
		.initrd_phys = MIB(8),
		.initrd_size = MIB(1),
		.framebuffer = { 0xfd000000, 1024, 768, 4096, 32 },
	};
}

static bool keeps_framebuffer(const struct boot_framebuffer *framebuffer)
{
	struct boot_source source = sane();

	source.framebuffer = *framebuffer;
	CHECK(boot_source_check(&source) == NULL);
	return source.framebuffer.width != 0;
}

TEST(neighbours_of_one_type_become_one)
{
	static struct boot_source source;

	CHECK(boot_source_add(&source, 0, MIB(1), BOOT_MEMORY_FREE));
	CHECK(boot_source_add(&source, MIB(1), MIB(1), BOOT_MEMORY_FREE));
	CHECK(boot_source_add(&source, MIB(2), MIB(1), BOOT_MEMORY_RESERVED));
	CHECK(boot_source_add(&source, MIB(4), MIB(1), BOOT_MEMORY_RESERVED));
	CHECK(boot_source_add(&source, MIB(9), 0, BOOT_MEMORY_ACPI));
	CHECK_EQ(source.n_memory, 3u);
	CHECK_EQ(source.memory[0].size_bytes, MIB(2));
}

TEST(no_more_than_there_is_room_for)
{
	static struct boot_source source;

	for (uint64_t i = 0; i < BOOT_MEMORY_MAX; i++) {
		CHECK(boot_source_add(&source, MIB(2) * i, MIB(1), BOOT_MEMORY_FREE));
	}
	CHECK(!boot_source_add(&source, GIB(1), MIB(1), BOOT_MEMORY_FREE));
	CHECK_EQ(source.n_memory, BOOT_MEMORY_MAX);
}

TEST(ranges_that_wrap_around_are_cut)
{
	static struct boot_source source;

	CHECK(boot_source_add(&source, MIB(1), UINT64_MAX, BOOT_MEMORY_FREE));
	CHECK(boot_source_add(&source, UINT64_MAX - 1, UINT64_MAX, BOOT_MEMORY_FREE));
	CHECK_EQ(source.n_memory, 1u);
	CHECK(source.memory[0].size_bytes < GIB(1) * GIB(1));
}

TEST(a_loader_has_to_give_memory_and_initrd)
{
	struct boot_source source = sane();

	CHECK(boot_source_check(&source) == NULL);
	CHECK_EQ(source.framebuffer.width, 1024u);
	source.n_memory = 0;
	CHECK(boot_source_check(&source) != NULL);
	source = sane();
	source.initrd_size = 0;
	CHECK(boot_source_check(&source) != NULL);
	source = sane();
	source.initrd_size = GIB(4);
	CHECK(boot_source_check(&source) != NULL);
	source.initrd_size = UINT64_MAX;
	CHECK(boot_source_check(&source) != NULL);
	source.initrd_phys = UINT64_MAX;
	CHECK(boot_source_check(&source) != NULL);
}

TEST(framebuffers_that_cannot_be_are_forgotten)
{
	static const struct boot_framebuffer wrong[] = {
		{ 0xfd000000, 0, 768, 4096, 32 },
		{ 0xfd000000, 1024, 0, 4096, 32 },
		{ 0xfd000000, 1024, 768, 4092, 32 },
		{ 0xfd000000, 1024, 768, 4097, 32 },
		{ 0xfd000000, 1024, 768, UINT32_MAX & ~3u, 32 },
		{ 0xfd000000, UINT32_MAX, 768, 4096, 32 },
		{ 0xfd000000, 1024, UINT32_MAX, 4096, 32 },
		{ 0xfd000000, 1024, 768, 4096, 8 },
		{ 0xfd000000, 1024, 768, 4096, UINT32_MAX },
		{ 0xfd000001, 1024, 768, 4096, 32 },
		{ UINT64_MAX - 3, 1024, 768, 4096, 32 },
		{ 0, 1024, 768, 4096, 32 },
	};
	struct boot_framebuffer wide = { 0xfd000000, 1024, 768, 8192, 32 };

	CHECK(keeps_framebuffer(&wide));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		CHECK(!keeps_framebuffer(&wrong[i]));
	}
}

TEST_MAIN()
