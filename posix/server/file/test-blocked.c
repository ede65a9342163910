/* SPDX-License-Identifier: MIT */
/*
 * What a blocked call costs: at most BLOCKED_BYTES_MAX of the heap while it waits, however large
 * its buffers are, and what it waited for arrives nevertheless.
 */
#include <abi/linux/socket.h>
#include <posix/server/file/poll.h>
#include <posix/server/tests/files.h>

enum {
	CALL_READ = 0,
	CALL_SOCKETPAIR = 53,
	CALL_EPOLL_CTL = 233,
	CALL_EVENTFD2 = 290,
	CALL_EPOLL_CREATE1 = 291,
	BLOCKED_BYTES_MAX = 256,
	READ_SIZE = 131072,
	N_EVENTS = 256,
	N_POLLED = 24,
};

static size_t n_bytes_before;

static struct user *make_waiter(void)
{
	struct user *waiter = user_fork(root);

	n_bytes_before = fake_n_bytes;
	return waiter;
}

#define CHECK_BLOCKED_CHEAPLY(user) \
	do { \
		CHECK(is_parked(user)); \
		CHECK(fake_n_bytes - n_bytes_before <= BLOCKED_BYTES_MAX); \
	} while (0)

static void start_read(struct user *user, int64_t fd)
{
	start_call(user, CALL_READ, POSIX_REQUEST_BULK_OUT,
		(const struct argument_value[]){ V(fd), V(0), V(READ_SIZE) }, 3);
}

static int64_t make_eventfd(void)
{
	start(root, CALL_EVENTFD2, V(0), V(0));
	return result_of(root);
}

TEST(blocked_read_of_a_pipe)
{
	int32_t fds[2];

	begin();
	CHECK_EQ(call_pipe(root, fds, 0), 0);
	struct user *waiter = make_waiter();

	start_read(waiter, fds[0]);
	CHECK_BLOCKED_CHEAPLY(waiter);
	CHECK_EQ(call_write(root, fds[1], "abc", 3), 3);
	CHECK_EQ(result_of(waiter), 3);
	end();
}

TEST(blocked_read_of_an_eventfd)
{
	uint64_t one = 1;

	begin();
	int64_t fd = make_eventfd();
	struct user *waiter = make_waiter();

	start_read(waiter, fd);
	CHECK_BLOCKED_CHEAPLY(waiter);
	CHECK_EQ(call_write(root, fd, &one, sizeof(one)), 8);
	CHECK_EQ(result_of(waiter), 8);
	end();
}

TEST(blocked_poll)
{
	struct linux_pollfd polls[N_POLLED];
	uint64_t one = 1;

	begin();
	int64_t fd = make_eventfd();
	int64_t other = make_eventfd();

	for (int i = 0; i < N_POLLED; i++) {
		polls[i] = (struct linux_pollfd){ .fd = -1 };
	}
	polls[3] = (struct linux_pollfd){ (int32_t)other, LINUX_POLLIN, 0 };
	polls[N_POLLED - 1] = (struct linux_pollfd){ (int32_t)fd, LINUX_POLLIN, 0 };
	struct user *waiter = make_waiter();

	CHECK_EQ(call_poll(waiter, polls, N_POLLED, HEL_DEADLINE_NEVER), REQUEST_PARK);
	CHECK_BLOCKED_CHEAPLY(waiter);
	CHECK_EQ(call_write(root, fd, &one, sizeof(one)), 8);
	CHECK_EQ(result_of(waiter), 1);
	CHECK_EQ(((struct linux_pollfd *)waiter->reply)[N_POLLED - 1].revents, LINUX_POLLIN);
	CHECK_EQ(((struct linux_pollfd *)waiter->reply)[3].revents, 0);
	end();
}

TEST(blocked_epoll_wait)
{
	struct linux_epoll_event event = { .events = LINUX_POLLIN, .data = 77 };
	uint64_t one = 1;

	begin();
	int64_t fd = make_eventfd();

	start(root, CALL_EPOLL_CREATE1, V(0));
	int64_t epoll = result_of(root);

	start(root, CALL_EPOLL_CTL, V(epoll), V(LINUX_EPOLL_CTL_ADD), V(fd),
		IN_DATA(&event, sizeof(event)));
	CHECK_EQ(result_of(root), 0);
	struct user *waiter = make_waiter();

	start_raw(waiter, POSIX_EPOLL_WAIT,
		(const uint64_t[6]){ (uint64_t)epoll, N_EVENTS, HEL_DEADLINE_NEVER }, NULL, 0);
	CHECK_BLOCKED_CHEAPLY(waiter);
	CHECK_EQ(call_write(root, fd, &one, sizeof(one)), 8);
	CHECK_EQ(result_of(waiter), 1);
	CHECK_EQ(((struct linux_epoll_event *)waiter->reply)->data, 77);
	end();
}

TEST(blocked_receive_of_a_message)
{
	int32_t fds[2];
	uint64_t size = 1024, control = 256;

	begin();
	start(root, CALL_SOCKETPAIR, V(LINUX_AF_UNIX), V(LINUX_SOCK_STREAM), V(0), OUT_DATA(8));
	CHECK_EQ(result_of(root), 0);
	memcpy(fds, root->reply, sizeof(fds));
	struct user *waiter = make_waiter();

	start_raw(waiter, POSIX_SOCKET_RECEIVE,
		(const uint64_t[6]){ (uint64_t)fds[0], 0, size,
			sizeof(struct posix_socket_received) + control + size, control, 0 },
		NULL, 0);
	CHECK_BLOCKED_CHEAPLY(waiter);
	CHECK_EQ(call_write(root, fds[1], "abc", 3), 3);
	CHECK_EQ(result_of(waiter), 3);
	CHECK_EQ(memcmp(waiter->reply + sizeof(struct posix_socket_received) + control, "abc", 3),
		0);
	end();
}

TEST_MAIN()
