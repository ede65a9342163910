/* SPDX-License-Identifier: MIT */
/* POSIX message queues: messages, their order, and waiting. */
#include "mqueue.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>

#define LARGE 200000

/* ---- messages -------------------------------------------------------------------------------- */

CASE(higher_priorities_come_first_and_equals_in_order)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 8, 16);

	put(queue, "low", 0);
	put(queue, "first", 7);
	put(queue, "highest", 32767);
	put(queue, "second", 7);
	put(queue, "third", 7);
	CHECK_EQ(n_messages(queue), 5);
	CHECK_GET(queue, "highest", 32767);
	CHECK_GET(queue, "first", 7);
	put(queue, "fourth", 7);
	CHECK_GET(queue, "second", 7);
	CHECK_GET(queue, "third", 7);
	CHECK_GET(queue, "fourth", 7);
	CHECK_GET(queue, "low", 0);
	CHECK_EQ(n_messages(queue), 0);
	CHECK_ERRNO(mq_send(queue, "x", 1, 32768), EINVAL);
	CHECK_ERRNO(mq_send(queue, "x", 1, ~0u), EINVAL);
}

CASE(many_messages_stay_in_order)
{
	own_queues();
	CHECK_EQ(set_limit("msg_max", "3000"), 0);
	mqd_t queue = nameless(O_RDWR | O_NONBLOCK, 3000, 8);
	unsigned last_priority = ~0u, last_number = 0;

	for (unsigned i = 0; i < 3000; i++) {
		CHECK_EQ(mq_send(queue, (char *)&i, sizeof(i), i * 7919 % 100), 0);
	}
	CHECK_ERRNO(mq_send(queue, "x", 1, 0), EAGAIN);
	for (unsigned i = 0; i < 3000; i++) {
		char bytes[8];
		unsigned priority, number;

		CHECK_EQ(mq_receive(queue, bytes, sizeof(bytes), &priority), sizeof(number));
		memcpy(&number, bytes, sizeof(number));
		CHECK_EQ(number * 7919 % 100, priority);
		CHECK(priority < last_priority ||
			(priority == last_priority && number > last_number));
		last_priority = priority;
		last_number = number;
	}
	CHECK_ERRNO(mq_receive(queue, (char[8]){}, 8, NULL), EAGAIN);
}

CASE(sizes)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);
	char bytes[32];

	CHECK_ERRNO(mq_send(queue, bytes, 17, 0), EMSGSIZE);
	CHECK_ERRNO(syscall(SYS_mq_timedsend, queue, bytes, SIZE_MAX, 0, NULL), EMSGSIZE);
	CHECK_EQ(mq_send(queue, bytes, 16, 0), 0);
	CHECK_EQ(mq_send(queue, NULL, 0, 0), 0);
	CHECK_ERRNO(mq_receive(queue, bytes, 15, NULL), EMSGSIZE);
	CHECK_EQ(mq_receive(queue, bytes, sizeof(bytes), NULL), 16);
	CHECK_EQ(syscall(SYS_mq_timedreceive, queue, bytes, SIZE_MAX, NULL, NULL), 0);
	put(queue, "abc", 3);
	CHECK_EQ(syscall(SYS_mq_timedreceive, queue, bytes, SIZE_MAX, NULL, NULL), 3);
}

CASE(large_messages)
{
	own_queues();
	CHECK_EQ(set_limit("msgsize_max", "200000"), 0);
	mqd_t queue = nameless(O_RDWR, 3, LARGE);
	char *bytes = malloc(LARGE), *got = malloc(LARGE);
	static const int sizes[] = { LARGE, 100000, 1, 1700, 4096, 131072, 131073 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int at = 0; at < sizes[i]; at++) {
			bytes[at] = (char)(at / 7 + at + (int)i);
		}
		CHECK_EQ(mq_send(queue, bytes, (size_t)sizes[i], 1), 0);
		memset(got, 0, LARGE);
		CHECK_EQ(mq_receive(queue, got, LARGE, NULL), sizes[i]);
		CHECK(memcmp(bytes, got, (size_t)sizes[i]) == 0);
	}
}

CASE(bad_pointers)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR | O_NONBLOCK, 4, 4096);
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char bytes[4096];
	unsigned priority;

	CHECK_ERRNO(mq_send(queue, page, 1, 0), EFAULT);
	CHECK_ERRNO(mq_send(queue, page, 2000, 0), EFAULT);
	CHECK_ERRNO(mq_send(queue, NULL, 1, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_mq_timedsend, queue, "x", 1, 0, page), EFAULT);
	CHECK_EQ(n_messages(queue), 0);
	/* the message is gone */
	put(queue, "one", 5);
	CHECK_ERRNO(mq_receive(queue, page, 4096, &priority), EFAULT);
	CHECK_EQ(n_messages(queue), 0);
	put(queue, "two", 5);
	CHECK_ERRNO(mq_receive(queue, bytes, sizeof(bytes), (unsigned *)page), EFAULT);
	CHECK_EQ(n_messages(queue), 0);
	CHECK_EQ(mq_send(queue, bytes, 3000, 5), 0);
	CHECK_ERRNO(mq_receive(queue, page, 4096, NULL), EFAULT);
	CHECK_EQ(n_messages(queue), 0);
	/* nothing has to be written for an empty one */
	CHECK_EQ(mq_send(queue, NULL, 0, 5), 0);
	CHECK_EQ(mq_receive(queue, page, 4096, &priority), 0);
	CHECK_EQ(priority, 5);
	CHECK_ERRNO(syscall(SYS_mq_getsetattr, queue, page, NULL), EFAULT);
	CHECK_ERRNO(syscall(SYS_mq_getsetattr, queue, NULL, page), EFAULT);
}

CASE(descriptors_must_allow_it)
{
	own_queues();
	mqd_t reader, writer, both;
	char bytes[8192];
	int pipe_fds[2];

	both = mq_open("/modes", O_CREAT | O_RDWR, 0600, NULL);
	reader = mq_open("/modes", O_RDONLY);
	writer = mq_open("/modes", O_WRONLY);
	CHECK(both >= 0 && reader >= 0 && writer >= 0);
	CHECK_EQ(mq_unlink("/modes"), 0);
	CHECK_ERRNO(mq_send(reader, "x", 1, 0), EBADF);
	CHECK_ERRNO(mq_receive(writer, bytes, sizeof(bytes), NULL), EBADF);
	put(writer, "x", 0);
	CHECK_GET(reader, "x", 0);
	CHECK_EQ(pipe(pipe_fds), 0);
	CHECK_ERRNO(mq_send(pipe_fds[1], "x", 1, 0), EBADF);
	CHECK_ERRNO(mq_receive(pipe_fds[0], bytes, sizeof(bytes), NULL), EBADF);
	CHECK_ERRNO(mq_getattr(pipe_fds[0], &(struct mq_attr){}), EBADF);
	CHECK_ERRNO(mq_notify(pipe_fds[0], NULL), EBADF);
	CHECK_ERRNO(mq_send(-1, "x", 1, 0), EBADF);
	CHECK_ERRNO(mq_receive(1000, bytes, sizeof(bytes), NULL), EBADF);
	CHECK_ERRNO(mq_getattr(1000, &(struct mq_attr){}), EBADF);
	CHECK_ERRNO(mq_notify(1000, NULL), EBADF);
	CHECK_EQ(mq_close(writer), 0);
	CHECK_ERRNO(mq_close(writer), EBADF);
}

CASE(not_to_wait_is_a_property_of_the_open_file)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 1, 16), copy = dup(queue);
	struct mq_attr attributes = { .mq_flags = O_NONBLOCK, .mq_maxmsg = 77 }, old;
	char bytes[16];

	memset(&old, 0xff, sizeof(old));
	CHECK_EQ(mq_setattr(queue, &attributes, &old), 0);
	CHECK(old.mq_flags == 0 && old.mq_maxmsg == 1 && old.mq_msgsize == 16);
	CHECK_ERRNO(mq_receive(copy, bytes, 16, NULL), EAGAIN);
	CHECK(fcntl(copy, F_GETFL) == (O_RDWR | O_NONBLOCK));
	CHECK_EQ(mq_getattr(copy, &old), 0);
	CHECK(old.mq_flags == O_NONBLOCK && old.mq_maxmsg == 1 && old.mq_curmsgs == 0);
	put(queue, "x", 0);
	CHECK_ERRNO(mq_send(queue, "y", 1, 0), EAGAIN);
	attributes.mq_flags = O_NONBLOCK | O_APPEND;
	CHECK_ERRNO(mq_setattr(queue, &attributes, NULL), EINVAL);
	CHECK_EQ(fcntl(queue, F_SETFL, 0), 0);
	CHECK_EQ(mq_getattr(queue, &old), 0);
	CHECK(old.mq_flags == 0 && old.mq_curmsgs == 1);
}

/* ---- waiting --------------------------------------------------------------------------------- */

CASE(deadlines)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 1, 16);
	struct timespec past = { 0 }, soon, now;
	struct timespec wrong[] = { { 1, -1 }, { 1, 1000000000 }, { -1, 0 } };
	char bytes[16];

	CHECK_ERRNO(mq_timedreceive(queue, bytes, 16, NULL, &past), ETIMEDOUT);
	soon = in_ms(30);
	CHECK_ERRNO(mq_timedreceive(queue, bytes, 16, NULL, &soon), ETIMEDOUT);
	clock_gettime(CLOCK_REALTIME, &now);
	CHECK(now.tv_sec > soon.tv_sec ||
		(now.tv_sec == soon.tv_sec && now.tv_nsec >= soon.tv_nsec));
	CHECK_EQ(mq_timedsend(queue, "x", 1, 0, &past), 0);
	CHECK_ERRNO(mq_timedsend(queue, "x", 1, 0, &past), ETIMEDOUT);
	soon = in_ms(30);
	CHECK_ERRNO(mq_timedsend(queue, "x", 1, 0, &soon), ETIMEDOUT);
	/* looked at even if it is not needed */
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CHECK_ERRNO(mq_timedreceive(queue, bytes, 16, NULL, &wrong[i]), EINVAL);
		CHECK_ERRNO(mq_timedsend(queue, "x", 1, 0, &wrong[i]), EINVAL);
		CHECK_ERRNO(mq_timedsend(-1, "x", 1, 0, &wrong[i]), EINVAL);
	}
	CHECK_EQ(mq_timedreceive(queue, bytes, 16, NULL, &past), 1);
	CHECK_EQ(fcntl(queue, F_SETFL, O_NONBLOCK), 0);
	CHECK_ERRNO(mq_timedreceive(queue, bytes, 16, NULL, &past), EAGAIN);
	CHECK_EQ(n_messages(queue), 0);
}

struct waiter {
	mqd_t queue;
	const struct timespec *deadline;
	int priority; /* of SCHED_FIFO; 0: an ordinary thread */
	bool sends;
	char text[16];
	unsigned message_priority;
	long result;
	int error;
	_Atomic pid_t tid;
	pthread_t thread;
};

static void *wait_at(void *context)
{
	struct waiter *waiter = context;

	if (waiter->priority != 0) {
		struct sched_param param = { .sched_priority = waiter->priority };

		pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
	}
	waiter->tid = gettid();
	waiter->result = waiter->sends
		? mq_timedsend(
			  waiter->queue, waiter->text, strlen(waiter->text), 0, waiter->deadline)
		: mq_timedreceive(waiter->queue, waiter->text, sizeof(waiter->text),
			  &waiter->message_priority, waiter->deadline);
	waiter->error = errno;
	return NULL;
}

static void begin_wait(struct waiter *waiter)
{
	CHECK_EQ(pthread_create(&waiter->thread, NULL, wait_at, waiter), 0);
	while (waiter->tid == 0) {
		usleep(1000);
	}
	await_thread(getpid(), waiter->tid);
}

static void end_wait(struct waiter *waiter)
{
	CHECK_EQ(pthread_join(waiter->thread, NULL), 0);
}

CASE(receivers_are_served_in_order)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);
	struct waiter first = { .queue = queue }, second = { .queue = queue };

	begin_wait(&first);
	begin_wait(&second);
	put(queue, "one", 3);
	end_wait(&first);
	CHECK(first.result == 3 && strcmp(first.text, "one") == 0 && first.message_priority == 3);
	CHECK_EQ(n_messages(queue), 0);
	put(queue, "two", 0);
	end_wait(&second);
	CHECK(second.result == 3 && strcmp(second.text, "two") == 0);
}

CASE(senders_are_let_in_in_order)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 1, 16);
	struct waiter first = { .queue = queue, .sends = true, .text = "one" };
	struct waiter second = { .queue = queue, .sends = true, .text = "two" };

	put(queue, "zero", 0);
	begin_wait(&first);
	begin_wait(&second);
	CHECK_GET(queue, "zero", 0);
	end_wait(&first);
	CHECK(first.result == 0 && n_messages(queue) == 1);
	CHECK_GET(queue, "one", 0);
	end_wait(&second);
	CHECK(second.result == 0 && n_messages(queue) == 1);
	CHECK_GET(queue, "two", 0);
}

CASE(urgent_threads_are_served_first)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);
	struct waiter ordinary = { .queue = queue }, low = { .queue = queue, .priority = 10 };
	struct waiter high = { .queue = queue, .priority = 20 }, second = high;

	if (sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 }) != 0 ||
		sched_get_priority_max(SCHED_FIFO) < 20) {
		return;
	}
	begin_wait(&ordinary);
	begin_wait(&low);
	begin_wait(&high);
	begin_wait(&second);
	put(queue, "one", 0);
	end_wait(&high);
	CHECK(strcmp(high.text, "one") == 0);
	put(queue, "two", 0);
	end_wait(&second);
	CHECK(strcmp(second.text, "two") == 0);
	put(queue, "three", 0);
	end_wait(&low);
	CHECK(strcmp(low.text, "three") == 0);
	put(queue, "four", 0);
	end_wait(&ordinary);
	CHECK(strcmp(ordinary.text, "four") == 0);
}

CASE(who_gave_up_gets_nothing)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 1, 16);
	struct timespec soon = in_ms(50);
	struct waiter first = { .queue = queue, .deadline = &soon }, second = { .queue = queue };

	begin_wait(&first);
	begin_wait(&second);
	end_wait(&first);
	CHECK(first.result == -1 && first.error == ETIMEDOUT);
	put(queue, "one", 0);
	end_wait(&second);
	CHECK(second.result == 3);
	/* a sender's message goes with it */
	soon = in_ms(50);
	first = (struct waiter){ .queue = queue, .deadline = &soon, .sends = true };
	strcpy(first.text, "never");
	put(queue, "two", 0);
	begin_wait(&first);
	end_wait(&first);
	CHECK(first.result == -1 && first.error == ETIMEDOUT);
	CHECK_GET(queue, "two", 0);
	CHECK_EQ(n_messages(queue), 0);
}

CASE(a_killed_waiter_gets_nothing)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 1, 16);
	char bytes[16];
	pid_t child = fork();

	if (child == 0) {
		mq_receive(queue, bytes, 16, NULL);
		_exit(1);
	}
	await_sleep(child);
	CHECK_EQ(kill(child, SIGKILL), 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	put(queue, "one", 0);
	CHECK_EQ(n_messages(queue), 1);
	child = fork();
	if (child == 0) {
		mq_send(queue, "two", 3, 9);
		_exit(1);
	}
	await_sleep(child);
	CHECK_EQ(kill(child, SIGKILL), 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_GET(queue, "one", 0);
	CHECK_EQ(n_messages(queue), 0);
}

CASE(a_closed_queue_serves_who_waits)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 1, 16), other = dup(queue);
	struct waiter waiter = { .queue = queue };

	begin_wait(&waiter);
	CHECK_EQ(mq_close(queue), 0);
	put(other, "one", 0);
	end_wait(&waiter);
	CHECK(waiter.result == 3);
}

CASE(processes_share_a_queue)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 2, 16), back = nameless(O_RDWR, 2, 16);
	pid_t child = fork();

	if (child == 0) {
		char bytes[16];

		for (int i = 0; i < 100; i++) {
			ssize_t n = mq_receive(queue, bytes, sizeof(bytes), NULL);

			if (n < 0 || mq_send(back, bytes, (size_t)n, 1) != 0) {
				_exit(1);
			}
		}
		_exit(0);
	}
	for (int i = 0; i < 100; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		put(queue, text, (unsigned)i);
		CHECK_GET(back, text, 1);
	}
	CHECK_EQ(exit_code(child), 0);
}

/* ---- signals --------------------------------------------------------------------------------- */

static volatile sig_atomic_t n_handled;
static mqd_t handled_queue;

static void handle(int signal)
{
	(void)signal;
	n_handled++;
}

/* With the second signal there is what the call waits for. */
static void handle_and_send(int signal)
{
	(void)signal;
	if (++n_handled == 2) {
		mq_send(handled_queue, "late", 4, 0);
	}
}

/* Signals this process twice, each time when it sleeps. */
static pid_t start_pester(int n)
{
	pid_t parent = getpid(), child = fork();

	if (child == 0) {
		for (int i = 0; i < n; i++) {
			usleep(20000);
			await_sleep(parent);
			kill(parent, SIGUSR1);
		}
		_exit(0);
	}
	return child;
}

CASE(a_handler_interrupts)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 1, 16);
	struct sigaction action = { .sa_handler = handle };
	struct timespec late = in_ms(10000);
	char bytes[16];
	pid_t child;

	sigaction(SIGUSR1, &action, NULL);
	child = start_pester(1);
	CHECK_ERRNO(mq_receive(queue, bytes, sizeof(bytes), NULL), EINTR);
	CHECK(n_handled == 1 && exit_code(child) == 0);
	child = start_pester(1);
	CHECK_ERRNO(mq_timedreceive(queue, bytes, sizeof(bytes), NULL, &late), EINTR);
	CHECK(n_handled == 2 && exit_code(child) == 0);
	put(queue, "full", 0);
	child = start_pester(1);
	CHECK_ERRNO(mq_send(queue, "x", 1, 0), EINTR);
	CHECK(n_handled == 3 && exit_code(child) == 0 && n_messages(queue) == 1);
}

CASE(a_restarting_handler_does_not)
{
	own_queues();
	mqd_t queue = handled_queue = nameless(O_RDWR, 1, 16);
	struct sigaction action = { .sa_handler = handle_and_send, .sa_flags = SA_RESTART };
	struct timespec late = in_ms(10000);
	char bytes[16];
	pid_t child;

	sigaction(SIGUSR1, &action, NULL);
	child = start_pester(2);
	CHECK_EQ(mq_receive(queue, bytes, sizeof(bytes), NULL), 4);
	CHECK(n_handled == 2 && exit_code(child) == 0);
	n_handled = 0;
	child = start_pester(2);
	CHECK_EQ(mq_timedreceive(queue, bytes, sizeof(bytes), NULL, &late), 4);
	CHECK(n_handled == 2 && exit_code(child) == 0);
}

CASE(stop_and_continue_go_unnoticed)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 1, 16);
	pid_t child = fork();
	int status;

	if (child == 0) {
		char bytes[16];

		_exit(mq_receive(queue, bytes, sizeof(bytes), NULL) == 3 ? 0 : 1);
	}
	await_sleep(child);
	CHECK_EQ(kill(child, SIGSTOP), 0);
	CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(kill(child, SIGCONT), 0);
	await_sleep(child);
	put(queue, "one", 0);
	CHECK_EQ(exit_code(child), 0);
}

/* ---- the clock ------------------------------------------------------------------------------- */

static void step(long seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += seconds;
	CHECK_EQ(clock_settime(CLOCK_REALTIME, &now), 0);
}

/* Only Hati's clock is set here. */
CASE(deadlines_follow_the_clock)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 1, 16);
	struct timespec late = in_ms(100000000);
	struct waiter waiter = { .queue = queue, .deadline = &late };

	if (access("/proc/hati", F_OK) != 0) {
		return;
	}
	begin_wait(&waiter);
	step(-1000);
	step(1000);
	await_thread(getpid(), waiter.tid);
	step(200000);
	end_wait(&waiter);
	CHECK(waiter.result == -1 && waiter.error == ETIMEDOUT);
	step(-200000);
}

/* ---- poll ------------------------------------------------------------------------------------ */

static short ready(mqd_t queue)
{
	struct pollfd one = { queue, POLLIN | POLLOUT, 0 };

	return poll(&one, 1, 0) < 0 ? -1 : one.revents;
}

CASE(poll_tells_of_messages_and_room)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 2, 16);
	struct pollfd all = { queue, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLPRI, 0 };

	CHECK_EQ(ready(queue), POLLOUT);
	put(queue, "a", 0);
	CHECK_EQ(ready(queue), POLLIN | POLLOUT);
	CHECK_EQ(poll(&all, 1, 0), 1);
	CHECK_EQ(all.revents, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
	put(queue, "b", 0);
	CHECK_EQ(ready(queue), POLLIN);
	CHECK_GET(queue, "a", 0);
	CHECK_GET(queue, "b", 0);
	CHECK_EQ(ready(queue), POLLOUT);
}

static void *send_later(void *context)
{
	usleep(20000);
	mq_send(*(mqd_t *)context, "late", 4, 0);
	return NULL;
}

static void *receive_later(void *context)
{
	char bytes[16];

	usleep(20000);
	mq_receive(*(mqd_t *)context, bytes, sizeof(bytes), NULL);
	return NULL;
}

CASE(poll_and_select_wait)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 1, 16);
	struct pollfd in = { queue, POLLIN, 0 }, out = { queue, POLLOUT, 0 };
	pthread_t thread;
	fd_set set;

	pthread_create(&thread, NULL, send_later, &queue);
	CHECK_EQ(poll(&in, 1, 10000), 1);
	CHECK_EQ(in.revents, POLLIN);
	pthread_join(thread, NULL);
	pthread_create(&thread, NULL, receive_later, &queue);
	CHECK_EQ(poll(&out, 1, 10000), 1);
	CHECK_EQ(out.revents, POLLOUT);
	pthread_join(thread, NULL);
	pthread_create(&thread, NULL, send_later, &queue);
	FD_ZERO(&set);
	FD_SET(queue, &set);
	CHECK_EQ(select(queue + 1, &set, NULL, NULL, NULL), 1);
	CHECK(FD_ISSET(queue, &set));
	pthread_join(thread, NULL);
}

CASE(epoll_level_and_edge)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 2, 16);
	int level = epoll_create1(0), edge = epoll_create1(0);
	struct epoll_event event = { EPOLLIN, { .u64 = 1 } };

	CHECK_EQ(epoll_ctl(level, EPOLL_CTL_ADD, queue, &event), 0);
	event.events = EPOLLIN | EPOLLET;
	CHECK_EQ(epoll_ctl(edge, EPOLL_CTL_ADD, queue, &event), 0);
	CHECK_EQ(epoll_wait(level, &event, 1, 0), 0);
	CHECK_EQ(epoll_wait(edge, &event, 1, 0), 0);
	put(queue, "a", 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(epoll_wait(level, &event, 1, 0), 1);
		CHECK_EQ(epoll_wait(edge, &event, 1, 0), i == 0);
	}
	put(queue, "b", 0);
	CHECK_EQ(epoll_wait(edge, &event, 1, 0), 1);
	CHECK_GET(queue, "a", 0);
	CHECK_GET(queue, "b", 0);
	CHECK_EQ(epoll_wait(level, &event, 1, 0), 0);
	CHECK_EQ(epoll_wait(edge, &event, 1, 0), 0);
}

CASE(a_message_for_a_receiver_is_not_seen_by_poll)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 1, 16);
	struct waiter waiter = { .queue = queue };

	begin_wait(&waiter);
	put(queue, "one", 0);
	CHECK_EQ(ready(queue), POLLOUT);
	end_wait(&waiter);
	CHECK(waiter.result == 3);
}

CASES_MAIN()
