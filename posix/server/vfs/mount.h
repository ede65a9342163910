/* SPDX-License-Identifier: MIT */
/*
 * Mounts: how file systems (or parts of them) are put together to one tree.
 *
 * A mount shows the tree below `root` of its file system at a mount point, a dentry of its parent
 * mount. Crossing is done by the path walk: down when it comes to a dentry with mounts on it, up
 * from a mount's root. The tree holds one reference to each mount, its children one to their
 * parent, each struct path one: a mount with more than the tree's own is busy.
 *
 * A tree is known by its top, a mount without parent. Processes with their own view (unshare) have
 * a tree of their own, a copy, which is taken apart when its last process has gone.
 */
#ifndef POSIX_VFS_MOUNT_H
#define POSIX_VFS_MOUNT_H

#include <base/list.h>
#include <posix/server/vfs/inode.h>

enum mount_flags : uint32_t { /* as statfs has them */
	MOUNT_READ_ONLY = 1,
	MOUNT_NO_SET_ID = 2,
	MOUNT_NO_DEVICES = 4,
	MOUNT_NO_EXECUTE = 8,
	MOUNT_NO_ACCESS_TIME = 1024,
	MOUNT_NO_DIRECTORY_ACCESS_TIME = 2048,
	MOUNT_RELATIVE_ATIME = 4096,
};

struct mount {
	uint32_t references;
	uint32_t id;
	uint32_t flags; /* enum mount_flags */
	struct super *super;
	struct dentry *root;
	struct mount *parent;      /* NULL: the root of all, or detached */
	struct dentry *mountpoint; /* in parent */
	struct list_node node;     /* in mount_all(), while it is in the tree */
	struct mount *tree;        /* its top, perhaps itself; NULL: taken off */
	struct mount *copy;        /* while a tree is copied */
	uint32_t n_contexts;       /* struct fs_context that see it, of a top */
	bool is_copied_tree;       /* a top that goes with the last of them */
	bool is_expiring;          /* nobody has used it since MNT_EXPIRE */
	char source[64];
};

/** mount_all() - the mounts of the tree, in the order they were made */
struct list *mount_all(void);

/**
 * mount_create() - show @root of @super at a place
 * @at: the mount point; NULL for the root of all
 *
 * Return: 0, -LINUX_ENOMEM, -LINUX_ENOSPC: there are MOUNTS_MAX.
 */
int64_t mount_create(struct super *super, struct dentry *root, const char *source,
	const struct path *at, uint32_t flags, struct mount **out_mount);

/** mount_step_down() - go to what is mounted on @path, if anything */
void mount_step_down(struct path *path);
/** mount_step_up() - from the root of a mount to its mount point; false at the top */
bool mount_step_up(struct path *path);

/**
 * mount_detach() - umount: -LINUX_EBUSY, unless @is_lazy: then it goes when its last user has gone
 */
int64_t mount_detach(struct mount *mount, bool is_lazy);

/** mount_move() - take it off from where it is and put it at @at; it is no top */
void mount_move(struct mount *mount, const struct path *at);

/**
 * mount_copy_below() - mount at @to what is mounted at @from below @root
 *
 * Return: 0, or an error with a part done.
 */
int64_t mount_copy_below(struct mount *from, const struct dentry *root, struct mount *to);

/** mount_tree_copy() - give @context, which nobody shares, a tree of its own */
int64_t mount_tree_copy(struct fs_context *context);
/** mount_tree_ref() - one context more that sees the tree of a top (which may be NULL) */
void mount_tree_ref(struct mount *top);
void mount_tree_unref(struct mount *top);
/** mount_tree_end() - take a tree apart */
void mount_tree_end(struct mount *top);

void mount_ref(struct mount *mount);
void mount_unref(struct mount *mount);

/** mount_may_write() - 0 or -LINUX_EROFS */
int64_t mount_may_write(const struct path *path);

/** mount_print() - the text of /proc/mounts or of /proc/PID/mountinfo; returns bytes */
size_t mount_print(struct process *process, bool is_info, char *buffer, size_t size);

/* ---- file system types --------------------------------------------------------------------- */

struct file_system_type {
	const char *name;
	bool needs_device;
	/* options: the text after -o, for this type */
	int64_t (*create)(const char *source, const char *options, struct super **out_super);
};

/** file_system_type_find() - a type by name, NULL if there is none */
const struct file_system_type *file_system_type_find(const char *name);
/** file_system_types_print() - the text of /proc/filesystems; returns bytes */
size_t file_system_types_print(char *buffer, size_t size);

/* ---- pipes (file/pipe.c) serve FIFOs of any file system ------------------------------------ */

int64_t pipe_inode_open(struct inode *inode, struct file *file, struct request *request);

/** device_inode_open() - the open hook of character and block devices of any file system */
int64_t device_inode_open(struct inode *inode, struct file *file, struct request *request);

/** inode_open_special() - the open of whatever is no regular file, by the type of the inode */
int64_t inode_open_special(struct inode *inode, struct file *file, struct request *request);

#endif
