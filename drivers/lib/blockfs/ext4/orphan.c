/* SPDX-License-Identifier: MIT */
/*
 * Orphans: inodes that a power cut would leave half done. Those without links whose last holder is
 * not gone, and those that are being cut in several transactions. The next mount goes on.
 *
 * Two forms. The list begins in the superblock and goes on in the dtime of the inodes, so adding
 * changes two blocks that everybody changes. The orphan file (a feature) has slots for numbers of
 * inodes. Which of the two an inode is in, it knows; one that finds no slot goes to the list.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>

static uint32_t slots_per_block(const struct ext4 *fs)
{
	return (fs->block_size - (uint32_t)sizeof(struct ext4_orphan_tail)) / 4;
}

static int slot_open(struct task *task, struct ext4 *fs, uint32_t slot, struct buffer **out_buffer,
	uint32_t **out_place)
{
	int error = ext4_file_block(
		task, fs->orphan_file, slot / slots_per_block(fs), EXT4_KIND_ORPHANS, out_buffer);

	if (error == 0) {
		*out_place = (uint32_t *)(*out_buffer)->data + slot % slots_per_block(fs);
	}
	return error;
}

/* A slot of the file; NO_SPACE if all are taken. */
static int slot_take(struct handle *handle, struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;
	uint32_t n_blocks = (uint32_t)ext4_n_file_blocks(fs->orphan_file);

	for (uint32_t block = 0; block < n_blocks; block++) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		uint32_t first = block * slots_per_block(fs);
		uint32_t *places;
		int error = slot_open(handle->task, fs, first, &buffer, &places);

		for (uint32_t i = 0; error == 0 && i < slots_per_block(fs); i++) {
			if (places[i] != 0) {
				continue;
			}
			error = handle_access(handle, buffer);
			if (error == 0) {
				places[i] = inode->number;
				inode->orphan_slot = first + i;
				return 0;
			}
		}
		if (error != 0) {
			return error;
		}
	}
	return BLOCKFS_E_NO_SPACE;
}

static int list_add(struct handle *handle, struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;

	inode->dtime = fs->super.last_orphan;
	int error = ext4_inode_write(handle, inode);

	if (error == 0) {
		fs->super.last_orphan = inode->number;
		error = ext4_super_write(handle, fs);
	}
	if (error == 0) {
		list_push_front(&fs->orphans, &inode->orphan_node);
	}
	return error;
}

int ext4_orphan_add(struct handle *handle, struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;

	if (inode->is_orphan) {
		return 0;
	}
	int error = mutex_lock(handle->task, &fs->orphan_lock);

	if (error != 0) {
		return error;
	}
	error = BLOCKFS_E_NO_SPACE;
	if (fs->orphan_file != NULL) {
		error = slot_take(handle, inode);
	}
	if (error == BLOCKFS_E_NO_SPACE) {
		error = list_add(handle, inode);
	}
	inode->is_orphan = error == 0;
	mutex_unlock(&fs->orphan_lock);
	return error;
}

static int list_remove_inode(struct handle *handle, struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;
	struct list_node *node = list_prev(&fs->orphans, &inode->orphan_node);
	int error;

	if (node == NULL) {
		fs->super.last_orphan = inode->dtime;
		error = ext4_super_write(handle, fs);
	} else {
		struct ext4_inode *before = container_of(node, struct ext4_inode, orphan_node);

		before->dtime = inode->dtime;
		error = ext4_inode_write(handle, before);
	}
	list_remove(&inode->orphan_node);
	inode->dtime = 0;
	return error;
}

int ext4_orphan_remove(struct handle *handle, struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;

	if (!inode->is_orphan) {
		return 0;
	}
	int error = mutex_lock(handle->task, &fs->orphan_lock);

	if (error != 0) {
		return error;
	}
	if (inode->orphan_slot == UINT32_MAX) {
		error = list_remove_inode(handle, inode);
	} else {
		BUFFER_AUTO struct buffer *buffer = NULL;
		uint32_t *place;

		error = slot_open(handle->task, fs, inode->orphan_slot, &buffer, &place);
		error = error != 0 ? error : handle_access(handle, buffer);
		if (error == 0) {
			*place = 0;
			inode->orphan_slot = UINT32_MAX;
		}
	}
	inode->is_orphan = false;
	mutex_unlock(&fs->orphan_lock);
	return error;
}

/* ---- at the mount ---------------------------------------------------------------------------- */

/* Go on with one: the inode is held and known to be an orphan. It is put. */
static int recover_one(struct task *task, struct ext4_inode *inode)
{
	const struct ext4 *fs = inode->fs;
	int error = 0;

	if (inode->n_links > 0) {
		error = rwlock_write(task, &inode->lock);
		if (error == 0) {
			error = ext4_set_size(task, inode, inode->size);
			rwlock_write_done(&inode->lock);
		}
	}
	ext4_inode_put(task, inode); /* frees it if it has no links */
	return error != 0 ? error : fs->fs.error;
}

/* An inode that is said to be an orphan, held; is_orphan is set. */
static int adopt(struct task *task, struct ext4 *fs, uint32_t number, struct ext4_inode **out_inode)
{
	if (number < fs->super.first_inode || number > fs->n_inodes) {
		return ext4_corrupt(fs, "inode %u is no orphan", number);
	}
	int error = ext4_inode_hold_internal(task, fs, number, out_inode);

	if (error == 0 && (*out_inode)->is_orphan) {
		/* twice: a circle */
		(*out_inode)->n_holders--;
		return ext4_corrupt(fs, "orphan %u is listed twice", number);
	}
	if (error == 0) {
		(*out_inode)->is_orphan = true;
	}
	return error;
}

static int recover_list(struct task *task, struct ext4 *fs)
{
	uint32_t number = fs->super.last_orphan;
	int error = 0;

	/* first the whole list, so that each inode can leave it at any place */
	while (error == 0 && number != 0) {
		struct ext4_inode *inode;

		error = adopt(task, fs, number, &inode);
		if (error == 0) {
			number = inode->dtime;
			list_push_back(&fs->orphans, &inode->orphan_node);
		}
	}
	struct list_node *node;

	while ((node = list_first(&fs->orphans)) != NULL) {
		struct ext4_inode *inode = container_of(node, struct ext4_inode, orphan_node);

		if (error == 0) {
			error = recover_one(task, inode);
		} else {
			inode->is_orphan = false;
			list_remove(node);
			inode->n_links = inode->n_links > 0 ? inode->n_links : 1; /* is not freed */
			ext4_inode_put(task, inode);
		}
		if (list_first(&fs->orphans) == node) {
			error = error != 0 ? error : BLOCKFS_E_CORRUPT;
			list_remove(node);
		}
	}
	return error;
}

static int recover_slot(struct task *task, struct ext4 *fs, uint32_t slot)
{
	uint32_t number;
	uint32_t *place;
	struct ext4_inode *inode;
	struct buffer *buffer = NULL;
	int error = slot_open(task, fs, slot, &buffer, &place);

	if (error != 0) {
		return error;
	}
	number = *place;
	buffer_put(buffer);
	if (number == 0) {
		return 0;
	}
	error = adopt(task, fs, number, &inode);
	if (error == 0) {
		inode->orphan_slot = slot;
		error = recover_one(task, inode);
	}
	return error;
}

int ext4_orphan_file_open(struct task *task, struct ext4 *fs)
{
	if (!ext4_has_compat(fs, EXT4_COMPAT_ORPHAN_FILE)) {
		return 0;
	}
	int error =
		ext4_inode_hold_internal(task, fs, fs->super.orphan_file_inode, &fs->orphan_file);

	if (error == 0 && ext4_n_file_blocks(fs->orphan_file) > 4096) {
		error = ext4_corrupt(fs, "the orphan file is too large");
	}
	return error == -ERR_NOT_FOUND ? BLOCKFS_E_CORRUPT : error;
}

int ext4_orphans_recover(struct task *task, struct ext4 *fs, bool has_file_orphans)
{
	int error = fs->super.last_orphan != 0 ? recover_list(task, fs) : 0;

	if (fs->orphan_file == NULL || !has_file_orphans) {
		return error;
	}
	uint32_t n_slots = (uint32_t)ext4_n_file_blocks(fs->orphan_file) * slots_per_block(fs);

	for (uint32_t slot = 0; error == 0 && slot < n_slots; slot++) {
		error = recover_slot(task, fs, slot);
	}
	return error;
}
