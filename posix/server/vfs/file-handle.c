/* SPDX-License-Identifier: MIT */
/* File handles, and the calls that give and take them; see file-handle.h. */
#include <base/hash.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/vfs/call.h>
#include <posix/server/vfs/file-handle.h>
#include <posix/server/vfs/mount.h>
#include <posix/server/vfs/open.h>
#include <protocols/posix/wire.h>

constexpr size_t HANDLE_BUCKETS = 16; /* to begin with */
constexpr int32_t HANDLE_TYPE = 1;    /* the only one: an inode and its file system */

/* What a handle of HANDLE_TYPE consists of. */
struct PACKED handle_bytes {
	uint64_t ino;
	uint32_t dev;
	uint32_t generation;
};
static_assert(sizeof(struct handle_bytes) <= POSIX_FILE_HANDLE_MAX);

struct handle {
	struct hash_node node;
	struct dentry *dentry; /* not referenced: it says when it goes */
};

static struct hash_node **handle_allocate_buckets(UNUSED struct hash_table *table, size_t n_buckets)
{
	return helix_malloc(n_buckets * sizeof(struct hash_node *));
}

static void handle_release_buckets(
	UNUSED struct hash_table *table, struct hash_node **buckets, UNUSED size_t n_buckets)
{
	helix_free(buckets);
}

static struct hash_table handles;
static const struct hash_table_hooks handles_hooks = {
	.allocate = handle_allocate_buckets,
	.release = handle_release_buckets,
};

static struct handle_bytes bytes_of(const struct dentry *dentry)
{
	return (struct handle_bytes){
		.ino = dentry->inode->ino,
		.dev = (uint32_t)dentry->super->dev,
		.generation = dentry->inode->generation,
	};
}

static uint64_t handle_hash(const struct handle_bytes *bytes)
{
	return hash_combine(hash_u64(bytes->ino), bytes->dev);
}

static bool handle_equal(const struct hash_node *node, const void *key)
{
	const struct handle *handle = container_of(node, struct handle, node);
	const struct handle_bytes *wanted = key;
	const struct handle_bytes bytes = bytes_of(handle->dentry);

	return bytes.ino == wanted->ino && bytes.dev == wanted->dev &&
		bytes.generation == wanted->generation;
}

static struct handle *handle_find(const struct handle_bytes *bytes)
{
	struct hash_node *node = handles.buckets == NULL
		? NULL
		: hash_table_find(&handles, handle_hash(bytes), handle_equal, bytes);

	return node == NULL ? NULL : container_of(node, struct handle, node);
}

/* The table gets memory when the first handle is wanted. */
static int64_t handle_create(struct dentry *dentry, const struct handle_bytes *bytes)
{
	if (handles.buckets == NULL) {
		struct hash_node **buckets = handle_allocate_buckets(&handles, HANDLE_BUCKETS);

		if (buckets == NULL) {
			return -LINUX_ENOMEM;
		}
		hash_table_init(&handles, buckets, HANDLE_BUCKETS, &handles_hooks);
	}
	struct handle *handle = helix_malloc(sizeof(*handle));

	if (handle == NULL) {
		return -LINUX_ENOMEM;
	}
	*handle = (struct handle){ .dentry = dentry };
	hash_table_insert(&handles, &handle->node, handle_hash(bytes));
	dentry->has_handle = true;
	return 0;
}

void file_handle_forget(struct dentry *dentry)
{
	const struct handle_bytes bytes = bytes_of(dentry);
	struct handle *handle = handle_find(&bytes);

	dentry->has_handle = false;
	hash_table_remove(&handles, &handle->node);
	helix_free(handle);
}

/* ---- the calls ------------------------------------------------------------------------------- */

/* A dentry without a name has no way back; Linux' handle of such a file is stale at once. */
static int64_t handle_of(struct dentry *dentry, struct handle_bytes *out_bytes)
{
	if ((dentry->super->flags & SUPER_PINNED) == 0 && dentry->super->ops->find == NULL) {
		return -LINUX_EOPNOTSUPP;
	}
	*out_bytes = bytes_of(dentry);
	if ((!dentry->is_hashed && dentry->parent != NULL) || handle_find(out_bytes) != NULL) {
		return 0;
	}
	return handle_create(dentry, out_bytes);
}

int64_t posix_name_to_handle_at(struct request *request)
{
	uint32_t flags = (uint32_t)request->args[1];
	uint32_t at_flags = flags & LINUX_AT_EMPTY_PATH;
	struct posix_file_handle *out = request_out(request, 0, NULL);
	struct handle_bytes bytes;
	struct path path;

	if ((flags & ~(LINUX_AT_SYMLINK_FOLLOW | LINUX_AT_EMPTY_PATH)) != 0) {
		return -LINUX_EINVAL;
	}
	if (out == NULL) {
		return -LINUX_ENOMEM;
	}
	if ((flags & LINUX_AT_SYMLINK_FOLLOW) == 0) {
		at_flags |= LINUX_AT_SYMLINK_NOFOLLOW;
	}
	int64_t error =
		call_lookup(request, request->args[0], request_path(request, 0), at_flags, &path);

	if (error < 0) {
		return error;
	}
	error = handle_of(path.dentry, &bytes);
	*out = (struct posix_file_handle){
		.n_bytes = sizeof(bytes),
		.type = HANDLE_TYPE,
		.mount_id = (int32_t)path.mount->id,
	};
	memcpy(out->bytes, &bytes, sizeof(bytes));
	path_unref(&path);
	return error;
}

static int64_t mount_of_fd(struct request *request, uint64_t fd, struct path *out_path)
{
	return call_lookup(request, fd, "", LINUX_AT_EMPTY_PATH, out_path);
}

/*
 * A file whose name is not in the cache: a place of its own, which has no way back. A directory
 * needs one.
 */
static int64_t handle_find_file(
	struct super *super, const struct handle_bytes *bytes, struct dentry **out_dentry)
{
	struct inode *inode;
	int64_t error = super->ops->find == NULL || bytes->dev != (uint32_t)super->dev
		? -LINUX_ESTALE
		: super->ops->find(super, bytes->ino, bytes->generation, &inode);

	if (error < 0) {
		return error;
	}
	*out_dentry = inode_is_directory(inode) ? NULL : dentry_create_root(super, inode, "");
	error = *out_dentry != NULL ? 0 : inode_is_directory(inode) ? -LINUX_ESTALE : -LINUX_ENOMEM;
	inode_unref(inode);
	return error;
}

/* The place that a handle means, in the mount that @path is in and is replaced by. */
static int64_t handle_find_place(const struct handle_bytes *bytes, int32_t type, struct path *path)
{
	const struct handle *handle = type == HANDLE_TYPE ? handle_find(bytes) : NULL;
	struct super *super = path->mount->super;
	struct dentry *dentry;

	if (handle != NULL && handle->dentry->super == super) {
		dentry = handle->dentry;
		dentry_ref(dentry);
	} else if (handle != NULL || type != HANDLE_TYPE) {
		return -LINUX_ESTALE;
	} else {
		int64_t error = handle_find_file(super, bytes, &dentry);

		if (error < 0) {
			return error;
		}
	}
	dentry_unref(path->dentry);
	path->dentry = dentry;
	return 0;
}

int64_t posix_open_by_handle_at(struct request *request)
{
	uint32_t flags = (uint32_t)request->args[1];
	const struct process *process = request->process;
	struct handle_bytes bytes;
	struct file *file;
	struct path path;
	size_t size;
	const void *in = request_in(request, 0, &size);

	if (!credentials_has(&process->credentials, LINUX_CAP_DAC_READ_SEARCH)) {
		return -LINUX_EPERM;
	}
	if (in == NULL || size == 0 || size > POSIX_FILE_HANDLE_MAX) {
		return -LINUX_EINVAL;
	}
	int64_t error = mount_of_fd(request, request->args[0], &path);

	if (error < 0) {
		return error;
	}
	error = -LINUX_ESTALE;
	if (size >= sizeof(bytes)) {
		memcpy(&bytes, in, sizeof(bytes));
		error = handle_find_place(&bytes, (int32_t)request->args[2], &path);
	}
	if (error == 0) {
		error = open_path(request->process, &path, flags, &file);
	}
	path_unref(&path);
	return error < 0 ? error : file_install(request, file, (flags & LINUX_O_CLOEXEC) != 0);
}
