/* SPDX-License-Identifier: MIT */
/* Descriptors of block groups: where they are, reading all of them, writing one. */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/checksum.h>
#include <drivers/lib/blockfs/ext4/ext4.h>

static uint32_t descs_per_block(const struct ext4 *fs)
{
	return fs->block_size / fs->desc_size;
}

/* Whether @value is a power of @base. */
static bool is_power_of(uint32_t value, uint32_t base)
{
	uint64_t power = base;

	while (power < value) {
		power *= base;
	}
	return power == value;
}

bool ext4_group_has_super(const struct ext4 *fs, uint32_t group)
{
	if (group == 0) {
		return true;
	}
	if (ext4_has_compat(fs, EXT4_COMPAT_SPARSE_SUPER2)) {
		return group == fs->super.backup_groups[0] || group == fs->super.backup_groups[1];
	}
	if (group == 1 || !ext4_has_ro_compat(fs, EXT4_RO_COMPAT_SPARSE_SUPER)) {
		return true;
	}
	return group % 2 != 0 &&
		(is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7));
}

static bool is_in_meta_group(const struct ext4 *fs, uint32_t group)
{
	return ext4_has_incompat(fs, EXT4_INCOMPAT_META_BG) &&
		group / descs_per_block(fs) >= fs->super.first_meta_bg;
}

uint64_t ext4_group_desc_block(const struct ext4 *fs, uint32_t group)
{
	uint32_t index = group / descs_per_block(fs);

	if (!is_in_meta_group(fs, group)) {
		return fs->super_block + 1 + index;
	}
	uint32_t first = index * descs_per_block(fs);

	return ext4_group_start(fs, first) + (ext4_group_has_super(fs, first) ? 1 : 0);
}

uint32_t ext4_group_n_metadata(const struct ext4 *fs, uint32_t group)
{
	uint32_t per_block = descs_per_block(fs);
	uint32_t n_super = ext4_group_has_super(fs, group) ? 1 : 0;

	if (is_in_meta_group(fs, group)) {
		uint32_t place = group % per_block;

		return n_super + (place == 0 || place == 1 || place == per_block - 1 ? 1 : 0);
	}
	if (n_super == 0) {
		return 0;
	}
	uint32_t n_desc_blocks = ext4_has_incompat(fs, EXT4_INCOMPAT_META_BG)
		? fs->super.first_meta_bg
		: (uint32_t)div_round_up(fs->n_groups, per_block);

	return 1 + n_desc_blocks + fs->super.reserved_gdt_blocks;
}

/* ---- one descriptor -------------------------------------------------------------------------- */

static bool desc_is_large(const struct ext4 *fs)
{
	return fs->desc_size >= sizeof(struct ext4_group_desc);
}

static uint16_t desc_sum(const struct ext4 *fs, uint32_t group, const uint8_t *desc)
{
	const size_t offset = offsetof(struct ext4_group_desc, checksum);
	const uint16_t zero = 0;

	if (fs->has_sums) {
		uint32_t sum = checksum_crc32c(fs->seed, &group, sizeof(group));

		sum = checksum_crc32c(sum, desc, offset);
		sum = checksum_crc32c(sum, &zero, sizeof(zero));
		return (uint16_t)checksum_crc32c(
			sum, desc + offset + 2, fs->desc_size - offset - 2);
	}
	uint16_t sum = checksum_crc16(0xffff, fs->super.uuid, sizeof(fs->super.uuid));

	sum = checksum_crc16(sum, &group, sizeof(group));
	sum = checksum_crc16(sum, desc, offset);
	return checksum_crc16(sum, desc + offset + 2, fs->desc_size - offset - 2);
}

static void desc_decode(const struct ext4 *fs, const uint8_t *place, struct ext4_group *group)
{
	struct ext4_group_desc desc = { 0 };

	memcpy(&desc, place, min_size(sizeof(desc), fs->desc_size));
	if (!desc_is_large(fs)) {
		memset((uint8_t *)&desc + EXT4_DESC_SIZE_MIN, 0, sizeof(desc) - EXT4_DESC_SIZE_MIN);
	}
	group->block_bitmap = desc.block_bitmap_lo | (uint64_t)desc.block_bitmap_hi << 32;
	group->inode_bitmap = desc.inode_bitmap_lo | (uint64_t)desc.inode_bitmap_hi << 32;
	group->inode_table = desc.inode_table_lo | (uint64_t)desc.inode_table_hi << 32;
	group->n_free_blocks = desc.free_blocks_lo | (uint32_t)desc.free_blocks_hi << 16;
	group->n_free_inodes = desc.free_inodes_lo | (uint32_t)desc.free_inodes_hi << 16;
	group->n_directories = desc.used_dirs_lo | (uint32_t)desc.used_dirs_hi << 16;
	group->table_unused = desc.table_unused_lo | (uint32_t)desc.table_unused_hi << 16;
	group->block_bitmap_sum =
		desc.block_bitmap_sum_lo | (uint32_t)desc.block_bitmap_sum_hi << 16;
	group->inode_bitmap_sum =
		desc.inode_bitmap_sum_lo | (uint32_t)desc.inode_bitmap_sum_hi << 16;
	group->flags = fs->has_sums || fs->has_gdt_sums ? desc.flags : 0;
}

void ext4_group_encode(struct ext4 *fs, uint32_t index, uint8_t *block_data)
{
	const struct ext4_group *group = &fs->groups[index];
	uint8_t *place = block_data + (size_t)(index % descs_per_block(fs)) * fs->desc_size;
	struct ext4_group_desc desc = { 0 };

	memcpy(&desc, place, min_size(sizeof(desc), fs->desc_size));
	desc.free_blocks_lo = (uint16_t)group->n_free_blocks;
	desc.free_blocks_hi = (uint16_t)(group->n_free_blocks >> 16);
	desc.free_inodes_lo = (uint16_t)group->n_free_inodes;
	desc.free_inodes_hi = (uint16_t)(group->n_free_inodes >> 16);
	desc.used_dirs_lo = (uint16_t)group->n_directories;
	desc.used_dirs_hi = (uint16_t)(group->n_directories >> 16);
	if (fs->has_sums || fs->has_gdt_sums) {
		desc.flags = group->flags;
		desc.table_unused_lo = (uint16_t)group->table_unused;
		desc.table_unused_hi = (uint16_t)(group->table_unused >> 16);
	}
	if (fs->has_sums) {
		desc.block_bitmap_sum_lo = (uint16_t)group->block_bitmap_sum;
		desc.block_bitmap_sum_hi = (uint16_t)(group->block_bitmap_sum >> 16);
		desc.inode_bitmap_sum_lo = (uint16_t)group->inode_bitmap_sum;
		desc.inode_bitmap_sum_hi = (uint16_t)(group->inode_bitmap_sum >> 16);
	}
	memcpy(place, &desc, min_size(sizeof(desc), fs->desc_size));
	if (fs->has_sums || fs->has_gdt_sums) {
		desc.checksum = desc_sum(fs, index, place);
		memcpy(place, &desc, min_size(sizeof(desc), fs->desc_size));
	}
}

int ext4_group_write(struct handle *handle, struct ext4 *fs, uint32_t group)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	int error = ext4_read(handle->task, fs, ext4_group_desc_block(fs, group),
		EXT4_KIND_DESCRIPTORS, 0, &buffer);

	if (error == 0) {
		error = handle_access(handle, buffer);
	}
	if (error == 0) {
		ext4_group_encode(fs, group, buffer->data);
	}
	return error;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool is_block(const struct ext4 *fs, uint64_t block, uint64_t n_blocks)
{
	return ext4_is_data_block(fs, block, n_blocks);
}

static bool group_is_good(const struct ext4 *fs, const struct ext4_group *group)
{
	uint32_t n_table = (uint32_t)div_round_up(
		(uint64_t)fs->inodes_per_group * fs->inode_size, fs->block_size);

	return is_block(fs, group->block_bitmap, 1) && is_block(fs, group->inode_bitmap, 1) &&
		is_block(fs, group->inode_table, n_table) &&
		group->n_free_blocks <= fs->blocks_per_group &&
		group->n_free_inodes <= fs->inodes_per_group &&
		group->n_directories <= fs->inodes_per_group &&
		group->table_unused <= fs->inodes_per_group;
}

static uint8_t group_first_order(const struct ext4_group *group)
{
	uint32_t order =
		group->n_free_blocks > 1 ? 31 - (uint32_t)__builtin_clz(group->n_free_blocks) : 0;

	return (uint8_t)(order < EXT4_N_ORDERS ? order : EXT4_N_ORDERS - 1);
}

static int groups_load_block(struct ext4 *fs, uint32_t first, const uint8_t *data)
{
	uint32_t per_block = descs_per_block(fs);

	for (uint32_t i = 0; i < per_block && first + i < fs->n_groups; i++) {
		struct ext4_group *group = &fs->groups[first + i];
		const uint8_t *place = data + (size_t)i * fs->desc_size;
		uint16_t sum;

		memcpy(&sum, place + offsetof(struct ext4_group_desc, checksum), sizeof(sum));
		desc_decode(fs, place, group);
		if (!group_is_good(fs, group) ||
			((fs->has_sums || fs->has_gdt_sums) &&
				sum != desc_sum(fs, first + i, place))) {
			return ext4_corrupt(fs, "the descriptor of group %u", first + i);
		}
		tree_init(&group->busy);
		group->order = group_first_order(group);
		list_remove(&group->order_node);
		if (group->n_free_blocks > 0) {
			list_push_back(&fs->orders[group->order], &group->order_node);
		}
		fs->n_free_blocks += group->n_free_blocks;
		fs->n_free_inodes += group->n_free_inodes;
	}
	return 0;
}

int ext4_groups_load(struct task *task, struct ext4 *fs)
{
	uint32_t per_block = descs_per_block(fs);

	if (fs->groups == NULL) {
		fs->groups = blockfs_allocate((size_t)fs->n_groups * sizeof(*fs->groups));
	}
	if (fs->groups == NULL) {
		return -ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < EXT4_N_ORDERS; i++) {
		list_init(&fs->orders[i]);
	}
	for (uint32_t i = 0; i < fs->n_groups; i++) {
		list_node_init(&fs->groups[i].order_node);
	}
	fs->n_free_blocks = 0;
	fs->n_free_inodes = 0;
	for (uint32_t first = 0; first < fs->n_groups; first += per_block) {
		BUFFER_AUTO struct buffer *buffer = NULL;

		if (!is_in_meta_group(fs, first) && first % (per_block * 16) == 0) {
			cache_read_ahead(&fs->cache, ext4_group_desc_block(fs, first),
				min_u64(16, div_round_up(fs->n_groups - first, per_block)));
		}
		int error = ext4_read(task, fs, ext4_group_desc_block(fs, first),
			EXT4_KIND_DESCRIPTORS, 0, &buffer);

		if (error == 0) {
			error = groups_load_block(fs, first, buffer->data);
		}
		if (error != 0) {
			return error;
		}
	}
	return 0;
}
