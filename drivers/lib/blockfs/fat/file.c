/* SPDX-License-Identifier: MIT */
/*
 * Contents of files: between the server's pages and clusters.
 *
 * Ranges are in sectors. Writing before `disk_size` shares the file's lock. Writing behind it has
 * the lock alone: the file gets its clusters, what is between becomes zeros, the data are written,
 * and only then `disk_size` says so, which the next commit tells the disk. Clusters that the table
 * has given to the file before are behind its end until then.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>
#include <drivers/lib/blockfs/io.h>

/* A range of the file, in as few requests as its clusters allow. */
static int transfer(struct task *task, struct fat_inode *inode, struct file_io *io,
	enum device_action action, uint64_t offset, uint64_t end)
{
	struct fat *fs = inode->fs;
	int error = 0;

	while (error == 0 && offset < end) {
		struct fat_run run;

		error = fat_chain_find(task, inode, (uint32_t)(offset >> fs->cluster_bits), &run);
		if (error == BLOCKFS_E_END) {
			error = fat_corrupt(fs,
				"the chain from cluster %u on is shorter than its file",
				inode->start);
		}
		if (error != 0) {
			break;
		}
		uint64_t inside = offset & (fs->cluster_size - 1);
		uint64_t length = min_u64(
			end - offset, ((uint64_t)run.n_clusters << fs->cluster_bits) - inside);

		file_io_add(io, action, offset, length,
			(fat_cluster_sector(fs, run.cluster) << fs->sector_bits) + inside);
		if (file_io_is_full(io)) {
			error = file_io_run(task, io);
		}
		offset += length;
	}
	int ended = file_io_run(task, io);

	return error != 0 ? error : ended;
}

/* Let the chain be walked as far as the range goes, so that runs are as long as they can be. */
static int walk(struct task *task, struct fat_inode *inode, uint64_t end)
{
	return fat_chain_walk(task, inode, fat_clusters_of(inode->fs, end));
}

int fat_file_read(struct task *task, struct fat_inode *inode, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers)
{
	struct fat *fs = inode->fs;
	int error = file_io_check(fs->sector_size, offset, length, buffers, n_buffers);

	if (error != 0 || length == 0) {
		return error;
	}
	struct file_io *io = file_io_create(fs->device, fs->fs.host, offset, buffers, n_buffers);

	if (io == NULL) {
		return -ERR_NO_MEMORY;
	}
	error = rwlock_read(task, &inode->lock);
	if (error == 0) {
		uint64_t data_end = min_u64(inode->size, inode->disk_size);
		uint64_t end = min_u64(offset + length, align_up(data_end, fs->sector_size));

		if (offset < end) {
			error = walk(task, inode, end);
			error = error != 0 ? error
					   : transfer(task, inode, io, DEVICE_READ, offset, end);
		}
		uint64_t zero_from = max_u64(offset, min_u64(data_end, offset + length));

		if (error == 0 && zero_from < offset + length) {
			file_io_fill(io, zero_from, NULL, offset + length - zero_from);
		}
		rwlock_read_done(&inode->lock);
	}
	file_io_destroy(io);
	return error;
}

/* Where a write really ends: in the sector with the file's last byte. */
static uint64_t write_end(const struct fat_inode *inode, uint64_t offset, uint64_t length)
{
	return min_u64(offset + length, align_up(inode->size, inode->fs->sector_size));
}

static int overwrite(struct task *task, struct fat_inode *inode, struct file_io *io,
	uint64_t offset, uint64_t end)
{
	int error = walk(task, inode, end);

	error = error != 0 ? error : transfer(task, inode, io, DEVICE_WRITE, offset, end);
	inode->fs->has_data = true;
	return error;
}

/* The file becomes longer on the disk. */
static int append(struct task *task, struct fat_inode *inode, struct file_io *io, uint64_t offset,
	uint64_t end)
{
	struct fat *fs = inode->fs;
	uint64_t size = min_u64(end, inode->size);
	int error = fat_extend_clusters(task, inode, fat_clusters_of(fs, size));

	if (error == 0 && offset > inode->disk_size) {
		error = fat_zero_range(task, inode, inode->disk_size, offset);
	}
	error = error != 0 ? error : overwrite(task, inode, io, offset, end);
	if (error == 0) {
		inode->disk_size = max_u64(inode->disk_size, size);
		if (!inode->is_removed) {
			fat_inode_set_dirty(inode);
		}
	}
	return error;
}

static int write_locked(struct task *task, struct fat_inode *inode, struct file_io *io,
	uint64_t offset, uint64_t length)
{
	int error = rwlock_read(task, &inode->lock);

	if (error != 0) {
		return error;
	}
	uint64_t end = write_end(inode, offset, length);

	if (min_u64(end, inode->size) <= inode->disk_size) {
		error = offset < end ? overwrite(task, inode, io, offset, end) : 0;
		rwlock_read_done(&inode->lock);
		return error;
	}
	rwlock_read_done(&inode->lock);
	error = rwlock_write(task, &inode->lock);
	if (error == 0) {
		end = write_end(inode, offset, length); /* it may have been cut meanwhile */
		error = offset < end ? append(task, inode, io, offset, end) : 0;
		rwlock_write_done(&inode->lock);
	}
	return error;
}

int fat_file_write(struct task *task, struct fat_inode *inode, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers)
{
	struct fat *fs = inode->fs;
	int error = file_io_check(fs->sector_size, offset, length, buffers, n_buffers);

	if (error != 0 || length == 0) {
		return error;
	}
	if (fs->fs.is_read_only || fs->fs.error != 0) {
		return fs->fs.is_read_only ? BLOCKFS_E_READ_ONLY : BLOCKFS_E_ABORTED;
	}
	struct file_io *io = file_io_create(fs->device, fs->fs.host, offset, buffers, n_buffers);

	if (io == NULL) {
		return -ERR_NO_MEMORY;
	}
	struct scope shield;

	scope_begin_shield(task, &shield);
	error = write_locked(task, inode, io, offset, length);
	(void)scope_join(&shield);
	file_io_destroy(io);
	return error;
}

static int map_locked(struct task *task, struct fat_inode *inode, uint64_t offset,
	struct blockfs_extent *out_extent)
{
	struct fat *fs = inode->fs;
	uint64_t disk_end = align_up(inode->disk_size, fs->cluster_size);
	struct fat_run run;

	if (offset >= inode->size) {
		return -ERR_NOT_FOUND;
	}
	if (offset >= disk_end) {
		*out_extent = (struct blockfs_extent){
			.kind = BLOCKFS_DELAYED,
			.offset = align_down(offset, fs->cluster_size),
		};
		out_extent->length = align_up(inode->size, fs->cluster_size) - out_extent->offset;
		return 0;
	}
	int error = walk(task, inode, inode->disk_size);

	error = error != 0
		? error
		: fat_chain_find(task, inode, (uint32_t)(offset >> fs->cluster_bits), &run);
	if (error != 0) {
		return error == BLOCKFS_E_END ? BLOCKFS_E_CORRUPT : error;
	}
	*out_extent = (struct blockfs_extent){
		.kind = BLOCKFS_DATA,
		.offset = (uint64_t)run.first << fs->cluster_bits,
		.place = fat_cluster_sector(fs, run.cluster) << fs->sector_bits,
	};
	out_extent->length = min_u64(
		(uint64_t)run.n_clusters << fs->cluster_bits, disk_end - out_extent->offset);
	return 0;
}

int fat_file_map(struct task *task, struct fat_inode *inode, uint64_t offset,
	struct blockfs_extent *out_extent)
{
	int error = rwlock_read(task, &inode->lock);

	if (error == 0) {
		error = map_locked(task, inode, offset, out_extent);
		rwlock_read_done(&inode->lock);
	}
	return error;
}
