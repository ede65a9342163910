/* SPDX-License-Identifier: MIT */
/*
 * The operations that the server calls: see blockfs.h. What FAT cannot say is answered as Linux
 * does: links, symbolic ones and devices are not permitted; owners are those of the mount, and of
 * the permissions only that to write can change.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

#define FAT_MAGIC 0x4d44u
#define S_IFMT    0170000u
#define S_IFREG   0100000u
#define S_IFDIR   0040000u
#define S_IWUGO   0222u
#define S_IRXUGO  0555u
#define S_IRWXUGO 0777u

/* ---- nodes ----------------------------------------------------------------------------------- */

static int ops_root(UNUSED struct task *task, struct blockfs *fs, struct blockfs_node **out_node)
{
	*out_node = &fat_inode_get(fat_of(fs)->root)->node;
	return 0;
}

static int ops_find(UNUSED struct task *task, struct blockfs *fs, uint64_t number,
	uint32_t generation, struct blockfs_node **out_node)
{
	struct fat_inode *inode = generation <= 1 ? fat_inode_find(fat_of(fs), number) : NULL;

	if (inode == NULL) {
		return -ERR_NOT_FOUND;
	}
	*out_node = &inode->node;
	return 0;
}

static struct blockfs_node *ops_node_get(struct blockfs_node *node)
{
	return &fat_inode_get(fat_inode_of(node))->node;
}

static void ops_node_put(struct task *task, struct blockfs_node *node)
{
	fat_inode_put(task, node != NULL ? fat_inode_of(node) : NULL);
}

static uint32_t mask_of(const struct fat_inode *inode)
{
	return fat_is_directory(inode) ? inode->fs->options.directory_mask
				       : inode->fs->options.file_mask;
}

/* Of directories the attribute means something else. */
static bool can_be_read_only(const struct fat_inode *inode)
{
	return !fat_is_directory(inode) && (mask_of(inode) & S_IWUGO) != S_IWUGO;
}

static uint32_t mode_of(const struct fat_inode *inode)
{
	uint32_t mode = S_IRWXUGO;

	if (fat_is_directory(inode)) {
		return S_IFDIR | (mode & ~mask_of(inode));
	}
	if ((inode->attributes & FAT_ATTR_READ_ONLY) != 0) {
		mode &= ~S_IWUGO;
	}
	return S_IFREG | (mode & ~mask_of(inode));
}

static void ops_get_attributes(struct blockfs_node *node, struct blockfs_attributes *out)
{
	const struct fat_inode *inode = fat_inode_of(node);
	const struct fat *fs = inode->fs;

	*out = (struct blockfs_attributes){
		.mode = mode_of(inode),
		.n_links = 1,
		.uid = fs->options.uid,
		.gid = fs->options.gid,
		.size = inode->size,
		.atime = inode->atime,
		.mtime = inode->mtime,
		.ctime = inode->mtime,
		.birth = inode->birth,
		.has_birth = inode->parent != NULL,
	};
	if (fat_is_directory(inode)) {
		out->n_links = 2 + fat_index_n_directories(inode);
		out->size = (uint64_t)fat_index_n_slots(inode) * FAT_SLOT_SIZE;
	}
	if (inode->is_removed) {
		out->n_links = 0;
	}
	out->n_sectors = align_up(out->size, fs->cluster_size) / 512;
}

/* 0 if the owner and the permissions can be so, or nobody wants to hear that they cannot. */
static int check_attributes(
	const struct fat_inode *inode, uint32_t what, const struct blockfs_attributes *attributes)
{
	const struct fat_options *options = &inode->fs->options;
	bool is_other = ((what & BLOCKFS_SET_UID) != 0 && attributes->uid != options->uid) ||
		((what & BLOCKFS_SET_GID) != 0 && attributes->gid != options->gid) ||
		((what & BLOCKFS_SET_MODE) != 0 && (attributes->mode & 07000) != 0);

	if ((what & (BLOCKFS_SET_FLAGS | BLOCKFS_SET_PROJECT)) != 0) {
		return BLOCKFS_E_UNSUPPORTED;
	}
	return is_other && !options->is_quiet ? BLOCKFS_E_NOT_PERMITTED : 0;
}

/* Permissions that cannot be are ignored, as by Linux. */
static void set_mode(struct fat_inode *inode, uint32_t mode)
{
	uint32_t mask = mask_of(inode);
	uint32_t permissions = mode & S_IRWXUGO & ~mask;
	uint32_t writable = permissions & S_IWUGO;

	if ((permissions & S_IRXUGO) != (S_IRXUGO & ~mask) ||
		(writable != (S_IWUGO & ~mask) && (writable != 0 || !can_be_read_only(inode)))) {
		return;
	}
	if (can_be_read_only(inode)) {
		inode->attributes =
			(uint8_t)(writable == 0 ? inode->attributes | FAT_ATTR_READ_ONLY
						: inode->attributes & ~FAT_ATTR_READ_ONLY);
	}
}

/* As the disk will have it. */
static struct blockfs_time truncate_time(struct blockfs_time time, bool is_date)
{
	uint8_t date_bytes[2], time_bytes[2];

	fat_time_encode(time, date_bytes, time_bytes, NULL);
	return fat_time_decode(fat_get_16(date_bytes), is_date ? 0 : fat_get_16(time_bytes), 0);
}

static void set_fields(
	struct fat_inode *inode, uint32_t what, const struct blockfs_attributes *attributes)
{
	if ((what & BLOCKFS_SET_MODE) != 0) {
		set_mode(inode, attributes->mode);
	}
	if ((what & BLOCKFS_SET_ATIME) != 0) {
		inode->atime = truncate_time(attributes->atime, true);
	}
	if ((what & BLOCKFS_SET_MTIME) != 0) {
		inode->mtime = truncate_time(attributes->mtime, false);
	}
	if (inode->parent != NULL && !inode->is_removed) {
		fat_inode_set_dirty(inode);
	}
}

static int set_size(struct task *task, struct fat_inode *inode, uint64_t size)
{
	if (fat_is_directory(inode)) {
		return BLOCKFS_E_IS_DIRECTORY;
	}
	int error = rwlock_write(task, &inode->lock);

	if (error == 0) {
		error = fat_set_size(task, inode, size);
		rwlock_write_done(&inode->lock);
	}
	return error;
}

static int ops_set_attributes(struct task *task, struct blockfs_node *node, uint32_t what,
	const struct blockfs_attributes *attributes)
{
	struct fat_inode *inode = fat_inode_of(node);
	struct fat_change change;
	int error = check_attributes(inode, what, attributes);

	if (error == 0 && (what & BLOCKFS_SET_SIZE) != 0) {
		error = set_size(task, inode, attributes->size);
	}
	if (error != 0 || (what & ~BLOCKFS_SET_SIZE) == 0) {
		return error;
	}
	error = fat_begin(task, inode->fs, &change);
	if (error == 0) {
		set_fields(inode, what, attributes);
		fat_end(&change);
	}
	return error;
}

/* ---- names ----------------------------------------------------------------------------------- */

static int check_name(struct blockfs_name name)
{
	if (name.length > BLOCKFS_NAME_MAX) {
		return BLOCKFS_E_NAME_TOO_LONG;
	}
	return name.length == 0 || memchr(name.text, '/', name.length) != NULL ||
			memchr(name.text, 0, name.length) != NULL
		? -ERR_ILLEGAL_ARGS
		: 0;
}

static int lookup(struct task *task, struct fat_inode *directory, struct blockfs_name name,
	struct fat_inode **out_inode)
{
	struct fat_entry *entry = blockfs_allocate(sizeof(*entry));

	if (entry == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = rwlock_read(task, &directory->lock);

	if (error == 0) {
		error = directory->is_removed ? -ERR_NOT_FOUND
					      : fat_entry_find(task, directory, name, entry);
		error = error != 0
			? error
			: fat_inode_hold(task, directory, entry->slot, &entry->data, out_inode);
		rwlock_read_done(&directory->lock);
	}
	blockfs_free(entry);
	return error;
}

static int ops_lookup(struct task *task, struct blockfs_node *node, struct blockfs_name name,
	struct blockfs_node **out_node)
{
	struct fat_inode *directory = fat_inode_of(node);
	struct fat_inode *inode;
	int error = fat_is_directory(directory) ? check_name(name) : BLOCKFS_E_NOT_DIRECTORY;

	error = error != 0 ? error : lookup(task, directory, name, &inode);
	if (error == 0) {
		*out_node = &inode->node;
	}
	return error;
}

static int ops_parent(
	UNUSED struct task *task, struct blockfs_node *node, struct blockfs_node **out_node)
{
	struct fat_inode *directory = fat_inode_of(node);

	if (!fat_is_directory(directory)) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	*out_node = &fat_inode_get(directory->parent != NULL ? directory->parent : directory)->node;
	return 0;
}

static int ops_read_directory(struct task *task, struct blockfs_node *node, uint64_t cookie,
	blockfs_emit_fn emit, void *context)
{
	struct fat_inode *directory = fat_inode_of(node);

	if (!fat_is_directory(directory)) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	int error = rwlock_read(task, &directory->lock);

	if (error == 0) {
		error = directory->is_removed
			? -ERR_NOT_FOUND
			: fat_directory_list(task, directory, cookie, emit, context);
		rwlock_read_done(&directory->lock);
	}
	return error;
}

static int ops_create(struct task *task, struct blockfs_node *node, struct blockfs_name name,
	const struct blockfs_create_options *options, struct blockfs_node **out_node)
{
	struct fat_inode *inode;
	int error = check_name(name);

	error = error != 0 ? error
			   : fat_make(task, fat_inode_of(node), name, options->mode, &inode);
	if (error == 0) {
		*out_node = &inode->node;
	}
	return error;
}

static int ops_create_unnamed(UNUSED struct task *task, UNUSED struct blockfs_node *directory,
	UNUSED const struct blockfs_create_options *options, UNUSED struct blockfs_node **out_node)
{
	return BLOCKFS_E_UNSUPPORTED;
}

static int ops_link(UNUSED struct task *task, UNUSED struct blockfs_node *directory,
	UNUSED struct blockfs_name name, UNUSED struct blockfs_node *node)
{
	return BLOCKFS_E_NOT_PERMITTED;
}

static int ops_unlink(struct task *task, struct blockfs_node *directory, struct blockfs_name name)
{
	int error = check_name(name);

	return error != 0 ? error : fat_remove(task, fat_inode_of(directory), name, false);
}

static int ops_remove_directory(
	struct task *task, struct blockfs_node *directory, struct blockfs_name name)
{
	int error = check_name(name);

	return error != 0 ? error : fat_remove(task, fat_inode_of(directory), name, true);
}

static int ops_rename(struct task *task, struct blockfs_node *from, struct blockfs_name from_name,
	struct blockfs_node *to, struct blockfs_name to_name,
	const struct blockfs_rename_options *options)
{
	int error = check_name(from_name);

	error = error != 0 ? error : check_name(to_name);
	return error != 0 ? error
			  : fat_rename(task, fat_inode_of(from), from_name, fat_inode_of(to),
				    to_name, options->flags);
}

static int ops_read_link(UNUSED struct task *task, UNUSED struct blockfs_node *node,
	UNUSED char *out_target, UNUSED size_t size, UNUSED size_t *out_size)
{
	return -ERR_ILLEGAL_ARGS;
}

/* ---- extended attributes: there are none ----------------------------------------------------- */

static int ops_get_xattr(UNUSED struct task *task, UNUSED struct blockfs_node *node,
	UNUSED struct blockfs_name name, UNUSED void *out_value, UNUSED size_t size,
	UNUSED size_t *out_size)
{
	return BLOCKFS_E_UNSUPPORTED;
}

static int ops_set_xattr(UNUSED struct task *task, UNUSED struct blockfs_node *node,
	UNUSED struct blockfs_name name, UNUSED const void *value, UNUSED size_t size,
	UNUSED enum blockfs_xattr_mode mode)
{
	return BLOCKFS_E_UNSUPPORTED;
}

static int ops_remove_xattr(
	UNUSED struct task *task, UNUSED struct blockfs_node *node, UNUSED struct blockfs_name name)
{
	return BLOCKFS_E_UNSUPPORTED;
}

static int ops_list_xattrs(UNUSED struct task *task, UNUSED struct blockfs_node *node,
	UNUSED char *out_names, UNUSED size_t size, size_t *out_size)
{
	*out_size = 0;
	return 0;
}

/* ---- contents -------------------------------------------------------------------------------- */

static int ops_read(struct task *task, struct blockfs_node *node, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers)
{
	struct fat_inode *inode = fat_inode_of(node);

	return fat_is_directory(inode)
		? BLOCKFS_E_IS_DIRECTORY
		: fat_file_read(task, inode, offset, length, buffers, n_buffers);
}

static int ops_write(struct task *task, struct blockfs_node *node, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers)
{
	struct fat_inode *inode = fat_inode_of(node);

	return fat_is_directory(inode)
		? BLOCKFS_E_IS_DIRECTORY
		: fat_file_write(task, inode, offset, length, buffers, n_buffers);
}

static int ops_reserve(
	struct task *task, struct blockfs_node *node, uint64_t offset, uint64_t length)
{
	struct fat_inode *inode = fat_inode_of(node);
	struct blockfs *fs = node->fs;

	if (fat_is_directory(inode)) {
		return BLOCKFS_E_IS_DIRECTORY;
	}
	if (fs->is_read_only || fs->error != 0) {
		return fs->is_read_only ? BLOCKFS_E_READ_ONLY : BLOCKFS_E_ABORTED;
	}
	/* whole pages are reserved, so the last one may reach behind the largest size */
	if (offset > FAT_SIZE_MAX || length > UINT32_MAX) {
		return BLOCKFS_E_TOO_LARGE;
	}
	return length == 0 ? 0 : fat_reserve(task, inode, min_u64(offset + length, FAT_SIZE_MAX));
}

static void ops_unreserve(struct blockfs_node *node, UNUSED uint64_t offset, UNUSED uint64_t length)
{
	fat_unreserve(fat_inode_of(node));
}

static int ops_grow(UNUSED struct task *task, struct blockfs_node *node, uint64_t size)
{
	struct fat_inode *inode = fat_inode_of(node);

	if (size > FAT_SIZE_MAX) {
		return BLOCKFS_E_TOO_LARGE;
	}
	inode->size = max_u64(inode->size, size);
	fat_inode_touch(inode);
	return 0;
}

static int ops_allocate(struct task *task, struct blockfs_node *node,
	enum blockfs_allocate_mode mode, uint64_t offset, uint64_t length)
{
	struct fat_inode *inode = fat_inode_of(node);

	if (mode != BLOCKFS_ALLOCATE || fat_is_directory(inode)) {
		return fat_is_directory(inode) ? BLOCKFS_E_IS_DIRECTORY : BLOCKFS_E_UNSUPPORTED;
	}
	if (length > FAT_SIZE_MAX || offset > FAT_SIZE_MAX - length) {
		return BLOCKFS_E_TOO_LARGE;
	}
	int error = rwlock_write(task, &inode->lock);

	if (error == 0) {
		error = fat_set_size(task, inode, max_u64(inode->size, offset + length));
		rwlock_write_done(&inode->lock);
	}
	return error;
}

static int ops_map(struct task *task, struct blockfs_node *node, uint64_t offset,
	struct blockfs_extent *out_extent)
{
	struct fat_inode *inode = fat_inode_of(node);

	return fat_is_directory(inode) ? BLOCKFS_E_IS_DIRECTORY
				       : fat_file_map(task, inode, offset, out_extent);
}

/* ---- durability ------------------------------------------------------------------------------ */

static int ops_sync_node(struct task *task, struct blockfs_node *node, UNUSED bool data_only)
{
	struct fat_inode *inode = fat_inode_of(node);
	struct blockfs *fs = node->fs;

	if (fs->is_read_only) {
		return 0;
	}
	int error = fs->error != 0 ? BLOCKFS_E_ABORTED : 0;

	if (error == 0 && inode->size > inode->disk_size) {
		error = fat_settle(task, inode);
	}
	return error != 0 ? error : fat_commit(task, inode->fs);
}

static void ops_statistics(struct blockfs *blockfs, struct blockfs_statistics *out)
{
	const struct fat *fs = fat_of(blockfs);
	uint32_t n_free = fs->n_free > fs->n_reserved ? fs->n_free - fs->n_reserved : 0;

	*out = (struct blockfs_statistics){
		.block_size = fs->cluster_size,
		.n_blocks = fs->n_clusters,
		.n_blocks_free = n_free,
		.n_blocks_available = n_free,
		.id = fs->id,
		.magic = FAT_MAGIC,
		.name_max = BLOCKFS_NAME_MAX,
	};
}

const struct blockfs_ops fat_ops = {
	.name = "vfat",
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
	.sync = fat_sync,
	.tick = fat_tick,
	.statistics = ops_statistics,
	.remount = fat_remount,
	.unmount = fat_unmount,
};
