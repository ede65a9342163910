/* SPDX-License-Identifier: MIT */
/* The ioctls of block devices. */
#include <abi/linux/block.h>
#include <abi/linux/capability.h>
#include <abi/linux/errno.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/block-session.h>
#include <posix/server/fs/direct-view.h>
#include <posix/server/fs/block.h>
#include <posix/server/process/process.h>
#include <posix/server/task.h>

/* What the hooks are given; `buffer` has the `size` bytes that the shim knows of. */
struct block_control {
	struct block *block;
	struct file *file;
	struct request *request;
	uint64_t value;
	void *buffer;
	size_t size;
};

/* ---- what comes and goes --------------------------------------------------------------------- */

/* A null pointer is -LINUX_EFAULT, as is one that leads nowhere. */
static int64_t put(const struct block_control *control, const void *data, size_t size)
{
	if (control->size < size) {
		return -LINUX_EFAULT;
	}
	memcpy(control->buffer, data, size);
	return 0;
}

static int64_t put_u16(const struct block_control *control, uint16_t value)
{
	return put(control, &value, sizeof(value));
}

static int64_t put_u32(const struct block_control *control, uint32_t value)
{
	return put(control, &value, sizeof(value));
}

static int64_t put_u64(const struct block_control *control, uint64_t value)
{
	return put(control, &value, sizeof(value));
}

static int64_t get_i32(const struct block_control *control, int32_t *out_value)
{
	if (control->size < sizeof(*out_value)) {
		return -LINUX_EFAULT;
	}
	memcpy(out_value, control->buffer, sizeof(*out_value));
	return 0;
}

static bool may_administrate(const struct block_control *control)
{
	return credentials_has(&control->request->process->credentials, LINUX_CAP_SYS_ADMIN);
}

/* ---- what is changed ------------------------------------------------------------------------- */

static int64_t set_read_only(const struct block_control *control)
{
	int32_t value;

	if (!may_administrate(control)) {
		return -LINUX_EACCES;
	}
	int64_t error = get_i32(control, &value);

	if (error == 0) {
		bool was_read_only = control->block->is_set_read_only;

		control->block->is_set_read_only = value != 0;
		if (value != 0 && direct_views_end(control->block) == REQUEST_TASK) {
			control->block->is_set_read_only = was_read_only;
			return REQUEST_TASK;
		}
		if (control->block->is_shown) {
			block_sysfs_update(control->block);
		}
	}
	return error;
}

static int64_t set_read_ahead(const struct block_control *control)
{
	if (!may_administrate(control)) {
		return -LINUX_EACCES;
	}
	control->block->read_ahead = (uint32_t)min_u64(control->value, UINT32_MAX);
	if (control->block->is_shown) {
		block_sysfs_update(control->block);
	}
	return 0;
}

/* Only who has the device alone: else it is claimed for a moment, to see that nobody has. */
static int64_t set_block_size(const struct block_control *control)
{
	struct block *block = control->block;
	int32_t value;

	if (!may_administrate(control)) {
		return -LINUX_EACCES;
	}
	int64_t error = get_i32(control, &value);

	if (error < 0) {
		return error;
	}
	if (value < (int32_t)block->volume.info.logical_block_bytes ||
		value > (int32_t)HEL_PAGE_SIZE || !is_power_of_two((uint64_t)value)) {
		return -LINUX_EINVAL;
	}
	if (!block_file_is_exclusive(control->file)) {
		error = block_claim(block);
		if (error < 0) {
			return error;
		}
		block_unclaim(block);
	}
	block->block_bytes = (uint32_t)value;
	return 0;
}

/* ---- what the server does -------------------------------------------------------------------- */

static int64_t flush_buffers(const struct block_control *control)
{
	return may_administrate(control) ? block_file_sync(control->file) : -LINUX_EACCES;
}

/* A range of bytes, whole sectors inside the device. */
static int64_t get_range(
	const struct block_control *control, uint64_t *out_offset, uint64_t *out_length)
{
	uint64_t range[2], end;

	if (control->size < sizeof(range)) {
		return -LINUX_EFAULT;
	}
	memcpy(range, control->buffer, sizeof(range));
	if (range[0] % BLOCK_SECTOR != 0 || range[1] % BLOCK_SECTOR != 0 ||
		__builtin_add_overflow(range[0], range[1], &end) ||
		end > control->block->volume.info.size_bytes) {
		return -LINUX_EINVAL;
	}
	*out_offset = range[0];
	*out_length = range[1];
	return 0;
}

static int64_t clear(const struct block_control *control, bool is_discard)
{
	uint64_t offset, length;

	if (!file_is_writable(control->file)) {
		return -LINUX_EBADF;
	}
	if (is_discard && !(control->block->volume.info.flags & FS_VOLUME_FLAG_DISCARD)) {
		return -LINUX_EOPNOTSUPP;
	}
	int64_t error = get_range(control, &offset, &length);

	if (error < 0) {
		return error;
	}
	if (block_is_read_only(control->block)) {
		return -LINUX_EPERM;
	}
	return length == 0 ? 0 : block_clear(control->block, offset, length, is_discard);
}

static int64_t reread_partitions(const struct block_control *control)
{
	if (!may_administrate(control)) {
		return -LINUX_EACCES;
	}
	if (control->block->volume.info.partition != 0) {
		return -LINUX_EINVAL;
	}
	if (block_file_is_exclusive(control->file)) {
		return block_rescan(control->block);
	}
	int64_t error = block_claim(control->block);

	if (error == 0) {
		error = block_rescan(control->block);
		block_unclaim(control->block);
	}
	return error;
}

/* Partitions are those of the disk's table. */
static int64_t change_partition(const struct block_control *control)
{
	if (!may_administrate(control)) {
		return -LINUX_EACCES;
	}
	if (control->size < sizeof(struct linux_blkpg)) {
		return -LINUX_EFAULT;
	}
	if (control->block->volume.info.partition != 0) {
		return -LINUX_EINVAL;
	}
	unimplemented_count(0xffff0000u | 16);
	return -LINUX_EOPNOTSUPP;
}

/* ---- what is told ---------------------------------------------------------------------------- */

/* What Linux' drivers say of disks that have no cylinders. */
static int64_t get_geometry(const struct block_control *control)
{
	constexpr uint32_t HEADS = 64, SECTORS = 32;
	const struct block *block = control->block;
	const struct block *disk = block->disk != NULL ? block->disk : block;
	const struct linux_hd_geometry geometry = {
		.heads = HEADS,
		.sectors = SECTORS,
		.cylinders = (uint16_t)(block_n_sectors(disk) / (HEADS * SECTORS)),
		.start = block->volume.info.start_bytes / BLOCK_SECTOR,
	};

	if (block->place.family == BLOCK_FAMILY_RAM) {
		return -LINUX_ENOTTY;
	}
	return control->size == 0 ? -LINUX_EINVAL : put(control, &geometry, sizeof(geometry));
}

static int64_t get_disk_fact(const struct block_control *control, uint32_t command)
{
	const struct block *block = control->block;
	const struct volume_info *info = &block->volume.info;

	switch (command) {
	case LINUX_BLKSSZGET: return put_u32(control, info->logical_block_bytes);
	case LINUX_BLKPBSZGET:
	case LINUX_BLKIOMIN: return put_u32(control, info->physical_block_bytes);
	case LINUX_BLKIOOPT: return put_u32(control, info->optimal_bytes);
	case LINUX_BLKALIGNOFF:
	case LINUX_BLKDISCARDZEROES:
	case LINUX_BLKGETZONESZ:
	case LINUX_BLKGETNRZONES: return put_u32(control, 0);
	case LINUX_BLKSECTGET: return put_u16(control, BLOCK_TRANSFER_SECTORS);
	case LINUX_BLKROTATIONAL:
		return put_u16(control, (info->flags & FS_VOLUME_FLAG_ROTATIONAL) != 0);
	case LINUX_HDIO_GETGEO: return get_geometry(control);
	default: return -LINUX_ENOTTY;
	}
}

static int64_t get_fact(const struct block_control *control, uint32_t command)
{
	const struct block *block = control->block;

	switch (command) {
	case LINUX_BLKGETSIZE: return put_u64(control, block_n_sectors(block));
	case LINUX_BLKGETSIZE64: return put_u64(control, block->volume.info.size_bytes);
	case LINUX_BLKGETDISKSEQ: return put_u64(control, block->sequence);
	case LINUX_BLKROGET: return put_u32(control, block_is_read_only(block));
	case LINUX_BLKBSZGET: return put_u32(control, block->block_bytes);
	case LINUX_BLKRAGET:
	case LINUX_BLKFRAGET:
		return control->size == 0 ? -LINUX_EINVAL : put_u64(control, block->read_ahead);
	default: return get_disk_fact(control, command);
	}
}

int64_t block_ioctl(struct file *file, struct request *request, uint32_t command, uint64_t value,
	void *buffer, size_t size)
{
	const struct block_control control = {
		.block = block_of_file(file),
		.file = file,
		.request = request,
		.value = value,
		.buffer = buffer,
		.size = size,
	};

	switch (command) {
	case LINUX_BLKROSET: return set_read_only(&control);
	case LINUX_BLKRASET:
	case LINUX_BLKFRASET: return set_read_ahead(&control);
	case LINUX_BLKBSZSET: return set_block_size(&control);
	case LINUX_BLKFLSBUF: return flush_buffers(&control);
	case LINUX_BLKDISCARD: return clear(&control, true);
	case LINUX_BLKZEROOUT: return clear(&control, false);
	case LINUX_BLKSECDISCARD: return file_is_writable(file) ? -LINUX_EOPNOTSUPP : -LINUX_EBADF;
	case LINUX_BLKRRPART: return reread_partitions(&control);
	case LINUX_BLKPG: return change_partition(&control);
	default: return get_fact(&control, command);
	}
}

int64_t block_ioctl_unbound(uint32_t command, void *buffer, size_t size)
{
	const struct block_control control = { .buffer = buffer, .size = size };

	switch (command) {
	case LINUX_BLKGETSIZE:
	case LINUX_BLKGETSIZE64: return put_u64(&control, 0);
	case LINUX_BLKROGET: return put_u32(&control, 0);
	case LINUX_BLKSSZGET:
	case LINUX_BLKPBSZGET: return put_u32(&control, BLOCK_SECTOR);
	case LINUX_BLKFLSBUF: return 0;
	default: return -LINUX_ENXIO;
	}
}
