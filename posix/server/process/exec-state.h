/* SPDX-License-Identifier: MIT */
/* An exec under way, and its parts. */
#ifndef POSIX_EXEC_STATE_H
#define POSIX_EXEC_STATE_H

#include <posix/server/process/exec.h>

constexpr size_t EXEC_NAME_MAX = POSIX_PATH_MAX + 24; /* with /dev/fd/N/ in front */

/* Where the program is, as execveat() says it. */
struct exec_place {
	int dirfd;
	uint32_t flags; /* LINUX_AT_EMPTY_PATH, LINUX_AT_SYMLINK_NOFOLLOW */
	const char *path;
};

struct exec {
	struct process *process;
	const struct exec_place *place;
	const char
		*path; /* AT_EXECFN: the program as a process that has its descriptors names it */
	struct exec_strings strings;
	struct exec_image program, interpreter;
	bool has_interpreter;
	struct credentials credentials;
	bool is_secure;
	struct mm *mm;
	hel_handle universe;
	struct process_page_holder page;
	struct thread *thread;
	struct thread *caller; /* NULL: of the first process */
	struct fd_table *files; /* of its own, if it shared one */
	uint64_t stack_size;
	struct exec_stack stack;
	/* texts that others point to */
	struct exec_script script;
	char called_as[POSIX_PATH_MAX];
	char name[EXEC_NAME_MAX];
	char script_path[EXEC_NAME_MAX];
	char interpreter_path[POSIX_PATH_MAX];
};

/** exec_find_program() - open exec->place, follow scripts; -LINUX_E..., REQUEST_TASK */
int64_t exec_find_program(struct exec *exec);

/** exec_find_interpreter() - open what loads exec->program, if it names something; likewise */
int64_t exec_find_interpreter(struct exec *exec);

#endif
