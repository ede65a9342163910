/* SPDX-License-Identifier: MIT */
/* The operations that the server calls: see blockfs.h. Nothing is written. */
#include <base/string.h>
#include <drivers/lib/blockfs/io.h>
#include <drivers/lib/blockfs/iso9660/iso9660.h>

#define ISO_MAGIC 0x9660u
#define S_IFMT    0170000u
#define S_IFREG   0100000u
#define S_IFLNK   0120000u

/* ---- nodes ----------------------------------------------------------------------------------- */

static int ops_root(UNUSED struct task *task, struct blockfs *fs, struct blockfs_node **out_node)
{
	*out_node = &iso_inode_get(iso_of(fs)->root)->node;
	return 0;
}

static int ops_find(UNUSED struct task *task, struct blockfs *fs, uint64_t number,
	uint32_t generation, struct blockfs_node **out_node)
{
	struct iso_inode *inode = generation <= 1 ? iso_inode_find(iso_of(fs), number) : NULL;

	if (inode == NULL) {
		return -ERR_NOT_FOUND;
	}
	*out_node = &inode->node;
	return 0;
}

static struct blockfs_node *ops_node_get(struct blockfs_node *node)
{
	return &iso_inode_get(iso_inode_of(node))->node;
}

static void ops_node_put(UNUSED struct task *task, struct blockfs_node *node)
{
	iso_inode_put(node != NULL ? iso_inode_of(node) : NULL);
}

static void ops_get_attributes(struct blockfs_node *node, struct blockfs_attributes *out)
{
	*out = iso_inode_of(node)->attributes;
}

static int ops_set_attributes(UNUSED struct task *task, UNUSED struct blockfs_node *node,
	UNUSED uint32_t what, UNUSED const struct blockfs_attributes *attributes)
{
	return BLOCKFS_E_READ_ONLY;
}

/* ---- names ----------------------------------------------------------------------------------- */

static int ops_lookup(struct task *task, struct blockfs_node *node, struct blockfs_name name,
	struct blockfs_node **out_node)
{
	struct iso_inode *directory = iso_inode_of(node);
	struct iso_inode *inode;

	if (!iso_is_directory(directory)) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	if (name.length > BLOCKFS_NAME_MAX) {
		return BLOCKFS_E_NAME_TOO_LONG;
	}
	struct iso_entry *entry = blockfs_allocate(sizeof(*entry));

	if (entry == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = iso_find(task, directory, name, entry);

	error = error != 0 ? error : iso_inode_hold(task, directory->fs, directory, entry, &inode);
	blockfs_free(entry);
	if (error == 0) {
		*out_node = &inode->node;
	}
	return error;
}

static int ops_parent(
	UNUSED struct task *task, struct blockfs_node *node, struct blockfs_node **out_node)
{
	struct iso_inode *directory = iso_inode_of(node);

	if (!iso_is_directory(directory)) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	*out_node = &iso_inode_get(directory->parent != NULL ? directory->parent : directory)->node;
	return 0;
}

static int ops_read_directory(struct task *task, struct blockfs_node *node, uint64_t cookie,
	blockfs_emit_fn emit, void *context)
{
	struct iso_inode *directory = iso_inode_of(node);

	return iso_is_directory(directory) ? iso_list(task, directory, cookie, emit, context)
					   : BLOCKFS_E_NOT_DIRECTORY;
}

static int ops_create(UNUSED struct task *task, UNUSED struct blockfs_node *node,
	UNUSED struct blockfs_name name, UNUSED const struct blockfs_create_options *options,
	UNUSED struct blockfs_node **out_node)
{
	return BLOCKFS_E_READ_ONLY;
}

static int ops_create_unnamed(UNUSED struct task *task, UNUSED struct blockfs_node *directory,
	UNUSED const struct blockfs_create_options *options, UNUSED struct blockfs_node **out_node)
{
	return BLOCKFS_E_READ_ONLY;
}

static int ops_link(UNUSED struct task *task, UNUSED struct blockfs_node *directory,
	UNUSED struct blockfs_name name, UNUSED struct blockfs_node *node)
{
	return BLOCKFS_E_READ_ONLY;
}

static int ops_remove(UNUSED struct task *task, UNUSED struct blockfs_node *directory,
	UNUSED struct blockfs_name name)
{
	return BLOCKFS_E_READ_ONLY;
}

static int ops_rename(UNUSED struct task *task, UNUSED struct blockfs_node *from,
	UNUSED struct blockfs_name from_name, UNUSED struct blockfs_node *to,
	UNUSED struct blockfs_name to_name, UNUSED const struct blockfs_rename_options *options)
{
	return BLOCKFS_E_READ_ONLY;
}

/* Once more, now with room for the target. */
static int read_target(struct task *task, struct iso_inode *inode, struct iso_entry *entry,
	char *target, size_t *out_length)
{
	struct iso *fs = inode->fs;
	uint64_t end = (inode->record / ISO_SECTOR_SIZE + 1) * ISO_SECTOR_SIZE;
	const uint8_t *field;
	int error = iso_entry_read(task, fs, inode->record, end, entry);

	if (error != 0) {
		return error == BLOCKFS_E_END ? BLOCKFS_E_CORRUPT : error;
	}
	size_t size = iso_entry_field(fs, entry, &field);

	entry->rock = (struct iso_rock){ .target = target };
	error = iso_rock_read(task, fs, field, size, &entry->rock);
	*out_length = entry->rock.target_length;
	return error;
}

static int ops_read_link(struct task *task, struct blockfs_node *node, char *out_target,
	size_t size, size_t *out_size)
{
	struct iso_inode *inode = iso_inode_of(node);

	if ((inode->attributes.mode & S_IFMT) != S_IFLNK) {
		return -ERR_ILLEGAL_ARGS;
	}
	struct iso_entry *entry = blockfs_allocate(sizeof(*entry));
	char *target = blockfs_allocate(ISO_TARGET_MAX);
	size_t length = 0;
	int error = entry == NULL || target == NULL
		? -ERR_NO_MEMORY
		: read_target(task, inode, entry, target, &length);

	if (error == 0) {
		memcpy(out_target, target, min_size(size, length));
		*out_size = length;
	}
	blockfs_free(entry);
	blockfs_free(target);
	return error;
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
	return BLOCKFS_E_READ_ONLY;
}

static int ops_remove_xattr(
	UNUSED struct task *task, UNUSED struct blockfs_node *node, UNUSED struct blockfs_name name)
{
	return BLOCKFS_E_READ_ONLY;
}

static int ops_list_xattrs(UNUSED struct task *task, UNUSED struct blockfs_node *node,
	UNUSED char *out_names, UNUSED size_t size, size_t *out_size)
{
	*out_size = 0;
	return 0;
}

/* ---- contents -------------------------------------------------------------------------------- */

/* The section that holds a byte, and where in the file that section begins. */
static const struct iso_section *section_of(
	const struct iso_inode *inode, uint64_t offset, uint64_t *out_begin)
{
	uint64_t begin = 0;

	for (size_t i = 0; i < inode->n_sections; i++) {
		if (offset - begin < inode->sections[i].size) {
			*out_begin = begin;
			return &inode->sections[i];
		}
		begin += inode->sections[i].size;
	}
	return NULL;
}

static int read_sections(struct task *task, const struct iso_inode *inode, struct file_io *io,
	uint64_t offset, uint64_t end)
{
	const struct device *device = inode->fs->device;
	int error = 0;

	while (error == 0 && offset < end) {
		uint64_t begin;
		const struct iso_section *section = section_of(inode, offset, &begin);

		if (section == NULL) {
			break;
		}
		uint64_t place = section->place + (offset - begin);
		uint64_t length = min_u64(end - offset,
			align_up(section->size, device->block_size) - (offset - begin));

		if (!is_aligned(place, device->block_size)) {
			error = BLOCKFS_E_CORRUPT;
			break;
		}
		file_io_add(io, DEVICE_READ, offset, length, place);
		if (file_io_is_full(io)) {
			error = file_io_run(task, io);
		}
		offset += length;
	}
	int ended = file_io_run(task, io);

	return error != 0 ? error : ended;
}

static int check_file(const struct iso_inode *inode)
{
	if (iso_is_directory(inode)) {
		return BLOCKFS_E_IS_DIRECTORY;
	}
	return (inode->attributes.mode & S_IFMT) == S_IFREG ? 0 : -ERR_ILLEGAL_ARGS;
}

static int ops_read(struct task *task, struct blockfs_node *node, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers)
{
	struct iso_inode *inode = iso_inode_of(node);
	struct iso *fs = inode->fs;
	uint64_t size = inode->attributes.size;
	int error = check_file(inode);

	error = error != 0
		? error
		: file_io_check(fs->device->block_size, offset, length, buffers, n_buffers);
	if (error != 0 || length == 0) {
		return error;
	}
	struct file_io *io = file_io_create(fs->device, fs->fs.host, offset, buffers, n_buffers);

	if (io == NULL) {
		return -ERR_NO_MEMORY;
	}
	uint64_t end = min_u64(offset + length, align_up(size, fs->device->block_size));

	error = offset < end ? read_sections(task, inode, io, offset, end) : 0;
	uint64_t zero_from = max_u64(offset, min_u64(size, offset + length));

	if (error == 0 && zero_from < offset + length) {
		file_io_fill(io, zero_from, NULL, offset + length - zero_from);
	}
	file_io_destroy(io);
	return error;
}

static int ops_write(UNUSED struct task *task, UNUSED struct blockfs_node *node,
	UNUSED uint64_t offset, UNUSED uint64_t length, UNUSED const struct device_buffer *buffers,
	UNUSED size_t n_buffers)
{
	return BLOCKFS_E_READ_ONLY;
}

static int ops_reserve(UNUSED struct task *task, UNUSED struct blockfs_node *node,
	UNUSED uint64_t offset, UNUSED uint64_t length)
{
	return BLOCKFS_E_READ_ONLY;
}

static void ops_unreserve(
	UNUSED struct blockfs_node *node, UNUSED uint64_t offset, UNUSED uint64_t length)
{
}

static int ops_grow(
	UNUSED struct task *task, UNUSED struct blockfs_node *node, UNUSED uint64_t size)
{
	return BLOCKFS_E_READ_ONLY;
}

static int ops_allocate(UNUSED struct task *task, UNUSED struct blockfs_node *node,
	UNUSED enum blockfs_allocate_mode mode, UNUSED uint64_t offset, UNUSED uint64_t length)
{
	return BLOCKFS_E_READ_ONLY;
}

static int ops_map(UNUSED struct task *task, struct blockfs_node *node, uint64_t offset,
	struct blockfs_extent *out_extent)
{
	const struct iso_inode *inode = iso_inode_of(node);
	uint64_t begin;
	int error = check_file(inode);

	if (error != 0) {
		return error;
	}
	const struct iso_section *section = section_of(inode, offset, &begin);

	if (section == NULL) {
		return -ERR_NOT_FOUND;
	}
	*out_extent = (struct blockfs_extent){
		.kind = BLOCKFS_DATA,
		.offset = begin,
		.length = section->size,
		.place = section->place,
	};
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int ops_sync_node(
	UNUSED struct task *task, UNUSED struct blockfs_node *node, UNUSED bool data_only)
{
	return 0;
}

static int ops_sync(UNUSED struct task *task, UNUSED struct blockfs *fs)
{
	return 0;
}

static int ops_remount(UNUSED struct task *task, UNUSED struct blockfs *fs, bool is_read_only)
{
	return is_read_only ? 0 : BLOCKFS_E_READ_ONLY;
}

static void ops_statistics(struct blockfs *blockfs, struct blockfs_statistics *out)
{
	const struct iso *fs = iso_of(blockfs);

	*out = (struct blockfs_statistics){
		.block_size = ISO_SECTOR_SIZE,
		.n_blocks = fs->n_blocks * fs->block_size / ISO_SECTOR_SIZE,
		.id = fs->id,
		.magic = ISO_MAGIC,
		.name_max = BLOCKFS_NAME_MAX,
	};
}

const struct blockfs_ops iso_ops = {
	.name = "iso9660",
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
	.unlink = ops_remove,
	.remove_directory = ops_remove,
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
	.sync = ops_sync,
	.tick = ops_sync,
	.statistics = ops_statistics,
	.remount = ops_remount,
	.unmount = iso_unmount,
};
