/* SPDX-License-Identifier: MIT */
/* What all inodes have in common: references, times, permissions. */
#include <abi/linux/errno.h>
#include <abi/linux/xattr.h>
#include <base/assert.h>
#include <base/format.h>
#include <helix/memory.h>
#include <posix/server/file/lock.h>
#include <posix/server/file/views.h>
#include <posix/server/process/process.h>
#include <posix/server/rewrite/text.h>
#include <posix/server/vfs/acl.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/xattr.h>

/* relatime: a read refreshes an atime that is older than this. */
constexpr int64_t ATIME_AGE_MAX_NS = 24 * 3600 * INT64_C(1000000000);

void inode_init(struct inode *inode, const struct inode_ops *ops, struct super *super,
	const struct node_spec *spec)
{
	int64_t now = (int64_t)clock_realtime_ns();

	*inode = (struct inode){
		.ops = ops,
		.super = super,
		.references = 1,
		.mode = spec->mode,
		.uid = spec->uid,
		.gid = spec->gid,
		.nlink = 1,
		.ino = ++super->next_ino,
		.rdev = spec->rdev,
		.atime_ns = now,
		.mtime_ns = now,
		.ctime_ns = now,
		.birth_ns = now,
	};
	list_init(&inode->watches);
	list_init(&inode->views);
}

void inode_ref(struct inode *inode)
{
	ASSERT(inode->references > 0);
	inode->references++;
}

void inode_unref(struct inode *inode)
{
	if (inode == NULL) {
		return;
	}
	ASSERT(inode->references > 0);
	if (--inode->references == 0) {
		lock_list_free(inode);
		xattr_free_all(inode);
		rewritten_text_unref(inode->text);
		inode->ops->release(inode);
	}
}

void inode_get_stat(struct inode *inode, struct inode_stat *out_stat)
{
	views_settle(inode);
	inode->ops->refresh(inode);
	*out_stat = (struct inode_stat){
		.ino = inode->ino,
		.size_bytes = inode->size_bytes,
		.blocks = inode->blocks,
		.rdev = inode->rdev,
		.dev = inode->super->dev,
		.mode = inode->mode,
		.nlink = inode->nlink,
		.uid = inode->uid,
		.gid = inode->gid,
		.block_size = inode->super->block_size,
		.atime_ns = inode->atime_ns,
		.mtime_ns = inode->mtime_ns,
		.ctime_ns = inode->ctime_ns,
	};
}

int64_t inode_contents(struct inode *inode, hel_handle *out_memory, uint64_t *out_size)
{
	if (!inode_is_type(inode, LINUX_S_IFREG)) {
		return -LINUX_EACCES;
	}
	*out_size = inode->size_bytes;
	return inode->ops->contents(inode, inode->size_bytes, out_memory);
}

int64_t inode_read(struct inode *inode, void *buffer, size_t size, uint64_t offset)
{
	return inode->ops->read(inode, buffer, size, offset);
}

/* ---- times --------------------------------------------------------------------------------- */

void inode_touch_changed(struct inode *inode)
{
	views_inode_touched(inode);
	inode->ctime_ns = (int64_t)clock_realtime_ns();
}

void inode_touch_modified(struct inode *inode)
{
	inode_touch_changed(inode);
	inode->mtime_ns = inode->ctime_ns;
}

/* 0: a read at `now` is to be noted. */
static uint64_t inode_quiet_from(const struct inode *inode, int64_t now)
{
	int64_t age = now - inode->atime_ns;

	if (inode->atime_ns <= inode->mtime_ns || inode->atime_ns <= inode->ctime_ns ||
		age >= ATIME_AGE_MAX_NS) {
		return 0;
	}
	return (uint64_t)(ATIME_AGE_MAX_NS - age);
}

uint64_t inode_quiet_ns(const struct inode *inode)
{
	return inode_quiet_from(inode, (int64_t)clock_realtime_ns());
}

void inode_touch_accessed(struct inode *inode)
{
	int64_t now = (int64_t)clock_realtime_ns();

	views_settle(inode);
	if (inode_quiet_from(inode, now) == 0) {
		views_inode_touched(inode);
		inode->atime_ns = now;
	}
}

/* What happened first is noted first: of a read it depends on what was before. */
void inode_note_uses(struct inode *inode, uint64_t written_ns, uint64_t accessed_ns)
{
	int64_t offset_ns = (int64_t)(clock_realtime_ns() - clock_monotonic_ns());
	int64_t written = offset_ns + (int64_t)written_ns;
	int64_t accessed = offset_ns + (int64_t)accessed_ns;

	if (accessed_ns != 0 && accessed_ns <= written_ns &&
		inode_quiet_from(inode, accessed) == 0) {
		inode->atime_ns = accessed;
	}
	if (written_ns != 0) {
		inode->mtime_ns = written;
		inode->ctime_ns = written;
	}
	if (accessed_ns > written_ns && inode_quiet_from(inode, accessed) == 0) {
		inode->atime_ns = accessed;
	}
}

bool inode_has_privileges(const struct inode *inode)
{
	const void *unused;

	return (inode->mode & (LINUX_S_ISUID | LINUX_S_ISGID)) != 0 ||
		(inode->xattrs != NULL && xattr_get(inode, LINUX_XATTR_CAPABILITY, &unused) >= 0);
}

void inode_remove_privileges(struct inode *inode, const struct credentials *credentials)
{
	uint32_t bits = 0;

	xattr_remove_capability(inode);
	if (!inode_is_type(inode, LINUX_S_IFREG) ||
		credentials_has(credentials, LINUX_CAP_FSETID)) {
		return;
	}
	bits |= inode->mode & LINUX_S_ISUID;
	if (inode->mode & LINUX_S_IXGRP) {
		bits |= inode->mode & LINUX_S_ISGID;
	}
	if (bits != 0) {
		inode->mode &= ~bits;
		inode_touch_changed(inode);
	}
}

/* ---- permissions --------------------------------------------------------------------------- */

bool credentials_is_in_group(const struct credentials *credentials, uint32_t gid)
{
	if (credentials->fsgid == gid) {
		return true;
	}
	for (uint32_t i = 0; i < credentials->n_groups; i++) {
		if (credentials->groups[i] == gid) {
			return true;
		}
	}
	return false;
}

bool credentials_owns(const struct credentials *credentials, const struct inode *inode)
{
	return credentials->fsuid == inode->uid || credentials_has(credentials, LINUX_CAP_FOWNER);
}

/* What the mode does not allow. */
static int64_t inode_permission_by_capability(
	const struct credentials *credentials, const struct inode *inode, uint32_t access)
{
	bool is_directory = inode_is_directory(inode);
	uint32_t search = is_directory ? ACCESS_READ | ACCESS_EXECUTE : ACCESS_READ;

	if ((access & ~search) == 0 && credentials_has(credentials, LINUX_CAP_DAC_READ_SEARCH)) {
		return 0;
	}
	if ((access & ACCESS_EXECUTE) && !is_directory && (inode->mode & 0111) == 0) {
		return -LINUX_EACCES;
	}
	return credentials_has(credentials, LINUX_CAP_DAC_OVERRIDE) ? 0 : -LINUX_EACCES;
}

static bool inode_mode_allows(
	const struct credentials *credentials, const struct inode *inode, uint32_t access)
{
	uint32_t mode = inode->mode;

	if (credentials->fsuid == inode->uid) {
		mode >>= 6;
	} else if ((mode >> 3 & 7) != (mode & 7) &&
		credentials_is_in_group(credentials, inode->gid)) {
		mode >>= 3;
	}
	return (access & ~mode & 7) == 0;
}

int64_t inode_permission(
	const struct credentials *credentials, struct inode *inode, uint32_t access)
{
	int64_t error = -LINUX_ENODATA;

	if (credentials->fsuid != inode->uid) {
		error = acl_check(credentials, inode, access);
	}
	if (error == 0 ||
		(error == -LINUX_ENODATA && inode_mode_allows(credentials, inode, access))) {
		return 0;
	}
	return inode_permission_by_capability(credentials, inode, access);
}

/* ---- programs and writers ------------------------------------------------------------------ */

int64_t inode_begin_writing(struct inode *inode)
{
	if (inode->n_executors > 0) {
		return -LINUX_ETXTBSY;
	}
	rewritten_text_unref(inode->text);
	inode->text = NULL;
	inode->n_writers++;
	return 0;
}

void inode_end_writing(struct inode *inode)
{
	ASSERT(inode->n_writers > 0);
	inode->n_writers--;
}

int64_t inode_deny_writing(struct inode *inode)
{
	if (inode->n_writers > 0) {
		return -LINUX_ETXTBSY;
	}
	inode->n_executors++;
	return 0;
}

void inode_deny_writing_again(struct inode *inode)
{
	ASSERT(inode->n_executors > 0);
	inode->n_executors++;
}

void inode_allow_writing(struct inode *inode)
{
	ASSERT(inode->n_executors > 0);
	inode->n_executors--;
}

/* ---- defaults ------------------------------------------------------------------------------ */

int64_t inode_default_lookup(UNUSED struct inode *directory, UNUSED struct dentry *dentry)
{
	return -LINUX_ENOENT;
}

int64_t inode_default_create(UNUSED struct inode *directory, UNUSED struct dentry *dentry,
	UNUSED const struct node_spec *spec, UNUSED const char *target)
{
	return -LINUX_EPERM;
}

int64_t inode_default_link(
	UNUSED struct inode *directory, UNUSED struct dentry *dentry, UNUSED struct inode *inode)
{
	return -LINUX_EPERM;
}

int64_t inode_default_unlink(UNUSED struct inode *directory, UNUSED struct dentry *dentry)
{
	return -LINUX_EPERM;
}

int64_t inode_default_rename(UNUSED struct inode *from_directory, UNUSED struct dentry *from,
	UNUSED struct inode *to_directory, UNUSED struct dentry *to, UNUSED uint32_t flags)
{
	return -LINUX_EPERM;
}

int64_t inode_default_follow(UNUSED struct inode *inode, UNUSED struct process *process,
	UNUSED struct link_target *out_target)
{
	return -LINUX_EINVAL;
}

int64_t inode_default_open(
	UNUSED struct inode *inode, UNUSED struct file *file, UNUSED struct request *request)
{
	return -LINUX_ENXIO;
}

int64_t inode_default_truncate(UNUSED struct inode *inode, UNUSED uint64_t size)
{
	return -LINUX_EINVAL;
}

int64_t inode_default_change(struct inode *inode, const struct inode_change *change)
{
	views_inode_changed(inode); /* what they know of times was before */
	if (change->mask & INODE_CHANGE_MODE) {
		inode->mode = (inode->mode & LINUX_S_IFMT) | (change->mode & 07777);
	}
	if (change->mask & INODE_CHANGE_UID) {
		inode->uid = change->uid;
	}
	if (change->mask & INODE_CHANGE_GID) {
		inode->gid = change->gid;
	}
	if (change->mask & INODE_CHANGE_ATIME) {
		inode->atime_ns = change->atime_ns;
	}
	if (change->mask & INODE_CHANGE_MTIME) {
		inode->mtime_ns = change->mtime_ns;
	}
	inode_touch_changed(inode);
	return 0;
}

void inode_default_refresh(UNUSED struct inode *inode)
{
}

int64_t inode_default_contents(
	UNUSED struct inode *inode, UNUSED uint64_t size_needed, UNUSED hel_handle *out_memory)
{
	return -LINUX_ENODEV;
}

void inode_default_contents_mapped(UNUSED struct inode *inode)
{
}

int64_t inode_default_room(
	UNUSED struct inode *inode, UNUSED uint64_t *out_start, UNUSED uint64_t *out_end)
{
	return -LINUX_ENODEV;
}

int64_t inode_default_window(
	UNUSED struct inode *inode, UNUSED hel_handle *out_memory, UNUSED uint64_t *out_size)
{
	return -LINUX_ENODEV;
}

int64_t inode_default_read(
	UNUSED struct inode *inode, UNUSED void *buffer, UNUSED size_t size, UNUSED uint64_t offset)
{
	return -LINUX_EINVAL;
}
