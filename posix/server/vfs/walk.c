/* SPDX-License-Identifier: MIT */
/* Path walks; see walk.h. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <base/assert.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/process/process.h>
#include <posix/server/task.h>
#include <posix/server/vfs/walk.h>

static void walk_set(struct walk *walk, const struct path *to)
{
	path_ref(to);
	path_unref(&walk->at);
	walk->at = *to;
}

static int64_t walk_start_at_fd(struct walk *walk, int dirfd)
{
	struct file *file = fd_table_get(walk->process->files, dirfd);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (!inode_is_directory(file->inode)) {
		return -LINUX_ENOTDIR;
	}
	walk_set(walk, &file->path);
	return 0;
}

/* Where the walk starts; "/" is another top only for VFS_IN_ROOT. */
static int64_t walk_start(struct walk *walk, int dirfd, bool is_absolute)
{
	if (is_absolute && !(walk->flags & VFS_IN_ROOT)) {
		if (walk->flags & VFS_BENEATH) {
			return -LINUX_EXDEV;
		}
		walk_set(walk, &walk->process->fs->root);
		return 0;
	}
	if (dirfd == LINUX_AT_FDCWD) {
		walk_set(walk, &walk->process->fs->cwd);
		return 0;
	}
	return walk_start_at_fd(walk, dirfd);
}

static void walk_choose_top(struct walk *walk)
{
	bool is_limited = (walk->flags & (VFS_BENEATH | VFS_IN_ROOT)) != 0;

	walk->top = &walk->process->fs->root;
	/* while a task waits, another thread may change the root */
	if (is_limited || request_task() != NULL) {
		walk->own_top = is_limited ? walk->at : *walk->top;
		path_ref(&walk->own_top);
		walk->top = &walk->own_top;
	}
}

int64_t walk_begin_within(struct walk *walk, struct process *process,
	const struct credentials *credentials, int dirfd, const char *name, uint32_t flags)
{
	walk->process = process;
	walk->credentials = credentials;
	walk->flags = flags;
	walk->at = (struct path){ 0 };
	walk->own_top = (struct path){ 0 };
	walk->last = NULL;
	walk->last_size = 0;
	walk->last_kind = WALK_LAST_ROOT;
	walk->has_trailing_slash = false;
	walk->n_links = 0;
	walk->n_frames = 1;
	walk->frames[0] = (struct walk_frame){ .rest = name };
	if (name[0] == '\0') {
		return -LINUX_ENOENT;
	}
	int64_t error = walk_start(walk, dirfd, name[0] == '/');

	if (error == 0) {
		walk_choose_top(walk);
	}
	return error;
}

static void walk_pop_frame(struct walk *walk)
{
	helix_free(walk->frames[--walk->n_frames].owned);
}

void walk_end(struct walk *walk)
{
	while (walk->n_frames > 0) {
		walk_pop_frame(walk);
	}
	path_unref(&walk->at);
	path_unref(&walk->own_top);
}

static const char *walk_skip_slashes(const char *text)
{
	while (*text == '/') {
		text++;
	}
	return text;
}

/* Whether nothing but slashes is left to walk; notes whether there are any. */
static bool walk_is_at_last(struct walk *walk)
{
	bool has_slash = false;

	for (uint32_t i = 0; i < walk->n_frames; i++) {
		const char *rest = walk->frames[i].rest;

		if (*walk_skip_slashes(rest) != '\0') {
			return false;
		}
		has_slash |= *rest == '/';
	}
	walk->has_trailing_slash = has_slash;
	return true;
}

static int64_t walk_check_directory(const struct walk *walk)
{
	struct inode *inode = walk->at.dentry->inode;

	if (!inode_is_directory(inode)) {
		return -LINUX_ENOTDIR;
	}
	inode->ops->refresh(inode);
	return inode_permission(walk->credentials, inode, ACCESS_EXECUTE);
}

static bool path_equal(const struct path *a, const struct path *b)
{
	return a->dentry == b->dentry && a->mount == b->mount;
}

int64_t walk_step_down(struct walk *walk)
{
	const struct mount *mount = walk->at.mount;

	mount_step_down(&walk->at);
	return (walk->flags & VFS_NO_CROSSING) && walk->at.mount != mount ? -LINUX_EXDEV : 0;
}

/* "..": to the parent, over mount points, but not above the root of the process. */
static int64_t walk_up(struct walk *walk)
{
	for (;;) {
		if (path_equal(&walk->at, walk->top)) {
			if (walk->flags & VFS_BENEATH) {
				return -LINUX_EXDEV;
			}
			break;
		}
		if (walk->at.dentry != walk->at.mount->root && walk->at.dentry->parent != NULL) {
			struct path parent = { .mount = walk->at.mount,
				.dentry = walk->at.dentry->parent };

			walk_set(walk, &parent);
			break;
		}
		if (!mount_step_up(&walk->at)) {
			break;
		}
		if (walk->flags & VFS_NO_CROSSING) {
			return -LINUX_EXDEV;
		}
	}
	return walk_step_down(walk);
}

/* The sysctl protected_symlinks of Linux: no links of strangers in shared directories like /tmp. */
static int64_t walk_check_link(const struct walk *walk, const struct inode *link)
{
	const struct inode *directory = walk->at.dentry->inode;
	uint32_t shared = LINUX_S_ISVTX | 0002;

	if (link->uid == walk->credentials->fsuid || (directory->mode & shared) != shared ||
		directory->uid == link->uid) {
		return 0;
	}
	return -LINUX_EACCES;
}

/* A link leads directly to a place: whether the walk may go there. */
static int64_t walk_check_jump(const struct walk *walk, const struct path *to)
{
	if (walk->flags & VFS_NO_JUMPS) {
		return -LINUX_ELOOP;
	}
	if (walk->flags & (VFS_BENEATH | VFS_IN_ROOT)) {
		return -LINUX_EXDEV;
	}
	return (walk->flags & VFS_NO_CROSSING) && walk->at.mount != to->mount ? -LINUX_EXDEV : 0;
}

/* Goes to the place that a link leads to; takes the reference of *to. */
static int64_t walk_jump(struct walk *walk, struct path *to)
{
	int64_t error = walk_check_jump(walk, to);

	if (error < 0) {
		path_unref(to);
		return error;
	}
	path_unref(&walk->at);
	walk->at = *to;
	return 0;
}

/* A link's text begins with a slash. */
static int64_t walk_restart(struct walk *walk)
{
	if (walk->flags & VFS_BENEATH) {
		return -LINUX_EXDEV;
	}
	if ((walk->flags & VFS_NO_CROSSING) && walk->at.mount != walk->top->mount) {
		return -LINUX_EXDEV;
	}
	walk_set(walk, walk->top);
	return 0;
}

/* In a task: a text of one's own, for the link may change while the walk waits. */
static int64_t walk_keep_text(struct link_target *target)
{
	size_t size;

	if (request_task() == NULL || target->owned != NULL || target->text == NULL) {
		return 0;
	}
	size = strlen(target->text) + 1;
	target->owned = helix_malloc(size);
	if (target->owned == NULL) {
		return -LINUX_ENOMEM;
	}
	memcpy(target->owned, target->text, size);
	target->text = target->owned;
	return 0;
}

int64_t walk_follow(struct walk *walk, struct inode *inode, bool *out_is_there)
{
	struct link_target target = { 0 };

	*out_is_there = false;
	if (++walk->n_links > WALK_LINKS_MAX || (walk->flags & VFS_NO_LINKS)) {
		return -LINUX_ELOOP;
	}
	int64_t error = walk_check_link(walk, inode);

	if (error == 0) {
		error = inode->ops->follow(inode, walk->process, &target);
	}
	if (error < 0) {
		return error;
	}
	if (target.jump.dentry != NULL) {
		helix_free(target.owned);
		error = walk_jump(walk, &target.jump);
		*out_is_there = error == 0;
		return error;
	}
	error = walk_keep_text(&target);
	if (error < 0) {
		return error;
	}
	inode_touch_accessed(inode);
	if (target.text[0] == '\0') {
		helix_free(target.owned);
		return -LINUX_ENOENT;
	}
	if (target.text[0] == '/') {
		error = walk_restart(walk);
		if (error < 0) {
			helix_free(target.owned);
			return error;
		}
	}
	ASSERT(walk->n_frames <= WALK_LINKS_MAX);
	walk->frames[walk->n_frames++] =
		(struct walk_frame){ .rest = target.text, .owned = target.owned };
	return 0;
}

/* One step down to a name that is not the last one. */
static int64_t walk_step(struct walk *walk, const char *name, size_t name_size)
{
	struct dentry *dentry;
	bool is_there;
	int64_t error = dentry_find(walk->at.dentry, name, name_size, false, &dentry);

	if (error < 0) {
		return error;
	}
	if (dentry->inode == NULL) {
		dentry_unref(dentry);
		return -LINUX_ENOENT;
	}
	if (inode_is_type(dentry->inode, LINUX_S_IFLNK)) {
		error = walk_follow(walk, dentry->inode, &is_there);
		dentry_unref(dentry);
		return error;
	}
	struct dentry *parent = walk->at.dentry;

	walk->at.dentry = dentry;
	dentry_unref(parent);
	return walk_step_down(walk);
}

static enum walk_last walk_kind_of(const char *name, size_t name_size)
{
	if (name[0] != '.' || name_size > 2) {
		return WALK_LAST_NAME;
	}
	if (name_size == 1) {
		return WALK_LAST_DOT;
	}
	return name[1] == '.' ? WALK_LAST_DOT_DOT : WALK_LAST_NAME;
}

int64_t walk_to_parent(struct walk *walk)
{
	for (;;) {
		struct walk_frame *frame = &walk->frames[walk->n_frames - 1];
		const char *name = walk_skip_slashes(frame->rest);

		if (*name == '\0') {
			if (walk->n_frames == 1) {
				walk->last_kind = WALK_LAST_ROOT;
				return 0;
			}
			walk_pop_frame(walk);
			continue;
		}
		int64_t error = walk_check_directory(walk);

		if (error < 0) {
			return error;
		}
		size_t name_size = 0;

		while (name[name_size] != '/' && name[name_size] != '\0') {
			name_size++;
		}
		if (name_size > NAME_SIZE_MAX) {
			return -LINUX_ENAMETOOLONG;
		}
		enum walk_last kind = walk_kind_of(name, name_size);

		frame->rest = name + name_size;
		if (walk_is_at_last(walk)) {
			walk->last = name;
			walk->last_size = name_size;
			walk->last_kind = kind;
			return 0;
		}
		if (kind == WALK_LAST_DOT_DOT) {
			error = walk_up(walk);
		} else if (kind == WALK_LAST_NAME) {
			error = walk_step(walk, name, name_size);
		}
		if (error < 0) {
			return error;
		}
	}
}

int64_t walk_find_last(struct walk *walk, bool is_wanted, struct dentry **out_dentry)
{
	ASSERT(walk->last_kind == WALK_LAST_NAME);
	return dentry_find(walk->at.dentry, walk->last, walk->last_size, is_wanted, out_dentry);
}

/*
 * What was not looked up just now, as "." or the root of a mount, may have been changed by others.
 * Who takes a mount off does not want to know.
 */
static int64_t walk_check_place(const struct walk *walk)
{
	const struct dentry *dentry = walk->at.dentry;

	if (walk->flags & VFS_UNASKED) {
		return 0;
	}
	return walk->last_kind == WALK_LAST_NAME && dentry != walk->at.mount->root
		? 0
		: inode_check(dentry->inode);
}

static int64_t walk_deliver(struct walk *walk, struct path *out_path)
{
	int64_t error = walk_check_place(walk);

	if (unlikely(error < 0)) {
		return error;
	}
	if (walk->has_trailing_slash && !inode_is_directory(walk->at.dentry->inode)) {
		return -LINUX_ENOTDIR;
	}
	*out_path = walk->at;
	walk->at = (struct path){ 0 };
	return 0;
}

int64_t walk_finish(struct walk *walk, bool is_following, struct path *out_path)
{
	for (;;) {
		if (walk->last_kind != WALK_LAST_NAME) {
			int64_t up = walk->last_kind == WALK_LAST_DOT_DOT ? walk_up(walk) : 0;

			return up < 0 ? up : walk_deliver(walk, out_path);
		}
		struct dentry *dentry;
		int64_t error = walk_find_last(walk, false, &dentry);

		if (error < 0) {
			return error;
		}
		if (dentry->inode == NULL) {
			dentry_unref(dentry);
			return -LINUX_ENOENT;
		}
		if (!inode_is_type(dentry->inode, LINUX_S_IFLNK) ||
			(!is_following && !walk->has_trailing_slash)) {
			struct dentry *parent = walk->at.dentry;

			walk->at.dentry = dentry;
			dentry_unref(parent);
			error = walk_step_down(walk);
			return error < 0 ? error : walk_deliver(walk, out_path);
		}
		bool is_there;

		error = walk_follow(walk, dentry->inode, &is_there);
		dentry_unref(dentry);
		if (error < 0) {
			return error;
		}
		if (is_there) {
			return walk_deliver(walk, out_path);
		}
		error = walk_to_parent(walk);
		if (error < 0) {
			return error;
		}
	}
}

static int64_t walk_empty_path(struct process *process, int dirfd, struct path *out_path)
{
	if (dirfd == LINUX_AT_FDCWD) {
		*out_path = process->fs->cwd;
		path_ref(out_path);
		return 0;
	}
	struct file *file = fd_table_get(process->files, dirfd);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (file->path.dentry == NULL) {
		return anonymous_path(file->inode, out_path);
	}
	*out_path = file->path;
	path_ref(out_path);
	return 0;
}

int64_t walk_path(struct process *process, const struct credentials *credentials, int dirfd,
	const char *name, uint32_t flags, struct path *out_path)
{
	struct walk walk;
	int64_t error;

	if (name[0] == '\0' && (flags & VFS_EMPTY_PATH)) {
		error = walk_empty_path(process, dirfd, out_path);
		if (error == 0) {
			error = inode_check(out_path->dentry->inode);
			if (error < 0) {
				path_unref(out_path);
			}
		}
	} else {
		error = walk_begin_within(&walk, process, credentials, dirfd, name, flags);
		if (error == 0) {
			error = walk_to_parent(&walk);
			if (error == 0) {
				error = walk_finish(&walk, (flags & VFS_FOLLOW) != 0, out_path);
			}
			walk_end(&walk);
		}
	}
	if (error == 0 && (flags & VFS_DIRECTORY) && !inode_is_directory(out_path->dentry->inode)) {
		path_unref(out_path);
		return -LINUX_ENOTDIR;
	}
	return error;
}

int64_t vfs_lookup(
	struct process *process, int dirfd, const char *name, uint32_t flags, struct path *out_path)
{
	return walk_path(process, &process->credentials, dirfd, name, flags, out_path);
}
