/* SPDX-License-Identifier: MIT */
/*
 * Mounting and unmounting.
 *
 *   superblock -> descriptors -> journal inode -> replay -> all of it again -> orphans -> in use
 *
 * Replay may change anything, so everything that was read before is read again. For writing, the
 * superblock then says that the journal has to be looked at (RECOVER), or without a journal that
 * the file system is not clean, before anything else is written; unmounting takes it back.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>
#include <drivers/lib/blockfs/ext4/mount.h>

#define JOURNAL_RUNS_MAX  65536
#define JOURNAL_ARENA_MIN (96u * 4096) /* replay: a window and 16 writes; the superblock */
#define JOURNAL_ARENA_MAX MIB(5)
#define SPARE_BLOCKS_MAX  4096 /* kept for maps of reserved blocks */

/* ---- the parts ------------------------------------------------------------------------------- */

static size_t journal_arena_size(const struct ext4 *fs)
{
	size_t size = fs->arena.size / 3;

	size = max_size(size, JOURNAL_ARENA_MIN);
	return align_down_size(min_size(size, JOURNAL_ARENA_MAX), 4096);
}

static int fs_open_cache(struct ext4 *fs)
{
	size_t n_journal = journal_arena_size(fs);
	struct cache_config config = {
		.loop = fs->loop,
		.device = fs->device,
		.arena = {
			.memory = fs->arena.memory,
			.offset = fs->arena.offset + n_journal,
			.address = fs->arena.address + n_journal,
			.size = fs->arena.size - n_journal,
		},
		.block_size = fs->block_size,
		.n_blocks = fs->n_blocks,
		.seal = ext4_seal,
		.context = fs,
	};

	return cache_init(&fs->cache, &config);
}

static int fs_create(const struct blockfs_mount_options *options, struct ext4 **out_fs)
{
	struct ext4 *fs = blockfs_allocate(sizeof(*fs));
	if (fs == NULL || ext4_inodes_init(fs) != 0) {
		blockfs_free(fs);
		return -ERR_NO_MEMORY;
	}
	fs->fs.ops = &ext4_ops;
	fs->fs.host = options->host;
	fs->fs.is_read_only = true; /* until everything is in order */
	fs->loop = options->loop;
	fs->device = options->device;
	fs->arena = options->arena;
	fs->on_error = (enum ext4_errors_policy)options->on_error;
	fs->data_mode = options->data_mode;

	list_init(&fs->orphans);
	mutex_init(&fs->orphan_lock);
	mutex_init(&fs->rename_lock);
	rwlock_init(&fs->plain_lock);
	*out_fs = fs;
	return 0;
}

/* The end of a file system whose journal is stopped and whose inodes nobody holds. */
static void fs_destroy(struct task *task, struct ext4 *fs)
{
	struct scope shield;

	scope_begin_shield(task, &shield);
	ext4_inodes_drop(fs);
	if (fs->cache.buffers != NULL) {
		(void)cache_finish(task, &fs->cache);
	}
	(void)scope_join(&shield);
	ASSERT(fs->inodes.n_nodes == 0);
	ext4_allocator_deinit(fs);
	cache_deinit(&fs->cache);
	blockfs_free(fs->inodes.buckets);
	blockfs_free(fs->groups);
	blockfs_free(fs);
}

/* ---- the superblock outside of handles ------------------------------------------------------- */

/* Nothing else is written while this is. */
static int super_write_now(struct task *task, struct ext4 *fs)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	int error = ext4_read(task, fs, fs->super_block, EXT4_KIND_SUPER, 0, &buffer);

	error = error != 0 ? error : cache_wait_written(task, buffer);
	if (error != 0) {
		return error;
	}
	ext4_super_encode(fs, buffer->data);
	return device_transfer(task, fs->device, DEVICE_WRITE, fs->super_block << fs->block_bits,
		&buffer->where, DEVICE_FUA);
}

static int super_set_in_use(struct task *task, struct ext4 *fs)
{
	fs->super.mount_time = (uint32_t)fs->fs.host->now(fs->fs.host).seconds;
	fs->super.n_mounts++;
	if (fs->journal != NULL) {
		fs->super.incompat |= EXT4_INCOMPAT_RECOVER;
	} else {
		fs->super.state &= (uint16_t)~EXT4_STATE_CLEAN;
	}
	if (fs->orphan_file != NULL) {
		fs->super.ro_compat |= EXT4_RO_COMPAT_ORPHAN_PRESENT;
	}
	return super_write_now(task, fs);
}

static int super_set_unused(struct task *task, struct ext4 *fs)
{
	int error = device_flush(task, fs->device);

	fs->super.incompat &= ~EXT4_INCOMPAT_RECOVER;
	fs->super.state |= EXT4_STATE_CLEAN;
	fs->super.ro_compat &= ~EXT4_RO_COMPAT_ORPHAN_PRESENT;
	return error != 0 ? error : super_write_now(task, fs);
}

/*
 * After an error: what is in memory is more than what is committed, so the superblock of the disk
 * is read again and only told that there were errors. The journal is stopped.
 */
static int super_set_damaged(struct task *task, struct ext4 *fs)
{
	struct device_buffer buffer = {
		.memory = fs->arena.memory,
		.offset = fs->arena.offset,
		.length = fs->block_size,
		.address = fs->arena.address,
	};
	uint64_t place = fs->super_block << fs->block_bits;
	struct ext4_super_block *super =
		(struct ext4_super_block *)(fs->arena.address + EXT4_SUPER_OFFSET % fs->block_size);
	int error = device_transfer(task, fs->device, DEVICE_READ, place, &buffer, 0);

	if (error != 0) {
		return error;
	}
	super->state |= EXT4_STATE_ERRORS;
	super->error_count = fs->super.error_count;
	super->first_error_time = fs->super.first_error_time;
	super->last_error_time = fs->super.last_error_time;
	ext4_super_seal(fs, super);
	return device_transfer(task, fs->device, DEVICE_WRITE, place, &buffer, DEVICE_FUA);
}

/* ---- the journal ----------------------------------------------------------------------------- */

static int runs_add(struct journal_log *log, uint32_t first, const struct ext4_mapping *mapping)
{
	if ((log->n_runs & (log->n_runs - 1)) == 0) { /* full at 0, 1, 2, 4, ... */
		size_t n_max = log->n_runs == 0 ? 1 : log->n_runs * 2;
		struct journal_run *runs =
			n_max > JOURNAL_RUNS_MAX ? NULL : blockfs_allocate(n_max * sizeof(*runs));

		if (runs == NULL) {
			return -ERR_NO_MEMORY;
		}
		if (log->n_runs > 0) {
			memcpy(runs, log->runs, log->n_runs * sizeof(*runs));
		}
		blockfs_free(log->runs);
		log->runs = runs;
	}
	log->runs[log->n_runs++] = (struct journal_run){
		.first = first,
		.n_blocks = (uint32_t)mapping->n_blocks,
		.place = mapping->place,
	};
	return 0;
}

static int log_find_runs(struct task *task, struct ext4_inode *inode, struct journal_log *log)
{
	uint64_t n_blocks = ext4_n_file_blocks(inode);

	if (n_blocks > INT32_MAX || n_blocks > inode->fs->n_blocks ||
		ext4_type_of(inode) != EXT4_S_IFREG ||
		ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		return BLOCKFS_E_CORRUPT;
	}
	for (uint64_t block = 0; block < n_blocks;) {
		struct ext4_mapping mapping;
		int error = ext4_map_shared(task, inode, block, &mapping);

		if (error != 0) {
			return error;
		}
		if (mapping.kind != BLOCKFS_DATA) {
			return BLOCKFS_E_CORRUPT;
		}
		mapping.n_blocks = min_u64(mapping.n_blocks, n_blocks - block);
		error = runs_add(log, (uint32_t)block, &mapping);
		if (error != 0) {
			return error;
		}
		block += mapping.n_blocks;
	}
	log->n_blocks = (uint32_t)n_blocks;
	return 0;
}

static int log_open(struct task *task, struct ext4 *fs, struct journal_log *out_log)
{
	struct ext4_inode *inode;
	uint32_t number = fs->super.journal_inode;

	*out_log = (struct journal_log){
		.device = fs->device,
		.cache = &fs->cache,
		.arena = fs->arena,
		.block_size = fs->block_size,
		.n_fs_blocks = fs->n_blocks,
	};
	out_log->arena.size = journal_arena_size(fs);
	if (number == 0) {
		return BLOCKFS_E_UNSUPPORTED; /* on another device */
	}
	int error = ext4_inode_hold_internal(task, fs, number, &inode);

	if (error != 0) {
		return error == -ERR_NOT_FOUND ? BLOCKFS_E_CORRUPT : error;
	}
	error = log_find_runs(task, inode, out_log);
	error = error != 0 ? error : journal_log_open(task, out_log);
	ext4_inode_put(task, inode);
	if (error != 0) {
		journal_log_close(out_log);
	}
	return error;
}

/* Everything is read again. */
static int fs_reload(struct task *task, struct ext4 *fs, bool *out_must_not_write)
{
	ext4_inodes_drop(fs);
	int error = cache_finish(task, &fs->cache);

	cache_drop(&fs->cache);
	error = error != 0 ? error : ext4_super_load(task, fs, out_must_not_write);
	return error != 0 ? error : ext4_groups_load(task, fs);
}

static int log_replay(struct task *task, struct ext4 *fs, struct journal_log *log,
	struct journal_replay *out_result, bool *out_must_not_write)
{
	char text[100];
	int error = journal_replay(task, log, out_result);

	if (error != 0) {
		return error;
	}
	if (out_result->has_fast_commits) {
		fs->fs.host->complain(fs->fs.host, "the journal has fast commits: read-only");
		*out_must_not_write = true;
	} else {
		log->super.start = be32_of(0);
		log->super.sequence = be32_of(out_result->next_id);
		error = journal_log_write_super(task, log);
	}
	if (out_result->n_transactions > 0) {
		format_to(text, sizeof(text), "replayed %u transactions, %u blocks, %u revoked",
			out_result->n_transactions, out_result->n_blocks, out_result->n_revoked);
		fs->fs.host->complain(fs->fs.host, text);
	}
	bool must_not = false;

	error = error != 0 ? error : fs_reload(task, fs, &must_not);
	*out_must_not_write = *out_must_not_write || must_not;
	return error;
}

/* Read the log, replay what it has, and for writing make the journal. */
static int fs_open_journal(struct task *task, struct ext4 *fs,
	const struct blockfs_mount_options *options, bool *must_not_write)
{
	struct journal_log log;
	struct journal_replay replay = { 0 };

	if (!ext4_has_compat(fs, EXT4_COMPAT_HAS_JOURNAL)) {
		return ext4_has_incompat(fs, EXT4_INCOMPAT_RECOVER) ? BLOCKFS_E_CORRUPT : 0;
	}
	if (options->skips_journal) {
		*must_not_write = true;
		return 0;
	}
	int error = log_open(task, fs, &log);

	if (error != 0) {
		return error;
	}
	replay.next_id = be32_get(log.super.sequence);
	if (be32_get(log.super.start) != 0) {
		error = fs->device->is_read_only
			? BLOCKFS_E_READ_ONLY
			: log_replay(task, fs, &log, &replay, must_not_write);
	}
	bool is_to_write = error == 0 && !*must_not_write && !options->is_read_only;

	if (be32_get(log.super.error) != 0) {
		/* from now on the file system's own superblock says so, until it is checked */
		fs->fs.host->complain(fs->fs.host, "the journal was aborted before");
		fs->super.state |= EXT4_STATE_ERRORS;
		log.super.error = be32_of(0);
		/* it does before the log, which is written next, does not say so any more */
		error = is_to_write ? super_write_now(task, fs) : error;
	}
	if (is_to_write && error == 0) {
		error = journal_start(task, fs, &log, replay.next_id, &fs->journal);
	}
	journal_log_close(&log);
	return error;
}

/* ---- mounting -------------------------------------------------------------------------------- */

static int fs_make_writable(struct task *task, struct ext4 *fs)
{
	bool has_orphans = ext4_has_ro_compat(fs, EXT4_RO_COMPAT_ORPHAN_PRESENT);
	int error = fs->orphan_file == NULL ? ext4_orphan_file_open(task, fs) : 0;

	error = error != 0 ? error : super_set_in_use(task, fs);
	if (error != 0) {
		return error;
	}
	fs->fs.is_read_only = false;
	return ext4_orphans_recover(task, fs, has_orphans);
}

static int fs_open(struct task *task, struct ext4 *fs, const struct blockfs_mount_options *options)
{
	bool must_not_write = false;
	int error = ext4_super_load(task, fs, &must_not_write);

	must_not_write = must_not_write || fs->device->is_read_only;
	if (error == 0 && !ext4_super_is_of_kind(fs, options->ext_kind, options->is_read_only)) {
		error = BLOCKFS_E_NOT_THIS;
	}
	error = error != 0 ? error : fs_open_cache(fs);
	error = error != 0 ? error : ext4_groups_load(task, fs);
	error = error != 0 ? error : fs_open_journal(task, fs, options, &must_not_write);
	if (error != 0) {
		return error;
	}
	if (fs->data_mode != BLOCKFS_DATA_SUPER && !ext4_has_compat(fs, EXT4_COMPAT_HAS_JOURNAL)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (fs->data_mode == BLOCKFS_DATA_SUPER &&
		(fs->super.default_mount_options & EXT4_DEFAULT_DATA_MASK) ==
			EXT4_DEFAULT_DATA_JOURNAL) {
		fs->data_mode = BLOCKFS_DATA_JOURNAL;
	}
	fs->must_not_write = must_not_write;
	fs->n_spare = min_u64(fs->n_free_blocks / 50, SPARE_BLOCKS_MAX);
	if (options->is_read_only || must_not_write) {
		return 0;
	}
	return fs_make_writable(task, fs);
}

int blockfs_ext4_mount(
	struct task *task, const struct blockfs_mount_options *options, struct blockfs **out_fs)
{
	struct ext4 *fs;
	struct blockfs_node *root;

	if (options->arena.size < MIB(4)) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error = fs_create(options, &fs);

	if (error != 0) {
		return error;
	}
	error = fs_open(task, fs, options);
	error = error != 0 ? error : ext4_ops.root(task, &fs->fs, &root);
	if (error != 0) {
		(void)ext4_unmount(task, &fs->fs);
		return error;
	}
	ext4_ops.node_put(task, root);
	*out_fs = &fs->fs;
	return 0;
}

/* ---- syncing --------------------------------------------------------------------------------- */

/* Write all inodes whose times or sizes are newer than the disk's. */
static int flush_inodes(struct task *task, struct ext4 *fs)
{
	struct list_node *node;

	while ((node = list_first(&fs->dirty_inodes)) != NULL) {
		struct ext4_inode *inode = container_of(node, struct ext4_inode, dirty_node);

		(void)ext4_inode_get(inode);
		int error = ext4_inode_flush(task, inode);

		ext4_inode_put(task, inode);
		if (error != 0) {
			return error;
		}
	}
	return 0;
}

int ext4_sync(struct task *task, struct blockfs *blockfs)
{
	struct ext4 *fs = ext4_of(blockfs);

	if (blockfs->is_read_only) {
		return 0;
	}
	int error = blockfs->error != 0 ? BLOCKFS_E_ABORTED : flush_inodes(task, fs);

	if (error != 0) {
		return error;
	}
	if (fs->journal != NULL) {
		error = journal_commit_all(task, fs->journal);
	} else {
		error = handles_write_dirty(task, fs);
	}
	return error != 0 ? error : device_flush(task, fs->device);
}

int ext4_tick(struct task *task, struct blockfs *blockfs)
{
	struct ext4 *fs = ext4_of(blockfs);

	if (blockfs->is_read_only || blockfs->error != 0) {
		return 0;
	}
	int error = flush_inodes(task, fs);

	if (error != 0) {
		return error;
	}
	return fs->journal != NULL ? journal_commit_all(task, fs->journal)
				   : handles_write_dirty(task, fs);
}

/* ---- unmounting ------------------------------------------------------------------------------ */

/* The log was replayed by the mount, and nobody has written since. */
static int fs_remount_writable(struct task *task, struct ext4 *fs)
{
	const struct blockfs_mount_options options = { .is_read_only = false };
	bool must_not_write = false;
	int error = fs_open_journal(task, fs, &options, &must_not_write);

	if (error == 0 && must_not_write) {
		error = BLOCKFS_E_READ_ONLY;
	}
	error = error != 0 ? error : fs_make_writable(task, fs);
	if (error != 0) {
		(void)journal_stop(task, fs->journal);
		fs->journal = NULL;
		fs->fs.is_read_only = true;
	}
	return error;
}

/* Everything is on the disk, and the superblock says so. Read-only from then on. */
static int fs_make_read_only(struct task *task, struct ext4 *fs)
{
	int error = fs->fs.error == 0 ? ext4_sync(task, &fs->fs) : 0;
	int stopped = journal_stop(task, fs->journal);

	fs->journal = NULL;
	error = error != 0 ? error : stopped;
	if (error == 0 && fs->fs.error == 0) {
		error = handles_write_dirty(task, fs);
	}
	if (error != 0 && fs->fs.error == 0) {
		fs->fs.error = error;
	}
	int written = fs->fs.error == 0 ? super_set_unused(task, fs) : super_set_damaged(task, fs);

	fs->fs.is_read_only = true;
	return error != 0 ? error : written;
}

int ext4_remount(struct task *task, struct blockfs *blockfs, bool is_read_only)
{
	struct ext4 *fs = ext4_of(blockfs);
	struct scope shield;
	int error;

	if (is_read_only == blockfs->is_read_only) {
		return 0;
	}
	if (!is_read_only && (fs->must_not_write || blockfs->error != 0)) {
		return BLOCKFS_E_READ_ONLY;
	}
	if (is_read_only && !list_is_empty(&fs->orphans)) {
		return -ERR_BUSY; /* removed files are held, and freed by a change */
	}
	scope_begin_shield(task, &shield);
	error = is_read_only ? fs_make_read_only(task, fs) : fs_remount_writable(task, fs);
	(void)scope_join(&shield);
	return error;
}

static void drop_dirty(struct cache *cache)
{
	struct buffer *buffer;

	while ((buffer = LIST_FIRST(&cache->dirty, struct buffer, dirty_node)) != NULL) {
		cache_mark_clean(buffer);
		cache_unpinned(buffer);
	}
}

int ext4_unmount(struct task *task, struct blockfs *blockfs)
{
	struct ext4 *fs = ext4_of(blockfs);
	struct scope shield;
	int error = 0;

	scope_begin_shield(task, &shield);
	if (!blockfs->is_read_only) {
		error = fs_make_read_only(task, fs);
	} else if (fs->journal != NULL) {
		error = journal_stop(task, fs->journal);
		fs->journal = NULL;
	}
	ext4_inode_put(task, fs->orphan_file);
	if (fs->cache.buffers != NULL) {
		drop_dirty(&fs->cache);
	}
	(void)scope_join(&shield);
	fs_destroy(task, fs);
	return error;
}
