/* SPDX-License-Identifier: MIT */
/*
 * Mounts: how file systems (or parts of them) are put together to one tree.
 *
 * A mount shows the tree below `root` of its file system at a mount point, a dentry of its parent
 * mount. Crossing is done by the path walk: down when it comes to a dentry with mounts on it, up
 * from a mount's root. The tree holds one reference to each mount, its children one to their
 * parent, each struct path one: a mount with more than the tree's own is busy.
 *
 * Mounts of a tree are in a struct mount_tree. Processes with their own view (unshare) have a tree
 * of their own, a copy, which is taken apart when its last user has gone. A mount in no tree is
 * being made, was taken off, or is posix' own.
 *
 * Mounts that show the same can be *peers*: what is mounted on one, or taken off, is so on all. A
 * group of peers may have *slaves*, which hear of it and are not heard; see mount-propagation.c.
 */
#ifndef POSIX_VFS_MOUNT_H
#define POSIX_VFS_MOUNT_H

#include <base/hash-table.h>
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

struct mount_tree {
	struct list mounts; /* struct mount.node, in the order in which they came */
	struct mount *top;
	uint32_t n_users; /* contexts that see it, and files that mean it */
	uint32_t id;
	bool is_copy; /* not the first one, of which the system is a user, too */
};

struct mount {
	uint32_t references;
	uint32_t id;
	uint32_t flags; /* enum mount_flags */
	struct super *super;
	struct list_node super_node; /* in super->mounts */
	struct dentry *root;
	struct mount *parent; /* NULL: a top, or detached */
	struct dentry *mountpoint; /* in parent */
	struct hash_node place_node; /* by these two, while there is a parent */
	struct list children;
	struct list_node sibling_node; /* in parent's children */
	struct mount_tree *tree; /* NULL: it is in none */
	struct list_node node; /* in tree->mounts */
	struct mount *copy; /* while a tree is copied */
	struct mount_peers *peers; /* NULL: private, or only a slave */
	struct list_node peer_node;
	struct mount_peers *master; /* whose slave it is, NULL: nobody's */
	struct list_node slave_node;
	struct list_node visit_node; /* while something propagates */
	uint64_t visit;
	struct mount *target; /* of a copy that is to be mounted */
	bool is_unbindable;
	bool is_expiring; /* nobody has used it since MNT_EXPIRE */
	char source[64];
};

/**
 * mount_create() - a mount that shows @root of @super, nowhere yet
 * @out_mount: with one reference, which mount_graft() and mount_tree_create() take
 *
 * Return: 0, -LINUX_ENOMEM, -LINUX_ENOSPC: there are MOUNTS_MAX.
 */
int64_t mount_create(struct super *super, struct dentry *root, const char *source, uint32_t flags,
	struct mount **out_mount);

/** mount_shown_flags() - its flags, with those of its file system */
static inline uint32_t mount_shown_flags(const struct mount *mount)
{
	return mount->flags | ((mount->super->flags & SUPER_READ_ONLY) ? MOUNT_READ_ONLY : 0);
}

/** mount_limit() - how many there may be in all trees, fs.mount-max */
uint32_t mount_limit(void);

/** mount_step_down() - go to what is mounted on @path, if anything */
void mount_step_down(struct path *path);
/** mount_step_up() - from the root of a mount to its mount point; false at the top */
bool mount_step_up(struct path *path);

/**
 * mount_detach() - umount: -LINUX_EBUSY, unless @is_lazy: then it goes when its last user has gone
 */
int64_t mount_detach(struct mount *mount, bool is_lazy);

/** mount_move() - take it off from where it is and put it at @at; it is no top; -LINUX_ENOMEM, … */
int64_t mount_move(struct mount *mount, const struct path *at);

/** mount_attach() - connect it to a place; it does not come into the parent's tree yet */
void mount_attach(struct mount *mount, struct mount *parent, struct dentry *mountpoint);
/** mount_disconnect() - the opposite; it has no parent then */
void mount_disconnect(struct mount *mount);
/** mount_enter() - it and all below it come into a tree */
void mount_enter(struct mount *mount, struct mount_tree *tree);
/** mount_dissolve() - take it and all below it apart, and out of their tree */
void mount_dissolve(struct mount *mount);
/** mount_find() - what is mounted at a place, NULL: nothing */
struct mount *mount_find(const struct mount *parent, const struct dentry *mountpoint);
/** mount_next() - the mount after @at in a walk over @top and all below it, parents first; NULL */
struct mount *mount_next(const struct mount *at, const struct mount *top);
/** mount_next_beside() - the same without what is below @at */
struct mount *mount_next_beside(const struct mount *at, const struct mount *top);

/* ---- mount-tree.c ---------------------------------------------------------------------------- */

enum mount_copy_flags : uint32_t {
	MOUNT_COPY_ONE = 1, /* nothing of what is mounted below */
	MOUNT_COPY_UNBINDABLE = 2, /* also those */
	MOUNT_COPY_SLAVE = 4, /* slaves of the originals, which are shared; else their peers */
	MOUNT_COPY_SHARED = 8, /* each with a group of its own */
};

/**
 * mount_copy() - a copy of a mount from @root of it on, and of what is mounted below
 * @out_top: nowhere; to be grafted or dissolved
 */
int64_t mount_copy(struct mount *from, struct dentry *root, uint32_t flags, struct mount **out_top);

/** mount_tree_create() - a tree with that top, whose reference is taken; NULL: no memory */
struct mount_tree *mount_tree_create(struct mount *top);
/** mount_tree_copy() - give @context, which nobody shares, a tree of its own */
int64_t mount_tree_copy(struct fs_context *context);
/** mount_tree_ref() - one user more, of a tree that may be NULL; _unref() - one less */
void mount_tree_ref(struct mount_tree *tree);
void mount_tree_unref(struct mount_tree *tree);
/** mount_tree_end() - take a tree apart */
void mount_tree_end(struct mount_tree *tree);

/* ---- mount-propagation.c --------------------------------------------------------------------- */

struct mount_peers {
	uint32_t id;
	struct list members; /* struct mount.peer_node */
	struct list slaves; /* struct mount.slave_node */
	uint64_t visit;
	struct mount *copy; /* what its members get, while something propagates */
};

/** mount_make_shared() - a group of its own, if it has none; 0 or -LINUX_ENOMEM */
int64_t mount_make_shared(struct mount *mount);
/** mount_make_slave() - of those that were its peers; what had none stays what it is, unshared */
void mount_make_slave(struct mount *mount);
/** mount_make_private() - neither peer nor slave */
void mount_make_private(struct mount *mount);
/** mount_copy_relations() - what a copy of @from is to others; enum mount_copy_flags */
int64_t mount_copy_relations(struct mount *copy, const struct mount *from, uint32_t flags);

/**
 * mount_graft() - put a mount that is nowhere, and what is below it, at @at and wherever else that
 * is to be seen; takes the reference on success
 *
 * Return: 0, -LINUX_ENOMEM, -LINUX_ENOSPC; then nothing was done.
 */
int64_t mount_graft(struct mount *mount, const struct path *at);
/** mount_is_busy_elsewhere() - somebody uses what would go with it in other places */
bool mount_is_busy_elsewhere(const struct mount *mount);
/** mount_umount_elsewhere() - take those off */
void mount_umount_elsewhere(const struct mount *mount);

void mount_ref(struct mount *mount);
void mount_unref(struct mount *mount);

/** mount_may_write() - 0 or -LINUX_EROFS */
int64_t mount_may_write(const struct path *path);

/** mount_print() - the text of /proc/mounts or of /proc/PID/mountinfo; returns bytes */
size_t mount_print(struct process *process, bool is_info, char *buffer, size_t size);

/* ---- file system types --------------------------------------------------------------------- */

struct file_system_type {
	const char *name;
	/*
	 * options: the text after -o, for this type; NULL: it is on a block device, and
	 * disk_mount_create() is called
	 */
	int64_t (*create)(const char *source, const char *options, struct super **out_super);
};

/** file_system_type_find() - a type by name, NULL if there is none */
const struct file_system_type *file_system_type_find(const char *name);
/** file_system_types_print() - the text of /proc/filesystems; returns bytes */
size_t file_system_types_print(char *buffer, size_t size);

/* ---- pipes (file/pipe.c) serve FIFOs of any file system ------------------------------------ */

int64_t pipe_inode_open(struct inode *inode, struct file *file, struct request *request);

/** device_inode_open() - the open hook of character devices of any file system */
int64_t device_inode_open(struct inode *inode, struct file *file, struct request *request);

/** inode_open_special() - the open of whatever is no regular file, by the type of the inode */
int64_t inode_open_special(struct inode *inode, struct file *file, struct request *request);

#endif
