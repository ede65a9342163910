/* SPDX-License-Identifier: MIT */
/*
 * rename: the call with the most ways to fail.
 *
 * Both walks end before the last component. The order of the checks is that of Linux, because
 * programs see which error wins. A directory never becomes its own descendant; replacing needs an
 * empty directory for a directory and a file for a file.
 */
#include <helix/memory.h>
#include <posix/server/vfs/call.h>

struct renaming {
	struct process *process;
	uint32_t flags;
	struct walk from, to;
	struct dentry *source, *target; /* referenced; the target may be negative */
	bool is_vacated; /* the target has the old name now, which is none */
	struct vfs_lock tree, first, second; /* see lock.h */
};

static bool renaming_is_exchange(const struct renaming *renaming)
{
	return (renaming->flags & LINUX_RENAME_EXCHANGE) != 0;
}

static int64_t renaming_check_slashes(const struct renaming *renaming)
{
	if (inode_is_directory(renaming->source->inode)) {
		return 0;
	}
	if (renaming->from.has_trailing_slash ||
		(!renaming_is_exchange(renaming) && renaming->to.has_trailing_slash)) {
		return -LINUX_ENOTDIR;
	}
	return 0;
}

static int64_t renaming_find(struct renaming *renaming)
{
	int64_t error = walk_find_last(&renaming->from, false, &renaming->source);

	if (error < 0) {
		return error;
	}
	if (renaming->source->inode == NULL) {
		return -LINUX_ENOENT;
	}
	error = walk_find_last(&renaming->to, true, &renaming->target);
	if (error < 0) {
		return error;
	}
	if ((renaming->flags & LINUX_RENAME_NOREPLACE) && renaming->target->inode != NULL) {
		return -LINUX_EEXIST;
	}
	if (renaming_is_exchange(renaming)) {
		if (renaming->target->inode == NULL) {
			return -LINUX_ENOENT;
		}
		if (renaming->to.has_trailing_slash &&
			!inode_is_directory(renaming->target->inode)) {
			return -LINUX_ENOTDIR;
		}
	}
	error = renaming_check_slashes(renaming);
	if (error < 0) {
		return error;
	}
	if (dentry_is_below(renaming->to.at.dentry, renaming->source)) {
		return -LINUX_EINVAL; /* into itself */
	}
	if (dentry_is_below(renaming->from.at.dentry, renaming->target)) {
		return renaming_is_exchange(renaming) ? -LINUX_EINVAL : -LINUX_ENOTEMPTY;
	}
	return 0;
}

/* Whether what is at the new name may go (or move) for what comes. */
static int64_t renaming_check_target(const struct renaming *renaming)
{
	const struct credentials *credentials = renaming->to.credentials;
	const struct inode *target = renaming->target->inode;
	bool is_directory = inode_is_directory(renaming->source->inode);

	if (target == NULL) {
		return name_may_create(credentials, &renaming->to.at);
	}
	int64_t error = name_may_delete(credentials, &renaming->to.at, renaming->target);

	if (error < 0) {
		return error;
	}
	if (!renaming_is_exchange(renaming) && inode_is_directory(target) != is_directory) {
		return is_directory ? -LINUX_ENOTDIR : -LINUX_EISDIR;
	}
	return 0;
}

static int64_t renaming_check(const struct renaming *renaming)
{
	const struct credentials *credentials = renaming->from.credentials;
	bool changes_parent = renaming->from.at.dentry != renaming->to.at.dentry;
	int64_t error = name_may_delete(credentials, &renaming->from.at, renaming->source);

	if (error == 0) {
		error = renaming_check_target(renaming);
	}
	if (error == 0 && changes_parent && inode_is_directory(renaming->source->inode)) {
		/* its ".." changes */
		error = inode_permission(credentials, renaming->source->inode, ACCESS_WRITE);
	}
	if (error == 0 && changes_parent && renaming_is_exchange(renaming) &&
		inode_is_directory(renaming->target->inode)) {
		error = inode_permission(credentials, renaming->target->inode, ACCESS_WRITE);
	}
	if (error == 0 && (renaming->source->n_mounts > 0 || renaming->target->n_mounts > 0)) {
		error = -LINUX_EBUSY;
	}
	return error;
}

/* The dentries follow; takes the memory. */
static void renaming_move_names(struct renaming *renaming, char *memory)
{
	bool has_whiteout = (renaming->flags & LINUX_RENAME_WHITEOUT) != 0;

	renaming->is_vacated = !renaming_is_exchange(renaming) && !has_whiteout &&
		dentry_may_vanish(renaming->target);
	if (renaming_is_exchange(renaming) || renaming->is_vacated) {
		helix_free(memory);
		dentry_exchange(renaming->source, renaming->target);
	} else {
		dentry_move(renaming->source, renaming->target, memory);
	}
}

static int64_t renaming_move(struct renaming *renaming)
{
	struct inode *from = renaming->from.at.dentry->inode;
	struct inode *to = renaming->to.at.dentry->inode;
	char *memory;
	int64_t error = dentry_prepare_move(renaming->target, &memory);

	if (error < 0) {
		return error;
	}
	error = from->ops->rename(from, renaming->source, to, renaming->target,
		renaming->flags & ~LINUX_RENAME_NOREPLACE);
	if (error < 0) {
		helix_free(memory);
		return error;
	}
	renaming_move_names(renaming, memory);
	return 0;
}

/*
 * RENAME_WHITEOUT: the old name afterwards says that there is nothing, for file systems that lie
 * over others. The whiteout is made first, under a name that nothing else can have, because the
 * move cannot be undone.
 */
static int64_t renaming_make_whiteout(const struct renaming *renaming, struct dentry **out_dentry)
{
	static const char name[] = "/whiteout";
	struct dentry *parent = renaming->from.at.dentry;
	struct node_spec spec = name_spec(renaming->process, parent->inode, LINUX_S_IFCHR, 0);
	struct dentry *dentry;
	int64_t error = dentry_find(parent, name, sizeof(name) - 1, true, &dentry);

	if (error < 0) {
		return error;
	}
	error = parent->inode->ops->create(parent->inode, dentry, &spec, NULL);
	if (error < 0) {
		dentry_unref(dentry);
		return error;
	}
	*out_dentry = dentry;
	return 0;
}

static int64_t renaming_place_whiteout(struct renaming *renaming, struct dentry *whiteout)
{
	struct inode *directory = renaming->from.at.dentry->inode;
	struct dentry *old;
	char *memory;
	int64_t error = walk_find_last(&renaming->from, true, &old);

	if (error < 0) {
		return error;
	}
	error = dentry_prepare_move(old, &memory);
	if (error == 0) {
		error = directory->ops->rename(directory, whiteout, directory, old, 0);
		if (error == 0) {
			dentry_move(whiteout, old, memory);
		} else {
			helix_free(memory);
		}
	}
	dentry_unref(old);
	return error;
}

/* One name has moved from the one walk's place to the other's. */
static void renaming_notify_one(
	const struct walk *from, const struct walk *to, struct inode *child, struct inode *replaced)
{
	struct name_event event = {
		.directory = from->at.dentry->inode,
		.child = child,
		.name = from->last,
		.name_size = from->last_size,
		.mask = LINUX_IN_MOVED_FROM,
		.cookie = notify_cookie(),
	};

	notify_name(&event);
	event.directory = to->at.dentry->inode;
	event.name = to->last;
	event.name_size = to->last_size;
	event.mask = LINUX_IN_MOVED_TO;
	notify_name(&event);
	if (replaced != NULL) {
		notify_inode(replaced, LINUX_IN_ATTRIB);
	}
	notify_inode(child, LINUX_IN_MOVE_SELF);
}

static void renaming_notify(const struct renaming *renaming)
{
	const struct walk *from = &renaming->from;
	const struct walk *to = &renaming->to;
	struct inode *source = renaming->source->inode;
	struct inode *target = renaming->target->inode;

	if (renaming_is_exchange(renaming)) {
		renaming_notify_one(from, to, source, NULL);
		renaming_notify_one(to, from, target, NULL);
	} else {
		renaming_notify_one(from, to, source, target);
	}
}

static int64_t renaming_act(struct renaming *renaming)
{
	struct inode *from = renaming->from.at.dentry->inode;
	struct dentry *whiteout;

	/* the disk's file systems do it in one */
	if (!(renaming->flags & LINUX_RENAME_WHITEOUT) || (from->super->flags & SUPER_WAITS)) {
		return renaming_move(renaming);
	}
	int64_t error = renaming_make_whiteout(renaming, &whiteout);

	if (error < 0) {
		return error;
	}
	renaming->flags &= ~LINUX_RENAME_WHITEOUT;
	error = renaming_move(renaming);
	if (error == 0) {
		error = renaming_place_whiteout(renaming, whiteout);
	} else if (from->ops->unlink(from, whiteout) == 0) {
		dentry_drop(whiteout);
	}
	dentry_unref(whiteout);
	return error;
}

/* Both directories, and the tree above them if they are two. */
static int64_t renaming_lock(struct renaming *renaming)
{
	const struct inode *from = renaming->from.at.dentry->inode;
	const struct inode *to = renaming->to.at.dentry->inode;
	int64_t error;

	if (from == to) {
		return vfs_lock_directory(&renaming->first, from);
	}
	error = vfs_lock_renames(&renaming->tree, from->super);
	if (error == 0) {
		error = vfs_lock_directory(&renaming->first, from < to ? from : to);
	}
	if (error == 0) {
		error = vfs_lock_directory(&renaming->second, from < to ? to : from);
	}
	return error;
}

static void renaming_unlock(struct renaming *renaming)
{
	vfs_unlock(&renaming->second);
	vfs_unlock(&renaming->first);
	vfs_unlock(&renaming->tree);
}

static int64_t renaming_run_locked(struct renaming *renaming)
{
	int64_t error = renaming_find(renaming);

	if (error < 0) {
		return error;
	}
	if (renaming->source->inode == renaming->target->inode) {
		return 0; /* two names of one file: nothing to do */
	}
	error = renaming_check(renaming);
	if (error == 0) {
		error = renaming_act(renaming);
	}
	if (error == 0) {
		renaming_notify(renaming);
		if (renaming->is_vacated) {
			dentry_vanish(renaming->target);
		}
	}
	return error;
}

static int64_t renaming_run(struct renaming *renaming)
{
	int64_t error = walk_to_parent(&renaming->from);

	if (error == 0) {
		error = walk_to_parent(&renaming->to);
	}
	if (error < 0) {
		return error;
	}
	if (renaming->from.at.mount != renaming->to.at.mount) {
		return -LINUX_EXDEV;
	}
	if (renaming->from.last_kind != WALK_LAST_NAME) {
		return -LINUX_EBUSY;
	}
	if (renaming->to.last_kind != WALK_LAST_NAME) {
		return (renaming->flags & LINUX_RENAME_NOREPLACE) ? -LINUX_EEXIST : -LINUX_EBUSY;
	}
	error = renaming_lock(renaming);
	if (error == 0) {
		error = renaming_run_locked(renaming);
	}
	renaming_unlock(renaming);
	return error;
}

int64_t posix_renameat2(struct request *request)
{
	struct process *process = request->process;
	struct renaming renaming = { .process = process, .flags = (uint32_t)request->args[4] };

	uint32_t one_way = LINUX_RENAME_NOREPLACE | LINUX_RENAME_WHITEOUT;

	if ((renaming.flags & ~(one_way | LINUX_RENAME_EXCHANGE)) ||
		(renaming_is_exchange(&renaming) && (renaming.flags & one_way))) {
		return -LINUX_EINVAL;
	}
	int64_t error = walk_begin(&renaming.from, process, &process->credentials,
		(int)(uint32_t)request->args[0], request_path(request, 1));

	if (error < 0) {
		return error;
	}
	error = walk_begin(&renaming.to, process, &process->credentials,
		(int)(uint32_t)request->args[2], request_path(request, 3));
	if (error == 0) {
		error = renaming_run(&renaming);
		dentry_unref(renaming.source);
		dentry_unref(renaming.target);
		walk_end(&renaming.to);
	}
	walk_end(&renaming.from);
	return error;
}
