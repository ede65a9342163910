/* SPDX-License-Identifier: MIT */
/*
 * Blocks of metadata: checked when they are first read, sealed when they are written.
 *
 * With metadata_csum each kind of block has a checksum in a place of its own. It is checked once
 * per stay in the cache. A changed block gets its checksum at commit (or before it is written,
 * without a journal): a block that a hundred operations change costs one. Bitmaps have theirs in
 * the group's descriptor, which is always changed in the same handle.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/checksum.h>
#include <drivers/lib/blockfs/ext4/ext4.h>

/* ---- the checksums --------------------------------------------------------------------------- */

static uint32_t bitmap_sum(const struct ext4 *fs, const struct buffer *buffer)
{
	uint32_t n_bits = buffer->kind == EXT4_KIND_INODE_BITMAP ? fs->inodes_per_group
								 : fs->super.clusters_per_group;

	return checksum_crc32c(fs->seed, buffer->data, n_bits / 8);
}

/* Small descriptors have room for 16 bits of a bitmap's checksum. */
static uint32_t bitmap_sum_mask(const struct ext4 *fs)
{
	return fs->desc_size >= sizeof(struct ext4_group_desc) ? UINT32_MAX : UINT16_MAX;
}

static uint8_t *extents_sum_place(const struct ext4 *fs, uint8_t *data)
{
	uint32_t n_max = (fs->block_size - sizeof(struct ext4_extent_header)) /
		(uint32_t)sizeof(struct ext4_extent);

	return data + sizeof(struct ext4_extent_header) + n_max * sizeof(struct ext4_extent);
}

static uint32_t xattrs_sum(const struct ext4 *fs, uint64_t block, const uint8_t *data)
{
	const size_t offset = offsetof(struct ext4_xattr_header, checksum);
	const uint32_t zero = 0;
	uint32_t sum = checksum_crc32c(fs->seed, &block, sizeof(block));

	sum = checksum_crc32c(sum, data, offset);
	sum = checksum_crc32c(sum, &zero, sizeof(zero));
	return checksum_crc32c(sum, data + offset + 4, fs->block_size - offset - 4);
}

/*
 * Where the limit and count of an index block are, 0 if it is a leaf: a node is one unused entry of
 * the block's size; a root is "." and "..", and the second reaches to the block's end.
 */
static uint32_t index_count_offset(const struct ext4 *fs, const uint8_t *data)
{
	const struct ext4_entry *first = (const struct ext4_entry *)data;

	if (first->length == fs->block_size && first->inode == 0) {
		return EXT4_ENTRY_HEADER;
	}
	const struct ext4_entry *second = (const struct ext4_entry *)(data + 12);
	const struct ext4_index_info *info = (const struct ext4_index_info *)(data + 24);

	if (first->length == 12 && second->length == fs->block_size - 12 && info->zero == 0 &&
		info->info_length == sizeof(*info)) {
		return 32;
	}
	return 0;
}

/* The checksum of an index block and where it is; false: the counts make no sense. */
static bool index_sum(const struct ext4 *fs, uint32_t seed, uint8_t *data, uint32_t offset,
	uint32_t *out_sum, struct ext4_index_tail **out_tail)
{
	const struct ext4_index_count *count = (const struct ext4_index_count *)(data + offset);
	const uint32_t zero = 0;
	size_t end = offset + (size_t)count->limit * sizeof(struct ext4_index_entry);

	if (count->count > count->limit || end + sizeof(struct ext4_index_tail) > fs->block_size) {
		return false;
	}
	struct ext4_index_tail *tail = (struct ext4_index_tail *)(data + end);
	uint32_t sum = checksum_crc32c(
		seed, data, offset + (size_t)count->count * sizeof(struct ext4_index_entry));

	sum = checksum_crc32c(sum, tail, offsetof(struct ext4_index_tail, checksum));
	*out_sum = checksum_crc32c(sum, &zero, sizeof(zero));
	*out_tail = tail;
	return true;
}

static struct ext4_entry_tail *leaf_tail(const struct ext4 *fs, uint8_t *data)
{
	return (struct ext4_entry_tail *)(data + fs->block_size - sizeof(struct ext4_entry_tail));
}

static uint32_t leaf_sum(const struct ext4 *fs, uint32_t seed, const uint8_t *data)
{
	return checksum_crc32c(seed, data, fs->block_size - sizeof(struct ext4_entry_tail));
}

static uint32_t orphans_sum(const struct ext4 *fs, const struct buffer *buffer)
{
	size_t size = fs->block_size - sizeof(struct ext4_orphan_tail);
	uint32_t sum = checksum_crc32c(buffer->seed, &buffer->block, sizeof(buffer->block));

	return checksum_crc32c(sum, buffer->data, size);
}

static struct ext4_orphan_tail *orphans_tail(const struct ext4 *fs, uint8_t *data)
{
	return (struct ext4_orphan_tail *)(data + fs->block_size - sizeof(struct ext4_orphan_tail));
}

/* ---- checking -------------------------------------------------------------------------------- */

static bool directory_sum_is_good(const struct ext4 *fs, uint32_t seed, uint8_t *data)
{
	uint32_t offset = index_count_offset(fs, data);

	if (offset != 0) {
		uint32_t sum;
		struct ext4_index_tail *tail;

		if (index_sum(fs, seed, data, offset, &sum, &tail) && tail->checksum == sum) {
			return true;
		}
	}
	const struct ext4_entry_tail *tail = leaf_tail(fs, data);

	return tail->zero == 0 && tail->length == sizeof(*tail) && tail->type == EXT4_TAIL_TYPE &&
		tail->checksum == leaf_sum(fs, seed, data);
}

static bool sum_is_good(const struct ext4 *fs, struct buffer *buffer)
{
	switch ((enum ext4_kind)buffer->kind) {
	case EXT4_KIND_BLOCK_BITMAP:
		return bitmap_sum(fs, buffer) ==
			(fs->groups[buffer->seed].block_bitmap_sum |
				(bitmap_sum(fs, buffer) & ~bitmap_sum_mask(fs)));
	case EXT4_KIND_INODE_BITMAP:
		return bitmap_sum(fs, buffer) ==
			(fs->groups[buffer->seed].inode_bitmap_sum |
				(bitmap_sum(fs, buffer) & ~bitmap_sum_mask(fs)));
	case EXT4_KIND_EXTENTS: {
		uint8_t *place = extents_sum_place(fs, buffer->data);
		uint32_t sum;

		memcpy(&sum, place, sizeof(sum));
		return sum ==
			checksum_crc32c(buffer->seed, buffer->data, (size_t)(place - buffer->data));
	}
	case EXT4_KIND_DIRECTORY: return directory_sum_is_good(fs, buffer->seed, buffer->data);
	case EXT4_KIND_XATTRS: {
		const struct ext4_xattr_header *header =
			(const struct ext4_xattr_header *)buffer->data;

		return header->checksum == xattrs_sum(fs, buffer->block, buffer->data);
	}
	case EXT4_KIND_ORPHANS:
		return orphans_tail(fs, buffer->data)->checksum == orphans_sum(fs, buffer);
	default: return true;
	}
}

static bool shape_is_good(const struct ext4 *fs, struct buffer *buffer)
{
	switch ((enum ext4_kind)buffer->kind) {
	case EXT4_KIND_XATTRS: {
		const struct ext4_xattr_header *header =
			(const struct ext4_xattr_header *)buffer->data;

		return header->magic == EXT4_XATTR_MAGIC && header->n_blocks == 1;
	}
	case EXT4_KIND_ORPHANS: return orphans_tail(fs, buffer->data)->magic == EXT4_ORPHAN_MAGIC;
	default: return true;
	}
}

int ext4_read(struct task *task, struct ext4 *fs, uint64_t block, enum ext4_kind kind,
	uint32_t seed, struct buffer **out_buffer)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	int error = cache_read(task, &fs->cache, block, &buffer);

	if (error == BLOCKFS_E_CORRUPT) {
		return ext4_corrupt(fs, "a pointer to block %llu, which does not exist",
			(unsigned long long)block);
	}
	if (error != 0) {
		return error;
	}
	if (unlikely(buffer->kind != kind || buffer->seed != seed)) {
		buffer->kind = (uint8_t)kind;
		buffer->seed = seed;
		if (!shape_is_good(fs, buffer) || (fs->has_sums && !sum_is_good(fs, buffer))) {
			buffer->kind = EXT4_KIND_NONE;
			return ext4_corrupt(fs,
				"block %llu (kind %u) has a wrong checksum or shape",
				(unsigned long long)block, kind);
		}
	}
	*out_buffer = buffer_move(&buffer);
	return 0;
}

int ext4_create_block(struct handle *handle, struct ext4 *fs, uint64_t block, enum ext4_kind kind,
	uint32_t seed, struct buffer **out_buffer)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	int error = cache_create(handle->task, &fs->cache, block, &buffer);

	if (error == 0) {
		error = handle_access(handle, buffer);
	}
	if (error != 0) {
		return error;
	}
	memset(buffer->data, 0, fs->block_size);
	buffer->kind = (uint8_t)kind;
	buffer->seed = seed;
	*out_buffer = buffer_move(&buffer);
	return 0;
}

bool ext4_is_data_block(const struct ext4 *fs, uint64_t block, uint64_t n_blocks)
{
	return block > fs->first_data_block && block < fs->n_blocks &&
		n_blocks <= fs->n_blocks - block;
}

/* ---- sealing --------------------------------------------------------------------------------- */

/*
 * The descriptor is in the same transaction, or dirty, so its block is cached and may be changed.
 */
static void seal_bitmap(struct ext4 *fs, struct buffer *buffer)
{
	struct ext4_group *group = &fs->groups[buffer->seed];
	uint32_t sum = bitmap_sum(fs, buffer);
	struct buffer *descriptors =
		cache_find(&fs->cache, ext4_group_desc_block(fs, buffer->seed));

	if (buffer->kind == EXT4_KIND_BLOCK_BITMAP) {
		group->block_bitmap_sum = sum & bitmap_sum_mask(fs);
	} else {
		group->inode_bitmap_sum = sum & bitmap_sum_mask(fs);
	}
	ASSERT(descriptors != NULL);
	ext4_group_encode(fs, buffer->seed, descriptors->data);
	if (fs->journal == NULL) {
		cache_mark_dirty(descriptors);
	}
	buffer_put(descriptors);
}

static void seal_directory(struct ext4 *fs, struct buffer *buffer)
{
	struct ext4_entry_tail *tail = leaf_tail(fs, buffer->data);
	struct ext4_index_tail *index_tail;
	uint32_t offset = index_count_offset(fs, buffer->data);
	uint32_t sum;

	if (offset != 0) {
		if (index_sum(fs, buffer->seed, buffer->data, offset, &sum, &index_tail)) {
			index_tail->checksum = sum;
		}
	} else if (tail->type == EXT4_TAIL_TYPE && tail->length == sizeof(*tail)) {
		tail->checksum = leaf_sum(fs, buffer->seed, buffer->data);
	}
}

void ext4_seal(void *context, struct buffer *buffer)
{
	struct ext4 *fs = context;

	if (buffer->kind == EXT4_KIND_SUPER) {
		ext4_super_encode(fs, buffer->data);
	}
	if (!fs->has_sums) {
		return;
	}
	switch ((enum ext4_kind)buffer->kind) {
	case EXT4_KIND_BLOCK_BITMAP:
	case EXT4_KIND_INODE_BITMAP: seal_bitmap(fs, buffer); break;
	case EXT4_KIND_EXTENTS: {
		uint8_t *place = extents_sum_place(fs, buffer->data);
		uint32_t sum =
			checksum_crc32c(buffer->seed, buffer->data, (size_t)(place - buffer->data));

		memcpy(place, &sum, sizeof(sum));
		break;
	}
	case EXT4_KIND_DIRECTORY: seal_directory(fs, buffer); break;
	case EXT4_KIND_XATTRS:
		((struct ext4_xattr_header *)buffer->data)->checksum =
			xattrs_sum(fs, buffer->block, buffer->data);
		break;
	case EXT4_KIND_ORPHANS:
		orphans_tail(fs, buffer->data)->checksum = orphans_sum(fs, buffer);
		break;
	default: break;
	}
}
