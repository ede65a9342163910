/* SPDX-License-Identifier: MIT */
/* Extended attributes: what tests/linux/xattr.c cannot see, limits and memory. */
#include <posix/server/tests/files.h>

enum { CALL_setxattr = 188, CALL_getxattr = 191, CALL_listxattr = 194, CALL_removexattr = 197 };

static int64_t call_setxattr(
	struct user *user, const char *path, const char *name, const void *value, size_t size)
{
	start(user, CALL_setxattr, P(path), P(name), IN_DATA(value, size), V(size), V(0));
	return result_of(user);
}

static int64_t call_getxattr(struct user *user, const char *path, const char *name, size_t size)
{
	start(user, CALL_getxattr, P(path), P(name), OUT_DATA(size), V(size));
	return result_of(user);
}

static int64_t call_removexattr(struct user *user, const char *path, const char *name)
{
	start(user, CALL_removexattr, P(path), P(name));
	return result_of(user);
}

TEST(names_that_tmpfs_does_not_keep)
{
	begin();
	write_file(root, "/f", "");
	CHECK_EQ(call_setxattr(root, "/f", "user.a", "v", 1), -LINUX_EOPNOTSUPP);
	CHECK_EQ(call_getxattr(root, "/f", "user.a", 10), -LINUX_EOPNOTSUPP);
	CHECK_EQ(call_removexattr(root, "/f", "user.a"), -LINUX_EOPNOTSUPP);
	CHECK_EQ(call_getxattr(root, "/f", "system.nothing", 10), -LINUX_EOPNOTSUPP);
	CHECK_EQ(call_symlink(root, "f", "/link"), 0);
	start(root, 189, P("/link"), P("user.a"), IN_DATA("v", 1), V(1), V(0));
	CHECK_EQ(result_of(root), -LINUX_EPERM);
	end();
}

TEST(attributes_go_with_their_file)
{
	char value[1000] = { 0 };

	begin();
	write_file(root, "/f", "");
	CHECK_EQ(call_setxattr(root, "/f", "trusted.a", value, sizeof(value)), 0);
	CHECK_EQ(call_setxattr(root, "/f", "trusted.b", value, 0), 0);
	CHECK_EQ(call_setxattr(root, "/f", "trusted.a", value, 500), 0);
	CHECK_EQ(call_getxattr(root, "/f", "trusted.a", 1000), 500);
	start(root, CALL_listxattr, P("/f"), OUT_DATA(100), V(100));
	CHECK_EQ(result_of(root), 20);
	CHECK(memcmp(root->reply, "trusted.b\0trusted.a\0", 20) == 0);
	CHECK_EQ(call_unlink(root, "/f"), 0);
	end();
}

TEST(attributes_count_as_contents)
{
	static char value[65536];

	begin();
	CHECK_EQ(call_mkdir(root, "/m", 0755), 0);
	CHECK_EQ(call_mount(root, "x", "/m", "tmpfs", "size=128k", 0), 0);
	write_file(root, "/m/f", "");
	CHECK_EQ(call_setxattr(root, "/m/f", "trusted.a", value, sizeof(value)), 0);
	CHECK_EQ(call_setxattr(root, "/m/f", "trusted.b", value, sizeof(value)), -LINUX_ENOSPC);
	CHECK_EQ(call_setxattr(root, "/m/f", "trusted.b", value, 1000), 0);
	CHECK_EQ(call_removexattr(root, "/m/f", "trusted.a"), 0);
	CHECK_EQ(call_setxattr(root, "/m/f", "trusted.c", value, sizeof(value)), 0);
	end();
}

TEST(names_fit_into_one_listing)
{
	char name[250];
	int64_t result = 0;
	size_t n_set = 0;

	begin();
	write_file(root, "/f", "");
	memset(name, 'x', sizeof(name));
	memcpy(name, "trusted.", 8);
	name[249] = '\0';
	while (result == 0 && n_set < 1000) {
		name[8] = (char)('a' + n_set % 26);
		name[9] = (char)('a' + n_set / 26);
		result = call_setxattr(root, "/f", name, "", 0);
		n_set += result == 0;
	}
	CHECK_EQ(result, -LINUX_ENOSPC);
	CHECK_EQ(n_set, 65536 / 250);
	start(root, CALL_listxattr, P("/f"), OUT_DATA(65536), V(65536));
	CHECK_EQ(result_of(root), (int64_t)n_set * 250);
	end();
}

TEST(further_names_count_as_files)
{
	begin();
	CHECK_EQ(call_mkdir(root, "/m", 0755), 0);
	CHECK_EQ(call_mount(root, "x", "/m", "tmpfs", "nr_inodes=4", 0), 0);
	write_file(root, "/m/f", "");
	CHECK_EQ(call_link(root, "/m/f", "/m/g"), 0);
	CHECK_EQ(call_link(root, "/m/f", "/m/h"), 0);
	CHECK_EQ(call_link(root, "/m/f", "/m/i"), -LINUX_ENOSPC);
	CHECK_EQ(call_unlink(root, "/m/f"), 0);
	CHECK_EQ(call_link(root, "/m/g", "/m/i"), 0);
	end();
}

TEST_MAIN()
