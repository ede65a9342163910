/* SPDX-License-Identifier: MIT */
/*
 * unshare: what a process had in common with others becomes its own.
 *
 * Threads of one process always share, which Linux lets a single thread end: that is refused.
 */
#include <abi/linux/sched.h>
#include <posix/server/vfs/call.h>

constexpr uint64_t UNSHARE_KNOWN =
	LINUX_CLONE_FS | LINUX_CLONE_FILES | LINUX_CLONE_SYSVSEM | LINUX_CLONE_NEWNS;
/* What threads share: nothing to do for a process that has but one. */
constexpr uint64_t UNSHARE_THREAD = LINUX_CLONE_THREAD | LINUX_CLONE_SIGHAND | LINUX_CLONE_VM;

static int64_t unshare_check(struct request *request, uint64_t flags)
{
	const struct process *process = request->process;
	bool is_alone = list_first(&process->threads) == list_last(&process->threads);

	if (flags & ~(UNSHARE_KNOWN | UNSHARE_THREAD)) {
		unimplemented_count(request->number);
		return -LINUX_EINVAL;
	}
	if (!is_alone && (flags & ~LINUX_CLONE_SYSVSEM) != 0) {
		unimplemented_count(request->number);
		return -LINUX_EINVAL;
	}
	if ((flags & LINUX_CLONE_NEWNS) &&
		!credentials_has(&process->credentials, LINUX_CAP_SYS_ADMIN)) {
		return -LINUX_EPERM;
	}
	return 0;
}

static int64_t unshare_context(struct process *process)
{
	if (process->fs->references == 1) {
		return 0;
	}
	struct fs_context *copy = fs_context_copy(process->fs);

	if (copy == NULL) {
		return -LINUX_ENOMEM;
	}
	fs_context_unref(process->fs);
	process->fs = copy;
	return 0;
}

int64_t posix_unshare(struct request *request)
{
	struct process *process = request->process;
	uint64_t flags = request->args[0];
	int64_t error = unshare_check(request, flags);

	if (error == 0 && (flags & LINUX_CLONE_FILES)) {
		error = descriptor_unshare(process);
	}
	if (error == 0 && (flags & (LINUX_CLONE_FS | LINUX_CLONE_NEWNS))) {
		error = unshare_context(process);
	}
	if (error == 0 && (flags & LINUX_CLONE_NEWNS)) {
		error = mount_tree_copy(process->fs);
	}
	return error;
}
