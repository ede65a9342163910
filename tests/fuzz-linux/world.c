/* SPDX-License-Identifier: MIT */
/*
 * What a worker has when it begins: memory at fixed addresses, a descriptor of each kind at a fixed
 * number, some files. A kind that the system does not have leaves its number closed.
 *
 *	ARENA                    64 pages to read and write
 *	+ 64                     nothing
 *	+ 65                     one page to read
 *	+ 66                     one that must not be touched
 *	+ 67, + 68               a file of half a page: the second page is behind its end
 */
#include "fuzz.h"

#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#define PAGE        4096ul
#define REPAIRS_MAX 1000

static _Atomic uint32_t n_repairs;

/* ---- memory -------------------------------------------------------------------------------- */

static void map_at(uint64_t page, uint64_t n_pages, int protection, int flags, int fd)
{
	raw_call(SYS_mmap, ARENA + page * PAGE, n_pages * PAGE, (uint64_t)protection,
		(uint64_t)(flags | MAP_FIXED), (uint64_t)fd, 0);
}

void world_map(void)
{
	int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;

	map_at(0, ARENA_PAGES, PROT_READ | PROT_WRITE, anonymous, -1);
	map_at(ARENA_PAGES + 1, 1, PROT_READ, anonymous, -1);
	map_at(ARENA_PAGES + 2, 1, PROT_NONE, anonymous, -1);
	map_at(ARENA_PAGES + 3, 2, PROT_READ | PROT_WRITE, MAP_SHARED, 4);
}

/* A call has taken the arena away: it comes back, and the instruction is repeated. */
static void repair(int number, siginfo_t *info, void *context)
{
	uint64_t address = (uint64_t)(uintptr_t)info->si_addr;

	(void)number;
	(void)context;
	if (info->si_code <= 0 || address < ARENA || address >= ARENA + ARENA_PAGES * PAGE ||
		atomic_fetch_add(&n_repairs, 1) > REPAIRS_MAX) {
		RAW(SYS_exit_group, 98, 0, 0);
	}
	map_at(0, ARENA_PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void on_signal(int number)
{
	(void)number;
}

__attribute__((naked)) static void restore(void)
{
	__asm__("movl $15, %eax\n\tsyscall");
}

static void handle(int number, uint64_t handler, uint64_t flags)
{
	/* as the kernel has it: handler, flags, restorer, mask */
	uint64_t action[4] = { handler, flags | 0x04000000, (uint64_t)(uintptr_t)restore, 0 };

	raw_call(SYS_rt_sigaction, (uint64_t)number, (uint64_t)(uintptr_t)action, 0, 8, 0, 0);
}

void world_refresh(void)
{
	uint64_t none = 0;

	static const uint8_t survived[] = { SIGALRM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGPROF, 34, 35,
		64 };

	for (size_t i = 0; i < N_ELEMENTS(survived); i++) {
		handle(survived[i], (uint64_t)(uintptr_t)on_signal,
			survived[i] == SIGUSR1 ? SA_RESTART : 0);
	}
	handle(SIGPIPE, 1, 0);
	handle(SIGXFSZ, 1, 0);
	handle(SIGSEGV, (uint64_t)(uintptr_t)repair, SA_SIGINFO | SA_NODEFER);
	handle(SIGBUS, (uint64_t)(uintptr_t)repair, SA_SIGINFO | SA_NODEFER);
	raw_call(SYS_rt_sigprocmask, SIG_SETMASK, (uint64_t)(uintptr_t)&none, 0, 8, 0, 0);
}

/* ---- files --------------------------------------------------------------------------------- */

static void make_file(const char *name, size_t size, mode_t mode)
{
	static char bytes[PAGE];
	int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, mode);

	(void)!write(fd, bytes, size);
	close(fd);
}

static void make_files(void)
{
	make_file("f0", PAGE, 0644);
	make_file("f1", PAGE / 2, 0644);
	make_file("f2", 0, 0600);
	make_file("f3", 200, 0755);
	mkdir("d0", 0755);
	mkdir("d0/e", 0755);
	make_file("d0/f", 100, 0644);
	(void)!symlink("f0", "l0");
	(void)!symlink("l1", "l1");
	(void)!symlink("d0", "l2");
	(void)!link("f0", "h0");
	mkfifo("p0", 0600);
}

/* ---- descriptors --------------------------------------------------------------------------- */

/* Above all fixed numbers, so that no descriptor sits on one that is due. */
static int lift(int fd)
{
	int high = fcntl(fd, F_DUPFD, 2 * FDS_END);

	close(fd);
	return high;
}

static void lower(int high, int number)
{
	if (high >= 0) {
		dup2(high, number);
		close(high);
	}
}

static void move_to(int fd, int number)
{
	if (fd >= 0) {
		lower(lift(fd), number);
	}
}

static void move_both(const int *fds, int result, int number)
{
	if (result == 0) {
		int first = lift(fds[0]), second = lift(fds[1]);

		lower(first, number);
		lower(second, number + 1);
	}
}

static void open_files(void)
{
	move_to(open("f0", O_RDWR), 3);
	move_to(open("f1", O_RDWR), 4);
	move_to(open("f2", O_WRONLY | O_APPEND), 5);
	move_to(open(".", O_RDONLY | O_DIRECTORY), 6);
	move_to(open("d0", O_RDONLY | O_DIRECTORY), 7);
	move_to(open("f0", O_PATH), 8);
	move_to(open("p0", O_RDWR | O_NONBLOCK), 34);
	move_to(open(".", O_TMPFILE | O_RDWR, 0600), 35);
}

static int open_pty_end(int master)
{
	int number = 0, unlock = 0;

	if (syscall(SYS_ioctl, master, 0x40045431 /* TIOCSPTLCK */, &unlock) < 0 ||
		syscall(SYS_ioctl, master, 0x80045430 /* TIOCGPTN */, &number) < 0) {
		return -1;
	}
	char name[32];

	snprintf(name, sizeof(name), "/dev/pts/%d", number);
	return open(name, O_RDWR | O_NONBLOCK | O_NOCTTY);
}

static void open_devices(void)
{
	move_to(open("/dev/ptmx", O_RDWR | O_NONBLOCK | O_NOCTTY), 26);
	move_to(open_pty_end(26), 27);
	move_to(open("/proc/self/maps", O_RDONLY), 28);
	move_to(open("/proc/self", O_RDONLY | O_DIRECTORY), 29);
	move_to(open("/proc/self/mem", O_RDWR), 30);
	move_to(open("/dev/zero", O_RDWR), 31);
	move_to(open("/dev/null", O_RDWR), 32);
	move_to(open("/dev/full", O_RDWR), 33);
	move_to(open("/proc/self/ns/mnt", O_RDONLY), 38);
}

static void open_internet(int type)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(47000),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int yes = 1;

	move_to(socket(AF_INET, SOCK_STREAM | type, 0), 37);
	move_to(socket(AF_INET, SOCK_DGRAM | type, 0), 40);
	bind(40, (struct sockaddr *)&address, sizeof(address));
	move_to(socket(AF_INET, SOCK_STREAM | type, 0), 41);
	setsockopt(41, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	bind(41, (struct sockaddr *)&address, sizeof(address));
	listen(41, 4);
	move_to(socket(AF_INET6, SOCK_STREAM | type, 0), 42);
	move_to(socket(AF_NETLINK, SOCK_RAW | type, 0), NETLINK_FD);
}

static void open_sockets(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "s0" };
	int type = SOCK_NONBLOCK, ends[2];

	move_both(ends, socketpair(AF_UNIX, SOCK_STREAM | type, 0, ends), 11);
	move_both(ends, socketpair(AF_UNIX, SOCK_DGRAM | type, 0, ends), 13);
	move_both(ends, socketpair(AF_UNIX, SOCK_SEQPACKET | type, 0, ends), 15);
	move_to(socket(AF_UNIX, SOCK_STREAM | type, 0), 17);
	bind(17, (struct sockaddr *)&name, sizeof(name));
	listen(17, 4);
	move_to(socket(AF_UNIX, SOCK_DGRAM | type, 0), 36);
	name.sun_path[1] = '1';
	bind(36, (struct sockaddr *)&name, sizeof(name));
	open_internet(type);
}

/* ---- what processes have in common --------------------------------------------------------- */

static int ipc_ids[IPC_KINDS][IPC_KEYS];

static void open_ipc(void)
{
	struct mq_attr attributes = { .mq_maxmsg = 4, .mq_msgsize = 64 };

	for (uint32_t i = 0; i < IPC_KEYS; i++) {
		key_t key = (key_t)(IPC_KEY + i);

		ipc_ids[IPC_SHARED_MEMORY][i] = shmget(key, 2 * PAGE, IPC_CREAT | 0600);
		ipc_ids[IPC_SEMAPHORES][i] = semget(key, 3, IPC_CREAT | 0600);
		ipc_ids[IPC_MESSAGES][i] = msgget(key, IPC_CREAT | 0600);
	}
	move_to((int)syscall(
			SYS_mq_open, "fuzz0", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attributes),
		39);
}

uint64_t world_ipc_id(enum ipc kind, uint32_t index)
{
	return (uint64_t)ipc_ids[kind][index];
}

void world_end(void)
{
	for (uint32_t i = 0; i < IPC_KEYS; i++) {
		key_t key = (key_t)(IPC_KEY + i);
		char name[8];

		shmctl(shmget(key, 0, 0), IPC_RMID, NULL);
		semctl(semget(key, 0, 0), 0, IPC_RMID);
		msgctl(msgget(key, 0), IPC_RMID, NULL);
		snprintf(name, sizeof(name), "fuzz%u", i);
		syscall(SYS_mq_unlink, name);
	}
}

static void open_events(void)
{
	sigset_t set;
	int ends[2];

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	move_both(ends, pipe2(ends, O_NONBLOCK), 9);
	move_to(eventfd(3, EFD_NONBLOCK), 18);
	move_to(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), 19);
	move_to(signalfd(-1, &set, SFD_NONBLOCK), 20);
	move_to(epoll_create1(0), 21);
	move_to(epoll_create1(0), 22);
	move_to(memfd_create("fuzz", MFD_ALLOW_SEALING), 23);
	(void)!ftruncate(23, 3 * PAGE);
	move_to(inotify_init1(IN_NONBLOCK), 24);
	inotify_add_watch(24, ".", IN_ALL_EVENTS);
	move_to((int)syscall(SYS_pidfd_open, getpid(), 0), 25);
}

void world_open(void)
{
	make_files();
	syscall(SYS_close_range, 0, ~0u, 0);
	for (int fd = 0; fd < FDS_FIRST; fd++) {
		open("/dev/null", O_RDWR);
	}
	open_files();
	open_events();
	open_devices();
	open_sockets();
	open_ipc();
}
