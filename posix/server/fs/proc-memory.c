/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/mem: the memory of a process as a file, for whoever may trace it.
 *
 * An open file is of the memory that the process had when it was opened; when that has gone, with
 * an exec or the process, it is empty.
 */
#include <abi/linux/errno.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/trace/trace.h>

/* The memory that the file is of, NULL if it has gone. */
static struct mm *proc_memory_of(const struct file *file)
{
	const struct process *process = proc_process(proc_inode_of(file->inode));
	struct mm *mm = process != NULL ? process->internal->mm : NULL;

	return mm != NULL && mm->serial == (uintptr_t)file->data ? mm : NULL;
}

static int64_t proc_memory_read(struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, uint64_t *offset)
{
	struct mm *mm = proc_memory_of(file);
	int64_t result;

	if (mm == NULL || size == 0) {
		return 0;
	}
	result = trace_read(mm, *offset, buffer, size);
	if (result < 0) {
		return -LINUX_EIO;
	}
	*offset += (uint64_t)result;
	return result;
}

static int64_t proc_memory_write(struct file *file, UNUSED struct request *request,
	const void *buffer, size_t size, uint64_t *offset)
{
	struct mm *mm = proc_memory_of(file);
	int64_t result;

	if (mm == NULL || size == 0) {
		return 0;
	}
	result = trace_write(mm, *offset, buffer, size);
	if (result < 0) {
		return -LINUX_EIO;
	}
	*offset += (uint64_t)result;
	return result;
}

/* Any position is one, and there is no end. */
static int64_t proc_memory_seek(struct file *file, int64_t offset, int whence)
{
	switch (whence) {
	case LINUX_SEEK_SET: break;
	case LINUX_SEEK_CUR: offset += (int64_t)file->offset; break;
	default: return -LINUX_EINVAL;
	}
	file->offset = (uint64_t)offset;
	return offset;
}

static const struct file_ops proc_memory_ops = {
	FILE_OPS_DEFAULT,
	.name = "process memory",
	.read = proc_memory_read,
	.write = proc_memory_write,
	.seek = proc_memory_seek,
};

int64_t proc_open_memory(struct proc_inode *node, struct file *file, struct request *request)
{
	const struct process *subject = proc_process(node);

	if (subject == NULL || request == NULL) {
		return -LINUX_ESRCH;
	}
	if (!trace_may_access(request->process, subject, true)) {
		return -LINUX_EACCES;
	}
	file->data =
		(void *)(uintptr_t)(subject->internal->mm != NULL ? subject->internal->mm->serial
								  : 0);
	file->ops = &proc_memory_ops;
	return 0;
}
