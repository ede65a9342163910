/* SPDX-License-Identifier: MIT */
/*
 * Processes and threads as the rest of posix sees them.  CONTRACT.
 */
#ifndef POSIX_PROCESS_H
#define POSIX_PROCESS_H

#include <abi/linux/capability.h>
#include <posix/server/request.h>

struct fd_table;
struct fs_context;
struct tty;
struct process;

struct capabilities { /* bits are enum linux_capability; see capabilities.h */
	uint64_t effective, permitted, inheritable, bounding, ambient;
	uint32_t securebits; /* enum linux_securebits */
};

struct credentials {
	uint32_t uid, euid, suid, fsuid;
	uint32_t gid, egid, sgid, fsgid;
	uint32_t n_groups;
	uint32_t groups[64];
	struct capabilities capabilities;
};

static inline uint64_t capability_bit(enum linux_capability capability)
{
	return UINT64_C(1) << capability;
}

/** credentials_has() - whether they allow what that capability stands for */
static inline bool credentials_has(
	const struct credentials *credentials, enum linux_capability capability)
{
	return (credentials->capabilities.effective & capability_bit(capability)) != 0;
}

enum process_limit : uint32_t { /* RLIMIT_* */
	LIMIT_CPU,
	LIMIT_FSIZE,
	LIMIT_DATA,
	LIMIT_STACK,
	LIMIT_CORE,
	LIMIT_RSS,
	LIMIT_NPROC,
	LIMIT_NOFILE,
	LIMIT_MEMLOCK,
	LIMIT_AS,
	LIMIT_LOCKS,
	LIMIT_SIGPENDING,
	LIMIT_MSGQUEUE,
	LIMIT_NICE,
	LIMIT_RTPRIO,
	LIMIT_RTTIME,
	LIMIT_COUNT,
};

struct session {
	uint32_t references;
	uint32_t sid;
	struct tty *tty; /* controlling terminal, NULL: none */
	struct list groups;
};

struct process_group {
	uint32_t references;
	uint32_t pgid;
	struct session *session;
	struct list_node session_node;
	struct list members; /* struct process.group_node */
	uint32_t n_stopping; /* members whose threads are to be held */
};

struct process {
	uint32_t pid;
	struct process *parent;
	struct process_group *group;
	struct list_node group_node;
	struct fd_table *files;
	struct fs_context *fs;
	struct credentials credentials;
	uint64_t limits[LIMIT_COUNT][2]; /* soft, hard */
	struct list threads;
	char comm[16];
	/* process/'s: memory, children, exit status, page, timers … */
	struct process_internal *internal;
};

struct poll_part;

struct thread {
	uint32_t tid;
	struct process *process;
	struct list_node process_node;
	struct poll_part *polled; /* file/poll.c's: of a poll that comes in parts */
	struct thread_internal *internal;
};

/* ---- signals (signal/signal.h has the rest) -------------------------------------------------- */
struct signal_info { /* what becomes siginfo_t */
	int signal, code;
	uint32_t pid, uid;
	int32_t status;
	uint64_t address, value;
	bool is_raw; /* rt_sigqueueinfo: all that Linux keeps of a siginfo_t is in raw */
	uint8_t raw[48];
};

void signal_send_process(struct process *process, const struct signal_info *info);
void signal_send_group(struct process_group *group, const struct signal_info *info);
/* To whom F_SETOWN names: a process, or the negative number of a group; if who has set it may. */
void signal_send_owner(int64_t pid, uint32_t setter_uid, uint32_t setter_euid, int signal);
struct process_group *process_group_find(uint32_t pgid);
bool process_group_is_orphaned(const struct process_group *group);
/* For tty job control: true if signal is blocked or ignored by the calling thread. */
bool signal_is_ignored_or_blocked(struct thread *thread, int signal);
/* The tty went away or the session leader died; drops the controlling terminal of the session. */
void session_set_tty(struct session *session, struct tty *tty);
/* tty/ implements: the leader of `session` exited. */
void tty_session_leader_exited(struct tty *tty, struct session *session);

#endif
