/* SPDX-License-Identifier: MIT */
/*
 * Renaming, the one operation on two directories.
 *
 * Locks: between directories, fs->rename_lock first, so that the tree above both stands still; then
 * an ancestor before its descendant, otherwise by number; then the directories that are moved or
 * replaced, by number. An operation on one directory locks a parent before a child, so nobody waits
 * in a circle: if two tasks wait for each other's directories, those are ancestors of each other.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>

#define DEPTH_MAX 65536

/* The numbers of a directory and all above it. */
struct ancestors {
	uint32_t *numbers;
	size_t n, n_max;
};

struct rename {
	struct ext4 *fs;
	struct ext4_inode *from, *to;
	struct blockfs_name from_name, to_name;
	const struct blockfs_rename_options *options;
	struct ancestors above_from, above_to;
	struct ext4_found source_found, target_found;
	struct ext4_inode *source, *target; /* target: NULL if the name is free */
	struct ext4_inode *whiteout; /* what the old name means afterwards, NULL: nothing */
	struct ext4_inode *locked[2];       /* of those two, that are locked */
	size_t n_locked;
};

static bool is_exchange(const struct rename *rename)
{
	return (rename->options->flags & BLOCKFS_RENAME_EXCHANGE) != 0;
}

/* ---- ancestors ------------------------------------------------------------------------------- */

static int ancestors_add(struct ancestors *ancestors, uint32_t number)
{
	if (ancestors->n == ancestors->n_max) {
		size_t n_max = ancestors->n_max * 2 + 32;
		uint32_t *numbers = blockfs_allocate(n_max * sizeof(*numbers));

		if (numbers == NULL) {
			return -ERR_NO_MEMORY;
		}
		if (ancestors->n > 0) {
			memcpy(numbers, ancestors->numbers, ancestors->n * sizeof(*numbers));
		}
		blockfs_free(ancestors->numbers);
		ancestors->numbers = numbers;
		ancestors->n_max = n_max;
	}
	ancestors->numbers[ancestors->n++] = number;
	return 0;
}

static bool ancestors_have(const struct ancestors *ancestors, uint32_t number)
{
	for (size_t i = 0; i < ancestors->n; i++) {
		if (ancestors->numbers[i] == number) {
			return true;
		}
	}
	return false;
}

static int parent_of(struct task *task, struct ext4 *fs, uint32_t number, uint32_t *out_parent)
{
	struct ext4_inode *directory;
	int error = ext4_inode_hold(task, fs, number, &directory);

	if (error != 0) {
		return error;
	}
	if (!ext4_is_directory(directory)) {
		error = ext4_corrupt(fs, "inode %u is no directory", number);
	} else {
		error = rwlock_read(task, &directory->lock);
	}
	if (error == 0) {
		error = ext4_directory_parent(task, directory, out_parent);
		rwlock_read_done(&directory->lock);
	}
	ext4_inode_put(task, directory);
	return error;
}

static int ancestors_walk(
	struct task *task, struct ext4 *fs, uint32_t number, struct ancestors *ancestors)
{
	for (uint32_t i = 0; i < DEPTH_MAX; i++) {
		int error = ancestors_add(ancestors, number);

		if (error != 0 || number == EXT4_ROOT_INODE) {
			return error;
		}
		error = parent_of(task, fs, number, &number);
		if (error != 0) {
			return error;
		}
	}
	return ext4_corrupt(fs, "directories above %u go in a circle", number);
}

/* ---- locks ----------------------------------------------------------------------------------- */

static int lock_two(struct task *task, struct ext4_inode *first, struct ext4_inode *second)
{
	int error = ext4_directory_lock(task, first);

	if (error == 0) {
		error = ext4_directory_lock(task, second);
		if (error != 0) {
			rwlock_write_done(&first->lock);
		}
	}
	return error;
}

static int rename_lock_directories(struct task *task, struct rename *rename)
{
	struct ext4_inode *from = rename->from, *to = rename->to;

	if (from == to) {
		return ext4_directory_lock(task, from);
	}
	bool from_first = ancestors_have(&rename->above_to, from->number) ||
		(!ancestors_have(&rename->above_from, to->number) && from->number < to->number);

	return from_first ? lock_two(task, from, to) : lock_two(task, to, from);
}

static void rename_unlock_directories(struct rename *rename)
{
	rwlock_write_done(&rename->from->lock);
	if (rename->to != rename->from) {
		rwlock_write_done(&rename->to->lock);
	}
}

static int rename_lock_one(struct task *task, struct rename *rename, struct ext4_inode *inode)
{
	if (inode == NULL || !ext4_is_directory(inode)) {
		return 0;
	}
	int error = rwlock_write(task, &inode->lock);

	if (error == 0) {
		rename->locked[rename->n_locked++] = inode;
	}
	return error;
}

/* The directories that are moved or replaced. */
static int rename_lock_children(struct task *task, struct rename *rename)
{
	struct ext4_inode *first = rename->source, *second = rename->target;

	if (second != NULL && second->number < first->number) {
		first = rename->target;
		second = rename->source;
	}
	int error = rename_lock_one(task, rename, first);

	return error != 0 ? error : rename_lock_one(task, rename, second);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static int rename_find(struct task *task, struct rename *rename)
{
	int error =
		ext4_directory_find(task, rename->from, rename->from_name, &rename->source_found);

	error = error != 0
		? error
		: ext4_inode_hold(task, rename->fs, rename->source_found.number, &rename->source);
	if (error != 0) {
		return error;
	}
	error = ext4_directory_find(task, rename->to, rename->to_name, &rename->target_found);
	if (error == -ERR_NOT_FOUND) {
		return is_exchange(rename) ? error : 0;
	}
	if (error == 0 && (rename->options->flags & BLOCKFS_RENAME_NO_REPLACE) != 0) {
		error = -ERR_EXISTS;
	}
	return error != 0
		? error
		: ext4_inode_hold(task, rename->fs, rename->target_found.number, &rename->target);
}

static int rename_check_tree(const struct rename *rename)
{
	const struct ext4_inode *source = rename->source, *target = rename->target;

	if (source == rename->from || source->number == EXT4_ROOT_INODE ||
		ancestors_have(&rename->above_from, source->number)) {
		return ext4_corrupt(rename->fs, "directory %u is in itself", source->number);
	}
	if (source == rename->to || ancestors_have(&rename->above_to, source->number)) {
		return BLOCKFS_E_INTO_ITSELF;
	}
	if (target != NULL &&
		(target == rename->from || target == rename->to ||
			target->number == EXT4_ROOT_INODE ||
			ancestors_have(&rename->above_from, target->number))) {
		return is_exchange(rename) ? BLOCKFS_E_INTO_ITSELF : BLOCKFS_E_NOT_EMPTY;
	}
	return 0;
}

static int rename_check_target(const struct rename *rename)
{
	bool source_is = ext4_is_directory(rename->source);
	bool target_is = rename->target != NULL && ext4_is_directory(rename->target);

	if (rename->target == NULL || is_exchange(rename)) {
		return 0;
	}
	if (source_is && !target_is) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	if (!source_is && target_is) {
		return BLOCKFS_E_IS_DIRECTORY;
	}
	return 0;
}

/* ---- the change ------------------------------------------------------------------------------ */

/* Let a directory that has moved know its new parent. */
static int rename_set_parent(struct handle *handle, struct ext4_inode *moved,
	struct ext4_inode *old, struct ext4_inode *new)
{
	if (!ext4_is_directory(moved) || old == new) {
		return 0;
	}
	int error = ext4_parent_set(handle, moved, new->number);

	ext4_links_change(old, -1);
	ext4_links_change(new, 1);
	error = error != 0 ? error : ext4_inode_write(handle, old);
	return error != 0 ? error : ext4_inode_write(handle, new);
}

static int rename_exchange(struct handle *handle, struct rename *rename)
{
	struct ext4_inode *source = rename->source, *target = rename->target;
	int error = ext4_entry_set(
		handle, rename->to, &rename->target_found, source->number, source->mode);

	error = error != 0 ? error
			   : ext4_entry_set(handle, rename->from, &rename->source_found,
				     target->number, target->mode);
	error = error != 0 ? error : rename_set_parent(handle, source, rename->from, rename->to);
	error = error != 0 ? error : rename_set_parent(handle, target, rename->to, rename->from);
	ext4_inode_touch(source, false);
	ext4_inode_touch(target, false);
	error = error != 0 ? error : ext4_inode_write(handle, source);
	return error != 0 ? error : ext4_inode_write(handle, target);
}

/* What the name meant before loses it. */
static int rename_drop_target(struct handle *handle, struct rename *rename)
{
	struct ext4_inode *target = rename->target;
	int error = 0;

	if (ext4_is_directory(target)) {
		target->n_links = 0;
		ext4_links_change(rename->to, -1);
		error = ext4_inode_write(handle, rename->to);
	} else {
		ext4_links_change(target, -1);
	}
	ext4_inode_touch(target, false);
	if (error == 0 && target->n_links == 0) {
		error = ext4_orphan_add(handle, target);
	}
	return error != 0 ? error : ext4_inode_write(handle, target);
}

/* An inode without a name so far: if there is no room for it, nothing has changed. */
static int rename_make_whiteout(struct handle *handle, struct rename *rename)
{
	const struct blockfs_create_options options = {
		.mode = EXT4_S_IFCHR,
		.uid = rename->options->uid,
		.gid = rename->options->gid,
	};

	return ext4_make_in_handle(handle, rename->from, &options, &rename->whiteout);
}

static int rename_place_whiteout(struct handle *handle, struct rename *rename)
{
	struct ext4_inode *whiteout = rename->whiteout;
	int error = ext4_entry_set(
		handle, rename->from, &rename->source_found, whiteout->number, whiteout->mode);

	error = error != 0 ? error : ext4_orphan_remove(handle, whiteout);
	whiteout->n_links = 1;
	return error != 0 ? error : ext4_inode_write(handle, whiteout);
}

/* Adding the new name may have moved the old one to another block: find it again. */
static int rename_remove_source(struct handle *handle, struct rename *rename)
{
	buffer_put(rename->source_found.buffer);
	int error = ext4_directory_find(
		handle->task, rename->from, rename->from_name, &rename->source_found);

	if (error != 0) {
		return error;
	}
	return rename->whiteout != NULL
		? rename_place_whiteout(handle, rename)
		: ext4_entry_remove(handle, rename->from, &rename->source_found);
}

static int rename_move(struct handle *handle, struct rename *rename)
{
	struct ext4_inode *source = rename->source;
	int error = 0;

	if ((rename->options->flags & BLOCKFS_RENAME_WHITEOUT) != 0) {
		error = rename_make_whiteout(handle, rename);
	}
	if (error != 0) {
		return error; /* nothing has changed */
	}
	if (rename->target != NULL) {
		error = ext4_entry_set(
			handle, rename->to, &rename->target_found, source->number, source->mode);
	} else {
		error = ext4_entry_add(
			handle, rename->to, rename->to_name, source->number, source->mode);
		if (error == BLOCKFS_E_NO_SPACE) {
			return error; /* nothing has changed */
		}
	}
	error = error != 0 ? error : rename_remove_source(handle, rename);
	if (error == 0 && rename->target != NULL) {
		error = rename_drop_target(handle, rename);
	}
	error = error != 0 ? error : rename_set_parent(handle, source, rename->from, rename->to);
	ext4_inode_touch(source, false);
	error = error != 0 ? error : ext4_inode_write(handle, source);
	if (error != 0) {
		ext4_fail(rename->fs, error, "rename");
	}
	return error;
}

static int rename_locked(struct task *task, struct rename *rename)
{
	struct handle handle;
	int error = rename_find(task, rename);

	if (error != 0 || rename->source == rename->target) {
		return error; /* two names of one inode: nothing is to be done */
	}
	error = rename_check_tree(rename);
	error = error != 0 ? error : rename_check_target(rename);
	if (error == 0 && rename->from != rename->to && ext4_is_directory(rename->source) &&
		rename->target == NULL && rename->to->n_links >= EXT4_LINK_MAX &&
		!ext4_has_ro_compat(rename->fs, EXT4_RO_COMPAT_DIR_NLINK)) {
		error = BLOCKFS_E_TOO_MANY_LINKS;
	}
	error = error != 0 ? error : rename_lock_children(task, rename);
	if (error == 0 && rename->target != NULL && ext4_is_directory(rename->target) &&
		!is_exchange(rename)) {
		error = ext4_directory_is_empty(task, rename->target);
	}
	error = error != 0
		? error
		: handle_begin(task, rename->fs, EXT4_CREDITS_RENAME + EXT4_CREDITS_INODE, &handle);
	if (error == 0) {
		error = is_exchange(rename) ? rename_exchange(&handle, rename)
					    : rename_move(&handle, rename);
		handle_end(&handle);
	}
	while (rename->n_locked > 0) {
		rwlock_write_done(&rename->locked[--rename->n_locked]->lock);
	}
	return error;
}

static int rename_run(struct task *task, struct rename *rename)
{
	int error = 0;

	if (rename->from != rename->to) {
		error = ancestors_walk(task, rename->fs, rename->from->number, &rename->above_from);
		error = error != 0
			? error
			: ancestors_walk(task, rename->fs, rename->to->number, &rename->above_to);
	}
	error = error != 0 ? error : rename_lock_directories(task, rename);
	if (error == 0) {
		error = rename_locked(task, rename);
		buffer_put(rename->source_found.buffer);
		buffer_put(rename->target_found.buffer);
		rename_unlock_directories(rename);
	}
	return error;
}

static bool flags_are_good(uint32_t flags)
{
	const uint32_t known = BLOCKFS_RENAME_NO_REPLACE | BLOCKFS_RENAME_WHITEOUT;

	return (flags & ~known) == 0 || flags == BLOCKFS_RENAME_EXCHANGE;
}

int ext4_rename(struct task *task, struct ext4_inode *from, struct blockfs_name from_name,
	struct ext4_inode *to, struct blockfs_name to_name,
	const struct blockfs_rename_options *options)
{
	struct rename rename = {
		.fs = from->fs,
		.from = from,
		.to = to,
		.from_name = from_name,
		.to_name = to_name,
		.options = options,
	};
	int error = ext4_check_name(from_name);

	error = error != 0 ? error : ext4_check_name(to_name);
	if (error == 0 && !flags_are_good(options->flags)) {
		error = -ERR_ILLEGAL_ARGS;
	}
	if (error == 0 && (!ext4_is_directory(from) || !ext4_is_directory(to))) {
		error = BLOCKFS_E_NOT_DIRECTORY;
	}
	if (error == 0 && from != to) {
		error = mutex_lock(task, &from->fs->rename_lock);
	}
	if (error != 0) {
		return error;
	}
	error = rename_run(task, &rename);
	if (from != to) {
		mutex_unlock(&from->fs->rename_lock);
	}
	blockfs_free(rename.above_from.numbers);
	blockfs_free(rename.above_to.numbers);
	ext4_inode_put(task, rename.source);
	ext4_inode_put(task, rename.target);
	ext4_inode_put(task, rename.whiteout);
	return error;
}
