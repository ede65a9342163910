/* SPDX-License-Identifier: MIT */
/* What the tests of seccomp share: filters of a few rules, and children that are restricted. */
#ifndef TESTS_LINUX_SECCOMP_H
#define TESTS_LINUX_SECCOMP_H

#include "check.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define LOAD(member_)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member_))
#define RETURN(value_) BPF_STMT(BPF_RET | BPF_K, (value_))
/* Unless the accumulator is that the next instruction is passed over. */
#define IF(value_)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value_), 0, 1)

/* Whatever is not said is allowed. */
#define FILTER_CALL(number_, verdict_) \
	{ LOAD(nr), IF(number_), RETURN(verdict_), RETURN(SECCOMP_RET_ALLOW) }
/* The same, by the low half of an argument: the shim cannot know the answer beforehand. */
#define FILTER_ARGUMENT(number_, i_, value_, verdict_) \
	{ LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number_), 0, 3), LOAD(args[i_]), \
		IF(value_), RETURN(verdict_), RETURN(SECCOMP_RET_ALLOW) }

#define INSTALL(flags_, ...) \
	install((flags_), (const struct sock_filter[])__VA_ARGS__, \
		sizeof((const struct sock_filter[])__VA_ARGS__) / sizeof(struct sock_filter))

static inline long install(unsigned flags, const struct sock_filter *filter, size_t n)
{
	const struct sock_fprog program = {
		.len = (unsigned short)n,
		.filter = (struct sock_filter *)(uintptr_t)filter,
	};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static inline void no_new_privileges(void)
{
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
}

/* The status, as of wait, of a child that does that; what it returns is its exit status. */
static inline int status_of(int (*act)(void))
{
	pid_t child = fork();
	int status = 0;

	CHECK(child >= 0);
	if (child == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		syscall(SYS_exit_group, act());
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

#define CHECK_EXITED(act_, status_) \
	do { \
		int check_status_ = status_of(act_); \
		CHECK(WIFEXITED(check_status_)); \
		CHECK_EQ(WEXITSTATUS(check_status_), (status_)); \
	} while (0)

#define CHECK_KILLED(act_, signal_) \
	do { \
		int check_status_ = status_of(act_); \
		CHECK(WIFSIGNALED(check_status_)); \
		CHECK_EQ(WTERMSIG(check_status_), (signal_)); \
	} while (0)

/* A line of /proc/self/status that begins so, as a number; -1: none. */
static inline long status_line(const char *name)
{
	char line[256];
	long value = -1;
	FILE *file = fopen("/proc/thread-self/status", "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':') {
			value = strtol(line + strlen(name) + 1, NULL, 10);
		}
	}
	if (file) {
		fclose(file);
	}
	return value;
}

#endif
