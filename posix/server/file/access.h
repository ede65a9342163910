/* SPDX-License-Identifier: MIT */
/* What handlers and kinds of files share: from a call's descriptor to the file, waiting, limits. */
#ifndef POSIX_FILE_ACCESS_H
#define POSIX_FILE_ACCESS_H

#include <abi/linux/fcntl.h>
#include <posix/server/file/file.h>

/*
 * Handlers that work on one file and may park go
 *
 *	struct file *file = file_of_call(request, request->args[0]);
 *	...
 *	return file_end_call(request, file, result);
 *
 * A request that parks holds its file, in state[0], so that a close() elsewhere neither frees what
 * it waits on nor makes it find another file. state[1] … state[5] are the kind's.
 */

/**
 * file_of_call() - the file behind a descriptor, the same at every attempt; borrowed, NULL:
 * -LINUX_EBADF
 */
struct file *file_of_call(struct request *request, uint64_t fd);

/** file_end_call() - pass on a handler's result, holding @file if the request parks */
int64_t file_end_call(struct request *request, struct file *file, int64_t result);

/** file_of_fd() - the same for calls that never park; no O_PATH files */
struct file *file_of_fd(struct request *request, uint64_t fd);

/** descriptor_unshare() - a process that shares its descriptors with another gets its own */
int64_t descriptor_unshare(struct process *process);

/** file_must_not_wait() - O_NONBLOCK, or a further piece of a long transfer */
bool file_must_not_wait(const struct file *file, const struct request *request);

/** file_wait() - park until @queue is woken; -LINUX_EAGAIN if the file does not wait */
int64_t file_wait(struct file *file, struct request *request, struct wait_queue *queue);

static inline bool file_is_readable(const struct file *file)
{
	uint32_t mode = file->flags & LINUX_O_ACCMODE;

	return mode == LINUX_O_RDONLY || mode == LINUX_O_RDWR;
}

static inline bool file_is_writable(const struct file *file)
{
	uint32_t mode = file->flags & LINUX_O_ACCMODE;

	return mode == LINUX_O_WRONLY || mode == LINUX_O_RDWR;
}

/** file_can_seek() - whether pread and pwrite make sense */
bool file_can_seek(const struct file *file);

/** file_touch_accessed() - the file was read through @file: atime, unless O_NOATIME */
void file_touch_accessed(struct file *file);

/** file_quiet_ns() - for how long file_touch_accessed() will do nothing; UINT64_MAX: for ever */
uint64_t file_quiet_ns(const struct file *file);

/**
 * file_check_size_limit() - -LINUX_EFBIG and SIGXFSZ if a write at @offset is beyond RLIMIT_FSIZE
 */
int64_t file_check_size_limit(struct request *request, uint64_t offset);

/** file_seek_to() - the seek hook of files with a size, but for SEEK_DATA and SEEK_HOLE */
int64_t file_seek_to(struct file *file, int64_t offset, int whence, uint64_t size);

/** file_ioctl_regular() - the ioctls that all regular files know: FIONREAD; else -LINUX_ENOTTY */
int64_t file_ioctl_regular(struct file *file, uint32_t command, void *buffer, size_t size);

/** file_install() - give a new file its descriptor; takes the reference, also on failure */
int64_t file_install(struct request *request, struct file *file, bool is_cloexec);

/** file_create_anonymous() - a file without a name; @kind as in "anon_inode:[kind]", static */
int64_t file_create_anonymous(const struct process *maker, const struct file_ops *ops,
	const char *kind, void *data, uint32_t flags, struct file **out_file);

/** file_contents_memory() - the memory that holds contents up to @size_needed bytes, for mmap */
int64_t file_contents_memory(struct file *file, uint64_t size_needed, hel_handle *out_memory);

/**
 * file_contents_mapped() - a mapping of that memory was made: beyond the file's last page it faults
 */
void file_contents_mapped(struct file *file);

#endif
