/* SPDX-License-Identifier: MIT */
/* Extended attributes of files on disks; see disk-xattr.h. */
#include <abi/linux/errno.h>
#include <abi/linux/xattr.h>
#include <base/errors.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/fs/disk-xattr.h>
#include <posix/server/vfs/acl.h>
#include <posix/server/vfs/xattr.h>

/* What one block of a file system can hold, and the most that there may be. */
constexpr size_t USUAL_BYTES = KIB(8);
constexpr size_t MOST_BYTES = 2 * FS_LIMITS_MESSAGE_BYTES_MAX;

/* What the disk says of an access control list was checked by nobody. */
static int64_t xattr_keep(
	struct disk_inode *node, const char *name, const struct bragi_bytes *value)
{
	if (acl_is_name(name) && disk_of(node)->is_shared) {
		return 0; /* the host's users are not ours */
	}
	if (acl_is_name(name)) {
		switch (acl_judge(name, value->data, value->size)) {
		case ACL_USELESS: return 0;
		case ACL_INVALID: return -LINUX_EUCLEAN;
		default: break;
		}
	}
	return xattr_learn(&node->inode, name, value->data, value->size);
}

static int64_t xattr_load(
	struct disk_call *call, struct disk_inode *node, const char *name, int *out_result)
{
	struct fs_get_xattr_request request;
	struct fs_get_xattr_reply reply;

	disk_call_again(call);
	fs_get_xattr_request_init(&request);
	request.node = node->id;
	request.name = bragi_string_of(name);
	*out_result = fs_session_get_xattr(call->task, DISK_CLIENT(call), &request, &reply);
	if (*out_result == FS_ERROR_NO_ATTRIBUTE) {
		*out_result = 0; /* one that only the file system itself can read */
		return 0;
	}
	return *out_result == 0 ? xattr_keep(node, name, &reply.value) : 0;
}

/* The names of the reply, copied: the buffer is used for the values. */
static int64_t names_read(struct disk_call *call, struct disk_inode *node, char **out_names,
	size_t *out_size, int *out_result)
{
	struct fs_list_xattrs_request request;
	struct fs_list_xattrs_reply reply;

	fs_list_xattrs_request_init(&request);
	request.node = node->id;
	*out_result = fs_session_list_xattrs(call->task, DISK_CLIENT(call), &request, &reply);
	if (*out_result != 0 || reply.names.size == 0) {
		*out_size = 0;
		return 0;
	}
	if (((const char *)reply.names.data)[reply.names.size - 1] != '\0') {
		return -LINUX_EUCLEAN;
	}
	*out_names = helix_malloc(reply.names.size);
	if (*out_names == NULL) {
		return -LINUX_ENOMEM;
	}
	memcpy(*out_names, reply.names.data, reply.names.size);
	*out_size = reply.names.size;
	return 0;
}

static int64_t xattrs_load(struct disk_inode *node, size_t n_bytes, int *out_result)
{
	struct disk_call call;
	char *names = NULL;
	size_t size = 0;
	int64_t error = disk_call_begin_long(&call, disk_of(node), n_bytes);

	if (error < 0) {
		return error;
	}
	error = names_read(&call, node, &names, &size, out_result);
	for (size_t at = 0; at < size && error == 0 && *out_result == 0;) {
		size_t length = strlen(names + at);

		if (length > 0 && length <= XATTR_NAME_MAX) {
			error = xattr_load(&call, node, names + at, out_result);
		}
		at += length + 1;
	}
	helix_free(names);
	(void)disk_call_end(&call, 0);
	return error;
}

int64_t disk_xattrs_load(struct disk_inode *node, bool are_there)
{
	int result = 0;
	int64_t error;

	if (node->has_xattrs) {
		return 0;
	}
	if (are_there) {
		error = xattrs_load(node, USUAL_BYTES, &result);
		if (error == 0 && result == -ERR_BUFFER_TOO_SMALL) {
			error = xattrs_load(node, MOST_BYTES, &result);
		}
		if (error < 0 || result != 0) {
			return error < 0 ? error : fs_errno(result);
		}
	}
	node->has_xattrs = true;
	return 0;
}

/* ---- changing -------------------------------------------------------------------------------- */

static int64_t xattr_write(
	struct disk_inode *node, const char *name, const void *value, size_t size, uint32_t flags)
{
	struct fs_set_xattr_request request;
	struct fs_set_xattr_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin_long(&call, disk_of(node), size + DISK_CALL_BYTES);

	if (error < 0) {
		return error;
	}
	fs_set_xattr_request_init(&request);
	request.node = node->id;
	request.name = bragi_string_of(name);
	request.value = (struct bragi_bytes){ .data = value, .size = (uint32_t)size };
	request.mode = (flags & LINUX_XATTR_CREATE) ? FS_XATTR_MODE_CREATE
		: (flags & LINUX_XATTR_REPLACE)     ? FS_XATTR_MODE_REPLACE
						    : FS_XATTR_MODE_ANY;
	return disk_call_end(
		&call, fs_session_set_xattr(call.task, DISK_CLIENT(&call), &request, &reply));
}

static int64_t xattr_erase(struct disk_inode *node, const char *name)
{
	struct fs_remove_xattr_request request;
	struct fs_remove_xattr_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	fs_remove_xattr_request_init(&request);
	request.node = node->id;
	request.name = bragi_string_of(name);
	return disk_call_end(
		&call, fs_session_remove_xattr(call.task, DISK_CLIENT(&call), &request, &reply));
}

int64_t disk_store_xattr(
	struct inode *inode, const char *name, const void *value, size_t size, uint32_t flags)
{
	struct disk_inode *node = disk_inode_of(inode);

	if (acl_is_name(name) && disk_of(node)->is_shared) {
		return -LINUX_EOPNOTSUPP;
	}
	return value != NULL ? xattr_write(node, name, value, size, flags)
			     : xattr_erase(node, name);
}
