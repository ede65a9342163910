/* SPDX-License-Identifier: MIT */
/*
 * copy_file_range: from one regular file to another of the same file system, without waiting.
 *
 * One call moves at most COPY_MAX bytes, because nobody else is served meanwhile; that it may move
 * less than was asked for is part of the call.
 */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/inotify.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/inode.h>

constexpr size_t COPY_MAX = MIB(1);
constexpr size_t COPY_PIECE = KIB(64);

struct copying {
	struct file *in, *out;
	uint64_t from, to; /* positions */
	uint64_t size;
};

static int64_t copying_check_files(const struct file *in, const struct file *out)
{
	if (inode_is_directory(in->inode) || inode_is_directory(out->inode)) {
		return -LINUX_EISDIR;
	}
	if (!inode_is_type(in->inode, LINUX_S_IFREG) || !inode_is_type(out->inode, LINUX_S_IFREG)) {
		return -LINUX_EINVAL;
	}
	if (!file_is_readable(in) || !file_is_writable(out) || (out->flags & LINUX_O_APPEND)) {
		return -LINUX_EBADF;
	}
	return in->inode->super == out->inode->super ? 0 : -LINUX_EXDEV;
}

/* A position that the program gave, or the file's own. */
static uint64_t copying_position(struct request *request, unsigned i, const struct file *file)
{
	const void *given = request_in(request, i, NULL);
	uint64_t position = file->offset;

	if (given != NULL) {
		memcpy(&position, given, sizeof(position));
	}
	return position;
}

/* How much there is to copy: nothing beyond the end, nothing onto itself. */
static int64_t copying_limit(struct request *request, struct copying *copying)
{
	uint64_t in_size = copying->in->inode->size_bytes;
	uint64_t end_in, end_out;

	if (__builtin_add_overflow(copying->from, copying->size, &end_in) ||
		__builtin_add_overflow(copying->to, copying->size, &end_out)) {
		return -LINUX_EOVERFLOW;
	}
	if (copying->size > 0) {
		int64_t error = file_check_size_limit(request, copying->to);

		if (error < 0) {
			return error;
		}
	}
	copying->size =
		copying->from >= in_size ? 0 : min_u64(copying->size, in_size - copying->from);
	if (copying->in->inode == copying->out->inode &&
		copying->from < copying->to + copying->size &&
		copying->to < copying->from + copying->size) {
		return -LINUX_EINVAL;
	}
	if ((int64_t)copying->from < 0 || (int64_t)copying->to < 0) {
		return -LINUX_EINVAL;
	}
	copying->size = min_u64(copying->size, COPY_MAX);
	return 0;
}

/* Returns how much was copied, or why nothing was. */
static int64_t copying_run(struct request *request, struct copying *copying)
{
	size_t piece = (size_t)min_u64(copying->size, COPY_PIECE);
	uint8_t *buffer = helix_malloc(piece);
	uint64_t done = 0;
	int64_t result = buffer == NULL ? -LINUX_ENOMEM : 0;

	while (result >= 0 && done < copying->size) {
		result = copying->in->ops->read(copying->in, request, buffer,
			(size_t)min_u64(piece, copying->size - done), &copying->from);
		if (result <= 0) {
			break;
		}
		size_t n_read = (size_t)result;

		result = copying->out->ops->write(
			copying->out, request, buffer, n_read, &copying->to);
		if (result > 0) {
			done += (uint64_t)result;
		}
		if (result != (int64_t)n_read) {
			copying->from -= n_read - (result > 0 ? (size_t)result : 0);
			break;
		}
	}
	helix_free(buffer);
	return done > 0 ? (int64_t)done : result;
}

/* The positions go back to where they came from. */
static void copying_end(struct request *request, const struct copying *copying)
{
	void *from = request_out(request, 1, NULL);
	void *to = request_out(request, 3, NULL);

	if (from != NULL) {
		memcpy(from, &copying->from, sizeof(copying->from));
	} else {
		copying->in->offset = copying->from;
	}
	if (to != NULL) {
		memcpy(to, &copying->to, sizeof(copying->to));
	} else {
		copying->out->offset = copying->to;
	}
	notify_file(copying->in, LINUX_IN_ACCESS);
	notify_file(copying->out, LINUX_IN_MODIFY);
}

int64_t posix_copy_file_range(struct request *request)
{
	struct copying copying = {
		.in = file_of_fd(request, request->args[0]),
		.out = file_of_fd(request, request->args[2]),
		.size = request->args[4],
	};

	if (copying.in == NULL || copying.out == NULL) {
		return -LINUX_EBADF;
	}
	copying.from = copying_position(request, 1, copying.in);
	copying.to = copying_position(request, 3, copying.out);
	if ((uint32_t)request->args[5] != 0) {
		return -LINUX_EINVAL;
	}
	int64_t result = copying_check_files(copying.in, copying.out);

	if (result == 0) {
		result = copying_limit(request, &copying);
	}
	if (result == 0 && copying.size > 0) {
		result = copying_run(request, &copying);
	}
	if (result > 0) {
		copying_end(request, &copying);
	}
	return result;
}
