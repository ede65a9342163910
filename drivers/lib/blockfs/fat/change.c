/* SPDX-License-Identifier: MIT */
/* Making and removing names. */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

#define S_IFMT  0170000u
#define S_IFREG 0100000u
#define S_IFDIR 0040000u

int fat_lock_directory(struct task *task, struct fat_inode *directory)
{
	if (!fat_is_directory(directory)) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	int error = rwlock_write(task, &directory->lock);

	if (error == 0 && directory->is_removed) {
		rwlock_write_done(&directory->lock);
		error = -ERR_NOT_FOUND;
	}
	return error;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* What all of making one name needs. */
struct making {
	struct fat_new_name name;
	struct fat_entry entry;
	struct fat_slot slot;
	bool is_directory;
	uint32_t cluster; /* of a new directory */
};

static void slot_init(struct fat *fs, struct making *making)
{
	struct blockfs_time now = fs->fs.host->now(fs->fs.host);
	struct fat_slot *slot = &making->slot;

	slot->attributes = making->is_directory ? FAT_ATTR_DIRECTORY : FAT_ATTR_ARCHIVE;
	fat_time_encode(now, slot->birth_date, slot->birth_time, &slot->birth_centiseconds);
	fat_time_encode(now, slot->date, slot->time, NULL);
	fat_time_encode(now, slot->access_date, NULL, NULL);
}

static int make_cluster(struct task *task, struct fat_inode *parent, struct making *making)
{
	struct fat *fs = parent->fs;

	if (fs->n_free <= fs->n_reserved || fat_choose(fs, 0, 1, &making->cluster) == 0) {
		return BLOCKFS_E_NO_SPACE;
	}
	int error = fat_directory_init(task, parent, making->cluster, &making->slot);

	error = error != 0 ? error : fat_set(task, fs, making->cluster, FAT_END);
	if (error != 0) {
		fat_unchoose(fs, making->cluster, 1);
		making->cluster = 0;
		return error;
	}
	fat_put_16(making->slot.start_low, making->cluster);
	fat_put_16(making->slot.start_high, making->cluster >> 16);
	return 0;
}

static int make_in_change(struct task *task, struct fat_inode *directory, struct making *making,
	struct fat_inode **out_inode)
{
	struct fat *fs = directory->fs;
	int error = fat_directory_make_room(task, directory, making->name.n_slots);

	if (error == 0 && making->is_directory) {
		error = make_cluster(task, directory, making);
	}
	if (error != 0) {
		return error;
	}
	error = fat_entry_add(task, directory, &making->name, &making->slot, false, &making->entry);
	error = error != 0 ? error
			   : fat_inode_hold(task, directory, making->entry.slot,
				     &making->entry.data, out_inode);
	if (error != 0) {
		fat_fail(fs, error, "making a name");
		return error;
	}
	(*out_inode)->batch = fs->batch;
	fat_inode_touch(directory);
	return 0;
}

static int make_locked(struct task *task, struct fat_inode *directory, struct blockfs_name name,
	struct making *making, struct fat_inode **out_inode)
{
	struct fat *fs = directory->fs;
	struct fat_change change;
	int error = fat_entry_find(task, directory, name, &making->entry);

	if (error == 0) {
		return -ERR_EXISTS;
	}
	error = error != -ERR_NOT_FOUND ? error
					: fat_new_name(task, directory, name, &making->name);
	if (error == 0 && fs->n_going > 0 && fs->n_free <= (uint64_t)fs->n_reserved + 1) {
		error = fat_commit(task, fs); /* there may be room then */
	}
	error = error != 0 ? error : fat_begin(task, fs, &change);
	if (error == 0) {
		slot_init(fs, making);
		error = make_in_change(task, directory, making, out_inode);
		fat_end(&change);
	}
	return error;
}

int fat_make(struct task *task, struct fat_inode *directory, struct blockfs_name name,
	uint32_t mode, struct fat_inode **out_inode)
{
	if ((mode & S_IFMT) != S_IFREG && (mode & S_IFMT) != S_IFDIR) {
		return BLOCKFS_E_NOT_PERMITTED;
	}
	struct making *making = blockfs_allocate(sizeof(*making));

	if (making == NULL) {
		return -ERR_NO_MEMORY;
	}
	making->is_directory = (mode & S_IFMT) == S_IFDIR;
	int error = fat_lock_directory(task, directory);

	if (error == 0) {
		error = make_locked(task, directory, name, making, out_inode);
		rwlock_write_done(&directory->lock);
	}
	blockfs_free(making);
	return error;
}

/* ---- removing -------------------------------------------------------------------------------- */

static int remove_found(struct task *task, struct fat_inode *directory,
	const struct fat_entry *entry, struct fat_inode *inode)
{
	struct fat_change change;
	int error = fat_begin(task, directory->fs, &change);

	if (error != 0) {
		return error;
	}
	error = fat_entry_remove(task, directory, entry);
	if (error == 0) {
		fat_inode_set_removed(inode);
		fat_inode_touch(directory);
	}
	fat_end(&change);
	return error;
}

static int remove_locked(struct task *task, struct fat_inode *directory, struct blockfs_name name,
	bool is_directory, struct fat_entry *entry, struct fat_inode **out_inode)
{
	int error = fat_entry_find(task, directory, name, entry);

	error = error != 0 ? error
			   : fat_inode_hold(task, directory, entry->slot, &entry->data, out_inode);
	if (error != 0) {
		return error;
	}
	struct fat_inode *inode = *out_inode;

	if (fat_is_directory(inode) != is_directory) {
		return is_directory ? BLOCKFS_E_NOT_DIRECTORY : BLOCKFS_E_IS_DIRECTORY;
	}
	if (!is_directory) {
		return remove_found(task, directory, entry, inode);
	}
	error = rwlock_write(task, &inode->lock);
	if (error == 0) {
		error = fat_index_n_entries(inode) > 0
			? BLOCKFS_E_NOT_EMPTY
			: remove_found(task, directory, entry, inode);
		rwlock_write_done(&inode->lock);
	}
	return error;
}

int fat_remove(
	struct task *task, struct fat_inode *directory, struct blockfs_name name, bool is_directory)
{
	struct fat_entry *entry = blockfs_allocate(sizeof(*entry));
	struct fat_inode *inode = NULL;

	if (entry == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = fat_lock_directory(task, directory);

	if (error == 0) {
		error = remove_locked(task, directory, name, is_directory, entry, &inode);
		rwlock_write_done(&directory->lock);
	}
	blockfs_free(entry);
	fat_inode_put(task, inode);
	return error;
}
