/* SPDX-License-Identifier: MIT */
/* Disks over a file server that is slow, out of order, and fails; TEST_SEED replays a seed. */
#include <abi/linux/xattr.h>
#include <async/test-loop.h>
#include <posix/server/fs/disk.h>
#include <posix/server/tests/disk-server.h>
#include <posix/server/tests/files.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

constexpr uint32_t READ_WRITE = LINUX_O_CREAT | LINUX_O_RDWR;

static struct test_loop test_loop;
static struct random chance;

static void begin_disk(void)
{
	uint64_t seed = test_seed(7);

	random_init(&chance, seed);
	test_loop_init(&test_loop, &(struct test_loop_options){ .seed = seed });
	fake_have_tasks(&test_loop);
	begin();
	disk_server_begin(seed);
	ASSERT(call_mkdir(root, "/m", 0755) == 0);
	start(root, 259 /* mknodat */, V(LINUX_AT_FDCWD), P("/vda"), V(LINUX_S_IFBLK | 0600),
		V(disk_server_rdev()));
	ASSERT(result_of(root) == 0);
}

static int64_t mount_disk(void)
{
	return call_mount(root, "/vda", "/m", "ext4", "", 0);
}

static int64_t umount_disk(uint32_t flags)
{
	start(root, 166 /* umount2 */, P("/m"), V(flags));
	fake_run_loop();
	return result_of(root);
}

#define end_disk() \
	do { \
		fake_run_loop(); \
		disk_server_end(); \
		end(); \
		fake_have_tasks(NULL); \
		test_loop_deinit(&test_loop); \
	} while (0)

/* What a call that may wait ends with. */
#define result_later(user, ...) \
	({ \
		start(user, __VA_ARGS__); \
		fake_run_loop(); \
		result_of(user); \
	})

static const char *text_on_server(const char *path)
{
	uint64_t number = disk_server_find(path);

	return number == 0 ? "?" : disk_server_text(number);
}

/* ---- mounting -------------------------------------------------------------------------------- */

TEST(mounts_share_a_session_and_the_last_ends_it)
{
	begin_disk();
	CHECK_EQ(call_mkdir(root, "/n", 0755), 0);
	CHECK_EQ(call_mount(root, "/dev/null", "/m", "ext4", "", 0), -LINUX_ENOTBLK);
	CHECK_EQ(call_mount(root, "/none", "/m", "ext4", "", 0), -LINUX_ENOENT);
	CHECK_EQ(call_mount(root, "/vda", "/m", "ext4", "what=1", 0), -LINUX_EINVAL);
	CHECK_EQ(call_mount(root, "/vda", "/m", "ext2", "", 0), -LINUX_EINVAL);
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(call_mount(root, "/vda", "/n", "ext4", "errors=remount-ro", 0), 0);
	CHECK_EQ(call_mount(root, "/vda", "/n", "ext4", "", 1 /* read-only */), -LINUX_EBUSY);
	write_file(root, "/m/f", "hello");
	CHECK_STR_EQ(file_text(root, "/n/f"), "hello");
	CHECK_EQ(umount_disk(0), 0);
	CHECK(disk_server.is_mounted);
	CHECK_EQ(result_later(root, 166, P("/n"), V(0)), 0);
	CHECK(!disk_server.is_mounted);
	CHECK_EQ(mount_disk(), 0);
	CHECK_STR_EQ(file_text(root, "/m/f"), "hello");
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

TEST(open_files_keep_it_mounted)
{
	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	int64_t fd = call_open(root, "/m/f", READ_WRITE, 0644);

	CHECK_EQ(call_write(root, fd, "one", 3), 3);
	CHECK_EQ(umount_disk(0), -LINUX_EBUSY);
	CHECK_EQ(umount_disk(2 /* lazily */), 0);
	CHECK_EQ(call_write(root, fd, "two", 3), 3);
	CHECK(disk_server.is_mounted);
	CHECK_EQ(call_close(root, fd), 0);
	fake_run_loop();
	CHECK(!disk_server.is_mounted);
	CHECK_STR_EQ(text_on_server("f"), "onetwo");
	end_disk();
}

/* Mounts, uses and unmounts of many at once: there is one session at a time. */
TEST(mounts_at_once_find_one_session)
{
	struct user *users[8];
	char path[16], name[24];

	begin_disk();
	for (size_t i = 0; i < 8; i++) {
		users[i] = user_create(0);
		snprintf(path, sizeof(path), "/m%zu", i);
		CHECK_EQ(call_mkdir(root, path, 0755), 0);
	}
	for (int round = 0; round < 30; round++) {
		for (size_t i = 0; i < 8; i++) {
			snprintf(path, sizeof(path), "/m%zu", i);
			snprintf(name, sizeof(name), "%s/f", path);
			switch (random_below(&chance, 3)) {
			case 0: start_mount(users[i], "/vda", path, "ext4", "", 0); break;
			case 1: start(users[i], 166, P(path), V(0)); break;
			default:
				start(users[i], 257, V(LINUX_AT_FDCWD), P(name), V(READ_WRITE),
					V(0644));
				break;
			}
		}
		fake_run_loop();
		for (size_t i = 0; i < 8; i++) {
			int64_t result = result_of(users[i]);

			CHECK(result >= 0 || result == -LINUX_EINVAL);
			call_close(users[i], 0);
		}
	}
	for (size_t i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/m%zu", i);
		while (result_later(root, 166, P(path), V(0)) == 0) {
		}
		user_exit(users[i]);
	}
	CHECK(!disk_server.is_mounted);
	end_disk();
}

TEST(read_only_is_read_only)
{
	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	write_file(root, "/m/f", "hello");
	int64_t fd = call_open(root, "/m/f", LINUX_O_RDWR, 0);

	CHECK_EQ(call_mount(root, "", "/m", "", "", 32 | 1), -LINUX_EBUSY);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(call_mount(root, "", "/m", "", "", 32 | 1), 0);
	CHECK(disk_server.is_read_only);
	CHECK_EQ(call_open(root, "/m/f", LINUX_O_RDWR, 0), -LINUX_EROFS);
	CHECK_EQ(call_mkdir(root, "/m/d", 0755), -LINUX_EROFS);
	CHECK_STR_EQ(file_text(root, "/m/f"), "hello");
	CHECK_EQ(call_mount(root, "", "/m", "", "", 32), 0);
	CHECK_EQ(call_mkdir(root, "/m/d", 0755), 0);
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

TEST(sizes_of_file_systems_are_told)
{
	struct linux_statfs *statfs = (struct linux_statfs *)root;

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(result_later(root, 137 /* statfs */, P("/m"), OUT_DATA(sizeof(*statfs))), 0);
	statfs = (struct linux_statfs *)root->reply;
	CHECK_EQ(statfs->type, 0xef53);
	CHECK_EQ(statfs->blocks_free, disk_server.n_free_blocks);
	CHECK_EQ(statfs->blocks_available, disk_server.n_free_blocks - 1);
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

/* ---- names ----------------------------------------------------------------------------------- */

TEST(names_are_made_found_and_removed)
{
	struct linux_stat stat, linked;
	char target[32];

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	disk_server.cannot_tell = true;
	CHECK_EQ(call_mkdir(root, "/m/d", 0755), -LINUX_ENOMEM);
	CHECK_EQ(call_stat(root, "/m/d", &stat), 0);
	write_file(root, "/m/d/f", "text");
	CHECK_EQ(call_link(root, "/m/d/f", "/m/g"), 0);
	CHECK_EQ(call_symlink(root, "d/f", "/m/l"), 0);
	CHECK_EQ(result_later(root, 259, V(LINUX_AT_FDCWD), P("/m/null"), V(LINUX_S_IFCHR | 0666),
			 V(0x103)),
		0);
	CHECK_EQ(umount_disk(0), 0);
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(call_stat(root, "/m/l", &stat), 0);
	CHECK_EQ(call_stat(root, "/m/g", &linked), 0);
	CHECK_EQ(stat.ino, linked.ino);
	CHECK_EQ(stat.nlink, 2);
	CHECK_EQ(stat.dev, disk_server_rdev());
	CHECK_EQ(call_readlink(root, "/m/l", target, sizeof(target)), 3);
	CHECK_EQ(call_stat(root, "/m/null", &stat), 0);
	CHECK_EQ(stat.rdev, 0x103);
	CHECK_EQ(call_rmdir(root, "/m/d"), -LINUX_ENOTEMPTY);
	CHECK_EQ(call_rename(root, "/m/d/f", "/m/null", 0), 0);
	CHECK_STR_EQ(file_text(root, "/m/null"), "text");
	CHECK_EQ(call_rmdir(root, "/m/d"), 0);
	CHECK_EQ(call_stat(root, "/m/null", &stat), 0);
	CHECK_EQ(stat.nlink, 2);
	CHECK_EQ(call_unlink(root, "/m/null"), 0);
	CHECK_EQ(call_stat(root, "/m/g", &stat), 0);
	CHECK_EQ(stat.nlink, 1);
	CHECK_EQ(call_unlink(root, "/m/g"), 0);
	CHECK_EQ(call_unlink(root, "/m/l"), 0);
	fake_run_loop();
	CHECK_EQ(disk_server_n_nodes(), 1);
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

TEST(removed_files_live_while_they_are_open)
{
	char text[8];

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	int64_t fd = call_open(root, "/m/f", READ_WRITE, 0644);

	CHECK_EQ(call_write(root, fd, "text", 4), 4);
	CHECK_EQ(call_unlink(root, "/m/f"), 0);
	CHECK_EQ(call_pread(root, fd, text, 4, 0), 4);
	CHECK_EQ(disk_server_n_nodes(), 2);
	CHECK_EQ(call_close(root, fd), 0);
	fake_run_loop();
	CHECK_EQ(disk_server_n_nodes(), 1);
	fd = call_open(root, "/m", LINUX_O_TMPFILE | LINUX_O_RDWR, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(disk_server_n_nodes(), 2);
	CHECK_EQ(call_close(root, fd), 0);
	fake_run_loop();
	CHECK_EQ(disk_server_n_nodes(), 1);
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

/* One call each: nobody asks for a name that was just taken away, or says farewell. */
TEST(names_that_went_are_remembered)
{
	struct linux_stat stat;

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	write_file(root, "/m/f", "text");
	fake_run_loop();
	uint64_t n_calls = disk_server.n_calls;

	CHECK_EQ(call_unlink(root, "/m/f"), 0);
	fake_run_loop();
	CHECK_EQ(disk_server.n_calls, n_calls + 1);
	CHECK_EQ(disk_server_n_nodes(), 1);
	CHECK_EQ(call_stat(root, "/m/f", &stat), -LINUX_ENOENT);
	CHECK_EQ(call_close(root, call_open(root, "/m/f", READ_WRITE, 0644)), 0);
	CHECK_EQ(disk_server.n_calls, n_calls + 2);
	CHECK_EQ(call_mkdir(root, "/m/d", 0755), 0);
	n_calls = disk_server.n_calls;
	CHECK_EQ(call_rmdir(root, "/m/d"), 0);
	fake_run_loop();
	CHECK_EQ(call_mkdir(root, "/m/d", 0755), 0);
	CHECK_EQ(disk_server.n_calls, n_calls + 2);
	CHECK_EQ(disk_server_n_nodes(), 3);
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

TEST(names_that_were_moved_are_remembered)
{
	struct linux_stat stat;

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	write_file(root, "/m/f", "f");
	write_file(root, "/m/h", "h");
	CHECK_EQ(call_mkdir(root, "/m/d", 0755), 0);
	CHECK_EQ(call_stat(root, "/m/d/g", &stat), -LINUX_ENOENT);
	fake_run_loop();
	uint64_t n_lookups = disk_server.n_lookups;

	for (int i = 0; i < 3; i++) {
		CHECK_EQ(call_rename(root, "/m/f", "/m/d/g", 0), 0);
		CHECK_EQ(call_stat(root, "/m/f", &stat), -LINUX_ENOENT);
		CHECK_EQ(call_stat(root, "/m/d/g", &stat), 0);
		CHECK_EQ(call_rename(root, "/m/d/g", "/m/f", 0), 0);
		CHECK_EQ(call_stat(root, "/m/d/g", &stat), -LINUX_ENOENT);
	}
	CHECK_EQ(call_rename(root, "/m/f", "/m/h", 0), 0); /* and replaces it */
	CHECK_EQ(call_stat(root, "/m/f", &stat), -LINUX_ENOENT);
	CHECK_STR_EQ(file_text(root, "/m/h"), "f");
	CHECK_EQ(disk_server.n_lookups, n_lookups);
	fake_run_loop();
	CHECK_EQ(disk_server_n_nodes(), 3);
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

TEST(new_directories_hold_what_was_put_there)
{
	struct linux_stat stat;
	char name[32];

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(call_mkdir(root, "/m/d", 0755), 0);
	CHECK_EQ(call_mkdir(root, "/m/d/e", 0755), 0);
	uint64_t n_lookups = disk_server.n_lookups;

	write_file(root, "/m/d/f", "text");
	write_file(root, "/m/d/e/g", "text");
	CHECK_EQ(call_stat(root, "/m/d/none", &stat), -LINUX_ENOENT);
	CHECK_EQ(call_rename(root, "/m/d/f", "/m/d/e/h", 0), 0);
	CHECK_EQ(call_stat(root, "/m/d/f", &stat), -LINUX_ENOENT);
	CHECK_EQ(call_unlink(root, "/m/d/e/g"), 0);
	CHECK_EQ(call_stat(root, "/m/d/e/g", &stat), -LINUX_ENOENT);
	CHECK_EQ(disk_server.n_lookups, n_lookups);
	/* until the cache has lost a name that is there */
	for (int i = 0; i < 4200; i++) {
		snprintf(name, sizeof(name), "/m/none%d", i);
		CHECK_EQ(call_stat(root, name, &stat), -LINUX_ENOENT);
	}
	n_lookups = disk_server.n_lookups;
	CHECK_EQ(call_stat(root, "/m/d/e/h", &stat), 0);
	CHECK_EQ(call_stat(root, "/m/d/e/g", &stat), -LINUX_ENOENT);
	CHECK_EQ(disk_server.n_lookups, n_lookups + 2);
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

/* Everybody wants a file that one of them removes: it is there, or it is not. */
TEST(names_that_are_going_are_waited_for)
{
	struct linux_stat stat;
	struct user *users[8];
	int64_t fds[8];

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	for (size_t i = 0; i < 8; i++) {
		users[i] = user_create(0);
	}
	for (int round = 0; round < 40; round++) {
		write_file(root, "/m/f", "text");
		fake_run_loop();
		uint64_t first = random_below(&chance, 8);

		for (size_t i = 0; i < 8; i++) {
			if (i == first) {
				start(users[i], 263, V(LINUX_AT_FDCWD), P("/m/f"), V(0));
			} else {
				start(users[i], 257, V(LINUX_AT_FDCWD), P("/m/f"), V(LINUX_O_RDWR),
					V(0));
			}
		}
		fake_run_loop();
		for (size_t i = 0; i < 8; i++) {
			fds[i] = result_of(users[i]);
			CHECK(i == first ? fds[i] == 0 : fds[i] >= 0 || fds[i] == -LINUX_ENOENT);
		}
		CHECK_EQ(call_stat(root, "/m/f", &stat), -LINUX_ENOENT);
		for (size_t i = 0; i < 8; i++) {
			CHECK(i == first || fds[i] < 0 || call_close(users[i], fds[i]) == 0);
		}
		CHECK_EQ(result_later(root, 162 /* sync */, V(0)), 0);
		CHECK_EQ(disk_server_n_nodes(), 1);
	}
	for (size_t i = 0; i < 8; i++) {
		user_exit(users[i]);
	}
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

/* What was asked for in them, and was not there, does not keep them. */
TEST(removed_directories_are_gone)
{
	struct linux_stat stat;

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(call_mkdir(root, "/m/removed", 0755), 0);
	CHECK_EQ(call_mkdir(root, "/m/replaced", 0755), 0);
	CHECK_EQ(call_mkdir(root, "/m/new", 0755), 0);
	CHECK_EQ(call_stat(root, "/m/removed/none", &stat), -LINUX_ENOENT);
	CHECK_EQ(call_stat(root, "/m/replaced/none", &stat), -LINUX_ENOENT);
	CHECK_EQ(call_rmdir(root, "/m/removed"), 0);
	CHECK_EQ(call_rename(root, "/m/new", "/m/replaced", 0), 0);
	fake_run_loop();
	CHECK_EQ(disk_server_n_nodes(), 2);
	CHECK_EQ(call_mount(root, "", "/m", "", "", 32 | 1), 0);
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

TEST(directories_are_listed_in_pieces)
{
	char name[32], text[8];

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(call_mkdir(root, "/m/d", 0755), 0);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "/m/d/%02d", i);
		write_file(root, name, "x");
	}
	const char *names = list(root, "/m/d");

	CHECK_EQ(strlen(names), 40 * 3);
	for (int i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "%02d ", i);
		CHECK(strstr(names, text) != NULL);
	}
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

/* Random names made, moved and removed by many at once; then both sides agree. */
TEST(random_names_agree_with_the_server)
{
	static char names[2][32];
	struct user *users[16];
	struct linux_stat stat;

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(call_mkdir(root, "/m/a", 0755), 0);
	CHECK_EQ(call_mkdir(root, "/m/b", 0755), 0);
	for (size_t i = 0; i < 16; i++) {
		users[i] = user_create(0);
	}
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < 16; i++) {
			for (size_t k = 0; k < 2; k++) {
				snprintf(names[k], sizeof(names[k]), "/m/%c/%c",
					"ab"[random_below(&chance, 2)],
					"xyz"[random_below(&chance, 3)]);
			}
			switch (random_below(&chance, 5)) {
			case 0:
				start(users[i], 257 /* openat */, V(LINUX_AT_FDCWD), P(names[0]),
					V(READ_WRITE), V(0644));
				break;
			case 1: start(users[i], 263, V(LINUX_AT_FDCWD), P(names[0]), V(0)); break;
			case 2:
				start(users[i], 316 /* renameat2 */, V(LINUX_AT_FDCWD), P(names[0]),
					V(LINUX_AT_FDCWD), P(names[1]), V(0));
				break;
			case 3:
				start(users[i], 265 /* linkat */, V(LINUX_AT_FDCWD), P(names[0]),
					V(LINUX_AT_FDCWD), P(names[1]), V(0));
				break;
			default:
				start(users[i], 439, V(LINUX_AT_FDCWD), P(names[0]), V(0), V(0));
				break;
			}
		}
		fake_run_loop();
		for (size_t i = 0; i < 16; i++) {
			int64_t result = result_of(users[i]);

			CHECK(result >= 0 || result == -LINUX_ENOENT || result == -LINUX_EEXIST);
			if (result > 0) {
				call_close(users[i], result);
			}
		}
		for (size_t i = 0; i < 6; i++) {
			snprintf(names[0], sizeof(names[0]), "/m/%c/%c", "ab"[i / 3], "xyz"[i % 3]);
			uint64_t number = disk_server_find(names[0] + 3);
			int64_t result = call_stat(root, names[0], &stat);

			CHECK_EQ(result, number == 0 ? -LINUX_ENOENT : 0);
			if (result == 0) {
				CHECK_EQ(stat.ino, number);
				CHECK_EQ(stat.nlink, disk_server_attributes(number)->n_links);
			}
		}
	}
	CHECK(disk_server.n_at_once_max > 2);
	for (size_t i = 0; i < 16; i++) {
		user_exit(users[i]);
	}
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

/* ---- contents -------------------------------------------------------------------------------- */

TEST(contents_that_are_absent_are_waited_for)
{
	char text[16] = "";

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	write_file(root, "/m/f", "hello, world");
	disk_server_evict();
	int64_t fd = call_open(root, "/m/f", LINUX_O_RDWR, 0);

	CHECK_EQ(call_read(root, fd, text, sizeof(text)), 12);
	CHECK_STR_EQ(text, "hello, world");
	CHECK_EQ(disk_server.n_locks, 1);
	CHECK_EQ(call_pread(root, fd, text, 5, 0), 5);
	CHECK_EQ(disk_server.n_locks, 1);
	disk_server_evict();
	CHECK_EQ(call_pwrite(root, fd, "H", 1, 0), 1);
	CHECK_EQ(disk_server.n_locks, 2);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_STR_EQ(text_on_server("f"), "Hello, world");
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

TEST(room_is_asked_for_once)
{
	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	int64_t fd = call_open(root, "/m/f", READ_WRITE, 0644);

	CHECK_EQ(call_pwrite(root, fd, "0123456789", 10, 0), 10);
	uint64_t n = disk_server.n_calls;

	CHECK_EQ(call_pwrite(root, fd, "abc", 3, 4), 3);
	CHECK_EQ(disk_server.n_calls, n);
	CHECK_EQ(call_pwrite(root, fd, "x", 1, 4 * 4096), 1);
	CHECK_EQ(call_pwrite(root, fd, "y", 1, 4 * 4096), 1);
	CHECK_EQ(disk_server.n_reserves, 2);
	CHECK_EQ(call_pwrite(root, fd, "z", 1, 2 * 4096), 1);
	CHECK_EQ(disk_server.n_reserves, 3);
	disk_server.n_free_blocks = 0;
	CHECK_EQ(call_pwrite(root, fd, "z", 1, 3 * 4096), -LINUX_ENOSPC);
	CHECK_EQ(call_pwrite(root, fd, "z", 1, 0), 1);
	CHECK_EQ(result_later(root, 77 /* ftruncate */, V(fd), V(5)), 0);
	CHECK_EQ(call_pwrite(root, fd, "z", 1, 5), 1);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_STR_EQ(text_on_server("f"), "z123az");
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

TEST(writers_wait_while_too_much_is_dirty)
{
	begin_disk();
	disk_server.n_dirty_max = 2;
	CHECK_EQ(mount_disk(), 0);
	int64_t fd = call_open(root, "/m/f", READ_WRITE, 0644);

	for (int i = 0; i < 10; i++) {
		CHECK_EQ(call_write(root, fd, "ab", 2), 2);
	}
	CHECK(disk_server.n_fences >= 3);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_STR_EQ(text_on_server("f"), "abababababababababab");
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

/* Appends of many at once: each is there once, and whole. */
TEST(appends_do_not_overwrite_each_other)
{
	struct user *users[12];
	int counts[12] = { 0 };
	static char texts[12][4];

	begin_disk();
	disk_server.is_cold = true;
	CHECK_EQ(mount_disk(), 0);
	for (size_t i = 0; i < 12; i++) {
		users[i] = user_create(0);
		CHECK_EQ(call_open(users[i], "/m/f", READ_WRITE | LINUX_O_APPEND, 0644), 0);
	}
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < 12; i++) {
			snprintf(texts[i], sizeof(texts[i]), "<%c>", (char)('a' + i));
			start(users[i], 1 /* write */, V(0), IN_DATA(texts[i], 3), V(3));
		}
		if (random_below(&chance, 3) == 0) {
			disk_server_evict();
		}
		fake_run_loop();
		for (size_t i = 0; i < 12; i++) {
			CHECK_EQ(result_of(users[i]), 3);
		}
	}
	const char *all = text_on_server("f");

	CHECK_EQ(strlen(all), 12 * 20 * 3);
	for (size_t i = 0; i < 12 * 20; i++) {
		CHECK(all[3 * i] == '<' && all[3 * i + 2] == '>');
		counts[all[3 * i + 1] - 'a']++;
	}
	for (size_t i = 0; i < 12; i++) {
		CHECK_EQ(counts[i], 20);
		user_exit(users[i]);
	}
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* As Linux does: whoever had the file open, and whoever asks first. */
TEST(errors_of_storing_are_told_once_to_each_open_file)
{
	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	int64_t first = call_open(root, "/m/f", READ_WRITE, 0644);
	int64_t second = call_open(root, "/m/f", READ_WRITE, 0);
	int64_t other = call_open(root, "/m/g", READ_WRITE, 0644);

	disk_server.sync_error = -ERR_IO;
	CHECK_EQ(result_later(root, 75 /* fdatasync */, V(first)), -LINUX_EIO);
	int64_t third = call_open(root, "/m/f", READ_WRITE, 0);

	CHECK_EQ(result_later(root, 74 /* fsync */, V(third)), 0);
	CHECK_EQ(result_later(root, 74, V(other)), 0);
	CHECK_EQ(result_later(root, 74, V(first)), 0);
	CHECK_EQ(result_later(root, 74, V(second)), -LINUX_EIO);
	CHECK_EQ(result_later(root, 74, V(second)), 0);
	/* nobody has been told of this one before the file is opened again */
	disk_server.sync_error = -ERR_NO_SPACE;
	int64_t fourth = call_open(root, "/m/f", READ_WRITE, 0);

	CHECK_EQ(result_later(root, 74, V(fourth)), -LINUX_ENOSPC);
	CHECK_EQ(result_later(root, 74, V(first)), -LINUX_ENOSPC);
	CHECK_EQ(call_close(root, first), 0);
	CHECK_EQ(call_close(root, second), 0);
	CHECK_EQ(call_close(root, third), 0);
	CHECK_EQ(call_close(root, fourth), 0);
	CHECK_EQ(call_close(root, other), 0);
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

TEST(times_are_told_before_a_sync_and_at_the_end)
{
	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	int64_t fd = call_open(root, "/m/f", READ_WRITE, 0644);
	uint64_t number = disk_server_find("f");

	CHECK_EQ(call_write(root, fd, "text", 4), 4);
	fake_now_ns += UINT64_C(50'000'000'000);
	CHECK_EQ(call_pwrite(root, fd, "T", 1, 0), 1);
	int64_t now = (int64_t)((fake_now_ns + (uint64_t)fake_realtime_offset_ns) / 1'000'000'000);

	CHECK_EQ(result_later(root, 74 /* fsync */, V(fd)), 0);
	CHECK_EQ(disk_server_attributes(number)->mtime.seconds, now);
	CHECK_EQ(disk_server.n_syncs, 1);
	fake_now_ns += UINT64_C(50'000'000'000);
	CHECK_EQ(call_pwrite(root, fd, "t", 1, 0), 1);
	uint64_t n = disk_server.n_set_attributes;

	CHECK_EQ(result_later(root, 162 /* sync */, V(0)), 0);
	CHECK_EQ(disk_server.n_set_attributes, n + 1);
	CHECK_EQ(disk_server_attributes(number)->mtime.seconds, now + 50);
	CHECK_EQ(result_later(root, 162 /* sync */, V(0)), 0);
	CHECK_EQ(disk_server.n_set_attributes, n + 1);
	fake_now_ns += UINT64_C(50'000'000'000);
	CHECK_EQ(call_pwrite(root, fd, "x", 1, 0), 1);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(umount_disk(0), 0);
	CHECK_EQ(disk_server_attributes(number)->mtime.seconds, now + 100);
	end_disk();
}

TEST(changes_of_attributes_are_told_at_once)
{
	struct linux_stat stat;

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	write_file(root, "/m/f", "text");
	uint64_t number = disk_server_find("f");

	CHECK_EQ(call_chmod(root, "/m/f", 0600), 0);
	CHECK_EQ(disk_server_attributes(number)->mode, LINUX_S_IFREG | 0600);
	CHECK_EQ(call_chown(root, "/m/f", 7, 8), 0);
	CHECK_EQ(disk_server_attributes(number)->uid, 7);
	disk_server.next_error = -26;
	CHECK_EQ(call_chmod(root, "/m/f", 0777), -LINUX_EIO);
	CHECK_EQ(call_stat(root, "/m/f", &stat), 0);
	CHECK_EQ(stat.mode, LINUX_S_IFREG | 0600);
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

TEST(extended_attributes_are_kept)
{
	size_t size;

	begin_disk();
	CHECK_EQ(mount_disk(), 0);
	write_file(root, "/m/f", "text");
	uint64_t number = disk_server_find("f");

	CHECK_EQ(result_later(root, 188 /* setxattr */, P("/m/f"), P("user.a"), IN_DATA("1234", 4),
			 V(4), V(0)),
		0);
	CHECK(disk_server_xattr(number, "user.a", &size) != NULL && size == 4);
	CHECK_EQ(umount_disk(0), 0);
	disk_server_set_xattr(number, "user.b", "56", 2);
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(result_later(root, 191 /* getxattr */, P("/m/f"), P("user.b"), OUT_DATA(8), V(8)),
		2);
	CHECK_EQ(result_later(root, 191, P("/m/f"), P("user.a"), OUT_DATA(8), V(8)), 4);
	CHECK_EQ(result_later(root, 197 /* removexattr */, P("/m/f"), P("user.a")), 0);
	CHECK(disk_server_xattr(number, "user.a", &size) == NULL);
	CHECK_EQ(
		result_later(root, 191, P("/m/f"), P("user.a"), OUT_DATA(8), V(8)), -LINUX_ENODATA);
	CHECK_EQ(umount_disk(0), 0);
	end_disk();
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* A little of everything; whatever fails, nothing is left behind. */
static void use(void)
{
	struct linux_stat stat;
	char buffer[32];

	if (mount_disk() != 0) {
		return;
	}
	int64_t fd = call_open(root, "/m/f", READ_WRITE, 0644);

	if (fd >= 0) {
		(void)call_write(root, fd, "some text", 9);
		disk_server_evict();
		(void)call_pread(root, fd, buffer, sizeof(buffer), 0);
		(void)result_later(root, 77, V(fd), V(4));
		(void)result_later(root, 74, V(fd));
	}
	(void)call_mkdir(root, "/m/d", 0755);
	(void)call_symlink(root, "../f", "/m/d/l");
	(void)call_readlink(root, "/m/d/l", buffer, sizeof(buffer));
	(void)call_link(root, "/m/f", "/m/d/g");
	(void)call_rename(root, "/m/d/g", "/m/h", 0);
	(void)result_later(root, 188, P("/m/h"), P("user.a"), IN_DATA("12", 2), V(2), V(0));
	(void)call_stat(root, "/m/d/l", &stat);
	(void)call_chmod(root, "/m/h", 0600);
	if (fd >= 0) {
		(void)call_close(root, fd);
	}
	(void)call_unlink(root, "/m/h");
	(void)call_unlink(root, "/m/f");
	(void)call_unlink(root, "/m/d/l");
	(void)call_rmdir(root, "/m/d");
	(void)umount_disk(0);
}

TEST(nothing_is_left_when_calls_fail)
{
	for (uint64_t one_in = 2; one_in < 30; one_in++) {
		begin_disk();
		disk_server.fail_one_in = one_in;
		use();
		disk_server.fail_one_in = 0;
		fake_run_loop();
		(void)umount_disk(2);
		disk_server_client_gone(); /* `unmount` may have failed, too */
		end_disk();
	}
}

TEST(nothing_is_left_without_memory)
{
	for (size_t n = 1; n < 160; n++) {
		begin_disk();
		fake_fail_allocation = n;
		use();
		fake_fail_allocation = 0;
		(void)umount_disk(2);
		fake_run_loop();
		end_disk();
	}
}

TEST_MAIN()
