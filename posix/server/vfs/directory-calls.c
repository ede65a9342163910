/* SPDX-License-Identifier: MIT */
/* Calls about where a process is: chdir, getcwd, chroot, umask. */
#include <posix/server/vfs/call.h>
#include <posix/server/vfs/path.h>

/* Takes the reference of *path. */
static int64_t context_set(struct request *request, struct path *where, struct path *path)
{
	struct inode *inode = path->dentry->inode;

	inode->ops->refresh(inode);
	int64_t error = inode_permission(&request->process->credentials, inode, ACCESS_EXECUTE);

	if (error < 0) {
		path_unref(path);
		return error;
	}
	path_unref(where);
	*where = *path;
	return 0;
}

static int64_t context_walk(struct request *request, struct path *out_path)
{
	return vfs_lookup(request->process, LINUX_AT_FDCWD, request_path(request, 0),
		VFS_FOLLOW | VFS_DIRECTORY, out_path);
}

int64_t posix_chdir(struct request *request)
{
	struct path path;
	int64_t error = context_walk(request, &path);

	return error < 0 ? error : context_set(request, &request->process->fs->cwd, &path);
}

int64_t posix_fchdir(struct request *request)
{
	struct file *file = fd_table_get(request->process->files, (int)(uint32_t)request->args[0]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (!inode_is_directory(file->inode) || file->path.dentry == NULL) {
		return -LINUX_ENOTDIR;
	}
	struct path path = file->path;

	path_ref(&path);
	return context_set(request, &request->process->fs->cwd, &path);
}

int64_t posix_chroot(struct request *request)
{
	struct path path;
	int64_t error = context_walk(request, &path);

	if (error < 0) {
		return error;
	}
	if (!credentials_has(&request->process->credentials, LINUX_CAP_SYS_CHROOT)) {
		path_unref(&path);
		return -LINUX_EPERM;
	}
	return context_set(request, &request->process->fs->root, &path);
}

int64_t posix_getcwd(struct request *request)
{
	size_t size;
	const struct path *cwd = &request->process->fs->cwd;

	if (path_is_deleted(cwd)) {
		return -LINUX_ENOENT;
	}
	char *out = request_out(request, 0, &size);

	if (out == NULL) {
		return -LINUX_ENOMEM;
	}
	int64_t length = path_print(request->process, cwd, out, size);

	if (length < 0) {
		return -LINUX_ERANGE;
	}
	request_set_out_size(request, (size_t)length);
	return length;
}

int64_t posix_umask(struct request *request)
{
	struct fs_context *context = request->process->fs;
	uint32_t old = context->umask;

	context->umask = (uint32_t)request->args[0] & 0777;
	return old;
}
