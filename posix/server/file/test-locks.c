/* SPDX-License-Identifier: MIT */
/* Record locks, locks of open files, flock. */
#include <posix/server/tests/files.h>

static struct linux_flock lock_of(int16_t type, int64_t start, int64_t length)
{
	return (struct linux_flock){ .type = type, .start = start, .length = length };
}

TEST(record_locks_conflict)
{
	struct linux_flock flock;

	begin();
	struct user *other = user_create(0);

	write_file(root, "/f", "0123456789");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR, 0);
	int64_t his = call_open(other, "/f", LINUX_O_RDWR, 0);

	flock = lock_of(LINUX_F_WRLCK, 2, 3);
	CHECK_EQ(call_lock(root, fd, LINUX_F_SETLK, &flock), 0);
	flock = lock_of(LINUX_F_RDLCK, 4, 1);
	CHECK_EQ(call_lock(other, his, LINUX_F_SETLK, &flock), -LINUX_EAGAIN);
	flock = lock_of(LINUX_F_WRLCK, 0, 2);
	CHECK_EQ(call_lock(other, his, LINUX_F_SETLK, &flock), 0);
	flock = lock_of(LINUX_F_WRLCK, 0, 0);
	CHECK_EQ(call_lock(other, his, LINUX_F_GETLK, &flock), 0);
	CHECK_EQ(flock.type, LINUX_F_WRLCK);
	CHECK_EQ(flock.start, 2);
	CHECK_EQ(flock.length, 3);
	CHECK_EQ(flock.pid, root->process.pid);
	flock = lock_of(LINUX_F_UNLCK, 3, 1);
	CHECK_EQ(call_lock(root, fd, LINUX_F_SETLK, &flock), 0);
	flock = lock_of(LINUX_F_WRLCK, 3, 1);
	CHECK_EQ(call_lock(other, his, LINUX_F_SETLK, &flock), 0);
	flock = lock_of(LINUX_F_WRLCK, 4, 1);
	CHECK_EQ(call_lock(other, his, LINUX_F_SETLK, &flock), -LINUX_EAGAIN);
	flock = lock_of(9, 4, 1);
	CHECK_EQ(call_lock(other, his, LINUX_F_SETLK, &flock), -LINUX_EINVAL);
	end();
}

TEST(read_locks_are_shared)
{
	struct linux_flock flock = lock_of(LINUX_F_RDLCK, 0, 0);

	begin();
	struct user *other = user_create(0);

	write_file(root, "/f", "");
	int64_t fd = call_open(root, "/f", LINUX_O_RDONLY, 0);
	int64_t his = call_open(other, "/f", LINUX_O_RDWR, 0);

	CHECK_EQ(call_lock(root, fd, LINUX_F_SETLK, &flock), 0);
	CHECK_EQ(call_lock(other, his, LINUX_F_SETLK, &flock), 0);
	flock = lock_of(LINUX_F_WRLCK, 0, 0);
	CHECK_EQ(call_lock(other, his, LINUX_F_SETLK, &flock), -LINUX_EAGAIN);
	CHECK_EQ(call_lock(root, fd, LINUX_F_SETLK, &flock), -LINUX_EBADF);
	end();
}

TEST(any_close_drops_the_locks_of_the_process)
{
	struct linux_flock flock = lock_of(LINUX_F_WRLCK, 0, 0);

	begin();
	struct user *other = user_create(0);

	write_file(root, "/f", "");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR, 0);
	int64_t second = call_open(root, "/f", LINUX_O_RDONLY, 0);
	int64_t his = call_open(other, "/f", LINUX_O_RDWR, 0);

	CHECK_EQ(call_lock(root, fd, LINUX_F_SETLK, &flock), 0);
	CHECK_EQ(call_lock(other, his, LINUX_F_SETLK, &flock), -LINUX_EAGAIN);
	CHECK_EQ(call_close(root, second), 0);
	CHECK_EQ(call_lock(other, his, LINUX_F_SETLK, &flock), 0);
	end();
}

TEST(waiting_for_a_lock)
{
	struct linux_flock flock = lock_of(LINUX_F_WRLCK, 0, 0);

	begin();
	struct user *other = user_create(0);

	write_file(root, "/f", "");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR, 0);
	int64_t his = call_open(other, "/f", LINUX_O_RDWR, 0);

	CHECK_EQ(call_lock(root, fd, LINUX_F_SETLK, &flock), 0);
	CHECK_EQ(call_lock(other, his, LINUX_F_SETLKW, &flock), REQUEST_PARK);
	user_exit(root);
	CHECK_EQ(result_of(other), 0);
	end();
}

TEST(circles_of_waiting_are_found)
{
	struct linux_flock first = lock_of(LINUX_F_WRLCK, 0, 1);
	struct linux_flock second = lock_of(LINUX_F_WRLCK, 1, 1);

	begin();
	struct user *other = user_create(0);

	write_file(root, "/f", "");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR, 0);
	int64_t his = call_open(other, "/f", LINUX_O_RDWR, 0);

	CHECK_EQ(call_lock(root, fd, LINUX_F_SETLK, &first), 0);
	CHECK_EQ(call_lock(other, his, LINUX_F_SETLK, &second), 0);
	CHECK_EQ(call_lock(other, his, LINUX_F_SETLKW, &first), REQUEST_PARK);
	CHECK_EQ(call_lock(root, fd, LINUX_F_SETLKW, &second), -LINUX_EDEADLK);
	interrupt(other);
	CHECK_EQ(other->result, -LINUX_ERESTARTSYS);
	end();
}

TEST(locks_of_open_files)
{
	struct linux_flock flock = lock_of(LINUX_F_WRLCK, 0, 0);

	begin();
	write_file(root, "/f", "");
	int64_t fd = call_open(root, "/f", LINUX_O_RDWR, 0);
	int64_t second = call_open(root, "/f", LINUX_O_RDWR, 0);

	CHECK_EQ(call_lock(root, fd, LINUX_F_OFD_SETLK, &flock), 0);
	CHECK_EQ(call_lock(root, second, LINUX_F_OFD_SETLK, &flock), -LINUX_EAGAIN);
	CHECK_EQ(call_lock(root, second, LINUX_F_OFD_GETLK, &flock), 0);
	CHECK_EQ(flock.pid, -1);
	CHECK_EQ(call_close(root, fd), 0);
	flock = lock_of(LINUX_F_WRLCK, 0, 0);
	CHECK_EQ(call_lock(root, second, LINUX_F_OFD_SETLK, &flock), 0);
	end();
}

TEST(flock_belongs_to_the_open_file)
{
	begin();
	write_file(root, "/f", "");
	int64_t fd = call_open(root, "/f", LINUX_O_RDONLY, 0);
	int64_t second = call_open(root, "/f", LINUX_O_RDONLY, 0);

	start(root, 73, V(fd), V(LINUX_LOCK_SH));
	CHECK_EQ(result_of(root), 0);
	start(root, 73, V(second), V(LINUX_LOCK_SH));
	CHECK_EQ(result_of(root), 0);
	start(root, 73, V(fd), V(LINUX_LOCK_EX | LINUX_LOCK_NB));
	CHECK_EQ(result_of(root), -LINUX_EAGAIN);
	start(root, 73, V(fd), V(99));
	CHECK_EQ(result_of(root), -LINUX_EINVAL);
	struct user *waiter = user_fork(root);

	start(waiter, 73, V(fd), V(LINUX_LOCK_EX));
	CHECK(is_parked(waiter));
	start(root, 73, V(second), V(LINUX_LOCK_UN));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(result_of(waiter), 0);
	end();
}

TEST(locks_of_one_file_are_limited)
{
	struct linux_flock lock = { .type = LINUX_F_WRLCK, .length = 1 };
	int64_t result = 0;
	uint32_t n_set = 0;

	begin();
	int64_t fd = call_open(root, "/f", LINUX_O_CREAT | LINUX_O_RDWR, 0600);

	while (result == 0 && n_set < 20000) {
		lock.start = 2 * (int64_t)n_set;
		result = call_lock(root, fd, LINUX_F_SETLK, &lock);
		n_set += result == 0;
	}
	CHECK_EQ(result, -LINUX_ENOLCK);
	CHECK_EQ(n_set, 8192);
	lock = (struct linux_flock){ .type = LINUX_F_UNLCK };
	CHECK_EQ(call_lock(root, fd, LINUX_F_SETLK, &lock), 0);
	lock.type = LINUX_F_WRLCK;
	CHECK_EQ(call_lock(root, fd, LINUX_F_SETLK, &lock), 0);
	end();
}

TEST_MAIN()
