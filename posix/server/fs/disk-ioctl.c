/* SPDX-License-Identifier: MIT */
/* ioctls of files and directories on disks: see disk-ioctl.h. */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <posix/server/fs/disk-ioctl.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/mount.h>

/* ---- flags ----------------------------------------------------------------------------------- */

static int64_t flags_check(const struct file *file, const struct request *request, uint32_t flags)
{
	const struct inode *inode = file->inode;
	uint32_t changed = disk_inode_of(file->inode)->flags ^ flags;
	const struct credentials *credentials;

	if (request == NULL || mount_may_write(&file->path) < 0) {
		return -LINUX_EROFS;
	}
	credentials = &request->process->credentials;
	if (!credentials_owns(credentials, inode)) {
		return -LINUX_EACCES;
	}
	if ((changed & (LINUX_FS_IMMUTABLE_FL | LINUX_FS_APPEND_FL)) != 0 &&
		!credentials_has(credentials, LINUX_CAP_LINUX_IMMUTABLE)) {
		return -LINUX_EPERM;
	}
	if ((changed & LINUX_FS_JOURNAL_DATA_FL) != 0 &&
		!credentials_has(credentials, LINUX_CAP_SYS_RESOURCE)) {
		return -LINUX_EPERM;
	}
	return 0;
}

static int64_t flags_set(struct file *file, const struct request *request, uint32_t flags)
{
	struct disk_inode *node = disk_inode_of(file->inode);
	struct fs_set_attributes_request set;
	struct fs_set_attributes_reply reply;
	struct disk_call call;
	int64_t error = flags_check(file, request, flags);

	if (error == 0) {
		error = disk_call_begin(&call, disk_of(node));
	}
	if (error < 0) {
		return error;
	}
	fs_set_attributes_request_init(&set);
	set.node = node->id;
	set.what = FS_SET_FLAGS;
	set.attributes.flags = flags;
	error = disk_call_end(
		&call, fs_session_set_attributes(call.task, DISK_CLIENT(&call), &set, &reply));
	if (error == 0) {
		node->flags = reply.attributes.flags;
		inode_touch_changed(&node->inode);
	}
	return error;
}

static struct linux_fsxattr fsxattr_of(const struct disk_inode *node)
{
	static const struct {
		uint32_t flag, xflag;
	} pairs[] = {
		{ LINUX_FS_SYNC_FL, LINUX_FS_XFLAG_SYNC },
		{ LINUX_FS_IMMUTABLE_FL, LINUX_FS_XFLAG_IMMUTABLE },
		{ LINUX_FS_APPEND_FL, LINUX_FS_XFLAG_APPEND },
		{ LINUX_FS_NODUMP_FL, LINUX_FS_XFLAG_NODUMP },
		{ LINUX_FS_NOATIME_FL, LINUX_FS_XFLAG_NOATIME },
		{ LINUX_FS_PROJINHERIT_FL, LINUX_FS_XFLAG_PROJINHERIT },
	};
	struct linux_fsxattr result = { .project = node->project };

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		result.xflags |= (node->flags & pairs[i].flag) ? pairs[i].xflag : 0;
	}
	return result;
}

/* ---- what is where --------------------------------------------------------------------------- */

static uint32_t extent_flags(enum fs_extent_kind kind)
{
	switch (kind) {
	case FS_EXTENT_KIND_UNWRITTEN: return LINUX_FIEMAP_EXTENT_UNWRITTEN;
	case FS_EXTENT_KIND_DELAYED:
		return LINUX_FIEMAP_EXTENT_DELALLOC | LINUX_FIEMAP_EXTENT_UNKNOWN;
	case FS_EXTENT_KIND_INLINE:
		return LINUX_FIEMAP_EXTENT_DATA_INLINE | LINUX_FIEMAP_EXTENT_NOT_ALIGNED;
	default: return 0;
	}
}

/* The first extent that is no hole, from @offset on; -LINUX_ENOENT: there is none. */
static int64_t extent_find(
	struct disk_inode *node, uint64_t offset, struct linux_fiemap_extent *out_extent)
{
	struct fs_map_reply extent;

	for (;; offset = extent.offset + extent.length) {
		int64_t error = disk_map(node, offset, &extent);

		if (error < 0) {
			return error;
		}
		if (extent.kind != FS_EXTENT_KIND_HOLE) {
			break;
		}
	}
	*out_extent = (struct linux_fiemap_extent){
		.logical = extent.offset,
		.physical = extent.kind == FS_EXTENT_KIND_DELAYED ? 0 : extent.place,
		.length = extent.length,
		.flags = extent_flags(extent.kind),
	};
	return 0;
}

/* As many as there is room for, or only their number; the one behind the last is looked at, too. */
static int64_t fiemap_fill(struct disk_inode *node, struct linux_fiemap *map, uint32_t n_max)
{
	uint64_t end =
		map->length < UINT64_MAX - map->start ? map->start + map->length : UINT64_MAX;
	struct linux_fiemap_extent extent, next;
	int64_t found = extent_find(node, map->start, &extent);
	bool is_counting = map->n_extents == 0;

	map->n_mapped = 0;
	while (found == 0 && extent.logical < end && (is_counting || map->n_mapped < n_max)) {
		found = extent_find(node, extent.logical + extent.length, &next);
		if (found == -LINUX_ENOENT) {
			extent.flags |= LINUX_FIEMAP_EXTENT_LAST;
		}
		if (!is_counting) {
			map->extents[map->n_mapped] = extent;
		}
		map->n_mapped++;
		extent = next;
	}
	return found == -LINUX_ENOENT ? 0 : found;
}

static int64_t fiemap(struct disk_inode *node, void *buffer, size_t size)
{
	struct linux_fiemap *map = buffer;
	uint64_t n_max = (size - sizeof(*map)) / sizeof(map->extents[0]);

	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	if ((map->flags & ~(uint32_t)LINUX_FIEMAP_FLAG_SYNC) != 0) {
		return -LINUX_EBADR;
	}
	if (map->length == 0) {
		return -LINUX_EINVAL;
	}
	if ((map->flags & LINUX_FIEMAP_FLAG_SYNC) != 0) {
		int64_t error = disk_sync_node(node, true);

		if (error < 0) {
			return error;
		}
	}
	return fiemap_fill(node, map, (uint32_t)min_u64(map->n_extents, n_max));
}

int64_t disk_ioctl(
	struct file *file, struct request *request, uint32_t command, void *buffer, size_t size)
{
	struct disk_inode *node = disk_inode_of(file->inode);
	uint32_t value;

	if (disk_of(node)->is_shared) {
		return -LINUX_ENOTTY;
	}
	switch (command) {
	case LINUX_FS_IOC_GETFLAGS:
	case LINUX_FS_IOC_GETVERSION:
		value = command == LINUX_FS_IOC_GETFLAGS ? node->flags : node->inode.generation;
		if (size < sizeof(value)) {
			return -LINUX_EINVAL;
		}
		memcpy(buffer, &value, sizeof(value));
		return 0;
	case LINUX_FS_IOC_SETFLAGS:
		if (size < sizeof(value)) {
			return -LINUX_EINVAL;
		}
		memcpy(&value, buffer, sizeof(value));
		return flags_set(file, request, value);
	case LINUX_FS_IOC_FSGETXATTR:
		if (size < sizeof(struct linux_fsxattr)) {
			return -LINUX_EINVAL;
		}
		*(struct linux_fsxattr *)buffer = fsxattr_of(node);
		return 0;
	case LINUX_FS_IOC_FIEMAP:
		if (size < sizeof(struct linux_fiemap) ||
			!inode_is_type(file->inode, LINUX_S_IFREG)) {
			return -LINUX_EOPNOTSUPP;
		}
		return fiemap(node, buffer, size);
	default: return -LINUX_ENOTTY;
	}
}
