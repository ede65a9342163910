/* SPDX-License-Identifier: MIT */
/* mq_notify(): by signals, by nothing, and by threads of the C library. */
#include "mqueue.h"

#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#define COOKIE_SIZE 32

static void block(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
}

/* The signal if it is pending, and what it says; 0: none is. */
static int take(int signal, siginfo_t *out_info)
{
	struct timespec none = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	int taken = sigtimedwait(&set, out_info, &none);

	return taken < 0 ? 0 : taken;
}

static struct sigevent by_signal(int signal, int value)
{
	return (struct sigevent){
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = signal,
		.sigev_value.sival_int = value,
	};
}

/* ---- signals --------------------------------------------------------------------------------- */

CASE(a_signal_tells_of_the_first_message)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);
	struct sigevent event = by_signal(SIGUSR1, 1234);
	siginfo_t info;

	block(SIGUSR1);
	CHECK_EQ(mq_notify(queue, &event), 0);
	CHECK_EQ(take(SIGUSR1, &info), 0);
	put(queue, "one", 0);
	CHECK_EQ(take(SIGUSR1, &info), SIGUSR1);
	CHECK_EQ(info.si_code, SI_MESGQ);
	CHECK(info.si_pid == getpid() && info.si_uid == getuid());
	CHECK_EQ(info.si_value.sival_int, 1234);
	CHECK_EQ(info.si_errno, 0);
	/* once */
	CHECK_GET(queue, "one", 0);
	put(queue, "two", 0);
	CHECK_EQ(take(SIGUSR1, &info), 0);
	/* not while there is a message */
	CHECK_EQ(mq_notify(queue, &event), 0);
	put(queue, "three", 0);
	CHECK_EQ(take(SIGUSR1, &info), 0);
	CHECK_GET(queue, "two", 0);
	CHECK_GET(queue, "three", 0);
	put(queue, "four", 0);
	CHECK_EQ(take(SIGUSR1, &info), SIGUSR1);
}

CASE(the_sender_is_told_of)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);
	struct sigevent event = by_signal(SIGRTMIN + 2, 0);
	siginfo_t info;

	block(SIGRTMIN + 2);
	event.sigev_value.sival_ptr = &info;
	CHECK_EQ(mq_notify(queue, &event), 0);
	pid_t child = fork();

	if (child == 0) {
		/* nobody who may kill the receiver */
		_exit(setuid(NOBODY) == 0 && mq_send(queue, "x", 1, 0) == 0 ? 0 : 1);
	}
	CHECK_EQ(exit_code(child), 0);
	CHECK_EQ(take(SIGRTMIN + 2, &info), SIGRTMIN + 2);
	CHECK(info.si_code == SI_MESGQ && info.si_pid == child && info.si_uid == NOBODY);
	CHECK(info.si_value.sival_ptr == &info);
}

static volatile sig_atomic_t handled_code, handled_value;

static void handle(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	handled_code = info->si_code;
	handled_value = info->si_value.sival_int;
}

CASE(handlers_and_signalfds_get_it)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);
	struct sigevent event = by_signal(SIGUSR2, 77);
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO };
	struct signalfd_siginfo told;
	sigset_t set;

	CHECK_EQ(sigaction(SIGUSR2, &action, NULL), 0);
	CHECK_EQ(mq_notify(queue, &event), 0);
	put(queue, "one", 0);
	CHECK(handled_code == SI_MESGQ && handled_value == 77);
	CHECK_GET(queue, "one", 0);
	block(SIGUSR2);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	int fd = signalfd(-1, &set, 0);

	CHECK_EQ(mq_notify(queue, &event), 0);
	put(queue, "two", 0);
	CHECK_EQ(read(fd, &told, sizeof(told)), sizeof(told));
	CHECK(told.ssi_signo == SIGUSR2 && told.ssi_code == SI_MESGQ);
	CHECK(told.ssi_pid == (uint32_t)getpid() && told.ssi_int == 77);
}

/* ---- who is registered ----------------------------------------------------------------------- */

CASE(one_at_a_time)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);
	struct sigevent event = by_signal(SIGUSR1, 0), none = { .sigev_notify = SIGEV_NONE };
	siginfo_t info;

	block(SIGUSR1);
	CHECK_EQ(mq_notify(queue, &event), 0);
	CHECK_ERRNO(mq_notify(queue, &event), EBUSY);
	CHECK_ERRNO(mq_notify(queue, &none), EBUSY);
	pid_t child = fork();

	if (child == 0) {
		/* somebody else's stays */
		CHECK_ERRNO(mq_notify(queue, &event), EBUSY);
		CHECK_EQ(mq_notify(queue, NULL), 0);
		CHECK_ERRNO(mq_notify(queue, &event), EBUSY);
		CHECK_EQ(mq_close(queue), 0);
		_exit(0);
	}
	CHECK_EQ(exit_code(child), 0);
	CHECK_ERRNO(mq_notify(queue, &event), EBUSY);
	CHECK_EQ(mq_notify(queue, NULL), 0);
	CHECK_EQ(mq_notify(queue, NULL), 0);
	put(queue, "x", 0);
	CHECK_EQ(take(SIGUSR1, &info), 0);
	CHECK_GET(queue, "x", 0);
	CHECK_EQ(mq_notify(queue, &none), 0);
	CHECK_ERRNO(mq_notify(queue, &event), EBUSY);
	put(queue, "x", 0);
	CHECK_EQ(mq_notify(queue, &event), 0);
}

CASE(closing_any_descriptor_withdraws)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16), copy = dup(queue);
	struct sigevent event = by_signal(SIGUSR1, 0);
	siginfo_t info;

	block(SIGUSR1);
	CHECK_EQ(mq_notify(queue, &event), 0);
	CHECK_EQ(mq_close(copy), 0);
	put(queue, "x", 0);
	CHECK_EQ(take(SIGUSR1, &info), 0);
	CHECK_GET(queue, "x", 0);
	/* and so does the end of the process */
	pid_t child = fork();

	if (child == 0) {
		_exit(mq_notify(queue, &event) == 0 ? 0 : 1);
	}
	CHECK_EQ(exit_code(child), 0);
	CHECK_EQ(mq_notify(queue, &event), 0);
}

CASE(a_waiting_receiver_goes_first)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 1, 16);
	struct sigevent event = by_signal(SIGUSR1, 0);
	siginfo_t info;
	char bytes[16];

	block(SIGUSR1);
	CHECK_EQ(mq_notify(queue, &event), 0);
	pid_t child = fork();

	if (child == 0) {
		_exit(mq_receive(queue, bytes, sizeof(bytes), NULL) == 3 ? 0 : 1);
	}
	await_sleep(child);
	put(queue, "one", 0);
	CHECK_EQ(exit_code(child), 0);
	CHECK_EQ(take(SIGUSR1, &info), 0);
	put(queue, "two", 0);
	CHECK_EQ(take(SIGUSR1, &info), SIGUSR1);
	/* a sender that is let in when a message leaves is none that comes to an empty queue */
	CHECK_EQ(mq_notify(queue, &event), 0);
	child = fork();
	if (child == 0) {
		_exit(mq_send(queue, "three", 5, 0) == 0 ? 0 : 1);
	}
	await_sleep(child);
	CHECK_GET(queue, "two", 0);
	CHECK_EQ(exit_code(child), 0);
	CHECK_EQ(take(SIGUSR1, &info), 0);
	CHECK_GET(queue, "three", 0);
}

CASE(another_program_is_not_signalled)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);
	int ready[2], go[2];
	char byte;

	CHECK(pipe(ready) == 0 && pipe(go) == 0);
	pid_t child = fork();

	if (child == 0) {
		struct sigevent event = by_signal(SIGKILL, 0);
		char command[128];

		/* its descriptor stays open, and so does its request */
		fcntl(queue, F_SETFD, 0);
		snprintf(command, sizeof(command), "echo >&%d; read x <&%d; exit 5", ready[1],
			go[0]);
		if (mq_notify(queue, &event) == 0) {
			execl("/bin/sh", "sh", "-c", command, NULL);
		}
		_exit(1);
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	put(queue, "x", 0);
	CHECK_EQ(write(go[1], "x\n", 2), 2);
	CHECK_EQ(exit_code(child), 5);
}

CASE(wrong_events)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);
	struct sigevent event = by_signal(65, 0);
	int fds[2];

	CHECK_ERRNO(mq_notify(queue, &event), EINVAL);
	event = by_signal(-1, 0);
	CHECK_ERRNO(mq_notify(queue, &event), EINVAL);
	/* the event is looked at first */
	CHECK_ERRNO(syscall(SYS_mq_notify, -1, &event), EINVAL);
	event = (struct sigevent){ .sigev_notify = SIGEV_THREAD_ID };
	CHECK_ERRNO(syscall(SYS_mq_notify, queue, &event), EINVAL);
	event.sigev_notify = 77;
	CHECK_ERRNO(syscall(SYS_mq_notify, queue, &event), EINVAL);
	CHECK_ERRNO(syscall(SYS_mq_notify, queue, 1), EFAULT);
	CHECK_ERRNO(syscall(SYS_mq_notify, -1, NULL), EBADF);
	/* no signal is a legal one */
	event = by_signal(0, 0);
	CHECK_EQ(mq_notify(queue, &event), 0);
	put(queue, "x", 0);
	CHECK_GET(queue, "x", 0);
	CHECK_EQ(mq_notify(queue, &event), 0);
	CHECK_EQ(mq_notify(queue, NULL), 0);
	/* of threads: a cookie and a socket of the right family */
	event = (struct sigevent){ .sigev_notify = SIGEV_THREAD, .sigev_signo = -1 };
	CHECK_ERRNO(syscall(SYS_mq_notify, queue, &event), EFAULT);
	event.sigev_value.sival_ptr = (char[COOKIE_SIZE]){ 0 };
	CHECK_ERRNO(syscall(SYS_mq_notify, queue, &event), EBADF);
	CHECK_EQ(pipe(fds), 0);
	event.sigev_signo = fds[0];
	CHECK_ERRNO(syscall(SYS_mq_notify, queue, &event), ENOTSOCK);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	event.sigev_signo = fds[0];
	CHECK_ERRNO(syscall(SYS_mq_notify, queue, &event), EINVAL);
}

/* ---- threads --------------------------------------------------------------------------------- */

struct told {
	mqd_t queue;
	sem_t done;
	char text[16];
	int n_calls;
};

static void on_message(union sigval value)
{
	struct told *told = value.sival_ptr;

	told->n_calls++;
	mq_receive(told->queue, told->text, sizeof(told->text), NULL);
	sem_post(&told->done);
}

CASE(threads_of_the_c_library)
{
	own_queues();
	struct told told = { .queue = nameless(O_RDWR, 4, 16) };
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD,
		.sigev_notify_function = on_message,
		.sigev_value.sival_ptr = &told,
	};

	sem_init(&told.done, 0, 0);
	for (int i = 1; i <= 3; i++) {
		CHECK_EQ(mq_notify(told.queue, &event), 0);
		CHECK_ERRNO(mq_notify(told.queue, &event), EBUSY);
		put(told.queue, "hello", 0);
		while (sem_wait(&told.done) != 0) {
		}
		CHECK(told.n_calls == i && strcmp(told.text, "hello") == 0);
	}
	/* one that is withdrawn makes no thread */
	CHECK_EQ(mq_notify(told.queue, &event), 0);
	CHECK_EQ(mq_notify(told.queue, NULL), 0);
	put(told.queue, "silent", 0);
	usleep(30000);
	CHECK_EQ(told.n_calls, 3);
}

/* A socket with a cookie, as a C library would register it. */
static int notify_by(mqd_t queue, int fd, char *cookie)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_signo = fd };

	event.sigev_value.sival_ptr = cookie;
	return (int)syscall(SYS_mq_notify, queue, &event);
}

CASE(cookies_come_back)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	char cookie[COOKIE_SIZE + 1] = "0123456789abcdefghijklmnopqrstu", got[64];
	struct pollfd one = { fd, POLLIN, 0 };
	struct sockaddr_nl from;
	socklen_t size = sizeof(from);

	CHECK_EQ(notify_by(queue, fd, cookie), 0);
	CHECK_EQ(poll(&one, 1, 0), 0);
	put(queue, "x", 0);
	CHECK_EQ(poll(&one, 1, 0), 1);
	CHECK_EQ(recv(fd, got, sizeof(got), MSG_PEEK), COOKIE_SIZE);
	CHECK_EQ(recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)&from, &size), COOKIE_SIZE);
	CHECK(from.nl_family == AF_NETLINK && from.nl_pid == 0);
	CHECK(memcmp(got, cookie, COOKIE_SIZE - 1) == 0 && got[COOKIE_SIZE - 1] == 1);
	CHECK_EQ(poll(&one, 1, 0), 0);
	CHECK_GET(queue, "x", 0);
	/* withdrawn, closed, ended */
	CHECK_EQ(notify_by(queue, fd, cookie), 0);
	CHECK_ERRNO(notify_by(queue, fd, cookie), EBUSY);
	CHECK_EQ(mq_notify(queue, NULL), 0);
	CHECK_EQ(recv(fd, got, sizeof(got), 0), COOKIE_SIZE);
	CHECK(memcmp(got, cookie, COOKIE_SIZE - 1) == 0 && got[COOKIE_SIZE - 1] == 2);
	CHECK_EQ(notify_by(queue, fd, cookie), 0);
	pid_t child = fork();

	if (child == 0) {
		_exit(0);
	}
	CHECK_EQ(exit_code(child), 0);
	CHECK_EQ(poll(&one, 1, 0), 0);
	CHECK_EQ(mq_close(queue), 0);
	CHECK_EQ(recv(fd, got, sizeof(got), 0), COOKIE_SIZE);
	CHECK_EQ(got[COOKIE_SIZE - 1], 2);
	/* nobody reads what the socket would be told */
	queue = nameless(O_RDWR, 4, 16);
	CHECK_EQ(notify_by(queue, fd, cookie), 0);
	CHECK_EQ(close(fd), 0);
	put(queue, "x", 0);
}

CASES_MAIN()
