/* SPDX-License-Identifier: MIT */
/*
 * What must not cost more the more files, watches or mounts there are, and limits that keep it so.
 * Work is counted in basic blocks (fake_n_steps), so the tests do not depend on time.
 */
#include <posix/server/process/account.h>
#include <posix/server/tests/files.h>

enum { CALL_epoll_create1 = 291, CALL_epoll_ctl = 233, CALL_dup = 32, CALL_eventfd2 = 290 };

/* ---- epolls that watch epolls ---------------------------------------------------------------- */

static int64_t make_epoll(struct user *user)
{
	start(user, CALL_epoll_create1, V(0));
	return result_of(user);
}

static int64_t duplicate(struct user *user, int64_t fd)
{
	start(user, CALL_dup, V(fd));
	return result_of(user);
}

static int64_t watch(struct user *user, int64_t epoll, int64_t fd)
{
	struct linux_epoll_event event = { .events = LINUX_POLLIN, .data = (uint64_t)fd };

	start(user, CALL_epoll_ctl, V(epoll), V(LINUX_EPOLL_CTL_ADD), V(fd),
		IN_DATA(&event, sizeof(event)));
	return result_of(user);
}

/* Watches so many descriptors of one epoll, or as many as may be. */
static int64_t watch_often(struct user *user, int64_t epoll, int64_t inner, int n)
{
	int64_t error = 0;

	for (int i = 0; i < n && error == 0; i++) {
		error = watch(user, epoll, duplicate(user, inner));
	}
	return error;
}

TEST(ways_through_epolls_are_limited)
{
	constexpr int N_LEVELS = 4, N_EACH = 30;
	int64_t epolls[N_LEVELS];
	uint64_t one = 1;

	begin();
	root->process.limits[LIMIT_NOFILE][0] = 4096;
	start(root, CALL_eventfd2, V(0), V(0));
	int64_t leaf = result_of(root);

	/* without anything to watch the innermost has no ways that count */
	for (int i = 0; i < N_LEVELS; i++) {
		epolls[i] = make_epoll(root);
		if (i > 0) {
			CHECK_EQ(watch_often(root, epolls[i], epolls[i - 1], N_EACH), 0);
		}
	}
	uint64_t before = fake_n_steps;

	CHECK_EQ(watch(root, epolls[0], leaf), -LINUX_EINVAL); /* 30 * 30 ways of three steps */
	CHECK(fake_n_steps - before < 100000);
	CHECK_EQ(watch(root, epolls[1], leaf), -LINUX_EINVAL);
	CHECK_EQ(watch(root, epolls[2], leaf), 0);
	before = fake_n_steps;
	CHECK_EQ(call_write(root, leaf, &one, sizeof(one)), 8);
	CHECK(fake_n_steps - before < 100000);
	/* what was refused has left nothing behind */
	CHECK_EQ(account_count(0, ACCOUNT_EPOLL_WATCHES), (N_LEVELS - 1) * N_EACH + 1);
	end();
}

TEST(each_epoll_is_looked_at_once)
{
	constexpr int N_EACH = 200;
	int64_t inner[3], other;

	begin();
	root->process.limits[LIMIT_NOFILE][0] = 4096;
	for (int i = 0; i < 3; i++) {
		inner[i] = make_epoll(root);
		if (i > 0) {
			CHECK_EQ(watch_often(root, inner[i], inner[i - 1], N_EACH), 0);
		}
	}
	other = make_epoll(root);
	uint64_t before = fake_n_steps;

	CHECK_EQ(watch(root, other, inner[2]), 0); /* through 200 * 200 ways down */
	CHECK(fake_n_steps - before < 40000);
	end();
}

TEST(watches_are_counted_for_each_user)
{
	begin();
	struct user *user = user_create(1000);
	int64_t epoll = make_epoll(user);

	start(user, CALL_eventfd2, V(0), V(0));
	int64_t leaf = result_of(user);

	CHECK_EQ(watch(user, epoll, leaf), 0);
	CHECK_EQ(account_count(1000, ACCOUNT_EPOLL_WATCHES), 1);
	CHECK_EQ(call_close(user, leaf), 0);
	CHECK_EQ(account_count(1000, ACCOUNT_EPOLL_WATCHES), 0);
	end();
}

/* ---- pipes ----------------------------------------------------------------------------------- */

TEST(pipes_of_one_user_have_so_many_pages)
{
	constexpr int N_LARGE = 16384 / 16;
	int32_t fds[2];

	begin();
	struct user *user = user_create(1000);

	user->process.limits[LIMIT_NOFILE][0] = 8192;
	for (int i = 0; i < N_LARGE; i++) {
		CHECK_EQ(call_pipe(user, fds, 0), 0);
	}
	CHECK_EQ(call_fcntl(user, fds[0], LINUX_F_GETPIPE_SZ, 0), 65536);
	CHECK_EQ(account_count(1000, ACCOUNT_PIPE_PAGES), 16384);
	CHECK_EQ(call_pipe(user, fds, 0), 0);
	CHECK_EQ(call_fcntl(user, fds[0], LINUX_F_GETPIPE_SZ, 0), 8192);
	CHECK_EQ(call_fcntl(user, fds[0], LINUX_F_SETPIPE_SZ, 65536), -LINUX_EPERM);
	CHECK_EQ(call_fcntl(user, fds[0], LINUX_F_SETPIPE_SZ, 4096), 4096);
	CHECK_EQ(call_fcntl(root, fds[0], LINUX_F_SETPIPE_SZ, 65536), -LINUX_EBADF);
	CHECK_EQ(call_pipe(root, fds, 0), 0); /* others have their own */
	CHECK_EQ(call_fcntl(root, fds[0], LINUX_F_GETPIPE_SZ, 0), 65536);
	CHECK_EQ(call_fcntl(root, fds[0], LINUX_F_SETPIPE_SZ, 1 << 20), 1 << 20);
	user_exit(user);
	CHECK_EQ(account_count(1000, ACCOUNT_PIPE_PAGES), 0);
	end();
}

/* ---- mounts ---------------------------------------------------------------------------------- */

/* What it costs to walk over a mount point, and to take the mount off, among so many. */
static void work_among_mounts(int n_mounts, uint64_t *out_walk, uint64_t *out_umount)
{
	struct linux_stat status;
	char path[32];

	begin();
	for (int i = 0; i < n_mounts; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		CHECK_EQ(call_mkdir(root, path, 0755), 0);
		CHECK_EQ(call_mount(root, "x", path, "tmpfs", "", 0), 0);
	}
	*out_walk = fake_n_steps;
	CHECK_EQ(call_stat(root, "/0", &status), 0);
	*out_walk = fake_n_steps - *out_walk;
	*out_umount = fake_n_steps;
	start(root, 166, P("/0"), V(0));
	CHECK_EQ(result_of(root), 0);
	*out_umount = fake_n_steps - *out_umount;
	end();
}

TEST(mounts_are_crossed_and_taken_off_among_many)
{
	uint64_t few_walk, few_umount, many_walk, many_umount;

	work_among_mounts(20, &few_walk, &few_umount);
	work_among_mounts(2000, &many_walk, &many_umount);
	CHECK(many_walk < few_walk * 3);
	CHECK(many_umount < few_umount * 3);
}

/* ---- files ----------------------------------------------------------------------------------- */

TEST(some_files_are_kept_for_administrators)
{
	uint32_t limit = file_limit(), n_others = limit - limit / 16;

	begin();
	struct user *user = user_create(1000);

	user->process.limits[LIMIT_NOFILE][0] = limit;
	while (file_count() < n_others) {
		start(user, CALL_eventfd2, V(0), V(0));
		CHECK(result_of(user) >= 0);
	}
	start(user, CALL_eventfd2, V(0), V(0));
	CHECK_EQ(result_of(user), -LINUX_ENFILE);
	CHECK_EQ(call_open(user, "/", LINUX_O_RDONLY, 0), -LINUX_ENFILE);
	CHECK(call_open(root, "/", LINUX_O_RDONLY, 0) >= 0);
	end();
}

TEST_MAIN()
