/* SPDX-License-Identifier: MIT */
/* clone flags and scheduling policies, as on Linux. */
#ifndef ABI_LINUX_SCHED_H
#define ABI_LINUX_SCHED_H

#include <stdint.h>

enum linux_clone_flags : uint64_t {
	LINUX_CSIGNAL = 0xff, /* the signal that tells the parent of the end */
	LINUX_CLONE_VM = 0x100,
	LINUX_CLONE_FS = 0x200,
	LINUX_CLONE_FILES = 0x400,
	LINUX_CLONE_SIGHAND = 0x800,
	LINUX_CLONE_PIDFD = 0x1000,
	LINUX_CLONE_PTRACE = 0x2000,
	LINUX_CLONE_VFORK = 0x4000,
	LINUX_CLONE_PARENT = 0x8000,
	LINUX_CLONE_THREAD = 0x10000,
	LINUX_CLONE_NEWTIME = 0x80, /* for unshare() and setns() */
	LINUX_CLONE_NEWNS = 0x20000,
	LINUX_CLONE_SYSVSEM = 0x40000,
	LINUX_CLONE_SETTLS = 0x80000,
	LINUX_CLONE_PARENT_SETTID = 0x100000,
	LINUX_CLONE_CHILD_CLEARTID = 0x200000,
	LINUX_CLONE_DETACHED = 0x400000,
	LINUX_CLONE_UNTRACED = 0x800000,
	LINUX_CLONE_CHILD_SETTID = 0x1000000,
	LINUX_CLONE_NEWCGROUP = 0x2000000,
	LINUX_CLONE_NEWUTS = 0x4000000,
	LINUX_CLONE_NEWIPC = 0x8000000,
	LINUX_CLONE_NEWUSER = 0x10000000,
	LINUX_CLONE_NEWPID = 0x20000000,
	LINUX_CLONE_NEWNET = 0x40000000,
	LINUX_CLONE_IO = 0x80000000,
};

enum linux_sched_policy : uint32_t {
	LINUX_SCHED_OTHER = 0,
	LINUX_SCHED_FIFO = 1,
	LINUX_SCHED_RR = 2,
	LINUX_SCHED_BATCH = 3,
	LINUX_SCHED_IDLE = 5,
	LINUX_SCHED_DEADLINE = 6,
	LINUX_SCHED_RESET_ON_FORK = 0x40000000, /* a flag beside the policy */
};

enum linux_sched_flags : uint64_t {
	LINUX_SCHED_FLAG_RESET_ON_FORK = 0x01,
	LINUX_SCHED_FLAG_DL_OVERRUN = 0x04,
	LINUX_SCHED_FLAG_DL = 0x06, /* with what reclaims unused time */
	LINUX_SCHED_FLAG_KEEP_POLICY = 0x08,
	LINUX_SCHED_FLAG_KEEP_PARAMS = 0x10,
	LINUX_SCHED_FLAG_CLAMP = 0x60, /* bounds of the processor's speed */
	LINUX_SCHED_FLAG_ALL = 0x7f,
};

struct linux_sched_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};
static_assert(sizeof(struct linux_sched_attr) == 48);

enum linux_priority_which : uint32_t {
	LINUX_PRIO_PROCESS = 0,
	LINUX_PRIO_PGRP = 1,
	LINUX_PRIO_USER = 2,
};

#endif
