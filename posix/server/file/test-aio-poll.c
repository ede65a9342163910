/* SPDX-License-Identifier: MIT */
/* Polls of asynchronous I/O. */
#include <posix/server/tests/files.h>

constexpr uint64_t RING = 0x10000;

static uint16_t n_posts;

/* What submitting a poll of @fd says; @object tells it from the others. */
static int64_t submit(struct user *user, int64_t fd, uint32_t events, uint64_t object)
{
	struct posix_aio_poll poll = {
		.answer = { .ring = RING,
			.data = object * 10,
			.object = object,
			.posts = (uintptr_t)&n_posts },
		.fd = (uint32_t)fd,
		.events = events,
	};

	start_raw(user, POSIX_AIO_POLL, (const uint64_t[6]){}, &poll, sizeof(poll));
	return result_of(user);
}

/* The object of the poll that is over, the first of them; 0: none is. */
static uint64_t take(struct user *user, uint32_t *out_result)
{
	struct posix_aio_done done;

	start_raw(user, POSIX_AIO_TAKE, (const uint64_t[6]){ 1 }, "", 0);
	int64_t n = result_of(user);

	CHECK(n == 0 || n == 1);
	if (n != 1) {
		return 0;
	}
	memcpy(&done, user->reply, sizeof(done));
	CHECK_EQ(done.ring, RING);
	CHECK_EQ(done.data, done.object * 10);
	*out_result = done.result;
	return done.object;
}

static int64_t cancel(struct user *user, uint64_t object)
{
	start_raw(user, POSIX_AIO_CANCEL, (const uint64_t[6]){ RING, object }, "", 0);
	return result_of(user);
}

TEST(polls_end_when_their_file_is_ready)
{
	uint32_t result;
	int32_t fds[2];

	begin();
	n_posts = 0;
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	CHECK_EQ(submit(root, fds[1], LINUX_POLLOUT, 1), LINUX_POLLOUT);
	CHECK_EQ(submit(root, fds[0], LINUX_POLLIN, 2), 0);
	CHECK_EQ(submit(root, 50, LINUX_POLLIN, 3), -LINUX_EBADF);
	CHECK_EQ(take(root, &result), 0);
	CHECK_EQ(call_write(root, fds[1], "x", 1), 1);
	fake_run_loop();
	CHECK_EQ(n_posts, 1);
	CHECK((root->thread_page.trace_due & POSIX_TRACE_DUE_AIO) != 0);
	CHECK_EQ(take(root, &result), 2);
	CHECK_EQ(result, LINUX_POLLIN);
	CHECK_EQ(take(root, &result), 0);
	end();
}

TEST(polls_are_cancelled)
{
	uint32_t result;
	int32_t fds[2];

	begin();
	n_posts = 0;
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	CHECK_EQ(submit(root, fds[0], LINUX_POLLIN, 1), 0);
	CHECK_EQ(submit(root, fds[0], LINUX_POLLIN, 2), 0);
	CHECK_EQ(cancel(root, 3), -LINUX_EINVAL);
	CHECK_EQ(cancel(root, 2), -LINUX_EINPROGRESS);
	CHECK_EQ(n_posts, 1);
	CHECK_EQ(take(root, &result), 2);
	CHECK_EQ(result, 0);
	CHECK_EQ(cancel(root, 0), 0);
	CHECK_EQ(cancel(root, 1), -LINUX_EINVAL);
	CHECK_EQ(call_write(root, fds[1], "x", 1), 1);
	fake_run_loop();
	CHECK_EQ(n_posts, 1);
	end();
}

TEST(polls_end_with_their_process)
{
	int32_t fds[2], others[2];

	begin();
	n_posts = 0;
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	CHECK_EQ(call_pipe(root, others, 0), 0);
	struct user *user = user_fork(root);

	CHECK_EQ(submit(user, fds[0], LINUX_POLLIN, 1), 0);
	CHECK_EQ(submit(user, others[0], LINUX_POLLIN, 2), 0);
	CHECK_EQ(call_write(root, others[1], "x", 1), 1);
	fake_run_loop();
	CHECK_EQ(n_posts, 1); /* one is over and was not taken */
	user_exit(user);
	CHECK_EQ(call_write(root, fds[1], "x", 1), 1);
	fake_run_loop();
	CHECK_EQ(n_posts, 1);
	CHECK_EQ(call_close(root, fds[1]), 0);
	end();
}

/* The ring is the program's, which may have unmapped it. */
TEST(polls_end_though_nobody_can_be_told)
{
	int32_t fds[2];
	struct posix_aio_poll poll = { .answer = { .ring = RING, .object = 1, .posts = 8 },
		.events = LINUX_POLLIN };

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	poll.fd = (uint32_t)fds[0];
	start_raw(root, POSIX_AIO_POLL, (const uint64_t[6]){}, &poll, sizeof(poll));
	CHECK_EQ(result_of(root), 0);
	CHECK_EQ(call_close(root, fds[1]), 0);
	fake_run_loop();
	start_raw(root, POSIX_AIO_TAKE, (const uint64_t[6]){ 1 }, "", 0);
	CHECK_EQ(result_of(root), 1);
	memcpy(&poll.answer, root->reply, sizeof(poll.answer));
	CHECK_EQ(poll.answer.result, LINUX_POLLHUP);
	end();
}

TEST_MAIN()
