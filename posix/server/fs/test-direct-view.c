/* SPDX-License-Identifier: MIT */
/*
 * Direct transfers of programs: who is shown the memory, and that it is taken back in time and
 * completely.
 */
#include <posix/server/fs/test-direct-server.h>

enum { OTHERS = 40 };

static const struct posix_view *view_of(const struct user *user, int64_t fd)
{
	const struct posix_views *views = fake_process_memory(user->mm.space, POSIX_VIEWS);

	return &views->views[posix_view_entry_index(entry_of(user, fd))];
}

/* Somebody looks again and again, so the loop would run for ever. */
static void run_for_a_while(void)
{
	run_for(UINT64_C(1000000000));
}

TEST(who_transfers_often_with_o_direct_gets_it)
{
	begin_device();
	int64_t fd = call_open(root, "/disk", LINUX_O_RDWR | DIRECT, 0);

	CHECK_EQ(memory_of(root, 0) == NULL, true);
	warm(root, fd);
	CHECK_EQ(posix_view_entry_kind(entry_of(root, fd)), POSIX_VIEW_DIRECT);
	CHECK(may(root, fd, POSIX_VIEW_READ) && may(root, fd, POSIX_VIEW_WRITE));
	CHECK(server.is_writable);
	CHECK_EQ(view_of(root, fd)->direct_address, POSIX_DIRECTS);
	CHECK_EQ(view_of(root, fd)->direct_size, SIZE);
	CHECK_EQ(view_of(root, fd)->direct_block, 512);
	CHECK(memory_of(root, 0) != NULL);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	fake_run_loop();
	CHECK(memory_of(root, 0) == NULL);
	CHECK_EQ(server.n_open, 0);
	end_device();
}

static _Atomic uint64_t *position_of(struct user *user, int64_t fd)
{
	return &user->page.view_positions[posix_view_entry_index(entry_of(user, fd))];
}

static bool has_position(struct user *user, int64_t fd)
{
	return posix_position_is_of(
		*position_of(user, fd), posix_view_entry_generation(entry_of(user, fd)));
}

/* Also to who has just waited in a task, which holds the file. */
TEST(the_position_is_lent)
{
	static char bytes[512];

	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);

	CHECK(has_position(root, fd));
	CHECK_EQ(call_lseek(root, fd, 1024, LINUX_SEEK_SET), 1024);
	CHECK(!has_position(root, fd));
	CHECK_EQ(call_read(root, fd, bytes, 512), 512);
	CHECK(has_position(root, fd));
	CHECK_EQ(*position_of(root, fd) & POSIX_POSITION_MASK, 1536);
	*position_of(root, fd) += 512; /* the shim has read */
	CHECK_EQ(call_lseek(root, fd, 0, LINUX_SEEK_CUR), 2048);
	int64_t second = call_fcntl(root, fd, LINUX_F_DUPFD, 0);

	CHECK_EQ(call_read(root, fd, bytes, 512), 512);
	CHECK(!has_position(root, fd));
	CHECK_EQ(call_close(root, second), 0);
	end_device();
}

TEST(without_o_direct_nobody_does)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);

	CHECK(may(root, fd, POSIX_VIEW_READ));
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_SETFL, LINUX_O_APPEND | DIRECT), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	warm(root, fd);
	CHECK(may(root, fd, POSIX_VIEW_READ) && !may(root, fd, POSIX_VIEW_WRITE));
	CHECK_EQ(server.n_opened, 1);
	CHECK_EQ(call_fcntl(root, fd, LINUX_F_SETFL, 0), 0);
	CHECK_EQ(entry_of(root, fd), 0);
	CHECK_EQ(call_pread(root, fd, (char[512]){ 0 }, 512, SIZE), 0);
	fake_run_loop();
	CHECK_EQ(entry_of(root, fd), 0);
	CHECK_EQ(server.n_open, 0);
	end_device();
}

TEST(what_the_descriptor_may_not_is_not_shown)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDONLY | DIRECT);
	int64_t second = open_warm(root, LINUX_O_RDWR | DIRECT | LINUX_O_DSYNC);

	CHECK(may(root, fd, POSIX_VIEW_READ) && !may(root, fd, POSIX_VIEW_WRITE));
	CHECK(!server.is_writable);
	CHECK(may(root, second, POSIX_VIEW_READ) && !may(root, second, POSIX_VIEW_WRITE));
	CHECK_EQ(view_of(root, second)->direct_address, POSIX_DIRECTS + POSIX_DIRECT_PLACE);
	struct user *child = user_fork(root);

	CHECK_EQ(entry_of(child, fd), 0);
	CHECK(memory_of(child, 0) == NULL);
	end_device();
}

TEST(a_server_that_refuses_is_asked_once)
{
	begin_device();
	server.refuses = true;
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);
	uint32_t n_before = server.n_transfers;

	server.refuses = false;
	warm(root, fd);
	CHECK_EQ(server.n_opened, 0);
	CHECK_EQ(server.n_transfers, n_before + WARM);
	CHECK(!may(root, fd, POSIX_VIEW_READ));
	CHECK(memory_of(root, 0) == NULL);
	end_device();
}

TEST(who_may_not_write_any_more_has_nothing_to_write_with)
{
	int32_t yes = 1, no = 0;

	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);

	server.n_fail = 3;
	CHECK_EQ(call_ioctl(root, fd, LINUX_BLKROSET, 0, &yes, 4, 0), REQUEST_PARK);
	fake_run_loop();
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(server.n_open, 0);
	CHECK_EQ(entry_of(root, fd), 0);
	CHECK(memory_of(root, 0) == NULL);
	warm(root, fd);
	CHECK(may(root, fd, POSIX_VIEW_READ) && !may(root, fd, POSIX_VIEW_WRITE));
	CHECK(!server.is_writable);
	CHECK_EQ(call_ioctl(root, fd, LINUX_BLKROSET, 0, &no, 4, 0), 0);
	end_device();
}

TEST(memory_in_use_stays_until_it_is_not)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);
	struct fs_direct *shared = memory_of(root, 0);

	atomic_store(&shared->taken, 5);
	fs_direct_slot(shared, 0)->state = FS_DIRECT_SUBMITTED; /* the server has not seen it */
	fs_direct_slot(shared, 2)->state = FS_DIRECT_DONE;
	CHECK_EQ(call_close(root, fd), 0);
	run_for_a_while();
	CHECK_EQ(server.n_open, 0);
	CHECK(memory_of(root, 0) == shared);
	CHECK_EQ(atomic_load(&shared->is_over), 1);
	CHECK_EQ(atomic_load(&fs_direct_slot(shared, 0)->state), FS_DIRECT_DONE);
	CHECK_EQ(fs_direct_slot(shared, 0)->error, FS_DIRECT_ASK);
	CHECK_EQ(fs_direct_slot(shared, 2)->error, 0);
	atomic_store(&shared->taken, 0);
	run_for_a_while();
	CHECK(memory_of(root, 0) == NULL);
	end_device();
}

TEST(who_is_killed_meanwhile_ends_when_the_disk_is_done)
{
	begin_device();
	struct user *killed = user_create(0), *other = user_create(0);
	int64_t fd = open_warm(killed, LINUX_O_RDWR | DIRECT);

	(void)open_warm(other, LINUX_O_RDWR | DIRECT);
	atomic_store(&memory_of(killed, 0)->taken, 5);
	user_exit(killed);
	CHECK_EQ(fake_n_awaited, 1);
	CHECK_EQ(server.n_open, 2);
	fake_run_loop();
	CHECK_EQ(fake_n_awaited, 0);
	CHECK_EQ(server.n_open, 1);
	user_exit(other); /* not in the middle of anything */
	CHECK_EQ(fake_n_awaited, 0);
	CHECK(fd >= 0);
	end_device();
}

TEST(who_lies_keeps_it_until_it_ends)
{
	begin_device();
	struct user *liar = user_create(0);
	int64_t fd = open_warm(liar, LINUX_O_RDWR | DIRECT);

	memset(memory_of(liar, 0), 0xff, FS_DIRECT_DATA);
	CHECK_EQ(call_close(liar, fd), 0);
	run_for_a_while();
	CHECK_EQ(server.n_open, 0);
	CHECK(memory_of(liar, 0) != NULL);
	user_exit(liar);
	end_device();
}

TEST(a_process_that_ends_while_it_is_made)
{
	begin_device();
	leaver = user_create(0);
	server.meanwhile = leave;
	(void)open_warm(leaver, LINUX_O_RDWR | DIRECT);
	CHECK(leaver->process.files == NULL);
	CHECK_EQ(server.n_opened, 1);
	CHECK_EQ(server.n_open, 0);
	end_device();
}

TEST(a_device_that_vanishes)
{
	begin_device();
	int64_t fd = open_warm(root, LINUX_O_RDWR | DIRECT);

	device_gone();
	CHECK_EQ(entry_of(root, fd), 0);
	fake_run_loop();
	CHECK(memory_of(root, 0) == NULL);
	server.n_sessions = 0;
	CHECK_EQ(call_close(root, fd), 0);
	end_device();
}

/* Who has it last does not take it from under the transfers that are being ended. */
TEST(a_device_that_vanishes_whose_user_leaves)
{
	begin_device();
	leaver = user_create(0);
	(void)open_warm(leaver, LINUX_O_RDWR | DIRECT);
	server.meanwhile = leave;
	device_gone();
	server.n_sessions = 0;
	fake_run_loop();
	CHECK(server.meanwhile == NULL);
	end_device();
}

TEST(there_are_not_too_many)
{
	struct user *user;

	begin_device();
	for (int i = 0; i < OTHERS; i++) {
		user = user_create(0);
		CHECK(open_warm(user, LINUX_O_RDONLY | DIRECT) >= 0);
	}
	CHECK_EQ(server.n_open, 32);
	end_device();
}

TEST(there_are_fewer_where_there_is_little_memory)
{
	begin_device();
	fake_memory_size = MIB(128);
	for (int i = 0; i < 8; i++) {
		CHECK(open_warm(user_create(0), LINUX_O_RDONLY | DIRECT) >= 0);
	}
	CHECK_EQ(server.n_open, 3);
	end_device();
}

TEST(a_process_has_some)
{
	begin_device();
	for (int i = 0; i < 2 * (int)POSIX_DIRECTS_MAX; i++) {
		int64_t fd = open_warm(root, LINUX_O_RDONLY | DIRECT);

		CHECK_EQ(may(root, fd, POSIX_VIEW_READ), i < (int)POSIX_DIRECTS_MAX);
	}
	CHECK_EQ(server.n_open, POSIX_DIRECTS_MAX);
	end_device();
}

TEST_MAIN()
