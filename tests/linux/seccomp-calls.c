/* SPDX-License-Identifier: MIT */
/*
 * seccomp: a thread that may make one call only can make it, whatever other call it resembles and
 * by however many requests it is answered. Each call is tried by a child that is refused all
 * others.
 */
#include "seccomp.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#define REFUSED 123
#define NOTHING "/tmp/seccomp-calls/nothing"

/* What the calls use; filled before the child is restricted. */
static int file, pipes[2], sockets[2], poller;
static char bytes[4096];
static struct iovec vector = { bytes, 1 };
static struct mmsghdr message = { .msg_hdr = { .msg_iov = &vector, .msg_iovlen = 1 } };
static struct timespec times[2];
static struct pollfd entry;
static uint64_t set;
static void *page;
static int status;
static char *const strings[] = { "nothing", NULL };

#define A(value_) ((long)(value_))

static const struct call {
	long number;
	long arguments[6];
} calls[] = {
#define CALL(name_, ...) \
	{ \
		SYS_##name_, \
		{ \
			__VA_ARGS__ \
		} \
	}
	CALL(open, A("/tmp"), O_RDONLY),
	CALL(creat, A(NOTHING), 0600),
	CALL(openat, AT_FDCWD, A("/tmp"), O_RDONLY),
	CALL(stat, A("/tmp"), A(bytes)),
	CALL(lstat, A("/tmp"), A(bytes)),
	CALL(newfstatat, AT_FDCWD, A("/tmp"), A(bytes), 0),
	CALL(access, A("/tmp"), R_OK),
	CALL(faccessat, AT_FDCWD, A("/tmp"), R_OK),
	CALL(readlink, A("/proc/self"), A(bytes), 100),
	CALL(mkdir, A("/tmp"), 0700),
	CALL(rmdir, A(NOTHING)),
	CALL(unlink, A(NOTHING)),
	CALL(rename, A(NOTHING), A(NOTHING)),
	CALL(renameat, AT_FDCWD, A(NOTHING), AT_FDCWD, A(NOTHING)),
	CALL(link, A(NOTHING), A(NOTHING)),
	CALL(symlink, A("x"), A(NOTHING)),
	CALL(mknod, A(NOTHING), S_IFIFO, 0),
	CALL(chmod, A(NOTHING), 0600),
	CALL(chown, A(NOTHING), 0, 0),
	CALL(lchown, A(NOTHING), 0, 0),
	CALL(utime, A(NOTHING), 0),
	CALL(utimes, A(NOTHING), 0),
	CALL(futimesat, AT_FDCWD, A(NOTHING), 0),
	CALL(utimensat, AT_FDCWD, A(NOTHING), A(times), 0),
	CALL(getcwd, A(bytes), sizeof(bytes)),
	CALL(pipe, A(bytes)),
	CALL(eventfd, 0),
	CALL(inotify_init, 0),
	CALL(getrlimit, 0, A(bytes)),
	CALL(poll, A(&entry), 1, 0),
	CALL(ppoll, A(&entry), 1, A(times), 0, 0),
	CALL(select, 0, 0, 0, 0, A(times)),
	CALL(pselect6, 0, 0, 0, 0, A(times), 0),
	CALL(clock_gettime, CLOCK_PROCESS_CPUTIME_ID, A(bytes)),
	CALL(clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, A(times), 0),
	CALL(nanosleep, A(times), 0),
	CALL(gettimeofday, A(bytes), A(bytes + 100)),
	CALL(semctl, -1, 0, 2 /* IPC_STAT */, A(bytes)),
	CALL(msgctl, -1, 2, A(bytes)),
	CALL(shmctl, -1, 2, A(bytes)),
	CALL(ptrace, PTRACE_CONT, 0x3fffffff, 0, 0),
	CALL(prctl, 3 /* PR_GET_DUMPABLE */),
	CALL(rt_sigtimedwait, A(&set), 0, A(times), 8),
	CALL(name_to_handle_at, AT_FDCWD, A(NOTHING), A(bytes), A(bytes + 100), 0),
	CALL(execve, A(NOTHING), A(strings), A(strings)),
	CALL(execveat, AT_FDCWD, A(NOTHING), A(strings), A(strings), 0),
	CALL(wait4, -1, A(&status), 0, 0),
	CALL(uname, A(bytes)),
	CALL(fork, 0),
	CALL(clone, SIGCHLD, 0, 0, 0, 0),
#undef CALL
};

/* Those with a descriptor. */
static long call_with(long number)
{
	switch (number) {
	case SYS_fstat: return syscall(number, file, bytes);
	case SYS_getdents64: return syscall(number, file, bytes, sizeof(bytes));
	case SYS_read: return syscall(number, pipes[0], bytes, 1);
	case SYS_write: return syscall(number, pipes[1], bytes, 1);
	case SYS_readv: return syscall(number, pipes[0], &vector, 1);
	case SYS_writev: return syscall(number, pipes[1], &vector, 1);
	case SYS_pread64: return syscall(number, file, bytes, 1, 0);
	case SYS_preadv: return syscall(number, file, &vector, 1, 0, 0);
	case SYS_preadv2: return syscall(number, pipes[0], &vector, 1, -1, -1, 0);
	case SYS_pwritev: return syscall(number, file, &vector, 1, 0, 0);
	case SYS_pwritev2: return syscall(number, pipes[1], &vector, 1, -1, -1, 0);
	case SYS_vmsplice: return syscall(number, pipes[1], &vector, 1, 0);
	case SYS_accept: return syscall(number, file, 0, 0);
	case SYS_accept4: return syscall(number, file, 0, 0, 0);
	case SYS_sendto: return syscall(number, sockets[0], bytes, 1, 0, 0, 0);
	case SYS_sendmsg: return syscall(number, sockets[0], &message.msg_hdr, 0);
	case SYS_sendmmsg: return syscall(number, sockets[0], &message, 1, 0);
	case SYS_recvfrom: return syscall(number, sockets[1], bytes, 1, MSG_DONTWAIT, 0, 0);
	case SYS_recvmsg: return syscall(number, sockets[1], &message.msg_hdr, MSG_DONTWAIT);
	case SYS_recvmmsg: return syscall(number, sockets[1], &message, 1, MSG_DONTWAIT, 0);
	case SYS_epoll_wait: return syscall(number, poller, bytes, 1, 0);
	case SYS_epoll_pwait: return syscall(number, poller, bytes, 1, 0, 0, 8);
	case SYS_ioctl: return syscall(number, pipes[0], 0x541b /* FIONREAD */, bytes);
	case SYS_fcntl: return syscall(number, file, F_GETFL, 0);
	case SYS_mmap: return syscall(number, 0, 4096, PROT_READ, MAP_PRIVATE, file, 0);
	case SYS_mprotect: return syscall(number, page, 4096, PROT_READ);
	default: return -1;
	}
}

static const long with_descriptors[] = { SYS_fstat, SYS_getdents64, SYS_read, SYS_write, SYS_readv,
	SYS_writev, SYS_pread64, SYS_preadv, SYS_preadv2, SYS_pwritev, SYS_pwritev2, SYS_vmsplice,
	SYS_accept, SYS_accept4, SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_recvfrom, SYS_recvmsg,
	SYS_recvmmsg, SYS_epoll_wait, SYS_epoll_pwait, SYS_ioctl, SYS_fcntl, SYS_mmap,
	SYS_mprotect };

static void prepare(void)
{
	file = open("/tmp", O_RDONLY | O_DIRECTORY);
	poller = epoll_create1(0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(file >= 0 && poller >= 0 && page != MAP_FAILED);
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(write(pipes[1], "xy", 2), 2);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
}

/* Refuses all but one call and the end; @is_asked: looks at more than the call's number. */
static void allow_only(long number, bool is_asked)
{
	if (is_asked) {
		INSTALL(0,
			{ LOAD(nr), IF(SYS_exit_group), RETURN(SECCOMP_RET_ALLOW),
				IF((uint32_t)number), BPF_STMT(BPF_JMP | BPF_JA, 1),
				RETURN(SECCOMP_RET_ERRNO | REFUSED), LOAD(instruction_pointer),
				IF(1), RETURN(SECCOMP_RET_ERRNO | REFUSED),
				RETURN(SECCOMP_RET_ALLOW) });
	} else {
		INSTALL(0,
			{ LOAD(nr), IF(SYS_exit_group), RETURN(SECCOMP_RET_ALLOW),
				IF((uint32_t)number), RETURN(SECCOMP_RET_ALLOW),
				RETURN(SECCOMP_RET_ERRNO | REFUSED) });
	}
}

/* The error that the call ends with in a child, 0: none. */
static int error_of(const struct call *call, long number, bool is_asked)
{
	int result;
	pid_t child = fork();

	if (child == 0) {
		const long *a = call ? call->arguments : NULL;
		long returned;

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		allow_only(number, is_asked);
		errno = 0;
		returned = call ? syscall(number, a[0], a[1], a[2], a[3], a[4], a[5])
				: call_with(number);
		syscall(SYS_exit_group, returned == -1 ? errno : 0);
	}
	CHECK_EQ(waitpid(child, &result, 0), child);
	CHECK(WIFEXITED(result));
	return WEXITSTATUS(result);
}

static void check_call(const struct call *call, long number)
{
	for (int is_asked = 0; is_asked < 2; is_asked++) {
		int error = error_of(call, number, is_asked);

		if (error == ENOSYS || error == REFUSED) {
			printf("# call %ld%s: error %d\n", number, is_asked ? ", asked" : "",
				error);
		}
		CHECK(error != ENOSYS && error != REFUSED);
	}
}

CASE(calls_with_paths_and_numbers)
{
	prepare();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		check_call(&calls[i], calls[i].number);
	}
}

CASE(calls_with_descriptors)
{
	prepare();
	for (size_t i = 0; i < sizeof(with_descriptors) / sizeof(with_descriptors[0]); i++) {
		check_call(NULL, with_descriptors[i]);
	}
}

CASES_MAIN()
