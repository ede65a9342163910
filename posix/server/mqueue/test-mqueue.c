/* SPDX-License-Identifier: MIT */
/* Message queues: order, handing over, deadlines, notices, what they cost, and failing memory. */
#include <abi/linux/netlink.h>
#include <abi/linux/socket.h>
#include <posix/server/mqueue/mqueue.h>
#include <posix/server/process/account.h>
#include <posix/server/socket/netlink.h>
#include <posix/server/tests/files.h>
#include <posix/server/time/expiry.h>

enum {
	CALL_socket = 41,
	CALL_recvfrom = 45,
	CALL_mq_open = 240,
	CALL_mq_unlink = 241,
	CALL_mq_timedsend = 242,
	CALL_mq_timedreceive = 243,
	CALL_mq_notify = 244,
	BLOCKED_BYTES_MAX = 256,
	SIZE_MAX_USUAL = 64,
};

static const struct linux_timespec *no_deadline;

static int64_t call_open_queue(struct user *user, const char *name, uint32_t flags, int64_t n_max)
{
	struct linux_mq_attr attributes = {
		.n_messages_max = n_max,
		.message_size_max = SIZE_MAX_USUAL,
	};

	start(user, CALL_mq_open, P(name), V(flags), V(0600),
		IN_DATA(&attributes, sizeof(attributes)));
	return answer_of(user);
}

static int64_t call_remove_queue(struct user *user, const char *name)
{
	start(user, CALL_mq_unlink, P(name));
	return answer_of(user);
}

/* A queue that has no name any more. */
static int64_t make_queue(struct user *user, int64_t n_max)
{
	int64_t fd = call_open_queue(user, "queue", LINUX_O_CREAT | LINUX_O_RDWR, n_max);

	CHECK(fd >= 0);
	CHECK_EQ(call_remove_queue(user, "queue"), 0);
	return fd;
}

static void start_send(struct user *user, int64_t fd, const char *text, uint32_t priority,
	const struct linux_timespec *deadline)
{
	start(user, CALL_mq_timedsend, V(fd), V(text), V(strlen(text)), V(priority),
		IN_DATA(deadline, sizeof(*deadline)));
}

static int64_t call_send(struct user *user, int64_t fd, const char *text, uint32_t priority)
{
	start_send(user, fd, text, priority, no_deadline);
	return answer_of(user);
}

/* What receivers get; one for each of the users that wait at the same time. */
struct inbox {
	char text[SIZE_MAX_USUAL + 1];
};

static void start_receive(
	struct user *user, int64_t fd, struct inbox *inbox, const struct linux_timespec *deadline)
{
	memset(inbox, 0, sizeof(*inbox));
	start(user, CALL_mq_timedreceive, V(fd), V(inbox->text), V(SIZE_MAX_USUAL), OUT_DATA(4),
		IN_DATA(deadline, sizeof(*deadline)));
}

/* The text of the next message, or "?". */
static const char *receive(struct user *user, int64_t fd)
{
	static struct inbox inbox;

	start_receive(user, fd, &inbox, no_deadline);
	return answer_of(user) < 0 ? "?" : inbox.text;
}

static int64_t call_notify(struct user *user, int64_t fd, int32_t notify, int64_t signal)
{
	static const uint8_t cookie[LINUX_NOTIFY_COOKIE_SIZE] = "a cookie";
	struct linux_sigevent event = {
		.notify = notify,
		.signal = (int32_t)signal,
		.value = (uint64_t)cookie,
	};

	start(user, CALL_mq_notify, V(fd), IN_DATA(&event, sizeof(event)));
	return is_parked(user) ? REQUEST_PARK : user->result;
}

static int64_t make_socket(struct user *user)
{
	start(user, CALL_socket, V(LINUX_AF_NETLINK), V(LINUX_SOCK_RAW), V(LINUX_NETLINK_ROUTE));
	return answer_of(user);
}

static struct linux_timespec seconds(int64_t n)
{
	return (struct linux_timespec){ .seconds = n };
}

/* ---- messages -------------------------------------------------------------------------------- */

TEST(messages_come_by_priority_and_in_order)
{
	begin();
	int64_t fd = make_queue(root, 8);

	CHECK_EQ(call_send(root, fd, "low", 1), 0);
	CHECK_EQ(call_send(root, fd, "high", 9), 0);
	CHECK_EQ(call_send(root, fd, "low 2", 1), 0);
	CHECK_EQ(call_send(root, fd, "high 2", 9), 0);
	CHECK_STR_EQ(receive(root, fd), "high");
	CHECK_STR_EQ(receive(root, fd), "high 2");
	CHECK_STR_EQ(receive(root, fd), "low");
	CHECK_STR_EQ(receive(root, fd), "low 2");
	CHECK_STR_EQ(receive(root, fd), "?");
	CHECK_EQ(call_send(root, fd, "left", 1), 0);
	end();
}

TEST(who_waits_is_served_by_precedence)
{
	struct user *users[4];
	struct inbox inboxes[4];

	begin();
	int64_t fd = make_queue(root, 1);

	for (int i = 0; i < 4; i++) {
		users[i] = user_fork(root);
		users[i]->precedence = i % 2;
		start_receive(users[i], fd, &inboxes[i], no_deadline);
		CHECK(is_parked(users[i]));
	}
	static const int order[] = { 1, 3, 0, 2 };

	for (int i = 0; i < 4; i++) {
		CHECK_EQ(call_send(root, fd, "text", (uint32_t)i), 0);
		CHECK_EQ(result_of(users[order[i]]), 4);
		CHECK_STR_EQ(inboxes[order[i]].text, "text");
		CHECK_EQ(*(uint32_t *)users[order[i]]->reply, i);
	}
	CHECK_EQ(call_send(root, fd, "full", 0), 0);
	for (int i = 0; i < 4; i++) {
		static const char *texts[] = { "0", "1", "2", "3" };

		start_send(users[i], fd, texts[i], 0, no_deadline);
		CHECK(is_parked(users[i]));
	}
	CHECK_STR_EQ(receive(root, fd), "full");
	CHECK_STR_EQ(receive(root, fd), "1");
	CHECK_STR_EQ(receive(root, fd), "3");
	CHECK_STR_EQ(receive(root, fd), "0");
	CHECK_STR_EQ(receive(root, fd), "2");
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(result_of(users[i]), 0);
	}
	end();
}

TEST(what_was_given_is_not_taken_back_by_a_signal)
{
	struct inbox inbox;

	begin();
	int64_t fd = make_queue(root, 1);
	struct user *waiter = user_fork(root);

	start_receive(waiter, fd, &inbox, no_deadline);
	start_send(root, fd, "text", 0, no_deadline);
	/* served, but its handler has not run yet */
	CHECK(is_parked(waiter));
	CHECK(!request_interrupt(&waiter->request));
	CHECK_EQ(result_of(waiter), 4);
	/* and one that was not served is */
	start_receive(waiter, fd, &inbox, no_deadline);
	interrupt(waiter);
	CHECK_EQ(waiter->result, -LINUX_ERESTARTSYS);
	CHECK_EQ(call_send(root, fd, "text", 0), 0);
	start_send(waiter, fd, "never", 0, no_deadline);
	interrupt(waiter);
	CHECK_EQ(waiter->result, -LINUX_ERESTARTSYS);
	CHECK_STR_EQ(receive(root, fd), "text");
	CHECK_STR_EQ(receive(root, fd), "?");
	end();
}

TEST(descriptors_may_be_closed_while_somebody_waits)
{
	struct inbox inbox;

	begin();
	int64_t fd = make_queue(root, 1);
	struct user *waiter = user_fork(root);

	start_receive(waiter, fd, &inbox, no_deadline);
	CHECK_EQ(fd_table_close(waiter->process.files, (int)fd, &waiter->process), 0);
	CHECK_EQ(call_send(root, fd, "text", 0), 0);
	CHECK_EQ(result_of(waiter), 4);
	start_receive(root, fd, &inbox, no_deadline);
	CHECK_EQ(fd_table_close(root->process.files, (int)fd, &root->process), 0);
	interrupt(root);
	CHECK_EQ(mqueue_super()->n_queues, 0);
	end();
}

TEST(names_of_nothing_are_not_there)
{
	begin();
	CHECK_EQ(call_open_queue(root, "name", LINUX_O_CREAT | LINUX_O_RDWR, 0), -LINUX_EINVAL);
	CHECK_EQ(call_open_queue(root, "name", LINUX_O_RDWR, 1), -LINUX_ENOENT);
	CHECK_EQ(call_remove_queue(root, "name"), -LINUX_ENOENT);
	end();
}

/* ---- deadlines ------------------------------------------------------------------------------- */

TEST(deadlines_follow_the_wall_clock)
{
	struct linux_timespec deadline;
	struct inbox inbox;

	begin();
	int64_t fd = make_queue(root, 1);
	struct user *waiter = user_fork(root);
	uint64_t now_ns = fake_now_ns;

	fake_realtime_offset_ns = 1000000000000;
	deadline = seconds((int64_t)(now_ns / 1000000000) + 1100);
	start_receive(waiter, fd, &inbox, &deadline);
	CHECK(is_parked(waiter));
	fake_now_ns = now_ns + 90000000000;
	fake_run_loop();
	CHECK(is_parked(waiter));
	/* back by fifty seconds: so much longer */
	fake_realtime_offset_ns -= 50000000000;
	expiries_follow_clock();
	fake_now_ns = now_ns + 140000000000;
	fake_run_loop();
	CHECK(is_parked(waiter));
	/* far ahead: it is over */
	fake_realtime_offset_ns += 500000000000;
	expiries_follow_clock();
	fake_run_loop();
	CHECK_EQ(result_of(waiter), -LINUX_ETIMEDOUT);
	fake_realtime_offset_ns = 0;
	deadline = seconds((int64_t)(fake_now_ns / 1000000000) - 1);
	start_receive(waiter, fd, &inbox, &deadline);
	CHECK_EQ(result_of(waiter), -LINUX_ETIMEDOUT);
	deadline = (struct linux_timespec){ 1, 1000000000 };
	start_receive(waiter, fd, &inbox, &deadline);
	CHECK_EQ(result_of(waiter), -LINUX_EINVAL);
	/* the message of a sender that gives up goes with it */
	CHECK_EQ(call_send(root, fd, "text", 0), 0);
	deadline = seconds((int64_t)(fake_now_ns / 1000000000) + 100);
	start_send(waiter, fd, "late", 0, &deadline);
	fake_now_ns += 101000000000;
	CHECK_EQ(result_of(waiter), -LINUX_ETIMEDOUT);
	CHECK_STR_EQ(receive(root, fd), "text");
	CHECK_STR_EQ(receive(root, fd), "?");
	end();
}

TEST(a_message_at_the_last_moment_counts)
{
	struct inbox inbox;

	begin();
	int64_t fd = make_queue(root, 1);
	struct user *waiter = user_fork(root);
	struct linux_timespec deadline = seconds((int64_t)(fake_now_ns / 1000000000) + 1);

	start_receive(waiter, fd, &inbox, &deadline);
	fake_now_ns += 2000000000;
	/* the timer has not been looked at when it comes */
	start_send(root, fd, "text", 0, no_deadline);
	CHECK_EQ(result_of(waiter), 4);
	CHECK_STR_EQ(inbox.text, "text");
	end();
}

/* ---- limits ---------------------------------------------------------------------------------- */

TEST(a_user_is_charged_until_the_queue_is_gone)
{
	begin();
	struct user *user = user_create(1000);
	uint64_t charge = 4 * (SIZE_MAX_USUAL + 96);

	user->process.limits[LIMIT_MSGQUEUE][0] = 2 * charge;
	int64_t one = make_queue(user, 4), two = make_queue(user, 4);

	CHECK_EQ(account_count(1000, ACCOUNT_MESSAGE_QUEUES), 2 * charge);
	CHECK_EQ(call_open_queue(user, "three", LINUX_O_CREAT | LINUX_O_RDWR, 1), -LINUX_EMFILE);
	CHECK_EQ(call_open_queue(user, "three", LINUX_O_RDWR, 1), -LINUX_ENOENT);
	CHECK_EQ(call_close(user, two), 0);
	CHECK_EQ(account_count(1000, ACCOUNT_MESSAGE_QUEUES), charge);
	CHECK_EQ(call_close(user, one), 0);
	CHECK_EQ(account_count(1000, ACCOUNT_MESSAGE_QUEUES), 0);
	CHECK_EQ(mqueue_super()->n_queues, 0);
	end();
}

TEST(messages_count_as_held_memory)
{
	begin();
	int64_t fd = make_queue(root, 4);

	CHECK_EQ(fd_table_held_bytes(root->process.files), 0);
	CHECK_EQ(call_send(root, fd, "text", 0), 0);
	CHECK(fd_table_held_bytes(root->process.files) >= 4);
	end();
}

TEST(waiting_is_cheap)
{
	struct linux_timespec deadline = seconds((int64_t)(fake_now_ns / 1000000000) + 100);
	struct inbox inbox;

	begin();
	int64_t fd = make_queue(root, 1);
	struct user *waiter = user_fork(root);
	size_t n_bytes_before = fake_n_bytes;

	start_receive(waiter, fd, &inbox, &deadline);
	CHECK(is_parked(waiter));
	CHECK(fake_n_bytes - n_bytes_before <= BLOCKED_BYTES_MAX);
	interrupt(waiter);
	CHECK_EQ(fake_n_bytes, n_bytes_before);
	end();
}

/* Blocks that run for one send of each of so many priorities. */
static uint64_t steps_of_sends(uint32_t n)
{
	int64_t fd = make_queue(root, n);
	uint64_t before = fake_n_steps;

	for (uint32_t i = 0; i < n; i++) {
		CHECK_EQ(call_send(root, fd, "x", i), 0);
	}
	uint64_t n_steps = (fake_n_steps - before) / n;

	CHECK_EQ(call_close(root, fd), 0);
	return n_steps;
}

TEST(many_messages_do_not_make_sending_slow)
{
	begin();
	CHECK(steps_of_sends(20000) < 2 * steps_of_sends(100));
	end();
}

/* Blocks that run for one send, while so many wait. */
static uint64_t steps_with_receivers(int n)
{
	static struct inbox inbox;
	struct user *users[200];
	int64_t fd = make_queue(root, 1);

	for (int i = 0; i < n; i++) {
		users[i] = user_fork(root);
		start_receive(users[i], fd, &inbox, no_deadline);
	}
	uint64_t before = fake_n_steps;

	CHECK_EQ(call_send(root, fd, "x", 0), 0);
	CHECK_EQ(call_send(root, fd, "x", 0), 0);
	uint64_t n_steps = fake_n_steps - before;

	CHECK_EQ(result_of(users[0]), 1);
	CHECK_EQ(result_of(users[1]), 1);
	for (int i = 2; i < n; i++) {
		interrupt(users[i]);
	}
	CHECK_EQ(call_close(root, fd), 0);
	return n_steps;
}

TEST(a_message_wakes_one_receiver)
{
	begin();
	CHECK(steps_with_receivers(200) < 2 * steps_with_receivers(2));
	end();
}

/* ---- notices --------------------------------------------------------------------------------- */

TEST(a_signal_is_sent_once)
{
	begin();
	int64_t fd = make_queue(root, 4);

	CHECK_EQ(call_notify(root, fd, LINUX_SIGEV_SIGNAL, LINUX_SIGUSR1), 0);
	CHECK_EQ(call_notify(root, fd, LINUX_SIGEV_SIGNAL, LINUX_SIGUSR1), -LINUX_EBUSY);
	CHECK_EQ(call_send(root, fd, "text", 0), 0);
	CHECK_EQ(root->signals, 1ull << LINUX_SIGUSR1);
	CHECK_STR_EQ(receive(root, fd), "text");
	root->signals = 0;
	CHECK_EQ(call_send(root, fd, "text", 0), 0);
	CHECK_EQ(root->signals, 0);
	end();
}

/* A later process with the number of one that is gone is not the one that asked. */
TEST(who_is_gone_is_not_told)
{
	begin();
	int64_t fd = make_queue(root, 4);

	CHECK_EQ(call_notify(root, fd, LINUX_SIGEV_SIGNAL, LINUX_SIGUSR1), 0);
	root->process_internal.start_ns = 1;
	CHECK_EQ(call_send(root, fd, "text", 0), 0);
	CHECK_EQ(root->signals, 0);
	CHECK_STR_EQ(receive(root, fd), "text");
	/* nor is another program of the same process */
	CHECK_EQ(call_notify(root, fd, LINUX_SIGEV_SIGNAL, LINUX_SIGUSR1), 0);
	root->mm.serial++;
	CHECK_EQ(call_send(root, fd, "text", 0), 0);
	CHECK_EQ(root->signals, 0);
	end();
}

static uint8_t cookie_end(struct user *user, int64_t fd)
{
	uint8_t cookie[LINUX_NOTIFY_COOKIE_SIZE];

	CHECK_EQ(call_read(user, fd, cookie, sizeof(cookie)), sizeof(cookie));
	CHECK_EQ(memcmp(cookie, "a cookie", 9), 0);
	return cookie[LINUX_NOTIFY_COOKIE_SIZE - 1];
}

TEST(cookies_need_no_memory_to_come_back)
{
	begin();
	int64_t fd = make_queue(root, 4), socket = make_socket(root);

	CHECK_EQ(call_notify(root, fd, LINUX_SIGEV_THREAD, socket), 0);
	fake_fail_allocation = 2; /* the first is the message */
	CHECK_EQ(call_send(root, fd, "text", 0), 0);
	fake_fail_allocation = 0;
	CHECK_EQ(cookie_end(root, socket), LINUX_NOTIFY_WOKENUP);
	CHECK_STR_EQ(receive(root, fd), "text");
	CHECK_EQ(call_notify(root, fd, LINUX_SIGEV_THREAD, socket), 0);
	CHECK_EQ(call_close(root, fd), 0);
	CHECK_EQ(cookie_end(root, socket), LINUX_NOTIFY_REMOVED);
	end();
}

TEST(a_full_socket_makes_who_asks_wait)
{
	int64_t queues[3];

	begin();
	int64_t socket = make_socket(root);
	struct user *other = user_fork(root);
	struct netlink_socket *netlink = fd_table_get(root->process.files, (int)socket)->data;

	netlink->receive_max = 2 * LINUX_NOTIFY_COOKIE_SIZE;
	for (int i = 0; i < 3; i++) {
		queues[i] = make_queue(root, 4);
	}
	CHECK_EQ(call_notify(root, queues[0], LINUX_SIGEV_THREAD, socket), 0);
	CHECK_EQ(call_notify(root, queues[1], LINUX_SIGEV_THREAD, socket), 0);
	CHECK_EQ(call_notify(root, queues[2], LINUX_SIGEV_THREAD, socket), REQUEST_PARK);
	interrupt(root);
	CHECK_EQ(root->result, -LINUX_ERESTARTSYS);
	CHECK_EQ(call_notify(root, queues[2], LINUX_SIGEV_THREAD, socket), REQUEST_PARK);
	/* room is made by a cookie that is read */
	struct file *first = fd_table_get(root->process.files, (int)queues[0]);

	mqueue_notify_forget(mqueue_of(first->inode));
	fake_run_loop();
	CHECK(is_parked(root));
	CHECK_EQ(cookie_end(other, socket), LINUX_NOTIFY_REMOVED);
	CHECK_EQ(result_of(root), 0);
	end();
}

/* ---- failing memory -------------------------------------------------------------------------- */

/* A message of each of two users, of whom the other has to wait; 0, or the first error. */
static int64_t talk(struct user *user, int64_t fd, struct user *other, int64_t other_fd)
{
	struct linux_timespec deadline = seconds((int64_t)(fake_now_ns / 1000000000) + 100);
	struct inbox inbox;
	int64_t result = call_send(user, fd, "one", 1);

	if (result < 0) {
		return result;
	}
	start_send(other, other_fd, "two", 2, &deadline);
	if (!is_parked(other)) {
		return other->result;
	}
	CHECK_STR_EQ(receive(user, fd), "one");
	CHECK_EQ(result_of(other), 0);
	CHECK_STR_EQ(receive(user, fd), "two");
	start_receive(other, other_fd, &inbox, &deadline);
	if (!is_parked(other)) {
		return other->result;
	}
	result = call_send(user, fd, "three", 1);
	if (result < 0) {
		interrupt(other);
		return result;
	}
	return result_of(other) == 5 ? 0 : -LINUX_EIO;
}

/* All that needs memory; 0, or the first error. */
static int64_t use_everything(struct user *user, struct user *other)
{
	int64_t fd = call_open_queue(user, "queue", LINUX_O_CREAT | LINUX_O_RDWR, 1);
	int64_t other_fd = call_open_queue(other, "queue", LINUX_O_RDWR, 1);
	int64_t socket = make_socket(user);
	int64_t result = fd < 0 ? fd : other_fd < 0 ? other_fd : socket < 0 ? socket : 0;

	if (result == 0) {
		result = call_notify(user, fd, LINUX_SIGEV_THREAD, socket);
	}
	if (result == 0) {
		result = talk(user, fd, other, other_fd);
	}
	(void)call_close(user, fd);
	(void)call_close(user, socket);
	(void)call_close(other, other_fd);
	/* the name may be there without a descriptor */
	(void)call_remove_queue(user, "queue");
	return result;
}

TEST(memory_may_end_anywhere)
{
	int64_t result = -LINUX_ENOMEM;

	begin();
	struct user *user = user_create(0), *other = user_create(0);

	for (size_t i = 1; result != 0; i++) {
		CHECK(i < 100);
		fake_fail_allocation = i;
		result = use_everything(user, other);
		fake_fail_allocation = 0;
		CHECK(result == 0 || result == -LINUX_ENOMEM || result == -LINUX_ENOENT);
		CHECK_EQ(account_count(0, ACCOUNT_MESSAGE_QUEUES), 0);
		CHECK_EQ(mqueue_super()->n_queues, 0);
	}
	end();
}

TEST_MAIN()
