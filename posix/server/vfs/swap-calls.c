/* SPDX-License-Identifier: MIT */
/*
 * swapon(2) and swapoff(2): programs find that there may be no more swap spaces than there are,
 * which is none. Memory is swapped by a server of the system, or not at all.
 */
#include <posix/server/vfs/call.h>

constexpr uint32_t SWAP_FLAGS_ALL = 0x7ffff;

/* The file exists and could be a swap space. */
static int64_t swap_check(struct request *request)
{
	struct path path;

	if (!credentials_has(&request->process->credentials, LINUX_CAP_SYS_ADMIN)) {
		return -LINUX_EPERM;
	}
	int64_t error = vfs_lookup(
		request->process, LINUX_AT_FDCWD, request_path(request, 0), VFS_FOLLOW, &path);

	if (error < 0) {
		return error;
	}
	const struct inode *inode = path.dentry->inode;

	if (inode_is_directory(inode)) {
		error = -LINUX_EISDIR;
	} else if (!inode_is_type(inode, LINUX_S_IFREG) && !inode_is_type(inode, LINUX_S_IFBLK)) {
		error = -LINUX_EINVAL;
	}
	path_unref(&path);
	return error;
}

int64_t posix_swapon(struct request *request)
{
	if ((uint32_t)request->args[1] & ~SWAP_FLAGS_ALL) {
		return -LINUX_EINVAL;
	}
	int64_t error = swap_check(request);

	if (error == 0) {
		unimplemented_count(0xffff0000u | 167);
		error = -LINUX_EPERM; /* as for one more than there may be */
	}
	return error;
}

int64_t posix_swapoff(struct request *request)
{
	int64_t error = swap_check(request);

	return error == 0 ? -LINUX_EINVAL : error;
}
