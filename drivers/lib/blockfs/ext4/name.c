/* SPDX-License-Identifier: MIT */
/*
 * Names: making, linking, removing.
 *
 * Each takes the directory's lock alone, looks at what is there, and then changes everything in one
 * handle. Objects are put only when the handle has ended: the last holder of one without links
 * begins a handle of its own.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>

int ext4_check_name(struct blockfs_name name)
{
	if (name.length > BLOCKFS_NAME_MAX) {
		return BLOCKFS_E_NAME_TOO_LONG;
	}
	if (name.length == 0 || memchr(name.text, '/', name.length) != NULL ||
		memchr(name.text, 0, name.length) != NULL ||
		(name.length <= 2 && memcmp(name.text, "..", name.length) == 0)) {
		return -ERR_ILLEGAL_ARGS;
	}
	return 0;
}

void ext4_links_change(struct ext4_inode *inode, int change)
{
	bool is_directory = ext4_is_directory(inode);

	if (change > 0) {
		if (is_directory && inode->n_links == 1) {
			return; /* too many to count */
		}
		inode->n_links++;
		if (is_directory && inode->n_links >= EXT4_LINK_MAX) {
			inode->n_links = 1;
			inode->fs->super.ro_compat |= EXT4_RO_COMPAT_DIR_NLINK;
		}
	} else if (!is_directory || inode->n_links > 2) {
		inode->n_links -= inode->n_links > 0 ? 1 : 0;
	}
}

static bool can_have_subdirectory(const struct ext4_inode *directory)
{
	return ext4_has_ro_compat(directory->fs, EXT4_RO_COMPAT_DIR_NLINK) ||
		directory->n_links < EXT4_LINK_MAX;
}

int ext4_directory_lock(struct task *task, struct ext4_inode *directory)
{
	struct handle handle;

	if (!ext4_is_directory(directory)) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	int error = rwlock_write(task, &directory->lock);

	if (error != 0) {
		return error;
	}
	if (directory->n_links == 0) {
		error = -ERR_NOT_FOUND;
	} else if (ext4_has_flag(directory, EXT4_FLAG_INLINE_DATA)) {
		error = handle_begin(task, directory->fs, EXT4_CREDITS_CREATE, &handle);
		if (error == 0) {
			error = ext4_inline_directory_leave(&handle, directory);
			handle_end(&handle);
		}
	}
	if (error != 0) {
		rwlock_write_done(&directory->lock);
	}
	return error;
}

/* 0 if the name is free. */
static int check_free(struct task *task, struct ext4_inode *directory, struct blockfs_name name)
{
	struct ext4_found found;
	int error = ext4_directory_find(task, directory, name, &found);

	if (error == 0) {
		buffer_put(found.buffer);
		return -ERR_EXISTS;
	}
	return error == -ERR_NOT_FOUND ? 0 : error;
}

/* ---- making ---------------------------------------------------------------------------------- */

static int symlink_init(struct handle *handle, struct ext4_inode *inode,
	const struct blockfs_create_options *options)
{
	struct ext4 *fs = inode->fs;
	BUFFER_AUTO struct buffer *buffer = NULL;
	uint64_t block;

	inode->size = inode->disk_size = options->target_size;
	if (options->target_size < EXT4_INODE_BLOCK_SIZE) {
		memcpy(inode->block, options->target, options->target_size);
		return 0;
	}
	int error = ext4_allocate_block(handle, fs, ext4_goal(handle->task, inode, 0), &block);

	error = error != 0 ? error : ext4_map_insert(handle, inode, 0, block, 1, false);
	error = error != 0
		? error
		: ext4_create_block(handle, fs, block, EXT4_KIND_PLAIN, inode->seed, &buffer);
	if (error == 0) {
		memcpy(buffer->data, options->target, options->target_size);
	}
	return error;
}

static int new_inode_init(struct handle *handle, struct ext4_inode *directory,
	struct ext4_inode *inode, const struct blockfs_create_options *options)
{
	if (ext4_is_directory(inode)) {
		inode->n_links = 2;
		return ext4_directory_init(handle, inode, directory->number);
	}
	return ext4_type_of(inode) == EXT4_S_IFLNK ? symlink_init(handle, inode, options) : 0;
}

/* Make the inode and give it its name. On failure *out_inode may be one to be freed by its put. */
static int make_in_handle(struct handle *handle, struct ext4_inode *directory,
	struct blockfs_name name, const struct blockfs_create_options *options,
	struct ext4_inode **out_inode)
{
	struct ext4_inode *inode;
	int error = ext4_create_inode(handle, directory, options, &inode);

	if (error != 0) {
		return error;
	}
	*out_inode = inode;
	error = new_inode_init(handle, directory, inode, options);
	error = error != 0 ? error : ext4_inode_write(handle, inode);
	if (error == 0 && name.length > 0) {
		error = ext4_entry_add(handle, directory, name, inode->number, inode->mode);
	}
	if (error == 0 && ext4_is_directory(inode)) {
		ext4_links_change(directory, 1);
		error = ext4_inode_write(handle, directory);
	}
	if (error == 0 && name.length > 0) {
		return 0;
	}
	inode->n_links = 0;
	int orphan = ext4_orphan_add(handle, inode);

	orphan = orphan != 0 ? orphan : ext4_inode_write(handle, inode);
	return error != 0 ? error : orphan;
}

int ext4_make_in_handle(struct handle *handle, struct ext4_inode *directory,
	const struct blockfs_create_options *options, struct ext4_inode **out_inode)
{
	return make_in_handle(handle, directory, (struct blockfs_name){ 0 }, options, out_inode);
}

static int check_options(const struct ext4 *fs, const struct blockfs_create_options *options)
{
	switch (options->mode & EXT4_S_IFMT) {
	case EXT4_S_IFREG:
	case EXT4_S_IFDIR:
	case EXT4_S_IFCHR:
	case EXT4_S_IFBLK:
	case EXT4_S_IFIFO:
	case EXT4_S_IFSOCK: return 0;
	case EXT4_S_IFLNK:
		return options->target_size == 0                 ? -ERR_ILLEGAL_ARGS
			: options->target_size >= fs->block_size ? BLOCKFS_E_NAME_TOO_LONG
								 : 0;
	default: return -ERR_ILLEGAL_ARGS;
	}
}

static int make_once(struct task *task, struct ext4_inode *directory, struct blockfs_name name,
	const struct blockfs_create_options *options, struct ext4_inode **out_inode)
{
	struct handle handle;
	struct ext4_inode *inode = NULL;
	int error = ext4_directory_lock(task, directory);

	if (error != 0) {
		return error;
	}
	if ((options->mode & EXT4_S_IFMT) == EXT4_S_IFDIR && !can_have_subdirectory(directory)) {
		error = BLOCKFS_E_TOO_MANY_LINKS;
	}
	if (error == 0 && name.length > 0) {
		error = check_free(task, directory, name);
	}
	if (error == 0 && ext4_available(directory->fs) < 4) {
		error = BLOCKFS_E_NO_SPACE;
	}
	error = error != 0 ? error
			   : handle_begin(task, directory->fs, EXT4_CREDITS_CREATE, &handle);
	if (error == 0) {
		error = make_in_handle(&handle, directory, name, options, &inode);
		handle_end(&handle);
	}
	rwlock_write_done(&directory->lock);
	if (error != 0) {
		ext4_inode_put(task, inode);
	} else {
		*out_inode = inode;
	}
	return error;
}

/* What a transaction has freed is free when it is committed: then there may be room. */
static int make(struct task *task, struct ext4_inode *directory, struct blockfs_name name,
	const struct blockfs_create_options *options, struct ext4_inode **out_inode)
{
	struct ext4 *fs = directory->fs;
	int error = check_options(fs, options);

	if (error == 0) {
		error = make_once(task, directory, name, options, out_inode);
	}
	if (error == BLOCKFS_E_NO_SPACE && fs->n_busy_freed > 0 && fs->journal != NULL) {
		error = journal_commit_all(task, fs->journal);
		error = error != 0 ? error : make_once(task, directory, name, options, out_inode);
	}
	return error;
}

int ext4_make(struct task *task, struct ext4_inode *directory, struct blockfs_name name,
	const struct blockfs_create_options *options, struct ext4_inode **out_inode)
{
	int error = ext4_check_name(name);

	return error != 0 ? error : make(task, directory, name, options, out_inode);
}

int ext4_make_unnamed(struct task *task, struct ext4_inode *directory,
	const struct blockfs_create_options *options, struct ext4_inode **out_inode)
{
	if ((options->mode & EXT4_S_IFMT) != EXT4_S_IFREG) {
		return -ERR_ILLEGAL_ARGS;
	}
	return make(task, directory, (struct blockfs_name){ 0 }, options, out_inode);
}

/* ---- linking --------------------------------------------------------------------------------- */

static int link_in_handle(struct handle *handle, struct ext4_inode *directory,
	struct blockfs_name name, struct ext4_inode *inode)
{
	int error = ext4_entry_add(handle, directory, name, inode->number, inode->mode);

	if (error != 0) {
		return error;
	}
	if (inode->n_links == 0) {
		error = ext4_orphan_remove(handle, inode);
	}
	inode->n_links++;
	ext4_inode_touch(inode, false);
	return error != 0 ? error : ext4_inode_write(handle, inode);
}

int ext4_link(struct task *task, struct ext4_inode *directory, struct blockfs_name name,
	struct ext4_inode *inode)
{
	struct handle handle;
	int error = ext4_check_name(name);

	if (error == 0 && ext4_is_directory(inode)) {
		error = BLOCKFS_E_IS_DIRECTORY;
	}
	error = error != 0 ? error : ext4_directory_lock(task, directory);
	if (error != 0) {
		return error;
	}
	error = check_free(task, directory, name);
	if (error == 0) {
		error = handle_begin(
			task, directory->fs, EXT4_CREDITS_ENTRY + EXT4_CREDITS_INODE, &handle);
	}
	if (error == 0) {
		if (inode->n_links >= EXT4_LINK_MAX) {
			error = BLOCKFS_E_TOO_MANY_LINKS;
		} else if (inode->n_links == 0 && !inode->is_orphan) {
			error = -ERR_NOT_FOUND;
		} else {
			error = link_in_handle(&handle, directory, name, inode);
		}
		handle_end(&handle);
	}
	rwlock_write_done(&directory->lock);
	return error;
}

/* ---- removing -------------------------------------------------------------------------------- */

/* The name of a held inode goes, and with the last one the inode becomes an orphan. */
static int remove_in_handle(struct handle *handle, struct ext4_inode *directory,
	const struct ext4_found *found, struct ext4_inode *inode)
{
	int error = ext4_entry_remove(handle, directory, found);

	if (error != 0) {
		return error;
	}
	if (ext4_is_directory(inode)) {
		inode->n_links = 0;
		ext4_links_change(directory, -1);
		error = ext4_inode_write(handle, directory);
	} else {
		ext4_links_change(inode, -1);
	}
	ext4_inode_touch(inode, false);
	if (error == 0 && inode->n_links == 0) {
		error = ext4_orphan_add(handle, inode);
	}
	return error != 0 ? error : ext4_inode_write(handle, inode);
}

/* Whether what was found may be removed so. A directory is locked then. */
static int check_removable(struct task *task, struct ext4_inode *directory,
	struct ext4_inode *inode, bool wants_directory)
{
	if (ext4_is_directory(inode) != wants_directory) {
		return wants_directory ? BLOCKFS_E_NOT_DIRECTORY : BLOCKFS_E_IS_DIRECTORY;
	}
	if (!wants_directory) {
		return inode->n_links == 0
			? ext4_corrupt(
				  directory->fs, "inode %u has a name, but no links", inode->number)
			: 0;
	}
	if (inode == directory || inode->number == EXT4_ROOT_INODE) {
		return ext4_corrupt(directory->fs, "directory %u is in itself", inode->number);
	}
	int error = rwlock_write(task, &inode->lock);

	if (error == 0) {
		error = ext4_directory_is_empty(task, inode);
		if (error != 0) {
			rwlock_write_done(&inode->lock);
		}
	}
	return error;
}

static int remove_found(struct task *task, struct ext4_inode *directory,
	const struct ext4_found *found, struct ext4_inode *inode, bool is_directory)
{
	struct handle handle;
	int error = check_removable(task, directory, inode, is_directory);

	if (error != 0) {
		return error;
	}
	error = handle_begin(task, directory->fs, EXT4_CREDITS_INODE + EXT4_CREDITS_XATTR, &handle);
	if (error == 0) {
		error = remove_in_handle(&handle, directory, found, inode);
		handle_end(&handle);
	}
	if (is_directory) {
		rwlock_write_done(&inode->lock);
	}
	return error;
}

static int remove_name(struct task *task, struct ext4_inode *directory, struct blockfs_name name,
	bool is_directory)
{
	struct ext4_found found = { 0 };
	struct ext4_inode *inode = NULL;
	int error = ext4_check_name(name);

	error = error != 0 ? error : ext4_directory_lock(task, directory);
	if (error != 0) {
		return error;
	}
	error = ext4_directory_find(task, directory, name, &found);
	error = error != 0 ? error : ext4_inode_hold(task, directory->fs, found.number, &inode);
	error = error != 0 ? error : remove_found(task, directory, &found, inode, is_directory);
	buffer_put(found.buffer);
	rwlock_write_done(&directory->lock);
	ext4_inode_put(task, inode);
	return error;
}

int ext4_unlink(struct task *task, struct ext4_inode *directory, struct blockfs_name name)
{
	return remove_name(task, directory, name, false);
}

int ext4_remove_directory(struct task *task, struct ext4_inode *directory, struct blockfs_name name)
{
	return remove_name(task, directory, name, true);
}
