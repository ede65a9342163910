/* SPDX-License-Identifier: MIT */
/* The operations that the server calls: see blockfs.h. */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>
#include <drivers/lib/blockfs/ext4/mount.h>
#include <drivers/lib/blockfs/ext4/xattr.h>

#define EXT4_MAGIC 0xef53u

/* ---- nodes ----------------------------------------------------------------------------------- */

static int ops_root(struct task *task, struct blockfs *fs, struct blockfs_node **out_node)
{
	struct ext4_inode *inode;
	int error = ext4_inode_hold(task, ext4_of(fs), EXT4_ROOT_INODE, &inode);

	if (error == 0 && !ext4_is_directory(inode)) {
		ext4_inode_put(task, inode);
		return ext4_corrupt(ext4_of(fs), "the root is no directory");
	}
	if (error == 0) {
		*out_node = &inode->node;
	}
	return error == -ERR_NOT_FOUND ? BLOCKFS_E_CORRUPT : error;
}

static int ops_find(struct task *task, struct blockfs *fs, uint64_t number, uint32_t generation,
	struct blockfs_node **out_node)
{
	struct ext4 *ext4 = ext4_of(fs);
	struct ext4_inode *inode;

	if (number > ext4->n_inodes ||
		(number != EXT4_ROOT_INODE && number < ext4->super.first_inode)) {
		return -ERR_NOT_FOUND;
	}
	int error = ext4_inode_hold(task, ext4, (uint32_t)number, &inode);

	if (error != 0) {
		return error;
	}
	if ((generation != 0 && inode->generation != generation) || inode->n_links == 0) {
		ext4_inode_put(task, inode);
		return -ERR_NOT_FOUND;
	}
	*out_node = &inode->node;
	return 0;
}

static struct blockfs_node *ops_node_get(struct blockfs_node *node)
{
	return &ext4_inode_get(ext4_inode_of(node))->node;
}

static void ops_node_put(struct task *task, struct blockfs_node *node)
{
	ext4_inode_put(task, node != NULL ? ext4_inode_of(node) : NULL);
}

static uint64_t device_number(const struct ext4_inode *inode)
{
	uint32_t words[2];

	memcpy(words, inode->block, sizeof(words));
	if (words[0] != 0) {
		return (uint64_t)(words[0] >> 8 & 0xff) << 32 | (words[0] & 0xff);
	}
	return (uint64_t)(words[1] >> 8 & 0xfff) << 32 |
		((words[1] & 0xff) | (words[1] >> 12 & 0xfff00));
}

static void ops_get_attributes(struct blockfs_node *node, struct blockfs_attributes *out)
{
	const struct ext4_inode *inode = ext4_inode_of(node);
	uint32_t type = ext4_type_of(inode);

	*out = (struct blockfs_attributes){
		.mode = inode->mode,
		.n_links = inode->n_links,
		.uid = inode->uid,
		.gid = inode->gid,
		.project = inode->project,
		.flags = inode->flags & EXT4_FLAGS_VISIBLE,
		.size = inode->size,
		.n_sectors = inode->n_sectors + inode->n_reserved * (inode->fs->block_size / 512),
		.version = inode->version,
		.atime = inode->atime,
		.mtime = inode->mtime,
		.ctime = inode->ctime,
		.birth = inode->crtime,
		.has_birth = inode->extra_isize >= 24,
		.has_xattrs = inode->xattr_block != 0 || inode->has_inode_xattrs,
	};
	if (type == EXT4_S_IFCHR || type == EXT4_S_IFBLK) {
		out->device_number = device_number(inode);
	}
}

static void set_fields(
	struct ext4_inode *inode, uint32_t what, const struct blockfs_attributes *attributes)
{
	if ((what & BLOCKFS_SET_MODE) != 0) {
		inode->mode = (uint16_t)((inode->mode & EXT4_S_IFMT) | (attributes->mode & 07777));
	}
	if ((what & BLOCKFS_SET_UID) != 0) {
		inode->uid = attributes->uid;
	}
	if ((what & BLOCKFS_SET_GID) != 0) {
		inode->gid = attributes->gid;
	}
	if ((what & BLOCKFS_SET_PROJECT) != 0) {
		inode->project = attributes->project;
	}
	if ((what & BLOCKFS_SET_FLAGS) != 0) {
		inode->flags = (inode->flags & ~EXT4_FLAGS_SETTABLE) |
			(attributes->flags & EXT4_FLAGS_SETTABLE);
	}
	if ((what & BLOCKFS_SET_ATIME) != 0) {
		inode->atime = attributes->atime;
	}
	ext4_inode_touch(inode, false);
	if ((what & BLOCKFS_SET_MTIME) != 0) {
		inode->mtime = attributes->mtime;
	}
	if ((what & BLOCKFS_SET_CTIME) != 0) {
		inode->ctime = attributes->ctime;
	}
}

/*
 * Whether contents go through the journal can change while there are none: some might be in the
 * log, or in pages that were promised blocks.
 */
static bool may_set_flags(const struct ext4_inode *inode, uint32_t flags)
{
	return ((inode->flags ^ flags) & EXT4_FLAG_JOURNAL_DATA) == 0 || ext4_is_directory(inode) ||
		(inode->size == 0 && inode->n_sectors == 0 && inode->n_reserved == 0);
}

static int set_size(struct task *task, struct ext4_inode *inode, uint64_t size)
{
	if (ext4_type_of(inode) != EXT4_S_IFREG) {
		return ext4_is_directory(inode) ? BLOCKFS_E_IS_DIRECTORY : -ERR_ILLEGAL_ARGS;
	}
	if (ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA) && size > inode->size && inode->size > 0) {
		int error = ext4_inline_file_leave(task, inode);

		if (error != 0) {
			return error;
		}
	}
	int error = rwlock_write(task, &inode->lock);

	if (error == 0) {
		error = ext4_set_size(task, inode, size);
		rwlock_write_done(&inode->lock);
	}
	return error;
}

static int ops_set_attributes(struct task *task, struct blockfs_node *node, uint32_t what,
	const struct blockfs_attributes *attributes)
{
	struct ext4_inode *inode = ext4_inode_of(node);
	struct handle handle;
	int error = 0;

	if ((what & BLOCKFS_SET_SIZE) != 0) {
		error = set_size(task, inode, attributes->size);
	}
	if (error != 0 || (what & ~BLOCKFS_SET_SIZE) == 0) {
		return error;
	}
	error = handle_begin(task, inode->fs, 4, &handle);
	if (error != 0) {
		return error;
	}
	if ((what & BLOCKFS_SET_FLAGS) != 0 && !may_set_flags(inode, attributes->flags)) {
		error = BLOCKFS_E_UNSUPPORTED;
	} else {
		set_fields(inode, what, attributes);
		error = ext4_inode_write(&handle, inode);
	}
	handle_end(&handle);
	return error;
}

/* ---- names ----------------------------------------------------------------------------------- */

static int lookup_locked(struct task *task, struct ext4_inode *directory, struct blockfs_name name,
	struct ext4_inode **out_inode)
{
	struct ext4_found found;
	int error = ext4_directory_find(task, directory, name, &found);

	if (error != 0) {
		return error;
	}
	buffer_put(found.buffer);
	error = ext4_inode_hold(task, directory->fs, found.number, out_inode);
	if (error == -ERR_NOT_FOUND) {
		return ext4_corrupt(directory->fs,
			"directory %u: a name for inode %u, which is free", directory->number,
			found.number);
	}
	return error;
}

static int ops_lookup(struct task *task, struct blockfs_node *node, struct blockfs_name name,
	struct blockfs_node **out_node)
{
	struct ext4_inode *directory = ext4_inode_of(node);
	struct ext4_inode *inode;

	if (!ext4_is_directory(directory)) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	int error = ext4_check_name(name);

	error = error != 0 ? error : rwlock_read(task, &directory->lock);
	if (error != 0) {
		return error;
	}
	error = lookup_locked(task, directory, name, &inode);
	rwlock_read_done(&directory->lock);
	if (error == 0) {
		*out_node = &inode->node;
	}
	return error;
}

static int ops_parent(struct task *task, struct blockfs_node *node, struct blockfs_node **out_node)
{
	struct ext4_inode *directory = ext4_inode_of(node);
	struct ext4_inode *inode;
	uint32_t number;

	if (!ext4_is_directory(directory)) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	int error = rwlock_read(task, &directory->lock);

	if (error == 0) {
		error = ext4_directory_parent(task, directory, &number);
		rwlock_read_done(&directory->lock);
	}
	error = error != 0 ? error : ext4_inode_hold(task, directory->fs, number, &inode);
	if (error == 0) {
		*out_node = &inode->node;
	}
	return error;
}

static int ops_read_directory(struct task *task, struct blockfs_node *node, uint64_t cookie,
	blockfs_emit_fn emit, void *context)
{
	struct ext4_inode *directory = ext4_inode_of(node);

	if (!ext4_is_directory(directory)) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	int error = rwlock_read(task, &directory->lock);

	if (error == 0) {
		error = ext4_directory_read(task, directory, cookie, emit, context);
		rwlock_read_done(&directory->lock);
	}
	return error;
}

static int ops_create(struct task *task, struct blockfs_node *node, struct blockfs_name name,
	const struct blockfs_create_options *options, struct blockfs_node **out_node)
{
	struct ext4_inode *inode;
	int error = ext4_make(task, ext4_inode_of(node), name, options, &inode);

	if (error == 0) {
		*out_node = &inode->node;
	}
	return error;
}

static int ops_create_unnamed(struct task *task, struct blockfs_node *node,
	const struct blockfs_create_options *options, struct blockfs_node **out_node)
{
	struct ext4_inode *inode;
	int error = ext4_make_unnamed(task, ext4_inode_of(node), options, &inode);

	if (error == 0) {
		*out_node = &inode->node;
	}
	return error;
}

static int ops_link(struct task *task, struct blockfs_node *directory, struct blockfs_name name,
	struct blockfs_node *node)
{
	return ext4_link(task, ext4_inode_of(directory), name, ext4_inode_of(node));
}

static int ops_unlink(struct task *task, struct blockfs_node *directory, struct blockfs_name name)
{
	return ext4_unlink(task, ext4_inode_of(directory), name);
}

static int ops_remove_directory(
	struct task *task, struct blockfs_node *directory, struct blockfs_name name)
{
	return ext4_remove_directory(task, ext4_inode_of(directory), name);
}

static int ops_rename(struct task *task, struct blockfs_node *from, struct blockfs_name from_name,
	struct blockfs_node *to, struct blockfs_name to_name,
	const struct blockfs_rename_options *options)
{
	return ext4_rename(
		task, ext4_inode_of(from), from_name, ext4_inode_of(to), to_name, options);
}

static int read_inline_link(struct task *task, struct ext4_inode *inode, char *out_target,
	size_t size, size_t *out_size)
{
	uint8_t *data = blockfs_allocate(EXT4_INLINE_MAX);
	size_t n_data = 0;

	if (data == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = ext4_inline_read(task, inode, data, EXT4_INLINE_MAX, &n_data);

	if (error == 0 && n_data < inode->size) {
		error = ext4_corrupt(inode->fs, "symlink %u is too long", inode->number);
	}
	if (error == 0) {
		memcpy(out_target, data, size);
		*out_size = (size_t)inode->size;
	}
	blockfs_free(data);
	return error;
}

static int ops_read_link(struct task *task, struct blockfs_node *node, char *out_target,
	size_t size, size_t *out_size)
{
	struct ext4_inode *inode = ext4_inode_of(node);
	BUFFER_AUTO struct buffer *buffer = NULL;
	size_t length = (size_t)inode->size;
	const void *target = inode->block;

	if (ext4_type_of(inode) != EXT4_S_IFLNK) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (length >= inode->fs->block_size) {
		return ext4_corrupt(inode->fs, "symlink %u is too long", inode->number);
	}
	if (ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		return read_inline_link(task, inode, out_target, min_size(size, length), out_size);
	}
	if (!ext4_is_fast_symlink(inode)) {
		int error = ext4_file_block(task, inode, 0, EXT4_KIND_PLAIN, &buffer);

		if (error != 0) {
			return error;
		}
		target = buffer->data;
	}
	*out_size = length;
	memcpy(out_target, target, min_size(size, length));
	return 0;
}

/* ---- extended attributes --------------------------------------------------------------------- */

static int ops_get_xattr(struct task *task, struct blockfs_node *node, struct blockfs_name name,
	void *out_value, size_t size, size_t *out_size)
{
	struct ext4_inode *inode = ext4_inode_of(node);
	struct blockfs_name rest;
	uint8_t index;

	if (!ext4_xattr_split(name, &index, &rest)) {
		return BLOCKFS_E_UNSUPPORTED;
	}
	int error = rwlock_read(task, &inode->lock);

	if (error == 0) {
		error = ext4_xattr_get(
			task, inode, index, rest, size != 0 ? out_value : NULL, size, out_size);
		rwlock_read_done(&inode->lock);
	}
	return error;
}

static int change_xattr(struct task *task, struct blockfs_node *node, struct blockfs_name name,
	const void *value, size_t size, enum blockfs_xattr_mode mode)
{
	struct ext4_inode *inode = ext4_inode_of(node);
	struct blockfs_name rest;
	struct handle handle;
	uint8_t index;

	if (!ext4_xattr_split(name, &index, &rest)) {
		return BLOCKFS_E_UNSUPPORTED;
	}
	int error = rwlock_write(task, &inode->lock);

	if (error != 0) {
		return error;
	}
	error = handle_begin(task, inode->fs, EXT4_CREDITS_XATTR + EXT4_CREDITS_FREE, &handle);
	if (error == 0) {
		error = ext4_xattr_set(&handle, inode, index, rest, value, size, mode);
		handle_end(&handle);
	}
	rwlock_write_done(&inode->lock);
	return error;
}

static int ops_set_xattr(struct task *task, struct blockfs_node *node, struct blockfs_name name,
	const void *value, size_t size, enum blockfs_xattr_mode mode)
{
	if (name.length > BLOCKFS_NAME_MAX) {
		return BLOCKFS_E_BUFFER_TOO_SMALL;
	}
	return change_xattr(task, node, name, value != NULL ? value : "", size, mode);
}

static int ops_remove_xattr(struct task *task, struct blockfs_node *node, struct blockfs_name name)
{
	return change_xattr(task, node, name, NULL, 0, BLOCKFS_XATTR_ANY);
}

static int ops_list_xattrs(struct task *task, struct blockfs_node *node, char *out_names,
	size_t size, size_t *out_size)
{
	struct ext4_inode *inode = ext4_inode_of(node);
	int error = rwlock_read(task, &inode->lock);

	if (error == 0) {
		error = ext4_xattr_list(task, inode, out_names, size, out_size);
		rwlock_read_done(&inode->lock);
	}
	return error;
}

/* ---- contents -------------------------------------------------------------------------------- */

static int check_file(const struct ext4_inode *inode)
{
	if (ext4_is_directory(inode)) {
		return BLOCKFS_E_IS_DIRECTORY;
	}
	return ext4_type_of(inode) == EXT4_S_IFREG ? 0 : -ERR_ILLEGAL_ARGS;
}

static int ops_read(struct task *task, struct blockfs_node *node, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers)
{
	struct ext4_inode *inode = ext4_inode_of(node);
	int error = check_file(inode);

	return error != 0 ? error : ext4_file_read(task, inode, offset, length, buffers, n_buffers);
}

static int ops_write(struct task *task, struct blockfs_node *node, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers)
{
	struct ext4_inode *inode = ext4_inode_of(node);
	int error = check_file(inode);

	return error != 0 ? error
			  : ext4_file_write(task, inode, offset, length, buffers, n_buffers);
}

static int ops_reserve(
	struct task *task, struct blockfs_node *node, uint64_t offset, uint64_t length)
{
	struct ext4_inode *inode = ext4_inode_of(node);
	uint32_t bits = inode->fs->block_bits;
	int error = check_file(inode);

	if (error == 0 && inode->fs->fs.is_read_only) {
		error = BLOCKFS_E_READ_ONLY;
	}
	if (error == 0 && inode->fs->fs.error != 0) {
		error = BLOCKFS_E_ABORTED;
	}
	if (error != 0 || length == 0) {
		return error;
	}
	if (length > INT64_MAX || offset > INT64_MAX - length) {
		return BLOCKFS_E_TOO_LARGE;
	}
	uint64_t first = offset >> bits;

	return ext4_reserve(
		task, inode, first, div_round_up(offset + length, inode->fs->block_size) - first);
}

static void ops_unreserve(struct blockfs_node *node, uint64_t offset, uint64_t length)
{
	struct ext4_inode *inode = ext4_inode_of(node);
	uint64_t first = div_round_up(offset, inode->fs->block_size);
	uint64_t end = length > UINT64_MAX - offset ? UINT64_MAX
						    : (offset + length) >> inode->fs->block_bits;

	if (end > first) {
		ext4_unreserve(inode, first, end - first);
	}
}

static int ops_grow(UNUSED struct task *task, struct blockfs_node *node, uint64_t size)
{
	struct ext4_inode *inode = ext4_inode_of(node);

	if (size > ext4_max_size(inode)) {
		return BLOCKFS_E_TOO_LARGE;
	}
	ext4_inode_touch(inode, true);
	inode->size = max_u64(inode->size, size);
	ext4_inode_set_dirty(inode);
	return 0;
}

static int ops_allocate(struct task *task, struct blockfs_node *node,
	enum blockfs_allocate_mode mode, uint64_t offset, uint64_t length)
{
	struct ext4_inode *inode = ext4_inode_of(node);
	int error = check_file(inode);

	if (error == 0 && ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		error = ext4_inline_file_leave(task, inode);
	}
	error = error != 0 ? error : rwlock_write(task, &inode->lock);
	if (error == 0) {
		error = ext4_allocate(task, inode, mode, offset, length);
		rwlock_write_done(&inode->lock);
	}
	return error;
}

static int ops_map(struct task *task, struct blockfs_node *node, uint64_t offset,
	struct blockfs_extent *out_extent)
{
	struct ext4_inode *inode = ext4_inode_of(node);
	int error = check_file(inode);

	return error != 0 ? error : ext4_file_map(task, inode, offset, out_extent);
}

/* ---- durability ------------------------------------------------------------------------------ */

static int ops_sync_node(struct task *task, struct blockfs_node *node, bool data_only)
{
	struct ext4_inode *inode = ext4_inode_of(node);
	struct ext4 *fs = inode->fs;
	int error = fs->fs.error != 0 ? BLOCKFS_E_ABORTED : 0;

	if (fs->fs.is_read_only) {
		return 0;
	}
	if (error == 0 && !data_only) {
		error = ext4_inode_flush(task, inode);
	}
	if (error != 0) {
		return error;
	}
	if (fs->journal == NULL) {
		error = handles_write_dirty(task, fs);
		return error != 0 ? error : device_flush(task, fs->device);
	}
	uint32_t id = (uint32_t)(data_only ? inode->datasync_id : inode->sync_id);

	if (id != 0 && journal_id_before(fs->journal->committed_id, id)) {
		return journal_commit(task, fs->journal, id); /* its flush covers the data */
	}
	return device_flush(task, fs->device);
}

static void ops_statistics(struct blockfs *blockfs, struct blockfs_statistics *out)
{
	const struct ext4 *fs = ext4_of(blockfs);
	uint64_t n_taken = fs->n_busy_new + fs->n_reserved;
	uint64_t n_free = fs->n_free_blocks > n_taken ? fs->n_free_blocks - n_taken : 0;
	uint64_t id[2];

	memcpy(id, fs->super.uuid, sizeof(id));
	*out = (struct blockfs_statistics){
		.block_size = fs->block_size,
		.n_blocks = fs->n_blocks - min_u64(fs->n_blocks, fs->super.overhead_clusters),
		.n_blocks_free = n_free,
		.n_blocks_available =
			n_free > fs->n_reserved_for_root ? n_free - fs->n_reserved_for_root : 0,
		.n_nodes = fs->n_inodes,
		.n_nodes_free = fs->n_free_inodes,
		.id = id[0] ^ id[1],
		.magic = EXT4_MAGIC,
		.name_max = BLOCKFS_NAME_MAX,
	};
}

const struct blockfs_ops ext4_ops = {
	.name = "ext4",
	.root = ops_root,
	.find = ops_find,
	.node_get = ops_node_get,
	.node_put = ops_node_put,
	.get_attributes = ops_get_attributes,
	.set_attributes = ops_set_attributes,
	.lookup = ops_lookup,
	.parent = ops_parent,
	.read_directory = ops_read_directory,
	.create = ops_create,
	.create_unnamed = ops_create_unnamed,
	.link = ops_link,
	.unlink = ops_unlink,
	.remove_directory = ops_remove_directory,
	.rename = ops_rename,
	.read_link = ops_read_link,
	.get_xattr = ops_get_xattr,
	.set_xattr = ops_set_xattr,
	.remove_xattr = ops_remove_xattr,
	.list_xattrs = ops_list_xattrs,
	.read = ops_read,
	.write = ops_write,
	.reserve = ops_reserve,
	.unreserve = ops_unreserve,
	.grow = ops_grow,
	.allocate = ops_allocate,
	.map = ops_map,
	.sync_node = ops_sync_node,
	.sync = ext4_sync,
	.tick = ext4_tick,
	.statistics = ops_statistics,
	.remount = ext4_remount,
	.unmount = ext4_unmount,
};
