/* SPDX-License-Identifier: MIT */
/*
 * The twelve calls on extended attributes: set, get, list, remove; each by name, by name without
 * following a link, and by descriptor.
 *
 * Which names there are and who may use them depends on the prefix, as on Linux 6.1:
 *
 *	security.  everybody reads, the superuser writes
 *	trusted.   the superuser's alone: nobody else sees them
 *	user.      as the contents of files and directories; on a tmpfs not supported
 *	system.    access control lists, which the owner changes (acl.h)
 */
#include <abi/linux/xattr.h>
#include <base/string.h>
#include <posix/server/vfs/acl.h>
#include <posix/server/vfs/call.h>
#include <posix/server/vfs/xattr.h>

/* What a call does once it has its inode. */
typedef int64_t (*xattr_fn)(struct request *request, struct inode *inode);

enum xattr_use { XATTR_READS, XATTR_CHANGES };

static int64_t xattr_apply(struct request *request, const struct path *path, struct inode *inode,
	enum xattr_use use, xattr_fn apply)
{
	int64_t error = 0;

	if (use == XATTR_CHANGES && path->dentry != NULL) {
		error = mount_may_write(path);
	}
	if (error < 0) {
		return error;
	}
	if (unlikely((inode->super->flags & SUPER_SHARED) != 0)) {
		error = inode->super->ops->check_xattrs(inode);
		if (error < 0) {
			return error;
		}
	}
	inode->ops->refresh(inode);
	int64_t result = apply(request, inode);

	if (result == 0 && use == XATTR_CHANGES) {
		if (path->dentry != NULL) {
			notify_dentry(path->dentry, LINUX_IN_ATTRIB);
		} else {
			notify_inode(inode, LINUX_IN_ATTRIB);
		}
	}
	return result;
}

static int64_t xattr_of_name(
	struct request *request, uint32_t lookup, enum xattr_use use, xattr_fn apply)
{
	struct path path;
	int64_t error = vfs_lookup(
		request->process, LINUX_AT_FDCWD, request_path(request, 0), lookup, &path);

	if (error == 0) {
		error = xattr_apply(request, &path, path.dentry->inode, use, apply);
		path_unref(&path);
	}
	return error;
}

static int64_t xattr_of_fd(struct request *request, enum xattr_use use, xattr_fn apply)
{
	struct file *file = file_of_fd(request, request->args[0]);

	return file == NULL ? -LINUX_EBADF
			    : xattr_apply(request, &file->path, file->inode, use, apply);
}

/* ---- names and rights ---------------------------------------------------------------------- */

/* The length alone, which Linux looks at before it looks for the file. */
static int64_t xattr_check_name(const char *name)
{
	size_t size = strlen(name);

	return size == 0 || size > XATTR_NAME_MAX ? -LINUX_ERANGE : 0;
}

static int64_t xattr_check_user(
	const struct credentials *credentials, const struct inode *inode, enum xattr_use use)
{
	bool is_directory = inode_is_directory(inode);

	if (!is_directory && !inode_is_type(inode, LINUX_S_IFREG)) {
		return use == XATTR_CHANGES ? -LINUX_EPERM : -LINUX_ENODATA;
	}
	if (is_directory && (inode->mode & LINUX_S_ISVTX) && use == XATTR_CHANGES &&
		!credentials_owns(credentials, inode)) {
		return -LINUX_EPERM;
	}
	return 0;
}

/* Whether the process may use an attribute of that name at all. */
static int64_t xattr_check_rights(const struct credentials *credentials, struct inode *inode,
	const char *name, enum xattr_use use)
{
	uint32_t access = use == XATTR_CHANGES ? ACCESS_WRITE : ACCESS_READ;
	int64_t error = 0;

	if (str_starts_with(name, LINUX_XATTR_SECURITY)) {
		enum linux_capability needed = str_equal(name, LINUX_XATTR_CAPABILITY)
			? LINUX_CAP_SETFCAP
			: LINUX_CAP_SYS_ADMIN;

		return use == XATTR_CHANGES && !credentials_has(credentials, needed) ? -LINUX_EPERM
										     : 0;
	}
	if (str_starts_with(name, LINUX_XATTR_SYSTEM)) {
		return 0;
	}
	if (str_starts_with(name, LINUX_XATTR_TRUSTED)) {
		if (!credentials_has(credentials, LINUX_CAP_SYS_ADMIN)) {
			return use == XATTR_CHANGES ? -LINUX_EPERM : -LINUX_ENODATA;
		}
	} else if (str_starts_with(name, LINUX_XATTR_USER)) {
		error = xattr_check_user(credentials, inode, use);
	}
	return error < 0 ? error : inode_permission(credentials, inode, access);
}

/* Whether the file system keeps attributes of that name. */
static int64_t xattr_check_kind(const struct inode *inode, const char *name)
{
	static const char *const prefixes[] = { LINUX_XATTR_SECURITY, LINUX_XATTR_TRUSTED };

	if (!(inode->super->flags & SUPER_XATTRS)) {
		return -LINUX_EOPNOTSUPP;
	}
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (str_starts_with(name, prefixes[i])) {
			return name[strlen(prefixes[i])] == '\0' ? -LINUX_EINVAL : 0;
		}
	}
	if (str_starts_with(name, LINUX_XATTR_USER) && (inode->super->flags & SUPER_USER_XATTRS)) {
		return name[strlen(LINUX_XATTR_USER)] == '\0' ? -LINUX_EINVAL : 0;
	}
	return -LINUX_EOPNOTSUPP;
}

static int64_t xattr_check(struct request *request, struct inode *inode, enum xattr_use use)
{
	const char *name = request_path(request, 1);
	int64_t error = xattr_check_rights(&request->process->credentials, inode, name, use);

	return error < 0 ? error : xattr_check_kind(inode, name);
}

/* ---- set ----------------------------------------------------------------------------------- */

static bool xattr_is_capability(const uint8_t *value, size_t size)
{
	uint32_t head;

	if (size < sizeof(head)) {
		return false;
	}
	memcpy(&head, value, sizeof(head));
	head &= LINUX_CAPABILITY_REVISION_MASK;
	return (size == LINUX_CAPABILITY_SIZE_2 && head == LINUX_CAPABILITY_REVISION_2) ||
		(size == LINUX_CAPABILITY_SIZE_3 && head == LINUX_CAPABILITY_REVISION_3);
}

static int64_t xattr_set_apply(struct request *request, struct inode *inode)
{
	const char *name = request_path(request, 1);
	size_t size = (size_t)request->args[3];
	const void *value = request_in(request, 2, NULL);

	if (str_equal(name, LINUX_XATTR_CAPABILITY) && !xattr_is_capability(value, size)) {
		return -LINUX_EINVAL;
	}
	if (acl_is_name(name)) {
		return acl_set(&request->process->credentials, inode, name, value, size);
	}
	int64_t error = xattr_check(request, inode, XATTR_CHANGES);

	return error < 0 ? error : xattr_set(inode, name, value, size, (uint32_t)request->args[4]);
}

static int64_t xattr_set_check_input(struct request *request)
{
	if ((uint32_t)request->args[4] & ~(LINUX_XATTR_CREATE | LINUX_XATTR_REPLACE)) {
		return -LINUX_EINVAL;
	}
	int64_t error = xattr_check_name(request_path(request, 1));

	return error == 0 && request->args[3] > XATTR_SIZE_MAX ? -LINUX_E2BIG : error;
}

int64_t posix_setxattr(struct request *request)
{
	int64_t error = xattr_set_check_input(request);

	return error < 0 ? error
			 : xattr_of_name(request, VFS_FOLLOW, XATTR_CHANGES, xattr_set_apply);
}

int64_t posix_lsetxattr(struct request *request)
{
	int64_t error = xattr_set_check_input(request);

	return error < 0 ? error : xattr_of_name(request, 0, XATTR_CHANGES, xattr_set_apply);
}

int64_t posix_fsetxattr(struct request *request)
{
	int64_t error = xattr_set_check_input(request);

	return error < 0 ? error : xattr_of_fd(request, XATTR_CHANGES, xattr_set_apply);
}

/* ---- get ----------------------------------------------------------------------------------- */

static int64_t xattr_get_apply(struct request *request, struct inode *inode)
{
	size_t room = (size_t)min_u64(request->args[2], XATTR_SIZE_MAX);
	const char *name = request_path(request, 1);
	const void *value;
	int64_t size = 0;

	if (acl_is_name(name)) {
		size = acl_get(inode, name, &value);
	} else {
		size = xattr_check(request, inode, XATTR_READS);
		size = size < 0 ? size : xattr_get(inode, name, &value);
	}
	if (size <= 0 || room == 0) {
		return size;
	}
	if ((size_t)size > room) {
		return -LINUX_ERANGE;
	}
	void *out = request_bulk_buffer(request, (size_t)size);

	if (out == NULL) {
		return -LINUX_ENOMEM;
	}
	memcpy(out, value, (size_t)size);
	return size;
}

int64_t posix_getxattr(struct request *request)
{
	int64_t error = xattr_check_name(request_path(request, 1));

	return error < 0 ? error : xattr_of_name(request, VFS_FOLLOW, XATTR_READS, xattr_get_apply);
}

int64_t posix_lgetxattr(struct request *request)
{
	int64_t error = xattr_check_name(request_path(request, 1));

	return error < 0 ? error : xattr_of_name(request, 0, XATTR_READS, xattr_get_apply);
}

int64_t posix_fgetxattr(struct request *request)
{
	int64_t error = xattr_check_name(request_path(request, 1));

	return error < 0 ? error : xattr_of_fd(request, XATTR_READS, xattr_get_apply);
}

/* ---- list ---------------------------------------------------------------------------------- */

static int64_t xattr_list_apply(struct request *request, struct inode *inode)
{
	bool has_trusted = credentials_has(&request->process->credentials, LINUX_CAP_SYS_ADMIN);
	size_t room = (size_t)min_u64(request->args[1], XATTR_SIZE_MAX);
	char *out = NULL;

	if (inode->xattrs == NULL) {
		return 0;
	}
	if (room > 0) {
		out = request_bulk_buffer(request, room);
		if (out == NULL) {
			return -LINUX_ENOMEM;
		}
	}
	return xattr_list(inode, has_trusted, out, room);
}

int64_t posix_listxattr(struct request *request)
{
	return xattr_of_name(request, VFS_FOLLOW, XATTR_READS, xattr_list_apply);
}

int64_t posix_llistxattr(struct request *request)
{
	return xattr_of_name(request, 0, XATTR_READS, xattr_list_apply);
}

int64_t posix_flistxattr(struct request *request)
{
	return xattr_of_fd(request, XATTR_READS, xattr_list_apply);
}

/* ---- remove -------------------------------------------------------------------------------- */

static int64_t xattr_remove_apply(struct request *request, struct inode *inode)
{
	const char *name = request_path(request, 1);

	if (acl_is_name(name)) {
		return acl_set(&request->process->credentials, inode, name, NULL, 0);
	}
	int64_t error = xattr_check(request, inode, XATTR_CHANGES);

	return error < 0 ? error : xattr_remove(inode, name);
}

int64_t posix_removexattr(struct request *request)
{
	int64_t error = xattr_check_name(request_path(request, 1));

	return error < 0 ? error
			 : xattr_of_name(request, VFS_FOLLOW, XATTR_CHANGES, xattr_remove_apply);
}

int64_t posix_lremovexattr(struct request *request)
{
	int64_t error = xattr_check_name(request_path(request, 1));

	return error < 0 ? error : xattr_of_name(request, 0, XATTR_CHANGES, xattr_remove_apply);
}

int64_t posix_fremovexattr(struct request *request)
{
	int64_t error = xattr_check_name(request_path(request, 1));

	return error < 0 ? error : xattr_of_fd(request, XATTR_CHANGES, xattr_remove_apply);
}
