/* SPDX-License-Identifier: MIT */
/* The program that a process runs. */
#include <posix/server/fs/proc-executable.h>
#include <posix/server/process/process-internal.h>

bool process_executable(const struct process *process, struct path *out_path)
{
	const struct mm *mm = process->internal->mm;

	if (mm == NULL || mm->exe.dentry == NULL) {
		return false;
	}
	*out_path = mm->exe;
	path_ref(out_path);
	return true;
}
