/* SPDX-License-Identifier: MIT */
/* Tests of the table of types, and of errors. */
#include "error.h"
#include "type.h"

#include <base/errors.h>
#include <base/testing.h>
#include <protocols/fs/fs.gen.h>

static int parse(const char *text, uint32_t *out_seconds)
{
	struct fs_type_options options;
	int error =
		fs_type_parse(fs_type_find(BRAGI_LITERAL("ext4")), bragi_string_of(text), &options);

	*out_seconds = options.tick_seconds;
	return error;
}

TEST(type_is_found_by_name)
{
	CHECK(fs_type_find(BRAGI_LITERAL("ext2")) != NULL);
	CHECK(fs_type_find(BRAGI_LITERAL("ext")) == NULL);
	CHECK(fs_type_find(BRAGI_LITERAL("ext44")) == NULL);
	CHECK(fs_type_find(BRAGI_LITERAL("")) == NULL);
}

TEST(type_options)
{
	uint32_t seconds;

	CHECK_EQ(parse("", &seconds), 0);
	CHECK_EQ(seconds, 5);
	CHECK_EQ(parse("acl,,data=ordered,user_xattr,", &seconds), 0);
	CHECK_EQ(parse("commit=30,barrier=1", &seconds), 0);
	CHECK_EQ(seconds, 30);
	CHECK_EQ(parse("commit=0", &seconds), 0);
	CHECK_EQ(seconds, 5);
	CHECK_EQ(parse("commit=", &seconds), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(parse("commit=5x", &seconds), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(parse("commit=99999999999999999999", &seconds), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(parse("commit=3601", &seconds), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(parse("acl,data=unheard_of", &seconds), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(parse("aclx", &seconds), -ERR_ILLEGAL_ARGS);
}

TEST(type_data_modes)
{
	struct fs_type_options options;
	const struct fs_type *ext4 = fs_type_find(BRAGI_LITERAL("ext4"));
	const struct fs_type *ext2 = fs_type_find(BRAGI_LITERAL("ext2"));

	CHECK_EQ(fs_type_parse(ext4, bragi_string_of("data=journal,acl"), &options), 0);
	CHECK_EQ(options.data_mode, BLOCKFS_DATA_JOURNAL);
	CHECK_EQ(fs_type_parse(ext4, bragi_string_of("acl,data=ordered"), &options), 0);
	CHECK_EQ(options.data_mode, BLOCKFS_DATA_ORDERED);
	CHECK_EQ(fs_type_parse(ext4, bragi_string_of(""), &options), 0);
	CHECK_EQ(options.data_mode, BLOCKFS_DATA_SUPER);
	CHECK_EQ(fs_type_parse(ext2, bragi_string_of("data=journal"), &options), -ERR_ILLEGAL_ARGS);
}

TEST(error_is_said_by_the_protocol)
{
	CHECK_EQ(fs_error_of(0), 0);
	CHECK_EQ(fs_error_of(-ERR_IO), -ERR_IO);
	CHECK_EQ(fs_error_of(-ERR_BUSY), FS_ERROR_BUSY);
	CHECK_EQ(fs_error_of(BLOCKFS_E_NO_SPACE), FS_ERROR_NO_SPACE);
	CHECK_EQ(fs_error_of(BLOCKFS_E_ABORTED), FS_ERROR_ABORTED);
	for (int error = BLOCKFS_E_CORRUPT; error <= BLOCKFS_E_RETRY + 1; error++) {
		CHECK(fs_error_of(error) <= FS_ERROR_CORRUPT);
	}
}

TEST_MAIN()
