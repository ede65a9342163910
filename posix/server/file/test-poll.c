/* SPDX-License-Identifier: MIT */
/* poll, eventfd and epoll. */
#include <posix/server/file/poll.h>
#include <posix/server/tests/files.h>

/* ---- polling ------------------------------------------------------------------------------- */

TEST(poll_tells_what_is_ready)
{
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	struct linux_pollfd polls[4] = {
		{ fds[0], LINUX_POLLIN, 0 },
		{ fds[1], LINUX_POLLOUT, 0 },
		{ -1, LINUX_POLLIN, 77 },
		{ 50, LINUX_POLLIN, 0 },
	};

	CHECK_EQ(call_poll(root, polls, 4, 0), 2);
	CHECK_EQ(polls[0].revents, 0);
	CHECK_EQ(polls[1].revents, LINUX_POLLOUT);
	CHECK_EQ(polls[2].revents, 0);
	CHECK_EQ(polls[3].revents, LINUX_POLLNVAL);
	CHECK_EQ(call_write(root, fds[1], "x", 1), 1);
	CHECK_EQ(call_poll(root, polls, 1, 0), 1);
	CHECK_EQ(polls[0].revents, LINUX_POLLIN);
	CHECK_EQ(call_close(root, fds[1]), 0);
	CHECK_EQ(call_poll(root, polls, 1, 0), 1);
	CHECK_EQ(polls[0].revents, LINUX_POLLIN | LINUX_POLLHUP);
	end();
}

TEST(poll_waits_until_something_happens)
{
	int32_t fds[2], others[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	CHECK_EQ(call_pipe(root, others, 0), 0);
	struct user *waiter = user_fork(root);
	struct linux_pollfd polls[2] = { { fds[0], LINUX_POLLIN, 0 },
		{ others[0], LINUX_POLLIN, 0 } };

	CHECK_EQ(call_poll(waiter, polls, 2, HEL_DEADLINE_NEVER), REQUEST_PARK);
	CHECK_EQ(call_write(root, others[1], "x", 1), 1);
	CHECK_EQ(result_of(waiter), 1);
	CHECK_EQ(((struct linux_pollfd *)waiter->reply)[0].revents, 0);
	CHECK_EQ(((struct linux_pollfd *)waiter->reply)[1].revents, LINUX_POLLIN);
	end();
}

TEST(poll_wakes_and_times_out)
{
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	struct user *waiter = user_fork(root);
	struct linux_pollfd poll = { fds[0], LINUX_POLLIN, 0 };

	CHECK_EQ(call_poll(waiter, &poll, 1, HEL_DEADLINE_NEVER), REQUEST_PARK);
	CHECK_EQ(call_write(root, fds[1], "x", 1), 1);
	CHECK_EQ(result_of(waiter), 1);
	CHECK_EQ(((struct linux_pollfd *)waiter->reply)->revents, LINUX_POLLIN);
	CHECK_EQ(call_read(root, fds[0], NULL, 1), 1);
	CHECK_EQ(call_poll(waiter, &poll, 1, 1000000), REQUEST_PARK);
	fake_now_ns += 999999;
	fake_run_loop();
	CHECK(is_parked(waiter));
	fake_now_ns += 1;
	CHECK_EQ(result_of(waiter), 0);
	CHECK_EQ(call_poll(waiter, NULL, 0, 1000), REQUEST_PARK);
	interrupt(waiter);
	CHECK_EQ(waiter->result, -LINUX_ERESTARTNOHAND);
	end();
}

TEST(poll_keeps_files_that_are_closed_meanwhile)
{
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	struct user *waiter = user_fork(root);
	struct linux_pollfd poll = { fds[0], LINUX_POLLIN, 0 };

	CHECK_EQ(call_poll(waiter, &poll, 1, HEL_DEADLINE_NEVER), REQUEST_PARK);
	CHECK_EQ(fd_table_close(waiter->process.files, fds[0], &waiter->process), 0);
	CHECK_EQ(call_close(root, fds[0]), 0);
	CHECK_EQ(call_write(root, fds[1], "x", 1), 1);
	CHECK_EQ(result_of(waiter), 1);
	end();
}

static int64_t poll_part(
	struct user *user, const struct linux_pollfd *poll, uint64_t timeout_ns, uint32_t flags)
{
	struct linux_pollfd in = *poll;

	start_raw(
		user, POSIX_POLL, (const uint64_t[6]){ 1, timeout_ns, 0, flags }, &in, sizeof(in));
	return is_parked(user) ? REQUEST_PARK : result_of(user);
}

TEST(poll_waits_for_all_parts)
{
	int32_t fds[2], others[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	CHECK_EQ(call_pipe(root, others, 0), 0);
	struct linux_pollfd first = { fds[0], LINUX_POLLIN, 0 };
	struct linux_pollfd last = { others[0], LINUX_POLLIN, 0 };
	struct user *waiter = user_fork(root);

	CHECK_EQ(poll_part(waiter, &first, 0, POSIX_POLL_GOES_ON), 0);
	CHECK_EQ(poll_part(waiter, &last, HEL_DEADLINE_NEVER, 0), REQUEST_PARK);
	CHECK_EQ(call_write(root, fds[1], "x", 1), 1);
	CHECK_EQ(result_of(waiter), 0);
	CHECK(waiter->thread.polled == NULL);
	CHECK_EQ(poll_part(waiter, &first, 0, POSIX_POLL_GOES_ON), 1);
	CHECK_EQ(poll_part(waiter, &last, 0, 0), 0);
	/* too many, and a part that nothing follows */
	waiter->process.limits[LIMIT_NOFILE][0] = 448;
	CHECK_EQ(poll_part(waiter, &first, 0, POSIX_POLL_GOES_ON), 1);
	CHECK_EQ(poll_part(waiter, &last, 0, POSIX_POLL_GOES_ON), -LINUX_EINVAL);
	CHECK(waiter->thread.polled == NULL);
	CHECK_EQ(poll_part(waiter, &first, 0, POSIX_POLL_GOES_ON), 1);
	poll_forget_parts(&waiter->thread);
	end();
}

/* ---- eventfd and epoll --------------------------------------------------------------------- */

static int64_t make_eventfd(struct user *user, uint32_t value, uint32_t flags)
{
	start(user, 290, V(value), V(flags));
	return result_of(user);
}

TEST(eventfd_counts)
{
	uint64_t value = 5;

	begin();
	int64_t fd = make_eventfd(root, 3, LINUX_O_NONBLOCK);

	CHECK_EQ(call_write(root, fd, &value, 8), 8);
	CHECK_EQ(call_read(root, fd, &value, 8), 8);
	CHECK_EQ(value, 8);
	CHECK_EQ(call_read(root, fd, &value, 8), -LINUX_EAGAIN);
	CHECK_EQ(call_read(root, fd, &value, 7), -LINUX_EINVAL);
	value = UINT64_MAX;
	CHECK_EQ(call_write(root, fd, &value, 8), -LINUX_EINVAL);
	value = UINT64_MAX - 1;
	CHECK_EQ(call_write(root, fd, &value, 8), 8);
	value = 1;
	CHECK_EQ(call_write(root, fd, &value, 8), -LINUX_EAGAIN);
	fd = make_eventfd(root, 2, 1);
	CHECK_EQ(call_read(root, fd, &value, 8), 8);
	CHECK_EQ(value, 1);
	end();
}

static int64_t make_epoll(struct user *user)
{
	start(user, 291, V(0));
	return result_of(user);
}

static int64_t control(struct user *user, int64_t epoll, uint32_t operation, int64_t fd,
	uint32_t events, uint64_t data)
{
	struct linux_epoll_event event = { .events = events, .data = data };

	start(user, 233, V(epoll), V(operation), V(fd), IN_DATA(&event, sizeof(event)));
	return result_of(user);
}

static int64_t collect(struct user *user, int64_t epoll, struct linux_epoll_event *out_events,
	uint64_t n_max, uint64_t timeout_ns)
{
	start_raw(user, POSIX_EPOLL_WAIT, (const uint64_t[6]){ (uint64_t)epoll, n_max, timeout_ns },
		NULL, 0);
	if (is_parked(user)) {
		return REQUEST_PARK;
	}
	memcpy(out_events, user->reply, user->reply_size);
	return user->result;
}

TEST(epoll_level_triggered)
{
	int32_t fds[2];
	struct linux_epoll_event events[4];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	int64_t epoll = make_epoll(root);

	CHECK_EQ(control(root, epoll, LINUX_EPOLL_CTL_ADD, fds[0], LINUX_POLLIN, 42), 0);
	CHECK_EQ(
		control(root, epoll, LINUX_EPOLL_CTL_ADD, fds[0], LINUX_POLLIN, 42), -LINUX_EEXIST);
	CHECK_EQ(collect(root, epoll, events, 4, 0), 0);
	CHECK_EQ(call_write(root, fds[1], "ab", 2), 2);
	CHECK_EQ(collect(root, epoll, events, 4, 0), 1);
	CHECK_EQ(events[0].data, 42);
	CHECK_EQ(events[0].events, LINUX_POLLIN);
	CHECK_EQ(collect(root, epoll, events, 4, 0), 1);
	CHECK_EQ(call_read(root, fds[0], NULL, 2), 2);
	CHECK_EQ(collect(root, epoll, events, 4, 0), 0);
	end();
}

TEST(epoll_edge_triggered_and_one_shot)
{
	int32_t fds[2];
	struct linux_epoll_event events[4];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	int64_t epoll = make_epoll(root);

	CHECK_EQ(control(root, epoll, LINUX_EPOLL_CTL_ADD, fds[0], LINUX_POLLIN | LINUX_EPOLLET, 1),
		0);
	CHECK_EQ(call_write(root, fds[1], "a", 1), 1);
	CHECK_EQ(collect(root, epoll, events, 4, 0), 1);
	CHECK_EQ(collect(root, epoll, events, 4, 0), 0);
	CHECK_EQ(call_write(root, fds[1], "b", 1), 1);
	CHECK_EQ(collect(root, epoll, events, 4, 0), 1);
	CHECK_EQ(control(root, epoll, LINUX_EPOLL_CTL_MOD, fds[0],
			 LINUX_POLLIN | LINUX_EPOLLONESHOT, 2),
		0);
	CHECK_EQ(collect(root, epoll, events, 4, 0), 1);
	CHECK_EQ(events[0].data, 2);
	CHECK_EQ(call_write(root, fds[1], "c", 1), 1);
	CHECK_EQ(collect(root, epoll, events, 4, 0), 0);
	CHECK_EQ(control(root, epoll, LINUX_EPOLL_CTL_MOD, fds[0], LINUX_POLLIN, 3), 0);
	CHECK_EQ(collect(root, epoll, events, 4, 0), 1);
	CHECK_EQ(control(root, epoll, LINUX_EPOLL_CTL_DEL, fds[0], 0, 0), 0);
	CHECK_EQ(control(root, epoll, LINUX_EPOLL_CTL_DEL, fds[0], 0, 0), -LINUX_ENOENT);
	CHECK_EQ(collect(root, epoll, events, 4, 0), 0);
	end();
}

TEST(epoll_waits_and_is_woken)
{
	struct linux_epoll_event events[4];
	uint64_t one = 1;

	begin();
	int64_t epoll = make_epoll(root);
	int64_t fd = make_eventfd(root, 0, 0);

	CHECK_EQ(control(root, epoll, LINUX_EPOLL_CTL_ADD, fd, LINUX_POLLIN, 9), 0);
	struct user *waiter = user_fork(root);

	CHECK_EQ(collect(waiter, epoll, events, 4, HEL_DEADLINE_NEVER), REQUEST_PARK);
	CHECK_EQ(call_write(root, fd, &one, 8), 8);
	CHECK_EQ(result_of(waiter), 1);
	CHECK_EQ(call_read(root, fd, &one, 8), 8);
	CHECK_EQ(collect(waiter, epoll, events, 4, 5000), REQUEST_PARK);
	fake_now_ns += 5000;
	CHECK_EQ(result_of(waiter), 0);
	end();
}

TEST(epoll_forgets_closed_files)
{
	int32_t fds[2];
	struct linux_epoll_event events[4];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	int64_t epoll = make_epoll(root);

	CHECK_EQ(control(root, epoll, LINUX_EPOLL_CTL_ADD, fds[0], LINUX_POLLIN, 1), 0);
	CHECK_EQ(call_close(root, fds[0]), 0);
	CHECK_EQ(call_close(root, fds[1]), 0);
	CHECK_EQ(collect(root, epoll, events, 4, 0), 0);
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	CHECK_EQ(control(root, epoll, LINUX_EPOLL_CTL_ADD, fds[1], LINUX_POLLOUT, 1), 0);
	CHECK_EQ(call_close(root, epoll), 0);
	end();
}

TEST(epoll_refuses_what_cannot_be_watched)
{
	begin();
	int64_t epoll = make_epoll(root);

	write_file(root, "/f", "");
	int64_t file = call_open(root, "/f", LINUX_O_RDONLY, 0);

	CHECK_EQ(control(root, epoll, LINUX_EPOLL_CTL_ADD, file, LINUX_POLLIN, 1), -LINUX_EPERM);
	CHECK_EQ(control(root, epoll, LINUX_EPOLL_CTL_ADD, epoll, LINUX_POLLIN, 1), -LINUX_EINVAL);
	CHECK_EQ(control(root, epoll, LINUX_EPOLL_CTL_ADD, 55, LINUX_POLLIN, 1), -LINUX_EBADF);
	CHECK_EQ(control(root, file, LINUX_EPOLL_CTL_ADD, epoll, LINUX_POLLIN, 1), -LINUX_EINVAL);
	struct linux_epoll_event events[1];

	CHECK_EQ(collect(root, epoll, events, 0, 0), -LINUX_EINVAL);
	end();
}

TEST(epolls_in_epolls)
{
	struct linux_epoll_event events[4];
	uint64_t one = 1;

	begin();
	int64_t fd = make_eventfd(root, 0, 0);
	int64_t inner = make_epoll(root);
	int64_t outer = make_epoll(root);

	CHECK_EQ(control(root, inner, LINUX_EPOLL_CTL_ADD, fd, LINUX_POLLIN, 1), 0);
	CHECK_EQ(control(root, outer, LINUX_EPOLL_CTL_ADD, inner, LINUX_POLLIN, 2), 0);
	CHECK_EQ(control(root, inner, LINUX_EPOLL_CTL_ADD, outer, LINUX_POLLIN, 3), -LINUX_ELOOP);
	CHECK_EQ(collect(root, outer, events, 4, 0), 0);
	CHECK_EQ(call_write(root, fd, &one, 8), 8);
	CHECK_EQ(collect(root, outer, events, 4, 0), 1);
	CHECK_EQ(events[0].data, 2);
	CHECK_EQ(collect(root, inner, events, 4, 0), 1);
	CHECK_EQ(events[0].data, 1);
	end();
}

TEST_MAIN()
