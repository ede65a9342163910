/* SPDX-License-Identifier: MIT */
/*
 * Whether a request of a restricted thread may be served: the shim is the process' own, so that it
 * has asked is nothing to rely on.
 *
 * A request is admitted if one of the calls that the shim makes it for is always allowed, or is
 * what the thread has a grant for; then what the request says of the call's arguments must be what
 * was granted. Requests that only concern the process itself need nothing.
 *
 * Filters may come while a request is under way, put on by another thread (TSYNC): then the call is
 * made again (ERESTARTNOINTR), and this time the shim asks. Who was sent back and comes again
 * without having been let through gets ENOSYS.
 */
#include <posix/server/seccomp/seccomp.h>

#define LINUX_CALL(number, name, where, a0, a1, a2, a3, a4, a5) CALL_##name = number,
enum call : uint16_t {
#include <protocols/posix/calls.def>
	CALLS_END,
};
#undef LINUX_CALL

constexpr uint32_t CALLS_MAX = 6;

/* Whether the shim forwards the call's arguments as they are. */
#define IS_FORWARDED_POSIX                                      true
#define IS_FORWARDED_SHIM                                       false
#define LINUX_CALL(number, name, where, a0, a1, a2, a3, a4, a5) [number] = IS_FORWARDED_##where,
static const bool is_forwarded[CALLS_END] = {
#include <protocols/posix/calls.def>
};
#undef LINUX_CALL

/*
 * Calls that are made by requests with the number of another one. 0 ends a row: no request but
 * read's own is made for read().
 */
static const uint16_t others[CALLS_END][CALLS_MAX] = {
	[CALL_read] = { CALL_readv, CALL_preadv2, CALL_vmsplice, CALL_io_submit },
	[CALL_write] = { CALL_writev, CALL_pwritev2, CALL_vmsplice, CALL_io_submit },
	[CALL_pread64] = { CALL_preadv, CALL_preadv2, CALL_io_submit },
	[CALL_pwrite64] = { CALL_pwritev, CALL_pwritev2, CALL_io_submit },
	[CALL_close] = { CALL_accept, CALL_accept4 },
	[CALL_fsync] = { CALL_io_submit },
	[CALL_fdatasync] = { CALL_io_submit },
	[CALL_newfstatat] = { CALL_stat, CALL_lstat, CALL_fstat, CALL_io_submit },
	[CALL_openat] = { CALL_open, CALL_creat },
	[CALL_mkdirat] = { CALL_mkdir },
	[CALL_mknodat] = { CALL_mknod },
	[CALL_fchownat] = { CALL_chown, CALL_lchown },
	[CALL_unlinkat] = { CALL_unlink, CALL_rmdir },
	[CALL_linkat] = { CALL_link },
	[CALL_symlinkat] = { CALL_symlink },
	[CALL_readlinkat] = { CALL_readlink },
	[CALL_fchmodat] = { CALL_chmod },
	[CALL_renameat2] = { CALL_rename, CALL_renameat },
	[CALL_faccessat2] = { CALL_access, CALL_faccessat },
	[CALL_pipe2] = { CALL_pipe },
	[CALL_eventfd2] = { CALL_eventfd },
	[CALL_inotify_init1] = { CALL_inotify_init },
	[CALL_prlimit64] = { CALL_getrlimit, CALL_setrlimit },
	[CALL_accept4] = { CALL_accept },
};

#define CALLS(...) \
	{ \
		static const uint16_t calls[CALLS_MAX] = { __VA_ARGS__ }; \
		return calls; \
	}

/* The calls that a request without a Linux number is made for; NULL: it needs none. */
static const uint16_t *calls_of(enum posix_internal number)
{
	switch (number) {
	case POSIX_CLONE: CALLS(CALL_clone, CALL_clone3, CALL_fork, CALL_vfork)
	case POSIX_EXECVE: CALLS(CALL_execve, CALL_execveat)
	case POSIX_MMAP_FILE: CALLS(CALL_mmap)
	case POSIX_SIGTIMEDWAIT: CALLS(CALL_rt_sigtimedwait)
	case POSIX_IOCTL: CALLS(CALL_ioctl)
	case POSIX_FCNTL: CALLS(CALL_fcntl, CALL_vmsplice)
	case POSIX_POLL: CALLS(CALL_poll, CALL_ppoll, CALL_select, CALL_pselect6, CALL_vmsplice)
	case POSIX_MOUNT: CALLS(CALL_mount)
	case POSIX_UTIMENSAT: CALLS(CALL_utimensat, CALL_utime, CALL_utimes, CALL_futimesat)
	case POSIX_PRCTL: CALLS(CALL_prctl)
	case POSIX_GETCWD: CALLS(CALL_getcwd)
	case POSIX_EPOLL_WAIT: CALLS(CALL_epoll_wait, CALL_epoll_pwait, CALL_epoll_pwait2)
	case POSIX_CPU_CLOCK: CALLS(CALL_clock_gettime, CALL_clock_nanosleep, CALL_restart_syscall)
	case POSIX_CPU_SLEEP: CALLS(CALL_clock_nanosleep, CALL_restart_syscall)
	case POSIX_SOCKET_SEND: CALLS(CALL_sendto, CALL_sendmsg, CALL_sendmmsg)
	case POSIX_SOCKET_RECEIVE: CALLS(CALL_recvfrom, CALL_recvmsg, CALL_recvmmsg)
	case POSIX_IPC_CONTROL: CALLS(CALL_semctl, CALL_msgctl, CALL_shmctl)
	case POSIX_PTRACE: CALLS(CALL_ptrace)
	case POSIX_NAME_TO_HANDLE_AT: CALLS(CALL_name_to_handle_at)
	case POSIX_OPEN_BY_HANDLE_AT: CALLS(CALL_open_by_handle_at)
	case POSIX_TIMEZONE: CALLS(CALL_gettimeofday)
	case POSIX_KCMP: CALLS(CALL_kcmp)
	case POSIX_PAGES: CALLS(CALL_mbind, CALL_move_pages, CALL_migrate_pages)
	case POSIX_DEADLINE_YIELD: CALLS(CALL_sched_yield)
	case POSIX_AIO_POLL: CALLS(CALL_io_submit)
	case POSIX_AIO_CANCEL: CALLS(CALL_io_cancel, CALL_io_destroy)
	case POSIX_HAS_THREAD: CALLS(CALL_futex)
	case POSIX_MSYNC: CALLS(CALL_msync)
	/* its own signals, memory, end, and what tells us of it */
	case POSIX_EXIT_THREAD:
	case POSIX_EXIT_GROUP:
	case POSIX_SIGNAL_TAKE:
	case POSIX_SIGNAL_FAULT:
	case POSIX_UNIMPLEMENTED:
	case POSIX_SIGACTION_CHANGED:
	case POSIX_MAKE_PRIVATE:
	case POSIX_TRACE_REPORT:
	case POSIX_FILTER_CALL:
	case POSIX_AIO_TAKE: /* what it has asked for before */
	case POSIX_SYSCALL_COUNT: return NULL;
	}
	return NULL;
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* What of a request's arguments is one of the call's, as a number of 32 bits. */
static const struct same_argument {
	uint16_t request, call;
	uint8_t in_request, in_call;
} same_arguments[] = {
	{ CALL_read, CALL_read, 0, 0 },
	{ CALL_read, CALL_readv, 0, 0 },
	{ CALL_write, CALL_write, 0, 0 },
	{ CALL_write, CALL_writev, 0, 0 },
	{ CALL_pread64, CALL_pread64, 0, 0 },
	{ CALL_pwrite64, CALL_pwrite64, 0, 0 },
	{ CALL_lseek, CALL_lseek, 0, 0 },
	{ CALL_kill, CALL_kill, 0, 0 },
	{ CALL_kill, CALL_kill, 1, 1 },
	{ CALL_tgkill, CALL_tgkill, 1, 1 },
	{ POSIX_CLONE, CALL_clone, 0, 0 },
	{ POSIX_MMAP_FILE, CALL_mmap, 0, 4 },
	{ POSIX_MMAP_FILE, CALL_mmap, 3, 2 },
	{ POSIX_MMAP_FILE, CALL_mmap, 4, 3 },
	{ POSIX_IOCTL, CALL_ioctl, 0, 0 },
	{ POSIX_IOCTL, CALL_ioctl, 1, 1 },
	{ POSIX_FCNTL, CALL_fcntl, 0, 0 },
	{ POSIX_FCNTL, CALL_fcntl, 1, 1 },
	{ POSIX_PRCTL, CALL_prctl, 0, 0 },
	{ POSIX_PRCTL, CALL_prctl, 1, 1 },
	{ POSIX_PRCTL, CALL_prctl, 2, 2 },
	{ POSIX_SOCKET_SEND, CALL_sendto, 0, 0 },
	{ POSIX_SOCKET_SEND, CALL_sendmsg, 0, 0 },
	{ POSIX_SOCKET_RECEIVE, CALL_recvfrom, 0, 0 },
	{ POSIX_SOCKET_RECEIVE, CALL_recvmsg, 0, 0 },
	{ POSIX_PTRACE, CALL_ptrace, 0, 0 },
	{ POSIX_PTRACE, CALL_ptrace, 1, 1 },
	{ POSIX_KCMP, CALL_kcmp, 0, 0 },
	{ POSIX_KCMP, CALL_kcmp, 1, 1 },
};

/* Counts are left out: the shim clamps those of results. */
static bool is_plain_argument(const struct request *request, unsigned i)
{
	const struct argument *arguments = request->internal->row->arguments;

	for (unsigned k = 0; k < REQUEST_ARGUMENTS; k++) {
		if (arguments[k].count == i) {
			return false;
		}
	}
	return arguments[i].kind == ARGUMENT_VALUE;
}

static bool has_granted_arguments(
	const struct request *request, const struct linux_seccomp_data *grant)
{
	uint32_t call = (uint32_t)grant->number;

	if (request->number == call && is_forwarded[call]) {
		for (unsigned i = 0; i < REQUEST_ARGUMENTS; i++) {
			if (is_plain_argument(request, i) &&
				request->args[i] != grant->arguments[i]) {
				return false;
			}
		}
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(same_arguments); i++) {
		const struct same_argument *same = &same_arguments[i];

		if (same->request == request->number && same->call == call &&
			(uint32_t)request->args[same->in_request] !=
				(uint32_t)grant->arguments[same->in_call]) {
			return false;
		}
	}
	return true;
}

/* ---- admission ------------------------------------------------------------------------------- */

static bool may_be_for(const struct request *request, uint32_t call)
{
	const struct seccomp *seccomp = request->thread->internal->seccomp;

	if (seccomp_always_allows(seccomp, call)) {
		return true;
	}
	return seccomp->has_grant && (uint32_t)seccomp->grant.number == call &&
		has_granted_arguments(request, &seccomp->grant);
}

static bool is_admitted(const struct request *request, const uint16_t *calls)
{
	if (request->number < CALLS_END && may_be_for(request, request->number)) {
		return true;
	}
	for (uint32_t i = 0; i < CALLS_MAX && calls[i] != 0; i++) {
		if (may_be_for(request, calls[i])) {
			return true;
		}
	}
	return false;
}

bool seccomp_admits(struct request *request, int64_t *out_result)
{
	struct seccomp *seccomp = request->thread->internal->seccomp;
	const uint16_t *calls = request->number < CALLS_END
		? others[request->number]
		: calls_of((enum posix_internal)request->number);

	if (calls == NULL) {
		return true;
	}
	if (is_admitted(request, calls)) {
		seccomp->was_sent_back = false;
		return true;
	}
	*out_result = seccomp->was_sent_back ? -LINUX_ENOSYS : -LINUX_ERESTARTNOINTR;
	seccomp->was_sent_back = true;
	return false;
}
