/* SPDX-License-Identifier: MIT */
/* inotify: what tests/linux/inotify.c cannot see, that nothing is left and waiters are woken. */
#include <posix/server/file/inotify.h>
#include <posix/server/tests/files.h>

enum { CALL_inotify_add_watch = 254, CALL_inotify_rm_watch = 255, CALL_inotify_init1 = 294 };

static int64_t call_init(struct user *user)
{
	start(user, CALL_inotify_init1, V(0));
	return result_of(user);
}

static int64_t call_add(struct user *user, int64_t fd, const char *path, uint32_t mask)
{
	start(user, CALL_inotify_add_watch, V(fd), P(path), V(mask));
	return result_of(user);
}

TEST(watches_go_with_the_instance)
{
	begin();
	write_file(root, "/f", "");
	int64_t fd = call_init(root);

	CHECK_EQ(call_add(root, fd, "/", LINUX_IN_ALL_EVENTS), 1);
	CHECK_EQ(call_add(root, fd, "/f", LINUX_IN_ALL_EVENTS), 2);
	CHECK_EQ(inotify_n_watches, 2);
	write_file(root, "/g", "unread");
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(inotify_n_watches, 0);
	end();
}

TEST(watches_go_with_the_file)
{
	begin();
	int64_t fd = call_init(root);

	CHECK_EQ(call_mkdir(root, "/d", 0755), 0);
	CHECK_EQ(call_add(root, fd, "/d", LINUX_IN_CREATE), 1);
	CHECK_EQ(call_rmdir(root, "/d"), 0);
	CHECK_EQ(inotify_n_watches, 0);
	end();
}

TEST(watches_go_with_the_file_system)
{
	begin();
	int64_t fd = call_init(root);

	CHECK_EQ(call_mkdir(root, "/m", 0755), 0);
	CHECK_EQ(call_mount(root, "x", "/m", "tmpfs", "", 0), 0);
	write_file(root, "/m/f", "");
	CHECK_EQ(call_link(root, "/m/f", "/m/g"), 0);
	CHECK_EQ(call_add(root, fd, "/m/f", LINUX_IN_OPEN), 1);
	CHECK_EQ(call_add(root, fd, "/m", LINUX_IN_OPEN), 2);
	start(root, 166, P("/m"), V(0)); /* umount2 */
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(inotify_n_watches, 0);
	end();
}

TEST(a_reader_is_woken)
{
	struct linux_inotify_event event[2];

	begin();
	int64_t fd = call_init(root);
	struct user *other = user_fork(root);

	CHECK_EQ(call_add(root, fd, "/", LINUX_IN_CREATE | LINUX_IN_ONESHOT), 1);
	start(other, 0, V(fd), OUT_DATA(64), V(64));
	CHECK(is_parked(other));
	CHECK_EQ(call_mkdir(root, "/d", 0755), 0);
	CHECK_EQ(result_of(other), 32 + 16);
	memcpy(event, other->reply, sizeof(event));
	CHECK_EQ(event[0].mask, LINUX_IN_CREATE | LINUX_IN_ISDIR);
	CHECK_EQ(event[0].name_size, 16);
	CHECK_STR_EQ((const char *)(event + 1), "d");
	CHECK_EQ(inotify_n_watches, 0);
	start(root, CALL_inotify_rm_watch, V(fd), V(1));
	CHECK_EQ(result_of(root), -LINUX_EINVAL);
	end();
}

TEST_MAIN()
