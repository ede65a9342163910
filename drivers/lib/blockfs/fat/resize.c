/* SPDX-License-Identifier: MIT */
/*
 * Sizes of files: clusters, zeros and promises.
 *
 * FAT has no holes: whatever is before the end of a file has clusters, and what is read there is
 * what they hold. `disk_size` is how far that is true; what is between it and `size` is zeros for
 * readers, and becomes zeros on the disk before anything behind it is written.
 *
 * A promise is a number of clusters for a file: enough to let it reach where pages are dirty.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

#define ROUND_BYTES MIB(1) /* a large file grows in steps, so that no change is too large */

/* ---- promises -------------------------------------------------------------------------------- */

static uint32_t n_available(const struct fat *fs)
{
	return fs->n_free > fs->n_reserved ? fs->n_free - fs->n_reserved : 0;
}

/* Let @n_clusters be available to whoever asks first; what was freed is after a commit. */
static int make_available(struct task *task, struct fat *fs, uint32_t n_clusters)
{
	if (n_available(fs) >= n_clusters) {
		return 0;
	}
	if (n_clusters > n_available(fs) + (uint64_t)fs->n_going) {
		return BLOCKFS_E_NO_SPACE;
	}
	int error = fat_commit(task, fs);

	return error == 0 && n_available(fs) < n_clusters ? BLOCKFS_E_NO_SPACE : error;
}

int fat_reserve(struct task *task, struct fat_inode *inode, uint64_t end)
{
	struct fat *fs = inode->fs;
	uint32_t n_wanted = fat_clusters_of(fs, end);

	if (n_wanted <= inode->n_clusters + inode->n_reserved) {
		return 0;
	}
	int error = make_available(task, fs, n_wanted - inode->n_clusters - inode->n_reserved);

	/* that may have waited */
	if (error == 0 && n_wanted > inode->n_clusters + inode->n_reserved) {
		uint32_t n_more = n_wanted - inode->n_clusters - inode->n_reserved;

		if (n_available(fs) < n_more) {
			return BLOCKFS_E_NO_SPACE;
		}
		inode->n_reserved += n_more;
		fs->n_reserved += n_more;
	}
	return error;
}

static void set_reserved(struct fat_inode *inode, uint32_t n_reserved)
{
	inode->fs->n_reserved -= inode->n_reserved;
	inode->fs->n_reserved += n_reserved;
	inode->n_reserved = n_reserved;
}

void fat_unreserve(struct fat_inode *inode)
{
	uint32_t n_wanted = fat_clusters_of(inode->fs, inode->size);
	uint32_t n = n_wanted > inode->n_clusters ? n_wanted - inode->n_clusters : 0;

	set_reserved(inode, (uint32_t)min_u64(inode->n_reserved, n));
}

/* ---- clusters -------------------------------------------------------------------------------- */

/* One run more. */
static int extend_once(struct task *task, struct fat_inode *inode, uint32_t n_wanted)
{
	struct fat *fs = inode->fs;
	struct fat_change change;
	uint32_t first;
	int error = fat_begin(task, fs, &change);

	if (error != 0) {
		return error;
	}
	uint32_t n_allowed = n_available(fs) + inode->n_reserved;
	uint32_t n = fat_choose(fs, inode->chain.n_known > 0 ? inode->chain.tail + 1 : 0,
		(uint32_t)min_u64(n_wanted, n_allowed), &first);

	if (n == 0 || n_allowed == 0) {
		error = BLOCKFS_E_NO_SPACE;
	} else {
		error = fat_chain_extend(task, inode, first, n);
		if (error != 0) {
			fat_fail(fs, error, "a file grows");
		}
		inode->n_clusters = inode->chain.n_known;
		set_reserved(inode, inode->n_reserved - (uint32_t)min_u64(n, inode->n_reserved));
	}
	fat_end(&change);
	return error;
}

int fat_extend_clusters(struct task *task, struct fat_inode *inode, uint32_t n_clusters)
{
	struct fat *fs = inode->fs;
	int error = fat_chain_walk(task, inode, n_clusters);

	if (error != 0 || inode->chain.n_known >= n_clusters) {
		return error;
	}
	if (inode->chain.n_known < fat_clusters_of(fs, inode->disk_size)) {
		return fat_corrupt(
			fs, "the chain from cluster %u on is shorter than its file", inode->start);
	}
	inode->n_clusters = inode->chain.n_known;
	if (inode->is_cut && inode->cut_after != 0) {
		error = fat_commit(task, fs); /* the table still has what was cut behind the tail */
	}
	uint32_t n_more = n_clusters - inode->chain.n_known;

	if (error == 0 && n_more > inode->n_reserved) {
		error = make_available(task, fs, n_more - inode->n_reserved);
	}
	while (error == 0 && inode->chain.n_known < n_clusters) {
		error = extend_once(task, inode,
			(uint32_t)min_u64(n_clusters - inode->chain.n_known,
				fs->cache.n_buffers * fs->sector_size / 64));
	}
	return error;
}

/* ---- zeros ----------------------------------------------------------------------------------- */

int fat_zero_sectors(struct task *task, struct fat *fs, uint64_t sector, uint64_t n_sectors)
{
	const uint32_t n_at_once = (uint32_t)(FAT_SCRATCH_SIZE / 2) >> fs->sector_bits;

	if (fs->device->can_write_zeroes) {
		struct device_request request;

		device_request_init(&request, fs->device, DEVICE_WRITE_ZEROES,
			sector << fs->sector_bits, n_sectors << fs->sector_bits);
		return await(task, &request.op);
	}
	while (n_sectors > 0) {
		uint64_t n = min_u64(n_sectors, n_at_once);
		struct device_buffer zeros = {
			/* the second half is never written */
			.memory = fs->scratch.memory,
			.offset = fs->scratch.offset + FAT_SCRATCH_SIZE / 2,
			.address = fs->scratch.address + FAT_SCRATCH_SIZE / 2,
			.length = n << fs->sector_bits,
		};
		int error = device_transfer(
			task, fs->device, DEVICE_WRITE, sector << fs->sector_bits, &zeros, 0);

		if (error != 0) {
			return error;
		}
		sector += n;
		n_sectors -= n;
	}
	return 0;
}

/* The rest of a sector of which the beginning is to stay. */
static int zero_tail(struct task *task, struct fat *fs, uint64_t sector, uint32_t from)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	int error = cache_create(task, &fs->cache, sector, &buffer);

	if (error != 0) {
		return error;
	}
	cache_mark_clean(buffer);
	buffer->kind = 0; /* whatever the cache had is not what the file has */
	error = device_transfer(
		task, fs->device, DEVICE_READ, sector << fs->sector_bits, &buffer->where, 0);
	if (error == 0) {
		memset(buffer->data + from, 0, fs->sector_size - from);
		error = device_transfer(task, fs->device, DEVICE_WRITE, sector << fs->sector_bits,
			&buffer->where, 0);
	}
	cache_discard(buffer);
	return error;
}

int fat_zero_range(struct task *task, struct fat_inode *inode, uint64_t from, uint64_t to)
{
	struct fat *fs = inode->fs;
	int error = 0;

	to = align_up(to, fs->sector_size);
	while (error == 0 && from < to) {
		struct fat_run run;

		error = fat_chain_find(task, inode, (uint32_t)(from >> fs->cluster_bits), &run);
		if (error != 0) {
			break;
		}
		uint64_t inside = from & (fs->cluster_size - 1);
		uint64_t sector = fat_cluster_sector(fs, run.cluster) + (inside >> fs->sector_bits);
		uint64_t part =
			min_u64(to - from, ((uint64_t)run.n_clusters << fs->cluster_bits) - inside);

		if (!is_aligned(from, fs->sector_size)) {
			uint32_t begin = (uint32_t)from & (fs->sector_size - 1);

			error = zero_tail(task, fs, sector, begin);
			part = fs->sector_size - begin;
		} else {
			error = fat_zero_sectors(task, fs, sector, part >> fs->sector_bits);
		}
		from += part;
	}
	return error == BLOCKFS_E_END ? BLOCKFS_E_CORRUPT : error;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* Note which clusters go; in a change, with the chain walked as far as it stays. */
static int cut_chain(struct task *task, struct fat_inode *inode, uint32_t n_keep)
{
	struct fat *fs = inode->fs;
	struct fat_run run = { 0 };
	uint32_t first = inode->start;
	int error = 0;

	if (n_keep > 0) {
		error = fat_chain_find(task, inode, n_keep - 1, &run);
		error = error != 0 ? error : fat_next(task, fs, run.cluster, &first);
	}
	if (error != 0) {
		return error == BLOCKFS_E_END ? fat_corrupt(fs, "a chain is too short") : error;
	}
	if (fat_is_cluster(fs, first)) {
		inode->is_cut = true;
		inode->cut_first = first;
		inode->cut_after = run.cluster;
		fs->n_going += inode->n_clusters - (uint32_t)min_u64(n_keep, inode->n_clusters);
		list_push_back(&fs->cut_inodes, &inode->cut_node);
		(void)fat_inode_get(inode);
	}
	if (n_keep == 0) {
		inode->start = 0;
	}
	fat_chain_cut(inode, n_keep, run.cluster);
	inode->n_clusters = n_keep;
	return 0;
}

static int shrink(struct task *task, struct fat_inode *inode, uint64_t size)
{
	struct fat *fs = inode->fs;
	struct fat_change change;
	uint64_t disk_size = min_u64(size, inode->disk_size);
	int error = inode->is_cut ? fat_commit(task, fs) : 0;

	error = error != 0 ? error : fat_begin(task, fs, &change);
	if (error != 0) {
		return error;
	}
	error = cut_chain(task, inode, fat_clusters_of(fs, disk_size));
	if (error == 0) {
		inode->size = size;
		inode->disk_size = disk_size;
		fat_unreserve(inode);
		fat_inode_touch(inode);
	}
	fat_end(&change);
	return error;
}

/* Clusters with zeros, then the size: step by step. */
static int grow_disk(struct task *task, struct fat_inode *inode, uint64_t size)
{
	struct fat *fs = inode->fs;
	int error = 0;

	while (error == 0 && inode->disk_size < size) {
		uint64_t from = inode->disk_size;
		uint64_t to = min_u64(size, align_down(from, ROUND_BYTES) + ROUND_BYTES);

		error = fat_extend_clusters(task, inode, fat_clusters_of(fs, to));
		error = error != 0 ? error : fat_zero_range(task, inode, from, to);
		if (error == 0) {
			inode->disk_size = to;
			fs->has_data = true;
		}
	}
	return error;
}

int fat_set_size(struct task *task, struct fat_inode *inode, uint64_t size)
{
	struct fat *fs = inode->fs;
	uint64_t old_size = inode->size;
	struct scope shield;

	if (fs->fs.is_read_only || fs->fs.error != 0) {
		return fs->fs.is_read_only ? BLOCKFS_E_READ_ONLY : BLOCKFS_E_ABORTED;
	}
	if (size > FAT_SIZE_MAX) {
		return BLOCKFS_E_TOO_LARGE;
	}
	if (size < old_size) {
		return shrink(task, inode, size);
	}
	if (size > old_size) {
		int error = fat_reserve(task, inode, size);

		if (error != 0) {
			return error;
		}
		inode->size = size;
		scope_begin_shield(task, &shield);
		error = grow_disk(task, inode, size);
		if (error != 0 && fs->fs.error == 0) {
			(void)!shrink(task, inode, old_size);
		}
		(void)scope_join(&shield);
		if (error != 0) {
			inode->size = old_size;
			return error;
		}
	}
	fat_inode_touch(inode);
	return 0;
}

int fat_settle(struct task *task, struct fat_inode *inode)
{
	struct scope shield;
	int error = rwlock_write(task, &inode->lock);

	if (error != 0) {
		return error;
	}
	scope_begin_shield(task, &shield);
	error = grow_disk(task, inode, inode->size);
	if (error == 0 && !inode->is_removed) {
		fat_inode_set_dirty(inode);
	}
	(void)scope_join(&shield);
	rwlock_write_done(&inode->lock);
	return error;
}
