/* SPDX-License-Identifier: MIT */
/* Mounting, syncing, unmounting. */
#include <base/assert.h>
#include <base/format.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

#define CACHE_BUFFERS_MAX 4096u

/* ---- what is wrong --------------------------------------------------------------------------- */

int fat_corrupt(struct fat *fs, const char *what, ...)
{
	char text[160];
	va_list arguments;

	va_start(arguments, what);
	vformat_to(text, sizeof(text), what, arguments);
	va_end(arguments);
	fs->fs.host->complain(fs->fs.host, text);
	if (!fs->fs.is_read_only && fs->on_error != BLOCKFS_ON_ERROR_CONTINUE) {
		fat_fail(fs, BLOCKFS_E_CORRUPT, "errors=remount-ro");
	}
	return BLOCKFS_E_CORRUPT;
}

void fat_fail(struct fat *fs, int error, const char *where)
{
	char text[120];

	if (fs->fs.error == 0) {
		fs->fs.error = error;
		format_to(text, sizeof(text), "stops writing: %s: %s", where,
			blockfs_error_name(error));
		fs->fs.host->complain(fs->fs.host, text);
	}
}

/* ---- mounting -------------------------------------------------------------------------------- */

/* Nothing is written by the table's checksum or anything like it. */
static void seal_nothing(UNUSED void *context, UNUSED struct buffer *buffer)
{
}

static int open_cache(struct fat *fs, const struct blockfs_arena *arena)
{
	struct cache_config config = {
		.loop = fs->loop,
		.device = fs->device,
		.arena = {
			.memory = arena->memory,
			.offset = arena->offset + FAT_SCRATCH_SIZE,
			.address = arena->address + FAT_SCRATCH_SIZE,
			.size = min_size(arena->size - FAT_SCRATCH_SIZE,
				(size_t)CACHE_BUFFERS_MAX << fs->sector_bits),
		},
		.block_size = fs->sector_size,
		.n_blocks = fs->n_sectors,
		.seal = seal_nothing,
		.context = fs,
	};

	return cache_init(&fs->cache, &config);
}

static int fs_create(const struct blockfs_mount_options *options, struct fat **out_fs)
{
	struct fat *fs = blockfs_allocate(sizeof(*fs));

	if (fs == NULL) {
		return -ERR_NO_MEMORY;
	}
	fs->fs.ops = &fat_ops;
	fs->fs.host = options->host;
	fs->fs.is_read_only = true; /* until everything is in order */
	fs->loop = options->loop;
	fs->device = options->device;
	fs->on_error = options->on_error;
	fs->scratch = options->arena;
	fs->scratch.size = FAT_SCRATCH_SIZE;
	memset(fs->scratch.address, 0, FAT_SCRATCH_SIZE);
	list_init(&fs->dirty_inodes);
	list_init(&fs->cut_inodes);
	list_init(&fs->dead_inodes);
	list_init(&fs->holds);
	list_init(&fs->links);
	list_init(&fs->unused);
	mutex_init(&fs->rename_lock);
	rwlock_init(&fs->batch_lock);
	fs->batch = 1;
	*out_fs = fs;
	return 0;
}

static void fs_destroy(struct task *task, struct fat *fs)
{
	struct scope shield;

	scope_begin_shield(task, &shield);
	if (fs->cache.buffers != NULL) {
		fat_drop_batch(task, fs);
		(void)cache_finish(task, &fs->cache);
	}
	if (fs->root != NULL) {
		fat_inode_unhold(fs->root);
	}
	(void)scope_join(&shield);
	fat_inodes_trim(fs, 0);
	ASSERT(fs->numbers.n_nodes == 0);
	cache_deinit(&fs->cache);
	fat_inodes_deinit(fs);
	blockfs_free(fs->used);
	blockfs_free(fs);
}

static int make_writable(struct task *task, struct fat *fs)
{
	if (fs->was_dirty) {
		fs->fs.host->complain(fs->fs.host, "was not unmounted; fsck should look at it");
	}
	int error = fat_boot_set_dirty(task, fs, true);

	if (error == 0) {
		fs->fs.is_read_only = false;
	}
	return error;
}

static int fs_open(struct task *task, struct fat *fs, const struct blockfs_mount_options *options)
{
	int error = fat_options_parse(options->text, &fs->options) ? 0 : -ERR_ILLEGAL_ARGS;

	error = error != 0 ? error : fat_boot_load(task, fs);
	error = error != 0 ? error : open_cache(fs, &options->arena);
	error = error != 0 ? error : fat_inodes_init(fs);
	error = error != 0 ? error : fat_table_load(task, fs);
	error = error != 0 ? error : fat_inode_root(task, fs);
	if (error != 0) {
		return error;
	}
	fs->must_not_write = fs->device->is_read_only;
	return options->is_read_only || fs->must_not_write ? 0 : make_writable(task, fs);
}

int blockfs_fat_mount(
	struct task *task, const struct blockfs_mount_options *options, struct blockfs **out_fs)
{
	struct fat *fs;

	if (options->arena.size < MIB(4)) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error = fs_create(options, &fs);

	if (error != 0) {
		return error;
	}
	error = fs_open(task, fs, options);
	if (error != 0) {
		fs_destroy(task, fs);
		return error;
	}
	*out_fs = &fs->fs;
	return 0;
}

/* ---- syncing --------------------------------------------------------------------------------- */

/* Let files end on the disk where they end for their users. */
static int settle_all(struct task *task, struct fat *fs)
{
	struct fat_inode *inode = LIST_FIRST(&fs->dirty_inodes, struct fat_inode, dirty_node);
	size_t n = list_size(&fs->dirty_inodes);
	int error = 0;

	while (error == 0 && inode != NULL && n-- > 0) {
		if (inode->size <= inode->disk_size) {
			inode = LIST_ENTRY(list_next(&fs->dirty_inodes, &inode->dirty_node),
				struct fat_inode, dirty_node);
			continue;
		}
		(void)fat_inode_get(inode);
		error = fat_settle(task, inode);
		fat_inode_put(task, inode);
		/* the list may have changed meanwhile */
		inode = LIST_FIRST(&fs->dirty_inodes, struct fat_inode, dirty_node);
	}
	return error;
}

int fat_sync(struct task *task, struct blockfs *blockfs)
{
	struct fat *fs = fat_of(blockfs);

	if (blockfs->is_read_only) {
		return 0;
	}
	int error = blockfs->error != 0 ? BLOCKFS_E_ABORTED : settle_all(task, fs);

	return error != 0 ? error : fat_commit(task, fs);
}

int fat_tick(struct task *task, struct blockfs *blockfs)
{
	return blockfs->is_read_only || blockfs->error != 0 ? 0 : fat_commit(task, fat_of(blockfs));
}

/* ---- unmounting ------------------------------------------------------------------------------ */

static int make_read_only(struct task *task, struct fat *fs)
{
	int error = fs->fs.error == 0 ? settle_all(task, fs) : 0;
	int committed = fat_commit_last(task, fs);

	return error != 0 ? error : committed;
}

int fat_remount(struct task *task, struct blockfs *blockfs, bool is_read_only)
{
	struct fat *fs = fat_of(blockfs);
	struct scope shield;

	if (is_read_only == blockfs->is_read_only) {
		return 0;
	}
	if (!is_read_only && (fs->must_not_write || blockfs->error != 0)) {
		return BLOCKFS_E_READ_ONLY;
	}
	if (is_read_only && fs->n_removed > 0) {
		return -ERR_BUSY; /* removed files are held, and freed by a change */
	}
	scope_begin_shield(task, &shield);
	int error = is_read_only ? make_read_only(task, fs) : make_writable(task, fs);

	(void)scope_join(&shield);
	return error;
}

int fat_unmount(struct task *task, struct blockfs *blockfs)
{
	struct fat *fs = fat_of(blockfs);
	struct scope shield;

	scope_begin_shield(task, &shield);
	int error = blockfs->is_read_only ? 0 : make_read_only(task, fs);

	(void)scope_join(&shield);
	fs_destroy(task, fs);
	return error;
}
