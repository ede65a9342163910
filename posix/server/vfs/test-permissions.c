/* SPDX-License-Identifier: MIT */
/* Who may do what: modes, groups, sticky and set-id bits, owners. */
#include <posix/server/tests/files.h>

TEST(permissions_of_files)
{
	begin();
	struct user *other = user_create(1000);

	write_file(root, "/f", "secret");
	CHECK_EQ(call_chmod(root, "/f", 0600), 0);
	CHECK_EQ(call_open(other, "/f", LINUX_O_RDONLY, 0), -LINUX_EACCES);
	CHECK_EQ(call_chmod(root, "/f", 0604), 0);
	CHECK_EQ(call_open(other, "/f", LINUX_O_RDONLY, 0), 0);
	CHECK_EQ(call_open(other, "/f", LINUX_O_RDWR, 0), -LINUX_EACCES);
	CHECK_EQ(call_open(other, "/f", LINUX_O_RDONLY | LINUX_O_TRUNC, 0), -LINUX_EACCES);
	CHECK_EQ(call_chown(root, "/f", 0, 1000), 0);
	CHECK_EQ(call_chmod(root, "/f", 0604), 0);
	CHECK_EQ(call_open(other, "/f", LINUX_O_RDONLY, 0), -LINUX_EACCES); /* its group has none */
	CHECK_EQ(call_chown(root, "/f", 1000, 0), 0);
	CHECK_EQ(call_chmod(root, "/f", 0077), 0);
	CHECK_EQ(call_open(other, "/f", LINUX_O_RDONLY, 0), -LINUX_EACCES); /* nor its owner */
	CHECK_EQ(call_open(root, "/f", LINUX_O_RDWR, 0), 0);
	end();
}

TEST(supplementary_groups_count)
{
	begin();
	struct user *other = user_create(1000);

	write_file(root, "/f", "");
	CHECK_EQ(call_chown(root, "/f", 0, 42), 0);
	CHECK_EQ(call_chmod(root, "/f", 0640), 0);
	CHECK_EQ(call_open(other, "/f", LINUX_O_RDONLY, 0), -LINUX_EACCES);
	other->process.credentials.groups[0] = 42;
	other->process.credentials.n_groups = 1;
	CHECK_EQ(call_open(other, "/f", LINUX_O_RDONLY, 0), 0);
	end();
}

TEST(search_permission_on_every_component)
{
	begin();
	struct user *other = user_create(1000);

	CHECK_EQ(call_mkdir(root, "/a", 0755), 0);
	CHECK_EQ(call_mkdir(root, "/a/b", 0755), 0);
	write_file(root, "/a/b/f", "x");
	CHECK_STR_EQ(file_text(other, "/a/b/f"), "x");
	CHECK_EQ(call_chmod(root, "/a", 0744), 0);
	CHECK_EQ(call_open(other, "/a/b/f", LINUX_O_RDONLY, 0), -LINUX_EACCES);
	CHECK_EQ(call_chdir(other, "/a"), -LINUX_EACCES);
	CHECK_STR_EQ(list(other, "/a"), "b ");
	CHECK_EQ(call_chmod(root, "/a", 0711), 0);
	CHECK_STR_EQ(file_text(other, "/a/b/f"), "x");
	CHECK_EQ(call_open(other, "/a", LINUX_O_RDONLY, 0), -LINUX_EACCES);
	CHECK_EQ(call_mkdir(other, "/a/n", 0755), -LINUX_EACCES);
	CHECK_EQ(call_unlink(other, "/a/b/f"), -LINUX_EACCES);
	end();
}

TEST(sticky_directories_protect_names)
{
	begin();
	struct user *one = user_create(1000), *two = user_create(1001);

	write_file(one, "/tmp/f", "mine");
	CHECK_EQ(call_unlink(two, "/tmp/f"), -LINUX_EPERM);
	CHECK_EQ(call_rename(two, "/tmp/f", "/tmp/g", 0), -LINUX_EPERM);
	write_file(two, "/tmp/g", "his");
	CHECK_EQ(call_rename(two, "/tmp/g", "/tmp/f", 0), -LINUX_EPERM);
	CHECK_EQ(call_unlink(one, "/tmp/f"), 0);
	CHECK_EQ(call_unlink(root, "/tmp/g"), 0);
	end();
}

TEST(links_of_strangers_in_sticky_directories)
{
	begin();
	struct user *one = user_create(1000), *two = user_create(1001);

	write_file(root, "/f", "x");
	CHECK_EQ(call_symlink(one, "/f", "/tmp/l"), 0);
	CHECK_STR_EQ(file_text(one, "/tmp/l"), "x");
	CHECK_EQ(call_open(two, "/tmp/l", LINUX_O_RDONLY, 0), -LINUX_EACCES);
	CHECK_EQ(call_open(root, "/tmp/l", LINUX_O_RDONLY, 0), -LINUX_EACCES);
	end();
}

TEST(hard_links_to_what_is_not_ones_own)
{
	begin();
	struct user *other = user_create(1000);

	write_file(root, "/f", "x");
	CHECK_EQ(call_link(other, "/f", "/tmp/f"), -LINUX_EPERM);
	CHECK_EQ(call_chmod(root, "/f", 0666), 0);
	CHECK_EQ(call_link(other, "/f", "/tmp/f"), 0);
	end();
}

TEST(set_group_id_directories_hand_down_their_group)
{
	struct linux_stat stat;

	begin();
	struct user *other = user_create(1000);

	CHECK_EQ(call_mkdir(root, "/d", 0777), 0);
	CHECK_EQ(call_chown(root, "/d", 0, 50), 0);
	CHECK_EQ(call_chmod(root, "/d", 02777), 0);
	write_file(other, "/d/f", "");
	CHECK_EQ(call_mkdir(other, "/d/sub", 0755), 0);
	CHECK_EQ(call_stat(root, "/d/f", &stat), 0);
	CHECK_EQ(stat.gid, 50);
	CHECK_EQ(call_stat(root, "/d/sub", &stat), 0);
	CHECK_EQ(stat.gid, 50);
	CHECK_EQ(stat.mode, LINUX_S_IFDIR | 02755);
	end();
}

TEST(chmod_and_chown_rules)
{
	struct linux_stat stat;

	begin();
	struct user *other = user_create(1000);

	write_file(root, "/f", "");
	CHECK_EQ(call_chmod(other, "/f", 0777), -LINUX_EPERM);
	CHECK_EQ(call_chown(other, "/f", 1000, 1000), -LINUX_EPERM);
	CHECK_EQ(call_chown(root, "/f", 1000, 1000), 0);
	CHECK_EQ(call_chmod(other, "/f", 06755), 0);
	CHECK_EQ(call_chown(other, "/f", 1000, 7), -LINUX_EPERM);
	CHECK_EQ(call_chown(other, "/f", 0, UINT32_MAX), -LINUX_EPERM);
	CHECK_EQ(call_stat(root, "/f", &stat), 0);
	CHECK_EQ(stat.mode & 07777, 06755);
	CHECK_EQ(call_chown(root, "/f", 1001, UINT32_MAX), 0);
	CHECK_EQ(call_stat(root, "/f", &stat), 0);
	CHECK_EQ(stat.mode & 07777, 0755);
	CHECK_EQ(stat.uid, 1001);
	CHECK_EQ(stat.gid, 1000);
	CHECK_EQ(call_chown(root, "/f", 1000, 8), 0);
	CHECK_EQ(call_chmod(other, "/f", 02755), 0);
	CHECK_EQ(call_stat(root, "/f", &stat), 0);
	CHECK_EQ(stat.mode & 07777, 0755); /* not of group 8 */
	end();
}

TEST(writing_clears_set_id_bits)
{
	struct linux_stat stat;

	begin();
	struct user *other = user_create(1000);

	write_file(root, "/f", "");
	CHECK_EQ(call_chmod(root, "/f", 06777), 0);
	int64_t fd = call_open(other, "/f", LINUX_O_WRONLY, 0);

	CHECK_EQ(call_write(other, fd, "x", 1), 1);
	CHECK_EQ(call_stat(root, "/f", &stat), 0);
	CHECK_EQ(stat.mode & 07777, 0777);
	end();
}

TEST(access_asks_for_the_real_user)
{
	begin();
	struct user *other = user_create(1000);

	write_file(root, "/f", "");
	CHECK_EQ(call_chmod(root, "/f", 0600), 0);
	CHECK_EQ(call_access(other, "/f", LINUX_F_OK), 0);
	CHECK_EQ(call_access(other, "/f", LINUX_R_OK), -LINUX_EACCES);
	other->process.credentials.fsuid = 0;
	other->process.credentials.euid = 0;
	other->process.credentials.capabilities = root->process.credentials.capabilities;
	CHECK_EQ(call_access(other, "/f", LINUX_R_OK), -LINUX_EACCES);
	CHECK_EQ(call_open(other, "/f", LINUX_O_RDONLY, 0), 0);
	CHECK_EQ(call_access(root, "/f", LINUX_X_OK), -LINUX_EACCES);
	CHECK_EQ(call_access(root, "/f", 8), -LINUX_EINVAL);
	CHECK_EQ(call_access(root, "/nothing", LINUX_F_OK), -LINUX_ENOENT);
	end();
}

TEST_MAIN()
