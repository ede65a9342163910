/* SPDX-License-Identifier: MIT */
/* Tests of base/cpio.h: good archives, joined archives, and a lot of broken ones. */
#include <base/cpio.h>
#include <base/random.h>
#include <base/testing.h>

struct archive {
	uint8_t bytes[4096];
	size_t size;
};

static void archive_append(struct archive *archive, const void *data, size_t size)
{
	memcpy(archive->bytes + archive->size, data, size);
	archive->size += size;
	while (archive->size % 4 != 0) {
		archive->bytes[archive->size++] = 0;
	}
}

static void archive_add(struct archive *archive, const char *name, uint32_t mode, const char *data)
{
	char header[256];
	size_t size = (size_t)snprintf(header, sizeof(header),
		"070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s", 7, mode, 1, 2, 1,
		99, (uint32_t)strlen(data), 3, 4, 5, 6, (uint32_t)strlen(name) + 1, 0, name);

	archive_append(archive, header, size + 1);
	archive_append(archive, data, strlen(data));
}

static void archive_fill(struct archive *archive)
{
	archive->size = 0;
	archive_add(archive, "bin", CPIO_MODE_DIRECTORY | 0755, "");
	archive_add(archive, "bin/sh", CPIO_MODE_REGULAR | 0755, "hello");
	archive_add(archive, "TRAILER!!!", 0, "");
	for (int i = 0; i < 512; i++) {
		archive->bytes[archive->size++] = 0;
	}
	archive_add(archive, "./second", CPIO_MODE_SYMLINK | 0777, "bin/sh");
	archive_add(archive, "TRAILER!!!", 0, "");
}

TEST(joined_archives)
{
	struct archive archive;
	struct cpio_iterator iterator;
	struct cpio_entry entry;

	archive_fill(&archive);
	cpio_begin(&iterator, archive.bytes, archive.size);
	CHECK_EQ(cpio_iterate(&iterator, &entry), CPIO_ENTRY);
	CHECK_STR_EQ(entry.name, "bin");
	CHECK_EQ(entry.mode, CPIO_MODE_DIRECTORY | 0755);
	CHECK_EQ(cpio_iterate(&iterator, &entry), CPIO_ENTRY);
	CHECK_STR_EQ(entry.name, "bin/sh");
	CHECK_EQ(entry.name_length, 6);
	CHECK_EQ(entry.size, 5);
	CHECK_MEM_EQ(entry.data, "hello", 5);
	CHECK_EQ(entry.ino, 7);
	CHECK_EQ(entry.uid, 1);
	CHECK_EQ(entry.gid, 2);
	CHECK_EQ(entry.mtime, 99);
	CHECK_EQ(entry.dev_minor, 4);
	CHECK_EQ(entry.rdev_minor, 6);
	CHECK_EQ(cpio_iterate(&iterator, &entry), CPIO_ENTRY);
	CHECK_STR_EQ(entry.name, "./second");
	CHECK_EQ(cpio_iterate(&iterator, &entry), CPIO_END);
	CHECK_EQ(cpio_iterate(&iterator, &entry), CPIO_END);
}

/* Zeros after a name put the data where they are wanted. */
TEST(names_may_be_filled_up)
{
	struct archive archive = { 0 };
	struct cpio_entry entry;
	char header[111];

	snprintf(header, sizeof(header),
		"070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", 1, CPIO_MODE_REGULAR,
		0, 0, 1, 0, 2, 0, 0, 0, 0, 1024 - 110, 0);
	memcpy(archive.bytes, header, 110);
	memcpy(archive.bytes + 110, "name", 4);
	memcpy(archive.bytes + 1024, "hi", 2);
	archive.size = 1026;
	CHECK(cpio_find(archive.bytes, archive.size, "name", &entry));
	CHECK_EQ(entry.name_length, 4);
	CHECK(entry.data == archive.bytes + 1024);
	CHECK_EQ(entry.size, 2);
	memset(archive.bytes + 114, 'x', 1024 - 114);
	CHECK(!cpio_find(archive.bytes, archive.size, "name", &entry));
}

TEST(find_ignores_leading_dots)
{
	struct archive archive;
	struct cpio_entry entry;

	archive_fill(&archive);
	CHECK(cpio_find(archive.bytes, archive.size, "/bin/sh", &entry));
	CHECK(cpio_find(archive.bytes, archive.size, "second", &entry));
	CHECK_MEM_EQ(entry.data, "bin/sh", 6);
	CHECK(!cpio_find(archive.bytes, archive.size, "third", &entry));
}

TEST(empty_image)
{
	struct cpio_iterator iterator;
	struct cpio_entry entry;

	cpio_begin(&iterator, NULL, 0);
	CHECK_EQ(cpio_iterate(&iterator, &entry), CPIO_END);
}

/* Read everything that the iterator hands out, so that ASan sees any excess. */
static void walk(const uint8_t *image, size_t size)
{
	struct cpio_iterator iterator;
	struct cpio_entry entry;
	uint8_t sum = 0;

	cpio_begin(&iterator, image, size);
	while (cpio_iterate(&iterator, &entry) == CPIO_ENTRY) {
		CHECK_EQ(strlen(entry.name), entry.name_length);
		for (size_t i = 0; i < entry.size; i++) {
			sum ^= ((const uint8_t *)entry.data)[i];
		}
	}
	(void)sum;
}

TEST(truncated_anywhere)
{
	struct archive archive;

	archive_fill(&archive);
	for (size_t size = 0; size < archive.size; size++) {
		uint8_t *image = malloc(size);

		memcpy(image, archive.bytes, size);
		walk(image, size);
		free(image);
	}
}

TEST(random_mutations)
{
	struct archive archive;
	struct random random;

	random_init(&random, test_seed(1));
	for (int round = 0; round < 2000; round++) {
		archive_fill(&archive);
		uint8_t *image = malloc(archive.size);

		memcpy(image, archive.bytes, archive.size);
		for (uint64_t n = random_between(&random, 1, 8); n > 0; n--) {
			image[random_below(&random, archive.size)] =
				random_chance(&random, 2) ? 'F' : (uint8_t)random_u64(&random);
		}
		walk(image, archive.size);
		free(image);
	}
}

TEST_MAIN()
