/* SPDX-License-Identifier: MIT */
/* Inodes in memory: what records say. */
#include <base/assert.h>
#include <base/hash.h>
#include <base/string.h>
#include <drivers/lib/blockfs/iso9660/iso9660.h>

#define UNUSED_MAX      512u
#define N_BUCKETS_FIRST 64u
#define S_IFMT          0170000u
#define S_IFDIR         0040000u
#define S_IFREG         0100000u
#define S_IFLNK         0120000u

static struct hash_node **buckets_allocate(UNUSED struct hash_table *table, size_t n_buckets)
{
	return blockfs_allocate(n_buckets * sizeof(struct hash_node *));
}

static void buckets_release(
	UNUSED struct hash_table *table, struct hash_node **buckets, UNUSED size_t n_buckets)
{
	blockfs_free(buckets);
}

static const struct hash_table_hooks table_hooks = {
	.allocate = buckets_allocate,
	.release = buckets_release,
};

int iso_inodes_init(struct iso *fs)
{
	struct hash_node **buckets = buckets_allocate(&fs->inodes, N_BUCKETS_FIRST);

	if (buckets == NULL) {
		return -ERR_NO_MEMORY;
	}
	hash_table_init(&fs->inodes, buckets, N_BUCKETS_FIRST, &table_hooks);
	return 0;
}

static bool number_is(const struct hash_node *node, const void *key)
{
	const struct iso_inode *inode = container_of(node, struct iso_inode, hash_node);

	return inode->node.number == *(const uint64_t *)key;
}

static struct iso_inode *find(const struct iso *fs, uint64_t number)
{
	struct hash_node *node = hash_table_find(&fs->inodes, hash_u64(number), number_is, &number);

	return node != NULL ? container_of(node, struct iso_inode, hash_node) : NULL;
}

struct iso_inode *iso_inode_get(struct iso_inode *inode)
{
	if (inode->n_holders++ == 0) {
		list_remove(&inode->unused_node);
		inode->fs->n_unused--;
	}
	return inode;
}

struct iso_inode *iso_inode_find(struct iso *fs, uint64_t number)
{
	struct iso_inode *inode = find(fs, number);

	return inode != NULL ? iso_inode_get(inode) : NULL;
}

static void inode_destroy(struct iso_inode *inode)
{
	blockfs_free(inode->sections);
	blockfs_free(inode);
}

static void inode_unhold(struct iso_inode *inode)
{
	ASSERT(inode->n_holders > 0);
	if (--inode->n_holders == 0) {
		list_push_back(&inode->fs->unused, &inode->unused_node);
		inode->fs->n_unused++;
	}
}

void iso_inodes_trim(struct iso *fs, uint32_t n_left)
{
	while (fs->n_unused > n_left) {
		struct iso_inode *inode =
			LIST_POP_FRONT(&fs->unused, struct iso_inode, unused_node);

		fs->n_unused--;
		hash_table_remove(&fs->inodes, &inode->hash_node);
		if (inode->parent != NULL) {
			inode_unhold(inode->parent);
		}
		inode_destroy(inode);
	}
}

void iso_inode_put(struct iso_inode *inode)
{
	if (inode != NULL) {
		struct iso *fs = inode->fs;

		inode_unhold(inode);
		iso_inodes_trim(fs, UNUSED_MAX);
	}
}

/* ---- making ---------------------------------------------------------------------------------- */

uint64_t iso_inode_key(const struct iso *fs, const struct iso_entry *entry)
{
	bool is_directory = (entry->record.flags & ISO_FLAG_DIRECTORY) != 0;

	if (entry->rock.has_child) {
		return (uint64_t)entry->rock.child_block * fs->block_size;
	}
	return is_directory && entry->n_sections > 0 ? entry->sections[0].place : entry->position;
}

static void attributes_decode(struct iso_inode *inode, const struct iso_entry *entry)
{
	const struct iso_options *options = &inode->fs->options;
	const struct iso_rock *rock = &entry->rock;
	struct blockfs_attributes *attributes = &inode->attributes;
	bool is_directory = (entry->record.flags & ISO_FLAG_DIRECTORY) != 0;
	uint32_t mode = is_directory ? options->directory_mode : options->file_mode;
	struct blockfs_time time = iso_time_short(entry->record.time);

	*attributes = (struct blockfs_attributes){
		.mode = (is_directory ? S_IFDIR : S_IFREG) | (mode != ISO_MODE_UNSET ? mode : 0555),
		.n_links = 1,
		.birth = rock->has_time[0] ? rock->times[0] : time,
		.mtime = rock->has_time[1] ? rock->times[1] : time,
		.atime = rock->has_time[2] ? rock->times[2] : time,
		.ctime = rock->has_time[3] ? rock->times[3] : time,
		.has_birth = rock->has_time[0],
	};
	if (rock->has_attributes) {
		/* whether it is a directory, the record says */
		attributes->mode = is_directory            ? S_IFDIR | (rock->mode & 07777)
			: (rock->mode & S_IFMT) == S_IFDIR ? S_IFREG | (rock->mode & 07777)
							   : rock->mode & (S_IFMT | 07777);
		attributes->n_links = rock->n_links;
		attributes->uid = rock->uid;
		attributes->gid = rock->gid;
		attributes->device_number = rock->device_number;
	}
	attributes->uid = options->has_uid ? options->uid : attributes->uid;
	attributes->gid = options->has_gid ? options->gid : attributes->gid;
	for (size_t i = 0; i < entry->n_sections; i++) {
		attributes->size += entry->sections[i].size;
	}
	if ((attributes->mode & S_IFMT) == S_IFLNK) {
		attributes->size = rock->target_length;
	}
	attributes->n_sectors = div_round_up(attributes->size, ISO_SECTOR_SIZE) * 4;
}

static int inode_create(struct iso *fs, const struct iso_entry *entry, struct iso_inode **out_inode)
{
	struct iso_inode *inode = blockfs_allocate(sizeof(*inode));
	struct iso_section *sections =
		blockfs_allocate((entry->n_sections + 1) * sizeof(struct iso_section));

	if (inode == NULL || sections == NULL) {
		blockfs_free(inode);
		blockfs_free(sections);
		return -ERR_NO_MEMORY;
	}
	memcpy(sections, entry->sections, entry->n_sections * sizeof(*sections));
	inode->node = (struct blockfs_node){
		.fs = &fs->fs,
		.number = iso_inode_key(fs, entry),
		.generation = 1,
	};
	inode->fs = fs;
	inode->n_holders = 1;
	inode->record = entry->position;
	inode->sections = sections;
	inode->n_sections = entry->n_sections;
	attributes_decode(inode, entry);
	*out_inode = inode;
	return 0;
}

/* The "." of a directory that was moved because it was too deep says what it is. */
static int follow_child(struct task *task, struct iso *fs, struct iso_entry *entry)
{
	uint64_t place = (uint64_t)entry->rock.child_block * fs->block_size;
	uint64_t end = (place / ISO_SECTOR_SIZE + 1) * ISO_SECTOR_SIZE;
	int error = iso_entry_read(task, fs, place, end, entry);

	if (error == BLOCKFS_E_END ||
		(error == 0 &&
			((entry->record.flags & ISO_FLAG_DIRECTORY) == 0 || entry->rock.has_child ||
				entry->position != place || entry->n_sections == 0 ||
				entry->sections[0].place != place))) {
		return iso_corrupt(
			fs, "a moved directory is not at byte %llu", (unsigned long long)place);
	}
	return error;
}

int iso_inode_hold(struct task *task, struct iso *fs, struct iso_inode *parent,
	struct iso_entry *entry, struct iso_inode **out_inode)
{
	struct iso_inode *inode;
	int error = entry->rock.has_child ? follow_child(task, fs, entry) : 0;

	if (error != 0) {
		return error;
	}
	struct iso_inode *known = find(fs, iso_inode_key(fs, entry));

	if (known != NULL) {
		if (known->parent != parent) {
			return iso_corrupt(fs, "the directory at byte %llu has two parents",
				(unsigned long long)known->node.number);
		}
		*out_inode = iso_inode_get(known);
		return 0;
	}
	if ((entry->record.flags & ISO_FLAG_DIRECTORY) != 0 && entry->n_sections != 1) {
		return iso_corrupt(fs, "a directory is not in one place");
	}
	error = inode_create(fs, entry, &inode);
	if (error != 0) {
		return error;
	}
	inode->parent = parent != NULL ? iso_inode_get(parent) : NULL;
	hash_table_insert(&fs->inodes, &inode->hash_node, hash_u64(inode->node.number));
	*out_inode = inode;
	return 0;
}
