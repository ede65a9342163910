/* SPDX-License-Identifier: MIT */
/* The superblock, what it says about features, and what happens after errors. */
#include <base/string.h>
#include <drivers/lib/blockfs/checksum.h>
#include <drivers/lib/blockfs/ext4/ext4.h>

#define EXT4_INCOMPAT_KNOWN \
	(EXT4_INCOMPAT_FILETYPE | EXT4_INCOMPAT_RECOVER | EXT4_INCOMPAT_META_BG | \
		EXT4_INCOMPAT_EXTENTS | EXT4_INCOMPAT_64BIT | EXT4_INCOMPAT_MMP | \
		EXT4_INCOMPAT_FLEX_BG | EXT4_INCOMPAT_EA_INODE | EXT4_INCOMPAT_CSUM_SEED | \
		EXT4_INCOMPAT_LARGEDIR | EXT4_INCOMPAT_INLINE_DATA)
/* What these say is read, but must not be made untrue. */
#define EXT4_INCOMPAT_READ_ONLY EXT4_INCOMPAT_MMP
#define EXT4_RO_COMPAT_KNOWN \
	(EXT4_RO_COMPAT_SPARSE_SUPER | EXT4_RO_COMPAT_LARGE_FILE | EXT4_RO_COMPAT_HUGE_FILE | \
		EXT4_RO_COMPAT_GDT_CSUM | EXT4_RO_COMPAT_DIR_NLINK | EXT4_RO_COMPAT_EXTRA_ISIZE | \
		EXT4_RO_COMPAT_METADATA_CSUM | EXT4_RO_COMPAT_PROJECT | \
		EXT4_RO_COMPAT_ORPHAN_PRESENT)

#define EXT4_BLOCK_SIZE_MAX 4096 /* a page */

static uint32_t super_sum(const struct ext4_super_block *super)
{
	return checksum_crc32c(~0u, super, offsetof(struct ext4_super_block, checksum));
}

/* ---- what is wrong --------------------------------------------------------------------------- */

static void super_note_error(struct ext4 *fs)
{
	uint32_t now = (uint32_t)fs->fs.host->now(fs->fs.host).seconds;

	fs->super.state |= EXT4_STATE_ERRORS;
	if (fs->super.error_count++ == 0) {
		fs->super.first_error_time = now;
	}
	fs->super.last_error_time = now;
}

int ext4_corrupt(struct ext4 *fs, const char *what, ...)
{
	char text[160];
	va_list arguments;

	va_start(arguments, what);
	vformat_to(text, sizeof(text), what, arguments);
	va_end(arguments);
	fs->fs.host->complain(fs->fs.host, text);
	super_note_error(fs);
	if (fs->fs.is_read_only || fs->on_error == EXT4_ERRORS_CONTINUE) {
		return BLOCKFS_E_CORRUPT;
	}
	if (fs->on_error == EXT4_ERRORS_PANIC) {
		fs->fs.host->complain(fs->fs.host, "errors=panic: the file system stops");
	}
	ext4_fail(fs, BLOCKFS_E_CORRUPT, "errors=remount-ro");
	return BLOCKFS_E_CORRUPT;
}

void ext4_fail(struct ext4 *fs, int error, const char *where)
{
	if (fs->fs.error != 0) {
		return;
	}
	char text[120];

	fs->fs.error = error;
	format_to(text, sizeof(text), "stops writing: %s: %s", where, blockfs_error_name(error));
	fs->fs.host->complain(fs->fs.host, text);
	if (fs->journal != NULL) {
		journal_abort(fs->journal, BLOCKFS_E_ABORTED);
	}
}

/* ---- loading --------------------------------------------------------------------------------- */

static int super_check_features(struct ext4 *fs, bool *out_must_not_write)
{
	const struct ext4_super_block *super = &fs->super;
	uint32_t unknown = super->incompat & ~EXT4_INCOMPAT_KNOWN;
	char text[80];

	if (unknown != 0) {
		format_to(text, sizeof(text), "incompatible features %#x are not known", unknown);
		fs->fs.host->complain(fs->fs.host, text);
		return BLOCKFS_E_UNSUPPORTED;
	}
	*out_must_not_write = (super->ro_compat & ~EXT4_RO_COMPAT_KNOWN) != 0 ||
		(super->incompat & EXT4_INCOMPAT_READ_ONLY) != 0;
	/* Both at once: the descriptors' checksum would be ambiguous. */
	if (ext4_has_ro_compat(fs, EXT4_RO_COMPAT_METADATA_CSUM) &&
		ext4_has_ro_compat(fs, EXT4_RO_COMPAT_GDT_CSUM)) {
		return BLOCKFS_E_CORRUPT;
	}
	return 0;
}

static bool super_geometry_is_good(const struct ext4 *fs)
{
	const struct ext4_super_block *super = &fs->super;
	uint32_t bits = fs->block_size * 8;

	if (fs->first_data_block != (fs->block_size == 1024 && fs->cluster_bits == 0 ? 1 : 0) ||
		fs->n_blocks <= fs->first_data_block ||
		fs->n_blocks > UINT64_MAX / fs->block_size ||
		fs->n_blocks * fs->block_size > fs->device->size) {
		return false;
	}
	if (fs->blocks_per_group == 0 || fs->blocks_per_group % 8 != 0 ||
		super->clusters_per_group == 0 || super->clusters_per_group > bits ||
		(uint64_t)super->clusters_per_group << fs->cluster_bits != fs->blocks_per_group ||
		fs->inodes_per_group == 0 || fs->inodes_per_group > bits ||
		fs->inodes_per_group % 8 != 0) {
		return false;
	}
	if (fs->inode_size < EXT4_INODE_SIZE_OLD || !is_power_of_two(fs->inode_size) ||
		fs->inode_size > fs->block_size ||
		(uint64_t)fs->n_groups * fs->inodes_per_group != fs->n_inodes ||
		super->first_inode > fs->n_inodes || fs->n_inodes < 11) {
		return false;
	}
	return fs->desc_size >= EXT4_DESC_SIZE_MIN && is_power_of_two(fs->desc_size) &&
		fs->desc_size <= fs->block_size && super->first_meta_bg <= fs->n_groups;
}

static int super_set_geometry(struct ext4 *fs)
{
	const struct ext4_super_block *super = &fs->super;
	bool is_64 = ext4_has_incompat(fs, EXT4_INCOMPAT_64BIT);

	if (super->log_block_size > 2) {
		return super->log_block_size <= 6 ? BLOCKFS_E_UNSUPPORTED : BLOCKFS_E_CORRUPT;
	}
	fs->block_bits = 10 + super->log_block_size;
	fs->block_size = 1u << fs->block_bits;
	if (ext4_has_ro_compat(fs, EXT4_RO_COMPAT_BIGALLOC)) {
		if (super->log_cluster_size < super->log_block_size ||
			super->log_cluster_size > 20) {
			return BLOCKFS_E_CORRUPT;
		}
		fs->cluster_bits = super->log_cluster_size - super->log_block_size;
	}
	fs->n_blocks = super->blocks_count_lo;
	fs->n_free_blocks = super->free_blocks_lo;
	fs->n_reserved_for_root = super->reserved_blocks_lo;
	if (is_64) {
		fs->n_blocks |= (uint64_t)super->blocks_count_hi << 32;
		fs->n_reserved_for_root |= (uint64_t)super->reserved_blocks_hi << 32;
	}
	fs->first_data_block = super->first_data_block;
	fs->blocks_per_group = super->blocks_per_group;
	fs->inodes_per_group = super->inodes_per_group;
	fs->n_inodes = super->inodes_count;
	fs->inode_size = super->revision == 0 ? EXT4_INODE_SIZE_OLD : super->inode_size;
	fs->desc_size = is_64 ? super->desc_size : EXT4_DESC_SIZE_MIN;
	if (fs->blocks_per_group == 0 || fs->n_blocks <= fs->first_data_block) {
		return BLOCKFS_E_CORRUPT;
	}
	uint64_t n_groups = div_round_up(fs->n_blocks - fs->first_data_block, fs->blocks_per_group);

	fs->n_groups = n_groups > UINT32_MAX / 2 ? 0 : (uint32_t)n_groups;
	return fs->n_groups != 0 && super_geometry_is_good(fs) ? 0 : BLOCKFS_E_CORRUPT;
}

static void super_set_rest(struct ext4 *fs)
{
	const struct ext4_super_block *super = &fs->super;

	fs->has_sums = ext4_has_ro_compat(fs, EXT4_RO_COMPAT_METADATA_CSUM);
	fs->has_gdt_sums = ext4_has_ro_compat(fs, EXT4_RO_COMPAT_GDT_CSUM);
	fs->has_extents = ext4_has_incompat(fs, EXT4_INCOMPAT_EXTENTS);
	fs->seed = ext4_has_incompat(fs, EXT4_INCOMPAT_CSUM_SEED)
		? super->checksum_seed
		: checksum_crc32c(~0u, super->uuid, sizeof(super->uuid));
	fs->hash_unsigned = (super->flags & EXT4_SUPER_FLAG_UNSIGNED_HASH) != 0 ? 3 : 0;
	fs->max_file_blocks = UINT32_MAX;
	uint64_t per_block = fs->block_size / 4;

	fs->max_size_indirect = fs->block_size *
		(12 + per_block + per_block * per_block + per_block * per_block * per_block);
	fs->max_size_indirect =
		min_u64(fs->max_size_indirect, (uint64_t)UINT32_MAX * fs->block_size);
	fs->super_block = EXT4_SUPER_OFFSET / fs->block_size;
	if (fs->on_error == 0) {
		fs->on_error = super->errors;
	}
}

int ext4_super_load(struct task *task, struct ext4 *fs, bool *out_must_not_write)
{
	struct device_buffer buffer = {
		.memory = fs->arena.memory,
		.offset = fs->arena.offset,
		.length = 4096,
		.address = fs->arena.address,
	};

	if (fs->device->size < buffer.length || fs->device->block_size > 4096) {
		return BLOCKFS_E_NOT_THIS;
	}
	int error = device_transfer(task, fs->device, DEVICE_READ, 0, &buffer, 0);

	if (error != 0) {
		return error;
	}
	memcpy(&fs->super, fs->arena.address + EXT4_SUPER_OFFSET, sizeof(fs->super));
	if (fs->super.magic != EXT4_SUPER_MAGIC ||
		ext4_has_incompat(fs, EXT4_INCOMPAT_JOURNAL_DEV)) {
		return BLOCKFS_E_NOT_THIS;
	}
	if (fs->super.revision == 0) {
		fs->super.compat = fs->super.incompat = fs->super.ro_compat = 0;
		fs->super.first_inode = 11;
	}
	if (ext4_has_ro_compat(fs, EXT4_RO_COMPAT_METADATA_CSUM) &&
		super_sum(&fs->super) != fs->super.checksum) {
		return BLOCKFS_E_CORRUPT;
	}
	error = super_check_features(fs, out_must_not_write);
	if (error == 0) {
		error = super_set_geometry(fs);
	}
	if (error == 0) {
		super_set_rest(fs);
	}
	return error;
}

bool ext4_super_is_of_kind(const struct ext4 *fs, enum blockfs_ext_kind kind, bool is_read_only)
{
	uint32_t incompat = EXT4_INCOMPAT_FILETYPE | EXT4_INCOMPAT_META_BG;
	uint32_t ro_compat = EXT4_RO_COMPAT_SPARSE_SUPER | EXT4_RO_COMPAT_LARGE_FILE;

	if (kind == BLOCKFS_EXT4) {
		return true;
	}
	if (kind == BLOCKFS_EXT3) {
		incompat |= EXT4_INCOMPAT_RECOVER;
		if (!ext4_has_compat(fs, EXT4_COMPAT_HAS_JOURNAL)) {
			return false;
		}
	}
	return (fs->super.incompat & ~incompat) == 0 &&
		(is_read_only || (fs->super.ro_compat & ~ro_compat) == 0);
}

/* ---- writing --------------------------------------------------------------------------------- */

void ext4_super_seal(const struct ext4 *fs, struct ext4_super_block *super)
{
	if (fs->has_sums) {
		super->checksum = super_sum(super);
	}
}

void ext4_super_encode(struct ext4 *fs, uint8_t *block_data)
{
	struct ext4_super_block *super = &fs->super;

	super->free_blocks_lo = (uint32_t)fs->n_free_blocks;
	if (ext4_has_incompat(fs, EXT4_INCOMPAT_64BIT)) {
		super->free_blocks_hi = (uint32_t)(fs->n_free_blocks >> 32);
	}
	super->free_inodes = fs->n_free_inodes;
	super->write_time = (uint32_t)fs->fs.host->now(fs->fs.host).seconds;
	ext4_super_seal(fs, super);
	memcpy(block_data + EXT4_SUPER_OFFSET % fs->block_size, super, sizeof(*super));
}

int ext4_super_write(struct handle *handle, struct ext4 *fs)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	int error = ext4_read(handle->task, fs, fs->super_block, EXT4_KIND_SUPER, 0, &buffer);

	if (error == 0) {
		error = handle_access(handle, buffer);
	}
	if (error == 0) {
		ext4_super_encode(fs, buffer->data);
	}
	return error;
}
