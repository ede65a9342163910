/* SPDX-License-Identifier: MIT */
/*
 * Structures for calls: nearly right as a rule, so that the call goes on, with a field or two drawn
 * from anything.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#define IOVECS       8
#define SEMBUFS      4
#define ROBUST_NODES 4
#define FILTER_STEPS 8
#define PORT_FIRST   47000 /* of the loopback */
#define PORTS        4

/* Mostly `value`, sometimes anything. */
static uint64_t or_any(struct worker *worker, uint64_t value)
{
	return draw_once_in(&worker->draw, 8) ? value_any(worker) : value;
}

static uint64_t place_of(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

static uint64_t draw_timespec(struct worker *worker, uint64_t seconds, size_t n)
{
	struct timespec *times = (void *)value_place(worker, n * sizeof(*times));

	for (size_t i = 0; i < n; i++) {
		struct timespec time = {
			.tv_sec = (time_t)or_any(worker, seconds),
			.tv_nsec = (long)or_any(worker, draw_below(&worker->draw, 2000000)),
		};

		memcpy(&times[i], &time, sizeof(time));
	}
	return place_of(times);
}

static uint64_t draw_sigset(struct worker *worker)
{
	uint64_t set = draw_next(&worker->draw) & draw_next(&worker->draw);
	uint8_t *at = value_place(worker, sizeof(set));

	/* the keeper's signal is seldom blocked */
	if (!draw_once_in(&worker->draw, 16)) {
		set &= ~(1ul << (SIGALRM - 1));
	}
	memcpy(at, &set, sizeof(set));
	return place_of(at);
}

/* The sixth argument of pselect6. */
static uint64_t draw_sigset_and_size(struct worker *worker)
{
	uint64_t both[2] = { draw_sigset(worker), or_any(worker, 8) };
	uint8_t *at = value_place(worker, sizeof(both));

	memcpy(at, both, sizeof(both));
	return place_of(at);
}

static uint64_t draw_sigaction(struct worker *worker)
{
	static const uint64_t flags[] = { SA_NOCLDSTOP, SA_NOCLDWAIT, SA_SIGINFO, SA_ONSTACK,
		SA_RESTART, SA_NODEFER, SA_RESETHAND, 0x04000000 };
	uint64_t fields[4] = {
		draw_below(&worker->draw, 2),
		0x04000000 | flags[draw_below(&worker->draw, N_ELEMENTS(flags))],
		value_any(worker),
		draw_next(&worker->draw),
	};
	uint8_t *at = value_place(worker, sizeof(fields));

	if (draw_once_in(&worker->draw, 16)) {
		fields[0] = value_any(worker);
	}
	memcpy(at, fields, sizeof(fields));
	return place_of(at);
}

static uint64_t draw_siginfo(struct worker *worker)
{
	siginfo_t info;
	uint8_t *at = value_place(worker, sizeof(info));

	memset(&info, 0, sizeof(info));
	info.si_signo = (int)or_any(worker, 0);
	info.si_code = (int)or_any(worker, (uint64_t)SI_QUEUE);
	info.si_value.sival_ptr = (void *)(uintptr_t)value_any(worker);
	memcpy(at, &info, sizeof(info));
	return place_of(at);
}

static uint64_t draw_stack(struct worker *worker)
{
	stack_t stack = {
		.ss_sp = (void *)(uintptr_t)value_address(worker),
		.ss_flags = (int)or_any(worker, draw_once_in(&worker->draw, 2) ? SS_DISABLE : 0),
		.ss_size = or_any(worker, 16384),
	};
	uint8_t *at = value_place(worker, sizeof(stack));

	memcpy(at, &stack, sizeof(stack));
	return place_of(at);
}

static uint64_t draw_iovec(struct worker *worker)
{
	struct iovec vectors[IOVECS];
	uint8_t *at = value_place(worker, sizeof(vectors));

	for (size_t i = 0; i < IOVECS; i++) {
		vectors[i].iov_base = (void *)(uintptr_t)value_address(worker);
		vectors[i].iov_len = or_any(worker, draw_below(&worker->draw, 5000));
	}
	memcpy(at, vectors, sizeof(vectors));
	return place_of(at);
}

/* This machine only, and few ports. */
static uint64_t draw_internet_address(struct worker *worker)
{
	bool is_4 = draw_below(&worker->draw, 3) > 0;
	uint16_t port = htons((uint16_t)(PORT_FIRST + draw_below(&worker->draw, PORTS)));
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = port,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr_in6 address_6 = {
		.sin6_family = AF_INET6,
		.sin6_port = port,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	uint8_t *at = value_place(worker, sizeof(address_6));

	if (is_4) {
		memcpy(at, &address, sizeof(address));
	} else {
		memcpy(at, &address_6, sizeof(address_6));
	}
	return place_of(at);
}

static uint64_t draw_sockaddr(struct worker *worker)
{
	static const char *const names[] = { "s0", "s1", "s2", "f0", "none/s", "" };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint8_t *at = value_place(worker, sizeof(address));
	uint64_t which = draw_below(&worker->draw, N_ELEMENTS(names) + 2);

	if (draw_once_in(&worker->draw, 4)) {
		return draw_internet_address(worker);
	}
	if (which < N_ELEMENTS(names)) {
		memcpy(address.sun_path, names[which], strlen(names[which]));
	} else if (which == N_ELEMENTS(names)) {
		memset(address.sun_path, 'x', sizeof(address.sun_path));
	} else {
		address.sun_path[1] = (char)draw_below(&worker->draw, 4);
	}
	if (draw_once_in(&worker->draw, 16)) {
		address.sun_family = (sa_family_t)draw_below(&worker->draw, 48);
	}
	memcpy(at, &address, sizeof(address));
	return place_of(at);
}

/* Descriptors, credentials, or anything. */
static size_t fill_control(struct worker *worker, uint8_t *at)
{
	struct cmsghdr header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	size_t n = draw_below(&worker->draw, 5);

	for (size_t i = 0; i < n; i++) {
		int fd = (int)value_fd(worker);

		memcpy(at + sizeof(header) + i * sizeof(fd), &fd, sizeof(fd));
	}
	header.cmsg_len = or_any(worker, CMSG_LEN(n * sizeof(int)));
	if (draw_once_in(&worker->draw, 4)) {
		header.cmsg_type = (int)or_any(worker, 2);
	}
	memcpy(at, &header, sizeof(header));
	return CMSG_SPACE(n * sizeof(int));
}

static struct msghdr make_msghdr(struct worker *worker)
{
	uint8_t *control = value_place(worker, 256);
	struct msghdr message = {
		.msg_iov = (struct iovec *)(uintptr_t)draw_iovec(worker),
		.msg_iovlen = or_any(worker, draw_below(&worker->draw, IOVECS)),
	};

	if (draw_once_in(&worker->draw, 3)) {
		message.msg_name = (void *)(uintptr_t)draw_sockaddr(worker);
		message.msg_namelen = (socklen_t)or_any(worker, sizeof(struct sockaddr_un));
	}
	if (draw_once_in(&worker->draw, 2)) {
		message.msg_control = control;
		message.msg_controllen = or_any(worker, fill_control(worker, control));
	}
	return message;
}

static uint64_t draw_msghdr(struct worker *worker)
{
	struct msghdr message = make_msghdr(worker);
	uint8_t *at = value_place(worker, sizeof(message));

	memcpy(at, &message, sizeof(message));
	return place_of(at);
}

static uint64_t draw_mmsghdr(struct worker *worker)
{
	struct mmsghdr messages[3];
	uint8_t *at = value_place(worker, sizeof(messages));

	memset(messages, 0, sizeof(messages));
	for (size_t i = 0; i < N_ELEMENTS(messages); i++) {
		messages[i].msg_hdr = make_msghdr(worker);
	}
	memcpy(at, messages, sizeof(messages));
	return place_of(at);
}

static uint64_t draw_epoll_event(struct worker *worker)
{
	struct epoll_event event = {
		.events = (uint32_t)draw_next(&worker->draw),
		.data.u64 = draw_next(&worker->draw),
	};
	uint8_t *at = value_place(worker, sizeof(event) * 16);

	memcpy(at, &event, sizeof(event));
	return place_of(at);
}

static uint64_t draw_pollfd(struct worker *worker)
{
	struct pollfd fds[16];
	uint8_t *at = value_place(worker, sizeof(fds));

	for (size_t i = 0; i < N_ELEMENTS(fds); i++) {
		fds[i] = (struct pollfd){
			.fd = (int)value_fd(worker),
			.events = (short)draw_next(&worker->draw),
		};
	}
	memcpy(at, fds, sizeof(fds));
	return place_of(at);
}

static uint64_t draw_fd_set(struct worker *worker)
{
	uint8_t *at = value_place(worker, sizeof(fd_set));
	uint64_t bits =
		draw_next(&worker->draw) & draw_next(&worker->draw) & draw_next(&worker->draw);

	memset(at, 0, sizeof(fd_set));
	memcpy(at, &bits, sizeof(bits));
	return place_of(at);
}

static uint64_t draw_flock(struct worker *worker)
{
	struct flock flock = {
		.l_type = (short)or_any(worker, draw_below(&worker->draw, 3)),
		.l_whence = (short)or_any(worker, draw_below(&worker->draw, 3)),
		.l_start = (off_t)or_any(worker, draw_below(&worker->draw, 100)),
		.l_len = (off_t)or_any(worker, draw_below(&worker->draw, 100)),
	};
	uint8_t *at = value_place(worker, sizeof(flock));

	memcpy(at, &flock, sizeof(flock));
	return place_of(at);
}

static uint64_t draw_integers(struct worker *worker, size_t size)
{
	uint64_t values[4];
	uint8_t *at = value_place(worker, sizeof(values));

	for (size_t i = 0; i < N_ELEMENTS(values); i++) {
		values[i] = or_any(worker, draw_below(&worker->draw, 5000));
	}
	memcpy(at, values, size);
	return place_of(at);
}

/* As of execve: pointers to strings, NULL in the end, or not. */
static uint64_t draw_strings(struct worker *worker)
{
	uint64_t pointers[4] = { 0 };
	size_t n = draw_below(&worker->draw, N_ELEMENTS(pointers) + 1);
	uint8_t *at = value_place(worker, sizeof(pointers));

	for (size_t i = 0; i < n; i++) {
		char *text = (char *)value_place(worker, 16);

		memcpy(text, "--stub", 7);
		pointers[i] = draw_once_in(&worker->draw, 16) ? value_any(worker) : place_of(text);
	}
	memcpy(at, pointers, sizeof(pointers));
	return place_of(at);
}

static uint64_t draw_open_how(struct worker *worker)
{
	struct open_how how = {
		.flags = or_any(worker, draw_next(&worker->draw) & (O_CREAT | O_RDWR | O_PATH)),
		.mode = or_any(worker, 0),
		.resolve = or_any(worker, draw_next(&worker->draw) & 0x3f),
	};
	uint8_t *at = value_place(worker, sizeof(how));

	memcpy(at, &how, sizeof(how));
	return place_of(at);
}

/* For what fails: children come from perform.c, for they need a stack. */
static uint64_t draw_clone_args(struct worker *worker)
{
	struct clone_args args;
	uint8_t *at = value_place(worker, sizeof(args));

	memset(&args, 0, sizeof(args));
	args.flags = CLONE_SIGHAND | CLONE_THREAD | (draw_next(&worker->draw) & ~CLONE_VM);
	args.pidfd = value_any(worker);
	args.set_tid = value_any(worker);
	args.set_tid_size = or_any(worker, 1);
	memcpy(at, &args, sizeof(args));
	return place_of(at);
}

static uint64_t draw_sigevent(struct worker *worker)
{
	struct sigevent event;
	uint8_t *at = value_place(worker, sizeof(event));

	memset(&event, 0, sizeof(event));
	event.sigev_notify = (int)or_any(worker, draw_below(&worker->draw, 3));
	event.sigev_signo = (int)or_any(worker, SIGALRM);
	if (event.sigev_notify == SIGEV_THREAD) { /* a socket, and what is to be sent there */
		event.sigev_signo = (int)or_any(worker, NETLINK_FD);
		event.sigev_value.sival_ptr = value_place(worker, 32);
	}
	memcpy(at, &event, sizeof(event));
	return place_of(at);
}

/* A small number, or as of a PI or robust lock: a number, with waiters, or of a dead owner. */
static uint32_t draw_futex_word(struct worker *worker)
{
	static const uint32_t bits[] = { 0, FUTEX_WAITERS, FUTEX_OWNER_DIED,
		FUTEX_WAITERS | FUTEX_OWNER_DIED };

	if (draw_once_in(&worker->draw, 2)) {
		return (uint32_t)draw_below(&worker->draw, 3);
	}
	return (uint32_t)value_process_id(worker) |
		bits[draw_below(&worker->draw, N_ELEMENTS(bits))];
}

static uint64_t draw_futex(struct worker *worker)
{
	uint64_t which = draw_below(&worker->draw, 4);
	uint32_t value = draw_futex_word(worker);
	uint8_t *at = (uint8_t *)ARENA + 8 * which;

	if (draw_once_in(&worker->draw, 8)) {
		return value_address(worker);
	}
	memcpy(at, &value, sizeof(value));
	return place_of(at);
}

/* A head and some nodes, each a lock: a list that ends, one that goes on for ever, or garbage. */
static uint64_t draw_robust_list(struct worker *worker)
{
	struct {
		uint64_t next;
		uint32_t word, unused;
	} nodes[ROBUST_NODES];
	struct robust_list_head head;
	uint8_t *at = value_place(worker, sizeof(head) + sizeof(nodes));
	uint64_t first = place_of(at + sizeof(head));

	for (size_t i = 0; i < ROBUST_NODES; i++) {
		uint64_t next =
			i + 1 < ROBUST_NODES ? first + (i + 1) * sizeof(nodes[0]) : place_of(at);

		nodes[i].next = or_any(worker, next);
		nodes[i].word = draw_futex_word(worker);
		nodes[i].unused = 0;
	}
	head.list.next = (struct robust_list *)(uintptr_t)or_any(worker, first);
	head.futex_offset = (long)or_any(worker, 8);
	head.list_op_pending = (struct robust_list *)(uintptr_t)or_any(worker, 0);
	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), nodes, sizeof(nodes));
	return place_of(at);
}

static uint64_t draw_sembuf(struct worker *worker)
{
	struct sembuf operations[SEMBUFS];
	uint8_t *at = value_place(worker, sizeof(operations));

	for (size_t i = 0; i < N_ELEMENTS(operations); i++) {
		operations[i] = (struct sembuf){
			.sem_num = (unsigned short)or_any(worker, draw_below(&worker->draw, 3)),
			.sem_op = (short)or_any(worker, draw_below(&worker->draw, 3) - 1),
			.sem_flg = (short)or_any(
				worker, draw_once_in(&worker->draw, 8) ? 0 : IPC_NOWAIT | SEM_UNDO),
		};
	}
	memcpy(at, operations, sizeof(operations));
	return place_of(at);
}

/* A type, then what was there. */
static uint64_t draw_message(struct worker *worker)
{
	uint64_t type = or_any(worker, 1 + draw_below(&worker->draw, 4));
	uint8_t *at = value_place(worker, 256);

	memcpy(at, &type, sizeof(type));
	return place_of(at);
}

static uint64_t draw_queue_attributes(struct worker *worker)
{
	struct mq_attr attributes = {
		.mq_flags = (long)or_any(worker, O_NONBLOCK),
		.mq_maxmsg = (long)or_any(worker, 1 + draw_below(&worker->draw, 10)),
		.mq_msgsize = (long)or_any(worker, 1 + draw_below(&worker->draw, 256)),
	};
	uint8_t *at = value_place(worker, sizeof(attributes));

	memcpy(at, &attributes, sizeof(attributes));
	return place_of(at);
}

/*
 * A seccomp filter: the call's number, or an argument, is compared, and what follows is an end of
 * some sort; or steps of any kind, most of which are not taken.
 */
static uint64_t draw_filter(struct worker *worker)
{
	static const uint32_t ends[] = { SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW,
		SECCOMP_RET_ERRNO | 1, SECCOMP_RET_TRAP, SECCOMP_RET_TRACE, SECCOMP_RET_LOG,
		SECCOMP_RET_USER_NOTIF, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_PROCESS };
	struct sock_filter steps[FILTER_STEPS] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0) };
	uint8_t *at = value_place(worker, sizeof(steps));
	struct sock_fprog program = { .filter = (struct sock_filter *)at };

	program.len = (unsigned short)or_any(worker, FILTER_STEPS);
	if (draw_once_in(&worker->draw, 4)) {
		steps[0].k =
			4 * (uint32_t)draw_below(&worker->draw, sizeof(struct seccomp_data) / 4);
	}
	for (size_t i = 1; i < FILTER_STEPS; i++) {
		steps[i] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)draw_below(&worker->draw, 350), 0, 1);
		if (i % 2 == 0) {
			steps[i] = (struct sock_filter)BPF_STMT(
				BPF_RET | BPF_K, ends[draw_below(&worker->draw, N_ELEMENTS(ends))]);
		}
		if (draw_once_in(&worker->draw, 16)) {
			steps[i].code = (uint16_t)draw_below(&worker->draw, 256);
			steps[i].k = (uint32_t)value_any(worker);
		}
	}
	steps[FILTER_STEPS - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	memcpy(at, steps, sizeof(steps));
	at = value_place(worker, sizeof(program));
	memcpy(at, &program, sizeof(program));
	return place_of(at);
}

uint64_t struct_draw(struct worker *worker, enum shape shape)
{
	switch (shape) {
	case SHAPE_TIMESPEC: return draw_timespec(worker, 0, 1);
	case SHAPE_LONG_TIMESPEC: return draw_timespec(worker, 1000, 1);
	case SHAPE_ITIMERSPEC: return draw_timespec(worker, 0, 2);
	case SHAPE_SIGSET: return draw_sigset(worker);
	case SHAPE_SIGSET_AND_SIZE: return draw_sigset_and_size(worker);
	case SHAPE_SIGACTION: return draw_sigaction(worker);
	case SHAPE_SIGINFO: return draw_siginfo(worker);
	case SHAPE_STACK: return draw_stack(worker);
	case SHAPE_IOVEC: return draw_iovec(worker);
	case SHAPE_MSGHDR: return draw_msghdr(worker);
	case SHAPE_MMSGHDR: return draw_mmsghdr(worker);
	case SHAPE_SOCKADDR: return draw_sockaddr(worker);
	case SHAPE_EPOLL_EVENT: return draw_epoll_event(worker);
	case SHAPE_POLLFD: return draw_pollfd(worker);
	case SHAPE_FD_SET: return draw_fd_set(worker);
	case SHAPE_FLOCK: return draw_flock(worker);
	case SHAPE_RLIMIT: return draw_integers(worker, 16);
	case SHAPE_INTEGER: return draw_integers(worker, 4);
	case SHAPE_OFFSET: return draw_integers(worker, 8);
	case SHAPE_STRINGS: return draw_strings(worker);
	case SHAPE_OPEN_HOW: return draw_open_how(worker);
	case SHAPE_CLONE_ARGS: return draw_clone_args(worker);
	case SHAPE_SIGEVENT: return draw_sigevent(worker);
	case SHAPE_FUTEX: return draw_futex(worker);
	case SHAPE_ROBUST_LIST: return draw_robust_list(worker);
	case SHAPE_SEMBUF: return draw_sembuf(worker);
	case SHAPE_MESSAGE: return draw_message(worker);
	case SHAPE_QUEUE_ATTRIBUTES: return draw_queue_attributes(worker);
	case SHAPE_FILTER: return draw_filter(worker);
	}
	return 0;
}
