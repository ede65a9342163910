/* SPDX-License-Identifier: MIT */
/* From what file servers answer to errno: see volume.h. */
#include <abi/linux/errno.h>
#include <base/errors.h>
#include <posix/server/fs/volume.h>

constexpr int LINUX_ERRNO_MAX = 133;

struct errno_pair {
	int error; /* negative */
	int64_t errno_value; /* positive */
};

static const struct errno_pair errno_pairs[] = {
	{ -ERR_NO_MEMORY, LINUX_ENOMEM },
	{ -ERR_NOT_FOUND, LINUX_ENOENT },
	{ -ERR_EXISTS, LINUX_EEXIST },
	{ -ERR_ILLEGAL_ARGS, LINUX_EINVAL },
	{ -ERR_OUT_OF_BOUNDS, LINUX_EINVAL },
	{ -ERR_NO_SPACE, LINUX_ENOSPC },
	{ -ERR_BUSY, LINUX_EBUSY },
	{ -ERR_UNSUPPORTED, LINUX_EOPNOTSUPP },
	{ FS_ERROR_CORRUPT, LINUX_EUCLEAN },
	{ FS_ERROR_UNSUPPORTED_HERE, LINUX_EOPNOTSUPP },
	{ FS_ERROR_UNKNOWN_TYPE, LINUX_EINVAL },
	{ FS_ERROR_READ_ONLY, LINUX_EROFS },
	{ FS_ERROR_NO_SPACE, LINUX_ENOSPC },
	{ FS_ERROR_NOT_DIRECTORY, LINUX_ENOTDIR },
	{ FS_ERROR_IS_DIRECTORY, LINUX_EISDIR },
	{ FS_ERROR_NOT_EMPTY, LINUX_ENOTEMPTY },
	{ FS_ERROR_NAME_TOO_LONG, LINUX_ENAMETOOLONG },
	{ FS_ERROR_TOO_MANY_LINKS, LINUX_EMLINK },
	{ FS_ERROR_TOO_LARGE, LINUX_EFBIG },
	{ FS_ERROR_NO_ATTRIBUTE, LINUX_ENODATA },
	{ FS_ERROR_BUFFER_TOO_SMALL, LINUX_ERANGE },
	{ FS_ERROR_NOT_PERMITTED, LINUX_EPERM },
	{ FS_ERROR_INTO_ITSELF, LINUX_EINVAL },
	{ FS_ERROR_ABORTED, LINUX_EROFS },
	{ FS_ERROR_BUSY, LINUX_EBUSY },
	{ FS_ERROR_STALE, LINUX_ESTALE },
};

/* What is not in the list is about the lane or the disk behind it, and all of that is EIO. */
int64_t fs_errno(int error)
{
	if (error == 0) {
		return 0;
	}
	if (error < FS_ERROR_HOST && error >= FS_ERROR_HOST - LINUX_ERRNO_MAX) {
		return error - FS_ERROR_HOST;
	}
	for (size_t i = 0; i < ARRAY_SIZE(errno_pairs); i++) {
		if (errno_pairs[i].error == error) {
			return -errno_pairs[i].errno_value;
		}
	}
	return -LINUX_EIO;
}
