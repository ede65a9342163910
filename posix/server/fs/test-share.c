/* SPDX-License-Identifier: MIT */
/*
 * File systems that others change, too, over a file server that is slow and answers out of order.
 * The seed is printed, TEST_SEED replays one.
 */
#include <async/test-loop.h>
#include <posix/server/tests/disk-server.h>
#include <posix/server/tests/files.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

constexpr uint32_t READ_WRITE = LINUX_O_CREAT | LINUX_O_RDWR;
constexpr size_t N_USERS = 12;

static struct test_loop test_loop;
static struct random chance;

static void begin_share(void)
{
	uint64_t seed = test_seed(11);

	random_init(&chance, seed);
	test_loop_init(&test_loop, &(struct test_loop_options){ .seed = seed });
	fake_have_tasks(&test_loop);
	begin();
	disk_server_begin(seed);
	disk_server.is_shared = true;
	ASSERT(call_mkdir(root, "/m", 0755) == 0);
	start(root, 259 /* mknodat */, V(LINUX_AT_FDCWD), P("/vda"), V(LINUX_S_IFBLK | 0600),
		V(disk_server_rdev()));
	ASSERT(result_of(root) == 0);
}

static int64_t mount_share(void)
{
	return call_mount(root, "/vda", "/m", "ext4", "", 0);
}

static int64_t umount_share(uint32_t flags)
{
	start(root, 166 /* umount2 */, P("/m"), V(flags));
	fake_run_loop();
	return result_of(root);
}

#define end_share() \
	do { \
		fake_run_loop(); \
		disk_server_end(); \
		end(); \
		fake_have_tasks(NULL); \
		test_loop_deinit(&test_loop); \
	} while (0)

static int64_t size_of(const char *path)
{
	struct linux_stat stat;
	int64_t error = call_stat(root, path, &stat);

	return error < 0 ? error : stat.size;
}

/* ---- one after the other --------------------------------------------------------------------- */

TEST(what_others_write_is_read)
{
	begin_share();
	disk_server_other_writes("f", "one");
	CHECK_EQ(mount_share(), 0);
	CHECK_STR_EQ(file_text(root, "/m/f"), "one");
	CHECK_EQ(size_of("/m/f"), 3);
	int64_t fd = call_open(root, "/m/f", LINUX_O_RDWR, 0);
	char buffer[16] = "";

	disk_server_other_writes("f", "and two");
	CHECK_EQ(size_of("/m/f"), 7);
	CHECK_EQ(call_pread(root, fd, buffer, sizeof(buffer), 0), 7);
	CHECK_MEM_EQ(buffer, "and two", 7);
	disk_server_other_writes("f", "x");
	CHECK_EQ(call_lseek(root, fd, 0, 2), 1);
	CHECK_EQ(call_pread(root, fd, buffer, sizeof(buffer), 0), 1);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(umount_share(0), 0);
	end_share();
}

TEST(appends_go_to_where_the_end_is_by_now)
{
	begin_share();
	CHECK_EQ(mount_share(), 0);
	int64_t fd = call_open(root, "/m/log", READ_WRITE | LINUX_O_APPEND, 0644);

	CHECK_EQ(call_write(root, fd, "one ", 4), 4);
	disk_server_other_writes("log", "another one ");
	CHECK_EQ(call_write(root, fd, "two", 3), 3);
	CHECK_STR_EQ(disk_server_text(disk_server_find("log")), "another one two");
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(umount_share(0), 0);
	end_share();
}

TEST(names_of_others_come_and_go)
{
	begin_share();
	disk_server_other_writes("f", "old");
	CHECK_EQ(mount_share(), 0);
	int64_t fd = call_open(root, "/m/f", LINUX_O_RDONLY, 0);
	struct linux_stat stat;
	char buffer[8];

	CHECK_EQ(size_of("/m/g"), -LINUX_ENOENT);
	disk_server_other_moves("f", "g");
	CHECK_EQ(size_of("/m/f"), -LINUX_ENOENT);
	CHECK_EQ(size_of("/m/g"), 3);
	disk_server_other_writes("f", "newer");
	CHECK_EQ(size_of("/m/f"), 5);
	disk_server_other_removes("g");
	CHECK_EQ(size_of("/m/g"), -LINUX_ENOENT);
	CHECK_EQ(call_fstat(root, fd, &stat), 0);
	CHECK_EQ(stat.nlink, 0);
	CHECK_EQ(call_pread(root, fd, buffer, sizeof(buffer), 0), 3);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(umount_share(0), 0);
	end_share();
}

TEST(what_is_removed_here_lives_while_it_is_open)
{
	begin_share();
	CHECK_EQ(mount_share(), 0);
	int64_t fd = call_open(root, "/m/f", READ_WRITE, 0644);
	char buffer[8];

	CHECK_EQ(call_unlink(root, "/m/f"), 0);
	disk_server_other_writes("f", "another");
	CHECK_EQ(call_write(root, fd, "mine", 4), 4);
	CHECK_EQ(call_pread(root, fd, buffer, sizeof(buffer), 0), 4);
	CHECK_STR_EQ(file_text(root, "/m/f"), "another");
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(umount_share(0), 0);
	end_share();
}

/* Nothing is kept of what nobody uses, so the server gets back all but the root. */
TEST(unused_names_are_not_kept)
{
	begin_share();
	disk_server_other_writes("f", "");
	CHECK_EQ(mount_share(), 0);
	CHECK_EQ(size_of("/m/f"), 0);
	CHECK_EQ(size_of("/m/none"), -LINUX_ENOENT);
	fake_run_loop();
	CHECK_EQ(disk_server_n_given(), 1);
	CHECK_EQ(umount_share(0), 0);
	end_share();
}

/* ---- all at once ----------------------------------------------------------------------------- */

static char random_name(void)
{
	return "xyz"[random_below(&chance, 3)];
}

static void other_changes(void)
{
	char name[2] = { random_name() }, other[2] = { random_name() };

	switch (random_below(&chance, 12)) {
	case 0: disk_server_other_writes(name, "text"); break;
	case 1: disk_server_other_removes(name); break;
	case 2: disk_server_other_moves(name, other); break;
	default: break;
	}
}

/* Whether it opens a file. */
static bool start_something(struct user *user, int64_t fd)
{
	static char names[2][8];
	uint64_t what = random_below(&chance, 8);

	snprintf(names[0], sizeof(names[0]), "/m/%c", random_name());
	snprintf(names[1], sizeof(names[1]), "/m/%c", random_name());
	switch (what) {
	case 0: start(user, 257, V(LINUX_AT_FDCWD), P(names[0]), V(READ_WRITE), V(0644)); break;
	case 1: start(user, 263, V(LINUX_AT_FDCWD), P(names[0]), V(0)); break;
	case 2:
		start(user, 316, V(LINUX_AT_FDCWD), P(names[0]), V(LINUX_AT_FDCWD), P(names[1]),
			V(0));
		break;
	case 3:
		start(user, 265, V(LINUX_AT_FDCWD), P(names[0]), V(LINUX_AT_FDCWD), P(names[1]),
			V(0));
		break;
	case 4: start(user, 76 /* truncate */, P(names[0]), V(random_below(&chance, 100))); break;
	case 5: start(user, 18 /* pwrite */, V(fd), IN_DATA("some", 4), V(4), V(0)); break;
	case 6: start(user, 17 /* pread */, V(fd), V(0), V(16), V(0)); break;
	default: start(user, 439, V(LINUX_AT_FDCWD), P(names[0]), V(0), V(0)); break;
	}
	return what == 0;
}

static bool is_expected(int64_t result)
{
	return result >= 0 || result == -LINUX_ENOENT || result == -LINUX_EEXIST ||
		result == -LINUX_EBADF;
}

/* While others change names, too; afterwards what is seen is what is there. */
TEST(random_names_agree_in_the_end)
{
	struct user *users[N_USERS];
	int64_t fds[N_USERS];
	bool opens[N_USERS];
	char name[8];

	begin_share();
	CHECK_EQ(mount_share(), 0);
	for (size_t i = 0; i < N_USERS; i++) {
		users[i] = user_create(0);
		fds[i] = -1;
	}
	for (int round = 0; round < 300; round++) {
		disk_server.meanwhile = other_changes;
		for (size_t i = 0; i < N_USERS; i++) {
			opens[i] = start_something(users[i], fds[i]);
		}
		fake_run_loop();
		for (size_t i = 0; i < N_USERS; i++) {
			int64_t result = result_of(users[i]);

			CHECK(is_expected(result));
			if (opens[i] && result >= 0) {
				CHECK_EQ(call_close(users[i], result), 0);
			}
		}
		disk_server.meanwhile = NULL;
		for (size_t i = 0; i < N_USERS; i++) {
			if (fds[i] >= 0) {
				CHECK_EQ(call_close(users[i], fds[i]), 0);
			}
			snprintf(name, sizeof(name), "/m/%c", random_name());
			fds[i] = call_open(users[i], name, LINUX_O_RDWR, 0);
		}
		fake_run_loop();
		CHECK(disk_server_n_nodes() <= 1 + 3 + N_USERS);
		for (const char *at = "xyz"; *at != '\0'; at++) {
			snprintf(name, sizeof(name), "/m/%c", *at);
			uint64_t number = disk_server_find(name + 3);

			CHECK_EQ(size_of(name),
				number == 0 ? -LINUX_ENOENT
					    : (int64_t)disk_server_attributes(number)->size);
		}
	}
	CHECK(disk_server.n_at_once_max > 4);
	for (size_t i = 0; i < N_USERS; i++) {
		user_exit(users[i]);
	}
	CHECK_EQ(umount_share(0), 0);
	end_share();
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void use(void)
{
	struct linux_stat stat;
	char buffer[32];

	disk_server_other_writes("x", "text");
	if (mount_share() != 0) {
		return;
	}
	int64_t fd = call_open(root, "/m/f", READ_WRITE | LINUX_O_APPEND, 0644);

	if (fd >= 0) {
		(void)call_write(root, fd, "some text", 9);
		(void)call_pread(root, fd, buffer, sizeof(buffer), 0);
		(void)call_fstat(root, fd, &stat);
		(void)call_lseek(root, fd, 0, 2);
	}
	(void)call_mkdir(root, "/m/d", 0755);
	(void)call_symlink(root, "../f", "/m/d/l");
	(void)call_stat(root, "/m/d/l", &stat);
	(void)call_rename(root, "/m/x", "/m/h", 0);
	(void)call_chmod(root, "/m/h", 0600);
	if (fd >= 0) {
		(void)call_close(root, fd);
	}
	(void)call_unlink(root, "/m/h");
	(void)call_unlink(root, "/m/f");
	(void)call_unlink(root, "/m/d/l");
	(void)call_rmdir(root, "/m/d");
	(void)umount_share(0);
}

TEST(nothing_is_left_when_calls_fail)
{
	for (uint64_t one_in = 2; one_in < 30; one_in++) {
		begin_share();
		disk_server.fail_one_in = one_in;
		use();
		disk_server.fail_one_in = 0;
		fake_run_loop();
		(void)umount_share(2);
		disk_server_client_gone(); /* `unmount` may have failed, too */
		end_share();
	}
}

TEST(nothing_is_left_without_memory)
{
	for (size_t n = 1; n < 120; n++) {
		begin_share();
		fake_fail_allocation = n;
		use();
		fake_fail_allocation = 0;
		(void)umount_share(2);
		fake_run_loop();
		end_share();
	}
}

TEST_MAIN()
