/* SPDX-License-Identifier: MIT */
/* Calls that change inodes: chmod, chown, utimensat, truncate. */
#include <base/string.h>
#include <posix/server/vfs/acl.h>
#include <posix/server/vfs/call.h>
#include <posix/server/vfs/xattr.h>

constexpr int64_t UTIME_NOW = (1l << 30) - 1;
constexpr int64_t UTIME_OMIT = (1l << 30) - 2;
constexpr uint32_t ID_UNCHANGED = UINT32_MAX;

/* Applies a change to what a name or a descriptor means. */
typedef int64_t (*attribute_fn)(struct request *request, struct inode *inode);

static int64_t attribute_of_path(
	struct request *request, const struct path *path, uint32_t event, attribute_fn apply)
{
	struct inode *inode = path->dentry->inode;
	int64_t error = mount_may_write(path);

	if (error < 0) {
		return error;
	}
	inode->ops->refresh(inode);
	error = apply(request, inode);
	if (error == 0) {
		notify_dentry(path->dentry, event);
	}
	return error;
}

static int64_t attribute_of_fd(
	struct request *request, uint64_t fd, uint32_t event, attribute_fn apply)
{
	struct file *file = file_of_fd(request, fd);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (file->path.dentry != NULL) {
		return attribute_of_path(request, &file->path, event, apply);
	}
	return apply(request, file->inode);
}

static int64_t attribute_of_name(struct request *request, uint64_t dirfd, const char *name,
	uint32_t flags, uint32_t event, attribute_fn apply)
{
	struct path path;
	int64_t error = call_lookup(request, dirfd, name, flags, &path);

	if (error == 0) {
		error = attribute_of_path(request, &path, event, apply);
		path_unref(&path);
	}
	return error;
}

/* ---- chmod --------------------------------------------------------------------------------- */

static int64_t change_mode(struct request *request, struct inode *inode, uint32_t mode)
{
	const struct credentials *credentials = &request->process->credentials;

	if (inode_is_type(inode, LINUX_S_IFLNK)) {
		return -LINUX_EOPNOTSUPP;
	}
	if (!credentials_owns(credentials, inode)) {
		return -LINUX_EPERM;
	}
	if ((mode & LINUX_S_ISGID) && !credentials_is_in_group(credentials, inode->gid) &&
		!credentials_has(credentials, LINUX_CAP_FSETID)) {
		mode &= ~LINUX_S_ISGID;
	}
	int64_t error = inode->ops->change(
		inode, &(struct inode_change){ .mask = INODE_CHANGE_MODE, .mode = mode });

	return error < 0 ? error : acl_follow_mode(inode, mode);
}

static int64_t fchmod_apply(struct request *request, struct inode *inode)
{
	return change_mode(request, inode, (uint32_t)request->args[1] & 07777);
}

static int64_t fchmodat_apply(struct request *request, struct inode *inode)
{
	return change_mode(request, inode, (uint32_t)request->args[2] & 07777);
}

int64_t posix_fchmod(struct request *request)
{
	return attribute_of_fd(request, request->args[0], LINUX_IN_ATTRIB, fchmod_apply);
}

int64_t posix_fchmodat(struct request *request)
{
	return attribute_of_name(request, request->args[0], request_path(request, 1), 0,
		LINUX_IN_ATTRIB, fchmodat_apply);
}

/* ---- chown --------------------------------------------------------------------------------- */

static int64_t change_owner_allowed(const struct credentials *credentials,
	const struct inode *inode, uint32_t uid, uint32_t gid)
{
	if (credentials_has(credentials, LINUX_CAP_CHOWN)) {
		return 0;
	}
	if (uid != ID_UNCHANGED && (credentials->fsuid != inode->uid || uid != inode->uid)) {
		return -LINUX_EPERM;
	}
	if (gid != ID_UNCHANGED &&
		(credentials->fsuid != inode->uid ||
			(gid != inode->gid && !credentials_is_in_group(credentials, gid)))) {
		return -LINUX_EPERM;
	}
	return 0;
}

static int64_t change_owner(
	struct request *request, struct inode *inode, uint32_t uid, uint32_t gid)
{
	struct inode_change change = { .uid = uid, .gid = gid, .mode = inode->mode };
	int64_t error = change_owner_allowed(&request->process->credentials, inode, uid, gid);

	if (error < 0) {
		return error;
	}
	change.mask |= uid != ID_UNCHANGED ? INODE_CHANGE_UID : 0;
	change.mask |= gid != ID_UNCHANGED ? INODE_CHANGE_GID : 0;
	if (!inode_is_directory(inode)) {
		/* a set-id program does not change hands */
		xattr_remove_capability(inode);
		change.mode &= ~LINUX_S_ISUID;
		if (inode->mode & LINUX_S_IXGRP) {
			change.mode &= ~LINUX_S_ISGID;
		}
		if (change.mode != inode->mode) {
			change.mask |= INODE_CHANGE_MODE;
		}
	}
	return inode->ops->change(inode, &change);
}

static int64_t fchown_apply(struct request *request, struct inode *inode)
{
	return change_owner(request, inode, (uint32_t)request->args[1], (uint32_t)request->args[2]);
}

static int64_t fchownat_apply(struct request *request, struct inode *inode)
{
	return change_owner(request, inode, (uint32_t)request->args[2], (uint32_t)request->args[3]);
}

int64_t posix_fchown(struct request *request)
{
	return attribute_of_fd(request, request->args[0], LINUX_IN_ATTRIB, fchown_apply);
}

int64_t posix_fchownat(struct request *request)
{
	uint32_t flags = (uint32_t)request->args[4];

	if (flags & ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH)) {
		return -LINUX_EINVAL;
	}
	return attribute_of_name(request, request->args[0], request_path(request, 1), flags,
		LINUX_IN_ATTRIB, fchownat_apply);
}

/* ---- times --------------------------------------------------------------------------------- */

struct time_change {
	struct linux_timespec times[2];
	bool has_times;
};

/* The payload of POSIX_UTIMENSAT: the path if there is one, then the two times if there are. */
static int64_t time_change_decode(struct request *request, struct time_change *out_change)
{
	size_t size;
	const uint8_t *payload = request_in(request, 0, &size);
	size_t offset = 0;

	out_change->has_times = request->args[3] != 0;
	if (!out_change->has_times) {
		return 0;
	}
	if (request->args[2] != 0) {
		offset = align_up_size(strlen(request_path(request, 0)) + 1, 8);
	}
	if (offset > size || size - offset < sizeof(out_change->times)) {
		return -LINUX_EINVAL;
	}
	memcpy(out_change->times, payload + offset, sizeof(out_change->times));
	for (unsigned i = 0; i < 2; i++) {
		int64_t ns = out_change->times[i].nanoseconds;

		if (ns != UTIME_NOW && ns != UTIME_OMIT && (ns < 0 || ns > 999999999)) {
			return -LINUX_EINVAL;
		}
	}
	return 0;
}

static int64_t time_value(const struct linux_timespec *time, int64_t now)
{
	int64_t ns;

	if (time->nanoseconds == UTIME_NOW) {
		return now;
	}
	if (__builtin_mul_overflow(time->seconds, INT64_C(1000000000), &ns) ||
		__builtin_add_overflow(ns, time->nanoseconds, &ns)) {
		return time->seconds < 0 ? INT64_MIN : INT64_MAX;
	}
	return ns;
}

static int64_t utimensat_apply(struct request *request, struct inode *inode)
{
	const struct credentials *credentials = &request->process->credentials;
	int64_t now = (int64_t)clock_realtime_ns();
	struct inode_change change = {
		.mask = INODE_CHANGE_ATIME | INODE_CHANGE_MTIME, .atime_ns = now, .mtime_ns = now
	};
	struct time_change wanted;
	bool is_now = true;
	int64_t error = time_change_decode(request, &wanted);

	if (error < 0) {
		return error;
	}
	if (wanted.has_times) {
		is_now = wanted.times[0].nanoseconds == UTIME_NOW &&
			wanted.times[1].nanoseconds == UTIME_NOW;
		change.atime_ns = time_value(&wanted.times[0], now);
		change.mtime_ns = time_value(&wanted.times[1], now);
		change.mask &=
			wanted.times[0].nanoseconds == UTIME_OMIT ? ~INODE_CHANGE_ATIME : ~0u;
		change.mask &=
			wanted.times[1].nanoseconds == UTIME_OMIT ? ~INODE_CHANGE_MTIME : ~0u;
		if (change.mask == 0) {
			return 0;
		}
	}
	if (!credentials_owns(credentials, inode)) {
		if (!is_now) {
			return -LINUX_EPERM;
		}
		error = inode_permission(credentials, inode, ACCESS_WRITE);
	}
	return error < 0 ? error : inode->ops->change(inode, &change);
}

/* What watchers hear: a read or a write touches one of the times as well. */
static uint32_t utimensat_event(struct request *request)
{
	struct time_change change;

	if (time_change_decode(request, &change) < 0 || !change.has_times) {
		return LINUX_IN_ATTRIB;
	}
	if (change.times[0].nanoseconds == UTIME_OMIT) {
		return LINUX_IN_MODIFY;
	}
	return change.times[1].nanoseconds == UTIME_OMIT ? LINUX_IN_ACCESS : LINUX_IN_ATTRIB;
}

int64_t posix_utimensat(struct request *request)
{
	uint32_t flags = (uint32_t)request->args[1];
	uint32_t event = utimensat_event(request);

	if (flags & ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH)) {
		return -LINUX_EINVAL;
	}
	if (request->args[2] == 0) {
		if ((int)(uint32_t)request->args[0] == LINUX_AT_FDCWD) {
			return -LINUX_EFAULT;
		}
		return flags != 0
			? -LINUX_EINVAL
			: attribute_of_fd(request, request->args[0], event, utimensat_apply);
	}
	return attribute_of_name(
		request, request->args[0], request_path(request, 0), flags, event, utimensat_apply);
}

/* ---- truncate ------------------------------------------------------------------------------ */

static int64_t truncate_apply(struct request *request, struct inode *inode)
{
	uint64_t size = request->args[1];

	if (inode_is_directory(inode)) {
		return -LINUX_EISDIR;
	}
	if (!inode_is_type(inode, LINUX_S_IFREG)) {
		return -LINUX_EINVAL;
	}
	int64_t error = inode_permission(&request->process->credentials, inode, ACCESS_WRITE);

	if (error == 0 && inode->n_executors > 0) {
		error = -LINUX_ETXTBSY;
	}
	if (error == 0 && size > inode->size_bytes) {
		error = file_check_size_limit(request, size - 1);
	}
	if (error == 0) {
		error = inode->ops->truncate(inode, size);
	}
	if (error == 0) {
		inode_remove_privileges(inode, &request->process->credentials);
	}
	return error;
}

int64_t posix_truncate(struct request *request)
{
	if ((int64_t)request->args[1] < 0) {
		return -LINUX_EINVAL;
	}
	return attribute_of_name(request, (uint64_t)(int64_t)LINUX_AT_FDCWD,
		request_path(request, 0), 0, LINUX_IN_MODIFY, truncate_apply);
}
