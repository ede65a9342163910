/* SPDX-License-Identifier: MIT */
/*
 * Inodes in memory.
 *
 * The object of an inode exists once; whoever wants it holds it. The first to want it loads it, the
 * others wait with it. One that nobody holds stays on a list for later, the longest unused goes
 * first. The fields are the truth: ext4_inode_write() puts all of them into the inode's place in
 * the table, as part of the handle that changed some.
 */
#include <base/assert.h>
#include <base/hash.h>
#include <base/string.h>
#include <drivers/lib/blockfs/checksum.h>
#include <drivers/lib/blockfs/ext4/change.h>

#define EXT4_UNUSED_INODES_MAX 1024
#define N_BUCKETS_FIRST        1024

/* ---- the table ------------------------------------------------------------------------------- */

static struct hash_node **buckets_allocate(UNUSED struct hash_table *table, size_t n_buckets)
{
	return blockfs_allocate(n_buckets * sizeof(struct hash_node *));
}

static void buckets_release(
	UNUSED struct hash_table *table, struct hash_node **buckets, UNUSED size_t n_buckets)
{
	blockfs_free(buckets);
}

static const struct hash_table_hooks inode_table_hooks = {
	.allocate = buckets_allocate,
	.release = buckets_release,
};

int ext4_inodes_init(struct ext4 *fs)
{
	struct hash_node **buckets = buckets_allocate(&fs->inodes, N_BUCKETS_FIRST);

	if (buckets == NULL) {
		return -ERR_NO_MEMORY;
	}
	hash_table_init(&fs->inodes, buckets, N_BUCKETS_FIRST, &inode_table_hooks);
	list_init(&fs->unused_inodes);
	list_init(&fs->dirty_inodes);
	return 0;
}

void ext4_inode_set_dirty(struct ext4_inode *inode)
{
	if (!inode->is_dirty) {
		inode->is_dirty = true;
		list_push_back(&inode->fs->dirty_inodes, &inode->dirty_node);
	}
}

/* ---- the object ------------------------------------------------------------------------------ */

static bool inode_is(const struct hash_node *node, const void *key)
{
	const uint32_t *number = key;

	return container_of(node, struct ext4_inode, hash_node)->number == *number;
}

static struct ext4_inode *inode_find(struct ext4 *fs, uint32_t number)
{
	struct hash_node *node = hash_table_find(&fs->inodes, hash_u64(number), inode_is, &number);

	return node != NULL ? container_of(node, struct ext4_inode, hash_node) : NULL;
}

static struct ext4_inode *inode_create(struct ext4 *fs, uint32_t number)
{
	struct ext4_inode *inode = blockfs_allocate(sizeof(*inode));

	if (inode == NULL) {
		return NULL;
	}
	inode->node.fs = &fs->fs;
	inode->node.number = number;
	inode->fs = fs;
	inode->number = number;
	inode->n_holders = 1;
	inode->orphan_slot = UINT32_MAX;
	wait_queue_init(&inode->loaded);
	rwlock_init(&inode->lock);
	rwlock_init(&inode->map_lock);
	tree_init(&inode->reserved);
	hash_table_insert(&fs->inodes, &inode->hash_node, hash_u64(number));
	return inode;
}

static void inode_destroy(struct ext4_inode *inode)
{
	ASSERT(inode->n_reserved == 0);
	list_remove(&inode->dirty_node);
	hash_table_remove(&inode->fs->inodes, &inode->hash_node);
	blockfs_free(inode);
}

static void inodes_shrink(struct ext4 *fs, uint32_t n_left)
{
	while (fs->n_unused_inodes > n_left) {
		struct ext4_inode *inode =
			LIST_POP_FRONT(&fs->unused_inodes, struct ext4_inode, unused_node);

		fs->n_unused_inodes--;
		inode_destroy(inode);
	}
}

void ext4_inodes_drop(struct ext4 *fs)
{
	inodes_shrink(fs, 0);
}

struct ext4_inode *ext4_inode_get(struct ext4_inode *inode)
{
	if (inode->n_holders++ == 0) {
		list_remove(&inode->unused_node);
		inode->fs->n_unused_inodes--;
	}
	return inode;
}

int ext4_inode_new(struct ext4 *fs, uint32_t number, struct ext4_inode **out_inode)
{
	struct ext4_inode *old = inode_find(fs, number);

	if (old != NULL && old->n_holders > 0) {
		return ext4_corrupt(fs, "inode %u is in use, but its bitmap calls it free", number);
	}
	if (old != NULL) {
		list_remove(&old->unused_node);
		fs->n_unused_inodes--;
		inode_destroy(old);
	}
	*out_inode = inode_create(fs, number);
	return *out_inode != NULL ? 0 : -ERR_NO_MEMORY;
}

static void inode_unhold(struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;

	if (--inode->n_holders > 0) {
		return;
	}
	if (inode->is_dead || inode->load_error != 0) {
		inode_destroy(inode);
		return;
	}
	list_push_back(&fs->unused_inodes, &inode->unused_node);
	fs->n_unused_inodes++;
	inodes_shrink(fs, EXT4_UNUSED_INODES_MAX);
}

void ext4_inode_put(struct task *task, struct ext4_inode *inode)
{
	if (inode == NULL) {
		return;
	}
	if (inode->n_holders == 1 && inode->load_error == 0 && !inode->is_dead) {
		ext4_inode_last_put(task, inode);
	}
	inode_unhold(inode);
}

/* ---- decoding -------------------------------------------------------------------------------- */

static struct blockfs_time time_decode(uint32_t seconds, uint32_t extra)
{
	uint32_t nanoseconds = extra >> 2;

	return (struct blockfs_time){
		.seconds = (int64_t)(int32_t)seconds + ((int64_t)(extra & 3) << 32),
		.nanoseconds = nanoseconds < 1000000000 ? nanoseconds : 0,
	};
}

/* Whether a field behind the first 128 bytes is there. */
#define INODE_HAS(extra_isize, field) \
	(EXT4_INODE_SIZE_OLD + (extra_isize) >= offsetof(struct ext4_inode_disk, field) + \
			sizeof(((struct ext4_inode_disk *)0)->field))

static uint32_t inode_seed(const struct ext4 *fs, uint32_t number, uint32_t generation)
{
	uint32_t sum = checksum_crc32c(fs->seed, &number, sizeof(number));

	return checksum_crc32c(sum, &generation, sizeof(generation));
}

/* The checksum of a raw inode, as if its checksum fields were zero. */
static uint32_t inode_sum(const struct ext4 *fs, uint32_t seed, const uint8_t *raw, bool has_high)
{
	const size_t low = offsetof(struct ext4_inode_disk, checksum_lo);
	const size_t high = offsetof(struct ext4_inode_disk, checksum_hi);
	const uint16_t zero = 0;
	uint32_t sum = checksum_crc32c(seed, raw, low);

	sum = checksum_crc32c(sum, &zero, sizeof(zero));
	sum = checksum_crc32c(sum, raw + low + 2, EXT4_INODE_SIZE_OLD - low - 2);
	if (fs->inode_size == EXT4_INODE_SIZE_OLD) {
		return sum;
	}
	sum = checksum_crc32c(sum, raw + EXT4_INODE_SIZE_OLD, high - EXT4_INODE_SIZE_OLD);
	if (has_high) {
		sum = checksum_crc32c(sum, &zero, sizeof(zero));
		return checksum_crc32c(sum, raw + high + 2, fs->inode_size - high - 2);
	}
	return checksum_crc32c(sum, raw + high, fs->inode_size - high);
}

static bool inode_sum_is_good(
	const struct ext4_inode *inode, const uint8_t *raw, const struct ext4_inode_disk *disk)
{
	const struct ext4 *fs = inode->fs;
	bool has_high =
		fs->inode_size > EXT4_INODE_SIZE_OLD && INODE_HAS(inode->extra_isize, checksum_hi);
	uint32_t sum = inode_sum(fs, inode->seed, raw, has_high);

	return has_high ? sum == (disk->checksum_lo | (uint32_t)disk->checksum_hi << 16)
			: (uint16_t)sum == disk->checksum_lo;
}

static uint64_t inode_decode_sectors(const struct ext4 *fs, const struct ext4_inode_disk *disk)
{
	uint64_t n = disk->blocks_lo;

	if (!ext4_has_ro_compat(fs, EXT4_RO_COMPAT_HUGE_FILE)) {
		return n;
	}
	n |= (uint64_t)disk->blocks_hi << 32;
	return (disk->flags & EXT4_FLAG_HUGE_FILE) != 0 ? n << (fs->block_bits - 9) : n;
}

static void inode_decode_old(struct ext4_inode *inode, const struct ext4_inode_disk *disk)
{
	inode->mode = disk->mode;
	inode->uid = disk->uid_lo | (uint32_t)disk->uid_hi << 16;
	inode->gid = disk->gid_lo | (uint32_t)disk->gid_hi << 16;
	inode->n_links = disk->n_links;
	inode->size = disk->size_lo;
	if (ext4_type_of(inode) == EXT4_S_IFREG || ext4_is_directory(inode)) {
		inode->size |= (uint64_t)disk->size_hi << 32;
	}
	inode->disk_size = inode->size;
	inode->n_sectors = inode_decode_sectors(inode->fs, disk);
	inode->flags = disk->flags;
	inode->generation = disk->generation;
	inode->node.generation = disk->generation;
	inode->version = disk->version_lo;
	inode->dtime = disk->dtime;
	inode->xattr_block = disk->xattr_block_lo;
	if (ext4_has_incompat(inode->fs, EXT4_INCOMPAT_64BIT)) {
		inode->xattr_block |= (uint64_t)disk->xattr_block_hi << 32;
	}
	memcpy(inode->block, disk->block, sizeof(inode->block));
	inode->seed = inode_seed(inode->fs, inode->number, inode->generation);
}

static void inode_decode_times(struct ext4_inode *inode, const struct ext4_inode_disk *disk)
{
	uint16_t extra = inode->extra_isize;

	inode->ctime =
		time_decode(disk->ctime, INODE_HAS(extra, ctime_extra) ? disk->ctime_extra : 0);
	inode->mtime =
		time_decode(disk->mtime, INODE_HAS(extra, mtime_extra) ? disk->mtime_extra : 0);
	inode->atime =
		time_decode(disk->atime, INODE_HAS(extra, atime_extra) ? disk->atime_extra : 0);
	if (INODE_HAS(extra, crtime)) {
		inode->crtime = time_decode(
			disk->crtime, INODE_HAS(extra, crtime_extra) ? disk->crtime_extra : 0);
	}
	if (INODE_HAS(extra, version_hi)) {
		inode->version |= (uint64_t)disk->version_hi << 32;
	}
	if (INODE_HAS(extra, project)) {
		inode->project = disk->project;
	}
}

static bool inode_shape_is_good(const struct ext4_inode *inode)
{
	const struct ext4 *fs = inode->fs;

	if (ext4_is_directory(inode) && inode->size >> fs->block_bits > fs->n_blocks) {
		return false;
	}
	if (inode->size > (uint64_t)INT64_MAX ||
		inode->size >> fs->block_bits > fs->max_file_blocks) {
		return false;
	}
	if (ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		return ext4_has_incompat(fs, EXT4_INCOMPAT_INLINE_DATA) &&
			inode->size <= EXT4_INLINE_MAX && !ext4_has_flag(inode, EXT4_FLAG_EXTENTS);
	}
	uint32_t type = ext4_type_of(inode);
	bool has_blocks = type == EXT4_S_IFREG || type == EXT4_S_IFDIR ||
		(type == EXT4_S_IFLNK && !ext4_is_fast_symlink(inode));

	if (has_blocks && ext4_has_flag(inode, EXT4_FLAG_EXTENTS)) {
		const struct ext4_extent_header *header =
			(const struct ext4_extent_header *)inode->block;

		return header->depth <= EXT4_EXTENT_DEPTH_MAX &&
			ext4_extent_check(fs, header, 4, header->depth);
	}
	if (type == EXT4_S_IFDIR) {
		return is_aligned(inode->size, fs->block_size);
	}
	return true;
}

static bool inode_has_xattrs(const struct ext4_inode *inode, const struct ext4_inode_disk *place)
{
	size_t start = EXT4_INODE_SIZE_OLD + (size_t)inode->extra_isize;
	uint32_t magic;

	if (inode->extra_isize == 0 || start + sizeof(magic) > inode->fs->inode_size) {
		return false;
	}
	memcpy(&magic, (const uint8_t *)place + start, sizeof(magic));
	return magic == EXT4_XATTR_MAGIC;
}

/* Decode one that is in use, or in the middle of being freed. */
static int inode_decode(struct ext4_inode *inode, const struct ext4_inode_disk *place)
{
	const struct ext4 *fs = inode->fs;
	struct ext4_inode_disk disk = { 0 };

	memcpy(&disk, place, min_size(sizeof(disk), fs->inode_size));
	inode_decode_old(inode, &disk);
	if (fs->inode_size > EXT4_INODE_SIZE_OLD) {
		inode->extra_isize = disk.extra_isize;
		if (inode->extra_isize > fs->inode_size - EXT4_INODE_SIZE_OLD ||
			inode->extra_isize % 4 != 0) {
			return BLOCKFS_E_CORRUPT;
		}
	}
	if (fs->has_sums && !inode_sum_is_good(inode, (const uint8_t *)place, &disk)) {
		return BLOCKFS_E_CORRUPT;
	}
	inode_decode_times(inode, &disk);
	inode->has_inode_xattrs = inode_has_xattrs(inode, place);
	return inode->mode != 0 && !inode_shape_is_good(inode) ? BLOCKFS_E_CORRUPT : 0;
}

bool ext4_is_fast_symlink(const struct ext4_inode *inode)
{
	uint64_t xattr_sectors = inode->xattr_block != 0 ? inode->fs->block_size / 512 : 0;

	if (ext4_has_flag(inode, EXT4_FLAG_EA_INODE)) {
		return inode->size < EXT4_INODE_BLOCK_SIZE;
	}
	return ext4_type_of(inode) == EXT4_S_IFLNK &&
		!ext4_has_flag(inode, EXT4_FLAG_EXTENTS | EXT4_FLAG_INLINE_DATA) &&
		inode->size < EXT4_INODE_BLOCK_SIZE && inode->n_sectors <= xattr_sectors;
}

/* ---- loading --------------------------------------------------------------------------------- */

int ext4_inode_buffer(struct task *task, struct ext4 *fs, uint32_t number,
	struct buffer **out_buffer, struct ext4_inode_disk **out_disk)
{
	uint32_t group = (number - 1) / fs->inodes_per_group;
	uint64_t offset = (uint64_t)((number - 1) % fs->inodes_per_group) * fs->inode_size;

	ASSERT(number != 0);
	ASSERT(number <= fs->n_inodes);
	int error = ext4_read(task, fs, fs->groups[group].inode_table + (offset >> fs->block_bits),
		EXT4_KIND_INODE_TABLE, 0, out_buffer);

	if (error == 0) {
		*out_disk = (struct ext4_inode_disk *)((*out_buffer)->data +
			(offset & (fs->block_size - 1)));
	}
	return error;
}

static int inode_load(struct task *task, struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;
	const struct ext4_group *group = &fs->groups[(inode->number - 1) / fs->inodes_per_group];
	uint32_t index = (inode->number - 1) % fs->inodes_per_group;
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct ext4_inode_disk *disk;

	if ((group->flags & EXT4_GROUP_INODES_UNINIT) != 0 ||
		index >= fs->inodes_per_group - group->table_unused) {
		return -ERR_NOT_FOUND;
	}
	int error = ext4_inode_buffer(task, fs, inode->number, &buffer, &disk);

	if (error != 0) {
		return error;
	}
	if (disk->mode == 0 && disk->n_links == 0) {
		return -ERR_NOT_FOUND;
	}
	error = inode_decode(inode, disk);
	return error == 0 ? 0 : ext4_corrupt(fs, "inode %u", inode->number);
}

static int inode_wait_loaded(struct task *task, struct ext4_inode *inode)
{
	while (inode->is_loading) {
		int error = wait_on(task, &inode->loaded);

		if (error != 0) {
			return error;
		}
	}
	return inode->load_error;
}

int ext4_inode_hold_internal(
	struct task *task, struct ext4 *fs, uint32_t number, struct ext4_inode **out_inode)
{
	if (number == 0 || number > fs->n_inodes) {
		return ext4_corrupt(fs, "a pointer to inode %u, which does not exist", number);
	}
	struct ext4_inode *inode = inode_find(fs, number);
	int error;

	if (inode != NULL) {
		if (inode->is_dead) {
			return -ERR_NOT_FOUND;
		}
		(void)ext4_inode_get(inode);
		error = inode_wait_loaded(task, inode);
	} else {
		inode = inode_create(fs, number);
		if (inode == NULL) {
			return -ERR_NO_MEMORY;
		}
		inode->is_loading = true;
		error = inode_load(task, inode);
		inode->is_loading = false;
		inode->load_error = error;
		wait_queue_wake(&inode->loaded);
	}
	if (error != 0) {
		inode_unhold(inode);
		return error;
	}
	*out_inode = inode;
	return 0;
}

int ext4_inode_hold(
	struct task *task, struct ext4 *fs, uint32_t number, struct ext4_inode **out_inode)
{
	if (number != EXT4_ROOT_INODE && number < fs->super.first_inode) {
		return ext4_corrupt(fs, "a name for inode %u, which is reserved", number);
	}
	struct ext4_inode *inode;
	int error = ext4_inode_hold_internal(task, fs, number, &inode);

	if (error != 0) {
		return error;
	}
	if (inode->n_links == 0 && !inode->is_orphan) {
		/* free, whatever the rest of it says: its put must not free it again */
		inode->load_error = -ERR_NOT_FOUND;
		inode_unhold(inode);
		return -ERR_NOT_FOUND;
	}
	*out_inode = inode;
	return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static uint32_t time_encode_extra(struct blockfs_time time)
{
	uint32_t epoch = (uint32_t)((time.seconds - (int64_t)(int32_t)time.seconds) >> 32) & 3;

	return epoch | time.nanoseconds << 2;
}

static void inode_encode_sectors(struct ext4_inode *inode, struct ext4_inode_disk *disk)
{
	uint64_t n = inode->n_sectors;

	inode->flags &= ~EXT4_FLAG_HUGE_FILE;
	if (n >> 48 != 0) {
		inode->flags |= EXT4_FLAG_HUGE_FILE;
		n >>= inode->fs->block_bits - 9;
	}
	disk->blocks_lo = (uint32_t)n;
	if (ext4_has_ro_compat(inode->fs, EXT4_RO_COMPAT_HUGE_FILE)) {
		disk->blocks_hi = (uint16_t)(n >> 32);
	}
}

static void inode_encode_extra(const struct ext4_inode *inode, struct ext4_inode_disk *disk)
{
	uint16_t extra = inode->extra_isize;

	disk->extra_isize = extra;
	if (INODE_HAS(extra, ctime_extra)) {
		disk->ctime_extra = time_encode_extra(inode->ctime);
	}
	if (INODE_HAS(extra, mtime_extra)) {
		disk->mtime_extra = time_encode_extra(inode->mtime);
	}
	if (INODE_HAS(extra, atime_extra)) {
		disk->atime_extra = time_encode_extra(inode->atime);
	}
	if (INODE_HAS(extra, crtime_extra)) {
		disk->crtime = (uint32_t)inode->crtime.seconds;
		disk->crtime_extra = time_encode_extra(inode->crtime);
	}
	if (INODE_HAS(extra, version_hi)) {
		disk->version_hi = (uint32_t)(inode->version >> 32);
	}
	if (INODE_HAS(extra, project)) {
		disk->project = inode->project;
	}
}

static void inode_encode(struct ext4_inode *inode, struct ext4_inode_disk *disk)
{
	uint32_t type = ext4_type_of(inode);

	disk->mode = inode->mode;
	disk->uid_lo = (uint16_t)inode->uid;
	disk->uid_hi = (uint16_t)(inode->uid >> 16);
	disk->gid_lo = (uint16_t)inode->gid;
	disk->gid_hi = (uint16_t)(inode->gid >> 16);
	disk->n_links = (uint16_t)inode->n_links;
	disk->size_lo = (uint32_t)inode->disk_size;
	if (type == EXT4_S_IFREG || type == EXT4_S_IFDIR) {
		disk->size_hi = (uint32_t)(inode->disk_size >> 32);
	}
	inode_encode_sectors(inode, disk);
	disk->flags = inode->flags;
	disk->generation = inode->generation;
	disk->version_lo = (uint32_t)inode->version;
	disk->dtime = inode->dtime;
	disk->xattr_block_lo = (uint32_t)inode->xattr_block;
	disk->xattr_block_hi = (uint16_t)(inode->xattr_block >> 32);
	disk->ctime = (uint32_t)inode->ctime.seconds;
	disk->mtime = (uint32_t)inode->mtime.seconds;
	disk->atime = (uint32_t)inode->atime.seconds;
	memcpy(disk->block, inode->block, sizeof(inode->block));
	if (inode->fs->inode_size > EXT4_INODE_SIZE_OLD) {
		inode_encode_extra(inode, disk);
	}
}

void ext4_inode_seal(const struct ext4_inode *inode, struct ext4_inode_disk *place)
{
	const struct ext4 *fs = inode->fs;

	if (!fs->has_sums) {
		return;
	}
	bool has_high =
		fs->inode_size > EXT4_INODE_SIZE_OLD && INODE_HAS(inode->extra_isize, checksum_hi);
	/* the fields count as zero: then it is all in one piece */
	place->checksum_lo = 0;
	if (has_high) {
		place->checksum_hi = 0;
	}
	uint32_t sum = checksum_crc32c(inode->seed, place, fs->inode_size);

	place->checksum_lo = (uint16_t)sum;
	if (has_high) {
		place->checksum_hi = (uint16_t)(sum >> 16);
	}
}

int ext4_inode_write(struct handle *handle, struct ext4_inode *inode)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct ext4_inode_disk *place;
	int error = ext4_inode_buffer(handle->task, inode->fs, inode->number, &buffer, &place);

	if (error == 0) {
		error = handle_access(handle, buffer);
	}
	if (error != 0) {
		return error;
	}
	if (inode->disk_size > INT32_MAX && ext4_type_of(inode) == EXT4_S_IFREG &&
		!ext4_has_ro_compat(inode->fs, EXT4_RO_COMPAT_LARGE_FILE)) {
		inode->fs->super.ro_compat |= EXT4_RO_COMPAT_LARGE_FILE;
		error = ext4_super_write(handle, inode->fs);
		if (error != 0) {
			return error;
		}
	}
	inode_encode(inode, place);
	ext4_inode_seal(inode, place);
	inode->is_dirty = false;
	list_remove(&inode->dirty_node);
	inode->sync_id = handle_id(handle);
	return 0;
}

void ext4_inode_set_generation(struct ext4_inode *inode, uint32_t generation)
{
	inode->generation = generation;
	inode->node.generation = generation;
	inode->seed = inode_seed(inode->fs, inode->number, generation);
}

void ext4_inode_touch(struct ext4_inode *inode, bool is_modified)
{
	inode->ctime = inode->fs->fs.host->now(inode->fs->fs.host);
	if (is_modified) {
		inode->mtime = inode->ctime;
		inode->version++;
	}
}
