/* SPDX-License-Identifier: MIT */
/*
 * Path walks: from a name to a place in the tree.
 *
 * A walk goes component by component; a symbolic link puts its text before what is still to be
 * walked. It stops before the last component, whose name is then in `last`, because that is what
 * calls treat differently: some follow a link there, some make or remove the name. walk_finish()
 * goes the last step.
 *
 *	walk_begin() ---> walk_to_parent() ---> walk_finish()          to what exists
 *	                        |  ^
 *	                        v  | walk_follow(): the last component is a link
 *	                  walk_find_last()                             to what may not exist
 *
 * The rest of the name is a stack of frames, one per link that is being expanded; frames[0] is the
 * caller's name.
 */
#ifndef POSIX_VFS_WALK_H
#define POSIX_VFS_WALK_H

#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

/** WALK_LINKS_MAX - symbolic links that one walk follows; then it is -LINUX_ELOOP */
#define WALK_LINKS_MAX 40

enum walk_last {
	WALK_LAST_NAME,    /* an ordinary name */
	WALK_LAST_DOT,     /* "." */
	WALK_LAST_DOT_DOT, /* ".." */
	WALK_LAST_ROOT,    /* nothing: the path is "/" */
};

struct walk_frame {
	const char *rest;
	char *owned; /* to be freed with the frame, or NULL */
};

struct walk {
	struct process *process;
	const struct credentials *credentials;
	uint32_t flags; /* enum vfs_lookup_flags: the limits on the way */
	const struct path *top; /* what ".." does not leave and "/" is: the process' root, or */
	struct path own_top;    /* referenced */
	struct path at; /* referenced; the directory of `last` after walk_to_parent() */
	const char *last;
	size_t last_size;
	enum walk_last last_kind;
	bool has_trailing_slash; /* after the last component: it has to be a directory */
	uint32_t n_links;
	uint32_t n_frames;
	struct walk_frame frames[WALK_LINKS_MAX + 1];
};

/**
 * walk_begin() - start at the root, the working directory or an open directory
 * @credentials: borrowed until walk_end(); usually those of @process
 * @name: borrowed until walk_end(); not empty (-LINUX_ENOENT)
 * @flags: enum vfs_lookup_flags, of which only the limits on the way matter here
 *
 * walk_end() must follow only after success.
 * Return: 0, -LINUX_ENOENT, -LINUX_EBADF, -LINUX_ENOTDIR, -LINUX_EXDEV.
 */
int64_t walk_begin_within(struct walk *walk, struct process *process,
	const struct credentials *credentials, int dirfd, const char *name, uint32_t flags);

/** walk_begin() - the same without limits */
static inline int64_t walk_begin(struct walk *walk, struct process *process,
	const struct credentials *credentials, int dirfd, const char *name)
{
	return walk_begin_within(walk, process, credentials, dirfd, name, 0);
}

void walk_end(struct walk *walk);

/** walk_to_parent() - go on up to the last component; 0 or why there is no way */
int64_t walk_to_parent(struct walk *walk);

/**
 * walk_find_last() - the dentry of the last component, an ordinary name, in the directory walk->at
 * @is_wanted: make a negative dentry if there is none
 * @out_dentry: referenced
 */
int64_t walk_find_last(struct walk *walk, bool is_wanted, struct dentry **out_dentry);

/** walk_step_down() - go from walk->at to what is mounted on it; 0 or -LINUX_EXDEV */
int64_t walk_step_down(struct walk *walk);

/**
 * walk_follow() - go on at the target of the symbolic link @inode in walk->at
 * @out_is_there: the link led directly to a place (/proc): walk->at is it, and nothing is left to
 * walk here
 */
int64_t walk_follow(struct walk *walk, struct inode *inode, bool *out_is_there);

/**
 * walk_finish() - go the last step, to something that exists
 * @is_following: also follow a symbolic link there
 * @out_path: referenced
 */
int64_t walk_finish(struct walk *walk, bool is_following, struct path *out_path);

/** walk_path() - all of the above: from a name to a place; flags: enum vfs_lookup_flags */
int64_t walk_path(struct process *process, const struct credentials *credentials, int dirfd,
	const char *name, uint32_t flags, struct path *out_path);

#endif
