/* SPDX-License-Identifier: MIT */
/* Names: walks, links, rename, mounts, listings. */
#include <posix/server/tests/files.h>

#include <base/format.h>

TEST(file_is_written_and_read)
{
	begin();
	write_file(root, "/f", "hello");
	CHECK_STR_EQ(file_text(root, "/f"), "hello");
	CHECK_STR_EQ(file_text(root, "/nothing"), "?");
	end();
}

TEST(open_creates_and_refuses_as_the_flags_say)
{
	begin();
	CHECK_EQ(call_open(root, "/f", LINUX_O_RDONLY, 0), -LINUX_ENOENT);
	CHECK_EQ(call_open(root, "/f", LINUX_O_CREAT | LINUX_O_WRONLY, 0600), 0);
	CHECK_EQ(call_open(root, "/f", LINUX_O_CREAT | LINUX_O_EXCL, 0600), -LINUX_EEXIST);
	CHECK_EQ(call_open(root, "/f", LINUX_O_DIRECTORY, 0), -LINUX_ENOTDIR);
	CHECK_EQ(call_open(root, "/f/", LINUX_O_RDONLY, 0), -LINUX_ENOTDIR);
	CHECK_EQ(call_open(root, "/f/x", LINUX_O_RDONLY, 0), -LINUX_ENOTDIR);
	CHECK_EQ(call_open(root, "/g/", LINUX_O_CREAT | LINUX_O_WRONLY, 0600), -LINUX_EISDIR);
	CHECK_EQ(call_open(root, "/tmp", LINUX_O_WRONLY, 0), -LINUX_EISDIR);
	CHECK_EQ(call_open(root, "/tmp", LINUX_O_CREAT, 0), -LINUX_EISDIR);
	CHECK_EQ(call_open(root, "", LINUX_O_RDONLY, 0), -LINUX_ENOENT);
	CHECK_EQ(call_open(root, "/d", LINUX_O_CREAT | LINUX_O_DIRECTORY, 0), -LINUX_EINVAL);
	end();
}

TEST(truncation_at_open)
{
	begin();
	write_file(root, "/f", "hello");
	write_file(root, "/f", "x");
	CHECK_STR_EQ(file_text(root, "/f"), "x");
	end();
}

TEST(umask_and_modes)
{
	struct linux_stat stat;

	begin();
	CHECK_EQ(call_open(root, "/f", LINUX_O_CREAT | LINUX_O_WRONLY, 0666), 0);
	CHECK_EQ(call_stat(root, "/f", &stat), 0);
	CHECK_EQ(stat.mode, LINUX_S_IFREG | 0644);
	start(root, 95, V(077)); /* umask */
	CHECK_EQ(result_of(root), 022);
	CHECK_EQ(call_mkdir(root, "/d", 0777), 0);
	CHECK_EQ(call_stat(root, "/d", &stat), 0);
	CHECK_EQ(stat.mode, LINUX_S_IFDIR | 0700);
	CHECK_EQ(stat.nlink, 2);
	end();
}

TEST(dots_and_slashes)
{
	begin();
	CHECK_EQ(call_mkdir(root, "/a", 0755), 0);
	CHECK_EQ(call_mkdir(root, "/a/b/", 0755), 0);
	write_file(root, "//a///b//../b/./f", "deep");
	CHECK_STR_EQ(file_text(root, "/../../a/b/f"), "deep");
	CHECK_EQ(call_chdir(root, "/a/b"), 0);
	CHECK_STR_EQ(file_text(root, "f"), "deep");
	CHECK_STR_EQ(file_text(root, "../b/f"), "deep");
	CHECK_EQ(call_mkdir(root, "/a/.", 0755), -LINUX_EEXIST);
	CHECK_EQ(call_mkdir(root, "/", 0755), -LINUX_EEXIST);
	CHECK_EQ(call_rmdir(root, "/a/."), -LINUX_EINVAL);
	CHECK_EQ(call_rmdir(root, "/a/.."), -LINUX_ENOTEMPTY);
	CHECK_EQ(call_rmdir(root, "/"), -LINUX_EBUSY);
	CHECK_EQ(call_unlink(root, "/a/.."), -LINUX_EISDIR);
	end();
}

TEST(names_that_are_too_long)
{
	char name[300];

	begin();
	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[256] = '\0';
	CHECK_EQ(call_mkdir(root, name, 0755), 0);
	CHECK_EQ(call_rmdir(root, name), 0);
	name[256] = 'x';
	name[257] = '\0';
	CHECK_EQ(call_mkdir(root, name, 0755), -LINUX_ENAMETOOLONG);
	end();
}

TEST(symbolic_links_are_followed)
{
	struct linux_stat stat;
	char text[64];

	begin();
	CHECK_EQ(call_mkdir(root, "/d", 0755), 0);
	write_file(root, "/d/f", "target");
	CHECK_EQ(call_symlink(root, "d/f", "/l"), 0);
	CHECK_EQ(call_symlink(root, "/d", "/dl"), 0);
	CHECK_EQ(call_symlink(root, "../dl/f", "/d/up"), 0);
	CHECK_STR_EQ(file_text(root, "/l"), "target");
	CHECK_STR_EQ(file_text(root, "/dl/f"), "target");
	CHECK_STR_EQ(file_text(root, "/d/up"), "target");
	CHECK_EQ(call_lstat(root, "/l", &stat), 0);
	CHECK_EQ(stat.mode, LINUX_S_IFLNK | 0777);
	CHECK_EQ(stat.size, 3);
	CHECK_EQ(call_lstat(root, "/dl/", &stat), 0);
	CHECK_EQ(stat.mode & LINUX_S_IFMT, LINUX_S_IFDIR);
	CHECK_EQ(call_readlink(root, "/l", text, sizeof(text)), 3);
	CHECK_STR_EQ(text, "d/f");
	CHECK_EQ(call_readlink(root, "/l", text, 1), 1);
	CHECK_EQ(call_readlink(root, "/d/f", text, 10), -LINUX_EINVAL);
	CHECK_EQ(call_open(root, "/l", LINUX_O_NOFOLLOW, 0), -LINUX_ELOOP);
	CHECK_EQ(call_open(root, "/l/", LINUX_O_RDONLY, 0), -LINUX_ENOTDIR);
	CHECK_EQ(call_symlink(root, "", "/e"), -LINUX_ENOENT);
	end();
}

TEST(links_that_lead_nowhere)
{
	begin();
	CHECK_EQ(call_symlink(root, "target", "/l"), 0);
	CHECK_EQ(call_open(root, "/l", LINUX_O_RDONLY, 0), -LINUX_ENOENT);
	CHECK_EQ(call_open(root, "/l", LINUX_O_CREAT | LINUX_O_EXCL, 0600), -LINUX_EEXIST);
	write_file(root, "/l", "made");
	CHECK_STR_EQ(file_text(root, "/target"), "made");
	CHECK_EQ(call_mkdir(root, "/l", 0755), -LINUX_EEXIST);
	end();
}

TEST(loops_of_links_end)
{
	char from[16], to[16];

	begin();
	CHECK_EQ(call_symlink(root, "b", "/a"), 0);
	CHECK_EQ(call_symlink(root, "a", "/b"), 0);
	CHECK_EQ(call_open(root, "/a", LINUX_O_RDONLY, 0), -LINUX_ELOOP);
	CHECK_EQ(call_open(root, "/a/x", LINUX_O_RDONLY, 0), -LINUX_ELOOP);
	write_file(root, "/l0", "end");
	for (unsigned i = 1; i <= 41; i++) {
		format_to(from, sizeof(from), "l%u", i - 1);
		format_to(to, sizeof(to), "/l%u", i);
		CHECK_EQ(call_symlink(root, from, to), 0);
	}
	CHECK_STR_EQ(file_text(root, "/l40"), "end");
	CHECK_EQ(call_open(root, "/l41", LINUX_O_RDONLY, 0), -LINUX_ELOOP);
	end();
}

TEST(hard_links_are_counted)
{
	struct linux_stat stat;

	begin();
	write_file(root, "/f", "shared");
	CHECK_EQ(call_link(root, "/f", "/g"), 0);
	CHECK_EQ(call_stat(root, "/g", &stat), 0);
	CHECK_EQ(stat.nlink, 2);
	CHECK_EQ(call_unlink(root, "/f"), 0);
	CHECK_STR_EQ(file_text(root, "/g"), "shared");
	CHECK_EQ(call_stat(root, "/g", &stat), 0);
	CHECK_EQ(stat.nlink, 1);
	CHECK_EQ(call_link(root, "/tmp", "/t"), -LINUX_EPERM);
	CHECK_EQ(call_link(root, "/g", "/g"), -LINUX_EEXIST);
	CHECK_EQ(call_link(root, "/g", "/dev/g"), -LINUX_EXDEV);
	end();
}

TEST(unlinked_file_lives_while_it_is_open)
{
	char text[8] = "";
	struct linux_stat stat;

	begin();
	write_file(root, "/f", "alive");
	int64_t fd = call_open(root, "/f", LINUX_O_RDONLY, 0);

	CHECK_EQ(call_unlink(root, "/f"), 0);
	CHECK_EQ(call_unlink(root, "/f"), -LINUX_ENOENT);
	CHECK_EQ(call_read(root, fd, text, 8), 5);
	CHECK_STR_EQ(text, "alive");
	CHECK_EQ(call_fstat(root, fd, &stat), 0);
	CHECK_EQ(stat.nlink, 0);
	CHECK_EQ(call_close(root, fd), 0);
	end();
}

TEST(rmdir_and_unlink_check_the_kind)
{
	begin();
	CHECK_EQ(call_mkdir(root, "/d", 0755), 0);
	write_file(root, "/d/f", "");
	CHECK_EQ(call_rmdir(root, "/d"), -LINUX_ENOTEMPTY);
	CHECK_EQ(call_unlink(root, "/d"), -LINUX_EISDIR);
	CHECK_EQ(call_rmdir(root, "/d/f"), -LINUX_ENOTDIR);
	CHECK_EQ(call_unlink(root, "/d/f/"), -LINUX_ENOTDIR);
	CHECK_EQ(call_unlink(root, "/d/f"), 0);
	CHECK_EQ(call_rmdir(root, "/d/"), 0);
	end();
}

TEST(removed_working_directory)
{
	char text[64];

	begin();
	CHECK_EQ(call_mkdir(root, "/d", 0755), 0);
	CHECK_EQ(call_chdir(root, "/d"), 0);
	CHECK_EQ(call_getcwd(root, text, sizeof(text)), 3);
	CHECK_STR_EQ(text, "/d");
	CHECK_EQ(call_getcwd(root, text, 2), -LINUX_ERANGE);
	CHECK_EQ(call_rmdir(root, "/d"), 0);
	CHECK_EQ(call_getcwd(root, text, sizeof(text)), -LINUX_ENOENT);
	CHECK_EQ(call_open(root, "f", LINUX_O_CREAT, 0644), -LINUX_ENOENT);
	CHECK_EQ(call_mkdir(root, "x", 0755), -LINUX_ENOENT);
	CHECK_STR_EQ(file_text(root, "../nothing"), "?");
	end();
}

TEST(rename_moves_and_replaces)
{
	struct linux_stat stat;

	begin();
	write_file(root, "/a", "A");
	write_file(root, "/b", "B");
	CHECK_EQ(call_rename(root, "/a", "/b", 0), 0);
	CHECK_STR_EQ(file_text(root, "/b"), "A");
	CHECK_EQ(call_stat(root, "/a", &stat), -LINUX_ENOENT);
	CHECK_EQ(call_rename(root, "/nothing", "/b", 0), -LINUX_ENOENT);
	CHECK_EQ(call_mkdir(root, "/d", 0755), 0);
	CHECK_EQ(call_rename(root, "/b", "/d/b", 0), 0);
	CHECK_STR_EQ(file_text(root, "/d/b"), "A");
	end();
}

TEST(rename_of_directories)
{
	struct linux_stat stat;

	begin();
	CHECK_EQ(call_mkdir(root, "/a", 0755), 0);
	CHECK_EQ(call_mkdir(root, "/a/b", 0755), 0);
	CHECK_EQ(call_mkdir(root, "/x", 0755), 0);
	write_file(root, "/f", "");
	CHECK_EQ(call_rename(root, "/a", "/a/b/c", 0), -LINUX_EINVAL);
	CHECK_EQ(call_rename(root, "/a/b", "/a", 0), -LINUX_ENOTEMPTY);
	CHECK_EQ(call_rename(root, "/a", "/f", 0), -LINUX_ENOTDIR);
	CHECK_EQ(call_rename(root, "/f", "/a", 0), -LINUX_EISDIR);
	CHECK_EQ(call_rename(root, "/x", "/a", 0), -LINUX_ENOTEMPTY);
	CHECK_EQ(call_rename(root, "/f", "/g/", 0), -LINUX_ENOTDIR);
	CHECK_EQ(call_rename(root, "/a/.", "/y", 0), -LINUX_EBUSY);
	CHECK_EQ(call_rename(root, "/a/b", "/x", 0), 0);
	CHECK_EQ(call_stat(root, "/a", &stat), 0);
	CHECK_EQ(stat.nlink, 2);
	CHECK_EQ(call_stat(root, "/", &stat), 0);
	CHECK_EQ(stat.nlink, 2 + 3 + 2);
	end();
}

TEST(rename_of_two_names_of_one_file_does_nothing)
{
	struct linux_stat stat;

	begin();
	write_file(root, "/a", "A");
	CHECK_EQ(call_link(root, "/a", "/b"), 0);
	CHECK_EQ(call_rename(root, "/a", "/b", 0), 0);
	CHECK_EQ(call_stat(root, "/a", &stat), 0);
	CHECK_EQ(stat.nlink, 2);
	end();
}

TEST(rename_with_flags)
{
	begin();
	write_file(root, "/a", "A");
	CHECK_EQ(call_mkdir(root, "/d", 0755), 0);
	write_file(root, "/d/a-rather-long-name-of-a-file", "B");
	CHECK_EQ(call_rename(root, "/a", "/d", LINUX_RENAME_NOREPLACE), -LINUX_EEXIST);
	CHECK_EQ(call_rename(root, "/a", "/n", LINUX_RENAME_EXCHANGE), -LINUX_ENOENT);
	CHECK_EQ(call_rename(root, "/a", "/b", 7), -LINUX_EINVAL);
	CHECK_EQ(call_rename(root, "/a", "/d/a-rather-long-name-of-a-file", LINUX_RENAME_EXCHANGE),
		0);
	CHECK_STR_EQ(file_text(root, "/a"), "B");
	CHECK_STR_EQ(file_text(root, "/d/a-rather-long-name-of-a-file"), "A");
	CHECK_EQ(call_rename(root, "/a", "/d", LINUX_RENAME_EXCHANGE), 0);
	CHECK_STR_EQ(file_text(root, "/d"), "B");
	CHECK_STR_EQ(file_text(root, "/a/a-rather-long-name-of-a-file"), "A");
	CHECK_EQ(call_rename(root, "/d", "/e", LINUX_RENAME_NOREPLACE), 0);
	CHECK_STR_EQ(file_text(root, "/e"), "B");
	end();
}

TEST(listing_is_stable_while_names_go)
{
	char name[16];

	begin();
	CHECK_EQ(call_mkdir(root, "/d", 0755), 0);
	for (unsigned i = 0; i < 100; i++) {
		format_to(name, sizeof(name), "/d/%u", i);
		write_file(root, name, "");
	}
	int64_t fd = call_open(root, "/d", LINUX_O_RDONLY, 0);
	unsigned n_seen = 0;

	for (;;) {
		start(root, 217, V(fd), V(0), V(200));
		int64_t size = result_of(root);
		uint8_t records[256];

		CHECK(size >= 0);
		if (size == 0) {
			break;
		}
		memcpy(records, root->reply, (size_t)size);
		for (int64_t at = 0; at < size;) {
			const struct linux_dirent64 *entry = (const void *)(records + at);

			if (entry->name[0] != '.') {
				format_to(name, sizeof(name), "/d/%s", entry->name);
				CHECK_EQ(call_unlink(root, name), 0);
				n_seen++;
			}
			at += entry->record_size;
		}
	}
	CHECK_EQ(n_seen, 100);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(call_rmdir(root, "/d"), 0);
	end();
}

TEST(listing_can_go_back_to_a_position)
{
	begin();
	CHECK_EQ(call_mkdir(root, "/d", 0755), 0);
	write_file(root, "/d/a", "");
	write_file(root, "/d/b", "");
	write_file(root, "/d/c", "");
	int64_t fd = call_open(root, "/d", LINUX_O_RDONLY, 0);

	start(root, 217, V(fd), V(0), V(4096));
	CHECK_EQ(result_of(root), 5 * 24);
	const struct linux_dirent64 *third = (const void *)(root->reply + 2 * 24);
	int64_t position = third->offset;

	CHECK_STR_EQ(third->name, "a");
	CHECK_EQ(third->type, LINUX_DT_REG);
	CHECK_EQ(call_unlink(root, "/d/a"), 0);
	CHECK_EQ(call_lseek(root, fd, position, LINUX_SEEK_SET), position);
	start(root, 217, V(fd), V(0), V(4096));
	CHECK_EQ(result_of(root), 2 * 24);
	CHECK_STR_EQ(((const struct linux_dirent64 *)root->reply)->name, "b");
	CHECK_EQ(call_lseek(root, fd, 0, LINUX_SEEK_SET), 0);
	start(root, 217, V(fd), V(0), V(10));
	CHECK_EQ(result_of(root), -LINUX_EINVAL);
	end();
}

TEST(mounts_cover_and_uncover)
{
	struct linux_stat below, above;

	begin();
	struct user *other = user_create(1000);

	CHECK_EQ(call_mkdir(root, "/m", 0755), 0);
	write_file(root, "/m/below", "");
	CHECK_EQ(call_stat(root, "/m", &below), 0);
	CHECK_EQ(call_mount(other, "t", "/m", "tmpfs", "", 0), -LINUX_EPERM);
	CHECK_EQ(call_mount(root, "t", "/m", "nofs", "", 0), -LINUX_ENODEV);
	CHECK_EQ(call_mount(root, "t", "/m", "tmpfs", "size=1m,mode=700", 0), 0);
	CHECK_EQ(call_stat(root, "/m", &above), 0);
	CHECK(above.dev != below.dev);
	CHECK_EQ(above.mode & 0777, 0700);
	CHECK_STR_EQ(list(root, "/m"), "");
	write_file(root, "/m/f", "");
	CHECK_EQ(call_rmdir(root, "/m"), -LINUX_EBUSY);
	CHECK_EQ(call_rename(root, "/m", "/n", 0), -LINUX_EBUSY);
	CHECK_EQ(call_rename(root, "/m/f", "/f", 0), -LINUX_EXDEV);
	CHECK_EQ(call_chdir(root, "/m"), 0);
	start(root, 166, P("/m"), V(0));
	CHECK_EQ(result_of(root), -LINUX_EBUSY);
	CHECK_EQ(call_chdir(root, ".."), 0);
	start(root, 166, P("/m"), V(0));
	CHECK_EQ(result_of(root), 0);
	CHECK_STR_EQ(list(root, "/m"), "below ");
	start(root, 166, P("/m"), V(0));
	CHECK_EQ(result_of(root), -LINUX_EINVAL);
	end();
}

TEST(lazy_umount_leaves_it_to_its_users)
{
	begin();
	CHECK_EQ(call_mkdir(root, "/m", 0755), 0);
	CHECK_EQ(call_mount(root, "t", "/m", "tmpfs", "", 0), 0);
	write_file(root, "/m/f", "still");
	int64_t fd = call_open(root, "/m/f", LINUX_O_RDONLY, 0);
	char text[8] = "";

	start(root, 166, P("/m"), V(2));
	CHECK_EQ(result_of(root), 0);
	CHECK_STR_EQ(list(root, "/m"), "");
	CHECK_EQ(call_read(root, fd, text, 5), 5);
	CHECK_STR_EQ(text, "still");
	end();
}

TEST(bind_mounts_show_a_folder_twice)
{
	begin();
	CHECK_EQ(call_mkdir(root, "/a", 0755), 0);
	CHECK_EQ(call_mkdir(root, "/b", 0755), 0);
	write_file(root, "/a/f", "one");
	CHECK_EQ(call_mount(root, "/a", "/b", "", "", 4096), 0);
	CHECK_STR_EQ(file_text(root, "/b/f"), "one");
	write_file(root, "/b/g", "two");
	CHECK_STR_EQ(file_text(root, "/a/g"), "two");
	CHECK_EQ(call_chdir(root, "/b/.."), 0);
	char text[16];

	CHECK_EQ(call_getcwd(root, text, sizeof(text)), 2);
	end();
}

TEST(read_only_mounts)
{
	begin();
	CHECK_EQ(call_mkdir(root, "/m", 0755), 0);
	CHECK_EQ(call_mount(root, "t", "/m", "tmpfs", "", 0), 0);
	write_file(root, "/m/f", "");
	CHECK_EQ(call_mount(root, "", "/m", "", "", 32 | 1), 0);
	CHECK_EQ(call_open(root, "/m/f", LINUX_O_WRONLY, 0), -LINUX_EROFS);
	CHECK_EQ(call_open(root, "/m/g", LINUX_O_CREAT, 0644), -LINUX_EROFS);
	CHECK_EQ(call_unlink(root, "/m/f"), -LINUX_EROFS);
	CHECK_EQ(call_mkdir(root, "/m/f", 0755), -LINUX_EEXIST);
	CHECK_EQ(call_chmod(root, "/m/f", 0600), -LINUX_EROFS);
	CHECK_EQ(call_access(root, "/m/f", LINUX_W_OK), -LINUX_EROFS);
	CHECK_STR_EQ(file_text(root, "/m/f"), "");
	end();
}

TEST(chroot_is_a_new_root)
{
	begin();
	struct user *jailed = user_create(0);

	CHECK_EQ(call_mkdir(root, "/jail", 0755), 0);
	write_file(root, "/jail/f", "inside");
	write_file(root, "/f", "outside");
	CHECK_EQ(call_symlink(root, "/f", "/jail/l"), 0);
	start(jailed, 161, P("/jail"));
	CHECK_EQ(result_of(jailed), 0);
	CHECK_EQ(call_chdir(jailed, "/"), 0);
	CHECK_STR_EQ(file_text(jailed, "/f"), "inside");
	CHECK_STR_EQ(file_text(jailed, "../../f"), "inside");
	CHECK_STR_EQ(file_text(jailed, "/l"), "inside");
	end();
}

TEST(temporary_files_have_no_name_until_they_are_linked)
{
	struct linux_stat stat;
	char path[32];

	begin();
	CHECK_EQ(call_open(root, "/tmp", LINUX_O_TMPFILE | LINUX_O_RDONLY, 0600), -LINUX_EINVAL);
	int64_t fd = call_open(root, "/tmp", LINUX_O_TMPFILE | LINUX_O_RDWR, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(call_write(root, fd, "temp", 4), 4);
	CHECK_STR_EQ(list(root, "/tmp"), "");
	format_to(path, sizeof(path), "/proc/self/fd/%lld", (long long)fd);
	start(root, 265, V(LINUX_AT_FDCWD), P(path), V(LINUX_AT_FDCWD), P("/tmp/f"),
		V(LINUX_AT_SYMLINK_FOLLOW));
	CHECK_EQ(result_of(root), 0);
	CHECK_STR_EQ(file_text(root, "/tmp/f"), "temp");
	CHECK_EQ(call_fstat(root, fd, &stat), 0);
	CHECK_EQ(stat.nlink, 1);
	end();
}

TEST(path_files_only_name_a_place)
{
	char text[8];
	struct linux_stat stat;

	begin();
	write_file(root, "/f", "x");
	CHECK_EQ(call_symlink(root, "f", "/l"), 0);
	int64_t fd = call_open(root, "/l", LINUX_O_PATH | LINUX_O_NOFOLLOW, 0);

	CHECK(fd >= 0);
	CHECK_EQ(call_read(root, fd, text, 1), -LINUX_EBADF);
	CHECK_EQ(call_fstat(root, fd, &stat), 0);
	CHECK_EQ(stat.mode & LINUX_S_IFMT, LINUX_S_IFLNK);
	start(root, 267, V(fd), P(""), OUT_DATA(8), V(8));
	CHECK_EQ(result_of(root), 1);
	end();
}

TEST(times_are_kept)
{
	struct linux_stat stat;
	struct {
		char path[8];
		struct linux_timespec times[2];
	} payload = { "/f", { { 1000, 5 }, { 2000, 7 } } };

	begin();
	struct user *other = user_create(1000);

	write_file(root, "/f", "x");
	start_raw(root, POSIX_UTIMENSAT, (const uint64_t[6]){ (uint64_t)LINUX_AT_FDCWD, 0, 1, 1 },
		&payload, sizeof(payload));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_stat(root, "/f", &stat), 0);
	CHECK_EQ(stat.atime.seconds, 1000);
	CHECK_EQ(stat.mtime.nanoseconds, 7);
	start_raw(other, POSIX_UTIMENSAT, (const uint64_t[6]){ (uint64_t)LINUX_AT_FDCWD, 0, 1, 1 },
		&payload, sizeof(payload));
	CHECK_EQ(result_of(other), -LINUX_EPERM);
	start_raw(other, POSIX_UTIMENSAT, (const uint64_t[6]){ (uint64_t)LINUX_AT_FDCWD, 0, 1, 0 },
		&payload, 8);
	CHECK_EQ(result_of(other), -LINUX_EACCES);
	payload.times[0].nanoseconds = 2000000000;
	start_raw(root, POSIX_UTIMENSAT, (const uint64_t[6]){ (uint64_t)LINUX_AT_FDCWD, 0, 1, 1 },
		&payload, sizeof(payload));
	CHECK_EQ(result_of(root), -LINUX_EINVAL);
	end();
}

TEST(device_nodes)
{
	struct linux_stat stat;
	char text[4] = "abc";

	begin();
	struct user *other = user_create(1000);

	start(other, 259, V(LINUX_AT_FDCWD), P("/tmp/n"), V(LINUX_S_IFCHR | 0666), V(0x103));
	CHECK_EQ(result_of(other), -LINUX_EPERM);
	start(root, 259, V(LINUX_AT_FDCWD), P("/n"), V(LINUX_S_IFCHR | 0666), V(0x103));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_stat(root, "/n", &stat), 0);
	CHECK_EQ(stat.rdev, 0x103);
	int64_t fd = call_open(root, "/n", LINUX_O_RDWR, 0);

	CHECK(fd >= 0);
	CHECK_EQ(call_write(root, fd, "x", 1), 1);
	CHECK_EQ(call_read(root, fd, text, 3), 0);
	start(root, 259, V(LINUX_AT_FDCWD), P("/m"), V(LINUX_S_IFCHR | 0666), V(0x9999));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_open(root, "/m", LINUX_O_RDWR, 0), -LINUX_ENXIO);
	start(root, 259, V(LINUX_AT_FDCWD), P("/d"), V(LINUX_S_IFDIR | 0666), V(0));
	CHECK_EQ(result_of(root), -LINUX_EPERM);
	end();
}

TEST(processes_are_files)
{
	char text[64];

	begin();
	CHECK_STR_EQ(file_text(root, "/proc/self/comm"), "user0\n");
	CHECK_STR_EQ(file_text(root, "/proc/meminfo"), "text of meminfo\n");
	CHECK_STR_EQ(file_text(root, "/proc/sys/kernel/hostname"), "text of sys/kernel/hostname\n");
	CHECK_STR_EQ(file_text(root, "/proc/99999/comm"), "?");
	CHECK_EQ(call_readlink(root, "/proc/self/cwd", text, sizeof(text)), 1);
	write_file(root, "/f", "via fd");
	int64_t fd = call_open(root, "/f", LINUX_O_RDONLY, 0);

	CHECK_EQ(fd, 0);
	CHECK_EQ(call_readlink(root, "/proc/self/fd/0", text, sizeof(text)), 2);
	CHECK_STR_EQ(text, "/f");
	CHECK_STR_EQ(file_text(root, "/proc/self/fd/0"), "via fd");
	CHECK_EQ(call_unlink(root, "/f"), 0);
	CHECK_EQ(call_readlink(root, "/proc/self/fd/0", text, sizeof(text)), 12);
	CHECK_STR_EQ(text, "/f (deleted)");
	CHECK(strstr(list(root, "/proc/self/fd"), "0 ") != NULL);
	CHECK(strstr(list(root, "/proc"), "self ") != NULL);
	CHECK_EQ(call_mkdir(root, "/proc/x", 0755), -LINUX_ENOENT);
	end();
}

TEST(descriptors_of_others_are_private)
{
	char text[64];
	char path[32];

	begin();
	struct user *other = user_create(1000);

	CHECK_EQ(call_open(root, "/", LINUX_O_RDONLY, 0), 0);
	format_to(path, sizeof(path), "/proc/%u/fd", root->process.pid);
	CHECK_EQ(call_open(other, path, LINUX_O_RDONLY, 0), -LINUX_EACCES);
	format_to(path, sizeof(path), "/proc/%u/cwd", root->process.pid);
	CHECK_EQ(call_readlink(other, path, text, sizeof(text)), -LINUX_EACCES);
	end();
}

TEST(statfs_knows_sizes)
{
	begin();
	start(root, 137, P("/"), OUT_DATA(120));
	CHECK_EQ(result_of(root), 0);
	const struct linux_statfs *stat = (const void *)root->reply;

	CHECK_EQ(stat->type, 0x01021994);
	CHECK_EQ(stat->block_size, 4096);
	CHECK_EQ(stat->blocks, MIB(32) / 4096);
	uint64_t before = stat->blocks_free;

	write_file(root, "/f", "x");
	start(root, 137, P("/"), OUT_DATA(120));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(before - stat->blocks_free, 1);
	end();
}

TEST(deep_removed_tree_is_freed)
{
	begin();
	for (unsigned i = 0; i < 3000; i++) {
		CHECK_EQ(call_mkdir(root, "d", 0755), 0);
		CHECK_EQ(call_chdir(root, "d"), 0);
	}
	for (unsigned i = 0; i < 3000; i++) {
		start(root, 263, V(LINUX_AT_FDCWD), P("../d"), V(LINUX_AT_REMOVEDIR));
		int64_t result = result_of(root);

		CHECK(result == 0 || result == -LINUX_ENOENT);
		CHECK_EQ(call_chdir(root, ".."), 0);
	}
	end();
}

TEST(rename_without_memory_changes_nothing)
{
	static const char name[] = "/d/a-name-that-needs-memory-of-its-own";

	begin();
	write_file(root, "/f", "text");
	CHECK_EQ(call_mkdir(root, "/d", 0755), 0);
	int64_t result = -1;

	for (size_t n = 1; n < 20 && result < 0; n++) {
		fake_fail_allocation = n;
		result = call_rename(root, "/f", name, 0);
		fake_fail_allocation = 0;
		CHECK_STR_EQ(file_text(root, result < 0 ? "/f" : name), "text");
		CHECK_STR_EQ(
			list(root, "/d"), result < 0 ? "" : "a-name-that-needs-memory-of-its-own ");
	}
	CHECK_EQ(result, 0);
	end();
}

/* The tree of a process' own goes with its last user, and so does what is mounted in it. */
TEST(own_mount_trees_end)
{
	begin();
	struct user *other = user_create(0);

	CHECK_EQ(call_mkdir(root, "/m", 0755), 0);
	CHECK_EQ(call_mount(root, "x", "/m", "tmpfs", "", 0), 0);
	CHECK_EQ(call_chdir(other, "/m"), 0);
	start(other, 272, V(0x20000)); /* unshare(CLONE_NEWNS) */
	CHECK_EQ(result_of(other), 0);
	struct user *child = user_fork(other);

	CHECK_EQ(call_mkdir(other, "/m/n", 0755), 0);
	CHECK_EQ(call_mount(other, "y", "/m/n", "tmpfs", "", 0), 0);
	write_file(child, "/m/n/f", "mine");
	CHECK_STR_EQ(file_text(other, "/m/n/f"), "mine");
	CHECK_STR_EQ(file_text(root, "/m/n/f"), "?");
	user_exit(other);
	CHECK_STR_EQ(file_text(child, "/m/n/f"), "mine");
	user_exit(child);
	start(root, 166, P("/m"), V(0)); /* umount2 */
	CHECK_EQ(result_of(root), 0);
	end();
}

TEST_MAIN()
