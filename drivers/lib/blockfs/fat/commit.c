/* SPDX-License-Identifier: MIT */
/*
 * Batches: what is written when.
 *
 * FAT has no journal, so a change in several sectors can be torn apart by a power cut. What can be
 * had is an order in which every torn state is harmless: clusters that nobody owns (lost ones, or
 * behind the end of a file), never a cluster that two files have, or a name for what is not there.
 * Changes share `batch_lock`; the commit has it alone, and so finds everything consistent:
 *
 *	1. inodes -> their slots, in memory
 *	2. the table as far as it has grown: new chains, nobody's yet, and longer ones
 *	   -- only if there are links: flush, then the sectors with them --
 *	   -- flush: contents, directories' first clusters and the table are durable --
 *	3. directories; slots that have moved here from another sector not yet     (holds)
 *	   -- only if there are: flush, ".." of moved directories, flush, the moved slots --
 *	   -- flush, only if clusters go --
 *	4. the ends of chains that were cut    -- flush --    free clusters
 *	5. the info sector
 *	   -- flush --
 *
 * A power cut between the two places of a moved name loses the name, and its clusters are lost
 * ones; the other order would give them two owners. A file that was made in this batch had no place
 * before, and is not held.
 *
 * A batch ends early when a quarter of the cache is dirty. An error stops all writing: what
 * the disk has then is one of the states above.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

#define REQUESTS_MAX 16u
#define STAGED_MAX   256u /* holds, and links, of a batch */
#define BUFFERS_MAX  32u /* of a request */

/* ---- changes --------------------------------------------------------------------------------- */

int fat_begin(struct task *task, struct fat *fs, struct fat_change *out_change)
{
	int error = 0;

	if (fs->fs.is_read_only) {
		return BLOCKFS_E_READ_ONLY;
	}
	while (error == 0 && fs->fs.error == 0 &&
		(fs->cache.n_dirty > fs->cache.n_buffers / 4 || fs->n_holds > STAGED_MAX ||
			fs->n_links > STAGED_MAX)) {
		error = fat_commit(task, fs);
	}
	error = error != 0 ? error : rwlock_read(task, &fs->batch_lock);
	if (error != 0) {
		return error;
	}
	if (fs->fs.error != 0 || fs->fs.is_read_only) {
		rwlock_read_done(&fs->batch_lock);
		return fs->fs.is_read_only ? BLOCKFS_E_READ_ONLY : BLOCKFS_E_ABORTED;
	}
	out_change->task = task;
	out_change->fs = fs;
	scope_begin_shield(task, &out_change->shield);
	return 0;
}

void fat_end(struct fat_change *change)
{
	(void)scope_join(&change->shield);
	rwlock_read_done(&change->fs->batch_lock);
}

/* ---- writing buffers ------------------------------------------------------------------------- */

static void sift(struct buffer **buffers, size_t root, size_t n)
{
	for (size_t child; (child = 2 * root + 1) < n; root = child) {
		if (child + 1 < n && buffers[child + 1]->block > buffers[child]->block) {
			child++;
		}
		if (buffers[root]->block >= buffers[child]->block) {
			return;
		}
		struct buffer *swapped = buffers[root];

		buffers[root] = buffers[child];
		buffers[child] = swapped;
	}
}

/* Heapsort: by their place, so that neighbours become one request. */
static void sort_buffers(struct buffer **buffers, size_t n)
{
	for (size_t i = n / 2; i-- > 0;) {
		sift(buffers, i, n);
	}
	for (size_t i = n; i-- > 1;) {
		struct buffer *swapped = buffers[0];

		buffers[0] = buffers[i];
		buffers[i] = swapped;
		sift(buffers, 0, i);
	}
}

struct writer {
	struct fat *fs;
	struct device_request requests[REQUESTS_MAX];
	struct op *ops[REQUESTS_MAX];
	struct device_buffer slices[REQUESTS_MAX][BUFFERS_MAX];
	size_t n_requests;
	size_t n_buffers;
	struct buffer *buffers[]; /* held */
};

static int writer_run(struct task *task, struct writer *writer)
{
	int error = writer->n_requests > 0 ? await_all(task, writer->ops, writer->n_requests) : 0;

	writer->n_requests = 0;
	return error;
}

/* Write buffers that are neighbours, @shift sectors behind their own place. */
static int writer_add(
	struct task *task, struct writer *writer, size_t first, size_t n, uint64_t shift)
{
	struct fat *fs = writer->fs;
	struct device_request *request = &writer->requests[writer->n_requests];
	struct device_buffer *slices = writer->slices[writer->n_requests];

	for (size_t i = 0; i < n; i++) {
		slices[i] = writer->buffers[first + i]->where;
	}
	device_request_init(request, fs->device, DEVICE_WRITE,
		(writer->buffers[first]->block + shift) << fs->sector_bits,
		(uint64_t)n << fs->sector_bits);
	device_request_set_buffers(request, slices, n);
	writer->ops[writer->n_requests++] = &request->op;
	return writer->n_requests == REQUESTS_MAX ? writer_run(task, writer) : 0;
}

static int writer_write(struct task *task, struct writer *writer, uint64_t shift)
{
	int error = 0;

	for (size_t i = 0; i < writer->n_buffers && error == 0;) {
		size_t n = 1;

		while (n < BUFFERS_MAX && i + n < writer->n_buffers &&
			writer->buffers[i + n]->block == writer->buffers[i]->block + n) {
			n++;
		}
		error = writer_add(task, writer, i, n, shift);
		i += n;
	}
	int ended = writer_run(task, writer);

	return error != 0 ? error : ended;
}

/* Of the dirty buffers of a kind those that are written at once, or those that are not. */
static struct writer *writer_create(struct fat *fs, uint8_t kind, bool is_staged)
{
	struct writer *writer =
		blockfs_allocate(sizeof(*writer) + fs->cache.n_dirty * sizeof(struct buffer *));

	if (writer == NULL) {
		return NULL;
	}
	writer->fs = fs;
	LIST_FOR_EACH(buffer, &fs->cache.dirty, struct buffer, dirty_node) {
		if (buffer->kind == kind && (buffer->seed == FAT_SEED_STAGED) == is_staged) {
			writer->buffers[writer->n_buffers++] = buffer_get(buffer);
		}
	}
	sort_buffers(writer->buffers, writer->n_buffers);
	return writer;
}

static void writer_destroy(struct writer *writer, bool is_written)
{
	for (size_t i = 0; i < writer->n_buffers; i++) {
		if (is_written) {
			cache_mark_clean(writer->buffers[i]);
			writer->buffers[i]->seed = 0;
		}
		buffer_put(writer->buffers[i]);
	}
	blockfs_free(writer);
}

/* Buffers of the table are those of the active one; the copies get the same. */
static int write_copies(struct task *task, struct fat *fs, struct writer *writer)
{
	int error = 0;

	for (uint32_t i = 0; i < fs->n_fats && error == 0; i++) {
		if (i == fs->active_fat || fs->is_mirrored) {
			/* copies before the active one are a negative shift, modulo 2^64 */
			error = writer_write(
				task, writer, ((uint64_t)i - fs->active_fat) * fs->fat_sectors);
		}
	}
	return error;
}

static int write_buffers(struct task *task, struct fat *fs, uint8_t kind, bool is_staged)
{
	struct writer *writer = writer_create(fs, kind, is_staged);

	if (writer == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = kind == FAT_KIND_TABLE ? write_copies(task, fs, writer)
					   : writer_write(task, writer, 0);

	writer_destroy(writer, error == 0);
	return error;
}

static struct device_buffer scratch_sector(const struct fat *fs)
{
	return (struct device_buffer){
		.memory = fs->scratch.memory,
		.offset = fs->scratch.offset,
		.address = fs->scratch.address,
		.length = fs->sector_size,
	};
}

/* The sectors with links, with ends instead. */
static int write_ends(struct task *task, struct fat *fs)
{
	struct device_buffer where = scratch_sector(fs);
	struct writer *writer = writer_create(fs, FAT_KIND_TABLE, true);
	int error = writer == NULL ? -ERR_NO_MEMORY : 0;

	for (size_t i = 0; error == 0 && i < writer->n_buffers; i++) {
		uint64_t block = writer->buffers[i]->block;

		memcpy(fs->scratch.address, writer->buffers[i]->data, fs->sector_size);
		fat_mask_links(fs, block, fs->scratch.address);
		for (uint32_t j = 0; j < fs->n_fats && error == 0; j++) {
			uint64_t copy = block + ((uint64_t)j - fs->active_fat) * fs->fat_sectors;

			if (j == fs->active_fat || fs->is_mirrored) {
				error = device_transfer(task, fs->device, DEVICE_WRITE,
					copy << fs->sector_bits, &where, 0);
			}
		}
	}
	if (writer != NULL) {
		writer_destroy(writer, false);
	}
	return error;
}

static void drop_links(struct fat *fs)
{
	struct fat_link *link;

	while ((link = LIST_POP_FRONT(&fs->links, struct fat_link, node)) != NULL) {
		blockfs_free(link);
	}
	fs->n_links = 0;
}

int fat_write_table(struct task *task, struct fat *fs)
{
	int error = fs->must_flush ? device_flush(task, fs->device) : 0;

	if (error != 0) {
		return error;
	}
	fs->must_flush = false;
	error = write_buffers(task, fs, FAT_KIND_TABLE, false);
	if (error != 0 || list_is_empty(&fs->links)) {
		return error;
	}
	error = write_ends(task, fs);
	error = error != 0 ? error : device_flush(task, fs->device);
	error = error != 0 ? error : write_buffers(task, fs, FAT_KIND_TABLE, true);
	if (error == 0) {
		drop_links(fs);
	}
	return error;
}

/* ---- directories ----------------------------------------------------------------------------- */

enum stage { STAGE_REMOVALS, STAGE_PARENTS, STAGE_MOVES };

static bool hold_is_masked(const struct fat_hold *hold, enum stage stage)
{
	return stage == STAGE_REMOVALS || (stage == STAGE_PARENTS && !hold->is_early);
}

/* Write one buffer as it is to be in this stage; the newest hold is first, the oldest counts. */
static int write_masked(struct task *task, struct fat *fs, struct buffer *buffer, enum stage stage)
{
	struct device_buffer where = scratch_sector(fs);

	memcpy(fs->scratch.address, buffer->data, fs->sector_size);
	LIST_FOR_EACH(hold, &fs->holds, struct fat_hold, node) {
		if (hold->block == buffer->block && hold_is_masked(hold, stage)) {
			memcpy(fs->scratch.address + hold->offset, hold->before, FAT_SLOT_SIZE);
		}
	}
	return device_transfer(
		task, fs->device, DEVICE_WRITE, buffer->block << fs->sector_bits, &where, 0);
}

static int write_held(struct task *task, struct fat *fs, enum stage stage)
{
	uint64_t last = UINT64_MAX;
	int error = 0;

	LIST_FOR_EACH(hold, &fs->holds, struct fat_hold, node) {
		BUFFER_AUTO struct buffer *buffer = NULL;

		if (hold->block == last || error != 0) {
			continue; /* slots of one entry are neighbours */
		}
		last = hold->block;
		buffer = cache_find(&fs->cache, hold->block);
		if (buffer != NULL && buffer->is_dirty) {
			error = write_masked(task, fs, buffer, stage);
			if (error == 0 && stage == STAGE_MOVES) {
				cache_mark_clean(buffer);
				buffer->seed = 0;
			}
		}
	}
	return error;
}

static void drop_holds(struct fat *fs)
{
	struct fat_hold *hold;

	while ((hold = LIST_POP_FRONT(&fs->holds, struct fat_hold, node)) != NULL) {
		blockfs_free(hold);
	}
	fs->n_holds = 0;
}

static bool has_early_holds(const struct fat *fs)
{
	LIST_FOR_EACH(hold, &fs->holds, struct fat_hold, node) {
		if (hold->is_early) {
			return true;
		}
	}
	return false;
}

static int write_directories(struct task *task, struct fat *fs)
{
	int error = write_buffers(task, fs, FAT_KIND_DIRECTORY, false);

	if (error != 0 || list_is_empty(&fs->holds)) {
		return error;
	}
	error = write_held(task, fs, STAGE_REMOVALS);
	error = error != 0 ? error : device_flush(task, fs->device);
	if (error == 0 && has_early_holds(fs)) {
		error = write_held(task, fs, STAGE_PARENTS);
		error = error != 0 ? error : device_flush(task, fs->device);
	}
	error = error != 0 ? error : write_held(task, fs, STAGE_MOVES);
	if (error == 0) {
		drop_holds(fs);
	}
	return error;
}

/* ---- inodes ---------------------------------------------------------------------------------- */

static int flush_inode(struct task *task, struct fat_inode *inode)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct fat_slot *slot;

	if (inode->is_removed || inode->parent == NULL) {
		return 0;
	}
	int error = fat_slot_hold(task, inode->parent, inode->slot, &buffer, &slot);

	if (error == 0) {
		fat_inode_encode(inode, slot);
		fat_mark(buffer, FAT_KIND_DIRECTORY);
	}
	return error;
}

/* Those whose end has not arrived yet come again. */
static int flush_inodes(struct task *task, struct fat *fs)
{
	struct list done;
	struct fat_inode *inode;
	int error = 0;

	list_init(&done);
	while (error == 0 &&
		(inode = LIST_FIRST(&fs->dirty_inodes, struct fat_inode, dirty_node)) != NULL) {
		error = flush_inode(task, inode);
		if (error == 0) {
			list_remove(&inode->dirty_node);
			list_push_back(&done, &inode->dirty_node);
		}
	}
	while ((inode = LIST_POP_FRONT(&done, struct fat_inode, dirty_node)) != NULL) {
		if (error != 0) {
			list_push_back(&fs->dirty_inodes, &inode->dirty_node);
		} else {
			fat_inode_unhold(inode);
		}
	}
	return error;
}

/* ---- what goes ------------------------------------------------------------------------------- */

static bool has_going(const struct fat *fs)
{
	return !list_is_empty(&fs->cut_inodes) || !list_is_empty(&fs->dead_inodes);
}

static int cut_chains(struct task *task, struct fat *fs)
{
	int error = 0;
	bool has_cut = false;

	LIST_FOR_EACH(inode, &fs->cut_inodes, struct fat_inode, cut_node) {
		if (error == 0 && inode->cut_after != 0) {
			has_cut = true;
			error = fat_set(task, fs, inode->cut_after, FAT_END);
		}
	}
	if (error == 0 && has_cut) {
		error = fat_write_table(task, fs);
		error = error != 0 ? error : device_flush(task, fs->device);
	}
	return error;
}

static int free_clusters(struct task *task, struct fat *fs)
{
	struct fat_inode *inode;
	int error = cut_chains(task, fs);

	while (error == 0 &&
		(inode = LIST_FIRST(&fs->cut_inodes, struct fat_inode, cut_node)) != NULL) {
		error = fat_free_chain(task, fs, inode->cut_first);
		if (error == 0) {
			list_remove(&inode->cut_node);
			inode->is_cut = false;
			fat_inode_unhold(inode);
		}
	}
	while (error == 0 &&
		(inode = LIST_POP_FRONT(&fs->dead_inodes, struct fat_inode, dead_node)) != NULL) {
		if (fat_is_cluster(fs, inode->start)) {
			error = fat_free_chain(task, fs, inode->start);
		}
		fat_inode_destroy_dead(inode);
	}
	fs->n_going = error == 0 ? 0 : fs->n_going;
	return error != 0 ? error : fat_write_table(task, fs);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool has_work(const struct fat *fs)
{
	return !list_is_empty(&fs->dirty_inodes) || fs->cache.n_dirty > 0 || has_going(fs) ||
		fs->has_data || fs->must_flush;
}

static int commit(struct task *task, struct fat *fs)
{
	if (!has_work(fs)) {
		return 0;
	}
	fs->has_data = false;
	int error = flush_inodes(task, fs);

	if (error == 0 && fs->cache.n_dirty > 0) {
		error = fat_write_table(task, fs);
		error = error != 0 ? error : device_flush(task, fs->device);
		error = error != 0 ? error : write_directories(task, fs);
	}
	if (error == 0 && has_going(fs)) {
		error = device_flush(task, fs->device);
		error = error != 0 ? error : free_clusters(task, fs);
	}
	error = error != 0 ? error : fat_info_write(task, fs);
	error = error != 0 ? error : device_flush(task, fs->device);
	fs->batch++;
	return error;
}

/* The commit frees inodes, which may let others go; twice is enough, as parents have names. */
static int commit_last(struct task *task, struct fat *fs)
{
	int error = commit(task, fs);

	error = error != 0 ? error : commit(task, fs);
	error = error != 0 ? error : device_flush(task, fs->device);
	return error != 0 ? error : fat_boot_set_dirty(task, fs, false);
}

static int commit_alone(struct task *task, struct fat *fs, bool is_last)
{
	struct scope shield;
	int error = rwlock_write(task, &fs->batch_lock);

	if (error != 0) {
		return error;
	}
	scope_begin_shield(task, &shield);
	error = fs->fs.error != 0 ? BLOCKFS_E_ABORTED
		: is_last         ? commit_last(task, fs)
				  : commit(task, fs);
	(void)scope_join(&shield);
	fs->fs.is_read_only = fs->fs.is_read_only || is_last;
	rwlock_write_done(&fs->batch_lock);
	if (error != 0 && fs->fs.error == 0) {
		fat_fail(fs, error, "writing");
	}
	return error;
}

int fat_commit(struct task *task, struct fat *fs)
{
	return commit_alone(task, fs, false);
}

int fat_commit_last(struct task *task, struct fat *fs)
{
	return commit_alone(task, fs, true);
}

void fat_drop_batch(struct task *task, struct fat *fs)
{
	struct fat_inode *inode;
	struct buffer *buffer;

	while ((inode = LIST_POP_FRONT(&fs->dirty_inodes, struct fat_inode, dirty_node)) != NULL) {
		fat_inode_put(task, inode);
	}
	while ((inode = LIST_POP_FRONT(&fs->cut_inodes, struct fat_inode, cut_node)) != NULL) {
		fat_inode_put(task, inode);
	}
	while ((inode = LIST_POP_FRONT(&fs->dead_inodes, struct fat_inode, dead_node)) != NULL) {
		fat_inode_destroy_dead(inode);
	}
	while ((buffer = LIST_FIRST(&fs->cache.dirty, struct buffer, dirty_node)) != NULL) {
		cache_mark_clean(buffer);
		cache_unpinned(buffer);
	}
	drop_holds(fs);
	drop_links(fs);
}
