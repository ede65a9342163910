/* SPDX-License-Identifier: MIT */
/*
 * Renaming.
 *
 * A new name gets slots of its own; one that replaces another takes over that one's, as with Linux,
 * so its name stays as it was written. If all slots are in one sector that is one write; otherwise
 * the new place is held (commit.c) until the old one is gone from the disk.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

struct renaming {
	struct fat_inode *from, *to;
	struct blockfs_name to_name;
	uint32_t flags;
	struct fat_entry old, target, added;
	struct fat_new_name name;
	struct fat_inode *inode;   /* held */
	struct fat_inode *replaced; /* held; NULL: none */
};

static bool is_above(const struct fat_inode *top, const struct fat_inode *node)
{
	for (; node != NULL; node = node->parent) {
		if (node == top) {
			return true;
		}
	}
	return false;
}

/* ---- the change ------------------------------------------------------------------------------ */

static int slot_sector(
	struct task *task, struct fat_inode *directory, uint32_t slot, uint64_t *out_sector)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct fat_slot *data;
	int error = fat_slot_hold(task, directory, slot, &buffer, &data);

	if (error == 0) {
		*out_sector = buffer->block;
	}
	return error;
}

/* Whether the slots of the old entry and those from @first to @last are in one sector. */
static int is_one_sector(struct task *task, const struct renaming *renaming, uint32_t first,
	uint32_t last, bool *out_is_one)
{
	uint64_t sectors[4] = { 0 };
	int error = slot_sector(task, renaming->from, renaming->old.first_slot, &sectors[0]);

	error = error != 0 ? error
			   : slot_sector(task, renaming->from, renaming->old.slot, &sectors[1]);
	error = error != 0 ? error : slot_sector(task, renaming->to, first, &sectors[2]);
	error = error != 0 ? error : slot_sector(task, renaming->to, last, &sectors[3]);
	*out_is_one =
		sectors[0] == sectors[1] && sectors[0] == sectors[2] && sectors[0] == sectors[3];
	return error;
}

/* ".." of a directory that has another parent now. */
static int set_parent(struct task *task, struct fat_inode *inode, const struct fat_inode *parent)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct fat *fs = inode->fs;
	struct fat_slot *slot;
	uint32_t start = parent->parent != NULL ? parent->start : 0;
	int error = fat_slot_hold(task, inode, 1, &buffer, &slot);

	if (error != 0 || memcmp(slot->name, "..         ", FAT_SHORT_SIZE) != 0) {
		return error; /* a directory without one stays without */
	}
	error = fat_hold_slot(fs, buffer, slot, slot, true);
	if (error == 0) {
		fat_put_16(slot->start_low, start);
		fat_put_16(slot->start_high, fs->bits == 32 ? start >> 16 : 0);
		fat_mark(buffer, FAT_KIND_DIRECTORY);
	}
	return error;
}

/* Let the target's short slot say what the old one did. */
static int take_over(struct task *task, struct renaming *renaming, bool is_held)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct fat *fs = renaming->to->fs;
	struct fat_slot *slot;
	int error = fat_slot_hold(task, renaming->to, renaming->target.slot, &buffer, &slot);

	if (error == 0 && is_held) {
		error = fat_hold_slot(fs, buffer, slot, slot, false);
	}
	if (error == 0) {
		fat_inode_encode(renaming->inode, slot);
		fat_mark(buffer, FAT_KIND_DIRECTORY);
		fat_inode_set_removed(renaming->replaced);
		fat_inode_move(renaming->inode, renaming->to, renaming->target.slot);
	}
	return error;
}

static int replace(struct task *task, struct renaming *renaming)
{
	bool is_one = false;
	int error = is_one_sector(
		task, renaming, renaming->target.first_slot, renaming->target.slot, &is_one);

	error = error != 0 ? error : fat_entry_remove(task, renaming->from, &renaming->old);
	return error != 0 ? error
			  : take_over(task, renaming,
				    !is_one && renaming->inode->batch != renaming->to->fs->batch);
}

static int move(struct task *task, struct renaming *renaming)
{
	struct fat *fs = renaming->to->fs;
	struct fat_slot data = renaming->old.data;
	bool is_one = false;
	uint32_t first;
	int error = fat_directory_make_room(task, renaming->to, renaming->name.n_slots);

	if (error != 0) {
		return error;
	}
	if (!fat_index_find_room(renaming->to, renaming->name.n_slots, &first)) {
		return BLOCKFS_E_NO_SPACE;
	}
	error = is_one_sector(task, renaming, first, first + renaming->name.n_slots - 1, &is_one);
	if (error != 0) {
		return error;
	}
	fat_inode_encode(renaming->inode, &data);
	/* the new slots first: those of the old entry are not free yet, so nothing overlaps */
	error = fat_entry_add(task, renaming->to, &renaming->name, &data,
		!is_one && renaming->inode->batch != fs->batch, &renaming->added);
	error = error != 0 ? error : fat_entry_remove(task, renaming->from, &renaming->old);
	if (error == 0) {
		fat_inode_move(renaming->inode, renaming->to, renaming->added.slot);
	}
	return error;
}

static int change_names(struct task *task, struct renaming *renaming)
{
	struct fat *fs = renaming->to->fs;
	struct fat_change change;
	int error = fat_begin(task, fs, &change);

	if (error != 0) {
		return error;
	}
	error = renaming->replaced != NULL ? replace(task, renaming) : move(task, renaming);
	if (error == 0 && fat_is_directory(renaming->inode) && renaming->from != renaming->to) {
		error = set_parent(task, renaming->inode, renaming->to);
	}
	if (error == 0) {
		fat_inode_touch(renaming->from);
		fat_inode_touch(renaming->to);
	} else if (error != BLOCKFS_E_NO_SPACE) {
		fat_fail(fs, error, "renaming");
	}
	fat_end(&change);
	return error;
}

/* ---- what may be renamed --------------------------------------------------------------------- */

/* The target is a directory, which is locked then, or a file. */
static int check_replaced(struct task *task, struct renaming *renaming)
{
	struct fat_inode *replaced = renaming->replaced;

	if ((renaming->flags & BLOCKFS_RENAME_NO_REPLACE) != 0) {
		return -ERR_EXISTS;
	}
	if (is_above(replaced, renaming->from)) {
		return BLOCKFS_E_NOT_EMPTY;
	}
	if (fat_is_directory(renaming->inode) && !fat_is_directory(replaced)) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	if (!fat_is_directory(replaced)) {
		return change_names(task, renaming);
	}
	if (!fat_is_directory(renaming->inode)) {
		return BLOCKFS_E_IS_DIRECTORY;
	}
	int error = rwlock_write(task, &replaced->lock);

	if (error == 0) {
		error = fat_index_n_entries(replaced) > 0 ? BLOCKFS_E_NOT_EMPTY
							  : change_names(task, renaming);
		rwlock_write_done(&replaced->lock);
	}
	return error;
}

static int rename_locked(
	struct task *task, struct renaming *renaming, struct blockfs_name from_name)
{
	int error = fat_entry_find(task, renaming->from, from_name, &renaming->old);

	error = error != 0 ? error
			   : fat_inode_hold(task, renaming->from, renaming->old.slot,
				     &renaming->old.data, &renaming->inode);
	if (error != 0) {
		return error;
	}
	if (is_above(renaming->inode, renaming->to)) {
		return BLOCKFS_E_INTO_ITSELF;
	}
	error = fat_entry_find(task, renaming->to, renaming->to_name, &renaming->target);
	if (error == -ERR_NOT_FOUND) {
		error = fat_new_name(task, renaming->to, renaming->to_name, &renaming->name);
		return error != 0 ? error : change_names(task, renaming);
	}
	error = error != 0 ? error
			   : fat_inode_hold(task, renaming->to, renaming->target.slot,
				     &renaming->target.data, &renaming->replaced);
	if (error != 0) {
		return error;
	}
	if (renaming->replaced == renaming->inode) {
		return (renaming->flags & BLOCKFS_RENAME_NO_REPLACE) != 0 ? -ERR_EXISTS : 0;
	}
	return check_replaced(task, renaming);
}

/* Lock two directories, one above the other first; nothing moves meanwhile (rename_lock). */
static int lock_both(struct task *task, struct fat_inode *from, struct fat_inode *to)
{
	struct fat_inode *first = is_above(to, from) ? to : from;
	struct fat_inode *second = first == to ? from : to;
	int error = fat_lock_directory(task, first);

	if (error != 0 || first == second) {
		return error;
	}
	error = fat_lock_directory(task, second);
	if (error != 0) {
		rwlock_write_done(&first->lock);
	}
	return error;
}

static int rename_two(struct task *task, struct renaming *renaming, struct blockfs_name from_name)
{
	int error = lock_both(task, renaming->from, renaming->to);

	if (error == 0) {
		error = rename_locked(task, renaming, from_name);
		rwlock_write_done(&renaming->to->lock);
		if (renaming->from != renaming->to) {
			rwlock_write_done(&renaming->from->lock);
		}
	}
	return error;
}

int fat_rename(struct task *task, struct fat_inode *from, struct blockfs_name from_name,
	struct fat_inode *to, struct blockfs_name to_name, uint32_t flags)
{
	struct fat *fs = from->fs;

	if (!fat_is_directory(from) || !fat_is_directory(to)) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	if ((flags & ~BLOCKFS_RENAME_NO_REPLACE) != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	struct renaming *renaming = blockfs_allocate(sizeof(*renaming));

	if (renaming == NULL) {
		return -ERR_NO_MEMORY;
	}
	renaming->from = from;
	renaming->to = to;
	renaming->to_name = to_name;
	renaming->flags = flags;
	int error = from != to ? mutex_lock(task, &fs->rename_lock) : 0;

	if (error == 0) {
		error = rename_two(task, renaming, from_name);
		if (from != to) {
			mutex_unlock(&fs->rename_lock);
		}
	}
	fat_inode_put(task, renaming->inode);
	fat_inode_put(task, renaming->replaced);
	blockfs_free(renaming);
	return error;
}
